/* SPDX-License-Identifier: Apache-2.0 */
#include "trader/trader.h"

/* So many lines that Telegram takes them as one message. */
enum { POSITIONS_SHOWN = 15, ORDERS_SHOWN = 25, SEEN_READS = 10 };

static void add_link(const struct trader *trader, struct buffer *text) {
    const struct exchange_link *link = &trader->exchange;
    long long ago = (long long)(trader_now(trader) - link->answered_ms) / 1000;
    if (link->answered_ms == 0)
        buffer_print(text, "Exchange: not reached yet%s%s\n", link->problem[0] ? ": " : "",
                     link->problem);
    else if (link->problem[0])
        buffer_print(text, "Exchange: %s (last answer %lld s ago)\n", link->problem, ago);
    else
        buffer_print(text, "Exchange: connected, answered %lld s ago\n", ago);
    if (trader->store_refuses)
        buffer_add_text(text, "Disk: REFUSES writes; nothing new is accepted\n");
}

static void add_wallet(const struct trader *trader, struct buffer *text) {
    char equity[DECIMAL_TEXT_BYTES], available[DECIMAL_TEXT_BYTES];
    if (!trader->wallet_known)
        buffer_add_text(text, "Balance: not known yet\n");
    else
        buffer_print(text, "Equity %s USDT, available %s\n",
                     decimal_print_places(trader->wallet.equity, 2, equity),
                     decimal_print_places(trader->wallet.available, 2, available));
}

static void add_more(size_t count, size_t shown, const char *what, struct buffer *text) {
    if (count > shown)
        buffer_print(text, "... and %zu more %s\n", count - shown, what);
}

static void add_position(const struct trader *trader, const struct position *position,
                         struct buffer *text) {
    char size[DECIMAL_TEXT_BYTES], entry[DECIMAL_TEXT_BYTES], pnl[DECIMAL_TEXT_BYTES],
        stop[DECIMAL_TEXT_BYTES], take[DECIMAL_TEXT_BYTES];
    bool safe = !decimal_is_zero(position->stop);
    /* A tick is for what was looked at just now. */
    bool seen = trader_now(trader) - trader->exchange.watched_ms < SEEN_READS * trader->read_ms;
    buffer_print(text, "%s %s %s at %s, now %s%s USDT\n  %s%s%s%s\n", position->symbol,
                 position->side == SIDE_BUY ? "long" : "short", decimal_print(position->size, size),
                 decimal_print(position->entry_price, entry),
                 decimal_sign(position->unrealised) > 0 ? "+" : "",
                 decimal_print_places(position->unrealised, 2, pnl),
                 !safe  ? "\u2717 NO STOP LOSS"
                 : seen ? "\u2713 protected, SL "
                        : "? not seen for a while, last known SL ",
                 safe ? decimal_print(position->stop, stop) : "",
                 decimal_is_zero(position->take) ? "" : ", TP ",
                 decimal_is_zero(position->take) ? "" : decimal_print(position->take, take));
}

static void add_order(const struct order *order, struct buffer *text) {
    char qty[DECIMAL_TEXT_BYTES], price[DECIMAL_TEXT_BYTES], filled[DECIMAL_TEXT_BYTES];
    static const char *const words[ORDER_STATES] = {[ORDER_SENDING] = "on its way",
                                                    [ORDER_UNKNOWN] =
                                                        "NOT KNOWN: the exchange is being asked",
                                                    [ORDER_OPEN] = "open"};
    buffer_print(text, "#%lld %s %s %s at %s: %s", (long long)order->id,
                 trade_side_name(order->side), decimal_print(order->qty, qty), order->symbol,
                 decimal_print(order->price, price), words[order->state]);
    if (!decimal_is_zero(order->filled))
        buffer_print(text, ", filled %s", decimal_print(order->filled, filled));
    buffer_add_text(text, "\n");
}

char *status_text(struct trader *trader) {
    struct buffer text = {0};
    buffer_print(&text, "%s, %s\n", trade_mode_badge((enum trade_mode)trader->options->mode),
                 trader->config->name);
    add_link(trader, &text);
    add_wallet(trader, &text);
    const struct position *position;
    size_t count = 0;
    for (; (position = positions_open(trader->positions, count)); count++)
        if (count < POSITIONS_SHOWN)
            add_position(trader, position, &text);
    add_more(count, POSITIONS_SHOWN, "positions", &text);
    if (!positions_any_open(trader->positions))
        buffer_add_text(&text, "No open position\n");
    const struct order *order;
    for (count = 0; (order = orders_open(trader->orders, count)); count++)
        if (count < ORDERS_SHOWN)
            add_order(order, &text);
    add_more(count, ORDERS_SHOWN, "orders", &text);
    if (!orders_any_open(trader->orders))
        buffer_add_text(&text, "No open order\n");
    text.data[--text.size] = 0;
    return buffer_take(&text);
}
