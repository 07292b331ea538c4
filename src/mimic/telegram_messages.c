/* SPDX-License-Identifier: Apache-2.0 */
/* What bots say: sending, editing, deleting, and answering a press of a button. Checks come in the
 * order of the real server: text and markup first, then the chat, then the limits. */
#include "base/text.h"
#include "mimic/telegram_state.h"

enum { DELETE_HOURS_MAX = 48, TOAST_POINTS_MAX = 200, TEXT_BYTES_MAX = 65536 };

static size_t points(const char *text) {
    size_t count = 0;
    return text_is_utf8(slice_of(text), &count) ? count : SIZE_MAX;
}

/* The text argument of a call, formatted; false with the call failed. */
static bool read_text(struct call *call, const char *name, const char *entities, size_t points_max,
                      struct formatted *ret) {
    const char *text = call_arg(call, name);
    AUTO_FREE char *why =
        strlen(text) > TEXT_BYTES_MAX
            ? text_copy("message is too long")
            : telegram_format(text, call_arg(call, "parse_mode"), call_arg(call, entities), ret);
    if (why) {
        call_fail(call, 400, why);
        return false;
    }
    if (points(ret->text) > points_max) {
        call_fail(call, 400,
                  points_max == CAPTION_POINTS_MAX ? "message caption is too long"
                                                   : "message is too long");
        return false;
    }
    return true;
}

static bool read_message_text(struct call *call, struct formatted *ret) {
    if (!*call_arg(call, "text")) {
        call_fail(call, 400, "message text is empty");
        return false;
    }
    if (!read_text(call, "text", "entities", TEXT_POINTS_MAX, ret))
        return false;
    if (!*ret->text) {
        call_fail(call, 400, "text must be non-empty");
        return false;
    }
    return true;
}

static bool read_markup(struct call *call, bool only_inline, json_t **ret) {
    AUTO_FREE char *why = telegram_markup(call_arg(call, "reply_markup"), only_inline, ret);
    if (why)
        call_fail(call, 400, why);
    return !why;
}

/* {"text": ..., "entities": [...]}, or the caption of a file. */
static void put_text(json_t *content, const char *key, const char *entities_key,
                     struct formatted *formatted) {
    if (!*formatted->text)
        return;
    json_object_set_new(content, key, json_string(formatted->text));
    if (json_array_size(formatted->entities))
        json_object_set(content, entities_key, formatted->entities);
}

/* The message this one replies to. False: the call has failed. */
static bool read_reply(struct call *call, struct chat *chat, json_t **ret) {
    json_t *parameters = json_loads(call_arg(call, "reply_parameters"), 0, NULL);
    int64_t id = json_integer_value(json_object_get(parameters, "message_id"));
    bool optional = json_is_true(json_object_get(parameters, "allow_sending_without_reply")) ||
                    call_bool(call, "allow_sending_without_reply");
    json_decref(parameters);
    if (!id)
        id = call_int(call, "reply_to_message_id", 0, 0, INT64_MAX);
    struct message *message = id ? message_find(chat, id) : NULL;
    if (id && !optional && (!message || message->deleted)) {
        call_fail(call, 400, "message to be replied not found");
        return false;
    }
    if (message && !message->deleted) {
        *ret = message_json(chat, message);
        json_object_del(*ret, "reply_to_message"); /* one level only */
    }
    return true;
}

/* Puts content into the chat; takes content and markup, also when the call fails. */
static void deliver(struct call *call, json_t *content, json_t *markup) {
    struct chat *chat = chat_of_call(call);
    json_t *reply_to = NULL;
    if (chat && call_int(call, "message_thread_id", 0, 0, INT64_MAX)) {
        call_fail(call, 400, "message thread not found");
        chat = NULL;
    }
    if (!chat || !read_reply(call, chat, &reply_to) || !limits_pass(call, chat, false)) {
        json_decref(content);
        json_decref(markup);
        json_decref(reply_to);
        return;
    }
    struct message *message =
        message_add(call->bot, chat, bot_json(call->bot), content, markup, reply_to, call->now);
    call_succeed(call, message_json(chat, message));
}

void messages_handle_send(struct call *call) {
    AUTO_FORMATTED struct formatted formatted = {0};
    json_t *markup = NULL;
    if (!read_message_text(call, &formatted) || !read_markup(call, false, &markup))
        return;
    json_t *content = json_object();
    put_text(content, "text", "entities", &formatted);
    deliver(call, content, markup);
}

void messages_handle_send_file(struct call *call) {
    AUTO_FORMATTED struct formatted caption = {0};
    json_t *markup = NULL;
    const char *field = strchr("pP", call->in->method[4]) ? "photo" : "document";
    if (!read_text(call, "caption", "caption_entities", CAPTION_POINTS_MAX, &caption) ||
        !read_markup(call, false, &markup))
        return;
    json_t *file = files_store(call, field);
    if (!file) {
        json_decref(markup);
        return;
    }
    json_t *content = json_pack("{s:o}", field, file);
    put_text(content, "caption", "caption_entities", &caption);
    deliver(call, content, markup);
}

/* --- editing ------------------------------------------------------------------------------ */

/* The bot's own message that the call wants to change, or NULL with the call failed. */
static struct message *own_message(struct call *call, struct chat **ret_chat) {
    if (*call_arg(call, "inline_message_id")) {
        call_fail(call, 400, "MESSAGE_ID_INVALID"); /* inline mode is not simulated */
        return NULL;
    }
    struct chat *chat = chat_of_call(call);
    if (!chat)
        return NULL;
    int64_t id = call_int(call, "message_id", 0, 0, INT64_MAX);
    if (!id) {
        call_fail(call, 400, "message identifier is not specified");
        return NULL;
    }
    struct message *message = message_find(chat, id);
    if (!message || message->deleted) {
        call_fail(call, 400, "message to edit not found");
        return NULL;
    }
    if (!message->from_bot) {
        call_fail(call, 400, "message can't be edited");
        return NULL;
    }
    *ret_chat = chat;
    return message;
}

static bool same_markup(const json_t *a, const json_t *b) {
    bool empty_a = json_array_size(json_object_get(a, "inline_keyboard")) == 0;
    bool empty_b = json_array_size(json_object_get(b, "inline_keyboard")) == 0;
    return (empty_a && empty_b) || json_equal(a, b);
}

/* Replaces content (NULL: keep) and markup; takes both. */
static void change(struct call *call, struct chat *chat, struct message *message, json_t *content,
                   json_t *markup) {
    bool same =
        same_markup(message->markup, markup) && (!content || json_equal(content, message->content));
    if (same)
        call_fail(call, 400,
                  "message is not modified: specified new message content and reply markup are "
                  "exactly the same as a current content and reply markup of the message");
    if (same || !limits_pass(call, chat, true)) {
        json_decref(content);
        json_decref(markup);
        return;
    }
    if (content) {
        json_decref(message->content);
        message->content = content;
        message->edit_date = call->now / 1000;
    }
    json_decref(message->markup);
    message->markup = json_array_size(json_object_get(markup, "inline_keyboard")) ? markup : NULL;
    if (!message->markup)
        json_decref(markup);
    message->edit_date = call->now / 1000;
    message_touch(call->bot, chat, message);
    call_succeed(call, message_json(chat, message));
}

void messages_handle_edit_text(struct call *call) {
    AUTO_FORMATTED struct formatted formatted = {0};
    json_t *markup = NULL;
    struct chat *chat = NULL;
    if (!read_message_text(call, &formatted) || !read_markup(call, true, &markup))
        return;
    struct message *message = own_message(call, &chat);
    if (message && !json_object_get(message->content, "text")) {
        call_fail(call, 400, "there is no text in the message to edit");
        message = NULL;
    }
    if (!message) {
        json_decref(markup);
        return;
    }
    json_t *content = json_object();
    put_text(content, "text", "entities", &formatted);
    change(call, chat, message, content, markup);
}

void messages_handle_edit_markup(struct call *call) {
    json_t *markup = NULL;
    struct chat *chat = NULL;
    if (!read_markup(call, true, &markup))
        return;
    struct message *message = own_message(call, &chat);
    if (message)
        change(call, chat, message, NULL, markup);
    else
        json_decref(markup);
}

void messages_handle_delete(struct call *call) {
    struct chat *chat = chat_of_call(call);
    if (!chat)
        return;
    int64_t id = call_int(call, "message_id", 0, 0, INT64_MAX);
    struct message *message = id ? message_find(chat, id) : NULL;
    if (!id) {
        call_fail(call, 400, "message identifier is not specified");
    } else if (!message || message->deleted) {
        call_fail(call, 400, "message to delete not found");
    } else if (call->now / 1000 - message->date > DELETE_HOURS_MAX * 3600 ||
               (!message->from_bot && chat->type != CHAT_PRIVATE)) {
        call_fail(call, 400, "message can't be deleted");
    } else {
        message->deleted = true;
        message_touch(call->bot, chat, message);
        call_succeed(call, json_true());
    }
}

/* --- presses ------------------------------------------------------------------------------ */

void queries_add(struct bot *bot, const char *id, int64_t chat_id, int64_t now) {
    if (!bot->queries)
        bot->queries = memory_array(TELEGRAM_QUERIES_MAX, sizeof *bot->queries);
    struct query *query = &bot->queries[bot->query_next++ % TELEGRAM_QUERIES_MAX];
    *query = (struct query){.date = now, .chat_id = chat_id};
    memcpy(query->id, id, strnlen(id, sizeof query->id - 1));
    bot->query_count += bot->query_count < TELEGRAM_QUERIES_MAX;
}

static struct query *query_find(struct bot *bot, const char *id) {
    for (size_t i = 0; i < bot->query_count; i++) {
        if (strcmp(bot->queries[i].id, id) == 0)
            return &bot->queries[i];
    }
    return NULL;
}

void messages_handle_answer_query(struct call *call) {
    struct telegram *telegram = call->telegram;
    const char *text = call_arg(call, "text");
    struct query *query = query_find(call->bot, call_arg(call, "callback_query_id"));
    if (!query || call->now - query->date > QUERY_LIFE_MS) {
        call_fail(call, 400,
                  "query is too old and response timeout expired or query ID is invalid");
        return;
    }
    if (points(text) > TOAST_POINTS_MAX) {
        call_fail(call, 400, "MESSAGE_TOO_LONG");
        return;
    }
    query->answered = true;
    struct chat *chat = chat_find(call->bot, query->chat_id);
    struct toast *toast = &telegram->toasts[telegram->toast_next++ % COUNT_OF(telegram->toasts)];
    json_decref(toast->answer);
    *toast = (struct toast){
        .seq = ++telegram->seq,
        .chat_id = query->chat_id,
        .answer = json_pack("{s:s, s:s, s:s, s:b, s:s}", "bot", call->bot->username,
                            "callback_query_id", query->id, "text", text, "show_alert",
                            call_bool(call, "show_alert"), "url", call_arg(call, "url")),
    };
    if (chat)
        chat->news = chat->seq = telegram->seq;
    call_succeed(call, json_true());
}
