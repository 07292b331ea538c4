/* SPDX-License-Identifier: Apache-2.0 */
/* The one poller of a bot. */
#include "engine/gateway_state.h"
#include "policy/backoff.h"

enum {
    TOKEN_RETRY_MS = 300000,   /* a refused token seldom heals by itself */
    CONFLICT_RETRY_MS = 30000, /* two that fight for the poll would throw each other out for ever */
    STORE_RETRY_MS = 2000,
    REPEATS_RETRY_MS = 1000, /* Telegram sent only what we have */
};
static const struct backoff retry = {.first_ms = 500, .max_ms = 15000, .min_ms = 200};

struct held *gateway_held(const struct gateway *g, int64_t seq) {
    must(seq >= g->held_first && seq <= g->seq_last);
    return &g->held[(size_t)seq % g->held_capacity];
}

/* Makes room in the ring for the next seq and returns it. */
static struct held *hold(struct gateway *g, const char *body, size_t bytes) {
    size_t count = (size_t)(g->seq_last + 1 - g->held_first);
    if (count == g->held_capacity) {
        size_t capacity = g->held_capacity ? g->held_capacity * 2 : 64;
        struct held *grown = memory_array(capacity, sizeof *grown);
        for (int64_t seq = g->held_first; seq <= g->seq_last; seq++)
            grown[(size_t)seq % capacity] = g->held[(size_t)seq % g->held_capacity];
        free(g->held);
        g->held = grown;
        g->held_capacity = capacity;
    }
    g->seq_last++;
    struct held *held = gateway_held(g, g->seq_last);
    *held = (struct held){.seq = g->seq_last, .body = text_copy_n(body, bytes), .bytes = bytes};
    g->held_bytes += bytes;
    return held;
}

static bool is_recent(const struct gateway *g, int64_t id) {
    for (size_t i = 0; i < RECENT_IDS; i++)
        if (g->recent[i] == id)
            return true;
    return false;
}

static void remember(struct gateway *g, int64_t id) {
    g->recent[g->recent_at++ % RECENT_IDS] = id;
}

void gateway_restore_update(struct gateway *g, const struct record *record) {
    /* Numbers may begin anywhere, and have a gap where updates hidden from all were dropped. */
    if (g->seq_last + 1 == g->held_first) {
        g->held_first = record->seq;
        g->seq_last = record->seq - 1;
    }
    if (record->seq != g->seq_last + 1)
        return; /* out of order: the store promises otherwise */
    struct held *held = hold(g, record->body, record->body_bytes);
    held->id = record->id;
    held->epoch = record->epoch;
    held->received_ms = record->at_ms;
    held->hidden = record->mask;
    held->durable = true;
    remember(g, record->id);
}

static void add_row(const struct gateway *g, const struct held *held, struct records *records) {
    struct record *record = records_add(records, RECORD_UPDATE);
    record->bot = text_copy(g->options.bot);
    record->seq = held->seq;
    record->id = held->id;
    record->epoch = held->epoch;
    record->at_ms = held->received_ms;
    record->mask = held->hidden;
    record->body = text_copy_n(held->body, held->bytes);
    record->body_bytes = held->bytes;
}

void gateway_add_outdated(struct gateway *g, uint64_t ticket, struct records *records) {
    g->outdated_saving = ticket;
    g->outdated_to = g->held_first - 1;
    for (int64_t seq = g->held_first; seq <= g->seq_last && gateway_held(g, seq)->durable; seq++) {
        g->outdated_to = seq;
        if (gateway_held(g, seq)->outdated)
            add_row(g, gateway_held(g, seq), records);
    }
}

void gateway_on_stored_outdated(struct gateway *g, const struct gateway_event *event) {
    if (!g->outdated || event->ticket != g->outdated_saving || event->r < 0)
        return;
    g->outdated = false;
    for (int64_t seq = g->held_first; seq <= g->seq_last; seq++) {
        struct held *held = gateway_held(g, seq);
        held->outdated &= seq > g->outdated_to;
        g->outdated |= held->outdated;
    }
}

/* All that is held and not on disk yet, and where Telegram is to go on. */
static void save(struct gateway *g, struct gateway_commands *commands) {
    struct gateway_command *command = gateway_add(commands, GATEWAY_DO_PERSIST);
    command->ticket = g->saving = ++g->tickets;
    int64_t first = g->seq_last + 1;
    while (first > g->held_first && !gateway_held(g, first - 1)->durable)
        first--;
    for (int64_t seq = first; seq <= g->seq_last; seq++)
        add_row(g, gateway_held(g, seq), &command->records);
    struct record *bot = records_add(&command->records, RECORD_BOT);
    bot->bot = text_copy(g->options.bot);
    bot->id = g->options.account;
    bot->offset = g->offset;
    bot->epoch = g->epoch;
    bot->at_ms = g->last_update_ms;
    gateway_add_unsaved(g, command->ticket, &command->records);
    g->unsaved = false;
    g->poller = POLLER_SAVING;
}

static void wait_until(struct gateway *g, int64_t until) {
    g->poller = POLLER_WAITING;
    g->poller_until = until;
    g->quick = true;
}

static bool is_full(const struct gateway *g) {
    return (size_t)(g->seq_last + 1 - g->held_first) >= g->options.held_max ||
           g->held_bytes >= g->options.held_bytes_max;
}

static void start_poll(struct gateway *g, struct gateway_commands *commands) {
    struct gateway_command *command = gateway_add(commands, GATEWAY_DO_POLL);
    command->offset = g->offset;
    command->timeout_s = g->quick || !g->caught_up ? 0 : g->options.poll_timeout_s;
    gateway_begin_skips(g);
    command->kinds = g->polled_kinds = gateway_kinds(g);
    g->poller = POLLER_POLLING;
}

static void say_full(struct gateway *g) {
    gateway_set_problem(g, 507,
                        text_format("%lld updates wait for consumers that do not read; "
                                    "Telegram keeps the rest for 24 h. Start the bot that "
                                    "reads them",
                                    (long long)(g->seq_last + 1 - g->held_first)));
}

/* Moves on when nothing has to be waited for. Every step ends here. */
void gateway_poll_advance(struct gateway *g, int64_t now, struct gateway_commands *commands) {
    if (g->poller == POLLER_POLLING && g->polled_kinds != gateway_kinds(g)) {
        /* Somebody asked for more kinds: from now on, not after the long poll. */
        gateway_add(commands, GATEWAY_DO_STOP_POLL);
        start_poll(g, commands);
        return;
    }
    bool may = g->poller == POLLER_OFF || g->poller == POLLER_FULL ||
               (g->poller == POLLER_WAITING && now >= g->poller_until);
    if (!may)
        return;
    if (g->unsaved) {
        save(g, commands);
    } else if (!gateway_is_polled(g)) {
        g->poller = POLLER_OFF;
    } else if (!g->unhooked) {
        gateway_add(commands, GATEWAY_DO_UNHOOK);
        g->poller = POLLER_UNHOOK;
    } else if (is_full(g)) {
        if (g->poller != POLLER_FULL)
            say_full(g);
        g->poller = POLLER_FULL;
        g->caught_up = false;
    } else {
        if (g->problem_code == 507)
            gateway_set_problem(g, 0, NULL);
        start_poll(g, commands);
    }
}

static void alarm(struct gateway *g, enum alert_priority priority,
                  struct gateway_commands *commands) {
    struct gateway_command *command = gateway_add(commands, GATEWAY_DO_ALARM);
    command->priority = priority;
    command->code = g->problem_code;
    command->text = text_copy(g->problem);
}

static void on_bad_token(struct gateway *g, const struct gateway_event *event, int64_t now,
                         struct gateway_commands *commands) {
    bool is_new = g->problem_code != 401;
    gateway_set_problem(g, 401,
                        text_format("Telegram does not accept the token of bot %s (%s); "
                                    "put the right one into the config. Tried again every "
                                    "5 minutes",
                                    g->options.bot, event->description));
    if (is_new)
        alarm(g, ALERT_CRITICAL, commands);
    g->unhooked = false;
    wait_until(g, now + TOKEN_RETRY_MS);
}

static void on_conflict(struct gateway *g, const struct gateway_event *event, int64_t now,
                        struct gateway_commands *commands) {
    bool is_new = g->problem_code != 409;
    bool webhook = strstr(event->description, "webhook") != NULL;
    gateway_set_problem(
        g, 409,
        webhook ? text_format("somebody set a webhook for bot %s; it is removed again. Find the "
                              "program that uses the same token",
                              g->options.bot)
                : text_format("another program reads the updates of bot %s with the same token; "
                              "stop it, or let it read through Holdfast",
                              g->options.bot));
    if (is_new)
        alarm(g, ALERT_HIGH, commands);
    if (webhook)
        g->unhooked = false;
    wait_until(g, now + CONFLICT_RETRY_MS);
}

static void on_trouble(struct gateway *g, const struct gateway_event *event, int64_t now) {
    const char *why = event->description[0] ? event->description : "no usable answer";
    gateway_set_problem(g, 502,
                        text_format("Telegram cannot be reached for bot %s (%s); tried "
                                    "again with growing pauses",
                                    g->options.bot, why));
    wait_until(g, now + backoff_ms(&retry, g->errors_in_row, random_next(&g->random)));
}

/* Any answer but the good one, of deleteWebhook or getUpdates. */
static void on_failure(struct gateway *g, const struct gateway_event *event, int64_t now,
                       struct gateway_commands *commands) {
    g->errors++;
    g->errors_in_row++;
    g->caught_up = false;
    if (event->outcome != GATEWAY_ANSWERED)
        on_trouble(g, event, now);
    else if (event->class == TELEGRAM_BAD_TOKEN)
        on_bad_token(g, event, now, commands);
    else if (event->class == TELEGRAM_CONFLICT)
        on_conflict(g, event, now, commands);
    else if (event->class == TELEGRAM_RATE_LIMITED)
        wait_until(g, now + (event->retry_after_s > 0 ? event->retry_after_s : 1) * 1000 + 500);
    else
        on_trouble(g, event, now);
}

void gateway_on_unhooked(struct gateway *g, const struct gateway_event *event, int64_t now,
                         struct gateway_commands *commands) {
    if (g->poller != POLLER_UNHOOK)
        return;
    if (event->outcome != GATEWAY_ANSWERED || event->class != TELEGRAM_OK) {
        on_failure(g, event, now, commands);
        return;
    }
    g->unhooked = true;
    wait_until(g, now);
}

/* Ids grow, until after a week without updates Telegram begins anywhere. So a lower one is old news
 * only while ids keep coming; otherwise it begins a new epoch. */
static bool is_repeat(const struct gateway *g, int64_t id, int64_t now) {
    return is_recent(g, id) || (id < g->offset && now - g->last_update_ms < DAY_MS);
}

static void take_update(struct gateway *g, const struct telegram_update *update, int64_t wall_ms,
                        int64_t now) {
    if (update->id < g->offset)
        g->epoch++;
    uint64_t hidden = gateway_hidden_for(g, update, wall_ms);
    struct held *held = hold(g, update->raw.data, update->raw.size);
    held->id = update->id;
    held->epoch = g->epoch;
    held->received_ms = now;
    held->hidden = hidden;
    remember(g, update->id);
    g->offset = update->id + 1;
    g->last_update_ms = now;
}

void gateway_on_polled(struct gateway *g, const struct gateway_event *event, int64_t now,
                       struct gateway_commands *commands) {
    if (g->poller != POLLER_POLLING)
        return;
    if (event->outcome != GATEWAY_ANSWERED || event->class != TELEGRAM_OK) {
        on_failure(g, event, now, commands);
        return;
    }
    g->last_poll_ms = now;
    g->errors_in_row = 0;
    g->caught_up = event->update_count < GATEWAY_POLL_LIMIT && !gateway_skips_wait(g);
    if (g->problem_code != 508)
        gateway_set_problem(g, 0, NULL);
    int64_t known = g->seq_last;
    for (size_t i = 0; i < event->update_count; i++) {
        if (is_repeat(g, event->updates[i].id, now))
            g->duplicates++;
        else
            take_update(g, &event->updates[i], event->wall_ms, now);
    }
    if (g->seq_last > known) {
        save(g, commands);
        gateway_wake_consumers(g, now, commands);
        return;
    }
    gateway_set_problem(g, 0, NULL);
    gateway_wake_consumers(g, now, commands);
    wait_until(g, event->update_count > 0 ? now + REPEATS_RETRY_MS : now);
    g->quick = false;
}

bool gateway_on_stored_updates(struct gateway *g, const struct gateway_event *event, int64_t now,
                               struct gateway_commands *commands) {
    if (event->ticket != g->saving)
        return false;
    g->saving = 0;
    if (event->r < 0) {
        g->unsaved = true;
        gateway_set_problem(g, 508,
                            text_format("updates of bot %s cannot be kept here, Telegram keeps "
                                        "them: %s",
                                        g->options.bot, record_unkept_why(event->r)));
        wait_until(g, now + STORE_RETRY_MS);
        return true;
    }
    if (g->problem_code == 508) /* only a commit shows that the disk works again */
        gateway_set_problem(g, 0, NULL);
    for (int64_t seq = g->seq_last; seq >= g->held_first && !gateway_held(g, seq)->durable; seq--) {
        gateway_held(g, seq)->durable = true;
        g->updates++;
    }
    if (g->poller == POLLER_SAVING)
        wait_until(g, now);
    g->quick = false;
    gateway_wake_consumers(g, now, commands);
    return true;
}
