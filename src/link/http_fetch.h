/* SPDX-License-Identifier: Apache-2.0 */
/* http_fetch.h - one HTTP call waited for, for commands that have nothing else to do. Runs the loop
 * until the answer is there. */
#pragma once
#include "base/buffer.h"
#include "link/http_client.h"

struct http_fetched {
    enum http_outcome outcome;
    int status;
    struct buffer body;
    char error[160]; /* a sentence when not answered */
    int64_t total_ms;
};
void http_fetch(uv_loop_t *loop, struct http_client *client,
                const struct http_call_options *options, struct http_fetched *ret);
void http_fetched_deinit(struct http_fetched *fetched);
