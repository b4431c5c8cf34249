/*
 * policy/rule.c - JSON of rules -> atomic rules (IM 2.2 §2.6, §2.7)
 *
 * A rule of several actions, assets or parties stands for one rule of each combination; what a rule lacks it takes from the policy.
 * The atomic rules share what they have in common. How many there may be is bounded, for a few lists multiply.
 */
#include "policy/policy.h"

#include "lib/base/limits.h"
#include "policy/parse_private.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct { const char *type; unsigned rules; enum place place; enum term nested; } rule_kinds[] = {
    [RULE_PERMISSION]  = {"Permission",  RULES_P, IN_PERMISSION,  TERM_DUTY},
    [RULE_PROHIBITION] = {"Prohibition", RULES_X, IN_PROHIBITION, TERM_REMEDY},
    [RULE_OBLIGATION]  = {"Duty",        RULES_O, IN_OBLIGATION,  TERM_CONSEQUENCE},
    [RULE_DUTY]        = {"Duty",        RULES_O, IN_DUTY,        TERM_CONSEQUENCE},
    [RULE_REMEDY]      = {"Duty",        RULES_O, IN_LAST,        TERM__COUNT},
    [RULE_CONSEQUENCE] = {"Duty",        RULES_O, IN_LAST,        TERM__COUNT},
};
static const enum rule_kind nested_kinds[] = {
    [RULE_PERMISSION] = RULE_DUTY, [RULE_PROHIBITION] = RULE_REMEDY,
    [RULE_OBLIGATION] = RULE_CONSEQUENCE, [RULE_DUTY] = RULE_CONSEQUENCE,
};
static const enum rule_kind list_kinds[LIST__COUNT] = {RULE_PERMISSION, RULE_PROHIBITION, RULE_OBLIGATION};
static const enum term list_terms[LIST__COUNT] = {TERM_PERMISSION, TERM_PROHIBITION, TERM_OBLIGATION};

/* clang-format on */

/* A rule as written. */
struct compound {
    struct rule rule; /* what its atomic rules have in common */
    struct common parts;
    size_t n_atomic;
};

static int parse_list(struct parse *ps, const struct members *m, enum term term,
                      const struct where *w, enum rule_kind kind, const struct common *common,
                      struct rule_list *list);

static int no_memory(struct parse *ps)
{
    return err_set(ps->err, E_NO_MEMORY, "", "policy");
}

/* -- one rule ---------------------------------------------------------------------------------- */

static void take_from_policy(struct common *parts, const struct common *common)
{
    if (parts->actions.n == 0)
        parts->actions = common->actions;
    if (parts->targets.n == 0)
        parts->targets = common->targets;
    if (parts->assigners.n == 0)
        parts->assigners = common->assigners;
    if (parts->assignees.n == 0)
        parts->assignees = common->assignees;
}

static size_t at_least_one(size_t n)
{
    return n > 0 ? n : 1;
}

/* How many atomic rules there will be, with those below them; more than the limit if too many. */
static size_t count_atomic(const struct compound *c)
{
    const size_t factors[] = {c->parts.actions.n, at_least_one(c->parts.targets.n),
                              at_least_one(c->parts.assigners.n),
                              at_least_one(c->parts.assignees.n)};
    size_t n = 1;

    for (size_t i = 0; i < ARRAY_LEN(factors) && n <= LIMIT_POLICY_NODES; i++)
        n *= factors[i];
    return n;
}

static int parse_parts(struct parse *ps, const struct members *m, const struct where *w,
                       unsigned rules, struct common *parts)
{
    if (policy__actions_of(ps, m, w, rules, &parts->actions) < 0 ||
        policy__entities(ps, m, TERM_TARGET, w, rules, &parts->targets) < 0 ||
        policy__entities(ps, m, TERM_ASSIGNER, w, rules, &parts->assigners) < 0)
        return err_ret(ps->err);
    return policy__entities(ps, m, TERM_ASSIGNEE, w, rules, &parts->assignees);
}

static int parse_rule(struct parse *ps, const struct jval *v, const struct where *w,
                      enum rule_kind kind, const struct common *common, struct compound *c)
{
    static const struct common nothing;
    const struct use use = {rule_kinds[kind].rules, REFINES_NO};
    struct where at;
    struct members m;

    c->rule.kind = kind;
    if (policy__members(ps, v, w, rule_kinds[kind].place, &m) < 0 ||
        policy__check_type(ps, &m, w, rule_kinds[kind].type, "Rule") < 0 ||
        parse_parts(ps, &m, w, use.rules, &c->parts) < 0)
        return err_ret(ps->err);
    take_from_policy(&c->parts, common);
    at = policy__member_at(&m, TERM_ACTION, w);
    if (c->parts.actions.n == 0)
        return refuse(ps, &at, E_INVALID, "a rule needs an action");
    if (policy__conditions(ps, &m, TERM_CONSTRAINT, w, use, &c->rule.constraint) < 0)
        return err_ret(ps->err);
    c->n_atomic = count_atomic(c);
    if (rule_kinds[kind].nested == TERM__COUNT)
        return 0;
    /* what a policy says of its rules does not hold for the duties in them: they say it themselves */
    return parse_list(ps, &m, rule_kinds[kind].nested, w, nested_kinds[kind], &nothing,
                      &c->rule.duties);
}

/* -- lists of rules ---------------------------------------------------------------------------- */

static struct entity entity_at(const struct entities *entities, size_t i)
{
    return entities->n > 0 ? entities->items[i] : (struct entity){0};
}

/* Writes the atomic rules of one as written; each has its place for itself. */
static void split(struct parse *ps, const struct compound *c, const struct where *w,
                  struct rule *rules, struct rule_list *list)
{
    const struct common *parts = &c->parts;

    for (size_t i = 0; i < c->n_atomic; i++) {
        struct rule *rule = &rules[list->n_written];
        size_t rest = i;

        *rule = c->rule;
        rule->at = policy__where_str(ps, w);
        rule->action = parts->actions.items[rest % parts->actions.n].action;
        rule->refinement = parts->actions.items[rest % parts->actions.n].refinement;
        rest /= parts->actions.n;
        rule->target = entity_at(&parts->targets, rest % at_least_one(parts->targets.n));
        rest /= at_least_one(parts->targets.n);
        rule->assigner = entity_at(&parts->assigners, rest % at_least_one(parts->assigners.n));
        rest /= at_least_one(parts->assigners.n);
        rule->assignee = entity_at(&parts->assignees, rest);
        list->written[list->n_written++] = rule;
    }
}

/* Sums up, those inside included: what the program is made of. */
static int check_total(struct parse *ps, const struct where *w, const struct compound *c,
                       struct rule_list *list)
{
    if (c->n_atomic <= LIMIT_POLICY_NODES)
        list->n_total += c->n_atomic * (1 + c->rule.duties.n_total);
    if (c->n_atomic > LIMIT_POLICY_NODES || list->n_total > LIMIT_POLICY_NODES)
        return refuse(ps, w, E_LIMIT, "the policy stands for more than %d rules",
                      LIMIT_POLICY_NODES);
    return 0;
}

static int split_all(struct parse *ps, struct items *items, const struct where *w,
                     const struct compound *compounds, struct rule_list *list)
{
    struct rule *rules;
    size_t n = list->n_written;
    struct rule **before = list->written;

    for (size_t i = 0; i < items->n; i++)
        n += compounds[i].n_atomic;
    rules = ARENA_ARRAY(ps->arena, struct rule, n);
    list->written = ARENA_ARRAY(ps->arena, struct rule *, n);
    if (rules == NULL || list->written == NULL)
        return no_memory(ps);
    if (list->n_written > 0)
        memcpy(list->written, before, list->n_written * sizeof(struct rule *));
    for (size_t i = 0; i < items->n; i++) {
        struct where at;

        (void)policy__item(items, i, w, &at);
        split(ps, &compounds[i], &at, rules, list);
    }
    return 0;
}

/* Adds to the list what the member has. */
static int parse_list(struct parse *ps, const struct members *m, enum term term,
                      const struct where *w, enum rule_kind kind, const struct common *common,
                      struct rule_list *list)
{
    const struct where here = policy__member_at(m, term, w);
    struct items items = policy__items(m->v[term]);
    struct compound *compounds = ARENA_ARRAY(ps->arena, struct compound, items.n);

    if (compounds == NULL)
        return no_memory(ps);
    for (size_t i = 0; i < items.n; i++) {
        struct where at;
        const struct jval *v = policy__item(&items, i, &here, &at);

        if (parse_rule(ps, v, &at, kind, common, &compounds[i]) < 0 ||
            check_total(ps, &at, &compounds[i], list) < 0)
            return err_ret(ps->err);
    }
    return split_all(ps, &items, &here, compounds, list);
}

int policy__rules(struct parse *ps, const struct members *m, int list, const struct where *w,
                  const struct common *common, struct rule_list *rules)
{
    return parse_list(ps, m, list_terms[list], w, list_kinds[list], common, rules);
}
