/*
 * server/registry/credential.c - GET /v1/participants/me/credential: membership credential
 * (docs/exchange.md §2)
 *
 * One stored credential serves until half of its life is over; then a new one is issued. Each issue
 * is a log entry.
 */
#include "lib/base/timefmt.h"
#include "lib/wire/wire.h"
#include "server/audit/audit.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct credential {
    struct rq *rq;
    struct str token;
    int64_t expires_us;
};
/* clang-format off */
static const struct field credential_fields[] = {
    FIELD(struct credential, token,      "token",      F_REQUIRED),
    FIELD(struct credential, expires_us, "expires_at", F_REQUIRED | F_TIME),
};
/* clang-format on */
static OBJECT(credential_object, struct credential, credential_fields, OPEN);

static void write_claims(const struct app *app, const struct participant *p, struct uuid id,
                         int64_t now_us, int64_t expires_us, struct jw *w)
{
    const struct wire_membership membership = {
        .participant = p->participant_id,
        .status = STR("active"),
        .name = p->name_en,
        .country = p->country,
        .business_number_kind = p->number_kind,
    };

    jw_object(w);
    jw_kstr(w, "iss", app->settings->did);
    jw_kstr(w, "sub", p->did);
    jw_ki64(w, "iat", now_us / US_PER_S);
    jw_ki64(w, "exp", expires_us / US_PER_S);
    jw_kc(w, "jti", uuid_format(id).c);
    jw_key(w, "membership");
    object_encode(&wire_membership_object, &membership, w);
    jw_object_end(w);
}

static int log_credential(struct db *tx, struct uuid id, struct uuid participant, int64_t now_us,
                          int64_t expires_us, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(1));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "credential", uuid_format(id).c);
    jw_kc(&w, "participant", uuid_format(participant).c);
    jw_kc(&w, "expires_at", time_format(expires_us).c);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_CREDENTIAL_ISSUED, now_us, buf_str(&body), err);
}

static int issue(struct db *tx, struct credential *c, int64_t now_us, struct err *err)
{
    struct rq *rq = c->rq;
    const struct app *app = rq->app;
    AUTO(buf_done) struct buf claims = buf_init(KIB(8));
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    struct participant p = {0};
    const struct uuid id = uuid_new(rq->env);
    struct jw w = jw_init(&claims);

    c->expires_us = (now_us + app->settings->membership_life_us) / US_PER_S * US_PER_S;
    if (participant_get(tx, rq_principal(rq)->participant, rq->arena, &p, err) < 0)
        return err_ret(err);
    write_claims(app, &p, id, now_us, c->expires_us, &w);
    if (broker_sign(app, WIRE_TYP_MEMBERSHIP, buf_str(&claims), &token, err) < 0)
        return err_ret(err);
    c->token = arena_str(rq->arena, buf_str(&token));
    if (!str_present(c->token))
        return err_set(err, E_NO_MEMORY, "", "credential");
    if (db_exec(tx, &q_credential_insert,
                DB_ARGS(DB_UUID(id), DB_UUID(p.participant_id), DB_TEXT(c->token), DB_TIME(now_us),
                        DB_TIME(c->expires_us)),
                NULL, err) < 0)
        return err_ret(err);
    return log_credential(tx, id, p.participant_id, now_us, c->expires_us, err);
}

static int current_or_new(struct db *tx, void *arg, struct err *err)
{
    struct credential *c = arg;
    const struct app *app = c->rq->app;
    const int64_t now_us = env_wall_us(c->rq->env);

    switch (db_one(tx, &q_credential_current,
                   DB_ARGS(DB_UUID(rq_principal(c->rq)->participant),
                           DB_TIME(now_us + app->settings->membership_life_us / 2)),
                   &credential_object, c->rq->arena, c, err)) {
    case DB_ROW: return 0;
    case DB_NONE: return issue(tx, c, now_us, err);
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

int registry_credential(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(32));
    struct credential c = {.rq = rq};
    struct jw w = jw_init(&out);

    if (db_tx(worker->db, "credential", current_or_new, &c, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kstr(&w, "credential", c.token);
    jw_kc(&w, "expires_at", time_format(c.expires_us).c);
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}
