/*
 * lib/db/pg_private.h - shared by the files of the PostgreSQL engine
 *
 * The connection stays in pipeline mode. BEGIN, SAVEPOINT, RELEASE and ROLLBACK TO are only noted
 * and travel in front of the next statement, as does the preparation of a statement: a transaction
 * costs one round trip per statement and one for COMMIT. Statements of which nobody wants to know
 * more than that they did not fail may go ahead (db->ahead): they are sent with the next statement
 * that is waited for, and their failure is its failure.
 */
#pragma once

#include <libpq-fe.h>

#include "lib/base/buf.h"
#include "lib/db/db_private.h"

#define PG_MAX_PENDING  32
#define PG_MAX_CHANNELS 8
#define PG_MAX_UNREAD   1024

/* Asked before the operation that will ask it (db_ask). */
struct pg_question {
    const struct db_stmt *stmt;
    struct db_arg *args; /* owned; their texts are the asker's */
    PGresult *result;    /* owned; NULL before it has come and after it was taken */
};

/* A command sent whose result is still to come. */
struct pg_unread {
    const char *name;             /* of its query, or NULL */
    struct pg_question *question; /* who wants the result; NULL: only its failure matters */
};

struct db_pg {
    struct db db;        /* first */
    PGconn *conn;        /* owned; NULL before the first success */
    char *target;        /* owned */
    char *role;          /* owned, or NULL */
    unsigned generation; /* of the connection; statements of an older one are prepared again */
    int (*connected)(struct db *db, void *cls, struct err *err); /* of db_cfg */
    void *connected_cls;
    bool lost;
    int64_t retry_at_us; /* monotonic */
    int64_t back_off_us;

    const char *pending[PG_MAX_PENDING]; /* constants: control statements not sent yet */
    unsigned n_pending;

    struct pg_unread unread[PG_MAX_UNREAD];
    unsigned n_unread;

    struct pg_question *questions; /* owned; room for PG_MAX_UNREAD, made when first asked */
    unsigned n_questions, n_taken; /* answers are taken in the order of the questions */

    PGresult *result; /* owned; of the statement that runs */
    int row;
    bool streaming; /* results are still on their way */

    char *channels[PG_MAX_CHANNELS]; /* owned; listened to again after a reconnection */
    unsigned n_channels;
    bool woken;
};

/*
 * Parameters in the form that libpq wants; values point into the arguments, `fixed` or `scratch`.
 */
struct pg_params {
    const char *values[DB_MAX_PARAMS];
    int lengths[DB_MAX_PARAMS];
    int formats[DB_MAX_PARAMS];
    Oid types[DB_MAX_PARAMS];
    uint8_t fixed[DB_MAX_PARAMS][8];
    size_t offsets[DB_MAX_PARAMS]; /* into scratch, plus one; 0: none */
    struct buf scratch;            /* owned */
};

static inline struct db_pg *pg_of(struct db *db)
{
    return (struct db_pg *)db;
}

/* pg.c: sets *err from a failed result, or from the connection if result is NULL. */
int pg__error(struct db_pg *pg, const PGresult *result, const char *at, struct err *err);
/* Reads and drops what is left of the pipeline up to its end. */
void pg__drain(struct db_pg *pg);
/* Sends what is pending; the caller continues the pipeline. */
int pg__send_pending(struct db_pg *pg, struct err *err);
/* Reads the results of what was sent before the statement `at`; the first error wins. */
int pg__read_before(struct db_pg *pg, const char *at, struct err *err);
/* Waits for what went ahead, and the answers to questions. */
int pg__settle(struct db_pg *pg, struct err *err);
/* Reads one result of which only the status matters. */
int pg__read_status(struct db_pg *pg, const char *at, struct err *err);
/* One statement by text, with what is pending before it, and its result. */
int pg__run(struct db_pg *pg, const char *text, const char *at, PGresult **ret_result,
            struct err *err);

/* pg_value.c */
int pg__encode(const struct query *q, const struct db_arg *args, struct pg_params *params,
               struct err *err);
void pg__declare(const struct query *q, Oid types[static DB_MAX_PARAMS]);
bool pg__type_fits(enum db_type type, Oid oid);
bool pg__decode(const PGresult *result, int row, int column, struct db_arg *value);

/* pg_stmt.c */
int pg__prepare(struct db *db, struct db_stmt *stmt, struct err *err);
void pg__forget(struct db_stmt *stmt);
int pg__start(struct db *db, struct db_stmt *stmt, const struct db_arg *args, bool stream,
              struct err *err);
int pg__ahead(struct db *db, struct db_stmt *stmt, const struct db_arg *args, bool *ret_sent,
              struct err *err);
/* A statement with what is pending before it; one that was prepared before. */
int pg__send(struct db_pg *pg, const struct db_stmt *stmt, const struct db_arg *args,
             struct err *err);
bool pg__can_go_ahead(const struct db_pg *pg, const struct db_stmt *stmt);
enum db_result pg__next(struct db *db, struct db_stmt *stmt, struct err *err);
int pg__value(struct db *db, struct db_stmt *stmt, unsigned column, struct db_arg *ret_value,
              struct err *err);
void pg__finish(struct db *db, struct db_stmt *stmt);
int pg__check(struct db *db, struct db_stmt *stmt, struct err *err);

/* pg_ask.c */
int pg__ask(struct db *db, struct db_stmt *stmt, const struct db_arg *args, struct err *err);
/* The next question, if it is this one; NULL: it was not asked. */
struct pg_question *pg__asked(const struct db_pg *pg, const struct db_stmt *stmt,
                              const struct db_arg *args);
/* Its answer becomes the running statement's result. */
int pg__take_answer(struct db_pg *pg, struct pg_question *question, struct err *err);
/* Refuses a commit while there are answers that nobody has taken. */
int pg__check_taken(const struct db_pg *pg, struct err *err);
void pg__forget_questions(struct db_pg *pg);

/* pg_cursor.c */
int pg__cursor_open(struct db *db, const char *sql, void **ret_cursor, struct err *err);
void pg__cursor_close(struct db *db, void **cursor);
unsigned pg__cursor_columns(const void *cursor);
const char *pg__cursor_name(const void *cursor, unsigned column);
bool pg__cursor_is_number(const void *cursor, unsigned column);
enum db_result pg__cursor_next(struct db *db, void *cursor, struct err *err);
struct str pg__cursor_value(void *cursor, unsigned column);
