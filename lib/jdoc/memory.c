/*
 * Where jansson's memory comes from. A document is made once, is never changed and goes as a whole,
 * so its values lie in one arena: hundreds of small pieces are neither sought nor given back one by
 * one. jansson asks without saying for which document; this thread knows. Outside of that it gets
 * the heap's, for others in this process.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/jdoc/jdoc_private.h"

#include "lib/base/banned.h"

static _Thread_local struct arena *making;

static void *take(size_t n)
{
    return making != NULL ? arena_alloc(making, n) : malloc(n);
}

static void give(void *p)
{
    if (making == NULL)
        free(p);
}

__attribute__((constructor)) static void use_arenas(void)
{
    json_set_alloc_funcs(take, give);
}

struct jdoc *jdoc__new(void)
{
    struct arena *memory = arena_new(SIZE_MAX); /* what a text may cost is limited before */
    struct jdoc *doc;

    if (memory == NULL)
        return NULL;
    if ((doc = ARENA_NEW(memory, struct jdoc)) == NULL)
        arena_free(&memory);
    else
        doc->memory = memory;
    return doc;
}

void jdoc__make(const struct jdoc *doc)
{
    making = doc != NULL ? doc->memory : NULL;
}

void jdoc_free(struct jdoc **doc)
{
    if (*doc == NULL)
        return;
    struct arena *memory = (*doc)->memory;

    arena_free(&memory);
    *doc = NULL;
}
