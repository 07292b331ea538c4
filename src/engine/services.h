/* SPDX-License-Identifier: Apache-2.0 */
/* services.h - what the keeper decides: which service runs, when it is restarted, in which order
 * all start and stop. Pure: events in, commands out, `now` and chance passed in; nothing is done
 * here.
 *
 * Used by one thread. The shell carries the commands out in order and reports back by events. Times
 * are milliseconds of one monotonic clock that goes on through restarts of the keeper. */
#pragma once
#include "model/config.h"
#include "policy/restart.h"

enum service_state {
    SERVICE_STOPPED,   /* nobody wants it up */
    SERVICE_WAITING,   /* for what it needs */
    SERVICE_PREPARING, /* its before_start hook runs */
    SERVICE_STARTING,  /* its process is there or about to be; not ready */
    SERVICE_READY,
    SERVICE_STOPPING, /* was asked to end */
    SERVICE_CLEANING, /* has ended; its after_stop hook runs */
    SERVICE_BACKOFF,  /* ended, will be started again */
    SERVICE_FAILED,   /* ended too often; tried again seldom, or after a change */
    SERVICE_DONE,     /* ended well and is meant to stay so */
    SERVICE_STATE_COUNT,
};
extern const char *const service_state_names[]; /* indexed by the above */

enum service_event_kind {
    SERVICE_EVENT_UP,        /* somebody wants it up */
    SERVICE_EVENT_DOWN,      /* ... down, with all that need it */
    SERVICE_EVENT_RESTART,   /* ... anew */
    SERVICE_EVENT_STARTED,   /* pid */
    SERVICE_EVENT_EXITED,    /* exit; of a start that failed too */
    SERVICE_EVENT_HOOK_DONE, /* exit; of the hook of PREPARING or CLEANING */
    SERVICE_EVENT_READY,     /* the start probe or sd_notify said so */
    SERVICE_EVENT_PROBE_OK,  /* of the health probe */
    SERVICE_EVENT_PROBE_BAD, /* text: why */
    SERVICE_EVENT_HEARTBEAT, /* sd_notify WATCHDOG=1 */
    SERVICE_EVENT_EXTEND,    /* sd_notify EXTEND_TIMEOUT_USEC: value milliseconds from now */
    SERVICE_EVENT_TIMER,     /* its deadline has passed */
    SERVICE_EVENT_COUNT,
};
struct service_event {
    enum service_event_kind kind;
    size_t index; /* of the service */
    int64_t now_ms;
    uint32_t random;
    pid_t pid;
    int64_t value;
    struct service_exit exit;
    const char *text;
};

enum service_command_kind {
    SERVICE_COMMAND_START,  /* make the process */
    SERVICE_COMMAND_SIGNAL, /* value: to its process group */
    SERVICE_COMMAND_SWEEP,  /* value: its session; kill whatever of its tree is left */
    SERVICE_COMMAND_HOOK,  /* value: 0 run before_start, 1 run after_stop, -1 kill the one that runs
                            */
    SERVICE_COMMAND_PROBE, /* value: 0 ready probe, 1 health probe */
    SERVICE_COMMAND_TELL,  /* what, text: an event for people and listeners */
};
enum { SERVICE_TEXT_BYTES = 200 };
struct service_command {
    enum service_command_kind kind;
    size_t index;
    int64_t value;
    const char *what; /* constant word: started, ready, exited, ... */
    char text[SERVICE_TEXT_BYTES];
};

/* The fields above the line are worth keeping over a restart of the keeper. */
struct service {
    enum service_state state;
    bool wanted;            /* somebody wants it up */
    bool again;             /* stopping only to start again */
    bool was_ready;         /* in this life */
    bool healthy;           /* the last health probe passed */
    bool killed;            /* SIGKILL was sent in this stop */
    bool asked;             /* its last end was asked for */
    int exit_class;         /* enum exit_class of its last end */
    pid_t pid;              /* 0: none */
    int64_t restarts;       /* counted without stability */
    int64_t restarts_total; /* since `up` */
    int64_t since_ms;       /* in this state */
    int64_t started_ms;     /* this process */
    int64_t exit_count;
    struct service_exit last_exit; /* without lines */
    int64_t last_exit_ms;
    int64_t last_life_ms; /* how long that process lived */
    int64_t state_at_ms;  /* deadline of the state; 0: none */
    char why[SERVICE_TEXT_BYTES];
    /* ---- */
    const struct service_config *config;
    const size_t *needs; /* indices, need_count of them */
    size_t need_count;
    int64_t probe_at_ms;    /* next probe; 0: none, or one is under way */
    int64_t watchdog_at_ms; /* 0: not watched */
    int64_t probe_failures; /* in a row */
};

struct services {
    struct service *list;
    size_t count;
    bool ending; /* all are going down for good */
    struct service_command
        *commands; /* to be carried out in order, then services_commands_done() */
    size_t command_count, command_room;
};

/* `config` must outlive it. */
void services_init(struct services *services, const struct config *config);
void services_deinit(struct services *services);
void services_step(struct services *services, const struct service_event *event);
/* Down with everything, in reverse order; `now` kills at once. */
void services_end(struct services *services, int64_t now_ms, bool at_once);
bool services_all_down(const struct services *services);
/* The earliest deadline of all, 0 when there is none. */
int64_t services_deadline(const struct services *services);
/* TIMER events for each passed deadline. */
void services_tick(struct services *services, int64_t now_ms, uint32_t random);
void services_commands_done(struct services *services);
/* After the durable fields were filled in from a former keeper: sets the deadlines anew. */
void services_resume(struct services *services, int64_t now_ms);
bool service_has_process(const struct service *service);
bool service_is_busy(const struct service *service); /* its process, or a hook of it, is there */
