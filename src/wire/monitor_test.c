/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/json_scan.h"
#include "wire/monitor.h"

static void assert_refused(const char *json, const char *says, bool beat) {
    AUTO_BUFFER struct buffer error = {0};
    struct monitor *monitor = NULL;
    struct monitor_beat read;
    int r = beat ? monitor_beat_read(slice_of(json), &read, &error)
                 : monitor_wish_read("m", slice_of(json), &monitor, &error);
    assert_int_equal(r, MONITOR_INVALID);
    assert_null(monitor);
    assert_non_null(error.data);
    if (!strstr(error.data, says))
        fail_msg("%s: %s", json, error.data);
}

static void test_wishes(void **state) {
    AUTO_BUFFER struct buffer error = {0};
    struct monitor *m;
    assert_int_equal(monitor_wish_read("m", slice_of(""), &m, &error), 0);
    assert_int_equal(m->wish.stale_ms, 300000);
    assert_int_equal(m->wish.actions[MONITOR_MEMORY], MONITOR_CLEAR_CACHE);
    monitor_free(m);
    static const char all[] =
        "{\"service\":\"bot\",\"url\":\"https://x/y\",\"advice\":\"call\",\"stale_after\":\"90s\","
        "\"retry\":\"10s\",\"memory_max\":\"300MB\",\"response_ms_max\":500,\"failures\":2,"
        "\"attempts\":5,\"critical\":true,\"paused\":true,"
        "\"actions\":{\"stale\":\"RESTART_MONITOR\",\"errors\":\"none\"}}";
    assert_int_equal(monitor_wish_read("m", slice_of(all), &m, &error), 0);
    assert_string_equal(m->wish.service, "bot");
    assert_string_equal(m->wish.url, "https://x/y");
    assert_int_equal(m->wish.stale_ms, 90000);
    assert_int_equal(m->wish.retry_ms, 10000);
    assert_true(m->wish.memory_max >= 300000000);
    assert_int_equal(m->wish.failures, 2);
    assert_int_equal(m->wish.attempts, 5);
    assert_true(m->wish.critical && m->wish.paused);
    assert_int_equal(m->wish.actions[MONITOR_STALE], MONITOR_RESTART_MONITOR);
    assert_int_equal(m->wish.actions[MONITOR_ERRORS], MONITOR_DO_NOTHING);
    AUTO_BUFFER struct buffer shown = {0};
    monitor_add_json(&shown, m, MONITOR_PAUSED, 0);
    assert_true(json_is_valid(buffer_slice(&shown)));
    assert_true(slice_is(json_member(buffer_slice(&shown), "status"), "\"paused\""));
    assert_true(slice_is(json_member(buffer_slice(&shown), "memory_bytes"), "null"));
    monitor_free(m);
}

static void test_refused_wishes(void **state) {
    static const char *const cases[][2] = {
        {"[]", "a monitor is a JSON object"},
        {"{", "a monitor is a JSON object"},
        {"{\"stale\":\"5m\"}", "\"stale\" is not a field of a monitor"},
        {"{\"servce\":\"x\"}", "did you mean \"service\"?"},
        {"{\"service\":\"\"}", "1 to 200 bytes"},
        {"{\"service\":5}", "\"service\" is 5"},
        {"{\"stale_after\":\"0s\"}", "\"30s\" or \"5m\""},
        {"{\"stale_after\":5}", "\"30s\" or \"5m\""},
        {"{\"failures\":0}", "from 1 to 1000"},
        {"{\"critical\":\"yes\"}", "true or false"},
        {"{\"memory_max\":-1}", "bytes"},
        {"{\"actions\":[]}", "is an object"},
        {"{\"actions\":{\"rain\":\"none\"}}", "known are memory"},
        {"{\"actions\":{\"stale\":\"REBOOT\"}}", "expected CLEAR_CACHE"},
        {"{\"url\":\"file:///etc/passwd\"}", "http://"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_refused(cases[i][0], cases[i][1], false);
}

static void test_beats(void **state) {
    AUTO_BUFFER struct buffer error = {0};
    struct monitor_beat beat;
    assert_int_equal(monitor_beat_read(slice_of(""), &beat, &error), 0);
    assert_int_equal(beat.kind, BEAT_OK);
    assert_int_equal(beat.connected, -1);
    static const char all[] = "{\"status\":\"fail\",\"exit\":3,\"errors\":1,\"warnings\":2,"
                              "\"response_ms\":12,\"connected\":true,\"sync\":false,\"memory\":"
                              "1024,\"cpu\":3.57,\"message\":\"a<b\"}";
    assert_int_equal(monitor_beat_read(slice_of(all), &beat, &error), 0);
    assert_int_equal(beat.kind, BEAT_FAIL);
    assert_int_equal(beat.exit_code, 3);
    assert_int_equal(beat.connected, 1);
    assert_int_equal(beat.sync, 0);
    assert_int_equal(beat.memory_bytes, 1024);
    assert_int_equal(beat.cpu_permille, 35);
    assert_string_equal(beat.message, "a<b");
    free(beat.message);
    static const char *const cases[][2] = {
        {"7", "a beat is a JSON object"},
        {"{\"status\":\"good\"}", "ok, start, fail"},
        {"{\"exit\":300}", "from 0 to 255"},
        {"{\"cpu\":\"3\"}", "percent"},
        {"{\"cpu\":-1}", "percent"},
        {"{\"connected\":1}", "true or false"},
        {"{\"memroy\":1}", "did you mean"},
        {"{\"message\":\"x\",\"errors\":-1}", "from 0"},
        {"{\"response_ms\":1.5}", "a whole number"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_refused(cases[i][0], cases[i][1], true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_refused_wishes),
        cmocka_unit_test(test_beats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
