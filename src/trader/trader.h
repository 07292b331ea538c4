/* SPDX-License-Identifier: Apache-2.0 */
/* trader.h - the inside of holdfast-trader: engines, store and links on one loop. One file a role:
 *   trader.c           start, stop, the one timer
 *   trader_commit.c    all that one event brings is one commit; what may follow it follows it
 *   trader_engines.c   carries out what the engines say
 *   trader_exchange.c  reads and writes at the exchange, one after the other
 *   trader_request.c   one signed request: clock, signature, what came of it
 *   trader_telegram.c  updates in through the hub's gateway
 *   trader_outbox.c    what people must be told, from the disk to the hub
 *   trader_status.c    the answer to /status
 * Nothing here decides; it asks an engine, carries the commands out in order, and feeds back what
 * came of them. */
#pragma once
#include "base/buffer.h"
#include "engine/dialogs.h"
#include "engine/orders.h"
#include "engine/positions.h"
#include "link/http_client.h"
#include "model/config.h"
#include "store/store.h"
#include "wire/bybit.h"
#include "wire/bybit_sign.h"
#include <uv.h>

struct trader;
enum commit_waiter { COMMIT_ORDERS, COMMIT_POSITIONS, COMMIT_OUTBOX };
struct courtesy { /* sent after the commit, once, and forgotten */
    struct courtesy *next;
    const char *method; /* of the Bot API */
    struct buffer body;
};
/* An order is made ready to send while the disk takes its intent. */
struct prepared {
    int64_t order, at_ms; /* its id; when it was signed */
    struct request *request;
};
struct commit {
    struct trader *trader;
    struct records records;
    struct commit_wait {
        enum commit_waiter who;
        uint64_t ticket;
    } * waits;
    size_t wait_count, wait_capacity;
    bool confirms_live, writes; /* writes: it has records, so its outcome tells of the disk */
    struct courtesy *courtesies, **courtesies_end;
    struct prepared prepared;
    int64_t chat; /* whom to tell when the disk refuses; 0: nobody asked */
};

struct sending { /* one outbox entry */
    struct sending *next;
    struct outbox outbox;
    uint64_t saving;  /* ticket of its record not yet on disk, 0: none */
    bool unsaved;     /* the disk refused that record: it belongs into the next commit */
    bool handed_over; /* the hub has it: its record is to be dropped, and it with it */
    bool flying;
    uint32_t tries;
    int64_t not_before;
};

/* What the exchange is asked in one go: open orders, fills, positions; all pages. */
enum cycle_step {
    CYCLE_IDLE,
    CYCLE_ORDERS,
    CYCLE_FILLS,
    CYCLE_POSITIONS,
    CYCLE_WALLET,
    CYCLE_TICKERS
};
struct cycle {
    enum cycle_step step;
    int64_t asked_ms, due_ms;
    char cursor[256];
    uint32_t pages;      /* of this step */
    bool bad, fills_bad; /* something in this turn could not be read */
    struct bybit_orders orders;
    struct bybit_fills fills;
    struct bybit_positions positions;
    uint32_t failures; /* in a row */
};
struct exchange_link {
    bool clock_known, started, loading_instruments; /* started: the orders engine was told */
    int64_t clock_offset_ms;                        /* theirs minus ours */
    int64_t blocked_until, answered_ms;             /* answered_ms: last usable answer, 0: never */
    int64_t start_due_ms, instruments_due_ms, wallet_due_ms;
    int64_t watched_ms; /* positions were last read, or nothing was open; 0: never */
    bool blind_told;    /* people know that positions cannot be watched */
    char cursor[256];   /* of the instruments */
    char problem[TRADE_REASON_BYTES + 64]; /* "": all is well */
    struct instruments loading;
    struct cycle cycle;
    size_t finds; /* under way */
};
struct trader {
    uv_loop_t loop;
    const struct config *config;
    const struct trader_config *options;
    const struct bot_config *bot;
    int64_t wall_offset_ms, read_ms; /* read_ms: between reads while something is open */
    uint64_t seed;
    struct store *store;
    uv_poll_t store_poll;
    struct http_client *client;
    uv_prepare_t prepare;
    uv_timer_t timer, watchdog, stop_timer;
    uv_signal_t signals[2];

    struct orders *orders;
    struct positions *positions;
    struct dialogs *dialogs;
    char tag[16];
    char *live_phrase;
    int64_t last_update, outbox_last, store_born_ms, live_ms, account;

    struct commit *commit;     /* being filled, NULL: none */
    struct prepared *prepared; /* of the commit that is on disk since now, NULL: none */
    int commit_depth;
    size_t commits; /* on their way to the disk */
    uint64_t outbox_tickets;
    bool store_refuses, facts_unsaved;

    struct sending *outbox;
    bool alert_flying, say_flying;
    size_t courtesies_flying;

    struct bybit_signer *signer;
    struct request *requests; /* under way */
    struct exchange_link exchange;
    struct instruments instruments;
    struct wallet wallet;
    bool wallet_known;

    struct http_call *poll;
    int64_t poll_due_ms; /* INT64_MAX: one is under way */
    uint32_t poll_failures;
    bool commands_shown, stopping, closed;
    int64_t stop_at_ms;
};

/* trader.c */
int trader_run(struct trader *trader, const struct config *config, int64_t read_ms);
/* trader_check.c: prints what the exchange says of clock and key. */
int trader_check_online(const struct config *config);
int64_t trader_now(const struct trader *trader); /* milliseconds since 1970, never back */

/* trader_commit.c: begin and end may nest; the outermost end hands over to the disk. */
void commit_begin(struct trader *trader);
void commit_end(struct trader *trader);
void commit_add(struct trader *trader, struct records *records, enum commit_waiter who,
                uint64_t ticket);
void commit_fact(struct trader *trader, const char *name, int64_t value);
struct buffer *commit_courtesy(struct trader *trader, const char *method); /* fill its body */

/* trader_engines.c */
void feed_orders(struct trader *trader, const struct orders_event *event);
void feed_positions(struct trader *trader, const struct positions_event *event);
void feed_dialogs(struct trader *trader, const struct dialogs_event *event);
void engines_timer(struct trader *trader);
int64_t engines_next_ms(const struct trader *trader);

/* trader_exchange.c */
void exchange_turn(struct trader *trader); /* starts what is due */
int64_t exchange_next_ms(const struct trader *trader);
/* Ready to send, for exchange_create() after the commit; drop it when it was not wanted. */
void exchange_prepare(struct trader *trader, const struct order *order, struct prepared *ret);
void exchange_drop(struct prepared *prepared);
void exchange_create(struct trader *trader, const struct order *order);
void exchange_cancel(struct trader *trader, const struct order *order);
void exchange_find(struct trader *trader, const struct order *order);
void exchange_protect(struct trader *trader, const struct position *position);
void exchange_close(struct trader *trader);
/* trader_request.c */
typedef void request_done(struct trader *trader, void *context, const struct bybit_answer *answer);
/* POST when body is not NULL, else GET with query (may be NULL). Signed unless is_public. */
struct request_options {
    const char *path;
    const struct buffer *body, *query;
    bool is_public;
};
/* `done` takes context, which is memory or NULL; when the program ends before it is called, context
 * is freed. Never called from inside request_start(). */
void request_start(struct trader *trader, const struct request_options *options, request_done *done,
                   void *context);
/* The same in two steps: signed now, sent or dropped within a second or so. */
struct request *request_prepare(struct trader *trader, const struct request_options *options,
                                request_done *done, void *context);
void request_send(struct request *request);
void request_drop(struct request *request);
bool request_blocked(const struct trader *trader); /* the exchange wants a pause: send nothing */
void requests_turn(struct trader *trader);         /* answers what was held back */
void requests_close(struct trader *trader);

/* trader_telegram.c */
void telegram_turn(struct trader *trader);
int64_t telegram_next_ms(const struct trader *trader);
void telegram_stop(struct trader *trader);
/* http://127.0.0.1:PORT of the hub that runs now. */
void hub_add_url(const struct trader *trader, struct buffer *ret);
void bot_add_url(const struct trader *trader, const char *method, struct buffer *ret);

/* trader_outbox.c */
void outbox_alert(struct trader *trader, enum alert_priority priority, const char *type,
                  char *text); /* takes text; into the commit that is being filled */
void outbox_say(struct trader *trader, int64_t chat, char *text, char *markup); /* takes both */
void outbox_restore(struct trader *trader, struct outbox *outbox);              /* takes */
void outbox_stored(struct trader *trader, uint64_t ticket, int r);
void outbox_save_again(struct trader *trader); /* what was refused, into the commit being filled */
void outbox_turn(struct trader *trader);
int64_t outbox_next_ms(const struct trader *trader);
void outbox_send_courtesies(struct trader *trader, struct courtesy *first); /* takes all */
void courtesies_free(struct courtesy *first);
void outbox_close(struct trader *trader);

/* trader_status.c */
char *status_text(struct trader *trader); /* the caller frees */
