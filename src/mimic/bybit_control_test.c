/* SPDX-License-Identifier: Apache-2.0 */
#include "mimic/bybit_test.h"

static void test_price(void **state) {
    struct world *world = *state;
    json_t *ret = control(world, "set_price", "{'symbol':'ETHUSDT','percent':'-10'}");
    assert_string_equal(at(ret, "last"), "2880.00");
    json_decref(ret);
    ret = control(world, "set_price", "{'symbol':'ETHUSDT','percent':2.5}");
    assert_string_equal(at(ret, "last"), "2952.00");
    json_decref(ret);
    ret = control(world, "set_price", "{'symbol':'BTCUSDT','price':64000.17}");
    assert_string_equal(at(ret, "last"), "64000.20"); /* on a tick */
    json_decref(ret);
    static const char *const wrong[] = {"{'symbol':'BTCUSDT'}",
                                        "{'symbol':'BTCUSDT','price':0}",
                                        "{'symbol':'BTCUSDT','price':-1}",
                                        "{'symbol':'BTCUSDT','price':'x'}",
                                        "{'symbol':'BTCUSDT','percent':-100}",
                                        "{'symbol':'BTCUSDT','percent':'x'}",
                                        "{'symbol':'BTCUSDT','percent':[]}"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        control_refused(world, "set_price", wrong[i], 400);
    control_refused(world, "set_price", "{'symbol':'XYZUSDT','price':1}", 404);
    control_refused(world, "fly", "{}", 404);
}

static void test_market(void **state) {
    struct world *world = *state;
    json_t *ret = control(world, "market", "{}");
    assert_string_equal(at(ret, "mode"), "still");
    assert_string_equal(at(ret, "symbols.2.symbol"), "SOLUSDT");
    assert_string_equal(at(ret, "symbols.2.ask"), "150.010");
    AUTO_FREE char *after = text_format("{'after':'%s'}", at(ret, "next"));
    json_decref(ret);
    ret = control(world, "market", after);
    assert_string_equal(at(ret, "changed"), "false");
    json_decref(ret);
    price(world, "65280");
    ret = control(world, "market", after);
    assert_string_equal(at(ret, "changed"), "true");
    assert_string_equal(at(ret, "symbols.0.change_percent"), "2.0000");
    assert_string_equal(at(ret, "symbols.0.points.0.price"), "65280.00");
    json_decref(ret);
    control_refused(world, "set_market", "{'mode':'fly'}", 400);
    control_refused(world, "set_market", "{'volatility':-1}", 400);
    control_refused(world, "set_market", "{'depth':'x'}", 400);
    control_refused(world, "set_market", "{'depth':1,'symbol':'x'}", 404);
}

static char *last_price(struct world *world) {
    json_t *ret = control(world, "market", "{}");
    char *text = text_copy(at(ret, "symbols.0.last"));
    json_decref(ret);
    return text;
}

/* The same walk, looked at often or once. */
static void test_walk(void **state) {
    struct world *world = *state, *other = NULL;
    world_open((void **)&other);
    run_control(world, "set_market", "{'mode':'walk'}");
    run_control(other, "set_market", "{'mode':'walk'}");
    for (int i = 0; i < 20; i++) {
        world->now += 250;
        free(last_price(world));
    }
    other->now += 5000;
    AUTO_FREE char *often = last_price(world);
    AUTO_FREE char *once = last_price(other);
    assert_string_equal(often, once);
    assert_string_not_equal(often, "64000.00");
    /* A year that nobody watched is the last minutes of it. */
    other->now += 365 * 86400000LL;
    json_t *ret = control(other, "market", "{}");
    assert_int_equal(json_array_size(json_object_get(
                         json_array_get(json_object_get(ret, "symbols"), 0), "points")),
                     EXCHANGE_SIM_POINTS_MAX);
    json_decref(ret);
    world_close((void **)&other);
}

/* Nothing wakes when nobody waits for a price. */
static void test_walk_is_lazy(void **state) {
    struct world *world = *state;
    run_control(world, "set_market", "{'mode':'walk'}");
    assert_int_equal(exchange_sim_deadline(world->sim), INT64_MAX);
    exchange_sim_watch(world->sim, true);
    assert_int_equal(exchange_sim_deadline(world->sim), world->now + 500);
    exchange_sim_watch(world->sim, false);
    order(world, 0, "Buy", "0.001", "60000", ",'orderLinkId':'one'");
    assert_int_equal(exchange_sim_deadline(world->sim), world->now + 500);
    check(world, 0, "/v5/order/cancel",
          "{'category':'linear','symbol':'BTCUSDT','orderLinkId':'one'}");
    assert_int_equal(exchange_sim_deadline(world->sim), INT64_MAX);
    order(world, 0, "Buy", "0.001", "", "");
    assert_int_equal(exchange_sim_deadline(world->sim), world->now + 500);
}

static void test_walk_stays_within_bounds(void **state) {
    struct world *world = *state;
    run_control(world, "set_market", "{'mode':'walk','volatility':100000}");
    for (int i = 0; i < 200; i++) {
        world->now += 60000;
        AUTO_FREE char *last = last_price(world);
        assert_in_range(atoi(last), 64000 / 8, 64000 * 8);
    }
}

static void test_script(void **state) {
    struct world *world = *state;
    run_control(world, "set_market",
                "{'mode':'script','script':[{'after_ms':1000,'symbol':'BTCUSDT','price':'63000'},"
                "{'after_ms':2000,'symbol':'BTCUSDT','price':62000.5}]}");
    order(world, 0, "Buy", "0.001", "63500", ",'orderLinkId':'one'");
    assert_int_equal(exchange_sim_deadline(world->sim), world->now + 1000);
    world->now += 1000;
    order_shows(world, "one", "orderStatus", "Filled");
    world->now += 5000;
    AUTO_FREE char *last = last_price(world);
    assert_string_equal(last, "62000.50");
    assert_int_equal(exchange_sim_deadline(world->sim), INT64_MAX);
    static const char *const wrong[] = {
        "{'mode':'script'}",
        "{'mode':'script','script':[]}",
        "{'mode':'script','script':'x'}",
        "{'mode':'script','script':[{'after_ms':-1,'symbol':'BTCUSDT','price':1}]}",
        "{'mode':'script','script':[{'after_ms':5,'symbol':'BTCUSDT','price':0}]}",
        ("{'mode':'script','script':[{'after_ms':5,'symbol':'BTCUSDT','price':1},"
         "{'after_ms':4,'symbol':'BTCUSDT','price':1}]}")};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        control_refused(world, "set_market", wrong[i], 400);
}

static void test_books(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'one'");
    json_t *books = control(world, "books", "{'key':'paper'}");
    assert_string_equal(at(books, "orders.0.orderLinkId"), "one");
    assert_string_equal(at(books, "positions.0.size"), "0.001");
    assert_string_equal(at(books, "executions.0.execQty"), "0.001");
    assert_null(strstr(at(books, "wallet"), "secret"));
    AUTO_FREE char *after = text_format("{'after':%s}", at(books, "next"));
    json_decref(books);
    books = control(world, "books", after);
    assert_string_equal(at(books, "changed"), "false");
    json_decref(books);
    check(world, 0, "/v5/account/info", ""); /* changes nothing in them */
    books = control(world, "books", after);
    assert_string_equal(at(books, "changed"), "false");
    json_decref(books);
    order(world, 0, "Sell", "0.001", "70000", "");
    books = control(world, "books", after);
    assert_string_equal(at(books, "changed"), "true");
    json_decref(books);
    control_refused(world, "books", "{'key':'nobody'}", 404);
}

static void test_adding_accounts(void **state) {
    struct world *world = *state;
    run_control(world, "add_account", "{'key':'a','secret':'b'}");
    json_t *books = control(world, "books", "{'key':'a'}");
    assert_string_equal(at(books, "wallet.totalEquity"), "10000.00000000");
    json_decref(books);
    control_refused(world, "add_account", "{'key':'a','secret':'b'}", 409);
    control_refused(world, "add_account", "{'key':'','secret':'b'}", 400);
    control_refused(world, "add_account", "{'key':'c','secret':'b','balance':'x'}", 400);
    control_refused(world, "add_account", "{'key':'c','secret':'b','balance':1000000000}", 400);
}

static void test_calls_are_logged(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", ",'orderLinkId':'one'");
    order(world, 110072, "Buy", "0.001", "", ",'orderLinkId':'one'");
    run_control(world, "arm_fault", "{'kind':'lost'}");
    struct exchange_sim_answer answer = taken(world, start(world, "/v5/account/info", ""));
    exchange_sim_answer_deinit(&answer);
    json_t *ret = control(world, "calls", "{}");
    assert_int_equal(json_array_size(json_object_get(ret, "calls")), 3);
    assert_string_equal(at(ret, "calls.1.retCode"), "110072");
    assert_string_equal(at(ret, "calls.1.orderLinkId"), "one");
    assert_string_equal(at(ret, "calls.1.path"), "/v5/order/create");
    assert_string_equal(at(ret, "calls.1.key"), "paper");
    assert_string_equal(at(ret, "calls.2.fault"), "lost");
    assert_string_equal(at(ret, "calls.2.status"), "0");
    json_decref(ret);
    ret = control(world, "calls", "{'after':'2','path':'/v5/account/info'}");
    assert_int_equal(json_array_size(json_object_get(ret, "calls")), 1);
    json_decref(ret);
    for (int i = 0; i < EXCHANGE_SIM_CALLS_MAX; i++)
        check(world, 0, "/v5/market/time", "");
    ret = control(world, "calls", "{}");
    assert_int_equal(json_array_size(json_object_get(ret, "calls")), EXCHANGE_SIM_CALLS_MAX);
    assert_string_equal(at(ret, "calls.0.number"), "4");
    json_decref(ret);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_price),
        WORLD_TEST(test_market),
        WORLD_TEST(test_walk),
        WORLD_TEST(test_walk_is_lazy),
        WORLD_TEST(test_walk_stays_within_bounds),
        WORLD_TEST(test_script),
        WORLD_TEST(test_books),
        WORLD_TEST(test_adding_accounts),
        WORLD_TEST(test_calls_are_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
