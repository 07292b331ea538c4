/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies and queries, in the order in which the documentation has them. */
#include "wire/bybit.h"
#include "wire/json_scan.h"

/* --- bodies: {"category":"linear", then members, then } ------------------------------------ */

static void add_text(struct buffer *body, const char *name, const char *value) {
    buffer_print(body, ",\"%s\":", name);
    json_add_text(body, slice_of(value));
}

static void add_number(struct buffer *body, const char *name, struct decimal value) {
    char text[DECIMAL_TEXT_BYTES];
    add_text(body, name, decimal_print(value, text));
}

static void begin(struct buffer *body, const char *symbol) {
    buffer_add_text(body, "{\"category\":\"linear\"");
    add_text(body, "symbol", symbol);
}

/* Zero is left out: Bybit takes "0" as the wish to remove what is there. */
static void add_stops(struct buffer *body, struct decimal stop, struct decimal take) {
    if (!decimal_is_zero(take))
        add_number(body, "takeProfit", take);
    if (!decimal_is_zero(stop))
        add_number(body, "stopLoss", stop);
}

void bybit_add_create(const struct order *order, struct buffer *body) {
    bool limit = order->type == ORDER_LIMIT;
    begin(body, order->symbol);
    add_text(body, "side", trade_side_name(order->side));
    add_text(body, "orderType", limit ? "Limit" : "Market");
    add_number(body, "qty", order->qty);
    if (limit)
        add_number(body, "price", order->price);
    add_text(body, "timeInForce", limit ? "GTC" : "IOC"); /* what Bybit makes of every Market */
    buffer_add_text(body, ",\"positionIdx\":0");
    add_text(body, "orderLinkId", order->link_id);
    buffer_print(body, ",\"reduceOnly\":%s", order->reduce_only ? "true" : "false");
    /* Bybit refuses an order that reduces and protects. */
    if (!order->reduce_only) {
        add_stops(body, order->stop, order->take);
        if (!decimal_is_zero(order->stop) || !decimal_is_zero(order->take))
            add_text(body, "tpslMode", "Full");
    }
    buffer_add_text(body, "}");
}

void bybit_add_cancel(const struct order *order, struct buffer *body) {
    begin(body, order->symbol);
    if (order->link_id[0])
        add_text(body, "orderLinkId", order->link_id);
    else
        add_text(body, "orderId", order->exchange_id);
    buffer_add_text(body, "}");
}

void bybit_add_leverage(const char *symbol, struct decimal leverage, struct buffer *body) {
    begin(body, symbol);
    add_number(body, "buyLeverage", leverage);
    add_number(body, "sellLeverage", leverage);
    buffer_add_text(body, "}");
}

void bybit_add_protection(const char *symbol, struct decimal stop, struct decimal take,
                          struct buffer *body) {
    begin(body, symbol);
    add_stops(body, stop, take);
    add_text(body, "tpslMode", "Full");
    buffer_add_text(body, ",\"positionIdx\":0}");
}

/* --- queries ------------------------------------------------------------------------------ */

static void add_encoded(struct buffer *query, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.';
        buffer_print(query, plain ? "%c" : "%%%02X", c);
    }
}

static void add_cursor(struct buffer *query, const char *cursor) {
    if (*cursor)
        buffer_print(query, "&cursor=%s", cursor);
}

void bybit_add_find(const struct order *order, struct buffer *query) {
    buffer_add_text(query, "category=linear&symbol=");
    add_encoded(query, order->symbol);
    buffer_add_text(query, "&orderLinkId=");
    add_encoded(query, order->link_id);
}

void bybit_add_open_orders(const char *cursor, struct buffer *query) {
    buffer_add_text(query, "category=linear&settleCoin=USDT&openOnly=0&limit=50");
    add_cursor(query, cursor);
}

void bybit_add_positions(const char *cursor, struct buffer *query) {
    buffer_add_text(query, "category=linear&settleCoin=USDT&limit=50");
    add_cursor(query, cursor);
}

void bybit_add_fills(int64_t since_ms, const char *cursor, struct buffer *query) {
    buffer_print(query, "category=linear&startTime=%lld&limit=50", (long long)since_ms);
    add_cursor(query, cursor);
}

void bybit_add_instruments(const char *cursor, struct buffer *query) {
    buffer_add_text(query, "category=linear&limit=1000");
    add_cursor(query, cursor);
}
