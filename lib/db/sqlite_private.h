/*
 * lib/db/sqlite_private.h - shared by the files of the SQLite engine
 */
#pragma once

#include <sqlite3.h>

#include "lib/db/db_private.h"

struct db_sqlite {
    struct db db; /* first */
    sqlite3 *handle;
    int64_t deadline_us; /* monotonic; read-only connections stop a statement here */
    sqlite3_stmt
        *control[DB_UNDO + 1]
                [DB_MAX_DEPTH]; /* owned; BEGIN, SAVEPOINT … by depth, made when first used */
};

static inline struct db_sqlite *sqlite_of(struct db *db)
{
    return (struct db_sqlite *)db;
}

/* Sets *err from the handle's last error. */
int sqlite__error(struct db_sqlite *s, const char *at, struct err *err);
/* Refuses a statement when SQLite has ended our transaction by itself (disk full, I/O error). */
int sqlite__check_open(struct db_sqlite *s, struct err *err);
void sqlite__start_deadline(struct db_sqlite *s);

/* sqlite_stmt.c */
int sqlite__prepare(struct db *db, struct db_stmt *stmt, struct err *err);
void sqlite__forget(struct db_stmt *stmt);
int sqlite__start(struct db *db, struct db_stmt *stmt, const struct db_arg *args, bool stream,
                  struct err *err);
enum db_result sqlite__next(struct db *db, struct db_stmt *stmt, struct err *err);
int sqlite__value(struct db *db, struct db_stmt *stmt, unsigned column, struct db_arg *ret_value,
                  struct err *err);
void sqlite__finish(struct db *db, struct db_stmt *stmt);
int sqlite__check(struct db *db, struct db_stmt *stmt, struct err *err);

/* sqlite_match.c: the SQL function value_matches; an SQLite result code */
int sqlite__add_match(sqlite3 *handle);

/* sqlite_wal.c: the VFS of connections that write, registered once */
#define SQLITE_WAL_VFS "naru"
void sqlite__wal_register(void);

/* sqlite_cursor.c */
int sqlite__cursor_open(struct db *db, const char *sql, void **ret_cursor, struct err *err);
void sqlite__cursor_close(struct db *db, void **cursor);
unsigned sqlite__cursor_columns(const void *cursor);
const char *sqlite__cursor_name(const void *cursor, unsigned column);
bool sqlite__cursor_is_number(const void *cursor, unsigned column);
enum db_result sqlite__cursor_next(struct db *db, void *cursor, struct err *err);
struct str sqlite__cursor_value(void *cursor, unsigned column);
