/*
 * lib/base/money.h - amounts in minor units
 *
 * An amount is int64_t minor units of a currency (KRW exponent 0, EUR 2); unit prices are scaled by
 * PRICE_SCALE (10⁻⁶ of a minor unit). No floating point anywhere. Products go through money_mul_div
 * with a named rounding.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

#define PRICE_SCALE INT64_C(1000000)
#define PPM         INT64_C(1000000)

/*
 * Ties: half-even to the even neighbour, half-up away from zero (a refund mirrors its charge); down
 * is towards zero.
 */
enum rounding { ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_DOWN, ROUND__COUNT };

extern const char *const rounding_names[ROUND__COUNT]; /* "half-even", "half-up", "down" */
bool rounding_parse(struct str text, enum rounding *ret_rounding);

/*
 * quotient = round(a * b / div), residue = a * b - quotient * div (in 1/div units, may be
 * negative). 128-bit inside. Errors: E_RANGE if the quotient does not fit or div <= 0.
 */
MUST_CHECK int money_mul_div(int64_t a, int64_t b, int64_t div, enum rounding rounding,
                             int64_t *ret_quotient, int64_t *ret_residue, struct err *err);

MUST_CHECK int money_add(int64_t a, int64_t b, int64_t *ret_sum, struct err *err);

struct currency {
    char code[4];
    uint8_t exponent;
};
/* The currency table (ISO 4217: KRW, USD, EUR, JPY, CNY); NULL if unknown. */
const struct currency *currency_find(struct str code);

struct money_text {
    char c[32];
};
/* Decimal text with exactly `exponent` fraction digits: 12345 with exponent 2 -> "123.45". */
struct money_text money_format(int64_t minor, const struct currency *currency);
/*
 * Inverse of money_format; refuses more fraction digits than the exponent, leading zeros, '+' and
 * exponents.
 */
bool money_parse(struct str text, const struct currency *currency, int64_t *ret_minor);
