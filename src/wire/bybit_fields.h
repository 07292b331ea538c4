/* SPDX-License-Identifier: Apache-2.0 */
/* bybit_fields.h - rows of Bybit's answers into structs, by tables of fields. For bybit_*.c only.
 *
 * Strict: a field that is missing, has another type or does not fit is -EPROTO. Numbers come as
 * texts; integers are taken too, but never JSON reals: a double has lost the price already. */
#pragma once
#include "base/decimal.h"
#include <jansson.h>

enum { BYBIT_CURSOR_BYTES = 256 };
enum bybit_kind {
    BYBIT_TEXT,    /* char[] */
    BYBIT_DECIMAL, /* struct decimal; places beyond those that fit are cut */
    BYBIT_TIME,    /* int64_t, milliseconds since 1970 */
    BYBIT_FLAG,    /* bool */
};
enum { BYBIT_EMPTY = 1, BYBIT_NOT_NEGATIVE = 2, BYBIT_POSITIVE = 4 }; /* "" is taken: "", zero */
struct bybit_field {
    const char *name;
    enum bybit_kind kind;
    unsigned rules;
    size_t offset, size;
};
#define BYBIT_FIELD(name, kind, rules, type, member)                                               \
    { name, kind, rules, offsetof(type, member), sizeof(((type *)NULL)->member) }
MUST_CHECK int bybit_read_fields(const json_t *row, const struct bybit_field *fields, size_t count,
                                 void *ret);
/* A field whose text is one of a list. */
struct bybit_word {
    const char *text;
    int value;
};
MUST_CHECK int bybit_read_word(const json_t *row, const char *name, const struct bybit_word *words,
                               size_t count, int *ret);
/* "" when it is missing, NULL when it is no text. */
const char *bybit_text(const json_t *row, const char *name);
/* An integer, or a text that is one. */
MUST_CHECK int bybit_read_int(const json_t *value, int64_t min, int64_t max, int64_t *ret);

enum { BYBIT_SKIP = 1 }; /* this row is none of ours */
typedef int bybit_read_row(const json_t *row, void *ret);
/* result.list, row by row into a new array (free()) of `bytes` each; NULL when there are none. */
MUST_CHECK int bybit_read_list(const json_t *result, bybit_read_row *read, size_t bytes,
                               void **ret_list, size_t *ret_count);
/* result.nextPageCursor so that it can stand in a query as it is. It must be there: without it
 * nobody knows whether something is missing. */
MUST_CHECK int bybit_read_cursor(const json_t *result, char ret[BYBIT_CURSOR_BYTES]);
