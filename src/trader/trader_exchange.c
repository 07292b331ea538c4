/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes at the exchange. Writes go out at once; reads come in a cycle (open orders,
 * fills, positions, wallet, prices), every two seconds while something is open and once a minute
 * else, so that a dead link is noticed. */
#include "base/log.h"
#include "trader/trader.h"
#include <stdio.h>

enum {
    CYCLE_QUIET_MS = 60000,
    CYCLE_RETRY_MS = 1000,
    CYCLE_RETRY_MS_MAX = 30000,
    FILLS_OVERLAP_MS = 60000, /* fills may be listed late and out of order */
    FILLS_SPAN_MS = 6 * 86400000,
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

void exchange_create(struct trader *trader, const struct order *order) {
    AUTO_BUFFER struct buffer body = {0};
    bybit_add_create(order, &body);
    log_info("order %lld: %s %s sent as %s (try %u)", (long long)order->id,
             trade_side_name(order->side), order->symbol, order->link_id, order->attempts);
    request_start(trader, &(struct request_options){.path = "/v5/order/create", .body = &body},
                  on_created, context_of(order));
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

static void cycle_end(struct trader *trader, bool good) {
    struct cycle *cycle = &trader->exchange.cycle;
    int64_t wait = is_busy(trader) ? trader->read_ms : CYCLE_QUIET_MS;
    cycle->failures = good ? 0 : cycle->failures + 1;
    if (!good) {
        wait = CYCLE_RETRY_MS;
        for (uint32_t i = 1; i < cycle->failures && wait < CYCLE_RETRY_MS_MAX; i++)
            wait *= 2;
        wait = wait < CYCLE_RETRY_MS_MAX ? wait : CYCLE_RETRY_MS_MAX;
    }
    cycle_clear(cycle);
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
    qsort(cycle->fills.list, cycle->fills.count, sizeof *cycle->fills.list, by_time);
    feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_FILLS,
                                               .fills = cycle->fills.list,
                                               .fill_count = cycle->fills.count});
    return 0;
}

static int take_positions(struct trader *trader, const json_t *result) {
    struct cycle *cycle = &trader->exchange.cycle;
    struct bybit_positions page = {0};
    int r = bybit_read_positions(result, &page);
    if (r != 0)
        return r;
    JOIN(&cycle->positions, &page);
    memcpy(cycle->cursor, page.cursor, sizeof cycle->cursor);
    if (!cycle->cursor[0])
        feed_positions(trader, &(struct positions_event){.on = POSITIONS_ON_READ,
                                                         .rows = cycle->positions.list,
                                                         .row_count = cycle->positions.count,
                                                         .asked_ms = cycle->asked_ms});
    return 0;
}

static int take_wallet(struct trader *trader, const json_t *result) {
    trader->exchange.cycle.cursor[0] = 0;
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
    int64_t since = last > 0 ? last - FILLS_OVERLAP_MS : trader->store_born_ms - FILLS_OVERLAP_MS;
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

static void ask_step(struct trader *trader);

static void on_step(struct trader *trader, void *context, const struct bybit_answer *answer) {
    struct cycle *cycle = &trader->exchange.cycle;
    if (answer->class != EXCHANGE_OK || steps[cycle->step].take(trader, answer->result) != 0) {
        if (answer->class == EXCHANGE_OK && cycle->failures == 0)
            log_warning("exchange: %s answered what is not in its protocol; asked again",
                        steps[cycle->step].path);
        cycle_end(trader, false);
        return;
    }
    if (!cycle->cursor[0]) {
        if (cycle->step == CYCLE_TICKERS) {
            cycle_end(trader, true);
            return;
        }
        cycle->step++;
        cycle->asked_ms = trader_now(trader);
    }
    ask_step(trader);
}

static void ask_step(struct trader *trader) {
    const struct step *step = &steps[trader->exchange.cycle.step];
    AUTO_BUFFER struct buffer query = {0};
    step->add_query(trader, &query);
    request_start(trader,
                  &(struct request_options){
                      .path = step->path, .query = &query, .is_public = step->is_public},
                  on_step, NULL);
}

/* ---- the start: what can be traded, on whose clock ---- */

static void ask_instruments(struct trader *trader);

static void start_failed(struct trader *trader) {
    struct exchange_link *link = &trader->exchange;
    free(link->loading.list);
    link->loading = (struct instruments){0};
    link->cursor[0] = 0;
    link->start_due_ms = trader_now(trader) + CYCLE_RETRY_MS * 2;
}

static void on_instruments(struct trader *trader, void *context,
                           const struct bybit_answer *answer) {
    struct exchange_link *link = &trader->exchange;
    if (answer->class != EXCHANGE_OK ||
        bybit_read_instruments(answer->result, &link->loading, link->cursor) != 0) {
        start_failed(trader);
        return;
    }
    if (link->cursor[0]) {
        ask_instruments(trader);
        return;
    }
    free(trader->instruments.list);
    trader->instruments = link->loading;
    link->loading = (struct instruments){0};
    link->instruments_known = true;
    log_info("exchange %s: %zu instruments, clock %+lld ms, mode %s", trader->options->api_url,
             trader->instruments.count, (long long)link->clock_offset_ms,
             trade_mode_badge((enum trade_mode)trader->options->mode));
    link->started = true;
    link->cycle.due_ms = trader_now(trader);
    feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_START});
}

static void ask_instruments(struct trader *trader) {
    AUTO_BUFFER struct buffer query = {0};
    buffer_add_text(&query, "category=linear&limit=1000");
    if (trader->exchange.cursor[0])
        buffer_print(&query, "&cursor=%s", trader->exchange.cursor);
    request_start(trader,
                  &(struct request_options){
                      .path = "/v5/market/instruments-info", .query = &query, .is_public = true},
                  on_instruments, NULL);
}

static void on_time(struct trader *trader, void *context, const struct bybit_answer *answer) {
    if (trader->exchange.clock_known)
        ask_instruments(trader);
    else
        start_failed(trader);
}

void exchange_turn(struct trader *trader) {
    struct exchange_link *link = &trader->exchange;
    int64_t now = trader_now(trader);
    if (trader->stopping || request_blocked(trader))
        return;
    if (!link->started && now >= link->start_due_ms) {
        link->start_due_ms = INT64_MAX;
        request_start(trader,
                      &(struct request_options){.path = "/v5/market/time", .is_public = true},
                      on_time, NULL);
    }
    if (!link->started || link->cycle.step != CYCLE_IDLE)
        return;
    if (is_busy(trader) && link->cycle.failures == 0 && link->cycle.due_ms > now + trader->read_ms)
        link->cycle.due_ms = now; /* something has begun meanwhile */
    if (now < link->cycle.due_ms)
        return;
    link->cycle.step = CYCLE_ORDERS;
    link->cycle.asked_ms = now;
    ask_step(trader);
}

int64_t exchange_next_ms(const struct trader *trader) {
    const struct exchange_link *link = &trader->exchange;
    if (trader->stopping)
        return INT64_MAX;
    if (request_blocked(trader))
        return link->blocked_until;
    if (!link->started)
        return link->start_due_ms;
    return link->cycle.step == CYCLE_IDLE ? link->cycle.due_ms : INT64_MAX;
}

void exchange_close(struct trader *trader) {
    cycle_clear(&trader->exchange.cycle);
    free(trader->exchange.loading.list);
    free(trader->instruments.list);
}
