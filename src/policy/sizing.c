/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/sizing.h"

int sizing_smallest(const struct sizing *sizing, struct decimal *ret_qty) {
    must(decimal_sign(sizing->qty_step) > 0 && decimal_sign(sizing->entry) > 0);
    struct decimal step = sizing->qty_step, lot = step, worth;
    if (decimal_compare(sizing->qty_min, lot) > 0)
        lot = sizing->qty_min;
    if (decimal_sign(sizing->notional_min) > 0) {
        if (decimal_div(sizing->notional_min, sizing->entry, step.scale, DECIMAL_UP, &worth))
            return SIZING_TOO_LARGE;
        if (decimal_compare(worth, lot) > 0)
            lot = worth;
    }
    return decimal_round(lot, step, DECIMAL_UP, ret_qty) ? SIZING_TOO_LARGE : 0;
}

/* Down twice, to the places of the step and then to the step, is the same as down once. */
static int largest_within_risk(const struct sizing *sizing, struct decimal distance,
                               struct decimal *ret) {
    struct decimal qty, step = sizing->qty_step;
    if (decimal_div(sizing->risk, distance, step.scale, DECIMAL_DOWN, &qty))
        return SIZING_TOO_LARGE;
    if (decimal_sign(sizing->qty_max) > 0 && decimal_compare(qty, sizing->qty_max) > 0)
        qty = sizing->qty_max;
    return decimal_round(qty, step, DECIMAL_DOWN, ret) ? SIZING_TOO_LARGE : 0;
}

int sizing_qty(const struct sizing *sizing, struct decimal *ret_qty,
               struct decimal *ret_smallest_risk) {
    must(decimal_sign(sizing->risk) > 0);
    must(!decimal_equal(sizing->entry, sizing->stop));
    struct decimal distance, smallest, qty, risk;
    if (decimal_sub(sizing->entry, sizing->stop, &distance))
        return SIZING_TOO_LARGE;
    distance = decimal_abs(distance);
    if (sizing_smallest(sizing, &smallest) || largest_within_risk(sizing, distance, &qty))
        return SIZING_TOO_LARGE;
    if (decimal_compare(qty, smallest) >= 0) {
        *ret_qty = qty;
        return 0;
    }
    if (decimal_mul(smallest, distance, &risk))
        return SIZING_TOO_LARGE;
    *ret_smallest_risk = risk;
    return SIZING_TOO_SMALL;
}

int sizing_take(struct decimal entry, struct decimal stop, struct decimal rr, struct decimal tick,
                struct decimal *ret) {
    struct decimal way, take;
    /* Signed: the way from the stop to the entry goes on behind the entry. */
    if (decimal_sub(entry, stop, &way) || decimal_mul(way, rr, &way) ||
        decimal_add(entry, way, &take) || decimal_round(take, tick, DECIMAL_NEAREST, &take))
        return SIZING_TOO_LARGE;
    if (decimal_sign(take) <= 0)
        return SIZING_BELOW_ZERO;
    *ret = take;
    return 0;
}
