/*
 * lib/base/str.c - text by pointer and length
 */
#include "lib/base/str.h"

#include "lib/base/banned.h"

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

struct str str_cut(struct str *s, char sep)
{
    const char *at = s->n > 0 ? memchr(s->p, sep, s->n) : NULL;
    struct str head = *s;

    if (at == NULL) {
        *s = STR_NONE;
        return head;
    }
    head.n = (size_t)(at - s->p);
    *s = str_from(*s, head.n + 1);
    return head;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

/* Length of the well-formed sequence at s (RFC 3629 §4), 0 if there is none. */
static size_t utf8_sequence(const unsigned char *s, size_t n)
{
    size_t len;
    unsigned char low = 0x80, high = 0xBF; /* range of the second byte */

    if (s[0] < 0x80)
        return s[0] != 0;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (n < len)
        return 0;
    if (s[0] == 0xE0)
        low = 0xA0; /* overlong */
    else if (s[0] == 0xED)
        high = 0x9F; /* surrogates */
    else if (s[0] == 0xF0)
        low = 0x90; /* overlong */
    else if (s[0] == 0xF4)
        high = 0x8F; /* above U+10FFFF */
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

/* Eight bytes that are ASCII without NUL: most text is nothing else. */
static bool is_plain(const unsigned char p[static 8])
{
    const uint64_t high = UINT64_C(0x8080808080808080), low = UINT64_C(0x0101010101010101);
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return (w & high) == 0 && ((w - low) & high) == 0;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t len;

    for (size_t i = 0; i < s.n; i += len) {
        if (s.n - i >= 8 && is_plain(p + i))
            len = 8;
        else if ((len = utf8_sequence(p + i, s.n - i)) == 0)
            return false;
    }
    return true;
}

bool str_to_i64(struct str s, int64_t *ret_value)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    struct str digits = negative ? str_from(s, 1) : s;
    int64_t value = 0;

    if (digits.n == 0)
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        int digit = digits.p[i] - '0';

        if (digit < 0 || digit > 9)
            return false;
        /* towards the sign, because INT64_MIN has no positive twin */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool str_eq_secret(struct str a, struct str b)
{
    volatile unsigned char difference = 0; /* volatile: no early exit by the optimiser */

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        difference = (unsigned char)(difference | ((unsigned char)a.p[i] ^ (unsigned char)b.p[i]));
    return difference == 0;
}

uint64_t str_hash(struct str s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return hash;
}
