/* SPDX-License-Identifier: Apache-2.0 */
/* Fills: each counts once, by the exchange's id of it. engine/positions.h keeps them on disk. */
#include "engine/orders_state.h"

static uint64_t hash_of(const char *text) {
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
    return hash;
}

static bool is_seen(const struct orders *o, const char *exec_id) {
    uint64_t hash = hash_of(exec_id);
    for (size_t i = 0; i < FILLS_KEPT; i++)
        if (o->seen[i].hash == hash && strcmp(o->seen[i].exec_id, exec_id) == 0)
            return true;
    return false;
}

void orders_note_fill(struct orders *o, const struct fill *fill) {
    struct kept_fill *place = &o->seen[o->seen_at++ % FILLS_KEPT];
    place->hash = hash_of(fill->exec_id);
    memcpy(place->exec_id, fill->exec_id, sizeof place->exec_id);
    if (fill->at_ms > o->fill_last_ms)
        o->fill_last_ms = fill->at_ms;
}

static struct item *item_of(const struct orders *o, const struct fill *fill) {
    struct item *const lists[] = {o->items, o->ended};
    if (!fill->link_id[0])
        return NULL;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (struct item *item = lists[i]; item; item = item->next)
            if (strcmp(item->order.link_id, fill->link_id) == 0)
                return item;
    return NULL;
}

/* A fill proves that its order has arrived: whoever is UNKNOWN is asked for at once. */
static void hasten(struct orders *o, struct item *item, int64_t now,
                   struct orders_commands *commands) {
    if (order_state_ended(item->order.state))
        orders_revive(o, item, now, commands);
    else if (item->busy == BUSY_NOT && item->order.state != ORDER_SENDING)
        item->next_ms = now;
}

void orders_on_fills(struct orders *o, const struct orders_event *event, int64_t now,
                     struct orders_commands *commands) {
    for (size_t i = 0; i < event->fill_count; i++) {
        const struct fill *fill = &event->fills[i];
        if (is_seen(o, fill->exec_id))
            continue;
        orders_note_fill(o, fill);
        struct item *item = item_of(o, fill);
        struct orders_command *command = orders_add(commands, ORDERS_DO_FILL);
        command->fill = *fill;
        if (!item)
            continue;
        command->order = item->order;
        hasten(o, item, now, commands);
    }
}
