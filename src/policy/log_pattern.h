/* SPDX-License-Identifier: Apache-2.0 */
/* log_pattern.h - a word that is looked for in logs at full speed, in any case of its ASCII
 * letters, whole or as a part of another word: `error` finds "ERROR", "ValueError" and "errors". */
#pragma once
#include "model/config.h"

struct log_pattern {
    char text[LOG_PATTERN_BYTES_MAX + 1]; /* as it was given */
    char folded[LOG_PATTERN_BYTES_MAX];
    size_t size;
};
/* False when `text` is too short, too long, or holds a newline. */
MUST_CHECK bool log_pattern_set(struct log_pattern *pattern, const char *text);
/* The first place where it stands, or NULL. */
const char *log_pattern_find(const struct log_pattern *pattern, struct slice text);
