/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dialogs.h"
#include "base/text.h"
#include "engine/dialogs_state.h"
#include <stdio.h>

enum { MINUTE_MS = 60000, TOLD_AGAIN_MS = 3600000 };

struct dialogs_options dialogs_options_default(void) {
    return (struct dialogs_options){
        .mode = TRADE_PAPER,
        .risk = {100, 0},
        .rr = {2, 0},
        .dialog_ms = 600000,
        .stale_ms = 300000,
        .dialogs_max = 16,
    };
}

/* ---- Commands for the shell */

struct dialogs_command *dialogs_add(struct turn *turn, enum dialogs_do what) {
    struct dialogs_commands *commands = turn->commands;
    if (commands->count == commands->capacity) {
        commands->capacity = commands->capacity ? commands->capacity * 2 : 8;
        commands->list = memory_grow(commands->list, commands->capacity, sizeof *commands->list);
    }
    struct dialogs_command *command = &commands->list[commands->count++];
    *command = (struct dialogs_command){.what = what};
    return command;
}

struct dialogs_command *dialogs_say(struct turn *turn, int64_t chat, char *text) {
    struct dialogs_command *command = dialogs_add(turn, DIALOGS_DO_SAY);
    command->chat = chat;
    command->text = text;
    return command;
}

struct dialogs_command *dialogs_reply(struct turn *turn, char *text) {
    return dialogs_say(turn, turn->event->chat, text);
}

void dialogs_button(struct dialogs_command *command, bool new_row, const char *label,
                    const char *data) {
    if (command->button_count == DIALOG_BUTTONS_MAX || strlen(data) >= DIALOG_DATA_BYTES)
        return;
    struct dialog_button *button = &command->buttons[command->button_count++];
    text_print(button->label, sizeof button->label, "%s", label);
    strcpy(button->data, data);
    button->new_row = new_row;
}

void dialogs_menu(struct turn *turn, char *text) {
    struct dialogs_command *command = dialogs_reply(turn, text);
    dialogs_button(command, true, dialogs_words(SAY_BUY), "m:limitbuy");
    dialogs_button(command, false, dialogs_words(SAY_SELL), "m:limitsell");
    dialogs_button(command, true, dialogs_words(SAY_STATUS), "m:status");
    dialogs_button(command, false, dialogs_words(SAY_HELP), "m:help");
}

void dialogs_commands_deinit(struct dialogs_commands *commands) {
    for (size_t i = 0; i < commands->count; i++) {
        records_deinit(&commands->list[i].records);
        free(commands->list[i].text);
        free(commands->list[i].query_id);
    }
    free(commands->list);
    *commands = (struct dialogs_commands){0};
}

/* ---- The life of a conversation */

struct dialogs *dialogs_new(const struct dialogs_options *options) {
    must(decimal_sign(options->risk) > 0 && options->dialogs_max > 0);
    struct dialogs *self = memory_new(sizeof *self);
    self->options = *options;
    return self;
}

struct dialogs *dialogs_free(struct dialogs *self) {
    if (self)
        free(self->list);
    free(self);
    return NULL;
}

struct dialog *dialogs_append(struct dialogs *self, const struct dialog *dialog) {
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 4;
        self->list = memory_grow(self->list, self->capacity, sizeof *self->list);
    }
    self->list[self->count] = *dialog;
    return &self->list[self->count++];
}

/* What a step counts on is there. */
static bool is_whole(const struct dialog *dialog) {
    static const struct decimal none = {0};
    return dialog->step < DIALOG_STEPS && dialog->side != SIDE_NONE &&
           (dialog->step <= DIALOG_SYMBOL || dialog->symbol[0]) &&
           (dialog->step <= DIALOG_ENTRY || decimal_compare(dialog->entry, none) > 0) &&
           (dialog->step <= DIALOG_STOP || (decimal_compare(dialog->stop, none) > 0 &&
                                            !decimal_equal(dialog->stop, dialog->entry)));
}

void dialogs_restore(struct dialogs *self, const struct record *record) {
    if (record->kind != RECORD_DIALOG)
        return;
    struct dialog dialog = record->trade->dialog;
    if (!is_whole(&dialog))
        dialog.deadline_ms = 0; /* ended, and let go, at the first step */
    dialogs_append(self, &dialog);
}

void dialogs_end(struct turn *turn, struct dialog *dialog, enum ending how) {
    struct dialogs *self = turn->self;
    struct dialogs_command *persist = dialogs_add(turn, DIALOGS_DO_PERSIST);
    records_add(&persist->records, RECORD_DIALOG_DROP)->trade->dialog.id = dialog->id;
    self->ended[self->ended_next].id = dialog->id;
    self->ended[self->ended_next].how = how;
    self->ended_next = (self->ended_next + 1) % ENDED_KEPT;
    size_t i = (size_t)(dialog - self->list);
    self->count--;
    memmove(dialog, dialog + 1, (self->count - i) * sizeof *dialog);
}

void dialogs_end_saying(struct turn *turn, struct dialog *dialog, enum sentence say) {
    if (dialog->user == turn->self->options.owner)
        dialogs_say(turn, dialog->chat, DIALOGS_TEXT(say, dialogs_side(dialog)));
    dialogs_end(turn, dialog, ENDING_EXPIRED);
}

static void expire(struct turn *turn) {
    struct dialogs *self = turn->self;
    for (size_t i = self->count; i-- > 0;)
        if (self->list[i].deadline_ms <= turn->now)
            dialogs_end_saying(turn, &self->list[i], SAY_EXPIRED);
}

int64_t dialogs_next_ms(const struct dialogs *self) {
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < self->count; i++)
        if (self->list[i].deadline_ms < next)
            next = self->list[i].deadline_ms;
    return next;
}

struct dialog *dialogs_open(const struct turn *turn) {
    const struct dialogs *self = turn->self;
    for (size_t i = 0; i < self->count; i++)
        if (self->list[i].user == turn->event->user && self->list[i].chat == turn->event->chat)
            return &self->list[i];
    return NULL;
}

char *dialogs_badge(const struct dialogs *self) {
    enum trade_mode mode = self->options.mode;
    return DIALOGS_TEXT(mode == TRADE_LIVE ? SAY_BADGE_LIVE : SAY_BADGE, trade_mode_badge(mode));
}

const char *dialogs_side(const struct dialog *dialog) {
    return dialogs_words(dialog->side == SIDE_BUY ? SAY_BUY : SAY_SELL);
}

/* ---- Who may speak */

/* True when this stranger was not told within the hour. */
static bool is_news(struct dialogs *self, int64_t user, int64_t now) {
    for (size_t i = 0; i < STRANGERS_KEPT; i++)
        if (self->strangers[i].user == user && self->strangers[i].told_ms > now - TOLD_AGAIN_MS)
            return false;
    self->strangers[self->strangers_next].user = user;
    self->strangers[self->strangers_next].told_ms = now;
    self->strangers_next = (self->strangers_next + 1) % STRANGERS_KEPT;
    return true;
}

void dialogs_refuse(struct turn *turn, enum sentence say) {
    char user[WORD_BYTES], chat[WORD_BYTES];
    if (!is_news(turn->self, turn->event->user, turn->now))
        return;
    snprintf(user, sizeof user, "%lld", (long long)turn->event->user);
    snprintf(chat, sizeof chat, "%lld", (long long)turn->event->chat);
    if (say != SAY_NOTHING)
        dialogs_reply(turn, DIALOGS_TEXT(say, user));
    dialogs_add(turn, DIALOGS_DO_LOG)->text = DIALOGS_TEXT(SAY_LOG, user, chat);
}

/* In a group others talk as well: only commands are meant for us, and nobody but the owner gets a
 * word. */
static void on_group(struct turn *turn, bool is_owner) {
    const char *text = turn->event->text;
    if (!text || text[0] != '/')
        return;
    if (is_owner)
        dialogs_reply(turn, DIALOGS_TEXT(SAY_PRIVATE_ONLY));
    else
        dialogs_refuse(turn, SAY_NOTHING);
}

/* ---- Events */

static bool refuse_stale(struct turn *turn) {
    const struct dialogs_event *event = turn->event;
    int64_t age_ms = turn->now - event->sent_ms;
    if (event->sent_ms <= 0 || age_ms <= turn->self->options.stale_ms)
        return false;
    char minutes[WORD_BYTES], quote[QUOTE_BYTES];
    snprintf(minutes, sizeof minutes, "%lld", (long long)(age_ms / MINUTE_MS));
    text_print(quote, sizeof quote, "%s", event->text ? event->text : "...");
    dialogs_reply(turn, DIALOGS_TEXT(SAY_STALE, quote, minutes));
    return true;
}

static bool is_live_phrase(const struct turn *turn) {
    const struct dialogs_options *options = &turn->self->options;
    return options->mode == TRADE_LIVE && options->live_phrase && turn->event->text &&
           strcmp(options->live_phrase, turn->event->text) == 0;
}

static void on_live_phrase(struct turn *turn) {
    turn->self->options.live_phrase = NULL;
    dialogs_add(turn, DIALOGS_DO_CONFIRM_LIVE);
    dialogs_reply(turn, DIALOGS_TEXT(SAY_LIVE_ON));
    struct dialog *dialog = dialogs_open(turn);
    if (dialog)
        dialogs_ask(turn, dialog, NULL);
}

static void on_answer(struct turn *turn, struct dialog *dialog) {
    char problem[RULE_SENTENCE_BYTES];
    int r = RULE_BROKEN;
    if (turn->event->text)
        r = dialogs_answer(turn, dialog, turn->event->text, problem);
    else
        text_print(problem, sizeof problem, "%s", dialogs_words(SAY_TEXT_ONLY));
    dialogs_ask(turn, dialog, r ? problem : NULL);
}

static void on_text(struct turn *turn) {
    const struct dialogs_event *event = turn->event;
    int64_t owner = turn->self->options.owner;
    bool is_owner = owner && event->user == owner;
    if (!event->is_private) {
        on_group(turn, is_owner);
        return;
    }
    if (!is_owner) {
        dialogs_refuse(turn, owner ? SAY_STRANGER : SAY_NO_OWNER);
        return;
    }
    if (refuse_stale(turn))
        return;
    struct dialog *dialog = dialogs_open(turn);
    if (is_live_phrase(turn))
        on_live_phrase(turn);
    else if (event->text && event->text[0] == '/')
        dialogs_command(turn, event->text + 1);
    else if (dialog)
        on_answer(turn, dialog);
    else
        dialogs_reply(turn, DIALOGS_TEXT(SAY_UNKNOWN));
}

static void on_timer(struct turn *turn) {
    /* expire() is all, and comes before every event. */
}

void dialogs_step(struct dialogs *self, const struct dialogs_event *event, int64_t now,
                  struct dialogs_commands *commands) {
    static void (*const handlers[])(struct turn * turn) = {[DIALOGS_ON_TEXT] = on_text,
                                                           [DIALOGS_ON_PRESS] = dialogs_press,
                                                           [DIALOGS_ON_TIMER] = on_timer};
    static const struct instruments nothing_yet = {0};
    must(event->on < COUNT_OF(handlers));
    struct dialogs_event whole = *event;
    if (!whole.instruments)
        whole.instruments = &nothing_yet;
    struct turn turn = {self, &whole, now, commands};
    expire(&turn);
    handlers[event->on](&turn);
}

void dialogs_live_is_confirmed(struct dialogs *self) {
    self->options.live_phrase = NULL;
}

void dialogs_ask_for_live(struct dialogs *self, const char *phrase) {
    self->options.live_phrase = phrase;
}
