/* SPDX-License-Identifier: Apache-2.0 */
/* What an account is worth and what its positions and orders hold of it (cross margin, in USDT),
 * and its end when it is worth too little. Conditional orders hold nothing until they trigger. */
#include "mimic/bybit_state.h"

static const struct decimal maker_rate = {2, 4}, taker_rate = {55, 5};

struct decimal paper_fee_rate(bool maker) {
    return maker ? maker_rate : taker_rate;
}

static struct decimal larger(struct decimal a, struct decimal b) {
    return paper_less(a, b) ? b : a;
}

static struct decimal position_value(const struct paper_account *account, size_t symbol) {
    return paper_times(account->positions[symbol].size, account->sim->markets[symbol].last);
}

static void add_order(const struct paper_order *order, struct decimal *buy, struct decimal *sell) {
    struct decimal *sum = order->side == SIDE_BUY ? buy : sell;
    *sum = paper_plus(*sum, paper_times(paper_left(order), order->price));
}

struct wish { /* one more order, instead of one that is there; both may be NULL */
    const struct paper_order *extra, *instead_of;
};

/* Value that must be covered if the wish comes true: the larger of what the position becomes when
 * all buy orders fill and when all sell orders do. */
static struct decimal exposure(const struct paper_account *account, size_t symbol,
                               struct wish wish) {
    struct decimal buy = decimal_of(0), sell = decimal_of(0);
    for (size_t i = 0; i < account->order_count; i++) {
        const struct paper_order *order = account->orders[i];
        if (order->symbol == symbol && order != wish.instead_of && !order->reduce_only &&
            (order->status == PAPER_NEW || order->status == PAPER_PARTLY))
            add_order(order, &buy, &sell);
    }
    if (wish.extra && wish.extra->symbol == symbol)
        add_order(wish.extra, &buy, &sell);
    struct decimal held = position_value(account, symbol);
    struct decimal has = account->positions[symbol].side == SIDE_SELL ? decimal_negate(held) : held;
    return larger(held, larger(paper_plus(has, buy), paper_minus(sell, has)));
}

static struct paper_margin margin_with(const struct paper_account *account, struct wish wish) {
    struct paper_margin margin = {.equity = account->balance};
    for (size_t i = 0; i < PAPER_SYMBOLS; i++) {
        const struct paper_position *position = &account->positions[i];
        struct decimal value = position_value(account, i), own, all;
        margin.unrealised = paper_plus(margin.unrealised, paper_unrealised(account, i));
        own = paper_divided(value, position->leverage);
        all = paper_divided(exposure(account, i, wish), position->leverage);
        margin.position = paper_plus(margin.position, own);
        margin.order = paper_plus(margin.order, paper_minus(all, own));
        margin.maintenance =
            paper_plus(margin.maintenance, paper_times(value, paper_maintenance_rate));
    }
    margin.equity = paper_plus(margin.equity, margin.unrealised);
    margin.available = paper_minus(margin.equity, paper_plus(margin.position, margin.order));
    return margin;
}

struct paper_margin paper_margin_of(const struct paper_account *account) {
    return margin_with(account, (struct wish){0});
}

bool paper_can_afford(const struct paper_account *account, const struct paper_order *order,
                      const struct paper_order *instead_of) {
    struct paper_margin before = paper_margin_of(account);
    struct paper_margin after = margin_with(account, (struct wish){order, instead_of});
    struct decimal held = paper_plus(before.position, before.order);
    if (!paper_less(held, paper_plus(after.position, after.order)))
        return true; /* it only makes the exposure smaller */
    struct decimal fee = paper_times(paper_times(paper_left(order), order->price), taker_rate);
    return !paper_less(after.available, fee);
}

/* --- liquidation -------------------------------------------------------------------------- */

/* The price where equity = maintenance margin, all other prices as they are. Nowhere when the
 * market would have to leave its bounds for it; on the other bound when it is due at any price. */
struct decimal paper_liquidation_price(const struct paper_account *account, size_t symbol) {
    const struct paper_position *position = &account->positions[symbol];
    if (position->side == SIDE_NONE)
        return decimal_of(0);
    struct paper_margin margin = paper_margin_of(account);
    struct decimal other =
        paper_minus(paper_minus(margin.equity, paper_unrealised(account, symbol)),
                    paper_minus(margin.maintenance, paper_times(position_value(account, symbol),
                                                                paper_maintenance_rate)));
    struct decimal cost = paper_times(position->size, position->entry), one = decimal_of(1);
    bool buy = position->side == SIDE_BUY;
    struct decimal rate =
        buy ? paper_minus(one, paper_maintenance_rate) : paper_plus(one, paper_maintenance_rate);
    struct decimal price = paper_divided(buy ? paper_minus(cost, other) : paper_plus(cost, other),
                                         paper_times(position->size, rate));
    struct decimal least = paper_market_least(symbol), most = paper_instruments[symbol].price_max;
    if (buy ? paper_less(price, least) : paper_less(most, price))
        return decimal_of(0);
    return buy ? paper_smaller(price, most) : larger(price, least);
}

static void close_for_good(struct paper_account *account, size_t symbol) {
    const struct paper_position *position = &account->positions[symbol];
    struct paper_order *order = paper_order_add(account, symbol);
    order->side = trade_side_opposite(position->side);
    order->market = order->reduce_only = order->close_on_trigger = order->liquidation = true;
    order->tif = PAPER_IOC;
    order->qty = position->size;
    order->price = account->sim->markets[symbol].last;
    paper_order_enter(account, order);
}

void paper_liquidate(struct paper_account *account) {
    for (size_t i = 0; i < account->order_count; i++) {
        struct paper_order *order = account->orders[i];
        if (paper_open(order->status))
            paper_order_end(account, order,
                            order->status == PAPER_UNTRIGGERED ? PAPER_DEACTIVATED
                                                               : PAPER_CANCELLED,
                            "CancelAllBeforeLiq", "EC_NoError");
    }
    for (size_t i = 0; i < PAPER_SYMBOLS; i++) {
        if (account->positions[i].side != SIDE_NONE)
            close_for_good(account, i);
    }
    if (decimal_sign(account->balance) < 0)
        account->balance = decimal_of(0); /* the insurance fund pays */
    paper_touch(account);
}

/* --- calls -------------------------------------------------------------------------------- */

void paper_handle_wallet(struct paper_call *call) {
    const char *type = paper_arg(call->args, "accountType");
    if (strcmp(type, "UNIFIED") != 0) {
        paper_fail(call, 10001, "accountType only support UNIFIED.");
        return;
    }
    paper_succeed(call, json_pack("{s:[o]}", "list", paper_wallet_row(call->account)));
}

void paper_handle_account_info(struct paper_call *call) {
    json_t *result = json_pack("{s:s, s:I, s:b, s:s, s:b, s:s}", "marginMode", "REGULAR_MARGIN",
                               "unifiedMarginStatus", (json_int_t)5, "isMasterTrader", 0,
                               "spotHedgingStatus", "OFF", "dcpStatus", 0, "smpGroup", "0");
    paper_put_time(result, "updatedTime", paper_time(call->sim));
    paper_succeed(call, result);
}

/* What the key may do. Names as for a unified account; the account number is invented. */
void paper_handle_query_api(struct paper_call *call) {
    const struct paper_account *account = call->account;
    json_t *wallet = json_pack("[s]", "AccountTransfer");
    if (account->withdraw)
        json_array_append_new(wallet, json_string("Withdraw"));
    json_t *permissions =
        json_pack("{s:[ss], s:[s], s:o, s:[], s:[s], s:[], s:[s]}", "ContractTrade", "Order",
                  "Position", "Spot", "SpotTrade", "Wallet", wallet, "Options", "Derivatives",
                  "DerivativesTrade", "BlockTrade", "Exchange", "ExchangeHistory");
    paper_succeed(call, json_pack("{s:s, s:s, s:s, s:i, s:s, s:o, s:[s], s:i, s:i, s:i, s:I}", "id",
                                  "1", "note", "paper", "apiKey", account->key, "readOnly",
                                  (int)account->read_only, "secret", "", "permissions", permissions,
                                  "ips", "*", "type", 1, "unified", 0, "uta", 1, "userID",
                                  (json_int_t)1001));
}

void paper_handle_fee_rate(struct paper_call *call) {
    const char *symbol = paper_arg(call->args, "symbol");
    size_t only = PAPER_SYMBOLS;
    if (*symbol ? !paper_call_symbol(call, &only) : !paper_call_linear(call))
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < PAPER_SYMBOLS; i++) {
        if (*symbol && i != only)
            continue;
        json_t *row = json_object();
        paper_put_text(row, "symbol", paper_instruments[i].symbol);
        paper_put(row, "takerFeeRate", taker_rate);
        paper_put(row, "makerFeeRate", maker_rate);
        json_array_append_new(list, row);
    }
    paper_succeed(call, json_pack("{s:o}", "list", list));
}
