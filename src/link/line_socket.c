/* SPDX-License-Identifier: Apache-2.0 */
#include "link/line_socket.h"
#include "base/buffer.h"
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 16384, BACKLOG = 64 };

struct line_connection {
    uv_pipe_t pipe;
    uv_connect_t connecting;
    struct line_connection *previous, *next; /* of a server */
    struct line_server *server;              /* NULL: a client */
    struct line_options options;
    struct buffer input;
    size_t searched;      /* input holds no newline before this */
    struct buffer unsent; /* until connected */
    size_t queued;        /* bytes handed to libuv */
    bool opened, closing;
    int reason;
    void *data;
};
struct line_server {
    uv_pipe_t pipe;
    struct line_options options;
    char *path;
    struct line_connection *connections;
    uint32_t count;
    bool closing, listen_closed;
};
struct line_write {
    uv_write_t write;
    struct line_connection *connection;
    size_t size;
    char bytes[];
};

/* --- closing --- */

static void server_free_when_closed(struct line_server *server) {
    if (!server->listen_closed || server->connections)
        return;
    free(server->path);
    free(server);
}

static void connection_leave(struct line_connection *c) {
    struct line_server *server = c->server;
    *(c->previous ? &c->previous->next : &server->connections) = c->next;
    if (c->next)
        c->next->previous = c->previous;
    server->count--;
    server_free_when_closed(server);
}

static void on_connection_closed(uv_handle_t *handle) {
    struct line_connection *c = handle->data;
    bool tell = c->opened || !c->server; /* a client is told of the failure to connect */
    if (tell && c->options.events->closed)
        c->options.events->closed(c->options.context, c, c->reason);
    if (c->server)
        connection_leave(c);
    buffer_deinit(&c->input);
    buffer_deinit(&c->unsent);
    free(c);
}

static void connection_close(struct line_connection *c, int reason) {
    if (c->closing)
        return;
    c->closing = true;
    c->reason = reason == UV_EOF || reason == UV_ECONNRESET || reason == UV_EPIPE ? 0 : reason;
    uv_close((uv_handle_t *)&c->pipe, on_connection_closed);
}

void line_close(struct line_connection *c) {
    connection_close(c, 0);
}

/* --- reading --- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret) {
    static char room[READ_BYTES]; /* emptied before the next read: one loop, one thread */
    *ret = uv_buf_init(room, sizeof room);
}

/* Lines are handed over where they lie; what is left is moved to the front once. */
static void deliver_lines(struct line_connection *c) {
    size_t start = 0;
    char *newline;
    while (!c->closing &&
           (newline = memchr(c->input.data + c->searched, '\n', c->input.size - c->searched))) {
        size_t end = (size_t)(newline - c->input.data);
        if (end - start > c->options.line_bytes_max) {
            connection_close(c, -EMSGSIZE);
            return;
        }
        *newline = 0;
        c->searched = end + 1;
        c->options.events->line(c->options.context, c,
                                (struct slice){c->input.data + start, end - start});
        start = end + 1;
    }
    buffer_drop_front(&c->input, start);
    c->searched = c->input.size;
    if (c->input.size > c->options.line_bytes_max)
        connection_close(c, -EMSGSIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room) {
    struct line_connection *c = stream->data;
    if (size < 0) {
        connection_close(c, (int)size);
        return;
    }
    if (size == 0 || c->closing)
        return;
    buffer_add(&c->input, room->base, (size_t)size);
    deliver_lines(c);
    if (c->input.size == 0 && c->input.capacity > READ_BYTES)
        buffer_deinit(&c->input); /* a rare long line does not cost memory forever */
}

/* --- writing --- */

static void on_written(uv_write_t *request, int status) {
    struct line_write *write = request->data;
    struct line_connection *c = write->connection; /* lives: it closes after its writes */
    c->queued -= write->size;
    free(write);
    if (status < 0)
        connection_close(c, status);
}

static void connection_write(struct line_connection *c, struct slice bytes) {
    struct line_write *write = memory_new(sizeof *write + bytes.size);
    write->connection = c;
    write->size = bytes.size;
    write->write.data = write;
    memcpy(write->bytes, bytes.data, bytes.size);
    uv_buf_t part = uv_buf_init(write->bytes, (unsigned)bytes.size);
    c->queued += bytes.size;
    int r = uv_write(&write->write, (uv_stream_t *)&c->pipe, &part, 1, on_written);
    if (r < 0) {
        c->queued -= bytes.size;
        free(write);
        connection_close(c, r);
    }
}

/* Most lines fit into the socket at once and need no memory of ours. Returns what is left. */
static struct slice connection_try_write(struct line_connection *c, struct slice bytes) {
    uv_buf_t part = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.size);
    int n = c->queued ? UV_EAGAIN : uv_try_write((uv_stream_t *)&c->pipe, &part, 1);
    if (n < 0 && n != UV_EAGAIN)
        connection_close(c, n);
    size_t done = n > 0 ? (size_t)n : 0;
    return (struct slice){bytes.data + done, bytes.size - done};
}

int line_send(struct line_connection *c, struct slice line) {
    must(!line.size || !memchr(line.data, '\n', line.size));
    if (c->closing)
        return LINE_CLOSED;
    if (line.size + 1 > c->options.queue_bytes_max - c->queued - c->unsent.size) {
        connection_close(c, -ENOBUFS);
        return LINE_CLOSED;
    }
    AUTO_BUFFER struct buffer bytes = {0};
    buffer_reserve(&bytes, line.size + 1);
    buffer_add(&bytes, line.data, line.size);
    buffer_add(&bytes, "\n", 1);
    if (!c->opened) {
        buffer_add(&c->unsent, bytes.data, bytes.size);
        return 0;
    }
    struct slice left = connection_try_write(c, buffer_slice(&bytes));
    if (!c->closing && left.size)
        connection_write(c, left);
    return c->closing ? LINE_CLOSED : 0;
}

/* --- opening --- */

static struct line_connection *connection_new(uv_loop_t *loop, const struct line_options *options) {
    struct line_connection *c = memory_new(sizeof *c);
    c->options = *options;
    c->options.path = NULL;
    uv_pipe_init(loop, &c->pipe, 0);
    c->pipe.data = c;
    return c;
}

static void connection_opened(struct line_connection *c) {
    c->opened = true;
    int r = uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read);
    if (r < 0)
        connection_close(c, r);
    if (!c->closing && c->unsent.size)
        connection_write(c, buffer_slice(&c->unsent));
    buffer_deinit(&c->unsent);
    if (c->options.events->opened)
        c->options.events->opened(c->options.context, c);
}

static void on_client(uv_stream_t *stream, int status) {
    struct line_server *server = stream->data;
    if (status < 0 || server->closing)
        return;
    struct line_connection *c = connection_new(stream->loop, &server->options);
    c->server = server;
    c->next = server->connections;
    if (c->next)
        c->next->previous = c;
    server->connections = c;
    bool full = server->count++ >= server->options.clients_max;
    int r = uv_accept(stream, (uv_stream_t *)&c->pipe);
    if (r < 0 || full)
        connection_close(c, r);
    else
        connection_opened(c);
}

static int address_of(const char *path, struct sockaddr_un *ret) {
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size == 0)
        return -EINVAL;
    if (size >= sizeof ret->sun_path)
        return -ENAMETOOLONG;
    memcpy(ret->sun_path, path, size);
    return 0;
}

/* A killed server leaves its socket behind; one that answers, or is too busy to, is alive. */
static int stale_remove(const struct sockaddr_un *address) {
    struct stat what;
    if (lstat(address->sun_path, &what) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(what.st_mode))
        return -EEXIST;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
        return -EADDRINUSE;
    if (errno != ECONNREFUSED)
        return -errno;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* Between bind and listen nobody can connect, so the mode is set in time. */
static int listen_open(const char *path) {
    struct sockaddr_un address;
    int r = address_of(path, &address);
    r = r < 0 ? r : stale_remove(&address);
    if (r < 0)
        return r;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    if (chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0) {
        r = -errno;
        unlink(path);
        return r;
    }
    return take_fd(&fd);
}

static struct line_options options_filled(const struct line_options *options) {
    struct line_options filled = *options;
    must(filled.path && filled.events && filled.events->line);
    filled.clients_max = filled.clients_max ? filled.clients_max : 64;
    filled.line_bytes_max = filled.line_bytes_max ? filled.line_bytes_max : 1 << 20;
    filled.queue_bytes_max = filled.queue_bytes_max ? filled.queue_bytes_max : 4 << 20;
    return filled;
}

int line_server_open(uv_loop_t *loop, const struct line_options *options,
                     struct line_server **ret) {
    int fd = listen_open(options->path);
    if (fd < 0)
        return fd;
    signal(SIGPIPE, SIG_IGN);
    struct line_server *server = memory_new(sizeof *server);
    server->options = options_filled(options);
    server->options.path = server->path = text_copy(options->path);
    server->pipe.data = server;
    uv_pipe_init(loop, &server->pipe, 0);
    int r = uv_pipe_open(&server->pipe, fd);
    must(r == 0);
    r = uv_listen((uv_stream_t *)&server->pipe, BACKLOG, on_client);
    must(r == 0);
    *ret = server;
    return 0;
}

static void on_listen_closed(uv_handle_t *handle) {
    struct line_server *server = handle->data;
    server->listen_closed = true;
    server_free_when_closed(server);
}

struct line_server *line_server_close(struct line_server *server) {
    if (!server || server->closing)
        return NULL;
    server->closing = true;
    unlink(server->path);
    for (struct line_connection *c = server->connections; c; c = c->next)
        connection_close(c, 0);
    uv_close((uv_handle_t *)&server->pipe, on_listen_closed);
    return NULL;
}

static void on_connected(uv_connect_t *request, int status) {
    struct line_connection *c = request->data;
    if (c->closing)
        return;
    if (status < 0)
        connection_close(c, status);
    else
        connection_opened(c);
}

int line_connect(uv_loop_t *loop, const struct line_options *options,
                 struct line_connection **ret) {
    struct sockaddr_un address;
    int r = address_of(options->path, &address);
    if (r < 0)
        return r;
    signal(SIGPIPE, SIG_IGN);
    struct line_options filled = options_filled(options);
    struct line_connection *c = connection_new(loop, &filled);
    c->connecting.data = c;
    uv_pipe_connect(&c->connecting, &c->pipe, options->path,
                    on_connected); /* reports by callback */
    *ret = c;
    return 0;
}

void line_set_data(struct line_connection *c, void *data) {
    c->data = data;
}

void *line_data(const struct line_connection *c) {
    return c->data;
}
