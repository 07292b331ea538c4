/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/log_file.h"
#include "base/clock.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the index of times ---- */

static char *times_path(const struct log_file *file, int64_t number) {
    return number ? text_format("%s.%lld.times", file->hidden, (long long)number)
                  : text_format("%s.times", file->hidden);
}

/* No rename may replace a file: ext4 then writes the moved one to the disk at once (0.8 ms each).
 */
static void remove_oldest(char *path) {
    unlink(path);
    free(path);
}

static void shift_times(const struct log_file *file, int64_t files) {
    if (files > 1)
        remove_oldest(times_path(file, files - 1));
    for (int64_t i = files - 1; i >= 1; i--) {
        AUTO_FREE char *from = times_path(file, i - 1);
        AUTO_FREE char *to = times_path(file, i);
        (void)rename(from, to);
    }
    AUTO_FREE char *current = times_path(file, 0);
    unlink(current);
}

static void close_times(struct log_file *file) {
    if (file->times_fd >= 0)
        close(file->times_fd);
    file->times_fd = -1;
    file->time_count = 0;
}

static void begin_times(struct log_file *file, uint64_t inode) {
    AUTO_FREE char *path = times_path(file, 0);
    char head[LOG_TIMES_RECORD_BYTES];
    close_times(file);
    file->times_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    log_times_encode_head(inode, head);
    if (file->times_fd >= 0 && pwrite(file->times_fd, head, sizeof head, 0) != sizeof head)
        close_times(file);
}

/* Goes on with the index that is there. One that speaks for another file was left by a kill in the
 * middle of a rotation: it moves to its place behind. */
static void open_times(struct log_file *file, uint64_t inode, int64_t files) {
    AUTO_FREE char *path = times_path(file, 0);
    AUTO_FREE char *bytes = NULL;
    size_t size = 0;
    bool found = file_read(path, LOG_TIMES_BYTES_MAX, &bytes, &size) == 0;
    struct slice index = {bytes, size};
    if (!found || !log_times_head_is(index, inode)) {
        if (found && size >= LOG_TIMES_RECORD_BYTES)
            shift_times(file, files);
        begin_times(file, inode);
        return;
    }
    AUTO_FREE struct log_time *times = memory_array(size / LOG_TIMES_RECORD_BYTES, sizeof *times);
    file->times_fd = open(path, O_WRONLY | O_CLOEXEC);
    file->time_count = log_times_decode(index, file->size, times);
    if (file->time_count)
        file->last = times[file->time_count - 1];
}

/* Before the bytes themselves, so that who reads them finds their time. Where they then cannot be
 * written, the next try overwrites the record. */
static bool note_time(struct log_file *file) {
    struct log_time now = {.offset = file->size, .wall_ms = clock_wall_ms()};
    char record[LOG_TIMES_RECORD_BYTES];
    int64_t since = now.wall_ms - file->last.wall_ms;
    if (file->times_fd < 0 ||
        (file->time_count && since >= 0 && since < log_times_interval_ms(file->time_count)))
        return false;
    log_times_encode(now, record);
    off_t at = (off_t)((file->time_count + 1) * LOG_TIMES_RECORD_BYTES);
    if (pwrite(file->times_fd, record, sizeof record, at) != sizeof record)
        return false;
    file->last = now;
    return true;
}

/* ---- the file ---- */

int log_file_open(struct log_file *file, const char *folder, const char *name,
                  struct log_ring *ring) {
    enum { FILES_MAX = 1000 };
    *file = (struct log_file){.fd = -1, .times_fd = -1};
    file->path = text_format("%s/%s.log", folder, name);
    file->hidden = text_format("%s/.%s.log", folder, name);
    AUTO_FREE char *next = text_format("%s.next", file->path);
    if (access(file->path, F_OK) < 0 && access(next, F_OK) == 0 && rename(next, file->path) < 0)
        return -errno;
    AUTO_FD int fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    struct stat found;
    if (fd < 0 || fstat(fd, &found) < 0)
        return -errno;
    file->size = found.st_size;
    log_ring_bind(ring, (uint64_t)found.st_ino, (uint64_t)found.st_size);
    open_times(file, (uint64_t)found.st_ino, FILES_MAX);
    file->fd = take_fd(&fd);
    return 0;
}

void log_file_close(struct log_file *file) {
    if (!file->path)
        return;
    if (file->fd >= 0)
        close(file->fd);
    close_times(file);
    free(file->path);
    free(file->hidden);
    *file = (struct log_file){.fd = -1, .times_fd = -1};
}

static void shift_old_files(const struct log_file *file, int64_t files) {
    if (files > 1)
        remove_oldest(text_format("%s.%lld", file->path, (long long)files - 1));
    for (int64_t i = files - 1; i >= 1; i--) {
        AUTO_FREE char *to = text_format("%s.%lld", file->path, (long long)i);
        AUTO_FREE char *from =
            i == 1 ? text_copy(file->path) : text_format("%s.%lld", file->path, (long long)i - 1);
        (void)rename(from, to);
    }
    if (files == 1)
        unlink(file->path);
}

/* The new file's inode is known to the ring before any name changes: a kill in between is seen. */
static int rotate(struct log_file *file, struct log_ring *ring, int64_t files) {
    AUTO_FREE char *next = text_format("%s.next", file->path);
    AUTO_FD int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
    struct stat made, now;
    if (fd < 0 || fstat(fd, &made) < 0 || fstat(file->fd, &now) < 0)
        return -errno;
    log_ring_announce(ring, (uint64_t)now.st_ino, (uint64_t)made.st_ino);
    shift_old_files(file, files);
    if (rename(next, file->path) < 0)
        return -errno;
    shift_times(file, files);
    begin_times(file, (uint64_t)made.st_ino);
    close(file->fd);
    file->fd = take_fd(&fd);
    file->size = 0;
    return 0;
}

/* What still fits the current file, in whole lines; a single line longer than a file goes alone. */
static size_t cut_to_file(const struct log_file *file, struct slice lines, int64_t bytes_max) {
    int64_t room = bytes_max - file->size;
    if ((int64_t)lines.size <= room)
        return lines.size;
    const char *last = room > 0 ? memrchr(lines.data, '\n', (size_t)room) : NULL;
    if (last)
        return (size_t)(last - lines.data) + 1;
    const char *first = file->size == 0 ? memchr(lines.data, '\n', lines.size) : NULL;
    return file->size > 0 ? 0 : first ? (size_t)(first - lines.data) + 1 : lines.size;
}

/* Removed from outside: what is written to it now nobody would ever read. Emptied from outside: its
 * times begin anew. */
static bool is_gone(struct log_file *file) {
    struct stat found;
    if (fstat(file->fd, &found) < 0)
        return false;
    if (found.st_size < file->size) {
        file->size = found.st_size;
        file->time_count = 0;
    }
    return found.st_nlink == 0;
}

ssize_t log_file_write(struct log_file *file, struct log_ring *ring, struct slice lines,
                       int64_t bytes_max, int64_t files) {
    bool gone = is_gone(file);
    size_t fits = cut_to_file(file, lines, bytes_max);
    if (fits == 0 || gone) {
        int r = rotate(file, ring, files);
        if (r < 0)
            return r;
        fits = cut_to_file(file, lines, bytes_max);
    }
    bool noted = note_time(file);
    ssize_t n = write(file->fd, lines.data, fits);
    if (n < 0)
        return -errno;
    file->time_count += noted;
    file->size += n;
    return n;
}
