/* SPDX-License-Identifier: Apache-2.0 */
/* What the trader keeps: orders, fills, positions, dialogs, outbox, facts. Each table is described
 * once by its columns, in the order of the file and of the statements; writing and reading go by
 * the same description. */
#include "store/sqlite_schema.h"
#include "store/store_sqlite.h"
#include <errno.h>

/* Never change one that was released: add. Enums are kept as their numbers; those never change
 * either. Decimals are texts: SQLite's REAL is a double. */
static const char *const migrations[] = {
    "CREATE TABLE orders(id INTEGER PRIMARY KEY, link_id TEXT NOT NULL, exchange_id TEXT NOT NULL,"
    "  symbol TEXT NOT NULL, side INTEGER NOT NULL, type INTEGER NOT NULL,"
    "  reduce_only INTEGER NOT NULL, qty TEXT NOT NULL, price TEXT NOT NULL, stop TEXT NOT NULL,"
    "  take TEXT NOT NULL, state INTEGER NOT NULL, cancel_wanted INTEGER NOT NULL,"
    "  filled TEXT NOT NULL, average_price TEXT NOT NULL, created INTEGER NOT NULL,"
    "  updated INTEGER NOT NULL, ended INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    "  chat INTEGER NOT NULL, user INTEGER NOT NULL, cause INTEGER NOT NULL,"
    "  reason TEXT NOT NULL);"
    "CREATE TABLE fills(exec_id TEXT PRIMARY KEY, exchange_id TEXT NOT NULL,"
    "  link_id TEXT NOT NULL, symbol TEXT NOT NULL, side INTEGER NOT NULL, price TEXT NOT NULL,"
    "  qty TEXT NOT NULL, fee TEXT NOT NULL, closed_qty TEXT NOT NULL, source INTEGER NOT NULL,"
    "  at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE positions(symbol TEXT PRIMARY KEY, phase INTEGER NOT NULL,"
    "  side INTEGER NOT NULL, size TEXT NOT NULL, entry_price TEXT NOT NULL, stop TEXT NOT NULL,"
    "  take TEXT NOT NULL, stop_wanted TEXT NOT NULL, take_wanted TEXT NOT NULL,"
    "  leverage TEXT NOT NULL, unrealised TEXT NOT NULL, opened INTEGER NOT NULL,"
    "  updated INTEGER NOT NULL, closed INTEGER NOT NULL, chat INTEGER NOT NULL,"
    "  unprotected INTEGER NOT NULL, unprotected_told INTEGER NOT NULL, opened_qty TEXT NOT NULL,"
    "  closed_qty TEXT NOT NULL, closed_value TEXT NOT NULL, closed_cost TEXT NOT NULL, fees TEXT "
    "NOT NULL, closed_by INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE dialogs(id INTEGER PRIMARY KEY, user INTEGER NOT NULL, chat INTEGER NOT NULL,"
    "  step INTEGER NOT NULL, side INTEGER NOT NULL, symbol TEXT NOT NULL, entry TEXT NOT NULL,"
    "  stop TEXT NOT NULL, take TEXT NOT NULL, qty TEXT NOT NULL, risk TEXT NOT NULL,"
    "  deadline INTEGER NOT NULL);"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, priority INTEGER NOT NULL,"
    "  chat INTEGER NOT NULL, type TEXT NOT NULL, text TEXT NOT NULL, markup TEXT,"
    "  created INTEGER NOT NULL);"
    "CREATE TABLE facts(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"};

/* --- columns ------------------------------------------------------------------------------ */

#define COLUMN(kind, member) SQLITE_COLUMN(kind, struct trade_record, member)
#define ENUM_COLUMN(limit, member) SQLITE_ENUM(limit, struct trade_record, member)

static const struct sqlite_column order_columns[] = {
    COLUMN(INT64, order.id),
    COLUMN(TEXT, order.link_id),
    COLUMN(TEXT, order.exchange_id),
    COLUMN(TEXT, order.symbol),
    ENUM_COLUMN(SIDE_SELL + 1, order.side),
    ENUM_COLUMN(ORDER_MARKET + 1, order.type),
    COLUMN(BOOL, order.reduce_only),
    COLUMN(DECIMAL, order.qty),
    COLUMN(DECIMAL, order.price),
    COLUMN(DECIMAL, order.stop),
    COLUMN(DECIMAL, order.take),
    ENUM_COLUMN(ORDER_STATES, order.state),
    COLUMN(BOOL, order.cancel_wanted),
    COLUMN(DECIMAL, order.filled),
    COLUMN(DECIMAL, order.average_price),
    COLUMN(INT64, order.created_ms),
    COLUMN(INT64, order.updated_ms),
    COLUMN(INT64, order.ended_ms),
    COLUMN(UINT32, order.attempts),
    COLUMN(INT64, order.chat),
    COLUMN(INT64, order.user),
    COLUMN(INT64, order.cause),
    COLUMN(TEXT, order.reason),
};
static const struct sqlite_column fill_columns[] = {
    COLUMN(TEXT, fill.exec_id),
    COLUMN(TEXT, fill.exchange_id),
    COLUMN(TEXT, fill.link_id),
    COLUMN(TEXT, fill.symbol),
    ENUM_COLUMN(SIDE_SELL + 1, fill.side),
    COLUMN(DECIMAL, fill.price),
    COLUMN(DECIMAL, fill.qty),
    COLUMN(DECIMAL, fill.fee),
    COLUMN(DECIMAL, fill.closed_qty),
    ENUM_COLUMN(FILL_SOURCES, fill.source),
    COLUMN(INT64, fill.at_ms),
};
static const struct sqlite_column position_columns[] = {
    COLUMN(TEXT, position.symbol),
    ENUM_COLUMN(POSITION_PHASES, position.phase),
    ENUM_COLUMN(SIDE_SELL + 1, position.side),
    COLUMN(DECIMAL, position.size),
    COLUMN(DECIMAL, position.entry_price),
    COLUMN(DECIMAL, position.stop),
    COLUMN(DECIMAL, position.take),
    COLUMN(DECIMAL, position.stop_wanted),
    COLUMN(DECIMAL, position.take_wanted),
    COLUMN(DECIMAL, position.leverage),
    COLUMN(DECIMAL, position.unrealised),
    COLUMN(INT64, position.opened_ms),
    COLUMN(INT64, position.updated_ms),
    COLUMN(INT64, position.closed_ms),
    COLUMN(INT64, position.chat),
    COLUMN(INT64, position.unprotected_ms),
    COLUMN(BOOL, position.unprotected_told),
    COLUMN(DECIMAL, position.opened_qty),
    COLUMN(DECIMAL, position.closed_qty),
    COLUMN(DECIMAL, position.closed_value),
    COLUMN(DECIMAL, position.closed_cost),
    COLUMN(DECIMAL, position.fees),
    ENUM_COLUMN(FILL_SOURCES, position.closed_by),
};
static const struct sqlite_column dialog_columns[] = {
    COLUMN(INT64, dialog.id),
    COLUMN(INT64, dialog.user),
    COLUMN(INT64, dialog.chat),
    ENUM_COLUMN(DIALOG_STEPS, dialog.step),
    ENUM_COLUMN(SIDE_SELL + 1, dialog.side),
    COLUMN(TEXT, dialog.symbol),
    COLUMN(DECIMAL, dialog.entry),
    COLUMN(DECIMAL, dialog.stop),
    COLUMN(DECIMAL, dialog.take),
    COLUMN(DECIMAL, dialog.qty),
    COLUMN(DECIMAL, dialog.risk),
    COLUMN(INT64, dialog.deadline_ms),
};
static const struct sqlite_column outbox_columns[] = {
    COLUMN(INT64, outbox.id),
    ENUM_COLUMN(OUTBOX_SAY + 1, outbox.kind),
    ENUM_COLUMN(ALERT_PRIORITIES, outbox.priority),
    COLUMN(INT64, outbox.chat),
    COLUMN(TEXT, outbox.type),
    COLUMN(OWNED, outbox.text),
    COLUMN(OWNED, outbox.markup),
    COLUMN(INT64, outbox.created_ms),
};
static const struct sqlite_column fact_columns[] = {COLUMN(TEXT, fact.name),
                                                    COLUMN(INT64, fact.value)};

/* --- kinds of records ---------------------------------------------------------------------- */

enum statement {
    ORDER,
    FILL,
    POSITION,
    DIALOG,
    DIALOG_DROP,
    OUTBOX,
    OUTBOX_DROP,
    FACT,
    STATEMENTS
};
static const char *const statements[STATEMENTS] = {
    [ORDER] = "INSERT OR REPLACE INTO orders VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,"
              "?15,?16,?17,?18,?19,?20,?21,?22,?23)",
    [FILL] = "INSERT INTO fills VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"
             " ON CONFLICT(exec_id) DO NOTHING",
    [POSITION] = "INSERT OR REPLACE INTO positions VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,"
                 "?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23)",
    [DIALOG] = "INSERT OR REPLACE INTO dialogs VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
    [DIALOG_DROP] = "DELETE FROM dialogs WHERE id=?1",
    [OUTBOX] = "INSERT OR REPLACE INTO outbox VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [OUTBOX_DROP] = "DELETE FROM outbox WHERE id=?1",
    [FACT] = "INSERT OR REPLACE INTO facts VALUES(?1,?2)",
};

struct kind {
    enum statement statement;
    const struct sqlite_column *columns;
    int count; /* a drop has the first column, its key, alone */
};
#define KIND(statement, columns)                                                                   \
    { statement, columns, COUNT_OF(columns) }
static const struct kind kinds[RECORD_KINDS] = {
    [RECORD_ORDER] = KIND(ORDER, order_columns),
    [RECORD_FILL] = KIND(FILL, fill_columns),
    [RECORD_POSITION] = KIND(POSITION, position_columns),
    [RECORD_DIALOG] = KIND(DIALOG, dialog_columns),
    [RECORD_DIALOG_DROP] = {DIALOG_DROP, dialog_columns, 1},
    [RECORD_OUTBOX] = KIND(OUTBOX, outbox_columns),
    [RECORD_OUTBOX_DROP] = {OUTBOX_DROP, outbox_columns, 1},
    [RECORD_FACT] = KIND(FACT, fact_columns),
};

/* --- writing ------------------------------------------------------------------------------ */

static int apply(struct sqlite_backend *self, const struct record *record) {
    must(record->kind >= RECORD_ORDER && record->kind < RECORD_KINDS);
    const struct kind *kind = &kinds[record->kind];
    sqlite_bind_columns(self->prepared[kind->statement], kind->columns, kind->count, record->trade);
    return sqlite_run(self, kind->statement);
}

/* --- reading ------------------------------------------------------------------------------ */

/* A size or a state that cannot be read must not become zero: without it there is no start. */
static int read_trade(sqlite3_stmt *row, struct record *ret) {
    const struct kind *kind = &kinds[ret->kind];
    ret->trade = memory_new(sizeof *ret->trade);
    return sqlite_read_columns(row, kind->columns, kind->count, ret->trade);
}

/* Facts first: they say how the rest is meant. What ended long ago stays in the file only. */
static const struct sqlite_load loads[] = {
    {RECORD_FACT, "SELECT * FROM facts ORDER BY name", read_trade},
    {RECORD_ORDER,
     "SELECT * FROM orders WHERE state<3 OR id IN"
     " (SELECT id FROM orders ORDER BY id DESC LIMIT 1000) ORDER BY id",
     read_trade},
    {RECORD_FILL,
     "SELECT * FROM (SELECT * FROM fills ORDER BY at DESC, exec_id DESC LIMIT 5000)"
     " ORDER BY at, exec_id",
     read_trade},
    {RECORD_POSITION, "SELECT * FROM positions ORDER BY symbol", read_trade},
    {RECORD_DIALOG, "SELECT * FROM dialogs ORDER BY id", read_trade},
    {RECORD_OUTBOX, "SELECT * FROM outbox ORDER BY id", read_trade},
};
_Static_assert(ORDER_FILLED == 3 && ORDER_STATES == 6, "the load of orders knows which have ended");

struct store_backend *store_sqlite_new_trader(void) {
    static const struct sqlite_schema schema = {.program = "holdfast-trader",
                                                .migrations = migrations,
                                                .version = COUNT_OF(migrations),
                                                .statements = statements,
                                                .statement_count = STATEMENTS,
                                                .loads = loads,
                                                .load_count = COUNT_OF(loads),
                                                .apply = apply};
    return sqlite_new(&schema);
}
