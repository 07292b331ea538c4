/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of updates and how it is read: getUpdates, and the settings of webhooks. The rules and
 * their order are those of the real server (facts 1.2): damping first, then confirm, then answer or
 * park. */
#include "base/buffer.h"
#include "base/text.h"
#include "mimic/telegram_state.h"

static const char *const update_types[] = {
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "message_reaction",
    "message_reaction_count",
    "chat_boost",
    "removed_chat_boost",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "purchased_paid_media",
};
_Static_assert(COUNT_OF(update_types) <= UPDATE_TYPES_MAX, "the set of types is 32 bits");

static unsigned type_index(const char *name) {
    unsigned i = 0;
    while (i < COUNT_OF(update_types) && strcmp(update_types[i], name) != 0)
        i++;
    return i;
}

uint32_t updates_allowed_default(void) {
    uint32_t set = (1u << COUNT_OF(update_types)) - 1;
    return set & ~(1u << type_index("chat_member") | 1u << type_index("message_reaction") |
                   1u << type_index("message_reaction_count"));
}

/* Absent, unparsable or with a non-string: the last setting stays, silently. Nothing known in the
 * list: the default set. */
static void allowed_set(struct call *call) {
    json_t *list = json_loads(call_arg(call, "allowed_updates"), 0, NULL);
    uint32_t set = 0;
    bool good = json_is_array(list);
    size_t i;
    json_t *name;
    json_array_foreach(list, i, name) {
        unsigned type = json_is_string(name) ? type_index(json_string_value(name)) : 0;
        good &= json_is_string(name);
        if (json_is_string(name) && type < COUNT_OF(update_types))
            set |= 1u << type;
    }
    if (good)
        call->bot->allowed = set ? set : updates_allowed_default();
    json_decref(list);
}

/* --- the queue ---------------------------------------------------------------------------- */

static struct update *update_at(struct bot *bot, size_t i) {
    return &bot->updates[(bot->update_first + i) % bot->update_room];
}

static void grow(struct bot *bot) {
    size_t room = bot->update_room ? bot->update_room * 2 : 64;
    struct update *grown = memory_array(room, sizeof *grown);
    for (size_t i = 0; i < bot->update_count; i++)
        grown[i] = *update_at(bot, i);
    free(bot->updates);
    bot->updates = grown;
    bot->update_first = 0;
    bot->update_room = room;
}

static void wake(struct bot *bot, int64_t at) {
    if (bot->poll.parked && bot->poll.wake > at)
        bot->poll.wake = at;
}

/* The next id is random after a week without an update, as at the real server. */
void updates_jump(struct bot *bot) {
    int64_t id = 2000001 + (int64_t)(telegram_random(bot->telegram) % 1000000000);
    if (bot->update_count && id < bot->next_update_id) /* the queue stays in order */
        id = bot->next_update_id + id % 1000000;
    bot->next_update_id = id;
}

/* True when the update has to go: confirmed (id < offset) or a day old. A duplicated one stays for
 * one more delivery after it was confirmed. */
static bool gone(struct update *update, int64_t offset, int64_t now) {
    if (update->expires <= now)
        return true;
    if (update->id >= offset)
        return false;
    update->again = update->twice && !update->again;
    return !update->again;
}

static void forget(struct bot *bot, int64_t offset, int64_t now) {
    if (!bot->update_count || (update_at(bot, 0)->id >= offset && update_at(bot, 0)->expires > now))
        return; /* they lie in the order of id and time */
    size_t kept = 0;
    for (size_t i = 0; i < bot->update_count; i++) {
        struct update update = *update_at(bot, i);
        if (gone(&update, offset, now))
            free(update.text);
        else
            *update_at(bot, kept++) = update;
    }
    bot->update_count = kept;
}

int64_t updates_push(struct bot *bot, const char *type, json_t *content, int64_t now) {
    unsigned index = type_index(type);
    must(index < COUNT_OF(update_types));
    if (!(bot->allowed & 1u << index) || bot->update_count == TELEGRAM_UPDATES_MAX) {
        bot->updates_dropped += bot->update_count == TELEGRAM_UPDATES_MAX;
        json_decref(content);
        return 0;
    }
    if (bot->last_update_ms && now - bot->last_update_ms > 7 * (int64_t)DAY_MS) {
        forget(bot, INT64_MIN, now); /* all have expired: the new id may be a smaller one */
        updates_jump(bot);
    }
    bot->last_update_ms = now;
    if (bot->update_count == bot->update_room)
        grow(bot);
    int64_t id = bot->next_update_id++;
    json_t *update = json_pack("{s:I, s:o}", "update_id", id, type, content);
    struct update *place = update_at(bot, bot->update_count++);
    *place = (struct update){.id = id, .expires = now + DAY_MS, .type = index};
    place->text = json_dumps(update, JSON_COMPACT);
    place->size = strlen(place->text);
    json_decref(update);
    wake(bot, now + POLL_WAKE_MS);
    return id;
}

static int64_t head_of(struct bot *bot) {
    return bot->update_count ? update_at(bot, 0)->id : bot->next_update_id;
}

/* The id to start from: negative counts from the end and drops what is older; an id that cannot be
 * (more than 10 ahead, far behind) is as if none was given. */
static int64_t start_of(struct bot *bot, int64_t offset) {
    int64_t tail = bot->next_update_id;
    if (offset < 0)
        offset = tail + offset > 0 ? tail + offset : 0;
    if (offset <= 0 || offset > tail + 10 || offset < tail - 2000000)
        return head_of(bot);
    return offset;
}

/* A JSON array of at most `limit` updates, cut at 4 MiB; NULL when there is none. */
static char *collect(struct bot *bot, int64_t limit) {
    struct buffer list = {0};
    for (size_t i = 0; i < bot->update_count && limit > 0; i++, limit--) {
        const struct update *update = update_at(bot, i);
        if (list.size && list.size + update->size > POLL_BYTES_MAX)
            break;
        buffer_add_text(&list, list.size ? "," : "[");
        buffer_add(&list, update->text, update->size);
    }
    if (!list.size)
        return NULL;
    buffer_add_text(&list, "]");
    return buffer_take(&list);
}

/* With such a fault armed, the first update that is delivered now will come once more after it was
 * confirmed; all of them while the fault stays. None comes a third time. */
static void duplicate(struct bot *bot, int64_t limit) {
    bool all = false;
    for (size_t i = 0; i < bot->update_count && (int64_t)i < limit; i++) {
        struct update *update = update_at(bot, i);
        if (update->twice)
            continue;
        if (!all) {
            struct fault fault = faults_take_delivery(bot->telegram, FAULT_DUPLICATE);
            all = fault.left < 0;
            update->twice = fault.kind == FAULT_DUPLICATE;
            if (!all)
                return;
        }
        update->twice = true;
    }
}

/* --- polls -------------------------------------------------------------------------------- */

static void poll_end(struct bot *bot, struct telegram_answer answer, int64_t due) {
    struct poll *poll = &bot->poll;
    answer.ticket = poll->ticket;
    answer.reset |= poll->lost;
    answer.cut |= poll->cut;
    must(poll->parked);
    poll->parked = false;
    bot->telegram->parked_count--;
    answer_put(bot->telegram, due + poll->delay_ms, answer);
}

void updates_drop_poll(struct bot *bot, struct telegram_answer answer, int64_t now) {
    if (!bot->poll.parked)
        return;
    call_record(bot->telegram, bot->poll.call_number, now, answer.reset ? 0 : answer.status, NULL);
    poll_end(bot, answer, now);
}

/* When a 409 may go out: at once, or 3 s later when another one was just sent. */
static int64_t conflict_due(struct bot *bot, int64_t now) {
    if (now < bot->next_conflict)
        return now + CONFLICT_PAUSE_MS;
    bot->next_conflict = now + CONFLICT_PAUSE_MS;
    return now;
}

void updates_abort_poll(struct bot *bot, const char *why, int64_t now) {
    if (!bot->poll.parked)
        return;
    call_record(bot->telegram, bot->poll.call_number, now, 409, why);
    struct telegram_answer answer = {
        .status = 409, .body = telegram_error_body(409, why), .retry_after_s = -1};
    poll_end(bot, answer, conflict_due(bot, now));
}

/* A conflict of this very call: answered like an aborted poll, so that it too is throttled. */
static void conflict(struct call *call, const char *why) {
    int64_t due = conflict_due(call->bot, call->now);
    call_fail(call, 409, why);
    if (due == call->now || call->fault.kind != FAULT_NONE)
        return;
    call->fault = (struct fault){.kind = FAULT_DELAY, .ms = due - call->now};
}

static void park(struct call *call, int64_t offset, int64_t limit, int64_t timeout_s) {
    struct bot *bot = call->bot;
    updates_abort_poll(bot,
                       "Conflict: terminated by other getUpdates request; make sure that only one "
                       "bot instance is running",
                       call->now);
    const struct fault *fault = &call->fault;
    bot->poll = (struct poll){.parked = true,
                              .ticket = call->in->ticket,
                              .offset = offset,
                              .limit = limit,
                              .until = call->now + timeout_s * 1000,
                              .wake = INT64_MAX,
                              .lost = fault->kind == FAULT_LOST,
                              .cut = fault->kind == FAULT_HALF,
                              .delay_ms = fault->kind == FAULT_DELAY ? fault->ms : 0};
    bot->telegram->parked_count++;
    call->parked = true;
}

void updates_handle_get(struct call *call) {
    struct bot *bot = call->bot;
    if (bot->webhook.url) {
        conflict(call, "Conflict: can't use getUpdates method while webhook is active; use "
                       "deleteWebhook to delete the webhook first");
        return;
    }
    int64_t offset = call_int(call, "offset", 0, INT32_MIN, INT32_MAX);
    int64_t limit = call_int(call, "limit", 100, 1, 100);
    int64_t timeout = call_int(call, "timeout", 0, 0, POLL_SECONDS_MAX);
    allowed_set(call);
    /* A client that does not move its offset is slowed down, and sees one update at a time. */
    bool same = offset == bot->last_offset;
    if (same && timeout < 3 && call->now < bot->last_poll_ms + 3000)
        timeout = 3;
    if (same && call->now < bot->last_poll_ms + 500)
        limit = 1;
    bot->last_offset = offset;
    bot->last_poll_ms = call->now;
    forget(bot, INT64_MIN, call->now);
    int64_t start = start_of(bot, offset);
    forget(bot, start, call->now);
    duplicate(bot, limit);
    char *list = collect(bot, limit);
    if (list)
        call_succeed_text(call, list);
    else if (timeout > 0)
        park(call, start, limit, timeout);
    else
        call_succeed_text(call, text_copy("[]"));
}

/* Faults that were armed while the poll was parked already. */
static void late_faults(struct bot *bot) {
    struct poll *poll = &bot->poll;
    if (poll->lost || poll->cut || poll->delay_ms)
        return;
    poll->lost = faults_take_delivery(bot->telegram, FAULT_LOST).kind == FAULT_LOST;
    poll->cut = !poll->lost && faults_take_delivery(bot->telegram, FAULT_HALF).kind == FAULT_HALF;
    if (!poll->lost && !poll->cut)
        poll->delay_ms = faults_take_delivery(bot->telegram, FAULT_DELAY).ms;
}

void updates_run(struct bot *bot, int64_t now) {
    struct poll *poll = &bot->poll;
    if (!poll->parked || (now < poll->wake && now < poll->until))
        return;
    forget(bot, poll->offset, now);
    duplicate(bot, poll->limit);
    AUTO_FREE char *list = collect(bot, poll->limit);
    if (!list && now < poll->until) {
        poll->wake = INT64_MAX; /* what woke it is gone already */
        return;
    }
    late_faults(bot);
    call_record(bot->telegram, poll->call_number, now, poll->lost ? 0 : 200, NULL);
    struct telegram_answer answer = {
        .status = 200, .body = success_body(list ? list : "[]", NULL), .retry_after_s = -1};
    poll_end(bot, answer, now);
}

int64_t updates_deadline(const struct bot *bot) {
    if (!bot->poll.parked)
        return INT64_MAX;
    return bot->poll.wake < bot->poll.until ? bot->poll.wake : bot->poll.until;
}

/* --- webhook settings --------------------------------------------------------------------- */

static void drop_pending(struct bot *bot) {
    for (size_t i = 0; i < bot->update_count; i++)
        free(update_at(bot, i)->text);
    bot->update_count = 0;
}

static void webhook_clear(struct webhook *webhook) {
    free(webhook->url);
    free(webhook->secret);
    webhook->url = webhook->secret = NULL;
}

/* NULL, or why this secret is not one. */
static const char *secret_error(const char *secret) {
    if (strlen(secret) > 256)
        return "secret token is too long";
    for (const char *p = secret; *p; p++) {
        bool good = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    (*p >= '0' && *p <= '9') || *p == '_' || *p == '-';
        if (!good)
            return "secret token contains unallowed characters";
    }
    return NULL;
}

static const char *url_error(const char *url) {
    bool tls = strncmp(url, "https://", 8) == 0;
    if (!tls && strncmp(url, "http://127.0.0.1", 16) != 0)
        return "bad webhook: An HTTPS URL must be provided for webhook";
    if (!tls)
        return NULL; /* for receivers on this machine, as the real server allows when it is local */
    const char *host = url + 8, *port = strchr(host, ':'), *path = strchr(host, '/');
    int64_t number = 443;
    if (port && (!path || port < path)) {
        AUTO_FREE char *digits = text_copy_n(port + 1, strcspn(port + 1, "/"));
        if (text_to_int(digits, 1, 65535, &number) < 0)
            number = 0;
    }
    if (number != 443 && number != 80 && number != 88 && number != 8443)
        return "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443";
    return NULL;
}

static void webhook_delete(struct call *call) {
    struct bot *bot = call->bot;
    bool was = bot->webhook.url != NULL;
    webhook_clear(&bot->webhook);
    call_succeed(call, json_true());
    call_say(call, was ? "Webhook was deleted" : "Webhook is already deleted");
}

void updates_handle_delete_webhook(struct call *call) {
    if (call_bool(call, "drop_pending_updates"))
        drop_pending(call->bot);
    webhook_delete(call);
}

void updates_handle_set_webhook(struct call *call) {
    struct bot *bot = call->bot;
    const char *url = call_arg(call, "url"), *secret = call_arg(call, "secret_token");
    const char *why = secret_error(secret);
    if (!why && *url)
        why = url_error(url);
    if (why) {
        call_fail(call, 400, why);
        return;
    }
    if (call_bool(call, "drop_pending_updates"))
        drop_pending(bot);
    allowed_set(call);
    if (!*url) {
        webhook_delete(call);
        return;
    }
    struct webhook *webhook = &bot->webhook;
    int64_t connections = call_int(call, "max_connections", 40, 1, 100);
    if (webhook->url && strcmp(webhook->url, url) == 0 && strcmp(webhook->secret, secret) == 0 &&
        webhook->max_connections == connections) {
        call_succeed(call, json_true());
        call_say(call, "Webhook is already set");
        return;
    }
    if (call->now < webhook->next_set) {
        call_refuse(call, 1);
        return;
    }
    webhook_clear(webhook);
    *webhook = (struct webhook){text_copy(url), text_copy(secret), connections, call->now + 1000};
    updates_abort_poll(bot, "Conflict: terminated by setWebhook request", call->now);
    call_succeed(call, json_true());
    call_say(call, "Webhook was set");
}

static json_t *allowed_json(const struct bot *bot) {
    json_t *list = json_array();
    for (unsigned i = 0; i < COUNT_OF(update_types); i++) {
        if (bot->allowed & 1u << i)
            json_array_append_new(list, json_string(update_types[i]));
    }
    return list;
}

void updates_handle_webhook_info(struct call *call) {
    const struct bot *bot = call->bot;
    const struct webhook *webhook = &bot->webhook;
    json_t *info = json_pack("{s:s, s:b, s:I}", "url", webhook->url ? webhook->url : "",
                             "has_custom_certificate", 0, "pending_update_count",
                             (json_int_t)bot->update_count);
    if (webhook->url)
        json_object_set_new(info, "max_connections", json_integer(webhook->max_connections));
    if (bot->allowed != updates_allowed_default())
        json_object_set_new(info, "allowed_updates", allowed_json(bot));
    call_succeed(call, info);
}

void updates_deinit(struct bot *bot) {
    drop_pending(bot);
    free(bot->updates);
    webhook_clear(&bot->webhook);
}
