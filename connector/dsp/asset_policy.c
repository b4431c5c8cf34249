/*
 * connector/dsp/asset_policy.c - the policy under which an asset is offered, for who asks about it
 */
#include "connector/dsp/dsp_private.h"
#include "policy/policy.h"

#include "lib/base/banned.h"

int dsp_asset_policy(const struct app *app, struct db *db, struct str asset_id,
                     struct policy **ret_policy, struct err *err)
{
    AUTO(catalogue_unref) struct catalogue *catalogue = NULL;
    const struct catalogue_offer *offers;
    size_t n = 0;

    if (catalogue_get(app->dsp->catalogue, db, &catalogue, err) < 0)
        return err_ret(err);
    offers = catalogue_offers_of(catalogue, asset_id, &n);
    if (n == 0)
        return err_tell(err, E_NOT_FOUND, "", "no offer of asset '%.*s'", STR_ARG(asset_id));
    for (size_t i = 1; i < n; i++) {
        if (offers[i].contract != offers[0].contract)
            return err_tell(err, E_CONFLICT, "",
                            "asset '%.*s' is offered under several policies: name one by policyId",
                            STR_ARG(asset_id));
    }
    *ret_policy = policy_ref(offers[0].contract->policy);
    return 0;
}
