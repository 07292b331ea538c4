/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on demand, and the rate limits. A fault is armed for a method ("*": any), a chat
 * (none: any) and a number of calls; the first that fits a call is used up by one. Decided here,
 * carried out by the shell. */
#include "base/text.h"
#include "mimic/telegram_state.h"
#include <strings.h>

static const struct kind {
    const char *name;
    enum fault_kind kind;
    enum chat_state state;
} kinds[] = {
    {"429", FAULT_429, CHAT_MEMBER},
    {"5xx", FAULT_5XX, CHAT_MEMBER},
    {"html", FAULT_HTML, CHAT_MEMBER},
    {"reset", FAULT_RESET, CHAT_MEMBER},
    {"lost", FAULT_LOST, CHAT_MEMBER},
    {"half", FAULT_HALF, CHAT_MEMBER},
    {"delay", FAULT_DELAY, CHAT_MEMBER},
    {"duplicate", FAULT_DUPLICATE, CHAT_MEMBER},
    {"blocked", FAULT_CHAT, CHAT_BLOCKED},
    {"kicked", FAULT_CHAT, CHAT_KICKED},
    {"deactivated", FAULT_CHAT, CHAT_DEACTIVATED},
    {"left", FAULT_CHAT, CHAT_LEFT},
    {"deleted", FAULT_CHAT, CHAT_DELETED},
    {"unknown", FAULT_CHAT, CHAT_UNKNOWN},
};

static const struct kind *kind_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

static void remove_at(struct telegram *telegram, size_t i) {
    free(telegram->faults[i].method);
    free(telegram->faults[i].kind_name);
    telegram->fault_count--;
    memmove(&telegram->faults[i], &telegram->faults[i + 1],
            (telegram->fault_count - i) * sizeof telegram->faults[0]);
}

static bool fits(const struct fault *fault, const struct call *call, const char *method) {
    int64_t chat_id = 0;
    if (strcmp(fault->method, "*") != 0 && strcmp(fault->method, method) != 0)
        return false;
    if (fault->kind == FAULT_DUPLICATE)
        return false; /* taken when updates are delivered, not when they are asked for */
    if (fault->kind == FAULT_CHAT && !*call_arg(call, "chat_id"))
        return false;
    return !fault->has_chat ||
           (args_int(call->args, "chat_id", &chat_id) && chat_id == fault->chat_id);
}

/* Uses the fault up by one; its texts may be gone then. */
static struct fault take_at(struct telegram *telegram, size_t i) {
    struct fault taken = telegram->faults[i];
    if (telegram->faults[i].left > 0 && --telegram->faults[i].left == 0)
        remove_at(telegram, i);
    telegram->seq++;
    taken.method = taken.kind_name = NULL;
    return taken;
}

struct fault faults_take_delivery(struct telegram *telegram, enum fault_kind kind) {
    for (size_t i = 0; i < telegram->fault_count; i++) {
        const struct fault *fault = &telegram->faults[i];
        bool polls = strcmp(fault->method, "*") == 0 || strcmp(fault->method, "getupdates") == 0;
        if (polls && !fault->has_chat && fault->kind == kind)
            return take_at(telegram, i);
    }
    return (struct fault){0};
}

struct fault faults_take(struct call *call, const char *method) {
    struct telegram *telegram = call->telegram;
    for (size_t i = 0; i < telegram->fault_count; i++) {
        const struct fault *fault = &telegram->faults[i];
        if (!fits(fault, call, method))
            continue;
        struct logged_call *logged =
            &telegram->calls[(telegram->next_call - 1) % TELEGRAM_CALLS_MAX];
        logged->fault = kind_find(fault->kind_name)->name;
        return take_at(telegram, i);
    }
    return (struct fault){0};
}

static const char *server_error(int64_t status) {
    return status == 502   ? "Bad Gateway"
           : status == 503 ? "Service Unavailable"
           : status == 504 ? "Gateway Timeout"
                           : "Internal Server Error: restart";
}

/* The answer of a fault that comes before any effect. */
static void refuse(struct call *call, const struct fault *fault) {
    if (fault->kind == FAULT_429)
        call_refuse(call, fault->retry_after);
    else if (fault->kind == FAULT_5XX)
        call_fail(call, (int)fault->status, server_error(fault->status));
    else if (fault->kind == FAULT_HTML)
        call_fail(call, 502, "Bad Gateway");
    else
        call_fail(call, 500, "no answer: the connection was reset");
}

static bool before_effect(enum fault_kind kind) {
    return kind == FAULT_429 || kind == FAULT_5XX || kind == FAULT_HTML || kind == FAULT_RESET;
}

bool faults_before(struct call *call) {
    if (!before_effect(call->fault.kind))
        return false;
    refuse(call, &call->fault);
    return true;
}

/* An outage does not spare the polls that wait: they break off when the fault is armed. */
void faults_drop_polls(struct telegram *telegram, const struct fault *fault, int64_t now) {
    bool polls = strcmp(fault->method, "*") == 0 || strcmp(fault->method, "getupdates") == 0;
    if (!polls || !before_effect(fault->kind) || fault->has_chat)
        return;
    for (size_t i = 0; i < telegram->bot_count; i++)
        updates_drop_poll(
            telegram->bots[i],
            (struct telegram_answer){.status = 500, .reset = true, .retry_after_s = -1}, now);
}

const char *faults_arm(struct telegram *telegram, const json_t *args, int64_t now, uint64_t *ret) {
    const struct kind *kind = kind_find(args_text(args, "kind"));
    const char *method = args_text(args, "method");
    if (!kind)
        return "kind must be one of 429, 5xx, html, reset, lost, half, delay, duplicate, blocked, "
               "kicked, deactivated, left, deleted, unknown";
    if (telegram->fault_count == TELEGRAM_FAULTS_MAX)
        return "too many faults are armed: clear some first";
    struct fault fault = {.id = telegram->next_fault++,
                          .kind = kind->kind,
                          .state = kind->state,
                          .left = 1,
                          .ms = 1000,
                          .retry_after = 3,
                          .status = 500};
    fault.has_chat = args_int(args, "chat_id", &fault.chat_id);
    if (args_int(args, "count", &fault.left) && fault.left <= 0)
        fault.left = -1;
    (void)args_int(args, "ms", &fault.ms);
    (void)args_int(args, "retry_after", &fault.retry_after);
    (void)args_int(args, "status", &fault.status);
    if (fault.ms < 0 || fault.ms > DAY_MS || fault.retry_after < 1 || fault.status < 500 ||
        fault.status > 599)
        return "ms must be 0..86400000, retry_after at least 1, status 500..599";
    fault.kind_name = text_copy(kind->name);
    fault.method = text_copy(*method ? method : "*");
    for (char *p = fault.method; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
    telegram->faults[telegram->fault_count++] = fault;
    telegram->seq++;
    faults_drop_polls(telegram, &fault, now);
    *ret = fault.id;
    return NULL;
}

size_t faults_clear(struct telegram *telegram, uint64_t id) {
    size_t cleared = 0;
    for (size_t i = telegram->fault_count; i-- > 0;) {
        if (id && telegram->faults[i].id != id)
            continue;
        remove_at(telegram, i);
        cleared++;
    }
    telegram->seq++;
    return cleared;
}

json_t *faults_json(const struct telegram *telegram) {
    json_t *list = json_array();
    for (size_t i = 0; i < telegram->fault_count; i++) {
        const struct fault *fault = &telegram->faults[i];
        json_t *json = json_pack("{s:I, s:s, s:s, s:I}", "id", (json_int_t)fault->id, "method",
                                 fault->method, "kind", fault->kind_name, "count",
                                 (json_int_t)(fault->left < 0 ? 0 : fault->left));
        if (fault->has_chat)
            json_object_set_new(json, "chat_id", json_integer(fault->chat_id));
        json_array_append_new(list, json);
    }
    return list;
}

void faults_deinit(struct telegram *telegram) {
    faults_clear(telegram, 0);
}

/* --- rate limits -------------------------------------------------------------------------- */

/* Fills the bucket and says how many ms until one more call passes; 0: now. */
static int64_t wait_of(struct bucket *bucket, double per_ms, double most, int64_t now) {
    if (per_ms <= 0)
        return 0;
    if (!bucket->used)
        *bucket = (struct bucket){most, now, true};
    if (now > bucket->at_ms) {
        bucket->level += (double)(now - bucket->at_ms) * per_ms;
        bucket->at_ms = now;
    }
    if (bucket->level > most)
        bucket->level = most;
    /* a little tolerance: levels are sums of fractions */
    return bucket->level >= 1 - 1e-6 ? 0 : (int64_t)((1 - bucket->level) / per_ms + 0.999);
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* 1/s a private chat with a short burst, 20/min a group (edits too), 30/s in all. A refused call
 * counts nowhere. */
bool limits_pass(struct call *call, struct chat *chat, bool edit) {
    const struct telegram *telegram = call->telegram;
    bool group = chat->type != CHAT_PRIVATE;
    double per_ms = group ? telegram->group / 60000 : telegram->per_chat / 1000;
    if (edit && !group)
        per_ms = 0;
    int64_t wait =
        wait_of(&call->bot->bucket, telegram->global / 1000, telegram->global, call->now);
    wait = larger(wait, wait_of(&chat->bucket, per_ms,
                                group ? telegram->group : telegram->per_chat_burst, call->now));
    if (wait) {
        call_refuse(call, (wait + 999) / 1000);
        return false;
    }
    call->bot->bucket.level -= telegram->global > 0;
    chat->bucket.level -= per_ms > 0;
    return true;
}
