/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/alert.h"
#include "wire/json_scan.h"

static void test_one_and_many(void **state) {
    AUTO_BUFFER struct buffer error = {0}, json = {0};
    struct alert_list list;
    assert_int_equal(
        alerts_read(slice_of("{\"priority\":\"critical\",\"text\":\"down\",\"title\":null,"
                             "\"dedup_key\":\"k\"}"),
                    &list, &error),
        0);
    assert_true(list.one && list.count == 1);
    assert_int_equal(list.list[0].priority, ALERT_CRITICAL);
    assert_string_equal(list.list[0].dedup_key, "k");
    assert_null(list.list[0].title);
    alert_add_json(&json, &list.list[0]);
    assert_true(json_is_valid(buffer_slice(&json)));
    alert_list_deinit(&list);
    assert_int_equal(
        alerts_read(slice_of("[{\"text\":\"a\"},{\"text\":\"b\",\"priority\":\"LOW\"}]"), &list,
                    &error),
        0);
    assert_true(!list.one && list.count == 2);
    assert_int_equal(list.list[0].priority, ALERT_MEDIUM);
    alert_list_deinit(&list);
}

struct refused {
    const char *json, *said;
};
static const struct refused refused[] = {
    {"", "not JSON"},
    {"\"text\"", "JSON object"},
    {"{}", "\"text\" is missing"},
    {"{\"text\":\" \\n\"}", "missing or empty"},
    {"{\"text\":5}", "must be a JSON string"},
    {"{\"text\":\"a\",\"priority\":\"URGENT\"}", "expected CRITICAL, HIGH"},
    {"{\"text\":\"a\",\"prioriti\":\"LOW\"}", "did you mean \"priority\""},
    {"{\"text\":\"a\",\"zzz\":1}", "known are"},
    {"[]", "empty"},
    {"[{\"text\":\"a\"},{\"text\":\"\"}]", "in alert 2"},
    {"[{\"text\":\"a\"},7]", "in alert 2"},
};

static void test_refusals_say_what_to_do(void **state) {
    struct alert_list list;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        AUTO_BUFFER struct buffer error = {0};
        assert_int_equal(alerts_read(slice_of(refused[i].json), &list, &error), ALERT_INVALID);
        if (!strstr(error.data, refused[i].said))
            fail_msg("%s: %s", refused[i].json, error.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_and_many),
        cmocka_unit_test(test_refusals_say_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
