/*
 * tests/unit/test_rating_random.c - rating against a slow second calculation, and what must hold for every result
 *
 * The second calculation counts units one by one and finds the rounded amount by trying; it shares no code with the unit.
 * NARU_SEED repeats a run.
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/rating/rating.h"

#include "lib/base/banned.h"

#define PLANS     3000
#define CUTS      200
#define MAX_TIERS 4
#define MICRO     1000000

static uint64_t seed_of_run(void)
{
    const char *text = getenv("NARU_SEED");
    int64_t seed = 20182;

    ck_assert(text == NULL || str_to_i64(str_c(text), &seed));
    printf("# NARU_SEED=%" PRId64 "\n", seed);
    return (uint64_t)seed;
}

/* splitmix64 */
static int64_t below(uint64_t *state, int64_t n)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (int64_t)((z ^ z >> 31) % (uint64_t)n);
}

struct random_plan {
    struct plan plan;
    struct plan_component components[3];
    struct plan_tier tiers[3][MAX_TIERS];
};

static void fill_component(struct random_plan *r, size_t i, uint64_t *state)
{
    struct plan_component *c = &r->components[i];
    int64_t up_to = 0;

    c->type = COMPONENT_PER_UNIT;
    c->meter = (enum meter)i;
    c->model = (enum price_model)below(state, PRICE_MODEL__COUNT);
    c->unit = below(state, 3) == 0 ? 1 : 1 + below(state, 50);
    c->tiers = r->tiers[i];
    c->n_tiers = c->model == PRICE_GRADUATED || c->model == PRICE_VOLUME
                     ? 1 + (size_t)below(state, MAX_TIERS)
                     : 1;
    for (size_t t = 0; t < c->n_tiers; t++) {
        up_to += 1 + below(state, 40);
        r->tiers[i][t].up_to = t + 1 == c->n_tiers ? INT64_MAX : up_to;
        r->tiers[i][t].price_micro =
            below(state, 4) == 0 ? below(state, 20) * MICRO / 2 : below(state, 100 * MICRO);
    }
}

static void fill_plan(struct random_plan *r, uint64_t *state)
{
    *r = (struct random_plan){
        .plan = {.currency = currency_find(STR("KRW")),
                 .kind = PLAN_METERED,
                 .rounding = (enum rounding)below(state, ROUND__COUNT),
                 .vat_per = (enum vat_per)below(state, VAT_PER__COUNT),
                 .vat_ppm = below(state, 5) * 50000,
                 .fee_ppm = below(state, 100000),
                 .components = r->components,
                 .n_components = 3}
    };
    for (size_t i = 0; i < 3; i++)
        fill_component(r, i, state);
}

/* The integer nearest to num/den (both >= 0) found by walking up, as a person would with a table. */
static int64_t slow_round(__int128_t num, __int128_t den, enum rounding mode)
{
    int64_t low = 0;

    for (int64_t step = INT64_C(1) << 40; step > 0; step /= 2) {
        while ((__int128_t)(low + step) * den <= num)
            low += step;
    }
    __int128_t to_low = num - low * den;
    __int128_t to_high = (low + 1) * den - num;
    if (mode == ROUND_DOWN || to_low < to_high)
        return low;
    if (to_high < to_low || mode == ROUND_HALF_UP)
        return low + 1;
    return low % 2 == 0 ? low : low + 1;
}

static size_t tier_of(const struct plan_component *c, int64_t nth)
{
    size_t t = 0;

    while (nth > c->tiers[t].up_to)
        t++;
    return t;
}

/* Adds the price of every single unit into the tier where it belongs, then rounds each tier. */
static int64_t slow_component(const struct plan_component *c, int64_t quantity, enum rounding mode)
{
    __int128_t sums[MAX_TIERS] = {0};
    int64_t total = 0;

    for (int64_t nth = 1; nth <= quantity; nth++) {
        size_t t = c->model == PRICE_VOLUME ? tier_of(c, quantity) : tier_of(c, nth);
        if (c->model != PRICE_PACKAGE)
            sums[t] += c->tiers[t].price_micro;
        else if ((nth - 1) % c->unit == 0)
            sums[t] += (__int128_t)c->tiers[t].price_micro * c->unit;
    }
    for (size_t t = 0; t < MAX_TIERS; t++)
        total += slow_round(sums[t], (__int128_t)c->unit * MICRO, mode);
    return total;
}

/* Rule 1 read backwards: amount and residue give the exact value, up to the cut below 10^-6. */
static void check_line(const struct rating_line *line)
{
    __int128_t exact = (__int128_t)line->quantity * line->price_micro;
    __int128_t left =
        exact - ((__int128_t)line->amount_minor * MICRO + line->residue_micro) * line->unit;

    ck_assert(left < line->unit && left > -line->unit);
    ck_assert(line->residue_micro < MICRO && line->residue_micro > -MICRO);
}

static void check_sums(const struct rating *r)
{
    int64_t subtotal = 0;
    int64_t vat = 0;

    for (size_t i = 0; i < r->n_lines; i++) {
        check_line(&r->lines[i]);
        subtotal += r->lines[i].amount_minor;
        vat += r->lines[i].vat_minor;
    }
    ck_assert_int_eq(r->subtotal_minor, subtotal);
    if (r->plan->vat_per == VAT_PER_DOCUMENT)
        vat = slow_round((__int128_t)subtotal * r->plan->vat_ppm, MICRO, r->plan->rounding);
    ck_assert_int_eq(r->vat_minor, vat);
    ck_assert_int_eq(r->total_minor, subtotal + vat);
    ck_assert_int_eq(r->fee_minor,
                     slow_round((__int128_t)subtotal * r->plan->fee_ppm, MICRO, r->plan->rounding));
    ck_assert_int_eq(r->payout_minor, r->total_minor - r->fee_minor - r->fee_vat_minor);
}

START_TEST(test_second_calculation)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    uint64_t state = seed_of_run();

    for (int n = 0; n < PLANS; n++) {
        struct random_plan p;
        struct err err = {0};
        const struct rating *r = NULL;
        fill_plan(&p, &state);
        struct rating_usage u = {.calls = below(&state, 150),
                                 .rows = below(&state, 150),
                                 .bytes = below(&state, 150),
                                 .period_to_us = US_PER_DAY,
                                 .active_to_us = INT64_MAX};
        ck_assert_int_eq(rating_rate(&p.plan, &u, arena, &r, &err), 0);
        int64_t want = slow_component(&p.components[0], u.calls, p.plan.rounding) +
                       slow_component(&p.components[1], u.rows, p.plan.rounding) +
                       slow_component(&p.components[2], u.bytes, p.plan.rounding);
        ck_assert_msg(r->subtotal_minor == want, "plan %d: %" PRId64 ", expected %" PRId64, n,
                      r->subtotal_minor, want);
        check_sums(r);
        arena_reset(arena);
    }
}

END_TEST

/* Three years of a subscription, active in the middle, billed over whatever periods. */
struct cut_sums {
    __int128_t exact_micro;
    int64_t lines;
};

static struct cut_sums bill_in_cuts(const struct plan *plan, struct arena *arena, uint64_t *state)
{
    const int64_t from = time_from_civil((struct civil){.year = 2023, .month = 1, .day = 1});
    const int64_t to = time_from_civil((struct civil){.year = 2026, .month = 1, .day = 1});
    struct cut_sums sums = {0};

    for (int64_t at = from; at < to;) {
        struct err err = {0};
        const struct rating *r = NULL;
        int64_t end = at + 1 + below(state, 100 * US_PER_DAY);
        struct rating_usage u = {.period_from_us = at,
                                 .period_to_us = end < to ? end : to,
                                 .active_from_us = from + 45 * US_PER_DAY,
                                 .active_to_us = to - 40 * US_PER_DAY,
                                 .zone_min = 540};
        ck_assert_int_eq(rating_rate(plan, &u, arena, &r, &err), 0);
        for (size_t i = 0; i < r->n_lines; i++)
            sums.exact_micro +=
                (__int128_t)r->lines[i].amount_minor * MICRO + r->lines[i].residue_micro;
        sums.lines += (int64_t)r->n_lines;
        at = u.period_to_us;
        arena_reset(arena);
    }
    return sums;
}

/* 45 days into 2023 and 40 days before 2026, nine hours east: 15 Feb 2023 09:00 to 22 Nov 2025 09:00. */
/* clang-format off */
static const struct {
    const char *name;
    enum plan_period period;
    bool prorate;
    int64_t lines;        /* unprorated: steps that are touched */
    int64_t micro_amount; /* exact value of all of it at 1000003 per step, in 10^-6 */
} subscriptions[] = {
    {"month, whole", PERIOD_MONTH, false, 34,  INT64_C(34000102) * MICRO},
    {"year, whole",  PERIOD_YEAR,  false, 3,   INT64_C(3000009) * MICRO},
    {"week, whole",  PERIOD_WEEK,  false, 145, INT64_C(145000435) * MICRO},
    /* 327/672 of February 2023, 32 months, 513/720 of November 2025 */
    {"month, time",  PERIOD_MONTH, true,  0,   INT64_C(33199206740178)},
};

/* clang-format on */

START_TEST(test_cuts_add_up)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    uint64_t state = seed_of_run();
    struct plan_component c = {.type = COMPONENT_SUBSCRIPTION,
                               .amount_minor = 1000003,
                               .meter = METER_NONE,
                               .period = subscriptions[_i].period,
                               .prorate = subscriptions[_i].prorate};
    struct plan plan = {.currency = currency_find(STR("KRW")),
                        .kind = PLAN_SUBSCRIPTION,
                        .components = &c,
                        .n_components = 1};

    for (int n = 0; n < CUTS; n++) {
        struct cut_sums sums = bill_in_cuts(&plan, arena, &state);
        __int128_t off = sums.exact_micro - subscriptions[_i].micro_amount;
        /* each line's residue is cut by less than one */
        ck_assert_msg(subscriptions[_i].prorate ? off <= sums.lines && off >= -sums.lines
                                                : off == 0,
                      "%s: off by %" PRId64 " over %" PRId64 " lines", subscriptions[_i].name,
                      (int64_t)off, sums.lines);
        ck_assert_msg(subscriptions[_i].prorate || sums.lines == subscriptions[_i].lines,
                      "%s: %" PRId64 " lines", subscriptions[_i].name, sums.lines);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rating_random");
    TCase *tc = tcase_create("random");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_second_calculation);
    tcase_add_loop_test(tc, test_cuts_add_up, 0, (int)ARRAY_LEN(subscriptions));
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
