/* SPDX-License-Identifier: Apache-2.0 */
/* calendar.h - when a job is due. Pure: a schedule, a zone and a moment in, a slot out. Moments are
 * milliseconds since 1970 UTC.
 *
 * A slot of `at` is the first moment at which the zone's clock shows that time of day or a later
 * one: a time that the clock skips comes at the end of the gap, one that it shows twice comes once,
 * the first time. Slots of `every` are whole multiples of it since 1970 UTC, whatever clocks show.
 */
#pragma once
#include "base/zone.h"
#include "model/config.h"

/* The first slot after a moment. */
int64_t calendar_next(const struct schedule_config *schedule, const struct zone *zone,
                      int64_t after_ms);
/* The last slot that is not after a moment. */
int64_t calendar_newest(const struct schedule_config *schedule, const struct zone *zone,
                        int64_t now_ms);
/* Slots after one moment and not after another; at most CALENDAR_COUNT_MAX are counted. */
enum { CALENDAR_COUNT_MAX = 10000 };
int64_t calendar_count(const struct schedule_config *schedule, const struct zone *zone,
                       int64_t after_ms, int64_t until_ms);
/* What the zone's clock is ahead of UTC at a moment. */
int64_t calendar_offset_ms(const struct zone *zone, int64_t moment_ms);
/* Local time for people: "2026-11-25 03:00", with seconds when there are some. */
enum { CALENDAR_TEXT_BYTES = 40 };
void calendar_text(const struct zone *zone, int64_t moment_ms, char *ret);
