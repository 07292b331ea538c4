/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "engine/orders_state.h"
#include "policy/backoff.h"
#include <stdio.h>

static const struct backoff again = {.first_ms = 500, .max_ms = 30000, .min_ms = 200};
enum {
    SILENCE_TOLD_MS = 30000,
    SHOWN_MS = 86400000, /* so long the exchange shows what became of an order without fills */
    ABSENTS_MAX = 5,     /* then an order older than that is given up, in words of its own */
};

struct orders_options orders_options_default(void) {
    return (struct orders_options){.tag = "h",
                                   .mode = "",
                                   .open_max = 200,
                                   .window_ms = 10000,
                                   .touched_ms = 5000,
                                   .send_ms_max = 60000};
}

struct orders_command *orders_add(struct orders_commands *commands, enum orders_do what) {
    if (commands->count == commands->capacity) {
        commands->capacity = commands->capacity ? commands->capacity * 2 : 8;
        commands->list = memory_grow(commands->list, commands->capacity, sizeof *commands->list);
    }
    struct orders_command *command = &commands->list[commands->count++];
    *command = (struct orders_command){.what = what};
    return command;
}

void orders_commands_deinit(struct orders_commands *commands) {
    for (size_t i = 0; i < commands->count; i++) {
        records_deinit(&commands->list[i].records);
        free(commands->list[i].text);
    }
    free(commands->list);
    *commands = (struct orders_commands){0};
}

struct orders *orders_new(const struct orders_options *options) {
    struct orders *o = memory_new(sizeof *o);
    o->options = *options;
    o->random = options->seed;
    o->save_again_ms = INT64_MAX;
    return o;
}

static void items_free(struct item *first) {
    for (struct item *next; first; first = next) {
        next = first->next;
        free(first);
    }
}

struct orders *orders_free(struct orders *o) {
    if (!o)
        return NULL;
    items_free(o->items);
    items_free(o->ended);
    free(o);
    return NULL;
}

static struct item *find_in(struct item *item, int64_t id) {
    while (item && item->order.id != id)
        item = item->next;
    return item;
}

struct item *orders_item(const struct orders *o, int64_t id) {
    return find_in(o->items, id);
}

static struct item *add_item(struct item **list, const struct order *order) {
    struct item *item = memory_new(sizeof *item);
    item->order = *order;
    item->next_ms = INT64_MAX;
    while (*list)
        list = &(*list)->next;
    *list = item;
    return item;
}

void orders_restore(struct orders *o, const struct record *record) {
    if (record->kind == RECORD_FILL)
        orders_note_fill(o, &record->trade->fill);
    if (record->kind != RECORD_ORDER)
        return;
    const struct order *order = &record->trade->order;
    bool ended = order_state_ended(order->state);
    add_item(ended ? &o->ended : &o->items, order);
    *(ended ? &o->ended_count : &o->open_count) += 1;
    if (order->id > o->id_last)
        o->id_last = order->id;
}

/* ---- events ---- */

/* What was about to be sent may have been: nobody knows. */
static void on_start(struct orders *o, const struct orders_event *event, int64_t now,
                     struct orders_commands *commands) {
    for (struct item *item = o->items; item; item = item->next) {
        /* The clock went back since: then nobody knows how old it is. */
        item->too_old = item->order.created_ms > now;
        if (item->order.updated_ms > now)
            item->order.updated_ms = now;
        item->left = item->order.state != ORDER_OPEN;
        item->sent_ms = now;
        if (item->order.state == ORDER_SENDING)
            orders_set_state(o, item, ORDER_UNKNOWN, "", now, commands);
        item->silent_ms = item->order.state == ORDER_UNKNOWN ? now : 0;
        item->next_ms = now;
    }
}

static void on_timer(struct orders *o, const struct orders_event *event, int64_t now,
                     struct orders_commands *commands) {}

static void refuse(struct orders_commands *commands, const struct order *order, char *text) {
    struct orders_command *command = orders_add(commands, ORDERS_DO_REFUSE);
    command->order = *order;
    command->text = text;
    command->chat = order->chat;
}

static void on_place(struct orders *o, const struct orders_event *event, int64_t now,
                     struct orders_commands *commands) {
    must(event->order_count == 1);
    struct order order = event->orders[0];
    if (o->open_count >= o->options.open_max) {
        refuse(commands, &order,
               text_format("%zu orders are open already, which is the limit; wait until one is "
                           "filled, or cancel one at the exchange",
                           o->open_count));
        return;
    }
    order.id = ++o->id_last;
    order.state = ORDER_SENDING;
    order.created_ms = order.updated_ms = now;
    /* With its time: a store that was put back from a backup counts from an old number. */
    char born[TEXT_BASE36_BYTES];
    (void)snprintf(order.link_id, sizeof order.link_id, "%.12s-%lld-%s-e1", o->options.tag,
                   (long long)order.id, text_base36(now, born));
    struct item *item = add_item(&o->items, &order);
    o->open_count++;
    item->is_new = item->changed = true;
    item->next_ms = now;
}

static void on_cancel(struct orders *o, const struct orders_event *event, int64_t now,
                      struct orders_commands *commands) {
    struct item *item = orders_item(o, event->id);
    if (!item || item->order.cancel_wanted)
        return;
    item->order.cancel_wanted = item->changed = true;
    item->next_ms = now;
}

/* A commit that failed may be on disk all the same, and come back at the next start: so that it is
 * not sent then, its end is written as soon as the disk takes it. */
static void refuse_new(struct orders *o, struct item *item, const struct orders_event *event,
                       int64_t now, struct orders_commands *commands) {
    struct order *order = &item->order;
    refuse(commands, order,
           text_format("the order could not be written to the disk (%s); nothing was sent. Free "
                       "space and try again",
                       event->message ? event->message : strerror(-event->r)));
    order->state = ORDER_REJECTED;
    order->ended_ms = order->updated_ms = now;
    (void)snprintf(order->reason, sizeof order->reason, "it could not be written, nor was it sent");
    item->next_ms = INT64_MAX;
}

static void on_stored(struct orders *o, const struct orders_event *event, int64_t now,
                      struct orders_commands *commands) {
    for (struct item *item = o->items, *next; item; item = next) {
        next = item->next;
        if (item->saving != event->ticket)
            continue;
        item->saving = 0;
        if (event->r < 0 && item->is_new)
            refuse_new(o, item, event, now, commands);
        item->unsaved = event->r < 0;
        item->is_new = false;
    }
    for (struct item *item = o->ended; item; item = item->next)
        if (item->saving == event->ticket) {
            item->saving = 0;
            item->unsaved = event->r < 0;
        }
    if (event->r < 0)
        o->save_again_ms = now + SAVE_RETRY_MS;
}

static void retry_later(struct orders *o, struct item *item, int64_t now) {
    item->tries++;
    item->next_ms = now + backoff_ms(&again, item->tries, random_next(&o->random));
}

/* 0.2, 0.5, 1, 2, 5 s, and then every 5 s: the exchange works asynchronously. What it has shown
 * once it may leave out for hours. */
static void ask_later(struct item *item, int64_t now) {
    static const int64_t waits[] = {200, 500, 1000, 2000, 5000, 30000, 300000};
    size_t last = item->order.state == ORDER_OPEN ? COUNT_OF(waits) - 1 : 4;
    item->next_ms = now + waits[item->asks < last ? item->asks : last];
    item->asks++;
}

static void on_silence(struct orders *o, struct item *item, int64_t now,
                       struct orders_commands *commands) {
    item->asks = 0;
    if (!item->silent_ms)
        item->silent_ms = now;
    if (item->order.state == ORDER_SENDING)
        orders_set_state(o, item, ORDER_UNKNOWN, item->order.reason, now, commands);
    ask_later(item, now);
}

static void note_reason(struct item *item, const char *message) {
    (void)snprintf(item->order.reason, sizeof item->order.reason, "%s", message ? message : "");
}

static void on_created(struct orders *o, const struct orders_event *event, int64_t now,
                       struct orders_commands *commands) {
    struct item *item = orders_item(o, event->id);
    if (!item || item->busy != BUSY_CREATE)
        return;
    item->busy = BUSY_NOT;
    if (item->order.state != ORDER_SENDING)
        return; /* a list has shown it meanwhile */
    bool left_before = item->left;
    item->left = left_before || event->class != EXCHANGE_NOT_SENT;
    switch (event->class) {
    case EXCHANGE_OK:
    case EXCHANGE_AS_WISHED:
        (void)snprintf(item->order.exchange_id, sizeof item->order.exchange_id, "%s",
                       event->exchange_id ? event->exchange_id : "");
        orders_set_state(o, item, ORDER_OPEN, "", now, commands);
        item->next_ms = now + ORDER_CHECK_MS; /* accepted only: it may still be refused or filled */
        return;
    case EXCHANGE_RATE_LIMITED:
    case EXCHANGE_CLOCK:
    case EXCHANGE_BUSY:
    case EXCHANGE_BLOCKED:
    case EXCHANGE_NOT_SENT:
        note_reason(item, event->message);
        retry_later(o, item, now);
        return;
    case EXCHANGE_REFUSED:
    case EXCHANGE_FATAL:
    case EXCHANGE_NO_ORDER:
    case EXCHANGE_ENDED:
        note_reason(item, event->message);
        /* A refusal of this try says nothing of an earlier one that may yet arrive. */
        if (left_before)
            on_silence(o, item, now, commands);
        else
            orders_set_state(o, item, ORDER_REJECTED, event->message, now, commands);
        return;
    case EXCHANGE_DUPLICATE:
        item->arrived = true;
        break;
    case EXCHANGE_UNKNOWN:
    case EXCHANGE_CLASSES:
        break;
    }
    item->sent_ms = now;
    on_silence(o, item, now, commands);
}

static void on_cancelled(struct orders *o, const struct orders_event *event, int64_t now,
                         struct orders_commands *commands) {
    struct item *item = orders_item(o, event->id);
    if (!item || item->busy != BUSY_CANCEL)
        return;
    item->busy = BUSY_NOT;
    item->asks = 0;
    if (event->class == EXCHANGE_REFUSED || event->class == EXCHANGE_FATAL) {
        item->order.cancel_wanted = false;
        item->changed = true;
        struct orders_command *tell = orders_add(commands, ORDERS_DO_TELL);
        tell->priority = ALERT_HIGH;
        tell->type = "cancel_refused";
        tell->chat = item->order.chat;
        tell->text =
            text_format("%s\nOrder %lld was not cancelled: %s", o->options.mode,
                        (long long)item->order.id, event->message ? event->message : "refused");
    } else if (event->class == EXCHANGE_RATE_LIMITED || event->class == EXCHANGE_CLOCK ||
               event->class == EXCHANGE_BUSY || event->class == EXCHANGE_BLOCKED ||
               event->class == EXCHANGE_NOT_SENT) {
        retry_later(o, item, now);
    } else {
        item->order.updated_ms = now;
        ask_later(item, now); /* only the exchange's own row says how it ended */
    }
}

/* It is nowhere, and what we sent last can no longer arrive. */
static void on_proved_absent(struct orders *o, struct item *item, int64_t now,
                             struct orders_commands *commands) {
    item->silent_ms = 0;
    item->silence_told = false;
    if (item->order.cancel_wanted) {
        orders_set_state(o, item, ORDER_CANCELLED, "it never reached the exchange", now, commands);
    } else if (item->order.reason[0]) {
        orders_set_state(o, item, ORDER_REJECTED, item->order.reason, now, commands);
    } else if (item->too_old || now - item->order.created_ms > o->options.send_ms_max) {
        orders_set_state(o, item, ORDER_REJECTED,
                         "it never reached the exchange, and is too old to be sent now", now,
                         commands);
    } else {
        item->left = false;
        item->tries = 0;
        orders_set_state(o, item, ORDER_SENDING, "", now, commands);
        item->next_ms = now;
    }
}

/* Older than what the exchange shows: absent proves nothing any more, and it will not come back. */
static void on_forgotten(struct orders *o, struct item *item, int64_t now,
                         struct orders_commands *commands) {
    if (item->absents < ABSENTS_MAX) {
        ask_later(item, now);
        return;
    }
    orders_set_state(o, item, ORDER_CANCELLED,
                     "the exchange no longer tells what became of it; please look there", now,
                     commands);
}

/* Another order under our id: of a program that uses the same account and the same store. */
static bool is_ours(const struct item *item, const struct order *row) {
    return strcmp(item->order.symbol, row->symbol) == 0 && item->order.side == row->side;
}

static void on_found(struct orders *o, const struct orders_event *event, int64_t now,
                     struct orders_commands *commands) {
    struct item *item = orders_item(o, event->id);
    if (!item || item->busy != BUSY_FIND)
        return;
    item->busy = BUSY_NOT;
    if (event->find == ORDERS_FOUND && is_ours(item, &event->orders[0])) {
        item->asks = item->absents = 0;
        item->silent_ms = 0;
        item->silence_told = false;
        orders_adopt(o, item, &event->orders[0], now, commands);
        return;
    }
    if (!item->silent_ms)
        item->silent_ms = now;
    /* Asked before the window was over, it may have arrived since. */
    bool over = item->find_ms - item->sent_ms > o->options.window_ms;
    bool absent = event->find == ORDERS_ABSENT;
    item->absents = absent ? item->absents + 1 : 0;
    if (absent && now - item->order.created_ms > SHOWN_MS)
        on_forgotten(o, item, now, commands);
    else if (absent && item->order.state == ORDER_UNKNOWN && over && !item->arrived)
        on_proved_absent(o, item, now, commands);
    else
        ask_later(item, now);
}

static const struct order *row_of(const struct orders_event *event, const struct item *item) {
    for (size_t i = 0; i < event->order_count; i++)
        if (strcmp(event->orders[i].link_id, item->order.link_id) == 0 &&
            is_ours(item, &event->orders[i]))
            return &event->orders[i];
    return NULL;
}

/* One that is missing from the list has ended, or the list lags: it is asked for by itself. */
static void on_list(struct orders *o, const struct orders_event *event, int64_t now,
                    struct orders_commands *commands) {
    for (struct item *item = o->ended, *next; item; item = next) {
        next = item->next;
        if (row_of(event, item))
            orders_revive(o, item, now, commands);
    }
    for (struct item *item = o->items, *next; item; item = next) {
        next = item->next;
        const struct order *row = row_of(event, item);
        if (row)
            orders_adopt(o, item, row, now, commands);
        else if (item->order.state == ORDER_OPEN && item->next_ms > now &&
                 item->order.updated_ms + o->options.touched_ms < event->asked_ms)
            item->next_ms = now;
    }
}

/* ---- what is due ---- */

/* What is no longer wished ends here, but not while a request for it may still be under way: an
 * answer such as "too many" may be that of another copy than the one that is accepted. */
static void create(struct orders *o, struct item *item, int64_t now,
                   struct orders_commands *commands) {
    bool too_late = now - item->order.created_ms > o->options.send_ms_max;
    if (item->left && (item->order.cancel_wanted || too_late)) {
        on_silence(o, item, now, commands);
        return;
    }
    if (item->order.cancel_wanted) {
        orders_set_state(o, item, ORDER_CANCELLED, "cancelled before it was sent", now, commands);
        return;
    }
    if (too_late) {
        orders_set_state(o, item, ORDER_REJECTED,
                         item->order.reason[0] ? item->order.reason : "it could not be sent", now,
                         commands);
        return;
    }
    item->busy = BUSY_CREATE;
    item->sent_ms = now;
    item->order.attempts++;
    item->next_ms = INT64_MAX;
    item->order.reason[0] = 0;
    orders_add(commands, ORDERS_DO_CREATE)->order = item->order;
}

static void advance(struct orders *o, struct item *item, int64_t now,
                    struct orders_commands *commands) {
    if (item->silent_ms && !item->silence_told && now - item->silent_ms >= SILENCE_TOLD_MS)
        orders_tell_silence(o, item, now, commands);
    if (item->busy != BUSY_NOT || item->saving || item->changed || now < item->next_ms)
        return;
    if (item->order.state == ORDER_SENDING) {
        create(o, item, now, commands);
        return;
    }
    bool cancels = item->order.state == ORDER_OPEN && item->order.cancel_wanted && item->asks == 0;
    item->busy = cancels ? BUSY_CANCEL : BUSY_FIND;
    item->next_ms = INT64_MAX;
    if (!cancels)
        item->find_ms = now;
    orders_add(commands, cancels ? ORDERS_DO_CANCEL : ORDERS_DO_FIND)->order = item->order;
}

static void persist_items(struct orders *o, struct item *items, struct orders_command **place,
                          struct orders_commands *commands) {
    for (struct item *item = items; item; item = item->next) {
        bool again_now = item->unsaved && !item->saving && o->save_again_ms == 0;
        if (!item->changed && !again_now)
            continue;
        if (!*place) {
            *place = orders_add(commands, ORDERS_DO_PERSIST);
            (*place)->ticket = ++o->tickets;
        }
        item->changed = item->unsaved = false;
        item->saving = (*place)->ticket;
        records_add(&(*place)->records, RECORD_ORDER)->trade->order = item->order;
    }
}

/* All that changed in this step, as one record each. */
static void persist(struct orders *o, int64_t now, struct orders_commands *commands) {
    struct orders_command *command = NULL;
    if (now >= o->save_again_ms)
        o->save_again_ms = 0; /* now */
    persist_items(o, o->items, &command, commands);
    persist_items(o, o->ended, &command, commands);
    if (o->save_again_ms == 0)
        o->save_again_ms = INT64_MAX;
}

/* Ended ones are kept for questions about them, and until the disk has them. */
static void bury(struct orders *o) {
    struct item **grave = &o->ended;
    while (*grave)
        grave = &(*grave)->next;
    for (struct item **place = &o->items; *place;) {
        struct item *item = *place;
        if (!order_state_ended(item->order.state)) {
            place = &item->next;
            continue;
        }
        *place = item->next;
        item->next = NULL;
        *grave = item;
        grave = &item->next;
        o->open_count--;
        o->ended_count++;
    }
    while (o->ended_count > ENDED_KEPT && !o->ended->saving && !o->ended->unsaved) {
        struct item *first = o->ended;
        o->ended = first->next;
        o->ended_count--;
        free(first);
    }
}

typedef void handler(struct orders *o, const struct orders_event *event, int64_t now,
                     struct orders_commands *commands);
static handler *const handlers[] = {
    [ORDERS_ON_START] = on_start,   [ORDERS_ON_TIMER] = on_timer,
    [ORDERS_ON_PLACE] = on_place,   [ORDERS_ON_CANCEL] = on_cancel,
    [ORDERS_ON_STORED] = on_stored, [ORDERS_ON_CREATED] = on_created,
    [ORDERS_ON_FOUND] = on_found,   [ORDERS_ON_CANCELLED] = on_cancelled,
    [ORDERS_ON_LIST] = on_list,     [ORDERS_ON_FILLS] = orders_on_fills,
};

void orders_step(struct orders *o, const struct orders_event *event, int64_t now,
                 struct orders_commands *commands) {
    must(event->on < COUNT_OF(handlers));
    handlers[event->on](o, event, now, commands);
    for (struct item *item = o->items; item; item = item->next)
        advance(o, item, now, commands);
    bury(o);
    persist(o, now, commands);
}

/* ---- looking ---- */

int64_t orders_next_ms(const struct orders *o) {
    int64_t next = o->save_again_ms;
    for (const struct item *item = o->items; item; item = item->next) {
        if (item->busy == BUSY_NOT && !item->saving && item->next_ms < next)
            next = item->next_ms;
        if (item->silent_ms && !item->silence_told && item->silent_ms + SILENCE_TOLD_MS < next)
            next = item->silent_ms + SILENCE_TOLD_MS;
    }
    return next;
}

bool orders_any_open(const struct orders *o) {
    return o->items != NULL;
}

size_t orders_count(const struct orders *o, enum order_state state) {
    size_t count = 0;
    for (const struct item *item = order_state_ended(state) ? o->ended : o->items; item;
         item = item->next)
        count += item->order.state == state;
    return count;
}

const struct order *orders_open(const struct orders *o, size_t index) {
    const struct item *item = o->items;
    while (item && index-- > 0)
        item = item->next;
    return item ? &item->order : NULL;
}

const struct order *orders_find(const struct orders *o, int64_t id) {
    const struct item *item = find_in(o->items, id);
    item = item ? item : find_in(o->ended, id);
    return item ? &item->order : NULL;
}

int64_t orders_last_fill_ms(const struct orders *o) {
    return o->fill_last_ms;
}
