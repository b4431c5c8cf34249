/*
 * connector/mgmt/retirement.c - /v3/contractagreements/retirements (Tractus-X): agreements that give
 * nothing any more, until they are taken back
 *
 * As provider, what is asked under a retired agreement is refused: a transfer, a resumption, and
 * from the next one on every access of transfers that run. The agreement itself and what was
 * delivered before stay as they are, and the other party is not told.
 */
#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp.h"
#include "connector/mgmt/mgmt_private.h"
#include "connector/replica.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define REASON_MAX 2000

struct retirement_in {
    struct str agreement_id, reason, reason_tx;
};

struct retirement {
    struct str agreement_id, reason;
    int64_t retired_us;
};
/* clang-format off */
static const struct form_row retirement_rows[] = {
    FORM_ROW(struct retirement_in, agreement_id, LD_EDC "agreementId", FORM_TEXT, true),
    FORM_ROW(struct retirement_in, reason,       LD_EDC "reason",      FORM_TEXT, false),
    FORM_ROW(struct retirement_in, reason_tx,    MGMT_TX "reason",     FORM_TEXT, false),
};
FORM(retirement_form, retirement_rows);
static const struct field retirement_fields[] = {
    FIELD(struct retirement, agreement_id, "agreement_id", F_REQUIRED),
    FIELD(struct retirement, reason,       "reason",       F_REQUIRED),
    FIELD(struct retirement, retired_us,   "retired_us",   F_REQUIRED),
};
/* clang-format on */
static OBJECT(retirement_row, struct retirement, retirement_fields, OPEN);

struct retirement_change {
    struct change change;
    struct str id, reason;
    struct str consumer_id; /* of one that is taken back */
};

static int retire(struct db *tx, void *arg, struct err *err)
{
    const struct retirement_change *c = arg;
    const struct app *app = c->change.rq->app;
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    struct agreement row = {0};
    int64_t n = 0;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "agreement");
    switch (db_one(tx, &q_mgmt_agreement_get, DB_ARGS(DB_TEXT(c->id)), &agreement_row, arena, &row,
                   err)) {
    case DB_NONE: return mgmt__not_found(err, "ContractAgreement", c->id);
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    if (db_exec(tx, &q_mgmt_agreement_retire,
                DB_ARGS(DB_TEXT(c->id), DB_I64(c->change.now_us), DB_TEXT(c->reason)), &n, err) < 0)
        return err_ret(err);
    return n > 0 ? replica_tell(tx, app->replica, NEWS_AGREEMENT, c->id, err)
                 : err_tell(err, E_CONFLICT, "", "Contract Agreement %.*s is already retired.",
                            STR_ARG(c->id));
}

static int reactivate(struct db *tx, void *arg, struct err *err)
{
    struct retirement_change *c = arg;
    struct agreement row = {0};
    int64_t n = 0;

    if (db_exec(tx, &q_mgmt_agreement_reactivate, DB_ARGS(DB_TEXT(c->id)), &n, err) < 0 ||
        db_one(tx, &q_mgmt_agreement_get, DB_ARGS(DB_TEXT(c->id)), &agreement_row,
               c->change.rq->arena, &row, err) == DB_FAIL)
        return err_ret(err);
    c->consumer_id = row.consumer_id;
    return n > 0 ? 0
                 : err_tell(err, E_NOT_FOUND, "",
                            "Contract Agreement with %.*s was not found on retirement list.",
                            STR_ARG(c->id));
}

static void forget(struct change *change)
{
    const struct retirement_change *c = (const struct retirement_change *)change;
    struct app *app = change->rq->app;

    dataplane_forget(app->dataplane, STR_NONE, c->id);
    if (str_present(c->consumer_id)) /* what would have been started again meanwhile */
        dsp_reconsider(app, c->consumer_id);
}

static struct retirement_change *change_new(struct rq *rq, struct err *err)
{
    struct retirement_change *c = ARENA_NEW(rq->arena, struct retirement_change);

    if (c == NULL) {
        (void)err_set(err, E_LIMIT, "", "memory of the request");
        return NULL;
    }
    c->change.now_us = env_wall_us(rq->env);
    c->change.after = forget;
    return c;
}

int mgmt_retirement_add(struct rq *rq, struct err *err)
{
    struct retirement_change *c = change_new(rq, err);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;
    struct retirement_in in = {0};

    if (c == NULL || mgmt__expand(rq, NULL, false, &doc, &node, err) < 0 ||
        form_decode(&retirement_form, node, rq->arena, &in, err) < 0)
        return err_ret(err);
    c->id = in.agreement_id;
    c->reason = in.reason_tx.n > 0 ? in.reason_tx : in.reason;
    if (c->reason.n == 0)
        return form_missing(err, "value", MGMT_TX "reason");
    if (c->reason.n > REASON_MAX)
        return err_tell(err, E_LIMIT, "/" MGMT_TX "reason", "at most %d bytes", REASON_MAX);
    return mgmt__change(rq, &c->change, "agreement retire", retire, err);
}

int mgmt_retirement_delete(struct rq *rq, struct err *err)
{
    struct retirement_change *c = change_new(rq, err);

    if (c == NULL)
        return err_ret(err);
    c->id = rq_param(rq, "id");
    return mgmt__change(rq, &c->change, "agreement reactivate", reactivate, err);
}

static int write_retirement(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                            bool *ret_found, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct retirement r = {0};

    switch (db_one(worker->db, &q_mgmt_retirement_get, DB_ARGS(DB_TEXT(id)), &retirement_row, arena,
                   &r, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    *ret_found = true;
    jw_object(w);
    jw_kc(w, "@type", "AgreementsRetirementEntry");
    jw_kstr(w, "agreementId", r.agreement_id);
    jw_kstr(w, "tx:reason", r.reason);
    jw_ki64(w, "tx:agreementRetirementDate", r.retired_us / US_PER_S);
    mgmt__context_tx(w);
    return 0;
}

int mgmt_retirement_query(struct rq *rq, struct err *err)
{
    return mgmt__query(rq, ENTITY_RETIREMENT, write_retirement, err);
}
