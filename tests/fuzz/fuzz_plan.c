/*
 * tests/fuzz/fuzz_plan.c - any text as a price plan: what is accepted has a stable name, and its ratings add up
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/rating/rating.h"

#include "lib/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_sums(const struct rating *r)
{
    int64_t subtotal = 0;

    for (size_t i = 0; i < r->n_lines; i++) {
        CHECK(r->lines[i].component < r->plan->n_components);
        CHECK(r->lines[i].residue_micro > -PRICE_SCALE && r->lines[i].residue_micro < PRICE_SCALE);
        subtotal += r->lines[i].amount_minor;
    }
    CHECK(r->subtotal_minor == subtotal);
    CHECK(r->total_minor == subtotal + r->vat_minor);
    CHECK(r->payout_minor == r->total_minor - r->fee_minor - r->fee_vat_minor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    const struct plan *plan = NULL, *again = NULL;
    const struct rating *r = NULL;
    struct err err = {0};
    struct rating_usage usage = {
        .calls = (int64_t)n,
        .rows = n > 0 ? INT64_C(1) << data[0] % 63 : 0,
        .bytes = n > 1 ? INT64_MAX >> data[n / 2] % 63 : 0,
        .period_from_us = n > 2 ? data[n / 3] * 7 * US_PER_DAY : 0,
        .active_from_us = 40 * US_PER_DAY,
        .active_to_us = INT64_MAX,
        .zone_min = 540,
        .first_period = true,
    };

    usage.period_to_us = usage.period_from_us + 31 * US_PER_DAY;
    if (plan_parse(str_n(data, n), arena, &plan, &err) < 0)
        return 0;
    CHECK(plan_parse(plan_canonical(plan), arena, &again, &err) == 0);
    CHECK(str_eq(plan_canonical(plan), plan_canonical(again)));
    if (rating_rate(plan, &usage, arena, &r, &err) == 0)
        check_sums(r);
    if (rating_quote(plan, arena, &r, &err) == 0)
        check_sums(r);
    return 0;
}
