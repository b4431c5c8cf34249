/*
 * connector/mgmt/agreement.c - /v3/contractagreements: read, query, its negotiation
 */
#include "connector/mgmt/mgmt_private.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

static enum db_result read_row(struct rq *rq, struct str id, struct arena *arena,
                               struct agreement *ret, struct err *err)
{
    const struct worker *worker = rq->thread;

    return db_one(worker->db, &q_mgmt_agreement_get, DB_ARGS(DB_TEXT(id)), &agreement_row, arena,
                  ret, err);
}

int mgmt__write_agreement(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                          bool *ret_found, struct err *err)
{
    struct agreement a = {0};

    switch (read_row(rq, id, arena, &a, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    *ret_found = true;
    jw_object(w);
    jw_kc(w, "@type", "ContractAgreement");
    jw_kstr(w, "@id", a.agreement_id);
    jw_kstr(w, "agreementId", a.agreement_id);
    jw_kstr(w, "providerId", a.provider_id);
    jw_kstr(w, "consumerId", a.consumer_id);
    jw_ki64(w, "contractSigningDate", a.agreed_us / US_PER_S);
    jw_kstr(w, "assetId", a.asset_id);
    if (mgmt__policy(rq, w, "policy", a.policy, a.agreement_id, err) < 0)
        return err_ret(err);
    mgmt__context(w);
    return 0;
}

int mgmt_agreement_get(struct rq *rq, struct err *err)
{
    return mgmt__read(rq, ENTITY_AGREEMENT, rq_param(rq, "id"), mgmt__write_agreement, err);
}

int mgmt_agreement_query(struct rq *rq, struct err *err)
{
    return mgmt__query(rq, ENTITY_AGREEMENT, mgmt__write_agreement, err);
}

int mgmt_agreement_negotiation(struct rq *rq, struct err *err)
{
    struct agreement a = {0};

    switch (read_row(rq, rq_param(rq, "id"), rq->arena, &a, err)) {
    case DB_NONE: return mgmt__not_found(err, "ContractAgreement", rq_param(rq, "id"));
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    return mgmt__read(rq, ENTITY_NEGOTIATION, a.negotiation_id, mgmt__write_negotiation, err);
}
