/*
 * PostgreSQL engine: prepared statements with binary parameters and results. Preparation and pending control statements
 * travel in the same round trip as the first execution.
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/db/pg_private.h"

#include "lib/base/banned.h"

#define PARAM_BYTES MIB(64)

struct stmt_name {
    char c[24];
};

static struct stmt_name name_of(const struct db_stmt *stmt)
{
    struct stmt_name name;

    (void)snprintf(name.c, sizeof(name.c), "q%u", stmt->number);
    return name;
}

int pg__prepare(struct db *db, struct db_stmt *stmt, struct err *err)
{
    (void)db;
    if (stmt->q->n_params > DB_MAX_PARAMS)
        return err_set(err, E_INTERNAL, stmt->q->name, "%u parameters", stmt->q->n_params);
    return 0;
}

void pg__forget(struct db_stmt *stmt)
{
    (void)stmt; /* ends with the session */
}

static int send_prepare(struct db_pg *pg, const struct db_stmt *stmt)
{
    Oid types[DB_MAX_PARAMS];

    pg__declare(stmt->q, types);
    return PQsendPrepare(pg->conn, name_of(stmt).c, stmt->q->text[DB_PG], (int)stmt->q->n_params,
                         types);
}

static int lost(struct db_pg *pg, const char *at, struct err *err)
{
    return pg__error(pg, NULL, at, err);
}

static bool is_prepared(const struct db_pg *pg, const struct db_stmt *stmt)
{
    return stmt->generation == pg->generation;
}

/* What is pending, the preparation if need be, and the statement itself. */
int pg__send(struct db_pg *pg, const struct db_stmt *stmt, const struct db_arg *args,
             struct err *err)
{
    struct pg_params params;
    int rc = -1;

    params.scratch = buf_init(PARAM_BYTES);
    if (pg__encode(stmt->q, args, &params, err) < 0 || pg__send_pending(pg, err) < 0) {
        buf_done(&params.scratch);
        return err_ret(err);
    }
    if (is_prepared(pg, stmt) || send_prepare(pg, stmt) != 0)
        rc = PQsendQueryPrepared(pg->conn, name_of(stmt).c, (int)stmt->q->n_params, params.values,
                                 params.lengths, params.formats, /* resultFormat= */ 1);
    buf_done(&params.scratch);
    return rc > 0 ? 0 : lost(pg, stmt->q->name, err);
}

bool pg__can_go_ahead(const struct db_pg *pg, const struct db_stmt *stmt)
{
    return !pg->lost && is_prepared(pg, stmt) &&
           pg->n_unread + pg->n_pending + 1 <= PG_MAX_UNREAD - PG_MAX_PENDING;
}

int pg__ahead(struct db *db, struct db_stmt *stmt, const struct db_arg *args, bool *ret_sent,
              struct err *err)
{
    struct db_pg *pg = pg_of(db);

    *ret_sent = pg__can_go_ahead(pg, stmt);
    if (!*ret_sent)
        return 0;
    if (pg__send(pg, stmt, args, err) < 0)
        return err_ret(err);
    pg->unread[pg->n_unread++] = (struct pg_unread){.name = stmt->q->name};
    return 0;
}

/* The first result of the statement; on an error the pipeline is empty again. */
static int first_result(struct db_pg *pg, struct db_stmt *stmt, bool stream, struct err *err)
{
    int rc = pg__read_before(pg, stmt->q->name, err);

    if (!is_prepared(pg, stmt)) {
        struct err prepare = {0};
        if (pg__read_status(pg, stmt->q->name, &prepare) == 0)
            stmt->generation = pg->generation;
        else if (rc == 0) {
            *err = prepare;
            rc = err_ret(err);
        }
    }
    if (stream && rc == 0)
        (void)PQsetSingleRowMode(
            pg->conn); /* without it all rows come at once, which is also right */
    PGresult *r = PQgetResult(pg->conn);
    ExecStatusType status = PQresultStatus(r);
    if (rc == 0 && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
        status != PGRES_SINGLE_TUPLE)
        rc = pg__error(pg, r, stmt->q->name, err);
    /* "cached plan must not change result type": the schema has changed, so prepare anew in a new session */
    if (rc < 0 && r != NULL &&
        strcmp(PQresultErrorField(r, PG_DIAG_SQLSTATE) != NULL
                   ? PQresultErrorField(r, PG_DIAG_SQLSTATE)
                   : "",
               "0A000") == 0)
        pg->lost = true;
    pg->streaming = rc == 0 && status == PGRES_SINGLE_TUPLE;
    if (!pg->streaming)
        pg__drain(pg);
    if (rc < 0) {
        PQclear(r);
        return rc;
    }
    pg->result = r;
    pg->row = -1;
    return 0;
}

/* Declared columns against those that came; once per statement and connection is enough. */
static int check_columns(struct db_stmt *stmt, const PGresult *r, struct err *err)
{
    const struct query *q = stmt->q;

    if (q->n_columns == 0)
        return 0; /* run for its effect: SELECT f(…) */
    if (PQnfields(r) != (int)q->n_columns)
        return err_set(err, E_INTERNAL, q->name, "%d columns, %u declared", PQnfields(r),
                       q->n_columns);
    for (unsigned i = 0; i < q->n_columns; i++) {
        if (!str_eq_c(str_c(PQfname(r, (int)i)), q->columns[i].name))
            return err_set(err, E_INTERNAL, q->name, "column %u is '%s', declared '%s'", i + 1,
                           PQfname(r, (int)i), q->columns[i].name);
        if (!pg__type_fits(q->columns[i].type, PQftype(r, (int)i)))
            return err_set(err, E_INTERNAL, q->name, "column '%s' has type oid %u, declared %s",
                           q->columns[i].name, PQftype(r, (int)i),
                           db__type_name(q->columns[i].type));
    }
    stmt->checked = true;
    return 0;
}

/* Until its first result. */
static int run(struct db_pg *pg, struct db_stmt *stmt, const struct db_arg *args, bool stream,
               struct err *err)
{
    if (pg__send(pg, stmt, args, err) < 0)
        return err_ret(err);
    if (PQpipelineSync(pg->conn) == 0)
        return lost(pg, stmt->q->name, err);
    return first_result(pg, stmt, stream, err);
}

int pg__start(struct db *db, struct db_stmt *stmt, const struct db_arg *args, bool stream,
              struct err *err)
{
    struct db_pg *pg = pg_of(db);
    struct pg_question *question = pg__asked(pg, stmt, args);

    if (pg->lost)
        return err_set(err, E_DB, stmt->q->name, "connection to the database is lost");
    db->changed = 0;
    if ((question != NULL ? pg__take_answer(pg, question, err) : run(pg, stmt, args, stream, err)) <
        0)
        return err_ret(err);
    if (!stmt->checked && check_columns(stmt, pg->result, err) < 0) {
        pg__finish(db, stmt);
        return err_ret(err);
    }
    if (!pg->streaming && !str_starts(str_c(PQcmdStatus(pg->result)), STR("SELECT"))) {
        int64_t n;
        db->changed = str_to_i64(str_c(PQcmdTuples(pg->result)), &n) ? n : 0;
    }
    return 0;
}

static enum db_result next_streamed(struct db_pg *pg, struct db_stmt *stmt, struct err *err)
{
    if (pg->row < 0) {
        pg->row = 0; /* the first row came with start */
        return DB_ROW;
    }
    PQclear(pg->result);
    pg->result = PQgetResult(pg->conn);
    switch (PQresultStatus(pg->result)) {
    case PGRES_SINGLE_TUPLE: return DB_ROW;
    case PGRES_TUPLES_OK: pg__drain(pg); return DB_NONE;
    default:
        (void)pg__error(pg, pg->result, stmt->q->name, err);
        pg__drain(pg);
        return DB_FAIL;
    }
}

enum db_result pg__next(struct db *db, struct db_stmt *stmt, struct err *err)
{
    struct db_pg *pg = pg_of(db);

    if (pg->streaming)
        return next_streamed(pg, stmt, err);
    if (pg->result == NULL || pg->row + 1 >= PQntuples(pg->result))
        return DB_NONE;
    pg->row++;
    return DB_ROW;
}

int pg__value(struct db *db, struct db_stmt *stmt, unsigned column, struct db_arg *ret_value,
              struct err *err)
{
    struct db_pg *pg = pg_of(db);

    if (!pg__decode(pg->result, pg->row, (int)column, ret_value))
        return err_set(err, E_CORRUPT, stmt->q->name, "column '%s' is not %s",
                       stmt->q->columns[column].name, db__type_name(ret_value->type));
    return 0;
}

void pg__finish(struct db *db, struct db_stmt *stmt)
{
    struct db_pg *pg = pg_of(db);

    (void)stmt;
    if (pg->streaming) {
        /* the caller left early: what is left may be large */
        char ignored[256];
        PGcancel *cancel = PQgetCancel(pg->conn);
        if (cancel != NULL)
            (void)PQcancel(cancel, ignored, sizeof(ignored));
        PQfreeCancel(cancel);
        pg__drain(pg);
    }
    PQclear(pg->result);
    pg->result = NULL;
}

int pg__check(struct db *db, struct db_stmt *stmt, struct err *err)
{
    struct db_pg *pg = pg_of(db);
    const struct query *q = stmt->q;

    if (pg__send_pending(pg, err) < 0)
        return err_ret(err);
    const bool prepare = !is_prepared(pg, stmt);
    if ((prepare && send_prepare(pg, stmt) == 0) ||
        PQsendDescribePrepared(pg->conn, name_of(stmt).c) == 0 || PQpipelineSync(pg->conn) == 0)
        return lost(pg, q->name, err);
    int rc = pg__read_before(pg, q->name, err);
    if (prepare && rc == 0)
        rc = pg__read_status(pg, q->name, err);
    PGresult *r = PQgetResult(pg->conn);
    if (rc == 0 && PQresultStatus(r) != PGRES_COMMAND_OK)
        rc = pg__error(pg, r, q->name, err);
    pg__drain(pg);
    if (rc == 0) {
        stmt->generation = pg->generation;
        rc = check_columns(stmt, r, err);
    }
    if (rc == 0 && PQnparams(r) != (int)q->n_params)
        rc = err_set(err, E_INTERNAL, q->name, "%d parameters, %u declared", PQnparams(r),
                     q->n_params);
    for (unsigned i = 0; rc == 0 && i < q->n_params; i++)
        if (q->params[i].type == DBT_JSON && !pg__type_fits(DBT_JSON, PQparamtype(r, (int)i)))
            rc = err_set(err, E_INTERNAL, q->name, "parameter '%s' is not json", q->params[i].name);
    PQclear(r);
    return rc;
}
