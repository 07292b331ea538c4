/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h - HTTP client on the loop, connections kept alive and reused. Tells the three
 * outcomes of an outside call apart; never retries by itself. No type of the library underneath. */
#pragma once
#include "base/common.h"
#include "link/http_server.h" /* struct http_header */
#include <uv.h>

struct http_client;
struct http_call;

enum http_outcome {
    HTTP_ANSWERED, /* a whole answer with a status: done or not done, as it says */
    HTTP_NOT_SENT, /* no byte of the request left this machine (resolve, connect, proxy, TLS) */
    HTTP_UNKNOWN,  /* the request was written, at least in part, and no whole answer came */
};
struct http_answer {
    enum http_outcome outcome;
    int status; /* 0 unless answered */
    struct slice body;
    const char *content_type; /* "" when none */
    const char *error;        /* a sentence when not answered, else "" */
    int64_t retry_after_s;    /* header Retry-After, -1 when none */
    int64_t total_ms;
};
/* Called once, on the loop, never from inside http_call_start(). `answer` is borrowed until it
 * returns. Not called after http_call_cancel(). */
typedef void http_answered(void *context, const struct http_answer *answer);

struct http_call_options {
    const char *method; /* "GET", "POST" */
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;        /* copied */
    const char *content_type; /* NULL: none */
    const char *proxy;        /* curl syntax, NULL: none (the environment is not read) */
    const char *unix_socket;  /* path; NULL: TCP */
    int64_t connect_ms_max;   /* 0: 10,000 */
    int64_t total_ms_max;     /* 0: 60,000 */
    size_t answer_bytes_max;  /* 0: 64 MiB; more is HTTP_UNKNOWN with an error that says so */
};
struct http_client *http_client_open(uv_loop_t *loop, uint32_t connections_max);
/* Cancels what is under way; the loop must run on for its handles to close. Returns NULL. */
struct http_client *http_client_close(struct http_client *client);
/* *ret_call may be NULL when nobody will cancel. Always calls back, also for a bad URL. */
void http_call_start(struct http_client *client, const struct http_call_options *options,
                     http_answered *answered, void *context, struct http_call **ret_call);
void http_call_cancel(struct http_call *call); /* must not have called back yet */
