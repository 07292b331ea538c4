/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, refusals past the library, and room for others. */
#include "link/http_parts.h"
#include <poll.h>
#include <sys/socket.h>

enum {
    ANSWERS_BYTES_MAX = 256 << 20, /* given and not yet taken, of all together */
    STALL_MS_MAX = 1000,           /* of turns that bring nothing, before who causes it goes */
};

void deadline_clear(struct connection *client) {
    struct deadlines *queue = client->queue;
    if (!queue)
        return;
    *(client->previous ? &client->previous->next : &queue->first) = client->next;
    *(client->next ? &client->next->previous : &queue->last) = client->previous;
    client->previous = client->next = NULL;
    client->queue = NULL;
}

void deadline_set(struct http_server *server, struct connection *client, enum deadline which) {
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

/* The library can queue no answer while a body comes in, or before it has read the URL. So this one
 * is written past it, and the rest is read for a while and dropped: closing at once would reset the
 * connection and could take the answer away from the client. */
void request_refuse(struct http_request *request, const struct refusal *refusal) {
    refusal_send(request->client->fd, refusal);
    shutdown(request->client->fd, SHUT_WR);
    request_drop_body(request);
    request->state = REQUEST_REFUSED;
    deadline_set(request->server, request->client, DEADLINE_LINGER);
}

static bool has_left(const struct connection *client) {
    struct pollfd look = {.fd = client->fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) == 1;
}

/* Who was heard of in part is told why; of the others nobody knows that they speak HTTP. */
void deadlines_expire(struct http_server *server) {
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
void connections_make_room(struct http_server *server) {
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
void answers_make_room(struct http_server *server) {
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

void stall_watch(struct http_server *server, bool again_now) {
    int64_t now = (int64_t)uv_now(server->loop);
    if (!again_now || server->progress)
        server->stall_ms = 0;
    else if (!server->stall_ms)
        server->stall_ms = now;
    else if (now - server->stall_ms >= STALL_MS_MAX)
        stall_end(server);
    server->progress = false;
}
