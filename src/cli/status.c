/* SPDX-License-Identifier: Apache-2.0 */
/* status, start, stop, restart, reload: questions and wishes to the keeper. */
#include "base/clock.h"
#include "base/log.h"
#include "base/option.h"
#include "base/text.h"
#include "cli/cli.h"
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum { SETTLE_MS_MAX = 60000 };

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t number_of(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static void print_json(const json_t *object) {
    AUTO_FREE char *text = json_dumps(object, JSON_COMPACT);
    puts(text ? text : "{}");
}

static const char *colour_of(const char *state) {
    static const char *const colours[][2] = {
        {"ready", "32"},   {"done", "32"},     {"failed", "31;1"}, {"backoff", "31"},
        {"stopped", "90"}, {"starting", "33"}, {"running", "32"},  {"scheduled", "36"},
        {"waiting", "33"}, {"stopping", "33"}};
    for (size_t i = 0; i < COUNT_OF(colours); i++)
        if (strcmp(state, colours[i][0]) == 0)
            return colours[i][1];
    return "0";
}

/* What one wants to know next: its own words while it runs, the reason while it does not. */
static const char *note_of(const json_t *service) {
    const char *state = text_of(service, "state"), *why = text_of(service, "why");
    if (json_object_get(service, "log_error"))
        return text_of(service, "log_error");
    if (text_of(service, "schedule")[0])
        return text_of(service, "schedule");
    if (strcmp(state, "ready") == 0)
        return text_of(service, "status_text");
    return strcmp(state, "stopped") == 0 ? "" : why;
}

static void print_service(const json_t *service, int width, bool colours) {
    char since[TEXT_DURATION_BYTES], pid[16] = "-";
    const char *state = text_of(service, "state");
    text_from_duration(number_of(service, "since_ms"), since);
    if (number_of(service, "pid"))
        snprintf(pid, sizeof pid, "%d", (int)number_of(service, "pid"));
    printf("%-*s  ", width, text_of(service, "name"));
    if (colours)
        printf("\033[%sm%-9s\033[0m", colour_of(state), state);
    else
        printf("%-9s", state);
    printf("  %7s  %-10s  %8lld  %s\n", pid, since, (long long)number_of(service, "restarts"),
           note_of(service));
}

static void print_table(const json_t *status) {
    bool colours = colours_wanted(STDOUT_FILENO);
    const json_t *services = json_object_get(status, "services");
    char up[TEXT_DURATION_BYTES];
    text_from_duration(number_of(status, "uptime_ms"), up);
    printf("%s: up %s, anchor %d, keeper %d%s\n", text_of(status, "name"), up,
           (int)number_of(status, "pid"), (int)number_of(status, "keeper_pid"),
           json_is_true(json_object_get(status, "stopping")) ? ", stopping" : "");
    printf("isolation: %s\n\n", text_of(status, "isolation"));
    int width = 7;
    size_t i;
    json_t *service;
    json_array_foreach(services, i, service) {
        int size = (int)strlen(text_of(service, "name"));
        width = size > width ? size : width;
    }
    printf("%-*s  %-9s  %7s  %-10s  %8s  %s\n", width, "SERVICE", "STATE", "PID", "SINCE",
           "RESTARTS", "NOTE");
    json_array_foreach(services, i, service) print_service(service, width, colours);
}

static void print_death(const json_t *death) {
    char life[TEXT_DURATION_BYTES];
    text_from_duration(number_of(death, "uptime_ms"), life);
    printf("  %.19s  pid %d, ", text_of(death, "time"), (int)number_of(death, "pid"));
    if (!json_is_true(json_object_get(death, "known")))
        printf("nobody saw how");
    else if (number_of(death, "signal"))
        printf("SIG%s", option_signal_name((int)number_of(death, "signal")));
    else
        printf("exit code %d", (int)number_of(death, "code"));
    printf(" after %s%s\n", life,
           json_is_true(json_object_get(death, "asked")) ? ", asked to" : "");
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(death, "last_lines"), i, line)
        printf("    | %s\n", json_string_value(line));
}

/* For a service asked about by name: how it ended before, the newest last. */
static void print_deaths(const json_t *status) {
    enum { DEATHS_SHOWN = 5 };
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(status, "services"), i, service) {
        const json_t *deaths = json_object_get(service, "deaths");
        size_t count = json_array_size(deaths);
        if (!deaths)
            continue;
        printf("\n%s: %s\n", text_of(service, "name"),
               count ? "how it ended before" : "has not ended yet");
        for (size_t k = count > DEATHS_SHOWN ? count - DEATHS_SHOWN : 0; k < count; k++)
            print_death(json_array_get(deaths, k));
    }
}

int command_status(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    int code = 0;
    json_t *names = json_array();
    for (char **word = cli->words; *word; word++)
        json_array_append_new(names, json_string(*word));
    json_t *request = json_pack("{s:i,s:s,s:o}", "id", 1, "do", "status", "services", names);
    json_t *status = keeper_ask(places.run, request, &code);
    if (!status)
        return code;
    if (cli->json)
        print_json(status);
    else
        print_table(status), print_deaths(status);
    json_decref(status);
    return 0;
}

/* ---- wishes ---- */

static bool is_named(const struct cli *cli, const char *name) {
    for (char **word = cli->words; *word; word++)
        if (strcmp(*word, name) == 0 || strcmp(*word, "all") == 0)
            return true;
    return false;
}

static bool is_passing(const json_t *service) {
    const char *state = text_of(service, "state");
    return strcmp(state, "starting") == 0 || strcmp(state, "stopping") == 0;
}

/* Asks until no named service is on its way; returns the last status. */
static json_t *wait_settled(const struct cli *cli, const char *run, int *ret_exit) {
    int64_t end = clock_ms() + SETTLE_MS_MAX;
    for (;;) {
        json_t *status = keeper_ask(run, json_pack("{s:i,s:s}", "id", 1, "do", "status"), ret_exit);
        const json_t *services = json_object_get(status, "services");
        bool passing = false;
        size_t i;
        json_t *service;
        json_array_foreach(services, i, service) passing |=
            is_named(cli, text_of(service, "name")) && is_passing(service);
        if (!status || !passing || clock_ms() >= end)
            return status;
        json_decref(status);
        poll(NULL, 0, 50);
    }
}

static void print_settled(const struct cli *cli, const json_t *status) {
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(status, "services"), i, service) {
        if (!is_named(cli, text_of(service, "name")))
            continue;
        const char *note = note_of(service);
        printf("%s: %s%s%s\n", text_of(service, "name"), text_of(service, "state"),
               note[0] ? ", " : "", note);
    }
}

static int wish(const struct cli *cli, const char *what) {
    if (!cli->words[0])
        fatal(EX_USAGE, "%s what? name services, or 'all'", what);
    AUTO_PLACES struct places places = places_find(cli);
    json_t *names = json_array();
    bool all = false;
    for (char **word = cli->words; *word; word++) {
        if (strcmp(*word, "all") == 0)
            all = true;
        else
            json_array_append_new(names, json_string(*word));
    }
    json_t *request =
        json_pack("{s:i,s:s,s:o,s:b}", "id", 1, "do", what, "services", names, "all", all);
    int code = 0;
    json_t *answer = keeper_ask(places.run, request, &code);
    json_t *status = answer ? wait_settled(cli, places.run, &code) : NULL;
    if (status && cli->json)
        print_json(status);
    else if (status)
        print_settled(cli, status);
    json_decref(answer);
    json_decref(status);
    return code;
}

int command_start(const struct cli *cli) {
    return wish(cli, "start");
}

int command_stop(const struct cli *cli) {
    return wish(cli, "stop");
}

int command_restart(const struct cli *cli) {
    return wish(cli, "restart");
}

int command_reload(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    int code = 0;
    json_t *answer = keeper_ask(places.run, json_pack("{s:i,s:s}", "id", 1, "do", "reload"), &code);
    if (answer)
        puts(cli->json ? "{\"reloaded\":true}" : "the config is in force");
    json_decref(answer);
    return code;
}
