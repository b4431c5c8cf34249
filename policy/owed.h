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
 * at the conclusion are left out. Remedies and consequences arise from a violation, not from the
 * agreement, and are not listed.
 */
#pragma once

#include "policy/policy.h"

#define POLICY_OWED_MAX 64

struct policy_owed {
    enum policy_action action;
    bool of_provider; /* the provider's own; else the consumer's */
    bool provide;     /* to keep providing until due_us (Catena-X) */
    bool at_end;      /* due when use ends: at due_us, or with the agreement if that is earlier */
    int64_t from_us;  /* not before; POLICY_NO_TIME: at once */
    int64_t due_us;   /* last instant; POLICY_FOREVER: none is known */
    struct str at;    /* JSON pointer; borrowed from the policy */
    uint8_t key[POLICY_HASH_LEN]; /* of its meaning: the same on both sides, whatever the shape */
};

/* The agreement that is asked about; texts are borrowed for the call. */
struct policy_deal {
    struct str target, provider, consumer;
    int64_t agreement_us;
};

/*
 * Fills items (POLICY_OWED_MAX); returns how many. *ret_more: there are more than fit. Allocates
 * nothing.
 */
size_t policy_owed(const struct policy *policy, const struct policy_deal *deal,
                   struct policy_owed items[static POLICY_OWED_MAX], bool *ret_more);
