/*
 * lib/wire/numbers.c - company identifiers: format and check digits
 *
 *  1. kr_brn: digits d1..d10; s = d1*1 + d2*3 + d3*7 + d4*1 + d5*3 + d6*7 + d7*1 + d8*3 + d9*5 +
 * floor(d9*5 / 10); d10 = (10 - s mod 10) mod 10. Without the last mod one valid number in ten
 * would be refused.
 *  2. lei: letters become 10..35; the last two digits are 98 - (first 18 characters followed by
 * "00") mod 97 (ISO 7064).
 *  3. jp_corporate: d1 is the check digit of the 12 after it, counted from the right: weight 1 at
 * odd places, 2 at even; d1 = 9 - sum mod 9.
 *  4. eori, duns, bpn: format only. Foreign issuers of BPNs use other checksums, so theirs is not
 * enforced.
 */
#include "lib/wire/numbers.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>

#include "lib/base/check.h"

#include "lib/base/banned.h"

const char *const company_number_names[NUMBER__COUNT + 1] = {
    [NUMBER_KR_BRN] = "kr_brn", [NUMBER_LEI] = "lei",
    [NUMBER_EORI] = "eori",     [NUMBER_JP_CORPORATE] = "jp_corporate",
    [NUMBER_DUNS] = "duns",     [NUMBER_BPN] = "bpn",
};

/*
 * pattern: '9' a digit, 'a' a letter, 'x' either, '-' a hyphen (all of them or none), others stand
 * for themselves. min: characters without hyphens that must be there; the pattern's own number if
 * 0. check: rules beyond the pattern, on the normalised text; NULL if there are none.
 */
struct number_rule {
    const char *title;
    const char *pattern;
    size_t min;
    int (*check)(const char *c, const char *title, struct err *err);
};

static int digit(char c)
{
    return c - '0';
}

static int refuse_check(const char *title, const char *has, int want, int width, struct err *err)
{
    return err_tell(err, E_INVALID, "", "%s: check digit%s '%.*s', expected '%0*d'", title,
                    width > 1 ? "s are" : " is", width, has, width, want);
}

static int check_not_zero(const char *c, const char *title, struct err *err)
{
    if (c[strspn(c, "0")] == '\0')
        return err_tell(err, E_INVALID, "", "%s: consists of zeros", title);
    return 0;
}

static int check_kr_brn(const char *c, const char *title, struct err *err)
{
    static const int weights[9] = {1, 3, 7, 1, 3, 7, 1, 3, 5};
    int sum = digit(c[8]) * 5 / 10;

    for (int i = 0; i < 9; i++)
        sum += digit(c[i]) * weights[i];
    int want = (10 - sum % 10) % 10;
    if (digit(c[9]) != want)
        return refuse_check(title, c + 9, want, 1, err);
    return check_not_zero(c, title, err);
}

static int check_lei(const char *c, const char *title, struct err *err)
{
    int rest = 0;

    for (int i = 0; i < 18; i++)
        rest = isdigit((unsigned char)c[i]) ? (rest * 10 + digit(c[i])) % 97
                                            : (rest * 100 + (c[i] - 'A' + 10)) % 97;
    int want = 98 - rest * 100 % 97;
    if (digit(c[18]) * 10 + digit(c[19]) != want)
        return refuse_check(title, c + 18, want, 2, err);
    return 0;
}

static int check_jp_corporate(const char *c, const char *title, struct err *err)
{
    int sum = 0;

    for (int place = 1; place <= 12; place++)
        sum += digit(c[13 - place]) * (place % 2 == 0 ? 2 : 1);
    int want = 9 - sum % 9;
    if (digit(c[0]) != want)
        return refuse_check(title, c, want, 1, err);
    return 0;
}

static int check_bpn(const char *c, const char *title, struct err *err)
{
    if (strchr("LSA", c[3]) == NULL)
        return err_tell(
            err, E_INVALID, "",
            "%s: character 4 is '%c', expected L (legal entity), S (site) or A (address)", title,
            c[3]);
    return 0;
}

/* clang-format off */
static const struct number_rule rules[] = {
    [NUMBER_KR_BRN]       = {"Korean business registration number", "999-99-99999",         0, check_kr_brn},
    [NUMBER_LEI]          = {"LEI",                                 "xxxxxxxxxxxxxxxxxx99", 0, check_lei},
    [NUMBER_EORI]         = {"EORI number",                         "aaxxxxxxxxxxxxxxx",    3, NULL},
    [NUMBER_JP_CORPORATE] = {"Japanese corporate number",           "9999999999999",        0, check_jp_corporate},
    [NUMBER_DUNS]         = {"D-U-N-S number",                      "99-999-9999",          0, check_not_zero},
    [NUMBER_BPN]          = {"BPN",                                 "BPNaxxxxxxxxxxxx",     0, check_bpn},
};
/* clang-format on */
static_assert(ARRAY_LEN(rules) == NUMBER__COUNT, "one rule per kind of number");

bool company_number_kind(struct str name, enum company_number *ret_kind)
{
    for (enum company_number kind = 0; kind < NUMBER__COUNT; kind++) {
        if (str_eq_c(name, company_number_names[kind])) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

/* What the pattern wants at one place, for people; NULL if the character (in upper case) is one. */
static const char *expected(char want, char got, char literal[static 4])
{
    switch (want) {
    case '9': return isdigit((unsigned char)got) ? NULL : "a digit";
    case 'a': return isupper((unsigned char)got) ? NULL : "a letter from A to Z";
    case 'x':
        return isdigit((unsigned char)got) || isupper((unsigned char)got) ? NULL
                                                                          : "a letter or a digit";
    default:
        literal[0] = '\'';
        literal[1] = want;
        literal[2] = '\'';
        literal[3] = '\0';
        return got == want ? NULL : literal;
    }
}

static int refuse_char(const char *title, size_t i, char got, const char *want, struct err *err)
{
    if (!isgraph((unsigned char)got))
        return err_tell(err, E_INVALID, "", "%s: character %zu is no letter or digit, expected %s",
                        title, i + 1, want);
    return err_tell(err, E_INVALID, "", "%s: character %zu is '%c', expected %s", title, i + 1, got,
                    want);
}

static size_t count_hyphens(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '-';
    return n;
}

static int refuse_length(const struct number_rule *rule, size_t min, size_t max, size_t got,
                         struct err *err)
{
    if (min == max)
        return err_tell(err, E_INVALID, "", "%s: has %zu characters, expected %zu", rule->title,
                        got, max);
    return err_tell(err, E_INVALID, "", "%s: has %zu characters, expected %zu to %zu", rule->title,
                    got, min, max);
}

/* Walks text and pattern together; hyphens are compared only if the text has any. */
static int normalise(const struct number_rule *rule, struct str text,
                     struct company_number_text *out, struct err *err)
{
    struct str pattern = str_c(rule->pattern);
    size_t max = pattern.n - count_hyphens(pattern);
    size_t length = text.n - count_hyphens(text);
    bool hyphens = length != text.n;
    size_t n = 0;
    size_t i = 0;
    char literal[4];

    static_assert(sizeof(out->c) > 20, "the longest pattern fits");
    if (length < (rule->min != 0 ? rule->min : max) || length > max)
        return refuse_length(rule, rule->min != 0 ? rule->min : max, max, length, err);
    for (size_t j = 0; j < pattern.n && i < text.n; j++) {
        if (pattern.p[j] == '-' && !hyphens)
            continue;
        char got = (char)toupper((unsigned char)text.p[i]);
        const char *want = expected(pattern.p[j], got, literal);
        if (want != NULL)
            return refuse_char(rule->title, i, text.p[i], want, err);
        if (got != '-')
            out->c[n++] = got;
        i++;
    }
    if (i < text.n)
        return refuse_char(rule->title, i, text.p[i], "the end", err);
    out->c[n] = '\0';
    return 0;
}

int company_number_check(enum company_number kind, struct str text,
                         struct company_number_text *ret_text, struct err *err)
{
    struct company_number_text out = {0};

    CHECK(kind < NUMBER__COUNT);
    const struct number_rule *rule = &rules[kind];
    if (normalise(rule, str_trim(text), &out, err) < 0)
        return err_ret(err);
    if (rule->check != NULL && rule->check(out.c, rule->title, err) < 0)
        return err_ret(err);
    *ret_text = out;
    return 0;
}
