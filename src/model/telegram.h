/* SPDX-License-Identifier: Apache-2.0 */
/* telegram.h - what the gateway knows of Telegram's updates and answers. */
#pragma once
#include "base/common.h"

/* What an answer of the Bot API means for us. */
enum telegram_class {
    TELEGRAM_OK,
    TELEGRAM_BENIGN,       /* "message is not modified": as good as done */
    TELEGRAM_RATE_LIMITED, /* 429: wait, then the same call again */
    TELEGRAM_CHAT_GONE,    /* this chat cannot be written to: not found, blocked, kicked, ... */
    TELEGRAM_MIGRATED,     /* the chat has a new id: migrate_to */
    TELEGRAM_BAD_MARKUP,   /* can't parse entities: send as plain text */
    TELEGRAM_TOO_LONG,
    TELEGRAM_BAD_REQUEST, /* wrong for ever, as it is */
    TELEGRAM_BAD_TOKEN,   /* 401, 404, 421: this token is not accepted */
    TELEGRAM_CONFLICT,    /* 409: somebody else polls, or a webhook is set */
    TELEGRAM_TRANSIENT,   /* 5xx, or no answer of the Bot API at all */
};
const char *telegram_class_name(enum telegram_class class);

struct telegram_update { /* borrowed from the answer that it came in */
    int64_t id;
    struct slice raw;  /* the JSON object as Telegram wrote it */
    uint64_t kind_bit; /* one bit */
    bool press;        /* said to Holdfast itself, see wire/telegram_press.h */
    bool ages;         /* words, presses, inline queries: who did it wants no late answer; not so
                          payments, members, and kinds that are not known */
    int64_t date_ms;   /* when it was written or changed; 0: it does not say */
};

/* Sets of update kinds. Kinds that this version does not know are TELEGRAM_KIND_OTHER. */
#define TELEGRAM_KIND_OTHER (UINT64_C(1) << 63)
uint64_t telegram_kind_bit(struct slice name);  /* "message" */
uint64_t telegram_kinds_default(void);          /* all but the three that must be asked for */
const char *telegram_kind_name(unsigned index); /* NULL past the last */
