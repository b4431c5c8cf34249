/*
 * Random policies in random worlds: the engine against a slow evaluator that follows the rules word by word
 * (help_policy_reference.c), and properties that hold for every policy. POLICY_SEED and POLICY_CASES choose the run.
 */
#include <check.h>
#include <inttypes.h>

#include "help_policy_tree.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"
#include "policy/compare.h"

#include "lib/base/banned.h"

/* -- checks ------------------------------------------------------------------------------------ */

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    int64_t value;

    return text != NULL && str_to_i64(str_c(text), &value) ? (unsigned long)value : otherwise;
}

struct one_case {
    struct arena *arena;
    struct policy_tree tree;
    struct place_and_time world;
    struct policy *policy;
    struct policy_decision decision;
};

static void case_done(struct one_case *c)
{
    policy_unref(&c->policy);
    arena_free(&c->arena);
}

static void make_case(struct one_case *c, unsigned long seed)
{
    help_seed(seed);
    c->arena = arena_new(MIB(4));
    help_tree_make(c->arena, &c->tree);
    help_tree_world(&c->world);
    c->policy = help_tree_compile(&c->tree, NULL, 0);
    help_tree_ask(c->arena, c->policy, &c->world, &c->decision);
}

/* The world as it is later: the same facts, older. */
static struct place_and_time later(const struct place_and_time *w, int64_t now_us)
{
    struct place_and_time moved = *w;

    moved.now_us = now_us;
    for (unsigned i = 0; i < OPERANDS; i++)
        moved.facts[i].age_us += now_us - w->now_us;
    return moved;
}

#define WORLDS 10
/* 4 × 3,000 × 10 = 120,000 decisions in all; a fifth of it under sanitizers */
#ifdef NARU_SLOW_CHECKS
#define CASES 600
#else
#define CASES 3000
#endif
#define SEED_ARG "POLICY_SEED=%lu"

/* For the message of a failure. */
static const char *told(const struct one_case *c)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    const struct place_and_time *w = &c->world;
    struct jw jw = jw_init(&text);

    policy_write(c->policy, POLICY_FORM_DSP, &jw);
    buf_printf(&text, " at %s, agreed %s, scope %d, action %s, target %s, assignee %s, flags %u",
               time_format(w->now_us).c,
               w->agreed_us != POLICY_NO_TIME ? time_format(w->agreed_us).c : "never",
               (int)w->scope, policy_action_iri(w->action), w->target != NULL ? w->target : "-",
               w->assignee != NULL ? w->assignee : "-", w->flags);
    return arena_cstr(c->arena, buf_str(&text));
}

/* It does not turn before its end, and there the question is answered anew. */
static void check_until(const struct one_case *c, unsigned long seed)
{
    int64_t from = c->world.now_us, until = c->decision.valid_until_us;
    int64_t span = until == POLICY_FOREVER ? 30 * US_PER_DAY : until - from;
    struct policy_decision decision;

    ck_assert_msg(until > from, SEED_ARG, seed);
    for (int i = 0; i < 6; i++) {
        int64_t t =
            i == 0 ? from + span - 1 : from + (int64_t)help_pick(1000000) * (span / 1000000);
        struct place_and_time then = later(&c->world, t);

        ck_assert_msg(help_tree_judge(&c->tree, &then) == c->decision.verdict,
                      SEED_ARG ": turns at %s, before %s: %s", seed, time_format(t).c,
                      time_format(until).c, told(c));
    }
    if (until != POLICY_FOREVER) {
        struct place_and_time then = later(&c->world, until);

        help_tree_ask(c->arena, c->policy, &then, &decision);
        ck_assert_msg(help_tree_judge(&c->tree, &then) == decision.verdict,
                      SEED_ARG ": wrong at its end", seed);
    }
}

static void check_denied(struct one_case *c, const struct policy *policy,
                         const struct place_and_time *w, unsigned long seed, const char *what)
{
    struct policy_decision decision;

    help_tree_ask(c->arena, policy, w, &decision);
    ck_assert_msg(decision.verdict == POLICY_DENY, SEED_ARG ": %s permits", seed, what);
}

/* Whoever knows less, or is told less, does not get more. */
static void check_less(struct one_case *c, unsigned long seed)
{
    struct place_and_time less = c->world;
    int n_duties = 0;

    for (int i = 0; i < c->tree.n_permissions; i++)
        n_duties += c->tree.permissions[i].n_duties;
    less.facts[help_pick(OPERANDS)].knowledge = POLICY_UNKNOWN;
    check_denied(c, c->policy, &less, seed, "a fact less");
    less.groups_known = false;
    check_denied(c, c->policy, &less, seed, "a group less");
    less.target = NULL;
    check_denied(c, c->policy, &less, seed, "a target less");
    if ((less.flags & POLICY_DUTY_EVENTUAL) == 0) { /* else a violation that is not known does */
        less.done_known = false;
        check_denied(c, c->policy, &less, seed, "a record less");
    }
    if (n_duties == 0) {
        less.assignee = NULL;
        check_denied(c, c->policy, &less, seed, "a party less");
    }
}

/* One constraint, one prohibition, one duty more does not permit. */
static void check_more(struct one_case *c, const struct policy *stricter, unsigned long seed)
{
    struct policy_tree more = c->tree;
    struct rule *rule = &more.permissions[0];

    check_denied(c, stricter, &c->world, seed, "a constraint more");
    if (more.n_prohibitions > 0 && more.n_prohibitions < 2) {
        AUTO(policy_unref) struct policy *policy = NULL;

        more.prohibitions[more.n_prohibitions] = more.prohibitions[0];
        more.prohibitions[more.n_prohibitions++].n_nodes = 0;
        policy = help_tree_compile(&more, NULL, 0);
        check_denied(c, policy, &c->world, seed, "a prohibition more");
    }
    if (more.n_permissions > 0 && rule->n_duties < 2) {
        AUTO(policy_unref) struct policy *policy = NULL;

        rule->duties[rule->n_duties++] =
            (struct duty){.action = POLICY_ACT_INFORM, .consequence = POLICY_ACT__COUNT};
        policy = help_tree_compile(&more, NULL, 0);
        check_denied(c, policy, &c->world, seed, "a duty more");
    }
}

/* The same decision by the same causes, which may stand elsewhere in the document. */
static void check_same(struct one_case *c, unsigned how, unsigned long seed)
{
    AUTO(policy_unref) struct policy *other = help_tree_compile(&c->tree, NULL, how);
    struct policy_decision decision;

    help_tree_ask(c->arena, other, &c->world, &decision);
    ck_assert_msg(memcmp(policy_hash(other), policy_hash(c->policy), POLICY_HASH_LEN) == 0,
                  SEED_ARG ": writing it another way changes the hash", seed);
    ck_assert_msg(policy_same_rules(other, c->policy), SEED_ARG, seed);
    ck_assert_msg(decision.verdict == c->decision.verdict &&
                      decision.valid_until_us == c->decision.valid_until_us &&
                      decision.n_duties == c->decision.n_duties &&
                      decision.n_causes == c->decision.n_causes,
                  SEED_ARG ": writing it another way changes the decision", seed);
    for (unsigned i = 0; i < decision.n_causes; i++)
        ck_assert_msg(decision.causes[i].why == c->decision.causes[i].why &&
                          decision.causes[i].operand == c->decision.causes[i].operand,
                      SEED_ARG ": other causes", seed);
}

static void check_metamorphic(struct one_case *c, unsigned long seed)
{
    struct policy_tree scratch = {0};
    struct node *extra = help_tree_atom(c->arena, &scratch, RULE_P);
    AUTO(policy_unref) struct policy *stricter = help_tree_compile(&c->tree, extra, 0);

    if (c->decision.verdict == POLICY_DENY) {
        check_less(c, seed);
        check_more(c, stricter, seed);
    }
    check_same(c, 1 + help_pick(7), seed);
}

static void check_decision(const struct one_case *c, unsigned long seed)
{
    ck_assert_msg(help_tree_judge(&c->tree, &c->world) == c->decision.verdict,
                  SEED_ARG ": engine says %d: %s", seed, (int)c->decision.verdict, told(c));
    ck_assert_msg((c->decision.verdict == POLICY_DENY) == (c->decision.n_causes > 0),
                  SEED_ARG ": %u causes: %s", seed, c->decision.n_causes, told(c));
    if (c->decision.verdict == POLICY_PERMIT && c->tree.n_permissions == 1)
        ck_assert_msg((int)c->decision.n_duties == help_tree_duties(&c->tree, &c->world),
                      SEED_ARG ": %u duties: %s", seed, c->decision.n_duties, told(c));
}

START_TEST(test_against_reference)
{
    unsigned long first = setting("POLICY_SEED", 1), n = setting("POLICY_CASES", CASES);
    unsigned long permits = 0;

    n = getenv("POLICY_SEED") != NULL && getenv("POLICY_CASES") == NULL ? 1 : n;
    for (unsigned long seed = first + (unsigned long)_i * n;
         seed < first + (unsigned long)(_i + 1) * n; seed++) {
        AUTO(case_done) struct one_case c;

        make_case(&c, seed);
        for (int world = 0; world < WORLDS; world++) {
            help_tree_world(&c.world);
            help_tree_ask(c.arena, c.policy, &c.world, &c.decision);
            check_decision(&c, seed);
            permits += c.decision.verdict == POLICY_PERMIT;
            check_until(&c, seed);
        }
        check_metamorphic(&c, seed);
    }
    /* a generator that only makes denials would prove little */
    ck_assert_msg(n < 1000 || permits > n * WORLDS / 20, "%lu permit", permits);
}

END_TEST

/* -- causes ------------------------------------------------------------------------------------ */

static bool same_atom(const struct node *a, const struct node *b)
{
    return a->operand == b->operand && strcmp(a->op, b->op) == 0;
}

/* A cause names an operand and an operator; so only trees in which these tell the atoms apart, and no duties. */
static bool atoms_differ(const struct policy_tree *tree)
{
    for (int i = 0; i < tree->n_permissions; i++) {
        if (tree->permissions[i].n_duties > 0)
            return false;
    }
    for (int i = 0; i < tree->n_atoms; i++) {
        for (int j = 0; j < i; j++) {
            if (same_atom(tree->atoms[i], tree->atoms[j]))
                return false;
        }
    }
    return true;
}

/* Least number of atoms that have to be forced one way or the other; -1 if nothing helps. */
static int least_changes(struct policy_tree *tree, const struct place_and_time *w, int atom)
{
    int best = -1;

    if (atom == tree->n_atoms)
        return help_tree_judge(tree, w) == POLICY_PERMIT ? 0 : -1;
    for (int forced = -1; forced <= T_TRUE; forced++) {
        int rest;

        if (forced == T_UNKNOWN)
            continue;
        tree->atoms[atom]->forced = forced;
        rest = least_changes(tree, w, atom + 1);
        if (rest >= 0 && (best < 0 || rest + (forced >= 0) < best))
            best = rest + (forced >= 0);
    }
    tree->atoms[atom]->forced = -1;
    return best;
}

/* Forces what each cause names the way it asks for. False if a cause is not about an atom. */
static bool force_causes(struct policy_tree *tree, const struct policy_decision *decision)
{
    for (unsigned i = 0; i < decision->n_causes; i++) {
        const struct policy_cause *cause = &decision->causes[i];
        bool unmake = cause->why == POLICY_WHY_EXCLUSIVE || cause->why == POLICY_WHY_PROHIBITED ||
                      cause->why == POLICY_WHY_CONFLICT;

        if (cause->operand == POLICY_OP__COUNT)
            return false;
        for (int a = 0; a < tree->n_atoms; a++) {
            struct node *atom = tree->atoms[a];

            if (help_operands[atom->operand].id == cause->operand &&
                strcmp(atom->op, policy_operator_name(cause->op)) == 0)
                atom->forced = unmake ? T_FALSE : T_TRUE;
        }
    }
    return true;
}

START_TEST(test_causes)
{
    unsigned long seed = setting("POLICY_SEED", 1);
    unsigned checked = 0;

    for (; checked < 1500; seed++) {
        AUTO(case_done) struct one_case c;
        int least;

        make_case(&c, seed);
        if (c.decision.verdict == POLICY_PERMIT || c.tree.n_atoms > 7 || !atoms_differ(&c.tree))
            continue;
        least = least_changes(&c.tree, &c.world, 0);
        if (least < 0 || !force_causes(&c.tree, &c.decision))
            continue;
        ck_assert_msg(help_tree_judge(&c.tree, &c.world) == POLICY_PERMIT,
                      SEED_ARG ": causes do not suffice", seed);
        ck_assert_msg((int)c.decision.n_causes == least, SEED_ARG ": %u causes, %d would do", seed,
                      c.decision.n_causes, least);
        checked++;
    }
}

END_TEST

/* -- comparisons ------------------------------------------------------------------------------- */

/* The worlds of which compare.h speaks: nothing was done yet, and agreements are behind accesses. */
static void to_compare(struct place_and_time *w)
{
    if (w->scope == POLICY_AT_CATALOGUE || w->scope == POLICY_AT_NEGOTIATION)
        w->agreed_us = POLICY_NO_TIME;
    w->flags = POLICY_DUTY_EVENTUAL;
    w->done_known = true;
    w->n_done = 0;
}

/* A witness is real, and no world that is tried at random contradicts a "yes". */
static void check_comparison(struct arena *arena, const struct policy *a, const struct policy *b,
                             unsigned long seed)
{
    const struct policy *const policies[2] = {a, b};
    struct policy_comparison c;
    struct policy_decision decision;
    struct err err = {0};

    ck_assert_int_eq(policy_compare(a, b, DAY_ZERO, arena, &c, &err), 0);
    for (int i = 0; i < 2; i++) {
        /* whether a term is accepted is none of policy_decide's questions */
        if (c.only[i] == NULL || c.only[i]->refused_term != POLICY_OP__COUNT)
            continue;
        for (int k = 0; k < 2; k++) {
            policy_decide(policies[k], &c.only[i]->question, &c.only[i]->facts, &decision);
            ck_assert_msg((decision.verdict == POLICY_PERMIT) == (k == i),
                          SEED_ARG ": witness %d is none", seed, i);
        }
    }
    for (int world = 0; world < 5 * WORLDS; world++) {
        struct place_and_time w;
        enum policy_verdict verdicts[2];

        help_tree_world(&w);
        to_compare(&w);
        for (int k = 0; k < 2; k++) {
            help_tree_ask(arena, policies[k], &w, &decision);
            verdicts[k] = decision.verdict;
        }
        for (int k = 0; k < 2; k++)
            ck_assert_msg(verdicts[k] != POLICY_PERMIT || verdicts[1 - k] == POLICY_PERMIT ||
                              c.only[k] != NULL || !c.complete,
                          SEED_ARG ": a world that only %d permits was overlooked", seed, k);
        ck_assert_msg(verdicts[0] != POLICY_PERMIT || verdicts[1] != POLICY_PERMIT ||
                          c.relation != POLICY_DISJOINT,
                      SEED_ARG ": not disjoint", seed);
    }
}

/* Another policy near this one: a constraint less somewhere, another value, another party. */
static void change(struct policy_tree *tree)
{
    static const struct named parties[] = {
        {NULL,          false},
        {"c1",          false},
        {"c2",          false},
        {"urn:group:c", true }
    };
    struct rule *rule = &tree->permissions[0];
    struct node *atom = tree->n_atoms > 0 ? tree->atoms[help_pick((unsigned)tree->n_atoms)] : NULL;

    if (help_pick(3) == 0)
        rule->assignee = parties[help_pick(4)];
    else if (help_pick(2) == 0 && rule->n_nodes > 0)
        rule->n_nodes--;
    else if (atom != NULL)
        atom->values[0] = (int)help_pick(4);
}

START_TEST(test_comparisons)
{
    unsigned long first = setting("POLICY_SEED", 1), n = setting("POLICY_CASES", CASES / 40);
    unsigned long complete = 0, same = 0;

    for (unsigned long seed = first; seed < first + n; seed++) {
        AUTO(case_done) struct one_case c;
        AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
        AUTO(policy_unref) struct policy *stricter = NULL;
        AUTO(policy_unref) struct policy *near_by = NULL;
        struct policy_tree scratch = {0};
        struct policy_comparison found;
        struct err err = {0};

        make_case(&c, seed);
        stricter = help_tree_compile(&c.tree, help_tree_atom(c.arena, &scratch, RULE_P), 0);
        ck_assert_int_eq(policy_compare(stricter, c.policy, DAY_ZERO, arena, &found, &err), 0);
        ck_assert_msg(found.only[0] == NULL, SEED_ARG ": one constraint more is wider", seed);
        complete += found.complete;
        same += found.relation == POLICY_SAME;
        change(&c.tree);
        near_by = help_tree_compile(&c.tree, NULL, 0);
        check_comparison(arena, c.policy, near_by, seed);
        check_comparison(arena, stricter, near_by, seed);
    }
    ck_assert_msg(n < 100 || complete > n * 9 / 10, "%lu of %lu complete", complete, n);
    ck_assert_msg(n < 100 || same < n / 2, "%lu of %lu the same", same, n);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_random");
    TCase *reference = tcase_create("reference"), *questions = tcase_create("questions");

    tcase_set_timeout(reference, 3600);
    tcase_add_loop_test(reference, test_against_reference, 0, 4);
    suite_add_tcase(s, reference);
    tcase_set_timeout(questions, 3600);
    tcase_add_test(questions, test_causes);
    tcase_add_test(questions, test_comparisons);
    suite_add_tcase(s, questions);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
