/* SPDX-License-Identifier: Apache-2.0 */
/* http_server.h - HTTP/1.1 server on the loop; a request is handled when it is whole.
 *
 * The handler is called once per request on the loop's thread. It answers with http_respond(), at
 * once or later (a parked poll): exactly once. Until then everything read from the request stays
 * valid; afterwards the request is gone. A request whose client has left is still answered; the
 * bytes go nowhere. Paths are not normalised: "..", "//" reach the handler.
 *
 * Limits are the server's: too large a body is 413, too slow a request 408, a %00 in the URL or two
 * different lengths 400. Beyond connections_max the one that has waited longest without a whole
 * request gives way to a new one; where none waits, up to 1024 more are let in, then new ones wait
 * in the kernel. Of 256 MiB of answers that nobody takes the oldest are cut. What is no HTTP, and a
 * head of more than 32 KiB, the library answers itself (4xx, 505, in HTML), and closes.
 *
 * Opening ignores SIGPIPE for the whole program. */
#pragma once
#include "base/common.h"
#include <uv.h>

struct http_server;
struct http_request;
struct http_stream;

/* Long bodies go to a file without a name, which is gone with its request; a disk with less than
 * 256 MiB left for others takes none (507). All together: 4 GiB (503). Such a request may take
 * request_ms_max for each MiB. */
struct http_spool_options {
    const char *folder; /* must exist; NULL: all bodies stay in memory */
    uint64_t bytes_max; /* of one body */
    /* Whether this request's may; asked when its headers are whole. */
    bool (*wanted)(void *context, const struct http_request *request);
};

struct http_server_options {
    const char *host;         /* numeric address, v4 or v6 */
    uint16_t port;            /* 0: any free one */
    uint32_t connections_max; /* 0: 4096 */
    size_t body_bytes_max;    /* 0: 64 MiB */
    uint32_t idle_ms_max;     /* silence, rounded up to seconds; 0: 75,000 */
    uint32_t request_ms_max; /* until a request is whole, from accept, later from its first line; 0:
                                30,000. A parked one is not limited. */
    struct http_spool_options spool;
    const char *server_name; /* Server: header, NULL for none */
    /* Answers, at once, a request that the closing server can no longer have handled; NULL: a 503
     * as problem+json. */
    void (*refuse)(void *context, struct http_request *request);
    /* Told of each answer that is whole when it is given: its time since the handler was called.
     * NULL: nobody wants to know. */
    void (*answered)(void *context, const struct http_request *request, int64_t took_us);
};
typedef void http_handler(void *context, struct http_request *request);
/* -EADDRINUSE: the port is taken. -EINVAL: not a numeric address. */
MUST_CHECK int http_server_open(uv_loop_t *loop, const struct http_server_options *options,
                                http_handler *handler, void *context, struct http_server **ret);
uint16_t http_server_port(const struct http_server *server);
/* Refuses every parked request (forget them first: they are gone) and closes in the next turns of
 * the loop, which must run on until `closed` (may be NULL) is called. */
void http_server_close(struct http_server *server, void (*closed)(void *context), void *context);

struct http_header {
    const char *name, *value;
};
const char *http_request_method(const struct http_request *request); /* "GET" */
const char *http_request_path(const struct http_request *request);   /* percent-decoded, no query */
const char *http_request_query(const struct http_request *request, const char *name);  /* or NULL */
const char *http_request_header(const struct http_request *request, const char *name); /* or NULL */
/* Of a body that went to a file: its first MiB. */
struct slice http_request_body(const struct http_request *request);
struct http_file {
    int fd;
    uint64_t size; /* from offset 0 on */
};
/* The whole body, when it went to a file; else NULL. */
const struct http_file *http_request_file(const struct http_request *request);
/* Calls `each` for every query parameter: name and value decoded. */
void http_request_each_query(const struct http_request *request,
                             void (*each)(void *context, const char *name, const char *value),
                             void *context);
/* The raw query as sent, "" when none: for passing on unchanged. */
const char *http_request_raw_query(const struct http_request *request);

struct http_response {
    int status;
    const char *content_type; /* NULL: none */
    struct slice body;        /* copied */
    const struct http_header *headers;
    size_t header_count;
    /* For simulated faults: */
    bool cut;   /* announce the whole body, send half of it, close */
    bool reset; /* no answer, the connection is reset (RST) */
};
void http_respond(struct http_request *request, const struct http_response *response);
/* Short forms. */
void http_respond_json(struct http_request *request, int status, struct slice body);
/* RFC 9457: {"type":"about:blank","title":...,"status":...,"detail":...}; `detail` says what to
 * change. */
void http_respond_problem(struct http_request *request, int status, const char *title,
                          const char *detail);
/* Called once when the client closes its side while the request is parked (best effort: a client
 * that lost power says nothing). The request must still be answered, in the callback or later. Set
 * it inside the handler or while parked; NULL takes it back. */
void http_request_on_gone(struct http_request *request, void (*gone)(void *context), void *context);

/* An answer whose body comes piece by piece, for downloads and events. Its owner ends it, unless
 * `gone` came first. */
struct http_stream_options {
    int64_t size;       /* of the whole body, if known, and then exact; -1: not known */
    uint32_t piece_max; /* handed to the kernel at once; held in memory for each stream */
    /* All that was added has been taken; more would be welcome. Called inside the library: it may
     * add to this stream and end it, and touch nothing else of the server. May be NULL. */
    void (*drained)(void *context);
    /* The client has left, was too slow, or the server closes: forget it. A client that leaves
     * while nothing is sent is seen at the next piece. */
    void (*gone)(void *context);
    void *context;
};
/* `answer` without a body; the head leaves with the next turn of the loop. */
struct http_stream *http_respond_stream(struct http_request *request,
                                        const struct http_response *answer,
                                        const struct http_stream_options *options);
void http_stream_add(struct http_stream *stream, struct slice bytes); /* copied */
/* The same bytes for many streams, held once. */
struct http_shared;
struct http_shared *http_shared_new(struct slice bytes);          /* copied */
struct http_shared *http_shared_drop(struct http_shared *shared); /* NULL is fine; returns NULL */
/* Only while nothing waits. The stream holds it for itself. */
void http_stream_add_shared(struct http_stream *stream, struct http_shared *shared);
size_t http_stream_waiting(const struct http_stream *stream); /* bytes not yet taken */
/* What was added still goes out. Not whole: then the connection is cut, so that the client sees
 * that something is missing. */
void http_stream_end(struct http_stream *stream, bool whole);
