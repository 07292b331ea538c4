/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h - HTTP client on the loop, connections kept alive and reused. Tells the three
 * outcomes of an outside call apart; never retries by itself. No type of the library underneath.
 *
 * NOT_SENT is exact: not one byte of the request was written (a request to a proxy to open a tunnel
 * does not count). A kept-alive connection that turns out dead is replaced only while that still
 * holds. When it dies after the first byte was written and before an answer, the peer may have
 * acted on the request: UNKNOWN, for GET too. Connections idle for 60 s are not used again, and one
 * that the peer has closed is seen before use, so this is rare. Redirects are not followed, paths
 * not normalised, certificates always checked. Calls beyond connections_max wait inside, within
 * their total_ms_max; callers bound how many they start. An `error` never holds the path of the
 * URL. Opening ignores SIGPIPE for the whole program. */
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
    int64_t retry_after_s;    /* header Retry-After, -1 when none, 0 also when unreadable */
    int64_t total_ms;
};
/* Called once, on the loop, never from inside http_call_start(). `answer` is borrowed until it
 * returns. Not called after http_call_cancel() or http_client_close(). It may start and cancel
 * other calls and close the client. */
typedef void http_answered(void *context, const struct http_answer *answer);

/* Takes the body of an answer as it comes, on the loop, never from inside http_call_start(). What
 * is left when it ends stands in the http_answer. Both may start and cancel calls, this one too
 * (then piece() says false). */
struct http_receiver {
    /* Once, before the first byte of the body; `size`: -1 when not known. */
    void (*begun)(void *context, int status, const char *content_type, int64_t size);
    /* false: no more until http_call_resume(), which may be called in here. What comes meanwhile,
     * up to 256 KiB, is kept; then the peer waits. */
    bool (*piece)(void *context, struct slice bytes);
};
struct http_call_options {
    const char *method; /* "GET", "POST" */
    const char *url;
    const struct http_header *headers; /* a line break inside: NOT_SENT */
    size_t header_count;
    struct slice body;            /* copied; not sent with HEAD */
    const struct http_file *file; /* instead of body, for a POST; its descriptor is duplicated */
    const struct http_receiver *receiver; /* NULL: the answer is given whole */
    int64_t silence_ms_max;   /* without one byte either way, rounded to seconds; 0: no limit */
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
/* The same in two steps: nothing leaves before http_call_send(), and its time begins there. For a
 * request that must wait for something else and then leave at once. Cancel what is not sent. */
MUST_CHECK struct http_call *http_call_prepare(struct http_client *client,
                                               const struct http_call_options *options,
                                               http_answered *answered, void *context);
void http_call_send(struct http_call *call);
void http_call_resume(struct http_call *call); /* after piece() said false; else it does nothing */
void http_call_cancel(struct http_call *call); /* must not have called back yet */
