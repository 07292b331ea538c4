/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "policy/alert_stats.h"

static void add(struct alert_stats *stats, enum alert_priority priority, enum alert_state state,
                int64_t created_ms, int64_t took_ms) {
    assert_true(alert_stats_add(stats, &(struct alert){.priority = priority,
                                                       .state = state,
                                                       .created_ms = created_ms,
                                                       .ended_ms = created_ms + took_ms,
                                                       .attempts = took_ms > 1000,
                                                       .type = (char *)"probe"}));
}

static void test_counts_by_importance(void **state) {
    struct alert_stats *stats =
        alert_stats_new(&(struct alert_stats_options){.from_ms = 1000, .to_ms = 9000});
    add(stats, ALERT_LOW, ALERT_SILENCED, 5000, 0);
    for (int64_t i = 1; i <= 100; i++)
        add(stats, ALERT_HIGH, ALERT_DELIVERED, 5000, i * 20);
    add(stats, ALERT_HIGH, ALERT_FAILED, 5000, 5000);
    add(stats, ALERT_HIGH, ALERT_UNKNOWN, 5000, 10);
    add(stats, ALERT_HIGH, ALERT_SENDING, 8999, 10);
    add(stats, ALERT_HIGH, ALERT_WAITING, 999, 10);  /* before */
    add(stats, ALERT_HIGH, ALERT_WAITING, 9000, 10); /* after */
    assert_int_equal(alert_stats_count(stats), 2);
    struct alert_stats_row high = alert_stats_at(stats, 0), low = alert_stats_at(stats, 1);
    assert_string_equal(high.word, "HIGH");
    assert_int_equal(high.accepted, 103);
    assert_int_equal(high.delivered, 100);
    assert_int_equal(high.failed, 1);
    assert_int_equal(high.unknown, 1);
    assert_int_equal(high.waiting, 1);
    assert_int_equal(high.retried, 51);
    assert_in_range(high.p50_ms, 1000, 1090);
    assert_in_range(high.p95_ms, 1900, 2000);
    assert_int_equal(high.max_ms, 2000);
    assert_string_equal(low.word, "LOW");
    assert_int_equal(low.silenced, 1);
    assert_int_equal(low.p50_ms, 0);
    alert_stats_free(stats);
}

static void test_periods(void **state) {
    struct alert_stats *stats = alert_stats_new(&(struct alert_stats_options){
        .from_ms = 500, .to_ms = 10000, .every_ms = 1000, .by = ALERT_STATS_TYPE});
    add(stats, ALERT_LOW, ALERT_DELIVERED, 2600, 7);
    add(stats, ALERT_LOW, ALERT_DELIVERED, 1499, 7);
    add(stats, ALERT_LOW, ALERT_DELIVERED, 1500, INT64_MAX - 1500);
    struct alert untyped = {.created_ms = 1499};
    assert_true(alert_stats_add(stats, &untyped));
    assert_int_equal(alert_stats_count(stats), 4);
    assert_string_equal(alert_stats_at(stats, 0).word, "");
    assert_string_equal(alert_stats_at(stats, 1).word, "probe");
    assert_int_equal(alert_stats_at(stats, 1).from_ms, 500);
    assert_int_equal(alert_stats_at(stats, 1).p95_ms, 7);
    assert_int_equal(alert_stats_at(stats, 2).from_ms, 1500);
    assert_int_equal(alert_stats_at(stats, 2).max_ms, INT64_MAX - 1500);
    assert_int_equal(alert_stats_at(stats, 3).from_ms, 2500);
    alert_stats_free(stats);
}

static void test_ways_and_reminders(void **state) {
    struct alert_stats *all =
        alert_stats_new(&(struct alert_stats_options){.to_ms = 10, .by = ALERT_STATS_SERVICE});
    struct alert_stats *ways =
        alert_stats_new(&(struct alert_stats_options){.to_ms = 10, .by = ALERT_STATS_WAY});
    const struct alert list[] = {{.service = (char *)"db"},
                                 {.service = (char *)"db", .way = (char *)"mail", .origin = 1},
                                 {.service = (char *)"db", .reminder = true}};
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        assert_true(alert_stats_add(all, &list[i]));
        assert_true(alert_stats_add(ways, &list[i]));
    }
    assert_int_equal(alert_stats_count(all), 1);
    assert_int_equal(alert_stats_at(all, 0).accepted, 1);
    assert_int_equal(alert_stats_count(ways), 2);
    assert_string_equal(alert_stats_at(ways, 0).word, "mail");
    assert_string_equal(alert_stats_at(ways, 1).word, "telegram");
    alert_stats_free(all);
    alert_stats_free(ways);
}

static void test_too_many_rows(void **state) {
    struct alert_stats *stats =
        alert_stats_new(&(struct alert_stats_options){.to_ms = 10, .by = ALERT_STATS_TYPE});
    for (size_t i = 0; i <= ALERT_STATS_ROWS_MAX; i++) {
        AUTO_FREE char *type = text_format("type %zu", i);
        struct alert alert = {.type = type};
        assert_int_equal(alert_stats_add(stats, &alert), i < ALERT_STATS_ROWS_MAX);
    }
    assert_true(alert_stats_add(stats, &(struct alert){.type = (char *)"type 7"}));
    assert_int_equal(alert_stats_count(stats), ALERT_STATS_ROWS_MAX);
    alert_stats_free(stats);
}

static void test_words(void **state) {
    enum alert_stats_by by;
    assert_int_equal(alert_stats_by_from("service", &by), 0);
    assert_string_equal(alert_stats_by_name(by), "service");
    assert_true(alert_stats_by_from("colour", &by) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_by_importance), cmocka_unit_test(test_periods),
        cmocka_unit_test(test_ways_and_reminders), cmocka_unit_test(test_too_many_rows),
        cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
