/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/backoff.h"

int64_t backoff_ms(const struct backoff *backoff, uint32_t tries, uint64_t random) {
    must(backoff->first_ms > 0 && backoff->max_ms >= backoff->first_ms);
    must(backoff->min_ms >= 0 && backoff->min_ms <= backoff->first_ms);
    int64_t ceiling = backoff->first_ms;
    /* Doubling step by step cannot overflow: it stops at the cap. */
    for (uint32_t i = 1; i < tries && ceiling < backoff->max_ms; i++)
        ceiling = ceiling > backoff->max_ms / 2 ? backoff->max_ms : ceiling * 2;
    uint64_t span = (uint64_t)(ceiling - backoff->min_ms) + 1;
    return backoff->min_ms + (int64_t)(random % span);
}

uint64_t random_next(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}
