/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include "base/test.h"

static void test_grows_and_stays_terminated(void **state) {
    AUTO_BUFFER struct buffer b = {0};
    for (int i = 0; i < 1000; i++)
        buffer_print(&b, "%d,", i);
    assert_int_equal(b.size, 3890);
    assert_int_equal(strlen(b.data), b.size);
    buffer_drop_front(&b, 2);
    assert_memory_equal(b.data, "1,2,", 4);
}

static void test_empty_take_is_text(void **state) {
    struct buffer b = {0};
    AUTO_FREE char *text = buffer_take(&b);
    assert_string_equal(text, "");
    assert_null(b.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_and_stays_terminated),
        cmocka_unit_test(test_empty_take_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
