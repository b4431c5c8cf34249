/*
 * Map from text to pointer: linear probing, removal by shifting back, so there are no tombstones.
 */
#include "lib/base/strmap.h"
#include "lib/base/check.h"

#include "lib/base/banned.h"

struct strmap_slot {
    struct str key;
    void *value; /* NULL: free */
};

static size_t home(const struct strmap *map, struct str key)
{
    uint64_t h = str_hash(key);

    return (size_t)(h ^ h >> 32) & (map->cap - 1);
}

/* The slot of the key, or the free one where it would go. */
static size_t slot_of(const struct strmap *map, struct str key)
{
    size_t i = home(map, key);

    while (map->slots[i].value != NULL && !str_eq(map->slots[i].key, key))
        i = (i + 1) & (map->cap - 1);
    return i;
}

void *strmap_find(const struct strmap *map, struct str key)
{
    return map->cap != 0 ? map->slots[slot_of(map, key)].value : NULL;
}

static bool grow(struct strmap *map)
{
    struct strmap bigger = {.n = map->n, .cap = map->cap != 0 ? 2 * map->cap : 64};

    if ((bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots))) == NULL)
        return false;
    for (size_t i = 0; i < map->cap; i++)
        if (map->slots[i].value != NULL)
            bigger.slots[slot_of(&bigger, map->slots[i].key)] = map->slots[i];
    free(map->slots);
    *map = bigger;
    return true;
}

bool strmap_add(struct strmap *map, struct str key, void *value)
{
    if (2 * (map->n + 1) > map->cap && !grow(map))
        return false;
    struct strmap_slot *slot = &map->slots[slot_of(map, key)];
    CHECK(slot->value == NULL && value != NULL);
    *slot = (struct strmap_slot){key, value};
    map->n++;
    return true;
}

void strmap_remove(struct strmap *map, struct str key)
{
    if (strmap_find(map, key) == NULL)
        return;
    size_t mask = map->cap - 1, hole = slot_of(map, key);
    map->slots[hole].value = NULL;
    map->n--;
    for (size_t i = (hole + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
        /* an entry may move into the hole if its home is not between the hole (exclusive) and its place */
        if (((i - home(map, map->slots[i].key)) & mask) < ((i - hole) & mask))
            continue;
        map->slots[hole] = map->slots[i];
        map->slots[i].value = NULL;
        hole = i;
    }
}

void *strmap_next(const struct strmap *map, size_t *pos)
{
    while (*pos < map->cap) {
        void *value = map->slots[(*pos)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}

void strmap_done(struct strmap *map)
{
    free(map->slots);
    *map = (struct strmap){0};
}
