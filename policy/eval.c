/*
 * policy/eval.c - evaluates the constraints of a program
 *
 * 1. A constraint is true, false or unknown. A fact that is missing, stale, claimed where claims do not count, or not comparable
 *    makes it unknown. Known absence is the empty set for operands of arity MANY; for the others it makes positive
 *    operators false and negative ones unknown.
 * 2. Logical constraints follow strong Kleene logic; xone is true with exactly one true and no unknown operand.
 * 3. Each truth carries the instant until which it holds for sure; it is composed upwards, so that the decision's is exact for
 *    one constraint on time and never late for several.
 * (policy.md §1.4, built from ODRL Information Model 2.2 and the community group's Formal Semantics)
 */
#include "policy/policy.h"

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "policy/decide_private.h"

#include "lib/base/banned.h"

/* -- atoms ------------------------------------------------------------------------------------- */

enum policy_why policy__fact_why(const struct policy_fact *fact, const struct operand_row *row)
{
    if (fact->knowledge == POLICY_UNKNOWN)
        return POLICY_WHY_UNKNOWN;
    if (fact->claimed && !row->claim_ok)
        return POLICY_WHY_CLAIMED;
    if (row->max_age_us > 0 && fact->age_us > row->max_age_us)
        return POLICY_WHY_STALE;
    if (fact->knowledge == POLICY_KNOWN &&
        (fact->n_values == 0 || (row->arity == ARITY_ONE && fact->n_values != 1)))
        return POLICY_WHY_UNCOMPARABLE;
    return POLICY_WHY_FALSE;
}

/* The instant at which the fact becomes too old. */
static int64_t fact_until(const struct eval *e, const struct policy_fact *fact,
                          const struct operand_row *row)
{
    if (row->max_age_us == 0 || (e->question->flags & POLICY_FACTS_LAST) != 0)
        return POLICY_FOREVER;
    return add_saturated(e->question->now_us,
                         row->max_age_us - (fact->age_us > 0 ? fact->age_us : 0) + 1);
}

static struct outcome time_window(int64_t now, int64_t lo, int64_t hi, bool negate)
{
    bool in = now >= lo && now <= hi;
    int64_t until = POLICY_FOREVER;

    if (in)
        until = add_saturated(hi, 1);
    else if (now < lo && lo <= hi)
        until = lo;
    return (struct outcome){in != negate ? TRUTH_TRUE : TRUTH_FALSE, until};
}

int64_t policy__from_agreement(const struct eval *e, int64_t us, int64_t months)
{
    if (us == INT64_MIN || us == INT64_MAX)
        return us;
    return add_saturated(months != 0 ? time_add_months(e->agreement_us, months) : e->agreement_us,
                         us);
}

static struct outcome eval_agreement(const struct eval *e, const struct insn *insn)
{
    struct outcome outcome;

    if (e->agreement_us == POLICY_NO_TIME)
        return (struct outcome){TRUTH_UNKNOWN, POLICY_FOREVER};
    outcome = time_window(
        e->question->now_us, policy__from_agreement(e, insn->window.lo, insn->window.lo_months),
        policy__from_agreement(e, insn->window.hi, insn->window.hi_months), insn->negate);
    /* as if agreed now, at whatever instant that is asked */
    if (e->hypothetical)
        outcome.until = POLICY_FOREVER;
    return outcome;
}

/* Absence, see rule 1. */
static enum truth absent_truth(const struct operand_row *row, enum policy_operator op)
{
    if (op != POLICY_NEQ && op != POLICY_IS_NONE_OF)
        return TRUTH_FALSE;
    return row->arity == ARITY_MANY ? TRUTH_TRUE : TRUTH_UNKNOWN;
}

static struct outcome eval_number(const struct eval *e, const struct insn *insn,
                                  const struct policy_fact *fact, const struct operand_row *row)
{
    int64_t x = fact->values[0].number;
    bool in = x >= insn->window.lo && x <= insn->window.hi;

    return (struct outcome){in != insn->negate ? TRUTH_TRUE : TRUTH_FALSE,
                            fact_until(e, fact, row)};
}

#define LINEAR_MAX 8 /* below, comparing lengths first beats a binary search */

static bool contains(const struct insn *insn, struct str text)
{
    uint32_t lo = 0, hi = insn->n;

    while (hi - lo > LINEAR_MAX) {
        uint32_t mid = lo + (hi - lo) / 2;
        int order = str_cmp(text, insn->text.values[mid]);

        if (order == 0)
            return true;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    for (; lo < hi; lo++) {
        if (str_eq(text, insn->text.values[lo]))
            return true;
    }
    return false;
}

/* Whether one value of the fact is, or lies in, one of the operand's values. */
static enum truth match_text(const struct insn *insn, const struct operand_row *row,
                             struct str text)
{
    enum truth truth = TRUTH_FALSE;

    if (contains(insn, text))
        return TRUTH_TRUE;
    if (row->type == POLICY_V_PLACE) {
        for (uint32_t i = 0; i < insn->n && truth != TRUTH_TRUE; i++) {
            enum truth within = policy__place_within(text, insn->text.values[i]);

            truth = within > truth ? within : truth;
        }
        return truth;
    }
    /* no taxonomy of purposes is bundled: another concept may or may not be a kind of this one */
    return insn->op == POLICY_IS_A || insn->op == POLICY_IS_PART_OF ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

static bool fact_has(const struct policy_fact *fact, struct str text)
{
    for (size_t i = 0; i < fact->n_values; i++) {
        if (str_eq(fact->values[i].text, text))
            return true;
    }
    return false;
}

static enum truth eval_text(const struct insn *insn, const struct policy_fact *fact,
                            const struct operand_row *row)
{
    enum truth truth = TRUTH_FALSE;

    if (insn->op == POLICY_IS_ALL_OF) {
        for (uint32_t i = 0; i < insn->n; i++) {
            if (!fact_has(fact, insn->text.values[i]))
                return TRUTH_FALSE;
        }
        return TRUTH_TRUE;
    }
    for (size_t i = 0; i < fact->n_values && truth != TRUTH_TRUE; i++) {
        enum truth match = match_text(insn, row, fact->values[i].text);

        truth = match > truth ? match : truth;
    }
    if (insn->op == POLICY_NEQ || insn->op == POLICY_IS_NONE_OF)
        return (enum truth)(TRUTH_TRUE - truth);
    return truth;
}

static const struct policy_fact *fact_of(const struct eval *e, enum policy_operand operand)
{
    static const struct policy_fact nothing;

    if (e->done == NULL)
        return &e->facts->of[operand];
    for (size_t i = 0; i < e->done->n_details; i++) {
        if (e->done->details[i].operand == operand)
            return &e->done->details[i].fact;
    }
    return &nothing;
}

static struct outcome eval_fact(const struct eval *e, const struct insn *insn)
{
    const struct operand_row *row = &policy__operands[insn->operand];
    const struct policy_fact *fact = fact_of(e, (enum policy_operand)insn->operand);

    if (policy__fact_why(fact, row) != POLICY_WHY_FALSE)
        return (struct outcome){TRUTH_UNKNOWN, POLICY_FOREVER};
    if (fact->knowledge == POLICY_ABSENT)
        return (struct outcome){absent_truth(row, (enum policy_operator)insn->op),
                                fact_until(e, fact, row)};
    if (insn->kind == INSN_NUMBER)
        return eval_number(e, insn, fact, row);
    return (struct outcome){eval_text(insn, fact, row), fact_until(e, fact, row)};
}

static struct outcome eval_week(const struct eval *e, const struct insn *insn)
{
    int64_t until;
    const bool in = policy__in_week(insn->week, e->question->now_us, &until);

    return (struct outcome){in != insn->negate ? TRUTH_TRUE : TRUTH_FALSE, until};
}

static bool holds(enum policy_operator op, int order)
{
    switch (op) {
    case POLICY_EQ: /* who pays more has paid */
    case POLICY_GTEQ: return order >= 0;
    case POLICY_GT: return order > 0;
    case POLICY_LT: return order < 0;
    case POLICY_LTEQ: return order <= 0;
    default: CHECK_UNREACHABLE(); /* OPS_REACH */
    }
}

/* Amounts of two currencies cannot be compared, whatever the rate. */
static struct outcome eval_amount(const struct eval *e, const struct insn *insn)
{
    const struct outcome unknown = {TRUTH_UNKNOWN, POLICY_FOREVER};
    const struct policy_fact *fact = fact_of(e, (enum policy_operand)insn->operand);
    const struct value *wanted = &insn->node->sorted[0];
    int64_t whole, fraction;
    int order;

    if (policy__fact_why(fact, &policy__operands[insn->operand]) != POLICY_WHY_FALSE ||
        fact->knowledge != POLICY_KNOWN || !str_present(fact->values[0].unit) ||
        !str_eq(policy__currency(fact->values[0].unit), insn->node->currency) ||
        !policy__decimal(fact->values[0].text, &whole, &fraction))
        return unknown;
    order = (whole > wanted->first) - (whole < wanted->first);
    if (order == 0)
        order = (fraction > wanted->last) - (fraction < wanted->last);
    return (struct outcome){holds((enum policy_operator)insn->op, order) ? TRUTH_TRUE : TRUTH_FALSE,
                            POLICY_FOREVER};
}

/* -- logic ------------------------------------------------------------------------------------- */

/*
 * `or` is `and` turned round: the truth that decides alone is true instead of false. It stands as
 * long as one operand that decides stands; otherwise anything may change it.
 */
static struct outcome eval_and_or(const struct eval *e, uint32_t pc, enum truth decisive)
{
    const struct insn *insn = &e->code[pc];
    enum truth truth = TRUTH_TRUE - decisive;
    int64_t decided_until = INT64_MIN, until = POLICY_FOREVER;
    bool unknown = false, decided = false;

    for (uint32_t at = pc + 1; at < insn->next; at = e->code[at].next) {
        struct outcome child = policy__eval(e, at);

        if (child.truth == decisive) {
            decided = true;
            decided_until = later(decided_until, child.until);
        }
        unknown = unknown || child.truth == TRUTH_UNKNOWN;
        until = earlier(until, child.until);
    }
    if (decided)
        return (struct outcome){decisive, decided_until};
    return (struct outcome){unknown ? TRUTH_UNKNOWN : truth, until};
}

static struct outcome eval_xone(const struct eval *e, uint32_t pc)
{
    const struct insn *insn = &e->code[pc];
    unsigned n_true = 0, n_unknown = 0;
    int64_t until = POLICY_FOREVER;
    enum truth truth = TRUTH_UNKNOWN;

    for (uint32_t at = pc + 1; at < insn->next; at = e->code[at].next) {
        struct outcome child = policy__eval(e, at);

        n_true += child.truth == TRUTH_TRUE;
        n_unknown += child.truth == TRUTH_UNKNOWN;
        until = earlier(until, child.until);
    }
    if (n_true > 1 || (n_true == 0 && n_unknown == 0))
        truth = TRUTH_FALSE;
    else if (n_true == 1 && n_unknown == 0)
        truth = TRUTH_TRUE;
    return (struct outcome){truth, until};
}

/* As `and`, and no operand may begin to hold before the one that stands in front of it. */
static struct outcome eval_sequence(const struct eval *e, uint32_t pc)
{
    const struct insn *insn = &e->code[pc];
    struct outcome all = eval_and_or(e, pc, TRUTH_FALSE);
    int64_t last = INT64_MIN;

    if (all.truth != TRUTH_TRUE)
        return all;
    if (e->hypothetical)
        all.until = add_saturated(e->question->now_us, 1); /* the order moves with the instant */
    for (uint32_t at = pc + 1; at < insn->next; at = e->code[at].next) {
        const struct insn *child = &e->code[at];
        int64_t since = child->window.lo;

        if (child->kind == INSN_AGREEMENT)
            since = policy__from_agreement(e, child->window.lo, child->window.lo_months);
        if (since < last)
            return (struct outcome){TRUTH_FALSE, all.until};
        last = since;
    }
    return all;
}

/* A term of contract holds, unless the question is who accepts it. */
static enum truth eval_term(const struct eval *e, const struct insn *insn)
{
    const struct terms *terms = e->terms;

    if (terms == NULL || terms->refused == terms->n ||
        policy__operands[insn->operand].meaning != MEANING_TERM)
        return TRUTH_TRUE;
    if (terms->refused > terms->n)
        return TRUTH_FALSE;
    return str_eq(insn->node->canon, terms->canon[terms->refused]) ? TRUTH_FALSE : TRUTH_TRUE;
}

struct outcome policy__eval(const struct eval *e, uint32_t pc)
{
    const struct insn *insn;

    if (pc == NO_CODE)
        return (struct outcome){TRUTH_TRUE, POLICY_FOREVER};
    insn = &e->code[pc];
    switch ((enum insn_kind)insn->kind) {
    case INSN_AND: return eval_and_or(e, pc, TRUTH_FALSE);
    case INSN_OR:
        return insn->windows.spans != NULL ? policy__in_windows(insn, e->question->now_us)
                                           : eval_and_or(e, pc, TRUTH_TRUE);
    case INSN_XONE: return eval_xone(e, pc);
    case INSN_SEQUENCE: return eval_sequence(e, pc);
    case INSN_TRUE: return (struct outcome){eval_term(e, insn), POLICY_FOREVER};
    case INSN_NOW:
        return time_window(e->question->now_us, insn->window.lo, insn->window.hi, insn->negate);
    case INSN_AGREEMENT: return eval_agreement(e, insn);
    case INSN_NUMBER:
    case INSN_TEXT: return eval_fact(e, insn);
    case INSN_WEEK: return eval_week(e, insn);
    case INSN_AMOUNT: return eval_amount(e, insn);
    }
    CHECK_UNREACHABLE();
}
