/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an answer of Bybit, and its result through every reader. */
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "wire/bybit.h"

static void check_cursor(const char *cursor) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%";
    must(cursor[strspn(cursor, plain)] == 0);
}

static void read_orders(const json_t *result) {
    struct bybit_orders orders;
    if (bybit_read_orders(result, &orders) < 0)
        return;
    check_cursor(orders.cursor);
    for (size_t i = 0; i < orders.count; i++) {
        AUTO_BUFFER struct buffer request = {0};
        must(orders.list[i].side != SIDE_NONE && decimal_sign(orders.list[i].filled) >= 0);
        bybit_add_create(&orders.list[i], &request);
        json_t *again = json_loads(request.data, 0, NULL); /* what we make of it is JSON */
        must(again != NULL);
        json_decref(again);
        buffer_clear(&request);
        bybit_add_find(&orders.list[i], &request);
    }
    free(orders.list);
}

static void read_fills(const json_t *result) {
    struct bybit_fills fills;
    if (bybit_read_fills(result, &fills) < 0)
        return;
    check_cursor(fills.cursor);
    for (size_t i = 0; i < fills.count; i++)
        must(decimal_sign(fills.list[i].qty) > 0 &&
             (i == 0 || fills.list[i - 1].at_ms <= fills.list[i].at_ms));
    free(fills.list);
}

static void read_positions(const json_t *result) {
    struct bybit_positions positions;
    if (bybit_read_positions(result, &positions) < 0)
        return;
    check_cursor(positions.cursor);
    for (size_t i = 0; i < positions.count; i++)
        must(decimal_sign(positions.list[i].size) > 0 && positions.list[i].side != SIDE_NONE);
    free(positions.list);
}

static void read_market(const json_t *result) {
    struct instruments instruments = {0};
    struct wallet wallet;
    char cursor[256], id[EXCHANGE_ID_BYTES];
    for (int page = 0; page < 2; page++)
        if (bybit_read_instruments(result, &instruments, cursor) == 0)
            check_cursor(cursor);
    (void)!bybit_read_tickers(result, &instruments);
    for (size_t i = 0; i < instruments.count; i++)
        must(decimal_sign(instruments.list[i].tick) > 0 &&
             decimal_sign(instruments.list[i].qty_step) > 0);
    free(instruments.list);
    (void)!bybit_read_wallet(result, &wallet);
    must(bybit_read_created(result, id) < 0 || (id[0] && memchr(id, 0, sizeof id)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bybit_answer answer;
    bybit_read_answer(200, (struct slice){(const char *)data, size}, &answer);
    must(text_is_utf8(slice_of(answer.message), NULL));
    read_orders(answer.result);
    read_fills(answer.result);
    read_positions(answer.result);
    read_market(answer.result);
    bybit_answer_deinit(&answer);
    bybit_read_answer(503, (struct slice){(const char *)data, size}, &answer);
    must(answer.class == EXCHANGE_UNKNOWN && !answer.result);
    return 0;
}
