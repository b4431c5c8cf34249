/*
 * lib/rating/calendar.c - calendar steps of subscriptions (rule 3 of rating.h)
 *
 * A step is computed in local civil time of the accounting zone, which has a fixed offset: no
 * daylight saving, so that an invoice can be repeated without a table of zones.
 */
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/rating/rating_private.h"

#include "lib/base/banned.h"

/* 1970-01-01 was a Thursday: the Monday of that week lies three days earlier. */
#define MONDAY_BEFORE_1970_US (-3 * US_PER_DAY)

static int64_t floor_to(int64_t us, int64_t origin_us, int64_t step_us)
{
    int64_t rest = (us - origin_us) % step_us;

    return us - rest - (rest < 0 ? step_us : 0);
}

static struct calendar_step fixed_step(int64_t us, int64_t origin_us, int64_t step_us)
{
    int64_t from = floor_to(us, origin_us, step_us);

    return (struct calendar_step){from, from + step_us};
}

static struct calendar_step month_step(int64_t us)
{
    struct civil c = time_civil(us);
    int64_t from = time_from_civil((struct civil){.year = c.year, .month = c.month, .day = 1});

    return (struct calendar_step){from, time_add_months(from, 1)};
}

static struct calendar_step year_step(int64_t us)
{
    struct civil c = time_civil(us);
    int64_t from = time_from_civil((struct civil){.year = c.year, .month = 1, .day = 1});

    return (struct calendar_step){from, time_add_months(from, 12)};
}

static struct calendar_step local_step(enum plan_period period, int64_t us)
{
    switch (period) {
    case PERIOD_DAY: return fixed_step(us, 0, US_PER_DAY);
    case PERIOD_WEEK: return fixed_step(us, MONDAY_BEFORE_1970_US, 7 * US_PER_DAY);
    case PERIOD_MONTH: return month_step(us);
    case PERIOD_YEAR: return year_step(us);
    case PLAN_PERIOD__COUNT: break;
    }
    CHECK_UNREACHABLE();
}

struct calendar_step rating__step(enum plan_period period, int64_t at_us, int64_t zone_min)
{
    int64_t offset_us = zone_min * US_PER_MIN;
    struct calendar_step local = local_step(period, at_us + offset_us);

    return (struct calendar_step){local.from_us - offset_us, local.to_us - offset_us};
}
