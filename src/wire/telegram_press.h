/* SPDX-License-Identifier: Apache-2.0 */
/* telegram_press.h - what people say to Holdfast itself in a chat: the buttons below alerts, and
 * the command /holdfast. Both are a verb and its words: a button's data is "holdfast:ack 17", a
 * message "/holdfast ack 17" or "/holdfast@the_bot ack 17". Nothing here trusts its input. */
#pragma once
#include "base/buffer.h"

enum { PRESS_WORD_BYTES = 65, PRESS_NAME_BYTES = 97, PRESS_QUERY_BYTES = 65, PRESS_DATA_MAX = 64 };
struct telegram_press {
    bool button;
    int64_t from, chat, message;   /* who (a person's id), where, under which message; 0: unknown */
    int64_t at_s;                  /* a message's time; of a button that is not known: 0 */
    char name[PRESS_NAME_BYTES];   /* the person's, for people */
    char query[PRESS_QUERY_BYTES]; /* callback_query id of a button, else "" */
    char to[PRESS_WORD_BYTES];     /* the bot that a command names, without @; "": none */
    char verb[PRESS_WORD_BYTES];   /* lower case; "": the bare command */
    char words[2][PRESS_WORD_BYTES];
    char service[PRESS_WORD_BYTES]; /* that the buttons of the message restart; "": none */
};
/* True: this update (a JSON object) is meant for Holdfast, and for no bot. */
bool telegram_is_press(struct slice update);
/* False: it is none, or one that cannot be read. */
bool telegram_read_press(struct slice update, struct telegram_press *ret);

/* What stands below an alert. */
struct telegram_buttons {
    int64_t id;          /* of the alert; 0: no buttons */
    int64_t ack;         /* id for acknowledging; 0: there is nothing to acknowledge */
    bool all;            /* ... and all before it */
    const char *service; /* that can be restarted and has a log; NULL: none */
};
/* ,"reply_markup":{...} of a message; nothing when there is none. */
void telegram_add_buttons(struct buffer *ret, const struct telegram_buttons *buttons);
/* {"inline_keyboard":...} with a button that only tells; Restart and Logs of `service` (borrowed;
 * "": none) stay. */
void telegram_add_done(struct buffer *ret, const char *text, const char *service);
