/*
 * IRIs as JSON-LD needs them: is it absolute, resolve a reference (RFC 3986 §5.2), find the shortest reference
 * (inverse of it), recognise keywords. Texts are not validated beyond that.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

static const struct str kw_names[] = {
    [KW_NO] = {"",           0 },
    [KW_BASE] = {"@base",      5 },
    [KW_CONTAINER] = {"@container", 10},
    [KW_CONTEXT] = {"@context",   8 },
    [KW_DIRECTION] = {"@direction", 10},
    [KW_GRAPH] = {"@graph",     6 },
    [KW_ID] = {"@id",        3 },
    [KW_IMPORT] = {"@import",    7 },
    [KW_INCLUDED] = {"@included",  9 },
    [KW_INDEX] = {"@index",     6 },
    [KW_JSON] = {"@json",      5 },
    [KW_LANGUAGE] = {"@language",  9 },
    [KW_LIST] = {"@list",      5 },
    [KW_NEST] = {"@nest",      5 },
    [KW_NONE] = {"@none",      5 },
    [KW_PREFIX] = {"@prefix",    7 },
    [KW_PROPAGATE] = {"@propagate", 10},
    [KW_PROTECTED] = {"@protected", 10},
    [KW_REVERSE] = {"@reverse",   8 },
    [KW_SET] = {"@set",       4 },
    [KW_TYPE] = {"@type",      5 },
    [KW_VALUE] = {"@value",     6 },
    [KW_VERSION] = {"@version",   8 },
    [KW_VOCAB] = {"@vocab",     6 },
};
static_assert(ARRAY_LEN(kw_names) == KW__COUNT, "one name per keyword");

enum kw kw_of(struct str s)
{
    if (s.n < 3 || s.p[0] != '@')
        return KW_NO;
    for (enum kw kw = KW_BASE; kw < KW__COUNT; kw++)
        if (str_eq(s, kw_names[kw]))
            return kw;
    return KW_NO;
}

struct str kw_str(enum kw kw)
{
    return kw_names[kw];
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool kw_like(struct str s)
{
    if (s.n < 2 || s.p[0] != '@')
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!is_letter(s.p[i]))
            return false;
    return true;
}

/* Length of the scheme, 0 without one. */
static size_t scheme_len(struct str s)
{
    if (s.n == 0 || !is_letter(s.p[0]))
        return 0;
    for (size_t i = 1; i < s.n; i++) {
        char c = s.p[i];

        if (c == ':')
            return i;
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.')
            return 0;
    }
    return 0;
}

bool iri_absolute(struct str s)
{
    return scheme_len(s) > 0;
}

bool iri_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || memchr("<>\"{}|\\^`", s.p[i], 9) != NULL)
            return false;
    return iri_absolute(s);
}

bool iri_blank(struct str s)
{
    return s.n >= 2 && s.p[0] == '_' && s.p[1] == ':';
}

/* Parts of a reference; absent ones are STR_NONE. The path is never absent. */
struct parts {
    struct str scheme, authority, path, query, fragment;
};

static struct parts split(struct str s)
{
    struct parts parts = {
        .path = {"", 0}
    };
    size_t scheme = scheme_len(s);
    struct str rest = s;

    if (scheme > 0) {
        parts.scheme = str_n(s.p, scheme);
        rest = str_from(s, scheme + 1);
    }
    const char *mark = rest.n > 0 ? memchr(rest.p, '#', rest.n) : NULL;

    if (mark != NULL) {
        parts.fragment = str_from(rest, (size_t)(mark - rest.p) + 1);
        rest.n = (size_t)(mark - rest.p);
    }
    mark = rest.n > 0 ? memchr(rest.p, '?', rest.n) : NULL;
    if (mark != NULL) {
        parts.query = str_from(rest, (size_t)(mark - rest.p) + 1);
        rest.n = (size_t)(mark - rest.p);
    }
    if (str_starts(rest, STR("//"))) {
        rest = str_from(rest, 2);
        mark = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
        parts.authority = str_n(rest.p, mark != NULL ? (size_t)(mark - rest.p) : rest.n);
        rest = str_from(rest, parts.authority.n);
    }
    parts.path = rest.n > 0 ? rest : STR("");
    return parts;
}

/* Cuts the last segment, "/" included, off the n bytes at p; gives the length that is left. */
static size_t without_last(const char *p, size_t n)
{
    while (n > 0 && p[n - 1] != '/')
        n--;
    return n > 0 ? n - 1 : 0;
}

/* RFC 3986 §5.2.4, in place; gives the new length. */
static size_t remove_dots(char *p, size_t n)
{
    size_t in = 0, out = 0;

    while (in < n) {
        struct str rest = str_n(p + in, n - in);

        if (str_starts(rest, STR("../"))) {
            in += 3;
        } else if (str_starts(rest, STR("./"))) {
            in += 2;
        } else if (str_starts(rest, STR("/./"))) {
            in += 2;
        } else if (str_eq(rest, STR("/."))) {
            p[out++] = '/';
            in = n;
        } else if (str_starts(rest, STR("/../"))) {
            in += 3;
            out = without_last(p, out);
        } else if (str_eq(rest, STR("/.."))) {
            out = without_last(p, out);
            p[out++] = '/';
            in = n;
        } else if (str_eq(rest, STR(".")) || str_eq(rest, STR(".."))) {
            in = n;
        } else {
            do
                p[out++] = p[in++];
            while (in < n && p[in] != '/');
        }
    }
    return out;
}

/* The path of the reference laid over that of the base (§5.2.3), without dot segments. */
static struct str merged_path(struct arena *arena, const struct parts *base, struct str path)
{
    size_t keep = base->path.n;
    size_t slash = 0;

    if (path.n > 0 && path.p[0] == '/') {
        keep = 0;
    } else if (str_present(base->authority) && base->path.n == 0) {
        keep = 0;
        slash = 1;
    } else {
        while (keep > 0 && base->path.p[keep - 1] != '/')
            keep--;
    }
    char *p = arena_alloc(arena, keep + slash + path.n);

    if (p == NULL)
        return STR_NONE;
    if (keep > 0)
        memcpy(p, base->path.p, keep);
    if (slash > 0)
        p[0] = '/';
    if (path.n > 0)
        memcpy(p + keep + slash, path.p, path.n);
    return str_n(p, remove_dots(p, keep + slash + path.n));
}

static struct str join(struct arena *arena, const struct parts *parts)
{
    const struct str piece[] = {
        parts->scheme,
        str_present(parts->scheme) ? STR(":") : STR(""),
        str_present(parts->authority) ? STR("//") : STR(""),
        parts->authority,
        parts->path,
        str_present(parts->query) ? STR("?") : STR(""),
        parts->query,
        str_present(parts->fragment) ? STR("#") : STR(""),
        parts->fragment,
    };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(piece); i++)
        n += piece[i].n;
    char *p = arena_alloc(arena, n);

    if (p == NULL)
        return STR_NONE;
    size_t at = 0;

    for (size_t i = 0; i < ARRAY_LEN(piece); i++) {
        if (piece[i].n > 0)
            memcpy(p + at, piece[i].p, piece[i].n);
        at += piece[i].n;
    }
    return str_n(p, n);
}

struct str iri_resolve(struct arena *arena, struct str base, struct str reference)
{
    if (!iri_absolute(base) || iri_absolute(reference))
        return reference;
    struct parts b = split(base);
    struct parts r = split(reference);
    struct parts t = {.scheme = b.scheme, .authority = b.authority, .fragment = r.fragment};

    if (str_present(r.authority)) {
        static const struct parts none = {
            .path = {"", 0}
        };

        t.authority = r.authority;
        t.path = r.path.n > 0 ? merged_path(arena, &none, r.path) : r.path;
        t.query = r.query;
    } else if (r.path.n == 0) {
        t.path = b.path;
        t.query = str_present(r.query) ? r.query : b.query;
    } else {
        t.path = merged_path(arena, &b, r.path);
        t.query = r.query;
    }
    return str_present(t.path) ? join(arena, &t) : STR_NONE;
}

static size_t count_char(struct str s, char c)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

struct str iri_relative(struct arena *arena, struct str base, struct str iri)
{
    struct parts b = split(base);
    struct parts t = split(iri);

    if (!str_present(b.scheme) || !str_eq(b.scheme, t.scheme) ||
        str_present(b.authority) != str_present(t.authority) || !str_eq(b.authority, t.authority))
        return iri;
    struct str from = b.path;
    struct str to = t.path;
    bool tail = str_present(t.query) || str_present(t.fragment);

    /* common segments go; the last of the target stays, unless a query or fragment follows that can stand alone */
    for (;;) {
        const char *f = from.n > 0 ? memchr(from.p, '/', from.n) : NULL;
        const char *g = to.n > 0 ? memchr(to.p, '/', to.n) : NULL;
        struct str a = f != NULL ? str_n(from.p, (size_t)(f - from.p)) : from;
        struct str c = g != NULL ? str_n(to.p, (size_t)(g - to.p)) : to;

        if (!str_eq(a, c))
            break;
        if (f == NULL || g == NULL) {
            if (f == NULL && g == NULL && tail)
                from = to = STR("");
            break;
        }
        from = str_from(from, a.n + 1);
        to = str_from(to, c.n + 1);
    }
    size_t up = count_char(from, '/');
    struct str rest =
        join(arena, &(struct parts){.path = to, .query = t.query, .fragment = t.fragment});
    bool plain = up == 0 && (iri_absolute(rest) || kw_like(rest) || rest.n == 0);
    size_t n = 3 * up + (plain ? 2 : 0) + rest.n;
    char *p = arena_alloc(arena, n);

    if (p == NULL)
        return STR_NONE;
    for (size_t i = 0; i < up; i++)
        memcpy(p + 3 * i, "../", 3);
    if (plain)
        memcpy(p, "./", 2);
    if (rest.n > 0)
        memcpy(p + n - rest.n, rest.p, rest.n);
    return str_n(p, n);
}
