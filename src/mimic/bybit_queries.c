/* SPDX-License-Identifier: Apache-2.0 */
/* The books as rows: orders, executions, positions, the wallet; newest first, in pages. */
#include "base/text.h"
#include "mimic/bybit_state.h"
#include <stdio.h>

static const char *const status_names[PAPER_STATUSES] = {
    "New", "PartiallyFilled", "Untriggered", "Filled", "Cancelled", "Rejected", "Deactivated"};
static const char *const tif_names[PAPER_TIFS] = {"GTC", "IOC", "FOK", "PostOnly"};
static const char *const stop_names[PAPER_STOPS] = {"", "Stop", "StopLoss", "TakeProfit"};
static const char *const create_names[PAPER_STOPS] = {"CreateByUser", "CreateByUser",
                                                      "CreateByStopLoss", "CreateByTakeProfit"};
static const struct decimal cents = {1, 8};

/* "" when there is none. */
static void put_price(json_t *row, const char *name, struct decimal price, size_t symbol) {
    if (decimal_is_zero(price))
        paper_put_text(row, name, "");
    else
        paper_put_like(row, name, price, paper_instruments[symbol].tick);
}

static void put_constants(json_t *row, const char *const (*pairs)[2], size_t count) {
    for (size_t i = 0; i < count; i++)
        paper_put_text(row, pairs[i][0], pairs[i][1]);
}

/* --- rows --------------------------------------------------------------------------------- */

static void put_executed(json_t *row, const struct paper_order *order) {
    struct decimal step = paper_instruments[order->symbol].step, left = paper_left(order);
    bool open = paper_open(order->status);
    if (decimal_is_zero(order->filled))
        paper_put_text(row, "avgPrice", "");
    else
        paper_put(row, "avgPrice", paper_divided(order->value, order->filled));
    paper_put_like(row, "leavesQty", open ? left : decimal_of(0), step);
    paper_put(row, "leavesValue", open ? paper_times(left, order->price) : decimal_of(0));
    paper_put_like(row, "cumExecQty", order->filled, step);
    paper_put(row, "cumExecValue", order->value);
    paper_put(row, "cumExecFee", order->fee);
    json_t *detail = json_object();
    if (!decimal_is_zero(order->filled))
        paper_put(detail, "USDT", order->fee);
    json_object_set_new(row, "cumFeeDetail", detail);
}

static void put_waiting(json_t *row, const struct paper_order *order) {
    bool waits = order->trigger_direction != 0;
    paper_put_text(row, "stopOrderType", stop_names[order->stop_kind]);
    put_price(row, "triggerPrice", order->trigger, order->symbol);
    json_object_set_new(row, "triggerDirection", json_integer(order->trigger_direction));
    paper_put_text(row, "triggerBy", waits ? "LastPrice" : "");
    put_price(row, "takeProfit", order->take, order->symbol);
    put_price(row, "stopLoss", order->stop, order->symbol);
    paper_put_text(row, "tpTriggerBy", decimal_is_zero(order->take) ? "" : "LastPrice");
    paper_put_text(row, "slTriggerBy", decimal_is_zero(order->stop) ? "" : "LastPrice");
    bool full = order->stop_kind > PAPER_STOP || !decimal_is_zero(order->take) ||
                !decimal_is_zero(order->stop);
    paper_put_text(row, "tpslMode", full ? "Full" : "");
    put_price(row, "lastPriceOnCreated", order->last_on_created, order->symbol);
}

json_t *paper_order_row(const struct paper_order *order) {
    static const char *const constants[][2] = {
        {"blockTradeId", ""}, {"isLeverage", ""},    {"orderIv", ""},       {"marketUnit", ""},
        {"placeType", ""},    {"tpLimitPrice", "0"}, {"slLimitPrice", "0"}, {"ocoTriggerBy", ""},
        {"smpType", "None"},  {"smpOrderId", ""}};
    struct decimal step = paper_instruments[order->symbol].step;
    json_t *row = json_pack("{s:s, s:s, s:s}", "orderId", order->id, "orderLinkId", order->link_id,
                            "symbol", paper_instruments[order->symbol].symbol);
    paper_put_like(row, "price", order->price, paper_instruments[order->symbol].tick);
    paper_put_like(row, "qty", order->qty, step);
    paper_put_text(row, "side", trade_side_name(order->side));
    json_object_set_new(row, "positionIdx", json_integer(0));
    paper_put_text(row, "orderStatus", status_names[order->status]);
    paper_put_text(row, "createType",
                   order->liquidation ? "CreateByLiq" : create_names[order->stop_kind]);
    paper_put_text(row, "cancelType", order->cancel_type);
    paper_put_text(row, "rejectReason", order->reject_reason);
    put_executed(row, order);
    paper_put_text(row, "timeInForce", tif_names[order->tif]);
    paper_put_text(row, "orderType", order->market ? "Market" : "Limit");
    put_waiting(row, order);
    json_object_set_new(row, "reduceOnly", json_boolean(order->reduce_only));
    json_object_set_new(row, "closeOnTrigger", json_boolean(order->close_on_trigger));
    json_object_set_new(row, "smpGroup", json_integer(0));
    put_constants(row, constants, COUNT_OF(constants));
    paper_put_time(row, "createdTime", order->created);
    paper_put_time(row, "updatedTime", order->updated);
    return row;
}

json_t *paper_execution_row(const struct paper_execution *execution) {
    static const char *const constants[][2] = {
        {"feeCurrency", ""},     {"tradeIv", ""},      {"markIv", ""},    {"indexPrice", ""},
        {"underlyingPrice", ""}, {"blockTradeId", ""}, {"marketUnit", ""}};
    const struct paper_instrument *instrument = &paper_instruments[execution->symbol];
    json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "symbol", instrument->symbol, "orderId",
                            execution->order_id, "orderLinkId", execution->link_id, "side",
                            trade_side_name(execution->side));
    paper_put_like(row, "orderPrice", execution->order_price, instrument->tick);
    paper_put_like(row, "orderQty", execution->order_qty, instrument->step);
    paper_put_like(row, "leavesQty", execution->left, instrument->step);
    paper_put_text(row, "createType",
                   execution->liquidation ? "CreateByLiq" : create_names[execution->stop_kind]);
    paper_put_text(row, "orderType", execution->market ? "Market" : "Limit");
    paper_put_text(row, "stopOrderType", stop_names[execution->stop_kind]);
    paper_put(row, "execFee", execution->fee);
    paper_put_text(row, "execId", execution->id);
    paper_put_like(row, "execPrice", execution->price, instrument->tick);
    paper_put_like(row, "execQty", execution->qty, instrument->step);
    paper_put_text(row, "execType", execution->liquidation ? "BustTrade" : "Trade");
    paper_put(row, "execValue", execution->value);
    paper_put_time(row, "execTime", execution->at);
    json_object_set_new(row, "isMaker", json_boolean(execution->maker));
    paper_put(row, "feeRate", execution->fee_rate);
    paper_put_like(row, "markPrice", execution->price, instrument->tick);
    paper_put_like(row, "closedSize", execution->closed, instrument->step);
    paper_put(row, "execPnl", execution->pnl);
    json_object_set_new(row, "seq", json_integer((json_int_t)execution->seq));
    put_constants(row, constants, COUNT_OF(constants));
    return row;
}

static void put_protection(json_t *row, const char *name, struct paper_account *account,
                           size_t symbol, enum paper_stop kind) {
    const struct paper_order *order = paper_protection(account, symbol, kind);
    put_price(row, name, order ? order->trigger : decimal_of(0), symbol);
}

static void put_margins(json_t *row, const struct paper_account *account, size_t symbol) {
    const struct paper_position *position = &account->positions[symbol];
    struct decimal value = paper_times(position->size, account->sim->markets[symbol].last);
    struct decimal initial = paper_divided(value, position->leverage);
    struct decimal maintenance = paper_times(value, paper_maintenance_rate);
    if (position->side == SIDE_NONE) {
        paper_put_text(row, "positionValue", "");
        paper_put_text(row, "unrealisedPnl", "");
        paper_put_text(row, "liqPrice", "");
    } else {
        paper_put(row, "positionValue", paper_times(position->size, position->entry));
        paper_put(row, "unrealisedPnl", paper_unrealised(account, symbol));
        put_price(row, "liqPrice", paper_liquidation_price(account, symbol), symbol);
    }
    paper_put(row, "positionIM", initial);
    paper_put(row, "positionMM", maintenance);
    paper_put(row, "positionIMByMp", initial);
    paper_put(row, "positionMMByMp", maintenance);
}

json_t *paper_position_row(struct paper_account *account, size_t symbol) {
    static const char *const constants[][2] = {
        {"riskLimitValue", "2000000"},  {"trailingStop", "0"},
        {"positionBalance", "0"},       {"bustPrice", ""},
        {"sessionAvgPrice", ""},        {"tpslMode", "Full"},
        {"leverageSysUpdatedTime", ""}, {"mmrSysUpdatedTime", ""},
        {"positionStatus", "Normal"}};
    const struct paper_instrument *instrument = &paper_instruments[symbol];
    const struct paper_position *position = &account->positions[symbol];
    json_t *row = json_pack("{s:i, s:i, s:s, s:s}", "positionIdx", 0, "riskId", 1, "symbol",
                            instrument->symbol, "side", trade_side_name(position->side));
    paper_put_like(row, "size", position->size, instrument->step);
    paper_put(row, "avgPrice", position->entry);
    paper_put(row, "leverage", position->leverage);
    paper_put_like(row, "markPrice", account->sim->markets[symbol].last, instrument->tick);
    put_margins(row, account, symbol);
    put_protection(row, "takeProfit", account, symbol, PAPER_TAKE_PROFIT);
    put_protection(row, "stopLoss", account, symbol, PAPER_STOP_LOSS);
    paper_put(row, "curRealisedPnl", position->realised);
    paper_put(row, "cumRealisedPnl", position->realised_ever);
    json_object_set_new(row, "tradeMode", json_integer(0));
    json_object_set_new(row, "autoAddMargin", json_integer(0));
    json_object_set_new(row, "adlRankIndicator", json_integer(position->side ? 2 : 0));
    json_object_set_new(row, "isReduceOnly", json_false());
    json_object_set_new(row, "seq", json_integer((json_int_t)position->seq));
    put_constants(row, constants, COUNT_OF(constants));
    paper_put_time(row, "createdTime", position->created);
    paper_put_time(row, "updatedTime", position->updated);
    return row;
}

static json_t *coin_row(const struct paper_account *account, const struct paper_margin *margin) {
    static const char *const constants[][2] = {
        {"coin", "USDT"},        {"locked", "0"},          {"bonus", "0"},
        {"borrowAmount", "0"},   {"accruedInterest", "0"}, {"availableToWithdraw", ""},
        {"spotHedgingQty", "0"}, {"spotBorrow", "0"},      {"availableToBorrow", ""}};
    json_t *row = json_object();
    put_constants(row, constants, COUNT_OF(constants));
    paper_put(row, "equity", margin->equity);
    paper_put(row, "usdValue", margin->equity);
    paper_put(row, "walletBalance", account->balance);
    paper_put(row, "totalOrderIM", margin->order);
    paper_put(row, "totalPositionIM", margin->position);
    paper_put(row, "totalPositionMM", margin->maintenance);
    paper_put(row, "unrealisedPnl", margin->unrealised);
    paper_put(row, "cumRealisedPnl", account->realised);
    json_object_set_new(row, "collateralSwitch", json_true());
    json_object_set_new(row, "marginCollateral", json_true());
    return row;
}

static struct decimal rate_of(struct decimal part, struct decimal whole) {
    return decimal_sign(whole) > 0 ? paper_divided(part, whole) : decimal_of(0);
}

json_t *paper_wallet_row(const struct paper_account *account) {
    struct paper_margin margin = paper_margin_of(account);
    struct decimal initial = paper_plus(margin.position, margin.order), none = decimal_of(0);
    json_t *row = json_object();
    paper_put_text(row, "accountType", "UNIFIED");
    paper_put_text(row, "accountLTV", "");
    paper_put_like(row, "accountIMRate", rate_of(initial, margin.equity), (struct decimal){1, 4});
    paper_put_like(row, "accountMMRate", rate_of(margin.maintenance, margin.equity),
                   (struct decimal){1, 4});
    paper_put_like(row, "totalEquity", margin.equity, cents);
    paper_put_like(row, "totalWalletBalance", account->balance, cents);
    paper_put_like(row, "totalMarginBalance", margin.equity, cents);
    paper_put_like(row, "totalAvailableBalance",
                   decimal_sign(margin.available) > 0 ? margin.available : none, cents);
    paper_put_like(row, "totalPerpUPL", margin.unrealised, cents);
    paper_put_like(row, "totalInitialMargin", initial, cents);
    paper_put_like(row, "totalMaintenanceMargin", margin.maintenance, cents);
    json_object_set_new(row, "coin", json_pack("[o]", coin_row(account, &margin)));
    return row;
}

/* --- lists -------------------------------------------------------------------------------- */

enum { NO_SYMBOL = PAPER_SYMBOLS + 1 };
struct wanted {    /* which rows of which page */
    size_t symbol; /* PAPER_SYMBOLS: any; NO_SYMBOL: nothing is like that */
    const char *id, *link_id, *status, *type;
    int64_t from, until, limit;
    uint64_t before; /* rows with smaller numbers */
};

static size_t symbol_of_coins(const json_t *args) {
    const char *base = paper_arg(args, "baseCoin"), *settle = paper_arg(args, "settleCoin");
    size_t i = 0;
    while (*base && i < PAPER_SYMBOLS && strcmp(paper_instruments[i].base, base) != 0)
        i++;
    if ((*base && i == PAPER_SYMBOLS) || (*settle && strcmp(settle, "USDT") != 0))
        return NO_SYMBOL;
    return *base ? i : PAPER_SYMBOLS;
}

/* "page_token=17&", as it was given or encoded once more. */
static uint64_t cursor_of(const char *text) {
    int64_t number = 0;
    size_t start = strcspn(text, "=%");
    start += text[start] == '=' ? 1 : text[start] == '%' && text[start + 1] ? 3 : 0;
    size_t length = strlen(text);
    AUTO_FREE char *digits = text_copy(start < length ? text + start : "");
    digits[strspn(digits, "0123456789")] = 0;
    return text_to_int(digits, 1, INT64_MAX, &number) == 0 ? (uint64_t)number : UINT64_MAX;
}

/* 0: none is given. false: the call has failed. */
static bool read_time(struct paper_call *call, const char *name, int64_t *ret) {
    const char *text = paper_arg(call->args, name);
    *ret = 0;
    if (!*text || text_to_int(text, 0, INT64_MAX / 2, ret) == 0)
        return true;
    paper_fail(call, 10001, "params error: %s invalid", name);
    return false;
}

/* A list spans seven days: from the one time that is given, or until now. An order that is named is
 * found at any time. false: the call has failed. */
static bool read_span(struct paper_call *call, struct wanted *ret) {
    const int64_t span = 7 * (int64_t)PAPER_DAY_MS;
    int64_t from, until;
    if (!read_time(call, "startTime", &from) || !read_time(call, "endTime", &until))
        return false;
    if (from && until && until - from > span) {
        paper_fail(call, 10001,
                   "The time range between startTime and endTime cannot exceed 7 days");
        return false;
    }
    if (*ret->id || *ret->link_id)
        return true;
    ret->from = from ? from : (until ? until : paper_time(call->sim)) - span;
    ret->until = until ? until : from ? from + span : INT64_MAX;
    return true;
}

/* false: the call has failed. `needs`: one of symbol, settleCoin, baseCoin. */
static bool read_wanted(struct paper_call *call, bool needs, int64_t usual, int64_t most,
                        struct wanted *ret) {
    const json_t *args = call->args;
    bool coin = *paper_arg(args, "settleCoin") || *paper_arg(args, "baseCoin");
    *ret = (struct wanted){symbol_of_coins(args),
                           paper_arg(args, "orderId"),
                           paper_arg(args, "orderLinkId"),
                           paper_arg(args, "orderStatus"),
                           paper_arg(args, "execType"),
                           INT64_MIN,
                           INT64_MAX,
                           paper_arg_int(args, "limit", usual),
                           UINT64_MAX};
    if (*paper_arg(args, "symbol") || strcmp(paper_arg(args, "category"), "linear") != 0) {
        if (!paper_call_symbol(call, &ret->symbol))
            return false;
    } else if (needs && !coin) {
        paper_fail(call, 10001,
                   "Missing some parameters that must be filled in, symbol or "
                   "settleCoin or baseCoin");
        return false;
    }
    if (ret->limit < 1 || ret->limit > most)
        ret->limit = ret->limit < 1 ? usual : most;
    if (*paper_arg(args, "cursor"))
        ret->before = cursor_of(paper_arg(args, "cursor"));
    return true;
}

/* The answer of a list; `last` is the number of the last row, `more` whether others follow. */
static void succeed_page(struct paper_call *call, json_t *list, bool more, uint64_t last) {
    json_t *result =
        json_pack("{s:s, s:o}", "category", paper_arg(call->args, "category"), "list", list);
    char cursor[64] = "";
    if (more)
        snprintf(cursor, sizeof cursor, "page_token%%3D%llu%%26", (unsigned long long)last);
    paper_put_text(result, "nextPageCursor", cursor);
    paper_succeed(call, result);
}

static bool order_wanted(const struct wanted *wanted, const struct paper_order *order, bool open,
                         bool closed) {
    if (order->number >= wanted->before ||
        (wanted->symbol != PAPER_SYMBOLS && order->symbol != wanted->symbol))
        return false;
    if (!(paper_open(order->status) ? open : closed))
        return false;
    if (*wanted->id)
        return strcmp(order->id, wanted->id) == 0;
    if (*wanted->link_id)
        return strcmp(order->link_id, wanted->link_id) == 0;
    if (*wanted->status && strcmp(status_names[order->status], wanted->status) != 0)
        return false;
    return order->created >= wanted->from && order->created <= wanted->until;
}

static void list_orders(struct paper_call *call, const struct wanted *wanted, bool open,
                        bool closed) {
    json_t *list = json_array();
    uint64_t last = 0;
    bool more = false;
    for (size_t i = call->account->order_count; i-- > 0 && !more;) {
        const struct paper_order *order = call->account->orders[i];
        if (!order_wanted(wanted, order, open, closed))
            continue;
        more = (int64_t)json_array_size(list) == wanted->limit;
        if (more)
            break;
        last = order->number;
        json_array_append_new(list, paper_order_row(order));
    }
    succeed_page(call, list, more, last);
}

/* Open orders; ended ones when asked by id, or with openOnly=1. */
void paper_handle_realtime(struct paper_call *call) {
    struct wanted wanted;
    if (!read_wanted(call, true, 20, 50, &wanted))
        return;
    int64_t only = paper_arg_int(call->args, "openOnly", 0);
    bool by_id = *wanted.id || *wanted.link_id;
    list_orders(call, &wanted, by_id || only == 0, by_id || only != 0);
}

void paper_handle_history(struct paper_call *call) {
    struct wanted wanted;
    if (read_wanted(call, false, 20, 50, &wanted) && read_span(call, &wanted))
        list_orders(call, &wanted, false, true);
}

static bool execution_wanted(const struct wanted *wanted, const struct paper_execution *execution) {
    const char *type = execution->liquidation ? "BustTrade" : "Trade";
    return execution->number < wanted->before &&
           (wanted->symbol == PAPER_SYMBOLS || execution->symbol == wanted->symbol) &&
           (!*wanted->id || strcmp(execution->order_id, wanted->id) == 0) &&
           (!*wanted->link_id || strcmp(execution->link_id, wanted->link_id) == 0) &&
           (!*wanted->type || strcmp(type, wanted->type) == 0) && execution->at >= wanted->from &&
           execution->at <= wanted->until;
}

void paper_handle_executions(struct paper_call *call) {
    struct wanted wanted;
    struct paper_account *account = call->account;
    if (!read_wanted(call, false, 50, 100, &wanted) || !read_span(call, &wanted))
        return;
    json_t *list = json_array();
    uint64_t end = account->execution_next, last = 0;
    uint64_t oldest = end > EXCHANGE_SIM_EXECUTIONS_MAX ? end - EXCHANGE_SIM_EXECUTIONS_MAX : 1;
    bool more = false;
    for (uint64_t i = end; i-- > oldest && !more;) {
        const struct paper_execution *execution =
            &account->executions[i % EXCHANGE_SIM_EXECUTIONS_MAX];
        if (!execution_wanted(&wanted, execution))
            continue;
        more = (int64_t)json_array_size(list) == wanted.limit;
        if (more)
            break;
        last = execution->number;
        json_array_append_new(list, paper_execution_row(execution));
    }
    succeed_page(call, list, more, last);
}

/* A symbol gives its row even when flat; a coin gives those with a size. */
void paper_handle_positions(struct paper_call *call) {
    struct wanted wanted;
    if (!read_wanted(call, true, 20, 200, &wanted))
        return;
    json_t *list = json_array();
    bool more = false;
    uint64_t last = 0;
    for (size_t i = 0; i < PAPER_SYMBOLS && !more; i++) {
        bool flat = call->account->positions[i].side == SIDE_NONE;
        bool named = wanted.symbol == i && *paper_arg(call->args, "symbol");
        bool other = wanted.symbol != PAPER_SYMBOLS && wanted.symbol != i;
        uint64_t number = PAPER_SYMBOLS - i; /* pages go down */
        if (number >= wanted.before || other || (flat && !named))
            continue;
        more = (int64_t)json_array_size(list) == wanted.limit;
        if (more)
            break;
        last = number;
        json_array_append_new(list, paper_position_row(call->account, i));
    }
    succeed_page(call, list, more, last);
}
