/*
 * connector/mgmt/retirement.c - /v3/contractagreements/retirements (Tractus-X): agreements that give
 * nothing any more, until they are taken back
 *
 * As provider, its transfers are terminated and what is asked under it is refused. The agreement
 * itself and what was delivered before stay as they are. Taken back, it gives again; the transfers
 * that have ended stay so.
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

/* What the unit of the protocol says, in EDC's words. */
static void retired(void *cls, struct str id, const struct err *err)
{
    struct err told = {0};

    if (err->code == E_NOT_FOUND)
        (void)mgmt__not_found(&told, "ContractAgreement", id);
    mgmt__done(cls, id, err->code == E_NOT_FOUND ? &told : err);
}

int mgmt_retirement_add(struct rq *rq, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct command_wait *wait;
    const struct jval *node;
    struct retirement_in in = {0};
    struct str reason;

    if (mgmt__expand(rq, NULL, false, &doc, &node, err) < 0 ||
        form_decode(&retirement_form, node, rq->arena, &in, err) < 0)
        return err_ret(err);
    reason = in.reason_tx.n > 0 ? in.reason_tx : in.reason;
    if (reason.n == 0)
        return form_missing(err, "value", MGMT_TX "reason");
    if (reason.n > REASON_MAX)
        return err_tell(err, E_LIMIT, "/" MGMT_TX "reason", "at most %d bytes", REASON_MAX);
    wait = mgmt__wait(rq, false, err);
    if (wait == NULL)
        return err_ret(err);
    return dsp_agreement_retire(rq->app, in.agreement_id, reason, retired, wait, err);
}

struct reactivation {
    struct change change;
    struct str id;
};

static int read_retirement(struct db *db, struct str id, struct arena *arena,
                           struct retirement *ret, bool *ret_found, struct err *err)
{
    const enum db_result result =
        db_one(db, &q_mgmt_retirement_get, DB_ARGS(DB_TEXT(id)), &retirement_row, arena, ret, err);

    *ret_found = result == DB_ROW;
    return result == DB_FAIL ? err_ret(err) : 0;
}

static int reactivate(struct db *tx, void *arg, struct err *err)
{
    const struct reactivation *c = arg;
    const struct app *app = c->change.rq->app;
    struct retirement r = {0};
    int64_t n = 0;
    bool found;

    if (db_exec(tx, &q_mgmt_agreement_reactivate, DB_ARGS(DB_TEXT(c->id)), &n, err) < 0)
        return err_ret(err);
    if (n > 0)
        return replica_tell(tx, app->replica, NEWS_AGREEMENT, c->id, err);
    if (read_retirement(tx, c->id, c->change.rq->arena, &r, &found, err) < 0)
        return err_ret(err);
    return found ? err_tell(err, E_BUSY, "", "its transfers are being terminated")
                 : err_tell(err, E_NOT_FOUND, "",
                            "Contract Agreement with %.*s was not found on retirement list.",
                            STR_ARG(c->id));
}

static void forget(struct change *change)
{
    const struct reactivation *c = (const struct reactivation *)change;
    const struct app *app = change->rq->app;

    dataplane_forget(app->dataplane, STR_NONE, c->id);
}

int mgmt_retirement_delete(struct rq *rq, struct err *err)
{
    struct reactivation *c = ARENA_NEW(rq->arena, struct reactivation);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->change.now_us = env_wall_us(rq->env);
    c->change.after = forget;
    c->id = rq_param(rq, "id");
    return mgmt__change(rq, &c->change, "agreement reactivate", reactivate, err);
}

static int write_retirement(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                            bool *ret_found, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct retirement r = {0};

    if (read_retirement(worker->db, id, arena, &r, ret_found, err) < 0)
        return err_ret(err);
    if (!*ret_found)
        return 0;
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
