/* SPDX-License-Identifier: Apache-2.0 */
/* Answers and requests; the rows are in bybit_rows_test.c. */
#include "base/test.h"
#include "base/text.h"
#include "wire/bybit.h"

#define SAID(code) "{\"retCode\":" #code ",\"retMsg\":\"m\",\"result\":{},\"time\":1671017382656}"
struct example {
    int status;
    const char *body;
    enum exchange_class class;
};
static const struct example examples[] = {
    {200, SAID(0), EXCHANGE_OK},
    {200, "{\"retCode\":\"0\",\"retMsg\":\"\",\"result\":null}", EXCHANGE_OK},
    {200, "{\"retCode\":0}", EXCHANGE_OK},
    {200, SAID(110043), EXCHANGE_AS_WISHED},
    {200, SAID(34040), EXCHANGE_AS_WISHED},
    {200, SAID(110072), EXCHANGE_DUPLICATE},
    {200, SAID("110072"), EXCHANGE_DUPLICATE},
    {200, SAID(110001), EXCHANGE_NO_ORDER},
    {200, SAID(110008), EXCHANGE_ENDED},
    {200, SAID(110010), EXCHANGE_ENDED},
    {200, SAID(110079), EXCHANGE_BUSY},
    {200, SAID(10006), EXCHANGE_RATE_LIMITED},
    {200, SAID(10002), EXCHANGE_CLOCK},
    {200, SAID(-1), EXCHANGE_CLOCK},
    {200, SAID(10001), EXCHANGE_REFUSED},
    {200, SAID(110007), EXCHANGE_REFUSED},
    {200, SAID(110094), EXCHANGE_REFUSED},
    {200, SAID(110017), EXCHANGE_REFUSED},
    {200, SAID(10003), EXCHANGE_FATAL},
    {200, SAID(10010), EXCHANGE_FATAL},
    {200, SAID(-2015), EXCHANGE_FATAL},
    {200, SAID(10018), EXCHANGE_BLOCKED},
    {200, SAID(10000), EXCHANGE_UNKNOWN},
    {200, SAID(10016), EXCHANGE_UNKNOWN},
    {200, SAID(10014), EXCHANGE_UNKNOWN},
    {200, SAID(40004), EXCHANGE_UNKNOWN},
    {200, SAID(170007), EXCHANGE_UNKNOWN},
    {200, SAID(987654), EXCHANGE_UNKNOWN},
    {403, "", EXCHANGE_BLOCKED},
    {403, SAID(0), EXCHANGE_BLOCKED},
    {401, SAID(10003), EXCHANGE_FATAL},
    {404, "<html>", EXCHANGE_REFUSED},
    {429, "", EXCHANGE_UNKNOWN},
    {500, SAID(0), EXCHANGE_UNKNOWN},
    {502, "<html>bad gateway</html>", EXCHANGE_UNKNOWN},
    {503, SAID(10006), EXCHANGE_UNKNOWN},
    {302, SAID(0), EXCHANGE_UNKNOWN},
    {0, "", EXCHANGE_UNKNOWN},
    {200, "", EXCHANGE_UNKNOWN},
    {200, "<html>hello</html>", EXCHANGE_UNKNOWN},
    {200, "[]", EXCHANGE_UNKNOWN},
    {200, "null", EXCHANGE_UNKNOWN},
    {200, "{}", EXCHANGE_UNKNOWN},
    {200, SAID(0) "x", EXCHANGE_UNKNOWN},
    {200, SAID(0.0), EXCHANGE_UNKNOWN},
    {200, SAID(null), EXCHANGE_UNKNOWN},
    {200, SAID(true), EXCHANGE_UNKNOWN},
    {200, SAID(""), EXCHANGE_UNKNOWN},
    {200, SAID("0x0"), EXCHANGE_UNKNOWN},
    {200, SAID(99999999999), EXCHANGE_UNKNOWN},
    {200, SAID(99999999999999999999999), EXCHANGE_UNKNOWN},
    {200, "{\"retCode\":0,\"result\":[]}", EXCHANGE_UNKNOWN},
    {200, "{\"retCode\":0,\"result\":\"{}\"}", EXCHANGE_UNKNOWN},
    {200, "{\"retCode\":0,\"retMsg\":1,\"result\":{}}", EXCHANGE_UNKNOWN},
    {200, "{\"retCode\":0,\"time\":-1,\"result\":{}}", EXCHANGE_UNKNOWN},
    {200, "{\"retCode\":0,\"time\":1.5,\"result\":{}}", EXCHANGE_UNKNOWN},
    {200, "{\"retCode\":0,\"retCode\":10001}", EXCHANGE_UNKNOWN},
    {200, "{\"retCode\":0,\"retMsg\":\"a\\u0000b\"}", EXCHANGE_UNKNOWN},
    {200, "{\"retCode\":0,\"retMsg\":\"\xff\"}", EXCHANGE_UNKNOWN},
};

static void test_classes(void **state) {
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct bybit_answer answer;
        bybit_read_answer(examples[i].status, slice_of(examples[i].body), &answer);
        if (answer.class != examples[i].class)
            fail_msg("%d %s is %s", examples[i].status, examples[i].body,
                     exchange_class_name(answer.class));
        assert_true(answer.class != EXCHANGE_UNKNOWN || answer.message[0]);
        bybit_answer_deinit(&answer);
    }
}

static void test_what_an_answer_says(void **state) {
    struct bybit_answer answer;
    bybit_read_answer(200,
                      slice_of("{\"retCode\":110007,\"retMsg\":\"ab not enough for new order\","
                               "\"result\":{},\"retExtInfo\":{},\"time\":1668838414793}"),
                      &answer);
    assert_int_equal(answer.code, 110007);
    assert_string_equal(answer.message, "ab not enough for new order");
    assert_true(answer.time_ms == 1668838414793);
    assert_non_null(answer.result);
    bybit_answer_deinit(&answer);
    bybit_answer_deinit(&answer); /* twice is fine */
    bybit_read_answer(200, slice_of("{\"retCode\":110094}"), &answer);
    assert_string_equal(answer.message, "retCode 110094");
    assert_null(answer.result);
    bybit_read_answer(502, slice_of("<html>"), &answer);
    assert_int_equal(answer.code, -1000);
    assert_string_equal(answer.message, "HTTP 502: no answer of Bybit");
    bybit_read_answer(
        403, slice_of("{\"retCode\":10018,\"retMsg\":\"access too frequent\",\"result\":{}}"),
        &answer);
    assert_string_equal(answer.message, "HTTP 403: access too frequent");
    assert_null(answer.result);
}

static void test_cut_at_every_byte(void **state) {
    static const char body[] =
        "{\"retCode\":0,\"retMsg\":\"OK\",\"result\":{\"list\":[{\"a\":\"\\u00e9\"}"
        "]},\"retExtInfo\":{},\"time\":1671017382656}";
    for (size_t size = 0; size < sizeof body - 1; size++) {
        struct bybit_answer answer;
        AUTO_FREE char *copy = text_copy_n(body, size); /* ends where the memory ends */
        bybit_read_answer(200, (struct slice){copy, size}, &answer);
        assert_int_equal(answer.class, EXCHANGE_UNKNOWN);
        assert_null(answer.result);
    }
}

static void assert_unknown(struct buffer *body) {
    struct bybit_answer answer;
    bybit_read_answer(200, buffer_slice(body), &answer);
    assert_int_equal(answer.class, EXCHANGE_UNKNOWN);
    assert_null(answer.result);
}

static void test_large_deep_and_with_zero_bytes(void **state) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_text(&body, "{\"retCode\":0,\"result\":{\"a\":");
    for (int i = 0; i < 100000; i++)
        buffer_add_text(&body, "[");
    assert_unknown(&body);
    for (int i = 0; i < 100000; i++)
        buffer_add_text(&body, "]");
    buffer_add_text(&body, "}}");
    assert_unknown(&body);
    buffer_clear(&body);
    buffer_add(&body, "{\"retCode\":0}\0", 14);
    assert_unknown(&body);
    buffer_clear(&body);
    while (body.size < 2 << 20)
        buffer_add_text(&body, "<p>502 bad gateway</p>\n");
    assert_unknown(&body);
    buffer_clear(&body);
    buffer_add_text(&body, "{\"retCode\":10001,\"retMsg\":\"");
    while (body.size < 2 << 20)
        buffer_add_text(&body, "h\xc3\xa9");
    buffer_add_text(&body, "\"}");
    struct bybit_answer answer;
    bybit_read_answer(200, buffer_slice(&body), &answer);
    assert_int_equal(answer.class, EXCHANGE_REFUSED);
    assert_true(text_is_utf8(slice_of(answer.message), NULL));
    assert_true(strlen(answer.message) > 100);
}

/* --- requests ----------------------------------------------------------------------------- */

static struct decimal number(const char *text) {
    struct decimal value = {0};
    assert_int_equal(decimal_read(slice_of(text), &value), 0);
    return value;
}

static struct order good_order(void) {
    return (struct order){.link_id = "hf-42-a_b",
                          .symbol = "BTCUSDT",
                          .side = SIDE_BUY,
                          .type = ORDER_LIMIT,
                          .qty = number("0.010"),
                          .price = number("64250.50"),
                          .stop = number("63000"),
                          .take = number("66000.10")};
}

static void assert_body(void (*add)(const struct order *, struct buffer *),
                        const struct order *order, const char *expected) {
    AUTO_BUFFER struct buffer body = {0};
    add(order, &body);
    assert_string_equal(body.data, expected);
}

static void test_order_requests(void **state) {
    struct order order = good_order();
    assert_body(bybit_add_create, &order,
                "{\"category\":\"linear\",\"symbol\":\"BTCUSDT\",\"side\":\"Buy\","
                "\"orderType\":\"Limit\",\"qty\":\"0.010\",\"price\":\"64250.50\","
                "\"timeInForce\":\"GTC\",\"positionIdx\":0,\"orderLinkId\":\"hf-42-a_b\","
                "\"reduceOnly\":false,\"takeProfit\":\"66000.10\",\"stopLoss\":\"63000\","
                "\"tpslMode\":\"Full\"}");
    assert_body(bybit_add_cancel, &order,
                "{\"category\":\"linear\",\"symbol\":\"BTCUSDT\",\"orderLinkId\":\"hf-42-a_b\"}");
    assert_body(bybit_add_find, &order, "category=linear&symbol=BTCUSDT&orderLinkId=hf-42-a_b");
    order.take = (struct decimal){0};
    order.type = ORDER_MARKET;
    order.side = SIDE_SELL;
    assert_body(bybit_add_create, &order,
                "{\"category\":\"linear\",\"symbol\":\"BTCUSDT\",\"side\":\"Sell\","
                "\"orderType\":\"Market\",\"qty\":\"0.010\",\"timeInForce\":\"IOC\","
                "\"positionIdx\":0,\"orderLinkId\":\"hf-42-a_b\",\"reduceOnly\":false,"
                "\"stopLoss\":\"63000\",\"tpslMode\":\"Full\"}");
    order.reduce_only = true;
    assert_body(bybit_add_create, &order,
                "{\"category\":\"linear\",\"symbol\":\"BTCUSDT\",\"side\":\"Sell\","
                "\"orderType\":\"Market\",\"qty\":\"0.010\",\"timeInForce\":\"IOC\","
                "\"positionIdx\":0,\"orderLinkId\":\"hf-42-a_b\",\"reduceOnly\":true}");
    order = (struct order){.exchange_id = "fd43", .symbol = "BTC\"U&"};
    assert_body(bybit_add_cancel, &order,
                "{\"category\":\"linear\",\"symbol\":\"BTC\\\"U&\",\"orderId\":\"fd43\"}");
    assert_body(bybit_add_find, &order, "category=linear&symbol=BTC%22U%26&orderLinkId=");
}

static void test_position_requests(void **state) {
    AUTO_BUFFER struct buffer body = {0};
    bybit_add_leverage("BTCUSDT", number("6"), &body);
    assert_string_equal(body.data, "{\"category\":\"linear\",\"symbol\":\"BTCUSDT\","
                                   "\"buyLeverage\":\"6\",\"sellLeverage\":\"6\"}");
    buffer_clear(&body);
    bybit_add_protection("XRPUSDT", number("0.2"), number("0.6"), &body);
    assert_string_equal(body.data,
                        "{\"category\":\"linear\",\"symbol\":\"XRPUSDT\",\"takeProfit\":\"0.6\","
                        "\"stopLoss\":\"0.2\",\"tpslMode\":\"Full\",\"positionIdx\":0}");
    buffer_clear(&body);
    bybit_add_protection("XRPUSDT", number("0.2"), (struct decimal){0}, &body);
    assert_string_equal(body.data, "{\"category\":\"linear\",\"symbol\":\"XRPUSDT\","
                                   "\"stopLoss\":\"0.2\",\"tpslMode\":\"Full\",\"positionIdx\":0}");
}

static void test_page_requests(void **state) {
    AUTO_BUFFER struct buffer query = {0};
    bybit_add_open_orders("", &query);
    assert_string_equal(query.data, "category=linear&settleCoin=USDT&openOnly=0&limit=50");
    buffer_clear(&query);
    bybit_add_positions("page_token%3D39380%26", &query);
    assert_string_equal(query.data, "category=linear&settleCoin=USDT&limit=50&"
                                    "cursor=page_token%3D39380%26");
    buffer_clear(&query);
    bybit_add_fills(1672282722429, "a", &query);
    assert_string_equal(query.data, "category=linear&startTime=1672282722429&limit=50&cursor=a");
    buffer_clear(&query);
    bybit_add_instruments("", &query);
    assert_string_equal(query.data, "category=linear&limit=1000");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_what_an_answer_says),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_large_deep_and_with_zero_bytes),
        cmocka_unit_test(test_order_requests),
        cmocka_unit_test(test_position_requests),
        cmocka_unit_test(test_page_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
