/*
 * lib/http/range.c - Range (RFC 9110 §14) and entity tags (§8.8.3, §13.1)
 */
#include "lib/http/http.h"

#include "lib/base/banned.h"

/* A number beyond 64 bits is a position beyond every file. */
static bool digits(struct str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool huge = false;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (value > (UINT64_MAX - 9) / 10)
            huge = true;
        else
            value = value * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret_value = huge ? UINT64_MAX : value;
    return s.n > 0;
}

enum http_range http_range_parse(struct str header, uint64_t size, uint64_t *ret_from,
                                 uint64_t *ret_length)
{
    struct str last = str_trim(header);
    struct str unit = str_cut(&last, '=');
    struct str first;
    uint64_t from, to;

    if (!str_present(last) || !str_eq_nocase(unit, STR("bytes")))
        return RANGE_NONE;
    first = str_trim(str_cut(&last, '-'));
    if (!str_present(last))
        return RANGE_NONE;
    last = str_trim(last);
    if (first.n == 0) { /* the last n bytes */
        if (!digits(last, &to))
            return RANGE_NONE;
        if (to == 0)
            return RANGE_BAD;
        if (size == 0)
            return RANGE_NONE;
        *ret_length = to < size ? to : size;
        *ret_from = size - *ret_length;
        return RANGE_OK;
    }
    if (!digits(first, &from) || (last.n > 0 && !digits(last, &to)))
        return RANGE_NONE;
    if (last.n == 0)
        to = UINT64_MAX;
    if (to < from)
        return RANGE_NONE;
    if (from >= size)
        return RANGE_BAD;
    *ret_from = from;
    *ret_length = (to < size - 1 ? to : size - 1) - from + 1;
    return RANGE_OK;
}

/* Cuts one tag, with W/ and quotes, from the list; STR_NONE at its end or where it is malformed. */
static struct str next_tag(struct str *list)
{
    struct str rest = *list;
    size_t at = 0;
    size_t from;

    while (at < rest.n && (rest.p[at] == ' ' || rest.p[at] == '\t' || rest.p[at] == ','))
        at++;
    from = at;
    if (rest.n - at >= 2 && rest.p[at] == 'W' && rest.p[at + 1] == '/')
        at += 2;
    if (at >= rest.n || rest.p[at] != '"')
        return STR_NONE;
    for (at++; at < rest.n && rest.p[at] != '"'; at++)
        ;
    if (at >= rest.n)
        return STR_NONE;
    *list = str_from(rest, at + 1);
    return str_n(rest.p + from, at + 1 - from);
}

static bool is_weak(struct str tag)
{
    return str_starts(tag, STR("W/"));
}

bool http_etag_match(struct str header, struct str etag, bool weak)
{
    struct str opaque = is_weak(etag) ? str_from(etag, 2) : etag;
    struct str tag;

    if (!str_present(header) || !str_present(etag))
        return false;
    if (str_eq(str_trim(header), STR("*")))
        return true;
    while (str_present(tag = next_tag(&header))) {
        if (!weak && (is_weak(tag) || is_weak(etag)))
            continue;
        if (str_eq(is_weak(tag) ? str_from(tag, 2) : tag, opaque))
            return true;
    }
    return false;
}
