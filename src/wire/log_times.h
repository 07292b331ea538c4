/* SPDX-License-Identifier: Apache-2.0 */
/* log_times.h - when the bytes of a log file were written. A log file holds a service's bytes
 * unchanged, so the times lie beside it, in `.NAME.log.times`: a head with the inode of the log
 * file it speaks for, then records of 16 bytes. A record says: from this offset on, written at this
 * time or up to one interval later. A torn, missing or foreign index means coarser times only. */
#pragma once
#include "base/common.h"

enum { LOG_TIMES_RECORD_BYTES = 16, LOG_TIMES_BYTES_MAX = 64 << 20 };
struct log_time {
    int64_t offset, wall_ms;
};
/* The time between records grows with their number, so the index of a log that is written for
 * months stays small: a second for the first 4.5 hours of a line each second, then two, ... */
int64_t log_times_interval_ms(size_t records);

void log_times_encode_head(uint64_t inode, char ret[LOG_TIMES_RECORD_BYTES]);
void log_times_encode(struct log_time time, char ret[LOG_TIMES_RECORD_BYTES]);
bool log_times_head_is(struct slice index, uint64_t inode);
/* The whole records behind the head whose offsets ascend and lie before `file_bytes`; `ret` has
 * room for index.size / LOG_TIMES_RECORD_BYTES. Returns their number. */
size_t log_times_decode(struct slice index, int64_t file_bytes, struct log_time *ret);
/* When the byte at `offset` was written, as far as is known; `unknown_ms` without any record. */
int64_t log_times_at(const struct log_time *times, size_t count, int64_t offset,
                     int64_t unknown_ms);
/* The first offset that may have been written at `since_ms` or later; what lies before was not.
 * `file_bytes` when there is none. */
int64_t log_times_since(const struct log_time *times, size_t count, int64_t since_ms,
                        int64_t file_bytes);
