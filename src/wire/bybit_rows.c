/* SPDX-License-Identifier: Apache-2.0 */
/* Orders, fills and positions. */
#include "base/text.h"
#include "wire/bybit.h"
#include "wire/bybit_fields.h"
#include <errno.h>

static const struct bybit_word sides[] = {{"Buy", SIDE_BUY}, {"Sell", SIDE_SELL}};

static int read_side(const json_t *row, enum trade_side *ret) {
    int side;
    if (bybit_read_word(row, "side", sides, COUNT_OF(sides), &side) < 0)
        return -EPROTO;
    *ret = (enum trade_side)side;
    return 0;
}

/* --- orders ------------------------------------------------------------------------------- */

static const struct bybit_field order_fields[] = {
    BYBIT_FIELD("orderId", BYBIT_TEXT, 0, struct order, exchange_id),
    BYBIT_FIELD("orderLinkId", BYBIT_TEXT, BYBIT_EMPTY, struct order, link_id),
    BYBIT_FIELD("symbol", BYBIT_TEXT, 0, struct order, symbol),
    BYBIT_FIELD("reduceOnly", BYBIT_FLAG, 0, struct order, reduce_only),
    BYBIT_FIELD("qty", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE, struct order, qty),
    BYBIT_FIELD("price", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct order, price),
    BYBIT_FIELD("stopLoss", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct order, stop),
    BYBIT_FIELD("takeProfit", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct order, take),
    /* Never by the name of the state: a cancelled order may have been filled in part. */
    BYBIT_FIELD("cumExecQty", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE, struct order, filled),
    BYBIT_FIELD("avgPrice", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct order,
                average_price),
    BYBIT_FIELD("createdTime", BYBIT_TIME, 0, struct order, created_ms),
    BYBIT_FIELD("updatedTime", BYBIT_TIME, 0, struct order, updated_ms),
};
static const struct bybit_word types[] = {{"Limit", ORDER_LIMIT}, {"Market", ORDER_MARKET}};
static const struct bybit_word states[] = {
    {"New", ORDER_OPEN},
    {"PartiallyFilled", ORDER_OPEN},
    {"Untriggered", ORDER_OPEN},
    {"Triggered", ORDER_OPEN}, /* for a moment, on its way from Untriggered to New */
    {"Filled", ORDER_FILLED},
    {"Cancelled", ORDER_CANCELLED},
    {"PartiallyFilledCanceled", ORDER_CANCELLED},
    {"Deactivated", ORDER_CANCELLED},
    {"Rejected", ORDER_REJECTED},
};

static bool says_something(const char *reason) {
    return *reason && strcmp(reason, "EC_NoError") != 0 && strcmp(reason, "UNKNOWN") != 0;
}

static int read_reason(const json_t *row, struct order *order) {
    const char *reject = bybit_text(row, "rejectReason"), *cancel = bybit_text(row, "cancelType");
    if (!reject || !cancel)
        return -EPROTO;
    const char *reason = says_something(reject) ? reject : says_something(cancel) ? cancel : "";
    if (order->state == ORDER_CANCELLED || order->state == ORDER_REJECTED)
        text_print(order->reason, sizeof order->reason, "%s", reason);
    return 0;
}

static int read_order(const json_t *row, void *ret) {
    struct order *order = ret;
    int type, state;
    if (bybit_read_fields(row, order_fields, COUNT_OF(order_fields), order) < 0 ||
        bybit_read_word(row, "orderType", types, COUNT_OF(types), &type) < 0 ||
        bybit_read_word(row, "orderStatus", states, COUNT_OF(states), &state) < 0 ||
        read_side(row, &order->side) < 0)
        return -EPROTO;
    order->type = (enum order_type)type;
    order->state = (enum order_state)state;
    order->ended_ms = order_state_ended(order->state) ? order->updated_ms : 0;
    return read_reason(row, order);
}

int bybit_read_orders(const json_t *result, struct bybit_orders *ret) {
    void *list = NULL;
    *ret = (struct bybit_orders){0};
    if (bybit_read_cursor(result, ret->cursor) < 0 ||
        bybit_read_list(result, read_order, sizeof *ret->list, &list, &ret->count) < 0)
        return -EPROTO;
    ret->list = list;
    return 0;
}

int bybit_read_created(const json_t *result, char ret_exchange_id[EXCHANGE_ID_BYTES]) {
    static const struct bybit_field fields[] = {
        BYBIT_FIELD("orderId", BYBIT_TEXT, 0, struct order, exchange_id)};
    struct order order = {0};
    if (bybit_read_fields(result, fields, COUNT_OF(fields), &order) < 0)
        return -EPROTO;
    memcpy(ret_exchange_id, order.exchange_id, EXCHANGE_ID_BYTES);
    return 0;
}

/* --- fills -------------------------------------------------------------------------------- */

static const struct bybit_field fill_fields[] = {
    BYBIT_FIELD("execId", BYBIT_TEXT, 0, struct fill, exec_id),
    BYBIT_FIELD("orderId", BYBIT_TEXT, BYBIT_EMPTY, struct fill, exchange_id),
    BYBIT_FIELD("orderLinkId", BYBIT_TEXT, BYBIT_EMPTY, struct fill, link_id),
    BYBIT_FIELD("symbol", BYBIT_TEXT, 0, struct fill, symbol),
    BYBIT_FIELD("execPrice", BYBIT_DECIMAL, BYBIT_POSITIVE, struct fill, price),
    BYBIT_FIELD("execQty", BYBIT_DECIMAL, BYBIT_POSITIVE, struct fill, qty),
    BYBIT_FIELD("execFee", BYBIT_DECIMAL, BYBIT_EMPTY, struct fill, fee), /* negative: a rebate */
    BYBIT_FIELD("closedSize", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct fill,
                closed_qty),
    BYBIT_FIELD("execTime", BYBIT_TIME, 0, struct fill, at_ms),
};
/* The other kinds (funding, settlement, ...) move money, but nobody traded. */
static const struct bybit_word trades[] = {
    {"Trade", FILL_ORDER}, {"BustTrade", FILL_LIQUIDATION}, {"AdlTrade", FILL_LIQUIDATION}};
/* Of stopOrderType and createType; an order that stands in neither list was a common one. */
static const struct bybit_word sources[] = {
    {"StopLoss", FILL_STOP_LOSS},
    {"PartialStopLoss", FILL_STOP_LOSS},
    {"TrailingStop", FILL_STOP_LOSS},
    {"TakeProfit", FILL_TAKE_PROFIT},
    {"PartialTakeProfit", FILL_TAKE_PROFIT},
    {"CreateByStopLoss", FILL_STOP_LOSS},
    {"CreateByPartialStopLoss", FILL_STOP_LOSS},
    {"CreateByTrailingStop", FILL_STOP_LOSS},
    {"CreateByTakeProfit", FILL_TAKE_PROFIT},
    {"CreateByPartialTakeProfit", FILL_TAKE_PROFIT},
    {"CreateByTrailingProfit", FILL_TAKE_PROFIT},
    {"CreateByLiq", FILL_LIQUIDATION},
    {"CreateByTakeOver_PassThrough", FILL_LIQUIDATION},
    {"CreateByAdl_PassThrough", FILL_LIQUIDATION},
};

static int read_fill(const json_t *row, void *ret) {
    struct fill *fill = ret;
    const char *kind = bybit_text(row, "execType");
    int source;
    if (!kind || !*kind || !bybit_text(row, "stopOrderType") || !bybit_text(row, "createType"))
        return -EPROTO;
    if (bybit_read_word(row, "execType", trades, COUNT_OF(trades), &source) < 0)
        return BYBIT_SKIP;
    if (bybit_read_fields(row, fill_fields, COUNT_OF(fill_fields), fill) < 0 ||
        read_side(row, &fill->side) < 0)
        return -EPROTO;
    if (source == FILL_ORDER &&
        bybit_read_word(row, "stopOrderType", sources, COUNT_OF(sources), &source) < 0 &&
        bybit_read_word(row, "createType", sources, COUNT_OF(sources), &source) < 0)
        source = FILL_ORDER;
    fill->source = (enum fill_source)source;
    return 0;
}

static int compare_fills(const void *left, const void *right) {
    const struct fill *a = left, *b = right;
    return a->at_ms != b->at_ms ? (a->at_ms > b->at_ms) - (a->at_ms < b->at_ms)
                                : strcmp(a->exec_id, b->exec_id);
}

int bybit_read_fills(const json_t *result, struct bybit_fills *ret) {
    void *list = NULL;
    *ret = (struct bybit_fills){0};
    if (bybit_read_cursor(result, ret->cursor) < 0 ||
        bybit_read_list(result, read_fill, sizeof *ret->list, &list, &ret->count) < 0)
        return -EPROTO;
    ret->list = list;
    if (ret->count > 1)
        qsort(ret->list, ret->count, sizeof *ret->list, compare_fills);
    return 0;
}

/* --- positions ---------------------------------------------------------------------------- */

/* Not createdTime: nothing says that it is the time of this position and not of the first one. */
static const struct bybit_field position_fields[] = {
    BYBIT_FIELD("symbol", BYBIT_TEXT, 0, struct position, symbol),
    BYBIT_FIELD("size", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE, struct position, size),
    BYBIT_FIELD("avgPrice", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct position,
                entry_price),
    BYBIT_FIELD("stopLoss", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct position, stop),
    BYBIT_FIELD("takeProfit", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct position,
                take),
    BYBIT_FIELD("leverage", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct position,
                leverage),
    BYBIT_FIELD("unrealisedPnl", BYBIT_DECIMAL, BYBIT_EMPTY, struct position, unrealised),
    BYBIT_FIELD("updatedTime", BYBIT_TIME, 0, struct position, updated_ms),
};

/* In hedge mode a symbol has two rows. Such a position is none of ours: orders of one-way mode are
 * refused there, and the mode cannot change while a position is open. */
static int read_position(const json_t *row, void *ret) {
    struct position *position = ret;
    int64_t index;
    if (bybit_read_fields(row, position_fields, COUNT_OF(position_fields), position) < 0 ||
        bybit_read_int(json_object_get(row, "positionIdx"), 0, 2, &index) < 0)
        return -EPROTO;
    if (decimal_is_zero(position->size) || index != 0)
        return BYBIT_SKIP;
    position->phase = POSITION_OPEN;
    return read_side(row, &position->side);
}

int bybit_read_positions(const json_t *result, struct bybit_positions *ret) {
    void *list = NULL;
    *ret = (struct bybit_positions){0};
    if (bybit_read_cursor(result, ret->cursor) < 0 ||
        bybit_read_list(result, read_position, sizeof *ret->list, &list, &ret->count) < 0)
        return -EPROTO;
    ret->list = list;
    return 0;
}
