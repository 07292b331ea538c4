/* SPDX-License-Identifier: Apache-2.0 */
#include "base/decimal.h"
#include "base/test.h"
#include <errno.h>

static struct decimal d(const char *text) {
    struct decimal value;
    if (decimal_read(slice_of(text), &value) != 0)
        fail_msg("not a decimal: %s", text);
    return value;
}

static void assert_is(struct decimal value, const char *text) {
    char print[DECIMAL_TEXT_BYTES];
    assert_string_equal(decimal_print(value, print), text);
}

static void test_read_and_print(void **state) {
    const char *const same[] = {"0",
                                "0.00",
                                "1",
                                "-1",
                                "12.50",
                                "-0.001",
                                "0.10",
                                "9223372036854775807",
                                "-0.000000000000000001"};
    for (size_t i = 0; i < COUNT_OF(same); i++)
        assert_is(d(same[i]), same[i]);
    assert_is(d("001.20"), "1.20");
    assert_is(d("+2"), "2");
    assert_is(d(".5"), "0.5");
    assert_is(d("5."), "5");
    const char *const bad[] = {"",   "-",     ".",   "1,5", "1e5", " 1",
                               "1 ", "1.2.3", "0x1", "NaN", "--1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct decimal value;
        if (decimal_read(slice_of(bad[i]), &value) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
    }
    struct decimal value = decimal_of(7);
    assert_int_equal(decimal_read(slice_of("9223372036854775808"), &value), -ERANGE);
    assert_int_equal(decimal_read(slice_of("0.0000000000000000001"), &value), -ERANGE);
    assert_is(value, "7");
    char print[DECIMAL_TEXT_BYTES];
    assert_string_equal(decimal_print_places(d("1.005"), 2, print), "1.01");
    assert_string_equal(decimal_print_places(d("-1.005"), 2, print), "-1.01");
    assert_string_equal(decimal_print_places(d("3"), 2, print), "3.00");
    assert_string_equal(decimal_print_grouped(d("-1234567.8901"), print), "-1,234,567.8901");
    assert_string_equal(decimal_print_grouped(d("-123.5"), print), "-123.5");
    assert_string_equal(decimal_print_grouped(d("1000"), print), "1,000");
    assert_is(decimal_trim(d("12.500")), "12.5");
    assert_is(decimal_trim(d("100")), "100");
}

static void test_compare(void **state) {
    assert_int_equal(decimal_compare(d("1.0"), d("1.00")), 0);
    assert_true(decimal_compare(d("9223372036854775807"), d("0.000000000000000001")) > 0);
    assert_true(decimal_compare(d("-0.1"), d("0.1")) < 0);
    assert_int_equal(decimal_sign(d("-0.0")), 0);
}

static void test_sums(void **state) {
    struct decimal sum;
    assert_int_equal(decimal_add(d("0.1"), d("0.2"), &sum), 0);
    assert_is(sum, "0.3");
    assert_int_equal(decimal_sub(d("64250.50"), d("63900"), &sum), 0);
    assert_is(sum, "350.50");
    assert_int_equal(decimal_add(d("9223372036854775807"), d("1"), &sum), DECIMAL_OVERFLOW);
    /* An exact sum that does not fit is refused, not rounded. */
    assert_int_equal(decimal_add(d("9223372036854775806"), d("0.5"), &sum), DECIMAL_OVERFLOW);
    assert_int_equal(decimal_add(d("922337203685477580"), d("0.00"), &sum), 0);
    assert_is(sum, "922337203685477580.0");
}

static void test_products(void **state) {
    struct decimal product;
    assert_int_equal(decimal_mul(d("0.015"), d("64250.50"), &product), 0);
    assert_is(product, "963.75750");
    assert_int_equal(decimal_mul(d("-3"), d("0.5"), &product), 0);
    assert_is(product, "-1.5");
    assert_int_equal(decimal_mul(d("9223372036854775807"), d("10"), &product), DECIMAL_OVERFLOW);
    assert_int_equal(decimal_mul(d("1.000000000000000001"), d("1.000000000000000001"), &product),
                     0);
    assert_is(product, "1.000000000000000002"); /* cut at the places that fit */
}

static void test_quotients(void **state) {
    struct decimal quotient;
    assert_int_equal(decimal_div(d("100"), d("350.5"), 6, DECIMAL_DOWN, &quotient), 0);
    assert_is(quotient, "0.285306");
    assert_int_equal(decimal_div(d("100"), d("350.5"), 6, DECIMAL_UP, &quotient), 0);
    assert_is(quotient, "0.285307");
    assert_int_equal(decimal_div(d("-1"), d("3"), 2, DECIMAL_NEAREST, &quotient), 0);
    assert_is(quotient, "-0.33");
    assert_int_equal(decimal_div(d("2"), d("-3"), 2, DECIMAL_NEAREST, &quotient), 0);
    assert_is(quotient, "-0.67");
    assert_int_equal(decimal_div(d("1"), d("0.000000000000000001"), 18, DECIMAL_DOWN, &quotient),
                     DECIMAL_OVERFLOW);
}

static void test_steps(void **state) {
    struct decimal rounded;
    assert_int_equal(decimal_round(d("0.0159"), d("0.001"), DECIMAL_DOWN, &rounded), 0);
    assert_is(rounded, "0.015");
    assert_int_equal(decimal_round(d("0.0151"), d("0.001"), DECIMAL_UP, &rounded), 0);
    assert_is(rounded, "0.016");
    assert_int_equal(decimal_round(d("64250.26"), d("0.50"), DECIMAL_NEAREST, &rounded), 0);
    assert_is(rounded, "64250.50");
    assert_int_equal(decimal_round(d("17"), d("5"), DECIMAL_DOWN, &rounded), 0);
    assert_is(rounded, "15");
    assert_true(decimal_is_multiple(d("0.30"), d("0.1")));
    assert_false(decimal_is_multiple(d("0.35"), d("0.1")));
    assert_true(decimal_is_multiple(d("0"), d("0.1")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_and_print), cmocka_unit_test(test_compare),
        cmocka_unit_test(test_sums),           cmocka_unit_test(test_products),
        cmocka_unit_test(test_quotients),      cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
