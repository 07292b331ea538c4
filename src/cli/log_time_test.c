/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "cli/log_time.h"
#include <errno.h>
#include <time.h>

enum { HOUR = 3600, DAY = 86400 };
#define NOON 1795521600LL /* 2026-11-24 12:00:00 UTC */

static void set_zone(const char *zone) {
    setenv("TZ", zone, 1);
    tzset();
}

static int64_t seconds(const char *text) {
    int64_t ms = 0;
    assert_int_equal(log_time_parse(text, NOON * 1000, &ms), 0);
    return ms / 1000 - NOON;
}

static void test_ago(void **state) {
    set_zone("UTC");
    assert_int_equal(seconds("10m"), -600);
    assert_int_equal(seconds("2h"), -2 * HOUR);
    assert_int_equal(seconds("1d"), -DAY);
    assert_int_equal(seconds("0s"), 0);
}

static void test_time_of_day_is_the_last_one(void **state) {
    set_zone("UTC");
    assert_int_equal(seconds("11:30"), -HOUR / 2);
    assert_int_equal(seconds("12:00"), 0);
    assert_int_equal(seconds("18:00"), 6 * HOUR - DAY);
    set_zone("Asia/Ho_Chi_Minh"); /* it is 19:00 there */
    assert_int_equal(seconds("18:00"), -HOUR);
    assert_int_equal(seconds("18:00:30"), -HOUR + 30);
}

static void test_dates_with_and_without_a_zone(void **state) {
    set_zone("Asia/Ho_Chi_Minh");
    assert_int_equal(seconds("2026-11-24 18:00"), -HOUR);
    assert_int_equal(seconds("2026-11-24"), -19 * HOUR);
    assert_int_equal(seconds("2026-11-24T12:00Z"), 0);
    assert_int_equal(seconds("2026-11-24T12:00:05.250Z"), 5);
    assert_int_equal(seconds("2026-11-24T12:00:00+02:00"), -2 * HOUR);
    assert_int_equal(seconds("2026-11-24T12:00:00-0130"), HOUR + HOUR / 2);
    int64_t ms = 0;
    assert_int_equal(log_time_parse("2026-11-24T12:00:00.25Z", 0, &ms), 0);
    assert_int_equal(ms, NOON * 1000 + 250);
    /* summer and winter differ by an hour */
    set_zone("Europe/Berlin");
    assert_int_equal(log_time_parse("2026-07-01 12:00", 0, &ms), 0);
    assert_int_equal(ms / 1000 % DAY, 10 * HOUR);
    assert_int_equal(log_time_parse("2026-12-01 12:00", 0, &ms), 0);
    assert_int_equal(ms / 1000 % DAY, 11 * HOUR);
}

static void test_what_is_no_time(void **state) {
    static const char *const wrong[] = {
        "",
        "10",
        "soon",
        "24:00",
        "12:60",
        "2026-13-01",
        "2026-02-30",
        "2026-1-1",
        "12:00Z",
        "2026-11-24 12:00 +7x",
        "2026-11-24 ",
        "2026-11-24T12:00Zz",
        "-10m",
    };
    set_zone("UTC");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int64_t ms = 0;
        if (log_time_parse(wrong[i], NOON * 1000, &ms) != -EINVAL)
            fail_msg("'%s' was taken for a time", wrong[i]);
    }
}

static void test_format(void **state) {
    char text[LOG_TIME_TEXT_BYTES];
    set_zone("Asia/Ho_Chi_Minh");
    log_time_format(NOON * 1000 + 999, text);
    assert_string_equal(text, "2026-11-24 19:00:00");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ago),
        cmocka_unit_test(test_time_of_day_is_the_last_one),
        cmocka_unit_test(test_dates_with_and_without_a_zone),
        cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
