/* SPDX-License-Identifier: Apache-2.0 */
#include "model/trade.h"

const char *trade_mode_name(enum trade_mode mode) {
    static const char *const names[TRADE_MODES] = {"paper", "demo", "testnet", "live"};
    must(mode < TRADE_MODES);
    return names[mode];
}

const char *trade_mode_badge(enum trade_mode mode) {
    static const char *const names[TRADE_MODES] = {"PAPER", "DEMO", "TESTNET", "LIVE"};
    must(mode < TRADE_MODES);
    return names[mode];
}

const char *trade_side_name(enum trade_side side) {
    return side == SIDE_BUY ? "Buy" : side == SIDE_SELL ? "Sell" : "";
}

const char *order_state_name(enum order_state state) {
    static const char *const names[ORDER_STATES] = {"SENDING", "UNKNOWN",   "OPEN",
                                                    "FILLED",  "CANCELLED", "REJECTED"};
    must(state < ORDER_STATES);
    return names[state];
}

const struct instrument *instruments_find(const struct instruments *instruments,
                                          const char *symbol) {
    for (size_t i = 0; i < instruments->count; i++)
        if (strcmp(instruments->list[i].symbol, symbol) == 0)
            return &instruments->list[i];
    return NULL;
}

void outbox_deinit(struct outbox *outbox) {
    free(outbox->text);
    free(outbox->markup);
    *outbox = (struct outbox){0};
}
