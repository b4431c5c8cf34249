/*
 * The checklist of CX-0152 (CAC-001 ... CAC-013): for each demand a policy that keeps it, of which nothing is said, and policies that
 * break it, with what we say: refused with the place, or a finding of policy_lint.
 *
 * Not here, for no policy shows them: CAC-002, all conditions are supported (test_policy_samples.c has every sample), and CAC-004, 005,
 * 006 and 009, whose credentials prove the conditions; of those, what a policy may ask for is here (docs/policy.md has the rest).
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "policy/lint.h"

#include "lib/base/banned.h"

#define NOW     INT64_C(1780272000000000) /* 2026-06-01T00:00:00Z */

#define PROFILE "'profile':'https://w3id.org/catenax/2025/9/policy/'"
#define FRAME                                                                                      \
    "{'leftOperand':'FrameworkAgreement','operator':'eq','rightOperand':'DataExchangeGovernance:1.0'}"
#define PURPOSE                                                                                    \
    "{'leftOperand':'UsagePurpose','operator':'isAnyOf','rightOperand':['cx.pcf.base:1','cx.quality.base:1']}"
#define C(left, op, right) "{'leftOperand':'" left "','operator':'" op "','rightOperand':" right "}"
#define RULE(action, c)    "[{'action':'" action "','constraint':[" c "]}]"
#define ALL(...)           "{'and':[" __VA_ARGS__ "]}"
#define SET(members)                                                                                                              \
    "{'@context':['https://w3id.org/dspace/2025/1/odrl-profile.jsonld','https://w3id.org/catenax/2025/9/policy/context.jsonld']," \
    "'@type':'Set','@id':'x'," members "}"
/* a usage policy with one condition more, and one with rules beside the permission */
#define USAGE(more) SET(PROFILE ",'permission':" RULE("use", ALL(FRAME "," PURPOSE "," more)))
#define BESIDE(list, rules)                                                                        \
    SET(PROFILE ",'permission':" RULE("use", ALL(FRAME "," PURPOSE)) ",'" list "':" rules)
#define ACCESS(c) SET(PROFILE ",'permission':" RULE("access", c))
#define MEMBER    C("Membership", "eq", "'active'")

/* clang-format off */
static const struct {
    int cac;
    const char *policy, *said; /* "slug place", "refused place" */
} rows[] = {
    /* only its conditions, with their operators and values; days and months are numbers in 2025/9 and texts from Neptune on */
    {1, SET(PROFILE ",'permission':" RULE("use", ALL(FRAME "," PURPOSE))), ""},
    {1, USAGE(C("DataUsageEndDurationDays", "eq", "30")), ""},
    {1, USAGE(C("DataUsageEndDurationDays", "eq", "'30'")), ""},
    {1, USAGE(C("WarrantyDurationMonths", "eq", "6")), ""},
    {1, USAGE(C("WarrantyDurationMonths", "eq", "'6'")), ""},
    {1, USAGE(C("DataUsageEndDate", "eq", "'2027-12-31T23:59:59+09:00'")), ""},
    {1, USAGE(C("AffiliatesBpnl", "isAnyOf", "['BPNL00000000024R']")), ""},
    {1, USAGE(C("odrl:count", "lteq", "5")), "cx-operand /permission/0/constraint/0/and/2"},
    {1, SET(PROFILE ",'permission':[{'action':'use'}]"), "cx-framework /permission/0, cx-purpose /permission/0"},
    {12, SET(PROFILE ",'permission':[{'action':['use','use'],'target':['urn:a','urn:b'],'constraint':[" ALL(FRAME "," PURPOSE) "]}]"), ""},
    {1, USAGE(C("Colour", "eq", "'red'")), "refused /permission/0/constraint/0/and/2/leftOperand"},
    {1, USAGE(C("AffiliatesBpnl", "eq", "'BPNL00000000024R'")), "cx-operator /permission/0/constraint/0/and/2"},
    {1, USAGE(C("ContractReference", "isAnyOf", "['a']")), "cx-operator /permission/0/constraint/0/and/2"},
    {1, USAGE(C("DataUsageEndDate", "lteq", "'2027-12-31T23:59:59Z'")), "refused /permission/0/constraint/0/and/2/operator"},
    {1, USAGE(C("AffiliatesBpnl", "isAnyOf", "['BPNL00000000024R','BPNL1']")), "cx-value /permission/0/constraint/0/and/2"},
    {1, USAGE(C("AffiliatesBpnl", "isAnyOf", "['BPNA00000000024R']")), "cx-value /permission/0/constraint/0/and/2"},
    {1, USAGE(C("ManagedLegalEntityBpnl", "isAnyOf", "['BPNL00000000024r']")), "cx-value /permission/0/constraint/0/and/2"},
    {1, USAGE(C("DataUsageEndDate", "eq", "'2027-12-31T23:59:59.5Z'")), "cx-value /permission/0/constraint/0/and/2"},
    {1, USAGE(C("DataUsageEndDate", "eq", "'2027-12-31'")), "cx-value /permission/0/constraint/0/and/2"},
    {1, USAGE(C("DataUsageEndDurationDays", "eq", "'P30D'")), "refused /permission/0/constraint/0/and/2/rightOperand"},
    /* one and */
    {3, SET(PROFILE ",'permission':" RULE("use", FRAME "," PURPOSE)), "cx-chain /permission/0/constraint"},
    {3, USAGE("{'or':[" MEMBER "," C("Liability", "eq", "'cx.grossNegligence:1'") "]}"), "cx-chain /permission/0/constraint/0/and/2"},
    {3, ACCESS(MEMBER), ""},
    /* membership, numbers, framework agreement */
    {4, ACCESS(C("Membership", "eq", "'inactive'")), "cx-value /permission/0/constraint/0"},
    {4, ACCESS(C("Membership", "neq", "'active'")), "cx-operator /permission/0/constraint/0"},
    {5, ACCESS(C("BusinessPartnerNumber", "isNoneOf", "['BPNL012345678910']")), ""},
    {5, ACCESS(C("BusinessPartnerNumber", "isAnyOf", "['ACME']")), "cx-value /permission/0/constraint/0"},
    {5, ACCESS(C("BusinessPartnerGroup", "isAnyOf", "['gold','silver']")), ""},
    {5, ACCESS(C("BusinessPartnerGroup", "isAllOf", "['gold','silver']")), "cx-operator /permission/0/constraint/0"},
    {6, ACCESS(FRAME), ""},
    {6, ACCESS(C("FrameworkAgreement", "eq", "'Pcf:1.0'")), "cx-value /permission/0/constraint/0"},
    /* closed lists */
    {7, USAGE(C("ContractTermination", "eq", "'cx.data.keeping:1'")), ""},
    {7, USAGE(C("ContractTermination", "eq", "'cx.data.keeping'")), "refused /permission/0/constraint/0/and/2/rightOperand"},
    /* the profile is named, and is one that exists */
    {8, SET("'permission':" RULE("use", ALL(FRAME "," PURPOSE))), "cx-profile "},
    {8, SET("'permission':" RULE("access", MEMBER)), "cx-profile "},
    {8, SET("'profile':'https://w3id.org/catenax/2031/1/policy/','permission':" RULE("use", ALL(FRAME "," PURPOSE))), "refused /profile"},
    {8, SET("'permission':" RULE("use", MEMBER)), ""}, /* a word of it in somebody else's policy */
    /* access policies */
    {10, ACCESS(ALL(MEMBER "," C("BusinessPartnerNumber", "isAnyOf", "['BPNL012345678910']"))), ""},
    {10, ACCESS(PURPOSE), "cx-operand /permission/0/constraint/0"},
    {10, SET(PROFILE ",'permission':" RULE("access", MEMBER) ",'prohibition':" RULE("use", C("UsageRestriction", "isAllOf", "['cx.thirdParty.forbidden:1']"))),
     "cx-action /permission/0, shadowed /prohibition/0"},
    {10, SET(PROFILE ",'permission':" RULE("read", MEMBER)), "cx-action /permission/0"},
    /* usage policies: the policy's schema */
    {11, BESIDE("prohibition", RULE("use", C("UsageRestriction", "isAllOf", "['cx.thirdParty.forbidden:1']"))), ""},
    {11, BESIDE("obligation", RULE("use", C("DataProvisioningEndDurationDays", "eq", "90"))), ""},
    {11, BESIDE("obligation", RULE("use", C("DataProvisioningEndDurationDays", "eq", "'90'"))), ""},
    {11, BESIDE("obligation", RULE("use", C("DataProvisioningEndDate", "eq", "'2027-12-31T00:00:00Z'"))), ""},
    {11, USAGE(C("DataProvisioningEndDate", "eq", "'2027-12-31T00:00:00Z'")), "refused /permission/0/constraint/0/and/2/leftOperand"},
    {11, USAGE(C("UsageRestriction", "isAllOf", "['cx.thirdParty.forbidden:1']")), "refused /permission/0/constraint/0/and/2/leftOperand"},
    {11, USAGE(C("BusinessPartnerNumber", "isAnyOf", "['BPNL012345678910']")), "cx-operand /permission/0/constraint/0/and/2"},
    {11, BESIDE("prohibition", RULE("use", C("Membership", "eq", "'active'"))), "cx-operand /prohibition/0/constraint/0, conflict /prohibition/0"},
    {11, USAGE(C("DataUsageEndDurationDays", "eq", "30") "," C("DataUsageEndDefinition", "eq", "'cx.dataUsageEnd.unlimited:1'")),
     "cx-exclusive /permission/0/constraint/0/and/3"},
    {12, BESIDE("prohibition", RULE("distribute", C("AffiliatesRegion", "isAnyOf", "['cx.region.asia:1']"))), "cx-action /prohibition/0"},
    {12, BESIDE("obligation", RULE("delete", C("DataProvisioningEndDurationDays", "eq", "90"))), "cx-action /obligation/0"},
    {12, BESIDE("prohibition", "[{'action':'use','constraint':[" C("UsageRestriction", "isAllOf", "['cx.thirdParty.forbidden:1']") "]},"
                               "{'action':'use','constraint':[" C("UsageRestriction", "isAllOf", "['cx.manipulation.forbidden:1']") "]}]"),
     "cx-single /prohibition/1"},
    /* the two conditions that every usage policy has */
    {13, SET(PROFILE ",'permission':" RULE("use", FRAME)), "cx-purpose /permission/0"},
    {13, SET(PROFILE ",'permission':" RULE("use", PURPOSE)), "cx-framework /permission/0"},
};

/* clang-format on */

static void lint(const struct policy *policy, struct buf *said)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    struct policy_findings found;
    struct err err = {0};

    ck_assert_int_eq(policy_lint(policy, NOW, arena, &found, &err), 0);
    for (size_t i = 0; i < found.n; i++)
        buf_printf(said, "%s%s %.*s", i > 0 ? ", " : "", policy_lint_slug(found.items[i].lint),
                   STR_ARG(found.items[i].at));
}

START_TEST(test_checklist)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf said = buf_init(KIB(4));
    struct err err = {0};

    if (help_policy_from(rows[_i].policy, &policy, &err) < 0)
        buf_printf(&said, "refused %s", err.at);
    else
        lint(policy, &said);
    buf_add_char(&said, '\0');
    ck_assert_msg(strcmp(said.p, rows[_i].said) == 0, "CAC-%03d: '%s', not '%s': %s", rows[_i].cac,
                  said.p, rows[_i].said, rows[_i].policy);
}

END_TEST

/* The older dialect has other operators and shapes; the two conditions are demanded there, too. */
START_TEST(test_older)
{
    static const char old[] =
        "{'@context':['http://www.w3.org/ns/odrl.jsonld',{'cx-policy':'https://w3id.org/catenax/"
        "policy/'}],'@type':'Set','profile':'cx-policy:profile2405','permission':[{'action':'use',"
        "'constraint':{'and':[{'leftOperand':'cx-policy:FrameworkAgreement','operator':'eq',"
        "'rightOperand':'DataExchangeGovernance:1.0'},{'leftOperand':'cx-policy:UsagePurpose',"
        "'operator':'eq','rightOperand':'cx.core.industrycore:1'}]}}]}";
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf said = buf_init(KIB(4));
    struct err err = {0};

    ck_assert_msg(help_policy_from(old, &policy, &err) == 0, "%s: %s", err.at, err.text);
    lint(policy, &said);
    ck_assert_msg(said.n == 0, "%.*s", STR_ARG(buf_str(&said)));
}

END_TEST

int main(void)
{
    Suite *s = suite_create("policy_catena_x");
    TCase *tc = tcase_create("checklist");
    SRunner *sr;
    int bad;

    tcase_add_loop_test(tc, test_checklist, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, test_older);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
