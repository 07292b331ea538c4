/* SPDX-License-Identifier: Apache-2.0 */
/* bybit.h - Bybit V5 REST: requests out of the trader's plain types and answers into them (linear
 * contracts, one-way mode). Answers are trusted in nothing: whatever is not exactly what the
 * protocol says (truncated, wrongly typed, HTML, a number too large) is EXCHANGE_UNKNOWN or -EPROTO
 * and never "not found". Source: Bybit's V5 documentation. */
#pragma once
#include "base/buffer.h"
#include "model/exchange.h"
#include "model/trade.h"
#include <jansson.h>

struct bybit_answer {
    enum exchange_class class;
    int64_t code;                     /* retCode; -1000 when there was none */
    char message[TRADE_REASON_BYTES]; /* retMsg, or what was wrong with the answer; valid UTF-8 */
    int64_t time_ms;                  /* the exchange's clock; 0: not told */
    json_t *result;                   /* object; NULL when none */
};
/* Any HTTP status and body. */
void bybit_read_answer(int status, struct slice body, struct bybit_answer *ret);
void bybit_answer_deinit(struct bybit_answer *answer);

/* --- out of answer.result. All return 0 or -EPROTO (then nothing is to be freed); lists are freed
 * with free(). --- */
struct bybit_orders {
    struct order *list; /* id 0: link_id tells whose it is; state, filled, reason are filled in */
    size_t count;
    char cursor[256]; /* as the next query wants it (percent-encoded); "": the last page */
};
MUST_CHECK int bybit_read_orders(const json_t *result, struct bybit_orders *ret);
struct bybit_fills {
    struct fill *list; /* trades only, no funding; oldest first */
    size_t count;
    char cursor[256];
};
MUST_CHECK int bybit_read_fills(const json_t *result, struct bybit_fills *ret);
struct bybit_positions {
    struct position *list; /* those with a size: phase OPEN, side, size, entry, stop, take ... */
    size_t count;
    char cursor[256];
};
MUST_CHECK int bybit_read_positions(const json_t *result, struct bybit_positions *ret);
MUST_CHECK int bybit_read_wallet(const json_t *result, struct wallet *ret); /* UNIFIED, USDT */
/* Linear perpetuals in USDT. Adds to what is in *ret already, so that pages can be joined. */
MUST_CHECK int bybit_read_instruments(const json_t *result, struct instruments *ret,
                                      char ret_cursor[256]);
/* Sets last_price of those named in the answer. */
MUST_CHECK int bybit_read_tickers(const json_t *result, struct instruments *instruments);
/* {orderId, orderLinkId} of create and cancel. */
MUST_CHECK int bybit_read_created(const json_t *result, char ret_exchange_id[EXCHANGE_ID_BYTES]);

/* --- requests: the body of a POST, or the query of a GET, exactly as it is to be signed --- */
void bybit_add_create(const struct order *order, struct buffer *body); /* /v5/order/create */
void bybit_add_cancel(const struct order *order, struct buffer *body); /* /v5/order/cancel */
void bybit_add_leverage(const char *symbol, struct decimal leverage,   /* both sides */
                        struct buffer *body);                          /* set-leverage */
/* /v5/position/trading-stop, Full mode; zero: leaves it as it is. */
void bybit_add_protection(const char *symbol, struct decimal stop, struct decimal take,
                          struct buffer *body);
/* By its link id: order/realtime, order/history and execution/list take the same query. */
void bybit_add_find(const struct order *order, struct buffer *query);
/* All of the settle coin USDT, 50 a page; cursor "" for the first. Fills: of all linear contracts,
 * and of the 7 days from since_ms on, not later: who was away longer asks again from there. */
void bybit_add_open_orders(const char *cursor, struct buffer *query);
void bybit_add_positions(const char *cursor, struct buffer *query);
void bybit_add_fills(int64_t since_ms, const char *cursor, struct buffer *query);
void bybit_add_instruments(const char *cursor, struct buffer *query); /* 1000 a page */
