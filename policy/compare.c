/*
 * policy/compare.c - which of two policies is stricter: one world of every kind is looked at
 *
 * 1. A dimension of the space of worlds is an operand, the instants (now, and the agreement's), the
 *    action, the parties, the data set, the scope, and the terms of contract. Its candidates are
 *    the values at which some constraint of either policy changes, and a value that none of them
 *    names. Candidates that all constraints judge alike are one.
 * 2. A set-valued operand has a candidate for each set of the values named, values that stand in
 *    the same constraints being one.
 * 3. Candidates with which every permission of both fails, whatever else is so, are left out
 *    (prune.c).
 * 4. Both policies are decided in every world of the product. Where they disagree, the world is a
 *    witness.
 * The product is bounded: what is beyond it makes the answer incomplete, never wrong.
 */
#include "policy/compare.h"

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "policy/compare_private.h"

#include "lib/base/banned.h"

#define CODE_OF_ORDINARY_SIZE 64 /* instructions; larger policies get fewer worlds */

static const char *const slugs[POLICY_RELATION__COUNT] = {
    [POLICY_SAME] = "same",         [POLICY_STRICTER] = "stricter",
    [POLICY_WIDER] = "wider",       [POLICY_INCOMPARABLE] = "incomparable",
    [POLICY_DISJOINT] = "disjoint", [POLICY_RELATION_UNDECIDED] = "undecided",
};

const char *policy_relation_slug(enum policy_relation relation)
{
    return slugs[relation];
}

/* -- one world --------------------------------------------------------------------------------- */

/* Indices of the candidates; the operands' follow. */
enum { DIM_SCOPE, DIM_INSTANT, DIM_ACTION, DIM_TARGET, DIM_ASSIGNEE, DIM_TERMS, DIM__COUNT };

#define DIMS (DIM__COUNT + POLICY_OP__COUNT)

static const enum policy_scope scopes[] = {POLICY_AT_ACCESS, POLICY_AT_NEGOTIATION};

static size_t dim_size(const struct space *s, size_t dim)
{
    const size_t sizes[] = {
        [DIM_SCOPE] = ARRAY_LEN(scopes), [DIM_INSTANT] = s->n_instants,
        [DIM_ACTION] = s->n_actions,     [DIM_TARGET] = s->targets.n,
        [DIM_ASSIGNEE] = s->assignees.n, [DIM_TERMS] = s->terms.n_refused,
    };

    return dim < DIM__COUNT ? sizes[dim] : s->operands[dim - DIM__COUNT].n;
}

static void set_party(const struct party *party, struct str *id, const struct str **in,
                      size_t *n_in)
{
    *id = party->id;
    *in = &party->group;
    *n_in = str_present(party->group) ? 1 : 0;
}

static void make_world(const struct space *s, const size_t at[], struct policy_world *world,
                       struct terms *terms)
{
    struct policy_question *q = &world->question;
    const struct instant *instant = &s->instants[at[DIM_INSTANT]];

    *q = (struct policy_question){
        .action = s->actions[at[DIM_ACTION]],
        .scope = scopes[at[DIM_SCOPE]],
        .now_us = instant->now_us,
        .agreement_us =
            scopes[at[DIM_SCOPE]] == POLICY_AT_ACCESS ? instant->agreement_us : POLICY_NO_TIME,
        .collections_known = true,
        .flags = POLICY_DUTY_EVENTUAL,
    };
    set_party(&s->targets.items[at[DIM_TARGET]], &q->target, &q->target_in, &q->n_target_in);
    set_party(&s->assignees.items[at[DIM_ASSIGNEE]], &q->assignee, &q->assignee_in,
              &q->n_assignee_in);
    for (size_t i = 0; i < s->n_operands; i++)
        world->facts.of[s->operands[i].operand] = s->operands[i].facts[at[DIM__COUNT + i]];
    world->facts.performed_known = true;
    *terms = (struct terms){s->terms.canon, s->terms.n, s->terms.refused[at[DIM_TERMS]]};
}

/* The next world; false after the last. */
static bool advance(const struct space *s, size_t at[])
{
    for (size_t dim = 0; dim < DIM__COUNT + s->n_operands; dim++) {
        if (++at[dim] < dim_size(s, dim))
            return true;
        at[dim] = 0;
    }
    return false;
}

/* -- two policies in it ------------------------------------------------------------------------ */

struct search {
    struct space space;
    struct policy_world world; /* the one that is looked at */
    struct terms terms;
    struct policy_comparison found;
    bool both; /* some world is permitted by both */
    struct err *err;
};

static const struct policy_world *keep_world(struct search *s)
{
    struct policy_world *kept = ARENA_NEW(s->space.arena, struct policy_world);

    if (kept == NULL)
        return NULL;
    *kept = s->world;
    kept->refused_term = POLICY_OP__COUNT;
    if (s->terms.refused != s->terms.n) { /* if none is accepted, the first stands for all */
        const size_t first = s->terms.refused < s->terms.n ? s->terms.refused : 0;
        const struct node *node = s->space.terms.nodes[first];

        kept->refused_term = node->operand;
        kept->refused_value = node->required;
    }
    return kept;
}

static const struct rule *find_at(const struct rule_list *list, struct str at)
{
    const struct rule *found = NULL;

    for (size_t i = 0; i < list->n_ordered && found == NULL; i++) {
        if (list->ordered[i]->at.p == at.p)
            return list->ordered[i];
        found = find_at(&list->ordered[i]->duties, at);
    }
    return found;
}

static const struct rule *rule_at(const struct policy *policy, struct str at)
{
    const struct rule *found = NULL;

    for (int i = 0; i < LIST__COUNT && found == NULL; i++)
        found = find_at(&policy->rules[i], at);
    CHECK(found != NULL);
    return found;
}

/* What policy `demands` asks for here that policy `other` does not ask for. */
static void find_missing_duty(struct search *s, int demands, const struct policy_decision of[2])
{
    const int other = 1 - demands;

    for (unsigned i = 0; i < of[demands].n_duties; i++) {
        const struct policy_duty *duty = &of[demands].duties[i];
        const struct rule *rule = rule_at(s->space.policies[demands], duty->at);
        bool there = false;

        for (unsigned k = 0; k < of[other].n_duties && !there; k++)
            there = str_eq(rule_at(s->space.policies[other], of[other].duties[k].at)->canon,
                           rule->canon);
        if (!there) {
            s->found.duty_missing[demands] = duty->at;
            s->found.duty_action[demands] = duty->action;
            return;
        }
    }
}

static void compare_duties(struct search *s)
{
    struct policy_decision of[2];

    if (str_present(s->found.duty_missing[0]) && str_present(s->found.duty_missing[1]))
        return;
    for (int i = 0; i < 2; i++)
        policy__decide(s->space.policies[i], &s->world.question, &s->world.facts, &s->terms,
                       &of[i]);
    for (int i = 0; i < 2; i++) {
        if (of[0].more || of[1].more)
            s->space.complete = false;
        else if (!str_present(s->found.duty_missing[i]))
            find_missing_duty(s, i, of);
    }
}

static int look(struct search *s)
{
    bool permits[2];

    for (int i = 0; i < 2; i++)
        permits[i] =
            policy__permits(s->space.policies[i], &s->world.question, &s->world.facts, &s->terms);
    for (int i = 0; i < 2; i++) {
        if (!permits[i] || permits[1 - i] || s->found.only[i] != NULL)
            continue;
        s->found.only[i] = keep_world(s);
        if (s->found.only[i] == NULL)
            return err_set(s->err, E_NO_MEMORY, "", "comparison");
    }
    s->both = s->both || (permits[0] && permits[1]);
    if (permits[0] && permits[1] && s->space.duties)
        compare_duties(s);
    return 0;
}

static bool settled(const struct search *s)
{
    return s->found.only[0] != NULL && s->found.only[1] != NULL && s->both;
}

static uint32_t budget(const struct space *s)
{
    const uint32_t size = s->policies[0]->program.n_code + s->policies[1]->program.n_code;

    return POLICY_WORLDS / (1 + size / CODE_OF_ORDINARY_SIZE);
}

static int search(struct search *s)
{
    size_t at[DIMS] = {0};
    uint32_t left = budget(&s->space);

    do {
        if (left-- == 0) {
            s->space.complete = false;
            return 0;
        }
        make_world(&s->space, at, &s->world, &s->terms);
        if (look(s) < 0)
            return err_ret(s->err);
    } while (!settled(s) && advance(&s->space, at));
    return 0;
}

static enum policy_relation relation(const struct search *s)
{
    const struct policy_comparison *f = &s->found;
    bool more[2];

    for (int i = 0; i < 2; i++) /* a duty of the other's that it does not demand is more, too */
        more[i] = f->only[i] != NULL || str_present(f->duty_missing[1 - i]);
    if (more[0] && more[1])
        return f->complete && !s->both ? POLICY_DISJOINT : POLICY_INCOMPARABLE;
    if (!f->complete)
        return POLICY_RELATION_UNDECIDED;
    if (more[0])
        return POLICY_WIDER;
    return more[1] ? POLICY_STRICTER : POLICY_SAME;
}

static int compare(const struct policy *a, const struct policy *b, int64_t now_us,
                   struct arena *arena, struct search *s, struct err *err)
{
    *s = (struct search){.err = err};
    if (policy__space(a, b, now_us, arena, &s->space, err) < 0 || search(s) < 0)
        return err_ret(err);
    s->found.complete = s->space.complete;
    s->found.relation = relation(s);
    return 0;
}

int policy_compare(const struct policy *a, const struct policy *b, int64_t now_us,
                   struct arena *arena, struct policy_comparison *ret_comparison, struct err *err)
{
    struct search *s = ARENA_NEW(arena, struct search);

    if (s == NULL)
        return err_set(err, E_NO_MEMORY, "", "comparison");
    if (compare(a, b, now_us, arena, s, err) < 0)
        return err_ret(err);
    *ret_comparison = s->found;
    return 0;
}

enum policy_answer policy_at_least_as_strict(const struct policy_comparison *comparison, int which)
{
    if (comparison->only[which] != NULL || str_present(comparison->duty_missing[1 - which]))
        return POLICY_NO;
    return comparison->complete ? POLICY_YES : POLICY_UNDECIDED;
}

/* -- one policy alone -------------------------------------------------------------------------- */

int policy_satisfiable(const struct policy *policy, enum policy_action action, int64_t now_us,
                       struct arena *arena, enum policy_answer *ret_answer,
                       const struct policy_world **ret_world, struct err *err)
{
    struct search *s = ARENA_NEW(arena, struct search);
    size_t at[DIMS] = {0};
    uint32_t left;

    *ret_world = NULL;
    if (s == NULL)
        return err_set(err, E_NO_MEMORY, "", "satisfiability");
    s->err = err;
    if (policy__space(policy, policy, now_us, arena, &s->space, err) < 0)
        return err_ret(err);
    s->space.n_actions = 1;
    s->space.actions[0] = action;
    left = budget(&s->space);
    do {
        if (left-- == 0) {
            *ret_answer = POLICY_UNDECIDED;
            return 0;
        }
        make_world(&s->space, at, &s->world, &s->terms);
        if (policy__permits(policy, &s->world.question, &s->world.facts, &s->terms)) {
            *ret_world = keep_world(s);
            *ret_answer = POLICY_YES;
            return *ret_world != NULL ? 0 : err_set(err, E_NO_MEMORY, "", "satisfiability");
        }
    } while (advance(&s->space, at));
    *ret_answer = s->space.complete ? POLICY_NO : POLICY_UNDECIDED;
    return 0;
}
