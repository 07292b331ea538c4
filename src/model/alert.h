/* SPDX-License-Identifier: Apache-2.0 */
/* alert.h - a message to people that must not be lost, from acceptance to its end. Times are
 * milliseconds since 1970 (the hub's own steady count of them, see hub/hub.h). */
#pragma once
#include "base/common.h"

enum alert_priority { ALERT_CRITICAL, ALERT_HIGH, ALERT_MEDIUM, ALERT_LOW };
enum alert_state {
    ALERT_WAITING,   /* to be sent at next_ms or later */
    ALERT_SENDING,   /* was being sent when this was written */
    ALERT_DELIVERED, /* Telegram said so */
    ALERT_FAILED,    /* `reason` says why; kept, can be replayed */
    ALERT_UNKNOWN,   /* it may have arrived; not repeated */
    ALERT_SILENCED,  /* somebody wished so; kept, can be replayed */
};
enum { ALERT_PRIORITIES = 4, ALERT_STATES = 6, ALERT_ACK_WANTED = -1 };

struct alert {
    int64_t id; /* from 1 */
    enum alert_priority priority;
    enum alert_state state;
    int64_t created_ms, next_ms, ended_ms;
    int64_t chat;      /* 0: the configured one */
    uint32_t attempts; /* used up; an outage, a 429 use none */
    uint32_t part;     /* parts of a long text that have arrived */
    bool maybe_sent;   /* an attempt ended without an answer: say "possible repeat" */
    bool plain;        /* its markup was refused: send as plain text */
    bool reminder;     /* tells of others that nobody has acknowledged */
    int64_t acked_ms;  /* somebody said that they know; ALERT_ACK_WANTED: it is told until then */
    char *acked_by;    /* or NULL */
    char *way;         /* name of the way out that it takes; NULL: Telegram */
    int64_t origin;    /* id of the one that this is told of by another way, or the highest that it
                          tells of; 0: none */
    char *title, *text, *type, *service, *dedup_key; /* `text` is set, others may be NULL */
    char *group;  /* those with the same one may be told together; NULL: type and service decide;
                     "": never */
    char *reason; /* of the last failure, or NULL */
};
/* Its place among those of its importance: they go in the order of these. */
struct alert_place {
    int64_t created_ms, id;
};
void alert_deinit(struct alert *alert);
struct alert alert_copy(const struct alert *alert);
void alert_without_texts(struct alert *alert); /* those that never change; they were borrowed */
const char *alert_priority_name(enum alert_priority priority); /* "CRITICAL" */
const char *alert_state_name(enum alert_state state);          /* "waiting" */
/* -EINVAL when there is no such name; letter case does not matter. */
MUST_CHECK int alert_priority_from(const char *name, enum alert_priority *ret);
MUST_CHECK int alert_state_from(const char *name, enum alert_state *ret);
