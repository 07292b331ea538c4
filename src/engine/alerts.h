/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.h - what the hub decides about alerts: accepting, order, tries, circuit breaker, end.
 * Pure.
 *
 * Accepted means on disk: ACCEPT comes after the commit. That an alert is about to be sent is on
 * disk too before the first byte of it (SENDING), so that after a crash "it may have arrived" is
 * known and not guessed. CRITICAL and HIGH are then repeated and marked, the others are not.
 *
 * An alert asks the gateway for a turn (QUEUE); the gateway knows the budgets. `now` as in
 * engine/gateway.h.
 *
 * The queue is on disk: of each importance only the first ones, the window, are held here, and the
 * next ones are asked for (LOAD) as it empties. So a million that wait take no more memory than a
 * thousand. Their order is that of (created_ms, id), in which they also came. */
#pragma once
#include "base/buffer.h"
#include "engine/gateway.h" /* enum gateway_outcome */
#include "model/config.h"   /* struct inhibit_config */
#include "model/record.h"
#include "policy/breaker.h"

struct alerts;
/* A way out beside Telegram: a copy of each alert, or, with after_ms, what nobody has acknowledged.
 */
struct alerts_way_options {
    const char *name;         /* borrowed for life */
    enum alert_priority from; /* this importance and above */
    int64_t after_ms; /* escalation: CRITICAL ones so long neither delivered nor acknowledged, as
                         one message; 0: every alert, at once */
};
enum { ALERTS_WAYS_MAX = 9 /* Telegram, which is the first, included */ };
struct alerts_options {
    int64_t chat; /* 0: Telegram is no way out; alerts wait until their time is over */
    const struct alerts_way_options *ways; /* the others; borrowed for life */
    size_t way_count;
    const struct inhibit_config *inhibit; /* borrowed for life */
    size_t inhibit_count;
    uint64_t seed;
    struct breaker_options breaker;
    uint32_t quick_tries;
    size_t window;                         /* waiting ones of one importance held here, from 2 */
    size_t waiting_max[ALERT_PRIORITIES];  /* 0: no limit but the disk's */
    int64_t lifetime_ms[ALERT_PRIORITIES]; /* 0: for ever */
    int64_t dedup_ms, keep_ms;             /* keep: of ended ones */
    int64_t repeat_ms; /* CRITICAL ones are told again after it, then after longer pauses, until
                          acknowledged; 0: never */
    int64_t group_ms;  /* after a message the next of its group waits so long, growing; 0: never */
};
struct alerts_options alerts_options_default(void);

enum alerts_on {
    ALERTS_ON_START, /* once, after all alerts_restore() */
    ALERTS_ON_TIMER,
    ALERTS_ON_INTAKE,  /* request (0: nobody to answer), list, count */
    ALERTS_ON_STORED,  /* ticket, r */
    ALERTS_ON_TURN,    /* id: the gateway says go */
    ALERTS_ON_SENT,    /* id: outcome, class, description, migrate_to, more */
    ALERTS_ON_LINK_UP, /* way: it was reached by somebody else */
    ALERTS_ON_REPLAY,  /* request, list[0]: one that has ended, as the store has it */
    ALERTS_ON_OPEN,    /* way: its breaker by hand */
    ALERTS_ON_CLOSED,
    ALERTS_ON_SILENCE,   /* request, silence: id 0, starts and ends */
    ALERTS_ON_UNSILENCE, /* request, id: it ends now */
    ALERTS_ON_ACK,       /* request, by, id: that one and those of its kind before it; with `all`
                            all up to it; 0: all */
    ALERTS_ON_MUTE,      /* until_ms: MEDIUM and LOW wait until then, or did */
    ALERTS_ON_LOADED,    /* way, priority, list, count, or r < 0: what a LOAD has found */
};
struct alerts_event {
    enum alerts_on on;
    uint64_t request, ticket;
    int r;
    enum alert_priority priority;
    const struct alert *list;      /* copied */
    const struct silence *silence; /* copied */
    size_t count;
    int64_t id;
    enum gateway_outcome outcome;
    enum telegram_class class;
    const char *description;
    int64_t migrate_to;
    bool more; /* there is another part to send */
    bool all;
    const char *by;                  /* who, for people */
    size_t way;                      /* 0: Telegram, else 1 + its place in the options */
    int64_t until_ms, retry_after_s; /* retry_after_s: of an answer; 0: none */
};
enum alerts_do {
    ALERTS_DO_PERSIST, /* ticket, records */
    ALERTS_DO_ACCEPT,  /* request: ids, id_count; in the order of the list */
    ALERTS_DO_REFUSE,  /* request: code, text, retry_after_s */
    ALERTS_DO_QUEUE,   /* id, priority, way: ask the gateway for a turn, then ON_TURN */
    ALERTS_DO_SEND,    /* id, way: part of `alert`, or it and others, to chat, then ON_SENT */
    ALERTS_DO_CANCEL,  /* id: its turn is given back unused */
    ALERTS_DO_LOAD, /* way, priority, after, limit: the next waiting ones, after all records so far
                     */
};
struct alerts_command {
    enum alerts_do what;
    uint64_t request, ticket;
    struct records records;
    int64_t *ids;
    size_t id_count;
    int64_t id, chat, retry_after_s;
    size_t way;
    enum alert_priority priority;
    struct alert_place after;
    uint32_t limit;
    const struct alert *alert;   /* borrowed until the next step */
    const struct alert **others; /* SEND: told in the same message, other_count of them */
    size_t other_count;
    int64_t ack;  /* SEND: the id for acknowledging what it tells; 0: there is nothing */
    bool ack_all; /* ... and all before it */
    int code;
    char *text;
};
struct alerts_commands {
    struct alerts_command *list;
    size_t count, capacity;
};
void alerts_commands_deinit(struct alerts_commands *commands);

struct alerts *alerts_new(const struct alerts_options *options);
struct alerts *alerts_free(struct alerts *alerts);
void alerts_restore(struct alerts *alerts, const struct record *record, int64_t now);
void alerts_step(struct alerts *alerts, const struct alerts_event *event, int64_t now,
                 struct alerts_commands *commands);
int64_t alerts_next_ms(const struct alerts *alerts, int64_t now); /* INT64_MAX: nothing is due */
/* One that is held here; borrowed until the next step. NULL: ask the store. */
const struct alert *alerts_live(const struct alerts *alerts, int64_t id);

/* The newest first; borrowed until the next step. Those that have ended are kept for a day. */
const struct silence *alerts_silences(const struct alerts *alerts, size_t *ret_count);
int64_t alerts_chat(const struct alerts *alerts); /* where alerts go, after migrations */

struct alerts_deliveries { /* since start; ms: from created to delivered, of all together */
    uint64_t count, ms;
};
struct alerts_figures {
    size_t unacked;
    uint64_t accepted, duplicates, delivered, failed, unknown, silenced, refused; /* since start */
    int64_t oldest_ms;     /* created time of the oldest waiting one, 0: none */
    int64_t mute_until_ms; /* 0: it was never muted */
    struct alerts_deliveries deliveries[ALERT_PRIORITIES];
    struct alerts_way_figures {
        const char *name; /* NULL: Telegram */
        size_t waiting[ALERT_PRIORITIES];
        int64_t last_delivered_ms;
        int64_t probe_ms; /* when an open breaker lets one through, 0: closed */
        struct breaker breaker;
        const char *problem; /* "" or the last failure */
    } ways[ALERTS_WAYS_MAX];
    size_t way_count;
};
void alerts_figures(const struct alerts *alerts, int64_t now, struct alerts_figures *ret);
