/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd brings its own epoll descriptor; one uv_poll on it and one timer drive everything.
 *
 * The library stops reading at a short read until the next edge: an end of stream that came
 * together with the last bytes is noticed only when a deadline passes. The deadlines are needed for
 * that too: SETTLE looks for it a second after the last answer.
 *
 * What is due at once takes the idle handle, not the timer: a timer that is set to now inside its
 * own callback fires again in the same turn of the loop, before anything else is looked at. */
#include "link/http_parts.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    SPARE_DESCRIPTORS = 128,
    SETTLE_MS = 1000,       /* after an answer, before it is looked whether the client has left */
    LINGER_MS_MAX = 2000,   /* after a refusal: reading on, so that the client sees the answer */
    ANSWER_MS_MAX = 600000, /* a client that takes longer to read its answer is cut */
};

/* --- the loop --- */

static void on_timer(uv_timer_t *timer);
static void on_idle(uv_idle_t *idle);

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

void server_run_soon(struct http_server *server) {
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
    free(server->spool_folder);
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
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL, NULL, request_on_access,
        server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)most,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_URI_LOG_CALLBACK, request_on_uri, server,
        MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_END);
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
    server->answered = options->answered;
    server->context = context;
    server->port = port;
    server->daemon = daemon_start(server, fd, options);
    if (!server->daemon) { /* it has closed the descriptor, or it is the end of descriptors */
        free(server);
        return -ENFILE;
    }
    server->server_name = text_copy(options->server_name);
    server->spool = options->spool;
    server->spool_folder = text_copy(options->spool.folder);
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
    streams_cut(server);
    server->armed_ms = INT64_MIN; /* nothing may move it */
    uv_timer_start(&server->timer, on_timer, 0, 0);
}
