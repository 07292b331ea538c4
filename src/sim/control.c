/* SPDX-License-Identifier: Apache-2.0 */
/* The control API below /sim/: JSON in, JSON out; docs/simulator.md describes it. What changes
 * nothing is GET and may wait for a change (timeout=S). */
#include "base/text.h"
#include "sim/sim.h"

typedef int control_function(struct sim *sim, const char *name, const json_t *args, json_t **ret);

static int telegram_side(struct sim *sim, const char *name, const json_t *args, json_t **ret) {
    return telegram_control(sim->telegram, name, args, sim_now(sim), ret);
}

static int exchange_side(struct sim *sim, const char *name, const json_t *args, json_t **ret) {
    return exchange_sim_control(sim->exchange, name, args, sim_now(sim), ret);
}

static int move_clock(struct sim *sim, const char *name, const json_t *args, json_t **ret);

static const struct control_route {
    const char *method, *path;
    control_function *side;
    const char *control;
    const char *wait_for; /* array of the answer that ends a wait; NULL: does not wait */
} routes[] = {
    {"POST", "message", telegram_side, "message", NULL},
    {"POST", "press", telegram_side, "press", NULL},
    {"POST", "chats", telegram_side, "set_chat", NULL},
    {"POST", "faults", telegram_side, "arm_fault", NULL},
    {"DELETE", "faults", telegram_side, "clear_faults", NULL},
    {"POST", "limits", telegram_side, "set_limits", NULL},
    {"POST", "jump", telegram_side, "jump", NULL},
    {"GET", "faults", telegram_side, "faults", NULL},
    {"GET", "limits", telegram_side, "limits", NULL},
    {"GET", "bots", telegram_side, "bots", NULL},
    {"GET", "messages", telegram_side, "messages", "messages"},
    {"GET", "calls", telegram_side, "calls", "calls"},
    {"GET", "chats", telegram_side, "chats", "chats"},
    {"POST", "clock", move_clock, "clock", NULL},
    {"GET", "exchange/market", exchange_side, "market", "changed"},
    {"POST", "exchange/market", exchange_side, "set_market", NULL},
    {"POST", "exchange/price", exchange_side, "set_price", NULL},
    {"GET", "exchange/books", exchange_side, "books", "changed"},
    {"POST", "exchange/accounts", exchange_side, "add_account", NULL},
    {"POST", "exchange/faults", exchange_side, "arm_fault", NULL},
    {"DELETE", "exchange/faults", exchange_side, "clear_faults", NULL},
    {"GET", "exchange/faults", exchange_side, "faults", NULL},
    {"POST", "exchange/limits", exchange_side, "set_limits", NULL},
    {"GET", "exchange/limits", exchange_side, "limits", NULL},
    {"POST", "exchange/clock", exchange_side, "set_clock", NULL},
    {"GET", "exchange/calls", exchange_side, "calls", "calls"},
};

static void respond(struct http_request *request, int status, json_t *answer) {
    const char *error = json_string_value(json_object_get(answer, "error"));
    AUTO_FREE char *body = json_dumps(answer, JSON_COMPACT);
    if (status && error)
        http_respond_problem(request, status, "The simulator refuses", error);
    else
        http_respond_json(request, 200, slice_of(body));
    json_decref(answer);
}

/* --- waiting ------------------------------------------------------------------------------ */

static bool worth_telling(const json_t *answer, const char *wait_for) {
    const json_t *changed = json_object_get(answer, "changed");
    return changed ? json_is_true(changed) : json_array_size(json_object_get(answer, wait_for)) > 0;
}

/* Answers a waiter when there is news or its time is over. */
static bool try_waiter(struct waiter *waiter, int64_t now) {
    const struct control_route *route = waiter->route;
    json_t *answer = NULL;
    int status = route->side(waiter->sim, route->control, waiter->args, &answer);
    if (!status && now < waiter->until && !worth_telling(answer, route->wait_for)) {
        json_decref(answer);
        return false;
    }
    respond(waiter->request, status, answer);
    return true;
}

void control_settle(struct sim *sim) {
    int64_t now = sim_now(sim);
    uint64_t changes = telegram_changes(sim->telegram) + exchange_sim_changes(sim->exchange);
    bool changed = changes != sim->seen_changes, watched = false;
    sim->seen_changes = changes;
    for (struct waiter **link = &sim->waiters; *link;) {
        struct waiter *waiter = *link;
        if ((!changed && now < waiter->until) || !try_waiter(waiter, now)) {
            watched = watched || waiter->route->side == exchange_side;
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        sim->waiter_count--;
        json_decref(waiter->args);
        free(waiter);
    }
    exchange_sim_watch(sim->exchange, watched);
}

int64_t control_deadline(const struct sim *sim) {
    int64_t deadline = INT64_MAX;
    for (const struct waiter *waiter = sim->waiters; waiter; waiter = waiter->next) {
        if (waiter->until < deadline)
            deadline = waiter->until;
    }
    return deadline;
}

static void on_gone(void *context) {
    struct waiter *waiter = context;
    waiter->until = 0; /* answered into the void by the next settling */
    sim_settle(waiter->sim);
}

static void wait_for(struct sim *sim, struct http_request *request,
                     const struct control_route *route, json_t *args, int64_t seconds) {
    struct waiter *waiter = memory_new(sizeof *waiter);
    *waiter = (struct waiter){
        sim->waiters, sim, request, route, json_incref(args), sim_now(sim) + seconds * 1000};
    sim->waiters = waiter;
    sim->waiter_count++;
    http_request_on_gone(request, on_gone, waiter);
}

/* --- requests ----------------------------------------------------------------------------- */

static int move_clock(struct sim *sim, const char *name, const json_t *args, json_t **ret) {
    int64_t by = 0;
    const json_t *given = json_object_get(args, "advance_ms");
    const char *text = json_string_value(given);
    bool good = json_is_integer(given) || (text && text_to_int(text, 0, INT64_MAX, &by) == 0);
    if (json_is_integer(given))
        by = json_integer_value(given);
    if (!good || by < 0 || by > 366 * 86400000LL) {
        *ret = json_pack("{s:s}", "error",
                         "advance_ms must be 0..31622400000: the clock never goes back");
        return 400;
    }
    sim->wall_minus_boot_ms += by;
    *ret = json_pack("{s:I}", "now_ms", (json_int_t)sim_now(sim));
    return 0;
}

/* What a bot sent, for the chat page: pictures are shown, all else can only be saved. */
static void send_file(struct sim *sim, struct http_request *request) {
    const char *id = http_request_query(request, "id"), *type = NULL;
    struct slice bytes = {0};
    if (!id || !telegram_file_by_id(sim->telegram, id, &bytes, &type)) {
        http_respond_problem(request, 404, "Not Found", "no such file (any more)");
        return;
    }
    struct http_header headers[] = {{"X-Content-Type-Options", "nosniff"},
                                    {"Content-Disposition", type ? "inline" : "attachment"}};
    struct http_response response = {.status = 200,
                                     .content_type = type ? type : "application/octet-stream",
                                     .body = bytes,
                                     .headers = headers,
                                     .header_count = COUNT_OF(headers)};
    http_respond(request, &response);
}

static const struct control_route *route_find(const char *method, const char *path,
                                              bool *ret_path) {
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (strcmp(routes[i].path, path) != 0)
            continue;
        *ret_path = true;
        if (strcmp(routes[i].method, method) == 0)
            return &routes[i];
    }
    return NULL;
}

/* A page of another site must not play with the bots behind its visitor's back. */
static bool foreign(const struct http_request *request) {
    const char *origin = http_request_header(request, "Origin");
    const char *host = http_request_header(request, "Host");
    return origin && (!host || strncmp(origin, "http://", 7) != 0 || strcmp(origin + 7, host) != 0);
}

static void run(struct sim *sim, struct http_request *request, const struct control_route *route,
                json_t *args) {
    json_t *answer = NULL;
    int64_t seconds = 0;
    const json_t *timeout = json_object_get(args, "timeout");
    bool given = json_is_string(timeout) &&
                 text_to_int(json_string_value(timeout), 0, INT64_MAX, &seconds) == 0;
    seconds = !given ? 0 : seconds > SIM_WAIT_SECONDS_MAX ? SIM_WAIT_SECONDS_MAX : seconds;
    int status = route->side(sim, route->control, args, &answer);
    bool waits = route->wait_for && seconds > 0 && !status &&
                 !worth_telling(answer, route->wait_for) && sim->waiter_count < SIM_WAITERS_MAX;
    if (waits) {
        json_decref(answer);
        wait_for(sim, request, route, args, seconds);
    } else {
        respond(request, status, answer);
    }
    sim_settle(sim);
}

void control_handle(struct sim *sim, struct http_request *request) {
    const char *path = http_request_path(request) + 5, *method = http_request_method(request);
    if (strcmp(path, "file") == 0 && strcmp(method, "GET") == 0) {
        send_file(sim, request);
        return;
    }
    bool known = false;
    const struct control_route *route = route_find(method, path, &known);
    if (!route) {
        http_respond_problem(request, known ? 405 : 404, known ? "Method Not Allowed" : "Not Found",
                             "docs/simulator.md lists what the control API understands");
        return;
    }
    if (foreign(request)) {
        http_respond_problem(request, 403, "Forbidden", "this page belongs to another site");
        return;
    }
    __attribute__((cleanup(form_deinit))) struct form form = {0};
    if (sim_read_form(request, &form) != FORM_DONE)
        http_respond_problem(request, 400, "Bad Request",
                             "the body must be a JSON object or a form");
    else
        run(sim, request, route, form.values);
}
