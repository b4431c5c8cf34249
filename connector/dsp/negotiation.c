/*
 * connector/dsp/negotiation.c - endpoints of contract negotiation (DSP 2025-1, contract negotiation
 * binding)
 *
 * One address serves both roles: what we are in a negotiation stands in its row.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/store/policies.h"

#include "lib/base/banned.h"

/* The operator, who has to accept it, reads what is other than what we asked for. */
static int tell_difference(struct inbound *in, const struct policy *offer, struct err *err)
{
    AUTO(policy_unref) struct policy *asked = NULL;
    struct difference difference;

    in->effect.error = STR("");
    if (policies_get(in->app->policies, in->process.policy, &asked, err) < 0)
        return err_prefix(err, "offer of '%.*s'", STR_ARG(in->process.id));
    if (policy_same_rules(offer, asked))
        return 0;
    if (dsp__difference(asked, offer, in->rq->arena, &difference, err) < 0)
        return err_ret(err);
    in->effect.error =
        arena_printf(in->rq->arena, "the offer differs from what we asked for:\n%.*s",
                     STR_ARG(difference.words));
    return str_present(in->effect.error) ? 0 : err_set(err, E_NO_MEMORY, "", "difference");
}

/* Consumer: the provider offers; we wait for a command. */
static int act_offer(struct inbound *in, struct err *err)
{
    AUTO(policy_unref) struct policy *offer = NULL;
    const struct offer_text offered = dsp__offer_of(in->msg.offer, in->rq->arena);

    if (policies_of(in->app->policies, in->msg.offer, &offer, err) < 0)
        return err_at_prefix(err, "/offer");
    if (!in->endpoint->first && !str_eq(offered.target, in->process.asset_id))
        return err_tell(err, E_INVALID, "/offer/target", "is not what was requested");
    if (!in->endpoint->first && tell_difference(in, offer, err) < 0)
        return err_ret(err);
    return dsp__keep_offer(&in->effect, &in->process, &offered, in->rq->arena, err);
}

/* Provider: the contract is final, but the consumer does not know it any more. */
int dsp__again_verification(struct inbound *in, struct err *err)
{
    struct message_text text = {.form = MF_EVENT, .event = STR("FINALIZED")};

    return dsp__send(in->app, &in->effect, &negotiation_kind, &in->process,
                     "dsp.negotiation.reminder", "events", &text, in->rq->arena, err);
}

/* Provider: ACCEPTED; consumer: FINALIZED. */
static int act_event(struct inbound *in, struct err *err)
{
    const struct worker *worker = in->rq->thread;

    if (in->message == NM_ACCEPTED)
        return dsp__act_accepted(in, err);
    return dsp__report(in->app, worker->db, &in->effect, in->process.agreement_id, in->rq->arena,
                       err);
}

int dsp__act_termination(struct inbound *in, struct err *err)
{
    const struct str reason = message_reason(&in->msg, in->rq->arena);

    (void)err;
    in->effect.error = reason.n > 0 ? reason : STR("terminated by the other party");
    in->effect.end_reason = in->effect.error;
    in->effect.forget = true;
    return 0;
}

int dsp_negotiation_request(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &negotiation_kind,
                                             .form = MF_REQUEST,
                                             .message = NM_REQUEST,
                                             .first = true,
                                             .role = "provider",
                                             .act = dsp__act_request};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_negotiation_counter_request(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &negotiation_kind,
                                             .form = MF_REQUEST,
                                             .message = NM_REQUEST,
                                             .role = "provider",
                                             .act = dsp__act_request};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_negotiation_offer(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &negotiation_kind,
                                             .form = MF_OFFER,
                                             .message = NM_OFFER,
                                             .first = true,
                                             .role = "consumer",
                                             .act = act_offer};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_negotiation_counter_offer(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &negotiation_kind,
                                             .form = MF_OFFER,
                                             .message = NM_OFFER,
                                             .role = "consumer",
                                             .act = act_offer};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_negotiation_agreement(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &negotiation_kind,
                                             .form = MF_AGREEMENT,
                                             .message = NM_AGREEMENT,
                                             .role = "consumer",
                                             .act = dsp__act_agreement};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_negotiation_verification(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &negotiation_kind,
                                             .form = MF_VERIFICATION,
                                             .message = NM_VERIFICATION,
                                             .role = "provider",
                                             .act = dsp__act_verified};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_negotiation_event(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {
        .kind = &negotiation_kind, .form = MF_EVENT, .message = -1, .act = act_event};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_negotiation_termination(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &negotiation_kind,
                                             .form = MF_NEGOTIATION_TERMINATION,
                                             .message = NM_TERMINATION,
                                             .act = dsp__act_termination};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_negotiation_show(struct rq *rq, struct err *err)
{
    return dsp__show(rq, &negotiation_kind, err);
}
