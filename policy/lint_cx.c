/*
 * policy/lint_cx.c - what CX-0152 demands beyond what the engine understands (CAC-001 ... CAC-013)
 *
 * The engine takes what has a meaning; the standard wants less: per operand one or two operators, certain values, certain rules, and
 * one odrl:and. Policies of 2405 are older than the standard, only its demand for two conditions is checked there.
 */
#include "lib/base/check.h"
#include "policy/lint_private.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

enum form {
    FORM_ANY,     /* the operand's type or its closed list says it all */
    FORM_ACTIVE,  /* "active" */
    FORM_GOVERN,  /* "DataExchangeGovernance:1.0" */
    FORM_BPNL,    /* number of a legal entity */
    FORM_INSTANT, /* date and time to the second, with zone */
};

/* Rules in which a condition may stand. */
#define IN_ACCESS (1U << 0)
#define IN_USE    (1U << 1)
#define IN_BAN    (1U << 2)
#define IN_DUTY   (1U << 3)

#define BIT(op)   (1U << POLICY_##op)
#define GROUP     (BIT(IS_ANY_OF) | BIT(IS_NONE_OF))

/* clang-format off */
static const struct condition {
    unsigned rules, ops;
    enum form form;
} conditions[POLICY_OP__COUNT] = {
    [POLICY_OP_MEMBERSHIP]              = {IN_ACCESS | IN_USE, BIT(EQ),        FORM_ACTIVE},
    [POLICY_OP_FRAMEWORK_AGREEMENT]     = {IN_ACCESS | IN_USE, BIT(EQ),        FORM_GOVERN},
    [POLICY_OP_BUSINESS_PARTNER_NUMBER] = {IN_ACCESS,          GROUP,          FORM_BPNL},
    [POLICY_OP_BUSINESS_PARTNER_GROUP]  = {IN_ACCESS,          GROUP,          FORM_ANY},
    [POLICY_OP_USAGE_PURPOSE]           = {IN_USE,             BIT(IS_ANY_OF), FORM_ANY},
    [POLICY_OP_USAGE_END_DATE]          = {IN_USE,             BIT(EQ),        FORM_INSTANT},
    [POLICY_OP_USAGE_END_DAYS]          = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_USAGE_END_DEFINITION]    = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_PROVISIONING_END_DATE]   = {IN_DUTY,            BIT(EQ),        FORM_INSTANT},
    [POLICY_OP_PROVISIONING_END_DAYS]   = {IN_DUTY,            BIT(EQ),        FORM_ANY},
    [POLICY_OP_USAGE_RESTRICTION]       = {IN_BAN,             BIT(IS_ALL_OF), FORM_ANY},
    [POLICY_OP_AFFILIATES_BPNL]         = {IN_USE | IN_BAN,    BIT(IS_ANY_OF), FORM_BPNL},
    [POLICY_OP_AFFILIATES_REGION]       = {IN_USE | IN_BAN,    BIT(IS_ANY_OF), FORM_ANY},
    [POLICY_OP_MANAGED_BPNL]            = {IN_USE,             BIT(IS_ANY_OF), FORM_BPNL},
    [POLICY_OP_MANAGED_REGION]          = {IN_USE,             BIT(IS_ANY_OF), FORM_ANY},
    [POLICY_OP_CONTRACT_REFERENCE]      = {IN_USE,             BIT(IS_ALL_OF), FORM_ANY},
    [POLICY_OP_CONTRACT_TERMINATION]    = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_CONFIDENTIAL_MEASURES]   = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_CONFIDENTIAL_SHARING]    = {IN_USE,             BIT(IS_ANY_OF), FORM_ANY},
    [POLICY_OP_DATA_FREQUENCY]          = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_EXCLUSIVE_USAGE]         = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_JURISDICTION]            = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_JURISDICTION_REFERENCE]  = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_LIABILITY]               = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_PRECEDENCE]              = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_VERSION_CHANGES]         = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_WARRANTY]                = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_WARRANTY_DEFINITION]     = {IN_USE,             BIT(EQ),        FORM_ANY},
    [POLICY_OP_WARRANTY_MONTHS]         = {IN_USE,             BIT(EQ),        FORM_ANY},
};

/* Conditions of which a rule has at most one. */
static const enum policy_operand exclusive[][3] = {
    {POLICY_OP_USAGE_END_DATE,        POLICY_OP_USAGE_END_DAYS,        POLICY_OP_USAGE_END_DEFINITION},
    {POLICY_OP_PROVISIONING_END_DATE, POLICY_OP_PROVISIONING_END_DAYS, POLICY_OP__COUNT},
    {POLICY_OP_WARRANTY_DEFINITION,   POLICY_OP_WARRANTY_MONTHS,       POLICY_OP__COUNT},
};

/* clang-format on */

static bool names_profile(const struct policy *policy, struct str prefix)
{
    for (size_t i = 0; i < policy->n_profiles; i++) {
        if (str_starts(policy->profiles[i], prefix))
            return true;
    }
    return false;
}

static const struct node *find_operand(const struct node *node, enum policy_operand operand)
{
    const struct node *found = NULL;

    if (node == NULL || node->kind == NODE_ATOM)
        return node != NULL && node->operand == operand ? node : NULL;
    for (size_t i = 0; i < node->n_ordered && found == NULL; i++)
        found = find_operand(node->ordered[i], operand);
    return found;
}

/* -- one condition ----------------------------------------------------------------------------- */

static bool is_bpnl(struct str text)
{
    static const char chars[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (!str_starts(text, STR("BPNL")) || text.n != 16)
        return false;
    for (size_t i = 4; i < text.n; i++) {
        if (memchr(chars, text.p[i], sizeof(chars) - 1) == NULL)
            return false;
    }
    return true;
}

static bool fits(const struct value *value, enum form form)
{
    switch (form) {
    case FORM_ACTIVE: return str_eq(value->text, STR("active"));
    case FORM_GOVERN: return str_eq(value->text, STR("DataExchangeGovernance:1.0"));
    case FORM_BPNL: return is_bpnl(value->text);
    /* its type is checked: all that it may have besides is a fraction, or no time */
    case FORM_INSTANT:
        return value->text.n > 16 && memchr(value->text.p, '.', value->text.n) == NULL;
    case FORM_ANY: return true;
    }
    CHECK_UNREACHABLE();
}

static void lint_atom(struct linting *l, const struct node *node, unsigned place)
{
    const struct condition *condition = &conditions[node->operand];

    if ((condition->rules & place) == 0) {
        policy__found(l, POLICY_LINT_CX_OPERAND, node->at);
        return;
    }
    if ((condition->ops >> node->op & 1) == 0)
        policy__found(l, POLICY_LINT_CX_OPERATOR, node->at);
    for (size_t i = 0; i < node->n_sorted; i++) {
        if (!fits(&node->sorted[i], condition->form)) {
            policy__found(l, POLICY_LINT_CX_VALUE, node->at);
            return;
        }
    }
}

static void lint_node(struct linting *l, const struct node *node, unsigned place)
{
    if (node == NULL)
        return;
    if (node->kind == NODE_ATOM) {
        lint_atom(l, node, place);
        return;
    }
    if (node->kind != NODE_AND)
        policy__found(l, POLICY_LINT_CX_CHAIN, node->at);
    for (size_t i = 0; i < node->n_ordered; i++)
        lint_node(l, node->ordered[i], place);
}

/* -- one rule ---------------------------------------------------------------------------------- */

static void lint_exclusive(struct linting *l, const struct rule *rule)
{
    for (size_t g = 0; g < ARRAY_LEN(exclusive); g++) {
        unsigned n = 0;

        for (size_t i = 0; i < ARRAY_LEN(exclusive[g]); i++) {
            const struct node *node = exclusive[g][i] != POLICY_OP__COUNT
                                          ? find_operand(rule->constraint, exclusive[g][i])
                                          : NULL;

            if (node != NULL && ++n > 1)
                policy__found(l, POLICY_LINT_CX_EXCLUSIVE, node->at);
        }
    }
}

static void lint_needed(struct linting *l, const struct rule *rule)
{
    if (rule->kind != RULE_PERMISSION || rule->action != POLICY_ACT_USE)
        return;
    if (find_operand(rule->constraint, POLICY_OP_FRAMEWORK_AGREEMENT) == NULL)
        policy__found(l, POLICY_LINT_CX_FRAMEWORK, rule->at);
    if (find_operand(rule->constraint, POLICY_OP_USAGE_PURPOSE) == NULL)
        policy__found(l, POLICY_LINT_CX_PURPOSE, rule->at);
}

/* Which kind of rule of the standard it is; 0: none. */
static unsigned place_of(const struct rule *rule)
{
    static const unsigned places[LIST__COUNT] = {
        [RULE_PERMISSION] = IN_USE, [RULE_PROHIBITION] = IN_BAN, [RULE_OBLIGATION] = IN_DUTY};

    if (rule->kind == RULE_PERMISSION && rule->action == POLICY_ACT_CX_ACCESS)
        return IN_ACCESS;
    return rule->action == POLICY_ACT_USE ? places[rule->kind] : 0;
}

static void lint_rule(struct linting *l, const struct rule *rule)
{
    const unsigned place = place_of(rule);

    if (place == 0) {
        policy__found(l, POLICY_LINT_CX_ACTION, rule->at);
        return;
    }
    if (rule->constraint != NULL && rule->constraint->n_children > 1)
        policy__found(l, POLICY_LINT_CX_CHAIN, rule->constraint->at);
    lint_node(l, rule->constraint, place);
}

/* -- the policy -------------------------------------------------------------------------------- */

/* An access policy has nothing but permissions of access, a usage policy none. */
static void lint_mixed(struct linting *l)
{
    const struct rule *access = NULL;
    bool other = false;

    for (int i = 0; i < LIST__COUNT; i++) {
        for (size_t r = 0; r < l->policy->rules[i].n_ordered; r++) {
            const struct rule *rule = l->policy->rules[i].ordered[r];

            if (place_of(rule) == IN_ACCESS)
                access = rule;
            other = other || place_of(rule) != IN_ACCESS;
        }
    }
    if (access != NULL && other)
        policy__found(l, POLICY_LINT_CX_ACTION, access->at);
}

/* CX-0152 1.1 has one rule of a kind at most. */
static void lint_single(struct linting *l)
{
    for (int i = 0; i < LIST__COUNT; i++) {
        const struct rule_list *list = &l->policy->rules[i];

        for (size_t r = 1; r < list->n_written; r++) {
            if (!str_eq(list->written[r]->at, list->written[r - 1]->at))
                policy__found(l, POLICY_LINT_CX_SINGLE, list->written[r]->at);
        }
    }
}

/* Its words alone are no sign, for other policies may say membership or liability with them: these two, and its action, are. */
static bool looks_like_one(const struct policy *policy)
{
    for (int i = 0; i < LIST__COUNT; i++) {
        for (size_t r = 0; r < policy->rules[i].n_ordered; r++) {
            const struct rule *rule = policy->rules[i].ordered[r];

            if (rule->action == POLICY_ACT_CX_ACCESS ||
                find_operand(rule->constraint, POLICY_OP_FRAMEWORK_AGREEMENT) != NULL ||
                find_operand(rule->constraint, POLICY_OP_USAGE_PURPOSE) != NULL)
                return true;
        }
    }
    return false;
}

void policy__lint_catena_x(struct linting *l)
{
    const bool current = names_profile(l->policy, STR(CX));

    if (l->policy->n_profiles == 0 && looks_like_one(l->policy))
        policy__found(l, POLICY_LINT_CX_PROFILE, STR(""));
    if (!current && !names_profile(l->policy, STR(CX24)))
        return;
    for (int i = 0; i < LIST__COUNT; i++) {
        for (size_t r = 0; r < l->policy->rules[i].n_ordered; r++) {
            lint_exclusive(l, l->policy->rules[i].ordered[r]);
            lint_needed(l, l->policy->rules[i].ordered[r]);
            if (current)
                lint_rule(l, l->policy->rules[i].ordered[r]);
        }
    }
    if (!current)
        return;
    lint_mixed(l);
    lint_single(l);
}
