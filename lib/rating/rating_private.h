/*
 * lib/rating/rating_private.h - shared by the files of lib/rating
 */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/rating/rating.h"

/*
 * Rule 1: *ret_amount = round(quantity * price_micro / (unit * 10^6)), *ret_residue_micro = what is
 * left. unit > 0. Errors: E_RANGE if the amount does not fit.
 */
MUST_CHECK int rating__amount(int64_t quantity, int64_t price_micro, int64_t unit,
                              enum rounding rounding, int64_t *ret_amount,
                              int64_t *ret_residue_micro, struct err *err);

/* One step of the accounting calendar, [from, to). */
struct calendar_step {
    int64_t from_us;
    int64_t to_us;
};

/* The step of this length that holds the instant, in the zone (minutes east of UTC). */
struct calendar_step rating__step(enum plan_period period, int64_t at_us, int64_t zone_min);
