/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/monitor.h"
#include "base/clock.h"
#include "base/text.h"
#include "wire/json_scan.h"

enum { SHOWN_MAX = 40 };
#define BYTES_MAX (INT64_C(1) << 50)
#define DAYS(n) (INT64_C(n) * 86400000)

/* ---- values ---- */

enum value_kind { TEXT, DURATION, SIZE, COUNT, FLAG, TRISTATE };
struct field {
    const char *name;
    enum value_kind kind;
    size_t offset;
    int64_t min, max; /* TEXT: bytes */
};

static int refuse(const struct field *field, struct slice value, const char *expected,
                  struct buffer *error) {
    buffer_print(error, "\"%s\" is %.*s; expected %s", field->name,
                 value.size > SHOWN_MAX ? SHOWN_MAX : (int)value.size, value.data, expected);
    return MONITOR_INVALID;
}

static int set_text(char **to, const struct field *field, struct slice value,
                    struct buffer *error) {
    AUTO_BUFFER struct buffer text = {0};
    if (json_to_text(value, &text) < 0 || text.size == 0 || (int64_t)text.size > field->max) {
        AUTO_FREE char *expected =
            text_format("a JSON string of 1 to %lld bytes", (long long)field->max);
        return refuse(field, value, expected, error);
    }
    free(*to);
    *to = buffer_take(&text);
    return 0;
}

static int set_duration(int64_t *to, const struct field *field, struct slice value,
                        struct buffer *error) {
    AUTO_BUFFER struct buffer text = {0};
    if (json_to_text(value, &text) == 0 && text.data &&
        text_to_duration(text.data, field->min, field->max, to) == 0)
        return 0;
    return refuse(field, value, "a time such as \"30s\" or \"5m\"", error);
}

static int set_size(int64_t *to, const struct field *field, struct slice value,
                    struct buffer *error) {
    AUTO_BUFFER struct buffer text = {0};
    if (json_to_int(value, to) == 0 && *to >= 0 && *to <= field->max)
        return 0;
    if (json_to_text(value, &text) == 0 && text.data &&
        text_to_size(text.data, 0, field->max, to) == 0)
        return 0;
    return refuse(field, value, "bytes, as a number or as \"300MB\"", error);
}

static int set_count(int64_t *to, const struct field *field, struct slice value,
                     struct buffer *error) {
    if (json_to_int(value, to) == 0 && *to >= field->min && *to <= field->max)
        return 0;
    AUTO_FREE char *expected = text_format("a whole number from %lld to %lld",
                                           (long long)field->min, (long long)field->max);
    return refuse(field, value, expected, error);
}

static bool is_flag(struct slice value) {
    return slice_is(value, "true") || slice_is(value, "false");
}

static int set_value(void *object, const struct field *field, struct slice value,
                     struct buffer *error) {
    char *place = (char *)object + field->offset;
    switch (field->kind) {
    case TEXT:
        return set_text((char **)place, field, value, error);
    case DURATION:
        return set_duration((int64_t *)place, field, value, error);
    case SIZE:
        return set_size((int64_t *)place, field, value, error);
    case COUNT:
        return set_count((int64_t *)place, field, value, error);
    case FLAG:
        *(bool *)place = slice_is(value, "true");
        break;
    case TRISTATE:
        *(int64_t *)place = slice_is(value, "true");
        break;
    }
    return is_flag(value) ? 0 : refuse(field, value, "true or false", error);
}

/* ---- objects ---- */

struct object {
    const char *what; /* "a beat" */
    const struct field *fields;
    size_t field_count;
    const char *const *names; /* all that are known, NULL-ended */
    /* A name that is no plain field; -1: not known either. */
    int (*other)(void *object, struct slice key, struct slice value, struct buffer *error);
};

static int refuse_name(const struct object *object, struct slice key, struct buffer *error) {
    AUTO_FREE char *name = text_copy_n(key.data, key.size > SHOWN_MAX ? SHOWN_MAX : key.size);
    const char *meant = text_did_you_mean(name, object->names);
    buffer_print(error, "\"%s\" is not a field of %s; ", name, object->what);
    if (meant) {
        buffer_print(error, "did you mean \"%s\"?", meant);
        return MONITOR_INVALID;
    }
    buffer_add_text(error, "known are ");
    for (size_t i = 0; object->names[i]; i++)
        buffer_print(error, "%s%s", i ? ", " : "", object->names[i]);
    return MONITOR_INVALID;
}

static int set_member(const struct object *object, void *to, struct slice key, struct slice value,
                      struct buffer *error) {
    if (slice_is(value, "null"))
        return 0;
    for (size_t i = 0; i < object->field_count; i++)
        if (slice_is(key, object->fields[i].name))
            return set_value(to, &object->fields[i], value, error);
    int r = object->other(to, key, value, error);
    return r < 0 ? refuse_name(object, key, error) : r;
}

static int read_object(const struct object *object, struct slice json, void *to,
                       struct buffer *error) {
    struct json_walk walk;
    struct slice key, value;
    if (!json_is_valid(json) || json_walk_begin(json, '{', &walk) < 0) {
        buffer_print(error, "%s is a JSON object, and may be {}", object->what);
        return MONITOR_INVALID;
    }
    while (json_walk_next(&walk, &key, &value) == 1)
        if (set_member(object, to, key, value, error) != 0)
            return MONITOR_INVALID;
    return 0;
}

/* ---- wishes ---- */

struct wish { /* what has another width in the monitor */
    struct monitor *monitor;
    char *service, *url, *advice;
    int64_t stale_ms, retry_ms, memory_max, response_ms_max, failures, attempts;
    bool critical, paused;
};
static const struct field wish_fields[] = {
    {"service", TEXT, offsetof(struct wish, service), 1, 200},
    {"url", TEXT, offsetof(struct wish, url), 1, 2000},
    {"advice", TEXT, offsetof(struct wish, advice), 1, MONITOR_TEXT_BYTES_MAX},
    {"stale_after", DURATION, offsetof(struct wish, stale_ms), 1000, DAYS(366)},
    {"retry", DURATION, offsetof(struct wish, retry_ms), 1000, DAYS(1)},
    {"memory_max", SIZE, offsetof(struct wish, memory_max), 0, BYTES_MAX},
    {"response_ms_max", COUNT, offsetof(struct wish, response_ms_max), 0, DAYS(1)},
    {"failures", COUNT, offsetof(struct wish, failures), 1, 1000},
    {"attempts", COUNT, offsetof(struct wish, attempts), 0, 1000},
    {"critical", FLAG, offsetof(struct wish, critical), 0, 0},
    {"paused", FLAG, offsetof(struct wish, paused), 0, 0},
};
static const char *const wish_names[] = {
    "service",  "url",      "advice",   "stale_after", "retry",   "memory_max", "response_ms_max",
    "failures", "attempts", "critical", "paused",      "actions", NULL};

static int set_action(struct monitor *monitor, struct slice key, struct slice value,
                      struct buffer *error) {
    enum monitor_cause cause;
    AUTO_BUFFER struct buffer name = {0};
    if (monitor_cause_from(key, &cause) < 0) {
        buffer_add_text(error, "\"actions\" has a cause that is not known; known are memory, "
                               "disconnected, stale, errors, critical");
        return MONITOR_INVALID;
    }
    if (json_to_text(value, &name) == 0 &&
        monitor_action_from(buffer_slice(&name), &monitor->wish.actions[cause]) == 0)
        return 0;
    buffer_print(error,
                 "the action for %s is %.*s; expected CLEAR_CACHE, RECONNECT_SERVICES, "
                 "FORCE_REFRESH, RESTART_MONITOR, EMERGENCY_STOP or none",
                 monitor_cause_name(cause), value.size > SHOWN_MAX ? SHOWN_MAX : (int)value.size,
                 value.data);
    return MONITOR_INVALID;
}

static int set_actions(void *object, struct slice key, struct slice value, struct buffer *error) {
    struct wish *wish = object;
    struct json_walk walk;
    struct slice cause, action;
    if (!slice_is(key, "actions"))
        return -1;
    if (json_walk_begin(value, '{', &walk) < 0) {
        buffer_add_text(error, "\"actions\" is an object such as {\"stale\":\"RESTART_MONITOR\"}");
        return MONITOR_INVALID;
    }
    while (json_walk_next(&walk, &cause, &action) == 1)
        if (set_action(wish->monitor, cause, action, error) != 0)
            return MONITOR_INVALID;
    return 0;
}

static bool url_is_http(const char *url) {
    return !url || strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

static void move_wish(struct wish *from, struct monitor *to) {
    to->wish.service = from->service;
    to->wish.url = from->url;
    to->wish.advice = from->advice;
    to->wish.stale_ms = from->stale_ms;
    to->wish.retry_ms = from->retry_ms;
    to->wish.memory_max = from->memory_max;
    to->wish.response_ms_max = from->response_ms_max;
    to->wish.failures = (uint32_t)from->failures;
    to->wish.attempts = (uint32_t)from->attempts;
    to->wish.critical = from->critical;
    to->wish.paused = from->paused;
}

int monitor_wish_read(const char *id, struct slice json, struct monitor **ret,
                      struct buffer *ret_error) {
    static const struct object object = {"a monitor", wish_fields, COUNT_OF(wish_fields),
                                         wish_names, set_actions};
    struct monitor *monitor = monitor_new(id, 0);
    struct wish wish = {.monitor = monitor,
                        .stale_ms = monitor->wish.stale_ms,
                        .retry_ms = monitor->wish.retry_ms,
                        .failures = monitor->wish.failures,
                        .attempts = monitor->wish.attempts};
    int r = json.size ? read_object(&object, json, &wish, ret_error) : 0;
    move_wish(&wish, monitor);
    if (r == 0 && !url_is_http(monitor->wish.url)) {
        buffer_add_text(ret_error, "\"url\" must begin with http:// or https://");
        r = MONITOR_INVALID;
    }
    *ret = monitor;
    if (r != 0) {
        monitor_free(monitor);
        *ret = NULL;
    }
    return r;
}

/* ---- beats ---- */

static const struct field beat_fields[] = {
    {"exit", COUNT, offsetof(struct monitor_beat, exit_code), 0, 255},
    {"errors", COUNT, offsetof(struct monitor_beat, errors), 0, 1000000000},
    {"warnings", COUNT, offsetof(struct monitor_beat, warnings), 0, 1000000000},
    {"response_ms", COUNT, offsetof(struct monitor_beat, response_ms), 0, DAYS(366)},
    {"memory", SIZE, offsetof(struct monitor_beat, memory_bytes), 0, BYTES_MAX},
    {"connected", TRISTATE, offsetof(struct monitor_beat, connected), 0, 0},
    {"sync", TRISTATE, offsetof(struct monitor_beat, sync), 0, 0},
    {"message", TEXT, offsetof(struct monitor_beat, message), 1, MONITOR_TEXT_BYTES_MAX},
};
static const char *const beat_names[] = {"status",      "exit",   "errors",    "warnings",
                                         "response_ms", "memory", "connected", "sync",
                                         "message",     "cpu",    NULL};

static int set_status(struct monitor_beat *beat, struct slice value, struct buffer *error) {
    static const char *const kinds[] = {"\"ok\"", "\"start\"", "\"fail\"", "\"critical\""};
    for (int i = 0; i < (int)COUNT_OF(kinds); i++)
        if (slice_is(value, kinds[i])) {
            *(int *)&beat->kind = i;
            return 0;
        }
    buffer_print(error, "\"status\" is %.*s; expected ok, start, fail or critical",
                 value.size > SHOWN_MAX ? SHOWN_MAX : (int)value.size, value.data);
    return MONITOR_INVALID;
}

/* Percent of one processor, with a part behind the point. */
static int set_cpu(struct monitor_beat *beat, struct slice value, struct buffer *error) {
    AUTO_FREE char *text = text_copy_n(value.data, value.size);
    char *end = text;
    double percent = strtod(text, &end);
    if (*end || end == text || !(percent >= 0 && percent <= 1000000)) {
        buffer_add_text(error, "\"cpu\" must be a number: percent of one processor, from 0");
        return MONITOR_INVALID;
    }
    beat->cpu_permille = (int64_t)(percent * 10);
    return 0;
}

static int set_beat(void *object, struct slice key, struct slice value, struct buffer *error) {
    if (slice_is(key, "status"))
        return set_status(object, value, error);
    return slice_is(key, "cpu") ? set_cpu(object, value, error) : -1;
}

int monitor_beat_read(struct slice json, struct monitor_beat *ret, struct buffer *ret_error) {
    static const struct object object = {"a beat", beat_fields, COUNT_OF(beat_fields), beat_names,
                                         set_beat};
    *ret = monitor_beat_empty();
    int r = json.size ? read_object(&object, json, ret, ret_error) : 0;
    if (r != 0)
        free(TAKE(ret->message));
    return r;
}

/* ---- showing ---- */

static void add_text(struct buffer *ret, const char *name, const char *text) {
    buffer_print(ret, ",\"%s\":", name);
    if (text)
        json_add_text(ret, slice_of(text));
    else
        buffer_add_text(ret, "null");
}

static void add_told(struct buffer *ret, const char *name, int64_t value) {
    if (value < 0)
        buffer_print(ret, ",\"%s\":null", name);
    else
        buffer_print(ret, ",\"%s\":%lld", name, (long long)value);
}

static void add_flag(struct buffer *ret, const char *name, int64_t value) {
    buffer_print(ret, ",\"%s\":%s", name, value < 0 ? "null" : value ? "true" : "false");
}

static void add_wishes(struct buffer *ret, const struct monitor *m) {
    char stale[TEXT_DURATION_BYTES], retry[TEXT_DURATION_BYTES];
    text_from_duration(m->wish.stale_ms, stale);
    text_from_duration(m->wish.retry_ms, retry);
    add_text(ret, "service", m->wish.service);
    add_text(ret, "url", m->wish.url);
    add_text(ret, "advice", m->wish.advice);
    buffer_print(ret,
                 ",\"stale_after\":\"%s\",\"retry\":\"%s\",\"memory_max\":%lld,"
                 "\"response_ms_max\":%lld,\"failures_max\":%u,\"attempts_max\":%u,"
                 "\"critical\":%s,\"paused\":%s,\"actions\":{",
                 stale, retry, (long long)m->wish.memory_max, (long long)m->wish.response_ms_max,
                 m->wish.failures, m->wish.attempts, m->wish.critical ? "true" : "false",
                 m->wish.paused ? "true" : "false");
    for (int i = MONITOR_NO_CAUSE + 1; i < MONITOR_CAUSES; i++)
        buffer_print(ret, "%s\"%s\":\"%s\"", i > MONITOR_NO_CAUSE + 1 ? "," : "",
                     monitor_cause_name((enum monitor_cause)i),
                     monitor_action_name(m->wish.actions[i]));
    buffer_add_text(ret, "}");
}

void monitor_add_json(struct buffer *ret, const struct monitor *m, enum monitor_state shown,
                      int64_t now) {
    char since[CLOCK_TEXT_BYTES];
    clock_format(m->since_ms, since);
    buffer_add_text(ret, "{\"id\":");
    json_add_text(ret, slice_of(m->id));
    buffer_print(ret, ",\"status\":\"%s\",\"since\":\"%s\"", monitor_state_name(shown), since);
    add_told(ret, "last_beat_ago", m->beat_ms ? (now - m->beat_ms) / 1000 : -1);
    buffer_print(ret, ",\"consecutive_failures\":%u,\"attempts\":%u,\"cause\":\"%s\"",
                 m->consecutive_failures, m->attempts, monitor_cause_name(m->cause));
    buffer_print(ret, ",\"action\":\"%s\"", monitor_action_name(m->last_action));
    add_told(ret, "memory_bytes", m->memory_bytes);
    if (m->cpu_permille < 0)
        buffer_add_text(ret, ",\"cpu_percent\":null");
    else
        buffer_print(ret, ",\"cpu_percent\":%lld.%lld", (long long)(m->cpu_permille / 10),
                     (long long)(m->cpu_permille % 10));
    add_told(ret, "response_ms", m->response_ms);
    add_told(ret, "exit_code", m->exit_code);
    add_told(ret, "duration_ms", m->duration_ms);
    add_flag(ret, "connected", m->connected);
    add_flag(ret, "sync", m->sync);
    add_flag(ret, "running", m->run_ms > 0);
    add_text(ret, "message", m->message);
    buffer_print(ret,
                 ",\"beats\":%lld,\"failures\":%lld,\"errors\":%lld,\"warnings\":%lld,"
                 "\"actions_done\":%lld,\"recoveries\":%lld",
                 (long long)m->beats, (long long)m->failures, (long long)m->errors,
                 (long long)m->warnings, (long long)m->actions_done, (long long)m->recoveries);
    add_wishes(ret, m);
    buffer_add_text(ret, "}");
}
