/*
 * policy/compare.h - questions about policies that need no world: can it ever permit, is one at
 * least as strict as the other, what is different
 *
 * "At least as strict" is about meaning: A is at least as strict as B if B permits whatever A
 * permits, in every world, and A demands every duty that B demands. The answer is found by looking
 * at one world of every kind that the two policies can tell apart: for each operand, instant, party
 * and action the values at which one of their constraints changes, and the missing fact. A term of
 * contract (CX-0152) is a world of its own: whoever wants to use the data accepts it, or does not.
 * So every "no" has a witness, which policy_decide confirms. "Yes" is exact as long as `complete`
 * is true: always in the Catena-X fragment (conjunctions of up to POLICY_SET_CLASSES purposes or
 * groups, dates and numbers); policies with more kinds of worlds than POLICY_WORLDS, with calendar
 * months or windows of the week, with alternatives of terms, or with several collections are answered conservatively:
 * POLICY_UNDECIDED instead of yes.
 */
#pragma once

#include "lib/base/arena.h"
#include "policy/policy.h"

#define POLICY_SET_CLASSES 10                  /* values of a set-valued operand told apart */
#define POLICY_WORLDS      (UINT32_C(1) << 20) /* looked at, of policies of ordinary size */

/* What is asked and known; the facts that are not unknown matter to one of the two policies. */
struct policy_world {
    struct policy_question question;
    struct policy_facts facts; /* texts in the arena */
    /* a term of contract that is not accepted, perhaps one of several; POLICY_OP__COUNT: all are */
    enum policy_operand refused_term;
    struct str refused_value;
};

enum policy_answer { POLICY_NO, POLICY_YES, POLICY_UNDECIDED };

enum policy_relation {
    POLICY_SAME,         /* each permits what the other permits */
    POLICY_STRICTER,     /* the first permits less */
    POLICY_WIDER,        /* the first permits more */
    POLICY_INCOMPARABLE, /* each permits something that the other does not */
    POLICY_DISJOINT,     /* there is nothing that both permit */
    POLICY_RELATION_UNDECIDED,
    POLICY_RELATION__COUNT
};

struct policy_comparison {
    enum policy_relation relation;
    bool complete;                      /* every kind of world was looked at */
    const struct policy_world *only[2]; /* only this one permits; NULL: none was found */
    /* both permit, only the other one demands this duty (JSON pointer in it); STR_NONE: none */
    struct str duty_missing[2];
    enum policy_action duty_action[2];
};

/*
 * Compares two policies; `now_us` is the instant around which worlds lie that no constraint on time
 * tells apart. Everything is in the arena. Errors: E_NO_MEMORY.
 */
MUST_CHECK int policy_compare(const struct policy *a, const struct policy *b, int64_t now_us,
                              struct arena *arena, struct policy_comparison *ret_comparison,
                              struct err *err);

/* POLICY_YES if policy `which` of the two (0: the first) is at least as strict as the other: an
 * agreement against the offer, a counter-offer against what one has signed, an onward offer against
 * the agreement. */
enum policy_answer policy_at_least_as_strict(const struct policy_comparison *comparison, int which);

/*
 * Whether the policy can permit the action in any world; *ret_world (NULL if none is known) is one
 * in which it does. A policy that cannot is a mistake of its author. Errors: E_NO_MEMORY.
 */
MUST_CHECK int policy_satisfiable(const struct policy *policy, enum policy_action action,
                                  int64_t now_us, struct arena *arena,
                                  enum policy_answer *ret_answer,
                                  const struct policy_world **ret_world, struct err *err);

/* "same", "stricter", "wider", "incomparable", "disjoint", "undecided" */
const char *policy_relation_slug(enum policy_relation relation);

/* A world in words: what is done, when, and what is known. */
void policy_explain_world(const struct policy_world *world, enum policy_lang lang, struct buf *out);

/* The comparison in words, with the witnesses and why the other one denies. */
void policy_explain_comparison(const struct policy *a, const struct policy *b,
                               const struct policy_comparison *comparison, enum policy_lang lang,
                               struct buf *out);

/*
 * The difference of two policies rule by rule in words: what was added, what was dropped, and which
 * limit is another one. Empty if they are the same (policy_hash). "-" and "+" lines, for people.
 */
void policy_explain_difference(const struct policy *a, const struct policy *b,
                               enum policy_lang lang, struct buf *out);
