/* SPDX-License-Identifier: Apache-2.0 */
/* bybit.h - Bybit V5 as a pure state machine: linear USDT perpetuals in one-way mode with cross
 * margin, against a market of its own. It is the paper exchange. No clock, socket, file or random
 * source: every HTTP request goes in with `now` (milliseconds since 1970), every answer comes out
 * of exchange_sim_next_answer() when it is due. The caller computes signatures: over the bytes as
 * received, with the secret that exchange_sim_secret_of() gives. docs/simulator.md lists what is
 * simulated, rule by rule. Prices, faults and the books are bybit_control.h. */
#pragma once
#include "base/common.h"
#include "base/decimal.h"
#include <jansson.h>

/* All state has an end. What happens when it is full: */
enum {
    EXCHANGE_SIM_ACCOUNTS_MAX = 16,     /* -ENOSPC, or the control call is refused */
    EXCHANGE_SIM_OPEN_MAX = 500,        /* active orders of a symbol; 110020 */
    EXCHANGE_SIM_CONDITIONAL_MAX = 10,  /* waiting for a trigger, of a symbol; 110009 */
    EXCHANGE_SIM_HISTORY_MAX = 1000,    /* ended orders of an account; the oldest is forgotten */
    EXCHANGE_SIM_EXECUTIONS_MAX = 2000, /* of an account; the oldest is forgotten */
    EXCHANGE_SIM_PENDING_MAX = 1024,    /* answers not yet taken; further calls get HTTP 429 */
    EXCHANGE_SIM_CALLS_MAX = 1000,      /* log of calls; the oldest is forgotten */
    EXCHANGE_SIM_FAULTS_MAX = 100,      /* armed faults; the control call is refused */
    EXCHANGE_SIM_SCRIPT_MAX = 1000,     /* moves of a script; the control call is refused */
    EXCHANGE_SIM_POINTS_MAX = 240,      /* history of a price; the oldest is forgotten */
    EXCHANGE_SIM_ROWS_MAX = 20,         /* orders in a batch; 10001 */
    EXCHANGE_SIM_STEPS_MAX = 2400,      /* of a walk that nobody watched; older ones never were */
};
enum exchange_sim_mode { EXCHANGE_SIM_STILL, EXCHANGE_SIM_WALK, EXCHANGE_SIM_SCRIPT };

struct exchange_sim;

struct exchange_sim_call {
    uint64_t ticket;         /* the caller's name for this call; comes back with its answer */
    const char *method;      /* "GET", "POST" */
    const char *path;        /* "/v5/order/create" */
    const char *query;       /* as received, without '?'; "" when none */
    struct slice body;       /* as received */
    const char *key;         /* header X-BAPI-API-KEY; NULL or "": absent, so are the next two */
    const char *timestamp;   /* X-BAPI-TIMESTAMP */
    const char *recv_window; /* X-BAPI-RECV-WINDOW; absent: 5000 */
    bool signature_good;     /* X-BAPI-SIGN is what the caller computed */
};
struct exchange_sim_answer {
    uint64_t ticket;
    int status;
    const char *content_type; /* a constant */
    char *body;               /* freed by exchange_sim_answer_deinit() */
    size_t body_size;
    int64_t limit, limit_left; /* X-Bapi-Limit, X-Bapi-Limit-Status; limit -1: no such headers */
    int64_t limit_reset_ms;    /* X-Bapi-Limit-Reset-Timestamp */
    bool reset;                /* fault: the connection is dropped without an answer */
    bool cut;                  /* fault: half of the body, then the connection is closed */
};

/* A still market and no account. */
struct exchange_sim *exchange_sim_new(uint64_t seed);
struct exchange_sim *exchange_sim_free(struct exchange_sim *sim); /* takes NULL, returns NULL */
/* -EINVAL: key or secret is empty or longer than 64, balance outside 0..100,000,000; -EEXIST;
 * -ENOSPC. */
MUST_CHECK int exchange_sim_add_account(struct exchange_sim *sim, const char *key,
                                        const char *secret, struct decimal balance);
/* NULL: no such key. Borrowed. */
const char *exchange_sim_secret_of(const struct exchange_sim *sim, const char *key);
/* Walk: a random step every 500 ms from now on. */
void exchange_sim_set_mode(struct exchange_sim *sim, enum exchange_sim_mode mode, int64_t now);

/* Exactly one answer with this ticket will come, now or later. */
void exchange_sim_call(struct exchange_sim *sim, const struct exchange_sim_call *call, int64_t now);
/* The next answer that is due, false when none is. Also moves the market up to `now`. Call until
 * false after everything else, and when the deadline has come. */
bool exchange_sim_next_answer(struct exchange_sim *sim, int64_t now,
                              struct exchange_sim_answer *ret);
void exchange_sim_answer_deinit(struct exchange_sim_answer *answer);
/* When something happens by itself; INT64_MAX: never. A market that walks does so by itself only
 * while an order or a position is open or somebody watches; else it catches up when asked. */
int64_t exchange_sim_deadline(const struct exchange_sim *sim);
void exchange_sim_watch(struct exchange_sim *sim, bool watched);
