/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts as a table, and one as a whole. */
#include "base/buffer.h"
#include "cli/alerts.h"
#include "cli/screen.h"
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum column { ID, WHEN, PRIORITY, STATE, TEXT, COLUMN_COUNT };
enum { GAP = 2, TEXT_MIN = 16 };

struct layout {
    int screen; /* columns of the terminal; 0: none, nothing is cut */
    bool colours;
    int width[COLUMN_COUNT]; /* 0: left out; of TEXT: not cut */
};

/* "18:02:11" today, else "11-24 18:02": no alert is kept for a year. */
static void short_time(const char *utc, char ret[SCREEN_TIME_BYTES]) {
    char whole[SCREEN_TIME_BYTES];
    screen_time(utc, time(NULL), whole);
    snprintf(ret, SCREEN_TIME_BYTES, "%.*s", strlen(whole) > 11 ? 11 : 8,
             strlen(whole) > 11 ? whole + 5 : whole);
}

static struct layout layout_of(const json_t *alerts) {
    struct layout layout = {.screen = screen_columns(STDOUT_FILENO),
                            .colours = colours_wanted(STDOUT_FILENO),
                            .width = {[ID] = 2, [WHEN] = 8, [PRIORITY] = 8, [STATE] = 9}};
    for (size_t i = 0; i < json_array_size(alerts); i++) {
        const json_t *alert = json_array_get(alerts, i);
        char when[SCREEN_TIME_BYTES], id[24];
        int digits = snprintf(id, sizeof id, "%lld", (long long)json_number(alert, "id"));
        short_time(json_text(alert, "created"), when);
        layout.width[ID] = digits > layout.width[ID] ? digits : layout.width[ID];
        if ((int)strlen(when) > layout.width[WHEN])
            layout.width[WHEN] = (int)strlen(when);
    }
    int used = layout.width[ID] + layout.width[WHEN] + layout.width[PRIORITY] +
               layout.width[STATE] + TEXT * GAP;
    static const enum column dropped[] = {PRIORITY, WHEN, STATE}; /* in a narrow terminal */
    for (size_t i = 0; i < COUNT_OF(dropped) && layout.screen && layout.screen - used < TEXT_MIN;
         i++) {
        used -= layout.width[dropped[i]] + GAP;
        layout.width[dropped[i]] = 0;
    }
    layout.width[TEXT] = layout.screen - used > 1 ? layout.screen - used : 1;
    return layout;
}

static const char *colour_of(const char *word) {
    static const char *const colours[][2] = {
        {"CRITICAL", "31;1"}, {"HIGH", "33"},    {"delivered", "32"}, {"failed", "31;1"},
        {"unknown", "33"},    {"waiting", "36"}, {"sending", "36"},   {"silenced", "90"}};
    for (size_t i = 0; i < COUNT_OF(colours); i++)
        if (strcmp(word, colours[i][0]) == 0)
            return colours[i][1];
    return NULL;
}

static void print_cell(const struct layout *layout, enum column column, const char *text,
                       const char *colour) {
    bool coloured = layout->colours && colour;
    if (!layout->width[column])
        return;
    AUTO_FREE char *cell = column == TEXT
                               ? cells_cut(text, layout->screen ? layout->width[TEXT] : INT_MAX)
                               : cells_fit(text, layout->width[column], column == ID);
    printf("%s%s%s%s%s%s", column == ID || (column == TEXT && !cell[0]) ? "" : "  ",
           coloured ? "\033[" : "", coloured ? colour : "", coloured ? "m" : "", cell,
           coloured ? "\033[0m" : "");
}

/* As its head line in the chat begins: service, title; then the text. */
static char *whole_text(const json_t *alert) {
    struct buffer text = {0};
    static const char *const names[] = {"service", "title"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_text(alert, names[i])[0])
            buffer_print(&text, "%s: ", json_text(alert, names[i]));
    buffer_add_text(&text, json_text(alert, "text"));
    return buffer_take(&text);
}

static void print_row(const struct layout *layout, const json_t *alert) {
    char id[24], when[SCREEN_TIME_BYTES];
    const char *priority = json_text(alert, "priority"), *state = json_text(alert, "state");
    const char *reason = json_text(alert, "reason");
    AUTO_FREE char *text = whole_text(alert);
    snprintf(id, sizeof id, "%lld", (long long)json_number(alert, "id"));
    short_time(json_text(alert, "created"), when);
    print_cell(layout, ID, id, NULL);
    print_cell(layout, WHEN, when, "90");
    print_cell(layout, PRIORITY, priority, colour_of(priority));
    print_cell(layout, STATE, state, colour_of(state));
    print_cell(layout, TEXT, text, NULL);
    puts("");
    if (!reason[0] || strcmp(state, "delivered") == 0)
        return;
    int indent = layout->width[ID] + GAP;
    AUTO_FREE char *line = text_format("why: %s", reason);
    AUTO_FREE char *cut = cells_cut(line, layout->screen ? layout->screen - indent : INT_MAX);
    printf("%*s%s\n", indent, "", cut);
}

/* What is held back, and why: "3 wait; the breaker is open, set by hand: ...". */
static void print_footer(const struct layout *layout, const json_t *health) {
    json_t *alerts = json_object_get(health, "alerts"), *count;
    const json_t *breaker = json_object_get(alerts, "breaker");
    const char *state = json_text(breaker, "state"), *problem = json_text(alerts, "problem"), *name;
    long long unacked = (long long)json_number(alerts, "unacknowledged");
    bool by_hand = json_is_true(json_object_get(breaker, "by_hand"));
    bool closed = !state[0] || strcmp(state, "closed") == 0;
    long long waiting = 0;
    json_object_foreach(json_object_get(alerts, "waiting"), name, count) waiting +=
        json_integer_value(count);
    if (unacked > 0)
        printf("\n%lld CRITICAL not acknowledged: `holdfast alerts ack ID...|all`\n", unacked);
    if (closed && waiting == 0)
        return;
    printf("\n%lld wait%s", waiting, waiting == 1 ? "s" : "");
    if (by_hand && !closed)
        printf("; the breaker was opened by hand:\n`holdfast alerts breaker closed` lets them go");
    else if (!closed)
        printf("; the breaker is %s: the way out failed and is tried again",
               strcmp(state, "open") == 0 ? "open" : "half open");
    puts("");
    AUTO_FREE char *why = cells_cut(problem, layout->screen ? layout->screen : INT_MAX);
    if (problem[0])
        puts(why);
}

void alerts_print_list(const struct cli *cli, const json_t *alerts, const json_t *health) {
    static const char *const titles[] = {"ID", "WHEN", "PRIORITY", "STATE", "TEXT"};
    struct layout layout = layout_of(alerts);
    size_t count = json_array_size(alerts);
    if (count == 0 && cli->state)
        printf("No alert is %s.\n", cli->state);
    else if (count == 0)
        puts("No alerts; what has ended is kept for 30 days.");
    for (int c = 0; c < COLUMN_COUNT && count > 0; c++)
        print_cell(&layout, (enum column)c, titles[c], "90");
    if (count > 0)
        puts("");
    for (size_t i = 0; i < count; i++)
        print_row(&layout, json_array_get(alerts, i));
    print_footer(&layout, health);
}

/* ---- one ---- */

static void print_field(const char *name, const char *text) {
    AUTO_FREE char *harmless = cells_cut(text, INT_MAX);
    if (text[0])
        printf("  %-12s  %s\n", name, harmless);
}

static void print_time(const json_t *alert, const char *name, const char *key) {
    char when[SCREEN_TIME_BYTES];
    const char *utc = json_text(alert, key);
    screen_time(utc, 0, when); /* 0: always with the date */
    print_field(name, utc[0] ? when : "");
}

/* Its lines stay lines. */
static void print_text(const char *text) {
    for (size_t size; *text; text += size + (text[size] == '\n')) {
        size = strcspn(text, "\n");
        AUTO_FREE char *line = text_copy_n(text, size);
        AUTO_FREE char *harmless = cells_cut(line, INT_MAX);
        puts(harmless);
    }
}

void alerts_print_one(const json_t *alert) {
    char attempts[24];
    snprintf(attempts, sizeof attempts, "%lld", (long long)json_number(alert, "failed_attempts"));
    printf("alert %lld: %s\n", (long long)json_number(alert, "id"), json_text(alert, "state"));
    print_field("why", json_text(alert, "reason"));
    print_field("priority", json_text(alert, "priority"));
    print_field("service", json_text(alert, "service"));
    print_field("title", json_text(alert, "title"));
    print_field("type", json_text(alert, "type"));
    print_field("dedup key", json_text(alert, "dedup_key"));
    print_field("group", json_text(alert, "group"));
    print_time(alert, "came", "created");
    print_time(alert, "next try", "next_try");
    print_time(alert, "ended", "ended");
    if (strcmp(json_text(alert, "acknowledge"), "wanted") == 0)
        print_field("acknowledge", "nobody has yet; it is told again until somebody does");
    print_time(alert, "acknowledged", "acknowledged");
    print_field("by", json_text(alert, "acknowledged_by"));
    print_field("failed tries", strcmp(attempts, "0") == 0 ? "" : attempts);
    if (json_is_true(json_object_get(alert, "possible_repeat")))
        print_field("repeat", "possible: an attempt ended without an answer");
    puts("");
    print_text(json_text(alert, "text"));
}

/* ---- statistics ---- */

enum { WORD_MIN = 8, WORD_MAX = 24 };

/* "11-24 18:00", or the date alone of periods that are whole days. */
static void period_text(const json_t *row, int64_t every_s, char ret[SCREEN_TIME_BYTES]) {
    char whole[SCREEN_TIME_BYTES];
    screen_time(json_text(row, "from"), 0, whole);
    snprintf(ret, SCREEN_TIME_BYTES, "%.*s", every_s % 86400 == 0 ? 10 : 16, whole);
}

static void print_latency(const json_t *row, const char *key) {
    char text[SCREEN_SHORT_BYTES] = "-";
    const json_t *latency = json_object_get(row, "latency_ms");
    if (json_is_object(latency))
        screen_short_duration(json_number(latency, key), text);
    printf("  %7s", text);
}

static const struct {
    const char *key, *title;
    int width;
} counts[] = {{"accepted", "CAME", 5},   {"delivered", "SENT", 5},    {"failed", "FAILED", 6},
              {"unknown", "UNKNOWN", 7}, {"silenced", "SILENCED", 8}, {"waiting", "WAIT", 5}};

void alerts_print_stats(const json_t *stats) {
    const json_t *rows = json_object_get(stats, "stats"), *row;
    const char *by = json_text(stats, "by");
    int64_t every_s = json_number(stats, "every_seconds");
    int width = WORD_MIN, when_width = every_s % 86400 == 0 ? 10 : 16;
    size_t i;
    if (json_array_size(rows) == 0) {
        puts("No alert came in that time.");
        return;
    }
    json_array_foreach(rows, i, row) {
        int word = cells_width(json_text(row, by));
        width = word > width ? word : width;
    }
    width = width < WORD_MAX ? width : WORD_MAX;
    AUTO_FREE char *head = text_copy(by);
    for (char *c = head; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    if (every_s)
        printf("%-*s  ", when_width, "FROM");
    printf("%-*s", width, head);
    for (i = 0; i < COUNT_OF(counts); i++)
        printf("  %*s", counts[i].width, counts[i].title);
    printf("  %7s  %7s\n", "P50", "P95");
    json_array_foreach(rows, i, row) {
        char when[SCREEN_TIME_BYTES];
        const char *word = json_text(row, by);
        AUTO_FREE char *cell = cells_fit(word[0] ? word : "-", width, false);
        period_text(row, every_s, when);
        if (every_s)
            printf("%s  ", when);
        printf("%s", cell);
        for (size_t c = 0; c < COUNT_OF(counts); c++)
            printf("  %*lld", counts[c].width, (long long)json_number(row, counts[c].key));
        print_latency(row, "p50");
        print_latency(row, "p95");
        puts("");
    }
}
