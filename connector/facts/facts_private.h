/*
 * connector/facts/facts_private.h - what the providers of facts share
 */
#pragma once

#include "connector/facts/facts.h"

struct gather {
    struct db *db;
    const struct facts_about *about;
    int64_t now_us;
    uint64_t needs;
    struct arena *arena;
    struct policy_facts *facts;
    int64_t until_us; /* the first of the facts ends then */
};

#define FACTS_BIT(operand) (UINT64_C(1) << (operand))

/* Sets a fact if the policy needs it; `form` without its values, which are copied. */
MUST_CHECK int facts__set(struct gather *g, enum policy_operand operand,
                          const struct policy_fact *form, const struct policy_value *values,
                          size_t n, struct err *err);

/* What was gathered holds until then at most. */
void facts__ends_at(struct gather *g, int64_t until_us);

/* credential.c */
#define FACTS_CREDENTIALS                                                                          \
    (FACTS_BIT(POLICY_OP_MEMBERSHIP) | FACTS_BIT(POLICY_OP_FRAMEWORK_AGREEMENT) |                  \
     FACTS_BIT(POLICY_OP_BUSINESS_PARTNER_NUMBER) | FACTS_BIT(POLICY_OP_SPATIAL))
MUST_CHECK int facts__credentials(struct gather *g, struct err *err);
