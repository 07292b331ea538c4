/* SPDX-License-Identifier: Apache-2.0 */
/* launch.h - messages between the anchor, parent of every service, and the keeper that decides. One
 * SOCK_SEQPACKET packet is one message: a head, then for LAUNCH_START and LAUNCH_ADOPT a body.
 *
 * The anchor keeps one slot per service. A dead slot is told again to each new keeper until the
 * keeper frees it, so no exit status is lost with a keeper. */
#pragma once
#include "base/common.h"

enum {
    LAUNCH_SLOTS_MAX = 8192,
    LAUNCH_BYTES_MAX = 160 * 1024, /* a message: arguments and environment of one service */
    LAUNCH_NAME_BYTES = 40,
    LAUNCH_GROUPS_MAX = 32,
    LAUNCH_KEPT_MAX = 4096, /* descriptors held for keepers */
    LAUNCH_FD = 3,          /* the keeper's end of the socket */
};
enum launch_kind {
    /* keeper to anchor */
    LAUNCH_START = 1, /* slot; body: struct launch_body + strings; answered by SLOT */
    LAUNCH_ADOPT,     /* slot, pid, time = start time in clock ticks; body as START's */
    LAUNCH_SIGNAL,    /* slot, value = signal, to the service's whole process group */
    LAUNCH_FREE,      /* slot: its exit was taken note of; the log FIFO is let go */
    LAUNCH_QUIT,      /* value = exit code of the anchor */
    LAUNCH_KEEP,      /* with a descriptor; body: name: hold it for the next keeper */
    LAUNCH_DROP,      /* body: name: let it go */
    LAUNCH_UPGRADE,   /* run the anchor's program anew under this process; the sender ends itself */
    LAUNCH_WORKS,     /* this keeper has taken over: if it dies now, the next is started at once */
    /* anchor to keeper */
    LAUNCH_SLOT,     /* slot, pid, value = LAUNCH_*, time: what the slot is now; body: its name */
    LAUNCH_KEPT,     /* with a descriptor; body: name: what a former keeper gave to hold */
    LAUNCH_SNAPSHOT, /* all slots have been told; value = how many keepers ran before */
    LAUNCH_HOST,     /* value = signal that the anchor got: TERM, INT, HUP */
    /* keeper to anchor */
    LAUNCH_NOTIFY, /* body: lines for the program above us (sd_notify), told by the anchor: so that
                      its WATCHDOG=1 says that both live */
};
enum launch_slot_state { LAUNCH_FREE_SLOT, LAUNCH_RUNNING, LAUNCH_DEAD, LAUNCH_FAILED };

struct launch_head {
    uint32_t kind;
    uint32_t slot;
    int32_t pid;
    int32_t value;   /* of SLOT: enum launch_slot_state */
    int32_t status;  /* DEAD: as of wait(2), -1 when unknown (adopted); FAILED: errno */
    int64_t time_ms; /* SLOT: CLOCK_BOOTTIME of start, or of exit when dead */
};

enum launch_limit {
    LAUNCH_NPROC,
    LAUNCH_CORE,
    LAUNCH_AS,
    LAUNCH_NICE,
    LAUNCH_OOM_SCORE_ADJ,
    LAUNCH_LIMITS,
};
#define LAUNCH_INHERITED INT64_MIN
/* Behind it, NUL-ended: name, path of the program, working folder, log FIFO ("" for none), folder
 * of its cgroup ("" for none), then `argc` arguments and `envc` NAME=value. */
struct launch_body {
    uint32_t argc, envc;
    int64_t start_ticks; /* ADOPT: field 22 of /proc/PID/stat */
    int64_t nofile;      /* 0: inherited */
    int64_t limits[LAUNCH_LIMITS];
    int32_t umask;          /* -1: inherited */
    uint32_t exec_is_quick; /* program and folder are on local disks: it may be waited for */
    uint32_t change_user;
    uint32_t uid, gid, group_count;
    uint32_t groups[LAUNCH_GROUPS_MAX];
};

/* One message, with a descriptor beside it when pass_fd >= 0. 0 or -errno (-EAGAIN: no room now).
 */
MUST_CHECK int launch_send(int fd, struct slice message, int pass_fd, int flags);
/* Bytes received, 0 at the end, or -errno; never waits. *ret_fd is the descriptor beside it, or -1;
 * the caller closes it. */
MUST_CHECK ssize_t launch_receive(int fd, void *ret, size_t size, int *ret_fd);

/* Start time of a process in clock ticks since boot, which with its id names it for this boot;
 * -ESRCH when there is no such process. Allocates nothing. */
MUST_CHECK int launch_start_ticks(pid_t pid, int64_t *ret_ticks);
