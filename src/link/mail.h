/* SPDX-License-Identifier: Apache-2.0 */
/* mail.h - one message to a mail server (SMTP), in a thread of libuv's pool: the loop never waits
 * for it. Certificates are always checked. A password goes over an encrypted connection only, or to
 * this machine itself. */
#pragma once
#include "base/common.h"
#include <uv.h>

enum mail_outcome {
    MAIL_TAKEN,    /* the server has taken it over */
    MAIL_REFUSED,  /* it never will: 5xx */
    MAIL_LATER,    /* it says: not now (4xx) */
    MAIL_NOT_SENT, /* no byte of the message left this machine */
    MAIL_UNKNOWN,  /* it was written, at least in part, and no answer came */
};
struct mail {                    /* all borrowed until mail_send() returns */
    const char *url;             /* smtp://host:port or smtps://host:port */
    const char *user, *password; /* NULL: nobody logs in */
    const char *proxy;           /* curl syntax, NULL: none */
    const char *sender;
    char *const *to;     /* NULL-ended */
    const char *message; /* head and body, see wire/mail_text.h */
};
/* `error`: a sentence when it was not taken, else ""; borrowed until the return. */
typedef void mail_sent(void *context, enum mail_outcome outcome, const char *error);
/* Calls back once, on the loop. */
void mail_send(uv_loop_t *loop, const struct mail *mail, mail_sent *sent, void *context);
/* What is under way ends within a second; call it when the program ends. */
void mail_stop(void);
