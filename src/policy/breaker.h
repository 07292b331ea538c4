/* SPDX-License-Identifier: Apache-2.0 */
/* breaker.h - circuit breaker of one way out: after `failures` in a row nobody tries for `open_ms`,
 * then exactly one probe decides.
 *
 * Every permit is given back, on every path, with breaker_return(): a forgotten one would keep the
 * breaker half-open for ever, which is how other breakers hang. A permit from before the last
 * change of state is recognised and changes nothing any more. */
#pragma once
#include "base/common.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
enum breaker_result {
    BREAKER_SUCCESS,
    BREAKER_FAILURE,
    BREAKER_NEUTRAL, /* says nothing about the way out: 429, "chat not found", cancelled */
};
struct breaker_options {
    uint32_t failures;
    int64_t open_ms;
};
struct breaker { /* zeroed is closed; read freely, change through the functions */
    enum breaker_state state;
    bool by_hand; /* opened by hand: stays open until closed by hand */
    uint32_t failures_in_row;
    uint32_t generation;                  /* of the state; permits carry it */
    int64_t since_ms;                     /* state began */
    uint64_t successes, failures, opened; /* totals */
};
struct breaker_permit {
    bool granted;
    uint32_t generation;
};
struct breaker_permit breaker_ask(struct breaker *breaker, const struct breaker_options *options,
                                  int64_t now);
void breaker_return(struct breaker *breaker, const struct breaker_options *options,
                    struct breaker_permit permit, enum breaker_result result, int64_t now);
/* When breaker_ask() may say yes again: `now` when closed, INT64_MAX while a probe is out or when
 * it was opened by hand. */
int64_t breaker_next_ms(const struct breaker *breaker, const struct breaker_options *options,
                        int64_t now);
/* Evidence from elsewhere that the way out works: an open breaker allows its probe at once. */
void breaker_hint_up(struct breaker *breaker, const struct breaker_options *options, int64_t now);
void breaker_open_by_hand(struct breaker *breaker, int64_t now);
void breaker_close_by_hand(struct breaker *breaker, int64_t now);
const char *breaker_state_name(enum breaker_state state);
