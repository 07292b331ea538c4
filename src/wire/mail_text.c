/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/mail_text.h"
#include "base/text.h"
#include <time.h>

enum {
    WORD_BYTES_MAX = 45, /* of text in one encoded word: it may have 75 characters */
    LINE_BYTES_MAX = 72, /* of a quoted-printable line */
};

/* ---- words ---- */

static void add_short(struct buffer *ret, const char *text, size_t points_max) {
    size_t points = 0;
    for (const char *c = text; *c; c++) {
        points += ((unsigned char)*c & 0xc0) != 0x80;
        if (points > points_max) {
            buffer_add_text(ret, "\xe2\x80\xa6");
            return;
        }
        buffer_add(ret, strchr("\r\n\t", *c) ? " " : c, 1);
    }
}

void alert_add_subject(const struct alert *alert, size_t count, struct buffer *ret) {
    buffer_print(ret, "%s - ", alert_priority_name(alert->priority));
    if (count > 0) {
        buffer_print(ret, "%zu alerts", count + 1);
        return;
    }
    if (alert->service && alert->service[0])
        buffer_print(ret, "%s: ", alert->service);
    add_short(ret, alert->title && alert->title[0] ? alert->title : alert->text,
              ALERT_SUBJECT_POINTS_MAX);
    if (alert->maybe_sent)
        buffer_add_text(ret, " (possible repeat)");
}

static void add_one(struct buffer *ret, const struct alert *alert, bool in_list) {
    buffer_add_text(ret, in_list ? "* " : "");
    if (in_list && alert->service && alert->service[0])
        buffer_print(ret, "%s: ", alert->service);
    if (alert->title && alert->title[0])
        buffer_print(ret, "%s%s", alert->title, in_list ? ": " : "\n\n");
    buffer_add_text(ret, alert->text);
    if (in_list && alert->maybe_sent)
        buffer_add_text(ret, " (possible repeat)");
    buffer_add_text(ret, "\n");
}

void alert_add_body(const struct alert *alert, const struct alert *const *others, size_t count,
                    struct buffer *ret) {
    add_one(ret, alert, count > 0);
    for (size_t i = 0; i < count; i++)
        add_one(ret, others[i], true);
}

/* ---- mail ---- */

static bool is_plain(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            return false;
    return true;
}

static bool needs_code(char c) {
    return (unsigned char)c < ' ' || (unsigned char)c > '~' || strchr("=?_ ", c);
}

/* RFC 2047: words of at most 75 characters, none of which cuts a character in two. */
static void add_encoded(struct buffer *ret, const char *text) {
    for (bool first = true; *text; first = false) {
        size_t size = 0, shown = 0;
        while (text[size]) {
            size_t next = size + 1, more = needs_code(text[size]) ? 3 : 1;
            for (; ((unsigned char)text[next] & 0xc0) == 0x80; next++)
                more += 3;
            if (size > 0 && shown + more > WORD_BYTES_MAX)
                break;
            shown += more;
            size = next;
        }
        buffer_print(ret, "%s=?utf-8?Q?", first ? "" : "\r\n ");
        for (size_t i = 0; i < size; i++)
            if (needs_code(text[i]))
                buffer_print(ret, "=%02X", (unsigned char)text[i]);
            else
                buffer_add(ret, &text[i], 1);
        buffer_add_text(ret, "?=");
        text += size;
    }
}

static void add_subject(struct buffer *ret, const char *subject) {
    buffer_add_text(ret, "Subject: ");
    if (is_plain(subject))
        buffer_add_text(ret, subject);
    else
        add_encoded(ret, subject);
    buffer_add_text(ret, "\r\n");
}

/* RFC 2045, quoted-printable: whatever it holds, lines stay short and plain. */
static void add_body(struct buffer *ret, struct slice body) {
    size_t column = 0;
    for (size_t i = 0; i < body.size; i++) {
        char c = body.data[i];
        if (c == '\n') {
            buffer_add_text(ret, "\r\n");
            column = 0;
            continue;
        }
        bool last = i + 1 == body.size || body.data[i + 1] == '\n';
        bool coded = (unsigned char)c < ' ' || (unsigned char)c > '~' || c == '=' ||
                     (c == ' ' && last) || (c == '.' && column == 0);
        if (column + (coded ? 3 : 1) > LINE_BYTES_MAX) {
            buffer_add_text(ret, "=\r\n");
            column = 0;
            coded = coded || c == '.';
        }
        if (coded)
            buffer_print(ret, "=%02X", (unsigned char)c);
        else
            buffer_add(ret, &c, 1);
        column += coded ? 3 : 1;
    }
    buffer_add_text(ret, column ? "\r\n" : "");
}

static void add_date(struct buffer *ret, int64_t at_s) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)at_s;
    struct tm tm = {0};
    must(gmtime_r(&seconds, &tm));
    buffer_print(ret, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
                 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void mail_add(const struct mail_head *head, struct slice body, struct buffer *ret) {
    buffer_print(ret, "From: <%s>\r\n", head->sender);
    for (char *const *to = head->to; *to; to++)
        buffer_print(ret, "%s<%s>%s", to == head->to ? "To: " : " ", *to, to[1] ? ",\r\n" : "\r\n");
    add_subject(ret, head->subject);
    add_date(ret, head->at_s);
    buffer_print(ret, "Message-ID: <%s>\r\n", head->id);
    buffer_add_text(ret, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: text/plain; charset=utf-8\r\n"
                         "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    add_body(ret, body);
}
