/* SPDX-License-Identifier: Apache-2.0 */
#include "mimic/bybit_test.h"

static void arm(struct world *world, const char *request) {
    run_control(world, "arm_fault", request);
}

static uint64_t buy(struct world *world, const char *link_id) {
    AUTO_FREE char *text =
        text_format("{'category':'linear','symbol':'BTCUSDT','side':'Buy','orderType':'Limit',"
                    "'qty':'0.001','price':'63000','orderLinkId':'%s'}",
                    link_id);
    return start(world, "/v5/order/create", text);
}

/* What comes of a create under each fault, and whether the order is there afterwards. */
static void test_faults_of_a_create(void **state) {
    struct world *world = *state;
    static const struct {
        const char *kind;
        int status; /* 0: reset */
        int64_t code;
        bool effect;
    } rows[] = {
        {"lost", 0, 0, true},         {"reset", 0, 0, false},
        {"5xx", 503, -1, false},      {"html", 502, -1, false},
        {"10000", 200, 10000, false}, {"10006", 200, 10006, false},
        {"10016", 200, 10016, false}, {"10016_done", 200, 10016, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *request = text_format(
            "{'path':'/v5/order/create','kind':'%s','count':'1','status':503}", rows[i].kind);
        arm(world, request);
        check(world, 0, "/v5/account/info", ""); /* another path: not meant */
        struct exchange_sim_answer answer = taken(world, buy(world, rows[i].kind));
        assert_int_equal(answer.reset, rows[i].status == 0);
        if (rows[i].status)
            assert_int_equal(answer.status, rows[i].status);
        json_t *body = json_loadb(answer.body, answer.body_size, 0, NULL);
        assert_int_equal(body ? json_integer_value(json_object_get(body, "retCode")) : -1,
                         rows[i].status ? rows[i].code : 0);
        json_decref(body);
        exchange_sim_answer_deinit(&answer);
        order_shows(world, rows[i].kind, "orderStatus", rows[i].effect ? "New" : "");
    }
}

/* It says when to come again, as the real one does. */
static void test_refused_for_a_while(void **state) {
    struct world *world = *state;
    arm(world, "{'kind':'10006','ms':2500}");
    struct exchange_sim_answer answer = taken(world, start(world, "/v5/account/info", ""));
    assert_int_equal(answer.limit_left, 0);
    assert_int_equal(answer.limit_reset_ms, world->now + 2500);
    exchange_sim_answer_deinit(&answer);
}

static void test_delayed_answer(void **state) {
    struct world *world = *state;
    arm(world, "{'kind':'delay','ms':3000}");
    uint64_t ticket = buy(world, "one");
    struct exchange_sim_answer answer;
    assert_false(exchange_sim_next_answer(world->sim, world->now, &answer));
    assert_int_equal(exchange_sim_deadline(world->sim), world->now + 3000);
    order_shows(world, "one", "orderStatus", "New"); /* the effect does not wait */
    world->now += 3000;
    answer = taken(world, ticket);
    assert_int_equal(answer.status, 200);
    exchange_sim_answer_deinit(&answer);
}

/* "Not found" is not the end: the request was still under way. */
static void test_late_effect(void **state) {
    struct world *world = *state;
    arm(world, "{'kind':'late','ms':3000,'path':'/v5/order/create'}");
    struct exchange_sim_answer answer = taken(world, buy(world, "one"));
    assert_true(answer.reset);
    exchange_sim_answer_deinit(&answer);
    order_shows(world, "one", "orderStatus", "");
    assert_int_equal(exchange_sim_deadline(world->sim), world->now + 3000);
    world->now += 3000;
    assert_false(exchange_sim_next_answer(world->sim, world->now, &answer));
    order_shows(world, "one", "orderStatus", "New");
    assert_int_equal(exchange_sim_deadline(world->sim), INT64_MAX);
}

static void test_broken_bodies(void **state) {
    struct world *world = *state;
    size_t whole = 0;
    static const char *const kinds[] = {"", "half", "truncated", "oversize"};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        AUTO_FREE char *request = text_format("{'kind':'%s'}", kinds[i]);
        if (i > 0)
            arm(world, request);
        struct exchange_sim_answer answer = taken(world, start(world, "/v5/account/info", ""));
        json_t *body = json_loadb(answer.body, answer.body_size, 0, NULL);
        assert_int_equal(answer.cut, i == 1);
        assert_int_equal(body == NULL, i == 2);
        if (i == 0)
            whole = answer.body_size;
        else
            assert_int_equal(answer.body_size, i == 2   ? whole / 2
                                               : i == 3 ? whole + (2 << 20)
                                                        : whole);
        json_decref(body);
        exchange_sim_answer_deinit(&answer);
    }
}

static void test_wrong_types(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "63000", "");
    arm(world, "{'kind':'wrong_type'}");
    json_t *ret = result(world, "/v5/order/realtime", OPEN);
    const json_t *row = json_array_get(json_object_get(ret, "list"), 0);
    const char *name;
    json_t *value;
    size_t numbers = 0, arrays = 0;
    json_object_foreach((json_t *)row, name, value) {
        assert_false(json_is_string(value));
        numbers += json_is_integer(value);
        arrays += json_is_array(value);
    }
    assert_true(numbers > 5 && arrays > 5);
    json_decref(ret);
}

static void test_duplicate_row(void **state) {
    struct world *world = *state;
    order(world, 0, "Buy", "0.001", "", "");
    arm(world, "{'kind':'duplicate'}");
    check(world, 0, "/v5/account/info", ""); /* no list: not used up */
    json_t *ret = result(world, "/v5/execution/list", "category=linear");
    const json_t *list = json_object_get(ret, "list");
    assert_int_equal(json_array_size(list), 2);
    assert_true(json_equal(json_array_get(list, 0), json_array_get(list, 1)));
    json_decref(ret);
    assert_int_equal(count_of(world, "/v5/execution/list", "category=linear"), 1);
}

static void test_arming(void **state) {
    struct world *world = *state;
    control_refused(world, "arm_fault", "{}", 400);
    control_refused(world, "arm_fault", "{'kind':'fire'}", 400);
    control_refused(world, "arm_fault", "{'kind':'lost','path':'/v5/fly'}", 400);
    control_refused(world, "arm_fault", "{'kind':'delay','ms':-1}", 400);
    control_refused(world, "arm_fault", "{'kind':'5xx','status':200}", 400);
    arm(world, "{'kind':'10016','count':2}");
    json_t *ret = control(world, "arm_fault", "{'kind':'10000','count':0}");
    AUTO_FREE char *clear = text_format("{'id':%s}", at(ret, "id"));
    json_decref(ret);
    check(world, 10016, "/v5/account/info", "");
    check(world, 10016, "/v5/account/info", "");
    for (int i = 0; i < 5; i++)
        check(world, 10000, "/v5/account/info", "");
    ret = control(world, "faults", "{}");
    assert_string_equal(at(ret, "faults.0.kind"), "10000");
    assert_string_equal(at(ret, "faults.0.count"), "0");
    json_decref(ret);
    run_control(world, "clear_faults", clear);
    check(world, 0, "/v5/account/info", "");
    for (int i = 0; i < EXCHANGE_SIM_FAULTS_MAX; i++)
        arm(world, "{'kind':'lost'}");
    control_refused(world, "arm_fault", "{'kind':'lost'}", 400);
    control_refused(world, "clear_faults", "{'id':'x'}", 400);
    ret = control(world, "clear_faults", "{}");
    assert_string_equal(at(ret, "cleared"), "100");
    json_decref(ret);
}

/* --- rate limits -------------------------------------------------------------------------- */

static void test_rate_limit(void **state) {
    struct world *world = *state;
    run_control(world, "set_limits", "{'percent':100}");
    for (int i = 0; i < 5; i++) {
        struct exchange_sim_answer answer =
            taken(world, start(world, "/v5/account/fee-rate", "category=linear"));
        assert_int_equal(answer.limit, 5);
        assert_int_equal(answer.limit_left, 4 - i);
        assert_int_equal(answer.limit_reset_ms, world->now);
        exchange_sim_answer_deinit(&answer);
    }
    world->now += 400;
    struct exchange_sim_answer answer =
        taken(world, start(world, "/v5/account/fee-rate", "category=linear"));
    assert_int_equal(answer.limit_left, 0);
    assert_int_equal(answer.limit_reset_ms, world->now + 600);
    assert_non_null(strstr(answer.body, "\"retCode\":10006"));
    exchange_sim_answer_deinit(&answer);
    check(world, 0, "/v5/account/info", ""); /* each path for itself */
    world->now += 600;
    check(world, 0, "/v5/account/fee-rate", "category=linear");
}

static void test_limit_of_writes(void **state) {
    struct world *world = *state;
    run_control(world, "set_limits", "{'percent':100}");
    for (int i = 0; i < 12; i++)
        order(world, i < 10 ? 0 : 10006, "Buy", "0.001", "63000", "");
    assert_int_equal(count_of(world, "/v5/order/realtime", OPEN), 10); /* refused is not done */
}

static void test_limit_of_a_batch(void **state) {
    struct world *world = *state;
    run_control(world, "set_limits", "{'percent':100}");
    AUTO_BUFFER struct buffer text = {0};
    buffer_add_text(&text, "{'category':'linear','request':[");
    for (int i = 0; i < 12; i++)
        buffer_print(&text,
                     "%s{'symbol':'BTCUSDT','side':'Buy','orderType':'Limit','qty':'0.001',"
                     "'price':'63000'}",
                     i ? "," : "");
    buffer_add_text(&text, "]}");
    json_t *body = envelope(world, 0, "/v5/order/create-batch", text.data);
    assert_string_equal(at(body, "retExtInfo.list.9.code"), "0");
    assert_string_equal(at(body, "retExtInfo.list.10.code"), "10006");
    json_decref(body);
    order(world, 0, "Buy", "0.001", "63000", ""); /* another bucket */
    check(world, 10006, "/v5/order/create-batch", text.data);
}

static void test_limit_of_an_address(void **state) {
    struct world *world = *state;
    run_control(world, "set_limits", "{'address':3}");
    for (int i = 0; i < 4; i++) {
        struct exchange_sim_answer answer = taken(world, start(world, "/v5/market/time", ""));
        assert_int_equal(answer.status, i < 3 ? 200 : 403);
        exchange_sim_answer_deinit(&answer);
    }
    world->now += 5000;
    check(world, 0, "/v5/market/time", "");
}

static void test_limits_are_set(void **state) {
    struct world *world = *state;
    run_control(world, "set_limits", "{'percent':20}");
    order(world, 0, "Buy", "0.001", "63000", "");
    order(world, 0, "Buy", "0.001", "63000", "");
    order(world, 10006, "Buy", "0.001", "63000", "");
    control_refused(world, "set_limits", "{'percent':-1}", 400);
    json_t *ret = control(world, "limits", "{}");
    assert_string_equal(at(ret, "percent"), "20");
    json_decref(ret);
    run_control(world, "set_limits", "{'percent':0}");
    order(world, 0, "Buy", "0.001", "63000", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_faults_of_a_create), WORLD_TEST(test_refused_for_a_while),
        WORLD_TEST(test_delayed_answer),     WORLD_TEST(test_late_effect),
        WORLD_TEST(test_broken_bodies),      WORLD_TEST(test_wrong_types),
        WORLD_TEST(test_duplicate_row),      WORLD_TEST(test_arming),
        WORLD_TEST(test_rate_limit),         WORLD_TEST(test_limit_of_writes),
        WORLD_TEST(test_limit_of_a_batch),   WORLD_TEST(test_limit_of_an_address),
        WORLD_TEST(test_limits_are_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
