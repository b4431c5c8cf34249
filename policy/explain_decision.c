/*
 * policy/explain_decision.c - a decision in words: the verdict, until when, and what would have to change
 */
#include "policy/policy.h"

#include "lib/base/timefmt.h"
#include "policy/explain_private.h"

#include "lib/base/banned.h"

/* clang-format off */
/* slug; words in front of the condition; words behind it */
static const struct {
    const char *slug;
    const char *before[POLICY_LANG__COUNT];
    const char *after[POLICY_LANG__COUNT];
} whys[] = {
    [POLICY_WHY_FALSE]         = {"constraint-false",   {"", ""}, {"조건을 만족하지 않음", "this does not hold"}},
    [POLICY_WHY_UNKNOWN]       = {"fact-unknown",       {"", ""}, {"확인할 근거가 없음", "there is no evidence for it"}},
    [POLICY_WHY_CLAIMED]       = {"fact-claimed",       {"", ""}, {"상대방의 주장만 있음", "there is only the other party's claim"}},
    [POLICY_WHY_STALE]         = {"fact-stale",         {"", ""}, {"근거가 너무 오래됨", "the evidence is too old"}},
    [POLICY_WHY_UNCOMPARABLE]  = {"fact-uncomparable",  {"", ""}, {"비교할 수 없는 값임", "the value cannot be compared"}},
    [POLICY_WHY_PROHIBITED]    = {"prohibited",         {"금지 사유 – ", "prohibited – "}, {"이 경우에 해당함", "this is the case, or cannot be ruled out"}},
    [POLICY_WHY_NO_PERMISSION] = {"no-permission",      {"", ""}, {"이 행위를 허용하는 규칙이 없음", "no rule permits this action"}},
    [POLICY_WHY_TARGET]        = {"other-target",       {"", ""}, {"이 데이터에 대한 규칙이 아님", "the rule is not for this data set"}},
    [POLICY_WHY_ASSIGNEE]      = {"other-assignee",     {"", ""}, {"이 이용자에 대한 규칙이 아님", "the rule is not for this recipient"}},
    [POLICY_WHY_DUTY]          = {"duty-unfulfilled",   {"", ""}, {"먼저 이행할 의무가 이행되지 않음", "a duty has not been fulfilled before"}},
    [POLICY_WHY_EXCLUSIVE]     = {"alternatives",       {"", ""}, {"다른 조건과 함께 성립할 수 없음", "this must not hold together with the other alternative"}},
    [POLICY_WHY_CONFLICT]      = {"conflict",           {"허가와 금지의 충돌 – ", "permission and prohibition conflict – "}, {"정책이 무효임", "the policy is void"}},
};

/* clang-format on */
static_assert(ARRAY_LEN(whys) == POLICY_WHY__COUNT, "one row per reason");

const char *policy_why_slug(enum policy_why why)
{
    return whys[why].slug;
}

/* The constraint that a cause speaks of: texts are unique by address. */
static const struct node *find_in(const struct node *node, struct str at)
{
    const struct node *found = NULL;

    if (node == NULL || node->at.p == at.p)
        return node;
    for (size_t i = 0; i < node->n_ordered && found == NULL; i++)
        found = find_in(node->ordered[i], at);
    return found;
}

static const struct rule *find_rule(const struct policy *policy, int index)
{
    for (int i = 0; i < LIST__COUNT; i++) {
        for (size_t r = 0; r < policy->rules[i].n_ordered; r++) {
            if (policy->rules[i].ordered[r]->index == index)
                return policy->rules[i].ordered[r];
        }
    }
    return NULL;
}

/* The value that was seen, and where it comes from; or what is known of why there is none. */
static void explain_evidence(struct buf *out, enum policy_lang lang,
                             const struct policy_cause *cause)
{
    const bool seen = cause->seen[0] != '\0';

    if (!seen && cause->source == NULL)
        return;
    buf_add_c(out, " (");
    if (seen)
        buf_printf(out, lang == POLICY_KO ? "실제 값: %s" : "actual: %s", cause->seen);
    if (seen && cause->source != NULL)
        buf_add_c(out, lang == POLICY_KO ? "; 출처: " : "; from: ");
    policy_source_text(cause->source, lang, out);
    buf_add_char(out, ')');
}

static void explain_cause(struct buf *out, enum policy_lang lang, const struct policy *policy,
                          const struct policy_cause *cause)
{
    const struct rule *rule = find_rule(policy, cause->rule);
    const struct node *node = rule != NULL ? find_in(rule->conditions, cause->at) : NULL;

    buf_add_c(out, "  - ");
    if (rule != NULL) {
        policy__rule_name(out, lang, rule);
        buf_add_c(out, ": ");
    }
    buf_add_c(out, whys[cause->why].before[lang]);
    if (node != NULL && node->kind == NODE_ATOM) {
        policy__explain_atom(out, lang, node);
        buf_add_c(out, " – ");
    } else if (node != NULL && node != rule->conditions && !node->refines) {
        buf_printf(out, "%s … – ", policy__logical_words(node->kind, lang));
    }
    buf_add_c(out, whys[cause->why].after[lang]);
    explain_evidence(out, lang, cause);
    buf_add_char(out, '\n');
}

static void explain_duty(struct buf *out, enum policy_lang lang, const struct policy_duty *duty)
{
    static const char *const states[][POLICY_LANG__COUNT] = {
        [POLICY_DUTY_OUTSTANDING] = {"이행 전",       "outstanding"},
        [POLICY_DUTY_FULFILLED] = {"이행함",        "fulfilled"  },
        [POLICY_DUTY_VIOLATED] = {"기한을 넘김", "overdue"    },
    };
    static const char *const owners[][POLICY_LANG__COUNT] = {
        {"이용자의 의무", "duty of the recipient"},
        {"제공자의 의무", "duty of the provider" },
    };

    static const char *const roles[][POLICY_LANG__COUNT] = {
        [POLICY_ROLE_BEFORE] = {"",                         ""                       },
        [POLICY_ROLE_OBLIGATION] = {"",                         ""                       },
        [POLICY_ROLE_CONSEQUENCE] = {"불이행에 따른 ",     "after a breach, "       },
        [POLICY_ROLE_REMEDY] = {"금지 위반에 따른 ", "after an infringement, "},
    };

    buf_printf(out, "  - %s%s: %s", roles[duty->role][lang], owners[duty->of_assigner][lang],
               policy_action_text(duty->action, lang));
    if (str_present(duty->amount))
        buf_printf(out, " %.*s %.*s", STR_ARG(duty->amount), STR_ARG(duty->currency));
    buf_printf(out, " (%s)", states[duty->state][lang]);
    if (duty->deadline_us != POLICY_FOREVER)
        buf_printf(out, lang == POLICY_KO ? ", 기한 %s" : ", due %s",
                   time_format(duty->deadline_us).c);
    buf_add_char(out, '\n');
}

void policy_explain_decision(const struct policy *policy, const struct policy_decision *decision,
                             enum policy_lang lang, struct buf *out)
{
    bool permit = decision->verdict == POLICY_PERMIT, ko = lang == POLICY_KO;

    if (permit)
        buf_add_c(out, ko ? "허용됩니다." : "Permitted.");
    else
        buf_add_c(out, ko ? "거부됩니다. 다음이 모두 바뀌어야 허용됩니다."
                          : "Denied. To be permitted, all of the following would have to change.");
    if (decision->valid_until_us != POLICY_FOREVER)
        buf_printf(out, ko ? " 이 판단은 %s 전까지 유효합니다." : " This holds until %s.",
                   time_format(decision->valid_until_us).c);
    buf_add_char(out, '\n');
    for (unsigned i = 0; i < decision->n_causes; i++)
        explain_cause(out, lang, policy, &decision->causes[i]);
    for (unsigned i = 0; i < decision->n_duties; i++)
        explain_duty(out, lang, &decision->duties[i]);
    if (decision->more)
        buf_add_c(out, ko ? "  - 그 밖에 더 있음\n" : "  - and more\n");
}

void policy_reason(const struct policy_decision *decision, enum policy_lang lang, struct buf *out)
{
    bool named[POLICY_OP__COUNT] = {0};
    const char *comma = ": ";

    buf_add_c(out, lang == POLICY_KO ? "정책에 따라 거부됨" : "refused by policy");
    for (unsigned i = 0; i < decision->n_causes; i++) {
        const struct policy_cause *cause = &decision->causes[i];

        if (cause->operand != POLICY_OP__COUNT && named[cause->operand])
            continue;
        buf_add_c(out, comma);
        if (cause->operand == POLICY_OP__COUNT) {
            buf_add_c(out, whys[cause->why].after[lang]);
        } else {
            named[cause->operand] = true;
            buf_add_c(out, policy_operand_text(cause->operand, lang));
        }
        comma = ", ";
    }
}
