/*
 * Active contexts as layers of terms: a context is a small hash table over the one that it extends; after eight layers it is
 * made flat.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

enum { LAYERS_MAX = 8 };

static const struct term *find_hashed(const struct ctx *ctx, struct str name, uint32_t hash)
{
    for (; ctx != NULL; ctx = ctx->under) {
        if (ctx->n == 0)
            continue;
        for (uint32_t i = hash & ctx->mask; ctx->slot[i] != NULL; i = (i + 1) & ctx->mask) {
            const struct term *term = ctx->slot[i];

            if (term->hash == hash && str_eq(term->name, name))
                return term->absent ? NULL : term;
        }
    }
    return NULL;
}

const struct term *ctx_find(const struct ctx *ctx, struct str name)
{
    return name.n <= ctx->longest ? find_hashed(ctx, name, key_hash(name)) : NULL;
}

static void put_slot(struct ctx *ctx, const struct term *term)
{
    uint32_t i = term->hash & ctx->mask;

    while (ctx->slot[i] != NULL && !str_eq(ctx->slot[i]->name, term->name))
        i = (i + 1) & ctx->mask;
    ctx->n += ctx->slot[i] == NULL;
    ctx->slot[i] = term;
}

static bool layer_room(struct run *run, struct ctx *ctx, size_t terms)
{
    const struct term **old = ctx->slot;
    uint32_t old_size = old != NULL ? ctx->mask + 1 : 0;
    uint32_t size = 8;

    while (size < 2 * terms)
        size *= 2;
    ctx->slot = ARENA_ARRAY(run->arena, const struct term *, size);
    if (ctx->slot == NULL) {
        ctx->slot = old;
        return false;
    }
    ctx->mask = size - 1;
    ctx->n = 0;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i] != NULL)
            put_slot(ctx, old[i]);
    return true;
}

void ctx_put(struct run *run, struct ctx *ctx, const struct term *term)
{
    if (ctx->slot == NULL || 2 * (ctx->n + 1) > ctx->mask + 1) {
        if (!layer_room(run, ctx, ctx->n + 4))
            return;
    }
    uint32_t before = ctx->n;

    put_slot(ctx, term);
    ctx->terms += ctx->n - before;
    if (term->name.n > ctx->longest)
        ctx->longest = term->name.n;
}

const struct term *ctx_next(struct ctx_walk *walk)
{
    while (walk->layer != NULL) {
        const struct ctx *layer = walk->layer;

        while (layer->n > 0 && walk->i <= layer->mask) {
            const struct term *term = layer->slot[walk->i++];

            if (term != NULL && find_hashed(walk->top, term->name, term->hash) == term)
                return term;
        }
        walk->layer = layer->under;
        walk->i = 0;
    }
    return NULL;
}

struct ctx *ctx_root(struct run *run, struct str vocab)
{
    struct ctx *ctx = ARENA_NEW(run->arena, struct ctx);
    struct inverse_cell *inverse = ARENA_NEW(run->arena, struct inverse_cell);

    if (ctx == NULL || inverse == NULL)
        return NULL;
    ctx->inverse = inverse;
    ctx->vocab = vocab;
    return ctx;
}

struct ctx *ctx_layer(struct run *run, const struct ctx *active, size_t terms)
{
    struct ctx *ctx = ctx_root(run, active->vocab);

    if (ctx == NULL)
        return NULL;
    ctx->under = active->n > 0 ? active : active->under;
    ctx->layers = active->layers + (active->n > 0);
    ctx->terms = active->terms;
    ctx->longest = active->longest;
    ctx->base_kind = active->base_kind;
    ctx->base = active->base;
    ctx->language = active->language;
    ctx->direction = active->direction;
    ctx->previous = active->previous;
    if (ctx->layers > LAYERS_MAX) {
        struct ctx_walk walk = {.top = active, .layer = active};

        ctx->under = NULL;
        ctx->layers = 0;
        ctx->terms = 0;
        if (layer_room(run, ctx, active->terms + terms))
            for (const struct term *t = ctx_next(&walk); t != NULL; t = ctx_next(&walk))
                ctx_put(run, ctx, t);
    } else if (terms > 0 && !layer_room(run, ctx, terms)) {
        return NULL;
    }
    return arena_failed(run->arena) ? NULL : ctx;
}

struct str ctx_base(const struct run *run, const struct ctx *ctx)
{
    switch (ctx->base_kind) {
    case BASE_OPTIONS: return run->options->base;
    case BASE_NULL: return STR_NONE;
    case BASE_IRI: return ctx->base;
    }
    return STR_NONE;
}
