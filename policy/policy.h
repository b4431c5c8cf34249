/*
 * policy/policy.h - ODRL policies: compile, decide, explain, compare
 *
 * A policy is compiled once into an immutable program and then decided any number of times.
 * Deciding is a function of (program, question, facts): it reads no clock, does no I/O and
 * allocates nothing. Logic is three-valued and fails closed: a fact that is missing, stale, merely
 * claimed where claims do not count, or of the wrong form is unknown, and unknown never permits.
 * What the engine does not understand is refused when the policy is compiled, with the place and
 * the reason.
 *
 * Operands are the rows of policy/vocab.def, actions of policy/actions.def. Time is µs UTC since
 * 1970.
 *
 * Use:  policy_compile -> policy_needs (which facts to gather) -> policy_decide ->
 * policy_explain_decision. Threads: a compiled policy may be used by any number of threads; the
 * reference count is atomic. Limits: LIMIT_POLICY_NODES JSON values, LIMIT_JSON_DEPTH levels,
 * POLICY_CAUSES and POLICY_DUTIES entries per decision.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct jval;
struct jw;

#define POLICY_HASH_LEN 32
#define POLICY_NO_TIME  INT64_MIN /* agreement_us: there is no agreement yet */
#define POLICY_FOREVER  INT64_MAX /* valid_until_us: the decision never changes by itself */
#define POLICY_CAUSES   16
#define POLICY_DUTIES   16

/* -- vocabulary -------------------------------------------------------------------------------- */

/* clang-format off */
enum policy_operand {
#define OPERAND(id, ...) POLICY_OP_##id,
#include "policy/vocab.def"
#undef OPERAND
    POLICY_OP__COUNT
};
/* A set of operands is one word. Only those that want a fact are ever in one, and stand in it. */
#define POLICY_IN_SETS 64

enum policy_action {
#define ACTION(id, ...) POLICY_ACT_##id,
#include "policy/actions.def"
#undef ACTION
    POLICY_ACT__COUNT
};

/* clang-format on */

enum policy_operator {
    POLICY_EQ,
    POLICY_NEQ,
    POLICY_LT,
    POLICY_LTEQ,
    POLICY_GT,
    POLICY_GTEQ,
    POLICY_IS_A,
    POLICY_IS_PART_OF,
    POLICY_HAS_PART,
    POLICY_IS_ANY_OF,
    POLICY_IS_ALL_OF,
    POLICY_IS_NONE_OF,
    POLICY_OPERATOR__COUNT
};

enum policy_type { POLICY_SET, POLICY_OFFER, POLICY_AGREEMENT, POLICY_TYPE__COUNT };

enum policy_lang { POLICY_KO, POLICY_EN, POLICY_LANG__COUNT };

/* What the values of an operand are. Facts give text for the first four and number for the others.
 */
enum policy_value_type {
    POLICY_V_STRING,
    POLICY_V_IRI,
    POLICY_V_PLACE,   /* ISO 3166-1 or -2 code, or a region of policy/places.c */
    POLICY_V_DECIMAL, /* text, at most 18 fraction digits */
    POLICY_V_INTEGER,
    POLICY_V_BOOLEAN,  /* 0 or 1 */
    POLICY_V_TIME,     /* dateTime or date; from the question, never from a fact */
    POLICY_V_DURATION, /* µs; from the question, never from a fact */
    POLICY_V_WEEKDAYS, /* "mon/fri+09:00"; from the question */
    POLICY_V_HOURS,    /* "09:00/18:00[Asia/Seoul]"; from the question */
    POLICY_VALUE_TYPE__COUNT
};

/* Finds by full IRI, prefixed ("odrl:purpose") or bare name ("purpose"); false if unknown. */
bool policy_operand_find(struct str name, enum policy_operand *ret_operand);
bool policy_action_find(struct str name, enum policy_action *ret_action);
const char *policy_operand_iri(enum policy_operand operand);
const char *policy_action_iri(enum policy_action action);
const char *policy_operator_name(enum policy_operator op); /* "isAnyOf" */
const char *policy_type_name(enum policy_type type);       /* "Offer" */
enum policy_value_type policy_operand_type(enum policy_operand operand);
/* The operand's name for people, e.g. "이용 목적" / "purpose of use". */
const char *policy_operand_text(enum policy_operand operand, enum policy_lang lang);
const char *policy_action_text(enum policy_action action, enum policy_lang lang);

/* -- compiled policies ------------------------------------------------------------------------- */

struct policy;

/*
 * Compiles one policy. `doc` (borrowed for the call) is an object, or an array of exactly one, in
 * one of three shapes, which give the same normal form and hash:
 *
 * - DSP compact: {"@type":"Offer","permission":[{"action":"use","constraint":[…]}]}
 * - prefixed (EDC): {"@type":"odrl:Set","odrl:permission":{"odrl:action":{"@id":"odrl:use"}}}
 * - expanded JSON-LD: full IRIs, everything in arrays, {"@id":…} and {"@value":…}
 *
 * A rule with several actions, targets or parties is split into atomic ones (ODRL Information Model
 * 2.2 §2.7), and so is one that takes them from the policy; the hash is that of the atomic rules.
 * Collections at policy level stand in its rules, so that an agreement keeps them.
 * A policy that was replaced ("isReplacedBy") is void and refused. "inheritFrom" is refused: see
 * policy_compile_with.
 *
 * A policy without rules is compiled (EDC sends it); see POLICY_EMPTY_PERMITS for what it means.
 * *ret_policy is new, with one reference. Errors, each with at = JSON pointer into `doc` and a
 * public detail:
 *
 * - E_POLICY_UNSUPPORTED: a profile, context, term, action, operand, operator or construct that is
 *   not understood
 * - E_INVALID: a missing, empty or ill-typed member or value
 * - E_LIMIT: more than LIMIT_POLICY_NODES values, or too deep
 */
MUST_CHECK int policy_compile(const struct jval *doc, struct policy **ret_policy, struct err *err);

/*
 * Where policies that are named by "inheritFrom" are found. `find` gives the document of the policy
 * with this id, borrowed until policy_compile_with returns, or NULL if there is none; negative on
 * an error that it set. Parents are only ever our own: never fetch one.
 */
struct policy_parents {
    int (*find)(void *cls, struct str id, const struct jval **ret_doc, struct err *err);
    void *cls;
    struct str self; /* the name of the document itself among them; STR_NONE: its "@id" */
};

/*
 * As policy_compile, and a policy may name parents (IM 2.2 §2.9), to any depth up to
 * POLICY_ANCESTORS documents in all. It gets their rules, profiles and conflict strategy (different
 * ones: void if a conflict occurs, as by default), and what they say at policy level is said by it
 * too. The result is the same, with the same hash, as that of the policy with all of this written
 * out; nothing in it tells of its parents. Errors besides: E_POLICY_UNSUPPORTED for a parent that is
 * not found and E_INVALID for a cycle, at the child's "inheritFrom"; what is wrong inside a parent
 * is reported there, too.
 */
MUST_CHECK int policy_compile_with(const struct jval *doc, const struct policy_parents *parents,
                                   struct policy **ret_policy, struct err *err);
#define POLICY_ANCESTORS 32

struct policy *policy_ref(struct policy *policy);
/* Drops one reference; *policy may be NULL; sets it to NULL. Also the AUTO handler. */
void policy_unref(struct policy **policy);

enum policy_type policy_type(const struct policy *policy);
/* SHA-256 of the canonical normal form without "@id": type, parties, target and rules; order and
 * spelling do not count. */
const uint8_t *policy_hash(const struct policy *policy);
/* "@id"; parties and target at policy level; STR_NONE if absent. Borrowed from the policy. */
struct str policy_id(const struct policy *policy);
struct str policy_target(const struct policy *policy);
struct str policy_assigner(const struct policy *policy);
struct str policy_assignee(const struct policy *policy);
/* "timestamp" of an Agreement, or POLICY_NO_TIME. */
int64_t policy_timestamp_us(const struct policy *policy);
/* True if it has neither permission, prohibition nor obligation. */
bool policy_is_empty(const struct policy *policy);

/*
 * True if both have the same conflict strategy and rules, whatever the order, the shape,
 * the type, the id and the parties and target at policy level. For an agreement against the offer
 * that it answers: anything widened, narrowed or changed gives false. A rule's own target or
 * assignee counts unless it repeats that of its policy.
 */
bool policy_same_rules(const struct policy *a, const struct policy *b);

/* -- facts ------------------------------------------------------------------------------------- */

enum policy_knowledge {
    POLICY_UNKNOWN, /* nobody could tell */
    POLICY_ABSENT,  /* it is certain that there is none (no group, no order) */
    POLICY_KNOWN,
};

struct policy_value {
    struct str text;
    int64_t number;
    struct str unit; /* of an amount: ISO 4217; STR_NONE: not stated */
};

/* clang-format off */
enum policy_source_kind {
#define SOURCE(id, ...) POLICY_FROM_##id,
#include "policy/sources.def"
#undef SOURCE
    POLICY_FROM__COUNT
};

/* clang-format on */

/* Where a fact comes from; put into words by policy_source_text. Texts are borrowed; members that a
 * kind does not have are zero. */
struct policy_source {
    enum policy_source_kind kind;
    struct str by; /* who vouches for it: the issuer of a credential, what an operator relied on */
    struct str id; /* of the credential */
    struct str reason; /* why it was revoked */
    int64_t at_us;     /* when it was recorded, revoked, confirmed last, or expired */
    const struct policy_source *also; /* another one that speaks of the same; NULL: none */
};

/* One fact; zero is "unknown". Values are borrowed and must outlive the use of the decision. */
struct policy_fact {
    enum policy_knowledge knowledge;
    bool claimed; /* only the peer says so; unknown unless the operand's row says CLAIM_OK */
    size_t n_values;
    const struct policy_value *values;
    const struct policy_source *source; /* also of what is not known: why; NULL: not stated */
    int64_t age_us; /* since it was established; facts older than the operand's limit are unknown */
};

/* Something about an action that was performed, for the refinements of duties. */
struct policy_detail {
    enum policy_operand operand; /* POLICY_OP_PAY_AMOUNT: text is a decimal, with its unit */
    struct policy_fact fact;
};

/*
 * An action that was performed before the decision; for duties. A refinement of a duty's action is
 * judged on these details (and on at_us, for instants); one that is missing is unknown, and the
 * action does not count.
 */
struct policy_performed {
    enum policy_action action;
    struct str target;   /* STR_NONE: not recorded */
    struct str assignee; /* who did it; STR_NONE: not recorded */
    int64_t at_us;
    bool violated; /* the contrary: it was found that it had not been done */
    const uint8_t
        *duty; /* policy_owed.key of the duty that it is about, no other one; NULL: whatever fits */
    size_t n_details;
    const struct policy_detail *details;
};

/*
 * COUNT, CALLS, VOLUME_BYTES, ROWS and DAYS include the use that is asked about: "count lteq 5"
 * permits while the fact is 1…5. Before there is an agreement the fact is 0. Facts that follow from time alone
 * (dateTime, elapsedTime, inForceDate, DataUsageEnd…) are never asked for: they come from the
 * question.
 *
 * Refinements of a permission's or prohibition's action, and of collections, are judged on the same
 * facts: those of their operands describe the request (purpose, recipient, place, file format), the
 * party, or the data set.
 */
struct policy_facts {
    struct policy_fact of[POLICY_OP__COUNT];
    bool performed_known; /* the list is complete: what is not in it was not done */
    size_t n_performed;
    const struct policy_performed *performed;
};

enum policy_scope {
    POLICY_AT_CATALOGUE,   /* may the peer see the offer */
    POLICY_AT_NEGOTIATION, /* may it be agreed */
    POLICY_AT_TRANSFER,    /* may a transfer start or resume */
    POLICY_AT_ACCESS,      /* may this access go ahead */
    POLICY_AT__COUNT
};

/* One bit (1 << operand) per operand for which policy_decide wants a fact in this scope. */
uint64_t policy_needs(const struct policy *policy, enum policy_scope scope);
/* True if it has duties, of whatever kind: then policy_decide looks at what was performed. */
bool policy_needs_performed(const struct policy *policy);
/* Needs that change with every use: then decide at each access, whatever valid_until_us says. */
#define POLICY_NEEDS_COUNTERS                                                                      \
    (UINT64_C(1) << POLICY_OP_COUNT | UINT64_C(1) << POLICY_OP_CALLS |                             \
     UINT64_C(1) << POLICY_OP_VOLUME_BYTES | UINT64_C(1) << POLICY_OP_ROWS |                       \
     UINT64_C(1) << POLICY_OP_DAYS)

static inline bool policy_needs_operand(uint64_t needs, enum policy_operand operand)
{
    return operand < POLICY_IN_SETS && (needs >> operand & 1) != 0;
}

/* -- decision ---------------------------------------------------------------------------------- */

enum policy_flags {
    /* EDC's reading of a policy that has no rules at all: no restriction. Without it, such a policy
       permits nothing (ODRL). */
    POLICY_EMPTY_PERMITS = 1,
    /* An unfulfilled duty of a permission does not block, a violated one does. Without it the duty
       must be fulfilled before. */
    POLICY_DUTY_EVENTUAL = 2,
    /* Facts do not grow old: for looking ahead at what time alone changes. */
    POLICY_FACTS_LAST = 4,
};

struct policy_question {
    enum policy_action action; /* POLICY_ACT_USE; POLICY_ACT_CX_ACCESS for an access policy (a
                                  permission to use covers it) */
    enum policy_scope scope;
    int64_t now_us;
    int64_t agreement_us; /* POLICY_NO_TIME at catalogue and negotiation: then as if agreed now */
    struct str target;    /* data set; must be given if the policy or a rule names a target, else it
                             does not match */
    struct str
        assignee; /* the party that wants to act; must be given if the policy or a rule names one */
    /* collections that they belong to, for rules about a PartyCollection or AssetCollection */
    const struct str *target_in, *assignee_in;
    size_t n_target_in, n_assignee_in;
    bool
        collections_known; /* the two lists are complete; otherwise what is not in them is unknown */
    unsigned flags;
};

enum policy_verdict { POLICY_DENY, POLICY_PERMIT };

enum policy_why {
    POLICY_WHY_FALSE,        /* the constraint does not hold */
    POLICY_WHY_UNKNOWN,      /* no fact */
    POLICY_WHY_CLAIMED,      /* only claimed, and claims do not count */
    POLICY_WHY_STALE,        /* the fact is too old */
    POLICY_WHY_UNCOMPARABLE, /* the fact's form cannot be compared */
    POLICY_WHY_PROHIBITED, /* a prohibition applies; with the constraint that would have to fail, if
                              any */
    POLICY_WHY_NO_PERMISSION, /* no rule permits this action */
    POLICY_WHY_TARGET,        /* the rule is for another data set, or the question names none */
    POLICY_WHY_ASSIGNEE,      /* the rule is for another party, or the question names none */
    POLICY_WHY_DUTY,          /* a duty of the permission is not fulfilled */
    POLICY_WHY_EXCLUSIVE,     /* it holds, but of these alternatives only one may */
    POLICY_WHY_CONFLICT,      /* permission and prohibition meet and the conflict strategy voids the
                                 policy */
    POLICY_WHY__COUNT
};

/* Something that would have to change. */
struct policy_cause {
    enum policy_why why;
    int rule; /* index over permission, prohibition, obligation in this order; -1: whole policy */
    enum policy_operand operand; /* POLICY_OP__COUNT if it is not about a constraint */
    enum policy_operator op;
    struct str at;       /* JSON pointer in the compiled document; borrowed from the policy */
    struct str required; /* right operand as written; borrowed from the policy */
    const struct policy_source *source; /* of the fact; borrowed from the facts; or NULL */
    char seen[64];                      /* value of the fact as text, cut; "" if there is none */
};

enum policy_duty_state {
    POLICY_DUTY_OUTSTANDING,
    POLICY_DUTY_FULFILLED,
    POLICY_DUTY_VIOLATED,
};

enum policy_duty_role {
    POLICY_ROLE_BEFORE,      /* duty of the permission: must be fulfilled before it counts */
    POLICY_ROLE_OBLIGATION,  /* does not block */
    POLICY_ROLE_CONSEQUENCE, /* of a duty that was violated: with it, late fulfilment counts */
    POLICY_ROLE_REMEDY,      /* of a prohibition that was infringed; permits nothing */
};

/* What the decision brings with it, if PERMIT; a DENY brings remedies only. */
struct policy_duty {
    enum policy_action action;
    enum policy_duty_state state;
    enum policy_duty_role role;
    bool before; /* must be fulfilled before the permission counts (duty), not after (obligation) */
    bool of_assigner;    /* the provider's own duty (Catena-X: keep providing) */
    int rule;            /* as in struct policy_cause */
    int64_t deadline_us; /* POLICY_FOREVER if it has none */
    struct str at;       /* borrowed from the policy */
    /* what is to be paid, if its action has the refinement payAmount; borrowed; else STR_NONE */
    struct str amount, currency;
};

struct policy_decision {
    enum policy_verdict verdict;
    int64_t valid_until_us; /* the verdict holds in [now_us, valid_until_us) as long as the facts
                               hold */
    int permission;         /* index of the rule that permits; -1 if none */
    unsigned n_causes; /* why not; 0 if PERMIT. A smallest set: if all of them change, the verdict
                          is PERMIT */
    unsigned n_duties;
    bool more; /* causes or duties did not all fit */
    struct policy_cause causes[POLICY_CAUSES];
    struct policy_duty duties[POLICY_DUTIES];
};

/* Decides. Never fails; only the first n_causes and n_duties entries of *ret_decision are written.
 */
void policy_decide(const struct policy *policy, const struct policy_question *question,
                   const struct policy_facts *facts, struct policy_decision *ret_decision);

/* The verdict alone: what policy_decide says, without causes and duties. */
bool policy_permits(const struct policy *policy, const struct policy_question *question,
                    const struct policy_facts *facts);

/*
 * False if it is denied for certain: whatever those facts may be that are unknown. Their absence
 * alone never makes it so, a limit on time that has passed does. *ret_until_us is the next instant
 * at which that may be different, POLICY_FOREVER if time changes nothing any more.
 */
bool policy_may_permit(const struct policy *policy, const struct policy_question *question,
                       const struct policy_facts *facts, int64_t *ret_until_us);

const char *
policy_why_slug(enum policy_why why); /* machine-readable: "constraint-false", "fact-unknown", … */

/* -- text -------------------------------------------------------------------------------------- */

/* The policy in words, several lines; equal normal forms give equal text. */
void policy_explain(const struct policy *policy, enum policy_lang lang, struct buf *out);

/* The verdict with its causes in words: for people of this side. Facts and policy must still be
 * there. */
void policy_explain_decision(const struct policy *policy, const struct policy_decision *decision,
                             enum policy_lang lang, struct buf *out);

/* A source of facts in words, with those that speak of the same; nothing for NULL. */
void policy_source_text(const struct policy_source *source, enum policy_lang lang, struct buf *out);

/* One short line for the peer (DSP Termination reason): operand names only, no values of facts. */
void policy_reason(const struct policy_decision *decision, enum policy_lang lang, struct buf *out);

enum policy_form {
    POLICY_FORM_DSP, /* compact, as the DSP 2025-1 schemas want it: arrays forced, right operands as
                        strings */
    POLICY_FORM_EXPANDED, /* JSON-LD expanded, one object */
};

/* One JSON object: "@type", "@id", target, parties, profile, rules. Values keep their spelling. */
void policy_write(const struct policy *policy, enum policy_form form, struct jw *w);

/* Only the members profile, conflict, permission, prohibition, obligation, into the object that is
 * open in *w. */
void policy_write_rules(const struct policy *policy, enum policy_form form, struct jw *w);
