/* SPDX-License-Identifier: Apache-2.0 */
/* Chats, who may write to them, and the messages in them. A chat belongs to one bot: what a person
 * says to one bot another never sees. */
#include "mimic/telegram_state.h"

const char *const chat_state_names[CHAT_STATES] = {"member", "blocked", "kicked", "deactivated",
                                                   "left",   "deleted", "unknown"};
const char *const chat_type_names[CHAT_TYPES] = {"private", "group", "supergroup", "channel"};

struct chat *chat_find(struct bot *bot, int64_t id) {
    for (size_t i = 0; i < bot->chat_count; i++) {
        if (bot->chats[i].id == id)
            return &bot->chats[i];
    }
    return NULL;
}

/* NULL when there are too many. */
struct chat *chat_make(struct bot *bot, int64_t id, enum chat_type type, const char *title) {
    if (bot->chat_count == TELEGRAM_CHATS_MAX)
        return NULL;
    bot->chats = memory_grow(bot->chats, bot->chat_count + 1, sizeof *bot->chats);
    struct chat *chat = &bot->chats[bot->chat_count++];
    *chat = (struct chat){.id = id,
                          .type = type,
                          .title = text_copy(title),
                          .next_message_id = 1,
                          .seq = ++bot->telegram->seq};
    return chat;
}

static const char *kind_of(enum chat_type type) {
    return type == CHAT_CHANNEL ? "channel chat"
           : type == CHAT_GROUP ? "group chat"
                                : "supergroup chat";
}

/* Fails the call as Telegram does for a chat in this state; false when nothing is wrong. */
bool chat_fail(struct call *call, enum chat_type type, enum chat_state state) {
    AUTO_FREE char *why = NULL;
    switch (state) {
    case CHAT_MEMBER:
    case CHAT_STATES:
        return false;
    case CHAT_BLOCKED:
        call_fail(call, 403, "bot was blocked by the user");
        return true;
    case CHAT_DEACTIVATED:
        call_fail(call, 403, "user is deactivated");
        return true;
    case CHAT_UNKNOWN:
        call_fail(call, 400, "chat not found");
        return true;
    case CHAT_DELETED:
        call_fail(call, 403, "the group chat was deleted");
        return true;
    case CHAT_KICKED:
        why = text_format("bot was kicked from the %s", kind_of(type));
        break;
    case CHAT_LEFT:
        why = text_format("bot is not a member of the %s", kind_of(type));
        break;
    }
    call_fail(call, 403, why);
    return true;
}

static struct chat *named(struct bot *bot, const char *username) {
    for (size_t i = 0; i < bot->chat_count; i++) {
        if (bot->chats[i].username && strcmp(bot->chats[i].username, username) == 0)
            return &bot->chats[i];
    }
    return NULL;
}

static struct chat *lookup(struct call *call) {
    const char *text = call_arg(call, "chat_id");
    int64_t id = 0;
    if (!*text) {
        call_fail(call, 400, "chat_id is empty");
        return NULL;
    }
    struct chat *chat = *text == '@'                           ? named(call->bot, text + 1)
                        : args_int(call->args, "chat_id", &id) ? chat_find(call->bot, id)
                                                               : NULL;
    if (!chat)
        call_fail(call, 400, "chat not found");
    return chat;
}

struct chat *chat_of_call(struct call *call) {
    struct chat *chat = lookup(call);
    if (!chat)
        return NULL;
    if (chat->migrate_to) {
        call_fail(call, 400, "group chat was upgraded to a supergroup chat");
        call->migrate_to = chat->migrate_to;
        return NULL;
    }
    if (call->fault.kind == FAULT_CHAT && chat_fail(call, chat->type, call->fault.state))
        return NULL;
    return chat_fail(call, chat->type, chat->state) ? NULL : chat;
}

json_t *chat_json(const struct chat *chat) {
    json_t *json = json_pack("{s:I, s:s}", "id", (json_int_t)chat->id,
                             chat->type == CHAT_PRIVATE ? "first_name" : "title", chat->title);
    if (chat->username)
        json_object_set_new(json, "username", json_string(chat->username));
    json_object_set_new(json, "type", json_string(chat_type_names[chat->type]));
    return json;
}

json_t *bot_json(const struct bot *bot) {
    return json_pack("{s:I, s:b, s:s, s:s}", "id", (json_int_t)bot->id, "is_bot", 1, "first_name",
                     bot->username, "username", bot->username);
}

/* --- messages ----------------------------------------------------------------------------- */

struct message *message_find(struct chat *chat, int64_t id) {
    for (size_t i = chat->count; i-- > 0;) {
        if (chat->messages[i].id == id)
            return &chat->messages[i];
    }
    return NULL;
}

static void message_deinit(struct message *message) {
    json_decref(message->from);
    json_decref(message->reply_to);
    json_decref(message->markup);
    json_decref(message->content);
}

static void make_room(struct telegram *telegram, struct chat *chat) {
    size_t most =
        telegram->message_count >= TELEGRAM_MESSAGES_ALL_MAX ? MESSAGES_FEW : TELEGRAM_MESSAGES_MAX;
    if (chat->count < most)
        return;
    size_t drop = chat->count - most + 1;
    for (size_t i = 0; i < drop; i++)
        message_deinit(&chat->messages[i]);
    chat->count -= drop;
    telegram->message_count -= drop;
    memmove(chat->messages, chat->messages + drop, chat->count * sizeof *chat->messages);
}

void message_touch(struct bot *bot, struct chat *chat, struct message *message) {
    message->seq = chat->news = chat->seq = ++bot->telegram->seq;
}

/* The keyboard that the person's screen shows below the chat. */
static void note_keyboard(struct chat *chat, const struct message *message) {
    bool shows = json_object_get(message->markup, "keyboard");
    bool removes = json_object_get(message->markup, "remove_keyboard");
    if (!shows && !removes)
        return;
    json_decref(chat->keyboard);
    chat->keyboard = shows ? json_incref(message->markup) : NULL;
}

struct message *message_add(struct bot *bot, struct chat *chat, json_t *from, json_t *content,
                            json_t *markup, json_t *reply_to, int64_t now) {
    make_room(bot->telegram, chat);
    bool own_numbers = chat->type == CHAT_SUPERGROUP || chat->type == CHAT_CHANNEL;
    chat->messages = memory_grow(chat->messages, chat->count + 1, sizeof *chat->messages);
    struct message *message = &chat->messages[chat->count++];
    bot->telegram->message_count++;
    *message = (struct message){
        .id = own_numbers ? chat->next_message_id++ : bot->next_message_id++,
        .date = now / 1000,
        .from_bot = json_is_true(json_object_get(from, "is_bot")),
        .from = from,
        .content = content,
        .markup = markup,
        .reply_to = reply_to,
    };
    note_keyboard(chat, message);
    chat->typing_until = message->from_bot ? 0 : chat->typing_until;
    message_touch(bot, chat, message);
    return message;
}

/* The keys in the order in which the real server writes them. */
json_t *message_json(const struct chat *chat, const struct message *message) {
    json_t *json = json_object();
    json_object_set_new(json, "message_id", json_integer(message->id));
    if (chat->type != CHAT_CHANNEL)
        json_object_set(json, "from", message->from);
    json_object_set_new(json, "chat", chat_json(chat));
    json_object_set_new(json, "date", json_integer(message->date));
    if (message->edit_date)
        json_object_set_new(json, "edit_date", json_integer(message->edit_date));
    if (message->reply_to)
        json_object_set(json, "reply_to_message", message->reply_to);
    json_object_update(json, message->content);
    if (json_object_get(message->markup, "inline_keyboard"))
        json_object_set(json, "reply_markup", message->markup);
    return json;
}

void chats_deinit(struct bot *bot) {
    for (size_t i = 0; i < bot->chat_count; i++) {
        struct chat *chat = &bot->chats[i];
        for (size_t j = 0; j < chat->count; j++)
            message_deinit(&chat->messages[j]);
        free(chat->messages);
        free(chat->title);
        free(chat->username);
        json_decref(chat->keyboard);
    }
    free(bot->chats);
}

/* --- methods about chats ------------------------------------------------------------------ */

void chats_handle_get(struct call *call) {
    struct chat *chat = chat_of_call(call);
    if (chat)
        call_succeed(call, chat_json(chat));
}

void chats_handle_action(struct call *call) {
    static const char *const actions[] = {
        "typing",        "upload_photo",      "record_video",     "upload_video",
        "record_voice",  "upload_voice",      "upload_document",  "choose_sticker",
        "find_location", "record_video_note", "upload_video_note"};
    const char *action = call_arg(call, "action");
    size_t i = 0;
    while (i < COUNT_OF(actions) && strcmp(actions[i], action) != 0)
        i++;
    if (i == COUNT_OF(actions)) {
        call_fail(call, 400, "wrong parameter action in request");
        return;
    }
    struct chat *chat = chat_of_call(call);
    if (!chat)
        return;
    chat->typing_until = call->now + TYPING_MS;
    chat->news = chat->seq = ++call->telegram->seq;
    call_succeed(call, json_true());
}

/* In a private chat both are members; in a group the asker is taken for a plain member. */
void chats_handle_member(struct call *call) {
    struct chat *chat = chat_of_call(call);
    int64_t user = 0;
    if (!chat)
        return;
    if (!args_int(call->args, "user_id", &user) || user <= 0) {
        call_fail(call, 400, "invalid user_id specified");
        return;
    }
    json_t *person = user == call->bot->id ? bot_json(call->bot) : NULL;
    for (size_t i = chat->count; i-- > 0 && !person;) {
        if (json_integer_value(json_object_get(chat->messages[i].from, "id")) == user)
            person = json_incref(chat->messages[i].from);
    }
    if (!person)
        call_fail(call, 400, "PARTICIPANT_ID_INVALID");
    else
        call_succeed(call, json_pack("{s:o, s:s}", "user", person, "status", "member"));
}
