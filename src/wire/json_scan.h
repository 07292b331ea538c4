/* SPDX-License-Identifier: Apache-2.0 */
/* json_scan.h - walks JSON text (RFC 8259) in place, without building or changing anything: what is
 * passed on stays as its author wrote it, byte for byte. Only values that are valid to the last
 * byte are returned, so a slice of valid text may be put into other JSON as it is. */
#pragma once
#include "base/buffer.h"

enum { JSON_DEPTH_MAX = 200 };

struct json_walk { /* of one object or array; borrowed text */
    const char *data;
    size_t size, at;
    bool object, begun;
};
/* Moves *at behind the value that begins at or after it (white space aside). -EINVAL: there is
 * none. *ret (may be NULL) gets the value without the space around it. */
MUST_CHECK int json_skip(struct slice text, size_t *at, struct slice *ret);
/* The whole text is one value. */
bool json_is_valid(struct slice text);
/* `text` is one valid value. -EINVAL when it is not an object ('{') or array ('['), as asked. */
MUST_CHECK int json_walk_begin(struct slice text, char open, struct json_walk *ret);
/* 1: *ret_key (raw text between the quotes; empty in an array) and *ret_value are set; 0: the end.
 */
MUST_CHECK int json_walk_next(struct json_walk *walk, struct slice *ret_key,
                              struct slice *ret_value);
/* The member `name` of an object; an empty slice when there is none or `text` is no object. */
struct slice json_member(struct slice text, const char *name);
/* -EINVAL: not an integer, -ERANGE: more than 64 bits. */
MUST_CHECK int json_to_int(struct slice value, int64_t *ret);
/* Adds the decoded text of a JSON string, as UTF-8. -EINVAL: no string, or it holds U+0000 or half
 * a surrogate pair. */
MUST_CHECK int json_to_text(struct slice value, struct buffer *ret);
/* Adds `text` (valid UTF-8) as a JSON string with its quotes. */
void json_add_text(struct buffer *buffer, struct slice text);
