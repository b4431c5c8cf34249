/*
 * Random policies and worlds as plain trees, for the comparison of the engine with a slow evaluator.
 *
 * One seed makes one case. A tree is given to the engine as JSON (help_tree_compile) and to help_tree_judge as it is; neither
 * sees what the other makes of it.
 */
#pragma once

#include "lib/base/arena.h"
#include "policy/policy.h"

enum { T_FALSE, T_UNKNOWN, T_TRUE };

enum kind { ATOM, AND, OR, XONE, SEQUENCE };

enum value_form {
    TEXT,     /* index into help_texts */
    PLACE,    /* index into help_places */
    NUMBER,   /* itself */
    INSTANT,  /* days after DAY_ZERO, of the clock */
    ELAPSED,  /* days since the agreement */
    IN_FORCE, /* as INSTANT; RELATIVE and more: days after the agreement */
    UNTIL,    /* as INSTANT, "up to" */
    DAYS,     /* days after the agreement, "up to" */
    TERM,     /* of contract: holds */
};

#define RELATIVE 4
#define DAY_ZERO INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */

struct operand {
    enum policy_operand id;
    const char *name;
    enum value_form form;
    bool many, claims;
    int64_t max_age_us;
    const char *ops[8];
};

#define OPERANDS 16
extern const struct operand help_operands[OPERANDS];
extern const char *const help_places[5];

struct node {
    enum kind kind;
    unsigned operand;
    const char *op;
    int values[3], n_values;
    bool whole_day; /* a date, not an instant */
    struct node *children[3];
    int n_children;
    int forced; /* -1, or the truth that it is made to have */
};

struct named {
    const char *id; /* NULL: nobody in particular */
    bool collection;
};

struct duty {
    enum policy_action action, consequence; /* POLICY_ACT__COUNT: none */
    struct named assignee, target;
    struct node *nodes[2];
    int n_nodes;
};

enum restriction { NOT_RESTRICTED, NO_THIRD_PARTY, NO_CHANGE };

struct rule {
    enum policy_action action;
    enum restriction restriction; /* of a prohibition: it is about other actions then */
    struct named target, assignee;
    struct node *nodes[3];
    int n_nodes;
    struct duty duties[2];
    int n_duties;
};

/* What the provider must do; with `gate`, until when it provides. */
struct obligation {
    struct node *node; /* NULL: no condition */
    bool gate;
};

struct policy_tree {
    struct rule permissions[2], prohibitions[2];
    struct obligation obligations[2];
    int n_permissions, n_prohibitions, n_obligations;
    int conflict; /* 0 invalid, 1 perm, 2 prohibit */
    struct named target, assignee;
    int64_t timestamp_us; /* of an agreement, or POLICY_NO_TIME: a set */
    struct node *atoms[40];
    int n_atoms;
};

struct fact {
    enum policy_knowledge knowledge;
    bool claimed;
    int64_t age_us;
    int values[3], n_values;
};

struct done {
    enum policy_action action;
    const char *assignee, *target;
    int64_t at_us;
    bool violated;
};

struct place_and_time {
    struct fact facts[OPERANDS];
    int64_t now_us, agreed_us;
    enum policy_scope scope;
    enum policy_action action;
    const char *target, *assignee;
    bool in_target_group, in_assignee_group, groups_known;
    bool done_known;
    struct done done[3];
    int n_done;
    unsigned flags;
};

/* Begins the sequence of random numbers of one case. */
void help_seed(unsigned long seed);
unsigned help_pick(unsigned n);

struct node *help_tree_atom(struct arena *arena, struct policy_tree *tree, unsigned rules);
void help_tree_make(struct arena *arena, struct policy_tree *tree);
void help_tree_world(struct place_and_time *w);

/* How the tree is written: other order, everything twice, with prefixes. */
enum { BACKWARDS = 1, TWICE = 2, PREFIXED = 4 };

/* Compiles it; `extra` (or NULL) is one more constraint for every permission. */
struct policy *help_tree_compile(const struct policy_tree *tree, const struct node *extra,
                                 unsigned how);
void help_tree_ask(struct arena *arena, const struct policy *policy, const struct place_and_time *w,
                   struct policy_decision *ret_decision);

/* The slow evaluator (help_policy_reference.c). */
enum policy_verdict help_tree_judge(const struct policy_tree *tree, const struct place_and_time *w);
/* Duties and obligations that are active, of a tree with one permission. */
int help_tree_duties(const struct policy_tree *tree, const struct place_and_time *w);

#define RULE_P 1U
#define RULE_X 2U
#define RULE_O 4U
