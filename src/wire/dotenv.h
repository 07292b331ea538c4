/* SPDX-License-Identifier: Apache-2.0 */
/* dotenv.h - a .env file as bots know it: NAME=value lines, `export` in front allowed, # comments,
 * 'single quotes' as they are, "double quotes" with \n \t \" \\ \$. */
#pragma once
#include "base/common.h"

enum { DOTENV_BYTES_MAX = 1 << 20 };
struct dotenv_problem {
    uint32_t line, column; /* from 1 */
    const char *text;      /* constant */
};
/* Appends "NAME=value" to the NULL-ended *list (grown; a name already there is replaced), or
 * returns -EINVAL with the first problem; lines before it are in the list all the same. */
MUST_CHECK int dotenv_parse(struct slice text, char ***list, struct dotenv_problem *ret_problem);

/* Lists of NAME=value: the value or NULL; set (replacing). */
const char *env_get(char *const *list, const char *name);
void env_set(char ***list, const char *name, const char *value);
