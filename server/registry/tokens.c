/*
 * server/registry/tokens.c - POST /v1/tokens, DELETE /v1/tokens/{label}: access tokens with a role
 *
 * An admin makes tokens of its own participant (admin, publisher, buyer); the operator makes tokens
 * of auditors and further operators. The label is the token's own id: it is free again when the
 * token has expired or is revoked.
 */
#include "lib/base/timefmt.h"
#include "server/audit/audit.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct wanted {
    struct str role, label;
    int64_t expires_us;
};
/* clang-format off */
static const struct field wanted_fields[] = {
    FIELD(struct wanted, role,       "role",       F_REQUIRED),
    FIELD(struct wanted, label,      "label",      F_REQUIRED | F_NONEMPTY),
    FIELD(struct wanted, expires_us, "expires_at", F_TIME),
};
static OBJECT(wanted_object, struct wanted, wanted_fields, CLOSED);
struct label_use { struct str label; };
static const struct field label_fields[] = {FIELD(struct label_use, label, "label", F_REQUIRED)};
static OBJECT(label_row, struct label_use, label_fields, OPEN);

/* clang-format on */

struct making {
    struct rq *rq;
    struct wanted wanted;
    struct token_text token;
};

static int check_wanted(struct rq *rq, const struct wanted *wanted, struct err *err)
{
    const bool by_operator = (rq_principal(rq)->roles & W_OPERATOR) != 0;
    const unsigned bits = auth_role_bits(wanted->role);
    const unsigned allowed = by_operator ? W_OPERATOR | W_AUDITOR : W_ADMIN | W_PUBLISHER | W_BUYER;

    if (bits == 0 || (bits & ~allowed) != 0)
        return err_tell(err, E_INVALID, "/role", "expected %s",
                        by_operator ? "operator or auditor" : "admin, publisher or buyer");
    if (wanted->label.n > 80)
        return err_tell(err, E_LIMIT, "/label", "at most 80 bytes");
    if (wanted->expires_us != 0 && wanted->expires_us <= env_wall_us(rq->env))
        return err_tell(err, E_INVALID, "/expires_at", "lies in the past");
    return 0;
}

static struct db_arg owner(const struct rq *rq)
{
    const struct uuid participant = rq_principal(rq)->participant;

    return uuid_is_zero(participant) ? DB_NULL(DBT_UUID) : DB_UUID(participant);
}

/*
 * What an operator does is a log entry; what a company does with its own tokens is its own affair.
 */
static int log_action(struct db *tx, struct rq *rq, const char *action, struct str subject,
                      struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(2));
    struct jw w = jw_init(&body);

    if ((rq_principal(rq)->roles & W_OPERATOR) == 0)
        return 0;

    jw_object(&w);
    jw_kc(&w, "action", action);
    jw_kstr(&w, "subject", subject);
    jw_kstr(&w, "by", rq_principal(rq)->label);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_OPERATOR_ACTED, env_wall_us(rq->env), buf_str(&body), err);
}

static int store_token(struct db *tx, void *arg, struct err *err)
{
    struct making *m = arg;
    const struct principal *who = rq_principal(m->rq);
    struct label_use use = {0};

    switch (
        db_one(tx, &q_access_token_label,
               DB_ARGS(owner(m->rq), DB_TEXT(m->wanted.label), DB_TIME(env_wall_us(m->rq->env))),
               &label_row, m->rq->arena, &use, err)) {
    case DB_FAIL: return err_ret(err);
    case DB_ROW: return err_tell(err, E_CONFLICT, "/label", "a token with this label exists");
    case DB_NONE: break;
    }
    if (registry__new_token(m->rq, tx, who->participant, m->wanted.role, m->wanted.label,
                            m->wanted.expires_us, &m->token, err) < 0)
        return err_ret(err);
    return log_action(tx, m->rq, "token.made", m->wanted.label, err);
}

int registry_token_add(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(2));
    struct making m = {.rq = rq};
    struct jw w = jw_init(&out);

    if (rq_decode(rq, &wanted_object, &m.wanted, err) < 0 || check_wanted(rq, &m.wanted, err) < 0 ||
        db_tx(worker->db, "token", store_token, &m, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kstr(&w, "label", m.wanted.label);
    jw_kstr(&w, "role", m.wanted.role);
    jw_kc(&w, "token", m.token.c);
    jw_object_end(&w);
    rq_reply_json(rq, 201, buf_str(&out));
    return 0;
}

static int revoke_token(struct db *tx, void *arg, struct err *err)
{
    struct rq *rq = arg;
    int64_t changed = 0;

    if (db_exec(tx, &q_access_token_revoke,
                DB_ARGS(owner(rq), DB_TEXT(rq_param(rq, "label")), DB_TIME(env_wall_us(rq->env))),
                &changed, err) < 0)
        return err_ret(err);
    if (changed == 0)
        return err_tell(err, E_NOT_FOUND, "", "no token with this label");
    return log_action(tx, rq, "token.revoked", rq_param(rq, "label"), err);
}

int registry_token_delete(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;

    if (db_tx(worker->db, "token_revoke", revoke_token, rq, err) < 0)
        return err_ret(err);
    rq_reply_empty(rq, 204);
    return 0;
}
