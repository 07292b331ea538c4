/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs.h - what the trader answers to people: who may speak, commands, and the conversations
 * that end in an order. Pure: step(state, event, now) -> commands.
 *
 * All commands of one event belong into one commit together with its update id: PERSIST and PLACE
 * as records, SAY as outbox records. EDIT and TOAST are courtesies, sent after the commit and never
 * repeated. An event whose update id is not higher than the last one is not fed again (the shell
 * sees to it), so a step may be taken once only.
 *
 * Buttons carry "d:<dialog id>:<number of the question>:<what>", those of the menu "m:<command>". A
 * button of an ended or unknown dialog, of an older question or another person, or pressed a second
 * time changes nothing and says why. Each press gets exactly one TOAST.
 *
 * Only private chats are served, and only the owner in them. In a group the owner is sent to the
 * private chat and nobody else gets a word. */
#pragma once
#include "model/record.h"
#include "model/trade.h"

enum { DIALOG_BUTTONS_MAX = 12, DIALOG_DATA_BYTES = 65, DIALOG_LABEL_BYTES = 40 };
struct dialogs;
struct dialogs_options {
    int64_t owner; /* Telegram user id; 0: nobody may do anything */
    enum trade_mode mode;
    struct decimal risk;     /* money a trade, in USDT */
    struct decimal rr;       /* offered first as the target: multiples of the risk */
    const char *live_phrase; /* must be typed once before the first order; NULL: not needed (any
                                more); borrowed for life */
    int64_t dialog_ms;       /* a conversation ends so long after its last step; 600,000 */
    int64_t stale_ms;        /* commands older than this ask for themselves again; 300,000 */
    size_t dialogs_max;      /* open at once; the oldest is ended */
};
struct dialogs_options dialogs_options_default(void);

enum dialogs_on {
    DIALOGS_ON_TEXT,  /* a message: user, chat, is_private, sent_ms, text (NULL: no text in it) */
    DIALOGS_ON_PRESS, /* a button: user, chat, is_private, data, query_id, message_id */
    DIALOGS_ON_TIMER, /* dialogs_next_ms() has come */
};
struct dialogs_event {
    enum dialogs_on on;
    int64_t update_id, user, chat, sent_ms, message_id;
    bool is_private;
    const char *text, *data, *query_id; /* borrowed */
    /* What is known of the market now; borrowed. count 0: nothing yet. */
    const struct instruments *instruments; /* NULL: nothing either */
    const struct wallet *wallet;           /* NULL: not known */
};
enum dialogs_do {
    DIALOGS_DO_PERSIST, /* records: DIALOG, DIALOG_DROP */
    DIALOGS_DO_SAY,     /* chat, text, buttons */
    DIALOGS_DO_EDIT,    /* chat, message_id, text, buttons */
    DIALOGS_DO_TOAST,   /* query_id, text ("" to end the spinner only) */
    DIALOGS_DO_PLACE,   /* order: symbol, side, type, qty, price, stop, take, chat, user, cause */
    DIALOGS_DO_STATUS,  /* chat: say how things stand (the shell knows) */
    DIALOGS_DO_CONFIRM_LIVE, /* the phrase was typed: keep it, and never ask again */
    DIALOGS_DO_LOG,          /* text: somebody without rights tried */
};
struct dialog_button {
    char label[DIALOG_LABEL_BYTES], data[DIALOG_DATA_BYTES];
    bool new_row;
};
struct dialogs_command {
    enum dialogs_do what;
    struct records records; /* to be taken, or freed by dialogs_commands_deinit() */
    int64_t chat, message_id;
    char *text;
    char *query_id;
    struct dialog_button buttons[DIALOG_BUTTONS_MAX];
    size_t button_count;
    struct order order;
};
struct dialogs_commands { /* start with {0} */
    struct dialogs_command *list;
    size_t count, capacity;
};
void dialogs_commands_deinit(struct dialogs_commands *commands);

struct dialogs *dialogs_new(const struct dialogs_options *options);
struct dialogs *dialogs_free(struct dialogs *dialogs);
void dialogs_restore(struct dialogs *dialogs, const struct record *record); /* RECORD_DIALOG */
void dialogs_live_is_confirmed(struct dialogs *dialogs);                    /* in a former run */
/* The confirmation could not be kept: asked for again. */
void dialogs_ask_for_live(struct dialogs *dialogs, const char *phrase);
void dialogs_step(struct dialogs *dialogs, const struct dialogs_event *event, int64_t now,
                  struct dialogs_commands *commands);
int64_t dialogs_next_ms(const struct dialogs *dialogs); /* INT64_MAX: nothing is due */
