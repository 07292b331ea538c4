/* SPDX-License-Identifier: Apache-2.0 */
/* orders.h - the life of orders at an exchange: intent on disk before the wire, three outcomes of
 * every request, UNKNOWN ended by the exchange's evidence alone. Pure: step(state, event, now) ->
 * commands.
 *
 *   PLACE -> PERSIST(SENDING) -> on disk -> CREATE -> answer: OPEN or REJECTED
 *                                                  -> silence: UNKNOWN -> FIND, again and again
 *   FIND: found -> what the exchange says; absent everywhere, asked after the request can no longer
 *   be accepted (its receive window is over) -> the same order again under the same link id; the
 *   question itself failed -> nothing is learnt.
 *
 * After a start everything that may have been sent is UNKNOWN. An order has one request under way
 * at most. All PERSIST and TELL of one step belong into one commit; FILL is news for the positions,
 * which keep it on disk together with what they make of it. `now` is milliseconds since 1970. */
#pragma once
#include "model/alert.h"
#include "model/exchange.h"
#include "model/record.h"
#include "model/trade.h"

struct orders;
struct orders_options {
    const char *tag;     /* begins each link id; its own for each store file ever made, 1..12
                            characters of A-Z a-z 0-9; borrowed for life */
    const char *mode;    /* badge in messages: "PAPER"; borrowed */
    uint64_t seed;       /* of the jitter */
    size_t open_max;     /* orders that have not ended; one more is refused */
    int64_t window_ms;   /* the receive window sent with each request, and a margin: later the
                            exchange cannot accept it any more */
    int64_t touched_ms;  /* what changed in this time is not judged by lists that lag */
    int64_t send_ms_max; /* what could surely not be sent for so long is given up */
};
struct orders_options orders_options_default(void);

enum orders_on {
    ORDERS_ON_START,     /* once, after all orders_restore() */
    ORDERS_ON_TIMER,     /* orders_next_ms() has come; any time is fine */
    ORDERS_ON_PLACE,     /* order: what to place (id, link_id, state are set here) */
    ORDERS_ON_CANCEL,    /* id */
    ORDERS_ON_STORED,    /* ticket, r */
    ORDERS_ON_CREATED,   /* id, class, exchange_id (when OK), message */
    ORDERS_ON_CANCELLED, /* id, class, message: the request came back */
    ORDERS_ON_FOUND,     /* id, find, and orders[0] when FOUND */
    ORDERS_ON_LIST,      /* orders: all that are open at the exchange, asked at asked_ms */
    ORDERS_ON_FILLS,     /* fills, oldest first; those seen before are left out */
};
enum orders_find {
    ORDERS_FOUND,
    ORDERS_ABSENT,     /* open orders, history and fills were read, and it is in none of them */
    ORDERS_FIND_FAILED /* at least one of them could not be read */
};
struct orders_event {
    enum orders_on on;
    int64_t id;
    uint64_t ticket;
    int r;
    enum exchange_class class;
    const char *message, *exchange_id; /* borrowed; NULL is "" */
    enum orders_find find;
    const struct order *orders; /* borrowed, as the exchange has them */
    size_t order_count;
    int64_t asked_ms;
    const struct fill *fills;
    size_t fill_count;
};
enum orders_do {
    ORDERS_DO_PERSIST, /* ticket, records */
    ORDERS_DO_CREATE,  /* order */
    ORDERS_DO_CANCEL,  /* order */
    ORDERS_DO_FIND,    /* order: by its link id, in open orders, history and fills */
    ORDERS_DO_TELL,    /* priority, type, text, chat */
    ORDERS_DO_FILL,    /* fill; order: the one it belongs to, id 0 when it is none of ours */
    ORDERS_DO_REFUSE,  /* order, text: it was not taken; nothing is on disk and nothing was sent */
};
struct orders_command {
    enum orders_do what;
    uint64_t ticket;
    struct records records; /* to be taken, or freed by orders_commands_deinit() */
    struct order order;
    struct fill fill;
    enum alert_priority priority;
    const char *type; /* a constant */
    char *text;
    int64_t chat;
};
struct orders_commands { /* start with {0} */
    struct orders_command *list;
    size_t count, capacity;
};
void orders_commands_deinit(struct orders_commands *commands);

struct orders *orders_new(const struct orders_options *options);
struct orders *orders_free(struct orders *orders);
void orders_restore(struct orders *orders, const struct record *record); /* ORDER, FILL */
void orders_step(struct orders *orders, const struct orders_event *event, int64_t now,
                 struct orders_commands *commands);
int64_t orders_next_ms(const struct orders *orders); /* INT64_MAX: nothing is due */

/* True while the lists of the exchange are worth reading: something has not ended. */
bool orders_any_open(const struct orders *orders);
size_t orders_count(const struct orders *orders, enum order_state state);
/* Those that have not ended, oldest first; borrowed until the next step. NULL past the last. */
const struct order *orders_open(const struct orders *orders, size_t index);
const struct order *orders_find(const struct orders *orders, int64_t id); /* also ended ones kept */
int64_t orders_last_fill_ms(const struct orders *orders);                 /* 0: none yet */
