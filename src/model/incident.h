/* SPDX-License-Identifier: Apache-2.0 */
/* incident.h - a time in which something was not well, or in which nobody could know. Times in ms
 * since 1970. */
#pragma once
#include "base/common.h"

enum incident_level {
    INCIDENT_UNKNOWN, /* nobody looked: no incident for people, grey in their bars */
    INCIDENT_DEGRADED,
    INCIDENT_DOWN,
    INCIDENT_LEVELS
};
struct incident {
    int64_t id;                 /* from 1 */
    char *subject;              /* "service bot"; "*": everything, while the hub was away */
    enum incident_level level;  /* the worst in it */
    int64_t began_ms, ended_ms; /* ended 0: not yet */
    int64_t times;              /* how often it began: less than a minute between is one */
    char *cause;                /* or NULL */
    char *done;                 /* what was done, a line each, or NULL */
    char *lines;                /* the last ones of its log, or NULL */
};
void incident_free(struct incident *incident); /* NULL is fine */
struct incident *incident_copy(const struct incident *incident);
const char *incident_level_name(enum incident_level level); /* "down" */
