/* SPDX-License-Identifier: Apache-2.0 */
/* What a service leaves behind: children that changed their session or double-forked come to the
 * anchor (subreaper) and are known by the session or by the marks in their environment. A process
 * that wiped its environment and left the session is not found this way; keeper_cgroup.c finds it.
 */
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

enum { PASSES_MAX = 20, ROUNDS_MAX = 3, ENVIRON_BYTES_MAX = 1 << 20, STAT_BYTES_MAX = 4096 };
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

static bool is_zombie(pid_t pid) {
    char path[64];
    AUTO_FREE char *text = NULL;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (file_read(path, STAT_BYTES_MAX, &text, NULL) < 0)
        return true;
    const char *end = strrchr(text, ')');
    return !end || strncmp(end, ") Z", 3) == 0 || strncmp(end, ") X", 3) == 0;
}

/* The descriptor names the process before the last look at it, so that no stranger who got its id
 * is hit. */
static bool signal_one(pid_t pid, const struct sweep *sweep, int number) {
    AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 || !is_of_service(pid, sweep) || is_zombie(pid))
        return false;
    return syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) == 0;
}

/* How many were reached; *ret_sum differs when others were. */
static int signal_all(const struct sweep *sweep, int number, uint64_t *ret_sum) {
    DIR *proc = opendir("/proc");
    int reached = 0;
    *ret_sum = 0;
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atoi(entry->d_name) : 0;
        if (pid <= 1 || pid == getpid() || pid == getppid() || !is_of_service(pid, sweep) ||
            !signal_one(pid, sweep, number))
            continue;
        reached++;
        *ret_sum += (uint64_t)pid * 0x9e3779b97f4a7c15u;
    }
    if (proc)
        closedir(proc);
    return reached;
}

/* First all are stopped, until a pass finds the same ones as the pass before: what makes a new
 * process when one dies would else be one ahead for ever. */
static int sweep_round(const struct sweep *sweep) {
    uint64_t sum = 0, last = 0;
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        if (signal_all(sweep, SIGSTOP, &sum) == 0)
            return 0;
        if (pass > 0 && sum == last)
            break;
        last = sum;
    }
    return signal_all(sweep, SIGKILL, &sum);
}

int tree_sweep(const struct keeper *keeper, const char *name, pid_t session) {
    struct sweep sweep = {.session = session};
    sweep.service_mark = text_format("HOLDFAST_SERVICE=%s", name);
    sweep.run_mark = text_format("HOLDFAST_RUN=%s", keeper->run);
    int killed = 0;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int now = sweep_round(&sweep);
        if (now == 0)
            break;
        killed = now > killed ? now : killed;
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
    service->pid = 0; /* the anchor tells of it when it is adopted, like of any start */
    service->started_ms = service->since_ms = clock_ms();
    service->state_at_ms = service->started_ms + service->config->start_timeout_ms;
    unit->found = pid;
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
