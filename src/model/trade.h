/* SPDX-License-Identifier: Apache-2.0 */
/* trade.h - instruments, orders, fills and positions as the trader knows them, whichever the
 * exchange. Plain values, copied freely. Texts are NUL-terminated and "" when not known; prices and
 * quantities are decimals, zero when there is none; times are milliseconds since 1970. Enums are on
 * disk as their numbers: those never change, new ones come last. */
#pragma once
#include "base/decimal.h"

enum {
    SYMBOL_BYTES = 24,
    LINK_ID_BYTES = 37, /* 36 characters of A-Z a-z 0-9 - _ (Bybit's rule for orderLinkId) */
    EXCHANGE_ID_BYTES = 48,
    TRADE_REASON_BYTES = 128,
};

enum trade_mode { TRADE_PAPER, TRADE_DEMO, TRADE_TESTNET, TRADE_LIVE, TRADE_MODES };
const char *trade_mode_name(enum trade_mode mode);  /* "paper" */
const char *trade_mode_badge(enum trade_mode mode); /* "PAPER" */

enum trade_side { SIDE_NONE, SIDE_BUY, SIDE_SELL };
const char *trade_side_name(enum trade_side side); /* "Buy", "Sell", "" */
static inline enum trade_side trade_side_opposite(enum trade_side side) {
    return side == SIDE_BUY ? SIDE_SELL : side == SIDE_SELL ? SIDE_BUY : SIDE_NONE;
}

/* What the exchange asks of an order. A zero maximum is no limit. */
struct instrument {
    char symbol[SYMBOL_BYTES];
    struct decimal tick, price_min, price_max;
    struct decimal qty_step, qty_min, qty_max;
    struct decimal notional_min, leverage_max;
    bool trading;
    struct decimal last_price; /* as read last; zero: not known */
};
struct instruments {
    struct instrument *list;
    size_t count;
};
const struct instrument *instruments_find(const struct instruments *instruments,
                                          const char *symbol); /* NULL: none */

/* What is known of an order. UNKNOWN is a state of its own: the request went out and nothing came
 * back. Only evidence of the exchange ends it, never time and never a failed question. */
enum order_state {
    ORDER_SENDING,   /* committed; not a byte may have left, or it has and the answer is due */
    ORDER_UNKNOWN,   /* being asked for */
    ORDER_OPEN,      /* the exchange has it: new, partly filled or waiting for its trigger */
    ORDER_FILLED,    /* wholly */
    ORDER_CANCELLED, /* what was filled before stands in `filled` */
    ORDER_REJECTED,  /* the exchange refused it, or it was proved that it never arrived */
    ORDER_STATES
};
const char *order_state_name(enum order_state state); /* "SENDING" */
static inline bool order_state_ended(enum order_state state) {
    return state >= ORDER_FILLED;
}
enum order_type { ORDER_LIMIT, ORDER_MARKET };

struct order {
    int64_t id; /* own number, growing; also in the link id */
    char link_id[LINK_ID_BYTES];
    char exchange_id[EXCHANGE_ID_BYTES];
    char symbol[SYMBOL_BYTES];
    enum trade_side side;
    enum order_type type;
    bool reduce_only;
    struct decimal qty, price; /* price: LIMIT */
    struct decimal stop, take; /* travel with the order; zero: none */
    enum order_state state;
    bool cancel_wanted; /* a person asked for its end; until it has ended at the exchange */
    struct decimal filled, average_price;
    int64_t created_ms, updated_ms, ended_ms;
    uint32_t attempts;               /* of sending it */
    int64_t chat, user, cause;       /* who asked: chat, person, update id; 0: nobody */
    char reason[TRADE_REASON_BYTES]; /* why REJECTED or CANCELLED, in the exchange's words */
};

/* Why the exchange made an order that we did not send. */
enum fill_source { FILL_ORDER, FILL_STOP_LOSS, FILL_TAKE_PROFIT, FILL_LIQUIDATION, FILL_SOURCES };
struct fill {
    char exec_id[EXCHANGE_ID_BYTES]; /* unique: a fill seen before is no news */
    char exchange_id[EXCHANGE_ID_BYTES];
    char link_id[LINK_ID_BYTES]; /* "": not an order of ours */
    char symbol[SYMBOL_BYTES];
    enum trade_side side;
    struct decimal price, qty, fee;
    struct decimal closed_qty; /* the part that reduced a position */
    enum fill_source source;
    int64_t at_ms;
};

enum position_phase {
    POSITION_FLAT,
    POSITION_OPEN,
    POSITION_CLOSING, /* one read said that it is gone; a second must agree */
    POSITION_PHASES
};
struct position { /* one a symbol */
    char symbol[SYMBOL_BYTES];
    enum position_phase phase;
    enum trade_side side;
    struct decimal size, entry_price;
    struct decimal stop, take;               /* as the exchange has them */
    struct decimal stop_wanted, take_wanted; /* of the order that opened it; zero: not known */
    struct decimal leverage, unrealised;
    int64_t opened_ms, updated_ms, closed_ms;
    int64_t chat;           /* whom to tell; 0: the owner */
    int64_t unprotected_ms; /* since when it has had no stop, 0: it has one */
    bool unprotected_told;  /* people know that it has none */
    /* Sums of its fills so far. closed_cost: closed_qty at the average entry of that moment. */
    struct decimal opened_qty, closed_qty, closed_value, closed_cost, fees;
    enum fill_source closed_by; /* of the last of them */
};

struct wallet {
    struct decimal equity, available, balance; /* in the settle coin (USDT) */
};

/* Something that people must be told; kept until it was handed over. */
enum outbox_kind {
    OUTBOX_ALERT, /* to the hub's alerts; deduplicated there by its id */
    OUTBOX_SAY,   /* an answer in a chat, with buttons; not repeated when its fate is not known */
};
struct outbox {
    int64_t id; /* growing */
    enum outbox_kind kind;
    int priority; /* ALERT: enum alert_priority */
    int64_t chat;
    char type[32]; /* ALERT: "tp_hit" */
    char *text;    /* owned */
    char *markup;  /* SAY: reply_markup as JSON, NULL: none; owned */
    int64_t created_ms;
};
void outbox_deinit(struct outbox *outbox);

/* One conversation with one person in one chat. */
enum dialog_step {
    DIALOG_SYMBOL,
    DIALOG_ENTRY,
    DIALOG_STOP,
    DIALOG_TAKE,
    DIALOG_PREVIEW,
    DIALOG_STEPS
};
struct dialog {
    int64_t id; /* the update that began it: buttons carry it */
    int64_t user, chat;
    enum dialog_step step;
    enum trade_side side;
    char symbol[SYMBOL_BYTES];
    struct decimal entry, stop, take, qty, risk;
    int64_t deadline_ms;
};
