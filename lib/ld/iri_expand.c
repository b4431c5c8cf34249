/*
 * §5.2 IRI Expansion: with a complete context, and while one is being built.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

struct str iri__concat(struct run *run, struct str a, struct str b)
{
    char *p = arena_alloc(run->arena, a.n + b.n);

    if (p == NULL)
        return STR("");
    if (a.n > 0)
        memcpy(p, a.p, a.n);
    if (b.n > 0)
        memcpy(p + a.n, b.p, b.n);
    return str_n(p, a.n + b.n);
}

/* Offset of the first colon behind the first character; 0: none. */
size_t iri__colon(struct str s)
{
    const char *colon = s.n > 1 ? memchr(s.p + 1, ':', s.n - 1) : NULL;

    return colon != NULL ? (size_t)(colon - s.p) : 0;
}

/* Steps 6.4 and 6.5 and after; `colon` as above. */
static struct iri expand_rest(struct run *run, const struct ctx *ctx, struct str value,
                              size_t colon, unsigned how)
{
    if (colon > 0) {
        const struct term *prefix = ctx_find(ctx, str_n(value.p, colon));

        if (prefix != NULL && prefix->prefix && str_present(prefix->iri))
            return (struct iri){iri__concat(run, prefix->iri, str_from(value, colon + 1)), KW_NO};
        if (iri_absolute(value))
            return (struct iri){value, KW_NO};
    }
    if ((how & IRI_VOCAB) != 0 && str_present(ctx->vocab))
        return (struct iri){iri__concat(run, ctx->vocab, value), KW_NO};
    if ((how & IRI_DOCUMENT) != 0) {
        struct str base = ctx_base(run, ctx);

        if (str_present(base))
            return (struct iri){iri_resolve(run->arena, base, value), KW_NO};
    }
    return (struct iri){value, KW_NO};
}

/* Steps 4 and 5: the term itself. */
static bool expand_term(const struct ctx *ctx, struct str value, unsigned how, struct iri *ret)
{
    const struct term *term = ctx_find(ctx, value);

    if (term == NULL || (term->kw == KW_NO && (how & IRI_VOCAB) == 0))
        return false;
    *ret = (struct iri){term->iri, term->kw};
    return true;
}

bool iri__complete(struct str value, size_t colon)
{
    return (colon == 1 && value.p[0] == '_') || str_starts(str_from(value, colon + 1), STR("//"));
}

struct iri iri_expand(struct run *run, const struct ctx *ctx, struct str value, unsigned how)
{
    struct iri iri;
    enum kw kw = kw_of(value);

    if (kw != KW_NO)
        return (struct iri){value, kw};
    if (kw_like(value))
        return (struct iri){STR_NONE, KW_NO};
    if (expand_term(ctx, value, how, &iri))
        return iri;
    size_t colon = iri__colon(value);

    if (colon > 0 && iri__complete(value, colon))
        return (struct iri){value, KW_NO};
    return expand_rest(run, ctx, value, colon, how);
}

struct iri iri_expand_key(struct run *run, const struct ctx *ctx, struct str key,
                          const struct term **ret_term)
{
    enum kw kw = kw_of(key);

    *ret_term = ctx_find(ctx, key);
    if (kw != KW_NO)
        return (struct iri){key, kw};
    if (*ret_term != NULL)
        return (struct iri){(*ret_term)->iri, (*ret_term)->kw};
    return iri_expand(run, ctx, key, IRI_VOCAB);
}

int iri_expand_local(struct run *run, struct ctx *ctx, struct str value, unsigned how,
                     struct local *local, struct iri *ret_iri)
{
    enum kw kw = kw_of(value);

    if (kw != KW_NO || kw_like(value)) {
        *ret_iri = (struct iri){kw != KW_NO ? value : STR_NONE, kw};
        return 0;
    }
    if (term__need(run, ctx, local, value) < 0)
        return err_ret(run->err);
    if (expand_term(ctx, value, how, ret_iri))
        return 0;
    size_t colon = iri__colon(value);

    if (colon > 0) {
        struct str prefix = str_n(value.p, colon);

        if (iri__complete(value, colon)) {
            *ret_iri = (struct iri){value, KW_NO};
            return 0;
        }
        if (term__need(run, ctx, local, prefix) < 0)
            return err_ret(run->err);
    }
    *ret_iri = expand_rest(run, ctx, value, colon, how);
    return run_check(run);
}
