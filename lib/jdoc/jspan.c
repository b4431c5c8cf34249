/*
 * lib/jdoc/jspan.c - members and elements of JSON text, found without parsing it
 */
#include "lib/jdoc/jspan.h"

#include "lib/base/banned.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct jspan *span)
{
    while (span->p < span->end && is_space(*span->p))
        span->p++;
}

const char *jspan_string_end(const char *p, const char *end)
{
    const char *from = p + 1;

    for (;;) {
        const char *quote = from < end ? memchr(from, '"', (size_t)(end - from)) : NULL;
        size_t slashes = 0;

        if (quote == NULL)
            return NULL;
        while (quote - 1 - slashes > p && quote[-1 - (ptrdiff_t)slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return quote + 1;
        from = quote + 1;
    }
}

/* Behind the object or array that starts at p. */
static const char *brackets_end(const char *p, const char *end)
{
    size_t depth = 0;

    while (p != NULL && p < end) {
        switch (*p) {
        case '"': p = jspan_string_end(p, end); continue;
        case '{':
        case '[': depth++; break;
        case '}':
        case ']': depth--; break;
        default: break;
        }
        p++;
        if (depth == 0)
            return p;
    }
    return NULL;
}

static const char *scalar_end(const char *p, const char *end)
{
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !is_space(*p))
        p++;
    return p;
}

static const char *value_end(const char *p, const char *end)
{
    switch (*p) {
    case '"': return jspan_string_end(p, end);
    case '{':
    case '[': return brackets_end(p, end);
    default: return scalar_end(p, end);
    }
}

bool jspan_init(struct jspan *span, struct str text)
{
    *span = (struct jspan){.p = text.p, .end = text.p + text.n};
    skip_space(span);
    if (span->p == span->end || (*span->p != '{' && *span->p != '['))
        return false;
    span->object = *span->p++ == '{';
    return true;
}

static bool fail(struct jspan *span)
{
    span->failed = true;
    return false;
}

/* To the next part; false at the closing bracket, which is taken, or if there is neither. */
static bool to_part(struct jspan *span)
{
    skip_space(span);
    if (span->p == span->end)
        return fail(span);
    if (*span->p == (span->object ? '}' : ']')) {
        span->p++;
        span->closed = true;
        return false;
    }
    if (span->begun) {
        if (*span->p != ',')
            return fail(span);
        span->p++;
        skip_space(span);
    }
    span->begun = true;
    return span->p < span->end ? true : fail(span);
}

static bool take_key(struct jspan *span, struct str *ret_key)
{
    const char *end = *span->p == '"' ? jspan_string_end(span->p, span->end) : NULL;

    if (end == NULL)
        return fail(span);
    *ret_key = str_n(span->p + 1, (size_t)(end - span->p) - 2);
    span->p = end;
    skip_space(span);
    if (span->p == span->end || *span->p != ':')
        return fail(span);
    span->p++;
    skip_space(span);
    return span->p < span->end ? true : fail(span);
}

bool jspan_next(struct jspan *span, struct str *ret_key, struct str *ret_value)
{
    const char *end;

    *ret_key = STR_NONE;
    if (span->closed || span->failed || !to_part(span) ||
        (span->object && !take_key(span, ret_key)))
        return false;
    end = value_end(span->p, span->end);
    if (end == NULL || end == span->p)
        return fail(span);
    *ret_value = str_n(span->p, (size_t)(end - span->p));
    span->p = end;
    return true;
}

bool jspan_complete(const struct jspan *span)
{
    const char *p = span->p;

    while (p < span->end && is_space(*p))
        p++;
    return span->closed && !span->failed && p == span->end;
}
