/*
 * policy/decide_private.h - evaluation, shared by decide.c (what) and cause.c (why)
 */
#pragma once

#include "policy/policy_private.h"

struct eval {
    const struct policy *policy;
    const struct program *program;
    const struct insn *code;
    const struct policy_question *question;
    const struct policy_facts *facts;
    int64_t agreement_us; /* POLICY_NO_TIME: unknown */
    bool hypothetical;    /* no agreement yet: taken as agreed now */
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

struct outcome policy__eval(const struct eval *e, uint32_t pc);
struct outcome policy__eval_prohibition(const struct eval *e, const struct prog_rule *rule);
enum truth policy__party_matches(struct str named, struct str asked);

/* POLICY_WHY_FALSE if the fact can be compared, else why not. */
enum policy_why policy__fact_why(const struct policy_fact *fact, const struct operand_row *row);

/* False if the duty is inactive. Lowers *until to where its state may change. */
bool policy__duty(const struct eval *e, const struct prog_duty *duty, struct policy_duty *ret_duty,
                  int64_t *until);
/* True if a duty in this state keeps its permission from counting. */
bool policy__duty_blocks(const struct eval *e, const struct policy_duty *duty);

/* Writes a smallest set of causes of a denial. */
void policy__causes(const struct eval *e, const struct sum *sum, struct policy_decision *decision);
