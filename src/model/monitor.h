/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.h - something that a bot watches about itself, and tells of by beats: a feed, a loop, a
 * job. Times in ms since 1970. */
#pragma once
#include "base/common.h"

enum {
    MONITOR_ID_BYTES_MAX = 200,
    MONITOR_TEXT_BYTES_MAX = 1000,
    MONITOR_STALE_MS = 300000, /* without a beat for so long it is stale */
    MONITOR_RETRY_MS = 30000,  /* from one attempt to the next */
    MONITOR_FAILURES = 3,      /* in a row, before something is done */
    MONITOR_ATTEMPTS = 3
};
enum monitor_state {
    MONITOR_NEW, /* no beat yet */
    MONITOR_HEALTHY,
    MONITOR_WARNING,    /* fewer failures than it takes to do something, or warnings of its own */
    MONITOR_RECOVERING, /* something was done; the next beats will tell */
    MONITOR_CRITICAL,   /* all attempts are over, or it said so itself */
    MONITOR_PAUSED,
    MONITOR_UNKNOWN, /* the hub was away: nobody has looked since. Never kept */
    MONITOR_STATES
};
enum monitor_cause {
    MONITOR_NO_CAUSE,
    MONITOR_MEMORY,       /* more than memory_max */
    MONITOR_DISCONNECTED, /* it says that it is not connected */
    MONITOR_STALE,        /* it says that its data are not in step, or says nothing at all */
    MONITOR_ERRORS,       /* a failure, an exit code, too slow an answer */
    MONITOR_EMERGENCY,    /* it says that it is critical */
    MONITOR_CAUSES
};
enum monitor_action {
    MONITOR_DO_NOTHING,
    MONITOR_CLEAR_CACHE,
    MONITOR_RECONNECT_SERVICES,
    MONITOR_FORCE_REFRESH,
    MONITOR_RESTART_MONITOR, /* its service, by the keeper */
    MONITOR_EMERGENCY_STOP,  /* its service is stopped; what it left at an exchange stays there */
    MONITOR_ACTIONS
};
struct monitor {
    char *id; /* UTF-8, 1 to MONITOR_ID_BYTES_MAX bytes */
    struct {
        char *service; /* name in the config, or NULL */
        char *url;     /* told of actions by POST; NULL: by the answer to its next beat */
        char *advice;  /* for the alert at the end, or NULL */
        int64_t stale_ms, retry_ms;
        int64_t memory_max, response_ms_max; /* 0: no limit */
        uint32_t failures, attempts;
        bool critical; /* a critical state makes /health unhealthy, and ends in EMERGENCY_STOP */
        bool paused;
        enum monitor_action actions[MONITOR_CAUSES];
    } wish;
    enum monitor_state state;
    enum monitor_cause cause;
    int64_t created_ms, since_ms; /* since: of the state */
    int64_t beat_ms, run_ms;      /* last beat; when a run began that has not ended: 0, not so */
    int64_t retry_at_ms;
    uint32_t consecutive_failures, attempts;
    enum monitor_action pending, last_action; /* pending: for the answer to the next beat */
    /* as last told; -1: never */
    int64_t memory_bytes, cpu_permille, response_ms, connected, sync, exit_code;
    int64_t duration_ms; /* of the last whole run */
    char *message;       /* or NULL */
    /* since it was made */
    int64_t beats, failures, errors, warnings, actions_done, recoveries;
};
struct monitor *monitor_new(const char *id, int64_t now);
void monitor_free(struct monitor *monitor); /* NULL is fine */
struct monitor *monitor_copy(const struct monitor *monitor);
const char *monitor_state_name(enum monitor_state state);    /* "healthy" */
const char *monitor_cause_name(enum monitor_cause cause);    /* "memory", "" */
const char *monitor_action_name(enum monitor_action action); /* "CLEAR_CACHE", "none" */
/* -EINVAL: none of them. */
MUST_CHECK int monitor_cause_from(struct slice name, enum monitor_cause *ret);
MUST_CHECK int monitor_action_from(struct slice name, enum monitor_action *ret);

struct monitor_beat { /* -1: not told */
    enum { BEAT_OK, BEAT_START, BEAT_FAIL, BEAT_CRITICAL } kind;
    int64_t exit_code, memory_bytes, cpu_permille, response_ms, connected, sync;
    int64_t errors, warnings; /* more than before; from 0 */
    char *message;            /* or NULL; owned */
};
struct monitor_beat monitor_beat_empty(void);
