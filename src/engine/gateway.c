/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/gateway_state.h"

enum { HOUR_MS = 3600000 };

struct gateway_options gateway_options_default(void) {
    return (struct gateway_options){
        .bot = "",
        .rate_all = {.count = 30, .period_ms = 1000, .burst = 30},
        .rate_chat = {.count = 1, .period_ms = 1000, .burst = 4},
        .rate_group = {.count = 20, .period_ms = 60000, .burst = 20},
        .poll_timeout_s = 50,
        .held_max = 50000,
        .held_bytes_max = (size_t)128 << 20,
        .sends_max = 1000,
        .in_flight_max = 64,
        .wait_429_ms_max = 60000,
        .connect_ms_max = 30000,
    };
}

struct gateway_command *gateway_add(struct gateway_commands *commands, enum gateway_do what) {
    if (commands->count == commands->capacity) {
        commands->capacity = commands->capacity ? commands->capacity * 2 : 8;
        commands->list = memory_grow(commands->list, commands->capacity, sizeof *commands->list);
    }
    struct gateway_command *command = &commands->list[commands->count++];
    *command = (struct gateway_command){.what = what, .retry_after_s = -1};
    return command;
}

void gateway_answer(struct gateway_commands *commands, uint64_t request, const char *body) {
    struct gateway_command *command = gateway_add(commands, GATEWAY_DO_ANSWER);
    command->request = request;
    buffer_add_text(&command->body, body);
}

void gateway_refuse(struct gateway_commands *commands, uint64_t request, int code, char *text) {
    struct gateway_command *command = gateway_add(commands, GATEWAY_DO_REFUSE);
    command->request = request;
    command->code = code;
    command->text = text;
}

void gateway_set_problem(struct gateway *g, int code, char *text) {
    free(g->problem);
    g->problem = text;
    g->problem_code = code;
}

void gateway_commands_deinit(struct gateway_commands *commands) {
    for (size_t i = 0; i < commands->count; i++) {
        records_deinit(&commands->list[i].records);
        buffer_deinit(&commands->list[i].body);
        free(commands->list[i].text);
    }
    free(commands->list);
    *commands = (struct gateway_commands){0};
}

struct gateway *gateway_new(const struct gateway_options *options) {
    struct gateway *g = memory_new(sizeof *g);
    g->options = *options;
    g->random = options->seed;
    g->held_first = 1;
    g->quick = true;
    g->send_next = INT64_MAX;
    return g;
}

struct gateway *gateway_free(struct gateway *g) {
    if (!g)
        return NULL;
    for (int64_t seq = g->held_first; seq <= g->seq_last; seq++)
        free(gateway_held(g, seq)->body);
    free(g->held);
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        free(g->consumers[i].name);
    struct gateway_commands none = {0};
    gateway_close_sends(g, &none);
    gateway_commands_deinit(&none);
    while (g->in_flight) {
        struct send *send = g->in_flight;
        g->in_flight = send->next;
        free(send);
    }
    for (size_t i = 0; i < CHAT_BUCKETS; i++)
        for (struct chat *chat = g->chats[i], *next; chat; chat = next) {
            next = chat->chain;
            free(chat);
        }
    free(g->problem);
    free(g);
    return NULL;
}

static void restore_bot(struct gateway *g, const struct record *record) {
    g->epoch = record->epoch;
    g->last_update_ms = record->at_ms;
    /* Another account under the same name: its ids have nothing to do with the former ones. */
    if (record->id == g->options.account)
        g->offset = record->offset;
    else
        g->epoch++;
    g->other_account = record->id != g->options.account;
}

static void restore_consumer(struct gateway *g, const struct record *record) {
    struct consumer *consumer = &g->consumers[record->slot];
    if (record->slot >= GATEWAY_CONSUMERS_MAX || consumer->name)
        return;
    consumer->name = text_copy(record->consumer);
    consumer->confirmed = record->seq;
    consumer->epoch = record->epoch;
    consumer->kinds = record->mask;
    consumer->ahead = record->offset;
    if (g->other_account) {
        consumer->ahead = 0;
        consumer->epoch = consumer->epoch < g->epoch ? consumer->epoch : g->epoch - 1;
    }
    consumer->seen_ms = consumer->seen_saved_ms = record->at_ms;
    /* Its updates may all be gone from the disk: numbers go on behind them. */
    if (g->seq_last < record->seq) {
        g->seq_last = record->seq;
        g->held_first = record->seq + 1;
    }
}

void gateway_restore(struct gateway *g, const struct record *record) {
    if (record->kind == RECORD_BOT)
        restore_bot(g, record);
    else if (record->kind == RECORD_CONSUMER && record->slot < GATEWAY_CONSUMERS_MAX)
        restore_consumer(g, record);
    else if (record->kind == RECORD_UPDATE)
        gateway_restore_update(g, record);
}

void gateway_declare(struct gateway *g, const char *name) {
    struct consumer *consumer = gateway_consumer(g, name, true);
    if (consumer)
        consumer->declared = true;
}

static void on_start(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands) {
    g->disk_dropped = g->held_first - 1;
    gateway_start_consumers(g, now, commands); /* before anything is let go */
    gateway_wake_consumers(g, now, commands);  /* lets go of what was loaded only for its id */
    g->hourly_ms = now + HOUR_MS;
}

static void on_timer(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands) {
    gateway_wake_consumers(g, now, commands);
    if (now >= g->hourly_ms) {
        g->hourly_ms = now + HOUR_MS;
        gateway_forget_consumers(g, now, commands);
        gateway_sweep_chats(g, now);
    }
}

static void on_stored(struct gateway *g, const struct gateway_event *event, int64_t now,
                      struct gateway_commands *commands) {
    gateway_on_stored_consumer(g, event);
    gateway_on_stored_outdated(g, event);
    if (!gateway_on_stored_updates(g, event, now, commands))
        gateway_wake_consumers(g, now, commands);
}

static void on_gone(struct gateway *g, const struct gateway_event *event, int64_t now,
                    struct gateway_commands *commands) {
    if (gateway_gone_send(g, event->request, commands))
        return;
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX && event->request; i++) {
        struct consumer *consumer = &g->consumers[i];
        if (consumer->parked != event->request && consumer->dropping != event->request)
            continue;
        if (consumer->parked == event->request)
            consumer->parked = 0;
        else
            consumer->dropping = 0; /* it is done nevertheless */
        gateway_answer(commands, event->request, "{\"ok\":true,\"result\":[]}");
    }
}

static void refuse_drop(uint64_t request, struct gateway_commands *commands) {
    gateway_refuse(commands, request, 503,
                   text_copy("Service Unavailable: Holdfast is shutting down"));
}

static void on_skip(struct gateway *g, const struct gateway_event *event, int64_t now,
                    struct gateway_commands *commands) {
    if (g->closed)
        refuse_drop(event->request, commands);
    else
        gateway_on_skip(g, event, now, commands);
}

static void on_close(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands) {
    g->closed = true;
    g->poller = POLLER_CLOSED;
    gateway_close_sends(g, commands);
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++) {
        struct consumer *consumer = &g->consumers[i];
        if (consumer->parked)
            gateway_answer(commands, consumer->parked, "{\"ok\":true,\"result\":[]}");
        if (consumer->dropping)
            refuse_drop(consumer->dropping, commands);
        consumer->parked = consumer->dropping = 0;
    }
}

typedef void handler(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands);
static handler *const handlers[] = {
    [GATEWAY_ON_START] = on_start,
    [GATEWAY_ON_TIMER] = on_timer,
    [GATEWAY_ON_UNHOOKED] = gateway_on_unhooked,
    [GATEWAY_ON_POLLED] = gateway_on_polled,
    [GATEWAY_ON_STORED] = on_stored,
    [GATEWAY_ON_ASK] = gateway_on_ask,
    [GATEWAY_ON_SKIP] = on_skip,
    [GATEWAY_ON_SEND] = gateway_on_send,
    [GATEWAY_ON_SENT] = gateway_on_sent,
    [GATEWAY_ON_GONE] = on_gone,
    [GATEWAY_ON_CLOSE] = on_close,
};

void gateway_step(struct gateway *g, const struct gateway_event *event, int64_t now,
                  struct gateway_commands *commands) {
    must(event->on < COUNT_OF(handlers));
    handlers[event->on](g, event, now, commands);
    if (g->closed)
        return;
    gateway_poll_advance(g, now, commands);
    gateway_dispatch(g, now, commands);
}

const char *gateway_problem(const struct gateway *g) {
    return g->problem ? g->problem : "";
}

uint64_t gateway_old(const struct gateway *g) {
    return g->old;
}

int64_t gateway_next_ms(const struct gateway *g) {
    if (g->closed)
        return INT64_MAX;
    int64_t next = g->send_next < g->hourly_ms ? g->send_next : g->hourly_ms;
    if (g->poller == POLLER_WAITING && g->poller_until < next)
        next = g->poller_until;
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++) {
        const struct consumer *consumer = &g->consumers[i];
        /* One that waits for the disk is woken by the disk. */
        int64_t until = consumer->tail ? consumer->tail_until : consumer->parked_until;
        if (consumer->parked && !consumer->confirming && until < next)
            next = until;
        if (consumer->dropping && consumer->dropping_until < next)
            next = consumer->dropping_until;
    }
    return next;
}

static void consumer_figures(const struct gateway *g, size_t slot, struct gateway_figures *ret) {
    const struct consumer *consumer = &g->consumers[slot];
    struct gateway_consumer_figures *into = &ret->consumers[ret->consumer_count++];
    *into = (struct gateway_consumer_figures){.name = consumer->name,
                                              .declared = consumer->declared,
                                              .parked = consumer->parked != 0,
                                              .seen_ms = consumer->seen_ms,
                                              .confirmed = consumer->confirmed_count};
    int64_t from =
        consumer->confirmed + 1 > g->held_first ? consumer->confirmed + 1 : g->held_first;
    for (int64_t seq = from; seq <= g->seq_last; seq++) {
        const struct held *held = gateway_held(g, seq);
        if (held->hidden & (UINT64_C(1) << slot | HIDDEN_OLD))
            continue;
        into->oldest_ms = into->oldest_ms ? into->oldest_ms : held->received_ms;
        into->waiting++;
    }
    if (into->oldest_ms && (!ret->oldest_ms || into->oldest_ms < ret->oldest_ms))
        ret->oldest_ms = into->oldest_ms;
}

void gateway_figures(const struct gateway *g, struct gateway_figures *ret) {
    static const char *const names[] = {
        "off", "removing webhook", "polling", "saving", "waiting", "full", "closed"};
    *ret = (struct gateway_figures){.poller = names[g->poller],
                                    .problem = g->problem ? g->problem : "",
                                    .polls = gateway_is_polled(g),
                                    .last_poll_ms = g->last_poll_ms,
                                    .last_update_ms = g->last_update_ms,
                                    .updates = g->updates,
                                    .old = g->old,
                                    .errors = g->errors,
                                    .errors_in_row = g->errors_in_row,
                                    .duplicates = g->duplicates,
                                    .sends = g->sends,
                                    .sends_429 = g->sends_429,
                                    .sends_failed = g->sends_failed,
                                    .held = (size_t)(g->seq_last + 1 - g->held_first),
                                    .sends_waiting = g->queued,
                                    .in_flight = g->flying};
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        if (g->consumers[i].name)
            consumer_figures(g, i, ret);
}
