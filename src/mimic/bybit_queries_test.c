/* SPDX-License-Identifier: Apache-2.0 */
/* What the lists show, page by page, and what anybody may ask. */
#include "mimic/bybit_test.h"

/* Every name that clients read, and that all values are texts but these. */
static void has_fields(const json_t *row, const char *names) {
    AUTO_FREE char *copy = text_copy(names);
    for (char *name = strtok(copy, " "); name; name = strtok(NULL, " ")) {
        char kind = name[strlen(name) - 1];
        bool other = kind == '#' || kind == '!' || kind == '{';
        if (other)
            name[strlen(name) - 1] = 0;
        const json_t *value = json_object_get(row, name);
        bool good = kind == '#'   ? json_is_integer(value)
                    : kind == '!' ? json_is_boolean(value)
                    : kind == '{' ? json_is_object(value)
                                  : json_is_string(value);
        if (!good)
            print_error("%s\n", name);
        assert_true(good);
    }
}

static void first_has(struct world *world, const char *path, const char *query, const char *names) {
    json_t *ret = result(world, path, query);
    has_fields(json_array_get(json_object_get(ret, "list"), 0), names);
    json_decref(ret);
}

static void test_order_row(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'one','stopLoss':'60000'");
    const char *names =
        "orderId orderLinkId symbol price qty side positionIdx# orderStatus cancelType "
        "rejectReason "
        "avgPrice leavesQty leavesValue cumExecQty cumExecValue cumExecFee cumFeeDetail{ "
        "timeInForce orderType stopOrderType triggerPrice triggerDirection# triggerBy takeProfit "
        "stopLoss tpslMode reduceOnly! closeOnTrigger! createdTime updatedTime createType";
    first_has(world, "/v5/order/realtime", OPEN, names);
    first_has(world, "/v5/order/history", OPEN, names);
    order_shows(world, "one", "cumFeeDetail.USDT", "0.03520006");
    order_shows(world, "one", "createdTime", "1795310513000");
    order_shows(world, "one", "stopLoss", "60000.00"); /* also after it was handed over */
}

static void test_execution_row(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", "");
    first_has(world, "/v5/execution/list", "category=linear",
              "symbol orderId orderLinkId side orderPrice orderQty leavesQty orderType execFee "
              "execId execPrice execQty execType execValue execTime feeCurrency isMaker! feeRate "
              "markPrice closedSize seq# stopOrderType createType");
}

/* The last fill carries the number of the position that it made. */
static void test_seq_of_an_execution(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        order(world, 0, i == 2 ? "Sell" : "Buy", "0.001", "", "");
        json_t *ret = result(world, "/v5/position/list", OPEN);
        AUTO_FREE char *seq = text_copy(at(ret, "list.0.seq"));
        json_decref(ret);
        execution_shows(world, "0.seq", seq);
    }
    json_t *ret = result(world, "/v5/execution/list", OPEN);
    AUTO_FREE char *first = text_copy(at(ret, "list.2.seq"));
    assert_true(atoi(at(ret, "list.1.seq")) > atoi(first));
    json_decref(ret);
}

static void test_position_row(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", "");
    first_has(world, "/v5/position/list", "category=linear&settleCoin=USDT",
              "positionIdx# symbol side size avgPrice positionValue leverage markPrice liqPrice "
              "takeProfit stopLoss trailingStop unrealisedPnl curRealisedPnl cumRealisedPnl "
              "positionStatus seq# isReduceOnly! createdTime updatedTime");
}

static void test_wallet(void **state) {
    struct world *world = *state;
    const char *wallet = "/v5/account/wallet-balance";
    check(world, 10001, wallet, "");
    check(world, 10001, wallet, "accountType=SPOT");
    first_has(world, wallet, "accountType=UNIFIED&coin=USDT",
              "totalEquity totalWalletBalance totalMarginBalance totalAvailableBalance "
              "totalPerpUPL totalInitialMargin totalMaintenanceMargin accountIMRate "
              "accountMMRate");
    json_t *ret = result(world, wallet, "accountType=UNIFIED");
    has_fields(
        json_array_get(json_object_get(json_array_get(json_object_get(ret, "list"), 0), "coin"), 0),
        "coin equity usdValue walletBalance locked totalOrderIM totalPositionIM "
        "totalPositionMM unrealisedPnl cumRealisedPnl spotBorrow");
    json_decref(ret);
    order(world, 0, "Buy", "0.1", "", "");
    price(world, "65000");
    wallet_shows(world, "totalPerpUPL", "99.99000000");
    wallet_shows(world, "totalInitialMargin", "650.00000000");
    wallet_shows(world, "totalMaintenanceMargin", "32.50000000");
    wallet_shows(world, "totalEquity", "10096.46999450");
    wallet_shows(world, "totalAvailableBalance", "9446.46999450");
}

static void test_account_info_and_fees(void **state) {
    struct world *world = *state;
    json_t *ret = result(world, "/v5/account/info", "");
    assert_string_equal(at(ret, "marginMode"), "REGULAR_MARGIN");
    json_decref(ret);
    shows(world, "/v5/account/fee-rate", OPEN, "list.0.takerFeeRate", "0.00055");
    shows(world, "/v5/account/fee-rate", OPEN, "list.0.makerFeeRate", "0.0002");
    assert_int_equal(count_of(world, "/v5/account/fee-rate", "category=linear"), 3);
}

static void test_what_a_key_may(void **state) {
    struct world *world = *state;
    char timestamp[32];
    json_t *ret = result(world, "/v5/user/query-api", "");
    assert_string_equal(at(ret, "permissions.Wallet.0"), "AccountTransfer");
    assert_string_equal(at(ret, "permissions.ContractTrade.0"), "Order");
    assert_string_equal(at(ret, "readOnly"), "0");
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(ret, "permissions"), "Wallet")), 1);
    json_decref(ret);
    run_control(world, "add_account",
                "{'key':'rich','secret':'s','withdraw':true,'read_only':true}");
    struct exchange_sim_call call = call_of(world, "/v5/user/query-api", "", timestamp);
    call.key = "rich";
    exchange_sim_call(world->sim, &call, world->now);
    struct exchange_sim_answer answer = taken(world, call.ticket);
    assert_non_null(strstr(answer.body, "\"Withdraw\""));
    assert_non_null(strstr(answer.body, "\"readOnly\":1"));
    exchange_sim_answer_deinit(&answer);
}

/* Every row once, whichever way the cursor is encoded. */
static void pages(struct world *world, const char *path, const char *query, size_t wanted) {
    AUTO_FREE char *cursor = text_copy("");
    size_t rows = 0, turns = 0;
    do {
        AUTO_FREE char *asked = text_format("%s&limit=2&cursor=%s", query, cursor);
        json_t *ret = result(world, path, asked);
        size_t count = json_array_size(json_object_get(ret, "list"));
        assert_in_range(count, 1, 2);
        rows += count;
        free(cursor);
        cursor = text_copy(at(ret, "nextPageCursor"));
        if (*cursor && turns % 2) { /* encoded once more, as some clients do */
            assert_non_null(strstr(cursor, "%3D"));
            char twice[128] = "";
            for (const char *p = cursor; *p; p++)
                strcat(twice, *p == '%' ? "%25" : (char[2]){*p, 0});
            free(cursor);
            cursor = text_copy(twice);
        }
        json_decref(ret);
    } while (*cursor && ++turns < 20);
    assert_int_equal(rows, wanted);
}

static void test_pages(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 5; i++) {
        order(world, 0, "Buy", "0.001", "63000", "");
        order(world, 0, "Buy", "0.001", "", "");
    }
    pages(world, "/v5/order/realtime", OPEN, 5);
    pages(world, "/v5/order/history", "category=linear", 5);
    pages(world, "/v5/execution/list", "category=linear", 5);
    static const char *const symbols[] = {"ETHUSDT", "SOLUSDT"};
    for (size_t i = 0; i < 2; i++) {
        AUTO_FREE char *text = text_format(
            "{'category':'linear','symbol':'%s','side':'Sell','orderType':'Market','qty':'1'}",
            symbols[i]);
        check(world, 0, "/v5/order/create", text);
    }
    pages(world, "/v5/position/list", "category=linear&settleCoin=USDT", 3);
}

static void test_what_a_list_needs(void **state) {
    struct world *world = *state;
    static const char *const paths[] = {"/v5/order/realtime", "/v5/position/list"};
    for (size_t i = 0; i < 2; i++) {
        check(world, 10001, paths[i], "category=linear");
        check(world, 10001, paths[i], "symbol=BTCUSDT");
        check(world, 10001, paths[i], "category=spot&symbol=BTCUSDT");
        check(world, 10001, paths[i], "category=linear&symbol=XYZUSDT");
        check(world, 0, paths[i], "category=linear&settleCoin=USDT");
        check(world, 0, paths[i], "category=linear&settleCoin=USDT&symbol=BTCUSDT");
        static const char *const none[] = {"settleCoin=USDC", "baseCoin=ETH", "baseCoin=XYZ"};
        order(world, 0, "Buy", "0.001", "", ",'stopLoss':'60000'");
        assert_int_equal(count_of(world, paths[i], "category=linear&baseCoin=BTC"), 1);
        for (size_t j = 0; j < COUNT_OF(none); j++) {
            AUTO_FREE char *query = text_format("category=linear&%s", none[j]);
            assert_int_equal(count_of(world, paths[i], query), 0);
        }
    }
    check(world, 10001, "/v5/execution/list",
          "category=linear&startTime=1&endTime=604800002"); /* more than 7 days */
    check(world, 0, "/v5/execution/list", "category=linear&startTime=1&endTime=604800001");
}

static void test_ended_orders_by_id(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'one'");
    order(world, 0, "Buy", "0.001", "63000", ",'orderLinkId':'two'");
    order_shows(world, "one", "orderStatus", "Filled");
    order_shows(world, "nothing", "orderStatus", "");
    assert_int_equal(count_of(world, "/v5/order/realtime", OPEN), 1);
    shows(world, "/v5/order/realtime", OPEN "&openOnly=1", "list.0.orderLinkId", "one");
    shows(world, "/v5/order/history", OPEN "&orderLinkId=one", "list.0.orderStatus", "Filled");
    assert_int_equal(count_of(world, "/v5/order/history", OPEN "&orderLinkId=two"), 0);
    assert_int_equal(count_of(world, "/v5/execution/list", OPEN "&orderLinkId=one"), 1);
    assert_int_equal(count_of(world, "/v5/execution/list", OPEN "&orderLinkId=two"), 0);
}

static void test_times_of_lists(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        order(world, 0, "Buy", "0.001", "", "");
        world->now += 1000;
    }
    assert_int_equal(
        count_of(world, "/v5/execution/list", "category=linear&startTime=1795310514000"), 2);
    assert_int_equal(count_of(world, "/v5/execution/list",
                              "category=linear&startTime=1795310514000&endTime=1795310514999"),
                     1);
    assert_int_equal(
        count_of(world, "/v5/order/history", "category=linear&startTime=1795310515000"), 1);
    assert_int_equal(count_of(world, "/v5/execution/list", "category=linear&execType=Funding"), 0);
}

static size_t count_in(struct world *world, int64_t from_day, int64_t until_day) {
    const int64_t day = 86400000, start = 1795310513000;
    AUTO_FREE char *from = text_format("&startTime=%lld", (long long)(start + from_day * day));
    AUTO_FREE char *until = text_format("&endTime=%lld", (long long)(start + until_day * day));
    AUTO_FREE char *query =
        text_format("category=linear%s%s", from_day < 0 ? "" : from, until_day < 0 ? "" : until);
    size_t count = count_of(world, "/v5/execution/list", query);
    assert_int_equal(count_of(world, "/v5/order/history", query), count);
    return count;
}

/* Whatever is missing, a list spans seven days. */
static void test_seven_days(void **state) {
    struct world *world = *state;
    const int64_t day = 86400000;
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'one'"); /* day 0 */
    world->now += 7 * day + 1;
    order(world, 0, "Buy", "0.001", "", "");
    world->now += 4 * day - 1; /* day 11 */
    order(world, 0, "Buy", "0.001", "", "");
    assert_int_equal(count_in(world, -1, -1), 2);
    assert_int_equal(count_in(world, 0, -1), 1);
    assert_int_equal(count_in(world, 1, -1), 1);
    assert_int_equal(count_in(world, 8, -1), 1);
    assert_int_equal(count_in(world, -1, 7), 1);
    assert_int_equal(count_in(world, -1, 11), 2);
    assert_int_equal(count_in(world, -1, 0), 1);
    assert_int_equal(count_in(world, 0, 7), 1);
    assert_int_equal(count_in(world, 5, 11), 2);
    /* One order is found at any time. */
    assert_int_equal(count_of(world, "/v5/order/history", "category=linear&orderLinkId=one"), 1);
    assert_int_equal(count_of(world, "/v5/execution/list", "category=linear&orderLinkId=one"), 1);
    order(world, 0, "Buy", "0.001", "50000", "");
    world->now += 30 * day; /* and what is open always */
    assert_int_equal(count_of(world, "/v5/order/realtime", OPEN), 1);
}

static void test_times_that_are_none(void **state) {
    struct world *world = *state;
    static const char *const rows[] = {"startTime=-9223372036854775807&endTime=9223372036854775806",
                                       "startTime=-9223372036854775808",
                                       "endTime=9223372036854775807",
                                       "startTime=9223372036854775807",
                                       "startTime=-1",
                                       "endTime=-1",
                                       "startTime=x",
                                       "endTime=1e12",
                                       "startTime=1&endTime=604800002"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *query = text_format("category=linear&%s", rows[i]);
        check(world, 10001, "/v5/execution/list", query);
        check(world, 10001, "/v5/order/history", query);
    }
    check(world, 0, "/v5/execution/list", "category=linear&startTime=&endTime=0");
}

static void test_instruments(void **state) {
    struct world *world = *state;
    const char *path = "/v5/market/instruments-info";
    assert_int_equal(count_of(world, path, "category=linear"), 3);
    static const char *const foreign[] = {"",
                                          "category=",
                                          "category=spot",
                                          "category=inverse",
                                          "symbol=BTCUSDT",
                                          "category=spot&symbol=BTCUSDT"};
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        check(world, 10001, path, foreign[i]);
        check(world, 10001, "/v5/market/tickers", foreign[i]);
        check(world, 10001, "/v5/account/fee-rate", foreign[i]);
    }
    assert_int_equal(count_of(world, path, OPEN), 1);
    check(world, 10001, path, "category=linear&symbol=XYZUSDT");
    static const char *const rows[][2] = {{"list.0.priceFilter.tickSize", "0.10"},
                                          {"list.0.priceFilter.maxPrice", "1999999.80"},
                                          {"list.0.lotSizeFilter.qtyStep", "0.001"},
                                          {"list.0.lotSizeFilter.minOrderQty", "0.001"},
                                          {"list.0.lotSizeFilter.maxOrderQty", "1190.000"},
                                          {"list.0.lotSizeFilter.maxMktOrderQty", "500.000"},
                                          {"list.0.lotSizeFilter.minNotionalValue", "5"},
                                          {"list.0.leverageFilter.maxLeverage", "100.00"},
                                          {"list.0.leverageFilter.leverageStep", "0.01"},
                                          {"list.0.priceScale", "2"},
                                          {"list.0.fundingInterval", "480"},
                                          {"list.0.settleCoin", "USDT"},
                                          {"list.0.status", "Trading"},
                                          {"list.0.contractType", "LinearPerpetual"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        shows(world, path, OPEN, rows[i][0], rows[i][1]);
}

static void test_tickers(void **state) {
    struct world *world = *state;
    price(world, "63000");
    first_has(world, "/v5/market/tickers", OPEN,
              "lastPrice indexPrice markPrice bid1Price bid1Size ask1Price ask1Size price24hPcnt "
              "highPrice24h lowPrice24h turnover24h volume24h openInterest fundingRate "
              "nextFundingTime fundingIntervalHour");
    shows(world, "/v5/market/tickers", OPEN, "list.0.bid1Price", "62999.90");
    shows(world, "/v5/market/tickers", OPEN, "list.0.price24hPcnt", "-0.015625");
    assert_int_equal(count_of(world, "/v5/market/tickers", "category=linear"), 3);
}

static void test_orderbook_and_kline(void **state) {
    struct world *world = *state;
    shows(world, "/v5/market/orderbook", OPEN, "b.0.0", "63999.90");
    shows(world, "/v5/market/orderbook", OPEN, "a.0.0", "64000.10");
    price(world, "63000");
    price(world, "66000");
    world->now += 60000;
    price(world, "65000");
    shows(world, "/v5/market/kline", OPEN "&interval=1", "list.0.4", "65000.00");
    shows(world, "/v5/market/kline", OPEN "&interval=1", "list.1.2", "66000.00");
    shows(world, "/v5/market/kline", OPEN "&interval=1", "list.1.3", "63000.00");
    assert_int_equal(count_of(world, "/v5/market/kline", OPEN "&interval=D"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_order_row),
        WORLD_TEST(test_execution_row),
        WORLD_TEST(test_seq_of_an_execution),
        WORLD_TEST(test_position_row),
        WORLD_TEST(test_wallet),
        WORLD_TEST(test_account_info_and_fees),
        WORLD_TEST(test_what_a_key_may),
        WORLD_TEST(test_pages),
        WORLD_TEST(test_what_a_list_needs),
        WORLD_TEST(test_ended_orders_by_id),
        WORLD_TEST(test_times_of_lists),
        WORLD_TEST(test_seven_days),
        WORLD_TEST(test_times_that_are_none),
        WORLD_TEST(test_instruments),
        WORLD_TEST(test_tickers),
        WORLD_TEST(test_orderbook_and_kline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
