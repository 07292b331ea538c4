/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/backoff.h"

static const struct backoff quick = {.first_ms = 1000, .max_ms = 30000, .min_ms = 100};

static void test_ceiling_doubles_and_caps(void **state) {
    /* random = span - 1 gives exactly the ceiling. */
    const int64_t ceilings[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (uint32_t i = 0; i < COUNT_OF(ceilings); i++) {
        uint64_t span = (uint64_t)(ceilings[i] - 100) + 1;
        assert_int_equal(backoff_ms(&quick, i + 1, span - 1), ceilings[i]);
        assert_int_equal(backoff_ms(&quick, i + 1, span), 100);
    }
    assert_int_equal(backoff_ms(&quick, 4000000000U, 29900), 30000);
}

static void test_jitter_is_full(void **state) {
    uint64_t seed = 7;
    int64_t low = INT64_MAX, high = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t ms = backoff_ms(&quick, 3, random_next(&seed));
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    assert_true(low >= 100 && low < 400);
    assert_true(high <= 4000 && high > 3700);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ceiling_doubles_and_caps),
        cmocka_unit_test(test_jitter_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
