/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/log_watch.h"
#include "base/text.h"
#include "policy/log_pattern.h"
#include <stdatomic.h>

struct watched {
    struct log_pattern pattern;
    /* The writer fills `line`, then raises `cooling`; the loop reads, waits, and lowers it. */
    char line[LOG_WATCH_LINE_BYTES + 1];
    _Atomic bool cooling;
    _Atomic int64_t more;
    int64_t ends_ms; /* loop's thread; 0: not told yet */
};
struct log_watch {
    int64_t cooldown_ms;
    size_t count;
    struct watched list[];
};

struct log_watch *log_watch_new(char *const *patterns, int64_t cooldown_ms) {
    size_t count = text_list_count(patterns);
    if (!count)
        return NULL;
    must(count <= LOG_PATTERNS_MAX);
    struct log_watch *watch = memory_new(sizeof *watch + count * sizeof watch->list[0]);
    watch->cooldown_ms = cooldown_ms;
    for (size_t i = 0; i < count; i++)
        if (log_pattern_set(&watch->list[watch->count].pattern, patterns[i]))
            watch->count++;
    return watch;
}

bool log_watch_is(const struct log_watch *watch, char *const *patterns, int64_t cooldown_ms) {
    size_t count = text_list_count(patterns);
    if (!watch || !count)
        return !watch && !count;
    bool same = watch->count == count && watch->cooldown_ms == cooldown_ms;
    for (size_t i = 0; same && i < count; i++)
        same = strcmp(watch->list[i].pattern.text, patterns[i]) == 0;
    return same;
}

/* The line around `at`; of a long one the part that holds it. */
static void keep_line(struct watched *watched, struct slice lines, const char *at) {
    const char *start = memrchr(lines.data, '\n', (size_t)(at - lines.data));
    const char *end = lines.data + lines.size;
    start = start ? start + 1 : lines.data;
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    end = line_end ? line_end : end;
    if (at + watched->pattern.size > start + LOG_WATCH_LINE_BYTES)
        start = at - LOG_WATCH_LINE_BYTES / 2;
    size_t size = (size_t)(end - start);
    if (size > LOG_WATCH_LINE_BYTES)
        size = LOG_WATCH_LINE_BYTES;
    memcpy(watched->line, start, size);
    watched->line[size] = 0;
    text_make_utf8(watched->line);
}

/* Returns what lies behind the line of the first match; data NULL: there was none. */
static struct slice behind_match(const struct watched *watched, struct slice lines,
                                 const char **ret_at) {
    *ret_at = log_pattern_find(&watched->pattern, lines);
    if (!*ret_at)
        return (struct slice){0};
    const char *end = lines.data + lines.size;
    const char *next = memchr(*ret_at, '\n', (size_t)(end - *ret_at));
    next = next ? next + 1 : end;
    return (struct slice){next, (size_t)(end - next)};
}

static bool scan_one(struct watched *watched, struct slice lines) {
    const char *at = NULL;
    bool raised = false;
    struct slice rest = lines;
    if (!atomic_load(&watched->cooling)) {
        rest = behind_match(watched, rest, &at);
        if (!at)
            return false;
        keep_line(watched, lines, at);
        atomic_store(&watched->more, 0);
        atomic_store(&watched->cooling, true);
        raised = true;
    }
    while (rest.size && atomic_load(&watched->more) < LOG_WATCH_COUNT_MAX) {
        rest = behind_match(watched, rest, &at);
        if (at)
            atomic_fetch_add(&watched->more, 1);
    }
    return raised;
}

bool log_watch_scan(struct log_watch *watch, struct slice lines) {
    bool raised = false;
    for (size_t i = 0; watch && i < watch->count; i++)
        raised |= scan_one(&watch->list[i], lines);
    return raised;
}

int64_t log_watch_tell(struct log_watch *watch, const char *service, int64_t now_ms,
                       log_found_fn found, void *context) {
    int64_t next = 0;
    for (size_t i = 0; watch && i < watch->count; i++) {
        struct watched *watched = &watch->list[i];
        if (!atomic_load(&watched->cooling))
            continue;
        struct log_found tell = {.service = service,
                                 .pattern = watched->pattern.text,
                                 .cooldown_ms = watch->cooldown_ms};
        if (!watched->ends_ms) {
            watched->ends_ms = now_ms + watch->cooldown_ms;
            tell.line = watched->line;
            found(context, &tell);
        }
        if (watched->ends_ms > now_ms) {
            next = !next || watched->ends_ms < next ? watched->ends_ms : next;
            continue;
        }
        tell.line = NULL;
        tell.more = atomic_load(&watched->more);
        watched->ends_ms = 0;
        atomic_store(&watched->cooling, false);
        if (tell.more)
            found(context, &tell);
    }
    return next;
}
