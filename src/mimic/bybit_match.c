/* SPDX-License-Identifier: Apache-2.0 */
/* Where orders meet the market. A price that moves passes every price in between: what it reaches
 * first triggers and fills first, at the price it was waiting for. */
#include "mimic/bybit_state.h"

enum { CHUNKS_MAX = 10 }; /* fills of one close that is larger than the market is deep */

void paper_order_end(struct paper_account *account, struct paper_order *order,
                     enum paper_status status, const char *cancel_type, const char *reason) {
    must(paper_open(order->status) && !paper_open(status));
    order->status = status;
    order->cancel_type = cancel_type;
    order->reject_reason = reason;
    order->updated = paper_time(account->sim);
    account->closed_count++;
    paper_touch(account);
}

/* --- fills -------------------------------------------------------------------------------- */

static void record(struct paper_account *account, const struct paper_order *order,
                   struct paper_execution execution) {
    struct exchange_sim *sim = account->sim;
    execution.number = account->execution_next++;
    paper_uuid(sim, execution.id);
    memcpy(execution.order_id, order->id, sizeof execution.order_id);
    memcpy(execution.link_id, order->link_id, sizeof execution.link_id);
    execution.symbol = order->symbol;
    execution.seq = account->positions[order->symbol].seq;
    execution.side = order->side;
    execution.market = order->market;
    execution.stop_kind = order->stop_kind;
    execution.liquidation = order->liquidation;
    execution.order_price = order->price;
    execution.order_qty = order->qty;
    execution.left = paper_left(order);
    execution.at = paper_time(sim);
    account->executions[execution.number % EXCHANGE_SIM_EXECUTIONS_MAX] = execution;
}

/* The stop and target that travelled with an order become those of its position; with each position
 * that it `opened`. */
static void hand_over_protection(struct paper_account *account, struct paper_order *order,
                                 bool opened) {
    if (account->positions[order->symbol].side != order->side || (order->handed_over && !opened))
        return; /* it only reduced, or once is enough */
    order->handed_over = true;
    if (!decimal_is_zero(order->stop))
        paper_protect(account, order->symbol, PAPER_STOP_LOSS, order->stop);
    if (!decimal_is_zero(order->take))
        paper_protect(account, order->symbol, PAPER_TAKE_PROFIT, order->take);
}

static void fill(struct paper_account *account, struct paper_order *order, struct decimal qty,
                 struct decimal price, bool maker) {
    struct exchange_sim *sim = account->sim;
    struct paper_market *market = &sim->markets[order->symbol];
    struct decimal value = paper_times(price, qty), rate = paper_fee_rate(maker);
    struct decimal fee = paper_times(value, rate);
    order->filled = paper_plus(order->filled, qty);
    order->value = paper_plus(order->value, value);
    order->fee = paper_plus(order->fee, fee);
    order->updated = paper_time(sim);
    market->volume = paper_plus(market->volume, qty);
    market->turnover = paper_plus(market->turnover, value);
    bool opens = account->positions[order->symbol].side != order->side;
    struct paper_change change =
        paper_position_fill(account, order->symbol, order->side, qty, price, fee);
    record(account, order,
           (struct paper_execution){.price = price,
                                    .qty = qty,
                                    .value = value,
                                    .fee = fee,
                                    .fee_rate = rate,
                                    .maker = maker,
                                    .closed = change.closed,
                                    .pnl = change.pnl});
    if (decimal_is_zero(paper_left(order)))
        paper_order_end(account, order, PAPER_FILLED, "UNKNOWN", "EC_NoError");
    else
        order->status = PAPER_PARTLY;
    paper_touch(account);
    paper_protection_follow(account, order->symbol);
    hand_over_protection(account, order, opens);
}

/* What the market can give of `wanted` now. */
static struct decimal available(const struct exchange_sim *sim, size_t symbol,
                                struct decimal wanted) {
    const struct paper_market *market = &sim->markets[symbol];
    return decimal_is_zero(market->depth) ? wanted : paper_smaller(wanted, market->available);
}

static void use_up(struct exchange_sim *sim, size_t symbol, struct decimal qty) {
    struct paper_market *market = &sim->markets[symbol];
    if (!decimal_is_zero(market->depth))
        market->available = paper_minus(market->available, qty);
}

/* A reduce-only order can fill no more than the position has. */
static struct decimal fillable(const struct paper_account *account,
                               const struct paper_order *order) {
    const struct paper_position *position = &account->positions[order->symbol];
    struct decimal left = paper_left(order);
    if (!order->reduce_only)
        return left;
    if (position->side != trade_side_opposite(order->side))
        return decimal_of(0);
    return paper_smaller(left, position->size);
}

static void take_some(struct paper_account *account, struct paper_order *order,
                      struct decimal price, bool maker) {
    struct exchange_sim *sim = account->sim;
    struct decimal qty = available(sim, order->symbol, fillable(account, order));
    if (decimal_sign(qty) <= 0)
        return;
    use_up(sim, order->symbol, qty);
    fill(account, order, qty, price, maker);
}

/* --- a new order -------------------------------------------------------------------------- */

static struct decimal touch_price(const struct exchange_sim *sim, const struct paper_order *order) {
    return order->side == SIDE_BUY ? paper_ask(sim, order->symbol) : paper_bid(sim, order->symbol);
}

static bool crosses(const struct exchange_sim *sim, const struct paper_order *order) {
    int compared = decimal_compare(order->price, touch_price(sim, order));
    return order->market || (order->side == SIDE_BUY ? compared >= 0 : compared <= 0);
}

/* Stops, targets and liquidations close the whole position, in several fills when the market is
 * not deep: a close that stays half done would not be what an exchange does to a position. */
static void close_position(struct paper_account *account, struct paper_order *order) {
    const struct paper_market *market = &account->sim->markets[order->symbol];
    struct decimal price = touch_price(account->sim, order);
    for (int i = 0; paper_open(order->status) && decimal_sign(fillable(account, order)) > 0; i++) {
        struct decimal qty = fillable(account, order);
        if (!decimal_is_zero(market->depth) && i + 1 < CHUNKS_MAX)
            qty = paper_smaller(qty, market->depth);
        fill(account, order, qty, price, false);
    }
}

static void end_rest(struct paper_account *account, struct paper_order *order, const char *cancel,
                     const char *reason) {
    if (paper_open(order->status))
        paper_order_end(account, order, PAPER_CANCELLED, cancel, reason);
}

void paper_order_enter(struct paper_account *account, struct paper_order *order) {
    const struct exchange_sim *sim = account->sim;
    bool crossing = crosses(sim, order);
    struct decimal wanted = fillable(account, order);
    order->status = decimal_is_zero(order->filled) ? PAPER_NEW : PAPER_PARTLY;
    order->updated = paper_time(sim);
    paper_touch(account);
    if (order->reduce_only && decimal_is_zero(wanted)) {
        end_rest(account, order, "CancelByReduceOnly", "EC_NoError");
    } else if (order->close_on_trigger && order->market && order->reduce_only) {
        close_position(account, order);
        end_rest(account, order, "CancelByReduceOnly", "EC_NoError");
    } else if (order->tif == PAPER_POST_ONLY && crossing) {
        end_rest(account, order, "UNKNOWN", "EC_PostOnlyWillTakeLiquidity");
    } else if (order->tif == PAPER_FOK &&
               (!crossing || paper_less(available(sim, order->symbol, wanted), order->qty))) {
        end_rest(account, order, "UNKNOWN", "EC_NoImmediateQtyToFill");
    } else {
        if (crossing)
            take_some(account, order, touch_price(sim, order), false);
        if (order->market || order->tif == PAPER_IOC || order->tif == PAPER_FOK)
            end_rest(account, order, "UNKNOWN", "EC_NoImmediateQtyToFill");
    }
}

/* --- a price that moves ------------------------------------------------------------------- */

struct event {
    struct paper_account *account;
    struct paper_order *order; /* NULL: the account is liquidated */
    struct decimal price;      /* where the market is when it happens */
};

/* Whether a price that goes from `last` to `target` reaches what the order waits for, and where. */
static bool reached(const struct exchange_sim *sim, const struct paper_account *account,
                    const struct paper_order *order, struct decimal target, struct event *ret) {
    struct decimal last = sim->markets[order->symbol].last;
    bool waits = order->status == PAPER_UNTRIGGERED;
    bool rises = waits ? order->trigger_direction == 1 : order->side == SIDE_SELL;
    struct decimal at = waits ? order->trigger : order->price;
    if (!paper_open(order->status) || (rises ? paper_less(target, at) : paper_less(at, target)))
        return false;
    if (!waits && decimal_sign(available(sim, order->symbol, fillable(account, order))) <= 0)
        return false;
    if (rises != paper_less(last, target) && !decimal_equal(last, target))
        return false; /* going the other way: seen when the price has arrived */
    bool passed = rises ? !paper_less(last, at) : !paper_less(at, last);
    ret->price = passed ? last : at;
    return true;
}

static bool sooner(const struct exchange_sim *sim, size_t symbol, const struct event *a,
                   const struct event *b) {
    struct decimal last = sim->markets[symbol].last;
    return paper_less(decimal_abs(paper_minus(a->price, last)),
                      decimal_abs(paper_minus(b->price, last)));
}

static bool liquidated(struct paper_account *account, size_t symbol, struct decimal target,
                       struct event *ret) {
    struct decimal last = account->sim->markets[symbol].last;
    struct decimal at = paper_liquidation_price(account, symbol);
    if (decimal_is_zero(at))
        return false;
    at = paper_market_round(symbol, at);
    bool falls = account->positions[symbol].side == SIDE_BUY;
    if (falls ? paper_less(at, target) : paper_less(target, at))
        return false;
    bool passed = falls ? !paper_less(at, last) : !paper_less(last, at);
    *ret = (struct event){account, NULL, passed ? last : at};
    return true;
}

/* The nearest on the way; of two at one price the older order. */
static bool next_event(struct exchange_sim *sim, size_t symbol, struct decimal target, bool limits,
                       struct event *ret) {
    bool found = false;
    for (size_t i = 0; i < sim->account_count; i++) {
        struct paper_account *account = sim->accounts[i];
        struct event event = {0};
        for (size_t j = 0; j < account->order_count; j++) {
            struct paper_order *order = account->orders[j];
            if (order->symbol != symbol || (!limits && order->status != PAPER_UNTRIGGERED) ||
                !reached(sim, account, order, target, &event))
                continue;
            event.account = account;
            event.order = order;
            if (!found || sooner(sim, symbol, &event, ret))
                *ret = event;
            found = true;
        }
        if (liquidated(account, symbol, target, &event) &&
            (!found || sooner(sim, symbol, &event, ret))) {
            *ret = event;
            found = true;
        }
    }
    return found;
}

/* It becomes an order like any other, if the account can still bear it. */
static void trigger(struct paper_account *account, struct paper_order *order) {
    order->updated = paper_time(account->sim);
    if (!order->reduce_only && !paper_can_afford(account, order, NULL)) {
        paper_order_end(account, order, PAPER_REJECTED, "UNKNOWN", "EC_Others");
        return;
    }
    paper_order_enter(account, order);
}

static void happen(struct exchange_sim *sim, const struct event *event) {
    if (!event->order)
        paper_liquidate(event->account);
    else if (event->order->status == PAPER_UNTRIGGERED)
        trigger(event->account, event->order);
    else
        take_some(event->account, event->order, event->order->price, true);
}

static void go(struct exchange_sim *sim, size_t symbol, struct decimal price, bool limits) {
    struct event event = {0};
    while (next_event(sim, symbol, price, limits, &event)) {
        sim->markets[symbol].last = event.price;
        happen(sim, &event);
    }
    sim->markets[symbol].last = price;
}

void paper_match_move(struct exchange_sim *sim, size_t symbol, struct decimal price) {
    go(sim, symbol, price, true);
    go(sim, symbol, price, true); /* what waits on the other side of it */
}

void paper_settle(struct exchange_sim *sim, size_t symbol) {
    go(sim, symbol, sim->markets[symbol].last, false);
}
