/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "engine/monitors.h"
#include <errno.h>
#include <stdio.h>

#define T0 INT64_C(1800000000000)
enum { SECOND = 1000, MINUTE = 60000 };

struct fixture {
    struct monitors *monitors;
    struct monitors_commands done;
    int64_t now;
    enum monitor_action asked;
};

static void begin(struct fixture *f) {
    monitors_commands_deinit(&f->done);
}

static void open_at(struct fixture *f, int64_t now) {
    *f = (struct fixture){.monitors = monitors_new(now), .now = now};
}

static void close_it(struct fixture *f) {
    begin(f);
    monitors_free(f->monitors);
}

static void put(struct fixture *f, void (*change)(struct monitor *monitor)) {
    struct monitor *wish = monitor_new("feed", 0);
    if (change)
        change(wish);
    begin(f);
    assert_int_equal(monitors_put(f->monitors, wish, f->now, &f->done), 0);
    monitor_free(wish);
}

static void beat_with(struct fixture *f, struct monitor_beat beat) {
    begin(f);
    assert_int_equal(monitors_beat(f->monitors, "feed", &beat, f->now, &f->asked, &f->done), 0);
}

static void beat(struct fixture *f, int kind) {
    struct monitor_beat beat = monitor_beat_empty();
    *(int *)&beat.kind = kind;
    beat_with(f, beat);
}

static void check(struct fixture *f) {
    begin(f);
    monitors_check(f->monitors, f->now, &f->done);
}

static const struct monitor *feed(const struct fixture *f) {
    enum monitor_state state;
    return monitors_find(f->monitors, "feed", f->now, &state);
}

static void assert_state(const struct fixture *f, enum monitor_state state) {
    enum monitor_state is;
    assert_non_null(monitors_find(f->monitors, "feed", f->now, &is));
    assert_string_equal(monitor_state_name(is), monitor_state_name(state));
}

static const struct monitors_command *find(const struct fixture *f, enum monitors_do what) {
    for (size_t i = 0; i < f->done.count; i++)
        if (f->done.list[i].what == what)
            return &f->done.list[i];
    return NULL;
}

static void with_service(struct monitor *m) {
    m->wish.service = text_copy("bot");
}

static void with_url(struct monitor *m) {
    m->wish.url = text_copy("http://127.0.0.1:1/act");
}

static void test_beats(void **state) {
    struct fixture f;
    open_at(&f, T0);
    put(&f, NULL);
    assert_state(&f, MONITOR_NEW);
    assert_int_equal(f.done.records.count, 1);
    beat(&f, BEAT_OK);
    assert_state(&f, MONITOR_HEALTHY);
    assert_int_equal(f.done.records.count, 1); /* a change of state is kept at once */
    beat(&f, BEAT_OK);
    assert_int_equal(f.done.records.count, 0); /* counters wait for the check */
    check(&f);
    assert_int_equal(f.done.records.count, 1);
    assert_int_equal(f.done.records.list[0].monitor->beats, 2);
    check(&f);
    assert_int_equal(f.done.records.count, 0);
    close_it(&f);
}

static void test_ladder(void **state) {
    struct fixture f;
    open_at(&f, T0);
    put(&f, NULL);
    beat(&f, BEAT_OK);
    for (int i = 1; i <= 2; i++) {
        beat(&f, BEAT_FAIL);
        assert_state(&f, MONITOR_WARNING);
        assert_int_equal(f.done.count, 0);
    }
    beat(&f, BEAT_FAIL); /* the third in a row */
    assert_state(&f, MONITOR_RECOVERING);
    assert_int_equal(f.asked, MONITOR_RESTART_MONITOR); /* by the answer: no service, no URL */
    assert_int_equal(find(&f, MONITORS_DO_TELL)->priority, ALERT_HIGH);
    beat(&f, BEAT_FAIL); /* too early for another attempt */
    assert_int_equal(f.asked, MONITOR_DO_NOTHING);
    for (uint32_t attempt = 2; attempt <= 3; attempt++) {
        f.now += 30 * SECOND;
        beat(&f, BEAT_FAIL);
        assert_int_equal(feed(&f)->attempts, attempt);
        assert_int_equal(f.asked, MONITOR_RESTART_MONITOR);
        assert_null(find(&f, MONITORS_DO_TELL)); /* told once until the end */
    }
    f.now += 30 * SECOND;
    beat(&f, BEAT_FAIL);
    assert_state(&f, MONITOR_CRITICAL);
    assert_int_equal(find(&f, MONITORS_DO_TELL)->priority, ALERT_CRITICAL);
    assert_non_null(strstr(find(&f, MONITORS_DO_TELL)->text, "tried 3 times"));
    assert_non_null(strstr(find(&f, MONITORS_DO_TELL)->text, "what to do: "));
    assert_int_equal(f.asked, MONITOR_DO_NOTHING); /* it is not said to be critical */
    f.now += 10 * MINUTE;
    beat(&f, BEAT_FAIL);
    assert_int_equal(f.done.count, 0); /* the end is told once */
    beat(&f, BEAT_OK);
    assert_state(&f, MONITOR_HEALTHY);
    assert_non_null(strstr(find(&f, MONITORS_DO_TELL)->text, "well again"));
    assert_int_equal(feed(&f)->attempts, 0);
    assert_int_equal(feed(&f)->recoveries, 1);
    close_it(&f);
}

static void test_causes(void **state) {
    static const struct {
        int64_t connected, sync, memory, response;
        enum monitor_action action;
    } cases[] = {
        {0, -1, -1, -1, MONITOR_RECONNECT_SERVICES}, {-1, 0, -1, -1, MONITOR_FORCE_REFRESH},
        {-1, -1, 2000, -1, MONITOR_CLEAR_CACHE},     {1, 1, 10, 900, MONITOR_RESTART_MONITOR},
        {1, 1, 10, 10, MONITOR_DO_NOTHING},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        open_at(&f, T0);
        struct monitor *wish = monitor_new("feed", 0);
        wish->wish.memory_max = 1000;
        wish->wish.response_ms_max = 500;
        wish->wish.failures = 1;
        assert_int_equal(monitors_put(f.monitors, wish, T0, &f.done), 0);
        monitor_free(wish);
        struct monitor_beat beat = monitor_beat_empty();
        beat.connected = cases[i].connected;
        beat.sync = cases[i].sync;
        beat.memory_bytes = cases[i].memory;
        beat.response_ms = cases[i].response;
        beat_with(&f, beat);
        assert_int_equal(f.asked, cases[i].action);
        close_it(&f);
    }
}

static void critical_service(struct monitor *m) {
    with_service(m);
    m->wish.critical = true;
}

static void test_emergency(void **state) {
    struct fixture f;
    open_at(&f, T0);
    put(&f, with_service);
    beat(&f, BEAT_CRITICAL); /* at once, without a ladder */
    assert_state(&f, MONITOR_CRITICAL);
    assert_int_equal(find(&f, MONITORS_DO_SERVICE)->action, MONITOR_EMERGENCY_STOP);
    close_it(&f);
    open_at(&f, T0);
    put(&f, critical_service);
    for (int i = 0; i < 3; i++)
        beat(&f, BEAT_FAIL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(find(&f, MONITORS_DO_SERVICE)->action, MONITOR_RESTART_MONITOR);
        f.now += 30 * SECOND;
        beat(&f, BEAT_FAIL);
    }
    assert_int_equal(find(&f, MONITORS_DO_SERVICE)->action, MONITOR_EMERGENCY_STOP);
    close_it(&f);
}

static void test_stale(void **state) {
    struct fixture f;
    open_at(&f, T0);
    put(&f, with_url);
    beat(&f, BEAT_OK);
    f.now += 5 * MINUTE - 1;
    check(&f);
    assert_state(&f, MONITOR_HEALTHY);
    f.now += 1;
    for (int i = 0; i < 3; i++, f.now += 30 * SECOND)
        check(&f);
    assert_state(&f, MONITOR_RECOVERING);
    assert_int_equal(find(&f, MONITORS_DO_POST)->action, MONITOR_FORCE_REFRESH);
    assert_non_null(strstr(find(&f, MONITORS_DO_TELL)->text, "no sign of life for 6"));
    close_it(&f);
    /* The last attempt restarts a service that has a name: one that hangs hears nothing else. */
    open_at(&f, T0);
    put(&f, with_service);
    beat(&f, BEAT_OK);
    f.now += 5 * MINUTE;
    for (int i = 0; i < 4; i++, f.now += 30 * SECOND) {
        check(&f);
        assert_null(find(&f, MONITORS_DO_SERVICE));
    }
    check(&f);
    assert_int_equal(find(&f, MONITORS_DO_SERVICE)->action, MONITOR_RESTART_MONITOR);
    close_it(&f);
}

static void never(struct monitor *m) {
    m->wish.actions[MONITOR_ERRORS] = MONITOR_DO_NOTHING;
    with_service(m);
}

static void test_nothing_is_done_when_wished(void **state) {
    struct fixture f;
    open_at(&f, T0);
    put(&f, never);
    for (int i = 0; i < 20; i++, f.now += 30 * SECOND) {
        beat(&f, BEAT_FAIL);
        assert_null(find(&f, MONITORS_DO_SERVICE));
        assert_int_equal(f.asked, MONITOR_DO_NOTHING);
    }
    assert_state(&f, MONITOR_CRITICAL); /* but people are told */
    assert_int_equal(feed(&f)->actions_done, 0);
    close_it(&f);
}

static void paused(struct monitor *m) {
    m->wish.paused = true;
}

static void test_pause(void **state) {
    struct fixture f;
    open_at(&f, T0);
    put(&f, NULL);
    beat(&f, BEAT_OK);
    put(&f, paused);
    assert_state(&f, MONITOR_PAUSED);
    f.now += 60 * MINUTE;
    for (int i = 0; i < 9; i++) {
        check(&f);
        beat(&f, BEAT_FAIL);
        assert_int_equal(f.done.count, 0);
    }
    put(&f, NULL);
    assert_state(&f, MONITOR_HEALTHY);
    f.now += 4 * MINUTE;
    check(&f); /* the pause is no silence */
    assert_state(&f, MONITOR_HEALTHY);
    close_it(&f);
}

/* What was kept is not known until somebody has looked, and the ladder goes on where it was. */
static void test_restart(void **state) {
    struct fixture f;
    open_at(&f, T0);
    put(&f, NULL);
    beat(&f, BEAT_OK);
    beat(&f, BEAT_FAIL);
    beat(&f, BEAT_FAIL);
    begin(&f);
    monitors_save(f.monitors, &f.done);
    struct record kept = {.kind = RECORD_MONITOR, .monitor = monitor_copy(feed(&f))};
    close_it(&f);
    open_at(&f, T0 + 60 * MINUTE);
    monitors_restore(f.monitors, &kept);
    assert_state(&f, MONITOR_UNKNOWN);
    check(&f);
    assert_state(&f, MONITOR_UNKNOWN); /* the hub was away, not the bot */
    beat(&f, BEAT_FAIL);
    assert_state(&f, MONITOR_RECOVERING); /* the third in a row */
    assert_int_equal(feed(&f)->failures, 3);
    close_it(&f);
    open_at(&f, T0 + 60 * MINUTE);
    monitors_restore(f.monitors, &kept);
    f.now += 5 * MINUTE;
    check(&f);
    assert_int_equal(feed(&f)->cause, MONITOR_STALE);
    close_it(&f);
    record_deinit(&kept);
}

static void test_runs(void **state) {
    struct fixture f;
    open_at(&f, T0);
    beat(&f, BEAT_START);
    assert_state(&f, MONITOR_NEW);
    f.now += 2500;
    beat(&f, BEAT_OK);
    assert_state(&f, MONITOR_HEALTHY);
    assert_int_equal(feed(&f)->duration_ms, 2500);
    struct monitor_beat ended = monitor_beat_empty();
    ended.exit_code = 3;
    beat_with(&f, ended);
    assert_state(&f, MONITOR_WARNING);
    struct monitor_beat warned = monitor_beat_empty();
    warned.warnings = 2;
    beat_with(&f, warned);
    assert_state(&f, MONITOR_WARNING);
    assert_int_equal(feed(&f)->consecutive_failures, 0);
    close_it(&f);
}

static void test_many_come_and_go(void **state) {
    struct fixture f;
    struct monitor_beat ok = monitor_beat_empty();
    char id[16];
    open_at(&f, T0);
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof id, "m%d", i * 7 % 3000);
        begin(&f);
        assert_int_equal(monitors_beat(f.monitors, id, &ok, T0, &f.asked, &f.done), 0);
    }
    for (int i = 0; i < 3000; i += 2) {
        snprintf(id, sizeof id, "m%d", i);
        begin(&f);
        assert_int_equal(monitors_drop(f.monitors, id, &f.done), 0);
        assert_int_equal(f.done.records.list[0].kind, RECORD_MONITOR_DROP);
        assert_int_equal(monitors_drop(f.monitors, id, &f.done), -ENOENT);
    }
    assert_int_equal(monitors_count(f.monitors), 1500);
    for (size_t i = 0; i < 1500; i++) {
        enum monitor_state is;
        const struct monitor *m = monitors_at(f.monitors, i, T0, &is);
        assert_ptr_equal(monitors_find(f.monitors, m->id, T0, &is), m);
    }
    close_it(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beats),  cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_causes), cmocka_unit_test(test_emergency),
        cmocka_unit_test(test_stale),  cmocka_unit_test(test_nothing_is_done_when_wished),
        cmocka_unit_test(test_pause),  cmocka_unit_test(test_restart),
        cmocka_unit_test(test_runs),   cmocka_unit_test(test_many_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
