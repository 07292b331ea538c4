/* SPDX-License-Identifier: Apache-2.0 */
/* http_parts.h - what the rooms of the server share; private to http_*.c.
 *
 * A request: on_uri (request line read) -> on_access (headers whole) -> on_access per piece of body
 * -> on_access with no bytes: whole, handled. Unanswered it is parked: suspended in the library,
 * which then neither times it out nor looks at its socket; http_respond() resumes it and on_access
 * comes once more to queue the answer. on_completed frees it. */
#pragma once
#include "base/buffer.h"
#include "link/http_server.h"
#include "link/url.h"
#include <microhttpd.h>

enum deadline {
    DEADLINE_REQUEST,
    DEADLINE_SETTLE, /* after an answer; then NEXT */
    DEADLINE_NEXT,
    DEADLINE_LINGER,
    DEADLINE_ANSWER,
    DEADLINE_COUNT
};
enum request_state {
    REQUEST_NEW,     /* headers not whole */
    REQUEST_READING, /* body on its way */
    REQUEST_REFUSED, /* answered past the library; what still comes is thrown away */
    REQUEST_HANDLED, /* inside the handler */
    REQUEST_PARKED,  /* suspended, in server->parked */
    REQUEST_ANSWERED,
};

struct connection {
    struct connection *previous, *next;
    struct deadlines *queue; /* NULL: no deadline */
    int64_t due_ms;
    int fd;
    bool cut; /* shut down, not yet closed by the library */
    struct http_request
        *request; /* between its URL and its end; the library may forget to end it */
};
struct deadlines {
    struct connection *first, *last;
    int64_t wait_ms;
};
struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct connection *client;
    struct http_request *previous, *next; /* while parked */
    enum request_state state;
    const char *method;
    char *path, *raw_query;
    bool bad_url;
    struct url_query query;
    bool query_read;
    struct buffer body;      /* of a spooled one: its beginning */
    struct http_file *spool; /* or NULL */
    struct MHD_Response *response;
    struct http_stream *stream; /* or NULL: the answer is whole */
    size_t answer_bytes;
    bool chunked;
    int64_t heard_ms;  /* when the last piece of its body came */
    uint64_t whole_ns; /* when it was, uv_hrtime() */
    int status;
    bool reset;
    void (*gone)(void *context);
    void *gone_context;
    struct gone_watch *watch;
};
struct http_server {
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_idle_t idle;   /* runs while a turn of the library is due at once */
    int64_t stall_ms; /* since when turns were due at once and brought nothing; 0: not so */
    bool progress;    /* the library called us in this turn */
    size_t connection_count, connections_max;
    int64_t armed_ms; /* when the timer fires, INT64_MAX: not */
    struct MHD_Daemon *daemon;
    struct deadlines deadlines[DEADLINE_COUNT];
    struct http_request *parked;
    struct http_stream *streams;
    http_handler *handler, *refuse;
    void (*answered)(void *context, const struct http_request *request, int64_t took_us);
    void *context;
    size_t body_bytes_max;
    size_t bodies_bytes; /* held now, of all requests together */
    size_t answers_bytes;
    struct http_spool_options spool;
    char *spool_folder;
    uint64_t spooled_bytes; /* now, of all requests together */
    char *server_name;
    uint16_t port;
    bool closing;
    int handles_open;
    void (*closed)(void *context);
    void *closed_context;
};

/* http_server.c: with a foreign loop nothing wakes the library when a connection is resumed. */
void server_run_soon(struct http_server *server);

/* http_limits.c. The library's timeout is silence only. Against drip feeding each connection stands
 * in at most one deadline queue; all members of a queue wait equally long, so the first is always
 * the earliest. */
void deadline_clear(struct connection *client);
void deadline_set(struct http_server *server, struct connection *client, enum deadline which);
void deadlines_expire(struct http_server *server);
void connections_make_room(struct http_server *server);
void answers_make_room(struct http_server *server);
/* After each turn of the library; again_now: the next one is due at once. */
void stall_watch(struct http_server *server, bool again_now);

struct refusal { /* past the library, which can queue no answer before a request is whole */
    int status;
    const char *title, *detail;
    const char *header; /* a whole line, or "" */
};
void request_refuse(struct http_request *request, const struct refusal *refusal);

/* http_request.c: the library's callbacks. */
void *request_on_uri(void *context, const char *uri, struct MHD_Connection *connection);
enum MHD_Result request_on_access(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **place);
void request_on_completed(void *context, struct MHD_Connection *connection, void **place,
                          enum MHD_RequestTerminationCode code);
void request_free(struct http_request *request); /* NULL is fine */
void request_drop_body(struct http_request *request);
void request_unpark(struct http_request *request);
void request_refuse_closing(struct http_request *request);

/* http_spool.c: long bodies in a file without a name. */
enum { SPOOL_BYTES_FROM = 1 << 20 };
bool spool_wanted(const struct http_request *request);
void spool_take(struct http_request *request, struct slice bytes); /* may refuse the request */
void spool_drop(struct http_request *request);

/* http_answer.c */
void answer_give(struct http_request *request, const struct http_response *answer,
                 struct MHD_Response *response); /* is taken */
enum MHD_Result answer_send(struct http_request *request);
/* http_stream.c */
void stream_free(struct http_stream *stream); /* NULL is fine; tells its owner */
void streams_cut(struct http_server *server);
