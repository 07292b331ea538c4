/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers. Each may be lost, late or doubled; what a program had sent before it
 * crashed arrives all the same. The caller hears exactly one thing of each call, as from the HTTP
 * client: an answer, or why there is none. */
#include "tests/world/world.h"

enum { QUICK_MS = 60, LATE_MS = 12000 };

struct reply {
    uint64_t call;
    int status;
    char *body;
    size_t size;
    int64_t retry_after_s;
};

struct call *net_find(struct world *w, uint64_t number) {
    must(number >= 1 && number <= w->call_count);
    return w->calls[number - 1];
}

static void tell(struct world *w, struct call *call, const struct answer *answer) {
    if (call->over || w->lives[call->from].number != call->life || !world_is_up(w, call->from))
        return;
    call->over = true;
    call->answered(w, call->context, answer);
}

/* ---- answers ---- */

static void on_reply(struct world *w, uint64_t number) {
    struct reply *reply = &w->replies[number];
    struct call *call = net_find(w, reply->call);
    if (call->over)
        return; /* the second of two, or too late */
    world_trace(w, "%s: answer %d of %s: %.3000s", program_names[call->from], reply->status,
                call->path, reply->body);
    AUTO_FREE char *body = text_copy_n(reply->body, reply->size); /* the list may grow and move */
    tell(w, call,
         &(struct answer){
             GATEWAY_ANSWERED, reply->status, {body, reply->size}, reply->retry_after_s, ""});
}

static void on_silence(struct world *w, uint64_t number) {
    struct call *call = net_find(w, number);
    if (!call->over)
        world_trace(w, "%s: no answer of %s", program_names[call->from], call->path);
    if (!call->over && call->to == AT_TELEGRAM)
        telegram_left(w, number);
    if (!call->over && call->to == AT_HUB)
        hub_gone(w, number);
    tell(w, call, &(struct answer){GATEWAY_UNKNOWN, 0, {"", 0}, -1, "the connection was lost"});
}

static void on_refused(struct world *w, uint64_t number) {
    struct call *call = net_find(w, number);
    world_trace(w, "%s: %s could not connect", program_names[call->from], call->path);
    tell(w, call, &(struct answer){GATEWAY_NOT_SENT, 0, {"", 0}, -1, "connection refused"});
}

static int64_t delay(struct world *w) {
    if (!chance(w, w->rates.late))
        return 1 + (int64_t)dice(w, QUICK_MS);
    w->counts.late++;
    return (int64_t)dice(w, LATE_MS);
}

void net_answer(struct world *w, uint64_t number, int status, struct slice body,
                int64_t retry_after_s) {
    struct call *call = net_find(w, number);
    if (call->over)
        return;
    if (chance(w, w->rates.lost_answer)) {
        w->counts.lost++;
        world_trace(w, "the answer %d of %s is lost", status, call->path);
        if (dice(w, 2)) /* a reset; else the caller waits until it gives up */
            world_at(w, delay(w), call->from, on_silence, number);
        return;
    }
    size_t copies = chance(w, w->rates.doubled) ? 2 : 1;
    w->counts.doubled += copies - 1;
    for (size_t i = 0; i < copies; i++) {
        w->replies = memory_grow(w->replies, w->reply_count + 1, sizeof *w->replies);
        w->replies[w->reply_count] = (struct reply){
            number, status, text_copy_n(body.data, body.size), body.size, retry_after_s};
        world_at(w, delay(w), call->from, on_reply, w->reply_count++);
    }
}

void net_broken(struct world *w, uint64_t number) {
    world_at(w, delay(w), net_find(w, number)->from, on_silence, number);
}

/* ---- requests ---- */

static void on_arrival(struct world *w, uint64_t number) {
    struct call *call = net_find(w, number);
    call->arrivals--;
    bool gone = call->over || w->lives[call->from].number != call->life;
    if (gone)
        world_trace(w, "%s arrives though its caller is gone", call->path);
    if (call->to == AT_TELEGRAM)
        telegram_arrive(w, number);
    else if (call->to == AT_EXCHANGE)
        exchange_arrive(w, number);
    else if (!gone && !hub_arrive(w, number))
        world_at(w, 1, call->from, on_refused, number);
    if (gone && call->to == AT_TELEGRAM)
        telegram_left(w, number);
}

uint64_t net_call(struct world *w, struct call from) {
    struct call *call = memory_new(sizeof *call);
    *call = from;
    call->life = w->lives[from.from].number;
    w->calls = memory_grow(w->calls, w->call_count + 1, sizeof *w->calls);
    w->calls[w->call_count++] = call;
    uint64_t number = w->call_count;
    world_trace(w, "%s calls %s %s%s", program_names[from.from], from.path,
                from.query ? from.query : "", from.body ? from.body : "");
    if (chance(w, w->rates.refused)) {
        w->counts.refused++;
        world_at(w, 1 + (int64_t)dice(w, 20), from.from, on_refused, number);
        return number;
    }
    world_at(w, from.total_ms_max, from.from, on_silence, number);
    if (chance(w, w->rates.lost_request)) {
        w->counts.lost++;
        world_trace(w, "  ... which is lost");
        if (dice(w, 2))
            world_at(w, delay(w), from.from, on_silence, number);
        return number;
    }
    call->arrivals = chance(w, w->rates.doubled) ? 2 : 1;
    w->counts.doubled += call->arrivals - 1;
    for (uint32_t i = 0; i < call->arrivals; i++)
        world_at(w, delay(w), WORLD, on_arrival, number);
    return number;
}

/* Its connections are closed: who waits for it hears so, and parked polls of its own end. */
void net_crash(struct world *w, enum program program) {
    for (size_t i = 0; i < w->call_count; i++) {
        struct call *call = w->calls[i];
        if (call->over)
            continue;
        if (call->from == program && call->life + 1 == w->lives[program].number) {
            call->over = true;
            if (call->to == AT_TELEGRAM)
                telegram_left(w, i + 1);
            else if (call->to == AT_HUB)
                hub_gone(w, i + 1);
        } else if (program == HUB && call->to == AT_HUB && call->at_peer) {
            call->at_peer = 0;
            net_broken(w, i + 1);
        }
    }
}

void net_deinit(struct world *w) {
    for (size_t i = 0; i < w->call_count; i++) {
        struct call *call = w->calls[i];
        free(call->query);
        free(call->body);
        free(call->text);
        free(call->key);
        free(call->type);
        free(call);
    }
    for (size_t i = 0; i < w->reply_count; i++)
        free(w->replies[i].body);
    free(w->calls);
    free(w->replies);
}
