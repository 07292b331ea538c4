/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - everything that decides, unchanged, in a world where one seed drives clock, disk,
 * network, Telegram, the exchange and crashes. The same seed plays the same run, step by step.
 *   world.c           clock, queue of events, dice, crashes, the two phases of a run
 *   world_disk.c      what was committed, and what was on its way
 *   world_net.c       requests and answers: lost, late, doubled
 *   world_telegram.c  the simulated Telegram as a peer, its book, and people who write
 *   world_exchange.c  the simulated exchange as a peer, its books, and hands that interfere
 *   world_hub.c       gateway and alerts with the shell of the hub in miniature
 *   world_trader.c    orders and positions with the shell of the trader in miniature
 *   world_keeper.c    services, whose processes die, hang and come up late
 *   world_bots.c      the hub's clients: two bots that read, one program that posts alerts
 *   world_checks.c    what must hold after every step, and what must have come in the end
 *
 * Safety: all faults that the seed has switched on. Liveness: no fault any more, and everything
 * must come to rest in bounded time. */
#pragma once
#include "base/buffer.h"
#include "engine/gateway.h" /* enum gateway_outcome */
#include "model/record.h"
#include <jansson.h>

enum program { WORLD, HUB, TRADER, KEEPER, BOT, LOGGER, POSTER, PROGRAMS };
extern const char *const program_names[PROGRAMS];
enum peer { AT_TELEGRAM, AT_EXCHANGE, AT_HUB };
enum { OWNER_CHAT = 42, READERS = 2 };
#define TOKEN "1001:world"
#define EXCHANGE_KEY "key"

struct world;
typedef void world_run(struct world *w, uint64_t number);
struct event {
    int64_t at;
    uint64_t order; /* of making: events of one moment happen in it */
    enum program owner;
    uint32_t life; /* of its owner: what a crash has orphaned does not happen */
    world_run *run;
    uint64_t number;
};
struct life {
    bool up, dying; /* dying: in the middle of a step; the rest of the step does not happen */
    uint32_t number;
};

/* Out of 1000, each 0 in a run whose seed has switched that kind off. */
struct rates {
    unsigned refused, lost_request, lost_answer, late, doubled; /* network */
    unsigned disk_fails, disk_slow;
    unsigned crash[PROGRAMS];  /* after a step */
    unsigned crash_within;     /* a step, between two commands */
    unsigned peer_fault, hand; /* each second: an armed fault; a stop taken away by hand */
    unsigned service_dies, service_hangs;
};
struct counts {
    uint64_t steps, crashes, lost, late, doubled, refused, disk_failures, peer_faults;
    uint64_t alerts, updates, orders, fills, starts;
};

struct answer { /* borrowed */
    enum gateway_outcome outcome;
    int status;
    struct slice body;
    int64_t retry_after_s;
    const char *error;
};
typedef void world_answered(struct world *w, uint64_t context, const struct answer *answer);
struct call {
    enum program from;
    enum peer to;
    const char *method, *path; /* constants */
    char *query, *body;        /* owned */
    int64_t timestamp, total_ms_max;
    world_answered *answered;
    uint64_t context;
    /* At the hub. */
    int64_t offset, timeout_s;
    bool unsure; /* answered though the disk had refused what it confirmed */
    enum alert_priority priority;
    char *text, *key, *type;
    /* The network's own. */
    uint32_t life;
    bool over;                  /* the caller has its answer, or has given up */
    uint32_t arrivals, replies; /* still to come */
    uint64_t at_peer;           /* the hub's number of it, 0: none */
};

/* A commit that was handed over; done(r) when its fate is known, unless the program has ended. */
typedef void disk_done(struct world *w, uint64_t context, int r);
struct disk_job {
    struct records records;
    disk_done *done;
    uint64_t context;
    struct snapshot *snapshot; /* world_checks.c: what its records stand for; owned */
};
struct disk {
    struct world *world;
    enum program program;
    struct records rows;
    struct disk_job *jobs; /* queue */
    size_t job_count;
    bool busy;
};

struct world {
    uint64_t random;
    int64_t now, calm_since; /* calm_since: 0 while there are faults */
    struct rates rates;
    struct counts counts;
    struct event *events; /* heap by time and order */
    size_t event_count, event_room;
    uint64_t event_order, spins; /* spins: steps without a tick of the clock */
    struct life lives[PROGRAMS];
    struct call **calls;
    size_t call_count;
    struct reply *replies;
    size_t reply_count;
    struct disk disks[PROGRAMS]; /* of HUB and TRADER */
    struct telegram *telegram;
    struct exchange_sim *exchange;
    struct hub *hub;
    struct trader *trader;
    struct keeper *keeper;
    struct bots *bots;
    struct checks *checks;
    int64_t book_read;         /* of the owner's chat, how far */
    uint64_t exchange_changes; /* as last seen */
    uint64_t crash_after;      /* see run_options */
    unsigned crash_whom;
    bool trace, hands; /* hands: somebody took a stop away */
    char broken[600];  /* name of the invariant, and a sentence; "": all hold */
};

/* world.c */
uint64_t dice(struct world *w, uint64_t sides);
bool chance(struct world *w, unsigned of_1000);
void world_at(struct world *w, int64_t delay_ms, enum program owner, world_run *run,
              uint64_t number);
/* Between two commands of a step: true when the program ends here. */
bool world_dies(struct world *w, enum program program);
bool world_is_up(const struct world *w, enum program program);
void world_trace(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
/* The first broken invariant is kept, and ends the run. */
void world_break(struct world *w, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
/* Plays one run: true when everything held. */
struct run_options {
    uint64_t seed;
    int64_t steps;
    /* 0: faults by dice. Else none but one: this step is the last of these programs (bits), which
     * then start again. */
    uint64_t crash_after;
    unsigned crash_whom;
    bool trace;
};
bool world_play(const struct run_options *options, struct counts *counts, char *ret_broken,
                size_t size);

/* world_disk.c */
void disk_put(struct disk *disk, struct records *records, disk_done *done, uint64_t context,
              struct snapshot *snapshot);
void disk_crash(struct disk *disk); /* forgets what was not committed, or the later part of it */
void disk_deinit(struct disk *disk);
/* In the order in which the store loads them. */
void disk_load(struct disk *disk, void (*restore)(struct world *w, const struct record *record));
/* The waiting alerts behind `after`, in the order they go; texts borrowed, the caller frees *ret.
 */
size_t disk_queue(const struct disk *disk, enum alert_priority priority, struct alert_place after,
                  struct alert **ret);
const struct record *disk_alert(const struct disk *disk, int64_t id); /* NULL: not there */

/* world_net.c */
uint64_t net_call(struct world *w,
                  struct call call); /* takes its texts; the call's number, from 1 */
struct call *net_find(struct world *w, uint64_t number);
void net_answer(struct world *w, uint64_t number, int status, struct slice body,
                int64_t retry_after_s);
void net_broken(struct world *w, uint64_t number); /* the peer has closed without an answer */
void net_crash(struct world *w, enum program program);
void net_deinit(struct world *w);

/* world_telegram.c, world_exchange.c, world_hub.c: what comes in */
void telegram_begin(struct world *w, uint64_t seed);
void telegram_arrive(struct world *w, uint64_t number);
void telegram_left(struct world *w, uint64_t number);
void telegram_drain(struct world *w);
int64_t telegram_next_due(struct world *w);
void telegram_calm(struct world *w); /* no armed faults any more */
void telegram_arm(struct world *w);
void telegram_end(struct world *w);
void exchange_begin(struct world *w, uint64_t seed);
void exchange_arrive(struct world *w, uint64_t number);
void exchange_drain(struct world *w);
int64_t exchange_next_due(struct world *w);
void exchange_calm(struct world *w);
void exchange_arm(struct world *w);
void exchange_end(struct world *w);
json_t *exchange_books(struct world *w); /* the caller frees */
void exchange_move_price(struct world *w);
void exchange_remove_stop(struct world *w);
void hub_acknowledge(struct world *w);
bool hub_arrive(struct world *w, uint64_t number); /* false: nobody listens */

/* programs: start (again), end without warning, the one timer */
struct program_rules {
    void (*start)(struct world *w);
    void (*crash)(struct world *w);
    int64_t (*next_ms)(struct world *w); /* INT64_MAX: nothing */
    void (*due)(struct world *w);
};
extern const struct program_rules hub_rules, trader_rules, keeper_rules, bot_rules, logger_rules,
    poster_rules;
void hub_gone(struct world *w, uint64_t number); /* the caller of a parked call has left */
void trader_place(struct world *w);              /* a person wants something */
void trader_cancel(struct world *w);
void keeper_wish(struct world *w);
const struct orders *trader_orders(const struct world *w); /* NULL: not up */
const struct positions *trader_positions(const struct world *w);
/* Nothing is under way or waits; else a sentence says what does (the caller frees). */
char *hub_unrest(struct world *w);
char *trader_unrest(struct world *w);
char *keeper_unrest(struct world *w);

/* world_checks.c */
void checks_begin(struct world *w);
void checks_step(struct world *w);     /* after every step */
char *checks_missing(struct world *w); /* what has not come yet; NULL: everything has */
void checks_end(struct world *w);
void checks_polled(struct world *w, int64_t offset);
void checks_note_update(struct world *w, int64_t id);
void checks_given(struct world *w, size_t reader, int64_t id);
void checks_confirmed(struct world *w, size_t reader, int64_t offset);
bool checks_confirm_failed(const struct world *w, size_t reader);
void checks_accepted(struct world *w, const int64_t *ids, size_t count, const char *text);
/* One copy of its request was; another may yet be accepted, which its owner must notice. */
void checks_refused(struct world *w, const char *link_id);
void checks_created(struct world *w, const char *link_id);
void checks_said(struct world *w, const char *text); /* stands in the owner's chat now */
void checks_committed(struct world *w, const struct disk *disk, const struct disk_job *job, int r);
/* A fill was told to the positions; kept: it changed one of them. */
void checks_counted(struct world *w, const struct fill *fill, bool kept);
void checks_trader_crashed(struct world *w);
struct snapshot *checks_snapshot(struct world *w, const struct records *records);
struct snapshot *snapshot_free(struct snapshot *snapshot);
void checks_books_changed(struct world *w);
