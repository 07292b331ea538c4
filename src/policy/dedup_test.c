/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/dedup.h"
#include <stdio.h>

static void test_window(void **state) {
    struct dedup *d = dedup_new(300000, 100);
    assert_int_equal(dedup_find(d, slice_of("tp1"), 0), 0);
    dedup_put(d, slice_of("tp1"), 17, 0);
    dedup_put(d, slice_of("tp2"), 18, 1000);
    assert_int_equal(dedup_find(d, slice_of("tp1"), 299999), 17);
    assert_int_equal(dedup_find(d, slice_of("tp1"), 300000), 0);
    assert_int_equal(dedup_find(d, slice_of("tp2"), 300000), 18);
    dedup_put(d, slice_of("tp1"), 19, 300000);
    assert_int_equal(dedup_find(d, slice_of("tp1"), 300001), 19);
    dedup_free(d);
}

static void test_forget_keeps_the_order_whole(void **state) {
    struct dedup *d = dedup_new(1000, 100);
    dedup_put(d, slice_of("a"), 1, 0);
    dedup_put(d, slice_of("b"), 2, 1);
    dedup_put(d, slice_of("c"), 3, 2);
    dedup_forget(d, slice_of("c"));
    dedup_put(d, slice_of("d"), 4, 3);
    dedup_forget(d, slice_of("b"));
    dedup_forget(d, slice_of("nobody"));
    assert_int_equal(dedup_count(d), 2);
    assert_int_equal(dedup_find(d, slice_of("d"), 1002), 4);
    assert_int_equal(dedup_find(d, slice_of("d"), 1003), 0);
    assert_int_equal(dedup_count(d), 0);
    dedup_free(d);
}

static void test_bounded(void **state) {
    struct dedup *d = dedup_new(300000, 50);
    char key[16];
    for (int i = 1; i <= 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        dedup_put(d, slice_of(key), i, i);
    }
    assert_int_equal(dedup_count(d), 50);
    assert_int_equal(dedup_find(d, slice_of("k950"), 1000), 0);
    assert_int_equal(dedup_find(d, slice_of("k951"), 1000), 951);
    dedup_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_forget_keeps_the_order_whole),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
