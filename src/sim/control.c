/* SPDX-License-Identifier: Apache-2.0 */
/* The control API below /sim/: JSON in, JSON out; docs/simulator.md describes it. What changes
 * nothing is GET and may wait for a change (timeout=S). */
#include "base/text.h"
#include "sim/sim.h"

static const struct route {
    const char *method, *path, *control;
    const char *wait_for; /* array of the answer that ends a wait; NULL: does not wait */
} routes[] = {
    {"POST", "message", "message", NULL},
    {"POST", "press", "press", NULL},
    {"POST", "chats", "set_chat", NULL},
    {"POST", "faults", "arm_fault", NULL},
    {"DELETE", "faults", "clear_faults", NULL},
    {"POST", "limits", "set_limits", NULL},
    {"POST", "jump", "jump", NULL},
    {"GET", "faults", "faults", NULL},
    {"GET", "limits", "limits", NULL},
    {"GET", "bots", "bots", NULL},
    {"GET", "messages", "messages", "messages"},
    {"GET", "calls", "calls", "calls"},
    {"GET", "chats", "chats", "chats"},
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
    json_t *answer = NULL;
    int status =
        telegram_control(waiter->sim->telegram, waiter->control, waiter->args, now, &answer);
    if (!status && now < waiter->until && !worth_telling(answer, waiter->control)) {
        json_decref(answer);
        return false;
    }
    respond(waiter->request, status, answer);
    return true;
}

void control_settle(struct sim *sim) {
    int64_t now = sim_now(sim);
    bool changed = telegram_changes(sim->telegram) != sim->seen_changes;
    sim->seen_changes = telegram_changes(sim->telegram);
    for (struct waiter **link = &sim->waiters; *link;) {
        struct waiter *waiter = *link;
        if ((!changed && now < waiter->until) || !try_waiter(waiter, now)) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        sim->waiter_count--;
        json_decref(waiter->args);
        free(waiter);
    }
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

static void wait_for(struct sim *sim, struct http_request *request, const struct route *route,
                     json_t *args, int64_t seconds) {
    struct waiter *waiter = memory_new(sizeof *waiter);
    *waiter = (struct waiter){sim->waiters,      sim,
                              request,           route->control,
                              json_incref(args), sim_now(sim) + seconds * 1000};
    sim->waiters = waiter;
    sim->waiter_count++;
    http_request_on_gone(request, on_gone, waiter);
}

/* --- requests ----------------------------------------------------------------------------- */

static void move_clock(struct sim *sim, struct http_request *request, const json_t *args) {
    int64_t by = 0;
    const json_t *given = json_object_get(args, "advance_ms");
    const char *text = json_string_value(given);
    bool good = json_is_integer(given) || (text && text_to_int(text, 0, INT64_MAX, &by) == 0);
    if (json_is_integer(given))
        by = json_integer_value(given);
    if (!good || by < 0 || by > 366 * 86400000LL) {
        http_respond_problem(request, 400, "The simulator refuses",
                             "advance_ms must be 0..31622400000: the clock never goes back");
        return;
    }
    sim->wall_minus_boot_ms += by;
    respond(request, 0, json_pack("{s:I}", "now_ms", (json_int_t)sim_now(sim)));
    sim_settle(sim);
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

static const struct route *route_find(const char *method, const char *path, bool *ret_path) {
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

static void run(struct sim *sim, struct http_request *request, const struct route *route,
                json_t *args) {
    json_t *answer = NULL;
    int64_t seconds = 0;
    const json_t *timeout = json_object_get(args, "timeout");
    bool given = json_is_string(timeout) &&
                 text_to_int(json_string_value(timeout), 0, INT64_MAX, &seconds) == 0;
    seconds = !given ? 0 : seconds > SIM_WAIT_SECONDS_MAX ? SIM_WAIT_SECONDS_MAX : seconds;
    int status = telegram_control(sim->telegram, route->control, args, sim_now(sim), &answer);
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
    bool known = strcmp(path, "clock") == 0;
    const struct route *route = route_find(method, path, &known);
    if (!known || (!route && strcmp(path, "clock") != 0)) {
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
    else if (!route)
        move_clock(sim, request, form.values);
    else
        run(sim, request, route, form.values);
}
