/* SPDX-License-Identifier: Apache-2.0 */
/* telegram_test.h - a simulated Telegram and the words in which its tests speak. Tests only. */
#pragma once
// clang-format off
#include "base/test.h"
// clang-format on
#include "base/buffer.h"
#include "mimic/telegram_control.h"

#define TOKEN "1001:demo"

struct world {
    struct telegram *telegram;
    int64_t now;
    uint64_t ticket;
};

static int world_open(void **state) {
    struct world *world = memory_new(sizeof *world);
    world->telegram = telegram_new(7);
    world->now = 1795310513000;
    must(telegram_add_person(world->telegram, 42, "Ann") == 0);
    must(telegram_add_bot(world->telegram, TOKEN, "demo_bot") == 0);
    *state = world;
    return 0;
}

static int world_close(void **state) {
    struct world *world = *state;
    telegram_free(world->telegram);
    free(world);
    return 0;
}

/* Starts a call and returns its ticket. */
static __attribute__((unused)) uint64_t start_as(struct world *world, const char *token,
                                                 const char *method, const char *params) {
    json_t *json = json_loads(params, 0, NULL);
    must(json);
    struct telegram_call call = {
        .ticket = ++world->ticket, .token = token, .method = method, .params = json};
    telegram_call(world->telegram, &call, world->now);
    json_decref(json);
    return call.ticket;
}

static __attribute__((unused)) uint64_t start(struct world *world, const char *method,
                                              const char *params) {
    return start_as(world, TOKEN, method, params);
}

/* The next answer that is due; it must be for this ticket. */
static __attribute__((unused)) struct telegram_answer taken(struct world *world, uint64_t ticket) {
    struct telegram_answer answer = {0};
    assert_true(telegram_next_answer(world->telegram, world->now, &answer));
    assert_int_equal(answer.ticket, ticket);
    return answer;
}

static __attribute__((unused)) void nothing_due(struct world *world) {
    struct telegram_answer answer;
    assert_false(telegram_next_answer(world->telegram, world->now, &answer));
}

/* The due answer of this ticket has this status and exactly this body ("..." in it: anything). */
static __attribute__((unused)) void answered(struct world *world, uint64_t ticket, int status,
                                             const char *body) {
    struct telegram_answer answer = taken(world, ticket);
    const char *gap = strstr(body, "...");
    if (answer.status != status)
        print_error("%s\n", answer.body);
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.body_size, strlen(answer.body));
    if (!gap) {
        assert_string_equal(answer.body, body);
    } else {
        size_t head = (size_t)(gap - body), tail = strlen(gap + 3);
        must(head + tail <= answer.body_size);
        assert_memory_equal(answer.body, body, head);
        assert_string_equal(answer.body + answer.body_size - tail, gap + 3);
    }
    telegram_answer_deinit(&answer);
}

/* Calls and checks status and body. */
static __attribute__((unused)) void check(struct world *world, const char *method,
                                          const char *params, int status, const char *body) {
    answered(world, start(world, method, params), status, body);
}

/* Calls and checks a refusal of the Bot API's shape. */
static __attribute__((unused)) void refused(struct world *world, const char *method,
                                            const char *params, int code, const char *why) {
    json_t *text = json_string(why);
    AUTO_FREE char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    AUTO_FREE char *body =
        text_format("{\"ok\":false,\"error_code\":%d,\"description\":%s}", code, quoted);
    json_decref(text);
    check(world, method, params, code, body);
}

/* Calls and returns the result; the caller releases it. */
static __attribute__((unused)) json_t *result(struct world *world, const char *method,
                                              const char *params) {
    struct telegram_answer answer = taken(world, start(world, method, params));
    if (answer.status != 200)
        print_error("%s\n", answer.body);
    assert_int_equal(answer.status, 200);
    json_t *body = json_loads(answer.body, 0, NULL);
    json_t *found = json_incref(json_object_get(body, "result"));
    json_decref(body);
    telegram_answer_deinit(&answer);
    return found;
}

/* Runs a control and returns its answer; the caller releases it. */
static __attribute__((unused)) json_t *control(struct world *world, const char *name,
                                               const char *request) {
    json_t *json = json_loads(request, 0, NULL), *ret = NULL;
    must(json);
    int status = telegram_control(world->telegram, name, json, world->now, &ret);
    json_decref(json);
    if (status)
        print_error("%s\n", json_string_value(json_object_get(ret, "error")));
    assert_int_equal(status, 0);
    return ret;
}

static __attribute__((unused)) void control_refused(struct world *world, const char *name,
                                                    const char *request, int status) {
    json_t *json = json_loads(request, 0, NULL), *ret = NULL;
    must(json);
    assert_int_equal(telegram_control(world->telegram, name, json, world->now, &ret), status);
    assert_true(json_is_string(json_object_get(ret, "error")));
    json_decref(json);
    json_decref(ret);
}

static __attribute__((unused)) int64_t number(const json_t *object, const char *name) {
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

/* A person writes; returns the update's id (0: filtered). */
static __attribute__((unused)) int64_t say(struct world *world, const char *text) {
    AUTO_FREE char *request = text_format("{\"chat_id\":42,\"text\":\"%s\"}", text);
    json_t *ret = control(world, "message", request);
    int64_t id = number(ret, "update_id");
    json_decref(ret);
    return id;
}

static __attribute__((unused)) void run_control(struct world *world, const char *name,
                                                const char *request) {
    json_decref(control(world, name, request));
}

static __attribute__((unused)) void arm(struct world *world, const char *request) {
    run_control(world, "arm_fault", request);
}

/* Rate limits off, for tests of other things. */
static __attribute__((unused)) void no_limits(struct world *world) {
    run_control(world, "set_limits", "{\"per_chat\":0,\"global\":0,\"group\":0}");
}
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
