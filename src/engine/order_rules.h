/* SPDX-License-Identifier: Apache-2.0 */
/* order_rules.h - what is wrong with an order before it reaches the wire: each refusal names the
 * rule, the value and the nearest valid one. Pure. */
#pragma once
#include "model/trade.h"

enum { RULE_SENTENCE_BYTES = 256 };
/* Each returns 0, or > 0 with a sentence for people in ret ("64,250.55 is not a multiple of the
 * tick 0.10; the nearest is 64250.50 or 64250.60"). */
MUST_CHECK int rule_price(const struct instrument *instrument, struct decimal price,
                          char ret[RULE_SENTENCE_BYTES]);
MUST_CHECK int rule_qty(const struct instrument *instrument, struct decimal qty,
                        struct decimal price, char ret[RULE_SENTENCE_BYTES]);
/* The stop is on the losing side of the entry (below for a buy, above for a sell), the target on
 * the other. zero is not allowed: without a stop there is no order. */
MUST_CHECK int rule_stop(enum trade_side side, struct decimal entry, struct decimal stop,
                         char ret[RULE_SENTENCE_BYTES]);
MUST_CHECK int rule_take(enum trade_side side, struct decimal entry, struct decimal take,
                         char ret[RULE_SENTENCE_BYTES]);
/* All of the above for a whole order; the last check before it is committed. */
MUST_CHECK int rule_order(const struct instrument *instrument, const struct order *order,
                          char ret[RULE_SENTENCE_BYTES]);
/* What a person typed: "btc", "BTCUSDT", "btc/usdt" -> the one instrument, or NULL with a sentence
 * that helps (did you mean ...). */
const struct instrument *rule_symbol(const struct instruments *instruments, const char *typed,
                                     char ret[RULE_SENTENCE_BYTES]);
/* "64,250.5", "64250.5", "64_250.5": thousands may be grouped; 0 or a sentence in ret. Positive. */
MUST_CHECK int rule_number(const char *typed, struct decimal *ret_value,
                           char ret[RULE_SENTENCE_BYTES]);
