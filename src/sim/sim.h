/* SPDX-License-Identifier: Apache-2.0 */
/* sim.h - the shell around the simulated services: HTTP in, the state machine's answers out. All
 * decisions are made in src/mimic; here are the loop, the one timer, and parked requests. */
#pragma once
#include "link/http_server.h"
#include "mimic/bybit.h"
#include "mimic/bybit_control.h"
#include "mimic/telegram.h"
#include "mimic/telegram_control.h"
#include "wire/form.h"
#include <uv.h>

enum { SIM_WAITERS_MAX = 256, SIM_WAIT_SECONDS_MAX = 50 };

struct waiter { /* a long poll of the control API */
    struct waiter *next;
    struct sim *sim;
    struct http_request *request;
    const struct control_route *route;
    json_t *args;
    int64_t until;
};
struct open_call { /* a call that is not answered yet; its address is the ticket */
    struct open_call *next, **link;
    struct sim *sim;
    struct http_request *request;
};
struct sim {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct http_server *server;
    struct telegram *telegram;
    struct exchange_sim *exchange;
    struct open_call *open_calls;
    struct waiter *waiters;
    size_t waiter_count;
    uint64_t seen_changes;
    int64_t wall_minus_boot_ms; /* where the simulator's clock stands; /sim/clock moves it */
};

void sim_init(struct sim *sim, uv_loop_t *loop, uint64_t seed);
void sim_deinit(struct sim *sim); /* after the server has closed */
int64_t sim_now(const struct sim *sim);
/* Hands out what is due and sets the timer; after everything that may have changed something. */
void sim_settle(struct sim *sim);
struct open_call *sim_open_call(struct sim *sim, struct http_request *request);
struct http_request *sim_close_call(struct open_call *open); /* returns what is to be answered */
void sim_handle(void *sim, struct http_request *request);    /* the http_handler */
/* Forgets the parked requests: the server is about to answer them itself. */
void sim_forget(struct sim *sim);

/* bot_api.c: /bot<TOKEN>/METHOD and /file/bot<TOKEN>/PATH */
void bot_api_handle(struct sim *sim, struct http_request *request);
void bot_api_settle(struct sim *sim);
/* exchange_api.c: /v5/... */
void exchange_api_handle(struct sim *sim, struct http_request *request);
void exchange_api_settle(struct sim *sim);
/* control.c: /sim/... */
void control_handle(struct sim *sim, struct http_request *request);
void control_settle(struct sim *sim);
int64_t control_deadline(const struct sim *sim);
/* page.c: the chat page */
bool page_handle(struct http_request *request);
/* The values of the query and of the body; a form_result. */
MUST_CHECK int sim_read_form(struct http_request *request, struct form *form);
