/*
 * Cursor over an operator's SELECT. It owns the connection until it is closed; a mistake in the text is a mistake of the
 * configuration, not ours.
 */
#include "lib/base/check.h"
#include "lib/db/db_private.h"

#include "lib/base/banned.h"

struct db_cursor {
    struct db *db; /* borrowed, busy while the cursor is open */
    void *engine;  /* owned */
};

int db_cursor_open(struct db *db, const char *sql, struct db_cursor **ret_cursor, struct err *err)
{
    if (!db->read_only)
        return err_set(err, E_INTERNAL, "", "cursor on a connection that may write");
    if (db->busy || db->depth > 0)
        return err_set(err, E_INTERNAL, "", "cursor on a connection that is in use");
    struct db_cursor *cursor = calloc(1, sizeof(*cursor));
    if (cursor == NULL)
        return err_set(err, E_NO_MEMORY, "", "cursor");
    cursor->db = db;
    if (db->ops->ready(db, err) < 0 || db->ops->cursor_open(db, sql, &cursor->engine, err) < 0) {
        free(cursor);
        if (err->code == E_INTERNAL)
            err->code = E_CONFIG;
        return err_ret(err);
    }
    db->busy = true;
    *ret_cursor = cursor;
    return 0;
}

void db_cursor_close(struct db_cursor **cursor)
{
    if (*cursor == NULL)
        return;
    (*cursor)->db->ops->cursor_close((*cursor)->db, &(*cursor)->engine);
    (*cursor)->db->busy = false;
    free(*cursor);
    *cursor = NULL;
}

unsigned db_cursor_columns(const struct db_cursor *cursor)
{
    return cursor->db->ops->cursor_columns(cursor->engine);
}

struct str db_cursor_name(const struct db_cursor *cursor, unsigned column)
{
    CHECK(column < db_cursor_columns(cursor));
    return str_c(cursor->db->ops->cursor_name(cursor->engine, column));
}

bool db_cursor_is_number(const struct db_cursor *cursor, unsigned column)
{
    CHECK(column < db_cursor_columns(cursor));
    return cursor->db->ops->cursor_is_number(cursor->engine, column);
}

enum db_result db_cursor_next(struct db_cursor *cursor, struct err *err)
{
    enum db_result r = cursor->db->ops->cursor_next(cursor->db, cursor->engine, err);

    if (r == DB_FAIL && err->code == E_INTERNAL)
        err->code = E_CONFIG;
    return r;
}

struct str db_cursor_value(const struct db_cursor *cursor, unsigned column)
{
    CHECK(column < db_cursor_columns(cursor));
    return cursor->db->ops->cursor_value(cursor->engine, column);
}
