/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/log_pattern.h"
#include <ctype.h>

static int64_t place(const char *word, const char *text) {
    struct log_pattern pattern;
    assert_true(log_pattern_set(&pattern, word));
    const char *found = log_pattern_find(&pattern, slice_of(text));
    return found ? found - text : -1;
}

static void test_found_in_any_case_and_as_a_part(void **state) {
    assert_int_equal(place("error", "error"), 0);
    assert_int_equal(place("error", "an ERROR in a line that is longer than a block"), 3);
    assert_int_equal(place("error", "ValueError: no"), 5);
    assert_int_equal(place("Error", "a line in which, far behind, stands ValueErrors"), 41);
    assert_int_equal(place("error", "no such word, erro, rror, terro r, er ror, and so on"), -1);
    assert_int_equal(place("error", "erro"), -1);
    assert_int_equal(place("error", ""), -1);
    assert_int_equal(place("lỗi", "có lỗi ở đây"), 4);
    assert_int_equal(place("a@b", "a`b A@b"), 4); /* '@' and '`' are no letters */
    assert_int_equal(place("[x]", "{x} [X]"), 4);
}

/* The same answer as a plain search, wherever the word stands in the blocks. */
static void test_the_same_as_a_plain_search(void **state) {
    static const char letters[] = "eErRoOx \n@`";
    uint32_t random = 7;
    char text[200];
    for (int run = 0; run < 20000; run++) {
        size_t size = (size_t)run % sizeof text;
        for (size_t i = 0; i < size; i++) {
            random = random * 1103515245 + 12345;
            text[i] = letters[(random >> 16) % (sizeof letters - 1)];
        }
        static const char *const words[] = {"error", "ROX", "oo@", "`re"};
        struct log_pattern pattern;
        assert_true(log_pattern_set(&pattern, words[run % 4]));
        const char *expected = NULL;
        for (size_t i = 0; !expected && i + pattern.size <= size; i++)
            if (strncasecmp(text + i, pattern.text, pattern.size) == 0)
                expected = text + i;
        assert_ptr_equal(log_pattern_find(&pattern, (struct slice){text, size}), expected);
    }
}

static void test_what_is_no_pattern(void **state) {
    struct log_pattern pattern;
    assert_false(log_pattern_set(&pattern, ""));
    assert_false(log_pattern_set(&pattern, "ab"));
    assert_false(log_pattern_set(&pattern, "ab\nc"));
    char text[LOG_PATTERN_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    text[LOG_PATTERN_BYTES_MAX + 1] = 0;
    assert_false(log_pattern_set(&pattern, text));
    text[LOG_PATTERN_BYTES_MAX] = 0;
    assert_true(log_pattern_set(&pattern, text));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_in_any_case_and_as_a_part),
        cmocka_unit_test(test_the_same_as_a_plain_search),
        cmocka_unit_test(test_what_is_no_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
