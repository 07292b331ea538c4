/* SPDX-License-Identifier: Apache-2.0 */
/* log_source.h - the log of one service as lines with their times, read across its files from the
 * oldest to the one that is written now. The files rotate meanwhile; each is held open. */
#pragma once
#include "base/buffer.h"
#include "wire/log_times.h"

struct log_source_file;
struct log_source {
    char *name, *folder;
    struct log_source_file *files; /* oldest first */
    size_t count, at;              /* `at`: the file being read */
    int64_t offset;                /* in it: up to where it was read */
    struct buffer bytes;           /* read, and from `used` on not given out */
    size_t used, searched;
    int64_t carried_ms; /* time of a line that began in the file before */
};
struct log_line {
    struct slice text; /* without its newline; borrowed until the next call */
    int64_t wall_ms;
};
struct log_source_place {
    size_t at;
    int64_t offset;
};
void log_source_init(struct log_source *source, const char *folder, struct slice name);
void log_source_deinit(struct log_source *source);
/* Looks for files that are new since the last look; true when it has any. */
bool log_source_look(struct log_source *source);
/* The next line that is whole; false: none now. */
bool log_source_next(struct log_source *source, struct log_line *ret);
/* Where to read on: all from the start; the last lines; all that may be as young as that. */
void log_source_go(struct log_source *source, struct log_source_place place);
struct log_source_place log_source_tail(const struct log_source *source, int64_t lines);
struct log_source_place log_source_since(const struct log_source *source, int64_t since_ms);
