/* SPDX-License-Identifier: Apache-2.0 */
#include "base/notify.h"
#include "base/text.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool notify_wanted(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    return path && path[0];
}

static int tell(const char *state, int flags) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!notify_wanted())
        return 0;
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, size);
    if (path[0] == '@') /* abstract */
        address.sun_path[0] = 0;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    ssize_t n =
        sendto(fd, state, strlen(state), MSG_NOSIGNAL | flags, (struct sockaddr *)&address, bytes);
    return n < 0 ? -errno : 0;
}

int notify_send(const char *state) {
    return tell(state, 0);
}

int notify_try(const char *state) {
    return tell(state, MSG_DONTWAIT);
}

int64_t notify_watchdog_ms(void) {
    const char *text = getenv("WATCHDOG_USEC");
    int64_t us;
    if (!text || text_to_int(text, 1, INT64_MAX, &us) < 0)
        return 0;
    return us / 1000;
}
