/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/telegram_bot.h"
#include <errno.h>

static const char updates[] =
    "{\"ok\":true,\"result\":["
    "{\"update_id\":7,\"message\":{\"message_id\":3,\"date\":1700000000,\"from\":{\"id\":42},"
    "\"chat\":{\"id\":42,\"type\":\"private\"},\"text\":\"/start\"}},"
    "{\"update_id\":8,\"callback_query\":{\"id\":\"q1\",\"from\":{\"id\":43},\"data\":\"d:7:ok\","
    "\"message\":{\"message_id\":4,\"date\":1,\"chat\":{\"id\":-5,\"type\":\"group\"}}}},"
    "{\"update_id\":9,\"message\":{\"message_id\":5,\"chat\":{\"id\":42,\"type\":\"private\"},"
    "\"photo\":[]}},"
    "{\"update_id\":10,\"poll\":{}}]}";

static void test_updates(void **state) {
    struct incoming_list list;
    assert_int_equal(telegram_bot_read_updates(slice_of(updates), &list), 0);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.list[0].kind, INCOMING_TEXT);
    assert_string_equal(list.list[0].text, "/start");
    assert_int_equal(list.list[0].sent_ms, 1700000000000);
    assert_true(list.list[0].is_private);
    assert_int_equal(list.list[1].kind, INCOMING_PRESS);
    assert_int_equal(list.list[1].user, 43);
    assert_int_equal(list.list[1].chat, -5);
    assert_string_equal(list.list[1].data, "d:7:ok");
    assert_false(list.list[1].is_private);
    assert_null(list.list[2].text);
    assert_int_equal(list.list[3].kind, INCOMING_OTHER);
    incoming_list_deinit(&list);
}

static void test_nonsense(void **state) {
    const char *const bad[] = {"",
                               "<html>",
                               "[]",
                               "{\"ok\":false,\"result\":[]}",
                               "{\"ok\":true,\"result\":{}}",
                               "{\"ok\":true,\"result\":[{}]}",
                               "{\"ok\":true,\"result\":[{\"update_id\":\"7\"}]}",
                               "{\"ok\":true,\"result\":[{\"update_id\":1},7]}"};
    struct incoming_list list;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(telegram_bot_read_updates(slice_of(bad[i]), &list), -EPROTO);
    for (size_t size = 0; size < sizeof updates - 1; size++) /* half an answer */
        assert_int_equal(telegram_bot_read_updates((struct slice){updates, size}, &list), -EPROTO);
    static const char strange[] = "{\"ok\":true,\"result\":[{\"update_id\":1,\"message\":{"
                                  "\"chat\":7,\"from\":[],\"text\":{}}},{\"update_id\":2,"
                                  "\"callback_query\":{\"message\":\"x\"}}]}";
    assert_int_equal(telegram_bot_read_updates(slice_of(strange), &list), 0);
    assert_int_equal(list.list[0].user, 0);
    assert_null(list.list[0].text);
    assert_int_equal(list.list[1].kind, INCOMING_OTHER);
    incoming_list_deinit(&list);
}

static void test_messages(void **state) {
    AUTO_BUFFER struct buffer markup = {0}, say = {0}, edit = {0}, toast = {0};
    struct outgoing_button buttons[] = {
        {"Confirm", "d:7:ok", false}, {"Back", "d:7:back", true}, {"Cancel", "d:7:no", false}};
    telegram_bot_add_markup(buttons, 3, &markup);
    assert_string_equal(markup.data,
                        "{\"inline_keyboard\":[[{\"text\":\"Confirm\",\"callback_data\":\"d:7:ok\"}"
                        "],[{\"text\":\"Back\",\"callback_data\":\"d:7:back\"},"
                        "{\"text\":\"Cancel\",\"callback_data\":\"d:7:no\"}]]}");
    telegram_bot_add_say(42, "a\n\"b\"", NULL, &say);
    assert_string_equal(say.data, "{\"chat_id\":42,\"text\":\"a\\n\\\"b\\\"\","
                                  "\"disable_web_page_preview\":true}");
    telegram_bot_add_edit(42, 4, "x", markup.data, &edit);
    assert_non_null(strstr(edit.data, "\"message_id\":4"));
    assert_non_null(strstr(edit.data, "\"reply_markup\":{\"inline_keyboard\""));
    telegram_bot_add_toast("q1", "", &toast);
    assert_string_equal(toast.data, "{\"callback_query_id\":\"q1\",\"text\":\"\"}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
