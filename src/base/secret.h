/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - a value that must never be printed, and the mask that keeps it out of every log.
 *
 * Values registered once are blanked by secret_mask() wherever they stand, together with anything
 * that looks like a bot token ([0-9]{6,}:[A-Za-z0-9_-]{30,}). Masking keeps the length: a log file
 * of n bytes stays n bytes. */
#pragma once
#include "base/common.h"

struct secret {
    char *value; /* NULL when not set; never print it */
};
static inline bool secret_is_set(const struct secret *secret) {
    return secret->value && secret->value[0];
}
static inline struct slice secret_slice(const struct secret *secret) {
    return slice_of(secret->value);
}
void secret_deinit(struct secret *secret); /* wipes */
/* What may be shown instead: "***" or "(not set)". */
const char *secret_shown(const struct secret *secret);

enum { SECRET_REGISTERED_MAX = 64, SECRET_BYTES_MIN = 6, SECRET_BYTES_MAX = 512 };
/* Values shorter than SECRET_BYTES_MIN are not registered: masking them would eat common words. */
void secret_register(const char *value);
/* Blanks secrets in place with '*'. A secret that is cut by the end of `data` is found only by the
 * part inside, so callers mask whole lines. */
void secret_mask(char *data, size_t size);
