/*
 * lib/tlog/tile.c - tiles: growth, reading nodes from stored tiles, paths (C2SP tlog-tiles)
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/tlog/tlog.h"
#include "lib/tlog/tlog_private.h"

#include "lib/base/banned.h"

#define GROUP     1000 /* a path writes an index in groups of three digits */
#define GROUP_LEN 3
#define INDEX_MAX (TLOG_SIZE_MAX / TLOG_TILE_WIDTH)

/* Number of node hashes that a log of that size stores on a tile level. */
static uint64_t nodes_on(uint64_t size, unsigned tile_level)
{
    return size >> (TLOG_TILE_HEIGHT * tile_level);
}

unsigned tlog_tile_width(uint64_t size, unsigned level, uint64_t index)
{
    if (level >= TLOG_TILE_LEVELS || index > INDEX_MAX)
        return 0;
    const uint64_t nodes = nodes_on(size, level);
    const uint64_t first = index * TLOG_TILE_WIDTH;

    if (nodes <= first)
        return 0;
    return nodes - first < TLOG_TILE_WIDTH ? (unsigned)(nodes - first) : TLOG_TILE_WIDTH;
}

static size_t count_grown(uint64_t old_size, uint64_t new_size)
{
    size_t n = 0;

    for (unsigned level = 0; level < TLOG_TILE_LEVELS; level++) {
        const uint64_t before = nodes_on(old_size, level);
        const uint64_t after = nodes_on(new_size, level);

        if (after == before)
            break;
        n += (size_t)((after - 1) / TLOG_TILE_WIDTH - before / TLOG_TILE_WIDTH + 1);
    }
    return n;
}

/* One tile level while the log grows: the hashes from the start of its first growing tile on. */
struct growth {
    unsigned level;
    uint64_t first; /* index of hashes[0] among the nodes of this level */
    uint64_t before, after;
    uint8_t *hashes; /* after - first of them, in the arena */
};

/* Makes room for a level and reads what its growing tile held before; the new hashes are up to the
 * caller. */
static int growth_begin(struct growth *g, const struct tlog_reader *reader, struct arena *arena,
                        struct err *err)
{
    g->first = g->before - g->before % TLOG_TILE_WIDTH;
    g->hashes = arena_alloc_array(arena, (size_t)(g->after - g->first), TLOG_HASH_LEN);
    if (g->hashes == NULL)
        return err_set(err, E_NO_MEMORY, "", "log: tiles of level %u do not fit", g->level);
    for (uint64_t i = g->first; i < g->before; i++)
        if (reader->read(reader->cls, TLOG_TILE_HEIGHT * g->level, i,
                         g->hashes + (i - g->first) * TLOG_HASH_LEN, err) < 0)
            return err_prefix(err, "log: growing tile of level %u", g->level);
    return 0;
}

static uint8_t *growth_new_hashes(const struct growth *g)
{
    return g->hashes + (g->before - g->first) * TLOG_HASH_LEN;
}

/* The tiles of a level, and the roots of the full ones as new hashes of the level above. */
static size_t growth_tiles(const struct growth *g, struct tlog_grown *ret_grown, uint8_t *above)
{
    size_t n = 0;

    for (uint64_t at = g->first; at < g->after; at += TLOG_TILE_WIDTH) {
        const uint8_t *hashes = g->hashes + (at - g->first) * TLOG_HASH_LEN;
        const struct tlog_tile tile = {
            .level = g->level,
            .index = at / TLOG_TILE_WIDTH,
            .width = g->after - at < TLOG_TILE_WIDTH ? (unsigned)(g->after - at) : TLOG_TILE_WIDTH,
        };

        ret_grown[n++] = (struct tlog_grown){.tile = tile, .hashes = hashes};
        if (tile.width == TLOG_TILE_WIDTH && above != NULL) {
            tlog__hash_full(hashes, TLOG_TILE_WIDTH, above);
            above += TLOG_HASH_LEN;
        }
    }
    return n;
}

static struct growth growth_of(uint64_t old_size, uint64_t new_size, unsigned level)
{
    return (struct growth){
        .level = level, .before = nodes_on(old_size, level), .after = nodes_on(new_size, level)};
}

static int grow_tiles(uint64_t old_size, uint64_t new_size, const struct tlog_reader *reader,
                      const uint8_t *leaves, struct arena *arena, struct tlog_grown *grown,
                      struct err *err)
{
    struct growth g = growth_of(old_size, new_size, 0);
    size_t n = 0;

    if (growth_begin(&g, reader, arena, err) < 0)
        return err_ret(err);
    memcpy(growth_new_hashes(&g), leaves, (size_t)(new_size - old_size) * TLOG_HASH_LEN);
    for (;;) {
        struct growth above = growth_of(old_size, new_size, g.level + 1);
        const bool last = g.level + 1 == TLOG_TILE_LEVELS || above.after == above.before;

        if (!last && growth_begin(&above, reader, arena, err) < 0)
            return err_ret(err);
        n += growth_tiles(&g, grown + n, last ? NULL : growth_new_hashes(&above));
        if (last)
            return 0;
        g = above;
    }
}

int tlog_grow(struct tlog_edge *edge, const struct tlog_reader *reader, const uint8_t *leaves,
              size_t n, struct arena *arena, struct tlog_grown **ret_grown, size_t *ret_n,
              struct err *err)
{
    struct tlog_edge edge_new = *edge;
    struct tlog_grown *grown;
    size_t count;

    if (n > TLOG_SIZE_MAX - edge->size)
        return err_set(err, E_LIMIT, "", "log: no more than 2^63 - 1 leaves");
    count = count_grown(edge->size, edge->size + n);
    grown = ARENA_ARRAY(arena, struct tlog_grown, count);
    if (grown == NULL)
        return err_set(err, E_NO_MEMORY, "", "log: list of %zu tiles does not fit", count);
    if (n > 0 && grow_tiles(edge->size, edge->size + n, reader, leaves, arena, grown, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < n; i++)
        if (tlog_append(&edge_new, leaves + i * TLOG_HASH_LEN, err) < 0)
            return err_ret(err);
    *edge = edge_new;
    *ret_grown = grown;
    *ret_n = count;
    return 0;
}

/* The node lies in the tile level below it, as the root of 2^height of that level's hashes. */
static int read_node(void *cls, unsigned level, uint64_t index,
                     uint8_t ret_hash[static TLOG_HASH_LEN], struct err *err)
{
    struct tlog_tiles *tiles = cls;
    const unsigned tile_level = level / TLOG_TILE_HEIGHT;
    const unsigned height = level % TLOG_TILE_HEIGHT;

    if (tile_level >= TLOG_TILE_LEVELS || index >= tiles->size >> level)
        return err_set(err, E_RANGE, "", "log of %llu leaves has no full node %u/%llu",
                       (unsigned long long)tiles->size, level, (unsigned long long)index);
    const uint64_t first = index << height;
    const struct tlog_tile tile = {
        .level = tile_level,
        .index = first / TLOG_TILE_WIDTH,
        .width = tlog_tile_width(tiles->size, tile_level, first / TLOG_TILE_WIDTH),
    };
    struct tlog_tile *kept = &tiles->kept[tile_level].tile;
    uint8_t *hashes = tiles->kept[tile_level].hashes;

    if (kept->index != tile.index || kept->width != tile.width) {
        kept->width = 0; /* a failed read leaves rubbish */
        if (tiles->read_tile(tiles->cls, tile, hashes, err) < 0)
            return err_ret(err);
        *kept = tile;
    }
    tlog__hash_full(hashes + first % TLOG_TILE_WIDTH * TLOG_HASH_LEN, 1U << height, ret_hash);
    return 0;
}

struct tlog_reader tlog_tile_reader(struct tlog_tiles *tiles)
{
    return (struct tlog_reader){.read = read_node, .cls = tiles};
}

void tlog_path_format(struct tlog_path path, struct buf *out)
{
    uint64_t scale = 1;

    if (path.entries)
        buf_add_c(out, "tile/entries/");
    else
        buf_printf(out, "tile/%u/", path.tile.level);
    while (path.tile.index / scale >= GROUP)
        scale *= GROUP;
    for (; scale > 1; scale /= GROUP)
        buf_printf(out, "x%03u/", (unsigned)(path.tile.index / scale % GROUP));
    buf_printf(out, "%03u", (unsigned)(path.tile.index % GROUP));
    if (path.tile.width < TLOG_TILE_WIDTH)
        buf_printf(out, ".p/%u", path.tile.width);
}

/* Takes a prefix off; false if the text does not begin with it. */
static bool take(struct str *text, struct str prefix)
{
    if (!str_starts(*text, prefix))
        return false;
    *text = str_from(*text, prefix.n);
    return true;
}

/* Takes exactly n decimal digits off. */
static bool take_digits(struct str *text, size_t n, unsigned *ret_value)
{
    unsigned value = 0;

    if (text->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text->p[i] < '0' || text->p[i] > '9')
            return false;
        value = 10 * value + (unsigned)(text->p[i] - '0');
    }
    *text = str_from(*text, n);
    *ret_value = value;
    return true;
}

/* Puts three more digits behind an index; false if it grows beyond what a log can have. */
static bool add_group(struct str *text, uint64_t *index)
{
    unsigned group;

    if (!take_digits(text, GROUP_LEN, &group) || *index > INDEX_MAX / GROUP)
        return false;
    *index = *index * GROUP + group;
    return *index <= INDEX_MAX;
}

/* x001/x234/067: the first group of several is not x000, since that is not how a number is written. */
static bool take_index(struct str *text, uint64_t *ret_index)
{
    uint64_t index = 0;

    while (take(text, STR("x")))
        if (!add_group(text, &index) || index == 0 || !take(text, STR("/")))
            return false;
    *ret_index = index;
    return add_group(text, ret_index);
}

bool tlog_path_parse(struct str text, struct tlog_path *ret_path)
{
    struct tlog_path path = {.tile = {.width = TLOG_TILE_WIDTH}};

    if (!take(&text, STR("tile/")))
        return false;
    if (take(&text, STR("entries/")))
        path.entries = true;
    else if (!take_digits(&text, 1, &path.tile.level) || path.tile.level >= TLOG_TILE_LEVELS ||
             !take(&text, STR("/")))
        return false;
    if (!take_index(&text, &path.tile.index))
        return false;
    if (take(&text, STR(".p/"))) {
        if (text.n == 0 || text.n > GROUP_LEN || text.p[0] == '0' ||
            !take_digits(&text, text.n, &path.tile.width) || path.tile.width >= TLOG_TILE_WIDTH)
            return false;
    }
    if (text.n != 0)
        return false;
    *ret_path = path;
    return true;
}
