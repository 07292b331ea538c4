/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/metrics_text.h"

static void test_head_comes_once_and_with_a_sample_only(void **state) {
    struct metrics_text text = {0};
    metrics_family(&text, "a_total", "counter", "Counts.");
    metrics_add(&text, "", 3);
    metrics_add(&text, "x=\"1\"", 0.25);
    metrics_family(&text, "nothing", "gauge", "Never known.");
    metrics_family(&text, "h_seconds", "histogram", "Times.");
    metrics_add_part(&text, "_sum", "", 1.5);
    assert_string_equal(text.to.data, "# HELP a_total Counts.\n# TYPE a_total counter\n"
                                      "a_total 3\na_total{x=\"1\"} 0.25\n"
                                      "# HELP h_seconds Times.\n# TYPE h_seconds histogram\n"
                                      "h_seconds_sum 1.5\n");
    buffer_deinit(&text.to);
}

static void test_numbers_stay_whole(void **state) {
    struct metrics_text text = {0};
    metrics_family(&text, "n", "gauge", "N.");
    metrics_add(&text, "", 999999999999999.0);
    metrics_add(&text, "", 1790000000.125);
    metrics_add(&text, "", -1);
    assert_non_null(strstr(text.to.data, "\nn 999999999999999\nn 1790000000.125\nn -1\n"));
    buffer_deinit(&text.to);
}

static void test_labels_are_escaped(void **state) {
    struct buffer labels = {0};
    metrics_label(&labels, "a", "q\"b\\n\nz");
    metrics_label(&labels, "b", "");
    metrics_label(&labels, "c", "\xd1\x8f}{,=#");
    assert_string_equal(labels.data, "a=\"q\\\"b\\\\n\\nz\",b=\"\",c=\"\xd1\x8f}{,=#\"");
    buffer_deinit(&labels);
}

static void test_one_word_is_chosen(void **state) {
    static const char *const words[] = {"on", "off"};
    struct metrics_text text = {0};
    metrics_family(&text, "s", "gauge", "S.");
    metrics_add_choice(&text, "x=\"1\"", "is", words, 2, "off");
    metrics_add_choice(&text, "", "is", words, 1, "neither");
    assert_non_null(strstr(text.to.data, "\ns{x=\"1\",is=\"on\"} 0\ns{x=\"1\",is=\"off\"} 1\n"
                                         "s{is=\"on\"} 0\n"));
    buffer_deinit(&text.to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_comes_once_and_with_a_sample_only),
        cmocka_unit_test(test_numbers_stay_whole),
        cmocka_unit_test(test_labels_are_escaped),
        cmocka_unit_test(test_one_word_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
