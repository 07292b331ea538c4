/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include <errno.h>

static void test_numbers(void **state) {
    int64_t v = 0;
    assert_int_equal(text_to_int("42", 0, 100, &v), 0);
    assert_int_equal(v, 42);
    assert_int_equal(text_to_int("-1001234567890", INT64_MIN, 0, &v), 0);
    assert_int_equal(v, -1001234567890);
    assert_int_equal(text_to_int("101", 0, 100, &v), -ERANGE);
    assert_int_equal(text_to_int("99999999999999999999", 0, INT64_MAX, &v), -ERANGE);
    assert_int_equal(text_to_int("-9223372036854775808", INT64_MIN, 0, &v), -ERANGE);
    assert_int_equal(text_to_int("4x", 0, 100, &v), -EINVAL);
    assert_int_equal(text_to_int("", 0, 100, &v), -EINVAL);
    assert_int_equal(text_to_duration("5m", 0, INT64_MAX, &v), 0);
    assert_int_equal(v, 300000);
    assert_int_equal(text_to_duration("5", 0, INT64_MAX, &v), 0);
    assert_int_equal(v, 5000);
    assert_int_equal(text_to_duration("5 weeks", 0, INT64_MAX, &v), -EINVAL);
    assert_int_equal(text_to_size("10MB", 0, INT64_MAX, &v), 0);
    assert_int_equal(v, 10485760);
}

static void test_words(void **state) {
    const char *error = NULL;
    char **w = text_split_words(" uvicorn 'api app' \"a\\\"b\" c\\ d '' ", &error);
    assert_non_null(w);
    assert_int_equal(text_list_count(w), 5);
    assert_string_equal(w[1], "api app");
    assert_string_equal(w[2], "a\"b");
    assert_string_equal(w[3], "c d");
    assert_string_equal(w[4], "");
    text_list_free(w);
    assert_null(text_split_words("a 'b", &error));
    assert_non_null(error);
    assert_null(text_split_words("a \\", &error));
    w = text_split_words("", &error);
    assert_int_equal(text_list_count(w), 0);
    text_list_free(w);
}

static void test_did_you_mean(void **state) {
    const char *const names[] = {"services", "bots", "http", NULL};
    assert_string_equal(text_did_you_mean("servces", names), "services");
    assert_string_equal(text_did_you_mean("bot", names), "bots");
    assert_null(text_did_you_mean("database", names));
}

static void test_utf8(void **state) {
    size_t points = 0;
    assert_true(text_is_utf8(slice_of("a\xc3\xa9\xf0\x9f\x98\x80"), &points));
    assert_int_equal(points, 3);
    assert_false(text_is_utf8(slice_of("\xc0\x80"), NULL));     /* overlong */
    assert_false(text_is_utf8(slice_of("\xed\xa0\x80"), NULL)); /* surrogate */
    assert_false(text_is_utf8(slice_of("\xf0\x9f\x98"), NULL)); /* cut */
}

static void test_cut_at_a_character(void **state) {
    char text[8];
    text_print(text, sizeof text, "%s", "ab\xe1\xbb\x87\xe1\xbb\x87"); /* 7 of 8 bytes fit */
    assert_string_equal(text, "ab\xe1\xbb\x87");
    text_print(text, sizeof text, "%s", "ab\xe1\xbb\x87");
    assert_string_equal(text, "ab\xe1\xbb\x87");
    text_print(text, 2, "%s", "\xc3\xa9");
    assert_string_equal(text, "");
    text_print(text, sizeof text, "%s",
               "a\xff"
               "b\xc3z");
    assert_string_equal(text, "a?b?z");
    text_print(text, sizeof text, "%s", "");
    assert_string_equal(text, "");
}

static void test_secret_compare(void **state) {
    assert_true(text_equal_secret(slice_of("token"), slice_of("token")));
    assert_false(text_equal_secret(slice_of("tokem"), slice_of("token")));
    assert_false(text_equal_secret(slice_of("token2"), slice_of("token")));
    assert_false(text_equal_secret(slice_of(""), slice_of("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_did_you_mean),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_cut_at_a_character),
        cmocka_unit_test(test_secret_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
