/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "engine/alerts.h"
#include "policy/backoff.h"
#include <errno.h>
#include <stdio.h>

struct bench {
    struct alerts *alerts;
    struct alerts_commands commands;
    struct alerts_options options;
    int64_t now;
    uint64_t requests;
};

static void feed(struct bench *b, struct alerts_event event) {
    alerts_commands_deinit(&b->commands);
    event.description = event.description ? event.description : "";
    alerts_step(b->alerts, &event, b->now, &b->commands);
}

static void begin(struct bench *b) {
    *b = (struct bench){.now = INT64_C(1795000000000)};
    b->options = alerts_options_default();
    b->options.chat = 42;
    b->options.seed = 3;
    b->alerts = alerts_new(&b->options);
    feed(b, (struct alerts_event){.on = ALERTS_ON_START});
    feed(b, (struct alerts_event){.on = ALERTS_ON_TIMER}); /* its first housekeeping */
}

static void end(struct bench *b) {
    alerts_commands_deinit(&b->commands);
    alerts_free(b->alerts);
}

static struct alerts_command *find(struct bench *b, enum alerts_do what) {
    for (size_t i = 0; i < b->commands.count; i++)
        if (b->commands.list[i].what == what)
            return &b->commands.list[i];
    return NULL;
}

static struct alerts_command *must_find(struct bench *b, enum alerts_do what) {
    struct alerts_command *command = find(b, what);
    if (!command)
        fail_msg("no command %d", what);
    return command;
}

static struct alert alert_of(enum alert_priority priority, const char *text) {
    return (struct alert){.priority = priority, .text = (char *)text};
}

static uint64_t intake(struct bench *b, const struct alert *alert) {
    feed(b, (struct alerts_event){
                .on = ALERTS_ON_INTAKE, .request = ++b->requests, .list = alert, .count = 1});
    return must_find(b, ALERTS_DO_PERSIST)->ticket;
}

static void stored(struct bench *b, uint64_t ticket, int64_t id, int r) {
    feed(b, (struct alerts_event){.on = ALERTS_ON_STORED, .ticket = ticket, .id = id, .r = r});
}

/* Accepts one; the commands of the commit stay in b. Returns its id. */
static int64_t accept(struct bench *b, enum alert_priority priority, const char *text) {
    struct alert alert = alert_of(priority, text);
    stored(b, intake(b, &alert), 0, 0);
    return must_find(b, ALERTS_DO_ACCEPT)->ids[0];
}

/* From "ask for a turn" to the wire. */
static void fly(struct bench *b, int64_t id) {
    assert_int_equal(must_find(b, ALERTS_DO_QUEUE)->id, id);
    feed(b, (struct alerts_event){.on = ALERTS_ON_TURN, .id = id});
    struct alerts_command *save = must_find(b, ALERTS_DO_PERSIST);
    assert_int_equal(save->records.list[0].alert.state, ALERT_SENDING);
    assert_null(find(b, ALERTS_DO_SEND)); /* first on disk, then on the wire */
    stored(b, save->ticket, id, 0);
    assert_int_equal(must_find(b, ALERTS_DO_SEND)->id, id);
}

static void came_back(struct bench *b, int64_t id, enum gateway_outcome outcome,
                      enum telegram_class class, const char *description) {
    feed(b, (struct alerts_event){.on = ALERTS_ON_SENT,
                                  .id = id,
                                  .outcome = outcome,
                                  .class = class,
                                  .description = description});
}

static const struct alert *saved(struct bench *b) {
    return &must_find(b, ALERTS_DO_PERSIST)->records.list[0].alert;
}

/* Like the shell: late by a moment, and it looks again whether anything is due. */
static void later(struct bench *b) {
    int64_t next = alerts_next_ms(b->alerts, b->now);
    b->now = next > b->now ? next : b->now;
    assert_true(alerts_next_ms(b->alerts, b->now + 3) <= b->now + 3);
    feed(b, (struct alerts_event){.on = ALERTS_ON_TIMER});
}

static void test_accepted_means_on_disk(void **state) {
    struct bench b;
    begin(&b);
    struct alert alert = alert_of(ALERT_LOW, "a");
    uint64_t ticket = intake(&b, &alert);
    assert_null(find(&b, ALERTS_DO_ACCEPT));
    assert_null(find(&b, ALERTS_DO_QUEUE));
    stored(&b, ticket, 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 1);
    fly(&b, 1);
    came_back(&b, 1, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    assert_int_equal(saved(&b)->state, ALERT_DELIVERED);
    stored(&b, find(&b, ALERTS_DO_PERSIST)->ticket, 1, 0);
    assert_null(alerts_live(b.alerts, 1));
    end(&b);
}

static void test_full_disk_refuses(void **state) {
    struct bench b;
    begin(&b);
    struct alert alert = {
        .priority = ALERT_CRITICAL, .text = (char *)"a", .dedup_key = (char *)"k"};
    uint64_t first = intake(&b, &alert), second = intake(&b, &alert); /* a repeat of the first */
    stored(&b, first, 0, -ENOSPC);
    assert_int_equal(must_find(&b, ALERTS_DO_REFUSE)->code, 507);
    stored(&b, second, 0, 0);
    must_find(&b, ALERTS_DO_REFUSE); /* its own commit was fine, but what it named is not there */
    stored(&b, intake(&b, &alert), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 2); /* the key was free again */
    end(&b);
}

static void test_waiting_is_limited_but_not_for_the_urgent(void **state) {
    struct bench b;
    begin(&b);
    for (int i = 0; i < 1000; i++)
        accept(&b, ALERT_LOW, "a");
    struct alert low = alert_of(ALERT_LOW, "a");
    feed(&b, (struct alerts_event){.on = ALERTS_ON_INTAKE, .request = 9, .list = &low, .count = 1});
    assert_int_equal(must_find(&b, ALERTS_DO_REFUSE)->code, 503);
    assert_true(find(&b, ALERTS_DO_REFUSE)->retry_after_s > 0);
    for (int i = 0; i < 3000; i++)
        accept(&b, ALERT_HIGH, "a");
    accept(&b, ALERT_MEDIUM, "a");
    end(&b);
}

static void test_duplicates(void **state) {
    struct bench b;
    begin(&b);
    struct alert tp1 = {
        .priority = ALERT_HIGH, .text = (char *)"TP1 hit", .type = (char *)"tp_hit"};
    struct alert tp2 = {
        .priority = ALERT_HIGH, .text = (char *)"TP2 hit", .type = (char *)"tp_hit"};
    stored(&b, intake(&b, &tp1), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 1);
    stored(&b, intake(&b, &tp2), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 2);
    b.now += 299999;
    stored(&b, intake(&b, &tp2), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 2);
    b.now += 1;
    stored(&b, intake(&b, &tp2), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 3);
    accept(&b, ALERT_HIGH, "no type, no key");
    assert_int_equal(accept(&b, ALERT_HIGH, "no type, no key"), 5);
    end(&b);
}

static void test_outage_then_the_critical_one_first(void **state) {
    struct bench b;
    begin(&b);
    int64_t low = accept(&b, ALERT_LOW, "low");
    fly(&b, low);
    came_back(&b, low, GATEWAY_NOT_SENT, TELEGRAM_OK, "refused");
    assert_int_equal(saved(&b)->attempts, 0); /* an outage uses none up */
    for (int i = 2; i <= 5; i++) {
        while (!find(&b, ALERTS_DO_QUEUE))
            later(&b);
        fly(&b, low);
        came_back(&b, low, GATEWAY_NOT_SENT, TELEGRAM_OK, "refused");
    }
    struct alerts_figures figures;
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.ways[0].breaker.state, BREAKER_OPEN);
    int64_t opened = b.now;
    int64_t critical = accept(&b, ALERT_CRITICAL, "critical");
    assert_null(find(&b, ALERTS_DO_QUEUE));
    while (!find(&b, ALERTS_DO_QUEUE))
        later(&b);
    assert_int_equal(b.now - opened, 60000);
    fly(&b, critical);
    assert_null(find(&b, ALERTS_DO_QUEUE)); /* exactly one probe */
    came_back(&b, critical, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    assert_int_equal(must_find(&b, ALERTS_DO_QUEUE)->id, low);
    end(&b);
}

static void test_evidence_of_the_link_brings_the_probe_early(void **state) {
    struct bench b;
    begin(&b);
    int64_t id = accept(&b, ALERT_HIGH, "a");
    for (int i = 0; i < 5; i++) {
        while (!find(&b, ALERTS_DO_QUEUE))
            later(&b);
        fly(&b, id);
        came_back(&b, id, GATEWAY_NOT_SENT, TELEGRAM_OK, "refused");
    }
    feed(&b, (struct alerts_event){.on = ALERTS_ON_LINK_UP});
    fly(&b, id);
    end(&b);
}

static void test_unknown_is_repeated_only_for_the_urgent(void **state) {
    struct bench b;
    begin(&b);
    int64_t high = accept(&b, ALERT_HIGH, "a");
    fly(&b, high);
    came_back(&b, high, GATEWAY_UNKNOWN, TELEGRAM_OK, "reset");
    assert_int_equal(saved(&b)->state, ALERT_WAITING);
    assert_true(saved(&b)->maybe_sent);
    assert_int_equal(saved(&b)->attempts, 1);
    while (!find(&b, ALERTS_DO_QUEUE))
        later(&b);
    fly(&b, high);
    assert_true(must_find(&b, ALERTS_DO_SEND)->alert->maybe_sent);
    came_back(&b, high, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    int64_t medium = accept(&b, ALERT_MEDIUM, "a");
    while (!find(&b, ALERTS_DO_QUEUE))
        later(&b);
    fly(&b, medium);
    came_back(&b, medium, GATEWAY_UNKNOWN, TELEGRAM_OK, "reset");
    assert_int_equal(saved(&b)->state, ALERT_UNKNOWN);
    end(&b);
}

struct ending {
    enum telegram_class class;
    enum alert_state state;
    bool plain;
    int64_t chat_after;
};
static const struct ending endings[] = {
    {TELEGRAM_BENIGN, ALERT_DELIVERED, false, 42},
    {TELEGRAM_CHAT_GONE, ALERT_FAILED, false, 42},
    {TELEGRAM_BAD_TOKEN, ALERT_FAILED, false, 42},
    {TELEGRAM_BAD_REQUEST, ALERT_FAILED, false, 42},
    {TELEGRAM_BAD_MARKUP, ALERT_WAITING, true, 42},
    {TELEGRAM_MIGRATED, ALERT_WAITING, false, -1007},
    {TELEGRAM_TRANSIENT, ALERT_WAITING, false, 42},
    {TELEGRAM_RATE_LIMITED, ALERT_WAITING, false, 42},
};

static void test_endings(void **state) {
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        struct bench b;
        struct alerts_figures figures;
        begin(&b);
        int64_t id = accept(&b, ALERT_HIGH, "a");
        fly(&b, id);
        feed(&b, (struct alerts_event){.on = ALERTS_ON_SENT,
                                       .id = id,
                                       .class = endings[i].class,
                                       .description = "said",
                                       .migrate_to = -1007});
        const struct alert *alert = NULL;
        for (size_t c = 0; c < b.commands.count; c++)
            if (b.commands.list[c].what == ALERTS_DO_PERSIST &&
                b.commands.list[c].records.list[0].kind == RECORD_ALERT_CHANGE)
                alert = &b.commands.list[c].records.list[0].alert;
        assert_non_null(alert);
        assert_int_equal(alert->state, endings[i].state);
        assert_int_equal(alert->plain, endings[i].plain);
        assert_true(alerts_chat(b.alerts) == endings[i].chat_after);
        alerts_figures(b.alerts, b.now, &figures);
        assert_int_equal(figures.ways[0].breaker.failures_in_row,
                         endings[i].class == TELEGRAM_TRANSIENT);
        if (endings[i].state == ALERT_FAILED)
            assert_string_equal(alert->reason, "said");
        end(&b);
    }
}

static void test_markup_is_given_up_once(void **state) {
    struct bench b;
    begin(&b);
    int64_t id = accept(&b, ALERT_HIGH, "a");
    fly(&b, id);
    came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_BAD_MARKUP, "can't parse");
    fly(&b, id);
    assert_true(must_find(&b, ALERTS_DO_SEND)->alert->plain);
    came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_BAD_MARKUP, "can't parse");
    assert_int_equal(saved(&b)->state, ALERT_FAILED);
    end(&b);
}

static void test_three_quick_tries_then_each_cycle_until_its_time_is_over(void **state) {
    struct bench b;
    begin(&b);
    int64_t id = accept(&b, ALERT_LOW, "a"), begun = b.now;
    int tries = 0;
    for (; b.now < begun + 2 * 3600000; tries++) {
        while (!find(&b, ALERTS_DO_QUEUE) && alerts_live(b.alerts, id)->state == ALERT_WAITING)
            later(&b);
        if (!find(&b, ALERTS_DO_QUEUE))
            break;
        fly(&b, id);
        came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_TRANSIENT, "502");
    }
    assert_int_equal(alerts_live(b.alerts, id)->state, ALERT_FAILED);
    assert_non_null(strstr(alerts_live(b.alerts, id)->reason, "within 1 h"));
    assert_in_range(b.now - begun, 3600000, 3600000 + 61000);
    assert_in_range(tries, 40, 64);
    end(&b);
}

/* The urgent one failed last and rests: the next try of the way is its all the same. */
static void test_first_try_of_the_way_is_for_the_most_important(void **state) {
    struct bench b;
    begin(&b);
    int64_t urgent = accept(&b, ALERT_CRITICAL, "a");
    fly(&b, urgent);
    came_back(&b, urgent, GATEWAY_ANSWERED, TELEGRAM_TRANSIENT, "502");
    (void)accept(&b, ALERT_LOW, "b");
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < 50 && !find(&b, ALERTS_DO_QUEUE); n++)
            later(&b);
        fly(&b, urgent);
        came_back(&b, urgent, GATEWAY_ANSWERED, TELEGRAM_TRANSIENT, "502");
    }
    end(&b);
}

/* One tries the way for all; the others wait for its answer and not for a moment that has come
 * already, over which the hub would turn in a circle. */
static void test_nothing_is_due_while_one_tries_the_way(void **state) {
    struct bench b;
    begin(&b);
    int64_t first = accept(&b, ALERT_HIGH, "first");
    fly(&b, first);
    came_back(&b, first, GATEWAY_NOT_SENT, TELEGRAM_OK, "no route");
    accept(&b, ALERT_LOW, "second");
    for (int i = 0; i < 20 && !find(&b, ALERTS_DO_QUEUE); i++)
        later(&b);
    fly(&b, first);
    assert_true(alerts_next_ms(b.alerts, b.now) > b.now);
    end(&b);
}

static void test_escalation_is_no_repeat(void **state) {
    struct bench b;
    begin(&b);
    struct alert alert = alert_of(ALERT_LOW, "a");
    alert.dedup_key = (char *)"disk";
    stored(&b, intake(&b, &alert), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 1);
    alert.priority = ALERT_CRITICAL;
    stored(&b, intake(&b, &alert), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 2);
    end(&b);
}

static void test_parts_and_replay(void **state) {
    struct bench b;
    begin(&b);
    int64_t id = accept(&b, ALERT_HIGH, "a");
    fly(&b, id);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_SENT, .id = id, .more = true});
    assert_int_equal(saved(&b)->part, 1);
    fly(&b, id);
    came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_CHAT_GONE, "blocked");
    struct alert ended = alert_copy(alerts_live(b.alerts, id));
    feed(&b,
         (struct alerts_event){.on = ALERTS_ON_REPLAY, .request = 8, .list = &ended, .count = 1});
    assert_int_equal(must_find(&b, ALERTS_DO_REFUSE)->code, 409); /* its end is not on disk yet */
    alert_deinit(&ended);
    end(&b);
    begin(&b);
    ended = (struct alert){.id = 1, .state = ALERT_FAILED, .text = (char *)"a", .part = 1};
    feed(&b,
         (struct alerts_event){.on = ALERTS_ON_REPLAY, .request = 8, .list = &ended, .count = 1});
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 1, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 1);
    fly(&b, 1);
    assert_int_equal(must_find(&b, ALERTS_DO_SEND)->alert->part, 0);
    end(&b);
}

static void test_restart_knows_what_may_have_arrived(void **state) {
    struct bench b;
    begin(&b);
    struct record record = {.kind = RECORD_ALERT};
    record.alert = (struct alert){.id = 5,
                                  .state = ALERT_SENDING,
                                  .priority = ALERT_HIGH,
                                  .created_ms = b.now,
                                  .next_ms = b.now,
                                  .text = (char *)"a"};
    alerts_restore(b.alerts, &record, b.now);
    record.alert.id = 6;
    record.alert.priority = ALERT_MEDIUM;
    alerts_restore(b.alerts, &record, b.now);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_START});
    assert_true(alerts_live(b.alerts, 5)->maybe_sent);
    assert_int_equal(alerts_live(b.alerts, 6)->state, ALERT_UNKNOWN);
    assert_int_equal(must_find(&b, ALERTS_DO_QUEUE)->id, 5);
    struct alert next = alert_of(ALERT_LOW, "b");
    stored(&b, intake(&b, &next), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 7); /* ids go on */
    end(&b);
}

/* ---- any crash: what was accepted comes to an end that is told ---- */

enum { WORLD_ALERTS = 40 };
struct world {
    struct bench b;
    uint64_t random;
    struct alert disk[WORLD_ALERTS + 2]; /* by id; text NULL: none */
    struct alerts_command pending[64];
    size_t pending_count;
    int64_t asked[8], flying[8]; /* by importance */
    uint64_t accepted_max, requests;
    int accepted[WORLD_ALERTS + 2], arrived[WORLD_ALERTS + 2];
};

static uint64_t dice(struct world *w, uint64_t sides) {
    return random_next(&w->random) % sides;
}

static void write_row(struct world *w, struct record *record) {
    if (record->kind != RECORD_ALERT && record->kind != RECORD_ALERT_CHANGE)
        return;
    struct alert *row = &w->disk[record->alert.id];
    struct alert old = *row;
    *row = alert_copy(&record->alert);
    if (record->kind == RECORD_ALERT_CHANGE)
        row->text = text_copy(old.text);
    alert_deinit(&old);
}

static void carry_out(struct world *w);

static void world_feed(struct world *w, struct alerts_event event) {
    feed(&w->b, event);
    carry_out(w);
}

static void carry_out(struct world *w) {
    struct alerts_commands commands = w->b.commands;
    w->b.commands = (struct alerts_commands){0};
    for (size_t i = 0; i < commands.count; i++) {
        struct alerts_command *c = &commands.list[i];
        enum alert_priority p = c->what == ALERTS_DO_SEND ? c->alert->priority : c->priority;
        if (c->what == ALERTS_DO_PERSIST) {
            assert_true(w->pending_count < COUNT_OF(w->pending));
            w->pending[w->pending_count++] = *c;
            c->records = (struct records){0};
        } else if (c->what == ALERTS_DO_ACCEPT) {
            w->accepted[c->ids[0]]++;
        } else if (c->what == ALERTS_DO_QUEUE) {
            assert_int_equal(w->asked[p], 0);
            w->asked[p] = c->id;
        } else if (c->what == ALERTS_DO_SEND) {
            w->flying[p] = c->id;
        }
    }
    alerts_commands_deinit(&commands);
}

static void commit_one(struct world *w, bool fails) {
    struct alerts_command c = w->pending[0];
    memmove(w->pending, w->pending + 1, --w->pending_count * sizeof w->pending[0]);
    for (size_t i = 0; i < c.records.count && !fails; i++)
        write_row(w, &c.records.list[i]);
    records_deinit(&c.records);
    world_feed(w,
               (struct alerts_event){
                   .on = ALERTS_ON_STORED, .ticket = c.ticket, .id = c.id, .r = fails ? -EIO : 0});
}

static void start_hub(struct world *w) {
    w->b.alerts = alerts_new(&w->b.options);
    for (int64_t id = 1; id <= WORLD_ALERTS; id++)
        if (w->disk[id].text) {
            struct record record = {.kind = RECORD_ALERT, .alert = w->disk[id]};
            alerts_restore(w->b.alerts, &record, w->b.now);
        }
    world_feed(w, (struct alerts_event){.on = ALERTS_ON_START});
}

static void crash(struct world *w) {
    for (size_t i = 0; i < w->pending_count; i++)
        records_deinit(&w->pending[i].records);
    w->pending_count = 0;
    memset(w->asked, 0, sizeof w->asked);
    memset(w->flying, 0, sizeof w->flying);
    alerts_free(w->b.alerts);
    start_hub(w);
}

static void give_turn(struct world *w, size_t p) {
    int64_t id = w->asked[p];
    w->asked[p] = 0;
    world_feed(w, (struct alerts_event){.on = ALERTS_ON_TURN, .id = id});
}

static void answer(struct world *w, size_t p, bool faults) {
    struct alerts_event event = {.on = ALERTS_ON_SENT, .id = w->flying[p]};
    uint64_t what = faults ? dice(w, 6) : 0;
    w->flying[p] = 0;
    w->arrived[event.id] += what <= 1 || (what == 2 && dice(w, 2));
    event.outcome = what <= 1 || what >= 4 ? GATEWAY_ANSWERED
                    : what == 2            ? GATEWAY_UNKNOWN
                                           : GATEWAY_NOT_SENT;
    event.class = what == 4 ? TELEGRAM_RATE_LIMITED : what == 5 ? TELEGRAM_TRANSIENT : TELEGRAM_OK;
    world_feed(w, event);
}

static void happen(struct world *w, bool faults) {
    uint64_t what = dice(w, faults ? 10 : 8);
    size_t p = dice(w, ALERT_PRIORITIES);
    struct alert alert = alert_of((enum alert_priority)p, "text");
    w->b.now += (int64_t)dice(w, 1500);
    if (what == 0 && faults && w->requests < WORLD_ALERTS)
        world_feed(
            w, (struct alerts_event){
                   .on = ALERTS_ON_INTAKE, .request = ++w->requests, .list = &alert, .count = 1});
    else if (what <= 3 && w->pending_count > 0)
        commit_one(w, faults && dice(w, 10) == 0);
    else if (what <= 5 && w->asked[p])
        give_turn(w, p);
    else if (what <= 7 && w->flying[p])
        answer(w, p, faults);
    else if (what == 9 && dice(w, 5) == 0)
        crash(w);
    else
        world_feed(w, (struct alerts_event){.on = ALERTS_ON_TIMER});
}

static void check_end(struct world *w, int64_t id, uint64_t seed) {
    const struct alert *row = &w->disk[id];
    if (!w->accepted[id])
        return;
    if (!row->text || row->state < ALERT_DELIVERED)
        fail_msg("seed %d: alert %d has no end", (int)seed, (int)id);
    if (row->state == ALERT_DELIVERED && w->arrived[id] == 0)
        fail_msg("seed %d: alert %d is called delivered and never arrived", (int)seed, (int)id);
    if (row->priority <= ALERT_HIGH && w->arrived[id] == 0)
        fail_msg("seed %d: alert %d was lost", (int)seed, (int)id);
}

static void run_world(uint64_t seed) {
    struct world *w = memory_new(sizeof *w);
    w->random = seed;
    w->b.now = INT64_C(1795000000000);
    w->b.options = alerts_options_default();
    w->b.options.chat = 42;
    start_hub(w);
    for (int i = 0; i < 1500; i++)
        happen(w, true);
    for (int i = 0; i < 4000; i++)
        happen(w, false);
    for (int64_t id = 1; id <= WORLD_ALERTS; id++)
        check_end(w, id, seed);
    for (size_t i = 0; i < COUNT_OF(w->disk); i++)
        alert_deinit(&w->disk[i]);
    for (size_t i = 0; i < w->pending_count; i++)
        records_deinit(&w->pending[i].records);
    end(&w->b);
    free(w);
}

static void test_crashes_lose_nothing(void **state) {
    for (uint64_t seed = 1; seed <= 100; seed++)
        run_world(seed);
}

/* ---- the window: what does not fit waits on disk and is asked for ---- */

static void begin_with_window(struct bench *b, size_t window) {
    begin(b);
    alerts_free(b->alerts);
    b->options.window = window;
    b->alerts = alerts_new(&b->options);
    feed(b, (struct alerts_event){.on = ALERTS_ON_START});
    feed(b, (struct alerts_event){.on = ALERTS_ON_TIMER});
}

static size_t waiting(struct bench *b, enum alert_priority priority) {
    struct alerts_figures figures;
    alerts_figures(b->alerts, b->now, &figures);
    return figures.ways[0].waiting[priority];
}

static struct alert waiting_row(int64_t id, int64_t created_ms) {
    return (struct alert){.id = id,
                          .priority = ALERT_HIGH,
                          .created_ms = created_ms,
                          .next_ms = created_ms,
                          .text = (char *)"row"};
}

static void loaded(struct bench *b, int r, const struct alert *rows, size_t count) {
    feed(b,
         (struct alerts_event){
             .on = ALERTS_ON_LOADED, .r = r, .priority = ALERT_HIGH, .list = rows, .count = count});
}

static void test_what_does_not_fit_waits_on_disk(void **state) {
    struct bench b;
    begin_with_window(&b, 4);
    int64_t first = b.now;
    for (int64_t id = 1; id <= 10; id++)
        assert_int_equal(accept(&b, ALERT_HIGH, "storm"), id);
    assert_int_equal(waiting(&b, ALERT_HIGH), 10);
    assert_non_null(alerts_live(b.alerts, 4));
    assert_null(alerts_live(b.alerts, 5)); /* the store has it */
    feed(&b, (struct alerts_event){.on = ALERTS_ON_LINK_UP});
    assert_null(find(&b, ALERTS_DO_LOAD)); /* there is enough to do */
    feed(&b, (struct alerts_event){.on = ALERTS_ON_TURN, .id = 1});
    for (int64_t id = 1; id <= 2; id++) {
        if (id > 1)
            feed(&b, (struct alerts_event){.on = ALERTS_ON_TURN, .id = id});
        uint64_t ticket = must_find(&b, ALERTS_DO_PERSIST)->ticket;
        stored(&b, ticket, id, 0);
        came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    }
    struct alerts_command *load = must_find(&b, ALERTS_DO_LOAD);
    assert_int_equal(load->priority, ALERT_HIGH);
    assert_int_equal(load->after.id, 4);
    assert_int_equal(load->limit, 2);
    loaded(&b, -EIO, NULL, 0); /* it cannot be read now: asked again a little later */
    assert_null(find(&b, ALERTS_DO_LOAD));
    b.now += 1000;
    feed(&b, (struct alerts_event){.on = ALERTS_ON_TIMER});
    assert_int_equal(must_find(&b, ALERTS_DO_LOAD)->after.id, 4);
    assert_int_equal(accept(&b, ALERT_HIGH, "late"), 11); /* not before those on disk */
    assert_null(alerts_live(b.alerts, 11));
    struct alert rows[] = {waiting_row(5, first), waiting_row(6, first)};
    loaded(&b, 0, rows, 2);
    assert_non_null(alerts_live(b.alerts, 6));
    assert_int_equal(waiting(&b, ALERT_HIGH), 9);
    end(&b);
}

/* It is not kept: who sends it again is not told that it is a repeat. */
static void test_one_that_the_disk_refused_is_no_first(void **state) {
    struct bench b;
    begin_with_window(&b, 2);
    for (int i = 0; i < 2; i++)
        accept(&b, ALERT_HIGH, "storm");
    struct alert alert = alert_of(ALERT_HIGH, "again");
    alert.dedup_key = (char *)"key";
    stored(&b, intake(&b, &alert), 0, -ENOSPC);
    assert_int_equal(must_find(&b, ALERTS_DO_REFUSE)->code, 507);
    uint64_t ticket = intake(&b, &alert);
    stored(&b, ticket, 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 4);
    assert_int_equal(waiting(&b, ALERT_HIGH), 3);
    assert_null(alerts_live(b.alerts, 4));
    end(&b);
}

static void test_a_start_asks_for_what_waits(void **state) {
    struct bench b;
    begin(&b);
    struct record seen = {.kind = RECORD_SEEN, .id = 900};
    struct record waits = {.kind = RECORD_ALERTS_WAITING,
                           .id = 3,
                           .at_ms = b.now + 5000, /* the clock was set back */
                           .alert.priority = ALERT_HIGH};
    struct record sending = {.kind = RECORD_ALERT, .alert = waiting_row(7, b.now)};
    sending.alert.state = ALERT_SENDING;
    alerts_restore(b.alerts, &seen, b.now);
    alerts_restore(b.alerts, &waits, b.now);
    alerts_restore(b.alerts, &sending, b.now);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_START});
    assert_int_equal(waiting(&b, ALERT_HIGH), 4);
    assert_int_equal(must_find(&b, ALERTS_DO_LOAD)->after.id, 0);
    /* What was being sent waits again, so it is found too; one is over, one rests. */
    struct alert rows[] = {waiting_row(5, b.now - b.options.lifetime_ms[ALERT_HIGH]),
                           waiting_row(7, b.now), waiting_row(9, b.now), waiting_row(8, b.now + 1)};
    rows[3].next_ms = b.now + 3600000;
    loaded(&b, 0, rows, 4);
    assert_int_equal(saved(&b)->state, ALERT_FAILED);
    assert_int_equal(waiting(&b, ALERT_HIGH), 3);
    assert_int_equal(accept(&b, ALERT_HIGH, "new"), 901);
    assert_true(alerts_live(b.alerts, 901)->created_ms >= waits.at_ms); /* behind them all */
    end(&b);
}

static void test_a_replayed_one_goes_behind(void **state) {
    struct bench b;
    begin_with_window(&b, 2);
    alerts_restore(b.alerts, &(struct record){.kind = RECORD_SEEN, .id = 100}, b.now);
    for (int64_t id = 101; id <= 103; id++)
        assert_int_equal(accept(&b, ALERT_HIGH, "storm"), id);
    struct alert failed = waiting_row(50, 5);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_REPLAY, .list = &failed, .count = 1});
    assert_null(find(&b, ALERTS_DO_PERSIST)); /* the store says that it waits */
    failed.state = ALERT_FAILED;
    feed(&b,
         (struct alerts_event){.on = ALERTS_ON_REPLAY, .request = 77, .list = &failed, .count = 1});
    struct alerts_command *save = must_find(&b, ALERTS_DO_PERSIST);
    assert_true(save->records.list[0].alert.created_ms > alerts_live(b.alerts, 102)->created_ms);
    stored(&b, save->ticket, 0, 0);
    assert_int_equal(waiting(&b, ALERT_HIGH), 4);
    end(&b);
}

/* ---- grouping ---- */

/* A shell in which all goes well at once: disk, gateway, Telegram. Counts messages and what they
 * tell of. */
struct quick_shell {
    size_t messages, told;
    enum gateway_outcome outcome;
    enum telegram_class class;
    enum telegram_class class_after; /* with has_after: of the messages behind the first */
    bool has_after, more;
};

static void answer_all(struct bench *b, struct quick_shell *shell) {
    struct alerts_commands now = b->commands;
    b->commands = (struct alerts_commands){0};
    for (size_t i = 0; i < now.count; i++) {
        struct alerts_event event = {.id = now.list[i].id, .ticket = now.list[i].ticket};
        event.on = now.list[i].what == ALERTS_DO_PERSIST ? ALERTS_ON_STORED
                   : now.list[i].what == ALERTS_DO_QUEUE ? ALERTS_ON_TURN
                                                         : ALERTS_ON_SENT;
        if (now.list[i].what == ALERTS_DO_SEND) {
            shell->messages++;
            shell->told += 1 + now.list[i].other_count;
            event.outcome = shell->outcome;
            event.class = shell->class;
            event.more = shell->more;
            shell->class = shell->has_after ? shell->class_after : shell->class;
        } else if (now.list[i].what != ALERTS_DO_PERSIST && now.list[i].what != ALERTS_DO_QUEUE) {
            continue;
        }
        feed(b, event);
        answer_all(b, shell);
    }
    alerts_commands_deinit(&now);
}

static void come(struct bench *b, struct quick_shell *shell, struct alert alert) {
    feed(b, (struct alerts_event){
                .on = ALERTS_ON_INTAKE, .request = ++b->requests, .list = &alert, .count = 1});
    answer_all(b, shell);
}

static void wait_ms(struct bench *b, struct quick_shell *shell, int64_t ms) {
    for (int64_t end = b->now + ms; b->now < end;) {
        int64_t next = alerts_next_ms(b->alerts, b->now);
        b->now = next > end || next <= b->now ? end : next;
        feed(b, (struct alerts_event){.on = ALERTS_ON_TIMER});
        answer_all(b, shell);
    }
}

static void storm(struct bench *b, struct quick_shell *shell, const char *group, int count,
                  int64_t every_ms) {
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *text = text_format("%s failed %d", group, i);
        struct alert alert = alert_of(ALERT_HIGH, text);
        alert.type = (char *)group;
        come(b, shell, alert);
        wait_ms(b, shell, every_ms);
    }
}

static void test_a_storm_becomes_few_messages(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    begin(&b);
    storm(&b, &shell, "probe", 500, 120);
    wait_ms(&b, &shell, 60000);
    assert_int_equal(shell.told, 500);
    assert_true(shell.messages <= 3);
    wait_ms(&b, &shell, 600000); /* over: the next one goes at once again */
    storm(&b, &shell, "probe", 1, 0);
    assert_int_equal(shell.told, 501);
    struct alerts_figures figures;
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.delivered, 501);
    assert_int_equal(figures.deliveries[ALERT_HIGH].count, 501);
    assert_true(figures.deliveries[ALERT_HIGH].ms > 500); /* most waited for their message */
    assert_int_equal(figures.deliveries[ALERT_LOW].count, 0);
    end(&b);
}

static void test_other_kinds_are_not_held(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    begin(&b);
    storm(&b, &shell, "probe", 1, 0);
    storm(&b, &shell, "disk", 1, 0);
    assert_int_equal(shell.messages, 2);
    for (int i = 0; i < 3; i++) { /* who says so is told alone, and who has no kind */
        AUTO_FREE char *text = text_format("stop %d was hit", i);
        struct alert alert = alert_of(ALERT_HIGH, text);
        come(&b, &shell, alert);
        alert.type = (char *)"sl_hit";
        alert.group = (char *)"";
        come(&b, &shell, alert);
    }
    assert_int_equal(shell.messages, 8);
    struct alert urgent = alert_of(ALERT_CRITICAL, "probe failed"); /* not the same importance */
    urgent.type = (char *)"probe";
    come(&b, &shell, urgent);
    assert_int_equal(shell.messages, 9);
    assert_int_equal(shell.told, 9);
    end(&b);
}

/* Whatever becomes of the message becomes of each that it told of. */
static void test_those_who_ride_share_the_fate(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    struct alerts_figures figures;
    begin(&b);
    storm(&b, &shell, "probe", 4, 0);
    assert_int_equal(shell.told, 1);
    shell.outcome = GATEWAY_NOT_SENT;
    wait_ms(&b, &shell, 31000);
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.ways[0].waiting[ALERT_HIGH], 3);
    assert_int_equal(alerts_live(b.alerts, 3)->state, ALERT_WAITING);
    assert_int_equal(alerts_live(b.alerts, 3)->attempts, 0);
    shell.outcome = GATEWAY_UNKNOWN;
    wait_ms(&b, &shell, 120000);
    assert_true(alerts_live(b.alerts, 2)->maybe_sent && alerts_live(b.alerts, 4)->maybe_sent);
    shell.outcome = GATEWAY_ANSWERED;
    shell.class = TELEGRAM_CHAT_GONE;
    wait_ms(&b, &shell, 600000);
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.failed, 3);
    assert_int_equal(figures.ways[0].waiting[ALERT_HIGH], 0);
    end(&b);
}

/* A long one in front: its further parts are its own. */
static void test_a_long_one_that_leads_sends_nobody_again(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    struct alerts_figures figures;
    begin(&b);
    storm(&b, &shell, "probe", 4, 0);
    shell.more = true; /* as the shell says of a first one that is too long for a message */
    wait_ms(&b, &shell, 31000);
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.delivered, 4);
    assert_int_equal(shell.messages, 2);
    end(&b);
}

static void test_a_retry_is_not_held_back(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_NOT_SENT, .class = TELEGRAM_TRANSIENT};
    begin(&b);
    struct alert alert = alert_of(ALERT_CRITICAL, "stop was hit");
    alert.type = (char *)"sl_hit";
    come(&b, &shell, alert);
    assert_int_equal(shell.messages, 1);
    shell.outcome = GATEWAY_ANSWERED;
    shell.class = TELEGRAM_OK;
    feed(&b, (struct alerts_event){.on = ALERTS_ON_LINK_UP});
    answer_all(&b, &shell);
    assert_int_equal(shell.messages, 2);
    assert_null(alerts_live(b.alerts, 1));
    end(&b);
}

static void test_one_bad_line_fails_only_itself(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    struct alerts_figures figures;
    begin(&b);
    storm(&b, &shell, "probe", 4, 0);
    shell.class = TELEGRAM_BAD_REQUEST;
    shell.has_after = true;
    shell.class_after = TELEGRAM_OK;
    wait_ms(&b, &shell, 31000);
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.delivered, 4);
    assert_int_equal(shell.messages, 1 + 1 + 3); /* each alone then */
    end(&b);
}

/* Those held back fill the window; what waits behind them on disk is not held up. */
static void test_a_flood_makes_room(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    begin_with_window(&b, 4);
    storm(&b, &shell, "probe", 5, 0); /* one is told, four are held */
    assert_int_equal(shell.told, 1);
    struct alert alert = alert_of(ALERT_HIGH, "one more");
    alert.type = (char *)"probe";
    come(&b, &shell, alert); /* waits on disk */
    assert_int_equal(shell.messages, 2);
    assert_int_equal(shell.told, 5);
    end(&b);
}

/* ---- silences ---- */

static int64_t silence(struct bench *b, struct silence silence) {
    silence.starts_ms = b->now;
    feed(b, (struct alerts_event){
                .on = ALERTS_ON_SILENCE, .request = ++b->requests, .silence = &silence});
    struct alerts_command *save = must_find(b, ALERTS_DO_PERSIST);
    assert_int_equal(save->records.list[0].kind, RECORD_SILENCE);
    assert_null(find(b, ALERTS_DO_ACCEPT)); /* on disk first */
    stored(b, save->ticket, 0, 0);
    return must_find(b, ALERTS_DO_ACCEPT)->ids[0];
}

static struct alert of_service(enum alert_priority priority, const char *service) {
    struct alert alert = alert_of(priority, "is down");
    alert.service = (char *)service;
    return alert;
}

static void test_a_silence_ends_what_fits(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    struct alerts_figures figures;
    begin(&b);
    int64_t id = silence(&b, (struct silence){.ends_ms = b.now + 60000,
                                              .service = (char *)"db*",
                                              .comment = (char *)"new disk"});
    struct alert alert = of_service(ALERT_HIGH, "db-main");
    alert.dedup_key = (char *)"k";
    stored(&b, intake(&b, &alert), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 1);
    assert_null(find(&b, ALERTS_DO_QUEUE));
    come(&b, &shell, of_service(ALERT_HIGH, "web"));
    come(&b, &shell, of_service(ALERT_CRITICAL, "db-main")); /* is to be named */
    assert_int_equal(shell.told, 2);
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.silenced, 1);
    assert_int_equal(figures.ways[0].waiting[ALERT_HIGH], 0);
    b.now += 60000; /* over: the same again is no repeat of one that nobody was told of */
    come(&b, &shell, alert);
    assert_int_equal(shell.told, 3);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_UNSILENCE, .request = 9, .id = id + 1});
    assert_int_equal(must_find(&b, ALERTS_DO_REFUSE)->code, 404);
    end(&b);
}

static void test_a_silence_takes_who_would_ride_along(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    begin(&b);
    const char *const services[] = {"api", "web", "db"};
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        struct alert alert = of_service(ALERT_HIGH, services[i]);
        alert.group = (char *)"failed";
        come(&b, &shell, alert);
    }
    assert_int_equal(shell.told, 1);
    silence(&b, (struct silence){.ends_ms = b.now + 600000, .service = (char *)"db"});
    answer_all(&b, &shell);
    wait_ms(&b, &shell, 31000);
    assert_int_equal(shell.told, 2);
    assert_null(alerts_live(b.alerts, 3));
    end(&b);
}

static void test_a_silence_takes_what_waits_and_ends_early(void **state) {
    struct bench b;
    struct quick_shell shell = {.outcome = GATEWAY_ANSWERED, .class = TELEGRAM_OK};
    begin(&b);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_OPEN});
    come(&b, &shell, of_service(ALERT_HIGH, "db"));
    come(&b, &shell, of_service(ALERT_HIGH, "web"));
    int64_t id = silence(&b, (struct silence){.ends_ms = b.now + 600000, .service = (char *)"db"});
    struct alerts_command *save = must_find(&b, ALERTS_DO_PERSIST);
    assert_int_equal(save->records.list[0].alert.state, ALERT_SILENCED);
    assert_string_equal(save->records.list[0].alert.reason, "silence 1");
    answer_all(&b, &shell);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_CLOSED});
    answer_all(&b, &shell);
    assert_int_equal(shell.told, 1);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_UNSILENCE, .request = 9, .id = id});
    answer_all(&b, &shell);
    come(&b, &shell, of_service(ALERT_HIGH, "db"));
    assert_int_equal(shell.told, 2);
    size_t count;
    assert_int_equal(alerts_silences(b.alerts, &count)->ends_ms, b.now);
    assert_int_equal(count, 1);
    b.now += 2 * 86400000;
    feed(&b, (struct alerts_event){.on = ALERTS_ON_TIMER});
    silence(&b, (struct silence){.ends_ms = b.now + 1000, .service = (char *)"db"});
    b.now += 86400000;
    feed(&b, (struct alerts_event){.on = ALERTS_ON_TIMER});
    assert_int_equal(alerts_silences(b.alerts, &count)->id, 2);
    assert_int_equal(count, 1);
    end(&b);
}

/* ---- acknowledging ---- */

static int64_t deliver(struct bench *b, const struct alert *alert) {
    stored(b, intake(b, alert), 0, 0);
    int64_t id = must_find(b, ALERTS_DO_ACCEPT)->ids[0];
    fly(b, id);
    came_back(b, id, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    return id;
}

static int64_t deliver_critical(struct bench *b, const char *text, const char *service) {
    struct alert alert = {
        .priority = ALERT_CRITICAL, .text = (char *)text, .service = (char *)service};
    int64_t id = deliver(b, &alert);
    assert_int_equal(saved(b)->acked_ms, ALERT_ACK_WANTED);
    stored(b, must_find(b, ALERTS_DO_PERSIST)->ticket, id, 0);
    return id;
}

static void ack(struct bench *b, int64_t id, bool all) {
    feed(b, (struct alerts_event){
                .on = ALERTS_ON_ACK, .request = ++b->requests, .id = id, .all = all, .by = "Ann"});
}

static size_t acked(struct bench *b) {
    stored(b, must_find(b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    return must_find(b, ALERTS_DO_ACCEPT)->id_count;
}

/* To the next message that tells of what nobody has acknowledged. */
static const struct alert *remind(struct bench *b, int64_t until) {
    while (b->now < until) {
        later(b);
        struct alerts_command *save = find(b, ALERTS_DO_PERSIST);
        if (save && save->records.count > 0 && save->records.list[0].kind == RECORD_ALERT &&
            save->records.list[0].alert.reminder)
            return &save->records.list[0].alert;
    }
    return NULL;
}

static void test_told_again_until_acknowledged(void **state) {
    struct bench b;
    begin(&b);
    int64_t first = deliver_critical(&b, "one\nmore", "db"), from = b.now;
    int64_t second = deliver_critical(&b, "two", NULL);
    const struct alert *reminder = remind(&b, from + 3600000);
    assert_non_null(reminder);
    assert_int_equal((b.now - from) / 1000, 300);
    assert_non_null(strstr(reminder->text, "2 CRITICAL alerts are not acknowledged"));
    assert_non_null(strstr(reminder->text, "1 \xc2\xb7 db: one more"));
    int64_t id = reminder->id;
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    fly(&b, id);
    assert_true(must_find(&b, ALERTS_DO_SEND)->ack_all);
    assert_int_equal(must_find(&b, ALERTS_DO_SEND)->ack, second);
    came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    assert_int_equal(saved(&b)->acked_ms, 0); /* nobody need acknowledge a reminder */
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, id, 0);
    ack(&b, first, false);
    assert_int_equal(acked(&b), 1);
    int64_t told = b.now;
    reminder = remind(&b, told + 36000000);
    assert_int_equal((b.now - from) / 1000, 900); /* 10 minutes after the first */
    assert_non_null(strstr(reminder->text, "1 CRITICAL alert is not acknowledged"));
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    ack(&b, 0, false);
    assert_int_equal(acked(&b), 1);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_TURN, .id = id + 1}); /* it waits for its turn */
    assert_string_equal(saved(&b)->reason, "acknowledged meanwhile");
    must_find(&b, ALERTS_DO_CANCEL);
    assert_null(remind(&b, b.now + 86400000));
    end(&b);
}

static void test_acknowledging_one_means_its_kind_before_it(void **state) {
    struct bench b;
    begin(&b);
    b.options.group_ms = 0;
    struct alert probe = {.priority = ALERT_CRITICAL, .text = (char *)"a", .type = (char *)"probe"};
    const char *const texts[] = {"a", "b", "c"};
    int64_t ids[3];
    alerts_free(b.alerts);
    b.alerts = alerts_new(&b.options);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_START});
    feed(&b, (struct alerts_event){.on = ALERTS_ON_TIMER});
    for (size_t i = 0; i < 3; i++) {
        probe.text = (char *)texts[i];
        ids[i] = deliver(&b, &probe);
        stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, ids[i], 0);
    }
    int64_t other = deliver_critical(&b, "d", NULL);
    ack(&b, ids[1], false);
    assert_int_equal(must_find(&b, ALERTS_DO_PERSIST)->records.count, 2);
    assert_string_equal(must_find(&b, ALERTS_DO_PERSIST)->records.list[0].alert.acked_by, "Ann");
    assert_int_equal(acked(&b), 2);
    ack(&b, ids[0], false);
    assert_int_equal(must_find(&b, ALERTS_DO_REFUSE)->code, 409);
    ack(&b, other, true); /* all up to it */
    assert_int_equal(acked(&b), 2);
    end(&b);
}

/* The disk refuses: nobody has acknowledged anything, and is told so. */
static void test_acknowledgement_needs_the_disk(void **state) {
    struct bench b;
    struct alerts_figures figures;
    begin(&b);
    int64_t id = deliver_critical(&b, "one", "db");
    ack(&b, id, false);
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, -ENOSPC);
    assert_int_equal(must_find(&b, ALERTS_DO_REFUSE)->code, 507);
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.unacked, 1);
    end(&b);
}

/* The end of one is not on disk, its acknowledgement is: it is kept when the end is. */
static void test_acknowledged_before_its_end_was_kept(void **state) {
    struct bench b;
    struct alert alert = alert_of(ALERT_CRITICAL, "down");
    begin(&b);
    int64_t id = deliver(&b, &alert);
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, id, -ENOSPC);
    ack(&b, id, false);
    int64_t at = b.now;
    assert_int_equal(acked(&b), 1);
    do
        later(&b);
    while (!find(&b, ALERTS_DO_PERSIST));
    assert_int_equal(saved(&b)->id, id);
    assert_int_equal(saved(&b)->acked_ms, at);
    end(&b);
}

/* Acknowledged once; who sends it again wants to hear of it again. */
static void test_a_replay_is_not_acknowledged(void **state) {
    struct bench b;
    begin(&b);
    struct alert alert = {.id = 1,
                          .priority = ALERT_CRITICAL,
                          .text = (char *)"down",
                          .state = ALERT_DELIVERED,
                          .acked_ms = 5000,
                          .acked_by = (char *)"Ann"};
    feed(&b,
         (struct alerts_event){.on = ALERTS_ON_REPLAY, .request = 1, .list = &alert, .count = 1});
    assert_int_equal(saved(&b)->acked_ms, 0);
    assert_null(saved(&b)->acked_by);
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    fly(&b, 1);
    came_back(&b, 1, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    assert_int_equal(saved(&b)->acked_ms, ALERT_ACK_WANTED);
    end(&b);
}

/* It waited for an hour itself: the next one comes after a pause, not at once. */
static void test_a_late_reminder_is_not_doubled(void **state) {
    struct bench b;
    begin(&b);
    deliver_critical(&b, "one", "db");
    int64_t id = remind(&b, b.now + 3600000)->id;
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    int64_t queued = must_find(&b, ALERTS_DO_QUEUE)->id;
    assert_int_equal(queued, id);
    b.now += 3600000;
    feed(&b, (struct alerts_event){.on = ALERTS_ON_TURN, .id = id});
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, id, 0);
    came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    /* Its end cannot be written: that holds no further one up. */
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, id, -ENOSPC);
    int64_t told = b.now;
    assert_non_null(remind(&b, told + 3600000));
    assert_int_equal((b.now - told) / 1000, 600);
    end(&b);
}

static void test_a_reminder_that_waits_is_known_after_a_restart(void **state) {
    struct bench b;
    begin(&b);
    struct record unacked = {.kind = RECORD_ALERT_UNACKED,
                             .alert = {.id = 7, .priority = ALERT_CRITICAL, .text = (char *)"a"}};
    struct record waiting = {.kind = RECORD_ALERT,
                             .alert = {.id = 8,
                                       .priority = ALERT_CRITICAL,
                                       .text = (char *)"1 CRITICAL alert is not acknowledged",
                                       .created_ms = b.now,
                                       .reminder = true}};
    alerts_restore(b.alerts, &unacked, b.now);
    alerts_restore(b.alerts, &waiting, b.now);
    assert_null(remind(&b, b.now + 86400000));
    end(&b);
}

static void test_a_reminder_that_the_disk_refused_comes_soon(void **state) {
    struct bench b;
    begin(&b);
    deliver_critical(&b, "one", "db");
    assert_non_null(remind(&b, b.now + 3600000));
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, -ENOSPC);
    int64_t refused = b.now;
    assert_non_null(remind(&b, refused + 3600000));
    assert_int_equal((b.now - refused) / 1000, 5);
    end(&b);
}

static void test_unacknowledged_ones_outlive_a_restart(void **state) {
    struct bench b;
    begin(&b);
    struct record record = {.kind = RECORD_ALERT_UNACKED,
                            .alert = {.id = 7, .priority = ALERT_CRITICAL, .text = (char *)"old"}};
    alerts_restore(b.alerts, &record, b.now);
    const struct alert *reminder = remind(&b, b.now + 3600000);
    assert_non_null(strstr(reminder->text, "7 \xc2\xb7 old"));
    end(&b);
}

/* ---- other ways ---- */

static void begin_with(struct bench *b, const struct alerts_options *more) {
    begin(b);
    alerts_free(b->alerts);
    b->options.ways = more->ways;
    b->options.way_count = more->way_count;
    b->options.inhibit = more->inhibit;
    b->options.inhibit_count = more->inhibit_count;
    b->alerts = alerts_new(&b->options);
    feed(b, (struct alerts_event){.on = ALERTS_ON_START});
    feed(b, (struct alerts_event){.on = ALERTS_ON_TIMER});
}

static void begin_with_way(struct bench *b, enum alert_priority from, int64_t after_ms) {
    static struct alerts_way_options way;
    way = (struct alerts_way_options){.name = "mail", .from = from, .after_ms = after_ms};
    begin_with(b, &(struct alerts_options){.ways = &way, .way_count = 1});
}

static struct alerts_command *queued_by(struct bench *b, size_t way) {
    for (size_t i = 0; i < b->commands.count; i++)
        if (b->commands.list[i].what == ALERTS_DO_QUEUE && b->commands.list[i].way == way)
            return &b->commands.list[i];
    return NULL;
}

static void test_each_way_has_a_copy_of_its_own(void **state) {
    struct bench b;
    begin_with_way(&b, ALERT_HIGH, 0);
    struct alert alert = alert_of(ALERT_HIGH, "a");
    uint64_t ticket = intake(&b, &alert);
    const struct records *records = &must_find(&b, ALERTS_DO_PERSIST)->records;
    assert_int_equal(records->count, 2);
    assert_string_equal(records->list[1].alert.way, "mail");
    assert_int_equal(records->list[1].alert.origin, 1);
    stored(&b, ticket, 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->id_count, 1);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 1);
    assert_int_equal(queued_by(&b, 0)->id, 1);
    assert_int_equal(queued_by(&b, 1)->id, 2);
    /* That one fails as often as it likes: the other goes on. */
    for (int i = 0; i < 5; i++) {
        feed(&b, (struct alerts_event){.on = ALERTS_ON_TURN, .id = 2});
        stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 2, 0);
        assert_int_equal(must_find(&b, ALERTS_DO_SEND)->way, 1);
        came_back(&b, 2, GATEWAY_NOT_SENT, TELEGRAM_TRANSIENT, "refused");
        while (!queued_by(&b, 1) && i < 4)
            later(&b);
    }
    struct alerts_figures figures;
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.ways[1].breaker.state, BREAKER_OPEN);
    assert_int_equal(figures.ways[0].breaker.state, BREAKER_CLOSED);
    assert_string_equal(figures.ways[1].problem, "refused");
    struct alert low = alert_of(ALERT_LOW, "not for mail");
    stored(&b, intake(&b, &low), 0, 0);
    assert_int_equal(must_find(&b, ALERTS_DO_ACCEPT)->ids[0], 3);
    assert_null(queued_by(&b, 1));
    end(&b);
}

static void test_a_way_without_room_says_so(void **state) {
    struct bench b;
    begin_with_way(&b, ALERT_LOW, 0);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_OPEN, .way = 1});
    for (int i = 0; i < 1001; i++) {
        AUTO_FREE char *text = text_format("n%d", i);
        struct alert alert = alert_of(ALERT_LOW, text);
        uint64_t ticket = intake(&b, &alert);
        const struct records *records = &must_find(&b, ALERTS_DO_PERSIST)->records;
        int64_t id = records->list[0].alert.id;
        enum alert_state copy = records->list[1].alert.state;
        assert_int_equal(copy, i < 1000 ? ALERT_WAITING : ALERT_FAILED);
        stored(&b, ticket, 0, 0);
        fly(&b, id);
        came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_OK, "");
        stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, id, 0);
    }
    end(&b);
}

static void test_one_that_left_the_config(void **state) {
    struct bench b;
    begin(&b);
    alerts_free(b.alerts);
    b.alerts = alerts_new(&b.options);
    struct record record = {.kind = RECORD_ALERTS_WAITING,
                            .id = 3,
                            .alert = {.priority = ALERT_HIGH, .way = (char *)"mail"}};
    alerts_restore(b.alerts, &record, b.now);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_START});
    struct record *gone = &must_find(&b, ALERTS_DO_PERSIST)->records.list[0];
    assert_int_equal(gone->kind, RECORD_WAY_GONE);
    assert_string_equal(gone->alert.way, "mail");
    struct alert alert = {
        .id = 2, .state = ALERT_FAILED, .text = (char *)"a", .way = (char *)"mail"};
    feed(&b,
         (struct alerts_event){.on = ALERTS_ON_REPLAY, .request = 1, .list = &alert, .count = 1});
    assert_int_equal(must_find(&b, ALERTS_DO_REFUSE)->code, 409);
    end(&b);
}

static const struct alert *escalated(struct bench *b, int64_t until) {
    while (b->now < until) {
        later(b);
        for (size_t i = 0; i < b->commands.count; i++)
            if (b->commands.list[i].records.count > 0 &&
                b->commands.list[i].records.list[0].alert.way)
                return &b->commands.list[i].records.list[0].alert;
    }
    return NULL;
}

static void test_escalation(void **state) {
    struct bench b;
    begin_with_way(&b, ALERT_HIGH, 120000);
    int64_t known = deliver_critical(&b, "known", NULL), from = b.now;
    int64_t unknown = deliver_critical(&b, "unknown", "db");
    ack(&b, known, false);
    assert_int_equal(acked(&b), 1);
    const struct alert *told = escalated(&b, from + 200000);
    assert_non_null(told);
    assert_true(b.now - from >= 120000 && b.now - from < 122000);
    assert_string_equal(told->way, "mail");
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, -ENOSPC); /* not kept: soon again */
    told = escalated(&b, b.now + 2000);
    assert_non_null(told);
    assert_int_equal(told->origin, unknown);
    assert_non_null(strstr(told->text, "acknowledged 1 CRITICAL alert:\n2 \xc2\xb7 db: unknown"));
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    assert_null(escalated(&b, b.now + 60000)); /* once */
    /* What Telegram does not take goes further, too. */
    accept(&b, ALERT_CRITICAL, "held");
    int64_t held = b.now;
    told = escalated(&b, held + 200000);
    assert_true(b.now - held >= 120000 && b.now - held < 122000);
    assert_non_null(strstr(told->text, "not delivered by Telegram: held"));
    end(&b);
}

/* Telegram is no way out here: the alert itself goes by the first that wants it. */
static void test_without_telegram(void **state) {
    struct bench b;
    struct alerts_figures figures;
    struct alerts_way_options ways[] = {{.name = "escalation", .after_ms = 1000},
                                        {.name = "mail", .from = ALERT_HIGH},
                                        {.name = "hook", .from = ALERT_LOW}};
    begin(&b);
    alerts_free(b.alerts);
    b.options.chat = 0;
    b.options.ways = ways;
    b.options.way_count = COUNT_OF(ways);
    b.alerts = alerts_new(&b.options);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_START});
    struct alert high = alert_of(ALERT_HIGH, "high"), low = alert_of(ALERT_LOW, "low");
    uint64_t ticket = intake(&b, &high);
    const struct records *records = &must_find(&b, ALERTS_DO_PERSIST)->records;
    assert_int_equal(records->count, 2);
    assert_string_equal(records->list[0].alert.way, "mail");
    assert_string_equal(records->list[1].alert.way, "hook");
    assert_int_equal(records->list[1].alert.origin, 1);
    stored(&b, ticket, 0, 0);
    fly(&b, 1);
    came_back(&b, 1, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    assert_int_equal(saved(&b)->state, ALERT_DELIVERED);
    intake(&b, &low);
    records = &must_find(&b, ALERTS_DO_PERSIST)->records;
    assert_int_equal(records->count, 1);
    assert_string_equal(records->list[0].alert.way, "hook");
    alerts_figures(b.alerts, b.now, &figures);
    assert_int_equal(figures.accepted, 1);
    end(&b);
}

static void test_mute_hours(void **state) {
    struct bench b;
    begin(&b);
    int64_t night = 9 * INT64_C(3600000);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_MUTE, .until_ms = b.now + night});
    int64_t low = accept(&b, ALERT_LOW, "low");
    assert_null(find(&b, ALERTS_DO_QUEUE));
    int64_t high = accept(&b, ALERT_HIGH, "high");
    fly(&b, high);
    came_back(&b, high, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, high, 0);
    int64_t began = b.now;
    while (!find(&b, ALERTS_DO_QUEUE)) { /* longer than a LOW one may wait by day */
        assert_true(b.now - began <= night + 1000);
        later(&b);
    }
    assert_true(b.now - began >= night);
    fly(&b, low);
    end(&b);
}

static void test_inhibition(void **state) {
    struct bench b;
    struct inhibit_config rule = {.when.type = (char *)"down",
                                  .mute.service = (char *)"trader",
                                  .until.type = (char *)"up",
                                  .for_ms = 60000};
    begin_with(&b, &(struct alerts_options){.inhibit = &rule, .inhibit_count = 1});
    struct alert down = {
        .text = (char *)"it is down", .type = (char *)"down", .service = (char *)"trader"};
    struct alert order = {.text = (char *)"late", .service = (char *)"trader"};
    intake(&b, &down);
    const struct records *records = &must_find(&b, ALERTS_DO_PERSIST)->records;
    assert_int_equal(records->list[0].alert.state, ALERT_WAITING);
    assert_int_equal(records->list[1].kind, RECORD_SILENCE);
    assert_string_equal(records->list[1].silence->comment, "it is down");
    intake(&b, &order);
    assert_int_equal(saved(&b)->state, ALERT_SILENCED);
    down.text = (char *)"still down"; /* it fits what is muted, and explains it */
    intake(&b, &down);
    assert_int_equal(saved(&b)->state, ALERT_WAITING);
    struct alert up = {.text = (char *)"up", .type = (char *)"up"};
    intake(&b, &up);
    intake(&b, &order);
    assert_int_equal(saved(&b)->state, ALERT_WAITING);
    down.text = (char *)"down again";
    intake(&b, &down);
    b.now += 60001;
    intake(&b, &order);
    assert_int_equal(saved(&b)->state, ALERT_WAITING); /* its time is over */
    end(&b);
}

/* Telegram says never (chat gone): nobody was told, so it must go further. */
static void test_a_failed_one_is_escalated(void **state) {
    struct bench b;
    begin_with_way(&b, ALERT_HIGH, 120000);
    int64_t id = accept(&b, ALERT_CRITICAL, "database is down");
    fly(&b, id);
    came_back(&b, id, GATEWAY_ANSWERED, TELEGRAM_CHAT_GONE, "Forbidden: bot was kicked");
    assert_int_equal(saved(&b)->state, ALERT_FAILED);
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, id, 0);
    assert_non_null(escalated(&b, b.now + 300000));
    end(&b);
}

/* The 2nd is held by its group for 30 s, the 3rd, of another kind, is told before it. */
static void test_told_later_is_escalated_too(void **state) {
    struct bench b;
    begin_with_way(&b, ALERT_HIGH, 120000);
    struct alert db = {.priority = ALERT_CRITICAL, .text = (char *)"first", .type = (char *)"db"};
    int64_t first = deliver(&b, &db);
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, first, 0);
    db.text = (char *)"second";
    stored(&b, intake(&b, &db), 0, 0);
    assert_null(find(&b, ALERTS_DO_QUEUE)); /* held */
    struct alert web = {.priority = ALERT_CRITICAL, .text = (char *)"third", .type = (char *)"web"};
    int64_t third = deliver(&b, &web);
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, third, 0);
    while (!find(&b, ALERTS_DO_QUEUE))
        later(&b);
    fly(&b, 2);
    came_back(&b, 2, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 2, 0);
    bool told[4] = {0};
    for (const struct alert *e; (e = escalated(&b, b.now + 240000));) {
        told[1] |= strstr(e->text, "first") != NULL;
        told[2] |= strstr(e->text, "second") != NULL;
        told[3] |= strstr(e->text, "third") != NULL;
        int64_t id = e->id;
        uint64_t ticket = 0;
        for (size_t i = 0; i < b.commands.count; i++)
            if (b.commands.list[i].records.count > 0 &&
                b.commands.list[i].records.list[0].alert.id == id)
                ticket = b.commands.list[i].ticket;
        stored(&b, ticket, 0, 0);
    }
    assert_true(told[1]);
    assert_true(told[3]);
    assert_true(told[2]);
    end(&b);
}

/* It flaps: the second "up" repeats the first within 300 s, and must end the silence. */
static void test_a_repeated_end_ends_the_silence(void **state) {
    struct bench b;
    struct inhibit_config rule = {.when.type = (char *)"down",
                                  .mute.service = (char *)"trader",
                                  .until.type = (char *)"up",
                                  .for_ms = 3600000};
    begin_with(&b, &(struct alerts_options){.inhibit = &rule, .inhibit_count = 1});
    struct alert down = {.text = (char *)"down", .type = (char *)"down"};
    struct alert up = {.text = (char *)"up", .type = (char *)"up"};
    struct alert order = {
        .priority = ALERT_CRITICAL, .text = (char *)"no stop", .service = (char *)"trader"};
    intake(&b, &down);
    b.now += 250000;
    intake(&b, &up);
    b.now += 60000;
    intake(&b, &down);
    b.now += 10000;
    intake(&b, &up);
    intake(&b, &order);
    assert_int_equal(saved(&b)->state, ALERT_WAITING);
    end(&b);
}

/* It flaps: the second "down" repeats the first, and must silence again. */
static void test_a_repeated_begin_begins(void **state) {
    struct bench b;
    struct inhibit_config rule = {.when.type = (char *)"down",
                                  .mute.service = (char *)"trader",
                                  .until.type = (char *)"up",
                                  .for_ms = 3600000};
    begin_with(&b, &(struct alerts_options){.inhibit = &rule, .inhibit_count = 1});
    struct alert down = {.text = (char *)"down", .type = (char *)"down"};
    struct alert up = {.text = (char *)"up", .type = (char *)"up"};
    struct alert order = {.text = (char *)"late", .service = (char *)"trader"};
    intake(&b, &down);
    b.now += 60000;
    intake(&b, &up);
    b.now += 60000;
    intake(&b, &down);
    intake(&b, &order);
    assert_int_equal(saved(&b)->state, ALERT_SILENCED);
    end(&b);
}

/* Replaying an old escalation tells nothing but itself once more. */
static void test_a_replayed_escalation(void **state) {
    struct bench b;
    begin_with_way(&b, ALERT_HIGH, 120000);
    deliver_critical(&b, "one", NULL);
    const struct alert *told = escalated(&b, b.now + 200000);
    assert_non_null(told);
    struct alert old = alert_copy(told);
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    fly(&b, old.id);
    came_back(&b, old.id, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, old.id, 0);
    deliver_critical(&b, "two", NULL);
    told = escalated(&b, b.now + 130000);
    assert_non_null(told);
    assert_non_null(strstr(told->text, "two"));
    int64_t second = told->id;
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    fly(&b, second);
    came_back(&b, second, GATEWAY_ANSWERED, TELEGRAM_OK, "");
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, second, 0);
    old.state = ALERT_DELIVERED;
    feed(&b, (struct alerts_event){.on = ALERTS_ON_REPLAY, .request = 1, .list = &old, .count = 1});
    stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 0, 0);
    alert_deinit(&old);
    told = escalated(&b, b.now + 20000);
    if (told && told->id > second)
        fail_msg("told again: %s", told->text);
    end(&b);
}

/* repeat_interval: 0s; Telegram does not take it at all. */
static void test_escalation_without_repeats(void **state) {
    struct bench b;
    begin_with_way(&b, ALERT_HIGH, 120000);
    alerts_free(b.alerts);
    b.options.repeat_ms = 0;
    b.alerts = alerts_new(&b.options);
    feed(&b, (struct alerts_event){.on = ALERTS_ON_START});
    feed(&b, (struct alerts_event){.on = ALERTS_ON_TIMER});
    accept(&b, ALERT_CRITICAL, "held");
    assert_non_null(escalated(&b, b.now + 1200000));
    end(&b);
}

/* "All is well" fits what is muted: it must be told, as the "down" was. */
static void test_the_end_is_told(void **state) {
    struct bench b;
    struct inhibit_config rule = {.when.type = (char *)"down",
                                  .mute.service = (char *)"trader",
                                  .until.type = (char *)"up",
                                  .for_ms = 3600000};
    begin_with(&b, &(struct alerts_options){.inhibit = &rule, .inhibit_count = 1});
    struct alert down = {
        .text = (char *)"down", .type = (char *)"down", .service = (char *)"trader"};
    struct alert up = {.text = (char *)"up", .type = (char *)"up", .service = (char *)"trader"};
    intake(&b, &down);
    b.now += 1000;
    intake(&b, &up);
    assert_int_equal(saved(&b)->state, ALERT_WAITING);
    end(&b);
}

/* The disk refuses the alert and the silence with it: nothing may be silenced. */
static void test_a_refused_one_silences_nothing(void **state) {
    struct bench b;
    struct inhibit_config rule = {
        .when.type = (char *)"down", .mute.service = (char *)"trader", .for_ms = 3600000};
    begin_with(&b, &(struct alerts_options){.inhibit = &rule, .inhibit_count = 1});
    struct alert down = {.text = (char *)"down", .type = (char *)"down"};
    struct alert order = {
        .priority = ALERT_CRITICAL, .text = (char *)"no stop", .service = (char *)"trader"};
    stored(&b, intake(&b, &down), 0, -ENOSPC);
    must_find(&b, ALERTS_DO_REFUSE);
    intake(&b, &order);
    assert_int_equal(saved(&b)->state, ALERT_WAITING);
    end(&b);
}

/* It says: not so fast. Those behind must not be thrown at it at once, nor overtake. */
static void test_a_way_that_is_full_is_left_alone(void **state) {
    struct bench b;
    begin_with_way(&b, ALERT_HIGH, 0);
    b.options.group_ms = 0;
    for (int i = 0; i < 3; i++) {
        AUTO_FREE char *text = text_format("n%d", i);
        struct alert alert = alert_of(ALERT_HIGH, text);
        stored(&b, intake(&b, &alert), 0, 0);
        if (i > 0)
            continue;
        assert_int_equal(queued_by(&b, 1)->id, 2);
        feed(&b, (struct alerts_event){.on = ALERTS_ON_TURN, .id = 2});
        stored(&b, must_find(&b, ALERTS_DO_PERSIST)->ticket, 2, 0);
    }
    feed(&b, (struct alerts_event){.on = ALERTS_ON_SENT,
                                   .id = 2,
                                   .outcome = GATEWAY_ANSWERED,
                                   .class = TELEGRAM_RATE_LIMITED,
                                   .description = "HTTP 429",
                                   .retry_after_s = 60});
    assert_null(queued_by(&b, 1));
    end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_means_on_disk),
        cmocka_unit_test(test_full_disk_refuses),
        cmocka_unit_test(test_waiting_is_limited_but_not_for_the_urgent),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_outage_then_the_critical_one_first),
        cmocka_unit_test(test_evidence_of_the_link_brings_the_probe_early),
        cmocka_unit_test(test_unknown_is_repeated_only_for_the_urgent),
        cmocka_unit_test(test_endings),
        cmocka_unit_test(test_markup_is_given_up_once),
        cmocka_unit_test(test_three_quick_tries_then_each_cycle_until_its_time_is_over),
        cmocka_unit_test(test_first_try_of_the_way_is_for_the_most_important),
        cmocka_unit_test(test_nothing_is_due_while_one_tries_the_way),
        cmocka_unit_test(test_escalation_is_no_repeat),
        cmocka_unit_test(test_parts_and_replay),
        cmocka_unit_test(test_restart_knows_what_may_have_arrived),
        cmocka_unit_test(test_crashes_lose_nothing),
        cmocka_unit_test(test_what_does_not_fit_waits_on_disk),
        cmocka_unit_test(test_one_that_the_disk_refused_is_no_first),
        cmocka_unit_test(test_a_start_asks_for_what_waits),
        cmocka_unit_test(test_a_replayed_one_goes_behind),
        cmocka_unit_test(test_a_storm_becomes_few_messages),
        cmocka_unit_test(test_other_kinds_are_not_held),
        cmocka_unit_test(test_those_who_ride_share_the_fate),
        cmocka_unit_test(test_a_silence_ends_what_fits),
        cmocka_unit_test(test_a_silence_takes_what_waits_and_ends_early),
        cmocka_unit_test(test_a_long_one_that_leads_sends_nobody_again),
        cmocka_unit_test(test_a_retry_is_not_held_back),
        cmocka_unit_test(test_one_bad_line_fails_only_itself),
        cmocka_unit_test(test_a_flood_makes_room),
        cmocka_unit_test(test_a_silence_takes_who_would_ride_along),
        cmocka_unit_test(test_told_again_until_acknowledged),
        cmocka_unit_test(test_acknowledging_one_means_its_kind_before_it),
        cmocka_unit_test(test_acknowledgement_needs_the_disk),
        cmocka_unit_test(test_acknowledged_before_its_end_was_kept),
        cmocka_unit_test(test_a_replay_is_not_acknowledged),
        cmocka_unit_test(test_a_late_reminder_is_not_doubled),
        cmocka_unit_test(test_a_reminder_that_waits_is_known_after_a_restart),
        cmocka_unit_test(test_a_reminder_that_the_disk_refused_comes_soon),
        cmocka_unit_test(test_unacknowledged_ones_outlive_a_restart),
        cmocka_unit_test(test_each_way_has_a_copy_of_its_own),
        cmocka_unit_test(test_a_way_without_room_says_so),
        cmocka_unit_test(test_one_that_left_the_config),
        cmocka_unit_test(test_escalation),
        cmocka_unit_test(test_mute_hours),
        cmocka_unit_test(test_without_telegram),
        cmocka_unit_test(test_inhibition),
        cmocka_unit_test(test_a_way_that_is_full_is_left_alone),
        cmocka_unit_test(test_escalation_without_repeats),
        cmocka_unit_test(test_the_end_is_told),
        cmocka_unit_test(test_a_refused_one_silences_nothing),
        cmocka_unit_test(test_a_failed_one_is_escalated),
        cmocka_unit_test(test_told_later_is_escalated_too),
        cmocka_unit_test(test_a_repeated_end_ends_the_silence),
        cmocka_unit_test(test_a_repeated_begin_begins),
        cmocka_unit_test(test_a_replayed_escalation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
