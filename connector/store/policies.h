/*
 * connector/store/policies.h - policies by their text, read and compiled once
 *
 * A connector decides the same few policies over and over: those of its offers, of its agreements,
 * of what it has asked for. Kept are the POLICIES_KEPT texts that were used last, up to
 * POLICIES_TEXT_MAX bytes each. Any thread.
 */
#pragma once

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "policy/policy.h"

#define POLICIES_KEPT     256
#define POLICIES_TEXT_MAX 8192

struct policies;

/* Errors: E_NO_MEMORY. */
MUST_CHECK int policies_open(struct policies **ret_policies, struct err *err);
void policies_close(struct policies **policies);

/*
 * The policy that is written in `text`, with a reference of the caller's. The same text has the same
 * meaning wherever it stands, because no context outside counts (policy_compile). Errors: of
 * jdoc_parse and policy_compile.
 */
MUST_CHECK int policies_get(struct policies *policies, struct str text, struct policy **ret_policy,
                            struct err *err);

/* The same for a policy that was read already, as part of a message. Errors: of policy_compile. */
MUST_CHECK int policies_of(struct policies *policies, const struct jval *doc,
                           struct policy **ret_policy, struct err *err);
