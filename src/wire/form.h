/* SPDX-License-Identifier: Apache-2.0 */
/* form.h - the bodies of HTTP requests that carry named values: application/json (an object),
 * application/x-www-form-urlencoded and multipart/form-data. Pure; fuzzed by
 * tests/fuzz/form_fuzz.c. Everything is copied out of the body except the bytes of files. */
#pragma once
#include "base/common.h"
#include <jansson.h>

/* A body is refused whole: a caller that went on with half of the values would do half of what was
 * asked. */
enum form_result {
    FORM_DONE,
    FORM_NOT_UTF8, /* a name or value is not UTF-8, or has a NUL */
    FORM_NOT_JSON, /* not JSON, or no object */
    FORM_BROKEN,   /* no boundary, a part without a name, no end */
    FORM_TOO_MANY, /* more than FORM_VALUES_MAX values or FORM_FILES_MAX files */
};
enum { FORM_VALUES_MAX = 1000, FORM_FILES_MAX = 16, FORM_DEPTH_MAX = 100 };

struct form_file {
    char *field, *name, *content_type; /* "" when not given */
    struct slice bytes;                /* inside of the body that was read */
};
struct form {
    json_t *values; /* object; of a JSON body the object itself, else all values are text */
    struct form_file files[FORM_FILES_MAX];
    size_t file_count;
};
/* content_type NULL or unknown: the body is taken for urlencoded, as the Bot API server does.
 * `form` may hold the values of the query already: those of the body win. */
MUST_CHECK int form_read(struct form *form, const char *content_type, struct slice body);
/* Adds one value, e.g. of the query. FORM_DONE, FORM_NOT_UTF8 or FORM_TOO_MANY. */
MUST_CHECK int form_add(struct form *form, struct slice name, struct slice value);
void form_deinit(struct form *form);
