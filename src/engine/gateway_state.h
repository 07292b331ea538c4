/* SPDX-License-Identifier: Apache-2.0 */
/* gateway_state.h - the inside of engine/gateway.h, for the files gateway*.c only. */
#pragma once
#include "engine/gateway.h"

enum { RECENT_IDS = 1024, CHAT_BUCKETS = 1024 };
/* In `hidden`, beside the slots: it is a press; it may be let go when it is old; it was. */
#define HIDDEN_PRESS (UINT64_C(1) << 63)
#define HIDDEN_AGES (UINT64_C(1) << 62)
#define HIDDEN_OLD (UINT64_C(1) << 61)
#define DAY_MS INT64_C(86400000)

enum poller_state {
    POLLER_OFF,     /* nobody reads this bot: Telegram keeps its updates */
    POLLER_UNHOOK,  /* deleteWebhook is under way */
    POLLER_POLLING, /* getUpdates is under way */
    POLLER_SAVING,  /* its updates are on their way to the disk */
    POLLER_WAITING, /* until poller_until_ms */
    POLLER_FULL,    /* as many updates are held as allowed */
    POLLER_CLOSED,
};
struct held {
    int64_t seq, id, epoch, received_ms;
    uint64_t hidden; /* bit of a consumer's slot: it did not want this kind when it came */
    bool outdated;   /* its row has a bit of `hidden` that is not valid any more */
    bool durable;    /* on disk: Telegram may forget it, and we too once all have confirmed it */
    char *body;
    size_t bytes;
};
struct consumer {
    char *name; /* NULL: the slot is free */
    bool declared;
    int64_t confirmed; /* seq */
    int64_t epoch;     /* highest of what it was given; a new one's is the present one */
    int64_t ahead;     /* of that epoch: offset it polled with beyond what we have, see had_it() */
    uint64_t kinds;
    int64_t seen_ms, seen_saved_ms;
    uint64_t confirming; /* ticket of the last confirmation not yet on disk, 0: none */
    uint64_t saving;     /* ticket of its last record not yet on disk, 0: none */
    bool unsaved;        /* not on disk as it is: written with the next poll or updates */
    uint64_t confirmed_count;
    uint64_t parked; /* request, 0: none */
    int64_t parked_until, parked_limit;
    uint64_t dropping; /* request that waits until its backlog is let go, 0: none */
    int64_t dropping_until;
    bool skipping;   /* what comes is hidden from it, until a poll that ... */
    bool skip_begun; /* ... began after it said so has brought all that Telegram had */
    int64_t tail;    /* negative offset that waits until we have all that Telegram has, 0: none */
    int64_t tail_until;
};
struct chat {
    struct chat *chain;
    int64_t key;
    struct quota second, minute;
    int64_t paused_until;
    uint64_t waits_round; /* an earlier send to it had to wait in this round of dispatch() */
    uint32_t sends;       /* that point here */
};
struct send {
    struct send *next;
    uint64_t request, order;
    struct chat *chat; /* NULL: none */
    enum alert_priority priority;
    enum gateway_budget budget;
    bool raw, gone;
    int64_t first_ms, not_before;
    uint32_t tries;
};
struct gateway {
    struct gateway_options options;
    uint64_t random, tickets, orders, round;
    bool closed, other_account; /* than the one on disk */

    enum poller_state poller;
    int64_t poller_until;
    bool unhooked, quick; /* quick: the next poll does not park, to know soon that all is well */
    bool caught_up;       /* the last poll brought all that Telegram had */
    char *problem;        /* NULL: none */
    int problem_code;
    uint64_t saving; /* ticket of the updates on their way to the disk, 0: none */
    bool unsaved;    /* the disk refused them: written again before anything is polled */
    uint64_t polled_kinds;
    int64_t offset, epoch, last_update_ms, last_poll_ms, seq_last;
    int64_t recent[RECENT_IDS]; /* ids, 0: free */
    uint32_t recent_at;
    uint32_t errors_in_row;

    struct held *held; /* ring by seq: held[(seq) % capacity] */
    size_t held_capacity, held_bytes;
    int64_t held_first;   /* seq of the oldest one held; seq_last + 1 when none */
    int64_t disk_dropped; /* seq up to which the disk was told to forget */
    bool outdated;        /* some are; the commit under way has those up to outdated_to */
    uint64_t outdated_saving;
    int64_t outdated_to;

    struct consumer consumers[GATEWAY_CONSUMERS_MAX];
    int64_t hourly_ms;

    struct send *queues[ALERT_PRIORITIES], *in_flight;
    size_t queued, flying;
    struct chat *chats[CHAT_BUCKETS];
    size_t chat_count;
    struct quota quota_all;
    int64_t paused_until, last_429_ms; /* all chats */
    uint32_t chats_429;
    int64_t send_next; /* when dispatch() has something to do */

    int64_t aged; /* seq: up to here it was looked at for its age */
    uint64_t updates, old, errors, duplicates, sends, sends_429, sends_failed;
};

struct gateway_command *gateway_add(struct gateway_commands *commands, enum gateway_do what);
void gateway_answer(struct gateway_commands *commands, uint64_t request, const char *body);
void gateway_refuse(struct gateway_commands *commands, uint64_t request, int code, char *text);
void gateway_set_problem(struct gateway *g, int code,
                         char *text); /* takes text; NULL: all is well */

/* gateway_poll.c */
void gateway_poll_advance(struct gateway *g, int64_t now, struct gateway_commands *commands);
void gateway_on_unhooked(struct gateway *g, const struct gateway_event *event, int64_t now,
                         struct gateway_commands *commands);
void gateway_on_polled(struct gateway *g, const struct gateway_event *event, int64_t now,
                       struct gateway_commands *commands);
bool gateway_on_stored_updates(struct gateway *g, const struct gateway_event *event, int64_t now,
                               struct gateway_commands *commands);
void gateway_restore_update(struct gateway *g, const struct record *record);
/* Rows of updates whose `hidden` changed, for the commit `ticket`. */
void gateway_add_outdated(struct gateway *g, uint64_t ticket, struct records *records);
void gateway_on_stored_outdated(struct gateway *g, const struct gateway_event *event);
struct held *gateway_held(const struct gateway *g, int64_t seq);

/* gateway_consume.c */
void gateway_on_ask(struct gateway *g, const struct gateway_event *event, int64_t now,
                    struct gateway_commands *commands);
void gateway_on_skip(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands);
void gateway_on_stored_consumer(struct gateway *g, const struct gateway_event *event);
/* Into a commit of updates: a position that is only in memory is never behind a number on disk. */
void gateway_add_unsaved(struct gateway *g, uint64_t ticket, struct records *records);
void gateway_wake_consumers(struct gateway *g, int64_t now, struct gateway_commands *commands);
void gateway_begin_skips(struct gateway *g);                     /* a poll begins */
bool gateway_skips_wait(const struct gateway *g);                /* ... for a poll to begin */
void gateway_let_go(struct gateway *g, struct records *records); /* what all have confirmed */
void gateway_forget_consumers(struct gateway *g, int64_t now, struct gateway_commands *commands);
void gateway_start_consumers(struct gateway *g, int64_t now, struct gateway_commands *commands);
struct consumer *gateway_consumer(struct gateway *g, const char *name, bool make);
uint64_t gateway_kinds(const struct gateway *g); /* what any consumer wants */
/* A bit for each consumer that is not to see this new update. */
uint64_t gateway_hidden_for(struct gateway *g, const struct telegram_update *update,
                            int64_t wall_ms);

/* gateway_send.c */
void gateway_on_send(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands);
void gateway_on_sent(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands);
bool gateway_gone_send(struct gateway *g, uint64_t request, struct gateway_commands *commands);
void gateway_dispatch(struct gateway *g, int64_t now, struct gateway_commands *commands);
void gateway_sweep_chats(struct gateway *g, int64_t now);
void gateway_close_sends(struct gateway *g, struct gateway_commands *commands);
