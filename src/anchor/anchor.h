/* SPDX-License-Identifier: Apache-2.0 */
/* anchor.h - the parent of every service: forks, reaps, remembers exits, holds the log FIFOs open
 * and restarts the keeper. It decides nothing, reads no config and allocates nothing after its
 * start. */
#pragma once
#include "base/common.h"
#include "base/launch.h"
#include <signal.h>
#include <sys/resource.h>

struct anchor_options {
    const char *program;      /* absolute path of this program: what an upgrade runs */
    const char *run;          /* run folder */
    char *const *keeper_argv; /* absolute path first, NULL-ended */
    int resume_fd;            /* of anchor_hand_over(), taken; -1: a first start */
};
/* Runs until the keeper says QUIT; returns the exit code. */
int anchor_run(const struct anchor_options *options);

struct slot {
    enum launch_slot_state state;
    pid_t pid;
    int status;
    int log_fd; /* keeps what is in the pipe when nobody else has it open; -1 */
    int pid_fd; /* of an adopted process, not our child; -1 */
    bool told;  /* the keeper knows this state */
    int64_t time_ms;
    char name[LAUNCH_NAME_BYTES];
};

/* anchor_upgrade.c: the program under this process is replaced, its children stay. */
struct anchor_state {
    pid_t keeper_pid;
    int keepers;         /* started so far */
    int host_stops;      /* TERM and INT so far */
    uint32_t slots_used; /* slots above were never used */
    struct slot *slots;  /* LAUNCH_SLOTS_MAX of them */
};
/* Runs the program anew with all that is known. Returns only when that failed, with all as before.
 */
void anchor_hand_over(const struct anchor_options *options, const struct anchor_state *state);
/* What the former program handed over; false when it is not understood. Takes fd. */
bool anchor_take_over(int fd, struct anchor_state *state);

/* What services inherit; ours differ: no cores, as many descriptors as can be had. */
extern struct rlimit anchor_core_limit, anchor_files_limit;
/* Signals that we ignore, by our own wish or our parent's: exec resets all others. */
extern bool anchor_ignored[NSIG];
/* anchor_child.c: a process that becomes the service, in its cgroup where that can be, or ends with
 * 126 or 127 after saying why on its log. Of a checked START message. -1 and errno when there is no
 * room for it. */
pid_t anchor_start(const struct launch_body *body, const char *strings);

/* anchor_clone.c: CLONE_FILES where a child may begin with our descriptors, else 0. */
unsigned long long anchor_descriptors_flag(void);
/* Calls `call` in a new process, in the cgroup of the descriptor unless that is -1,
 * and comes back once it has run exec or has ended: until then it shares our memory. `call` never
 * returns. Its id, or -1 and errno (ENOSYS: not on this machine). */
pid_t anchor_clone(int cgroup_fd, void (*call)(void *), void *context);

/* anchor_kept.c */
enum { ANCHOR_KEPT_BYTES = LAUNCH_NAME_BYTES + 4 }; /* one of them handed over: name, descriptor */
size_t anchor_kept_write(char *ret, bool close_on_exec); /* how many; ret: NULL to count */
void anchor_kept_read(const char *bytes, size_t count);
void anchor_keep(const char *name, int fd); /* takes fd */
void anchor_drop(const char *name);
void anchor_kept_untell(void);        /* a new keeper knows of none */
bool anchor_tell_kept(int keeper_fd); /* false: no room now */
