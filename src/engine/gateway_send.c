/* SPDX-License-Identifier: Apache-2.0 */
/* Sends of everybody: by importance, inside the budgets, 429 waited out. */
#include "engine/gateway_state.h"
#include "policy/backoff.h"

enum {
    CHATS_MAX = 20000,
    SAME_SECOND_MS = 1000,
    CHATS_429_MAX = 3, /* so many chats refused in one second: it is the whole bot */
};
static const struct backoff connect_retry = {.first_ms = 250, .max_ms = 4000, .min_ms = 100};

static struct chat *chat_of(struct gateway *g, int64_t key) {
    uint64_t hash = (uint64_t)key * 0x9e3779b97f4a7c15U;
    struct chat **place = &g->chats[(hash >> 32) % CHAT_BUCKETS];
    for (struct chat *chat = *place; chat; chat = chat->chain)
        if (chat->key == key)
            return chat;
    struct chat *chat = memory_new(sizeof *chat);
    chat->key = key;
    chat->chain = *place;
    *place = chat;
    g->chat_count++;
    return chat;
}

/* Chats whose budgets are full again need not be remembered. */
void gateway_sweep_chats(struct gateway *g, int64_t now) {
    for (size_t i = 0; i < CHAT_BUCKETS; i++)
        for (struct chat **place = &g->chats[i]; *place;) {
            struct chat *chat = *place;
            if (chat->sends > 0 || chat->paused_until > now ||
                !quota_is_full(&chat->second, &g->options.rate_chat, now) ||
                !quota_is_full(&chat->minute, &g->options.rate_group, now)) {
                place = &chat->chain;
                continue;
            }
            *place = chat->chain;
            g->chat_count--;
            free(chat);
        }
}

/* In the order of arrival, also when it is put back after a 429. At most sends_max steps. */
static void enqueue(struct gateway *g, struct send *send) {
    struct send **place = &g->queues[send->priority];
    while (*place && (*place)->order < send->order)
        place = &(*place)->next;
    send->next = *place;
    *place = send;
    g->queued++;
}

static void send_free(struct send *send) {
    if (send->chat)
        send->chat->sends--;
    free(send);
}

void gateway_on_send(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands) {
    if (g->closed) {
        gateway_refuse(
            commands, event->request, 503,
            text_copy("Service Unavailable: Holdfast is shutting down; nothing was sent"));
        return;
    }
    /* What is urgent, and what needs no budget, is not shut out by a flood of the rest. */
    bool urgent = event->priority == ALERT_CRITICAL || event->budget == GATEWAY_FREE;
    size_t room = urgent ? g->options.sends_max * 2 : g->options.sends_max;
    if (g->queued >= room && !event->raw) {
        gateway_refuse(commands, event->request, 429,
                       text_format("Too Many Requests: retry after 1 (%zu sends wait in Holdfast)",
                                   g->queued));
        commands->list[commands->count - 1].retry_after_s = 1;
        return;
    }
    if (g->chat_count >= CHATS_MAX)
        gateway_sweep_chats(g, now);
    struct send *send = memory_new(sizeof *send);
    *send = (struct send){.request = event->request,
                          .order = ++g->orders,
                          .priority = event->priority,
                          .budget = event->budget,
                          .raw = event->raw,
                          .first_ms = now,
                          .not_before = now,
                          .chat = event->chat ? chat_of(g, event->chat) : NULL};
    if (send->chat)
        send->chat->sends++;
    enqueue(g, send);
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* When this one may go out; <= now: it may. */
static int64_t allowed_at(const struct gateway *g, const struct send *send, int64_t now) {
    const struct gateway_options *o = &g->options;
    const struct chat *chat = send->chat;
    int64_t at = send->not_before;
    /* A short burst to a chat is tolerated; its last one is kept for what is CRITICAL. */
    int64_t keep = send->priority == ALERT_CRITICAL || o->rate_chat.burst < 2 ? 0 : 1;
    if (send->budget != GATEWAY_FREE) {
        at = later(at, g->paused_until);
        at = later(at, now + quota_wait_ms(&g->quota_all, &o->rate_all, now, 0));
    }
    if (!chat)
        return at;
    at = later(at, chat->paused_until);
    if (send->budget == GATEWAY_MESSAGE)
        at = later(at, now + quota_wait_ms(&chat->second, &o->rate_chat, now, keep));
    if (send->budget != GATEWAY_FREE && chat->key < 0)
        at = later(at, now + quota_wait_ms(&chat->minute, &o->rate_group, now, 0));
    return at;
}

static void spend(struct gateway *g, const struct send *send, int64_t now) {
    const struct gateway_options *o = &g->options;
    if (send->budget == GATEWAY_FREE)
        return;
    quota_take(&g->quota_all, &o->rate_all, now);
    if (!send->chat)
        return;
    if (send->budget == GATEWAY_MESSAGE)
        quota_take(&send->chat->second, &o->rate_chat, now);
    if (send->chat->key < 0)
        quota_take(&send->chat->minute, &o->rate_group, now);
}

static void launch(struct gateway *g, struct send **place, int64_t now,
                   struct gateway_commands *commands) {
    struct send *send = *place;
    *place = send->next;
    g->queued--;
    spend(g, send, now);
    send->next = g->in_flight;
    g->in_flight = send;
    g->flying++;
    g->sends++;
    gateway_add(commands, GATEWAY_DO_SEND)->request = send->request;
}

/* Some calls take minutes (uploads): the last places are for what is CRITICAL. */
static size_t kept_slots(const struct gateway *g, size_t priority) {
    return priority == ALERT_CRITICAL ? 0 : g->options.in_flight_max / 8;
}

/* One walk over what waits. In a chat nobody overtakes a send of the same importance; a chat that
 * must wait holds up no other. */
void gateway_dispatch(struct gateway *g, int64_t now, struct gateway_commands *commands) {
    g->send_next = INT64_MAX;
    g->round++;
    for (size_t priority = 0; priority < ALERT_PRIORITIES; priority++)
        for (struct send **place = &g->queues[priority]; *place;) {
            struct send *send = *place;
            if (g->flying + kept_slots(g, priority) >= g->options.in_flight_max)
                return; /* the next answer calls again */
            bool behind =
                send->chat && send->chat->waits_round == g->round && send->budget != GATEWAY_FREE;
            int64_t at = behind ? INT64_MAX : allowed_at(g, send, now);
            if (at <= now) {
                launch(g, place, now, commands);
                continue;
            }
            if (send->chat)
                send->chat->waits_round = g->round;
            if (at < g->send_next)
                g->send_next = at;
            place = &send->next;
        }
}

static struct send *take_in_flight(struct gateway *g, uint64_t request) {
    for (struct send **place = &g->in_flight; *place; place = &(*place)->next)
        if ((*place)->request == request) {
            struct send *send = *place;
            *place = send->next;
            g->flying--;
            return send;
        }
    return NULL;
}

static void finish(struct gateway *g, struct send *send, struct gateway_commands *commands) {
    gateway_add(commands, GATEWAY_DO_PASS)->request = send->request;
    send_free(send);
}

static void on_429(struct gateway *g, struct send *send, const struct gateway_event *event,
                   int64_t now, struct gateway_commands *commands) {
    int64_t wait_ms = (event->retry_after_s > 0 ? event->retry_after_s : 1) * 1000;
    int64_t until = now + wait_ms + (int64_t)(100 + random_next(&g->random) % 400);
    g->sends_429++;
    if (send->chat) {
        if (send->chat->paused_until <= now)
            g->chats_429 = now - g->last_429_ms < SAME_SECOND_MS ? g->chats_429 + 1 : 1;
        g->last_429_ms = now;
        send->chat->paused_until = later(send->chat->paused_until, until);
        if (g->chats_429 >= CHATS_429_MAX)
            g->paused_until = later(g->paused_until, until);
    }
    if (send->raw || send->gone || until - send->first_ms > g->options.wait_429_ms_max) {
        finish(g, send, commands);
        return;
    }
    send->not_before = until;
    enqueue(g, send);
}

static void on_not_sent(struct gateway *g, struct send *send, const struct gateway_event *event,
                        int64_t now, struct gateway_commands *commands) {
    send->tries++;
    int64_t at = now + backoff_ms(&connect_retry, send->tries, random_next(&g->random));
    if (!send->gone && at - send->first_ms <= g->options.connect_ms_max) {
        send->not_before = at;
        enqueue(g, send);
        return;
    }
    g->sends_failed++;
    gateway_refuse(commands, send->request, 502,
                   text_format("Bad Gateway: Telegram cannot be reached (%s); nothing was sent",
                               event->description));
    send_free(send);
}

static void on_unknown(struct gateway *g, struct send *send, const struct gateway_event *event,
                       struct gateway_commands *commands) {
    g->sends_failed++;
    gateway_refuse(
        commands, send->request, 504,
        text_format("Gateway Timeout: no answer from Telegram (%s); the message may have "
                    "been sent; Holdfast does not repeat it",
                    event->description));
    send_free(send);
}

void gateway_on_sent(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands) {
    struct send *send = take_in_flight(g, event->request);
    if (!send)
        return;
    if (event->outcome == GATEWAY_ANSWERED && event->class == TELEGRAM_RATE_LIMITED)
        on_429(g, send, event, now, commands);
    else if (event->outcome == GATEWAY_ANSWERED || send->raw)
        finish(g, send, commands);
    else if (event->outcome == GATEWAY_NOT_SENT)
        on_not_sent(g, send, event, now, commands);
    else
        on_unknown(g, send, event, commands);
}

/* What was not begun is not sent for nobody; what is under way comes back and is answered then. */
bool gateway_gone_send(struct gateway *g, uint64_t request, struct gateway_commands *commands) {
    for (struct send *send = g->in_flight; send; send = send->next)
        if (send->request == request) {
            send->gone = true;
            return true;
        }
    for (size_t priority = 0; priority < ALERT_PRIORITIES; priority++)
        for (struct send **place = &g->queues[priority]; *place; place = &(*place)->next)
            if ((*place)->request == request) {
                struct send *send = *place;
                *place = send->next;
                g->queued--;
                gateway_refuse(commands, request, 503,
                               text_copy("Service Unavailable: the caller left; nothing was sent"));
                send_free(send);
                return true;
            }
    return false;
}

void gateway_close_sends(struct gateway *g, struct gateway_commands *commands) {
    for (size_t priority = 0; priority < ALERT_PRIORITIES; priority++)
        while (g->queues[priority]) {
            struct send *send = g->queues[priority];
            g->queues[priority] = send->next;
            g->queued--;
            gateway_refuse(
                commands, send->request, 503,
                text_copy("Service Unavailable: Holdfast is shutting down; nothing was sent"));
            send_free(send);
        }
}
