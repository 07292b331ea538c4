/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on demand, and the rate limits. A fault is armed for a path ("*": any) and a
 * number of calls; the first that fits a call is used up by one. Decided here, carried out by the
 * shell. */
#include "base/buffer.h"
#include "base/text.h"
#include "mimic/bybit_state.h"
#include <stdio.h>

enum { OVERSIZE_BYTES = 2 << 20, ADDRESS_WINDOW_MS = 5000 };

static const char *const names[PAPER_FAULT_KINDS] = {
    [PAPER_FAULT_LOST] = "lost",
    [PAPER_FAULT_RESET] = "reset",
    [PAPER_FAULT_5XX] = "5xx",
    [PAPER_FAULT_HTML] = "html",
    [PAPER_FAULT_10000] = "10000",
    [PAPER_FAULT_10006] = "10006",
    [PAPER_FAULT_10016] = "10016",
    [PAPER_FAULT_10016_DONE] = "10016_done",
    [PAPER_FAULT_DELAY] = "delay",
    [PAPER_FAULT_HALF] = "half",
    [PAPER_FAULT_TRUNCATED] = "truncated",
    [PAPER_FAULT_OVERSIZE] = "oversize",
    [PAPER_FAULT_WRONG_TYPE] = "wrong_type",
    [PAPER_FAULT_DUPLICATE] = "duplicate",
    [PAPER_FAULT_LATE] = "late",
};

const char *paper_fault_name(enum paper_fault_kind kind) {
    return names[kind];
}

/* --- arming ------------------------------------------------------------------------------- */

static enum paper_fault_kind kind_of(const char *name) {
    int kind = PAPER_FAULT_KINDS - 1;
    while (kind > 0 && strcmp(names[kind], name) != 0)
        kind--;
    return (enum paper_fault_kind)kind;
}

static void remove_at(struct exchange_sim *sim, size_t i) {
    sim->fault_count--;
    memmove(&sim->faults[i], &sim->faults[i + 1], (sim->fault_count - i) * sizeof sim->faults[0]);
}

static bool known_path(const char *path) {
    for (size_t i = 0; i < paper_route_count; i++) {
        if (strcmp(paper_routes[i].path, path) == 0)
            return true;
    }
    return strcmp(path, "*") == 0;
}

const char *paper_fault_arm(struct exchange_sim *sim, const json_t *args, uint64_t *ret) {
    const char *path = *paper_arg(args, "path") ? paper_arg(args, "path") : "*";
    struct paper_fault fault = {.id = sim->next_fault,
                                .kind = kind_of(paper_arg(args, "kind")),
                                .left = paper_arg_int(args, "count", 1),
                                .ms = paper_arg_int(args, "ms", 1000),
                                .status = paper_arg_int(args, "status", 500)};
    if (fault.kind == PAPER_FAULT_NONE)
        return "kind must be one of lost, reset, 5xx, html, 10000, 10006, 10016, 10016_done, "
               "delay, half, truncated, oversize, wrong_type, duplicate, late";
    if (!known_path(path))
        return "path must be \"*\" or a path of the exchange, as /v5/order/create";
    if (sim->fault_count == EXCHANGE_SIM_FAULTS_MAX)
        return "too many faults are armed: clear some first";
    if (fault.ms < 0 || fault.ms > PAPER_DAY_MS || fault.status < 500 || fault.status > 599)
        return "ms must be 0..86400000, status 500..599";
    if (fault.left <= 0)
        fault.left = -1;
    snprintf(fault.path, sizeof fault.path, "%s", path);
    sim->faults[sim->fault_count++] = fault;
    sim->changes++;
    *ret = sim->next_fault++;
    return NULL;
}

size_t paper_fault_clear(struct exchange_sim *sim, uint64_t id) {
    size_t cleared = 0;
    for (size_t i = sim->fault_count; i-- > 0;) {
        if (id && sim->faults[i].id != id)
            continue;
        remove_at(sim, i);
        cleared++;
    }
    sim->changes++;
    return cleared;
}

json_t *paper_faults_json(const struct exchange_sim *sim) {
    json_t *list = json_array();
    for (size_t i = 0; i < sim->fault_count; i++) {
        const struct paper_fault *fault = &sim->faults[i];
        json_array_append_new(list,
                              json_pack("{s:I, s:s, s:s, s:I}", "id", (json_int_t)fault->id, "path",
                                        fault->path, "kind", names[fault->kind], "count",
                                        (json_int_t)(fault->left < 0 ? 0 : fault->left)));
    }
    return list;
}

/* --- meeting one -------------------------------------------------------------------------- */

struct paper_fault paper_fault_take(struct exchange_sim *sim, const struct paper_route *route,
                                    const char *path) {
    for (size_t i = 0; i < sim->fault_count; i++) {
        struct paper_fault fault = sim->faults[i];
        bool fits = strcmp(fault.path, "*") == 0 || strcmp(fault.path, path) == 0;
        if (!fits || (fault.kind == PAPER_FAULT_DUPLICATE && !route->list))
            continue;
        if (fault.left > 0 && --sim->faults[i].left == 0)
            remove_at(sim, i);
        sim->changes++;
        return fault;
    }
    return (struct paper_fault){0};
}

bool paper_fault_before(const struct paper_fault *fault, struct paper_call *call) {
    switch (fault->kind) {
    case PAPER_FAULT_10000:
        paper_fail(call, 10000, "Server Timeout");
        return true;
    case PAPER_FAULT_10006:
        paper_fail(call, 10006, "Too many visits!");
        return true;
    case PAPER_FAULT_10016:
        paper_fail(call, 10016, "Internal server error.");
        return true;
    case PAPER_FAULT_RESET:
    case PAPER_FAULT_5XX:
    case PAPER_FAULT_HTML:
    case PAPER_FAULT_LATE:
        return true;
    default:
        return false;
    }
}

/* Each text of the tree becomes a number or a list. */
static void spoil_types(json_t *value) {
    const char *name;
    json_t *each;
    size_t i;
    int turn = 0;
    if (json_is_array(value)) {
        json_array_foreach(value, i, each) spoil_types(each);
        return;
    }
    json_object_foreach(value, name, each) {
        if (!json_is_string(each))
            spoil_types(each);
        else
            json_object_set_new(value, name, turn++ % 2 ? json_array() : json_integer(7));
    }
}

void paper_fault_result(const struct paper_fault *fault, json_t *result) {
    json_t *list = json_object_get(result, "list");
    if (fault->kind == PAPER_FAULT_WRONG_TYPE)
        spoil_types(result);
    else if (fault->kind == PAPER_FAULT_DUPLICATE && json_array_size(list) > 0)
        json_array_append(list, json_array_get(list, 0));
}

static void replace(struct exchange_sim_answer *answer, int status, const char *type,
                    const char *body) {
    free(answer->body);
    answer->status = status;
    answer->content_type = type;
    answer->body = text_copy(body);
    answer->body_size = strlen(body);
}

/* A body that is still JSON, with 2 MiB of nothing in front. */
static void swell(struct exchange_sim_answer *answer) {
    char *body = memory_new(OVERSIZE_BYTES + answer->body_size + 1);
    memset(body, ' ', OVERSIZE_BYTES);
    memcpy(body + OVERSIZE_BYTES, answer->body, answer->body_size);
    free(answer->body);
    answer->body = body;
    answer->body_size += OVERSIZE_BYTES;
}

void paper_fault_answer(const struct paper_fault *fault, struct exchange_sim_answer *answer) {
    switch (fault->kind) {
    case PAPER_FAULT_LOST:
    case PAPER_FAULT_RESET:
    case PAPER_FAULT_LATE:
        answer->reset = true;
        break;
    case PAPER_FAULT_5XX:
        replace(answer, (int)fault->status, "text/plain", "upstream connect error");
        break;
    case PAPER_FAULT_HTML:
        replace(answer, 502, "text/html",
                "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1>"
                "</body></html>");
        break;
    case PAPER_FAULT_10006:
        answer->limit_left = 0;
        answer->limit_reset_ms += fault->ms;
        break;
    case PAPER_FAULT_HALF:
        answer->cut = true;
        break;
    case PAPER_FAULT_TRUNCATED:
        answer->body_size /= 2;
        answer->body[answer->body_size] = 0;
        break;
    case PAPER_FAULT_OVERSIZE:
        swell(answer);
        break;
    default:
        break;
    }
}

/* --- rate limits -------------------------------------------------------------------------- */

/* How many of `count` still pass in this window. */
static int64_t pass(struct paper_bucket *bucket, int64_t limit, int64_t window_ms, int64_t count,
                    int64_t now) {
    if (now >= bucket->since + window_ms)
        *bucket = (struct paper_bucket){now, 0};
    int64_t left = limit > bucket->used ? limit - bucket->used : 0;
    int64_t passed = count < left ? count : left;
    bucket->used += passed;
    return passed;
}

int64_t paper_limit_pass(struct paper_account *account, const struct paper_route *route,
                         int64_t count, struct exchange_sim_answer *answer) {
    const struct exchange_sim *sim = account->sim;
    struct paper_bucket *bucket = &account->buckets[route - paper_routes];
    answer->limit = route->limit;
    answer->limit_left = route->limit;
    answer->limit_reset_ms = paper_time(sim);
    if (route->limit == 0 || sim->limit_percent == 0)
        return count;
    answer->limit = route->limit * sim->limit_percent / 100;
    if (answer->limit < 1)
        answer->limit = 1;
    int64_t passed = pass(bucket, answer->limit, 1000, count, sim->now);
    answer->limit_left = answer->limit - bucket->used;
    if (passed < count)
        answer->limit_reset_ms = bucket->since + 1000 + sim->skew;
    return passed;
}

bool paper_limit_address(struct exchange_sim *sim) {
    return sim->limit_address == 0 ||
           pass(&sim->address, sim->limit_address, ADDRESS_WINDOW_MS, 1, sim->now) == 1;
}
