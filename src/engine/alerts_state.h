/* SPDX-License-Identifier: Apache-2.0 */
/* alerts_state.h - the inside of engine/alerts.h, for the files alerts*.c only. */
#pragma once
#include "engine/alerts.h"
#include "policy/dedup.h"

enum { ITEM_BUCKETS = 4096, DEDUP_MAX = 100000, WINDOW_BYTES_MAX = 4 << 20 };

enum phase {
    PHASE_INTAKE, /* not on disk yet */
    PHASE_READY,  /* in the queue of its priority */
    PHASE_LATER,  /* in the heap, until alert.next_ms */
    PHASE_QUEUED, /* has asked for a turn */
    PHASE_SAVING, /* has its turn; "sending" is on its way to the disk */
    PHASE_FLYING,
    PHASE_RIDING, /* told in the message of another */
    PHASE_ENDED,  /* the end is on its way to the disk */
};
struct way {
    const struct alerts_way_options *options; /* NULL: Telegram */
    bool open;                                /* alerts may leave by it */
    int64_t chat;
    struct item *oldest[ALERT_PRIORITIES], *newest[ALERT_PRIORITIES];
    size_t waiting[ALERT_PRIORITIES], active[ALERT_PRIORITIES];
    struct window {
        size_t count, bytes;     /* held here */
        size_t beyond;           /* wait on disk only, behind `last` */
        struct alert_place last; /* of the last one that was held here */
        int64_t release_ms;      /* of those held back, to make room: not before */
        bool loading;
        uint32_t asked; /* how many */
    } windows[ALERT_PRIORITIES];
    struct group *groups; /* of which a message went out lately */
    int64_t load_ms;      /* after a load that failed: not before */
    struct breaker breaker;
    int64_t pause_until; /* after a failure */
    bool down;           /* its last try failed */
    bool spare_tired;    /* this probe is not for one that has failed very often */
    char *problem;
    int64_t last_delivered_ms;
    int64_t escalated;  /* highest id that was told by it */
    int64_t escalating; /* id of its last message of that */
};
struct item {
    struct item *chain; /* bucket */
    struct way *way;
    struct item *older, *newer; /* queue of its priority */
    struct alert alert;
    enum phase phase;
    uint64_t ticket; /* of the last record written */
    size_t heap_at, bytes;
    struct breaker_permit permit;
    char *key; /* of one that is not on disk yet and will wait there: its texts are not here */
    uint32_t migrations;
    bool tried;           /* its group holds it back no more */
    bool held;            /* ... does, until alert.next_ms */
    bool in_group, alone; /* its message tells of others; a group's was refused, so never again */
    struct item **riders; /* told in its message, rider_count of them */
    size_t rider_count;
    bool unsaved; /* the disk refused its last record: written again later */
};
struct intake {
    struct intake *next;
    uint64_t request, ticket;
    int64_t *ids; /* for the answer */
    size_t count;
    int64_t first, last; /* ids that it made, copies for other ways too */
    bool failed;         /* it named an alert as its duplicate that was not kept after all */
    struct silence_undo {
        int64_t id, ended_before_ms;
    } * silences; /* that its alerts made or changed */
    size_t silence_count;
};
/* A silence on its way to the disk. */
struct wish {
    struct wish *next;
    uint64_t request, ticket;
    struct silence silence;
};
struct unacked;
struct ack;
struct alerts {
    struct alerts_options options;
    uint64_t random, tickets;
    int64_t id_last;
    struct item *buckets[ITEM_BUCKETS];
    size_t item_count;
    struct way ways[ALERTS_WAYS_MAX];
    size_t way_count;
    char *gone[ALERTS_WAYS_MAX]; /* names of ways that the config no longer has */
    size_t gone_count;
    struct silence *silences; /* the newest first */
    size_t silence_count;
    int64_t silence_last; /* highest id */
    struct wish *wishes, **wishes_end;
    struct unacked *unacked; /* by id */
    size_t unacked_count, unacked_capacity;
    struct ack *acks, **acks_end;
    int64_t escalate_at;         /* not before */
    int64_t repeat_at, reminder; /* reminder: id of the last one */
    uint32_t repeats;            /* reminders since the last one was told */
    int64_t mute_until;          /* MEDIUM and LOW wait until then, or did */
    int64_t newest_ms;           /* created_ms of the last one that came */
    struct item **heap;
    size_t heap_count, heap_capacity;
    struct intake *intakes, **intakes_end;
    struct dedup *dedup;
    int64_t sweep_ms, drop_ms;
    size_t unsaved;
    uint64_t accepted, duplicates, delivered, failed, unknown, silenced, refused;
    struct alerts_deliveries deliveries[ALERT_PRIORITIES];
};
struct alerts_command *alerts_add(struct alerts_commands *commands, enum alerts_do what);
struct item *alerts_item(const struct alerts *a, int64_t id);
/* The only place where an item changes its place: out of queue or heap, into another. */
void alerts_set_phase(struct alerts *a, struct item *item, enum phase phase, bool at_front);
/* alert->way is one that alerts_way() knows. */
struct item *alerts_make_item(struct alerts *a, const struct alert *alert, enum phase phase);
struct way *alerts_way(struct alerts *a, const char *name); /* NULL: there is none of this name */
/* Its importance waits: it is at night, and not urgent. */
bool alerts_is_muted(const struct alerts *a, enum alert_priority priority, int64_t now);
void alerts_drop_item(struct alerts *a, struct item *item);
void alerts_save(struct alerts *a, struct item *item, struct alerts_commands *commands);
void alerts_end(struct alerts *a, struct item *item, enum alert_state state, const char *reason,
                int64_t now, struct alerts_commands *commands);
void alerts_set_text(char **place, const char *text);
bool alerts_is_over(const struct alerts *a, const struct item *item, int64_t now); /* its time */
void alerts_end_over(struct alerts *a, struct item *item, int64_t now,
                     struct alerts_commands *commands);

/* alerts_silence.c */
void alerts_silence_put(struct alerts *a, const struct silence *silence);
void alerts_silence_restore(struct alerts *a, const struct silence *silence);
void alerts_on_silence(struct alerts *a, const struct alerts_event *event, int64_t now,
                       struct alerts_commands *commands);
void alerts_on_unsilence(struct alerts *a, const struct alerts_event *event, int64_t now,
                         struct alerts_commands *commands);
bool alerts_on_stored_silence(struct alerts *a, const struct alerts_event *event,
                              struct alerts_commands *commands);
/* Why it is not told, which the caller frees; NULL: it is. */
char *alerts_silenced(const struct alerts *a, const struct alert *alert, int64_t now);
/* It would be sent now, but is silenced: it ends. */
bool alerts_silence_ends(struct alerts *a, struct item *item, int64_t now,
                         struct alerts_commands *commands);
void alerts_silences_sweep(struct alerts *a, int64_t now, struct alerts_commands *commands);
void alerts_silences_deinit(struct alerts *a);

/* alerts_inhibit.c: what follows from this alert is silenced, or no longer */
void alerts_inhibit(struct alerts *a, const struct alert *alert, int64_t now, struct intake *intake,
                    struct records *records);
void alerts_inhibit_undo(struct alerts *a, const struct intake *intake);
/* The silence was made by a rule, for alerts such as this one: it explains, or says that all is
 * well again, and is never muted. */
bool alerts_explains(const struct alerts *a, const struct alert *alert,
                     const struct silence *silence, int64_t now);

/* alerts_ack.c */
void alerts_ack_restore(struct alerts *a, const struct alert *alert, int64_t now);
bool alerts_wants_ack(const struct alerts *a, const struct alert *alert);
void alerts_ack_told(struct alerts *a, struct item *item, int64_t now); /* it was delivered */
void alerts_on_ack(struct alerts *a, const struct alerts_event *event, int64_t now,
                   struct alerts_commands *commands);
bool alerts_on_stored_ack(struct alerts *a, const struct alerts_event *event,
                          struct alerts_commands *commands);
void alerts_ack_remind(struct alerts *a, int64_t now, struct alerts_commands *commands);
void alerts_escalate(struct alerts *a, int64_t now, struct alerts_commands *commands);
/* A reminder has come onto the disk, or not; also one by another way. */
void alerts_ack_kept(struct alerts *a, const struct item *item);
void alerts_ack_unkept(struct alerts *a, const struct alert *reminder, int64_t now);
int64_t alerts_ack_next_ms(const struct alerts *a);  /* INT64_MAX: nothing is due */
int64_t alerts_unacked_last(const struct alerts *a); /* the highest id, 0: none */
void alerts_ack_deinit(struct alerts *a);

/* alerts_group.c: many of one kind become few messages */
/* What makes two alerts of one kind, to be freed; NULL: it is always told alone. */
char *alerts_kind(const struct alert *alert);
/* Holds it back if its group was told of lately. */
bool alerts_group_holds(struct alerts *a, struct item *item, int64_t now);
/* Its message has arrived, whoever rides along is still known. */
void alerts_group_told(struct alerts *a, const struct item *item, int64_t now);
/* When those held back fill the window and others wait behind them on disk, they go. */
void alerts_group_release(struct alerts *a, struct way *way, enum alert_priority priority,
                          int64_t now);
bool alerts_group_blocks(const struct way *way, enum alert_priority priority);
/* It is about to be sent: those of its group that wait ride along. */
void alerts_group_gather(struct alerts *a, struct item *item, int64_t now,
                         struct alerts_commands *commands);
void alerts_group_sweep(struct alerts *a, int64_t now); /* forgets quiet ones; now INT64_MAX: all */

/* alerts_window.c */
void alerts_window_count(struct alerts *a, struct item *item, bool enters);
/* False: a new one would wait on disk; those that come behind it, too. */
bool alerts_window_has_room(const struct alerts *a, const struct way *way,
                            enum alert_priority priority);
/* It is on disk: kept here if it is the next, else forgotten until it is. */
void alerts_window_take(struct alerts *a, struct item *item);
void alerts_window_restore(struct alerts *a, const struct record *record);
void alerts_window_fill(struct alerts *a, int64_t now, struct alerts_commands *commands);
void alerts_on_loaded(struct alerts *a, const struct alerts_event *event, int64_t now,
                      struct alerts_commands *commands);
/* INT64_MAX: nothing is due */
int64_t alerts_window_next_ms(const struct alerts *a, const struct way *way);
size_t alerts_waiting(const struct way *way, enum alert_priority priority);

/* alerts_intake.c */
void alerts_accept(uint64_t request, int64_t *ids, size_t count,
                   struct alerts_commands *commands); /* takes ids */
void alerts_refuse(struct alerts *a, uint64_t request, int code, char *text, int64_t retry_after_s,
                   struct alerts_commands *commands); /* takes the text */
/* What the disk said of a request, when it could not be kept. */
void alerts_refuse_unkept(struct alerts *a, uint64_t request, int r,
                          struct alerts_commands *commands);
void alerts_on_intake(struct alerts *a, const struct alerts_event *event, int64_t now,
                      struct alerts_commands *commands);
void alerts_on_replay(struct alerts *a, const struct alerts_event *event, int64_t now,
                      struct alerts_commands *commands);
bool alerts_on_stored_intake(struct alerts *a, const struct alerts_event *event, int64_t now,
                             struct alerts_commands *commands);
void alerts_remember(struct alerts *a, const struct alert *alert, int64_t now);
void alerts_forget_key(struct alerts *a, const struct alert *alert, int64_t now);
void alerts_drop_intakes(struct alerts *a);

/* alerts_deliver.c */
void alerts_on_turn(struct alerts *a, const struct alerts_event *event, int64_t now,
                    struct alerts_commands *commands);
void alerts_on_sent(struct alerts *a, const struct alerts_event *event, int64_t now,
                    struct alerts_commands *commands);
void alerts_on_stored_item(struct alerts *a, const struct alerts_event *event, int64_t now,
                           struct alerts_commands *commands);
void alerts_way_works(struct alerts *a, struct way *way, int64_t now);
void alerts_pump(struct alerts *a, int64_t now, struct alerts_commands *commands);
