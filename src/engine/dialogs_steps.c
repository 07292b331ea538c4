/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs_steps.c - what is made of the answers in a conversation. */
#include "base/text.h"
#include "engine/dialogs_state.h"
#include "policy/sizing.h"

/* As it is traded now; NULL with a sentence when the exchange does not say. */
static const struct instrument *instrument_of(const struct turn *turn, const struct dialog *dialog,
                                              char *ret) {
    return rule_symbol(turn->event->instruments, dialog->symbol, ret);
}

static void fail_with(char *ret, char *text) {
    text_print(ret, RULE_SENTENCE_BYTES, "%s", text);
    free(text);
}

/* ---- Answers: 0, or > 0 and a sentence. */

static int answer_symbol(struct turn *turn, struct dialog *dialog, const char *typed, char *ret) {
    const struct instrument *instrument = rule_symbol(turn->event->instruments, typed, ret);
    if (!instrument)
        return RULE_BROKEN;
    strcpy(dialog->symbol, instrument->symbol);
    return 0;
}

static int answer_entry(struct turn *turn, struct dialog *dialog, const char *typed, char *ret) {
    const struct instrument *instrument = instrument_of(turn, dialog, ret);
    struct decimal price;
    if (!instrument || rule_number(typed, &price, ret) || rule_price(instrument, price, ret))
        return RULE_BROKEN;
    dialog->entry = price;
    return 0;
}

/* More than the exchange would lend for is refused here, not there. */
static int check_wallet(const struct turn *turn, const struct instrument *instrument,
                        struct decimal notional, char *ret) {
    const struct wallet *wallet = turn->event->wallet;
    char worth[DECIMAL_TEXT_BYTES], can[DECIMAL_TEXT_BYTES], have[DECIMAL_TEXT_BYTES];
    struct decimal leverage = instrument->leverage_max, possible;
    if (decimal_compare(leverage, decimal_of(1)) < 0)
        leverage = decimal_of(1);
    if (!wallet || decimal_mul(wallet->available, leverage, &possible) ||
        decimal_compare(notional, possible) <= 0)
        return 0;
    fail_with(ret,
              DIALOGS_TEXT(SAY_TOO_DEAR, dialogs_money(notional, worth),
                           dialogs_money(possible, can), dialogs_money(wallet->available, have)));
    return RULE_BROKEN;
}

static int fail_sizing(const struct turn *turn, int r, struct decimal smallest_risk, char *ret) {
    char risks[DECIMAL_TEXT_BYTES], allowed[DECIMAL_TEXT_BYTES];
    if (r == SIZING_TOO_SMALL)
        fail_with(ret, DIALOGS_TEXT(SAY_LOT_RISKS, dialogs_money(smallest_risk, risks),
                                    dialogs_money(turn->self->options.risk, allowed)));
    else
        fail_with(ret, DIALOGS_TEXT(SAY_TOO_LARGE));
    return RULE_BROKEN;
}

int dialogs_size(struct turn *turn, struct dialog *dialog, char ret[RULE_SENTENCE_BYTES]) {
    const struct instrument *instrument = instrument_of(turn, dialog, ret);
    if (!instrument)
        return RULE_BROKEN;
    struct sizing sizing = {turn->self->options.risk, dialog->entry,       dialog->stop,
                            instrument->qty_step,     instrument->qty_min, instrument->qty_max,
                            instrument->notional_min};
    struct decimal qty, smallest_risk = {0}, risk, notional;
    int r = sizing_qty(&sizing, &qty, &smallest_risk);
    if (r)
        return fail_sizing(turn, r, smallest_risk, ret);
    if (decimal_mul(qty, dialogs_distance(dialog->entry, dialog->stop), &risk) ||
        decimal_mul(qty, dialog->entry, &notional))
        return fail_sizing(turn, SIZING_TOO_LARGE, smallest_risk, ret);
    if (rule_qty(instrument, qty, dialog->entry, ret) ||
        check_wallet(turn, instrument, notional, ret))
        return RULE_BROKEN;
    dialog->qty = qty;
    dialog->risk = risk;
    return 0;
}

static int answer_stop(struct turn *turn, struct dialog *dialog, const char *typed, char *ret) {
    const struct instrument *instrument = instrument_of(turn, dialog, ret);
    struct decimal price;
    if (!instrument || rule_number(typed, &price, ret) || rule_price(instrument, price, ret) ||
        rule_stop(dialog->side, dialog->entry, price, ret))
        return RULE_BROKEN;
    dialog->stop = price;
    return dialogs_size(turn, dialog, ret);
}

/* "2R", "1.5 r": false when it is not of that shape. */
static bool is_ratio(const char *typed, char ret[DIALOG_LABEL_BYTES]) {
    size_t size = strlen(typed);
    if (size < 2 || size >= DIALOG_LABEL_BYTES || (typed[size - 1] | 0x20) != 'r')
        return false;
    memcpy(ret, typed, size - 1);
    ret[size - 1] = 0;
    return true;
}

static int take_of_ratio(const struct instrument *instrument, const struct dialog *dialog,
                         const char *ratio, struct decimal *ret_take, char *ret) {
    struct decimal rr;
    if (rule_number(ratio, &rr, ret))
        return RULE_BROKEN;
    int r = sizing_take(dialog->entry, dialog->stop, rr, instrument->tick, ret_take);
    if (r)
        fail_with(ret, r == SIZING_BELOW_ZERO ? DIALOGS_TEXT(SAY_BELOW_ZERO, ratio)
                                              : DIALOGS_TEXT(SAY_TOO_LARGE));
    return r ? RULE_BROKEN : 0;
}

static int answer_take(struct turn *turn, struct dialog *dialog, const char *typed, char *ret) {
    const struct instrument *instrument = instrument_of(turn, dialog, ret);
    struct decimal take;
    char ratio[DIALOG_LABEL_BYTES];
    if (!instrument)
        return RULE_BROKEN;
    int r = is_ratio(typed, ratio) ? take_of_ratio(instrument, dialog, ratio, &take, ret)
                                   : rule_number(typed, &take, ret);
    if (r || rule_take(dialog->side, dialog->entry, take, ret) || rule_price(instrument, take, ret))
        return RULE_BROKEN;
    dialog->take = take;
    return 0;
}

static int answer_preview(struct turn *turn, struct dialog *dialog, const char *typed, char *ret) {
    fail_with(ret, DIALOGS_TEXT(SAY_USE_BUTTONS));
    return RULE_BROKEN;
}

static int (*const answers[DIALOG_STEPS])(struct turn *turn, struct dialog *dialog,
                                          const char *typed, char *ret) = {
    [DIALOG_SYMBOL] = answer_symbol, [DIALOG_ENTRY] = answer_entry,     [DIALOG_STOP] = answer_stop,
    [DIALOG_TAKE] = answer_take,     [DIALOG_PREVIEW] = answer_preview,
};

int dialogs_answer(struct turn *turn, struct dialog *dialog, const char *typed,
                   char ret[RULE_SENTENCE_BYTES]) {
    struct dialog answered = *dialog; /* a wrong answer leaves nothing behind */
    if (answers[dialog->step](turn, &answered, typed, ret))
        return RULE_BROKEN;
    *dialog = answered;
    dialog->step++;
    return 0;
}

/* What was answered from there on stays until it is answered anew, which must come before its use.
 */
void dialogs_back(struct turn *turn, struct dialog *dialog) {
    must(dialog->step > DIALOG_SYMBOL);
    dialog->step--;
    dialogs_ask(turn, dialog, NULL);
}

void dialogs_order(const struct turn *turn, const struct dialog *dialog, struct order *ret) {
    *ret = (struct order){.side = dialog->side,
                          .type = ORDER_LIMIT,
                          .qty = dialog->qty,
                          .price = dialog->entry,
                          .stop = dialog->stop,
                          .take = dialog->take,
                          .chat = dialog->chat,
                          .user = dialog->user,
                          .cause = turn->event->update_id};
    strcpy(ret->symbol, dialog->symbol);
}
