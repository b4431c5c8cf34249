/*
 * policy/policy_private.h - what the files of policy/ share: vocabulary rows, the parsed tree, the
 * program
 *
 * Compiling goes parse.c, rule.c, constraint.c (JSON -> tree) -> normal.c (canonical text, order,
 * hashes) -> compile.c (tree -> program). Tree and program live in the policy's own arena and never change afterwards.
 * decide.c reads the program only.
 */
#pragma once

#include <stdatomic.h>

#include "lib/base/arena.h"
#include "lib/jdoc/jdoc.h"
#include "policy/policy.h"

/* -- vocabulary (vocab.c) ---------------------------------------------------------------------- */

#define ODRL           "http://www.w3.org/ns/odrl/2/"
#define EDC            "https://w3id.org/edc/v0.0.1/ns/"
#define CX             "https://w3id.org/catenax/2025/9/policy/"
#define CX24           "https://w3id.org/catenax/policy/"
#define TX             "https://w3id.org/tractusx/v0.0.1/ns/"
#define NARU           "urn:naru:policy:"
#define RDF            "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#define XSD            "http://www.w3.org/2001/XMLSchema#"

#define NAME_MAX_BYTES 256 /* no IRI of the vocabulary is longer */

enum arity { ARITY_ONE, ARITY_MANY };

/* See policy/vocab.def for what they mean. */
enum meaning {
    MEANING_FACT,
    MEANING_NOW,
    MEANING_ELAPSED,
    MEANING_IN_FORCE,
    MEANING_UNTIL,
    MEANING_DAYS,
    MEANING_TERM,
    MEANING_RESTRICT,
    MEANING_PROVIDE,
    MEANING_PROVIDE_DAYS,
    MEANING_WEEK,
    MEANING_DELAY,
    MEANING_PAY,
    MEANING_UNIT,
};

enum rule_bits { RULES_P = 1, RULES_X = 2, RULES_O = 4, RULES_PX = 3, RULES_PXO = 7 };

/* A the action, P a collection of parties, D one of data sets */
enum refines_bits {
    REFINES_NO,
    REFINES_A = 1,
    REFINES_P = 2,
    REFINES_D = 4,
    REFINES_AP = 3,
    REFINES_AD = 5
};

struct operand_row {
    struct str iri;
    struct str other; /* STR_NONE if none */
    enum policy_value_type type;
    enum arity arity;
    enum meaning meaning;
    unsigned ops;     /* bit per enum policy_operator */
    unsigned rules;   /* enum rule_bits */
    unsigned refines; /* enum refines_bits */
    bool claim_ok;
    int64_t max_age_us; /* 0: no limit */
    const char *text[POLICY_LANG__COUNT];
};
extern const struct operand_row policy__operands[POLICY_OP__COUNT];

struct action_row {
    struct str iri;
    enum policy_action parent; /* POLICY_ACT__COUNT: none */
    const char *text[POLICY_LANG__COUNT];
};
extern const struct action_row policy__actions[POLICY_ACT__COUNT];

/* A row of codes.def. */
struct code_row {
    enum policy_operand operand;
    struct str value;
    const char *text[POLICY_LANG__COUNT];
};
/* NULL if the value has no row; *ret_closed: the operand has a list, so that it should have one. */
const struct code_row *policy__code(enum policy_operand operand, struct str value,
                                    bool *ret_closed);

/* What one value of UsageRestriction forbids. */
struct restriction_row {
    struct str value;
    enum policy_action actions[4];
    size_t n_actions;
};
/* NULL if the value is not one of CX-0152. */
const struct restriction_row *policy__restriction(struct str value);

/* True if a permission or prohibition of `general` covers `special`. */
bool policy__action_covers(enum policy_action general, enum policy_action special);

static_assert(POLICY_ACT__COUNT <= 64, "a set of actions is one word");

/* True if `inner` is `outer` or lies in it; places.c. */
enum truth { TRUTH_FALSE, TRUTH_UNKNOWN, TRUTH_TRUE };
enum truth policy__place_within(struct str inner, struct str outer);
/* True if it is a country, a part of one, or a region of the table. */
bool policy__place_known(struct str place);
/* All countries of the table, one after the other; STR_NONE after the last. */
struct str policy__country(size_t i);

/* -- units (unit.c) ---------------------------------------------------------------------------- */

/*
 * What a number of this operand in this unit is: *ret_operand in its own unit, so many of it. A
 * `unit` is a short name or the IRI of a vocabulary. False if the two have no meaning together.
 */
bool policy__unit(enum policy_operand operand, struct str unit, enum policy_operand *ret_operand,
                  int64_t *ret_factor);
/* The ISO 4217 code that `unit` stands for; STR_NONE if it is no currency. */
struct str policy__currency(struct str unit);

/* -- zones (zone.c) ---------------------------------------------------------------------------- */

enum summer { SUMMER_NONE, SUMMER_EU, SUMMER_US, SUMMER_AU };

struct zone {
    struct str name;
    int64_t offset_us; /* standard time, east of UTC */
    enum summer summer;
};

/* clang-format off */
enum {
#define ZONE(name, ...) +1
    POLICY_ZONES = 0
#include "policy/zones.def"
#undef ZONE
};

/* clang-format on */

/* NULL if the name has no row in zones.def. */
const struct zone *policy__zone(struct str name);
/* Whether clocks are one hour ahead of standard time, and until when; not for SUMMER_NONE. */
bool policy__summer(enum summer rule, int64_t offset_us, int64_t now, int64_t *ret_until);

/* -- recurring windows (week.c) ---------------------------------------------------------------- */

struct value;
/* "mon/fri+09:00" and "09:00/18:00[Asia/Seoul]"; false if it is neither. Fills first and last (day
 * of the week from 0; µs of the day), offset_us, zone and canon. */
bool policy__weekdays(struct arena *arena, struct str text, struct value *value);
bool policy__hours(struct arena *arena, struct str text, struct value *value);
/*
 * The windows of the week in which one of the values is true; *ret_n is how many it keeps. NULL if
 * there is no memory.
 */
struct week;
const struct week *policy__week(struct arena *arena, enum policy_value_type type,
                                const struct value *values, size_t n_values, uint32_t *ret_n);
/* Whether `now` lies in one of the windows, and the instant at which that changes. */
bool policy__in_week(const struct week *week, int64_t now, int64_t *ret_until);

bool policy__operator_find(struct str name, enum policy_operator *ret_op);
/* True if `name` is the row's IRI, or the part after the last '/' or ':' of it. */
bool policy__iri_named(struct str iri, struct str name);

/* -- tree (parse.c, context.c, value.c) -------------------------------------------------------- */

enum value_tag { TAG_STRING, TAG_IRI, TAG_INTEGER, TAG_BOOLEAN };

struct value {
    struct str text;     /* as written */
    enum value_tag tag;  /* how it was written */
    struct str datatype; /* full IRI, or STR_NONE */
    struct str canon;    /* canonical text: equal values have equal text */
    /* integer, boolean; time: its first µs; duration and relative time: µs; decimal: its whole */
    int64_t first;
    /* time: its last µs (end of the day of a date); decimal: its fraction; else equal to first */
    int64_t last;
    int64_t months;          /* duration */
    int64_t offset_us;       /* weekdays and hours: standard time of their zone, east of UTC */
    const struct zone *zone; /* one that has summer time, or NULL */
    bool relative;           /* "contractAgreement+…": first is µs after the agreement */
};

enum node_kind { NODE_ATOM, NODE_AND, NODE_OR, NODE_XONE, NODE_SEQUENCE };

/* One constraint. */
struct node {
    enum node_kind kind;
    struct str at;
    enum policy_operand operand; /* NODE_ATOM */
    enum policy_operand written; /* as written: a count of bytes is a volume */
    enum policy_operator op;
    struct str unit;     /* as written, or STR_NONE */
    struct str currency; /* of an amount */
    bool refines;        /* the root of a refinement */
    bool unit_beside;    /* the unit stands in another constraint, as written */
    bool absorbed; /* its meaning went into the constraint beside it: it has none of its own */
    struct value *values; /* as written */
    struct value *sorted; /* by canonical text, without repetition */
    size_t n_values, n_sorted;
    struct str required;    /* the sorted values for people, joined by ", " */
    struct node **children; /* else; as written */
    struct node *
        *ordered; /* in canonical order, without repetition (xone: with; andSequence: as written) */
    size_t n_children, n_ordered;
    size_t size; /* nodes of this subtree; 0: not normalised yet */
    struct str canon;
};

/* A party or an asset; id STR_NONE if absent. */
struct entity {
    struct str id;
    bool collection;         /* it stands for its members */
    struct node *refinement; /* for those of its members for which this holds; NODE_AND, or NULL */
};

enum rule_kind {
    RULE_PERMISSION,
    RULE_PROHIBITION,
    RULE_OBLIGATION,
    RULE_DUTY,
    RULE_REMEDY,
    RULE_CONSEQUENCE
};

struct rule_list {
    struct rule **written;
    struct rule **ordered; /* canonical order, without repetition */
    size_t n_written, n_ordered;
    size_t n_total; /* with those inside them */
};

struct rule {
    enum rule_kind kind;
    struct str at;
    enum policy_action action;
    struct node *refinement;                  /* of the action: NODE_AND, or NULL */
    struct entity target, assigner, assignee; /* absent if the same as the policy's */
    struct node *constraint;                  /* NODE_AND, or NULL */
    const struct node *conditions;            /* with what else must hold (compile.c), or NULL */
    struct rule_list
        duties; /* duty of a permission, remedy of a prohibition, consequence of a duty */
    struct str canon;
    int index; /* over all top rules in canonical order */
};

enum conflict { CONFLICT_INVALID, CONFLICT_PERM, CONFLICT_PROHIBIT, CONFLICT__COUNT };

extern const char *const policy__conflict_names[CONFLICT__COUNT];

enum { LIST_PERMISSION, LIST_PROHIBITION, LIST_OBLIGATION, LIST__COUNT };

extern const char *const policy__list_names[LIST__COUNT];

/* -- program (compile.c, decide.c) ------------------------------------------------------------- */

enum insn_kind {
    INSN_AND,
    INSN_OR,
    INSN_XONE,
    INSN_SEQUENCE,
    INSN_TRUE,
    INSN_NOW,       /* window over now */
    INSN_AGREEMENT, /* window over now, counted from the agreement */
    INSN_NUMBER,    /* window over the fact's number */
    INSN_TEXT,      /* texts of the fact against `values` */
    INSN_WEEK,      /* windows of the week over now */
    INSN_AMOUNT,    /* an amount that was paid, of performed actions only */
};

/* Instants, both included. */
struct span {
    int64_t lo, hi;
};

/* One constraint, before its children: a tree in preorder. */
struct insn {
    uint8_t kind;
    uint8_t op;
    uint8_t operand;
    bool negate;   /* of the window */
    uint32_t n;    /* children, or values */
    uint32_t next; /* index after this subtree */

    union {
        struct {
            int64_t lo, hi; /* inclusive; INT64_MIN and INT64_MAX: open */
            int64_t lo_months, hi_months;
        } window;

        struct {
            const struct str *values; /* sorted by str_cmp */
        } text;

        const struct week *week;

        struct {
            const struct span *spans; /* of an `or`, see windows.c; NULL: it is none of windows */
            uint32_t n;
        } windows;
    };
    const struct node *node;
};

#define NO_CODE UINT32_MAX

struct prog_duty {
    const struct rule *rule;
    uint8_t key[POLICY_HASH_LEN]; /* of its meaning; of a consequence together with its duty's */
    uint32_t code;                /* conditions; NO_CODE: none */
    uint32_t refinement;          /* of the action that fulfils it; NO_CODE: none */
    uint32_t n_duties;            /* consequences, following */
    const struct prog_duty *duties;
    const struct node *amount; /* the refinement payAmount, or NULL */
};

struct prog_rule {
    const struct rule *rule;
    uint64_t actions; /* one bit per action that it speaks of */
    uint32_t code;    /* NO_CODE: no constraint */
    uint32_t n_duties;
    const struct prog_duty *duties;
    struct entity target, assignee; /* the rule's own or the policy's; absent: any */
};

struct program {
    struct insn *code;
    uint32_t n_code;
    struct prog_rule *permissions, *prohibitions;
    uint32_t n_permissions, n_prohibitions;
    struct prog_duty *obligations;
    uint32_t n_obligations;
    /* conditions of the provider's duty to provide; at transfer and access all must hold */
    struct prog_rule *gates;
    uint32_t n_gates;
    uint64_t needs, obligation_needs;
};

struct policy {
    atomic_uint refs;
    struct arena *arena; /* owned; holds this struct too */
    enum policy_type type;
    struct str id;
    struct entity target, assigner, assignee; /* not refined; a collection in an agreement only */
    int64_t timestamp_us;
    struct str *profiles; /* sorted */
    size_t n_profiles;
    enum conflict conflict;
    struct rule_list rules[LIST__COUNT];
    uint8_t hash[POLICY_HASH_LEN];
    uint8_t rules_hash[POLICY_HASH_LEN];
    struct program program;
};

/* Where in the document we are; frames on the stack, rendered when needed. */
struct where {
    const struct where *up;
    struct str key; /* STR_NONE: index */
    size_t index;
};

struct prefix {
    struct str name;
    struct str iri;
};

/* Those of the document's own context; they come before the built-in ones. */
struct prefixes {
    struct prefix items[16];
    size_t n;
};

/* One run of policy_compile. */
struct parse {
    struct policy *policy;
    struct arena *arena; /* the policy's */
    struct err *err;
    const struct policy_parents *parents; /* NULL: there are none */
    struct prefixes prefixes;             /* of the document that is read */
    struct str id;                        /* of the document that is read, or STR_NONE */
    unsigned nodes;                       /* JSON values so far, of all documents */
    /* of policy__where; longer than err's, which sees from that where to cut */
    char at[sizeof(((struct err *)NULL)->at) + 8];
};

const char *policy__where(struct parse *ps, const struct where *w);
struct str policy__where_str(struct parse *ps, const struct where *w);

/* err_tell at a place of the document. */
#define refuse(ps, w, code, ...) err_tell((ps)->err, (code), policy__where((ps), (w)), __VA_ARGS__)

MUST_CHECK int policy__parse(struct parse *ps, const struct jval *doc);

/* Reads "@context": known context documents and prefixes only. */
MUST_CHECK int policy__context(struct parse *ps, const struct jval *context, const struct where *w);
/*
 * The full IRI of a name that may have a prefix; a name without known prefix is returned as it is.
 * `full` is room for it. `prefixes` may be NULL. STR_NONE if it does not fit.
 */
struct str policy__expand(const struct prefixes *prefixes, struct str name,
                          char full[static NAME_MAX_BYTES]);

/* Types one right operand; `datatype` is what the constraint states for all of them, or STR_NONE. */
MUST_CHECK int policy__value(struct parse *ps, enum policy_operand operand, struct str datatype,
                             const struct jval *v, const struct where *w, struct value *ret_value);

/* [-]digits[.digits], at most 18 before and 18 after the point: whole and 10^-18 parts, both with
 * the sign. */
bool policy__decimal(struct str text, int64_t *ret_whole, int64_t *ret_fraction);

/* True for the bare name of a member that policies may have ("permission"). */
bool policy__term_known(struct str name);

/* Whether both are the same party or asset, or the same members of a collection. */
MUST_CHECK int policy__same_entity(struct parse *ps, const struct entity *a, const struct entity *b,
                                   bool *ret_same);

/* Fills canon, order and the hashes of the whole tree. */
MUST_CHECK int policy__normalise(struct parse *ps);

/* Joins the operands of an `or` if they are all windows of time (windows.c). */
MUST_CHECK int policy__join_windows(struct arena *arena, struct insn *code, uint32_t pc);

MUST_CHECK int policy__program(struct parse *ps);
