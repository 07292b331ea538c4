/* SPDX-License-Identifier: Apache-2.0 */
#include "model/exchange.h"

const char *exchange_class_name(enum exchange_class class) {
    static const char *const names[EXCHANGE_CLASSES] = {
        [EXCHANGE_OK] = "done",
        [EXCHANGE_AS_WISHED] = "already so",
        [EXCHANGE_DUPLICATE] = "sent before",
        [EXCHANGE_NO_ORDER] = "no such open order",
        [EXCHANGE_ENDED] = "ended already",
        [EXCHANGE_BUSY] = "being processed",
        [EXCHANGE_RATE_LIMITED] = "rate limited",
        [EXCHANGE_CLOCK] = "clock outside the window",
        [EXCHANGE_REFUSED] = "refused",
        [EXCHANGE_FATAL] = "not allowed",
        [EXCHANGE_BLOCKED] = "blocked for a while",
        [EXCHANGE_NOT_SENT] = "not sent",
        [EXCHANGE_UNKNOWN] = "unknown",
    };
    must(class < EXCHANGE_CLASSES);
    return names[class];
}
