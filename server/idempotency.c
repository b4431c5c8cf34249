/*
 * server/idempotency.c - Idempotency-Key: the answer is recorded in the transaction of its effect
 */
#include "server/idempotency.h"

#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/log/log.h"
#include "server/registry/auth.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define KEPT_US      (30 * US_PER_DAY)
#define FORGET_PIECE 1000
#define FORGET_PAUSE US_PER_S

struct known {
    struct bytes body_hash;
    int64_t status;
    struct str answer;
};
/* clang-format off */
static const struct field known_fields[] = {
    FIELD(struct known, body_hash, "body_hash", F_REQUIRED),
    FIELD(struct known, status,    "status",    F_REQUIRED),
    FIELD(struct known, answer,    "answer",    F_REQUIRED),
};
/* clang-format on */
static OBJECT(known_row, struct known, known_fields, OPEN);

struct run {
    struct rq *rq;
    struct str key;
    uint8_t body_hash[SHA256_LEN];
    int (*fn)(struct db *tx, struct rq *rq, struct idem *idem, struct err *err);
    struct idem idem;
    bool repeated; /* the answer is an earlier one: fn had no effect */
};

/* 1: answered before (taken over), 0: new. */
static int answered_before(struct db *tx, struct run *run, struct err *err)
{
    struct known known = {0};

    switch (db_one(tx, &q_idempotency_find,
                   DB_ARGS(DB_UUID(rq_principal(run->rq)->participant), DB_TEXT(run->key)),
                   &known_row, run->rq->arena, &known, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    if (known.body_hash.n != SHA256_LEN ||
        memcmp(known.body_hash.p, run->body_hash, SHA256_LEN) != 0)
        return err_tell(err, E_CONFLICT, "Idempotency-Key", "the key was used with another body");
    run->idem.status = (int)known.status;
    buf_add_str(&run->idem.answer, known.answer);
    return 1;
}

static int run_once(struct db *tx, void *arg, struct err *err)
{
    struct run *run = arg;
    int before = 0;

    run->repeated = false;
    buf_reset(&run->idem.answer);
    if (str_present(run->key))
        before = answered_before(tx, run, err);
    run->repeated = before > 0;
    if (before != 0)
        return before < 0 ? err_ret(err) : 0;
    if (run->fn(tx, run->rq, &run->idem, err) < 0)
        return err_ret(err);
    if (buf_failed(&run->idem.answer))
        return err_set(err, E_LIMIT, "", "answer");
    if (!str_present(run->key))
        return 0;
    return db_exec(tx, &q_idempotency_insert,
                   DB_ARGS(DB_UUID(rq_principal(run->rq)->participant), DB_TEXT(run->key),
                           DB_BYTES(str_n(run->body_hash, SHA256_LEN)), DB_I64(run->idem.status),
                           DB_TEXT(buf_str(&run->idem.answer)), DB_TIME(env_wall_us(run->rq->env))),
                   NULL, err);
}

int idem_run(struct rq *rq, const char *name,
             int (*fn)(struct db *tx, struct rq *rq, struct idem *idem, struct err *err), void *cls,
             struct err *err)
{
    const struct worker *worker = rq->thread;
    struct run run = {
        .rq = rq,
        .key = rq_header(rq, "Idempotency-Key"),
        .fn = fn,
        .idem = {.answer = buf_init(LIMIT_JSON_BYTES), .cls = cls},
    };
    int bad;

    if (str_present(run.key) && (run.key.n == 0 || run.key.n > 200 || !str_is_utf8(run.key)))
        return err_tell(err, E_INVALID, "Idempotency-Key", "expected 1 to 200 characters");
    sha256(rq->body.p, rq->body.n, run.body_hash);
    bad = db_tx(worker->db, name, run_once, &run, err);
    if (bad < 0 && err->code == E_DB_CONSTRAINT) {
        /* perhaps the same request came in between: then its answer is there now */
        err_clear(err);
        bad = db_tx(worker->db, name, run_once, &run, err);
    }
    if (bad == 0)
        rq_reply_buf(rq, run.idem.status, "application/json", &run.idem.answer);
    buf_done(&run.idem.answer);
    return bad < 0 ? bad : run.repeated;
}

/* A full piece: more is waiting; else tomorrow. */
void idem_forget(struct app *app)
{
    const int64_t now_us = env_wall_us(app->env);
    AUTO(db_close) struct db *db = NULL;
    struct err err = {0};
    int64_t forgotten = 0;

    if (db_open(&app->db, &db, &err) < 0 ||
        db_exec(db, &q_idempotency_forget, DB_ARGS(DB_TIME(now_us - KEPT_US), DB_I64(FORGET_PIECE)),
                &forgotten, &err) < 0)
        log_err(NULL, "old answers could not be forgotten", &err);
    timers_set(app->timers, STR(IDEM_TIMER),
               now_us + (forgotten == FORGET_PIECE ? FORGET_PAUSE : US_PER_DAY));
}
