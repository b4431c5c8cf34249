/*
 * policy/parse_private.h - reading a policy's JSON: members (member.c), constraints (constraint.c),
 * parties and assets (entity.c), rules (rule.c), policies and their parents (parse.c)
 */
#pragma once

#include "policy/policy_private.h"

enum term {
    TERM_CONTEXT,
    TERM_ID,
    TERM_TYPE,
    TERM_PROFILE,
    TERM_CONFLICT,
    TERM_TIMESTAMP,
    TERM_INHERIT,
    TERM_REPLACED,
    TERM_TARGET,
    TERM_ASSIGNER,
    TERM_ASSIGNEE,
    TERM_PERMISSION,
    TERM_PROHIBITION,
    TERM_OBLIGATION,
    TERM_ACTION,
    TERM_CONSTRAINT,
    TERM_DUTY,
    TERM_REMEDY,
    TERM_CONSEQUENCE,
    TERM_LEFT,
    TERM_OPERATOR,
    TERM_RIGHT,
    TERM_UNIT,
    TERM_DATATYPE,
    TERM_AND,
    TERM_OR,
    TERM_XONE,
    TERM_SEQUENCE,
    TERM_SOURCE,
    TERM_REFINEMENT,
    TERM_VALUE,
    TERM_HAS_POLICY,
    TERM_ASSIGNER_OF,
    TERM_ASSIGNEE_OF,
    TERM__COUNT
};

enum place {
    IN_POLICY = 1,
    IN_PERMISSION = 2,
    IN_PROHIBITION = 4,
    IN_OBLIGATION = 8,
    IN_DUTY = 16, /* of a permission */
    IN_LAST = 32, /* remedy, consequence: they have no consequences (IM 2.2 §2.6.6) */
    IN_RULE = 62,
    IN_CONSTRAINT = 64,
    IN_ENTITY = 128, /* a party or an asset */
    IN_ACTION = 256,
};

struct members {
    const struct jval *v[TERM__COUNT];
    struct str key[TERM__COUNT]; /* as written */
};

/* One or many: a value, an array, or {"@list":[…]}. */
struct items {
    const struct jval *v;
    size_t n;
    bool array;
    bool list;           /* the array stands in {"@list":…}, */
    struct where inside; /* which is this frame of the place of its elements */
};

/* The bare name of a member. */
const char *policy__term_name(enum term term);

/* Reads an object whose members must all be known, allowed at this place, given once, and not null. */
MUST_CHECK int policy__members(struct parse *ps, const struct jval *v, const struct where *w,
                               enum place place, struct members *ret_members);

/* Where a member stands, or would stand. */
struct where policy__member_at(const struct members *m, enum term term, const struct where *w);

struct items policy__items(const struct jval *v);
/* *ret_at points into *items and to *w. */
const struct jval *policy__item(struct items *items, size_t i, const struct where *w,
                                struct where *ret_at);

/* One name, as of policy__name, that stands at `at`. */
MUST_CHECK int policy__name_of(struct parse *ps, const struct jval *v, const struct where *at,
                               bool iri, struct str *ret_name);

/*
 * One name: a string, {"@id":…} or {"@value":…}, alone or as the only element of an array; prefixes are
 * expanded if `iri`. An absent member leaves *ret_name as it is.
 */
MUST_CHECK int policy__name(struct parse *ps, const struct members *m, enum term term,
                            const struct where *w, bool iri, struct str *ret_name);

/* Where a constraint stands: kinds of rules, and what it refines (0: it is a rule's own). */
struct use {
    unsigned rules;   /* enum rule_bits */
    unsigned refines; /* enum refines_bits */
};

/* The constraints of member `term`, which must all hold: NODE_AND. An absent member leaves
 * *ret_node as it is; a refinement may not be empty. */
MUST_CHECK int policy__conditions(struct parse *ps, const struct members *m, enum term term,
                                  const struct where *w, struct use use, struct node **ret_node);

struct entities {
    struct entity *items;
    size_t n;
};

struct act {
    enum policy_action action;
    struct node *refinement; /* NODE_AND, or NULL */
};

struct acts {
    struct act *items;
    size_t n;
};

/* What several rules may have in common: one atomic rule is made of each combination. */
struct common {
    struct acts actions;
    struct entities targets, assigners, assignees;
};

/* Parties or assets, each an opaque id or a collection, in a rule of these kinds; none if the member
 * is absent. */
MUST_CHECK int policy__entities(struct parse *ps, const struct members *m, enum term term,
                                const struct where *w, unsigned rules,
                                struct entities *ret_entities);
MUST_CHECK int policy__actions_of(struct parse *ps, const struct members *m, const struct where *w,
                                  unsigned rules, struct acts *ret_acts);

/* The rules of one list, atomic: what they lack they take from `common`. */
MUST_CHECK int policy__rules(struct parse *ps, const struct members *m, int list,
                             const struct where *w, const struct common *common,
                             struct rule_list *ret_rules);

/* "@type", if there is one, must be one of these two. */
MUST_CHECK int policy__check_type(struct parse *ps, const struct members *m, const struct where *w,
                                  const char *expected, const char *other);
