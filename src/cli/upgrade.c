/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade: anchor and keeper become the programs that are installed now, then Holdfast's own
 * services are restarted; nobody else's notices. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { NEXT_MS_MAX = 30000 };

/* What a program says of its version; NULL when it cannot run. */
static char *version_of(const char *folder, const char *program) {
    AUTO_FREE char *path = text_format("%s/%s", folder, program);
    char line[64] = "";
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(path, path, "--version", NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t n = pid > 0 ? read(ends[0], line, sizeof line - 1) : -1;
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || n <= 0)
        return NULL;
    line[strcspn(line, "\n")] = 0;
    return text_copy(line);
}

/* A program that does not run at all must not be tried under running services. */
static void check_programs(const char *folder) {
    static const char *const programs[] = {"holdfast-anchor", "holdfast-keeper"};
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        AUTO_FREE char *version = version_of(folder, programs[i]);
        if (!version)
            fatal(EX_OSFILE, "%s/%s does not run; nothing was replaced. Install it again", folder,
                  programs[i]);
        if (strcmp(version, HOLDFAST_VERSION) != 0)
            fatal(EX_OSFILE,
                  "%s/%s is version %s and this command is %s: the installation is not whole; "
                  "nothing was replaced",
                  folder, programs[i], version, HOLDFAST_VERSION);
    }
}

static json_t *ask(const struct places *places, const char *what, int *ret_code) {
    return keeper_ask(places->run, json_pack("{s:i,s:s}", "id", 1, "do", what), ret_code);
}

/* The status of the next keeper; NULL when none came. */
static json_t *wait_for_next(const struct places *places, int64_t former_pid) {
    int64_t end = clock_ms() + NEXT_MS_MAX;
    while (clock_ms() < end) {
        AUTO_FD int fd = keeper_connect(places->run);
        int code = 0;
        json_t *status = fd >= 0 ? ask(places, "status", &code) : NULL;
        if (status && json_number(status, "keeper_pid") != former_pid)
            return status;
        json_decref(status);
        poll(NULL, 0, 20);
    }
    return NULL;
}

static int restart_own(const struct places *places, const json_t *status, size_t *ret_others) {
    json_t *names = json_array();
    size_t i;
    json_t *service;
    *ret_others = 0;
    json_array_foreach(json_object_get(status, "services"), i, service) {
        bool runs = json_number(service, "pid") > 0;
        if (runs && json_is_true(json_object_get(service, "own")))
            json_array_append(names, json_object_get(service, "name"));
        else
            *ret_others += runs;
    }
    int code = 0;
    if (json_array_size(names) == 0) {
        json_decref(names);
        return 0;
    }
    json_t *request = json_pack("{s:i,s:s,s:o}", "id", 1, "do", "restart", "services", names);
    json_decref(keeper_ask(places->run, request, &code));
    return code;
}

int command_upgrade(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    AUTO_FREE char *folder = program_folder();
    int code = 0;
    size_t others = 0;
    check_programs(folder);
    json_t *before = ask(&places, "status", &code);
    json_t *answer = before ? ask(&places, "upgrade", &code) : NULL;
    if (!answer) {
        json_decref(before);
        return code;
    }
    json_t *after = wait_for_next(&places, json_number(before, "keeper_pid"));
    if (!after) {
        fprintf(stderr,
                "holdfast: services run on, and no keeper has answered for 30 s; see "
                "%s/logs/holdfast.log or the terminal of `holdfast up`\n",
                places.data);
        code = EX_SOFTWARE;
    } else {
        code = restart_own(&places, after, &others);
    }
    const char *old = json_string_value(json_object_get(before, "version"));
    const char *new = json_string_value(json_object_get(after, "version"));
    if (after && cli->json)
        printf("{\"from\":\"%s\",\"to\":\"%s\",\"services_running_on\":%zu}\n", old, new, others);
    else if (after)
        printf("upgraded from %s to %s; %zu service%s ran on\n", old, new, others,
               others == 1 ? "" : "s");
    json_decref(before);
    json_decref(answer);
    json_decref(after);
    return code;
}
