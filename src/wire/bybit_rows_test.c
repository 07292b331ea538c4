/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as Bybit documents them, and what is made of them when a field is wrong. */
#include "base/test.h"
#include "wire/bybit.h"
#include <errno.h>

static const char order_row[] =
    "{\"orderId\":\"fd4300ae-7847-404e-b947-b46980a4d140\",\"orderLinkId\":\"test-000005\","
    "\"blockTradeId\":\"\",\"symbol\":\"ETHUSDT\",\"price\":\"1600.00\",\"qty\":\"0.10\","
    "\"side\":\"Buy\",\"isLeverage\":\"\",\"positionIdx\":0,\"orderStatus\":\"New\","
    "\"cancelType\":\"UNKNOWN\",\"rejectReason\":\"EC_NoError\",\"avgPrice\":\"0\","
    "\"leavesQty\":\"0.10\",\"leavesValue\":\"160\",\"cumExecQty\":\"0.00\","
    "\"cumExecValue\":\"0\",\"cumExecFee\":\"0\",\"timeInForce\":\"GTC\",\"orderType\":\"Limit\","
    "\"stopOrderType\":\"UNKNOWN\",\"triggerPrice\":\"0.00\",\"takeProfit\":\"2500.00\","
    "\"stopLoss\":\"1500.00\",\"tpTriggerBy\":\"LastPrice\",\"triggerDirection\":0,"
    "\"reduceOnly\":false,\"closeOnTrigger\":false,\"smpGroup\":0,\"tpslMode\":\"Full\","
    "\"createdTime\":\"1684738540559\",\"updatedTime\":\"1684738540561\"}";
static const char fill_row[] =
    "{\"symbol\":\"ETHUSDT\",\"orderType\":\"Market\",\"underlyingPrice\":\"\","
    "\"orderLinkId\":\"\",\"side\":\"Sell\",\"indexPrice\":\"\","
    "\"orderId\":\"8c065341-7b52-4ca9-ac2c-37e31ac55c94\",\"stopOrderType\":\"UNKNOWN\","
    "\"createType\":\"CreateByUser\",\"leavesQty\":\"0\",\"execTime\":\"1672282722429\","
    "\"feeCurrency\":\"\",\"isMaker\":false,\"execFee\":\"0.071409\",\"feeRate\":\"0.0006\","
    "\"execId\":\"e0cbe81d-0f18-5866-9415-cf319b5dab3b\",\"markPrice\":\"1183.54\","
    "\"execPrice\":\"1190.15\",\"orderQty\":\"0.1\",\"orderPrice\":\"1236.9\","
    "\"execValue\":\"119.015\",\"execType\":\"Trade\",\"execQty\":\"0.1\","
    "\"closedSize\":\"0.05\",\"extraFees\":\"\",\"seq\":4688002127}";
static const char position_row[] =
    "{\"positionIdx\":0,\"riskId\":1,\"riskLimitValue\":\"150\",\"symbol\":\"BTCUSDT\","
    "\"side\":\"Sell\",\"size\":\"0.300\",\"avgPrice\":\"27464.50441675\","
    "\"positionValue\":\"0.01092319\",\"tradeMode\":0,\"positionStatus\":\"Normal\","
    "\"leverage\":\"10\",\"markPrice\":\"28224.50\",\"liqPrice\":\"\",\"tpslMode\":\"Full\","
    "\"takeProfit\":\"0.00\",\"stopLoss\":\"\",\"trailingStop\":\"0.00\","
    "\"unrealisedPnl\":\"-0.00029413\",\"cumRealisedPnl\":\"-0.00096902\",\"seq\":5723621632,"
    "\"isReduceOnly\":false,\"createdTime\":\"1676538056258\",\"updatedTime\":\"1697673600012\"}";
static const char wallet_row[] =
    "{\"totalEquity\":\"18070.32797922\",\"accountIMRate\":\"0.0101\",\"accountType\":\"UNIFIED\","
    "\"totalAvailableBalance\":\"17887.72614237\",\"totalPerpUPL\":\"-0.11001349\","
    "\"totalWalletBalance\":\"18070.43799271\",\"coin\":[{\"coin\":\"USDT\"}]}";
static const char instrument_row[] =
    "{\"symbol\":\"BTCUSDT\",\"contractType\":\"LinearPerpetual\",\"status\":\"Trading\","
    "\"baseCoin\":\"BTC\",\"quoteCoin\":\"USDT\",\"settleCoin\":\"USDT\",\"priceScale\":\"2\","
    "\"leverageFilter\":{\"minLeverage\":\"1\",\"maxLeverage\":\"100.00\","
    "\"leverageStep\":\"0.01\"},\"priceFilter\":{\"minPrice\":\"0.10\","
    "\"maxPrice\":\"1999999.80\",\"tickSize\":\"0.10\"},"
    "\"lotSizeFilter\":{\"minOrderQty\":\"0.001\",\"maxOrderQty\":\"1190.000\","
    "\"qtyStep\":\"0.001\",\"minNotionalValue\":\"5\"},\"preListingInfo\":null,"
    "\"fundingInterval\":480}";
static const char ticker_row[] =
    "{\"symbol\":\"BTCUSDT\",\"lastPrice\":\"16597.00\",\"markPrice\":\"16596.00\","
    "\"basisRate\":\"\",\"deliveryTime\":\"0\"}";

static json_t *parse(const char *text) {
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

/* {"list":[row, ...],"nextPageCursor":""}; takes the row. */
static json_t *page_of(json_t *row) {
    return json_pack("{s:[o],s:s,s:s}", "list", row, "nextPageCursor", "", "category", "linear");
}

static json_t *page_with(const char *row, const char *name, json_t *value) {
    json_t *object = parse(row);
    json_object_set_new(object, name, value);
    return page_of(object);
}

static void assert_decimal(struct decimal value, const char *expected) {
    char text[DECIMAL_TEXT_BYTES];
    assert_string_equal(decimal_print(value, text), expected);
}

/* --- each reader as "0 or -EPROTO" ---------------------------------------------------------- */

static int orders_of(const json_t *result) {
    struct bybit_orders orders;
    int r = bybit_read_orders(result, &orders);
    if (r == 0)
        free(orders.list);
    return r;
}
static int fills_of(const json_t *result) {
    struct bybit_fills fills;
    int r = bybit_read_fills(result, &fills);
    if (r == 0)
        free(fills.list);
    return r;
}
static int positions_of(const json_t *result) {
    struct bybit_positions positions;
    int r = bybit_read_positions(result, &positions);
    if (r == 0)
        free(positions.list);
    return r;
}
static int wallet_of(const json_t *result) {
    struct wallet wallet;
    return bybit_read_wallet(result, &wallet);
}
static int instruments_of(const json_t *result) {
    struct instruments instruments = {0};
    char cursor[256];
    int r = bybit_read_instruments(result, &instruments, cursor);
    assert_true(r == 0 || !instruments.list);
    free(instruments.list);
    return r;
}
static int tickers_of(const json_t *result) {
    struct instrument btc = {.symbol = "BTCUSDT"};
    return bybit_read_tickers(result, &(struct instruments){&btc, 1});
}

enum { FIELDS_MAX = 20 };
struct reader {
    int (*read)(const json_t *result);
    const char *row;
    bool paged;
    const char *texts[FIELDS_MAX]; /* must be there, a text */
    const char *numbers[FIELDS_MAX];
};
static const struct reader readers[] = {
    {orders_of,
     order_row,
     true,
     {"orderId", "orderLinkId", "symbol", "side", "orderType", "orderStatus"},
     {"qty", "price", "stopLoss", "takeProfit", "cumExecQty", "avgPrice", "createdTime",
      "updatedTime"}},
    {fills_of,
     fill_row,
     true,
     {"execId", "orderId", "orderLinkId", "symbol", "side", "execType"},
     {"execPrice", "execQty", "execFee", "closedSize", "execTime"}},
    {positions_of,
     position_row,
     true,
     {"symbol", "side"},
     {"size", "avgPrice", "stopLoss", "takeProfit", "leverage", "unrealisedPnl", "updatedTime",
      "positionIdx"}},
    {wallet_of,
     wallet_row,
     false,
     {"accountType"},
     {"totalEquity", "totalAvailableBalance", "totalWalletBalance"}},
    {instruments_of,
     instrument_row,
     true,
     {"symbol", "contractType", "status", "settleCoin", "priceFilter", "lotSizeFilter",
      "leverageFilter"},
     {0}},
    {tickers_of, ticker_row, false, {"symbol"}, {"lastPrice"}},
};

static void assert_refused(const struct reader *reader, const char *name, json_t *value) {
    json_t *page = page_with(reader->row, name, value);
    int r = reader->read(page);
    char *text = json_dumps(page, JSON_COMPACT);
    if (r != -EPROTO)
        fail_msg("%d: %s: %s", r, name, text);
    free(text);
    json_decref(page);
}

static void try_field(const struct reader *reader, const char *name, bool number) {
    static const char *const wrong[] = {
        "abc", "1e5", "0x1", " 1", "1 ", "--1", "1.2.3", "NaN", "99999999999999999999", "1,5"};
    AUTO_FREE char *big = memory_new(2 << 20);
    memset(big, '9', (2 << 20) - 1);
    assert_refused(reader, name, json_null());
    assert_refused(reader, name, json_true());
    assert_refused(reader, name, json_real(1.5));
    assert_refused(reader, name, json_real(1.0));
    assert_refused(reader, name, json_array());
    assert_refused(reader, name, json_object());
    if (!number)
        assert_refused(reader, name, json_integer(7));
    for (size_t i = 0; number && i < COUNT_OF(wrong); i++)
        assert_refused(reader, name, json_string(wrong[i]));
    if (number)
        assert_refused(reader, name, json_string(big));
    json_t *without = parse(reader->row);
    assert_int_equal(json_object_del(without, name), 0);
    json_t *page = page_of(without);
    if (reader->read(page) != -EPROTO)
        fail_msg("taken without %s", name);
    json_decref(page);
}

static void test_every_field_of_a_wrong_type_or_missing(void **state) {
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        json_t *good = page_of(parse(readers[i].row));
        assert_int_equal(readers[i].read(good), 0);
        json_decref(good);
        for (size_t f = 0; f < FIELDS_MAX && readers[i].texts[f]; f++)
            try_field(&readers[i], readers[i].texts[f], false);
        for (size_t f = 0; f < FIELDS_MAX && readers[i].numbers[f]; f++)
            try_field(&readers[i], readers[i].numbers[f], true);
    }
}

static void test_pages_that_are_none(void **state) {
    static const char *const all[] = {"{}",
                                      "{\"list\":null}",
                                      "{\"list\":{}}",
                                      "{\"list\":\"\"}",
                                      "{\"list\":[1],\"nextPageCursor\":\"\"}",
                                      "{\"list\":[null],\"nextPageCursor\":\"\"}",
                                      "{\"list\":[{}],\"nextPageCursor\":\"\"}",
                                      "{\"list\":[[]],\"nextPageCursor\":\"\"}"};
    static const char *const paged[] = {"{\"list\":[]}", "{\"list\":[],\"nextPageCursor\":null}",
                                        "{\"list\":[],\"nextPageCursor\":5}"};
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        assert_int_equal(readers[i].read(NULL), -EPROTO);
        for (size_t n = 0; n < COUNT_OF(all); n++) {
            json_t *result = parse(all[n]);
            assert_int_equal(readers[i].read(result), -EPROTO);
            json_decref(result);
        }
        for (size_t n = 0; readers[i].paged && n < COUNT_OF(paged); n++) {
            json_t *result = parse(paged[n]);
            assert_int_equal(readers[i].read(result), -EPROTO);
            json_decref(result);
        }
    }
}

static void test_a_good_row_beside_a_bad_one(void **state) {
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        json_t *page = page_of(parse(readers[i].row));
        json_array_append_new(json_object_get(page, "list"), json_object());
        if (readers[i].read != wallet_of)
            assert_int_equal(readers[i].read(page), -EPROTO);
        json_decref(page);
    }
}

static void test_cursors(void **state) {
    static const struct {
        const char *sent, *kept;
    } cursors[] = {{"", ""},
                   {"page_args%3Dfd43-78%26", "page_args%3Dfd43-78%26"},
                   {"a b&x=1\r\n", "a%20b%26x%3D1%0D%0A"},
                   {"50%", "50%25"},
                   {"%zz\xc3\xa9", "%25zz%C3%A9"}};
    struct bybit_orders orders;
    for (size_t i = 0; i < COUNT_OF(cursors); i++) {
        json_t *page = json_pack("{s:[],s:s}", "list", "nextPageCursor", cursors[i].sent);
        assert_int_equal(bybit_read_orders(page, &orders), 0);
        assert_string_equal(orders.cursor, cursors[i].kept);
        assert_true(orders.count == 0);
        free(orders.list);
        json_decref(page);
    }
    AUTO_FREE char *big = memory_new(1001);
    memset(big, 'x', 1000);
    json_t *page = json_pack("{s:[],s:s}", "list", "nextPageCursor", big);
    assert_int_equal(bybit_read_orders(page, &orders), -EPROTO);
    json_decref(page);
}

/* --- orders ------------------------------------------------------------------------------- */

static struct order order_with(const char *name, json_t *value) {
    struct bybit_orders orders;
    json_t *page = page_with(order_row, name, value);
    assert_int_equal(bybit_read_orders(page, &orders), 0);
    assert_true(orders.count == 1);
    struct order order = orders.list[0];
    free(orders.list);
    json_decref(page);
    return order;
}

static void test_an_order(void **state) {
    struct order order = order_with("cumExecQty", json_string("0.04"));
    assert_string_equal(order.exchange_id, "fd4300ae-7847-404e-b947-b46980a4d140");
    assert_string_equal(order.link_id, "test-000005");
    assert_string_equal(order.symbol, "ETHUSDT");
    assert_int_equal(order.side, SIDE_BUY);
    assert_int_equal(order.type, ORDER_LIMIT);
    assert_decimal(order.qty, "0.10");
    assert_decimal(order.price, "1600.00");
    assert_decimal(order.stop, "1500.00");
    assert_decimal(order.take, "2500.00");
    assert_decimal(order.filled, "0.04");
    assert_int_equal(order.state, ORDER_OPEN);
    assert_true(order.created_ms == 1684738540559 && order.updated_ms == 1684738540561);
    assert_true(order.id == 0 && order.ended_ms == 0);
    assert_string_equal(order.reason, "");
    assert_true(order_with("reduceOnly", json_true()).reduce_only);
    assert_decimal(order_with("price", json_string("")).price, "0");
    assert_decimal(order_with("price", json_integer(5)).price, "5");
    assert_decimal(
        order_with("avgPrice", json_string("64999.9999999999999999999999")).average_price,
        "64999.99999999999999");
}

static void test_order_states(void **state) {
    static const struct {
        const char *name;
        enum order_state state;
    } states[] = {{"New", ORDER_OPEN},
                  {"PartiallyFilled", ORDER_OPEN},
                  {"Untriggered", ORDER_OPEN},
                  {"Triggered", ORDER_OPEN},
                  {"Filled", ORDER_FILLED},
                  {"Cancelled", ORDER_CANCELLED},
                  {"PartiallyFilledCanceled", ORDER_CANCELLED},
                  {"Deactivated", ORDER_CANCELLED},
                  {"Rejected", ORDER_REJECTED}};
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        struct order order = order_with("orderStatus", json_string(states[i].name));
        assert_int_equal(order.state, states[i].state);
        assert_true(order.ended_ms == (order_state_ended(order.state) ? 1684738540561 : 0));
    }
    assert_refused(&readers[0], "orderStatus", json_string("Created"));
    assert_refused(&readers[0], "orderStatus", json_string("new"));
    assert_refused(&readers[0], "orderStatus", json_string(""));
    assert_refused(&readers[0], "side", json_string("None"));
    assert_refused(&readers[0], "orderType", json_string("UNKNOWN"));
    assert_refused(&readers[0], "qty", json_string("-1"));
    assert_refused(&readers[0], "cumExecQty", json_string(""));
    assert_refused(&readers[0], "orderId", json_string(""));
    assert_refused(&readers[0], "reduceOnly", json_string("true"));
    assert_refused(&readers[0], "rejectReason", json_integer(1));
    assert_refused(&readers[0], "createdTime", json_string("-1"));
    assert_refused(&readers[0], "orderLinkId",
                   json_string("0123456789012345678901234567890123456"));
    assert_refused(&readers[0], "symbol", json_string("012345678901234567890123"));
}

static struct order ended(const char *status, const char *reject, const char *cancel) {
    json_t *row = parse(order_row);
    json_object_set_new(row, "orderStatus", json_string(status));
    json_object_set_new(row, "rejectReason", json_string(reject));
    json_object_set_new(row, "cancelType", json_string(cancel));
    json_t *page = page_of(row);
    struct bybit_orders orders;
    assert_int_equal(bybit_read_orders(page, &orders), 0);
    struct order order = orders.list[0];
    free(orders.list);
    json_decref(page);
    return order;
}

static void test_reasons(void **state) {
    assert_string_equal(ended("Rejected", "EC_LimitOrderInvalidPrice", "UNKNOWN").reason,
                        "EC_LimitOrderInvalidPrice");
    assert_string_equal(ended("Cancelled", "EC_NoError", "CancelByUser").reason, "CancelByUser");
    assert_string_equal(ended("Cancelled", "", "").reason, "");
    assert_string_equal(ended("Filled", "EC_Others", "CancelByUser").reason, "");
}

/* --- fills -------------------------------------------------------------------------------- */

static struct fill fill_with(const char *name, const char *value, size_t *ret_count) {
    struct bybit_fills fills;
    json_t *page = page_with(fill_row, name, json_string(value));
    assert_int_equal(bybit_read_fills(page, &fills), 0);
    struct fill fill = fills.count ? fills.list[0] : (struct fill){0};
    *ret_count = fills.count;
    free(fills.list);
    json_decref(page);
    return fill;
}

static void test_a_fill(void **state) {
    size_t count;
    struct fill fill = fill_with("execFee", "-0.0714", &count);
    assert_string_equal(fill.exec_id, "e0cbe81d-0f18-5866-9415-cf319b5dab3b");
    assert_string_equal(fill.exchange_id, "8c065341-7b52-4ca9-ac2c-37e31ac55c94");
    assert_string_equal(fill.link_id, "");
    assert_string_equal(fill.symbol, "ETHUSDT");
    assert_int_equal(fill.side, SIDE_SELL);
    assert_decimal(fill.price, "1190.15");
    assert_decimal(fill.qty, "0.1");
    assert_decimal(fill.fee, "-0.0714");
    assert_decimal(fill.closed_qty, "0.05");
    assert_true(fill.at_ms == 1672282722429);
    assert_decimal(fill_with("closedSize", "", &count).closed_qty, "0");
    assert_refused(&readers[1], "execPrice", json_string("0"));
    assert_refused(&readers[1], "execQty", json_string("-1"));
    assert_refused(&readers[1], "createType", json_integer(1));
}

static void test_sources_of_fills(void **state) {
    static const struct {
        const char *field, *value;
        size_t count;
        enum fill_source source;
    } examples[] = {
        {"execType", "Trade", 1, FILL_ORDER},
        {"execType", "BustTrade", 1, FILL_LIQUIDATION},
        {"execType", "AdlTrade", 1, FILL_LIQUIDATION},
        {"execType", "Funding", 0, FILL_ORDER},
        {"execType", "Settle", 0, FILL_ORDER},
        {"execType", "SomethingNew", 0, FILL_ORDER},
        {"stopOrderType", "StopLoss", 1, FILL_STOP_LOSS},
        {"stopOrderType", "PartialStopLoss", 1, FILL_STOP_LOSS},
        {"stopOrderType", "TrailingStop", 1, FILL_STOP_LOSS},
        {"stopOrderType", "TakeProfit", 1, FILL_TAKE_PROFIT},
        {"stopOrderType", "PartialTakeProfit", 1, FILL_TAKE_PROFIT},
        {"stopOrderType", "Stop", 1, FILL_ORDER},
        {"createType", "CreateByStopLoss", 1, FILL_STOP_LOSS},
        {"createType", "CreateByTakeProfit", 1, FILL_TAKE_PROFIT},
        {"createType", "CreateByLiq", 1, FILL_LIQUIDATION},
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        size_t count;
        struct fill fill = fill_with(examples[i].field, examples[i].value, &count);
        if (count != examples[i].count || fill.source != examples[i].source)
            fail_msg("%s %s", examples[i].field, examples[i].value);
    }
}

static void test_fills_oldest_first(void **state) {
    static const struct {
        const char *id, *time;
    } sent[] = {{"d", "30"}, {"c", "20"}, {"a", "20"}, {"b", "20"}, {"e", "10"}};
    json_t *page = page_of(parse(fill_row)), *list = json_object_get(page, "list");
    json_array_clear(list);
    for (size_t i = 0; i < COUNT_OF(sent); i++) {
        json_t *row = parse(fill_row);
        json_object_set_new(row, "execId", json_string(sent[i].id));
        json_object_set_new(row, "execTime", json_string(sent[i].time));
        json_array_append_new(list, row);
    }
    struct bybit_fills fills;
    assert_int_equal(bybit_read_fills(page, &fills), 0);
    assert_true(fills.count == 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(fills.list[i].exec_id[0], "eabcd"[i]);
    free(fills.list);
    json_decref(page);
}

/* --- positions, wallet, instruments, prices, acknowledgements -------------------------------- */

static void test_positions(void **state) {
    struct bybit_positions positions;
    json_t *page = page_of(parse(position_row));
    assert_int_equal(bybit_read_positions(page, &positions), 0);
    assert_true(positions.count == 1);
    const struct position *position = positions.list;
    assert_string_equal(position->symbol, "BTCUSDT");
    assert_int_equal(position->phase, POSITION_OPEN);
    assert_int_equal(position->side, SIDE_SELL);
    assert_decimal(position->size, "0.300");
    assert_decimal(position->entry_price, "27464.50441675");
    assert_true(decimal_is_zero(position->stop) && decimal_is_zero(position->take));
    assert_decimal(position->leverage, "10");
    assert_decimal(position->unrealised, "-0.00029413");
    assert_true(position->updated_ms == 1697673600012 && position->opened_ms == 0);
    free(positions.list);
    json_decref(page);
    json_t *flat = parse(position_row);
    json_object_set_new(flat, "size", json_string("0"));
    json_object_set_new(flat, "side", json_string(""));
    page = page_of(flat);
    json_t *hedge = parse(position_row);
    json_object_set_new(hedge, "positionIdx", json_integer(2));
    json_array_append_new(json_object_get(page, "list"), hedge);
    json_array_append_new(json_object_get(page, "list"), parse(position_row));
    assert_int_equal(bybit_read_positions(page, &positions), 0);
    assert_true(positions.count == 1);
    assert_decimal(positions.list[0].size, "0.300");
    free(positions.list);
    json_decref(page);
    assert_refused(&readers[2], "side", json_string(""));
    assert_refused(&readers[2], "size", json_string("-3"));
    assert_refused(&readers[2], "size", json_string(""));
}

static void test_wallet(void **state) {
    struct wallet wallet;
    json_t *page = page_of(parse("{\"accountType\":\"CONTRACT\",\"totalEquity\":\"\"}"));
    assert_int_equal(bybit_read_wallet(page, &wallet), -EPROTO);
    json_array_append_new(json_object_get(page, "list"), parse(wallet_row));
    assert_int_equal(bybit_read_wallet(page, &wallet), 0);
    assert_decimal(wallet.equity, "18070.32797922");
    assert_decimal(wallet.available, "17887.72614237");
    assert_decimal(wallet.balance, "18070.43799271");
    json_decref(page);
    assert_refused(&readers[3], "totalEquity", json_string(""));
}

static void test_instruments_and_prices(void **state) {
    struct instruments all = {0};
    char cursor[256];
    json_t *page = page_of(parse(instrument_row));
    assert_int_equal(bybit_read_instruments(page, &all, cursor), 0);
    json_object_set_new(json_array_get(json_object_get(page, "list"), 0), "symbol",
                        json_string("ETHUSDT"));
    json_object_set_new(json_array_get(json_object_get(page, "list"), 0), "status",
                        json_string("PreLaunch"));
    assert_int_equal(bybit_read_instruments(page, &all, cursor), 0);
    json_decref(page);
    assert_true(all.count == 2);
    assert_string_equal(all.list[0].symbol, "BTCUSDT");
    assert_decimal(all.list[0].tick, "0.10");
    assert_decimal(all.list[0].price_min, "0.10");
    assert_decimal(all.list[0].price_max, "1999999.80");
    assert_decimal(all.list[0].qty_step, "0.001");
    assert_decimal(all.list[0].qty_min, "0.001");
    assert_decimal(all.list[0].qty_max, "1190.000");
    assert_decimal(all.list[0].notional_min, "5");
    assert_decimal(all.list[0].leverage_max, "100.00");
    assert_true(all.list[0].trading && !all.list[1].trading);
    page = page_of(parse(ticker_row));
    json_array_append_new(
        json_object_get(page, "list"),
        parse("{\"symbol\":\"A-NAME-LONGER-THAN-ANY-OF-OURS\",\"lastPrice\":\"1\"}"));
    assert_int_equal(bybit_read_tickers(page, &all), 0);
    assert_decimal(all.list[0].last_price, "16597.00");
    assert_true(decimal_is_zero(all.list[1].last_price));
    json_decref(page);
    free(all.list);
}

static void test_instruments_left_out_and_broken(void **state) {
    static const char *const others[][2] = {{"contractType", "LinearFutures"},
                                            {"settleCoin", "USDC"},
                                            {"symbol", "\xe5\xb8\x81USDT"},
                                            {"symbol", "A234567890123456789012345USDT"}};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct instruments all = {0};
        char cursor[256];
        json_t *page = page_with(instrument_row, others[i][0], json_string(others[i][1]));
        assert_int_equal(bybit_read_instruments(page, &all, cursor), 0);
        assert_true(all.count == 0);
        free(all.list);
        json_decref(page);
    }
    /* A step of zero would be divided by. */
    json_t *filter =
        json_pack("{s:s,s:s,s:s}", "minPrice", "0.1", "maxPrice", "9", "tickSize", "0");
    assert_refused(&readers[4], "priceFilter", filter);
}

static void test_acknowledgements(void **state) {
    char id[EXCHANGE_ID_BYTES];
    json_t *result = parse("{\"orderId\":\"1321003749386327552\",\"orderLinkId\":\"x\"}");
    assert_int_equal(bybit_read_created(result, id), 0);
    assert_string_equal(id, "1321003749386327552");
    json_object_set_new(result, "orderId", json_string(""));
    assert_int_equal(bybit_read_created(result, id), -EPROTO);
    json_object_set_new(result, "orderId", json_integer(5));
    assert_int_equal(bybit_read_created(result, id), -EPROTO);
    assert_int_equal(bybit_read_created(NULL, id), -EPROTO);
    assert_string_equal(id, "1321003749386327552");
    json_decref(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_of_a_wrong_type_or_missing),
        cmocka_unit_test(test_pages_that_are_none),
        cmocka_unit_test(test_a_good_row_beside_a_bad_one),
        cmocka_unit_test(test_cursors),
        cmocka_unit_test(test_an_order),
        cmocka_unit_test(test_order_states),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_a_fill),
        cmocka_unit_test(test_sources_of_fills),
        cmocka_unit_test(test_fills_oldest_first),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_wallet),
        cmocka_unit_test(test_instruments_and_prices),
        cmocka_unit_test(test_instruments_left_out_and_broken),
        cmocka_unit_test(test_acknowledgements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
