/*
 * tests/unit/test_base_time.c - RFC 3339 times, dates, durations, calendar months
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/cleanup.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define FIRST_US INT64_C(-62135596800000000)
#define LAST_US  INT64_C(253402300799999999)

/* clang-format off */
static const struct { const char *text; int64_t us; } canonical[] = {
    {"1970-01-01T00:00:00Z",        0},
    {"1970-01-01T00:00:00.000001Z", 1},
    {"1969-12-31T23:59:59.999999Z", -1},
    {"2000-02-29T00:00:00Z",        INT64_C(951782400000000)},
    {"2026-11-21T07:48:00Z",        INT64_C(1795247280000000)},
    {"2038-01-19T03:14:08Z",        INT64_C(2147483648000000)},
    {"1900-03-01T00:00:00Z",        INT64_C(-2203891200000000)},
    {"0001-01-01T00:00:00Z",        FIRST_US},
    {"9999-12-31T23:59:59.999999Z", LAST_US},
};

static const struct { const char *text; const char *same; } other_forms[] = {
    {"2023-12-31T06:00Z",                   "2023-12-31T06:00:00Z"},
    {"2023-12-31t06:00:00z",                "2023-12-31T06:00:00Z"},
    {"2023-12-31T06:00:00+09:00",           "2023-12-30T21:00:00Z"},
    {"2023-12-31T23:30:00-01:45",           "2024-01-01T01:15:00Z"},
    {"2023-12-31T06:00+09:00",              "2023-12-30T21:00:00Z"},
    {"2023-12-31T06:00:00-00:00",           "2023-12-31T06:00:00Z"},
    {"2023-12-31T06:00:00.5Z",              "2023-12-31T06:00:00.500000Z"},
    {"2023-12-31T06:00:00.123456789Z",      "2023-12-31T06:00:00.123456Z"},
    {"2023-12-31T06:00:00.000000999Z",      "2023-12-31T06:00:00Z"},
};

static const char *const not_times[] = {
    "", "2023-12-31", "2023-12-31T06:00:00", "2023-12-31 06:00:00Z", "2023-12-31T06Z",
    "2023-12-31T24:00:00Z", "2023-12-31T06:60:00Z", "2016-12-31T23:59:60Z", "2023-13-01T00:00:00Z",
    "2023-00-01T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2023-04-31T00:00:00Z",
    "2023-01-00T00:00:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-2023-01-01T00:00:00Z",
    "2023-12-31T06:00:00.Z", "2023-12-31T06:00:00.1234567890Z", "2023-12-31T06:00:00,5Z",
    "2023-12-31T06:00:00+0900", "2023-12-31T06:00:00+24:00", "2023-12-31T06:00:00+09:60",
    "2023-12-31T06:00:00Z ", "2023-12-31T06:00:00ZZ", "23-12-31T06:00:00Z", "2023-12-31T06:00.5Z",
    "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2023-1a-01T00:00:00Z",
};

static const struct { const char *text; bool good; int64_t months, us; } durations[] = {
    {"P60M",           true,  60, 0},
    {"PT60M",          true,  0,  60 * US_PER_MIN},
    {"P1Y2M3DT4H5M6S", true,  14, 3 * US_PER_DAY + 4 * US_PER_H + 5 * US_PER_MIN + 6 * US_PER_S},
    {"P0D",            true,  0,  0},
    {"PT0.5S",         true,  0,  500000},
    {"PT1.000001S",    true,  0,  1000001},
    {"P2Y",            true,  24, 0},
    {"P400D",          true,  0,  400 * US_PER_DAY},
    {"", false, 0, 0}, {"P", false, 0, 0}, {"PT", false, 0, 0}, {"P1DT", false, 0, 0}, {"1D", false, 0, 0},
    {"-P1D", false, 0, 0}, {"P-1D", false, 0, 0}, {"P1", false, 0, 0}, {"PD", false, 0, 0},
    {"P1M1Y", false, 0, 0}, {"P1D1D", false, 0, 0}, {"P1S", false, 0, 0}, {"PT1D", false, 0, 0},
    {"P1W", false, 0, 0}, {"P1.5D", false, 0, 0}, {"PT.5S", false, 0, 0}, {"PT1.S", false, 0, 0},
    {"PT1S1H", false, 0, 0}, {"PTT1S", false, 0, 0}, {"P1Y ", false, 0, 0},
    {"P99999999999999999999D", false, 0, 0}, {"P9223372036854775807D", false, 0, 0},
    {"P9223372036854775807Y", false, 0, 0}, {"PT9223372036854S", true, 0, INT64_C(9223372036854000000)},
    {"PT9223372036854.8S", false, 0, 0},
};

static const struct { const char *from; int64_t months; const char *to; } month_sums[] = {
    {"2024-01-31T12:00:00Z",        1,   "2024-02-29T12:00:00Z"},
    {"2023-01-31T12:00:00Z",        1,   "2023-02-28T12:00:00Z"},
    {"2024-02-29T00:00:00.000001Z", 12,  "2025-02-28T00:00:00.000001Z"},
    {"2024-03-31T00:00:00Z",        -1,  "2024-02-29T00:00:00Z"},
    {"2024-12-15T00:00:00Z",        1,   "2025-01-15T00:00:00Z"},
    {"2024-01-15T00:00:00Z",        -13, "2022-12-15T00:00:00Z"},
    {"1969-12-31T23:00:00Z",        2,   "1970-02-28T23:00:00Z"},
    {"2024-01-15T00:00:00Z",        0,   "2024-01-15T00:00:00Z"},
};

/* clang-format on */

START_TEST(test_canonical_both_ways)
{
    int64_t us = 7;

    ck_assert_str_eq(time_format(canonical[_i].us).c, canonical[_i].text);
    ck_assert(time_parse(str_c(canonical[_i].text), &us));
    ck_assert_int_eq(us, canonical[_i].us);
}

END_TEST

START_TEST(test_other_forms)
{
    int64_t us = 7;

    ck_assert_msg(time_parse(str_c(other_forms[_i].text), &us), "%s", other_forms[_i].text);
    ck_assert_str_eq(time_format(us).c, other_forms[_i].same);
}

END_TEST

START_TEST(test_refused_times)
{
    int64_t us = 7;

    ck_assert_msg(!time_parse(str_c(not_times[_i]), &us), "'%s'", not_times[_i]);
    ck_assert_int_eq(us, 7);
}

END_TEST

START_TEST(test_dates)
{
    int64_t us = 7;

    ck_assert(date_parse(STR("2024-02-29"), &us));
    ck_assert_str_eq(time_format(us).c, "2024-02-29T00:00:00Z");
    us = 7;
    ck_assert(!date_parse(STR("2023-02-29"), &us));
    ck_assert(!date_parse(STR("2024-02-29Z"), &us));
    ck_assert(!date_parse(STR("2024-2-29"), &us));
    ck_assert(!date_parse(STR_NONE, &us));
    ck_assert_int_eq(us, 7);
}

END_TEST

START_TEST(test_durations)
{
    int64_t months = 7, us = 7;
    bool good = duration_parse(str_c(durations[_i].text), &months, &us);

    ck_assert_msg(good == durations[_i].good, "'%s'", durations[_i].text);
    ck_assert_msg(months == (good ? durations[_i].months : 7), "'%s'", durations[_i].text);
    ck_assert_msg(us == (good ? durations[_i].us : 7), "'%s': %" PRId64, durations[_i].text, us);
}

END_TEST

START_TEST(test_months)
{
    int64_t us = 0;

    ck_assert(time_parse(str_c(month_sums[_i].from), &us));
    ck_assert_str_eq(time_format(time_add_months(us, month_sums[_i].months)).c, month_sums[_i].to);
}

END_TEST

START_TEST(test_months_and_text_stay_in_range)
{
    ck_assert_int_eq(time_add_months(0, 12 * 9000), LAST_US);
    ck_assert_int_eq(time_add_months(0, INT64_MAX), LAST_US);
    ck_assert_int_eq(time_add_months(0, INT64_MIN), FIRST_US);
    ck_assert_int_eq(time_add_months(0, -12 * 1970), FIRST_US);
    ck_assert_str_eq(time_format(INT64_MAX).c, "9999-12-31T23:59:59.999999Z");
    ck_assert_str_eq(time_format(INT64_MIN).c, "0001-01-01T00:00:00Z");
}

END_TEST

/* Every day of four centuries: the calendar advances by one day and comes back. */
START_TEST(test_civil_is_consistent)
{
    struct civil previous = time_civil(time_from_civil((struct civil){1799, 12, 31, 0, 0, 0}));
    int64_t us = time_from_civil((struct civil){1800, 1, 1, 23, 59, 58});

    for (int i = 0; i < 146097; i++, us += US_PER_DAY) {
        struct civil c = time_civil(us + 999999);
        bool new_month = c.day == 1;
        bool follows = new_month ? previous.day >= 28 && c.month == previous.month % 12 + 1
                                 : c.day == previous.day + 1 && c.month == previous.month;

        /* one condition: each ck_assert of a loop is a message to the parent process */
        if (!follows || c.hour != 23 || c.minute != 59 || c.second != 58 ||
            c.year != previous.year + (new_month && c.month == 1) || time_from_civil(c) != us)
            ck_abort_msg("after %d-%d-%d comes %d-%d-%d", previous.year, previous.month,
                         previous.day, c.year, c.month, c.day);
        previous = c;
    }
    ck_assert(previous.year == 2199 && previous.month == 12 && previous.day == 31);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base_time");
    TCase *tc = tcase_create("base_time");

    tcase_add_loop_test(tc, test_canonical_both_ways, 0, (int)ARRAY_LEN(canonical));
    tcase_add_loop_test(tc, test_other_forms, 0, (int)ARRAY_LEN(other_forms));
    tcase_add_loop_test(tc, test_refused_times, 0, (int)ARRAY_LEN(not_times));
    tcase_add_test(tc, test_dates);
    tcase_add_loop_test(tc, test_durations, 0, (int)ARRAY_LEN(durations));
    tcase_add_loop_test(tc, test_months, 0, (int)ARRAY_LEN(month_sums));
    tcase_add_test(tc, test_months_and_text_stay_in_range);
    tcase_add_test(tc, test_civil_is_consistent);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int bad;

    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
