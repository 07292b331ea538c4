/* SPDX-License-Identifier: Apache-2.0 */
/* dedup.h - remembers keys for a window and the id that each first got. Whole keys are compared,
 * not hashes: a collision would drop somebody's alert. */
#pragma once
#include "base/common.h"

struct dedup;
/* Past `count_max` the oldest is forgotten before its time: a repeat is better than a loss. */
struct dedup *dedup_new(int64_t window_ms, size_t count_max);
struct dedup *dedup_free(struct dedup *dedup); /* NULL is fine; returns NULL */
/* The id that was put for `key` less than a window ago, 0 when none. */
int64_t dedup_find(struct dedup *dedup, struct slice key, int64_t now);
/* `key` must not be found at `now`; `id` is not 0. Times never go back. */
void dedup_put(struct dedup *dedup, struct slice key, int64_t id, int64_t now);
/* What was put was not accepted after all. */
void dedup_forget(struct dedup *dedup, struct slice key);
size_t dedup_count(const struct dedup *dedup);
