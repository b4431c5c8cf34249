/*
 * connector/dsp/negotiation_agreement.c - consumer: POST /negotiations/{pid}/agreement
 *
 * An agreement must be what we asked for: same data set, same two parties, same rules. Another one
 * is refused and ends the negotiation. A good one is kept; it is verified at once, unless an
 * operator decides that. Until the contract is final the provider may send it again, also under
 * another id: stock EDC makes a new one when it has lost its own step, and then knows only that.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/store/policies.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

/* *ret_words: what differs, for our operator; STR_NONE if it is not the rules. */
static int check(const struct inbound *in, const struct policy *got, struct str *ret_words,
                 struct err *err)
{
    AUTO(policy_unref) struct policy *wanted = NULL;
    struct difference difference;

    if (!str_eq(policy_target(got), in->process.asset_id))
        return err_tell(err, E_INVALID, "/agreement/target", "is not what was requested");
    if (!str_eq(policy_assigner(got), in->process.peer_id))
        return err_tell(err, E_INVALID, "/agreement/assigner", "is not the sender");
    if (!str_eq(policy_assignee(got), in->app->settings->participant_did))
        return err_tell(err, E_INVALID, "/agreement/assignee", "is not us");
    if (policies_get(in->app->policies, in->process.policy, &wanted, err) < 0)
        return err_prefix(err, "offer of '%.*s'", STR_ARG(in->process.id));
    if (policy_same_rules(got, wanted))
        return 0;
    if (dsp__difference(wanted, got, in->rq->arena, &difference, err) < 0)
        return err_ret(err);
    *ret_words = difference.words;
    return err_tell(err, E_INVALID, "/agreement", "the rules are not those of the offer: %.*s",
                    STR_ARG(difference.names));
}

/*
 * Unwanted is what is well formed and not what we asked for; a malformed text is refused like any
 * other malformed message, and the negotiation waits for a better one.
 */
static int understand(const struct inbound *in, struct policy **ret_got, bool *ret_unwanted,
                      struct str *ret_words, struct err *err)
{
    *ret_unwanted = false;
    if (policy_compile(in->msg.agreement, ret_got, err) < 0) {
        *ret_unwanted = err->code == E_POLICY_UNSUPPORTED;
        return err_at_prefix(err, "/agreement");
    }
    if (check(in, *ret_got, ret_words, err) < 0) {
        *ret_unwanted = err_http(err->code) < 500;
        return err_ret(err);
    }
    return 0;
}

/* Refuses the message and ends the negotiation; *err holds why. */
static int reject(struct inbound *in, struct str words, struct err *err)
{
    struct arena *arena = in->rq->arena;

    in->refusal = *err;
    in->follow = NM_TERMINATION;
    err_clear(err);
    if (dsp__terminate(in->app, &in->effect, &negotiation_kind, &in->process,
                       STR("agreement-differs"), arena_str(arena, str_c(in->refusal.detail)), arena,
                       err) < 0)
        return err_ret(err);
    if (str_present(words)) /* the peer got the names only */
        in->effect.error =
            arena_printf(arena, "%.*s\n%.*s", STR_ARG(in->effect.error), STR_ARG(words));
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "agreement") : 0;
}

/* The order that the agreement uses up; one that comes again keeps that of the first. */
static int find_order(const struct inbound *in, struct str rules, struct str *ret_order_id,
                      struct err *err)
{
    const struct worker *worker = in->rq->thread;
    struct agreement earlier;
    struct list orders;

    if (in->again != NULL) {
        if (dsp__read_agreement(worker->db, in->process.agreement_id, in->rq->arena, &earlier,
                                err) < 0)
            return err_ret(err);
        *ret_order_id = earlier.order_id;
        return 0;
    }
    if (dsp__find_orders(worker->db, &in->process, rules, in->now_us, in->rq->arena, &orders, err) <
        0)
        return err_ret(err);
    *ret_order_id = dsp__first_order(&orders);
    return 0;
}

int dsp__act_agreement(struct inbound *in, struct err *err)
{
    struct arena *arena = in->rq->arena;
    AUTO(policy_unref) struct policy *got = NULL;
    struct agreeing agreeing = {.id = jval_str(jval_get(in->msg.agreement, "@id"))};
    struct str unsent, words = STR_NONE;
    bool unwanted;

    if (understand(in, &got, &unwanted, &words, err) < 0)
        return unwanted ? reject(in, words, err) : err_ret(err);
    agreeing.rules = message_rules_of(in->msg.agreement, arena);
    agreeing.agreed_us = policy_timestamp_us(got);
    if (agreeing.agreed_us == POLICY_NO_TIME)
        agreeing.agreed_us = in->now_us - in->now_us % US_PER_S;
    agreeing.ends_us = dsp__ends_us(got, in->process.asset_id, in->app->settings->participant_did,
                                    agreeing.agreed_us);
    if (find_order(in, agreeing.rules, &agreeing.order_id, err) < 0 ||
        dsp__make_agreement(in->app, &in->effect, &in->process, &agreeing, arena, &unsent, err) < 0)
        return err_ret(err);
    if (in->again != NULL && str_eq(agreeing.id, in->process.agreement_id))
        in->effect.agreement = NULL;
    in->effect.replaces = in->again != NULL && in->effect.agreement != NULL;
    return dsp__follow(in, DSP_VERIFY, NULL, err);
}
