/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs_random_test.c - whatever people, the exchange and the power do: an order keeps the rules
 * (the bench looks at each) and is placed once. */
#include "engine/dialogs_test.h"

static uint64_t random_next(uint64_t *random) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

static const char *const random_texts[] = {
    "/limitbuy",
    "/limitsell",
    "/limitbuy btc 64250.5 63000 2R",
    "/limitsell eth 3100 3150 1R",
    "/cancel",
    "/status",
    "/help",
    "/start",
    "/foo",
    "btc",
    "eth",
    "dead",
    "xyz",
    "64250.5",
    "64000",
    "63000",
    "65,000",
    "66000",
    "3000",
    "2900",
    "3100",
    "0.0001",
    "99999999999999",
    "1R",
    "2R",
    "9R",
    "1e9",
    "-1",
    "",
    "64,25",
    "9223372036854775807",
    "0.000000000000000001",
    "yes, real",
    "\xff\xfe",
};

static void random_world(struct bench *b, uint64_t *random) {
    static const char *const ticks[] = {"0.10", "0.10", "0.10", "0.5", "1"};
    static const char *const steps[] = {"0.001", "0.001", "0.01", "1"};
    b->list[0].tick = d(ticks[random_next(random) % COUNT_OF(ticks)]);
    b->list[0].qty_step = d(steps[random_next(random) % COUNT_OF(steps)]);
    b->list[1].trading = random_next(random) % 8 > 0;
    b->instruments.count = random_next(random) % 16 ? 3 : 0;
    b->wallet.available = decimal_of((int64_t)(random_next(random) % 1000));
}

static void random_event(struct bench *b, uint64_t *random) {
    b->now += (int64_t)(random_next(random) % 20000);
    b->user = random_next(random) % 20 ? 0 : STRANGER;
    b->chat = random_next(random) % 20 ? 0 : GROUP;
    b->sent = random_next(random) % 20 ? 0 : b->now - 400000;
    if (random_next(random) % 50 == 0)
        b->now += 600000;
    if (random_next(random) % 10 == 0)
        bench_restart(b);
    if (random_next(random) % 15 == 0)
        random_world(b, random);
    uint64_t choice = random_next(random) % 8;
    if (choice < 3 || !b->seen_count) {
        bench_say(b, random_texts[random_next(random) % COUNT_OF(random_texts)]);
    } else if (choice < 7) { /* mostly the newest buttons */
        size_t back = random_next(random) % (random_next(random) % 4 ? 4 : b->seen_count);
        size_t last = b->seen_count - 1;
        bench_press(b, b->seen[back > last ? 0 : last - back].data);
    } else {
        bench_feed(b, (struct dialogs_event){.on = DIALOGS_ON_TIMER});
    }
}

/* In the list with an order stands the end of its conversation, and nothing comes of it after. */
static void check_order(struct bench *b, int64_t *placed_ids, int placed_before) {
    if (b->placed == placed_before)
        return;
    assert_int_equal(b->placed, placed_before + 1);
    struct dialogs_command *drop = bench_find(b, DIALOGS_DO_PERSIST);
    while (drop->what != DIALOGS_DO_PERSIST || drop->records.list[0].kind != RECORD_DIALOG_DROP)
        assert_true(++drop < b->commands.list + b->commands.count);
    int64_t id = drop->records.list[0].trade->dialog.id;
    for (int i = 0; i < placed_before; i++)
        assert_true(placed_ids[i] != id);
    placed_ids[placed_before] = id;
    assert_true(b->options.mode != TRADE_LIVE || !b->options.live_phrase);
}

static void run_random(uint64_t seed) {
    enum { EVENTS = 20000 };
    static int64_t placed_ids[EVENTS];
    static struct bench b;
    uint64_t random = seed;
    bench_begin(&b);
    b.options.mode = seed % 2 ? TRADE_LIVE : TRADE_PAPER;
    b.options.live_phrase = "yes, real";
    bench_restart(&b);
    for (int i = 0; i < EVENTS; i++) {
        int placed = b.placed;
        random_event(&b, &random);
        if (bench_find(&b, DIALOGS_DO_CONFIRM_LIVE))
            b.options.live_phrase = NULL;
        check_order(&b, placed_ids, placed);
        assert_true(b.kept_count <= 1);
        if (b.user == STRANGER || b.chat == GROUP || b.sent)
            assert_true(b.placed == placed || (b.sent && !b.chat && !b.user));
    }
    assert_true(b.placed > 40); /* it does get there */
    bench_end(&b);
}

static void test_random_events(void **state) {
    for (uint64_t seed = 1; seed <= 12; seed++)
        run_random(seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
