/* SPDX-License-Identifier: Apache-2.0 */
/* mail_text.h - alerts as text for people who read them elsewhere than in Telegram, and as a mail
 * (RFC 5322, UTF-8). */
#pragma once
#include "base/buffer.h"
#include "model/alert.h"

enum { ALERT_SUBJECT_POINTS_MAX = 120 };
/* "CRITICAL - db: the database is down", one line. `count` others were told in the same message. */
void alert_add_subject(const struct alert *alert, size_t count, struct buffer *ret);
/* The words; of several, a line each, all of them. */
void alert_add_body(const struct alert *alert, const struct alert *const *others, size_t count,
                    struct buffer *ret);
struct mail_head {
    const char *sender, *subject, *id; /* id: of the message, without < > */
    char *const *to;                   /* NULL-ended */
    int64_t at_s;                      /* since 1970 UTC */
};
/* Head and body, lines ended by CR LF; the body may hold anything. */
void mail_add(const struct mail_head *head, struct slice body, struct buffer *ret);
