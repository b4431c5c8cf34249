/*
 * policy/trace_write.c - a trace as JSON
 *
 * Members that FORCE's compliance report (https://w3id.org/force/compliance-report#) or the report of
 * the Formal Semantics have are called as there, with their states; "Unknown" is ours. Constraints
 * tell besides what was seen, from which source, how old, and whether they are in the smallest set
 * that would have to change.
 */
#include "policy/trace.h"

#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "policy/answer.h"
#include "policy/explain_private.h"
#include "policy/trace_private.h"

#include "lib/base/banned.h"

/* clang-format off */
static const char *const satisfaction[] = {
    [TRUTH_FALSE] = "Unsatisfied", [TRUTH_UNKNOWN] = "Unknown", [TRUTH_TRUE] = "Satisfied",
};
static const char *const activation[] = {
    [TRUTH_FALSE] = "Inactive", [TRUTH_UNKNOWN] = "Unknown", [TRUTH_TRUE] = "Active",
};
static const char *const logicals[] = {
    [NODE_AND] = "and", [NODE_OR] = "or", [NODE_XONE] = "xone", [NODE_SEQUENCE] = "andSequence",
};
static const char *const rule_reports[] = {
    [RULE_PERMISSION] = "PermissionReport", [RULE_PROHIBITION] = "ProhibitionReport",
    [RULE_OBLIGATION] = "ObligationReport", [RULE_DUTY] = "DutyReport",
    [RULE_REMEDY] = "RemedyReport",         [RULE_CONSEQUENCE] = "ConsequenceReport",
};
/* deonticState, performanceState */
static const char *const duty_states[][2] = {
    [POLICY_DUTY_OUTSTANDING] = {"NonSet", "Unknown"},
    [POLICY_DUTY_FULFILLED]   = {"Fulfilled", "Performed"},
    [POLICY_DUTY_VIOLATED]    = {"Violated", "Unperformed"},
};
/* clang-format on */

static void write_children(const struct trace_node *parent, const char *key, enum trace_kind from,
                           enum trace_kind to, struct jw *w);

static void write_words(const struct node *node, struct jw *w)
{
    static const char *const keys[POLICY_LANG__COUNT] = {"ko", "en"};

    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        AUTO(buf_done) struct buf text = buf_init(256 * 1024);

        policy__explain_atom(&text, (enum policy_lang)lang, node);
        jw_kstr(w, keys[lang], buf_str(&text));
    }
}

static void write_atom(const struct trace_node *n, struct jw *w)
{
    jw_kc(w, "type", "ConstraintReport");
    jw_kstr(w, "at", n->node->at);
    jw_kc(w, "constraintLeftOperand", policy_operand_iri(n->node->operand));
    jw_kc(w, "constraintOperator", policy_operator_name(n->node->op));
    jw_kstr(w, "constraintRightOperand", n->node->required);
    jw_kc(w, "satisfactionState", satisfaction[n->truth]);
    if (n->term)
        jw_kbool(w, "term", true);
    if (n->truth != TRUTH_TRUE)
        jw_kc(w, "why", policy_why_slug(n->seen.why));
    if (n->seen.seen[0] != '\0')
        jw_kc(w, "seen", n->seen.seen);
    policy_answer_sources(n->seen.source, w);
    if (n->age_us >= 0)
        jw_ki64(w, "ageSeconds", n->age_us / US_PER_S);
    write_words(n->node, w);
}

static void write_entity(const struct trace_node *n, struct jw *w)
{
    jw_kc(w, "type", n->kind == TRACE_TARGET ? "TargetReport" : "PartyReport");
    jw_kstr(w, "named", n->named.id);
    jw_kbool(w, "collection", n->named.collection);
    jw_kstr(w, "asked", n->asked_for.id);
    jw_kc(w, "satisfactionState", satisfaction[n->truth]);
}

/* A prohibition's mark is whether it certainly does not apply. */
static enum truth active_of(const struct trace_node *n)
{
    return n->rule->kind == RULE_PROHIBITION ? (enum truth)(TRUTH_TRUE - n->truth) : n->truth;
}

static void write_rule(const struct trace_node *n, struct jw *w)
{
    jw_kc(w, "type", rule_reports[n->rule->kind]);
    jw_ki64(w, "rule", n->rule->index + 1);
    jw_kstr(w, "at", n->rule->at);
    jw_kc(w, "action", policy_action_iri(n->rule->action));
    jw_kc(w, "attemptState", n->asked ? "Attempted" : "NotAttempted");
    jw_kc(w, "activationState", activation[active_of(n)]);
    if (n->rule->kind == RULE_PERMISSION)
        jw_kc(w, "controlState", n->truth == TRUTH_TRUE ? "Permit" : "Deny");
    write_children(n, "targetReport", TRACE_TARGET, TRACE_TARGET, w);
    write_children(n, "partyReport", TRACE_PARTY, TRACE_PARTY, w);
    write_children(n, "premiseReport", TRACE_LOGICAL, TRACE_ATOM, w);
    write_children(n, "conditionReport", TRACE_DUTY, TRACE_DUTY, w);
}

static void write_duty(const struct trace_node *n, struct jw *w)
{
    jw_kc(w, "type", rule_reports[n->rule->kind]);
    jw_kstr(w, "at", n->rule->at);
    jw_kc(w, "action", policy_action_iri(n->rule->action));
    jw_kc(w, "activationState", n->active ? "Active" : "Inactive");
    if (n->active) {
        jw_kc(w, "deonticState", duty_states[n->duty.state][0]);
        jw_kc(w, "performanceState", duty_states[n->duty.state][1]);
        if (n->duty.deadline_us != POLICY_FOREVER)
            jw_kc(w, "deadline", time_format(n->duty.deadline_us).c);
    }
    write_children(n, "premiseReport", TRACE_LOGICAL, TRACE_ATOM, w);
    write_children(n, "consequenceReport", TRACE_DUTY, TRACE_DUTY, w);
}

static void write_node(const struct trace_node *n, struct jw *w)
{
    jw_object(w);
    switch (n->kind) {
    case TRACE_RULE: write_rule(n, w); break;
    case TRACE_DUTY: write_duty(n, w); break;
    case TRACE_TARGET:
    case TRACE_PARTY: write_entity(n, w); break;
    case TRACE_LOGICAL:
        jw_kc(w, "type", "LogicalConstraintReport");
        jw_kstr(w, "at", n->node->at);
        jw_kc(w, "constraintLogicalOperand", logicals[n->node->kind]);
        jw_kc(w, "satisfactionState", satisfaction[n->truth]);
        write_children(n, "premiseReport", TRACE_LOGICAL, TRACE_ATOM, w);
        break;
    case TRACE_ATOM: write_atom(n, w); break;
    }
    jw_kbool(w, "change", n->change);
    jw_object_end(w);
}

/* The children of these kinds under `key`; nothing if there are none. */
static void write_children(const struct trace_node *parent, const char *key, enum trace_kind from,
                           enum trace_kind to, struct jw *w)
{
    bool any = false;

    for (const struct trace_node *n = parent->first; n != NULL; n = n->next) {
        if (n->kind < from || n->kind > to)
            continue;
        if (!any) {
            jw_key(w, key);
            jw_array(w);
        }
        any = true;
        write_node(n, w);
    }
    if (any)
        jw_array_end(w);
}

static void write_changes(const struct policy_trace *trace, struct jw *w)
{
    static const char *const keys[POLICY_LANG__COUNT] = {"ko", "en"};

    jw_key(w, "change");
    jw_array(w);
    for (unsigned i = 0; i < trace->decision->n_causes; i++) {
        const struct policy_cause *cause = &trace->decision->causes[i];

        jw_object(w);
        jw_kc(w, "code", policy_why_slug(cause->why));
        jw_kstr(w, "at", cause->at);
        for (int lang = 0; lang < POLICY_LANG__COUNT; lang++)
            jw_kc(w, keys[lang], policy__change_text(cause, (enum policy_lang)lang));
        jw_object_end(w);
    }
    jw_array_end(w);
}

void policy_trace_write(const struct policy_trace *trace, struct jw *w)
{
    const struct policy_question *q = trace->question;
    const bool permit = trace->decision->verdict == POLICY_PERMIT;

    jw_object(w);
    jw_kc(w, "type", "PolicyReport");
    jw_kc(w, "created", time_format(q->now_us).c);
    jw_kc(w, "policyHash", hash_hex(policy_hash(trace->policy)).c);
    jw_key(w, "policyRequest");
    jw_object(w);
    jw_kc(w, "action", policy_action_iri(q->action));
    jw_kc(w, "scope", policy_scope_names[q->scope]);
    if (str_present(q->target))
        jw_kstr(w, "target", q->target);
    if (str_present(q->assignee))
        jw_kstr(w, "assignee", q->assignee);
    if (q->agreement_us != POLICY_NO_TIME)
        jw_kc(w, "agreed", time_format(q->agreement_us).c);
    jw_object_end(w);
    jw_kc(w, "behaviour", "closed");
    jw_kc(w, "conflict", policy__conflict_names[trace->policy->conflict]);
    jw_kc(w, "decision", permit ? "permit" : "deny");
    if (trace->decision->valid_until_us != POLICY_FOREVER)
        jw_kc(w, "validUntil", time_format(trace->decision->valid_until_us).c);
    jw_key(w, "ruleReport");
    jw_array(w);
    for (const struct trace_node *n = trace->first; n != NULL; n = n->next)
        write_node(n, w);
    jw_array_end(w);
    write_changes(trace, w);
    jw_object_end(w);
}
