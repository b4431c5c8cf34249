/*
 * connector/mgmt/plan.c - POST /v3/policydefinitions/{id}/evaluationplan: what a decision would look
 * at
 *
 * The plan is made from the compiled policy. A constraint is filtered where the decision in that
 * scope has nothing to judge it by: no source gives the fact (facts_known), or the rule is only
 * listed there. Other than EDC's engine ours does not skip such a constraint: an unknown fact denies.
 * Constraints on time, and terms of the contract, need no fact and are never filtered.
 */
#include "connector/facts/facts.h"
#include "connector/mgmt/mgmt_private.h"
#include "policy/policy.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TYPE "PolicyDefinition"

struct plan_in {
    struct str scope;
};
/* clang-format off */
static const struct form_row plan_rows[] = {
    FORM_ROW(struct plan_in, scope, LD_EDC "policyScope", FORM_TEXT, true),
};
FORM(plan_form, plan_rows);

/* EDC's names of our scopes. */
static const struct { const char *name; enum policy_scope scope; } scopes[] = {
    {"catalog", POLICY_AT_CATALOGUE},                 {"request.catalog", POLICY_AT_CATALOGUE},
    {"contract.negotiation", POLICY_AT_NEGOTIATION},  {"request.contract.negotiation", POLICY_AT_NEGOTIATION},
    {"transfer.process", POLICY_AT_TRANSFER},         {"request.transfer.process", POLICY_AT_TRANSFER},
    {"policy.monitor", POLICY_AT_ACCESS},             {"access", POLICY_AT_ACCESS},
};

static const struct { const char *name, *shown; } operators[] = {
    {"eq", "EQ"}, {"neq", "NEQ"}, {"gt", "GT"}, {"gteq", "GEQ"}, {"lt", "LT"}, {"lteq", "LEQ"},
    {"hasPart", "HAS_PART"}, {"isA", "IS_A"}, {"isAllOf", "IS_ALL_OF"}, {"isAnyOf", "IS_ANY_OF"},
    {"isNoneOf", "IS_NONE_OF"}, {"isPartOf", "IS_PART_OF"},
};

static const struct { const char *member, *step; } logical[] = {
    {LD_ODRL "and", "AndConstraintStep"},   {LD_ODRL "andSequence", "AndConstraintStep"},
    {LD_ODRL "or", "OrConstraintStep"},     {LD_ODRL "xone", "XoneConstraintStep"},
};

/* clang-format on */

struct plan {
    struct jw *w;
    struct arena *arena;
    struct str scope;
    bool known;              /* the scope is one of ours */
    uint64_t needs, ever;    /* operands that want a fact in this scope; in any */
    struct str rule_outside; /* why the rule at hand is not looked at; STR_NONE: it is */
};

/* -- lists as version 3 shows them ------------------------------------------------------------- */

static void list_begin(struct jw *w, const char *key, size_t n)
{
    jw_key(w, key);
    if (n != 1)
        jw_array(w);
}

static void list_end(struct jw *w, size_t n)
{
    if (n != 1)
        jw_array_end(w);
}

static void write_reasons(const struct plan *plan, struct str reason)
{
    const size_t n = str_present(reason) ? 1 : 0;

    jw_kbool(plan->w, "isFiltered", n > 0);
    list_begin(plan->w, "filteringReasons", n);
    if (n > 0)
        jw_str(plan->w, reason);
    list_end(plan->w, n);
}

/* -- constraints ------------------------------------------------------------------------------- */

/* STR_NONE if the decision looks at it. */
static struct str why_filtered(const struct plan *plan, struct str left)
{
    enum policy_operand operand;
    uint64_t bit;

    if (str_present(plan->rule_outside))
        return plan->rule_outside;
    if (!policy_operand_find(left, &operand))
        return STR_NONE;
    bit = UINT64_C(1) << operand;
    if (plan->known && ((plan->ever & bit) == 0 || (plan->needs & bit & facts_known()) != 0))
        return STR_NONE;
    return arena_printf(plan->arena, "leftOperand '%.*s' is not bound to scope '%.*s'",
                        STR_ARG(left), STR_ARG(plan->scope));
}

static const char *operator_name(struct str iri)
{
    const struct str name =
        str_starts(iri, STR(LD_ODRL)) ? str_from(iri, sizeof(LD_ODRL) - 1) : iri;

    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (str_eq_c(name, operators[i].name))
            return operators[i].shown;
    }
    return "EQ";
}

static struct str right_text(const struct plan *plan, const struct jval *values)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(16));

    for (size_t i = 0; i < jval_len(values); i++) {
        buf_add_c(&text, i > 0 ? ", " : "");
        buf_add_str(&text, form_scalar(jval_at(values, i), plan->arena));
    }
    return arena_str(plan->arena, buf_str(&text));
}

static void write_atom(const struct plan *plan, const struct jval *node)
{
    const struct str left = ld_text(node, LD_ODRL "leftOperand");
    const struct str right = right_text(plan, ld_values(node, LD_ODRL "rightOperand"));
    struct jw *w = plan->w;

    jw_object(w);
    jw_kc(w, "@type", "AtomicConstraintStep");
    write_reasons(plan, why_filtered(plan, left));
    jw_key(w, "functionParams");
    jw_array(w);
    jw_str(w, arena_printf(plan->arena, "'%.*s'", STR_ARG(left)));
    jw_c(w, operator_name(ld_text(node, LD_ODRL "operator")));
    jw_str(w, arena_printf(plan->arena, "'%.*s'", STR_ARG(right)));
    jw_array_end(w);
    jw_object_end(w);
}

static void write_constraints(const struct plan *plan, const struct jval *nodes);

static void write_constraint(const struct plan *plan, const struct jval *node)
{
    for (size_t i = 0; i < ARRAY_LEN(logical); i++) {
        const struct jval *inner = ld_values(node, logical[i].member);

        if (inner == NULL)
            continue;
        jw_object(plan->w);
        jw_kc(plan->w, "@type", logical[i].step);
        write_constraints(plan, inner);
        jw_object_end(plan->w);
        return;
    }
    write_atom(plan, node);
}

/* As deep as the policy, whose depth is bounded when it is compiled. */
static void write_constraints(const struct plan *plan, const struct jval *nodes)
{
    list_begin(plan->w, "constraintSteps", jval_len(nodes));
    for (size_t i = 0; i < jval_len(nodes); i++)
        write_constraint(plan, jval_at(nodes, i));
    list_end(plan->w, jval_len(nodes));
}

/* -- rules ------------------------------------------------------------------------------------- */

static void write_rule(const struct plan *plan, const struct jval *rule, const char *step)
{
    const struct jval *duties = ld_values(rule, LD_ODRL "duty");

    jw_object(plan->w);
    jw_kc(plan->w, "@type", step);
    write_reasons(plan, plan->rule_outside);
    jw_kraw(plan->w, "ruleFunctions", STR("[]"));
    write_constraints(plan, ld_values(rule, LD_ODRL "constraint"));
    if (str_eq_c(str_c(step), "PermissionStep")) {
        list_begin(plan->w, "dutySteps", jval_len(duties));
        for (size_t i = 0; i < jval_len(duties); i++)
            write_rule(plan, jval_at(duties, i), "DutyStep");
        list_end(plan->w, jval_len(duties));
    }
    jw_object_end(plan->w);
}

static void write_rules(struct plan *plan, const struct jval *policy, const char *iri,
                        const char *key, const char *step)
{
    const struct jval *rules = ld_values(policy, iri);

    list_begin(plan->w, key, jval_len(rules));
    for (size_t i = 0; i < jval_len(rules); i++)
        write_rule(plan, jval_at(rules, i), step);
    list_end(plan->w, jval_len(rules));
}

static void write_plan(struct plan *plan, const struct jval *policy, bool agreed)
{
    struct jw *w = plan->w;

    jw_object(w);
    jw_kc(w, "@type", "PolicyEvaluationPlan");
    jw_kraw(w, "preValidators", STR("[]"));
    if (!plan->known)
        plan->rule_outside =
            arena_printf(plan->arena, "scope '%.*s' is not known", STR_ARG(plan->scope));
    write_rules(plan, policy, LD_ODRL "permission", "permissionSteps", "PermissionStep");
    write_rules(plan, policy, LD_ODRL "prohibition", "prohibitionSteps", "ProhibitionStep");
    if (plan->known && !agreed)
        plan->rule_outside = arena_printf(
            plan->arena, "obligations are not due in scope '%.*s': there is no agreement yet",
            STR_ARG(plan->scope));
    write_rules(plan, policy, LD_ODRL "obligation", "obligationSteps", "DutyStep");
    jw_kraw(w, "postValidators", STR("[]"));
    mgmt__context(w);
}

/* -- the request ------------------------------------------------------------------------------- */

static int read_policy(struct rq *rq, struct policy **ret_policy, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct str id = rq_param(rq, "id");
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct policy_definition row = {0};

    switch (db_one(worker->db, &q_mgmt_policy_get, DB_ARGS(DB_TEXT(id)), &policy_definition_row,
                   rq->arena, &row, err)) {
    case DB_NONE: return mgmt__not_found(err, TYPE, id);
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    if (jdoc_parse(row.policy, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "policy '%.*s'", STR_ARG(id));
    return mgmt__compile(rq->app, jdoc_root(doc), ret_policy, err);
}

static bool find_scope(struct str name, enum policy_scope *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (str_eq_c(name, scopes[i].name)) {
            *ret = scopes[i].scope;
            return true;
        }
    }
    return false;
}

int mgmt_policy_plan(struct rq *rq, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(jdoc_free) struct jdoc *request = NULL;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(2));
    AUTO(buf_done) struct buf body = buf_init(MIB(4));
    enum policy_scope scope = POLICY_AT_CATALOGUE;
    struct jw expanded = jw_init(&text);
    struct jw w = jw_init(&body);
    struct plan plan = {.w = &w, .arena = rq->arena};
    const struct jval *node;
    struct plan_in in = {0};

    if (mgmt__expand(rq, &v4_plan_request, false, &request, &node, err) < 0 ||
        form_decode(&plan_form, node, rq->arena, &in, err) < 0 || read_policy(rq, &policy, err) < 0)
        return err_ret(err);
    policy_write(policy, POLICY_FORM_EXPANDED, &expanded);
    if (jdoc_parse(buf_str(&text), &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "policy");
    plan.scope = in.scope;
    plan.known = find_scope(in.scope, &scope);
    plan.needs = policy_needs(policy, scope);
    for (int i = 0; i < POLICY_AT__COUNT; i++)
        plan.ever |= policy_needs(policy, (enum policy_scope)i);
    write_plan(&plan, jdoc_root(doc), scope == POLICY_AT_TRANSFER || scope == POLICY_AT_ACCESS);
    return mgmt__reply(rq, &body, err);
}
