/*
 * §4.1 Context Processing. What is derived from built-in contexts by built-in contexts is kept in a home and found again by
 * (context, local context, flags).
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

static bool any_protected(const struct ctx *ctx)
{
    struct ctx_walk walk = {.top = ctx, .layer = ctx};

    for (const struct term *t = ctx_next(&walk); t != NULL; t = ctx_next(&walk))
        if (t->protected)
            return true;
    return false;
}

/* -- homes ---------------------------------------------------------------------------------------------------------- */

int home_init(struct home *home, struct err *err)
{
    pthread_mutexattr_t attr;

    home->arena = arena_new(LIMIT_LD_MEMORY);
    if (home->arena == NULL || pthread_mutexattr_init(&attr) != 0) {
        arena_free(&home->arena);
        return err_set(err, E_NO_MEMORY, "", "json-ld contexts");
    }
    int refused = pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);

    refused = refused != 0 ? refused : pthread_mutex_init(&home->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    if (refused != 0) {
        arena_free(&home->arena);
        return err_set(err, E_NO_MEMORY, "", "json-ld contexts: lock");
    }
    return 0;
}

void home_done(struct home *home)
{
    if (home->arena == NULL)
        return;
    pthread_mutex_destroy(&home->lock);
    arena_free(&home->arena);
}

static size_t home_slot(const struct ctx *from, const struct jval *local, unsigned flags)
{
    uint64_t h = (uint64_t)(uintptr_t)from * 0x9E3779B97F4A7C15u;

    h = (h ^ (uint64_t)(uintptr_t)local ^ flags) * 0x9E3779B97F4A7C15u;
    return (size_t)(h >> 32) % (LIMIT_LD_CACHE * 2);
}

/* What is kept for this key; *ret_slot is where it is, or would be. */
static const struct ctx *home_find(struct home *home, const struct ctx *from,
                                   const struct jval *local, unsigned flags, size_t *ret_slot)
{
    size_t i = home_slot(from, local, flags);
    const struct derived *d;

    while ((d = atomic_load_explicit(&home->slot[i], memory_order_acquire)) != NULL) {
        if (d->from == from && d->local == local && d->flags == flags)
            return d->made;
        i = (i + 1) % (LIMIT_LD_CACHE * 2);
    }
    *ret_slot = i;
    return NULL;
}

static int process_fresh(struct run *run, const struct ctx *active, const struct jval *local,
                         struct str base_url, unsigned flags, const struct remotes *remotes,
                         const struct ctx **ret_ctx);

/* With the lock held: makes the context in the home's memory and publishes it. */
static int home_make(struct run *run, struct home *home, const struct ctx *from,
                     const struct jval *local, struct str base_url, unsigned flags,
                     const struct remotes *remotes, const struct ctx **ret_ctx)
{
    struct arena *own = run->arena;
    const struct ctx *made = NULL;
    size_t slot = 0;

    run->arena = home->arena;
    int failed = process_fresh(run, from, local, base_url, flags, remotes, &made);
    /* a context that changes nothing is its own result; else it is ours alone until now */
    struct derived *d = failed < 0 ? NULL : ARENA_NEW(home->arena, struct derived);

    if (d != NULL) {
        if (made != from && made->home == NULL) {
            struct ctx *copy = ARENA_NEW(home->arena, struct ctx);

            if (copy != NULL) {
                memcpy(copy, made, sizeof(*copy));
                copy->home = home;
                made = copy;
            }
        }
        if (home_find(home, from, local, flags, &slot) == NULL && !arena_failed(home->arena)) {
            *d = (struct derived){from, local, flags, made};
            atomic_store_explicit(&home->slot[slot], d, memory_order_release);
            home->n++;
        }
        *ret_ctx = made;
    } else if (failed == 0) {
        failed = run_limit(run, "contexts");
    }
    run->arena = own;
    return failed;
}

/* A context of a home is kept for as long as there is room; after that each run makes its own. */
static int process_kept(struct run *run, const struct ctx *active, const struct jval *local,
                        struct str base_url, unsigned flags, const struct remotes *remotes,
                        const struct ctx **ret_ctx)
{
    struct home *home = active->home;
    size_t slot;
    const struct ctx *found = home_find(home, active, local, flags, &slot);

    if (found != NULL) {
        *ret_ctx = found;
        return 0;
    }
    pthread_mutex_lock(&home->lock);
    found = home_find(home, active, local, flags, &slot);
    bool room = home->n < LIMIT_LD_CACHE && !arena_failed(home->arena);
    int failed = 0;

    if (found != NULL)
        *ret_ctx = found;
    else if (room)
        failed = home_make(run, home, active, local, base_url, flags, remotes, ret_ctx);
    pthread_mutex_unlock(&home->lock);
    if (found == NULL && !room)
        return process_fresh(run, active, local, base_url, flags, remotes, ret_ctx);
    return failed;
}

/* -- §4.1 ----------------------------------------------------------------------------------------------------------- */

/* Step 5.1. */
static int reset(struct run *run, const struct ctx *before, unsigned flags,
                 const struct ctx **ret_ctx)
{
    if ((flags & CTX_STABLE) == 0)
        run_issue(run, LD_CONTEXT_RESET, STR_NONE, STR("null"));
    if ((flags & CTX_OVERRIDE) == 0 && any_protected(before))
        return run_fail(run, "invalid context nullification", "a protected term is defined");
    struct ctx *ctx = ctx_root(run, STR_NONE);

    if (ctx == NULL)
        return run_check(run);
    if ((flags & CTX_NO_PROPAGATE) != 0)
        ctx->previous = before;
    *ret_ctx = ctx;
    return 0;
}

/* Step 5.2: a built-in context by its IRI. */
static int by_iri(struct run *run, const struct ctx *before, struct str reference,
                  struct str base_url, unsigned flags, const struct remotes *remotes,
                  const struct ctx **ret_ctx)
{
    struct str iri = iri_resolve(run->arena, base_url, reference);
    const struct builtin *builtin = ld__builtin(run->ld, iri, run->options->repair);
    struct remotes here = {remotes, iri, remotes != NULL ? remotes->n + 1 : 1};

    if ((flags & CTX_NO_VALIDATE) != 0) {
        for (const struct remotes *r = remotes; r != NULL; r = r->up)
            if (str_eq(r->iri, iri)) {
                *ret_ctx = before;
                return 0;
            }
    }
    if (here.n > LIMIT_LD_CONTEXTS)
        return run_fail(run, "context overflow", "more than %d contexts", LIMIT_LD_CONTEXTS);
    if (builtin == NULL)
        return run_fail(run, "loading remote context failed",
                        "'%.*s' is not built in, and nothing is fetched", STR_ARG(iri));
    return ctx_process(run, before, builtin->context, builtin->iri,
                       (flags & CTX_NO_VALIDATE) | CTX_STABLE, &here, ret_ctx);
}

/* Step 5.6. */
static int import(struct run *run, struct local *local)
{
    const struct jval *v = jval_get(local->own, "@import");

    if (v == NULL)
        return 0;
    if (jtype_of(v) != J_STR)
        return run_fail(run, "invalid @import value", "not a string");
    struct str iri = iri_resolve(run->arena, local->base_url, jval_str(v));
    const struct builtin *builtin = ld__builtin(run->ld, iri, run->options->repair);

    if (builtin == NULL)
        return run_fail(run, "loading remote context failed",
                        "'%.*s' is not built in, and nothing is fetched", STR_ARG(iri));
    if (jtype_of(builtin->context) != J_OBJECT)
        return run_fail(run, "invalid remote context", "'%.*s'", STR_ARG(iri));
    if (jval_get(builtin->context, "@import") != NULL)
        return run_fail(run, "invalid context entry", "'%.*s' has '@import'", STR_ARG(iri));
    local->imported = builtin->context;
    return 0;
}

static int set_base(struct run *run, struct ctx *ctx, const struct jval *v)
{
    if (v == NULL)
        return 0;
    struct str base = jval_str(v);
    struct str present = ctx_base(run, ctx);

    if (jtype_of(v) == J_NULL) {
        ctx->base_kind = BASE_NULL;
        return 0;
    }
    if (jtype_of(v) != J_STR || (!iri_absolute(base) && !iri_absolute(present)))
        return run_fail(run, "invalid base IRI", "'%.*s'", STR_ARG(base));
    ctx->base = iri_resolve(run->arena, present, base);
    ctx->base_kind = BASE_IRI;
    return 0;
}

static int set_vocab(struct run *run, struct ctx *ctx, const struct jval *v, unsigned flags)
{
    struct str before = ctx->vocab;

    if (v == NULL)
        return 0;
    if (jtype_of(v) == J_NULL) {
        ctx->vocab = STR_NONE;
    } else {
        struct iri iri = iri_expand(run, ctx, jval_str(v), IRI_VOCAB | IRI_DOCUMENT);

        if (jtype_of(v) != J_STR || iri.kw != KW_NO || !str_present(iri.s))
            return run_fail(run, "invalid vocab mapping", "not an IRI");
        ctx->vocab = iri.s;
    }
    if ((flags & CTX_STABLE) == 0 && str_present(before) && !str_eq(before, ctx->vocab))
        run_issue(run, LD_REDEFINED_TERM, STR("@vocab"), STR("@vocab"));
    return 0;
}

/* Steps 5.5 and 5.7 to 5.11. */
static int set_entries(struct run *run, struct ctx *ctx, const struct local *local,
                       bool at_document)
{
    const struct jval *version = local_get(local, STR("@version"));
    const struct jval *language = local_get(local, STR("@language"));
    const struct jval *direction = local_get(local, STR("@direction"));
    const struct jval *propagate = local_get(local, STR("@propagate"));

    if (version != NULL &&
        ((jtype_of(version) != J_REAL && jtype_of(version) != J_INT) || jval_real(version) != 1.1))
        return run_fail(run, "invalid @version value", "not 1.1");
    if (at_document && set_base(run, ctx, local_get(local, STR("@base"))) < 0)
        return err_ret(run->err);
    if (set_vocab(run, ctx, local_get(local, STR("@vocab")), local->flags) < 0)
        return err_ret(run->err);
    if (language != NULL) {
        if (jtype_of(language) != J_NULL && jtype_of(language) != J_STR)
            return run_fail(run, "invalid default language", "not a string");
        ctx->language = jval_str(language);
    }
    if (direction != NULL && ctx_direction(run, direction, &ctx->direction) < 0)
        return err_ret(run->err);
    if (propagate != NULL && jtype_of(propagate) != J_BOOL)
        return run_fail(run, "invalid @propagate value", "not a boolean");
    return run_check(run);
}

static bool is_context_entry(struct str key)
{
    switch (kw_of(key)) {
    case KW_BASE:
    case KW_DIRECTION:
    case KW_IMPORT:
    case KW_LANGUAGE:
    case KW_PROPAGATE:
    case KW_PROTECTED:
    case KW_VERSION:
    case KW_VOCAB: return true;
    default: return false;
    }
}

/* Step 5.13, for one of the maps. */
static int define_all(struct run *run, struct ctx *ctx, struct local *local, const struct jval *map)
{
    for (const struct jiter *it = jiter_first(map); it != NULL; it = jiter_next(map, it)) {
        struct str key = jiter_key(it);

        if (is_context_entry(key))
            continue;
        if (ctx->terms > LIMIT_LD_TERMS)
            return run_limit(run, "terms of a context");
        if (term_create(run, ctx, local, key) < 0)
            return err_ret(run->err);
    }
    return 0;
}

/*
 * What every client of EDC's management API begins with, {"@vocab": "https://w3id.org/edc/v0.0.1/ns/"}, is there already, with
 * what built-in contexts make of it.
 */
static bool is_edc_vocab(const struct run *run, const struct ctx *before, const struct jval *map)
{
    return before == run->ld->root && jval_len(map) == 1 &&
           str_eq_c(jval_str(jval_get(map, "@vocab")), LD_EDC);
}

/* Steps 5.4 to 5.13: a context definition. */
static int by_map(struct run *run, const struct ctx *before, const struct jval *map,
                  struct str base_url, unsigned flags, const struct remotes *remotes,
                  const struct ctx **ret_ctx)
{
    struct local local = {
        .own = map, .base_url = base_url, .flags = flags & ~CTX_NO_PROPAGATE, .remotes = remotes};
    const struct jval *protected;

    if (is_edc_vocab(run, before, map)) {
        *ret_ctx = run->ld->edc_root;
        return 0;
    }
    if (import(run, &local) < 0)
        return err_ret(run->err);
    protected = local_get(&local, STR("@protected"));
    if (protected != NULL && jtype_of(protected) != J_BOOL)
        return run_fail(run, "invalid @protected value", "not a boolean");
    local.protected = jval_bool(protected);
    size_t terms = jval_len(map) + jval_len(local.imported);

    if (terms > LIMIT_LD_TERMS)
        return run_limit(run, "terms of a context");
    struct ctx *ctx = ctx_layer(run, before, terms);

    if (ctx == NULL)
        return run_limit(run, "memory");
    if (local_init(run, &local) < 0 || set_entries(run, ctx, &local, remotes == NULL) < 0 ||
        define_all(run, ctx, &local, map) < 0 || define_all(run, ctx, &local, local.imported) < 0)
        return err_ret(run->err);
    *ret_ctx = ctx;
    return 0;
}

static int process_one(struct run *run, const struct ctx *before, const struct jval *local,
                       struct str base_url, unsigned flags, const struct remotes *remotes,
                       const struct ctx **ret_ctx)
{
    switch (jtype_of(local)) {
    case J_NULL: return reset(run, before, flags, ret_ctx);
    case J_STR: return by_iri(run, before, jval_str(local), base_url, flags, remotes, ret_ctx);
    case J_OBJECT: return by_map(run, before, local, base_url, flags, remotes, ret_ctx);
    case J_BOOL:
    case J_INT:
    case J_REAL:
    case J_ARRAY: break;
    }
    return run_fail(run, "invalid local context", "neither IRI nor object nor null");
}

static int process_fresh(struct run *run, const struct ctx *active, const struct jval *local,
                         struct str base_url, unsigned flags, const struct remotes *remotes,
                         const struct ctx **ret_ctx)
{
    const struct ctx *result = active;
    bool array = jtype_of(local) == J_ARRAY;
    size_t n = array ? jval_len(local) : 1;

    if (n > LIMIT_LD_CONTEXTS)
        return run_limit(run, "contexts in one place");
    if (++run->depth > LIMIT_LD_DEPTH * 4)
        return run_limit(run, "nesting of contexts");
    const struct jval *propagate =
        jtype_of(local) == J_OBJECT ? jval_get(local, "@propagate") : NULL;

    if (propagate != NULL && jtype_of(propagate) == J_BOOL)
        flags = (flags & ~CTX_NO_PROPAGATE) | (jval_bool(propagate) ? 0 : CTX_NO_PROPAGATE);
    if ((flags & CTX_NO_PROPAGATE) != 0 && result->previous == NULL) {
        struct ctx *ctx = ctx_layer(run, active, 0);

        if (ctx == NULL)
            return run_limit(run, "memory");
        ctx->previous = active;
        result = ctx;
    }
    struct path here = {.up = run->path};
    int failed = 0;

    if (array)
        run->path = &here;
    for (; here.index < n && failed == 0; here.index++) {
        const struct jval *one = array ? jval_at(local, here.index) : local;

        failed = process_one(run, result, one, base_url, flags, remotes, &result);
    }
    run->path = here.up;
    run->depth--;
    if (failed == 0)
        *ret_ctx = result;
    return failed;
}

int ctx_process(struct run *run, const struct ctx *active, const struct jval *local,
                struct str base_url, unsigned flags, const struct remotes *remotes,
                const struct ctx **ret_ctx)
{
    if (active->home != NULL && (flags & CTX_STABLE) != 0)
        return process_kept(run, active, local, base_url, flags, remotes, ret_ctx);
    return process_fresh(run, active, local, base_url, flags, remotes, ret_ctx);
}

int ctx_scoped(struct run *run, const struct ctx *active, const struct term *term, unsigned flags,
               const struct ctx **ret_ctx)
{
    flags |= term->stable ? CTX_STABLE : 0;
    return ctx_process(run, active, term->context, term->base_url, flags, NULL, ret_ctx);
}
