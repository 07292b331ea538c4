/* SPDX-License-Identifier: Apache-2.0 */
/* How each service died: a bounded history in <run>/deaths/NAME, one JSON object a line, with the
 * last words of its log. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "keeper/keeper.h"
#include <errno.h>

enum { DEATHS_KEPT = 20, LINES_KEPT = 20, HISTORY_BYTES_MAX = 1 << 20 };

static char *history_path(const struct keeper *keeper, const char *name) {
    return text_format("%s/deaths/%s", keeper->run, name);
}

static json_t *read_history(const struct keeper *keeper, const char *name) {
    AUTO_FREE char *path = history_path(keeper, name);
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    json_t *list = NULL;
    if (file_read(path, HISTORY_BYTES_MAX, &text, &size) == 0)
        list = json_loadb(text, size, 0, NULL);
    if (json_is_array(list))
        return list;
    json_decref(list);
    return json_array();
}

/* The last lines, whole ones, secrets masked; what is not UTF-8 is left out. */
static json_t *last_lines(struct slice tail) {
    AUTO_FREE char *text = text_copy_n(tail.data, tail.size);
    json_t *lines = json_array();
    secret_mask(text, tail.size);
    char *rest = text;
    if (tail.size >= LOG_TAIL_BYTES) /* begins in the middle of a line */
        strsep(&rest, "\n");
    for (char *line; (line = strsep(&rest, "\n"));) {
        json_t *word = line[0] ? json_string(line) : NULL;
        if (word)
            json_array_append_new(lines, word);
        if (json_array_size(lines) > LINES_KEPT)
            json_array_remove(lines, 0);
    }
    return lines;
}

static void add(struct keeper *keeper, size_t index, const struct death *death) {
    const char *name = keeper->services.list[index].config->name;
    const struct service_exit *exit = &death->exit;
    char time[CLOCK_TEXT_BYTES];
    clock_format(clock_wall_ms(), time);
    json_t *list = read_history(keeper, name);
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    if (death->pid && json_integer_value(json_object_get(last, "pid")) == death->pid) {
        json_decref(list); /* a former keeper wrote it down, and was killed then */
        return;
    }
    json_array_append_new(
        list, json_pack("{s:s,s:i,s:i,s:i,s:b,s:b,s:b,s:I,s:o}", "time", time, "pid",
                        (int)death->pid, "code", exit->code, "signal", exit->signal, "core",
                        exit->core, "known", exit->known, "asked", death->asked, "uptime_ms",
                        (json_int_t)death->uptime_ms, "last_lines", last_lines(exit->last_lines)));
    while (json_array_size(list) > DEATHS_KEPT)
        json_array_remove(list, 0);
    AUTO_FREE char *text = json_dumps(list, JSON_COMPACT);
    AUTO_FREE char *path = history_path(keeper, name);
    json_decref(list);
    int r = text ? file_replace_fast(path, slice_of(text), 0600) : -ENOMEM;
    if (r < 0)
        log_error("service %s: its death history %s cannot be written: %s", name, path,
                  strerror(-r));
}

void deaths_drop(struct unit *unit) {
    if (unit->death)
        free((void *)(uintptr_t)unit->death->exit.last_lines.data);
    free(unit->death);
    unit->death = NULL;
}

static void write_one(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index];
    if (unit->death)
        add(keeper, index, unit->death);
    deaths_drop(unit);
}

void deaths_note(struct keeper *keeper, size_t index, const struct death *death) {
    struct unit *unit = keeper->units[index];
    struct slice lines = death->exit.last_lines;
    write_one(keeper, index); /* of an earlier life, if it still waits */
    unit->death = memory_new(sizeof *unit->death);
    *unit->death = *death;
    unit->death->exit.last_lines.data = text_copy_n(lines.data, lines.size);
}

void deaths_write(struct keeper *keeper) {
    for (size_t i = 0; i < keeper->services.count; i++)
        write_one(keeper, i);
}

json_t *deaths_of(struct keeper *keeper, size_t index) {
    write_one(keeper, index);
    return read_history(keeper, keeper->services.list[index].config->name);
}
