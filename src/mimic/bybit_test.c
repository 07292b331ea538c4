/* SPDX-License-Identifier: Apache-2.0 */
#include "mimic/bybit_test.h"
#include <errno.h>

static int64_t code_of(struct world *world, const struct exchange_sim_call *call, int status) {
    exchange_sim_call(world->sim, call, world->now);
    struct exchange_sim_answer answer = taken(world, call->ticket);
    assert_int_equal(answer.status, status);
    json_t *body = json_loadb(answer.body, answer.body_size, 0, NULL);
    int64_t code = json_integer_value(json_object_get(body, "retCode"));
    json_decref(body);
    exchange_sim_answer_deinit(&answer);
    return code;
}

static void test_authentication(void **state) {
    struct world *world = *state;
    static const struct {
        const char *key;
        int64_t timestamp; /* from now on */
        const char *recv_window;
        bool good;
        int64_t code;
    } rows[] = {{"paper", 0, "5000", true, 0},          {"paper", -5000, "5000", true, 0},
                {"paper", -5001, "5000", true, 10002},  {"paper", -5001, "", true, 10002},
                {"paper", -5000, NULL, true, 0},        {"paper", 999, "5000", true, 0},
                {"paper", 1000, "5000", true, 10002},   {"paper", 1000, "60000", true, 10002},
                {"paper", -59999, "60000", true, 0},    {"paper", 0, "x", true, 10002},
                {"nobody", 0, "5000", true, 10003},     {"paper", 0, "5000", false, 10004},
                {"", 0, "5000", true, 10001},           {NULL, 0, "5000", false, 10001},
                {"nobody", -9000, "5000", false, 10002}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char unused[32];
        AUTO_FREE char *timestamp =
            text_format("%lld", (long long)(world->now + rows[i].timestamp));
        struct exchange_sim_call call = call_of(world, "/v5/account/info", "", unused);
        call.key = rows[i].key;
        call.timestamp = timestamp;
        call.recv_window = rows[i].recv_window;
        call.signature_good = rows[i].good;
        assert_int_equal(code_of(world, &call, 200), rows[i].code);
    }
}

static void test_timestamps_that_are_none(void **state) {
    struct world *world = *state;
    static const char *const rows[] = {"", "x", "-1", "1e12", "99999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char unused[32];
        struct exchange_sim_call call = call_of(world, "/v5/account/info", "", unused);
        call.timestamp = rows[i];
        assert_int_equal(code_of(world, &call, 200), i == 0 ? 10001 : 10002);
    }
}

static void test_public_needs_no_key(void **state) {
    struct world *world = *state;
    char timestamp[32];
    struct exchange_sim_call call = call_of(world, "/v5/market/time", "", timestamp);
    call.key = call.timestamp = NULL;
    call.signature_good = false;
    exchange_sim_call(world->sim, &call, world->now);
    struct exchange_sim_answer answer = taken(world, call.ticket);
    assert_int_equal(answer.limit, -1);
    assert_string_equal(answer.body,
                        "{\"retCode\":0,\"retMsg\":\"OK\",\"result\":{\"timeSecond\":"
                        "\"1795310513\",\"timeNano\":\"1795310513000000000\"},\"retExtInfo\":{},"
                        "\"time\":1795310513000}");
    exchange_sim_answer_deinit(&answer);
}

static void test_routes(void **state) {
    struct world *world = *state;
    static const char *const rows[] = {"/v5/order/fly", "/v5/", "/v3/order/create",
                                       "/v5/order/create/"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char timestamp[32];
        struct exchange_sim_call call = call_of(world, rows[i], "{}", timestamp);
        assert_int_equal(code_of(world, &call, 404), 10017);
    }
    char timestamp[32];
    struct exchange_sim_call call = call_of(world, "/v5/order/create", "", timestamp);
    assert_int_equal(code_of(world, &call, 404), 10017); /* GET */
}

static void test_bodies_that_are_none(void **state) {
    struct world *world = *state;
    static const char *const rows[] = {"{", "{'a':1", "{}x"};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check(world, 10001, "/v5/order/create", rows[i]);
    check(world, 10001, "/v5/order/create", "{}");
    check(world, 10001, "/v5/order/create-batch", "{'category':'linear','request':[]}");
    check(world, 10001, "/v5/order/create-batch", "{'category':'linear','request':7}");
}

static void test_skewed_clock(void **state) {
    struct world *world = *state;
    run_control(world, "set_clock", "{'skew_ms':7000}");
    check(world, 10002, "/v5/account/info", "");
    json_t *body = envelope(world, 0, "/v5/market/time", "");
    assert_string_equal(at(body, "time"), "1795310520000");
    assert_string_equal(at(body, "result.timeSecond"), "1795310520");
    json_decref(body);
    run_control(world, "set_clock", "{'skew_ms':-1500}");
    check(world, 10002, "/v5/account/info", ""); /* ours is fast: no window helps */
    run_control(world, "set_clock", "{'skew_ms':'0'}");
    check(world, 0, "/v5/account/info", "");
    control_refused(world, "set_clock", "{}", 400);
}

static void test_accounts(void **state) {
    struct world *world = *state;
    struct decimal money = decimal_of(100);
    assert_string_equal(exchange_sim_secret_of(world->sim, "paper"), "secret");
    assert_null(exchange_sim_secret_of(world->sim, "other"));
    assert_int_equal(exchange_sim_add_account(world->sim, "paper", "x", money), -EEXIST);
    assert_int_equal(exchange_sim_add_account(world->sim, "", "x", money), -EINVAL);
    assert_int_equal(exchange_sim_add_account(world->sim, "x", "", money), -EINVAL);
    assert_int_equal(exchange_sim_add_account(world->sim, "\xff", "x", money), -EINVAL);
    assert_int_equal(exchange_sim_add_account(world->sim, "x", "x", decimal_of(-1)), -EINVAL);
    for (int i = 1; i < EXCHANGE_SIM_ACCOUNTS_MAX; i++) {
        AUTO_FREE char *key = text_format("key%d", i);
        assert_int_equal(exchange_sim_add_account(world->sim, key, "x", money), 0);
    }
    assert_int_equal(exchange_sim_add_account(world->sim, "more", "x", money), -ENOSPC);
}

/* What one account does, no other sees. */
static void test_accounts_are_apart(void **state) {
    struct world *world = *state;
    run_control(world, "add_account", "{'key':'other','secret':'x','balance':500}");
    order(world, 0, "Buy", "0.01", "", "");
    json_t *books = control(world, "books", "{'key':'other'}");
    assert_string_equal(at(books, "wallet.totalEquity"), "500.00000000");
    assert_int_equal(json_array_size(json_object_get(books, "orders")), 0);
    json_decref(books);
}

static void test_answers_are_bounded(void **state) {
    struct world *world = *state;
    for (int i = 0; i < EXCHANGE_SIM_PENDING_MAX; i++)
        start(world, "/v5/market/time", "");
    uint64_t last = start(world, "/v5/market/time", "");
    struct exchange_sim_answer answer;
    size_t count = 0;
    while (exchange_sim_next_answer(world->sim, world->now, &answer)) {
        assert_int_equal(answer.status, answer.ticket == last ? 429 : 200);
        exchange_sim_answer_deinit(&answer);
        count++;
    }
    assert_int_equal(count, EXCHANGE_SIM_PENDING_MAX + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_authentication),
        WORLD_TEST(test_timestamps_that_are_none),
        WORLD_TEST(test_public_needs_no_key),
        WORLD_TEST(test_routes),
        WORLD_TEST(test_bodies_that_are_none),
        WORLD_TEST(test_skewed_clock),
        WORLD_TEST(test_accounts),
        WORLD_TEST(test_accounts_are_apart),
        WORLD_TEST(test_answers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
