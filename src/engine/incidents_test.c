/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "engine/incidents.h"

#define T0 INT64_C(1800000000000)
#define HOUR INT64_C(3600000)
enum { SECOND = 1000, MINUTE = 60000 };

struct fixture {
    struct incidents *incidents;
    struct records records;
    int64_t now;
    int listed;
    const struct incident *newest;
};

static void open_at(struct fixture *f, int64_t now) {
    *f = (struct fixture){.incidents = incidents_new(), .now = now};
}

static void close_it(struct fixture *f) {
    incidents_free(f->incidents);
    records_deinit(&f->records);
}

static const struct incident *see(struct fixture *f, enum incidents_seen seen, const char *cause) {
    return incidents_see(f->incidents, "service bot", seen, cause, f->now, &f->records);
}

static void count(void *context, const struct incident *incident) {
    struct fixture *f = context;
    if (f->listed++ == 0)
        f->newest = incident;
}

static const struct incident *newest(struct fixture *f) {
    f->listed = 0;
    f->newest = NULL;
    incidents_list(f->incidents, NULL, 0, 100, count, f);
    return f->newest;
}

/* What the store would give back after a crash. */
static void reopen(struct fixture *f, int64_t alive_ms, int64_t now) {
    struct incidents *next = incidents_new();
    for (size_t i = 0; i < f->records.count; i++) {
        int64_t id = f->records.list[i].incident->id;
        bool is_last = true;
        for (size_t k = i + 1; k < f->records.count; k++)
            is_last = is_last && f->records.list[k].incident->id != id;
        if (is_last)
            incidents_restore(next, &f->records.list[i]);
    }
    incidents_free(f->incidents);
    f->incidents = next;
    f->now = now;
    incidents_start(next, alive_ms, now, &f->records);
}

static void test_one(void **state) {
    struct fixture f;
    open_at(&f, T0);
    assert_null(see(&f, SEEN_HEALTHY, NULL));
    assert_null(newest(&f));
    f.now += HOUR;
    const struct incident *begun = see(&f, SEEN_DOWN, "exit code 1");
    assert_non_null(begun);
    assert_null(see(&f, SEEN_DOWN, "the same")); /* is open */
    assert_string_equal(newest(&f)->cause, "exit code 1");
    assert_true(incidents_is_open(f.incidents, "service bot"));
    incidents_note(f.incidents, "service bot", "restarting in 1s", f.now, &f.records);
    incidents_note(f.incidents, "service bot", "restarting in 2s", f.now, &f.records);
    incidents_lines(f.incidents, begun->id, "panic: no money", &f.records);
    f.now += 10 * SECOND;
    see(&f, SEEN_HEALTHY, NULL);
    assert_int_equal(newest(&f)->ended_ms - newest(&f)->began_ms, 10 * SECOND);
    assert_string_equal(newest(&f)->done, "restarting in 1s\nrestarting in 2s");
    assert_string_equal(newest(&f)->lines, "panic: no money");
    close_it(&f);
}

static void test_what_begins_again_soon_is_the_same(void **state) {
    struct fixture f;
    open_at(&f, T0);
    see(&f, SEEN_HEALTHY, NULL);
    for (int i = 0; i < 20; i++) {
        f.now += 30 * SECOND;
        see(&f, i % 2 ? SEEN_HEALTHY : SEEN_DOWN, "again");
    }
    newest(&f);
    assert_int_equal(f.listed, 1);
    assert_int_equal(f.newest->times, 10);
    f.now += MINUTE;
    see(&f, SEEN_DOWN, NULL);
    newest(&f);
    assert_int_equal(f.listed, 2);
    close_it(&f);
}

static void test_worse(void **state) {
    struct fixture f;
    open_at(&f, T0);
    see(&f, SEEN_DEGRADED, "slow");
    see(&f, SEEN_DOWN, "dead");
    see(&f, SEEN_DEGRADED, "slow again");
    assert_int_equal(newest(&f)->level, INCIDENT_DOWN);
    assert_string_equal(newest(&f)->cause, "dead");
    assert_int_equal(f.listed, 1);
    close_it(&f);
}

static void test_a_cause_that_comes_later(void **state) {
    struct fixture f;
    open_at(&f, T0);
    see(&f, SEEN_DOWN, NULL);
    assert_null(newest(&f)->cause);
    see(&f, SEEN_DOWN, "exit code 78");
    see(&f, SEEN_DOWN, "something else");
    assert_string_equal(newest(&f)->cause, "exit code 78");
    assert_string_equal(f.records.list[f.records.count - 1].incident->cause, "exit code 78");
    close_it(&f);
}

static void test_uptime_and_beats(void **state) {
    struct fixture f;
    char beats[INCIDENTS_BEATS + 1];
    open_at(&f, T0);
    see(&f, SEEN_HEALTHY, NULL); /* known from here */
    f.now += 4 * HOUR;
    see(&f, SEEN_DOWN, "x");
    f.now += HOUR;
    see(&f, SEEN_HEALTHY, NULL);
    f.now += 5 * HOUR;
    struct incidents_uptime up =
        incidents_uptime(f.incidents, "service bot", f.now - 24 * HOUR, f.now);
    assert_int_equal(up.known_ms, 10 * HOUR); /* the 14 before are grey, not green */
    assert_int_equal(up.down_ms, HOUR);
    incidents_beats(f.incidents, "service bot", f.now, beats);
    assert_string_equal(beats, "uuuuuuuuuuuuuuuuuuuuuuuuuuuuhhhhhhhhxxhhhhhhhhhh");
    up = incidents_uptime(f.incidents, "nobody", f.now - HOUR, f.now);
    assert_int_equal(up.known_ms, 0);
    incidents_beats(f.incidents, "nobody", f.now, beats);
    assert_null(strpbrk(beats, "hdx"));
    close_it(&f);
}

/* The hub was away for two hours in the middle of an incident: grey, and it goes on. */
static void test_away(void **state) {
    struct fixture f;
    char beats[INCIDENTS_BEATS + 1];
    open_at(&f, T0);
    see(&f, SEEN_HEALTHY, NULL);
    f.now += 2 * HOUR;
    see(&f, SEEN_DOWN, "x");
    reopen(&f, T0 + 3 * HOUR, T0 + 5 * HOUR);
    assert_true(incidents_is_open(f.incidents, "service bot"));
    assert_null(see(&f, SEEN_DOWN, "x")); /* the same one: nothing begins */
    f.now += HOUR;
    see(&f, SEEN_HEALTHY, NULL);
    f.now += HOUR;
    struct incidents_uptime up =
        incidents_uptime(f.incidents, "service bot", f.now - 24 * HOUR, f.now);
    assert_int_equal(up.known_ms, 5 * HOUR);
    assert_int_equal(up.down_ms, 2 * HOUR);
    incidents_beats(f.incidents, "service bot", f.now, beats);
    assert_string_equal(beats + 34, "hhhhxxuuuuxxhh");
    reopen(&f, f.now, f.now + 2 * SECOND); /* an upgrade is no gap */
    up = incidents_uptime(f.incidents, "service bot", f.now - 24 * HOUR, f.now);
    assert_int_equal(up.known_ms, 5 * HOUR + 2 * SECOND);
    close_it(&f);
}

static void test_unknown(void **state) {
    struct fixture f;
    open_at(&f, T0);
    see(&f, SEEN_UNKNOWN, NULL);
    assert_int_equal(incidents_subject_count(f.incidents), 0); /* never seen: not known at all */
    see(&f, SEEN_HEALTHY, NULL);
    f.now += HOUR;
    see(&f, SEEN_UNKNOWN, NULL);
    see(&f, SEEN_UNKNOWN, NULL);
    f.now += HOUR;
    see(&f, SEEN_HEALTHY, NULL);
    assert_null(newest(&f)); /* not an incident for people */
    struct incidents_uptime up =
        incidents_uptime(f.incidents, "service bot", f.now - 2 * HOUR, f.now);
    assert_int_equal(up.known_ms, HOUR);
    close_it(&f);
}

static void test_gone(void **state) {
    struct fixture f;
    open_at(&f, T0);
    see(&f, SEEN_DOWN, "x");
    see(&f, SEEN_UNKNOWN, NULL);
    f.now += HOUR;
    incidents_gone(f.incidents, "service bot", f.now, &f.records);
    incidents_gone(f.incidents, "service nobody", f.now, &f.records);
    assert_false(incidents_is_open(f.incidents, "service bot"));
    assert_int_equal(newest(&f)->ended_ms, f.now);
    close_it(&f);
}

static void test_a_year_is_let_go(void **state) {
    struct fixture f;
    open_at(&f, T0);
    see(&f, SEEN_HEALTHY, NULL);
    for (int day = 0; day < 365; day++) {
        f.now += 23 * HOUR;
        see(&f, SEEN_DOWN, "x");
        f.now += HOUR;
        see(&f, SEEN_HEALTHY, NULL);
    }
    f.listed = 0;
    incidents_list(f.incidents, "service bot", 0, 1000, count, &f);
    assert_in_range(f.listed, 30, 33);
    struct incidents_uptime up =
        incidents_uptime(f.incidents, "service bot", f.now - 30 * 24 * HOUR, f.now);
    assert_int_equal(up.known_ms, 30 * 24 * HOUR);
    assert_int_equal(up.down_ms, 30 * HOUR);
    int64_t middle = f.newest->id;
    f.listed = 0;
    incidents_list(f.incidents, NULL, middle, 5, count, &f);
    assert_int_equal(f.listed, 5);
    assert_true(f.newest->id < middle);
    close_it(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_what_begins_again_soon_is_the_same),
        cmocka_unit_test(test_worse),
        cmocka_unit_test(test_a_cause_that_comes_later),
        cmocka_unit_test(test_uptime_and_beats),
        cmocka_unit_test(test_away),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_a_year_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
