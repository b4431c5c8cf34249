/*
 * Transactions: begin, commit, nesting by savepoints, and repetition after a conflict. PostgreSQL runs READ COMMITTED: an
 * operation that reads a state before it changes it names the old state in its UPDATE or locks the row (FOR UPDATE).
 */
#include "lib/base/check.h"
#include "lib/db/db_private.h"
#include "lib/log/counters.h"

#include "lib/base/banned.h"

#define TX_ATTEMPTS 10

int db__begin(struct db *db, enum db_control kind, struct err *err)
{
    if (db->busy)
        return err_set(err, E_INTERNAL, "", "transaction in the middle of a statement");
    if (db->depth >= DB_MAX_DEPTH)
        return err_set(err, E_INTERNAL, "", "more than %d transactions in each other",
                       DB_MAX_DEPTH);
    if (db->depth == 0) {
        db->conflict = db->broken = db->commit_unknown = false;
        if (db->ops->ready(db, err) < 0)
            return err_ret(err);
        db->snapshot = kind == DB_BEGIN_SNAPSHOT;
    } else {
        kind = DB_SAVEPOINT;
    }
    if (db->ops->control(db, kind, db->depth, err) < 0)
        return err_ret(err);
    db->depth++;
    return 0;
}

void db__rollback(struct db *db)
{
    struct err ignored = {0};

    CHECK(db->depth > 0);
    db->depth--;
    if (db->depth > 0) {
        if (db->ops->control(db, DB_UNDO, db->depth, &ignored) < 0)
            db->broken = true;
        return;
    }
    IGNORE(db->ops->control(db, DB_ROLLBACK, 0, &ignored),
           "a connection that cannot roll back is lost, and with it the transaction");
    db->snapshot = false;
}

int db__commit(struct db *db, struct err *err)
{
    int rc = 0;

    CHECK(db->depth > 0);
    if (db->depth > 1)
        rc = db->ops->control(db, DB_RELEASE, db->depth - 1, err);
    else if (db->broken)
        rc = err_set(err, E_DB, "", "the transaction was lost before its commit");
    else
        rc = db->ops->control(db, DB_COMMIT, 0, err);
    if (rc < 0) {
        db__rollback(db);
        return rc;
    }
    if (--db->depth == 0)
        db->snapshot = false;
    return 0;
}

int db__call(struct db *db, const char *name, db_tx_fn *fn, void *arg, struct err *err)
{
    unsigned depth = db->depth;
    int rc = fn(db, arg, err);

    CHECK(db->depth == depth);
    if (rc >= 0)
        return 0;
    if (err->code == E_OK)
        return err_set(err, E_INTERNAL, name, "failed without an error");
    return err_ret(err);
}

/* 1, 2, 4 … 512 ms, of which a random part: two that collided must not collide again. */
static void back_off(int attempt)
{
    uint32_t r;

    env_random(&env_system, &r, sizeof(r));
    long us = 1000L << attempt;
    us = us / 2 + (long)(r % (uint32_t)(us / 2));
    struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    (void)nanosleep(&ts, NULL);
}

static int run_once(struct db *db, enum db_control kind, const char *name, db_tx_fn *fn, void *arg,
                    struct err *err)
{
    if (db__begin(db, kind, err) < 0)
        return err_ret(err);
    if (db__call(db, name, fn, arg, err) < 0) {
        db__rollback(db);
        return err_ret(err);
    }
    return db__commit(db, err);
}

static int run(struct db *db, enum db_control kind, const char *name, db_tx_fn *fn, void *arg,
               struct err *err)
{
    for (int attempt = 1;; attempt++) {
        if (run_once(db, kind, name, fn, arg, err) == 0)
            return 0;
        /* only the outermost can repeat: the conflict has ended the whole transaction */
        if (db->depth > 0 || !db->conflict || attempt == TX_ATTEMPTS)
            return err_prefix(err, "%s", name);
        COUNT(C_DB_RETRIES);
        err_clear(err);
        back_off(attempt - 1);
    }
}

int db_tx(struct db *db, const char *name, db_tx_fn *fn, void *arg, struct err *err)
{
    if (db->read_only)
        return err_set(err, E_INTERNAL, name, "writing transaction on a read-only connection");
    if (db->snapshot)
        return err_set(err, E_INTERNAL, name, "writing transaction inside a snapshot");
    return run(db, DB_BEGIN, name, fn, arg, err);
}

int db_snapshot(struct db *db, const char *name, db_tx_fn *fn, void *arg, struct err *err)
{
    return run(db, DB_BEGIN_SNAPSHOT, name, fn, arg, err);
}
