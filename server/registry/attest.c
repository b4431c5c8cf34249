/*
 * server/registry/attest.c - POST /v1/participants/{id}/attestations, …/attestations/withdraw
 * (operator): what the data bank has checked about a company
 *
 * It stands in the company's membership credential (docs/exchange.md §2). With each change the
 * company's connector gets a fresh credential; those that said something that is withdrawn are
 * revoked in the same transaction. In the log a value is hashed with its attestation's id: it says
 * that something was checked and when, not what.
 */
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/wire/wire.h"
#include "server/audit/audit.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define ATTESTATIONS_MAX 16 /* of one company; all stand in each of its tokens */

struct attesting {
    struct rq *rq;
    struct uuid participant;
    struct wire_attestation said;
    struct attestation stored;
    struct registry_delivery delivery;
};

struct holder {
    struct uuid participant_id;
};
/* clang-format off */
static const struct field attestation_fields[] = {
    FIELD(struct attestation, attestation_id, "attestation_id", F_REQUIRED),
    FIELD_ENUM(struct attestation, kind,      "kind",           F_REQUIRED, attestation_kind_names),
    FIELD(struct attestation, value,          "value",          F_REQUIRED),
    FIELD(struct attestation, valid_until_us, "valid_until",    F_TIME),
    FIELD(struct attestation, recorded_us,    "recorded_at",    F_REQUIRED | F_TIME),
};
static OBJECT(attestation_object, struct attestation, attestation_fields, OPEN);
static const struct field holder_fields[] = {FIELD(struct holder, participant_id, "participant_id", F_REQUIRED)};
/* clang-format on */
static OBJECT(holder_row, struct holder, holder_fields, OPEN);

int registry__attestations(struct db *db, struct uuid participant, struct arena *arena,
                           struct list *ret_list, struct err *err)
{
    return db_list(db, &q_attestation_list, DB_ARGS(DB_UUID(participant)), &attestation_object,
                   arena, 0, ret_list, err);
}

static void write_one(const struct attestation *a, struct jw *w)
{
    jw_object(w);
    jw_kc(w, "attestation", uuid_format(a->attestation_id).c);
    jw_kc(w, "kind", attestation_kind_names[a->kind]);
    jw_kstr(w, "value", a->value);
    if (a->valid_until_us != 0)
        jw_kc(w, "valid_until", time_format(a->valid_until_us).c);
    jw_kc(w, "recorded_at", time_format(a->recorded_us).c);
    jw_object_end(w);
}

void registry__write_attestations(const struct list *list, struct jw *w)
{
    jw_key(w, "attestations");
    jw_array(w);
    for (size_t i = 0; i < list->n; i++)
        write_one(&LIST_ITEMS(struct attestation, *list)[i], w);
    jw_array_end(w);
}

static int log_recorded(struct db *tx, const struct attesting *a, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(2));
    AUTO(buf_done) struct buf salted = buf_init(KIB(4));
    const struct uuid_text id = uuid_format(a->stored.attestation_id);
    struct jw w = jw_init(&body);
    uint8_t hash[SHA256_LEN];

    buf_printf(&salted, "%s\n", id.c);
    buf_add_str(&salted, a->stored.value);
    sha256(salted.p, salted.n, hash);
    jw_object(&w);
    jw_kc(&w, "attestation", id.c);
    jw_kc(&w, "participant", uuid_format(a->participant).c);
    jw_kc(&w, "attestation_kind", attestation_kind_names[a->stored.kind]);
    jw_kc(&w, "value_hash", hash_hex(hash).c);
    if (a->stored.valid_until_us != 0)
        jw_kc(&w, "valid_until", time_format(a->stored.valid_until_us).c);
    jw_kstr(&w, "by", rq_principal(a->rq)->label);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_ATTESTATION_RECORDED, a->stored.recorded_us, buf_str(&body), err);
}

static int log_withdrawn(struct db *tx, const struct attesting *a, int64_t now_us, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(2));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "attestation", uuid_format(a->stored.attestation_id).c);
    jw_kc(&w, "participant", uuid_format(a->participant).c);
    jw_kstr(&w, "by", rq_principal(a->rq)->label);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_ATTESTATION_WITHDRAWN, now_us, buf_str(&body), err);
}

/* The one that says this, or NULL. */
static const struct attestation *find(const struct list *list, const struct wire_attestation *said)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct attestation *a = &LIST_ITEMS(struct attestation, *list)[i];

        if (a->kind == said->kind && str_eq(a->value, said->value))
            return a;
    }
    return NULL;
}

/* A company has one business partner number, and nobody else has it. */
static int check_number(struct db *tx, const struct attesting *a, const struct list *list,
                        struct err *err)
{
    struct holder holder;

    for (size_t i = 0; i < list->n; i++) {
        if (LIST_ITEMS(struct attestation, *list)[i].kind == ATTEST_BUSINESS_PARTNER_NUMBER)
            return err_tell(err, E_CONFLICT, "/value",
                            "the participant has another business partner number");
    }
    switch (db_one(tx, &q_attestation_holder,
                   DB_ARGS(DB_TEXT(a->said.value), DB_UUID(a->participant)), &holder_row,
                   a->rq->arena, &holder, err)) {
    case DB_NONE: return 0;
    case DB_ROW:
        return err_tell(err, E_CONFLICT, "/value", "the number is that of another participant");
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

static int insert(struct db *tx, const struct attesting *a, struct err *err)
{
    const struct attestation *s = &a->stored;

    return db_exec(tx, &q_attestation_insert,
                   DB_ARGS(DB_UUID(s->attestation_id), DB_UUID(a->participant),
                           DB_TEXT(str_c(attestation_kind_names[s->kind])), DB_TEXT(s->value),
                           s->valid_until_us != 0 ? DB_TIME(s->valid_until_us) : DB_NULL(DBT_TIME),
                           DB_TEXT(rq_principal(a->rq)->label), DB_TIME(s->recorded_us)),
                   NULL, err);
}

/* db_tx_fn */
static int record(struct db *tx, void *arg, struct err *err)
{
    struct attesting *a = arg;
    struct rq *rq = a->rq;
    struct participant p = {0};
    struct list list = {0};

    a->delivery = (struct registry_delivery){0};
    if (registry__lock_active(tx, a->participant, rq->arena, &p, err) < 0 ||
        registry__attestations(tx, a->participant, rq->arena, &list, err) < 0)
        return err_ret(err);
    if (find(&list, &a->said) != NULL)
        return err_tell(err, E_CONFLICT, "/value", "it is recorded already");
    if (list.n >= ATTESTATIONS_MAX)
        return err_tell(err, E_LIMIT, "", "at most %d attestations of one participant",
                        ATTESTATIONS_MAX);
    if (a->said.kind == ATTEST_BUSINESS_PARTNER_NUMBER && check_number(tx, a, &list, err) < 0)
        return err_ret(err);
    a->stored = (struct attestation){
        .attestation_id = uuid_new(rq->env),
        .kind = a->said.kind,
        .value = a->said.value,
        .valid_until_us = a->said.valid_until_us,
        .recorded_us = env_wall_us(rq->env),
    };
    if (insert(tx, a, err) < 0 || log_recorded(tx, a, err) < 0)
        return err_ret(err);
    return registry__renew(rq->app, tx, &p, rq->arena, &a->delivery, err);
}

/* db_tx_fn */
static int withdraw(struct db *tx, void *arg, struct err *err)
{
    struct attesting *a = arg;
    struct rq *rq = a->rq;
    const int64_t now_us = env_wall_us(rq->env);
    const struct attestation *found;
    struct participant p = {0};
    struct list list = {0};
    bool active;

    a->delivery = (struct registry_delivery){0};
    active = registry__lock_active(tx, a->participant, rq->arena, &p, err) == 0;
    if (!active && err->code != E_CONFLICT) /* also of a company that is suspended */
        return err_ret(err);
    err_clear(err);
    if (registry__attestations(tx, a->participant, rq->arena, &list, err) < 0)
        return err_ret(err);
    found = find(&list, &a->said);
    if (found == NULL)
        return err_tell(err, E_NOT_FOUND, "/value", "it is not recorded");
    a->stored = *found;
    if (db_exec(tx, &q_attestation_withdraw,
                DB_ARGS(DB_UUID(found->attestation_id), DB_TEXT(rq_principal(rq)->label),
                        DB_TIME(now_us)),
                NULL, err) < 0 ||
        log_withdrawn(tx, a, now_us, err) < 0 ||
        registry__revoke(rq->app, tx, &p, REVOKED_ATTESTATION_WITHDRAWN, rq->arena, &a->delivery,
                         err) < 0)
        return err_ret(err);
    return active ? registry__renew(rq->app, tx, &p, rq->arena, &a->delivery, err) : 0;
}

static int read_said(struct rq *rq, struct attesting *a, struct err *err)
{
    a->rq = rq;
    if (!uuid_parse(rq_param(rq, "id"), &a->participant))
        return err_tell(err, E_NOT_FOUND, "", "no such participant");
    if (rq_decode(rq, &wire_attestation_object, &a->said, err) < 0 ||
        wire_attestation_check(&a->said, err) < 0)
        return err_ret(err);
    if (a->said.valid_until_us != 0 && a->said.valid_until_us <= env_wall_us(rq->env))
        return err_tell(err, E_INVALID, "/valid_until", "it lies in the past");
    return 0;
}

static int change(struct rq *rq, const char *name, db_tx_fn *fn, int status, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(8));
    struct attesting a = {0};
    struct jw w = jw_init(&out);

    if (read_said(rq, &a, err) < 0 || db_tx(worker->db, name, fn, &a, err) < 0)
        return err_ret(err);
    registry__deliver(rq->app, &a.delivery);
    log_info(&rq->log, "attestation changed", L_C("change", name), L_UUID("subject", a.participant),
             L_C("kind", attestation_kind_names[a.said.kind]));
    write_one(&a.stored, &w);
    rq_reply_json(rq, status, buf_str(&out));
    return 0;
}

int registry_attest(struct rq *rq, struct err *err)
{
    return change(rq, "attestation_record", record, 201, err);
}

int registry_attest_withdraw(struct rq *rq, struct err *err)
{
    return change(rq, "attestation_withdraw", withdraw, 200, err);
}
