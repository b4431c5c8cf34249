/*
 * lib/base/money.c - amounts in minor units
 *
 * Rounding rule. With the exact quotient a*b/div between the integers t (towards zero) and t±1
 * (away from zero):
 *   1. down takes t;
 *   2. half-up takes t±1 if the rest is at least half of div;
 *   3. half-even takes t±1 if the rest is more than half, or exactly half and t is odd.
 * The residue is a*b - quotient*div, so nothing is lost.
 */
#include "lib/base/money.h"

#include <assert.h>
#include <inttypes.h>

#include "lib/base/check.h"

#include "lib/base/banned.h"

const char *const rounding_names[] = {
    [ROUND_HALF_EVEN] = "half-even",
    [ROUND_HALF_UP] = "half-up",
    [ROUND_DOWN] = "down",
};
static_assert(ARRAY_LEN(rounding_names) == ROUND__COUNT, "one name per rounding");

bool rounding_parse(struct str text, enum rounding *ret_rounding)
{
    for (unsigned i = 0; i < ROUND__COUNT; i++) {
        if (str_eq_c(text, rounding_names[i])) {
            *ret_rounding = (enum rounding)i;
            return true;
        }
    }
    return false;
}

static bool rounds_away(enum rounding rounding, __int128_t quotient, __int128_t twice_rest,
                        int64_t div)
{
    switch (rounding) {
    case ROUND_HALF_EVEN: return twice_rest > div || (twice_rest == div && quotient % 2 != 0);
    case ROUND_HALF_UP: return twice_rest >= div;
    case ROUND_DOWN: return false;
    case ROUND__COUNT: break;
    }
    CHECK_UNREACHABLE();
}

int money_mul_div(int64_t a, int64_t b, int64_t div, enum rounding rounding, int64_t *ret_quotient,
                  int64_t *ret_residue, struct err *err)
{
    __int128_t product = (__int128_t)a * b;
    __int128_t quotient, rest;

    if (div <= 0)
        return err_set(err, E_RANGE, "", "divisor %" PRId64 " is not positive", div);
    quotient = product / div;
    rest = product % div;
    if (rounds_away(rounding, quotient, 2 * (rest < 0 ? -rest : rest), div))
        quotient += product < 0 ? -1 : 1;
    if (quotient > INT64_MAX || quotient < INT64_MIN)
        return err_set(err, E_RANGE, "", "%" PRId64 " * %" PRId64 " / %" PRId64 " is too large", a,
                       b, div);
    *ret_quotient = (int64_t)quotient;
    *ret_residue = (int64_t)(product - quotient * div);
    return 0;
}

int money_add(int64_t a, int64_t b, int64_t *ret_sum, struct err *err)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return err_set(err, E_RANGE, "", "%" PRId64 " + %" PRId64 " is too large", a, b);
    *ret_sum = sum;
    return 0;
}

/* ISO 4217 */
static const struct currency currencies[] = {
    {"KRW", 0},
    {"USD", 2},
    {"EUR", 2},
    {"JPY", 0},
    {"CNY", 2},
};

const struct currency *currency_find(struct str code)
{
    for (size_t i = 0; i < ARRAY_LEN(currencies); i++)
        if (str_eq_c(code, currencies[i].code))
            return &currencies[i];
    return NULL;
}

struct money_text money_format(int64_t minor, const struct currency *currency)
{
    uint64_t rest = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    struct money_text text;
    char reversed[sizeof(text.c)];
    size_t n = 0;

    /* 19 digits, or exponent + 1 if there are fewer; a sign and a point */
    CHECK(currency->exponent < 10);
    for (unsigned digits = 0; rest > 0 || digits <= currency->exponent; digits++) {
        if (digits == currency->exponent && digits > 0)
            reversed[n++] = '.';
        reversed[n++] = (char)('0' + rest % 10);
        rest /= 10;
    }
    if (minor < 0)
        reversed[n++] = '-';
    for (size_t i = 0; i < n; i++)
        text.c[i] = reversed[n - 1 - i];
    text.c[n] = '\0';
    return text;
}

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

bool money_parse(struct str text, const struct currency *currency, int64_t *ret_minor)
{
    bool negative = str_starts(text, STR("-"));
    struct str rest = str_from(text, negative ? 1 : 0);
    struct str whole = str_cut(&rest, '.');
    bool has_fraction = str_present(rest);
    char digits[40];
    int64_t minor;
    int n;

    if (whole.n == 0 || whole.n > 19 || !all_digits(whole) || (whole.n > 1 && whole.p[0] == '0'))
        return false;
    if (has_fraction && (rest.n == 0 || rest.n > currency->exponent || !all_digits(rest)))
        return false;
    n = snprintf(digits, sizeof(digits), "%s%.*s%.*s", negative ? "-" : "", STR_ARG(whole),
                 STR_ARG(rest));
    for (size_t missing = currency->exponent - rest.n; missing > 0; missing--)
        digits[n++] = '0';
    if (!str_to_i64(str_n(digits, (size_t)n), &minor))
        return false;
    *ret_minor = minor;
    return true;
}
