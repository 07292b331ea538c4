/* SPDX-License-Identifier: Apache-2.0 */
/* link_test.h - a peer on raw blocking sockets in a thread of its own while the loop under test
 * runs in the main thread. Tests only. The peer must not assert: it fills in what the test looks
 * at. */
#pragma once
#include "base/buffer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <uv.h>

struct peer {
    uint16_t port;
    int listen_fd;          /* when it serves */
    struct buffer received; /* everything read until the end */
    int end;                /* 0: orderly end of stream, else the errno of the last read */
    int64_t took_ms;
    int connections;
    void (*work)(struct peer *peer);
    uv_async_t done;
    bool finished;
};

static inline int64_t test_now_ms(void) {
    return (int64_t)(uv_hrtime() / 1000000);
}

static inline void test_sleep_ms(unsigned ms) {
    usleep(ms * 1000);
}

static inline void *peer_main(void *context) {
    struct peer *peer = context;
    int64_t start = test_now_ms();
    peer->work(peer);
    peer->took_ms = test_now_ms() - start;
    uv_async_send(&peer->done);
    return NULL;
}

static inline void peer_on_done(uv_async_t *async) {
    ((struct peer *)async->data)->finished = true;
    uv_close((uv_handle_t *)async, NULL);
}

/* Starts the peer's work; the test then runs the loop until peer->finished and joins. */
static inline pthread_t peer_start(uv_loop_t *loop, struct peer *peer) {
    pthread_t thread;
    uv_async_init(loop, &peer->done, peer_on_done);
    peer->done.data = peer;
    peer->finished = false;
    if (pthread_create(&thread, NULL, peer_main, peer) != 0)
        abort();
    return thread;
}

static inline void peer_run(uv_loop_t *loop, struct peer *peer) {
    pthread_t thread = peer_start(loop, peer);
    while (!peer->finished)
        uv_run(loop, UV_RUN_ONCE);
    pthread_join(thread, NULL);
}

static inline int peer_connect(const struct peer *peer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(peer->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 20}; /* a hung test fails instead of standing still */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        abort();
    return fd;
}

static inline void peer_send(int fd, const char *text) {
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Reads until the end of the stream or an error. */
static inline void peer_read_all(struct peer *peer, int fd) {
    char bytes[65536];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        buffer_add(&peer->received, bytes, (size_t)n);
    peer->end = n < 0 ? errno : 0;
    close(fd);
}

/* Reads until `text` has come `count` times. */
static inline void peer_read_until(struct peer *peer, int fd, const char *text, int count) {
    char byte;
    while (count > 0 && recv(fd, &byte, 1, 0) == 1) {
        buffer_add(&peer->received, &byte, 1);
        size_t n = strlen(text);
        if (peer->received.size >= n &&
            memcmp(peer->received.data + peer->received.size - n, text, n) == 0)
            count--;
    }
}

static inline int listen_any(uint16_t *ret_port) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        abort();
    *ret_port = ntohs(address.sin_port);
    return fd;
}
