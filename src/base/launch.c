/* SPDX-License-Identifier: Apache-2.0 */
#include "base/launch.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
