/* SPDX-License-Identifier: Apache-2.0 */
/* option.h - one table says what can be set: name, type, default, limits, words for people. The
 * config file, the command lines and their help are read with the same tables. */
#pragma once
#include "base/common.h"

enum option_type {
    OPTION_TEXT,     /* char * */
    OPTION_BOOL,     /* bool */
    OPTION_INT,      /* int64_t, min..max */
    OPTION_DURATION, /* int64_t milliseconds, min..max */
    OPTION_SIZE,     /* int64_t bytes, min..max */
    OPTION_PORT,     /* uint16_t, 1..65535 */
    OPTION_SIGNAL,   /* int: TERM, INT, ... */
    OPTION_ENUM,     /* int: index in `names` */
    OPTION_OTHER,    /* read by the table's owner */
};
struct option_def {
    const char *name;
    enum option_type type;
    size_t offset;        /* of the field in the struct that is filled */
    const char *fallback; /* default, as text; NULL: zero */
    int64_t min, max;
    const char *const *names; /* OPTION_ENUM: NULL-ended */
    const char *help;         /* one sentence for people */
};

/* Sets one field of `target` from text. On refusal returns -EINVAL and says in *ret_expected what
 * was expected ("a duration from 1 s to 1 h, such as 30s"); the caller frees it. */
MUST_CHECK int option_set(const struct option_def *option, void *target, const char *text,
                          char **ret_expected);
/* What is expected of it, in words: "a port from 1 to 65535". The caller frees. */
char *option_describe(const struct option_def *option);
/* Sets every field that has a default. */
void option_set_defaults(const struct option_def *options, size_t count, void *target);
const struct option_def *option_find(const struct option_def *options, size_t count,
                                     const char *name);
/* The nearest known name, or NULL. */
const char *option_did_you_mean(const struct option_def *options, size_t count, const char *name);
/* "TERM" -> SIGTERM; with or without "SIG"; 0 when unknown. */
int option_signal_number(const char *name);
const char *option_signal_name(int number); /* "TERM", or "?" */
