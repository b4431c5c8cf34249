/*
 * Policies and worlds in short notation, for tables of decisions.
 *
 * Policy: rules and settings, separated by blanks.
 *   +use           permission, -use prohibition, !delete obligation; then its constraints
 *   (count lteq 5) constraint; more than three words are several values; (and (…) (…)) and so on
 *   [compensate (…)]  duty of the permission (remedy, consequence) before it
 *   @key=value     member of the policy: @type=Agreement @target=asset-1 @conflict=perm
 *   @@key=value    member of the rule before it
 * World: facts separated by blanks.
 *   purpose=a,b    known; purpose=- absent; purpose=?a claimed; purpose=a~90 known since 90 seconds
 *   did:compensate@2026-01-01T00:00:00Z,who,target   an action performed; "did:" alone: the list is complete
 */
#pragma once

#include "lib/base/arena.h"
#include "policy/policy.h"

struct world {
    struct policy_facts facts;
    struct policy_performed done[8];
};

/* JSON (DSP compact) of a policy in short notation. */
struct str help_policy_json(struct arena *arena, const char *notation);
/* Compiles it, or JSON as help_policy_from takes it; the test fails if it is refused. */
struct policy *help_policy(const char *notation);
/* Compiles JSON in which ' stands for "; -(code) if refused. */
int help_policy_from(const char *quoted_json, struct policy **ret_policy, struct err *err);
/* The test fails unless such JSON is refused with this code, at this place, with words for a stranger. */
void help_policy_refused(const char *quoted_json, enum err_code code, const char *at);
void help_world(struct arena *arena, const char *notation, struct world *ret_world);
/* Causes as "0:purpose:constraint-false 0:count:fact-unknown". */
struct str help_causes(struct arena *arena, const struct policy_decision *decision);
/* RFC 3339 -> µs; "" gives POLICY_NO_TIME. */
int64_t help_time(const char *text);
