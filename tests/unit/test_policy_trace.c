/*
 * Traces: every rule and constraint with its mark, what was seen, and what would have to change; some letter by
 * letter; for all that is decided, the marks agree with the decision.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

#define NOW "2026-11-21T12:00:00Z"

/* clang-format off */
static const struct {
    const char *name, *policy, *world, *en, *ko;
} cases[] = {
    {"permitted", "+use (purpose isAnyOf a) (dateTime lteq 2026-12-31)", "purpose=?a",
     "✓ Permission 1 (use): permits\n"
     "  ✓ the time is not later than 2026-12-31 (UTC) [2026-11-21T12:00:00Z]\n"
     "  ✓ the purpose of use is one of: a [a; signed order]\n",
     "✓ 허가 1 (이용): 허용함\n"
     "  ✓ 2026-12-31 (UTC)까지일 것 [2026-11-21T12:00:00Z]\n"
     "  ✓ 이용 목적이 다음 중 하나일 것: a [a; 서명된 주문]\n"},
    {"false and unknown", "+use (purpose isAnyOf a) (spatial eq KR) (Liability eq cx.grossNegligence:1)", "purpose=b",
     "✗ Permission 1 (use): does not permit\n"
     "  ✗ → the purpose of use is one of: a [b; signed order]\n"
     "  ? → the place of use is KR [not known]\n"
     "  ✓ term of the contract – liability: limited to intent and gross negligence\n"
     "What would have to change:\n"
     "  - Permission 1: the purpose of use is one of: a – The partner declares a permitted purpose with its order.\n"
     "  - Permission 1: the place of use is KR – The place in the partner's credential has to fit.\n",
     "✗ 허가 1 (이용): 허용하지 않음\n"
     "  ✗ → 이용 목적이 다음 중 하나일 것: a [b; 서명된 주문]\n"
     "  ? → 이용 지역이 다음과 같을 것: KR [알 수 없음]\n"
     "  ✓ 계약 조항 – 책임 범위: 고의와 중과실에 한정\n"
     "바뀌어야 할 것:\n"
     "  - 허가 1: 이용 목적이 다음 중 하나일 것: a – 상대방이 허용된 목적으로 주문해야 합니다.\n"
     "  - 허가 1: 이용 지역이 다음과 같을 것: KR – 상대방의 자격 증명에 있는 소재지가 조건에 맞아야 합니다.\n"},
    {"the cheaper alternative", "+use (or (count lteq 5) (and (spatial eq KR) (purpose eq a)))", "count=9",
     "? Permission 1 (use): does not permit: not all is known\n"
     "  ? at least one of the following holds:\n"
     "    ? all of the following hold:\n"
     "      ? the purpose of use is a [not known]\n"
     "      ? the place of use is KR [not known]\n"
     "    ✗ → the number of uses is at most 5 [9; signed order]\n"
     "What would have to change:\n"
     "  - Permission 1: the number of uses is at most 5 – A new agreement is needed whose limit is not used up.\n", NULL},
    {"a claim, and too old", "+use (spatial eq KR) (Membership eq active)", "spatial=?KR Membership=active~90000",
     "? Permission 1 (use): does not permit: not all is known\n"
     "  ? → the place of use is KR [KR, only claimed; signed order]\n"
     "  ? → the membership is active [active, too old; signed order, 1 day ago]\n"
     "What would have to change:\n"
     "  - Permission 1: the place of use is KR – Evidence is needed beyond the partner's claim.\n"
     "  - Permission 1: the membership is active – Newer evidence is needed.\n", NULL},
    {"absent", "+use (BusinessPartnerGroup isAnyOf gold)", "BusinessPartnerGroup=-",
     "✗ Permission 1 (use): does not permit\n"
     "  ✗ → the business partner group is one of: gold [none; signed order]\n"
     "What would have to change:\n"
     "  - Permission 1: the business partner group is one of: gold – We change the partner's groups in our connector.\n", NULL},
    {"prohibited", "@conflict=prohibit +use -use (spatial eq US) -sell", "spatial=US",
     "✓ Permission 1 (use): permits\n"
     "✓ Prohibition 2 (sale): is about another action\n"
     "✗ Prohibition 3 (use): prohibits\n"
     "  ✓ → the place of use is US [US; signed order]\n"
     "What would have to change:\n"
     "  - Prohibition 3: the place of use is US – The prohibition has to cease to apply.\n", NULL},
    {"cannot be ruled out", "@conflict=prohibit +use -use (spatial eq US)", "",
     "✓ Permission 1 (use): permits\n"
     "? Prohibition 2 (use): prohibits: that it does not apply is not known\n"
     "  ? → the place of use is US [not known]\n"
     "What would have to change:\n"
     "  - Prohibition 2: the place of use is US – The prohibition has to cease to apply.\n", NULL},
    {"duties", "+use [compensate] !delete (dateTime lteq 2026-12-31T00:00:00Z)", "did:",
     "✗ Permission 1 (use): does not permit\n"
     "  ? → Duty before (payment): outstanding\n"
     "? Obligation 2 (deletion): outstanding, due 2026-12-31T00:00:00Z\n"
     "  ✓ the time is not later than 2026-12-31T00:00:00Z [2026-11-21T12:00:00Z]\n"
     "What would have to change:\n"
     "  - Permission 1 – The duty has to be fulfilled first.\n", NULL},
    {"fulfilled and overdue", "+use [compensate] !delete (dateTime lteq 2026-11-20T00:00:00Z)", "did:compensate@2026-11-01T00:00:00Z,buyer,data",
     "✓ Permission 1 (use): permits\n"
     "  ✓ Duty before (payment): fulfilled\n"
     "✗ Obligation 2 (deletion): overdue, due 2026-11-20T00:00:00Z\n"
     "  ✗ the time is not later than 2026-11-20T00:00:00Z [2026-11-21T12:00:00Z]\n", NULL},
    {"parties", "+use @@assignee=somebody @@target=data", "",
     "✗ Permission 1 (use): does not permit\n"
     "  ✓ data set: data\n"
     "  ✗ → recipient: somebody [actual: buyer]\n"
     "What would have to change:\n"
     "  - Permission 1 – The company that the rule names has to ask.\n", NULL},
    {"a sequence", "+use (andSequence (dateTime gt 2026-12-01) (dateTime gt 2026-11-01))", "",
     "✗ Permission 1 (use): does not permit\n"
     "  ✗ → all of the following hold, one after the other:\n"
     "    ✗ the time is after 2026-12-01 (UTC) [2026-11-21T12:00:00Z]\n"
     "    ✓ the time is after 2026-11-01 (UTC) [2026-11-21T12:00:00Z]\n"
     "What would have to change:\n"
     "  - Permission 1: all of the following hold, one after the other: … – This has to hold.\n", NULL},
    {"a duty that does not arise", "+use [compensate (purpose eq b)]", "purpose=a did:",
     "✓ Permission 1 (use): permits\n"
     "  ✓ Duty before (payment): does not arise\n"
     "    ✗ the purpose of use is b [a; signed order]\n",
     "✓ 허가 1 (이용): 허용함\n"
     "  ✓ 먼저 이행할 의무 (대금 지급): 해당하지 않음\n"},
    {"a consequence", "+use [compensate (dateTime lteq 2026-11-01) [inform]]", "did:",
     "✗ Permission 1 (use): does not permit\n"
     "  ✗ → Duty before (payment): overdue, due 2026-11-01T23:59:59.999999Z\n"
     "    ✗ the time is not later than 2026-11-01 (UTC) [2026-11-21T12:00:00Z]\n"
     "    ? Duty if it is not fulfilled (notification): outstanding\n", NULL},
    {"ages", "+use (Membership eq active) (participant eq did:x)", "Membership=active~7200 participant=did:x~90",
     "✓ Permission 1 (use): permits\n"
     "  ✓ the membership is active [active; signed order, 2 hours ago]\n"
     "  ✓ the counterparty is did:x [did:x; signed order, 1 minute ago]\n",
     "✓ 허가 1 (이용): 허용함\n"
     "  ✓ 회원 자격이 다음과 같을 것: active [active; 서명된 주문, 2시간 전]\n"
     "  ✓ 상대방이 다음과 같을 것: did:x [did:x; 서명된 주문, 1분 전]\n"},
    {"prohibited without condition", "@conflict=prohibit +use -use", "",
     "✓ Permission 1 (use): permits\n"
     "✗ → Prohibition 2 (use): prohibits\n"
     "What would have to change:\n"
     "  - Prohibition 2 – The prohibition has to cease to apply.\n", NULL},
    {"void", "+use -use", "",
     "✓ Permission 1 (use): permits\n"
     "✗ → Prohibition 2 (use): prohibits\n", NULL},
    {"nothing said of what can be done", "+use (naru:rows lteq 5)", "naru:rows=9",
     "✗ Permission 1 (use): does not permit\n"
     "  ✗ → the number of rows used is at most 5 [9; signed order]\n"
     "What would have to change:\n"
     "  - Permission 1: the number of rows used is at most 5 – This has to hold.\n", NULL},
    {"other data, with a refined action",
     "{'permission':[{'action':{'rdf:value':{'@id':'odrl:use'},'refinement':[{'leftOperand':'purpose','operator':'eq','rightOperand':'a'}]},'target':'x'}]}", "purpose=a",
     "✗ Permission 1 (use): does not permit\n"
     "  ✗ → data set: x [actual: data]\n"
     "  ✓ the purpose of use is a [a; signed order]\n"
     "What would have to change:\n"
     "  - Permission 1 – ", NULL},
    {"nothing permits", "-sell", "",
     "✓ Prohibition 1 (sale): is about another action\n"
     "What would have to change:\n"
     "  - The policy needs a rule that permits this action.\n", NULL},
};

/* clang-format on */

struct asked {
    struct policy *policy;
    struct world world;
    struct policy_question question;
    struct policy_decision decision;
    const struct policy_trace *trace;
};

static void ask(struct arena *arena, const char *policy, const char *world, struct asked *a)
{
    struct err err = {0};

    *a = (struct asked){.policy = help_policy(policy)};
    help_world(arena, world, &a->world);
    a->question = (struct policy_question){.action = POLICY_ACT_USE,
                                           .scope = POLICY_AT_ACCESS,
                                           .now_us = help_time(NOW),
                                           .agreement_us = help_time("2026-11-01T00:00:00Z"),
                                           .target = STR("data"),
                                           .assignee = STR("buyer")};
    policy_decide(a->policy, &a->question, &a->world.facts, &a->decision);
    ck_assert(policy_trace(a->policy, &a->question, &a->world.facts, &a->decision, arena, &a->trace,
                           &err) == 0);
}

static void check_text(const struct asked *a, enum policy_lang lang, const char *want,
                       const char *name)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));

    policy_trace_text(a->trace, lang, POLICY_MARKS_SIGNS, &out);
    ck_assert_msg(str_starts(buf_str(&out), str_c(want)), "%s:\n%.*s", name, (int)out.n, out.p);
    ck_assert(str_is_utf8(buf_str(&out)));
}

START_TEST(test_text)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf words = buf_init(KIB(64));
    struct asked a;

    ask(arena, cases[_i].policy, cases[_i].world, &a);
    check_text(&a, POLICY_EN, cases[_i].en, cases[_i].name);
    if (cases[_i].ko != NULL)
        check_text(&a, POLICY_KO, cases[_i].ko, cases[_i].name);
    policy_explain_decision(a.policy, &a.decision, POLICY_KO, &words);
    ck_assert(words.n > 0 && str_is_utf8(buf_str(&words)));
    policy_unref(&a.policy);
}

END_TEST

START_TEST(test_ascii)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct asked a;

    ask(arena, "+use (count lteq 5) (spatial eq KR) (purpose eq a)", "count=9 purpose=a", &a);
    policy_trace_text(a.trace, POLICY_EN, POLICY_MARKS_ASCII, &out);
    buf_add_char(&out, '\0');
    ck_assert_ptr_nonnull(
        strstr(out.p, "  - * the number of uses is at most 5 [9; signed order]\n"));
    ck_assert_ptr_nonnull(strstr(out.p, "  ? * the place of use is KR [not known]\n"));
    ck_assert_ptr_nonnull(strstr(out.p, "  + the purpose of use is a [a; signed order]\n"));
    ck_assert_ptr_null(strstr(out.p, "✗"));
    ck_assert_ptr_null(strstr(out.p, "→"));
    policy_unref(&a.policy);
}

END_TEST

/* How many reports below this one ask for a change, and whether all have a state. */
static size_t changes(const struct jval *report)
{
    static const char *const inner[] = {"targetReport", "partyReport", "premiseReport",
                                        "conditionReport", "consequenceReport"};
    size_t n = jval_bool(jval_get(report, "change"));

    ck_assert(jtype_of(jval_get(report, "change")) == J_BOOL);
    for (size_t i = 0; i < ARRAY_LEN(inner); i++) {
        const struct jval *list = jval_get(report, inner[i]);

        for (size_t k = 0; k < jval_len(list); k++)
            n += changes(jval_at(list, k));
    }
    return n;
}

/* The JSON of each case parses, says what the decision says, and marks as many places as there are
 * causes that have one. */
START_TEST(test_json)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw w = jw_init(&out);
    struct err err = {0};
    size_t marked = 0, placed = 0;
    const struct jval *rules;
    struct asked a;

    ask(arena, cases[_i].policy, cases[_i].world, &a);
    policy_trace_write(a.trace, &w);
    ck_assert_msg(jdoc_parse(buf_str(&out), NULL, &doc, &err) == 0, "%s", err.text);
    ck_assert(str_eq_c(jval_str(jval_get(jdoc_root(doc), "decision")),
                       a.decision.verdict == POLICY_PERMIT ? "permit" : "deny"));
    rules = jval_get(jdoc_root(doc), "ruleReport");
    for (size_t i = 0; i < jval_len(rules); i++)
        marked += changes(jval_at(rules, i));
    for (unsigned i = 0; i < a.decision.n_causes; i++)
        placed += a.decision.causes[i].rule >= 0;
    ck_assert_msg(marked == placed, "%s: %zu marked, %zu causes", cases[_i].name, marked, placed);
    ck_assert_uint_eq(jval_len(jval_get(jdoc_root(doc), "change")), a.decision.n_causes);
    policy_unref(&a.policy);
}

END_TEST

/* What was not asked about is not in the report; an age below a second is not worth a word. */
START_TEST(test_little_known)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw w = jw_init(&out);
    struct err err = {0};
    const struct jval *request;
    struct asked a;

    ask(arena, "+use (Membership eq active) (spatial eq KR)", "Membership=active", &a);
    a.question.target = STR_NONE;
    a.question.assignee = STR_NONE;
    a.question.agreement_us = POLICY_NO_TIME;
    a.world.facts.of[POLICY_OP_MEMBERSHIP].age_us = US_PER_S / 2;
    ck_assert_int_eq(
        policy_trace(a.policy, &a.question, &a.world.facts, &a.decision, arena, &a.trace, &err), 0);
    policy_trace_write(a.trace, &w);
    ck_assert_int_eq(jdoc_parse(buf_str(&out), NULL, &doc, &err), 0);
    request = jval_get(jdoc_root(doc), "policyRequest");
    ck_assert_ptr_null(jval_get(request, "target"));
    ck_assert_ptr_null(jval_get(request, "assignee"));
    ck_assert_ptr_null(jval_get(request, "agreed"));
    out.n = 0;
    policy_trace_text(a.trace, POLICY_EN, POLICY_MARKS_SIGNS, &out);
    buf_add_char(&out, '\0');
    ck_assert_msg(strstr(out.p, "active [active; signed order]") != NULL, "%s", out.p);
    policy_unref(&a.policy);
}

END_TEST

/* Another order and spelling of the same policy: the same tree. */
START_TEST(test_deterministic)
{
    static const char *const same[] = {
        "+use (purpose isAnyOf a b) (and (count lteq 5) (spatial eq KR)) -sell !delete",
        "!delete -sell +use (and (spatial eq KR) (count lteq 5)) (purpose isAnyOf b a b)",
    };
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf first = buf_init(KIB(64));
    AUTO(buf_done) struct buf second = buf_init(KIB(64));
    struct asked a, b;

    ask(arena, same[0], "purpose=a count=7", &a);
    ask(arena, same[1], "purpose=a count=7", &b);
    policy_trace_text(a.trace, POLICY_KO, POLICY_MARKS_SIGNS, &first);
    policy_trace_text(b.trace, POLICY_KO, POLICY_MARKS_SIGNS, &second);
    ck_assert_msg(str_eq(buf_str(&first), buf_str(&second)), "%.*s\n%.*s", (int)first.n, first.p,
                  (int)second.n, second.p);
    policy_unref(&a.policy);
    policy_unref(&b.policy);
}

END_TEST

/* Every operand that can keep a policy from permitting says what can be done, in both languages. */
START_TEST(test_changes)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct asked a;

    ask(arena,
        "+use (inForceDate lteq 2020-01-01T00:00:00Z) (elapsedTime lteq P1D) "
        "(DataUsageEndDate eq 2020-01-01T00:00:00Z) (xone (count lteq 5) (purpose eq a))",
        "count=1 purpose=a", &a);
    policy_explain_change(a.policy, &a.decision, POLICY_EN, &out);
    buf_add_char(&out, '\0');
    ck_assert_uint_ge(a.decision.n_causes, 4);
    ck_assert_msg(strstr(out.p, "agree on another period") != NULL, "%s", out.p);
    ck_assert_msg(strstr(out.p, "This must not hold together") != NULL, "%s", out.p);
    policy_unref(&a.policy);
}

END_TEST

/* More causes than a decision holds are told as such. */
START_TEST(test_more)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf notation = buf_init(KIB(4));
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct asked a;

    buf_add_c(&notation, "+use");
    for (int i = 0; i <= POLICY_CAUSES; i++)
        buf_printf(&notation, " (purpose eq p%d)", i);
    buf_add_char(&notation, '\0');
    ask(arena, notation.p, "", &a);
    policy_trace_text(a.trace, POLICY_EN, POLICY_MARKS_SIGNS, &out);
    ck_assert(str_ends(buf_str(&out), STR("  - and more\n")));
    policy_trace_text(a.trace, POLICY_KO, POLICY_MARKS_SIGNS, &out);
    ck_assert(str_ends(buf_str(&out), STR("  - 그 밖에 더 있음\n")));
    policy_unref(&a.policy);
}

END_TEST

/* Memory that does not suffice is an error. */
START_TEST(test_memory)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    bool made = false, failed = false;
    struct asked a;

    ask(arena, "+use (or (count lteq 5) (purpose eq a)) [compensate [inform]] -sell !delete",
        "count=9 did:", &a);
    for (size_t size = 16; size < KIB(16); size += 64) {
        AUTO(arena_free) struct arena *small = arena_new(size);
        const struct policy_trace *trace = NULL;
        struct err err = {0};

        if (policy_trace(a.policy, &a.question, &a.world.facts, &a.decision, small, &trace, &err) <
            0) {
            failed = true;
            ck_assert_int_eq(err.code, E_NO_MEMORY);
            ck_assert_ptr_null(trace);
        } else {
            made = true;
        }
    }
    ck_assert(made && failed);
    policy_unref(&a.policy);
}

END_TEST

/* -- sources ----------------------------------------------------------------------------------- */

static const struct policy_source a_record = {.kind = POLICY_FROM_RECORD,
                                              .by = STR_INIT("extract of 2026"),
                                              .at_us = INT64_C(1767225600000000)};

/* clang-format off */
static const struct { struct policy_source source; const char *ko, *en, *json; } sources[] = {
    {{.kind = POLICY_FROM_QUESTION}, "질문과 함께 주어짐", "given with the question",
     "{\"kind\":\"question\",\"ko\":\"질문과 함께 주어짐\",\"en\":\"given with the question\"}"},
    {{.kind = POLICY_FROM_NO_CREDENTIAL}, "제시된 회원 자격 증명이 없음", "no membership credential was shown", NULL},
    {{.kind = POLICY_FROM_CREDENTIAL, .by = STR_INIT("did:web:bank"), .id = STR_INIT("urn:uuid:1")},
     "did:web:bank 발급 회원 자격 증명", "membership credential of did:web:bank",
     "{\"kind\":\"credential\",\"by\":\"did:web:bank\",\"id\":\"urn:uuid:1\",\"ko\":\"did:web:bank 발급 회원 자격 증명\","
     "\"en\":\"membership credential of did:web:bank\"}"},
    {{.kind = POLICY_FROM_CREDENTIAL_REVOKED, .by = STR_INIT("did:web:bank"), .reason = STR_INIT("left"), .at_us = INT64_C(1767225600000000)},
     "did:web:bank 발급 회원 자격 증명, 2026-01-01T00:00:00Z 취소됨: left", "membership credential of did:web:bank, revoked 2026-01-01T00:00:00Z: left",
     "{\"kind\":\"credential-revoked\",\"by\":\"did:web:bank\",\"at\":\"2026-01-01T00:00:00Z\",\"reason\":\"left\","
     "\"ko\":\"did:web:bank 발급 회원 자격 증명, 2026-01-01T00:00:00Z 취소됨: left\","
     "\"en\":\"membership credential of did:web:bank, revoked 2026-01-01T00:00:00Z: left\"}"},
    {{.kind = POLICY_FROM_CREDENTIAL_REVOKED, .by = STR_INIT("x"), .at_us = INT64_C(1767225600000000)},
     "x 발급 회원 자격 증명, 2026-01-01T00:00:00Z 취소됨", "membership credential of x, revoked 2026-01-01T00:00:00Z", NULL},
    {{.kind = POLICY_FROM_CREDENTIAL_EXPIRED, .by = STR_INIT("x"), .at_us = INT64_C(1767225600000000)},
     "x 발급 회원 자격 증명, 2026-01-01T00:00:00Z 만료됨", "membership credential of x, expired 2026-01-01T00:00:00Z", NULL},
    {{.kind = POLICY_FROM_CREDENTIAL_UNCONFIRMED, .by = STR_INIT("x"), .at_us = INT64_C(1767225600000000)},
     "x 발급 회원 자격 증명, 2026-01-01T00:00:00Z 이후 확인되지 않음", "membership credential of x, not confirmed since 2026-01-01T00:00:00Z", NULL},
    {{.kind = POLICY_FROM_CREDENTIAL, .by = STR_INIT("x"), .also = &a_record},
     "x 발급 회원 자격 증명; 우리 운영자의 2026-01-01T00:00:00Z 기록 (extract of 2026)",
     "membership credential of x; our operator's record of 2026-01-01T00:00:00Z (extract of 2026)", NULL},
    {{.kind = POLICY_FROM_COUNTERS}, "지금까지 집계된 이용", "accesses counted so far", NULL},
};

/* clang-format on */

static const char *source_words(const struct policy_source *source, enum policy_lang lang,
                                struct buf *out)
{
    buf_reset(out);
    policy_source_text(source, lang, out);
    buf_add_char(out, '\0');
    return out->p;
}

START_TEST(test_sources)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(4));
    struct jw w = jw_init(&out);

    ck_assert_str_eq(source_words(&sources[_i].source, POLICY_KO, &out), sources[_i].ko);
    ck_assert_str_eq(source_words(&sources[_i].source, POLICY_EN, &out), sources[_i].en);
    buf_reset(&out);
    policy_answer_source(&sources[_i].source, &w);
    buf_add_char(&out, '\0');
    if (sources[_i].json != NULL)
        ck_assert_str_eq(out.p, sources[_i].json);
}

END_TEST

/* Each kind has words of its own, Korean ones in Korean. */
START_TEST(test_source_kinds)
{
    for (int kind = 0; kind < POLICY_FROM__COUNT; kind++) {
        AUTO(buf_done) struct buf ko = buf_init(KIB(4));
        AUTO(buf_done) struct buf en = buf_init(KIB(4));
        const struct policy_source source = {.kind = (enum policy_source_kind)kind};
        bool hangul = false;

        for (const char *c = source_words(&source, POLICY_KO, &ko); *c != '\0'; c++)
            hangul = hangul || ((unsigned char)*c >= 0xEA && (unsigned char)*c <= 0xED);
        ck_assert_msg(hangul, "%s", ko.p);
        for (const char *c = source_words(&source, POLICY_EN, &en); *c != '\0'; c++)
            ck_assert_msg((unsigned char)*c < 0x80, "%s", en.p);
    }
}

END_TEST

/* A trace tells the source in the reader's language, also of what is not known: that is why. */
START_TEST(test_source_of_unknown)
{
    static const struct policy_source expired = {.kind = POLICY_FROM_CREDENTIAL_EXPIRED,
                                                 .by = STR_INIT("x"),
                                                 .at_us = INT64_C(1767225600000000)};
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct err err = {0};
    struct asked a;

    ask(arena, "+use (Membership eq active)", "", &a);
    a.world.facts.of[POLICY_OP_MEMBERSHIP].source = &expired;
    policy_decide(a.policy, &a.question, &a.world.facts, &a.decision);
    ck_assert_int_eq(
        policy_trace(a.policy, &a.question, &a.world.facts, &a.decision, arena, &a.trace, &err), 0);
    check_text(
        &a, POLICY_KO,
        "? 허가 1 (이용): 확인할 수 없어 허용하지 않음\n"
        "  ? → 회원 자격이 다음과 같을 것: active [알 수 없음; x 발급 회원 자격 증명, 2026-01-01T00:00:00Z 만료됨]\n",
        "unknown");
    check_text(
        &a, POLICY_EN,
        "? Permission 1 (use): does not permit: not all is known\n"
        "  ? → the membership is active [not known; membership credential of x, expired 2026-01-01T00:00:00Z]\n",
        "unknown");
    policy_explain_decision(a.policy, &a.decision, POLICY_KO, &out);
    buf_add_char(&out, '\0');
    ck_assert_msg(
        strstr(out.p,
               "확인할 근거가 없음 (x 발급 회원 자격 증명, 2026-01-01T00:00:00Z 만료됨)\n") != NULL,
        "%s", out.p);
    policy_unref(&a.policy);
}

END_TEST

/* -- facts from text --------------------------------------------------------------------------- */

START_TEST(test_facts)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct str texts[] = {STR("7"), STR("x")};
    struct policy_facts facts = {0};
    struct err err = {0};

    ck_assert_int_eq(
        policy_fact_read(STR("count"), &(struct str_list){texts, 1}, arena, &facts, &err), 0);
    ck_assert_int_eq(facts.of[POLICY_OP_COUNT].values[0].number, 7);
    ck_assert_int_eq(
        policy_fact_read(STR("purpose"), &(struct str_list){texts, 2}, arena, &facts, &err), 0);
    ck_assert_uint_eq(facts.of[POLICY_OP_PURPOSE].n_values, 2);
    ck_assert_int_eq(
        policy_fact_read(STR("spatial"), &(struct str_list){texts, 0}, arena, &facts, &err), 0);
    ck_assert_int_eq(facts.of[POLICY_OP_SPATIAL].knowledge, POLICY_ABSENT);
    ck_assert_int_lt(
        policy_fact_read(STR("count"), &(struct str_list){texts + 1, 1}, arena, &facts, &err), 0);
    ck_assert_int_lt(
        policy_fact_read(STR("nonsense"), &(struct str_list){texts, 1}, arena, &facts, &err), 0);
    ck_assert_int_eq(err.code, E_INVALID);
    ck_assert_int_lt(policy_fact_read(STR("naru:attribution"), &(struct str_list){texts, 1}, arena,
                                      &facts, &err),
                     0);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_trace");
    TCase *tc = tcase_create("trace");

    tcase_add_loop_test(tc, test_text, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_json, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, test_ascii);
    tcase_add_test(tc, test_little_known);
    tcase_add_test(tc, test_deterministic);
    tcase_add_test(tc, test_changes);
    tcase_add_test(tc, test_more);
    tcase_add_test(tc, test_memory);
    tcase_add_loop_test(tc, test_sources, 0, (int)ARRAY_LEN(sources));
    tcase_add_test(tc, test_source_kinds);
    tcase_add_test(tc, test_source_of_unknown);
    tcase_add_test(tc, test_facts);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
