/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/json_scan.h"
#include <errno.h>

static void test_valid(void **state) {
    const char *const good[] = {
        "1",           "-0", "1.5e+3", "\"\"",       "null",
        " true ",      "[]", "{}",     "[1,[2,{}]]", "{\"a\":{\"b\":[\"\\u00e9\\n\"]},\"c\":-2E5}",
        "\"\xc3\xa9\""};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!json_is_valid(slice_of(good[i])))
            fail_msg("refused: %s", good[i]);
}

static void test_invalid(void **state) {
    const char *const bad[] = {"",
                               " ",
                               "01",
                               "1.",
                               ".5",
                               "+1",
                               "1e",
                               "-",
                               "tru",
                               "nulll",
                               "[1,]",
                               "[,1]",
                               "[1 2]",
                               "{\"a\"}",
                               "{\"a\":}",
                               "{\"a\":1,}",
                               "{a:1}",
                               "{1:2}",
                               "[1",
                               "{\"a\":1",
                               "\"a",
                               "\"\\x\"",
                               "\"\\u12g4\"",
                               "\"\n\"",
                               "[1]]",
                               "{}{}",
                               "'a'",
                               "[}",
                               "{]",
                               "\"\xff\"",
                               "\"\xed\xa0\x80\"",
                               "\"\\",
                               "\"\\u12"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (json_is_valid(slice_of(bad[i])))
            fail_msg("taken: %s", bad[i]);
    assert_false(json_is_valid((struct slice){"1\0", 2}));
}

static void test_depth_is_bounded(void **state) {
    AUTO_BUFFER struct buffer text = {0};
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buffer_add_text(&text, "[");
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buffer_add_text(&text, "]");
    assert_true(json_is_valid(buffer_slice(&text)));
    AUTO_BUFFER struct buffer deeper = {0};
    buffer_print(&deeper, "[%s]", text.data);
    assert_false(json_is_valid(buffer_slice(&deeper)));
}

static void test_walk(void **state) {
    struct json_walk walk;
    struct slice key, value;
    assert_int_equal(json_walk_begin(slice_of(" {\"a\" : [1, 2] , \"b\":\"x}\"} "), '{', &walk), 0);
    assert_int_equal(json_walk_next(&walk, &key, &value), 1);
    assert_true(slice_is(key, "a") && slice_is(value, "[1, 2]"));
    assert_int_equal(json_walk_next(&walk, &key, &value), 1);
    assert_true(slice_is(key, "b") && slice_is(value, "\"x}\""));
    assert_int_equal(json_walk_next(&walk, &key, &value), 0);
    assert_int_equal(json_walk_begin(slice_of("{}"), '[', &walk), -EINVAL);
    assert_int_equal(json_walk_begin(slice_of("[ ]"), '[', &walk), 0);
    assert_int_equal(json_walk_next(&walk, &key, &value), 0);
    assert_true(slice_is(json_member(slice_of("{\"a\":1,\"b\":2}"), "b"), "2"));
    assert_int_equal(json_member(slice_of("[1]"), "b").size, 0);
}

static void test_texts(void **state) {
    AUTO_BUFFER struct buffer text = {0}, again = {0};
    assert_int_equal(json_to_text(slice_of("\"a\\\"\\n\\u00e9\\ud83d\\ude00\\/\xc3\xa9\""), &text),
                     0);
    assert_string_equal(text.data, "a\"\n\xc3\xa9\xf0\x9f\x98\x80/\xc3\xa9");
    json_add_text(&again, buffer_slice(&text));
    assert_string_equal(again.data, "\"a\\\"\\n\xc3\xa9\xf0\x9f\x98\x80/\xc3\xa9\"");
    buffer_clear(&text);
    assert_int_equal(json_to_text(slice_of("\"\\ud83d\""), &text), -EINVAL);
    assert_int_equal(json_to_text(slice_of("\"\\ude00\""), &text), -EINVAL);
    assert_int_equal(json_to_text(slice_of("\"\\u0000\""), &text), -EINVAL);
    assert_int_equal(json_to_text(slice_of("5"), &text), -EINVAL);
    int64_t number;
    assert_int_equal(json_to_int(slice_of("-1001234567890"), &number), 0);
    assert_true(number == -1001234567890);
    assert_int_equal(json_to_int(slice_of("1.0"), &number), -EINVAL);
    assert_int_equal(json_to_int(slice_of("9223372036854775808"), &number), -ERANGE);
    assert_int_equal(json_to_int((struct slice){"", 0}, &number), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
