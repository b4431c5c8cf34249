/*
 * policy/parse_private.h - reading members, shared by member.c and parse.c
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
    TERM_AND,
    TERM_OR,
    TERM_XONE,
    TERM_SEQUENCE,
    TERM_SOURCE,
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
    IN_COLLECTION = 128,
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
};

/* The bare name of a member. */
const char *policy__term_name(enum term term);

/* Reads an object whose members must all be known, allowed at this place, given once, and not null. */
MUST_CHECK int policy__members(struct parse *ps, const struct jval *v, const struct where *w,
                               enum place place, struct members *ret_members);

/* Where a member stands, or would stand. */
struct where policy__member_at(const struct members *m, enum term term, const struct where *w);

struct items policy__items(const struct jval *v);
const struct jval *policy__item(const struct items *items, size_t i, const struct where *w,
                                struct where *ret_at);

/*
 * One name: a string, {"@id":…} or {"@value":…}, alone or as the only element of an array; prefixes are
 * expanded if `iri`. An absent member leaves *ret_name as it is.
 */
MUST_CHECK int policy__name(struct parse *ps, const struct members *m, enum term term,
                            const struct where *w, bool iri, struct str *ret_name);

/* A party or an asset: an opaque id, or a collection. */
MUST_CHECK int policy__entity(struct parse *ps, const struct members *m, enum term term,
                              const struct where *w, struct entity *ret_entity);

/* "@type", if there is one, must be one of these two. */
MUST_CHECK int policy__check_type(struct parse *ps, const struct members *m, const struct where *w,
                                  const char *expected, const char *other);
