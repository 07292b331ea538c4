/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "engine/positions.h"
#include <errno.h>
#include <stdio.h>

struct bench {
    struct positions *positions;
    struct positions_commands commands;
    int64_t now;
};

static struct decimal d(const char *text) {
    struct decimal value = {0};
    assert_int_equal(decimal_read(slice_of(text), &value), 0);
    return value;
}

static void begin(struct bench *b) {
    struct positions_options options = positions_options_default();
    options.mode = "PAPER";
    *b = (struct bench){.now = 1000000, .positions = positions_new(&options)};
}

static void end(struct bench *b) {
    positions_commands_deinit(&b->commands);
    positions_free(b->positions);
}

static void feed(struct bench *b, struct positions_event event) {
    positions_commands_deinit(&b->commands);
    b->now += 1000;
    event.asked_ms = b->now;
    positions_step(b->positions, &event, b->now, &b->commands);
}

static struct positions_command *find(struct bench *b, enum positions_do what) {
    for (size_t i = 0; i < b->commands.count; i++)
        if (b->commands.list[i].what == what)
            return &b->commands.list[i];
    return NULL;
}

static struct positions_command *must_find(struct bench *b, enum positions_do what) {
    struct positions_command *command = find(b, what);
    if (!command)
        fail_msg("no command %d", (int)what);
    return command;
}

static void fill(struct bench *b, enum trade_side side, const char *qty, const char *closed,
                 const char *price, enum fill_source source) {
    struct order order = {.id = 1, .stop = d("63000"), .take = d("66000"), .chat = 42};
    struct fill fill = {.symbol = "BTCUSDT",
                        .side = side,
                        .qty = d(qty),
                        .closed_qty = d(closed),
                        .price = d(price),
                        .fee = d("1.5"),
                        .source = source,
                        .at_ms = b->now};
    feed(b, (struct positions_event){.on = POSITIONS_ON_FILL, .fill = &fill, .order = &order});
}

static void read_row(struct bench *b, const char *size, const char *stop) {
    struct position row = {.symbol = "BTCUSDT",
                           .side = SIDE_BUY,
                           .size = d(size),
                           .entry_price = d("64000"),
                           .stop = d(stop)};
    feed(b, (struct positions_event){.on = POSITIONS_ON_READ, .rows = &row, .row_count = 1});
}

static void read_nothing(struct bench *b) {
    feed(b, (struct positions_event){.on = POSITIONS_ON_READ});
}

static void test_closed_when_two_reads_agree(void **state) {
    struct bench b;
    begin(&b);
    fill(&b, SIDE_BUY, "0.1", "0", "64000", FILL_ORDER);
    must_find(&b, POSITIONS_DO_PERSIST);
    read_row(&b, "0.1", "63000");
    assert_null(find(&b, POSITIONS_DO_PROTECT));
    read_nothing(&b);
    assert_null(find(&b, POSITIONS_DO_TELL));
    read_row(&b, "0.1", "63000"); /* it was a read that lagged */
    read_nothing(&b);
    fill(&b, SIDE_SELL, "0.1", "0.1", "66000", FILL_TAKE_PROFIT);
    assert_null(find(&b, POSITIONS_DO_TELL));
    read_nothing(&b);
    struct positions_command *told = must_find(&b, POSITIONS_DO_TELL);
    assert_string_equal(told->type, "tp_hit");
    assert_int_equal(told->priority, ALERT_HIGH);
    assert_int_equal(told->chat, 42);
    if (!strstr(told->text, "0.1, 64000 -> 66000\n+197.00 USDT after 3.00 fees"))
        fail_msg("%s", told->text);
    assert_false(positions_any_open(b.positions));
    read_nothing(&b);
    assert_int_equal(b.commands.count, 0);
    end(&b);
}

static void test_endings(void **state) {
    static const struct {
        enum fill_source source;
        const char *type;
        enum alert_priority priority;
    } rows[] = {{FILL_STOP_LOSS, "sl_hit", ALERT_CRITICAL},
                {FILL_TAKE_PROFIT, "tp_hit", ALERT_HIGH},
                {FILL_ORDER, "position_closed", ALERT_CRITICAL},
                {FILL_LIQUIDATION, "liquidated", ALERT_CRITICAL}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench b;
        begin(&b);
        fill(&b, SIDE_BUY, "0.1", "0", "64000", FILL_ORDER);
        read_row(&b, "0.1", "63000");
        fill(&b, SIDE_SELL, "0.1", "0.1", "63000", rows[i].source);
        read_nothing(&b);
        read_nothing(&b);
        struct positions_command *told = must_find(&b, POSITIONS_DO_TELL);
        assert_string_equal(told->type, rows[i].type);
        assert_int_equal(told->priority, rows[i].priority);
        assert_non_null(strstr(told->text, "-103.00 USDT"));
        end(&b);
    }
}

static void test_closed_without_our_fills(void **state) {
    struct bench b;
    begin(&b);
    read_row(&b, "0.1", "63000");
    read_nothing(&b);
    read_nothing(&b);
    assert_non_null(strstr(must_find(&b, POSITIONS_DO_TELL)->text, "no fill of ours"));
    end(&b);
}

static void test_a_missing_stop_is_placed_and_told(void **state) {
    struct bench b;
    begin(&b);
    fill(&b, SIDE_BUY, "0.1", "0", "64000", FILL_ORDER);
    read_row(&b, "0.1", "0");
    struct positions_command *protect = must_find(&b, POSITIONS_DO_PROTECT);
    assert_true(decimal_equal(protect->position.stop_wanted, d("63000")));
    read_row(&b, "0.1", "0");
    assert_null(find(&b, POSITIONS_DO_PROTECT)); /* one request at a time */
    feed(&b, (struct positions_event){.on = POSITIONS_ON_PROTECTED,
                                      .symbol = "BTCUSDT",
                                      .class = EXCHANGE_REFUSED,
                                      .message = "wrong side"});
    bool told = false, again = false;
    for (int i = 0; i < 6; i++) {
        read_row(&b, "0.1", "0");
        struct positions_command *tell = find(&b, POSITIONS_DO_TELL);
        again = again || find(&b, POSITIONS_DO_PROTECT);
        if (!tell)
            continue;
        assert_false(told); /* not every second */
        told = true;
        assert_int_equal(tell->priority, ALERT_CRITICAL);
        assert_non_null(strstr(tell->text, "wrong side"));
    }
    assert_true(told && again);
    read_row(&b, "0.1", "63000");
    assert_string_equal(must_find(&b, POSITIONS_DO_TELL)->type, "stop_is_back");
    end(&b);
}

static void test_a_stranger_without_stop_is_told(void **state) {
    struct bench b;
    begin(&b);
    for (int i = 0; i < 5; i++) { /* its fill may be late; then it is no stranger */
        read_row(&b, "0.1", "0");
        assert_null(find(&b, POSITIONS_DO_PROTECT));
        assert_null(find(&b, POSITIONS_DO_TELL));
    }
    read_row(&b, "0.1", "0");
    struct positions_command *tell = must_find(&b, POSITIONS_DO_TELL);
    assert_int_equal(tell->priority, ALERT_CRITICAL);
    assert_non_null(strstr(tell->text, "NO STOP LOSS"));
    end(&b);
}

struct step {
    enum trade_side side;
    const char *qty, *closed, *price;
};

static const char *told_after(struct bench *b, const struct step *steps, size_t count) {
    begin(b);
    for (size_t i = 0; i < count; i++)
        fill(b, steps[i].side, steps[i].qty, steps[i].closed, steps[i].price, FILL_ORDER);
    read_nothing(b);
    read_nothing(b);
    return must_find(b, POSITIONS_DO_TELL)->text;
}

/* Each fill costs 1.5. */
static void test_profit(void **state) {
    static const struct {
        struct step steps[4];
        size_t count;
        const char *told;
    } rows[] = {
        /* opened at two prices, closed before any read */
        {{{SIDE_BUY, "1", "0", "100"}, {SIDE_BUY, "9", "0", "110"}, {SIDE_SELL, "10", "10", "105"}},
         3,
         "10, 109 -> 105\n-44.50 USDT after 4.50 fees"},
        /* half closed, added to, closed: what was earned first stays earned */
        {{{SIDE_BUY, "1", "0", "100"},
          {SIDE_SELL, "0.5", "0.5", "110"},
          {SIDE_BUY, "0.5", "0", "110"},
          {SIDE_SELL, "1", "1", "105"}},
         4,
         "-1.00 USDT after 6.00 fees"},
        {{{SIDE_SELL, "1", "0", "100"}, {SIDE_BUY, "1", "1", "90"}}, 2, "+7.00 USDT after 3.00"},
        {{{SIDE_BUY, "1", "0", "100"}, {SIDE_SELL, "0.4", "0.4", "110"}}, 2, "fills are missing"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench b;
        const char *told = told_after(&b, rows[i].steps, rows[i].count);
        if (!strstr(told, rows[i].told))
            fail_msg("%zu: %s", i, told);
        end(&b);
    }
}

static void test_turned_over_between_two_reads(void **state) {
    struct bench b;
    begin(&b);
    fill(&b, SIDE_BUY, "0.1", "0", "64000", FILL_ORDER);
    read_row(&b, "0.1", "63000");
    fill(&b, SIDE_SELL, "0.3", "0.1", "65000", FILL_ORDER);
    assert_non_null(strstr(must_find(&b, POSITIONS_DO_TELL)->text, "+98.00 USDT"));
    const struct position *position = positions_open(b.positions, 0);
    assert_int_equal(position->side, SIDE_SELL);
    assert_true(decimal_equal(position->size, d("0.2")));
    end(&b);
}

static void test_disk(void **state) {
    struct bench b;
    begin(&b);
    fill(&b, SIDE_BUY, "0.1", "0", "64000", FILL_ORDER);
    uint64_t ticket = must_find(&b, POSITIONS_DO_PERSIST)->ticket;
    feed(&b, (struct positions_event){.on = POSITIONS_ON_STORED, .ticket = ticket, .r = -EIO});
    assert_null(find(&b, POSITIONS_DO_PERSIST));
    feed(&b, (struct positions_event){.on = POSITIONS_ON_TIMER});
    struct positions_command *persist = must_find(&b, POSITIONS_DO_PERSIST);
    struct positions_options options = positions_options_default();
    struct positions *restarted = positions_new(&options);
    positions_restore(restarted, &persist->records.list[0]);
    assert_true(decimal_equal(positions_open(restarted, 0)->stop_wanted, d("63000")));
    positions_free(restarted);
    end(&b);
}

static size_t count(const struct positions_command *command, enum record_kind kind) {
    size_t found = 0;
    for (size_t i = 0; i < command->records.count; i++)
        found += command->records.list[i].kind == kind;
    return found;
}

static void stored(struct bench *b, uint64_t ticket, int r) {
    feed(b, (struct positions_event){.on = POSITIONS_ON_STORED, .ticket = ticket, .r = r});
}

/* Position and fills are on disk together or not at all: a position that counts a fill which is
 * not there counts it once more after a crash. */
static void test_a_fill_goes_with_its_position(void **state) {
    struct bench b;
    begin(&b);
    fill(&b, SIDE_BUY, "0.1", "0", "64000", FILL_ORDER);
    struct positions_command *save = must_find(&b, POSITIONS_DO_PERSIST);
    uint64_t first = save->ticket;
    assert_int_equal(count(save, RECORD_FILL), 1);
    fill(&b, SIDE_BUY, "0.1", "0", "64000", FILL_ORDER); /* the first is on its way still */
    save = must_find(&b, POSITIONS_DO_PERSIST);
    uint64_t second = save->ticket;
    assert_int_equal(count(save, RECORD_POSITION), 1);
    assert_int_equal(count(save, RECORD_FILL), 2);
    stored(&b, first, -EIO);
    stored(&b, second, -EIO);
    read_row(&b, "0.2", "63000"); /* written for another reason, before the retry */
    save = must_find(&b, POSITIONS_DO_PERSIST);
    assert_int_equal(count(save, RECORD_POSITION), 1);
    assert_int_equal(count(save, RECORD_FILL), 2);
    stored(&b, save->ticket, 0);
    read_row(&b, "0.3", "63000");
    assert_int_equal(count(must_find(&b, POSITIONS_DO_PERSIST), RECORD_FILL), 0);
    end(&b);
}

/* Also one that changes nothing: it must not be read anew for ever. */
static void test_a_fill_of_a_closed_position_is_kept(void **state) {
    struct bench b;
    begin(&b);
    fill(&b, SIDE_SELL, "0.1", "0.1", "64000", FILL_ORDER);
    assert_int_equal(count(must_find(&b, POSITIONS_DO_PERSIST), RECORD_FILL), 1);
    assert_false(positions_any_open(b.positions));
    end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fill_goes_with_its_position),
        cmocka_unit_test(test_a_fill_of_a_closed_position_is_kept),
        cmocka_unit_test(test_closed_when_two_reads_agree),
        cmocka_unit_test(test_endings),
        cmocka_unit_test(test_closed_without_our_fills),
        cmocka_unit_test(test_a_missing_stop_is_placed_and_told),
        cmocka_unit_test(test_a_stranger_without_stop_is_told),
        cmocka_unit_test(test_profit),
        cmocka_unit_test(test_turned_over_between_two_reads),
        cmocka_unit_test(test_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
