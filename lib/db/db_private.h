/*
 * lib/db/db_private.h - what the front (db.c, row.c, tx.c, cursor.c) and the engines (sqlite*.c,
 * pg*.c) share
 *
 * The front checks arguments, keeps the statements of a connection, decodes rows and counts
 * nesting; an engine runs one statement at a time: prepare, start, next…, finish. Values cross as
 * struct db_arg with the declared type.
 */
#pragma once

#include "lib/db/db.h"

#define DB_MAX_PARAMS 64
#define DB_MAX_DEPTH  8
#define DB_TIMEOUT_US (30 * INT64_C(1000000))

/* The last three name the savepoint of a depth; DB_UNDO also removes it. */
enum db_control {
    DB_BEGIN,
    DB_BEGIN_SNAPSHOT,
    DB_COMMIT,
    DB_ROLLBACK,
    DB_SAVEPOINT,
    DB_RELEASE,
    DB_UNDO,
};

/* A query as one connection knows it. */
struct db_stmt {
    const struct query *q;       /* borrowed, const for the whole run */
    const struct object *row;    /* what `fields` was made for, or NULL */
    const struct field **fields; /* owned; one per column, NULL where the row has no such member */
    void *engine;                /* owned by the engine */
    int *bind;                   /* owned; SQLite: number of each parameter, 0 if unused */
    unsigned number;             /* PostgreSQL: names the prepared statement */
    unsigned generation;         /* PostgreSQL: connection in which it was prepared */
    bool checked;                /* PostgreSQL: result types agree with the declaration */
};

struct db_ops {
    void (*close)(struct db *db);
    /* Outside a transaction: connected, or connected again. */
    int (*ready)(struct db *db, struct err *err);
    int (*prepare)(struct db *db, struct db_stmt *stmt, struct err *err);
    void (*forget)(struct db_stmt *stmt);
    /* Runs a prepared statement; stream: rows are fetched one by one (constant memory). */
    int (*start)(struct db *db, struct db_stmt *stmt, const struct db_arg *args, bool stream,
                 struct err *err);
    /* Sends a prepared statement without waiting for its result (struct db, ahead); *ret_sent false:
     * it has to be started like any other. NULL: the engine has no use for it. */
    int (*ahead)(struct db *db, struct db_stmt *stmt, const struct db_arg *args, bool *ret_sent,
                 struct err *err);
    /* db_ask; NULL: no use for it. */
    int (*ask)(struct db *db, struct db_stmt *stmt, const struct db_arg *args, struct err *err);
    enum db_result (*next)(struct db *db, struct db_stmt *stmt, struct err *err);
    /* A column of the current row; texts are borrowed until next or finish. */
    int (*value)(struct db *db, struct db_stmt *stmt, unsigned column, struct db_arg *ret_value,
                 struct err *err);
    void (*finish)(struct db *db, struct db_stmt *stmt);
    int (*control)(struct db *db, enum db_control what, unsigned depth, struct err *err);
    /* Several statements without parameters, inside a transaction that they must leave open. */
    int (*script)(struct db *db, const char *name, const char *text, struct err *err);
    int (*check)(struct db *db, struct db_stmt *stmt, struct err *err);
    int (*listen)(struct db *db, const char *channel, struct err *err);
    int (*hear)(struct db *db, int64_t timeout_us, void (*each)(void *cls, struct str payload),
                void *cls, bool *ret_woken, bool *ret_lost, struct err *err);
    int (*fd)(const struct db *db);

    int (*cursor_open)(struct db *db, const char *sql, void **ret_cursor, struct err *err);
    void (*cursor_close)(struct db *db, void **cursor);
    unsigned (*cursor_columns)(const void *cursor);
    const char *(*cursor_name)(const void *cursor, unsigned column);
    bool (*cursor_is_number)(const void *cursor, unsigned column);
    enum db_result (*cursor_next)(struct db *db, void *cursor, struct err *err);
    struct str (*cursor_value)(void *cursor, unsigned column);
};

/* First member of the engines' own structs. */
struct db {
    const struct db_ops *ops;
    enum db_kind kind;
    bool read_only;
    bool busy;     /* in the middle of db_each or a cursor: no other statement */
    bool snapshot; /* the open transaction only reads */
    bool broken;   /* a savepoint could not be undone: the transaction must not commit */
    bool conflict; /* the engine wants the transaction to be repeated */
    bool
        ahead; /* in the outermost level, a failure of db_exec whose count nobody wants may come with
                   a later statement, at the latest with the commit: who sets it must be able to run
                   the whole transaction again without */
    bool commit_unknown; /* the connection broke during COMMIT: nobody knows the outcome */
    unsigned depth;      /* open transaction and savepoints */
    int64_t timeout_us;
    int64_t changed;        /* by the last statement */
    struct db_stmt **stmts; /* owned; hash table by query, n_slots is 0 or a power of two */
    size_t n_slots, n_stmts;
};

int db__sqlite_open(const struct db_cfg *cfg, struct db **ret_db, struct err *err);
int db__pg_open(const struct db_cfg *cfg, struct db **ret_db, struct err *err);

/* row.c: the statement of a query, made when first asked for, and the decoding of rows. */
int db__stmt(struct db *db, const struct query *q, struct db_stmt **ret_stmt, struct err *err);
void db__stmts_done(struct db *db);
int db__map_fields(struct db_stmt *stmt, const struct object *row, struct err *err);
int db__decode_row(struct db *db, struct db_stmt *stmt, struct arena *arena, void *out,
                   struct err *err);

/* tx.c: one level of nesting; after an error of db__commit the level is undone and closed. */
MUST_CHECK int db__begin(struct db *db, enum db_control kind, struct err *err);
MUST_CHECK int db__commit(struct db *db, struct err *err);
void db__rollback(struct db *db);
/* Calls fn and makes sure that a failure has an error. */
MUST_CHECK int db__call(struct db *db, const char *name, db_tx_fn *fn, void *arg, struct err *err);

/* What is written in an error: the name for people. */
const char *db__type_name(enum db_type type);
