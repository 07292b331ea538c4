/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are whole when they are given. */
#include "link/http_parts.h"
#include <sys/socket.h>

/* --- an answer goes out --- */

/* Leaving the association is how TCP is told to reset at once. */
static void connection_reset(struct connection *client) {
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    (void)connect(client->fd, &none, sizeof none);
}

enum MHD_Result answer_send(struct http_request *request) {
    if (request->reset) {
        connection_reset(request->client);
        return MHD_NO;
    }
    deadline_set(request->server, request->client, DEADLINE_ANSWER);
    answers_make_room(request->server);
    return MHD_queue_response(request->connection, (unsigned)request->status, request->response);
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

void answer_give(struct http_request *request, const struct http_response *answer,
                 struct MHD_Response *response) {
    must(request->state == REQUEST_HANDLED || request->state == REQUEST_PARKED);
    must(answer->status >= 200 && answer->status <= 599);
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

void http_respond(struct http_request *request, const struct http_response *answer) {
    const struct http_server *server = request->server;
    if (server->answered)
        server->answered(server->context, request,
                         (int64_t)(uv_hrtime() - request->whole_ns) / 1000);
    answer_give(request, answer, make_body(answer));
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
