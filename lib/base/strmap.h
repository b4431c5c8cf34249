/*
 * lib/base/strmap.h - hash table from text to pointers
 *
 * Zeroed, it is an empty map. Keys are borrowed from the values, which must outlive their entry.
 * One owner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

/* Open addressing; keys are borrowed from the values. */
struct strmap {
    struct strmap_slot *slots; /* owned */
    size_t n, cap;             /* cap is 0 or a power of two */
};

void *strmap_find(const struct strmap *map, struct str key);
/* The key must not be there. */
MUST_CHECK bool strmap_add(struct strmap *map, struct str key, void *value);
void strmap_remove(struct strmap *map, struct str key);
/* Walks all values: start with *pos = 0; NULL at the end. The map must not change meanwhile. */
void *strmap_next(const struct strmap *map, size_t *pos);
void strmap_done(struct strmap *map);
