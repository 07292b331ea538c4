/* SPDX-License-Identifier: Apache-2.0 */
/* positions_state.h - the inside of engine/positions.h, for the files positions*.c only. */
#pragma once
#include "engine/positions.h"

enum { SAVE_RETRY_MS = 1000 };

struct held_position {
    struct position position;
    bool changed, unsaved;
    uint64_t saving;                  /* ticket, 0: none */
    bool protecting;                  /* a request for its stop is under way */
    int64_t protect_ms;               /* when it may be asked for again */
    int64_t alarmed_ms;               /* when people were last told that it has no stop */
    int64_t gone_read_ms;             /* asked_ms of the first read in which it was gone */
    char trouble[TRADE_REASON_BYTES]; /* why the stop could not be set */
};
struct counted_fill { /* counted and not known to be on disk */
    struct counted_fill *next;
    struct fill fill;
    uint64_t saving; /* ticket of the last record that has it */
};
struct positions {
    struct positions_options options;
    uint64_t tickets;
    struct held_position *list;
    size_t count;
    struct counted_fill *fills; /* in the order in which they came */
    int64_t save_again_ms;
    bool came_back; /* the first step was made */
};

struct positions_command *positions_add(struct positions_commands *commands,
                                        enum positions_do what);
/* positions_tell.c: sentences for people */
void positions_tell_closed(struct positions *p, const struct held_position *held, int64_t now,
                           struct positions_commands *commands);
void positions_tell_unprotected(struct positions *p, struct held_position *held, int64_t now,
                                struct positions_commands *commands);
void positions_tell_protected(struct positions *p, const struct held_position *held,
                              struct positions_commands *commands);
