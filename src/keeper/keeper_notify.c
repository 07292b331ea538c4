/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify: one datagram socket per service that uses it, so that who speaks is never a question.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct notify_socket {
    uv_poll_t poll;
    struct unit *unit;
    int fd;
};

char *notify_socket_path(const struct keeper *keeper, const char *name) {
    return text_format("%s/notify/%s", keeper->run, name);
}

static void give(struct unit *unit, enum service_event_kind kind, int64_t value) {
    keeper_event(unit->keeper,
                 (struct service_event){.kind = kind, .index = unit->index, .value = value});
}

static void on_status(struct unit *unit, const char *value) {
    size_t points = 0;
    if (text_is_utf8(slice_of(value), &points))
        text_print(unit->status_text, sizeof unit->status_text, "%s", value);
}

static void on_extend(struct unit *unit, const char *value) {
    int64_t usec = 0;
    if (text_to_int(value, 0, (int64_t)3600 * 1000000, &usec) == 0)
        give(unit, SERVICE_EVENT_EXTEND, usec / 1000);
}

static void on_line(struct unit *unit, const char *line) {
    if (strcmp(line, "READY=1") == 0)
        give(unit, SERVICE_EVENT_READY, 0);
    else if (strcmp(line, "WATCHDOG=1") == 0)
        give(unit, SERVICE_EVENT_HEARTBEAT, 0);
    else if (strncmp(line, "STATUS=", 7) == 0)
        on_status(unit, line + 7);
    else if (strncmp(line, "EXTEND_TIMEOUT_USEC=", 20) == 0)
        on_extend(unit, line + 20);
}

static void on_datagram(uv_poll_t *poll, int status, int events) {
    struct notify_socket *notify = poll->data;
    enum { DATAGRAMS_A_TURN = 16 };
    for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
        char text[4096];
        ssize_t n = recv(notify->fd, text, sizeof text - 1, MSG_DONTWAIT);
        if (n < 0)
            return;
        text[n] = 0;
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));)
            on_line(notify->unit, line);
    }
}

static int bind_socket(struct notify_socket *notify, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0 || bind(notify->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    return chmod(path, 0666) < 0 ? -errno : 0; /* the folder above keeps strangers out */
}

struct notify_socket *notify_socket_open(struct unit *unit) {
    const char *name = unit->keeper->services.list[unit->index].config->name;
    AUTO_FREE char *path = notify_socket_path(unit->keeper, name);
    struct notify_socket *notify = memory_new(sizeof *notify);
    notify->unit = unit;
    int r = bind_socket(notify, path);
    r = r < 0 ? r : uv_poll_init(&unit->keeper->loop, &notify->poll, notify->fd);
    if (r < 0) {
        log_error("service %s: no notify socket at %s: %s", name, path, strerror(-r));
        if (notify->fd >= 0)
            close(notify->fd);
        free(notify);
        return NULL;
    }
    notify->poll.data = notify;
    uv_poll_start(&notify->poll, UV_READABLE, on_datagram);
    return notify;
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

struct notify_socket *notify_socket_close(struct notify_socket *notify) {
    if (!notify)
        return NULL;
    uv_close((uv_handle_t *)&notify->poll, on_closed);
    close(notify->fd);
    return NULL;
}
