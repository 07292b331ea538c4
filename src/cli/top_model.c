/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/top.h"
#include <stdio.h>

static int64_t whole_or_unknown(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : TOP_UNKNOWN;
}

static double number_or_unknown(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : TOP_UNKNOWN;
}

static void forget_figures(struct top_row *row) {
    row->cpu_percent = TOP_UNKNOWN;
    row->memory_bytes = row->fds = row->threads = TOP_UNKNOWN;
}

void top_init(struct top *top, const char *log_folder) {
    *top = (struct top){.log_folder = log_folder};
    top_take_figures(top, NULL);
}

void top_deinit(struct top *top) {
    free(top->rows);
}

const struct top_row *top_selected(const struct top *top) {
    return top->selected < top->count ? &top->rows[top->selected] : NULL;
}

void top_move(struct top *top, int64_t rows) {
    int64_t at = (int64_t)top->selected + rows, last = (int64_t)top->count - 1;
    at = at > last ? last : at;
    top->selected = at < 0 ? 0 : (size_t)at;
}

/* ---- order ---- */

static int compare(double a, double b) {
    return (a > b) - (a < b);
}

static int rank(const struct top_row *row) {
    static const char *const states[] = {"failed",    "backoff",   "stopping", "cleaning",
                                         "preparing", "starting",  "waiting",  "stopped",
                                         "done",      "scheduled", "running",  "ready"};
    if (row->troubled && strcmp(row->state, "ready") == 0)
        return 1;
    for (int i = 0; i < (int)COUNT_OF(states); i++)
        if (strcmp(row->state, states[i]) == 0)
            return i;
    return (int)COUNT_OF(states);
}

static int by(const void *left, const void *right, void *sort) {
    const struct top_row *a = left, *b = right;
    int r = 0;
    switch (*(enum top_sort *)sort) {
    case TOP_BY_CPU:
        r = compare(b->cpu_percent, a->cpu_percent);
        break;
    case TOP_BY_MEMORY:
        r = compare((double)b->memory_bytes, (double)a->memory_bytes);
        break;
    case TOP_BY_NAME:
        r = strcmp(a->name, b->name);
        break;
    case TOP_BY_WORST:
        r = rank(a) - rank(b);
        break;
    case TOP_BY_ORDER:
        break;
    }
    return r ? r : a->order - b->order;
}

static void select_name(struct top *top, const char *name) {
    for (size_t i = 0; i < top->count; i++)
        if (strcmp(top->rows[i].name, name) == 0)
            top->selected = i;
    top_move(top, 0);
}

void top_set_sort(struct top *top, enum top_sort sort) {
    const struct top_row *row = top_selected(top);
    char name[sizeof row->name] = "";
    if (row)
        memcpy(name, row->name, sizeof name);
    top->sort = sort;
    if (top->count)
        qsort_r(top->rows, top->count, sizeof *top->rows, by, &top->sort);
    select_name(top, name);
}

/* ---- the keeper's answers ---- */

static void take_service(struct top_row *row, const json_t *service) {
    const char *state = json_text(service, "state");
    text_print(row->name, sizeof row->name, "%s", json_text(service, "name"));
    text_print(row->state, sizeof row->state, "%s", state);
    text_print(row->note, sizeof row->note, "%s", service_note(service));
    row->pid = (int)json_number(service, "pid");
    row->restarts = json_number(service, "restarts");
    row->since_ms = json_number(service, "since_ms");
    row->troubled = service_trouble(service) != NULL;
    if (!row->note[0] && row->troubled)
        text_print(row->note, sizeof row->note, "%s",
                   json_text(service, "why")[0] ? json_text(service, "why")
                                                : service_trouble(service));
    forget_figures(row);
}

/* Rows are sorted as people like it; answers come in the order of the config. */
static struct top_row **rows_in_order(const struct top *top) {
    struct top_row **rows = memory_array(top->count + 1, sizeof(struct top_row *));
    for (size_t i = 0; i < top->count; i++)
        rows[top->rows[i].order] = &top->rows[i];
    return rows;
}

/* Mostly it is at `index`, so thousands are found at once; after a reload it may be elsewhere. */
static struct top_row *row_named(struct top_row **rows, size_t count, size_t index,
                                 const char *name) {
    if (index < count && strcmp(rows[index]->name, name) == 0)
        return rows[index];
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i]->name, name) == 0)
            return rows[i];
    return NULL;
}

/* The figures of a process stay until the next ones come, or the process is another. */
static void keep_figures(struct top_row *row, const struct top_row *before) {
    if (!before || !row->pid || before->pid != row->pid)
        return;
    row->cpu_percent = before->cpu_percent;
    row->memory_bytes = before->memory_bytes;
    row->fds = before->fds;
    row->threads = before->threads;
}

void top_take_status(struct top *top, const json_t *status) {
    const json_t *services = json_object_get(status, "services");
    size_t count = json_array_size(services), i;
    struct top_row *rows = memory_array(count ? count : 1, sizeof *rows);
    AUTO_FREE struct top_row **before = rows_in_order(top);
    const struct top_row *selected = top_selected(top);
    char name[sizeof selected->name] = "";
    if (selected)
        memcpy(name, selected->name, sizeof name);
    text_print(top->name, sizeof top->name, "%s", json_text(status, "name"));
    top->uptime_ms = json_number(status, "uptime_ms");
    top->stopping = json_is_true(json_object_get(status, "stopping"));
    json_t *service;
    json_array_foreach(services, i, service) {
        take_service(&rows[i], service);
        rows[i].order = (int)i;
        keep_figures(&rows[i], row_named(before, top->count, i, rows[i].name));
    }
    free(top->rows);
    top->rows = rows;
    top->count = count;
    if (count)
        qsort_r(rows, count, sizeof *rows, by, &top->sort);
    select_name(top, name);
}

void top_take_figures(struct top *top, const json_t *figures) {
    const json_t *machine = json_object_get(figures, "machine");
    const json_t *services = json_object_get(figures, "services");
    size_t i;
    json_t *service;
    top->machine =
        (struct top_machine){.cpu_percent = number_or_unknown(machine, "cpu_percent"),
                             .load1 = number_or_unknown(machine, "load1"),
                             .memory_percent = number_or_unknown(machine, "memory_percent"),
                             .disk_percent = number_or_unknown(machine, "disk_percent"),
                             .cores = whole_or_unknown(figures, "cores"),
                             .memory_total = whole_or_unknown(machine, "memory_total"),
                             .memory_available = whole_or_unknown(machine, "memory_available"),
                             .disk_total = whole_or_unknown(machine, "disk_total"),
                             .disk_available = whole_or_unknown(machine, "disk_available")};
    AUTO_FREE struct top_row **rows = rows_in_order(top);
    json_array_foreach(services, i, service) {
        struct top_row *row = row_named(rows, top->count, i, json_text(service, "name"));
        if (!row || !row->pid)
            continue;
        row->cpu_percent = number_or_unknown(service, "cpu_percent");
        row->memory_bytes = whole_or_unknown(service, "memory_bytes");
        row->fds = whole_or_unknown(service, "fds");
        row->threads = whole_or_unknown(service, "threads");
    }
    top_set_sort(top, top->sort);
}

/* ---- words ---- */

void top_summary(const struct top *top, char *ret, size_t size, bool *ret_troubled) {
    static const char *const states[] = {"ready",     "running",  "scheduled", "done",
                                         "preparing", "starting", "waiting",   "stopping",
                                         "cleaning",  "stopped",  "backoff",   "failed"};
    AUTO_BUFFER struct buffer text = {0};
    *ret_troubled = false;
    buffer_print(&text, "%zu service%s", top->count, top->count == 1 ? "" : "s");
    for (size_t k = 0, said = 0; k < COUNT_OF(states); k++) {
        size_t count = 0;
        for (size_t i = 0; i < top->count; i++)
            count += strcmp(top->rows[i].state, states[k]) == 0;
        if (count)
            buffer_print(&text, "%s%zu %s", said++ ? ", " : ": ", count, states[k]);
    }
    for (size_t i = 0; i < top->count; i++)
        *ret_troubled |= top->rows[i].troubled;
    text_print(ret, size, "%s", text.data);
}

void top_size(int64_t bytes, char ret[TOP_SIZE_BYTES]) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double amount = (double)bytes;
    size_t unit = 0;
    for (; amount >= 1024 && unit < COUNT_OF(units) - 1; unit++)
        amount /= 1024;
    if (bytes < 0)
        snprintf(ret, TOP_SIZE_BYTES, "-");
    else
        snprintf(ret, TOP_SIZE_BYTES, "%.*f %s", unit >= 2 && amount < 100 ? 1 : 0, amount,
                 units[unit]);
}
