/* SPDX-License-Identifier: Apache-2.0 */
/* decimal.h - money, prices and quantities: exact, never a double. A value is mantissa / 10^scale.
 *
 * Results that do not fit are DECIMAL_OVERFLOW and leave *ret as it was. Where the exact result has
 * more places than fit, places are cut (toward zero) only as far as needed; sums and comparisons
 * are always exact. */
#pragma once
#include "base/common.h"

enum { DECIMAL_SCALE_MAX = 18, DECIMAL_TEXT_BYTES = 48 };
enum { DECIMAL_OVERFLOW = 1 };
enum decimal_rounding {
    DECIMAL_DOWN,    /* toward zero */
    DECIMAL_UP,      /* away from zero */
    DECIMAL_NEAREST, /* half away from zero */
};
struct decimal { /* {0}: zero */
    int64_t mantissa;
    int32_t scale; /* decimal places, 0..DECIMAL_SCALE_MAX */
};
static inline struct decimal decimal_of(int64_t whole) {
    return (struct decimal){whole, 0};
}

/* "-12.50": sign, digits, one point, no exponent, no spaces. -EINVAL: not such a number; -ERANGE:
 * more digits than fit. Keeps the places as written. */
MUST_CHECK int decimal_read(struct slice text, struct decimal *ret);
/* As it stands ("12.50"); returns ret. */
const char *decimal_print(struct decimal value, char ret[DECIMAL_TEXT_BYTES]);
/* With `places` decimal places, rounded to the nearest: for people. */
const char *decimal_print_places(struct decimal value, int places, char ret[DECIMAL_TEXT_BYTES]);
/* As it stands, thousands apart ("64,250.50"): for people; returns ret. */
const char *decimal_print_grouped(struct decimal value, char ret[DECIMAL_TEXT_BYTES]);
struct decimal decimal_trim(struct decimal value); /* 12.50 -> 12.5 */

int decimal_compare(struct decimal a, struct decimal b); /* <0, 0, >0 */
static inline bool decimal_equal(struct decimal a, struct decimal b) {
    return decimal_compare(a, b) == 0;
}
static inline int decimal_sign(struct decimal a) {
    return (a.mantissa > 0) - (a.mantissa < 0);
}
static inline bool decimal_is_zero(struct decimal a) {
    return a.mantissa == 0;
}
struct decimal decimal_negate(struct decimal a);
struct decimal decimal_abs(struct decimal a);

MUST_CHECK int decimal_add(struct decimal a, struct decimal b, struct decimal *ret);
MUST_CHECK int decimal_sub(struct decimal a, struct decimal b, struct decimal *ret);
MUST_CHECK int decimal_mul(struct decimal a, struct decimal b, struct decimal *ret);
/* a / b with `places` places. b must not be zero. */
MUST_CHECK int decimal_div(struct decimal a, struct decimal b, int places,
                           enum decimal_rounding rounding, struct decimal *ret);
/* The multiple of step (> 0) that is nearest in the given direction, with the places of step. */
MUST_CHECK int decimal_round(struct decimal a, struct decimal step, enum decimal_rounding rounding,
                             struct decimal *ret);
bool decimal_is_multiple(struct decimal a, struct decimal step); /* step > 0 */
