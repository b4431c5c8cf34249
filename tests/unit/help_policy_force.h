/*
 * The FORCE test suite, read from ../shared/spec: policy, request and state of the world in Turtle become a compiled policy,
 * question and facts. For the unit test and the benchmark; a suite that is not as expected ends the program.
 */
#pragma once

#include "help_turtle.h"
#include "lib/base/arena.h"
#include "policy/policy.h"

#define FORCE        "../shared/spec/odrl/force-test-suite/"
#define FORCE_REPORT "https://w3id.org/force/compliance-report#"
#define FORCE_CASES  68

struct force_case {
    struct arena *arena;
    struct graph index, policy, request, sotw, expected;
};

struct force_setting {
    struct policy_question question;
    struct policy_facts facts;
    struct policy_performed done[2];
    struct str target_in[4], assignee_in[4];
};

/* Whether the suite is at hand. */
bool force_is_there(void);

/* Reads the i-th case; frees it. */
void force_read(struct force_case *c, int i);
void force_done(struct force_case *c);

/* `every`: a rule without action stands for all actions. */
MUST_CHECK int force_compile(const struct force_case *c, bool every, struct policy **ret_policy,
                             struct err *err);
/* Question and facts; they point into the case. */
void force_ask(const struct force_case *c, struct force_setting *s);
