/* SPDX-License-Identifier: Apache-2.0 */
#include "model/monitor.h"
#include <errno.h>

static const char *const state_names[MONITOR_STATES] = {
    [MONITOR_NEW] = "new",           [MONITOR_HEALTHY] = "healthy",
    [MONITOR_WARNING] = "warning",   [MONITOR_RECOVERING] = "recovering",
    [MONITOR_CRITICAL] = "critical", [MONITOR_PAUSED] = "paused",
    [MONITOR_UNKNOWN] = "unknown",
};
static const char *const cause_names[MONITOR_CAUSES] = {
    [MONITOR_NO_CAUSE] = "",   [MONITOR_MEMORY] = "memory", [MONITOR_DISCONNECTED] = "disconnected",
    [MONITOR_STALE] = "stale", [MONITOR_ERRORS] = "errors", [MONITOR_EMERGENCY] = "critical",
};
static const char *const action_names[MONITOR_ACTIONS] = {
    [MONITOR_DO_NOTHING] = "none",
    [MONITOR_CLEAR_CACHE] = "CLEAR_CACHE",
    [MONITOR_RECONNECT_SERVICES] = "RECONNECT_SERVICES",
    [MONITOR_FORCE_REFRESH] = "FORCE_REFRESH",
    [MONITOR_RESTART_MONITOR] = "RESTART_MONITOR",
    [MONITOR_EMERGENCY_STOP] = "EMERGENCY_STOP",
};

struct monitor *monitor_new(const char *id, int64_t now) {
    struct monitor *monitor = memory_new(sizeof *monitor);
    monitor->id = text_copy(id);
    monitor->wish.stale_ms = MONITOR_STALE_MS;
    monitor->wish.retry_ms = MONITOR_RETRY_MS;
    monitor->wish.failures = MONITOR_FAILURES;
    monitor->wish.attempts = MONITOR_ATTEMPTS;
    enum monitor_action *actions = monitor->wish.actions;
    actions[MONITOR_MEMORY] = MONITOR_CLEAR_CACHE;
    actions[MONITOR_DISCONNECTED] = MONITOR_RECONNECT_SERVICES;
    actions[MONITOR_STALE] = MONITOR_FORCE_REFRESH;
    actions[MONITOR_ERRORS] = MONITOR_RESTART_MONITOR;
    actions[MONITOR_EMERGENCY] = MONITOR_EMERGENCY_STOP;
    monitor->created_ms = monitor->since_ms = now;
    monitor->memory_bytes = monitor->cpu_permille = monitor->response_ms = -1;
    monitor->connected = monitor->sync = monitor->exit_code = monitor->duration_ms = -1;
    return monitor;
}

void monitor_free(struct monitor *monitor) {
    if (!monitor)
        return;
    free(monitor->id);
    free(monitor->wish.service);
    free(monitor->wish.url);
    free(monitor->wish.advice);
    free(monitor->message);
    free(monitor);
}

struct monitor *monitor_copy(const struct monitor *monitor) {
    struct monitor *copy = memory_new(sizeof *copy);
    *copy = *monitor;
    copy->id = text_copy(monitor->id);
    copy->wish.service = text_copy(monitor->wish.service);
    copy->wish.url = text_copy(monitor->wish.url);
    copy->wish.advice = text_copy(monitor->wish.advice);
    copy->message = text_copy(monitor->message);
    return copy;
}

const char *monitor_state_name(enum monitor_state state) {
    return state_names[state];
}

const char *monitor_cause_name(enum monitor_cause cause) {
    return cause_names[cause];
}

const char *monitor_action_name(enum monitor_action action) {
    return action_names[action];
}

int monitor_cause_from(struct slice name, enum monitor_cause *ret) {
    for (int i = MONITOR_NO_CAUSE + 1; i < MONITOR_CAUSES; i++)
        if (slice_is(name, cause_names[i])) {
            *ret = (enum monitor_cause)i;
            return 0;
        }
    return -EINVAL;
}

int monitor_action_from(struct slice name, enum monitor_action *ret) {
    for (int i = 0; i < MONITOR_ACTIONS; i++)
        if (slice_is(name, action_names[i])) {
            *ret = (enum monitor_action)i;
            return 0;
        }
    return -EINVAL;
}

struct monitor_beat monitor_beat_empty(void) {
    return (struct monitor_beat){.exit_code = -1,
                                 .memory_bytes = -1,
                                 .cpu_permille = -1,
                                 .response_ms = -1,
                                 .connected = -1,
                                 .sync = -1};
}
