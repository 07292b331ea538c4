/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/order_rules.h"
#include "base/text.h"
#include "policy/sizing.h"

/* One shape for prices and quantities: multiples of a step between two limits. */
struct grid {
    const char *what, *step_name; /* "price", "tick" */
    struct decimal step, low, high;
};
struct shown { /* a decimal as people read it */
    char text[DECIMAL_TEXT_BYTES];
};

static struct shown show(struct decimal value) {
    struct shown shown;
    decimal_print_grouped(value, shown.text);
    return shown;
}

/* The limits on the grid: what is offered as the nearest must be valid itself. */
static int limits(const struct grid *grid, struct decimal *ret_low, struct decimal *ret_high) {
    struct decimal low = decimal_compare(grid->low, grid->step) > 0 ? grid->low : grid->step;
    *ret_high = (struct decimal){0};
    return decimal_round(low, grid->step, DECIMAL_UP, ret_low) ||
           (decimal_sign(grid->high) > 0 &&
            decimal_round(grid->high, grid->step, DECIMAL_DOWN, ret_high));
}

static int rule_steps(const struct grid *grid, struct decimal value, char *ret) {
    struct decimal low, high, below, above;
    struct shown shown = show(value);
    const char *text = shown.text;
    if (limits(grid, &low, &high) || decimal_round(value, grid->step, DECIMAL_DOWN, &below) ||
        decimal_round(value, grid->step, DECIMAL_UP, &above))
        text_print(ret, RULE_SENTENCE_BYTES, "The %s %s has too many digits.", grid->what, text);
    else if (decimal_compare(value, low) < 0)
        text_print(ret, RULE_SENTENCE_BYTES, "The %s %s is too small. The smallest is %s.",
                   grid->what, text, show(low).text);
    else if (decimal_sign(high) > 0 && decimal_compare(value, high) > 0)
        text_print(ret, RULE_SENTENCE_BYTES, "The %s %s is too large. The largest is %s.",
                   grid->what, text, show(high).text);
    else if (!decimal_equal(below, above))
        text_print(ret, RULE_SENTENCE_BYTES,
                   "The %s %s is not a multiple of the %s %s. The nearest is %s or %s.", grid->what,
                   text, grid->step_name, show(grid->step).text, show(below).text,
                   show(above).text);
    else
        return 0;
    return RULE_BROKEN;
}

int rule_instrument(const struct instrument *instrument, char ret[RULE_SENTENCE_BYTES]) {
    if (instrument->trading && decimal_sign(instrument->tick) > 0 &&
        decimal_sign(instrument->qty_step) > 0)
        return 0;
    if (!instrument->trading)
        text_print(ret, RULE_SENTENCE_BYTES, "%s is not being traded at the exchange now.",
                   instrument->symbol);
    else
        text_print(ret, RULE_SENTENCE_BYTES,
                   "The exchange has not said the tick and the quantity step of %s.",
                   instrument->symbol);
    return RULE_BROKEN;
}

static int rule_named_price(const struct instrument *instrument, const char *name,
                            struct decimal price, char *ret) {
    struct grid grid = {name, "tick", instrument->tick, instrument->price_min,
                        instrument->price_max};
    return rule_instrument(instrument, ret) ? RULE_BROKEN : rule_steps(&grid, price, ret);
}

int rule_price(const struct instrument *instrument, struct decimal price,
               char ret[RULE_SENTENCE_BYTES]) {
    return rule_named_price(instrument, "price", price, ret);
}

/* The exchange refuses what is worth too little. */
static int rule_notional(const struct instrument *instrument, struct decimal qty,
                         struct decimal price, char *ret) {
    struct sizing sizing = {.entry = price,
                            .qty_step = instrument->qty_step,
                            .qty_min = instrument->qty_min,
                            .notional_min = instrument->notional_min};
    struct decimal worth, smallest;
    if (decimal_mul(qty, price, &worth)) {
        text_print(ret, RULE_SENTENCE_BYTES, "The quantity %s is worth too much at %s.",
                   show(qty).text, show(price).text);
        return RULE_BROKEN;
    }
    if (decimal_compare(worth, instrument->notional_min) >= 0)
        return 0;
    if (sizing_smallest(&sizing, &smallest))
        smallest = (struct decimal){0};
    text_print(ret, RULE_SENTENCE_BYTES,
               "The quantity %s is worth %s USDT at %s, and the exchange asks for %s. The smallest "
               "is %s.",
               show(qty).text, show(decimal_trim(worth)).text, show(price).text,
               show(instrument->notional_min).text, show(smallest).text);
    return RULE_BROKEN;
}

int rule_qty(const struct instrument *instrument, struct decimal qty, struct decimal price,
             char ret[RULE_SENTENCE_BYTES]) {
    struct grid grid = {"quantity", "step", instrument->qty_step, instrument->qty_min,
                        instrument->qty_max};
    if (rule_instrument(instrument, ret) || rule_steps(&grid, qty, ret))
        return RULE_BROKEN;
    return decimal_sign(price) > 0 ? rule_notional(instrument, qty, price, ret) : 0;
}

/* side: 1: value must be above the entry; -1: below. */
static int rule_beside(const char *what, enum trade_side order_side, int side,
                       const struct decimal values[2], char *ret) {
    if (decimal_sign(values[1]) > 0 && decimal_compare(values[1], values[0]) == side)
        return 0;
    text_print(ret, RULE_SENTENCE_BYTES,
               "The %s %s is on the wrong side: for a %s it must be %s the entry %s.", what,
               show(values[1]).text, order_side == SIDE_BUY ? "buy" : "sell",
               side > 0 ? "above" : "below", show(values[0]).text);
    return RULE_BROKEN;
}

int rule_stop(enum trade_side side, struct decimal entry, struct decimal stop,
              char ret[RULE_SENTENCE_BYTES]) {
    if (decimal_sign(stop) <= 0) {
        text_print(ret, RULE_SENTENCE_BYTES,
                   "There is no stop loss, and without one there is no order. For a %s it is %s "
                   "the entry %s.",
                   side == SIDE_BUY ? "buy" : "sell", side == SIDE_BUY ? "below" : "above",
                   show(entry).text);
        return RULE_BROKEN;
    }
    return rule_beside("stop loss", side, side == SIDE_BUY ? -1 : 1,
                       (struct decimal[]){entry, stop}, ret);
}

int rule_take(enum trade_side side, struct decimal entry, struct decimal take,
              char ret[RULE_SENTENCE_BYTES]) {
    return rule_beside("take profit", side, side == SIDE_BUY ? 1 : -1,
                       (struct decimal[]){entry, take}, ret);
}

static int rule_entry(const struct instrument *instrument, const struct order *order,
                      struct decimal *ret_entry, char *ret) {
    if (order->type == ORDER_LIMIT) {
        *ret_entry = order->price;
        return rule_named_price(instrument, "entry", order->price, ret);
    }
    *ret_entry = instrument->last_price;
    if (decimal_sign(*ret_entry) > 0)
        return 0;
    text_print(ret, RULE_SENTENCE_BYTES, "The last price of %s is not known yet.", order->symbol);
    return RULE_BROKEN;
}

static int rule_exits(const struct instrument *instrument, const struct order *order,
                      struct decimal entry, char *ret) {
    bool stop = !decimal_is_zero(order->stop), take = !decimal_is_zero(order->take);
    if ((stop || !order->reduce_only) &&
        (rule_stop(order->side, entry, order->stop, ret) ||
         rule_named_price(instrument, "stop loss", order->stop, ret)))
        return RULE_BROKEN;
    return take && (rule_take(order->side, entry, order->take, ret) ||
                    rule_named_price(instrument, "take profit", order->take, ret));
}

int rule_order(const struct instrument *instrument, const struct order *order,
               char ret[RULE_SENTENCE_BYTES]) {
    struct decimal entry;
    if (order->side == SIDE_NONE || strcmp(order->symbol, instrument->symbol) != 0) {
        text_print(ret, RULE_SENTENCE_BYTES, "The order has no %s.",
                   order->side == SIDE_NONE ? "side" : "symbol");
        return RULE_BROKEN;
    }
    if (rule_instrument(instrument, ret) || rule_entry(instrument, order, &entry, ret) ||
        rule_qty(instrument, order->qty, entry, ret))
        return RULE_BROKEN;
    return rule_exits(instrument, order, entry, ret);
}
