/* SPDX-License-Identifier: Apache-2.0 */
/* up and down: becoming the anchor, and asking it to end. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "wire/config.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { DOWN_MS_MAX = 300000, DETACH_MS_MAX = 15000 };

static void make_folder(const char *path, mode_t mode, const char *what) {
    int r = folder_make(path, mode);
    if (r == 0 && access(path, W_OK) < 0)
        r = -errno;
    if (r < 0)
        fatal(EX_CANTCREAT,
              "the %s folder %s cannot be %s: %s; make it writable for you, or set "
              "%s to another place",
              what, path, r == -EACCES || r == -EROFS ? "written" : "made", strerror(-r),
              strcmp(what, "data") == 0 ? "data:" : "--run");
}

static void stop_holder(const struct config *config) {
    int code = 0;
    json_t *answer = keeper_ask(config->run, json_pack("{s:i,s:s}", "id", 1, "do", "down"), &code);
    if (!answer)
        exit(code);
    json_decref(answer);
    if (!keeper_wait_gone(config->run, DOWN_MS_MAX))
        fatal(EX_UNAVAILABLE, "the running one did not end within 5 minutes");
}

/* Held by the anchor for its whole life through the inherited descriptor. */
static int take_lock(const struct config *config, bool replace) {
    AUTO_FREE char *path = path_join(config->data, "lock");
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        fatal(EX_CANTCREAT, "%s cannot be opened: %s", path, strerror(errno));
    int r = flock(fd, LOCK_EX | LOCK_NB);
    if (r < 0 && replace) {
        stop_holder(config);
        for (int i = 0; i < 100 && (r = flock(fd, LOCK_EX | LOCK_NB)) < 0; i++)
            poll(NULL, 0, 50);
    }
    if (r < 0) {
        char pid[32] = "";
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = 0;
        fatal(EX_UNAVAILABLE,
              "already running: process %s holds %s; `holdfast status` shows it, "
              "`holdfast up --replace` takes over",
              pid[0] ? pid : "?", path);
    }
    return fd;
}

/* The lock is ours, and still somebody answers: a keeper whose anchor was killed. It ends by
 * itself, unless it hangs; then it must go, or it would write its old state over the new one one
 * day. */
static void end_lost_keeper(const struct config *config) {
    enum { PATIENCE_MS = 3000 };
    struct ucred peer;
    socklen_t size = sizeof peer;
    AUTO_FD int fd = keeper_connect(config->run);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 1)
        return;
    AUTO_FD int process = (int)syscall(SYS_pidfd_open, peer.pid, 0);
    struct pollfd gone = {.fd = process, .events = POLLIN};
    if (process < 0 || poll(&gone, 1, PATIENCE_MS) > 0)
        return;
    log_warning("a keeper without an anchor (process %d) hangs: it is killed; its services go on",
                (int)peer.pid);
    (void)syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
    (void)poll(&gone, 1, PATIENCE_MS);
}

static void write_holder(int fd) {
    char pid[32];
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        fatal(EX_IOERR, "the lock in the data folder cannot be written: %s", strerror(errno));
}

static void add_program_folder_to_path(const char *folder) {
    const char *path = getenv("PATH");
    AUTO_FREE char *both =
        text_format("%s:%s", path ? path : "/usr/local/bin:/usr/bin:/bin", folder);
    setenv("PATH", both, 1);
}

/* "began" tells a keeper that this `up` has already brought everything up. */
static void mark_start(const struct config *config) {
    AUTO_FREE char *began = path_join(config->run, "began");
    unlink(began);
    AUTO_FREE char *path = path_join(config->run, "up");
    int r = file_replace_fast(path, slice_of(""), 0600);
    if (r < 0)
        fatal(EX_CANTCREAT, "%s cannot be written: %s", path, strerror(-r));
}

static _Noreturn void become_anchor(const struct config *config) {
    AUTO_FREE char *folder = program_folder();
    add_program_folder_to_path(folder);
    char *anchor = text_format("%s/holdfast-anchor", folder);
    char *keeper = text_format("%s/holdfast-keeper", folder);
    char *argv[] = {anchor,      config->run, keeper,       "--run",
                    config->run, "--config",  config->path, NULL};
    execv(anchor, argv);
    fatal(EX_OSFILE, "%s cannot be run: %s; the installation is not whole", anchor,
          strerror(errno));
}

static void print_start(const struct config *config) {
    fprintf(stderr, "holdfast %s: %s, %zu service%s, data in %s\n", HOLDFAST_VERSION, config->name,
            config->service_count, config->service_count == 1 ? "" : "s", config->data);
}

/* What was said before any keeper could put it into the log. */
static void print_what_is_there(int fd) {
    char bytes[65536];
    struct pollfd there = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&there, 1, 0) > 0 ? read(fd, bytes, sizeof bytes) : 0;
    if (n > 0)
        (void)!write(STDERR_FILENO, bytes, (size_t)n);
}

/* The parent waits until the keeper answers, so that what follows on the same line finds it. */
static int wait_for_child(const struct config *config, pid_t pid, int output) {
    int64_t end = clock_ms() + DETACH_MS_MAX;
    while (clock_ms() < end) {
        int status = 0;
        AUTO_FD int fd = keeper_connect(config->run);
        if (fd >= 0)
            return 0;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            print_what_is_there(output);
            return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
        }
        poll(NULL, 0, 10);
    }
    print_what_is_there(output);
    fprintf(stderr, "holdfast: not up after 15 s; see %s/logs/holdfast.log\n", config->data);
    return EX_SOFTWARE;
}

/* A FIFO that the keeper reads into logs/holdfast.log like the log of a service: rotated, and a
 * disk that hangs stops nobody. Open for both ways, so that what is in it outlives a keeper. */
static int open_output(const struct config *config) {
    AUTO_FREE char *folder = path_join(config->run, "log");
    AUTO_FREE char *path = path_join(folder, "holdfast.fifo");
    int r = folder_make(folder, 0711);
    if (r == 0 && mkfifo(path, 0600) < 0 && errno != EEXIST)
        r = -errno;
    int fd = r < 0 ? r : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fatal(EX_CANTCREAT, "%s cannot be opened: %s", path, strerror(r < 0 ? -r : errno));
    return fd;
}

static void redirect_output(int fd) {
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
}

/* The kernel drops what the first process of a container neither blocks nor handles: a stop that
 * comes this early would be lost. Blocked, it waits for the anchor, which inherits both. */
static void hold_signals_as_pid_1(void) {
    sigset_t set;
    if (getpid() != 1)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

int command_up(const struct cli *cli) {
    hold_signals_as_pid_1();
    struct config *config = config_load_or_exit(cli->config_path, cli->run);
    struct config_errors errors = {0};
    /* One missing program must not keep the others down, least of all after a reboot: it is said,
     * and that service fails by itself. */
    check_machine(config, &errors);
    (void)check_report(&errors, false);
    config_errors_deinit(&errors);
    make_folder(config->data, 0750, "data");
    make_folder(config->run, 0711, "run");
    int lock = take_lock(config, cli->replace);
    if (cli->detach) {
        int output = open_output(config);
        pid_t pid = fork(); /* the lock goes along */
        if (pid != 0) {
            int code = pid < 0 ? EX_OSERR : wait_for_child(config, pid, output);
            if (cli->json)
                printf("{\"up\":%s}\n", code == 0 ? "true" : "false");
            config_free(config);
            return code;
        }
        setsid();
        redirect_output(output);
    }
    end_lost_keeper(config);
    write_holder(lock);
    mark_start(config);
    print_start(config);
    become_anchor(config);
}

/* The anchor ends just after the keeper; then the next `up` finds the folder free. */
static bool wait_unlocked(const struct places *places) {
    AUTO_FREE char *path = path_join(places->data, "lock");
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < 250; i++) {
        if (flock(fd, LOCK_SH | LOCK_NB) == 0)
            return true;
        poll(NULL, 0, 20);
    }
    return fd < 0;
}

int command_down(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    int code = 0;
    json_t *answer = keeper_ask(places.run, json_pack("{s:i,s:s}", "id", 1, "do", "down"), &code);
    if (!answer)
        return code;
    json_decref(answer);
    bool gone = keeper_wait_gone(places.run, DOWN_MS_MAX) && wait_unlocked(&places);
    if (cli->json)
        printf("{\"down\":%s}\n", gone ? "true" : "false");
    else
        puts(gone ? "down" : "still stopping after 5 minutes; `holdfast status` shows what");
    return gone ? 0 : EX_TEMPFAIL;
}
