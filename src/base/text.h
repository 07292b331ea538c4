/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - reading small values out of text. Every reader takes the whole text or nothing and
 * returns 0, or -EINVAL (not such a value), or -ERANGE (outside min..max). */
#pragma once
#include "base/common.h"

MUST_CHECK int text_to_int(const char *text, int64_t min, int64_t max, int64_t *ret);
/* "250ms", "5s", "5m", "2h", "1d"; a bare number is seconds. Result in milliseconds. */
MUST_CHECK int text_to_duration(const char *text, int64_t min_ms, int64_t max_ms, int64_t *ret_ms);
/* "10MB", "64KB", "1GB", "512"; powers of 1024. Result in bytes. */
MUST_CHECK int text_to_size(const char *text, int64_t min, int64_t max, int64_t *ret_bytes);
MUST_CHECK int text_to_bool(const char *text, bool *ret); /* true/false, yes/no, on/off */
/* Digits and lower-case letters; value >= 0. Returns ret. */
enum { TEXT_BASE36_BYTES = 14 };
const char *text_base36(int64_t value, char ret[TEXT_BASE36_BYTES]);
/* A duration for people: "250 ms", "5 s", "5 m 3 s", "2 h 10 m", "3 d 4 h". */
enum { TEXT_DURATION_BYTES = 32 };
void text_from_duration(int64_t ms, char *ret);

/* Splits as a POSIX shell splits words (quotes, backslashes; no expansion). Returns a NULL-ended
 * array, or NULL with *ret_error set to a constant sentence. Free with text_list_free(). */
char **text_split_words(const char *text, const char **ret_error);
char **text_list_free(char **list); /* returns NULL */
size_t text_list_count(char *const *list);

/* The nearest of `names` (NULL-ended) when it is near enough to be meant, else NULL. */
const char *text_did_you_mean(const char *word, const char *const *names);
/* True when `text` is valid UTF-8. ret_points (may be NULL) gets the count of code points. */
bool text_is_utf8(struct slice text, size_t *ret_points);
/* snprintf() whose result is always valid UTF-8. */
void text_print(char *ret, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
/* Drops an unfinished character at the end; other bytes that are not UTF-8 become '?'. */
void text_make_utf8(char *text);
/* Equal without telling by its time where the first difference is. */
bool text_equal_secret(struct slice a, struct slice b);
