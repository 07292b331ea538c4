/* SPDX-License-Identifier: Apache-2.0 */
/* The envelope, tokens, methods, commands, files, chats. */
#include "mimic/telegram_test.h"

static void test_envelope_and_me(void **state) {
    struct world *world = *state;
    check(
        world, "getMe", "{}", 200,
        "{\"ok\":true,\"result\":{\"id\":1001,\"is_bot\":true,\"first_name\":\"demo_bot\","
        "\"username\":\"demo_bot\",\"can_join_groups\":true,\"can_read_all_group_messages\":false,"
        "\"supports_inline_queries\":false}}");
    struct telegram_answer answer = taken(world, start(world, "getMe", "{}"));
    assert_string_equal(answer.content_type, "application/json");
    assert_int_equal(answer.retry_after_s, -1);
    telegram_answer_deinit(&answer);
}

static void test_method_names(void **state) {
    struct world *world = *state;
    check(world, "GETME", "{}", 200, "{\"ok\":true,...}");
    check(world, "getme", "{}", 200, "{\"ok\":true,...}");
    refused(world, "getYou", "{}", 404, "Not Found: method not found");
    refused(world, "", "{}", 404, "Not Found: method not found");
}

static void test_tokens(void **state) {
    struct world *world = *state;
    static const char malformed[] =
        "{\"ok\":false,\"error_code\":401,\"description\":\"Unauthorized: "
        "invalid token specified\"}";
    AUTO_FREE char *long_token = memory_new(90);
    memset(long_token, '1', 85);
    memcpy(long_token, "1:", 2);
    const char *bad[] = {"", "x", "1001", "01:a", "1001:", ":a", "a:b", "-1:a", long_token};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        answered(world, start_as(world, bad[i], "getMe", "{}"), 401, malformed);
    answered(world, start_as(world, "1002:other", "getMe", "{}"), 401,
             "{\"ok\":false,\"error_code\":401,\"description\":\"Unauthorized\"}");
    assert_int_equal(telegram_add_bot(world->telegram, "1002:other", "o"), 0);
    answered(world, start_as(world, "1002:other", "getMe", "{}"), 200, "{\"ok\":true,...}");
    assert_true(telegram_add_bot(world->telegram, "1002:other", "o") < 0);
    assert_true(telegram_add_bot(world->telegram, "nonsense", "o") < 0);
}

static void test_any_token_without_added_bots(void **state) {
    struct world world = {.telegram = telegram_new(1), .now = 1795310513000};
    for (int i = 1; i <= TELEGRAM_BOTS_MAX + 1; i++) {
        AUTO_FREE char *token = text_format("%d:abc", i);
        answered(&world, start_as(&world, token, "getMe", "{}"), i > TELEGRAM_BOTS_MAX ? 401 : 200,
                 i > TELEGRAM_BOTS_MAX ? "{\"ok\":false,...}" : "{\"ok\":true,...}");
    }
    telegram_free(world.telegram);
}

static void test_same_seed_same_ids(void **state) {
    int64_t ids[2];
    for (int i = 0; i < 2; i++) {
        struct world world = {.telegram = telegram_new(9), .now = 1795310513000};
        assert_int_equal(telegram_add_bot(world.telegram, TOKEN, "b"), 0);
        ids[i] = say(&world, "x");
        telegram_free(world.telegram);
    }
    assert_int_equal(ids[0], ids[1]);
}

static void test_commands(void **state) {
    struct world *world = *state;
    check(world, "getMyCommands", "{}", 200, "{\"ok\":true,\"result\":[]}");
    check(world, "setMyCommands", "{\"commands\":[{\"command\":\"/buy\",\"description\":\"Buy\"}]}",
          200, "{\"ok\":true,\"result\":true}");
    check(world, "getMyCommands", "{}", 200,
          "{\"ok\":true,\"result\":[{\"command\":\"buy\",\"description\":\"Buy\"}]}");
    check(world, "setMyCommands",
          "{\"commands\":\"[{\\\"command\\\":\\\"x\\\",\\\"description\\\":\\\"X\\\"}]\","
          "\"scope\":{\"type\":\"chat\",\"chat_id\":42},\"language_code\":\"vi\"}",
          200, "{\"ok\":true,\"result\":true}");
    check(world, "getMyCommands",
          "{\"scope\":\"{\\\"chat_id\\\":42,\\\"type\\\":\\\"chat\\\"}\",\"language_code\":\"vi\"}",
          200, "{\"ok\":true,\"result\":[{\"command\":\"x\",\"description\":\"X\"}]}");
    check(world, "deleteMyCommands", "{}", 200, "{\"ok\":true,\"result\":true}");
    check(world, "getMyCommands", "{}", 200, "{\"ok\":true,\"result\":[]}");
}

static void commands_refused(struct world *world, const char *command, const char *description,
                             const char *why) {
    AUTO_FREE char *params = text_format(
        "{\"commands\":[{\"command\":\"%s\",\"description\":\"%s\"}]}", command, description);
    refused(world, "setMyCommands", params, 400, why);
}

static void test_commands_limits(void **state) {
    struct world *world = *state;
    char long_name[34] = {0}, long_text[258] = {0};
    memset(long_name, 'a', 33);
    memset(long_text, 'a', 257);
    commands_refused(world, "", "x", "Bad Request: command must be non-empty");
    commands_refused(world, long_name, "x", "Bad Request: command length must not exceed 32");
    commands_refused(world, "a", "", "Bad Request: command description must be non-empty");
    commands_refused(world, "a", long_text,
                     "Bad Request: command description length must not exceed 256");
    commands_refused(world, "Buy", "x", "Bad Request: BOT_COMMAND_INVALID");
    refused(world, "setMyCommands", "{\"commands\":\"x\"}", 400,
            "Bad Request: can't parse commands JSON object");
    AUTO_BUFFER struct buffer many = {0};
    for (int i = 0; i < 101; i++)
        buffer_print(&many, "%s{\"command\":\"c%d\",\"description\":\"x\"}",
                     i ? "," : "{\"commands\":[", i);
    buffer_add_text(&many, "]}");
    refused(world, "setMyCommands", many.data, 400, "Bad Request: BOT_COMMANDS_TOO_MUCH");
}

static void test_chats(void **state) {
    struct world *world = *state;
    check(world, "getChat", "{\"chat_id\":\"42\"}", 200,
          "{\"ok\":true,\"result\":{\"id\":42,\"first_name\":\"Ann\",\"type\":\"private\"}}");
    check(world, "sendChatAction", "{\"chat_id\":42,\"action\":\"typing\"}", 200,
          "{\"ok\":true,\"result\":true}");
    refused(world, "sendChatAction", "{\"chat_id\":42,\"action\":\"dancing\"}", 400,
            "Bad Request: wrong parameter action in request");
    json_t *book = control(world, "messages", "{\"chat_id\":42}");
    assert_true(json_is_true(json_object_get(book, "typing")));
    json_decref(book);
    world->now += 5001;
    book = control(world, "messages", "{\"chat_id\":42}");
    assert_false(json_is_true(json_object_get(book, "typing")));
    json_decref(book);
    say(world, "I am here");
    check(world, "getChatMember", "{\"chat_id\":42,\"user_id\":42}", 200,
          "{\"ok\":true,\"result\":{\"user\":{...},\"status\":\"member\"}}");
    refused(world, "getChatMember", "{\"chat_id\":42,\"user_id\":7}", 400,
            "Bad Request: PARTICIPANT_ID_INVALID");
}

/* --- files -------------------------------------------------------------------------------- */

static uint64_t upload(struct world *world, const char *method, const char *field, const char *name,
                       struct slice bytes) {
    struct telegram_file file = {field, name, "text/plain", bytes};
    json_t *params = json_pack("{s:s, s:s}", "chat_id", "42", "caption", "look");
    struct telegram_call call = {++world->ticket, TOKEN, method, params, &file, 1};
    telegram_call(world->telegram, &call, world->now);
    json_decref(params);
    return call.ticket;
}

static json_t *uploaded(struct world *world, const char *method, const char *field,
                        struct slice bytes) {
    struct telegram_answer answer = taken(world, upload(world, method, field, "a.txt", bytes));
    assert_int_equal(answer.status, 200);
    json_t *body = json_loads(answer.body, 0, NULL);
    json_t *message = json_incref(json_object_get(body, "result"));
    telegram_answer_deinit(&answer);
    json_decref(body);
    return message;
}

static void test_document_and_back(void **state) {
    struct world *world = *state;
    json_t *message = uploaded(world, "sendDocument", "document", slice_of("hello"));
    assert_string_equal(json_string_value(json_object_get(message, "caption")), "look");
    json_t *document = json_object_get(message, "document");
    assert_string_equal(json_string_value(json_object_get(document, "file_name")), "a.txt");
    assert_int_equal(number(document, "file_size"), 5);
    const char *id = json_string_value(json_object_get(document, "file_id"));
    AUTO_FREE char *params = text_format("{\"file_id\":\"%s\"}", id);
    json_t *file = result(world, "getFile", params);
    struct slice bytes = {0};
    const char *path = json_string_value(json_object_get(file, "file_path")), *type = "";
    assert_true(telegram_file_find(world->telegram, TOKEN, path, &bytes));
    assert_true(slice_is(bytes, "hello"));
    assert_false(telegram_file_find(world->telegram, "9:x", path, &bytes));
    assert_true(telegram_file_by_id(world->telegram, id, &bytes, &type));
    assert_null(type);
    /* The same file again, by its id. */
    AUTO_FREE char *again = text_format("{\"chat_id\":42,\"document\":\"%s\"}", id);
    json_decref(result(world, "sendDocument", again));
    json_decref(file);
    json_decref(message);
}

static void test_photo(void **state) {
    struct world *world = *state;
    static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\0\x80......";
    json_t *message = uploaded(world, "sendPhoto", "photo", (struct slice){png, sizeof png});
    json_t *photo = json_array_get(json_object_get(message, "photo"), 0);
    assert_int_equal(number(photo, "width"), 256);
    assert_int_equal(number(photo, "height"), 128);
    json_decref(message);
    answered(
        world, upload(world, "sendPhoto", "photo", "x", slice_of("text")), 400,
        "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: IMAGE_PROCESS_FAILED\"}");
}

static void test_files_refused(void **state) {
    struct world *world = *state;
    refused(world, "sendDocument", "{\"chat_id\":42}", 400,
            "Bad Request: there is no document in the request");
    refused(world, "sendPhoto", "{\"chat_id\":42,\"photo\":\"attach://x\"}", 400,
            "Bad Request: there is no photo in the request");
    refused(world, "sendPhoto", "{\"chat_id\":42,\"photo\":\"http://127.0.0.1/x\"}", 400,
            "Bad Request: failed to get HTTP URL content");
    refused(world, "getFile", "{\"file_id\":\"x\"}", 400,
            "Bad Request: wrong file_id or the file is temporarily unavailable");
    answered(world, upload(world, "sendDocument", "document", "x", slice_of("")), 400,
             "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: file must be "
             "non-empty\"}");
    /* A name that is no UTF-8 does no harm. */
    answered(world, upload(world, "sendDocument", "document", "\xff", slice_of("x")), 200,
             "{\"ok\":true,...}");
}

static void test_files_are_bounded(void **state) {
    struct world *world = *state;
    no_limits(world);
    enum { BYTES = 20 << 20 };
    AUTO_FREE char *bytes = memory_new(BYTES);
    json_t *first = uploaded(world, "sendDocument", "document", (struct slice){bytes, BYTES});
    for (int i = 0; i < 3; i++)
        json_decref(uploaded(world, "sendDocument", "document", (struct slice){bytes, BYTES}));
    AUTO_FREE char *params = text_format(
        "{\"file_id\":\"%s\"}",
        json_string_value(json_object_get(json_object_get(first, "document"), "file_id")));
    refused(world, "getFile", params, 400,
            "Bad Request: wrong file_id or the file is temporarily unavailable");
    json_decref(first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_envelope_and_me),
        WORLD_TEST(test_method_names),
        WORLD_TEST(test_tokens),
        cmocka_unit_test(test_any_token_without_added_bots),
        cmocka_unit_test(test_same_seed_same_ids),
        WORLD_TEST(test_commands),
        WORLD_TEST(test_commands_limits),
        WORLD_TEST(test_chats),
        WORLD_TEST(test_document_and_back),
        WORLD_TEST(test_photo),
        WORLD_TEST(test_files_refused),
        WORLD_TEST(test_files_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
