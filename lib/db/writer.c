/*
 * The writer: one thread, one connection, one transaction for all that is queued (reference/runtime-spike.md, rules 1-3, 9).
 *
 * Most operations succeed, so a batch runs without savepoints at first, and where the engine can do that what the operations are
 * going to ask is asked for all of them together, and other statements go ahead of their results. If something fails, all is undone and run again with a savepoint around each operation, and so are the
 * next batches for a while. If that cannot be committed either, the operations run one by one, so that the one which spoils
 * it fails alone. Two failures are final at once: a transaction that could not even begin (the database is away or locked;
 * each further try would wait as long), and a connection lost during COMMIT (the outcome is unknown, and to run again might
 * do it twice).
 */
#include "lib/db/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/strmap.h"
#include "lib/db/db_private.h"
#include "lib/log/counters.h"

#include "lib/base/banned.h"

#define LAZY_NS       20000000L
#define GUARD_BATCHES 16 /* after a failure */

struct writer {
    const struct env *env; /* borrowed */
    struct db *db;         /* owned; used by the thread only */
    db_tx_fn *begin;       /* first in every transaction, or NULL */
    void *begin_arg;
    pthread_t thread;
    unsigned guarded;     /* batches to come that get savepoints; used by the thread only */
    pthread_mutex_t lock; /* guards what follows up to `closing`; no other lock is taken under it */
    pthread_cond_t wake;
    struct writer_op *head, **tail;
    int64_t n;
    struct timespec lazy_until; /* CLOCK_MONOTONIC; set when the first operation is queued */
    bool urgent;                /* an operation that is not lazy waits */
    bool closing;
    _Atomic int64_t queued_us;  /* monotonic, of the first in the queue; 0: none */
    _Atomic int64_t running_us; /* the same of the batch that runs */
};

/* -- one batch --------------------------------------------------------------------------------------------------------- */

enum batch { BATCH_DONE, BATCH_AGAIN, BATCH_LOST };

/* Runs one operation behind its savepoint; false if the whole transaction is spoilt. */
static bool run_op(struct db *db, struct writer_op *op)
{
    struct err *err = &op->err;

    if (db__begin(db, DB_SAVEPOINT, err) < 0)
        return false;
    if (db__call(db, op->name, op->fn, op->arg, err) < 0)
        db__rollback(db);
    else if (db__commit(db, err) == 0)
        err_clear(err);
    if (err->code != E_OK)
        IGNORE(err_prefix(err, "%s", op->name), "the code is in the error");
    return !db->conflict && !db->broken;
}

/* Without one: a failure spoils the transaction. */
static bool run_op_bare(struct db *db, struct writer_op *op)
{
    if (db__call(db, op->name, op->fn, op->arg, &op->err) < 0)
        return false;
    err_clear(&op->err);
    return !db->conflict && !db->broken;
}

/* What the operations will ask first, as far as those before them cannot change the answer. */
static int ask_all(struct writer *w, struct writer_op *ops, struct err *err)
{
    struct strmap subjects = {0};
    int rc = 0;

    for (struct writer_op *op = ops; op != NULL && rc == 0 && str_present(op->subject);
         op = op->next) {
        if (strmap_find(&subjects, op->subject) != NULL)
            continue;
        if (!strmap_add(&subjects, op->subject, op))
            break;
        if (op->ask != NULL)
            rc = db__call(w->db, op->name, op->ask, op->arg, err);
    }
    strmap_done(&subjects);
    return rc;
}

/* Begins, runs all, commits. bare: without savepoints, and statements may go ahead. */
static enum batch run_in_one(struct writer *w, struct writer_op *ops, bool bare, struct err *err)
{
    struct db *db = w->db;

    if (db__begin(db, DB_BEGIN, err) < 0)
        return BATCH_LOST;
    if (w->begin != NULL && db__call(db, "begin", w->begin, w->begin_arg, err) < 0) {
        db__rollback(db);
        return BATCH_LOST;
    }
    if (bare && db->ops->ask != NULL && ask_all(w, ops, err) < 0) {
        db__rollback(db);
        return BATCH_AGAIN;
    }
    for (struct writer_op *op = ops; op != NULL; op = op->next) {
        err_clear(&op->err);
        if (!(bare ? run_op_bare(db, op) : run_op(db, op))) {
            *err = op->err;
            db__rollback(db);
            return BATCH_AGAIN;
        }
    }
    int64_t start_us = env_mono_us(w->env);
    if (db__commit(db, err) < 0)
        return db->commit_unknown ? BATCH_LOST : BATCH_AGAIN;
    histogram_add(H_COMMIT_US, env_mono_us(w->env) - start_us);
    COUNT(C_DB_COMMITS);
    return BATCH_DONE;
}

/* Without savepoints at first; a failure costs the next batches theirs. */
static enum batch run_together(struct writer *w, struct writer_op *ops, struct err *err)
{
    const bool bare = w->guarded == 0;
    enum batch result;

    w->db->ahead = bare;
    result = run_in_one(w, ops, bare, err);
    w->db->ahead = false;
    if (!bare)
        w->guarded--;
    else if (result == BATCH_AGAIN)
        w->guarded = GUARD_BATCHES;
    return result;
}

struct alone {
    struct writer *writer;
    struct writer_op *op;
};

static int begin_and_run(struct db *db, void *arg, struct err *err)
{
    const struct alone *alone = arg;
    const struct writer *w = alone->writer;

    if (w->begin != NULL && w->begin(db, w->begin_arg, err) < 0)
        return err_ret(err);
    return alone->op->fn(db, alone->op->arg, err);
}

static void run_alone(struct writer *w, struct writer_op *ops)
{
    for (struct writer_op *op = ops; op != NULL; op = op->next) {
        struct alone alone = {w, op};

        err_clear(&op->err);
        if (db_tx(w->db, op->name, begin_and_run, &alone, &op->err) == 0) {
            err_clear(&op->err);
            COUNT(C_DB_COMMITS);
        }
    }
}

static void run_batch(struct writer *w, struct writer_op *ops)
{
    struct err err = {0};
    enum batch result = run_together(w, ops, &err);

    if (result == BATCH_AGAIN) {
        COUNT(C_DB_RETRIES);
        err_clear(&err);
        result = run_together(w, ops, &err);
    }
    if (result == BATCH_AGAIN)
        run_alone(w, ops);
    for (struct writer_op *op = ops; op != NULL && result == BATCH_LOST; op = op->next)
        op->err = err;
    CHECK(w->db->depth == 0);
}

static void answer(struct writer_op *ops)
{
    while (ops != NULL) {
        struct writer_op *op = ops;
        ops = op->next; /* done may free op */
        COUNT(C_DB_OPERATIONS);
        if (op->done != NULL)
            op->done(op->arg, &op->err);
    }
}

/* -- the thread ---------------------------------------------------------------------------------------------------------- */

/* Everything that is queued, as soon as something should go; NULL when closed and empty. */
static struct writer_op *take_batch(struct writer *w)
{
    CHECK(pthread_mutex_lock(&w->lock) == 0);
    while (!w->closing && !w->urgent) {
        if (w->head == NULL)
            CHECK(pthread_cond_wait(&w->wake, &w->lock) == 0);
        else if (pthread_cond_timedwait(&w->wake, &w->lock, &w->lazy_until) == ETIMEDOUT)
            break;
    }
    struct writer_op *ops = w->head;
    w->head = NULL;
    w->tail = &w->head;
    w->n = 0;
    w->urgent = false;
    atomic_store(&w->running_us, atomic_load(&w->queued_us));
    atomic_store(&w->queued_us, 0);
    CHECK(pthread_mutex_unlock(&w->lock) == 0);
    gauge_set(C_DB_QUEUE, 0);
    return ops;
}

static void *run_writer(void *arg)
{
    struct writer *w = arg;
    struct writer_op *ops;

    while ((ops = take_batch(w)) != NULL) {
        run_batch(w, ops);
        atomic_store(&w->running_us, 0);
        answer(ops);
    }
    return NULL;
}

/* -- for everybody --------------------------------------------------------------------------------------------------------- */

int writer_open(const struct db_cfg *cfg, const struct env *env, struct writer **ret_writer,
                struct err *err)
{
    struct writer *w = calloc(1, sizeof(*w));
    pthread_condattr_t attr;

    if (w == NULL)
        return err_set(err, E_NO_MEMORY, "", "writer");
    w->env = env;
    w->tail = &w->head;
    if (db_open(cfg, &w->db, err) < 0) {
        free(w);
        return err_ret(err);
    }
    CHECK(pthread_mutex_init(&w->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&w->wake, &attr) == 0);
    CHECK(pthread_condattr_destroy(&attr) == 0);
    int rc = pthread_create(&w->thread, NULL, run_writer, w);
    if (rc != 0) {
        db_close(&w->db);
        (void)pthread_cond_destroy(&w->wake);
        (void)pthread_mutex_destroy(&w->lock);
        free(w);
        return err_set(err, E_NO_MEMORY, "", "writer thread: error %d", rc);
    }
    *ret_writer = w;
    return 0;
}

void writer_begin_with(struct writer *writer, db_tx_fn *fn, void *arg)
{
    CHECK(pthread_mutex_lock(&writer->lock) == 0); /* seen by the thread with what is queued next */
    writer->begin = fn;
    writer->begin_arg = arg;
    CHECK(pthread_mutex_unlock(&writer->lock) == 0);
}

void writer_close(struct writer **writer)
{
    struct writer *w = *writer;

    if (w == NULL)
        return;
    CHECK(pthread_mutex_lock(&w->lock) == 0);
    w->closing = true;
    CHECK(pthread_cond_signal(&w->wake) == 0);
    CHECK(pthread_mutex_unlock(&w->lock) == 0);
    CHECK(pthread_join(w->thread, NULL) == 0);
    db_close(&w->db);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    *writer = NULL;
}

/* When an operation that nobody follows must go; real time, since it is the condition variable's. */
static void start_lazy_clock(struct writer *w)
{
    CHECK(clock_gettime(CLOCK_MONOTONIC, &w->lazy_until) == 0);
    w->lazy_until.tv_nsec += LAZY_NS;
    if (w->lazy_until.tv_nsec >= 1000000000L) {
        w->lazy_until.tv_nsec -= 1000000000L;
        w->lazy_until.tv_sec++;
    }
}

int writer_submit(struct writer *writer, struct writer_op *op, struct err *err)
{
    struct writer *w = writer;
    int rc = 0;

    op->next = NULL;
    CHECK(pthread_mutex_lock(&w->lock) == 0);
    if (w->closing)
        rc = err_set(err, E_SHUTDOWN, "", "operation '%s' after the end", op->name);
    else if (w->n >= LIMIT_WRITER_QUEUE)
        rc = err_set(err, E_BUSY, "", "%d operations wait for the database", LIMIT_WRITER_QUEUE);
    else {
        bool first = w->head == NULL;
        bool wakes = first || (!op->lazy && !w->urgent);
        if (first) {
            start_lazy_clock(w);
            int64_t now_us = env_mono_us(w->env);
            atomic_store(&w->queued_us, now_us > 0 ? now_us : 1);
        }
        *w->tail = op;
        w->tail = &op->next;
        w->n++;
        w->urgent = w->urgent || !op->lazy;
        gauge_set(C_DB_QUEUE, w->n);
        if (wakes)
            CHECK(pthread_cond_signal(&w->wake) == 0);
    }
    CHECK(pthread_mutex_unlock(&w->lock) == 0);
    return rc;
}

struct call {
    db_tx_fn *fn;
    void *arg;
    pthread_mutex_t lock; /* guards done */
    pthread_cond_t wake;
    bool done;
    struct err err;
};

static int call_fn(struct db *db, void *arg, struct err *err)
{
    struct call *call = arg;

    return call->fn(db, call->arg, err);
}

static void call_done(void *arg, const struct err *err)
{
    struct call *call = arg;

    CHECK(pthread_mutex_lock(&call->lock) == 0);
    call->err = *err;
    call->done = true;
    CHECK(pthread_cond_signal(&call->wake) == 0);
    CHECK(pthread_mutex_unlock(&call->lock) == 0);
}

int writer_call(struct writer *writer, const char *name, db_tx_fn *fn, void *arg, struct err *err)
{
    struct call call = {.fn = fn, .arg = arg};
    struct writer_op op = {.name = name, .fn = call_fn, .arg = &call, .done = call_done};

    CHECK(!pthread_equal(pthread_self(), writer->thread));
    CHECK(pthread_mutex_init(&call.lock, NULL) == 0);
    CHECK(pthread_cond_init(&call.wake, NULL) == 0);
    int rc = writer_submit(writer, &op, err);
    if (rc == 0) {
        CHECK(pthread_mutex_lock(&call.lock) == 0);
        while (!call.done)
            CHECK(pthread_cond_wait(&call.wake, &call.lock) == 0);
        CHECK(pthread_mutex_unlock(&call.lock) == 0);
        if (call.err.code != E_OK) {
            *err = call.err;
            rc = err_ret(err);
        }
    }
    (void)pthread_cond_destroy(&call.wake);
    (void)pthread_mutex_destroy(&call.lock);
    return rc;
}

int64_t writer_lag_us(const struct writer *writer)
{
    int64_t since_us = atomic_load(&writer->running_us);

    if (since_us == 0)
        since_us = atomic_load(&writer->queued_us);
    return since_us == 0 ? 0 : env_mono_us(writer->env) - since_us;
}
