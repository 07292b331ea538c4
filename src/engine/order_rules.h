/* SPDX-License-Identifier: Apache-2.0 */
/* order_rules.h - what is wrong with an order before it reaches the wire: each refusal names the
 * rule, the value and the nearest valid one. Pure. */
#pragma once
#include "model/trade.h"

enum { RULE_SENTENCE_BYTES = 256 };
enum { RULE_BROKEN = 1 }; /* the one outcome > 0; *ret is a sentence for people then */

/* "Tick 0.10: 64,250.55 does not fit. The nearest is 64,250.50 or 64,250.60." */
MUST_CHECK int rule_price(const struct instrument *instrument, struct decimal price,
                          char ret[RULE_SENTENCE_BYTES]);
/* price: what the quantity is worth is measured with it; zero: not measured. */
MUST_CHECK int rule_qty(const struct instrument *instrument, struct decimal qty,
                        struct decimal price, char ret[RULE_SENTENCE_BYTES]);
/* The stop is on the losing side of the entry (below for a buy, above for a sell), the target on
 * the other. zero is not allowed: without a stop there is no order. */
MUST_CHECK int rule_stop(enum trade_side side, struct decimal entry, struct decimal stop,
                         char ret[RULE_SENTENCE_BYTES]);
MUST_CHECK int rule_take(enum trade_side side, struct decimal entry, struct decimal take,
                         char ret[RULE_SENTENCE_BYTES]);
/* It is traded now, and the exchange said in which steps. */
MUST_CHECK int rule_instrument(const struct instrument *instrument, char ret[RULE_SENTENCE_BYTES]);
/* All of the above for a whole order; the last check before it is committed. A market order is
 * measured with the last price. Without a target is fine; without a stop only when reduce_only. */
MUST_CHECK int rule_order(const struct instrument *instrument, const struct order *order,
                          char ret[RULE_SENTENCE_BYTES]);
/* What a person typed: "btc", "BTCUSDT", "btc/usdt" -> the one instrument, or NULL with a sentence
 * that helps (did you mean ...). */
const struct instrument *rule_symbol(const struct instruments *instruments, const char *typed,
                                     char ret[RULE_SENTENCE_BYTES]);
/* "64,250.5", "64250.5", "64_250.5", "64 250.5": thousands may be grouped; 0 or a sentence in ret.
 * Positive. What could be meant in two ways ("64,25") is refused. */
MUST_CHECK int rule_number(const char *typed, struct decimal *ret_value,
                           char ret[RULE_SENTENCE_BYTES]);
