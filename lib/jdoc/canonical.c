/*
 * Canonical JSON, RFC 8785 (JCS).
 *
 *  1. No white space; literals null, true, false (§3.2.1, §3.2.2.1).
 *  2. Strings as json_quote() writes them (§3.2.2.2).
 *  3. Numbers as ECMA-262 Number::toString (§3.2.2.3): the fewest digits that read back as the same
 *     double, the nearest to it among several; decimal notation for 10^-6 <= |x| < 10^21, else
 *     d.ddde±x; minus zero is 0.
 *  4. An integer that was written without fraction and exponent keeps all its digits, also beyond
 *     2^53. I-JSON (RFC 7493 §2.2), on which RFC 8785 rests, advises against such numbers; rounding
 *     them would give two amounts one hash. (A real above 2^53 is written without point by rule 3 and
 *     then reads back as an integer of those digits; the canonical text does not change by that.)
 *  5. Members sorted by key at every level, compared as unsigned UTF-16 code units (§3.2.3).
 *     Arrays keep their order.
 *  6. UTF-8 without normalisation (§3.2.4).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/jdoc/jdoc.h"
#include "lib/jdoc/jdoc_private.h"

#include "lib/base/banned.h"

/* -- numbers -- */

/* value = 0.d1d2d3… × 10^point; at most 17 digits tell every double apart. */
struct decimal {
    char digits[20];
    int n;
    int point;
};

enum { DIGITS_ALWAYS_KEPT = 15, DIGITS_MAX = 17, ES_DECIMAL_MAX = 21, ES_DECIMAL_MIN = -6 };

/* Rounds to n significant digits. Reads digits only: the decimal sign depends on the locale. */
static struct decimal decimal_of(double value, int n)
{
    struct decimal d = {0};
    char text[40];
    const char *c = text;

    (void)snprintf(text, sizeof(text), "%.*e", n - 1, value);
    for (; *c != 'e'; c++) {
        if (*c >= '0' && *c <= '9')
            d.digits[d.n++] = *c;
    }
    d.point = (int)strtol(c + 1, NULL, 10) + 1;
    return d;
}

static double decimal_value(const struct decimal *d)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "%.*se%d", d->n, d->digits, d->point - d->n);
    return strtod(text, NULL);
}

/*
 * Fewest digits that read back as value (> 0). Below a power of two the neighbours are twice as near as above, so there
 * the nearest decimal of n digits may fail while the next one up holds. (Behind a 9 the next one up has fewer digits and
 * was tried before.) Fifteen digits survive in every normal double.
 */
static struct decimal shortest(double value)
{
    int n = fpclassify(value) == FP_SUBNORMAL ? 1 : DIGITS_ALWAYS_KEPT;
    struct decimal d;

    for (;; n++) {
        d = decimal_of(value, n);
        if (n == DIGITS_MAX || decimal_value(&d) == value)
            break;
        if (d.digits[n - 1] == '9')
            continue;
        d.digits[n - 1]++;
        if (decimal_value(&d) == value)
            break;
    }
    while (d.n > 1 && d.digits[d.n - 1] == '0')
        d.n--;
    return d;
}

static void add_zeros(struct buf *out, int n)
{
    for (int i = 0; i < n; i++)
        buf_add_char(out, '0');
}

/* ECMA-262 Number::toString, steps 6 to 10; `k` and `n` of the standard are d->n and d->point. */
static void add_decimal(struct buf *out, const struct decimal *d, bool as_real)
{
    size_t len = (size_t)d->n;
    size_t whole = d->point > 0 ? (size_t)d->point : 0;

    if (d->n <= d->point && d->point <= ES_DECIMAL_MAX) {
        buf_add(out, d->digits, len);
        add_zeros(out, d->point - d->n);
        if (as_real)
            buf_add(out, ".0", 2);
    } else if (d->point > 0 && d->point <= ES_DECIMAL_MAX) {
        buf_add(out, d->digits, whole);
        buf_add_char(out, '.');
        buf_add(out, d->digits + whole, len - whole);
    } else if (d->point > ES_DECIMAL_MIN && d->point <= 0) {
        buf_add(out, "0.", 2);
        add_zeros(out, -d->point);
        buf_add(out, d->digits, len);
    } else {
        buf_add_char(out, d->digits[0]);
        if (d->n > 1) {
            buf_add_char(out, '.');
            buf_add(out, d->digits + 1, len - 1);
        }
        buf_printf(out, "e%+d", d->point - 1);
    }
}

void jdoc__add_real(struct buf *out, double value, bool as_real)
{
    struct decimal d;

    CHECK(isfinite(value));
    if (value == 0) {
        buf_add_c(out, as_real ? "0.0" : "0");
        return;
    }
    if (value < 0)
        buf_add_char(out, '-');
    d = shortest(fabs(value));
    add_decimal(out, &d, as_real);
}

/* -- order of keys -- */

int jkey_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;

    for (size_t i = 0; i < n; i++) {
        unsigned char x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];

        if (x == y)
            continue;
        /*
         * Bytes of UTF-8 sort as code points. UTF-16 differs in one respect: what needs a surrogate
         * pair (lead F0…F4) comes before U+E000…U+FFFF (lead EE, EF).
         */
        if (x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0))
            return x >= 0xF0 ? -1 : 1;
        return x < y ? -1 : 1;
    }
    return (a.n > b.n) - (a.n < b.n);
}

/* -- values -- */

struct member {
    struct str key;
    const struct jval *value;
};

static int member_cmp(const void *a, const void *b)
{
    return jkey_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void free_members(struct member **members)
{
    free(*members);
}

static void add_sorted(struct buf *out, const struct member *members, size_t n)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        json_quote(out, members[i].key);
        buf_add_char(out, ':');
        jval_canonical(out, members[i].value);
    }
    buf_add_char(out, '}');
}

static void add_object(struct buf *out, const struct jval *v)
{
    struct member small[16];
    AUTO(free_members) struct member *large = NULL;
    struct member *members = small;
    size_t n = 0;

    if (jval_len(v) > ARRAY_LEN(small)) {
        if ((large = calloc(jval_len(v), sizeof(*large))) == NULL) {
            out->failed = true;
            return;
        }
        members = large;
    }
    for (const struct jiter *it = jiter_first(v); it != NULL; it = jiter_next(v, it))
        members[n++] = (struct member){jiter_key(it), jiter_value(it)};
    qsort(members, n, sizeof(*members), member_cmp);
    add_sorted(out, members, n);
}

void jval_canonical(struct buf *out, const struct jval *v)
{
    switch (jtype_of(v)) {
    case J_OBJECT: add_object(out, v); break;
    case J_ARRAY:
        buf_add_char(out, '[');
        for (size_t i = 0; i < jval_len(v); i++) {
            if (i > 0)
                buf_add_char(out, ',');
            jval_canonical(out, jval_at(v, i));
        }
        buf_add_char(out, ']');
        break;
    case J_REAL: jdoc__add_real(out, jval_real(v), false); break;
    case J_NULL:
    case J_BOOL:
    case J_INT:
    case J_STR: jval_write(out, v); break;
    }
}
