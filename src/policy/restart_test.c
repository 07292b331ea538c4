/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/restart.h"

static const struct restart_config usual = {.mode = RESTART_ALWAYS,
                                            .max = 10,
                                            .delay_ms = 5000,
                                            .delay_max_ms = 300000,
                                            .retry_ms = 900000};

static struct restart_decision decide(enum exit_class class, bool was_ready, int64_t restarts,
                                      uint32_t random) {
    return restart_decide(&(struct restart_case){.config = &usual,
                                                 .class = class,
                                                 .was_ready = was_ready,
                                                 .restarts = restarts,
                                                 .random = random});
}

static void test_backoff_doubles_to_the_cap(void **state) {
    for (uint32_t random = 0; random < 5000; random += 7) {
        int64_t first = decide(EXIT_CLASS_FAILURE, true, 0, random).delay_ms;
        assert_in_range(first, 4500, 5500);
        assert_in_range(decide(EXIT_CLASS_FAILURE, true, 2, random).delay_ms, 18000, 22000);
        assert_in_range(decide(EXIT_CLASS_FAILURE, true, 9, random).delay_ms, 270000, 330000);
        assert_in_range(decide(EXIT_CLASS_FAILURE, false, 0, random).delay_ms, 9000, 11000);
    }
}

static void test_fails_after_max(void **state) {
    assert_int_equal(decide(EXIT_CLASS_FAILURE, true, 9, 0).action, RESTART_AGAIN);
    struct restart_decision last = decide(EXIT_CLASS_FAILURE, true, 10, 0);
    assert_int_equal(last.action, RESTART_FAILED);
    assert_int_equal(last.delay_ms, 900000);
    struct restart_decision network = decide(EXIT_CLASS_TEMPORARY, true, 10, 0);
    assert_int_equal(network.action, RESTART_AGAIN);
    assert_false(network.counted);
    assert_int_equal(decide(EXIT_CLASS_CONFIG, true, 0, 0).action, RESTART_AFTER_CHANGE);
}

static void test_modes(void **state) {
    struct restart_config config = usual;
    config.mode = RESTART_ON_FAILURE;
    struct restart_case again = {.config = &config, .class = EXIT_CLASS_CLEAN, .was_ready = true};
    assert_int_equal(restart_decide(&again).action, RESTART_DONE);
    again.class = EXIT_CLASS_FAILURE;
    assert_int_equal(restart_decide(&again).action, RESTART_AGAIN);
    config.mode = RESTART_NEVER;
    assert_int_equal(restart_decide(&again).action, RESTART_FAILED);
    config.mode = RESTART_ALWAYS;
    config.delay_ms = config.delay_max_ms = 0;
    assert_int_equal(restart_decide(&again).delay_ms, 0);
}

static void test_classes(void **state) {
    assert_int_equal(restart_classify(&(struct service_exit){.code = 0}), EXIT_CLASS_CLEAN);
    assert_int_equal(restart_classify(&(struct service_exit){.code = 78}), EXIT_CLASS_CONFIG);
    assert_int_equal(restart_classify(&(struct service_exit){.code = 77}), EXIT_CLASS_CONFIG);
    assert_int_equal(restart_classify(&(struct service_exit){.code = 75}), EXIT_CLASS_TEMPORARY);
    assert_int_equal(restart_classify(&(struct service_exit){.code = -1, .signal = 9}),
                     EXIT_CLASS_FAILURE);
    struct service_exit refused = {.code = 1, .last_lines = slice_of("x: Connection refused\n")};
    assert_int_equal(restart_classify(&refused), EXIT_CLASS_TEMPORARY);
    refused.last_lines = slice_of("KeyError: 'a'\n");
    assert_int_equal(restart_classify(&refused), EXIT_CLASS_FAILURE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff_doubles_to_the_cap),
        cmocka_unit_test(test_fails_after_max),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
