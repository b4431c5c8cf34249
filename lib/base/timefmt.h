/*
 * lib/base/timefmt.h - RFC 3339 at the border
 *
 * Inside, time is int64_t microseconds since 1970 UTC. Proleptic Gregorian calendar, years
 * 0001-9999, no leap seconds (":60" is refused).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

#define US_PER_S   INT64_C(1000000)
#define US_PER_MIN (60 * US_PER_S)
#define US_PER_H   (3600 * US_PER_S)
#define US_PER_DAY (86400 * US_PER_S)

struct time_text {
    char c[40];
};

/*
 * "2026-11-21T07:48:00Z", with six-digit fraction if the microseconds are not zero. Cut to years
 * 0001-9999.
 */
struct time_text time_format(int64_t us);

/*
 * RFC 3339 date-time with zone (Z or ±hh:mm); fraction up to nanoseconds (cut to µs); seconds may
 * be absent ("2023-12-31T06:00Z" occurs in DSP examples). A time without zone is refused.
 */
bool time_parse(struct str text, int64_t *ret_us);

/* "YYYY-MM-DD" -> start of that day UTC. */
bool date_parse(struct str text, int64_t *ret_us);

/*
 * xsd:duration, non-negative: months and microseconds kept apart (P60M is 60 months, PT60M 60
 * minutes).
 */
bool duration_parse(struct str text, int64_t *ret_months, int64_t *ret_us);

/* Adds calendar months (day clamped to the month's end, result to years 0001-9999). */
int64_t time_add_months(int64_t us, int64_t months);

struct civil {
    int year, month, day, hour, minute, second;
};
/*
 * Whole seconds; the fraction is dropped towards the past. time_from_civil wants every member in
 * its range.
 */
struct civil time_civil(int64_t us);
int64_t time_from_civil(struct civil c);
