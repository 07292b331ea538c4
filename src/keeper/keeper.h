/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.h - for src/keeper only: the shell around the services engine. Reads events from the loop,
 * gives them to the engine, carries its commands out, and before each sleep writes down what
 * changed. One thread, besides the writer of the logs and those of libuv that
 * wait for the disk in place of jobs and of probes of files. */
#pragma once
#include "base/launch.h"
#include "engine/services.h"
#include "keeper/service_log.h"
#include "link/line_socket.h"
#include "wire/config.h"
#include <jansson.h>
#include <uv.h>

enum { KEEPER_STATUS_BYTES = 200, EVENTS_KEPT_MAX = 2000 };

/* What the shell holds for one service, beside the engine's struct of the same index. */
struct unit {
    struct keeper *keeper;
    size_t index;
    uint32_t slot;       /* of the anchor, from the moment a start is due; SLOT_NONE */
    uint32_t hook_slot;  /* hook under way; SLOT_NONE */
    bool hook_is_after;  /* ... is the one after the stop */
    uint32_t probe_slot; /* exec probe under way; SLOT_NONE */
    int64_t start_ticks; /* of the process: with its pid its name for this boot */
    struct service_log *log;
    struct notify_socket *notify;  /* NULL: the service does not use it */
    struct probe *probe;           /* tcp or http probe under way */
    struct exec_timer *exec_timer; /* of the exec probe under way */
    struct file_probe *file_probe; /* under way */
    struct unit_job *job;          /* NULL: it is a service */
    uint32_t main_slot;            /* of the process that sd_notify MAINPID named; SLOT_NONE */
    struct death *death;           /* not written yet; NULL */
    pid_t ended, ended_launcher;   /* the processes whose end was acted on last; 0: none */
    bool start_due;                /* its process is asked for as soon as that is on record */
    bool start_told;               /* by this keeper: no former one can have told its end */
    pid_t found;                   /* by its marks: to be adopted; 0 */
    pid_t launcher;                /* the anchor's child, when MAINPID named another; 0 */
    bool probe_void;               /* its outcome counts no more: it is being killed */
    int probe_which;               /* 0 ready, 1 health */
    char status_text[KEEPER_STATUS_BYTES]; /* sd_notify STATUS= */
    struct service saved;                  /* as last written down */
    bool unsaved;                 /* besides a changed `saved`: the status text, a failed write */
    bool save_failed;             /* and that was said */
    bool log_trouble;             /* the disk refuses its log, and that was told */
    bool exec_is_quick;           /* its program and folder are on local disks */
    bool cgroup_unhurt;           /* made by this keeper, and never killed since */
    bool in_cgroup;               /* seen there: all that it starts is there too */
    struct unit_figures *figures; /* NULL until somebody asks */
    int64_t look_at_ms;           /* when its tree is looked at for development flags; 0: not */
    size_t looks;                 /* in this life */
    bool look_now;
    pid_t flagged; /* in the life of this process one was found and told */
    bool leaving;  /* not in the config any more; gone once it is down */
};
enum { SLOT_NONE = UINT32_MAX };

struct keeper {
    uv_loop_t loop;
    const char *run;
    const char *config_path;
    char *cgroup; /* folder of cgroups, one for each service; NULL: known by session and marks */
    struct config *config;
    struct services services;
    struct unit **units; /* services.count of them; each stays in its place through a reload */
    struct log_writer *logs;
    struct service_log *own_log; /* of `up -d`; NULL: we speak to a terminal, a journal, ... */
    uv_timer_t timer, look_timer;
    uv_prepare_t before_sleep;
    uv_check_t after_events;
    uv_poll_t anchor_poll;
    bool anchor_lost;
    bool upgrading;                      /* the next keeper goes on */
    bool replayed;                       /* the config is a former keeper's */
    bool began;                          /* some keeper of this `up` has asked all services up */
    bool snapshot_done;                  /* the anchor has told all its slots */
    uint8_t slots[LAUNCH_SLOTS_MAX / 8]; /* in use */
    uint32_t *frees;                     /* slots to let go after the next save */
    size_t free_count;
    struct events *events;
    struct control *control;
    struct figures *figures;
    struct clock_watch *clock; /* of jobs; NULL while there is none */
    int64_t started_ms;        /* this keeper */
    int64_t up_ms;             /* `up` */
    int host_stops;            /* TERM or INT so far */
    int exit_code;             /* of the anchor, once all is down */
    struct host *host;         /* NULL: nobody above us listens */
    bool quitting;
};

/* keeper.c */
int keeper_run(const char *run, const char *config_path);
void keeper_event(struct keeper *keeper, struct service_event event); /* now and chance filled in */
void keeper_start(struct keeper *keeper, size_t index);               /* of a STARTING service */
void keeper_look_at_clock(struct keeper *keeper);
void keeper_down(struct keeper *keeper, bool at_once, int exit_code);
bool keeper_find(struct keeper *keeper, const char *name, size_t *ret_index);
uid_t keeper_owner_of(const struct service_config *config); /* the user it runs as */
struct service_log_options keeper_log_options(const struct service_config *config);
bool keeper_open_unit(struct keeper *keeper, size_t index);
void keeper_open_notify(struct keeper *keeper, size_t index);
void keeper_close_unit(struct unit *unit);
/* All that the anchor has is known: what is new in this `up` is begun, once. */
void keeper_begin(struct keeper *keeper);

/* keeper_anchor.c: messages to and from the anchor. Opening takes over all that the anchor has. */
void anchor_link_open(struct keeper *keeper);
/* A place is taken now; the message goes out once the state that follows is on record: else a
 * keeper killed in between would leave a process that the next one knows nothing of. */
void anchor_link_plan_start(struct keeper *keeper, size_t index);
bool anchor_link_start_is_due(const struct unit *unit); /* planned, or it waits for a job's slot */
void anchor_link_drop_start(struct keeper *keeper, size_t index); /* it has ended before it began */
/* Sends it. False when it failed at once, which is an exit that follows. */
bool anchor_link_start(struct keeper *keeper, size_t index);
bool anchor_link_start_probe(struct keeper *keeper, size_t index, char *const *argv);
/* Its end is SERVICE_EVENT_HOOK_DONE, also when it cannot be started. */
void anchor_link_start_hook(struct keeper *keeper, size_t index, bool after_stop);
void anchor_link_adopt(struct keeper *keeper, size_t index, pid_t pid, int64_t start_ticks);
/* Watches another process of the service, in unit->main_slot. */
bool anchor_link_adopt_main(struct keeper *keeper, size_t index, pid_t pid, int64_t start_ticks);
void anchor_link_signal(struct keeper *keeper, uint32_t slot, int number);
/* The anchor holds a descriptor for the next keeper. */
void anchor_link_keep(struct keeper *keeper, const char *name, int fd);
void anchor_link_drop(struct keeper *keeper, const char *name);
void anchor_link_free_slots(struct keeper *keeper); /* after a save */
void anchor_link_quit(struct keeper *keeper, int exit_code);
void anchor_link_upgrade(struct keeper *keeper); /* all is written down; we end ourselves */
/* Lines of sd_notify for the program above us. */
void anchor_link_notify(struct keeper *keeper, const char *lines);

/* keeper_host.c: what the program above us (systemd) is told; nothing when there is none */
void host_open(struct keeper *keeper);
void host_reloading(struct keeper *keeper);
void host_look(struct keeper *keeper); /* before each sleep: tells what changed */

/* keeper_state.c: run state on tmpfs */
void state_load(struct keeper *keeper);
bool state_save(struct keeper *keeper, size_t index); /* if it changed; true when it is written */
bool state_save_changed(struct keeper *keeper);       /* all */
void state_forget(struct keeper *keeper, const char *name);

/* keeper_events.c: the numbered events */
struct events *events_open(const char *run);
struct events *events_close(struct events *events);
/* Keeps it and tells everybody who listens. */
void events_add(struct keeper *keeper, const char *service, const char *what, const char *text);
/* The same with fields of its own beside the text; `more` is taken. */
void events_add_with(struct keeper *keeper, const char *service, const char *what, const char *text,
                     json_t *more);
/* Calls `each` with every kept event above `after`, as a line of JSON. */
void events_since(const struct events *events, int64_t after,
                  void (*each)(void *context, struct slice line), void *context);
/* A former keeper told the end of this process and was killed before it could write that down. */
bool events_end_is_told(const struct events *events, const char *service, pid_t pid);

/* keeper_deaths.c: the bounded history of exits */
struct death {
    pid_t pid;
    bool asked; /* for its end */
    int64_t uptime_ms;
    struct service_exit exit; /* last_lines borrowed */
};
/* Kept in the unit, and written with the others: the next life does not wait for that. */
void deaths_note(struct keeper *keeper, size_t index, const struct death *death);
void deaths_write(struct keeper *keeper);
void deaths_drop(struct unit *unit);
json_t *deaths_of(struct keeper *keeper, size_t index); /* newest last */

/* keeper_notify.c: sd_notify */
bool notify_socket_used(const struct service_config *config);
/* `fd`: the bound socket that a former keeper left with the anchor, taken; or -1. */
struct notify_socket *notify_socket_open(struct unit *unit, int fd);
struct notify_socket *notify_socket_close(struct notify_socket *socket);
void notify_socket_drain(struct notify_socket *socket); /* reads what was said so far */
char *notify_socket_path(const struct keeper *keeper, const char *name);

/* keeper_probe.c */
void probe_start(struct unit *unit, int which);
void probe_cancel(struct unit *unit);
void probe_exec_ended(struct unit *unit, int status);

/* keeper_levels.c: how much our own programs log; see log_follow_level() */
void levels_open(struct keeper *keeper);
void levels_make(struct keeper *keeper, const char *name); /* of a service of ours, once */
/* Sets what "programs" (all: none named) and "level" of the request say; the levels that hold then,
 * or NULL with a sentence in *ret_why, which the caller frees. */
json_t *levels_answer(struct keeper *keeper, const json_t *request, char **ret_why);

/* keeper_tree.c: kills what is left of a service after its main process; returns how many */
int tree_sweep(const struct keeper *keeper, const char *name, pid_t session);
bool tree_has(const struct keeper *keeper, const char *name, pid_t session, pid_t pid);
/* After a death of the anchor: services that were started so shortly before that nobody wrote them
 * down are known by their marks (unit->found). */
void tree_find_lost(struct keeper *keeper);

/* keeper_main_pid.c: sd_notify MAINPID */
void main_pid_named(struct unit *unit, const char *value);
bool main_pid_slot(struct unit *unit, const struct launch_head *head);

/* keeper_jobs.c */
void jobs_open_unit(struct unit *unit);
void jobs_close_unit(struct unit *unit);
void jobs_refit(struct keeper *keeper, const struct config *old); /* after a reload */
void jobs_forget(const struct keeper *keeper, const char *name);
void jobs_start(struct keeper *keeper, size_t index); /* its slot is on disk first */
bool jobs_start_waits(const struct unit *unit);
void jobs_drop_start(struct unit *unit);
void jobs_look(struct keeper *keeper); /* at the clock */
void jobs_before_sleep(struct keeper *keeper);
void jobs_add_status(json_t *object, const struct service *service);
/* keeper_local.c: sets exec_is_quick of all units; waits for no disk longer than moments. */
void local_look(struct keeper *keeper);
/* Absolute path of a program, a word looked up in PATH (NULL: the usual one), or NULL if there is
 * none; the caller frees. */
char *local_find_program(const char *word, const char *folder, const char *path);

/* keeper_cgroup.c: cgroup v2 where writable; all but opening do nothing where it is not */
void cgroup_open(struct keeper *keeper);
/* For a new life, and the one of the present life; "" for none. The caller frees. *unhurt: the
 * first one was made by this keeper and never killed, so it can be used again. */
char *cgroup_folder_new(const struct keeper *keeper, const char *service, bool *unhurt);
char *cgroup_folder(const struct keeper *keeper, const char *service);
int cgroup_kill(const struct keeper *keeper, const char *service); /* how many there were */
void cgroup_remove(const struct keeper *keeper, const char *service);
void cgroup_clean(struct keeper *keeper); /* what a killed run left and no service is */
void cgroup_close(struct keeper *keeper); /* ends and removes all */

/* keeper_figures.c: taken when somebody asks; limits are looked at then. The caller owns it. */
void figures_open(struct keeper *keeper);
json_t *figures_take(struct keeper *keeper);

/* keeper_doctor.c: development flags in the running trees */
void doctor_open(struct keeper *keeper);
void doctor_look_later(struct keeper *keeper, size_t index); /* the service became ready */
json_t *doctor_findings(struct keeper *keeper);              /* a list; the caller owns it */

/* keeper_reload.c: 0, or CONFIG_INVALID with the reasons */
int keeper_reload(struct keeper *keeper, struct config_errors *errors);
/* Keeps what the config in force was read from, for the next keeper and for the hub. */
struct config_files;
int keeper_record_config(struct keeper *keeper, struct config_files *files);

/* keeper_control.c: the control socket */
struct control *control_open(struct keeper *keeper);
struct control *control_close(struct control *control);
void control_tell_event(struct control *control, struct slice line);
