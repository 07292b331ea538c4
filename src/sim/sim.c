/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"
#include "base/clock.h"
#include "base/text.h"
#include <stdio.h>

int64_t sim_now(const struct sim *sim) {
    return clock_ms() + sim->wall_minus_boot_ms;
}

static void on_timer(uv_timer_t *timer) {
    sim_settle(timer->data);
}

void sim_init(struct sim *sim, uv_loop_t *loop, uint64_t seed) {
    *sim = (struct sim){.loop = loop};
    sim->telegram = telegram_new(seed);
    sim->exchange = exchange_sim_new(seed);
    sim->wall_minus_boot_ms = clock_wall_ms() - clock_ms();
    uv_timer_init(loop, &sim->timer);
    sim->timer.data = sim;
}

void sim_deinit(struct sim *sim) {
    must(!sim->open_calls && !sim->waiters);
    sim->telegram = telegram_free(sim->telegram);
    sim->exchange = exchange_sim_free(sim->exchange);
}

static void arm(struct sim *sim) {
    const int64_t deadlines[] = {telegram_deadline(sim->telegram),
                                 exchange_sim_deadline(sim->exchange), control_deadline(sim)};
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(deadlines); i++)
        due = deadlines[i] < due ? deadlines[i] : due;
    if (due == INT64_MAX) {
        uv_timer_stop(&sim->timer);
        return;
    }
    int64_t wait = due - sim_now(sim);
    uv_update_time(sim->loop);
    uv_timer_start(&sim->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

void sim_settle(struct sim *sim) {
    bot_api_settle(sim);
    exchange_api_settle(sim);
    control_settle(sim);
    arm(sim);
}

struct open_call *sim_open_call(struct sim *sim, struct http_request *request) {
    struct open_call *open = memory_new(sizeof *open);
    *open = (struct open_call){sim->open_calls, &sim->open_calls, sim, request};
    if (open->next)
        open->next->link = &open->next;
    sim->open_calls = open;
    return open;
}

struct http_request *sim_close_call(struct open_call *open) {
    struct http_request *request = open->request;
    *open->link = open->next;
    if (open->next)
        open->next->link = open->link;
    free(open);
    return request;
}

struct query_read {
    struct form *form;
    int result;
};

static void each_query(void *context, const char *name, const char *value) {
    struct query_read *read = context;
    if (read->result == FORM_DONE)
        read->result = form_add(read->form, slice_of(name), slice_of(value));
}

int sim_read_form(struct http_request *request, struct form *form) {
    struct query_read read = {form, FORM_DONE};
    http_request_each_query(request, each_query, &read);
    if (read.result != FORM_DONE)
        return read.result;
    return form_read(form, http_request_header(request, "Content-Type"),
                     http_request_body(request));
}

static bool is_get(const struct http_request *request) {
    const char *method = http_request_method(request);
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void answer_ping(struct sim *sim, struct http_request *request) {
    char time[CLOCK_TEXT_BYTES];
    clock_format(sim_now(sim), time);
    AUTO_FREE char *body = text_format("{\"pong\":true,\"timestamp\":\"%s\"}", time);
    http_respond_json(request, 200, slice_of(body));
}

void sim_handle(void *context, struct http_request *request) {
    struct sim *sim = context;
    const char *path = http_request_path(request);
    if (!text_is_utf8(slice_of(path), NULL))
        http_respond_problem(request, 400, "Bad Request", "the path is not UTF-8");
    else if (strncmp(path, "/sim/", 5) == 0)
        control_handle(sim, request);
    else if (strncmp(path, "/v5/", 4) == 0)
        exchange_api_handle(sim, request);
    else if (is_get(request) && strcmp(path, "/ping") == 0)
        answer_ping(sim, request);
    else if (!is_get(request) || !page_handle(request))
        bot_api_handle(sim, request);
}

void sim_forget(struct sim *sim) {
    while (sim->open_calls) {
        struct open_call *call = sim->open_calls;
        sim->open_calls = call->next;
        free(call);
    }
    while (sim->waiters) {
        struct waiter *waiter = sim->waiters;
        sim->waiters = waiter->next;
        json_decref(waiter->args);
        free(waiter);
    }
    uv_timer_stop(&sim->timer);
}
