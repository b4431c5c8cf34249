/*
 * policy/week.c - windows that recur every week: days and hours
 *
 * 1. Days are DAY or DAY/DAY ("mon/fri", both included; "sat/mon" runs over the weekend), hours are HH:MM[:SS]/HH:MM[:SS], from the
 *    first to before the second; "22:00/06:00" runs over midnight, "24:00" is the end of the day. A zone follows: Z, ±HH:MM, or
 *    [Asia/Seoul]. It is part of the value, for without one a window is another one for each reader; only zones that keep their
 *    offset all year are understood, so that the same window is open at the same instant for both sides.
 * 2. A set of values is the union of their windows, as intervals [begin, end) of the week that begins on Monday 00:00 UTC, in order
 *    and apart from each other. So one search answers whether it holds and until when.
 */
#include "policy/policy.h"

#include "lib/base/timefmt.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

#define DAYS_PER_WEEK 7
/* 1970-01-05 was a Monday */
#define FIRST_MONDAY (4 * US_PER_DAY)

/* clang-format off */
static const char *const day_names[DAYS_PER_WEEK] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* Zones by name; without summer time. */
static const struct { struct str name; int64_t offset_us; } zones[] = {
    {STR_INIT("[Asia/Seoul]"),     9 * US_PER_H},
    {STR_INIT("[Asia/Tokyo]"),     9 * US_PER_H},
    {STR_INIT("[Asia/Shanghai]"),  8 * US_PER_H},
    {STR_INIT("[Asia/Singapore]"), 8 * US_PER_H},
    {STR_INIT("[UTC]"),            0},
};

/* clang-format on */

/* -- text -------------------------------------------------------------------------------------- */

static bool two_digits(struct str s, size_t at, int max, int *ret_number)
{
    if (s.n < at + 2 || s.p[at] < '0' || s.p[at] > '9' || s.p[at + 1] < '0' || s.p[at + 1] > '9')
        return false;
    *ret_number = (s.p[at] - '0') * 10 + (s.p[at + 1] - '0');
    return *ret_number <= max;
}

static bool parse_zone(struct str text, int64_t *ret_offset_us)
{
    int hours, minutes;

    if (str_eq(text, STR("Z"))) {
        *ret_offset_us = 0;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        if (str_eq(zones[i].name, text)) {
            *ret_offset_us = zones[i].offset_us;
            return true;
        }
    }
    if (text.n != 6 || (text.p[0] != '+' && text.p[0] != '-') || text.p[3] != ':' ||
        !two_digits(text, 1, 14, &hours) || !two_digits(text, 4, 59, &minutes))
        return false;
    *ret_offset_us = hours * US_PER_H + minutes * US_PER_MIN;
    if (text.p[0] == '-')
        *ret_offset_us = -*ret_offset_us;
    return true;
}

static struct str zone_text(struct arena *arena, int64_t offset_us)
{
    const int64_t minutes = (offset_us < 0 ? -offset_us : offset_us) / US_PER_MIN;

    if (offset_us == 0)
        return STR("Z");
    return arena_printf(arena, "%c%02d:%02d", offset_us < 0 ? '-' : '+', (int)(minutes / 60),
                        (int)(minutes % 60));
}

/* Takes the name of a day off the front. */
static bool take_day(struct str *text, int64_t *ret_day)
{
    for (int i = 0; i < DAYS_PER_WEEK; i++) {
        if (text->n >= 3 && str_eq_nocase(str_n(text->p, 3), str_c(day_names[i]))) {
            *ret_day = i;
            *text = str_from(*text, 3);
            return true;
        }
    }
    return false;
}

bool policy__weekdays(struct arena *arena, struct str text, struct value *value)
{
    struct str rest = text;

    if (!take_day(&rest, &value->first))
        return false;
    value->last = value->first;
    if (str_starts(rest, STR("/"))) {
        rest = str_from(rest, 1);
        if (!take_day(&rest, &value->last))
            return false;
    }
    if (!parse_zone(rest, &value->offset_us))
        return false;
    value->canon = arena_printf(arena, "%s/%s%.*s", day_names[value->first], day_names[value->last],
                                STR_ARG(zone_text(arena, value->offset_us)));
    return true;
}

/* Takes HH:MM[:SS] off the front; 24:00 only as an end. */
static bool take_hour(struct str *text, bool end, int64_t *ret_us)
{
    int hours, minutes, seconds = 0;
    size_t n = 5;

    if (!two_digits(*text, 0, end ? 24 : 23, &hours) || text->n < 5 || text->p[2] != ':' ||
        !two_digits(*text, 3, 59, &minutes))
        return false;
    if (text->n >= 8 && text->p[5] == ':') {
        if (!two_digits(*text, 6, 59, &seconds))
            return false;
        n = 8;
    }
    *ret_us = hours * US_PER_H + minutes * US_PER_MIN + seconds * US_PER_S;
    *text = str_from(*text, n);
    return *ret_us <= US_PER_DAY;
}

static struct str hour_text(struct arena *arena, int64_t us)
{
    const int seconds = (int)(us / US_PER_S);

    return arena_printf(arena, "%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

bool policy__hours(struct arena *arena, struct str text, struct value *value)
{
    struct str rest = text;

    if (!take_hour(&rest, false, &value->first) || !str_starts(rest, STR("/")))
        return false;
    rest = str_from(rest, 1);
    if (!take_hour(&rest, true, &value->last) || value->first == value->last ||
        !parse_zone(rest, &value->offset_us))
        return false;
    value->canon = arena_printf(arena, "%.*s/%.*s%.*s", STR_ARG(hour_text(arena, value->first)),
                                STR_ARG(hour_text(arena, value->last)),
                                STR_ARG(zone_text(arena, value->offset_us)));
    return true;
}

/* -- windows ----------------------------------------------------------------------------------- */

struct edges {
    int64_t *at; /* pairs */
    uint32_t n;
};

static int64_t in_one_week(int64_t us)
{
    const int64_t rest = us % WEEK_US;

    return rest < 0 ? rest + WEEK_US : rest;
}

static void add_pair(struct edges *edges, int64_t begin, int64_t end)
{
    edges->at[2 * edges->n] = begin;
    edges->at[2 * edges->n + 1] = end;
    edges->n++;
}

/* A window of less than a week, or of all of it, of local time; in two where it runs over Sunday. */
static void add_window(struct edges *edges, int64_t begin, int64_t length, int64_t offset_us)
{
    begin = in_one_week(begin - offset_us);
    if (begin + length <= WEEK_US) {
        add_pair(edges, begin, begin + length);
        return;
    }
    add_pair(edges, begin, WEEK_US);
    add_pair(edges, 0, begin + length - WEEK_US);
}

static void add_value(struct edges *edges, enum policy_value_type type, const struct value *value)
{
    int64_t length;

    if (type == POLICY_V_WEEKDAYS) {
        length = (value->last - value->first + DAYS_PER_WEEK) % DAYS_PER_WEEK + 1;
        add_window(edges, value->first * US_PER_DAY, length * US_PER_DAY, value->offset_us);
        return;
    }
    length = value->last - value->first + (value->last < value->first ? US_PER_DAY : 0);
    for (int64_t day = 0; day < DAYS_PER_WEEK; day++)
        add_window(edges, day * US_PER_DAY + value->first, length, value->offset_us);
}

static int by_begin(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Brings together what overlaps or touches. */
static void merge(struct edges *edges)
{
    uint32_t n = 0;

    qsort(edges->at, edges->n, 2 * sizeof(*edges->at), by_begin);
    for (uint32_t i = 0; i < edges->n; i++) {
        const int64_t begin = edges->at[2 * i], end = edges->at[2 * i + 1];

        if (n > 0 && begin <= edges->at[2 * n - 1]) {
            if (end > edges->at[2 * n - 1])
                edges->at[2 * n - 1] = end;
            continue;
        }
        edges->at[2 * n] = begin;
        edges->at[2 * n + 1] = end;
        n++;
    }
    edges->n = n;
}

const int64_t *policy__week(struct arena *arena, enum policy_value_type type,
                            const struct value *values, size_t n_values, uint32_t *ret_n)
{
    /* a window a day, one of them in two parts */
    struct edges edges = {.at = ARENA_ARRAY(arena, int64_t, 2 * (DAYS_PER_WEEK + 1) * n_values)};

    for (size_t i = 0; edges.at != NULL && i < n_values; i++)
        add_value(&edges, type, &values[i]);
    if (edges.at != NULL)
        merge(&edges);
    *ret_n = edges.n;
    return edges.at;
}

bool policy__in_week(const int64_t *edges, uint32_t n, int64_t now, int64_t *ret_until)
{
    const int64_t at = in_one_week(in_one_week(now) - FIRST_MONDAY);
    uint32_t lo = 0, hi = n;
    int64_t change;
    bool in;

    while (lo < hi) { /* the first window that ends after now */
        const uint32_t mid = lo + (hi - lo) / 2;

        if (edges[2 * mid + 1] > at)
            hi = mid;
        else
            lo = mid + 1;
    }
    in = lo < n && edges[2 * lo] <= at;
    if (in)
        change = edges[2 * lo + 1];
    else
        change = lo < n ? edges[2 * lo] : edges[0] + WEEK_US;
    if (in && change == WEEK_US && edges[0] == 0) /* it goes on into the next week */
        change = edges[1] == WEEK_US ? INT64_MAX : edges[1] + WEEK_US;
    if (change == INT64_MAX || __builtin_add_overflow(now, change - at, ret_until))
        *ret_until = POLICY_FOREVER;
    return in;
}
