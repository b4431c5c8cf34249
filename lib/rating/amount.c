/*
 * lib/rating/amount.c - the one formula of all charges (rule 1 of rating.h)
 *
 * half-up rounds halves away from zero, so that a discount of a line mirrors its charge.
 */
#include "lib/base/check.h"
#include "lib/rating/rating_private.h"

#include "lib/base/banned.h"

/* The quotient goes up by one if the rest says so; rest and quotient carry the sign of the exact
 * value. */
static __int128_t rounded(__int128_t quotient, __int128_t rest, __int128_t div,
                          enum rounding rounding)
{
    __int128_t twice = (rest < 0 ? -rest : rest) * 2;
    bool away = false;

    switch (rounding) {
    case ROUND_HALF_EVEN: away = twice > div || (twice == div && quotient % 2 != 0); break;
    case ROUND_HALF_UP: away = twice >= div; break;
    case ROUND_DOWN: break;
    case ROUND__COUNT: CHECK_UNREACHABLE();
    }
    if (!away)
        return quotient;
    return rest < 0 ? quotient - 1 : quotient + 1;
}

int rating__amount(int64_t quantity, int64_t price_micro, int64_t unit, enum rounding rounding,
                   int64_t *ret_amount, int64_t *ret_residue_micro, struct err *err)
{
    __int128_t product = (__int128_t)quantity * price_micro;
    __int128_t div = (__int128_t)unit * PRICE_SCALE;
    __int128_t amount = rounded(product / div, product % div, div, rounding);

    if (amount > INT64_MAX || amount < INT64_MIN)
        return err_tell(err, E_RANGE, "", "the amount of this charge does not fit in 64 bits");
    /* residue in 10^-6 = (product - amount * unit * 10^6) / unit; |numerator| <= div, so it fits
     * easily */
    *ret_amount = (int64_t)amount;
    *ret_residue_micro = (int64_t)((product - amount * div) / unit);
    return 0;
}
