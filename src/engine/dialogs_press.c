/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs_press.c - buttons. Each press gets exactly one toast, or its spinner would turn on. */
#include "base/text.h"
#include "engine/dialogs_state.h"

/* The message of the button without its buttons. */
static void edit(struct turn *turn, char *text) {
    struct dialogs_command *command = dialogs_add(turn, DIALOGS_DO_EDIT);
    command->chat = turn->event->chat;
    command->message_id = turn->event->message_id;
    command->text = text;
}

/* What is asked or bound by rules may have changed since the preview was shown. */
static int check_again(struct turn *turn, struct dialog *dialog, struct order *ret_order,
                       char ret[RULE_SENTENCE_BYTES]) {
    struct decimal seen = dialog->qty;
    const struct instrument *instrument =
        rule_symbol(turn->event->instruments, dialog->symbol, ret);
    if (!instrument || dialogs_size(turn, dialog, ret))
        return RULE_BROKEN;
    dialogs_order(turn, dialog, ret_order);
    if (rule_order(instrument, ret_order, ret))
        return RULE_BROKEN;
    if (decimal_equal(seen, dialog->qty))
        return 0;
    text_print(ret, RULE_SENTENCE_BYTES, "%s", dialogs_words(SAY_CHANGED));
    return RULE_BROKEN;
}

static enum sentence place(struct turn *turn, struct dialog *dialog, const struct order *order) {
    AUTO_FREE char *preview = dialogs_preview(turn, dialog);
    edit(turn, DIALOGS_TEXT(SAY_PLACED, preview));
    dialogs_end(turn, dialog, ENDING_PLACED);
    dialogs_add(turn, DIALOGS_DO_PLACE)->order = *order;
    return SAY_TOAST_PLACED;
}

/* A press carries no time: it may have waited long on its way here. */
static bool seen_long_ago(struct turn *turn, struct dialog *dialog) {
    const struct dialogs_options *options = &turn->self->options;
    int64_t age = turn->now - (dialog->deadline_ms - options->dialog_ms);
    if (age <= options->stale_ms)
        return false;
    AUTO_FREE char *minutes = text_format("%lld", (long long)age / 60000);
    AUTO_FREE char *problem = DIALOGS_TEXT(SAY_LONG_AGO, minutes);
    dialogs_ask(turn, dialog, problem);
    return true;
}

static enum sentence press_ok(struct turn *turn, struct dialog *dialog, const char *argument) {
    const struct dialogs_options *options = &turn->self->options;
    char problem[RULE_SENTENCE_BYTES];
    struct order order;
    if (dialog->step != DIALOG_PREVIEW)
        return SAY_TOAST_OLD;
    if (options->mode == TRADE_LIVE && options->live_phrase) {
        dialogs_say(turn, dialog->chat, DIALOGS_TEXT(SAY_TYPE_PHRASE, options->live_phrase));
        return SAY_TOAST_LOOK;
    }
    if (seen_long_ago(turn, dialog))
        return SAY_TOAST_LOOK;
    if (check_again(turn, dialog, &order, problem) == 0)
        return place(turn, dialog, &order);
    dialogs_ask(turn, dialog, problem);
    return SAY_TOAST_LOOK;
}

static enum sentence press_cancel(struct turn *turn, struct dialog *dialog, const char *argument) {
    dialogs_end(turn, dialog, ENDING_CANCELLED);
    edit(turn, DIALOGS_TEXT(SAY_CANCELLED));
    return SAY_TOAST_CANCELLED;
}

/* Before the first question stands the menu. */
static enum sentence press_back(struct turn *turn, struct dialog *dialog, const char *argument) {
    if (dialog->step == DIALOG_SYMBOL) {
        dialogs_end(turn, dialog, ENDING_CANCELLED);
        edit(turn, DIALOGS_TEXT(SAY_WENT_BACK));
        dialogs_menu(turn, DIALOGS_TEXT(SAY_CANCELLED));
        return SAY_NOTHING;
    }
    edit(turn, DIALOGS_TEXT(SAY_WENT_BACK));
    dialogs_back(turn, dialog);
    return SAY_NOTHING;
}

static char *chosen(struct turn *turn, const struct dialog *dialog, enum dialog_step step) {
    char price[DECIMAL_TEXT_BYTES];
    if (step == DIALOG_SYMBOL)
        return DIALOGS_TEXT(SAY_CHOSEN_SYMBOL, dialog->symbol);
    return DIALOGS_TEXT(SAY_CHOSEN_TAKE, dialogs_price(turn, dialog, dialog->take, price));
}

static enum sentence press_answer(struct turn *turn, struct dialog *dialog, const char *argument) {
    char problem[RULE_SENTENCE_BYTES];
    enum dialog_step step = dialog->step;
    int r = dialogs_answer(turn, dialog, argument, problem);
    if (r == 0)
        edit(turn, chosen(turn, dialog, step));
    dialogs_ask(turn, dialog, r ? problem : NULL);
    return r ? SAY_TOAST_LOOK : SAY_NOTHING;
}

static const struct {
    const char *name; /* "=": the answer follows */
    enum sentence (*press)(struct turn *turn, struct dialog *dialog, const char *argument);
} presses[] = {
    {"ok", press_ok}, {"cancel", press_cancel}, {"back", press_back}, {"=", press_answer}};

static enum sentence press_what(struct turn *turn, struct dialog *dialog, const char *what) {
    for (size_t i = 0; i < COUNT_OF(presses); i++) {
        size_t size = strlen(presses[i].name);
        bool with_argument = presses[i].name[0] == '=';
        if (with_argument ? strncmp(what, "=", 1) == 0 : strcmp(what, presses[i].name) == 0)
            return presses[i].press(turn, dialog, what + size);
    }
    return SAY_TOAST_EXPIRED;
}

/* Which conversation is over, and how, as far as we remember. */
static enum sentence press_ended(const struct dialogs *self, int64_t id) {
    static const enum sentence words[] = {[ENDING_EXPIRED] = SAY_TOAST_EXPIRED,
                                          [ENDING_PLACED] = SAY_TOAST_WAS_PLACED,
                                          [ENDING_CANCELLED] = SAY_TOAST_WAS_CANCELLED};
    for (size_t i = 0; i < ENDED_KEPT; i++)
        if (self->ended[i].id == id)
            return words[self->ended[i].how];
    return SAY_TOAST_EXPIRED;
}

/* "12:345:what": false when it is not ours. */
static bool read_data(const char *data, int64_t *ret_id, int64_t *ret_asked, const char **ret) {
    char *end;
    *ret_id = strtoll(data, &end, 10);
    if (*end != ':')
        return false;
    *ret_asked = strtoll(end + 1, &end, 10);
    *ret = end + 1;
    return *end == ':';
}

static enum sentence press_dialog(struct turn *turn, const char *data) {
    struct dialogs *self = turn->self;
    int64_t id, asked;
    const char *what;
    if (!read_data(data, &id, &asked, &what))
        return SAY_TOAST_EXPIRED;
    for (size_t i = 0; i < self->count; i++) {
        struct dialog *dialog = &self->list[i];
        if (dialog->id != id)
            continue;
        if (dialog->user != turn->event->user || dialog->chat != turn->event->chat)
            return SAY_TOAST_STRANGER;
        return dialog->deadline_ms == asked ? press_what(turn, dialog, what) : SAY_TOAST_OLD;
    }
    return press_ended(self, id);
}

static enum sentence press(struct turn *turn) {
    const struct dialogs_event *event = turn->event;
    const struct dialogs *self = turn->self;
    if (!self->options.owner || event->user != self->options.owner) {
        dialogs_refuse(turn, SAY_NOTHING);
        return SAY_TOAST_STRANGER;
    }
    if (!event->is_private)
        return SAY_TOAST_PRIVATE;
    if (event->data && strncmp(event->data, "m:", 2) == 0) {
        dialogs_command(turn, event->data + 2);
        return SAY_NOTHING;
    }
    if (event->data && strncmp(event->data, "d:", 2) == 0)
        return press_dialog(turn, event->data + 2);
    return SAY_TOAST_EXPIRED;
}

void dialogs_press(struct turn *turn) {
    enum sentence toast = press(turn);
    struct dialogs_command *command = dialogs_add(turn, DIALOGS_DO_TOAST);
    command->query_id = text_copy(turn->event->query_id);
    command->text = text_copy(dialogs_words(toast));
}
