/*
 * policy/compile.c - tree -> program
 *
 * 1. A constraint becomes instructions in preorder. Everything about time and numbers becomes a
 * window of one variable, [lo, hi], perhaps negated; so one comparison answers it and tells when
 * the answer changes.
 * 2. Catena-X (CX-0152) gives some constraints a meaning that ODRL's words do not have; the
 * lowering is done here:
 *    - DataUsageEndDate eq d, DataUsageEndDurationDays eq n: windows that end then.
 *    - a prohibition with UsageRestriction or Affiliates…: prohibits the kinds of use that its
 * values name, not all use.
 *    - an obligation with DataProvisioningEnd…: the provider's duty; and a gate, for afterwards
 * nothing is provided.
 *    - terms of contract: hold.
 */
#include "policy/policy.h"

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

struct emit {
    struct parse *ps;
    struct program *program;
    uint64_t *needs;
};

static enum meaning meaning_of(const struct node *node)
{
    return policy__operands[node->operand].meaning;
}

static bool is_restriction(const struct node *node)
{
    enum meaning meaning = meaning_of(node);

    return meaning == MEANING_RESTRICT || node->operand == POLICY_OP_AFFILIATES_BPNL ||
           node->operand == POLICY_OP_AFFILIATES_REGION;
}

static bool is_provision(const struct node *node)
{
    return meaning_of(node) == MEANING_PROVIDE || meaning_of(node) == MEANING_PROVIDE_DAYS;
}

static bool any_atom(const struct node *node, bool (*match)(const struct node *))
{
    if (node == NULL)
        return false;
    if (node->kind == NODE_ATOM)
        return match(node);
    for (size_t i = 0; i < node->n_ordered; i++) {
        if (any_atom(node->ordered[i], match))
            return true;
    }
    return false;
}

static size_t count_list(const struct rule_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n_ordered; i++) {
        const struct rule *rule = list->ordered[i];

        n += (rule->conditions != NULL ? rule->conditions->size : 0) +
             (rule->refinement != NULL ? rule->refinement->size : 0) + count_list(&rule->duties);
    }
    return n;
}

/* -- what a rule depends on -------------------------------------------------------------------- */

static bool is_duty(const struct rule *rule)
{
    return rule->kind != RULE_PERMISSION && rule->kind != RULE_PROHIBITION;
}

/*
 * The constraint and the refinements, which must all hold: what selects the members of a collection,
 * and the request if it is asked for (the action of a duty is judged when it was performed).
 */
static int gather_conditions(struct parse *ps, struct rule *rule)
{
    struct node *const parts[] = {
        is_duty(rule) ? NULL : rule->refinement,
        rule->target.refinement,
        rule->assignee.refinement,
    };
    const size_t n_own = rule->constraint != NULL ? rule->constraint->n_ordered : 0;
    struct node *all;

    rule->conditions = rule->constraint;
    if (parts[0] == NULL && parts[1] == NULL && parts[2] == NULL)
        return 0;
    all = ARENA_NEW(ps->arena, struct node);
    if (all == NULL ||
        (all->ordered = ARENA_ARRAY(ps->arena, struct node *, n_own + ARRAY_LEN(parts))) == NULL)
        return err_set(ps->err, E_NO_MEMORY, "", "policy");
    all->kind = NODE_AND;
    all->at = rule->at;
    all->size = 1 + (rule->constraint != NULL ? rule->constraint->size : 0);
    if (n_own > 0)
        memcpy(all->ordered, rule->constraint->ordered, n_own * sizeof(struct node *));
    all->n_ordered = n_own;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i] == NULL)
            continue;
        all->ordered[all->n_ordered++] = parts[i];
        all->size += parts[i]->size;
    }
    rule->conditions = all;
    return 0;
}

static int gather_list(struct parse *ps, const struct rule_list *list)
{
    for (size_t i = 0; i < list->n_ordered; i++) {
        if (gather_conditions(ps, list->ordered[i]) < 0 ||
            gather_list(ps, &list->ordered[i]->duties) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

/* -- constraints ------------------------------------------------------------------------------- */

/* Which x satisfy "x op [first, last]". */
static void set_window(struct insn *insn, enum policy_operator op, int64_t first, int64_t last)
{
    insn->window.lo = INT64_MIN;
    insn->window.hi = INT64_MAX;
    insn->negate = op == POLICY_NEQ;
    if (op == POLICY_EQ || op == POLICY_NEQ || op == POLICY_GTEQ)
        insn->window.lo = first;
    if (op == POLICY_EQ || op == POLICY_NEQ || op == POLICY_LTEQ)
        insn->window.hi = last;
    if (op == POLICY_LT)
        insn->window.hi = first - (first > INT64_MIN);
    if (op == POLICY_GT)
        insn->window.lo = last + (last < INT64_MAX);
    /* nothing is below the least or above the greatest number */
    if ((op == POLICY_LT && first == INT64_MIN) || (op == POLICY_GT && last == INT64_MAX)) {
        insn->window.lo = 1;
        insn->window.hi = 0;
    }
}

static void emit_time(struct insn *insn, const struct node *node)
{
    const struct value *value = &node->sorted[0];
    enum meaning meaning = meaning_of(node);
    bool until = meaning == MEANING_UNTIL || meaning == MEANING_PROVIDE;

    insn->kind = value->relative || meaning == MEANING_ELAPSED ? INSN_AGREEMENT : INSN_NOW;
    set_window(insn, until ? POLICY_LTEQ : node->op, value->first, value->last);
    insn->window.lo_months = insn->window.lo == INT64_MIN ? 0 : value->months;
    insn->window.hi_months = insn->window.hi == INT64_MAX ? 0 : value->months;
}

/* A delay begins where `before` begins, or at the agreement. */
static void emit_delay(struct insn *insn, const struct node *node, const struct insn *before)
{
    const struct value *value = &node->sorted[0];
    int64_t begin = before != NULL ? before->window.lo : 0;
    int64_t months = before != NULL ? before->window.lo_months : 0;
    int64_t end;

    insn->kind = before != NULL ? before->kind : INSN_AGREEMENT;
    if (insn->kind == INSN_NOW)
        end = value->months != 0 ? time_add_months(begin, value->months) : begin;
    else
        end = begin;
    if (__builtin_add_overflow(end, value->first, &end))
        end = INT64_MAX - 1;
    set_window(insn, node->op == POLICY_EQ ? POLICY_GTEQ : node->op, end, end);
    months += insn->kind == INSN_NOW ? 0 : value->months;
    insn->window.lo_months = insn->window.lo == INT64_MIN ? 0 : months;
    insn->window.hi_months = insn->window.hi == INT64_MAX ? 0 : months;
    /* "at most" a delay is a span that begins there */
    if (insn->window.lo == INT64_MIN && before != NULL) {
        insn->window.lo = begin;
        insn->window.lo_months = before->window.lo_months;
    }
}

static int emit_week(struct emit *e, struct insn *insn, const struct node *node)
{
    insn->kind = INSN_WEEK;
    insn->negate = node->op == POLICY_NEQ || node->op == POLICY_IS_NONE_OF;
    insn->week = policy__week(e->ps->arena, policy__operands[node->operand].type, node->sorted,
                              node->n_sorted, &insn->n);
    return insn->week != NULL ? 0 : err_set(e->ps->err, E_NO_MEMORY, "", "policy");
}

static void emit_days(struct insn *insn, const struct node *node)
{
    int64_t us;

    insn->kind = INSN_AGREEMENT;
    if (__builtin_mul_overflow(node->sorted[0].first, US_PER_DAY, &us))
        us = node->sorted[0].first < 0 ? INT64_MIN + 1 : INT64_MAX - 1;
    set_window(insn, POLICY_LTEQ, us, us);
}

static int emit_fact(struct emit *e, struct insn *insn, const struct node *node)
{
    enum policy_value_type type = policy__operands[node->operand].type;
    struct str *values;

    *e->needs |= UINT64_C(1) << node->operand;
    if (type == POLICY_V_INTEGER || type == POLICY_V_BOOLEAN) {
        insn->kind = INSN_NUMBER;
        set_window(insn, node->op, node->sorted[0].first, node->sorted[0].last);
        return 0;
    }
    insn->kind = INSN_TEXT;
    insn->n = (uint32_t)node->n_sorted;
    values = ARENA_ARRAY(e->ps->arena, struct str, node->n_sorted);
    if (values == NULL)
        return err_set(e->ps->err, E_NO_MEMORY, "", "policy");
    for (size_t i = 0; i < node->n_sorted; i++)
        values[i] = node->sorted[i].canon;
    insn->text.values = values;
    return 0;
}

/* `before` stands in front of it in an andSequence; NULL: nothing does. */
static int emit_atom(struct emit *e, struct insn *insn, const struct node *node,
                     const struct insn *before)
{
    insn->operand = (uint8_t)node->operand;
    insn->op = (uint8_t)node->op;
    switch (meaning_of(node)) {
    case MEANING_FACT: return emit_fact(e, insn, node);
    case MEANING_NOW:
    case MEANING_ELAPSED:
    case MEANING_IN_FORCE:
    case MEANING_UNTIL:
    case MEANING_PROVIDE: emit_time(insn, node); return 0;
    case MEANING_DAYS:
    case MEANING_PROVIDE_DAYS: emit_days(insn, node); return 0;
    case MEANING_DELAY: emit_delay(insn, node, before); return 0;
    case MEANING_WEEK: return emit_week(e, insn, node);
    case MEANING_PAY: insn->kind = INSN_AMOUNT; return 0;
    case MEANING_UNIT: /* absorbed by the count that it stands beside */
    case MEANING_TERM:
    case MEANING_RESTRICT: insn->kind = INSN_TRUE; return 0;
    }
    CHECK_UNREACHABLE();
}

static int emit_node(struct emit *e, const struct node *node, const struct insn *before);

static int emit_children(struct emit *e, struct insn *insn, const struct node *node)
{
    const struct insn *before = NULL;

    for (size_t i = 0; i < node->n_ordered; i++) {
        const struct insn *child = &e->program->code[e->program->n_code];

        if (emit_node(e, node->ordered[i], before) < 0)
            return err_ret(e->ps->err);
        before = insn->kind == INSN_SEQUENCE ? child : NULL;
    }
    return 0;
}

static int emit_node(struct emit *e, const struct node *node, const struct insn *before)
{
    static const uint8_t kinds[] = {[NODE_AND] = INSN_AND,
                                    [NODE_OR] = INSN_OR,
                                    [NODE_XONE] = INSN_XONE,
                                    [NODE_SEQUENCE] = INSN_SEQUENCE};
    const uint32_t pc = e->program->n_code++;
    struct insn *insn = &e->program->code[pc];

    insn->node = node;
    if (node->kind == NODE_ATOM) {
        if (emit_atom(e, insn, node, before) < 0)
            return err_ret(e->ps->err);
    } else {
        insn->kind = kinds[node->kind];
        insn->n = (uint32_t)node->n_ordered;
        if (emit_children(e, insn, node) < 0)
            return err_ret(e->ps->err);
    }
    insn->next = e->program->n_code;
    if (policy__join_windows(e->ps->arena, e->program->code, pc) < 0)
        return err_set(e->ps->err, E_NO_MEMORY, "", "policy");
    return 0;
}

/* All of them must hold; NO_CODE if there are none. */
static int emit_conditions(struct emit *e, const struct node *all, uint32_t *ret_code)
{
    *ret_code = NO_CODE;
    if (all == NULL || all->n_ordered == 0)
        return 0;
    *ret_code = e->program->n_code;
    return emit_node(e, all, NULL);
}

/* -- rules ------------------------------------------------------------------------------------- */

/* What is to be paid, if that is all that the refinement says of it. */
static const struct node *amount_of(const struct node *refinement)
{
    for (size_t i = 0; refinement != NULL && i < refinement->n_ordered; i++) {
        const struct node *node = refinement->ordered[i];

        if (node->kind == NODE_ATOM && meaning_of(node) == MEANING_PAY &&
            (node->op == POLICY_EQ || node->op == POLICY_GTEQ))
            return node;
    }
    return NULL;
}

/* What the action of a duty is like is no fact to ask for: it is told of what was performed. */
static int emit_performed(struct emit *e, const struct rule *rule, struct prog_duty *duty)
{
    uint64_t *needs = e->needs, ignored = 0;
    int status;

    e->needs = &ignored;
    status = emit_conditions(e, rule->refinement, &duty->refinement);
    e->needs = needs;
    duty->amount = amount_of(rule->refinement);
    return status;
}

/* One consequence of two duties has two keys. parent: key of the duty that it is one of, or NULL. */
static void make_key(const struct rule *rule, const uint8_t *parent,
                     uint8_t key[static POLICY_HASH_LEN])
{
    uint8_t both[2 * POLICY_HASH_LEN];

    sha256(rule->canon.p, rule->canon.n, key);
    if (parent == NULL)
        return;
    memcpy(both, parent, POLICY_HASH_LEN);
    memcpy(both + POLICY_HASH_LEN, key, POLICY_HASH_LEN);
    sha256(both, sizeof(both), key);
}

static int emit_duties(struct emit *e, const struct rule_list *list, const uint8_t *parent,
                       struct prog_duty **ret_duties)
{
    struct prog_duty *duties = ARENA_ARRAY(e->ps->arena, struct prog_duty, list->n_ordered);

    if (duties == NULL)
        return err_set(e->ps->err, E_NO_MEMORY, "", "policy");
    *ret_duties = duties;
    for (size_t i = 0; i < list->n_ordered; i++) {
        struct prog_duty *consequences = NULL;

        duties[i].rule = list->ordered[i];
        make_key(list->ordered[i], parent, duties[i].key);
        if (emit_conditions(e, list->ordered[i]->conditions, &duties[i].code) < 0 ||
            emit_performed(e, list->ordered[i], &duties[i]) < 0 ||
            emit_duties(e, &list->ordered[i]->duties, duties[i].key, &consequences) < 0)
            return err_ret(e->ps->err);
        duties[i].n_duties = (uint32_t)list->ordered[i]->duties.n_ordered;
        duties[i].duties = consequences;
    }
    return 0;
}

/* One bit per action that a rule of this action covers. */
static uint64_t covered_actions(enum policy_action action)
{
    uint64_t actions = 0;

    for (int i = 0; i < POLICY_ACT__COUNT; i++) {
        if (policy__action_covers(action, (enum policy_action)i))
            actions |= UINT64_C(1) << i;
    }
    return actions;
}

static struct prog_rule rule_head(const struct policy *policy, const struct rule *rule)
{
    return (struct prog_rule){
        .rule = rule,
        .actions = covered_actions(rule->action),
        .target = str_present(rule->target.id) ? rule->target : policy->target,
        .assignee = str_present(rule->assignee.id) ? rule->assignee : policy->assignee,
    };
}

static int emit_permissions(struct emit *e, const struct rule_list *list)
{
    struct program *program = e->program;

    program->permissions = ARENA_ARRAY(e->ps->arena, struct prog_rule, list->n_ordered);
    if (program->permissions == NULL)
        return err_set(e->ps->err, E_NO_MEMORY, "", "policy");
    for (size_t i = 0; i < list->n_ordered; i++) {
        struct prog_rule *rule = &program->permissions[i];
        struct prog_duty *duties = NULL;

        *rule = rule_head(e->ps->policy, list->ordered[i]);
        if (emit_conditions(e, list->ordered[i]->conditions, &rule->code) < 0 ||
            emit_duties(e, &list->ordered[i]->duties, NULL, &duties) < 0)
            return err_ret(e->ps->err);
        rule->n_duties = (uint32_t)list->ordered[i]->duties.n_ordered;
        rule->duties = duties;
    }
    program->n_permissions = (uint32_t)list->n_ordered;
    return 0;
}

/* Restrictions name actions; that is only clear where all of them hold together. */
static int check_restriction(struct parse *ps, const struct node *node, bool certain)
{
    if (node->kind == NODE_ATOM && is_restriction(node) && !certain)
        return err_tell(ps->err, E_POLICY_UNSUPPORTED, node->at.p,
                        "a usage restriction is not understood as an alternative");
    for (size_t i = 0; node->kind != NODE_ATOM && i < node->n_ordered; i++) {
        if (check_restriction(ps, node->ordered[i], certain && node->kind == NODE_AND) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

/* One bit per action that the rule's restrictions forbid. */
static uint64_t restricted_actions(const struct node *node)
{
    uint64_t actions = 0;

    for (size_t i = 0; node->kind != NODE_ATOM && i < node->n_ordered; i++)
        actions |= restricted_actions(node->ordered[i]);
    if (node->kind != NODE_ATOM || !is_restriction(node))
        return actions;
    if (meaning_of(node) != MEANING_RESTRICT)
        return covered_actions(POLICY_ACT_DISTRIBUTE) | covered_actions(POLICY_ACT_GRANT_USE);
    for (size_t i = 0; i < node->n_sorted; i++) {
        const struct restriction_row *row = policy__restriction(node->sorted[i].canon);

        for (size_t a = 0; row != NULL && a < row->n_actions; a++)
            actions |= covered_actions(row->actions[a]);
    }
    return actions;
}

/* They decide nothing: nobody has to gather facts for them alone. */
static int emit_remedies(struct emit *e, const struct rule *rule, struct prog_duty **ret_remedies)
{
    uint64_t *needs = e->needs;
    int status;

    e->needs = &e->program->obligation_needs;
    status = emit_duties(e, &rule->duties, NULL, ret_remedies);
    e->needs = needs;
    return status;
}

static int emit_prohibitions(struct emit *e, const struct rule_list *list)
{
    struct program *program = e->program;

    program->prohibitions = ARENA_ARRAY(e->ps->arena, struct prog_rule, list->n_ordered);
    if (program->prohibitions == NULL)
        return err_set(e->ps->err, E_NO_MEMORY, "", "policy");
    for (size_t i = 0; i < list->n_ordered; i++) {
        const struct rule *rule = list->ordered[i];
        struct prog_rule *prohibition = &program->prohibitions[i];
        struct prog_duty *remedies = NULL;

        if (rule->constraint != NULL && check_restriction(e->ps, rule->constraint, true) < 0)
            return err_ret(e->ps->err);
        *prohibition = rule_head(e->ps->policy, rule);
        if (any_atom(rule->constraint, is_restriction))
            prohibition->actions = restricted_actions(rule->constraint);
        if (emit_conditions(e, rule->conditions, &prohibition->code) < 0 ||
            emit_remedies(e, rule, &remedies) < 0)
            return err_ret(e->ps->err);
        prohibition->n_duties = (uint32_t)rule->duties.n_ordered;
        prohibition->duties = remedies;
    }
    program->n_prohibitions = (uint32_t)list->n_ordered;
    return 0;
}

static int emit_obligations(struct emit *e, const struct rule_list *list)
{
    struct program *program = e->program;

    program->gates = ARENA_ARRAY(e->ps->arena, struct prog_rule, list->n_ordered);
    if (program->gates == NULL || emit_duties(e, list, NULL, &program->obligations) < 0)
        return err_set(e->ps->err, E_NO_MEMORY, "", "policy");
    program->n_obligations = (uint32_t)list->n_ordered;
    for (size_t i = 0; i < list->n_ordered; i++) {
        struct prog_rule gate = rule_head(e->ps->policy, list->ordered[i]);

        gate.code = program->obligations[i].code;
        if (any_atom(list->ordered[i]->constraint, is_provision))
            program->gates[program->n_gates++] = gate;
    }
    return 0;
}

int policy__program(struct parse *ps)
{
    struct policy *policy = ps->policy;
    struct program *program = &policy->program;
    struct emit e = {.ps = ps, .program = program, .needs = &program->needs};
    size_t n = 0;

    for (int i = 0; i < LIST__COUNT; i++) {
        if (gather_list(ps, &policy->rules[i]) < 0)
            return err_ret(ps->err);
        n += count_list(&policy->rules[i]);
    }
    /* atomic rules of few compound ones may have many constraints in common */
    if (n > 4 * LIMIT_POLICY_NODES)
        return err_tell(ps->err, E_LIMIT, "", "the policy stands for more than %d constraints",
                        4 * LIMIT_POLICY_NODES);
    program->code = ARENA_ARRAY(ps->arena, struct insn, n);
    if (program->code == NULL)
        return err_set(ps->err, E_NO_MEMORY, "", "policy");
    if (emit_permissions(&e, &policy->rules[LIST_PERMISSION]) < 0 ||
        emit_prohibitions(&e, &policy->rules[LIST_PROHIBITION]) < 0)
        return err_ret(ps->err);
    e.needs = &program->obligation_needs;
    return emit_obligations(&e, &policy->rules[LIST_OBLIGATION]);
}
