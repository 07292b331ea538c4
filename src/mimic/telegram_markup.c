/* SPDX-License-Identifier: Apache-2.0 */
/* The check of reply_markup: keyboards under a message and keyboards instead of the letters. */
#include "base/text.h"
#include "mimic/telegram_text.h"

enum { CALLBACK_BYTES_MAX = 64, BUTTONS_MAX = 100, ROW_BUTTONS_MAX = 8 };

static bool good_url(const char *url) {
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0 ||
           strncmp(url, "tg://", 5) == 0 || strncmp(url, "mailto:", 7) == 0;
}

/* NULL, or why `name` of the button is not a text. Absent is fine unless `needed`. */
static char *field_error(const json_t *button, const char *name, bool needed) {
    const json_t *value = json_object_get(button, name);
    if (!value)
        return needed ? text_format("Can't find field \"%s\"", name) : NULL;
    return json_is_string(value) ? NULL : text_format("Field \"%s\" must be of type String", name);
}

static const char *field(const json_t *button, const char *name) {
    const char *text = json_string_value(json_object_get(button, name));
    return text ? text : "";
}

/* The first of these that is set decides what the button does. */
static char *action_error(const json_t *button) {
    if (*field(button, "url"))
        return good_url(field(button, "url")) ? NULL
                                              : text_format("inline keyboard button URL '%s' is "
                                                            "invalid: Wrong HTTP URL",
                                                            field(button, "url"));
    size_t data = strlen(field(button, "callback_data"));
    if (data)
        return data <= CALLBACK_BYTES_MAX ? NULL : text_copy("BUTTON_DATA_INVALID");
    static const char *const others[] = {"web_app",
                                         "login_url",
                                         "switch_inline_query",
                                         "switch_inline_query_current_chat",
                                         "switch_inline_query_chosen_chat",
                                         "copy_text",
                                         "callback_game",
                                         "pay"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (json_object_get(button, others[i]))
            return NULL; /* known; what they do is not simulated */
    }
    return text_copy("can't parse inline keyboard button: Text buttons are unallowed in the inline "
                     "keyboard");
}

static char *inline_button_error(const json_t *button) {
    static const char *const names[] = {"text", "url", "callback_data"};
    if (!json_is_object(button))
        return text_copy(
            "can't parse inline keyboard button: InlineKeyboardButton must be an Object");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *why = field_error(button, names[i], i == 0);
        if (why)
            return text_format("can't parse inline keyboard button: %s", why);
    }
    if (!*field(button, "text"))
        return text_copy(
            "can't parse inline keyboard button: Text of the button must be non-empty");
    return action_error(button);
}

static char *key_error(const json_t *key) {
    if (json_is_string(key))
        return NULL;
    AUTO_FREE char *why = json_is_object(key)
                              ? field_error(key, "text", true)
                              : text_copy("KeyboardButton must be a String or an Object");
    return why ? text_format("can't parse keyboard button: %s", why) : NULL;
}

static char *rows_error(const json_t *rows, const char *where,
                        char *(*button_error)(const json_t *button)) {
    size_t i, j, buttons = 0;
    json_t *row, *button;
    if (!json_is_array(rows))
        return text_format("field %s must be an Array", where);
    json_array_foreach((json_t *)rows, i, row) {
        if (!json_is_array(row))
            return text_format("field %s must be an Array of Arrays", where);
        json_array_foreach(row, j, button) {
            char *why = button_error(button);
            if (why)
                return why;
        }
        buttons += json_array_size(row);
        if (buttons > BUTTONS_MAX)
            return text_copy("reply markup is too long");
    }
    return NULL;
}

char *telegram_markup(const char *text, bool only_inline, json_t **ret) {
    if (!*text)
        return NULL;
    json_t *markup = json_loads(text, JSON_DECODE_ANY, NULL);
    char *why = NULL;
    if (!markup)
        return text_copy("can't parse reply keyboard markup JSON object");
    if (!json_is_object(markup))
        why = text_copy("object expected as reply markup");
    else if (json_object_get(markup, "inline_keyboard"))
        why = rows_error(json_object_get(markup, "inline_keyboard"),
                         "\"inline_keyboard\" of the InlineKeyboardMarkup", inline_button_error);
    else if (only_inline && json_object_size(markup))
        why = text_copy("inline keyboard expected");
    else if (json_object_get(markup, "keyboard"))
        why = rows_error(json_object_get(markup, "keyboard"),
                         "\"keyboard\" of the ReplyKeyboardMarkup", key_error);
    if (why)
        json_decref(markup);
    else
        *ret = markup;
    return why;
}
