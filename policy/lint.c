/*
 * policy/lint.c - findings about a policy that compiles (lint.h)
 *
 * What is said about all worlds is asked of compare.c, and only told if it was decided.
 */
#include "policy/lint.h"

#include "policy/compare.h"
#include "policy/lint_private.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct {
    const char *slug;
    enum policy_weight weight;
    const char *text[POLICY_LANG__COUNT];
} lints[] = {
#define LINT(id, slug, weight, ko, en) [POLICY_LINT_##id] = {slug, POLICY_LINT_##weight, {ko, en}},
#include "policy/lint.def"
#undef LINT
};

/* Duties that make no sense before the use that they follow from. */
static const enum policy_action afterwards[] = {POLICY_ACT_DELETE, POLICY_ACT_INFORM};

/* clang-format on */

const char *policy_lint_slug(enum policy_lint lint)
{
    return lints[lint].slug;
}

enum policy_weight policy_lint_weight(enum policy_lint lint)
{
    return lints[lint].weight;
}

const char *policy_lint_text(enum policy_lint lint, enum policy_lang lang)
{
    return lints[lint].text[lang];
}

void policy__found(struct linting *l, enum policy_lint lint, struct str at)
{
    if (l->found->n == POLICY_FINDINGS) {
        l->found->more = true;
        return;
    }
    l->found->items[l->found->n++] = (struct policy_finding){lint, at};
}

/* -- constraints ------------------------------------------------------------------------------- */

static void walk(struct linting *l, const struct node *node,
                 void (*atom)(struct linting *l, const struct node *node))
{
    if (node == NULL)
        return;
    if (node->kind == NODE_ATOM)
        atom(l, node);
    for (size_t i = 0; node->kind != NODE_ATOM && i < node->n_ordered; i++)
        walk(l, node->ordered[i], atom);
}

static bool is_end(const struct node *node)
{
    return node->op == POLICY_LT || node->op == POLICY_LTEQ ||
           policy__operands[node->operand].meaning == MEANING_UNTIL ||
           policy__operands[node->operand].meaning == MEANING_PROVIDE;
}

static void lint_atom(struct linting *l, const struct node *node)
{
    const struct value *value = &node->sorted[0];
    const enum policy_value_type type = policy_operand_type(node->operand);

    /* a year and more, and yet told in months */
    if (type == POLICY_V_DURATION && value->months >= 12 &&
        memchr(value->text.p, 'M', value->text.n) != NULL &&
        memchr(value->text.p, 'Y', value->text.n) == NULL)
        policy__found(l, POLICY_LINT_MONTHS, node->at);
    if (type == POLICY_V_TIME && !value->relative && is_end(node) && value->last < l->now_us)
        policy__found(l, POLICY_LINT_ENDED, node->at);
}

/* -- duties ------------------------------------------------------------------------------------ */

static void lint_duties(struct linting *l, const struct rule *permission)
{
    for (size_t i = 0; i < permission->duties.n_ordered; i++) {
        const struct rule *duty = permission->duties.ordered[i];

        for (size_t a = 0; a < ARRAY_LEN(afterwards); a++) {
            if (duty->action == afterwards[a])
                policy__found(l, POLICY_LINT_DUTY_BEFORE, duty->at);
        }
    }
}

static bool has_time(const struct node *node)
{
    if (node == NULL)
        return false;
    if (node->kind == NODE_ATOM)
        return policy__operands[node->operand].meaning != MEANING_FACT &&
               policy__operands[node->operand].meaning != MEANING_WEEK &&
               policy__operands[node->operand].meaning != MEANING_TERM;
    for (size_t i = 0; i < node->n_ordered; i++) {
        if (has_time(node->ordered[i]))
            return true;
    }
    return false;
}

/* -- rules ------------------------------------------------------------------------------------- */

/* The same policy without one of its rules, for a comparison only. */
static struct policy *without(const struct linting *l, const struct prog_rule *rules, uint32_t n,
                              uint32_t i)
{
    struct policy *less = ARENA_NEW(l->arena, struct policy);
    struct prog_rule *rest = ARENA_ARRAY(l->arena, struct prog_rule, n);

    if (less == NULL || rest == NULL)
        return NULL;
    memcpy(rest, rules, i * sizeof(*rules));
    memcpy(rest + i, rules + i + 1, (n - i - 1) * sizeof(*rules));
    memcpy(less, l->policy, sizeof(*less));
    if (rules == l->policy->program.permissions) {
        less->program.permissions = rest;
        less->program.n_permissions--;
    } else {
        less->program.prohibitions = rest;
        less->program.n_prohibitions--;
    }
    return less;
}

static int lint_shadowed(struct linting *l, const struct prog_rule *rules, uint32_t n)
{
    for (uint32_t i = 0; n + (rules == l->policy->program.prohibitions) > 1 && i < n; i++) {
        const struct policy *less = without(l, rules, n, i);
        struct policy_comparison comparison;

        if (less == NULL)
            return err_set(l->err, E_NO_MEMORY, "", "policy to check");
        if (policy_compare(l->policy, less, l->now_us, l->arena, &comparison, l->err) < 0)
            return err_ret(l->err);
        if (comparison.relation == POLICY_SAME)
            policy__found(l, POLICY_LINT_SHADOWED, rules[i].rule->at);
    }
    return 0;
}

/* With a strategy that lets the permission prevail more would be permitted: so they meet. */
static int lint_conflict(struct linting *l)
{
    const struct program *program = &l->policy->program;
    struct policy *prevailing = ARENA_NEW(l->arena, struct policy);
    struct policy_comparison comparison;

    if (prevailing == NULL)
        return err_set(l->err, E_NO_MEMORY, "", "policy to check");
    if (l->policy->conflict != CONFLICT_INVALID || program->n_prohibitions == 0)
        return 0;
    memcpy(prevailing, l->policy, sizeof(*prevailing));
    prevailing->conflict = CONFLICT_PERM;
    if (policy_compare(prevailing, l->policy, l->now_us, l->arena, &comparison, l->err) < 0)
        return err_ret(l->err);
    if (comparison.only[0] == NULL || comparison.only[0]->question.action != POLICY_ACT_USE)
        return 0;
    for (uint32_t i = 0; i < program->n_prohibitions; i++) {
        if ((program->prohibitions[i].actions >> POLICY_ACT_USE & 1) != 0)
            policy__found(l, POLICY_LINT_CONFLICT, program->prohibitions[i].rule->at);
    }
    return 0;
}

static int lint_satisfiable(struct linting *l)
{
    const struct program *program = &l->policy->program;
    const struct policy_world *world;
    enum policy_answer answer;
    bool use = false;

    for (uint32_t i = 0; i < program->n_permissions; i++)
        use = use || (program->permissions[i].actions >> POLICY_ACT_USE & 1) != 0;
    if (!use) /* it is about something else, or about nothing */
        return 0;
    if (policy_satisfiable(l->policy, POLICY_ACT_USE, l->now_us, l->arena, &answer, &world,
                           l->err) < 0)
        return err_ret(l->err);
    if (answer == POLICY_NO)
        policy__found(l, POLICY_LINT_UNSATISFIABLE, STR(""));
    return 0;
}

/* -- all ---------------------------------------------------------------------------------------- */

static void lint_rule(struct linting *l, const struct rule *rule)
{
    walk(l, rule->constraint, lint_atom);
    if (rule->kind == RULE_PERMISSION)
        lint_duties(l, rule);
    if (rule->kind == RULE_OBLIGATION && !has_time(rule->constraint))
        policy__found(l, POLICY_LINT_NO_DEADLINE, rule->at);
}

int policy_lint(const struct policy *policy, int64_t now_us, struct arena *arena,
                struct policy_findings *ret_findings, struct err *err)
{
    struct linting l = {policy, now_us, arena, ret_findings, err};
    const struct program *program = &policy->program;

    *ret_findings = (struct policy_findings){0};
    if (policy_is_empty(policy))
        policy__found(&l, POLICY_LINT_EMPTY, STR(""));
    for (int i = 0; i < LIST__COUNT; i++) {
        for (size_t r = 0; r < policy->rules[i].n_ordered; r++)
            lint_rule(&l, policy->rules[i].ordered[r]);
    }
    policy__lint_catena_x(&l);
    if (lint_satisfiable(&l) < 0 || lint_conflict(&l) < 0 ||
        lint_shadowed(&l, program->permissions, program->n_permissions) < 0 ||
        lint_shadowed(&l, program->prohibitions, program->n_prohibitions) < 0)
        return err_ret(err);
    return 0;
}
