/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd brings its own epoll descriptor; one uv_poll on it and one timer drive everything.
 *
 * A request: on_uri (request line read) -> on_access (headers whole) -> on_access per piece of body
 * -> on_access with no bytes: whole, handled. Unanswered it is parked: suspended in the library,
 * which then neither times it out nor looks at its socket; http_respond() resumes it and on_access
 * comes once more to queue the answer. on_completed frees it.
 *
 * The library stops reading at a short read until the next edge: an end of stream that came
 * together with the last bytes is noticed only when a deadline passes. The deadlines are needed for
 * that too: SETTLE looks for it a second after the last answer.
 *
 * What is due at once takes the idle handle, not the timer: a timer that is set to now inside its
 * own callback fires again in the same turn of the loop, before anything else is looked at.
 *
 * The library's timeout is silence only. Against drip feeding each connection stands in at most one
 * deadline queue; all members of a queue wait equally long, so the first is always the earliest. */
#include "link/http_server.h"
#include "base/buffer.h"
#include "link/url.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    PARAMETERS_MAX = 250,         /* of a URL: the library falls silent at some hundred more */
    BODIES_BYTES_MAX = 256 << 20, /* of all requests together */
    SPARE_DESCRIPTORS = 128,
    SETTLE_MS = 1000,         /* after an answer, before it is looked whether the client has left */
    LINGER_MS_MAX = 2000,     /* after a refusal: reading on, so that the client sees the answer */
    ANSWER_MS_MAX = 600000,   /* a client that takes longer to read its answer is cut */
    BODY_BYTES_FIRST = 65536, /* reserved at once for a body; a promise of more costs nothing yet */
    ANSWERS_BYTES_MAX = 256 << 20, /* given and not yet taken, of all together */
    STALL_MS_MAX = 1000,           /* of turns that bring nothing, before who causes it goes */
};
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
struct gone_watch { /* lives on until its handle has closed */
    uv_poll_t poll;
    struct http_request *request;
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
    struct buffer body;
    struct MHD_Response *response;
    size_t answer_bytes;
    bool chunked;
    int64_t heard_ms; /* when the last piece of its body came */
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
    http_handler *handler, *refuse;
    void *context;
    size_t body_bytes_max;
    size_t bodies_bytes; /* held now, of all requests together */
    size_t answers_bytes;
    char *server_name;
    uint16_t port;
    bool closing;
    int handles_open;
    void (*closed)(void *context);
    void *closed_context;
};

/* --- deadlines --- */

static void deadline_clear(struct connection *client) {
    struct deadlines *queue = client->queue;
    if (!queue)
        return;
    *(client->previous ? &client->previous->next : &queue->first) = client->next;
    *(client->next ? &client->next->previous : &queue->last) = client->previous;
    client->previous = client->next = NULL;
    client->queue = NULL;
}

static void deadline_set(struct http_server *server, struct connection *client,
                         enum deadline which) {
    struct deadlines *queue = &server->deadlines[which];
    deadline_clear(client);
    client->due_ms = (int64_t)uv_now(server->loop) + queue->wait_ms;
    client->previous = queue->last;
    *(queue->last ? &queue->last->next : &queue->first) = client;
    queue->last = client;
    client->queue = queue;
}

/* The library sees the end of the stream and closes; closing its descriptor would be wrong. */
static void connection_cut(struct connection *client) {
    deadline_clear(client);
    client->cut = true;
    shutdown(client->fd, SHUT_RDWR);
}

/* ---- refusals past the library ---- */

struct refusal {
    int status;
    const char *title, *detail;
    const char *header; /* a whole line, or "" */
};
static const struct refusal too_many_bodies = {
    503, "Service Unavailable", "too many large bodies are on their way at once; try again",
    "Retry-After: 5\r\n"};
static const struct refusal too_many_parameters = {
    414, "URI Too Long", "more than 250 parameters in the URL; send them as a body", ""};
static const struct refusal two_lengths = {
    400, "Bad Request",
    "the request tells its length twice and differently; send one Content-Length, or "
    "Transfer-Encoding: chunked alone",
    ""};
static const struct refusal long_chunk_head = {
    400, "Bad Request", "the line with the size of a chunk is too long; send the size alone", ""};
static const struct refusal too_slow = {
    408, "Request Timeout",
    "the request was not whole in time; send it without pauses, a long body over a faster line",
    ""};

static void refusal_send(int fd, const struct refusal *refusal) {
    AUTO_FREE char *body = text_format("{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,"
                                       "\"detail\":\"%s\"}\n",
                                       refusal->title, refusal->status, refusal->detail);
    AUTO_FREE char *answer =
        text_format("HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"
                    "Content-Length: %zu\r\n%sConnection: close\r\n\r\n%s",
                    refusal->status, refusal->title, strlen(body), refusal->header, body);
    (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool has_left(const struct connection *client) {
    struct pollfd look = {.fd = client->fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) == 1;
}

/* Who was heard of in part is told why; of the others nobody knows that they speak HTTP. */
static void deadlines_expire(struct http_server *server) {
    int64_t now = (int64_t)uv_now(server->loop);
    for (size_t i = 0; i < DEADLINE_COUNT; i++) {
        struct connection *client;
        while ((client = server->deadlines[i].first) && client->due_ms <= now) {
            if (i == DEADLINE_SETTLE && !has_left(client)) {
                deadline_set(server, client, DEADLINE_NEXT);
                continue;
            }
            if (i == DEADLINE_REQUEST && client->request)
                refusal_send(client->fd, &too_slow);
            connection_cut(client);
        }
    }
}

/* Beyond the limit a new connection takes the place of the one that has let us wait longest for a
 * request: who opens thousands and says nothing shuts nobody out. */
static void connections_make_room(struct http_server *server) {
    static const enum deadline queues[] = {DEADLINE_REQUEST, DEADLINE_NEXT, DEADLINE_SETTLE};
    if (server->connection_count <= server->connections_max)
        return;
    for (size_t i = 0; i < COUNT_OF(queues); i++) {
        struct connection *oldest = server->deadlines[queues[i]].first;
        if (oldest) {
            connection_cut(oldest);
            return;
        }
    }
}

/* Answers that nobody takes: the oldest go first. */
static void answers_make_room(struct http_server *server) {
    struct deadlines *queue = &server->deadlines[DEADLINE_ANSWER];
    while (server->answers_bytes > ANSWERS_BYTES_MAX && queue->first) {
        struct connection *client = queue->first;
        server->answers_bytes -= client->request ? client->request->answer_bytes : 0;
        if (client->request)
            client->request->answer_bytes = 0;
        connection_cut(client);
    }
}

/* The library goes round and round over a chunk whose head does not fit into its memory. Who has
 * sent a chunked body and made no progress with it, while turns bring nothing, is the one. */
static void stall_end(struct http_server *server) {
    int64_t now = (int64_t)uv_now(server->loop);
    struct connection *client = server->deadlines[DEADLINE_REQUEST].first;
    for (struct connection *next; client; client = next) {
        struct http_request *request = client->request;
        next = client->next;
        if (!request || request->state != REQUEST_READING || !request->chunked ||
            now - request->heard_ms < STALL_MS_MAX)
            continue;
        refusal_send(client->fd, &long_chunk_head);
        connection_cut(client);
    }
    server->stall_ms = 0;
}

/* --- the loop --- */

static void on_timer(uv_timer_t *timer);
static void on_idle(uv_idle_t *idle);

static void stall_watch(struct http_server *server, bool again_now) {
    int64_t now = (int64_t)uv_now(server->loop);
    if (!again_now || server->progress)
        server->stall_ms = 0;
    else if (!server->stall_ms)
        server->stall_ms = now;
    else if (now - server->stall_ms >= STALL_MS_MAX)
        stall_end(server);
    server->progress = false;
}

/* The timer is moved only to an earlier time: under load the next deadline moves forward with each
 * request, and a timer that fires once too early is cheaper than moving it each time. */
static void server_arm(struct http_server *server) {
    int64_t now = (int64_t)uv_now(server->loop), due = INT64_MAX;
    MHD_UNSIGNED_LONG_LONG wait;
    if (MHD_get_timeout(server->daemon, &wait) == MHD_YES)
        due = now + (int64_t)(wait < INT32_MAX ? wait : INT32_MAX);
    stall_watch(server, due <= now);
    if (due <= now)
        uv_idle_start(&server->idle, on_idle);
    for (size_t i = 0; i < DEADLINE_COUNT; i++) {
        struct connection *first = server->deadlines[i].first;
        if (first && first->due_ms < due)
            due = first->due_ms;
    }
    if (due >= server->armed_ms || due <= now)
        return;
    server->armed_ms = due;
    uv_timer_start(&server->timer, on_timer, (uint64_t)(due - now), 0);
}

/* With a foreign loop nothing wakes the library when a connection is resumed: a turn is due now. */
static void server_run_soon(struct http_server *server) {
    if (server->armed_ms == INT64_MIN) /* closing: has its own turn */
        return;
    server->armed_ms = (int64_t)uv_now(server->loop);
    uv_timer_start(&server->timer, on_timer, 0, 0);
}

static void server_turn(struct http_server *server) {
    deadlines_expire(server);
    MHD_run(server->daemon);
    server_arm(server);
}

static void on_idle(uv_idle_t *idle) {
    uv_idle_stop(idle);
    server_turn(idle->data);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct http_server *server = poll->data;
    MHD_run(server->daemon);
    server_arm(server);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct http_server *server = handle->data;
    if (--server->handles_open)
        return;
    if (server->closed)
        server->closed(server->closed_context);
    free(server->server_name);
    free(server);
}

/* Answers that were given are pushed out first; what the sockets do not take at once is lost. */
static void server_stop(struct http_server *server) {
    int fd = MHD_quiesce_daemon(server->daemon);
    if (fd >= 0)
        close(fd);
    MHD_UNSIGNED_LONG_LONG wait = 0;
    for (int turn = 0; turn < 16 && wait == 0; turn++) {
        MHD_run(server->daemon);
        if (MHD_get_timeout(server->daemon, &wait) != MHD_YES)
            wait = 1;
    }
    must(!server->parked); /* the library would abort */
    uv_close((uv_handle_t *)&server->poll, on_handle_closed);
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
    uv_close((uv_handle_t *)&server->idle, on_handle_closed);
    MHD_stop_daemon(server->daemon);
}

static void on_timer(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    server->armed_ms = INT64_MAX;
    if (server->closing) {
        server_stop(server);
        return;
    }
    server_turn(server);
}

/* --- connections --- */

static void body_drop(struct http_request *request) {
    request->server->bodies_bytes -= request->body.size;
    buffer_deinit(&request->body);
}

static void request_free(struct http_request *request) {
    if (!request)
        return;
    request->client->request = NULL;
    if (request->response)
        MHD_destroy_response(request->response);
    body_drop(request);
    request->server->answers_bytes -= request->answer_bytes;
    url_query_deinit(&request->query);
    free(request->path);
    free(request->raw_query);
    free(request);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode code) {
    struct http_server *server = context;
    struct connection *client = *place;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        client = memory_new(sizeof *client);
        server->connection_count++;
        server->progress = true;
        connections_make_room(server);
        client->fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        deadline_set(server, client, DEADLINE_REQUEST);
        *place = client;
    } else if (client) {
        server->connection_count--;
        server->progress = true;
        deadline_clear(client);
        request_free(client->request);
        free(client);
        *place = NULL;
    }
}

static struct connection *client_of(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* --- a request comes in --- */

/* The library can queue no answer while a body comes in, or before it has read the URL. So this one
 * is written past it, and the rest is read for a while and dropped: closing at once would reset the
 * connection and could take the answer away from the client. */
static void request_refuse(struct http_request *request, const struct refusal *refusal) {
    refusal_send(request->client->fd, refusal);
    shutdown(request->client->fd, SHUT_WR);
    body_drop(request);
    request->state = REQUEST_REFUSED;
    deadline_set(request->server, request->client, DEADLINE_LINGER);
}

static void request_refuse_size(struct http_request *request) {
    size_t max = request->server->body_bytes_max;
    bool whole = max >= 1 << 20 && max % (1 << 20) == 0;
    AUTO_FREE char *detail = text_format("the body is larger than the %zu %s that are taken; send "
                                         "less at once",
                                         whole ? max >> 20 : max, whole ? "MiB" : "bytes");
    request_refuse(request, &(struct refusal){413, "Content Too Large", detail, ""});
}

static size_t count_parameters(const char *query) {
    size_t count = 0;
    for (; *query; query++)
        count += *query == '&';
    return count;
}

/* Takes the path from the raw URI: what the library decodes ends at a %00 and loses %2F. */
static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection) {
    struct http_request *request = memory_new(sizeof *request);
    size_t path_size = strcspn(uri, "?");
    request->server = context;
    request->server->progress = true;
    request->connection = connection;
    request->client = client_of(connection);
    request_free(request->client->request);
    request->client->request = request;
    request->path = url_decode((struct slice){uri, path_size}, false);
    request->raw_query = text_copy(uri[path_size] ? uri + path_size + 1 : "");
    request->bad_url = url_holds_nul(uri);
    if (count_parameters(request->raw_query) >= PARAMETERS_MAX)
        request_refuse(request, &too_many_parameters);
    else if (request->client->queue != &request->server->deadlines[DEADLINE_REQUEST] &&
             !request->client->cut)
        deadline_set(request->server, request->client, DEADLINE_REQUEST);
    return request;
}

/* Two that differ, or one beside chunks: a proxy before us may have believed the other one. */
struct lengths {
    const char *first;
    bool differ;
};

static enum MHD_Result each_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
    struct lengths *lengths = context;
    if (!value || strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) != 0)
        return MHD_YES;
    lengths->differ = lengths->differ || (lengths->first && strcmp(lengths->first, value) != 0);
    lengths->first = value;
    return MHD_YES;
}

static bool has_two_lengths(struct http_request *request) {
    struct lengths lengths = {0};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, each_header, &lengths);
    return lengths.differ || (request->chunked && lengths.first);
}

static void request_begin(struct http_request *request, const char *method) {
    if (request->state == REQUEST_REFUSED)
        return;
    request->method = method;
    request->state = REQUEST_READING;
    request->chunked = http_request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    request->heard_ms = (int64_t)uv_now(request->server->loop);
    if (has_two_lengths(request)) {
        request_refuse(request, &two_lengths);
        return;
    }
    const char *text = http_request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t size = text ? strtoull(text, NULL, 10) : 0; /* checked by the library */
    if (size > request->server->body_bytes_max)
        request_refuse_size(request);
    else if (size)
        buffer_reserve(&request->body, size < BODY_BYTES_FIRST ? size : BODY_BYTES_FIRST);
}

static void request_take(struct http_request *request, const char *data, size_t size) {
    if (request->state == REQUEST_REFUSED)
        return;
    must(request->state == REQUEST_READING);
    request->heard_ms = (int64_t)uv_now(request->server->loop);
    if (size > request->server->body_bytes_max - request->body.size) {
        request_refuse_size(request);
    } else if (size > BODIES_BYTES_MAX - request->server->bodies_bytes) {
        request_refuse(request, &too_many_bodies);
    } else {
        buffer_add(&request->body, data, size);
        request->server->bodies_bytes += size;
    }
}

/* --- parked --- */

static void on_gone_event(uv_poll_t *poll, int status, int events) {
    struct gone_watch *watch = poll->data;
    uv_poll_stop(poll);
    struct http_request *request = watch->request;
    request->gone(request->gone_context);
}

static void on_watch_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void watch_start(struct http_request *request) {
    struct gone_watch *watch = memory_new(sizeof *watch);
    if (uv_poll_init(request->server->loop, &watch->poll, request->client->fd) < 0) {
        free(watch);
        return;
    }
    watch->request = request;
    watch->poll.data = watch;
    request->watch = watch;
    uv_poll_start(&watch->poll, UV_DISCONNECT, on_gone_event);
}

/* Must come before the library can close the descriptor. */
static void watch_stop(struct http_request *request) {
    if (request->watch)
        uv_close((uv_handle_t *)&request->watch->poll, on_watch_closed);
    request->watch = NULL;
}

static void request_park(struct http_request *request) {
    struct http_server *server = request->server;
    request->state = REQUEST_PARKED;
    request->next = server->parked;
    if (server->parked)
        server->parked->previous = request;
    server->parked = request;
    MHD_suspend_connection(request->connection);
    if (request->gone)
        watch_start(request);
}

static void request_unpark(struct http_request *request) {
    *(request->previous ? &request->previous->next : &request->server->parked) = request->next;
    if (request->next)
        request->next->previous = request->previous;
    request->previous = request->next = NULL;
    watch_stop(request);
    MHD_resume_connection(request->connection);
    server_run_soon(request->server);
}

void http_request_on_gone(struct http_request *request, void (*gone)(void *context),
                          void *context) {
    must(request->state == REQUEST_HANDLED || request->state == REQUEST_PARKED);
    request->gone = gone;
    request->gone_context = context;
    if (gone && request->state == REQUEST_PARKED && !request->watch)
        watch_start(request);
    else if (!gone)
        watch_stop(request);
}

/* --- an answer goes out --- */

/* Leaving the association is how TCP is told to reset at once. */
static void connection_reset(struct connection *client) {
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    (void)connect(client->fd, &none, sizeof none);
}

static enum MHD_Result request_send(struct http_request *request) {
    if (request->reset) {
        connection_reset(request->client);
        return MHD_NO;
    }
    deadline_set(request->server, request->client, DEADLINE_ANSWER);
    answers_make_room(request->server);
    return MHD_queue_response(request->connection, (unsigned)request->status, request->response);
}

static void request_refuse_closing(struct http_request *request) {
    struct http_server *server = request->server;
    if (server->refuse)
        server->refuse(server->context, request);
    else
        http_respond_problem(request, 503, "Service Unavailable", "the server is going down");
}

static enum MHD_Result request_whole(struct http_request *request) {
    if (request->state == REQUEST_REFUSED)
        return MHD_NO;
    must(request->state == REQUEST_READING);
    deadline_clear(request->client);
    request->state = REQUEST_HANDLED;
    if (request->server->closing)
        request_refuse_closing(request);
    else if (request->bad_url)
        http_respond_problem(request, 400, "Bad Request", "the URL holds a NUL character (%00)");
    else
        request->server->handler(request->server->context, request);
    if (request->state == REQUEST_ANSWERED)
        return request_send(request);
    request_park(request);
    return MHD_YES;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *size, void **place) {
    struct http_request *request = *place;
    request->server->progress = true;
    if (request->state == REQUEST_NEW) {
        request_begin(request, method);
        return MHD_YES;
    }
    if (request->state == REQUEST_ANSWERED)
        return request_send(request);
    if (*size == 0)
        return request_whole(request);
    request_take(request, data, *size);
    *size = 0;
    return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **place,
                         enum MHD_RequestTerminationCode code) {
    struct http_request *request = *place;
    if (!request)
        return;
    must(request->state != REQUEST_PARKED && request->state != REQUEST_HANDLED);
    *place = NULL;
    request->server->progress = true;
    if (request->state != REQUEST_REFUSED && !request->client->cut)
        deadline_set(request->server, request->client, DEADLINE_SETTLE);
    request_free(request);
}

struct cut_body {
    size_t size;
    char bytes[];
};

static ssize_t read_cut_body(void *context, uint64_t position, char *to, size_t size) {
    struct cut_body *body = context;
    if (position >= body->size)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t left = body->size - (size_t)position;
    size_t n = left < size ? left : size;
    memcpy(to, body->bytes + position, n);
    return (ssize_t)n;
}

static struct MHD_Response *make_cut_body(struct slice whole) {
    struct cut_body *body = memory_new(sizeof *body + whole.size / 2);
    body->size = whole.size / 2;
    if (body->size)
        memcpy(body->bytes, whole.data, body->size);
    return MHD_create_response_from_callback(whole.size, 16384, read_cut_body, body, free);
}

static struct MHD_Response *make_body(const struct http_response *answer) {
    if (answer->cut)
        return make_cut_body(answer->body);
    /* Copied, although the type of the parameter does not say so. */
    return MHD_create_response_from_buffer(answer->body.size, (void *)(uintptr_t)answer->body.data,
                                           MHD_RESPMEM_MUST_COPY);
}

void http_respond(struct http_request *request, const struct http_response *answer) {
    must(request->state == REQUEST_HANDLED || request->state == REQUEST_PARKED);
    must(answer->status >= 200 && answer->status <= 599);
    struct MHD_Response *response = make_body(answer);
    must(response);
    /* A header the library refuses (a line break in its value) is left out. */
    if (answer->content_type)
        (void)MHD_add_response_header(response, "Content-Type", answer->content_type);
    if (request->server->server_name)
        (void)MHD_add_response_header(response, "Server", request->server->server_name);
    for (size_t i = 0; i < answer->header_count; i++)
        (void)MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    bool parked = request->state == REQUEST_PARKED;
    request->answer_bytes = answer->body.size;
    request->server->answers_bytes += request->answer_bytes;
    request->response = response;
    request->status = answer->status;
    request->reset = answer->reset;
    request->state = REQUEST_ANSWERED;
    if (parked)
        request_unpark(request);
}

void http_respond_json(struct http_request *request, int status, struct slice body) {
    http_respond(request, &(struct http_response){
                              .status = status, .content_type = "application/json", .body = body});
}

static void add_json_text(struct buffer *buffer, const char *text) {
    buffer_add_text(buffer, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buffer_print(buffer, "\\%c", *text);
        else if ((unsigned char)*text < ' ')
            buffer_print(buffer, "\\u%04x", (unsigned)*text);
        else
            buffer_add(buffer, text, 1);
    }
    buffer_add_text(buffer, "\"");
}

void http_respond_problem(struct http_request *request, int status, const char *title,
                          const char *detail) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_text(&body, "{\"type\":\"about:blank\",\"title\":");
    add_json_text(&body, title);
    buffer_print(&body, ",\"status\":%d,\"detail\":", status);
    add_json_text(&body, detail);
    buffer_add_text(&body, "}\n");
    http_respond(request, &(struct http_response){.status = status,
                                                  .content_type = "application/problem+json",
                                                  .body = buffer_slice(&body)});
}

/* --- reading a request --- */

const char *http_request_method(const struct http_request *request) {
    return request->method;
}

const char *http_request_path(const struct http_request *request) {
    return request->path;
}

const char *http_request_raw_query(const struct http_request *request) {
    return request->raw_query;
}

const char *http_request_header(const struct http_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct slice http_request_body(const struct http_request *request) {
    return (struct slice){request->body.data ? request->body.data : "", request->body.size};
}

/* Decoded when first asked for: most requests never are. */
static const struct url_query *request_query(const struct http_request *request) {
    struct http_request *cache = (struct http_request *)(uintptr_t)request;
    if (!cache->query_read)
        url_query_init(&cache->query, cache->raw_query);
    cache->query_read = true;
    return &cache->query;
}

const char *http_request_query(const struct http_request *request, const char *name) {
    const struct url_query *query = request_query(request);
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->parameters[i].name, name) == 0)
            return query->parameters[i].value;
    }
    return NULL;
}

void http_request_each_query(const struct http_request *request,
                             void (*each)(void *context, const char *name, const char *value),
                             void *context) {
    const struct url_query *query = request_query(request);
    for (size_t i = 0; i < query->count; i++)
        each(context, query->parameters[i].name, query->parameters[i].value);
}

/* --- opening and closing --- */

static int address_read(const char *host, uint16_t port, struct sockaddr_storage *ret,
                        socklen_t *ret_size) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    *ret = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof v4);
        *ret_size = sizeof v4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(ret, &v6, sizeof v6);
        *ret_size = sizeof v6;
        return 0;
    }
    return -EINVAL;
}

static int port_of(int fd, uint16_t *ret) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t size = sizeof at;
    if (getsockname(fd, &at.any, &size) < 0)
        return -errno;
    *ret = ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
    return 0;
}

static int listen_open(const char *host, uint16_t port, uint16_t *ret_port) {
    struct sockaddr_storage address;
    socklen_t size;
    int r = address_read(host, port, &address, &size), on = 1;
    if (r < 0)
        return r;
    AUTO_FD int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    r = port_of(fd, ret_port);
    return r < 0 ? r : take_fd(&fd);
}

static struct MHD_Daemon *daemon_start(struct http_server *server, int fd,
                                       const struct http_server_options *options) {
    size_t connections_max = options->connections_max ? options->connections_max : 4096;
    /* The library accepts all that wait in the kernel before it closes any. */
    size_t most = connections_max + BACKLOG;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > SPARE_DESCRIPTORS &&
        most > files.rlim_cur - SPARE_DESCRIPTORS)
        most = files.rlim_cur - SPARE_DESCRIPTORS;
    server->connections_max = connections_max + BACKLOG <= most ? connections_max : most - most / 4;
    unsigned idle_s = ((options->idle_ms_max ? options->idle_ms_max : 75000) + 999) / 1000;
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL, NULL,
                            on_access, server, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)most,
                            MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_URI_LOG_CALLBACK,
                            on_uri, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
}

static void server_set_limits(struct http_server *server,
                              const struct http_server_options *options) {
    int64_t request_ms = options->request_ms_max ? options->request_ms_max : 30000;
    int64_t idle_ms = options->idle_ms_max ? options->idle_ms_max : 75000;
    server->body_bytes_max = options->body_bytes_max ? options->body_bytes_max : 64u << 20;
    server->deadlines[DEADLINE_REQUEST].wait_ms = request_ms;
    int64_t next_ms = idle_ms + request_ms - SETTLE_MS;
    server->deadlines[DEADLINE_SETTLE].wait_ms = SETTLE_MS;
    server->deadlines[DEADLINE_NEXT].wait_ms = next_ms > 0 ? next_ms : 0;
    server->deadlines[DEADLINE_LINGER].wait_ms = LINGER_MS_MAX;
    server->deadlines[DEADLINE_ANSWER].wait_ms = ANSWER_MS_MAX;
}

int http_server_open(uv_loop_t *loop, const struct http_server_options *options,
                     http_handler *handler, void *context, struct http_server **ret) {
    uint16_t port = 0;
    int fd = listen_open(options->host, options->port, &port);
    if (fd < 0)
        return fd;
    signal(SIGPIPE, SIG_IGN);
    struct http_server *server = memory_new(sizeof *server);
    server_set_limits(server, options);
    server->loop = loop;
    server->armed_ms = INT64_MAX;
    server->handler = handler;
    server->refuse = options->refuse;
    server->context = context;
    server->port = port;
    server->daemon = daemon_start(server, fd, options);
    if (!server->daemon) { /* it has closed the descriptor, or it is the end of descriptors */
        free(server);
        return -ENFILE;
    }
    server->server_name = text_copy(options->server_name);
    int epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->poll.data = server->timer.data = server->idle.data = server;
    server->handles_open = 3;
    uv_timer_init(loop, &server->timer);
    uv_idle_init(loop, &server->idle);
    int r = uv_poll_init(loop, &server->poll, epoll_fd);
    must(r == 0);
    r = uv_poll_start(&server->poll, UV_READABLE, on_ready);
    must(r == 0);
    *ret = server;
    return 0;
}

uint16_t http_server_port(const struct http_server *server) {
    return server->port;
}

/* The rest waits for the next turn of the loop: this may be called from inside a handler. */
void http_server_close(struct http_server *server, void (*closed)(void *context), void *context) {
    must(!server->closing);
    server->closing = true;
    server->closed = closed;
    server->closed_context = context;
    while (server->parked)
        request_refuse_closing(server->parked);
    server->armed_ms = INT64_MIN; /* nothing may move it */
    uv_timer_start(&server->timer, on_timer, 0, 0);
}
