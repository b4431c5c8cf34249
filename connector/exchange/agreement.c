/*
 * connector/exchange/agreement.c - signed reports of agreements; POST /naru/v1/agreements/{id}/end
 */
#include "connector/dsp/dsp.h"
#include "connector/exchange/exchange_private.h"
#include "connector/identity/identity.h"
#include "connector/mgmt/mgmt.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define REASON_MAX 500

int exchange_agreement_report(struct app *app, const struct agreement *agreement,
                              struct arena *arena, struct outbox_msg *ret_msg, struct err *err)
{
    AUTO(buf_done) struct buf payload = buf_init(KIB(16));
    AUTO(buf_done) struct buf body = buf_init(KIB(32));
    const struct wire_agreement report = {
        .agreement = agreement->agreement_id,
        .role = str_eq(agreement->role, STR("provider")) ? PARTY_PROVIDER : PARTY_CONSUMER,
        .order = agreement->order_id,
        .asset = agreement->asset_id,
        .provider = agreement->provider_id,
        .consumer = agreement->consumer_id,
        .hash = agreement->policy_hash,
        .agreed_us = agreement->agreed_us,
        .ends_us = agreement->ends_us,
        .reporter = app->settings->participant_did,
    };

    *ret_msg = (struct outbox_msg){0};
    if (!exchange_enabled(app))
        return 0;
    object_canonical(&wire_agreement_object, &report, &payload);
    buf_add_c(&body, "{\"report\":\"");
    if (identity_sign(app->identity, WIRE_TYP_AGREEMENT, buf_str(&payload), &body, err) < 0)
        return err_ret(err);
    buf_add_c(&body, "\"}");
    exchange__message(app, ret_msg, "broker/agreement", "broker.agreement",
                      arena_printf(arena, "%.*s/v1/agreements", STR_ARG(app->settings->broker_url)),
                      arena_str(arena, buf_str(&body)));
    if (buf_failed(&payload) || buf_failed(&body) || arena_failed(arena))
        return err_set(err, E_LIMIT, "", "report of agreement '%.*s'",
                       STR_ARG(agreement->agreement_id));
    return 0;
}

/* -- ending one ---------------------------------------------------------------------------------- */

struct reason {
    struct str reason;
};
/* clang-format off */
static const struct field reason_fields[] = {FIELD(struct reason, reason, "reason", F_REQUIRED | F_NONEMPTY)};
/* clang-format on */
static OBJECT(reason_object, struct reason, reason_fields, CLOSED);

static void ended(void *cls, struct str id, const struct err *err)
{
    struct rq *rq = cls;

    (void)id;
    *(struct err *)rq->cls = *err;
    rq_resume(rq);
}

static int end_answer(struct rq *rq, struct err *err)
{
    const struct err *result = rq->cls;

    if (result->code != E_OK) {
        *err = *result;
        return err_ret(err);
    }
    rq_reply_empty(rq, 204);
    return 0;
}

int exchange_agreement_end(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    struct err *result = ARENA_NEW(rq->arena, struct err);
    struct reason reason = {0};

    if (result == NULL)
        return err_set(err, E_NO_MEMORY, "", "agreement");
    if (rq_decode(rq, &reason_object, &reason, err) < 0)
        return err_ret(err);
    if (reason.reason.n > REASON_MAX)
        return err_tell(err, E_LIMIT, "/reason", "at most %d bytes", REASON_MAX);
    rq->cls = result;
    rq_suspend(rq, end_answer);
    if (dsp_agreement_end(app, rq_param(rq, "id"), reason.reason, ended, rq, result) < 0)
        rq_resume(rq);
    return 0;
}
