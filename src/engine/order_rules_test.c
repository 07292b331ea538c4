/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "engine/order_rules.h"

static struct decimal d(const char *text) {
    struct decimal value = {0};
    if (*text)
        assert_int_equal(decimal_read(slice_of(text), &value), 0);
    return value;
}

static struct instrument bitcoin(void) {
    struct instrument instrument = {.symbol = "BTCUSDT",
                                    .tick = d("0.10"),
                                    .price_min = d("0.15"),
                                    .price_max = d("1999999.80"),
                                    .qty_step = d("0.001"),
                                    .qty_min = d("0.001"),
                                    .qty_max = d("1190.0005"),
                                    .notional_min = d("5"),
                                    .trading = true,
                                    .last_price = d("64300")};
    return instrument;
}

/* ret is poisoned before, so that a rule that refuses must have written a sentence. */
static void assert_rule(int r, const char *sentence, const char *expected) {
    assert_int_equal(r, *expected ? RULE_BROKEN : 0);
    if (*expected)
        assert_string_equal(sentence, expected);
}

static void test_price(void **state) {
    static const char *const cases[][2] = {
        {"64250.5", ""},
        {"64250.50", ""},
        {"64250.55", "The price 64,250.55 is not a multiple of the tick 0.10. The nearest is "
                     "64,250.50 or 64,250.60."},
        {"0", "The price 0 is too small. The smallest is 0.20."},
        {"-5", "The price -5 is too small. The smallest is 0.20."},
        {"0.10", "The price 0.10 is too small. The smallest is 0.20."},
        {"2000000", "The price 2,000,000 is too large. The largest is 1,999,999.80."},
        {"1999999.80", ""},
        {"9000000000000000000", "The price 9,000,000,000,000,000,000 has too many digits."},
    };
    struct instrument instrument = bitcoin();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char sentence[RULE_SENTENCE_BYTES] = "?";
        int r = rule_price(&instrument, d(cases[i][0]), sentence);
        assert_rule(r, sentence, cases[i][1]);
    }
}

static void test_qty(void **state) {
    static const char *const cases[][3] = {
        {"0.001", "64250", ""},
        {"0.0015", "64250",
         "The quantity 0.0015 is not a multiple of the step 0.001. The nearest is 0.001 or 0.002."},
        {"0", "64250", "The quantity 0 is too small. The smallest is 0.001."},
        {"1190.001", "64250", "The quantity 1,190.001 is too large. The largest is 1,190.000."},
        {"0.001", "100",
         "The quantity 0.001 is worth 0.1 USDT at 100, and the exchange asks for 5. The smallest "
         "is "
         "0.050."},
        {"0.050", "100", ""},
        {"0.001", "", ""}, /* without a price its worth is not measured */
    };
    struct instrument instrument = bitcoin();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char sentence[RULE_SENTENCE_BYTES] = "?";
        int r = rule_qty(&instrument, d(cases[i][0]), d(cases[i][1]), sentence);
        assert_rule(r, sentence, cases[i][2]);
    }
}

struct side_case {
    enum trade_side side;
    const char *entry, *value, *stop, *take; /* what the rule says; "": fine */
};
static const struct side_case side_cases[] = {
    {SIDE_BUY, "100", "99", "",
     "The take profit 99 is on the wrong side: for a buy it must be above the entry 100."},
    {SIDE_BUY, "100", "101",
     "The stop loss 101 is on the wrong side: for a buy it must be below the entry 100.", ""},
    {SIDE_BUY, "100", "100.0",
     "The stop loss 100.0 is on the wrong side: for a buy it must be below the entry 100.",
     "The take profit 100.0 is on the wrong side: for a buy it must be above the entry 100."},
    {SIDE_SELL, "1000", "1001", "",
     "The take profit 1,001 is on the wrong side: for a sell it must be below the entry 1,000."},
    {SIDE_SELL, "100", "99",
     "The stop loss 99 is on the wrong side: for a sell it must be above the entry 100.", ""},
    {SIDE_BUY, "100", "0",
     "There is no stop loss, and without one there is no order. For a buy it is below the entry "
     "100.",
     "The take profit 0 is on the wrong side: for a buy it must be above the entry 100."},
    {SIDE_SELL, "100", "-1",
     "There is no stop loss, and without one there is no order. For a sell it is above the entry "
     "100.",
     "The take profit -1 is on the wrong side: for a sell it must be below the entry 100."},
};

static void test_sides(void **state) {
    for (size_t i = 0; i < COUNT_OF(side_cases); i++) {
        const struct side_case *c = &side_cases[i];
        char sentence[RULE_SENTENCE_BYTES] = "?";
        int r = rule_stop(c->side, d(c->entry), d(c->value), sentence);
        assert_rule(r, sentence, c->stop);
        r = rule_take(c->side, d(c->entry), d(c->value), sentence);
        assert_rule(r, sentence, c->take);
    }
}

static struct order good_order(void) {
    return (struct order){.symbol = "BTCUSDT",
                          .side = SIDE_BUY,
                          .qty = d("0.079"),
                          .price = d("64250.5"),
                          .stop = d("63000"),
                          .take = d("66751.5")};
}

static void assert_order(struct instrument instrument, struct order order, const char *begins) {
    char sentence[RULE_SENTENCE_BYTES] = "?";
    int r = rule_order(&instrument, &order, sentence);
    assert_int_equal(r, *begins ? RULE_BROKEN : 0);
    if (strncmp(sentence, begins, strlen(begins)) != 0)
        fail_msg("\"%s\", expected \"%s\"", sentence, begins);
}

static void test_order(void **state) {
    struct instrument instrument = bitcoin(), changed = bitcoin();
    struct order order = good_order();
    assert_order(instrument, order, "");
    order.take = d("0");
    assert_order(instrument, order, "");
    order.stop = d("0");
    assert_order(instrument, order, "There is no stop loss");
    order.reduce_only = true;
    assert_order(instrument, order, "");
    order = good_order();
    order.stop = d("63000.05");
    assert_order(instrument, order, "The stop loss 63,000.05 is not a multiple of the tick");
    order = good_order();
    order.take = d("66751.55");
    assert_order(instrument, order, "The take profit 66,751.55 is not a multiple of the tick");
    order = good_order();
    order.side = SIDE_SELL;
    assert_order(instrument, order, "The stop loss 63,000 is on the wrong side");
    order.side = SIDE_NONE;
    assert_order(instrument, order, "The order has no side.");
    order = good_order();
    strcpy(order.symbol, "ETHUSDT");
    assert_order(instrument, order, "The order has no symbol.");
    changed.trading = false;
    assert_order(changed, good_order(), "BTCUSDT is not being traded");
    changed = bitcoin();
    changed.tick = d("0");
    assert_order(changed, good_order(), "The exchange has not said the tick");
    order = good_order();
    order.type = ORDER_MARKET;
    assert_order(instrument, order, "");
    instrument.last_price = d("0");
    assert_order(instrument, order, "The last price of BTCUSDT is not known yet.");
}

static void test_symbols(void **state) {
    struct instrument list[] = {bitcoin(), bitcoin(), bitcoin(), bitcoin(), bitcoin()};
    strcpy(list[1].symbol, "ETHUSDT");
    strcpy(list[2].symbol, "1000PEPEUSDT");
    strcpy(list[3].symbol, "LUNAUSDT");
    list[3].trading = false;
    strcpy(list[4].symbol, "BTCPERP");
    struct instruments instruments = {list, COUNT_OF(list)};
    static const char *const cases[][2] = {
        {"btc", "BTCUSDT"},
        {"BTC", "BTCUSDT"},
        {"btcusdt", "BTCUSDT"},
        {"BTC/USDT", "BTCUSDT"},
        {" btc-usdt ", "BTCUSDT"},
        {"btc_usdt", "BTCUSDT"},
        {"btcperp", "BTCPERP"},
        {"1000pepe", "1000PEPEUSDT"},
        {"pepe", "\"pepe\" is not a symbol here. Did you mean 1000PEPEUSDT?"},
        {"btx", "\"btx\" is not a symbol here. Did you mean BTCUSDT?"},
        {"ethusd", "\"ethusd\" is not a symbol here. Did you mean ETHUSDT?"},
        {"eht", "\"eht\" is not a symbol here. Did you mean ETHUSDT?"},
        {"xyz", "\"xyz\" is not a symbol here. Please type one like BTC or BTCUSDT."},
        {"usdt", "\"usdt\" is not a symbol here. Please type one like BTC or BTCUSDT."},
        {"", "\"\" is not a symbol here. Please type one like BTC or BTCUSDT."},
        {"b\xc3\xbctc",
         "\"b\xc3\xbctc\" is not a symbol here. Please type one like BTC or BTCUSDT."},
        {"a very long text that is no symbol at all",
         "\"a very long text that is\" is not a symbol here. Please type one like BTC or BTCUSDT."},
        {"luna", "LUNAUSDT is not being traded at the exchange now."},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char sentence[RULE_SENTENCE_BYTES] = "?";
        const struct instrument *found = rule_symbol(&instruments, cases[i][0], sentence);
        assert_string_equal(found ? found->symbol : sentence, cases[i][1]);
    }
    char sentence[RULE_SENTENCE_BYTES];
    assert_null(rule_symbol(&(struct instruments){0}, "btc", sentence));
    assert_string_equal(sentence,
                        "The exchange has not answered yet. Please try again in a moment.");
}

static void test_numbers(void **state) {
    static const char *const cases[][2] = {
        {"64250.5", "64250.5"},
        {"64,250.5", "64250.5"},
        {"64 250.5", "64250.5"},
        {"64_250.5", "64250.5"},
        {"64'250.5", "64250.5"},
        {"64\xc2\xa0"
         "250",
         "64250"},
        {"1\xe2\x80\xaf"
         "064\xe2\x80\xaf"
         "250.50",
         "1064250.50"},
        {"  5 \n", "5"},
        {".5", "0.5"},
        {"0.000001", "0.000001"},
        {"1,000,000", "1000000"},
        {"999", "999"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char sentence[RULE_SENTENCE_BYTES] = "?", printed[DECIMAL_TEXT_BYTES];
        struct decimal value;
        assert_int_equal(rule_number(cases[i][0], &value, sentence), 0);
        assert_string_equal(decimal_print(value, printed), cases[i][1]);
    }
}

static void test_no_numbers(void **state) {
    static const char marks[] = "is that one thousand", none[] = "that is not a number";
    static const char exponent[] = "please write all digits",
                      sign[] = "the number must be above 0,";
    static const char *const cases[][2] = {
        {"", "a number is needed"},
        {"   ", "a number is needed"},
        {"0", "the number must be above 0."},
        {"0.000", "the number must be above 0."},
        {"-5", sign},
        {"+5", sign},
        {"-", none},
        {"nan", none},
        {"NaN", none},
        {"inf", none},
        {"Infinity", none},
        {"1e5", exponent},
        {"6.4E+4", exponent},
        {"1e", none},
        {"0x10", none},
        {"64k", none},
        {"$5", none},
        {"5 USDT", none},
        {"1.2.3", none},
        {".", none},
        {"64,25", marks},
        {"0,500", marks},
        {"64.250,5", marks},
        {"1,0000", marks},
        {"1234,567", marks},
        {"1,234 567", marks},
        {",123", marks},
        {"1,,234", marks},
        {"1,23a", none},
        {"1.0000000000000000001", "that has more digits"},
        {"99999999999999999999", "that has more digits"},
        {"\xd9\xa1", none}, /* a digit, in Arabic */
        {"1111111111111111111111111111111111111111111111111111111111111111111111111111", none},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char sentence[RULE_SENTENCE_BYTES] = "?";
        struct decimal value = decimal_of(7);
        assert_int_equal(rule_number(cases[i][0], &value, sentence), RULE_BROKEN);
        if (!strstr(sentence, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], sentence);
        assert_int_equal(value.mantissa, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_price),      cmocka_unit_test(test_qty),
        cmocka_unit_test(test_sides),      cmocka_unit_test(test_order),
        cmocka_unit_test(test_symbols),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
