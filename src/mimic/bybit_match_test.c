/* SPDX-License-Identifier: Apache-2.0 */
/* Orders and a market that moves. The price is 64000, the spread 63999.9 to 64000.1. */
#include "mimic/bybit_test.h"

static void test_limit_fills_as_maker(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "63000", ",'orderLinkId':'one'");
    price(world, "63000.1");
    order_shows(world, "one", "orderStatus", "New");
    price(world, "63000"); /* reached is enough */
    order_shows(world, "one", "orderStatus", "Filled");
    order_shows(world, "one", "avgPrice", "63000");
    order_shows(world, "one", "cumExecFee", "0.0126");
    execution_shows(world, "0.isMaker", "true");
    execution_shows(world, "0.feeRate", "0.0002");
    order(world, 0, "Sell", "0.001", "63500", ",'orderLinkId':'two'");
    price(world, "70000"); /* passed fills at its own price */
    order_shows(world, "two", "avgPrice", "63500");
}

static void test_crossing_limit_is_taker(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "64000", ",'orderLinkId':'in'"); /* inside of the spread */
    order_shows(world, "in", "orderStatus", "New");
    order(world, 0, "Buy", "0.001", "65000", ",'orderLinkId':'one'");
    order_shows(world, "one", "avgPrice", "64000.1");
    execution_shows(world, "0.isMaker", "false");
    execution_shows(world, "0.execFee", "0.03520006");
    order(world, 0, "Sell", "0.001", "63999.9", ",'orderLinkId':'two'");
    order_shows(world, "two", "avgPrice", "63999.9");
}

static void test_market_order(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'one','timeInForce':'GTC'");
    order_shows(world, "one", "orderStatus", "Filled");
    order_shows(world, "one", "timeInForce", "IOC");
    order_shows(world, "one", "orderType", "Market");
    position_shows(world, "avgPrice", "64000.1");
}

static void test_time_in_force(void **state) {
    struct world *world = *state;
    static const struct {
        const char *price, *tif, *status, *reason, *filled;
    } rows[] = {
        {"63000", "PostOnly", "New", "EC_NoError", "0.000"},
        {"64000.1", "PostOnly", "Cancelled", "EC_PostOnlyWillTakeLiquidity", "0.000"},
        {"63000", "IOC", "Cancelled", "EC_NoImmediateQtyToFill", "0.000"},
        {"64000.1", "IOC", "Filled", "EC_NoError", "0.002"},
        {"63000", "FOK", "Cancelled", "EC_NoImmediateQtyToFill", "0.000"},
        {"64000.1", "FOK", "Filled", "EC_NoError", "0.002"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *id = text_format("id-%zu", i);
        AUTO_FREE char *more =
            text_format(",'timeInForce':'%s','orderLinkId':'%s'", rows[i].tif, id);
        order(world, 0, "Buy", "0.002", rows[i].price, more);
        order_shows(world, id, "orderStatus", rows[i].status);
        order_shows(world, id, "rejectReason", rows[i].reason);
        order_shows(world, id, "cumExecQty", rows[i].filled);
    }
}

/* What one move can give is `depth`; the next move gives as much again. */
static void test_depth(void **state) {
    struct world *world = *state;
    run_control(world, "set_market", "{'depth':'0.003'}");
    order(world, 0, "Buy", "0.005", "64100", ",'orderLinkId':'limit'");
    order_shows(world, "limit", "orderStatus", "PartiallyFilled");
    order_shows(world, "limit", "cumExecQty", "0.003");
    order_shows(world, "limit", "leavesQty", "0.002");
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'market'");
    order_shows(world, "market", "orderStatus", "Cancelled"); /* nothing is left */
    price(world, "64001");
    order_shows(world, "limit", "orderStatus", "Filled");
    order(world, 0, "Buy", "0.002", "64100", ",'timeInForce':'FOK','orderLinkId':'fok'");
    order_shows(world, "fok", "orderStatus", "Cancelled"); /* 0.001 is left */
    order(world, 0, "Buy", "0.002", "64100", ",'timeInForce':'IOC','orderLinkId':'ioc'");
    order_shows(world, "ioc", "orderStatus", "Cancelled");
    order_shows(world, "ioc", "cumExecQty", "0.001");
    price(world, "64001"); /* the same price is a move too */
    order(world, 0, "Buy", "0.003", "", ",'orderLinkId':'all'");
    order_shows(world, "all", "orderStatus", "Filled");
}

static void test_partial_maker_fills(void **state) {
    struct world *world = *state;
    run_control(world, "set_market", "{'depth':0.004}");
    order(world, 0, "Buy", "0.01", "63000", ",'orderLinkId':'one'");
    for (int i = 0; i < 3; i++) {
        static const char *const filled[] = {"0.004", "0.008", "0.010"};
        price(world, "63000");
        order_shows(world, "one", "cumExecQty", filled[i]);
    }
    assert_int_equal(count_of(world, "/v5/execution/list", "category=linear"), 3);
    order_shows(world, "one", "avgPrice", "63000");
}

/* Everything between the old and the new price happens, in the order of the way. */
static void test_jump_passes_everything(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "61000", "");
    order(world, 0, "Buy", "0.001", "63000", ",'stopLoss':'62000','takeProfit':'63800'");
    order(world, 0, "Buy", "0.001", "62500", "");
    price(world, "60000");
    json_t *ret = result(world, "/v5/execution/list", "category=linear");
    static const char *const prices[] = {"61000.00", "61999.90", "62500.00", "63000.00"};
    assert_int_equal(json_array_size(json_object_get(ret, "list")), 4);
    for (size_t i = 0; i < 4; i++) {
        AUTO_FREE char *place = text_format("list.%zu.execPrice", i);
        assert_string_equal(at(ret, place), prices[i]);
    }
    json_decref(ret);
    position_shows(world, "size", "0.001"); /* the stop closed two */
    shows(world, "/v5/market/tickers", OPEN, "list.0.lastPrice", "60000.00");
}

static void test_conditional_orders(void **state) {
    struct world *world = *state;
    order(world, 110093, "Buy", "0.001", "", ",'triggerPrice':'63000','triggerDirection':1");
    order(world, 110092, "Buy", "0.001", "", ",'triggerPrice':'65000','triggerDirection':2");
    order(world, 0, "Buy", "0.001", "",
          ",'triggerPrice':'65000','triggerDirection':1,'orderLinkId':'market'");
    order(world, 0, "Buy", "0.001", "64500",
          ",'triggerPrice':'65000','triggerDirection':1,'orderLinkId':'limit'");
    order(world, 0, "Buy", "0.001", "",
          ",'triggerPrice':'63000','triggerDirection':2,'orderLinkId':'fall'");
    order_shows(world, "market", "orderStatus", "Untriggered");
    order_shows(world, "market", "stopOrderType", "Stop");
    order_shows(world, "market", "triggerDirection", "1");
    price(world, "64999.9");
    order_shows(world, "market", "orderStatus", "Untriggered");
    price(world, "65100");
    order_shows(world, "market", "avgPrice", "65000.1");
    order_shows(world, "limit", "orderStatus", "New");
    price(world, "64000");
    order_shows(world, "limit", "avgPrice", "64500");
    check(world, 0, "/v5/order/cancel",
          "{'category':'linear','symbol':'BTCUSDT','orderLinkId':'fall'}");
    order_shows(world, "fall", "orderStatus", "Deactivated");
    order_shows(world, "fall", "cancelType", "CancelByUser");
}

static void test_triggers_need_money(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "5", "",
          ",'triggerPrice':'65000','triggerDirection':1,'orderLinkId':'one'");
    price(world, "66000");
    order_shows(world, "one", "orderStatus", "Rejected");
    position_shows(world, "side", "");
}

static void test_executions_are_bounded(void **state) {
    struct world *world = *state;
    for (int i = 0; i < EXCHANGE_SIM_EXECUTIONS_MAX + 3; i++)
        order(world, 0, i % 2 ? "Sell" : "Buy", "0.001", "", "");
    json_t *books = control(world, "books", "{}");
    assert_int_equal(json_array_size(json_object_get(books, "executions")),
                     EXCHANGE_SIM_EXECUTIONS_MAX);
    json_decref(books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_limit_fills_as_maker),
        WORLD_TEST(test_crossing_limit_is_taker),
        WORLD_TEST(test_market_order),
        WORLD_TEST(test_time_in_force),
        WORLD_TEST(test_depth),
        WORLD_TEST(test_partial_maker_fills),
        WORLD_TEST(test_jump_passes_everything),
        WORLD_TEST(test_conditional_orders),
        WORLD_TEST(test_triggers_need_money),
        WORLD_TEST(test_executions_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
