/*
 * policy/zone.c - time zones by name, and when their clocks change
 *
 * A change is the first Sunday on or after a day of a month, at an hour of standard time or of UTC. The rules are those of today,
 * taken for every year. The calendar repeats itself after 400 years, which are whole weeks, so any instant has an equal one in the
 * years from 1970 on.
 */
#include "lib/base/timefmt.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

#define CYCLE_US (146097 * US_PER_DAY)
#define SUNDAY   6

struct turn {
    int month, from_day;
    int64_t at_us;
    bool utc;
};

/* clang-format off */
static const struct { struct turn begin, end; } rules[] = {
    [SUMMER_EU] = {{3,  25, 1 * US_PER_H, true},  {10, 25, 1 * US_PER_H, true}},
    [SUMMER_US] = {{3,  8,  2 * US_PER_H, false}, {11, 1,  1 * US_PER_H, false}},
    [SUMMER_AU] = {{10, 1,  2 * US_PER_H, false}, {4,  1,  2 * US_PER_H, false}},
};

static const struct zone zones[POLICY_ZONES] = {
#define ZONE(name, minutes, summer) {STR_INIT(name), minutes * US_PER_MIN, SUMMER_##summer},
#include "policy/zones.def"
#undef ZONE
};

/* clang-format on */

const struct zone *policy__zone(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        if (str_eq(zones[i].name, name))
            return &zones[i];
    }
    return NULL;
}

static int64_t turn_us(const struct turn *turn, int64_t offset_us, int year)
{
    const int64_t day_us =
        time_from_civil((struct civil){.year = year, .month = turn->month, .day = turn->from_day});
    const int64_t weekday = (day_us / US_PER_DAY + 3) % 7; /* 1970-01-01 was a Thursday */

    return day_us + (SUNDAY - weekday) * US_PER_DAY + turn->at_us - (turn->utc ? 0 : offset_us);
}

bool policy__summer(enum summer rule, int64_t offset_us, int64_t now, int64_t *ret_until)
{
    const int64_t rest = now % CYCLE_US, at = rest < 0 ? rest + CYCLE_US : rest;
    const int year = time_civil(at).year;
    const struct turn *first = &rules[rule].begin, *second = &rules[rule].end;
    const bool north = first->month < second->month;
    int64_t change;
    bool summer;

    if (!north) {
        first = &rules[rule].end;
        second = &rules[rule].begin;
    }
    change = turn_us(first, offset_us, year);
    summer = !north;
    if (at >= change) {
        change = turn_us(second, offset_us, year);
        summer = north;
    }
    if (at >= change) {
        change = turn_us(first, offset_us, year + 1);
        summer = !north;
    }
    if (__builtin_add_overflow(now, change - at, ret_until))
        *ret_until = POLICY_FOREVER;
    return summer;
}
