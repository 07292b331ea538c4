/* SPDX-License-Identifier: Apache-2.0 */
/* What people are told of positions, with all the numbers. */
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

/* Exit, and profit after fees. False: the fills do not tell (they came from elsewhere, or not all
 * of them are here). */
static bool result_of(const struct position *position, struct decimal *ret_exit,
                      struct decimal *ret_net) {
    struct decimal cost, gross;
    if (decimal_sign(position->closed_qty) <= 0)
        return false;
    if (decimal_div(position->closed_value, position->closed_qty, 8, DECIMAL_NEAREST, ret_exit) ||
        decimal_mul(position->entry_price, position->closed_qty, &cost) ||
        decimal_sub(position->closed_value, cost, &gross))
        return false;
    if (position->side == SIDE_SELL)
        gross = decimal_negate(gross);
    *ret_exit = decimal_trim(*ret_exit);
    return decimal_sub(gross, position->fees, ret_net) == 0;
}

static void duration_of(const struct position *position, char ret[40]) {
    int64_t s = (position->closed_ms - position->opened_ms) / 1000;
    s = s < 0 ? 0 : s;
    char *text =
        s < 60     ? text_format("%lld s", (long long)s)
        : s < 3600 ? text_format("%lld m %lld s", (long long)(s / 60), (long long)(s % 60))
        : s < 86400
            ? text_format("%lld h %lld m", (long long)(s / 3600), (long long)(s % 3600 / 60))
            : text_format("%lld d %lld h", (long long)(s / 86400), (long long)(s % 86400 / 3600));
    memcpy(ret, text, strlen(text) < 40 ? strlen(text) + 1 : 40);
    ret[39] = 0;
    free(text);
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
    struct decimal exit, net;
    char qty[DECIMAL_TEXT_BYTES], entry[DECIMAL_TEXT_BYTES], out[DECIMAL_TEXT_BYTES],
        money[DECIMAL_TEXT_BYTES], fees[DECIMAL_TEXT_BYTES], lasted[40];
    bool known = result_of(position, &exit, &net);
    const struct ending *ending = &endings[known ? position->closed_by : FILL_ORDER];
    struct positions_command *command = tell(held, ending->priority, ending->type, commands);
    duration_of(position, lasted);
    if (!known) {
        command->text = text_format(
            "%s\n%s: %s %s\nIt is gone at the exchange, and no fill of ours "
            "tells at what price\nopen for %s",
            p->options.mode, ending->title, position->symbol, direction(position), lasted);
        return;
    }
    command->text = text_format(
        "%s\n%s: %s %s\n%s, %s -> %s\n%s%s USDT after %s fees\nopen for %s", p->options.mode,
        ending->title, position->symbol, direction(position),
        decimal_print(position->closed_qty, qty), decimal_print(position->entry_price, entry),
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
