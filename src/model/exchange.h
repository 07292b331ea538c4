/* SPDX-License-Identifier: Apache-2.0 */
/* exchange.h - what came of a request to an exchange, in the words the engines decide by. */
#pragma once
#include "base/common.h"

enum exchange_class {
    EXCHANGE_OK,
    EXCHANGE_AS_WISHED,    /* it was so already ("leverage not modified"): done */
    EXCHANGE_DUPLICATE,    /* this client order id was used before: the first try arrived */
    EXCHANGE_NO_ORDER,     /* there is no such open order: its end stands in the history */
    EXCHANGE_ENDED,        /* it is filled or cancelled already */
    EXCHANGE_BUSY,         /* the order is being processed: the same again soon */
    EXCHANGE_RATE_LIMITED, /* not executed: the same again later */
    EXCHANGE_CLOCK,    /* our timestamp is outside the window, not executed: again with theirs */
    EXCHANGE_REFUSED,  /* wrong for ever, as it is */
    EXCHANGE_FATAL,    /* key, permission, region: nothing works until a person has acted */
    EXCHANGE_BLOCKED,  /* this address asked too much: not executed, pause for minutes */
    EXCHANGE_NOT_SENT, /* not one byte left: not executed */
    EXCHANGE_UNKNOWN,  /* no usable answer: a write may have happened, a read brought nothing */
    EXCHANGE_CLASSES
};
const char *exchange_class_name(enum exchange_class class); /* "rate limited" */
