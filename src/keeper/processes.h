/* SPDX-License-Identifier: Apache-2.0 */
/* processes.h - for src/keeper only: one walk over /proc tells of every process whose service it
 * is, for all services together. Only figures and findings ask for it; nothing is remembered. */
#pragma once
#include "base/common.h"

struct keeper;
enum { PROCESSES_MAX = 32768 }; /* more are not looked at */
#define PROCESS_OF_NOBODY SIZE_MAX

struct process {
    pid_t pid, parent, session;
    bool zombie;
    int64_t ticks; /* CPU of itself and of the children that it waited for */
    int64_t threads;
    int64_t rss_bytes;
    size_t service; /* index, or PROCESS_OF_NOBODY */
    bool settled;   /* whose it is was looked into */
};
struct processes {
    struct process *list; /* by pid */
    size_t count;
    struct service_pid *mains; /* by pid */
    size_t main_count;
};
/* The processes of services are known by their main process, its session, their parents, their
 * cgroup and the marks in their environment, tried in this order. */
void processes_read(const struct keeper *keeper, struct processes *ret);
void processes_deinit(struct processes *processes);

/* Index of the service in whose cgroup it is, or PROCESS_OF_NOBODY. */
size_t process_by_cgroup(const struct keeper *keeper, pid_t pid);
bool process_read(pid_t pid, struct process *ret); /* one; not whose it is */

/* The file /proc/PID/NAME, or /proc/NAME, as far as it fits, NUL-ended; bytes read, or -errno. */
MUST_CHECK ssize_t proc_read_machine(const char *name, char *ret, size_t size);
MUST_CHECK ssize_t proc_read(pid_t pid, const char *name, char *ret, size_t size);
