/* SPDX-License-Identifier: Apache-2.0 */
/* Grouping: the first alert of a group goes at once. Those that follow wait, at first for group_ms
 * and, unless they are CRITICAL, ever longer while the storm lasts, and go as one message. What
 * they say is kept one by one. */
#include "engine/alerts_state.h"

enum { WAIT_GROWS_TO = 20 /* times group_ms */, MORE_MS = 1000 };

struct group {
    struct group *next;
    char *key;
    int64_t sent_ms, wait_ms; /* its last message; the next one not before so long after it */
};

static bool key_of(const struct alert *alert, struct buffer *ret) {
    if (alert->group && alert->group[0])
        buffer_print(ret, "group\x1f%d\x1f%s", (int)alert->priority, alert->group);
    else if (!alert->group && alert->type && alert->type[0])
        buffer_print(ret, "type\x1f%d\x1f%s\x1f%s", (int)alert->priority, alert->type,
                     alert->service ? alert->service : "");
    return ret->size > 0;
}

char *alerts_kind(const struct alert *alert) {
    struct buffer key = {0};
    return key_of(alert, &key) ? buffer_take(&key) : NULL;
}

static struct group *find(const struct way *way, const char *key) {
    struct group *group = way->groups;
    while (group && strcmp(group->key, key) != 0)
        group = group->next;
    return group;
}

bool alerts_group_holds(struct alerts *a, struct item *item, int64_t now) {
    AUTO_BUFFER struct buffer key = {0};
    if (a->options.group_ms == 0 || !item->way->groups || item->tried || item->alone ||
        item->alert.part > 0 || !key_of(&item->alert, &key))
        return false;
    const struct group *group = find(item->way, key.data);
    if (!group || now >= group->sent_ms + group->wait_ms)
        return false;
    item->alert.next_ms = group->sent_ms + group->wait_ms;
    item->held = true;
    alerts_set_phase(a, item, PHASE_LATER, false);
    return true;
}

bool alerts_group_blocks(const struct way *way, enum alert_priority priority) {
    const struct window *window = &way->windows[priority];
    return window->beyond > 0 && window->count > 0 && !way->oldest[priority] &&
           way->active[priority] == 0;
}

void alerts_group_release(struct alerts *a, struct way *way, enum alert_priority priority,
                          int64_t now) {
    struct window *window = &way->windows[priority];
    if (!alerts_group_blocks(way, priority) || now < window->release_ms)
        return;
    window->release_ms = now + MORE_MS;
    for (size_t i = a->heap_count; i-- > 0;) {
        struct item *item = i < a->heap_count ? a->heap[i] : NULL;
        if (!item || item->way != way || item->alert.priority != priority || !item->held)
            continue;
        item->held = false;
        item->tried = true;
        alerts_set_phase(a, item, PHASE_READY, false);
        i = a->heap_count; /* the heap has changed */
    }
}

/* A pause as long as the last wait ends the storm. */
void alerts_group_told(struct alerts *a, const struct item *item, int64_t now) {
    AUTO_BUFFER struct buffer key = {0};
    if (a->options.group_ms == 0 || item->alert.part > 0 || !key_of(&item->alert, &key))
        return;
    bool many = item->rider_count > 0 && item->alert.priority != ALERT_CRITICAL;
    struct group *group = find(item->way, key.data);
    if (!group) {
        group = memory_new(sizeof *group);
        *group = (struct group){.next = item->way->groups, .key = text_copy(key.data)};
        item->way->groups = group;
    }
    int64_t most = a->options.group_ms * WAIT_GROWS_TO, grown = group->wait_ms * 2;
    bool storm = many && now < group->sent_ms + 2 * group->wait_ms;
    group->wait_ms = !storm ? a->options.group_ms : grown < most ? grown : most;
    group->sent_ms = now;
}

static bool rides_with(const struct item *item, const char *wanted) {
    AUTO_BUFFER struct buffer key = {0};
    return item->alert.part == 0 && !item->alone && key_of(&item->alert, &key) &&
           strcmp(key.data, wanted) == 0;
}

void alerts_group_gather(struct alerts *a, struct item *item, int64_t now,
                         struct alerts_commands *commands) {
    AUTO_BUFFER struct buffer key = {0};
    must(item->rider_count == 0);
    item->in_group = false;
    if (a->options.group_ms == 0 || item->alone || item->alert.part > 0 ||
        !key_of(&item->alert, &key))
        return;
    for (struct item *other = item->way->oldest[item->alert.priority], *newer; other;
         other = newer) {
        newer = other->newer;
        if (!rides_with(other, key.data) || alerts_silence_ends(a, other, now, commands))
            continue;
        item->riders = memory_grow(item->riders, item->rider_count + 1, sizeof *item->riders);
        item->riders[item->rider_count++] = other;
        other->tried = other->in_group = item->in_group = true;
        item->alert.plain |= other->alert.plain;
        other->alert.state = ALERT_SENDING;
        alerts_set_phase(a, other, PHASE_RIDING, false);
        alerts_save(a, other, commands);
    }
}

static void sweep(struct way *way, int64_t now) {
    for (struct group **place = &way->groups; *place;) {
        struct group *group = *place;
        if (now < group->sent_ms + 2 * group->wait_ms) {
            place = &group->next;
            continue;
        }
        *place = group->next;
        free(group->key);
        free(group);
    }
}

void alerts_group_sweep(struct alerts *a, int64_t now) {
    for (size_t i = 0; i < a->way_count; i++)
        sweep(&a->ways[i], now);
}
