/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_time.h"
#include "base/text.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { DAY_SECONDS = 86400 };

/* Exactly `digits` digits; returns what follows, or NULL. */
static const char *read_number(const char *text, int digits, int min, int max, int *ret) {
    int number = 0;
    for (int i = 0; text && i < digits; i++, text++) {
        if (!isdigit((unsigned char)*text))
            return NULL;
        number = number * 10 + (*text - '0');
    }
    *ret = number;
    return text && number >= min && number <= max ? text : NULL;
}

static const char *read_after(const char *text, char mark, int max, int *ret) {
    return text && *text == mark ? read_number(text + 1, 2, 0, max, ret) : NULL;
}

static const char *read_date(const char *text, struct tm *t) {
    text = read_number(text, 4, 1970, 9999, &t->tm_year);
    text = text && *text == '-' ? read_number(text + 1, 2, 1, 12, &t->tm_mon) : NULL;
    text = text && *text == '-' ? read_number(text + 1, 2, 1, 31, &t->tm_mday) : NULL;
    t->tm_year -= 1900;
    t->tm_mon -= 1;
    return text;
}

/* hh:mm[:ss[.fraction]] */
static const char *read_clock(const char *text, struct tm *t, int *ret_ms) {
    text = read_number(text, 2, 0, 23, &t->tm_hour);
    text = read_after(text, ':', 59, &t->tm_min);
    if (!text || *text != ':')
        return text;
    text = read_after(text, ':', 60, &t->tm_sec);
    if (!text || *text != '.' || !isdigit((unsigned char)text[1]))
        return text;
    text++;
    for (int unit = 100; isdigit((unsigned char)*text); unit /= 10, text++)
        *ret_ms += unit * (*text - '0');
    return text;
}

/* Z or +hh:mm, +hhmm, +hh */
static const char *read_zone(const char *text, int *ret_seconds) {
    int hours = 0, minutes = 0, sign = *text == '-' ? -1 : 1;
    if (*text == 'Z' || *text == 'z')
        return text + 1;
    if (*text != '+' && *text != '-')
        return NULL;
    text = read_number(text + 1, 2, 0, 23, &hours);
    if (text && *text)
        text = read_number(*text == ':' ? text + 1 : text, 2, 0, 59, &minutes);
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return text;
}

/* A day that the calendar does not have ("2026-02-30") is not silently another. */
static int in_zone(struct tm t, const char *zone, time_t *ret) {
    int seconds = 0, day = t.tm_mday;
    t.tm_isdst = -1;
    if (*zone) {
        const char *end = read_zone(zone, &seconds);
        if (!end || *end)
            return -EINVAL;
        *ret = timegm(&t) - seconds;
    } else {
        *ret = mktime(&t);
    }
    return t.tm_mday == day ? 0 : -EINVAL;
}

static int parse_date(const char *text, int64_t *ret_ms) {
    struct tm t = {0};
    int ms = 0;
    time_t seconds = 0;
    const char *at = read_date(text, &t);
    if (at && (*at == ' ' || *at == 'T' || *at == 't'))
        at = read_clock(at + 1, &t, &ms);
    if (!at || in_zone(t, at, &seconds) < 0)
        return -EINVAL;
    *ret_ms = (int64_t)seconds * 1000 + ms;
    return 0;
}

/* The last time it was so late: today, or else yesterday. */
static int parse_clock(const char *text, int64_t now_ms, int64_t *ret_ms) {
    time_t now = (time_t)(now_ms / 1000);
    struct tm t;
    int ms = 0;
    localtime_r(&now, &t);
    t.tm_sec = 0;
    t.tm_isdst = -1;
    const char *end = read_clock(text, &t, &ms);
    if (!end || *end)
        return -EINVAL;
    struct tm today = t;
    int64_t found = (int64_t)mktime(&today) * 1000 + ms;
    if (found > now_ms) {
        t.tm_mday--;
        found = (int64_t)mktime(&t) * 1000 + ms;
    }
    *ret_ms = found;
    return 0;
}

int log_time_parse(const char *text, int64_t now_ms, int64_t *ret_ms) {
    int64_t ago = 0;
    size_t size = strlen(text);
    if (size && isalpha((unsigned char)text[size - 1]) &&
        text_to_duration(text, 0, (int64_t)36500 * DAY_SECONDS * 1000, &ago) == 0) {
        *ret_ms = now_ms - ago;
        return 0;
    }
    return strchr(text, '-') ? parse_date(text, ret_ms) : parse_clock(text, now_ms, ret_ms);
}

void log_time_format(int64_t wall_ms, char ret[LOG_TIME_TEXT_BYTES]) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm t;
    localtime_r(&seconds, &t);
    strftime(ret, LOG_TIME_TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &t);
}
