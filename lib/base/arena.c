/*
 * lib/base/arena.c - memory with one lifetime
 *
 * A list of blocks; the newest standard block is filled from its start. Each allocation costs its
 * size rounded up to the strictest alignment, so that the cap means the same in both modes.
 */
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdint.h>

#include "lib/base/banned.h"

#ifdef NARU_ARENA_MALLOC
#define BLOCK_BYTES ((size_t)0) /* every allocation gets a block of exactly its size */
#define FIRST_BYTES ((size_t)0)
#else
#define BLOCK_BYTES ((size_t)16 * 1024)
#define FIRST_BYTES                                                                                \
    ((size_t)960) /* what many arenas need in all; malloc keeps such blocks at hand */
#endif

#define ALIGN_BYTES _Alignof(max_align_t)

struct block {
    struct block *next; /* owned */
    size_t cap;
    size_t used; /* multiple of ALIGN_BYTES, or cap */
    max_align_t data[];
};

struct arena {
    struct block *blocks; /* owned; only the first one still gives out memory */
    size_t max;
    size_t used;
    bool failed;
};

static void free_blocks(struct block *block)
{
    while (block != NULL) {
        struct block *next = block->next;

        free(block);
        block = next;
    }
}

struct arena *arena_new(size_t max_bytes)
{
    struct arena *arena = calloc(1, sizeof(*arena));

    if (arena != NULL)
        arena->max = max_bytes;
    return arena;
}

void arena_free(struct arena **arena)
{
    if (*arena == NULL)
        return;
    free_blocks((*arena)->blocks);
    free(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena)
{
    struct block *kept = arena->blocks;

    if (kept != NULL) {
        free_blocks(kept->next);
        kept->next = NULL;
        kept->used = 0;
    }
    /* a block of unusual size would pin that memory for the arena's whole life */
    if (kept != NULL && kept->cap != BLOCK_BYTES) {
        free(kept);
        kept = NULL;
    }
    arena->blocks = kept;
    arena->used = 0;
    arena->failed = false;
}

/* Returns n bytes from a new block, which becomes the one to fill unless it was made for this
 * allocation alone. */
static void *alloc_in_new_block(struct arena *arena, size_t n)
{
    size_t standard = arena->blocks == NULL && n <= FIRST_BYTES / 4 ? FIRST_BYTES : BLOCK_BYTES;
    size_t cap = n > BLOCK_BYTES / 4 ? n : standard;
    struct block *block = NULL;

    if (cap <= SIZE_MAX - sizeof(*block))
        block = malloc(sizeof(*block) + cap);
    if (block == NULL)
        return NULL;
    block->cap = cap;
    if (cap == n && arena->blocks != NULL) {
        block->used = cap;
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->used = (n + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
        if (block->used > cap)
            block->used = cap;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block->data;
}

void *arena_alloc(struct arena *arena, size_t n)
{
    struct block *block = arena->blocks;
    size_t want = n > 0 ? n : 1;
    size_t cost;
    void *p;

    if (want > arena->max || want > SIZE_MAX - ALIGN_BYTES) {
        arena->failed = true;
        return NULL;
    }
    cost = (want + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    if (cost > arena->max - arena->used) {
        arena->failed = true;
        return NULL;
    }
    if (block != NULL && block->cap - block->used >= cost) {
        p = (char *)block->data + block->used;
        block->used += cost;
    } else if ((p = alloc_in_new_block(arena, want)) == NULL) {
        arena->failed = true;
        return NULL;
    }
    arena->used += cost;
    return memset(p, 0, want);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n)) {
        arena->failed = true;
        return NULL;
    }
    return arena_alloc(arena, n);
}

struct str arena_str(struct arena *arena, struct str s)
{
    char *p;

    if (!str_present(s) || (p = arena_alloc_array(arena, s.n + 1, 1)) == NULL)
        return STR_NONE;
    memcpy(p, s.p, s.n);
    return str_n(p, s.n);
}

const char *arena_cstr(struct arena *arena, struct str s)
{
    return arena_str(arena, str_present(s) ? s : STR("")).p;
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *p = NULL;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || (p = arena_alloc(arena, (size_t)n + 1)) == NULL) {
        arena->failed = true;
        return STR_NONE;
    }
    va_start(args, format);
    n = vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return str_n(p, (size_t)n);
}

bool arena_failed(const struct arena *arena)
{
    return arena->failed;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
