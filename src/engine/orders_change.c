/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where an order changes its state, and what people are told of it. */
#include "engine/orders_state.h"
#include <stdio.h>

#define BIT(state) (1U << (state))
/* An order comes back from its end only when the exchange shows for the first time that it has it;
 * to SENDING only from UNKNOWN, after the exchange has said that it has nothing under this link id.
 */
static const unsigned may_become[ORDER_STATES] = {
    [ORDER_SENDING] = BIT(ORDER_UNKNOWN) | BIT(ORDER_OPEN) | BIT(ORDER_FILLED) |
                      BIT(ORDER_CANCELLED) | BIT(ORDER_REJECTED),
    [ORDER_UNKNOWN] = BIT(ORDER_SENDING) | BIT(ORDER_OPEN) | BIT(ORDER_FILLED) |
                      BIT(ORDER_CANCELLED) | BIT(ORDER_REJECTED),
    [ORDER_OPEN] = BIT(ORDER_FILLED) | BIT(ORDER_CANCELLED) | BIT(ORDER_REJECTED),
    [ORDER_CANCELLED] = BIT(ORDER_UNKNOWN),
    [ORDER_REJECTED] = BIT(ORDER_UNKNOWN),
};

static void tell(struct orders *o, const struct item *item, enum alert_priority priority,
                 const char *type, char *what, struct orders_commands *commands) {
    const struct order *order = &item->order;
    char qty[DECIMAL_TEXT_BYTES], price[DECIMAL_TEXT_BYTES], filled[DECIMAL_TEXT_BYTES];
    struct orders_command *command = orders_add(commands, ORDERS_DO_TELL);
    command->priority = priority;
    command->type = type;
    command->chat = order->chat;
    char stop[DECIMAL_TEXT_BYTES], take[DECIMAL_TEXT_BYTES];
    bool stops = !decimal_is_zero(order->stop);
    bool targets = stops && !decimal_is_zero(order->take);
    bool partly = !decimal_is_zero(order->filled) && !decimal_equal(order->filled, order->qty);
    command->text =
        text_format("%s\n%s\n%s %s %s at %s%s%s%s%s%s%s", o->options.mode, what,
                    trade_side_name(order->side), decimal_print(order->qty, qty), order->symbol,
                    order->type == ORDER_MARKET ? "market" : decimal_print(order->price, price),
                    partly ? "\nfilled: " : "", partly ? decimal_print(order->filled, filled) : "",
                    stops ? "\nSL " : "", stops ? decimal_print(order->stop, stop) : "",
                    targets ? ", TP " : "", targets ? decimal_print(order->take, take) : "");
    free(what);
}

static void tell_end(struct orders *o, const struct item *item, struct orders_commands *commands) {
    const struct order *order = &item->order;
    long long id = order->id;
    const char *reason = order->reason[0] ? order->reason : "no reason given";
    if (order->state == ORDER_FILLED)
        tell(o, item, ALERT_MEDIUM, "limit_filled", text_format("Order %lld is filled", id),
             commands);
    else if (order->state == ORDER_REJECTED)
        tell(o, item, ALERT_HIGH, "order_refused",
             text_format("Order %lld was refused: %s", id, reason), commands);
    else
        tell(o, item, ALERT_MEDIUM, "order_cancelled",
             text_format("Order %lld is cancelled: %s", id, reason), commands);
}

void orders_tell_silence(struct orders *o, struct item *item, int64_t now,
                         struct orders_commands *commands) {
    item->silence_told = true;
    tell(o, item, ALERT_HIGH, "order_unknown",
         text_format("The exchange gives no answer about order %lld; it may or may not be there. "
                     "It is asked again and again, and nothing is sent twice",
                     (long long)item->order.id),
         commands);
}

void orders_set_state(struct orders *o, struct item *item, enum order_state state,
                      const char *reason, int64_t now, struct orders_commands *commands) {
    struct order *order = &item->order;
    must(may_become[order->state] & BIT(state));
    order->state = state;
    order->updated_ms = now;
    item->changed = true;
    if (reason != order->reason)
        (void)snprintf(order->reason, sizeof order->reason, "%s", reason ? reason : "");
    if (state != ORDER_UNKNOWN && state != ORDER_SENDING) {
        item->silent_ms = 0;
        item->silence_told = false;
        item->left = false;
    }
    if (!order_state_ended(state))
        return;
    order->ended_ms = now;
    if (order->exchange_id[0]) /* else it may turn up there after all */
        order->cancel_wanted = false;
    item->next_ms = INT64_MAX;
    tell_end(o, item, commands);
}

static void move_to_open(struct orders *o, struct item *item) {
    struct item **from = &o->ended, **to = &o->items;
    while (*from != item)
        from = &(*from)->next;
    *from = item->next;
    while (*to && (*to)->order.id < item->order.id)
        to = &(*to)->next;
    item->next = *to;
    *to = item;
    o->ended_count--;
    o->open_count++;
}

void orders_revive(struct orders *o, struct item *item, int64_t now,
                   struct orders_commands *commands) {
    struct order *order = &item->order;
    if (order->exchange_id[0] || !(may_become[order->state] & BIT(ORDER_UNKNOWN)))
        return;
    tell(o, item, ALERT_HIGH, "order_revived",
         text_format("Order %lld had ended (%s), but the exchange has it after all; it is %s",
                     (long long)order->id, order->reason,
                     order->cancel_wanted ? "cancelled there now" : "followed again"),
         commands);
    move_to_open(o, item);
    orders_set_state(o, item, ORDER_UNKNOWN, "", now, commands);
    order->ended_ms = 0;
    item->busy = BUSY_NOT;
    item->arrived = item->left = true;
    item->sent_ms = item->silent_ms = item->next_ms = now;
    item->asks = item->absents = 0;
}

/* Lists lag: less filled than we know is old news. */
static bool is_old(const struct order *ours, const struct order *row) {
    return decimal_compare(row->filled, ours->filled) < 0;
}

void orders_adopt(struct orders *o, struct item *item, const struct order *row, int64_t now,
                  struct orders_commands *commands) {
    struct order *order = &item->order;
    if (order_state_ended(order->state) || is_old(order, row))
        return;
    bool news = strcmp(order->exchange_id, row->exchange_id) != 0 ||
                !decimal_equal(order->filled, row->filled) ||
                !decimal_equal(order->price, row->price) || !decimal_equal(order->qty, row->qty);
    (void)snprintf(order->exchange_id, sizeof order->exchange_id, "%s", row->exchange_id);
    order->filled = row->filled;
    order->average_price = row->average_price;
    order->price = row->price;
    order->qty = row->qty;
    if (news) {
        order->updated_ms = now;
        item->changed = true;
    }
    if (row->state != order->state)
        orders_set_state(o, item, row->state, row->reason, now, commands);
    item->arrived = true;
    if (order->state == ORDER_OPEN)
        item->next_ms = order->cancel_wanted ? now + ORDER_CHECK_MS : INT64_MAX;
}
