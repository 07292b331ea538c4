/* SPDX-License-Identifier: Apache-2.0 */
#include "base/launch.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int launch_start_ticks(pid_t pid, int64_t *ret_ticks) {
    enum { FIELD_START = 22, FIELD_AFTER_NAME = 3 };
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -ESRCH;
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return -ESRCH;
    text[n] = 0;
    /* The name stands in brackets and may hold anything, brackets too: count from the last one. */
    char *p = strrchr(text, ')');
    if (!p)
        return -EPROTO;
    p += 2;
    for (int field = FIELD_AFTER_NAME; field < FIELD_START; field++) {
        p = strchr(p, ' ');
        if (!p)
            return -EPROTO;
        p++;
    }
    *ret_ticks = strtoll(p, NULL, 10);
    return 0;
}

union descriptor_room {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int launch_send(int fd, struct slice message, int pass_fd, int flags) {
    union descriptor_room room = {0};
    struct iovec piece = {(void *)(uintptr_t)message.data, message.size};
    struct msghdr head = {.msg_iov = &piece, .msg_iovlen = 1};
    if (pass_fd >= 0) {
        head.msg_control = room.bytes;
        head.msg_controllen = sizeof room.bytes;
        struct cmsghdr *control = CMSG_FIRSTHDR(&head);
        *control = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                    .cmsg_type = SCM_RIGHTS,
                                    .cmsg_len = CMSG_LEN(sizeof pass_fd)};
        memcpy(CMSG_DATA(control), &pass_fd, sizeof pass_fd);
    }
    while (sendmsg(fd, &head, flags | MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

ssize_t launch_receive(int fd, void *ret, size_t size, int *ret_fd) {
    union descriptor_room room = {0};
    struct iovec piece = {ret, size};
    struct msghdr head = {.msg_iov = &piece,
                          .msg_iovlen = 1,
                          .msg_control = room.bytes,
                          .msg_controllen = sizeof room.bytes};
    *ret_fd = -1;
    ssize_t n = recvmsg(fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    struct cmsghdr *control = CMSG_FIRSTHDR(&head);
    if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(control), sizeof *ret_fd);
    return n;
}
