/*
 * server/registry/credential.c - GET /v1/participants/me/credential: membership credential
 * (docs/exchange.md §2)
 *
 * One stored credential serves until half of its life is over, or until what it says has changed;
 * then a new one is issued. Each issue is a log entry. The row of the participant is locked before:
 * a suspension finds all that was issued, and nothing is issued after it.
 */
#include "lib/base/timefmt.h"
#include "lib/wire/wire.h"
#include "server/audit/audit.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct wanted {
    struct rq *rq;
    struct credential credential;
};
/* clang-format off */
static const struct field credential_fields[] = {
    FIELD(struct credential, token,      "token",      F_REQUIRED),
    FIELD(struct credential, expires_us, "expires_at", F_REQUIRED | F_TIME),
};
/* clang-format on */
static OBJECT(credential_object, struct credential, credential_fields, OPEN);

/* What has been checked and still counts; an end of its own goes along. */
static int list_attestations(struct db *tx, struct uuid participant, int64_t now_us,
                             struct arena *arena, struct list *ret_list, struct err *err)
{
    struct wire_attestation *items;
    struct list rows = {0};

    if (registry__attestations(tx, participant, arena, &rows, err) < 0)
        return err_ret(err);
    items = ARENA_ARRAY(arena, struct wire_attestation, rows.n + 1);
    if (items == NULL)
        return err_set(err, E_NO_MEMORY, "", "credential");
    ret_list->items = items;
    ret_list->n = 0;
    for (size_t i = 0; i < rows.n; i++) {
        const struct attestation *a = &LIST_ITEMS(struct attestation, rows)[i];

        if (a->valid_until_us == 0 || a->valid_until_us > now_us)
            items[ret_list->n++] = (struct wire_attestation){
                .kind = a->kind, .value = a->value, .valid_until_us = a->valid_until_us};
    }
    return 0;
}

static void write_claims(const struct app *app, const struct participant *p,
                         const struct list *attestations, struct uuid id, int64_t now_us,
                         int64_t expires_us, struct jw *w)
{
    const struct wire_membership membership = {
        .participant = p->participant_id,
        .status = STR("active"),
        .name = p->name_en,
        .country = p->country,
        .business_number_kind = p->number_kind,
        .attestations = *attestations,
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

int registry__lock_active(struct db *tx, struct uuid id, struct arena *arena,
                          struct participant *ret_participant, struct err *err)
{
    switch (db_one(tx, &q_participant_lock, DB_ARGS(DB_UUID(id)), &participant_row, arena,
                   ret_participant, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such participant");
    case DB_FAIL: return err_ret(err);
    }
    if (!str_eq(ret_participant->state, STR("active")))
        return err_tell(err, E_CONFLICT, "", "the participant is '%.*s'",
                        STR_ARG(ret_participant->state));
    return 0;
}

int registry__issue(struct app *app, struct db *tx, const struct participant *p,
                    struct arena *arena, struct credential *ret_credential, struct err *err)
{
    AUTO(buf_done) struct buf claims = buf_init(KIB(16));
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    const int64_t now_us = env_wall_us(app->env);
    const struct uuid id = uuid_new(app->env);
    struct list attestations = {0};
    struct jw w = jw_init(&claims);
    struct credential c = {
        .expires_us = (now_us + app->settings->membership_life_us) / US_PER_S * US_PER_S,
    };

    if (list_attestations(tx, p->participant_id, now_us, arena, &attestations, err) < 0)
        return err_ret(err);
    write_claims(app, p, &attestations, id, now_us, c.expires_us, &w);
    if (broker_sign(app, WIRE_TYP_MEMBERSHIP, buf_str(&claims), &token, err) < 0)
        return err_ret(err);
    c.token = arena_str(arena, buf_str(&token));
    if (buf_failed(&claims) || !str_present(c.token))
        return err_set(err, E_NO_MEMORY, "", "credential");
    if (db_exec(tx, &q_credential_insert,
                DB_ARGS(DB_UUID(id), DB_UUID(p->participant_id), DB_TEXT(c.token), DB_TIME(now_us),
                        DB_TIME(c.expires_us)),
                NULL, err) < 0)
        return err_ret(err);
    *ret_credential = c;
    return log_credential(tx, id, p->participant_id, now_us, c.expires_us, err);
}

static int current_or_new(struct db *tx, void *arg, struct err *err)
{
    struct wanted *wanted = arg;
    struct rq *rq = wanted->rq;
    struct app *app = rq->app;
    const struct uuid id = rq_principal(rq)->participant;
    const int64_t now_us = env_wall_us(rq->env);
    struct participant p = {0};

    if (registry__lock_active(tx, id, rq->arena, &p, err) < 0)
        return err->code == E_CONFLICT
                   ? err_tell(err, E_FORBIDDEN, "", "the participant is not active")
                   : err_ret(err);
    switch (db_one(tx, &q_credential_current,
                   DB_ARGS(DB_UUID(id), DB_TIME(now_us + app->settings->membership_life_us / 2)),
                   &credential_object, rq->arena, &wanted->credential, err)) {
    case DB_ROW: return 0;
    case DB_NONE: return registry__issue(app, tx, &p, rq->arena, &wanted->credential, err);
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

void registry__write_credential(const struct credential *c, struct jw *w)
{
    jw_object(w);
    jw_kstr(w, "credential", c->token);
    jw_kc(w, "expires_at", time_format(c->expires_us).c);
    jw_object_end(w);
}

int registry_credential(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(32));
    struct wanted wanted = {.rq = rq};
    struct jw w = jw_init(&out);

    if (db_tx(worker->db, "credential", current_or_new, &wanted, err) < 0)
        return err_ret(err);
    registry__write_credential(&wanted.credential, &w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}
