/*
 * connector/mgmt/policy_which.c - finds the policy that a request is about
 */
#include "connector/mgmt/policy_which.h"

#include "connector/dsp/dsp.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

static int compile_stored(struct str text, struct policy **ret_policy, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (jdoc_parse(text, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "stored policy");
    return policy_compile(jdoc_root(doc), ret_policy, err);
}

static int of_definition(struct rq *rq, struct str id, struct policy **ret_policy, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct policy_definition row = {0};

    switch (db_one(worker->db, &q_mgmt_policy_get, DB_ARGS(DB_TEXT(id)), &policy_definition_row,
                   rq->arena, &row, err)) {
    case DB_NONE: return mgmt__not_found(err, "PolicyDefinition", id);
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    return compile_stored(row.policy, ret_policy, err);
}

int mgmt__policy_of_agreement(struct rq *rq, struct str id, struct policy **ret_policy,
                              struct agreement *ret_agreement, struct err *err)
{
    const struct worker *worker = rq->thread;

    switch (db_one(worker->db, &q_dsp_agreement_get, DB_ARGS(DB_TEXT(id)), &agreement_row,
                   rq->arena, ret_agreement, err)) {
    case DB_NONE: return mgmt__not_found(err, "ContractAgreement", id);
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    return compile_stored(ret_agreement->policy, ret_policy, err);
}

int mgmt__policy_which(struct rq *rq, const struct policy_which *which, struct policy **ret_policy,
                       struct agreement *ret_agreement, struct err *err)
{
    const struct worker *worker = rq->thread;
    const int given = (which->policy != NULL) + str_present(which->policy_id) +
                      str_present(which->agreement_id) + str_present(which->asset);

    *ret_agreement = (struct agreement){0};
    if (given != 1)
        return err_tell(err, E_INVALID, "/policy",
                        "expected one of policy, policyId, agreementId, asset");
    if (which->policy != NULL)
        return policy_compile(which->policy, ret_policy, err) < 0 ? err_at_prefix(err, "/policy")
                                                                  : 0;
    if (str_present(which->policy_id))
        return of_definition(rq, which->policy_id, ret_policy, err);
    if (str_present(which->agreement_id))
        return mgmt__policy_of_agreement(rq, which->agreement_id, ret_policy, ret_agreement, err);
    return dsp_asset_policy(rq->app, worker->db, which->asset, ret_policy, err);
}

int mgmt__answer(struct rq *rq, struct jw *w, struct err *err)
{
    jw_object_end(w);
    if (buf_failed(w->out))
        return err_tell(err, E_LIMIT, "", "the answer is too large");
    rq_reply_json(rq, 200, buf_str(w->out));
    return 0;
}
