/*
 * lib/db/db.h - SQLite and PostgreSQL behind one interface
 *
 * SQL lives in sql/query/<program>/ as named blocks; tools/sqlgen makes `extern const struct query
 * q_<name>;` and the list of all queries of a program. A query declares its parameters and columns
 * with types; values are always parameters. Types: text, i64, bool, uuid, time (µs; bigint in
 * SQLite, timestamptz in PostgreSQL), bytes, json (text in C) text[], i64[], uuid[], time[],
 * bytes[]  PostgreSQL only, for set-based statements Statements are prepared once per connection. A
 * connection is used by one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/base/uuid.h"
#include "lib/codec/codec.h"

struct db;

enum db_kind { DB_SQLITE, DB_PG, DB__COUNT };

enum db_type {
    DBT_TEXT,
    DBT_I64,
    DBT_BOOL,
    DBT_UUID,
    DBT_TIME,
    DBT_BYTES,
    DBT_JSON,
    DBT_TEXT_ARRAY,
    DBT_I64_ARRAY,
    DBT_UUID_ARRAY,
    DBT_TIME_ARRAY,
    DBT_BYTES_ARRAY,
};

struct query_column {
    const char *name;
    enum db_type type;
};

/* Made by tools/sqlgen; const. */
struct query {
    const char *name;
    const char *text[DB__COUNT]; /* NULL where the engine has no form */
    const struct query_column *params;
    const struct query_column *columns;
    unsigned n_params, n_columns;
};

struct db_arg {
    enum db_type type;
    bool null;

    union {
        struct str text; /* TEXT, JSON, BYTES */
        int64_t i64;     /* I64, TIME, BOOL */
        struct uuid uuid;

        struct {
            const void *items; /* struct str[], int64_t[], struct uuid[] */
            size_t n;
        } array;
    } u;
};

/* clang-format off */
#define DB_TEXT(s)   ((struct db_arg){.type = DBT_TEXT, .null = !str_present(s), .u.text = (s)})
#define DB_JSON(s)   ((struct db_arg){.type = DBT_JSON, .null = !str_present(s), .u.text = (s)})
#define DB_BYTES(s)  ((struct db_arg){.type = DBT_BYTES, .null = !str_present(s), .u.text = (s)})
#define DB_I64(v)    ((struct db_arg){.type = DBT_I64, .u.i64 = (v)})
#define DB_BOOL(v)   ((struct db_arg){.type = DBT_BOOL, .u.i64 = (v)})
#define DB_TIME(us)  ((struct db_arg){.type = DBT_TIME, .u.i64 = (us)})
#define DB_UUID(id)  ((struct db_arg){.type = DBT_UUID, .u.uuid = (id)})
#define DB_NULL(t)   ((struct db_arg){.type = (t), .null = true})
#define DB_ARRAY(t, p, count) ((struct db_arg){.type = (t), .u.array = {(p), (count)}})
#define DB_ARGS(...) (const struct db_arg[]){__VA_ARGS__}, \
                     sizeof((const struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg)
#define DB_NO_ARGS   NULL, 0

/* clang-format on */

struct db_cfg {
    enum db_kind kind;
    const char *target; /* SQLite: path (":memory:" for tests); PostgreSQL: conninfo */
    bool read_only;
    const char *role;   /* PostgreSQL: SET ROLE after connecting; NULL: none */
    int64_t timeout_us; /* busy / statement time-out; 0: 30 s */
    /* PostgreSQL: runs on every new connection, the first and later ones, before anything else does
     * (what a session must hold). If it fails there is no connection. NULL: nothing. */
    int (*connected)(struct db *db, void *cls, struct err *err);
    void *connected_cls;
};

/* "sqlite:/path" or "postgresql://…" / "host=… dbname=…" -> kind and target (borrowed from text).
 */
MUST_CHECK int db_target_parse(const char *text, struct db_cfg *cfg, struct err *err);

/* Errors: E_DB (not reachable), E_CONFIG. SQLite: WAL, synchronous=FULL, foreign_keys=ON. */
MUST_CHECK int db_open(const struct db_cfg *cfg, struct db **ret_db, struct err *err);
void db_close(struct db **db);
enum db_kind db_kind(const struct db *db);

/*
 * Errors of all statements: E_DB_CONSTRAINT (at = constraint name), E_DB (connection, disk,
 * time-out; retryable), E_INTERNAL (arguments disagree with the query's declaration, SQL error).
 */
enum db_result { DB_ROW, DB_NONE, DB_FAIL };

/* Runs a statement without looking at rows; *ret_changed (may be NULL) gets the number of rows
 * changed. */
MUST_CHECK int db_exec(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
                       int64_t *ret_changed, struct err *err);
/*
 * Asks beforehand what an operation of the writer will ask with the same query and arguments (writer.h, ask): many answers come in one
 * round trip, and db_one, db_list and db_exec with a count find theirs. The statement takes effect now. Answers must be taken in the
 * order of the questions and all of them, outside of nested transactions; else the commit fails (and the writer runs the batch again
 * without questions). Texts of the arguments must stay until then; arrays cannot be asked about. Does nothing where the engine has no
 * use for it, or no room.
 */
MUST_CHECK int db_ask(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
                      struct err *err);
/* First row into *out by column name (columns without a field are ignored, fields without a column
 * untouched; NULL columns leave their field untouched). Texts are copied to the arena. More than
 * one row: E_INTERNAL. */
MUST_CHECK enum db_result db_one(struct db *db, const struct query *q, const struct db_arg *args,
                                 size_t n, const struct object *row, struct arena *arena, void *out,
                                 struct err *err);
/* All rows as an array in the arena, at most max (0: LIMIT_PAGE). */
MUST_CHECK int db_list(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
                       const struct object *row, struct arena *arena, size_t max,
                       struct list *ret_list, struct err *err);
/* Calls `each` for every row (decoded into a zeroed struct of row->size; texts valid during the
 * call only; arena reset between). A negative return of `each` ends with its error. PostgreSQL uses
 * single-row mode: constant memory. */
MUST_CHECK int db_each(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
                       const struct object *row,
                       int (*each)(void *cls, const void *value, struct err *err), void *cls,
                       struct err *err);

/*
 * A read cursor over SQL text that an operator configured (a data source); read-only connection
 * required. Values come as text in the engine's natural form; NULL gives STR_NONE.
 */
struct db_cursor;
MUST_CHECK int db_cursor_open(struct db *db, const char *sql, struct db_cursor **ret_cursor,
                              struct err *err);
unsigned db_cursor_columns(const struct db_cursor *cursor);
struct str db_cursor_name(const struct db_cursor *cursor, unsigned column);
/* True if the column's type is a number (NDJSON writes it bare). */
bool db_cursor_is_number(const struct db_cursor *cursor, unsigned column);
MUST_CHECK enum db_result db_cursor_next(struct db_cursor *cursor, struct err *err);
struct str db_cursor_value(const struct db_cursor *cursor, unsigned column);
void db_cursor_close(struct db_cursor **cursor);

/* A transaction body: SQL only, checks before its first write, may run twice. */
typedef int db_tx_fn(struct db *db, void *arg, struct err *err);

/* Runs fn in a transaction; repeats it (at most 10 times, with jitter) after a serialisation
 * failure or deadlock. Nested calls become savepoints. */
MUST_CHECK int db_tx(struct db *db, const char *name, db_tx_fn *fn, void *arg, struct err *err);
/* Read-only snapshot over several statements. */
MUST_CHECK int db_snapshot(struct db *db, const char *name, db_tx_fn *fn, void *arg,
                           struct err *err);

/* PostgreSQL: LISTEN; waits up to timeout for a notification on the channel; *ret_woken tells.
 * Other engines: E_INTERNAL. */
MUST_CHECK int db_listen(struct db *db, const char *channel, struct err *err);
MUST_CHECK int db_wait(struct db *db, int64_t timeout_us, bool *ret_woken, struct err *err);
/* The same, and calls `each` for every notification with its payload (valid during the call).
 * *ret_lost: the connection is a new one, what was notified before is not known. */
MUST_CHECK int db_hear(struct db *db, int64_t timeout_us,
                       void (*each)(void *cls, struct str payload), void *cls, bool *ret_lost,
                       struct err *err);
/* File descriptor of the connection for poll(2), -1 for SQLite. */
int db_fd(const struct db *db);

/* Prepares every query of a list against the connected schema and compares parameter and column
 * counts and types (contract test). */
MUST_CHECK int db_check_queries(struct db *db, const struct query *const *queries, size_t n,
                                struct err *err);
