/*
 * policy/peer.h - what a stock Eclipse connector would decide about a policy, and why it differs
 *
 * A model of how such a peer evaluates (policy.md §1.7, read in its source, not executed): rules
 * and constraints whose action or operand is not bound in the scope are left out, all permissions
 * must pass, each constraint of a prohibition is judged by itself, parties, data sets, conflict
 * strategies and duties after a violation have no part in it, and nothing is decided at an access.
 */
#pragma once

#include "policy/policy.h"

enum policy_peer { POLICY_PEER_EDC, POLICY_PEER_TRACTUSX, POLICY_PEER__COUNT };

enum policy_peer_why {
    POLICY_PEER_NOT_BOUND,       /* the constraint is left out, as if it held */
    POLICY_PEER_MET,             /* it counts as met without being looked at */
    POLICY_PEER_ACTION,          /* the rule is left out: its action is not bound */
    POLICY_PEER_ALL_PERMISSIONS, /* permissions are alternatives; there, all must pass */
    POLICY_PEER_EACH_CONDITION,  /* a prohibition applies if one of its constraints holds */
    POLICY_PEER_SEQUENCE,        /* andSequence is not supported: it fails */
    POLICY_PEER_PARTY,           /* the rule's own party or data set is not looked at */
    POLICY_PEER_REFINEMENT,      /* of an action or a collection: never looked at */
    POLICY_PEER_DUTY,            /* a duty counts as one more condition, or not at all */
    POLICY_PEER_NO_ACCESS,       /* accesses are not decided: what was started goes on */
    POLICY_PEER_WHY__COUNT
};

#define POLICY_PEER_DIFFERENCES 32

struct policy_peer_opinion {
    enum policy_verdict verdict;
    unsigned n;
    bool more;

    struct {
        enum policy_peer_why why;
        enum policy_operand operand; /* POLICY_OP__COUNT: it is about a rule */
        struct str at;               /* borrowed from the policy */
    } differences[POLICY_PEER_DIFFERENCES];
};

void policy_peer_decide(const struct policy *policy, enum policy_peer peer,
                        const struct policy_question *question, const struct policy_facts *facts,
                        struct policy_peer_opinion *ret_opinion);

const char *policy_peer_slug(enum policy_peer_why why);
/* One line per difference, for people. */
void policy_explain_peer(const struct policy_peer_opinion *opinion, enum policy_lang lang,
                         struct buf *out);
