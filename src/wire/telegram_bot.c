/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/telegram_bot.h"
#include <errno.h>
#include <jansson.h>

static int64_t number(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

/* NULL when it is no text, or longer than Telegram lets it be. */
static char *text_of(const json_t *object, const char *name, size_t bytes_max) {
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) && json_string_length(value) <= bytes_max
               ? text_copy(json_string_value(value))
               : NULL;
}

static void read_message(const json_t *message, struct incoming *ret) {
    const json_t *chat = json_object_get(message, "chat");
    const char *type = json_string_value(json_object_get(chat, "type"));
    ret->chat = number(chat, "id");
    ret->message_id = number(message, "message_id");
    ret->is_private = type && strcmp(type, "private") == 0;
    int64_t sent_s = number(message, "date");
    ret->sent_ms = sent_s > 0 && sent_s < INT64_MAX / 1000 ? sent_s * 1000 : 0;
}

static int read_update(const json_t *update, struct incoming *ret) {
    const json_t *id = json_object_get(update, "update_id");
    const json_t *message = json_object_get(update, "message");
    const json_t *press = json_object_get(update, "callback_query");
    *ret = (struct incoming){.update_id = json_integer_value(id)};
    if (!json_is_integer(id) || ret->update_id < 0)
        return -EPROTO;
    if (json_is_object(message)) {
        read_message(message, ret);
        ret->kind = INCOMING_TEXT;
        ret->user = number(json_object_get(message, "from"), "id");
        ret->text = text_of(message, "text", (size_t)INCOMING_TEXT_MAX * 4);
    } else if (json_is_object(press)) {
        read_message(json_object_get(press, "message"), ret);
        ret->kind = INCOMING_PRESS;
        ret->user = number(json_object_get(press, "from"), "id");
        ret->data = text_of(press, "data", INCOMING_DATA_MAX);
        ret->query_id = text_of(press, "id", INCOMING_DATA_MAX);
        if (!ret->query_id)
            ret->kind = INCOMING_OTHER;
    }
    return 0;
}

void incoming_list_deinit(struct incoming_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->list[i].text);
        free(list->list[i].data);
        free(list->list[i].query_id);
    }
    free(list->list);
    *list = (struct incoming_list){0};
}

static int read_all(const json_t *answer, struct incoming_list *ret) {
    const json_t *result = json_object_get(answer, "result");
    if (!json_is_true(json_object_get(answer, "ok")) || !json_is_array(result))
        return -EPROTO;
    ret->list = memory_array(json_array_size(result) + 1, sizeof *ret->list);
    for (size_t i = 0; i < json_array_size(result); i++)
        if (read_update(json_array_get(result, i), &ret->list[ret->count++]) < 0)
            return -EPROTO;
    return 0;
}

int telegram_bot_read_updates(struct slice body, struct incoming_list *ret) {
    struct incoming_list read = {0};
    json_t *answer = json_loadb(body.data ? body.data : "", body.size, 0, NULL);
    int r = answer ? read_all(answer, &read) : -EPROTO;
    json_decref(answer);
    if (r < 0)
        incoming_list_deinit(&read);
    else
        *ret = read;
    return r;
}

static void add_json(json_t *value, struct buffer *ret) {
    char *text = json_dumps(value, JSON_COMPACT);
    must(text); /* all texts of ours are UTF-8 */
    buffer_add_text(ret, text);
    free(text);
    json_decref(value);
}

void telegram_bot_add_markup(const struct outgoing_button *buttons, size_t count,
                             struct buffer *ret) {
    if (count == 0)
        return;
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || buttons[i].new_row)
            json_array_append_new(rows, json_array());
        json_array_append_new(
            json_array_get(rows, json_array_size(rows) - 1),
            json_pack("{s:s,s:s}", "text", buttons[i].label, "callback_data", buttons[i].data));
    }
    add_json(json_pack("{s:o}", "inline_keyboard", rows), ret);
}

static void add_message(json_t *message, const char *markup, struct buffer *ret) {
    must(message);
    json_object_set_new(message, "disable_web_page_preview", json_true());
    if (markup && markup[0])
        json_object_set_new(message, "reply_markup", json_loads(markup, 0, NULL));
    add_json(message, ret);
}

void telegram_bot_add_say(int64_t chat, const char *text, const char *markup, struct buffer *ret) {
    add_message(json_pack("{s:I,s:s}", "chat_id", (json_int_t)chat, "text", text), markup, ret);
}

void telegram_bot_add_edit(int64_t chat, int64_t message_id, const char *text, const char *markup,
                           struct buffer *ret) {
    add_message(json_pack("{s:I,s:I,s:s}", "chat_id", (json_int_t)chat, "message_id",
                          (json_int_t)message_id, "text", text),
                markup, ret);
}

void telegram_bot_add_toast(const char *query_id, const char *text, struct buffer *ret) {
    add_json(json_pack("{s:s,s:s}", "callback_query_id", query_id, "text", text), ret);
}
