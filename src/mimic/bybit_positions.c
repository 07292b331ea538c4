/* SPDX-License-Identifier: Apache-2.0 */
/* Positions: what fills make of them, and the stop and target that protect them (Full mode: one of
 * each, for the whole position). */
#include "mimic/bybit_state.h"

/* --- fills -------------------------------------------------------------------------------- */

static void enlarge(struct paper_position *position, enum trade_side side, struct decimal qty,
                    struct decimal price, int64_t time) {
    if (position->side == SIDE_NONE) {
        *position = (struct paper_position){.side = side,
                                            .leverage = position->leverage,
                                            .realised_ever = position->realised_ever,
                                            .created = time,
                                            .seq = position->seq};
    }
    struct decimal cost =
        paper_plus(paper_times(position->entry, position->size), paper_times(price, qty));
    position->size = paper_plus(position->size, qty);
    position->entry = paper_divided(cost, position->size);
}

static void realise(struct paper_account *account, struct paper_position *position,
                    struct decimal amount) {
    account->balance = paper_plus(account->balance, amount);
    account->realised = paper_plus(account->realised, amount);
    position->realised = paper_plus(position->realised, amount);
    position->realised_ever = paper_plus(position->realised_ever, amount);
}

static struct decimal gain(const struct paper_position *position, struct decimal qty,
                           struct decimal price) {
    struct decimal each = paper_minus(price, position->entry);
    if (position->side == SIDE_SELL)
        each = decimal_negate(each);
    return paper_times(each, qty);
}

/* What `part` of a `whole` has of an amount. */
static struct decimal share_of(struct decimal amount, struct decimal part, struct decimal whole) {
    struct decimal product;
    return decimal_mul(amount, part, &product) ? amount : paper_divided(product, whole);
}

struct paper_change paper_position_fill(struct paper_account *account, size_t symbol,
                                        enum trade_side side, struct decimal qty,
                                        struct decimal price, struct decimal fee) {
    struct paper_position *position = &account->positions[symbol];
    struct paper_change change = {decimal_of(0), decimal_of(0)};
    int64_t time = paper_time(account->sim);
    struct decimal part = decimal_of(0); /* of the fee, that closing costs */
    if (position->side == trade_side_opposite(side)) {
        change.closed = paper_smaller(qty, position->size);
        change.pnl = gain(position, change.closed, price);
        part = share_of(fee, change.closed, qty);
        realise(account, position, paper_minus(change.pnl, part));
        position->size = paper_minus(position->size, change.closed);
        qty = paper_minus(qty, change.closed);
    }
    if (decimal_is_zero(position->size)) {
        position->side = SIDE_NONE;
        position->entry = decimal_of(0);
    }
    if (decimal_sign(qty) > 0)
        enlarge(position, side, qty, price, time);
    realise(account, position, paper_minus(part, fee));
    position->updated = time;
    position->seq = ++account->sim->next_number;
    return change;
}

struct decimal paper_unrealised(const struct paper_account *account, size_t symbol) {
    const struct paper_position *position = &account->positions[symbol];
    return gain(position, position->size, account->sim->markets[symbol].last);
}

/* --- protection --------------------------------------------------------------------------- */

struct paper_order *paper_protection(struct paper_account *account, size_t symbol,
                                     enum paper_stop kind) {
    for (size_t i = account->order_count; i-- > 0;) {
        struct paper_order *order = account->orders[i];
        if (order->symbol == symbol && order->stop_kind == kind &&
            order->status == PAPER_UNTRIGGERED)
            return order;
    }
    return NULL;
}

static void unprotect(struct paper_account *account, struct paper_order *order, const char *why) {
    if (order)
        paper_order_end(account, order, PAPER_DEACTIVATED, why, "EC_NoError");
}

void paper_protect(struct paper_account *account, size_t symbol, enum paper_stop kind,
                   struct decimal price) {
    const struct paper_position *position = &account->positions[symbol];
    struct paper_order *order = paper_protection(account, symbol, kind);
    if (decimal_is_zero(price)) {
        unprotect(account, order, "CancelByUser");
        return;
    }
    if (!order)
        order = paper_order_add(account, symbol);
    bool falls = (position->side == SIDE_BUY) == (kind == PAPER_STOP_LOSS);
    order->side = trade_side_opposite(position->side);
    order->status = PAPER_UNTRIGGERED;
    order->tif = PAPER_IOC;
    order->stop_kind = kind;
    order->market = order->reduce_only = order->close_on_trigger = true;
    order->qty = position->size;
    order->trigger = price;
    order->trigger_direction = falls ? 2 : 1;
    order->last_on_created = account->sim->markets[symbol].last;
    order->updated = paper_time(account->sim);
    paper_touch(account);
}

/* Orders that may only reduce end with the position. */
static void end_reducing(struct paper_account *account, size_t symbol) {
    enum trade_side side = account->positions[symbol].side;
    for (size_t i = 0; i < account->order_count; i++) {
        struct paper_order *order = account->orders[i];
        bool filling = !decimal_is_zero(order->filled) && order->market;
        if (order->symbol != symbol || !paper_open(order->status) || !order->reduce_only ||
            order->status == PAPER_UNTRIGGERED || filling ||
            (side != SIDE_NONE && side != order->side))
            continue;
        paper_order_end(account, order, PAPER_CANCELLED, "CancelByReduceOnly", "EC_NoError");
    }
}

void paper_protection_follow(struct paper_account *account, size_t symbol) {
    const struct paper_position *position = &account->positions[symbol];
    for (enum paper_stop kind = PAPER_STOP_LOSS; kind <= PAPER_TAKE_PROFIT; kind++) {
        struct paper_order *order = paper_protection(account, symbol, kind);
        if (!order)
            continue;
        if (position->side == SIDE_NONE || position->side == order->side)
            unprotect(account, order, "CancelByTpSlTsClear");
        else
            order->qty = position->size;
    }
    end_reducing(account, symbol);
}

bool paper_protection_fits(struct paper_call *call, enum trade_side side, struct decimal base,
                           struct decimal take, struct decimal stop) {
    bool buy = side == SIDE_BUY;
    char a[DECIMAL_TEXT_BYTES], b[DECIMAL_TEXT_BYTES];
    if (!decimal_is_zero(take) && (buy ? !paper_less(base, take) : !paper_less(take, base))) {
        paper_fail(call, 10001,
                   "TakeProfit:%s set for %s position should be %s than base_price:%s??LastPrice",
                   decimal_print(take, a), trade_side_name(side), buy ? "higher" : "lower",
                   decimal_print(base, b));
        return false;
    }
    if (!decimal_is_zero(stop) && (buy ? !paper_less(stop, base) : !paper_less(base, stop))) {
        paper_fail(call, 10001,
                   "StopLoss:%s set for %s position should %s than base_price:%s??LastPrice",
                   decimal_print(stop, a), trade_side_name(side), buy ? "lower" : "greater",
                   decimal_print(base, b));
        return false;
    }
    return true;
}

/* --- calls -------------------------------------------------------------------------------- */

void paper_handle_leverage(struct paper_call *call) {
    size_t symbol;
    struct decimal buy, sell, one = decimal_of(1);
    if (!paper_call_symbol(call, &symbol))
        return;
    if (!paper_arg_decimal(call->args, "buyLeverage", &buy) ||
        !paper_arg_decimal(call->args, "sellLeverage", &sell) || !decimal_equal(buy, sell)) {
        paper_fail(call, 10001, "buy leverage and sell leverage must be equal in one-way mode");
        return;
    }
    if (paper_less(buy, one) || paper_less(paper_instruments[symbol].leverage_max, buy) ||
        buy.scale > 2) {
        paper_fail(call, 110013, "cannot set leverage due to risk limit");
        return;
    }
    struct paper_position *position = &call->account->positions[symbol];
    if (decimal_equal(position->leverage, buy)) {
        paper_fail(call, 110043, "leverage not modified");
        return;
    }
    struct decimal before = position->leverage;
    position->leverage = buy;
    if (paper_less(buy, before) && decimal_sign(paper_margin_of(call->account).available) <= 0) {
        position->leverage = before;
        paper_fail(call, 110012, "Insufficient available balance");
        return;
    }
    paper_touch(call->account);
    paper_succeed(call, NULL);
}

/* What a stop or target shall be: absent leaves it as it is. false: the call has failed. */
static bool wanted_price(struct paper_call *call, size_t symbol, const char *name,
                         enum paper_stop kind, struct decimal *ret) {
    const struct paper_order *there = paper_protection(call->account, symbol, kind);
    const json_t *given = json_object_get(call->args, name);
    *ret = there ? there->trigger : decimal_of(0);
    if (!given || (json_is_string(given) && !*json_string_value(given)))
        return true;
    if (!paper_arg_decimal(call->args, name, ret)) {
        paper_fail(call, 10001, "params error: %s must be a decimal text", name);
        return false;
    }
    if (!decimal_is_multiple(*ret, paper_instruments[symbol].tick) ||
        paper_less(paper_instruments[symbol].price_max, *ret)) {
        paper_fail(call, 10001, "%s is not within the price filter", name);
        return false;
    }
    return true;
}

static bool trading_stop_fits(struct paper_call *call) {
    const char *mode = paper_arg(call->args, "tpslMode");
    if (strcmp(mode, "Full") != 0) {
        paper_fail(call, 10001,
                   *mode ? "this exchange knows tpslMode Full only"
                         : "params error: tpslMode is required");
        return false;
    }
    if (*paper_arg(call->args, "trailingStop") &&
        strcmp(paper_arg(call->args, "trailingStop"), "0") != 0) {
        paper_fail(call, 10001, "this exchange knows no trailing stop");
        return false;
    }
    if (paper_arg_int(call->args, "positionIdx", -1) != 0) { /* it must be given */
        paper_fail(call, 10001, "position idx not match position mode");
        return false;
    }
    return true;
}

static bool same_trigger(const struct paper_order *order, struct decimal price) {
    return decimal_equal(order ? order->trigger : decimal_of(0), price);
}

void paper_handle_trading_stop(struct paper_call *call) {
    size_t symbol;
    struct decimal take, stop;
    if (!paper_call_symbol(call, &symbol) || !trading_stop_fits(call))
        return;
    const struct paper_position *position = &call->account->positions[symbol];
    if (position->side == SIDE_NONE) {
        paper_fail(call, 10001, "can not set tp/sl/ts for zero position");
        return;
    }
    if (!wanted_price(call, symbol, "takeProfit", PAPER_TAKE_PROFIT, &take) ||
        !wanted_price(call, symbol, "stopLoss", PAPER_STOP_LOSS, &stop))
        return;
    bool take_same = same_trigger(paper_protection(call->account, symbol, PAPER_TAKE_PROFIT), take);
    bool stop_same = same_trigger(paper_protection(call->account, symbol, PAPER_STOP_LOSS), stop);
    if (take_same && stop_same) {
        paper_fail(call, 34040, "not modified");
        return;
    }
    struct decimal none = decimal_of(0);
    if (!paper_protection_fits(call, position->side, call->sim->markets[symbol].last,
                               take_same ? none : take, stop_same ? none : stop))
        return;
    if (!take_same)
        paper_protect(call->account, symbol, PAPER_TAKE_PROFIT, take);
    if (!stop_same)
        paper_protect(call->account, symbol, PAPER_STOP_LOSS, stop);
    paper_settle(call->sim, symbol);
    paper_succeed(call, NULL);
}

/* One-way is what there is. */
void paper_handle_switch_mode(struct paper_call *call) {
    int64_t mode = paper_arg_int(call->args, "mode", -1);
    if (mode == 0)
        paper_fail(call, 110025, "Position mode is not modified");
    else
        paper_fail(call, 10001, "this exchange knows the one-way mode only");
}
