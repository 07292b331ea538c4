/* SPDX-License-Identifier: Apache-2.0 */
/* What people are told of positions, with all the numbers. */
#include "base/text.h"
#include "engine/positions_state.h"

static struct positions_command *tell(const struct held_position *held,
                                      enum alert_priority priority, const char *type,
                                      struct positions_commands *commands) {
    struct positions_command *command = positions_add(commands, POSITIONS_DO_TELL);
    command->priority = priority;
    command->type = type;
    command->chat = held->position.chat;
    return command;
}

static const char *direction(const struct position *position) {
    return position->side == SIDE_BUY ? "long" : "short";
}

enum knowledge { ALL_KNOWN, NO_FILLS, FILLS_MISSING };

/* Entry and exit on average, and profit after fees; from all its fills, or not at all. */
static enum knowledge result_of(const struct position *position, struct decimal *ret_entry,
                                struct decimal *ret_exit, struct decimal *ret_net) {
    struct decimal gross;
    if (decimal_sign(position->closed_qty) <= 0)
        return NO_FILLS;
    if (decimal_compare(position->closed_qty, position->opened_qty) < 0 ||
        decimal_div(position->closed_value, position->closed_qty, 8, DECIMAL_NEAREST, ret_exit) ||
        decimal_div(position->closed_cost, position->closed_qty, 8, DECIMAL_NEAREST, ret_entry) ||
        decimal_sub(position->closed_value, position->closed_cost, &gross))
        return FILLS_MISSING;
    if (position->side == SIDE_SELL)
        gross = decimal_negate(gross);
    *ret_exit = decimal_trim(*ret_exit);
    *ret_entry = decimal_trim(*ret_entry);
    return decimal_sub(gross, position->fees, ret_net) == 0 ? ALL_KNOWN : FILLS_MISSING;
}

struct ending {
    const char *type, *title;
    enum alert_priority priority;
};
static const struct ending endings[FILL_SOURCES] = {
    [FILL_ORDER] = {"position_closed", "Position closed", ALERT_CRITICAL},
    [FILL_STOP_LOSS] = {"sl_hit", "Stop loss hit", ALERT_CRITICAL},
    [FILL_TAKE_PROFIT] = {"tp_hit", "Take profit hit", ALERT_HIGH},
    [FILL_LIQUIDATION] = {"liquidated", "LIQUIDATED by the exchange", ALERT_CRITICAL},
};

void positions_tell_closed(struct positions *p, const struct held_position *held, int64_t now,
                           struct positions_commands *commands) {
    const struct position *position = &held->position;
    struct decimal entry, exit, net;
    char qty[DECIMAL_TEXT_BYTES], in[DECIMAL_TEXT_BYTES], out[DECIMAL_TEXT_BYTES],
        money[DECIMAL_TEXT_BYTES], fees[DECIMAL_TEXT_BYTES], lasted[TEXT_DURATION_BYTES];
    enum knowledge knowledge = result_of(position, &entry, &exit, &net);
    const struct ending *ending =
        &endings[knowledge == NO_FILLS ? FILL_ORDER : position->closed_by];
    struct positions_command *command = tell(held, ending->priority, ending->type, commands);
    int64_t ms = position->closed_ms - position->opened_ms;
    text_from_duration(ms > 0 ? ms / 1000 * 1000 : 0, lasted);
    if (knowledge != ALL_KNOWN) {
        command->text = text_format(
            "%s\n%s: %s %s\nIt is gone at the exchange, and %s: the result stands there\nopen for "
            "%s",
            p->options.mode, ending->title, position->symbol, direction(position),
            knowledge == NO_FILLS ? "no fill of ours tells at what price"
                                  : "some of its fills are missing here",
            lasted);
        return;
    }
    command->text = text_format(
        "%s\n%s: %s %s\n%s, %s -> %s\n%s%s USDT after %s fees\nopen for %s", p->options.mode,
        ending->title, position->symbol, direction(position),
        decimal_print(position->closed_qty, qty), decimal_print(entry, in),
        decimal_print(exit, out), decimal_sign(net) > 0 ? "+" : "",
        decimal_print_places(net, 2, money), decimal_print_places(position->fees, 2, fees), lasted);
}

void positions_tell_unprotected(struct positions *p, struct held_position *held, int64_t now,
                                struct positions_commands *commands) {
    const struct position *position = &held->position;
    char size[DECIMAL_TEXT_BYTES];
    bool hopeless = decimal_is_zero(position->stop_wanted);
    tell(held, ALERT_CRITICAL, "no_stop", commands)->text =
        text_format("%s\n%s %s of %s has NO STOP LOSS at the exchange\n%s%s", p->options.mode,
                    position->symbol, direction(position), decimal_print(position->size, size),
                    hopeless ? "No stop is known for it (it was not opened here): set one at the "
                               "exchange, or close it"
                             : "It is placed again every few seconds; last answer: ",
                    hopeless           ? ""
                    : held->trouble[0] ? held->trouble
                                       : "none yet");
}

void positions_tell_protected(struct positions *p, const struct held_position *held,
                              struct positions_commands *commands) {
    char stop[DECIMAL_TEXT_BYTES];
    tell(held, ALERT_HIGH, "stop_is_back", commands)->text =
        text_format("%s\n%s has its stop loss again: %s", p->options.mode, held->position.symbol,
                    decimal_print(held->position.stop, stop));
}
