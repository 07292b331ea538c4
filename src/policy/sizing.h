/* SPDX-License-Identifier: Apache-2.0 */
/* sizing.h - how much to trade so that a hit stop costs no more than what the person risks. Fees
 * and slippage come on top; they are not known beforehand. */
#pragma once
#include "base/decimal.h"

enum sizing_outcome { /* > 0: no quantity, no target */
                      SIZING_TOO_SMALL =
                          1, /* the smallest lot risks more than allowed, or is worth too little */
                      SIZING_TOO_LARGE,  /* does not fit into a decimal */
                      SIZING_BELOW_ZERO, /* the target of a sell would not be above 0 */
};
struct sizing {
    struct decimal risk;                           /* money, > 0 */
    struct decimal entry, stop;                    /* > 0 and not equal */
    struct decimal qty_step;                       /* > 0 */
    struct decimal qty_min, qty_max, notional_min; /* 0: none */
};
/* risk / |entry - stop|, floored to the step and to qty_max. When too small, *ret_smallest_risk is
 * what the smallest lot that the exchange takes would risk. */
MUST_CHECK int sizing_qty(const struct sizing *sizing, struct decimal *ret_qty,
                          struct decimal *ret_smallest_risk);
/* The smallest quantity that the exchange takes at this entry; needs no risk and no stop. */
MUST_CHECK int sizing_smallest(const struct sizing *sizing, struct decimal *ret_qty);
/* entry +- |entry - stop| x rr on the far side of the stop, rounded to the tick (to the nearest).
 */
MUST_CHECK int sizing_take(struct decimal entry, struct decimal stop, struct decimal rr,
                           struct decimal tick, struct decimal *ret);
