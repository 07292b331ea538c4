/* SPDX-License-Identifier: Apache-2.0 */
/* positions.h - what is held, and that it is never held without a stop. Pure: step(state, event,
 * now) -> commands.
 *
 * Two sources: fills (each is fed once, in order, by engine/orders.h) say what happened and at what
 * price; reads of the exchange's own list say what is. A read is the truth about size, entry and
 * stops; a position that is gone from it counts as closed when a second read, asked later, agrees.
 * A position without a stop is given the one that its order had; when that fails or none is known,
 * people are told at once, CRITICAL, and again.
 *
 * A fill goes to the disk in the same commit as the position that it is counted in, whatever the
 * disk refuses: one without the other would be counted twice, or never, after a crash. All PERSIST
 * and TELL of one step belong into the commit of the event that brought them. */
#pragma once
#include "model/alert.h"
#include "model/exchange.h"
#include "model/record.h"
#include "model/trade.h"

enum { POSITIONS_MAX = 200 }; /* symbols; a read with more is cut, and the rest is told of */
struct positions;
struct positions_options {
    const char *mode;   /* badge in messages: "PAPER"; borrowed */
    int64_t agree_ms;   /* between the two reads that close one */
    int64_t protect_ms; /* a stop that is missing is placed again after this */
    int64_t alarm_ms;   /* without a stop for so long: CRITICAL */
    int64_t alarm_again_ms;
};
struct positions_options positions_options_default(void);

enum positions_on {
    POSITIONS_ON_FILL,      /* fill; order: the one of ours it belongs to, id 0 when none */
    POSITIONS_ON_READ,      /* rows: every position the exchange has, asked at asked_ms */
    POSITIONS_ON_PROTECTED, /* symbol, class, message: the request came back */
    POSITIONS_ON_STORED,    /* ticket, r */
    POSITIONS_ON_TIMER,
};
struct positions_event {
    enum positions_on on;
    const struct fill *fill;
    const struct order *order;
    const struct position *rows; /* borrowed */
    size_t row_count;
    int64_t asked_ms;
    bool fills_unread; /* READ: the fills before it could not be read: none counts as gone */
    const char *symbol, *message;
    enum exchange_class class;
    uint64_t ticket;
    int r;
};
enum positions_do {
    POSITIONS_DO_PERSIST, /* ticket, records */
    POSITIONS_DO_PROTECT, /* position: set its stop_wanted and take_wanted at the exchange */
    POSITIONS_DO_TELL,    /* priority, type, text, chat */
};
struct positions_command {
    enum positions_do what;
    uint64_t ticket;
    struct records records; /* to be taken, or freed by positions_commands_deinit() */
    struct position position;
    enum alert_priority priority;
    const char *type; /* a constant */
    char *text;
    int64_t chat;
};
struct positions_commands { /* start with {0} */
    struct positions_command *list;
    size_t count, capacity;
};
void positions_commands_deinit(struct positions_commands *commands);

struct positions *positions_new(const struct positions_options *options);
struct positions *positions_free(struct positions *positions);
void positions_restore(struct positions *positions, const struct record *record); /* POSITION */
void positions_step(struct positions *positions, const struct positions_event *event, int64_t now,
                    struct positions_commands *commands);
int64_t positions_next_ms(const struct positions *positions); /* INT64_MAX: nothing is due */

bool positions_any_open(const struct positions *positions);
/* Those that are not flat, by symbol as they came; borrowed until the next step. NULL past the
 * last. */
const struct position *positions_open(const struct positions *positions, size_t index);
