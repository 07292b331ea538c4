/* SPDX-License-Identifier: Apache-2.0 */
/* What people do and what the screens show. */
#include "mimic/telegram_control.h"
#include "base/text.h"
#include "mimic/telegram_state.h"
#include <strings.h>

struct control {
    struct telegram *telegram;
    json_t *args;
    int64_t now;
    int status;
    json_t *ret;
};

static void complain(struct control *c, int status, const char *why) {
    must(!c->ret);
    c->status = status;
    c->ret = json_pack("{s:s}", "error", why);
}

/* The bot that `token` or `bot` (its username) names, else the first; NULL: it has complained. */
static struct bot *bot_of(struct control *c) {
    const char *token = args_text(c->args, "token"), *name = args_text(c->args, "bot");
    struct telegram *telegram = c->telegram;
    if (*token) {
        struct bot *bot = bot_find(telegram, token);
        if (!bot)
            complain(c, 404, "no bot has this token");
        return bot;
    }
    for (size_t i = 0; i < telegram->bot_count; i++) {
        if (!*name || strcmp(telegram->bots[i]->username, name) == 0)
            return telegram->bots[i];
    }
    complain(c, 404, "no such bot is known yet: it becomes known by --bot or by its first call");
    return NULL;
}

static struct chat *chat_of(struct control *c, struct bot *bot, int64_t *ret_id) {
    if (!args_int(c->args, "chat_id", ret_id)) {
        complain(c, 400, "chat_id must be a whole number");
        return NULL;
    }
    return chat_find(bot, *ret_id);
}

static size_t name_index(const char *const *names, size_t count, const char *name) {
    size_t i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

static enum chat_type type_of(struct control *c, int64_t id) {
    size_t named = name_index(chat_type_names, CHAT_TYPES, args_text(c->args, "chat_type"));
    if (named < CHAT_TYPES)
        return (enum chat_type)named;
    return id > 0 ? CHAT_PRIVATE : id <= -1000000000000 ? CHAT_SUPERGROUP : CHAT_GROUP;
}

/* The chat of a message or a setting; made when new. NULL: it has complained. */
static struct chat *chat_wanted(struct control *c, struct bot *bot) {
    int64_t id = 0;
    struct chat *chat = chat_of(c, bot, &id);
    if (chat || c->ret)
        return chat;
    enum chat_type type = type_of(c, id);
    const char *title = args_text(c->args, type == CHAT_PRIVATE ? "first_name" : "title");
    chat = chat_make(bot, id, type, *title ? title : type == CHAT_PRIVATE ? "Ann" : "Group");
    if (!chat)
        complain(c, 409, "too many chats");
    return chat;
}

static json_t *person(struct control *c, const struct chat *chat) {
    int64_t id = chat->type == CHAT_PRIVATE ? chat->id : 42;
    const char *name = args_text(c->args, "first_name");
    const char *other = chat->type == CHAT_PRIVATE ? chat->title : "Ann";
    (void)args_int(c->args, "from_id", &id);
    json_t *json = json_pack("{s:I, s:b, s:s}", "id", (json_int_t)id, "is_bot", 0, "first_name",
                             *name ? name : other);
    if (*args_text(c->args, "username"))
        json_object_set_new(json, "username", json_string(args_text(c->args, "username")));
    json_object_set_new(json, "language_code", json_string("en"));
    return json;
}

static void run_polls(struct control *c) {
    for (size_t i = 0; i < c->telegram->bot_count; i++)
        updates_run(c->telegram->bots[i], c->now);
}

/* Writing to a bot one has blocked unblocks it. */
static void do_message(struct control *c) {
    const char *text = args_text(c->args, "text");
    struct bot *bot = bot_of(c);
    struct chat *chat = bot ? chat_wanted(c, bot) : NULL;
    if (!chat)
        return;
    AUTO_FORMATTED struct formatted formatted = {0};
    size_t points = 0;
    AUTO_FREE char *why = strlen(text) > TEXT_POINTS_MAX * 4
                              ? text_copy("too long")
                              : telegram_format(text, "", "", &formatted);
    if (why || !*formatted.text || !text_is_utf8(slice_of(text), &points) ||
        points > TEXT_POINTS_MAX) {
        complain(c, 400, "text must be 1..4096 characters");
        return;
    }
    if (chat->state == CHAT_DEACTIVATED || chat->state == CHAT_KICKED ||
        chat->state == CHAT_DELETED) {
        complain(c, 409, "nobody can write to the bot in this chat: change its state first");
        return;
    }
    chat->state = CHAT_MEMBER;
    json_t *content = json_pack("{s:s}", "text", formatted.text);
    if (json_array_size(formatted.entities))
        json_object_set(content, "entities", formatted.entities);
    int64_t reply = 0;
    (void)args_int(c->args, "reply_to_message_id", &reply);
    struct message *other = reply ? message_find(chat, reply) : NULL;
    struct message *message =
        message_add(bot, chat, person(c, chat), content, NULL,
                    other && !other->deleted ? message_json(chat, other) : NULL, c->now);
    const char *kind = chat->type == CHAT_CHANNEL ? "channel_post" : "message";
    int64_t id = message->id;
    int64_t update = updates_push(bot, kind, message_json(chat, message), c->now);
    c->ret = json_pack("{s:I, s:I}", "update_id", update, "message_id", id);
}

/* True when the keyboard under the message has a button with this data. */
static bool has_button(const struct message *message, const char *data) {
    size_t i, j;
    json_t *row, *button;
    json_array_foreach(json_object_get(message->markup, "inline_keyboard"), i, row) {
        json_array_foreach(row, j, button) {
            const char *there = json_string_value(json_object_get(button, "callback_data"));
            if (there && strcmp(there, data) == 0)
                return true;
        }
    }
    return false;
}

static void do_press(struct control *c) {
    const char *data = args_text(c->args, "data");
    struct bot *bot = bot_of(c);
    int64_t id = 0, message_id = 0;
    struct chat *chat = bot ? chat_of(c, bot, &id) : NULL;
    if (c->ret)
        return;
    struct message *message = chat && args_int(c->args, "message_id", &message_id)
                                  ? message_find(chat, message_id)
                                  : NULL;
    if (!message || message->deleted) {
        complain(c, 404, "there is no such message in this chat");
        return;
    }
    if (!has_button(message, data)) {
        complain(c, 404, "the message has no button with this data (any more)");
        return;
    }
    AUTO_FREE char *query =
        text_format("%019llu", (unsigned long long)(telegram_random(c->telegram) >> 1));
    queries_add(bot, query, chat->id, c->now);
    json_t *content = json_pack("{s:s, s:o, s:o, s:s, s:s}", "id", query, "from", person(c, chat),
                                "message", message_json(chat, message), "chat_instance",
                                "-3141592653589793238", "data", data);
    int64_t update = updates_push(bot, "callback_query", content, c->now);
    c->ret = json_pack("{s:I, s:s}", "update_id", update, "callback_query_id", query);
}

/* --- the book ----------------------------------------------------------------------------- */

static json_t *book_entry(const struct chat *chat, const struct message *message) {
    json_t *json = json_pack("{s:I, s:I, s:b, s:b, s:b}", "seq", (json_int_t)message->seq,
                             "message_id", (json_int_t)message->id, "from_bot", message->from_bot,
                             "edited", message->edit_date != 0, "deleted", message->deleted);
    json_t *whole = message_json(chat, message);
    json_object_update_missing(json, whole);
    json_decref(whole);
    if (message->markup)
        json_object_set(json, "reply_markup", message->markup);
    return json;
}

static json_t *toasts_since(const struct control *c, const struct bot *bot, int64_t chat_id,
                            int64_t after) {
    json_t *list = json_array();
    size_t room = COUNT_OF(c->telegram->toasts), next = c->telegram->toast_next;
    for (size_t i = next > room ? next - room : 0; i < next; i++) {
        const struct toast *toast = &c->telegram->toasts[i % room];
        const char *name = json_string_value(json_object_get(toast->answer, "bot"));
        if (toast->chat_id == chat_id && (int64_t)toast->seq > after &&
            strcmp(name, bot->username) == 0)
            json_array_append(list, toast->answer);
    }
    return list;
}

/* Messages of a chat that are new or changed after `after`, each as it is now. */
static void show_messages(struct control *c) {
    struct bot *bot = bot_of(c);
    int64_t id = 0, after = 0;
    struct chat *chat = bot ? chat_of(c, bot, &id) : NULL;
    if (c->ret)
        return;
    (void)args_int(c->args, "after", &after);
    json_t *list = json_array();
    uint64_t next = c->telegram->seq;
    for (size_t i = 0; chat && i < chat->count; i++) {
        if ((int64_t)chat->messages[i].seq > after)
            json_array_append_new(list, book_entry(chat, &chat->messages[i]));
    }
    bool typing = chat && chat->typing_until > c->now;
    bool changed = chat && (int64_t)chat->news > after;
    c->ret = json_pack("{s:o, s:I, s:o, s:b, s:b, s:O?}", "messages", list, "next",
                       (json_int_t)next, "answers", toasts_since(c, bot, id, after), "changed",
                       changed, "typing", typing, "keyboard", chat ? chat->keyboard : NULL);
}

static json_t *chat_summary(const struct bot *bot, const struct chat *chat) {
    json_t *json = chat_json(chat);
    json_object_set_new(json, "bot", json_string(bot->username));
    json_object_set_new(json, "state", json_string(chat_state_names[chat->state]));
    json_object_set_new(json, "seq", json_integer((json_int_t)chat->seq));
    if (chat->migrate_to)
        json_object_set_new(json, "migrate_to", json_integer(chat->migrate_to));
    for (size_t i = chat->count; i-- > 0;) {
        if (chat->messages[i].deleted)
            continue;
        json_object_set_new(json, "last", book_entry(chat, &chat->messages[i]));
        break;
    }
    return json;
}

static void show_chats(struct control *c) {
    json_t *list = json_array();
    int64_t after = 0, newest = 0;
    (void)args_int(c->args, "after", &after);
    for (size_t i = 0; i < c->telegram->bot_count; i++) {
        const struct bot *bot = c->telegram->bots[i];
        for (size_t j = 0; j < bot->chat_count; j++) {
            int64_t seq = (int64_t)bot->chats[j].seq;
            newest = seq > newest ? seq : newest;
            json_array_append_new(list, chat_summary(bot, &bot->chats[j]));
        }
    }
    c->ret = json_pack("{s:o, s:I, s:b}", "chats", list, "next", (json_int_t)newest, "changed",
                       newest > after);
}

static json_t *default_commands(const struct bot *bot) {
    for (size_t i = 0; i < bot->command_lists; i++) {
        const struct command_list *list = &bot->commands[i];
        if (!*list->language &&
            (strcmp(list->scope, "default") == 0 || strstr(list->scope, "all_private_chats")))
            return json_incref(list->commands);
    }
    return json_array();
}

/* Never the token: it is a secret also here. */
static void show_bots(struct control *c) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->telegram->bot_count; i++) {
        const struct bot *bot = c->telegram->bots[i];
        json_array_append_new(
            list, json_pack("{s:I, s:s, s:b, s:b, s:I, s:I, s:o}", "id", (json_int_t)bot->id,
                            "username", bot->username, "polling", bot->poll.parked, "webhook",
                            bot->webhook.url != NULL, "pending_updates",
                            (json_int_t)bot->update_count, "dropped_updates",
                            (json_int_t)bot->updates_dropped, "commands", default_commands(bot)));
    }
    c->ret = json_pack("{s:o}", "bots", list);
}

/* --- states ------------------------------------------------------------------------------- */

/* The group becomes a supergroup with a new id; both sides are told by a service message. */
static void migrate(struct control *c, struct bot *bot, int64_t from, int64_t to) {
    struct chat *old = chat_find(bot, from);
    AUTO_FREE char *title = text_copy(old->title);
    if (!chat_find(bot, to) && !chat_make(bot, to, CHAT_SUPERGROUP, title)) {
        complain(c, 409, "too many chats");
        return;
    }
    old = chat_find(bot, from); /* may have moved */
    struct chat *new = chat_find(bot, to);
    old->migrate_to = to;
    struct message *message = message_add(
        bot, old, person(c, old), json_pack("{s:I}", "migrate_to_chat_id", to), NULL, NULL, c->now);
    updates_push(bot, "message", message_json(old, message), c->now);
    message = message_add(bot, new, person(c, new),
                          json_pack("{s:I}", "migrate_from_chat_id", from), NULL, NULL, c->now);
    updates_push(bot, "message", message_json(new, message), c->now);
}

static void set_chat(struct control *c) {
    const char *name = args_text(c->args, "state"), *username = args_text(c->args, "username");
    size_t state = name_index(chat_state_names, CHAT_STATES, name);
    int64_t to = 0;
    struct bot *bot = bot_of(c);
    if (bot && *name && state == CHAT_STATES)
        complain(c, 400,
                 "state must be one of member, blocked, kicked, deactivated, left, deleted, "
                 "unknown");
    struct chat *chat = bot && !c->ret ? chat_wanted(c, bot) : NULL;
    if (!chat)
        return;
    if (*name)
        chat->state = (enum chat_state)state;
    if (*username) {
        free(chat->username);
        chat->username = text_copy(username);
    }
    chat->seq = ++c->telegram->seq;
    int64_t id = chat->id;
    if (args_int(c->args, "migrate_to", &to))
        migrate(c, bot, id, to);
    if (!c->ret)
        c->ret = chat_summary(bot, chat_find(bot, id));
}

/* --- faults, limits, calls ---------------------------------------------------------------- */

static void arm_fault(struct control *c) {
    uint64_t id = 0;
    const char *why = faults_arm(c->telegram, c->args, c->now, &id);
    if (why)
        complain(c, 400, why);
    else
        c->ret = json_pack("{s:I}", "id", (json_int_t)id);
}

static void show_faults(struct control *c) {
    c->ret = json_pack("{s:o}", "faults", faults_json(c->telegram));
}

static void clear_faults(struct control *c) {
    int64_t id = 0;
    if (*args_text(c->args, "id") && (!args_int(c->args, "id", &id) || id <= 0)) {
        complain(c, 400, "id must be the id of a fault");
        return;
    }
    c->ret = json_pack("{s:I}", "cleared", (json_int_t)faults_clear(c->telegram, (uint64_t)id));
}

static void show_limits(struct control *c) {
    c->ret = json_pack("{s:f, s:f, s:f, s:f}", "per_chat", c->telegram->per_chat, "burst",
                       c->telegram->per_chat_burst, "global", c->telegram->global, "group",
                       c->telegram->group);
}

static void set_limits(struct control *c) {
    struct {
        const char *name;
        double *place;
    } rows[] = {{"per_chat", &c->telegram->per_chat},
                {"burst", &c->telegram->per_chat_burst},
                {"global", &c->telegram->global},
                {"group", &c->telegram->group}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t value = 0;
        if (!*args_text(c->args, rows[i].name))
            continue;
        if (!args_int(c->args, rows[i].name, &value) || value < 0 || value > 1000000) {
            complain(c, 400,
                     "per_chat, burst, global and group must be whole numbers from 0 (off)");
            return;
        }
        *rows[i].place = (double)value;
    }
    for (size_t i = 0; i < c->telegram->bot_count; i++) {
        struct bot *bot = c->telegram->bots[i];
        bot->bucket.used = false;
        for (size_t j = 0; j < bot->chat_count; j++)
            bot->chats[j].bucket.used = false;
    }
    show_limits(c);
}

static void show_calls(struct control *c) {
    const char *method = args_text(c->args, "method");
    int64_t after = 0;
    (void)args_int(c->args, "after", &after);
    json_t *list = json_array();
    uint64_t next = c->telegram->next_call, room = TELEGRAM_CALLS_MAX;
    for (uint64_t n = next > room ? next - room : 1; n < next; n++) {
        const struct logged_call *call = &c->telegram->calls[n % room];
        if ((int64_t)n <= after || (*method && strcasecmp(method, call->method) != 0))
            continue;
        json_array_append_new(
            list, json_pack("{s:I, s:s, s:s, s:O, s:I, s:I, s:i, s:s?, s:s?}", "number",
                            (json_int_t)n, "bot", call->bot, "method", call->method, "params",
                            call->params, "time_ms", (json_int_t)call->started, "answered_ms",
                            (json_int_t)call->finished, "status", call->status, "description",
                            call->description, "fault", call->fault));
    }
    c->ret = json_pack("{s:o, s:I}", "calls", list, "next", (json_int_t)(next - 1));
}

/* The next update gets a far id, as after a week without one. */
static void jump(struct control *c) {
    struct bot *bot = bot_of(c);
    if (!bot)
        return;
    updates_jump(bot);
    c->ret = json_pack("{s:I}", "next_update_id", (json_int_t)bot->next_update_id);
}

static const struct {
    const char *name;
    void (*run)(struct control *control);
} controls[] = {
    {"message", do_message},  {"press", do_press},        {"messages", show_messages},
    {"chats", show_chats},    {"set_chat", set_chat},     {"bots", show_bots},
    {"arm_fault", arm_fault}, {"faults", show_faults},    {"clear_faults", clear_faults},
    {"limits", show_limits},  {"set_limits", set_limits}, {"calls", show_calls},
    {"jump", jump},
};

int telegram_control(struct telegram *telegram, const char *name, const json_t *request,
                     int64_t now, json_t **ret) {
    struct control c = {.telegram = telegram, .args = args_of(request), .now = now};
    size_t i = 0;
    while (i < COUNT_OF(controls) && strcmp(controls[i].name, name) != 0)
        i++;
    if (i == COUNT_OF(controls))
        complain(&c, 404, "there is no such control");
    else
        controls[i].run(&c);
    run_polls(&c);
    json_decref(c.args);
    must(c.ret);
    *ret = c.ret;
    return c.status;
}

uint64_t telegram_changes(const struct telegram *telegram) {
    return telegram->seq;
}
