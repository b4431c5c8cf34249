/*
 * policy/constraint.c - JSON of constraints and refinements -> tree (IM 2.2 §2.5)
 *
 * A refinement is a constraint on an action or on the members of a collection instead of on a rule; not every operand has a
 * meaning there (policy/vocab.def, "refines").
 */
#include "policy/policy.h"

#include "policy/parse_private.h"

#include "lib/base/banned.h"

static const struct {
    enum term term;
    enum node_kind kind;
} logicals[] = {
    {TERM_AND,      NODE_AND     },
    {TERM_OR,       NODE_OR      },
    {TERM_XONE,     NODE_XONE    },
    {TERM_SEQUENCE, NODE_SEQUENCE},
};

static int parse_node(struct parse *ps, const struct jval *v, const struct where *w, struct use use,
                      struct node **ret_node);

static int no_memory(struct parse *ps)
{
    return err_set(ps->err, E_NO_MEMORY, "", "policy");
}

/* -- values ------------------------------------------------------------------------------------ */

static bool takes_list(enum policy_operator op)
{
    return op == POLICY_IS_ANY_OF || op == POLICY_IS_ALL_OF || op == POLICY_IS_NONE_OF;
}

static int parse_values(struct parse *ps, const struct members *m, const struct where *w,
                        struct node *node)
{
    const struct where here = policy__member_at(m, TERM_RIGHT, w);
    struct items items = policy__items(m->v[TERM_RIGHT]);
    struct str datatype = STR_NONE;

    if (policy__name(ps, m, TERM_DATATYPE, w, true, &datatype) < 0)
        return err_ret(ps->err);
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

        if (policy__value(ps, node->operand, datatype, v, &at, &node->values[node->n_values]) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

/* Brings numbers to the operand's own unit. */
static int scale(struct parse *ps, const struct where *w, struct node *node, int64_t factor)
{
    for (size_t i = 0; i < node->n_values && factor != 1; i++) {
        struct value *value = &node->values[i];

        if (__builtin_mul_overflow(value->first, factor, &value->first))
            return refuse(ps, w, E_INVALID, "%.*s %.*s is out of range", STR_ARG(value->text),
                          STR_ARG(node->unit));
        value->last = value->first;
        value->canon = arena_printf(ps->arena, "%lld", (long long)value->first);
    }
    return 0;
}

/* Without its unit an amount means nothing; for other operands a unit must be one that is understood. */
static int parse_unit(struct parse *ps, const struct members *m, const struct where *w,
                      struct node *node)
{
    const struct where here = policy__member_at(m, TERM_UNIT, w);
    const char *iri = policy_operand_iri(node->operand);
    int64_t factor;

    if (policy__name(ps, m, TERM_UNIT, w, true, &node->unit) < 0)
        return err_ret(ps->err);
    if (policy__operands[node->operand].meaning == MEANING_PAY) {
        node->currency = policy__currency(node->unit);
        return str_present(node->currency)
                   ? 0
                   : refuse(ps, &here, E_INVALID, "'%s' needs a unit: a currency (ISO 4217)", iri);
    }
    if (!str_present(node->unit))
        return 0;
    if (!policy__unit(node->operand, node->unit, &node->operand, &factor))
        return refuse(ps, &here, E_POLICY_UNSUPPORTED, "'%s' cannot be counted in '%.*s'", iri,
                      STR_ARG(node->unit));
    return scale(ps, &here, node, factor);
}

/* -- atoms ------------------------------------------------------------------------------------- */

static int parse_names(struct parse *ps, const struct members *m, const struct where *w,
                       struct node *node)
{
    const struct where left_at = policy__member_at(m, TERM_LEFT, w);
    const struct where op_at = policy__member_at(m, TERM_OPERATOR, w);
    struct str left = STR_NONE, op = STR_NONE;

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
    if ((policy__operands[node->operand].ops >> node->op & 1) == 0)
        return refuse(ps, &op_at, E_POLICY_UNSUPPORTED, "'%s' cannot be used with '%.*s'",
                      policy_operator_name(node->op), STR_ARG(left));
    node->written = node->operand;
    return 0;
}

static int parse_atom(struct parse *ps, const struct members *m, const struct where *w,
                      struct use use, struct node *node)
{
    const struct where left_at = policy__member_at(m, TERM_LEFT, w);
    const struct operand_row *row;

    if (parse_names(ps, m, w, node) < 0)
        return err_ret(ps->err);
    row = &policy__operands[node->operand];
    if ((row->rules & use.rules) == 0)
        return refuse(ps, &left_at, E_POLICY_UNSUPPORTED,
                      "operand '%s' has no meaning in this kind of rule", row->iri.p);
    if (use.refines != 0 && (row->refines & use.refines) == 0)
        return refuse(ps, &left_at, E_POLICY_UNSUPPORTED, "operand '%s' cannot refine this",
                      row->iri.p);
    if (use.refines == 0 && row->meaning == MEANING_PAY)
        return refuse(ps, &left_at, E_POLICY_UNSUPPORTED, "operand '%s' can only refine an action",
                      row->iri.p);
    if (parse_values(ps, m, w, node) < 0)
        return err_ret(ps->err);
    return parse_unit(ps, m, w, node);
}

/* -- logical constraints ----------------------------------------------------------------------- */

/* Children of a logical constraint, of a rule or of a refinement. */
static int parse_nodes(struct parse *ps, const struct jval *v, const struct where *w,
                       struct use use, struct node *parent)
{
    struct items items = policy__items(v);

    parent->children = ARENA_ARRAY(ps->arena, struct node *, items.n);
    if (parent->children == NULL)
        return no_memory(ps);
    for (parent->n_children = 0; parent->n_children < items.n; parent->n_children++) {
        struct where at;
        const struct jval *item = policy__item(&items, parent->n_children, w, &at);

        if (parse_node(ps, item, &at, use, &parent->children[parent->n_children]) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

/* True if it says when it begins to hold, so that a delay can be counted from there. */
static bool has_beginning(const struct node *node)
{
    return node->op == POLICY_EQ || node->op == POLICY_GT || node->op == POLICY_GTEQ;
}

/* The order of satisfaction is known for instants only (policy.md §1.4). */
static int check_sequence(struct parse *ps, const struct node *node, const struct where *w)
{
    for (size_t i = 0; i < node->n_children; i++) {
        const struct node *child = node->children[i];
        enum meaning meaning = policy__operands[child->operand].meaning;

        if (child->kind != NODE_ATOM || child->op == POLICY_NEQ ||
            (meaning != MEANING_NOW && meaning != MEANING_ELAPSED && meaning != MEANING_IN_FORCE &&
             meaning != MEANING_DELAY))
            return refuse(ps, w, E_POLICY_UNSUPPORTED,
                          "'andSequence' is understood for constraints on time only");
        if (i > 0 && meaning == MEANING_DELAY && !has_beginning(node->children[i - 1]))
            return refuse(ps, w, E_POLICY_UNSUPPORTED,
                          "a delay is counted from the beginning of what stands before it, which "
                          "has none");
    }
    return 0;
}

static int parse_logical(struct parse *ps, const struct members *m, size_t which,
                         const struct where *w, struct use use, struct node *node)
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
    if (parse_nodes(ps, m->v[term], &here, use, node) < 0)
        return err_ret(ps->err);
    if (node->n_children == 0)
        return refuse(ps, &here, E_INVALID, "'%s' is empty", policy__term_name(term));
    return node->kind == NODE_SEQUENCE ? check_sequence(ps, node, &here) : 0;
}

/* Recursion ends: the depth of the document has been bounded (parse.c). */
static int parse_node(struct parse *ps, const struct jval *v, const struct where *w, struct use use,
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
            return parse_logical(ps, &m, i, w, use, node);
    }
    return parse_atom(ps, &m, w, use, node);
}

int policy__conditions(struct parse *ps, const struct members *m, enum term term,
                       const struct where *w, struct use use, struct node **ret_node)
{
    const struct where at = policy__member_at(m, term, w);
    struct node *node;

    if (m->v[term] == NULL)
        return 0;
    node = ARENA_NEW(ps->arena, struct node);
    if (node == NULL)
        return no_memory(ps);
    node->kind = NODE_AND;
    node->at = policy__where_str(ps, &at);
    node->refines = use.refines != 0;
    if (parse_nodes(ps, m->v[term], &at, use, node) < 0)
        return err_ret(ps->err);
    if (node->refines && node->n_children == 0)
        return refuse(ps, &at, E_INVALID, "'%s' is empty", policy__term_name(term));
    *ret_node = node;
    return 0;
}
