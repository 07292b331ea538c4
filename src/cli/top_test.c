/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "cli/cli.h"
#include "cli/screen.h"
#include "cli/top.h"

static void take(struct top *top, void (*each)(struct top *top, const json_t *json),
                 const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    each(top, json);
    json_decref(json);
}

static const char three[] =
    "{\"name\":\"x\",\"uptime_ms\":5000,\"services\":["
    "{\"name\":\"b\",\"state\":\"ready\",\"pid\":11,\"restarts\":2,\"since_ms\":1000},"
    "{\"name\":\"a\",\"state\":\"failed\",\"pid\":0,\"why\":\"exit code 3\"},"
    "{\"name\":\"c\",\"state\":\"ready\",\"pid\":13,\"status_text\":\"busy\"}]}";
static const char figures[] =
    "{\"cores\":2,\"machine\":{\"cpu_percent\":12.5,\"load1\":0.5,\"memory_total\":1000},"
    "\"services\":[{\"name\":\"b\",\"cpu_percent\":1,\"memory_bytes\":2048,\"fds\":5},"
    "{\"name\":\"c\",\"cpu_percent\":50.5,\"memory_bytes\":1024},"
    "{\"name\":\"gone\",\"cpu_percent\":99}]}";

static void test_rows_and_figures(void **state) {
    struct top top;
    top_init(&top, "logs");
    take(&top, top_take_status, three);
    assert_int_equal(top.count, 3);
    assert_true(top.rows[0].cpu_percent < 0);
    take(&top, top_take_figures, figures);
    assert_true(top.machine.cpu_percent == 12.5);
    assert_true(top.machine.disk_percent < 0); /* was not told */
    assert_int_equal(top.rows[0].memory_bytes, 2048);
    assert_int_equal(top.rows[0].threads, TOP_UNKNOWN);
    assert_int_equal(top.rows[1].memory_bytes, TOP_UNKNOWN);
    assert_string_equal(top.rows[1].note, "exit code 3");
    assert_string_equal(top.rows[2].note, "busy");
    take(&top, top_take_status, three); /* the same processes keep theirs */
    assert_int_equal(top.rows[0].memory_bytes, 2048);
    top_take_figures(&top, NULL); /* refused */
    assert_true(top.machine.load1 < 0);
    top_deinit(&top);
}

static void test_selection_stays_on_its_service(void **state) {
    struct top top;
    top_init(&top, "logs");
    top_move(&top, 1);
    assert_null(top_selected(&top));
    take(&top, top_take_status, three);
    take(&top, top_take_figures, figures);
    assert_string_equal(top_selected(&top)->name, "b");
    top_set_sort(&top, TOP_BY_CPU);
    assert_string_equal(top.rows[0].name, "c");
    assert_string_equal(top_selected(&top)->name, "b");
    top_set_sort(&top, TOP_BY_WORST);
    assert_string_equal(top.rows[0].name, "a");
    top_set_sort(&top, TOP_BY_NAME);
    assert_int_equal(top.selected, 1);
    top_move(&top, 100);
    assert_string_equal(top_selected(&top)->name, "c");
    take(&top, top_take_status, "{\"services\":[{\"name\":\"a\",\"state\":\"done\"}]}");
    assert_string_equal(top_selected(&top)->name, "a");
    top_move(&top, -100);
    assert_int_equal(top.selected, 0);
    top_deinit(&top);
}

static void test_summary_and_sizes(void **state) {
    struct top top;
    char text[100], size[TOP_SIZE_BYTES];
    bool troubled = false;
    top_init(&top, "logs");
    top_summary(&top, text, sizeof text, &troubled);
    assert_string_equal(text, "0 services");
    take(&top, top_take_status, three);
    top_summary(&top, text, sizeof text, &troubled);
    assert_string_equal(text, "3 services: 2 ready, 1 failed");
    assert_true(troubled);
    top_deinit(&top);
    top_size(TOP_UNKNOWN, size);
    assert_string_equal(size, "-");
    top_size(1536 << 10, size);
    assert_string_equal(size, "1.5 MB");
    top_size(1023, size);
    assert_string_equal(size, "1023 B");
}

static void assert_cut(const char *text, int width, const char *expected) {
    char *cut = cells_cut(text, width);
    assert_string_equal(cut, expected);
    assert_true(cells_width(cut) <= width);
    free(cut);
}

static void test_cells(void **state) {
    screen_init();
    assert_int_equal(cells_width("日本"), 4);
    assert_cut("hello", 5, "hello");
    assert_cut("hello!", 5, "hell…");
    assert_cut("日本語", 5, "日本…");
    assert_cut("日本語", 4, "日…"); /* half a character is none */
    assert_cut("a\033[2Jb\n", 10, "a [2Jb ");
    assert_cut("a\xff\xfe", 10, "a  "); /* not UTF-8 */
    assert_cut("abc", 0, "");
    char *fit = cells_fit("日", 4, true);
    assert_string_equal(fit, "  日");
    free(fit);
}

static void test_times(void **state) {
    char text[SCREEN_TIME_BYTES], age[SCREEN_SHORT_BYTES];
    setenv("TZ", "Asia/Ho_Chi_Minh", 1);
    tzset();
    screen_time("2026-11-24T17:30:00.123Z", 1795541400, text); /* 2026-11-25 00:30 there */
    assert_string_equal(text, "00:30:00");
    screen_time("2026-11-24T16:30:00.123Z", 1795541400, text);
    assert_string_equal(text, "2026-11-24 23:30:00");
    screen_time("rubbish", 0, text);
    assert_string_equal(text, "rubbish");
    screen_short_duration(59999, age);
    assert_string_equal(age, "59 s");
    screen_short_duration(86400000LL * 400, age);
    assert_string_equal(age, "400 d 0 h");
    assert_true(strlen(age) <= 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_and_figures),
                                       cmocka_unit_test(test_selection_stays_on_its_service),
                                       cmocka_unit_test(test_summary_and_sizes),
                                       cmocka_unit_test(test_cells), cmocka_unit_test(test_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
