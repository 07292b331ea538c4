/* SPDX-License-Identifier: Apache-2.0 */
/* telegram_state.h - what the files of the simulated Telegram share. Nobody else includes it. */
#pragma once
#include "mimic/telegram.h"
#include "mimic/telegram_text.h"

enum {
    PERSONS_MAX = 16,
    POLL_SECONDS_MAX = 50,
    POLL_BYTES_MAX = 4 << 20,
    POLL_WAKE_MS = 2, /* Telegram gathers what comes close together */
    CONFLICT_PAUSE_MS = 3000,
    DAY_MS = 86400000,
    QUERY_LIFE_MS = 60000,  /* how long a press can be answered */
    TYPING_MS = 5000,       /* how long a chat action is shown */
    TEXT_POINTS_MAX = 4096, /* code points after parsing */
    CAPTION_POINTS_MAX = 1024,
    LOGGED_PARAMS_BYTES_MAX = 16384,
    MESSAGES_FEW = 20,
    UPDATE_TYPES_MAX = 32,
};

enum chat_state {
    CHAT_MEMBER,
    CHAT_BLOCKED,
    CHAT_KICKED,
    CHAT_DEACTIVATED,
    CHAT_LEFT,
    CHAT_DELETED,
    CHAT_UNKNOWN,
    CHAT_STATES
};
enum chat_type { CHAT_PRIVATE, CHAT_GROUP, CHAT_SUPERGROUP, CHAT_CHANNEL, CHAT_TYPES };

struct bucket { /* `level` calls may pass now; filled at the rate of its limit */
    double level;
    int64_t at_ms;
    bool used;
};
struct message {
    int64_t id, date, edit_date;
    uint64_t seq; /* of its last change */
    bool from_bot, deleted;
    json_t *from, *reply_to, *markup;
    json_t *content; /* text + entities, or photo/document + caption */
};
struct toast { /* the answer to a press, for the person's screen */
    uint64_t seq;
    int64_t chat_id;
    json_t *answer;
};
struct chat {
    int64_t id;
    enum chat_type type;
    enum chat_state state;
    char *title, *username; /* title: first name of a person */
    int64_t migrate_to;     /* 0: not migrated */
    int64_t next_message_id;
    int64_t typing_until;
    uint64_t seq, news;       /* of the last change of anything; of what is said in it */
    struct message *messages; /* oldest first */
    size_t count;
    json_t *keyboard; /* the reply keyboard that is shown now */
    struct bucket bucket;
};
struct update {
    int64_t id, expires;
    unsigned type;
    bool twice; /* fault: it will come (or came) a second time */
    bool again; /* confirmed, kept for its second delivery */
    char *text;
    size_t size;
};
struct poll {
    bool parked;
    uint64_t ticket, call_number;
    int64_t offset, limit, until, wake;
    bool lost, cut;
    int64_t delay_ms;
};
struct query {
    char id[24];
    int64_t date, chat_id;
    bool answered;
};
struct command_list {
    char *scope, *language; /* scope: its JSON text */
    json_t *commands;
};
struct webhook {
    char *url, *secret;
    int64_t max_connections;
    int64_t next_set; /* sooner is 429 */
};
struct stored_file {
    char *id, *unique_id, *path, *name, *type;
    char *bytes;
    size_t size;
};
struct bot {
    struct telegram *telegram;
    char *token, *username;
    int64_t id;
    struct chat *chats;
    size_t chat_count;
    int64_t next_message_id; /* private chats and basic groups share one row of numbers */
    /* updates[update_first .. +update_count), oldest first */
    struct update *updates;
    size_t update_first, update_count, update_room;
    int64_t next_update_id, last_update_ms;
    uint64_t updates_dropped;
    uint32_t allowed;
    int64_t last_offset, last_poll_ms;
    int64_t next_conflict;
    struct poll poll;
    struct webhook webhook;
    struct command_list commands[TELEGRAM_SCOPES_MAX];
    size_t command_lists;
    struct query *queries; /* ring */
    size_t query_next, query_count;
    struct bucket bucket;
};
enum fault_kind {
    FAULT_NONE,
    FAULT_429,
    FAULT_5XX,
    FAULT_HTML,
    FAULT_RESET,
    FAULT_LOST,
    FAULT_HALF,
    FAULT_DELAY,
    FAULT_DUPLICATE,
    FAULT_CHAT, /* as if the chat were in a state: blocked, kicked, ... */
    FAULT_KINDS
};
struct fault {
    uint64_t id;
    enum fault_kind kind;
    enum chat_state state;
    char *method, *kind_name; /* method in lower case, or "*" */
    bool has_chat;
    int64_t chat_id, left, ms, retry_after, status; /* left -1: until cleared */
};
struct logged_call {
    uint64_t number;
    int64_t started, finished; /* finished 0: parked */
    char *bot, *method;
    const char *fault;
    json_t *params;
    int status;
    char *description;
};
struct pending {
    int64_t due;
    struct telegram_answer answer;
};
struct telegram {
    uint64_t random, seq;
    bool only_added;
    struct bot *bots[TELEGRAM_BOTS_MAX];
    size_t bot_count;
    struct {
        int64_t id;
        char *first_name;
    } persons[PERSONS_MAX];
    size_t person_count, message_count;
    double per_chat, per_chat_burst, global, group; /* calls/s, calls, calls/s, calls/min; 0: off */
    struct fault faults[TELEGRAM_FAULTS_MAX];
    size_t fault_count;
    uint64_t next_fault;
    struct logged_call calls[TELEGRAM_CALLS_MAX]; /* ring by number */
    uint64_t next_call;
    struct pending *pending; /* in the order they were given */
    size_t pending_count, pending_room, parked_count;
    struct toast toasts[256]; /* ring */
    size_t toast_next;
    struct stored_file *files; /* oldest first */
    size_t file_count, file_bytes;
};

/* One call under way. A handler ends it with exactly one of the call_*() below. */
struct call {
    struct telegram *telegram;
    struct bot *bot;
    const struct telegram_call *in;
    json_t *args; /* every parameter as text, as the real server keeps them */
    int64_t now;
    bool done, parked;
    int status;
    char *result; /* JSON text */
    char *description;
    int64_t retry_after, migrate_to;
    struct fault fault; /* kind FAULT_NONE mostly; its texts are borrowed */
};
const char *call_arg(const struct call *call, const char *name); /* "" when absent */
int64_t call_int(const struct call *call, const char *name, int64_t otherwise, int64_t min,
                 int64_t max);
bool call_bool(const struct call *call, const char *name);
const struct telegram_file *call_file(const struct call *call, const char *field);
void call_succeed(struct call *call, json_t *result);         /* takes `result` */
void call_succeed_text(struct call *call, char *json);        /* takes `json` */
void call_say(struct call *call, const char *description);    /* beside a success */
void call_fail(struct call *call, int code, const char *why); /* first letter lowered, prefixed */
void call_refuse(struct call *call, int64_t retry_after_s);   /* 429 */
void call_record(struct telegram *telegram, uint64_t number, int64_t now, int status,
                 const char *description);

/* telegram.c */
uint64_t telegram_random(struct telegram *telegram);
struct bot *bot_find(struct telegram *telegram, const char *token);
void answer_put(struct telegram *telegram, int64_t due, struct telegram_answer answer);
json_t *args_of(const json_t *params); /* an object of texts */
const char *args_text(const json_t *args, const char *name);
/* false: absent or not a whole number */
bool args_int(const json_t *args, const char *name, int64_t *ret);
char *success_body(const char *result, const char *description);

/* telegram_updates.c */
void updates_handle_get(struct call *call);
void updates_handle_set_webhook(struct call *call);
void updates_handle_delete_webhook(struct call *call);
void updates_handle_webhook_info(struct call *call);
int64_t updates_push(struct bot *bot, const char *type, json_t *content, int64_t now); /* takes */
void updates_run(struct bot *bot, int64_t now); /* answers the parked poll if it is time */
int64_t updates_deadline(const struct bot *bot);
void updates_abort_poll(struct bot *bot, const char *why, int64_t now);
void updates_drop_poll(struct bot *bot, struct telegram_answer answer, int64_t now);
void updates_jump(struct bot *bot);
void updates_deinit(struct bot *bot);
uint32_t updates_allowed_default(void);

/* telegram_chats.c */
struct chat *chat_find(struct bot *bot, int64_t id);
struct chat *chat_make(struct bot *bot, int64_t id, enum chat_type type, const char *title);
/* The chat that a call names and may write to, or NULL with the call failed. */
struct chat *chat_of_call(struct call *call);
bool chat_fail(struct call *call, enum chat_type type, enum chat_state state);
json_t *chat_json(const struct chat *chat);
extern const char *const chat_state_names[CHAT_STATES];
extern const char *const chat_type_names[CHAT_TYPES];
struct message *message_find(struct chat *chat, int64_t id); /* also deleted ones */
/* Takes from, content, markup, reply_to. */
struct message *message_add(struct bot *bot, struct chat *chat, json_t *from, json_t *content,
                            json_t *markup, json_t *reply_to, int64_t now);
json_t *message_json(const struct chat *chat, const struct message *message);
void message_touch(struct bot *bot, struct chat *chat, struct message *message);
json_t *bot_json(const struct bot *bot);
void chats_deinit(struct bot *bot);
void chats_handle_get(struct call *call);
void chats_handle_action(struct call *call);
void chats_handle_member(struct call *call);

/* telegram_messages.c */
void messages_handle_send(struct call *call);
void messages_handle_send_file(struct call *call);
void messages_handle_edit_text(struct call *call);
void messages_handle_edit_markup(struct call *call);
void messages_handle_delete(struct call *call);
void messages_handle_answer_query(struct call *call);
void queries_add(struct bot *bot, const char *id, int64_t chat_id, int64_t now);

/* telegram_commands.c */
void commands_handle_me(struct call *call);
void commands_handle_set(struct call *call);
void commands_handle_get(struct call *call);
void commands_handle_delete(struct call *call);
void commands_deinit(struct bot *bot);

/* telegram_files.c: a document or photo object to put in a message, NULL with the call failed */
json_t *files_store(struct call *call, const char *field);
void files_handle_get(struct call *call);
void files_deinit(struct telegram *telegram);

/* telegram_faults.c */
/* The first armed fault that this call meets; it is used up by one. */
struct fault faults_take(struct call *call, const char *method);
/* A fault of this kind for getUpdates: of an answer that goes out now, whenever it was asked for.
 */
struct fault faults_take_delivery(struct telegram *telegram, enum fault_kind kind);
/* Ends the call when the fault comes before its effect. */
bool faults_before(struct call *call);
void faults_drop_polls(struct telegram *telegram, const struct fault *fault, int64_t now);
/* 429 when a limit is reached, else counts the call. */
bool limits_pass(struct call *call, struct chat *chat, bool edit);
void faults_deinit(struct telegram *telegram);
json_t *faults_json(const struct telegram *telegram);
/* NULL, or a constant sentence: why not. */
const char *faults_arm(struct telegram *telegram, const json_t *args, int64_t now, uint64_t *ret);
/* All when id is 0. */
size_t faults_clear(struct telegram *telegram, uint64_t id);
