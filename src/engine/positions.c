/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/positions_state.h"
#include <stdio.h>

struct positions_options positions_options_default(void) {
    return (struct positions_options){.mode = "",
                                      .agree_ms = 500,
                                      .protect_ms = 5000,
                                      .alarm_ms = 5000,
                                      .alarm_again_ms = 300000};
}

struct positions_command *positions_add(struct positions_commands *commands,
                                        enum positions_do what) {
    if (commands->count == commands->capacity) {
        commands->capacity = commands->capacity ? commands->capacity * 2 : 8;
        commands->list = memory_grow(commands->list, commands->capacity, sizeof *commands->list);
    }
    struct positions_command *command = &commands->list[commands->count++];
    *command = (struct positions_command){.what = what};
    return command;
}

void positions_commands_deinit(struct positions_commands *commands) {
    for (size_t i = 0; i < commands->count; i++) {
        records_deinit(&commands->list[i].records);
        free(commands->list[i].text);
    }
    free(commands->list);
    *commands = (struct positions_commands){0};
}

struct positions *positions_new(const struct positions_options *options) {
    struct positions *p = memory_new(sizeof *p);
    p->options = *options;
    p->list = memory_array(POSITIONS_MAX, sizeof *p->list);
    p->save_again_ms = INT64_MAX;
    return p;
}

struct positions *positions_free(struct positions *p) {
    if (!p)
        return NULL;
    for (struct counted_fill *fill = p->fills, *next; fill; fill = next) {
        next = fill->next;
        free(fill);
    }
    free(p->list);
    free(p);
    return NULL;
}

static struct held_position *find(struct positions *p, const char *symbol) {
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->list[i].position.symbol, symbol) == 0)
            return &p->list[i];
    return NULL;
}

/* The place of a flat one may be taken; NULL: all are in use. */
static struct held_position *get(struct positions *p, const char *symbol) {
    struct held_position *flat = find(p, symbol);
    if (flat)
        return flat;
    for (size_t i = 0; i < p->count && !flat; i++) {
        struct held_position *held = &p->list[i];
        if (held->position.phase == POSITION_FLAT && !held->saving && !held->unsaved)
            flat = held;
    }
    if (p->count < POSITIONS_MAX)
        flat = &p->list[p->count++];
    if (!flat)
        return NULL;
    *flat = (struct held_position){0};
    (void)snprintf(flat->position.symbol, SYMBOL_BYTES, "%s", symbol);
    return flat;
}

void positions_restore(struct positions *p, const struct record *record) {
    struct held_position *held =
        record->kind == RECORD_POSITION ? get(p, record->trade->position.symbol) : NULL;
    if (held)
        held->position = record->trade->position;
}

/* ---- phases ---- */

static void set_phase(struct held_position *held, enum position_phase phase, int64_t now) {
    must(held->position.phase != POSITION_FLAT || phase == POSITION_OPEN);
    held->position.phase = phase;
    held->position.updated_ms = now;
    held->changed = true;
}

static void open_up(struct held_position *held, enum trade_side side, int64_t now) {
    struct position *position = &held->position;
    struct position fresh = {.side = side, .opened_ms = now};
    memcpy(fresh.symbol, position->symbol, sizeof fresh.symbol);
    *position = fresh;
    held->alarmed_ms = held->protect_ms = held->gone_read_ms = 0;
    held->trouble[0] = 0;
    set_phase(held, POSITION_OPEN, now);
}

static void close_down(struct positions *p, struct held_position *held, int64_t now,
                       struct positions_commands *commands) {
    held->position.closed_ms = now;
    positions_tell_closed(p, held, now, commands);
    held->position.size = decimal_of(0);
    held->position.unprotected_ms = 0;
    set_phase(held, POSITION_FLAT, now);
}

/* ---- fills ---- */

static void add_to(struct decimal *sum, struct decimal more) {
    if (decimal_add(*sum, more, sum) != 0)
        sum->mantissa = sum->mantissa > 0 ? INT64_MAX : -INT64_MAX; /* shown, never traded on */
}

static void add_product(struct decimal *sum, struct decimal a, struct decimal b) {
    struct decimal product = {INT64_MAX, 0};
    (void)!decimal_mul(a, b, &product);
    add_to(sum, product);
}

/* What has no decimal of its own stays as it was: the next read tells the average. */
static void average_in(struct position *position, struct decimal qty, struct decimal price) {
    struct decimal cost = {0}, all = {0}, average;
    add_product(&cost, position->size, position->entry_price);
    add_product(&cost, qty, price);
    add_to(&all, position->size);
    add_to(&all, qty);
    if (decimal_sign(all) > 0 && decimal_div(cost, all, 10, DECIMAL_NEAREST, &average) == 0)
        position->entry_price = decimal_trim(average);
}

static void on_closing_fill(struct held_position *held, const struct fill *fill) {
    struct position *position = &held->position;
    add_to(&position->closed_qty, fill->closed_qty);
    add_product(&position->closed_value, fill->closed_qty, fill->price);
    add_product(&position->closed_cost, fill->closed_qty, position->entry_price);
    position->closed_by = fill->source;
    add_to(&position->size, decimal_negate(fill->closed_qty));
    if (decimal_sign(position->size) < 0) /* of one whose beginning we have not seen */
        position->size = decimal_of(0);
}

static void on_opening_fill(struct held_position *held, const struct fill *fill,
                            struct decimal opened, const struct order *order) {
    struct position *position = &held->position;
    average_in(position, opened, fill->price);
    add_to(&position->size, opened);
    add_to(&position->opened_qty, opened);
    if (!order || decimal_is_zero(order->stop))
        return;
    position->stop_wanted = order->stop;
    position->take_wanted = order->take;
    position->chat = order->chat;
}

static void keep_fill(struct positions *p, const struct fill *fill) {
    struct counted_fill **place = &p->fills;
    while (*place)
        place = &(*place)->next;
    *place = memory_new(sizeof **place);
    (*place)->fill = *fill;
}

/* Of the fee of a fill that turned the position over: the part of what it closed. */
static struct decimal share_of(const struct fill *fill) {
    struct decimal whole, share;
    if (decimal_mul(fill->fee, fill->closed_qty, &whole) != 0 ||
        decimal_div(whole, fill->qty, 10, DECIMAL_NEAREST, &share) != 0)
        return fill->fee;
    return decimal_trim(share);
}

static void on_fill(struct positions *p, const struct positions_event *event, int64_t now,
                    struct positions_commands *commands) {
    const struct fill *fill = event->fill;
    const struct order *order = event->order && event->order->id ? event->order : NULL;
    struct held_position *held = get(p, fill->symbol);
    struct decimal opened;
    keep_fill(p, fill);
    if (held)
        held->changed = true;
    if (!held || decimal_sub(fill->qty, fill->closed_qty, &opened) != 0)
        return;
    bool was_flat = held->position.phase == POSITION_FLAT, opens = decimal_sign(opened) > 0;
    if (was_flat && !opens)
        return; /* the end of one that was told of already */
    struct decimal fee = fill->fee, share = {0};
    if (!was_flat && !decimal_is_zero(fill->closed_qty)) {
        share = opens ? share_of(fill) : fee;
        on_closing_fill(held, fill);
        add_to(&held->position.fees, share);
    }
    if (opens && !was_flat && decimal_is_zero(held->position.size)) {
        close_down(p, held, now, commands); /* closed and opened anew between two reads */
        was_flat = true;
    }
    if (opens && was_flat)
        open_up(held, fill->side, fill->at_ms);
    if (opens)
        on_opening_fill(held, fill, opened, order);
    add_to(&held->position.fees, fee);
    add_to(&held->position.fees, decimal_negate(share));
    held->position.updated_ms = now;
}

/* ---- reads ---- */

static bool same(const struct position *a, const struct position *b) {
    return a->side == b->side && decimal_equal(a->size, b->size) &&
           decimal_equal(a->entry_price, b->entry_price) && decimal_equal(a->stop, b->stop) &&
           decimal_equal(a->take, b->take) && decimal_equal(a->leverage, b->leverage);
}

static void take_row(struct held_position *held, const struct position *row, int64_t now) {
    struct position *position = &held->position;
    if (position->phase == POSITION_FLAT || position->side != row->side)
        open_up(held, row->side, now);
    if (position->phase == POSITION_CLOSING)
        set_phase(held, POSITION_OPEN, now);
    if (!same(position, row)) {
        held->changed = true;
        position->updated_ms = now;
    }
    position->size = row->size;
    position->entry_price = row->entry_price;
    position->stop = row->stop;
    position->take = row->take;
    position->leverage = row->leverage;
    position->unrealised = row->unrealised; /* moves with the price: not worth a commit */
}

static void watch_stop(struct positions *p, struct held_position *held, int64_t now,
                       struct positions_commands *commands) {
    struct position *position = &held->position;
    if (!decimal_is_zero(position->stop)) {
        if (position->unprotected_ms) {
            if (position->unprotected_told)
                positions_tell_protected(p, held, commands);
            position->unprotected_ms = 0;
            position->unprotected_told = false;
            held->alarmed_ms = 0;
            held->changed = true;
        }
        return;
    }
    if (!position->unprotected_ms) {
        position->unprotected_ms = now;
        held->changed = true;
    }
    if (!decimal_is_zero(position->stop_wanted) && !held->protecting && now >= held->protect_ms) {
        held->protecting = true;
        held->protect_ms = now + p->options.protect_ms;
        positions_add(commands, POSITIONS_DO_PROTECT)->position = *position;
    }
}

static void alarm_stop(struct positions *p, struct held_position *held, int64_t now,
                       struct positions_commands *commands) {
    struct position *position = &held->position;
    if (position->phase != POSITION_OPEN || !position->unprotected_ms)
        return;
    int64_t due = held->alarmed_ms ? held->alarmed_ms + p->options.alarm_again_ms
                                   : position->unprotected_ms + p->options.alarm_ms;
    if (now < due)
        return;
    held->alarmed_ms = now;
    position->unprotected_told = held->changed = true;
    positions_tell_unprotected(p, held, now, commands);
}

static void on_gone(struct positions *p, struct held_position *held, int64_t asked_ms, int64_t now,
                    struct positions_commands *commands) {
    if (asked_ms <= held->position.updated_ms)
        return; /* asked before the last news of it */
    if (held->position.phase == POSITION_OPEN) {
        held->gone_read_ms = asked_ms;
        set_phase(held, POSITION_CLOSING, now);
    } else if (asked_ms - held->gone_read_ms >= p->options.agree_ms) {
        close_down(p, held, now, commands);
    }
}

static const struct position *row_of(const struct positions_event *event, const char *symbol) {
    for (size_t i = 0; i < event->row_count; i++)
        if (strcmp(event->rows[i].symbol, symbol) == 0)
            return &event->rows[i];
    return NULL;
}

static void on_read(struct positions *p, const struct positions_event *event, int64_t now,
                    struct positions_commands *commands) {
    for (size_t i = 0; i < event->row_count; i++) {
        struct held_position *held = get(p, event->rows[i].symbol);
        if (!held)
            continue;
        take_row(held, &event->rows[i], now);
        watch_stop(p, held, now, commands);
    }
    for (size_t i = 0; i < p->count && !event->fills_unread; i++)
        if (p->list[i].position.phase != POSITION_FLAT &&
            !row_of(event, p->list[i].position.symbol))
            on_gone(p, &p->list[i], event->asked_ms, now, commands);
}

static void on_protected(struct positions *p, const struct positions_event *event, int64_t now,
                         struct positions_commands *commands) {
    struct held_position *held = find(p, event->symbol);
    if (!held)
        return;
    held->protecting = false;
    bool done = event->class == EXCHANGE_OK || event->class == EXCHANGE_AS_WISHED;
    (void)snprintf(held->trouble, sizeof held->trouble, "%s",
                   done             ? ""
                   : event->message ? event->message
                                    : exchange_class_name(event->class));
    /* Only the next read says that the stop is there. */
}

static void on_fills_stored(struct positions *p, uint64_t ticket, int r) {
    for (struct counted_fill **place = &p->fills; *place;) {
        struct counted_fill *fill = *place;
        if (fill->saving != ticket || r < 0) {
            fill->saving = fill->saving == ticket ? 0 : fill->saving;
            place = &fill->next;
            continue;
        }
        *place = fill->next;
        free(fill);
    }
}

static void on_stored(struct positions *p, const struct positions_event *event, int64_t now,
                      struct positions_commands *commands) {
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].saving == event->ticket && event->ticket) {
            p->list[i].saving = 0;
            p->list[i].unsaved = event->r < 0;
        }
    if (event->ticket)
        on_fills_stored(p, event->ticket, event->r);
    if (event->r < 0)
        p->save_again_ms = now + SAVE_RETRY_MS;
}

static void on_timer(struct positions *p, const struct positions_event *event, int64_t now,
                     struct positions_commands *commands) {}

static struct positions_command *need_persist(struct positions *p,
                                              struct positions_command *command,
                                              struct positions_commands *commands) {
    if (command)
        return command;
    command = positions_add(commands, POSITIONS_DO_PERSIST);
    command->ticket = ++p->tickets;
    return command;
}

/* All fills of the symbol that are not known to be on disk, those in a commit under way too: that
 * one may yet be refused, and the position's record of this one counts them. */
static void add_fills(struct positions *p, const char *symbol, struct positions_command *command) {
    for (struct counted_fill *fill = p->fills; fill; fill = fill->next)
        if (strcmp(fill->fill.symbol, symbol) == 0) {
            fill->saving = command->ticket;
            records_add(&command->records, RECORD_FILL)->trade->fill = fill->fill;
        }
}

static void persist(struct positions *p, int64_t now, struct positions_commands *commands) {
    struct positions_command *command = NULL;
    bool again = now >= p->save_again_ms;
    for (size_t i = 0; i < p->count; i++) {
        struct held_position *held = &p->list[i];
        if (!held->changed && !(held->unsaved && again))
            continue;
        command = need_persist(p, command, commands);
        held->changed = held->unsaved = false;
        held->saving = command->ticket;
        records_add(&command->records, RECORD_POSITION)->trade->position = held->position;
        add_fills(p, held->position.symbol, command);
    }
    for (struct counted_fill *fill = p->fills; fill; fill = fill->next)
        if (!fill->saving && !find(p, fill->fill.symbol)) { /* there was no place for it */
            command = need_persist(p, command, commands);
            add_fills(p, fill->fill.symbol, command);
        }
    if (again)
        p->save_again_ms = INT64_MAX;
}

typedef void handler(struct positions *p, const struct positions_event *event, int64_t now,
                     struct positions_commands *commands);
static handler *const handlers[] = {
    [POSITIONS_ON_FILL] = on_fill,           [POSITIONS_ON_READ] = on_read,
    [POSITIONS_ON_PROTECTED] = on_protected, [POSITIONS_ON_STORED] = on_stored,
    [POSITIONS_ON_TIMER] = on_timer,
};

/* What a former run wrote may lie in the future when the clock has gone back since. */
static void come_back(struct positions *p, int64_t now) {
    for (size_t i = 0; i < p->count; i++) {
        struct position *position = &p->list[i].position;
        int64_t *const times[] = {&position->opened_ms, &position->updated_ms,
                                  &position->unprotected_ms};
        for (size_t t = 0; t < COUNT_OF(times); t++)
            *times[t] = *times[t] > now ? now : *times[t];
    }
    p->came_back = true;
}

void positions_step(struct positions *p, const struct positions_event *event, int64_t now,
                    struct positions_commands *commands) {
    must(event->on < COUNT_OF(handlers));
    if (!p->came_back)
        come_back(p, now);
    handlers[event->on](p, event, now, commands);
    for (size_t i = 0; i < p->count; i++)
        alarm_stop(p, &p->list[i], now, commands);
    persist(p, now, commands);
}

int64_t positions_next_ms(const struct positions *p) {
    int64_t next = p->save_again_ms;
    for (size_t i = 0; i < p->count; i++) {
        const struct held_position *held = &p->list[i];
        if (held->position.phase != POSITION_OPEN || !held->position.unprotected_ms)
            continue;
        int64_t due = held->alarmed_ms ? held->alarmed_ms + p->options.alarm_again_ms
                                       : held->position.unprotected_ms + p->options.alarm_ms;
        next = due < next ? due : next;
    }
    return next;
}

bool positions_any_open(const struct positions *p) {
    return positions_open(p, 0) != NULL;
}

const struct position *positions_open(const struct positions *p, size_t index) {
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].position.phase != POSITION_FLAT && index-- == 0)
            return &p->list[i].position;
    return NULL;
}
