/*
 * connector/facts/facts.h - gathers what a policy needs to know before policy_decide
 *
 * Sources: identity (membership, participant, region), orders of the broker (paid order, plan,
 * declared purpose), the agreement (time, counters of use), the clock. What is not known stays
 * unknown: the engine denies.
 */
#pragma once

#include "connector/identity/identity.h"
#include "connector/store/store.h"
#include "policy/policy.h"

/* What a decision is about. agreement is NULL before there is one; its uses are counted together
 * with the one that is asked about. */
struct facts_about {
    const struct peer *peer;
    struct str asset_id;
    const struct agreement *agreement;
    int64_t bytes; /* that this use will take, 0 if that is not known */
    bool running;  /* no further use: may those that were let through go on? */
};

/* Fills *ret_facts for the operands that `policy` needs. Errors: E_DB, E_NO_MEMORY. */
MUST_CHECK int facts_gather(struct db *db, const struct policy *policy,
                            const struct facts_about *about, int64_t now_us, struct arena *arena,
                            struct policy_facts *ret_facts, struct err *err);

/* The same; *ret_until_us is the instant at which the first of these facts ends by itself
 * (POLICY_FOREVER: none does). What grows too old is the engine's to know. */
MUST_CHECK int facts_gather_until(struct db *db, const struct policy *policy,
                                  const struct facts_about *about, int64_t now_us,
                                  struct arena *arena, struct policy_facts *ret_facts,
                                  int64_t *ret_until_us, struct err *err);

/* The operands for which there is a source of facts, one bit each; others stay unknown. */
uint64_t facts_known(void);

/* The other party as its last credential told us, for decisions long after its message; somebody
 * who never showed one is known by id only. */
MUST_CHECK int facts_peer(struct db *db, struct str peer_id, struct arena *arena,
                          struct peer *ret_peer, struct err *err);
