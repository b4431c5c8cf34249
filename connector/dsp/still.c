/*
 * connector/dsp/still.c - provider: before each step that binds us, the offer is judged again: may
 * the other party still see it, and does its policy still permit what is agreed?
 *
 * Facts may have changed since the last step: an order cancelled, a membership revoked, a group left.
 * An offer that the catalogue does not know (made here, or withdrawn after it was agreed) is shown to
 * nobody else and stands.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/facts/facts.h"
#include "connector/store/policies.h"

#include "lib/base/banned.h"

int dsp__is_shown(const struct stepping *s, const struct peer *peer, bool *ret_shown,
                  struct err *err)
{
    AUTO(catalogue_unref) struct catalogue *catalogue = NULL;
    const struct catalogue_offer *offer;
    struct catalogue_view *view;

    *ret_shown = true;
    if (catalogue_get(s->app->dsp->catalogue, s->db, &catalogue, err) < 0)
        return err_ret(err);
    offer = catalogue_offer(catalogue, s->process->offer_id);
    if (offer == NULL)
        return 0;
    if (catalogue_view_new(catalogue, s->db, peer, s->now_us, s->arena, &view, err) < 0)
        return err_ret(err);
    return catalogue_visible(view, offer, ret_shown, err);
}

/* What is agreed, or, before that, the offer on the table with the order that it would use up. */
static int on_the_table(const struct stepping *s, struct agreement *ret, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct list orders;

    if (str_present(s->process->agreement_id))
        return dsp__read_agreement(s->db, s->process->agreement_id, s->arena, ret, err);
    if (jdoc_parse(s->process->policy, NULL, &doc, err) < 0 ||
        dsp__find_orders(s->db, s->process, message_rules_of(jdoc_root(doc), s->arena), s->now_us,
                         s->arena, &orders, err) < 0)
        return err_prefix(err, "offer of '%.*s'", STR_ARG(s->process->id));
    *ret = (struct agreement){.policy = s->process->policy,
                              .asset_id = s->process->asset_id,
                              .agreed_us = s->now_us,
                              .order_id = dsp__first_order(&orders)};
    return 0;
}

int dsp__still(const struct stepping *s, const struct peer *peer,
               struct policy_decision *ret_decision, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    struct policy_facts *facts = ARENA_NEW(s->arena, struct policy_facts);
    struct agreement table;
    struct facts_about about = {.peer = peer, .asset_id = s->process->asset_id};

    if (facts == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    if (on_the_table(s, &table, err) < 0)
        return err_ret(err);
    if (str_present(table.agreement_id) || str_present(table.order_id))
        about.agreement = &table;
    if (policies_get(s->app->policies, table.policy, &policy, err) < 0 ||
        facts_gather(s->db, policy, &about, s->now_us, s->arena, facts, err) < 0)
        return err_prefix(err, "negotiation '%.*s'", STR_ARG(s->process->id));

    const struct policy_question question = {
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_NEGOTIATION,
        .now_us = s->now_us,
        .agreement_us = table.agreed_us,
        .target = s->process->asset_id,
        .assignee = peer->id,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };

    policy_decide(policy, &question, facts, ret_decision);
    return 0;
}
