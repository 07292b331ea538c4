/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/watch.h"

static const struct watch_rule memory = {.limit = 500};
static const struct watch_rule cpu = {.limit = 50, .for_ms = 300000};

static void test_told_once_each_with_hysteresis(void **test_state) {
    static const struct {
        double value;
        enum watch_news news;
    } steps[] = {{400, WATCH_NOTHING}, {500, WATCH_NOTHING}, {501, WATCH_HIGH},
                 {510, WATCH_NOTHING}, {499, WATCH_NOTHING}, {451, WATCH_NOTHING},
                 {502, WATCH_NOTHING}, {449, WATCH_NORMAL},  {430, WATCH_NOTHING},
                 {499, WATCH_NOTHING}, {600, WATCH_HIGH},    {0, WATCH_NORMAL}};
    struct watch_state state = {0};
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        assert_int_equal(
            watch_look(&state, &memory, steps[i].value, (int64_t)i + 1, (int64_t)i + 1),
            steps[i].news);
}

/* Asked every 30 s: 5 minutes above in a row, a short dip begins anew. */
static void test_sustained(void **test_state) {
    struct watch_state state = {0};
    int64_t now = 1000000;
    for (int i = 1; i < 10; i++, now += 30000)
        assert_int_equal(watch_look(&state, &cpu, 90, now - 30000, now), WATCH_NOTHING);
    assert_int_equal(watch_look(&state, &cpu, 40, now - 30000, now), WATCH_NOTHING);
    now += 30000;
    for (int i = 1; i < 10; i++, now += 30000)
        assert_int_equal(watch_look(&state, &cpu, 90, now - 30000, now), WATCH_NOTHING);
    assert_int_equal(watch_look(&state, &cpu, 90, now - 30000, now), WATCH_HIGH);
    assert_int_equal(watch_look(&state, &cpu, 46, now, now + 30000), WATCH_NOTHING);
    assert_int_equal(watch_look(&state, &cpu, 44, now + 30000, now + 60000), WATCH_NORMAL);
}

/* Who asks seldom learns it from one mean over a long time. */
static void test_one_long_interval_is_sustained(void **test_state) {
    struct watch_state state = {0};
    assert_int_equal(watch_look(&state, &cpu, 51, 1000, 301000), WATCH_HIGH);
}

static void test_off(void **test_state) {
    static const struct watch_rule off = {0};
    struct watch_state state = {0};
    assert_int_equal(watch_look(&state, &off, 1e12, 1, 1), WATCH_NOTHING);
    assert_int_equal(watch_look(&state, &memory, 501, 2, 2), WATCH_HIGH);
    assert_int_equal(watch_look(&state, &off, 501, 3, 3), WATCH_NORMAL);
    assert_int_equal(watch_look(&state, &off, 501, 4, 4), WATCH_NOTHING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_once_each_with_hysteresis),
        cmocka_unit_test(test_sustained),
        cmocka_unit_test(test_one_long_interval_is_sustained),
        cmocka_unit_test(test_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
