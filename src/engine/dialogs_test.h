/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs_test.h - a chat, a disk and an exchange for the tests of the dialogs, and scripts in
 * which each line says what a person does and what must come of it. */
#pragma once
#include "base/test.h"
#include "engine/dialogs.h"
#include "engine/order_rules.h"

enum { OWNER = 42, STRANGER = 666, GROUP = -100, KEPT_MAX = 32, BUTTONS_SEEN = 4000 };

struct bench {
    struct dialogs *dialogs;
    struct dialogs_options options;
    struct dialogs_commands commands; /* of the last event */
    struct instrument list[3];
    struct instruments instruments;
    struct wallet wallet;
    int64_t now, update_id;
    struct dialog kept[KEPT_MAX]; /* the disk */
    size_t kept_count;
    struct dialog_button seen[BUTTONS_SEEN]; /* all that were ever shown, newest last */
    size_t seen_count;
    int placed;
    struct order order;       /* the last one placed */
    bool restart_always;      /* between all events */
    int64_t user, chat, sent; /* of the next event; 0: the owner in the private chat, now */
};

/* What happens, and what comes of it. */
struct line {
    const char *act; /* "say TEXT", "press LABEL" (begins so, newest), "again N" (the button of the
                        N-th press), "wait SECONDS", "restart" */
    /* The commands: P dialog kept, D dropped, S say, E edit, T toast, O order, I status, C live
     * confirmed, L log. */
    const char *commands;
    const char *says;    /* stands in what was said or edited or toasted; NULL: whatever */
    const char *buttons; /* labels of the message said, "a|b"; rows "/"; NULL: whatever */
};

struct decimal d(const char *text);
void bench_begin(struct bench *b);
void bench_end(struct bench *b);
void bench_restart(struct bench *b); /* what is not on the disk is lost */
void bench_feed(struct bench *b, struct dialogs_event event);
void bench_say(struct bench *b, const char *text);
void bench_press(struct bench *b, const char *data);
const char *bench_button(const struct bench *b, const char *label); /* newest; its data */
struct dialogs_command *bench_find(struct bench *b, enum dialogs_do what);
void bench_run(struct bench *b, const struct line *lines, size_t count);
#define RUN(b, ...)                                                                                \
    bench_run(b, (const struct line[]){__VA_ARGS__},                                               \
              sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line))
