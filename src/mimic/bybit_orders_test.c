/* SPDX-License-Identifier: Apache-2.0 */
/* What the exchange asks of orders, and how they are changed and ended. The price is 64000. */
#include "mimic/bybit_test.h"

static void test_filters(void **state) {
    struct world *world = *state;
    static const struct {
        const char *side, *qty, *price, *more;
        int64_t code;
    } rows[] = {
        {"Buy", "0.001", "63000", "", 0},
        {"Buy", "0.001", "63000.1", "", 0},
        {"Buy", "0.001", "63000.10", "", 0},
        {"Buy", "0.001", "63000.15", "", 10001}, /* tick */
        {"Buy", "0.0015", "63000", "", 110017},  /* step */
        {"Buy", "0.0001", "63000", "", 110017},
        {"Buy", "0", "63000", "", 10001},
        {"Buy", "", "63000", "", 10001},
        {"Buy", "-1", "63000", "", 10001},
        {"Buy", "1e3", "63000", "", 10001},
        {"Buy", "1191", "63000", "", 10001},  /* qty_max */
        {"Buy", "501", "", "", 10001},        /* of a market order */
        {"Buy", "0.001", "4999", "", 110094}, /* less than 5 USDT */
        {"Buy", "0.001", "5000", "", 0},
        {"Buy", "0.001", "70400", "", 0}, /* the band: 10 % */
        {"Buy", "0.001", "70400.1", "", 110003},
        {"Sell", "0.001", "57600", "", 0},
        {"Sell", "0.001", "57599.9", "", 110003},
        {"Sell", "0.001", "1999999.9", "", 10001}, /* price_max */
        {"Up", "0.001", "63000", "", 10001},
        {"Buy", "0.001", "63000", ",'timeInForce':'Never'", 10001},
        {"Buy", "0.001", "63000", ",'positionIdx':1", 10001}, /* hedge mode */
        {"Buy", "0.001", "63000", ",'tpslMode':'Partial'", 10001},
        {"Buy", "0.001", "63000", ",'triggerPrice':'65000'", 10001}, /* no direction */
        {"Buy", "0.001", "63000", ",'stopLoss':62000", 10001},       /* a number */
        {"Buy", "0.001", "63000", ",'stopLoss':'62000.05'", 10001},
        {"Buy", "0.001", "63000", ",'stopLoss':''", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        order(world, rows[i].code, rows[i].side, rows[i].qty, rows[i].price, rows[i].more);
}

static void test_symbols_and_categories(void **state) {
    struct world *world = *state;
    static const char *const rows[] = {
        "{'category':'linear','symbol':'XYZUSDT','side':'Buy','orderType':'Market','qty':'1'}",
        "{'category':'linear','symbol':'btcusdt','side':'Buy','orderType':'Market','qty':'1'}",
        "{'category':'linear','side':'Buy','orderType':'Market','qty':'1'}",
        "{'category':'spot','symbol':'BTCUSDT','side':'Buy','orderType':'Market','qty':'1'}",
        "{'category':'inverse','symbol':'BTCUSD','side':'Buy','orderType':'Market','qty':'1'}",
        "{'symbol':'BTCUSDT','side':'Buy','orderType':'Market','qty':'1'}",
        "{'category':'linear','symbol':'BTCUSDT','side':'Buy','orderType':'Maybe','qty':'1'}",
        "{'category':'linear','symbol':'BTCUSDT','side':'Buy','orderType':'Limit','qty':'1'}",
        "{'category':'linear','symbol':'BTCUSDT','side':'Buy','orderType':'Market','qty':1}",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check(world, 10001, "/v5/order/create", rows[i]);
    json_t *body = envelope(world, 10001, "/v5/order/create", rows[0]);
    assert_string_equal(at(body, "retMsg"), "Not supported symbols");
    assert_string_equal(at(body, "result"), "{}");
    json_decref(body);
}

static void test_protection_on_the_wrong_side(void **state) {
    struct world *world = *state;
    static const struct {
        const char *side, *price, *stop, *take;
        int64_t code;
    } rows[] = {
        {"Buy", "63000", "62999.9", "63000.1", 0},
        {"Buy", "63000", "63000", "", 10001},
        {"Buy", "63000", "63500", "", 10001},
        {"Buy", "63000", "", "63000", 10001},
        {"Sell", "65000", "65000.1", "64999.9", 0},
        {"Sell", "65000", "65000", "", 10001},
        {"Sell", "65000", "", "65000", 10001},
        {"Buy", "", "63999.9", "64000.1", 0},
        {"Buy", "", "64000", "", 10001},
        {"Sell", "", "63000", "", 10001},
        {"Buy", "65000", "64500", "", 10001}, /* crosses: it will cost 64000 */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *more =
            text_format(",'stopLoss':'%s','takeProfit':'%s'", rows[i].stop, rows[i].take);
        order(world, rows[i].code, rows[i].side, "0.001", rows[i].price, more);
    }
}

static void test_link_ids(void **state) {
    struct world *world = *state;
    static const struct {
        const char *link_id;
        int64_t code;
    } rows[] = {{"'a'", 0},
                {"'a'", 110072},
                {"'A'", 0},
                {"'123456789012345678901234567890123456'", 0},
                {"'1234567890123456789012345678901234567'", 10001},
                {"'a b'", 10001},
                {"'a.b'", 10001},
                {"'\xc3\xa4'", 10001},
                {"'a-b_c'", 0},
                {"''", 0},
                {"''", 0},
                {"7", 10001}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *more = text_format(",'orderLinkId':%s", rows[i].link_id);
        order(world, rows[i].code, "Buy", "0.001", "60000", more);
    }
}

/* Also of an order that has ended: the id is used up. */
static void test_duplicate_link_id(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'one'");
    order_shows(world, "one", "orderStatus", "Filled");
    order(world, 110072, "Buy", "0.001", "", ",'orderLinkId':'one'");
    position_shows(world, "size", "0.001");
}

static void test_balance(void **state) {
    struct world *world = *state;
    order(world, 110007, "Buy", "1.6", "63000", ""); /* 10,080 of margin at 10x */
    order(world, 0, "Buy", "1", "63000", "");
    order(world, 110007, "Buy", "1", "63000", "");
    order(world, 0, "Sell", "1", "65000", ""); /* only one side can come true */
    wallet_shows(world, "totalInitialMargin", "6500.00000000");
    wallet_shows(world, "totalAvailableBalance", "3500.00000000");
}

static void test_position_limit(void **state) {
    struct world *world = *state;
    check(world, 0, "/v5/order/create",
          "{'category':'linear','symbol':'BTCUSDT','side':'Buy','orderType':'Limit','qty':'0.001',"
          "'price':'63000'}");
    run_control(world, "set_price", "{'symbol':'BTCUSDT','price':'1900000'}");
    order(world, 110090, "Buy", "600", "1900000", "");
    order(world, 110007, "Buy", "526", "1900000", "");
    order(world, 110007, "Buy", "500", "1900000", "");
}

/* What counts is the position that would be there. */
static void test_position_limit_of_the_other_side(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "1.5", "", "");
    price(world, "1900000");
    order(world, 110090, "Sell", "529", "1900000", "");
    order(world, 110007, "Sell", "527", "1900000", ""); /* 525.5 would be left */
    order(world, 110090, "Buy", "526", "1900000", "");
}

static void test_cancel(void **state) {
    struct world *world = *state;
    const char *by_link = "{'category':'linear','symbol':'BTCUSDT','orderLinkId':'one'}";
    check(world, 110001, "/v5/order/cancel", by_link);
    check(world, 10001, "/v5/order/cancel", "{'category':'linear','symbol':'BTCUSDT'}");
    order(world, 0, "Buy", "0.001", "63000", ",'orderLinkId':'one'");
    check(world, 110001, "/v5/order/cancel",
          "{'category':'linear','symbol':'ETHUSDT','orderLinkId':'one'}");
    json_t *ret = result(world, "/v5/order/cancel", by_link);
    assert_string_equal(at(ret, "orderLinkId"), "one");
    AUTO_FREE char *by_id =
        text_format("{'category':'linear','symbol':'BTCUSDT','orderId':'%s'}", at(ret, "orderId"));
    json_decref(ret);
    order_shows(world, "one", "orderStatus", "Cancelled");
    order_shows(world, "one", "cancelType", "CancelByUser");
    order_shows(world, "one", "leavesQty", "0.000");
    check(world, 110010, "/v5/order/cancel", by_link);
    check(world, 110010, "/v5/order/cancel", by_id);
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'two'");
    check(world, 110008, "/v5/order/cancel",
          "{'category':'linear','symbol':'BTCUSDT','orderLinkId':'two'}");
    assert_int_equal(count_of(world, "/v5/order/realtime", OPEN), 0);
}

/* An exchange does not remember ended orders for long. */
static void test_ended_orders_are_forgotten(void **state) {
    struct world *world = *state;
    const char *one = "{'category':'linear','symbol':'BTCUSDT','orderLinkId':'one'}";
    const char *two = "{'category':'linear','symbol':'BTCUSDT','orderLinkId':'two','price':'1'}";
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'one'");
    order(world, 0, "Buy", "0.001", "63000", ",'orderLinkId':'two'");
    world->now += 60000; /* counts from the end */
    check(world, 0, "/v5/order/cancel",
          "{'category':'linear','symbol':'BTCUSDT','orderLinkId':'two'}");
    world->now += 10000;
    check(world, 110001, "/v5/order/cancel", one);
    check(world, 110010, "/v5/order/amend", two);
    world->now += 1;
    check(world, 110001, "/v5/order/amend", two);
    order_shows(world, "two", "orderStatus", "Cancelled");
}

/* An active and a conditional order of BTCUSDT, a position there with a stop and a target, and an
 * active order of ETHUSDT. */
static void one_of_each(struct world *world) {
    order(world, 0, "Buy", "0.001", "", ",'stopLoss':'60000','takeProfit':'70000'");
    order(world, 0, "Buy", "0.001", "63000", "");
    order(world, 0, "Buy", "0.001", "66000", ",'triggerPrice':'65000','triggerDirection':1");
    check(world, 0, "/v5/order/create",
          "{'category':'linear','symbol':'ETHUSDT','side':'Buy','orderType':'Limit','qty':'1',"
          "'price':'3000'}");
}

static void cancel_all(struct world *world, const char *more, size_t count) {
    AUTO_FREE char *text = text_format("{'category':'linear',%s}", more);
    json_t *ret = result(world, "/v5/order/cancel-all", text);
    assert_int_equal(json_array_size(json_object_get(ret, "list")), count);
    assert_string_equal(at(ret, "success"), "1");
    json_decref(ret);
}

static void test_cancel_all(void **state) {
    struct world *world = *state;
    check(world, 10001, "/v5/order/cancel-all", "{'category':'linear'}");
    one_of_each(world);
    cancel_all(world, "'settleCoin':'USDC'", 0);
    cancel_all(world, "'symbol':'BTCUSDT','baseCoin':'ETH'", 4); /* the symbol goes first */
    position_shows(world, "stopLoss", "");
    position_shows(world, "takeProfit", "");
    position_shows(world, "size", "0.001");
    cancel_all(world, "'settleCoin':'USDT'", 1);
    one_of_each(world);
    cancel_all(world, "'baseCoin':'ETH'", 5); /* any coin means the whole category */
}

static void test_cancel_all_of_a_kind(void **state) {
    struct world *world = *state;
    const char *btc = "'symbol':'BTCUSDT'";
    static const struct {
        const char *filter;
        size_t count;
        const char *stop; /* of the position, afterwards */
    } rows[] = {{"'orderFilter':'Order'", 1, "60000.00"},
                {"'orderFilter':'OpenOrder','stopOrderType':'Stop'", 1, "60000.00"},
                {"'orderFilter':'StopOrder','stopOrderType':'Stop'", 1, "60000.00"},
                {"'orderFilter':'StopOrder'", 3, ""}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *more = text_format("%s,%s", btc, rows[i].filter);
        one_of_each(world);
        cancel_all(world, more, rows[i].count);
        position_shows(world, "stopLoss", rows[i].stop);
        cancel_all(world, btc, 4 - rows[i].count);
    }
    check(world, 10001, "/v5/order/cancel-all",
          "{'category':'linear','symbol':'BTCUSDT','orderFilter':'tpslOrder'}");
    check(world, 10001, "/v5/order/cancel-all",
          "{'category':'linear','symbol':'BTCUSDT','orderFilter':'StopOrder',"
          "'stopOrderType':'StopLoss'}");
}

static void amend(struct world *world, int64_t code, const char *more) {
    AUTO_FREE char *text =
        text_format("{'category':'linear','symbol':'BTCUSDT','orderLinkId':'one'%s}", more);
    check(world, code, "/v5/order/amend", text);
}

static void test_amend(void **state) {
    struct world *world = *state;
    amend(world, 110001, ",'price':'1'");
    order(world, 0, "Buy", "0.002", "63000", ",'orderLinkId':'one','stopLoss':'61000'");
    amend(world, 10001, "");
    amend(world, 10001, ",'price':'63000'");
    amend(world, 10001, ",'price':'63000.05'");
    amend(world, 110017, ",'qty':'0.0025'");
    amend(world, 10001, ",'stopLoss':'63500'");
    amend(world, 110007, ",'qty':'10'");
    amend(world, 110003, ",'price':'90000'");
    amend(world, 0, ",'price':'62000','qty':'0.003'");
    order_shows(world, "one", "price", "62000.00");
    order_shows(world, "one", "qty", "0.003");
    order_shows(world, "one", "stopLoss", "61000.00");
    amend(world, 0, ",'stopLoss':'0'");
    order_shows(world, "one", "stopLoss", "");
    amend(world, 0, ",'price':'64500'"); /* it crosses now */
    order_shows(world, "one", "orderStatus", "Filled");
    execution_shows(world, "0.isMaker", "false");
    amend(world, 110008, ",'price':'62000'");
}

static void test_amend_of_a_trigger_and_a_stop(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "",
          ",'orderLinkId':'one','triggerPrice':'65000','triggerDirection':1");
    amend(world, 110093, ",'triggerPrice':'63000'");
    amend(world, 0, ",'triggerPrice':'66000'");
    order_shows(world, "one", "triggerPrice", "66000.00");
    order(world, 0, "Buy", "0.001", "", ",'stopLoss':'60000'");
    json_t *ret = result(world, "/v5/order/realtime", OPEN);
    AUTO_FREE char *by_id = text_format(
        "{'category':'linear','symbol':'BTCUSDT','orderId':'%s','triggerPrice':'61000'}",
        at(ret, "list.0.orderId"));
    AUTO_FREE char *wrong = text_format(
        "{'category':'linear','symbol':'BTCUSDT','orderId':'%s','triggerPrice':'65000'}",
        at(ret, "list.0.orderId"));
    json_decref(ret);
    check(world, 10001, "/v5/order/amend", wrong);
    check(world, 0, "/v5/order/amend", by_id);
    position_shows(world, "stopLoss", "61000.00");
}

/* Once it has triggered it is an order like any other. */
static void test_amend_after_the_trigger(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "64500",
          ",'orderLinkId':'one','triggerPrice':'65000','triggerDirection':1");
    amend(world, 10001, ",'triggerPrice':'0'");
    price(world, "65100");
    order_shows(world, "one", "orderStatus", "New");
    amend(world, 10001, ",'triggerPrice':'66000'");
    amend(world, 0, ",'price':'64400'");
    order_shows(world, "one", "orderStatus", "New");
    order_shows(world, "one", "lastPriceOnCreated", "64000.00");
    price(world, "64600"); /* below the trigger now */
    amend(world, 0, ",'qty':'0.002'");
    order_shows(world, "one", "orderStatus", "New");
    amend(world, 110007, ",'qty':'3'");
    amend(world, 110003, ",'price':'71100'"); /* a tenth above 64600, not above 65000 */
    order(world, 0, "Buy", "0.001", "63000", ",'orderLinkId':'two'");
    check(world, 10001, "/v5/order/amend",
          "{'category':'linear','symbol':'BTCUSDT','orderLinkId':'two','triggerPrice':'63500'}");
    order_shows(world, "two", "triggerPrice", "");
    amend(world, 0, ",'price':'65500'"); /* crosses */
    order_shows(world, "one", "orderStatus", "Filled");
}

/* A market order that waits costs what its trigger says, the new one too. */
static void test_amend_of_a_trigger_costs(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "1.5", "",
          ",'orderLinkId':'one','triggerPrice':'65000','triggerDirection':1");
    amend(world, 0, ",'triggerPrice':'75000'"); /* 11,250 of margin at 10x */
    order_shows(world, "one", "price", "75000.00");
    price(world, "75000");
    order_shows(world, "one", "orderStatus", "Rejected");
}

static void test_reduce_only(void **state) {
    struct world *world = *state;
    const char *only = ",'reduceOnly':true,'orderLinkId':'one'";
    order(world, 110017, "Sell", "0.001", "", only); /* flat */
    order(world, 0, "Buy", "0.002", "", "");
    order(world, 110017, "Buy", "0.001", "", only); /* same side */
    order(world, 10001, "Sell", "0.001", "", ",'reduceOnly':true,'stopLoss':'70000'");
    order(world, 0, "Sell", "0.005", "", only); /* no more than there is */
    order_shows(world, "one", "cumExecQty", "0.002");
    order_shows(world, "one", "orderStatus", "Cancelled");
    position_shows(world, "side", "");
    order(world, 0, "Buy", "0.002", "", "");
    order(world, 0, "Sell", "0.001", "65000", ",'reduceOnly':true,'orderLinkId':'two'");
    order(world, 0, "Sell", "0", "", ",'reduceOnly':true,'closeOnTrigger':true");
    position_shows(world, "size", "0.000");
    order_shows(world, "two", "cancelType", "CancelByReduceOnly");
}

static void test_too_many_orders(void **state) {
    struct world *world = *state;
    for (int i = 0; i < EXCHANGE_SIM_OPEN_MAX; i++)
        order(world, 0, "Buy", "0.001", "10000", "");
    order(world, 110020, "Buy", "0.001", "10000", "");
    for (int i = 0; i < EXCHANGE_SIM_CONDITIONAL_MAX; i++)
        order(world, 0, "Buy", "0.001", "", ",'triggerPrice':'65000','triggerDirection':1");
    order(world, 110009, "Buy", "0.001", "", ",'triggerPrice':'65000','triggerDirection':1");
}

static void test_batch(void **state) {
    struct world *world = *state;
    const char *limit = "'symbol':'BTCUSDT','side':'Buy','orderType':'Limit','qty':'0.001'";
    AUTO_FREE char *text =
        text_format("{'category':'linear','request':[{%s,'price':'63000','orderLinkId':'one'},"
                    "{%s,'price':'63000.05','orderLinkId':'two'},7]}",
                    limit, limit);
    json_t *body = envelope(world, 0, "/v5/order/create-batch", text);
    assert_string_equal(at(body, "retExtInfo.list.0.code"), "0");
    assert_string_equal(at(body, "retExtInfo.list.1.code"), "10001");
    assert_string_equal(at(body, "retExtInfo.list.2.code"), "10001");
    assert_int_equal(strlen(at(body, "result.list.0.orderId")), 36);
    assert_string_equal(at(body, "result.list.1.orderId"), "");
    assert_string_equal(at(body, "result.list.1.orderLinkId"), "two");
    json_decref(body);
    body = envelope(world, 0, "/v5/order/amend-batch",
                    "{'category':'linear','request':[{'symbol':'BTCUSDT','orderLinkId':'one',"
                    "'price':'62000'},{'symbol':'BTCUSDT','orderLinkId':'two','price':'62000'}]}");
    assert_string_equal(at(body, "retExtInfo.list.0.code"), "0");
    assert_string_equal(at(body, "retExtInfo.list.1.code"), "110001");
    json_decref(body);
    body = envelope(world, 0, "/v5/order/cancel-batch",
                    "{'category':'linear','request':[{'symbol':'BTCUSDT','orderLinkId':'one'},"
                    "{'symbol':'BTCUSDT','orderLinkId':'one'}]}");
    assert_string_equal(at(body, "retExtInfo.list.0.code"), "0");
    assert_string_equal(at(body, "retExtInfo.list.1.code"), "110010");
    json_decref(body);
    AUTO_BUFFER struct buffer many = {0};
    buffer_add_text(&many, "{'category':'linear','request':[");
    for (int i = 0; i <= EXCHANGE_SIM_ROWS_MAX; i++)
        buffer_print(&many, "%s{}", i ? "," : "");
    buffer_add_text(&many, "]}");
    check(world, 10001, "/v5/order/create-batch", many.data);
}

static void test_history_is_bounded(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "10000", ",'orderLinkId':'open'");
    for (int i = 0; i < EXCHANGE_SIM_HISTORY_MAX + 5; i++) {
        AUTO_FREE char *more = text_format(",'timeInForce':'IOC','orderLinkId':'%d'", i);
        order(world, 0, "Buy", "0.001", "63000", more);
    }
    json_t *books = control(world, "books", "{}");
    assert_int_equal(json_array_size(json_object_get(books, "orders")),
                     EXCHANGE_SIM_HISTORY_MAX + 1);
    json_decref(books);
    order_shows(world, "open", "orderStatus", "New");
    order_shows(world, "4", "orderStatus", "");
    order_shows(world, "5", "orderStatus", "Cancelled");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_filters),
        WORLD_TEST(test_symbols_and_categories),
        WORLD_TEST(test_protection_on_the_wrong_side),
        WORLD_TEST(test_link_ids),
        WORLD_TEST(test_duplicate_link_id),
        WORLD_TEST(test_balance),
        WORLD_TEST(test_position_limit),
        WORLD_TEST(test_position_limit_of_the_other_side),
        WORLD_TEST(test_cancel),
        WORLD_TEST(test_ended_orders_are_forgotten),
        WORLD_TEST(test_cancel_all),
        WORLD_TEST(test_cancel_all_of_a_kind),
        WORLD_TEST(test_amend),
        WORLD_TEST(test_amend_of_a_trigger_and_a_stop),
        WORLD_TEST(test_amend_after_the_trigger),
        WORLD_TEST(test_amend_of_a_trigger_costs),
        WORLD_TEST(test_reduce_only),
        WORLD_TEST(test_too_many_orders),
        WORLD_TEST(test_batch),
        WORLD_TEST(test_history_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
