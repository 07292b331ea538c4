/* SPDX-License-Identifier: Apache-2.0 */
/* The trader's records: what is put is there again, to the last field. */
#include "store/store_sqlite.h"
#include "store/store_test.h"
#include <errno.h>
#include <sqlite3.h>

/* What was loaded, in its order. */
static void keep(void *context, const struct record *record) {
    struct record *copy = records_add(context, record->kind);
    *copy->trade = *record->trade;
    if (record->kind != RECORD_OUTBOX)
        return;
    copy->trade->outbox.text = text_copy(record->trade->outbox.text);
    copy->trade->outbox.markup = text_copy(record->trade->outbox.markup);
}

static struct store *open_good(struct records *loaded) {
    struct store *store = NULL;
    AUTO_BUFFER struct buffer error = {0};
    records_deinit(loaded);
    int r = store_open(store_sqlite_new_trader(), path, keep, loaded, &store, &error);
    if (r != 0)
        fail_msg("%d: %s", r, error.data);
    return store;
}

/* Puts, closes and opens again: what is then loaded comes from the file. */
static void put_and_reload(struct records *records, struct records *loaded) {
    struct records before = {0};
    struct store *store = open_good(&before);
    assert_int_equal(put(store, records), 0);
    store_close(store);
    store_close(open_good(loaded));
    records_deinit(&before);
}

static struct decimal number(const char *text) {
    struct decimal value = {0};
    assert_int_equal(decimal_read(slice_of(text), &value), 0);
    return value;
}

static void assert_decimal(struct decimal value, const char *expected) {
    char text[DECIMAL_TEXT_BYTES];
    assert_string_equal(decimal_print(value, text), expected);
}

static struct order *add_order(struct records *records, int64_t id, enum order_state state) {
    struct order *order = &records_add(records, RECORD_ORDER)->trade->order;
    *order = (struct order){.id = id,
                            .link_id = "hf-1-abc",
                            .exchange_id = "fd4300ae-7847-404e-b947-b46980a4d140",
                            .symbol = "BTCUSDT",
                            .side = SIDE_SELL,
                            .type = ORDER_MARKET,
                            .reduce_only = true,
                            .qty = number("0.010"),
                            .price = number("64250.50"),
                            .stop = number("65000"),
                            .take = number("60000.1"),
                            .state = state,
                            .cancel_wanted = true,
                            .filled = number("0.004"),
                            .average_price = number("64249.999999999999"),
                            .created_ms = 1684738540559,
                            .updated_ms = 1684738540560,
                            .ended_ms = 1684738540561,
                            .attempts = UINT32_MAX,
                            .chat = -1001234567890,
                            .user = 42,
                            .cause = 10007,
                            .reason = "EC_PerCancelRequest \xc3\xa9"};
    return order;
}

static void test_orders(void **state) {
    struct records records = {0}, loaded = {0};
    add_order(&records, 7, ORDER_UNKNOWN);
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 1 && loaded.list[0].kind == RECORD_ORDER);
    const struct order *order = &loaded.list[0].trade->order;
    assert_true(order->id == 7);
    assert_string_equal(order->link_id, "hf-1-abc");
    assert_string_equal(order->exchange_id, "fd4300ae-7847-404e-b947-b46980a4d140");
    assert_string_equal(order->symbol, "BTCUSDT");
    assert_true(order->side == SIDE_SELL && order->type == ORDER_MARKET);
    assert_true(order->reduce_only && order->cancel_wanted);
    assert_decimal(order->qty, "0.010");
    assert_decimal(order->price, "64250.50");
    assert_decimal(order->stop, "65000");
    assert_decimal(order->take, "60000.1");
    assert_int_equal(order->state, ORDER_UNKNOWN);
    assert_decimal(order->filled, "0.004");
    assert_decimal(order->average_price, "64249.999999999999");
    assert_true(order->created_ms == 1684738540559 && order->updated_ms == 1684738540560 &&
                order->ended_ms == 1684738540561);
    assert_true(order->attempts == UINT32_MAX);
    assert_true(order->chat == -1001234567890 && order->user == 42 && order->cause == 10007);
    assert_string_equal(order->reason, "EC_PerCancelRequest \xc3\xa9");
    *add_order(&records, 7, ORDER_FILLED) = (struct order){.id = 7, .state = ORDER_FILLED};
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 1);
    order = &loaded.list[0].trade->order;
    assert_true(order->state == ORDER_FILLED && !order->reduce_only && order->attempts == 0);
    assert_string_equal(order->reason, "");
    records_deinit(&loaded);
}

/* All that are at work, and of the others the last thousand. */
static void test_old_orders_stay_in_the_file(void **state) {
    struct records records = {0}, loaded = {0};
    for (int64_t id = 1; id <= 1500; id++)
        add_order(&records, id, id % 100 == 0 ? ORDER_OPEN : ORDER_FILLED);
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 1005);
    assert_true(loaded.list[0].trade->order.id == 100);
    assert_true(loaded.list[5].trade->order.id == 501);
    assert_true(loaded.list[1004].trade->order.id == 1500);
    records_deinit(&loaded);
}

static void add_fill(struct records *records, const char *exec_id, int64_t at_ms,
                     const char *price) {
    struct fill *fill = &records_add(records, RECORD_FILL)->trade->fill;
    *fill = (struct fill){.exchange_id = "8c065341",
                          .link_id = "hf-1-abc",
                          .symbol = "ETHUSDT",
                          .side = SIDE_BUY,
                          .price = number(price),
                          .qty = number("0.1"),
                          .fee = number("-0.071409"),
                          .closed_qty = number("0.05"),
                          .source = FILL_LIQUIDATION,
                          .at_ms = at_ms};
    snprintf(fill->exec_id, sizeof fill->exec_id, "%s", exec_id);
}

static void test_fills(void **state) {
    struct records records = {0}, loaded = {0};
    add_fill(&records, "b", 2000, "1190.15");
    add_fill(&records, "a", 2000, "1190.16");
    add_fill(&records, "c", 1000, "1190.17");
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 3);
    assert_string_equal(loaded.list[0].trade->fill.exec_id, "c");
    assert_string_equal(loaded.list[1].trade->fill.exec_id, "a");
    const struct fill *fill = &loaded.list[2].trade->fill;
    assert_string_equal(fill->exec_id, "b");
    assert_string_equal(fill->exchange_id, "8c065341");
    assert_string_equal(fill->link_id, "hf-1-abc");
    assert_string_equal(fill->symbol, "ETHUSDT");
    assert_true(fill->side == SIDE_BUY && fill->source == FILL_LIQUIDATION && fill->at_ms == 2000);
    assert_decimal(fill->price, "1190.15");
    assert_decimal(fill->qty, "0.1");
    assert_decimal(fill->fee, "-0.071409");
    assert_decimal(fill->closed_qty, "0.05");
    /* One that is there already is left as it is, and does not fail the others of its group. */
    add_fill(&records, "b", 9000, "5");
    add_fill(&records, "d", 3000, "6");
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 4);
    assert_decimal(loaded.list[2].trade->fill.price, "1190.15");
    assert_string_equal(loaded.list[3].trade->fill.exec_id, "d");
    records_deinit(&loaded);
}

static void test_last_fills_oldest_first(void **state) {
    struct records records = {0}, loaded = {0};
    for (int i = 0; i < 6000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%05d", i);
        add_fill(&records, id, 100000 - i, "1");
    }
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 5000);
    assert_string_equal(loaded.list[0].trade->fill.exec_id, "04999");
    assert_string_equal(loaded.list[4999].trade->fill.exec_id, "00000");
    records_deinit(&loaded);
}

static void test_positions(void **state) {
    struct records records = {0}, loaded = {0};
    struct position *put_in = &records_add(&records, RECORD_POSITION)->trade->position;
    *put_in = (struct position){.symbol = "BTCUSDT",
                                .phase = POSITION_CLOSING,
                                .side = SIDE_SELL,
                                .size = number("0.300"),
                                .entry_price = number("27464.50441675"),
                                .stop = number("1"),
                                .take = number("2"),
                                .stop_wanted = number("3"),
                                .take_wanted = number("4"),
                                .leverage = number("10"),
                                .unrealised = number("-0.00029413"),
                                .opened_ms = 5,
                                .updated_ms = 6,
                                .closed_ms = 7,
                                .chat = 8,
                                .unprotected_ms = 9,
                                .unprotected_told = true,
                                .opened_qty = number("0.4"),
                                .closed_cost = number("10.5"),
                                .closed_qty = number("0.1"),
                                .closed_value = number("11"),
                                .fees = number("-12.5"),
                                .closed_by = FILL_TAKE_PROFIT};
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 1 && loaded.list[0].kind == RECORD_POSITION);
    const struct position *got = &loaded.list[0].trade->position;
    assert_string_equal(got->symbol, "BTCUSDT");
    assert_true(got->phase == POSITION_CLOSING && got->side == SIDE_SELL);
    assert_decimal(got->size, "0.300");
    assert_decimal(got->entry_price, "27464.50441675");
    assert_decimal(got->stop, "1");
    assert_decimal(got->take, "2");
    assert_decimal(got->stop_wanted, "3");
    assert_decimal(got->take_wanted, "4");
    assert_decimal(got->leverage, "10");
    assert_decimal(got->unrealised, "-0.00029413");
    assert_true(got->opened_ms == 5 && got->updated_ms == 6 && got->closed_ms == 7);
    assert_true(got->chat == 8 && got->unprotected_ms == 9 && got->unprotected_told);
    assert_decimal(got->closed_qty, "0.1");
    assert_decimal(got->closed_value, "11");
    assert_decimal(got->opened_qty, "0.4");
    assert_decimal(got->closed_cost, "10.5");
    assert_decimal(got->fees, "-12.5");
    assert_int_equal(got->closed_by, FILL_TAKE_PROFIT);
    put_in = &records_add(&records, RECORD_POSITION)->trade->position;
    *put_in = (struct position){.symbol = "BTCUSDT", .phase = POSITION_FLAT};
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 1);
    assert_true(decimal_is_zero(loaded.list[0].trade->position.size));
    records_deinit(&loaded);
}

static void add_dialog(struct records *records, enum record_kind kind, int64_t id) {
    struct dialog *dialog = &records_add(records, kind)->trade->dialog;
    *dialog = (struct dialog){.id = id,
                              .user = 42,
                              .chat = -100,
                              .step = DIALOG_PREVIEW,
                              .side = SIDE_BUY,
                              .symbol = "BTCUSDT",
                              .entry = number("1.10"),
                              .stop = number("2"),
                              .take = number("3"),
                              .qty = number("4"),
                              .risk = number("5.5"),
                              .deadline_ms = 6};
}

static void test_dialogs(void **state) {
    struct records records = {0}, loaded = {0};
    add_dialog(&records, RECORD_DIALOG, 10008);
    add_dialog(&records, RECORD_DIALOG, 10007);
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 2 && loaded.list[0].kind == RECORD_DIALOG);
    const struct dialog *dialog = &loaded.list[0].trade->dialog;
    assert_true(dialog->id == 10007 && dialog->user == 42 && dialog->chat == -100);
    assert_true(dialog->step == DIALOG_PREVIEW && dialog->side == SIDE_BUY);
    assert_string_equal(dialog->symbol, "BTCUSDT");
    assert_decimal(dialog->entry, "1.10");
    assert_decimal(dialog->stop, "2");
    assert_decimal(dialog->take, "3");
    assert_decimal(dialog->qty, "4");
    assert_decimal(dialog->risk, "5.5");
    assert_true(dialog->deadline_ms == 6);
    add_dialog(&records, RECORD_DIALOG_DROP, 10007);
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 1 && loaded.list[0].trade->dialog.id == 10008);
    records_deinit(&loaded);
}

static void add_outbox(struct records *records, enum record_kind kind, int64_t id,
                       const char *markup) {
    struct outbox *outbox = &records_add(records, kind)->trade->outbox;
    *outbox = (struct outbox){.id = id,
                              .kind = OUTBOX_SAY,
                              .priority = ALERT_HIGH,
                              .chat = -100,
                              .type = "tp_hit",
                              .text = text_copy("Take profit \xe2\x9c\x85\nBTCUSDT"),
                              .markup = text_copy(markup),
                              .created_ms = 5};
}

static void test_outbox(void **state) {
    struct records records = {0}, loaded = {0};
    add_outbox(&records, RECORD_OUTBOX, 2, NULL);
    add_outbox(&records, RECORD_OUTBOX, 1, "{\"inline_keyboard\":[]}");
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 2 && loaded.list[0].kind == RECORD_OUTBOX);
    const struct outbox *outbox = &loaded.list[0].trade->outbox;
    assert_true(outbox->id == 1 && outbox->kind == OUTBOX_SAY && outbox->priority == ALERT_HIGH);
    assert_true(outbox->chat == -100 && outbox->created_ms == 5);
    assert_string_equal(outbox->type, "tp_hit");
    assert_string_equal(outbox->text, "Take profit \xe2\x9c\x85\nBTCUSDT");
    assert_string_equal(outbox->markup, "{\"inline_keyboard\":[]}");
    assert_null(loaded.list[1].trade->outbox.markup);
    add_outbox(&records, RECORD_OUTBOX_DROP, 2, NULL);
    put_and_reload(&records, &loaded);
    assert_true(loaded.count == 1 && loaded.list[0].trade->outbox.id == 1);
    records_deinit(&loaded);
}

static void add_fact(struct records *records, const char *name, int64_t value) {
    struct trade_record *trade = records_add(records, RECORD_FACT)->trade;
    snprintf(trade->fact.name, sizeof trade->fact.name, "%s", name);
    trade->fact.value = value;
}

static void test_facts_come_first(void **state) {
    struct records records = {0}, loaded = {0};
    add_outbox(&records, RECORD_OUTBOX, 1, NULL);
    add_dialog(&records, RECORD_DIALOG, 1);
    strcpy(records_add(&records, RECORD_POSITION)->trade->position.symbol, "BTCUSDT");
    add_fill(&records, "a", 1, "1");
    add_order(&records, 1, ORDER_OPEN);
    add_fact(&records, "next_id", 5);
    add_fact(&records, "fills_since_ms", INT64_MAX);
    add_fact(&records, "next_id", -6);
    put_and_reload(&records, &loaded);
    static const enum record_kind order[] = {RECORD_FACT,  RECORD_FACT,     RECORD_ORDER,
                                             RECORD_FILL,  RECORD_POSITION, RECORD_DIALOG,
                                             RECORD_OUTBOX};
    assert_true(loaded.count == COUNT_OF(order));
    for (size_t i = 0; i < COUNT_OF(order); i++)
        assert_int_equal(loaded.list[i].kind, order[i]);
    assert_string_equal(loaded.list[0].trade->fact.name, "fills_since_ms");
    assert_true(loaded.list[0].trade->fact.value == INT64_MAX);
    assert_true(loaded.list[1].trade->fact.value == -6);
    records_deinit(&loaded);
}

/* All of a group or nothing, and the store goes on when there is room again. */
static void test_full_disk(void **state) {
    struct records records = {0}, loaded = {0};
    struct store *store = open_good(&loaded);
    add_order(&records, 1, ORDER_SENDING);
    assert_int_equal(put(store, &records), 0);
    for (int64_t id = 2; id <= 2000; id++)
        add_order(&records, id, ORDER_SENDING);
    assert_true(put_on_full_disk(store, &records) < 0);
    int r = -1;
    for (int i = 0; r < 0 && i < 5000; i++) { /* after a pause */
        usleep(1000);
        add_order(&records, 3000, ORDER_SENDING);
        r = put(store, &records);
    }
    assert_int_equal(r, 0);
    store_close(store);
    store_close(open_good(&loaded));
    assert_true(loaded.count == 2 && loaded.list[1].trade->order.id == 3000);
    records_deinit(&loaded);
}

static void found(void *context, int r, const struct alert *alerts, size_t count) {
    assert_true(count == 0);
    *(int *)context = r;
}

static void test_there_are_no_alerts_to_find(void **state) {
    struct records loaded = {0};
    struct store *store = open_good(&loaded);
    int result = 99;
    store_find_alerts(store, &(struct store_query){.state = -1, .limit = 5}, found, &result);
    wait_for(store, &result);
    assert_int_equal(result, -ENOTSUP);
    store_close(store);
}

static void assert_not_opened(int expected, const char *said) {
    struct store *store = NULL;
    struct records loaded = {0};
    AUTO_BUFFER struct buffer error = {0};
    assert_int_equal(store_open(store_sqlite_new_trader(), path, keep, &loaded, &store, &error),
                     expected);
    if (!strstr(error.data, said))
        fail_msg("%s", error.data);
    records_deinit(&loaded);
}

static void change_file(const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* What cannot be read must not be taken for zero, or for a state that it is not. */
static void test_refusals(void **state) {
    static const char *const damage[][2] = {
        {"UPDATE orders SET qty='1e5'", "UPDATE orders SET qty='1'"},
        {"UPDATE orders SET filled=''", "UPDATE orders SET filled='0'"},
        {"UPDATE orders SET state=6", "UPDATE orders SET state=2"},
        {"UPDATE orders SET side=-1", "UPDATE orders SET side=1"},
        {"UPDATE orders SET attempts=-1", "UPDATE orders SET attempts=1"},
        {"UPDATE orders SET symbol='ABCDEFGHIJKLMNOPQRSTUVWX'", "UPDATE orders SET symbol='A'"},
    };
    struct records records = {0}, loaded = {0};
    struct store *store = open_good(&loaded);
    add_order(&records, 1, ORDER_OPEN);
    assert_int_equal(put(store, &records), 0);
    assert_not_opened(STORE_BUSY, "stop the other holdfast-trader first");
    store_close(store);
    for (size_t i = 0; i < COUNT_OF(damage); i++) {
        change_file(damage[i][0]);
        assert_not_opened(-EBADMSG, "cannot be read");
        change_file(damage[i][1]);
    }
    store_close(open_good(&loaded));
    change_file("PRAGMA user_version=99");
    assert_not_opened(STORE_NEWER, "newer Holdfast (schema 99");
    records_deinit(&loaded);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_orders),    IN_FOLDER(test_old_orders_stay_in_the_file),
        IN_FOLDER(test_fills),     IN_FOLDER(test_last_fills_oldest_first),
        IN_FOLDER(test_positions), IN_FOLDER(test_dialogs),
        IN_FOLDER(test_outbox),    IN_FOLDER(test_facts_come_first),
        IN_FOLDER(test_full_disk), IN_FOLDER(test_there_are_no_alerts_to_find),
        IN_FOLDER(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
