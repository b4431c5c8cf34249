/*
 * policy/parse.c - JSON of a policy -> tree: constraints, rules, policy
 */
#include "policy/policy.h"

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/parse_private.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct { const char *name; enum policy_type type; } policy_types[] = {
    {"Set", POLICY_SET}, {"Policy", POLICY_SET}, {"Offer", POLICY_OFFER}, {"Agreement", POLICY_AGREEMENT},
};

static const struct str profiles[] = {
    STR_INIT("http://www.w3.org/ns/odrl/2/core"),
    STR_INIT("https://w3id.org/dspace/2025/1/odrl-profile"),
    STR_INIT("https://w3id.org/dspace/2025/1/odrl-profile.jsonld"),
    STR_INIT("https://w3id.org/catenax/2025/9/policy/"),
    STR_INIT("https://w3id.org/catenax/2025/9/policy/context.jsonld"),
    STR_INIT("https://w3id.org/catenax/policy/profile2405"),
    STR_INIT("https://w3id.org/catenax/2025/9/policy/profile2405"), /* "cx-policy:profile2405" under the newer prefix */
    STR_INIT("urn:naru:profile:commercial:1"),
};

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
static const struct { enum term term; enum node_kind kind; } logicals[] = {
    {TERM_AND, NODE_AND}, {TERM_OR, NODE_OR}, {TERM_XONE, NODE_XONE}, {TERM_SEQUENCE, NODE_SEQUENCE},
};

/* clang-format on */

/* -- constraints ------------------------------------------------------------------------------- */

static int parse_node(struct parse *ps, const struct jval *v, const struct where *w, unsigned rules,
                      struct node **ret_node);

static int no_memory(struct parse *ps)
{
    return err_set(ps->err, E_NO_MEMORY, "", "policy");
}

static bool takes_list(enum policy_operator op)
{
    return op == POLICY_IS_ANY_OF || op == POLICY_IS_ALL_OF || op == POLICY_IS_NONE_OF;
}

static int parse_values(struct parse *ps, const struct members *m, const struct where *w,
                        struct node *node)
{
    const struct where here = policy__member_at(m, TERM_RIGHT, w);
    struct items items = policy__items(m->v[TERM_RIGHT]);

    if (items.n == 0)
        return refuse(ps, &here, E_INVALID, "a constraint needs a right operand");
    if (items.n > 1 && !takes_list(node->op))
        return refuse(ps, &here, E_INVALID, "'%s' takes one value, found %zu",
                      policy_operator_name(node->op), items.n);
    node->values = ARENA_ARRAY(ps->arena, struct value, items.n);
    if (node->values == NULL)
        return no_memory(ps);
    for (node->n_values = 0; node->n_values < items.n; node->n_values++) {
        struct where at;
        const struct jval *v = policy__item(&items, node->n_values, &here, &at);

        if (policy__value(ps, node->operand, v, &at, &node->values[node->n_values]) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

static int parse_atom(struct parse *ps, const struct members *m, const struct where *w,
                      unsigned rules, struct node *node)
{
    const struct where left_at = policy__member_at(m, TERM_LEFT, w);
    const struct where op_at = policy__member_at(m, TERM_OPERATOR, w);
    struct str left = STR_NONE, op = STR_NONE;
    const struct operand_row *row;

    if (policy__name(ps, m, TERM_LEFT, w, true, &left) < 0 ||
        policy__name(ps, m, TERM_OPERATOR, w, true, &op) < 0)
        return err_ret(ps->err);
    if (!str_present(left))
        return refuse(ps, &left_at, E_INVALID, "a constraint needs a left operand");
    if (!str_present(op))
        return refuse(ps, &op_at, E_INVALID, "a constraint needs an operator");
    if (!policy_operand_find(left, &node->operand))
        return refuse(ps, &left_at, E_POLICY_UNSUPPORTED, "operand '%.*s' is not known",
                      STR_ARG(left));
    if (!policy__operator_find(op, &node->op))
        return refuse(ps, &op_at, E_POLICY_UNSUPPORTED, "operator '%.*s' is not known",
                      STR_ARG(op));
    row = &policy__operands[node->operand];
    if ((row->ops >> node->op & 1) == 0)
        return refuse(ps, &op_at, E_POLICY_UNSUPPORTED, "'%s' cannot be used with '%.*s'",
                      policy_operator_name(node->op), STR_ARG(left));
    if ((row->rules & rules) == 0)
        return refuse(ps, &left_at, E_POLICY_UNSUPPORTED,
                      "operand '%.*s' has no meaning in this kind of rule", STR_ARG(left));
    return parse_values(ps, m, w, node);
}

/* Children of a logical constraint or of a rule. */
static int parse_nodes(struct parse *ps, const struct jval *v, const struct where *w,
                       unsigned rules, struct node *parent)
{
    struct items items = policy__items(v);

    parent->children = ARENA_ARRAY(ps->arena, struct node *, items.n);
    if (parent->children == NULL)
        return no_memory(ps);
    for (parent->n_children = 0; parent->n_children < items.n; parent->n_children++) {
        struct where at;
        const struct jval *item = policy__item(&items, parent->n_children, w, &at);

        if (parse_node(ps, item, &at, rules, &parent->children[parent->n_children]) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

/* The order of satisfaction is known for instants only (policy.md §1.4). */
static int check_sequence(struct parse *ps, const struct node *node, const struct where *w)
{
    for (size_t i = 0; i < node->n_children; i++) {
        const struct node *child = node->children[i];
        enum meaning meaning = policy__operands[child->operand].meaning;

        if (child->kind != NODE_ATOM || child->op == POLICY_NEQ ||
            (meaning != MEANING_NOW && meaning != MEANING_ELAPSED && meaning != MEANING_IN_FORCE))
            return refuse(ps, w, E_POLICY_UNSUPPORTED,
                          "'andSequence' is understood for constraints on time only");
    }
    return 0;
}

static int parse_logical(struct parse *ps, const struct members *m, size_t which,
                         const struct where *w, unsigned rules, struct node *node)
{
    enum term term = logicals[which].term;
    const struct where here = policy__member_at(m, term, w);

    node->kind = logicals[which].kind;
    for (int i = TERM_LEFT; i <= TERM_SEQUENCE; i++) {
        const struct where other = policy__member_at(m, (enum term)i, w);

        if (i != (int)term && m->v[i] != NULL)
            return refuse(ps, &other, E_INVALID, "'%s' cannot stand beside '%s'",
                          policy__term_name((enum term)i), policy__term_name(term));
    }
    if (parse_nodes(ps, m->v[term], &here, rules, node) < 0)
        return err_ret(ps->err);
    if (node->n_children == 0)
        return refuse(ps, &here, E_INVALID, "'%s' is empty", policy__term_name(term));
    return node->kind == NODE_SEQUENCE ? check_sequence(ps, node, &here) : 0;
}

/* Recursion ends: check_size has bounded the depth of the document. */
static int parse_node(struct parse *ps, const struct jval *v, const struct where *w, unsigned rules,
                      struct node **ret_node)
{
    struct node *node = ARENA_NEW(ps->arena, struct node);
    struct members m;

    if (node == NULL)
        return no_memory(ps);
    node->at = policy__where_str(ps, w);
    *ret_node = node;
    if (policy__members(ps, v, w, IN_CONSTRAINT, &m) < 0 ||
        policy__check_type(ps, &m, w, "Constraint", "LogicalConstraint") < 0)
        return err_ret(ps->err);
    for (size_t i = 0; i < ARRAY_LEN(logicals); i++) {
        if (m.v[logicals[i].term] != NULL)
            return parse_logical(ps, &m, i, w, rules, node);
    }
    return parse_atom(ps, &m, w, rules, node);
}

/* -- rules ------------------------------------------------------------------------------------- */

static int parse_rules(struct parse *ps, const struct members *m, enum term term,
                       const struct where *w, enum rule_kind kind, struct rule_list *list);

static int parse_rule(struct parse *ps, const struct jval *v, const struct where *w,
                      enum rule_kind kind, struct rule *rule)
{
    struct str action = STR_NONE;
    struct where at;
    struct members m;

    rule->kind = kind;
    rule->at = policy__where_str(ps, w);
    if (policy__members(ps, v, w, rule_kinds[kind].place, &m) < 0 ||
        policy__check_type(ps, &m, w, rule_kinds[kind].type, "Rule") < 0 ||
        policy__name(ps, &m, TERM_ACTION, w, true, &action) < 0 ||
        policy__entity(ps, &m, TERM_TARGET, w, &rule->target) < 0 ||
        policy__entity(ps, &m, TERM_ASSIGNER, w, &rule->assigner) < 0 ||
        policy__entity(ps, &m, TERM_ASSIGNEE, w, &rule->assignee) < 0)
        return err_ret(ps->err);
    at = policy__member_at(&m, TERM_ACTION, w);
    if (!str_present(action))
        return refuse(ps, &at, E_INVALID, "a rule needs an action");
    if (!policy_action_find(action, &rule->action))
        return refuse(ps, &at, E_POLICY_UNSUPPORTED, "action '%.*s' is not known", STR_ARG(action));
    if (m.v[TERM_CONSTRAINT] != NULL) {
        at = policy__member_at(&m, TERM_CONSTRAINT, w);
        rule->constraint = ARENA_NEW(ps->arena, struct node);
        if (rule->constraint == NULL)
            return no_memory(ps);
        rule->constraint->kind = NODE_AND;
        rule->constraint->at = policy__where_str(ps, &at);
        if (parse_nodes(ps, m.v[TERM_CONSTRAINT], &at, rule_kinds[kind].rules, rule->constraint) <
            0)
            return err_ret(ps->err);
    }
    if (rule_kinds[kind].nested == TERM__COUNT)
        return 0;
    return parse_rules(ps, &m, rule_kinds[kind].nested, w, nested_kinds[kind], &rule->duties);
}

static int parse_rules(struct parse *ps, const struct members *m, enum term term,
                       const struct where *w, enum rule_kind kind, struct rule_list *list)
{
    const struct where here = policy__member_at(m, term, w);
    struct items items = policy__items(m->v[term]);
    struct rule *rules = ARENA_ARRAY(ps->arena, struct rule, items.n);

    list->written = ARENA_ARRAY(ps->arena, struct rule *, items.n);
    if (rules == NULL || list->written == NULL)
        return no_memory(ps);
    for (list->n_written = 0; list->n_written < items.n; list->n_written++) {
        struct where at;
        const struct jval *v = policy__item(&items, list->n_written, &here, &at);

        list->written[list->n_written] = &rules[list->n_written];
        if (parse_rule(ps, v, &at, kind, &rules[list->n_written]) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

/* -- policy ------------------------------------------------------------------------------------ */

static int parse_type(struct parse *ps, const struct members *m, const struct where *w)
{
    const struct where at = policy__member_at(m, TERM_TYPE, w);
    struct str type = STR_NONE;

    if (policy__name(ps, m, TERM_TYPE, w, true, &type) < 0)
        return err_ret(ps->err);
    if (!str_present(type))
        return 0;
    if (str_starts(type, STR(ODRL)))
        type = str_from(type, sizeof(ODRL) - 1);
    for (size_t i = 0; i < ARRAY_LEN(policy_types); i++) {
        if (str_eq_c(type, policy_types[i].name)) {
            ps->policy->type = policy_types[i].type;
            return 0;
        }
    }
    return refuse(ps, &at, E_POLICY_UNSUPPORTED, "policies of type '%.*s' are not understood",
                  STR_ARG(type));
}

/* IM 2.2 §3.2: a processor that does not know the profile must stop. */
static int parse_profiles(struct parse *ps, const struct members *m, const struct where *w)
{
    const struct where here = policy__member_at(m, TERM_PROFILE, w);
    struct items items = policy__items(m->v[TERM_PROFILE]);
    struct policy *policy = ps->policy;

    policy->profiles = ARENA_ARRAY(ps->arena, struct str, items.n);
    if (policy->profiles == NULL)
        return no_memory(ps);
    for (size_t i = 0; i < items.n; i++) {
        struct where at;
        struct members one = {.v = {[TERM_PROFILE] = policy__item(&items, i, &here, &at)},
                              .key = {[TERM_PROFILE] = here.key}};
        struct str iri = STR_NONE;
        size_t known = 0;

        if (jtype_of(one.v[TERM_PROFILE]) == J_NULL)
            return refuse(ps, &at, E_INVALID, "profile is null");
        if (policy__name(ps, &one, TERM_PROFILE, w, true, &iri) < 0)
            return err_ret(ps->err);
        while (known < ARRAY_LEN(profiles) && !str_eq(profiles[known], iri))
            known++;
        if (known == ARRAY_LEN(profiles))
            return refuse(ps, &at, E_POLICY_UNSUPPORTED, "profile '%.*s' is not known",
                          STR_ARG(iri));
        policy->profiles[policy->n_profiles++] = profiles[known];
    }
    return 0;
}

static int parse_conflict(struct parse *ps, const struct members *m, const struct where *w)
{
    const struct where at = policy__member_at(m, TERM_CONFLICT, w);
    struct str name = STR_NONE;

    if (policy__name(ps, m, TERM_CONFLICT, w, true, &name) < 0)
        return err_ret(ps->err);
    if (str_starts(name, STR(ODRL)))
        name = str_from(name, sizeof(ODRL) - 1);
    for (int i = 0; i < CONFLICT__COUNT && str_present(name); i++) {
        if (str_eq_c(name, policy__conflict_names[i])) {
            ps->policy->conflict = (enum conflict)i;
            return 0;
        }
    }
    if (str_present(name))
        return refuse(ps, &at, E_POLICY_UNSUPPORTED, "conflict strategy '%.*s' is not known",
                      STR_ARG(name));
    return 0;
}

static int parse_timestamp(struct parse *ps, const struct members *m, const struct where *w)
{
    const struct where at = policy__member_at(m, TERM_TIMESTAMP, w);
    struct str text = STR_NONE;

    if (policy__name(ps, m, TERM_TIMESTAMP, w, false, &text) < 0)
        return err_ret(ps->err);
    if (str_present(text) && !time_parse(text, &ps->policy->timestamp_us))
        return refuse(ps, &at, E_INVALID, "'%.*s' is not a date and time with zone", STR_ARG(text));
    return 0;
}

/* DSP 2025-1, contract schema: an Agreement names its target and both parties. */
static int check_agreement(struct parse *ps, const struct members *m, const struct where *w)
{
    static const enum term needed[] = {TERM_TARGET, TERM_ASSIGNER, TERM_ASSIGNEE};

    for (size_t i = 0; i < ARRAY_LEN(needed) && ps->policy->type == POLICY_AGREEMENT; i++) {
        const struct where at = policy__member_at(m, needed[i], w);

        if (m->v[needed[i]] == NULL)
            return refuse(ps, &at, E_INVALID, "an agreement needs '%s'",
                          policy__term_name(needed[i]));
    }
    return 0;
}

static bool entity_eq(const struct entity *a, const struct entity *b)
{
    return a->collection == b->collection && str_eq(a->id, b->id);
}

/* A rule's own target and parties count only where they differ from the policy's. */
static void inherit(const struct policy *policy, struct rule_list *list)
{
    for (size_t i = 0; i < list->n_written; i++) {
        struct rule *rule = list->written[i];

        if (entity_eq(&rule->target, &policy->target))
            rule->target = (struct entity){0};
        if (entity_eq(&rule->assigner, &policy->assigner))
            rule->assigner = (struct entity){0};
        if (entity_eq(&rule->assignee, &policy->assignee))
            rule->assignee = (struct entity){0};
        inherit(policy, &rule->duties);
    }
}

static int check_size(struct parse *ps, const struct jval *v, unsigned depth, unsigned *nodes)
{
    if (++*nodes > LIMIT_POLICY_NODES)
        return err_tell(ps->err, E_LIMIT, "", "policy has more than %d values", LIMIT_POLICY_NODES);
    if (depth > LIMIT_JSON_DEPTH)
        return err_tell(ps->err, E_LIMIT, "", "policy is nested deeper than %d", LIMIT_JSON_DEPTH);
    if (jtype_of(v) == J_ARRAY) {
        for (size_t i = 0; i < jval_len(v); i++) {
            if (check_size(ps, jval_at(v, i), depth + 1, nodes) < 0)
                return err_ret(ps->err);
        }
    } else if (jtype_of(v) == J_OBJECT) {
        for (const struct jiter *it = jiter_first(v); it != NULL; it = jiter_next(v, it)) {
            if (check_size(ps, jiter_value(it), depth + 1, nodes) < 0)
                return err_ret(ps->err);
        }
    }
    return 0;
}

static int parse_policy(struct parse *ps, const struct jval *v, const struct where *w)
{
    struct policy *policy = ps->policy;
    const struct jval *context = jval_get(v, "@context");
    const struct where context_at = {.up = w, .key = STR("@context")};
    struct members m;

    /* first of all, for the other members' names may depend on it */
    if (jtype_of(v) == J_OBJECT && context != NULL && policy__context(ps, context, &context_at) < 0)
        return err_ret(ps->err);
    if (policy__members(ps, v, w, IN_POLICY, &m) < 0 || parse_type(ps, &m, w) < 0 ||
        policy__name(ps, &m, TERM_ID, w, false, &policy->id) < 0 ||
        policy__entity(ps, &m, TERM_TARGET, w, &policy->target) < 0 ||
        policy__entity(ps, &m, TERM_ASSIGNER, w, &policy->assigner) < 0 ||
        policy__entity(ps, &m, TERM_ASSIGNEE, w, &policy->assignee) < 0 ||
        parse_profiles(ps, &m, w) < 0 || parse_conflict(ps, &m, w) < 0 ||
        parse_timestamp(ps, &m, w) < 0 || check_agreement(ps, &m, w) < 0)
        return err_ret(ps->err);
    for (int i = 0; i < LIST__COUNT; i++) {
        if (parse_rules(ps, &m, list_terms[i], w, list_kinds[i], &policy->rules[i]) < 0)
            return err_ret(ps->err);
        inherit(policy, &policy->rules[i]);
    }
    return 0;
}

int policy__parse(struct parse *ps, const struct jval *doc)
{
    struct items items = policy__items(doc);
    const struct where first = {.index = 0};
    unsigned nodes = 0;

    if (check_size(ps, doc, 0, &nodes) < 0)
        return err_ret(ps->err);
    if (items.n != 1)
        return err_tell(ps->err, E_INVALID, "", "expected one policy, found %zu", items.n);
    return items.array ? parse_policy(ps, jval_at(doc, 0), &first) : parse_policy(ps, doc, NULL);
}
