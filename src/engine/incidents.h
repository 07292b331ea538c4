/* SPDX-License-Identifier: Apache-2.0 */
/* incidents.h - one timeline of what was not well: opened and ended by what is seen, for services,
 * bots, ways out, monitors and whatever else has a name. Pure.
 *
 * A subject is known from when it was first seen; before that, and while the hub was away or could
 * not see it, its time is unknown, which is neither up nor down. What begins again less than a
 * minute after its end is the same incident. What ended more than 31 days ago is let go here (the
 * store keeps it longer). `now` in ms since 1970; what is told may be a little older than what was
 * told before. */
#pragma once
#include "base/buffer.h"
#include "model/record.h"

enum { INCIDENTS_BEATS = 48, INCIDENTS_SUBJECTS_MAX = 5000 };

struct incidents;
struct incidents *incidents_new(void);
void incidents_free(struct incidents *incidents); /* NULL is fine */
void incidents_restore(struct incidents *incidents, const struct record *record);
/* After all that was kept. Nobody looked since `alive_ms` (0: there is nothing before). */
void incidents_start(struct incidents *incidents, int64_t alive_ms, int64_t now,
                     struct records *ret);

enum incidents_seen { SEEN_UNKNOWN, SEEN_HEALTHY, SEEN_DEGRADED, SEEN_DOWN };
/* `cause` (NULL: not known) counts when it begins, gets worse, or when none was known. Beyond
 * INCIDENTS_SUBJECTS_MAX new subjects are passed over. Returns the incident that begins by this, or
 * NULL. */
const struct incident *incidents_see(struct incidents *incidents, const char *subject,
                                     enum incidents_seen seen, const char *cause, int64_t now,
                                     struct records *ret);
/* What was done, to the incident that is open or has just ended; else it is passed over. */
void incidents_note(struct incidents *incidents, const char *subject, const char *done, int64_t now,
                    struct records *ret);
void incidents_lines(struct incidents *incidents, int64_t id, const char *lines,
                     struct records *ret);

/* Ends what is open, or unknown, of a subject that is no longer there. */
void incidents_gone(struct incidents *incidents, const char *subject, int64_t now,
                    struct records *ret);

/* Incidents for people, the newest first; `before`: an id, 0: from the newest. */
typedef void incidents_each(void *context, const struct incident *incident);
void incidents_list(const struct incidents *incidents, const char *subject, int64_t before,
                    size_t limit, incidents_each *each, void *context);
/* The open one, or the one that has just ended, says so already. */
bool incidents_has_note(const struct incidents *incidents, const char *subject, const char *done);
bool incidents_is_open(const struct incidents *incidents, const char *subject);

struct incidents_uptime {
    int64_t known_ms, down_ms;
};
struct incidents_uptime incidents_uptime(const struct incidents *incidents, const char *subject,
                                         int64_t from_ms, int64_t now);
/* 48 letters and a NUL: the last 24 h by halves of an hour, the oldest first: u unknown, h healthy,
 * d degraded, x down. */
void incidents_beats(const struct incidents *incidents, const char *subject, int64_t now,
                     char ret[INCIDENTS_BEATS + 1]);
size_t incidents_subject_count(const struct incidents *incidents);
const char *incidents_subject(const struct incidents *incidents, size_t place);
