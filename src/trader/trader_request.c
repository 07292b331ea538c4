/* SPDX-License-Identifier: Apache-2.0 */
/* One request to the exchange: signed over the bytes that are sent, on the exchange's own clock. */
#include "base/log.h"
#include "trader/trader.h"
#include <stdio.h>

#define RECV_WINDOW "5000"
enum {
    CLOCK_STEP_MS = 250,
    REQUEST_MS_MAX = 10000,
    BLOCKED_MS = 600000,
    ANSWER_BYTES_MAX = 8 << 20
};

struct request {
    struct request *next, **place; /* among those under way */
    struct trader *trader;
    request_done *done;
    void *context; /* its owner's, allocated, or NULL */
    struct http_call *call;
    int64_t sent_ms;
    bool is_public;
    bool held_back; /* the exchange wants a pause: it is answered in the loop's next turn */
};

static void request_free(struct request *request) {
    *request->place = request->next;
    if (request->next)
        request->next->place = request->place;
    free(request);
}

/* Half of the way there and back lies behind their stamp. Small differences are those of the way.
 */
static void note_clock(struct trader *trader, const struct request *request, int64_t theirs_ms) {
    struct exchange_link *link = &trader->exchange;
    int64_t now = trader_now(trader), took = now - request->sent_ms;
    if (theirs_ms <= 0)
        return;
    int64_t offset = theirs_ms - (request->sent_ms + took / 2);
    if (link->clock_known && llabs(offset - link->clock_offset_ms) <= took + CLOCK_STEP_MS)
        return;
    link->clock_offset_ms = offset;
    link->clock_known = true;
}

static void note_problem(struct trader *trader, const struct bybit_answer *answer) {
    struct exchange_link *link = &trader->exchange;
    char problem[sizeof link->problem] = "";
    bool works = answer->class != EXCHANGE_UNKNOWN && answer->class != EXCHANGE_NOT_SENT &&
                 answer->class != EXCHANGE_FATAL && answer->class != EXCHANGE_BLOCKED;
    if (!works)
        (void)snprintf(problem, sizeof problem, "%s: %s", exchange_class_name(answer->class),
                       answer->message);
    else
        link->answered_ms = trader_now(trader);
    bool is_news = (problem[0] == 0) != (link->problem[0] == 0);
    if (is_news && problem[0])
        log_warning("exchange %s: %s", trader->options->api_url, problem);
    else if (is_news)
        log_info("exchange %s: all is well", trader->options->api_url);
    memcpy(link->problem, problem, sizeof problem);
}

static void finish(struct request *request, struct bybit_answer *answer) {
    struct trader *trader = request->trader;
    commit_begin(trader);
    request->done(trader, TAKE(request->context), answer);
    commit_end(trader);
    bybit_answer_deinit(answer);
    request_free(request);
}

static void on_answer(void *context, const struct http_answer *answer) {
    struct request *request = context;
    struct trader *trader = request->trader;
    struct bybit_answer read = {0};
    if (answer->outcome == HTTP_ANSWERED) {
        bybit_read_answer(answer->status, answer->body, &read);
    } else {
        read.class = answer->outcome == HTTP_NOT_SENT ? EXCHANGE_NOT_SENT : EXCHANGE_UNKNOWN;
        (void)snprintf(read.message, sizeof read.message, "%.100s", answer->error);
    }
    note_clock(trader, request, read.time_ms);
    if (read.class == EXCHANGE_BLOCKED)
        trader->exchange.blocked_until = trader_now(trader) + BLOCKED_MS;
    if (!request->is_public || !trader->exchange.started) /* public ones work with any key */
        note_problem(trader, &read);
    finish(request, &read);
}

bool request_blocked(const struct trader *trader) {
    return trader_now(trader) < trader->exchange.blocked_until;
}

struct signature {
    char timestamp[24], hex[BYBIT_SIGNATURE_BYTES];
};

static void sign(const struct trader *trader, struct slice payload, struct signature *ret) {
    (void)snprintf(ret->timestamp, sizeof ret->timestamp, "%lld",
                   (long long)(trader_now(trader) + trader->exchange.clock_offset_ms));
    struct slice parts[] = {slice_of(ret->timestamp), secret_slice(&trader->options->api_key),
                            slice_of(RECV_WINDOW), payload};
    bybit_sign(trader->signer, parts, COUNT_OF(parts), ret->hex);
}

static const char *url_of(const struct trader *trader, const struct request_options *options,
                          struct buffer *ret) {
    buffer_print(ret, "%s%s", trader->options->api_url, options->path);
    if (options->query && options->query->size > 0)
        buffer_print(ret, "?%s", options->query->data);
    return ret->data;
}

void requests_turn(struct trader *trader) {
    for (struct request *request = trader->requests, *next; request; request = next) {
        struct bybit_answer answer = {.class = EXCHANGE_NOT_SENT}; /* by ourselves */
        next = request->next;
        if (!request->held_back)
            continue;
        (void)snprintf(answer.message, sizeof answer.message,
                       "the exchange asked for a pause of ten minutes");
        finish(request, &answer);
    }
}

void requests_close(struct trader *trader) {
    while (trader->requests) {
        free(trader->requests->context);
        request_free(trader->requests);
    }
}

static struct http_call *prepare_call(const struct request_options *options,
                                      struct request *request) {
    struct trader *trader = request->trader;
    AUTO_BUFFER struct buffer url = {0};
    struct signature signature;
    const struct buffer *payload = options->body ? options->body : options->query;
    sign(trader, payload ? buffer_slice(payload) : slice_of(""), &signature);
    struct http_header headers[] = {{"X-BAPI-API-KEY", trader->options->api_key.value},
                                    {"X-BAPI-TIMESTAMP", signature.timestamp},
                                    {"X-BAPI-RECV-WINDOW", RECV_WINDOW},
                                    {"X-BAPI-SIGN", signature.hex}};
    struct http_call_options call = {.method = options->body ? "POST" : "GET",
                                     .url = url_of(trader, options, &url),
                                     .headers = headers,
                                     .header_count = options->is_public ? 0 : COUNT_OF(headers),
                                     .body = options->body ? buffer_slice(options->body)
                                                           : (struct slice){0},
                                     .content_type = options->body ? "application/json" : NULL,
                                     .total_ms_max = REQUEST_MS_MAX,
                                     .answer_bytes_max = ANSWER_BYTES_MAX};
    return http_call_prepare(trader->client, &call, on_answer, request);
}

struct request *request_prepare(struct trader *trader, const struct request_options *options,
                                request_done *done, void *context) {
    struct request *request = memory_new(sizeof *request);
    *request = (struct request){.next = trader->requests,
                                .place = &trader->requests,
                                .trader = trader,
                                .done = done,
                                .context = context,
                                .is_public = options->is_public};
    if (request->next)
        request->next->place = &request->next;
    trader->requests = request;
    request->call = prepare_call(options, request);
    return request;
}

void request_send(struct request *request) {
    request->sent_ms = trader_now(request->trader);
    request->held_back = request_blocked(request->trader);
    if (request->held_back)
        http_call_cancel(request->call);
    else
        http_call_send(request->call);
}

void request_drop(struct request *request) {
    http_call_cancel(request->call);
    free(request->context);
    request_free(request);
}

void request_start(struct trader *trader, const struct request_options *options, request_done *done,
                   void *context) {
    request_send(request_prepare(trader, options, done, context));
}
