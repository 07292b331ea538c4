/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "keeper/log_watch.h"
#include <stdio.h>

static struct {
    int count;
    bool has_line;
    char line[LOG_WATCH_LINE_BYTES + 1], pattern[32];
    int64_t more;
} told;

static void on_found(void *context, const struct log_found *found) {
    told.count++;
    told.has_line = found->line;
    snprintf(told.line, sizeof told.line, "%s", found->line ? found->line : "");
    snprintf(told.pattern, sizeof told.pattern, "%s", found->pattern);
    told.more = found->more;
}

static char *const words[] = {"error", "panic", NULL};

static struct log_watch *begin(void) {
    memset(&told, 0, sizeof told);
    return log_watch_new(words, 1000);
}

static void test_first_line_then_how_many_more(void **state) {
    struct log_watch *watch = begin();
    assert_false(log_watch_scan(watch, slice_of("all well\nstill\n")));
    assert_true(log_watch_scan(watch, slice_of("well\nthe Error\nerror error\n")));
    assert_int_equal(log_watch_tell(watch, "a", 5000, on_found, NULL), 6000);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.line, "the Error");
    assert_false(log_watch_scan(watch, slice_of("error\nfine\n")));
    assert_int_equal(log_watch_tell(watch, "a", 5999, on_found, NULL), 6000);
    assert_int_equal(told.count, 1);
    assert_int_equal(log_watch_tell(watch, "a", 6000, on_found, NULL), 0);
    assert_int_equal(told.count, 2);
    assert_false(told.has_line);
    assert_int_equal(told.more, 2);
    assert_true(log_watch_scan(watch, slice_of("error\n"))); /* told anew */
    free(watch);
}

static void test_each_word_has_its_own_cooldown(void **state) {
    struct log_watch *watch = begin();
    assert_true(log_watch_scan(watch, slice_of("error\n")));
    assert_true(log_watch_scan(watch, slice_of("panic\n")));
    assert_int_equal(log_watch_tell(watch, "a", 5000, on_found, NULL), 6000);
    assert_int_equal(told.count, 2);
    assert_int_equal(log_watch_tell(watch, "a", 7000, on_found, NULL), 0);
    assert_int_equal(told.count, 2); /* nothing more came: nothing is said */
    free(watch);
}

static void test_a_long_line_is_cut_around_the_word(void **state) {
    struct log_watch *watch = begin();
    char line[1000];
    memset(line, 'x', sizeof line);
    memcpy(line + 700, "PANIC", 5);
    assert_true(log_watch_scan(watch, (struct slice){line, sizeof line}));
    log_watch_tell(watch, "a", 5000, on_found, NULL);
    assert_int_equal(strlen(told.line), LOG_WATCH_LINE_BYTES);
    assert_non_null(strstr(told.line, "PANIC"));
    assert_string_equal(told.pattern, "panic");
    free(watch);
}

static void test_counting_has_an_end(void **state) {
    struct log_watch *watch = begin();
    for (int i = 0; i < LOG_WATCH_COUNT_MAX + 500; i++)
        assert_int_equal(log_watch_scan(watch, slice_of("error\n")), i == 0);
    log_watch_tell(watch, "a", 5000, on_found, NULL);
    log_watch_tell(watch, "a", 6000, on_found, NULL);
    assert_int_equal(told.more, LOG_WATCH_COUNT_MAX);
    free(watch);
}

static void test_nothing_to_look_for(void **state) {
    static char *const none[] = {NULL};
    assert_null(log_watch_new(none, 1000));
    assert_null(log_watch_new(NULL, 1000));
    assert_false(log_watch_scan(NULL, slice_of("error\n")));
    assert_int_equal(log_watch_tell(NULL, "a", 5000, on_found, NULL), 0);
    assert_true(log_watch_is(NULL, none, 1000));
    assert_false(log_watch_is(NULL, words, 1000));
    struct log_watch *watch = begin();
    assert_true(log_watch_is(watch, words, 1000));
    assert_false(log_watch_is(watch, words, 2000));
    assert_false(log_watch_is(watch, none, 1000));
    free(watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_line_then_how_many_more),
        cmocka_unit_test(test_each_word_has_its_own_cooldown),
        cmocka_unit_test(test_a_long_line_is_cut_around_the_word),
        cmocka_unit_test(test_counting_has_an_end),
        cmocka_unit_test(test_nothing_to_look_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
