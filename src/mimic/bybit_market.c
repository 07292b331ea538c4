/* SPDX-License-Identifier: Apache-2.0 */
/* A market of our own: three instruments, a last price each, and what moves it. bid and ask are a
 * tick below and above the last price. Mark and index price are the last price. */
#include "mimic/bybit_state.h"
#include <stdio.h>

enum { VOLATILITY = 60 }; /* millionths a step: some 2.5 % a day */

/* decimals: {mantissa, places} */
const struct paper_instrument paper_instruments[PAPER_SYMBOLS] = {
    {"BTCUSDT",
     "BTC",
     {10, 2},
     {199999980, 2},
     {1, 3},
     {1, 3},
     {1190000, 3},
     {500000, 3},
     {5, 0},
     {10000, 2},
     {6400000, 2}},
    {"ETHUSDT",
     "ETH",
     {1, 2},
     {19999998, 2},
     {1, 2},
     {1, 2},
     {724000, 2},
     {362000, 2},
     {5, 0},
     {10000, 2},
     {320000, 2}},
    {"SOLUSDT",
     "SOL",
     {10, 3},
     {1999998, 2},
     {1, 1},
     {1, 1},
     {797700, 1},
     {159540, 1},
     {5, 0},
     {10000, 2},
     {150000, 3}},
};

static void add_point(struct exchange_sim *sim, size_t symbol) {
    struct paper_market *market = &sim->markets[symbol];
    market->points[market->point_next++ % EXCHANGE_SIM_POINTS_MAX] =
        (struct paper_point){paper_time(sim), market->last};
    sim->market_seq = ++sim->changes;
}

void paper_market_init(struct exchange_sim *sim) {
    sim->volatility = VOLATILITY;
    for (size_t i = 0; i < PAPER_SYMBOLS; i++) {
        struct paper_market *market = &sim->markets[i];
        market->last = market->start = paper_instruments[i].start;
        market->high = market->low = market->last;
    }
}

size_t paper_symbol_find(const char *symbol) {
    size_t i = 0;
    while (i < PAPER_SYMBOLS && strcmp(paper_instruments[i].symbol, symbol) != 0)
        i++;
    return i;
}

struct decimal paper_market_least(size_t symbol) {
    return paper_plus(paper_instruments[symbol].tick, paper_instruments[symbol].tick);
}

struct decimal paper_market_round(size_t symbol, struct decimal price) {
    const struct paper_instrument *instrument = &paper_instruments[symbol];
    struct decimal rounded, least = paper_market_least(symbol);
    if (paper_less(instrument->price_max, price))
        price = instrument->price_max;
    if (paper_less(price, least))
        price = least;
    return decimal_round(price, instrument->tick, DECIMAL_NEAREST, &rounded) ? price : rounded;
}

struct decimal paper_bid(const struct exchange_sim *sim, size_t symbol) {
    return paper_minus(sim->markets[symbol].last, paper_instruments[symbol].tick);
}

struct decimal paper_ask(const struct exchange_sim *sim, size_t symbol) {
    return paper_plus(sim->markets[symbol].last, paper_instruments[symbol].tick);
}

/* --- what moves it ------------------------------------------------------------------------ */

void paper_move(struct exchange_sim *sim, size_t symbol, struct decimal price) {
    struct paper_market *market = &sim->markets[symbol];
    market->available = market->depth;
    paper_match_move(sim, symbol, price);
    if (paper_less(market->high, price))
        market->high = price;
    if (paper_less(price, market->low))
        market->low = price;
    add_point(sim, symbol);
}

/* One step of the walk: a triangle of millionths of the price, turned back at a quarter and at
 * four times the first price. */
static struct decimal walked(struct exchange_sim *sim, size_t symbol) {
    struct paper_market *market = &sim->markets[symbol];
    int64_t range = sim->volatility * 2 + 1;
    int64_t millionths = (int64_t)(paper_random(sim) % (uint64_t)range) +
                         (int64_t)(paper_random(sim) % (uint64_t)range) - sim->volatility * 2;
    struct decimal four = decimal_of(4);
    if (paper_less(paper_times(market->start, four), market->last))
        millionths = -llabs(millionths);
    if (paper_less(paper_times(market->last, four), market->start))
        millionths = llabs(millionths);
    struct decimal by = paper_times(market->last, (struct decimal){millionths, 6});
    return paper_market_round(symbol, paper_plus(market->last, by));
}

static void walk(struct exchange_sim *sim, int64_t now) {
    int64_t steps = (now - sim->walked) / PAPER_STEP_MS;
    if (steps > EXCHANGE_SIM_STEPS_MAX)
        sim->walked = now - EXCHANGE_SIM_STEPS_MAX * PAPER_STEP_MS;
    while (sim->walked + PAPER_STEP_MS <= now) {
        sim->walked += PAPER_STEP_MS;
        sim->now = sim->walked;
        for (size_t i = 0; i < PAPER_SYMBOLS; i++)
            paper_move(sim, i, walked(sim, i));
        for (size_t i = 0; i < sim->account_count; i++)
            paper_orders_trim(sim->accounts[i]);
    }
}

static void play(struct exchange_sim *sim, int64_t now) {
    while (sim->script_next < sim->script_count && sim->script[sim->script_next].at <= now) {
        const struct paper_script_move *move = &sim->script[sim->script_next++];
        if (move->at > sim->now)
            sim->now = move->at;
        paper_move(sim, move->symbol, move->price);
    }
}

void paper_market_advance(struct exchange_sim *sim, int64_t now) {
    if (now < sim->now)
        now = sim->now;
    if (sim->mode == EXCHANGE_SIM_WALK)
        walk(sim, now);
    else if (sim->mode == EXCHANGE_SIM_SCRIPT)
        play(sim, now);
    sim->now = now;
}

static bool anything_open(const struct exchange_sim *sim) {
    for (size_t i = 0; i < sim->account_count; i++) {
        const struct paper_account *account = sim->accounts[i];
        if (account->order_count > account->closed_count)
            return true;
        for (size_t j = 0; j < PAPER_SYMBOLS; j++) {
            if (account->positions[j].side != SIDE_NONE)
                return true;
        }
    }
    return false;
}

int64_t paper_market_deadline(const struct exchange_sim *sim) {
    if (sim->mode == EXCHANGE_SIM_SCRIPT && sim->script_next < sim->script_count)
        return sim->script[sim->script_next].at;
    if (sim->mode == EXCHANGE_SIM_WALK && (sim->watched || anything_open(sim)))
        return sim->walked + PAPER_STEP_MS;
    return INT64_MAX;
}

void exchange_sim_set_mode(struct exchange_sim *sim, enum exchange_sim_mode mode, int64_t now) {
    paper_market_advance(sim, now);
    sim->mode = mode;
    sim->walked = sim->now;
    sim->market_seq = ++sim->changes;
}
