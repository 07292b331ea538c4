/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/silence.h"
#include "base/clock.h"
#include "base/text.h"
#include "wire/json_scan.h"

static const struct field {
    const char *name;
    size_t offset;
    bool matches; /* else it is for people */
} fields[] = {
    {"type", offsetof(struct silence, type), true},
    {"service", offsetof(struct silence, service), true},
    {"title", offsetof(struct silence, title), true},
    {"text", offsetof(struct silence, text), true},
    {"author", offsetof(struct silence, author), false},
    {"comment", offsetof(struct silence, comment), false},
};
static const char *const names[] = {"for",  "priority", "type",    "service", "title",
                                    "text", "author",   "comment", NULL};

static char **place_of(struct silence *silence, const struct field *field) {
    return (char **)((char *)silence + field->offset);
}

static int set_text(struct silence *silence, const struct field *field, struct slice value,
                    struct buffer *error) {
    AUTO_BUFFER struct buffer text = {0};
    if (json_to_text(value, &text) < 0 || text.size == 0 || text.size > SILENCE_WORD_BYTES_MAX) {
        buffer_print(error, "\"%s\" must be a JSON string of 1 to %d bytes", field->name,
                     SILENCE_WORD_BYTES_MAX);
        return SILENCE_INVALID;
    }
    free(*place_of(silence, field)); /* a name that comes twice: the last one counts */
    *place_of(silence, field) = buffer_take(&text);
    return 0;
}

static int set_for(struct silence *silence, struct slice value, struct buffer *error) {
    AUTO_BUFFER struct buffer text = {0};
    int64_t ms = 0;
    if (json_to_text(value, &text) == 0 && text.data &&
        text_to_duration(text.data, 1000, SILENCE_FOR_MAX_MS, &ms) == 0) {
        silence->ends_ms = silence->starts_ms + ms;
        return 0;
    }
    buffer_print(error, "\"for\" is %.*s; expected a time such as \"30m\" or \"2h\", 365d at most",
                 value.size > 40 ? 40 : (int)value.size, value.data);
    return SILENCE_INVALID;
}

static int add_priority(struct silence *silence, struct slice value, struct buffer *error) {
    AUTO_BUFFER struct buffer name = {0};
    enum alert_priority priority;
    if (json_to_text(value, &name) == 0 && name.data &&
        alert_priority_from(name.data, &priority) == 0) {
        silence->priorities |= 1U << priority;
        return 0;
    }
    buffer_print(error,
                 "\"priority\" has %.*s; expected one or a list of CRITICAL, HIGH, MEDIUM, LOW",
                 value.size > 40 ? 40 : (int)value.size, value.data);
    return SILENCE_INVALID;
}

static int set_priorities(struct silence *silence, struct slice value, struct buffer *error) {
    struct json_walk walk;
    struct slice key, one;
    silence->priorities = 0;
    if (json_walk_begin(value, '[', &walk) < 0)
        return add_priority(silence, value, error);
    while (json_walk_next(&walk, &key, &one) == 1)
        if (add_priority(silence, one, error) != 0)
            return SILENCE_INVALID;
    return 0;
}

static int set_field(struct silence *silence, struct slice key, struct slice value,
                     struct buffer *error) {
    if (slice_is(value, "null"))
        return 0;
    if (slice_is(key, "for"))
        return set_for(silence, value, error);
    if (slice_is(key, "priority"))
        return set_priorities(silence, value, error);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (slice_is(key, fields[i].name))
            return set_text(silence, &fields[i], value, error);
    AUTO_FREE char *name = text_copy_n(key.data, key.size > 64 ? 64 : key.size);
    const char *meant = text_did_you_mean(name, names);
    buffer_print(error, "\"%s\" is not a field of a silence; ", name);
    if (meant)
        buffer_print(error, "did you mean \"%s\"?", meant);
    else
        buffer_add_text(error,
                        "known are for, priority, type, service, title, text, author, comment");
    return SILENCE_INVALID;
}

static bool names_something(struct silence *silence) {
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i].matches && *place_of(silence, &fields[i]))
            return true;
    return silence->priorities != 0;
}

static int read(struct slice json, struct silence *ret, struct buffer *error) {
    struct json_walk walk;
    struct slice key, value;
    if (!json_is_valid(json) || json_walk_begin(json, '{', &walk) < 0) {
        buffer_add_text(error, "a silence is a JSON object such as {\"for\":\"2h\","
                               "\"service\":\"db\",\"comment\":\"...\"}");
        return SILENCE_INVALID;
    }
    while (json_walk_next(&walk, &key, &value) == 1)
        if (set_field(ret, key, value, error) != 0)
            return SILENCE_INVALID;
    if (!ret->ends_ms) {
        buffer_add_text(error, "\"for\" is missing: how long, such as \"2h\"?");
        return SILENCE_INVALID;
    }
    if (names_something(ret))
        return 0;
    buffer_add_text(error, "it would silence everything; name a service, type, title, text or "
                           "priority (* and ? stand for any)");
    return SILENCE_INVALID;
}

int silence_read(struct slice json, int64_t now, struct silence *ret, struct buffer *ret_error) {
    *ret = (struct silence){.starts_ms = now};
    int r = read(json, ret, ret_error);
    if (r != 0)
        silence_deinit(ret);
    return r;
}

void silence_add_json(struct buffer *ret, const struct silence *silence, int64_t now) {
    char starts[CLOCK_TEXT_BYTES], ends[CLOCK_TEXT_BYTES];
    clock_format(silence->starts_ms, starts);
    clock_format(silence->ends_ms, ends);
    buffer_print(ret, "{\"id\":%lld,\"state\":\"%s\",\"starts\":\"%s\",\"ends\":\"%s\"",
                 (long long)silence->id, now < silence->ends_ms ? "active" : "ended", starts, ends);
    for (unsigned p = 0, first = 1; p < ALERT_PRIORITIES && silence->priorities; p++) {
        if (!(silence->priorities & 1U << p))
            continue;
        buffer_print(ret, "%s\"%s\"", first ? ",\"priority\":[" : ",",
                     alert_priority_name((enum alert_priority)p));
        first = 0;
    }
    if (silence->priorities)
        buffer_add_text(ret, "]");
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const char *text = *(char *const *)((const char *)silence + fields[i].offset);
        if (!text)
            continue;
        buffer_print(ret, ",\"%s\":", fields[i].name);
        json_add_text(ret, slice_of(text));
    }
    buffer_add_text(ret, "}");
}
