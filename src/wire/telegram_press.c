/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/telegram_press.h"
#include "base/text.h"
#include "wire/json_scan.h"
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

static const char mark[] = "holdfast:", command[] = "/holdfast";
static const char restart_mark[] = "holdfast:restart ";

/* The text behind the mark or the command; NULL: it is not ours. */
static const char *line_of(const char *text, bool button) {
    size_t size = button ? sizeof mark - 1 : sizeof command - 1;
    if (strncasecmp(text, button ? mark : command, size) != 0)
        return NULL;
    text += size;
    if (!button && *text == '@') /* in a group the bot is named */
        text += strcspn(text, " \n");
    return button || !*text || strchr(" \n", *text) ? text : NULL;
}

/* The words of a press or a command; false: there are none. */
static bool text_of(struct slice update, struct buffer *ret, bool *ret_button) {
    struct slice query = json_member(update, "callback_query");
    struct slice text = query.size ? json_member(query, "data")
                                   : json_member(json_member(update, "message"), "text");
    *ret_button = query.size > 0;
    /* Most updates are neither, and long: the first characters tell. */
    const char *begin = *ret_button ? "\"holdfast:" : "\"/";
    return text.size > strlen(begin) && memcmp(text.data, begin, strlen(begin)) == 0 &&
           json_to_text(text, ret) == 0 && ret->data;
}

bool telegram_is_press(struct slice update) {
    AUTO_BUFFER struct buffer text = {0};
    bool button;
    return text_of(update, &text, &button) && line_of(text.data, button) != NULL;
}

static void read_words(const char *line, struct telegram_press *ret) {
    char *const places[] = {ret->verb, ret->words[0], ret->words[1]};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        line += strspn(line, " \t\r\n");
        size_t size = strcspn(line, " \t\r\n");
        text_print(places[i], PRESS_WORD_BYTES, "%.*s", (int)size, line);
        line += size;
    }
    for (char *c = ret->verb; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

static int64_t number_in(struct slice object, const char *name) {
    int64_t value = 0;
    return json_to_int(json_member(object, name), &value) == 0 ? value : 0;
}

static void text_in(struct slice object, const char *name, char *ret, size_t size) {
    AUTO_BUFFER struct buffer text = {0};
    ret[0] = 0;
    if (json_to_text(json_member(object, name), &text) == 0 && text.data)
        text_print(ret, size, "%s", text.data);
}

/* The service that a button of this row restarts. */
static void read_service(struct slice row, struct telegram_press *ret) {
    struct json_walk buttons;
    struct slice key, button;
    if (json_walk_begin(row, '[', &buttons) < 0)
        return;
    while (json_walk_next(&buttons, &key, &button) == 1) {
        char data[PRESS_DATA_MAX + 1];
        text_in(button, "callback_data", data, sizeof data);
        if (strncmp(data, restart_mark, sizeof restart_mark - 1) == 0)
            text_print(ret->service, sizeof ret->service, "%s", data + sizeof restart_mark - 1);
    }
}

static void read_keyboard(struct slice message, struct telegram_press *ret) {
    struct json_walk rows;
    struct slice key, row;
    struct slice keyboard = json_member(json_member(message, "reply_markup"), "inline_keyboard");
    if (json_walk_begin(keyboard, '[', &rows) < 0)
        return;
    while (json_walk_next(&rows, &key, &row) == 1)
        read_service(row, ret);
}

bool telegram_read_press(struct slice update, struct telegram_press *ret) {
    AUTO_BUFFER struct buffer text = {0};
    *ret = (struct telegram_press){0};
    if (!json_is_valid(update) || !text_of(update, &text, &ret->button))
        return false;
    const char *line = line_of(text.data, ret->button);
    if (!line)
        return false;
    struct slice query = json_member(update, "callback_query");
    struct slice message = json_member(ret->button ? query : update, "message");
    struct slice from = json_member(ret->button ? query : message, "from");
    ret->from = number_in(from, "id");
    read_keyboard(message, ret);
    ret->chat = number_in(json_member(message, "chat"), "id");
    ret->message = number_in(message, "message_id");
    ret->at_s = ret->button ? 0 : number_in(message, "date");
    text_in(from, "first_name", ret->name, sizeof ret->name);
    text_in(query, "id", ret->query, sizeof ret->query);
    const char *to = strchr(text.data, '@');
    if (!ret->button && to && to < line)
        text_print(ret->to, sizeof ret->to, "%.*s", (int)(line - to - 1), to + 1);
    read_words(line, ret);
    return ret->from != 0 && (!ret->button || ret->query[0]);
}

/* ---- buttons ---- */

static void add_button(struct buffer *ret, const char *text, const char *data) {
    buffer_add_text(ret, ret->data[ret->size - 1] == '[' ? "" : ",");
    buffer_add_text(ret, "{\"text\":");
    json_add_text(ret, slice_of(text));
    buffer_add_text(ret, ",\"callback_data\":");
    json_add_text(ret, slice_of(data));
    buffer_add_text(ret, "}");
}

static void add_service(struct buffer *ret, const char *service) {
    AUTO_FREE char *restart = text_format("%s%s", restart_mark, service ? service : "");
    AUTO_FREE char *logs = text_format("holdfast:logs %s", service ? service : "");
    if (!service || !service[0] || strlen(restart) > PRESS_DATA_MAX) /* a name may be very long */
        return;
    buffer_add_text(ret, "],[");
    add_button(ret, "Restart", restart);
    add_button(ret, "Logs", logs);
}

void telegram_add_buttons(struct buffer *ret, const struct telegram_buttons *buttons) {
    if (!buttons || !buttons->id)
        return;
    AUTO_FREE char *ack =
        text_format("holdfast:%s %lld", buttons->all ? "ackall" : "ack", (long long)buttons->ack);
    buffer_add_text(ret, ",\"reply_markup\":{\"inline_keyboard\":[[");
    if (buttons->ack)
        add_button(ret, buttons->all ? "\xe2\x9c\x94 Acknowledge all" : "\xe2\x9c\x94 Acknowledge",
                   ack);
    if (!buttons->all) {
        AUTO_FREE char *silence = text_format("holdfast:silence %lld", (long long)buttons->id);
        add_button(ret, "Silence 1 h", silence);
    }
    add_service(ret, buttons->service);
    buffer_add_text(ret, "]]}");
}

void telegram_add_done(struct buffer *ret, const char *text, const char *service) {
    buffer_add_text(ret, "{\"inline_keyboard\":[[");
    add_button(ret, text, "holdfast:known");
    add_service(ret, service);
    buffer_add_text(ret, "]]}");
}
