/* SPDX-License-Identifier: Apache-2.0 */
/* log_file.h - a log file with its rotation, and beside it the index of times. For the writer's
 * thread. The index is a courtesy: no trouble with it ever keeps a line from the disk. */
#pragma once
#include "base/common.h"
#include "keeper/log_ring.h"
#include "wire/log_times.h"

struct log_file {
    char *path;        /* of the current file */
    char *hidden;      /* FOLDER/.NAME.log: the index is that with ".times" behind */
    int fd, times_fd;  /* -1 */
    int64_t size;      /* of the current file */
    size_t time_count; /* records in the index that hold */
    struct log_time last;
};
/* -errno, or 0: open, and the ring is bound to it. */
MUST_CHECK int log_file_open(struct log_file *file, const char *folder, const char *name,
                             struct log_ring *ring);
void log_file_close(struct log_file *file); /* what was never opened is fine */
/* Writes whole lines, rotating first when they do not fit; returns what was written or -errno. */
MUST_CHECK ssize_t log_file_write(struct log_file *file, struct log_ring *ring, struct slice lines,
                                  int64_t bytes_max, int64_t files);
