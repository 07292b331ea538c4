/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/forecast.h"

static const int64_t minute = 60000, hour = 3600000, day = 86400000;
static const double mb = 1024 * 1024;

/* A number between -1 and 1 that is the same in every run. */
static double noise(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / (double)(1 << 23) - 1;
}

typedef double series(int64_t time_ms, uint32_t *seed);

static double steady(int64_t time_ms, uint32_t *seed) {
    return 100 * mb + 4 * mb * (double)time_ms / (double)hour + noise(seed) * mb;
}
static double just_noise(int64_t time_ms, uint32_t *seed) {
    return 100 * mb + noise(seed) * 20 * mb;
}
static double constant(int64_t time_ms, uint32_t *seed) {
    return 100 * mb;
}
static double falls(int64_t time_ms, uint32_t *seed) {
    return 900 * mb - 4 * mb * (double)time_ms / (double)hour + noise(seed) * mb;
}
static double teeth(int64_t time_ms, uint32_t *seed) { /* restarted, or emptied, every 3 hours */
    return 50 * mb + 100 * mb * (double)(time_ms % (3 * hour)) / (double)hour + noise(seed) * mb;
}
static double step_up(int64_t time_ms, uint32_t *seed) {
    return (time_ms < 6 * hour ? 100 : 200) * mb + noise(seed) * mb;
}
static double outliers(int64_t time_ms, uint32_t *seed) { /* every 10th is nonsense */
    double value = steady(time_ms, seed);
    return time_ms / minute % 10 == 7 ? 5000 * mb : value;
}

static struct forecast fed(series *of, int64_t span_ms, uint32_t seed) {
    struct forecast forecast = {0};
    for (int64_t time = 0; time <= span_ms; time += minute / 2)
        (void)forecast_add(&forecast, time, of(time, &seed), day);
    assert_true(forecast.count <= FORECAST_SAMPLES_MAX);
    return forecast;
}

static struct forecast_result look(series *of, int64_t span_ms, uint32_t seed) {
    struct forecast forecast = fed(of, span_ms, seed);
    return forecast_look(&forecast, 500 * mb, hour / 2);
}

static void test_steady_growth(void **state) {
    for (uint32_t seed = 1; seed < 50; seed++) {
        struct forecast_result result = look(steady, 12 * hour, seed);
        assert_int_equal(result.kind, FORECAST_GROWS);
        assert_true(result.per_hour > 3.6 * mb && result.per_hour < 4.4 * mb);
        /* (500 - 100) / 4 = 100 h from the beginning */
        assert_true(result.limit_ms > 78 * hour && result.limit_ms < 98 * hour);
    }
}

static void test_outliers_do_not_move_it(void **state) {
    struct forecast_result result = look(outliers, 12 * hour, 3);
    assert_int_equal(result.kind, FORECAST_GROWS);
    assert_true(result.per_hour > 3.5 * mb && result.per_hour < 4.6 * mb);
}

static void test_what_does_not_grow(void **state) {
    series *const all[] = {just_noise, constant, falls, teeth, step_up};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (uint32_t seed = 1; seed < 50; seed++)
            assert_int_equal(look(all[i], 12 * hour, seed).kind, FORECAST_STEADY);
}

/* Wherever the step is. */
static void test_step_anywhere(void **state) {
    for (int64_t at = 0; at <= 64; at++) {
        struct forecast forecast = {0};
        for (int64_t i = 0; i < 64; i++)
            (void)forecast_add(&forecast, i * minute, i < at ? 100 : 200, day);
        assert_int_equal(forecast_look(&forecast, 500, hour / 2).kind, FORECAST_STEADY);
    }
}

static void test_too_little_data(void **state) {
    assert_int_equal(look(steady, 0, 1).kind, FORECAST_TOO_LITTLE_DATA);
    assert_int_equal(look(steady, 20 * minute, 1).kind, FORECAST_TOO_LITTLE_DATA); /* span */
    struct forecast few = {0};
    for (int64_t i = 0; i < FORECAST_SAMPLES_MIN - 1; i++)
        (void)forecast_add(&few, i * hour, (double)i * mb, day);
    assert_int_equal(forecast_look(&few, 0, hour).kind, FORECAST_TOO_LITTLE_DATA); /* count */
    (void)forecast_add(&few, 12 * hour, 12 * mb, day);
    assert_int_equal(forecast_look(&few, 0, hour).kind, FORECAST_GROWS);
    forecast_forget(&few);
    assert_int_equal(forecast_look(&few, 0, hour).kind, FORECAST_TOO_LITTLE_DATA);
}

static void test_ring_is_bounded_and_one_a_minute(void **state) {
    struct forecast forecast = {0};
    assert_true(forecast_add(&forecast, 1000, 1, day));
    assert_false(forecast_add(&forecast, 1000 + minute - 1, 1, day));
    assert_true(forecast_add(&forecast, 1000 + minute, 1, day));
    uint32_t seed = 1;
    struct forecast long_one = fed(steady, 10 * day, seed);
    int64_t first = long_one.samples[0].time_ms;
    int64_t last = long_one.samples[long_one.count - 1].time_ms;
    assert_true(long_one.count >= FORECAST_SAMPLES_MAX / 2 - 1);
    assert_true(last - first <= day && last - first > day / 2);
    assert_true(last > 10 * day - hour);
    for (size_t i = 1; i < long_one.count; i++)
        assert_true(long_one.samples[i].time_ms - long_one.samples[i - 1].time_ms >=
                    long_one.gap_ms / 2);
}

static void test_limit_out_of_sight_and_reached(void **state) {
    struct forecast forecast = fed(steady, 2 * hour, 1);
    assert_true(forecast_look(&forecast, 100000 * mb, hour / 2).limit_ms == -1);
    assert_true(forecast_look(&forecast, 0, hour / 2).limit_ms == -1);
    assert_true(forecast_look(&forecast, 90 * mb, hour / 2).limit_ms == 0);
}

static void test_words(void **state) {
    char text[FORECAST_TEXT_BYTES];
    struct forecast_result result = {FORECAST_GROWS, 4 * mb, 6 * day + hour};
    forecast_text(&result, 500 * mb, text);
    assert_string_equal(text, "grows 4.0 MB/h, at its limit of 500 MB in 6 days");
    result.limit_ms = 30 * hour;
    result.per_hour = mb / 24;
    forecast_text(&result, 500 * mb, text);
    assert_string_equal(text, "grows 1.0 MB/day, at its limit of 500 MB in 30 hours");
    result.limit_ms = -1;
    forecast_text(&result, 0, text);
    assert_string_equal(text, "grows 1.0 MB/day");
    forecast_text(&result, 2048 * mb, text);
    assert_string_equal(text, "grows 1.0 MB/day, its limit of 2.0 GB is far away");
    result.kind = FORECAST_TOO_LITTLE_DATA;
    forecast_text(&result, 0, text);
    assert_string_equal(text, "too little data");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady_growth),
        cmocka_unit_test(test_outliers_do_not_move_it),
        cmocka_unit_test(test_what_does_not_grow),
        cmocka_unit_test(test_step_anywhere),
        cmocka_unit_test(test_too_little_data),
        cmocka_unit_test(test_ring_is_bounded_and_one_a_minute),
        cmocka_unit_test(test_limit_out_of_sight_and_reached),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
