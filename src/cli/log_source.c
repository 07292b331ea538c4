/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_source.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A longer line comes in pieces. */
enum { LINE_BYTES_MAX = 1 << 20, READ_BYTES = 64 * 1024, FILES_MAX = 1000 };

struct log_source_file {
    int fd, times_fd;
    ino_t inode;
    int64_t wall_ms; /* last written, when the index does not know better */
    struct log_time *times;
    size_t time_count;
};

void log_source_init(struct log_source *source, const char *folder, struct slice name) {
    *source =
        (struct log_source){.name = text_copy_n(name.data, name.size), .folder = text_copy(folder)};
}

static void close_file(struct log_source_file *file) {
    close(file->fd);
    if (file->times_fd >= 0)
        close(file->times_fd);
    free(file->times);
}

void log_source_deinit(struct log_source *source) {
    for (size_t i = 0; i < source->count; i++)
        close_file(&source->files[i]);
    free(source->files);
    free(source->name);
    free(source->folder);
    buffer_deinit(&source->bytes);
}

/* ---- the index ---- */

/* Records that came since the last time. */
static void read_times(struct log_source_file *file) {
    struct stat found, log;
    if (file->times_fd < 0 || fstat(file->times_fd, &found) < 0 || fstat(file->fd, &log) < 0)
        return;
    off_t from = (off_t)(file->time_count * LOG_TIMES_RECORD_BYTES); /* one known, as head */
    if (found.st_size < from + 2 * LOG_TIMES_RECORD_BYTES || found.st_size > LOG_TIMES_BYTES_MAX)
        return;
    size_t size = (size_t)(found.st_size - from);
    AUTO_FREE char *bytes = memory_new(size);
    ssize_t n = pread(file->times_fd, bytes, size, from);
    if (n <= 0)
        return;
    file->times = memory_grow(file->times, file->time_count + size / LOG_TIMES_RECORD_BYTES,
                              sizeof *file->times);
    struct log_time *more = file->times + file->time_count;
    size_t count = log_times_decode((struct slice){bytes, (size_t)n}, log.st_size, more);
    if (count && file->time_count && more[0].offset <= more[-1].offset)
        count = 0;
    file->time_count += count;
}

/* The index that speaks for this file, whatever its name is just now. */
static void open_times(const struct log_source *source, struct log_source_file *file) {
    for (int i = 0, missing = 0; i < FILES_MAX && missing < 2; i++) {
        AUTO_FREE char *path =
            i ? text_format("%s/.%s.log.%d.times", source->folder, source->name, i)
              : text_format("%s/.%s.log.times", source->folder, source->name);
        char head[LOG_TIMES_RECORD_BYTES];
        AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
        missing = fd < 0 ? missing + 1 : 0;
        if (fd < 0 || pread(fd, head, sizeof head, 0) != sizeof head ||
            !log_times_head_is((struct slice){head, sizeof head}, (uint64_t)file->inode))
            continue;
        file->times_fd = take_fd(&fd);
        read_times(file);
        return;
    }
}

/* ---- the files ---- */

static bool knows(const struct log_source *source, ino_t inode) {
    for (size_t i = 0; i < source->count; i++)
        if (source->files[i].inode == inode)
            return true;
    return false;
}

static void insert_file(struct log_source *source, size_t place, int fd, const struct stat *found) {
    source->files = memory_grow(source->files, source->count + 1, sizeof *source->files);
    memmove(source->files + place + 1, source->files + place,
            (source->count - place) * sizeof *source->files);
    source->files[place] = (struct log_source_file){
        .fd = fd,
        .times_fd = -1,
        .inode = found->st_ino,
        .wall_ms = (int64_t)found->st_mtim.tv_sec * 1000 + found->st_mtim.tv_nsec / 1000000};
    source->count++;
    open_times(source, &source->files[place]);
}

/* From the newest back: a rotation meanwhile then shows a file twice, and hides none. */
bool log_source_look(struct log_source *source) {
    size_t known = source->count;
    for (int i = 0, missing = 0; i < FILES_MAX && missing < 2; i++) {
        AUTO_FREE char *path = i ? text_format("%s/%s.log.%d", source->folder, source->name, i)
                                 : text_format("%s/%s.log", source->folder, source->name);
        struct stat found;
        AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        missing = fd < 0 ? missing + 1 : 0;
        if (fd < 0 || fstat(fd, &found) < 0 || !S_ISREG(found.st_mode))
            continue;
        bool before = false;
        for (size_t k = 0; k < known; k++)
            before |= source->files[k].inode == found.st_ino;
        if (before)
            break;
        if (!knows(source, found.st_ino))
            insert_file(source, known, take_fd(&fd), &found);
    }
    return source->count > 0;
}

/* ---- lines ---- */

void log_source_go(struct log_source *source, struct log_source_place place) {
    source->at = place.at;
    source->offset = place.offset;
    source->used = source->searched = 0;
    buffer_clear(&source->bytes);
}

static int64_t time_of_line(const struct log_source *source) {
    const struct log_source_file *file = &source->files[source->at];
    int64_t offset = source->offset - (int64_t)(source->bytes.size - source->used);
    return offset < 0 ? source->carried_ms
                      : log_times_at(file->times, file->time_count, offset, file->wall_ms);
}

static bool take_line(struct log_source *source, struct log_line *ret) {
    if (source->bytes.size == source->used)
        return false;
    char *start = source->bytes.data + source->used;
    size_t size = source->bytes.size - source->used;
    char *end = memchr(start + source->searched, '\n', size - source->searched);
    source->searched = size;
    if (!end && size < LINE_BYTES_MAX)
        return false;
    ret->text = (struct slice){start, end ? (size_t)(end - start) : size};
    ret->wall_ms = time_of_line(source);
    source->used += end ? ret->text.size + 1 : size;
    source->searched = 0;
    return true;
}

/* True when there is more to look at. */
static bool read_more(struct log_source *source) {
    struct log_source_file *file = &source->files[source->at];
    char bytes[READ_BYTES];
    buffer_drop_front(&source->bytes, source->used);
    source->used = 0;
    ssize_t n = pread(file->fd, bytes, sizeof bytes, source->offset);
    if (n > 0) {
        buffer_add(&source->bytes, bytes, (size_t)n);
        source->offset += n;
        if (source->at + 1 == source->count)
            read_times(file); /* written before the bytes */
        return true;
    }
    if (source->at + 1 == source->count)
        return false;
    source->carried_ms = source->bytes.size ? time_of_line(source) : 0;
    source->at++;
    source->offset = 0;
    return true;
}

bool log_source_next(struct log_source *source, struct log_line *ret) {
    if (!source->count)
        return false;
    while (!take_line(source, ret))
        if (!read_more(source))
            return false;
    return true;
}

/* ---- places ---- */

/* Offset of the last `*lines` lines of a file; *lines is what is still wanted then. */
static int64_t tail_offset(int fd, int64_t *lines) {
    char bytes[READ_BYTES];
    off_t at = lseek(fd, 0, SEEK_END);
    int64_t seen = -1; /* the newline at the very end ends the last line */
    while (at > 0) {
        off_t start = at > (off_t)sizeof bytes ? at - (off_t)sizeof bytes : 0;
        ssize_t n = pread(fd, bytes, (size_t)(at - start), start);
        for (ssize_t i = n - 1; i >= 0; i--) {
            if (bytes[i] == '\n' && ++seen == *lines) {
                *lines = 0;
                return start + i + 1;
            }
        }
        if (n <= 0)
            break;
        at = start;
    }
    *lines -= seen + 1;
    return 0;
}

struct log_source_place log_source_tail(const struct log_source *source, int64_t lines) {
    struct log_source_place place = {source->count ? source->count - 1 : 0, 0};
    for (size_t i = source->count; i > 0 && lines > 0; i--)
        place = (struct log_source_place){i - 1, tail_offset(source->files[i - 1].fd, &lines)};
    return place;
}

struct log_source_place log_source_since(const struct log_source *source, int64_t since_ms) {
    for (size_t i = 0; i < source->count; i++) {
        const struct log_source_file *file = &source->files[i];
        off_t size = lseek(file->fd, 0, SEEK_END);
        if (!file->time_count && file->wall_ms < since_ms)
            continue;
        int64_t offset = log_times_since(file->times, file->time_count, since_ms, size);
        if (offset < size)
            return (struct log_source_place){i, offset};
    }
    struct stat found;
    size_t last = source->count ? source->count - 1 : 0;
    bool any = source->count && fstat(source->files[last].fd, &found) == 0;
    return (struct log_source_place){last, any ? found.st_size : 0};
}
