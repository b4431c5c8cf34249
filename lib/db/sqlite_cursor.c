/*
 * SQLite engine: cursor over an operator's SELECT on a read-only connection. Blobs come as \x and hex digits, as in PostgreSQL.
 */
#include "lib/base/buf.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/db/sqlite_private.h"

#include "lib/base/banned.h"

#define BLOB_BYTES MIB(16)

struct sqlite_cursor {
    sqlite3_stmt *stmt;
    struct buf *blobs; /* owned; one per column: the text of a blob in the current row */
};

int sqlite__cursor_open(struct db *db, const char *sql, void **ret_cursor, struct err *err)
{
    struct db_sqlite *s = sqlite_of(db);
    struct sqlite_cursor *c = calloc(1, sizeof(*c));
    const char *tail;

    if (c == NULL)
        return err_set(err, E_NO_MEMORY, "", "cursor");
    void *half_built = c;
    sqlite__start_deadline(s);
    if (sqlite3_prepare_v2(s->handle, sql, -1, &c->stmt, &tail) != SQLITE_OK)
        (void)sqlite__error(s, "", err);
    else if (c->stmt == NULL || sqlite3_column_count(c->stmt) == 0 ||
             sqlite3_stmt_readonly(c->stmt) == 0 || sqlite3_bind_parameter_count(c->stmt) != 0)
        (void)err_set(err, E_CONFIG, "", "the statement is not a SELECT without parameters");
    else if (str_trim(str_c(tail)).n > 0)
        (void)err_set(err, E_CONFIG, "", "more than one statement");
    else if ((c->blobs = calloc((size_t)sqlite3_column_count(c->stmt), sizeof(*c->blobs))) == NULL)
        (void)err_set(err, E_NO_MEMORY, "", "cursor");
    else {
        *ret_cursor = c;
        return 0;
    }
    sqlite__cursor_close(db, &half_built);
    return err_ret(err);
}

void sqlite__cursor_close(struct db *db, void **cursor)
{
    struct sqlite_cursor *c = *cursor;

    (void)db;
    for (int i = 0; c->blobs != NULL && i < sqlite3_column_count(c->stmt); i++)
        buf_done(&c->blobs[i]);
    free(c->blobs);
    (void)sqlite3_finalize(c->stmt);
    free(c);
    *cursor = NULL;
}

unsigned sqlite__cursor_columns(const void *cursor)
{
    const struct sqlite_cursor *c = cursor;

    return (unsigned)sqlite3_column_count(c->stmt);
}

const char *sqlite__cursor_name(const void *cursor, unsigned column)
{
    const struct sqlite_cursor *c = cursor;

    return sqlite3_column_name(c->stmt, (int)column);
}

/* Types belong to values here; an infinite float has no JSON form. */
bool sqlite__cursor_is_number(const void *cursor, unsigned column)
{
    const struct sqlite_cursor *c = cursor;
    double d;

    switch (sqlite3_column_type(c->stmt, (int)column)) {
    case SQLITE_INTEGER: return true;
    case SQLITE_FLOAT:
        d = sqlite3_column_double(c->stmt, (int)column);
        return __builtin_isfinite(d);
    default: return false;
    }
}

static enum db_result check_blobs(struct sqlite_cursor *c, struct err *err)
{
    for (int i = 0; i < sqlite3_column_count(c->stmt); i++)
        if (sqlite3_column_type(c->stmt, i) == SQLITE_BLOB &&
            (size_t)sqlite3_column_bytes(c->stmt, i) > BLOB_BYTES) {
            (void)err_set(err, E_LIMIT, "", "column '%s' holds more than %zu bytes",
                          sqlite3_column_name(c->stmt, i), BLOB_BYTES);
            return DB_FAIL;
        }
    return DB_ROW;
}

enum db_result sqlite__cursor_next(struct db *db, void *cursor, struct err *err)
{
    struct sqlite_cursor *c = cursor;

    sqlite__start_deadline(sqlite_of(db));
    switch (sqlite3_step(c->stmt)) {
    case SQLITE_ROW: return check_blobs(c, err);
    case SQLITE_DONE: return DB_NONE;
    default: (void)sqlite__error(sqlite_of(db), "", err); return DB_FAIL;
    }
}

struct str sqlite__cursor_value(void *cursor, unsigned column)
{
    struct sqlite_cursor *c = cursor;
    int i = (int)column;

    switch (sqlite3_column_type(c->stmt, i)) {
    case SQLITE_NULL: return STR_NONE;
    case SQLITE_BLOB: {
        struct buf *text = &c->blobs[column];
        const void *p = sqlite3_column_blob(c->stmt, i);
        text->max = 2 * BLOB_BYTES + 2;
        buf_reset(text);
        buf_add_c(text, "\\x");
        encode_hex(text, p, (size_t)sqlite3_column_bytes(c->stmt, i));
        return buf_str(text);
    }
    default: {
        const void *p = sqlite3_column_text(c->stmt, i);
        return str_n(p != NULL ? p : "", (size_t)sqlite3_column_bytes(c->stmt, i));
    }
    }
}
