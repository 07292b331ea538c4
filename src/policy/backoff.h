/* SPDX-License-Identifier: Apache-2.0 */
/* backoff.h - how long to wait before trying again: exponential with full jitter, so that many who
 * failed together do not come back together. */
#pragma once
#include "base/common.h"

struct backoff {
    int64_t first_ms; /* ceiling of the first wait; doubles */
    int64_t max_ms;   /* ceiling of every wait */
    int64_t min_ms;   /* floor of every wait, <= first_ms */
};
/* `tries` already made and failed, from 1. `random` is any number: the same number gives the same
 * wait. Result in min_ms..max_ms. */
int64_t backoff_ms(const struct backoff *backoff, uint32_t tries, uint64_t random);
/* The next number of a sequence (splitmix64): all the randomness that engines know. */
uint64_t random_next(uint64_t *state);
