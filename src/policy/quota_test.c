/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/quota.h"

static const struct quota_rate chat = {.count = 1, .period_ms = 1000, .burst = 3};
static const struct quota_rate group = {.count = 20, .period_ms = 60000, .burst = 20};

static void test_burst_then_rate(void **state) {
    struct quota q = {0};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(quota_wait_ms(&q, &chat, 5000, 0), 0);
        quota_take(&q, &chat, 5000);
    }
    assert_int_equal(quota_wait_ms(&q, &chat, 5000, 0), 1000);
    assert_int_equal(quota_wait_ms(&q, &chat, 5400, 0), 600);
    assert_int_equal(quota_wait_ms(&q, &chat, 6000, 0), 0);
    assert_false(quota_is_full(&q, &chat, 7999));
    assert_true(quota_is_full(&q, &chat, 8000));
}

static void test_reserve_is_for_the_urgent(void **state) {
    struct quota q = {0};
    quota_take(&q, &chat, 0);
    quota_take(&q, &chat, 0);
    assert_int_equal(quota_wait_ms(&q, &chat, 0, 1), 1000); /* one must stay behind */
    assert_int_equal(quota_wait_ms(&q, &chat, 0, 0), 0);
}

static void test_no_drift_over_a_day(void **state) {
    struct quota q = {0};
    int64_t taken = 0;
    for (int64_t now = 0; now < 86400000; now += 37)
        if (quota_wait_ms(&q, &group, now, 0) == 0) {
            quota_take(&q, &group, now);
            taken++;
        }
    assert_in_range(taken, 20 + 28780, 20 + 28800);
}

static void test_edges(void **state) {
    struct quota q = {0};
    const struct quota_rate none = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(quota_wait_ms(&q, &none, 0, 0), 0);
        quota_take(&q, &none, 0);
    }
    for (int i = 0; i < 3; i++)
        quota_take(&q, &chat, 10000);
    assert_int_equal(quota_wait_ms(&q, &chat, 9000, 0), 1000); /* clock went back */
    assert_int_equal(quota_wait_ms(&q, &chat, INT64_MAX, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_reserve_is_for_the_urgent),
        cmocka_unit_test(test_no_drift_over_a_day),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
