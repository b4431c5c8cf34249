/*
 * Advice to authors: findings of policy_lint, and what a stock Eclipse connector would decide.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "policy/lint.h"
#include "policy/peer.h"

#include "lib/base/banned.h"

#define NOW             INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */
#define FRAME           "(FrameworkAgreement eq DataExchangeGovernance:1.0)"
#define CX              FRAME "(UsagePurpose isAnyOf cx.pcf.base:1)"
#define AND(conditions) "(and " CX conditions ")"
#define IN_CX           "@profile=https://w3id.org/catenax/2025/9/policy/ "

/* clang-format off */
static const struct {
    const char *policy, *findings;
} lints[] = {
    {"+use (odrl:count lteq 5)", ""},
    {IN_CX "+use " AND("(DataUsageEndDurationDays eq 30)"), ""},
    {"", "empty"},
    {"+use (odrl:count lteq 5)(odrl:count gt 5)", "unsatisfiable"},
    {"+use -use (odrl:count gt 5)", "conflict /prohibition/0"},
    {"+use -use (odrl:count gt 5) @conflict=prohibit", ""},
    {"+use -use (odrl:count gt 5) @conflict=perm", "shadowed /prohibition/0"},
    {"+use -distribute @conflict=prohibit", ""},
    {"+use (odrl:count lteq 5) +use (odrl:count lteq 9)", "shadowed"},
    {"+use (odrl:elapsedTime lteq P60M)", "months /permission/0/constraint/0"},
    {"+use (odrl:elapsedTime lteq PT60M)", ""},
    {"+use (odrl:elapsedTime lteq P1Y2M)", ""},
    {"+use (odrl:dateTime lt 2026-01-01T00:00:00Z)", "ended /permission/0/constraint/0"},
    {"+use (odrl:dateTime gteq 2026-01-01T00:00:00Z)", ""},
    {"+use [delete]", "duty-before /permission/0/duty/0"},
    {"+use [compensate]", ""},
    {"+use !delete", "no-deadline /obligation/0"},
    {"+use !delete (naru:timeOfDay eq 09:00/18:00Z)", "no-deadline /obligation/0"},
    {"+use !delete (odrl:elapsedTime lteq P30D)", ""},
    {"@profile=https://w3id.org/catenax/policy/profile2405 +use (UsagePurpose eq cx.pcf.base:1)", "cx-framework /permission/0"},
    {"@profile=urn:naru:profile:commercial:1 +use", ""},
    {IN_CX "+read", "cx-action /permission/0"},
    {IN_CX "+use " AND("") " -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1)", ""},
    {"+use (odrl:elapsedTime lteq P2Y)", ""},
    {"+use (odrl:dateTime lteq 2026-01-01)", "ended /permission/0/constraint/0"},
    {"+use !delete (or (odrl:count lt 5)(odrl:dateTime lt 2027-01-01))", ""},
    {"+use !delete (or (odrl:count lt 5)(Membership eq active))", "no-deadline /obligation/0"},
    {"+use (odrl:count lt 1) -use (odrl:count gt 5)", "shadowed /prohibition/0"},
    {"+use +sell -sell", "shadowed /permission/1"},
    {"+use -use (odrl:count gt 5) -sell", "conflict /prohibition/0, shadowed /prohibition/1"},
    {IN_CX "+use (UsagePurpose isAnyOf cx.pcf.base:1)", "cx-framework /permission/0"},
    {IN_CX "+use (FrameworkAgreement eq DataExchangeGovernance:1.0)", "cx-purpose /permission/0"},
    {IN_CX "+use " AND("(DataUsageEndDurationDays eq 30)(DataUsageEndDate eq 2027-12-31T23:59:59Z)"), "cx-exclusive"},
};

/* clang-format on */

START_TEST(test_lint)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_unref) struct policy *policy = help_policy(lints[_i].policy);
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    struct policy_findings found;
    struct err err = {0};

    ck_assert_int_eq(policy_lint(policy, NOW, arena, &found, &err), 0);
    for (size_t i = 0; i < found.n; i++) {
        const struct str at = found.items[i].at;
        bool told = strchr(lints[_i].findings, ' ') != NULL;

        buf_printf(&text, "%s%s%s%.*s", i > 0 ? ", " : "", policy_lint_slug(found.items[i].lint),
                   told ? " " : "", told ? (int)at.n : 0, at.p);
        for (int lang = 0; lang < POLICY_LANG__COUNT; lang++)
            ck_assert(strlen(policy_lint_text(found.items[i].lint, (enum policy_lang)lang)) > 10);
    }
    buf_add_char(&text, '\0');
    ck_assert_str_eq(text.p, lints[_i].findings);
}

END_TEST

/* clang-format off */
static const struct {
    const char *policy, *world;
    enum policy_peer peer;
    enum policy_scope scope;
    enum policy_verdict ours, theirs;
    const char *whys;
} opinions[] = {
    /* what the core does not know is as if it held */
    {"+use (Membership eq active)", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, "not-bound"},
    {"+use (Membership eq active)", "", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_DENY, ""},
    {"+use (Membership eq active)", "Membership=active", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, ""},
    {"+use (edc:inForceDate lteq 2026-01-01T00:00:00Z)", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, "not-bound"},
    {"+use (edc:inForceDate lteq 2026-01-01T00:00:00Z)", "", POLICY_PEER_EDC, POLICY_AT_TRANSFER, POLICY_DENY, POLICY_DENY, ""},
    {"+use (UsagePurpose eq cx.pcf.base:1)", "UsagePurpose=cx.quality.base:1", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, "met"},
    /* alternatives */
    {"+use (Membership eq active) +use (BusinessPartnerNumber eq a)", "Membership=active BusinessPartnerNumber=b", POLICY_PEER_TRACTUSX,
     POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_DENY, "all-permissions all-permissions"},
    {"+use (or (Membership eq active)(odrl:count lteq 5))", "count=1", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_DENY, "not-bound"},
    /* a clause that forbids passing on voids the whole there */
    {"+use -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1)", "", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_DENY, ""},
    {"+use -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1)", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "not-bound"},
    {"+use -use (Membership eq active)(BusinessPartnerNumber eq a) @conflict=prohibit", "Membership=active BusinessPartnerNumber=b", POLICY_PEER_TRACTUSX,
     POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_DENY, "each-condition"},
    {"+use +distribute", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "action all-permissions"},
    {"+use (andSequence (odrl:dateTime gteq 2026-01-01T00:00:00Z))", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_DENY, "sequence"},
    {"+use @@assignee=did:web:a", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, "party"},
    /* duties and other actions */
    {"+use [compensate (Membership eq active)]", "", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_DENY, "duty"},
    {"+use [compensate (Membership eq active)]", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, "duty not-bound"},
    {"+use [compensate]", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, "duty"},
    {"+use !use (Membership eq active)", "", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_DENY, "duty"},
    {"+use !use (Membership eq active)", "Membership=active", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "duty"},
    {"+use !use", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "duty"},
    {"+use !delete", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "action"},
    {"+use (Membership eq active) !use", "", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_DENY, "duty"},
    {"+access +use", "", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "all-permissions all-permissions"},
    {"+access +use", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "all-permissions action"},
    {"+use -use", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, ""},
    {"+use -distribute (Membership eq active)", "", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "action"},
    /* logic, and what of it is left out */
    {"+use (xone (Membership eq active)(BusinessPartnerNumber eq a))", "Membership=active BusinessPartnerNumber=b", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, ""},
    {"+use (or (odrl:count lteq 5)(odrl:count gteq 7))", "count=6", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, "not-bound not-bound"},
    {"+use (or (and (odrl:count lteq 5)(odrl:count lt 7))(Membership eq active))", "count=1 Membership=active", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "not-bound not-bound"},
    {"+use (or (and (odrl:count lteq 5)(BusinessPartnerNumber eq a))(Membership eq active))", "count=1 Membership=active", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "not-bound"},
    {"+use (UsagePurpose eq a)", "UsagePurpose=a", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, "met"},
    {"+use (Liability eq cx.grossNegligence:1)", "", POLICY_PEER_TRACTUSX, POLICY_AT_NEGOTIATION, POLICY_PERMIT, POLICY_PERMIT, ""},
    {"+use @@target=other", "", POLICY_PEER_EDC, POLICY_AT_NEGOTIATION, POLICY_DENY, POLICY_PERMIT, "party"},
    {"+use (odrl:count lteq 5)", "count=6", POLICY_PEER_TRACTUSX, POLICY_AT_ACCESS, POLICY_DENY, POLICY_PERMIT, "no-access"},
};

/* clang-format on */

START_TEST(test_peer)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    AUTO(policy_unref) struct policy *policy = help_policy(opinions[_i].policy);
    AUTO(buf_done) struct buf slugs = buf_init(KIB(4));
    AUTO(buf_done) struct buf text = buf_init(KIB(16));
    const struct policy_question question = {
        .action = POLICY_ACT_USE,
        .scope = opinions[_i].scope,
        .now_us = NOW,
        .agreement_us = opinions[_i].scope >= POLICY_AT_TRANSFER ? NOW : POLICY_NO_TIME,
        .target = STR("asset"),
        .assignee = STR("did:web:b"),
    };
    struct policy_peer_opinion opinion;
    struct policy_decision ours;
    struct world world;

    help_world(arena, opinions[_i].world, &world);
    policy_decide(policy, &question, &world.facts, &ours);
    policy_peer_decide(policy, opinions[_i].peer, &question, &world.facts, &opinion);
    ck_assert_int_eq(ours.verdict, opinions[_i].ours);
    ck_assert_int_eq(opinion.verdict, opinions[_i].theirs);
    for (unsigned i = 0; i < opinion.n; i++)
        buf_printf(&slugs, "%s%s", i > 0 ? " " : "", policy_peer_slug(opinion.differences[i].why));
    buf_add_char(&slugs, '\0');
    ck_assert_str_eq(slugs.p, opinions[_i].whys);
    policy_explain_peer(&opinion, POLICY_KO, &text);
    policy_explain_peer(&opinion, POLICY_EN, &text);
    ck_assert(!buf_failed(&text) && text.n > 0);
}

END_TEST

/* Lists of findings and of differences are cut, and say so. */
START_TEST(test_many)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(buf_done) struct buf notation = buf_init(KIB(16));
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    AUTO(policy_unref) struct policy *policy = NULL;
    const struct policy_question question = {.now_us = NOW, .agreement_us = POLICY_NO_TIME};
    const struct policy_facts facts = {0};
    struct policy_peer_opinion opinion;
    struct policy_findings found;
    struct err err = {0};

    buf_add_c(&notation, "+use");
    for (int i = 0; i <= POLICY_FINDINGS; i++)
        buf_printf(&notation, " !delete @@target=t%d", i);
    buf_add_char(&notation, '\0');
    policy = help_policy(notation.p);
    ck_assert_int_eq(policy_lint(policy, NOW, arena, &found, &err), 0);
    ck_assert(found.n == POLICY_FINDINGS && found.more);
    policy_peer_decide(policy, POLICY_PEER_EDC, &question, &facts, &opinion);
    ck_assert(opinion.n == POLICY_PEER_DIFFERENCES && opinion.more);
    policy_explain_peer(&opinion, POLICY_EN, &text);
    ck_assert(str_ends(buf_str(&text), STR("  - and more\n")));
    policy_explain_peer(&opinion, POLICY_KO, &text);
    ck_assert(str_ends(buf_str(&text), STR("  - 그 밖에 더 있음\n")));
}

END_TEST

int main(void)
{
    Suite *s = suite_create("policy_advice");
    TCase *tc = tcase_create("advice");
    SRunner *sr;
    int bad;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_lint, 0, (int)ARRAY_LEN(lints));
    tcase_add_test(tc, test_many);
    tcase_add_loop_test(tc, test_peer, 0, (int)ARRAY_LEN(opinions));
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
