/*
 * policy/explain.c - a policy in words, Korean and English
 *
 * The text follows the normal form (canonical order and values), so that equal policies read the same whatever their spelling;
 * it may be stored and compared with an agreement's hash. Nothing of the policy is left out.
 */
#include "policy/policy.h"

#include <inttypes.h>

#include "lib/base/timefmt.h"
#include "policy/explain_private.h"

#include "lib/base/banned.h"

enum phrase_kind { PHRASE_TEXT, PHRASE_NUMBER, PHRASE_TIME, PHRASE__COUNT };

/* clang-format off */
static const char *const phrases[PHRASE__COUNT][POLICY_OPERATOR__COUNT][POLICY_LANG__COUNT] = {
#define PHRASE(kind, op, ko, en) [PHRASE_##kind][POLICY_##op] = {ko, en},
#include "policy/phrases.def"
#undef PHRASE
};

/* operands whose meaning the operator does not tell */
static const char *const meanings[][POLICY_LANG__COUNT] = {
    [MEANING_UNTIL]        = {"%V까지만 이용할 것", "the data is used only until %V"},
    [MEANING_DAYS]         = {"계약 체결 후 %V일까지만 이용할 것", "the data is used only for %V days after the agreement"},
    [MEANING_TERM]         = {"계약 조항 – %N: %V", "term of the contract – %N: %V"},
    [MEANING_RESTRICT]     = {"%V", "%V"},
    [MEANING_PROVIDE]      = {"제공자가 %V까지 데이터를 제공할 것", "the provider provides the data until %V"},
    [MEANING_PROVIDE_DAYS] = {"제공자가 계약 체결 후 %V일까지 데이터를 제공할 것",
                              "the provider provides the data for %V days after the agreement"},
};

static const char *const logical_words[][POLICY_LANG__COUNT] = {
    [NODE_AND]      = {"다음을 모두 만족할 것:", "all of the following hold:"},
    [NODE_OR]       = {"다음 중 하나 이상을 만족할 것:", "at least one of the following holds:"},
    [NODE_XONE]     = {"다음 중 정확히 하나만 만족할 것:", "exactly one of the following holds:"},
    [NODE_SEQUENCE] = {"다음을 순서대로 모두 만족할 것:", "all of the following hold, one after the other:"},
};

static const struct { int64_t us; const char *ko, *one, *many; } units[] = {
    {US_PER_DAY, "일",   "day",    "days"},
    {US_PER_H,   "시간", "hour",   "hours"},
    {US_PER_MIN, "분",   "minute", "minutes"},
    {US_PER_S,   "초",   "second", "seconds"},
    {1,          "마이크로초", "microsecond", "microseconds"},
};

/* clang-format on */

/* -- words ------------------------------------------------------------------------------------- */

/* True if a Korean word ends in a consonant, which decides its particle. Brackets at the end do not count. */
static bool ends_in_consonant(struct str word)
{
    unsigned code;

    while (word.n > 0 && word.p[word.n - 1] == ')')
        word.n--;
    if (word.n < 3 || ((unsigned char)word.p[word.n - 3] & 0xF0) != 0xE0)
        return false;
    code = ((unsigned)(unsigned char)word.p[word.n - 3] & 0x0FU) << 12 |
           ((unsigned)(unsigned char)word.p[word.n - 2] & 0x3FU) << 6 |
           ((unsigned)(unsigned char)word.p[word.n - 1] & 0x3FU);
    return code >= 0xAC00 && code <= 0xD7A3 && (code - 0xAC00) % 28 != 0;
}

void policy__particle(struct buf *out, const char *word, const char *after_consonant,
                      const char *after_vowel)
{
    buf_add_c(out, ends_in_consonant(str_c(word)) ? after_consonant : after_vowel);
}

static void add_amount(struct buf *out, enum policy_lang lang, int64_t n, const char *ko,
                       const char *one, const char *many)
{
    buf_add_i64(out, n);
    if (lang == POLICY_KO)
        buf_add_c(out, ko);
    else
        buf_printf(out, " %s", n == 1 ? one : many);
}

static void add_span(struct buf *out, enum policy_lang lang, int64_t months, int64_t us)
{
    bool any = months != 0;

    if (any)
        add_amount(out, lang, months, "개월", "month", "months");
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (us / units[i].us == 0)
            continue;
        buf_add_c(out, any ? " " : "");
        add_amount(out, lang, us / units[i].us, units[i].ko, units[i].one, units[i].many);
        us %= units[i].us;
        any = true;
    }
    if (!any)
        add_amount(out, lang, 0, "초", "second", "seconds");
}

void policy__explain_span(struct buf *out, enum policy_lang lang, int64_t months, int64_t us)
{
    add_span(out, lang, months, us);
}

static void add_time(struct buf *out, enum policy_lang lang, const struct value *value)
{
    struct time_text text = time_format(value->first);
    bool after = value->first >= 0;

    if (value->relative) {
        if (lang == POLICY_KO)
            buf_add_c(out, after ? "계약 체결 후 " : "계약 체결 전 ");
        add_span(out, lang, 0, after ? value->first : -value->first);
        if (lang == POLICY_EN)
            buf_add_c(out, after ? " after the agreement" : " before the agreement");
    } else if (value->first == value->last) {
        buf_add_c(out, text.c);
    } else if (value->first % US_PER_DAY == 0) {
        buf_printf(out, "%.10s (UTC)", text.c);
    } else {
        /* a day of another zone */
        buf_printf(out, "%s – %s", text.c, time_format(value->last).c);
    }
}

static void add_zone(struct buf *out, const struct value *value)
{
    const int64_t offset_us = value->offset_us;
    const int64_t minutes = (offset_us < 0 ? -offset_us : offset_us) / US_PER_MIN;

    if (value->zone != NULL)
        buf_printf(out, " (%.*s)", STR_ARG(value->zone->name));
    else if (offset_us == 0)
        buf_add_c(out, " (UTC)");
    else
        buf_printf(out, " (UTC%c%02d:%02d)", offset_us < 0 ? '-' : '+', (int)(minutes / 60),
                   (int)(minutes % 60));
}

static void add_days(struct buf *out, enum policy_lang lang, const struct value *value)
{
    static const char *const days[][POLICY_LANG__COUNT] = {
        {"월", "Monday"   },
        {"화", "Tuesday"  },
        {"수", "Wednesday"},
        {"목", "Thursday" },
        {"금", "Friday"   },
        {"토", "Saturday" },
        {"일", "Sunday"   }
    };

    buf_add_c(out, days[value->first][lang]);
    if (value->last != value->first)
        buf_printf(out, "–%s", days[value->last][lang]);
    add_zone(out, value);
}

static void add_hours(struct buf *out, const struct value *value)
{
    const int64_t ends[] = {value->first / US_PER_S, value->last / US_PER_S};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        buf_printf(out, "%s%02d:%02d", i > 0 ? "–" : "", (int)(ends[i] / 3600),
                   (int)(ends[i] / 60 % 60));
        if (ends[i] % 60 != 0)
            buf_printf(out, ":%02d", (int)(ends[i] % 60));
    }
    add_zone(out, value);
}

static void add_value(struct buf *out, enum policy_lang lang, enum policy_operand operand,
                      const struct value *value)
{
    static const char *const answers[][POLICY_LANG__COUNT] = {
        {"아니요", "no" },
        {"예",       "yes"}
    };
    const struct operand_row *row = &policy__operands[operand];
    bool closed;
    const struct code_row *code = policy__code(operand, value->canon, &closed);

    if (code != NULL)
        buf_add_c(out, code->text[lang]);
    else if (row->type == POLICY_V_TIME)
        add_time(out, lang, value);
    else if (row->type == POLICY_V_DURATION)
        add_span(out, lang, value->months, value->first);
    else if (row->type == POLICY_V_WEEKDAYS)
        add_days(out, lang, value);
    else if (row->type == POLICY_V_HOURS)
        add_hours(out, value);
    else if (row->type == POLICY_V_BOOLEAN)
        buf_add_c(out, answers[value->first != 0][lang]);
    else
        buf_add_str(out, value->canon);
}

static void add_values(struct buf *out, enum policy_lang lang, const struct node *node)
{
    bool sentences = policy__operands[node->operand].meaning == MEANING_RESTRICT;

    for (size_t i = 0; i < node->n_sorted; i++) {
        if (i > 0)
            buf_add_c(out, sentences ? "; " : ", ");
        add_value(out, lang, node->operand, &node->sorted[i]);
    }
    if (str_present(node->currency))
        buf_printf(out, " %.*s", STR_ARG(node->currency));
}

static const char *template_of(const struct node *node, enum policy_lang lang)
{
    const struct operand_row *row = &policy__operands[node->operand];
    enum phrase_kind kind = PHRASE_TEXT;

    if (row->meaning < ARRAY_LEN(meanings) && meanings[row->meaning][lang] != NULL)
        return meanings[row->meaning][lang];
    if (row->type == POLICY_V_TIME)
        kind = PHRASE_TIME;
    else if (row->type == POLICY_V_INTEGER || row->type == POLICY_V_DURATION ||
             row->type == POLICY_V_DECIMAL)
        kind = PHRASE_NUMBER;
    return phrases[kind][node->op][lang];
}

void policy__explain_atom(struct buf *out, enum policy_lang lang, const struct node *node)
{
    const char *name = policy_operand_text(node->operand, lang);

    for (const char *c = template_of(node, lang); *c != '\0'; c++) {
        if (*c != '%') {
            buf_add_char(out, *c);
            continue;
        }
        c++;
        if (*c == 'N')
            buf_add_c(out, name);
        else if (*c == 'i')
            policy__particle(out, name, "이", "가");
        else
            add_values(out, lang, node);
    }
}

const char *policy__logical_words(enum node_kind kind, enum policy_lang lang)
{
    return logical_words[kind][lang];
}

/* -- rules ------------------------------------------------------------------------------------- */

static void start_line(struct buf *out, unsigned depth, const char *mark)
{
    for (unsigned i = 0; i < depth; i++)
        buf_add_c(out, "  ");
    buf_add_c(out, mark);
}

static void explain_node(struct buf *out, enum policy_lang lang, const struct node *node,
                         unsigned depth)
{
    start_line(out, depth, "- ");
    if (node->kind == NODE_ATOM) {
        policy__explain_atom(out, lang, node);
        buf_add_char(out, '\n');
        return;
    }
    buf_printf(out, "%s\n", logical_words[node->kind][lang]);
    for (size_t i = 0; i < node->n_ordered; i++)
        explain_node(out, lang, node->ordered[i], depth + 1);
}

void policy__explain_node(struct buf *out, enum policy_lang lang, const struct node *node)
{
    if (node->kind == NODE_ATOM) {
        policy__explain_atom(out, lang, node);
        buf_add_char(out, '\n');
        return;
    }
    buf_printf(out, "%s\n", logical_words[node->kind][lang]);
    for (size_t i = 0; i < node->n_ordered; i++)
        explain_node(out, lang, node->ordered[i], 2);
}

/* An `and` that stands alone says nothing that the rule's own list does not say. */
static void explain_conditions(struct buf *out, enum policy_lang lang, const struct node *node,
                               unsigned depth)
{
    while (node->n_ordered == 1 && node->ordered[0]->kind == NODE_AND)
        node = node->ordered[0];
    for (size_t i = 0; i < node->n_ordered; i++)
        explain_node(out, lang, node->ordered[i], depth);
}

/* "all members of X", or the id alone. */
static void add_entity(struct buf *out, enum policy_lang lang, const struct entity *entity)
{
    if (entity->collection && lang == POLICY_EN)
        buf_add_c(out, "members of ");
    buf_add_str(out, entity->id);
    if (entity->collection && lang == POLICY_KO)
        buf_add_c(out, "에 속한 것");
}

/* What an action or the members of a collection must be like, below the line that names them. */
static void explain_refinement(struct buf *out, enum policy_lang lang, const struct node *node,
                               unsigned depth)
{
    if (node == NULL)
        return;
    start_line(out, depth, "- ");
    buf_add_c(out, lang == POLICY_KO ? "다음에 해당하는 경우만:\n" : "only if it is like this:\n");
    explain_conditions(out, lang, node, depth + 1);
}

static void explain_limits(struct buf *out, enum policy_lang lang, const struct rule *rule,
                           unsigned depth)
{
    static const char *const words[][POLICY_LANG__COUNT] = {
        {"대상 데이터: ", "data set: " },
        {"제공자: ",        "provider: " },
        {"이용자: ",        "recipient: "},
    };
    const struct entity *const entities[] = {&rule->target, &rule->assigner, &rule->assignee};

    if (rule->refinement != NULL) {
        start_line(out, depth, "- ");
        buf_printf(out, "%s: %s\n", lang == POLICY_KO ? "행위" : "action",
                   policy_action_text(rule->action, lang));
        explain_refinement(out, lang, rule->refinement, depth + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(entities); i++) {
        if (!str_present(entities[i]->id))
            continue;
        start_line(out, depth, "- ");
        buf_add_c(out, words[i][lang]);
        add_entity(out, lang, entities[i]);
        buf_add_char(out, '\n');
        explain_refinement(out, lang, entities[i]->refinement, depth + 1);
    }
}

static void explain_duties(struct buf *out, enum policy_lang lang, const struct rule *rule,
                           unsigned depth);

void policy__explain_duty(struct buf *out, enum policy_lang lang, const struct rule *duty,
                          unsigned depth)
{
    buf_printf(out, "%s\n", policy_action_text(duty->action, lang));
    explain_limits(out, lang, duty, depth);
    if (duty->constraint != NULL)
        explain_conditions(out, lang, duty->constraint, depth);
    explain_duties(out, lang, duty, depth);
}

static void explain_duties(struct buf *out, enum policy_lang lang, const struct rule *rule,
                           unsigned depth)
{
    static const char *const words[][POLICY_LANG__COUNT] = {
        [RULE_PERMISSION] = {"먼저 이행할 의무", "duty to be fulfilled before"},
        [RULE_PROHIBITION] = {"위반 시 의무",       "duty after a violation"     },
        [RULE_OBLIGATION] = {"불이행 시 의무",    "duty if it is not fulfilled"},
        [RULE_DUTY] = {"불이행 시 의무",    "duty if it is not fulfilled"},
    };

    for (size_t i = 0; i < rule->duties.n_ordered; i++) {
        const struct rule *duty = rule->duties.ordered[i];

        start_line(out, depth, "- ");
        buf_printf(out, "%s: ", words[rule->kind][lang]);
        policy__explain_duty(out, lang, duty, depth + 1);
    }
}

enum heading { HEADING_PLAIN, HEADING_CONDITIONS, HEADING_SPECIAL, HEADING__COUNT };

/* %A the action, %o the Korean object particle after it, %I the capitalised action */
static const char *const headings[][HEADING__COUNT][POLICY_LANG__COUNT] = {
    [RULE_PERMISSION] = {{"%A%o 허용합니다.", "%A is permitted."},
                         {"다음 조건을 모두 만족하면 %A%o 허용합니다.",
                          "%A is permitted if all of the following hold:"},
                         {"", ""}                                                                            },
    [RULE_PROHIBITION] = {{"%A%o 금지합니다.", "%A is prohibited."},
                         {"다음 조건을 모두 만족하면 %A%o 금지합니다.",
                           "%A is prohibited if all of the following hold:"},
                         {"이용할 때 다음을 지켜야 합니다.",
                           "whoever uses the data must observe the following:"}                              },
    [RULE_OBLIGATION] = {{"%A 의무가 있습니다.", "%A is a duty."},
                         {"다음 조건에 따라 %A 의무가 있습니다.", "%A is a duty, as follows:"},
                         {"제공자는 다음 의무를 집니다.", "the provider has the following duty:"}},
};

void policy__rule_name(struct buf *out, enum policy_lang lang, const struct rule *rule)
{
    static const char *const names[][POLICY_LANG__COUNT] = {
        [RULE_PERMISSION] = {"허가", "Permission" },
        [RULE_PROHIBITION] = {"금지", "Prohibition"},
        [RULE_OBLIGATION] = {"의무", "Obligation" },
    };

    buf_printf(out, "%s %d", names[rule->kind][lang], rule->index + 1);
}

static bool has_meaning(const struct node *node, enum meaning a, enum meaning b)
{
    if (node->kind == NODE_ATOM)
        return policy__operands[node->operand].meaning == a ||
               policy__operands[node->operand].meaning == b;
    for (size_t i = 0; i < node->n_ordered; i++) {
        if (has_meaning(node->ordered[i], a, b))
            return true;
    }
    return false;
}

static enum heading heading_of(const struct rule *rule)
{
    if (rule->constraint == NULL || rule->constraint->n_ordered == 0)
        return HEADING_PLAIN;
    if (rule->kind == RULE_PROHIBITION &&
        has_meaning(rule->constraint, MEANING_RESTRICT, MEANING_TERM))
        return HEADING_SPECIAL;
    if (rule->kind == RULE_OBLIGATION &&
        has_meaning(rule->constraint, MEANING_PROVIDE, MEANING_PROVIDE_DAYS))
        return HEADING_SPECIAL;
    return HEADING_CONDITIONS;
}

void policy__explain_rule(struct buf *out, enum policy_lang lang, const struct rule *rule)
{
    const char *action = policy_action_text(rule->action, lang);

    policy__rule_name(out, lang, rule);
    buf_add_c(out, ": ");
    for (const char *c = headings[rule->kind][heading_of(rule)][lang]; *c != '\0'; c++) {
        if (*c != '%') {
            buf_add_char(out, *c);
            continue;
        }
        c++;
        if (*c == 'A')
            buf_add_c(out, action);
        else
            policy__particle(out, action, "을", "를");
    }
    buf_add_char(out, '\n');
    explain_limits(out, lang, rule, 1);
    if (rule->constraint != NULL)
        explain_conditions(out, lang, rule->constraint, 1);
    explain_duties(out, lang, rule, 1);
}

/* -- policy ------------------------------------------------------------------------------------ */

static void explain_head(struct buf *out, enum policy_lang lang, const struct policy *policy)
{
    static const char *const types[][POLICY_LANG__COUNT] = {
        [POLICY_SET] = {"정책", "Policy"   },
        [POLICY_OFFER] = {"제안", "Offer"    },
        [POLICY_AGREEMENT] = {"계약", "Agreement"},
    };
    static const char *const words[][POLICY_LANG__COUNT] = {
        {"데이터", "data set" },
        {"제공자", "provider" },
        {"이용자", "recipient"},
    };
    const struct entity *const entities[] = {&policy->target, &policy->assigner, &policy->assignee};

    buf_add_c(out, types[policy->type][lang]);
    for (size_t i = 0; i < ARRAY_LEN(entities); i++) {
        if (!str_present(entities[i]->id))
            continue;
        buf_printf(out, "; %s: ", words[i][lang]);
        add_entity(out, lang, entities[i]);
    }
    if (policy->timestamp_us != POLICY_NO_TIME)
        buf_printf(out, "; %s: %s", lang == POLICY_KO ? "체결 시각" : "concluded",
                   time_format(policy->timestamp_us).c);
    buf_add_char(out, '\n');
}

void policy_explain(const struct policy *policy, enum policy_lang lang, struct buf *out)
{
    static const char *const conflicts[CONFLICT__COUNT][POLICY_LANG__COUNT] = {
        [CONFLICT_INVALID] = {"허가와 금지가 충돌하면 정책 전체가 무효입니다.",
                              "If a permission and a prohibition conflict, the policy is void."      },
        [CONFLICT_PERM] = {"허가와 금지가 충돌하면 허가가 우선합니다.",
                              "If a permission and a prohibition conflict, the permission prevails." },
        [CONFLICT_PROHIBIT] =
            {"허가와 금지가 충돌하면 금지가 우선합니다.",
                              "If a permission and a prohibition conflict, the prohibition prevails."},
    };

    explain_head(out, lang, policy);
    for (int i = 0; i < LIST__COUNT; i++) {
        for (size_t r = 0; r < policy->rules[i].n_ordered; r++)
            policy__explain_rule(out, lang, policy->rules[i].ordered[r]);
    }
    if (policy_is_empty(policy))
        buf_add_c(out, lang == POLICY_KO ? "규칙이 없습니다.\n" : "It has no rules.\n");
    if (policy->rules[LIST_PERMISSION].n_ordered > 0 &&
        policy->rules[LIST_PROHIBITION].n_ordered > 0)
        buf_printf(out, "%s\n", conflicts[policy->conflict][lang]);
}
