/*
 * policy/owed.c - duties that come with an agreement (owed.h)
 */
#include "policy/owed.h"

#include "lib/crypto/hash.h"
#include "policy/decide_private.h"

#include "lib/base/banned.h"

#define DELETION "cx.data.deletion:1"
#define KEEPING  "cx.data.keeping:1"

struct listing {
    const struct eval *e;
    const struct policy_deal *deal;
    struct policy_owed *items;
    size_t n;
    bool more;
};

static const struct policy_facts nothing_known;

/* Equal meaning, equal key: what says the same is owed once. */
static void add(struct listing *l, const struct policy_owed *owed)
{
    for (size_t i = 0; i < l->n; i++) {
        if (memcmp(l->items[i].key, owed->key, sizeof(owed->key)) == 0)
            return;
    }
    if (l->n == POLICY_OWED_MAX)
        l->more = true;
    else
        l->items[l->n++] = *owed;
}

static bool is_gate(const struct program *program, const struct rule *rule)
{
    for (uint32_t i = 0; i < program->n_gates; i++) {
        if (program->gates[i].rule == rule)
            return true;
    }
    return false;
}

static void add_duty(struct listing *l, const struct prog_duty *duty)
{
    const struct rule *rule = duty->rule;
    int64_t lo = INT64_MIN, hi = INT64_MAX;
    struct policy_owed owed = {.action = rule->action, .at = rule->at};

    if (policy__duty_window(l->e, duty->code, &lo, &hi).truth == TRUTH_FALSE)
        return;
    owed.provide = is_gate(l->e->program, rule);
    owed.of_provider = owed.provide || (str_present(rule->assignee.id) &&
                                        str_eq(rule->assignee.id, l->deal->provider));
    owed.from_us = lo == INT64_MIN ? POLICY_NO_TIME : lo;
    owed.due_us = hi;
    owed.at_end = rule->action == POLICY_ACT_DELETE && hi == INT64_MAX;
    sha256(rule->canon.p, rule->canon.n, owed.key);
    add(l, &owed);
}

/* -- permissions to use ------------------------------------------------------------------------ */

static bool grants_use(const struct prog_rule *permission)
{
    return (permission->actions >> POLICY_ACT_USE & 1) != 0;
}

static bool has_duty(const struct prog_rule *permission, struct str canon)
{
    for (uint32_t i = 0; i < permission->n_duties; i++) {
        if (str_eq(permission->duties[i].rule->canon, canon))
            return true;
    }
    return false;
}

static bool all_have(const struct program *program, struct str canon)
{
    for (uint32_t i = 0; i < program->n_permissions; i++) {
        if (grants_use(&program->permissions[i]) && !has_duty(&program->permissions[i], canon))
            return false;
    }
    return true;
}

static void add_duties_of_use(struct listing *l)
{
    const struct program *program = l->e->program;

    for (uint32_t i = 0; i < program->n_permissions; i++) {
        const struct prog_rule *permission = &program->permissions[i];

        for (uint32_t d = 0; grants_use(permission) && d < permission->n_duties; d++) {
            if (all_have(program, permission->duties[d].rule->canon))
                add_duty(l, &permission->duties[d]);
        }
    }
}

/* -- the end of use (Catena-X) ----------------------------------------------------------------- */

struct end_terms {
    const struct node *deletion, *usage_end; /* NULL: there is none */
    bool keeping;
};

static bool names(const struct node *node, const char *value)
{
    for (size_t i = 0; i < node->n_sorted; i++) {
        if (str_eq_c(node->sorted[i].text, value))
            return true;
    }
    return false;
}

static void find_terms(const struct node *node, struct end_terms *terms)
{
    for (size_t i = 0; node != NULL && i < node->n_children; i++)
        find_terms(node->children[i], terms);
    if (node == NULL || node->kind != NODE_ATOM)
        return;
    if (node->operand == POLICY_OP_USAGE_END_DATE || node->operand == POLICY_OP_USAGE_END_DAYS)
        terms->usage_end = node;
    if (node->operand != POLICY_OP_CONTRACT_TERMINATION)
        return;
    if (names(node, DELETION))
        terms->deletion = node;
    terms->keeping = terms->keeping || names(node, KEEPING);
}

/* Use ends with the last permission to use. */
static void add_deletion(struct listing *l)
{
    const struct program *program = l->e->program;
    struct end_terms terms = {0};
    int64_t end = INT64_MIN;

    for (uint32_t i = 0; i < program->n_permissions; i++) {
        int64_t lo = INT64_MIN, hi = INT64_MAX;

        if (!grants_use(&program->permissions[i]))
            continue;
        find_terms(program->permissions[i].rule->constraint, &terms);
        IGNORE(policy__duty_window(l->e, program->permissions[i].code, &lo, &hi).truth,
               "other constraints do not move the end");
        end = later(end, hi);
    }
    if (terms.deletion == NULL && (terms.usage_end == NULL || terms.keeping))
        return;

    struct policy_owed owed = {
        .action = POLICY_ACT_DELETE,
        .at_end = true,
        .from_us = POLICY_NO_TIME,
        .due_us = end,
        .at = terms.deletion != NULL ? terms.deletion->at : terms.usage_end->at,
    };

    sha256(DELETION, strlen(DELETION), owed.key);
    add(l, &owed);
}

size_t policy_owed(const struct policy *policy, const struct policy_deal *deal,
                   struct policy_owed items[static POLICY_OWED_MAX], bool *ret_more)
{
    const struct policy_question question = {
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_TRANSFER,
        .now_us = deal->agreement_us,
        .agreement_us = deal->agreement_us,
        .target = deal->target,
        .assignee = deal->consumer,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };
    const struct eval e = policy__eval_of(policy, &question, &nothing_known, NULL);
    struct listing l = {.e = &e, .deal = deal, .items = items};

    for (uint32_t i = 0; i < policy->program.n_obligations; i++)
        add_duty(&l, &policy->program.obligations[i]);
    add_duties_of_use(&l);
    add_deletion(&l);
    *ret_more = l.more;
    return l.n;
}
