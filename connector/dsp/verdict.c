/*
 * connector/dsp/verdict.c - what the policy of an agreement says of a transfer that runs, or rests
 *
 * 1. As provider we know the facts: what the policy permits holds until the decision turns or a fact
 *    ends. As consumer its facts are the provider's to know (its groups, its view of us); we hold
 *    ourselves to what no fact could change: time, parties, prohibitions.
 * 2. A refusal that can turn back by time alone (a window that opens again), or that stands only
 *    because a fact is unknown or too old, makes the transfer wait. Any other one ends it.
 * 3. An agreement ends at the instant from which on nothing could permit any more.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/facts/facts.h"
#include "connector/store/policies.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define STEPS_MOST 64 /* turns of time that are looked ahead */

static const struct policy_facts nothing_known;

static struct policy_question question_of(const struct agreement *agreement, int64_t now_us)
{
    return (struct policy_question){
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_TRANSFER,
        .now_us = now_us,
        .agreement_us = agreement->agreed_us,
        .target = agreement->asset_id,
        .assignee = agreement->consumer_id,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };
}

static int compile(const struct app *app, const struct agreement *agreement,
                   struct policy **ret_policy, struct err *err)
{
    if (policies_get(app->policies, agreement->policy, ret_policy, err) < 0)
        return err_prefix(err, "agreement '%.*s'", STR_ARG(agreement->agreement_id));
    return 0;
}

/* The next instant at which time alone lets it be permitted again, or at which to look ahead once
 * more; POLICY_FOREVER: never. */
static int64_t opens_us(const struct policy *policy, const struct policy_question *question,
                        const struct policy_facts *facts)
{
    struct policy_question later = *question;
    int64_t turns_us;

    later.flags |= POLICY_FACTS_LAST;
    for (int i = 0; i < STEPS_MOST; i++) {
        if (policy_may_permit(policy, &later, facts, &turns_us))
            break;
        if (turns_us == POLICY_FOREVER)
            return POLICY_FOREVER;
        later.now_us = turns_us;
    }
    return later.now_us;
}

/* In words that a peer may read, too: names of operands, no values. */
static int explain(const struct policy_decision *decision, struct arena *arena,
                   struct verdict *verdict, struct err *err)
{
    AUTO(buf_done) struct buf reason = buf_init(KIB(2));
    const bool known = decision->n_causes > 0;
    const struct policy_cause *cause = &decision->causes[0];

    policy_reason(decision, POLICY_EN, &reason);
    verdict->code = str_c(policy_why_slug(known ? cause->why : POLICY_WHY_NO_PERMISSION));
    if (known && cause->operand != POLICY_OP__COUNT)
        verdict->operand = str_c(policy_operand_iri(cause->operand));
    verdict->reason = arena_str(arena, buf_str(&reason));
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "decision") : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rule 2; false if it is permitted. */
static bool refuses(const struct policy *policy, const struct policy_question *question,
                    const struct policy_facts *facts, bool known, struct policy_decision *decision,
                    struct verdict *verdict)
{
    int64_t turns_us;
    const bool may = policy_may_permit(policy, question, facts, &turns_us);

    policy_decide(policy, question, facts, decision);
    if (known ? decision->verdict == POLICY_PERMIT : may) {
        verdict->kind = VERDICT_HOLDS;
        verdict->until_us = known ? decision->valid_until_us : turns_us;
        return false;
    }
    verdict->until_us = may ? turns_us : opens_us(policy, question, facts);
    verdict->kind = may || verdict->until_us != POLICY_FOREVER ? VERDICT_WAITS : VERDICT_ENDS;
    return true;
}

int dsp__judge(const struct app *app, struct db *db, const struct agreement *agreement,
               int64_t now_us, struct arena *arena, struct verdict *ret_verdict, struct err *err)
{
    const struct policy_question question = question_of(agreement, now_us);
    const bool provider = str_eq(agreement->role, STR("provider"));
    AUTO(policy_unref) struct policy *policy = NULL;
    struct policy_facts *facts = ARENA_NEW(arena, struct policy_facts);
    struct policy_decision decision;
    int64_t facts_until_us = POLICY_FOREVER;
    struct peer peer;
    const struct facts_about about = {
        .peer = &peer, .asset_id = agreement->asset_id, .agreement = agreement, .running = true};

    *ret_verdict = (struct verdict){0};
    if (facts == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    if (compile(app, agreement, &policy, err) < 0)
        return err_ret(err);
    if (provider &&
        (facts_peer(db, agreement->consumer_id, arena, &peer, err) < 0 ||
         facts_gather_until(db, policy, &about, now_us, arena, facts, &facts_until_us, err) < 0))
        return err_ret(err);
    if (refuses(policy, &question, facts, provider, &decision, ret_verdict) &&
        explain(&decision, arena, ret_verdict, err) < 0)
        return err_ret(err);
    ret_verdict->until_us = earlier(ret_verdict->until_us, facts_until_us);
    if (ret_verdict->until_us <= now_us) /* never asked for the same instant again and again */
        ret_verdict->until_us = now_us + US_PER_S;
    return 0;
}

int dsp__decide_transfer(const struct app *app, struct db *db, const struct agreement *agreement,
                         const struct peer *peer, int64_t now_us, struct arena *arena,
                         struct policy_decision *ret_decision, int64_t *ret_until_us,
                         struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    struct policy_facts *facts = ARENA_NEW(arena, struct policy_facts);
    const struct policy_question question = question_of(agreement, now_us);
    const struct facts_about about = {
        .peer = peer, .asset_id = agreement->asset_id, .agreement = agreement};
    int64_t facts_until_us;

    if (facts == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    if (compile(app, agreement, &policy, err) < 0 ||
        facts_gather_until(db, policy, &about, now_us, arena, facts, &facts_until_us, err) < 0)
        return err_ret(err);
    policy_decide(policy, &question, facts, ret_decision);
    *ret_until_us = earlier(ret_decision->valid_until_us, facts_until_us);
    return 0;
}

/* Rule 3: the last closing that no opening follows. */
int64_t dsp__ends_us(const struct policy *policy, struct str asset_id, struct str consumer_id,
                     int64_t agreed_us)
{
    struct policy_question question = {
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_NEGOTIATION,
        .now_us = agreed_us,
        .agreement_us = agreed_us,
        .target = asset_id,
        .assignee = consumer_id,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };
    int64_t closed_us = 0;

    for (int i = 0; i < STEPS_MOST; i++) {
        int64_t turns_us;

        if (policy_may_permit(policy, &question, &nothing_known, &turns_us))
            closed_us = 0;
        else if (closed_us == 0)
            closed_us = question.now_us;
        if (turns_us == POLICY_FOREVER)
            return closed_us == agreed_us ? 0 : closed_us;
        question.now_us = turns_us;
    }
    return 0; /* too many turns: its transfers are decided one by one */
}

int dsp__why_over(const struct app *app, const struct agreement *agreement, int64_t now_us,
                  struct arena *arena, struct verdict *ret_verdict, struct err *err)
{
    struct policy_question question = question_of(agreement, now_us);
    AUTO(policy_unref) struct policy *policy = NULL;
    struct policy_decision decision;

    *ret_verdict = (struct verdict){.kind = VERDICT_ENDS, .until_us = POLICY_FOREVER};
    question.scope = POLICY_AT_NEGOTIATION;
    if (compile(app, agreement, &policy, err) < 0)
        return err_ret(err);
    policy_decide(policy, &question, &nothing_known, &decision);
    if (decision.verdict == POLICY_PERMIT) {
        ret_verdict->code = STR("agreement-ended");
        ret_verdict->reason = STR("the agreement's time is over");
        return 0;
    }
    /* what is not known here was not what ended it */
    for (unsigned i = 0; i < decision.n_causes; i++) {
        if (decision.causes[i].why != POLICY_WHY_UNKNOWN) {
            decision.causes[0] = decision.causes[i];
            decision.n_causes = 1;
        }
    }
    return explain(&decision, arena, ret_verdict, err);
}
