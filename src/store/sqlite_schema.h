/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_schema.h - what differs between the stores of two programs: their tables. Opening,
 * locking, migrating and transactions are the same (store_sqlite.c). For this folder only. */
#pragma once
#include "store/backend.h"
#include <sqlite3.h>

enum { SQLITE_STATEMENTS_MAX = 24 };

struct sqlite_backend;
struct sqlite_load {
    enum record_kind kind;
    const char *text;
    /* The record has its kind, nothing more. -EBADMSG: the row is none of ours. */
    int (*read)(sqlite3_stmt *row, struct record *ret);
};
struct sqlite_schema {
    const char *program;           /* whose store it is, for people */
    const char *const *migrations; /* [n] brings version n to n + 1 */
    int version;                   /* = count of migrations */
    const char *const *statements; /* prepared once, then sqlite_run() by their index */
    int statement_count;
    const struct sqlite_load *loads; /* in this order */
    size_t load_count;
    int (*apply)(struct sqlite_backend *self, const struct record *record);
    int (*find)(struct sqlite_backend *self, const struct store_query *query,
                struct alert **ret_list, size_t *ret_count); /* NULL: there is nothing to find */
};
struct sqlite_backend {
    struct store_backend base;
    const struct sqlite_schema *schema;
    sqlite3 *db;
    bool is_checked;             /* since this start */
    int log_pages, tidied_pages; /* in the log, and of them when it was last tried to empty it */
    sqlite3_stmt *begin, *commit, *prepared[SQLITE_STATEMENTS_MAX];
};
struct store_backend *sqlite_new(const struct sqlite_schema *schema); /* borrows the schema */

int sqlite_result(sqlite3 *db, int code); /* SQLite's answer as ours */
/* Runs prepared[which] with what was bound, and unbinds it. 0 or -errno. */
MUST_CHECK int sqlite_run(struct sqlite_backend *self, unsigned which);
/* NULL is NULL. The text must stay until sqlite_run(). */
void sqlite_bind_text(sqlite3_stmt *statement, int place, const char *text);
char *sqlite_text(sqlite3_stmt *row, int column); /* a copy; NULL is NULL */

/* A member of a struct as a column: TEXT is char[], OWNED is char *, ENUM is below `limit`. */
enum sqlite_column_kind { INT64, UINT32, BOOL, ENUM, TEXT, OWNED, DECIMAL };
struct sqlite_column {
    enum sqlite_column_kind kind;
    int limit;
    size_t offset, size;
};
#define SQLITE_COLUMN(kind, type, member)                                                          \
    { kind, 0, offsetof(type, member), sizeof(((type *)NULL)->member) }
#define SQLITE_ENUM(limit, type, member)                                                           \
    { ENUM, limit, offsetof(type, member), sizeof(int) }
/* The columns are places 1 to `count` of the statement, 0 to count - 1 of the row. */
void sqlite_bind_columns(sqlite3_stmt *statement, const struct sqlite_column *columns, int count,
                         const void *object);
/* -EBADMSG: a value that the member cannot have. */
MUST_CHECK int sqlite_read_columns(sqlite3_stmt *row, const struct sqlite_column *columns,
                                   int count, void *object);
