/*
 * policy/vocab.c - the vocabulary: operands, operators, actions, restrictions, and how their names
 * are found
 */
#include "policy/policy.h"

#include "lib/base/timefmt.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

/* clang-format off */
#define BIT(op)     (1U << POLICY_##op)
#define OPS_EQUAL    (BIT(EQ) | BIT(NEQ))
#define OPS_LIMIT    (BIT(LT) | BIT(LTEQ) | BIT(GT) | BIT(GTEQ))
#define OPS_ORDER    (OPS_EQUAL | OPS_LIMIT)
#define OPS_REACH    (BIT(EQ) | OPS_LIMIT)
#define OPS_SET      (OPS_EQUAL | BIT(IS_ANY_OF) | BIT(IS_NONE_OF))
#define OPS_ALL      (OPS_SET | BIT(IS_ALL_OF))
#define OPS_TREE     (OPS_SET | BIT(IS_A) | BIT(IS_PART_OF))
#define OPS_ONLY_EQ  BIT(EQ)
#define OPS_TERM_OPS (BIT(EQ) | BIT(IS_ANY_OF) | BIT(IS_ALL_OF))
#define CLAIM_NO     false
#define CLAIM_OK     true

const struct operand_row policy__operands[POLICY_OP__COUNT] = {
#define OPERAND(id_, iri_, other_, type_, arity_, meaning_, ops_, rules_, refines_, claim_, age_, ko_, en_) \
    [POLICY_OP_##id_] = {.iri = STR_INIT(iri_), .other = STR_INIT(other_), .type = POLICY_V_##type_, \
                         .arity = ARITY_##arity_, .meaning = MEANING_##meaning_, .ops = OPS_##ops_, \
                         .rules = RULES_##rules_, .refines = REFINES_##refines_, .claim_ok = claim_, .max_age_us = age_, .text = {ko_, en_}},
#include "policy/vocab.def"
#undef OPERAND
};

#define OPERAND(id_, iri_, other_, type_, arity_, meaning_, ...)                                                          \
    static_assert(MEANING_##meaning_ != MEANING_FACT || (int)POLICY_OP_##id_ < POLICY_IN_SETS, #id_ ": move the row up");
#include "policy/vocab.def"
#undef OPERAND

#define POLICY_ACT_NONE POLICY_ACT__COUNT
const struct action_row policy__actions[POLICY_ACT__COUNT] = {
#define ACTION(id_, iri_, parent_, ko_, en_) \
    [POLICY_ACT_##id_] = {.iri = STR_INIT(iri_), .parent = POLICY_ACT_##parent_, .text = {ko_, en_}},
#include "policy/actions.def"
#undef ACTION
};

static const char *const operator_names[] = {
    [POLICY_EQ] = "eq",             [POLICY_NEQ] = "neq",            [POLICY_LT] = "lt",
    [POLICY_LTEQ] = "lteq",         [POLICY_GT] = "gt",              [POLICY_GTEQ] = "gteq",
    [POLICY_IS_A] = "isA",          [POLICY_IS_PART_OF] = "isPartOf", [POLICY_HAS_PART] = "hasPart",
    [POLICY_IS_ANY_OF] = "isAnyOf", [POLICY_IS_ALL_OF] = "isAllOf",  [POLICY_IS_NONE_OF] = "isNoneOf",
};
static_assert(ARRAY_LEN(operator_names) == POLICY_OPERATOR__COUNT, "one name per operator");

static const char *const type_names[] = {"Set", "Offer", "Agreement"};
static_assert(ARRAY_LEN(type_names) == POLICY_TYPE__COUNT, "one name per type");

const char *const policy__conflict_names[CONFLICT__COUNT] = {"invalid", "perm", "prohibit"};
const char *const policy__list_names[LIST__COUNT] = {"permission", "prohibition", "obligation"};

static const struct code_row codes[] = {
#define CODE(operand_, value_, ko_, en_) {POLICY_OP_##operand_, STR_INIT(value_), {ko_, en_}},
#include "policy/codes.def"
#undef CODE
};

/* CX-0152, UsageRestriction: what each clause forbids, in ODRL's words */
static const struct restriction_row restrictions[] = {
    {STR_INIT("cx.thirdParty.forbidden:1"),
     {POLICY_ACT_DISTRIBUTE, POLICY_ACT_TRANSFER, POLICY_ACT_REPRODUCE, POLICY_ACT_GRANT_USE}, 4},
    {STR_INIT("cx.manipulation.forbidden:1"),           {POLICY_ACT_MODIFY},            1},
    {STR_INIT("cx.derivations.forbidden:1"),            {POLICY_ACT_DERIVE},            1},
    {STR_INIT("cx.extraordinaryAnalytics.forbidden:1"), {POLICY_ACT_DATA_MINING},       1},
    {STR_INIT("cx.dataProviderRemoval.forbidden:1"),    {POLICY_ACT_REMOVE_PROVENANCE}, 1},
};

/* clang-format on */

bool policy__iri_named(struct str iri, struct str name)
{
    char before;

    if (name.n >= iri.n)
        return str_eq(iri, name);
    before = iri.p[iri.n - name.n - 1];
    return str_ends(iri, name) && (before == '/' || before == ':');
}

/* Full IRIs first: "urn:x:participant" must not be taken for the bare name of another row. */
bool policy_operand_find(struct str name, enum policy_operand *ret_operand)
{
    char full[NAME_MAX_BYTES];
    struct str iri = policy__expand(NULL, name, full);
    bool bare = name.n > 0 && memchr(name.p, ':', name.n) == NULL;

    for (int i = 0; i < POLICY_OP__COUNT && iri.n > 0; i++) {
        const struct operand_row *row = &policy__operands[i];

        if (str_eq(row->iri, iri) || (row->other.n > 0 && str_eq(row->other, iri)) ||
            (bare && policy__iri_named(row->iri, name))) {
            *ret_operand = (enum policy_operand)i;
            return true;
        }
    }
    return false;
}

bool policy_action_find(struct str name, enum policy_action *ret_action)
{
    char full[NAME_MAX_BYTES];
    struct str iri = policy__expand(NULL, name, full);
    bool bare = name.n > 0 && memchr(name.p, ':', name.n) == NULL;

    for (int i = 0; i < POLICY_ACT__COUNT && iri.n > 0; i++) {
        if (str_eq(policy__actions[i].iri, iri) ||
            (bare && policy__iri_named(policy__actions[i].iri, name))) {
            *ret_action = (enum policy_action)i;
            return true;
        }
    }
    return false;
}

bool policy__operator_find(struct str name, enum policy_operator *ret_op)
{
    struct str bare = name;

    if (str_starts(name, STR(ODRL)))
        bare = str_from(name, sizeof(ODRL) - 1);
    /* the DSP 2025-1 contract schema spells one operator "term-lteq" */
    if (str_eq(bare, STR("term-lteq")))
        bare = STR("lteq");
    for (int i = 0; i < POLICY_OPERATOR__COUNT; i++) {
        if (str_eq_c(bare, operator_names[i])) {
            *ret_op = (enum policy_operator)i;
            return true;
        }
    }
    return false;
}

const struct restriction_row *policy__restriction(struct str value)
{
    for (size_t i = 0; i < ARRAY_LEN(restrictions); i++) {
        if (str_eq(restrictions[i].value, value))
            return &restrictions[i];
    }
    return NULL;
}

const struct code_row *policy__code(enum policy_operand operand, struct str value, bool *ret_closed)
{
    *ret_closed = false;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i].operand != operand)
            continue;
        *ret_closed = true;
        if (str_eq(codes[i].value, value))
            return &codes[i];
    }
    return NULL;
}

bool policy__action_covers(enum policy_action general, enum policy_action special)
{
    enum policy_action action = special;

    while (action != general && action != POLICY_ACT__COUNT)
        action = policy__actions[action].parent;
    return action == general;
}

const char *policy_operand_iri(enum policy_operand operand)
{
    return policy__operands[operand].iri.p;
}

const char *policy_action_iri(enum policy_action action)
{
    return policy__actions[action].iri.p;
}

const char *policy_operator_name(enum policy_operator op)
{
    return operator_names[op];
}

const char *policy_type_name(enum policy_type type)
{
    return type_names[type];
}

enum policy_value_type policy_operand_type(enum policy_operand operand)
{
    return policy__operands[operand].type;
}

const char *policy_operand_text(enum policy_operand operand, enum policy_lang lang)
{
    return policy__operands[operand].text[lang];
}

const char *policy_action_text(enum policy_action action, enum policy_lang lang)
{
    return policy__actions[action].text[lang];
}
