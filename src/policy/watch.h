/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - a figure against its limit: told once when it is too high and once when it is normal
 * again, however often it is looked at. Pure. */
#pragma once
#include "base/common.h"

struct watch_rule {
    double limit;   /* above it is too high; 0: not watched */
    int64_t for_ms; /* only when it has been above for that long; 0: at once */
};
struct watch_state { /* starts with {0} */
    bool high;
    int64_t over_since_ms; /* 0: is not above */
};
enum watch_news { WATCH_NOTHING, WATCH_HIGH, WATCH_NORMAL };

/* `value` is what was measured from from_ms to now_ms (both the same for a momentary one). What is
 * high is normal again below nine tenths of the limit, so that a value around the limit is told
 * once. A rule that is taken away makes normal what was high. */
enum watch_news watch_look(struct watch_state *state, const struct watch_rule *rule, double value,
                           int64_t from_ms, int64_t now_ms);
