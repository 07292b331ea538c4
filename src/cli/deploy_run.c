/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"
#include "cli/deploy.h"
#include "wire/config.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OUTPUT_BYTES_MAX = 1 << 20,
    PRINTED_BYTES_MAX = 8192,
    PAUSE_MS = 100,
    STOP_SLACK_MS = 15000, /* beside stop_timeout: sweeping, and a slow machine */
};

/* ---- commands ---- */

/* As the anchor starts the service itself, with `folder` instead of its own. */
static _Noreturn void become(const struct service_config *service, const char *folder,
                             char *const *argv, int output) {
    const struct passwd *user = service->user && geteuid() == 0 ? getpwnam(service->user) : NULL;
    int null = open("/dev/null", O_RDONLY);
    setsid(); /* a Ctrl-C of ours lets it end what it began; it holds the lock until then */
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    if (user && (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
                 setuid(user->pw_uid) < 0))
        dprintf(STDERR_FILENO, "cannot become %s: %s\n", service->user, strerror(errno)),
            _exit(126);
    if (chdir(folder) < 0)
        dprintf(STDERR_FILENO, "cannot enter %s: %s\n", folder, strerror(errno)), _exit(126);
    if (user)
        setenv("HOME", user->pw_dir, 1);
    execvpe(argv[0], argv, config_service_env(service));
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Keeps the end of what comes. */
static void keep_output(struct buffer *output, const char *bytes, size_t size) {
    if (output->size + size > OUTPUT_BYTES_MAX)
        output->size = 0;
    buffer_add(output, bytes, size);
}

/* Until the end of the output, of the process, or of its time; false: the last. A child that it
 * left in the background may hold the pipe: that one is not waited for. */
static bool read_output(struct deploy *deploy, int fd, pid_t pid, int *ret_status) {
    int64_t end = clock_ms() + deploy->service->deploy.timeout_ms;
    char bytes[4096];
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        bool ended = waitpid(pid, ret_status, WNOHANG) == pid;
        (void)poll(&ready, 1, ended ? 0 : PAUSE_MS);
        ssize_t n = ready.revents ? read(fd, bytes, sizeof bytes) : -1;
        if (n > 0)
            keep_output(&deploy->output, bytes, (size_t)n);
        else if (ended)
            return true;
        else if (n == 0)
            poll(NULL, 0, PAUSE_MS / 10);
        if (clock_ms() > end)
            return false;
    }
}

int deploy_run(struct deploy *deploy, const char *folder, char *const *argv) {
    int pipe_fds[2], status = 0;
    deploy->output.size = 0;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    AUTO_FD int output = pipe_fds[0];
    pid_t pid = fork();
    if (pid == 0)
        become(deploy->service, folder, argv, pipe_fds[1]);
    close(pipe_fds[1]);
    if (pid < 0)
        return -errno;
    if (!read_output(deploy, output, pid, &status)) {
        kill(-pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        return -ETIMEDOUT;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void deploy_print_output(struct deploy *deploy) {
    struct buffer *output = &deploy->output;
    if (output->size == 0)
        return;
    secret_mask(output->data, output->size);
    size_t start = output->size > PRINTED_BYTES_MAX ? output->size - PRINTED_BYTES_MAX : 0;
    fwrite(output->data + start, 1, output->size - start, stderr);
    if (output->data[output->size - 1] != '\n')
        fputc('\n', stderr);
}

/* ---- the restart ---- */

struct sight { /* of the service */
    char state[16];
    int64_t pid, exits, since_ms;
    char *why;
};

static bool look(const struct deploy *deploy, const char *name, struct sight *ret) {
    json_t *status = keeper_try(deploy->config->run, json_pack("{s:i,s:s,s:[s]}", "id", 1, "do",
                                                               "status", "services", name));
    const json_t *service = json_array_get(json_object_get(status, "services"), 0);
    const char *state = json_string_value(json_object_get(service, "state"));
    const char *why = json_string_value(json_object_get(service, "why"));
    free(ret->why);
    *ret = (struct sight){.pid = json_integer_value(json_object_get(service, "pid")),
                          .exits = json_integer_value(json_object_get(service, "exits")),
                          .since_ms = json_integer_value(json_object_get(service, "since_ms")),
                          .why = text_copy(why ? why : "")};
    snprintf(ret->state, sizeof ret->state, "%s", state ? state : "");
    json_decref(status);
    return state != NULL;
}

/* 1: ready, and has stayed so; -1: it died or will not come; 0: not yet. */
static int judge(const struct sight *before, const struct sight *now, int64_t stays_ms) {
    int64_t ended = now->exits - before->exits;
    bool new_life = now->pid && now->pid != before->pid;
    if (ended > (before->pid ? 1 : 0) || strcmp(now->state, "failed") == 0 ||
        strcmp(now->state, "backoff") == 0)
        return -1;
    if (strcmp(now->state, "done") == 0 && ended > 0)
        return 1;
    return new_life && strcmp(now->state, "ready") == 0 && now->since_ms >= stays_ms;
}

static bool restart_one(const struct deploy *deploy, const struct service_config *service,
                        char **ret_why) {
    struct sight before = {0}, now = {0};
    int code = 0, verdict = 0;
    (void)look(deploy, service->name, &before);
    json_t *answer = keeper_ask(
        deploy->config->run,
        json_pack("{s:i,s:s,s:[s]}", "id", 1, "do", "restart", "services", service->name), &code);
    int64_t end = clock_ms() + service->stop_timeout_ms + service->start_timeout_ms +
                  service->restart.delay_ms + STOP_SLACK_MS + service->deploy.stays_ms;
    while (answer && verdict == 0 && clock_ms() < end) {
        poll(NULL, 0, PAUSE_MS);
        if (look(deploy, service->name, &now))
            verdict = judge(&before, &now, service->deploy.stays_ms);
    }
    *ret_why = !answer        ? text_copy("the keeper refuses to restart it")
               : verdict == 0 ? text_format("not ready in time (%s)", now.state)
                              : text_format("%s: %s", now.state, now.why ? now.why : "");
    json_decref(answer);
    free(before.why);
    free(now.why);
    return verdict > 0;
}

bool deploy_restart(struct deploy *deploy, bool back, char **ret_why) {
    /* An interrupted deploy may have restarted others. */
    size_t most = back && !deploy->interrupted ? deploy->restarted : SIZE_MAX, count = 0;
    bool well = true;
    for (size_t i = 0; i < deploy->config->service_count && count < most && (well || back); i++) {
        const struct service_config *service = &deploy->config->services[i];
        AUTO_FREE char *why = NULL;
        if (!service_is_called(service, deploy->name))
            continue;
        deploy->restarted = back ? deploy->restarted : count + 1;
        count++;
        if (restart_one(deploy, service, &why))
            continue;
        free(*ret_why);
        *ret_why = service->group ? text_format("%s: %s", service->name, why) : TAKE(why);
        deploy->unwell = service;
        well = false;
    }
    return well;
}
