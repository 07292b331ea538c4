/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite_schema.h"
#include <errno.h>
#include <unistd.h>

/* So small that the log's first pages are written over and over: that is cheaper than a growing
 * file. Under load it may grow to what journal_size_limit allows. */
enum { TIDY_PAGES_IDLE = 64, TIDY_PAGES_BUSY = 4000 };

static struct sqlite_backend *self_of(struct store_backend *backend) {
    return (struct sqlite_backend *)backend;
}

int sqlite_result(sqlite3 *db, int code) {
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
        return full ? -ENOSPC : error == EROFS ? -EROFS : -EIO;
    }
    }
}

static int execute(struct sqlite_backend *self, const char *text) {
    return sqlite_result(self->db, sqlite3_exec(self->db, text, NULL, NULL, NULL));
}

static int read_int(struct sqlite_backend *self, const char *text, int64_t *ret) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(self->db, text, -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return sqlite_result(self->db, code);
}

static int migrate(struct sqlite_backend *self, int64_t from) {
    const int target = self->schema->version;
    if (from == target)
        return 0;
    int r = execute(self, "BEGIN IMMEDIATE");
    for (int64_t version = from; r == 0 && version < target; version++)
        r = execute(self, self->schema->migrations[version]);
    char text[64];
    sqlite3_snprintf(sizeof text, text, "PRAGMA user_version=%d; COMMIT", target);
    return r == 0 ? execute(self, text) : r;
}

/* A damaged page is better found now, with the file still as it is, than in the middle of the
 * night. quick_check reads the whole file: once a start, not each time that a full disk refuses. */
static int check(struct sqlite_backend *self) {
    if (self->is_checked)
        return 0;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(self->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    bool good = false;
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        good = strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    int r = sqlite_result(self->db, code);
    self->is_checked = r == 0 && good;
    return r != 0 ? r : good ? 0 : STORE_CORRUPT;
}

static int prepare(struct sqlite_backend *self, const char *text, sqlite3_stmt **ret) {
    int code = sqlite3_prepare_v3(self->db, text, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
    if (code == SQLITE_OK)
        return 0;
    return sqlite_result(self->db, code) ? sqlite_result(self->db, code) : -EIO;
}

static int prepare_all(struct sqlite_backend *self) {
    const struct sqlite_schema *schema = self->schema;
    int r = prepare(self, "BEGIN IMMEDIATE", &self->begin);
    if (r == 0)
        r = prepare(self, "COMMIT", &self->commit);
    for (int i = 0; i < schema->statement_count && r == 0; i++)
        r = prepare(self, schema->statements[i], &self->prepared[i]);
    return r;
}

static int on_commit(void *context, sqlite3 *db, const char *name, int pages) {
    struct sqlite_backend *self = context;
    self->log_pages = pages;
    return SQLITE_OK;
}

static int open_file(struct sqlite_backend *self, const char *path, int64_t *version) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int r = sqlite_result(self->db, sqlite3_open_v2(path, &self->db, flags, NULL));
    if (r == 0 && sqlite3_db_readonly(self->db, "main") == 1)
        r = -EROFS; /* it falls back to that, and would fail at the lock in words of its own */
    if (r == 0)
        r = sqlite_result(self->db, sqlite3_extended_result_codes(self->db, 1));
    /* Exclusive: two writing programs on one file starve each other. The lock is taken by the first
     * read and kept; a second program is told at once. */
    if (r == 0)
        r = execute(self, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
                          "PRAGMA journal_size_limit=16777216; BEGIN IMMEDIATE; COMMIT;");
    if (r == 0)
        sqlite3_wal_hook(self->db, on_commit, self); /* instead of the automatic checkpoint */
    return r == 0 ? read_int(self, "PRAGMA user_version", version) : r;
}

static void say(const struct sqlite_schema *schema, const char *path, int r, int64_t version,
                struct buffer *ret) {
    if (r == STORE_CORRUPT)
        buffer_print(ret,
                     "%s: is damaged or not a store of Holdfast; it was left as it is. Move it "
                     "away to start empty, or put a backup in its place",
                     path);
    else if (r == STORE_NEWER)
        buffer_print(ret,
                     "%s: was written by a newer Holdfast (schema %lld, this one knows %d); it "
                     "was left as it is. Install that version again, or a later one",
                     path, (long long)version, schema->version);
    else if (r == STORE_BUSY)
        buffer_print(ret, "%s: is in use by another program; stop the other %s first", path,
                     schema->program);
    else
        buffer_print(ret,
                     "%s: cannot be opened for writing (%s); check the folder's owner and "
                     "rights and the free space",
                     path, strerror(-r));
}

static void sqlite_close(struct store_backend *backend) {
    struct sqlite_backend *self = self_of(backend);
    sqlite3_finalize(self->begin);
    sqlite3_finalize(self->commit);
    self->begin = self->commit = NULL;
    for (int i = 0; i < self->schema->statement_count; i++) {
        sqlite3_finalize(self->prepared[i]);
        self->prepared[i] = NULL;
    }
    sqlite3_close(self->db);
    self->db = NULL;
    self->log_pages = self->tidied_pages = 0;
}

static int sqlite_open(struct store_backend *backend, const char *path, struct buffer *ret_error) {
    struct sqlite_backend *self = self_of(backend);
    int64_t version = 0;
    int r = open_file(self, path, &version);
    if (r == 0 && version < 0)
        r = STORE_CORRUPT;
    else if (r == 0 && version > self->schema->version)
        r = STORE_NEWER;
    if (r == 0)
        r = check(self);
    if (r == 0)
        r = migrate(self, version);
    if (r == 0)
        r = prepare_all(self);
    if (r == 0)
        return 0;
    say(self->schema, path, r, version, ret_error);
    sqlite_close(backend);
    return r;
}

static void sqlite_free(struct store_backend *backend) {
    free(backend);
}

static int run(struct sqlite_backend *self, sqlite3_stmt *statement) {
    errno = 0; /* SQLite does not keep the cause of every failed write */
    int code = sqlite3_step(statement);
    int r = sqlite_result(self->db, code);
    sqlite3_reset(statement);
    /* Bindings borrow from the record: they must not outlive it. */
    sqlite3_clear_bindings(statement);
    return r == STORE_BUSY ? -EBUSY : r > 0 ? -EIO : r;
}

int sqlite_run(struct sqlite_backend *self, unsigned which) {
    return run(self, self->prepared[which]);
}

void sqlite_bind_text(sqlite3_stmt *statement, int place, const char *text) {
    if (text)
        sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, place);
}

char *sqlite_text(sqlite3_stmt *row, int column) {
    return text_copy((const char *)sqlite3_column_text(row, column));
}

static int sqlite_begin(struct store_backend *backend) {
    return run(self_of(backend), self_of(backend)->begin);
}

static int sqlite_commit(struct store_backend *backend) {
    return run(self_of(backend), self_of(backend)->commit);
}

/* The log into the file. While that fails (the file cannot grow) the log grows on, and it is tried
 * again as much later. */
static void sqlite_tidy(struct store_backend *backend, bool is_idle) {
    struct sqlite_backend *self = self_of(backend);
    int pages = is_idle ? TIDY_PAGES_IDLE : TIDY_PAGES_BUSY;
    if (self->log_pages < self->tidied_pages + pages)
        return;
    int code = sqlite3_wal_checkpoint_v2(self->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    self->tidied_pages = code == SQLITE_OK ? 0 : self->log_pages;
    if (code == SQLITE_OK)
        self->log_pages = 0;
}

static int sqlite_apply(struct store_backend *backend, const struct record *record) {
    struct sqlite_backend *self = self_of(backend);
    return self->schema->apply(self, record);
}

static int sqlite_find(struct store_backend *backend, const struct store_query *query,
                       struct alert **ret_list, size_t *ret_count) {
    struct sqlite_backend *self = self_of(backend);
    return self->schema->find ? self->schema->find(self, query, ret_list, ret_count) : -ENOTSUP;
}

static int load(struct sqlite_backend *self, const struct sqlite_load *load,
                void (*each)(void *context, const struct record *record), void *context) {
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(self->db, load->text, -1, &s, NULL), r = 0;
    while (r == 0 && s && (code = sqlite3_step(s)) == SQLITE_ROW) {
        struct record record = {.kind = load->kind};
        r = load->read(s, &record);
        if (r == 0)
            each(context, &record);
        record_deinit(&record);
    }
    sqlite3_finalize(s);
    return r ? r : sqlite_result(self->db, code);
}

static int sqlite_load(struct store_backend *backend,
                       void (*each)(void *context, const struct record *record), void *context) {
    struct sqlite_backend *self = self_of(backend);
    int r = 0;
    for (size_t i = 0; i < self->schema->load_count && r == 0; i++)
        r = load(self, &self->schema->loads[i], each, context);
    return r > 0 ? -EIO : r;
}

struct store_backend *sqlite_new(const struct sqlite_schema *schema) {
    struct sqlite_backend *self = memory_new(sizeof *self);
    must(schema->statement_count <= SQLITE_STATEMENTS_MAX);
    self->schema = schema;
    self->base = (struct store_backend){.open = sqlite_open,
                                        .load = sqlite_load,
                                        .begin = sqlite_begin,
                                        .apply = sqlite_apply,
                                        .commit = sqlite_commit,
                                        .tidy = sqlite_tidy,
                                        .find = sqlite_find,
                                        .close = sqlite_close,
                                        .free = sqlite_free};
    return &self->base;
}
