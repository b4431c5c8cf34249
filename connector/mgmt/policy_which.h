/*
 * connector/mgmt/policy_which.h - the policy that a request is about: given, or one of ours
 */
#pragma once

#include "connector/mgmt/mgmt_private.h"
#include "lib/codec/codec.h"
#include "policy/policy.h"

/* Members of a request, of which exactly one is there. */
struct policy_which {
    const struct jval *policy;
    struct str policy_id, agreement_id, asset;
};

/* Rows of the field table of a struct that has a struct policy_which as member `which`. */
/* clang-format off */
#define POLICY_WHICH_FIELDS(T)                                   \
    FIELD(T, which.policy,       "policy",      0),              \
    FIELD(T, which.policy_id,    "policyId",    F_NONEMPTY),     \
    FIELD(T, which.agreement_id, "agreementId", F_NONEMPTY),     \
    FIELD(T, which.asset,        "asset",       F_NONEMPTY)
/* clang-format on */

/*
 * Finds and compiles it. *ret_policy is new. *ret_agreement is only filled for one of ours.
 * Errors: E_INVALID, E_POLICY_UNSUPPORTED with their place, E_NOT_FOUND, E_CONFLICT, E_DB.
 */
MUST_CHECK int mgmt__policy_which(struct rq *rq, const struct policy_which *which,
                                  struct policy **ret_policy, struct agreement *ret_agreement,
                                  struct err *err);
/* One agreement with its compiled policy. */
MUST_CHECK int mgmt__policy_of_agreement(struct rq *rq, struct str id, struct policy **ret_policy,
                                         struct agreement *ret_agreement, struct err *err);
/* Answers with one object whose members have been written, and ends it. */
MUST_CHECK int mgmt__answer(struct rq *rq, struct jw *w, struct err *err);

#define POLICY_ANSWER_MAX MIB(16)
/* for questions about all worlds (policy/compare.h); the caller holds the management key */
#define POLICY_ARENA_MAX MIB(64)
