/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/buffer.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read(const char *path, size_t bytes_max, char **ret, size_t *ret_size) {
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    AUTO_BUFFER struct buffer bytes = {0};
    for (;;) {
        buffer_reserve(&bytes, 65536);
        ssize_t n = read(fd, bytes.data + bytes.size, bytes.capacity - bytes.size - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes.size += (size_t)n;
        if (bytes.size > bytes_max)
            return -EFBIG;
        if (n == 0)
            break;
    }
    if (ret_size)
        *ret_size = bytes.size;
    *ret = buffer_take(&bytes);
    return 0;
}

int fd_write_all(int fd, struct slice bytes) {
    while (bytes.size) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return 0;
}

static int folder_sync(const char *path) {
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *folder = slash ? text_copy_n(path, (size_t)(slash - path) + 1) : text_copy(".");
    AUTO_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_temp(const char *temp, struct slice bytes, mode_t mode, bool sync) {
    AUTO_FD int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int r = fd_write_all(fd, bytes);
    if (r == 0 && sync && fsync(fd) < 0)
        r = -errno;
    if (close(take_fd(&fd)) < 0 && r == 0)
        r = -errno;
    return r;
}

static int replace(const char *path, struct slice bytes, mode_t mode, bool sync) {
    AUTO_FREE char *temp = text_format("%s.new", path);
    int r = write_temp(temp, bytes, mode, sync);
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temp);
        return r;
    }
    return sync ? folder_sync(path) : 0;
}

int file_replace(const char *path, struct slice bytes, mode_t mode) {
    return replace(path, bytes, mode, true);
}

int file_replace_fast(const char *path, struct slice bytes, mode_t mode) {
    return replace(path, bytes, mode, false);
}

int folder_make(const char *path, mode_t mode) {
    AUTO_FREE char *part = text_copy(path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    struct stat found;
    if (mkdir(part, mode) < 0 && errno != EEXIST)
        return -errno;
    if (stat(part, &found) < 0)
        return -errno;
    return S_ISDIR(found.st_mode) ? 0 : -ENOTDIR;
}

char *path_join(const char *folder, const char *name) {
    if (name[0] == '/' || !folder || !folder[0])
        return text_copy(name);
    return text_format("%s/%s", folder, name);
}

char *path_normal(const char *path) {
    AUTO_BUFFER struct buffer normal = {0};
    for (const char *p = path; *p;) {
        size_t size = strcspn(p, "/");
        if (size == 2 && p[0] == '.' && p[1] == '.') {
            const char *slash = normal.size ? memrchr(normal.data, '/', normal.size) : NULL;
            normal.size = slash ? (size_t)(slash - normal.data) : 0;
        } else if (size && !(size == 1 && p[0] == '.')) {
            buffer_print(&normal, "/%.*s", (int)size, p);
        }
        p += size + (p[size] == '/');
    }
    if (normal.size == 0)
        buffer_add_text(&normal, "/");
    normal.data[normal.size] = 0;
    return buffer_take(&normal);
}
