/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/monitors.h"
#include "base/text.h"
#include <errno.h>
#include <search.h>
#include <stdio.h>

struct watched {
    struct monitor *monitor; /* first: the tree compares entries by it */
    size_t place;
    bool changed; /* since it was kept */
    bool heard;   /* since the start */
};
struct monitors {
    struct watched **list;
    size_t count, capacity;
    void *tree; /* of entries, by id */
    int64_t started_ms;
};

/* ---- finding ---- */

static int by_id(const void *a, const void *b) {
    const struct watched *one = a, *other = b;
    return strcmp(one->monitor->id, other->monitor->id);
}

static struct watched *entry_of(const struct monitors *monitors, const char *id) {
    struct monitor named = {.id = (char *)(uintptr_t)id};
    struct watched wanted = {.monitor = &named};
    struct watched **found = tfind(&wanted, &monitors->tree, by_id);
    return found ? *found : NULL;
}

static struct watched *add(struct monitors *monitors, struct monitor *monitor) {
    struct watched *entry = memory_new(sizeof *entry);
    entry->monitor = monitor;
    entry->place = monitors->count;
    if (monitors->count == monitors->capacity) {
        monitors->capacity = monitors->capacity ? monitors->capacity * 2 : 16;
        monitors->list = memory_grow(monitors->list, monitors->capacity, sizeof(struct watched *));
    }
    monitors->list[monitors->count++] = entry;
    must(tsearch(entry, &monitors->tree, by_id));
    return entry;
}

static int find_or_add(struct monitors *monitors, const char *id, int64_t now,
                       struct watched **ret) {
    *ret = entry_of(monitors, id);
    if (*ret)
        return 0;
    if (monitors->count >= MONITORS_MAX)
        return -ENOSPC;
    *ret = add(monitors, monitor_new(id, now));
    return 0;
}

struct monitors *monitors_new(int64_t now) {
    struct monitors *monitors = memory_new(sizeof *monitors);
    monitors->started_ms = now;
    return monitors;
}

static void leave_entry(void *entry) {}

void monitors_free(struct monitors *monitors) {
    if (!monitors)
        return;
    tdestroy(monitors->tree, leave_entry);
    for (size_t i = 0; i < monitors->count; i++) {
        monitor_free(monitors->list[i]->monitor);
        free(monitors->list[i]);
    }
    free(monitors->list);
    free(monitors);
}

void monitors_restore(struct monitors *monitors, const struct record *record) {
    add(monitors, monitor_copy(record->monitor));
}

/* ---- commands ---- */

static void keep(struct watched *entry, struct monitors_commands *ret) {
    records_add(&ret->records, RECORD_MONITOR)->monitor = monitor_copy(entry->monitor);
    entry->changed = false;
}

static struct monitors_command *command(struct monitors_commands *ret, enum monitors_do what,
                                        const struct watched *entry) {
    ret->list = memory_grow(ret->list, ret->count + 1, sizeof *ret->list);
    struct monitors_command *new = &ret->list[ret->count++];
    *new = (struct monitors_command){.what = what, .monitor = entry->monitor};
    return new;
}

void monitors_commands_deinit(struct monitors_commands *commands) {
    for (size_t i = 0; i < commands->count; i++)
        free(commands->list[i].text);
    free(commands->list);
    records_deinit(&commands->records);
    *commands = (struct monitors_commands){0};
}

static void tell(struct watched *entry, enum alert_priority priority, char *text, const char *what,
                 struct monitors_commands *ret) {
    struct monitors_command *told = command(ret, MONITORS_DO_TELL, entry);
    told->priority = priority;
    told->text = text;
    snprintf(told->key, sizeof told->key, "%s", what);
}

/* ---- words ---- */

static void add_cause(struct buffer *text, const struct monitor *m, int64_t now) {
    char since[TEXT_DURATION_BYTES];
    switch (m->cause) {
    case MONITOR_MEMORY:
        buffer_print(text, "it uses %lld MiB of memory, %lld MiB are allowed",
                     (long long)(m->memory_bytes >> 20), (long long)(m->wish.memory_max >> 20));
        return;
    case MONITOR_DISCONNECTED:
        buffer_add_text(text, "it is not connected");
        return;
    case MONITOR_STALE:
        text_from_duration(now - (m->beat_ms ? m->beat_ms : m->created_ms), since);
        if (m->sync == 0)
            buffer_add_text(text, "its data are not in step");
        else
            buffer_print(text, "no sign of life for %s", since);
        return;
    case MONITOR_ERRORS:
        buffer_print(text, "%u failure%s in a row", m->consecutive_failures,
                     m->consecutive_failures == 1 ? "" : "s");
        if (m->exit_code > 0)
            buffer_print(text, ", exit code %lld", (long long)m->exit_code);
        if (m->wish.response_ms_max && m->response_ms > m->wish.response_ms_max)
            buffer_print(text, ", answers take %lld ms", (long long)m->response_ms);
        return;
    case MONITOR_EMERGENCY:
        buffer_add_text(text, "it says that it is critical");
        return;
    case MONITOR_NO_CAUSE:
    case MONITOR_CAUSES:
        return;
    }
}

static void add_said(struct buffer *text, const struct monitor *m) {
    if (m->message)
        buffer_print(text, "\nit says: %s", m->message);
}

static char *words_begin(const struct monitor *m, int64_t now) {
    struct buffer text = {0};
    buffer_print(&text, "monitor %s: ", m->id);
    add_cause(&text, m, now);
    buffer_print(&text, "\ndone: %s, attempt %u of %u", monitor_action_name(m->last_action),
                 m->attempts, m->wish.attempts);
    add_said(&text, m);
    return buffer_take(&text);
}

static const char *advice_for(const struct monitor *m) {
    if (m->wish.advice)
        return m->wish.advice;
    switch (m->cause) {
    case MONITOR_MEMORY:
        return "look for what grows; a restart frees it for a while";
    case MONITOR_DISCONNECTED:
        return "look whether the other side can be reached from this machine, and at its status "
               "page";
    case MONITOR_STALE:
        return "look whether the program still runs and does its work: holdfast logs";
    default:
        return "look at its last lines: holdfast logs";
    }
}

static char *words_end(const struct monitor *m, int64_t now) {
    struct buffer text = {0};
    buffer_print(&text, "monitor %s is critical: ", m->id);
    add_cause(&text, m, now);
    if (m->attempts)
        buffer_print(&text, "\ntried %u time%s, the last was %s; it did not help", m->attempts,
                     m->attempts == 1 ? "" : "s", monitor_action_name(m->last_action));
    add_said(&text, m);
    buffer_print(&text, "\nwhat to do: %s", advice_for(m));
    if (m->wish.service)
        buffer_print(&text, "\nits service is %s", m->wish.service);
    return buffer_take(&text);
}

static char *words_well(const struct monitor *m, enum monitor_state was, int64_t now) {
    char since[TEXT_DURATION_BYTES];
    text_from_duration(now - m->since_ms, since);
    return text_format("monitor %s is well again, %s after it was %s; %u attempt%s", m->id, since,
                       monitor_state_name(was), m->attempts, m->attempts == 1 ? "" : "s");
}

/* ---- the ladder ---- */

static void set_state(struct watched *entry, enum monitor_state state, int64_t now,
                      struct monitors_commands *ret) {
    struct monitor *m = entry->monitor;
    if (m->state != state) {
        m->state = state;
        m->since_ms = now;
    }
    keep(entry, ret);
}

static void act(struct watched *entry, enum monitor_action action, struct monitors_commands *ret) {
    struct monitor *m = entry->monitor;
    bool by_keeper = action == MONITOR_RESTART_MONITOR || action == MONITOR_EMERGENCY_STOP;
    m->last_action = action;
    if (action == MONITOR_DO_NOTHING)
        return;
    m->actions_done++;
    if (by_keeper && m->wish.service)
        command(ret, MONITORS_DO_SERVICE, entry)->action = action;
    else if (m->wish.url)
        command(ret, MONITORS_DO_POST, entry)->action = action;
    else
        m->pending = action;
}

static void end_ladder(struct watched *entry, int64_t now, struct monitors_commands *ret) {
    struct monitor *m = entry->monitor;
    tell(entry, ALERT_CRITICAL, words_end(m, now), "critical", ret);
    if (m->wish.critical || m->cause == MONITOR_EMERGENCY)
        act(entry, m->wish.actions[MONITOR_EMERGENCY], ret);
    set_state(entry, MONITOR_CRITICAL, now, ret);
}

static enum monitor_action action_now(const struct monitor *m) {
    enum monitor_action action = m->wish.actions[m->cause];
    bool last = m->attempts == m->wish.attempts && m->attempts > 1;
    return last && m->wish.service && action != MONITOR_DO_NOTHING ? MONITOR_RESTART_MONITOR
                                                                   : action;
}

static void attempt(struct watched *entry, int64_t now, struct monitors_commands *ret) {
    struct monitor *m = entry->monitor;
    m->attempts++;
    m->retry_at_ms = now + m->wish.retry_ms;
    act(entry, action_now(m), ret);
    if (m->attempts == 1)
        tell(entry, ALERT_HIGH, words_begin(m, now), "recovering", ret);
    set_state(entry, MONITOR_RECOVERING, now, ret);
}

static void fail(struct watched *entry, enum monitor_cause cause, int64_t now,
                 struct monitors_commands *ret) {
    struct monitor *m = entry->monitor;
    m->cause = cause;
    m->failures++;
    m->consecutive_failures++;
    entry->changed = true;
    if (m->state == MONITOR_CRITICAL)
        return; /* told; only a good beat leads out */
    if (cause == MONITOR_EMERGENCY)
        end_ladder(entry, now, ret);
    else if (m->consecutive_failures < m->wish.failures)
        set_state(entry, MONITOR_WARNING, now, ret);
    else if (m->attempts == 0 || now >= m->retry_at_ms) {
        if (m->attempts < m->wish.attempts)
            attempt(entry, now, ret);
        else
            end_ladder(entry, now, ret);
    }
}

static void be_well(struct watched *entry, bool warns, int64_t now, struct monitors_commands *ret) {
    struct monitor *m = entry->monitor;
    enum monitor_state was = m->state;
    enum monitor_state state = warns ? MONITOR_WARNING : MONITOR_HEALTHY;
    bool told = was == MONITOR_RECOVERING || was == MONITOR_CRITICAL;
    if (told) {
        m->recoveries++;
        tell(entry, ALERT_MEDIUM, words_well(m, was, now), "well", ret);
    }
    m->cause = MONITOR_NO_CAUSE;
    m->consecutive_failures = m->attempts = 0;
    m->pending = MONITOR_DO_NOTHING;
    entry->changed = true;
    if (was != state)
        set_state(entry, state, now, ret);
}

/* ---- beats ---- */

static void take_number(int64_t *to, int64_t told) {
    if (told >= 0)
        *to = told;
}

static void take_figures(struct monitor *m, const struct monitor_beat *beat, int64_t now) {
    take_number(&m->memory_bytes, beat->memory_bytes);
    take_number(&m->cpu_permille, beat->cpu_permille);
    take_number(&m->response_ms, beat->response_ms);
    take_number(&m->connected, beat->connected);
    take_number(&m->sync, beat->sync);
    take_number(&m->exit_code, beat->exit_code);
    m->beats++;
    m->errors += beat->errors;
    m->warnings += beat->warnings;
    m->beat_ms = now;
    if (beat->message || beat->kind != BEAT_OK) {
        free(m->message);
        m->message = text_copy(beat->message);
    }
    if (beat->kind == BEAT_START) {
        m->run_ms = now;
    } else if (m->run_ms) {
        m->duration_ms = now - m->run_ms;
        m->run_ms = 0;
    }
}

static enum monitor_cause cause_of(const struct monitor *m, const struct monitor_beat *beat) {
    if (beat->kind == BEAT_CRITICAL)
        return MONITOR_EMERGENCY;
    if (beat->connected == 0)
        return MONITOR_DISCONNECTED;
    if (beat->sync == 0)
        return MONITOR_STALE;
    if (m->wish.memory_max && beat->memory_bytes > m->wish.memory_max)
        return MONITOR_MEMORY;
    bool slow = m->wish.response_ms_max && beat->response_ms > m->wish.response_ms_max;
    return beat->kind == BEAT_FAIL || beat->exit_code > 0 || slow ? MONITOR_ERRORS
                                                                  : MONITOR_NO_CAUSE;
}

int monitors_beat(struct monitors *monitors, const char *id, const struct monitor_beat *beat,
                  int64_t now, enum monitor_action *ret_action, struct monitors_commands *ret) {
    struct watched *entry;
    int r = find_or_add(monitors, id, now, &entry);
    if (r < 0)
        return r;
    struct monitor *m = entry->monitor;
    take_figures(m, beat, now);
    entry->changed = entry->heard = true;
    *ret_action = MONITOR_DO_NOTHING;
    if (m->wish.paused)
        return 0;
    enum monitor_cause cause = cause_of(m, beat);
    if (cause != MONITOR_NO_CAUSE)
        fail(entry, cause, now, ret);
    else if (beat->kind != BEAT_START) /* that it has begun says nothing of how it will end */
        be_well(entry, beat->errors + beat->warnings > 0, now, ret);
    *ret_action = m->pending;
    m->pending = MONITOR_DO_NOTHING;
    return 0;
}

/* ---- wishes ---- */

static void take_wish(struct monitor *m, const struct monitor *wish) {
    struct monitor *copy = monitor_copy(wish);
    free(m->wish.service);
    free(m->wish.url);
    free(m->wish.advice);
    m->wish = copy->wish;
    copy->wish.service = copy->wish.url = copy->wish.advice = NULL;
    monitor_free(copy);
}

int monitors_put(struct monitors *monitors, const struct monitor *wish, int64_t now,
                 struct monitors_commands *ret) {
    struct watched *entry;
    int r = find_or_add(monitors, wish->id, now, &entry);
    if (r < 0)
        return r;
    struct monitor *m = entry->monitor;
    bool resumes = m->wish.paused && !wish->wish.paused;
    take_wish(m, wish);
    if (resumes) { /* what happened meanwhile was not looked at */
        m->consecutive_failures = m->attempts = 0;
        m->cause = MONITOR_NO_CAUSE;
        m->beat_ms = m->beat_ms ? now : 0;
        m->state = m->beat_ms ? MONITOR_HEALTHY : MONITOR_NEW;
        m->since_ms = now;
    }
    keep(entry, ret);
    return 0;
}

int monitors_drop(struct monitors *monitors, const char *id, struct monitors_commands *ret) {
    struct watched *entry = entry_of(monitors, id);
    if (!entry)
        return -ENOENT;
    records_add(&ret->records, RECORD_MONITOR_DROP)->bot = text_copy(id);
    (void)tdelete(entry, &monitors->tree, by_id);
    struct watched *last = monitors->list[--monitors->count];
    monitors->list[entry->place] = last;
    last->place = entry->place;
    monitor_free(entry->monitor);
    free(entry);
    return 0;
}

/* ---- time ---- */

/* Since when it could have been heard of. */
static int64_t heard_ms(const struct monitors *monitors, const struct watched *entry) {
    const struct monitor *m = entry->monitor;
    int64_t heard = m->beat_ms > m->created_ms ? m->beat_ms : m->created_ms;
    return entry->heard || heard > monitors->started_ms ? heard : monitors->started_ms;
}

static bool is_stale(const struct monitors *monitors, const struct watched *entry, int64_t now) {
    return now - heard_ms(monitors, entry) >= entry->monitor->wish.stale_ms;
}

static enum monitor_state state_of(const struct monitors *monitors, const struct watched *entry,
                                   int64_t now) {
    const struct monitor *m = entry->monitor;
    if (m->wish.paused)
        return MONITOR_PAUSED;
    bool looked = entry->heard || m->state == MONITOR_NEW || is_stale(monitors, entry, now) ||
                  m->created_ms >= monitors->started_ms;
    return looked ? m->state : MONITOR_UNKNOWN;
}

const struct monitor *monitors_find(const struct monitors *monitors, const char *id, int64_t now,
                                    enum monitor_state *ret_state) {
    const struct watched *entry = entry_of(monitors, id);
    if (!entry)
        return NULL;
    *ret_state = state_of(monitors, entry, now);
    return entry->monitor;
}

size_t monitors_count(const struct monitors *monitors) {
    return monitors->count;
}

const struct monitor *monitors_at(const struct monitors *monitors, size_t place, int64_t now,
                                  enum monitor_state *ret_state) {
    *ret_state = state_of(monitors, monitors->list[place], now);
    return monitors->list[place]->monitor;
}

void monitors_unkept(struct monitors *monitors) {
    for (size_t i = 0; i < monitors->count; i++)
        monitors->list[i]->changed = true;
}

void monitors_check(struct monitors *monitors, int64_t now, struct monitors_commands *ret) {
    for (size_t i = 0; i < monitors->count; i++) {
        struct watched *entry = monitors->list[i];
        struct monitor *m = entry->monitor;
        if (!m->wish.paused && is_stale(monitors, entry, now))
            fail(entry, MONITOR_STALE, now, ret);
    }
    monitors_save(monitors, ret);
}

void monitors_save(struct monitors *monitors, struct monitors_commands *ret) {
    for (size_t i = 0; i < monitors->count; i++)
        if (monitors->list[i]->changed)
            keep(monitors->list[i], ret);
}
