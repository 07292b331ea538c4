/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite.h"
#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

/* migrations[n] brings version n to n + 1. Never change one that was released: add. */
static const char *const migrations[] = {
    "CREATE TABLE bots(bot TEXT PRIMARY KEY, account INTEGER NOT NULL, next_offset INTEGER NOT "
    "NULL,"
    "  epoch INTEGER NOT NULL, last_update INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE updates(bot TEXT NOT NULL, seq INTEGER NOT NULL, id INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL, received INTEGER NOT NULL, hidden INTEGER NOT NULL, body BLOB NOT "
    "NULL,"
    "  PRIMARY KEY(bot, seq));"
    "CREATE TABLE consumers(bot TEXT NOT NULL, name TEXT NOT NULL, slot INTEGER NOT NULL,"
    "  confirmed INTEGER NOT NULL, epoch INTEGER NOT NULL, kinds INTEGER NOT NULL,"
    "  seen INTEGER NOT NULL, PRIMARY KEY(bot, name)) WITHOUT ROWID;"
    "CREATE TABLE alerts(id INTEGER PRIMARY KEY, priority INTEGER NOT NULL, state INTEGER NOT NULL,"
    "  created INTEGER NOT NULL, next_try INTEGER NOT NULL, ended INTEGER NOT NULL,"
    "  chat INTEGER NOT NULL, attempts INTEGER NOT NULL, part INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL, title TEXT, text TEXT NOT NULL, type TEXT, service TEXT,"
    "  dedup_key TEXT, reason TEXT);"
    "CREATE INDEX alerts_by_state ON alerts(state, id);"
    "CREATE TABLE chats(chat INTEGER PRIMARY KEY, became INTEGER NOT NULL);",
    "ALTER TABLE consumers ADD COLUMN ahead INTEGER NOT NULL DEFAULT 0;"};
enum { VERSION = COUNT_OF(migrations) };
enum { FLAG_MAYBE_SENT = 1, FLAG_PLAIN = 2 };

enum statement {
    BOT,
    UPDATE,
    UPDATES_DROP,
    CONSUMER,
    CONSUMER_DROP,
    ALERT,
    ALERT_CHANGE,
    ALERTS_DROP,
    CHAT,
    BEGIN,
    COMMIT,
    STATEMENTS
};
static const char *const statements[STATEMENTS] = {
    [BOT] = "INSERT OR REPLACE INTO bots VALUES(?1,?2,?3,?4,?5)",
    [UPDATE] = "INSERT OR REPLACE INTO updates VALUES(?1,?2,?3,?4,?5,?6,?7)",
    [UPDATES_DROP] = "DELETE FROM updates WHERE bot=?1 AND seq<=?2",
    [CONSUMER] = "INSERT OR REPLACE INTO consumers VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [CONSUMER_DROP] = "DELETE FROM consumers WHERE bot=?1 AND name=?2",
    [ALERT] = "INSERT INTO alerts VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
    [ALERT_CHANGE] = "UPDATE alerts SET priority=?2, state=?3, created=?4, next_try=?5, ended=?6,"
                     " chat=?7, attempts=?8, part=?9, flags=?10, reason=?11 WHERE id=?1",
    [ALERTS_DROP] = "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE state>=2"
                    " AND ended<?1 LIMIT 1000)",
    [CHAT] = "INSERT OR REPLACE INTO chats VALUES(?1,?2)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

struct sqlite_backend {
    struct store_backend base;
    sqlite3 *db;
    sqlite3_stmt *prepared[STATEMENTS];
};

static struct sqlite_backend *self_of(struct store_backend *backend) {
    return (struct sqlite_backend *)backend;
}

/* SQLite's answer as ours. */
static int result_of(sqlite3 *db, int code) {
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return STORE_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return STORE_BUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CANTOPEN: {
        int error = db ? sqlite3_system_errno(db) : 0;
        return error > 0 ? -error : -EACCES;
    }
    default: {
        int error = errno, kept = db ? sqlite3_system_errno(db) : 0;
        error = kept ? kept : error;
        bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
        return full ? -ENOSPC : -EIO;
    }
    }
}

static int execute(struct sqlite_backend *self, const char *text) {
    return result_of(self->db, sqlite3_exec(self->db, text, NULL, NULL, NULL));
}

static int read_int(struct sqlite_backend *self, const char *text, int64_t *ret) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(self->db, text, -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return result_of(self->db, code);
}

static int migrate(struct sqlite_backend *self, int64_t from) {
    if (from == VERSION)
        return 0;
    int r = execute(self, "BEGIN IMMEDIATE");
    for (int64_t version = from; r == 0 && version < VERSION; version++)
        r = execute(self, migrations[version]);
    char text[64];
    sqlite3_snprintf(sizeof text, text, "PRAGMA user_version=%d; COMMIT", (int)VERSION);
    return r == 0 ? execute(self, text) : r;
}

/* A damaged page is better found now, with the file still as it is, than in the middle of the
 * night. quick_check reads the whole file once. */
static int check(struct sqlite_backend *self) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(self->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    bool good = false;
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        good = strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    int r = result_of(self->db, code);
    return r != 0 ? r : good ? 0 : STORE_CORRUPT;
}

static int prepare_all(struct sqlite_backend *self) {
    for (int i = 0; i < STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(self->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &self->prepared[i], NULL);
        if (code != SQLITE_OK)
            return result_of(self->db, code) ? result_of(self->db, code) : -EIO;
    }
    return 0;
}

static int open_file(struct sqlite_backend *self, const char *path, int64_t *version) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int r = result_of(self->db, sqlite3_open_v2(path, &self->db, flags, NULL));
    if (r == 0)
        r = result_of(self->db, sqlite3_extended_result_codes(self->db, 1));
    /* Exclusive: two writing programs on one file starve each other. The lock is taken by the first
     * read and kept; a second program is told at once. */
    if (r == 0)
        r = execute(self, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
                          "PRAGMA journal_size_limit=16777216; BEGIN IMMEDIATE; COMMIT;");
    return r == 0 ? read_int(self, "PRAGMA user_version", version) : r;
}

static void say(struct buffer *ret, const char *path, int r, int64_t version) {
    if (r == STORE_CORRUPT)
        buffer_print(ret,
                     "%s: is damaged or not a store of Holdfast; it was left as it is. Move it "
                     "away to start empty, or put a backup in its place",
                     path);
    else if (r == STORE_NEWER)
        buffer_print(ret,
                     "%s: was written by a newer Holdfast (schema %lld, this one knows %d); it "
                     "was left as it is. Install that version again, or a later one",
                     path, (long long)version, (int)VERSION);
    else if (r == STORE_BUSY)
        buffer_print(ret, "%s: is in use by another program; stop the other holdfast-hub first",
                     path);
    else
        buffer_print(ret,
                     "%s: cannot be opened for writing (%s); check the folder's owner and "
                     "rights and the free space",
                     path, strerror(-r));
}

static void sqlite_close(struct store_backend *backend) {
    struct sqlite_backend *self = self_of(backend);
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(self->prepared[i]);
        self->prepared[i] = NULL;
    }
    sqlite3_close(self->db);
    self->db = NULL;
}

static int sqlite_open(struct store_backend *backend, const char *path, struct buffer *ret_error) {
    struct sqlite_backend *self = self_of(backend);
    int64_t version = 0;
    int r = open_file(self, path, &version);
    if (r == 0 && version < 0)
        r = STORE_CORRUPT;
    else if (r == 0 && version > VERSION)
        r = STORE_NEWER;
    if (r == 0)
        r = check(self);
    if (r == 0)
        r = migrate(self, version);
    if (r == 0)
        r = prepare_all(self);
    if (r == 0)
        return 0;
    say(ret_error, path, r, version);
    sqlite_close(backend);
    return r;
}

static void sqlite_free(struct store_backend *backend) {
    free(backend);
}

static void bind_text(sqlite3_stmt *statement, int place, const char *text) {
    if (text)
        sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, place);
}

static int run(struct sqlite_backend *self, enum statement which) {
    sqlite3_stmt *statement = self->prepared[which];
    errno = 0; /* SQLite does not keep the cause of every failed write */
    int code = sqlite3_step(statement);
    int r = result_of(self->db, code);
    sqlite3_reset(statement);
    /* Bindings borrow from the record: they must not outlive it. */
    sqlite3_clear_bindings(statement);
    return r > 0 ? -EIO : r;
}

static void bind_alert(sqlite3_stmt *statement, const struct alert *alert) {
    const int64_t values[] = {alert->id,
                              (int64_t)alert->priority,
                              (int64_t)alert->state,
                              alert->created_ms,
                              alert->next_ms,
                              alert->ended_ms,
                              alert->chat,
                              alert->attempts,
                              alert->part,
                              (alert->maybe_sent ? FLAG_MAYBE_SENT : 0) |
                                  (alert->plain ? FLAG_PLAIN : 0)};
    for (int i = 0; i < (int)COUNT_OF(values); i++)
        sqlite3_bind_int64(statement, i + 1, values[i]);
}

static int apply_alert(struct sqlite_backend *self, const struct alert *alert, bool is_new) {
    enum statement which = is_new ? ALERT : ALERT_CHANGE;
    sqlite3_stmt *statement = self->prepared[which];
    bind_alert(statement, alert);
    if (!is_new) {
        bind_text(statement, 11, alert->reason);
        return run(self, which);
    }
    const char *const texts[] = {alert->title,   alert->text,      alert->type,
                                 alert->service, alert->dedup_key, alert->reason};
    for (int i = 0; i < (int)COUNT_OF(texts); i++)
        bind_text(statement, 11 + i, texts[i]);
    return run(self, which);
}

static int apply_update(struct sqlite_backend *self, const struct record *record) {
    sqlite3_stmt *statement = self->prepared[UPDATE];
    bind_text(statement, 1, record->bot);
    const int64_t values[] = {record->seq, record->id, record->epoch, record->at_ms,
                              (int64_t)record->mask};
    for (int i = 0; i < (int)COUNT_OF(values); i++)
        sqlite3_bind_int64(statement, i + 2, values[i]);
    sqlite3_bind_blob64(statement, 7, record->body, record->body_bytes, SQLITE_STATIC);
    return run(self, UPDATE);
}

static int apply_bot(struct sqlite_backend *self, const struct record *record) {
    sqlite3_stmt *statement = self->prepared[BOT];
    bind_text(statement, 1, record->bot);
    const int64_t values[] = {record->id, record->offset, record->epoch, record->at_ms};
    for (int i = 0; i < (int)COUNT_OF(values); i++)
        sqlite3_bind_int64(statement, i + 2, values[i]);
    return run(self, BOT);
}

static int apply_consumer(struct sqlite_backend *self, const struct record *record) {
    sqlite3_stmt *statement = self->prepared[CONSUMER];
    bind_text(statement, 1, record->bot);
    bind_text(statement, 2, record->consumer);
    const int64_t values[] = {record->slot,          record->seq,   record->epoch,
                              (int64_t)record->mask, record->at_ms, record->offset};
    for (int i = 0; i < (int)COUNT_OF(values); i++)
        sqlite3_bind_int64(statement, i + 3, values[i]);
    return run(self, CONSUMER);
}

static int apply_drop(struct sqlite_backend *self, const struct record *record) {
    if (record->kind == RECORD_ALERTS_DROP) {
        sqlite3_bind_int64(self->prepared[ALERTS_DROP], 1, record->at_ms);
        return run(self, ALERTS_DROP);
    }
    enum statement which = record->kind == RECORD_UPDATES_DROP ? UPDATES_DROP : CONSUMER_DROP;
    bind_text(self->prepared[which], 1, record->bot);
    if (which == UPDATES_DROP)
        sqlite3_bind_int64(self->prepared[which], 2, record->seq);
    else
        bind_text(self->prepared[which], 2, record->consumer);
    return run(self, which);
}

static int apply_chat(struct sqlite_backend *self, const struct record *record) {
    sqlite3_bind_int64(self->prepared[CHAT], 1, record->id);
    sqlite3_bind_int64(self->prepared[CHAT], 2, record->offset);
    return run(self, CHAT);
}

static int sqlite_apply(struct store_backend *backend, const struct record *record) {
    struct sqlite_backend *self = self_of(backend);
    must(record->kind < RECORD_SEEN); /* RECORD_SEEN is only read */
    switch (record->kind) {
    case RECORD_BOT:
        return apply_bot(self, record);
    case RECORD_UPDATE:
        return apply_update(self, record);
    case RECORD_CONSUMER:
        return apply_consumer(self, record);
    case RECORD_ALERT:
    case RECORD_ALERT_CHANGE:
        return apply_alert(self, &record->alert, record->kind == RECORD_ALERT);
    case RECORD_UPDATES_DROP:
    case RECORD_CONSUMER_DROP:
    case RECORD_ALERTS_DROP:
        return apply_drop(self, record);
    case RECORD_CHAT:
        return apply_chat(self, record);
    default:
        break;
    }
    return -EINVAL;
}

static int sqlite_begin(struct store_backend *backend) {
    return run(self_of(backend), BEGIN);
}

static int sqlite_commit(struct store_backend *backend) {
    return run(self_of(backend), COMMIT);
}

static char *column_text(sqlite3_stmt *statement, int column) {
    return text_copy((const char *)sqlite3_column_text(statement, column));
}

static struct alert read_alert(sqlite3_stmt *s) {
    int64_t flags = sqlite3_column_int64(s, 9);
    int priority = sqlite3_column_int(s, 1), state = sqlite3_column_int(s, 2);
    return (struct alert){
        .id = sqlite3_column_int64(s, 0),
        .priority =
            (enum alert_priority)(priority < 0 || priority >= ALERT_PRIORITIES ? 0 : priority),
        .state = (enum alert_state)(state < 0 || state >= ALERT_STATES ? ALERT_FAILED : state),
        .created_ms = sqlite3_column_int64(s, 3),
        .next_ms = sqlite3_column_int64(s, 4),
        .ended_ms = sqlite3_column_int64(s, 5),
        .chat = sqlite3_column_int64(s, 6),
        .attempts = (uint32_t)sqlite3_column_int64(s, 7),
        .part = (uint32_t)sqlite3_column_int64(s, 8),
        .maybe_sent = (flags & FLAG_MAYBE_SENT) != 0,
        .plain = (flags & FLAG_PLAIN) != 0,
        .title = column_text(s, 10),
        .text = sqlite3_column_text(s, 11) ? column_text(s, 11) : text_copy(""),
        .type = column_text(s, 12),
        .service = column_text(s, 13),
        .dedup_key = column_text(s, 14),
        .reason = column_text(s, 15),
    };
}

static int sqlite_find(struct store_backend *backend, const struct store_query *query,
                       struct alert **ret_list, size_t *ret_count) {
    struct sqlite_backend *self = self_of(backend);
    const char *text =
        query->id ? "SELECT * FROM alerts WHERE id=?1 LIMIT ?4"
        : query->state >= 0
            ? "SELECT * FROM alerts WHERE state=?2 AND id<?3 ORDER BY id DESC LIMIT ?4"
            : "SELECT * FROM alerts WHERE id<?3 ORDER BY id DESC LIMIT ?4";
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(self->db, text, -1, &s, NULL);
    struct alert *list = memory_array(query->limit, sizeof *list);
    size_t count = 0;
    if (code == SQLITE_OK) {
        sqlite3_bind_int64(s, 1, query->id);
        sqlite3_bind_int(s, 2, query->state);
        sqlite3_bind_int64(s, 3, query->before ? query->before : INT64_MAX);
        sqlite3_bind_int64(s, 4, query->limit);
        while (count < query->limit && (code = sqlite3_step(s)) == SQLITE_ROW)
            list[count++] = read_alert(s);
    }
    sqlite3_finalize(s);
    *ret_list = list;
    *ret_count = count;
    int r = result_of(self->db, code);
    return r > 0 ? -EIO : r;
}

static void read_bot(sqlite3_stmt *s, struct record *ret) {
    ret->bot = column_text(s, 0);
    ret->id = sqlite3_column_int64(s, 1);
    ret->offset = sqlite3_column_int64(s, 2);
    ret->epoch = sqlite3_column_int64(s, 3);
    ret->at_ms = sqlite3_column_int64(s, 4);
}

static void read_consumer(sqlite3_stmt *s, struct record *ret) {
    ret->bot = column_text(s, 0);
    ret->consumer = column_text(s, 1);
    ret->slot = (uint32_t)sqlite3_column_int64(s, 2);
    ret->seq = sqlite3_column_int64(s, 3);
    ret->epoch = sqlite3_column_int64(s, 4);
    ret->mask = (uint64_t)sqlite3_column_int64(s, 5);
    ret->at_ms = sqlite3_column_int64(s, 6);
    ret->offset = sqlite3_column_int64(s, 7);
}

static void read_update(sqlite3_stmt *s, struct record *ret) {
    ret->bot = column_text(s, 0);
    ret->seq = sqlite3_column_int64(s, 1);
    ret->id = sqlite3_column_int64(s, 2);
    ret->epoch = sqlite3_column_int64(s, 3);
    ret->at_ms = sqlite3_column_int64(s, 4);
    ret->mask = (uint64_t)sqlite3_column_int64(s, 5);
    ret->body_bytes = (size_t)sqlite3_column_bytes(s, 6);
    ret->body = text_copy_n(sqlite3_column_blob(s, 6), ret->body_bytes);
}

static void read_alert_record(sqlite3_stmt *s, struct record *ret) {
    ret->alert = read_alert(s);
}

static void read_chat(sqlite3_stmt *s, struct record *ret) {
    ret->id = sqlite3_column_int64(s, 0);
    ret->offset = sqlite3_column_int64(s, 1);
}

static void read_seen(sqlite3_stmt *s, struct record *ret) {
    ret->id = sqlite3_column_int64(s, 0);
}

struct load {
    enum record_kind kind;
    const char *text;
    void (*read)(sqlite3_stmt *s, struct record *ret);
};
/* In this order: engines know a bot and its consumers before its updates. Alerts that ended are
 * loaded only while they count for the dedup window. */
static const struct load loads[] = {
    {RECORD_BOT, "SELECT * FROM bots", read_bot},
    {RECORD_CONSUMER, "SELECT * FROM consumers ORDER BY bot, slot", read_consumer},
    {RECORD_UPDATE, "SELECT * FROM updates ORDER BY bot, seq", read_update},
    {RECORD_CHAT, "SELECT * FROM chats", read_chat},
    {RECORD_SEEN, "SELECT coalesce(max(id), 0) FROM alerts", read_seen},
    {RECORD_ALERT,
     "SELECT * FROM alerts WHERE state<2 OR created>="
     "(SELECT coalesce(max(created), 0) - 300000 FROM alerts) ORDER BY id",
     read_alert_record},
};

static int sqlite_load(struct store_backend *backend,
                       void (*each)(void *context, const struct record *record), void *context) {
    struct sqlite_backend *self = self_of(backend);
    int code = SQLITE_DONE;
    for (size_t i = 0; i < COUNT_OF(loads) && code == SQLITE_DONE; i++) {
        sqlite3_stmt *s = NULL;
        code = sqlite3_prepare_v2(self->db, loads[i].text, -1, &s, NULL);
        while (s && (code = sqlite3_step(s)) == SQLITE_ROW) {
            struct record record = {.kind = loads[i].kind};
            loads[i].read(s, &record);
            each(context, &record);
            record_deinit(&record);
        }
        sqlite3_finalize(s);
    }
    int r = result_of(self->db, code);
    return r > 0 ? -EIO : r;
}

struct store_backend *store_sqlite_new(void) {
    struct sqlite_backend *self = memory_new(sizeof *self);
    self->base = (struct store_backend){.open = sqlite_open,
                                        .load = sqlite_load,
                                        .begin = sqlite_begin,
                                        .apply = sqlite_apply,
                                        .commit = sqlite_commit,
                                        .find = sqlite_find,
                                        .close = sqlite_close,
                                        .free = sqlite_free};
    return &self->base;
}
