/*
 * §4.3 Inverse Context Creation and §4.4 Term Selection. For each IRI a list of (container, kind, value) → term, in order
 * of preference: the first of equal entries is the shortest term.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

struct choice {
    struct choice *next;
    unsigned container;
    enum inverse_by by;
    struct str value;
    const struct term *term;
};

struct bucket {
    struct str iri;
    struct choice *first, *last;
};

struct inverse {
    struct bucket *slot;
    uint32_t mask;
    const struct term **prefix;
    size_t n_prefix;
};

static struct bucket *bucket_of(const struct inverse *inverse, struct str iri)
{
    uint32_t i = key_hash(iri) & inverse->mask;

    while (str_present(inverse->slot[i].iri) && !str_eq(inverse->slot[i].iri, iri))
        i = (i + 1) & inverse->mask;
    return &inverse->slot[i];
}

static void choose(struct run *run, struct bucket *bucket, const struct term *term,
                   enum inverse_by by, struct str value)
{
    for (const struct choice *c = bucket->first; c != NULL; c = c->next)
        if (c->container == term->container && c->by == by && str_eq(c->value, value))
            return;
    struct choice *choice = ARENA_NEW(run->arena, struct choice);

    if (choice == NULL)
        return;
    *choice = (struct choice){NULL, term->container, by, value, term};
    if (bucket->last != NULL)
        bucket->last->next = choice;
    else
        bucket->first = choice;
    bucket->last = choice;
}

struct str inverse_language(struct run *run, struct str language, enum direction direction)
{
    static const struct str suffix[] = {
        [DIR_NONE] = {"",     0},
          [DIR_LTR] = {"_ltr", 4},
          [DIR_RTL] = {"_rtl", 4}
    };
    struct str tail = suffix[direction];

    if (!str_present(language) && direction == DIR_NONE)
        return STR("@null");
    char *p = arena_alloc(run->arena, language.n + tail.n);

    if (p == NULL)
        return STR("@null");
    for (size_t i = 0; i < language.n; i++)
        p[i] = language.p[i] >= 'A' && language.p[i] <= 'Z' ? (char)(language.p[i] + 32)
                                                            : language.p[i];
    if (tail.n > 0)
        memcpy(p + language.n, tail.p, tail.n);
    return str_n(p, language.n + tail.n);
}

/* Step 3, for one term. */
static void add_term(struct run *run, const struct ctx *ctx, struct inverse *inverse,
                     const struct term *term)
{
    struct bucket *b = bucket_of(inverse, term->iri);
    struct str usual = str_present(ctx->language) ? inverse_language(run, ctx->language, DIR_NONE)
                                                  : kw_str(KW_NONE);

    b->iri = term->iri;
    choose(run, b, term, BY_ANY, kw_str(KW_NONE));
    if (term->reverse) {
        choose(run, b, term, BY_TYPE, kw_str(KW_REVERSE));
    } else if (term->type_kw == KW_NONE) {
        choose(run, b, term, BY_LANGUAGE, STR("@any"));
        choose(run, b, term, BY_TYPE, STR("@any"));
    } else if (str_present(term->type)) {
        choose(run, b, term, BY_TYPE, term->type);
    } else if (term->has_language && term->has_direction) {
        choose(run, b, term, BY_LANGUAGE, inverse_language(run, term->language, term->direction));
    } else if (term->has_language) {
        choose(run, b, term, BY_LANGUAGE, inverse_language(run, term->language, DIR_NONE));
    } else if (term->has_direction) {
        choose(run, b, term, BY_LANGUAGE,
               term->direction == DIR_NONE ? kw_str(KW_NONE)
                                           : inverse_language(run, STR_NONE, term->direction));
    } else {
        if (ctx->direction != DIR_NONE)
            usual = inverse_language(run, ctx->language, ctx->direction);
        choose(run, b, term, BY_LANGUAGE, usual);
        choose(run, b, term, BY_LANGUAGE, kw_str(KW_NONE));
        choose(run, b, term, BY_TYPE, kw_str(KW_NONE));
    }
}

static int by_length(const void *a, const void *b)
{
    struct str x = (*(const struct term *const *)a)->name;
    struct str y = (*(const struct term *const *)b)->name;

    return x.n != y.n ? (x.n < y.n ? -1 : 1) : str_cmp(x, y);
}

static const struct inverse *make(struct run *run, const struct ctx *ctx)
{
    struct inverse *inverse = ARENA_NEW(run->arena, struct inverse);
    const struct term **term = ARENA_ARRAY(run->arena, const struct term *, ctx->terms + 1);
    struct ctx_walk walk = {.top = ctx, .layer = ctx};
    uint32_t size = 16;
    size_t n = 0;

    while (size < 2 * ctx->terms + 2)
        size *= 2;
    if (inverse == NULL || term == NULL)
        return NULL;
    inverse->slot = ARENA_ARRAY(run->arena, struct bucket, size);
    inverse->prefix = ARENA_ARRAY(run->arena, const struct term *, ctx->terms + 1);
    inverse->mask = size - 1;
    if (inverse->slot == NULL || inverse->prefix == NULL)
        return NULL;
    for (const struct term *t = ctx_next(&walk); t != NULL && n <= ctx->terms; t = ctx_next(&walk))
        if (str_present(t->iri))
            term[n++] = t;
    qsort(term, n, sizeof(*term), by_length);
    for (size_t i = 0; i < n; i++) {
        add_term(run, ctx, inverse, term[i]);
        if (term[i]->prefix)
            inverse->prefix[inverse->n_prefix++] = term[i];
    }
    return arena_failed(run->arena) ? NULL : inverse;
}

const struct inverse *ctx_inverse(struct run *run, const struct ctx *ctx)
{
    const struct inverse *made = atomic_load_explicit(&ctx->inverse->made, memory_order_acquire);
    struct arena *own = run->arena;

    if (made != NULL)
        return made;
    if (ctx->home != NULL) {
        pthread_mutex_lock(&ctx->home->lock);
        made = atomic_load_explicit(&ctx->inverse->made, memory_order_acquire);
        if (!arena_failed(ctx->home->arena))
            run->arena = ctx->home->arena;
    }
    bool shared = run->arena != own;

    if (made == NULL) {
        made = make(run, ctx);
        if (made != NULL && (ctx->home == NULL || shared))
            atomic_store_explicit(&ctx->inverse->made, made, memory_order_release);
    }
    run->arena = own;
    if (ctx->home != NULL)
        pthread_mutex_unlock(&ctx->home->lock);
    return made;
}

bool inverse_has(const struct inverse *inverse, struct str iri)
{
    return bucket_of(inverse, iri)->first != NULL;
}

struct str inverse_select(const struct inverse *inverse, struct str iri,
                          const struct wanted *wanted)
{
    const struct bucket *b = bucket_of(inverse, iri);

    for (size_t i = 0; i < wanted->n_containers; i++) {
        for (size_t k = 0; k < wanted->n_values; k++)
            for (const struct choice *c = b->first; c != NULL; c = c->next)
                if (c->container == wanted->container[i] && c->by == wanted->by &&
                    str_eq(c->value, wanted->value[k]))
                    return c->term->name;
    }
    return STR_NONE;
}

const struct term *inverse_prefix(const struct inverse *inverse, size_t i)
{
    return i < inverse->n_prefix ? inverse->prefix[i] : NULL;
}
