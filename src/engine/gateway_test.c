/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "engine/gateway.h"
#include "policy/backoff.h"
#include <errno.h>
#include <stdio.h>

/* What tests look at: the commands of the last step, and a disk that commits when told to. */
struct bench {
    struct gateway *gateway;
    struct gateway_commands commands;
    struct gateway_options options;
    int64_t now;
};

static void begin(struct bench *b) {
    *b = (struct bench){.now = 10000000};
    b->options = gateway_options_default();
    b->options.bot = "main";
    b->options.account = 7;
    b->options.seed = 1;
    b->gateway = gateway_new(&b->options);
}

static void end(struct bench *b) {
    gateway_commands_deinit(&b->commands);
    gateway_free(b->gateway);
}

static void feed(struct bench *b, struct gateway_event event) {
    gateway_commands_deinit(&b->commands);
    event.description = event.description ? event.description : "";
    gateway_step(b->gateway, &event, b->now, &b->commands);
}

static struct gateway_command *find(struct bench *b, enum gateway_do what) {
    for (size_t i = 0; i < b->commands.count; i++)
        if (b->commands.list[i].what == what)
            return &b->commands.list[i];
    return NULL;
}

static struct gateway_command *must_find(struct bench *b, enum gateway_do what) {
    struct gateway_command *command = find(b, what);
    if (!command)
        fail_msg("no command %d", what);
    return command;
}

static struct gateway_event polled(struct telegram_update *updates, size_t count) {
    return (struct gateway_event){
        .on = GATEWAY_ON_POLLED, .updates = updates, .update_count = count, .retry_after_s = -1};
}

static struct telegram_update update(int64_t id, const char *raw) {
    return (struct telegram_update){
        .id = id, .raw = slice_of(raw), .kind_bit = telegram_kind_bit(slice_of("message"))};
}

static uint64_t persist(struct bench *b) {
    return must_find(b, GATEWAY_DO_PERSIST)->ticket;
}

static void stored(struct bench *b, uint64_t ticket, int r) {
    feed(b, (struct gateway_event){.on = GATEWAY_ON_STORED, .ticket = ticket, .r = r});
}

/* A bot with one consumer that polls Telegram now. */
static void begin_polling(struct bench *b) {
    begin(b);
    gateway_declare(b->gateway, "bot");
    feed(b, (struct gateway_event){.on = GATEWAY_ON_START});
    must_find(b, GATEWAY_DO_UNHOOK);
    stored(b, persist(b), 0);
    feed(b, (struct gateway_event){.on = GATEWAY_ON_UNHOOKED});
    must_find(b, GATEWAY_DO_POLL);
}

static void ask(struct bench *b, uint64_t request, int64_t offset, int64_t timeout_s) {
    feed(b, (struct gateway_event){.on = GATEWAY_ON_ASK,
                                   .request = request,
                                   .consumer = "bot",
                                   .offset = offset,
                                   .timeout_s = timeout_s});
}

static void assert_answer(struct bench *b, uint64_t request, const char *body) {
    struct gateway_command *command = must_find(b, GATEWAY_DO_ANSWER);
    assert_int_equal(command->request, request);
    assert_string_equal(command->body.data, body);
}

#define EMPTY "{\"ok\":true,\"result\":[]}"

static void test_nobody_reads_nobody_polls(void **state) {
    struct bench b;
    begin(&b);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    assert_int_equal(b.commands.count, 0);
    ask(&b, 1, 0, 0); /* the first poll of anybody starts it */
    assert_answer(&b, 1, EMPTY);
    must_find(&b, GATEWAY_DO_UNHOOK);
    end(&b);
}

static void test_consumer_at_once_and_telegram_after_the_disk(void **state) {
    struct bench b;
    begin_polling(&b);
    ask(&b, 1, 0, 50);
    assert_null(find(&b, GATEWAY_DO_ANSWER));
    struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}")};
    feed(&b, polled(list, 2));
    uint64_t ticket = persist(&b);
    assert_int_equal(find(&b, GATEWAY_DO_PERSIST)->records.count, 3);
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{A},\n{B}]}");
    assert_null(find(&b, GATEWAY_DO_POLL)); /* which would make Telegram forget them */
    stored(&b, ticket, 0);
    assert_int_equal(must_find(&b, GATEWAY_DO_POLL)->offset, 12);
    end(&b);
}

static void test_failed_disk_leaves_all_at_telegram(void **state) {
    struct bench b;
    begin_polling(&b);
    struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}")};
    feed(&b, polled(list, 2));
    stored(&b, persist(&b), -ENOSPC);
    assert_null(find(&b, GATEWAY_DO_POLL));
    ask(&b, 1, 0, 0); /* the bot works on with what is there */
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{A},\n{B}]}");
    b.now += 2000;
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    assert_null(find(&b, GATEWAY_DO_POLL));
    assert_int_equal(must_find(&b, GATEWAY_DO_PERSIST)->records.count, 3); /* once more */
    stored(&b, persist(&b), 0);
    assert_int_equal(must_find(&b, GATEWAY_DO_POLL)->offset, 12);
    end(&b);
}

/* Else a restart before its first poll would declare it anew, behind what came meanwhile. */
static void test_a_refused_declaration_goes_with_the_updates(void **state) {
    struct bench b;
    begin(&b);
    gateway_declare(b.gateway, "bot");
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    stored(&b, persist(&b), -ENOSPC);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_UNHOOKED});
    struct telegram_update list[] = {update(10, "{A}")};
    feed(&b, polled(list, 1));
    struct gateway_command *save = must_find(&b, GATEWAY_DO_PERSIST);
    assert_int_equal(save->records.count, 3);
    assert_int_equal(save->records.list[2].kind, RECORD_CONSUMER);
    assert_int_equal(save->records.list[2].seq, 0);
    end(&b);
}

/* Of a bot that was away for an hour only what does not age is given: a payment, not the words. */
static void test_what_is_old_is_let_go(void **state) {
    struct bench b;
    struct gateway_figures figures;
    begin(&b);
    b.options.old_after_ms = 300000;
    gateway_free(b.gateway);
    b.gateway = gateway_new(&b.options);
    gateway_declare(b.gateway, "bot");
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    stored(&b, persist(&b), 0);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_UNHOOKED});
    struct telegram_update list[] = {update(10, "{OLD}"), update(11, "{NEW}"), update(12, "{PAY}"),
                                     update(13, "{PRESS}")};
    list[0].ages = list[1].ages = list[3].ages = true;
    list[0].date_ms = b.now - 300001; /* Telegram kept it so long */
    list[1].date_ms = b.now - 299999;
    list[2].date_ms = 1000;
    struct gateway_event came = polled(list, 4);
    came.wall_ms = b.now;
    feed(&b, came);
    stored(&b, persist(&b), 0);
    ask(&b, 1, 0, 0);
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{NEW},\n{PAY},\n{PRESS}]}");
    gateway_figures(b.gateway, &figures);
    assert_int_equal(figures.old, 1);
    b.now += 300000;
    ask(&b, 2, 0, 0); /* it was away, but not for too long */
    assert_answer(&b, 2, "{\"ok\":true,\"result\":[{NEW},\n{PAY},\n{PRESS}]}");
    b.now += 1;
    ask(&b, 3, 12, 0); /* what it confirms with the same question was no loss */
    assert_int_equal(must_find(&b, GATEWAY_DO_PERSIST)->records.list[0].seq, 2);
    uint64_t ticket = persist(&b);
    gateway_figures(b.gateway, &figures);
    assert_int_equal(figures.old, 2); /* the press */
    assert_int_equal(figures.consumers[0].waiting, 1);
    stored(&b, ticket, 0);
    assert_answer(&b, 3, "{\"ok\":true,\"result\":[{PAY}]}");
    end(&b);
}

static void test_nothing_ages_unless_it_is_wished(void **state) {
    struct bench b;
    begin_polling(&b);
    struct telegram_update list[] = {update(10, "{A}")};
    list[0].ages = true;
    list[0].date_ms = 1000;
    feed(&b, polled(list, 1));
    stored(&b, persist(&b), 0);
    b.now += INT64_C(6) * 86400000;
    ask(&b, 1, 0, 0);
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{A}]}");
    end(&b);
}

/* The hub is killed after a bot was given an update and before the update is on disk: Telegram
 * gives it again, and the bot, which asks for the next one, does not see it twice. */
static void test_given_before_a_crash_is_not_given_again(void **state) {
    for (int64_t asked = 11; asked <= 12; asked++) {
        struct bench b;
        begin_polling(&b);
        ask(&b, 1, 0, 50);
        struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}"), update(12, "{C}")};
        feed(&b, polled(list, (size_t)asked - 10));
        must_find(&b, GATEWAY_DO_ANSWER);
        end(&b);
        begin_polling(&b); /* of all this the disk knows nothing */
        ask(&b, 1, asked, 50);
        stored(&b, persist(&b), 0);
        feed(&b, polled(list, 3));
        assert_answer(&b, 1,
                      asked == 11 ? "{\"ok\":true,\"result\":[{B},\n{C}]}"
                                  : "{\"ok\":true,\"result\":[{C}]}");
        end(&b);
    }
}

/* The rows that one commit leaves, to be read by the next hub. */
static void keep(struct bench *b, struct records *disk) {
    records_move(disk, &must_find(b, GATEWAY_DO_PERSIST)->records);
}

/* Ends this hub and starts the next one with what is on disk. */
static void restart(struct bench *b, struct records *disk) {
    static const enum record_kind order[] = {RECORD_BOT, RECORD_CONSUMER, RECORD_UPDATE};
    gateway_free(b->gateway);
    b->gateway = gateway_new(&b->options);
    for (size_t kind = 0; kind < COUNT_OF(order); kind++)
        for (size_t i = 0; i < disk->count; i++)
            if (disk->list[i].kind == order[kind])
                gateway_restore(b->gateway, &disk->list[i]);
    records_deinit(disk);
    gateway_declare(b->gateway, "bot");
    feed(b, (struct gateway_event){.on = GATEWAY_ON_START});
    feed(b, (struct gateway_event){.on = GATEWAY_ON_UNHOOKED});
}

/* The commit of an update fails, that of its confirmation succeeds, and then the hub is killed. */
static void test_confirmed_before_it_was_on_disk(void **state) {
    struct bench b;
    struct records disk = {0};
    begin_polling(&b);
    struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}")};
    feed(&b, polled(list, 1));
    stored(&b, persist(&b), -ENOSPC);
    ask(&b, 1, 0, 0);
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{A}]}");
    ask(&b, 2, 11, 0);
    uint64_t ticket = persist(&b);
    keep(&b, &disk);
    stored(&b, ticket, 0);
    assert_answer(&b, 2, EMPTY);
    restart(&b, &disk);
    ask(&b, 3, 0, 50); /* the bot begins anew too */
    feed(&b, polled(list, 2));
    assert_answer(&b, 3, "{\"ok\":true,\"result\":[{B}]}");
    end(&b);
}

static void add_bot_row(struct records *disk, int64_t account, int64_t offset, int64_t epoch) {
    struct record *bot = records_add(disk, RECORD_BOT);
    bot->id = account;
    bot->offset = offset;
    bot->epoch = epoch;
}

static void add_consumer_row(struct records *disk, int64_t epoch, int64_t ahead) {
    struct record *consumer = records_add(disk, RECORD_CONSUMER);
    consumer->consumer = text_copy("bot");
    consumer->mask = telegram_kinds_default();
    consumer->epoch = epoch;
    consumer->offset = ahead;
    consumer->at_ms = 1;
}

/* What it polled with beyond our own says nothing about ids that began anew, nor about those of
 * another account. */
static void test_ahead_is_of_its_epoch(void **state) {
    for (int64_t account = 7; account <= 8; account++) {
        struct bench b;
        struct records disk = {0};
        begin_polling(&b);
        b.now += 8 * INT64_C(86400000);
        add_bot_row(&disk, account, 5000, 3);
        add_consumer_row(&disk, 3, 1001);
        restart(&b, &disk);
        struct telegram_update list[] = {update(950, "{A}"), update(951, "{B}"),
                                         update(952, "{C}")};
        feed(&b, polled(list, 3));
        ask(&b, 1, 0, 0);
        assert_answer(&b, 1, "{\"ok\":true,\"result\":[{A},\n{B},\n{C}]}");
        end(&b);
    }
}

/* Given before a crash, in a later epoch: to a consumer that is new ... */
static void test_new_consumer_begins_in_this_epoch(void **state) {
    struct bench b;
    struct records disk = {0};
    begin_polling(&b);
    add_bot_row(&disk, 7, 10, 3);
    restart(&b, &disk);
    ask(&b, 1, 12, 50);
    stored(&b, persist(&b), 0);
    struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}"), update(12, "{C}")};
    feed(&b, polled(list, 3));
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{C}]}");
    end(&b);
}

/* ... and to one whose row was written before the epoch began. */
static void test_first_update_of_an_epoch_is_noted(void **state) {
    struct bench b;
    struct records disk = {0};
    begin_polling(&b);
    b.now += 8 * INT64_C(86400000);
    add_bot_row(&disk, 7, 5000, 0);
    add_consumer_row(&disk, 0, 0);
    restart(&b, &disk);
    ask(&b, 1, 0, 50);
    struct telegram_update list[] = {update(950, "{A}")};
    feed(&b, polled(list, 1));
    bool noted = false;
    for (size_t i = 0; i < b.commands.count; i++) {
        const struct records *records = &b.commands.list[i].records;
        for (size_t at = 0; at < records->count; at++)
            noted |= records->list[at].kind == RECORD_CONSUMER && records->list[at].epoch == 1;
    }
    assert_true(noted);
    end(&b);
}

static void add_update_row(struct records *disk, int64_t seq, uint64_t hidden) {
    struct record *row = records_add(disk, RECORD_UPDATE);
    row->seq = seq;
    row->id = seq + 9;
    row->mask = hidden;
    row->body = text_copy("{O}");
    row->body_bytes = 3;
}

/* The disk has a confirmation of number 6 and not its update, whose commit failed. The number goes
 * to another update, and both programs crash before that one is confirmed. */
static void test_confirmed_number_is_not_used_again(void **state) {
    struct bench b;
    struct records disk = {0};
    begin_polling(&b);
    for (int time = 1; time <= 2; time++) {
        for (int64_t seq = 1; seq <= 5; seq++)
            add_update_row(&disk, seq, 0);
        if (time == 2) { /* of the first hub only the new update reached the disk */
            struct telegram_update list[] = {update(15, "{N}")};
            feed(&b, polled(list, 1));
            keep(&b, &disk);
        }
        add_bot_row(&disk, 7, 15, 0);
        add_consumer_row(&disk, 0, 0);
        disk.list[disk.count - 1].seq = 6;
        restart(&b, &disk);
    }
    ask(&b, 1, 0, 0);
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{N}]}");
    end(&b);
}

/* Rows say that whoever had slots 1 and 2 did not want them; a new consumer does. */
static void test_reused_slot_hides_nothing(void **state) {
    for (int full = 0; full <= 1; full++) {
        struct bench b;
        struct records disk = {0};
        begin_polling(&b);
        add_bot_row(&disk, 7, 12, 0);
        add_consumer_row(&disk, 0, 0);
        add_update_row(&disk, 1, full ? UINT32_MAX - 1 : 6);
        add_update_row(&disk, 2, 0);
        restart(&b, &disk);
        feed(&b, (struct gateway_event){.on = GATEWAY_ON_ASK, .request = 1, .consumer = "other"});
        assert_answer(&b, 1, "{\"ok\":true,\"result\":[{O},\n{O}]}");
        keep(&b, &disk); /* its row, and those of updates where need be */
        add_bot_row(&disk, 7, 12, 0);
        add_consumer_row(&disk, 0, 0);
        size_t rows = 0;
        for (size_t i = 0; i < disk.count; i++)
            rows += disk.list[i].kind == RECORD_UPDATE;
        assert_int_equal(rows, full);
        if (!full)
            add_update_row(&disk, 1, 6);
        add_update_row(&disk, 2, 0);
        restart(&b, &disk);
        feed(&b, (struct gateway_event){.on = GATEWAY_ON_ASK, .request = 2, .consumer = "other"});
        assert_answer(&b, 2, "{\"ok\":true,\"result\":[{O},\n{O}]}");
        end(&b);
    }
}

/* Three updates 10, 11, 12 on disk, none confirmed. */
static void begin_with_three(struct bench *b) {
    begin_polling(b);
    struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}"), update(12, "{C}")};
    feed(b, polled(list, 3));
    stored(b, persist(b), 0);
}

static void test_presses_go_to_our_own_consumer_alone(void **state) {
    struct bench b;
    begin(&b);
    b.options.own = true;
    gateway_free(b.gateway);
    b.gateway = gateway_new(&b.options);
    gateway_declare(b.gateway, GATEWAY_OWN);
    assert_false(gateway_is_polled(b.gateway)); /* for it alone nobody polls */
    gateway_declare(b.gateway, "bot");
    assert_true(gateway_is_polled(b.gateway));
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    feed(&b, (struct gateway_event){
                 .on = GATEWAY_ON_ASK, .request = 1, .consumer = GATEWAY_OWN, .timeout_s = 50});
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_UNHOOKED});
    struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}")};
    list[1].press = true;
    feed(&b, polled(list, 2));
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{B}]}");
    stored(&b, persist(&b), 0);
    ask(&b, 2, 0, 0);
    assert_answer(&b, 2, "{\"ok\":true,\"result\":[{A}]}");
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_ASK, .request = 3, .consumer = "new"});
    assert_answer(&b, 3, "{\"ok\":true,\"result\":[{A}]}"); /* who comes later, too */
    end(&b);
}

static void test_offsets_as_the_api_has_them(void **state) {
    struct bench b;
    begin_with_three(&b);
    ask(&b, 1, 0, 0);
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{A},\n{B},\n{C}]}");
    ask(&b, 2, 10, 0); /* confirms nothing */
    assert_answer(&b, 2, "{\"ok\":true,\"result\":[{A},\n{B},\n{C}]}");
    feed(&b, (struct gateway_event){
                 .on = GATEWAY_ON_ASK, .request = 3, .consumer = "bot", .offset = 11, .limit = 1});
    assert_null(find(&b, GATEWAY_DO_ANSWER)); /* first the confirmation on disk */
    stored(&b, persist(&b), 0);
    assert_answer(&b, 3, "{\"ok\":true,\"result\":[{B}]}");
    ask(&b, 4, 5, 0); /* an old offset brings nothing back */
    assert_answer(&b, 4, "{\"ok\":true,\"result\":[{B},\n{C}]}");
    ask(&b, 5, -1, 0); /* keeps the last one */
    stored(&b, persist(&b), 0);
    assert_answer(&b, 5, "{\"ok\":true,\"result\":[{C}]}");
    ask(&b, 6, 1000, 0);
    stored(&b, persist(&b), 0);
    assert_answer(&b, 6, EMPTY);
    end(&b);
}

static void test_second_poller_ends_the_first(void **state) {
    struct bench b;
    begin_polling(&b);
    ask(&b, 1, 0, 30);
    ask(&b, 2, 0, 80);
    struct gateway_command *refused = must_find(&b, GATEWAY_DO_REFUSE);
    assert_int_equal(refused->request, 1);
    assert_int_equal(refused->code, 409);
    b.now += 49999;
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    assert_null(find(&b, GATEWAY_DO_ANSWER));
    b.now += 1; /* 80 was too much: 50 */
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    assert_answer(&b, 2, EMPTY);
    end(&b);
}

static void test_gone_poll_takes_nothing_along(void **state) {
    struct bench b;
    begin_polling(&b);
    ask(&b, 1, 0, 30);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_GONE, .request = 1});
    assert_answer(&b, 1, EMPTY);
    ask(&b, 2, 0, 30);
    assert_null(find(&b, GATEWAY_DO_REFUSE));
    end(&b);
}

static void test_consumers_are_independent(void **state) {
    struct bench b;
    begin(&b);
    gateway_declare(b.gateway, "bot");
    gateway_declare(b.gateway, "other");
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_UNHOOKED});
    struct telegram_update list[] = {update(10, "{A}")};
    feed(&b, polled(list, 1));
    stored(&b, persist(&b), 0);
    ask(&b, 1, 11, 0);
    stored(&b, persist(&b), 0);
    assert_answer(&b, 1, EMPTY);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_ASK, .request = 2, .consumer = "other"});
    assert_answer(&b, 2, "{\"ok\":true,\"result\":[{A}]}");
    struct gateway_figures figures;
    gateway_figures(b.gateway, &figures);
    assert_int_equal(figures.held, 1);
    assert_int_equal(figures.consumers[1].waiting, 1);
    end(&b);
}

static void test_kinds(void **state) {
    struct bench b;
    begin_polling(&b);
    uint64_t wanted =
        telegram_kind_bit(slice_of("callback_query")) | telegram_kind_bit(slice_of("chat_member"));
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_ASK,
                                    .request = 1,
                                    .consumer = "bot",
                                    .has_kinds = true,
                                    .kinds = wanted});
    must_find(&b, GATEWAY_DO_STOP_POLL); /* asks for them from now on */
    assert_true(must_find(&b, GATEWAY_DO_POLL)->kinds == wanted);
    struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}")};
    list[1].kind_bit = telegram_kind_bit(slice_of("callback_query"));
    feed(&b, polled(list, 2));
    stored(&b, persist(&b), 0);
    ask(&b, 2, 0, 0);
    assert_answer(&b, 2, "{\"ok\":true,\"result\":[{B}]}");
    end(&b);
}

static void test_repeats_and_new_epochs(void **state) {
    struct bench b;
    begin_with_three(&b);
    struct telegram_update again[] = {update(11, "{B}"), update(12, "{C}"), update(9, "{Z}")};
    feed(&b, polled(again, 3));
    assert_null(find(&b, GATEWAY_DO_PERSIST));
    assert_null(find(&b, GATEWAY_DO_POLL)); /* and no hammering */
    ask(&b, 1, 13, 0);
    stored(&b, persist(&b), 0);
    b.now += 8 * INT64_C(86400000);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    /* After a week ids begin anywhere; what came before is still known by its very id. */
    struct telegram_update low[] = {update(12, "{C}"), update(5, "{N}")};
    feed(&b, polled(low, 2));
    stored(&b, persist(&b), 0);
    ask(&b, 2, 13, 0); /* the old offset, of one who has not seen it */
    assert_answer(&b, 2, "{\"ok\":true,\"result\":[{N}]}");
    ask(&b, 3, 6, 0);
    stored(&b, persist(&b), 0);
    assert_answer(&b, 3, EMPTY);
    end(&b);
}

struct failure {
    enum gateway_outcome outcome;
    enum telegram_class class;
    const char *description, *said;
    int64_t wait_min, wait_max;
    bool alarm;
};
static const struct failure failures[] = {
    {GATEWAY_ANSWERED, TELEGRAM_BAD_TOKEN, "Unauthorized", "does not accept the token", 300000,
     300000, true},
    {GATEWAY_ANSWERED, TELEGRAM_CONFLICT, "Conflict: terminated by other getUpdates request",
     "another program reads", 30000, 30000, true},
    {GATEWAY_ANSWERED, TELEGRAM_CONFLICT,
     "Conflict: can't use getUpdates method while webhook is active", "set a webhook", 30000, 30000,
     true},
    {GATEWAY_ANSWERED, TELEGRAM_RATE_LIMITED, "", "", 7500, 7500, false},
    {GATEWAY_ANSWERED, TELEGRAM_TRANSIENT, "", "cannot be reached", 200, 500, false},
    {GATEWAY_NOT_SENT, TELEGRAM_OK, "connection refused", "connection refused", 200, 500, false},
    {GATEWAY_UNKNOWN, TELEGRAM_OK, "timed out", "timed out", 200, 500, false},
};

static void test_failures_of_the_poll(void **state) {
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        struct bench b;
        struct gateway_figures figures;
        begin_polling(&b);
        feed(&b, (struct gateway_event){.on = GATEWAY_ON_POLLED,
                                        .outcome = failures[i].outcome,
                                        .class = failures[i].class,
                                        .description = failures[i].description,
                                        .retry_after_s = 7});
        assert_null(find(&b, GATEWAY_DO_POLL));
        assert_int_equal(find(&b, GATEWAY_DO_ALARM) != NULL, failures[i].alarm);
        gateway_figures(b.gateway, &figures);
        if (!strstr(figures.problem, failures[i].said))
            fail_msg("%s", figures.problem);
        assert_int_equal(figures.errors_in_row, 1);
        int64_t next = gateway_next_ms(b.gateway);
        assert_in_range(next - b.now, failures[i].wait_min, failures[i].wait_max);
        b.now = next;
        feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
        assert_true(find(&b, GATEWAY_DO_POLL) || find(&b, GATEWAY_DO_UNHOOK));
        end(&b);
    }
}

/* ---- letting go of a backlog ---- */

#define DROPPED "{\"ok\":true,\"result\":true,\"description\":\"Webhook is already deleted\"}"

static void drop_pending(struct bench *b, uint64_t request) {
    feed(b, (struct gateway_event){.on = GATEWAY_ON_SKIP, .request = request, .consumer = "bot"});
}

/* All that the last step wanted on disk. */
static void stored_all(struct bench *b) {
    uint64_t tickets[8];
    size_t count = 0;
    for (size_t i = 0; i < b->commands.count; i++)
        if (b->commands.list[i].what == GATEWAY_DO_PERSIST)
            tickets[count++] = b->commands.list[i].ticket;
    for (size_t i = 0; i < count; i++)
        stored(b, tickets[i], 0);
}

static void come(struct bench *b, int64_t from, size_t count) {
    struct telegram_update list[GATEWAY_POLL_LIMIT];
    for (size_t i = 0; i < count; i++)
        list[i] = update(from + (int64_t)i, "{X}");
    feed(b, polled(list, count));
}

static void test_drop_waits_for_what_is_still_at_telegram(void **state) {
    struct bench b;
    begin(&b);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    drop_pending(&b, 1);
    must_find(&b, GATEWAY_DO_UNHOOK);
    stored_all(&b);
    assert_null(find(&b, GATEWAY_DO_ANSWER));
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_UNHOOKED});
    must_find(&b, GATEWAY_DO_POLL);
    come(&b, 10, GATEWAY_POLL_LIMIT);
    stored_all(&b);
    assert_null(find(&b, GATEWAY_DO_ANSWER));
    assert_int_equal(must_find(&b, GATEWAY_DO_POLL)->timeout_s, 0); /* there may be more */
    come(&b, 110, 2);
    assert_null(find(&b, GATEWAY_DO_ANSWER)); /* first on disk */
    stored_all(&b);
    assert_answer(&b, 1, DROPPED);
    ask(&b, 2, 0, 50);
    come(&b, 112, 1);
    assert_answer(&b, 2, "{\"ok\":true,\"result\":[{X}]}");
    end(&b);
}

/* The poll under way began before: what it brings is dropped, and it does not count. */
static void test_drop_while_the_first_poll_is_under_way(void **state) {
    struct bench b;
    begin_polling(&b);
    drop_pending(&b, 1);
    stored_all(&b);
    come(&b, 10, 2);
    stored_all(&b);
    assert_null(find(&b, GATEWAY_DO_ANSWER));
    assert_int_equal(must_find(&b, GATEWAY_DO_POLL)->timeout_s, 0);
    come(&b, 0, 0);
    assert_answer(&b, 1, DROPPED);
    ask(&b, 2, 0, 0);
    assert_answer(&b, 2, EMPTY);
    end(&b);
}

static void test_drop_waits_for_the_disk_alone_when_telegram_has_nothing(void **state) {
    struct bench b;
    begin_with_three(&b);
    drop_pending(&b, 1);
    assert_null(find(&b, GATEWAY_DO_ANSWER));
    assert_null(find(&b, GATEWAY_DO_POLL));
    stored_all(&b);
    assert_answer(&b, 1, DROPPED);
    ask(&b, 2, 0, 0);
    assert_answer(&b, 2, EMPTY);
    drop_pending(&b, 3);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_GONE, .request = 3});
    must_find(&b, GATEWAY_DO_ANSWER);
    drop_pending(&b, 4);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_CLOSE});
    assert_int_equal(must_find(&b, GATEWAY_DO_REFUSE)->code, 503);
    end(&b);
}

static void test_drop_is_answered_after_a_while(void **state) {
    struct bench b;
    begin_polling(&b);
    drop_pending(&b, 1);
    stored_all(&b);
    assert_in_range(gateway_next_ms(b.gateway) - b.now, 1, 10000);
    b.now = gateway_next_ms(b.gateway);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    assert_answer(&b, 1, DROPPED);
    ask(&b, 2, 0, 50);
    come(&b, 10, 2); /* the backlog, later */
    assert_null(find(&b, GATEWAY_DO_ANSWER));
    end(&b);
}

static void test_last_one_of_what_is_still_at_telegram(void **state) {
    struct bench b;
    begin_polling(&b);
    ask(&b, 1, -1, 0);
    assert_null(find(&b, GATEWAY_DO_ANSWER));
    struct telegram_update list[] = {update(10, "{A}"), update(11, "{B}"), update(12, "{C}")};
    feed(&b, polled(list, 3));
    stored_all(&b);
    assert_answer(&b, 1, "{\"ok\":true,\"result\":[{C}]}");
    end(&b);
    begin_polling(&b); /* Telegram does not answer */
    ask(&b, 2, -1, 0);
    b.now = gateway_next_ms(b.gateway);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    assert_answer(&b, 2, EMPTY);
    end(&b);
}

/* ---- sends ---- */

static void ask_send(struct bench *b, uint64_t request, int64_t chat,
                     enum alert_priority priority) {
    feed(b, (struct gateway_event){.on = GATEWAY_ON_SEND,
                                   .request = request,
                                   .chat = chat,
                                   .priority = priority,
                                   .budget = GATEWAY_MESSAGE});
}

static void came_back(struct bench *b, uint64_t request, enum gateway_outcome outcome,
                      enum telegram_class class, int64_t retry_after_s) {
    feed(b, (struct gateway_event){.on = GATEWAY_ON_SENT,
                                   .request = request,
                                   .outcome = outcome,
                                   .class = class,
                                   .description = "why",
                                   .retry_after_s = retry_after_s});
}

static void test_budgets_and_importance(void **state) {
    struct bench b;
    begin(&b);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    for (uint64_t i = 1; i <= 3; i++) {
        ask_send(&b, i, 42, ALERT_MEDIUM);
        assert_int_equal(must_find(&b, GATEWAY_DO_SEND)->request, i);
    }
    ask_send(&b, 4, 42, ALERT_MEDIUM); /* the burst is used up but for the reserve */
    assert_null(find(&b, GATEWAY_DO_SEND));
    ask_send(&b, 5, 43, ALERT_LOW); /* another chat does not wait */
    assert_int_equal(must_find(&b, GATEWAY_DO_SEND)->request, 5);
    ask_send(&b, 6, 42, ALERT_CRITICAL);
    assert_int_equal(must_find(&b, GATEWAY_DO_SEND)->request, 6);
    ask_send(&b, 7, 42, ALERT_CRITICAL);
    assert_null(find(&b, GATEWAY_DO_SEND));
    b.now = gateway_next_ms(b.gateway);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    assert_int_equal(must_find(&b, GATEWAY_DO_SEND)->request, 7);
    assert_int_equal(b.commands.count, 1);
    end(&b);
}

static void test_429_is_waited_out(void **state) {
    struct bench b;
    begin(&b);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    ask_send(&b, 1, 42, ALERT_MEDIUM);
    came_back(&b, 1, GATEWAY_ANSWERED, TELEGRAM_RATE_LIMITED, 7);
    assert_int_equal(b.commands.count, 0);
    ask_send(&b, 2, 42, ALERT_MEDIUM);
    assert_null(find(&b, GATEWAY_DO_SEND)); /* the chat rests, and nobody overtakes */
    b.now += 6999;
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    assert_null(find(&b, GATEWAY_DO_SEND));
    b.now += 600;
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
    assert_int_equal(b.commands.list[0].request, 1);
    assert_int_equal(b.commands.list[1].request, 2);
    came_back(&b, 1, GATEWAY_ANSWERED, TELEGRAM_RATE_LIMITED, 60); /* longer than the limit */
    assert_int_equal(must_find(&b, GATEWAY_DO_PASS)->request, 1);
    end(&b);
}

static void test_connect_failures_are_retried_and_unknown_is_told(void **state) {
    struct bench b;
    begin(&b);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    ask_send(&b, 1, 42, ALERT_MEDIUM);
    int64_t begun = b.now;
    int tries = 0;
    for (;; tries++) {
        came_back(&b, 1, GATEWAY_NOT_SENT, TELEGRAM_OK, -1);
        if (find(&b, GATEWAY_DO_REFUSE))
            break;
        b.now = gateway_next_ms(b.gateway);
        feed(&b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
        assert_int_equal(must_find(&b, GATEWAY_DO_SEND)->request, 1);
    }
    assert_int_equal(must_find(&b, GATEWAY_DO_REFUSE)->code, 502);
    assert_non_null(strstr(find(&b, GATEWAY_DO_REFUSE)->text, "nothing was sent"));
    assert_true(tries > 5 && b.now - begun <= 30000);
    ask_send(&b, 2, 42, ALERT_MEDIUM);
    came_back(&b, 2, GATEWAY_UNKNOWN, TELEGRAM_OK, -1);
    assert_int_equal(must_find(&b, GATEWAY_DO_REFUSE)->code, 504);
    assert_non_null(strstr(find(&b, GATEWAY_DO_REFUSE)->text, "may have been sent"));
    assert_null(find(&b, GATEWAY_DO_SEND));
    end(&b);
}

static void test_limits_and_close(void **state) {
    struct bench b;
    begin(&b);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    for (uint64_t i = 1; i <= b.options.sends_max + 3; i++)
        ask_send(&b, i, 42, ALERT_MEDIUM);
    ask_send(&b, 5000, 42, ALERT_MEDIUM);
    assert_int_equal(must_find(&b, GATEWAY_DO_REFUSE)->code, 429);
    assert_int_equal(find(&b, GATEWAY_DO_REFUSE)->retry_after_s, 1);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_GONE, .request = 500});
    assert_int_equal(must_find(&b, GATEWAY_DO_REFUSE)->request, 500);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_CLOSE});
    assert_int_equal(b.commands.count, b.options.sends_max - 1);
    assert_true(gateway_next_ms(b.gateway) == INT64_MAX);
    end(&b);
}

static void test_slow_calls_leave_places_for_the_critical(void **state) {
    struct bench b;
    begin(&b);
    b.options.rate_all.burst = b.options.rate_all.count = 1000;
    b.gateway = gateway_free(b.gateway);
    b.gateway = gateway_new(&b.options);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    for (uint64_t i = 1; i <= b.options.in_flight_max; i++)
        ask_send(&b, i, (int64_t)i, ALERT_HIGH);
    assert_null(find(&b, GATEWAY_DO_SEND));
    ask_send(&b, 500, 500, ALERT_CRITICAL);
    assert_int_equal(must_find(&b, GATEWAY_DO_SEND)->request, 500);
    end(&b);
}

static void test_group_budget(void **state) {
    struct bench b;
    begin(&b);
    feed(&b, (struct gateway_event){.on = GATEWAY_ON_START});
    uint64_t sent = 0, asked = 0;
    int64_t from = b.now;
    while (b.now < from + 59000) { /* one a second is offered */
        ask_send(&b, ++asked, -100, ALERT_MEDIUM);
        for (size_t i = 0; i < b.commands.count; i++)
            if (b.commands.list[i].what == GATEWAY_DO_SEND) {
                sent++;
                uint64_t request = b.commands.list[i].request;
                struct gateway_commands rest = b.commands;
                b.commands = (struct gateway_commands){0};
                came_back(&b, request, GATEWAY_ANSWERED, TELEGRAM_OK, -1);
                gateway_commands_deinit(&b.commands);
                b.commands = rest;
            }
        b.now += 1000;
    }
    assert_in_range(sent, 20, 40); /* a full bucket of 20, and 20 more come back in a minute */
    end(&b);
}

/* ---- any crash, any failure of the disk: nothing lost, nothing twice after its confirmation ----
 */

enum { WORLD_UPDATES = 60, WORLD_DISK = 4000 };
struct world {
    struct bench b;
    uint64_t random;
    struct records disk;                 /* committed */
    struct gateway_command pending[256]; /* PERSISTs not yet committed */
    size_t pending_count;
    int64_t telegram_next, telegram_confirmed; /* ids */
    bool polling;
    int64_t poll_offset;
    uint64_t request;
    bool asked;
    int64_t asked_offset;
    int64_t consumer_offset, acknowledged; /* acknowledged: an answer came to this offset */
    bool confirm_failed; /* the disk refused the last confirmation: then a repeat is allowed */
    bool seen[WORLD_UPDATES + 1];
};

static uint64_t dice(struct world *w, uint64_t sides) {
    return random_next(&w->random) % sides;
}

static void consume(struct world *w, const char *body) {
    w->asked = false;
    if (w->asked_offset > w->acknowledged && !w->confirm_failed)
        w->acknowledged = w->asked_offset;
    for (const char *at = body; (at = strstr(at, "\"id\":")); at++) {
        int64_t id = strtoll(at + 5, NULL, 10);
        if (id < w->acknowledged)
            fail_msg("update %d again after its confirmation was answered", (int)id);
        w->seen[id] = true;
        if (id >= w->consumer_offset)
            w->consumer_offset = id + 1;
    }
}

static void carry_out(struct world *w) {
    for (size_t i = 0; i < w->b.commands.count; i++) {
        struct gateway_command *command = &w->b.commands.list[i];
        if (command->what == GATEWAY_DO_PERSIST) {
            assert_true(w->pending_count < COUNT_OF(w->pending));
            w->pending[w->pending_count++] = *command;
            command->records = (struct records){0};
        } else if (command->what == GATEWAY_DO_POLL) {
            w->polling = true;
            w->poll_offset = command->offset;
        } else if (command->what == GATEWAY_DO_ANSWER && command->request == w->request) {
            consume(w, command->body.data);
        }
    }
    if (find(&w->b, GATEWAY_DO_UNHOOK)) {
        feed(&w->b, (struct gateway_event){.on = GATEWAY_ON_UNHOOKED});
        carry_out(w);
    }
}

static void start_hub(struct world *w) {
    w->b.gateway = gateway_new(&w->b.options);
    for (enum record_kind kind = RECORD_BOT; kind <= RECORD_CONSUMER; kind++)
        for (size_t i = 0; i < w->disk.count; i++) {
            enum record_kind order[] = {RECORD_BOT, RECORD_CONSUMER, RECORD_UPDATE, RECORD_UPDATE};
            if (w->disk.list[i].kind == order[kind] && kind < 3)
                gateway_restore(w->b.gateway, &w->disk.list[i]);
        }
    gateway_declare(w->b.gateway, "bot");
    feed(&w->b, (struct gateway_event){.on = GATEWAY_ON_START});
    carry_out(w);
}

/* The disk as the store keeps it: one row a bot, a consumer, an update. */
static void write_row(struct world *w, struct record *record) {
    size_t at = 0;
    for (; at < w->disk.count; at++)
        if (w->disk.list[at].kind == record->kind && record->kind != RECORD_UPDATES_DROP &&
            (record->kind != RECORD_UPDATE || w->disk.list[at].seq == record->seq))
            break;
    if (record->kind == RECORD_UPDATES_DROP) {
        for (size_t i = 0; i < w->disk.count; i++)
            if (w->disk.list[i].kind == RECORD_UPDATE && w->disk.list[i].seq <= record->seq)
                w->disk.list[i].kind = RECORD_SEEN; /* gone */
        record_deinit(record);
        return;
    }
    if (at == w->disk.count)
        records_add(&w->disk, record->kind);
    else
        record_deinit(&w->disk.list[at]);
    w->disk.list[at] = *record;
}

static void commit_one(struct world *w, bool fails) {
    struct gateway_command command = w->pending[0];
    memmove(w->pending, w->pending + 1, --w->pending_count * sizeof w->pending[0]);
    for (size_t i = 0; i < command.records.count; i++)
        if (command.records.list[i].kind == RECORD_CONSUMER)
            w->confirm_failed = fails;
    for (size_t i = 0; i < command.records.count && !fails; i++)
        write_row(w, &command.records.list[i]);
    if (fails)
        records_deinit(&command.records);
    else
        free(command.records.list);
    stored(&w->b, command.ticket, fails ? -EIO : 0);
    carry_out(w);
}

static void crash(struct world *w) {
    for (size_t i = 0; i < w->pending_count; i++)
        records_deinit(&w->pending[i].records);
    w->pending_count = 0;
    w->polling = w->asked = false;
    gateway_free(w->b.gateway);
    start_hub(w);
}

static void answer_poll(struct world *w) {
    char raw[4][32];
    struct telegram_update list[4];
    size_t count = 0;
    w->polling = false;
    if (w->poll_offset > w->telegram_confirmed)
        w->telegram_confirmed = w->poll_offset;
    for (int64_t id = w->telegram_confirmed; id < w->telegram_next && count < 4; id++, count++) {
        snprintf(raw[count], sizeof raw[count], "{\"id\":%d}", (int)id);
        list[count] = update(id, raw[count]);
    }
    feed(&w->b, polled(list, count));
    carry_out(w);
}

static void ask_again(struct world *w) {
    w->request++;
    w->asked = true;
    w->asked_offset = w->consumer_offset;
    ask(&w->b, w->request, w->consumer_offset, (int64_t)dice(w, 3));
    carry_out(w);
}

static void happen(struct world *w, bool faults) {
    uint64_t what = dice(w, faults ? 12 : 8);
    w->b.now += (int64_t)dice(w, 400);
    if (what == 0 && w->telegram_next <= WORLD_UPDATES)
        w->telegram_next++;
    else if (what <= 2 && w->polling)
        answer_poll(w);
    else if (what <= 4 && w->pending_count > 0)
        commit_one(w, faults && dice(w, 10) == 0);
    else if (what <= 6 && !w->asked)
        ask_again(w);
    else if (what == 9)
        crash(w);
    else if (what == 10) { /* the bot crashes: it knows its offset from nowhere */
        w->consumer_offset = 0;
        w->asked = false;
    } else {
        feed(&w->b, (struct gateway_event){.on = GATEWAY_ON_TIMER});
        carry_out(w);
    }
}

static void run_world(uint64_t seed) {
    struct world *w = memory_new(sizeof *w);
    w->random = seed;
    w->telegram_next = w->telegram_confirmed = 1;
    w->b.now = 1000000;
    w->b.options = gateway_options_default();
    w->b.options.bot = "main";
    w->b.options.account = 7;
    start_hub(w);
    for (int i = 0; i < 2000; i++)
        happen(w, true);
    w->telegram_next = WORLD_UPDATES + 1; /* the faults stop: all must arrive */
    for (int i = 0; i < 3000; i++)
        happen(w, false);
    for (int id = 1; id <= WORLD_UPDATES; id++)
        if (!w->seen[id])
            fail_msg("seed %d: update %d was lost", (int)seed, id);
    struct gateway_figures figures;
    gateway_figures(w->b.gateway, &figures);
    assert_int_equal(figures.held, 0); /* all was confirmed and let go */
    for (size_t i = 0; i < w->pending_count; i++)
        records_deinit(&w->pending[i].records);
    records_deinit(&w->disk);
    end(&w->b);
    free(w);
}

static void test_crashes_lose_and_repeat_nothing(void **state) {
    for (uint64_t seed = 1; seed <= 100; seed++)
        run_world(seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_reads_nobody_polls),
        cmocka_unit_test(test_consumer_at_once_and_telegram_after_the_disk),
        cmocka_unit_test(test_failed_disk_leaves_all_at_telegram),
        cmocka_unit_test(test_a_refused_declaration_goes_with_the_updates),
        cmocka_unit_test(test_given_before_a_crash_is_not_given_again),
        cmocka_unit_test(test_confirmed_before_it_was_on_disk),
        cmocka_unit_test(test_ahead_is_of_its_epoch),
        cmocka_unit_test(test_new_consumer_begins_in_this_epoch),
        cmocka_unit_test(test_first_update_of_an_epoch_is_noted),
        cmocka_unit_test(test_confirmed_number_is_not_used_again),
        cmocka_unit_test(test_reused_slot_hides_nothing),
        cmocka_unit_test(test_presses_go_to_our_own_consumer_alone),
        cmocka_unit_test(test_what_is_old_is_let_go),
        cmocka_unit_test(test_nothing_ages_unless_it_is_wished),
        cmocka_unit_test(test_offsets_as_the_api_has_them),
        cmocka_unit_test(test_second_poller_ends_the_first),
        cmocka_unit_test(test_gone_poll_takes_nothing_along),
        cmocka_unit_test(test_consumers_are_independent),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_repeats_and_new_epochs),
        cmocka_unit_test(test_failures_of_the_poll),
        cmocka_unit_test(test_drop_waits_for_what_is_still_at_telegram),
        cmocka_unit_test(test_drop_while_the_first_poll_is_under_way),
        cmocka_unit_test(test_drop_waits_for_the_disk_alone_when_telegram_has_nothing),
        cmocka_unit_test(test_drop_is_answered_after_a_while),
        cmocka_unit_test(test_last_one_of_what_is_still_at_telegram),
        cmocka_unit_test(test_budgets_and_importance),
        cmocka_unit_test(test_429_is_waited_out),
        cmocka_unit_test(test_connect_failures_are_retried_and_unknown_is_told),
        cmocka_unit_test(test_limits_and_close),
        cmocka_unit_test(test_slow_calls_leave_places_for_the_critical),
        cmocka_unit_test(test_group_budget),
        cmocka_unit_test(test_crashes_lose_and_repeat_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
