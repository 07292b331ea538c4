/* SPDX-License-Identifier: Apache-2.0 */
/* What anybody may ask: the time, the instruments and the prices. */
#include "base/text.h"
#include "mimic/bybit_state.h"

/* The symbols that a query means; false: the call has failed. */
static bool symbols_of(struct paper_call *call, size_t *ret_first, size_t *ret_end) {
    const char *symbol = paper_arg(call->args, "symbol");
    *ret_first = 0;
    *ret_end = PAPER_SYMBOLS;
    if (!*symbol)
        return paper_call_linear(call);
    if (!paper_call_symbol(call, ret_first))
        return false;
    *ret_end = *ret_first + 1;
    return true;
}

void paper_handle_time(struct paper_call *call) {
    int64_t time = paper_time(call->sim);
    json_t *result = json_object();
    paper_put_time(result, "timeSecond", time / 1000);
    paper_put_time(result, "timeNano", time * 1000000);
    paper_succeed(call, result);
}

static json_t *filters(const struct paper_instrument *instrument, const char *which) {
    json_t *json = json_object();
    struct decimal tick = instrument->tick, step = instrument->step;
    if (strcmp(which, "price") == 0) {
        paper_put_like(json, "minPrice", tick, tick);
        paper_put_like(json, "maxPrice", instrument->price_max, tick);
        paper_put_like(json, "tickSize", tick, tick);
    } else if (strcmp(which, "leverage") == 0) {
        paper_put_text(json, "minLeverage", "1");
        paper_put_like(json, "maxLeverage", instrument->leverage_max, (struct decimal){1, 2});
        paper_put_text(json, "leverageStep", "0.01");
    } else {
        paper_put_like(json, "maxOrderQty", instrument->qty_max, step);
        paper_put_like(json, "minOrderQty", instrument->qty_min, step);
        paper_put_like(json, "qtyStep", step, step);
        paper_put_like(json, "postOnlyMaxOrderQty", instrument->qty_max, step);
        paper_put_like(json, "maxMktOrderQty", instrument->qty_market_max, step);
        paper_put(json, "minNotionalValue", instrument->notional_min);
    }
    return json;
}

static json_t *instrument_row(const struct paper_instrument *instrument) {
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "symbol", instrument->symbol,
                            "contractType", "LinearPerpetual", "status", "Trading", "baseCoin",
                            instrument->base, "quoteCoin", "USDT");
    paper_put_text(row, "launchTime", "1585526400000");
    paper_put_text(row, "deliveryTime", "0");
    paper_put_text(row, "deliveryFeeRate", "");
    paper_put(row, "priceScale", decimal_of(instrument->tick.scale));
    json_object_set_new(row, "leverageFilter", filters(instrument, "leverage"));
    json_object_set_new(row, "priceFilter", filters(instrument, "price"));
    json_object_set_new(row, "lotSizeFilter", filters(instrument, "lot"));
    json_object_set_new(row, "unifiedMarginTrade", json_true());
    json_object_set_new(row, "fundingInterval", json_integer(480));
    paper_put_text(row, "settleCoin", "USDT");
    paper_put_text(row, "copyTrading", "none");
    paper_put_text(row, "upperFundingRate", "0.005");
    paper_put_text(row, "lowerFundingRate", "-0.005");
    json_object_set_new(row, "isPreListing", json_false());
    json_object_set_new(row, "preListingInfo", json_null());
    json_object_set_new(
        row, "riskParameters",
        json_pack("{s:s, s:s}", "priceLimitRatioX", "0.1", "priceLimitRatioY", "0.1"));
    paper_put_text(row, "symbolType", "");
    return row;
}

static json_t *category_list(const struct paper_call *call, json_t *list) {
    return json_pack("{s:s, s:o}", "category", paper_arg(call->args, "category"), "list", list);
}

/* All fit on one page. */
void paper_handle_instruments(struct paper_call *call) {
    size_t first, end;
    if (!symbols_of(call, &first, &end))
        return;
    const char *status = paper_arg(call->args, "status");
    json_t *list = json_array();
    for (size_t i = first; i < end && (!*status || strcmp(status, "Trading") == 0); i++)
        json_array_append_new(list, instrument_row(&paper_instruments[i]));
    json_t *result = category_list(call, list);
    paper_put_text(result, "nextPageCursor", "");
    paper_succeed(call, result);
}

static struct decimal book_size(const struct exchange_sim *sim, size_t symbol) {
    struct decimal shown = sim->markets[symbol].available;
    return decimal_is_zero(sim->markets[symbol].depth) ? paper_instruments[symbol].qty_max : shown;
}

static json_t *ticker_row(const struct exchange_sim *sim, size_t symbol) {
    const struct paper_instrument *instrument = &paper_instruments[symbol];
    const struct paper_market *market = &sim->markets[symbol];
    struct decimal tick = instrument->tick, step = instrument->step;
    json_t *row = json_object();
    paper_put_text(row, "symbol", instrument->symbol);
    paper_put_like(row, "lastPrice", market->last, tick);
    paper_put_like(row, "indexPrice", market->last, tick);
    paper_put_like(row, "markPrice", market->last, tick);
    paper_put_like(row, "prevPrice24h", market->start, tick);
    struct decimal change = paper_divided(paper_minus(market->last, market->start), market->start);
    paper_put_like(row, "price24hPcnt", change, (struct decimal){1, 6});
    paper_put_like(row, "highPrice24h", market->high, tick);
    paper_put_like(row, "lowPrice24h", market->low, tick);
    paper_put_like(row, "prevPrice1h", market->start, tick);
    paper_put_text(row, "openInterest", "0");
    paper_put_text(row, "openInterestValue", "0");
    paper_put_like(row, "turnover24h", market->turnover, (struct decimal){1, 4});
    paper_put_like(row, "volume24h", market->volume, step);
    paper_put_text(row, "fundingRate", "0");
    paper_put_time(row, "nextFundingTime", (paper_time(sim) / 28800000 + 1) * 28800000);
    paper_put_text(row, "fundingIntervalHour", "8");
    paper_put_like(row, "bid1Price", paper_bid(sim, symbol), tick);
    paper_put_like(row, "bid1Size", book_size(sim, symbol), step);
    paper_put_like(row, "ask1Price", paper_ask(sim, symbol), tick);
    paper_put_like(row, "ask1Size", book_size(sim, symbol), step);
    return row;
}

void paper_handle_tickers(struct paper_call *call) {
    size_t first, end;
    if (!symbols_of(call, &first, &end))
        return;
    json_t *list = json_array();
    for (size_t i = first; i < end; i++)
        json_array_append_new(list, ticker_row(call->sim, i));
    paper_succeed(call, category_list(call, list));
}

static json_t *level(struct decimal price, struct decimal size,
                     const struct paper_instrument *instrument) {
    char a[DECIMAL_TEXT_BYTES], b[DECIMAL_TEXT_BYTES];
    return json_pack("[[s, s]]", decimal_print_places(price, instrument->tick.scale, a),
                     decimal_print_places(size, instrument->step.scale, b));
}

void paper_handle_orderbook(struct paper_call *call) {
    size_t symbol;
    if (!paper_call_symbol(call, &symbol))
        return;
    const struct exchange_sim *sim = call->sim;
    const struct paper_instrument *instrument = &paper_instruments[symbol];
    struct decimal size = book_size(sim, symbol);
    json_int_t time = paper_time(sim), seq = (json_int_t)sim->market_seq;
    paper_succeed(call, json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I}", "s", instrument->symbol,
                                  "b", level(paper_bid(sim, symbol), size, instrument), "a",
                                  level(paper_ask(sim, symbol), size, instrument), "ts", time, "u",
                                  seq, "seq", seq, "cts", time));
}

static json_t *candle(int64_t start, const struct paper_point *points, size_t count,
                      struct decimal tick) {
    struct decimal high = points[0].price, low = points[0].price;
    for (size_t i = 1; i < count; i++) {
        high = paper_less(high, points[i].price) ? points[i].price : high;
        low = paper_smaller(low, points[i].price);
    }
    struct decimal values[] = {points[0].price, high, low, points[count - 1].price};
    char text[DECIMAL_TEXT_BYTES];
    json_t *row = json_array();
    json_array_append_new(row, json_string(decimal_print(decimal_of(start), text)));
    for (size_t i = 0; i < COUNT_OF(values); i++)
        json_array_append_new(row, json_string(decimal_print_places(values[i], tick.scale, text)));
    json_array_append_new(row, json_string("0"));
    json_array_append_new(row, json_string("0"));
    return row;
}

/* Out of the points that are kept: short, but true. Newest first, as there. */
void paper_handle_kline(struct paper_call *call) {
    size_t symbol;
    if (!paper_call_symbol(call, &symbol))
        return;
    int64_t minutes = 0;
    if (text_to_int(paper_arg(call->args, "interval"), 1, 720, &minutes) != 0)
        minutes = 1440; /* D, W, M */
    const struct paper_market *market = &call->sim->markets[symbol];
    size_t room = EXCHANGE_SIM_POINTS_MAX, next = market->point_next, used = 0;
    struct paper_point points[EXCHANGE_SIM_POINTS_MAX + 1];
    for (size_t i = next > room ? next - room : 0; i < next; i++)
        points[used++] = market->points[i % room];
    if (used == 0)
        points[used++] = (struct paper_point){paper_time(call->sim), market->last};
    json_t *list = json_array();
    for (size_t first = 0, end; first < used; first = end) {
        int64_t start = points[first].at / (minutes * 60000);
        for (end = first + 1; end < used && points[end].at / (minutes * 60000) == start;)
            end++;
        json_array_insert_new(list, 0,
                              candle(start * minutes * 60000, &points[first], end - first,
                                     paper_instruments[symbol].tick));
    }
    json_t *result = category_list(call, list);
    paper_put_text(result, "symbol", paper_instruments[symbol].symbol);
    paper_succeed(call, result);
}
