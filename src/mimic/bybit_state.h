/* SPDX-License-Identifier: Apache-2.0 */
/* bybit_state.h - what the files of the simulated exchange share. Nobody else includes it.
 *
 * Times in the books are the exchange's own (paper_time(): the caller's `now` and the skew); what
 * is due when is always the caller's. Money has 8 places. */
#pragma once
#include "mimic/bybit.h"
#include "model/trade.h"

enum {
    PAPER_STEP_MS = 500,         /* of a walk */
    PAPER_REMEMBERED_MS = 10000, /* an ended order, by cancel and amend */
    PAPER_MONEY_PLACES = 8,
    PAPER_KEY_BYTES = 65,
    PAPER_LINK_BYTES = 37,
    PAPER_MESSAGE_BYTES = 256,
    PAPER_SYMBOLS = 3,
    PAPER_DAY_MS = 86400000,
};

/* --- orders ------------------------------------------------------------------------------- */

enum paper_status { /* the open ones first */
                    PAPER_NEW,
                    PAPER_PARTLY,
                    PAPER_UNTRIGGERED,
                    PAPER_FILLED,
                    PAPER_CANCELLED,
                    PAPER_REJECTED,
                    PAPER_DEACTIVATED, /* cancelled before its trigger */
                    PAPER_STATUSES
};
static inline bool paper_open(enum paper_status status) {
    return status <= PAPER_UNTRIGGERED;
}
enum paper_tif { PAPER_GTC, PAPER_IOC, PAPER_FOK, PAPER_POST_ONLY, PAPER_TIFS };
/* What made an order wait for a price. */
enum paper_stop { PAPER_NO_STOP, PAPER_STOP, PAPER_STOP_LOSS, PAPER_TAKE_PROFIT, PAPER_STOPS };

struct paper_order {
    uint64_t number; /* grows with creation */
    char id[40], link_id[PAPER_LINK_BYTES];
    size_t symbol; /* index of paper_instruments */
    enum trade_side side;
    enum paper_status status;
    enum paper_tif tif;
    enum paper_stop stop_kind;
    bool market, reduce_only, close_on_trigger, liquidation;
    struct decimal qty, price; /* price of a market order: what it may cost at most */
    struct decimal filled, value, fee;
    struct decimal take, stop; /* travel with it; zero: none */
    bool handed_over;          /* they have become those of the position */
    struct decimal trigger, last_on_created;
    int trigger_direction; /* 1: rise, 2: fall, 0: no trigger */
    const char *cancel_type, *reject_reason;
    int64_t created, updated;
};
struct paper_execution {
    uint64_t number, seq; /* seq: of the position that it made */
    char id[40], order_id[40], link_id[PAPER_LINK_BYTES];
    size_t symbol;
    enum trade_side side;
    bool market, maker;
    enum paper_stop stop_kind;
    bool liquidation;
    struct decimal price, qty, value, fee, fee_rate, closed, left, order_price, order_qty, pnl;
    int64_t at;
};
struct paper_position {
    enum trade_side side; /* SIDE_NONE: flat */
    struct decimal size, entry, leverage;
    struct decimal realised, realised_ever; /* of this position; of all on this symbol */
    int64_t created, updated;
    uint64_t seq;
};
struct paper_bucket { /* calls of one second of one endpoint */
    int64_t since, used;
};
enum { PAPER_BUCKETS = 32 };
struct paper_account {
    struct exchange_sim *sim;
    char key[PAPER_KEY_BYTES], secret[PAPER_KEY_BYTES];
    struct decimal balance, realised;
    struct paper_order **orders; /* in the order of their numbers */
    size_t order_count, order_room, closed_count;
    struct paper_execution *executions; /* ring by number - first */
    uint64_t execution_next;            /* the number of the next one; the first is 1 */
    struct paper_position positions[PAPER_SYMBOLS];
    struct paper_bucket buckets[PAPER_BUCKETS]; /* one a route */
    uint64_t seq;                               /* of the last change of its books */
    bool withdraw, read_only;                   /* what its key may, beside trading */
};

/* --- the market --------------------------------------------------------------------------- */

struct paper_instrument {
    const char *symbol, *base;
    struct decimal tick, price_max, step, qty_min, qty_max, qty_market_max, notional_min;
    struct decimal leverage_max, start;
};
extern const struct paper_instrument paper_instruments[PAPER_SYMBOLS];

struct paper_point {
    int64_t at;
    struct decimal price;
};
struct paper_market {
    struct decimal last, start, high, low, volume, turnover;
    struct decimal depth, available; /* quantity of a move and what is left of it; 0: no end */
    struct paper_point points[EXCHANGE_SIM_POINTS_MAX]; /* ring */
    size_t point_next;
};
struct paper_script_move {
    int64_t at;
    size_t symbol;
    struct decimal price;
};

/* --- faults, calls ------------------------------------------------------------------------ */

enum paper_fault_kind {
    PAPER_FAULT_NONE,
    PAPER_FAULT_LOST,
    PAPER_FAULT_RESET,
    PAPER_FAULT_5XX,
    PAPER_FAULT_HTML,
    PAPER_FAULT_10000,
    PAPER_FAULT_10006,
    PAPER_FAULT_10016,
    PAPER_FAULT_10016_DONE,
    PAPER_FAULT_DELAY,
    PAPER_FAULT_HALF,
    PAPER_FAULT_TRUNCATED,
    PAPER_FAULT_OVERSIZE,
    PAPER_FAULT_WRONG_TYPE,
    PAPER_FAULT_DUPLICATE,
    PAPER_FAULT_LATE,
    PAPER_FAULT_KINDS
};
struct paper_fault {
    uint64_t id;
    enum paper_fault_kind kind;
    char path[64];            /* "*": any */
    int64_t left, ms, status; /* left -1: until cleared */
};
struct paper_logged {
    uint64_t number;
    int64_t at, code;
    int status; /* 0: no answer */
    char path[48], key[PAPER_KEY_BYTES], link_id[PAPER_LINK_BYTES];
    const char *fault;
};
struct paper_pending {
    int64_t due;
    struct exchange_sim_answer answer;
};
struct paper_late { /* a request whose effect comes after its answer was lost */
    int64_t due;
    size_t account;
    const struct paper_route *route;
    json_t *args;
};
enum { PAPER_LATE_MAX = 16 };

struct exchange_sim {
    uint64_t random, changes, next_number;
    int64_t now, skew;
    struct paper_account *accounts[EXCHANGE_SIM_ACCOUNTS_MAX];
    size_t account_count;
    enum exchange_sim_mode mode;
    bool watched;
    int64_t volatility; /* millionths of the price a step */
    int64_t walked;     /* when the last step was due */
    uint64_t market_seq;
    struct paper_market markets[PAPER_SYMBOLS];
    struct paper_script_move *script;
    size_t script_count, script_next;
    struct paper_fault faults[EXCHANGE_SIM_FAULTS_MAX];
    size_t fault_count;
    uint64_t next_fault;
    int64_t limit_percent, limit_address; /* of the usual figures; calls per 5 s. 0: off */
    struct paper_bucket address;
    struct paper_logged calls[EXCHANGE_SIM_CALLS_MAX]; /* ring by number */
    uint64_t next_call;
    struct paper_pending *pending; /* in the order they were given */
    size_t pending_count, pending_room;
    struct paper_late late[PAPER_LATE_MAX];
    size_t late_count;
};

/* One call under way. A handler ends it with paper_succeed() or paper_fail(). */
struct paper_call {
    struct exchange_sim *sim;
    struct paper_account *account; /* NULL: a public call without a key */
    const json_t *args;            /* texts of a query, or the body */
    int64_t allowed;               /* how many orders of a batch pass the limit */
    int64_t code;
    char message[PAPER_MESSAGE_BYTES];
    json_t *result, *extra; /* NULL: {} */
};
void paper_succeed(struct paper_call *call, json_t *result); /* takes */
void paper_fail(struct paper_call *call, int64_t code, const char *format, ...) PRINTF_LIKE(3, 4);

struct paper_route {
    const char *method, *path;
    void (*handle)(struct paper_call *call);
    int64_t limit; /* calls a second of one key; 0: public */
    bool batch;    /* counts each order */
    bool list;     /* answers result.list */
};
extern const struct paper_route paper_routes[];
extern const size_t paper_route_count;

/* bybit.c */
uint64_t paper_random(struct exchange_sim *sim);
void paper_uuid(struct exchange_sim *sim, char ret[40]);
static inline int64_t paper_time(const struct exchange_sim *sim) {
    return sim->now + sim->skew;
}
struct paper_account *paper_account_find(const struct exchange_sim *sim, const char *key);
/* After every change of an account's books. */
void paper_touch(struct paper_account *account);

/* bybit_args.c: what comes in and goes out */
json_t *paper_args_of_query(const char *query);              /* an object of decoded texts */
const char *paper_arg(const json_t *args, const char *name); /* "" when absent or not a text */
/* A whole number, as such or as text. */
int64_t paper_arg_int(const json_t *args, const char *name, int64_t otherwise);
bool paper_arg_bool(const json_t *args, const char *name);
/* A decimal text, not negative. false: there is something else. Absent, "" and "0" are zero. */
bool paper_arg_decimal(const json_t *args, const char *name, struct decimal *ret);
/* The same with numbers too: for the control side. */
bool paper_arg_number(const json_t *args, const char *name, struct decimal *ret);
void paper_put(json_t *object, const char *name, struct decimal value); /* "12.5" */
void paper_put_like(json_t *object, const char *name, struct decimal value, struct decimal step);
void paper_put_time(json_t *object, const char *name, int64_t ms); /* "1700000000000" */
void paper_put_text(json_t *object, const char *name, const char *text);
/* Figures of the books. What does not fit any more (some 10^10) stays as it was. */
struct decimal paper_plus(struct decimal a, struct decimal b);
struct decimal paper_minus(struct decimal a, struct decimal b);
struct decimal paper_times(struct decimal a, struct decimal b);
struct decimal paper_divided(struct decimal a, struct decimal b); /* b not zero */
static inline bool paper_less(struct decimal a, struct decimal b) {
    return decimal_compare(a, b) < 0;
}
static inline struct decimal paper_smaller(struct decimal a, struct decimal b) {
    return paper_less(a, b) ? a : b;
}

/* bybit_market.c */
void paper_market_init(struct exchange_sim *sim);
size_t paper_symbol_find(const char *symbol); /* PAPER_SYMBOLS: none */
struct decimal paper_bid(const struct exchange_sim *sim, size_t symbol);
struct decimal paper_ask(const struct exchange_sim *sim, size_t symbol);
/* Steps of the walk and of the script that are due; each order on their way is served. */
void paper_market_advance(struct exchange_sim *sim, int64_t now);
int64_t paper_market_deadline(const struct exchange_sim *sim);
/* The market goes to `price`; everything on the way triggers and fills in order. */
void paper_move(struct exchange_sim *sim, size_t symbol, struct decimal price);
/* The lowest price where the market goes: two ticks, so that the bid is a price too. */
struct decimal paper_market_least(size_t symbol);
/* On a tick, within the bounds: paper_market_least() and the instrument's price_max. */
struct decimal paper_market_round(size_t symbol, struct decimal price);
/* bybit_public.c */
void paper_handle_time(struct paper_call *call);
void paper_handle_instruments(struct paper_call *call);
void paper_handle_tickers(struct paper_call *call);
void paper_handle_orderbook(struct paper_call *call);
void paper_handle_kline(struct paper_call *call);

/* bybit_match.c */
/* As paper_move(), but only what the orders see of it. */
void paper_match_move(struct exchange_sim *sim, size_t symbol, struct decimal price);

/* A new or just triggered order meets the market. */
void paper_order_enter(struct paper_account *account, struct paper_order *order);
void paper_order_end(struct paper_account *account, struct paper_order *order,
                     enum paper_status status, const char *cancel_type, const char *reason);
/* After something that is not a move changed what waits (a stop was set beyond the price). */
void paper_settle(struct exchange_sim *sim, size_t symbol);
static inline struct decimal paper_left(const struct paper_order *order) {
    return paper_minus(order->qty, order->filled);
}

/* bybit_orders.c */
struct paper_order *paper_order_add(struct paper_account *account, size_t symbol);
struct paper_order *paper_order_find(struct paper_account *account, const char *id,
                                     const char *link_id);
void paper_orders_trim(struct paper_account *account);
void paper_handle_create(struct paper_call *call);
void paper_handle_amend(struct paper_call *call);
void paper_handle_cancel(struct paper_call *call);
void paper_handle_cancel_all(struct paper_call *call);
/* true: the category is linear; else the call has failed. */
bool paper_call_linear(struct paper_call *call);
/* true: the category is linear and the symbol known; else the call has failed. */
bool paper_call_symbol(struct paper_call *call, size_t *ret);

/* bybit_batch.c */
void paper_handle_create_batch(struct paper_call *call);
void paper_handle_amend_batch(struct paper_call *call);
void paper_handle_cancel_batch(struct paper_call *call);

/* bybit_positions.c */
struct paper_change { /* what a fill did */
    struct decimal closed, pnl;
};
struct paper_change paper_position_fill(struct paper_account *account, size_t symbol,
                                        enum trade_side side, struct decimal qty,
                                        struct decimal price, struct decimal fee);
struct decimal paper_unrealised(const struct paper_account *account, size_t symbol);
struct paper_order *paper_protection(struct paper_account *account, size_t symbol,
                                     enum paper_stop kind); /* NULL: none */
/* Sets, moves or (zero) takes away the stop loss or take profit of a position. */
void paper_protect(struct paper_account *account, size_t symbol, enum paper_stop kind,
                   struct decimal price);
/* After a fill: stops follow the size, or go with the position. */
void paper_protection_follow(struct paper_account *account, size_t symbol);
/* false: a stop or target is on the wrong side of the price, and the call has failed. */
bool paper_protection_fits(struct paper_call *call, enum trade_side side, struct decimal base,
                           struct decimal take, struct decimal stop);
void paper_handle_leverage(struct paper_call *call);
void paper_handle_trading_stop(struct paper_call *call);
void paper_handle_switch_mode(struct paper_call *call);

/* bybit_margin.c */
static const struct decimal paper_maintenance_rate = {5, 3}; /* 0.5 % */
struct paper_margin {
    struct decimal equity, unrealised, position, order, maintenance, available;
};
struct paper_margin paper_margin_of(const struct paper_account *account);
/* Whether the account could bear one more order, instead of one it has (or NULL). */
bool paper_can_afford(const struct paper_account *account, const struct paper_order *order,
                      const struct paper_order *instead_of);
/* Where the position on this symbol would be liquidated; zero: nowhere. */
struct decimal paper_liquidation_price(const struct paper_account *account, size_t symbol);
/* Ends every position and order of an account. */
void paper_liquidate(struct paper_account *account);
void paper_handle_wallet(struct paper_call *call);
void paper_handle_account_info(struct paper_call *call);
void paper_handle_query_api(struct paper_call *call);
void paper_handle_fee_rate(struct paper_call *call);
struct decimal paper_fee_rate(bool maker);

/* bybit_queries.c */
json_t *paper_order_row(const struct paper_order *order);
json_t *paper_execution_row(const struct paper_execution *execution);
json_t *paper_position_row(struct paper_account *account, size_t symbol);
json_t *paper_wallet_row(const struct paper_account *account);
void paper_handle_realtime(struct paper_call *call);
void paper_handle_history(struct paper_call *call);
void paper_handle_executions(struct paper_call *call);
void paper_handle_positions(struct paper_call *call);

/* bybit_faults.c */
/* The first armed fault that this route meets; it is used up by one. */
struct paper_fault paper_fault_take(struct exchange_sim *sim, const struct paper_route *route,
                                    const char *path);
const char *paper_fault_name(enum paper_fault_kind kind); /* NULL: none */
/* true: nothing of the call happens; the call is ended or its answer is spoilt later. */
bool paper_fault_before(const struct paper_fault *fault, struct paper_call *call);
/* Changes the result as the fault wants it, then the answer. */
void paper_fault_result(const struct paper_fault *fault, json_t *result);
void paper_fault_answer(const struct paper_fault *fault, struct exchange_sim_answer *answer);
/* NULL, or a constant sentence: why not. */
const char *paper_fault_arm(struct exchange_sim *sim, const json_t *args, uint64_t *ret);
size_t paper_fault_clear(struct exchange_sim *sim, uint64_t id); /* all when id is 0 */
json_t *paper_faults_json(const struct exchange_sim *sim);
/* Counts `count` calls; how many of them may pass. Fills the answer's headers. */
int64_t paper_limit_pass(struct paper_account *account, const struct paper_route *route,
                         int64_t count, struct exchange_sim_answer *answer);
bool paper_limit_address(struct exchange_sim *sim); /* false: too much from one address */
