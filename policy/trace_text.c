/*
 * policy/trace_text.c - a trace as a tree for people
 */
#include "policy/trace.h"

#include <inttypes.h>

#include "lib/base/timefmt.h"
#include "policy/explain_private.h"
#include "policy/trace_private.h"

#include "lib/base/banned.h"

struct telling {
    enum policy_lang lang;
    enum policy_trace_marks marks;
    struct buf *out;
};

/* clang-format off */
static const char *const marks[][2] = {
    [TRUTH_FALSE]   = {"✗", "-"},
    [TRUTH_UNKNOWN] = {"?", "?"},
    [TRUTH_TRUE]    = {"✓", "+"},
};

/* by the mark */
static const char *const permission_words[][POLICY_LANG__COUNT] = {
    [TRUTH_FALSE]   = {"허용하지 않음", "does not permit"},
    [TRUTH_UNKNOWN] = {"확인할 수 없어 허용하지 않음", "does not permit: not all is known"},
    [TRUTH_TRUE]    = {"허용함", "permits"},
};
static const char *const prohibition_words[][POLICY_LANG__COUNT] = {
    [TRUTH_FALSE]   = {"금지함", "prohibits"},
    [TRUTH_UNKNOWN] = {"해당하지 않음을 확인할 수 없어 금지함", "prohibits: that it does not apply is not known"},
    [TRUTH_TRUE]    = {"해당하지 않음", "does not apply"},
};
static const char *const not_asked[POLICY_LANG__COUNT] = {
    "다른 행위에 대한 규칙", "is about another action",
};
static const char *const duty_words[][POLICY_LANG__COUNT] = {
    [POLICY_DUTY_OUTSTANDING] = {"이행 전", "outstanding"},
    [POLICY_DUTY_FULFILLED]   = {"이행함", "fulfilled"},
    [POLICY_DUTY_VIOLATED]    = {"기한을 넘김", "overdue"},
};
static const char *const duty_names[][POLICY_LANG__COUNT] = {
    [RULE_OBLIGATION]  = {"의무", "Obligation"},
    [RULE_DUTY]        = {"먼저 이행할 의무", "Duty before"},
    [RULE_REMEDY]      = {"위반 시 의무", "Duty after a violation"},
    [RULE_CONSEQUENCE] = {"불이행 시 의무", "Duty if it is not fulfilled"},
};
static const struct { int64_t us; const char *ko, *one, *many; } ages[] = {
    {US_PER_DAY, "일",   "day",    "days"},
    {US_PER_H,   "시간", "hour",   "hours"},
    {US_PER_MIN, "분",   "minute", "minutes"},
    {US_PER_S,   "초",   "second", "seconds"},
};

/* clang-format on */

static void begin_line(const struct telling *t, const struct trace_node *n, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_add_c(t->out, "  ");
    buf_printf(t->out, "%s ", marks[n->truth][t->marks]);
    if (n->change)
        buf_add_c(t->out, t->marks == POLICY_MARKS_SIGNS ? "→ " : "* ");
}

static void tell_rule(const struct telling *t, const struct trace_node *n)
{
    const bool permission = n->rule->kind == RULE_PERMISSION;

    policy__rule_name(t->out, t->lang, n->rule);
    buf_printf(t->out, " (%s): %s", policy_action_text(n->rule->action, t->lang),
               !n->asked    ? not_asked[t->lang]
               : permission ? permission_words[n->truth][t->lang]
                            : prohibition_words[n->truth][t->lang]);
}

static void tell_duty(const struct telling *t, const struct trace_node *n)
{
    buf_printf(t->out, "%s", duty_names[n->rule->kind][t->lang]);
    if (n->rule->kind == RULE_OBLIGATION)
        buf_printf(t->out, " %d", n->rule->index + 1);
    buf_printf(t->out, " (%s): ", policy_action_text(n->rule->action, t->lang));
    if (!n->active) {
        buf_add_c(t->out, t->lang == POLICY_KO ? "해당하지 않음" : "does not arise");
        return;
    }
    buf_add_c(t->out, duty_words[n->duty.state][t->lang]);
    if (n->duty.deadline_us != POLICY_FOREVER)
        buf_printf(t->out, t->lang == POLICY_KO ? ", 기한 %s" : ", due %s",
                   time_format(n->duty.deadline_us).c);
}

static void tell_entity(const struct telling *t, const struct trace_node *n)
{
    static const char *const names[][POLICY_LANG__COUNT] = {
        {"대상 데이터: ", "data set: " },
        {"이용자: ",        "recipient: "},
    };
    const struct str asked = n->asked_for.id;

    buf_printf(t->out, "%s%.*s", names[n->kind == TRACE_PARTY][t->lang], STR_ARG(n->named.id));
    if (n->truth != TRUTH_TRUE && str_present(asked))
        buf_printf(t->out, t->lang == POLICY_KO ? " [실제: %.*s]" : " [actual: %.*s]",
                   STR_ARG(asked));
}

static void add_age(const struct telling *t, int64_t age_us)
{
    for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
        const int64_t n = age_us / ages[i].us;

        if (n == 0)
            continue;
        if (t->lang == POLICY_KO)
            buf_printf(t->out, ", %" PRId64 "%s 전", n, ages[i].ko);
        else
            buf_printf(t->out, ", %" PRId64 " %s ago", n, n == 1 ? ages[i].one : ages[i].many);
        return;
    }
}

/* What was seen, or why nothing was. */
static void tell_evidence(const struct telling *t, const struct trace_node *n)
{
    static const char *const nothing[][POLICY_LANG__COUNT] = {
        [POLICY_WHY_FALSE] = {"없음",                    "none"              },
        [POLICY_WHY_UNKNOWN] = {"알 수 없음",            "not known"         },
        [POLICY_WHY_CLAIMED] = {"상대방의 주장뿐임", "only claimed"      },
        [POLICY_WHY_STALE] = {"너무 오래됨",          "too old"           },
        [POLICY_WHY_UNCOMPARABLE] = {"비교할 수 없음",      "cannot be compared"},
    };
    const bool known = n->truth != TRUTH_UNKNOWN;

    if (n->term)
        return;
    buf_add_c(t->out, " [");
    if (n->seen.seen[0] != '\0')
        buf_add_c(t->out, n->seen.seen);
    if (n->seen.seen[0] != '\0' && !known)
        buf_add_c(t->out, ", ");
    if (n->seen.seen[0] == '\0' || !known)
        buf_add_c(t->out, nothing[known ? POLICY_WHY_FALSE : n->seen.why][t->lang]);
    if (n->seen.source != NULL) {
        buf_add_c(t->out, "; ");
        policy_source_text(n->seen.source, t->lang, t->out);
    }
    if (n->age_us > 0)
        add_age(t, n->age_us);
    buf_add_char(t->out, ']');
}

static void tell(const struct telling *t, const struct trace_node *n, unsigned depth)
{
    begin_line(t, n, depth);
    switch (n->kind) {
    case TRACE_RULE: tell_rule(t, n); break;
    case TRACE_DUTY: tell_duty(t, n); break;
    case TRACE_TARGET:
    case TRACE_PARTY: tell_entity(t, n); break;
    case TRACE_LOGICAL: buf_add_c(t->out, policy__logical_words(n->node->kind, t->lang)); break;
    case TRACE_ATOM:
        policy__explain_atom(t->out, t->lang, n->node);
        tell_evidence(t, n);
        break;
    }
    buf_add_char(t->out, '\n');
    for (const struct trace_node *child = n->first; child != NULL; child = child->next)
        tell(t, child, depth + 1);
}

void policy_trace_text(const struct policy_trace *trace, enum policy_lang lang,
                       enum policy_trace_marks style, struct buf *out)
{
    const struct telling t = {lang, style, out};

    for (const struct trace_node *n = trace->first; n != NULL; n = n->next)
        tell(&t, n, 0);
    if (trace->decision->n_causes == 0)
        return;
    buf_add_c(out, lang == POLICY_KO ? "바뀌어야 할 것:\n" : "What would have to change:\n");
    policy_explain_change(trace->policy, trace->decision, lang, out);
    if (trace->decision->more)
        buf_add_c(out, lang == POLICY_KO ? "  - 그 밖에 더 있음\n" : "  - and more\n");
}
