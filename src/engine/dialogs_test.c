/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dialogs_test.h"
#include "engine/dialogs_text.h"
#include <stdio.h>

#define SYMBOLS "BTCUSDT | ETHUSDT / Back | Cancel"
#define TAKES                                                                                      \
    "2R = 66,751.50 (default) / 1R = 65,501.00 / 1.5R = 66,126.30 / 3R = 68,002.00 / Back | "      \
    "Cancel"
#define PREVIEW "Confirm / Back | Cancel"

static const struct line whole_buy[] = {
    {"say /limitbuy", "PS", "PAPER (no real money)\nLimit buy\n\nWhich symbol?", SYMBOLS},
    {"press BTCUSDT", "EPST",
     "Symbol: BTCUSDT\nPAPER (no real money)\nLimit buy BTCUSDT\n\n"
     "Last price: 64,300.00",
     "Back | Cancel"},
    {"say 64,250.5", "PS",
     "Entry: 64,250.50\n\nType the stop loss, below the entry. The size is "
     "chosen so that a hit stop costs at most 100.00 USDT",
     "Back | Cancel"},
    {"say 63000", "PS", "Entry: 64,250.50\nStop loss: 63,000.00\nQuantity: 0.079", TAKES},
    {"press 2R", "EPST",
     "Take profit: 66,751.50\nPAPER (no real money)\nLimit buy BTCUSDT\n\n"
     "Entry: 64,250.50\nStop loss: 63,000.00\nTake profit: 66,751.50\nQuantity: 0.079\n"
     "Risk: 98.79 USDT\nReward: 197.58 USDT\nR:R: 1 : 2\nNotional: 5,075.79 USDT\n"
     "Last price: 64,300.00\n\nPlace this order?",
     PREVIEW},
    {"press Confirm", "EDOT", "Confirmed. You will be told", NULL},
};

static void assert_the_order(const struct bench *b) {
    assert_int_equal(b->placed, 1);
    assert_int_equal(b->kept_count, 0);
    assert_string_equal(b->order.symbol, "BTCUSDT");
    assert_int_equal(b->order.side, SIDE_BUY);
    assert_int_equal(b->order.type, ORDER_LIMIT);
    assert_true(decimal_equal(b->order.qty, d("0.079")));
    assert_true(decimal_equal(b->order.price, d("64250.5")));
    assert_true(decimal_equal(b->order.stop, d("63000")));
    assert_true(decimal_equal(b->order.take, d("66751.5")));
}

static void test_whole_buy(void **state) {
    struct bench b;
    bench_begin(&b);
    bench_run(&b, whole_buy, COUNT_OF(whole_buy));
    assert_the_order(&b);
    struct dialogs_command *edit = bench_find(&b, DIALOGS_DO_EDIT);
    assert_int_equal(edit->button_count, 0);
    assert_int_equal(edit->message_id, 9);
    assert_string_equal(bench_find(&b, DIALOGS_DO_TOAST)->query_id, "q");
    bench_end(&b);
}

/* Killed before each event, a conversation goes on where it was. */
static void test_whole_buy_with_a_restart_before_each_step(void **state) {
    struct bench b;
    bench_begin(&b);
    b.restart_always = true;
    bench_run(&b, whole_buy, COUNT_OF(whole_buy));
    assert_the_order(&b);
    bench_end(&b);
}

static void test_whole_sell_in_one_line(void **state) {
    struct bench b;
    bench_begin(&b);
    RUN(&b,
        {"say /limitsell eth 3100 3150 2900", "PS",
         "PAPER (no real money)\nLimit sell ETHUSDT\n\nEntry: 3,100.00\nStop loss: 3,150.00\n"
         "Take profit: 2,900.00\nQuantity: 2.00\nRisk: 100.00 USDT\nReward: 400.00 USDT\n"
         "R:R: 1 : 4\nNotional: 6,200.00 USDT\nLast price: 3,000.00\n\nPlace this order?",
         PREVIEW},
        {"press Confirm", "EDOT", NULL, NULL});
    assert_int_equal(b.order.side, SIDE_SELL);
    assert_int_equal(b.placed, 1);
    bench_end(&b);
}

static void test_words_of_the_command(void **state) {
    struct bench b;
    bench_begin(&b);
    RUN(&b, {"say /limitbuy btc", "PS", "Last price", "Back | Cancel"},
        {"say /limitbuy btx 64000", "SDPS", "Did you mean BTCUSDT?", SYMBOLS},
        {"say /limitbuy BTC/USDT 64,000 64100", "SDPS", "must be below the entry 64,000",
         "Back | Cancel"},
        {"say /limitbuy btc 64000 63000 2R extra", "SDPS", "There was more in the command",
         PREVIEW},
        {"say /LimitBuy@our_bot btc 64000 63000 1.5r", "SDPS", "R:R: 1 : 1.5", PREVIEW},
        {"say /limitbuy   \n", "SDPS", "Which symbol", SYMBOLS});
    bench_end(&b);
}

static void test_wrong_answers_at_each_step(void **state) {
    struct bench b;
    bench_begin(&b);
    RUN(&b, {"say /limitbuy", "PS", NULL, NULL},
        {"say bitcoin", "PS", "\"bitcoin\" is not a symbol here.", SYMBOLS},
        {"say dead", "PS", "DEADUSDT is not being traded", SYMBOLS},
        {"say btc", "PS", "At which price", NULL},
        {"say nan", "PS", "\"nan\": that is not a number", "Back | Cancel"},
        {"say 1e5", "PS", "without an exponent", NULL}, {"say -5", "PS", "must be above 0", NULL},
        {"say 0", "PS", "must be above 0", NULL}, {"say 64,25", "PS", "decimal comma", NULL},
        {"say 64250.55", "PS", "The nearest is 64,250.50 or 64,250.60.", NULL},
        {"say 64 250.5", "PS", "Type the stop loss, below", NULL},
        {"say 64250.5", "PS", "The stop loss 64,250.5 is on the wrong side", "Back | Cancel"},
        {"say 65000", "PS", "for a buy it must be below the entry 64,250.5.", NULL},
        {"say none", "PS", "not a number", NULL},
        {"say 63000.05", "PS", "The nearest is 63,000.00 or 63,000.10.", NULL},
        {"say 63000", "PS", "Where is the take profit", TAKES},
        {"say 64000", "PS", "The take profit 64,000 is on the wrong side", TAKES},
        {"say xR", "PS", "\"x\": that is not a number", TAKES},
        {"say 66000.01", "PS", "The nearest is 66,000.00 or 66,000.10", TAKES},
        {"say 2.5 R", "PS", "R:R: 1 : 2.5", PREVIEW},
        {"say yes", "PS", "Nothing is placed yet. Please press Confirm", PREVIEW},
        {"press Confirm", "EDOT", NULL, NULL});
    assert_int_equal(b.placed, 1);
    bench_end(&b);
}

/* A photo has no text. */
static void test_no_text(void **state) {
    struct bench b;
    bench_begin(&b);
    bench_say(&b, NULL);
    assert_non_null(strstr(bench_find(&b, DIALOGS_DO_SAY)->text, "I am not waiting"));
    bench_say(&b, "/limitbuy btc");
    bench_say(&b, NULL);
    assert_non_null(strstr(bench_find(&b, DIALOGS_DO_SAY)->text, "I can only read text."));
    assert_int_equal(b.kept[0].step, DIALOG_ENTRY);
    bench_end(&b);
}

static void test_back_from_each_step(void **state) {
    struct bench b;
    bench_begin(&b);
    RUN(&b, {"say /limitbuy btc 64250.5 63000 2R", "PS", "Place this order?", PREVIEW},
        {"press Back", "EPST", "Where is the take profit", TAKES},
        {"press Back", "EPST", "Type the stop loss", "Back | Cancel"},
        {"press Back", "EPST", "At which price", "Back | Cancel"},
        {"press Back", "EPST", "Which symbol", SYMBOLS},
        {"press ETH", "EPST", "Last price: 3,000.00", NULL},
        {"press Back", "EPST", "Which symbol", NULL},
        {"press Back", "DEST", "Cancelled. Nothing was placed.",
         "Limit buy | Limit sell / Status | Help"});
    assert_int_equal(b.kept_count, 0);
    /* What is chosen after the way back is what is placed. */
    RUN(&b, {"say /limitbuy btc 64250.5 63000 2R", "PS", NULL, NULL},
        {"press Back", "EPST", NULL, NULL}, {"press Back", "EPST", NULL, NULL},
        {"say 63500", "PS", "Quantity: 0.133", NULL}, {"press 1R", "EPST", NULL, NULL},
        {"press Confirm", "EDOT", NULL, NULL});
    assert_true(decimal_equal(b.order.stop, d("63500")));
    assert_true(decimal_equal(b.order.take, d("65001")));
    assert_true(decimal_equal(b.order.qty, d("0.133")));
    bench_end(&b);
}

static void test_cancel_at_each_step(void **state) {
    static const char *const begins[] = {"/limitbuy", "/limitbuy btc", "/limitbuy btc 64000",
                                         "/limitbuy btc 64000 63000",
                                         "/limitbuy btc 64000 63000 2R"};
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        struct bench b;
        bench_begin(&b);
        bench_say(&b, begins[i]);
        assert_int_equal(b.kept[0].step, i);
        RUN(&b, {"press Cancel", "DET", "Cancelled. Nothing was placed.", NULL},
            {"again 1", "T", "it was cancelled", NULL});
        bench_say(&b, begins[i]);
        RUN(&b, {"say /cancel", "DS", "Cancelled. Nothing was placed.", ""},
            {"say /cancel", "S", "There is nothing to cancel", NULL},
            {"say 64000", "S", "I am not waiting for an answer now.", NULL});
        assert_int_equal(b.kept_count, 0);
        assert_int_equal(b.placed, 0);
        bench_end(&b);
    }
}

static void test_confirm_works_once(void **state) {
    struct bench b;
    bench_begin(&b);
    RUN(&b, {"say /limitbuy btc 64250.5 63000 2R", "PS", NULL, NULL},
        {"press Confirm", "EDOT", NULL, NULL}, {"again 1", "T", "Already confirmed.", NULL},
        {"again 1", "T", "Already confirmed.", NULL}, {"restart", "", NULL, NULL},
        {"again 1", "T", "This button has expired.", NULL}, {"press Back", "T", "expired", NULL});
    assert_int_equal(b.placed, 1);
    bench_end(&b);
}

/* The Confirm of a preview that showed other numbers places nothing. */
static void test_older_buttons(void **state) {
    struct bench b;
    bench_begin(&b);
    bench_say(&b, "/limitbuy btc 64250.5 63000 2R");
    const char *confirm = bench_button(&b, "Confirm");
    RUN(&b, {"press Back", "EPST", NULL, NULL}, {"again 1", "T", "newest message", NULL});
    bench_press(&b, confirm);
    bench_say(&b, "3R");
    bench_press(&b, confirm);
    assert_int_equal(b.commands.count, 1);
    assert_int_equal(b.placed, 0);
    bench_restart(&b);
    bench_press(&b, confirm);
    assert_int_equal(b.placed, 0);
    RUN(&b, {"press Confirm", "EDOT", NULL, NULL});
    assert_true(decimal_equal(b.order.take, d("68002")));
    bench_end(&b);
}

static void test_buttons_that_are_no_buttons(void **state) {
    static const char *const data[] = {
        "",     "x",        "d:",         "d::",       "d:0:0:ok",
        "d:1:", "d:101:ok", "d:101:0:ok", "d:-1:-1:=", "d:9999999999999999999999:1:ok"};
    struct bench b;
    bench_begin(&b);
    bench_say(&b, "/limitbuy btc 64250.5 63000 2R");
    for (size_t i = 0; i < COUNT_OF(data); i++) {
        bench_press(&b, data[i]);
        assert_int_equal(b.commands.count, 1);
        assert_int_equal(b.commands.list[0].what, DIALOGS_DO_TOAST);
    }
    bench_press(&b, NULL);
    assert_int_equal(b.commands.list[0].what, DIALOGS_DO_TOAST);
    char forged[DIALOG_DATA_BYTES]; /* of this question, but not among its buttons */
    snprintf(forged, sizeof forged, "d:101:%lld:nothing", (long long)b.kept[0].deadline_ms);
    bench_press(&b, forged);
    assert_int_equal(b.commands.count, 1);
    bench_end(&b);
}

static void test_only_the_owner(void **state) {
    struct bench b;
    bench_begin(&b);
    bench_say(&b, "/limitbuy btc 64250.5 63000 2R");
    b.user = STRANGER;
    RUN(&b,
        {"say /limitbuy btc 64250.5 63000 2R", "SL",
         "serves its owner only. Your Telegram id is 666", ""},
        {"say /start", "", NULL, NULL}, /* told within the hour */
        {"press Confirm", "T", "not yours", NULL}, {"press Cancel", "T", "not yours", NULL},
        {"press Back", "T", "not yours", NULL});
    b.chat = OWNER; /* even in our chat */
    RUN(&b, {"press Confirm", "T", "not yours", NULL});
    b.chat = 0;
    b.user = STRANGER + 1;
    RUN(&b, {"press Confirm", "LT", "not yours", NULL});
    b.user = STRANGER;
    b.now += 3600001;
    bench_say(&b, "hello");
    assert_non_null(bench_find(&b, DIALOGS_DO_LOG));
    assert_int_equal(b.placed, 0);
    bench_end(&b);
}

static void test_another_chat_of_the_owner(void **state) {
    struct bench b;
    bench_begin(&b);
    bench_say(&b, "/limitbuy btc 64250.5 63000 2R");
    b.chat = 43;
    RUN(&b, {"press Confirm", "T", "not yours", NULL}, {"say 3R", "S", "I am not waiting", NULL});
    bench_end(&b);
}

static void test_no_owner(void **state) {
    struct bench b;
    bench_begin(&b);
    b.options.owner = 0;
    bench_restart(&b);
    RUN(&b, {"say /start", "SL",
             "This bot has no owner yet. If it is yours, name your Telegram id in "
             "its configuration: 42.",
             ""});
    b.options.owner = OWNER;
    bench_end(&b);
}

static void test_group(void **state) {
    struct bench b;
    bench_begin(&b);
    bench_say(&b, "/limitbuy btc 64250.5 63000 2R");
    b.chat = GROUP;
    RUN(&b, {"say /status", "S", "Please write to me in our private chat.", ""},
        {"say good morning", "", NULL, NULL},
        {"press Confirm", "T", "Only in our private chat", NULL});
    b.user = STRANGER;
    RUN(&b, {"say /start", "L", NULL, NULL}, {"say /start", "", NULL, NULL},
        {"say good morning", "", NULL, NULL});
    assert_int_equal(b.placed, 0);
    assert_int_equal(b.kept_count, 1);
    bench_end(&b);
}

static void test_commands(void **state) {
    struct bench b;
    bench_begin(&b);
    RUN(&b,
        {"say /start", "S", "PAPER (no real money)\n\nI place limit orders",
         "Limit buy | Limit sell / Status | Help"},
        {"press Help", "ST", "/limitbuy - buy at a price", NULL},
        {"press Status", "IT", NULL, NULL}, {"say /status", "I", NULL, NULL},
        {"press Limit sell", "PST", "Limit sell\n\nWhich symbol", NULL},
        {"say /limtbuy", "S", "Did you mean /limitbuy?", NULL}, /* ends nothing */
        {"say /foo bar", "S", "There is no command /foo.", NULL},
        {"say /", "S", "There is no command /.", NULL}, {"say btc", "PS", "At which price", NULL},
        {"say /help", "SDS", "Limit sell: ended by your new command, nothing was placed.", NULL},
        {"press Back", "T", "expired", NULL}, {"say /limitbuy", "PS", NULL, NULL},
        {"press Limit sell", "SDPST", "ended by your new command", NULL},
        {"say hello", "PS", "not a symbol", NULL});
    bench_end(&b);
}

static void test_deadline(void **state) {
    struct bench b;
    bench_begin(&b);
    assert_true(dialogs_next_ms(b.dialogs) == INT64_MAX);
    RUN(&b, {"say /limitbuy btc", "PS", NULL, NULL}, {"wait 599", "", NULL, NULL},
        {"say 64250.5", "PS", NULL, NULL}, /* each step begins it anew */
        {"wait 599", "", NULL, NULL});
    assert_true(dialogs_next_ms(b.dialogs) == b.now + 1000);
    RUN(&b, {"wait 1", "SD", "Limit buy: time is up, nothing was placed.", ""},
        {"wait 600", "", NULL, NULL}, {"press Back", "T", "This button has expired.", NULL},
        {"say /limitbuy btc 64250.5 63000 2R", "PS", NULL, NULL});
    /* The press comes before the timer. */
    b.now += 600000;
    RUN(&b, {"press Confirm", "SDT", "time is up", NULL});
    assert_int_equal(b.placed, 0);
    /* A restart later than the deadline. */
    bench_say(&b, "/limitbuy btc");
    b.now += 700000;
    bench_restart(&b);
    RUN(&b, {"wait 0", "SD", "time is up", NULL});
    assert_int_equal(b.kept_count, 0);
    bench_end(&b);
}

static void test_stale(void **state) {
    struct bench b;
    bench_begin(&b);
    b.sent = b.now - 300001;
    RUN(&b, {"say /limitbuy btc", "S",
             "You wrote this 5 minutes ago: \"/limitbuy btc\"\nNothing was done.", ""});
    b.sent = b.now - 300000;
    RUN(&b, {"say /limitbuy btc", "PS", NULL, NULL});
    b.sent = b.now - 400000;
    RUN(&b, {"say 64000", "S", "6 minutes ago", NULL});
    assert_int_equal(b.kept[0].step, DIALOG_ENTRY);
    bench_end(&b);
}

/* A press that was long on its way shows the preview anew; the fresh button places. */
static void test_stale_press(void **state) {
    struct bench b;
    bench_begin(&b);
    bench_say(&b, "/limitbuy btc 64250.5 63000 2R");
    const char *confirm = bench_button(&b, "Confirm");
    b.now += 300001;
    bench_press(&b, confirm);
    assert_int_equal(b.placed, 0);
    bench_press(&b, confirm);
    assert_int_equal(b.placed, 0);
    RUN(&b, {"press Confirm", "EDOT", NULL, NULL});
    assert_int_equal(b.placed, 1);
    bench_end(&b);
}

static void test_market_not_known(void **state) {
    struct bench b;
    bench_begin(&b);
    b.instruments.count = 0;
    RUN(&b, {"say /limitbuy btc", "S", "The exchange has not answered yet. Please try again", ""});
    b.instruments.count = 3;
    bench_say(&b, "/limitbuy btc 64250.5 63000 2R");
    b.instruments.count = 0;
    RUN(&b, {"press Confirm", "PST", "The exchange has not answered yet.", PREVIEW},
        {"press Back", "EPST", "Where is the take profit", "Back | Cancel"},
        {"say 2R", "PS", "The exchange has not answered yet.", NULL});
    b.instruments.count = 3;
    RUN(&b, {"say 2R", "PS", NULL, PREVIEW}, {"press Confirm", "EDOT", NULL, NULL});
    bench_end(&b);
}

static void test_rules_that_change_before_the_confirm(void **state) {
    struct bench b;
    bench_begin(&b);
    bench_say(&b, "/limitbuy btc 64250.5 63000 2R");
    b.list[0].tick = d("1");
    RUN(&b,
        {"press Confirm", "PST", "The entry 64,250.5 is not a multiple of the tick 1.", PREVIEW});
    b.list[0].tick = d("0.10");
    b.list[0].qty_step = d("0.01");
    RUN(&b, {"press Confirm", "PST", "The size has changed since you saw it.", PREVIEW});
    assert_true(decimal_equal(b.kept[0].qty, d("0.07")));
    b.list[0].trading = false;
    RUN(&b, {"press Confirm", "PST", "not being traded", PREVIEW});
    b.list[0].trading = true;
    b.options.risk = d("50"); /* another config at the next start */
    bench_restart(&b);
    RUN(&b, {"press Confirm", "PST", "The size has changed", PREVIEW},
        {"press Confirm", "EDOT", NULL, NULL});
    assert_true(decimal_equal(b.order.qty, d("0.03")));
    bench_end(&b);
}

static void test_size(void **state) {
    struct bench b;
    bench_begin(&b);
    b.options.risk = d("1");
    bench_restart(&b);
    RUN(&b,
        {"say /limitbuy btc 64250.5 63000", "PS",
         "With this stop the smallest lot would risk 1.25 USDT, and 1.00 USDT is allowed.",
         "Back | Cancel"},
        {"say 64000", "PS", "Quantity: 0.003", NULL});
    b.options.risk = d("100");
    bench_restart(&b);
    b.wallet.available = d("10");
    b.list[0].leverage_max = d("50");
    RUN(&b, {"say /limitbuy btc 64250.5 63000", "SDPS",
             "the order is worth 5,075.79 USDT. 10.00 USDT is available, enough for 500.00 USDT",
             NULL});
    bench_end(&b);
}

static void test_warnings(void **state) {
    struct bench b;
    bench_begin(&b);
    RUN(&b, {"say /limitbuy btc 64300 63000 2R", "PS", "fills at once.", NULL},
        {"say /limitsell btc 64300 65000 2R", "SDPS", "fills at once.", NULL},
        {"say /limitbuy btc 6425 6300 2R", "SDPS", "more than 10 % away", NULL},
        {"say /limitsell btc 100000 150000 1.5R", "SDPS", "more than 10 % away", NULL},
        {"say /limitsell btc 100000 150000", "SDPS", NULL,
         "1R = 50,000.00 / 1.5R = 25,000.00 / Back | Cancel"},
        {"say 2R", "PS", "2R would be a price below 0.", NULL});
    b.list[0].last_price = d("0");
    RUN(&b, {"say /limitbuy btc", "SDPS", "Limit buy BTCUSDT\n\nAt which price", NULL});
    bench_end(&b);
}

static void test_default_target(void **state) {
    struct bench b;
    bench_begin(&b);
    b.options.rr = d("2.50");
    bench_restart(&b);
    RUN(&b, {"say /limitbuy eth 3000 2900", "PS", NULL,
             "2.5R = 3,250.00 (default) / 1R = 3,100.00 / 1.5R = 3,150.00 / 2R = 3,200.00 / 3R = "
             "3,300.00 / Back | Cancel"});
    bench_end(&b);
}

static void test_live_phrase(void **state) {
    struct bench b;
    bench_begin(&b);
    b.options.mode = TRADE_LIVE;
    b.options.live_phrase = "I trade with real money";
    bench_restart(&b);
    RUN(&b,
        {"say /limitbuy btc 64250.5 63000 2R", "PS", "LIVE (real money)\nLimit buy BTCUSDT", NULL},
        {"press Confirm", "ST", "type exactly this sentence, once:\n\nI trade with real money",
         NULL},
        {"say i trade with real money", "PS", "Nothing is placed yet", PREVIEW},
        {"press Confirm", "ST", "type exactly", NULL});
    assert_int_equal(b.placed, 0);
    b.chat = GROUP;
    RUN(&b, {"say I trade with real money", "", NULL, NULL});
    b.chat = 0;
    b.user = STRANGER;
    RUN(&b, {"say I trade with real money", "SL", NULL, NULL});
    b.user = 0;
    b.sent = b.now - 400000;
    RUN(&b, {"say I trade with real money", "S", "Nothing was done", NULL});
    b.sent = 0;
    RUN(&b, {"say I trade with real money", "CSPS", "possible from now on", PREVIEW},
        {"again 1", "T", NULL, NULL});
    bench_end(&b);
}

static void test_live_phrase_holds(void **state) {
    struct bench b;
    bench_begin(&b);
    b.options.mode = TRADE_LIVE;
    b.options.live_phrase = "yes";
    bench_restart(&b);
    RUN(&b, {"say yes", "CS", NULL, NULL}, {"say yes", "S", "I am not waiting", NULL},
        {"say /limitbuy btc 64250.5 63000 2R", "PS", NULL, NULL},
        {"press Confirm", "EDOT", NULL, NULL});
    assert_int_equal(b.placed, 1);
    b.options.mode = TRADE_TESTNET; /* where it is not asked for */
    bench_restart(&b);
    RUN(&b, {"say /limitbuy btc 64250.5 63000 2R", "PS", "TESTNET (no real money)", NULL},
        {"press Confirm", "EDOT", NULL, NULL});
    bench_end(&b);
}

/* The oldest gives way. */
static void test_most_open(void **state) {
    struct bench b;
    bench_begin(&b);
    b.options.dialogs_max = 2;
    bench_restart(&b);
    for (b.chat = 50; b.chat < 52; b.chat++)
        RUN(&b, {"say /limitbuy btc", "PS", NULL, NULL});
    RUN(&b, {"say /limitbuy btc", "SDPS", "nothing was placed", NULL});
    assert_int_equal(b.kept_count, 2);
    b.chat = 50;
    RUN(&b, {"say 64000", "S", "I am not waiting", NULL});
    bench_end(&b);
}

/* What a broken or an older disk gives back ends without harm; a former owner hears nothing. */
static void test_odd_records(void **state) {
    struct bench b;
    bench_begin(&b);
    b.kept[0] = (struct dialog){.id = 1,
                                .user = OWNER,
                                .chat = OWNER,
                                .step = DIALOG_STOP,
                                .side = SIDE_BUY,
                                .symbol = "BTCUSDT",
                                .deadline_ms = b.now + 1000};
    b.kept[1] = (struct dialog){.id = 2,
                                .user = OWNER,
                                .chat = OWNER,
                                .step = DIALOG_STEPS,
                                .side = SIDE_BUY,
                                .deadline_ms = b.now + 1000};
    b.kept[2] = (struct dialog){
        .id = 3, .user = 7, .chat = 7, .side = SIDE_BUY, .deadline_ms = b.now + 1000};
    b.kept_count = 3;
    bench_restart(&b);
    RUN(&b, {"say 64000", "SDSDS", "I am not waiting", NULL}, {"wait 2", "D", NULL, NULL});
    dialogs_restore(b.dialogs, &(struct record){.kind = RECORD_FACT});
    bench_end(&b);
}

/* Every sentence is there, and asks for no more values than it can get. */
static void test_sentences(void **state) {
    const char *const values[] = {"", "1", "2", "3", "4", "5", "6", "7", "8", NULL};
    for (int i = 0; i < SENTENCES; i++) {
        char *text = dialogs_text((enum sentence)i, values);
        assert_null(strchr(text, '{'));
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_buy),
        cmocka_unit_test(test_whole_buy_with_a_restart_before_each_step),
        cmocka_unit_test(test_whole_sell_in_one_line),
        cmocka_unit_test(test_words_of_the_command),
        cmocka_unit_test(test_wrong_answers_at_each_step),
        cmocka_unit_test(test_no_text),
        cmocka_unit_test(test_back_from_each_step),
        cmocka_unit_test(test_cancel_at_each_step),
        cmocka_unit_test(test_confirm_works_once),
        cmocka_unit_test(test_older_buttons),
        cmocka_unit_test(test_buttons_that_are_no_buttons),
        cmocka_unit_test(test_only_the_owner),
        cmocka_unit_test(test_another_chat_of_the_owner),
        cmocka_unit_test(test_no_owner),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_stale_press),
        cmocka_unit_test(test_market_not_known),
        cmocka_unit_test(test_rules_that_change_before_the_confirm),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_default_target),
        cmocka_unit_test(test_live_phrase),
        cmocka_unit_test(test_live_phrase_holds),
        cmocka_unit_test(test_most_open),
        cmocka_unit_test(test_odd_records),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
