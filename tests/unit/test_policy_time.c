/*
 * Until when a decision holds: it does not turn before valid_until_us, and turns there where one constraint decides.
 */
#include <check.h>
#include <inttypes.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define NOW "2026-06-01T00:00:00Z"

struct row {
    const char *policy, *world, *now, *agreed;
    enum policy_scope scope;
    const char *until; /* NULL: for ever */
    int64_t plus_us;   /* added to `until` */
    bool turns;        /* the verdict is another one there */
};

/* clang-format off */
#define AT POLICY_AT_ACCESS
#define CAT POLICY_AT_CATALOGUE
static const struct row rows[] = {
    {"+use", "", NOW, NULL, AT, NULL, 0, false},
    {"+use (purpose eq a)", "purpose=a", NOW, NULL, AT, NULL, 0, false},
    {"+use (purpose eq a)", "", NOW, NULL, AT, NULL, 0, false},
    {"+use (dateTime lteq 2026-06-30T00:00:00Z)", "", NOW, NULL, AT, "2026-06-30T00:00:00Z", 1, true},
    {"+use (dateTime lt 2026-06-30T00:00:00Z)", "", NOW, NULL, AT, "2026-06-30T00:00:00Z", 0, true},
    {"+use (dateTime gteq 2026-06-30T00:00:00Z)", "", NOW, NULL, AT, "2026-06-30T00:00:00Z", 0, true},
    {"+use (dateTime gt 2026-06-30T00:00:00Z)", "", NOW, NULL, AT, "2026-06-30T00:00:00Z", 1, true},
    {"+use (dateTime eq 2026-06-30T00:00:00Z)", "", NOW, NULL, AT, "2026-06-30T00:00:00Z", 0, true},
    {"+use (dateTime eq 2026-06-01T00:00:00Z)", "", NOW, NULL, AT, NOW, 1, true},
    {"+use (dateTime neq 2026-06-01T00:00:00Z)", "", NOW, NULL, AT, NOW, 1, true},
    {"+use (dateTime neq 2026-06-30T00:00:00Z)", "", NOW, NULL, AT, "2026-06-30T00:00:00Z", 0, true},
    {"+use (dateTime lteq 2026-05-30T00:00:00Z)", "", NOW, NULL, AT, NULL, 0, false},
    {"+use (dateTime lteq 2026-06-30)", "", NOW, NULL, AT, "2026-07-01T00:00:00Z", 0, true},
    {"+use (dateTime lteq 2026-06-30+09:00)", "", NOW, NULL, AT, "2026-06-30T15:00:00Z", 0, true},
    {"+use (dateTime lteq 2026-06-30-05:00)", "", NOW, NULL, AT, "2026-07-01T05:00:00Z", 0, true},
    {"+use (dateTime lteq 2026-06-30T09:00:00+09:00)", "", NOW, NULL, AT, "2026-06-30T00:00:00Z", 1, true},
    {"+use (dateTime gteq 2026-06-10) (dateTime lt 2026-06-20)", "", NOW, NULL, AT, "2026-06-10T00:00:00Z", 0, true},
    {"+use (dateTime gteq 2026-05-10) (dateTime lt 2026-06-20)", "", NOW, NULL, AT, "2026-06-20T00:00:00Z", 0, true},
    {"+use (or (dateTime lt 2026-06-10) (dateTime lt 2026-06-20))", "", NOW, NULL, AT, "2026-06-20T00:00:00Z", 0, true},
    {"+use (or (dateTime lt 2026-06-10) (dateTime lt 2026-06-20) (and (dateTime gteq 2026-07-01) (dateTime lt 2026-07-02)) (dateTime gteq 2027-01-01))", "", NOW, NULL, AT, "2026-06-20T00:00:00Z", 0, true},
    {"+use (or (dateTime lt 2026-06-10) (dateTime lt 2026-06-20) (and (dateTime gteq 2026-07-01) (dateTime lt 2026-07-02)) (dateTime gteq 2027-01-01))", "", "2026-06-20T00:00:00Z", NULL, AT, "2026-07-01T00:00:00Z", 0, true},
    {"+use (or (dateTime lt 2026-06-10) (dateTime lt 2026-06-20) (and (dateTime gteq 2026-07-01) (dateTime lt 2026-07-02)) (dateTime gteq 2027-01-01))", "", "2027-02-01T00:00:00Z", NULL, AT, NULL, 0, false},
    {"+use (or (dateTime eq 2026-06-01) (dateTime eq 2026-06-02) (dateTime eq 2026-06-03) (dateTime eq 2026-06-05))", "", NOW, NULL, AT, "2026-06-04T00:00:00Z", 0, true},
    {"+use (or (dateTime eq 2026-05-01) (dateTime eq 2026-05-02) (dateTime eq 2026-05-03) (and (dateTime lt 2026-06-01) (dateTime gt 2026-06-05)))", "", NOW, NULL, AT, NULL, 0, false},
    {"+use (or (dateTime eq 2026-06-01) (dateTime eq 2026-06-02) (dateTime neq 2026-06-03) (dateTime eq 2026-06-05))", "", NOW, NULL, AT, "2026-06-03T00:00:00Z", 0, true},
    {"+use (or (dateTime eq 2026-06-01) (dateTime eq 2026-06-02) (and (dateTime lt 2026-06-20) (purpose eq a)) (dateTime eq 2026-06-05))", "purpose=a", "2026-06-05T00:00:00Z", NULL, AT, "2026-06-20T00:00:00Z", 0, true},
    {"+use (dateTime lt 2026-06-10) +use (dateTime lt 2026-06-20)", "", NOW, NULL, AT, "2026-06-20T00:00:00Z", 0, true},
    {"+use (dateTime gteq 2026-06-10) +use (dateTime gteq 2026-06-20)", "", NOW, NULL, AT, "2026-06-10T00:00:00Z", 0, true},
    {"+use (xone (dateTime lt 2026-06-10) (dateTime lt 2026-06-20))", "", NOW, NULL, AT, "2026-06-10T00:00:00Z", 0, true},
    {"+use (dateTime lt 2026-06-10) (purpose eq a)", "purpose=b", NOW, NULL, AT, NULL, 0, false},
    {"+use -use (dateTime gteq 2026-06-10)", "", NOW, NULL, AT, "2026-06-10T00:00:00Z", 0, true},
    {"+use -use (dateTime lt 2026-06-10)", "", NOW, NULL, AT, "2026-06-10T00:00:00Z", 0, true},
    {"@conflict=perm +use -use (dateTime lt 2026-06-10)", "", NOW, NULL, AT, NULL, 0, false},
    {"+use (dateTime lt 2026-06-20) -use (dateTime gteq 2026-06-10)", "", NOW, NULL, AT, "2026-06-10T00:00:00Z", 0, true},
    {"+use (elapsedTime lteq P30D)", "", NOW, "2026-05-20T00:00:00Z", AT, "2026-06-19T00:00:00Z", 1, true},
    {"+use (elapsedTime lt P1M)", "", NOW, "2026-05-31T00:00:00Z", AT, "2026-06-30T00:00:00Z", 0, true},
    {"+use (elapsedTime lteq P60M)", "", NOW, "2026-01-31T00:00:00Z", AT, "2031-01-31T00:00:00Z", 1, true},
    {"+use (elapsedTime lteq P1MT12H)", "", NOW, "2026-05-15T00:00:00Z", AT, "2026-06-15T12:00:00Z", 1, true},
    {"+use (elapsedTime lteq P30D)", "", NOW, NULL, AT, NULL, 0, false},
    {"+use (elapsedTime lteq P30D)", "", NOW, NULL, CAT, NULL, 0, false},
    {"+use (inForceDate lteq contractAgreement+12h)", "", NOW, "2026-05-31T18:00:00Z", AT, "2026-06-01T06:00:00Z", 1, true},
    {"+use (inForceDate gteq contractAgreement+12h)", "", NOW, "2026-05-31T18:00:00Z", AT, "2026-06-01T06:00:00Z", 0, true},
    {"+use (DataUsageEndDate eq 2026-12-31T23:59:59Z)", "", NOW, NULL, AT, "2026-12-31T23:59:59Z", 1, true},
    {"+use (DataUsageEndDurationDays eq 2)", "", NOW, "2026-05-31T00:00:00Z", AT, "2026-06-02T00:00:00Z", 1, true},
    {"+use !use (DataProvisioningEndDate eq 2026-06-05)", "", NOW, NULL, AT, "2026-06-06T00:00:00Z", 0, true},
    {"+use !use (DataProvisioningEndDate eq 2026-06-05)", "", NOW, NULL, CAT, NULL, 0, false},
    {"+use (Membership eq active)", "Membership=active", NOW, NULL, AT, "2026-06-02T00:00:00Z", 1, false},
    {"+use (Membership eq active)", "Membership=active~43200", NOW, NULL, AT, "2026-06-01T12:00:00Z", 1, false},
    {"+use (count lteq 5)", "count=3~10", NOW, NULL, AT, "2026-06-01T00:00:50Z", 1, false},
    {"+use [compensate (elapsedTime gteq P0D)]", "did:compensate@2026-06-01T00:00:00Z", NOW, NULL, CAT, NOW, 1, true},
    {"+use [compensate (elapsedTime gteq P0D)]", "did:compensate@2026-06-01T00:00:00Z", NOW, NOW, AT, NULL, 0, false},
    {"+use [compensate (dateTime lteq 2026-06-10T00:00:00Z)]", "", NOW, NULL, AT, "2026-06-10T00:00:00Z", 1, false},
};

/* clang-format on */

static void decide(const struct row *row, int64_t now_us, struct policy_decision *ret_decision)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(policy_unref) struct policy *policy = help_policy(row->policy);
    struct policy_question q = {
        .scope = row->scope, .now_us = now_us, .agreement_us = help_time(row->agreed)};
    struct world world;

    help_world(arena, row->world, &world);
    policy_decide(policy, &q, &world.facts, ret_decision);
    /* the texts of causes die here; only the verdict is looked at */
}

START_TEST(test_until)
{
    const struct row *row = &rows[_i];
    int64_t want = row->until != NULL ? help_time(row->until) + row->plus_us : POLICY_FOREVER;
    struct policy_decision now, before, there;

    decide(row, help_time(row->now), &now);
    ck_assert_msg(now.valid_until_us == want, "%s: holds until %s", row->policy,
                  time_format(now.valid_until_us).c);
    if (row->until == NULL)
        return;
    decide(row, want - 1, &before);
    decide(row, want, &there);
    ck_assert_msg(before.verdict == now.verdict, "%s turns too early", row->policy);
    ck_assert_msg((there.verdict != now.verdict) == row->turns, "%s at its end", row->policy);
}

END_TEST

/* Alternatives of windows, at random: as each of them says, and turning exactly where that does. */
START_TEST(test_windows)
{
    enum { DAYS = 40, WINDOWS = 9 };

    const int64_t begin = help_time(NOW);
    uint32_t random = (uint32_t)_i + 1;
    AUTO(buf_done) struct buf notation = buf_init(KIB(4));
    AUTO(policy_unref) struct policy *policy = NULL;
    bool open[DAYS + 1] = {0};
    int64_t turn = POLICY_FOREVER;

    buf_add_c(&notation, "+use (or");
    for (int i = 0; i < WINDOWS; i++) {
        int day[2];

        for (int k = 0; k < 2; k++) {
            random = random * 1664525 + 1013904223;
            day[k] = (int)(random >> 16) % (k == 0 ? DAYS : 6) + (k == 0 ? 0 : day[0] - 1);
        }
        buf_printf(&notation, " (and (dateTime gteq %.10s) (dateTime lt %.10s))",
                   time_format(begin + day[0] * US_PER_DAY).c,
                   time_format(begin + day[1] * US_PER_DAY).c);
        for (int d = day[0]; d < day[1] && d < DAYS; d++)
            open[d] = true;
    }
    buf_add_c(&notation, ")");
    buf_add_char(&notation, '\0');
    policy = help_policy(notation.p);
    for (int d = DAYS - 6; d-- > 0;) { /* the last ones may go on beyond */
        static const struct policy_facts nothing;
        const struct policy_question q = {
            .scope = AT, .now_us = begin + d * US_PER_DAY, .agreement_us = begin};
        struct policy_decision decision;

        policy_decide(policy, &q, &nothing, &decision);
        ck_assert_msg((decision.verdict == POLICY_PERMIT) == open[d], "%s on day %d", notation.p,
                      d);
        if (open[d + 1] != open[d])
            turn = q.now_us + US_PER_DAY;
        if (turn != POLICY_FOREVER)
            ck_assert_msg(decision.valid_until_us == turn, "%s on day %d", notation.p, d);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_time");
    TCase *tc = tcase_create("until");

    tcase_add_loop_test(tc, test_until, 0, (int)ARRAY_LEN(rows));
    tcase_add_loop_test(tc, test_windows, 0, 200);
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
