/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/log_times.h"
#include <endian.h>

enum { RECORDS_AN_INTERVAL = 16384, DOUBLINGS_MAX = 20 };
static const char magic[8] = "hflog1\n";

int64_t log_times_interval_ms(size_t records) {
    size_t doublings = records / RECORDS_AN_INTERVAL;
    return (int64_t)1000 << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
}

static void put(char *ret, uint64_t number) {
    number = htole64(number);
    memcpy(ret, &number, sizeof number);
}

static uint64_t get(const char *bytes) {
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return le64toh(number);
}

void log_times_encode_head(uint64_t inode, char ret[LOG_TIMES_RECORD_BYTES]) {
    memcpy(ret, magic, sizeof magic);
    put(ret + sizeof magic, inode);
}

void log_times_encode(struct log_time time, char ret[LOG_TIMES_RECORD_BYTES]) {
    put(ret, (uint64_t)time.offset);
    put(ret + 8, (uint64_t)time.wall_ms);
}

bool log_times_head_is(struct slice index, uint64_t inode) {
    return index.size >= LOG_TIMES_RECORD_BYTES && memcmp(index.data, magic, sizeof magic) == 0 &&
           get(index.data + sizeof magic) == inode;
}

size_t log_times_decode(struct slice index, int64_t file_bytes, struct log_time *ret) {
    size_t count = 0;
    for (size_t at = LOG_TIMES_RECORD_BYTES; at + LOG_TIMES_RECORD_BYTES <= index.size;
         at += LOG_TIMES_RECORD_BYTES) {
        struct log_time time = {.offset = (int64_t)get(index.data + at),
                                .wall_ms = (int64_t)get(index.data + at + 8)};
        if (time.offset < 0 || time.offset >= file_bytes || time.wall_ms <= 0 ||
            (count && time.offset <= ret[count - 1].offset))
            break;
        ret[count++] = time;
    }
    return count;
}

/* Number of records that begin at `offset` or before. */
static size_t up_to(const struct log_time *times, size_t count, int64_t offset) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (times[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t log_times_at(const struct log_time *times, size_t count, int64_t offset,
                     int64_t unknown_ms) {
    size_t before = up_to(times, count, offset);
    if (before)
        return times[before - 1].wall_ms;
    return count ? times[0].wall_ms : unknown_ms; /* at the latest */
}

int64_t log_times_since(const struct log_time *times, size_t count, int64_t since_ms,
                        int64_t file_bytes) {
    for (size_t i = 0; i < count; i++)
        if (times[i].wall_ms + log_times_interval_ms(i + 1) > since_ms)
            return i == 0 && times[0].wall_ms >= since_ms ? 0 : times[i].offset;
    return count ? file_bytes : 0;
}
