/* SPDX-License-Identifier: Apache-2.0 */
/* orders_state.h - the inside of engine/orders.h, for the files orders*.c only. */
#pragma once
#include "engine/orders.h"

enum { FILLS_KEPT = 4096, ENDED_KEPT = 1000, SAVE_RETRY_MS = 1000, ORDER_CHECK_MS = 500 };

enum busy { BUSY_NOT, BUSY_CREATE, BUSY_CANCEL, BUSY_FIND };
struct item {
    struct item *next; /* by id, oldest first */
    struct order order;
    enum busy busy;
    bool is_new;       /* its first record is not on disk yet: nothing may leave */
    bool changed;      /* in this step: belongs into its PERSIST */
    bool unsaved;      /* the disk refused its last record */
    uint64_t saving;   /* ticket of its last record not yet on disk, 0: none */
    bool arrived;      /* the exchange has shown that it has it: absent is a lag, never a proof */
    bool left;         /* a request to create it may have left this machine, and may yet arrive */
    int64_t sent_ms;   /* of the last such request, or of the start, when nobody knows */
    int64_t find_ms;   /* when it was last asked for */
    uint32_t absents;  /* such questions in a row that found it nowhere */
    bool too_old;      /* for being sent: its time is not to be trusted */
    int64_t silent_ms; /* since when it has been UNKNOWN, 0: it is not */
    bool silence_told;
    uint32_t asks, tries; /* in a row: questions, requests that were not executed */
    int64_t next_ms;      /* when it has something to do */
};
struct kept_fill {
    uint64_t hash;
    char exec_id[EXCHANGE_ID_BYTES];
};
struct orders {
    struct orders_options options;
    uint64_t random, tickets;
    struct item *items, *ended;
    size_t open_count, ended_count;
    int64_t id_last;
    struct kept_fill seen[FILLS_KEPT]; /* ring */
    size_t seen_at;
    int64_t fill_last_ms;
    int64_t save_again_ms;
};

struct orders_command *orders_add(struct orders_commands *commands, enum orders_do what);
struct item *orders_item(const struct orders *o, int64_t id); /* not ended; NULL: none */

/* orders_change.c: the one place where an order changes */
void orders_set_state(struct orders *o, struct item *item, enum order_state state,
                      const char *reason, int64_t now, struct orders_commands *commands);
/* What the exchange says of it; older news than ours changes nothing. */
void orders_adopt(struct orders *o, struct item *item, const struct order *row, int64_t now,
                  struct orders_commands *commands);
/* It had ended, and the exchange shows for the first time that it has it: refused was another copy
 * of the request. Nothing happens to one that the exchange had shown before: lists lag. */
void orders_revive(struct orders *o, struct item *item, int64_t now,
                   struct orders_commands *commands);
void orders_tell_silence(struct orders *o, struct item *item, int64_t now,
                         struct orders_commands *commands);

/* orders_fills.c */
void orders_note_fill(struct orders *o, const struct fill *fill); /* of a former run */
void orders_on_fills(struct orders *o, const struct orders_event *event, int64_t now,
                     struct orders_commands *commands);
