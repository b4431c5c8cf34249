/*
 * policy/compare_private.h - the kinds of worlds that two policies can tell apart (space.c), for
 * compare.c
 */
#pragma once

#include "policy/compare.h"
#include "policy/decide_private.h"

#define POLICY_OTHER "urn:naru:other" /* a value that no policy names */

struct instant {
    int64_t now_us, agreement_us;
};

/* Somebody or a data set, and the collection that they belong to; STR_NONE: to none. */
struct party {
    struct str id, group;
};

struct parties {
    struct party *items;
    size_t n;
};

struct operand_candidates {
    enum policy_operand operand;
    struct policy_fact *facts;
    size_t n;
};

struct space {
    struct arena *arena;
    const struct policy *policies[2];
    bool complete; /* the candidates stand for all worlds */
    bool duties;   /* one of the policies demands something */
    enum policy_action actions[POLICY_ACT__COUNT];
    size_t n_actions;
    struct instant *instants;
    size_t n_instants;
    struct parties targets, assignees;
    struct operand_candidates operands[POLICY_OP__COUNT];
    size_t n_operands;

    struct {
        struct str *canon;
        const struct node **nodes;
        size_t n;
        size_t *refused; /* candidates, as struct terms has them: first that none is */
        size_t n_refused;
    } terms;
};

/* Leaves out candidates with which both policies deny whatever else is so. */
void policy__prune(struct space *s, struct policy_facts *scratch);

/* Each dimension has a candidate at least. Errors: E_NO_MEMORY. */
MUST_CHECK int policy__space(const struct policy *a, const struct policy *b, int64_t now_us,
                             struct arena *arena, struct space *ret_space, struct err *err);
