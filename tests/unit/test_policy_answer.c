/*
 * Answers about policies as JSON, as command line and API give them: each parses, has its members, and both languages.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

#define NOW "2026-11-21T12:00:00Z"

/* An answer that is being written, then parsed. */
struct answer {
    struct buf text;
    struct jw w;
    struct jdoc *doc;
};

static void begin(struct answer *a)
{
    *a = (struct answer){.text = buf_init(MIB(4))};
    a->w = jw_init(&a->text);
    jw_object(&a->w);
}

static const struct jval *end(struct answer *a)
{
    struct err err = {0};

    jw_object_end(&a->w);
    ck_assert_msg(jdoc_parse(buf_str(&a->text), NULL, &a->doc, &err) == 0, "%s: %.*s", err.text,
                  (int)a->text.n, a->text.p);
    return jdoc_root(a->doc);
}

static void done(struct answer *a)
{
    jdoc_free(&a->doc);
    buf_done(&a->text);
}

static bool has(const struct jval *value, const char *pointer, const char *part)
{
    const struct str text = jval_str(jval_pointer(value, str_c(pointer)));

    return str_present(text) && memmem(text.p, text.n, part, strlen(part)) != NULL;
}

#define check_has(value, pointer, part)                                                            \
    ck_assert_msg(has(value, pointer, part), "%s lacks '%s'", pointer, part)

START_TEST(test_explain)
{
    AUTO(policy_unref)
    struct policy *policy =
        help_policy("@type=Offer +use (purpose eq a) (Liability eq cx.grossNegligence:1) "
                    "[compensate] [inform (dateTime lteq 2027-01-01) (count lteq 5)] "
                    "!delete (or (elapsedTime lteq P1D) (dateTime lteq 2027-01-01))");
    struct answer a;
    const struct jval *v;

    begin(&a);
    policy_answer_explain(policy, &a.w);
    v = end(&a);
    ck_assert_uint_eq(jval_str(jval_get(v, "hash")).n, 64);
    check_has(v, "/type", "Offer");
    check_has(v, "/ko", "이용 목적");
    check_has(v, "/en", "purpose of use");
    check_has(v, "/needs/0/operand", "purpose");
    check_has(v, "/needs/0/at/3", "access");
    ck_assert_uint_eq(jval_len(jval_get(v, "duties")), 3);
    check_has(v, "/duties/0/kind", "duty");
    check_has(v, "/duties/2/kind", "obligation");
    check_has(v, "/duties/2/ko", "삭제: 다음 중 하나 이상");
    done(&a);
}

END_TEST

START_TEST(test_findings)
{
    AUTO(policy_unref)
    struct policy *policy = help_policy("+use (count lt 5) (count gt 5) !delete");
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    struct policy_findings findings;
    struct err err = {0};
    struct answer a;
    const struct jval *v;

    ck_assert_int_eq(policy_lint(policy, help_time(NOW), arena, &findings, &err), 0);
    begin(&a);
    policy_answer_findings(policy, &findings, &a.w);
    v = end(&a);
    check_has(v, "/findings/0/code", "no-deadline");
    check_has(v, "/findings/0/weight", "warning");
    check_has(v, "/findings/0/at", "/obligation/0");
    check_has(v, "/findings/1/weight", "error");
    check_has(v, "/findings/1/ko", "허용되지 않습니다");
    ck_assert(!jval_bool(jval_get(v, "more")));
    done(&a);
}

END_TEST

START_TEST(test_comparison)
{
    AUTO(policy_unref) struct policy *first = help_policy("+use (count lteq 5)");
    AUTO(policy_unref) struct policy *second = help_policy("+use (count gteq 3)");
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    struct policy_comparison comparison;
    struct err err = {0};
    struct answer a;
    const struct jval *v;

    ck_assert_int_eq(policy_compare(first, second, help_time(NOW), arena, &comparison, &err), 0);
    begin(&a);
    policy_answer_comparison(first, second, &comparison, &a.w);
    v = end(&a);
    check_has(v, "/relation", "incomparable");
    check_has(v, "/witnesses/onlyA/en", "number of uses");
    check_has(v, "/witnesses/onlyB/ko", "이용 횟수");
    ck_assert(!str_eq(jval_str(jval_get(v, "hashA")), jval_str(jval_get(v, "hashB"))));
    done(&a);
    ck_assert_int_eq(policy_compare(first, first, help_time(NOW), arena, &comparison, &err), 0);
    begin(&a);
    policy_answer_comparison(first, first, &comparison, &a.w);
    v = end(&a);
    check_has(v, "/relation", "same");
    ck_assert_uint_eq(jval_len(jval_get(v, "witnesses")), 0);
    done(&a);
}

END_TEST

/* clang-format off */
static const struct {
    const char *policy, *world;
    bool trace, peer;
    const char *pointer, *part;
} decisions[] = {
    {"+use (count lteq 5)",                     "count=3",          true,  false, "/verdict", "permit"},
    {"+use (count lteq 5)",                     "count=3",          true,  false, "/until", "2026-11-21T12:01:00"},
    {"+use (count lteq 5)",                     "count=9",          true,  false, "/causes/0/seen", "9"},
    {"+use (count lteq 5)",                     "count=9",          true,  false, "/causes/0/required", "5"},
    {"+use (purpose eq a)",                     "",                 true,  true,  "/peer/name", "tractusx"},
    {"+use (purpose eq a)",                     "",                 true,  true,  "/peer/verdict", "permit"},
    {"+use (purpose eq a)",                     "",                 true,  true,  "/peer/differences/0/code", "no-access"},
    {"+use (purpose eq a)",                     "",                 true,  true,  "/ko", "거부됩니다"},
    {"-sell",                                   "",                 true,  false, "/causes/0/code", "no-permission"},
    {"+use !delete (dateTime lteq 2027-01-01)", "did:",             true,  false, "/duties/0/state", "outstanding"},
    {"+use !delete (dateTime lteq 2027-01-01)", "did:",             true,  false, "/duties/0/deadline", "2027-01-01T23:59:59"},
    {"+use !delete (dateTime lteq 2026-01-01)", "did:",             true,  false, "/duties/0/state", "overdue"},
    {"+use !inform",                            "did:inform@2026-11-10T00:00:00Z,buyer,data", true, false, "/duties/0/state", "fulfilled"},
    {"+use !use (DataProvisioningEndDate eq 2027-01-01)", "did:",   true,  false, "/duties/0/of", "provider"},
    {"+use (count lteq 5)",                     "count=3",          true,  false, "/trace/policyRequest/scope", "access"},
    {"@type=Agreement @assignee=buyer @assigner=seller @target=data +use", "", true, false, "/trace/ruleReport/0/partyReport/0/named", "buyer"},
    {"+use (xone (count lteq 5) (purpose eq a))", "count=3 purpose=?a", true, false, "/trace/ruleReport/0/premiseReport/0/constraintLogicalOperand", "xone"},
};

/* clang-format on */

START_TEST(test_decision)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(policy_unref) struct policy *policy = help_policy(decisions[_i].policy);
    const struct policy_question question = {.action = POLICY_ACT_USE,
                                             .scope = POLICY_AT_ACCESS,
                                             .now_us = help_time(NOW),
                                             .agreement_us = help_time("2026-11-01T00:00:00Z"),
                                             .target = STR("data"),
                                             .assignee = STR("buyer")};
    struct policy_peer_opinion opinion;
    struct policy_decision decision;
    struct policy_asked asked = {.policy = policy, .question = &question, .decision = &decision};
    struct world world;
    struct err err = {0};
    struct answer a;

    help_world(arena, decisions[_i].world, &world);
    asked.facts = &world.facts;
    policy_decide(policy, &question, &world.facts, &decision);
    ck_assert(policy_trace(policy, &question, &world.facts, &decision, arena, &asked.trace, &err) ==
              0);
    if (decisions[_i].peer) {
        asked.peer = POLICY_PEER_TRACTUSX;
        asked.opinion = &opinion;
        policy_peer_decide(policy, asked.peer, &question, &world.facts, &opinion);
    }
    begin(&a);
    policy_answer_decision(&asked, &a.w);
    check_has(end(&a), decisions[_i].pointer, decisions[_i].part);
    done(&a);
    asked.trace = NULL;
    begin(&a);
    policy_answer_decision(&asked, &a.w);
    ck_assert_ptr_null(jval_get(end(&a), "trace"));
    done(&a);
}

END_TEST

/* A stock peer that would deny, too. */
START_TEST(test_peer_denies)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(policy_unref) struct policy *policy = help_policy("+use (Membership eq active)");
    const struct policy_question question = {.action = POLICY_ACT_USE,
                                             .scope = POLICY_AT_NEGOTIATION,
                                             .now_us = help_time(NOW),
                                             .agreement_us = POLICY_NO_TIME};
    struct policy_peer_opinion opinion;
    struct policy_decision decision;
    const struct policy_asked asked = {.policy = policy,
                                       .question = &question,
                                       .decision = &decision,
                                       .opinion = &opinion,
                                       .peer = POLICY_PEER_TRACTUSX};
    struct world world;
    struct answer a;

    help_world(arena, "Membership=-", &world);
    policy_decide(policy, &question, &world.facts, &decision);
    policy_peer_decide(policy, POLICY_PEER_TRACTUSX, &question, &world.facts, &opinion);
    begin(&a);
    policy_answer_decision(&asked, &a.w);
    check_has(end(&a), "/peer/verdict", "deny");
    done(&a);
}

END_TEST

/* clang-format off */
static const struct { const char *name, *value, *part; /* of the refusal; NULL: it is taken */ } given[] = {
    {"purpose", "urn:a", NULL}, {"count", "5", NULL}, {"count", "x", "'x' is not a whole number"},
    {"urn:naru:policy:attribution", "true", NULL}, {"urn:naru:policy:attribution", "false", NULL},
    {"urn:naru:policy:attribution", "yes", "expected true or false, got 'yes'"}, {"colour", "red", "no operand"},
};

/* clang-format on */

START_TEST(test_fact)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    struct str value = str_c(given[_i].value);
    const struct str_list values = {&value, 1}, none = {0};
    struct policy_facts facts = {0};
    struct err err = {0};
    int status = policy_fact_read(str_c(given[_i].name), &values, arena, &facts, &err);

    if (given[_i].part != NULL) {
        ck_assert(status < 0 && strstr(err.detail, given[_i].part) != NULL);
        return;
    }
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(policy_fact_read(str_c(given[_i].name), &none, arena, &facts, &err), 0);
}

END_TEST

START_TEST(test_made)
{
    AUTO(policy_templates_free) struct policy_templates *templates = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(policy_made_done) struct policy_made made = {0};
    const struct policy_clause clause = {.template = STR("ai-training"), .at = ""};
    struct err err = {0};
    struct answer a;
    const struct jval *v;

    ck_assert_int_eq(policy_templates_new(&templates, &err), 0);
    ck_assert_int_eq(policy_make(templates, &clause, 1, POLICY_DIALECT__COUNT, help_time(NOW),
                                 arena, &made, &err),
                     0);
    begin(&a);
    policy_answer_made(&made, &a.w);
    v = end(&a);
    check_has(v, "/policy/@type", "Set");
    check_has(v, "/profile", "naru");
    check_has(v, "/clauses/ko", "1. 인공지능 학습: ");
    check_has(v, "/en", "use for AI training: forbidden");
    done(&a);
    ck_assert(str_eq(policy_template_id(policy_templates_at(templates, 0)), STR("purpose")));
    ck_assert(str_eq(policy_template_title(policy_templates_at(templates, 0), POLICY_EN),
                     STR("Limitation of purpose")));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_answer");
    TCase *tc = tcase_create("answer");

    tcase_add_test(tc, test_explain);
    tcase_add_test(tc, test_findings);
    tcase_add_test(tc, test_comparison);
    tcase_add_test(tc, test_peer_denies);
    tcase_add_loop_test(tc, test_decision, 0, (int)ARRAY_LEN(decisions));
    tcase_add_loop_test(tc, test_fact, 0, (int)ARRAY_LEN(given));
    tcase_add_test(tc, test_made);
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
