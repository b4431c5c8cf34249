/*
 * policy/trace.c - makes the tree of a trace by evaluating the program once more, part by part
 */
#include "policy/trace.h"

#include "policy/explain_private.h"
#include "policy/trace_private.h"

#include "lib/base/banned.h"

struct tracing {
    const struct eval *e;
    const struct policy_decision *decision;
    struct arena *arena;
    int rule; /* index of the rule at hand */
    bool failed;
};

static enum truth least(enum truth a, enum truth b)
{
    return a < b ? a : b;
}

static struct trace_node *append(struct tracing *t, struct trace_node *parent,
                                 struct trace_node node)
{
    struct trace_node *copy = ARENA_NEW(t->arena, struct trace_node);

    if (copy == NULL) {
        t->failed = true;
        return NULL;
    }
    *copy = node;
    if (parent->first == NULL)
        parent->first = copy;
    else
        parent->last->next = copy;
    parent->last = copy;
    return copy;
}

/* Compared by address, as find_node() does. */
static bool must_change(const struct tracing *t, struct str at, enum policy_why why_from,
                        enum policy_why why_to)
{
    for (unsigned i = 0; i < t->decision->n_causes; i++) {
        const struct policy_cause *cause = &t->decision->causes[i];

        if (cause->rule == t->rule && cause->at.p == at.p && cause->why >= why_from &&
            cause->why <= why_to)
            return true;
    }
    return false;
}

static bool constraint_must_change(const struct tracing *t, struct str at)
{
    return must_change(t, at, POLICY_WHY_FALSE, POLICY_WHY_PROHIBITED) ||
           must_change(t, at, POLICY_WHY_EXCLUSIVE, POLICY_WHY_CONFLICT);
}

/* -- constraints ------------------------------------------------------------------------------- */

static bool has_fact(const struct insn *insn)
{
    return insn->kind == INSN_NUMBER || insn->kind == INSN_TEXT;
}

static void trace_code(struct tracing *t, struct trace_node *parent, uint32_t pc)
{
    const struct insn *insn = &t->e->code[pc];
    const bool atom = insn->node->kind == NODE_ATOM;
    struct trace_node node = {.kind = atom ? TRACE_ATOM : TRACE_LOGICAL,
                              .truth = policy__eval(t->e, pc).truth,
                              .node = insn->node,
                              .age_us = -1,
                              .change = constraint_must_change(t, insn->node->at)};

    if (atom) {
        const struct policy_fact *fact = &t->e->facts->of[insn->operand];

        node.term = insn->kind == INSN_TRUE;
        policy__describe(t->e, pc, &node.seen);
        if (has_fact(insn) && fact->knowledge != POLICY_UNKNOWN)
            node.age_us = fact->age_us > 0 ? fact->age_us : 0;
        (void)append(t, parent, node);
        return;
    }
    parent = append(t, parent, node);
    for (uint32_t at = pc + 1; parent != NULL && at < insn->next; at = t->e->code[at].next)
        trace_code(t, parent, at);
}

/* The constraints of a rule, without the `and` that stands for "all of these". */
static void trace_conditions(struct tracing *t, struct trace_node *parent, uint32_t code)
{
    if (code == NO_CODE)
        return;
    while (t->e->code[code].kind == INSN_AND && t->e->code[code].n == 1)
        code++;
    if (t->e->code[code].kind != INSN_AND) {
        trace_code(t, parent, code);
        return;
    }
    for (uint32_t at = code + 1; at < t->e->code[code].next; at = t->e->code[at].next)
        trace_code(t, parent, at);
}

/* -- rules ------------------------------------------------------------------------------------- */

static void trace_duty(struct tracing *t, struct trace_node *parent, const struct prog_duty *duty)
{
    struct trace_node node = {.kind = TRACE_DUTY, .rule = duty->rule, .age_us = -1};
    int64_t until = POLICY_FOREVER;

    node.active = policy__duty(t->e, duty, &node.duty, &until);
    node.truth = !node.active || node.duty.state == POLICY_DUTY_FULFILLED ? TRUTH_TRUE
                 : node.duty.state == POLICY_DUTY_VIOLATED                ? TRUTH_FALSE
                                                                          : TRUTH_UNKNOWN;
    node.change = must_change(t, duty->rule->at, POLICY_WHY_DUTY, POLICY_WHY_DUTY);
    parent = append(t, parent, node);
    if (parent == NULL)
        return;
    trace_conditions(t, parent, duty->code);
    for (uint32_t i = 0; i < duty->n_duties; i++)
        trace_duty(t, parent, &duty->duties[i]);
}

static void trace_entity(struct tracing *t, struct trace_node *parent, enum trace_kind kind,
                         const struct entity *named, struct str asked, enum truth truth)
{
    const enum policy_why why = kind == TRACE_TARGET ? POLICY_WHY_TARGET : POLICY_WHY_ASSIGNEE;

    if (!str_present(named->id))
        return;
    (void)append(t, parent,
                 (struct trace_node){.kind = kind,
                                     .truth = truth,
                                     .named = *named,
                                     .asked_for = {.id = asked},
                                     .age_us = -1,
                                     .change = must_change(t, parent->rule->at, why, why)});
}

static bool blocks(const struct tracing *t, const struct prog_duty *duty)
{
    struct policy_duty state;
    int64_t until = POLICY_FOREVER;

    return policy__duty(t->e, duty, &state, &until) && policy__duty_blocks(t->e, &state);
}

static enum truth permission_truth(const struct tracing *t, const struct prog_rule *rule)
{
    enum truth truth =
        least(policy__target_matches(t->e, rule), policy__assignee_matches(t->e, rule));

    truth = least(truth, policy__eval(t->e, rule->code).truth);
    for (uint32_t i = 0; i < rule->n_duties; i++)
        truth = blocks(t, &rule->duties[i]) ? TRUTH_FALSE : truth;
    return truth;
}

static void trace_rule(struct tracing *t, struct trace_node *parent, const struct prog_rule *rule)
{
    const struct policy_question *q = t->e->question;
    const bool permission = rule->rule->kind == RULE_PERMISSION;
    struct trace_node node = {.kind = TRACE_RULE, .rule = rule->rule, .age_us = -1};

    t->rule = rule->rule->index;
    node.asked = (rule->actions >> q->action & 1) != 0;
    node.truth = permission ? permission_truth(t, rule)
                            : (enum truth)(TRUTH_TRUE - policy__eval_prohibition(t->e, rule).truth);
    if (!node.asked)
        node.truth = permission ? TRUTH_FALSE : TRUTH_TRUE;
    /* the rule itself, where none of its constraints can be named */
    node.change = must_change(t, rule->rule->at, POLICY_WHY_PROHIBITED, POLICY_WHY_PROHIBITED) ||
                  must_change(t, rule->rule->at, POLICY_WHY_CONFLICT, POLICY_WHY_CONFLICT);
    parent = append(t, parent, node);
    if (parent == NULL)
        return;
    trace_entity(t, parent, TRACE_TARGET, &rule->target, q->target,
                 policy__target_matches(t->e, rule));
    trace_entity(t, parent, TRACE_PARTY, &rule->assignee, q->assignee,
                 policy__assignee_matches(t->e, rule));
    trace_conditions(t, parent, rule->code);
    for (uint32_t i = 0; i < rule->n_duties; i++)
        trace_duty(t, parent, &rule->duties[i]);
}

int policy_trace(const struct policy *policy, const struct policy_question *question,
                 const struct policy_facts *facts, const struct policy_decision *decision,
                 struct arena *arena, const struct policy_trace **ret_trace, struct err *err)
{
    const struct eval e = policy__eval_of(policy, question, facts, NULL);
    const struct program *program = &policy->program;
    struct tracing t = {.e = &e, .decision = decision, .arena = arena};
    struct policy_trace *trace = ARENA_NEW(arena, struct policy_trace);
    struct trace_node root = {0};

    for (uint32_t i = 0; i < program->n_permissions; i++)
        trace_rule(&t, &root, &program->permissions[i]);
    for (uint32_t i = 0; i < program->n_prohibitions; i++)
        trace_rule(&t, &root, &program->prohibitions[i]);
    for (uint32_t i = 0; i < program->n_obligations; i++) {
        t.rule = program->obligations[i].rule->index;
        trace_duty(&t, &root, &program->obligations[i]);
    }
    if (trace == NULL || t.failed)
        return err_set(err, E_NO_MEMORY, "", "trace");
    *trace = (struct policy_trace){policy, question, decision, root.first};
    *ret_trace = trace;
    return 0;
}

/* -- what would have to change ----------------------------------------------------------------- */

/* clang-format off */
static const char *const by_operand[POLICY_OP__COUNT][POLICY_LANG__COUNT] = {
#define CHANGE(operand, ko, en) [POLICY_OP_##operand] = {ko, en},
#include "policy/changes.def"
#undef CHANGE
};

static const char *const by_why[POLICY_WHY__COUNT][POLICY_LANG__COUNT] = {
    [POLICY_WHY_FALSE]         = {"이 조건이 성립해야 합니다.", "This has to hold."},
    [POLICY_WHY_UNKNOWN]       = {"이 사실을 보이는 근거가 필요합니다.", "Evidence of this is needed."},
    [POLICY_WHY_CLAIMED]       = {"상대방의 주장이 아닌 근거가 필요합니다.", "Evidence is needed beyond the partner's claim."},
    [POLICY_WHY_STALE]         = {"더 새로운 근거가 필요합니다.", "Newer evidence is needed."},
    [POLICY_WHY_UNCOMPARABLE]  = {"조건과 비교할 수 있는 값이 필요합니다.", "A value is needed that can be compared."},
    [POLICY_WHY_PROHIBITED]    = {"금지 사유가 없어져야 합니다.", "The prohibition has to cease to apply."},
    [POLICY_WHY_NO_PERMISSION] = {"이 행위를 허용하는 규칙을 정책에 넣어야 합니다.", "The policy needs a rule that permits this action."},
    [POLICY_WHY_TARGET]        = {"규칙이 가리키는 데이터를 요청해야 합니다.", "The data set that the rule names has to be asked for."},
    [POLICY_WHY_ASSIGNEE]      = {"규칙이 가리키는 회사가 요청해야 합니다.", "The company that the rule names has to ask."},
    [POLICY_WHY_DUTY]          = {"먼저 이행할 의무를 이행해야 합니다.", "The duty has to be fulfilled first."},
    [POLICY_WHY_EXCLUSIVE]     = {"이 조건은 다른 조건과 함께 성립하지 않아야 합니다.", "This must not hold together with the other alternative."},
    [POLICY_WHY_CONFLICT]      = {"정책의 작성자가 허가와 금지의 충돌을 없애야 합니다.", "The author of the policy has to resolve the conflict of permission and prohibition."},
};

static const char *const at_another_time[POLICY_LANG__COUNT] = {
    "조건에 맞는 때에 요청하거나 기간을 새로 합의해야 합니다.",
    "Ask at a time that fits, or agree on another period.",
};

/* clang-format on */

static bool is_about_time(enum policy_operand operand)
{
    const enum meaning meaning = policy__operands[operand].meaning;

    return meaning != MEANING_FACT && meaning != MEANING_TERM && meaning != MEANING_RESTRICT;
}

const char *policy__change_text(const struct policy_cause *cause, enum policy_lang lang)
{
    const bool may_hold = cause->why == POLICY_WHY_FALSE || cause->why == POLICY_WHY_UNKNOWN;

    if (cause->operand != POLICY_OP__COUNT && may_hold) {
        if (is_about_time(cause->operand))
            return at_another_time[lang];
        if (by_operand[cause->operand][lang] != NULL)
            return by_operand[cause->operand][lang];
    }
    return by_why[cause->why][lang];
}

/* The constraint at a place: texts of a policy are unique by address. */
static const struct node *find_node(const struct policy *policy, struct str at)
{
    for (uint32_t i = 0; i < policy->program.n_code; i++) {
        if (policy->program.code[i].node->at.p == at.p)
            return policy->program.code[i].node;
    }
    return NULL;
}

static const struct rule *find_rule(const struct policy *policy, int index)
{
    for (int l = 0; l < LIST__COUNT; l++) {
        for (size_t i = 0; i < policy->rules[l].n_ordered; i++) {
            if (policy->rules[l].ordered[i]->index == index)
                return policy->rules[l].ordered[i];
        }
    }
    return NULL;
}

static void cause_subject(const struct policy *policy, const struct policy_cause *cause,
                          enum policy_lang lang, struct buf *out)
{
    const struct rule *rule = find_rule(policy, cause->rule);
    const struct node *node = find_node(policy, cause->at);

    if (rule == NULL)
        return;
    policy__rule_name(out, lang, rule);
    if (node == NULL || node == rule->conditions)
        return;
    buf_add_c(out, ": ");
    if (node->kind == NODE_ATOM)
        policy__explain_atom(out, lang, node);
    else
        buf_printf(out, "%s …", policy__logical_words(node->kind, lang));
}

void policy_explain_change(const struct policy *policy, const struct policy_decision *decision,
                           enum policy_lang lang, struct buf *out)
{
    for (unsigned i = 0; i < decision->n_causes; i++) {
        const struct policy_cause *cause = &decision->causes[i];
        const size_t before = out->n;

        buf_add_c(out, "  - ");
        cause_subject(policy, cause, lang, out);
        if (out->n > before + 4)
            buf_add_c(out, " – ");
        buf_printf(out, "%s\n", policy__change_text(cause, lang));
    }
}
