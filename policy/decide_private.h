/*
 * policy/decide_private.h - evaluation, shared by eval.c (constraints), decide.c (rules) and cause.c (why)
 */
#pragma once

#include "policy/policy_private.h"

/*
 * Which terms of contract are taken as accepted, for questions about all worlds (compare.c): all
 * but one, or none. In decisions all are: they are not for us to decide.
 */
struct terms {
    const struct str *canon; /* normal form of the constraints */
    size_t n;
    size_t refused; /* index; n: none of them, n + 1: all of them */
};

struct eval {
    const struct policy *policy;
    const struct program *program;
    const struct insn *code;
    const struct policy_question *question;
    const struct policy_facts *facts;
    int64_t agreement_us;      /* POLICY_NO_TIME: unknown */
    bool hypothetical;         /* no agreement yet: taken as agreed now */
    const struct terms *terms; /* NULL: all are accepted */
    /* the action whose refinement is judged, on its own details; NULL: the request, on the facts */
    const struct policy_performed *done;
};

/* A truth, and the instant before which it certainly does not change. */
struct outcome {
    enum truth truth;
    int64_t until;
};

/* The policy as a whole. Each _until belongs to the state beside it, whichever that is. */
struct sum {
    bool permitted, prohibited, shut;
    int permission; /* index into program->permissions; -1: none */
    int64_t permitted_until, prohibited_until, shut_until;
};

static inline int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t add_saturated(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

/* An end of a window that is counted from the agreement; an open end stays open. */
int64_t policy__from_agreement(const struct eval *e, int64_t us, int64_t months);

/* One constraint and what lies below it; NO_CODE holds. */
struct outcome policy__eval(const struct eval *e, uint32_t pc);
/* An `or` of windows of time. */
struct outcome policy__in_windows(const struct insn *insn, int64_t now);
struct outcome policy__eval_prohibition(const struct eval *e, const struct prog_rule *rule);
enum truth policy__target_matches(const struct eval *e, const struct prog_rule *rule);
enum truth policy__assignee_matches(const struct eval *e, const struct prog_rule *rule);

/* POLICY_WHY_FALSE if the fact can be compared, else why not. */
enum policy_why policy__fact_why(const struct policy_fact *fact, const struct operand_row *row);

struct eval policy__eval_of(const struct policy *policy, const struct policy_question *question,
                            const struct policy_facts *facts, const struct terms *terms);
bool policy__permits(const struct policy *policy, const struct policy_question *question,
                     const struct policy_facts *facts, const struct terms *terms);
void policy__decide(const struct policy *policy, const struct policy_question *question,
                    const struct policy_facts *facts, const struct terms *terms,
                    struct policy_decision *ret_decision);

/* Narrows [*lo, *hi] by the constraints on time that must all hold; the rest says whether the duty
 * is active. */
struct outcome policy__duty_window(const struct eval *e, uint32_t pc, int64_t *lo, int64_t *hi);
/* False if the duty is inactive. Lowers *until to where its state may change. */
bool policy__duty(const struct eval *e, const struct prog_duty *duty, struct policy_duty *ret_duty,
                  int64_t *until);
/* True if a duty in this state keeps its permission from counting. */
bool policy__duty_blocks(const struct eval *e, const struct policy_duty *duty);

/* Writes a smallest set of causes of a denial. */
void policy__causes(const struct eval *e, const struct sum *sum, struct policy_decision *decision);
/* What is seen at one constraint that is no logical one, whatever its truth: value, source, and why
 * it does not hold (if it does not). */
void policy__describe(const struct eval *e, uint32_t pc, struct policy_cause *ret_cause);
