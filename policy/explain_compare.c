/*
 * policy/explain_compare.c - comparisons in words: how two policies relate, in which case they
 * differ, and which conditions were added or dropped
 */
#include "policy/compare.h"

#include <inttypes.h>

#include "lib/base/timefmt.h"
#include "policy/compare_private.h"
#include "policy/explain_private.h"

#include "lib/base/banned.h"

#define SHOWN_VALUES 8

/* -- a world ----------------------------------------------------------------------------------- */

static void add_named(struct buf *out, const char *name, struct str value)
{
    if (str_present(value) && !str_eq(value, STR(POLICY_OTHER)))
        buf_printf(out, "  - %s: %.*s\n", name, STR_ARG(value));
}

static void add_fact(struct buf *out, enum policy_lang lang, enum policy_operand operand,
                     const struct policy_fact *fact)
{
    static const char *const words[][POLICY_LANG__COUNT] = {
        [POLICY_UNKNOWN] = {"알 수 없음", "not known"},
        [POLICY_ABSENT] = {"없음",         "none"     },
    };
    const bool number = policy_operand_type(operand) > POLICY_V_DECIMAL;

    buf_printf(out, "  - %s: ", policy_operand_text(operand, lang));
    if (fact->knowledge != POLICY_KNOWN)
        buf_add_c(out, words[fact->knowledge][lang]);
    for (size_t i = 0; fact->knowledge == POLICY_KNOWN && i < fact->n_values; i++) {
        buf_add_c(out, i > 0 ? ", " : "");
        if (i == SHOWN_VALUES) {
            buf_add_c(out, "…");
            break;
        }
        if (number)
            buf_add_i64(out, fact->values[i].number);
        else if (str_eq(fact->values[i].text, STR(POLICY_OTHER)))
            buf_add_c(out, lang == POLICY_KO ? "(그 밖의 값)" : "(some other value)");
        else
            buf_add_str(out, fact->values[i].text);
    }
    buf_add_char(out, '\n');
}

static void explain_facts(const struct policy_world *world, uint64_t asked, enum policy_lang lang,
                          struct buf *out)
{
    for (int i = 0; i < POLICY_OP__COUNT; i++) {
        if (policy_needs_operand(asked, (enum policy_operand)i))
            add_fact(out, lang, (enum policy_operand)i, &world->facts.of[i]);
    }
}

static void explain_world(const struct policy_world *world, uint64_t asked, enum policy_lang lang,
                          struct buf *out)
{
    const struct policy_question *q = &world->question;
    const bool ko = lang == POLICY_KO;

    buf_printf(out, "  - %s: %s\n", ko ? "행위" : "action", policy_action_text(q->action, lang));
    buf_printf(out, "  - %s: %s\n", ko ? "시각" : "time", time_format(q->now_us).c);
    if (q->agreement_us != POLICY_NO_TIME)
        buf_printf(out, "  - %s: %s\n", ko ? "계약 체결 시각" : "agreement concluded",
                   time_format(q->agreement_us).c);
    add_named(out, ko ? "데이터" : "data set", q->target);
    if (q->n_target_in > 0)
        add_named(out, ko ? "데이터가 속한 집합" : "data set is one of", q->target_in[0]);
    add_named(out, ko ? "이용자" : "recipient", q->assignee);
    if (q->n_assignee_in > 0)
        add_named(out, ko ? "이용자가 속한 집합" : "recipient is one of", q->assignee_in[0]);
    explain_facts(world, asked, lang, out);
    if (world->refused_term != POLICY_OP__COUNT)
        buf_printf(out, "  - %s: %s: %.*s\n",
                   ko ? "받아들이지 않은 계약 조항" : "term of the contract that is not accepted",
                   policy_operand_text(world->refused_term, lang), STR_ARG(world->refused_value));
}

/* What is not unknown. */
static uint64_t known_in(const struct policy_world *world)
{
    uint64_t known = 0;

    for (int i = 0; i < POLICY_OP__COUNT && i < POLICY_IN_SETS; i++) {
        if (world->facts.of[i].knowledge != POLICY_UNKNOWN)
            known |= UINT64_C(1) << i;
    }
    return known;
}

void policy_explain_world(const struct policy_world *world, enum policy_lang lang, struct buf *out)
{
    explain_world(world, known_in(world), lang, out);
}

/* -- a comparison ------------------------------------------------------------------------------ */

static const char *const relations[POLICY_RELATION__COUNT][POLICY_LANG__COUNT] = {
    [POLICY_SAME] = {"두 정책은 같은 것을 허용합니다.",                               "Both policies permit the same."},
    [POLICY_STRICTER] = {"첫째 정책이 더 엄격합니다.",                                      "The first policy is stricter." },
    [POLICY_WIDER] = {"첫째 정책이 더 많이 허용합니다.",                               "The first policy permits more."},
    [POLICY_INCOMPARABLE] = {"각 정책은 다른 정책이 허용하지 않는 것을 허용합니다.",
                     "Each policy permits something that the other does not."                                                      },
    [POLICY_DISJOINT] = {"두 정책이 함께 허용하는 것이 없습니다.",
                     "There is nothing that both policies permit."                                                                 },
    [POLICY_RELATION_UNDECIDED] = {"모든 경우를 판단하지는 못했습니다.",
                     "It could not be decided for every case."                                                                     },
};

/* Why the other one denies where this one permits. */
static void explain_witness(const struct policy *const policies[2], int permits,
                            const struct policy_world *world, enum policy_lang lang,
                            struct buf *out)
{
    static const char *const heads[2][POLICY_LANG__COUNT] = {
        {"다음 경우에는 첫째 정책만 허용합니다:", "Only the first permits this:" },
        {"다음 경우에는 둘째 정책만 허용합니다:", "Only the second permits this:"},
    };
    const struct policy *other = policies[1 - permits];
    const uint64_t asked =
        known_in(world) | policies[0]->program.needs | policies[1]->program.needs;
    struct policy_decision decision;

    buf_printf(out, "%s\n", heads[permits][lang]);
    explain_world(world, asked, lang, out);
    policy_decide(other, &world->question, &world->facts, &decision);
    if (decision.verdict == POLICY_DENY)
        policy_explain_decision(other, &decision, lang, out);
}

void policy_explain_comparison(const struct policy *a, const struct policy *b,
                               const struct policy_comparison *comparison, enum policy_lang lang,
                               struct buf *out)
{
    static const char *const duties[2][POLICY_LANG__COUNT] = {
        {"첫째 정책에만 있는 의무", "Only the first demands this duty" },
        {"둘째 정책에만 있는 의무", "Only the second demands this duty"},
    };
    const struct policy *const policies[2] = {a, b};

    buf_printf(out, "%s\n", relations[comparison->relation][lang]);
    for (int i = 0; i < 2; i++) {
        if (comparison->only[i] != NULL)
            explain_witness(policies, i, comparison->only[i], lang, out);
        if (!str_present(comparison->duty_missing[i]))
            continue;
        buf_printf(out, "%s: %s\n", duties[i][lang],
                   policy_action_text(comparison->duty_action[i], lang));
    }
}

/* -- a difference ------------------------------------------------------------------------------ */

struct difference {
    struct buf *out;
    enum policy_lang lang;
    const struct rule *rule; /* whose lines are written; named before the first */
    bool named;
};

static void line(struct difference *d, char mark)
{
    if (!d->named) {
        policy__rule_name(d->out, d->lang, d->rule);
        buf_printf(d->out, " (%s)\n", policy_action_text(d->rule->action, d->lang));
        d->named = true;
    }
    buf_printf(d->out, "  %c ", mark);
}

static void add_condition(struct difference *d, char mark, const struct node *node)
{
    line(d, mark);
    policy__explain_node(d->out, d->lang, node);
}

static void add_duty(struct difference *d, char mark, const struct rule *duty)
{
    line(d, mark);
    buf_printf(d->out, "%s: ", d->lang == POLICY_KO ? "의무" : "duty");
    policy__explain_duty(d->out, d->lang, duty, 2);
}

/* The conditions of a rule that must all hold. */
static const struct node *conditions(const struct rule *rule)
{
    const struct node *node = rule->constraint;

    while (node != NULL && node->n_ordered == 1 && node->ordered[0]->kind == NODE_AND)
        node = node->ordered[0];
    return node;
}

static bool has_condition(const struct node *all, const struct node *one)
{
    for (size_t i = 0; all != NULL && i < all->n_ordered; i++) {
        if (str_eq(all->ordered[i]->canon, one->canon))
            return true;
    }
    return false;
}

static void add_conditions(struct difference *d, char mark, const struct rule *of,
                           const struct rule *against)
{
    const struct node *mine = conditions(of), *theirs = conditions(against);

    for (size_t i = 0; mine != NULL && i < mine->n_ordered; i++) {
        if (!has_condition(theirs, mine->ordered[i]))
            add_condition(d, mark, mine->ordered[i]);
    }
    for (size_t i = 0; i < of->duties.n_ordered; i++) {
        bool there = false;

        for (size_t k = 0; k < against->duties.n_ordered && !there; k++)
            there = str_eq(of->duties.ordered[i]->canon, against->duties.ordered[k]->canon);
        if (!there)
            add_duty(d, mark, of->duties.ordered[i]);
    }
}

static size_t common(const struct rule *a, const struct rule *b)
{
    const struct node *mine = conditions(a), *theirs = conditions(b);
    size_t n = 0;

    for (size_t i = 0; mine != NULL && i < mine->n_ordered; i++)
        n += has_condition(theirs, mine->ordered[i]);
    return n;
}

static bool in_list(const struct rule_list *list, const struct rule *rule)
{
    for (size_t i = 0; i < list->n_ordered; i++) {
        if (str_eq(list->ordered[i]->canon, rule->canon))
            return true;
    }
    return false;
}

/*
 * The rule of `list` that a changed rule most likely was: same action, most conditions in common;
 * one that stands in both policies was not changed.
 */
static const struct rule *counterpart(const struct rule_list *list, const struct rule_list *own,
                                      const struct rule *rule)
{
    const struct rule *best = NULL;
    size_t most = 0;

    for (size_t i = 0; i < list->n_ordered; i++) {
        const struct rule *other = list->ordered[i];
        const size_t n = other->action == rule->action ? 1 + common(rule, other) : 0;

        if (n > most && !in_list(own, other)) {
            most = n;
            best = other;
        }
    }
    return best;
}

static void add_whole_rule(struct difference *d, char mark, const struct rule *rule)
{
    buf_printf(d->out, "%c ", mark);
    policy__explain_rule(d->out, d->lang, rule);
}

static void add_rules(const struct rule_list *a, const struct rule_list *b, enum policy_lang lang,
                      struct buf *out)
{
    for (size_t i = 0; i < a->n_ordered; i++) {
        const struct rule *rule = a->ordered[i], *was;
        struct difference d = {out, lang, rule, false};

        if (in_list(b, rule))
            continue;
        was = counterpart(b, a, rule);
        if (was == NULL || counterpart(a, b, was) != rule) {
            add_whole_rule(&d, '-', rule);
            continue;
        }
        add_conditions(&d, '-', rule, was);
        add_conditions(&d, '+', was, rule);
        if (!d.named) { /* parties or the data set are other ones */
            add_whole_rule(&d, '-', rule);
            add_whole_rule(&d, '+', was);
        }
    }
    for (size_t i = 0; i < b->n_ordered; i++) {
        const struct rule *rule = b->ordered[i], *now;
        struct difference d = {out, lang, rule, false};

        if (in_list(a, rule))
            continue;
        now = counterpart(a, b, rule);
        if (now == NULL || counterpart(b, a, now) != rule)
            add_whole_rule(&d, '+', rule);
    }
}

void policy_explain_difference(const struct policy *a, const struct policy *b,
                               enum policy_lang lang, struct buf *out)
{
    const struct {
        const char *name[POLICY_LANG__COUNT];
        struct str a, b;
    } heads[] = {
        {{"데이터", "data set"},     a->target.id,   b->target.id  },
        {{"제공자", "provider"},     a->assigner.id, b->assigner.id},
        {{"이용자", "recipient"},    a->assignee.id, b->assignee.id},
        {{"충돌 처리", "conflict"},
         str_c(policy__conflict_names[a->conflict]),
         str_c(policy__conflict_names[b->conflict])                   },
    };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        if (str_present(heads[i].a) == str_present(heads[i].b) &&
            (!str_present(heads[i].a) || str_eq(heads[i].a, heads[i].b)))
            continue;
        if (str_present(heads[i].a))
            buf_printf(out, "- %s: %.*s\n", heads[i].name[lang], STR_ARG(heads[i].a));
        if (str_present(heads[i].b))
            buf_printf(out, "+ %s: %.*s\n", heads[i].name[lang], STR_ARG(heads[i].b));
    }
    for (int i = 0; i < LIST__COUNT; i++)
        add_rules(&a->rules[i], &b->rules[i], lang, out);
}
