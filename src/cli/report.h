/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - what doctor and check --online looked at: each fine, or wrong with what to do. */
#pragma once
#include "base/common.h"
#include "model/config.h"
#include <jansson.h>

struct report {
    json_t *list; /* of {what, fine, text, advice}, as wire/finding.h has them */
    size_t bad;
};
void report_add(struct report *report, const char *what, const char *advice, const char *format,
                ...) PRINTF_LIKE(4, 5); /* advice NULL: it is fine */
/* Asks hub and trader, which talk to Telegram and the exchange. running: the hub polls already. */
void report_add_online(struct report *report, const struct config *config, bool running);
/* As lines for people, or one JSON object; all: the fine ones too. Returns 0 or 1. */
int report_print(const struct report *report, bool json, bool all);
void report_deinit(struct report *report);
