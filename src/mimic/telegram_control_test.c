/* SPDX-License-Identifier: Apache-2.0 */
#include "mimic/telegram_test.h"

static void test_book(void **state) {
    struct world *world = *state;
    say(world, "one");
    json_decref(result(world, "sendMessage", "{\"chat_id\":42,\"text\":\"two\"}"));
    json_t *book = control(world, "messages", "{\"chat_id\":\"42\",\"after\":\"0\"}");
    json_t *messages = json_object_get(book, "messages");
    assert_int_equal(json_array_size(messages), 2);
    assert_true(json_is_false(json_object_get(json_array_get(messages, 0), "from_bot")));
    assert_true(json_is_true(json_object_get(json_array_get(messages, 1), "from_bot")));
    AUTO_FREE char *next =
        text_format("{\"chat_id\":42,\"after\":%lld}", (long long)number(book, "next"));
    json_decref(book);
    book = control(world, "messages", next);
    assert_int_equal(json_array_size(json_object_get(book, "messages")), 0);
    assert_true(json_is_false(json_object_get(book, "changed")));
    json_decref(book);
    /* A change shows the message again, as it is now. */
    json_decref(
        result(world, "editMessageText", "{\"chat_id\":42,\"message_id\":2,\"text\":\"2\"}"));
    book = control(world, "messages", next);
    json_t *entry = json_array_get(json_object_get(book, "messages"), 0);
    assert_string_equal(json_string_value(json_object_get(entry, "text")), "2");
    assert_true(json_is_true(json_object_get(entry, "edited")));
    json_decref(book);
    json_decref(result(world, "deleteMessage", "{\"chat_id\":42,\"message_id\":2}"));
    book = control(world, "messages", next);
    entry = json_array_get(json_object_get(book, "messages"), 0);
    assert_true(json_is_true(json_object_get(entry, "deleted")));
    json_decref(book);
}

static void test_calls_are_logged_without_the_token(void **state) {
    struct world *world = *state;
    json_decref(result(world, "sendMessage", "{\"chat_id\":42,\"text\":\"two\"}"));
    arm(world, "{\"kind\":\"lost\"}");
    struct telegram_answer answer = taken(world, start(world, "getMe", "{}"));
    telegram_answer_deinit(&answer);
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":10}");
    json_t *log = control(world, "calls", "{}"), *calls = json_object_get(log, "calls");
    assert_int_equal(json_array_size(calls), 3);
    json_t *sent = json_array_get(calls, 0), *lost = json_array_get(calls, 1);
    assert_string_equal(json_string_value(json_object_get(sent, "method")), "sendMessage");
    assert_int_equal(number(json_object_get(sent, "params"), "chat_id"), 42);
    assert_int_equal(number(sent, "status"), 200);
    assert_string_equal(json_string_value(json_object_get(lost, "fault")), "lost");
    assert_int_equal(number(lost, "status"), 0);
    assert_int_equal(number(json_array_get(calls, 2), "answered_ms"), 0); /* parked */
    AUTO_FREE char *text = json_dumps(log, 0);
    assert_null(strstr(text, TOKEN));
    json_decref(log);
    world->now += 10000;
    answered(world, poll, 200, "{\"ok\":true,\"result\":[]}");
    log = control(world, "calls", "{\"after\":2,\"method\":\"getupdates\"}");
    calls = json_object_get(log, "calls");
    assert_int_equal(json_array_size(calls), 1);
    assert_int_equal(number(json_array_get(calls, 0), "answered_ms"), world->now);
    json_decref(log);
}

static void test_the_log_is_bounded(void **state) {
    struct world *world = *state;
    for (int i = 0; i < TELEGRAM_CALLS_MAX + 5; i++)
        json_decref(result(world, "getMe", "{}"));
    json_t *log = control(world, "calls", "{}"), *calls = json_object_get(log, "calls");
    assert_int_equal(json_array_size(calls), TELEGRAM_CALLS_MAX);
    assert_int_equal(number(json_array_get(calls, 0), "number"), 6);
    json_decref(log);
}

static void test_chats_and_bots(void **state) {
    struct world *world = *state;
    assert_int_equal(telegram_add_bot(world->telegram, "1002:x", "second_bot"), 0);
    run_control(world, "message",
                "{\"token\":\"1002:x\",\"chat_id\":43,\"text\":\"hi\",\"first_name\":\"Bob\"}");
    json_t *list = control(world, "chats", "{}");
    assert_int_equal(json_array_size(json_object_get(list, "chats")), 3);
    AUTO_FREE char *text = json_dumps(list, 0);
    assert_null(strstr(text, "1002:x"));
    json_decref(list);
    /* What is said to one bot, another never sees. */
    check(world, "getUpdates", "{}", 200, "{\"ok\":true,\"result\":[]}");
    control_refused(world, "message", "{\"bot\":\"nobody\",\"chat_id\":42,\"text\":\"x\"}", 404);
    control_refused(world, "message", "{\"token\":\"9:x\",\"chat_id\":42,\"text\":\"x\"}", 404);
    control_refused(world, "message", "{\"chat_id\":\"x\",\"text\":\"x\"}", 400);
    control_refused(world, "message", "{\"chat_id\":42,\"text\":\" \"}", 400);
    control_refused(world, "fly", "{}", 404);
}

static void test_groups_and_channels(void **state) {
    struct world *world = *state;
    run_control(
        world, "message",
        "{\"chat_id\":-1001000000005,\"from_id\":7,\"first_name\":\"Bob\",\"title\":\"Desk\","
        "\"text\":\"/x@demo_bot\"}");
    check(
        world, "getUpdates", "{}", 200,
        "{\"ok\":true,\"result\":[{\"update_id\":...,\"message\":{\"message_id\":1,\"from\":{"
        "\"id\":7,"
        "\"is_bot\":false,\"first_name\":\"Bob\",\"language_code\":\"en\"},\"chat\":{\"id\":-"
        "1001000000005,\"title\":\"Desk\",\"type\":\"supergroup\"},\"date\":1795310513,\"text\":\"/"
        "x@demo_bot\",\"entities\":[{\"offset\":0,\"length\":11,\"type\":\"bot_command\"}]}}]}");
}

static void test_channel_post(void **state) {
    struct world *world = *state;
    run_control(
        world, "message",
        "{\"chat_id\":-1001000000009,\"chat_type\":\"channel\",\"title\":\"News\",\"text\":\"x\"}");
    check(world, "getUpdates", "{}", 200,
          "{\"ok\":true,\"result\":[{\"update_id\":...,\"text\":\"x\"}}]}");
}

static void test_chats_are_bounded(void **state) {
    struct world *world = *state;
    for (int i = 1; i < TELEGRAM_CHATS_MAX; i++) {
        AUTO_FREE char *set = text_format("{\"chat_id\":%d}", 1000 + i);
        run_control(world, "set_chat", set);
    }
    control_refused(world, "set_chat", "{\"chat_id\":999999}", 409);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_book),
        WORLD_TEST(test_calls_are_logged_without_the_token),
        WORLD_TEST(test_the_log_is_bounded),
        WORLD_TEST(test_chats_and_bots),
        WORLD_TEST(test_groups_and_channels),
        WORLD_TEST(test_channel_post),
        WORLD_TEST(test_chats_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
