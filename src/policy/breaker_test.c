/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/breaker.h"

static const struct breaker_options options = {.failures = 5, .open_ms = 60000};

static void fail_times(struct breaker *b, int times, int64_t now) {
    for (int i = 0; i < times; i++)
        breaker_return(b, &options, breaker_ask(b, &options, now), BREAKER_FAILURE, now);
}

static void test_opens_after_five_in_a_row(void **state) {
    struct breaker b = {0};
    fail_times(&b, 4, 0);
    breaker_return(&b, &options, breaker_ask(&b, &options, 0), BREAKER_SUCCESS, 0);
    fail_times(&b, 4, 0);
    breaker_return(&b, &options, breaker_ask(&b, &options, 0), BREAKER_NEUTRAL, 0);
    assert_int_equal(b.state, BREAKER_CLOSED);
    fail_times(&b, 1, 10);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(breaker_ask(&b, &options, 60009).granted);
    assert_int_equal(breaker_next_ms(&b, &options, 20), 60010);
    assert_int_equal(b.opened, 1);
}

static void test_exactly_one_probe(void **state) {
    struct breaker b = {0};
    fail_times(&b, 5, 0);
    struct breaker_permit probe = breaker_ask(&b, &options, 60000);
    assert_true(probe.granted);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    for (int64_t now = 60000; now < 600000; now += 1000)
        assert_false(breaker_ask(&b, &options, now).granted);
    breaker_return(&b, &options, probe, BREAKER_FAILURE, 600000);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(breaker_ask(&b, &options, 659999).granted);
    probe = breaker_ask(&b, &options, 660000);
    breaker_return(&b, &options, probe, BREAKER_SUCCESS, 660001);
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_int_equal(b.failures_in_row, 0);
}

static void test_neutral_probe_gives_the_permit_back(void **state) {
    struct breaker b = {0};
    fail_times(&b, 5, 0);
    struct breaker_permit probe = breaker_ask(&b, &options, 60000);
    breaker_return(&b, &options, probe, BREAKER_NEUTRAL, 60001);
    assert_true(breaker_ask(&b, &options, 60001).granted);
    assert_false(breaker_ask(&b, &options, 60001).granted);
}

static void test_late_answers_change_nothing(void **state) {
    struct breaker b = {0};
    struct breaker_permit old[3];
    for (int i = 0; i < 3; i++)
        old[i] = breaker_ask(&b, &options, 0);
    fail_times(&b, 5, 0);
    breaker_return(&b, &options, old[0], BREAKER_SUCCESS, 1); /* sent before it opened */
    assert_int_equal(b.state, BREAKER_OPEN);
    struct breaker_permit probe = breaker_ask(&b, &options, 60000);
    breaker_return(&b, &options, old[1], BREAKER_FAILURE, 60001);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    breaker_return(&b, &options, probe, BREAKER_SUCCESS, 60002);
    breaker_return(&b, &options, old[2], BREAKER_FAILURE, 60003);
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_int_equal(b.failures_in_row, 0);
}

static void test_by_hand_and_hint(void **state) {
    struct breaker b = {0};
    fail_times(&b, 5, 0);
    breaker_hint_up(&b, &options, 1000);
    assert_true(breaker_ask(&b, &options, 1000).granted);
    assert_false(breaker_ask(&b, &options, 1000).granted);
    breaker_open_by_hand(&b, 2000);
    breaker_hint_up(&b, &options, 3000);
    assert_false(breaker_ask(&b, &options, 999999999).granted);
    breaker_close_by_hand(&b, 999999999);
    assert_true(breaker_ask(&b, &options, 999999999).granted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_after_five_in_a_row),
        cmocka_unit_test(test_exactly_one_probe),
        cmocka_unit_test(test_neutral_probe_gives_the_permit_back),
        cmocka_unit_test(test_late_answers_change_nothing),
        cmocka_unit_test(test_by_hand_and_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
