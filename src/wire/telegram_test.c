/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"
#include <errno.h>

struct example {
    int status;
    const char *body;
    enum telegram_class class;
};
#define SAID(code, text) "{\"ok\":false,\"error_code\":" #code ",\"description\":\"" text "\"}"
static const struct example examples[] = {
    {200, "{\"ok\":true,\"result\":true}", TELEGRAM_OK},
    {400, SAID(400, "Bad Request: message is not modified: specified new"), TELEGRAM_BENIGN},
    {400, SAID(400, "Bad Request: chat not found"), TELEGRAM_CHAT_GONE},
    {400, SAID(400, "Bad Request: can't parse entities: Can't find end"), TELEGRAM_BAD_MARKUP},
    {400, SAID(400, "Bad Request: message is too long"), TELEGRAM_TOO_LONG},
    {400, SAID(400, "Bad Request: message text is empty"), TELEGRAM_BAD_REQUEST},
    {400, SAID(400, "Bad Request: group chat was upgraded to a supergroup chat"),
     TELEGRAM_CHAT_GONE},
    {401, SAID(401, "Unauthorized"), TELEGRAM_BAD_TOKEN},
    {404, SAID(404, "Not Found"), TELEGRAM_BAD_TOKEN},
    {404, SAID(404, "Not Found: method not found"), TELEGRAM_BAD_REQUEST},
    {403, SAID(403, "Forbidden: bot was blocked by the user"), TELEGRAM_CHAT_GONE},
    {403, SAID(403, "Forbidden: user is deactivated"), TELEGRAM_CHAT_GONE},
    {409, SAID(409, "Conflict: terminated by other getUpdates request"), TELEGRAM_CONFLICT},
    {421, SAID(421, "Misdirected Request: unallowed token specified"), TELEGRAM_BAD_TOKEN},
    {500, SAID(500, "Internal Server Error: restart"), TELEGRAM_TRANSIENT},
    {502, "<html>bad gateway</html>", TELEGRAM_TRANSIENT},
    {200, "", TELEGRAM_TRANSIENT},
    {200, "{\"ok\":true,\"resu", TELEGRAM_TRANSIENT},
    {200, "[]", TELEGRAM_TRANSIENT},
    {200, "{\"ok\":\"true\"}", TELEGRAM_TRANSIENT},
};

static void test_classes(void **state) {
    struct telegram_answer answer;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        telegram_read_answer(examples[i].status, slice_of(examples[i].body), &answer);
        if (answer.class != examples[i].class)
            fail_msg("%s is %s", examples[i].body, telegram_class_name(answer.class));
    }
    telegram_read_answer(429,
                         slice_of("{\"ok\":false,\"error_code\":429,\"description\":\"Too Many "
                                  "Requests: retry after 7\",\"parameters\":{\"retry_after\":7}}"),
                         &answer);
    assert_int_equal(answer.class, TELEGRAM_RATE_LIMITED);
    assert_int_equal(answer.retry_after_s, 7);
    telegram_read_answer(400,
                         slice_of("{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: "
                                  "group chat was upgraded to a supergroup chat\",\"parameters\":"
                                  "{\"migrate_to_chat_id\":-1001234567890}}"),
                         &answer);
    assert_int_equal(answer.class, TELEGRAM_MIGRATED);
    assert_true(answer.migrate_to == -1001234567890);
}

static void test_updates_are_slices(void **state) {
    static const char text[] =
        "{\"ok\":true,\"result\":[{\"update_id\":10001, \"message\":{\"text\":\"\\u0061]}\"}},\n"
        "{\"callback_query\":{},\"update_id\":10002},{\"update_id\":10003,\"new_thing\":1}]}";
    struct telegram_updates updates;
    assert_int_equal(telegram_read_updates(slice_of(text), &updates), 0);
    assert_int_equal(updates.count, 3);
    assert_true(slice_is(updates.list[0].raw,
                         "{\"update_id\":10001, \"message\":{\"text\":\"\\u0061]}\"}}"));
    assert_int_equal(updates.list[1].id, 10002);
    assert_true(updates.list[1].kind_bit == telegram_kind_bit(slice_of("callback_query")));
    assert_true(updates.list[2].kind_bit == TELEGRAM_KIND_OTHER);
    free(updates.list);
    assert_int_equal(telegram_read_updates(slice_of("{\"ok\":true,\"result\":[]}"), &updates), 0);
    assert_int_equal(updates.count, 0);
    free(updates.list);
}

static void test_malformed_updates(void **state) {
    const char *const bad[] = {"",
                               "<html>",
                               "{\"ok\":true}",
                               "{\"ok\":true,\"result\":{}}",
                               "{\"ok\":true,\"result\":[{}]}",
                               "{\"ok\":true,\"result\":[1]}",
                               "{\"ok\":true,\"result\":[{\"update_id\":\"7\"}]}",
                               "{\"ok\":true,\"result\":[{\"update_id\":1.5}]}",
                               "{\"ok\":true,\"result\":[{\"update_id\":-1}]}",
                               "{\"ok\":true,\"result\":[{\"update_id\":99999999999999999999}]}",
                               "{\"ok\":true,\"result\":[{\"update_id\":7}",
                               "{\"ok\":false,\"result\":[{\"update_id\":7}]}"};
    struct telegram_updates updates;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (telegram_read_updates(slice_of(bad[i]), &updates) != -EPROTO)
            fail_msg("taken: %s", bad[i]);
}

static void assert_param(const char *type, const char *body, const char *name, const char *value) {
    AUTO_BUFFER struct buffer found = {0};
    bool has = telegram_body_param(type, slice_of(body), name, &found);
    assert_int_equal(has, value != NULL);
    if (value)
        assert_string_equal(found.data ? found.data : "", value);
}

static void test_params(void **state) {
    const char *json = "application/json; charset=utf-8",
               *form = "application/x-www-form-urlencoded";
    assert_param(json, "{\"chat_id\":42,\"text\":\"a\\nb\"}", "chat_id", "42");
    assert_param(json, "{\"chat_id\":\"@name\"}", "chat_id", "@name");
    assert_param(json, "{\"a\":{\"chat_id\":42}}", "chat_id", NULL);
    assert_param(json, "{\"chat_id\":42", "chat_id", NULL);
    assert_param(json, "{\"allowed_updates\":[\"message\"]}", "allowed_updates", "[\"message\"]");
    assert_param(form, "text=a%20b+c&chat_id=%2D100", "chat_id", "-100");
    assert_param(form, "text=a%20b+c&chat_id=%2D100", "text", "a b c");
    assert_param(form, "chat_id", "chat_id", NULL);
    assert_param(form, "chat_id=5%", "chat_id", "5%");
    const char *multi = "multipart/form-data; boundary=\"xX\"";
    const char *body =
        "--xX\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a\"\r\n\r\n"
        "\r\nname=\"chat_id\"\r\n--xX\r\nContent-Disposition: form-data; "
        "name=\"chat_id\"\r\n\r\n-7\r\n--xX--\r\n";
    assert_param(multi, body, "chat_id", "-7");
    assert_param(multi, "--xX\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n-7",
                 "chat_id", NULL);
    assert_param("multipart/form-data", body, "chat_id", NULL);
}

static void test_chat_keys_and_kinds(void **state) {
    assert_true(telegram_chat_key("-1001234567890") == -1001234567890);
    assert_true(telegram_chat_key("@Channel") == telegram_chat_key("@channel"));
    assert_true(telegram_chat_key("@channel") < INT64_MIN / 4);
    assert_int_equal(telegram_chat_key("nobody"), 0);
    uint64_t kinds;
    assert_int_equal(telegram_read_kinds(slice_of("[\"message\",\"chat_member\"]"), &kinds), 0);
    AUTO_BUFFER struct buffer json = {0};
    telegram_add_kinds(kinds, &json);
    assert_string_equal(json.data, "[\"message\",\"chat_member\"]");
    assert_int_equal(telegram_read_kinds(slice_of("[\"nonsense\"]"), &kinds), 0);
    assert_true(kinds == telegram_kinds_default());
    assert_int_equal(telegram_read_kinds(slice_of("[1]"), &kinds), -EINVAL);
    assert_int_equal(telegram_read_kinds(slice_of("message"), &kinds), -EINVAL);
}

static void test_alert_messages(void **state) {
    AUTO_BUFFER struct buffer text = {0}, message = {0};
    for (int i = 0; i < 3000; i++)
        buffer_add_text(&text, "<\xf0\x9f\x98\x80 ");
    struct alert alert = {.priority = ALERT_CRITICAL, .text = text.data, .title = (char *)"a & b"};
    uint32_t parts = 0;
    while (telegram_add_alert(&alert, parts, -100, NULL, &message)) {
        AUTO_BUFFER struct buffer said = {0};
        assert_true(json_is_valid(buffer_slice(&message)));
        assert_int_equal(json_to_text(json_member(buffer_slice(&message), "text"), &said), 0);
        assert_non_null(strstr(said.data, "a &amp; b"));
        assert_null(strstr(said.data, "<\xf0"));
        size_t points = 0, escapes = 0;
        assert_true(text_is_utf8(buffer_slice(&said), &points));
        for (const char *c = said.data; (c = strstr(c, "&lt;")); c++)
            escapes++;
        assert_true(points - 3 * escapes <= TELEGRAM_TEXT_POINTS_MAX);
        buffer_clear(&message);
        parts++;
    }
    assert_int_equal(parts, 3);
    alert.plain = alert.maybe_sent = true;
    assert_true(telegram_add_alert(&alert, 0, 7, NULL, &message));
    assert_null(strstr(message.data, "parse_mode"));
    assert_non_null(strstr(message.data, "(possible repeat)"));
}

static void test_many_alerts_as_one_message(void **state) {
    AUTO_BUFFER struct buffer message = {0}, said = {0}, long_text = {0};
    for (int i = 0; i < 500; i++)
        buffer_add_text(&long_text, "<\xf0\x9f\x98\x80\n");
    struct alert all[60];
    const struct alert *others[COUNT_OF(all)];
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        all[i] = (struct alert){.priority = ALERT_HIGH, .service = (char *)"db"};
        all[i].text = i == 1 ? long_text.data : (char *)"is <down>";
        all[i].maybe_sent = i == 2;
        others[i] = &all[i];
    }
    all[2].service = (char *)"web";
    telegram_add_alerts(&all[0], others + 1, 2, 42, NULL, &message);
    assert_int_equal(json_to_text(json_member(buffer_slice(&message), "text"), &said), 0);
    assert_non_null(strstr(said.data, "<b>HIGH \xc2\xb7 3 alerts</b>\n"
                                      "\xe2\x80\xa2 db: is &lt;down&gt;\n"
                                      "\xe2\x80\xa2 db: &lt;\xf0\x9f\x98\x80 &lt;"));
    assert_non_null(strstr(said.data, "\xe2\x80\xa6\n"));
    assert_non_null(strstr(said.data, "is &lt;down&gt; (possible repeat)\n"));
    assert_null(strstr(said.data, "more;"));
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        all[i].text = long_text.data;
        all[i].service = (char *)"db";
    }
    buffer_clear(&message);
    buffer_clear(&said);
    telegram_add_alerts(&all[0], others + 1, COUNT_OF(all) - 1, 42, NULL, &message);
    assert_int_equal(json_to_text(json_member(buffer_slice(&message), "text"), &said), 0);
    assert_non_null(strstr(said.data, " more; `holdfast alerts` has them all"));
    assert_non_null(strstr(said.data, "<b>HIGH \xc2\xb7 db \xc2\xb7 60 alerts</b>\n"
                                      "\xe2\x80\xa2 &lt;"));
    size_t points = 0, escapes = 0;
    assert_true(text_is_utf8(buffer_slice(&said), &points));
    for (const char *c = said.data; (c = strstr(c, "&lt;")); c++)
        escapes++;
    assert_true(points - 3 * escapes <= TELEGRAM_TEXT_POINTS_MAX);
}

static bool read_press(const char *update, struct telegram_press *ret) {
    bool is = telegram_is_press(slice_of(update));
    assert_int_equal(telegram_read_press(slice_of(update), ret), is);
    return is;
}

static void test_presses(void **state) {
    struct telegram_press press;
    assert_true(read_press("{\"update_id\":1,\"callback_query\":{\"id\":\"99\",\"from\":{\"id\":42,"
                           "\"first_name\":\"A\\u00e9\"},\"message\":{\"message_id\":7,\"chat\":{"
                           "\"id\":-5}},\"data\":\"holdfast:ack 17\"}}",
                           &press));
    assert_true(press.button && press.from == 42 && press.chat == -5 && press.message == 7);
    assert_string_equal(press.name, "A\xc3\xa9");
    assert_string_equal(press.query, "99");
    assert_string_equal(press.verb, "ack");
    assert_string_equal(press.words[0], "17");
    static const char said[] =
        "{\"update_id\":1,\"message\":{\"message_id\":7,\"date\":1700,\"from\":{"
        "\"id\":42},\"chat\":{\"id\":42},\"text\":\"%s\"}}";
    const struct {
        const char *text, *verb, *first, *second;
    } ours[] = {{"/holdfast", "", "", ""},
                {"/Holdfast@some_bot  Silence  db\\n2h more", "silence", "db", "2h"},
                {"/holdfast restart api", "restart", "api", ""}};
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        AUTO_BUFFER struct buffer update = {0};
        buffer_print(&update, said, ours[i].text);
        assert_true(read_press(update.data, &press));
        assert_true(!press.button && press.at_s == 1700);
        assert_string_equal(press.verb, ours[i].verb);
        assert_string_equal(press.words[0], ours[i].first);
        assert_string_equal(press.words[1], ours[i].second);
    }
    static const char *const others[] = {"hello", "/holdfastest", "/start", "holdfast:ack 1",
                                         "",      "//holdfast"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        AUTO_BUFFER struct buffer update = {0};
        buffer_print(&update, said, others[i]);
        assert_false(read_press(update.data, &press));
    }
    assert_false(read_press("{\"callback_query\":{\"id\":\"1\",\"data\":\"count:1\"}}", &press));
    /* Ours, and nobody has said it: it is kept from bots and not carried out. */
    static const char nobody[] = "{\"callback_query\":{\"id\":\"1\",\"data\":\"holdfast:ack\"}}";
    assert_true(telegram_is_press(slice_of(nobody)));
    assert_false(telegram_read_press(slice_of(nobody), &press));
}

static void test_what_ages(void **state) {
    static const struct {
        const char *update;
        bool ages;
        int64_t date_ms;
    } cases[] = {
        {"\"message\":{\"date\":1700000000,\"text\":\"x\"}", true, 1700000000000},
        {"\"edited_message\":{\"date\":17,\"edit_date\":18}", true, 18000},
        {"\"message\":{\"date\":\"x\"}", true, 0},
        {"\"message\":{\"date\":-5}", true, 0},
        {"\"message\":{\"date\":17,\"successful_payment\":{}}", false, 17000},
        {"\"callback_query\":{\"id\":\"1\"}", true, 0},
        {"\"inline_query\":{}", true, 0},
        {"\"pre_checkout_query\":{}", false, 0},
        {"\"chat_member\":{\"date\":17}", false, 0},
        {"\"something_new\":{\"date\":17}", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer body = {0};
        struct telegram_updates updates;
        buffer_print(&body, "{\"ok\":true,\"result\":[{\"update_id\":1,%s}]}", cases[i].update);
        assert_int_equal(telegram_read_updates(buffer_slice(&body), &updates), 0);
        if (updates.list[0].ages != cases[i].ages || updates.list[0].date_ms != cases[i].date_ms)
            fail_msg("%s", cases[i].update);
        free(updates.list);
    }
}

static void test_buttons(void **state) {
    AUTO_BUFFER struct buffer message = {0};
    struct alert alert = {.priority = ALERT_CRITICAL, .text = (char *)"down"};
    struct telegram_buttons buttons = {.id = 16, .ack = 17, .service = "db"};
    assert_true(telegram_add_alert(&alert, 0, 42, &buttons, &message));
    assert_true(json_is_valid(buffer_slice(&message)));
    assert_non_null(strstr(message.data, "\"holdfast:ack 17\""));
    assert_non_null(strstr(message.data, "\"holdfast:silence 16\""));
    assert_non_null(strstr(message.data, "\"holdfast:restart db\""));
    char longest[80];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    buttons.service = longest; /* more than a button's data can hold: none rather than half of it */
    AUTO_BUFFER struct buffer other = {0};
    assert_true(telegram_add_alert(&alert, 0, 42, &buttons, &other));
    assert_true(json_is_valid(buffer_slice(&other)));
    assert_null(strstr(other.data, "holdfast:restart"));
    AUTO_BUFFER struct buffer update = {0}, done = {0};
    struct telegram_press press;
    buffer_print(
        &update,
        "{\"callback_query\":{\"id\":\"1\",\"from\":{\"id\":42},\"data\":\"holdfast:ack 17\","
        "\"message\":%s}}",
        message.data);
    assert_true(read_press(update.data, &press));
    assert_string_equal(press.service, "db"); /* its buttons stay when it is acknowledged */
    telegram_add_done(&done, "Ann", press.service);
    assert_true(json_is_valid(buffer_slice(&done)));
    assert_non_null(strstr(done.data, "holdfast:known"));
    assert_non_null(strstr(done.data, "holdfast:logs db"));
    AUTO_BUFFER struct buffer unasked = {0};
    buttons = (struct telegram_buttons){.id = 16, .service = "db"}; /* nobody need acknowledge it */
    assert_true(telegram_add_alert(&alert, 0, 42, &buttons, &unasked));
    assert_true(json_is_valid(buffer_slice(&unasked)));
    assert_null(strstr(unasked.data, "holdfast:ack"));
    assert_non_null(strstr(unasked.data, "holdfast:restart db"));
    AUTO_BUFFER struct buffer none = {0};
    assert_true(telegram_add_alert(&alert, 0, 42, &(struct telegram_buttons){0}, &none));
    assert_null(strstr(none.data, "reply_markup"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_updates_are_slices),
        cmocka_unit_test(test_malformed_updates),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_chat_keys_and_kinds),
        cmocka_unit_test(test_alert_messages),
        cmocka_unit_test(test_many_alerts_as_one_message),
        cmocka_unit_test(test_presses),
        cmocka_unit_test(test_what_ages),
        cmocka_unit_test(test_buttons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
