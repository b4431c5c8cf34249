/*
 * policy/trace_private.h - the tree of a trace: trace.c makes it, trace_write.c and trace_text.c show it
 */
#pragma once

#include "policy/decide_private.h"
#include "policy/trace.h"

enum trace_kind { TRACE_RULE, TRACE_DUTY, TRACE_TARGET, TRACE_PARTY, TRACE_LOGICAL, TRACE_ATOM };

struct trace_node {
    enum trace_kind kind;
    enum truth truth;
    bool asked;              /* rules: it is about the action that is asked for */
    bool change;             /* in the smallest set that would have to change */
    const struct rule *rule; /* TRACE_RULE, TRACE_DUTY */
    struct policy_duty duty; /* TRACE_DUTY, if `active` */
    bool active;
    const struct node *node;        /* TRACE_LOGICAL, TRACE_ATOM */
    struct policy_cause seen;       /* TRACE_ATOM */
    bool term;                      /* TRACE_ATOM: not decided, a term of contract */
    int64_t age_us;                 /* of the fact; -1: it has none */
    struct entity named, asked_for; /* TRACE_TARGET, TRACE_PARTY: in the rule, in the question */
    struct trace_node *first, *last, *next;
};

struct policy_trace {
    const struct policy *policy;
    const struct policy_question *question;
    const struct policy_decision *decision;
    struct trace_node *first; /* rules, in the order of the normal form */
};

/* What can be done about one cause. */
const char *policy__change_text(const struct policy_cause *cause, enum policy_lang lang);
