/* SPDX-License-Identifier: Apache-2.0 */
/* url.h - percent-encoding and the query part of a URL. Pure; any input is fine. */
#pragma once
#include "base/common.h"

/* %XX becomes the byte; a broken escape stays as it is. '+' is a space only in a query. The caller
 * frees. A %00 ends the text early: ask url_holds_nul() first. */
char *url_decode(struct slice text, bool plus_is_space);
bool url_holds_nul(const char *text);

struct url_parameter {
    char *name, *value; /* decoded, never NULL */
};
struct url_query {
    struct url_parameter *parameters;
    size_t count;
};
enum { URL_PARAMETERS_MAX = 1024 }; /* further ones are not looked at */
void url_query_init(struct url_query *query, const char *text);
void url_query_deinit(struct url_query *query); /* twice is fine */
