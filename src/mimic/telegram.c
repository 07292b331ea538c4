/* SPDX-License-Identifier: Apache-2.0 */
/* One call from its token to its answer. */
#include "mimic/telegram.h"
#include "base/buffer.h"
#include "base/text.h"
#include "mimic/telegram_state.h"
#include <errno.h>
#include <strings.h>

/* splitmix64: small, and good enough for identifiers nobody guesses at. */
uint64_t telegram_random(struct telegram *telegram) {
    uint64_t z = telegram->random += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static const struct method {
    const char *name; /* lower case */
    void (*handle)(struct call *call);
} methods[] = {
    {"getme", commands_handle_me},
    {"getupdates", updates_handle_get},
    {"setwebhook", updates_handle_set_webhook},
    {"deletewebhook", updates_handle_delete_webhook},
    {"getwebhookinfo", updates_handle_webhook_info},
    {"sendmessage", messages_handle_send},
    {"sendphoto", messages_handle_send_file},
    {"senddocument", messages_handle_send_file},
    {"editmessagetext", messages_handle_edit_text},
    {"editmessagereplymarkup", messages_handle_edit_markup},
    {"deletemessage", messages_handle_delete},
    {"answercallbackquery", messages_handle_answer_query},
    {"setmycommands", commands_handle_set},
    {"getmycommands", commands_handle_get},
    {"deletemycommands", commands_handle_delete},
    {"sendchataction", chats_handle_action},
    {"getchat", chats_handle_get},
    {"getchatmember", chats_handle_member},
    {"getfile", files_handle_get},
};

static const struct method *method_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (strcasecmp(methods[i].name, name) == 0)
            return &methods[i];
    }
    return NULL;
}

/* --- parameters --------------------------------------------------------------------------- */

/* The real server keeps every parameter as text: a nested object as its JSON, null as "null". */
json_t *args_of(const json_t *params) {
    json_t *args = json_object();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)params, name, value) {
        if (json_is_string(value)) {
            json_object_set(args, name, value);
            continue;
        }
        AUTO_FREE char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        json_object_set_new(args, name, json_string(text ? text : ""));
    }
    return args;
}

const char *args_text(const json_t *args, const char *name) {
    const char *text = json_string_value(json_object_get(args, name));
    return text ? text : "";
}

bool args_int(const json_t *args, const char *name, int64_t *ret) {
    return text_to_int(args_text(args, name), INT64_MIN + 1, INT64_MAX, ret) == 0;
}

const char *call_arg(const struct call *call, const char *name) {
    return args_text(call->args, name);
}

int64_t call_int(const struct call *call, const char *name, int64_t otherwise, int64_t min,
                 int64_t max) {
    int64_t value = otherwise;
    if (!args_int(call->args, name, &value))
        return otherwise;
    return value < min ? min : value > max ? max : value;
}

bool call_bool(const struct call *call, const char *name) {
    const char *text = call_arg(call, name);
    return strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0 || strcmp(text, "1") == 0;
}

const struct telegram_file *call_file(const struct call *call, const char *field) {
    for (size_t i = 0; i < call->in->file_count; i++) {
        if (strcmp(call->in->files[i].field, field) == 0)
            return &call->in->files[i];
    }
    return NULL;
}

/* --- outcomes ----------------------------------------------------------------------------- */

void call_succeed_text(struct call *call, char *json) {
    must(!call->done);
    call->done = true;
    call->status = 200;
    call->result = json;
}

void call_succeed(struct call *call, json_t *result) {
    call_succeed_text(call, json_dumps(result, JSON_ENCODE_ANY | JSON_COMPACT));
    json_decref(result);
}

void call_say(struct call *call, const char *description) {
    free(call->description);
    call->description = text_copy(description);
}

static const char *prefix_of(int code) {
    return code == 401 ? "Unauthorized" : code == 403 ? "Forbidden" : "Bad Request";
}

/* "Bad Request: " and the text; a text that begins like a CONSTANT is kept, else its first letter
 * is lowered. Codes with a whole text of their own (404, 409, 5xx) are taken as they are. */
void call_fail(struct call *call, int code, const char *why) {
    must(!call->done);
    call->done = true;
    call->status = code;
    free(call->description);
    if (code != 400 && code != 401 && code != 403) {
        call->description = text_copy(why);
        return;
    }
    bool constant = why[0] && (why[1] == '_' || (why[1] >= 'A' && why[1] <= 'Z'));
    call->description = text_format("%s: %s", prefix_of(code), why);
    char *first = call->description + strlen(prefix_of(code)) + 2;
    if (!constant && *first >= 'A' && *first <= 'Z')
        *first = (char)(*first - 'A' + 'a');
}

void call_refuse(struct call *call, int64_t retry_after_s) {
    AUTO_FREE char *why =
        text_format("Too Many Requests: retry after %lld", (long long)retry_after_s);
    call_fail(call, 429, why);
    call->retry_after = retry_after_s;
}

/* Written by hand and not through json_t: the order of the keys is part of the contract, and a
 * result that is already text is not parsed again. */
char *success_body(const char *result, const char *description) {
    struct buffer body = {0};
    buffer_print(&body, "{\"ok\":true,\"result\":");
    buffer_add_text(&body, result);
    if (description) {
        json_t *text = json_string(description);
        AUTO_FREE char *quoted = json_dumps(text, JSON_ENCODE_ANY);
        json_decref(text);
        buffer_print(&body, ",\"description\":%s", quoted);
    }
    buffer_add_text(&body, "}");
    return buffer_take(&body);
}

static char *error_body(int code, const char *description, int64_t retry_after,
                        int64_t migrate_to) {
    json_t *body =
        json_pack("{s:b, s:i, s:s}", "ok", 0, "error_code", code, "description", description);
    if (retry_after > 0)
        json_object_set_new(body, "parameters", json_pack("{s:I}", "retry_after", retry_after));
    if (migrate_to)
        json_object_set_new(body, "parameters",
                            json_pack("{s:I}", "migrate_to_chat_id", migrate_to));
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

char *telegram_error_body(int code, const char *description) {
    return error_body(code, description, 0, 0);
}

void answer_put(struct telegram *telegram, int64_t due, struct telegram_answer answer) {
    if (telegram->pending_count == telegram->pending_room) {
        telegram->pending_room = telegram->pending_room ? telegram->pending_room * 2 : 64;
        telegram->pending =
            memory_grow(telegram->pending, telegram->pending_room, sizeof *telegram->pending);
    }
    answer.body_size = answer.body ? strlen(answer.body) : 0;
    if (!answer.content_type)
        answer.content_type = "application/json";
    telegram->pending[telegram->pending_count++] = (struct pending){due, answer};
}

/* --- the log of calls --------------------------------------------------------------------- */

/* At most bytes_max, no half character at the end. */
static char *text_short(const char *text, size_t bytes_max) {
    size_t n = strnlen(text, bytes_max + 1);
    if (n > bytes_max) {
        for (n = bytes_max; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    }
    return text_copy_n(text, n);
}

static void logged_deinit(struct logged_call *logged) {
    free(logged->bot);
    free(logged->method);
    free(logged->description);
    json_decref(logged->params);
    *logged = (struct logged_call){0};
}

static json_t *logged_params(const struct telegram_call *in) {
    if (json_dumpb(in->params, NULL, 0, JSON_COMPACT) > LOGGED_PARAMS_BYTES_MAX)
        return json_pack("{s:b}", "too_long_for_the_log", 1);
    json_t *params = json_deep_copy(in->params);
    for (size_t i = 0; i < in->file_count; i++) {
        const struct telegram_file *file = &in->files[i];
        json_object_set_new(
            params, file->field,
            json_pack("{s:s, s:I}", "file", file->name, "bytes", (json_int_t)file->bytes.size));
    }
    return params;
}

static uint64_t log_call(struct call *call) {
    struct telegram *telegram = call->telegram;
    uint64_t number = telegram->next_call++;
    struct logged_call *logged = &telegram->calls[number % TELEGRAM_CALLS_MAX];
    logged_deinit(logged);
    *logged = (struct logged_call){.number = number,
                                   .started = call->now,
                                   .bot = text_copy(call->bot->username),
                                   .method = text_short(call->in->method, 64),
                                   .params = logged_params(call->in)};
    telegram->seq++;
    return number;
}

void call_record(struct telegram *telegram, uint64_t number, int64_t now, int status,
                 const char *description) {
    struct logged_call *logged = &telegram->calls[number % TELEGRAM_CALLS_MAX];
    if (logged->number != number)
        return; /* overtaken by newer calls */
    logged->finished = now;
    logged->status = status;
    free(logged->description);
    logged->description = description ? text_short(description, 300) : NULL;
    telegram->seq++;
}

/* The bot's id, 0 when the token is malformed: digits, ':', something; not from 0; at most 80. */
static int64_t token_id(const char *token) {
    const char *colon = strchr(token, ':');
    if (!colon || !colon[1] || token[0] == '0' || strlen(token) > 80 || colon - token > 18)
        return 0;
    AUTO_FREE char *digits = text_copy_n(token, (size_t)(colon - token));
    int64_t id = 0;
    return text_to_int(digits, 1, INT64_MAX, &id) == 0 ? id : 0;
}

/* --- a call ------------------------------------------------------------------------------- */

static struct telegram_answer answer_of(const struct call *call) {
    struct telegram_answer answer = {.ticket = call->in->ticket,
                                     .status = call->status,
                                     .retry_after_s = call->retry_after ? call->retry_after : -1};
    if (call->result)
        answer.body = success_body(call->result, call->description);
    else
        answer.body =
            error_body(call->status, call->description, call->retry_after, call->migrate_to);
    return answer;
}

static void call_end(struct call *call, uint64_t number) {
    struct telegram_answer answer = answer_of(call);
    const struct fault *fault = &call->fault;
    if (fault->kind == FAULT_HTML) {
        free(answer.body);
        answer.content_type = "text/html";
        answer.body =
            text_format("<html>\r\n<head><title>%d Bad Gateway</title></head>\r\n<body>\r\n"
                        "<center><h1>%d Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n",
                        call->status, call->status);
    }
    answer.reset = fault->kind == FAULT_RESET || fault->kind == FAULT_LOST;
    answer.cut = fault->kind == FAULT_HALF;
    answer_put(call->telegram, call->now + (fault->kind == FAULT_DELAY ? fault->ms : 0), answer);
    call_record(call->telegram, number, call->now, answer.reset ? 0 : call->status,
                call->description);
}

static void run(struct call *call) {
    struct telegram *telegram = call->telegram;
    if (telegram->pending_count + telegram->parked_count >= TELEGRAM_PENDING_MAX) {
        call_refuse(call, 60);
        return;
    }
    const struct method *method = method_find(call->in->method);
    if (!method) {
        call_fail(call, 404, "Not Found: method not found");
        return;
    }
    call->fault = faults_take(call, method->name);
    if (!faults_before(call))
        method->handle(call);
    must(call->done != call->parked);
}

void telegram_call(struct telegram *telegram, const struct telegram_call *in, int64_t now) {
    struct call call = {.telegram = telegram, .in = in, .now = now};
    call.bot = bot_find(telegram, in->token);
    if (!call.bot) {
        char *body = telegram_error_body(
            401, token_id(in->token) ? "Unauthorized" : "Unauthorized: invalid token specified");
        answer_put(telegram, now,
                   (struct telegram_answer){in->ticket, 401, NULL, body, 0, -1, false, false});
        return;
    }
    call.args = args_of(in->params);
    uint64_t number = log_call(&call);
    telegram->calls[number % TELEGRAM_CALLS_MAX].fault = NULL;
    run(&call);
    for (size_t i = 0; i < telegram->bot_count; i++) /* what it caused may wake a poll */
        updates_run(telegram->bots[i], now);
    if (call.parked)
        call.bot->poll.call_number = number;
    else
        call_end(&call, number);
    json_decref(call.args);
    free(call.result);
    free(call.description);
}

void telegram_leave(struct telegram *telegram, uint64_t ticket, int64_t now) {
    for (size_t i = 0; i < telegram->bot_count; i++) {
        struct bot *bot = telegram->bots[i];
        if (bot->poll.parked && bot->poll.ticket == ticket)
            updates_drop_poll(
                bot, (struct telegram_answer){.status = 500, .reset = true, .retry_after_s = -1},
                now);
    }
}

bool telegram_next_answer(struct telegram *telegram, int64_t now, struct telegram_answer *ret) {
    for (size_t i = 0; i < telegram->bot_count; i++)
        updates_run(telegram->bots[i], now);
    for (size_t i = 0; i < telegram->pending_count; i++) {
        if (telegram->pending[i].due > now)
            continue;
        *ret = telegram->pending[i].answer;
        telegram->pending_count--;
        memmove(&telegram->pending[i], &telegram->pending[i + 1],
                (telegram->pending_count - i) * sizeof *telegram->pending);
        return true;
    }
    return false;
}

int64_t telegram_deadline(const struct telegram *telegram) {
    int64_t deadline = INT64_MAX;
    for (size_t i = 0; i < telegram->pending_count; i++) {
        if (telegram->pending[i].due < deadline)
            deadline = telegram->pending[i].due;
    }
    for (size_t i = 0; i < telegram->bot_count; i++) {
        int64_t due = updates_deadline(telegram->bots[i]);
        if (due < deadline)
            deadline = due;
    }
    return deadline;
}

void telegram_answer_deinit(struct telegram_answer *answer) {
    free(answer->body);
    answer->body = NULL;
}

/* --- bots --------------------------------------------------------------------------------- */

static struct bot *bot_new(struct telegram *telegram, const char *token, const char *username) {
    struct bot *bot = memory_new(sizeof *bot);
    bot->telegram = telegram;
    bot->id = token_id(token);
    bot->token = text_copy(token);
    bot->username = username ? text_copy(username) : text_format("bot%lld_bot", (long long)bot->id);
    bot->next_message_id = 1;
    bot->allowed = updates_allowed_default();
    bot->last_offset = INT64_MIN;
    updates_jump(bot);
    telegram->bots[telegram->bot_count++] = bot;
    telegram->seq++;
    for (size_t i = 0; i < telegram->person_count; i++)
        chat_make(bot, telegram->persons[i].id, CHAT_PRIVATE, telegram->persons[i].first_name);
    return bot;
}

struct bot *bot_find(struct telegram *telegram, const char *token) {
    if (!token_id(token))
        return NULL;
    for (size_t i = 0; i < telegram->bot_count; i++) {
        if (strcmp(telegram->bots[i]->token, token) == 0)
            return telegram->bots[i];
    }
    if (telegram->only_added || telegram->bot_count == TELEGRAM_BOTS_MAX)
        return NULL;
    return bot_new(telegram, token, NULL);
}

int telegram_add_bot(struct telegram *telegram, const char *token, const char *username) {
    if (!token_id(token))
        return -EINVAL;
    if (telegram->bot_count == TELEGRAM_BOTS_MAX)
        return -ENOSPC;
    for (size_t i = 0; i < telegram->bot_count; i++) {
        if (strcmp(telegram->bots[i]->token, token) == 0)
            return -EEXIST;
    }
    telegram->only_added = true;
    bot_new(telegram, token, username);
    return 0;
}

int telegram_add_person(struct telegram *telegram, int64_t id, const char *first_name) {
    if (telegram->person_count == PERSONS_MAX)
        return -ENOSPC;
    telegram->persons[telegram->person_count].id = id;
    telegram->persons[telegram->person_count++].first_name = text_copy(first_name);
    for (size_t i = 0; i < telegram->bot_count; i++) {
        if (!chat_find(telegram->bots[i], id))
            chat_make(telegram->bots[i], id, CHAT_PRIVATE, first_name);
    }
    return 0;
}

struct telegram *telegram_new(uint64_t seed) {
    struct telegram *telegram = memory_new(sizeof *telegram);
    telegram->random = seed;
    telegram->next_call = 1;
    telegram->next_fault = 1;
    telegram->per_chat = 1;
    telegram->per_chat_burst = 5;
    telegram->global = 30;
    telegram->group = 20;
    return telegram;
}

static void bot_free(struct bot *bot) {
    updates_deinit(bot);
    chats_deinit(bot);
    commands_deinit(bot);
    free(bot->queries);
    free(bot->token);
    free(bot->username);
    free(bot);
}

struct telegram *telegram_free(struct telegram *telegram) {
    if (!telegram)
        return NULL;
    for (size_t i = 0; i < telegram->bot_count; i++)
        bot_free(telegram->bots[i]);
    for (size_t i = 0; i < telegram->person_count; i++)
        free(telegram->persons[i].first_name);
    for (size_t i = 0; i < TELEGRAM_CALLS_MAX; i++)
        logged_deinit(&telegram->calls[i]);
    for (size_t i = 0; i < COUNT_OF(telegram->toasts); i++)
        json_decref(telegram->toasts[i].answer);
    for (size_t i = 0; i < telegram->pending_count; i++)
        telegram_answer_deinit(&telegram->pending[i].answer);
    free(telegram->pending);
    files_deinit(telegram);
    faults_deinit(telegram);
    free(telegram);
    return NULL;
}
