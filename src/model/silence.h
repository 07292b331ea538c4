/* SPDX-License-Identifier: Apache-2.0 */
/* silence.h - for some time no alert that fits it is told. Times as in model/alert.h. */
#pragma once
#include "model/alert.h"

struct silence {
    int64_t id; /* from 1 */
    int64_t starts_ms, ends_ms;
    unsigned
        priorities; /* bit 1 << enum alert_priority; 0: all but CRITICAL, which is to be named */
    /* What fits, with * and ? as in a shell; NULL: anything. */
    char *type, *service, *title, *text;
    char *author, *comment; /* for people; may be NULL */
};
void silence_deinit(struct silence *silence);
struct silence silence_copy(const struct silence *silence);
bool silence_fits(const struct silence *silence, const struct alert *alert, int64_t now);
