/*
 * server/registry/decide.c - POST /v1/participants/{id}/approve, /refuse, /suspend (operator)
 *
 * Approval first runs the steps that look elsewhere: a self-hosted DID must resolve and hold the
 * registered key (else 409); whether the connector answers is recorded but does not stop an
 * approval, since it may be started later. With a suspension all credentials of the company are
 * revoked.
 */
#include "lib/base/timefmt.h"
#include "server/audit/audit.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define LOOK_UP_US (5 * US_PER_S)
#define REASON_MAX 500

struct decision {
    struct rq *rq;
    struct uuid id;
    const char *state; /* what it becomes */
    const char *from;  /* states that allow it, space separated */
    struct str reason;
    struct participant participant; /* after the decision */
    struct registry_delivery delivery;
};

struct reason {
    struct str reason;
};
/* clang-format off */
static const struct field reason_fields[] = {FIELD(struct reason, reason, "reason", 0)};
/* clang-format on */
static OBJECT(reason_object, struct reason, reason_fields, CLOSED);

static int log_decision(struct db *tx, const struct decision *d, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(4));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "participant", uuid_format(d->id).c);
    jw_kc(&w, "state", d->state);
    jw_kstr(&w, "by", rq_principal(d->rq)->label);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_PARTICIPANT_DECIDED, env_wall_us(d->rq->env), buf_str(&body),
                        err);
}

static int store_decision(struct db *tx, void *arg, struct err *err)
{
    struct decision *d = arg;
    const int64_t now_us = env_wall_us(d->rq->env);
    struct str allowed = str_c(d->from);
    bool ok = false;

    d->delivery = (struct registry_delivery){0};
    switch (db_one(tx, &q_participant_lock, DB_ARGS(DB_UUID(d->id)), &participant_row, d->rq->arena,
                   &d->participant, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such participant");
    case DB_FAIL: return err_ret(err);
    }
    while (str_present(allowed))
        ok = str_eq(str_cut(&allowed, ' '), d->participant.state) || ok;
    if (!ok)
        return err_tell(err, E_CONFLICT, "", "the participant is '%.*s'",
                        STR_ARG(d->participant.state));
    if (db_exec(
            tx, &q_participant_decide,
            DB_ARGS(DB_UUID(d->id), DB_TEXT(str_c(d->state)), DB_TIME(now_us), DB_TEXT(d->reason)),
            NULL, err) < 0)
        return err_ret(err);
    d->participant.state = str_c(d->state);
    d->participant.reason = d->reason;
    d->participant.decided_us = now_us;
    if (log_decision(tx, d, err) < 0)
        return err_ret(err);
    if (!str_eq(d->participant.state, STR("suspended")))
        return 0;
    return registry__revoke(d->rq->app, tx, &d->participant, REVOKED_SUSPENDED, d->rq->arena,
                            &d->delivery, err);
}

static int decide(struct rq *rq, const char *state, const char *from, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct decision d = {.rq = rq, .state = state, .from = from};
    struct reason reason = {0};
    struct jw w = jw_init(&out);

    if (!uuid_parse(rq_param(rq, "id"), &d.id))
        return err_tell(err, E_NOT_FOUND, "", "no such participant");
    if (rq->body.n > 0 && rq_decode(rq, &reason_object, &reason, err) < 0)
        return err_ret(err);
    if (reason.reason.n > REASON_MAX)
        return err_tell(err, E_LIMIT, "/reason", "at most %d bytes", REASON_MAX);
    d.reason = reason.reason;
    if (db_tx(worker->db, "participant_decide", store_decision, &d, err) < 0)
        return err_ret(err);
    registry__deliver(rq->app, &d.delivery);
    log_info(&rq->log, "participant decided", L_UUID("subject", d.id), L_C("state", state),
             L_STR("reason", reason.reason));
    registry__write(&d.participant, true, &w);
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

/* A self-hosted DID must name the registered key. */
static int check_did(struct rq *rq, const struct participant *p, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(did_document_unref) struct did_document *document = NULL;
    struct err why = {0};
    bool ok = false;

    did_forget(app->registry->dids, p->did); /* it may have been mended since the last attempt */
    if (did_resolve(app->registry->dids, p->did, LOOK_UP_US, &document, &why) == 0) {
        AUTO(key_free) struct key *registered = NULL;

        if (participant_jwk(p, &registered, err) < 0)
            return err_ret(err);
        ok = did_document_has_key(document, registered);
        if (!ok)
            (void)err_set(&why, E_TOKEN, "", "the document does not hold the registered key");
    }
    if (registry__step(rq, worker->db, p->participant_id, "did", ok ? "passed" : "failed",
                       ok ? "resolved" : why.text, err) < 0)
        return err_ret(err);
    return ok ? 0 : err_tell(err, E_CONFLICT, "/did", "%s", why.text);
}

static int check_connector(struct rq *rq, const struct participant *p, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    const struct fetch_request request = {
        .method = "GET",
        .url =
            arena_printf(rq->arena, "%.*s/.well-known/dspace-version", STR_ARG(p->connector_url)),
        .deadline_mono_us = env_mono_us(rq->env) + LOOK_UP_US,
    };
    struct err why = {0};
    char *body = NULL;
    size_t n = 0;
    int status = 0;
    bool ok;

    ok = fetch_call(app->fetcher, &request, &status, &body, &n, &why) == 0 && status == 200;
    free(body);
    return registry__step(rq, worker->db, p->participant_id, "connector", ok ? "passed" : "failed",
                          ok ? "answers" : "does not answer at connector_url", err);
}

int registry_decide_approve(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct participant participant = {0};
    struct uuid id;

    if (!uuid_parse(rq_param(rq, "id"), &id))
        return err_tell(err, E_NOT_FOUND, "", "no such participant");
    if (participant_get(worker->db, id, rq->arena, &participant, err) < 0)
        return err_ret(err);
    if (!participant.hosted_did && check_did(rq, &participant, err) < 0)
        return err_ret(err);
    if (check_connector(rq, &participant, err) < 0)
        return err_ret(err);
    return decide(rq, "active", "applied suspended", err);
}

int registry_decide_refuse(struct rq *rq, struct err *err)
{
    return decide(rq, "refused", "applied", err);
}

int registry_decide_suspend(struct rq *rq, struct err *err)
{
    return decide(rq, "suspended", "active", err);
}
