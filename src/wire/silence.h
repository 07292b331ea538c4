/* SPDX-License-Identifier: Apache-2.0 */
/* silence.h - silences as JSON: what POST /v1/silences takes, and what GET shows.
 *   {"for":"2h","priority":["LOW","CRITICAL"],"type":"disk_*","service":"db","title":"..",
 *    "text":"*timeout*","author":"..","comment":".."} */
#pragma once
#include "base/buffer.h"
#include "model/silence.h"

enum { SILENCE_INVALID = 1, SILENCE_WORD_BYTES_MAX = 256 };
#define SILENCE_FOR_MAX_MS (INT64_C(365) * 86400000)
/* From `now` on. SILENCE_INVALID: `ret_error` says what was wrong and what is expected. */
MUST_CHECK int silence_read(struct slice json, int64_t now, struct silence *ret,
                            struct buffer *ret_error);
void silence_add_json(struct buffer *ret, const struct silence *silence, int64_t now);
