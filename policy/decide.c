/*
 * policy/decide.c - rules: what the truths of their constraints amount to
 *
 * 1. A permission permits if action, target and assignee match, all constraints are true and every duty is inactive or
 *    fulfilled. Several permissions are alternatives.
 * 2. A prohibition applies if action, target and assignee may match and no constraint is false.
 * 3. Permitted and prohibited: the conflict strategy decides; ODRL's default makes the policy void.
 * 4. Neither: denied.
 * 5. A duty's constraints on time that must all hold are the window in which it is to be fulfilled; its other
 *    constraints say whether it is active. Unknown counts as active.
 */
#include "policy/policy.h"

#include "policy/decide_private.h"

#include "lib/base/banned.h"

/* -- duties ------------------------------------------------------------------------------------ */

struct outcome policy__duty_window(const struct eval *e, uint32_t pc, int64_t *lo, int64_t *hi)
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
            *lo = later(*lo, policy__from_agreement(e, insn->window.lo, insn->window.lo_months));
            *hi = earlier(*hi, policy__from_agreement(e, insn->window.hi, insn->window.hi_months));
            if (e->hypothetical && e->facts->n_performed > 0) /* the window moves, records do not */
                active.until = earlier(active.until, add_saturated(e->question->now_us, 1));
            continue;
        }
        child = insn->kind == INSN_AND ? policy__duty_window(e, at, lo, hi) : policy__eval(e, at);
        active.truth = child.truth < active.truth ? child.truth : active.truth;
        active.until = earlier(active.until, child.until);
    }
    return active;
}

/* A record of another duty with the same action says nothing about this one. */
static bool is_of(const struct prog_duty *duty, const struct policy_performed *done)
{
    return done->duty == NULL || memcmp(done->duty, duty->key, sizeof(duty->key)) == 0;
}

/* It was done by whom the duty says: a member of a collection is whoever asks. */
static bool done_by(const struct eval *e, const struct rule *duty,
                    const struct policy_performed *done)
{
    const bool named = str_present(duty->assignee.id) && !duty->assignee.collection;
    const struct str who = named ? duty->assignee.id : e->question->assignee;

    return !str_present(who) || str_eq(who, done->assignee);
}

/* It was done to what the duty says; a record that names other data than the policy's is about another duty. */
static bool done_to(const struct eval *e, const struct rule *duty,
                    const struct policy_performed *done)
{
    const struct entity *common = &e->policy->target;

    if (str_present(duty->target.id))
        return str_eq(duty->target.id, done->target);
    return !str_present(done->target) || !str_present(common->id) || common->collection ||
           str_eq(common->id, done->target);
}

/* It was done in the way that the duty says: what is not known of it does not count. */
static bool done_so(const struct eval *e, uint32_t refinement, const struct policy_performed *done)
{
    struct policy_question then = *e->question;
    struct eval of_it = *e;

    if (refinement == NO_CODE)
        return true;
    then.now_us = done->at_us;
    of_it.question = &then;
    of_it.done = done;
    return policy__eval(&of_it, refinement).truth == TRUTH_TRUE;
}

/* Whether there is a record of this kind: done (or found not done) in the window, by whom, to what and how the duty says. */
static bool recorded(const struct eval *e, const struct prog_duty *duty, bool violated, int64_t lo,
                     int64_t hi)
{
    const struct rule *rule = duty->rule;

    for (size_t i = 0; e->facts->performed_known && i < e->facts->n_performed; i++) {
        const struct policy_performed *done = &e->facts->performed[i];

        if (done->violated == violated && is_of(duty, done) &&
            policy__action_covers(rule->action, done->action) && done->at_us >= lo &&
            done->at_us <= hi && done->at_us <= e->question->now_us && done_by(e, rule, done) &&
            done_to(e, rule, done) && (violated || done_so(e, duty->refinement, done)))
            return true;
    }
    return false;
}

static bool performed(const struct eval *e, const struct prog_duty *duty, int64_t lo, int64_t hi)
{
    return recorded(e, duty, /* violated= */ false, lo, hi);
}

static bool is_violated(const struct eval *e, const struct prog_duty *duty, int64_t hi)
{
    return e->question->now_us > hi ||
           recorded(e, duty, /* violated= */ true, INT64_MIN, INT64_MAX);
}

/* The provider's own: by the policy's words, or because its assigner is named. */
static bool is_of_assigner(const struct eval *e, const struct rule *rule)
{
    const struct entity *assigner =
        str_present(rule->assigner.id) ? &rule->assigner : &e->policy->assigner;

    if (!str_present(rule->assignee.id) || !str_present(assigner->id))
        return false;
    return rule->assignee.collection == assigner->collection &&
           str_eq(rule->assignee.id, assigner->id);
}

bool policy__duty(const struct eval *e, const struct prog_duty *duty, struct policy_duty *ret_duty,
                  int64_t *until)
{
    static const enum policy_duty_role roles[] = {
        [RULE_DUTY] = POLICY_ROLE_BEFORE,
        [RULE_OBLIGATION] = POLICY_ROLE_OBLIGATION,
        [RULE_CONSEQUENCE] = POLICY_ROLE_CONSEQUENCE,
        [RULE_REMEDY] = POLICY_ROLE_REMEDY,
    };

    int64_t lo = INT64_MIN, hi = INT64_MAX;
    struct outcome active = policy__duty_window(e, duty->code, &lo, &hi);
    bool fulfilled = performed(e, duty, lo, hi);
    bool late = !fulfilled && duty->n_duties > 0 && performed(e, duty, INT64_MIN, INT64_MAX);

    *until = earlier(*until, active.until);
    if (active.truth == TRUTH_FALSE)
        return false;
    /* IM 2.2 §2.6.6: late counts if all consequences are fulfilled as well */
    for (uint32_t i = 0; late && i < duty->n_duties; i++)
        late = performed(e, &duty->duties[i], INT64_MIN, INT64_MAX);
    *ret_duty = (struct policy_duty){
        .action = duty->rule->action,
        .state = fulfilled || late          ? POLICY_DUTY_FULFILLED
                 : is_violated(e, duty, hi) ? POLICY_DUTY_VIOLATED
                                            : POLICY_DUTY_OUTSTANDING,
        .role = roles[duty->rule->kind],
        .before = duty->rule->kind == RULE_DUTY,
        .of_assigner = is_of_assigner(e, duty->rule),
        .deadline_us = hi == INT64_MAX ? POLICY_FOREVER : hi,
        .at = duty->rule->at,
    };
    if (duty->amount != NULL) {
        ret_duty->amount = duty->amount->sorted[0].canon;
        ret_duty->currency = duty->amount->currency;
    }
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

static enum truth matches(const struct entity *named, struct str asked, const struct str *in,
                          size_t n_in, bool in_known)
{
    if (!str_present(named->id))
        return TRUTH_TRUE;
    if (!str_present(asked))
        return TRUTH_UNKNOWN;
    if (!named->collection)
        return str_eq(named->id, asked) ? TRUTH_TRUE : TRUTH_FALSE;
    for (size_t i = 0; i < n_in; i++) {
        if (str_eq(named->id, in[i]))
            return TRUTH_TRUE;
    }
    return in_known ? TRUTH_FALSE : TRUTH_UNKNOWN;
}

enum truth policy__target_matches(const struct eval *e, const struct prog_rule *rule)
{
    const struct policy_question *q = e->question;

    return matches(&rule->target, q->target, q->target_in, q->n_target_in, q->collections_known);
}

enum truth policy__assignee_matches(const struct eval *e, const struct prog_rule *rule)
{
    const struct policy_question *q = e->question;

    return matches(&rule->assignee, q->assignee, q->assignee_in, q->n_assignee_in,
                   q->collections_known);
}

/* Whether the rule speaks of what is asked; its constraints aside. */
static enum truth applies(const struct eval *e, const struct prog_rule *rule)
{
    enum truth target, assignee;

    if ((rule->actions >> e->question->action & 1) == 0)
        return TRUTH_FALSE;
    target = policy__target_matches(e, rule);
    assignee = policy__assignee_matches(e, rule);
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

/* Rule 2: not false is enough. */
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

/* A duty, and what follows from its violation. */
static void list_duty(const struct eval *e, const struct prog_duty *prog, int rule,
                      struct policy_decision *decision)
{
    const bool full = decision->n_duties == POLICY_DUTIES;
    int64_t until = POLICY_FOREVER;
    struct policy_duty spare;
    struct policy_duty *duty = full ? &spare : &decision->duties[decision->n_duties];

    if (!policy__duty(e, prog, duty, &until))
        return;
    duty->rule = rule;
    for (uint32_t g = 0; g < e->program->n_gates; g++)
        duty->of_assigner = duty->of_assigner || e->program->gates[g].rule == prog->rule;
    decision->more = decision->more || full;
    decision->n_duties += !full;
    for (uint32_t i = 0; duty->state == POLICY_DUTY_VIOLATED && i < prog->n_duties; i++)
        list_duty(e, &prog->duties[i], rule, decision);
}

static void list_duties(const struct eval *e, const struct sum *sum,
                        struct policy_decision *decision)
{
    const struct program *program = e->program;
    const struct prog_rule *rule =
        sum->permission >= 0 ? &program->permissions[sum->permission] : NULL;

    for (uint32_t i = 0; rule != NULL && i < rule->n_duties; i++)
        list_duty(e, &rule->duties[i], rule->rule->index, decision);
    for (uint32_t i = 0; i < program->n_obligations; i++)
        list_duty(e, &program->obligations[i], program->obligations[i].rule->index, decision);
}

/* Whether somebody did what is prohibited; its constraints are taken as they are now. */
static bool infringed(const struct eval *e, const struct prog_rule *rule)
{
    const struct policy_question *q = e->question;

    for (size_t i = 0; e->facts->performed_known && i < e->facts->n_performed; i++) {
        const struct policy_performed *done = &e->facts->performed[i];

        if (!done->violated && (rule->actions >> done->action & 1) != 0 &&
            done->at_us <= q->now_us &&
            (!str_present(q->assignee) || str_eq(q->assignee, done->assignee)) &&
            (!str_present(q->target) || !str_present(done->target) ||
             str_eq(q->target, done->target)))
            return policy__target_matches(e, rule) != TRUTH_FALSE &&
                   policy__assignee_matches(e, rule) != TRUTH_FALSE &&
                   policy__eval(e, rule->code).truth != TRUTH_FALSE;
    }
    return false;
}

/* IM 2.2 §2.6.4: they are owed by who infringed the prohibition; fulfilled ones permit nothing. */
static void list_remedies(const struct eval *e, struct policy_decision *decision)
{
    const struct program *program = e->program;

    for (uint32_t i = 0; i < program->n_prohibitions; i++) {
        const struct prog_rule *rule = &program->prohibitions[i];

        if (rule->n_duties == 0 || !infringed(e, rule))
            continue;
        for (uint32_t d = 0; d < rule->n_duties; d++)
            list_duty(e, &rule->duties[d], rule->rule->index, decision);
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

static void sum_rules(const struct eval *e, struct sum *sum)
{
    sum_permissions(e, sum);
    sum_prohibitions(e, sum);
    sum_gates(e, sum);
    if (policy_is_empty(e->policy) && (e->question->flags & POLICY_EMPTY_PERMITS) != 0)
        sum->permitted = true;
}

struct eval policy__eval_of(const struct policy *policy, const struct policy_question *question,
                            const struct policy_facts *facts, const struct terms *terms)
{
    struct eval e = {.policy = policy,
                     .program = &policy->program,
                     .code = policy->program.code,
                     .question = question,
                     .facts = facts,
                     .terms = terms};

    e.agreement_us = agreement_of(policy, question, &e.hypothetical);
    return e;
}

bool policy__permits(const struct policy *policy, const struct policy_question *question,
                     const struct policy_facts *facts, const struct terms *terms)
{
    const struct eval e = policy__eval_of(policy, question, facts, terms);
    struct sum sum = {0};
    int64_t until;

    sum_rules(&e, &sum);
    return verdict(&e, &sum, &until);
}

bool policy_permits(const struct policy *policy, const struct policy_question *question,
                    const struct policy_facts *facts)
{
    return policy__permits(policy, question, facts, NULL);
}

void policy__decide(const struct policy *policy, const struct policy_question *question,
                    const struct policy_facts *facts, const struct terms *terms,
                    struct policy_decision *ret_decision)
{
    const struct eval e = policy__eval_of(policy, question, facts, terms);
    struct sum sum = {0};

    sum_rules(&e, &sum);
    ret_decision->n_causes = 0;
    ret_decision->n_duties = 0;
    ret_decision->more = false;
    ret_decision->permission = -1;
    ret_decision->verdict = POLICY_DENY;
    if (!verdict(&e, &sum, &ret_decision->valid_until_us)) {
        policy__causes(&e, &sum, ret_decision);
        list_remedies(&e, ret_decision);
        return;
    }
    ret_decision->verdict = POLICY_PERMIT;
    if (sum.permission >= 0)
        ret_decision->permission = policy->program.permissions[sum.permission].rule->index;
    list_duties(&e, &sum, ret_decision);
    list_remedies(&e, ret_decision);
}

void policy_decide(const struct policy *policy, const struct policy_question *question,
                   const struct policy_facts *facts, struct policy_decision *ret_decision)
{
    policy__decide(policy, question, facts, NULL, ret_decision);
}

/* -- for certain ------------------------------------------------------------------------------- */

/* Every unknown truth is taken for the better one: a record of what was done, too. */
static bool may_grant(const struct eval *e, const struct prog_rule *rule, int64_t *until)
{
    struct outcome outcome;
    bool may;

    if (applies(e, rule) == TRUTH_FALSE)
        return false;
    outcome = policy__eval(e, rule->code);
    *until = earlier(*until, outcome.until);
    may = outcome.truth != TRUTH_FALSE;
    for (uint32_t i = 0; i < rule->n_duties; i++) {
        struct policy_duty duty;

        if (policy__duty(e, &rule->duties[i], &duty, until) && e->facts->performed_known &&
            policy__duty_blocks(e, &duty))
            may = false;
    }
    return may;
}

static bool bars(const struct eval *e, const struct prog_rule *rule, int64_t *until)
{
    const struct outcome outcome = policy__eval_prohibition(e, rule);

    *until = earlier(*until, outcome.until);
    return applies(e, rule) == TRUTH_TRUE && outcome.truth == TRUTH_TRUE;
}

bool policy_may_permit(const struct policy *policy, const struct policy_question *question,
                       const struct policy_facts *facts, int64_t *ret_until_us)
{
    const struct eval e = policy__eval_of(policy, question, facts, NULL);
    const struct program *program = e.program;
    const bool agreed =
        question->scope == POLICY_AT_TRANSFER || question->scope == POLICY_AT_ACCESS;
    bool may = policy_is_empty(policy) && (question->flags & POLICY_EMPTY_PERMITS) != 0;

    *ret_until_us = POLICY_FOREVER;
    for (uint32_t i = 0; i < program->n_permissions; i++)
        may = may_grant(&e, &program->permissions[i], ret_until_us) || may;
    for (uint32_t i = 0; i < program->n_prohibitions; i++) {
        const bool barred = bars(&e, &program->prohibitions[i], ret_until_us);

        may = may && !(barred && policy->conflict != CONFLICT_PERM);
    }
    for (uint32_t i = 0; agreed && i < program->n_gates; i++) {
        const struct outcome outcome = policy__eval(&e, program->gates[i].code);

        *ret_until_us = earlier(*ret_until_us, outcome.until);
        may = may && outcome.truth != TRUTH_FALSE;
    }
    return may;
}
