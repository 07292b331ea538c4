/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/calendar.h"
#include <stdio.h>
#include <time.h>

#define AT(...)                                                                                    \
    .at_s = (int64_t[]){__VA_ARGS__}, .at_count = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)
#define T(hours, minutes) ((hours)*3600 + (minutes)*60)
enum { MONDAY = 1 << 0, FRIDAY = 1 << 4, SUNDAY = 1 << 6, DAY_MS = 86400000, HOUR_MS = 3600000 };

/* The same as in tests/calendar_slots.py. */
static const struct schedule_config schedules[] = {
    {AT(T(0, 0), T(1, 30), T(1, 45), T(2, 0), T(2, 15), T(2, 30), T(3, 0), T(23, 59))},
    {AT(T(2, 30)), .days = SUNDAY},
    {AT(T(12, 0)), .days = MONDAY | FRIDAY},
};
static const struct {
    const char *zone;
    int schedule;
    int64_t first_s, last_s, count;
    uint64_t hash;
} table[] = {
#include "policy/calendar_slots.h"
};

/* "2026-03-29 01:00:00" UTC */
static int64_t utc(const char *text) {
    struct tm t = {0};
    assert_int_equal(sscanf(text, "%d-%d-%d %d:%d:%d", &t.tm_year, &t.tm_mon, &t.tm_mday,
                            &t.tm_hour, &t.tm_min, &t.tm_sec),
                     6);
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    return (int64_t)timegm(&t) * 1000;
}

static struct zone load(const char *name) {
    struct zone zone;
    assert_int_equal(zone_load(name, utc("2014-12-01 00:00:00") / 1000,
                               utc("2029-01-01 00:00:00") / 1000, &zone),
                     0);
    return zone;
}

static uint64_t hash_on(uint64_t hash, int64_t number) {
    for (int i = 0; i < 8; i++)
        hash = (hash ^ ((uint64_t)number >> 8 * i & 255)) * 0x100000001b3u;
    return hash;
}

static void test_ten_years_as_python_reckons_them(void **state) {
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct schedule_config *schedule = &schedules[table[i].schedule];
        struct zone zone = load(table[i].zone);
        uint64_t hash = 0xcbf29ce484222325u;
        int64_t count = 0, slot = table[i].first_s * 1000 - 1, before = 0;
        for (; slot < table[i].last_s * 1000; count++) {
            before = slot;
            slot = calendar_next(schedule, &zone, slot);
            hash = hash_on(hash, slot / 1000);
            assert_true(slot > before);
            assert_int_equal(calendar_newest(schedule, &zone, slot), slot);
            if (count)
                assert_int_equal(calendar_newest(schedule, &zone, slot - 1), before);
        }
        print_message("%s, schedule %d\n", table[i].zone, table[i].schedule);
        assert_int_equal(slot, table[i].last_s * 1000);
        assert_int_equal(count, table[i].count);
        assert_true(hash == table[i].hash);
        zone_deinit(&zone);
    }
}

static void expect(const char *zone_name, const struct schedule_config *schedule, const char *after,
                   const char *slot) {
    struct zone zone = load(zone_name);
    char found[CALENDAR_TEXT_BYTES], wanted[CALENDAR_TEXT_BYTES];
    static const struct zone plain;
    calendar_text(&plain, calendar_next(schedule, &zone, utc(after)), found);
    calendar_text(&plain, utc(slot), wanted);
    assert_string_equal(found, wanted);
    zone_deinit(&zone);
}

static const struct schedule_config half_past_two = {AT(T(2, 30))};

static void test_a_time_that_does_not_exist(void **state) {
    /* Berlin goes from 02:00 to 03:00 at 01:00 UTC; New York at 07:00 UTC; Lord Howe from 02:00 to
     * 02:30 at 15:30 UTC of the day before. */
    expect("Europe/Berlin", &half_past_two, "2026-03-28 12:00:00", "2026-03-29 01:00:00");
    expect("Europe/Berlin", &half_past_two, "2026-03-29 01:00:00", "2026-03-30 00:30:00");
    expect("America/New_York", &half_past_two, "2026-03-08 00:00:00", "2026-03-08 07:00:00");
    const struct schedule_config quarter = {AT(T(2, 15))};
    expect("Australia/Lord_Howe", &quarter, "2026-10-03 00:00:00", "2026-10-03 15:30:00");
    /* Two times in the gap are one moment, and so one slot. */
    const struct schedule_config two = {AT(T(2, 15), T(2, 45), T(3, 0))};
    expect("Europe/Berlin", &two, "2026-03-29 00:00:00", "2026-03-29 01:00:00");
    expect("Europe/Berlin", &two, "2026-03-29 01:00:00", "2026-03-30 00:15:00");
}

static void test_a_time_that_exists_twice(void **state) {
    /* Berlin shows 02:30 at 00:30 and at 01:30 UTC; New York 01:30 at 05:30 and 06:30 UTC. */
    expect("Europe/Berlin", &half_past_two, "2026-10-24 12:00:00", "2026-10-25 00:30:00");
    expect("Europe/Berlin", &half_past_two, "2026-10-25 00:30:00", "2026-10-26 01:30:00");
    const struct schedule_config half_past_one = {AT(T(1, 30))};
    expect("America/New_York", &half_past_one, "2026-11-01 00:00:00", "2026-11-01 05:30:00");
    expect("America/New_York", &half_past_one, "2026-11-01 05:30:00", "2026-11-02 06:30:00");
    /* Lord Howe goes from 02:00 back to 01:30 at 15:00 UTC. */
    const struct schedule_config quarter_to_two = {AT(T(1, 45))};
    expect("Australia/Lord_Howe", &quarter_to_two, "2026-04-04 00:00:00", "2026-04-04 14:45:00");
    expect("Australia/Lord_Howe", &quarter_to_two, "2026-04-04 14:45:00", "2026-04-05 15:15:00");
}

static void test_leap_day_and_end_of_year(void **state) {
    const struct schedule_config three = {AT(T(3, 0))}, midnight = {AT(T(0, 0))};
    expect("UTC", &three, "2024-02-28 03:00:00", "2024-02-29 03:00:00");
    expect("UTC", &three, "2024-02-29 03:00:00", "2024-03-01 03:00:00");
    expect("UTC", &three, "2026-02-28 03:00:00", "2026-03-01 03:00:00");
    expect("Asia/Ho_Chi_Minh", &midnight, "2026-12-31 12:00:00", "2026-12-31 17:00:00");
    expect("UTC", &midnight, "2026-12-31 00:00:00", "2027-01-01 00:00:00");
}

static void test_days_of_the_week(void **state) {
    const struct schedule_config weekly = {AT(T(9, 0)), .days = MONDAY | FRIDAY};
    expect("UTC", &weekly, "2026-11-24 19:00:00", "2026-11-27 09:00:00"); /* a Tuesday */
    expect("UTC", &weekly, "2026-11-27 09:00:00", "2026-11-30 09:00:00");
    const struct schedule_config once = {AT(T(9, 0)), .days = SUNDAY};
    expect("UTC", &once, "2026-11-29 09:00:00", "2026-12-06 09:00:00");
}

static void test_every_is_elapsed_time(void **state) {
    const struct schedule_config six = {.every_ms = 6 * HOUR_MS};
    expect("Europe/Berlin", &six, "2026-03-29 00:59:59", "2026-03-29 06:00:00");
    expect("Europe/Berlin", &six, "2026-10-25 00:00:00", "2026-10-25 06:00:00");
    static const struct zone plain;
    assert_int_equal(calendar_newest(&six, &plain, 13 * HOUR_MS), 12 * HOUR_MS);
    assert_int_equal(calendar_newest(&six, &plain, 12 * HOUR_MS), 12 * HOUR_MS);
    assert_int_equal(calendar_next(&six, &plain, -1), 0); /* a clock before 1970 */
    assert_int_equal(calendar_count(&six, &plain, 0, 25 * HOUR_MS), 4);
    assert_int_equal(calendar_count(&six, &plain, 5, 4), 0);
    assert_int_equal(calendar_count(&six, &plain, 0, (int64_t)DAY_MS * 36500), CALENDAR_COUNT_MAX);
}

static void test_slots_are_counted(void **state) {
    struct zone zone = load("Europe/Berlin");
    int64_t from = utc("2026-03-28 00:00:00"), until = utc("2026-03-31 00:30:00");
    assert_int_equal(calendar_count(&half_past_two, &zone, from, until), 4);
    assert_int_equal(calendar_count(&half_past_two, &zone, until, until), 0);
    zone_deinit(&zone);
}

static void test_zones_by_name(void **state) {
    struct zone zone;
    assert_true(zone_exists("UTC"));
    assert_true(zone_exists("Asia/Ho_Chi_Minh"));
    assert_false(zone_exists("Asia/Ho_Chi_Min"));
    assert_false(zone_exists("Asia")); /* a folder */
    assert_false(zone_exists(""));
    assert_false(zone_exists("../../../etc/passwd"));
    assert_false(zone_exists("/etc/passwd"));
    assert_int_not_equal(zone_load("Mars/Olympus", 0, 86400, &zone), 0);
    setenv("TZ", "America/New_York", 1);
    zone = load("Europe/Berlin");
    assert_string_equal(getenv("TZ"), "America/New_York"); /* as it was */
    zone_deinit(&zone);
    unsetenv("TZ");
    zone = load("Europe/Berlin");
    assert_null(getenv("TZ"));
    zone_deinit(&zone);
}

static void test_text_is_local(void **state) {
    struct zone zone = load("Asia/Ho_Chi_Minh");
    char text[CALENDAR_TEXT_BYTES];
    calendar_text(&zone, utc("2026-11-24 20:00:00"), text);
    assert_string_equal(text, "2026-11-25 03:00");
    calendar_text(&zone, utc("2026-11-24 20:00:07"), text);
    assert_string_equal(text, "2026-11-25 03:00:07");
    zone_deinit(&zone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_years_as_python_reckons_them),
        cmocka_unit_test(test_a_time_that_does_not_exist),
        cmocka_unit_test(test_a_time_that_exists_twice),
        cmocka_unit_test(test_leap_day_and_end_of_year),
        cmocka_unit_test(test_days_of_the_week),
        cmocka_unit_test(test_every_is_elapsed_time),
        cmocka_unit_test(test_slots_are_counted),
        cmocka_unit_test(test_zones_by_name),
        cmocka_unit_test(test_text_is_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
