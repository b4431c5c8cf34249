/*
 * connector/dsp/difference.c - other rules than those on the table: what is different, and whether
 * they may be taken in place of our own offer
 *
 * Rules are compared piece by piece: an action, a party, or one constraint, each with the kind of
 * rule in which it stands. Our operator reads the difference in words, with values; the peer gets the names
 * of what differs (it knows both texts, but not how we read them).
 *
 * Rules of a peer are taken only if whatever they permit, our offer permits (policy_compare, exact),
 * and all that they add narrows what the peer may do: a limit of time, a fact, a use that it forbids
 * itself. A duty, or a term of contract (liability, warranty, ...), may bind us: that is for an operator.
 */
#include "connector/dsp/dsp_private.h"
#include "policy/compare.h"

#include "lib/base/banned.h"

#define PIECES_MOST 1024
#define NAMES_MAX   400 /* fits into an error, and into a peer's reason */
#define WORDS_MAX   KIB(2)

struct piece {
    struct str rule;             /* "permission", "duty", … */
    struct str name;             /* "dateTime", "action" */
    struct str text;             /* as normal form */
    enum policy_operand operand; /* POLICY_OP__COUNT: it is no constraint */
};

struct pieces {
    struct arena *arena;
    struct piece *items;
    size_t n;
};

static const struct str rule_members[] = {
    STR_INIT("permission"), STR_INIT("prohibition"), STR_INIT("obligation"),
    STR_INIT("duty"),       STR_INIT("remedy"),      STR_INIT("consequence"),
};

static bool is_rule_member(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(rule_members); i++) {
        if (str_eq(key, rule_members[i]))
            return true;
    }
    return false;
}

/* "dateTime" of ".../odrl/2/dateTime" and of "odrl:dateTime". */
static struct str local_name(struct str iri)
{
    for (size_t i = iri.n; i > 0; i--) {
        if (iri.p[i - 1] == '/' || iri.p[i - 1] == '#' || iri.p[i - 1] == ':')
            return str_from(iri, i);
    }
    return iri;
}

static int add(struct pieces *pieces, struct str rule, struct str name, const struct jval *value,
               enum policy_operand operand, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_JSON_BYTES);

    if (pieces->n == PIECES_MOST)
        return err_set(err, E_LIMIT, "", "more than %d differences are not counted", PIECES_MOST);
    jval_write(&text, value);
    pieces->items[pieces->n++] =
        (struct piece){rule, name, arena_str(pieces->arena, buf_str(&text)), operand};
    return buf_failed(&text) || arena_failed(pieces->arena)
               ? err_set(err, E_NO_MEMORY, "", "difference")
               : 0;
}

static int walk(struct pieces *pieces, struct str rule, struct str key, const struct jval *value,
                struct err *err)
{
    const struct str left = jval_str(jval_get(value, "leftOperand"));
    enum policy_operand operand = POLICY_OP__COUNT;

    if (jtype_of(value) == J_ARRAY) {
        for (size_t i = 0; i < jval_len(value); i++) {
            if (walk(pieces, rule, key, jval_at(value, i), err) < 0)
                return err_ret(err);
        }
        return 0;
    }
    if (jtype_of(value) != J_OBJECT)
        return str_present(rule) ? add(pieces, rule, key, value, operand, err) : 0;
    if (str_present(left)) {
        (void)policy_operand_find(left, &operand);
        return add(pieces, rule, local_name(left), value, operand, err);
    }
    for (const struct jiter *it = jiter_first(value); it != NULL; it = jiter_next(value, it)) {
        const struct str member = local_name(jiter_key(it));

        if (walk(pieces, is_rule_member(member) ? member : rule, member, jiter_value(it), err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* Names and rules are the document's, which the caller keeps as long. */
static int take_apart(const struct policy *policy, struct arena *arena, struct jdoc **ret_doc,
                      struct pieces *ret_pieces, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_JSON_BYTES);
    struct jw w = jw_init(&text);

    jw_object(&w);
    policy_write_rules(policy, POLICY_FORM_DSP, &w);
    jw_object_end(&w);
    *ret_pieces =
        (struct pieces){.arena = arena, .items = ARENA_ARRAY(arena, struct piece, PIECES_MOST)};
    if (buf_failed(&text) || ret_pieces->items == NULL)
        return err_set(err, E_NO_MEMORY, "", "difference");
    if (jdoc_parse(buf_str(&text), NULL, ret_doc, err) < 0)
        return err_ret(err);
    return walk(ret_pieces, STR_NONE, STR_NONE, jdoc_root(*ret_doc), err);
}

static bool has(const struct pieces *pieces, const struct piece *piece)
{
    for (size_t i = 0; i < pieces->n; i++) {
        if (str_eq(pieces->items[i].rule, piece->rule) &&
            str_eq(pieces->items[i].name, piece->name) &&
            str_eq(pieces->items[i].text, piece->text))
            return true;
    }
    return false;
}

static bool named_before(const struct pieces *of, size_t end, const struct pieces *against)
{
    for (size_t i = 0; i < end; i++) {
        if (str_eq(of->items[i].rule, of->items[end].rule) &&
            str_eq(of->items[i].name, of->items[end].name) && !has(against, &of->items[i]))
            return true;
    }
    return false;
}

/* Pieces of one that the other does not have, each name once; what does not fit is left out. */
static void add_names(const struct pieces *of, const struct pieces *against, struct buf *out)
{
    for (size_t i = 0; i < of->n; i++) {
        const struct piece *piece = &of->items[i];

        if (has(against, piece) || named_before(of, i, against) ||
            out->n + piece->rule.n + piece->name.n + 4 > NAMES_MAX)
            continue;
        buf_printf(out, "%s%.*s %.*s", out->n > 0 ? ", " : "", STR_ARG(piece->rule),
                   STR_ARG(piece->name));
    }
}

/* True if the piece narrows what the other party may do, and binds nobody else. */
static bool narrows(const struct policy *policy, const struct piece *piece)
{
    const bool permission = str_eq(piece->rule, STR("permission"));
    const bool prohibition = str_eq(piece->rule, STR("prohibition"));
    const enum policy_operand operand = piece->operand;
    enum policy_value_type type;

    if (operand == POLICY_OP__COUNT)
        return prohibition && str_eq(piece->name, STR("action"));
    if (!permission && !prohibition)
        return false;
    type = policy_operand_type(operand);
    return policy_needs_operand(policy_needs(policy, POLICY_AT_NEGOTIATION), operand) ||
           type == POLICY_V_TIME || type == POLICY_V_DURATION ||
           operand == POLICY_OP_USAGE_END_DAYS || operand == POLICY_OP_USAGE_RESTRICTION;
}

static bool only_narrows(const struct policy *asked, const struct pieces *theirs,
                         const struct pieces *ours)
{
    for (size_t i = 0; i < theirs->n; i++) {
        if (!has(ours, &theirs->items[i]) && !narrows(asked, &theirs->items[i]))
            return false;
    }
    return true;
}

static int find_names(const struct pieces *a, const struct pieces *b, struct arena *arena,
                      struct str *ret_names, struct err *err)
{
    AUTO(buf_done) struct buf names = buf_init(2 * NAMES_MAX);

    add_names(a, b, &names);
    add_names(b, a, &names);
    if (names.n == 0)
        buf_add_c(&names, "how the rules are put together");
    *ret_names = arena_str(arena, buf_str(&names));
    return buf_failed(&names) || arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "difference")
                                                     : 0;
}

int dsp__difference(const struct policy *was, const struct policy *now, struct arena *arena,
                    struct difference *ret, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *first = NULL;
    AUTO(jdoc_free) struct jdoc *second = NULL;
    AUTO(buf_done) struct buf words = buf_init(WORDS_MAX);
    struct pieces a, b;

    *ret = (struct difference){0};
    if (take_apart(was, arena, &first, &a, err) < 0 ||
        take_apart(now, arena, &second, &b, err) < 0 ||
        find_names(&a, &b, arena, &ret->names, err) < 0)
        return err_ret(err);
    policy_explain_difference(was, now, POLICY_EN, &words);
    /* more than an operator wants to read in one line of a list */
    ret->words = buf_failed(&words) ? ret->names : arena_str(arena, buf_str(&words));
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "difference") : 0;
}

int dsp__may_take(const struct policy *asked, const struct policy *ours, int64_t now_us,
                  struct arena *arena, bool *ret_may, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *first = NULL;
    AUTO(jdoc_free) struct jdoc *second = NULL;
    struct policy_comparison comparison;
    struct pieces theirs, own;

    *ret_may = false;
    if (take_apart(asked, arena, &first, &theirs, err) < 0 ||
        take_apart(ours, arena, &second, &own, err) < 0)
        return err_ret(err);
    if (!only_narrows(asked, &theirs, &own))
        return 0;
    if (policy_compare(asked, ours, now_us, arena, &comparison, err) < 0)
        return err_ret(err);
    *ret_may = policy_at_least_as_strict(&comparison, 0) == POLICY_YES &&
               !str_present(comparison.duty_missing[0]);
    return 0;
}
