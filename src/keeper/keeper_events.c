/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered events, kept in <run>/events so that the next keeper goes on counting and whoever was
 * away can ask for what it missed. The file is halved when it is full. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "keeper/keeper.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct events {
    char *path;
    int fd;
    int64_t last; /* number of the newest */
    char *lines[EVENTS_KEPT_MAX];
    size_t count;
};
enum { EVENTS_BYTES_MAX = 8 << 20 };

static int64_t number_of(const char *line) {
    const char *at = strstr(line, "\"number\":");
    return at ? strtoll(at + strlen("\"number\":"), NULL, 10) : 0;
}

static void drop_oldest_half(struct events *events) {
    size_t drop = EVENTS_KEPT_MAX / 2;
    for (size_t i = 0; i < drop; i++)
        free(events->lines[i]);
    memmove(events->lines, events->lines + drop, (events->count - drop) * sizeof *events->lines);
    events->count -= drop;
    AUTO_BUFFER struct buffer all = {0};
    for (size_t i = 0; i < events->count; i++)
        buffer_print(&all, "%s\n", events->lines[i]);
    if (file_replace_fast(events->path, buffer_slice(&all), 0600) < 0)
        return;
    close(events->fd);
    events->fd = open(events->path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

static void keep(struct events *events, char *line) {
    if (events->count == EVENTS_KEPT_MAX)
        drop_oldest_half(events);
    events->lines[events->count++] = line;
}

struct events *events_open(const char *run) {
    struct events *events = memory_new(sizeof *events);
    events->path = path_join(run, "events");
    AUTO_FREE char *text = NULL;
    if (file_read(events->path, EVENTS_BYTES_MAX, &text, NULL) == 0) {
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));) {
            if (!number_of(line))
                continue;
            events->last = number_of(line);
            keep(events, text_copy(line));
        }
    }
    events->fd = open(events->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return events;
}

struct events *events_close(struct events *events) {
    for (size_t i = 0; i < events->count; i++)
        free(events->lines[i]);
    if (events->fd >= 0)
        close(events->fd);
    free(events->path);
    free(events);
    return NULL;
}

static void say(const char *service, const char *what, const char *text) {
    static const char *const grave[] = {
        "failed",    "unhealthy",  "exited",     "memory_high",      "cpu_high",
        "disk_high", "job_failed", "job_missed", "development_flag", "log_pattern"};
    enum log_level level = LOG_INFO;
    for (size_t i = 0; i < COUNT_OF(grave); i++)
        if (strcmp(what, grave[i]) == 0)
            level = LOG_WARNING;
    if (service[0])
        log_line(level, "%s %s%s%s", service, what, text[0] ? ": " : "", text);
    else
        log_line(level, "%s", text);
}

void events_add(struct keeper *keeper, const char *service, const char *what, const char *text) {
    events_add_with(keeper, service, what, text, NULL);
}

void events_add_with(struct keeper *keeper, const char *service, const char *what, const char *text,
                     json_t *more) {
    struct events *events = keeper->events;
    char now[CLOCK_TEXT_BYTES];
    clock_format(clock_wall_ms(), now);
    json_t *object =
        json_pack("{s:{s:I,s:s,s:s,s:s,s:s}}", "event", "number", (json_int_t)++events->last,
                  "time", now, "service", service, "what", what, "text", text);
    if (more)
        json_object_update_missing(json_object_get(object, "event"), more);
    json_decref(more);
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    say(service, what, text);
    if (!line)
        return;
    AUTO_FREE char *with_end = text_format("%s\n", line);
    if (events->fd >= 0)
        (void)!write(events->fd, with_end, strlen(with_end));
    keep(events, line);
    if (keeper->control)
        control_tell_event(keeper->control, slice_of(line));
}

/* The newest end is the one in question: after it nothing of the service was told by a keeper that
 * was killed. What a caller adds to an event stands last in its line. */
bool events_end_is_told(const struct events *events, const char *service, pid_t pid) {
    AUTO_FREE char *exited = text_format("\"service\":\"%s\",\"what\":\"exited\"", service);
    AUTO_FREE char *stopped = text_format("\"service\":\"%s\",\"what\":\"stopped\"", service);
    AUTO_FREE char *of_it = text_format("\"pid\":%d}", (int)pid);
    for (size_t i = events->count; i-- > 0;)
        if (strstr(events->lines[i], exited) || strstr(events->lines[i], stopped))
            return strstr(events->lines[i], of_it);
    return false;
}

void events_since(const struct events *events, int64_t after,
                  void (*each)(void *context, struct slice line), void *context) {
    for (size_t i = 0; i < events->count; i++)
        if (number_of(events->lines[i]) > after)
            each(context, slice_of(events->lines[i]));
}
