/* SPDX-License-Identifier: Apache-2.0 */
#include "model/silence.h"
#include <fnmatch.h>

enum { BUT_CRITICAL = 1 << ALERT_HIGH | 1 << ALERT_MEDIUM | 1 << ALERT_LOW };

void silence_deinit(struct silence *silence) {
    free(silence->type);
    free(silence->service);
    free(silence->title);
    free(silence->text);
    free(silence->author);
    free(silence->comment);
    *silence = (struct silence){0};
}

struct silence silence_copy(const struct silence *silence) {
    struct silence copy = *silence;
    copy.type = text_copy(silence->type);
    copy.service = text_copy(silence->service);
    copy.title = text_copy(silence->title);
    copy.text = text_copy(silence->text);
    copy.author = text_copy(silence->author);
    copy.comment = text_copy(silence->comment);
    return copy;
}

static bool fits(const char *pattern, const char *text) {
    return !pattern || fnmatch(pattern, text ? text : "", 0) == 0;
}

bool silence_fits(const struct silence *silence, const struct alert *alert, int64_t now) {
    unsigned priorities = silence->priorities ? silence->priorities : BUT_CRITICAL;
    return now >= silence->starts_ms && now < silence->ends_ms &&
           (priorities & 1U << alert->priority) && fits(silence->type, alert->type) &&
           fits(silence->service, alert->service) && fits(silence->title, alert->title) &&
           fits(silence->text, alert->text);
}
