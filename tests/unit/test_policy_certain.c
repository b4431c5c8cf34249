/*
 * Denied for certain, or only because something is not known; and when that may be different.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define NOW "2026-06-01T00:00:00Z"

struct row {
    const char *policy, *world;
    enum policy_scope scope;
    bool may;
    const char *until; /* NULL: for ever */
    unsigned flags;    /* beside POLICY_DUTY_EVENTUAL */
};

/* clang-format off */
#define AT POLICY_AT_TRANSFER
#define ROW(policy_, world_, scope_, may_, until_, ...)                                            \
    {.policy = policy_, .world = world_, .scope = scope_, .may = may_, .until = until_, ##__VA_ARGS__}
#define NEG POLICY_AT_NEGOTIATION
static const struct row rows[] = {
    ROW("+use", "", AT, true, NULL),
    ROW("-use", "", AT, false, NULL),
    ROW("+use (purpose eq a)", "", AT, true, NULL),
    ROW("+use (purpose eq a)", "purpose=b", AT, false, NULL),
    ROW("+use (purpose eq a)", "purpose=-", AT, false, NULL),
    ROW("+use (dateTime lt 2026-06-10)", "", AT, true, "2026-06-10T00:00:00Z"),
    ROW("+use (dateTime lt 2026-05-10)", "", AT, false, NULL),
    ROW("+use (dateTime gteq 2026-06-10)", "", AT, false, "2026-06-10T00:00:00Z"),
    ROW("+use (purpose eq a) (dateTime lt 2026-06-10)", "", AT, true, "2026-06-10T00:00:00Z"),
    ROW("+use (purpose eq a) (dateTime lt 2026-05-10)", "", AT, false, NULL),
    ROW("+use (dateTime lt 2026-05-10) +use (purpose eq a)", "", AT, true, NULL),
    ROW("+use (or (dateTime lt 2026-05-10) (purpose eq a))", "", AT, true, NULL),
    ROW("+use (or (dateTime lt 2026-05-10) (dateTime gteq 2026-07-01))", "", AT, false, "2026-07-01T00:00:00Z"),
    ROW("+use -use (purpose eq a)", "", AT, true, NULL),
    ROW("+use -use (purpose eq a)", "purpose=a", AT, false, NULL),
    ROW("+use -use (dateTime gteq 2026-06-10)", "", AT, true, "2026-06-10T00:00:00Z"),
    ROW("+use -use (dateTime gteq 2026-05-10)", "", AT, false, NULL),
    ROW("@conflict=perm +use -use (purpose eq a)", "purpose=a", AT, true, NULL),
    ROW("+use !use (DataProvisioningEndDate eq 2026-05-10T00:00:00Z)", "", AT, false, NULL),
    ROW("+use !use (DataProvisioningEndDate eq 2026-05-10T00:00:00Z)", "", NEG, true, NULL),
    ROW("+use [compensate (dateTime lt 2026-05-10)]", "", AT, true, NULL),
    ROW("+use [compensate (dateTime lt 2026-05-10)]", "did:", AT, false, NULL),
    ROW("+use [compensate (dateTime lt 2026-05-10)(purpose eq b)]", "purpose=a did:", AT, true, NULL),
    ROW("+use [compensate (dateTime lt 2026-05-10)]", "did:compensate@2026-05-01T00:00:00Z,urn:me,urn:data", AT, true, NULL),
    ROW("+sell", "", AT, false, NULL),
    ROW("+use !use (DataProvisioningEndDate eq 2026-07-10T00:00:00Z)", "", AT, true, "2026-07-10T00:00:00.000001Z"),
    ROW("+use !use (DataProvisioningEndDate eq 2026-05-10T00:00:00Z) !use (DataProvisioningEndDate eq 2026-05-11T00:00:00Z)", "", AT, false, NULL),
    ROW("+use +sell", "", AT, true, NULL),
    ROW("+use (purpose eq a) +use (purpose eq b)", "purpose=a", AT, true, NULL),
    ROW("+use (purpose eq a) +use (purpose eq b)", "purpose=b", AT, true, NULL),
    ROW("+sell !use (DataProvisioningEndDate eq 2027-05-10T00:00:00Z)", "", POLICY_AT_ACCESS, false, "2027-05-10T00:00:00.000001Z"),
    ROW("+use -sell", "", AT, true, NULL),
    ROW("+use -use @@assignee=urn:other", "", AT, true, NULL),
    ROW("", "", AT, false, NULL),
    ROW("", "", AT, true, NULL, .flags = POLICY_EMPTY_PERMITS),
    ROW("-sell", "", AT, false, NULL, .flags = POLICY_EMPTY_PERMITS),
};

/* clang-format on */

static struct arena *arena;
static struct world world;

static void open_all(void)
{
    arena = arena_new(MIB(4));
    ck_assert_ptr_nonnull(arena);
}

static void close_all(void)
{
    arena_free(&arena);
}

START_TEST(test_certain)
{
    const struct row *row = &rows[_i];
    struct policy *policy = help_policy(row->policy);
    struct policy_decision decision;
    int64_t until_us = 0;
    const struct policy_question question = {.action = POLICY_ACT_USE,
                                             .scope = row->scope,
                                             .now_us = help_time(NOW),
                                             .agreement_us = help_time(NOW),
                                             .flags = POLICY_DUTY_EVENTUAL | row->flags};

    help_world(arena, row->world, &world);
    ck_assert_msg(policy_may_permit(policy, &question, &world.facts, &until_us) == row->may,
                  "%s | %s", row->policy, row->world);
    ck_assert_msg(until_us == (row->until != NULL ? help_time(row->until) : POLICY_FOREVER),
                  "%s | %s: until %lld", row->policy, row->world, (long long)until_us);
    /* what is permitted may be permitted */
    policy_decide(policy, &question, &world.facts, &decision);
    ck_assert(decision.verdict == POLICY_DENY || row->may);
    policy_unref(&policy);
}

END_TEST

/* Facts that do not grow old leave time alone to turn a decision. */
START_TEST(test_facts_last)
{
    struct policy *policy = help_policy("+use (participant eq did:web:a)");
    struct policy_decision decision;
    struct policy_question question = {.action = POLICY_ACT_USE,
                                       .scope = AT,
                                       .now_us = help_time(NOW),
                                       .agreement_us = help_time(NOW)};

    help_world(arena, "participant=did:web:a~90", &world);
    policy_decide(policy, &question, &world.facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_PERMIT);
    ck_assert_int_lt(decision.valid_until_us, POLICY_FOREVER);
    question.flags = POLICY_FACTS_LAST;
    policy_decide(policy, &question, &world.facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_PERMIT);
    ck_assert_int_eq(decision.valid_until_us, POLICY_FOREVER);
    policy_unref(&policy);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_certain");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_loop_test(tc, test_certain, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, test_facts_last);
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
