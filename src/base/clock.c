/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include <errno.h>
#include <stdio.h>

static int64_t read_ms(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_ms(void) {
    return read_ms(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void) {
    return read_ms(CLOCK_REALTIME);
}

struct timespec clock_deadline(int64_t wait_ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + wait_ms % 1000 * 1000000;
    return (struct timespec){.tv_sec = t.tv_sec + wait_ms / 1000 + ns / 1000000000,
                             .tv_nsec = ns % 1000000000};
}

void clock_format(int64_t wall_ms, char *ret) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    char date[CLOCK_TEXT_BYTES - 6];
    if (strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &t) == 0)
        date[0] = 0;
    snprintf(ret, CLOCK_TEXT_BYTES, "%s.%03dZ", date, (int)(wall_ms % 1000));
}

int clock_read(const char *text, int64_t *ret_wall_ms) {
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    char *end;
    if (!rest || *rest != '.')
        return -EINVAL;
    long ms = strtol(rest + 1, &end, 10);
    if (end != rest + 4 || strcmp(end, "Z") != 0)
        return -EINVAL;
    *ret_wall_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return 0;
}
