/* SPDX-License-Identifier: Apache-2.0 */
/* services.h - what the keeper decides: which service runs, when it is restarted, in which order
 * all start and stop. Pure: events in, commands out, `now` and chance passed in; nothing is done
 * here.
 *
 * Used by one thread. The shell carries the commands out in order and reports back by events. Times
 * are milliseconds of one monotonic clock that goes on through restarts of the keeper. */
#pragma once
#include "base/zone.h"
#include "model/config.h"
#include "policy/restart.h"

enum service_state {
    SERVICE_STOPPED,   /* nobody wants it up */
    SERVICE_WAITING,   /* for what it needs */
    SERVICE_PREPARING, /* its before_start hook runs */
    SERVICE_STARTING,  /* its process is there or about to be; not ready */
    SERVICE_READY,
    SERVICE_STOPPING,  /* was asked to end */
    SERVICE_CLEANING,  /* has ended; its after_stop hook runs */
    SERVICE_BACKOFF,   /* ended, will be started again */
    SERVICE_FAILED,    /* ended too often; tried again seldom, or after a change */
    SERVICE_DONE,      /* ended well and is meant to stay so */
    SERVICE_SCHEDULED, /* a job between two runs */
    SERVICE_STATE_COUNT,
};
extern const char *const service_state_names[]; /* indexed by the above */

enum service_event_kind {
    SERVICE_EVENT_UP,            /* somebody wants it up */
    SERVICE_EVENT_DOWN,          /* ... down, with all that need it */
    SERVICE_EVENT_RESTART,       /* ... anew */
    SERVICE_EVENT_STARTED,       /* pid */
    SERVICE_EVENT_EXITED,        /* exit; of a start that failed too */
    SERVICE_EVENT_HOOK_DONE,     /* exit; of the hook of PREPARING or CLEANING */
    SERVICE_EVENT_READY,         /* the start probe or sd_notify said so */
    SERVICE_EVENT_PROBE_OK,      /* of the health probe */
    SERVICE_EVENT_PROBE_BAD,     /* text: why */
    SERVICE_EVENT_HEARTBEAT,     /* sd_notify WATCHDOG=1 */
    SERVICE_EVENT_EXTEND,        /* sd_notify EXTEND_TIMEOUT_USEC: value milliseconds from now */
    SERVICE_EVENT_TIMER,         /* its deadline has passed */
    SERVICE_EVENT_MAIN_PID,      /* sd_notify MAINPID: pid is the main process from now on */
    SERVICE_EVENT_SAYS_STOPPING, /* sd_notify STOPPING=1: it ends by itself */
    SERVICE_EVENT_RUN,           /* a job: now, out of turn */
    SERVICE_EVENT_CLOCK,         /* a job: wall_ms may have reached its next slot */
    SERVICE_EVENT_COUNT,
};
struct service_event {
    enum service_event_kind kind;
    size_t index; /* of the service */
    int64_t now_ms;
    int64_t wall_ms; /* since 1970 UTC; jobs alone go by it */
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

enum job_outcome {
    JOB_NEVER,
    JOB_DONE,
    JOB_FAILED,
    JOB_STOPPED, /* somebody stopped it */
    JOB_MISSED,  /* a slot was left out */
    JOB_OUTCOME_COUNT,
};
extern const char *const job_outcome_names[];

/* Of a service that is a job. Moments are of the wall clock. */
struct service_job {
    int64_t slot_done_ms; /* every slot up to it has run, or was told as missed; 0: none known */
    int64_t far_slot_ms;  /* the same of a clock that was ahead, or is behind now; 0: it is right */
    int64_t next_slot_ms; /* 0: not planned yet */
    int64_t run_slot_ms;  /* the slot of this run or the last; 0: out of turn */
    int64_t last_run_ms;  /* when it began */
    int64_t last_took_ms;
    int64_t retries; /* of this run, so far */
    int outcome;     /* of the last slot; enum job_outcome */
    int64_t missed;  /* slots left out while this run goes on; the first was told at once */
    bool timed_out;  /* this run was stopped for it */
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
    bool own_end;           /* stopping by itself: it said STOPPING=1 */
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
    struct service_job job;
    /* ---- */
    const struct service_config *config;
    const size_t *needs; /* indices, need_count of them */
    size_t need_count;
    const struct zone *zone; /* of a job; borrowed, set by the shell; NULL: UTC */
    int64_t probe_at_ms;     /* next probe; 0: none, or one is under way */
    int64_t watchdog_at_ms;  /* 0: not watched */
    int64_t probe_failures;  /* in a row */
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
/* Jobs: the moment (of the wall clock) at which the shell is to look at it, 0 when there is none;
 * it looks too when the clock was set. */
int64_t services_next_slot(const struct services *services);
void services_look_at_clock(struct services *services, int64_t now_ms, int64_t wall_ms,
                            uint32_t random);
/* "next 2026-11-25 03:00; last done 2026-11-24 03:00, took 12 s" */
void service_note_of_job(const struct service *service, char *ret, size_t size);
void services_commands_done(struct services *services);
/* After the durable fields were filled in from a former keeper: sets the deadlines anew. */
void services_resume(struct services *services, int64_t now_ms);
bool service_has_process(const struct service *service);
bool service_is_busy(const struct service *service); /* its process, or a hook of it, is there */
