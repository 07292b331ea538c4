/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs_state.h - what the files of the dialogs share. Not for others.
 *
 * dialogs.c: who may speak, the life of a conversation. dialogs_commands.c: /limitbuy and the
 * others. dialogs_press.c: buttons, and the one that places. dialogs_ask.c: questions.
 * dialogs_steps.c: answers. dialogs_text.c: the words.
 */
#pragma once
#include "base/buffer.h"
#include "engine/dialogs.h"
#include "engine/dialogs_text.h"
#include "engine/order_rules.h"

enum { ENDED_KEPT = 16, STRANGERS_KEPT = 32 };
enum { WORD_BYTES = 64, QUOTE_BYTES = 48 }; /* of what people type; as much is given back to them */
enum ending { ENDING_EXPIRED, ENDING_PLACED, ENDING_CANCELLED };

struct dialogs {
    struct dialogs_options options; /* live_phrase: NULL once it was typed */
    struct dialog *list;            /* open ones, oldest first */
    size_t count, capacity;
    /* How the last ones ended: only for better words when their buttons are pressed again. */
    struct {
        int64_t id;
        enum ending how;
    } ended[ENDED_KEPT];
    size_t ended_next;
    /* Who was refused lately: told once an hour, so that nobody makes us talk without end. */
    struct {
        int64_t user, told_ms;
    } strangers[STRANGERS_KEPT];
    size_t strangers_next;
};

/* One call of dialogs_step(). */
struct turn {
    struct dialogs *self;
    const struct dialogs_event *event;
    int64_t now;
    struct dialogs_commands *commands;
};

/* dialogs.c */
struct dialogs_command *dialogs_add(struct turn *turn, enum dialogs_do what);
/* Takes text. The command is good until the next one is added. */
struct dialogs_command *dialogs_say(struct turn *turn, int64_t chat, char *text);
struct dialogs_command *dialogs_reply(struct turn *turn, char *text); /* where the event was */
/* Left out when it does not fit. */
void dialogs_button(struct dialogs_command *command, bool new_row, const char *label,
                    const char *data);
void dialogs_menu(struct turn *turn, char *text); /* takes text; with the buttons of /start */
struct dialog *dialogs_append(struct dialogs *self, const struct dialog *dialog);
struct dialog *dialogs_open(const struct turn *turn); /* of this person in this chat; NULL: none */
void dialogs_end(struct turn *turn, struct dialog *dialog, enum ending how); /* frees its place */
/* Only the owner hears of it: whoever was the owner before does not. */
void dialogs_end_saying(struct turn *turn, struct dialog *dialog, enum sentence say);
void dialogs_refuse(struct turn *turn, enum sentence say); /* a stranger; SAY_NOTHING: only log */
char *dialogs_badge(const struct dialogs *self);
const char *dialogs_side(const struct dialog *dialog);

/* dialogs_commands.c */
/* "limitbuy BTC 64250": without the stroke. A mistyped one ends no conversation. */
void dialogs_command(struct turn *turn, const char *text);

/* dialogs_ask.c */
/* Puts the question of the step, with `problem` above it (NULL: none), and keeps the dialog: from
 * now on only the buttons of this question count. */
void dialogs_ask(struct turn *turn, struct dialog *dialog, const char *problem);
char *dialogs_preview(struct turn *turn, const struct dialog *dialog); /* without a question */
/* A price as people read it, with the places of the tick. */
const char *dialogs_price(struct turn *turn, const struct dialog *dialog, struct decimal price,
                          char ret[DECIMAL_TEXT_BYTES]);
const char *dialogs_money(struct decimal money, char ret[DECIMAL_TEXT_BYTES]);
struct decimal dialogs_distance(struct decimal a, struct decimal b); /* |a - b| */

/* dialogs_steps.c */
/* 0 and the next step, or > 0 and a sentence. Does not ask. */
int dialogs_answer(struct turn *turn, struct dialog *dialog, const char *typed,
                   char ret[RULE_SENTENCE_BYTES]);
void dialogs_back(struct turn *turn, struct dialog *dialog); /* not from the first step; asks */
/* The size anew, from what holds now; 0, or > 0 and a sentence. */
int dialogs_size(struct turn *turn, struct dialog *dialog, char ret[RULE_SENTENCE_BYTES]);
void dialogs_order(const struct turn *turn, const struct dialog *dialog, struct order *ret);

/* dialogs_press.c */
void dialogs_press(struct turn *turn);
