/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quota.h"

/* What is still missing at `now`, in tokens x period_ms. Time that goes back gives nothing back. */
static int64_t spent_at(const struct quota *quota, const struct quota_rate *rate, int64_t now) {
    if (now <= quota->at_ms)
        return quota->spent;
    int64_t passed = now - quota->at_ms;
    /* Avoids the product's overflow after a long silence. */
    if (passed > quota->spent / rate->count)
        return 0;
    return quota->spent - passed * rate->count;
}

int64_t quota_wait_ms(const struct quota *quota, const struct quota_rate *rate, int64_t now,
                      int64_t keep) {
    if (rate->count == 0)
        return 0;
    must(rate->count > 0 && rate->period_ms > 0 && keep >= 0 && keep < rate->burst);
    int64_t allowed = (rate->burst - keep - 1) * rate->period_ms;
    int64_t over = spent_at(quota, rate, now) - allowed;
    return over <= 0 ? 0 : (over + rate->count - 1) / rate->count;
}

void quota_take(struct quota *quota, const struct quota_rate *rate, int64_t now) {
    if (rate->count == 0)
        return;
    quota->spent = spent_at(quota, rate, now) + rate->period_ms;
    quota->at_ms = now > quota->at_ms ? now : quota->at_ms;
}

bool quota_is_full(const struct quota *quota, const struct quota_rate *rate, int64_t now) {
    return rate->count == 0 || spent_at(quota, rate, now) == 0;
}
