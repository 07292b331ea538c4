/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "link/url.h"
#include <stdio.h>

static void check_decode(const char *text, bool plus, const char *expected) {
    AUTO_FREE char *decoded = url_decode(slice_of(text), plus);
    assert_string_equal(decoded, expected);
}

static void test_decode(void **state) {
    check_decode("", false, "");
    check_decode("/a%20b%2fc+d", false, "/a b/c+d");
    check_decode("a+b%2B", true, "a b+");
    check_decode("%c3%A9", true, "\xc3\xa9");
    check_decode("%", true, "%");
    check_decode("%4", true, "%4");
    check_decode("%4g%g4%%41", true, "%4g%g4%A");
    assert_true(url_holds_nul("/a%00b"));
    assert_false(url_holds_nul("/a%0"));
    assert_false(url_holds_nul(&"/a%001"[4]));
}

static void test_query(void **state) {
    struct url_query query;
    url_query_init(&query, "&&a=1&b&=x&a=2=3&c=%26&");
    assert_int_equal(query.count, 5);
    assert_string_equal(query.parameters[0].name, "a");
    assert_string_equal(query.parameters[0].value, "1");
    assert_string_equal(query.parameters[1].name, "b");
    assert_string_equal(query.parameters[1].value, "");
    assert_string_equal(query.parameters[2].name, "");
    assert_string_equal(query.parameters[2].value, "x");
    assert_string_equal(query.parameters[3].value, "2=3");
    assert_string_equal(query.parameters[4].value, "&");
    url_query_deinit(&query);
    url_query_deinit(&query);
    url_query_init(&query, "");
    assert_int_equal(query.count, 0);
    url_query_deinit(&query);
}

static void test_many_parameters(void **state) {
    struct url_query query;
    size_t size = 4 * (URL_PARAMETERS_MAX + 10);
    AUTO_FREE char *text = memory_new(size + 1);
    for (size_t i = 0; i < size; i += 4)
        memcpy(text + i, "a=1&", 4);
    url_query_init(&query, text);
    assert_int_equal(query.count, URL_PARAMETERS_MAX);
    url_query_deinit(&query);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_many_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
