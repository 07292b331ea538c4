/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that keepers hand on to each other through the anchor: bound notify sockets, so that
 * a service which connected to one never notices that its keeper was replaced. */
#include "anchor/anchor.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct kept {
    char name[LAUNCH_NAME_BYTES]; /* "": free */
    int fd;
    bool told;
} kept[LAUNCH_KEPT_MAX];
static size_t kept_used;

static struct kept *find(const char *name) {
    for (size_t i = 0; i < kept_used; i++)
        if (strcmp(kept[i].name, name) == 0)
            return &kept[i];
    return NULL;
}

void anchor_keep(const char *name, int fd) {
    anchor_drop(name);
    struct kept *place = find("");
    if (!place && kept_used < LAUNCH_KEPT_MAX)
        place = &kept[kept_used++];
    if (!place) {
        log_warning("all %d places for descriptors are taken; %s is not kept", LAUNCH_KEPT_MAX,
                    name);
        close(fd);
        return;
    }
    size_t length = strnlen(name, sizeof place->name - 1);
    memcpy(place->name, name, length);
    place->name[length] = 0;
    place->fd = fd;
    place->told = true; /* who gave it knows it */
}

void anchor_drop(const char *name) {
    struct kept *place = name[0] ? find(name) : NULL;
    if (!place)
        return;
    close(place->fd);
    place->name[0] = 0;
}

void anchor_kept_untell(void) {
    for (size_t i = 0; i < kept_used; i++)
        kept[i].told = false;
}

bool anchor_tell_kept(int keeper_fd) {
    for (size_t i = 0; i < kept_used; i++) {
        if (kept[i].told || !kept[i].name[0])
            continue;
        struct {
            struct launch_head head;
            char name[LAUNCH_NAME_BYTES];
        } message = {.head = {.kind = LAUNCH_KEPT}};
        memcpy(message.name, kept[i].name, sizeof message.name);
        struct slice bytes = {(const char *)&message, sizeof message};
        if (launch_send(keeper_fd, bytes, kept[i].fd, MSG_DONTWAIT) < 0)
            return false;
        kept[i].told = true;
    }
    return true;
}

size_t anchor_kept_write(char *ret, bool close_on_exec) {
    size_t count = 0;
    for (size_t i = 0; i < kept_used; i++) {
        int32_t fd = kept[i].fd;
        if (!kept[i].name[0])
            continue;
        fcntl(fd, F_SETFD, close_on_exec ? FD_CLOEXEC : 0);
        if (ret) {
            memcpy(ret + count * ANCHOR_KEPT_BYTES, kept[i].name, LAUNCH_NAME_BYTES);
            memcpy(ret + count * ANCHOR_KEPT_BYTES + LAUNCH_NAME_BYTES, &fd, sizeof fd);
        }
        count++;
    }
    return count;
}

void anchor_kept_read(const char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++, bytes += ANCHOR_KEPT_BYTES) {
        char name[LAUNCH_NAME_BYTES];
        int32_t fd;
        memcpy(name, bytes, sizeof name);
        memcpy(&fd, bytes + sizeof name, sizeof fd);
        name[sizeof name - 1] = 0;
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        anchor_keep(name, fd);
    }
}
