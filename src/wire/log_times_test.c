/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/log_times.h"

static struct slice index_of(const struct log_time *times, size_t count, char *ret) {
    log_times_encode_head(77, ret);
    for (size_t i = 0; i < count; i++)
        log_times_encode(times[i], ret + (i + 1) * LOG_TIMES_RECORD_BYTES);
    return (struct slice){ret, (count + 1) * LOG_TIMES_RECORD_BYTES};
}

static const struct log_time three[] = {{0, 10000}, {100, 20000}, {250, 500000}};

static void test_there_and_back(void **state) {
    char bytes[4 * LOG_TIMES_RECORD_BYTES];
    struct log_time got[4];
    struct slice index = index_of(three, 3, bytes);
    assert_true(log_times_head_is(index, 77));
    assert_false(log_times_head_is(index, 78));
    assert_int_equal(log_times_decode(index, 300, got), 3);
    assert_memory_equal(got, three, sizeof three);
}

static void test_what_is_torn_or_wrong_ends_the_list(void **state) {
    char bytes[4 * LOG_TIMES_RECORD_BYTES];
    struct log_time got[4];
    struct slice index = index_of(three, 3, bytes);
    for (size_t size = 0; size < index.size; size++) {
        size_t whole = size / LOG_TIMES_RECORD_BYTES;
        assert_int_equal(log_times_decode((struct slice){bytes, size}, 300, got),
                         whole ? whole - 1 : 0);
        assert_int_equal(log_times_head_is((struct slice){bytes, size}, 77), whole > 0);
    }
    assert_int_equal(log_times_decode(index, 250, got), 2); /* beyond the log's end */
    const struct log_time wrong[] = {{50, 10000}, {50, 20000}, {60, 30000}};
    assert_int_equal(log_times_decode(index_of(wrong, 3, bytes), 300, got), 1);
    memset(bytes + LOG_TIMES_RECORD_BYTES, 0xff, 16);
    assert_int_equal(log_times_decode((struct slice){bytes, sizeof bytes}, 300, got), 0);
}

static void test_time_of_an_offset(void **state) {
    assert_int_equal(log_times_at(three, 3, 0, 1), 10000);
    assert_int_equal(log_times_at(three, 3, 99, 1), 10000);
    assert_int_equal(log_times_at(three, 3, 100, 1), 20000);
    assert_int_equal(log_times_at(three, 3, 9999, 1), 500000);
    assert_int_equal(log_times_at(three, 0, 5, 1), 1);
    const struct log_time late[] = {{40, 7000}};
    assert_int_equal(log_times_at(late, 1, 5, 1), 7000); /* older than the index: at the latest */
}

/* Nothing that may have been written since then is left out. */
static void test_since(void **state) {
    assert_int_equal(log_times_since(three, 3, 5000, 300), 0);
    assert_int_equal(log_times_since(three, 3, 10500, 300), 0);
    assert_int_equal(log_times_since(three, 3, 11000, 300), 100);
    assert_int_equal(log_times_since(three, 3, 20000, 300), 100);
    assert_int_equal(log_times_since(three, 3, 499999, 300), 250);
    assert_int_equal(log_times_since(three, 3, 501000, 300), 300);
    assert_int_equal(log_times_since(three, 0, 501000, 300), 0);
    const struct log_time late[] = {{40, 7000}};
    assert_int_equal(log_times_since(late, 1, 6000, 300), 0);
    assert_int_equal(log_times_since(late, 1, 7500, 300), 40);
}

/* A line each second for ten years: a few thousand kilobytes. */
static void test_the_index_stays_small(void **state) {
    size_t records = 0;
    for (int64_t now = 0; now < (int64_t)10 * 365 * 86400 * 1000; records++)
        now += log_times_interval_ms(records);
    assert_true(records * LOG_TIMES_RECORD_BYTES < 8 << 20);
    assert_int_equal(log_times_interval_ms(0), 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_is_torn_or_wrong_ends_the_list),
        cmocka_unit_test(test_time_of_an_offset),
        cmocka_unit_test(test_since),
        cmocka_unit_test(test_the_index_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
