/* SPDX-License-Identifier: Apache-2.0 */
/* finding.h - what a check of the outside world found, as one line of JSON: hub and trader print
 * them (--check-online), the command line reads them. */
#pragma once
#include "base/buffer.h"

struct finding {
    const char *what; /* what was looked at: "bot main: token" */
    bool fine;
    const char *text;   /* what was found; UTF-8 */
    const char *advice; /* what to do; "" when fine */
};
/* {"what":...,"fine":...,"text":...,"advice":...} and a newline; secrets are blanked. */
void finding_add(const struct finding *finding, struct buffer *ret);
void finding_print(const struct finding *finding); /* to stdout, at once */
