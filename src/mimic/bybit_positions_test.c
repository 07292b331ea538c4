/* SPDX-License-Identifier: Apache-2.0 */
/* Positions, their stops and targets, margin and liquidation. The price is 64000. */
#include "mimic/bybit_test.h"

static void test_position_of_several_fills(void **state) {
    struct world *world = *state;
    position_shows(world, "size", "0.000"); /* a row even when flat */
    position_shows(world, "side", "");
    order(world, 0, "Buy", "0.01", "63000", "");
    order(world, 0, "Buy", "0.02", "62000", "");
    price(world, "62000");
    position_shows(world, "avgPrice", "62333.33333333");
    position_shows(world, "size", "0.030");
    position_shows(world, "side", "Buy");
    position_shows(world, "unrealisedPnl", "-10");
    order(world, 0, "Sell", "0.02", "63000", "");
    price(world, "63000");
    position_shows(world, "size", "0.010");
    position_shows(world, "avgPrice", "62333.33333333");
    execution_shows(world, "0.closedSize", "0.020");
    execution_shows(world, "0.execPnl", "13.33333333");
    /* fees: 0.126 + 0.248 + 0.252 */
    position_shows(world, "curRealisedPnl", "12.70733333");
    wallet_shows(world, "totalWalletBalance", "10012.70733333");
    wallet_shows(world, "totalEquity", "10019.37400000");
}

static void test_position_turns_round(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.01", "", ",'stopLoss':'60000'");
    order(world, 0, "Sell", "0.03", "", ",'stopLoss':'70000'");
    position_shows(world, "side", "Sell");
    position_shows(world, "size", "0.020");
    position_shows(world, "avgPrice", "63999.9");
    position_shows(world, "stopLoss", "70000.00");
    assert_int_equal(count_of(world, "/v5/order/realtime", OPEN), 1);
    execution_shows(world, "0.closedSize", "0.010");
    /* One third of the fee of 1.05599835 is the old position's. */
    position_shows(world, "curRealisedPnl", "-0.7039989");
    position_shows(world, "cumRealisedPnl", "-1.4099989");
    wallet_shows(world, "totalWalletBalance", "9998.59000110");
}

static void test_stop_closes(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.01", "", ",'stopLoss':'63000','takeProfit':'66000'");
    position_shows(world, "stopLoss", "63000.00");
    position_shows(world, "takeProfit", "66000.00");
    shows(world, "/v5/order/realtime", OPEN, "list.1.stopOrderType", "StopLoss");
    shows(world, "/v5/order/realtime", OPEN, "list.1.createType", "CreateByStopLoss");
    shows(world, "/v5/order/realtime", OPEN, "list.1.orderStatus", "Untriggered");
    shows(world, "/v5/order/realtime", OPEN, "list.1.side", "Sell");
    price(world, "62000");
    position_shows(world, "side", "");
    position_shows(world, "stopLoss", "");
    execution_shows(world, "0.execPrice", "62999.90");
    execution_shows(world, "0.stopOrderType", "StopLoss");
    execution_shows(world, "0.createType", "CreateByStopLoss");
    execution_shows(world, "0.closedSize", "0.010");
    execution_shows(world, "0.orderLinkId", "");
    shows(world, "/v5/order/history", OPEN "&orderStatus=Deactivated", "list.0.cancelType",
          "CancelByTpSlTsClear");
    shows(world, "/v5/order/history", OPEN "&orderStatus=Deactivated", "list.0.stopOrderType",
          "TakeProfit");
    assert_int_equal(count_of(world, "/v5/order/realtime", OPEN), 0);
}

static void test_target_closes(void **state) {
    struct world *world = *state;
    order(world, 0, "Sell", "0.01", "", ",'stopLoss':'66000','takeProfit':'62000'");
    price(world, "61000");
    execution_shows(world, "0.execPrice", "62000.10");
    execution_shows(world, "0.stopOrderType", "TakeProfit");
    position_shows(world, "side", "");
}

/* From the first fill on, for what is filled. */
static void test_stop_of_a_partly_filled_order(void **state) {
    struct world *world = *state;
    run_control(world, "set_market", "{'depth':'0.004'}");
    order(world, 0, "Buy", "0.01", "63000", ",'stopLoss':'62000','orderLinkId':'one'");
    position_shows(world, "stopLoss", "");
    price(world, "63000");
    position_shows(world, "stopLoss", "62000.00");
    shows(world, "/v5/order/realtime", OPEN, "list.0.qty", "0.004");
    price(world, "62999");
    shows(world, "/v5/order/realtime", OPEN, "list.0.qty", "0.008");
    price(world, "61900"); /* fills the rest on its way, then the stop closes all */
    order_shows(world, "one", "cumExecQty", "0.010");
    position_shows(world, "size", "0.000");
    execution_shows(world, "0.execQty", "0.002"); /* in pieces of the depth */
    execution_shows(world, "1.execQty", "0.004");
    execution_shows(world, "2.execQty", "0.004");
    execution_shows(world, "2.stopOrderType", "StopLoss");
}

/* A position that the rest of an order opens anew is protected anew; one that it only enlarges
 * keeps the stop it was given meanwhile. */
static void test_stop_comes_again(void **state) {
    struct world *world = *state;
    run_control(world, "set_market", "{'depth':'0.004'}");
    order(world, 0, "Buy", "0.012", "63000", ",'stopLoss':'62000','takeProfit':'66000'");
    price(world, "63000");
    price(world, "63500");
    order(world, 0, "Sell", "0.004", "", ",'reduceOnly':true");
    position_shows(world, "side", "");
    position_shows(world, "stopLoss", "");
    price(world, "63000");
    position_shows(world, "size", "0.004");
    position_shows(world, "stopLoss", "62000.00");
    position_shows(world, "takeProfit", "66000.00");
    check(world, 0, "/v5/position/trading-stop",
          "{'category':'linear','symbol':'BTCUSDT','tpslMode':'Full','positionIdx':0,"
          "'stopLoss':'61000'}");
    price(world, "63000");
    position_shows(world, "size", "0.008");
    position_shows(world, "stopLoss", "61000.00");
}

static void trading_stop(struct world *world, int64_t code, const char *more) {
    AUTO_FREE char *text = text_format("{'category':'linear','symbol':'BTCUSDT','tpslMode':'Full',"
                                       "'positionIdx':0%s}",
                                       more);
    check(world, code, "/v5/position/trading-stop", text);
}

static void test_trading_stop(void **state) {
    struct world *world = *state;
    trading_stop(world, 10001, ",'stopLoss':'60000'"); /* no position */
    order(world, 0, "Buy", "0.01", "", "");
    trading_stop(world, 34040, "");
    trading_stop(world, 34040, ",'stopLoss':'0'");
    trading_stop(world, 10001, ",'stopLoss':'65000'");
    trading_stop(world, 10001, ",'takeProfit':'63000'");
    trading_stop(world, 10001, ",'stopLoss':'60000.05'");
    trading_stop(world, 10001, ",'stopLoss':60000");
    trading_stop(world, 10001, ",'takeProfit':'1999999.9'"); /* price_max */
    trading_stop(world, 10001, ",'trailingStop':'100'");
    trading_stop(world, 0, ",'stopLoss':'60000','takeProfit':'70000'");
    trading_stop(world, 34040, ",'stopLoss':'60000'");
    trading_stop(world, 0, ",'stopLoss':'61000'");
    position_shows(world, "stopLoss", "61000.00");
    position_shows(world, "takeProfit", "70000.00");
    assert_int_equal(count_of(world, "/v5/order/realtime", OPEN), 2);
    trading_stop(world, 0, ",'takeProfit':'0'");
    position_shows(world, "takeProfit", "");
    assert_int_equal(count_of(world, "/v5/order/realtime", OPEN), 1);
    price(world, "61000");
    position_shows(world, "side", "");
}

static void test_what_a_trading_stop_needs(void **state) {
    struct world *world = *state;
    static const struct {
        const char *more;
        int64_t code;
    } rows[] = {{"", 10001},
                {",'tpslMode':'Full'", 10001},
                {",'positionIdx':0", 10001},
                {",'tpslMode':'Full','positionIdx':1", 10001},
                {",'tpslMode':'Full','positionIdx':'x'", 10001},
                {",'tpslMode':'Partial','positionIdx':0", 10001},
                {",'tpslMode':'Full','positionIdx':0", 0}};
    order(world, 0, "Buy", "0.01", "", "");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *text = text_format(
            "{'category':'linear','symbol':'BTCUSDT','stopLoss':'60000'%s}", rows[i].more);
        check(world, rows[i].code, "/v5/position/trading-stop", text);
    }
}

static void leverage(struct world *world, int64_t code, const char *buy, const char *sell) {
    AUTO_FREE char *text = text_format(
        "{'category':'linear','symbol':'BTCUSDT','buyLeverage':'%s','sellLeverage':'%s'}", buy,
        sell);
    check(world, code, "/v5/position/set-leverage", text);
}

static void test_leverage(void **state) {
    struct world *world = *state;
    leverage(world, 110043, "10", "10.00");
    leverage(world, 10001, "5", "6");
    leverage(world, 110013, "0.5", "0.5");
    leverage(world, 110013, "101", "101");
    leverage(world, 0, "100", "100");
    position_shows(world, "leverage", "100");
    order(world, 0, "Buy", "10", "", "");
    leverage(world, 110012, "10", "10");
    position_shows(world, "leverage", "100");
}

static void test_switch_mode(void **state) {
    struct world *world = *state;
    check(world, 110025, "/v5/position/switch-mode",
          "{'category':'linear','symbol':'BTCUSDT','mode':0}");
    check(world, 10001, "/v5/position/switch-mode",
          "{'category':'linear','symbol':'BTCUSDT','mode':3}");
}

static void test_liquidation(void **state) {
    struct world *world = *state;
    leverage(world, 0, "100", "100");
    order(world, 0, "Buy", "5", "", ",'stopLoss':'10000'");
    order(world, 0, "Buy", "0.001", "20000", ",'orderLinkId':'one'");
    json_t *ret = result(world, "/v5/position/list", OPEN);
    AUTO_FREE char *at_price = text_copy(at(ret, "list.0.liqPrice"));
    json_decref(ret);
    assert_string_equal(at_price, "62347.04");
    price(world, "62347.1");
    position_shows(world, "side", "Buy");
    price(world, "50000");
    position_shows(world, "side", "");
    execution_shows(world, "0.execType", "BustTrade");
    execution_shows(world, "0.createType", "CreateByLiq");
    execution_shows(world, "0.execPrice", "62346.90"); /* not at 50000 */
    order_shows(world, "one", "cancelType", "CancelAllBeforeLiq");
    wallet_shows(world, "totalWalletBalance", "1386.54575000");
}

static void test_liquidation_of_a_short(void **state) {
    struct world *world = *state;
    leverage(world, 0, "100", "100");
    order(world, 0, "Sell", "5", "", "");
    price(world, "90000");
    position_shows(world, "side", "");
    execution_shows(world, "0.execType", "BustTrade");
}

/* A price where the market cannot go is no reason to end anybody. */
static void test_no_liquidation_beyond_the_bounds(void **state) {
    struct world *world = *state;
    order(world, 0, "Sell", "0.001", "", "");
    position_shows(world, "liqPrice", "");
    price(world, "1999999.8");
    position_shows(world, "side", "Sell");
    run_control(world, "set_price", "{'symbol':'SOLUSDT','price':'10'}");
    check(world, 0, "/v5/order/create", /* its own would be 0.0094 */
          "{'category':'linear','symbol':'SOLUSDT','side':'Buy','orderType':'Market',"
          "'qty':'804.9'}");
    shows(world, "/v5/position/list", "category=linear&symbol=SOLUSDT", "list.0.liqPrice", "");
    run_control(world, "set_price", "{'symbol':'SOLUSDT','price':'0.02'}");
    shows(world, "/v5/position/list", "category=linear&symbol=SOLUSDT", "list.0.side", "Buy");
}

/* No sum of random trades loses or makes money: the balance is what the fills say. */
static void test_books_add_up(void **state) {
    struct world *world = *state;
    uint64_t random = 5;
    struct decimal balance = decimal_of(10000);
    for (int i = 0; i < 400; i++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        unsigned dice = (unsigned)(random >> 33);
        AUTO_FREE char *qty = text_format("0.0%02u", 1 + dice % 30);
        AUTO_FREE char *limit = text_format("%u", 62000 + dice / 8 % 4000);
        AUTO_FREE char *side = text_copy(dice % 2 ? "Buy" : "Sell");
        if (dice % 5 < 2)
            start(world, "/v5/order/create", "{}");
        else
            price(world, limit);
        AUTO_FREE char *text = text_format(
            "{'category':'linear','symbol':'BTCUSDT','side':'%s','orderType':'%s','qty':'%s',"
            "'price':'%s'}",
            side, dice % 3 ? "Limit" : "Market", qty, limit);
        start(world, "/v5/order/create", text);
        struct exchange_sim_answer answer;
        while (exchange_sim_next_answer(world->sim, world->now, &answer))
            exchange_sim_answer_deinit(&answer);
    }
    json_t *books = control(world, "books", "{}");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(books, "executions"), i, row) {
        struct decimal fee, pnl;
        must(decimal_read(slice_of(at(row, "execFee")), &fee) == 0);
        must(decimal_read(slice_of(at(row, "execPnl")), &pnl) == 0);
        must(decimal_add(balance, pnl, &balance) == 0);
        must(decimal_sub(balance, fee, &balance) == 0);
    }
    assert_true(json_array_size(json_object_get(books, "executions")) > 100);
    char text[DECIMAL_TEXT_BYTES];
    assert_string_equal(at(books, "wallet.totalWalletBalance"),
                        decimal_print_places(balance, 8, text));
    json_decref(books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_position_of_several_fills),
        WORLD_TEST(test_position_turns_round),
        WORLD_TEST(test_stop_closes),
        WORLD_TEST(test_target_closes),
        WORLD_TEST(test_stop_of_a_partly_filled_order),
        WORLD_TEST(test_stop_comes_again),
        WORLD_TEST(test_trading_stop),
        WORLD_TEST(test_what_a_trading_stop_needs),
        WORLD_TEST(test_leverage),
        WORLD_TEST(test_switch_mode),
        WORLD_TEST(test_liquidation),
        WORLD_TEST(test_liquidation_of_a_short),
        WORLD_TEST(test_no_liquidation_beyond_the_bounds),
        WORLD_TEST(test_books_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
