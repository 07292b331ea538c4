/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/alert.h"
#include "base/clock.h"
#include "base/text.h"
#include "wire/json_scan.h"

struct field {
    const char *name;
    size_t offset, bytes_max;
};
static const struct field fields[] = {
    {"text", offsetof(struct alert, text), ALERT_TEXT_BYTES_MAX},
    {"title", offsetof(struct alert, title), ALERT_WORD_BYTES_MAX},
    {"type", offsetof(struct alert, type), ALERT_WORD_BYTES_MAX},
    {"service", offsetof(struct alert, service), ALERT_WORD_BYTES_MAX},
    {"dedup_key", offsetof(struct alert, dedup_key), ALERT_WORD_BYTES_MAX},
    {"group", offsetof(struct alert, group), ALERT_WORD_BYTES_MAX},
};
static const char *const names[] = {"priority", "text",      "title", "type",
                                    "service",  "dedup_key", "group", NULL};

static int set_text(struct alert *alert, const struct field *field, struct slice value,
                    struct buffer *error) {
    AUTO_BUFFER struct buffer text = {0};
    if (json_to_text(value, &text) < 0) {
        bool is_text = value.size > 0 && value.data[0] == '"';
        buffer_print(error,
                     is_text ? "\"%s\" holds \\u0000 (NUL) or half of a surrogate pair; leave "
                               "that out"
                             : "\"%s\" must be a JSON string",
                     field->name);
        return ALERT_INVALID;
    }
    if (text.size > field->bytes_max) {
        buffer_print(error, "\"%s\" has %zu bytes; at most %zu are taken: send less", field->name,
                     text.size, field->bytes_max);
        return ALERT_INVALID;
    }
    char **place = (char **)((char *)alert + field->offset);
    free(*place); /* a name that comes twice: the last one counts, as in most parsers */
    *place = buffer_take(&text);
    return 0;
}

static int set_priority(struct alert *alert, struct slice value, struct buffer *error) {
    AUTO_BUFFER struct buffer name = {0};
    if (json_to_text(value, &name) == 0 && name.data &&
        alert_priority_from(name.data, &alert->priority) == 0)
        return 0;
    buffer_print(error, "\"priority\" is %.*s; expected CRITICAL, HIGH, MEDIUM or LOW",
                 value.size > 40 ? 40 : (int)value.size, value.data);
    return ALERT_INVALID;
}

static int unknown_field(struct slice key, struct buffer *error) {
    AUTO_FREE char *name = text_copy_n(key.data, key.size > 64 ? 64 : key.size);
    const char *meant = text_did_you_mean(name, names);
    buffer_print(error, "\"%s\" is not a field of an alert; ", name);
    if (meant)
        buffer_print(error, "did you mean \"%s\"?", meant);
    else
        buffer_add_text(error, "known are priority, text, title, type, service, dedup_key, group");
    return ALERT_INVALID;
}

static int set_field(struct alert *alert, struct slice key, struct slice value,
                     struct buffer *error) {
    if (slice_is(value, "null"))
        return 0;
    if (slice_is(key, "priority"))
        return set_priority(alert, value, error);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (slice_is(key, fields[i].name))
            return set_text(alert, &fields[i], value, error);
    return unknown_field(key, error);
}

static bool is_blank(const char *text) {
    return !text || text[strspn(text, " \t\r\n")] == 0;
}

static int read_one(struct slice json, struct alert *ret, struct buffer *error) {
    struct json_walk walk;
    struct slice key, value;
    *ret = (struct alert){.priority = ALERT_MEDIUM};
    if (json_walk_begin(json, '{', &walk) < 0) {
        buffer_add_text(error, "an alert is a JSON object such as {\"priority\":\"HIGH\","
                               "\"text\":\"...\"}");
        return ALERT_INVALID;
    }
    while (json_walk_next(&walk, &key, &value) == 1)
        if (set_field(ret, key, value, error) != 0)
            return ALERT_INVALID;
    if (!is_blank(ret->text))
        return 0;
    buffer_add_text(error, "\"text\" is missing or empty; it is what people will read");
    return ALERT_INVALID;
}

static int read_list(struct json_walk *walk, struct alert_list *ret, struct buffer *error) {
    struct slice key, value;
    size_t capacity = 0;
    while (json_walk_next(walk, &key, &value) == 1) {
        if (ret->count == ALERTS_A_REQUEST_MAX) {
            buffer_print(error, "more than %d alerts in one request", ALERTS_A_REQUEST_MAX);
            return ALERT_INVALID;
        }
        if (ret->count == capacity) {
            capacity = capacity ? capacity * 2 : 8;
            ret->list = memory_grow(ret->list, capacity, sizeof *ret->list);
        }
        struct alert *alert = &ret->list[ret->count++];
        if (read_one(value, alert, error) != 0) {
            buffer_print(error, " (in alert %zu of the list)", ret->count);
            return ALERT_INVALID;
        }
    }
    if (ret->count > 0)
        return 0;
    buffer_add_text(error, "the list is empty; send at least one alert");
    return ALERT_INVALID;
}

int alerts_read(struct slice json, struct alert_list *ret, struct buffer *ret_error) {
    struct json_walk walk;
    struct alert_list read = {0};
    int r;
    if (!json_is_valid(json)) {
        buffer_add_text(ret_error, "the body is not JSON (RFC 8259, UTF-8)");
        return ALERT_INVALID;
    }
    if (json_walk_begin(json, '[', &walk) == 0) {
        r = read_list(&walk, &read, ret_error);
    } else {
        read = (struct alert_list){memory_new(sizeof(struct alert)), 1, true};
        r = read_one(json, read.list, ret_error);
    }
    if (r != 0) {
        alert_list_deinit(&read);
        return r;
    }
    *ret = read;
    return 0;
}

void alert_list_deinit(struct alert_list *list) {
    for (size_t i = 0; i < list->count; i++)
        alert_deinit(&list->list[i]);
    free(list->list);
    *list = (struct alert_list){0};
}

static void add_text(struct buffer *ret, const char *name, const char *text) {
    if (!text)
        return;
    buffer_print(ret, ",\"%s\":", name);
    json_add_text(ret, slice_of(text));
}

static void add_time(struct buffer *ret, const char *name, int64_t ms) {
    char text[CLOCK_TEXT_BYTES];
    if (ms <= 0)
        return;
    clock_format(ms, text);
    buffer_print(ret, ",\"%s\":\"%s\"", name, text);
}

void alert_add_json(struct buffer *ret, const struct alert *alert) {
    buffer_print(ret, "{\"id\":%lld,\"priority\":\"%s\",\"state\":\"%s\"", (long long)alert->id,
                 alert_priority_name(alert->priority), alert_state_name(alert->state));
    for (size_t i = COUNT_OF(fields); i-- > 0;) /* the long text last */
        add_text(ret, fields[i].name, *(char *const *)((const char *)alert + fields[i].offset));
    buffer_print(ret, ",\"failed_attempts\":%u,\"possible_repeat\":%s", alert->attempts,
                 alert->maybe_sent ? "true" : "false");
    add_text(ret, "reason", alert->reason);
    add_time(ret, "created", alert->created_ms);
    if (alert->state == ALERT_WAITING)
        add_time(ret, "next_try", alert->next_ms);
    add_time(ret, "ended", alert->ended_ms);
    if (alert->acked_ms)
        add_text(ret, "acknowledge", alert->acked_ms > 0 ? "done" : "wanted");
    add_time(ret, "acknowledged", alert->acked_ms);
    add_text(ret, "acknowledged_by", alert->acked_by);
    add_text(ret, "way", alert->way);
    if (alert->origin)
        buffer_print(ret, ",\"origin\":%lld", (long long)alert->origin);
    buffer_add_text(ret, "}");
}
