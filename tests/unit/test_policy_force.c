/*
 * The 68 cases of the FORCE suite, read from ../shared/spec (skipped where it is not at hand): policy, request and state of the world in
 * Turtle become JSON-LD, question and facts; the rule must be active or inactive as the expected report says.
 *
 * Where FORCE and the ODRL recommendations differ:
 * 1. Policies 1 and 2 have a rule without action, meaning every action. IM 2.2 §2.6 demands one; we refuse such a policy (checked
 *    here), and then run it with a rule for each of the two top actions.
 * 2. Case 059: an unfulfilled duty leaves the permission active. That is POLICY_DUTY_EVENTUAL; the Formal Semantics of W3C,
 *    our default, deny (checked here as well).
 * 3. odrl:write, deprecated in ODRL 2.2, is odrl:modify.
 */
#include <check.h>
#include <stdio.h>

#include "help_policy_force.h"

#include "lib/base/banned.h"

#define ODRL "http://www.w3.org/ns/odrl/2/"

static bool rule_active(const struct policy *policy, const struct force_setting *s,
                        bool prohibition)
{
    struct policy_decision decision;

    policy_decide(policy, &s->question, &s->facts, &decision);
    if (!prohibition)
        return decision.verdict == POLICY_PERMIT;
    for (unsigned i = 0; i < decision.n_causes; i++) {
        if (decision.causes[i].why == POLICY_WHY_PROHIBITED)
            return true;
    }
    return false;
}

START_TEST(test_force)
{
    AUTO(force_done) struct force_case c = {0};
    AUTO(policy_unref) struct policy *policy = NULL;
    struct err err = {0};
    struct force_setting s;
    struct str title;
    bool prohibition, nameless, want, eventual;

    if (!force_is_there()) {
        printf("skipped: %s is not there\n", FORCE);
        return;
    }
    force_read(&c, _i);
    title = graph_object(&c.expected, STR_NONE, "http://purl.org/dc/terms/title", 0);
    prohibition = str_present(graph_typed(&c.expected, FORCE_REPORT "ProhibitionReport", 0));
    want = str_eq(graph_object(&c.expected, STR_NONE, FORCE_REPORT "activationState", 0),
                  STR(FORCE_REPORT "Active"));
    nameless = !str_present(graph_object(&c.policy, STR_NONE, ODRL "action", 0));
    if (nameless) {
        ck_assert(force_compile(&c, false, &policy, &err) < 0);
        ck_assert_int_eq(err.code, E_INVALID);
    }
    ck_assert_msg(force_compile(&c, true, &policy, &err) == 0, "%.*s: %s", STR_ARG(title),
                  err.text);
    force_ask(&c, &s);
    eventual = want && s.facts.performed_known && s.facts.n_performed == 0;
    if (eventual)
        ck_assert_msg(!rule_active(policy, &s, prohibition), "%.*s: W3C denies", STR_ARG(title));
    s.question.flags |= POLICY_DUTY_EVENTUAL;
    ck_assert_msg(rule_active(policy, &s, prohibition) == want, "%.*s", STR_ARG(title));
    if (eventual)
        return;
    s.question.flags = 0;
    ck_assert_msg(rule_active(policy, &s, prohibition) == want, "%.*s, W3C", STR_ARG(title));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_force");
    TCase *tc = tcase_create("force");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_force, 0, FORCE_CASES);
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
