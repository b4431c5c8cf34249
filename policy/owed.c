/*
 * policy/owed.c - duties that come with an agreement (owed.h)
 */
#include "policy/owed.h"

#include "lib/base/arena.h"
#include "lib/crypto/hash.h"
#include "policy/decide_private.h"

#include "lib/base/banned.h"

#define DELETION "cx.data.deletion:1"
#define KEEPING  "cx.data.keeping:1"

struct listing {
    const struct eval *e;
    const struct policy_deal *deal;
    struct policy_owed *items; /* room for all */
    size_t n;
    int64_t violated_us; /* POLICY_NO_TIME: nothing was */
};

static const struct policy_facts nothing_known;

/* Equal meaning, equal key: what says the same as one of the first n is owed once. */
static void add(struct listing *l, const struct policy_owed *owed, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(l->items[i].key, owed->key, sizeof(owed->key)) == 0)
            return;
    }
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

/* Other than the first n that are listed. */
static void add_duty(struct listing *l, const struct prog_duty *duty, size_t n)
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
    owed.consequence = l->violated_us != POLICY_NO_TIME;
    if (owed.consequence && owed.from_us < l->violated_us)
        owed.from_us = l->violated_us;
    owed.at_end = rule->action == POLICY_ACT_DELETE && hi == INT64_MAX && !owed.consequence;
    memcpy(owed.key, duty->key, sizeof(owed.key));
    add(l, &owed, n);
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

/* The first of those that grant use; NULL: none does. */
static const struct prog_rule *first_permission(const struct program *program)
{
    for (uint32_t i = 0; i < program->n_permissions; i++) {
        if (grants_use(&program->permissions[i]))
            return &program->permissions[i];
    }
    return NULL;
}

static bool all_have(const struct program *program, struct str canon)
{
    for (uint32_t i = 0; i < program->n_permissions; i++) {
        if (grants_use(&program->permissions[i]) && !has_duty(&program->permissions[i], canon))
            return false;
    }
    return true;
}

/* What all of them have, the first one has. A list of the program has nothing twice. */
static void add_duties_of_use(struct listing *l)
{
    const struct program *program = l->e->program;
    const struct prog_rule *permission = first_permission(program);
    const size_t n = l->n;

    for (uint32_t d = 0; permission != NULL && d < permission->n_duties; d++) {
        if (all_have(program, permission->duties[d].rule->canon))
            add_duty(l, &permission->duties[d], n);
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
    add(l, &owed, l->n);
}

/* -- lists ------------------------------------------------------------------------------------- */

static struct policy_question question_of(const struct policy_deal *deal)
{
    return (struct policy_question){
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_TRANSFER,
        .now_us = deal->agreement_us,
        .agreement_us = deal->agreement_us,
        .target = deal->target,
        .assignee = deal->consumer,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };
}

int policy_owed(const struct policy *policy, const struct policy_deal *deal, struct arena *arena,
                struct policy_owed_list *ret_list, struct err *err)
{
    const struct program *program = &policy->program;
    const struct prog_rule *permission = first_permission(program);
    const struct policy_question question = question_of(deal);
    const struct eval e = policy__eval_of(policy, &question, &nothing_known, NULL);
    struct listing l = {.e = &e, .deal = deal, .violated_us = POLICY_NO_TIME};

    l.items = ARENA_ARRAY(arena, struct policy_owed,
                          program->n_obligations + (permission != NULL ? permission->n_duties : 0) +
                              1); /* the end of use */
    if (l.items == NULL)
        return err_set(err, E_NO_MEMORY, "", "duties");
    for (uint32_t i = 0; i < program->n_obligations; i++)
        add_duty(&l, &program->obligations[i], 0);
    add_duties_of_use(&l);
    add_deletion(&l);
    *ret_list = (struct policy_owed_list){l.items, l.n};
    return 0;
}

/* NULL: there is none with this key. */
static const struct prog_duty *find_duty(const struct prog_duty *duties, uint32_t n,
                                         const uint8_t key[static POLICY_HASH_LEN])
{
    for (uint32_t i = 0; i < n; i++) {
        if (memcmp(duties[i].key, key, sizeof(duties[i].key)) == 0)
            return &duties[i];
    }
    return NULL;
}

int policy_owed_after(const struct policy *policy, const struct policy_deal *deal,
                      const uint8_t key[static POLICY_HASH_LEN], int64_t violated_us,
                      struct arena *arena, struct policy_owed_list *ret_list, struct err *err)
{
    const struct program *program = &policy->program;
    const struct prog_rule *permission = first_permission(program);
    const struct prog_duty *duty = find_duty(program->obligations, program->n_obligations, key);
    const struct policy_question question = question_of(deal);
    const struct eval e = policy__eval_of(policy, &question, &nothing_known, NULL);
    struct listing l = {.e = &e, .deal = deal, .violated_us = violated_us};

    *ret_list = (struct policy_owed_list){0};
    if (duty == NULL && permission != NULL)
        duty = find_duty(permission->duties, permission->n_duties, key);
    if (duty == NULL)
        return 0;
    l.items = ARENA_ARRAY(arena, struct policy_owed, duty->n_duties);
    if (l.items == NULL)
        return err_set(err, E_NO_MEMORY, "", "duties");
    for (uint32_t i = 0; i < duty->n_duties; i++)
        add_duty(&l, &duty->duties[i], 0);
    *ret_list = (struct policy_owed_list){l.items, l.n};
    return 0;
}
