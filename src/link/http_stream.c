/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that come piece by piece. While there is nothing to send the connection is suspended in
 * the library, which would ask again and again otherwise. */
#include "link/http_parts.h"

struct http_shared {
    size_t holders, size;
    char bytes[];
};
struct http_stream {
    struct http_stream *previous, *next; /* of the server */
    struct http_request *request;
    struct http_stream_options options;
    struct buffer bytes;
    struct http_shared *shared; /* instead of bytes, or NULL */
    size_t taken;               /* of either */
    bool starved;               /* suspended */
    bool ended, whole;
};

static void count(struct http_request *request, size_t waiting) {
    request->server->answers_bytes += waiting - request->answer_bytes;
    request->answer_bytes = waiting;
}

static struct slice held(const struct http_stream *stream) {
    return stream->shared ? (struct slice){stream->shared->bytes, stream->shared->size}
                          : buffer_slice(&stream->bytes);
}

static void let_go(struct http_stream *stream) {
    stream->shared = http_shared_drop(stream->shared);
    buffer_deinit(&stream->bytes);
    stream->taken = 0;
}

static ssize_t starve(struct http_stream *stream) {
    stream->starved = true;
    deadline_clear(stream->request->client); /* who waits is us */
    MHD_suspend_connection(stream->request->connection);
    return 0;
}

static ssize_t on_wanted(void *context, uint64_t position, char *to, size_t size) {
    struct http_stream *stream = context;
    struct http_request *request = stream->request;
    size_t n = http_stream_waiting(stream);
    request->server->progress = true;
    if (n == 0 && stream->ended)
        return stream->whole ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == 0)
        return starve(stream);
    n = n < size ? n : size;
    memcpy(to, held(stream).data + stream->taken, n);
    stream->taken += n;
    if (!request->client->cut)
        deadline_set(request->server, request->client, DEADLINE_ANSWER);
    if (http_stream_waiting(stream) == 0) {
        let_go(stream);
        if (!stream->ended && stream->options.drained)
            stream->options.drained(stream->options.context);
    }
    count(request, stream->bytes.size - (stream->shared ? 0 : stream->taken));
    return (ssize_t)n;
}

static void feed(struct http_stream *stream) {
    struct http_request *request = stream->request;
    if (!stream->starved)
        return;
    stream->starved = false;
    if (!request->client->cut)
        deadline_set(request->server, request->client, DEADLINE_ANSWER);
    MHD_resume_connection(request->connection);
    server_run_soon(request->server);
}

size_t http_stream_waiting(const struct http_stream *stream) {
    return held(stream).size - stream->taken;
}

void http_stream_add(struct http_stream *stream, struct slice bytes) {
    must(!stream->ended);
    if (bytes.size == 0)
        return;
    if (stream->shared) { /* what others hold is not added to */
        struct slice rest = held(stream);
        buffer_add(&stream->bytes, rest.data + stream->taken, rest.size - stream->taken);
        stream->shared = http_shared_drop(stream->shared);
    } else {
        buffer_drop_front(&stream->bytes, stream->taken);
    }
    stream->taken = 0;
    buffer_add(&stream->bytes, bytes.data, bytes.size);
    count(stream->request, stream->bytes.size);
    feed(stream);
    answers_make_room(stream->request->server);
}

struct http_shared *http_shared_new(struct slice bytes) {
    struct http_shared *shared = memory_new(sizeof *shared + bytes.size);
    shared->holders = 1;
    shared->size = bytes.size;
    memcpy(shared->bytes, bytes.data, bytes.size);
    return shared;
}

struct http_shared *http_shared_drop(struct http_shared *shared) {
    if (shared && --shared->holders == 0)
        free(shared);
    return NULL;
}

/* Held by all, so it counts for none. */
void http_stream_add_shared(struct http_stream *stream, struct http_shared *shared) {
    must(!stream->ended && http_stream_waiting(stream) == 0);
    let_go(stream);
    stream->shared = shared;
    shared->holders++;
    feed(stream);
}

void http_stream_end(struct http_stream *stream, bool whole) {
    must(!stream->ended);
    stream->ended = true;
    stream->whole = whole;
    feed(stream);
}

struct http_stream *http_respond_stream(struct http_request *request,
                                        const struct http_response *answer,
                                        const struct http_stream_options *options) {
    struct http_server *server = request->server;
    struct http_stream *stream = memory_new(sizeof *stream);
    stream->request = request;
    stream->options = *options;
    stream->next = server->streams;
    if (stream->next)
        stream->next->previous = stream;
    server->streams = stream;
    request->stream = stream;
    uint64_t size = options->size < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)options->size;
    answer_give(
        request, answer,
        MHD_create_response_from_callback(size, options->piece_max, on_wanted, stream, NULL));
    return stream;
}

static void tell_gone(struct http_stream *stream) {
    if (stream->ended)
        return;
    stream->ended = true;
    stream->options.gone(stream->options.context);
}

void stream_free(struct http_stream *stream) {
    if (!stream)
        return;
    tell_gone(stream);
    *(stream->previous ? &stream->previous->next : &stream->request->server->streams) =
        stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
    let_go(stream);
    free(stream);
}

void streams_cut(struct http_server *server) {
    for (struct http_stream *stream = server->streams; stream; stream = stream->next) {
        tell_gone(stream);
        feed(stream);
    }
}
