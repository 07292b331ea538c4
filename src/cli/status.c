/* SPDX-License-Identifier: Apache-2.0 */
/* status: is everything all right, and if not, what to do. */
#include "base/option.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/screen.h"
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* ---- the table ---- */

enum column { NAME, STATE, SINCE, RESTARTS, PID, NOTE, COLUMN_COUNT };
static const struct {
    const char *title;
    int width; /* 0: as wide as what is in it */
    bool right;
} columns[COLUMN_COUNT] = {
    [NAME] = {"SERVICE", 0, false},     [STATE] = {"STATE", 9, false}, [SINCE] = {"SINCE", 9, true},
    [RESTARTS] = {"RESTARTS", 8, true}, [PID] = {"PID", 7, true},      [NOTE] = {"NOTE", 0, false}};
enum { GAP = 2, NOTE_MIN = 16 };

/* How it is shown: width 0 of a column leaves it out. */
struct layout {
    const struct cli *cli;
    const struct places *places;
    int screen; /* columns of the terminal; 0: none, nothing is cut */
    bool colours;
    int width[COLUMN_COUNT];
};

static struct layout layout_of(const struct cli *cli, const struct places *places,
                               const json_t *services) {
    struct layout layout = {.cli = cli,
                            .places = places,
                            .screen = screen_columns(STDOUT_FILENO),
                            .colours = colours_wanted(STDOUT_FILENO)};
    int used = 0;
    size_t i;
    json_t *service;
    for (int c = 0; c < NOTE; c++)
        layout.width[c] = columns[c].width;
    layout.width[NAME] = (int)strlen(columns[NAME].title);
    json_array_foreach(services, i, service) {
        int size = cells_width(json_text(service, "name"));
        layout.width[NAME] = size > layout.width[NAME] ? size : layout.width[NAME];
    }
    for (int c = 0; c < NOTE; c++)
        used += layout.width[c] + GAP;
    /* In a narrow terminal the note matters more than the numbers. */
    static const enum column dropped[] = {PID, RESTARTS, SINCE};
    for (size_t k = 0; k < COUNT_OF(dropped) && layout.screen && layout.screen - used < NOTE_MIN;
         k++) {
        used -= layout.width[dropped[k]] + GAP;
        layout.width[dropped[k]] = 0;
    }
    layout.width[NOTE] = layout.screen ? layout.screen - used : 0;
    if (layout.screen && layout.width[NOTE] < 1) {
        layout.width[NAME] += layout.width[NOTE] - 1;
        layout.width[NOTE] = 1;
    }
    return layout;
}

static void print_cell(const struct layout *layout, enum column column, const char *text,
                       const char *colour) {
    bool last = column == NOTE, coloured = layout->colours && colour;
    if (!layout->width[column] && !last)
        return;
    int width = layout->width[column] ? layout->width[column] : cells_width(text);
    AUTO_FREE char *cell =
        last ? cells_cut(text, width) : cells_fit(text, width, columns[column].right);
    printf("%s%s%s%s%s%s", column == NAME || (last && !text[0]) ? "" : "  ",
           coloured ? "\033[" : "", coloured ? colour : "", coloured ? "m" : "", cell,
           coloured ? "\033[0m" : "");
}

static void print_row(const struct layout *layout, const json_t *service) {
    char since[SCREEN_SHORT_BYTES], pid[16] = "-", restarts[24];
    const char *state = json_text(service, "state");
    screen_short_duration(json_number(service, "since_ms"), since);
    snprintf(restarts, sizeof restarts, "%lld", (long long)json_number(service, "restarts"));
    if (json_number(service, "pid"))
        snprintf(pid, sizeof pid, "%d", (int)json_number(service, "pid"));
    print_cell(layout, NAME, json_text(service, "name"), NULL);
    print_cell(layout, STATE, state, state_colour(state));
    print_cell(layout, SINCE, since, NULL);
    print_cell(layout, RESTARTS, restarts, strcmp(restarts, "0") == 0 ? "90" : NULL);
    print_cell(layout, PID, pid, NULL);
    print_cell(layout, NOTE, service_note(service), NULL);
    puts("");
}

static void print_rows(const struct layout *layout, const json_t *services) {
    size_t i;
    json_t *service;
    for (int c = 0; c < COLUMN_COUNT; c++)
        print_cell(layout, (enum column)c, columns[c].title, "90");
    puts("");
    json_array_foreach(services, i, service) print_row(layout, service);
}

/* ---- what needs somebody ---- */

/* "5 services: 4 ready, 1 failed" */
static void print_summary(const struct layout *layout, const json_t *services) {
    static const char *const states[] = {"ready",     "running",  "scheduled", "done",
                                         "preparing", "starting", "waiting",   "stopping",
                                         "cleaning",  "stopped",  "backoff",   "failed"};
    size_t all = json_array_size(services), i;
    bool troubled = false;
    json_t *service;
    json_array_foreach(services, i, service) troubled |= service_trouble(service) != NULL;
    AUTO_BUFFER struct buffer text = {0};
    buffer_print(&text, "%zu service%s", all, all == 1 ? "" : "s");
    for (size_t k = 0, said = 0; k < COUNT_OF(states); k++) {
        size_t count = 0;
        json_array_foreach(services, i, service) count +=
            strcmp(json_text(service, "state"), states[k]) == 0;
        if (count)
            buffer_print(&text, "%s%zu %s", said++ ? ", " : ": ", count, states[k]);
    }
    if (layout->colours)
        printf("\033[%sm%s\033[0m\n", troubled ? "31;1" : "32;1", text.data);
    else
        puts(text.data);
}

static void print_head(const struct layout *layout, const json_t *status) {
    char up[TEXT_DURATION_BYTES];
    text_from_duration(json_number(status, "uptime_ms"), up);
    AUTO_FREE char *name = cells_cut(json_text(status, "name"), 40);
    printf("%s: ", name);
    print_summary(layout, json_object_get(status, "services"));
    bool stopping = json_is_true(json_object_get(status, "stopping"));
    bool cgroups = strncmp(json_text(status, "isolation"), "cgroup", 6) == 0;
    printf("%sup %s, anchor %d, keeper %d, %s%s%s\n", layout->colours ? "\033[90m" : "", up,
           (int)json_number(status, "pid"), (int)json_number(status, "keeper_pid"),
           cgroups ? "cgroup v2" : "subreaper", stopping ? "; everything is being stopped" : "",
           layout->colours ? "\033[0m" : "");
}

static const json_t *service_in(const json_t *services, const char *name) {
    size_t i;
    json_t *service;
    json_array_foreach(services, i, service) {
        if (strcmp(json_text(service, "name"), name) == 0)
            return service;
    }
    return NULL;
}

/* The last thing it printed before it ended; NULL: nothing, or it has not ended. */
static const char *last_words(const json_t *service) {
    const json_t *deaths = json_object_get(service, "deaths");
    const json_t *death = json_array_get(deaths, json_array_size(deaths) - 1);
    const json_t *lines = json_object_get(death, "last_lines");
    for (size_t i = json_array_size(lines); i > 0; i--) {
        const char *line = json_string_value(json_array_get(lines, i - 1));
        if (line && line[strspn(line, " \t")])
            return line + strspn(line, " \t");
    }
    return NULL;
}

/* The command to type, with the options by which this one found its keeper. */
static void print_next(const struct layout *layout, const char *label, const char *command,
                       const char *name, const char *why) {
    const struct cli *cli = layout->cli;
    const char *environment = getenv("HOLDFAST_CONFIG");
    const char *usual = environment && *environment ? environment : "holdfast.yaml";
    bool config = strcmp(cli->config_path, usual) != 0;
    printf("    %-11s holdfast %s %s%s%s%s%s%s%s\n", label, command, name, config ? " -c " : "",
           config ? cli->config_path : "", cli->run ? " --run " : "", cli->run ? cli->run : "",
           why[0] ? "   # " : "", why);
}

static void print_trouble(const struct layout *layout, const json_t *service,
                          const json_t *detail) {
    const char *name = json_text(service, "name"), *trouble = service_trouble(service);
    const char *words = last_words(detail);
    const char *why = service_is_unhealthy(service) && !json_text(service, "why")[0]
                          ? "its health probe or watchdog fails"
                          : json_text(service, "why");
    bool log = strcmp(trouble, "without log") == 0;
    AUTO_FREE char *line = text_format("%s%s%s", trouble, why[0] || log ? ": " : "",
                                       log ? json_text(service, "log_error") : why);
    AUTO_FREE char *shown = cells_cut(line, layout->screen ? layout->screen - (int)strlen(name) - 1
                                                           : cells_width(line));
    printf("\n%s%s%s %s\n", layout->colours ? "\033[1m" : "", name,
           layout->colours ? "\033[0m" : "", shown);
    if (words) {
        AUTO_FREE char *cut =
            cells_cut(words, layout->screen ? layout->screen - 16 : cells_width(words));
        printf("    %-11s %s\n", "last words:", cut);
    }
    if (log) {
        printf("    %-11s df -h %s\n", "next:", layout->places->data);
        return;
    }
    print_next(layout, "next:", "logs", name, "");
    if (strcmp(trouble, "failed") == 0)
        print_next(layout, "then:", "restart", name, "when it is repaired");
}

/* The first few of them, each with what it said last and what to type. */
static void print_troubles(const struct layout *layout, const json_t *services) {
    enum { TROUBLES_SHOWN = 4 };
    const json_t *shown[TROUBLES_SHOWN];
    json_t *names = json_array(), *service;
    size_t count = 0, i;
    json_array_foreach(services, i, service) {
        if (!service_trouble(service))
            continue;
        if (count < TROUBLES_SHOWN) {
            shown[count] = service;
            json_array_append(names, json_object_get(service, "name"));
        }
        count++;
    }
    int code = 0;
    json_t *more =
        count ? keeper_ask(layout->places->run,
                           json_pack("{s:i,s:s,s:O}", "id", 1, "do", "status", "services", names),
                           &code)
              : NULL;
    json_decref(names);
    for (i = 0; i < count && i < TROUBLES_SHOWN; i++)
        print_trouble(layout, shown[i],
                      service_in(json_object_get(more, "services"), json_text(shown[i], "name")));
    if (count > TROUBLES_SHOWN)
        printf("\nand %zu more; `holdfast status SERVICE` tells about one\n",
               count - TROUBLES_SHOWN);
    json_decref(more);
}

/* ---- how it ended before ---- */

static void print_death(const struct layout *layout, const json_t *death) {
    char life[TEXT_DURATION_BYTES], when[SCREEN_TIME_BYTES];
    text_from_duration(json_number(death, "uptime_ms"), life);
    screen_time(json_text(death, "time"), 0, when); /* 0: always with the date */
    printf("  %s  pid %d, ", when, (int)json_number(death, "pid"));
    if (!json_is_true(json_object_get(death, "known")))
        printf("nobody saw how");
    else if (json_number(death, "signal"))
        printf("SIG%s", option_signal_name((int)json_number(death, "signal")));
    else
        printf("exit code %d", (int)json_number(death, "code"));
    printf(" after %s%s\n", life,
           json_is_true(json_object_get(death, "asked")) ? ", asked to" : "");
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(death, "last_lines"), i, line) {
        const char *text = json_string_value(line);
        AUTO_FREE char *cut =
            cells_cut(text ? text : "", layout->screen ? layout->screen - 6 : INT_MAX);
        printf("    | %s\n", cut);
    }
}

/* For a service asked about by name; the newest last. */
static void print_deaths(const struct layout *layout, const json_t *services) {
    enum { DEATHS_SHOWN = 5 };
    size_t i;
    json_t *service;
    json_array_foreach(services, i, service) {
        const json_t *deaths = json_object_get(service, "deaths");
        size_t count = json_array_size(deaths);
        if (!deaths)
            continue;
        printf("\n%s: %s\n", json_text(service, "name"),
               count ? "how it ended before" : "has not ended yet");
        for (size_t k = count > DEATHS_SHOWN ? count - DEATHS_SHOWN : 0; k < count; k++)
            print_death(layout, json_array_get(deaths, k));
    }
}

static void print_status(const struct cli *cli, const struct places *places, const json_t *status) {
    const json_t *services = json_object_get(status, "services");
    screen_init();
    places_use_timezone(places);
    struct layout layout = layout_of(cli, places, services);
    print_head(&layout, status);
    if (json_array_size(services) == 0) {
        printf("\nNo services: add one under services: in %s, then `holdfast reload`.\n",
               json_text(status, "config"));
        return;
    }
    puts("");
    print_rows(&layout, services);
    print_troubles(&layout, services);
    print_deaths(&layout, services);
}

int command_status(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    int code = 0;
    json_t *request =
        json_pack("{s:i,s:s,s:o}", "id", 1, "do", "status", "services", names_json(cli->words));
    json_t *status = keeper_ask(places.run, request, &code);
    if (!status)
        return code;
    if (cli->json) {
        json_print(status);
        return 0;
    }
    print_status(cli, &places, status);
    json_decref(status);
    return 0;
}
