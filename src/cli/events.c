/* SPDX-License-Identifier: Apache-2.0 */
/* events: what the keeper has seen and done, and what follows. */
#include "base/log.h"
#include "cli/cli.h"
#include "cli/screen.h"
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum { PING_ID = 2 };

struct watch {
    const struct cli *cli;
    struct keeper_stream stream;
    bool colours;
    int64_t last;  /* number of the newest that was seen */
    json_t *first; /* what was there at the start, until it is printed; then NULL */
};

static const char *colour_of(const char *what) {
    static const char *const colours[][2] = {
        {"failed", "31;1"}, {"unhealthy", "31;1"}, {"exited", "31"},          {"restarting", "33"},
        {"ready", "32"},    {"done", "32"},        {"stopped", "90"},         {"started", "36"},
        {"config", "35"},   {"stopping", "33"},    {"keeper_restarted", "33"}};
    for (size_t i = 0; i < COUNT_OF(colours); i++)
        if (strcmp(what, colours[i][0]) == 0)
            return colours[i][1];
    return "0";
}

static bool is_wanted(const struct watch *watch, const json_t *event) {
    const char *service = json_text(event, "service");
    char **word = watch->cli->words;
    for (; *word; word++)
        if (strcmp(*word, service) == 0)
            return true;
    return watch->cli->words[0] == NULL;
}

/* Whole lines, also longer than the terminal: the reason is what one came for. */
static void print_event(const struct watch *watch, json_t *event) {
    const char *what = json_text(event, "what"), *service = json_text(event, "service");
    if (watch->cli->json) {
        json_print(json_incref(event));
        return;
    }
    char when[SCREEN_TIME_BYTES];
    screen_time(json_text(event, "time"), time(NULL), when);
    AUTO_FREE char *text = cells_cut(json_text(event, "text"), INT32_MAX);
    AUTO_FREE char *name = cells_fit(service[0] ? service : "(keeper)", 12, false);
    AUTO_FREE char *whole = cells_width(service) > 12 ? text_copy(service) : TAKE(name);
    bool colours = watch->colours;
    printf("%s%s%s  %s  %s%s%s%-10s%s  %s\n", colours ? "\033[90m" : "", when,
           colours ? "\033[0m" : "", whole, colours ? "\033[" : "", colours ? colour_of(what) : "",
           colours ? "m" : "", what, colours ? "\033[0m" : "", text);
}

static void take_event(struct watch *watch, json_t *event) {
    int64_t number = json_number(event, "number");
    if (number <= watch->last)
        return;
    watch->last = number;
    if (!is_wanted(watch, event))
        return;
    if (watch->first)
        json_array_append(watch->first, event);
    else
        print_event(watch, event);
}

static void print_first(struct watch *watch) {
    size_t count = json_array_size(watch->first),
           lines = watch->cli->lines ? (size_t)watch->cli->lines : 20;
    for (size_t i = count > lines ? count - lines : 0; i < count; i++)
        print_event(watch, json_array_get(watch->first, i));
    json_decref(watch->first);
    watch->first = NULL;
}

static int ask(struct watch *watch) {
    json_t *events = json_pack("{s:i,s:s,s:I,s:b}", "id", 1, "do", "events", "after",
                               (json_int_t)watch->last, "follow", watch->cli->follow);
    int r = keeper_stream_send(&watch->stream, events);
    /* Its answer comes behind all events that are there already. */
    return r < 0 ? r
                 : keeper_stream_send(&watch->stream,
                                      json_pack("{s:i,s:s}", "id", PING_ID, "do", "ping"));
}

/* False at the end of what was there, true when the connection ended. */
static bool take_lines(struct watch *watch) {
    for (json_t *line; (line = keeper_stream_next(&watch->stream)); json_decref(line)) {
        json_t *event = json_object_get(line, "event");
        if (event)
            take_event(watch, event);
        if (json_number(line, "id") == PING_ID) {
            json_decref(line);
            return false;
        }
    }
    return true;
}

/* Until the keeper goes away; it may be quiet for as long as it likes. */
static void follow(struct watch *watch) {
    struct pollfd ready = {.fd = watch->stream.fd, .events = POLLIN};
    for (;;) {
        for (json_t *line; (line = keeper_stream_take(&watch->stream)); json_decref(line))
            if (json_object_get(line, "event"))
                take_event(watch, json_object_get(line, "event"));
        fflush(stdout);
        if (ferror(stdout) || (poll(&ready, 1, -1) > 0 && keeper_stream_fill(&watch->stream) < 0))
            return;
    }
}

/* A keeper that was killed is back soon, and knows what came after the last one we saw. */
static bool connect_again(struct watch *watch, const char *run) {
    enum { TRIES = 60, PAUSE_MS = 500 };
    keeper_stream_close(&watch->stream);
    for (int i = 0; i < TRIES; i++) {
        if (keeper_stream_open(&watch->stream, run) == 0)
            return true;
        poll(NULL, 0, PAUSE_MS);
    }
    fprintf(stderr, "holdfast: the keeper has gone; `holdfast up` starts it again\n");
    return false;
}

static int refuse_unknown(const struct places *places, const struct cli *cli) {
    int code = 0;
    json_t *status = keeper_ask(
        places->run,
        json_pack("{s:i,s:s,s:o}", "id", 1, "do", "status", "services", names_json(cli->words)),
        &code);
    json_decref(status);
    return code;
}

int command_events(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    struct watch watch = {.cli = cli,
                          .stream = {.fd = -1},
                          .colours = colours_wanted(STDOUT_FILENO),
                          .first = json_array()};
    screen_init();
    places_use_timezone(&places);
    int code = refuse_unknown(&places, cli); /* a wrong name, or nobody there, is said as ever */
    int r = code ? -1 : keeper_stream_open(&watch.stream, places.run);
    bool lost = r < 0 || ask(&watch) < 0 || take_lines(&watch);
    print_first(&watch);
    while (code == 0 && cli->follow && !ferror(stdout)) {
        if (!lost)
            follow(&watch);
        lost = ferror(stdout) || !connect_again(&watch, places.run);
        if (lost)
            break;
        lost = ask(&watch) < 0 || take_lines(&watch);
    }
    keeper_stream_close(&watch.stream);
    return code ? code : lost ? EX_UNAVAILABLE : 0;
}
