/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "wire/config.h"
#include <errno.h>
#include <limits.h>
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
static int connect_patiently(const char *run) {
    int fd = keeper_connect(run);
    for (int i = 0; i < 20 && fd == -ECONNREFUSED; i++) {
        poll(NULL, 0, 50);
        fd = keeper_connect(run);
    }
    return fd;
}

static int read_line(int fd, struct buffer *line) {
    for (;;) {
        char bytes[65536];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || line->size + (size_t)n > ANSWER_BYTES_MAX)
            return n < 0 ? -errno : -EPIPE;
        buffer_add(line, bytes, (size_t)n);
        if (memchr(bytes, '\n', (size_t)n))
            return 0;
    }
}

static json_t *exchange(int fd, json_t *request) {
    AUTO_FREE char *text = json_dumps(request, JSON_COMPACT);
    AUTO_FREE char *line = text_format("%s\n", text ? text : "{}");
    AUTO_BUFFER struct buffer answer = {0};
    if (fd_write_all(fd, slice_of(line)) < 0 || read_line(fd, &answer) < 0)
        return NULL;
    return json_loads(answer.data, JSON_DISABLE_EOF_CHECK, NULL);
}

json_t *keeper_ask(const char *run, json_t *request, int *ret_exit) {
    *ret_exit = EX_UNAVAILABLE;
    AUTO_FD int fd = connect_patiently(run);
    if (fd < 0) {
        fprintf(stderr,
                "holdfast: nothing is running here (%s/control.sock: %s); `holdfast up` "
                "starts it, -c FILE names another config\n",
                run, strerror(-fd));
        json_decref(request);
        return NULL;
    }
    json_t *answer = exchange(fd, request);
    json_decref(request);
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

struct places places_find(const struct cli *cli) {
    struct places places = {0};
    int r = config_locate(cli->config_path, cli->run, &places.data, &places.run, &places.timezone);
    if (r < 0)
        fatal(EX_NOINPUT,
              "%s: cannot be read: %s; `holdfast init` writes a first config, -c FILE "
              "names another",
              cli->config_path, strerror(-r));
    return places;
}

void places_deinit(struct places *places) {
    free(places->data);
    free(places->run);
    free(places->timezone);
}

char *program_folder(void) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return text_copy("/usr/bin");
    path[n] = 0;
    *strrchr(path, '/') = 0;
    return text_copy(path[0] ? path : "/");
}

bool colours_wanted(int fd) {
    const char *no = getenv("NO_COLOR");
    return isatty(fd) && !(no && *no);
}
