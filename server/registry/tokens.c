/*
 * server/registry/tokens.c - POST /v1/tokens, DELETE /v1/tokens/{label}: access tokens with a role
 *
 * An admin makes tokens of its own participant (admin, publisher, buyer); the operator makes tokens of auditors and further operators.
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
/* clang-format on */
static OBJECT(wanted_object, struct wanted, wanted_fields, CLOSED);

struct making {
    struct rq *rq;
    struct wanted wanted;
    struct token_text token;
};

static int check_wanted(struct rq *rq, const struct wanted *wanted, struct err *err)
{
    const bool operator=(rq_principal(rq)->roles &W_OPERATOR) != 0;
    const unsigned bits = auth_role_bits(wanted->role);
    const unsigned allowed = operator? W_OPERATOR | W_AUDITOR : W_ADMIN | W_PUBLISHER | W_BUYER;

    if (bits == 0 || (bits & ~allowed) != 0)
        return err_tell(
            err, E_INVALID, "/role",
            "expected %s", operator? "operator or auditor" : "admin, publisher or buyer");
    if (wanted->label.n > 80)
        return err_tell(err, E_LIMIT, "/label", "at most 80 bytes");
    if (wanted->expires_us != 0 && wanted->expires_us <= env_wall_us(rq->env))
        return err_tell(err, E_INVALID, "/expires_at", "lies in the past");
    return 0;
}

static int log_action(struct db *tx, struct rq *rq, const char *action, struct str label,
                      struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(2));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "action", action);
    jw_kstr(&w, "subject", label);
    jw_kstr(&w, "by", rq_principal(rq)->label);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_OPERATOR_ACTED, env_wall_us(rq->env), buf_str(&body), err);
}

static int store_token(struct db *tx, void *arg, struct err *err)
{
    struct making *m = arg;
    const struct principal *who = rq_principal(m->rq);

    if (registry__new_token(m->rq, tx, who->participant, m->wanted.role, m->wanted.label,
                            m->wanted.expires_us, &m->token, err) < 0)
        return err_ret(err);
    if ((who->roles & W_OPERATOR) == 0)
        return 0;
    return log_action(tx, m->rq, "token.made", m->wanted.role, err);
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

int registry_token_delete(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct uuid participant = rq_principal(rq)->participant;
    int64_t changed = 0;

    if (db_exec(worker->db, &q_access_token_revoke,
                DB_ARGS(uuid_is_zero(participant) ? DB_NULL(DBT_UUID) : DB_UUID(participant),
                        DB_TEXT(rq_param(rq, "label")), DB_TIME(env_wall_us(rq->env))),
                &changed, err) < 0)
        return err_ret(err);
    if (changed == 0)
        return err_tell(err, E_NOT_FOUND, "", "no token with this label");
    rq_reply_empty(rq, 204);
    return 0;
}
