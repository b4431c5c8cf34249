/*
 * tests/unit/test_rating.c - what a period costs: each kind of component, rounding, proration, VAT, errors, JSON
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/rating/rating.h"

#include "lib/base/banned.h"

#define PLAN(kind, options, components)                                                            \
    "{\"currency\":\"KRW\",\"kind\":\"" kind "\"," options "\"components\":[" components "]}"
#define TAXED          "\"vat_ppm\":100000,\"fee_ppm\":35000,"
#define ROUNDING(mode) "\"rounding\":{\"mode\":\"" mode "\"},"
#define VAT(mode, per)                                                                             \
    "\"vat_ppm\":100000,\"rounding\":{\"mode\":\"" mode "\",\"per\":\"" per "\"},"
#define ONE_OFF "{\"type\":\"one_off\",\"amount\":\"50000\"}"
#define SUBSCRIPTION(amount, period, prorate)                                                      \
    "{\"type\":\"subscription\",\"amount\":\"" amount "\",\"period\":\"" period                    \
    "\",\"prorate\":" prorate "}"
#define PRICE(meter, unit, model, price)                                                           \
    "{\"type\":\"per_unit\",\"meter\":\"" meter "\",\"unit\":" unit ",\"model\":\"" model          \
    "\",\"price\":\"" price "\"}"
#define TIERS(model)                                                                               \
    "{\"type\":\"per_unit\",\"meter\":\"rows\",\"model\":\"" model                                 \
    "\",\"tiers\":[{\"up_to\":1000,\"price\":\"10000000\"},"                                       \
    "{\"up_to\":5000,\"price\":\"5000000\"},{\"price\":\"1000000\"}]}"
#define PER_1000_ROWS PRICE("rows", "1000", "per_unit", "1250000")
#define PACKAGE       PRICE("rows", "1000", "package", "1250000")
#define CALLS_100     PRICE("calls", "1", "per_unit", "100000000")
#define MINIMUM       "{\"type\":\"minimum\",\"amount\":\"1000\"}"
#define MAXIMUM       "{\"type\":\"maximum\",\"amount\":\"1000\"}"
#define THREE_LINES                                                                                \
    PRICE("calls", "1", "per_unit", "15000000")                                                    \
    "," PRICE("rows", "1", "per_unit", "15000000") "," PRICE("bytes", "1", "per_unit", "15000000")
#define MONTHLY       PLAN("subscription", "", SUBSCRIPTION("300000", "month", "true"))
#define MONTHLY_WHOLE PLAN("subscription", "", SUBSCRIPTION("300000", "month", "false"))
#define YEARLY        PLAN("subscription", "", SUBSCRIPTION("366000", "year", "true"))
#define WEEKLY        PLAN("subscription", "", SUBSCRIPTION("7000", "week", "false"))
#define DAILY         PLAN("subscription", "", SUBSCRIPTION("7000", "day", "true"))
#define NOV           "2026-11-01T00:00Z", "2026-12-01T00:00Z"
#define SINCE_MAY     "2026-05-01T00:00Z", NULL
#define KOREA         540

/* clang-format off */
static const struct test_case {
    const char *name, *plan;
    int64_t calls, rows, bytes;
    const char *from, *to, *active_from, *active_to;
    int64_t zone_min;
    bool first;
    size_t lines;
    int64_t subtotal, vat, fee, fee_vat, residue;
} cases[] = {
    /* name, plan, calls rows bytes, period, active, zone, first, lines, subtotal VAT fee VAT-of-fee residue */
    {"free", PLAN("free", TAXED, "{\"type\":\"free\"}"), 9, 9, 9, NOV, SINCE_MAY, 0, true, 1, 0, 0, 0, 0, 0},
    {"one-off in the first period", PLAN("one_off", TAXED, ONE_OFF), 0, 0, 0, NOV, SINCE_MAY, 0, true, 1, 50000, 5000, 1750, 175, 0},
    {"one-off later", PLAN("one_off", TAXED, ONE_OFF), 0, 0, 0, NOV, SINCE_MAY, 0, false, 0, 0, 0, 0, 0, 0},

    {"whole month", MONTHLY, 0, 0, 0, NOV, SINCE_MAY, 0, false, 1, 300000, 0, 0, 0, 0},
    {"half a month", MONTHLY, 0, 0, 0, NOV, "2026-11-16T00:00Z", NULL, 0, true, 1, 150000, 0, 0, 0, 0},
    {"one microsecond less", MONTHLY, 0, 0, 0, NOV, "2026-11-16T00:00:00.000001Z", NULL, 0, true, 1, 150000, 0, 0, 0, 0},
    {"one second", MONTHLY, 0, 0, 0, NOV, "2026-11-30T23:59:59Z", NULL, 0, true, 1, 0, 0, 0, 0, 115740},
    {"ended before", MONTHLY, 0, 0, 0, NOV, "2026-05-01T00:00Z", "2026-11-01T00:00Z", 0, false, 0, 0, 0, 0, 0, 0},
    {"starts after", MONTHLY, 0, 0, 0, NOV, "2026-12-01T00:00Z", NULL, 0, false, 0, 0, 0, 0, 0, 0},
    {"february of a leap year", MONTHLY, 0, 0, 0, "2024-02-01T00:00Z", "2024-03-01T00:00Z", "2024-02-15T00:00Z", NULL, 0, true, 1, 155172, 0, 0, 0, 413793},
    {"february of another", MONTHLY, 0, 0, 0, "2023-02-01T00:00Z", "2023-03-01T00:00Z", "2023-02-15T00:00Z", NULL, 0, true, 1, 150000, 0, 0, 0, 0},
    {"leap day alone", MONTHLY, 0, 0, 0, "2024-02-29T00:00Z", "2024-03-01T00:00Z", "2023-02-15T00:00Z", NULL, 0, true, 1, 10345, 0, 0, 0, -172413},
    {"last day of a month", MONTHLY, 0, 0, 0, "2026-01-31T00:00Z", "2026-02-01T00:00Z", "2025-01-01T00:00Z", NULL, 0, false, 1, 9677, 0, 0, 0, 419354},
    {"year, leap", YEARLY, 0, 0, 0, "2024-02-01T00:00Z", "2024-03-01T00:00Z", "2023-01-01T00:00Z", NULL, 0, false, 1, 29000, 0, 0, 0, 0},
    {"year, not leap", YEARLY, 0, 0, 0, "2023-02-01T00:00Z", "2023-03-01T00:00Z", "2022-01-01T00:00Z", NULL, 0, false, 1, 28077, 0, 0, 0, -287671},
    {"year, century", YEARLY, 0, 0, 0, "2100-02-01T00:00Z", "2100-03-01T00:00Z", "2022-01-01T00:00Z", NULL, 0, false, 1, 28077, 0, 0, 0, -287671},
    {"quarter has three months", MONTHLY, 0, 0, 0, "2026-10-01T00:00Z", "2027-01-01T00:00Z", SINCE_MAY, 0, false, 3, 900000, 0, 0, 0, 0},
    {"month of another zone", MONTHLY, 0, 0, 0, "2026-10-31T15:00Z", "2026-11-30T15:00Z", SINCE_MAY, KOREA, false, 1, 300000, 0, 0, 0, 0},
    {"UTC month cuts two Korean", MONTHLY, 0, 0, 0, NOV, SINCE_MAY, KOREA, false, 2, 299879, 0, 0, 0, 32258},
    {"whole step though it starts late", MONTHLY_WHOLE, 0, 0, 0, NOV, "2026-11-16T00:00Z", NULL, 0, true, 1, 300000, 0, 0, 0, 0},
    {"whole step, second half of it", MONTHLY_WHOLE, 0, 0, 0, "2026-11-20T00:00Z", "2026-12-01T00:00Z", "2026-11-16T00:00Z", NULL, 0, false, 0, 0, 0, 0, 0, 0},
    {"weeks begin on Monday", WEEKLY, 0, 0, 0, NOV, SINCE_MAY, 0, false, 5, 35000, 0, 0, 0, 0},
    {"weeks, first one begun", WEEKLY, 0, 0, 0, NOV, "2026-11-01T00:00Z", NULL, 0, true, 6, 42000, 0, 0, 0, 0},
    {"days", DAILY, 0, 0, 0, NOV, SINCE_MAY, 0, false, 30, 210000, 0, 0, 0, 0},

    {"no use", PLAN("metered", TAXED, PER_1000_ROWS), 0, 0, 0, NOV, SINCE_MAY, 0, false, 1, 0, 0, 0, 0, 0},
    {"other meters do not count", PLAN("metered", TAXED, PER_1000_ROWS), 5, 0, 5, NOV, SINCE_MAY, 0, false, 1, 0, 0, 0, 0, 0},
    {"quarter is cut", PLAN("metered", "", PER_1000_ROWS), 0, 1000, 0, NOV, SINCE_MAY, 0, false, 1, 1, 0, 0, 0, 250000},
    {"half to even, down", PLAN("metered", ROUNDING("half-even"), PER_1000_ROWS), 0, 2000, 0, NOV, SINCE_MAY, 0, false, 1, 2, 0, 0, 0, 500000},
    {"half to even, up", PLAN("metered", ROUNDING("half-even"), PER_1000_ROWS), 0, 6000, 0, NOV, SINCE_MAY, 0, false, 1, 8, 0, 0, 0, -500000},
    {"half up", PLAN("metered", ROUNDING("half-up"), PER_1000_ROWS), 0, 2000, 0, NOV, SINCE_MAY, 0, false, 1, 3, 0, 0, 0, -500000},
    {"just below half", PLAN("metered", ROUNDING("half-up"), PER_1000_ROWS), 0, 1999, 0, NOV, SINCE_MAY, 0, false, 1, 2, 0, 0, 0, 498750},
    {"down", PLAN("metered", ROUNDING("down"), PER_1000_ROWS), 0, 2999, 0, NOV, SINCE_MAY, 0, false, 1, 3, 0, 0, 0, 748750},
    {"package, none", PLAN("metered", "", PACKAGE), 0, 0, 0, NOV, SINCE_MAY, 0, false, 1, 0, 0, 0, 0, 0},
    {"package, begun", PLAN("metered", "", PACKAGE), 0, 1, 0, NOV, SINCE_MAY, 0, false, 1, 1, 0, 0, 0, 250000},
    {"package, full", PLAN("metered", "", PACKAGE), 0, 1000, 0, NOV, SINCE_MAY, 0, false, 1, 1, 0, 0, 0, 250000},
    {"package, second begun", PLAN("metered", "", PACKAGE), 0, 1001, 0, NOV, SINCE_MAY, 0, false, 1, 2, 0, 0, 0, 500000},
    {"graduated 0", PLAN("metered", "", TIERS("graduated")), 0, 0, 0, NOV, SINCE_MAY, 0, false, 1, 0, 0, 0, 0, 0},
    {"graduated 1000", PLAN("metered", "", TIERS("graduated")), 0, 1000, 0, NOV, SINCE_MAY, 0, false, 1, 10000, 0, 0, 0, 0},
    {"graduated 1001", PLAN("metered", "", TIERS("graduated")), 0, 1001, 0, NOV, SINCE_MAY, 0, false, 2, 10005, 0, 0, 0, 0},
    {"graduated 5000", PLAN("metered", "", TIERS("graduated")), 0, 5000, 0, NOV, SINCE_MAY, 0, false, 2, 30000, 0, 0, 0, 0},
    {"graduated 5001", PLAN("metered", "", TIERS("graduated")), 0, 5001, 0, NOV, SINCE_MAY, 0, false, 3, 30001, 0, 0, 0, 0},
    {"volume 0", PLAN("metered", "", TIERS("volume")), 0, 0, 0, NOV, SINCE_MAY, 0, false, 1, 0, 0, 0, 0, 0},
    {"volume 1000", PLAN("metered", "", TIERS("volume")), 0, 1000, 0, NOV, SINCE_MAY, 0, false, 1, 10000, 0, 0, 0, 0},
    {"volume 1001", PLAN("metered", "", TIERS("volume")), 0, 1001, 0, NOV, SINCE_MAY, 0, false, 1, 5005, 0, 0, 0, 0},
    {"volume 5000", PLAN("metered", "", TIERS("volume")), 0, 5000, 0, NOV, SINCE_MAY, 0, false, 1, 25000, 0, 0, 0, 0},
    {"volume 5001", PLAN("metered", "", TIERS("volume")), 0, 5001, 0, NOV, SINCE_MAY, 0, false, 1, 5001, 0, 0, 0, 0},

    {"minimum not reached", PLAN("metered", "", MINIMUM "," CALLS_100), 3, 0, 0, NOV, SINCE_MAY, 0, false, 2, 1000, 0, 0, 0, 0},
    {"minimum reached", PLAN("metered", "", MINIMUM "," CALLS_100), 10, 0, 0, NOV, SINCE_MAY, 0, false, 1, 1000, 0, 0, 0, 0},
    {"minimum without activity", PLAN("metered", "", CALLS_100 "," MINIMUM), 0, 0, 0, NOV, "2026-12-01T00:00Z", NULL, 0, false, 1, 0, 0, 0, 0, 0},
    {"minimum leaves one-off alone", PLAN("metered", "", ONE_OFF "," CALLS_100 "," MINIMUM), 3, 0, 0, NOV, SINCE_MAY, 0, true, 3, 51000, 0, 0, 0, 0},
    {"maximum not reached", PLAN("metered", "", MAXIMUM "," CALLS_100), 10, 0, 0, NOV, SINCE_MAY, 0, false, 1, 1000, 0, 0, 0, 0},
    {"maximum passed", PLAN("metered", TAXED, MAXIMUM "," CALLS_100), 11, 0, 0, NOV, SINCE_MAY, 0, false, 2, 1000, 100, 35, 4, 0},

    {"VAT per line, half even", PLAN("metered", VAT("half-even", "line"), THREE_LINES), 1, 1, 1, NOV, SINCE_MAY, 0, false, 3, 45, 6, 0, 0, -1500000},
    {"VAT per document, half even", PLAN("metered", VAT("half-even", "document"), THREE_LINES), 1, 1, 1, NOV, SINCE_MAY, 0, false, 3, 45, 4, 0, 0, 500000},
    {"VAT per document, half up", PLAN("metered", VAT("half-up", "document"), THREE_LINES), 1, 1, 1, NOV, SINCE_MAY, 0, false, 3, 45, 5, 0, 0, -500000},
    {"VAT per line, down", PLAN("metered", VAT("down", "line"), THREE_LINES), 1, 1, 1, NOV, SINCE_MAY, 0, false, 3, 45, 3, 0, 0, 1500000},

    {"all together", PLAN("metered", TAXED, ONE_OFF "," SUBSCRIPTION("300000", "month", "true") "," TIERS("graduated") "," CALLS_100 "," MAXIMUM),
     7, 1200, 0, NOV, "2026-11-16T00:00Z", NULL, 0, true, 6, 201000, 20100, 7035, 704, 0},
    {"largest number of bytes", PLAN("metered", "", PRICE("bytes", "1", "per_unit", "1")), 0, 0, INT64_MAX, NOV, SINCE_MAY, 0, false, 1, INT64_C(9223372036855), 0, 0, 0, -224193},
};
/* clang-format on */

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(MIB(4));
    ck_assert_ptr_nonnull(arena);
}

static void teardown(void)
{
    arena_free(&arena);
}

static const struct plan *parsed(const char *text)
{
    struct err err = {0};
    const struct plan *plan = NULL;
    int rc = plan_parse(str_c(text), arena, &plan, &err);

    ck_assert_msg(rc == 0, "%s: %s at '%s'", text, err.text, err.at);
    return plan;
}

static int64_t at(const char *text)
{
    int64_t us = INT64_MAX;

    ck_assert_msg(text == NULL || time_parse(str_c(text), &us), "time '%s'", text);
    return us;
}

static struct rating_usage usage_of(const struct test_case *c)
{
    return (struct rating_usage){
        .calls = c->calls,
        .rows = c->rows,
        .bytes = c->bytes,
        .period_from_us = at(c->from),
        .period_to_us = at(c->to),
        .active_from_us = at(c->active_from),
        .active_to_us = at(c->active_to),
        .zone_min = c->zone_min,
        .first_period = c->first,
    };
}

static void expect(const char *name, const char *what, int64_t got, int64_t want)
{
    ck_assert_msg(got == want, "%s: %s is %" PRId64 ", expected %" PRId64, name, what, got, want);
}

START_TEST(test_rate)
{
    const struct test_case *c = &cases[_i];
    struct rating_usage usage = usage_of(c);
    struct err err = {0};
    const struct rating *r = NULL;
    int rc = rating_rate(parsed(c->plan), &usage, arena, &r, &err);

    ck_assert_msg(rc == 0, "%s: %s at '%s'", c->name, err.text, err.at);
    expect(c->name, "number of lines", (int64_t)r->n_lines, (int64_t)c->lines);
    expect(c->name, "subtotal", r->subtotal_minor, c->subtotal);
    expect(c->name, "VAT", r->vat_minor, c->vat);
    expect(c->name, "total", r->total_minor, c->subtotal + c->vat);
    expect(c->name, "fee", r->fee_minor, c->fee);
    expect(c->name, "VAT of the fee", r->fee_vat_minor, c->fee_vat);
    expect(c->name, "payout", r->payout_minor, c->subtotal + c->vat - c->fee - c->fee_vat);
    expect(c->name, "residue", r->residue_micro, c->residue);
}

END_TEST

START_TEST(test_lines_name_their_component)
{
    const struct test_case c = {
        .plan = PLAN("metered", "",
                     MINIMUM "," SUBSCRIPTION("300000", "month", "true") "," TIERS("graduated")),
        .from = "2026-11-01T00:00Z",
        .to = "2026-12-01T00:00Z",
        .active_from = "2026-11-16T00:00Z"};

    static const struct {
        const char *pointer, *rule;
        enum meter meter;
        size_t component;
    } want[] = {
        {"/components/1",         "subscription per month, by time", METER_NONE, 1},
        {"/components/2/tiers/0", "per_unit graduated, tier 1 of 3", METER_ROWS, 2},
        {"/components/2/tiers/1", "per_unit graduated, tier 2 of 3", METER_ROWS, 2},
        {"/components/0",         "minimum",                         METER_NONE, 0},
    };
    struct rating_usage usage = usage_of(&c);
    struct err err = {0};
    const struct rating *r = NULL;

    usage.rows = 1001;
    const struct plan *plan =
        parsed(PLAN("metered", "",
                    "{\"type\":\"minimum\",\"amount\":\"20000\"}," SUBSCRIPTION(
                        "300000", "month", "true") "," TIERS("graduated")));
    ck_assert_int_eq(rating_rate(plan, &usage, arena, &r, &err), 0);
    ck_assert_uint_eq(r->n_lines, ARRAY_LEN(want));
    for (size_t i = 0; i < r->n_lines; i++) {
        ck_assert_msg(str_eq_c(r->lines[i].pointer, want[i].pointer), "line %zu: %.*s", i,
                      STR_ARG(r->lines[i].pointer));
        ck_assert_msg(str_eq_c(r->lines[i].rule, want[i].rule), "line %zu: %.*s", i,
                      STR_ARG(r->lines[i].rule));
        ck_assert_int_eq(r->lines[i].meter, want[i].meter);
        ck_assert_uint_eq(r->lines[i].component, want[i].component);
    }
    ck_assert_int_eq(r->lines[0].from_us, at("2026-11-16T00:00Z"));
    ck_assert_int_eq(r->lines[0].to_us, at("2026-12-01T00:00Z"));
    ck_assert_int_eq(r->lines[0].unit, 30 * US_PER_DAY);
    ck_assert_int_eq(r->lines[2].quantity, 1);
    ck_assert_int_eq(r->lines[3].amount_minor, 20000 - 10005);
}

END_TEST

/* clang-format off */
static const struct {
    const char *name, *plan;
    struct rating_usage usage;
    enum err_code code;
    const char *at;
} refused[] = {
#define DAY(n) ((n) * US_PER_DAY)
    {"negative calls", MONTHLY, {.calls = -1, .period_to_us = 1}, E_INVALID, "/calls"},
    {"negative rows", MONTHLY, {.rows = -1, .period_to_us = 1}, E_INVALID, "/rows"},
    {"negative bytes", MONTHLY, {.bytes = -1, .period_to_us = 1}, E_INVALID, "/bytes"},
    {"empty period", MONTHLY, {.period_from_us = 5, .period_to_us = 5}, E_INVALID, "/period_to"},
    {"reversed period", MONTHLY, {.period_from_us = 5, .period_to_us = 4}, E_INVALID, "/period_to"},
    {"period before 1970", MONTHLY, {.period_from_us = -1, .period_to_us = 4}, E_INVALID, "/period_from"},
    {"period without end", MONTHLY, {.period_to_us = INT64_MAX}, E_INVALID, "/period_to"},
    {"reversed activity", MONTHLY, {.period_to_us = 4, .active_from_us = 3, .active_to_us = 2}, E_INVALID, "/active_to"},
    {"zone", MONTHLY, {.period_to_us = 4, .zone_min = 1441}, E_INVALID, "/zone_min"},
    {"largest amount of a line", PLAN("metered", "", PRICE("calls", "1", "per_unit", "1000000")),
     {.calls = INT64_MAX, .period_to_us = 4}, E_OK, NULL},
    {"amount beyond 64 bits", PLAN("metered", "", ONE_OFF "," PRICE("calls", "1", "per_unit", "2000000")),
     {.calls = INT64_MAX, .period_to_us = 4}, E_RANGE, "/components/1"},
    {"sum beyond 64 bits", PLAN("metered", "", PRICE("calls", "1", "per_unit", "1000000") "," PRICE("rows", "1", "per_unit", "1000000")),
     {.calls = INT64_MAX, .rows = 1, .period_to_us = 4}, E_RANGE, "/components/1"},
    {"VAT beyond 64 bits", PLAN("metered", "\"vat_ppm\":1000000,", PRICE("calls", "1", "per_unit", "1000000")),
     {.calls = INT64_MAX, .period_to_us = 4}, E_RANGE, ""},
    {"most lines", DAILY, {.period_to_us = DAY(LIMIT_RATING_LINES), .active_to_us = INT64_MAX}, E_OK, NULL},
    {"one line more", DAILY, {.period_to_us = DAY(LIMIT_RATING_LINES) + 1, .active_to_us = INT64_MAX}, E_LIMIT, "/components/0"},
};

/* clang-format on */

START_TEST(test_refused)
{
    struct err err = {0};
    const struct rating *r = NULL;
    const struct plan *plan = parsed(refused[_i].plan);
    int rc = rating_rate(plan, &refused[_i].usage, arena, &r, &err);

    ck_assert_msg(rc == -(int)refused[_i].code, "%s: got %s: %s", refused[_i].name,
                  err_name(err.code), err.text);
    ck_assert_msg(refused[_i].at == NULL || strcmp(err.at, refused[_i].at) == 0, "%s: at '%s'",
                  refused[_i].name, err.at);
    ck_assert_msg((r == NULL) == (rc != 0), "%s: result in spite of an error", refused[_i].name);
}

END_TEST

/* clang-format off */
static const struct { const char *name, *plan; size_t lines; int64_t subtotal, vat; } quotes[] = {
    {"free",    PLAN("free", TAXED, "{\"type\":\"free\"}"), 1, 0, 0},
    {"one-off", PLAN("one_off", TAXED, ONE_OFF),            1, 50000, 5000},
    {"month",   MONTHLY,                                    1, 300000, 0},
    {"metered", PLAN("metered", TAXED, CALLS_100),          0, 0, 0},
    {"all",     PLAN("metered", TAXED, ONE_OFF "," SUBSCRIPTION("300000", "month", "true") "," CALLS_100 "," MINIMUM
                ",{\"type\":\"maximum\",\"amount\":\"9000\"}"), 3, 351000, 35100},
};

/* clang-format on */

START_TEST(test_quote)
{
    struct err err = {0};
    const struct rating *r = NULL;
    int rc = rating_quote(parsed(quotes[_i].plan), arena, &r, &err);

    ck_assert_msg(rc == 0, "%s: %s", quotes[_i].name, err.text);
    expect(quotes[_i].name, "number of lines", (int64_t)r->n_lines, (int64_t)quotes[_i].lines);
    expect(quotes[_i].name, "subtotal", r->subtotal_minor, quotes[_i].subtotal);
    expect(quotes[_i].name, "VAT", r->vat_minor, quotes[_i].vat);
    expect(quotes[_i].name, "total", r->total_minor, quotes[_i].subtotal + quotes[_i].vat);
}

END_TEST

START_TEST(test_json)
{
    const struct test_case c = {
        .plan = "{\"currency\":\"EUR\",\"kind\":\"metered\",\"vat_ppm\":190000,\"fee_ppm\":50000,"
                "\"components\":[" SUBSCRIPTION("10.00", "month", "true") "," PER_1000_ROWS "]}",
        .rows = 2500000,
        .from = "2026-11-01T00:00Z",
        .to = "2026-12-01T00:00Z",
        .active_from = "2026-11-16T00:00Z"};
    AUTO(buf_done) struct buf out = buf_init(KIB(8));
    struct jw w = jw_init(&out);
    struct rating_usage usage = usage_of(&c);
    struct err err = {0};
    const struct rating *r = NULL;

    ck_assert_int_eq(rating_rate(parsed(c.plan), &usage, arena, &r, &err), 0);
    rating_write(r, &w);
    buf_add_char(&out, '\0');
    ck_assert_str_eq(
        out.p,
        "{\"currency\":\"EUR\",\"lines\":["
        "{\"pointer\":\"/components/0\",\"type\":\"subscription\",\"rule\":\"subscription per month, by time\","
        "\"from\":\"2026-11-16T00:00:00Z\",\"to\":\"2026-12-01T00:00:00Z\",\"quantity\":1296000000000,\"unit\":2592000000000,"
        "\"price_micro\":\"1000000000\",\"amount\":\"5.00\",\"residue_micro\":0,\"vat\":\"0.95\"},"
        "{\"pointer\":\"/components/1\",\"type\":\"per_unit\",\"rule\":\"per_unit per_unit\",\"meter\":\"rows\",\"quantity\":2500000,"
        "\"unit\":1000,\"price_micro\":\"1250000\",\"amount\":\"31.25\",\"residue_micro\":0,\"vat\":\"5.94\"}],"
        "\"subtotal\":\"36.25\",\"vat\":\"6.89\",\"total\":\"43.14\",\"fee\":\"1.81\",\"fee_vat\":\"0.34\",\"payout\":\"40.99\","
        "\"residue_micro\":-250000}");
}

END_TEST

/* Whatever runs out first: an error and no result, until there is enough. */
START_TEST(test_no_memory)
{
    const struct plan *plan =
        parsed(PLAN("metered", TAXED, SUBSCRIPTION("7000", "day", "true") "," TIERS("graduated")));
    const struct test_case c = {.rows = 1001,
                                .from = "2026-11-01T00:00Z",
                                .to = "2026-12-01T00:00Z",
                                .active_from = "2026-11-16T00:00Z"};
    struct rating_usage usage = usage_of(&c);
    int refusals = 0;

    for (size_t bytes = 16;; bytes += 16) {
        AUTO(arena_free) struct arena *small = arena_new(bytes);
        struct err err = {0};
        const struct rating *r = NULL;
        if (rating_rate(plan, &usage, small, &r, &err) == 0)
            break;
        ck_assert_msg(err.code == E_NO_MEMORY, "%zu bytes: %s", bytes, err.text);
        ck_assert_ptr_null(r);
        refusals++;
    }
    ck_assert_int_gt(refusals, 10);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rating");
    TCase *tc = tcase_create("rate");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test_rate, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, test_lines_name_their_component);
    tcase_add_loop_test(tc, test_refused, 0, (int)ARRAY_LEN(refused));
    tcase_add_loop_test(tc, test_quote, 0, (int)ARRAY_LEN(quotes));
    tcase_add_test(tc, test_json);
    tcase_add_test(tc, test_no_memory);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
