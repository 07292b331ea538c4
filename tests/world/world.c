/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/world/world.h"
#include "policy/backoff.h"
#include <stdarg.h>
#include <stdio.h>

/* Long enough for the slowest promise: an alert that failed waits a minute, the exchange's long
 * pause takes ten, and some may follow each other. */
enum { CALM_MS_MAX = 1800000, CALM_LOOK_MS = 1000, SPINS_MAX = 1000 };
#define BEGIN_MS INT64_C(1700000000000)

const char *const program_names[PROGRAMS] = {"world", "hub",    "trader", "keeper",
                                             "bot",   "logger", "poster"};
static const struct program_rules *const rules[PROGRAMS] = {
    [HUB] = &hub_rules, [TRADER] = &trader_rules, [KEEPER] = &keeper_rules,
    [BOT] = &bot_rules, [LOGGER] = &logger_rules, [POSTER] = &poster_rules};

/* ---- dice, words ---- */

uint64_t dice(struct world *w, uint64_t sides) {
    return (random_next(&w->random) >> 11) % sides;
}

bool chance(struct world *w, unsigned of_1000) {
    return of_1000 > 0 && dice(w, 1000) < of_1000;
}

void world_trace(struct world *w, const char *format, ...) {
    if (!w->trace)
        return;
    va_list words;
    va_start(words, format);
    printf("%9.3f  ", (double)(w->now - BEGIN_MS) / 1000);
    vprintf(format, words);
    putchar('\n');
    va_end(words);
}

void world_break(struct world *w, const char *name, const char *format, ...) {
    if (w->broken[0])
        return;
    va_list words;
    va_start(words, format);
    AUTO_FREE char *text = NULL;
    must(vasprintf(&text, format, words) >= 0);
    va_end(words);
    (void)snprintf(w->broken, sizeof w->broken, "%s: %s", name, text);
    world_trace(w, "BROKEN %s", w->broken);
}

/* ---- events ---- */

static bool sooner(const struct event *a, const struct event *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct event *a, struct event *b) {
    struct event other = *a;
    *a = *b;
    *b = other;
}

void world_at(struct world *w, int64_t delay_ms, enum program owner, world_run *run,
              uint64_t number) {
    if (w->event_count == w->event_room) {
        w->event_room = w->event_room ? w->event_room * 2 : 256;
        w->events = memory_grow(w->events, w->event_room, sizeof *w->events);
    }
    size_t at = w->event_count++;
    w->events[at] = (struct event){
        w->now + delay_ms, w->event_order++, owner, w->lives[owner].number, run, number};
    for (; at > 0 && sooner(&w->events[at], &w->events[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&w->events[at], &w->events[(at - 1) / 2]);
}

static struct event take_event(struct world *w) {
    struct event first = w->events[0];
    w->events[0] = w->events[--w->event_count];
    for (size_t at = 0, child; (child = at * 2 + 1) < w->event_count; at = child) {
        if (child + 1 < w->event_count && sooner(&w->events[child + 1], &w->events[child]))
            child++;
        if (!sooner(&w->events[child], &w->events[at]))
            break;
        swap(&w->events[at], &w->events[child]);
    }
    return first;
}

/* ---- lives ---- */

bool world_is_up(const struct world *w, enum program program) {
    return program == WORLD || (w->lives[program].up && !w->lives[program].dying);
}

bool world_dies(struct world *w, enum program program) {
    struct life *life = &w->lives[program];
    if (!life->dying && chance(w, w->rates.crash_within))
        life->dying = true;
    return life->dying;
}

static void start(struct world *w, uint64_t number) {
    struct life *life = &w->lives[number];
    if (life->up)
        return;
    life->up = true;
    world_trace(w, "%s starts", program_names[number]);
    rules[number]->start(w);
}

static void crash(struct world *w, enum program program) {
    struct life *life = &w->lives[program];
    world_trace(w, "%s CRASHES", program_names[program]);
    w->counts.crashes++;
    life->up = life->dying = false;
    life->number++;
    if (program == HUB || program == TRADER)
        disk_crash(&w->disks[program]); /* first: what it still wrote is what is known next time */
    rules[program]->crash(w);
    net_crash(w, program);
    world_at(w, (int64_t)dice(w, 3000), WORLD, start, program);
}

static void maybe_crash(struct world *w) {
    for (enum program p = HUB; p < PROGRAMS; p++) {
        bool is_told = w->counts.steps == w->crash_after && (w->crash_whom & 1u << p);
        if (w->lives[p].up && (is_told || w->lives[p].dying || chance(w, w->rates.crash[p])))
            crash(w, p);
    }
}

/* ---- people, prices and other weather ---- */

static void weather(struct world *w, uint64_t number) {
    if (w->calm_since)
        return;
    world_at(w, 1000, WORLD, weather, 0);
    if (dice(w, 3) == 0)
        telegram_arrive(w, 0); /* somebody writes */
    if (dice(w, 8) == 0)
        trader_place(w);
    if (dice(w, 10) == 0)
        trader_cancel(w);
    if (dice(w, 15) == 0)
        keeper_wish(w);
    if (dice(w, 25) == 0)
        hub_acknowledge(w);
    if (dice(w, 3) == 0)
        exchange_move_price(w);
    if (chance(w, w->rates.hand))
        exchange_remove_stop(w);
    if (chance(w, w->rates.peer_fault))
        telegram_arm(w);
    if (chance(w, w->rates.peer_fault))
        exchange_arm(w);
}

/* ---- one step ---- */

struct due {
    int64_t at;
    enum program program;
};

/* The program whose timer comes first, or WORLD for the next event. */
static struct due next_due(struct world *w) {
    struct due due = {w->event_count > 0 ? w->events[0].at : INT64_MAX, WORLD};
    for (enum program p = HUB; p < PROGRAMS; p++) {
        int64_t at = world_is_up(w, p) ? rules[p]->next_ms(w) : INT64_MAX;
        if (at < due.at)
            due = (struct due){at, p};
    }
    return due;
}

static void run_event(struct world *w) {
    struct event event = take_event(w);
    bool alive = w->lives[event.owner].number == event.life;
    if (event.owner != WORLD && !(alive && world_is_up(w, event.owner)))
        return;
    event.run(w, event.number);
}

static void step(struct world *w) {
    struct due due = next_due(w);
    int64_t peers = telegram_next_due(w), market = exchange_next_due(w);
    int64_t at = due.at < peers ? due.at : peers;
    at = at < market ? at : market;
    must(at < INT64_MAX);
    w->spins = at > w->now ? 0 : w->spins + 1;
    w->now = at > w->now ? at : w->now;
    w->counts.steps++;
    if (w->spins > SPINS_MAX)
        world_break(w, "nothing spins", "%d steps in one moment; the last is due at the %s",
                    SPINS_MAX, due.at <= at ? program_names[due.program] : "peers");
    if (due.at <= at && due.program == WORLD)
        run_event(w);
    else if (due.at <= at)
        rules[due.program]->due(w);
    telegram_drain(w);
    exchange_drain(w);
    maybe_crash(w);
    checks_step(w);
}

/* ---- a run ---- */

static unsigned rate_of(struct world *w, unsigned most) {
    static const unsigned parts[] = {5, 20, 50, 100};
    return dice(w, 2) ? 0 : 1 + most * parts[dice(w, COUNT_OF(parts))] / 100;
}

/* Swarm: a run in which a few kinds of fault are strong finds what a mean of all never meets. */
static void roll_rates(struct world *w) {
    struct rates *rates = &w->rates;
    *rates = (struct rates){.refused = rate_of(w, 200),
                            .lost_request = rate_of(w, 250),
                            .lost_answer = rate_of(w, 250),
                            .late = rate_of(w, 300),
                            .doubled = rate_of(w, 200),
                            .disk_fails = rate_of(w, 150),
                            .disk_slow = rate_of(w, 150),
                            .crash_within = rate_of(w, 20),
                            .peer_fault = rate_of(w, 400),
                            .hand = rate_of(w, 100),
                            .service_dies = rate_of(w, 60),
                            .service_hangs = rate_of(w, 60)};
    for (enum program p = HUB; p < PROGRAMS; p++)
        rates->crash[p] = rate_of(w, 10);
}

static void begin(struct world *w, const struct run_options *options) {
    w->random = options->seed * 0x9e3779b97f4a7c15U + 1;
    w->trace = options->trace;
    w->now = BEGIN_MS;
    w->crash_after = options->crash_after;
    w->crash_whom = options->crash_whom;
    if (!w->crash_after)
        roll_rates(w);
    for (size_t i = 0; i < PROGRAMS; i++)
        w->disks[i] = (struct disk){.world = w, .program = (enum program)i};
    telegram_begin(w, dice(w, UINT32_MAX));
    exchange_begin(w, dice(w, UINT32_MAX));
    checks_begin(w);
    for (enum program p = HUB; p < PROGRAMS; p++)
        start(w, p);
    weather(w, 0);
}

static void calm(struct world *w) {
    world_trace(w, "the faults stop");
    w->rates = (struct rates){0};
    w->calm_since = w->now;
    telegram_calm(w);
    exchange_calm(w);
}

/* NULL: nothing is missing and nothing moves. */
static char *unrest(struct world *w) {
    for (enum program p = HUB; p < PROGRAMS; p++)
        if (!w->lives[p].up)
            return text_format("%s is not up", program_names[p]);
    char *why = hub_unrest(w);
    why = why ? why : trader_unrest(w);
    why = why ? why : keeper_unrest(w);
    return why ? why : checks_missing(w);
}

static void converge(struct world *w) {
    int64_t look = w->now;
    while (!w->broken[0]) {
        step(w);
        if (w->now < look)
            continue;
        look = w->now + CALM_LOOK_MS;
        AUTO_FREE char *why = unrest(w);
        if (!why)
            return;
        if (w->now - w->calm_since > CALM_MS_MAX)
            world_break(w, "everything converges", "half an hour without a fault, and %s", why);
    }
}

static void end(struct world *w) {
    for (enum program p = HUB; p < PROGRAMS; p++) {
        if (w->lives[p].up) /* the others have been ended already */
            rules[p]->crash(w);
        w->lives[p].up = false;
    }
    for (size_t i = 0; i < PROGRAMS; i++)
        disk_deinit(&w->disks[i]);
    checks_end(w);
    free(w->keeper);
    telegram_end(w);
    exchange_end(w);
    net_deinit(w);
    free(w->events);
}

bool world_play(const struct run_options *options, struct counts *counts, char *ret_broken,
                size_t size) {
    struct world *w = memory_new(sizeof *w);
    begin(w, options);
    while (!w->broken[0] && (int64_t)w->counts.steps < options->steps)
        step(w);
    if (!w->broken[0]) {
        calm(w);
        converge(w);
    }
    *counts = w->counts;
    (void)snprintf(ret_broken, size, "%s", w->broken);
    end(w);
    free(w);
    return ret_broken[0] == 0;
}
