/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum { ANSWER_MS_MAX = 20000, ANSWER_BYTES_MAX = 16 << 20 };

int keeper_connect(const char *run) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FREE char *path = path_join(run, "control.sock");
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    struct timeval limit = {.tv_sec = ANSWER_MS_MAX / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return take_fd(&fd);
}

/* A keeper that was just killed is back in milliseconds: its successor answers. */
int keeper_stream_open(struct keeper_stream *stream, const char *run) {
    *stream = (struct keeper_stream){.fd = keeper_connect(run)};
    for (int i = 0; i < 20 && stream->fd == -ECONNREFUSED; i++) {
        poll(NULL, 0, 50);
        stream->fd = keeper_connect(run);
    }
    return stream->fd < 0 ? stream->fd : 0;
}

void keeper_stream_close(struct keeper_stream *stream) {
    if (stream->fd >= 0)
        close(stream->fd);
    buffer_deinit(&stream->rest);
    *stream = (struct keeper_stream){.fd = -1};
}

int keeper_stream_send(struct keeper_stream *stream, json_t *request) {
    AUTO_FREE char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    AUTO_FREE char *line = text_format("%s\n", text ? text : "{}");
    return fd_write_all(stream->fd, slice_of(line));
}

json_t *keeper_stream_take(struct keeper_stream *stream) {
    struct buffer *rest = &stream->rest;
    const char *end = rest->size ? memchr(rest->data, '\n', rest->size) : NULL;
    if (!end)
        return NULL;
    size_t size = (size_t)(end - rest->data);
    json_t *line = json_loadb(rest->data, size, 0, NULL);
    buffer_drop_front(rest, size + 1);
    return line ? line : json_object();
}

int keeper_stream_fill(struct keeper_stream *stream) {
    char bytes[65536];
    ssize_t n;
    do
        n = read(stream->fd, bytes, sizeof bytes);
    while (n < 0 && errno == EINTR);
    if (n <= 0 || stream->rest.size + (size_t)n > ANSWER_BYTES_MAX)
        return n < 0 ? -errno : -EPIPE;
    buffer_add(&stream->rest, bytes, (size_t)n);
    return 0;
}

json_t *keeper_stream_next(struct keeper_stream *stream) {
    for (;;) {
        json_t *line = keeper_stream_take(stream);
        if (line || keeper_stream_fill(stream) < 0)
            return line;
    }
}

json_t *keeper_try(const char *run, json_t *request) {
    struct keeper_stream stream;
    if (keeper_stream_open(&stream, run) < 0) {
        json_decref(request);
        return NULL;
    }
    json_t *answer = keeper_stream_send(&stream, request) < 0 ? NULL : keeper_stream_next(&stream);
    keeper_stream_close(&stream);
    json_t *result = json_incref(json_object_get(answer, "result"));
    json_decref(answer);
    return result;
}

json_t *keeper_ask(const char *run, json_t *request, int *ret_exit) {
    *ret_exit = EX_UNAVAILABLE;
    struct keeper_stream stream;
    int r = keeper_stream_open(&stream, run);
    if (r < 0) {
        fprintf(stderr,
                "holdfast: nothing is running here (%s/control.sock: %s); `holdfast up` "
                "starts it, -c FILE names another config\n",
                run, strerror(-r));
        json_decref(request);
        return NULL;
    }
    json_t *answer = keeper_stream_send(&stream, request) < 0 ? NULL : keeper_stream_next(&stream);
    keeper_stream_close(&stream);
    if (json_is_true(json_object_get(answer, "ok"))) {
        *ret_exit = 0;
        json_t *result = json_incref(json_object_get(answer, "result"));
        json_decref(answer);
        return result ? result : json_object();
    }
    json_t *error = json_object_get(answer, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    const char *code = json_string_value(json_object_get(error, "code"));
    fprintf(stderr, "holdfast: %s\n",
            text ? text
                 : "the keeper did not answer; `holdfast logs` of "
                   "the service, or its terminal, may say why");
    if (text)
        *ret_exit = code && strcmp(code, "config") == 0 ? EX_CONFIG : EX_USAGE;
    json_decref(answer);
    return NULL;
}

bool keeper_wait_gone(const char *run, int64_t wait_ms) {
    int64_t end = clock_ms() + wait_ms;
    while (clock_ms() < end) {
        AUTO_FD int fd = keeper_connect(run);
        if (fd == -ENOENT)
            return true;
        poll(NULL, 0, 20);
    }
    return false;
}

json_t *names_json(char *const *names) {
    json_t *list = json_array();
    for (; *names; names++)
        json_array_append_new(list, json_string(*names));
    return list;
}

void json_print(json_t *object) {
    AUTO_FREE char *text = json_dumps(object, JSON_COMPACT);
    puts(text ? text : "{}");
    json_decref(object);
}

const char *json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t json_number(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}
