/*
 * tests/unit/test_rating_match.c - two meters of one event: state, billable and disputed part
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/cleanup.h"
#include "lib/rating/match.h"

#include "lib/base/banned.h"

#define NOTHING                                                                                    \
    {                                                                                              \
        -1, -1, -1                                                                                 \
    } /* this side has not reported */

/* clang-format off */
static const struct {
    const char *name;
    struct match_counts provider, consumer;
    enum match_rule rule;
    int64_t tolerance_ppm;
    enum match_state state;
    struct match_counts billable, disputed;
} cases[] = {
    /* name                     provider       consumer       rule                   tolerance  state                billable       disputed */
    {"equal, provider",         {1, 10, 100},  {1, 10, 100},  MATCH_RULE_PROVIDER,   0,         MATCH_MATCHED,       {1, 10, 100},  {0, 0, 0}},
    {"equal, both",             {1, 10, 100},  {1, 10, 100},  MATCH_RULE_BOTH,       0,         MATCH_MATCHED,       {1, 10, 100},  {0, 0, 0}},
    {"equal zeros",             {0, 0, 0},     {0, 0, 0},     MATCH_RULE_LOWER,      0,         MATCH_MATCHED,       {0, 0, 0},     {0, 0, 0}},
    {"one row more, provider",  {1, 11, 100},  {1, 10, 100},  MATCH_RULE_PROVIDER,   0,         MATCH_UNEQUAL,       {1, 10, 100},  {0, 1, 0}},
    {"one row more, consumer",  {1, 11, 100},  {1, 10, 100},  MATCH_RULE_CONSUMER,   0,         MATCH_UNEQUAL,       {1, 10, 100},  {0, 1, 0}},
    {"one row more, lower",     {1, 11, 100},  {1, 10, 100},  MATCH_RULE_LOWER,      0,         MATCH_UNEQUAL,       {1, 10, 100},  {0, 1, 0}},
    {"one row more, both",      {1, 11, 100},  {1, 10, 100},  MATCH_RULE_BOTH,       0,         MATCH_UNEQUAL,       {0, 0, 0},     {1, 11, 100}},
    {"crossed, lower",          {2, 5, 100},   {1, 6, 100},   MATCH_RULE_LOWER,      0,         MATCH_UNEQUAL,       {1, 5, 100},   {1, 1, 0}},
    {"at tolerance, provider",  {1, 100, 100}, {1, 99, 100},  MATCH_RULE_PROVIDER,   10000,     MATCH_MATCHED,       {1, 100, 100}, {0, 0, 0}},
    {"at tolerance, consumer",  {1, 100, 100}, {1, 99, 100},  MATCH_RULE_CONSUMER,   10000,     MATCH_MATCHED,       {1, 99, 100},  {0, 0, 0}},
    {"at tolerance, lower",     {1, 100, 100}, {1, 99, 100},  MATCH_RULE_LOWER,      10000,     MATCH_MATCHED,       {1, 99, 100},  {0, 0, 0}},
    {"at tolerance, both",      {1, 100, 100}, {1, 99, 100},  MATCH_RULE_BOTH,       10000,     MATCH_MATCHED,       {1, 99, 100},  {0, 0, 0}},
    {"above tolerance",         {1, 100, 100}, {1, 99, 100},  MATCH_RULE_PROVIDER,   9999,      MATCH_UNEQUAL,       {1, 99, 100},  {0, 1, 0}},
    {"consumer claims more",    {1, 99, 100},  {1, 100, 100}, MATCH_RULE_PROVIDER,   10000,     MATCH_MATCHED,       {1, 99, 100},  {0, 0, 0}},
    {"whole tolerance",         {1, 7, 100},   {0, 0, 0},     MATCH_RULE_CONSUMER,   1000000,   MATCH_MATCHED,       {0, 0, 0},     {0, 0, 0}},
    {"provider only, provider", {1, 10, 100},  NOTHING,       MATCH_RULE_PROVIDER,   0,         MATCH_PROVIDER_ONLY, {1, 10, 100},  {0, 0, 0}},
    {"provider only, consumer", {1, 10, 100},  NOTHING,       MATCH_RULE_CONSUMER,   0,         MATCH_PROVIDER_ONLY, {0, 0, 0},     {1, 10, 100}},
    {"provider only, lower",    {1, 10, 100},  NOTHING,       MATCH_RULE_LOWER,      0,         MATCH_PROVIDER_ONLY, {0, 0, 0},     {1, 10, 100}},
    {"provider only, both",     {1, 10, 100},  NOTHING,       MATCH_RULE_BOTH,       1000000,   MATCH_PROVIDER_ONLY, {0, 0, 0},     {1, 10, 100}},
    {"consumer only, provider", NOTHING,       {1, 10, 100},  MATCH_RULE_PROVIDER,   0,         MATCH_CONSUMER_ONLY, {0, 0, 0},     {1, 10, 100}},
    {"consumer only, consumer", NOTHING,       {1, 10, 100},  MATCH_RULE_CONSUMER,   0,         MATCH_CONSUMER_ONLY, {1, 10, 100},  {0, 0, 0}},
    {"consumer only, lower",    NOTHING,       {1, 10, 100},  MATCH_RULE_LOWER,      0,         MATCH_CONSUMER_ONLY, {0, 0, 0},     {1, 10, 100}},
    {"consumer only, both",     NOTHING,       {1, 10, 100},  MATCH_RULE_BOTH,       0,         MATCH_CONSUMER_ONLY, {0, 0, 0},     {1, 10, 100}},
    {"largest numbers",         {INT64_MAX, INT64_MAX, INT64_MAX}, {INT64_MAX, INT64_MAX, INT64_MAX - 1}, MATCH_RULE_LOWER, 1,
     MATCH_MATCHED, {INT64_MAX, INT64_MAX, INT64_MAX - 1}, {0, 0, 0}},
    {"largest against none",    {0, 0, INT64_MAX}, {0, 0, 0}, MATCH_RULE_LOWER,      999999,    MATCH_UNEQUAL,       {0, 0, 0},     {0, 0, INT64_MAX}},
};

/* clang-format on */

static const struct match_counts *reported(const struct match_counts *counts)
{
    return counts->calls < 0 ? NULL : counts;
}

static void expect_counts(const char *name, const char *what, struct match_counts got,
                          struct match_counts want)
{
    ck_assert_msg(got.calls == want.calls && got.rows == want.rows && got.bytes == want.bytes,
                  "%s: %s is %" PRId64 " calls, %" PRId64 " rows, %" PRId64 " bytes", name, what,
                  got.calls, got.rows, got.bytes);
}

START_TEST(test_match)
{
    struct match_result got =
        match_event(reported(&cases[_i].provider), reported(&cases[_i].consumer), cases[_i].rule,
                    cases[_i].tolerance_ppm);

    ck_assert_msg(got.state == cases[_i].state, "%s: state is %s", cases[_i].name,
                  match_state_names[got.state]);
    expect_counts(cases[_i].name, "billable", got.billable, cases[_i].billable);
    expect_counts(cases[_i].name, "disputed", got.disputed, cases[_i].disputed);
}

END_TEST

/* Whatever the rule: never more than the higher report, and outside matched events nothing is lost. */
START_TEST(test_billed_and_disputed_make_the_higher_report)
{
    static const int64_t values[] = {0, 1, 2, 99, 100, 101, INT64_MAX};

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        for (size_t j = 0; j < ARRAY_LEN(values); j++) {
            struct match_counts p = {1, values[i], 1};
            struct match_counts c = {1, values[j], 1};
            int64_t high = values[i] > values[j] ? values[i] : values[j];
            struct match_result r = match_event(&p, &c, (enum match_rule)_i, 10000);
            if (r.state == MATCH_MATCHED)
                ck_assert_int_eq(r.disputed.rows, 0);
            else
                ck_assert_int_eq(r.billable.rows + r.disputed.rows, high);
            ck_assert_int_le(r.billable.rows, high);
        }
    }
}

END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(match_rule_names[MATCH_RULE_BOTH], "both");
    ck_assert_ptr_null(match_rule_names[MATCH_RULE__COUNT]);
    ck_assert_str_eq(match_state_names[MATCH_CONSUMER_ONLY], "consumer_only");
    ck_assert_ptr_null(match_state_names[MATCH_STATE__COUNT]);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rating_match");
    TCase *tc = tcase_create("match");

    tcase_add_loop_test(tc, test_match, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_billed_and_disputed_make_the_higher_report, 0, MATCH_RULE__COUNT);
    tcase_add_test(tc, test_names);
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
