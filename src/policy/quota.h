/* SPDX-License-Identifier: Apache-2.0 */
/* quota.h - token bucket: so many in a period, with a burst. Counts in exact integers, so that a
 * day of small steps neither loses nor invents a token. */
#pragma once
#include "base/common.h"

struct quota_rate {
    int64_t count;     /* tokens that come back in ... */
    int64_t period_ms; /* ... this time; count 0: no limit at all */
    int64_t burst;     /* tokens of a full bucket, at least 1 */
};
struct quota {     /* zeroed is a full bucket that was never used */
    int64_t spent; /* tokens x period_ms that are missing from a full bucket */
    int64_t at_ms;
};
/* 0: a token may be taken now and `keep` stay behind (a reserve for the more urgent, < burst).
 * Else: milliseconds until that is so. */
int64_t quota_wait_ms(const struct quota *quota, const struct quota_rate *rate, int64_t now,
                      int64_t keep);
void quota_take(struct quota *quota, const struct quota_rate *rate, int64_t now);
/* Full again: the bucket remembers nothing and may be forgotten. */
bool quota_is_full(const struct quota *quota, const struct quota_rate *rate, int64_t now);
