/* SPDX-License-Identifier: Apache-2.0 */
/* bybit_test.h - a simulated exchange and the words in which its tests speak. JSON is written with
 * ' for ". Tests only. */
#pragma once
// clang-format off
#include "base/test.h"
// clang-format on
#include "base/buffer.h"
#include "mimic/bybit_control.h"
#include <stdio.h>

#define MAYBE __attribute__((unused))

struct world {
    struct exchange_sim *sim;
    int64_t now;
    uint64_t ticket;
};

static json_t *json_of(const char *text) {
    AUTO_FREE char *copy = text_copy(text);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json_t *json = json_loads(copy, 0, NULL);
    if (!json)
        print_error("not JSON: %s\n", text);
    must(json);
    return json;
}

static MAYBE json_t *control(struct world *world, const char *name, const char *request) {
    json_t *json = json_of(request), *ret = NULL;
    int status = exchange_sim_control(world->sim, name, json, world->now, &ret);
    json_decref(json);
    if (status)
        print_error("%s\n", json_string_value(json_object_get(ret, "error")));
    assert_int_equal(status, 0);
    return ret;
}

static MAYBE void run_control(struct world *world, const char *name, const char *request) {
    json_decref(control(world, name, request));
}

static MAYBE void control_refused(struct world *world, const char *name, const char *request,
                                  int status) {
    json_t *json = json_of(request), *ret = NULL;
    assert_int_equal(exchange_sim_control(world->sim, name, json, world->now, &ret), status);
    assert_true(json_is_string(json_object_get(ret, "error")));
    json_decref(json);
    json_decref(ret);
}

static int world_open(void **state) {
    struct world *world = memory_new(sizeof *world);
    world->sim = exchange_sim_new(7);
    world->now = 1795310513000;
    must(exchange_sim_add_account(world->sim, "paper", "secret", decimal_of(10000)) == 0);
    run_control(world, "set_limits", "{'percent':0,'address':0}"); /* tests of them set them */
    *state = world;
    return 0;
}

static int world_close(void **state) {
    struct world *world = *state;
    exchange_sim_free(world->sim);
    free(world);
    return 0;
}

/* POST when `text` begins with '{', else GET with this query. */
static MAYBE struct exchange_sim_call call_of(struct world *world, const char *path,
                                              const char *text, char timestamp[32]) {
    bool post = *text == '{';
    snprintf(timestamp, 32, "%lld", (long long)world->now);
    return (struct exchange_sim_call){.ticket = ++world->ticket,
                                      .method = post ? "POST" : "GET",
                                      .path = path,
                                      .query = post ? "" : text,
                                      .body = slice_of(post ? text : ""),
                                      .key = "paper",
                                      .timestamp = timestamp,
                                      .recv_window = "5000",
                                      .signature_good = true};
}

static MAYBE uint64_t start(struct world *world, const char *path, const char *text) {
    char timestamp[32];
    AUTO_FREE char *copy = text_copy(text);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    struct exchange_sim_call call = call_of(world, path, copy, timestamp);
    exchange_sim_call(world->sim, &call, world->now);
    return call.ticket;
}

static MAYBE struct exchange_sim_answer taken(struct world *world, uint64_t ticket) {
    struct exchange_sim_answer answer = {0};
    assert_true(exchange_sim_next_answer(world->sim, world->now, &answer));
    assert_int_equal(answer.ticket, ticket);
    return answer;
}

/* The whole envelope of a call that is answered at once with this retCode. */
static MAYBE json_t *envelope(struct world *world, int64_t code, const char *path,
                              const char *text) {
    struct exchange_sim_answer answer = taken(world, start(world, path, text));
    json_t *body = json_loadb(answer.body, answer.body_size, 0, NULL);
    assert_true(json_is_object(body));
    int64_t said = json_integer_value(json_object_get(body, "retCode"));
    if (said != code)
        print_error("%s %s: %s\n", path, text, answer.body);
    assert_int_equal(said, code);
    assert_false(answer.reset);
    exchange_sim_answer_deinit(&answer);
    return body;
}

static MAYBE json_t *result(struct world *world, const char *path, const char *text) {
    json_t *body = envelope(world, 0, path, text);
    json_t *ret = json_incref(json_object_get(body, "result"));
    json_decref(body);
    return ret;
}

static MAYBE void check(struct world *world, int64_t code, const char *path, const char *text) {
    json_decref(envelope(world, code, path, text));
}

/* An order of BTCUSDT; `more` is the rest of its JSON, with a leading comma when not empty. */
static MAYBE void order(struct world *world, int64_t code, const char *side, const char *qty,
                        const char *price, const char *more) {
    AUTO_FREE char *text = text_format(
        "{'category':'linear','symbol':'BTCUSDT','side':'%s','orderType':'%s','qty':'%s'%s%s%s%s}",
        side, *price ? "Limit" : "Market", qty, *price ? ",'price':'" : "", price,
        *price ? "'" : "", more);
    check(world, code, "/v5/order/create", text);
}

static MAYBE void price(struct world *world, const char *price_text) {
    AUTO_FREE char *text = text_format("{'symbol':'BTCUSDT','price':'%s'}", price_text);
    run_control(world, "set_price", text);
}

/* The value at "name" or "list.0.name"; "" when there is none. Valid until the next call. */
static MAYBE const char *at(const json_t *json, const char *path) {
    static char text[256];
    AUTO_FREE char *copy = text_copy(path);
    for (char *word = strtok(copy, "."); word; word = strtok(NULL, "."))
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(word))
                                   : json_object_get(json, word);
    if (json_is_string(json)) {
        snprintf(text, sizeof text, "%s", json_string_value(json));
    } else {
        AUTO_FREE char *dumped = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
        snprintf(text, sizeof text, "%s", dumped ? dumped : "");
    }
    return text;
}

/* What a query says at a place. */
static MAYBE void shows(struct world *world, const char *path, const char *query, const char *place,
                        const char *value) {
    json_t *ret = result(world, path, query);
    const char *there = at(ret, place);
    if (strcmp(there, value) != 0)
        print_error("%s?%s %s\n", path, query, place);
    assert_string_equal(there, value);
    json_decref(ret);
}

static MAYBE void order_shows(struct world *world, const char *link_id, const char *name,
                              const char *value) {
    AUTO_FREE char *query = text_format("category=linear&symbol=BTCUSDT&orderLinkId=%s", link_id);
    AUTO_FREE char *place = text_format("list.0.%s", name);
    shows(world, "/v5/order/realtime", query, place, value);
}

static MAYBE void position_shows(struct world *world, const char *name, const char *value) {
    AUTO_FREE char *place = text_format("list.0.%s", name);
    shows(world, "/v5/position/list", "category=linear&symbol=BTCUSDT", place, value);
}

static MAYBE void wallet_shows(struct world *world, const char *name, const char *value) {
    AUTO_FREE char *place = text_format("list.0.%s", name);
    shows(world, "/v5/account/wallet-balance", "accountType=UNIFIED", place, value);
}

/* The newest fills, the newest first. */
static MAYBE void execution_shows(struct world *world, const char *place, const char *value) {
    AUTO_FREE char *whole = text_format("list.%s", place);
    shows(world, "/v5/execution/list", "category=linear&symbol=BTCUSDT", whole, value);
}

static MAYBE size_t count_of(struct world *world, const char *path, const char *query) {
    json_t *ret = result(world, path, query);
    size_t count = json_array_size(json_object_get(ret, "list"));
    json_decref(ret);
    return count;
}
#define OPEN "category=linear&symbol=BTCUSDT"
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
