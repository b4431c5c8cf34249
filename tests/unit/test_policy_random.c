/*
 * Random policies in random worlds: the engine against a slow evaluator that follows the rules word by word, and properties
 * that hold for every policy. POLICY_SEED and POLICY_CASES choose the run.
 *
 * The evaluator here knows nothing of programs, windows or normal forms: it walks a tree that the generator made, one
 * question at a time. Both see the same policy because the generator also writes it in the notation of help_policy.h.
 */
#include <check.h>
#include <inttypes.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/compare.h"

#include "lib/base/banned.h"

enum { T_FALSE, T_UNKNOWN, T_TRUE };

enum kind { ATOM, AND, OR, XONE };

/* -- what is generated ------------------------------------------------------------------------- */

/* clang-format off */
static const struct operand {
    enum policy_operand id;
    const char *name;
    enum { TEXT, PLACE, NUMBER, DAY, ELAPSED } type;
    bool many, claims;
    int64_t max_age_us;
    const char *ops[8];
} operands[] = {
    {POLICY_OP_PURPOSE,                 "odrl:purpose",          TEXT,    true,  true,  0,          {"eq", "neq", "isAnyOf", "isNoneOf", "isA"}},
    {POLICY_OP_BUSINESS_PARTNER_GROUP,  "BusinessPartnerGroup",  TEXT,    true,  false, 0,          {"eq", "neq", "isAnyOf", "isNoneOf", "isAllOf"}},
    {POLICY_OP_BUSINESS_PARTNER_NUMBER, "BusinessPartnerNumber", TEXT,    false, false, US_PER_DAY, {"eq", "neq", "isAnyOf", "isNoneOf"}},
    {POLICY_OP_SPATIAL,                 "odrl:spatial",          PLACE,   false, false, 0,          {"eq", "neq", "isAnyOf", "isNoneOf", "isPartOf"}},
    {POLICY_OP_COUNT,                   "odrl:count",            NUMBER,  false, false, US_PER_MIN, {"eq", "neq", "lt", "lteq", "gt", "gteq"}},
    {POLICY_OP_DATE_TIME,               "odrl:dateTime",         DAY,     false, false, 0,          {"eq", "neq", "lt", "lteq", "gt", "gteq"}},
    {POLICY_OP_ELAPSED_TIME,            "odrl:elapsedTime",      ELAPSED, false, false, 0,          {"lt", "lteq", "gt", "gteq"}},
};
#define OPERANDS ((unsigned)ARRAY_LEN(operands))

static const char *const texts[] = {"a", "b", "c", "d"};
static const char *const places[] = {"KR", "KR-11", "JP", "nowhere", "cx.region.asia:1"};
/* which lies in which: row in column */
static const int within[5][5] = {
    {T_TRUE,    T_UNKNOWN, T_FALSE,   T_UNKNOWN, T_TRUE},
    {T_TRUE,    T_TRUE,    T_FALSE,   T_UNKNOWN, T_TRUE},
    {T_FALSE,   T_FALSE,   T_TRUE,    T_UNKNOWN, T_TRUE},
    {T_UNKNOWN, T_UNKNOWN, T_UNKNOWN, T_TRUE,    T_UNKNOWN},
    {T_UNKNOWN, T_UNKNOWN, T_UNKNOWN, T_UNKNOWN, T_TRUE},
};

/* clang-format on */

struct node {
    enum kind kind;
    unsigned operand;
    const char *op;
    int values[3], n_values; /* index into texts or places; number; days */
    struct node *children[3];
    int n_children;
    int forced; /* -1, or the truth that it is made to have */
};

struct rule {
    enum policy_action action;
    struct node *nodes[3];
    int n_nodes;
    const char *target;
};

struct policy_tree {
    struct rule permissions[2], prohibitions[2];
    int n_permissions, n_prohibitions;
    int conflict; /* 0 invalid, 1 perm, 2 prohibit */
    struct node *atoms[24];
    int n_atoms;
};

struct fact {
    enum policy_knowledge knowledge;
    bool claimed;
    int64_t age_us;
    int values[3], n_values;
};

struct place_and_time {
    struct fact facts[OPERANDS];
    int64_t now_us, agreed_us;
    enum policy_action action;
    const char *target;
    bool hypothetical;
};

#define DAY_ZERO INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */

static uint64_t state;

static unsigned pick(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 11) % n);
}

static const enum policy_action actions[] = {POLICY_ACT_USE, POLICY_ACT_READ,
                                             POLICY_ACT_DISTRIBUTE};

static const char *const action_names[] = {"use", "read", "distribute"};

static struct node *make_atom(struct arena *arena, struct policy_tree *tree)
{
    struct node *node = ARENA_NEW(arena, struct node);
    unsigned n_ops = 0;

    node->forced = -1;
    node->operand = pick(OPERANDS);
    while (n_ops < 8 && operands[node->operand].ops[n_ops] != NULL)
        n_ops++;
    node->op = operands[node->operand].ops[pick(n_ops)];
    node->n_values = strcmp(node->op, "isAnyOf") == 0 || strcmp(node->op, "isNoneOf") == 0 ||
                             strcmp(node->op, "isAllOf") == 0
                         ? 1 + (int)pick(3)
                         : 1;
    for (int i = 0; i < node->n_values; i++)
        node->values[i] = (int)pick(operands[node->operand].type == PLACE ? 5 : 4);
    tree->atoms[tree->n_atoms++] = node;
    return node;
}

static struct node *make_node(struct arena *arena, struct policy_tree *tree, int depth)
{
    struct node *node;

    if (depth == 0 || pick(3) != 0 || tree->n_atoms > 12)
        return make_atom(arena, tree);
    node = ARENA_NEW(arena, struct node);
    node->forced = -1;
    node->kind = (enum kind)(AND + pick(3));
    node->n_children = 1 + (int)pick(3);
    for (int i = 0; i < node->n_children; i++)
        node->children[i] = make_node(arena, tree, depth - 1);
    return node;
}

static void make_rule(struct arena *arena, struct policy_tree *tree, struct rule *rule, bool free)
{
    rule->action = actions[pick(4) == 0 ? 1 + pick(2) : 0];
    rule->n_nodes = (int)pick(free ? 4 : 3);
    for (int i = 0; i < rule->n_nodes && tree->n_atoms < 20; i++)
        rule->nodes[i] = make_node(arena, tree, 3);
    rule->n_nodes = rule->n_nodes > 0 && rule->nodes[rule->n_nodes - 1] == NULL ? 0 : rule->n_nodes;
    rule->target = pick(8) == 0 ? "t1" : NULL;
}

static void make_policy(struct arena *arena, struct policy_tree *tree)
{
    memset(tree, 0, sizeof(*tree));
    tree->n_permissions = pick(8) == 0 ? 0 : 1 + (int)pick(2);
    tree->n_prohibitions = pick(2) == 0 ? 0 : 1 + (int)pick(2);
    tree->conflict = (int)pick(3);
    for (int i = 0; i < tree->n_permissions; i++)
        make_rule(arena, tree, &tree->permissions[i], true);
    for (int i = 0; i < tree->n_prohibitions; i++)
        make_rule(arena, tree, &tree->prohibitions[i], false);
}

static void make_world(struct place_and_time *w)
{
    memset(w, 0, sizeof(*w));
    for (unsigned i = 0; i < OPERANDS; i++) {
        struct fact *fact = &w->facts[i];

        if (operands[i].type == DAY || operands[i].type == ELAPSED)
            continue;
        fact->knowledge = pick(4) == 0   ? POLICY_UNKNOWN
                          : pick(6) == 0 ? POLICY_ABSENT
                                         : POLICY_KNOWN;
        fact->claimed = pick(8) == 0;
        fact->age_us = pick(3) == 0   ? (int64_t)pick(100) * US_PER_S
                       : pick(8) == 0 ? 2 * US_PER_DAY
                                      : 0;
        fact->n_values = operands[i].many ? 1 + (int)pick(3) : pick(10) == 0 ? 2 : 1;
        for (int v = 0; v < fact->n_values; v++)
            fact->values[v] = (int)pick(operands[i].type == PLACE ? 5 : 4);
    }
    w->now_us = DAY_ZERO + (int64_t)pick(12) * (US_PER_DAY / 2) + (pick(3) == 0 ? pick(3) : 0);
    w->agreed_us = pick(3) == 0 ? POLICY_NO_TIME : w->now_us - (int64_t)pick(10) * (US_PER_DAY / 2);
    w->hypothetical = pick(2) == 0;
    w->action = actions[pick(4) == 0 ? 1 + pick(2) : 0];
    w->target = pick(3) == 0 ? NULL : pick(2) == 0 ? "t1" : "t2";
}

/* -- as notation, for the engine --------------------------------------------------------------- */

static void write_atom(struct buf *out, const struct node *node)
{
    const struct operand *operand = &operands[node->operand];

    buf_printf(out, "(%s %s", operand->name, node->op);
    for (int i = 0; i < node->n_values; i++) {
        int v = node->values[i];

        if (operand->type == TEXT)
            buf_printf(out, " %s", texts[v]);
        else if (operand->type == PLACE)
            buf_printf(out, " %s", places[v]);
        else if (operand->type == NUMBER)
            buf_printf(out, " %d", v);
        else if (operand->type == DAY)
            buf_printf(out, " 2026-06-0%dT00:00:00Z", v + 1);
        else
            buf_printf(out, " P%dD", v);
    }
    buf_add_c(out, ")");
}

static void write_node(struct buf *out, const struct node *node, bool backwards)
{
    static const char *const names[] = {"", "(and", "(or", "(xone"};

    if (node->kind == ATOM) {
        write_atom(out, node);
        return;
    }
    buf_add_c(out, names[node->kind]);
    for (int i = 0; i < node->n_children; i++)
        write_node(out, node->children[backwards ? node->n_children - 1 - i : i], backwards);
    buf_add_c(out, ")");
}

static void write_rule(struct buf *out, const struct rule *rule, char mark,
                       const struct node *extra, bool backwards)
{
    const char *name = action_names[rule->action == POLICY_ACT_USE    ? 0
                                    : rule->action == POLICY_ACT_READ ? 1
                                                                      : 2];

    buf_printf(out, " %c%s", mark, name);
    for (int i = 0; i < rule->n_nodes; i++)
        write_node(out, rule->nodes[backwards ? rule->n_nodes - 1 - i : i], backwards);
    if (extra != NULL)
        write_node(out, extra, backwards);
    if (rule->target != NULL)
        buf_printf(out, " @@target=%s", rule->target);
}

/* `extra` is one more constraint for every permission. */
static struct policy *compile_tree(const struct policy_tree *tree, const struct node *extra,
                                   bool backwards)
{
    static const char *const conflicts[] = {"", "@conflict=perm", "@conflict=prohibit"};
    AUTO(buf_done) struct buf text = buf_init(KIB(64));

    buf_add_c(&text, conflicts[tree->conflict]);
    for (int i = 0; i < tree->n_permissions; i++)
        write_rule(&text, &tree->permissions[backwards ? tree->n_permissions - 1 - i : i], '+',
                   extra, backwards);
    for (int i = 0; i < tree->n_prohibitions; i++)
        write_rule(&text, &tree->prohibitions[backwards ? tree->n_prohibitions - 1 - i : i], '-',
                   NULL, backwards);
    buf_add_char(&text, '\0');
    return help_policy(text.p);
}

static void give_facts(struct arena *arena, const struct place_and_time *w,
                       struct policy_facts *facts)
{
    memset(facts, 0, sizeof(*facts));
    for (unsigned i = 0; i < OPERANDS; i++) {
        struct policy_value *values = ARENA_ARRAY(arena, struct policy_value, 3);
        const struct fact *fact = &w->facts[i];

        for (int v = 0; v < fact->n_values; v++) {
            values[v].number = fact->values[v];
            values[v].text = str_c(operands[i].type == PLACE  ? places[fact->values[v]]
                                   : operands[i].type == TEXT ? texts[fact->values[v]]
                                                              : NULL);
        }
        facts->of[operands[i].id] = (struct policy_fact){.knowledge = fact->knowledge,
                                                         .claimed = fact->claimed,
                                                         .age_us = fact->age_us,
                                                         .n_values = (size_t)fact->n_values,
                                                         .values = values};
    }
}

static void ask(struct arena *arena, const struct policy *policy, const struct place_and_time *w,
                struct policy_decision *ret_decision)
{
    struct policy_facts facts;
    struct policy_question q = {.action = w->action,
                                .scope = w->hypothetical ? POLICY_AT_CATALOGUE : POLICY_AT_ACCESS,
                                .now_us = w->now_us,
                                .agreement_us = w->agreed_us,
                                .target = str_c(w->target)};

    give_facts(arena, w, &facts);
    policy_decide(policy, &q, &facts, ret_decision);
}

/* -- the slow evaluator ------------------------------------------------------------------------ */

static int not_(int truth)
{
    return T_TRUE - truth;
}

static int compare(const char *op, int64_t x, int64_t y)
{
    bool holds = strcmp(op, "eq") == 0     ? x == y
                 : strcmp(op, "neq") == 0  ? x != y
                 : strcmp(op, "lt") == 0   ? x < y
                 : strcmp(op, "lteq") == 0 ? x <= y
                 : strcmp(op, "gt") == 0   ? x > y
                                           : x >= y;

    return holds ? T_TRUE : T_FALSE;
}

static int eval_time(const struct node *node, const struct place_and_time *w)
{
    int64_t agreed = w->agreed_us != POLICY_NO_TIME ? w->agreed_us
                     : w->hypothetical              ? w->now_us
                                                    : POLICY_NO_TIME;

    if (operands[node->operand].type == DAY)
        return compare(node->op, w->now_us, DAY_ZERO + node->values[0] * US_PER_DAY);
    if (agreed == POLICY_NO_TIME)
        return T_UNKNOWN;
    return compare(node->op, w->now_us - agreed, node->values[0] * US_PER_DAY);
}

/* Is one of the fact's values one of the operand's? */
static int eval_member(const struct node *node, const struct fact *fact)
{
    int best = T_FALSE;

    for (int f = 0; f < fact->n_values; f++) {
        for (int v = 0; v < node->n_values; v++) {
            int one = fact->values[f] == node->values[v] ? T_TRUE : T_FALSE;

            if (operands[node->operand].type == PLACE)
                one = within[fact->values[f]][node->values[v]];
            else if (strcmp(node->op, "isA") == 0 && one == T_FALSE)
                one = T_UNKNOWN;
            best = one > best ? one : best;
        }
    }
    return best;
}

static int eval_fact(const struct node *node, const struct place_and_time *w)
{
    const struct operand *operand = &operands[node->operand];
    const struct fact *fact = &w->facts[node->operand];
    bool negative = strcmp(node->op, "neq") == 0 || strcmp(node->op, "isNoneOf") == 0;

    if (fact->knowledge == POLICY_UNKNOWN)
        return T_UNKNOWN;
    if (fact->claimed && !operand->claims)
        return T_UNKNOWN;
    if (operand->max_age_us != 0 && fact->age_us > operand->max_age_us)
        return T_UNKNOWN;
    if (fact->knowledge == POLICY_ABSENT)
        return !negative ? T_FALSE : operand->many ? T_TRUE : T_UNKNOWN;
    if (!operand->many && fact->n_values != 1)
        return T_UNKNOWN;
    if (operand->type == NUMBER)
        return compare(node->op, fact->values[0], node->values[0]);
    if (strcmp(node->op, "isAllOf") == 0) {
        for (int v = 0; v < node->n_values; v++) {
            const struct node one = {
                .operand = node->operand, .op = "eq", .values = {node->values[v]}, .n_values = 1};
            if (eval_member(&one, fact) != T_TRUE)
                return T_FALSE;
        }
        return T_TRUE;
    }
    return negative ? not_(eval_member(node, fact)) : eval_member(node, fact);
}

static int eval(const struct node *node, const struct place_and_time *w)
{
    int n_true = 0, n_unknown = 0, n_false = 0;

    if (node->forced >= 0)
        return node->forced;
    if (node->kind == ATOM)
        return operands[node->operand].type == DAY || operands[node->operand].type == ELAPSED
                   ? eval_time(node, w)
                   : eval_fact(node, w);
    for (int i = 0; i < node->n_children; i++) {
        int truth = eval(node->children[i], w);

        n_true += truth == T_TRUE;
        n_unknown += truth == T_UNKNOWN;
        n_false += truth == T_FALSE;
    }
    if (node->kind == AND)
        return n_false > 0 ? T_FALSE : n_unknown > 0 ? T_UNKNOWN : T_TRUE;
    if (node->kind == OR)
        return n_true > 0 ? T_TRUE : n_unknown > 0 ? T_UNKNOWN : T_FALSE;
    if (n_true >= 2 || (n_true == 0 && n_unknown == 0))
        return T_FALSE;
    return n_true == 1 && n_unknown == 0 ? T_TRUE : T_UNKNOWN;
}

static int eval_rule(const struct rule *rule, const struct place_and_time *w)
{
    int least = T_TRUE;

    if (rule->action != POLICY_ACT_USE && rule->action != w->action)
        return T_FALSE;
    if (rule->target != NULL && w->target != NULL && strcmp(rule->target, w->target) != 0)
        return T_FALSE;
    for (int i = 0; i < rule->n_nodes; i++) {
        int truth = eval(rule->nodes[i], w);

        least = truth < least ? truth : least;
    }
    /* not knowing the target, a permission does not count and a prohibition does */
    if (rule->target != NULL && w->target == NULL && least == T_TRUE)
        return T_UNKNOWN;
    return least;
}

static enum policy_verdict judge(const struct policy_tree *tree, const struct place_and_time *w)
{
    bool permitted = false, prohibited = false;

    for (int i = 0; i < tree->n_permissions; i++)
        permitted = permitted || eval_rule(&tree->permissions[i], w) == T_TRUE;
    for (int i = 0; i < tree->n_prohibitions; i++)
        prohibited = prohibited || eval_rule(&tree->prohibitions[i], w) != T_FALSE;
    if (!permitted)
        return POLICY_DENY;
    return prohibited && tree->conflict != 1 ? POLICY_DENY : POLICY_PERMIT;
}

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
    state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (int i = 0; i < 8; i++)
        (void)pick(2);
    c->arena = arena_new(MIB(4));
    make_policy(c->arena, &c->tree);
    make_world(&c->world);
    c->policy = compile_tree(&c->tree, NULL, false);
    ask(c->arena, c->policy, &c->world, &c->decision);
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

static void check_until(const struct one_case *c, unsigned long seed)
{
    int64_t from = c->world.now_us, until = c->decision.valid_until_us;
    int64_t span = until == POLICY_FOREVER ? 30 * US_PER_DAY : until - from;

    ck_assert_msg(until > from, SEED_ARG, seed);
    for (int i = 0; i < 6; i++) {
        int64_t t = i == 0 ? from + span - 1 : from + (int64_t)pick(1000000) * (span / 1000000);
        struct place_and_time then = later(&c->world, t);

        ck_assert_msg(judge(&c->tree, &then) == c->decision.verdict,
                      SEED_ARG ": turns before its end", seed);
    }
}

static void check_metamorphic(struct one_case *c, unsigned long seed)
{
    struct policy_tree scratch = {0};
    struct node *extra = make_atom(c->arena, &scratch);
    AUTO(policy_unref) struct policy *stricter = compile_tree(&c->tree, extra, false);
    AUTO(policy_unref) struct policy *turned = compile_tree(&c->tree, NULL, true);
    struct place_and_time less = c->world;
    struct policy_decision decision;

    if (c->decision.verdict == POLICY_DENY) {
        ask(c->arena, stricter, &c->world, &decision);
        ck_assert_msg(decision.verdict == POLICY_DENY, SEED_ARG ": a constraint more permits",
                      seed);
        less.facts[pick(OPERANDS)].knowledge = POLICY_UNKNOWN;
        ask(c->arena, c->policy, &less, &decision);
        ck_assert_msg(decision.verdict == POLICY_DENY, SEED_ARG ": a fact less permits", seed);
    }
    ask(c->arena, turned, &c->world, &decision);
    ck_assert_msg(memcmp(policy_hash(turned), policy_hash(c->policy), POLICY_HASH_LEN) == 0,
                  SEED_ARG ": order changes the hash", seed);
    ck_assert_msg(decision.verdict == c->decision.verdict &&
                      decision.valid_until_us == c->decision.valid_until_us &&
                      decision.n_causes == c->decision.n_causes,
                  SEED_ARG ": order changes the decision", seed);
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
            make_world(&c.world);
            ask(c.arena, c.policy, &c.world, &c.decision);
            if (judge(&c.tree, &c.world) != c.decision.verdict)
                ck_abort_msg(SEED_ARG ": engine says %d", seed, (int)c.decision.verdict);
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

static bool atoms_differ(const struct policy_tree *tree)
{
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
        return judge(tree, w) == POLICY_PERMIT ? 0 : -1;
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

            if (operands[atom->operand].id == cause->operand &&
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
        ck_assert_msg(judge(&c.tree, &c.world) == POLICY_PERMIT, SEED_ARG ": causes do not suffice",
                      seed);
        ck_assert_msg((int)c.decision.n_causes == least, SEED_ARG ": %u causes, %d would do", seed,
                      c.decision.n_causes, least);
        checked++;
    }
}

END_TEST

/* -- comparisons ------------------------------------------------------------------------------- */

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
        for (int k = 0; c.only[i] != NULL && k < 2; k++) {
            policy_decide(policies[k], &c.only[i]->question, &c.only[i]->facts, &decision);
            ck_assert_msg((decision.verdict == POLICY_PERMIT) == (k == i),
                          SEED_ARG ": witness %d is none", seed, i);
        }
    }
    for (int world = 0; world < 5 * WORLDS; world++) {
        struct place_and_time w;
        enum policy_verdict verdicts[2];

        make_world(&w);
        w.agreed_us = w.hypothetical ? POLICY_NO_TIME : w.agreed_us;
        for (int k = 0; k < 2; k++) {
            ask(arena, policies[k], &w, &decision);
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

/* Another policy near this one: a constraint less somewhere, or a value of another one. */
static void change(struct policy_tree *tree)
{
    struct rule *rule = &tree->permissions[0];
    struct node *atom = tree->n_atoms > 0 ? tree->atoms[pick((unsigned)tree->n_atoms)] : NULL;

    if (pick(2) == 0 && rule->n_nodes > 0)
        rule->n_nodes--;
    else if (atom != NULL)
        atom->values[0] = (int)pick(4);
}

START_TEST(test_comparisons)
{
    unsigned long first = setting("POLICY_SEED", 1), n = setting("POLICY_CASES", CASES / 10);
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
        stricter = compile_tree(&c.tree, make_atom(c.arena, &scratch), false);
        ck_assert_int_eq(policy_compare(stricter, c.policy, DAY_ZERO, arena, &found, &err), 0);
        ck_assert_msg(found.only[0] == NULL, SEED_ARG ": one constraint more is wider", seed);
        complete += found.complete;
        same += found.relation == POLICY_SAME;
        change(&c.tree);
        near_by = compile_tree(&c.tree, NULL, false);
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
    TCase *tc = tcase_create("random");

    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, test_against_reference, 0, 4);
    tcase_add_test(tc, test_causes);
    tcase_add_test(tc, test_comparisons);
    suite_add_tcase(s, tc);
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
