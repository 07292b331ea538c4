/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs_text.h - all that the dialogs say, by name, so that another language is another table.
 * (What the rules of an order say stands with them, in order_rules.c.) */
#pragma once
#include "base/common.h"

enum sentence {
    SAY_NOTHING, /* "" */
    /* Labels */
    SAY_BUY,
    SAY_SELL,
    SAY_STATUS,
    SAY_HELP,
    SAY_CONFIRM,
    SAY_BACK,
    SAY_CANCEL,
    SAY_RATIO,         /* 1 multiple of the risk, 2 price */
    SAY_RATIO_DEFAULT, /* the same */
    /* Questions */
    SAY_BADGE,      /* 1 mode; no real money */
    SAY_BADGE_LIVE, /* 1 mode */
    SAY_HEAD,       /* 1 badge, 2 buy or sell */
    SAY_HEAD_SYMBOL /* 1 badge, 2 buy or sell, 3 symbol */,
    SAY_ASK_SYMBOL,
    SAY_ASK_ENTRY,      /* 1 last price */
    SAY_ASK_ENTRY_ONLY, /* last price not known */
    SAY_ASK_STOP_BELOW, /* 1 entry, 2 risk */
    SAY_ASK_STOP_ABOVE, /* the same */
    SAY_ASK_TAKE,       /* 1 entry, 2 stop, 3 quantity */
    SAY_PREVIEW, /* 1 entry, 2 stop, 3 take, 4 quantity, 5 risk, 6 reward, 7 ratio, 8 notional */
    SAY_LAST,    /* 1 last price */
    SAY_AT_ONCE,
    SAY_FAR,
    SAY_ASK_CONFIRM,
    /* What was wrong */
    SAY_LOT_RISKS,  /* 1 what the smallest lot risks, 2 allowed */
    SAY_TOO_DEAR,   /* 1 notional, 2 what is possible, 3 available */
    SAY_TOO_LARGE,  /* numbers that cannot be */
    SAY_BELOW_ZERO, /* 1 multiple */
    SAY_USE_BUTTONS,
    SAY_TEXT_ONLY,
    SAY_TOO_MANY_WORDS,
    SAY_CHANGED,
    SAY_LONG_AGO,
    SAY_NOT_ANSWERED,
    /* Ends */
    SAY_CHOSEN_SYMBOL, /* 1 symbol */
    SAY_CHOSEN_TAKE,   /* 1 price */
    SAY_WENT_BACK,
    SAY_CANCELLED,
    SAY_PLACED, /* 1 preview */
    SAY_NOTHING_TO_CANCEL,
    SAY_EXPIRED, /* 1 buy or sell */
    SAY_SUPERSEDED /* 1 buy or sell */,
    /* Toasts */
    SAY_TOAST_PLACED,
    SAY_TOAST_CANCELLED,
    SAY_TOAST_OLD,
    SAY_TOAST_EXPIRED,
    SAY_TOAST_WAS_PLACED,
    SAY_TOAST_WAS_CANCELLED,
    SAY_TOAST_STRANGER,
    SAY_TOAST_PRIVATE,
    SAY_TOAST_LOOK,
    /* Commands */
    SAY_GREETING, /* 1 badge, 2 risk */
    SAY_COMMANDS, /* 1 badge, 2 risk */
    SAY_UNKNOWN,
    SAY_NO_COMMAND,   /* 1 typed */
    SAY_MEANT,        /* 1 typed, 2 command */
    SAY_STALE,        /* 1 typed, 2 minutes */
    SAY_TYPE_PHRASE,  /* 1 phrase */
    SAY_LIVE_ON,      /* the phrase was typed */
    SAY_PRIVATE_ONLY, /* in a group */
    SAY_STRANGER,     /* 1 user id */
    SAY_NO_OWNER,     /* 1 user id */
    SAY_LOG,          /* 1 user id, 2 chat id */
    SENTENCES
};

/* {1} to {9} in the sentence become the values; the caller frees. */
char *dialogs_text(enum sentence which, const char *const values[]); /* [0] unused; NULL-ended */
#define DIALOGS_TEXT(...) DIALOGS_TEXT_(__VA_ARGS__, NULL)
#define DIALOGS_TEXT_(which, ...) dialogs_text(which, (const char *const[]){"", __VA_ARGS__})
/* As it stands: labels and toasts without values. */
const char *dialogs_words(enum sentence which);
