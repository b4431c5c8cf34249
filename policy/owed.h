/*
 * policy/owed.h - what an agreement obliges its parties to do, as a list that can be tracked
 *
 * A question about the policy alone, asked once when it is agreed; no facts. Where a decision
 * (policy_decide) tells which duties a single use brings, this tells all that come with the agreement:
 *
 * 1. Its obligations. Of several that say the same there is one.
 * 2. The duties of the permission to use; if several permissions grant it, those that all of them
 *    have, for nobody knows which one is used.
 * 3. Catena-X (CX-0152): DataUsageEnd… and ContractTermination cx.data.deletion:1 oblige the consumer
 *    to delete when use ends, once, unless cx.data.keeping:1 releases him. DataProvisioningEnd… is the
 *    provider's duty to provide until then.
 *
 * A duty to delete without a date of its own is due when use ends. Duties whose constraints are false
 * at the conclusion are left out. Consequences arise when a duty is violated, and are asked for then;
 * remedies arise from a use that is prohibited, and are not listed.
 */
#pragma once

#include "policy/policy.h"

struct arena;

struct policy_owed {
    enum policy_action action;
    bool of_provider; /* the provider's own; else the consumer's */
    bool provide;     /* to keep providing until due_us (Catena-X) */
    bool at_end;      /* due when use ends: at due_us, or with the agreement if that is earlier */
    bool consequence; /* of the violation of another one */
    int64_t from_us;  /* not before; POLICY_NO_TIME: at once */
    int64_t due_us;   /* last instant; POLICY_FOREVER: none is known */
    struct str at;    /* JSON pointer; borrowed from the policy */
    uint8_t key[POLICY_HASH_LEN]; /* of its meaning: the same on both sides, whatever the shape */
};

struct policy_owed_list {
    const struct policy_owed *items;
    size_t n;
};

/* The agreement that is asked about; texts are borrowed for the call. */
struct policy_deal {
    struct str target, provider, consumer;
    int64_t agreement_us;
};

/* All of them, in the arena: no more than the policy has rules. Errors: E_NO_MEMORY. */
MUST_CHECK int policy_owed(const struct policy *policy, const struct policy_deal *deal,
                           struct arena *arena, struct policy_owed_list *ret_list, struct err *err);
/*
 * The consequences of the duty with this key, violated at that instant: none of them is owed before.
 * Their times are their own. An unknown key has none. Errors: E_NO_MEMORY.
 */
MUST_CHECK int policy_owed_after(const struct policy *policy, const struct policy_deal *deal,
                                 const uint8_t key[static POLICY_HASH_LEN], int64_t violated_us,
                                 struct arena *arena, struct policy_owed_list *ret_list,
                                 struct err *err);
