/*
 * lib/base/arena.h - memory with one lifetime
 *
 * Everything allocated for one request or job is freed at once. An arena has a cap; when it is
 * reached, allocation returns NULL and arena_failed() stays true, so a sequence can be checked once
 * at its end. With NARU_ARENA_MALLOC defined each allocation is its own malloc, so that sanitizers
 * see the edges. Not thread-safe: one owner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

struct arena;

/* Returns a new arena that gives out at most max_bytes in all, or NULL without memory. */
MUST_CHECK struct arena *arena_new(size_t max_bytes);

/* Frees everything; *arena may be NULL; sets it to NULL. */
void arena_free(struct arena **arena);

/* Forgets all allocations and the failure flag, keeps one block for reuse. */
void arena_reset(struct arena *arena);

/*
 * Zeroed, aligned for any type; NULL when the cap is reached. n = 0 gives a unique non-NULL
 * pointer.
 */
void *arena_alloc(struct arena *arena, size_t n);
#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc_array((arena), (count), sizeof(type)))
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);

/*
 * Copies, terminated by NUL beyond the length. On failure STR_NONE / NULL. The absent text stays
 * absent in arena_str and becomes "" in arena_cstr; neither is a failure.
 */
struct str arena_str(struct arena *arena, struct str s);
const char *arena_cstr(struct arena *arena, struct str s);
struct str arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/* True once any allocation has failed since the last reset. */
bool arena_failed(const struct arena *arena);

/* Bytes given out since the last reset. */
size_t arena_used(const struct arena *arena);
