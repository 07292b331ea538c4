/* SPDX-License-Identifier: Apache-2.0 */
/* telegram_text.h - what Telegram does to the text of a message: markup to entities, entities found
 * in plain text, trimming, lengths, and the check of keyboards. Offsets in entities are UTF-16
 * units. Errors are Telegram's own sentences, without the "Bad Request: " in front. */
#pragma once
#include "base/common.h"
#include <jansson.h>

struct formatted {
    char *text;
    json_t *entities; /* array, never NULL; sorted by offset, outer ones first */
};
void formatted_deinit(struct formatted *formatted);
#define AUTO_FORMATTED __attribute__((cleanup(formatted_deinit)))

/* mode: "", "HTML", "MarkdownV2", "Markdown" in any case. `entities` is a JSON array as text, used
 * only without a mode. Returns NULL, or the error (the caller frees it). */
char *telegram_format(const char *text, const char *mode, const char *entities,
                      struct formatted *ret);
/* NULL, or the error (the caller frees it). *ret stays NULL for "". */
char *telegram_markup(const char *text, bool only_inline, json_t **ret);
size_t telegram_utf16_length(const char *text, size_t bytes);
