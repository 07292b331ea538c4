/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/json_scan.h"
#include "wire/silence.h"

static void read_good(const char *json, struct silence *ret) {
    AUTO_BUFFER struct buffer error = {0};
    if (silence_read(slice_of(json), 1000000, ret, &error) != 0)
        fail_msg("%s", error.data);
}

static void test_reads_and_shows(void **state) {
    struct silence silence;
    AUTO_BUFFER struct buffer shown = {0};
    read_good("{\"for\":\"2h\",\"priority\":[\"low\",\"CRITICAL\"],\"service\":\"d\\u0062\","
              "\"comment\":\"new \\\"disk\\\"\",\"author\":null}",
              &silence);
    assert_int_equal(silence.starts_ms, 1000000);
    assert_int_equal(silence.ends_ms, 1000000 + 7200000);
    assert_string_equal(silence.service, "db");
    assert_null(silence.author);
    silence.id = 7;
    silence_add_json(&shown, &silence, 1000000);
    assert_true(json_is_valid(buffer_slice(&shown)));
    assert_non_null(strstr(shown.data, "\"id\":7,\"state\":\"active\""));
    assert_non_null(strstr(shown.data, "\"priority\":[\"CRITICAL\",\"LOW\"]"));
    assert_non_null(strstr(shown.data, "\"comment\":\"new \\\"disk\\\"\""));
    silence_deinit(&silence);
}

static void test_refusals_say_what_to_change(void **state) {
    static const char *const cases[][2] = {
        {"[]", "JSON object"},
        {"{\"for\":\"2h\"", "JSON object"},
        {"{\"service\":\"db\"}", "\"for\" is missing"},
        {"{\"for\":\"soon\",\"service\":\"db\"}", "such as \"30m\""},
        {"{\"for\":\"400d\",\"service\":\"db\"}", "365d at most"},
        {"{\"for\":\"2h\"}", "silence everything"},
        {"{\"for\":\"2h\",\"priority\":[]}", "silence everything"},
        {"{\"for\":\"2h\",\"priority\":\"urgent\"}", "CRITICAL, HIGH, MEDIUM, LOW"},
        {"{\"for\":\"2h\",\"servise\":\"db\"}", "did you mean \"service\""},
        {"{\"for\":\"2h\",\"service\":7}", "must be a JSON string"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct silence silence;
        AUTO_BUFFER struct buffer error = {0};
        assert_int_equal(silence_read(slice_of(cases[i][0]), 0, &silence, &error), SILENCE_INVALID);
        if (!strstr(error.data, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], error.data);
    }
}

static void test_what_fits(void **state) {
    struct silence silence;
    read_good("{\"for\":\"1h\",\"service\":\"db*\",\"text\":\"*time?out*\"}", &silence);
    struct alert alert = {.priority = ALERT_HIGH,
                          .service = (char *)"db-main",
                          .text = (char *)"a time-out happened"};
    assert_true(silence_fits(&silence, &alert, 1000000));
    assert_false(silence_fits(&silence, &alert, 1000000 + 3600000));
    alert.priority = ALERT_CRITICAL; /* is to be named */
    assert_false(silence_fits(&silence, &alert, 1000000));
    silence.priorities = 1 << ALERT_CRITICAL;
    assert_true(silence_fits(&silence, &alert, 1000000));
    alert.service = NULL;
    assert_false(silence_fits(&silence, &alert, 1000000));
    silence_deinit(&silence);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_and_shows),
        cmocka_unit_test(test_refusals_say_what_to_change),
        cmocka_unit_test(test_what_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
