/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "engine/services.h"
#include "policy/calendar.h"
#include <signal.h>
#include <stdio.h>

/* A daily job at 03:00 UTC, an hourly one, and a database that a third job needs. */
enum { DAILY, HOURLY, DB, REPORT, COUNT };
enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
static const int64_t DAY = 24 * (int64_t)HOUR;
static const int64_t midnight = 20000 * (int64_t)86400 * 1000;
static char *needs_db[] = {"db", NULL};
static int64_t three[] = {3 * 3600};
static struct service_config configs[COUNT];
static struct config config;
static struct services services;
static int64_t now, wall; /* a clock that nobody sets, and one that somebody may */

static int setup(void **state) {
    static char *names[] = {"daily", "hourly", "db", "report"};
    for (int i = 0; i < COUNT; i++)
        configs[i] = (struct service_config){
            .name = names[i],
            .stop_signal = SIGTERM,
            .stop_timeout_ms = 10 * SECOND,
            .start_timeout_ms = MINUTE,
            .restart = {
                .max = 3, .delay_ms = SECOND, .delay_max_ms = MINUTE, .stable_ms = 10 * MINUTE}};
    configs[DAILY].schedule =
        (struct schedule_config){.at_s = three, .at_count = 1, .late_ms = HOUR};
    configs[HOURLY].schedule = (struct schedule_config){.every_ms = HOUR};
    configs[REPORT].schedule = (struct schedule_config){.every_ms = HOUR};
    configs[REPORT].needs = needs_db;
    config = (struct config){.services = configs, .service_count = COUNT};
    services_init(&services, &config);
    now = 1000;
    wall = midnight;
    return 0;
}

static int teardown(void **state) {
    services_deinit(&services);
    return 0;
}

static void give_exit(size_t index, struct service_exit exit) {
    struct service_event event = {
        .kind = SERVICE_EVENT_EXITED, .index = index, .now_ms = now, .wall_ms = wall, .exit = exit};
    services_step(&services, &event);
}

static void give(enum service_event_kind kind, size_t index) {
    struct service_event event = {
        .kind = kind, .index = index, .now_ms = now, .wall_ms = wall, .pid = 100 + (pid_t)index};
    services_step(&services, &event);
}

static void ends(size_t index, int code) {
    give_exit(index, (struct service_exit){.code = code, .known = true});
}

static int commands_of(enum service_command_kind kind, size_t index) {
    int count = 0;
    for (size_t i = 0; i < services.command_count; i++)
        count += services.commands[i].kind == kind && services.commands[i].index == index;
    return count;
}

/* How often it was started since the last question. */
static int starts(size_t index) {
    int count = commands_of(SERVICE_COMMAND_START, index);
    services_commands_done(&services);
    return count;
}

static const char *told(size_t index, const char *what) {
    for (size_t i = services.command_count; i-- > 0;)
        if (services.commands[i].kind == SERVICE_COMMAND_TELL &&
            services.commands[i].index == index && strcmp(services.commands[i].what, what) == 0)
            return services.commands[i].text;
    return NULL;
}

static void pass(int64_t ms) {
    now += ms;
    wall += ms;
    services_look_at_clock(&services, now, wall, 1);
    services_tick(&services, now, 1);
}

static void clock_set(int64_t by_ms) {
    wall += by_ms;
    services_look_at_clock(&services, now, wall, 1);
}

static const struct service *at(size_t index) {
    return &services.list[index];
}

static void test_runs_once_at_its_slot(void **state) {
    give(SERVICE_EVENT_UP, DAILY);
    assert_int_equal(at(DAILY)->state, SERVICE_SCHEDULED);
    assert_int_equal(services_next_slot(&services), midnight + 3 * HOUR);
    pass(3 * HOUR - 1);
    assert_int_equal(starts(DAILY), 0);
    pass(1);
    assert_int_equal(starts(DAILY), 1);
    pass(0); /* looked at twice */
    give(SERVICE_EVENT_STARTED, DAILY);
    assert_int_equal(at(DAILY)->state, SERVICE_READY);
    now += 12 * SECOND;
    wall += 12 * SECOND;
    ends(DAILY, 0);
    assert_string_equal(told(DAILY, "job_done"), "took 12 s");
    assert_null(told(DAILY, "exited"));
    assert_int_equal(at(DAILY)->state, SERVICE_SCHEDULED);
    pass(5);
    assert_int_equal(starts(DAILY), 0);
    assert_int_equal(services_next_slot(&services), midnight + DAY + 3 * HOUR);
    char note[200];
    service_note_of_job(at(DAILY), note, sizeof note);
    assert_string_equal(note, "next 2024-10-05 03:00; last done 2024-10-04 03:00, took 12 s");
}

static void test_never_two_at_once(void **state) {
    give(SERVICE_EVENT_UP, HOURLY);
    pass(HOUR);
    assert_int_equal(starts(HOURLY), 1);
    give(SERVICE_EVENT_STARTED, HOURLY);
    services_commands_done(&services);
    pass(HOUR);
    assert_string_equal(told(HOURLY, "job_missed"),
                        "the run of 2024-10-04 02:00 was left out: the run before it is still "
                        "going");
    assert_int_equal(starts(HOURLY), 0);
    ends(HOURLY, 0);
    pass(30 * MINUTE);
    assert_int_equal(starts(HOURLY), 0);
    pass(30 * MINUTE);
    assert_int_equal(starts(HOURLY), 1);
}

static void test_a_run_of_all_night_is_told_of_twice(void **state) {
    give(SERVICE_EVENT_UP, HOURLY);
    pass(HOUR);
    give(SERVICE_EVENT_STARTED, HOURLY);
    services_commands_done(&services);
    for (int i = 0; i < 8; i++)
        pass(HOUR);
    int told_by_now = 0;
    for (size_t i = 0; i < services.command_count; i++)
        told_by_now += services.commands[i].kind == SERVICE_COMMAND_TELL;
    assert_int_equal(told_by_now, 1);
    ends(HOURLY, 0);
    assert_string_equal(told(HOURLY, "job_missed"),
                        "8 runs in all were left out while this one went on");
}

static void test_a_long_run_is_stopped(void **state) {
    configs[DAILY].schedule.timeout_ms = 10 * MINUTE;
    give(SERVICE_EVENT_UP, DAILY);
    pass(3 * HOUR);
    give(SERVICE_EVENT_STARTED, DAILY);
    services_commands_done(&services);
    pass(10 * MINUTE - 1);
    assert_int_equal(commands_of(SERVICE_COMMAND_SIGNAL, DAILY), 0);
    pass(1);
    assert_int_equal(commands_of(SERVICE_COMMAND_SIGNAL, DAILY), 1);
    assert_int_equal(at(DAILY)->state, SERVICE_STOPPING);
    ends(DAILY, 0); /* it obeyed, and yet it has not done its work */
    assert_non_null(strstr(told(DAILY, "job_failed"), "ran longer than its timeout of 10 m"));
    assert_int_equal(at(DAILY)->state, SERVICE_SCHEDULED);
    assert_int_equal(at(DAILY)->job.outcome, JOB_FAILED);
}

static void test_a_failed_run_waits_for_its_next_slot(void **state) {
    give(SERVICE_EVENT_UP, DAILY);
    pass(3 * HOUR);
    give(SERVICE_EVENT_STARTED, DAILY);
    ends(DAILY, 3);
    assert_non_null(strstr(told(DAILY, "job_failed"), "exit code 3"));
    assert_int_equal(at(DAILY)->state, SERVICE_SCHEDULED);
    services_commands_done(&services);
    pass(20 * HOUR);
    assert_int_equal(starts(DAILY), 0);
    pass(4 * HOUR);
    assert_int_equal(starts(DAILY), 1);
}

static void test_retries_with_backoff(void **state) {
    configs[DAILY].schedule.retry = 2;
    give(SERVICE_EVENT_UP, DAILY);
    pass(3 * HOUR);
    assert_int_equal(starts(DAILY), 1);
    int64_t before = 0;
    for (int i = 0; i < 2; i++) {
        give(SERVICE_EVENT_STARTED, DAILY);
        give_exit(DAILY, (struct service_exit){.code = -1, .signal = SIGSEGV, .known = true});
        assert_int_equal(at(DAILY)->state, SERVICE_BACKOFF);
        assert_non_null(strstr(told(DAILY, "job_failed"), "trying again in"));
        services_commands_done(&services);
        int64_t delay = services_deadline(&services) - now;
        assert_true(delay > before); /* doubled */
        before = delay;
        pass(delay);
        assert_int_equal(starts(DAILY), 1);
    }
    give(SERVICE_EVENT_STARTED, DAILY);
    ends(DAILY, 1);
    assert_int_equal(at(DAILY)->state, SERVICE_SCHEDULED);
    services_commands_done(&services);
    pass(DAY); /* a new slot has its retries anew */
    assert_int_equal(starts(DAILY), 1);
    give(SERVICE_EVENT_STARTED, DAILY);
    ends(DAILY, 1);
    assert_int_equal(at(DAILY)->state, SERVICE_BACKOFF);
}

static void test_a_wrong_config_is_not_retried(void **state) {
    configs[DAILY].schedule.retry = 2;
    give(SERVICE_EVENT_UP, DAILY);
    pass(3 * HOUR);
    give(SERVICE_EVENT_STARTED, DAILY);
    ends(DAILY, 78);
    assert_int_equal(at(DAILY)->state, SERVICE_SCHEDULED);
}

static void test_a_slot_replaces_the_retries_of_the_last(void **state) {
    configs[HOURLY].schedule.retry = 5;
    configs[HOURLY].restart.delay_ms = configs[HOURLY].restart.delay_max_ms = 2 * HOUR;
    give(SERVICE_EVENT_UP, HOURLY);
    pass(HOUR);
    give(SERVICE_EVENT_STARTED, HOURLY);
    ends(HOURLY, 1);
    services_commands_done(&services);
    pass(HOUR);
    assert_int_equal(starts(HOURLY), 1);
    pass(HOUR - 1);
    assert_int_equal(starts(HOURLY), 0);
}

static void test_clock_goes_forward_over_a_slot(void **state) {
    give(SERVICE_EVENT_UP, DAILY);
    clock_set(3 * HOUR + 59 * MINUTE); /* 59 minutes late: not too late */
    assert_non_null(strstr(told(DAILY, "job_late"), "comes 59 m"));
    assert_int_equal(starts(DAILY), 1);
    give(SERVICE_EVENT_STARTED, DAILY);
    ends(DAILY, 0);
    services_commands_done(&services);
    clock_set(DAY + 2 * HOUR); /* 05:59 of the next day */
    assert_non_null(strstr(told(DAILY, "job_missed"), "the run of 2024-10-05 03:00"));
    assert_int_equal(starts(DAILY), 0);
    clock_set(10 * DAY - 2 * HOUR - 30 * MINUTE); /* 03:29: nine slots lost, the tenth comes late */
    assert_non_null(strstr(told(DAILY, "job_missed"), "9 runs were left out"));
    assert_non_null(told(DAILY, "job_late"));
    assert_int_equal(starts(DAILY), 1);
}

static void test_every_is_not_made_up_for(void **state) {
    give(SERVICE_EVENT_UP, HOURLY);
    clock_set(5 * HOUR + 10 * MINUTE);
    assert_non_null(strstr(told(HOURLY, "job_missed"), "5 runs were left out"));
    assert_int_equal(starts(HOURLY), 0);
    pass(50 * MINUTE);
    assert_int_equal(starts(HOURLY), 1);
}

static void test_clock_goes_back_and_nothing_runs_twice(void **state) {
    give(SERVICE_EVENT_UP, DAILY);
    give(SERVICE_EVENT_UP, HOURLY);
    pass(3 * HOUR);
    assert_int_equal(commands_of(SERVICE_COMMAND_START, DAILY), 1);
    assert_int_equal(starts(HOURLY), 1);
    give(SERVICE_EVENT_STARTED, DAILY);
    give(SERVICE_EVENT_STARTED, HOURLY);
    ends(DAILY, 0);
    ends(HOURLY, 0);
    clock_set(-30 * MINUTE); /* 02:30 again */
    pass(30 * MINUTE);
    assert_int_equal(starts(DAILY), 0);
    pass(30 * MINUTE);
    assert_int_equal(starts(HOURLY), 0);
    pass(30 * MINUTE); /* 04:00 */
    assert_int_equal(starts(HOURLY), 1);
    pass(23 * HOUR);
    assert_int_equal(starts(DAILY), 1);
}

/* The clock stood in the year 2050 when the machine came up. */
static void test_a_corrected_clock_does_not_silence_a_job(void **state) {
    wall = midnight + 9000 * DAY;
    give(SERVICE_EVENT_UP, DAILY);
    give(SERVICE_EVENT_UP, HOURLY);
    services_commands_done(&services);
    clock_set(-9000 * DAY);
    assert_int_equal(at(DAILY)->job.next_slot_ms, midnight + 3 * HOUR);
    assert_in_range(at(HOURLY)->job.next_slot_ms, midnight + HOUR, midnight + 2 * HOUR);
    services_commands_done(&services);
    pass(3 * HOUR);
    assert_int_equal(starts(DAILY), 1);
}

/* A machine without a battery: 1970 until the network tells the time. */
static void test_a_boot_in_1970_repeats_nothing(void **state) {
    services.list[DAILY].job.slot_done_ms = midnight + 3 * HOUR;
    wall = HOUR;
    give(SERVICE_EVENT_UP, DAILY);
    assert_int_equal(at(DAILY)->job.next_slot_ms, 3 * HOUR);
    services_commands_done(&services);
    clock_set(midnight + 3 * HOUR + 20 * MINUTE - wall);
    assert_int_equal(starts(DAILY), 0);
    assert_null(told(DAILY, "job_missed"));
    assert_int_equal(at(DAILY)->job.next_slot_ms, midnight + DAY + 3 * HOUR);
    pass(DAY - 20 * MINUTE);
    assert_int_equal(starts(DAILY), 1);
}

/* What the data folder keeps is the last slot alone. */
static void test_a_reboot_neither_repeats_nor_forgets(void **state) {
    services.list[DAILY].job.slot_done_ms = midnight + 3 * HOUR;
    wall = midnight + 3 * HOUR + 10 * MINUTE;
    give(SERVICE_EVENT_UP, DAILY);
    assert_int_equal(starts(DAILY), 0);
    teardown(NULL);
    setup(NULL);
    services.list[DAILY].job.slot_done_ms = midnight - 21 * HOUR; /* of yesterday */
    wall = midnight + 3 * HOUR + 10 * MINUTE;
    give(SERVICE_EVENT_UP, DAILY);
    assert_non_null(told(DAILY, "job_late"));
    assert_int_equal(starts(DAILY), 1);
}

static void test_a_first_up_owes_nothing(void **state) {
    wall = midnight + 3 * HOUR + MINUTE;
    give(SERVICE_EVENT_UP, DAILY);
    assert_int_equal(starts(DAILY), 0);
    assert_int_equal(at(DAILY)->job.slot_done_ms, wall);
}

static void test_out_of_turn(void **state) {
    give(SERVICE_EVENT_UP, DAILY);
    give(SERVICE_EVENT_RUN, DAILY);
    assert_int_equal(starts(DAILY), 1);
    give(SERVICE_EVENT_STARTED, DAILY);
    give(SERVICE_EVENT_RUN, DAILY); /* it runs already */
    assert_int_equal(starts(DAILY), 0);
    ends(DAILY, 0);
    pass(3 * HOUR); /* its slot is not used up by that */
    assert_int_equal(starts(DAILY), 1);
}

static void test_stopped_by_hand(void **state) {
    give(SERVICE_EVENT_UP, DAILY);
    pass(3 * HOUR);
    give(SERVICE_EVENT_STARTED, DAILY);
    give(SERVICE_EVENT_DOWN, DAILY);
    give_exit(DAILY, (struct service_exit){.code = -1, .signal = SIGTERM, .known = true});
    assert_null(told(DAILY, "job_failed"));
    assert_int_equal(at(DAILY)->state, SERVICE_STOPPED);
    assert_int_equal(services_next_slot(&services), 0);
    services_commands_done(&services);
    pass(3 * DAY);
    assert_int_equal(starts(DAILY), 0);
    give(SERVICE_EVENT_UP, DAILY); /* the days without it are not missed */
    assert_null(told(DAILY, "job_missed"));
    assert_int_equal(starts(DAILY), 0);
    assert_int_equal(at(DAILY)->job.next_slot_ms, midnight + 4 * DAY + 3 * HOUR);
}

static void test_restart_of_a_run(void **state) {
    give(SERVICE_EVENT_UP, DAILY);
    pass(3 * HOUR);
    give(SERVICE_EVENT_STARTED, DAILY);
    services_commands_done(&services);
    give(SERVICE_EVENT_RESTART, DAILY);
    give_exit(DAILY, (struct service_exit){.code = -1, .signal = SIGTERM, .known = true});
    assert_int_equal(starts(DAILY), 1);
}

static void test_an_unseen_end_is_a_failure(void **state) {
    give(SERVICE_EVENT_UP, DAILY);
    pass(3 * HOUR);
    give(SERVICE_EVENT_STARTED, DAILY);
    give_exit(DAILY, (struct service_exit){.code = -1});
    assert_non_null(strstr(told(DAILY, "job_failed"), "nobody was there"));
}

static void test_waits_for_what_it_needs(void **state) {
    configs[DB].ready.kind = PROBE_NOTIFY;
    configs[DB].start_timeout_ms = 5 * HOUR;
    give(SERVICE_EVENT_UP, DB);
    give(SERVICE_EVENT_UP, REPORT);
    pass(HOUR);
    assert_int_equal(at(REPORT)->state, SERVICE_WAITING);
    pass(HOUR); /* the slot before it still waits */
    assert_non_null(told(REPORT, "job_missed"));
    give(SERVICE_EVENT_STARTED, DB);
    give(SERVICE_EVENT_READY, DB);
    assert_int_equal(starts(REPORT), 1);
}

static void test_ending_runs_nothing_more(void **state) {
    give(SERVICE_EVENT_UP, HOURLY);
    services_end(&services, now, false);
    pass(HOUR);
    assert_int_equal(starts(HOURLY), 0);
    assert_int_equal(at(HOURLY)->state, SERVICE_STOPPED);
}

/* ---- any order of events, the clock set at random ---- */

static uint32_t seed;
static uint32_t chance(uint32_t limit) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

static bool alive[COUNT], pending[COUNT];
static int64_t slot_ran[COUNT];
static int slots_seen;

static void carry_out(void) {
    for (size_t i = 0; i < services.command_count; i++) {
        size_t index = services.commands[i].index;
        if (services.commands[i].kind != SERVICE_COMMAND_START)
            continue;
        assert_false(alive[index]); /* never two at once */
        alive[index] = pending[index] = true;
    }
    services_commands_done(&services);
}

/* A slot that begins is a new one; retries and runs out of turn are not begun here. */
static void check_slot(size_t index, int64_t before, int64_t clock_before) {
    const struct service_job *job = &at(index)->job;
    if (!job->run_slot_ms || job->run_slot_ms == before)
        return;
    bool corrected = wall < clock_before - DAY;
    assert_true(job->run_slot_ms > slot_ran[index] || corrected);
    assert_true(job->run_slot_ms <= wall);
    slot_ran[index] = job->run_slot_ms;
    slots_seen++;
}

static void random_turn(void) {
    static const enum service_event_kind wishes[] = {
        SERVICE_EVENT_UP,   SERVICE_EVENT_UP,  SERVICE_EVENT_UP,     SERVICE_EVENT_UP,
        SERVICE_EVENT_DOWN, SERVICE_EVENT_RUN, SERVICE_EVENT_RESTART};
    size_t index = chance(2);
    if (pending[index]) {
        pending[index] = false;
        give(SERVICE_EVENT_STARTED, index);
    } else if (alive[index] && chance(3) == 0) {
        alive[index] = false;
        ends(index, (int)chance(2));
    } else if (chance(4) == 0) {
        give(wishes[chance(COUNT_OF(wishes))], index);
    } else if (chance(8) == 0) {
        int64_t by = (int64_t)chance(20) * HOUR / 4;
        clock_set(chance(2) ? by : -(by < 50 * MINUTE ? by : 50 * MINUTE));
    } else {
        pass((int64_t)chance(100) * MINUTE);
    }
    carry_out();
}

static void test_any_order_runs_no_slot_twice(void **state) {
    for (uint32_t run = 1; run <= 200; run++) {
        teardown(NULL);
        setup(NULL);
        seed = run;
        configs[DAILY].schedule.retry = chance(3);
        configs[HOURLY].schedule.timeout_ms = chance(2) ? 0 : 2 * HOUR;
        memset(alive, 0, sizeof alive);
        memset(pending, 0, sizeof pending);
        memset(slot_ran, 0, sizeof slot_ran);
        for (int turn = 0; turn < 500; turn++) {
            int64_t before[] = {at(DAILY)->job.run_slot_ms, at(HOURLY)->job.run_slot_ms};
            int64_t clock_before = wall;
            random_turn();
            check_slot(DAILY, before[DAILY], clock_before);
            check_slot(HOURLY, before[HOURLY], clock_before);
        }
    }
    assert_true(slots_seen > 1000);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_runs_once_at_its_slot),
        TEST(test_never_two_at_once),
        TEST(test_a_run_of_all_night_is_told_of_twice),
        TEST(test_a_long_run_is_stopped),
        TEST(test_a_failed_run_waits_for_its_next_slot),
        TEST(test_retries_with_backoff),
        TEST(test_a_wrong_config_is_not_retried),
        TEST(test_a_slot_replaces_the_retries_of_the_last),
        TEST(test_clock_goes_forward_over_a_slot),
        TEST(test_every_is_not_made_up_for),
        TEST(test_clock_goes_back_and_nothing_runs_twice),
        TEST(test_a_corrected_clock_does_not_silence_a_job),
        TEST(test_a_boot_in_1970_repeats_nothing),
        TEST(test_a_reboot_neither_repeats_nor_forgets),
        TEST(test_a_first_up_owes_nothing),
        TEST(test_out_of_turn),
        TEST(test_stopped_by_hand),
        TEST(test_restart_of_a_run),
        TEST(test_an_unseen_end_is_a_failure),
        TEST(test_waits_for_what_it_needs),
        TEST(test_ending_runs_nothing_more),
        TEST(test_any_order_runs_no_slot_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
