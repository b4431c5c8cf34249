/*
 * Windows of the week in zones whose clocks change: instants around the changes, and each zone of the table against the tz
 * database of this machine, hour by hour (skipped where it is not installed).
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

static struct policy *windows(const char *operand, const char *op, const char *values)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct policy *policy = NULL;
    struct err err = {0};
    const struct str json =
        arena_printf(arena,
                     "{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:%s',"
                     "'operator':'%s','rightOperand':%s}]}]}",
                     operand, op, values);

    ck_assert_msg(help_policy_from(arena_cstr(arena, json), &policy, &err) == 0, "%s: %s", values,
                  err.text);
    return policy;
}

static bool open_at(const struct policy *policy, int64_t now_us, int64_t *ret_until)
{
    static const struct policy_facts nothing;
    const struct policy_question question = {
        .action = POLICY_ACT_USE, .scope = POLICY_AT_ACCESS, .now_us = now_us, .agreement_us = 0};
    struct policy_decision decision;

    policy_decide(policy, &question, &nothing, &decision);
    *ret_until = decision.valid_until_us;
    return decision.verdict == POLICY_PERMIT;
}

/* -- around the changes ------------------------------------------------------------------------ */

#define HOURS(values) "timeOfDay", "isAnyOf", "[" values "]"
#define DAYS(values)  "daysOfWeek", "isAnyOf", "[" values "]"
#define BERLIN        "[Europe/Berlin]"

/* clang-format off */
/* whether it is open at `now`, and the instants at which that turns from then on */
static const struct { const char *operand, *op, *values, *now; bool open; const char *turns[4]; } rows[] = {
    /* Europe goes to summer time on 29 March 2026, 01:00 UTC */
    {HOURS("'09:00/18:00" BERLIN "'"), "2026-03-28T08:30:00Z", true,  {"2026-03-28T17:00:00Z", "2026-03-29T07:00:00Z", "2026-03-29T16:00:00Z"}},
    {HOURS("'09:00/18:00[Europe/Lisbon]'"), "2026-03-28T12:00:00Z", true, {"2026-03-28T18:00:00Z", "2026-03-29T08:00:00Z"}},
    {HOURS("'09:00/18:00[Europe/Helsinki]'"), "2026-03-28T12:00:00Z", true, {"2026-03-28T16:00:00Z", "2026-03-29T06:00:00Z"}},
    /* the hour from 02:00 is not there on that day */
    {HOURS("'02:00/03:00" BERLIN "'"), "2026-03-28T01:00:00Z", true,  {"2026-03-28T02:00:00Z", "2026-03-30T00:00:00Z", "2026-03-30T01:00:00Z"}},
    {HOURS("'02:30/03:30" BERLIN "'"), "2026-03-28T12:00:00Z", false, {"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
    {HOURS("'01:30/02:30" BERLIN "'"), "2026-03-28T12:00:00Z", false, {"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T23:30:00Z"}},
    {HOURS("'22:00/06:00" BERLIN "'"), "2026-03-28T12:00:00Z", false, {"2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z", "2026-03-29T20:00:00Z"}},
    {DAYS("'sun" BERLIN "'"),          "2026-03-28T12:00:00Z", false, {"2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-04-04T22:00:00Z"}},
    /* and back on 25 October 2026, 01:00 UTC: the hour from 02:00 comes twice */
    {HOURS("'02:00/03:00" BERLIN "'"), "2026-10-24T12:00:00Z", false, {"2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-26T01:00:00Z"}},
    {HOURS("'02:15/02:45" BERLIN "'"), "2026-10-24T12:00:00Z", false, {"2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z", "2026-10-25T01:45:00Z"}},
    {HOURS("'02:30/03:30" BERLIN "'"), "2026-10-24T12:00:00Z", false, {"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
    {HOURS("'01:30/02:30" BERLIN "'"), "2026-10-24T12:00:00Z", false, {"2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"}},
    {DAYS("'sun" BERLIN "'"),          "2026-10-24T12:00:00Z", false, {"2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-31T23:00:00Z"}},
    {DAYS("'sat/sun" BERLIN "'"),      "2026-10-24T12:00:00Z", true,  {"2026-10-25T23:00:00Z", "2026-10-30T23:00:00Z"}},
    {"daysOfWeek", "neq", "'sun" BERLIN "'", "2026-10-25T12:00:00Z", false, {"2026-10-25T23:00:00Z", "2026-10-31T23:00:00Z"}},
    {"timeOfDay", "isNoneOf", "['22:00/06:00" BERLIN "']", "2026-10-24T22:00:00Z", false, {"2026-10-25T05:00:00Z", "2026-10-25T21:00:00Z"}},
    /* the last Sunday is the 31st, or the 25th */
    {HOURS("'09:00/18:00" BERLIN "'"), "2024-03-30T18:00:00Z", false, {"2024-03-31T07:00:00Z"}},
    {HOURS("'09:00/18:00" BERLIN "'"), "2029-03-24T18:00:00Z", false, {"2029-03-25T07:00:00Z"}},
    /* North America: 8 March and 1 November 2026, 02:00 of each zone */
    {HOURS("'09:00/17:00[America/New_York]'"),    "2026-03-07T23:00:00Z", false, {"2026-03-08T13:00:00Z", "2026-03-08T21:00:00Z"}},
    {HOURS("'01:00/03:00[America/Los_Angeles]'"), "2026-03-08T08:00:00Z", false, {"2026-03-08T09:00:00Z", "2026-03-08T10:00:00Z", "2026-03-09T08:00:00Z"}},
    {HOURS("'01:00/02:00[America/Detroit]'"),     "2026-11-01T00:00:00Z", false, {"2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z", "2026-11-02T06:00:00Z"}},
    {HOURS("'01:00/02:00[America/Tijuana]'"),     "2026-11-01T00:00:00Z", false, {"2026-11-01T08:00:00Z", "2026-11-01T10:00:00Z"}},
    {HOURS("'09:00/17:00[America/Chicago]'"),     "2027-11-07T00:00:00Z", false, {"2027-11-07T15:00:00Z", "2027-11-07T23:00:00Z"}},
    /* Australia: 5 April and 4 October 2026, 02:00 of standard time */
    {HOURS("'09:00/17:00[Australia/Melbourne]'"), "2026-04-04T12:00:00Z", false, {"2026-04-04T23:00:00Z", "2026-04-05T07:00:00Z"}},
    {HOURS("'02:00/03:00[Australia/Adelaide]'"),  "2026-04-04T12:00:00Z", false, {"2026-04-04T15:30:00Z", "2026-04-04T17:30:00Z", "2026-04-05T16:30:00Z"}},
    {HOURS("'09:00/17:00[Australia/Sydney]'"),    "2026-10-03T12:00:00Z", false, {"2026-10-03T22:00:00Z", "2026-10-04T06:00:00Z"}},
    {HOURS("'09:00/17:00[Australia/Sydney]'"),    "2026-12-31T12:00:00Z", false, {"2026-12-31T22:00:00Z"}},
    /* never changed */
    {HOURS("'09:00/17:00[Asia/Kolkata]'"),        "2026-03-29T00:00:00Z", false, {"2026-03-29T03:30:00Z", "2026-03-29T11:30:00Z"}},
    {HOURS("'09:00/17:00[America/Phoenix]'"),     "2026-03-08T00:00:00Z", false, {"2026-03-08T16:00:00Z"}},
    {DAYS("'mon/sun" BERLIN "'"),                 "2026-03-28T12:00:00Z", true, {0}},
    {DAYS("'sat/fri[America/Denver]'"),           "2026-03-28T12:00:00Z", true, {0}},
    {HOURS("'00:00/12:00" BERLIN "','12:00/24:00[Europe/Paris]'"), "2026-03-28T12:00:00Z", true, {0}},
    {DAYS("'mon/sat" BERLIN "','sat/mon[America/New_York]'"), "2026-03-28T12:00:00Z", true, {0}},
    {"daysOfWeek", "isNoneOf", "['mon/sun" BERLIN "']", "2026-03-28T12:00:00Z", false, {0}},
    /* several zones: what one of them leaves open, for as long as they differ */
    {HOURS("'09:00/12:00" BERLIN "','09:00/12:00[America/New_York]'"), "2026-03-20T07:00:00Z", false, {"2026-03-20T08:00:00Z", "2026-03-20T11:00:00Z", "2026-03-20T13:00:00Z", "2026-03-20T16:00:00Z"}},
    {HOURS("'09:00/15:00" BERLIN "','09:00/12:00[America/New_York]'"), "2026-03-20T07:00:00Z", false, {"2026-03-20T08:00:00Z", "2026-03-20T16:00:00Z"}},
    {HOURS("'09:00/15:00" BERLIN "','09:00/12:00[America/New_York]'"), "2026-02-20T07:00:00Z", false, {"2026-02-20T08:00:00Z", "2026-02-20T17:00:00Z"}},
    /* together they leave nothing out until clocks change */
    {HOURS("'08:00/20:00" BERLIN "','20:00/08:00+01:00'"), "2026-01-15T00:00:00Z", true, {"2026-03-29T18:00:00Z", "2026-03-29T19:00:00Z", "2026-03-30T18:00:00Z"}},
    {HOURS("'08:00/20:00" BERLIN "','20:00/08:00+01:00'"), "2026-10-24T18:30:00Z", false, {"2026-10-24T19:00:00Z", "2027-03-28T18:00:00Z"}},
    {HOURS("'03:00/02:00" BERLIN "','02:00/03:00+01:00'"), "2026-01-15T00:00:00Z", true, {"2026-03-30T00:00:00Z", "2026-03-30T01:00:00Z"}},
    /* the rule of today, in any year */
    {HOURS("'09:00/18:00" BERLIN "'"), "1626-03-28T18:00:00Z", false, {"1626-03-29T07:00:00Z"}},
    {HOURS("'09:00/18:00" BERLIN "'"), "9998-12-31T18:00:00Z", false, {"9999-01-01T08:00:00Z"}},
};

/* clang-format on */

START_TEST(test_changes)
{
    AUTO(policy_unref)
    struct policy *policy = windows(rows[_i].operand, rows[_i].op, rows[_i].values);
    int64_t now = help_time(rows[_i].now), until;
    bool open = open_at(policy, now, &until);

    ck_assert_msg(open == rows[_i].open, "%s at %s", rows[_i].values, rows[_i].now);
    if (rows[_i].turns[0] == NULL)
        ck_assert_msg(until == POLICY_FOREVER, "%s: %s", rows[_i].values, time_format(until).c);
    for (size_t i = 0; i < ARRAY_LEN(rows[_i].turns) && rows[_i].turns[i] != NULL; i++) {
        ck_assert_msg(until == help_time(rows[_i].turns[i]), "%s: %s, not %s", rows[_i].values,
                      time_format(until).c, rows[_i].turns[i]);
        now = until;
        ck_assert_msg(open_at(policy, now - 1, &until) == open && until == now, "%s before %s",
                      rows[_i].values, time_format(now).c);
        open = !open;
        ck_assert_msg(open_at(policy, now, &until) == open, "%s at %s", rows[_i].values,
                      time_format(now).c);
    }
}

END_TEST

/* No instant is out of reach. */
START_TEST(test_ends_of_time)
{
    AUTO(policy_unref)
    struct policy *policy =
        windows(HOURS("'09:00/18:00" BERLIN "','19:00/20:00[Australia/Sydney]'"));
    int64_t until;

    (void)open_at(policy, INT64_MAX - 1, &until);
    ck_assert_int_eq(until, POLICY_FOREVER);
    (void)open_at(policy, INT64_MIN + 1, &until);
    ck_assert_int_gt(until, INT64_MIN + 1);
    ck_assert_int_le(until, INT64_MIN + 2 * US_PER_DAY);
}

END_TEST

/* A zone with summer time is part of the value; one without is its offset. */
START_TEST(test_hashes)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"'monZ'",                  "'mon[UTC]'",               true },
        {"'mon+09:00'",             "'mon[Asia/Tokyo]'",        true },
        {"'mon[Europe/Berlin]'",    "'Mon/Mon[Europe/Berlin]'", true },
        {"'mon[Europe/Berlin]'",    "'mon[Europe/Paris]'",      false},
        {"'mon[Europe/Berlin]'",    "'mon+01:00'",              false},
        {"'mon[America/New_York]'", "'mon-05:00'",              false},
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        AUTO(policy_unref) struct policy *a = windows("daysOfWeek", "eq", pairs[i].a);
        AUTO(policy_unref) struct policy *b = windows("daysOfWeek", "eq", pairs[i].b);

        ck_assert_msg((memcmp(policy_hash(a), policy_hash(b), POLICY_HASH_LEN) == 0) ==
                          pairs[i].same,
                      "%s and %s", pairs[i].a, pairs[i].b);
    }
}

END_TEST

START_TEST(test_words)
{
    AUTO(policy_unref) struct policy *policy = windows(HOURS("'09:00/18:00" BERLIN "'"));
    AUTO(buf_done) struct buf out = buf_init(KIB(4));

    AUTO(policy_unref) struct policy *fixed = windows(HOURS("'09:00/18:00-03:30'"));

    policy_explain(policy, POLICY_KO, &out);
    policy_explain(fixed, POLICY_KO, &out);
    buf_add_char(&out, '\0');
    ck_assert_msg(strstr(out.p, "09:00–18:00 (Europe/Berlin)") != NULL, "%s", out.p);
    ck_assert_msg(strstr(out.p, "09:00–18:00 (UTC-03:30)") != NULL, "%s", out.p);
}

END_TEST

START_TEST(test_refused)
{
    static const char *const values[] = {"mon[Europe/Atlantis]",
                                         "mon[europe/berlin]",
                                         "mon[Europe/Berlin",
                                         "monEurope/Berlin",
                                         "mon[]",
                                         "mon[",
                                         "mon]",
                                         "mon[Europe/Berlin]Z"};

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
        const struct str json = arena_printf(
            arena,
            "{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:daysOfWeek',"
            "'operator':'eq','rightOperand':'%s'}]}]}",
            values[i]);

        help_policy_refused(arena_cstr(arena, json), E_INVALID,
                            "/permission/0/constraint/0/rightOperand");
    }
}

END_TEST

/* -- against the tz database ------------------------------------------------------------------- */

#define TZ_FOLDER     "/usr/share/zoneinfo/"
#define FIRST_S       INT64_C(1735689600) /* 2025-01-01T00:00:00Z */
#define MONDAY_S      INT64_C(345600)     /* 1970-01-05 */
#define WEEK_S        (7 * 86400)
#define STEP_S        1800
#define STEPS_PER_DAY 48
#define STEPS         (6 * 366 * STEPS_PER_DAY)

/* clang-format off */
static const char *const names[] = {
#define ZONE(name, ...) name,
#include "policy/zones.def"
#undef ZONE
};

/* clang-format on */

static int64_t offset_at(int64_t at_s)
{
    const time_t at = (time_t)at_s;
    struct tm local;

    ck_assert_ptr_nonnull(localtime_r(&at, &local));
    return local.tm_gmtoff;
}

/* What the clocks show, seconds since Monday 00:00, at each step; false if the database lacks it.
 * A day at whose ends they are equally far from UTC is taken to be without a change. */
static bool read_clocks(struct arena *arena, const char *name, int32_t *clocks)
{
    int64_t offset = 0, next = 0;

    if (access(arena_printf(arena, TZ_FOLDER "%s", name).p, R_OK) != 0)
        return false;
    ck_assert_int_eq(setenv("TZ", arena_printf(arena, ":%s", name).p, 1), 0);
    tzset();
    for (int i = 0; i < STEPS; i++) {
        const int64_t at = FIRST_S + (int64_t)i * STEP_S;

        if (i % STEPS_PER_DAY == 0) {
            offset = offset_at(at);
            next = offset_at(at + STEPS_PER_DAY * STEP_S);
        }
        clocks[i] = (int32_t)((at + (next != offset ? offset_at(at) : offset) - MONDAY_S) % WEEK_S);
    }
    unsetenv("TZ");
    tzset();
    return true;
}

/* Hours and days in which a change of clocks shows. */
static const struct {
    const char *operand, *window;
    int32_t begin, end, every; /* seconds; of each day, or of each week */
} shapes[] = {
    {"timeOfDay",  "01:30/02:30", 5400,      9000,   86400    },
    {"timeOfDay",  "02:30/03:30", 9000,      12600,  86400    },
    {"daysOfWeek", "sun",         6 * 86400, 604800, 7 * 86400},
};

static bool shows(int32_t clock, size_t shape)
{
    const int32_t at = clock % shapes[shape].every;

    return at >= shapes[shape].begin && at < shapes[shape].end;
}

/* All steps from the first on: open as one of the clocks says, and turning only at `until`. */
static void check_clocks(const struct policy *policy, size_t shape, const int32_t *a,
                         const int32_t *b, const char *name)
{
    int64_t until = INT64_MIN, next;
    bool open = false;

    for (int i = 0; i < STEPS; i++) {
        const int64_t now = (FIRST_S + (int64_t)i * STEP_S) * US_PER_S;

        if (now >= until) {
            const bool turned = open_at(policy, now, &next) != open;

            if ((now != until || !turned) && i > 0) /* an assertion costs more than all of this */
                ck_abort_msg("%s: until %s, at %s %s", name, time_format(until).c,
                             time_format(now).c, turned ? "turned" : "not");
            open = open != turned;
            until = next;
        }
        if (open != (shows(a[i], shape) || shows(b[i], shape)))
            ck_abort_msg("%s at %s", name, time_format(now).c);
    }
}

/* Each zone alone, and together with another one. */
START_TEST(test_database)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(16));
    int32_t *clocks[2] = {ARENA_ARRAY(arena, int32_t, STEPS), ARENA_ARRAY(arena, int32_t, STEPS)};
    const char *other = names[((size_t)_i * 37 + 11) % ARRAY_LEN(names)];

    if (!read_clocks(arena, names[_i], clocks[0]) || !read_clocks(arena, other, clocks[1])) {
        printf("skipped: %s or %s is not in " TZ_FOLDER " (tzdata)\n", names[_i], other);
        return;
    }
    for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
        const struct str one = arena_printf(arena, "'%s[%s]'", shapes[s].window, names[_i]);
        const struct str two = arena_printf(arena, "[%s,'%s[%s]']", one.p, shapes[s].window, other);
        AUTO(policy_unref) struct policy *alone = windows(shapes[s].operand, "eq", one.p);
        AUTO(policy_unref) struct policy *both = windows(shapes[s].operand, "isAnyOf", two.p);

        check_clocks(alone, s, clocks[0], clocks[0], one.p);
        check_clocks(both, s, clocks[0], clocks[1], two.p);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_zones");
    TCase *tc = tcase_create("zones");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_changes, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, test_ends_of_time);
    tcase_add_test(tc, test_hashes);
    tcase_add_test(tc, test_words);
    tcase_add_test(tc, test_refused);
    tcase_add_loop_test(tc, test_database, 0, (int)ARRAY_LEN(names));
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
