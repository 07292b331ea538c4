/* SPDX-License-Identifier: Apache-2.0 */
/* An alert as one or more messages. */
#include "base/text.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"

/* The head line (priority, service, title, marks) counts too; its texts are cut to this. */
enum { HEAD_POINTS_MAX = 300, PART_POINTS_MAX = TELEGRAM_TEXT_POINTS_MAX - HEAD_POINTS_MAX - 96 };

/* Bytes of the first `points_max` code points of valid UTF-8. */
static size_t bytes_of_points(struct slice text, size_t points_max) {
    size_t points = 0, i = 0;
    for (; i < text.size; i++)
        if (((unsigned char)text.data[i] & 0xc0) != 0x80 && points++ == points_max)
            break;
    return i;
}

/* Cuts at the last line end, else the last space, of the second half; else wherever it is full. */
static size_t part_bytes(struct slice text) {
    size_t size = bytes_of_points(text, PART_POINTS_MAX);
    if (size == text.size)
        return size;
    for (const char *at = "\n "; *at; at++)
        for (size_t i = size; i > size / 2; i--)
            if (text.data[i - 1] == *at)
                return i;
    return size;
}

static bool part_of(struct slice text, uint32_t part, struct slice *ret, uint32_t *ret_parts) {
    uint32_t parts = 0;
    *ret = (struct slice){"", 0};
    while (text.size > 0) {
        size_t size = part_bytes(text);
        if (parts++ == part)
            *ret = (struct slice){text.data, size};
        text = (struct slice){text.data + size, text.size - size};
    }
    *ret_parts = parts;
    return part < parts;
}

static void add_escaped(struct buffer *ret, struct slice text, bool plain) {
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (plain || !memchr("<>&", c, 3))
            buffer_add(ret, &c, 1);
        else
            buffer_add_text(ret, c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;");
    }
}

static void add_head_word(struct buffer *ret, const char *word, bool plain) {
    if (!word || !word[0])
        return;
    buffer_add_text(ret, " \xc2\xb7 ");
    struct slice text = slice_of(word);
    text.size = bytes_of_points(text, HEAD_POINTS_MAX / 2);
    add_escaped(ret, text, plain);
}

static void add_head(struct buffer *ret, const struct alert *alert, uint32_t part, uint32_t parts) {
    static const char *const signs[ALERT_PRIORITIES] = {"\xf0\x9f\x94\xb4", "\xf0\x9f\x9f\xa0",
                                                        "\xf0\x9f\x9f\xa1", "\xe2\x9a\xaa"};
    buffer_print(ret, "%s %s%s", signs[alert->priority], alert->plain ? "" : "<b>",
                 alert_priority_name(alert->priority));
    add_head_word(ret, alert->service, alert->plain);
    add_head_word(ret, alert->title, alert->plain);
    if (parts > 1)
        buffer_print(ret, " (%u/%u)", part + 1, parts);
    buffer_add_text(ret, alert->plain ? "" : "</b>");
    if (alert->maybe_sent)
        buffer_add_text(ret, " (possible repeat)");
    buffer_add_text(ret, "\n");
}

bool telegram_add_alert(const struct alert *alert, uint32_t part, int64_t chat,
                        struct buffer *ret) {
    struct slice text;
    uint32_t parts;
    if (!part_of(slice_of(alert->text), part, &text, &parts))
        return false;
    AUTO_BUFFER struct buffer message = {0};
    add_head(&message, alert, part, parts);
    add_escaped(&message, text, alert->plain);
    buffer_print(ret, "{\"chat_id\":%lld,%s\"text\":", (long long)chat,
                 alert->plain ? "" : "\"parse_mode\":\"HTML\",");
    json_add_text(ret, buffer_slice(&message));
    /* Night is for sleeping: only what is urgent makes a sound. */
    buffer_print(ret, ",\"disable_notification\":%s}",
                 alert->priority >= ALERT_MEDIUM ? "true" : "false");
    return true;
}
