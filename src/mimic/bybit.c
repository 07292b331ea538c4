/* SPDX-License-Identifier: Apache-2.0 */
/* One call from its headers to its answer. */
#include "mimic/bybit.h"
#include "base/buffer.h"
#include "base/text.h"
#include "mimic/bybit_control.h"
#include "mimic/bybit_state.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Limits are those of a default account for linear contracts. */
const struct paper_route paper_routes[] = {
    {"GET", "/v5/market/time", paper_handle_time, 0, false, false},
    {"GET", "/v5/market/instruments-info", paper_handle_instruments, 0, false, true},
    {"GET", "/v5/market/tickers", paper_handle_tickers, 0, false, true},
    {"GET", "/v5/market/orderbook", paper_handle_orderbook, 0, false, false},
    {"GET", "/v5/market/kline", paper_handle_kline, 0, false, true},
    {"POST", "/v5/order/create", paper_handle_create, 10, false, false},
    {"POST", "/v5/order/amend", paper_handle_amend, 10, false, false},
    {"POST", "/v5/order/cancel", paper_handle_cancel, 10, false, false},
    {"POST", "/v5/order/cancel-all", paper_handle_cancel_all, 10, false, true},
    {"POST", "/v5/order/create-batch", paper_handle_create_batch, 10, true, true},
    {"POST", "/v5/order/amend-batch", paper_handle_amend_batch, 10, true, true},
    {"POST", "/v5/order/cancel-batch", paper_handle_cancel_batch, 10, true, true},
    {"GET", "/v5/order/realtime", paper_handle_realtime, 50, false, true},
    {"GET", "/v5/order/history", paper_handle_history, 50, false, true},
    {"GET", "/v5/execution/list", paper_handle_executions, 50, false, true},
    {"GET", "/v5/position/list", paper_handle_positions, 50, false, true},
    {"POST", "/v5/position/set-leverage", paper_handle_leverage, 10, false, false},
    {"POST", "/v5/position/trading-stop", paper_handle_trading_stop, 10, false, false},
    {"POST", "/v5/position/switch-mode", paper_handle_switch_mode, 10, false, false},
    {"GET", "/v5/account/wallet-balance", paper_handle_wallet, 50, false, true},
    {"GET", "/v5/account/info", paper_handle_account_info, 50, false, false},
    {"GET", "/v5/account/fee-rate", paper_handle_fee_rate, 5, false, true},
    {"GET", "/v5/user/query-api", paper_handle_query_api, 10, false, false},
};
const size_t paper_route_count = COUNT_OF(paper_routes);

/* splitmix64: small, and good enough for identifiers nobody guesses at. */
uint64_t paper_random(struct exchange_sim *sim) {
    uint64_t z = sim->random += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void paper_uuid(struct exchange_sim *sim, char ret[40]) {
    uint64_t a = paper_random(sim), b = paper_random(sim);
    snprintf(ret, 40, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
             (unsigned)(0x8000 | (b >> 48 & 0x3fff)), (unsigned long long)(b & 0xffffffffffffULL));
}

static const struct paper_route *route_find(const struct exchange_sim_call *in) {
    for (size_t i = 0; i < paper_route_count; i++) {
        if (strcmp(paper_routes[i].path, in->path) == 0 &&
            strcmp(paper_routes[i].method, in->method) == 0)
            return &paper_routes[i];
    }
    return NULL;
}

/* --- outcomes ----------------------------------------------------------------------------- */

void paper_succeed(struct paper_call *call, json_t *result) {
    must(!call->result && !call->code);
    call->result = result;
    snprintf(call->message, sizeof call->message, "OK");
}

void paper_fail(struct paper_call *call, int64_t code, const char *format, ...) {
    va_list words;
    va_start(words, format);
    AUTO_FREE char *text = NULL;
    must(vasprintf(&text, format, words) >= 0);
    va_end(words);
    text_print(call->message, sizeof call->message, "%s", text);
    call->code = code;
}

static char *envelope(const struct paper_call *call) {
    json_t *json =
        json_pack("{s:I, s:s}", "retCode", (json_int_t)call->code, "retMsg", call->message);
    json_object_set_new(json, "result", call->result ? json_incref(call->result) : json_object());
    json_object_set_new(json, "retExtInfo", call->extra ? json_incref(call->extra) : json_object());
    json_object_set_new(json, "time", json_integer(paper_time(call->sim)));
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    must(text);
    return text;
}

static void answer_put(struct exchange_sim *sim, int64_t due, struct exchange_sim_answer answer) {
    if (sim->pending_count == sim->pending_room) {
        sim->pending_room = sim->pending_room ? sim->pending_room * 2 : 16;
        sim->pending = memory_grow(sim->pending, sim->pending_room, sizeof *sim->pending);
    }
    sim->pending[sim->pending_count++] = (struct paper_pending){due, answer};
}

static void answer_text(struct exchange_sim_answer *answer, int status, const char *type,
                        char *body) {
    free(answer->body);
    answer->status = status;
    answer->content_type = type;
    answer->body = body;
    answer->body_size = strlen(body);
}

/* --- who asks ----------------------------------------------------------------------------- */

struct paper_account *paper_account_find(const struct exchange_sim *sim, const char *key) {
    for (size_t i = 0; key && i < sim->account_count; i++) {
        if (strcmp(sim->accounts[i]->key, key) == 0)
            return sim->accounts[i];
    }
    return NULL;
}

void paper_touch(struct paper_account *account) {
    account->seq = ++account->sim->changes;
}

/* server_time - recv_window <= timestamp < server_time + 1000 */
static bool timely(struct paper_call *call, const struct exchange_sim_call *in) {
    int64_t sent = 0, window = 5000, time = paper_time(call->sim);
    const char *given = in->recv_window && *in->recv_window ? in->recv_window : "5000";
    bool good = text_to_int(in->timestamp, 0, INT64_MAX / 2, &sent) == 0 &&
                text_to_int(given, 0, INT64_MAX / 2, &window) == 0;
    if (good && time - window <= sent && sent < time + 1000)
        return true;
    paper_fail(call, 10002,
               "invalid request, please check your server timestamp or recv_window param. "
               "req_timestamp[%s],server_timestamp[%lld],recv_window[%s]",
               in->timestamp, (long long)time, given);
    return false;
}

static bool authenticate(struct paper_call *call, const struct exchange_sim_call *in) {
    if (!in->key || !*in->key || !in->timestamp || !*in->timestamp) {
        paper_fail(call, 10001, "empty value: apiTimestamp[%s] apiKey[%s] apiSignature[]",
                   in->timestamp ? in->timestamp : "", in->key ? in->key : "");
        return false;
    }
    if (!timely(call, in))
        return false;
    call->account = paper_account_find(call->sim, in->key);
    if (!call->account) {
        paper_fail(call, 10003, "API key is invalid.");
        return false;
    }
    if (in->signature_good)
        return true;
    call->account = NULL;
    paper_fail(call, 10004, "error sign! please check your signature generation algorithm.");
    return false;
}

/* --- the log ------------------------------------------------------------------------------ */

static void log_call(struct paper_call *call, const struct exchange_sim_call *in,
                     const struct exchange_sim_answer *answer, const struct paper_fault *fault) {
    struct exchange_sim *sim = call->sim;
    struct paper_logged *logged = &sim->calls[sim->next_call % EXCHANGE_SIM_CALLS_MAX];
    *logged = (struct paper_logged){.number = sim->next_call++,
                                    .at = sim->now,
                                    .code = call->code,
                                    .status = answer->reset ? 0 : answer->status,
                                    .fault = paper_fault_name(fault->kind)};
    text_print(logged->path, sizeof logged->path, "%s", in->path);
    text_print(logged->key, sizeof logged->key, "%s", in->key ? in->key : "");
    text_print(logged->link_id, sizeof logged->link_id, "%s", paper_arg(call->args, "orderLinkId"));
    sim->changes++;
}

/* --- the call ----------------------------------------------------------------------------- */

static json_t *args_of(struct paper_call *call, const struct exchange_sim_call *in) {
    if (strcmp(in->method, "POST") != 0)
        return paper_args_of_query(in->query);
    json_t *args = json_loadb(in->body.data ? in->body.data : "", in->body.size, 0, NULL);
    if (json_is_object(args))
        return args;
    json_decref(args);
    paper_fail(call, 10001, "Request parameter error.");
    return json_object();
}

/* One for a single call, one for each order of a batch. */
static int64_t weight_of(const struct paper_call *call, const struct paper_route *route) {
    size_t rows = route->batch ? json_array_size(json_object_get(call->args, "request")) : 1;
    return rows ? (int64_t)rows : 1;
}

static void keep_late(struct paper_call *call, const struct paper_route *route,
                      const struct paper_fault *fault) {
    struct exchange_sim *sim = call->sim;
    size_t account = 0;
    while (account < sim->account_count && sim->accounts[account] != call->account)
        account++;
    if (account < sim->account_count && sim->late_count < PAPER_LATE_MAX)
        sim->late[sim->late_count++] =
            (struct paper_late){sim->now + fault->ms, account, route, json_deep_copy(call->args)};
}

/* What the route does, with the limit and the fault that it meets. */
static void serve(struct paper_call *call, const struct paper_route *route,
                  const struct paper_fault *fault, struct exchange_sim_answer *answer) {
    int64_t weight = weight_of(call, route);
    call->allowed = call->account ? paper_limit_pass(call->account, route, weight, answer) : weight;
    if (paper_fault_before(fault, call)) {
        if (fault->kind == PAPER_FAULT_LATE)
            keep_late(call, route, fault);
        return;
    }
    if (call->allowed == 0) {
        paper_fail(call, 10006, "Too many visits. Exceeded the API Rate Limit.");
        return;
    }
    route->handle(call);

    if (call->result && !call->code)
        paper_fault_result(fault, call->result);
    if (fault->kind == PAPER_FAULT_10016_DONE) {
        json_decref(call->result);
        call->result = NULL;
        paper_fail(call, 10016, "Request timeout, please try again later");
    }
}

static void answer_call(struct paper_call *call, const struct exchange_sim_call *in,
                        struct paper_fault *fault, struct exchange_sim_answer *answer) {
    const struct paper_route *route = route_find(in);
    json_t *args = args_of(call, in);
    call->args = args;
    if (!paper_limit_address(call->sim)) {
        answer_text(answer, 403, "text/plain", text_copy("access too frequent"));
    } else if (!route) {
        paper_fail(call, 10017, "Route not found.");
        answer_text(answer, 404, "application/json", envelope(call));
    } else {
        *fault = paper_fault_take(call->sim, route, in->path);
        bool may = route->limit == 0 || authenticate(call, in);
        if (may && !call->code)
            serve(call, route, fault, answer);
        answer_text(answer, 200, "application/json", envelope(call));
    }
    paper_fault_answer(fault, answer);
    log_call(call, in, answer, fault);
    call->args = NULL;
    json_decref(args);
}

void exchange_sim_call(struct exchange_sim *sim, const struct exchange_sim_call *in, int64_t now) {
    struct exchange_sim_answer answer = {.ticket = in->ticket, .limit = -1};
    struct paper_fault fault = {0};
    paper_market_advance(sim, now);
    if (sim->pending_count >= EXCHANGE_SIM_PENDING_MAX) {
        answer_text(&answer, 429, "application/json",
                    text_copy("{\"retCode\":429,\"retMsg\":\"system level frequency protection\","
                              "\"result\":{},\"retExtInfo\":{},\"time\":0}"));
        answer_put(sim, now, answer);
        return;
    }
    struct paper_call call = {.sim = sim};
    answer_call(&call, in, &fault, &answer);
    json_decref(call.result);
    json_decref(call.extra);
    for (size_t i = 0; i < sim->account_count; i++)
        paper_orders_trim(sim->accounts[i]);
    answer_put(sim, now + (fault.kind == PAPER_FAULT_DELAY ? fault.ms : 0), answer);
}

/* Effects that come after their answers were lost. */
static void serve_late(struct exchange_sim *sim) {
    for (size_t i = 0; i < sim->late_count;) {
        struct paper_late late = sim->late[i];
        if (late.due > sim->now) {
            i++;
            continue;
        }
        sim->late_count--;
        memmove(&sim->late[i], &sim->late[i + 1], (sim->late_count - i) * sizeof *sim->late);
        struct paper_call call = {.sim = sim,
                                  .account = sim->accounts[late.account],
                                  .args = late.args,
                                  .allowed = EXCHANGE_SIM_ROWS_MAX};
        late.route->handle(&call);
        json_decref(call.result);
        json_decref(call.extra);
        json_decref(late.args);
    }
}

bool exchange_sim_next_answer(struct exchange_sim *sim, int64_t now,
                              struct exchange_sim_answer *ret) {
    paper_market_advance(sim, now);
    serve_late(sim);
    for (size_t i = 0; i < sim->pending_count; i++) {
        if (sim->pending[i].due > now)
            continue;
        *ret = sim->pending[i].answer;
        sim->pending_count--;
        memmove(&sim->pending[i], &sim->pending[i + 1],
                (sim->pending_count - i) * sizeof *sim->pending);
        return true;
    }
    return false;
}

void exchange_sim_answer_deinit(struct exchange_sim_answer *answer) {
    free(answer->body);
    answer->body = NULL;
}

int64_t exchange_sim_deadline(const struct exchange_sim *sim) {
    int64_t deadline = paper_market_deadline(sim);
    for (size_t i = 0; i < sim->pending_count; i++) {
        if (sim->pending[i].due < deadline)
            deadline = sim->pending[i].due;
    }
    for (size_t i = 0; i < sim->late_count; i++) {
        if (sim->late[i].due < deadline)
            deadline = sim->late[i].due;
    }
    return deadline;
}

void exchange_sim_watch(struct exchange_sim *sim, bool watched) {
    sim->watched = watched;
}

uint64_t exchange_sim_changes(const struct exchange_sim *sim) {
    return sim->changes;
}

/* --- accounts ----------------------------------------------------------------------------- */

int exchange_sim_add_account(struct exchange_sim *sim, const char *key, const char *secret,
                             struct decimal balance) {
    if (!*key || strlen(key) >= PAPER_KEY_BYTES || !*secret || strlen(secret) >= PAPER_KEY_BYTES ||
        decimal_sign(balance) < 0 || decimal_compare(balance, decimal_of(100000000)) > 0)
        return -EINVAL;
    if (!text_is_utf8(slice_of(key), NULL))
        return -EINVAL;
    if (paper_account_find(sim, key))
        return -EEXIST;
    if (sim->account_count == EXCHANGE_SIM_ACCOUNTS_MAX)
        return -ENOSPC;
    struct paper_account *account = memory_new(sizeof *account);
    account->sim = sim;
    memcpy(account->key, key, strlen(key));
    memcpy(account->secret, secret, strlen(secret));
    account->balance = paper_plus(balance, decimal_of(0));
    account->execution_next = 1;
    account->executions = memory_array(EXCHANGE_SIM_EXECUTIONS_MAX, sizeof *account->executions);
    for (size_t i = 0; i < PAPER_SYMBOLS; i++)
        account->positions[i].leverage = decimal_of(10);
    sim->accounts[sim->account_count++] = account;
    paper_touch(account);
    return 0;
}

const char *exchange_sim_secret_of(const struct exchange_sim *sim, const char *key) {
    const struct paper_account *account = paper_account_find(sim, key);
    return account ? account->secret : NULL;
}

struct exchange_sim *exchange_sim_new(uint64_t seed) {
    struct exchange_sim *sim = memory_new(sizeof *sim);
    sim->random = seed;
    sim->next_number = 1;
    sim->next_call = 1;
    sim->next_fault = 1;
    sim->limit_percent = 100;
    sim->limit_address = 600;
    paper_market_init(sim);
    return sim;
}

static void account_free(struct paper_account *account) {
    for (size_t i = 0; i < account->order_count; i++)
        free(account->orders[i]);
    free(account->orders);
    free(account->executions);
    free(account);
}

struct exchange_sim *exchange_sim_free(struct exchange_sim *sim) {
    if (!sim)
        return NULL;
    for (size_t i = 0; i < sim->account_count; i++)
        account_free(sim->accounts[i]);
    for (size_t i = 0; i < sim->pending_count; i++)
        exchange_sim_answer_deinit(&sim->pending[i].answer);
    for (size_t i = 0; i < sim->late_count; i++)
        json_decref(sim->late[i].args);
    free(sim->pending);
    free(sim->script);
    free(sim);
    return NULL;
}
