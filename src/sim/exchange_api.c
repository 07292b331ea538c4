/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated exchange over HTTP: /v5/... Signatures are computed here, over the bytes as they
 * came; what they mean is decided in the mimic. */
#include "base/text.h"
#include "sim/sim.h"
#include "wire/bybit_sign.h"
#include <stdio.h>

static const char *header(const struct http_request *request, const char *name) {
    const char *value = http_request_header(request, name);
    return value ? value : "";
}

/* timestamp, key, recv_window and the raw query or body. */
static bool signature_good(const struct sim *sim, const struct http_request *request,
                           const struct exchange_sim_call *call) {
    const char *secret = exchange_sim_secret_of(sim->exchange, call->key);
    const char *given = header(request, "X-BAPI-SIGN");
    char expected[BYBIT_SIGNATURE_BYTES];
    if (!secret)
        return false;
    bool post = strcmp(call->method, "POST") == 0;
    const struct slice parts[] = {slice_of(call->timestamp), slice_of(call->key),
                                  slice_of(call->recv_window),
                                  post ? call->body : slice_of(call->query)};
    struct bybit_signer *signer = bybit_signer_new(slice_of(secret));
    bybit_sign(signer, parts, COUNT_OF(parts), expected);
    bybit_signer_free(signer);
    return text_equal_secret(slice_of(given), slice_of(expected));
}

void exchange_api_handle(struct sim *sim, struct http_request *request) {
    struct exchange_sim_call call = {
        .method = http_request_method(request),
        .path = http_request_path(request),
        .query = http_request_raw_query(request),
        .body = http_request_body(request),
        .key = header(request, "X-BAPI-API-KEY"),
        .timestamp = header(request, "X-BAPI-TIMESTAMP"),
        .recv_window = header(request, "X-BAPI-RECV-WINDOW"),
    };
    call.signature_good = signature_good(sim, request, &call);
    call.ticket = (uint64_t)(uintptr_t)sim_open_call(sim, request);
    exchange_sim_call(sim->exchange, &call, sim_now(sim));
    sim_settle(sim);
}

void exchange_api_settle(struct sim *sim) {
    struct exchange_sim_answer answer;
    while (exchange_sim_next_answer(sim->exchange, sim_now(sim), &answer)) {
        struct http_request *request = sim_close_call((struct open_call *)(uintptr_t)answer.ticket);
        char limit[24], left[24], reset[24];
        snprintf(limit, sizeof limit, "%lld", (long long)answer.limit);
        snprintf(left, sizeof left, "%lld", (long long)answer.limit_left);
        snprintf(reset, sizeof reset, "%lld", (long long)answer.limit_reset_ms);
        struct http_header headers[] = {{"X-Bapi-Limit", limit},
                                        {"X-Bapi-Limit-Status", left},
                                        {"X-Bapi-Limit-Reset-Timestamp", reset}};
        struct http_response response = {
            .status = answer.status,
            .content_type = answer.content_type,
            .body = {answer.body, answer.body_size},
            .headers = headers,
            .header_count = answer.limit >= 0 ? COUNT_OF(headers) : 0,
            .cut = answer.cut,
            .reset = answer.reset,
        };
        http_respond(request, &response);
        exchange_sim_answer_deinit(&answer);
    }
}
