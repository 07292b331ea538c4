/* SPDX-License-Identifier: Apache-2.0 */
/* line_socket.h - lines of text over a unix socket, both ends, on the loop. The keeper serves its
 * control socket with it; hub and command line are the clients.
 *
 * Every connection that was `opened` is `closed` exactly once, in a later turn of the loop, also
 * after line_close() and line_server_close(); after `closed` returns it is gone. `context` must
 * live until then. Opening ignores SIGPIPE for the whole program. */
#pragma once
#include "base/common.h"
#include <uv.h>

struct line_server;
struct line_connection;

struct line_events {
    void (*opened)(void *context, struct line_connection *connection); /* may be NULL */
    /* Without its newline; borrowed until it returns; line.data[line.size] is 0. */
    void (*line)(void *context, struct line_connection *connection, struct slice line);
    /* 0: either end closed. -EMSGSIZE: the peer's line was too long. -ENOBUFS: the peer did not
     * read and the queue was full. A client that could not connect: e.g. -ENOENT, -ECONNREFUSED
     * (without `opened`). */
    void (*closed)(void *context, struct line_connection *connection, int reason); /* may be NULL */
};
struct line_options {
    const char *path;                 /* copied; 107 bytes at most */
    uint32_t clients_max;             /* of a server; 0: 64. One more is closed at once */
    size_t line_bytes_max;            /* 0: 1 MiB, without the newline */
    size_t queue_bytes_max;           /* unsent bytes of a connection; 0: 4 MiB */
    const struct line_events *events; /* lives as long as the context */
    void *context;
};
/* Mode 0600. A socket that nobody serves any more is replaced. -EADDRINUSE: somebody serves it.
 * -EEXIST: something that is not a socket lies there. -ENAMETOOLONG. */
MUST_CHECK int line_server_open(uv_loop_t *loop, const struct line_options *options,
                                struct line_server **ret);
/* Closes all connections and removes the socket; returns NULL; NULL is fine. */
struct line_server *line_server_close(struct line_server *server);

/* Tells by `opened` or `closed`, never from inside. Lines may be sent at once. */
MUST_CHECK int line_connect(uv_loop_t *loop, const struct line_options *options,
                            struct line_connection **ret);

enum { LINE_CLOSED = 1 };
/* Sends `line` and a newline. LINE_CLOSED: the queue is full and the connection is being closed for
 * it, or it already was; `closed` follows. The line must not hold a newline. */
int line_send(struct line_connection *connection, struct slice line);
void line_close(struct line_connection *connection); /* drops what is unsent; twice is fine */
void line_set_data(struct line_connection *connection, void *data);
void *line_data(const struct line_connection *connection); /* NULL until set */
