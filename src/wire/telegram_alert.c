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

static void add_message(struct buffer *ret, const struct alert *alert, struct slice text,
                        int64_t chat, const struct telegram_buttons *buttons) {
    buffer_print(ret, "{\"chat_id\":%lld,%s\"text\":", (long long)chat,
                 alert->plain ? "" : "\"parse_mode\":\"HTML\",");
    json_add_text(ret, text);
    /* Night is for sleeping: only what is urgent makes a sound. */
    buffer_print(ret, ",\"disable_notification\":%s",
                 alert->priority >= ALERT_MEDIUM ? "true" : "false");
    telegram_add_buttons(ret, buttons);
    buffer_add_text(ret, "}");
}

bool telegram_add_alert(const struct alert *alert, uint32_t part, int64_t chat,
                        const struct telegram_buttons *buttons, struct buffer *ret) {
    struct slice text;
    uint32_t parts;
    if (!part_of(slice_of(alert->text), part, &text, &parts))
        return false;
    AUTO_BUFFER struct buffer message = {0};
    add_head(&message, alert, part, parts);
    add_escaped(&message, text, alert->plain);
    add_message(ret, alert, buffer_slice(&message), chat, part + 1 == parts ? buttons : NULL);
    return true;
}

/* ---- many as one ---- */

enum { LINE_POINTS_MAX = 160, LINES_POINTS_MAX = 3400 };

static size_t points_of(const char *text) {
    size_t points = 0;
    for (; *text; text++)
        points += ((unsigned char)*text & 0xc0) != 0x80;
    return points;
}

/* "service: the first words", on one line. Returns how many characters people see. */
static size_t add_line(struct buffer *ret, const struct alert *alert, bool with_service,
                       bool plain) {
    AUTO_BUFFER struct buffer line = {0};
    if (with_service && alert->service && alert->service[0])
        buffer_print(&line, "%s: ", alert->service);
    if (alert->title && alert->title[0])
        buffer_print(&line, "%s: ", alert->title);
    buffer_add_text(&line, alert->text);
    struct slice text = buffer_slice(&line);
    size_t size = bytes_of_points(text, LINE_POINTS_MAX);
    for (size_t i = 0; i < size; i++)
        if (strchr("\r\n\t", line.data[i]))
            line.data[i] = ' ';
    buffer_add_text(ret, "\xe2\x80\xa2 ");
    add_escaped(ret, (struct slice){line.data, size}, plain);
    buffer_print(ret, "%s%s\n", size < text.size ? "\xe2\x80\xa6" : "",
                 alert->maybe_sent ? " (possible repeat)" : "");
    line.data[size] = 0;
    return points_of(line.data) + 24;
}

static bool are_of_one_service(const struct alert *first, const struct alert *const *others,
                               size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!first->service || !others[i]->service ||
            strcmp(first->service, others[i]->service) != 0)
            return false;
    return true;
}

void telegram_add_alerts(const struct alert *first, const struct alert *const *others, size_t count,
                         int64_t chat, const struct telegram_buttons *buttons, struct buffer *ret) {
    AUTO_BUFFER struct buffer message = {0};
    AUTO_FREE char *many = text_format("%zu alerts", count + 1);
    bool same = are_of_one_service(first, others, count);
    struct alert head = {.priority = first->priority,
                         .plain = first->plain,
                         .service = same ? first->service : NULL,
                         .title = many};
    add_head(&message, &head, 0, 1);
    size_t shown = 0;
    for (size_t points = 0; shown <= count && points < LINES_POINTS_MAX; shown++)
        points += add_line(&message, shown ? others[shown - 1] : first, !same, first->plain);
    if (shown <= count)
        buffer_print(&message, "\xe2\x80\xa6 and %zu more; `holdfast alerts` has them all",
                     count + 1 - shown);
    add_message(ret, &head, buffer_slice(&message), chat, buttons);
}
