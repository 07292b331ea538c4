/* SPDX-License-Identifier: Apache-2.0 */
#include "link/http_fetch.h"
#include "base/text.h"

struct wait {
    struct http_fetched *ret;
    bool done;
};

static void on_answer(void *context, const struct http_answer *answer) {
    struct wait *wait = context;
    struct http_fetched *ret = wait->ret;
    ret->outcome = answer->outcome;
    ret->status = answer->status;
    ret->total_ms = answer->total_ms;
    if (answer->body.size)
        buffer_add(&ret->body, answer->body.data, answer->body.size);
    text_print(ret->error, sizeof ret->error, "%s", answer->error);
    wait->done = true;
}

void http_fetch(uv_loop_t *loop, struct http_client *client,
                const struct http_call_options *options, struct http_fetched *ret) {
    struct wait wait = {.ret = ret};
    *ret = (struct http_fetched){0};
    http_call_start(client, options, on_answer, &wait, NULL);
    while (!wait.done)
        uv_run(loop, UV_RUN_ONCE);
}

void http_fetched_deinit(struct http_fetched *fetched) {
    buffer_deinit(&fetched->body);
}
