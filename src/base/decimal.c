/* SPDX-License-Identifier: Apache-2.0 */
#include "base/decimal.h"
#include <errno.h>
#include <stdio.h>

__extension__ typedef __int128 wide; /* what comes between; 38 digits */

static wide power_of_ten(int32_t n) {
    wide power = 1;
    while (n-- > 0)
        power *= 10;
    return power;
}

static bool fits(wide value) {
    return value >= -INT64_MAX && value <= INT64_MAX; /* so that every value can be negated */
}

static wide divide(wide a, wide b, enum decimal_rounding rounding) {
    wide quotient = a / b, rest = a % b;
    if (rest == 0 || rounding == DECIMAL_DOWN)
        return quotient;
    wide away = (a < 0) == (b < 0) ? 1 : -1;
    if (rounding == DECIMAL_UP)
        return quotient + away;
    wide size = rest < 0 ? -rest : rest, whole = b < 0 ? -b : b;
    return size >= whole - size ? quotient + away : quotient;
}

/* Drops places, lasting zeros first and then real ones, until it fits. */
static int finish(wide mantissa, int32_t scale, struct decimal *ret) {
    while (scale > 0 && (scale > DECIMAL_SCALE_MAX || !fits(mantissa))) {
        mantissa /= 10;
        scale--;
    }
    if (!fits(mantissa))
        return DECIMAL_OVERFLOW;
    *ret = (struct decimal){(int64_t)mantissa, scale};
    return 0;
}

int decimal_read(struct slice text, struct decimal *ret) {
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    wide mantissa = 0;
    int32_t scale = 0;
    bool point = false, digit = false;
    for (size_t i = at; i < text.size; i++) {
        char c = text.data[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return -EINVAL;
        digit = true;
        scale += point;
        mantissa = mantissa * 10 + (c - '0');
        if (scale > DECIMAL_SCALE_MAX || !fits(mantissa))
            return -ERANGE;
    }
    if (!digit)
        return -EINVAL;
    *ret = (struct decimal){(int64_t)(text.data[0] == '-' ? -mantissa : mantissa), scale};
    return 0;
}

const char *decimal_print(struct decimal value, char ret[DECIMAL_TEXT_BYTES]) {
    must(value.scale >= 0 && value.scale <= DECIMAL_SCALE_MAX);
    int64_t unit = (int64_t)power_of_ten(value.scale);
    int64_t whole = value.mantissa / unit, part = value.mantissa % unit;
    const char *sign = value.mantissa < 0 ? "-" : "";
    if (value.scale == 0)
        snprintf(ret, DECIMAL_TEXT_BYTES, "%s%lld", sign, (long long)llabs(whole));
    else
        snprintf(ret, DECIMAL_TEXT_BYTES, "%s%lld.%0*lld", sign, (long long)llabs(whole),
                 (int)value.scale, (long long)llabs(part));
    return ret;
}

const char *decimal_print_places(struct decimal value, int places, char ret[DECIMAL_TEXT_BYTES]) {
    must(places >= 0 && places <= DECIMAL_SCALE_MAX);
    if (value.scale > places) {
        wide unit = power_of_ten(value.scale - places);
        value = (struct decimal){(int64_t)divide(value.mantissa, unit, DECIMAL_NEAREST), places};
    } else {
        while (value.scale < places && fits((wide)value.mantissa * 10)) {
            value.mantissa *= 10;
            value.scale++;
        }
    }
    return decimal_print(value, ret);
}

const char *decimal_print_grouped(struct decimal value, char ret[DECIMAL_TEXT_BYTES]) {
    char plain[DECIMAL_TEXT_BYTES];
    decimal_print(value, plain);
    size_t at = 0, sign = plain[0] == '-', whole = strcspn(plain, ".");
    for (size_t i = 0; plain[i]; i++) {
        if (i > sign && i < whole && (whole - i) % 3 == 0)
            ret[at++] = ',';
        ret[at++] = plain[i];
    }
    ret[at] = 0;
    return ret;
}

struct decimal decimal_trim(struct decimal value) {
    while (value.scale > 0 && value.mantissa % 10 == 0) {
        value.mantissa /= 10;
        value.scale--;
    }
    return value;
}

/* Both with the same scale. 63 bits times 10^18 fit. */
static int32_t align(struct decimal a, struct decimal b, wide *ret_a, wide *ret_b) {
    int32_t scale = a.scale > b.scale ? a.scale : b.scale;
    *ret_a = a.mantissa * power_of_ten(scale - a.scale);
    *ret_b = b.mantissa * power_of_ten(scale - b.scale);
    return scale;
}

int decimal_compare(struct decimal a, struct decimal b) {
    wide x, y;
    align(a, b, &x, &y);
    return (x > y) - (x < y);
}

struct decimal decimal_negate(struct decimal a) {
    return (struct decimal){-a.mantissa, a.scale};
}

struct decimal decimal_abs(struct decimal a) {
    return a.mantissa < 0 ? decimal_negate(a) : a;
}

int decimal_add(struct decimal a, struct decimal b, struct decimal *ret) {
    wide x, y;
    int32_t scale = align(a, b, &x, &y);
    wide sum = x + y;
    /* Exact or not at all: only zeros may go. */
    while (scale > 0 && !fits(sum) && sum % 10 == 0) {
        sum /= 10;
        scale--;
    }
    if (!fits(sum))
        return DECIMAL_OVERFLOW;
    *ret = (struct decimal){(int64_t)sum, scale};
    return 0;
}

int decimal_sub(struct decimal a, struct decimal b, struct decimal *ret) {
    return decimal_add(a, decimal_negate(b), ret);
}

int decimal_mul(struct decimal a, struct decimal b, struct decimal *ret) {
    return finish((wide)a.mantissa * b.mantissa, a.scale + b.scale, ret);
}

int decimal_div(struct decimal a, struct decimal b, int places, enum decimal_rounding rounding,
                struct decimal *ret) {
    must(b.mantissa != 0 && places >= 0 && places <= DECIMAL_SCALE_MAX);
    a = decimal_trim(a);
    b = decimal_trim(b);
    wide x = a.mantissa, y = b.mantissa;
    int32_t more = places + b.scale - a.scale;
    for (; more > 0; more--)
        if (__builtin_mul_overflow(x, (wide)10, &x))
            return DECIMAL_OVERFLOW;
    for (; more < 0; more++)
        if (__builtin_mul_overflow(y, (wide)10, &y))
            return DECIMAL_OVERFLOW;
    wide quotient = divide(x, y, rounding);
    if (!fits(quotient))
        return DECIMAL_OVERFLOW;
    *ret = (struct decimal){(int64_t)quotient, places};
    return 0;
}

int decimal_round(struct decimal a, struct decimal step, enum decimal_rounding rounding,
                  struct decimal *ret) {
    must(step.mantissa > 0);
    wide x, y;
    int32_t scale = align(a, step, &x, &y);
    wide multiple = divide(x, y, rounding) * y;
    for (; scale > step.scale; scale--) /* zeros: a multiple of step has no more places */
        multiple /= 10;
    if (!fits(multiple))
        return DECIMAL_OVERFLOW;
    *ret = (struct decimal){(int64_t)multiple, scale};
    return 0;
}

bool decimal_is_multiple(struct decimal a, struct decimal step) {
    must(step.mantissa > 0);
    wide x, y;
    align(a, step, &x, &y);
    return x % y == 0;
}
