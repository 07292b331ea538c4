/* SPDX-License-Identifier: Apache-2.0 */
/* Who the bot is, and the menus of commands it has set. A list belongs to a scope and a language;
 * the person's screen shows the one without either. */
#include "base/text.h"
#include "mimic/telegram_state.h"

enum { COMMANDS_MAX = 100, COMMAND_POINTS_MAX = 32, DESCRIPTION_POINTS_MAX = 256 };

void commands_handle_me(struct call *call) {
    json_t *me = bot_json(call->bot);
    json_object_set_new(me, "can_join_groups", json_true());
    json_object_set_new(me, "can_read_all_group_messages", json_false());
    json_object_set_new(me, "supports_inline_queries", json_false());
    call_succeed(call, me);
}

/* "default" without a scope, else its JSON text with the keys in order, so that equals compare. */
static char *scope_of(struct call *call) {
    json_t *scope = json_loads(call_arg(call, "scope"), 0, NULL);
    const char *type = json_string_value(json_object_get(scope, "type"));
    char *text = !type || strcmp(type, "default") == 0
                     ? text_copy("default")
                     : json_dumps(scope, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(scope);
    return text;
}

static struct command_list *find(struct call *call) {
    struct bot *bot = call->bot;
    AUTO_FREE char *scope = scope_of(call);
    for (size_t i = 0; i < bot->command_lists; i++) {
        if (strcmp(bot->commands[i].scope, scope) == 0 &&
            strcmp(bot->commands[i].language, call_arg(call, "language_code")) == 0)
            return &bot->commands[i];
    }
    return NULL;
}

static void drop(struct bot *bot, struct command_list *list) {
    free(list->scope);
    free(list->language);
    json_decref(list->commands);
    *list = bot->commands[--bot->command_lists];
}

static size_t points(const char *text) {
    size_t count = 0;
    return text_is_utf8(slice_of(text), &count) ? count : 0;
}

static bool good_name(const char *name) {
    for (; *name; name++) {
        if (!(*name >= 'a' && *name <= 'z') && !(*name >= '0' && *name <= '9') && *name != '_')
            return false;
    }
    return true;
}

/* One command as Telegram keeps it, or NULL with *ret_why. */
static json_t *command_read(const json_t *given, const char **ret_why) {
    const char *name = json_string_value(json_object_get(given, "command"));
    const char *text = json_string_value(json_object_get(given, "description"));
    *ret_why = !json_is_object(given)              ? "expected an Object as BotCommand"
               : !name                             ? "can't find field \"command\""
               : !text                             ? "can't find field \"description\""
               : !name[*name == '/']               ? "Command must be non-empty"
               : points(name) > COMMAND_POINTS_MAX ? "Command length must not exceed 32"
               : !*text                            ? "Command description must be non-empty"
               : points(text) > DESCRIPTION_POINTS_MAX
                   ? "Command description length must not exceed 256"
               : !good_name(name + (*name == '/')) ? "BOT_COMMAND_INVALID"
                                                   : NULL;
    if (*ret_why)
        return NULL;
    return json_pack("{s:s, s:s}", "command", name + (*name == '/'), "description", text);
}

/* The checked list, or NULL with the call failed. */
static json_t *commands_read(struct call *call) {
    json_t *given = json_loads(call_arg(call, "commands"), 0, NULL);
    json_t *list = json_array();
    const char *why = json_is_array(given)          ? NULL
                      : *call_arg(call, "commands") ? "can't parse commands JSON object"
                                                    : NULL;
    size_t i;
    json_t *command;
    if (json_array_size(given) > COMMANDS_MAX)
        why = "BOT_COMMANDS_TOO_MUCH";
    json_array_foreach(given, i, command) {
        if (!why)
            json_array_append_new(list, command_read(command, &why));
    }
    json_decref(given);
    if (!why)
        return list;
    json_decref(list);
    call_fail(call, 400, why);
    return NULL;
}

void commands_handle_set(struct call *call) {
    struct bot *bot = call->bot;
    json_t *commands = commands_read(call);
    if (!commands)
        return;
    struct command_list *list = find(call);
    if (!list && bot->command_lists == TELEGRAM_SCOPES_MAX) {
        json_decref(commands);
        call_fail(call, 400, "BOT_COMMANDS_TOO_MUCH");
        return;
    }
    if (!list) {
        list = &bot->commands[bot->command_lists++];
        *list =
            (struct command_list){scope_of(call), text_copy(call_arg(call, "language_code")), NULL};
    }
    json_decref(list->commands);
    list->commands = commands;
    if (!json_array_size(commands))
        drop(bot, list);
    call->telegram->seq++;
    call_succeed(call, json_true());
}

void commands_handle_get(struct call *call) {
    struct command_list *list = find(call);
    call_succeed(call, list ? json_incref(list->commands) : json_array());
}

void commands_handle_delete(struct call *call) {
    struct command_list *list = find(call);
    if (list)
        drop(call->bot, list);
    call->telegram->seq++;
    call_succeed(call, json_true());
}

void commands_deinit(struct bot *bot) {
    while (bot->command_lists)
        drop(bot, &bot->commands[0]);
}
