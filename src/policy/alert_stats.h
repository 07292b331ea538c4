/* SPDX-License-Identifier: Apache-2.0 */
/* alert_stats.h - what became of alerts, counted by a word of theirs and by time. Pure. Reminders
 * are left out; so are the copies for other ways, unless ways are what is asked for. */
#pragma once
#include "model/alert.h"

enum alert_stats_by {
    ALERT_STATS_PRIORITY,
    ALERT_STATS_TYPE,
    ALERT_STATS_SERVICE,
    ALERT_STATS_WAY
};
/* "priority", "type", "service", "way"; -EINVAL. */
MUST_CHECK int alert_stats_by_from(const char *name, enum alert_stats_by *ret);
const char *alert_stats_by_name(enum alert_stats_by by);

struct alert_stats_options {
    int64_t from_ms, to_ms; /* of their created_ms: from <= it < to */
    int64_t every_ms;       /* length of a period, 0: all is one; the first begins at from_ms */
    enum alert_stats_by by;
};
/* Of one word in one period, by when they were created. */
struct alert_stats_row {
    int64_t from_ms;
    const char *word;             /* "" for those that have none */
    enum alert_priority priority; /* by priority: the same as a number */
    uint64_t accepted, delivered, failed, unknown, silenced, waiting;
    uint64_t retried; /* needed more than one attempt */
    /* From created to delivered, of those delivered; p50 and p95 are at most 9 % too high. */
    int64_t p50_ms, p95_ms, max_ms;
};
struct alert_stats;
enum { ALERT_STATS_ROWS_MAX = 2000 };
struct alert_stats *alert_stats_new(const struct alert_stats_options *options);
struct alert_stats *alert_stats_free(struct alert_stats *stats);
/* False: there would be more than ALERT_STATS_ROWS_MAX rows; it is not counted. */
bool alert_stats_add(struct alert_stats *stats, const struct alert *alert);
size_t alert_stats_count(const struct alert_stats *stats);
/* In the order of time, then of importance or of the word. */
struct alert_stats_row alert_stats_at(const struct alert_stats *stats, size_t index);
