/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs_commands.c - what begins with a stroke, or is pressed in the menu. `words` is always what
 * follows the name. */
#include "base/text.h"
#include "engine/dialogs_state.h"
#include <stdio.h>

/* {1} badge, {2} risk */
static char *introduction(const struct dialogs *self, enum sentence say) {
    char risk[DECIMAL_TEXT_BYTES];
    AUTO_FREE char *badge = dialogs_badge(self);
    return DIALOGS_TEXT(say, badge, dialogs_money(self->options.risk, risk));
}

static void do_start(struct turn *turn, const char *words) {
    dialogs_menu(turn, introduction(turn->self, SAY_GREETING));
}

static void do_help(struct turn *turn, const char *words) {
    dialogs_reply(turn, introduction(turn->self, SAY_COMMANDS));
}

static void do_status(struct turn *turn, const char *words) {
    dialogs_add(turn, DIALOGS_DO_STATUS)->chat = turn->event->chat;
}

static void do_cancel(struct turn *turn, const char *words) {
    struct dialog *dialog = dialogs_open(turn);
    if (dialog)
        dialogs_end(turn, dialog, ENDING_CANCELLED);
    dialogs_reply(turn, DIALOGS_TEXT(dialog ? SAY_CANCELLED : SAY_NOTHING_TO_CANCEL));
}

static bool next_word(const char **words, char ret[WORD_BYTES]) {
    static const char spaces[] = " \t\n";
    *words += strspn(*words, spaces);
    size_t size = strcspn(*words, spaces);
    snprintf(ret, WORD_BYTES, "%.*s", (int)(size < WORD_BYTES ? size : WORD_BYTES), *words);
    *words += size;
    return size > 0;
}

/* Each word of the command answers one question; the first that is wrong is asked for. */
static void answer_words(struct turn *turn, struct dialog *dialog, const char *words) {
    char word[WORD_BYTES], problem[RULE_SENTENCE_BYTES];
    int r = 0;
    while (r == 0 && next_word(&words, word)) {
        if (dialog->step == DIALOG_PREVIEW) {
            text_print(problem, sizeof problem, "%s", dialogs_words(SAY_TOO_MANY_WORDS));
            r = RULE_BROKEN;
        } else {
            r = dialogs_answer(turn, dialog, word, problem);
        }
    }
    dialogs_ask(turn, dialog, r ? problem : NULL);
}

static void begin(struct turn *turn, enum trade_side side, const char *words) {
    struct dialogs *self = turn->self;
    const struct dialogs_event *event = turn->event;
    if (event->instruments->count == 0) {
        dialogs_reply(turn, DIALOGS_TEXT(SAY_NOT_ANSWERED));
        return;
    }
    while (self->count >= self->options.dialogs_max)
        dialogs_end_saying(turn, &self->list[0], SAY_SUPERSEDED);
    struct dialog dialog = {
        .id = event->update_id, .user = event->user, .chat = event->chat, .side = side};
    answer_words(turn, dialogs_append(self, &dialog), words);
}

static void do_limitbuy(struct turn *turn, const char *words) {
    begin(turn, SIDE_BUY, words);
}

static void do_limitsell(struct turn *turn, const char *words) {
    begin(turn, SIDE_SELL, words);
}

static const struct {
    const char *name;
    void (*run)(struct turn *turn, const char *words);
    bool ends_itself; /* says itself what becomes of an open conversation */
} people_commands[] = {
    {"start", do_start, false},         {"help", do_help, false},
    {"status", do_status, false},       {"limitbuy", do_limitbuy, false},
    {"limitsell", do_limitsell, false}, {"cancel", do_cancel, true},
};

static void no_such_command(struct turn *turn, const char *name) {
    const char *names[COUNT_OF(people_commands) + 1] = {NULL};
    char typed[QUOTE_BYTES], meant[QUOTE_BYTES];
    for (size_t i = 0; i < COUNT_OF(people_commands); i++)
        names[i] = people_commands[i].name;
    const char *near = text_did_you_mean(name, names);
    text_print(typed, sizeof typed, "/%s", name);
    text_print(meant, sizeof meant, "/%s", near ? near : "");
    dialogs_reply(turn, near ? DIALOGS_TEXT(SAY_MEANT, typed, meant)
                             : DIALOGS_TEXT(SAY_NO_COMMAND, typed));
}

/* A mistyped command ends nothing. */
void dialogs_command(struct turn *turn, const char *text) {
    char name[WORD_BYTES];
    next_word(&text, name);
    name[strcspn(name, "@")] = 0; /* "/help@our_bot" */
    for (size_t i = 0; i < COUNT_OF(people_commands); i++) {
        if (strcasecmp(name, people_commands[i].name) != 0)
            continue;
        struct dialog *open = dialogs_open(turn);
        if (open && !people_commands[i].ends_itself)
            dialogs_end_saying(turn, open, SAY_SUPERSEDED);
        people_commands[i].run(turn, text);
        return;
    }
    no_such_command(turn, name);
}
