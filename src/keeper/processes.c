/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/processes.h"
#include "base/file.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PARENTS_MAX = 64, MARKS_BYTES_MAX = 128 * 1024 };

struct service_pid {
    pid_t pid;
    size_t service;
};

ssize_t proc_read_machine(const char *name, char *ret, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s", name);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t used = 0;
    while (used < size - 1) {
        ssize_t n = read(fd, ret + used, size - 1 - used);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    ret[used] = 0;
    return (ssize_t)used;
}

ssize_t proc_read(pid_t pid, const char *name, char *ret, size_t size) {
    char path[48];
    snprintf(path, sizeof path, "%d/%s", (int)pid, name);
    return proc_read_machine(path, ret, size);
}

/* ---- the walk ---- */

/* Fields of /proc/PID/stat by the numbers of proc(5). The name stands in brackets and may hold
 * anything, brackets too: counted from the last one. */
bool process_read(pid_t pid, struct process *ret) {
    enum { STATE = 3, PARENT, GROUP, SESSION, UTIME = 14, STIME, CUTIME, CSTIME, THREADS = 20 };
    enum { RSS = 24, FIELDS = 25 };
    char text[1024];
    if (proc_read(pid, "stat", text, sizeof text) <= 0 || !strrchr(text, ')'))
        return false;
    char *rest = strrchr(text, ')') + 2;
    const char *fields[FIELDS] = {0};
    for (int i = STATE; i < FIELDS; i++)
        if (!(fields[i] = strsep(&rest, " ")))
            return false;
    *ret = (struct process){.pid = pid,
                            .parent = atoi(fields[PARENT]),
                            .session = atoi(fields[SESSION]),
                            .zombie = fields[STATE][0] == 'Z' || fields[STATE][0] == 'X',
                            .threads = atoi(fields[THREADS]),
                            .rss_bytes = strtoll(fields[RSS], NULL, 10) * sysconf(_SC_PAGESIZE),
                            .service = PROCESS_OF_NOBODY};
    for (int i = UTIME; i <= CSTIME; i++)
        ret->ticks += strtoll(fields[i], NULL, 10);
    return true;
}

static int compare_pids(const void *a, const void *b) {
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b; /* both structs begin with their pid */
    return (x > y) - (x < y);
}
_Static_assert(offsetof(struct process, pid) == 0 && offsetof(struct service_pid, pid) == 0,
               "compared by their first field");

static void walk(struct processes *processes) {
    DIR *proc = opendir("/proc");
    size_t room = 0;
    for (struct dirent *entry;
         proc && processes->count < PROCESSES_MAX && (entry = readdir(proc));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (processes->count == room) {
            room = room ? room * 2 : 256;
            processes->list = memory_grow(processes->list, room, sizeof *processes->list);
        }
        processes->count += process_read(atoi(entry->d_name), &processes->list[processes->count]);
    }
    if (proc)
        closedir(proc);
    if (processes->count)
        qsort(processes->list, processes->count, sizeof *processes->list, compare_pids);
}

/* ---- whose ---- */

static void find_mains(const struct keeper *keeper, struct processes *processes) {
    processes->mains = memory_array(keeper->services.count + 1, sizeof *processes->mains);
    for (size_t i = 0; i < keeper->services.count; i++)
        if (service_has_process(&keeper->services.list[i]) && keeper->services.list[i].pid > 0)
            processes->mains[processes->main_count++] =
                (struct service_pid){keeper->services.list[i].pid, i};
    qsort(processes->mains, processes->main_count, sizeof *processes->mains, compare_pids);
}

static size_t main_of(const struct processes *processes, pid_t pid) {
    const struct service_pid *found = bsearch(&pid, processes->mains, processes->main_count,
                                              sizeof *processes->mains, compare_pids);
    return found ? found->service : PROCESS_OF_NOBODY;
}

/* "0::/own/holdfast-0123/bot" or deeper below it. */
size_t process_by_cgroup(const struct keeper *keeper, pid_t pid) {
    char text[4096];
    size_t index = 0;
    const char *folder = keeper->cgroup ? strrchr(keeper->cgroup, '/') : NULL;
    if (!folder || proc_read(pid, "cgroup", text, sizeof text) <= 0)
        return PROCESS_OF_NOBODY;
    char *at = strstr(text, folder);
    if (!at || at[strlen(folder)] != '/')
        return PROCESS_OF_NOBODY;
    at += strlen(folder) + 1;
    at[strcspn(at, "./\n")] = 0;
    return keeper_find((struct keeper *)(uintptr_t)keeper, at, &index) ? index : PROCESS_OF_NOBODY;
}

static size_t by_marks(const struct keeper *keeper, pid_t pid) {
    static char text[MARKS_BYTES_MAX];
    size_t index = 0;
    ssize_t size = proc_read(pid, "environ", text, sizeof text);
    const char *run = NULL, *service = NULL;
    for (const char *p = text; size > 0 && p < text + size; p += strlen(p) + 1) {
        if (strncmp(p, "HOLDFAST_RUN=", strlen("HOLDFAST_RUN=")) == 0)
            run = strchr(p, '=') + 1;
        else if (strncmp(p, "HOLDFAST_SERVICE=", strlen("HOLDFAST_SERVICE=")) == 0)
            service = strchr(p, '=') + 1;
    }
    bool ours = run && service && strcmp(run, keeper->run) == 0;
    return ours && keeper_find((struct keeper *)(uintptr_t)keeper, service, &index)
               ? index
               : PROCESS_OF_NOBODY;
}

/* Only what has lost its parent needs the costlier looks: it is a child of the anchor, or of init
 * since an anchor was killed. */
static size_t owner_of(const struct keeper *keeper, const struct processes *processes,
                       struct process *process, int depth) {
    if (process->settled)
        return process->service;
    process->settled = true;
    size_t owner = main_of(processes, process->pid);
    if (process->pid == getpid() || process->pid == getppid() || process->pid == 1)
        return process->service;
    if (owner == PROCESS_OF_NOBODY)
        owner = main_of(processes, process->session);
    if (owner == PROCESS_OF_NOBODY && (process->parent == getppid() || process->parent == 1)) {
        owner = process_by_cgroup(keeper, process->pid);
        if (owner == PROCESS_OF_NOBODY)
            owner = by_marks(keeper, process->pid);
    } else if (owner == PROCESS_OF_NOBODY && depth < PARENTS_MAX) {
        struct process *parent = bsearch(&process->parent, processes->list, processes->count,
                                         sizeof *processes->list, compare_pids);
        if (parent)
            owner = owner_of(keeper, processes, parent, depth + 1);
    }
    return process->service = owner;
}

void processes_read(const struct keeper *keeper, struct processes *ret) {
    *ret = (struct processes){0};
    find_mains(keeper, ret);
    if (ret->main_count)
        walk(ret);
    for (size_t i = 0; i < ret->count; i++)
        (void)owner_of(keeper, ret, &ret->list[i], 0);
}

void processes_deinit(struct processes *processes) {
    free(processes->list);
    free(processes->mains);
    *processes = (struct processes){0};
}
