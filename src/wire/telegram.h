/* SPDX-License-Identifier: Apache-2.0 */
/* telegram.h - answers and requests of the Bot API. Updates are sliced out of the answer, never
 * written anew. Nothing here trusts its input. */
#pragma once
#include "base/buffer.h"
#include "model/alert.h"
#include "model/telegram.h"
#include "wire/telegram_press.h"

enum { TELEGRAM_TEXT_POINTS_MAX = 4096, TELEGRAM_UPDATES_MAX = 1000 };

struct telegram_answer {
    enum telegram_class class;
    int code;              /* error_code, or the HTTP status */
    int64_t retry_after_s; /* -1: none said */
    int64_t migrate_to;    /* 0: none */
    char description[256]; /* "" when none; valid UTF-8 */
};
/* Any status and body: what is no answer of the Bot API is TELEGRAM_TRANSIENT. */
void telegram_read_answer(int status, struct slice body, struct telegram_answer *ret);

struct telegram_updates {
    struct telegram_update *list;
    size_t count;
};
/* The answer of getUpdates. Slices point into `body`. -EPROTO: it is not such an answer (also when
 * one update has no id: half an answer is not trusted). Free list with free(). */
MUST_CHECK int telegram_read_updates(struct slice body, struct telegram_updates *ret);

/* The value of a parameter of a request body, decoded: JSON strings and form fields as their text,
 * other JSON values as they stand. Content types: JSON, urlencoded form, multipart form. */
bool telegram_body_param(const char *content_type, struct slice body, const char *name,
                         struct buffer *ret);
/* Names a chat in the budgets: its id, or for "@name" a number that no id can be. 0: no chat. */
int64_t telegram_chat_key(const char *chat_id);
/* -EINVAL: not a list of texts (the API then keeps the last setting). [] and lists of unknown
 * names are the default set. */
MUST_CHECK int telegram_read_kinds(struct slice json, uint64_t *ret_kinds);
void telegram_add_kinds(uint64_t kinds, struct buffer *ret); /* as JSON */

/* sendMessage, with buttons (NULL: none) below its last part, for part `part` (from 0) of an alert.
 * False: there is no such part. */
bool telegram_add_alert(const struct alert *alert, uint32_t part, int64_t chat,
                        const struct telegram_buttons *buttons, struct buffer *ret);
/* It and `count` others as one message, a line each; as many as it holds, and how many more. */
void telegram_add_alerts(const struct alert *first, const struct alert *const *others, size_t count,
                         int64_t chat, const struct telegram_buttons *buttons, struct buffer *ret);
/* {"ok":false,...} as the Bot API would say it; retry_after_s -1: none. */
void telegram_add_error(struct buffer *ret, int code, const char *description,
                        int64_t retry_after_s);
