/*
 * policy/decide.c - evaluates a program
 *
 * Rules (policy.md §1.4, built from ODRL Information Model 2.2 and the community group's Formal
 * Semantics):
 * 1. A constraint is true, false or unknown. A fact that is missing, stale, claimed where claims do
 * not count, or not comparable makes it unknown. Known absence is the empty set for operands of
 * arity MANY; for the others it makes positive operators false and negative ones unknown.
 * 2. Logical constraints follow strong Kleene logic; xone is true with exactly one true and no
 * unknown operand.
 * 3. A permission permits if action, target and assignee match, all constraints are true and every
 * duty is inactive or fulfilled. Several permissions are alternatives.
 * 4. A prohibition applies if action, target and assignee may match and no constraint is false.
 * 5. Permitted and prohibited: the conflict strategy decides; ODRL's default makes the policy void.
 * 6. Neither: denied.
 * Each truth carries the instant until which it holds for sure; it is composed upwards, so that the
 * decision's is exact for one constraint on time and never late for several.
 */
#include "policy/policy.h"

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "policy/decide_private.h"

#include "lib/base/banned.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t add_saturated(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

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
    if (row->max_age_us == 0)
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

/* An end of a window that is counted from the agreement. */
static int64_t from_agreement(const struct eval *e, int64_t us, int64_t months)
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
    outcome =
        time_window(e->question->now_us, from_agreement(e, insn->window.lo, insn->window.lo_months),
                    from_agreement(e, insn->window.hi, insn->window.hi_months), insn->negate);
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

static struct outcome eval_fact(const struct eval *e, const struct insn *insn)
{
    const struct operand_row *row = &policy__operands[insn->operand];
    const struct policy_fact *fact = &e->facts->of[insn->operand];

    if (policy__fact_why(fact, row) != POLICY_WHY_FALSE)
        return (struct outcome){TRUTH_UNKNOWN, POLICY_FOREVER};
    if (fact->knowledge == POLICY_ABSENT)
        return (struct outcome){absent_truth(row, (enum policy_operator)insn->op),
                                fact_until(e, fact, row)};
    if (insn->kind == INSN_NUMBER)
        return eval_number(e, insn, fact, row);
    return (struct outcome){eval_text(insn, fact, row), fact_until(e, fact, row)};
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
            since = from_agreement(e, child->window.lo, child->window.lo_months);
        if (since < last)
            return (struct outcome){TRUTH_FALSE, all.until};
        last = since;
    }
    return all;
}

struct outcome policy__eval(const struct eval *e, uint32_t pc)
{
    const struct insn *insn;

    if (pc == NO_CODE)
        return (struct outcome){TRUTH_TRUE, POLICY_FOREVER};
    insn = &e->code[pc];
    switch ((enum insn_kind)insn->kind) {
    case INSN_AND: return eval_and_or(e, pc, TRUTH_FALSE);
    case INSN_OR: return eval_and_or(e, pc, TRUTH_TRUE);
    case INSN_XONE: return eval_xone(e, pc);
    case INSN_SEQUENCE: return eval_sequence(e, pc);
    case INSN_TRUE: return (struct outcome){TRUTH_TRUE, POLICY_FOREVER};
    case INSN_NOW:
        return time_window(e->question->now_us, insn->window.lo, insn->window.hi, insn->negate);
    case INSN_AGREEMENT: return eval_agreement(e, insn);
    case INSN_NUMBER:
    case INSN_TEXT: return eval_fact(e, insn);
    }
    CHECK_UNREACHABLE();
}

/* -- duties ------------------------------------------------------------------------------------ */

/* Narrows [*lo, *hi] by the constraints on time that must all hold; the rest says whether the duty
 * is active. */
static struct outcome duty_window(const struct eval *e, uint32_t pc, int64_t *lo, int64_t *hi)
{
    struct outcome active = {TRUTH_TRUE, POLICY_FOREVER};

    for (uint32_t at = pc + 1; pc != NO_CODE && at < e->code[pc].next; at = e->code[at].next) {
        const struct insn *insn = &e->code[at];
        struct outcome child;

        if (insn->kind == INSN_NOW && !insn->negate) {
            *lo = later(*lo, insn->window.lo);
            *hi = earlier(*hi, insn->window.hi);
            continue;
        }
        if (insn->kind == INSN_AGREEMENT && !insn->negate && e->agreement_us != POLICY_NO_TIME) {
            *lo = later(*lo, from_agreement(e, insn->window.lo, insn->window.lo_months));
            *hi = earlier(*hi, from_agreement(e, insn->window.hi, insn->window.hi_months));
            continue;
        }
        child = insn->kind == INSN_AND ? duty_window(e, at, lo, hi) : policy__eval(e, at);
        active.truth = child.truth < active.truth ? child.truth : active.truth;
        active.until = earlier(active.until, child.until);
    }
    return active;
}

static bool performed(const struct eval *e, const struct rule *duty, int64_t lo, int64_t hi)
{
    struct str who = str_present(duty->assignee) ? duty->assignee : e->question->assignee;

    for (size_t i = 0; e->facts->performed_known && i < e->facts->n_performed; i++) {
        const struct policy_performed *done = &e->facts->performed[i];

        if (policy__action_covers(duty->action, done->action) && done->at_us >= lo &&
            done->at_us <= hi && done->at_us <= e->question->now_us &&
            (!str_present(who) || str_eq(who, done->assignee)) &&
            (!str_present(duty->target) || str_eq(duty->target, done->target)))
            return true;
    }
    return false;
}

bool policy__duty(const struct eval *e, const struct prog_duty *duty, struct policy_duty *ret_duty,
                  int64_t *until)
{
    int64_t lo = INT64_MIN, hi = INT64_MAX;
    struct outcome active = duty_window(e, duty->code, &lo, &hi);
    bool fulfilled = performed(e, duty->rule, lo, hi);
    bool late = !fulfilled && duty->n_duties > 0 && performed(e, duty->rule, INT64_MIN, INT64_MAX);

    *until = earlier(*until, active.until);
    if (active.truth == TRUTH_FALSE)
        return false;
    /* IM 2.2 §2.6.6: late counts if all consequences are fulfilled as well */
    for (uint32_t i = 0; late && i < duty->n_duties; i++)
        late = performed(e, duty->duties[i].rule, INT64_MIN, INT64_MAX);
    *ret_duty = (struct policy_duty){
        .action = duty->rule->action,
        .state = fulfilled || late          ? POLICY_DUTY_FULFILLED
                 : e->question->now_us > hi ? POLICY_DUTY_VIOLATED
                                            : POLICY_DUTY_OUTSTANDING,
        .before = duty->rule->kind == RULE_DUTY,
        .deadline_us = hi == INT64_MAX ? POLICY_FOREVER : hi,
        .at = duty->rule->at,
    };
    if (ret_duty->state == POLICY_DUTY_OUTSTANDING)
        *until = earlier(*until, add_saturated(hi, 1));
    return true;
}

bool policy__duty_blocks(const struct eval *e, const struct policy_duty *duty)
{
    if ((e->question->flags & POLICY_DUTY_EVENTUAL) != 0)
        return duty->state == POLICY_DUTY_VIOLATED;
    return duty->state != POLICY_DUTY_FULFILLED;
}

/* -- rules ------------------------------------------------------------------------------------- */

enum truth policy__party_matches(struct str named, struct str asked)
{
    if (!str_present(named))
        return TRUTH_TRUE;
    if (!str_present(asked))
        return TRUTH_UNKNOWN;
    return str_eq(named, asked) ? TRUTH_TRUE : TRUTH_FALSE;
}

/* Whether the rule speaks of what is asked; its constraints aside. */
static enum truth applies(const struct eval *e, const struct prog_rule *rule)
{
    enum truth target, assignee;

    if ((rule->actions >> e->question->action & 1) == 0)
        return TRUTH_FALSE;
    target = policy__party_matches(rule->target, e->question->target);
    assignee = policy__party_matches(rule->assignee, e->question->assignee);
    return target < assignee ? target : assignee;
}

static struct outcome eval_permission(const struct eval *e, const struct prog_rule *rule)
{
    struct outcome outcome;

    if (applies(e, rule) != TRUTH_TRUE)
        return (struct outcome){TRUTH_FALSE, POLICY_FOREVER};
    outcome = policy__eval(e, rule->code);
    for (uint32_t i = 0; i < rule->n_duties; i++) {
        struct policy_duty duty;
        int64_t until = POLICY_FOREVER;
        bool blocks =
            policy__duty(e, &rule->duties[i], &duty, &until) && policy__duty_blocks(e, &duty);

        if (blocks)
            outcome.truth = TRUTH_FALSE;
        outcome.until = earlier(outcome.until, until);
    }
    return outcome;
}

/* Rule 4: not false is enough. */
struct outcome policy__eval_prohibition(const struct eval *e, const struct prog_rule *rule)
{
    if (applies(e, rule) == TRUTH_FALSE)
        return (struct outcome){TRUTH_FALSE, POLICY_FOREVER};
    return policy__eval(e, rule->code);
}

static void sum_permissions(const struct eval *e, struct sum *sum)
{
    const struct program *program = e->program;
    int64_t granted_until = INT64_MIN, refused_until = POLICY_FOREVER;

    sum->permission = -1;
    for (uint32_t i = 0; i < program->n_permissions; i++) {
        struct outcome outcome = eval_permission(e, &program->permissions[i]);

        if (outcome.truth != TRUTH_TRUE) {
            refused_until = earlier(refused_until, outcome.until);
            continue;
        }
        if (outcome.until > granted_until) {
            granted_until = outcome.until;
            sum->permission = (int)i;
        }
    }
    sum->permitted = sum->permission >= 0;
    sum->permitted_until = sum->permitted ? granted_until : refused_until;
}

static void sum_prohibitions(const struct eval *e, struct sum *sum)
{
    const struct program *program = e->program;
    int64_t active_until = INT64_MIN, inactive_until = POLICY_FOREVER;

    for (uint32_t i = 0; i < program->n_prohibitions; i++) {
        struct outcome outcome = policy__eval_prohibition(e, &program->prohibitions[i]);

        if (outcome.truth == TRUTH_FALSE) {
            inactive_until = earlier(inactive_until, outcome.until);
        } else {
            sum->prohibited = true;
            active_until = later(active_until, outcome.until);
        }
    }
    sum->prohibited_until = sum->prohibited ? active_until : inactive_until;
}

static void sum_gates(const struct eval *e, struct sum *sum)
{
    const struct program *program = e->program;
    int64_t shut_until = INT64_MIN, open_until = POLICY_FOREVER;
    bool agreed =
        e->question->scope == POLICY_AT_TRANSFER || e->question->scope == POLICY_AT_ACCESS;

    for (uint32_t i = 0; agreed && i < program->n_gates; i++) {
        struct outcome outcome = policy__eval(e, program->gates[i].code);

        if (outcome.truth == TRUTH_TRUE) {
            open_until = earlier(open_until, outcome.until);
        } else {
            sum->shut = true;
            shut_until = later(shut_until, outcome.until);
        }
    }
    sum->shut_until = sum->shut ? shut_until : open_until;
}

static void add_duty(struct policy_decision *decision, const struct policy_duty *duty, int rule)
{
    if (decision->n_duties == POLICY_DUTIES) {
        decision->more = true;
        return;
    }
    decision->duties[decision->n_duties] = *duty;
    decision->duties[decision->n_duties++].rule = rule;
}

static void list_duties(const struct eval *e, const struct sum *sum,
                        struct policy_decision *decision)
{
    const struct program *program = e->program;
    const struct prog_rule *rule =
        sum->permission >= 0 ? &program->permissions[sum->permission] : NULL;
    int64_t until = POLICY_FOREVER;
    struct policy_duty duty;

    for (uint32_t i = 0; rule != NULL && i < rule->n_duties; i++) {
        if (policy__duty(e, &rule->duties[i], &duty, &until))
            add_duty(decision, &duty, rule->rule->index);
    }
    for (uint32_t i = 0; i < program->n_obligations; i++) {
        const struct prog_duty *obligation = &program->obligations[i];

        if (!policy__duty(e, obligation, &duty, &until))
            continue;
        for (uint32_t g = 0; g < program->n_gates; g++)
            duty.of_assigner = duty.of_assigner || program->gates[g].rule == obligation->rule;
        add_duty(decision, &duty, obligation->rule->index);
    }
}

static bool verdict(const struct eval *e, const struct sum *sum, int64_t *ret_until)
{
    bool overruled = sum->prohibited && e->policy->conflict != CONFLICT_PERM;
    bool counts = e->policy->conflict != CONFLICT_PERM;
    int64_t until = INT64_MIN;

    if (sum->permitted && !overruled && !sum->shut) {
        until = earlier(sum->permitted_until, sum->shut_until);
        *ret_until = counts ? earlier(until, sum->prohibited_until) : until;
        return true;
    }
    /* each reason alone is enough: it is denied as long as one of them stands */
    if (!sum->permitted)
        until = later(until, sum->permitted_until);
    if (overruled)
        until = later(until, sum->prohibited_until);
    if (sum->shut)
        until = later(until, sum->shut_until);
    *ret_until = until;
    return false;
}

static int64_t agreement_of(const struct policy *policy, const struct policy_question *question,
                            bool *ret_hypothetical)
{
    bool before =
        question->scope == POLICY_AT_CATALOGUE || question->scope == POLICY_AT_NEGOTIATION;

    *ret_hypothetical = false;
    if (question->agreement_us != POLICY_NO_TIME)
        return question->agreement_us;
    if (policy->timestamp_us != POLICY_NO_TIME)
        return policy->timestamp_us;
    *ret_hypothetical = before;
    return before ? question->now_us : POLICY_NO_TIME;
}

void policy_decide(const struct policy *policy, const struct policy_question *question,
                   const struct policy_facts *facts, struct policy_decision *ret_decision)
{
    struct eval e = {.policy = policy,
                     .program = &policy->program,
                     .code = policy->program.code,
                     .question = question,
                     .facts = facts};
    struct sum sum = {0};

    e.agreement_us = agreement_of(policy, question, &e.hypothetical);
    sum_permissions(&e, &sum);
    sum_prohibitions(&e, &sum);
    sum_gates(&e, &sum);
    if (policy_is_empty(policy) && (question->flags & POLICY_EMPTY_PERMITS) != 0)
        sum.permitted = true;
    ret_decision->n_causes = 0;
    ret_decision->n_duties = 0;
    ret_decision->more = false;
    ret_decision->permission = -1;
    ret_decision->verdict = POLICY_DENY;
    if (!verdict(&e, &sum, &ret_decision->valid_until_us)) {
        policy__causes(&e, &sum, ret_decision);
        return;
    }
    ret_decision->verdict = POLICY_PERMIT;
    if (sum.permission >= 0)
        ret_decision->permission = policy->program.permissions[sum.permission].rule->index;
    list_duties(&e, &sum, ret_decision);
}
