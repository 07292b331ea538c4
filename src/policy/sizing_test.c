/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/sizing.h"

static struct decimal d(const char *text) {
    struct decimal value = {0};
    assert_int_equal(decimal_read(slice_of(text), &value), 0);
    return value;
}

static void assert_decimal(struct decimal value, const char *text) {
    char printed[DECIMAL_TEXT_BYTES];
    assert_string_equal(decimal_print(value, printed), text);
}

struct qty_case {
    const char *risk, *entry, *stop, *step, *min, *max, *notional_min;
    int outcome;
    const char *result; /* the quantity, or what the smallest lot risks */
};
static const struct qty_case qty_cases[] = {
    {"100", "64250.5", "63000", "0.001", "0.001", "100", "5", 0, "0.079"},
    {"100", "63000", "64250.5", "0.001", "0.001", "100", "5", 0, "0.079"},
    {"100", "100", "90", "0.1", "0", "0", "0", 0, "10.0"},  /* exact: nothing is cut */
    {"99.99", "100", "90", "0.1", "0", "0", "0", 0, "9.9"}, /* never up */
    {"100", "100", "90", "0.3", "0", "0", "0", 0, "9.9"},   /* a step that is no power of 10 */
    {"100", "100", "90", "5", "0", "7", "0", 0, "5"},       /* qty_max, and it is no multiple */
    {"100", "0.00001234", "0.00001", "1", "1", "0", "5", 0, "42735042"},
    {"1", "64250.5", "63000", "0.001", "0.001", "0", "0", SIZING_TOO_SMALL, "1.2505"},
    {"1", "100", "99", "0.1", "2", "0", "0", SIZING_TOO_SMALL, "2.0"},       /* qty_min */
    {"1", "100", "90", "0.01", "0.01", "0", "50", SIZING_TOO_SMALL, "5.00"}, /* notional */
    {"1", "30", "29", "0.01", "0.01", "0", "100", SIZING_TOO_SMALL, "3.34"}, /* ... up */
    {"9000000000000000000", "2", "1.999999", "0.001", "0", "0", "0", SIZING_TOO_LARGE, ""},
};

static void test_qty(void **state) {
    for (size_t i = 0; i < COUNT_OF(qty_cases); i++) {
        const struct qty_case *c = &qty_cases[i];
        struct sizing sizing = {d(c->risk), d(c->entry), d(c->stop),        d(c->step),
                                d(c->min),  d(c->max),   d(c->notional_min)};
        struct decimal qty = {0}, smallest = {0};
        assert_int_equal(sizing_qty(&sizing, &qty, &smallest), c->outcome);
        if (c->outcome != SIZING_TOO_LARGE)
            assert_decimal(c->outcome ? smallest : qty, c->result);
    }
}

struct take_case {
    const char *entry, *stop, *rr, *tick;
    int outcome;
    const char *take;
};
static const struct take_case take_cases[] = {
    {"64250.50", "63000.00", "2", "0.10", 0, "66751.50"},
    {"63000", "64250.5", "2", "0.10", 0, "60499.00"},
    {"100", "99", "1.5", "1", 0, "102"}, /* to the nearest tick */
    {"100", "99", "1.4", "1", 0, "101"},
    {"100", "150", "2", "0.1", SIZING_BELOW_ZERO, ""},
    {"100", "150", "3", "0.1", SIZING_BELOW_ZERO, ""},
    {"9000000000000000000", "1", "10", "1", SIZING_TOO_LARGE, ""},
};

static void test_take(void **state) {
    for (size_t i = 0; i < COUNT_OF(take_cases); i++) {
        const struct take_case *c = &take_cases[i];
        struct decimal take = {0};
        assert_int_equal(sizing_take(d(c->entry), d(c->stop), d(c->rr), d(c->tick), &take),
                         c->outcome);
        if (!c->outcome)
            assert_decimal(take, c->take);
    }
}

/* The promise itself, for many numbers: within the risk, and one step more would not be. */
static void test_risk_is_never_exceeded(void **state) {
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t entry = (int64_t)(random >> 40) + 2, stop = (int64_t)(random >> 20 & 0xfffff) + 1;
        struct sizing sizing = {.risk = {(int64_t)(random & 0xffff) + 1, 2},
                                .entry = {entry, 2},
                                .stop = {stop == entry ? stop + 1 : stop, 2},
                                .qty_step = {(int64_t)(random % 7) + 1, (int32_t)(random % 5)}};
        struct decimal qty, smallest, way, risk;
        int r = sizing_qty(&sizing, &qty, &smallest);
        assert_true(r == 0 || r == SIZING_TOO_SMALL);
        if (r) {
            assert_true(decimal_compare(smallest, sizing.risk) > 0);
            continue;
        }
        assert_true(decimal_is_multiple(qty, sizing.qty_step));
        assert_int_equal(decimal_sub(sizing.entry, sizing.stop, &way), 0);
        assert_int_equal(decimal_mul(qty, decimal_abs(way), &risk), 0);
        assert_true(decimal_compare(risk, sizing.risk) <= 0);
        assert_int_equal(decimal_add(qty, sizing.qty_step, &qty), 0);
        assert_int_equal(decimal_mul(qty, decimal_abs(way), &risk), 0);
        assert_true(decimal_compare(risk, sizing.risk) > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qty),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_risk_is_never_exceeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
