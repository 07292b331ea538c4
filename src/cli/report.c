/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report.h"
#include "base/buffer.h"
#include "cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void add(struct report *report, json_t *finding) {
    if (!report->list)
        report->list = json_array();
    report->bad += !json_is_true(json_object_get(finding, "fine"));
    json_array_append_new(report->list, finding);
}

void report_add(struct report *report, const char *what, const char *advice, const char *format,
                ...) {
    char *text = NULL;
    va_list words;
    va_start(words, format);
    int n = vasprintf(&text, format, words);
    va_end(words);
    json_t *finding = n < 0 ? NULL
                            : json_pack("{s:s,s:b,s:s,s:s}", "what", what, "fine", advice == NULL,
                                        "text", text, "advice", advice ? advice : "");
    if (finding)
        add(report, finding);
    free(n < 0 ? NULL : text);
}

/* ---- the programs that talk to the outside ---- */

/* Its output, or why there is none. */
static int run_and_read(char *const *argv, struct buffer *ret) {
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], STDOUT_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    close(pipe_fds[1]);
    AUTO_FD int fd = pipe_fds[0];
    char bytes[4096];
    for (ssize_t n; pid > 0 && ((n = read(fd, bytes, sizeof bytes)) > 0 || errno == EINTR);)
        if (n > 0)
            buffer_add(ret, bytes, (size_t)n);
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void add_program(struct report *report, const struct config *config, const char *name,
                        bool running) {
    AUTO_FREE char *folder = program_folder();
    AUTO_FREE char *path = text_format("%s/%s", folder, name);
    char *argv[] = {path,
                    "--check-online",
                    "--config",
                    config->path,
                    "--run",
                    config->run,
                    running ? "--running" : NULL,
                    NULL};
    AUTO_BUFFER struct buffer output = {0};
    int r = run_and_read(argv, &output);
    char *rest = output.data;
    for (char *line; rest && (line = strsep(&rest, "\n"));) {
        json_t *finding = *line ? json_loads(line, 0, NULL) : NULL;
        if (json_is_string(json_object_get(finding, "what")))
            add(report, json_incref(finding));
        json_decref(finding);
    }
    if (r == 127)
        report_add(report, name, "install it: the package is not whole", "%s is not there", path);
    else if (r != 0)
        report_add(report, name, "run it by hand to see why, with --check-online",
                   "its check ended with %d", r);
}

void report_add_online(struct report *report, const struct config *config, bool running) {
    if (config->bot_count)
        add_program(report, config, "holdfast-hub", running);
    else
        report_add(report, "Telegram", NULL, "no bots: in the config");
    if (config->trader.bot)
        add_program(report, config, "holdfast-trader", false);
}

/* ---- for people and programs ---- */

static const char *text_of(const json_t *finding, const char *name) {
    const char *text = json_string_value(json_object_get(finding, name));
    return text ? text : "";
}

int report_print(const struct report *report, bool json, bool all) {
    bool colours = colours_wanted(STDOUT_FILENO);
    size_t i;
    json_t *finding;
    if (json) {
        json_t *whole = json_pack("{s:b,s:O}", "fine", report->bad == 0, "findings", report->list);
        AUTO_FREE char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
        puts(text ? text : "{\"fine\":true,\"findings\":[]}");
        json_decref(whole);
    }
    json_array_foreach(report->list, i, finding) {
        bool fine = json_is_true(json_object_get(finding, "fine"));
        if (json || (fine && !all))
            continue;
        printf("%s%s%s  %s: %s\n", colours ? (fine ? "\033[32m" : "\033[31;1m") : "",
               fine ? "ok   " : "WRONG", colours ? "\033[0m" : "", text_of(finding, "what"),
               text_of(finding, "text"));
        if (!fine)
            printf("       -> %s\n", text_of(finding, "advice"));
    }
    if (!json && all && report->bad)
        printf("%zu of %zu wrong\n", report->bad, json_array_size(report->list));
    else if (!json && all)
        puts("all is well");
    return report->bad ? 1 : 0;
}

void report_deinit(struct report *report) {
    json_decref(report->list);
    *report = (struct report){0};
}
