/* SPDX-License-Identifier: Apache-2.0 */
#include "mimic/telegram_test.h"

static void test_send(void **state) {
    struct world *world = *state;
    check(
        world, "sendMessage", "{\"chat_id\":42,\"text\":\" hi \"}", 200,
        "{\"ok\":true,\"result\":{\"message_id\":1,\"from\":{\"id\":1001,\"is_bot\":true,\"first_"
        "name\":\"demo_bot\",\"username\":\"demo_bot\"},\"chat\":{\"id\":42,\"first_name\":\"Ann\","
        "\"type\":\"private\"},\"date\":1795310513,\"text\":\"hi\"}}");
    /* Everything as text, as form data brings it. */
    check(
        world, "sendMessage",
        "{\"chat_id\":\"42\",\"text\":\"a\",\"reply_markup\":\"{\\\"inline_keyboard\\\":[[{"
        "\\\"text\\\":\\\"t\\\",\\\"callback_data\\\":\\\"d\\\"}]]}\"}",
        200,
        "{\"ok\":true,...\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"t\",\"callback_data\":"
        "\"d\"}]]}}}");
    check(world, "sendMessage", "{\"chat_id\":42,\"text\":\"<b>x</b>\",\"parse_mode\":\"HTML\"}",
          200,
          "{\"ok\":true,...\"text\":\"x\",\"entities\":[{\"offset\":0,\"length\":1,\"type\":"
          "\"bold\"}]}}");
}

static void test_user_message_is_an_update(void **state) {
    struct world *world = *state;
    int64_t id = say(world, "/buy BTCUSDT 0.01");
    AUTO_FREE char *body = text_format(
        "{\"ok\":true,\"result\":[{\"update_id\":%lld,\"message\":{\"message_id\":1,\"from\":{"
        "\"id\":"
        "42,\"is_bot\":false,\"first_name\":\"Ann\",\"language_code\":\"en\"},\"chat\":{\"id\":42,"
        "\"first_name\":\"Ann\",\"type\":\"private\"},\"date\":1795310513,\"text\":\"/buy BTCUSDT "
        "0.01\",\"entities\":[{\"offset\":0,\"length\":4,\"type\":\"bot_command\"}]}}]}",
        (long long)id);
    check(world, "getUpdates", "{}", 200, body);
}

static char *text_params(size_t points, const char *each) {
    struct buffer params = {0};
    buffer_add_text(&params, "{\"chat_id\":42,\"parse_mode\":\"HTML\",\"text\":\"");
    for (size_t i = 0; i < points; i++)
        buffer_add_text(&params, each);
    buffer_add_text(&params, "\"}");
    return buffer_take(&params);
}

static void test_text_length(void **state) {
    struct world *world = *state;
    AUTO_FREE char *fits = text_params(4096, "😀"), *too_long = text_params(4097, "a");
    AUTO_FREE char *after_parsing = text_params(4096, "&lt;"), *huge = text_params(70000, "a");
    check(world, "sendMessage", fits, 200, "{\"ok\":true,...}");
    check(world, "sendMessage", after_parsing, 200, "{\"ok\":true,...}");
    refused(world, "sendMessage", too_long, 400, "Bad Request: message is too long");
    refused(world, "sendMessage", huge, 400, "Bad Request: message is too long");
    refused(world, "sendMessage", "{\"chat_id\":42}", 400, "Bad Request: message text is empty");
    refused(world, "sendMessage", "{\"chat_id\":42,\"text\":\" \\n \"}", 400,
            "Bad Request: text must be non-empty");
    refused(world, "sendMessage", "{\"chat_id\":42,\"text\":\"<b></b>\",\"parse_mode\":\"HTML\"}",
            400, "Bad Request: text must be non-empty");
    refused(world, "sendMessage", "{\"chat_id\":42,\"text\":\"a\",\"parse_mode\":\"XML\"}", 400,
            "Bad Request: unsupported parse_mode");
}

static void test_chat_errors(void **state) {
    struct world *world = *state;
    refused(world, "sendMessage", "{\"text\":\"a\"}", 400, "Bad Request: chat_id is empty");
    refused(world, "sendMessage", "{\"text\":\"a\",\"chat_id\":7}", 400,
            "Bad Request: chat not found");
    refused(world, "sendMessage", "{\"text\":\"a\",\"chat_id\":\"@nobody\"}", 400,
            "Bad Request: chat not found");
    refused(world, "sendMessage", "{\"text\":\"a\",\"chat_id\":\"x\"}", 400,
            "Bad Request: chat not found");
    /* Markup is parsed before the chat is looked at. */
    refused(world, "sendMessage", "{\"text\":\"<b\",\"chat_id\":7,\"parse_mode\":\"HTML\"}", 400,
            "Bad Request: can't parse entities: Unclosed start tag at byte offset 0");
}

static void state_refused(struct world *world, int64_t chat, const char *state, int code,
                          const char *why) {
    AUTO_FREE char *set =
        text_format("{\"chat_id\":%lld,\"state\":\"%s\"}", (long long)chat, state);
    AUTO_FREE char *send = text_format("{\"chat_id\":%lld,\"text\":\"a\"}", (long long)chat);
    run_control(world, "set_chat", set);
    refused(world, "sendMessage", send, code, why);
}

static void test_chat_states(void **state) {
    struct world *world = *state;
    state_refused(world, 42, "blocked", 403, "Forbidden: bot was blocked by the user");
    say(world, "sorry"); /* writing to the bot unblocks it */
    json_decref(result(world, "sendMessage", "{\"chat_id\":42,\"text\":\"a\"}"));
    state_refused(world, 42, "deactivated", 403, "Forbidden: user is deactivated");
    state_refused(world, 42, "unknown", 400, "Bad Request: chat not found");
    state_refused(world, -5, "kicked", 403, "Forbidden: bot was kicked from the group chat");
    state_refused(world, -5, "left", 403, "Forbidden: bot is not a member of the group chat");
    state_refused(world, -5, "deleted", 403, "Forbidden: the group chat was deleted");
    state_refused(world, -1001000000005, "kicked", 403,
                  "Forbidden: bot was kicked from the supergroup chat");
    run_control(world, "set_chat",
                "{\"chat_id\":-7,\"chat_type\":\"channel\",\"username\":\"news\"}");
    json_decref(result(world, "sendMessage", "{\"chat_id\":\"@news\",\"text\":\"a\"}"));
    state_refused(world, -7, "kicked", 403, "Forbidden: bot was kicked from the channel chat");
    control_refused(world, "set_chat", "{\"chat_id\":42,\"state\":\"asleep\"}", 400);
    control_refused(world, "message", "{\"chat_id\":-5,\"text\":\"x\"}", 409);
}

static void test_migration(void **state) {
    struct world *world = *state;
    run_control(world, "message", "{\"chat_id\":-5,\"text\":\"x\"}");
    run_control(world, "set_chat", "{\"chat_id\":-5,\"migrate_to\":-1001234567890}");
    check(world, "sendMessage", "{\"chat_id\":-5,\"text\":\"a\"}", 400,
          "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: group chat was upgraded "
          "to a "
          "supergroup chat\",\"parameters\":{\"migrate_to_chat_id\":-1001234567890}}");
    json_t *message = result(world, "sendMessage", "{\"chat_id\":-1001234567890,\"text\":\"a\"}");
    assert_int_equal(number(json_object_get(message, "chat"), "id"), -1001234567890);
    json_decref(message);
    json_t *updates = result(world, "getUpdates", "{}");
    assert_int_equal(json_array_size(updates), 3);
    json_t *told = json_object_get(json_array_get(updates, 1), "message");
    assert_int_equal(number(told, "migrate_to_chat_id"), -1001234567890);
    json_decref(updates);
}

static void test_replies(void **state) {
    struct world *world = *state;
    say(world, "question");
    check(world, "sendMessage",
          "{\"chat_id\":42,\"text\":\"a\",\"reply_parameters\":{\"message_id\":1}}", 200,
          "{\"ok\":true,...,\"text\":\"question\"},\"text\":\"a\"}}");
    refused(world, "sendMessage", "{\"chat_id\":42,\"text\":\"a\",\"reply_to_message_id\":\"99\"}",
            400, "Bad Request: message to be replied not found");
    json_decref(result(world, "sendMessage",
                       "{\"chat_id\":42,\"text\":\"a\",\"reply_parameters\":{\"message_id\":99,"
                       "\"allow_sending_without_reply\":true}}"));
    refused(world, "sendMessage", "{\"chat_id\":42,\"text\":\"a\",\"message_thread_id\":3}", 400,
            "Bad Request: message thread not found");
}

static void markup_refused(struct world *world, const char *markup, const char *why) {
    AUTO_FREE char *params =
        text_format("{\"chat_id\":42,\"text\":\"a\",\"reply_markup\":%s}", markup);
    refused(world, "sendMessage", params, 400, why);
}

static void test_markup(void **state) {
    struct world *world = *state;
    markup_refused(world, "null", "Bad Request: object expected as reply markup");
    markup_refused(world, "[]", "Bad Request: object expected as reply markup");
    markup_refused(world, "\"{\"", "Bad Request: can't parse reply keyboard markup JSON object");
    markup_refused(
        world, "{\"inline_keyboard\":1}",
        "Bad Request: field \"inline_keyboard\" of the InlineKeyboardMarkup must be an Array");
    markup_refused(
        world, "{\"inline_keyboard\":[1]}",
        "Bad Request: field \"inline_keyboard\" of the InlineKeyboardMarkup must be an Array "
        "of Arrays");
    markup_refused(world, "{\"inline_keyboard\":[[{\"callback_data\":\"d\"}]]}",
                   "Bad Request: can't parse inline keyboard button: Can't find field \"text\"");
    markup_refused(
        world, "{\"inline_keyboard\":[[{\"text\":\"t\"}]]}",
        "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the "
        "inline keyboard");
    markup_refused(
        world, "{\"inline_keyboard\":[[{\"text\":\"t\",\"callback_data\":\"\"}]]}",
        "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the "
        "inline keyboard");
    markup_refused(world, "{\"inline_keyboard\":[[{\"text\":\"t\",\"url\":\"nowhere\"}]]}",
                   "Bad Request: inline keyboard button URL 'nowhere' is invalid: Wrong HTTP URL");
    markup_refused(
        world, "{\"keyboard\":[[1]]}",
        "Bad Request: can't parse keyboard button: KeyboardButton must be a String or an "
        "Object");
    char data[66] = {0};
    memset(data, 'd', 65);
    AUTO_FREE char *long_data =
        text_format("{\"inline_keyboard\":[[{\"text\":\"t\",\"callback_data\":\"%s\"}]]}", data);
    markup_refused(world, long_data, "Bad Request: BUTTON_DATA_INVALID");
    data[64] = 0;
    AUTO_FREE char *fits = text_format("{\"chat_id\":42,\"text\":\"a\",\"reply_markup\":{\"inline_"
                                       "keyboard\":[[{\"text\":\"t\",\"callback_data\":\"%s\"}]]}}",
                                       data);
    json_decref(result(world, "sendMessage", fits));
    json_decref(
        result(world, "sendMessage",
               "{\"chat_id\":42,\"text\":\"a\",\"reply_markup\":{\"keyboard\":[[\"A\",{\"text\":"
               "\"B\"}]]}}"));
    json_t *book = control(world, "messages", "{\"chat_id\":42}");
    assert_non_null(json_object_get(json_object_get(book, "keyboard"), "keyboard"));
    json_decref(book);
}

static void test_markup_of_too_many_buttons(void **state) {
    struct world *world = *state;
    AUTO_BUFFER struct buffer markup = {0};
    for (int i = 0; i < 101; i++)
        buffer_print(&markup, "%s{\"text\":\"t\",\"callback_data\":\"d\"}",
                     i ? "," : "{\"inline_keyboard\":[[");
    buffer_add_text(&markup, "]]}");
    markup_refused(world, markup.data, "Bad Request: reply markup is too long");
}

static const char with_button[] =
    "{\"chat_id\":42,\"text\":\"Confirm?\",\"reply_markup\":{\"inline_"
    "keyboard\":[[{\"text\":\"ok\",\"callback_data\":\"ok:7\"}]]}}";
static const char not_modified[] =
    "Bad Request: message is not modified: specified new message content and reply markup are "
    "exactly the same as a current content and reply markup of the message";

static void test_edit(void **state) {
    struct world *world = *state;
    say(world, "mine");
    json_decref(result(world, "sendMessage", with_button));
    refused(
        world, "editMessageReplyMarkup",
        "{\"chat_id\":42,\"message_id\":2,\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"ok\","
        "\"callback_data\":\"ok:7\"}]]}}",
        400, not_modified);
    world->now += 5000;
    check(
        world, "editMessageText", "{\"chat_id\":42,\"message_id\":\"2\",\"text\":\"Done\"}", 200,
        "{\"ok\":true,\"result\":{\"message_id\":2,\"from\":{...,\"date\":1795310513,\"edit_date\":"
        "1795310518,\"text\":\"Done\"}}");
    refused(world, "editMessageText", "{\"chat_id\":42,\"message_id\":2,\"text\":\"Done\"}", 400,
            not_modified);
    refused(world, "editMessageReplyMarkup", "{\"chat_id\":42,\"message_id\":2}", 400,
            not_modified);
    refused(world, "editMessageText", "{\"chat_id\":42,\"message_id\":99,\"text\":\"x\"}", 400,
            "Bad Request: message to edit not found");
    refused(world, "editMessageText", "{\"chat_id\":42,\"text\":\"x\"}", 400,
            "Bad Request: message identifier is not specified");
    refused(world, "editMessageText", "{\"chat_id\":42,\"message_id\":1,\"text\":\"x\"}", 400,
            "Bad Request: message can't be edited");
    refused(world, "editMessageText",
            "{\"chat_id\":42,\"message_id\":2,\"text\":\"x\",\"reply_markup\":{\"keyboard\":[]}}",
            400, "Bad Request: inline keyboard expected");
}

static void test_delete(void **state) {
    struct world *world = *state;
    json_decref(result(world, "sendMessage", with_button));
    check(world, "deleteMessage", "{\"chat_id\":42,\"message_id\":1}", 200,
          "{\"ok\":true,\"result\":true}");
    refused(world, "deleteMessage", "{\"chat_id\":42,\"message_id\":1}", 400,
            "Bad Request: message to delete not found");
    refused(world, "editMessageText", "{\"chat_id\":42,\"message_id\":1,\"text\":\"x\"}", 400,
            "Bad Request: message to edit not found");
    json_decref(result(world, "sendMessage", with_button));
    world->now += 49LL * 3600000;
    refused(world, "deleteMessage", "{\"chat_id\":42,\"message_id\":2}", 400,
            "Bad Request: message can't be deleted");
}

static void test_press_and_answer(void **state) {
    struct world *world = *state;
    json_decref(result(world, "sendMessage", with_button));
    json_t *pressed =
        control(world, "press", "{\"chat_id\":42,\"message_id\":1,\"data\":\"ok:7\"}");
    const char *id = json_string_value(json_object_get(pressed, "callback_query_id"));
    AUTO_FREE char *update = text_format(
        "{\"ok\":true,\"result\":[{\"update_id\":%lld,\"callback_query\":{\"id\":\"%s\",...,\"chat_"
        "instance\":\"-3141592653589793238\",\"data\":\"ok:7\"}}]}",
        (long long)number(pressed, "update_id"), id);
    check(world, "getUpdates", "{}", 200, update);
    AUTO_FREE char *answer =
        text_format("{\"callback_query_id\":\"%s\",\"text\":\"Done\",\"show_alert\":true}", id);
    check(world, "answerCallbackQuery", answer, 200, "{\"ok\":true,\"result\":true}");
    json_t *book = control(world, "messages", "{\"chat_id\":42}");
    json_t *toast = json_array_get(json_object_get(book, "answers"), 0);
    assert_string_equal(json_string_value(json_object_get(toast, "text")), "Done");
    assert_true(json_is_true(json_object_get(toast, "show_alert")));
    json_decref(book);
    json_decref(pressed);
}

static void test_press_too_late(void **state) {
    struct world *world = *state;
    static const char too_old[] =
        "Bad Request: query is too old and response timeout expired or query ID is invalid";
    refused(world, "answerCallbackQuery", "{\"callback_query_id\":\"1\"}", 400, too_old);
    json_decref(result(world, "sendMessage", with_button));
    json_t *pressed =
        control(world, "press", "{\"chat_id\":42,\"message_id\":1,\"data\":\"ok:7\"}");
    AUTO_FREE char *answer =
        text_format("{\"callback_query_id\":\"%s\"}",
                    json_string_value(json_object_get(pressed, "callback_query_id")));
    json_decref(pressed);
    AUTO_FREE char *long_text = memory_new(300);
    memset(long_text, 'a', 201);
    AUTO_FREE char *too_long =
        text_format("%.*s,\"text\":\"%s\"}", (int)strlen(answer) - 1, answer, long_text);
    refused(world, "answerCallbackQuery", too_long, 400, "Bad Request: MESSAGE_TOO_LONG");
    world->now += 60001;
    refused(world, "answerCallbackQuery", answer, 400, too_old);
    control_refused(world, "press", "{\"chat_id\":42,\"message_id\":1,\"data\":\"other\"}", 404);
    control_refused(world, "press", "{\"chat_id\":42,\"message_id\":9,\"data\":\"ok:7\"}", 404);
}

/* Private chats and basic groups share one row of message ids, a supergroup has its own. */
static void test_message_ids(void **state) {
    struct world *world = *state;
    json_t *a = control(world, "message", "{\"chat_id\":42,\"text\":\"x\"}");
    json_t *b = control(world, "message", "{\"chat_id\":-5,\"text\":\"x\"}");
    json_t *c = control(world, "message", "{\"chat_id\":-1001000000005,\"text\":\"x\"}");
    assert_int_equal(number(a, "message_id"), 1);
    assert_int_equal(number(b, "message_id"), 2);
    assert_int_equal(number(c, "message_id"), 1);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void test_messages_are_bounded(void **state) {
    struct world *world = *state;
    no_limits(world);
    for (int i = 0; i < TELEGRAM_MESSAGES_MAX + 1; i++)
        json_decref(result(world, "sendMessage", "{\"chat_id\":42,\"text\":\"a\"}"));
    json_t *book = control(world, "messages", "{\"chat_id\":42}");
    json_t *messages = json_object_get(book, "messages");
    assert_int_equal(json_array_size(messages), TELEGRAM_MESSAGES_MAX);
    assert_int_equal(number(json_array_get(messages, 0), "message_id"), 2);
    json_decref(book);
    refused(world, "editMessageText", "{\"chat_id\":42,\"message_id\":1,\"text\":\"x\"}", 400,
            "Bad Request: message to edit not found");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_send),
        WORLD_TEST(test_user_message_is_an_update),
        WORLD_TEST(test_text_length),
        WORLD_TEST(test_chat_errors),
        WORLD_TEST(test_chat_states),
        WORLD_TEST(test_migration),
        WORLD_TEST(test_replies),
        WORLD_TEST(test_markup),
        WORLD_TEST(test_markup_of_too_many_buttons),
        WORLD_TEST(test_edit),
        WORLD_TEST(test_delete),
        WORLD_TEST(test_press_and_answer),
        WORLD_TEST(test_press_too_late),
        WORLD_TEST(test_message_ids),
        WORLD_TEST(test_messages_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
