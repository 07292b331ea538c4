/* SPDX-License-Identifier: Apache-2.0 */
/* Orders come, change and go. */
#include "mimic/bybit_state.h"
#include <stdio.h>

/* --- the list ----------------------------------------------------------------------------- */

struct paper_order *paper_order_add(struct paper_account *account, size_t symbol) {
    struct exchange_sim *sim = account->sim;
    if (account->order_count == account->order_room) {
        account->order_room = account->order_room ? account->order_room * 2 : 64;
        account->orders = memory_grow(account->orders, account->order_room, sizeof(void *));
    }
    struct paper_order *order = memory_new(sizeof *order);
    order->number = sim->next_number++;
    paper_uuid(sim, order->id);
    order->symbol = symbol;
    order->cancel_type = "UNKNOWN";
    order->reject_reason = "EC_NoError";
    order->created = order->updated = paper_time(sim);
    account->orders[account->order_count++] = order;
    paper_touch(account);
    return order;
}

struct paper_order *paper_order_find(struct paper_account *account, const char *id,
                                     const char *link_id) {
    for (size_t i = account->order_count; i-- > 0;) {
        struct paper_order *order = account->orders[i];
        if (*id ? strcmp(order->id, id) == 0 : *link_id && strcmp(order->link_id, link_id) == 0)
            return order;
    }
    return NULL;
}

/* Forgets the oldest ended ones. Nobody may hold an order across this. */
void paper_orders_trim(struct paper_account *account) {
    size_t kept = 0, extra = account->closed_count > EXCHANGE_SIM_HISTORY_MAX
                                 ? account->closed_count - EXCHANGE_SIM_HISTORY_MAX
                                 : 0;
    if (extra == 0)
        return;
    for (size_t i = 0; i < account->order_count; i++) {
        struct paper_order *order = account->orders[i];
        if (extra > 0 && !paper_open(order->status)) {
            extra--;
            account->closed_count--;
            free(order);
        } else {
            account->orders[kept++] = order;
        }
    }
    account->order_count = kept;
}

static size_t count_open(const struct paper_account *account, size_t symbol, bool conditional) {
    size_t count = 0;
    for (size_t i = 0; i < account->order_count; i++) {
        const struct paper_order *order = account->orders[i];
        bool waits = order->status == PAPER_UNTRIGGERED;
        bool counts = waits ? order->stop_kind == PAPER_STOP : paper_open(order->status);
        count += order->symbol == symbol && counts && waits == conditional;
    }
    return count;
}

/* --- what a create says ------------------------------------------------------------------- */

bool paper_call_linear(struct paper_call *call) {
    const char *category = paper_arg(call->args, "category");
    if (strcmp(category, "linear") == 0)
        return true;
    paper_fail(call, 10001, *category ? "Not supported category" : "Illegal category");
    return false;
}

bool paper_call_symbol(struct paper_call *call, size_t *ret) {
    const char *symbol = paper_arg(call->args, "symbol");
    if (!paper_call_linear(call))
        return false;
    *ret = paper_symbol_find(symbol);
    if (*ret < PAPER_SYMBOLS)
        return true;
    paper_fail(call, 10001, *symbol ? "Not supported symbols" : "params error: symbol invalid");
    return false;
}

static bool link_id_good(struct paper_call *call) {
    const char *link_id = paper_arg(call->args, "orderLinkId");
    const json_t *given = json_object_get(call->args, "orderLinkId");
    size_t size = strlen(link_id);
    bool good = (!given || json_is_string(given)) && size < PAPER_LINK_BYTES;
    for (size_t i = 0; i < size; i++) {
        char c = link_id[i];
        good = good && ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '-' || c == '_');
    }
    if (!good)
        paper_fail(call, 10001, "params error: order_link_id fail");
    else if (*link_id && paper_order_find(call->account, "", link_id))
        paper_fail(call, 110072, "OrderLinkedID is duplicate");
    return !call->code;
}

/* Decimals are texts, never numbers. false: the call has failed. */
static bool read_decimals(struct paper_call *call, struct paper_order *order) {
    const struct {
        const char *name;
        struct decimal *place;
    } rows[] = {{"qty", &order->qty},
                {"price", &order->price},
                {"takeProfit", &order->take},
                {"stopLoss", &order->stop},
                {"triggerPrice", &order->trigger}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!paper_arg_decimal(call->args, rows[i].name, rows[i].place)) {
            paper_fail(call, 10001, "params error: %s must be a decimal text", rows[i].name);
            return false;
        }
    }
    return true;
}

static bool read_tif(struct paper_call *call, struct paper_order *order) {
    static const char *const names[PAPER_TIFS] = {"GTC", "IOC", "FOK", "PostOnly"};
    const char *name = paper_arg(call->args, "timeInForce");
    size_t i = 0;
    while (*name && i < PAPER_TIFS && strcmp(names[i], name) != 0)
        i++;
    if (i == PAPER_TIFS) {
        paper_fail(call, 10001, "params error: timeInForce invalid");
        return false;
    }
    order->tif = order->market ? PAPER_IOC : (enum paper_tif)i;
    return true;
}

static bool read_words(struct paper_call *call, struct paper_order *order) {
    const char *side = paper_arg(call->args, "side"), *type = paper_arg(call->args, "orderType");
    order->side = strcmp(side, "Buy") == 0    ? SIDE_BUY
                  : strcmp(side, "Sell") == 0 ? SIDE_SELL
                                              : SIDE_NONE;
    order->market = strcmp(type, "Market") == 0;
    if (order->side == SIDE_NONE)
        paper_fail(call, 10001, "params error: side invalid");
    else if (!order->market && strcmp(type, "Limit") != 0)
        paper_fail(call, 10001, "params error: orderType invalid");
    else if (paper_arg_int(call->args, "positionIdx", 0) != 0)
        paper_fail(call, 10001, "position idx not match position mode");
    else if (strcmp(paper_arg(call->args, "tpslMode"), "Partial") == 0)
        paper_fail(call, 10001, "this exchange knows tpslMode Full only");
    if (call->code || !read_tif(call, order))
        return false;
    order->reduce_only = paper_arg_bool(call->args, "reduceOnly");
    order->close_on_trigger = paper_arg_bool(call->args, "closeOnTrigger");
    order->trigger_direction = (int)paper_arg_int(call->args, "triggerDirection", 0);
    return true;
}

/* --- what the exchange asks of it --------------------------------------------------------- */

static bool on_tick(struct paper_call *call, size_t symbol, const char *name,
                    struct decimal price) {
    if (decimal_is_multiple(price, paper_instruments[symbol].tick) &&
        !paper_less(paper_instruments[symbol].price_max, price))
        return true;
    paper_fail(call, 10001, "params error: %s is not within the price filter", name);
    return false;
}

static bool prices_fit(struct paper_call *call, const struct paper_order *order) {
    struct decimal last = call->sim->markets[order->symbol].last;
    struct decimal base = order->status == PAPER_UNTRIGGERED ? order->trigger : last;
    struct decimal high = paper_times(base, (struct decimal){11, 1});
    struct decimal low = paper_times(base, (struct decimal){9, 1});
    if (!on_tick(call, order->symbol, "price", order->price) ||
        !on_tick(call, order->symbol, "takeProfit", order->take) ||
        !on_tick(call, order->symbol, "stopLoss", order->stop) ||
        !on_tick(call, order->symbol, "triggerPrice", order->trigger))
        return false;
    if (decimal_is_zero(order->price))
        paper_fail(call, 10001, "params error: price invalid");
    else if (order->market)
        return true;
    else if (order->side == SIDE_BUY ? paper_less(high, order->price)
                                     : paper_less(order->price, low))
        paper_fail(call, 110003, "Order price is out of permissible range");
    return !call->code;
}

static bool qty_fits(struct paper_call *call, const struct paper_order *order) {
    const struct paper_instrument *instrument = &paper_instruments[order->symbol];
    struct decimal most = order->market ? instrument->qty_market_max : instrument->qty_max;
    if (paper_less(order->qty, instrument->qty_min) ||
        !decimal_is_multiple(order->qty, instrument->step))
        paper_fail(call, decimal_is_zero(order->qty) ? 10001 : 110017,
                   decimal_is_zero(order->qty)
                       ? "params error: qty invalid"
                       : "Order quantity is not a multiple of the step or truncates to zero");
    else if (paper_less(most, order->qty))
        paper_fail(call, 10001, "The number of contracts exceeds maximum limit allowed: too large");
    else if (!order->reduce_only &&
             paper_less(paper_times(order->qty, order->price), instrument->notional_min))
        paper_fail(call, 110094, "Order does not meet minimum order value 5USDT");
    return !call->code;
}

/* qty "0" with reduceOnly and closeOnTrigger: the whole position. */
static bool reduces(struct paper_call *call, struct paper_order *order) {
    const struct paper_position *position = &call->account->positions[order->symbol];
    if (!order->reduce_only)
        return true;
    if (!decimal_is_zero(order->take) || !decimal_is_zero(order->stop)) {
        paper_fail(call, 10001, "reduceOnly order cannot set TP/SL");
        return false;
    }
    if (position->side != trade_side_opposite(order->side)) {
        paper_fail(call, 110017,
                   position->side == SIDE_NONE
                       ? "current position is zero, cannot fix reduce-only order qty"
                       : "orders will not reduce the position");
        return false;
    }
    if (decimal_is_zero(order->qty) && order->close_on_trigger)
        order->qty = position->size;
    return true;
}

static bool trigger_fits(struct paper_call *call, const struct paper_order *order) {
    struct decimal last = call->sim->markets[order->symbol].last;
    if (order->trigger_direction == 1 && !paper_less(last, order->trigger))
        paper_fail(call, 110093, "expect Rising, but trigger_price <= current??LastPrice");
    else if (order->trigger_direction == 2 && !paper_less(order->trigger, last))
        paper_fail(call, 110092, "expect Falling, but trigger_price >= current??LastPrice");
    else if (order->trigger_direction != 1 && order->trigger_direction != 2)
        paper_fail(call, 10001, "TriggerDirection invalid");
    return !call->code;
}

/* An order with a trigger waits for it. */
static bool waits_for_trigger(struct paper_call *call, struct paper_order *order) {
    if (decimal_is_zero(order->trigger)) {
        order->trigger_direction = 0;
        return true;
    }
    order->stop_kind = PAPER_STOP;
    order->status = PAPER_UNTRIGGERED;
    order->last_on_created = call->sim->markets[order->symbol].last;
    return trigger_fits(call, order);
}

/* A crossing limit order is as good as a market order: its stop is measured at the market. */
static struct decimal base_price(const struct paper_call *call, const struct paper_order *order) {
    struct decimal last = call->sim->markets[order->symbol].last;
    if (order->status == PAPER_UNTRIGGERED)
        return order->market ? order->trigger : order->price;
    bool beyond =
        order->side == SIDE_BUY ? paper_less(last, order->price) : paper_less(order->price, last);
    return order->market || beyond ? last : order->price;
}

static bool room_for(struct paper_call *call, const struct paper_order *order) {
    bool conditional = order->status == PAPER_UNTRIGGERED;
    size_t open = count_open(call->account, order->symbol, conditional);
    if (conditional && open >= EXCHANGE_SIM_CONDITIONAL_MAX)
        paper_fail(call, 110009, "The number of stop orders exceeds the maximum allowable limit");
    else if (!conditional && open >= EXCHANGE_SIM_OPEN_MAX)
        paper_fail(call, 110020, "Not allowed to have more than 500 active orders");
    return !call->code;
}

/* What a market order will pay; a conditional one, at its trigger. */
static void set_market_price(const struct exchange_sim *sim, struct paper_order *order) {
    if (!order->market)
        return;
    order->price = order->status == PAPER_UNTRIGGERED ? order->trigger
                   : order->side == SIDE_BUY          ? paper_ask(sim, order->symbol)
                                                      : paper_bid(sim, order->symbol);
}

/* Larger than it is and than an account may have, should the order fill. */
static bool beyond_limit(const struct paper_account *account, const struct paper_order *order) {
    const struct paper_position *position = &account->positions[order->symbol];
    bool against = position->side == trade_side_opposite(order->side);
    struct decimal size = against ? decimal_abs(paper_minus(order->qty, position->size))
                                  : paper_plus(order->qty, position->size);
    return paper_less(position->size, size) &&
           paper_less(decimal_of(1000000000), paper_times(size, order->price));
}

static bool affordable(struct paper_call *call, const struct paper_order *order) {
    struct paper_account *account = call->account;
    if (order->reduce_only || order->status == PAPER_UNTRIGGERED)
        return true; /* asked again when it triggers */
    if (beyond_limit(account, order))
        paper_fail(call, 110090,
                   "Order placement failed as your position may exceed the max limit");
    else if (!paper_can_afford(account, order, NULL))
        paper_fail(call, 110007, "ab not enough for new order");
    return !call->code;
}

static bool order_of_call(struct paper_call *call, struct paper_order *draft) {
    if (!paper_call_symbol(call, &draft->symbol) || !read_words(call, draft) ||
        !read_decimals(call, draft) || !link_id_good(call) || !waits_for_trigger(call, draft) ||
        !reduces(call, draft))
        return false;
    set_market_price(call->sim, draft);
    return prices_fit(call, draft) && qty_fits(call, draft) &&
           paper_protection_fits(call, draft->side, base_price(call, draft), draft->take,
                                 draft->stop) &&
           room_for(call, draft) && affordable(call, draft);
}

static json_t *ids_of(const struct paper_order *order) {
    return json_pack("{s:s, s:s}", "orderId", order->id, "orderLinkId", order->link_id);
}

void paper_handle_create(struct paper_call *call) {
    struct paper_order draft = {0};
    if (!order_of_call(call, &draft))
        return;
    struct paper_order *order = paper_order_add(call->account, draft.symbol);
    draft.number = order->number;
    draft.cancel_type = order->cancel_type;
    draft.reject_reason = order->reject_reason;
    draft.created = draft.updated = order->created;
    memcpy(draft.id, order->id, sizeof draft.id);
    snprintf(draft.link_id, sizeof draft.link_id, "%s", paper_arg(call->args, "orderLinkId"));
    *order = draft;
    paper_succeed(call, ids_of(order));
    if (order->status == PAPER_UNTRIGGERED)
        return;
    paper_order_enter(call->account, order);
    paper_settle(call->sim, draft.symbol);
}

/* --- change and end ----------------------------------------------------------------------- */

/* Ended for so long that an exchange only finds it in its history. */
static bool forgotten(const struct exchange_sim *sim, const struct paper_order *order) {
    return !paper_open(order->status) && paper_time(sim) - order->updated > PAPER_REMEMBERED_MS;
}

/* The open order that a call names; NULL: the call has failed. */
static struct paper_order *open_order_of(struct paper_call *call) {
    size_t symbol;
    const char *id = paper_arg(call->args, "orderId");
    const char *link_id = paper_arg(call->args, "orderLinkId");
    if (!paper_call_symbol(call, &symbol))
        return NULL;
    if (!*id && !*link_id) {
        paper_fail(call, 10001, "params error: orderId or orderLinkId is required");
        return NULL;
    }
    struct paper_order *order = paper_order_find(call->account, id, link_id);
    if (!order || order->symbol != symbol || forgotten(call->sim, order))
        paper_fail(call, 110001, "order not exists or too late to cancel");
    else if (order->status == PAPER_FILLED)
        paper_fail(call, 110008, "The order has been completed or cancelled");
    else if (!paper_open(order->status))
        paper_fail(call, 110010, "The order has been cancelled");
    return call->code ? NULL : order;
}

static void cancel(struct paper_account *account, struct paper_order *order) {
    bool waits = order->status == PAPER_UNTRIGGERED;
    paper_order_end(account, order, waits ? PAPER_DEACTIVATED : PAPER_CANCELLED, "CancelByUser",
                    waits ? "EC_NoError" : "EC_PerCancelRequest");
}

void paper_handle_cancel(struct paper_call *call) {
    struct paper_order *order = open_order_of(call);
    if (!order)
        return;
    cancel(call->account, order);
    paper_succeed(call, ids_of(order));
}

struct meant {     /* by a cancel-all */
    size_t symbol; /* PAPER_SYMBOLS: every one */
    bool active, waiting, protecting;
};

/* false: the call has failed. */
static bool kinds_meant(struct paper_call *call, struct meant *ret) {
    const char *filter = paper_arg(call->args, "orderFilter");
    const char *type = paper_arg(call->args, "stopOrderType");
    bool active = strcmp(filter, "Order") == 0 || strcmp(filter, "OpenOrder") == 0;
    bool stops = strcmp(filter, "StopOrder") == 0, plain = strcmp(type, "Stop") == 0;
    if (*filter && !active && !stops)
        paper_fail(call, 10001, "params error: orderFilter invalid");
    else if (stops && *type && !plain)
        paper_fail(call, 10001, "params error: stopOrderType invalid");
    ret->active = !stops;
    ret->waiting = !active;
    ret->protecting = !active && !(stops && plain);
    return !call->code;
}

/* Of a symbol, a base coin (whichever: it means the whole category) and a settle coin the first
 * that is given counts. false: the call has failed. */
static bool read_meant(struct paper_call *call, struct meant *ret) {
    const char *coin = paper_arg(call->args, "settleCoin");
    bool base = *paper_arg(call->args, "baseCoin");
    ret->symbol = PAPER_SYMBOLS;
    if (*paper_arg(call->args, "symbol") || strcmp(paper_arg(call->args, "category"), "linear")) {
        if (!paper_call_symbol(call, &ret->symbol))
            return false;
    } else if (!*coin && !base) {
        paper_fail(call, 10001,
                   "Missing some parameters that must be filled in, symbol or "
                   "settleCoin or baseCoin");
        return false;
    }
    if (!kinds_meant(call, ret))
        return false;
    if (ret->symbol == PAPER_SYMBOLS && !base && strcmp(coin, "USDT") != 0)
        ret->active = ret->waiting = ret->protecting = false; /* nothing is settled in it */
    return true;
}

static bool is_meant(const struct meant *meant, const struct paper_order *order) {
    if (!paper_open(order->status) ||
        (meant->symbol != PAPER_SYMBOLS && meant->symbol != order->symbol))
        return false;
    return order->status != PAPER_UNTRIGGERED ? meant->active
           : order->stop_kind > PAPER_STOP    ? meant->protecting
                                              : meant->waiting;
}

void paper_handle_cancel_all(struct paper_call *call) {
    struct paper_account *account = call->account;
    struct meant meant;
    if (!read_meant(call, &meant))
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < account->order_count; i++) {
        struct paper_order *order = account->orders[i];
        if (!is_meant(&meant, order))
            continue;
        cancel(account, order);
        json_array_append_new(list, ids_of(order));
    }
    paper_succeed(call, json_pack("{s:o, s:s}", "list", list, "success", "1"));
}

static bool given(const struct paper_call *call, const char *name) {
    const json_t *value = json_object_get(call->args, name);
    return value && (!json_is_string(value) || *json_string_value(value));
}

/* Absent stays as it is, "0" takes a stop or target away. */
static bool read_changes(struct paper_call *call, const struct paper_order *order,
                         struct paper_order *changed) {
    struct paper_order read = {0};
    *changed = *order;
    if (!read_decimals(call, &read))
        return false;
    changed->qty = given(call, "qty") ? read.qty : order->qty;
    changed->price = given(call, "price") && !order->market ? read.price : order->price;
    changed->take = given(call, "takeProfit") ? read.take : order->take;
    changed->stop = given(call, "stopLoss") ? read.stop : order->stop;
    changed->trigger = given(call, "triggerPrice") ? read.trigger : order->trigger;
    return true;
}

static bool change_fits(struct paper_call *call, struct paper_order *changed) {
    bool waits = changed->status == PAPER_UNTRIGGERED;
    if (waits ? decimal_is_zero(changed->trigger) : given(call, "triggerPrice")) {
        paper_fail(call, 10001, "params error: triggerPrice invalid");
        return false;
    }
    if (waits && !trigger_fits(call, changed))
        return false;
    set_market_price(call->sim, changed);
    if (!paper_less(changed->filled, changed->qty)) {
        paper_fail(call, 110017, "the new quantity must be more than what is filled");
        return false;
    }
    return prices_fit(call, changed) && qty_fits(call, changed) &&
           paper_protection_fits(call, changed->side, base_price(call, changed), changed->take,
                                 changed->stop);
}

/* A stop of the position can be moved like an order. */
static void amend_protection(struct paper_call *call, struct paper_order *order) {
    struct decimal price;
    const struct paper_position *position = &call->account->positions[order->symbol];
    bool take = order->stop_kind == PAPER_TAKE_PROFIT;
    struct decimal none = decimal_of(0), last = call->sim->markets[order->symbol].last;
    if (!paper_arg_decimal(call->args, "triggerPrice", &price) || decimal_is_zero(price))
        paper_fail(call, 10001, "params error: triggerPrice invalid");
    else if (on_tick(call, order->symbol, "triggerPrice", price) &&
             paper_protection_fits(call, position->side, last, take ? price : none,
                                   take ? none : price)) {
        paper_protect(call->account, order->symbol, order->stop_kind, price);
        paper_succeed(call, ids_of(order));
    }
}

void paper_handle_amend(struct paper_call *call) {
    struct paper_order changed, *order = open_order_of(call);
    if (!order)
        return;
    if (order->stop_kind > PAPER_STOP) {
        amend_protection(call, order);
        return;
    }
    if (!read_changes(call, order, &changed))
        return;
    if (decimal_equal(changed.qty, order->qty) && decimal_equal(changed.price, order->price) &&
        decimal_equal(changed.take, order->take) && decimal_equal(changed.stop, order->stop) &&
        decimal_equal(changed.trigger, order->trigger)) {
        paper_fail(call, 10001,
                   "The order remains unchanged as the parameters entered match the "
                   "existing ones.");
        return;
    }
    if (!change_fits(call, &changed))
        return;
    if (!order->reduce_only && order->status != PAPER_UNTRIGGERED &&
        !paper_can_afford(call->account, &changed, order)) {
        paper_fail(call, 110007, "ab not enough for new order");
        return;
    }
    changed.handed_over = order->handed_over && decimal_equal(changed.take, order->take) &&
                          decimal_equal(changed.stop, order->stop);
    *order = changed;
    order->updated = paper_time(call->sim);
    paper_touch(call->account);
    size_t symbol = order->symbol;
    paper_succeed(call, ids_of(order));
    if (order->status == PAPER_NEW || order->status == PAPER_PARTLY)
        paper_order_enter(call->account, order);
    paper_settle(call->sim, symbol);
}
