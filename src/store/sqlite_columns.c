/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a struct to columns of a table, and back. */
#include "base/decimal.h"
#include "store/sqlite_schema.h"
#include <errno.h>

static void bind(sqlite3_stmt *statement, int place, const struct sqlite_column *column,
                 const void *value) {
    char text[DECIMAL_TEXT_BYTES];
    switch (column->kind) {
    case INT64:
        sqlite3_bind_int64(statement, place, *(const int64_t *)value);
        return;
    case UINT32:
        sqlite3_bind_int64(statement, place, *(const uint32_t *)value);
        return;
    case ENUM:
        sqlite3_bind_int(statement, place, *(const int *)value);
        return;
    case BOOL:
        sqlite3_bind_int(statement, place, *(const bool *)value);
        return;
    case TEXT:
        sqlite_bind_text(statement, place, value);
        return;
    case OWNED:
        sqlite_bind_text(statement, place, *(char *const *)value);
        return;
    case DECIMAL:
        decimal_print(*(const struct decimal *)value, text);
        sqlite3_bind_text(statement, place, text, -1, SQLITE_TRANSIENT);
        return;
    }
}

void sqlite_bind_columns(sqlite3_stmt *statement, const struct sqlite_column *columns, int count,
                         const void *object) {
    for (int i = 0; i < count; i++)
        bind(statement, i + 1, &columns[i], (const char *)object + columns[i].offset);
}

static bool read_text(sqlite3_stmt *row, int place, char *ret, size_t size) {
    const char *text = (const char *)sqlite3_column_text(row, place);
    size_t length = text ? strlen(text) : size;
    if (length >= size)
        return false;
    memcpy(ret, text, length + 1);
    return true;
}

static bool read_decimal(sqlite3_stmt *row, int place, struct decimal *ret) {
    return decimal_read(slice_of((const char *)sqlite3_column_text(row, place)), ret) == 0;
}

static bool read_column(sqlite3_stmt *row, int place, const struct sqlite_column *column,
                        void *ret) {
    int64_t number = sqlite3_column_int64(row, place);
    switch (column->kind) {
    case INT64:
        *(int64_t *)ret = number;
        return true;
    case UINT32:
        *(uint32_t *)ret = (uint32_t)number;
        return number >= 0 && number <= UINT32_MAX;
    case ENUM:
        *(int *)ret = (int)number;
        return number >= 0 && number < column->limit;
    case BOOL:
        *(bool *)ret = number != 0;
        return true;
    case TEXT:
        return read_text(row, place, ret, column->size);
    case OWNED:
        *(char **)ret = sqlite_text(row, place);
        return true;
    case DECIMAL:
        return read_decimal(row, place, ret);
    }
    return false;
}

int sqlite_read_columns(sqlite3_stmt *row, const struct sqlite_column *columns, int count,
                        void *object) {
    for (int i = 0; i < count; i++)
        if (!read_column(row, i, &columns[i], (char *)object + columns[i].offset))
            return -EBADMSG;
    return 0;
}
