/*
 * Policies: three shapes, refusals, decisions with causes, texts.
 */
#include <check.h>

#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"
#include "policy/policy.h"

#include "lib/base/banned.h"

START_TEST(test_smoke)
{
    struct err err = {0};
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *p = NULL;
    AUTO(buf_done) struct buf out = buf_init(100000);
    struct policy_facts facts = {0};
    struct policy_question q = {.action = POLICY_ACT_USE, .scope = POLICY_AT_NEGOTIATION, .now_us = 1, .agreement_us = POLICY_NO_TIME};
    struct policy_decision d;
    const char *text = "{\"@context\":[\"https://w3id.org/catenax/2025/9/policy/odrl.jsonld\",\"https://w3id.org/catenax/2025/9/policy/context.jsonld\"],\"@type\":\"Set\",\"@id\":\"some-id\",\"permission\":[{\"action\":\"use\",\"constraint\":[{\"and\":[{\"leftOperand\":\"FrameworkAgreement\",\"operator\":\"eq\",\"rightOperand\":\"DataExchangeGovernance:1.0\"},{\"leftOperand\":\"UsagePurpose\",\"operator\":\"isAnyOf\",\"rightOperand\":[\"cx.core.digitalTwinRegistry:1\",\"cx.pcf.base:1\"]},{\"leftOperand\":\"DataUsageEndDefinition\",\"operator\":\"eq\",\"rightOperand\":\"cx.dataUsageEnd.unlimited\"}]}]}],\"prohibition\":[{\"action\":\"use\",\"constraint\":[{\"and\":[{\"leftOperand\":\"UsageRestriction\",\"operator\":\"isAllOf\",\"rightOperand\":[\"cx.thirdParty.forbidden:1\",\"cx.manipulation.forbidden:1\"]}]}]}],\"obligation\":[{\"action\":\"use\",\"constraint\":[{\"and\":[{\"leftOperand\":\"DataProvisioningEndDate\",\"operator\":\"eq\",\"rightOperand\":\"2023-10-04T12:30:00Z\"}]}]}]}";
    ck_assert_msg(jdoc_parse(str_c(text), &jlimits_default, &doc, &err) == 0, "%s", err.text);
    ck_assert_msg(policy_compile(jdoc_root(doc), &p, &err) == 0, "%s at %s", err.text, err.at);
    for (int l = 0; l < 2; l++) {
        policy_explain(p, (enum policy_lang)l, &out);
        policy_decide(p, &q, &facts, &d);
        policy_explain_decision(p, &d, (enum policy_lang)l, &out);
        policy_reason(&d, (enum policy_lang)l, &out);
        buf_add_c(&out, "\n");
    }
    struct jw w = jw_init(&out);
    policy_write(p, POLICY_FORM_DSP, &w);
    buf_add_c(&out, "\n");
    w = jw_init(&out);
    policy_write(p, POLICY_FORM_EXPANDED, &w);
    printf("%.*s\n", (int)out.n, out.p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy");
    TCase *tc = tcase_create("policy");
    tcase_add_test(tc, test_smoke);
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
