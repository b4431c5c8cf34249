/*
 * lib/base/timefmt.c - RFC 3339 at the border
 *
 * Days are counted with the era method: a year begins in March, so that the leap day is the last of
 * its year, and 400 years ("an era") always have 146097 days.
 */
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define DAYS_PER_ERA INT64_C(146097)
#define DAYS_TO_1970 INT64_C(719468)             /* from 0000-03-01 */
#define TIME_MIN_US  INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define TIME_MAX_US  INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t clamp(int64_t us)
{
    return us < TIME_MIN_US ? TIME_MIN_US : us > TIME_MAX_US ? TIME_MAX_US : us;
}

/* Days since 1970-01-01. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

struct civil time_civil(int64_t us)
{
    int64_t days = floor_div(us, US_PER_DAY);
    int64_t rest = floor_div(us - days * US_PER_DAY, US_PER_S);
    int64_t era = floor_div(days + DAYS_TO_1970, DAYS_PER_ERA);
    int64_t day_of_era = days + DAYS_TO_1970 - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
    struct civil c = {
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
    };

    c.year = (int)(year_of_era + era * 400 + (c.month <= 2));
    return c;
}

int64_t time_from_civil(struct civil c)
{
    return days_from_date(c.year, c.month, c.day) * US_PER_DAY + c.hour * US_PER_H +
           c.minute * US_PER_MIN + c.second * US_PER_S;
}

struct time_text time_format(int64_t us)
{
    int64_t cut = clamp(us);
    int64_t fraction = cut - floor_div(cut, US_PER_S) * US_PER_S;
    struct civil c = time_civil(cut);
    struct time_text text;
    int n = snprintf(text.c, sizeof(text.c), "%04u-%02u-%02uT%02u:%02u:%02u",
                     (unsigned)c.year % 10000, (unsigned)c.month % 100, (unsigned)c.day % 100,
                     (unsigned)c.hour % 100, (unsigned)c.minute % 100, (unsigned)c.second % 100);

    if (fraction != 0)
        snprintf(text.c + n, sizeof(text.c) - (size_t)n, ".%06uZ", (unsigned)fraction % 1000000);
    else
        snprintf(text.c + n, sizeof(text.c) - (size_t)n, "Z");
    return text;
}

/* Takes exactly `digits` digits off the front of *s. */
static bool take_digits(struct str *s, unsigned digits, int *ret_value)
{
    int value = 0;

    if (s->n < digits)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        value = value * 10 + (s->p[i] - '0');
    }
    *s = str_from(*s, digits);
    *ret_value = value;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_from(*s, 1);
    return true;
}

static bool take_date(struct str *s, struct civil *c)
{
    return take_digits(s, 4, &c->year) && take_char(s, '-') && take_digits(s, 2, &c->month) &&
           take_char(s, '-') && take_digits(s, 2, &c->day) && c->year >= 1 && c->month >= 1 &&
           c->month <= 12 && c->day >= 1 && c->day <= days_in_month(c->year, c->month);
}

/* Fraction digits after the '.', one to nine; what is finer than a microsecond is cut. */
static bool take_fraction(struct str *s, int64_t *ret_us)
{
    int64_t us = 0;
    unsigned n = 0;

    for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; n++) {
        if (n < 6)
            us = us * 10 + (s->p[0] - '0');
        *s = str_from(*s, 1);
    }
    if (n == 0 || n > 9)
        return false;
    for (; n < 6; n++)
        us *= 10;
    *ret_us = us;
    return true;
}

/* RFC 3339 §5.6 time-offset, as microseconds east of Greenwich. */
static bool take_zone(struct str *s, int64_t *ret_us)
{
    bool west = s->n > 0 && s->p[0] == '-';
    int hours, minutes;

    if (take_char(s, 'Z') || take_char(s, 'z')) {
        *ret_us = 0;
        return true;
    }
    if (!(west ? take_char(s, '-') : take_char(s, '+')) || !take_digits(s, 2, &hours) ||
        !take_char(s, ':') || !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_us = (west ? -1 : 1) * (hours * US_PER_H + minutes * US_PER_MIN);
    return true;
}

bool time_parse(struct str text, int64_t *ret_us)
{
    struct civil c = {0};
    int64_t fraction = 0, zone, us;

    if (!take_date(&text, &c) || !(take_char(&text, 'T') || take_char(&text, 't')) ||
        !take_digits(&text, 2, &c.hour) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &c.minute))
        return false;
    if (take_char(&text, ':')) {
        if (!take_digits(&text, 2, &c.second))
            return false;
        if (take_char(&text, '.') && !take_fraction(&text, &fraction))
            return false;
    }
    if (!take_zone(&text, &zone) || text.n != 0 || c.hour > 23 || c.minute > 59 || c.second > 59)
        return false;
    us = time_from_civil(c) + fraction - zone;
    if (us != clamp(us))
        return false;
    *ret_us = us;
    return true;
}

bool date_parse(struct str text, int64_t *ret_us)
{
    struct civil c = {0};

    if (!take_date(&text, &c) || text.n != 0)
        return false;
    *ret_us = time_from_civil(c);
    return true;
}

/* Adds the decimal number before a designator, times `unit`, to *sum; a fraction is allowed with
 * 'S' only. */
static bool take_component(struct str *s, char *ret_designator, int64_t *ret_value,
                           int64_t *ret_fraction)
{
    size_t n = 0;

    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    *ret_fraction = 0;
    if (!str_to_i64(str_n(s->p, n), ret_value))
        return false;
    *s = str_from(*s, n);
    if (take_char(s, '.') && (!take_fraction(s, ret_fraction) || s->n == 0 || s->p[0] != 'S'))
        return false;
    if (s->n == 0)
        return false;
    *ret_designator = s->p[0];
    *s = str_from(*s, 1);
    return true;
}

/* XML Schema 1.1 part 2 §3.3.6: the order is fixed, at least one component, at least one after 'T'.
 */
static const struct duration_unit {
    char designator;
    bool after_t;
    int64_t months, us;
} duration_units[] = {
    {'Y', false, 12, 0         },
    {'M', false, 1,  0         },
    {'D', false, 0,  US_PER_DAY},
    {'H', true,  0,  US_PER_H  },
    {'M', true,  0,  US_PER_MIN},
    {'S', true,  0,  US_PER_S  },
};

#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

static bool add_product(int64_t *sum, int64_t value, int64_t unit)
{
    int64_t product;

    return !__builtin_mul_overflow(value, unit, &product) &&
           !__builtin_add_overflow(*sum, product, sum);
}

bool duration_parse(struct str text, int64_t *ret_months, int64_t *ret_us)
{
    int64_t months = 0, us = 0, value, fraction;
    bool after_t = false;
    size_t next = 0;
    char designator;

    if (!take_char(&text, 'P') || text.n == 0)
        return false;
    while (text.n > 0) {
        if (take_char(&text, 'T')) {
            if (after_t || text.n == 0)
                return false;
            after_t = true;
        }
        if (!take_component(&text, &designator, &value, &fraction))
            return false;
        while (next < DURATION_UNITS && (duration_units[next].designator != designator ||
                                         duration_units[next].after_t != after_t))
            next++;
        if (next == DURATION_UNITS || !add_product(&months, value, duration_units[next].months) ||
            !add_product(&us, value, duration_units[next].us) ||
            __builtin_add_overflow(us, fraction, &us))
            return false;
        next++;
    }
    *ret_months = months;
    *ret_us = us;
    return true;
}

int64_t time_add_months(int64_t us, int64_t months)
{
    struct civil c = time_civil(us);
    int64_t of_day = us - floor_div(us, US_PER_DAY) * US_PER_DAY;
    int64_t month, year;
    int last;

    if (__builtin_add_overflow((int64_t)c.year * 12 + (c.month - 1), months, &month))
        return months < 0 ? TIME_MIN_US : TIME_MAX_US;
    year = floor_div(month, 12);
    if (year < 1)
        return TIME_MIN_US;
    if (year > 9999)
        return TIME_MAX_US;
    c.month = (int)(month - year * 12) + 1;
    last = days_in_month(year, c.month);
    return days_from_date(year, c.month, c.day < last ? c.day : last) * US_PER_DAY + of_day;
}
