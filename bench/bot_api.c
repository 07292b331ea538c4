/* SPDX-License-Identifier: Apache-2.0 */
#include "bot_api.h"
#include "base/buffer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

enum { ANSWER_S_MAX = 30 };

int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

_Noreturn void give_up(const char *what) {
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

int connect_to(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = ANSWER_S_MAX};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        give_up("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

void write_request(int fd, const char *path, const char *method, const char *body) {
    AUTO_BUFFER struct buffer request = {0};
    buffer_print(&request,
                 "POST %s/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n%s",
                 path, method, strlen(body), body);
    if (send(fd, request.data, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
        give_up("cannot send");
}

/* The whole answer; its body starts at the returned place of `answer`. */
char *read_answer(int fd, char *answer, size_t size_max) {
    size_t size = 0, whole = SIZE_MAX;
    char *body = NULL;
    while (size < whole) {
        ssize_t n = recv(fd, answer + size, size_max - size - 1, 0);
        if (n <= 0)
            give_up(n == 0 ? "the connection was closed" : "no answer in time");
        size += (size_t)n;
        answer[size] = 0;
        char *end = body ? NULL : strstr(answer, "\r\n\r\n");
        if (end) {
            const char *length = strcasestr(answer, "\r\ncontent-length:");
            if (!length || length > end)
                give_up("an answer without Content-Length");
            body = end + 4;
            whole = (size_t)(body - answer) + strtoul(length + 17, NULL, 10);
            if (whole >= size_max)
                give_up("an answer that is too large");
        }
    }
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "%s\n", answer);
        give_up("the answer is no 200");
    }
    return body;
}

int64_t next_update(const char *text, int64_t before) {
    const char *id = NULL;
    for (const char *more = text; (more = strstr(more, "\"update_id\":")); more++)
        id = more;
    return id ? strtoll(id + 12, NULL, 10) + 1 : before;
}
