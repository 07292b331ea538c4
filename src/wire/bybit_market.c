/* SPDX-License-Identifier: Apache-2.0 */
/* Wallet, instruments and prices. */
#include "wire/bybit.h"
#include "wire/bybit_fields.h"
#include <errno.h>

static const struct bybit_field wallet_fields[] = {
    BYBIT_FIELD("totalEquity", BYBIT_DECIMAL, 0, struct wallet, equity),
    BYBIT_FIELD("totalAvailableBalance", BYBIT_DECIMAL, 0, struct wallet, available),
    BYBIT_FIELD("totalWalletBalance", BYBIT_DECIMAL, 0, struct wallet, balance),
};

int bybit_read_wallet(const json_t *result, struct wallet *ret) {
    const json_t *list = json_object_get(result, "list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *type = bybit_text(row, "accountType");
        struct wallet wallet;
        if (!type || strcmp(type, "UNIFIED") != 0)
            continue;
        if (bybit_read_fields(row, wallet_fields, COUNT_OF(wallet_fields), &wallet) < 0)
            return -EPROTO;
        *ret = wallet;
        return 0;
    }
    return -EPROTO;
}

/* --- instruments -------------------------------------------------------------------------- */

/* A step of zero would be divided by. */
static const struct bybit_field price_fields[] = {
    BYBIT_FIELD("tickSize", BYBIT_DECIMAL, BYBIT_POSITIVE, struct instrument, tick),
    BYBIT_FIELD("minPrice", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE, struct instrument, price_min),
    BYBIT_FIELD("maxPrice", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE, struct instrument, price_max),
};
static const struct bybit_field lot_fields[] = {
    BYBIT_FIELD("qtyStep", BYBIT_DECIMAL, BYBIT_POSITIVE, struct instrument, qty_step),
    BYBIT_FIELD("minOrderQty", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE, struct instrument, qty_min),
    BYBIT_FIELD("maxOrderQty", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE, struct instrument, qty_max),
    BYBIT_FIELD("minNotionalValue", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY,
                struct instrument, notional_min),
};
static const struct bybit_field leverage_fields[] = {
    BYBIT_FIELD("maxLeverage", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE, struct instrument, leverage_max),
};

/* Names are typed by people and shown to them: those in other scripts, or longer than ours, are
 * left out. */
static bool is_name(const char *symbol) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    return *symbol && strlen(symbol) < SYMBOL_BYTES && symbol[strspn(symbol, letters)] == 0;
}

static int read_instrument(const json_t *row, void *ret) {
    struct instrument *instrument = ret;
    const char *symbol = bybit_text(row, "symbol"), *type = bybit_text(row, "contractType"),
               *coin = bybit_text(row, "settleCoin"), *status = bybit_text(row, "status");
    if (!symbol || !*symbol || !type || !*type || !coin || !*coin || !status || !*status)
        return -EPROTO;
    if (strcmp(type, "LinearPerpetual") != 0 || strcmp(coin, "USDT") != 0 || !is_name(symbol))
        return BYBIT_SKIP;
    if (bybit_read_fields(json_object_get(row, "priceFilter"), price_fields, COUNT_OF(price_fields),
                          instrument) < 0 ||
        bybit_read_fields(json_object_get(row, "lotSizeFilter"), lot_fields, COUNT_OF(lot_fields),
                          instrument) < 0 ||
        bybit_read_fields(json_object_get(row, "leverageFilter"), leverage_fields,
                          COUNT_OF(leverage_fields), instrument) < 0)
        return -EPROTO;
    memcpy(instrument->symbol, symbol, strlen(symbol) + 1);
    instrument->trading = strcmp(status, "Trading") == 0;
    return 0;
}

int bybit_read_instruments(const json_t *result, struct instruments *ret,
                           char ret_cursor[BYBIT_CURSOR_BYTES]) {
    void *list = NULL;
    size_t count = 0;
    if (bybit_read_cursor(result, ret_cursor) < 0 ||
        bybit_read_list(result, read_instrument, sizeof *ret->list, &list, &count) < 0)
        return -EPROTO;
    if (count > 0) {
        ret->list = memory_grow(ret->list, ret->count + count, sizeof *ret->list);
        memcpy(ret->list + ret->count, list, count * sizeof *ret->list);
        ret->count += count;
    }
    free(list);
    return 0;
}

/* --- prices ------------------------------------------------------------------------------- */

/* No BYBIT_TEXT for the name: those of other contracts may be longer than ours. */
struct ticker {
    const char *symbol; /* of the answer */
    struct decimal last_price;
};
static const struct bybit_field ticker_fields[] = {
    BYBIT_FIELD("lastPrice", BYBIT_DECIMAL, BYBIT_NOT_NEGATIVE | BYBIT_EMPTY, struct ticker,
                last_price),
};

static int read_ticker(const json_t *row, void *ret) {
    struct ticker *ticker = ret;
    ticker->symbol = bybit_text(row, "symbol");
    return ticker->symbol && *ticker->symbol
               ? bybit_read_fields(row, ticker_fields, COUNT_OF(ticker_fields), ticker)
               : -EPROTO;
}

int bybit_read_tickers(const json_t *result, struct instruments *instruments) {
    void *list = NULL;
    size_t count = 0;
    if (bybit_read_list(result, read_ticker, sizeof(struct ticker), &list, &count) < 0)
        return -EPROTO;
    const struct ticker *tickers = list;
    for (size_t i = 0; i < count; i++) {
        const struct instrument *found = instruments_find(instruments, tickers[i].symbol);
        if (found)
            instruments->list[found - instruments->list].last_price = tickers[i].last_price;
    }
    free(list);
    return 0;
}
