/*
 * policy/prune.c - candidates that no permission of either policy can stand (space.c)
 *
 * A constraint that a permission demands beside all others makes it fail alone. Where every permission of both policies has one that a
 * candidate does not satisfy, both deny in every world with it: no such world is a witness, none is permitted by both, and duties are
 * compared in none. So the candidate is left out. One stays in each dimension, for it needs one.
 */
#include "policy/compare_private.h"

#include "lib/base/banned.h"

#define KIND(kind) (1U << (kind))
#define OF_TIME    (KIND(INSN_NOW) | KIND(INSN_AGREEMENT) | KIND(INSN_SEQUENCE) | KIND(INSN_WEEK))
#define OF_FACT    (KIND(INSN_NUMBER) | KIND(INSN_TEXT))

/* What is looked at: instructions of these kinds, if about facts only those of one operand. */
struct about {
    unsigned kinds;
    enum policy_operand operand; /* POLICY_OP__COUNT: all */
};

/* Whether something that must hold for pc to hold does not. */
static bool fails(const struct eval *e, uint32_t pc, const struct about *about)
{
    const struct insn *insn = &e->code[pc];

    if (insn->kind == INSN_AND) {
        for (uint32_t at = pc + 1; at < insn->next; at = e->code[at].next) {
            if (fails(e, at, about))
                return true;
        }
        return false;
    }
    return (about->kinds >> insn->kind & 1) != 0 &&
           (about->operand == POLICY_OP__COUNT || insn->operand == (uint8_t)about->operand) &&
           policy__eval(e, pc).truth != TRUTH_TRUE;
}

static bool hopeless(const struct space *s, const struct policy_question *question,
                     const struct policy_facts *facts, const struct terms *terms,
                     const struct about *about)
{
    for (int p = 0; p < 2; p++) {
        const struct eval e = policy__eval_of(s->policies[p], question, facts, terms);

        for (uint32_t i = 0; i < e.program->n_permissions; i++) {
            const uint32_t code = e.program->permissions[i].code;

            if (code == NO_CODE || !fails(&e, code, about))
                return false;
        }
    }
    return true;
}

static void prune_operand(const struct space *s, struct operand_candidates *operand,
                          struct policy_facts *facts)
{
    static const struct policy_question question = {.agreement_us = POLICY_NO_TIME};
    const struct about about = {OF_FACT, operand->operand};
    size_t n = 0;

    for (size_t i = 0; i < operand->n; i++) {
        facts->of[operand->operand] = operand->facts[i];
        if (!hopeless(s, &question, facts, NULL, &about))
            operand->facts[n++] = operand->facts[i];
    }
    operand->n = n > 0 ? n : 1;
}

/* Before there is an agreement and under one: what holds in neither is left out. */
static void prune_instants(struct space *s, const struct policy_facts *facts)
{
    static const struct about about = {OF_TIME, POLICY_OP__COUNT};
    size_t n = 0;

    for (size_t i = 0; i < s->n_instants; i++) {
        const struct instant at = s->instants[i];
        const struct policy_question agreed = {
            .scope = POLICY_AT_ACCESS, .now_us = at.now_us, .agreement_us = at.agreement_us};
        const struct policy_question before = {
            .scope = POLICY_AT_NEGOTIATION, .now_us = at.now_us, .agreement_us = POLICY_NO_TIME};

        if (!hopeless(s, &agreed, facts, NULL, &about) ||
            !hopeless(s, &before, facts, NULL, &about))
            s->instants[n++] = at;
    }
    s->n_instants = n > 0 ? n : 1;
}

static void prune_terms(struct space *s, const struct policy_facts *facts)
{
    static const struct about about = {KIND(INSN_TRUE), POLICY_OP__COUNT};
    static const struct policy_question question = {.agreement_us = POLICY_NO_TIME};
    size_t n = 0;

    for (size_t i = 0; i < s->terms.n_refused; i++) {
        const struct terms terms = {s->terms.canon, s->terms.n, s->terms.refused[i]};

        if (!hopeless(s, &question, facts, &terms, &about))
            s->terms.refused[n++] = s->terms.refused[i];
    }
    s->terms.n_refused = n > 0 ? n : 1;
}

void policy__prune(struct space *s, struct policy_facts *scratch)
{
    for (size_t i = 0; i < s->n_operands; i++)
        prune_operand(s, &s->operands[i], scratch);
    prune_instants(s, scratch);
    prune_terms(s, scratch);
}
