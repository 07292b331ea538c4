/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated Telegram as a peer. Apart from the rest, because wire/telegram.h and
 * mimic/telegram.h each have their own `struct telegram_answer`. */
#include "mimic/telegram_control.h"
#include "tests/world/world.h"

/* A ticket is the number of the call, and whether it is the second arrival of it. */
enum { SECOND = 1, TICKET_BITS = 1 };

static json_t *control(struct world *w, const char *name, json_t *request) {
    json_t *ret = NULL;
    int r = telegram_control(w->telegram, name, request, w->now, &ret);
    json_decref(request);
    must(r == 0);
    return ret;
}

void telegram_begin(struct world *w, uint64_t seed) {
    w->telegram = telegram_new(seed);
    int r = telegram_add_bot(w->telegram, TOKEN, "world_bot");
    must(r == 0);
    r = telegram_add_person(w->telegram, OWNER_CHAT, "Ann");
    must(r == 0);
}

void telegram_end(struct world *w) {
    w->telegram = telegram_free(w->telegram);
}

static void somebody_writes(struct world *w) {
    json_t *told = control(w, "message",
                           json_pack("{s:i, s:s+}", "chat_id", OWNER_CHAT, "text", "hello ",
                                     dice(w, 2) ? "there" : "you"));
    int64_t id = json_integer_value(json_object_get(told, "update_id"));
    json_decref(told);
    if (id)
        checks_note_update(w, id);
}

void telegram_arrive(struct world *w, uint64_t number) {
    if (number == 0) {
        somebody_writes(w);
        return;
    }
    struct call *call = net_find(w, number);
    json_t *params = json_loads(call->body, 0, NULL);
    must(params);
    struct telegram_call in = {.ticket = number << TICKET_BITS | (call->arrivals ? 0 : SECOND),
                               .token = TOKEN,
                               .method = call->path,
                               .params = params};
    if (strcmp(call->path, "getUpdates") == 0)
        checks_polled(w, json_integer_value(json_object_get(params, "offset")));
    telegram_call(w->telegram, &in, w->now);
    json_decref(params);
}

/* Its poll is parked no longer. Both arrivals of a doubled one end. */
void telegram_left(struct world *w, uint64_t number) {
    telegram_leave(w->telegram, number << TICKET_BITS, w->now);
    telegram_leave(w->telegram, number << TICKET_BITS | SECOND, w->now);
}

static void read_book(struct world *w) {
    json_t *book =
        control(w, "messages",
                json_pack("{s:i, s:I}", "chat_id", OWNER_CHAT, "after", (json_int_t)w->book_read));
    json_t *message;
    size_t i;
    w->book_read = json_integer_value(json_object_get(book, "next"));
    json_array_foreach(json_object_get(book, "messages"), i,
                       message) if (json_is_true(json_object_get(message, "from_bot")))
        checks_said(w, json_string_value(json_object_get(message, "text")));
    json_decref(book);
}

void telegram_drain(struct world *w) {
    struct telegram_answer answer;
    bool any = false;
    while (telegram_next_answer(w->telegram, w->now, &answer)) {
        uint64_t number = answer.ticket >> TICKET_BITS;
        any = any || strcmp(net_find(w, number)->path, "sendMessage") == 0;
        if (answer.reset)
            net_broken(w, number);
        else
            net_answer(
                w, number, answer.status,
                (struct slice){answer.body, answer.cut ? answer.body_size / 2 : answer.body_size},
                answer.retry_after_s);
        telegram_answer_deinit(&answer);
    }
    if (any)
        read_book(w);
}

int64_t telegram_next_due(struct world *w) {
    return telegram_deadline(w->telegram);
}

void telegram_calm(struct world *w) {
    json_decref(control(w, "clear_faults", json_object()));
}

void telegram_arm(struct world *w) {
    static const char *const kinds[] = {"429",  "5xx",  "html",  "reset",
                                        "lost", "half", "delay", "duplicate"};
    static const char *const methods[] = {"*", "sendMessage", "getUpdates"};
    const char *kind = kinds[dice(w, COUNT_OF(kinds))];
    const char *method = methods[dice(w, COUNT_OF(methods))];
    json_t *ret = NULL, *request = json_pack("{s:s, s:s, s:i, s:i, s:i}", "method", method, "kind",
                                             kind, "count", 1 + (int)dice(w, 3), "retry_after",
                                             1 + (int)dice(w, 5), "ms", (int)dice(w, 9000));
    w->counts.peer_faults++;
    world_trace(w, "Telegram will have trouble: %s at %s", kind, method);
    (void)!telegram_control(w->telegram, "arm_fault", request, w->now, &ret); /* may be full */
    json_decref(request);
    json_decref(ret);
}
