/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold after every step, and what must have come in the end. The judges are those who
 * cannot be wrong: the disks, the exchange's own books and the chat at Telegram. */
#include "base/text.h"
#include "engine/orders.h"
#include "engine/positions.h"
#include "tests/world/world.h"
#include <stdio.h>

enum { SYMBOLS = 3, STOP_MS_MAX = 60000 };
static const char *const symbols[SYMBOLS] = {"BTCUSDT", "ETHUSDT", "SOLUSDT"};

struct names { /* a set of texts */
    char **list;
    size_t count;
};
struct snapshot {
    bool has[SYMBOLS];
    struct names counted[SYMBOLS]; /* fills in the position's record of this commit */
};
struct reading { /* what one reader was given, and how far it was answered */
    bool *seen;  /* by place in `updates` */
    int64_t acknowledged;
    bool confirm_failed; /* the disk refused its last confirmation: then a repeat is allowed */
};
struct checks {
    int64_t *updates;
    size_t update_count;
    struct reading readings[READERS];
    bool updates_failed; /* the disk refused the last updates */
    struct names accepted, outbox, said;
    struct names never_there; /* link ids of orders that ended because they never arrived */
    struct names refused;     /* ... by the exchange's own word */
    struct names counted[SYMBOLS], durable[SYMBOLS], ignored;
    int64_t bare_ms[SYMBOLS]; /* since when a position has no stop, 0: it has one */
    json_t *books;
    bool books_old;
};

/* ---- sets of texts ---- */

static bool has(const struct names *names, const char *name) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

static void add(struct names *names, const char *name) {
    names->list = memory_grow(names->list, names->count + 1, sizeof *names->list);
    names->list[names->count++] = text_copy(name);
}

static void clear(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
    *names = (struct names){0};
}

static void copy(struct names *to, const struct names *from) {
    clear(to);
    for (size_t i = 0; i < from->count; i++)
        add(to, from->list[i]);
}

static size_t symbol_of(const char *name) {
    size_t i = 0;
    while (i < SYMBOLS && strcmp(symbols[i], name) != 0)
        i++;
    must(i < SYMBOLS);
    return i;
}

/* ---- begin, end ---- */

void checks_begin(struct world *w) {
    w->checks = memory_new(sizeof *w->checks);
    w->checks->books_old = true;
}

void checks_end(struct world *w) {
    struct checks *c = w->checks;
    struct names *all[] = {&c->accepted,    &c->outbox,  &c->said,
                           &c->never_there, &c->refused, &c->ignored};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        clear(all[i]);
    for (size_t i = 0; i < SYMBOLS; i++) {
        clear(&c->counted[i]);
        clear(&c->durable[i]);
    }
    for (size_t i = 0; i < READERS; i++)
        free(c->readings[i].seen);
    free(c->updates);
    json_decref(c->books);
    free(c);
    free(w->bots);
}

/* ---- updates ---- */

void checks_note_update(struct world *w, int64_t id) {
    struct checks *c = w->checks;
    w->counts.updates++;
    c->updates = memory_grow(c->updates, c->update_count + 1, sizeof *c->updates);
    for (size_t i = 0; i < READERS; i++) {
        bool **seen = &c->readings[i].seen;
        *seen = memory_grow(*seen, c->update_count + 1, sizeof **seen);
        (*seen)[c->update_count] = false;
    }
    c->updates[c->update_count++] = id;
}

void checks_confirmed(struct world *w, size_t reader, int64_t offset) {
    struct reading *reading = &w->checks->readings[reader];
    if (offset > reading->acknowledged)
        reading->acknowledged = offset;
}

bool checks_confirm_failed(const struct world *w, size_t reader) {
    return w->checks->readings[reader].confirm_failed || w->checks->updates_failed;
}

void checks_given(struct world *w, size_t reader, int64_t id) {
    struct checks *c = w->checks;
    if (id < c->readings[reader].acknowledged)
        world_break(w, "no update twice after its confirmation",
                    "%s was given update %lld though it had confirmed all before %lld and had been "
                    "answered",
                    program_names[BOT + reader], (long long)id,
                    (long long)c->readings[reader].acknowledged);
    for (size_t i = 0; i < c->update_count; i++)
        if (c->updates[i] == id)
            c->readings[reader].seen[i] = true;
}

static bool on_hub_disk(struct world *w, int64_t id) {
    const struct records *rows = &w->disks[HUB].rows;
    for (size_t i = 0; i < rows->count; i++)
        if (rows->list[i].kind == RECORD_UPDATE && rows->list[i].id == id)
            return true;
    return false;
}

/* From here on Telegram has forgotten all before it. */
void checks_polled(struct world *w, int64_t offset) {
    struct checks *c = w->checks;
    for (size_t i = 0; i < c->update_count; i++) {
        bool seen = true;
        for (size_t k = 0; k < READERS; k++)
            seen = seen && c->readings[k].seen[i];
        if (c->updates[i] < offset && !seen && !on_hub_disk(w, c->updates[i]))
            world_break(w, "no update lost",
                        "Telegram was told to forget update %lld, which is neither on disk nor "
                        "read by all",
                        (long long)c->updates[i]);
    }
}

/* ---- alerts ---- */

void checks_said(struct world *w, const char *text) {
    add(&w->checks->said, text ? text : "");
}

/* Words that stand in one alert only: "alert A12." or "number T17." */
static char *mark_of(const char *text) {
    const char *mark = strstr(text, "number T");
    mark = mark ? mark : strstr(text, "alert A");
    return mark ? text_copy_n(mark, strcspn(mark, ".") + 1) : NULL;
}

static bool was_said(const struct checks *c, const char *mark) {
    for (size_t i = 0; i < c->said.count; i++)
        if (strstr(c->said.list[i], mark))
            return true;
    return false;
}

static const struct alert *alert_of(struct world *w, const char *mark) {
    const struct records *rows = &w->disks[HUB].rows;
    for (size_t i = 0; i < rows->count; i++)
        if (rows->list[i].kind == RECORD_ALERT && strstr(rows->list[i].alert.text, mark))
            return &rows->list[i].alert;
    return NULL;
}

void checks_accepted(struct world *w, const int64_t *ids, size_t count, const char *text) {
    AUTO_FREE char *mark = mark_of(text);
    w->counts.alerts++;
    for (size_t i = 0; i < count; i++) {
        const struct record *row = disk_alert(&w->disks[HUB], ids[i]);
        if (!row)
            world_break(w, "accepted means on disk", "alert %lld was answered and is not on disk",
                        (long long)ids[i]);
        else if (mark && !strstr(row->alert.text, mark))
            world_break(w, "no accepted alert lost", "\"%s\" was taken for another one, \"%s\"",
                        mark, row->alert.text);
    }
    if (mark && !has(&w->checks->accepted, mark))
        add(&w->checks->accepted, mark);
}

/* NULL: it has arrived, or its end is stated. */
static char *alert_missing(struct world *w, const char *mark) {
    if (was_said(w->checks, mark))
        return NULL;
    const struct alert *alert = alert_of(w, mark);
    if (!alert)
        return text_format("an accepted alert is lost: the hub does not know \"%s\"", mark);
    if (alert->state == ALERT_UNKNOWN && alert->priority > ALERT_HIGH)
        return NULL;
    return text_format("\"%s\" is not in the chat; the hub says %s (%s)", mark,
                       alert_state_name(alert->state), alert->reason ? alert->reason : "");
}

/* An end that is not true is seen at once, not only when all has come to rest. */
static void judge_alert(struct world *w, const struct alert *change) {
    const struct record *row = disk_alert(&w->disks[HUB], change->id);
    AUTO_FREE char *mark = row ? mark_of(row->alert.text) : NULL;
    if (!mark || change->state <= ALERT_SENDING || was_said(w->checks, mark))
        return;
    bool stated = change->state == ALERT_UNKNOWN && change->priority > ALERT_HIGH;
    if (!stated)
        world_break(w, "no accepted alert lost",
                    "the hub ended \"%s\" as %s (%s), and it is not "
                    "in the chat",
                    mark, alert_state_name(change->state), change->reason ? change->reason : "");
}

/* ---- the exchange's books ---- */

void checks_books_changed(struct world *w) {
    w->checks->books_old = true;
}

static const char *text_in(const json_t *row, const char *name) {
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

static const json_t *books_of(struct world *w) {
    struct checks *c = w->checks;
    if (c->books_old) {
        json_decref(c->books);
        c->books = exchange_books(w);
        c->books_old = false;
    }
    return c->books;
}

static const json_t *row_of(struct world *w, const char *link_id) {
    const json_t *orders = json_object_get(books_of(w), "orders"), *row;
    size_t i;
    json_array_foreach(orders, i, row) {
        if (strcmp(text_in(row, "orderLinkId"), link_id) == 0)
            return row;
    }
    return NULL;
}

static enum order_state state_of(const json_t *row) {
    const char *status = text_in(row, "orderStatus");
    if (strcmp(status, "Filled") == 0)
        return ORDER_FILLED;
    return strstr(status, "ancel") || strcmp(status, "Rejected") == 0 ||
                   strcmp(status, "Deactivated") == 0
               ? ORDER_CANCELLED
               : ORDER_OPEN;
}

/* The engine's word of an order's end, once it is on disk, against the books. */
static void judge_order(struct world *w, const struct order *order) {
    if (!order_state_ended(order->state))
        return;
    const json_t *row = row_of(w, order->link_id);
    if (!row && order->state == ORDER_FILLED)
        world_break(w, "no UNKNOWN closed without evidence",
                    "order %s ended as FILLED and is not in the books", order->link_id);
    if (!row && !has(&w->checks->never_there, order->link_id))
        add(&w->checks->never_there, order->link_id);
    if (has(&w->checks->refused, order->link_id))
        return; /* at the end it must be as in the books */
    enum order_state theirs = row ? state_of(row) : ORDER_CANCELLED;
    bool filled = order->state == ORDER_FILLED;
    if (row && (theirs == ORDER_OPEN || (theirs == ORDER_FILLED) != filled))
        world_break(w, "no UNKNOWN closed without evidence",
                    "order %s ended as %s (%s); the exchange's books have it as %s", order->link_id,
                    order_state_name(order->state), order->reason, text_in(row, "orderStatus"));
}

static void check_order_rows(struct world *w) {
    const json_t *orders = json_object_get(books_of(w), "orders"), *a, *b;
    size_t i, k;
    json_array_foreach(orders, i, a) {
        const char *link = text_in(a, "orderLinkId");
        if (!link[0])
            continue;
        if (has(&w->checks->never_there, link) && !has(&w->checks->refused, link))
            world_break(w, "no UNKNOWN closed without evidence",
                        "order %s had ended because it never arrived; now it is in the books as %s",
                        link, text_in(a, "orderStatus"));
        json_array_foreach(orders, k, b) {
            bool same = strcmp(link, text_in(b, "orderLinkId")) == 0;
            bool one_intent = text_in(b, "orderLinkId")[0] &&
                              strcmp(text_in(a, "symbol"), text_in(b, "symbol")) == 0 &&
                              strcmp(text_in(a, "price"), text_in(b, "price")) == 0;
            if (k > i && (same || one_intent))
                world_break(w, "no order twice", "the books have %s and %s for one intent", link,
                            text_in(b, "orderLinkId"));
        }
    }
}

void checks_refused(struct world *w, const char *link_id) {
    if (!has(&w->checks->refused, link_id))
        add(&w->checks->refused, link_id);
}

void checks_created(struct world *w, const char *link_id) {
    const struct records *rows = &w->disks[TRADER].rows;
    for (size_t i = 0; i < rows->count; i++)
        if (rows->list[i].kind == RECORD_ORDER &&
            strcmp(rows->list[i].trade->order.link_id, link_id) == 0)
            return;
    world_break(w, "intent on disk before the wire", "order %s is sent and is not on disk",
                link_id);
}

/* ---- stops ---- */

static bool is_bare(const json_t *row) {
    struct decimal stop;
    return decimal_read(slice_of(text_in(row, "stopLoss")), &stop) != 0 || decimal_is_zero(stop);
}

/* A stop travels with each entry, so that a position has one from its first fill; what a hand has
 * taken away is set again, or people have been told. */
static void check_stops(struct world *w) {
    const json_t *positions = json_object_get(books_of(w), "positions"), *row;
    struct checks *c = w->checks;
    bool bare[SYMBOLS] = {false};
    size_t i;
    json_array_foreach(positions, i, row) bare[symbol_of(text_in(row, "symbol"))] = is_bare(row);
    for (size_t s = 0; s < SYMBOLS; s++) {
        if (bare[s] && !w->hands)
            world_break(w, "no position without a stop", "%s has none, and no hand took it away",
                        symbols[s]);
        c->bare_ms[s] = !bare[s] ? 0 : c->bare_ms[s] ? c->bare_ms[s] : w->now;
    }
}

static bool told_of_stop(const struct checks *c, const char *symbol) {
    for (size_t i = 0; i < c->said.count; i++)
        if (strstr(c->said.list[i], symbol) && strcasestr(c->said.list[i], "stop"))
            return true;
    return false;
}

/* ---- fills ---- */

void checks_counted(struct world *w, const struct fill *fill, bool kept) {
    struct names *counted = &w->checks->counted[symbol_of(fill->symbol)];
    w->counts.fills++;
    if (!kept) { /* the end of a position that was told of already */
        add(&w->checks->ignored, fill->exec_id);
        return;
    }
    if (has(counted, fill->exec_id))
        world_break(w, "every fill once", "fill %s of %s was counted twice", fill->exec_id,
                    fill->symbol);
    add(counted, fill->exec_id);
}

struct snapshot *checks_snapshot(struct world *w, const struct records *records) {
    struct snapshot *snapshot = memory_new(sizeof *snapshot);
    for (size_t i = 0; i < records->count; i++) {
        if (records->list[i].kind != RECORD_POSITION)
            continue;
        size_t s = symbol_of(records->list[i].trade->position.symbol);
        snapshot->has[s] = true;
        copy(&snapshot->counted[s], &w->checks->counted[s]);
    }
    return snapshot;
}

struct snapshot *snapshot_free(struct snapshot *snapshot) {
    for (size_t i = 0; snapshot && i < SYMBOLS; i++)
        clear(&snapshot->counted[i]);
    free(snapshot);
    return NULL;
}

void checks_trader_crashed(struct world *w) {
    for (size_t i = 0; i < SYMBOLS; i++)
        copy(&w->checks->counted[i], &w->checks->durable[i]);
}

static char *fill_missing(struct world *w) {
    const json_t *executions = json_object_get(books_of(w), "executions"), *row;
    size_t i;
    json_array_foreach(executions, i, row) {
        const char *id = text_in(row, "execId");
        if (!has(&w->checks->counted[symbol_of(text_in(row, "symbol"))], id) &&
            !has(&w->checks->ignored, id))
            return text_format("not every fill once: fill %s of %s was never counted", id,
                               text_in(row, "symbol"));
    }
    return NULL;
}

/* ---- commits ---- */

static void note_hub_record(struct world *w, const struct record *record, int r) {
    struct checks *c = w->checks;
    if (record->kind == RECORD_UPDATE)
        c->updates_failed = r < 0;
    for (size_t i = 0; record->kind == RECORD_CONSUMER && i < READERS; i++)
        if (strcmp(record->consumer, program_names[BOT + i]) == 0)
            c->readings[i].confirm_failed = r < 0;
    if (record->kind == RECORD_ALERT_CHANGE && r == 0)
        judge_alert(w, &record->alert);
}

static void note_trader_record(struct world *w, const struct record *record) {
    if (record->kind == RECORD_ORDER)
        judge_order(w, &record->trade->order);
    if (record->kind != RECORD_OUTBOX)
        return;
    AUTO_FREE char *mark = mark_of(record->trade->outbox.text);
    must(mark);
    add(&w->checks->outbox, mark);
}

void checks_committed(struct world *w, const struct disk *disk, const struct disk_job *job, int r) {
    for (size_t i = 0; i < job->records.count; i++) {
        if (disk->program == HUB)
            note_hub_record(w, &job->records.list[i], r);
        else if (r == 0)
            note_trader_record(w, &job->records.list[i]);
    }
    for (size_t s = 0; job->snapshot && r == 0 && s < SYMBOLS; s++)
        if (job->snapshot->has[s])
            copy(&w->checks->durable[s], &job->snapshot->counted[s]);
}

/* ---- every step, and the end ---- */

void checks_step(struct world *w) {
    if (!w->checks->books_old)
        return;
    check_order_rows(w);
    check_stops(w);
}

static char *update_missing(struct world *w) {
    const struct checks *c = w->checks;
    for (size_t i = 0; i < READERS; i++)
        for (size_t k = 0; k < c->update_count; k++)
            if (!c->readings[i].seen[k])
                return text_format("an update is lost: %lld never came to %s",
                                   (long long)c->updates[k], program_names[BOT + i]);
    return NULL;
}

static char *alerts_missing(struct world *w) {
    const struct names *lists[] = {&w->checks->accepted, &w->checks->outbox};
    for (size_t l = 0; l < COUNT_OF(lists); l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            char *why = alert_missing(w, lists[l]->list[i]);
            if (why)
                return why;
        }
    return NULL;
}

static const struct order *ours_of(const struct orders *orders, const char *link_id) {
    int64_t last = 0;
    for (int64_t id = 1; id <= last + 100; id++) {
        const struct order *order = orders_find(orders, id);
        if (order && strcmp(order->link_id, link_id) == 0)
            return order;
    }
    return NULL;
}

static char *order_differs(struct world *w) {
    const json_t *orders = json_object_get(books_of(w), "orders"), *row;
    size_t i;
    json_array_foreach(orders, i, row) {
        const char *link = text_in(row, "orderLinkId");
        if (!link[0])
            continue;
        const struct order *ours = ours_of(trader_orders(w), link);
        if (!ours)
            return text_format("order %s is in the books and not here", link);
        enum order_state theirs = state_of(row);
        bool agrees =
            ours->state == theirs || (theirs == ORDER_CANCELLED && ours->state == ORDER_REJECTED);
        if (!agrees || ours->cancel_wanted)
            return text_format(
                "order %s is %s here%s and %s in the books", link, order_state_name(ours->state),
                ours->cancel_wanted ? " (to be cancelled)" : "", text_in(row, "orderStatus"));
    }
    return NULL;
}

static const struct position *position_of(struct world *w, const char *symbol) {
    const struct position *position;
    for (size_t i = 0; (position = positions_open(trader_positions(w), i)); i++)
        if (strcmp(position->symbol, symbol) == 0)
            return position;
    return NULL;
}

static char *position_differs(struct world *w) {
    const json_t *rows = json_object_get(books_of(w), "positions"), *row;
    size_t i, ours = 0;
    json_array_foreach(rows, i, row) {
        const char *symbol = text_in(row, "symbol");
        const struct position *position = position_of(w, symbol);
        struct decimal size;
        bool same = position && decimal_read(slice_of(text_in(row, "size")), &size) == 0 &&
                    decimal_equal(size, position->size) &&
                    strcmp(trade_side_name(position->side), text_in(row, "side")) == 0;
        if (!same)
            return text_format("the position of %s is not as in the books", symbol);
        int64_t bare = w->checks->bare_ms[symbol_of(symbol)];
        if (bare && !told_of_stop(w->checks, symbol))
            return text_format("%s has no stop, and nobody was told", symbol);
    }
    while (positions_open(trader_positions(w), ours))
        ours++;
    return ours == json_array_size(rows) ? NULL : text_copy("a position here is not in the books");
}

char *checks_missing(struct world *w) {
    char *why = update_missing(w);
    why = why ? why : alerts_missing(w);
    why = why ? why : order_differs(w);
    why = why ? why : position_differs(w);
    return why ? why : fill_missing(w);
}
