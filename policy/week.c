/*
 * policy/week.c - windows that recur every week: days and hours
 *
 * 1. Days are DAY or DAY/DAY ("mon/fri", both included; "sat/mon" runs over the weekend), hours are HH:MM[:SS]/HH:MM[:SS], from the
 *    first to before the second; "22:00/06:00" runs over midnight, "24:00" is the end of the day. A zone follows: Z, ±HH:MM, or
 *    a name ([Asia/Seoul], [Europe/Berlin]; rows of zones.def). It is part of the value, for without one a window is another one for
 *    each reader. A zone without summer time is its offset; one with summer time stays a name.
 * 2. An instant lies in a window if the clock on the wall shows a day or hour of it. So an hour that the clocks leave out is in no
 *    window, and both hours of the same name are in the same ones.
 * 3. Values whose clocks always change together are one part: the union of their windows, as intervals [begin, end) of the week that
 *    begins on Monday 00:00 UTC, in order and apart from each other, once in standard and once in summer time. A search in each part
 *    answers whether one of them holds and until when it does; where clocks change, or one window ends in another, it is asked again
 *    there. Nothing that holds for a year ever changes: whatever all clocks show at a point of the week, they show every year.
 */
#include "policy/policy.h"

#include "lib/base/timefmt.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

#define DAYS_PER_WEEK 7
/* 1970-01-05 was a Monday */
#define FIRST_MONDAY (4 * US_PER_DAY)
#define WEEK_US      (DAYS_PER_WEEK * US_PER_DAY)
#define YEAR_US      (374 * US_PER_DAY) /* and a week */

/* clang-format off */
static const char *const day_names[DAYS_PER_WEEK] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* clang-format on */

/* -- text -------------------------------------------------------------------------------------- */

static bool two_digits(struct str s, size_t at, int max, int *ret_number)
{
    if (s.n < at + 2 || s.p[at] < '0' || s.p[at] > '9' || s.p[at + 1] < '0' || s.p[at + 1] > '9')
        return false;
    *ret_number = (s.p[at] - '0') * 10 + (s.p[at + 1] - '0');
    return *ret_number <= max;
}

static bool parse_offset(struct str text, int64_t *ret_offset_us)
{
    int hours, minutes;

    if (text.n != 6 || (text.p[0] != '+' && text.p[0] != '-') || text.p[3] != ':' ||
        !two_digits(text, 1, 14, &hours) || !two_digits(text, 4, 59, &minutes))
        return false;
    *ret_offset_us = hours * US_PER_H + minutes * US_PER_MIN;
    if (text.p[0] == '-')
        *ret_offset_us = -*ret_offset_us;
    return true;
}

static bool parse_zone(struct str text, struct value *value)
{
    const struct zone *zone;

    if (str_eq(text, STR("Z")))
        return true;
    if (!str_starts(text, STR("[")) || !str_ends(text, STR("]")))
        return parse_offset(text, &value->offset_us);
    zone = policy__zone(str_n(text.p + 1, text.n - 2));
    if (zone == NULL)
        return false;
    value->offset_us = zone->offset_us;
    value->zone = zone->summer != SUMMER_NONE ? zone : NULL;
    return true;
}

static struct str zone_text(struct arena *arena, const struct value *value)
{
    const int64_t offset_us = value->offset_us;
    const int64_t minutes = (offset_us < 0 ? -offset_us : offset_us) / US_PER_MIN;

    if (value->zone != NULL)
        return arena_printf(arena, "[%.*s]", STR_ARG(value->zone->name));
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
    if (!parse_zone(rest, value))
        return false;
    value->canon = arena_printf(arena, "%s/%s%.*s", day_names[value->first], day_names[value->last],
                                STR_ARG(zone_text(arena, value)));
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
        !parse_zone(rest, value))
        return false;
    value->canon =
        arena_printf(arena, "%.*s/%.*s%.*s", STR_ARG(hour_text(arena, value->first)),
                     STR_ARG(hour_text(arena, value->last)), STR_ARG(zone_text(arena, value)));
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

static void add_value(struct edges *edges, enum policy_value_type type, const struct value *value,
                      bool summer)
{
    const int64_t offset_us = value->offset_us + (summer ? US_PER_H : 0);
    int64_t length;

    if (type == POLICY_V_WEEKDAYS) {
        length = (value->last - value->first + DAYS_PER_WEEK) % DAYS_PER_WEEK + 1;
        add_window(edges, value->first * US_PER_DAY, length * US_PER_DAY, offset_us);
        return;
    }
    length = value->last - value->first + (value->last < value->first ? US_PER_DAY : 0);
    for (int64_t day = 0; day < DAYS_PER_WEEK; day++)
        add_window(edges, day * US_PER_DAY + value->first, length, offset_us);
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

/* -- parts ------------------------------------------------------------------------------------- */

struct part {
    enum summer summer;
    int64_t offset_us;      /* standard time, if it has summer time */
    struct edges season[2]; /* standard and summer time */
};

struct week {
    bool always; /* together they leave nothing out */
    uint32_t n_parts;
    struct part *parts;
};

static bool belongs(const struct part *part, const struct value *value)
{
    return value->zone == NULL
               ? part->summer == SUMMER_NONE
               : part->summer == value->zone->summer && part->offset_us == value->offset_us;
}

/* One part for each way in which clocks change. */
static void find_parts(struct week *week, const struct value *values, size_t n_values)
{
    for (size_t i = 0; i < n_values; i++) {
        uint32_t p = 0;

        while (p < week->n_parts && !belongs(&week->parts[p], &values[i]))
            p++;
        if (p < week->n_parts)
            continue;
        week->parts[week->n_parts++] = (struct part){
            .summer = values[i].zone != NULL ? values[i].zone->summer : SUMMER_NONE,
            .offset_us = values[i].zone != NULL ? values[i].offset_us : 0,
        };
    }
}

static bool fill_part(struct arena *arena, struct part *part, enum policy_value_type type,
                      const struct value *values, size_t n_values)
{
    const int seasons = part->summer == SUMMER_NONE ? 1 : 2;
    size_t n = 0;

    for (size_t i = 0; i < n_values; i++)
        n += belongs(part, &values[i]);
    for (int summer = 0; summer < seasons; summer++) {
        struct edges *edges = &part->season[summer];

        /* a window a day, one of them in two parts */
        edges->at = ARENA_ARRAY(arena, int64_t, 2 * (DAYS_PER_WEEK + 1) * n);
        if (edges->at == NULL)
            return false;
        for (size_t i = 0; i < n_values; i++) {
            if (belongs(part, &values[i]))
                add_value(edges, type, &values[i], summer != 0);
        }
        merge(edges);
    }
    return true;
}

/* -- instants ---------------------------------------------------------------------------------- */

static bool in_edges(const struct edges *edges, int64_t now, int64_t *ret_until)
{
    const int64_t at = in_one_week(in_one_week(now) - FIRST_MONDAY);
    uint32_t lo = 0, hi = edges->n;
    int64_t change;
    bool in;

    while (lo < hi) { /* the first window that ends after now */
        const uint32_t mid = lo + (hi - lo) / 2;

        if (edges->at[2 * mid + 1] > at)
            hi = mid;
        else
            lo = mid + 1;
    }
    in = lo < edges->n && edges->at[2 * lo] <= at;
    if (in)
        change = edges->at[2 * lo + 1];
    else
        change = lo < edges->n ? edges->at[2 * lo] : edges->at[0] + WEEK_US;
    if (in && change == WEEK_US && edges->at[0] == 0) /* it goes on into the next week */
        change = edges->at[1] == WEEK_US ? INT64_MAX : edges->at[1] + WEEK_US;
    if (change == INT64_MAX || __builtin_add_overflow(now, change - at, ret_until))
        *ret_until = POLICY_FOREVER;
    return in;
}

static bool in_part(const struct part *part, int64_t now, int64_t *ret_until)
{
    int64_t change = POLICY_FOREVER;
    bool summer = false, in;

    if (part->summer != SUMMER_NONE)
        summer = policy__summer(part->summer, part->offset_us, now, &change);
    in = in_edges(&part->season[summer], now, ret_until);
    if (change < *ret_until)
        *ret_until = change;
    return in;
}

/* Whether one of them holds, and an instant until which that is so at least. */
static bool in_parts(const struct week *week, int64_t now, int64_t *ret_until)
{
    int64_t in_until = now, out_until = POLICY_FOREVER;
    bool any = false;

    for (uint32_t i = 0; i < week->n_parts; i++) {
        int64_t until;

        if (in_part(&week->parts[i], now, &until)) {
            any = true;
            in_until = until > in_until ? until : in_until;
        } else if (until < out_until) {
            out_until = until;
        }
    }
    *ret_until = any ? in_until : out_until;
    return any;
}

bool policy__in_week(const struct week *week, int64_t now, int64_t *ret_until)
{
    int64_t until, next, limit;
    bool in;

    *ret_until = POLICY_FOREVER;
    if (week->always)
        return true;
    in = in_parts(week, now, &until);
    if (__builtin_add_overflow(now, YEAR_US, &limit))
        limit = INT64_MAX;
    while (until < limit && in_parts(week, until, &next) == in)
        until = next;
    if (until < limit)
        *ret_until = until;
    return in;
}

const struct week *policy__week(struct arena *arena, enum policy_value_type type,
                                const struct value *values, size_t n_values, uint32_t *ret_n)
{
    struct week *week = ARENA_NEW(arena, struct week);
    int64_t until;

    if (week == NULL)
        return NULL;
    week->parts =
        ARENA_ARRAY(arena, struct part, n_values < POLICY_ZONES + 1 ? n_values : POLICY_ZONES + 1);
    if (week->parts == NULL)
        return NULL;
    find_parts(week, values, n_values);
    *ret_n = 0;
    for (uint32_t i = 0; i < week->n_parts; i++) {
        if (!fill_part(arena, &week->parts[i], type, values, n_values))
            return NULL;
        *ret_n += week->parts[i].season[0].n + week->parts[i].season[1].n;
    }
    week->always = policy__in_week(week, 0, &until) && until == POLICY_FOREVER;
    return week;
}
