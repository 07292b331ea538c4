/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/breaker.h"

/* The only place where the state changes. */
static void set_state(struct breaker *breaker, enum breaker_state state, int64_t now) {
    breaker->opened += state == BREAKER_OPEN && breaker->state == BREAKER_CLOSED;
    breaker->state = state;
    breaker->since_ms = now;
    breaker->generation++;
    if (state == BREAKER_CLOSED)
        breaker->failures_in_row = 0;
}

struct breaker_permit breaker_ask(struct breaker *breaker, const struct breaker_options *options,
                                  int64_t now) {
    if (breaker_next_ms(breaker, options, now) > now)
        return (struct breaker_permit){0};
    if (breaker->state == BREAKER_OPEN)
        set_state(breaker, BREAKER_HALF_OPEN, now); /* the caller's permit is the one probe */
    return (struct breaker_permit){.granted = true, .generation = breaker->generation};
}

void breaker_return(struct breaker *breaker, const struct breaker_options *options,
                    struct breaker_permit permit, enum breaker_result result, int64_t now) {
    must(permit.granted);
    breaker->successes += result == BREAKER_SUCCESS;
    breaker->failures += result == BREAKER_FAILURE;
    if (permit.generation != breaker->generation)
        return;
    if (breaker->state == BREAKER_HALF_OPEN) {
        if (result == BREAKER_NEUTRAL) { /* nothing learnt: the next one may probe, at once */
            set_state(breaker, BREAKER_OPEN, now);
            breaker->since_ms = now - options->open_ms;
        } else {
            set_state(breaker, result == BREAKER_SUCCESS ? BREAKER_CLOSED : BREAKER_OPEN, now);
        }
    } else if (result == BREAKER_SUCCESS) {
        breaker->failures_in_row = 0;
    } else if (result == BREAKER_FAILURE && ++breaker->failures_in_row >= options->failures) {
        set_state(breaker, BREAKER_OPEN, now);
    }
}

int64_t breaker_next_ms(const struct breaker *breaker, const struct breaker_options *options,
                        int64_t now) {
    if (breaker->state == BREAKER_CLOSED)
        return now;
    if (breaker->state == BREAKER_HALF_OPEN || breaker->by_hand)
        return INT64_MAX;
    return breaker->since_ms + options->open_ms;
}

void breaker_hint_up(struct breaker *breaker, const struct breaker_options *options, int64_t now) {
    if (breaker->state == BREAKER_OPEN && !breaker->by_hand)
        breaker->since_ms = now - options->open_ms;
}

void breaker_open_by_hand(struct breaker *breaker, int64_t now) {
    breaker->by_hand = true;
    set_state(breaker, BREAKER_OPEN, now);
}

void breaker_close_by_hand(struct breaker *breaker, int64_t now) {
    breaker->by_hand = false;
    set_state(breaker, BREAKER_CLOSED, now);
}

const char *breaker_state_name(enum breaker_state state) {
    static const char *const names[] = {"closed", "open", "half_open"};
    return names[state];
}
