/* SPDX-License-Identifier: Apache-2.0 */
/* monitors.h - what the hub decides about monitors: states, attempts, the end of the ladder. Pure.
 *
 * A beat that tells of trouble is a failure, and so is each check at which a monitor is stale.
 * After some failures in a row (3) an action that fits the cause is tried, at most some times (3),
 * with a pause between; then the monitor is critical, people are told with all that is known, and a
 * monitor that says it is critical (its wish, or its own beat) is stopped. A beat that is well ends
 * it all. With a service that has a name, the last attempt restarts it.
 *
 * What was kept is unknown until its first beat, or until it would be stale. `now` in ms since
 * 1970, never back. */
#pragma once
#include "base/buffer.h"
#include "model/alert.h"
#include "model/monitor.h"
#include "model/record.h"

enum { MONITORS_CHECK_MS = 30000, MONITORS_MAX = 200000 };

struct monitors;
struct monitors *monitors_new(int64_t now);
void monitors_free(struct monitors *monitors);                                 /* NULL is fine */
void monitors_restore(struct monitors *monitors, const struct record *record); /* before all else */

enum monitors_do {
    MONITORS_DO_SERVICE, /* monitor, action: restart or stop monitor->wish.service */
    MONITORS_DO_POST,    /* monitor, action: to monitor->wish.url */
    MONITORS_DO_TELL,    /* monitor, priority, text, key */
};
struct monitors_command {
    enum monitors_do what;
    const struct monitor *monitor; /* until the next call */
    enum monitor_action action;
    enum alert_priority priority;
    char *text; /* TELL: what happened */
    char key[24];
};
struct monitors_commands { /* start with {0} */
    struct monitors_command *list;
    size_t count;
    struct records records; /* to be kept */
};
void monitors_commands_deinit(struct monitors_commands *commands);

/* Makes it, or changes its wishes, as `wish` (only ->wish and ->id count) has them. -ENOSPC: there
 * are MONITORS_MAX. */
MUST_CHECK int monitors_put(struct monitors *monitors, const struct monitor *wish, int64_t now,
                            struct monitors_commands *ret);
/* A beat of nobody makes a monitor with the usual wishes. *ret_action: what the answer asks it to
 * do; the beat has fetched it. -ENOSPC as above. */
MUST_CHECK int monitors_beat(struct monitors *monitors, const char *id,
                             const struct monitor_beat *beat, int64_t now,
                             enum monitor_action *ret_action, struct monitors_commands *ret);
MUST_CHECK int monitors_drop(struct monitors *monitors, const char *id,
                             struct monitors_commands *ret); /* -ENOENT */
/* All of them, once in MONITORS_CHECK_MS; counters that changed are kept here. */
void monitors_check(struct monitors *monitors, int64_t now, struct monitors_commands *ret);
void monitors_save(struct monitors *monitors, struct monitors_commands *ret); /* what is not kept */

/* *ret_state: as people see it, paused and unknown too. NULL: there is none. */
const struct monitor *monitors_find(const struct monitors *monitors, const char *id, int64_t now,
                                    enum monitor_state *ret_state);
size_t monitors_count(const struct monitors *monitors);
const struct monitor *monitors_at(const struct monitors *monitors, size_t place, int64_t now,
                                  enum monitor_state *ret_state);
void monitors_unkept(struct monitors *monitors); /* the disk refused: all is to be kept anew */
