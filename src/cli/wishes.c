/* SPDX-License-Identifier: Apache-2.0 */
/* start, stop, restart, reload: wishes to the keeper. */
#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/screen.h"
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>

enum { SETTLE_MS_MAX = 60000 };

static bool is_named(const struct cli *cli, const char *name) {
    for (char **word = cli->words; *word; word++)
        if (strcmp(*word, name) == 0 || strcmp(*word, "all") == 0)
            return true;
    return false;
}

static bool is_passing(const json_t *service) {
    const char *state = json_text(service, "state");
    static const char *const passing[] = {"preparing", "starting", "stopping", "cleaning"};
    bool found = false;
    for (size_t i = 0; i < COUNT_OF(passing); i++)
        found |= strcmp(state, passing[i]) == 0;
    return found;
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
            is_named(cli, json_text(service, "name")) && is_passing(service);
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
        if (!is_named(cli, json_text(service, "name")))
            continue;
        AUTO_FREE char *note = cells_cut(service_note(service), INT_MAX);
        printf("%s: %s%s%s\n", json_text(service, "name"), json_text(service, "state"),
               note[0] ? ", " : "", note);
    }
}

static int wish(const struct cli *cli, const char *what) {
    if (!cli->words[0])
        fatal(EX_USAGE, "%s what? name services, or 'all'", what);
    AUTO_PLACES struct places places = places_find(cli);
    bool all = false;
    for (char **word = cli->words; *word; word++)
        all |= strcmp(*word, "all") == 0;
    json_t *request = json_pack("{s:i,s:s,s:o,s:b}", "id", 1, "do", what, "services",
                                all ? json_array() : names_json(cli->words), "all", all);
    int code = 0;
    json_t *answer = keeper_ask(places.run, request, &code);
    json_t *status = answer ? wait_settled(cli, places.run, &code) : NULL;
    screen_init();
    if (status && !cli->json)
        print_settled(cli, status);
    else if (status)
        json_print(json_incref(status));
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
