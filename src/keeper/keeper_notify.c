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
    unit->unsaved = true;
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
    else if (strcmp(line, "STOPPING=1") == 0)
        give(unit, SERVICE_EVENT_SAYS_STOPPING, 0);
    else if (strncmp(line, "MAINPID=", 8) == 0)
        main_pid_named(unit, line + 8);
    else if (strncmp(line, "STATUS=", 7) == 0)
        on_status(unit, line + 7);
    else if (strncmp(line, "EXTEND_TIMEOUT_USEC=", 20) == 0)
        on_extend(unit, line + 20);
}

void notify_socket_drain(struct notify_socket *notify) {
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

static void on_datagram(uv_poll_t *poll, int status, int events) {
    notify_socket_drain(poll->data);
}

/* Only the service's own user (and root) may speak for it. */
static int bind_socket(struct notify_socket *notify, const char *path, uid_t owner) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0 || bind(notify->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    if (chmod(path, 0600) < 0 || (owner != geteuid() && chown(path, owner, (gid_t)-1) < 0))
        return -errno;
    return 0;
}

/* `fd`: bound by a former keeper and kept by the anchor, or -1. */
static int take_socket(struct unit *unit, struct notify_socket *notify, int fd) {
    const struct service_config *config = unit->keeper->services.list[unit->index].config;
    AUTO_FREE char *path = notify_socket_path(unit->keeper, config->name);
    notify->fd = fd;
    if (fd >= 0)
        return 0;
    int r = bind_socket(notify, path, keeper_owner_of(config));
    if (r == 0)
        anchor_link_keep(unit->keeper, config->name, notify->fd);
    return r;
}

struct notify_socket *notify_socket_open(struct unit *unit, int fd) {
    const char *name = unit->keeper->services.list[unit->index].config->name;
    struct notify_socket *notify = memory_new(sizeof *notify);
    notify->unit = unit;
    int r = take_socket(unit, notify, fd);
    r = r < 0 ? r : uv_poll_init(&unit->keeper->loop, &notify->poll, notify->fd);
    if (r < 0) {
        log_error("service %s: no notify socket: %s", name, strerror(-r));
        if (notify->fd >= 0)
            close(notify->fd);
        free(notify);
        return NULL;
    }
    notify->poll.data = notify;
    uv_poll_start(&notify->poll, UV_READABLE, on_datagram);
    return notify;
}

bool notify_socket_used(const struct service_config *config) {
    return config->ready.kind == PROBE_NOTIFY || config->watchdog_ms;
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

struct notify_socket *notify_socket_close(struct notify_socket *notify) {
    if (!notify)
        return NULL;
    struct unit *unit = notify->unit;
    anchor_link_drop(unit->keeper, unit->keeper->services.list[unit->index].config->name);
    uv_close((uv_handle_t *)&notify->poll, on_closed);
    close(notify->fd);
    return NULL;
}
