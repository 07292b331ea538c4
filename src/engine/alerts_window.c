/* SPDX-License-Identifier: Apache-2.0 */
/* Which waiting alerts are held in memory: the first of each importance; the store has them all. */
#include "engine/alerts_state.h"

enum { LOAD_MAX = 200, LOAD_AGAIN_MS = 1000, SOON_MS = 60000 };

static size_t size_of(const struct alert *alert) {
    const char *const texts[] = {alert->title,   alert->text,      alert->type,
                                 alert->service, alert->dedup_key, alert->reason};
    size_t size = sizeof(struct item);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        size += texts[i] ? strlen(texts[i]) + 1 : 0;
    return size;
}

void alerts_window_count(struct alerts *a, struct item *item, bool enters) {
    struct window *window = &item->way->windows[item->alert.priority];
    if (enters)
        item->bytes = size_of(&item->alert);
    window->count += enters ? 1 : (size_t)-1;
    window->bytes += enters ? item->bytes : (size_t)-item->bytes;
}

static struct alert_place place_of(const struct alert *alert) {
    return (struct alert_place){alert->created_ms, alert->id};
}

bool alerts_window_has_room(const struct alerts *a, const struct way *way,
                            enum alert_priority priority) {
    const struct window *window = &way->windows[priority];
    return window->beyond == 0 && !window->loading && way->waiting[priority] < a->options.window &&
           window->bytes < WINDOW_BYTES_MAX;
}

/* Behind one that waits on disk all do: they go in the order in which they came. */
void alerts_window_take(struct alerts *a, struct item *item) {
    struct window *window = &item->way->windows[item->alert.priority];
    bool is_next = window->beyond == 0 && !window->loading;
    if (is_next && item->alert.text && window->count < a->options.window) {
        window->last = place_of(&item->alert);
        alerts_set_phase(a, item, PHASE_READY, false);
    } else {
        window->beyond++;
        alerts_drop_item(a, item);
    }
}

void alerts_window_restore(struct alerts *a, const struct record *record) {
    alerts_way(a, record->alert.way)->windows[record->alert.priority].beyond = (size_t)record->id;
    if (record->at_ms > a->newest_ms)
        a->newest_ms = record->at_ms;
}

static bool has_room(const struct alerts *a, const struct window *window) {
    return window->count <= a->options.window / 2 && window->bytes <= WINDOW_BYTES_MAX / 2;
}

static void fill(struct alerts *a, size_t index, int64_t now, struct alerts_commands *commands) {
    struct way *way = &a->ways[index];
    for (size_t p = 0; p < ALERT_PRIORITIES; p++) {
        struct window *window = &way->windows[p];
        if (window->beyond == 0 || window->loading || now < way->load_ms || !has_room(a, window))
            continue;
        size_t half = a->options.window / 2;
        struct alerts_command *command = alerts_add(commands, ALERTS_DO_LOAD);
        command->way = index;
        command->priority = (enum alert_priority)p;
        command->after = window->last;
        command->limit = half < LOAD_MAX ? (uint32_t)half : LOAD_MAX;
        window->loading = true;
        window->asked = command->limit;
    }
}

void alerts_window_fill(struct alerts *a, int64_t now, struct alerts_commands *commands) {
    for (size_t i = 0; i < a->way_count; i++)
        fill(a, i, now, commands);
}

static void hold(struct alerts *a, const struct alert *from, int64_t now,
                 struct alerts_commands *commands) {
    struct alert alert = *from;
    if (alert.next_ms > now + SOON_MS) /* the clock was set back meanwhile */
        alert.next_ms = now + SOON_MS;
    struct item *item =
        alerts_make_item(a, &alert, alert.next_ms > now ? PHASE_LATER : PHASE_READY);
    if (alerts_is_over(a, item, now))
        alerts_end_over(a, item, now, commands);
}

void alerts_on_loaded(struct alerts *a, const struct alerts_event *event, int64_t now,
                      struct alerts_commands *commands) {
    struct way *way = &a->ways[event->way];
    struct window *window = &way->windows[event->priority];
    window->loading = false;
    if (event->r < 0) {
        way->load_ms = now + LOAD_AGAIN_MS;
        return;
    }
    for (size_t i = 0; i < event->count; i++) {
        window->last = place_of(&event->list[i]);
        if (alerts_item(a, event->list[i].id))
            continue; /* was being sent when the last run ended */
        window->beyond -= window->beyond > 0;
        hold(a, &event->list[i], now, commands);
    }
    if (event->count < window->asked)
        window->beyond = 0;
}

int64_t alerts_window_next_ms(const struct alerts *a, const struct way *way) {
    for (size_t p = 0; p < ALERT_PRIORITIES; p++)
        if (way->windows[p].beyond > 0 && !way->windows[p].loading && has_room(a, &way->windows[p]))
            return way->load_ms;
    return INT64_MAX;
}

size_t alerts_waiting(const struct way *way, enum alert_priority priority) {
    return way->waiting[priority] + way->windows[priority].beyond;
}
