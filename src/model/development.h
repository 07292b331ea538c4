/* SPDX-License-Identifier: Apache-2.0 */
/* development.h - the words by which a program shows that it runs for development: it watches its
 * files and restarts at each change, or opens a debugger. The one table of them: for the config and
 * for what runs. */
#pragma once
#include "base/common.h"

struct development_finding {
    const char *word;   /* "--reload"; NULL: nothing was found */
    const char *advice; /* what to do, a constant sentence */
};
/* Lists are NULL-ended; either may be NULL. */
struct development_finding development_look(char *const *argv, char *const *env);
