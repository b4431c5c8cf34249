/*
 * Static questions: which policy is stricter, with a witness; can it ever permit; what is different.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "policy/compare.h"

#include "lib/base/banned.h"

#define NOW INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */

#define CX                                                                                         \
    "(FrameworkAgreement eq DataExchangeGovernance:1.0)(UsagePurpose isAnyOf cx.pcf.base:1 cx.quality.base:1)"

#define DATA(id)  "{'@type':'AssetCollection','source':'" id "'}"
#define GROUP(id) "{'@type':'PartyCollection','source':'" id "'}"

/* What is said of a comparison: in both languages, and nothing if there is nothing to say. */
static void check_said(const struct policy *a, const struct policy *b,
                       const struct policy_comparison *c)
{
    const bool same = memcmp(policy_hash(a), policy_hash(b), POLICY_HASH_LEN) == 0;

    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        AUTO(buf_done) struct buf text = buf_init(KIB(64));
        AUTO(buf_done) struct buf difference = buf_init(KIB(64));

        policy_explain_comparison(a, b, c, (enum policy_lang)lang, &text);
        for (int i = 0; i < 2; i++) {
            if (c->only[i] != NULL)
                policy_explain_world(c->only[i], (enum policy_lang)lang, &text);
        }
        policy_explain_difference(a, b, (enum policy_lang)lang, &difference);
        ck_assert(!buf_failed(&text) && text.n > 0 && str_is_utf8(buf_str(&text)));
        ck_assert((difference.n == 0) == same);
    }
}

/* clang-format off */
static const struct {
    const char *a, *b;
    enum policy_relation relation;
} relations[] = {
    /* numbers and time */
    {"+use (odrl:count lteq 5)",                         "+use (odrl:count lteq 5)",                         POLICY_SAME},
    {"+use (odrl:count lteq 5)",                         "+use (odrl:count lt 6)",                           POLICY_SAME},
    {"+use (odrl:count lteq 5)",                         "+use (odrl:count lteq 6)",                         POLICY_STRICTER},
    {"+use (odrl:count lteq 6)",                         "+use (odrl:count lteq 5)",                         POLICY_WIDER},
    {"+use (odrl:count lteq 5)",                         "+use (odrl:count gteq 6)",                         POLICY_DISJOINT},
    {"+use (odrl:count lteq 5)",                         "+use (odrl:count gteq 5)",                         POLICY_INCOMPARABLE},
    {"+use (odrl:dateTime lt 2027-01-01T00:00:00Z)",     "+use (odrl:dateTime lt 2028-01-01T00:00:00Z)",     POLICY_STRICTER},
    {"+use (DataUsageEndDate eq 2027-12-31T23:59:59Z)",  "+use (odrl:dateTime lteq 2027-12-31T23:59:59Z)",   POLICY_SAME},
    {"+use (DataUsageEndDurationDays eq 30)",            "+use (DataUsageEndDurationDays eq 365)",           POLICY_STRICTER},
    {"+use (odrl:elapsedTime lteq P30D)",                "+use (DataUsageEndDurationDays eq 30)",            POLICY_SAME},
    {"+use (DataUsageEndDurationDays eq 30)",            "+use (DataUsageEndDate eq 2027-12-31T23:59:59Z)",  POLICY_INCOMPARABLE},
    {"+use (odrl:dateTime gteq 2026-01-01T00:00:00Z)(odrl:dateTime lt 2027-01-01T00:00:00Z)",
     "+use (odrl:dateTime lt 2027-01-01T00:00:00Z)",                                                         POLICY_STRICTER},
    /* texts and sets */
    {"+use (UsagePurpose isAnyOf a b)",                  "+use (UsagePurpose isAnyOf a b c)",                POLICY_STRICTER},
    {"+use (UsagePurpose isAnyOf a b)",                  "+use (UsagePurpose isAllOf a b)",                  POLICY_WIDER},
    {"+use (UsagePurpose isNoneOf a)",                   "+use (UsagePurpose isNoneOf a b)",                 POLICY_WIDER},
    {"+use (UsagePurpose isAnyOf a)",                    "+use (UsagePurpose isAnyOf b)",                    POLICY_INCOMPARABLE},
    {"+use (BusinessPartnerNumber isAnyOf a)",           "+use (BusinessPartnerNumber isAnyOf b)",           POLICY_DISJOINT},
    {"+use (odrl:spatial eq KR)",                        "+use (odrl:spatial isPartOf cx.region.asia:1)",    POLICY_STRICTER},
    {"+use (odrl:spatial isPartOf EU)",                  "+use (odrl:spatial isPartOf cx.region.europe:1)",  POLICY_STRICTER},
    {"+use (odrl:spatial isPartOf EU)",                  "+use (odrl:spatial isPartOf EEA)",                 POLICY_STRICTER},
    {"+use (odrl:spatial isPartOf KR)",                  "+use (odrl:spatial isPartOf EU)",                  POLICY_DISJOINT},
    /* a fact that nobody knows tells a tautology from no condition */
    {"+use (or (odrl:count lteq 5)(odrl:count gt 5))",   "+use",                                             POLICY_STRICTER},
    /* rules */
    {"+use",                                             "",                                                 POLICY_WIDER},
    {"+use (Membership eq active)",                      "+use",                                             POLICY_STRICTER},
    {"+read",                                            "+use",                                             POLICY_STRICTER},
    {"+use -distribute",                                 "+use",                                             POLICY_STRICTER},
    {"+use (odrl:count lteq 5) +use (odrl:count lteq 9)", "+use (odrl:count lteq 9)",                        POLICY_SAME},
    /* it is certain that there is no count: not above 5, and not below */
    {"+use -use (odrl:count gt 5) @conflict=prohibit",   "+use (odrl:count lteq 5)",                         POLICY_WIDER},
    {"+use (odrl:count lteq 5) @@assignee=did:web:a",    "+use (odrl:count lteq 5)",                         POLICY_STRICTER},
    {"+use @target=t1",                                  "+use @target=t2",                                  POLICY_DISJOINT},
    /* duties: who demands more is stricter */
    {"+use !delete",                                     "+use",                                             POLICY_STRICTER},
    {"+use",                                             "+use !delete",                                     POLICY_WIDER},
    {"+use (odrl:count lteq 5)",                         "+use !delete",                                     POLICY_INCOMPARABLE},
    {"+use [compensate]",                                "+use",                                             POLICY_STRICTER},
    /* terms of contract are decided by nobody, and yet they are terms */
    {"+use (Liability eq cx.grossNegligence:1)",         "+use",                                             POLICY_STRICTER},
    {"+use (Liability eq cx.grossNegligence:1)",         "+use (Liability eq cx.slightNegligence:1)",        POLICY_INCOMPARABLE},
    {"+use " CX "(Liability eq cx.grossNegligence:1)",   "+use " CX,                                         POLICY_STRICTER},
    /* Catena-X */
    {"+use " CX,                                         "+use " CX,                                         POLICY_SAME},
    {"+use " CX "(DataUsageEndDurationDays eq 365)",     "+use " CX,                                         POLICY_STRICTER},
    {"+use " CX,                                         "+use (FrameworkAgreement eq DataExchangeGovernance:1.0)", POLICY_STRICTER},
    {"+use " CX " -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1)", "+use " CX,                    POLICY_STRICTER},
    {"+use " CX " -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1 cx.derivations.forbidden:1)",
     "+use " CX " -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1)",                                POLICY_STRICTER},
    {"+use " CX " !use (DataProvisioningEndDate eq 2027-12-31T23:59:59Z)", "+use " CX,                       POLICY_STRICTER},
    /* what is beyond the exact fragment is told as such, never as "same" */
    {"+use (odrl:elapsedTime lteq P1M)",                 "+use (odrl:elapsedTime lteq P1M)",                 POLICY_RELATION_UNDECIDED},
    {"+use (odrl:elapsedTime gteq P1M)",                 "+use (odrl:elapsedTime gteq P1M)",                 POLICY_RELATION_UNDECIDED},
    {"+use (naru:daysOfWeek eq mon/sunZ)",               "+use (naru:daysOfWeek eq mon/sunZ)",               POLICY_RELATION_UNDECIDED},
    {"+use (UsagePurpose isAnyOf a) (UsagePurpose isAnyOf b) (UsagePurpose isAnyOf c) (UsagePurpose isAnyOf d) (UsagePurpose isAnyOf e) (UsagePurpose isAnyOf f) "
     "(UsagePurpose isAnyOf g) (UsagePurpose isAnyOf h) (UsagePurpose isAnyOf i) (UsagePurpose isAnyOf j)", "+use (UsagePurpose isAllOf x y)", POLICY_RELATION_UNDECIDED},
    {"+use -sell (odrl:spatial eq KR) -use (AffiliatesBpnl isAnyOf a)", "+use",                              POLICY_RELATION_UNDECIDED},
    {"+use (odrl:elapsedTime lteq P9999999999M)",        "+use (odrl:elapsedTime lteq P9999999999M)",        POLICY_RELATION_UNDECIDED},
    {"+use (or (UsagePurpose eq a)(UsagePurpose eq b)(UsagePurpose eq c)(UsagePurpose eq d)(UsagePurpose eq e)(UsagePurpose eq f)(UsagePurpose eq g)(UsagePurpose eq h)(UsagePurpose eq i)(UsagePurpose eq j)(UsagePurpose eq k))",
     "+use (or (UsagePurpose eq a)(UsagePurpose eq b)(UsagePurpose eq c)(UsagePurpose eq d)(UsagePurpose eq e)(UsagePurpose eq f)(UsagePurpose eq g)(UsagePurpose eq h)(UsagePurpose eq i)(UsagePurpose eq j))", POLICY_RELATION_UNDECIDED},
    {"+use -use (AffiliatesBpnl isAnyOf a)",             "+use",                                             POLICY_RELATION_UNDECIDED},
    /* parties, data sets and groups of them */
    {"+use @@assignee=did:web:a @@target=t",             "+use @@assignee=did:web:a @@target=u",             POLICY_DISJOINT},
    {"{'permission':[{'action':'use','assignee':" GROUP("g") "}]}", "+use",                                  POLICY_STRICTER},
    {"{'permission':[{'action':'use','assignee':" GROUP("g") "}]}", "{'permission':[{'action':'use','assignee':" GROUP("h") "}]}", POLICY_INCOMPARABLE},
    {"{'permission':[{'action':'use','assignee':" GROUP("g") "}]}", "+use @@assignee=g",                      POLICY_INCOMPARABLE},
    {"{'permission':[{'action':'use'}],'prohibition':[{'action':'use','assignee':" GROUP("g") "}]}", "+use",  POLICY_STRICTER},
    {"{'permission':[{'action':'use','target':" DATA("g") "}],'prohibition':[{'action':'use','target':'t'}]}", "{'permission':[{'action':'use','target':" DATA("g") "}]}", POLICY_STRICTER},
    {"{'permission':[{'action':'use','assignee':'a'}],'prohibition':[{'action':'use','assignee':" GROUP("g") "}]}", "+use @@assignee=a", POLICY_STRICTER},
    {"+use (BusinessPartnerGroup isAllOf a b c d e f g h i j)", "+use (BusinessPartnerGroup isNoneOf k)", POLICY_INCOMPARABLE},
    {"+use (and (odrl:count lteq 5)(odrl:dateTime lt 2027-01-01))", "+use (and (odrl:count lteq 6)(odrl:dateTime lt 2027-01-01))", POLICY_STRICTER},
    {"+use [compensate]",                                "+use [compensate] [inform]",                       POLICY_WIDER},
    {"+use [compensate]",                                "+use (odrl:count lteq 5) [compensate]",            POLICY_WIDER},
    {"+use (odrl:spatial eq K)",                         "+use (odrl:spatial eq K)",                         POLICY_SAME},
    {"+use (odrl:spatial eq nowhere)",                   "+use (odrl:spatial eq nowhere)",                   POLICY_SAME},
    /* there is no count below zero, and no calendar beyond the last day */
    {"+use (odrl:count gteq -5)",                        "+use (odrl:count gteq -6)",                        POLICY_SAME},
    {"+use (DataUsageEndDurationDays eq 9000000000000000)", "+use (DataUsageEndDurationDays eq 9000000000000000)", POLICY_SAME},
    {"+use (DataUsageEndDurationDays eq -9000000000000000)", "+use (DataUsageEndDurationDays eq 30)",        POLICY_STRICTER},
    /* several terms, of which none is accepted */
    {"+use (Liability eq cx.grossNegligence:1) +use (Warranty eq cx.warranty.none:1)", "+use",               POLICY_STRICTER},
    {"+use (naru:attribution eq true)",                  "+use (naru:attribution eq false)",                 POLICY_INCOMPARABLE},
    {"+use (odrl:spatial isNoneOf KR-11)",               "+use (odrl:spatial isNoneOf KR)",                  POLICY_WIDER},
    {"+use (inForceDate gteq contractAgreement+1d)",     "+use (inForceDate gteq contractAgreement+2d)",     POLICY_WIDER},
    {"+use (or (Liability eq cx.grossNegligence:1)(Warranty eq cx.warranty.none:1))", "+use",              POLICY_RELATION_UNDECIDED},
};

/* clang-format on */

START_TEST(test_relations)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(policy_unref) struct policy *a = help_policy(relations[_i].a);
    AUTO(policy_unref) struct policy *b = help_policy(relations[_i].b);

    static const enum policy_relation turned[] = {
        [POLICY_SAME] = POLICY_SAME,
        [POLICY_STRICTER] = POLICY_WIDER,
        [POLICY_WIDER] = POLICY_STRICTER,
        [POLICY_INCOMPARABLE] = POLICY_INCOMPARABLE,
        [POLICY_DISJOINT] = POLICY_DISJOINT,
        [POLICY_RELATION_UNDECIDED] = POLICY_RELATION_UNDECIDED,
    };
    struct policy_comparison c;
    struct err err = {0};

    ck_assert_int_eq(policy_compare(a, b, NOW, arena, &c, &err), 0);
    ck_assert_msg(c.relation == relations[_i].relation, "%s | %s: %s", relations[_i].a,
                  relations[_i].b, policy_relation_slug(c.relation));
    check_said(a, b, &c);
    ck_assert_int_eq(policy_compare(b, a, NOW, arena, &c, &err), 0);
    ck_assert_str_eq(policy_relation_slug(c.relation),
                     policy_relation_slug(turned[relations[_i].relation]));
}

END_TEST

/* clang-format off */
static const struct {
    const char *policy;
    enum policy_answer answer;
} satisfiable[] = {
    {"+use", POLICY_YES},
    {"+use " CX "(DataUsageEndDate eq 2027-12-31T23:59:59Z)", POLICY_YES},
    {"+use (odrl:count lteq 5)(odrl:count gt 5)", POLICY_NO},
    {"+use (odrl:dateTime lt 2026-01-01T00:00:00Z)(odrl:dateTime gt 2027-01-01T00:00:00Z)", POLICY_NO},
    {"+use (BusinessPartnerNumber eq a)(BusinessPartnerNumber eq b)", POLICY_NO},
    {"+use (UsagePurpose eq a)(UsagePurpose eq b)", POLICY_YES},
    {"+use (odrl:spatial eq KR)(odrl:spatial isPartOf EU)", POLICY_NO},
    {"+use -use", POLICY_NO},
    {"+use -use (odrl:count gt 5)", POLICY_YES},
    {"+distribute", POLICY_NO},
    {"+use (odrl:elapsedTime lteq P1M)(odrl:count lteq 5)(odrl:count gt 5)", POLICY_UNDECIDED},
    {"", POLICY_NO},
};

/* clang-format on */

START_TEST(test_satisfiable)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(policy_unref) struct policy *policy = help_policy(satisfiable[_i].policy);
    const struct policy_world *world;
    struct policy_decision decision;
    enum policy_answer answer;
    struct err err = {0};

    ck_assert_int_eq(policy_satisfiable(policy, POLICY_ACT_USE, NOW, arena, &answer, &world, &err),
                     0);
    ck_assert_int_eq(answer, satisfiable[_i].answer);
    ck_assert((world != NULL) == (answer == POLICY_YES));
    if (world == NULL)
        return;
    policy_decide(policy, &world->question, &world->facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_PERMIT);
}

END_TEST

START_TEST(test_strictness)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(policy_unref) struct policy *signed_ = help_policy("+use (odrl:count lteq 5) !delete");
    AUTO(policy_unref) struct policy *counter = help_policy("+use (odrl:count lteq 3) !delete");
    AUTO(policy_unref) struct policy *free_ = help_policy("+use (odrl:count lteq 3)");
    AUTO(policy_unref) struct policy *months = help_policy("+use (odrl:elapsedTime lteq P1M)");
    struct policy_comparison c;
    struct err err = {0};

    ck_assert_int_eq(policy_compare(counter, signed_, NOW, arena, &c, &err), 0);
    ck_assert_int_eq(policy_at_least_as_strict(&c, 0), POLICY_YES);
    ck_assert_int_eq(policy_at_least_as_strict(&c, 1), POLICY_NO);
    ck_assert_int_eq(policy_compare(free_, signed_, NOW, arena, &c, &err), 0);
    ck_assert_int_eq(policy_at_least_as_strict(&c, 0), POLICY_NO);
    ck_assert_int_eq(c.duty_action[1], POLICY_ACT_DELETE);
    ck_assert_int_eq(policy_compare(months, months, NOW, arena, &c, &err), 0);
    ck_assert_int_eq(policy_at_least_as_strict(&c, 0), POLICY_UNDECIDED);
}

END_TEST

/* Many values and many conditions: an answer within bounds, and never a wrong "yes". */
START_TEST(test_bounds)
{
    AUTO(buf_done) struct buf wide = buf_init(KIB(64));
    AUTO(buf_done) struct buf narrow = buf_init(KIB(64));
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_unref) struct policy *a = NULL;
    AUTO(policy_unref) struct policy *b = NULL;
    struct policy_comparison c;
    struct err err = {0};

    buf_add_c(&wide, "+use (UsagePurpose isAnyOf");
    buf_add_c(&narrow, "+use (UsagePurpose isAnyOf");
    for (int i = 0; i < 200; i++) {
        buf_printf(&wide, " p%d", i);
        buf_printf(&narrow, i < 199 ? " p%d" : "", i);
    }
    buf_add_c(&wide, ")");
    buf_add_c(&narrow, ")");
    for (int i = 0; i < 150; i++)
        buf_printf(&wide, "(or (odrl:count neq %d)(odrl:dateTime lt 20%02d-01-01T00:00:00Z))", i,
                   27 + i % 60);
    buf_add_char(&wide, '\0');
    buf_add_char(&narrow, '\0');
    a = help_policy(wide.p);
    b = help_policy(narrow.p);
    ck_assert_int_eq(policy_compare(b, a, NOW, arena, &c, &err), 0);
    ck_assert_ptr_nonnull(c.only[0]); /* a has conditions that b has not */
    ck_assert_int_ne(policy_at_least_as_strict(&c, 0), POLICY_YES);
}

END_TEST

/* More values than are told apart: no certain answer. */
START_TEST(test_too_many_values)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_unref) struct policy *policy = NULL;
    struct policy_comparison c;
    struct err err = {0};

    buf_add_c(&text, "+use");
    for (int i = 0; i < 1200; i++)
        buf_printf(&text, " (odrl:count neq %d)", 2 * i);
    buf_add_char(&text, '\0');
    policy = help_policy(text.p);
    ck_assert_int_eq(policy_compare(policy, policy, NOW, arena, &c, &err), 0);
    ck_assert(!c.complete);
    ck_assert_int_eq(c.relation, POLICY_RELATION_UNDECIDED);
}

END_TEST

/* What nobody can satisfy is not told as such where there are too many kinds of worlds to look at. */
START_TEST(test_too_many_worlds)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_unref)
    struct policy *policy = help_policy(
        "+use (or (odrl:count lt 3) (odrl:count lt 2)) (or (odrl:count gt 5) (odrl:count gt 6)) "
        "(or (fileFormat isAnyOf a b) (fileFormat isAnyOf b c) (fileFormat isAnyOf c d) (fileFormat isAnyOf d e)) "
        "(or (language isAnyOf a b) (language isAnyOf b c) (language isAnyOf c d) (language isAnyOf d e)) "
        "(or (media isAnyOf a b) (media isAnyOf b c) (media isAnyOf c d) (media isAnyOf d e)) "
        "(or (industry isAnyOf a b) (industry isAnyOf b c) (industry isAnyOf c d) (industry isAnyOf d e)) "
        "(or (product isAnyOf a b) (product isAnyOf b c) (product isAnyOf c d) (product isAnyOf d e)) "
        "(or (BusinessPartnerGroup isAnyOf a b) (BusinessPartnerGroup isAnyOf b c) (BusinessPartnerGroup isAnyOf c d) (BusinessPartnerGroup isAnyOf d e)) ");
    const struct policy_world *world;
    enum policy_answer answer;
    struct err err = {0};

    ck_assert_int_eq(policy_satisfiable(policy, POLICY_ACT_USE, NOW, arena, &answer, &world, &err),
                     0);
    ck_assert_int_eq(answer, POLICY_UNDECIDED);
    ck_assert_ptr_null(world);
}

END_TEST

static void check_text(const struct buf *text, const char *const words[], size_t n)
{
    const char *at = text->p;

    for (size_t i = 0; i < n; i++) {
        const char *found = strstr(at, words[i]);

        ck_assert_msg(found != NULL, "'%s' is not in:\n%.*s", words[i], STR_ARG(buf_str(text)));
        at = found + strlen(words[i]);
    }
}

START_TEST(test_world_without_agreement)
{
    static const struct policy_world world = {
        .question = {.now_us = NOW, .agreement_us = POLICY_NO_TIME},
        .refused_term = POLICY_OP__COUNT
    };
    AUTO(buf_done) struct buf text = buf_init(KIB(4));

    policy_explain_world(&world, POLICY_EN, &text);
    buf_add_char(&text, '\0');
    ck_assert_ptr_null(strstr(text.p, "agreement concluded"));
    ck_assert_ptr_nonnull(strstr(text.p, "time: "));
}

END_TEST

START_TEST(test_words)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(policy_unref)
    struct policy *a = help_policy("+use (UsagePurpose isAnyOf a b)(odrl:count lteq 5)");
    AUTO(policy_unref)
    struct policy *b = help_policy("+use (UsagePurpose isAnyOf a b)(odrl:count lteq 3) !delete");
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    static const char *const en[] = {"permits more",
                                     "Only the first permits this",
                                     "action: use",
                                     "number of uses: 5",
                                     "Denied.",
                                     "at most 3",
                                     "Only the second demands this duty: deletion"};
    static const char *const ko[] = {"더 많이 허용", "첫째 정책만 허용", "이용 횟수: 5",
                                     "거부됩니다", "둘째 정책에만 있는 의무: 삭제"};
    static const char *const diff[] = {"Permission 1 (use)", "- the number of uses is at most 5",
                                       "+ the number of uses is at most 3", "+ Obligation",
                                       "deletion"};
    struct policy_comparison c;
    struct err err = {0};

    ck_assert_int_eq(policy_compare(a, b, NOW, arena, &c, &err), 0);
    ck_assert_int_eq(c.relation, POLICY_WIDER);
    policy_explain_comparison(a, b, &c, POLICY_EN, &text);
    buf_add_char(&text, '\0');
    check_text(&text, en, ARRAY_LEN(en));
    buf_reset(&text);
    policy_explain_comparison(a, b, &c, POLICY_KO, &text);
    buf_add_char(&text, '\0');
    check_text(&text, ko, ARRAY_LEN(ko));
    buf_reset(&text);
    policy_explain_difference(a, b, POLICY_EN, &text);
    buf_add_char(&text, '\0');
    check_text(&text, diff, ARRAY_LEN(diff));
    buf_reset(&text);
    policy_explain_difference(a, a, POLICY_EN, &text);
    ck_assert_uint_eq(text.n, 0);
}

END_TEST

/* More duties than a decision lists: what was not compared is not said to be the same. */
START_TEST(test_many_duties)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(buf_done) struct buf notation = buf_init(KIB(16));
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(policy_unref) struct policy *fewer = help_policy("+use !delete");
    struct policy_comparison c;
    struct err err = {0};

    buf_add_c(&notation, "+use");
    for (int i = 0; i <= POLICY_DUTIES; i++)
        buf_printf(&notation, " !delete @@target=t%d", i);
    buf_add_char(&notation, '\0');
    policy = help_policy(notation.p);
    ck_assert_int_eq(policy_compare(policy, fewer, NOW, arena, &c, &err), 0);
    ck_assert_int_eq(c.relation, POLICY_RELATION_UNDECIDED);
    ck_assert_int_eq(policy_compare(fewer, policy, NOW, arena, &c, &err), 0);
    ck_assert_int_eq(policy_at_least_as_strict(&c, 0), POLICY_UNDECIDED);
}

END_TEST

int main(void)
{
    Suite *s = suite_create("policy_compare");
    TCase *tc = tcase_create("static");
    SRunner *sr;
    int bad;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_relations, 0, (int)ARRAY_LEN(relations));
    tcase_add_loop_test(tc, test_satisfiable, 0, (int)ARRAY_LEN(satisfiable));
    tcase_add_test(tc, test_strictness);
    tcase_add_test(tc, test_many_duties);
    tcase_add_test(tc, test_bounds);
    tcase_add_test(tc, test_too_many_worlds);
    tcase_add_test(tc, test_too_many_values);
    tcase_add_test(tc, test_world_without_agreement);
    tcase_add_test(tc, test_words);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
