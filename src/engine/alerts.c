/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/alerts_state.h"

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, RESAVE_MS = 5000, DROP_MS = 600000 };
#define DAY_MS INT64_C(86400000)

struct alerts_options alerts_options_default(void) {
    return (struct alerts_options){
        .breaker = {.failures = 5, .open_ms = 60000},
        .quick_tries = 3,
        .window = 1000,
        .waiting_max = {[ALERT_MEDIUM] = 1000, [ALERT_LOW] = 1000},
        .lifetime_ms =
            {[ALERT_HIGH] = 24 * HOUR_MS, [ALERT_MEDIUM] = 6 * HOUR_MS, [ALERT_LOW] = HOUR_MS},
        .dedup_ms = 300000,
        .keep_ms = 30 * DAY_MS,
        .group_ms = 30000,
        .repeat_ms = 5 * MINUTE_MS,
    };
}

struct alerts_command *alerts_add(struct alerts_commands *commands, enum alerts_do what) {
    if (commands->count == commands->capacity) {
        commands->capacity = commands->capacity ? commands->capacity * 2 : 8;
        commands->list = memory_grow(commands->list, commands->capacity, sizeof *commands->list);
    }
    struct alerts_command *command = &commands->list[commands->count++];
    *command = (struct alerts_command){.what = what, .retry_after_s = -1};
    return command;
}

void alerts_commands_deinit(struct alerts_commands *commands) {
    for (size_t i = 0; i < commands->count; i++) {
        records_deinit(&commands->list[i].records);
        free(commands->list[i].ids);
        free(commands->list[i].others);
        free(commands->list[i].text);
    }
    free(commands->list);
    *commands = (struct alerts_commands){0};
}

void alerts_set_text(char **place, const char *text) {
    char *copy = text_copy(text);
    free(*place);
    *place = copy;
}

static struct item **place_of(const struct alerts *a, int64_t id) {
    struct item *const *place = &a->buckets[(uint64_t)id % ITEM_BUCKETS];
    while (*place && (*place)->alert.id != id)
        place = &(*place)->chain;
    return (struct item **)place;
}

struct item *alerts_item(const struct alerts *a, int64_t id) {
    return *place_of(a, id);
}

static void heap_put(struct alerts *a, struct item *item, size_t at) {
    a->heap[at] = item;
    item->heap_at = at;
}

static bool is_sooner(const struct item *x, const struct item *y) {
    return x->alert.next_ms != y->alert.next_ms ? x->alert.next_ms < y->alert.next_ms
                                                : x->alert.id < y->alert.id;
}

static void heap_rise(struct alerts *a, size_t at) {
    struct item *item = a->heap[at];
    while (at > 0 && is_sooner(item, a->heap[(at - 1) / 2])) {
        heap_put(a, a->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    heap_put(a, item, at);
}

static void heap_sink(struct alerts *a, size_t at) {
    struct item *item = a->heap[at];
    for (size_t child; (child = at * 2 + 1) < a->heap_count; at = child) {
        if (child + 1 < a->heap_count && is_sooner(a->heap[child + 1], a->heap[child]))
            child++;
        if (!is_sooner(a->heap[child], item))
            break;
        heap_put(a, a->heap[child], at);
    }
    heap_put(a, item, at);
}

static void heap_add(struct alerts *a, struct item *item) {
    if (a->heap_count == a->heap_capacity) {
        a->heap_capacity = a->heap_capacity ? a->heap_capacity * 2 : 64;
        a->heap = memory_grow(a->heap, a->heap_capacity, sizeof(struct item *));
    }
    heap_put(a, item, a->heap_count++);
    heap_rise(a, item->heap_at);
}

static void heap_remove(struct alerts *a, struct item *item) {
    size_t at = item->heap_at;
    struct item *last = a->heap[--a->heap_count];
    if (last == item)
        return;
    heap_put(a, last, at);
    heap_rise(a, at);
    heap_sink(a, last->heap_at);
}

static void queue_add(struct item *item, bool at_front) {
    enum alert_priority p = item->alert.priority;
    struct way *way = item->way;
    item->older = at_front ? NULL : way->newest[p];
    item->newer = at_front ? way->oldest[p] : NULL;
    *(item->older ? &item->older->newer : &way->oldest[p]) = item;
    *(item->newer ? &item->newer->older : &way->newest[p]) = item;
}

static void queue_remove(struct item *item) {
    enum alert_priority p = item->alert.priority;
    *(item->older ? &item->older->newer : &item->way->oldest[p]) = item->newer;
    *(item->newer ? &item->newer->older : &item->way->newest[p]) = item->older;
}

static bool is_active(enum phase phase) {
    return phase == PHASE_QUEUED || phase == PHASE_SAVING || phase == PHASE_FLYING;
}

static bool is_in_window(enum phase phase) {
    return phase != PHASE_INTAKE && phase != PHASE_ENDED;
}

void alerts_set_phase(struct alerts *a, struct item *item, enum phase phase, bool at_front) {
    enum alert_priority p = item->alert.priority;
    struct way *way = item->way;
    if (is_in_window(item->phase) != is_in_window(phase))
        alerts_window_count(a, item, is_in_window(phase));
    if (item->phase == PHASE_READY)
        queue_remove(item);
    if (item->phase == PHASE_LATER)
        heap_remove(a, item);
    way->active[p] -= is_active(item->phase);
    way->waiting[p] -= item->phase != PHASE_ENDED;
    item->phase = phase;
    way->active[p] += is_active(phase);
    way->waiting[p] += phase != PHASE_ENDED;
    if (phase == PHASE_READY)
        queue_add(item, at_front);
    if (phase == PHASE_LATER)
        heap_add(a, item);
}

struct way *alerts_way(struct alerts *a, const char *name) {
    if (!name)
        return &a->ways[0];
    for (size_t i = 1; i < a->way_count; i++)
        if (strcmp(a->ways[i].options->name, name) == 0)
            return &a->ways[i];
    return NULL;
}

bool alerts_is_muted(const struct alerts *a, enum alert_priority priority, int64_t now) {
    return priority >= ALERT_MEDIUM && now < a->mute_until;
}

struct item *alerts_make_item(struct alerts *a, const struct alert *alert, enum phase phase) {
    must(!alerts_item(a, alert->id));
    struct item *item = memory_new(sizeof *item);
    item->alert = alert_copy(alert);
    item->way = alerts_way(a, alert->way);
    must(item->way);
    item->phase = PHASE_ENDED;
    struct item **bucket = &a->buckets[(uint64_t)alert->id % ITEM_BUCKETS];
    item->chain = *bucket;
    *bucket = item;
    a->item_count++;
    alerts_set_phase(a, item, phase, false);
    if (alert->reminder && !alert->way)
        a->reminder = alert->id;
    return item;
}

void alerts_drop_item(struct alerts *a, struct item *item) {
    alerts_set_phase(a, item, PHASE_ENDED, false);
    a->unsaved -= item->unsaved;
    *place_of(a, item->alert.id) = item->chain;
    a->item_count--;
    alert_deinit(&item->alert);
    free(item->riders);
    free(item->key);
    free(item);
}

void alerts_save(struct alerts *a, struct item *item, struct alerts_commands *commands) {
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
    command->ticket = item->ticket = ++a->tickets;
    command->id = item->alert.id;
    struct alert *copy = &records_add(&command->records, RECORD_ALERT_CHANGE)->alert;
    *copy = item->alert; /* all but the texts, which never change */
    alert_without_texts(copy);
    copy->reason = text_copy(item->alert.reason);
    a->unsaved -= item->unsaved;
    item->unsaved = false;
}

static void note_delivery(struct alerts *a, struct item *item, int64_t now) {
    struct alerts_deliveries *deliveries = &a->deliveries[item->alert.priority];
    item->way->last_delivered_ms = now;
    deliveries->count++;
    if (now > item->alert.created_ms)
        deliveries->ms += (uint64_t)(now - item->alert.created_ms);
}

void alerts_end(struct alerts *a, struct item *item, enum alert_state state, const char *reason,
                int64_t now, struct alerts_commands *commands) {
    must(state >= ALERT_DELIVERED);
    if (reason)
        alerts_set_text(&item->alert.reason, reason);
    item->alert.state = state;
    item->alert.ended_ms = now;
    if (state != ALERT_DELIVERED)
        alerts_forget_key(a, &item->alert, now);
    a->delivered += state == ALERT_DELIVERED;
    a->failed += state == ALERT_FAILED;
    a->unknown += state == ALERT_UNKNOWN;
    a->silenced += state == ALERT_SILENCED;
    if (state == ALERT_DELIVERED)
        note_delivery(a, item, now);
    if (state == ALERT_DELIVERED || state == ALERT_FAILED) /* nobody knows of that one, either */
        alerts_ack_told(a, item, now);
    alerts_set_phase(a, item, PHASE_ENDED, false);
    alerts_save(a, item, commands);
}

struct alerts *alerts_new(const struct alerts_options *options) {
    struct alerts *a = memory_new(sizeof *a);
    a->options = *options;
    a->random = options->seed;
    must(options->way_count < ALERTS_WAYS_MAX);
    a->way_count = options->way_count + 1;
    a->ways[0] = (struct way){.chat = options->chat, .open = options->chat != 0};
    for (size_t i = 1; i < a->way_count; i++)
        a->ways[i] = (struct way){.options = &options->ways[i - 1], .open = true};
    a->dedup = dedup_new(options->dedup_ms, DEDUP_MAX);
    a->intakes_end = &a->intakes;
    a->wishes_end = &a->wishes;
    a->acks_end = &a->acks;
    return a;
}

struct alerts *alerts_free(struct alerts *a) {
    if (!a)
        return NULL;
    for (size_t i = 0; i < ITEM_BUCKETS; i++)
        while (a->buckets[i])
            alerts_drop_item(a, a->buckets[i]);
    alerts_drop_intakes(a);
    alerts_group_sweep(a, INT64_MAX);
    alerts_silences_deinit(a);
    alerts_ack_deinit(a);
    dedup_free(a->dedup);
    free(a->heap);
    for (size_t i = 0; i < a->way_count; i++)
        free(a->ways[i].problem);
    for (size_t i = 0; i < a->gone_count; i++)
        free(a->gone[i]);
    free(a);
    return NULL;
}

/* What waits for a way that the config no longer has ends at the start. */
static bool is_known(struct alerts *a, const char *way) {
    if (alerts_way(a, way))
        return true;
    for (size_t i = 0; i < a->gone_count; i++)
        if (strcmp(a->gone[i], way) == 0)
            return false;
    if (a->gone_count < ALERTS_WAYS_MAX) /* the rest at the next start */
        a->gone[a->gone_count++] = text_copy(way);
    return false;
}

void alerts_restore(struct alerts *a, const struct record *record, int64_t now) {
    if (record->kind == RECORD_SEEN && record->id > a->id_last)
        a->id_last = record->id;
    if (record->kind == RECORD_CHAT && record->id == a->options.chat)
        a->ways[0].chat = record->offset;
    if (record->kind == RECORD_SILENCE)
        alerts_silence_restore(a, record->silence);
    if (record->kind == RECORD_ESCALATED && alerts_way(a, record->alert.way))
        alerts_way(a, record->alert.way)->escalated = record->id;
    if (record->kind == RECORD_ALERTS_WAITING && is_known(a, record->alert.way))
        alerts_window_restore(a, record);
    if (record->kind == RECORD_ALERT_UNACKED)
        alerts_ack_restore(a, &record->alert, now);
    if (record->kind == RECORD_ALERT_SEEN)
        alerts_remember(a, &record->alert, now);
    if (record->kind != RECORD_ALERT)
        return;
    if (record->alert.id > a->id_last)
        a->id_last = record->alert.id;
    alerts_remember(a, &record->alert, now);
    struct alert alert = record->alert;
    if (alert.next_ms > now + MINUTE_MS) /* the clock was set back meanwhile */
        alert.next_ms = now + MINUTE_MS;
    if ((alert.state == ALERT_WAITING || alert.state == ALERT_SENDING) && is_known(a, alert.way))
        alerts_make_item(a, &alert, PHASE_LATER);
}

/* What was being sent when the last run ended: nobody knows whether it arrived. */
static void settle(struct alerts *a, struct item *item, int64_t now,
                   struct alerts_commands *commands) {
    static const char why[] = "the hub ended while this was being sent; it may have arrived";
    if (item->alert.state != ALERT_SENDING)
        return;
    if (item->alert.priority > ALERT_HIGH) {
        alerts_end(a, item, ALERT_UNKNOWN, why, now, commands);
        return;
    }
    item->alert.state = ALERT_WAITING;
    item->alert.maybe_sent = true;
    alerts_set_text(&item->alert.reason, why);
    alerts_save(a, item, commands);
}

static void for_each(struct alerts *a, int64_t now, struct alerts_commands *commands,
                     void (*each)(struct alerts *a, struct item *item, int64_t now,
                                  struct alerts_commands *commands)) {
    for (size_t i = 0; i < ITEM_BUCKETS; i++)
        for (struct item *item = a->buckets[i], *next; item; item = next) {
            next = item->chain;
            each(a, item, now, commands);
        }
}

static void on_start(struct alerts *a, const struct alerts_event *event, int64_t now,
                     struct alerts_commands *commands) {
    a->sweep_ms = now + MINUTE_MS;
    a->drop_ms = now;
    for_each(a, now, commands, settle);
    for (size_t i = 0; i < a->gone_count; i++) {
        struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
        command->ticket = ++a->tickets;
        struct record *record = records_add(&command->records, RECORD_WAY_GONE);
        record->alert.way = text_copy(a->gone[i]);
        record->at_ms = now;
    }
}

bool alerts_is_over(const struct alerts *a, const struct item *item, int64_t now) {
    int64_t lifetime = a->options.lifetime_ms[item->alert.priority];
    int64_t since = item->alert.created_ms; /* a night in which it had to wait does not count */
    if (item->alert.priority >= ALERT_MEDIUM && a->mute_until > since)
        since = a->mute_until;
    return lifetime != 0 && now - since >= lifetime &&
           (item->phase == PHASE_READY || item->phase == PHASE_LATER);
}

static void expire(struct alerts *a, struct item *item, int64_t now,
                   struct alerts_commands *commands) {
    if (item->unsaved)
        alerts_save(a, item, commands);
    else if (alerts_is_over(a, item, now))
        alerts_end_over(a, item, now, commands);
}

void alerts_end_over(struct alerts *a, struct item *item, int64_t now,
                     struct alerts_commands *commands) {
    int64_t lifetime = a->options.lifetime_ms[item->alert.priority];
    AUTO_FREE char *reason =
        text_format("not delivered within %lld h; last: %s", (long long)(lifetime / HOUR_MS),
                    item->alert.reason ? item->alert.reason : "it never had a turn");
    alerts_end(a, item, ALERT_FAILED, reason, now, commands);
}

static void on_timer(struct alerts *a, const struct alerts_event *event, int64_t now,
                     struct alerts_commands *commands) {
    if (now >= a->sweep_ms) {
        a->sweep_ms = now + (a->unsaved > 0 ? RESAVE_MS : MINUTE_MS);
        for_each(a, now, commands, expire);
        alerts_group_sweep(a, now);
    }
    alerts_ack_remind(a, now, commands);
    alerts_escalate(a, now, commands);
    if (now >= a->drop_ms) {
        a->drop_ms = now + DROP_MS;
        struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
        command->ticket = ++a->tickets;
        records_add(&command->records, RECORD_ALERTS_DROP)->at_ms = now - a->options.keep_ms;
        alerts_silences_sweep(a, now, commands);
    }
}

static void on_stored(struct alerts *a, const struct alerts_event *event, int64_t now,
                      struct alerts_commands *commands) {
    if (!alerts_on_stored_silence(a, event, commands) &&
        !alerts_on_stored_ack(a, event, commands) &&
        !alerts_on_stored_intake(a, event, now, commands))
        alerts_on_stored_item(a, event, now, commands);
    if (a->unsaved > 0 && a->sweep_ms > now + RESAVE_MS)
        a->sweep_ms = now + RESAVE_MS;
}

static void on_link_up(struct alerts *a, const struct alerts_event *event, int64_t now,
                       struct alerts_commands *commands) {
    struct way *way = &a->ways[event->way];
    way->pause_until = 0;
    alerts_way_works(a, way, now);
    breaker_hint_up(&way->breaker, &a->options.breaker, now);
}

static void on_open(struct alerts *a, const struct alerts_event *event, int64_t now,
                    struct alerts_commands *commands) {
    breaker_open_by_hand(&a->ways[event->way].breaker, now);
}

static void on_closed(struct alerts *a, const struct alerts_event *event, int64_t now,
                      struct alerts_commands *commands) {
    a->ways[event->way].pause_until = 0;
    breaker_close_by_hand(&a->ways[event->way].breaker, now);
}

static void on_mute(struct alerts *a, const struct alerts_event *event, int64_t now,
                    struct alerts_commands *commands) {
    a->mute_until = event->until_ms;
}

typedef void handler(struct alerts *a, const struct alerts_event *event, int64_t now,
                     struct alerts_commands *commands);
static handler *const handlers[] = {
    [ALERTS_ON_START] = on_start,
    [ALERTS_ON_TIMER] = on_timer,
    [ALERTS_ON_INTAKE] = alerts_on_intake,
    [ALERTS_ON_STORED] = on_stored,
    [ALERTS_ON_TURN] = alerts_on_turn,
    [ALERTS_ON_SENT] = alerts_on_sent,
    [ALERTS_ON_LINK_UP] = on_link_up,
    [ALERTS_ON_REPLAY] = alerts_on_replay,
    [ALERTS_ON_OPEN] = on_open,
    [ALERTS_ON_CLOSED] = on_closed,
    [ALERTS_ON_SILENCE] = alerts_on_silence,
    [ALERTS_ON_UNSILENCE] = alerts_on_unsilence,
    [ALERTS_ON_ACK] = alerts_on_ack,
    [ALERTS_ON_MUTE] = on_mute,
    [ALERTS_ON_LOADED] = alerts_on_loaded,
};

void alerts_step(struct alerts *a, const struct alerts_event *event, int64_t now,
                 struct alerts_commands *commands) {
    must(event->on < COUNT_OF(handlers));
    handlers[event->on](a, event, now, commands);
    alerts_pump(a, now, commands);
    alerts_window_fill(a, now, commands);
}

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* When somebody who is ready may go by it. */
static int64_t way_next_ms(const struct alerts *a, const struct way *way, int64_t now) {
    bool ready = false, active = false;
    int64_t next = alerts_window_next_ms(a, way);
    for (size_t p = 0; p < ALERT_PRIORITIES; p++) {
        bool muted = alerts_is_muted(a, (enum alert_priority)p, now);
        if (alerts_group_blocks(way, (enum alert_priority)p) && way->windows[p].release_ms > now)
            next = sooner(next, way->windows[p].release_ms);
        if (muted && way->oldest[p])
            next = sooner(next, a->mute_until);
        ready = ready || (way->oldest[p] && way->active[p] == 0 && !muted);
        active = active || way->active[p] > 0;
    }
    /* While a probe is out, its answer is what is waited for. */
    if (!ready || !way->open || ((way->down || way->breaker.state != BREAKER_CLOSED) && active))
        return next;
    int64_t goes = breaker_next_ms(&way->breaker, &a->options.breaker, now);
    return sooner(next, goes > way->pause_until ? goes : way->pause_until);
}

int64_t alerts_next_ms(const struct alerts *a, int64_t now) {
    int64_t next = sooner(a->drop_ms, alerts_ack_next_ms(a));
    if (a->item_count > 0)
        next = sooner(next, a->sweep_ms);
    if (a->heap_count > 0)
        next = sooner(next, a->heap[0]->alert.next_ms);
    for (size_t i = 0; i < a->way_count; i++)
        next = sooner(next, way_next_ms(a, &a->ways[i], now));
    return next;
}

const struct alert *alerts_live(const struct alerts *a, int64_t id) {
    const struct item *item = alerts_item(a, id);
    return item && item->phase != PHASE_INTAKE ? &item->alert : NULL;
}

int64_t alerts_chat(const struct alerts *a) {
    return a->ways[0].chat;
}

static struct alerts_way_figures way_figures(const struct alerts *a, const struct way *way,
                                             int64_t now) {
    struct alerts_way_figures ret = {.name = way->options ? way->options->name : NULL,
                                     .last_delivered_ms = way->last_delivered_ms,
                                     .breaker = way->breaker,
                                     .problem = way->problem ? way->problem : ""};
    for (size_t p = 0; p < ALERT_PRIORITIES; p++)
        ret.waiting[p] = alerts_waiting(way, (enum alert_priority)p);
    if (way->breaker.state != BREAKER_CLOSED)
        ret.probe_ms = breaker_next_ms(&way->breaker, &a->options.breaker, now);
    return ret;
}

void alerts_figures(const struct alerts *a, int64_t now, struct alerts_figures *ret) {
    *ret = (struct alerts_figures){.accepted = a->accepted,
                                   .duplicates = a->duplicates,
                                   .delivered = a->delivered,
                                   .failed = a->failed,
                                   .unknown = a->unknown,
                                   .silenced = a->silenced,
                                   .refused = a->refused,
                                   .unacked = a->unacked_count,
                                   .mute_until_ms = a->mute_until,
                                   .way_count = a->way_count};
    memcpy(ret->deliveries, a->deliveries, sizeof ret->deliveries);
    for (size_t i = 0; i < a->way_count; i++)
        ret->ways[i] = way_figures(a, &a->ways[i], now);
    for (size_t p = 0; p < ALERT_PRIORITIES; p++) {
        const struct item *oldest = a->ways[0].oldest[p];
        if (oldest && (!ret->oldest_ms || oldest->alert.created_ms < ret->oldest_ms))
            ret->oldest_ms = oldest->alert.created_ms;
    }
}
