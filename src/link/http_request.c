/* SPDX-License-Identifier: Apache-2.0 */
/* A request comes in, is handled, waits, and ends. */
#include "link/http_parts.h"
#include <strings.h>

enum {
    PARAMETERS_MAX = 250,         /* of a URL: the library falls silent at some hundred more */
    BODIES_BYTES_MAX = 256 << 20, /* of all requests together */
    BODY_BYTES_FIRST = 65536, /* reserved at once for a body; a promise of more costs nothing yet */
};

struct gone_watch { /* lives on until its handle has closed */
    uv_poll_t poll;
    struct http_request *request;
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

void request_drop_body(struct http_request *request) {
    request->server->bodies_bytes -= request->body.size;
    buffer_deinit(&request->body);
    spool_drop(request);
}

void request_free(struct http_request *request) {
    if (!request)
        return;
    request->client->request = NULL;
    if (request->response)
        MHD_destroy_response(request->response);
    request_drop_body(request);
    stream_free(request->stream);
    request->server->answers_bytes -= request->answer_bytes;
    url_query_deinit(&request->query);
    free(request->path);
    free(request->raw_query);
    free(request);
}

static struct connection *client_of(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* --- a request comes in --- */

/* How long its body may be. */
static uint64_t body_max(const struct http_request *request) {
    const struct http_server *server = request->server;
    return spool_wanted(request) ? server->spool.bytes_max : server->body_bytes_max;
}

static void request_refuse_size(struct http_request *request) {
    uint64_t max = body_max(request);
    bool whole = max >= 1 << 20 && max % (1 << 20) == 0;
    AUTO_FREE char *detail =
        text_format("the body is larger than the %llu %s that are taken; send "
                    "less at once",
                    (unsigned long long)(whole ? max >> 20 : max), whole ? "MiB" : "bytes");
    request_refuse(request, &(struct refusal){413, "Content Too Large", detail, ""});
}

static size_t count_parameters(const char *query) {
    size_t count = 0;
    for (; *query; query++)
        count += *query == '&';
    return count;
}

/* Takes the path from the raw URI: what the library decodes ends at a %00 and loses %2F. */
void *request_on_uri(void *context, const char *uri, struct MHD_Connection *connection) {
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
    uint64_t size = text ? strtoull(text, NULL, 10) : 0; /* checked by the library */
    if (size > body_max(request))
        request_refuse_size(request);
    else if (size)
        buffer_reserve(&request->body, size < BODY_BYTES_FIRST ? size : BODY_BYTES_FIRST);
}

static void request_take(struct http_request *request, const char *data, size_t size) {
    if (request->state == REQUEST_REFUSED)
        return;
    must(request->state == REQUEST_READING);
    request->heard_ms = (int64_t)uv_now(request->server->loop);
    uint64_t before = request->spool ? request->spool->size : request->body.size;
    if (size > body_max(request) - before) {
        request_refuse_size(request);
    } else if (request->spool || (before + size > SPOOL_BYTES_FROM && spool_wanted(request))) {
        spool_take(request, (struct slice){data, size});
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

void request_unpark(struct http_request *request) {
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

void request_refuse_closing(struct http_request *request) {
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
    request->whole_ns = uv_hrtime();
    if (request->server->closing)
        request_refuse_closing(request);
    else if (request->bad_url)
        http_respond_problem(request, 400, "Bad Request", "the URL holds a NUL character (%00)");
    else
        request->server->handler(request->server->context, request);
    if (request->state == REQUEST_ANSWERED)
        return answer_send(request);
    request_park(request);
    return MHD_YES;
}

enum MHD_Result request_on_access(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **place) {
    struct http_request *request = *place;
    request->server->progress = true;
    if (request->state == REQUEST_NEW) {
        request_begin(request, method);
        return MHD_YES;
    }
    if (request->state == REQUEST_ANSWERED)
        return answer_send(request);
    if (*size == 0)
        return request_whole(request);
    request_take(request, data, *size);
    *size = 0;
    return MHD_YES;
}

void request_on_completed(void *context, struct MHD_Connection *connection, void **place,
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

const struct http_file *http_request_file(const struct http_request *request) {
    return request->spool;
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
