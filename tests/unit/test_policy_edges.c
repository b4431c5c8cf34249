/*
 * Limits, cuts and rare forms: what happens at the edge and one beyond.
 */
#include <check.h>
#include <inttypes.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

static struct policy_decision decide(struct arena *arena, const struct policy *policy,
                                     const char *facts, enum policy_scope scope)
{
    struct policy_question q = {.scope = scope,
                                .now_us = help_time("2026-06-01T00:00:00Z"),
                                .agreement_us = POLICY_NO_TIME};
    struct policy_decision decision;
    struct world *world = ARENA_NEW(arena, struct world);

    help_world(arena, facts, world);
    policy_decide(policy, &q, &world->facts, &decision);
    return decision;
}

/* `piece` n times, with its number for %d, between head and tail */
static const char *repeat(struct arena *arena, const char *head, const char *piece, int n,
                          const char *tail)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    buf_add_c(&text, head);
    for (int i = 0; i < n; i++) {
        for (const char *c = piece; *c != '\0'; c++) {
            if (*c == '#')
                buf_add_i64(&text, i);
            else
                buf_add_char(&text, *c);
        }
    }
    buf_add_c(&text, tail);
    return arena_cstr(arena, buf_str(&text));
}

START_TEST(test_many_causes)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    for (int n = POLICY_CAUSES; n <= POLICY_CAUSES + 1; n++) {
        AUTO(policy_unref)
        struct policy *policy = help_policy(repeat(arena, "+use", " (count neq #)", n, ""));
        struct policy_decision decision = decide(arena, policy, "", POLICY_AT_ACCESS);

        ck_assert_uint_eq(decision.n_causes, POLICY_CAUSES);
        ck_assert(decision.more == (n > POLICY_CAUSES));
        buf_reset(&text);
        policy_explain_decision(policy, &decision, POLICY_EN, &text);
        ck_assert(str_ends(buf_str(&text), STR("  - and more\n")) == decision.more);
        buf_reset(&text);
        policy_explain_decision(policy, &decision, POLICY_KO, &text);
        ck_assert(str_ends(buf_str(&text), STR("  - 그 밖에 더 있음\n")) == decision.more);
        buf_reset(&text);
        policy_reason(&decision, POLICY_EN, &text);
        ck_assert(str_eq(buf_str(&text), STR("refused by policy: number of uses")));
    }
}

END_TEST

START_TEST(test_many_duties)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));

    for (int n = POLICY_DUTIES; n <= POLICY_DUTIES + 2; n++) {
        AUTO(policy_unref)
        struct policy *policy = help_policy(repeat(arena, "+use", " !delete @@target=t#", n, ""));
        struct policy_decision decision = decide(arena, policy, "", POLICY_AT_ACCESS);

        ck_assert_int_eq(decision.verdict, POLICY_PERMIT);
        ck_assert_uint_eq(decision.n_duties, POLICY_DUTIES);
        ck_assert(decision.more == (n > POLICY_DUTIES));
    }
}

END_TEST

START_TEST(test_duties_of_a_permit)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    AUTO(policy_unref)
    struct policy *policy = help_policy(
        "+use [compensate (purpose eq a)] [inform (dateTime lteq 2026-07-01T00:00:00Z)] !delete "
        "(dateTime lteq 2026-01-01T00:00:00Z) !use (DataProvisioningEndDate eq 2027-01-01) !index "
        "(purpose eq other)");
    struct policy_decision decision = decide(arena, policy,
                                             "purpose=a did:compensate@2026-05-01T00:00:00Z "
                                             "did:inform@2026-05-01T00:00:00Z",
                                             POLICY_AT_ACCESS);

    ck_assert_int_eq(decision.verdict, POLICY_PERMIT);
    ck_assert_int_eq(decision.permission, 0);
    ck_assert_uint_eq(decision.n_duties, 4); /* indexing is not active */
    ck_assert_int_eq(decision.duties[0].action, POLICY_ACT_COMPENSATE);
    ck_assert_int_eq(decision.duties[0].state, POLICY_DUTY_FULFILLED);
    ck_assert(decision.duties[0].before);
    ck_assert_int_eq(decision.duties[2].action, POLICY_ACT_DELETE);
    ck_assert_int_eq(decision.duties[2].state, POLICY_DUTY_VIOLATED);
    ck_assert(decision.duties[2].deadline_us == help_time("2026-01-01T00:00:00Z"));
    ck_assert(!decision.duties[2].before && !decision.duties[2].of_assigner);
    ck_assert(decision.duties[3].of_assigner);
    ck_assert(str_starts(decision.duties[3].at, STR("/obligation/1")));
}

END_TEST

/* 63 bytes hold 21 syllables; the cut must not fall inside one. */
START_TEST(test_seen_is_cut)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    AUTO(policy_unref) struct policy *policy = help_policy("+use (purpose eq a)");

    for (int lead = 0; lead < 3; lead++) {
        const char *head = lead == 0 ? "purpose=" : lead == 1 ? "purpose=x" : "purpose=xy";
        struct policy_decision decision =
            decide(arena, policy, repeat(arena, head, "한", 40, ""), POLICY_AT_ACCESS);

        ck_assert_uint_eq(decision.n_causes, 1);
        ck_assert(str_is_utf8(str_c(decision.causes[0].seen)));
        ck_assert_uint_ge(strlen(decision.causes[0].seen), 61);
        ck_assert(str_eq(decision.causes[0].required, STR("a")));
    }
}

END_TEST

START_TEST(test_long_names)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    static const char *const forms[] = {
        "{'permission':[{'action':'use','constraint':[{'leftOperand':'purpose','operator':'eq',"
        "'rightOperand':'",
        "{'target':'",
        "{'permission':[{'action':'use','target':'",
    };
    static const char *const tails[] = {"'}]}]}", "'}", "'}]}"};

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        for (int n = LIMIT_ID; n <= LIMIT_ID + 1; n++) {
            AUTO(policy_unref) struct policy *policy = NULL;
            struct err err = {0};

            (void)(help_policy_from(repeat(arena, forms[i], "a", n, tails[i]), &policy, &err) < 0);
            ck_assert_int_eq(err.code, n > LIMIT_ID ? E_LIMIT : E_OK);
        }
    }
}

END_TEST

START_TEST(test_many_prefixes)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));

    for (int n = 16; n <= 17; n++) {
        AUTO(policy_unref) struct policy *policy = NULL;
        struct err err = {0};
        const char *json = repeat(arena, "{'@context':{'edc':'https://w3id.org/edc/v0.0.1/ns/'",
                                  ",'p#':'https://p.example/'", n - 1, "}}");

        (void)(help_policy_from(json, &policy, &err) < 0);
        ck_assert_int_eq(err.code, n > 16 ? E_LIMIT : E_OK);
    }
}

END_TEST

/* clang-format off */
static const struct { const char *a, *b; } equal[] = {
    {"{'profile':['urn:naru:profile:commercial:1','http://www.w3.org/ns/odrl/2/core','urn:naru:profile:commercial:1']}",
     "{'profile':['http://www.w3.org/ns/odrl/2/core','urn:naru:profile:commercial:1']}"},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:profitShare','operator':'eq','rightOperand':'0012.500'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:profitShare','operator':'eq','rightOperand':{'@value':'12.5','@type':'xsd:decimal'}}]}]}"},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:profitShare','operator':'eq','rightOperand':'-0.0'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:profitShare','operator':'eq','rightOperand':0}]}]}"},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:attribution','operator':'eq','rightOperand':true}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:attribution','operator':'eq','rightOperand':'true'}]}]}"},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:attribution','operator':'eq','rightOperand':false}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:attribution','operator':'eq','rightOperand':'false'}]}]}"},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:profitShare','operator':'eq','rightOperand':'-0.50'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:profitShare','operator':'eq','rightOperand':'-00.5'}]}]}"},
    {"{'@context':[{'x':'http://www.w3.org/ns/odrl/2/','y':'https://y.example/'},{'x':'http://www.w3.org/ns/odrl/2/'}],'x:permission':[{'x:action':'x:use'}]}",
     "{'permission':[{'action':'use','constraint':[]}]}"},
    {"{'permission':[{'action':{'@value':'use'},'assignee':[{'@value':'x','@type':'xsd:string'}]}]}",
     "{'permission':[{'action':'use','assignee':'x'}]}"},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'inForceDate','operator':'lteq','rightOperand':'contractAgreement+24h'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'edc:inForceDate','operator':'lteq','rightOperand':'contractagreement+1d'}]}]}"},
};

/* clang-format on */

START_TEST(test_equal_forms)
{
    AUTO(policy_unref) struct policy *a = NULL;
    AUTO(policy_unref) struct policy *b = NULL;
    struct err err = {0};

    ck_assert_msg(help_policy_from(equal[_i].a, &a, &err) == 0, "%s: %s", equal[_i].a, err.text);
    ck_assert_msg(help_policy_from(equal[_i].b, &b, &err) == 0, "%s: %s", equal[_i].b, err.text);
    ck_assert_msg(memcmp(policy_hash(a), policy_hash(b), POLICY_HASH_LEN) == 0, "%s", equal[_i].a);
}

END_TEST

START_TEST(test_rules_alone)
{
    AUTO(policy_unref)
    struct policy *policy = help_policy(
        "@type=Offer @target=t @profile=urn:naru:profile:commercial:1 +use (naru:attribution eq true)");
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    struct jw w = jw_init(&text);

    jw_object(&w);
    policy_write_rules(policy, POLICY_FORM_DSP, &w);
    jw_object_end(&w);
    buf_add_char(&text, '\0');
    ck_assert_str_eq(text.p, "{\"profile\":[\"urn:naru:profile:commercial:1\"],\"permission\":[{"
                             "\"action\":\"use\",\"constraint\":[{\"leftOperand\":"
                             "\"urn:naru:policy:attribution\",\"operator\":\"eq\","
                             "\"rightOperand\":\"true\"}]}]}");
}

END_TEST

/* clang-format off */
static const struct { const char *policy, *world, *line; } lines[] = {
    {"+use (inForceDate gteq contractAgreement+-90m)", "", "  - the time is not earlier than 1 hour 30 minutes before the agreement\n"},
    {"+use (elapsedTime gteq PT0S)", "", "  - the time since the agreement is at least 0 seconds\n"},
    {"+use (elapsedTime lt P1Y1DT0.5S)", "", "  - the time since the agreement is less than 12 months 1 day 500000 microseconds\n"},
    {"+use (dateTime lteq 2026-01-01+09:00)", "", "  - the time is not later than 2025-12-31T15:00:00Z – 2026-01-01T14:59:59.999999Z\n"},
    {"+use (naru:attribution eq false)", "", "  - term of the contract – attribution: no\n"},
    {"-use (UsageRestriction isAllOf cx.thirdParty.forbidden:1 cx.derivations.forbidden:1)", "",
     "  - no derived data may be made; the data must not be passed on to third parties\n"},
    {"+use @@assignee=did:web:a", "", "  - recipient: did:web:a\n"},
    {"+use (andSequence (dateTime gteq 2026-01-02) (dateTime gteq 2026-01-01))", "",
     "all of the following hold, one after the other: … – this does not hold\n"},
    {"@target=t +use", "", "  - Permission 1: the rule is not for this data set\n"},
};

/* clang-format on */

START_TEST(test_lines)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    AUTO(policy_unref) struct policy *policy = help_policy(lines[_i].policy);
    AUTO(buf_done) struct buf text = buf_init(KIB(16));
    struct policy_decision decision = decide(arena, policy, lines[_i].world, POLICY_AT_CATALOGUE);

    policy_explain(policy, POLICY_EN, &text);
    policy_explain_decision(policy, &decision, POLICY_EN, &text);
    buf_add_char(&text, '\0');
    ck_assert_msg(strstr(text.p, lines[_i].line) != NULL, "%s", text.p);
}

END_TEST

/* Membership in a collection: known, known not to be, and not known. */
START_TEST(test_collections)
{
    static const struct str members[] = {STR_INIT("urn:g1"), STR_INIT("urn:g2")};

    static const struct {
        const char *list;
        size_t n_in;
        bool known;
        enum policy_verdict verdict;
    } rows[] = {
        {"permission",  2, true,  POLICY_PERMIT},
        {"permission",  1, true,  POLICY_DENY  },
        {"permission",  1, false, POLICY_DENY  },
        {"prohibition", 2, true,  POLICY_DENY  },
        {"prohibition", 1, true,  POLICY_PERMIT},
        {"prohibition", 1, false, POLICY_DENY  },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(policy_unref) struct policy *policy = NULL;
        struct policy_facts facts = {0};
        struct policy_decision decision;
        struct policy_question q = {.now_us = 1,
                                    .agreement_us = POLICY_NO_TIME,
                                    .assignee = STR("did:web:a"),
                                    .assignee_in = members,
                                    .n_assignee_in = rows[i].n_in,
                                    .collections_known = rows[i].known};
        struct err err = {0};
        char json[400];

        (void)snprintf(json, sizeof(json),
                       "{%s'%s':[{'action':'use','assignee':{'@type':'odrl:PartyCollection',"
                       "'@id':'urn:g2'}}]}",
                       rows[i].list[1] == 'r' ? "'permission':[{'action':'use'}]," : "",
                       rows[i].list);
        ck_assert_msg(help_policy_from(json, &policy, &err) == 0, "%s: %s", json, err.text);
        policy_decide(policy, &q, &facts, &decision);
        ck_assert_msg(decision.verdict == rows[i].verdict, "row %zu", i);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_edges");
    TCase *tc = tcase_create("edges");

    tcase_add_test(tc, test_many_causes);
    tcase_add_test(tc, test_many_duties);
    tcase_add_test(tc, test_duties_of_a_permit);
    tcase_add_test(tc, test_seen_is_cut);
    tcase_add_test(tc, test_long_names);
    tcase_add_test(tc, test_many_prefixes);
    tcase_add_loop_test(tc, test_equal_forms, 0, (int)ARRAY_LEN(equal));
    tcase_add_test(tc, test_rules_alone);
    tcase_add_loop_test(tc, test_lines, 0, (int)ARRAY_LEN(lines));
    tcase_add_test(tc, test_collections);
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
