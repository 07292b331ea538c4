/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "engine/services.h"
#include <signal.h>
#include <stdio.h>

/* db <- api <- bot, and lone. */
enum { DB, API, BOT, LONE, COUNT };
static char *needs_db[] = {"db", NULL}, *needs_api[] = {"api", NULL};
static struct service_config configs[COUNT];
static struct config config;
static struct services services;
static int64_t now;

static int setup(void **state) {
    static char *names[] = {"db", "api", "bot", "lone"};
    for (int i = 0; i < COUNT; i++)
        configs[i] = (struct service_config){.name = names[i],
                                             .stop_signal = SIGTERM,
                                             .stop_timeout_ms = 10000,
                                             .start_timeout_ms = 60000,
                                             .restart = {.max = 3,
                                                         .delay_ms = 1000,
                                                         .delay_max_ms = 60000,
                                                         .stable_ms = 600000,
                                                         .retry_ms = 900000}};
    configs[API].needs = needs_db;
    configs[BOT].needs = needs_api;
    config = (struct config){.services = configs, .service_count = COUNT};
    services_init(&services, &config);
    now = 1000;
    return 0;
}

static int teardown(void **state) {
    services_deinit(&services);
    return 0;
}

static char *hook[] = {"hook", NULL};

static void give_exit(enum service_event_kind kind, size_t index, int code) {
    struct service_event event = {
        .kind = kind, .index = index, .now_ms = now, .exit = {.code = code, .known = true}};
    services_step(&services, &event);
}

static void give(enum service_event_kind kind, size_t index) {
    struct service_event event = {.kind = kind,
                                  .index = index,
                                  .now_ms = now,
                                  .pid = 100 + (pid_t)index,
                                  .text = "why",
                                  .exit = {.code = 1, .known = true}};
    services_step(&services, &event);
}

static int commands_of(enum service_command_kind kind, size_t index) {
    int count = 0;
    for (size_t i = 0; i < services.command_count; i++)
        count += services.commands[i].kind == kind && services.commands[i].index == index;
    return count;
}

static bool signalled(size_t index, int number) {
    for (size_t i = 0; i < services.command_count; i++)
        if (services.commands[i].kind == SERVICE_COMMAND_SIGNAL &&
            services.commands[i].index == index && services.commands[i].value == number)
            return true;
    return false;
}

static enum service_state state_of(size_t index) {
    return services.list[index].state;
}

static void all_up(void) {
    for (size_t i = 0; i < COUNT; i++)
        give(SERVICE_EVENT_UP, i);
    for (size_t i = 0; i < COUNT; i++)
        give(SERVICE_EVENT_STARTED, i);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(state_of(i), SERVICE_READY);
    services_commands_done(&services);
}

static void test_starts_in_order_of_needs(void **state) {
    configs[DB].ready.kind = PROBE_NOTIFY;
    for (size_t i = COUNT; i-- > 0;)
        give(SERVICE_EVENT_UP, i);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, DB), 1);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, API), 0);
    give(SERVICE_EVENT_STARTED, DB);
    assert_int_equal(state_of(DB), SERVICE_STARTING);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, API), 0);
    give(SERVICE_EVENT_READY, DB);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, API), 1);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, BOT), 0);
    give(SERVICE_EVENT_STARTED, API);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, BOT), 1);
}

static void test_up_brings_what_it_needs(void **state) {
    give(SERVICE_EVENT_UP, BOT);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, DB), 1);
    assert_int_equal(state_of(API), SERVICE_WAITING);
    assert_int_equal(state_of(LONE), SERVICE_STOPPED);
}

/* A restart of one that is down is a start: else it would wait for ever for a need that nobody
 * wants. */
static void test_restart_brings_what_it_needs(void **state) {
    give(SERVICE_EVENT_RESTART, BOT);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, DB), 1);
    assert_int_equal(state_of(API), SERVICE_WAITING);
}

static void test_restart_leaves_alone_what_it_needs(void **state) {
    all_up();
    give(SERVICE_EVENT_DOWN, DB);
    give(SERVICE_EVENT_RESTART, BOT); /* on second thoughts: all are needed again */
    give(SERVICE_EVENT_EXITED, BOT);
    assert_false(signalled(API, SIGTERM));
    assert_int_equal(state_of(DB), SERVICE_READY);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, BOT), 1);
}

static void test_stop_goes_backwards(void **state) {
    all_up();
    give(SERVICE_EVENT_DOWN, DB);
    assert_true(signalled(BOT, SIGTERM));
    assert_false(signalled(API, SIGTERM));
    give(SERVICE_EVENT_EXITED, BOT);
    assert_true(signalled(API, SIGTERM));
    assert_false(signalled(DB, SIGTERM));
    give(SERVICE_EVENT_EXITED, API);
    assert_true(signalled(DB, SIGTERM));
    assert_false(signalled(LONE, SIGTERM));
    give(SERVICE_EVENT_EXITED, DB);
    for (size_t i = 0; i < LONE; i++)
        assert_int_equal(state_of(i), SERVICE_STOPPED);
    assert_int_equal(state_of(LONE), SERVICE_READY);
}

static void test_crash_restarts_only_that_one(void **state) {
    all_up();
    give(SERVICE_EVENT_EXITED, API);
    assert_int_equal(state_of(API), SERVICE_BACKOFF);
    assert_int_equal(state_of(DB), SERVICE_READY);
    assert_int_equal(state_of(BOT), SERVICE_READY);
    assert_int_equal(commands_of(SERVICE_COMMAND_SWEEP, API), 1);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(commands_of(SERVICE_COMMAND_SIGNAL, i), 0);
    services_commands_done(&services);
    now = services_deadline(&services);
    assert_in_range(now, 1900, 2100);
    services_tick(&services, now, 7);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, API), 1);
}

static void test_fails_after_max_and_tries_again_later(void **state) {
    all_up();
    for (int i = 0; i < 4; i++) {
        give(SERVICE_EVENT_EXITED, LONE);
        if (state_of(LONE) != SERVICE_BACKOFF)
            break;
        now = services.list[LONE].state_at_ms;
        services_tick(&services, now, 0);
        give(SERVICE_EVENT_STARTED, LONE);
    }
    assert_int_equal(state_of(LONE), SERVICE_FAILED);
    assert_int_equal(services.list[LONE].state_at_ms, now + 900000);
    services_commands_done(&services);
    services_tick(&services, now + 900000, 0);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, LONE), 1);
}

static void test_stability_forgives(void **state) {
    all_up();
    give(SERVICE_EVENT_EXITED, LONE);
    now = services.list[LONE].state_at_ms;
    services_tick(&services, now, 0);
    give(SERVICE_EVENT_STARTED, LONE);
    assert_int_equal(services.list[LONE].restarts, 1);
    now += 600000;
    services_tick(&services, now, 0);
    assert_int_equal(services.list[LONE].restarts, 0);
    assert_int_equal(services_deadline(&services), 0); /* idle: nothing to wake for */
}

static void test_hang_is_killed_and_restarted(void **state) {
    configs[LONE].health =
        (struct probe_config){.kind = PROBE_TCP, .every_ms = 30000, .failures = 3};
    all_up();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(commands_of(SERVICE_COMMAND_SIGNAL, LONE), 0);
        give(SERVICE_EVENT_PROBE_BAD, LONE);
    }
    assert_true(signalled(LONE, SIGTERM));
    assert_int_equal(state_of(LONE), SERVICE_STOPPING);
    services_commands_done(&services);
    now += 10000;
    services_tick(&services, now, 0);
    assert_true(signalled(LONE, SIGKILL));
    give(SERVICE_EVENT_EXITED, LONE);
    assert_int_equal(state_of(LONE), SERVICE_BACKOFF);
    assert_int_equal(services.list[LONE].restarts, 1);
}

static void test_watchdog(void **state) {
    configs[LONE].watchdog_ms = 5000;
    all_up();
    now += 4000;
    give(SERVICE_EVENT_HEARTBEAT, LONE);
    now += 4000;
    services_tick(&services, now, 0);
    assert_int_equal(state_of(LONE), SERVICE_READY);
    now += 1001;
    services_tick(&services, now, 0);
    assert_int_equal(state_of(LONE), SERVICE_STOPPING);
}

static void exits_well(size_t index) {
    struct service_event event = {.kind = SERVICE_EVENT_EXITED,
                                  .index = index,
                                  .now_ms = now,
                                  .exit = {.code = 0, .known = true}};
    services_step(&services, &event);
}

static void test_it_says_that_it_stops(void **state) {
    configs[LONE].restart.mode = RESTART_ON_FAILURE;
    configs[LONE].watchdog_ms = 5000;
    all_up();
    give(SERVICE_EVENT_SAYS_STOPPING, LONE);
    assert_int_equal(state_of(LONE), SERVICE_STOPPING);
    assert_false(signalled(LONE, SIGTERM)); /* it knows */
    now += 6000;
    services_tick(&services, now, 0); /* the watchdog is off */
    assert_false(signalled(LONE, SIGKILL));
    exits_well(LONE);
    assert_int_equal(state_of(LONE), SERVICE_DONE);
    assert_int_equal(services.list[LONE].restarts_total, 0);

    give(SERVICE_EVENT_UP, LONE);
    give(SERVICE_EVENT_STARTED, LONE);
    give(SERVICE_EVENT_SAYS_STOPPING, LONE);
    give(SERVICE_EVENT_RESTART, LONE); /* somebody wants it anew: its end is not the end */
    services_commands_done(&services);
    exits_well(LONE);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, LONE), 1);

    give(SERVICE_EVENT_STARTED, LONE);
    give(SERVICE_EVENT_SAYS_STOPPING, LONE);
    now += 10000;
    services_tick(&services, now, 0); /* but it does not */
    assert_true(signalled(LONE, SIGKILL));
}

static void test_another_main_process(void **state) {
    all_up();
    struct service_event event = {
        .kind = SERVICE_EVENT_MAIN_PID, .index = LONE, .now_ms = now, .pid = 4242};
    services_step(&services, &event);
    assert_int_equal(services.list[LONE].pid, 4242);
    assert_int_equal(state_of(LONE), SERVICE_READY);
    give(SERVICE_EVENT_EXITED, LONE);
    for (size_t i = 0; i < services.command_count; i++)
        if (services.commands[i].kind == SERVICE_COMMAND_SWEEP)
            assert_int_equal(services.commands[i].value, 4242);
    services_step(&services, &event); /* of one that has ended: too late */
    assert_int_equal(services.list[LONE].pid, 0);
}

static void test_config_error_waits_for_a_change(void **state) {
    all_up();
    struct service_event event = {.kind = SERVICE_EVENT_EXITED,
                                  .index = LONE,
                                  .now_ms = now,
                                  .exit = {.code = 78, .known = true}};
    services_step(&services, &event);
    assert_int_equal(state_of(LONE), SERVICE_FAILED);
    assert_int_equal(services.list[LONE].state_at_ms, 0);
    give(SERVICE_EVENT_UP, LONE);
    assert_int_equal(state_of(LONE), SERVICE_STARTING);
}

static void test_end_at_once_kills_all(void **state) {
    all_up();
    services_end(&services, now, true);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(signalled(i, SIGKILL));
    for (size_t i = 0; i < COUNT; i++)
        give(SERVICE_EVENT_EXITED, i);
    assert_true(services_all_down(&services));
}

static void test_hooks_before_and_after(void **state) {
    configs[LONE].before_start = configs[LONE].after_stop = hook;
    give(SERVICE_EVENT_UP, LONE);
    assert_int_equal(state_of(LONE), SERVICE_PREPARING);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, LONE), 0);
    give_exit(SERVICE_EVENT_HOOK_DONE, LONE, 0);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, LONE), 1);
    give(SERVICE_EVENT_STARTED, LONE);
    services_commands_done(&services);
    give(SERVICE_EVENT_EXITED, LONE);
    assert_int_equal(state_of(LONE), SERVICE_CLEANING);
    assert_int_equal(commands_of(SERVICE_COMMAND_HOOK, LONE), 1);
    assert_false(services_all_down(&services));
    give_exit(SERVICE_EVENT_HOOK_DONE, LONE, 3); /* said, and nothing else */
    assert_int_equal(state_of(LONE), SERVICE_BACKOFF);
    assert_int_equal(services.list[LONE].restarts, 1);
}

static void test_a_hook_that_fails_is_a_start_that_failed(void **state) {
    configs[LONE].before_start = hook;
    give(SERVICE_EVENT_UP, LONE);
    for (int i = 0; i < 4; i++) {
        give_exit(SERVICE_EVENT_HOOK_DONE, LONE, 3);
        if (state_of(LONE) == SERVICE_BACKOFF) {
            now = services_deadline(&services);
            services_tick(&services, now, 0);
        }
    }
    assert_int_equal(state_of(LONE), SERVICE_FAILED);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, LONE), 0);
    assert_string_equal(services.list[LONE].why, "before_start: exit code 3");
}

static void test_a_stop_ends_a_hook(void **state) {
    configs[LONE].before_start = hook;
    give(SERVICE_EVENT_UP, LONE);
    services_commands_done(&services);
    give(SERVICE_EVENT_DOWN, LONE);
    assert_int_equal(services.commands[0].kind, SERVICE_COMMAND_HOOK);
    assert_int_equal(services.commands[0].value, -1);
    give_exit(SERVICE_EVENT_HOOK_DONE, LONE, 0); /* even if it ended well meanwhile */
    assert_int_equal(state_of(LONE), SERVICE_STOPPED);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, LONE), 0);
}

static void test_a_hook_has_its_time(void **state) {
    configs[LONE].before_start = hook;
    give(SERVICE_EVENT_UP, LONE);
    services_commands_done(&services);
    now += 60000;
    services_tick(&services, now, 0);
    assert_int_equal(commands_of(SERVICE_COMMAND_HOOK, LONE), 1);
    assert_int_equal(state_of(LONE), SERVICE_PREPARING); /* until its end is known */
}

static void test_dependents_are_told_of_a_failure(void **state) {
    all_up();
    give_exit(SERVICE_EVENT_EXITED, DB, 78);
    assert_int_equal(state_of(DB), SERVICE_FAILED);
    int told = 0;
    for (size_t i = 0; i < services.command_count; i++)
        if (services.commands[i].what && strcmp(services.commands[i].what, "need_failed") == 0) {
            assert_int_equal(services.commands[i].index, API);
            assert_string_equal(services.commands[i].text, "needs db, which has failed");
            told++;
        }
    assert_int_equal(told, 1);
    assert_int_equal(state_of(API), SERVICE_READY);
}

/* ---- any order of events: a small world of processes ---- */

static uint32_t seed;
static uint32_t chance(uint32_t limit) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

static bool alive[COUNT], asked_to_end[COUNT], start_pending[COUNT], hook_runs[COUNT];

/* Carries the commands out in the world; what must never happen is checked here. */
static void carry_out(void) {
    for (size_t i = 0; i < services.command_count; i++) {
        const struct service_command *command = &services.commands[i];
        size_t index = command->index;
        if (command->kind == SERVICE_COMMAND_START) {
            assert_false(alive[index] || hook_runs[index]); /* never two copies */
            assert_false(services.ending);
            alive[index] = start_pending[index] = true;
            asked_to_end[index] = false;
        } else if (command->kind == SERVICE_COMMAND_SIGNAL) {
            asked_to_end[index] |= command->value == SIGKILL || chance(2);
        } else if (command->kind == SERVICE_COMMAND_HOOK && command->value >= 0) {
            assert_false(alive[index] || hook_runs[index]);
            hook_runs[index] = true;
        }
    }
    services_commands_done(&services);
}

static void random_turn(void) {
    size_t index = chance(COUNT);
    static const enum service_event_kind wishes[] = {
        SERVICE_EVENT_UP,        SERVICE_EVENT_DOWN,     SERVICE_EVENT_RESTART,
        SERVICE_EVENT_PROBE_BAD, SERVICE_EVENT_PROBE_OK, SERVICE_EVENT_READY,
        SERVICE_EVENT_HEARTBEAT, SERVICE_EVENT_EXTEND,   SERVICE_EVENT_SAYS_STOPPING,
        SERVICE_EVENT_MAIN_PID};
    if (start_pending[index]) {
        start_pending[index] = false;
        give(SERVICE_EVENT_STARTED, index);
    } else if (hook_runs[index] && chance(3) == 0) {
        hook_runs[index] = false;
        give_exit(SERVICE_EVENT_HOOK_DONE, index, chance(4) ? 0 : 1);
    } else if (alive[index] && (asked_to_end[index] || chance(20) == 0)) {
        alive[index] = false;
        give(SERVICE_EVENT_EXITED, index);
    } else if (chance(3) == 0) {
        give(wishes[chance(COUNT_OF(wishes))], index);
    } else {
        now += chance(3000);
        services_tick(&services, now, chance(1000000));
    }
    carry_out();
}

static void test_any_order_keeps_one_copy_and_ends(void **state) {
    for (uint32_t run = 1; run <= 300; run++) {
        teardown(NULL);
        setup(NULL);
        seed = run;
        for (size_t i = 0; i < COUNT; i++) {
            alive[i] = asked_to_end[i] = start_pending[i] = hook_runs[i] = false;
            configs[i].before_start = chance(2) ? NULL : hook;
            configs[i].after_stop = chance(2) ? NULL : hook;
            configs[i].ready.kind = chance(2) ? PROBE_NONE : PROBE_NOTIFY;
            configs[i].watchdog_ms = chance(2) ? 0 : 20000;
        }
        for (int turn = 0; turn < 400; turn++) {
            random_turn();
            for (size_t i = 0; i < COUNT; i++)
                assert_int_equal(service_has_process(&services.list[i]), alive[i]);
            for (size_t i = 0; i < COUNT; i++)
                assert_true(service_is_busy(&services.list[i]) || !hook_runs[i]);
        }
        services_end(&services, now, false);
        carry_out();
        for (int turn = 0; turn < 3000 && !services_all_down(&services); turn++)
            random_turn();
        if (!services_all_down(&services))
            print_message("seed %u does not end\n", run);
        assert_true(services_all_down(&services));
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_starts_in_order_of_needs),
        TEST(test_up_brings_what_it_needs),
        TEST(test_restart_brings_what_it_needs),
        TEST(test_restart_leaves_alone_what_it_needs),
        TEST(test_stop_goes_backwards),
        TEST(test_crash_restarts_only_that_one),
        TEST(test_fails_after_max_and_tries_again_later),
        TEST(test_stability_forgives),
        TEST(test_hang_is_killed_and_restarted),
        TEST(test_watchdog),
        TEST(test_it_says_that_it_stops),
        TEST(test_another_main_process),
        TEST(test_config_error_waits_for_a_change),
        TEST(test_end_at_once_kills_all),
        TEST(test_hooks_before_and_after),
        TEST(test_a_hook_that_fails_is_a_start_that_failed),
        TEST(test_a_stop_ends_a_hook),
        TEST(test_a_hook_has_its_time),
        TEST(test_dependents_are_told_of_a_failure),
        TEST(test_any_order_keeps_one_copy_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
