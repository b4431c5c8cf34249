/*
 * policy/cause.c - why a policy denies: a smallest set of things that would have to change
 *
 * Each constraint has two prices: how many atoms must change to make it true, and to make it not
 * apply (false). Walking down along the cheapest way gives the causes. Only denials come here, so
 * that permits stay fast.
 */
#include "policy/policy.h"

#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "policy/decide_private.h"

#include "lib/base/banned.h"

/* More than any policy has atoms; a sum over all atoms still fits. */
#define IMPOSSIBLE INT64_C(1000000000)

/* Where the causes go, and what they are reported as. */
struct collect {
    const struct eval *e;
    struct policy_decision *decision;
    int rule;
    enum policy_why unmake_why; /* for what holds and should not */
};

/* -- prices ------------------------------------------------------------------------------------ */

/* What it costs to make it true (want), or false. */
static int64_t price_of(const struct eval *e, uint32_t pc, bool want);

static int64_t price_of_all(const struct eval *e, uint32_t pc, bool want)
{
    int64_t price = 0;

    for (uint32_t at = pc + 1; at < e->code[pc].next; at = e->code[at].next)
        price += price_of(e, at, want);
    return price;
}

/* The operand for which it costs least. None is as wanted, so nothing is cheaper than one. */
static uint32_t cheapest(const struct eval *e, uint32_t pc, bool want, int64_t *ret_price)
{
    uint32_t found = pc;

    *ret_price = INT64_MAX;
    for (uint32_t at = pc + 1; at<e->code[pc].next && * ret_price> 1; at = e->code[at].next) {
        const int64_t price = price_of(e, at, want);

        if (price < *ret_price) {
            *ret_price = price;
            found = at;
        }
    }
    return found;
}

/* What an `xone` would cost in each way, and along which operands. */
struct ways {
    int64_t unmake_all, make_least, make_second;
    int64_t
        exchange; /* least of make - unmake: which operand to make while the others are unmade */
    uint32_t make_at[2], exchange_at;
};

static struct ways ways_of(const struct eval *e, uint32_t pc)
{
    struct ways w = {
        .make_least = INT64_MAX / 4, .make_second = INT64_MAX / 4, .exchange = INT64_MAX};

    for (uint32_t at = pc + 1; at < e->code[pc].next; at = e->code[at].next) {
        const int64_t make = price_of(e, at, true), unmake = price_of(e, at, false);

        w.unmake_all += unmake;
        if (make < w.make_least) {
            w.make_second = w.make_least;
            w.make_at[1] = w.make_at[0];
            w.make_least = make;
            w.make_at[0] = at;
        } else if (make < w.make_second) {
            w.make_second = make;
            w.make_at[1] = at;
        }
        if (make - unmake < w.exchange) {
            w.exchange = make - unmake;
            w.exchange_at = at;
        }
    }
    return w;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t price_of(const struct eval *e, uint32_t pc, bool want)
{
    int64_t price;
    struct ways w;

    if (policy__eval(e, pc).truth == (want ? TRUTH_TRUE : TRUTH_FALSE))
        return 0;
    switch ((enum insn_kind)e->code[pc].kind) {
    case INSN_AND:
    case INSN_OR:
        if (want == (e->code[pc].kind == INSN_AND))
            return price_of_all(e, pc, want);
        (void)cheapest(e, pc, want, &price);
        return price;
    case INSN_XONE:
        w = ways_of(e, pc);
        return want ? w.unmake_all + w.exchange : least(w.unmake_all, w.make_least + w.make_second);
    case INSN_TRUE: return want ? 1 : IMPOSSIBLE;
    case INSN_SEQUENCE:
    case INSN_NOW:
    case INSN_AGREEMENT:
    case INSN_NUMBER:
    case INSN_TEXT:
    case INSN_WEEK:
    case INSN_AMOUNT: return 1;
    }
    CHECK_UNREACHABLE();
}

/* -- one cause --------------------------------------------------------------------------------- */

static struct policy_cause *add_cause(const struct collect *c, enum policy_why why, struct str at)
{
    struct policy_decision *decision = c->decision;
    struct policy_cause *cause;

    if (decision->n_causes == POLICY_CAUSES) {
        decision->more = true;
        return NULL;
    }
    cause = &decision->causes[decision->n_causes++];
    *cause = (struct policy_cause){.why = why,
                                   .rule = c->rule,
                                   .operand = POLICY_OP__COUNT,
                                   .op = POLICY_OPERATOR__COUNT,
                                   .at = at};
    return cause;
}

/* Cuts at a character's start, so that the text stays valid UTF-8. */
static void append(char *out, size_t size, size_t *n, struct str s)
{
    size_t take = s.n < size - 1 - *n ? s.n : size - 1 - *n;

    while (take > 0 && take < s.n && ((unsigned char)s.p[take] & 0xC0) == 0x80)
        take--;
    memcpy(out + *n, s.p, take);
    *n += take;
    out[*n] = '\0';
}

static void write_seen(const struct eval *e, const struct insn *insn, struct policy_cause *cause)
{
    const struct operand_row *row = &policy__operands[insn->operand];
    const struct policy_fact *fact = &e->facts->of[insn->operand];
    size_t n = 0;
    char number[24];

    if (insn->kind == INSN_TRUE)
        return;
    if (insn->kind != INSN_NUMBER && insn->kind != INSN_TEXT) {
        append(cause->seen, sizeof(cause->seen), &n, str_c(time_format(e->question->now_us).c));
        return;
    }
    cause->source = fact->source;
    for (size_t i = 0; fact->knowledge == POLICY_KNOWN && i < fact->n_values; i++) {
        (void)snprintf(number, sizeof(number), "%" PRId64, fact->values[i].number);
        append(cause->seen, sizeof(cause->seen), &n, i > 0 ? STR(", ") : STR(""));
        append(cause->seen, sizeof(cause->seen), &n,
               row->type <= POLICY_V_DECIMAL ? fact->values[i].text : str_c(number));
    }
}

static enum policy_why why_not(const struct eval *e, const struct insn *insn)
{
    enum truth truth = policy__eval(e, (uint32_t)(insn - e->code)).truth;
    enum policy_why why;

    if (truth == TRUTH_FALSE)
        return POLICY_WHY_FALSE;
    if (insn->kind != INSN_NUMBER && insn->kind != INSN_TEXT)
        return POLICY_WHY_UNKNOWN; /* there is no agreement to count from */
    why = policy__fact_why(&e->facts->of[insn->operand], &policy__operands[insn->operand]);
    return why != POLICY_WHY_FALSE ? why : POLICY_WHY_UNCOMPARABLE;
}

static void add_atom(const struct collect *c, uint32_t pc, bool want)
{
    const struct insn *insn = &c->e->code[pc];
    struct policy_cause *cause =
        add_cause(c, want ? why_not(c->e, insn) : c->unmake_why, insn->node->at);

    if (cause == NULL)
        return;
    cause->operand = insn->node->operand;
    cause->op = insn->node->op;
    cause->required = insn->node->required;
    write_seen(c->e, insn, cause);
}

/* -- walking down ------------------------------------------------------------------------------ */

static void walk(const struct collect *c, uint32_t pc, bool want);

static void walk_all(const struct collect *c, uint32_t pc, bool want)
{
    for (uint32_t at = pc + 1; at < c->e->code[pc].next; at = c->e->code[at].next)
        walk(c, at, want);
}

static void walk_xone(const struct collect *c, uint32_t pc, bool want)
{
    struct ways w = ways_of(c->e, pc);

    if (!want && w.unmake_all > w.make_least + w.make_second) {
        walk(c, w.make_at[0], true);
        walk(c, w.make_at[1], true);
        return;
    }
    for (uint32_t at = pc + 1; at < c->e->code[pc].next; at = c->e->code[at].next)
        walk(c, at, want && at == w.exchange_at);
}

/* Reports what would have to change to make the constraint true (want), or false. */
static void walk(const struct collect *c, uint32_t pc, bool want)
{
    int64_t price;

    if (policy__eval(c->e, pc).truth == (want ? TRUTH_TRUE : TRUTH_FALSE))
        return;
    switch ((enum insn_kind)c->e->code[pc].kind) {
    case INSN_AND:
    case INSN_OR:
        if (want == (c->e->code[pc].kind == INSN_AND))
            walk_all(c, pc, want);
        else
            walk(c, cheapest(c->e, pc, want, &price), want);
        return;
    case INSN_XONE: walk_xone(c, pc, want); return;
    case INSN_SEQUENCE:
        /* one cause for the whole: its operands may all hold, in the wrong order */
        (void)add_cause(c, want ? POLICY_WHY_FALSE : c->unmake_why, c->e->code[pc].node->at);
        return;
    case INSN_TRUE: /* a term that is not accepted (struct terms), or one of two that exclude each other */
    case INSN_NOW:
    case INSN_AGREEMENT:
    case INSN_NUMBER:
    case INSN_TEXT:
    case INSN_WEEK:
    case INSN_AMOUNT: add_atom(c, pc, want); return;
    }
    CHECK_UNREACHABLE();
}

/* -- rules ------------------------------------------------------------------------------------- */

static unsigned blocking_duties(const struct eval *e, const struct prog_rule *rule,
                                const struct collect *c)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < rule->n_duties; i++) {
        struct policy_duty duty;
        int64_t until = POLICY_FOREVER;

        if (!policy__duty(e, &rule->duties[i], &duty, &until) || !policy__duty_blocks(e, &duty))
            continue;
        n++;
        if (c != NULL)
            (void)add_cause(c, POLICY_WHY_DUTY, duty.at);
    }
    return n;
}

static int64_t permission_price(const struct eval *e, const struct prog_rule *rule)
{
    int64_t price = rule->code == NO_CODE ? 0 : price_of(e, rule->code, true);

    price += policy__target_matches(e, rule) != TRUTH_TRUE;
    price += policy__assignee_matches(e, rule) != TRUTH_TRUE;
    return price + blocking_duties(e, rule, NULL);
}

static const struct prog_rule *nearest_permission(const struct eval *e)
{
    const struct prog_rule *nearest = NULL;
    int64_t least_price = INT64_MAX;

    for (uint32_t i = 0; i < e->program->n_permissions; i++) {
        const struct prog_rule *rule = &e->program->permissions[i];
        int64_t price;

        if ((rule->actions >> e->question->action & 1) == 0)
            continue;
        price = permission_price(e, rule);
        if (price < least_price) {
            least_price = price;
            nearest = rule;
        }
    }
    return nearest;
}

static void explain_permission(struct collect *c)
{
    const struct eval *e = c->e;
    const struct prog_rule *rule = nearest_permission(e);

    c->rule = rule != NULL ? rule->rule->index : -1;
    c->unmake_why = POLICY_WHY_EXCLUSIVE;
    if (rule == NULL) {
        (void)add_cause(c, POLICY_WHY_NO_PERMISSION, STR(""));
        return;
    }
    if (policy__target_matches(e, rule) != TRUTH_TRUE)
        (void)add_cause(c, POLICY_WHY_TARGET, rule->rule->at);
    if (policy__assignee_matches(e, rule) != TRUTH_TRUE)
        (void)add_cause(c, POLICY_WHY_ASSIGNEE, rule->rule->at);
    if (rule->code != NO_CODE)
        walk(c, rule->code, true);
    (void)blocking_duties(e, rule, c);
}

static void explain_prohibitions(struct collect *c, enum policy_why why)
{
    const struct eval *e = c->e;

    c->unmake_why = why;
    for (uint32_t i = 0; i < e->program->n_prohibitions; i++) {
        const struct prog_rule *rule = &e->program->prohibitions[i];
        unsigned before = c->decision->n_causes;

        if (policy__eval_prohibition(e, rule).truth == TRUTH_FALSE)
            continue;
        c->rule = rule->rule->index;
        if (rule->code != NO_CODE && price_of(e, rule->code, false) < IMPOSSIBLE)
            walk(c, rule->code, false);
        if (c->decision->n_causes == before)
            (void)add_cause(c, why, rule->rule->at);
    }
}

void policy__causes(const struct eval *e, const struct sum *sum, struct policy_decision *decision)
{
    struct collect c = {.e = e, .decision = decision, .rule = -1};
    bool void_policy = sum->permitted && e->policy->conflict == CONFLICT_INVALID;

    if (!sum->permitted)
        explain_permission(&c);
    if (sum->prohibited && e->policy->conflict != CONFLICT_PERM)
        explain_prohibitions(&c, void_policy ? POLICY_WHY_CONFLICT : POLICY_WHY_PROHIBITED);
    c.unmake_why = POLICY_WHY_EXCLUSIVE;
    for (uint32_t i = 0; sum->shut && i < e->program->n_gates; i++) {
        c.rule = e->program->gates[i].rule->index;
        walk(&c, e->program->gates[i].code, true);
    }
}

void policy__describe(const struct eval *e, uint32_t pc, struct policy_cause *ret_cause)
{
    const struct insn *insn = &e->code[pc];

    *ret_cause = (struct policy_cause){.why = why_not(e, insn),
                                       .rule = -1,
                                       .operand = insn->node->operand,
                                       .op = insn->node->op,
                                       .at = insn->node->at,
                                       .required = insn->node->required};
    write_seen(e, insn, ret_cause);
}
