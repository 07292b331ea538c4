/* SPDX-License-Identifier: Apache-2.0 */
/* alert.h - alerts as JSON: what POST /v1/alerts takes, and what GET shows.
 *   {"priority":"HIGH","text":"...","title":"..","type":"..","service":"..","dedup_key":"..",
 *    "group":".."}
 * or an array of such objects. */
#pragma once
#include "base/buffer.h"
#include "model/alert.h"

enum { ALERT_TEXT_BYTES_MAX = 32768, ALERT_WORD_BYTES_MAX = 256, ALERTS_A_REQUEST_MAX = 1000 };
enum { ALERT_INVALID = 1 };

struct alert_list {
    struct alert *list;
    size_t count;
    bool one; /* the request was one object, not an array */
};
/* ALERT_INVALID: `ret_error` says what was wrong, where, and what is expected. Nothing of a list is
 * taken then. */
MUST_CHECK int alerts_read(struct slice json, struct alert_list *ret, struct buffer *ret_error);
void alert_list_deinit(struct alert_list *list);
void alert_add_json(struct buffer *ret, const struct alert *alert);
