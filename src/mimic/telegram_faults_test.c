/* SPDX-License-Identifier: Apache-2.0 */
#include "mimic/telegram_test.h"

static const char hi[] = "{\"chat_id\":42,\"text\":\"hi\"}";

static size_t book_size(struct world *world) {
    json_t *book = control(world, "messages", "{\"chat_id\":42}");
    size_t size = json_array_size(json_object_get(book, "messages"));
    json_decref(book);
    return size;
}

static struct telegram_answer send(struct world *world) {
    return taken(world, start(world, "sendMessage", hi));
}

static void test_429(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"sendMessage\",\"kind\":\"429\",\"retry_after\":7,\"count\":2}");
    for (int i = 0; i < 2; i++) {
        struct telegram_answer answer = send(world);
        assert_int_equal(answer.status, 429);
        assert_int_equal(answer.retry_after_s, 7);
        assert_string_equal(answer.body,
                            "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: "
                            "retry after 7\",\"parameters\":{\"retry_after\":7}}");
        telegram_answer_deinit(&answer);
    }
    assert_int_equal(book_size(world), 0);
    check(world, "sendMessage", hi, 200, "{\"ok\":true,...}"); /* used up */
}

static void test_server_errors(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"*\",\"kind\":\"5xx\"}");
    refused(world, "getMe", "{}", 500, "Internal Server Error: restart");
    arm(world, "{\"kind\":\"5xx\",\"status\":\"502\"}");
    refused(world, "getUpdates", "{}", 502, "Bad Gateway");
    arm(world, "{\"method\":\"getMe\",\"kind\":\"html\"}");
    struct telegram_answer answer = taken(world, start(world, "getMe", "{}"));
    assert_int_equal(answer.status, 502);
    assert_string_equal(answer.content_type, "text/html");
    assert_memory_equal(answer.body, "<html>", 6);
    telegram_answer_deinit(&answer);
}

/* reset: no effect. lost: effect, no answer. half: effect, half of the answer. */
static void test_broken_answers(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"sendMessage\",\"kind\":\"reset\"}");
    struct telegram_answer answer = send(world);
    assert_true(answer.reset);
    assert_int_equal(book_size(world), 0);
    telegram_answer_deinit(&answer);
    arm(world, "{\"method\":\"sendMessage\",\"kind\":\"lost\"}");
    answer = send(world);
    assert_true(answer.reset);
    assert_int_equal(book_size(world), 1);
    telegram_answer_deinit(&answer);
    arm(world, "{\"method\":\"sendMessage\",\"kind\":\"half\"}");
    answer = send(world);
    assert_true(answer.cut && !answer.reset);
    assert_int_equal(answer.status, 200);
    assert_int_equal(book_size(world), 2);
    telegram_answer_deinit(&answer);
}

static void test_delay(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"sendMessage\",\"kind\":\"delay\",\"ms\":1500}");
    uint64_t ticket = start(world, "sendMessage", hi);
    assert_int_equal(book_size(world), 1); /* the effect is not late */
    nothing_due(world);
    assert_int_equal(telegram_deadline(world->telegram), world->now + 1500);
    world->now += 1500;
    answered(world, ticket, 200, "{\"ok\":true,...}");
}

static void test_duplicate_update(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"getUpdates\",\"kind\":\"duplicate\"}");
    int64_t id = say(world, "once");
    for (int i = 0; i < 3; i++) {
        AUTO_FREE char *params = text_format("{\"offset\":%lld}", (long long)(i ? id + 1 : 0));
        json_t *list = result(world, "getUpdates", params);
        assert_int_equal(json_array_size(list), i < 2);
        if (i < 2)
            assert_int_equal(number(json_array_get(list, 0), "update_id"), id);
        json_decref(list);
        world->now += 5000;
    }
}

/* While the fault stays, each update comes twice, and none for ever. */
static void test_all_updates_twice(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"getUpdates\",\"kind\":\"duplicate\",\"count\":0}");
    int64_t id = say(world, "a");
    say(world, "b");
    for (int i = 0; i < 3; i++) {
        AUTO_FREE char *params = text_format("{\"offset\":%lld}", (long long)(i ? id + 2 : 0));
        json_t *list = result(world, "getUpdates", params);
        assert_int_equal(json_array_size(list), i < 2 ? 2 : 0);
        json_decref(list);
        world->now += 5000;
    }
}

/* Armed while the poll waits already: what it delivers is concerned. */
static void test_duplicate_of_a_parked_poll(void **state) {
    struct world *world = *state;
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":50}");
    arm(world, "{\"method\":\"getUpdates\",\"kind\":\"duplicate\"}");
    int64_t id = say(world, "once");
    world->now += 2;
    answered(world, poll, 200, "{\"ok\":true,\"result\":[{...}]}");
    AUTO_FREE char *params = text_format("{\"offset\":%lld}", (long long)id + 1);
    check(world, "getUpdates", params, 200, "{\"ok\":true,\"result\":[{...}]}");
    world->now += 5000;
    check(world, "getUpdates", params, 200, "{\"ok\":true,\"result\":[]}");
}

static void test_faults_of_a_parked_poll(void **state) {
    struct world *world = *state;
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":50}");
    arm(world, "{\"method\":\"getUpdates\",\"kind\":\"half\"}");
    say(world, "a");
    world->now += 2;
    struct telegram_answer answer = taken(world, poll);
    assert_true(answer.cut);
    telegram_answer_deinit(&answer);
}

static void test_faults_of_chats(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"sendMessage\",\"kind\":\"blocked\",\"chat_id\":42}");
    refused(world, "sendMessage", hi, 403, "Forbidden: bot was blocked by the user");
    arm(world, "{\"kind\":\"unknown\",\"chat_id\":42}");
    check(world, "getMe", "{}", 200, "{\"ok\":true,...}");
    refused(world, "sendMessage", hi, 400, "Bad Request: chat not found");
    arm(world, "{\"kind\":\"5xx\",\"chat_id\":43}");
    check(world, "sendMessage", hi, 200, "{\"ok\":true,...}");
    refused(world, "sendMessage", "{\"chat_id\":\"43\",\"text\":\"a\"}", 500,
            "Internal Server Error: restart");
}

/* An outage breaks off polls that wait already, and lasts until it is cleared. */
static void test_outage(void **state) {
    struct world *world = *state;
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":50}");
    arm(world, "{\"method\":\"*\",\"kind\":\"reset\",\"count\":0}");
    struct telegram_answer answer = taken(world, poll);
    assert_true(answer.reset);
    telegram_answer_deinit(&answer);
    for (int i = 0; i < 5; i++) {
        answer = send(world);
        assert_true(answer.reset);
        telegram_answer_deinit(&answer);
    }
    run_control(world, "clear_faults", "{}");
    check(world, "sendMessage", hi, 200, "{\"ok\":true,...}");
}

static void test_lost_poll(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"getUpdates\",\"kind\":\"lost\"}");
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":50}");
    say(world, "not lost");
    world->now += 2;
    struct telegram_answer answer = taken(world, poll);
    assert_true(answer.reset);
    telegram_answer_deinit(&answer);
    world->now += 5000;
    check(world, "getUpdates", "{}", 200, "{\"ok\":true,\"result\":[{...}]}");
}

static void test_arming(void **state) {
    struct world *world = *state;
    control_refused(world, "arm_fault", "{\"kind\":\"nonsense\"}", 400);
    control_refused(world, "arm_fault", "{\"kind\":\"429\",\"retry_after\":0}", 400);
    control_refused(world, "arm_fault", "{\"kind\":\"5xx\",\"status\":404}", 400);
    for (int i = 0; i < TELEGRAM_FAULTS_MAX; i++)
        arm(world, "{\"kind\":\"429\"}");
    control_refused(world, "arm_fault", "{\"kind\":\"429\"}", 400);
    json_t *list = control(world, "faults", "{}");
    assert_int_equal(json_array_size(json_object_get(list, "faults")), TELEGRAM_FAULTS_MAX);
    json_decref(list);
    json_t *cleared = control(world, "clear_faults", "{\"id\":3}");
    assert_int_equal(number(cleared, "cleared"), 1);
    json_decref(cleared);
    arm(world, "{\"kind\":\"429\"}");
}

/* --- limits ------------------------------------------------------------------------------- */

/* Sends `count` messages at once; returns how many passed. */
static int passed(struct world *world, int64_t chat, int count, int64_t *ret_retry_after) {
    AUTO_FREE char *params = text_format("{\"chat_id\":%lld,\"text\":\"a\"}", (long long)chat);
    int good = 0;
    for (int i = 0; i < count; i++) {
        struct telegram_answer answer = taken(world, start(world, "sendMessage", params));
        good += answer.status == 200;
        if (answer.status != 200)
            *ret_retry_after = answer.retry_after_s;
        telegram_answer_deinit(&answer);
    }
    return good;
}

static void test_limit_of_a_chat(void **state) {
    struct world *world = *state;
    int64_t wait = 0;
    assert_int_equal(passed(world, 42, 20, &wait), 5); /* a short burst */
    assert_int_equal(wait, 1);
    world->now += 1000;
    assert_int_equal(passed(world, 42, 20, &wait), 1);
    world->now += 60000;
    assert_int_equal(passed(world, 42, 20, &wait), 5);
}

static void test_limit_of_a_group(void **state) {
    struct world *world = *state;
    int64_t wait = 0;
    run_control(world, "message", "{\"chat_id\":-5,\"text\":\"x\"}");
    assert_int_equal(passed(world, -5, 30, &wait), 20);
    assert_int_equal(wait, 3);
    world->now += 3000;
    assert_int_equal(passed(world, -5, 30, &wait), 1);
    /* Edits in groups count too. */
    check(world, "editMessageText", "{\"chat_id\":-5,\"message_id\":2,\"text\":\"b\"}", 429,
          "{\"ok\":false,\"error_code\":429,...}");
}

static void test_limit_of_all(void **state) {
    struct world *world = *state;
    int64_t wait = 0;
    int good = 0;
    for (int chat = 100; chat < 140; chat++) {
        AUTO_FREE char *start_chat = text_format("{\"chat_id\":%d,\"state\":\"member\"}", chat);
        run_control(world, "set_chat", start_chat);
        good += passed(world, chat, 1, &wait);
    }
    assert_int_equal(good, 30);
    assert_int_equal(wait, 1);
    world->now += 100;
    assert_int_equal(passed(world, 101, 5, &wait), 3);
}

static void test_limits_off(void **state) {
    struct world *world = *state;
    int64_t wait = 0;
    no_limits(world);
    assert_int_equal(passed(world, 42, 200, &wait), 200);
    control_refused(world, "set_limits", "{\"global\":-1}", 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_429),
        WORLD_TEST(test_server_errors),
        WORLD_TEST(test_broken_answers),
        WORLD_TEST(test_delay),
        WORLD_TEST(test_duplicate_update),
        WORLD_TEST(test_all_updates_twice),
        WORLD_TEST(test_duplicate_of_a_parked_poll),
        WORLD_TEST(test_faults_of_a_parked_poll),
        WORLD_TEST(test_faults_of_chats),
        WORLD_TEST(test_outage),
        WORLD_TEST(test_lost_poll),
        WORLD_TEST(test_arming),
        WORLD_TEST(test_limit_of_a_chat),
        WORLD_TEST(test_limit_of_a_group),
        WORLD_TEST(test_limit_of_all),
        WORLD_TEST(test_limits_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
