/* SPDX-License-Identifier: Apache-2.0 */
/* Sending alerts: turns, tries, the breaker, the end. */
#include "engine/alerts_state.h"
#include "policy/backoff.h"

enum { MIGRATIONS_MAX = 5, TIRED_TRIES = 10, REST_S_MAX = 3600 };
/* A failed attempt of one alert, and the pause of the way out after a failure. */
static const struct backoff retry = {.first_ms = 1000, .max_ms = 30000, .min_ms = 1000};

static void wake_due(struct alerts *a, int64_t now) {
    while (a->heap_count > 0 && a->heap[0]->alert.next_ms <= now)
        alerts_set_phase(a, a->heap[0], PHASE_READY, false);
}

static bool any_active(const struct way *way) {
    for (size_t p = 0; p < ALERT_PRIORITIES; p++)
        if (way->active[p] > 0)
            return true;
    return false;
}

static bool is_tired(const struct item *item) {
    return item->alert.attempts >= TIRED_TRIES;
}

static size_t best_ready(const struct way *way) {
    size_t p = 0;
    while (p < ALERT_PRIORITIES && !way->oldest[p])
        p++;
    return p;
}

/* The way out failed last time and somebody may try it: the most important one, also when its own
 * pause is not over - the outage is the way's, not the alert's. One that failed very often gets
 * every second try only: the fault may be its own after all. */
static void give_way(struct alerts *a, struct way *way) {
    size_t best = best_ready(way);
    struct item *chosen = NULL;
    if (best == ALERT_PRIORITIES)
        return;
    for (size_t i = 0; i < a->heap_count; i++) {
        struct item *item = a->heap[i];
        if (item->way != way || item->alert.priority >= best ||
            (way->spare_tired && is_tired(item)))
            continue;
        if (!chosen || item->alert.priority < chosen->alert.priority ||
            (item->alert.priority == chosen->alert.priority && item->alert.id < chosen->alert.id))
            chosen = item;
    }
    way->spare_tired = !way->spare_tired;
    if (chosen)
        alerts_set_phase(a, chosen, PHASE_READY, true);
}

/* It works again: nobody who waits because it did not need wait longer. */
void alerts_way_works(struct alerts *a, struct way *way, int64_t now) {
    if (!way->down)
        return;
    way->down = false;
    size_t count = a->heap_count;
    struct item **list = memory_array(count + 1, sizeof(struct item *));
    for (size_t i = 0; i < count; i++)
        list[i] = a->heap[i];
    for (size_t i = 0; i < count; i++)
        if (list[i]->way == way && !is_tired(list[i]))
            alerts_set_phase(a, list[i], PHASE_READY, false);
    free(list);
}

/* One of each importance may wait for its turn: so a CRITICAL one is never behind a LOW one here,
 * and the gateway sorts them. While the breaker is not closed only the most important one goes. */
static void pump(struct alerts *a, size_t index, int64_t now, struct alerts_commands *commands) {
    struct way *way = &a->ways[index];
    if (!way->open || now < way->pause_until)
        return;
    if (way->down && !any_active(way) &&
        breaker_next_ms(&way->breaker, &a->options.breaker, now) <= now)
        give_way(a, way);
    for (size_t p = 0; p < ALERT_PRIORITIES; p++) {
        if (alerts_is_muted(a, (enum alert_priority)p, now))
            return;
        alerts_group_release(a, way, (enum alert_priority)p, now);
        struct item *item = way->oldest[p];
        while (item && way->active[p] == 0 &&
               (alerts_silence_ends(a, item, now, commands) || alerts_group_holds(a, item, now)))
            item = way->oldest[p];
        if (!item || way->active[p] > 0)
            continue;
        if (breaker_next_ms(&way->breaker, &a->options.breaker, now) > now ||
            ((way->down || way->breaker.state != BREAKER_CLOSED) && any_active(way)))
            return; /* one tries the way for all */
        alerts_set_phase(a, item, PHASE_QUEUED, false);
        struct alerts_command *command = alerts_add(commands, ALERTS_DO_QUEUE);
        command->id = item->alert.id;
        command->priority = item->alert.priority;
        command->way = index;
    }
}

void alerts_pump(struct alerts *a, int64_t now, struct alerts_commands *commands) {
    wake_due(a, now);
    for (size_t i = 0; i < a->way_count; i++)
        pump(a, i, now, commands);
}

static void cancel(int64_t id, struct alerts_commands *commands) {
    alerts_add(commands, ALERTS_DO_CANCEL)->id = id;
}

void alerts_on_turn(struct alerts *a, const struct alerts_event *event, int64_t now,
                    struct alerts_commands *commands) {
    struct item *item = alerts_item(a, event->id);
    if (!item || item->phase != PHASE_QUEUED) {
        cancel(event->id, commands);
        return;
    }
    if (alerts_silence_ends(a, item, now, commands)) { /* since it asked */
        cancel(event->id, commands);
        return;
    }
    struct way *way = item->way;
    item->permit = breaker_ask(&way->breaker, &a->options.breaker, now);
    if (!item->permit.granted || now < way->pause_until) {
        if (item->permit.granted)
            breaker_return(&way->breaker, &a->options.breaker, item->permit, BREAKER_NEUTRAL, now);
        alerts_set_phase(a, item, PHASE_READY, true);
        cancel(event->id, commands);
        return;
    }
    item->alert.state = ALERT_SENDING;
    alerts_set_phase(a, item, PHASE_SAVING, false);
    item->tried = true;
    alerts_group_gather(a, item, now, commands);
    alerts_save(a, item, commands); /* last: when it is on disk, all are */
}

/* What a press on its button acknowledges. */
static void add_ack(const struct alerts *a, const struct item *item,
                    struct alerts_command *command) {
    command->ack_all = item->alert.reminder;
    if (item->alert.reminder)
        command->ack = alerts_unacked_last(a);
    if (!alerts_wants_ack(a, &item->alert))
        return;
    command->ack = item->alert.id;
    for (size_t i = 0; i < item->rider_count; i++)
        if (item->riders[i]->alert.id > command->ack)
            command->ack = item->riders[i]->alert.id;
}

static void send_now(struct alerts *a, struct item *item, struct alerts_commands *commands) {
    alerts_set_phase(a, item, PHASE_FLYING, false);
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_SEND);
    command->id = item->alert.id;
    command->alert = &item->alert;
    command->other_count = item->rider_count;
    command->others = memory_array(item->rider_count + 1, sizeof *command->others);
    for (size_t i = 0; i < item->rider_count; i++)
        command->others[i] = &item->riders[i]->alert;
    command->way = (size_t)(item->way - a->ways);
    command->chat = item->alert.chat ? item->alert.chat : item->way->chat;
    add_ack(a, item, command);
}

static struct item *item_of_ticket(const struct alerts *a, uint64_t ticket, int64_t id) {
    struct item *item = alerts_item(a, id);
    return item && item->ticket == ticket ? item : NULL;
}

/* "Sending" that could not be written goes out all the same: a possible unmarked repeat after a
 * crash is better than an alert that a full disk holds back. */
void alerts_on_stored_item(struct alerts *a, const struct alerts_event *event, int64_t now,
                           struct alerts_commands *commands) {
    struct item *item = item_of_ticket(a, event->ticket, event->id);
    if (!item)
        return;
    if (item->phase == PHASE_SAVING) {
        send_now(a, item, commands);
    } else if (event->r < 0) {
        a->unsaved += !item->unsaved;
        item->unsaved = true;
    } else if (item->phase == PHASE_ENDED) {
        alerts_drop_item(a, item);
    }
}

/* Back into the queue, to be tried at `at`; 0: at once and before the others. */
static void again(struct alerts *a, struct item *item, int64_t at, const char *reason,
                  struct alerts_commands *commands) {
    item->alert.state = ALERT_WAITING;
    if (reason)
        alerts_set_text(&item->alert.reason, reason);
    if (at)
        item->alert.next_ms = at;
    alerts_set_phase(a, item, at ? PHASE_LATER : PHASE_READY, true);
    alerts_save(a, item, commands);
}

/* An attempt is used up: three quick ones, then one at each cycle of the breaker. */
static void used_up(struct alerts *a, struct item *item, const char *reason, int64_t now,
                    struct alerts_commands *commands) {
    uint32_t tries = ++item->alert.attempts;
    int64_t wait = tries < a->options.quick_tries
                       ? backoff_ms(&retry, tries, random_next(&a->random))
                       : a->options.breaker.open_ms;
    again(a, item, now + wait, reason, commands);
}

/* The way out itself failed: it rests for a moment, longer each time, before anybody tries again.
 */
static void way_failed(struct alerts *a, struct way *way, const char *why, int64_t now) {
    way->pause_until =
        now + backoff_ms(&retry, way->breaker.failures_in_row + 1, random_next(&a->random));
    way->down = true;
    alerts_set_text(&way->problem, why);
}

static void on_unanswered(struct alerts *a, struct item *item, const struct alerts_event *event,
                          int64_t now, struct alerts_commands *commands) {
    if (event->outcome == GATEWAY_NOT_SENT) { /* an outage: no attempt of this alert */
        again(a, item, 0, event->description, commands);
        return;
    }
    AUTO_FREE char *reason = text_format("no answer (%s); it may have arrived", event->description);
    if (item->alert.priority > ALERT_HIGH) {
        alerts_end(a, item, ALERT_UNKNOWN, reason, now, commands);
        return;
    }
    item->alert.maybe_sent = true;
    used_up(a, item, reason, now, commands);
}

static void on_migrated(struct alerts *a, struct item *item, const struct alerts_event *event,
                        int64_t now, struct alerts_commands *commands) {
    if (item->migrations++ >= MIGRATIONS_MAX) { /* two chats that point to each other */
        alerts_end(a, item, ALERT_FAILED, event->description, now, commands);
        return;
    }
    if (item->way->chat != event->migrate_to) {
        struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
        command->ticket = ++a->tickets;
        struct record *record = records_add(&command->records, RECORD_CHAT);
        record->id = a->options.chat;
        record->offset = item->way->chat = event->migrate_to;
    }
    item->alert.chat = 0;
    again(a, item, 0, NULL, commands);
}

/* What another way wishes us to wait: all of it rests. */
static void rest(struct way *way, const struct alerts_event *event, int64_t now) {
    int64_t wait_s = event->retry_after_s > 0 ? event->retry_after_s : 1;
    way->pause_until = now + (wait_s < REST_S_MAX ? wait_s : REST_S_MAX) * 1000;
}

static void on_answer(struct alerts *a, struct item *item, const struct alerts_event *event,
                      int64_t now, struct alerts_commands *commands) {
    switch (event->class) {
    case TELEGRAM_OK:
    case TELEGRAM_BENIGN:
        item->alert.part++;
        if (event->more)
            again(a, item, 0, NULL, commands);
        else
            alerts_end(a, item, ALERT_DELIVERED, NULL, now, commands);
        return;
    case TELEGRAM_RATE_LIMITED: /* the gateway holds the chat back; this keeps its place */
        if (item->way->options)
            rest(item->way, event, now);
        again(a, item, 0, event->description, commands);
        return;
    case TELEGRAM_MIGRATED:
        on_migrated(a, item, event, now, commands);
        return;
    case TELEGRAM_BAD_MARKUP:
        if (!item->alert.plain) {
            item->alert.plain = true;
            again(a, item, 0, event->description, commands);
            return;
        }
        break;
    case TELEGRAM_CONFLICT:
    case TELEGRAM_TRANSIENT:
        used_up(a, item, event->description, now, commands);
        return;
    case TELEGRAM_TOO_LONG:
    case TELEGRAM_BAD_REQUEST:
        if (item->in_group) { /* one line may be to blame for all */
            item->alone = true;
            again(a, item, 0, event->description, commands);
            return;
        }
        break;
    case TELEGRAM_CHAT_GONE:
    case TELEGRAM_BAD_TOKEN:
        break;
    }
    alerts_set_text(&item->way->problem, event->description);
    alerts_end(a, item, ALERT_FAILED, event->description, now, commands);
}

/* What became of the message is what became of each that it told of; the oldest comes first again.
 */
static void follow(struct alerts *a, struct item *item, const struct alerts_event *event,
                   int64_t now, struct alerts_commands *commands) {
    typedef void follower(struct alerts *, struct item *, const struct alerts_event *, int64_t,
                          struct alerts_commands *);
    follower *each = event->outcome == GATEWAY_ANSWERED ? on_answer : on_unanswered;
    struct alerts_event of_each = *event;
    if (item->rider_count > 0)
        of_each.more = false; /* they were told whole, in a line */
    for (size_t i = item->rider_count; i-- > 0;)
        each(a, item->riders[i], &of_each, now, commands);
    each(a, item, &of_each, now, commands);
    item->rider_count = 0;
}

static enum breaker_result result_of(const struct alerts_event *event) {
    if (event->outcome != GATEWAY_ANSWERED || event->class == TELEGRAM_TRANSIENT ||
        event->class == TELEGRAM_CONFLICT)
        return BREAKER_FAILURE;
    return event->class == TELEGRAM_OK || event->class == TELEGRAM_BENIGN ? BREAKER_SUCCESS
                                                                          : BREAKER_NEUTRAL;
}

void alerts_on_sent(struct alerts *a, const struct alerts_event *event, int64_t now,
                    struct alerts_commands *commands) {
    struct item *item = alerts_item(a, event->id);
    must(item && item->phase == PHASE_FLYING);
    enum breaker_result result = result_of(event);
    struct way *way = item->way;
    breaker_return(&way->breaker, &a->options.breaker, item->permit, result, now);
    item->permit = (struct breaker_permit){0};
    if (result == BREAKER_SUCCESS) {
        alerts_set_text(&way->problem, NULL);
        alerts_way_works(a, way, now);
    }
    if (result == BREAKER_FAILURE)
        way_failed(a, way, event->description, now);
    if (result == BREAKER_SUCCESS)
        alerts_group_told(a, item, now);
    follow(a, item, event, now, commands);
}
