/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes at the exchange. Writes go out at once; reads come in a cycle (open orders,
 * fills, positions, now and then wallet and prices), every two seconds while something is open and
 * once a minute else, so that a dead link is noticed. What cannot be read is left out of the turn:
 * the watch over stops depends on the list of positions alone. */
#include "base/log.h"
#include "trader/trader.h"
#include <stdio.h>

enum {
    CYCLE_QUIET_MS = 60000,
    CYCLE_RETRY_MS = 1000,
    CYCLE_RETRY_MS_MAX = 30000,
    FILLS_OVERLAP_MS = 60000, /* fills may be listed late and out of order */
    FILLS_SPAN_MS = 6 * 86400000,
    WALLET_MS = 30000,
    PAGES_MAX = 100, /* of one list */
    INSTRUMENTS_MS = 86400000,
    INSTRUMENTS_RETRY_MS = 5000,
    PREPARED_MS_MAX = 1000,
    BLIND_READS = 30, /* so many reads may bring nothing before people are told */
};

/* ---- writes ---- */

struct order_context {
    int64_t id;
    struct order order;
    int place; /* FIND: 0 open orders, 1 history, 2 fills */
};

static void on_created(struct trader *trader, void *context, const struct bybit_answer *answer) {
    struct order_context *at = context;
    char exchange_id[EXCHANGE_ID_BYTES] = "";
    enum exchange_class class = answer->class;
    if (class == EXCHANGE_OK && bybit_read_created(answer->result, exchange_id) != 0)
        class = EXCHANGE_UNKNOWN; /* it says done, and not what */
    feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_CREATED,
                                               .id = at->id,
                                               .class = class,
                                               .message = answer->message,
                                               .exchange_id = exchange_id});
    free(at);
}

static struct order_context *context_of(const struct order *order) {
    struct order_context *context = memory_new(sizeof *context);
    *context = (struct order_context){.id = order->id, .order = *order};
    return context;
}

static struct request *prepare(struct trader *trader, const struct order *order) {
    AUTO_BUFFER struct buffer body = {0};
    bybit_add_create(order, &body);
    return request_prepare(trader,
                           &(struct request_options){.path = "/v5/order/create", .body = &body},
                           on_created, context_of(order));
}

void exchange_prepare(struct trader *trader, const struct order *order, struct prepared *ret) {
    *ret = (struct prepared){order->id, trader_now(trader), prepare(trader, order)};
}

void exchange_drop(struct prepared *prepared) {
    if (prepared->request)
        request_drop(TAKE(prepared->request));
}

/* Not one whose signature grew old while the disk was slow. */
static struct request *take_prepared(struct trader *trader, const struct order *order) {
    struct prepared *prepared = trader->prepared;
    bool fits = prepared && prepared->order == order->id &&
                trader_now(trader) - prepared->at_ms <= PREPARED_MS_MAX;
    return fits ? TAKE(prepared->request) : NULL;
}

void exchange_create(struct trader *trader, const struct order *order) {
    struct request *request = take_prepared(trader, order);
    request_send(request ? request : prepare(trader, order));
    log_info("order %lld: %s %s sent as %s (try %u)", (long long)order->id,
             trade_side_name(order->side), order->symbol, order->link_id, order->attempts);
}

static void on_cancelled(struct trader *trader, void *context, const struct bybit_answer *answer) {
    struct order_context *at = context;
    feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_CANCELLED,
                                               .id = at->id,
                                               .class = answer->class,
                                               .message = answer->message});
    free(at);
}

void exchange_cancel(struct trader *trader, const struct order *order) {
    AUTO_BUFFER struct buffer body = {0};
    bybit_add_cancel(order, &body);
    request_start(trader, &(struct request_options){.path = "/v5/order/cancel", .body = &body},
                  on_cancelled, context_of(order));
}

static void on_protected(struct trader *trader, void *context, const struct bybit_answer *answer) {
    char *symbol = context;
    feed_positions(trader, &(struct positions_event){.on = POSITIONS_ON_PROTECTED,
                                                     .symbol = symbol,
                                                     .class = answer->class,
                                                     .message = answer->message});
    free(symbol);
}

void exchange_protect(struct trader *trader, const struct position *position) {
    AUTO_BUFFER struct buffer body = {0};
    bybit_add_protection(position->symbol, position->stop_wanted, position->take_wanted, &body);
    request_start(trader,
                  &(struct request_options){.path = "/v5/position/trading-stop", .body = &body},
                  on_protected, text_copy(position->symbol));
}

/* ---- one order, wherever it is ---- */

static void find_next(struct trader *trader, struct order_context *at);

static void found(struct trader *trader, struct order_context *at, enum orders_find find,
                  const struct order *row) {
    trader->exchange.finds--;
    feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_FOUND,
                                               .id = at->id,
                                               .find = find,
                                               .orders = row,
                                               .order_count = row != NULL});
    free(at);
}

static void on_found_fills(struct trader *trader, struct order_context *at,
                           const struct bybit_answer *answer) {
    struct bybit_fills fills = {0};
    if (bybit_read_fills(answer->result, &fills) != 0) {
        found(trader, at, ORDERS_FIND_FAILED, NULL);
        return;
    }
    /* Fills of an order that no list shows: the lists lag. */
    found(trader, at, fills.count > 0 ? ORDERS_FIND_FAILED : ORDERS_ABSENT, NULL);
    free(fills.list);
}

static void on_find(struct trader *trader, void *context, const struct bybit_answer *answer) {
    struct order_context *at = context;
    struct bybit_orders orders = {0};
    if (answer->class != EXCHANGE_OK) {
        found(trader, at, ORDERS_FIND_FAILED, NULL);
        return;
    }
    if (at->place == 2) {
        on_found_fills(trader, at, answer);
        return;
    }
    if (bybit_read_orders(answer->result, &orders) != 0) {
        found(trader, at, ORDERS_FIND_FAILED, NULL);
        return;
    }
    const struct order *row = NULL;
    for (size_t i = 0; i < orders.count; i++)
        if (strcmp(orders.list[i].link_id, at->order.link_id) == 0)
            row = &orders.list[i];
    if (row) {
        found(trader, at, ORDERS_FOUND, row);
    } else {
        at->place++;
        find_next(trader, at);
    }
    free(orders.list);
}

static void find_next(struct trader *trader, struct order_context *at) {
    static const char *const paths[] = {"/v5/order/realtime", "/v5/order/history",
                                        "/v5/execution/list"};
    AUTO_BUFFER struct buffer query = {0};
    bybit_add_find(&at->order, &query);
    request_start(trader, &(struct request_options){.path = paths[at->place], .query = &query},
                  on_find, at);
}

void exchange_find(struct trader *trader, const struct order *order) {
    trader->exchange.finds++;
    find_next(trader, context_of(order));
}

/* ---- the cycle ---- */

static void cycle_clear(struct cycle *cycle) {
    free(cycle->orders.list);
    free(cycle->fills.list);
    free(cycle->positions.list);
    cycle->orders = (struct bybit_orders){0};
    cycle->fills = (struct bybit_fills){0};
    cycle->positions = (struct bybit_positions){0};
    cycle->cursor[0] = 0;
}

static bool is_busy(const struct trader *trader) {
    return orders_any_open(trader->orders) || positions_any_open(trader->positions) ||
           dialogs_next_ms(trader->dialogs) != INT64_MAX;
}

static void cycle_end(struct trader *trader) {
    struct cycle *cycle = &trader->exchange.cycle;
    bool good = !cycle->bad;
    int64_t wait = is_busy(trader) ? trader->read_ms : CYCLE_QUIET_MS;
    cycle->failures = good ? 0 : cycle->failures + 1;
    if (!good) {
        wait = CYCLE_RETRY_MS;
        for (uint32_t i = 1; i < cycle->failures && wait < CYCLE_RETRY_MS_MAX; i++)
            wait *= 2;
        wait = wait < CYCLE_RETRY_MS_MAX ? wait : CYCLE_RETRY_MS_MAX;
    }
    cycle_clear(cycle);
    cycle->bad = cycle->fills_bad = false;
    cycle->step = CYCLE_IDLE;
    cycle->due_ms = trader_now(trader) + wait;
}

/* Joins a page to what came before it. */
#define JOIN(all, page)                                                                            \
    do {                                                                                           \
        (all)->list =                                                                              \
            memory_grow((all)->list, (all)->count + (page)->count + 1, sizeof *(all)->list);       \
        if ((page)->count > 0)                                                                     \
            memcpy((all)->list + (all)->count, (page)->list, (page)->count * sizeof *(all)->list); \
        (all)->count += (page)->count;                                                             \
        free((page)->list);                                                                        \
    } while (0)

static int take_orders(struct trader *trader, const json_t *result) {
    struct cycle *cycle = &trader->exchange.cycle;
    struct bybit_orders page = {0};
    int r = bybit_read_orders(result, &page);
    if (r != 0)
        return r;
    JOIN(&cycle->orders, &page);
    memcpy(cycle->cursor, page.cursor, sizeof cycle->cursor);
    if (!cycle->cursor[0])
        feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_LIST,
                                                   .orders = cycle->orders.list,
                                                   .order_count = cycle->orders.count,
                                                   .asked_ms = cycle->asked_ms});
    return 0;
}

static int by_time(const void *a, const void *b) {
    const struct fill *x = a, *y = b;
    return x->at_ms != y->at_ms ? (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms)
                                : strcmp(x->exec_id, y->exec_id);
}

/* Of contracts that are not settled in USDT: their positions are in no list that we read. */
static void drop_foreign(const struct trader *trader, struct bybit_fills *fills) {
    size_t kept = 0;
    if (trader->instruments.count == 0)
        return; /* not known yet */
    for (size_t i = 0; i < fills->count; i++)
        if (instruments_find(&trader->instruments, fills->list[i].symbol))
            fills->list[kept++] = fills->list[i];
    fills->count = kept;
}

static int take_fills(struct trader *trader, const json_t *result) {
    struct cycle *cycle = &trader->exchange.cycle;
    struct bybit_fills page = {0};
    int r = bybit_read_fills(result, &page);
    if (r != 0)
        return r;
    JOIN(&cycle->fills, &page);
    memcpy(cycle->cursor, page.cursor, sizeof cycle->cursor);
    if (cycle->cursor[0])
        return 0;
    drop_foreign(trader, &cycle->fills);
    qsort(cycle->fills.list, cycle->fills.count, sizeof *cycle->fills.list, by_time);
    feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_FILLS,
                                               .fills = cycle->fills.list,
                                               .fill_count = cycle->fills.count});
    return 0;
}

static void on_watched(struct trader *trader) {
    struct exchange_link *link = &trader->exchange;
    link->watched_ms = trader_now(trader);
    if (!link->blind_told)
        return;
    link->blind_told = false;
    outbox_alert(trader, ALERT_HIGH, "positions_seen",
                 text_format("%s\nThe exchange tells of positions again: they are watched.",
                             trade_mode_badge((enum trade_mode)trader->options->mode)));
}

/* Nobody may believe that a stop is looked after while it is not. */
static void watch_the_watch(struct trader *trader, int64_t now) {
    struct exchange_link *link = &trader->exchange;
    if (!orders_any_open(trader->orders) && !positions_any_open(trader->positions))
        link->watched_ms = now;
    if (link->blind_told || now - link->watched_ms < BLIND_READS * trader->read_ms)
        return;
    link->blind_told = true;
    log_error("positions cannot be read: %s", link->problem);
    commit_begin(trader);
    outbox_alert(
        trader, ALERT_CRITICAL, "positions_unseen",
        text_format("%s\nFor some time the exchange has not told what is open: positions and "
                    "their stops cannot be watched. Stops that are there work on. Look at "
                    "the exchange itself. Last trouble: %s",
                    trade_mode_badge((enum trade_mode)trader->options->mode),
                    link->problem[0] ? link->problem : "answers that cannot be read"));
    commit_end(trader);
}

static int take_positions(struct trader *trader, const json_t *result) {
    struct cycle *cycle = &trader->exchange.cycle;
    struct bybit_positions page = {0};
    int r = bybit_read_positions(result, &page);
    if (r != 0)
        return r;
    JOIN(&cycle->positions, &page);
    memcpy(cycle->cursor, page.cursor, sizeof cycle->cursor);
    if (cycle->cursor[0])
        return 0;
    feed_positions(trader, &(struct positions_event){.on = POSITIONS_ON_READ,
                                                     .rows = cycle->positions.list,
                                                     .row_count = cycle->positions.count,
                                                     .asked_ms = cycle->asked_ms,
                                                     .fills_unread = cycle->fills_bad});
    on_watched(trader);
    return 0;
}

static int take_wallet(struct trader *trader, const json_t *result) {
    trader->exchange.cycle.cursor[0] = 0;
    trader->exchange.wallet_due_ms = trader_now(trader) + WALLET_MS;
    int r = bybit_read_wallet(result, &trader->wallet);
    trader->wallet_known = trader->wallet_known || r == 0;
    return r;
}

static int take_tickers(struct trader *trader, const json_t *result) {
    trader->exchange.cycle.cursor[0] = 0;
    return bybit_read_tickers(result, &trader->instruments);
}

static void query_orders(const struct trader *trader, struct buffer *query) {
    bybit_add_open_orders(trader->exchange.cycle.cursor, query);
}

static void query_fills(const struct trader *trader, struct buffer *query) {
    int64_t last = orders_last_fill_ms(trader->orders), now = trader_now(trader);
    int64_t since =
        last > 0 ? last - FILLS_OVERLAP_MS
                 : trader->store_born_ms + trader->exchange.clock_offset_ms - FILLS_OVERLAP_MS;
    if (since < now - FILLS_SPAN_MS) /* the exchange shows at most a week at once */
        since = now - FILLS_SPAN_MS;
    bybit_add_fills(since, trader->exchange.cycle.cursor, query);
}

static void query_positions(const struct trader *trader, struct buffer *query) {
    bybit_add_positions(trader->exchange.cycle.cursor, query);
}

static void query_wallet(const struct trader *trader, struct buffer *query) {
    buffer_add_text(query, "accountType=UNIFIED");
}

static void query_linear(const struct trader *trader, struct buffer *query) {
    buffer_add_text(query, "category=linear");
}

static const struct step {
    const char *path;
    void (*add_query)(const struct trader *trader, struct buffer *query);
    int (*take)(struct trader *trader, const json_t *result);
    bool is_public;
} steps[] = {
    [CYCLE_ORDERS] = {"/v5/order/realtime", query_orders, take_orders, false},
    [CYCLE_FILLS] = {"/v5/execution/list", query_fills, take_fills, false},
    [CYCLE_POSITIONS] = {"/v5/position/list", query_positions, take_positions, false},
    [CYCLE_WALLET] = {"/v5/account/wallet-balance", query_wallet, take_wallet, false},
    [CYCLE_TICKERS] = {"/v5/market/tickers", query_linear, take_tickers, true},
};

static bool is_wanted(const struct trader *trader, enum cycle_step step) {
    bool dialogs = dialogs_next_ms(trader->dialogs) != INT64_MAX;
    return step == CYCLE_WALLET    ? trader_now(trader) >= trader->exchange.wallet_due_ms
           : step == CYCLE_TICKERS ? trader->instruments.count > 0 && (dialogs || !is_busy(trader))
                                   : true;
}

static void ask_step(struct trader *trader);

static void next_step(struct trader *trader) {
    struct cycle *cycle = &trader->exchange.cycle;
    cycle->cursor[0] = 0;
    cycle->pages = 0;
    do {
        if (cycle->step == CYCLE_TICKERS) {
            cycle_end(trader);
            return;
        }
        cycle->step++;
    } while (!is_wanted(trader, cycle->step));
    cycle->asked_ms = trader_now(trader);
    ask_step(trader);
}

static void note_bad_step(struct trader *trader, const struct bybit_answer *answer) {
    struct cycle *cycle = &trader->exchange.cycle;
    if (answer->class == EXCHANGE_OK && cycle->failures == 0)
        log_warning("exchange: %s answered what is not in its protocol; asked again",
                    steps[cycle->step].path);
    cycle->bad |= cycle->step <= CYCLE_POSITIONS; /* without the rest one can trade */
    cycle->fills_bad |= cycle->step == CYCLE_FILLS;
    if (cycle->step == CYCLE_WALLET)
        trader->exchange.wallet_due_ms = trader_now(trader) + WALLET_MS;
}

static void on_step(struct trader *trader, void *context, const struct bybit_answer *answer) {
    struct cycle *cycle = &trader->exchange.cycle;
    bool good = answer->class == EXCHANGE_OK && cycle->pages < PAGES_MAX &&
                steps[cycle->step].take(trader, answer->result) == 0;
    if (!good)
        note_bad_step(trader, answer);
    if (!good || !cycle->cursor[0])
        next_step(trader);
    else
        ask_step(trader);
}

static void ask_step(struct trader *trader) {
    const struct step *step = &steps[trader->exchange.cycle.step];
    AUTO_BUFFER struct buffer query = {0};
    trader->exchange.cycle.pages++;
    step->add_query(trader, &query);
    request_start(trader,
                  &(struct request_options){
                      .path = step->path, .query = &query, .is_public = step->is_public},
                  on_step, NULL);
}

/* ---- what can be traded ---- */

static void ask_instruments(struct trader *trader);

/* Prices are kept until the next ones come. */
static void keep_prices(const struct instruments *old, struct instruments *fresh) {
    for (size_t i = 0; i < fresh->count; i++) {
        const struct instrument *known = instruments_find(old, fresh->list[i].symbol);
        if (known)
            fresh->list[i].last_price = known->last_price;
    }
}

static void instruments_end(struct trader *trader, bool good) {
    struct exchange_link *link = &trader->exchange;
    if (good) {
        keep_prices(&trader->instruments, &link->loading);
        free(trader->instruments.list);
        trader->instruments = link->loading;
        log_info("exchange %s: %zu instruments, clock %+lld ms, mode %s", trader->options->api_url,
                 trader->instruments.count, (long long)link->clock_offset_ms,
                 trade_mode_badge((enum trade_mode)trader->options->mode));
    } else {
        free(link->loading.list);
        log_warning("exchange: the list of instruments cannot be read; asked again");
    }
    link->loading = (struct instruments){0};
    link->cursor[0] = 0;
    link->loading_instruments = false;
    link->instruments_due_ms = trader_now(trader) + (good ? INSTRUMENTS_MS : INSTRUMENTS_RETRY_MS);
    if (good)
        link->cycle.due_ms = trader_now(trader);
}

static void on_instruments(struct trader *trader, void *context,
                           const struct bybit_answer *answer) {
    struct exchange_link *link = &trader->exchange;
    bool good = answer->class == EXCHANGE_OK &&
                bybit_read_instruments(answer->result, &link->loading, link->cursor) == 0;
    if (good && link->cursor[0] && link->loading.count < (size_t)PAGES_MAX * 1000)
        ask_instruments(trader);
    else
        instruments_end(trader, good && link->loading.count > 0);
}

static void ask_instruments(struct trader *trader) {
    AUTO_BUFFER struct buffer query = {0};
    bybit_add_instruments(trader->exchange.cursor, &query);
    trader->exchange.loading_instruments = true;
    request_start(trader,
                  &(struct request_options){
                      .path = "/v5/market/instruments-info", .query = &query, .is_public = true},
                  on_instruments, NULL);
}

/* ---- the start: on whose clock ---- */

static void on_time(struct trader *trader, void *context, const struct bybit_answer *answer) {
    struct exchange_link *link = &trader->exchange;
    int64_t now = trader_now(trader);
    if (!link->clock_known) {
        link->start_due_ms = now + CYCLE_RETRY_MS * 2;
        return;
    }
    link->started = true;
    link->cycle.due_ms = link->instruments_due_ms = now;
    feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_START});
}

static void start_cycle(struct trader *trader, int64_t now) {
    struct cycle *cycle = &trader->exchange.cycle;
    if (is_busy(trader) && cycle->failures == 0 && cycle->due_ms > now + trader->read_ms)
        cycle->due_ms = now; /* something has begun meanwhile */
    if (cycle->step == CYCLE_IDLE && now >= cycle->due_ms)
        next_step(trader);
}

void exchange_turn(struct trader *trader) {
    struct exchange_link *link = &trader->exchange;
    int64_t now = trader_now(trader);
    if (trader->stopping)
        return;
    watch_the_watch(trader, now);
    if (request_blocked(trader))
        return;
    if (!link->started && now >= link->start_due_ms) {
        link->start_due_ms = INT64_MAX;
        request_start(trader,
                      &(struct request_options){.path = "/v5/market/time", .is_public = true},
                      on_time, NULL);
    }
    if (!link->started)
        return;
    if (!link->loading_instruments && now >= link->instruments_due_ms)
        ask_instruments(trader);
    start_cycle(trader, now);
}

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t exchange_next_ms(const struct trader *trader) {
    const struct exchange_link *link = &trader->exchange;
    if (trader->stopping)
        return INT64_MAX;
    bool open = orders_any_open(trader->orders) || positions_any_open(trader->positions);
    int64_t next =
        open && !link->blind_told ? link->watched_ms + BLIND_READS * trader->read_ms : INT64_MAX;
    if (request_blocked(trader))
        return sooner(next, link->blocked_until);
    if (!link->started)
        return sooner(next, link->start_due_ms);
    if (!link->loading_instruments)
        next = sooner(next, link->instruments_due_ms);
    return link->cycle.step == CYCLE_IDLE ? sooner(next, link->cycle.due_ms) : next;
}

void exchange_close(struct trader *trader) {
    cycle_clear(&trader->exchange.cycle);
    free(trader->exchange.loading.list);
    free(trader->instruments.list);
}
