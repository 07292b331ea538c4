/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "engine/orders.h"
#include "policy/backoff.h"
#include <errno.h>
#include <stdio.h>

struct bench {
    struct orders *orders;
    struct orders_commands commands;
    struct orders_options options;
    int64_t now;
};

static void begin(struct bench *b) {
    *b = (struct bench){.now = 1000000};
    b->options = orders_options_default();
    b->options.tag = "htest";
    b->options.mode = "PAPER";
    b->options.seed = 1;
    b->orders = orders_new(&b->options);
}

static void end(struct bench *b) {
    orders_commands_deinit(&b->commands);
    orders_free(b->orders);
}

static void feed(struct bench *b, struct orders_event event) {
    orders_commands_deinit(&b->commands);
    orders_step(b->orders, &event, b->now, &b->commands);
}

static struct orders_command *find(struct bench *b, enum orders_do what) {
    for (size_t i = 0; i < b->commands.count; i++)
        if (b->commands.list[i].what == what)
            return &b->commands.list[i];
    return NULL;
}

static struct orders_command *must_find(struct bench *b, enum orders_do what) {
    struct orders_command *command = find(b, what);
    if (!command)
        fail_msg("no command %d", (int)what);
    return command;
}

static struct decimal d(const char *text) {
    struct decimal value = {0};
    assert_int_equal(decimal_read(slice_of(text), &value), 0);
    return value;
}

static struct order some_order(void) {
    return (struct order){.symbol = "BTCUSDT",
                          .side = SIDE_BUY,
                          .qty = d("0.1"),
                          .price = d("64000"),
                          .stop = d("63000"),
                          .take = d("66000"),
                          .chat = 42};
}

static void place(struct bench *b) {
    struct order order = some_order();
    feed(b, (struct orders_event){.on = ORDERS_ON_PLACE, .orders = &order, .order_count = 1});
}

static void stored(struct bench *b, int r) {
    uint64_t ticket = must_find(b, ORDERS_DO_PERSIST)->ticket;
    feed(b, (struct orders_event){.on = ORDERS_ON_STORED, .ticket = ticket, .r = r});
}

static void created(struct bench *b, enum exchange_class class, const char *message) {
    feed(b, (struct orders_event){.on = ORDERS_ON_CREATED,
                                  .id = 1,
                                  .class = class,
                                  .message = message,
                                  .exchange_id = "x-1"});
}

static void wake(struct bench *b) {
    int64_t next = orders_next_ms(b->orders);
    assert_true(next < INT64_MAX);
    b->now = next > b->now ? next : b->now;
    feed(b, (struct orders_event){.on = ORDERS_ON_TIMER});
}

/* Until it asks the exchange: a wakeup may also be there to tell people. */
static void wake_to_find(struct bench *b) {
    wake(b);
    if (!find(b, ORDERS_DO_FIND))
        wake(b);
    must_find(b, ORDERS_DO_FIND);
}

static struct order row(struct bench *b, enum order_state state, const char *filled) {
    struct order order = *orders_find(b->orders, 1);
    (void)snprintf(order.exchange_id, sizeof order.exchange_id, "x-1");
    order.state = state;
    order.filled = d(filled);
    order.average_price = order.price;
    return order;
}

static void found(struct bench *b, enum orders_find how, const struct order *order) {
    feed(b, (struct orders_event){.on = ORDERS_ON_FOUND,
                                  .id = 1,
                                  .find = how,
                                  .orders = order,
                                  .order_count = order != NULL});
}

static enum order_state state_of(struct bench *b) {
    return orders_find(b->orders, 1)->state;
}

static void test_intent_before_wire(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    struct orders_command *persist = must_find(&b, ORDERS_DO_PERSIST);
    assert_int_equal(persist->records.list[0].kind, RECORD_ORDER);
    assert_string_equal(persist->records.list[0].trade->order.link_id, "htest-1-lfls-e1");
    assert_null(find(&b, ORDERS_DO_CREATE));
    stored(&b, 0);
    assert_string_equal(must_find(&b, ORDERS_DO_CREATE)->order.link_id, "htest-1-lfls-e1");
    created(&b, EXCHANGE_OK, "");
    assert_int_equal(state_of(&b), ORDER_OPEN);
    struct order filled = row(&b, ORDER_FILLED, "0.1");
    stored(&b, 0);
    wake(&b); /* accepted only: asked for once */
    must_find(&b, ORDERS_DO_FIND);
    found(&b, ORDERS_FOUND, &filled);
    assert_int_equal(state_of(&b), ORDER_FILLED);
    assert_string_equal(must_find(&b, ORDERS_DO_TELL)->type, "limit_filled");
    assert_false(orders_any_open(b.orders));
    end(&b);
}

static void test_full_disk_sends_nothing(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, -ENOSPC);
    assert_non_null(strstr(must_find(&b, ORDERS_DO_REFUSE)->text, "nothing was sent"));
    assert_null(find(&b, ORDERS_DO_CREATE));
    assert_false(orders_any_open(b.orders));
    /* It may be on disk all the same: that it has ended is written as soon as it can be. */
    b.now += 5000;
    feed(&b, (struct orders_event){.on = ORDERS_ON_TIMER});
    struct orders_command *persist = must_find(&b, ORDERS_DO_PERSIST);
    assert_int_equal(persist->records.list[0].trade->order.state, ORDER_REJECTED);
    end(&b);
}

/* Silence is no "no": the order is asked for, and found. */
static void test_lost_answer(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    created(&b, EXCHANGE_UNKNOWN, "no answer");
    assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    stored(&b, 0);
    for (int i = 0; i < 3; i++) { /* it may take a while to be seen */
        wake(&b);
        must_find(&b, ORDERS_DO_FIND);
        assert_null(find(&b, ORDERS_DO_CREATE));
        found(&b, ORDERS_ABSENT, NULL);
        assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    }
    wake(&b);
    struct order open = row(&b, ORDER_OPEN, "0");
    found(&b, ORDERS_FOUND, &open);
    assert_int_equal(state_of(&b), ORDER_OPEN);
    end(&b);
}

/* Absent, asked after the request's window: the same order under the same id; a failed question
 * proves nothing however often it fails. */
static void test_sent_again_under_its_own_id(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    created(&b, EXCHANGE_UNKNOWN, "no answer");
    stored(&b, 0);
    for (int i = 0; i < 12; i++) {
        wake_to_find(&b);
        found(&b, ORDERS_FIND_FAILED, NULL);
        assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    }
    assert_true(b.now > 1000000 + b.options.window_ms);
    wake_to_find(&b);
    found(&b, ORDERS_ABSENT, NULL);
    assert_int_equal(state_of(&b), ORDER_SENDING);
    stored(&b, 0);
    struct orders_command *create = must_find(&b, ORDERS_DO_CREATE);
    assert_string_equal(create->order.link_id, "htest-1-lfls-e1");
    assert_int_equal(create->order.attempts, 2);
    created(&b, EXCHANGE_DUPLICATE, "duplicate"); /* the first one had arrived after all */
    assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    stored(&b, 0);
    for (int i = 0; i < 10; i++) { /* and is never given up again */
        wake_to_find(&b);
        found(&b, ORDERS_ABSENT, NULL);
        assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    }
    end(&b);
}

static void test_refusals_and_waits(void **state) {
    static const struct {
        enum exchange_class class;
        enum order_state then;
        bool again;
    } rows[] = {
        {EXCHANGE_RATE_LIMITED, ORDER_SENDING, true}, {EXCHANGE_CLOCK, ORDER_SENDING, true},
        {EXCHANGE_BUSY, ORDER_SENDING, true},         {EXCHANGE_BLOCKED, ORDER_SENDING, true},
        {EXCHANGE_NOT_SENT, ORDER_SENDING, true},     {EXCHANGE_REFUSED, ORDER_REJECTED, false},
        {EXCHANGE_FATAL, ORDER_REJECTED, false},      {EXCHANGE_UNKNOWN, ORDER_UNKNOWN, false},
        {EXCHANGE_DUPLICATE, ORDER_UNKNOWN, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench b;
        begin(&b);
        place(&b);
        stored(&b, 0);
        created(&b, rows[i].class, "because");
        assert_int_equal(state_of(&b), rows[i].then);
        if (rows[i].again) {
            wake(&b);
            must_find(&b, ORDERS_DO_CREATE);
        }
        if (rows[i].then == ORDER_REJECTED)
            assert_non_null(strstr(must_find(&b, ORDERS_DO_TELL)->text, "because"));
        end(&b);
    }
}

/* A refusal of the second try says nothing of the first. */
static void test_refused_after_silence_is_asked_for(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    created(&b, EXCHANGE_UNKNOWN, "");
    stored(&b, 0);
    b.now += 20000;
    wake(&b);
    found(&b, ORDERS_ABSENT, NULL);
    stored(&b, 0);
    must_find(&b, ORDERS_DO_CREATE);
    created(&b, EXCHANGE_UNKNOWN, "");
    stored(&b, 0);
    struct orders *before = b.orders;
    /* Now with a restart in between. */
    struct records disk = {0};
    records_add(&disk, RECORD_ORDER)->trade->order = *orders_find(before, 1);
    b.orders = orders_new(&b.options);
    orders_restore(b.orders, &disk.list[0]);
    orders_free(before);
    records_deinit(&disk);
    feed(&b, (struct orders_event){.on = ORDERS_ON_START});
    must_find(&b, ORDERS_DO_FIND);
    found(&b, ORDERS_ABSENT, NULL);
    assert_int_equal(state_of(&b), ORDER_UNKNOWN); /* the window counts from the start */
    b.now += 20000;
    wake(&b);
    found(&b, ORDERS_ABSENT, NULL);
    assert_int_equal(state_of(&b), ORDER_SENDING);
    stored(&b, 0);
    created(&b, EXCHANGE_REFUSED, "no balance");
    assert_int_equal(state_of(&b), ORDER_REJECTED); /* proved absent before this try */
    end(&b);
}

/* Of two copies of one request the answer came from the one that was not executed. What is no
 * longer wished then ends by the exchange's evidence alone. */
static void test_cancel_after_an_answer(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    feed(&b, (struct orders_event){.on = ORDERS_ON_CANCEL, .id = 1});
    stored(&b, 0);
    created(&b, EXCHANGE_CLOCK, "the clock is wrong");
    wake(&b);
    assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    stored(&b, 0);
    wake_to_find(&b);
    struct order open = row(&b, ORDER_OPEN, "0");
    found(&b, ORDERS_FOUND, &open);
    assert_int_equal(state_of(&b), ORDER_OPEN);
    stored(&b, 0);
    wake(&b);
    must_find(&b, ORDERS_DO_CANCEL);
    end(&b);
}

static void test_cancel_before_it_left(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    feed(&b, (struct orders_event){.on = ORDERS_ON_CANCEL, .id = 1});
    stored(&b, 0);
    created(&b, EXCHANGE_NOT_SENT, "no connection");
    wake(&b);
    assert_int_equal(state_of(&b), ORDER_CANCELLED);
    end(&b);
}

static void begin_refused(struct bench *b) {
    begin(b);
    place(b);
    stored(b, 0);
    created(b, EXCHANGE_REFUSED, "no balance");
    assert_int_equal(state_of(b), ORDER_REJECTED);
    stored(b, 0);
}

static void must_be_revived(struct bench *b, enum order_state state) {
    assert_int_equal(state_of(b), state);
    assert_string_equal(must_find(b, ORDERS_DO_TELL)->type, "order_revived");
    assert_int_equal(must_find(b, ORDERS_DO_PERSIST)->records.list[0].trade->order.state, state);
    assert_true(orders_any_open(b->orders));
}

static void test_refused_and_there(void **state) {
    struct bench b;
    begin_refused(&b);
    struct order open = row(&b, ORDER_OPEN, "0"), filled = row(&b, ORDER_FILLED, "0.1");
    struct orders_event list = {
        .on = ORDERS_ON_LIST, .orders = &open, .order_count = 1, .asked_ms = b.now};
    feed(&b, list);
    must_be_revived(&b, ORDER_OPEN);
    stored(&b, 0);
    feed(&b, (struct orders_event){.on = ORDERS_ON_LIST, .orders = &filled, .order_count = 1});
    stored(&b, 0);
    assert_int_equal(state_of(&b), ORDER_FILLED);
    feed(&b, list);
    assert_int_equal(state_of(&b), ORDER_FILLED); /* the list lags */
    end(&b);
}

static void test_refused_and_filled(void **state) {
    struct bench b;
    begin_refused(&b);
    struct fill fill = {.exec_id = "f1", .symbol = "BTCUSDT", .qty = d("0.1"), .at_ms = b.now};
    (void)snprintf(fill.link_id, sizeof fill.link_id, "%s", orders_find(b.orders, 1)->link_id);
    feed(&b, (struct orders_event){.on = ORDERS_ON_FILLS, .fills = &fill, .fill_count = 1});
    assert_int_equal(must_find(&b, ORDERS_DO_FILL)->order.id, 1);
    must_be_revived(&b, ORDER_UNKNOWN);
    struct order filled = row(&b, ORDER_FILLED, "0.1");
    stored(&b, 0);
    must_find(&b, ORDERS_DO_FIND);
    found(&b, ORDERS_FOUND, &filled);
    assert_int_equal(state_of(&b), ORDER_FILLED);
    assert_false(orders_any_open(b.orders));
    end(&b);
}

/* Somebody wanted it gone: it goes, when it turns up all the same. */
static void test_cancelled_and_there(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    feed(&b, (struct orders_event){.on = ORDERS_ON_CANCEL, .id = 1});
    stored(&b, 0);
    created(&b, EXCHANGE_NOT_SENT, "no connection");
    wake(&b);
    assert_int_equal(state_of(&b), ORDER_CANCELLED);
    stored(&b, 0);
    struct order open = row(&b, ORDER_OPEN, "0");
    feed(&b, (struct orders_event){
                 .on = ORDERS_ON_LIST, .orders = &open, .order_count = 1, .asked_ms = b.now});
    assert_non_null(strstr(must_find(&b, ORDERS_DO_TELL)->text, "it is cancelled there now"));
    must_be_revived(&b, ORDER_OPEN);
    stored(&b, 0);
    wake(&b);
    must_find(&b, ORDERS_DO_CANCEL);
    end(&b);
}

/* After a long stop an order that never arrived is not sent into another market. */
static void test_too_old_to_be_sent(void **state) {
    struct bench b;
    begin(&b);
    struct records disk = {0};
    struct order *order = &records_add(&disk, RECORD_ORDER)->trade->order;
    *order = some_order();
    order->id = 1;
    order->created_ms = b.now - 3600000;
    orders_restore(b.orders, &disk.list[0]);
    records_deinit(&disk);
    feed(&b, (struct orders_event){.on = ORDERS_ON_START});
    assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    stored(&b, 0);
    must_find(&b, ORDERS_DO_FIND);
    found(&b, ORDERS_ABSENT, NULL);
    b.now += 20000;
    wake_to_find(&b);
    found(&b, ORDERS_ABSENT, NULL);
    assert_int_equal(state_of(&b), ORDER_REJECTED);
    assert_non_null(strstr(must_find(&b, ORDERS_DO_TELL)->text, "too old"));
    end(&b);
}

static void begin_open(struct bench *b) {
    begin(b);
    place(b);
    stored(b, 0);
    created(b, EXCHANGE_OK, "");
    struct order open = row(b, ORDER_OPEN, "0");
    stored(b, 0);
    wake(b);
    found(b, ORDERS_FOUND, &open);
    if (find(b, ORDERS_DO_PERSIST))
        stored(b, 0);
}

static void test_cancel(void **state) {
    struct bench b;
    begin_open(&b);
    feed(&b, (struct orders_event){.on = ORDERS_ON_CANCEL, .id = 1});
    assert_null(find(&b, ORDERS_DO_CANCEL)); /* the intent first */
    stored(&b, 0);
    must_find(&b, ORDERS_DO_CANCEL);
    feed(&b, (struct orders_event){.on = ORDERS_ON_CANCELLED, .id = 1, .class = EXCHANGE_UNKNOWN});
    wake(&b);
    must_find(&b, ORDERS_DO_FIND); /* no second cancel before it is known what the first did */
    struct order open = row(&b, ORDER_OPEN, "0.04");
    found(&b, ORDERS_FOUND, &open);
    stored(&b, 0);
    wake(&b);
    must_find(&b, ORDERS_DO_CANCEL);
    feed(&b, (struct orders_event){.on = ORDERS_ON_CANCELLED, .id = 1, .class = EXCHANGE_OK});
    wake(&b);
    struct order gone = row(&b, ORDER_CANCELLED, "0.04");
    found(&b, ORDERS_FOUND, &gone);
    assert_int_equal(state_of(&b), ORDER_CANCELLED);
    assert_non_null(strstr(must_find(&b, ORDERS_DO_TELL)->text, "filled: 0.04"));
    end(&b);
}

static void test_list(void **state) {
    struct bench b;
    begin_open(&b);
    b.now += 6000;
    feed(&b, (struct orders_event){.on = ORDERS_ON_LIST, .asked_ms = b.now});
    must_find(&b, ORDERS_DO_FIND); /* missing from the list: asked for by itself */
    struct order open = row(&b, ORDER_OPEN, "0.05");
    found(&b, ORDERS_FIND_FAILED, NULL);
    assert_int_equal(state_of(&b), ORDER_OPEN);
    feed(&b, (struct orders_event){
                 .on = ORDERS_ON_LIST, .orders = &open, .order_count = 1, .asked_ms = b.now});
    assert_true(decimal_equal(orders_find(b.orders, 1)->filled, d("0.05")));
    struct order old = row(&b, ORDER_OPEN, "0.01");
    feed(&b, (struct orders_event){
                 .on = ORDERS_ON_LIST, .orders = &old, .order_count = 1, .asked_ms = b.now});
    assert_true(decimal_equal(orders_find(b.orders, 1)->filled, d("0.05"))); /* a list that lags */
    end(&b);
}

/* Asked while the request could still arrive, answered when it no longer could: no proof. */
static void test_a_question_asked_too_early_proves_nothing(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    created(&b, EXCHANGE_UNKNOWN, "");
    stored(&b, 0);
    wake_to_find(&b);
    b.now += b.options.window_ms + 60000; /* the lists were slow */
    found(&b, ORDERS_ABSENT, NULL);
    assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    wake_to_find(&b);
    found(&b, ORDERS_ABSENT, NULL);
    assert_int_equal(state_of(&b), ORDER_REJECTED); /* too old by now */
    end(&b);
}

/* After a day the exchange has forgotten what was cancelled: that ends in words of its own. */
static void test_an_order_that_the_exchange_has_forgotten(void **state) {
    struct bench b;
    begin_open(&b);
    b.now += 86400001;
    feed(&b, (struct orders_event){.on = ORDERS_ON_LIST, .asked_ms = b.now});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(state_of(&b), ORDER_OPEN);
        if (!find(&b, ORDERS_DO_FIND))
            wake_to_find(&b);
        found(&b, ORDERS_ABSENT, NULL);
    }
    assert_int_equal(state_of(&b), ORDER_CANCELLED);
    assert_non_null(strstr(must_find(&b, ORDERS_DO_TELL)->text, "no longer tells"));
    end(&b);
}

static void test_the_clock_went_back(void **state) {
    struct bench b;
    begin(&b);
    struct records disk = {0};
    struct order *order = &records_add(&disk, RECORD_ORDER)->trade->order;
    *order = some_order();
    order->id = 1;
    order->created_ms = order->updated_ms = b.now + 3600000;
    orders_restore(b.orders, &disk.list[0]);
    records_deinit(&disk);
    feed(&b, (struct orders_event){.on = ORDERS_ON_START});
    stored(&b, 0);
    found(&b, ORDERS_ABSENT, NULL);
    b.now += 20000;
    wake_to_find(&b);
    found(&b, ORDERS_ABSENT, NULL);
    assert_int_equal(state_of(&b), ORDER_REJECTED); /* nobody knows how old it is */
    end(&b);
}

static void test_another_order_under_our_id(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    created(&b, EXCHANGE_DUPLICATE, "");
    stored(&b, 0);
    wake_to_find(&b);
    struct order other = row(&b, ORDER_FILLED, "0.1");
    other.side = SIDE_SELL;
    found(&b, ORDERS_FOUND, &other);
    assert_int_equal(state_of(&b), ORDER_UNKNOWN);
    assert_null(find(&b, ORDERS_DO_TELL));
    end(&b);
}

static void test_fills_count_once(void **state) {
    struct bench b;
    begin_open(&b);
    struct fill fills[2] = {{.exec_id = "f-1", .symbol = "BTCUSDT", .qty = d("0.1"), .at_ms = 5},
                            {.exec_id = "f-2", .symbol = "BTCUSDT", .qty = d("0.1"), .at_ms = 7}};
    memcpy(fills[0].link_id, "htest-1-lfls-e1", 16);
    feed(&b, (struct orders_event){.on = ORDERS_ON_FILLS, .fills = fills, .fill_count = 1});
    assert_int_equal(must_find(&b, ORDERS_DO_FILL)->order.id, 1);
    must_find(&b, ORDERS_DO_FIND);
    feed(&b, (struct orders_event){.on = ORDERS_ON_FILLS, .fills = fills, .fill_count = 2});
    struct orders_command *news = must_find(&b, ORDERS_DO_FILL);
    assert_string_equal(news->fill.exec_id, "f-2");
    assert_int_equal(news->order.id, 0);
    assert_null(find(&b, ORDERS_DO_PERSIST)); /* the positions keep them */
    feed(&b, (struct orders_event){.on = ORDERS_ON_FILLS, .fills = fills, .fill_count = 2});
    assert_null(find(&b, ORDERS_DO_FILL));
    assert_null(find(&b, ORDERS_DO_PERSIST));
    assert_int_equal(orders_last_fill_ms(b.orders), 7);
    end(&b);
}

static void test_silence_is_told(void **state) {
    struct bench b;
    begin(&b);
    place(&b);
    stored(&b, 0);
    created(&b, EXCHANGE_UNKNOWN, "");
    stored(&b, 0);
    bool told = false;
    for (int i = 0; i < 20 && !told; i++) {
        wake(&b);
        told = find(&b, ORDERS_DO_TELL) != NULL;
        if (find(&b, ORDERS_DO_FIND))
            found(&b, ORDERS_FIND_FAILED, NULL);
    }
    assert_true(told);
    assert_in_range(b.now - 1000000, 30000, 36000);
    end(&b);
}

static void test_limit(void **state) {
    struct bench b;
    begin(&b);
    orders_free(b.orders);
    b.options.open_max = 1;
    b.orders = orders_new(&b.options);
    place(&b);
    must_find(&b, ORDERS_DO_PERSIST);
    place(&b);
    assert_non_null(strstr(must_find(&b, ORDERS_DO_REFUSE)->text, "limit"));
    end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intent_before_wire),
        cmocka_unit_test(test_full_disk_sends_nothing),
        cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_sent_again_under_its_own_id),
        cmocka_unit_test(test_refusals_and_waits),
        cmocka_unit_test(test_refused_after_silence_is_asked_for),
        cmocka_unit_test(test_too_old_to_be_sent),
        cmocka_unit_test(test_cancel_after_an_answer),
        cmocka_unit_test(test_cancel_before_it_left),
        cmocka_unit_test(test_refused_and_there),
        cmocka_unit_test(test_cancelled_and_there),
        cmocka_unit_test(test_refused_and_filled),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_a_question_asked_too_early_proves_nothing),
        cmocka_unit_test(test_an_order_that_the_exchange_has_forgotten),
        cmocka_unit_test(test_the_clock_went_back),
        cmocka_unit_test(test_another_order_under_our_id),
        cmocka_unit_test(test_fills_count_once),
        cmocka_unit_test(test_silence_is_told),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
