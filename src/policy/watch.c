/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/watch.h"

static const double normal_share = 0.9;

static enum watch_news become_normal(struct watch_state *state) {
    bool was_high = state->high;
    *state = (struct watch_state){0};
    return was_high ? WATCH_NORMAL : WATCH_NOTHING;
}

enum watch_news watch_look(struct watch_state *state, const struct watch_rule *rule, double value,
                           int64_t from_ms, int64_t now_ms) {
    if (rule->limit <= 0)
        return become_normal(state);
    if (state->high)
        return value < rule->limit * normal_share ? become_normal(state) : WATCH_NOTHING;
    if (value <= rule->limit)
        return become_normal(state);
    if (!state->over_since_ms)
        state->over_since_ms = from_ms;
    if (now_ms - state->over_since_ms < rule->for_ms)
        return WATCH_NOTHING;
    state->high = true;
    return WATCH_HIGH;
}
