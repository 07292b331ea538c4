/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated exchange as a peer. */
#include "mimic/bybit_control.h"
#include "tests/world/world.h"
#include <stdio.h>

static const char *const symbols[] = {"BTCUSDT", "ETHUSDT", "SOLUSDT"};

static json_t *control(struct world *w, const char *name, json_t *request) {
    json_t *ret = NULL;
    int r = exchange_sim_control(w->exchange, name, request, w->now, &ret);
    json_decref(request);
    must(r == 0);
    return ret;
}

void exchange_begin(struct world *w, uint64_t seed) {
    w->exchange = exchange_sim_new(seed);
    int r = exchange_sim_add_account(w->exchange, EXCHANGE_KEY, "secret", decimal_of(1000000));
    must(r == 0);
}

void exchange_end(struct world *w) {
    w->exchange = exchange_sim_free(w->exchange);
}

void exchange_arrive(struct world *w, uint64_t number) {
    struct call *call = net_find(w, number);
    AUTO_FREE char *timestamp = text_format("%lld", (long long)call->timestamp);
    struct exchange_sim_call in = {.ticket = number,
                                   .method = call->method,
                                   .path = call->path,
                                   .query = call->query ? call->query : "",
                                   .body = slice_of(call->body ? call->body : ""),
                                   .key = EXCHANGE_KEY,
                                   .timestamp = timestamp,
                                   .recv_window = "5000",
                                   .signature_good = true};
    exchange_sim_call(w->exchange, &in, w->now);
}

void exchange_drain(struct world *w) {
    struct exchange_sim_answer answer;
    while (exchange_sim_next_answer(w->exchange, w->now, &answer)) {
        if (answer.reset)
            net_broken(w, answer.ticket);
        else
            net_answer(
                w, answer.ticket, answer.status,
                (struct slice){answer.body, answer.cut ? answer.body_size / 2 : answer.body_size},
                -1);
        exchange_sim_answer_deinit(&answer);
    }
    if (exchange_sim_changes(w->exchange) != w->exchange_changes)
        checks_books_changed(w);
    w->exchange_changes = exchange_sim_changes(w->exchange);
}

int64_t exchange_next_due(struct world *w) {
    return exchange_sim_deadline(w->exchange);
}

void exchange_calm(struct world *w) {
    json_decref(control(w, "clear_faults", json_object()));
}

json_t *exchange_books(struct world *w) {
    return control(w, "books", json_pack("{s:s}", "key", EXCHANGE_KEY));
}

void exchange_move_price(struct world *w) {
    const char *symbol = symbols[dice(w, COUNT_OF(symbols))];
    AUTO_FREE char *percent = text_format("%d.%02d", (int)dice(w, 3) - 1, (int)dice(w, 100));
    world_trace(w, "the price of %s moves by %s %%", symbol, percent);
    json_decref(
        control(w, "set_price", json_pack("{s:s, s:s}", "symbol", symbol, "percent", percent)));
}

/* Somebody takes the stop away, in the exchange's own program. */
void exchange_remove_stop(struct world *w) {
    const char *symbol = symbols[dice(w, COUNT_OF(symbols))];
    struct call call = {.from = WORLD,
                        .to = AT_EXCHANGE,
                        .method = "POST",
                        .path = "/v5/position/trading-stop",
                        .timestamp = w->now};
    call.body = text_format("{\"category\":\"linear\",\"symbol\":\"%s\",\"tpslMode\":\"Full\","
                            "\"positionIdx\":0,\"stopLoss\":\"0\"}",
                            symbol);
    w->hands = true;
    world_trace(w, "a hand takes the stop of %s away", symbol);
    w->calls = memory_grow(w->calls, w->call_count + 1, sizeof *w->calls);
    w->calls[w->call_count] = memory_new(sizeof call);
    *w->calls[w->call_count++] = call;
    w->calls[w->call_count - 1]->over = true;
    exchange_arrive(w, w->call_count);
}

void exchange_arm(struct world *w) {
    static const char *const kinds[] = {"5xx",   "html",      "10000",      "10006", "10016",
                                        "delay", "truncated", "wrong_type", "half",  "10016_done",
                                        "lost",  "reset",     "duplicate",  "late"};
    static const char *const paths[] = {"*", "/v5/order/create", "/v5/order/realtime",
                                        "/v5/order/history", "/v5/execution/list"};
    const char *kind = kinds[dice(w, COUNT_OF(kinds))], *path = paths[dice(w, COUNT_OF(paths))];
    json_t *ret = NULL,
           *request = json_pack("{s:s, s:s, s:i, s:i}", "path", path, "kind", kind, "count",
                                1 + (int)dice(w, 3), "ms", (int)dice(w, 4000));
    w->counts.peer_faults++;
    world_trace(w, "the exchange will have trouble: %s at %s", kind, path);
    (void)!exchange_sim_control(w->exchange, "arm_fault", request, w->now, &ret);
    json_decref(request);
    json_decref(ret);
}
