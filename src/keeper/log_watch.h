/* SPDX-License-Identifier: Apache-2.0 */
/* log_watch.h - the words that raise an event when a service prints them. The writer's thread looks
 * for them in the masked text; the loop's thread tells: the first line with a word at once, then
 * for the cooldown nothing, then how many more lines had it. */
#pragma once
#include "base/common.h"

/* Counting ends there until the cooldown is over: a service that prints errors at full speed costs
 * no more scanning than one that prints none. */
enum { LOG_WATCH_COUNT_MAX = 10000, LOG_WATCH_LINE_BYTES = 160 };

struct log_found {
    const char *service;
    const char *pattern;
    const char *line; /* at most LOG_WATCH_LINE_BYTES, UTF-8; NULL: the cooldown has ended */
    int64_t more;     /* lines seen in the cooldown; LOG_WATCH_COUNT_MAX: or more */
    int64_t cooldown_ms;
};
typedef void (*log_found_fn)(void *context, const struct log_found *found);

struct log_watch;
/* NULL when there is nothing to look for. */
struct log_watch *log_watch_new(char *const *patterns, int64_t cooldown_ms);
bool log_watch_is(const struct log_watch *watch, char *const *patterns, int64_t cooldown_ms);
/* Writer's thread; whole lines. True when there is something to tell. NULL is fine. */
MUST_CHECK bool log_watch_scan(struct log_watch *watch, struct slice lines);
/* Loop's thread: tells what is due; returns when to ask again, 0: never. NULL is fine. */
int64_t log_watch_tell(struct log_watch *watch, const char *service, int64_t now_ms,
                       log_found_fn found, void *context);
