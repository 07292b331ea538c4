/* SPDX-License-Identifier: Apache-2.0 */
/* The trader in miniature: what src/trader/ does with sockets and a store (trader_commit.c,
 * trader_engines.c, trader_exchange.c, trader_outbox.c), done with the world's network and disk.
 * The order of things is theirs; dialogs, wallet and prices are left out. */
#include "engine/orders.h"
#include "engine/positions.h"
#include "policy/backoff.h"
#include "tests/world/world.h"
#include "wire/bybit.h"
#include <stdio.h>

enum {
    REQUEST_MS_MAX = 10000,
    HAND_OVER_MS_MAX = 15000,
    READ_MS = 2000,
    QUIET_MS = 60000,
    RETRY_MS = 1000,
    RETRY_MS_MAX = 30000,
    FILLS_OVERLAP_MS = 60000,
    BLOCKED_MS = 600000,
    PLACES_MAX = 25,
};
static const struct backoff retry = {.first_ms = 500, .max_ms = 15000, .min_ms = 200};

enum waiter { WAIT_ORDERS, WAIT_POSITIONS, WAIT_OUTBOX };
struct wait {
    enum waiter who;
    uint64_t ticket;
};
struct commit {
    struct records records;
    struct wait *waits;
    size_t wait_count;
};
struct sending {
    struct outbox outbox;
    uint64_t saving;
    bool flying, gone;
    uint32_t tries;
    int64_t not_before;
};
struct finding {
    struct order order;
    int place; /* 0 open orders, 1 history, 2 fills */
};
enum cycle_step { CYCLE_IDLE, CYCLE_ORDERS, CYCLE_FILLS, CYCLE_POSITIONS };
struct trader {
    struct orders *orders;
    struct positions *positions;
    char tag[16];
    int64_t born_ms, outbox_last;
    struct commit *commit; /* being filled */
    int depth;
    struct commit **commits; /* handed to the disk; a commit's context is its place */
    size_t commit_count;
    struct sending *outbox;
    size_t outbox_count;
    uint64_t outbox_tickets;
    bool alert_flying;
    bool started, facts_unsaved;
    int64_t start_due_ms, blocked_until;
    enum cycle_step step;
    int64_t asked_ms, due_ms;
    uint32_t failures;
    uint64_t seed;
    struct finding *findings; /* a find's context is its place */
    size_t finding_count;
};

static void feed_orders(struct world *w, const struct orders_event *event);
static void feed_positions(struct world *w, const struct positions_event *event);
static void outbox_stored(struct world *w, uint64_t ticket, int r);

/* ---- commits ---- */

static void commit_begin(struct world *w) {
    if (w->trader->depth++ == 0)
        w->trader->commit = memory_new(sizeof *w->trader->commit);
}

static void commit_add(struct world *w, struct records *records, enum waiter who, uint64_t ticket) {
    struct commit *commit = w->trader->commit;
    must(commit);
    records_move(&commit->records, records);
    commit->waits = memory_grow(commit->waits, commit->wait_count + 1, sizeof *commit->waits);
    commit->waits[commit->wait_count++] = (struct wait){who, ticket};
}

static void commit_fact(struct world *w, const char *name, int64_t value) {
    struct trade_record *record = records_add(&w->trader->commit->records, RECORD_FACT)->trade;
    (void)snprintf(record->fact.name, sizeof record->fact.name, "%s", name);
    record->fact.value = value;
}

static void commit_end(struct world *w);

static void on_committed(struct world *w, uint64_t context, int r) {
    struct trader *trader = w->trader;
    struct commit *commit = TAKE(trader->commits[context]);
    trader->facts_unsaved |= r < 0;
    commit_begin(w);
    for (size_t i = 0; i < commit->wait_count; i++) {
        uint64_t ticket = commit->waits[i].ticket;
        if (commit->waits[i].who == WAIT_ORDERS)
            feed_orders(w,
                        &(struct orders_event){.on = ORDERS_ON_STORED, .ticket = ticket, .r = r});
        else if (commit->waits[i].who == WAIT_POSITIONS)
            feed_positions(
                w, &(struct positions_event){.on = POSITIONS_ON_STORED, .ticket = ticket, .r = r});
        else
            outbox_stored(w, ticket, r);
    }
    free(commit->waits);
    free(commit);
    commit_end(w);
}

/* What a crash cuts off in the middle of a step was never handed over. */
static void commit_end(struct world *w) {
    struct trader *trader = w->trader;
    must(trader->depth > 0);
    if (--trader->depth > 0)
        return;
    if (trader->facts_unsaved && trader->commit->records.count > 0) {
        commit_fact(w, "born", trader->born_ms);
        trader->facts_unsaved = false;
    }
    struct commit *commit = TAKE(trader->commit);
    if (commit->records.count == 0 || !world_is_up(w, TRADER)) {
        must(commit->wait_count == 0 || !world_is_up(w, TRADER));
        records_deinit(&commit->records);
        free(commit->waits);
        free(commit);
        return;
    }
    trader->commits =
        memory_grow(trader->commits, trader->commit_count + 1, sizeof *trader->commits);
    trader->commits[trader->commit_count] = commit;
    struct snapshot *snapshot = checks_snapshot(w, &commit->records);
    disk_put(&w->disks[TRADER], &commit->records, on_committed, trader->commit_count++, snapshot);
}

/* ---- outbox ---- */

static void outbox_alert(struct world *w, enum alert_priority priority, const char *type,
                         char *text) {
    struct trader *trader = w->trader;
    struct records records = {0};
    struct outbox outbox = {.kind = OUTBOX_ALERT, .priority = (int)priority};
    outbox.id = trader->outbox_last =
        trader->outbox_last < w->now ? w->now : trader->outbox_last + 1;
    outbox.created_ms = w->now;
    (void)snprintf(outbox.type, sizeof outbox.type, "%s", type);
    /* Its number in the text: so that it can be looked for in the chat. */
    outbox.text = text_format("%s\nnumber T%lld.", text, (long long)outbox.id);
    free(text);
    struct outbox *kept = &records_add(&records, RECORD_OUTBOX)->trade->outbox;
    *kept = outbox;
    kept->text = text_copy(outbox.text);
    trader->outbox = memory_grow(trader->outbox, trader->outbox_count + 1, sizeof *trader->outbox);
    trader->outbox[trader->outbox_count++] =
        (struct sending){.outbox = outbox, .saving = ++trader->outbox_tickets};
    commit_add(w, &records, WAIT_OUTBOX, trader->outbox_tickets);
    commit_fact(w, "outbox", outbox.id);
}

static void outbox_stored(struct world *w, uint64_t ticket, int r) {
    for (size_t i = 0; i < w->trader->outbox_count; i++)
        if (w->trader->outbox[i].saving == ticket)
            w->trader->outbox[i].saving = 0;
}

static void on_alert(struct world *w, uint64_t index, const struct answer *answer) {
    struct trader *trader = w->trader;
    struct sending *sending = &trader->outbox[index];
    bool answered = answer->outcome == GATEWAY_ANSWERED;
    trader->alert_flying = false;
    if (answered && (answer->status / 100 == 2 || answer->status == 400)) {
        commit_begin(w);
        records_add(&trader->commit->records, RECORD_OUTBOX_DROP)->trade->outbox.id =
            sending->outbox.id;
        commit_end(w);
        sending->gone = true;
        return;
    }
    sending->flying = false;
    sending->tries++;
    int64_t wait = answer->retry_after_s > 0
                       ? answer->retry_after_s * 1000
                       : backoff_ms(&retry, sending->tries, random_next(&trader->seed));
    sending->not_before = w->now + wait;
}

static struct sending *first_alert(const struct trader *trader) {
    struct sending *best = NULL;
    for (size_t i = 0; i < trader->outbox_count; i++) {
        struct sending *sending = &trader->outbox[i];
        if (!sending->gone && (!best || sending->outbox.priority < best->outbox.priority))
            best = sending;
    }
    return best;
}

static void outbox_turn(struct world *w) {
    struct trader *trader = w->trader;
    struct sending *sending = first_alert(trader);
    if (trader->alert_flying || !sending || sending->flying || sending->saving ||
        w->now < sending->not_before)
        return;
    const struct outbox *outbox = &sending->outbox;
    sending->flying = trader->alert_flying = true;
    net_call(w, (struct call){.from = TRADER,
                              .to = AT_HUB,
                              .method = "POST",
                              .path = "alerts",
                              .text = text_copy(outbox->text),
                              .key = text_format("%s-%lld", trader->tag, (long long)outbox->id),
                              .type = text_copy(outbox->type),
                              .priority = (enum alert_priority)outbox->priority,
                              .total_ms_max = HAND_OVER_MS_MAX,
                              .answered = on_alert,
                              .context = (uint64_t)(sending - trader->outbox)});
}

static int64_t outbox_next_ms(const struct trader *trader) {
    const struct sending *sending = trader->alert_flying ? NULL : first_alert(trader);
    return sending && !sending->flying && !sending->saving ? sending->not_before : INT64_MAX;
}

/* ---- requests to the exchange ---- */

static void read_exchange(struct world *w, const struct answer *answer, struct bybit_answer *ret) {
    *ret = (struct bybit_answer){0};
    if (answer->outcome == GATEWAY_ANSWERED) {
        bybit_read_answer(answer->status, answer->body, ret);
    } else {
        ret->class = answer->outcome == GATEWAY_NOT_SENT ? EXCHANGE_NOT_SENT : EXCHANGE_UNKNOWN;
        (void)snprintf(ret->message, sizeof ret->message, "%s", answer->error);
    }
    if (ret->class == EXCHANGE_BLOCKED)
        w->trader->blocked_until = w->now + BLOCKED_MS;
}

static void request(struct world *w, const char *path, char *body, char *query,
                    world_answered *answered, uint64_t context) {
    net_call(w, (struct call){.from = TRADER,
                              .to = AT_EXCHANGE,
                              .method = body ? "POST" : "GET",
                              .path = path,
                              .body = body,
                              .query = query,
                              .timestamp = w->now,
                              .total_ms_max = REQUEST_MS_MAX,
                              .answered = answered,
                              .context = context});
}

static void on_created(struct world *w, uint64_t id, const struct answer *answer) {
    struct bybit_answer read;
    char exchange_id[EXCHANGE_ID_BYTES] = "";
    read_exchange(w, answer, &read);
    if (read.class == EXCHANGE_OK && bybit_read_created(read.result, exchange_id) != 0)
        read.class = EXCHANGE_UNKNOWN;
    if (read.class == EXCHANGE_REFUSED)
        checks_refused(w, orders_find(w->trader->orders, (int64_t)id)->link_id);
    feed_orders(w, &(struct orders_event){.on = ORDERS_ON_CREATED,
                                          .id = (int64_t)id,
                                          .class = read.class,
                                          .message = read.message,
                                          .exchange_id = exchange_id});
    bybit_answer_deinit(&read);
}

static void create(struct world *w, const struct order *order) {
    struct buffer body = {0};
    bybit_add_create(order, &body);
    checks_created(w, order->link_id);
    request(w, "/v5/order/create", buffer_take(&body), NULL, on_created, (uint64_t)order->id);
}

static void on_cancelled(struct world *w, uint64_t id, const struct answer *answer) {
    struct bybit_answer read;
    read_exchange(w, answer, &read);
    feed_orders(w, &(struct orders_event){.on = ORDERS_ON_CANCELLED,
                                          .id = (int64_t)id,
                                          .class = read.class,
                                          .message = read.message});
    bybit_answer_deinit(&read);
}

static void cancel(struct world *w, const struct order *order) {
    struct buffer body = {0};
    bybit_add_cancel(order, &body);
    request(w, "/v5/order/cancel", buffer_take(&body), NULL, on_cancelled, (uint64_t)order->id);
}

static const char *const symbols[] = {"BTCUSDT", "ETHUSDT", "SOLUSDT"};

static void on_protected(struct world *w, uint64_t symbol, const struct answer *answer) {
    struct bybit_answer read;
    read_exchange(w, answer, &read);
    feed_positions(w, &(struct positions_event){.on = POSITIONS_ON_PROTECTED,
                                                .symbol = symbols[symbol],
                                                .class = read.class,
                                                .message = read.message});
    bybit_answer_deinit(&read);
}

static void protect(struct world *w, const struct position *position) {
    struct buffer body = {0};
    size_t symbol = 0;
    while (strcmp(symbols[symbol], position->symbol) != 0)
        symbol++;
    bybit_add_protection(position->symbol, position->stop_wanted, position->take_wanted, &body);
    request(w, "/v5/position/trading-stop", buffer_take(&body), NULL, on_protected, symbol);
}

/* ---- one order, wherever it is ---- */

static void on_find(struct world *w, uint64_t context, const struct answer *answer);

static void find_next(struct world *w, uint64_t context) {
    static const char *const paths[] = {"/v5/order/realtime", "/v5/order/history",
                                        "/v5/execution/list"};
    struct buffer query = {0};
    const struct finding *finding = &w->trader->findings[context];
    bybit_add_find(&finding->order, &query);
    request(w, paths[finding->place], NULL, buffer_take(&query), on_find, context);
}

static void find(struct world *w, const struct order *order) {
    struct trader *trader = w->trader;
    trader->findings =
        memory_grow(trader->findings, trader->finding_count + 1, sizeof *trader->findings);
    trader->findings[trader->finding_count] = (struct finding){.order = *order};
    find_next(w, trader->finding_count++);
}

static void found(struct world *w, uint64_t context, enum orders_find what,
                  const struct order *row) {
    feed_orders(w, &(struct orders_event){.on = ORDERS_ON_FOUND,
                                          .id = w->trader->findings[context].order.id,
                                          .find = what,
                                          .orders = row,
                                          .order_count = row != NULL});
}

static enum orders_find fills_say(const json_t *result) {
    struct bybit_fills fills = {0};
    if (bybit_read_fills(result, &fills) != 0)
        return ORDERS_FIND_FAILED;
    free(fills.list);
    return fills.count > 0 ? ORDERS_FIND_FAILED : ORDERS_ABSENT; /* fills and no order: a lag */
}

static void find_in_rows(struct world *w, uint64_t context, const json_t *result) {
    struct finding *finding = &w->trader->findings[context];
    struct bybit_orders orders = {0};
    const struct order *row = NULL;
    if (bybit_read_orders(result, &orders) != 0) {
        found(w, context, ORDERS_FIND_FAILED, NULL);
        return;
    }
    for (size_t i = 0; i < orders.count; i++)
        if (strcmp(orders.list[i].link_id, finding->order.link_id) == 0)
            row = &orders.list[i];
    finding->place += row == NULL;
    if (row)
        found(w, context, ORDERS_FOUND, row);
    else
        find_next(w, context);
    free(orders.list);
}

static void on_find(struct world *w, uint64_t context, const struct answer *answer) {
    struct bybit_answer read;
    read_exchange(w, answer, &read);
    if (read.class != EXCHANGE_OK)
        found(w, context, ORDERS_FIND_FAILED, NULL);
    else if (w->trader->findings[context].place == 2)
        found(w, context, fills_say(read.result), NULL);
    else
        find_in_rows(w, context, read.result);
    bybit_answer_deinit(&read);
}

/* ---- the cycle; one page holds all that a run can have ---- */

static void cycle_end(struct world *w, bool good) {
    struct trader *trader = w->trader;
    bool busy = orders_any_open(trader->orders) || positions_any_open(trader->positions);
    int64_t wait = busy ? READ_MS : QUIET_MS;
    trader->failures = good ? 0 : trader->failures + 1;
    if (!good) {
        wait = RETRY_MS;
        for (uint32_t i = 1; i < trader->failures && wait < RETRY_MS_MAX; i++)
            wait *= 2;
        wait = wait < RETRY_MS_MAX ? wait : RETRY_MS_MAX;
    }
    trader->step = CYCLE_IDLE;
    trader->due_ms = w->now + wait;
}

static int take_orders(struct world *w, const json_t *result) {
    struct bybit_orders page = {0};
    int r = bybit_read_orders(result, &page);
    if (r == 0)
        feed_orders(w, &(struct orders_event){.on = ORDERS_ON_LIST,
                                              .orders = page.list,
                                              .order_count = page.count,
                                              .asked_ms = w->trader->asked_ms});
    free(r == 0 ? page.list : NULL);
    return r;
}

static int by_time(const void *a, const void *b) {
    const struct fill *x = a, *y = b;
    return x->at_ms != y->at_ms ? (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms)
                                : strcmp(x->exec_id, y->exec_id);
}

static int take_fills(struct world *w, const json_t *result) {
    struct bybit_fills page = {0};
    int r = bybit_read_fills(result, &page);
    if (r != 0)
        return r;
    must(!page.cursor[0]);
    if (page.count > 0)
        qsort(page.list, page.count, sizeof *page.list, by_time);
    feed_orders(w, &(struct orders_event){
                       .on = ORDERS_ON_FILLS, .fills = page.list, .fill_count = page.count});
    free(page.list);
    return 0;
}

static int take_positions(struct world *w, const json_t *result) {
    struct bybit_positions page = {0};
    int r = bybit_read_positions(result, &page);
    if (r == 0)
        feed_positions(w, &(struct positions_event){.on = POSITIONS_ON_READ,
                                                    .rows = page.list,
                                                    .row_count = page.count,
                                                    .asked_ms = w->trader->asked_ms});
    free(r == 0 ? page.list : NULL);
    return r;
}

static void ask_step(struct world *w);

static void on_step(struct world *w, uint64_t context, const struct answer *answer) {
    static int (*const take[])(struct world * w,
                               const json_t *result) = {[CYCLE_ORDERS] = take_orders,
                                                        [CYCLE_FILLS] = take_fills,
                                                        [CYCLE_POSITIONS] = take_positions};
    struct trader *trader = w->trader;
    struct bybit_answer read;
    read_exchange(w, answer, &read);
    commit_begin(w);
    bool good = read.class == EXCHANGE_OK && take[trader->step](w, read.result) == 0;
    commit_end(w);
    bybit_answer_deinit(&read);
    if (!good || trader->step == CYCLE_POSITIONS) {
        cycle_end(w, good);
        return;
    }
    trader->step++;
    if (world_is_up(w, TRADER))
        ask_step(w);
}

static void ask_step(struct world *w) {
    struct trader *trader = w->trader;
    struct buffer query = {0};
    static const char *const paths[] = {[CYCLE_ORDERS] = "/v5/order/realtime",
                                        [CYCLE_FILLS] = "/v5/execution/list",
                                        [CYCLE_POSITIONS] = "/v5/position/list"};
    int64_t last = orders_last_fill_ms(trader->orders);
    trader->asked_ms = w->now;
    if (trader->step == CYCLE_ORDERS)
        bybit_add_open_orders("", &query);
    else if (trader->step == CYCLE_FILLS)
        bybit_add_fills((last > 0 ? last : trader->born_ms) - FILLS_OVERLAP_MS, "", &query);
    else
        bybit_add_positions("", &query);
    request(w, paths[trader->step], NULL, buffer_take(&query), on_step, 0);
}

static void exchange_turn(struct world *w) {
    struct trader *trader = w->trader;
    bool busy = orders_any_open(trader->orders) || positions_any_open(trader->positions);
    if (w->now < trader->blocked_until)
        return;
    if (!trader->started && w->now >= trader->start_due_ms) {
        trader->started = true; /* clock and instruments are known at once here */
        trader->due_ms = w->now;
        feed_orders(w, &(struct orders_event){.on = ORDERS_ON_START});
    }
    if (!trader->started || trader->step != CYCLE_IDLE || !world_is_up(w, TRADER))
        return;
    if (busy && trader->failures == 0 && trader->due_ms > w->now + READ_MS)
        trader->due_ms = w->now;
    if (w->now < trader->due_ms)
        return;
    trader->step = CYCLE_ORDERS;
    ask_step(w);
}

static int64_t exchange_next_ms(const struct trader *trader, int64_t now) {
    if (now < trader->blocked_until)
        return trader->blocked_until;
    if (!trader->started)
        return trader->start_due_ms;
    if (trader->step != CYCLE_IDLE)
        return INT64_MAX;
    bool busy = orders_any_open(trader->orders) || positions_any_open(trader->positions);
    return busy && trader->failures == 0 && trader->due_ms > now + READ_MS ? now : trader->due_ms;
}

/* ---- engines ---- */

static void carry_fill(struct world *w, struct orders_command *command) {
    const struct records *records = &w->trader->commit->records;
    size_t before = records->count;
    feed_positions(w, &(struct positions_event){.on = POSITIONS_ON_FILL,
                                                .fill = &command->fill,
                                                .order = &command->order});
    bool kept = false;
    for (size_t i = before; i < records->count; i++)
        kept = kept || records->list[i].kind == RECORD_POSITION;
    if (world_is_up(w, TRADER))
        checks_counted(w, &command->fill, kept);
}

static void carry_order(struct world *w, struct orders_command *command) {
    switch (command->what) {
    case ORDERS_DO_PERSIST:
        commit_add(w, &command->records, WAIT_ORDERS, command->ticket);
        break;
    case ORDERS_DO_CREATE:
        create(w, &command->order);
        break;
    case ORDERS_DO_CANCEL:
        cancel(w, &command->order);
        break;
    case ORDERS_DO_FIND:
        find(w, &command->order);
        break;
    case ORDERS_DO_TELL:
        outbox_alert(w, command->priority, command->type, TAKE(command->text));
        break;
    case ORDERS_DO_FILL:
        carry_fill(w, command);
        break;
    case ORDERS_DO_REFUSE:
        break; /* a sentence for the chat; its order does not exist */
    }
}

static void feed_orders(struct world *w, const struct orders_event *event) {
    struct orders_commands commands = {0};
    if (!world_is_up(w, TRADER))
        return;
    commit_begin(w);
    orders_step(w->trader->orders, event, w->now, &commands);
    for (size_t i = 0; i < commands.count && !world_dies(w, TRADER); i++)
        carry_order(w, &commands.list[i]);
    orders_commands_deinit(&commands);
    commit_end(w);
}

static void feed_positions(struct world *w, const struct positions_event *event) {
    struct positions_commands commands = {0};
    if (!world_is_up(w, TRADER))
        return;
    commit_begin(w);
    positions_step(w->trader->positions, event, w->now, &commands);
    for (size_t i = 0; i < commands.count && !world_dies(w, TRADER); i++) {
        struct positions_command *command = &commands.list[i];
        if (command->what == POSITIONS_DO_PERSIST)
            commit_add(w, &command->records, WAIT_POSITIONS, command->ticket);
        else if (command->what == POSITIONS_DO_PROTECT)
            protect(w, &command->position);
        else
            outbox_alert(w, command->priority, command->type, TAKE(command->text));
    }
    positions_commands_deinit(&commands);
    commit_end(w);
}

/* ---- people ---- */

/* Each intent has a price of its own, by which the exchange's books tell one from another whatever
 * the link ids are. */
void trader_place(struct world *w) {
    static const int64_t prices[] = {60000, 3000, 150};
    static const int32_t places[] = {1, 2, 3};
    if (w->counts.orders >= PLACES_MAX || !world_is_up(w, TRADER) || !w->trader->started)
        return;
    size_t s = dice(w, COUNT_OF(symbols));
    int64_t number = (int64_t)++w->counts.orders, one = 1;
    for (int32_t i = 0; i < places[s]; i++)
        one *= 10;
    bool buys = dice(w, 2) == 0;
    struct order order = {.side = buys ? SIDE_BUY : SIDE_SELL,
                          .type = ORDER_LIMIT,
                          .qty = {(int64_t)dice(w, 5) + 2, 1},
                          .chat = OWNER_CHAT};
    int64_t percent = (int64_t)dice(w, 5) - 2, middle = prices[s] * one * (100 + percent) / 100;
    int64_t sign = buys ? 1 : -1;
    middle -= middle % 1000;
    order.price = (struct decimal){middle + number * (s == 2 ? 10 : s == 1 ? 1 : 1), places[s]};
    order.stop = (struct decimal){middle - sign * middle / 1000 * 60, places[s]};
    order.take = (struct decimal){middle + sign * middle / 1000 * 60, places[s]};
    (void)snprintf(order.symbol, sizeof order.symbol, "%s", symbols[s]);
    char price[DECIMAL_TEXT_BYTES];
    world_trace(w, "a person wants to %s %s at %s", trade_side_name(order.side), order.symbol,
                decimal_print(order.price, price));
    feed_orders(w,
                &(struct orders_event){.on = ORDERS_ON_PLACE, .orders = &order, .order_count = 1});
}

/* Most often the newest: people change their mind while it is still on its way. */
void trader_cancel(struct world *w) {
    const struct order *order = NULL, *next;
    if (!world_is_up(w, TRADER) || !w->trader->started)
        return;
    size_t stop = dice(w, 3) ? SIZE_MAX : 1 + dice(w, 3);
    for (size_t i = 0; i < stop && (next = orders_open(w->trader->orders, i)); i++)
        order = next;
    if (!order)
        return;
    world_trace(w, "a person cancels order %lld", (long long)order->id);
    feed_orders(w, &(struct orders_event){.on = ORDERS_ON_CANCEL, .id = order->id});
}

/* ---- start and end ---- */

static void restore_fact(struct trader *trader, const struct trade_record *record) {
    if (strcmp(record->fact.name, "outbox") == 0)
        trader->outbox_last = record->fact.value;
    if (strcmp(record->fact.name, "born") == 0)
        trader->born_ms = record->fact.value;
}

static void restore_outbox(struct trader *trader, const struct outbox *from) {
    struct sending sending = {.outbox = *from};
    sending.outbox.text = text_copy(from->text);
    trader->outbox = memory_grow(trader->outbox, trader->outbox_count + 1, sizeof *trader->outbox);
    trader->outbox[trader->outbox_count++] = sending;
    if (from->id > trader->outbox_last)
        trader->outbox_last = from->id;
}

static void restore(struct world *w, const struct record *record) {
    if (record->kind == RECORD_FACT) {
        restore_fact(w->trader, record->trade);
    } else if (record->kind == RECORD_OUTBOX) {
        restore_outbox(w->trader, &record->trade->outbox);
    } else {
        orders_restore(w->trader->orders, record);
        positions_restore(w->trader->positions, record);
    }
}

static void start(struct world *w) {
    struct orders_options orders = orders_options_default();
    struct positions_options positions = positions_options_default();
    struct trader *trader = w->trader = memory_new(sizeof *trader);
    orders.tag = trader->tag;
    orders.mode = positions.mode = "PAPER";
    orders.seed = dice(w, UINT32_MAX);
    trader->seed = dice(w, UINT32_MAX);
    trader->orders = orders_new(&orders);
    trader->positions = positions_new(&positions);
    trader->start_due_ms = w->now + (int64_t)dice(w, 500);
    disk_load(&w->disks[TRADER], restore);
    bool is_new = trader->born_ms == 0;
    trader->born_ms = is_new ? w->now : trader->born_ms;
    (void)snprintf(trader->tag, sizeof trader->tag, "h%llx",
                   (unsigned long long)(trader->born_ms & 0xffffffffff));
    commit_begin(w);
    if (is_new)
        commit_fact(w, "born", trader->born_ms);
    commit_end(w);
}

static void crash(struct world *w) {
    struct trader *trader = w->trader;
    if (!trader)
        return;
    checks_trader_crashed(w);
    for (size_t i = 0; i < trader->outbox_count; i++)
        outbox_deinit(&trader->outbox[i].outbox);
    for (size_t i = 0; i < trader->commit_count; i++) {
        free(trader->commits[i] ? trader->commits[i]->waits : NULL);
        free(trader->commits[i]);
    }
    orders_free(trader->orders);
    positions_free(trader->positions);
    free(trader->outbox);
    free(trader->commits);
    free(trader->findings);
    free(trader);
    w->trader = NULL;
}

static int64_t next_ms(struct world *w) {
    const struct trader *trader = w->trader;
    int64_t times[] = {trader->started ? orders_next_ms(trader->orders) : INT64_MAX,
                       positions_next_ms(trader->positions), exchange_next_ms(trader, w->now),
                       outbox_next_ms(trader)};
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(times); i++)
        next = times[i] < next ? times[i] : next;
    return next;
}

static void due(struct world *w) {
    struct trader *trader = w->trader;
    if (orders_next_ms(trader->orders) <= w->now && trader->started)
        feed_orders(w, &(struct orders_event){.on = ORDERS_ON_TIMER});
    if (positions_next_ms(trader->positions) <= w->now)
        feed_positions(w, &(struct positions_event){.on = POSITIONS_ON_TIMER});
    if (world_is_up(w, TRADER))
        exchange_turn(w);
    if (world_is_up(w, TRADER))
        outbox_turn(w);
}

char *trader_unrest(struct world *w) {
    const struct trader *trader = w->trader;
    size_t unknown = orders_count(trader->orders, ORDER_UNKNOWN);
    size_t sending = orders_count(trader->orders, ORDER_SENDING);
    if (unknown + sending > 0)
        return text_format("%zu orders are UNKNOWN, %zu SENDING", unknown, sending);
    if (first_alert(trader))
        return text_format("alert %lld is in the outbox",
                           (long long)first_alert(trader)->outbox.id);
    return NULL;
}

const struct orders *trader_orders(const struct world *w) {
    return w->trader ? w->trader->orders : NULL;
}

const struct positions *trader_positions(const struct world *w) {
    return w->trader ? w->trader->positions : NULL;
}

const struct program_rules trader_rules = {start, crash, next_ms, due};
