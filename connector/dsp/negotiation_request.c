/*
 * connector/dsp/negotiation_request.c - provider: POST /negotiations/request,
 * /negotiations/{pid}/request, and what follows an accepted offer
 *
 * By ourselves we agree to our own offers only: the id must be one that we make now, the rules must
 * be ours, and the policy must permit it to this peer. Where an operator agrees, a request waits for
 * it, also one with other rules.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/facts/facts.h"
#include "connector/store/policies.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

static int unknown_offer(struct inbound *in, struct err *err)
{
    return err_tell(err, E_INVALID, "/offer/@id", "no such offer: '%.*s'",
                    STR_ARG(jval_str(jval_get(in->msg.offer, "@id"))));
}

/* Parties that the offer names must be the two of us. */
static int check_parties(const struct inbound *in, const struct policy *asked, struct err *err)
{
    const struct str assigner = policy_assigner(asked), assignee = policy_assignee(asked);

    if (str_present(assigner) && !str_eq(assigner, in->app->settings->participant_did))
        return err_tell(err, E_INVALID, "/offer/assigner", "is not us");
    if (str_present(assignee) && !str_eq(assignee, in->peer.id))
        return err_tell(err, E_INVALID, "/offer/assignee", "is not the sender");
    return 0;
}

static void decide(const struct inbound *in, const struct policy *policy, int64_t agreed_us,
                   const struct policy_facts *facts, struct policy_decision *ret_decision)
{
    const struct policy_question question = {
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_NEGOTIATION,
        .now_us = in->now_us,
        .agreement_us = agreed_us,
        .target = in->process.asset_id,
        .assignee = in->peer.id,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };

    policy_decide(policy, &question, facts, ret_decision);
}

static int refuse(struct inbound *in, const struct policy_decision *decision, struct err *err)
{
    AUTO(buf_done) struct buf reason = buf_init(KIB(1));
    const char *code = policy_why_slug(decision->n_causes > 0 ? decision->causes[0].why
                                                              : POLICY_WHY_NO_PERMISSION);

    policy_reason(decision, POLICY_EN, &reason);
    in->follow = NM_TERMINATION;
    log_info(&in->rq->log, "refused by policy", L_C("code", code),
             L_STR("reason", buf_str(&reason)));
    return dsp__terminate(in->app, &in->effect, &negotiation_kind, &in->process, str_c(code),
                          arena_str(in->rq->arena, buf_str(&reason)), in->rq->arena, err);
}

/* What was judged, and on which facts. */
struct judgement {
    struct policy_facts *facts;
    struct policy_decision decision;
    struct str order_id; /* that the agreement will use up; STR_NONE: none is asked for */
};

static int agree(struct inbound *in, const struct policy *policy, struct str rules,
                 const struct judgement *judgement, struct err *err)
{
    struct agreeing agreeing = {
        .rules = rules,
        .order_id = judgement->order_id,
        .agreed_us = in->now_us - in->now_us % US_PER_S,
    };

    agreeing.ends_us = dsp__ends_us(policy, in->process.asset_id, in->peer.id, agreeing.agreed_us);
    return dsp__follow(in, DSP_AGREE, &agreeing, err);
}

/* Decides as if the agreement used this order (STR_NONE: whatever orders there are). */
static int judge_with(struct inbound *in, const struct policy *policy, struct str order_id,
                      struct judgement *judgement, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    const struct agreement bound = {.order_id = order_id};
    const struct facts_about about = {
        .peer = &in->peer,
        .asset_id = in->process.asset_id,
        .agreement = str_present(order_id) ? &bound : NULL,
    };

    *judgement->facts = (struct policy_facts){0};
    judgement->order_id = order_id;
    if (facts_gather(worker->db, policy, &about, in->now_us, in->rq->arena, judgement->facts, err) <
        0)
        return err_ret(err);
    decide(in, policy, POLICY_NO_TIME, judgement->facts, &judgement->decision);
    return 0;
}

/* The first order under which the policy permits; without orders, or if none fits, why not. */
static int judge(struct inbound *in, const struct policy *policy, struct str rules,
                 struct judgement *judgement, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    struct list orders;

    judgement->facts = ARENA_NEW(in->rq->arena, struct policy_facts);
    if (judgement->facts == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    if (dsp__find_orders(worker->db, &in->process, rules, in->now_us, in->rq->arena, &orders, err) <
        0)
        return err_ret(err);
    for (size_t i = 0; i < orders.n; i++) {
        if (judge_with(in, policy, LIST_ITEMS(struct open_order, orders)[i].order_id, judgement,
                       err) < 0)
            return err_ret(err);
        if (judgement->decision.verdict == POLICY_PERMIT)
            return 0;
    }
    return judge_with(in, policy, dsp__first_order(&orders), judgement, err);
}

/* Answers an offer of ours that the peer wants. */
static int answer(struct inbound *in, const struct policy *policy, struct str rules,
                  struct err *err)
{
    struct judgement judgement = {0};

    if (judge(in, policy, rules, &judgement, err) < 0)
        return err_ret(err);
    if (judgement.decision.verdict == POLICY_DENY)
        return refuse(in, &judgement.decision, err);
    return agree(in, policy, rules, &judgement, err);
}

/* An offer that the catalogue shows this peer now: its policy, counted. */
static int offered_to_all(struct inbound *in, const struct offer_text *wanted,
                          struct policy **ret_ours, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    AUTO(catalogue_unref) struct catalogue *catalogue = NULL;
    const struct catalogue_offer *offer;
    struct catalogue_view *view;

    if (catalogue_get(in->app->dsp->catalogue, worker->db, &catalogue, err) < 0 ||
        catalogue_view_new(catalogue, worker->db, &in->peer, in->now_us, in->rq->arena, &view,
                           err) < 0)
        return err_ret(err);
    if (catalogue_offer_for(view, wanted->id, &offer, err) < 0)
        return err_ret(err);
    if (offer == NULL)
        return unknown_offer(in, err);
    if (!str_eq(wanted->target, offer->asset_id))
        return err_tell(err, E_INVALID, "/offer/target", "is not what was offered");
    *ret_ours = policy_ref(offer->contract->policy);
    return 0;
}

/* An offer that we have made in this negotiation. */
static int offered_here(struct inbound *in, const struct offer_text *wanted,
                        struct policy **ret_ours, struct err *err)
{
    if (!str_eq(wanted->target, in->process.asset_id))
        return err_tell(err, E_INVALID, "/offer/target", "is not what was offered");
    if (policies_get(in->app->policies, in->process.policy, ret_ours, err) < 0)
        return err_prefix(err, "offer of '%.*s'", STR_ARG(in->process.id));
    return 0;
}

/*
 * Other rules than ours: an operator decides, or they are taken if we are told to take stricter ones
 * and these are; else they are refused.
 */
static int consider(const struct inbound *in, const struct policy *asked, const struct policy *ours,
                    bool *ret_taken, struct err *err)
{
    const bool stricter = in->app->settings->accept_stricter;
    struct difference difference;

    if (stricter && dsp__may_take(asked, ours, in->now_us, in->rq->arena, ret_taken, err) < 0)
        return err_ret(err);
    if (*ret_taken || dsp__operator_decides(in->app, OPERATOR_AGREES))
        return 0;
    if (dsp__difference(ours, asked, in->rq->arena, &difference, err) < 0)
        return err_ret(err);
    return err_tell(err, E_INVALID, "/offer", "the rules are not those that were offered%s: %.*s",
                    stricter ? ", nor stricter ones that bind nobody else" : "",
                    STR_ARG(difference.names));
}

int dsp__act_request(struct inbound *in, struct err *err)
{
    AUTO(policy_unref) struct policy *ours = NULL;
    AUTO(policy_unref) struct policy *asked = NULL;
    const struct offer_text wanted = dsp__offer_of(in->msg.offer, in->rq->arena);
    const bool here = !in->endpoint->first && str_eq(wanted.id, in->process.offer_id);
    bool same, taken;

    if ((here ? offered_here(in, &wanted, &ours, err) : offered_to_all(in, &wanted, &ours, err)) <
        0)
        return err_ret(err);
    if (policies_of(in->app->policies, in->msg.offer, &asked, err) < 0)
        return err_at_prefix(err, "/offer");
    if (check_parties(in, asked, err) < 0)
        return err_ret(err);
    same = taken = policy_same_rules(asked, ours);
    if (!same && consider(in, asked, ours, &taken, err) < 0)
        return err_ret(err);
    if (dsp__keep_offer(&in->effect, &in->process, &wanted, in->rq->arena, err) < 0)
        return err_ret(err);
    /* other rules than ours are a proposal: an operator decides */
    return taken ? answer(in, same ? ours : asked, wanted.rules, err) : 0;
}

static struct stepping stepping_of(const struct inbound *in)
{
    const struct worker *worker = in->rq->thread;

    return (struct stepping){.app = in->app,
                             .db = worker->db,
                             .arena = in->rq->arena,
                             .process = &in->process,
                             .now_us = in->now_us};
}

/* The negotiation ends if the peer may not see the offer any more. */
static int check_shown(struct inbound *in, bool *ret_ended, struct err *err)
{
    const struct stepping stepping = stepping_of(in);
    bool shown;

    if (dsp__is_shown(&stepping, &in->peer, &shown, err) < 0)
        return err_ret(err);
    *ret_ended = !shown;
    if (shown)
        return 0;
    in->follow = NM_TERMINATION;
    log_info(&in->rq->log, "refused: the offer is not shown to this peer any more");
    return dsp__terminate(in->app, &in->effect, &negotiation_kind, &in->process,
                          STR("offer-withdrawn"), STR("the offer does not stand any more"),
                          in->rq->arena, err);
}

/* The peer accepts the offer that we have kept. */
int dsp__act_accepted(struct inbound *in, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    bool ended;

    if (check_shown(in, &ended, err) < 0 || ended)
        return err_ret(err);
    if (jdoc_parse(in->process.policy, NULL, &doc, err) < 0 ||
        policy_compile(jdoc_root(doc), &policy, err) < 0)
        return err_prefix(err, "offer of '%.*s'", STR_ARG(in->process.id));
    return answer(in, policy, message_rules_of(jdoc_root(doc), in->rq->arena), err);
}

/* The peer has verified what we agreed to: it becomes final if it still may. */
int dsp__act_verified(struct inbound *in, struct err *err)
{
    const struct stepping stepping = stepping_of(in);
    struct policy_decision decision;
    bool ended;

    if (check_shown(in, &ended, err) < 0 || ended)
        return err_ret(err);
    if (dsp__still(&stepping, &in->peer, &decision, err) < 0)
        return err_ret(err);
    if (decision.verdict == POLICY_DENY)
        return refuse(in, &decision, err);
    return dsp__follow(in, DSP_FINALIZE, NULL, err);
}
