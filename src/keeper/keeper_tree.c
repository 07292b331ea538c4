/* SPDX-License-Identifier: Apache-2.0 */
/* What a service leaves behind: children that changed their session or double-forked come to the
 * anchor (subreaper) and are known by the session or by the marks in their environment. A process
 * that wiped its environment and left the session is not found this way; a cgroup would. */
#include "base/clock.h"
#include "base/file.h"
#include "keeper/keeper.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PASSES_MAX = 20, ENVIRON_BYTES_MAX = 1 << 20, STAT_BYTES_MAX = 4096 };
enum { GENERATIONS_MAX = 32, LOOKS_MAX = 3 };

struct sweep {
    char *service_mark, *run_mark; /* "HOLDFAST_SERVICE=bot" */
    pid_t session;
};

static bool in_session(pid_t pid, pid_t session) {
    return session > 0 && getsid(pid) == session;
}

static bool environ_has(const char *text, size_t size, const char *mark) {
    size_t length = strlen(mark) + 1; /* its NUL too */
    for (const char *p = text, *end = text + size; p < end; p += strnlen(p, (size_t)(end - p)) + 1)
        if ((size_t)(end - p) >= length && memcmp(p, mark, length) == 0)
            return true;
    return false;
}

static bool is_marked(pid_t pid, const struct sweep *sweep) {
    char path[64];
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    if (file_read(path, ENVIRON_BYTES_MAX, &text, &size) < 0)
        return false;
    return environ_has(text, size, sweep->service_mark) && environ_has(text, size, sweep->run_mark);
}

static bool is_of_service(pid_t pid, const struct sweep *sweep) {
    return in_session(pid, sweep->session) || is_marked(pid, sweep);
}

/* The descriptor names the process before the last look at it, so that no stranger who got its id
 * is hit. */
static bool kill_one(pid_t pid, const struct sweep *sweep) {
    AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 || !is_of_service(pid, sweep))
        return false;
    return syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

static int sweep_once(const struct sweep *sweep) {
    DIR *proc = opendir("/proc");
    int killed = 0;
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atoi(entry->d_name) : 0;
        if (pid > 1 && pid != getpid() && pid != getppid() && is_of_service(pid, sweep))
            killed += kill_one(pid, sweep);
    }
    if (proc)
        closedir(proc);
    return killed;
}

/* Zombies have an empty environment and are seen by their session only: a pass that kills the same
 * few again is as good as one that finds none. */
int tree_sweep(const struct keeper *keeper, const char *name, pid_t session) {
    struct sweep sweep = {.session = session};
    sweep.service_mark = text_format("HOLDFAST_SERVICE=%s", name);
    sweep.run_mark = text_format("HOLDFAST_RUN=%s", keeper->run);
    int killed = 0, last = -1;
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        int now = sweep_once(&sweep);
        if (now == 0 || now == last)
            break;
        killed = now > killed ? now : killed;
        last = now;
    }
    free(sweep.service_mark);
    free(sweep.run_mark);
    return killed;
}

static pid_t parent_of(pid_t pid) {
    char path[64];
    AUTO_FREE char *text = NULL;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const char *end = file_read(path, STAT_BYTES_MAX, &text, NULL) == 0 ? strrchr(text, ')') : NULL;
    int parent = 0;
    return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

static bool descends_from(pid_t pid, pid_t ancestor) {
    for (int i = 0; i < GENERATIONS_MAX && pid > 1; i++) {
        pid = parent_of(pid);
        if (pid == ancestor)
            return true;
    }
    return false;
}

/* In the middle of its execve() a process has no environment to be known by, for some microseconds;
 * its parent, who named it, may be gone already. */
static bool begins_only_now(pid_t pid) {
    char path[64];
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    return parent_of(pid) == getppid() && file_read(path, ENVIRON_BYTES_MAX, &text, &size) == 0 &&
           size == 0;
}

bool tree_has(const struct keeper *keeper, const char *name, pid_t session, pid_t pid) {
    struct sweep sweep = {.session = session};
    sweep.service_mark = text_format("HOLDFAST_SERVICE=%s", name);
    sweep.run_mark = text_format("HOLDFAST_RUN=%s", keeper->run);
    bool has = false;
    if (pid > 1 && pid != getpid() && pid != getppid())
        has = descends_from(pid, session) || is_of_service(pid, &sweep);
    for (int i = 0; !has && i < LOOKS_MAX && begins_only_now(pid); i++) {
        poll(NULL, 0, 1);
        has = is_of_service(pid, &sweep);
    }
    free(sweep.service_mark);
    free(sweep.run_mark);
    return has;
}

/* The value of NAME= in an environment, or NULL. */
static const char *environ_value(const char *text, size_t size, const char *mark) {
    size_t length = strlen(mark);
    for (const char *p = text, *end = text + size; p < end; p += strnlen(p, (size_t)(end - p)) + 1)
        if ((size_t)(end - p) > length && memcmp(p, mark, length) == 0)
            return p + length;
    return NULL;
}

static void look_at_lost(struct keeper *keeper, pid_t pid, const char *run_mark) {
    char path[64];
    AUTO_FREE char *text = NULL;
    size_t size = 0, index = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    if (getsid(pid) != pid || file_read(path, ENVIRON_BYTES_MAX, &text, &size) < 0)
        return;
    const char *name = environ_value(text, size, "HOLDFAST_SERVICE=");
    if (!name || !environ_has(text, size, run_mark) ||
        environ_value(text, size, "HOLDFAST_PROBE=") ||
        environ_value(text, size, "HOLDFAST_HOOK=") || !keeper_find(keeper, name, &index))
        return;
    struct service *service = &keeper->services.list[index];
    struct unit *unit = keeper->units[index];
    int64_t ticks = 0;
    if (unit->slot != SLOT_NONE || launch_start_ticks(pid, &ticks) < 0 ||
        (service_has_process(service) && (service->pid == pid || unit->launcher == pid)))
        return;
    if (!service_has_process(service))
        service->state = SERVICE_STARTING;
    service->wanted = true;
    service->pid = pid;
    service->started_ms = service->since_ms = clock_ms();
    unit->start_ticks = ticks;
}

void tree_find_lost(struct keeper *keeper) {
    AUTO_FREE char *run_mark = text_format("HOLDFAST_RUN=%s", keeper->run);
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));)
        if (isdigit((unsigned char)entry->d_name[0]))
            look_at_lost(keeper, (pid_t)atoi(entry->d_name), run_mark);
    if (proc)
        closedir(proc);
}
