/* SPDX-License-Identifier: Apache-2.0 */
/* The store's thread with the real database on a real disk. */
#include "store/store_test.h"
#include "base/clock.h"
#include "base/file.h"
#include "store/store_sqlite.h"
#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>

static void note_found(void *context, int r, const struct alert *alerts, size_t count) {
    *(int *)context = r;
}

struct seen {
    size_t count[RECORD_ALERTS_WAITING + 1];
    int64_t last_seq, highest_id, consumer_seq, consumer_offset, waiting, waiting_at_ms;
    struct buffer bodies;
    struct alert alert;
};

static void see(void *context, const struct record *record) {
    struct seen *seen = context;
    seen->count[record->kind]++;
    if (record->kind == RECORD_UPDATE) {
        seen->last_seq = record->seq;
        buffer_add(&seen->bodies, record->body, record->body_bytes);
    }
    if (record->kind == RECORD_CONSUMER) {
        seen->consumer_seq = record->seq;
        seen->consumer_offset = record->offset;
    }
    if (record->kind == RECORD_SEEN)
        seen->highest_id = record->id;
    if (record->kind == RECORD_ALERTS_WAITING && record->alert.priority == ALERT_HIGH) {
        seen->waiting = record->id;
        seen->waiting_at_ms = record->at_ms;
    }
    if (record->kind == RECORD_ALERT) {
        alert_deinit(&seen->alert);
        seen->alert = alert_copy(&record->alert);
    }
}

static struct store *open_good(struct seen *seen) {
    struct store *store = NULL;
    AUTO_BUFFER struct buffer error = {0};
    *seen = (struct seen){0};
    int r = store_open(store_sqlite_new_hub(), path, see, seen, &store, &error);
    if (r != 0)
        fail_msg("%d: %s", r, error.data);
    return store;
}

static void seen_deinit(struct seen *seen) {
    buffer_deinit(&seen->bodies);
    alert_deinit(&seen->alert);
}

static void add_update(struct records *records, int64_t seq, const char *body) {
    struct record *record = records_add(records, RECORD_UPDATE);
    record->bot = text_copy("main");
    record->seq = seq;
    record->id = 1000 + seq;
    record->body = text_copy(body);
    record->body_bytes = strlen(body);
}

/* A failed commit is followed by a pause. */
static void until_it_works(struct store *store, int64_t seq) {
    int64_t begun = clock_ms();
    for (;;) {
        struct records records = {0};
        add_update(&records, seq, "{}");
        if (put(store, &records) == 0)
            return;
        assert_true(clock_ms() - begun < 10000);
        usleep(1000);
    }
}

static void add_alert(struct records *records, int64_t id, enum alert_state state) {
    struct record *record = records_add(records, RECORD_ALERT);
    record->alert = (struct alert){.id = id,
                                   .priority = ALERT_HIGH,
                                   .state = state,
                                   .created_ms = 5000,
                                   .text = text_copy("down"),
                                   .maybe_sent = true};
}

static void test_what_is_told_is_there_again(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    struct records records = {0};
    add_update(&records, 1, "{\"a\":1}");
    add_update(&records, 2, "{\"b\":2}");
    struct record *bot = records_add(&records, RECORD_BOT);
    bot->bot = text_copy("main");
    bot->offset = 1003;
    struct record *consumer = records_add(&records, RECORD_CONSUMER);
    consumer->bot = text_copy("main");
    consumer->consumer = text_copy("default");
    consumer->mask = UINT64_MAX;
    add_alert(&records, 7, ALERT_SENDING);
    assert_int_equal(put(store, &records), 0);
    assert_int_equal(records.count, 0);
    store_close(store);

    store = open_good(&seen);
    assert_int_equal(seen.count[RECORD_UPDATE], 2);
    assert_int_equal(seen.count[RECORD_BOT], 1);
    assert_int_equal(seen.count[RECORD_CONSUMER], 1);
    assert_int_equal(seen.highest_id, 7);
    assert_string_equal(seen.bodies.data, "{\"a\":1}{\"b\":2}");
    assert_string_equal(seen.alert.text, "down");
    assert_true(seen.alert.maybe_sent && !seen.alert.plain);
    seen_deinit(&seen);

    struct record *drop = records_add(&records, RECORD_UPDATES_DROP);
    drop->bot = text_copy("main");
    drop->seq = 1;
    struct record *change = records_add(&records, RECORD_ALERT_CHANGE);
    change->alert = (struct alert){
        .id = 7, .state = ALERT_SENDING, .created_ms = 5000, .reason = text_copy("blocked")};
    assert_int_equal(put(store, &records), 0);
    store_close(store);
    store = open_good(&seen);
    assert_int_equal(seen.count[RECORD_UPDATE], 1);
    assert_int_equal(seen.last_seq, 2);
    assert_false(seen.alert.maybe_sent);
    assert_string_equal(seen.alert.reason, "blocked");
    assert_string_equal(seen.alert.text, "down");
    seen_deinit(&seen);
    store_close(store);
}

static void test_jobs_in_order_and_in_groups(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    int results[500];
    for (int i = 0; i < 500; i++) {
        struct records records = {0};
        add_update(&records, i + 1, "{}");
        results[i] = 99;
        store_put(store, &records, note, &results[i]);
    }
    wait_for(store, &results[499]);
    for (int i = 0; i < 500; i++)
        assert_int_equal(results[i], 0);
    struct store_figures figures;
    store_figures(store, &figures);
    assert_int_equal(figures.records, 500);
    assert_int_equal(figures.waiting, 0);
    assert_true(figures.commits < 400); /* grouped: the disk is slower than this loop */
    store_close(store);
    seen_deinit(&seen);
}

static void test_close_commits_what_waits(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    struct records records = {0};
    add_update(&records, 9, "{}");
    store_put(store, &records, NULL, NULL);
    store_close(store);
    store = open_good(&seen);
    assert_int_equal(seen.last_seq, 9);
    store_close(store);
    seen_deinit(&seen);
}

static void test_failed_commit_fails_its_jobs_and_reopens(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    struct records records = {0};
    AUTO_FREE char *big = memory_new(200001);
    memset(big, 'x', 200000);
    add_update(&records, 1, "{}");
    assert_int_equal(put(store, &records), 0);
    add_update(&records, 2, big);
    int64_t begun = clock_ms();
    assert_true(put_on_full_disk(store, &records) < 0);
    struct store_figures figures;
    store_figures(store, &figures);
    assert_int_equal(figures.failures, 1);
    until_it_works(store, 3);
    assert_true(clock_ms() - begun >= 100);
    store_close(store);
    store = open_good(&seen);
    assert_string_equal(seen.bodies.data, "{}{}");
    store_close(store);
    seen_deinit(&seen);
}

static void assert_refused(const char *at, int expected, const char *said) {
    struct store *store = NULL;
    struct seen seen = {0};
    AUTO_BUFFER struct buffer error = {0};
    assert_int_equal(store_open(store_sqlite_new_hub(), at, see, &seen, &store, &error), expected);
    if (!strstr(error.data, said))
        fail_msg("%s", error.data);
}

/* A full disk fails commit after commit: the pauses grow, the whole file is not read each time, and
 * reads go on. */
static void test_full_disk_is_not_hammered(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    struct records records = {0};
    AUTO_FREE char *big = memory_new(200001);
    memset(big, 'x', 200000);
    add_update(&records, 1, big);
    assert_int_equal(put(store, &records), 0);
    store_close(store); /* into the file itself */
    seen_deinit(&seen);
    store = open_good(&seen);
    int64_t begun = clock_ms();
    for (int64_t seq = 2; clock_ms() - begun < 150; seq++) { /* tried twice: at 0 and 100 ms */
        add_update(&records, seq, big);
        assert_int_equal(put_on_full_disk(store, &records), -ENOSPC);
        usleep(1000);
    }
    AUTO_FREE char *content = NULL;
    size_t size;
    assert_int_equal(file_read(path, 1 << 20, &content, &size), 0);
    memset(content + size / 2 / 4096 * 4096, 0xff, 4); /* a link in the body of update 1 */
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    fclose(file);
    int found = 99;
    store_find_alerts(store, &(struct store_query){.state = -1, .limit = 1}, note_found, &found);
    wait_for(store, &found);
    assert_int_equal(found, 0);
    until_it_works(store, 1000);
    assert_true(clock_ms() - begun >= 300);
    store_close(store);
    seen_deinit(&seen);
    assert_refused(path, STORE_CORRUPT, "damaged"); /* the next start finds it */
}

struct page {
    int result;
    int64_t first;
    size_t count;
};

static void turn_page(void *context, int r, const struct alert *alerts, size_t count) {
    struct page *page = context;
    *page = (struct page){r, count ? alerts[0].id : 0, count};
}

static void test_find(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    struct records records = {0};
    for (int64_t id = 1; id <= 20; id++)
        add_alert(&records, id, id % 2 ? ALERT_FAILED : ALERT_DELIVERED);
    assert_int_equal(put(store, &records), 0);
    struct page page = {.result = 99};
    store_find_alerts(store, &(struct store_query){.state = ALERT_FAILED, .limit = 4}, turn_page,
                      &page);
    wait_for(store, &page.result);
    assert_true(page.count == 4 && page.first == 19);
    page.result = 99;
    store_find_alerts(store, &(struct store_query){.state = -1, .before = 5, .limit = 100},
                      turn_page, &page);
    wait_for(store, &page.result);
    assert_true(page.count == 4 && page.first == 4);
    page.result = 99;
    store_find_alerts(store, &(struct store_query){.id = 12, .state = -1, .limit = 1}, turn_page,
                      &page);
    wait_for(store, &page.result);
    assert_true(page.count == 1 && page.first == 12);
    store_close(store);
    seen_deinit(&seen);
}

static struct page queue_behind(struct store *store, struct alert_place after, uint32_t limit) {
    struct page page = {.result = 99};
    store_find_alerts(store,
                      &(struct store_query){
                          .queue = true, .priority = ALERT_HIGH, .after = after, .limit = limit},
                      turn_page, &page);
    wait_for(store, &page.result);
    assert_int_equal(page.result, 0);
    return page;
}

/* What waits is asked for in the order it came; at the start only how much it is. */
static void test_queue(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    struct records records = {0};
    for (int64_t id = 1; id <= 20; id++)
        add_alert(&records, id, id % 2 ? ALERT_WAITING : ALERT_DELIVERED);
    records.list[0].alert.created_ms = 6000; /* 1 was replayed */
    records.list[2].alert.priority = ALERT_LOW;
    add_alert(&records, 21, ALERT_SENDING);
    records_add(&records, RECORD_ALERT)->alert = (struct alert){.id = 22,
                                                                .state = ALERT_FAILED,
                                                                .created_ms = 5000,
                                                                .type = text_copy("disk"),
                                                                .text = text_copy("full")};
    assert_int_equal(put(store, &records), 0);
    store_close(store);

    store = open_good(&seen);
    assert_int_equal(seen.waiting, 9);
    assert_int_equal(seen.waiting_at_ms, 6000);
    assert_int_equal(seen.count[RECORD_ALERTS_WAITING], 2);
    assert_int_equal(seen.count[RECORD_ALERT], 1); /* 21 */
    assert_int_equal(seen.count[RECORD_ALERT_SEEN], 1);
    struct page page = queue_behind(store, (struct alert_place){0, 0}, 3);
    assert_true(page.count == 3 && page.first == 5); /* 5 7 9 */
    page = queue_behind(store, (struct alert_place){5000, 15}, 100);
    assert_true(page.count == 3 && page.first == 17); /* 17 19 1 */
    page = queue_behind(store, (struct alert_place){5000, 19}, 100);
    assert_true(page.count == 1 && page.first == 1);
    page = queue_behind(store, (struct alert_place){6000, 1}, 100);
    assert_int_equal(page.count, 0);
    store_close(store);
    seen_deinit(&seen);
}

/* A store of the first version: what it holds is there, and the new column has its default. */
static void change(struct store *store, enum record_kind kind, struct alert alert) {
    struct records records = {0};
    records_add(&records, kind)->alert = alert;
    assert_int_equal(put(store, &records), 0);
}

struct one {
    int result;
    struct alert alert;
};

static void keep_found(void *context, int r, const struct alert *alerts, size_t count) {
    struct one *one = context;
    assert_int_equal(count, 1);
    *one = (struct one){r, alert_copy(&alerts[0])};
}

static void test_acknowledged_is_not_asked_for_again(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    change(store, RECORD_ALERT,
           (struct alert){.id = 7, .text = text_copy("down"), .created_ms = 5000});
    struct alert told = {.id = 7, .state = ALERT_DELIVERED, .acked_ms = ALERT_ACK_WANTED};
    change(store, RECORD_ALERT_CHANGE, told);
    store_close(store);
    store = open_good(&seen);
    assert_int_equal(seen.count[RECORD_ALERT_UNACKED], 1);
    change(store, RECORD_ALERT_ACK,
           (struct alert){.id = 7, .acked_ms = 6000, .acked_by = text_copy("Ann")});
    change(store, RECORD_ALERT_ACK,
           (struct alert){.id = 7, .acked_ms = 7000}); /* the first counts */
    struct one found = {.result = 99};
    store_find_alerts(store, &(struct store_query){.id = 7, .state = -1, .limit = 1}, keep_found,
                      &found);
    wait_for(store, &found.result);
    assert_int_equal(found.alert.acked_ms, 6000);
    assert_string_equal(found.alert.acked_by, "Ann");
    alert_deinit(&found.alert);
    /* Sent once more: nobody has acknowledged that. */
    change(store, RECORD_ALERT_CHANGE, (struct alert){.id = 7, .state = ALERT_WAITING});
    found.result = 99;
    store_find_alerts(store, &(struct store_query){.id = 7, .state = -1, .limit = 1}, keep_found,
                      &found);
    wait_for(store, &found.result);
    assert_null(found.alert.acked_by);
    alert_deinit(&found.alert);
    store_close(store);
    store_close(open_good(&seen));
    assert_int_equal(seen.count[RECORD_ALERT_UNACKED], 0);
}

static void test_migration(void **state) {
    struct seen seen;
    sqlite3 *old;
    store_close(open_good(&seen));
    assert_int_equal(sqlite3_open(path, &old), SQLITE_OK);
    assert_int_equal(sqlite3_exec(old,
                                  "ALTER TABLE consumers DROP COLUMN ahead;"
                                  "DROP INDEX alerts_open; DROP INDEX alerts_ended;"
                                  "DROP INDEX alerts_escalated;"
                                  "ALTER TABLE alerts DROP COLUMN grouped; DROP TABLE silences;"
                                  "DROP INDEX alerts_unacked;"
                                  "ALTER TABLE alerts DROP COLUMN acked;"
                                  "ALTER TABLE alerts DROP COLUMN acked_by;"
                                  "ALTER TABLE alerts DROP COLUMN way;"
                                  "ALTER TABLE alerts DROP COLUMN origin;"
                                  "CREATE INDEX alerts_by_state ON alerts(state, id);"
                                  "DROP TABLE webhooks; DROP TABLE monitors; DROP TABLE facts;"
                                  "DROP TABLE incidents;"
                                  "INSERT INTO consumers VALUES('main','bot',3,41,1,5,1000);"
                                  "PRAGMA user_version=1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(old);
    struct store *store = open_good(&seen);
    assert_int_equal(seen.consumer_seq, 41);
    assert_int_equal(seen.consumer_offset, 0);
    struct records records = {0};
    struct record *consumer = records_add(&records, RECORD_CONSUMER);
    consumer->bot = text_copy("main");
    consumer->consumer = text_copy("bot");
    consumer->offset = 77;
    assert_int_equal(put(store, &records), 0);
    store_close(store);
    seen_deinit(&seen);
    store_close(open_good(&seen));
    assert_int_equal(seen.consumer_offset, 77);
    seen_deinit(&seen);
}

static size_t log_bytes(void) {
    AUTO_FREE char *name = text_format("%s-wal", path);
    struct stat at;
    return stat(name, &at) == 0 ? (size_t)at.st_size : 0;
}

static void put_updates(struct store *store, int64_t *seq, int count, const char *body) {
    struct records records = {0};
    for (int i = 0; i < count; i++)
        add_update(&records, ++*seq, body);
    assert_int_equal(put(store, &records), 0);
}

/* 300 commits are about 900 pages, 3.7 MB; in the pauses the log is emptied and begun anew. */
static void test_log_is_emptied_when_nothing_waits(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    int64_t seq = 0;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 30; i++)
            put_updates(store, &seq, 1, "{}");
        usleep(60000);
    }
    assert_in_range(log_bytes(), 1, 1000000);
    store_close(store);
    store = open_good(&seen);
    assert_int_equal(seen.count[RECORD_UPDATE], 300);
    store_close(store);
    seen_deinit(&seen);
}

/* 40 MB without a pause. */
static void test_log_is_bounded_under_load(void **state) {
    static char body[10001];
    struct seen seen;
    struct store *store = open_good(&seen);
    int64_t seq = 0;
    memset(body, 'x', sizeof body - 1);
    for (int i = 0; i < 20; i++)
        put_updates(store, &seq, 200, body);
    assert_in_range(log_bytes(), 4000000, 22000000);
    store_close(store);
}

static void test_refusals(void **state) {
    struct seen seen;
    struct store *store = open_good(&seen);
    assert_refused(path, STORE_BUSY, "in use by another program");
    store_close(store);
    assert_refused("/dev/null/hub.db", -20 /* ENOTDIR */, "cannot be opened for writing");
    AUTO_FREE char *content = NULL;
    size_t size;
    assert_int_equal(file_read(path, 1 << 20, &content, &size), 0);
    /* Byte 60 of the file's head is user_version, big-endian (SQLite's file format). */
    content[63] = 99;
    assert_int_equal(file_replace(path, (struct slice){content, size}, 0600), 0);
    assert_refused(path, STORE_NEWER, "newer Holdfast (schema 99");
    memset(content + 4096, 0x5a, size - 4096 > 4096 ? 4096 : size - 4096);
    content[63] = 1;
    assert_int_equal(file_replace(path, (struct slice){content, size}, 0600), 0);
    assert_refused(path, STORE_CORRUPT, "damaged");
    assert_int_equal(file_replace(path, slice_of("this is a text, not a database at all"), 0600),
                     0);
    assert_refused(path, STORE_CORRUPT, "damaged");
    AUTO_FREE char *left = NULL;
    assert_int_equal(file_read(path, 1000, &left, &size), 0);
    assert_string_equal(left, "this is a text, not a database at all");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_what_is_told_is_there_again),
        IN_FOLDER(test_jobs_in_order_and_in_groups),
        IN_FOLDER(test_close_commits_what_waits),
        IN_FOLDER(test_failed_commit_fails_its_jobs_and_reopens),
        IN_FOLDER(test_full_disk_is_not_hammered),
        IN_FOLDER(test_log_is_emptied_when_nothing_waits),
        IN_FOLDER(test_log_is_bounded_under_load),
        IN_FOLDER(test_find),
        IN_FOLDER(test_queue),
        IN_FOLDER(test_acknowledged_is_not_asked_for_again),
        IN_FOLDER(test_migration),
        IN_FOLDER(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
