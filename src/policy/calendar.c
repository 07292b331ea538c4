/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/calendar.h"
#include <stdio.h>
#include <time.h>

enum { DAY_S = 86400, WEEK_DAYS = 7, SECOND_MS = 1000 };
enum { THURSDAY = 3 }; /* 1970-01-01, counted from Monday */
/* A zone's date is at most a day off after a step, and a day of the week comes within seven. */
enum { DAYS_LOOKED_AT = WEEK_DAYS + 2 };

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static int32_t offset_at(const struct zone *zone, int64_t second) {
    int32_t offset = zone->count ? zone->steps[0].offset_s : 0;
    for (size_t i = 1; i < zone->count && zone->steps[i].from_s <= second; i++)
        offset = zone->steps[i].offset_s;
    return offset;
}

/* The first second at which the zone's clock shows `local` or a later time. */
static int64_t first_second(const struct zone *zone, int64_t local) {
    for (size_t i = 0; i + 1 < zone->count; i++) {
        int64_t second = local - zone->steps[i].offset_s;
        if (i && second < zone->steps[i].from_s)
            second = zone->steps[i].from_s; /* the clock skipped it */
        if (second < zone->steps[i + 1].from_s)
            return second;
    }
    if (!zone->count)
        return local;
    const struct zone_step *last = &zone->steps[zone->count - 1];
    int64_t second = local - last->offset_s;
    return zone->count > 1 && second < last->from_s ? last->from_s : second;
}

static bool on_day(const struct schedule_config *schedule, int64_t day) {
    int64_t weekday = ((day + THURSDAY) % WEEK_DAYS + WEEK_DAYS) % WEEK_DAYS;
    return !schedule->days || schedule->days & 1u << weekday;
}

static int64_t local_day(const struct zone *zone, int64_t second) {
    return floor_div(second + offset_at(zone, second), DAY_S);
}

int64_t calendar_next(const struct schedule_config *schedule, const struct zone *zone,
                      int64_t after_ms) {
    if (schedule->every_ms)
        return (floor_div(after_ms, schedule->every_ms) + 1) * schedule->every_ms;
    int64_t after_s = floor_div(after_ms, SECOND_MS);
    int64_t first = local_day(zone, after_s) - 1;
    for (int64_t day = first; day <= first + DAYS_LOOKED_AT; day++) {
        for (size_t i = 0; on_day(schedule, day) && i < schedule->at_count; i++) {
            int64_t slot = first_second(zone, day * DAY_S + schedule->at_s[i]);
            if (slot > after_s)
                return slot * SECOND_MS;
        }
    }
    must(false); /* a schedule has a time, and a day of the week */
    return 0;
}

int64_t calendar_newest(const struct schedule_config *schedule, const struct zone *zone,
                        int64_t now_ms) {
    if (schedule->every_ms)
        return floor_div(now_ms, schedule->every_ms) * schedule->every_ms;
    int64_t now_s = floor_div(now_ms, SECOND_MS);
    int64_t last = local_day(zone, now_s) + 1;
    for (int64_t day = last; day >= last - DAYS_LOOKED_AT; day--) {
        for (size_t i = schedule->at_count; on_day(schedule, day) && i-- > 0;) {
            int64_t slot = first_second(zone, day * DAY_S + schedule->at_s[i]);
            if (slot <= now_s)
                return slot * SECOND_MS;
        }
    }
    must(false);
    return 0;
}

int64_t calendar_count(const struct schedule_config *schedule, const struct zone *zone,
                       int64_t after_ms, int64_t until_ms) {
    int64_t count = 0;
    if (schedule->every_ms)
        count = floor_div(until_ms, schedule->every_ms) - floor_div(after_ms, schedule->every_ms);
    for (int64_t slot = after_ms; !schedule->every_ms && count < CALENDAR_COUNT_MAX; count++) {
        slot = calendar_next(schedule, zone, slot);
        if (slot > until_ms)
            break;
    }
    return count < 0 ? 0 : count > CALENDAR_COUNT_MAX ? CALENDAR_COUNT_MAX : count;
}

int64_t calendar_offset_ms(const struct zone *zone, int64_t moment_ms) {
    return (int64_t)offset_at(zone, floor_div(moment_ms, 1000)) * 1000;
}

void calendar_text(const struct zone *zone, int64_t moment_ms, char *ret) {
    int64_t second = floor_div(moment_ms, SECOND_MS);
    time_t shown = (time_t)(second + offset_at(zone, second));
    struct tm t = {0};
    gmtime_r(&shown, &t);
    int n = snprintf(ret, CALENDAR_TEXT_BYTES, "%04d-%02d-%02d %02d:%02d", t.tm_year + 1900,
                     t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min);
    if (t.tm_sec && n > 0 && n < CALENDAR_TEXT_BYTES)
        snprintf(ret + n, CALENDAR_TEXT_BYTES - (size_t)n, ":%02d", t.tm_sec);
}
