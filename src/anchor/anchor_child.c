/* SPDX-License-Identifier: Apache-2.0 */
#include "anchor/anchor.h"
#include "base/launch.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, WORDS_MAX = 4096 };

static _Noreturn void give_up(const char *what, const char *object, int error) {
    char line[512];
    int n = snprintf(line, sizeof line, "holdfast: cannot %s '%s': %s\n", what, object,
                     strerror(error));
    if (n > (int)sizeof line - 1)
        n = (int)sizeof line - 1;
    (void)!write(STDERR_FILENO, line, (size_t)n);
    _exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

/* Our descriptors are still the anchor's own. Of its thousands only the first three are copied. */
static void leave_descriptors(void) {
    if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_UNSHARE) < 0 && unshare(CLONE_FILES) < 0)
        _exit(EXIT_CANNOT_RUN); /* whatever we did to them now, the anchor would suffer */
}

/* The FIFO is opened for reading and writing: without a reader a write then waits or fills the
 * pipe, but never raises SIGPIPE. */
static void take_streams(const char *log) {
    int null = open("/dev/null", O_RDWR);
    int out = log[0] ? open(log, O_RDWR) : null;
    if (out < 0)
        out = null;
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close_range(STDERR_FILENO + 1, ~0u, 0);
}

static void reset_signals(void) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        if (anchor_ignored[number])
            signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void limit_files(int64_t nofile) {
    struct rlimit limit = anchor_files_limit;
    if (nofile)
        limit.rlim_cur = (rlim_t)nofile;
    if (limit.rlim_max < limit.rlim_cur)
        limit.rlim_max = limit.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        give_up("raise the limit of open files of", "the service", errno);
}

static void limit(int resource, const char *what, int64_t value) {
    struct rlimit limits;
    if (value == LAUNCH_INHERITED)
        return;
    getrlimit((__rlimit_resource_t)resource, &limits);
    limits.rlim_cur = (rlim_t)value;
    if (limits.rlim_max < limits.rlim_cur)
        limits.rlim_max = limits.rlim_cur;
    if (setrlimit((__rlimit_resource_t)resource, &limits) < 0)
        give_up("set the limit", what, errno);
}

static void limit_oom(int64_t value) {
    char text[32];
    int size = snprintf(text, sizeof text, "%lld", (long long)value);
    AUTO_FD int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)size) != size)
        give_up("set the limit", "oom_score_adj", errno);
}

static void set_limits(const struct launch_body *body) {
    const int64_t *limits = body->limits;
    setrlimit(RLIMIT_CORE, &anchor_core_limit);
    limit_files(body->nofile);
    limit(RLIMIT_NPROC, "processes", limits[LAUNCH_NPROC]);
    limit(RLIMIT_CORE, "core", limits[LAUNCH_CORE]);
    limit(RLIMIT_AS, "address_space", limits[LAUNCH_AS]);
    if (limits[LAUNCH_NICE] != LAUNCH_INHERITED &&
        setpriority(PRIO_PROCESS, 0, (int)limits[LAUNCH_NICE]) < 0)
        give_up("set the limit", "nice", errno);
    if (limits[LAUNCH_OOM_SCORE_ADJ] != LAUNCH_INHERITED)
        limit_oom(limits[LAUNCH_OOM_SCORE_ADJ]);
}

static void take_user(const struct launch_body *body) {
    if (!body->change_user)
        return;
    gid_t groups[LAUNCH_GROUPS_MAX];
    for (uint32_t i = 0; i < body->group_count; i++)
        groups[i] = body->groups[i];
    if (setgroups(body->group_count, groups) < 0 || setgid(body->gid) < 0 || setuid(body->uid) < 0)
        give_up("become the user of", "the service", errno);
}

static const char *next_string(const char **place) {
    const char *text = *place;
    *place += strlen(text) + 1;
    return text;
}

static void enter_cgroup(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) /* then it is found by its session and its marks */
        dprintf(STDERR_FILENO, "holdfast: cannot enter the cgroup '%s': %s; running without\n",
                folder, strerror(errno));
}

struct child {
    const struct launch_body *body;
    const char *strings;
    bool in_cgroup;          /* born there */
    bool shares_descriptors; /* with the anchor */
};

/* Becomes the service, or ends with 126 or 127 after saying why on its log. */
static _Noreturn void become(const struct child *child) {
    static char *argv[WORDS_MAX + 1], *envp[WORDS_MAX + 1];
    const struct launch_body *body = child->body;
    const char *strings = child->strings;
    next_string(&strings); /* the name */
    const char *path = next_string(&strings);
    const char *folder = next_string(&strings);
    const char *log = next_string(&strings);
    const char *cgroup = next_string(&strings);
    if (child->shares_descriptors)
        leave_descriptors();
    setsid();
    take_streams(log);
    if (cgroup[0] && !child->in_cgroup)
        enter_cgroup(cgroup);
    if (body->argc > WORDS_MAX || body->envc > WORDS_MAX)
        give_up("pass that many words to", path, E2BIG);
    for (uint32_t i = 0; i < body->argc; i++)
        argv[i] = (char *)(uintptr_t)next_string(&strings);
    for (uint32_t i = 0; i < body->envc; i++)
        envp[i] = (char *)(uintptr_t)next_string(&strings);
    argv[body->argc] = envp[body->envc] = NULL; /* our memory may be the anchor's: used before */
    set_limits(body);
    take_user(body);
    if (chdir(folder) < 0)
        give_up("enter the folder", folder, errno);
    if (body->umask >= 0)
        umask((mode_t)body->umask);
    reset_signals();
    execve(path, argv, envp);
    int error = errno;
    /* The file is there: then it is what its first line names that is not. */
    give_up(error == ENOENT && access(path, F_OK) == 0 ? "find the interpreter of" : "run", path,
            error);
}

static void become_called(void *child) {
    become(child);
}

static const char *cgroup_of(const char *strings) {
    for (int i = 0; i < 4; i++)
        next_string(&strings);
    return strings;
}

static pid_t fork_in_cgroup(int cgroup_fd) {
    struct clone_args arguments = {.flags = CLONE_INTO_CGROUP | anchor_descriptors_flag(),
                                   .exit_signal = SIGCHLD,
                                   .cgroup = (unsigned)cgroup_fd};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

/* Copying our page tables is the dearest part of a start, so they are shared where waiting for the
 * exec is safe: on a local disk, at our own priority, and where no other user can stop the child. A
 * process that moves into a cgroup waits for all processors, some milliseconds; one that is born
 * there does not. Where that cannot be (an old kernel, a sandbox) it moves. */
pid_t anchor_start(const struct launch_body *body, const char *strings) {
    const char *cgroup = cgroup_of(strings);
    AUTO_FD int fd = cgroup[0] ? open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    struct child child = {.body = body,
                          .strings = strings,
                          .in_cgroup = fd >= 0,
                          .shares_descriptors = anchor_descriptors_flag() != 0};
    pid_t pid = -1;
    if (body->exec_is_quick && !body->change_user && body->limits[LAUNCH_NICE] == LAUNCH_INHERITED)
        pid = anchor_clone(fd, become_called, &child);
    if (pid < 0 && fd >= 0)
        pid = fork_in_cgroup(fd);
    if (pid < 0) {
        child.in_cgroup = child.shares_descriptors = false;
        pid = fork();
    }
    if (pid == 0)
        become(&child);
    return pid;
}
