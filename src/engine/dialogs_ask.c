/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs_ask.c - the questions of a conversation, with their buttons, and the preview. */
#include "engine/dialogs_state.h"
#include "policy/sizing.h"

enum { SYMBOLS_OFFERED = 6 };

const char *dialogs_price(struct turn *turn, const struct dialog *dialog, struct decimal price,
                          char ret[DECIMAL_TEXT_BYTES]) {
    const struct instrument *instrument =
        instruments_find(turn->event->instruments, dialog->symbol);
    struct decimal shown;
    if (instrument && decimal_sign(instrument->tick) > 0 &&
        decimal_is_multiple(price, instrument->tick) &&
        decimal_round(price, instrument->tick, DECIMAL_NEAREST, &shown) == 0)
        price = shown; /* the same with the places of the tick */
    return decimal_print_grouped(price, ret);
}

const char *dialogs_money(struct decimal money, char ret[DECIMAL_TEXT_BYTES]) {
    static const struct decimal cent = {1, 2};
    struct decimal rounded;
    if (decimal_compare(decimal_abs(money), cent) < 0 ||
        decimal_round(money, cent, DECIMAL_NEAREST, &rounded))
        return decimal_print_grouped(decimal_trim(money), ret);
    return decimal_print_grouped(rounded, ret);
}

struct decimal dialogs_distance(struct decimal a, struct decimal b) {
    struct decimal way;
    return decimal_sub(a, b, &way) ? (struct decimal){INT64_MAX, 0} : decimal_abs(way);
}

static char *ask_symbol(struct turn *turn, const struct dialog *dialog) {
    return DIALOGS_TEXT(SAY_ASK_SYMBOL);
}

static bool last_price(struct turn *turn, const struct dialog *dialog, struct decimal *ret) {
    const struct instrument *instrument =
        instruments_find(turn->event->instruments, dialog->symbol);
    *ret = instrument ? instrument->last_price : (struct decimal){0};
    return decimal_sign(*ret) > 0;
}

static char *ask_entry(struct turn *turn, const struct dialog *dialog) {
    struct decimal last;
    char price[DECIMAL_TEXT_BYTES];
    if (!last_price(turn, dialog, &last))
        return DIALOGS_TEXT(SAY_ASK_ENTRY_ONLY);
    return DIALOGS_TEXT(SAY_ASK_ENTRY, dialogs_price(turn, dialog, last, price));
}

static char *ask_stop(struct turn *turn, const struct dialog *dialog) {
    char entry[DECIMAL_TEXT_BYTES], risk[DECIMAL_TEXT_BYTES];
    return DIALOGS_TEXT(dialog->side == SIDE_BUY ? SAY_ASK_STOP_BELOW : SAY_ASK_STOP_ABOVE,
                        dialogs_price(turn, dialog, dialog->entry, entry),
                        dialogs_money(turn->self->options.risk, risk));
}

static char *ask_take(struct turn *turn, const struct dialog *dialog) {
    char entry[DECIMAL_TEXT_BYTES], stop[DECIMAL_TEXT_BYTES], qty[DECIMAL_TEXT_BYTES];
    return DIALOGS_TEXT(SAY_ASK_TAKE, dialogs_price(turn, dialog, dialog->entry, entry),
                        dialogs_price(turn, dialog, dialog->stop, stop),
                        decimal_print_grouped(dialog->qty, qty));
}

/* What a person would want to know before it is too late. */
static void add_warning(struct buffer *text, const struct dialog *dialog, struct decimal last) {
    struct decimal ten_times;
    int beyond = decimal_compare(dialog->entry, last);
    if (dialog->side == SIDE_BUY ? beyond >= 0 : beyond <= 0)
        buffer_add_text(text, dialogs_words(SAY_AT_ONCE));
    if (decimal_mul(dialogs_distance(dialog->entry, last), decimal_of(10), &ten_times) ||
        decimal_compare(ten_times, last) > 0)
        buffer_add_text(text, dialogs_words(SAY_FAR));
}

static char *ratio_text(const struct dialog *dialog, char ret[DECIMAL_TEXT_BYTES]) {
    struct decimal risk = dialogs_distance(dialog->entry, dialog->stop), ratio = {0};
    if (decimal_is_zero(risk) || decimal_div(dialogs_distance(dialog->take, dialog->entry), risk, 2,
                                             DECIMAL_NEAREST, &ratio))
        return strcpy(ret, "?");
    decimal_print_grouped(decimal_trim(ratio), ret);
    return ret;
}

static void add_numbers(struct buffer *text, struct turn *turn, const struct dialog *dialog) {
    char print[8][DECIMAL_TEXT_BYTES];
    struct decimal reward = {0}, notional = {0};
    int r = decimal_mul(dialog->qty, dialogs_distance(dialog->take, dialog->entry), &reward);
    r = r ? r : decimal_mul(dialog->qty, dialog->entry, &notional);
    AUTO_FREE char *numbers = DIALOGS_TEXT(
        SAY_PREVIEW, dialogs_price(turn, dialog, dialog->entry, print[0]),
        dialogs_price(turn, dialog, dialog->stop, print[1]),
        dialogs_price(turn, dialog, dialog->take, print[2]),
        decimal_print_grouped(dialog->qty, print[3]), dialogs_money(dialog->risk, print[4]),
        r ? "?" : dialogs_money(reward, print[5]), ratio_text(dialog, print[6]),
        r ? "?" : dialogs_money(notional, print[7]));
    buffer_add_text(text, numbers);
}

static char *numbers_and_warnings(struct turn *turn, const struct dialog *dialog) {
    struct buffer text = {0};
    struct decimal last;
    char price[DECIMAL_TEXT_BYTES];
    add_numbers(&text, turn, dialog);
    if (last_price(turn, dialog, &last)) {
        AUTO_FREE char *line = DIALOGS_TEXT(SAY_LAST, dialogs_price(turn, dialog, last, price));
        buffer_add_text(&text, line);
        add_warning(&text, dialog, last);
    }
    return buffer_take(&text);
}

static char *ask_confirm(struct turn *turn, const struct dialog *dialog) {
    struct buffer text = {0};
    AUTO_FREE char *numbers = numbers_and_warnings(turn, dialog);
    buffer_add_text(&text, numbers);
    buffer_add_text(&text, dialogs_words(SAY_ASK_CONFIRM));
    return buffer_take(&text);
}

static char *head(const struct turn *turn, const struct dialog *dialog) {
    AUTO_FREE char *badge = dialogs_badge(turn->self);
    if (dialog->step == DIALOG_SYMBOL)
        return DIALOGS_TEXT(SAY_HEAD, badge, dialogs_side(dialog));
    return DIALOGS_TEXT(SAY_HEAD_SYMBOL, badge, dialogs_side(dialog), dialog->symbol);
}

char *dialogs_preview(struct turn *turn, const struct dialog *dialog) {
    struct buffer text = {0};
    AUTO_FREE char *top = head(turn, dialog);
    AUTO_FREE char *numbers = numbers_and_warnings(turn, dialog);
    buffer_add_text(&text, top);
    buffer_add_text(&text, numbers);
    return buffer_take(&text);
}

/* Buttons. The deadline grows with each question, so it is also the question's number: an older
 * one's buttons are told from this one's, also after a restart. */

static void button(const struct dialog *dialog, struct dialogs_command *say, bool new_row,
                   const char *label, const char *what) {
    AUTO_FREE char *data =
        text_format("d:%lld:%lld:%s", (long long)dialog->id, (long long)dialog->deadline_ms, what);
    dialogs_button(say, new_row, label, data);
}

static void answer_button(const struct dialog *dialog, struct dialogs_command *say, bool new_row,
                          const char *label, const char *answer) {
    AUTO_FREE char *what = text_format("=%s", answer);
    button(dialog, say, new_row, label, what);
}

static void offer_symbols(struct turn *turn, const struct dialog *dialog,
                          struct dialogs_command *say) {
    const struct instruments *instruments = turn->event->instruments;
    char sentence[RULE_SENTENCE_BYTES];
    for (size_t i = 0; i < instruments->count && say->button_count < SYMBOLS_OFFERED; i++) {
        const char *symbol = instruments->list[i].symbol;
        if (rule_instrument(&instruments->list[i], sentence) == 0)
            answer_button(dialog, say, say->button_count % 3 == 0, symbol, symbol);
    }
}

static void offer_ratio(struct turn *turn, const struct dialog *dialog, struct dialogs_command *say,
                        struct decimal rr) {
    const struct instrument *instrument =
        instruments_find(turn->event->instruments, dialog->symbol);
    struct decimal take;
    char print[DECIMAL_TEXT_BYTES], price[DECIMAL_TEXT_BYTES];
    bool usual = decimal_equal(rr, turn->self->options.rr);
    if (!instrument || decimal_sign(instrument->tick) <= 0 ||
        sizing_take(dialog->entry, dialog->stop, rr, instrument->tick, &take))
        return; /* 3R of a sell may be below zero */
    decimal_print(decimal_trim(rr), print);
    AUTO_FREE char *label = DIALOGS_TEXT(usual ? SAY_RATIO_DEFAULT : SAY_RATIO, print,
                                         dialogs_price(turn, dialog, take, price));
    AUTO_FREE char *answer = text_format("%sR", print);
    answer_button(dialog, say, true, label, answer);
}

static void offer_takes(struct turn *turn, const struct dialog *dialog,
                        struct dialogs_command *say) {
    static const struct decimal ratios[] = {{1, 0}, {15, 1}, {2, 0}, {3, 0}};
    struct decimal usual = turn->self->options.rr;
    if (decimal_sign(usual) > 0)
        offer_ratio(turn, dialog, say, usual);
    for (size_t i = 0; i < COUNT_OF(ratios); i++)
        if (!decimal_equal(ratios[i], usual))
            offer_ratio(turn, dialog, say, ratios[i]);
}

static void offer_confirm(struct turn *turn, const struct dialog *dialog,
                          struct dialogs_command *say) {
    button(dialog, say, true, dialogs_words(SAY_CONFIRM), "ok");
}

static const struct {
    char *(*question)(struct turn *turn, const struct dialog *dialog);
    void (*offer)(struct turn *turn, const struct dialog *dialog, struct dialogs_command *say);
} steps[DIALOG_STEPS] = {
    [DIALOG_SYMBOL] = {ask_symbol, offer_symbols},
    [DIALOG_ENTRY] = {ask_entry, NULL},
    [DIALOG_STOP] = {ask_stop, NULL},
    [DIALOG_TAKE] = {ask_take, offer_takes},
    [DIALOG_PREVIEW] = {ask_confirm, offer_confirm},
};

static void keep(struct turn *turn, struct dialog *dialog) {
    int64_t deadline_ms = turn->now + turn->self->options.dialog_ms;
    dialog->deadline_ms = deadline_ms > dialog->deadline_ms ? deadline_ms : dialog->deadline_ms + 1;
    struct dialogs_command *persist = dialogs_add(turn, DIALOGS_DO_PERSIST);
    records_add(&persist->records, RECORD_DIALOG)->trade->dialog = *dialog;
}

void dialogs_ask(struct turn *turn, struct dialog *dialog, const char *problem) {
    struct buffer text = {0};
    AUTO_FREE char *top = head(turn, dialog);
    AUTO_FREE char *question = steps[dialog->step].question(turn, dialog);
    keep(turn, dialog);
    if (problem)
        buffer_print(&text, "%s\n\n", problem);
    buffer_add_text(&text, top);
    buffer_add_text(&text, question);
    struct dialogs_command *say = dialogs_say(turn, dialog->chat, buffer_take(&text));
    if (steps[dialog->step].offer)
        steps[dialog->step].offer(turn, dialog, say);
    button(dialog, say, true, dialogs_words(SAY_BACK), "back");
    button(dialog, say, false, dialogs_words(SAY_CANCEL), "cancel");
}
