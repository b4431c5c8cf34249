/*
 * tests/unit/test_tlog.c - tree, proofs, tiles, paths and bundles against a slow tree
 *
 * The slow tree is RFC 6962 §2.1 written down as it stands, recursively, over all leaves.
 */
#include <check.h>

#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "lib/tlog/tlog.h"

#include "lib/base/banned.h"

#define HASH_LEN TLOG_HASH_LEN

/* -- slow tree -- */

static void slow_node(const uint8_t *left, const uint8_t *right, uint8_t *ret_hash)
{
    uint8_t text[1 + 2 * HASH_LEN] = {0x01};

    memcpy(text + 1, left, HASH_LEN);
    memcpy(text + 1 + HASH_LEN, right, HASH_LEN);
    sha256(text, sizeof(text), ret_hash);
}

#define LOG_MAX 66000
#define BLOCK   256 /* leaves; roots of whole blocks are kept, else the slow tree is too slow */

static struct {
    bool known;
    uint8_t root[HASH_LEN];
} blocks[LOG_MAX / BLOCK];

/* MTH(D[from:to]) over leaf hashes. */
static void slow_root(const uint8_t (*leaves)[HASH_LEN], uint64_t from, uint64_t to,
                      uint8_t *ret_hash)
{
    uint8_t left[HASH_LEN], right[HASH_LEN];
    uint64_t k = 1;

    if (to == from) {
        sha256("", 0, ret_hash);
        return;
    }
    if (to - from == 1) {
        memcpy(ret_hash, leaves[from], HASH_LEN);
        return;
    }
    while (2 * k < to - from)
        k *= 2;
    const bool block = to - from == BLOCK && from % BLOCK == 0;

    if (block && blocks[from / BLOCK].known) {
        memcpy(ret_hash, blocks[from / BLOCK].root, HASH_LEN);
        return;
    }
    slow_root(leaves, from, from + k, left);
    slow_root(leaves, from + k, to, right);
    slow_node(left, right, ret_hash);
    if (block) {
        blocks[from / BLOCK].known = true;
        memcpy(blocks[from / BLOCK].root, ret_hash, HASH_LEN);
    }
}

/* PATH(m, D[from:to]), m counted from `from`. */
static void slow_path(const uint8_t (*leaves)[HASH_LEN], uint64_t m, uint64_t from, uint64_t to,
                      struct tlog_proof *proof)
{
    uint64_t k = 1;

    if (to - from == 1)
        return;
    while (2 * k < to - from)
        k *= 2;
    if (m < k) {
        slow_path(leaves, m, from, from + k, proof);
        slow_root(leaves, from + k, to, proof->hash[proof->n++]);
        return;
    }
    slow_path(leaves, m - k, from + k, to, proof);
    slow_root(leaves, from, from + k, proof->hash[proof->n++]);
}

/* SUBPROOF(m, D[from:to], whole) */
static void slow_subproof(const uint8_t (*leaves)[HASH_LEN], uint64_t m, uint64_t from, uint64_t to,
                          bool whole, struct tlog_proof *proof)
{
    uint64_t k = 1;

    if (m == to - from) {
        if (!whole)
            slow_root(leaves, from, to, proof->hash[proof->n++]);
        return;
    }
    while (2 * k < to - from)
        k *= 2;
    if (m <= k) {
        slow_subproof(leaves, m, from, from + k, whole, proof);
        slow_root(leaves, from + k, to, proof->hash[proof->n++]);
        return;
    }
    slow_subproof(leaves, m - k, from + k, to, false, proof);
    slow_root(leaves, from, from + k, proof->hash[proof->n++]);
}

/* -- a log in memory: leaf hashes, and the tiles that grew -- */

#define BIG_TILES  260 /* per level */
#define BIG_LEVELS 3

struct stored_tile {
    unsigned width;
    uint8_t hashes[TLOG_TILE_WIDTH * HASH_LEN];
};

struct log {
    uint8_t (*leaves)[HASH_LEN];
    uint64_t size;
    struct stored_tile *tiles[BIG_LEVELS];
    size_t reads; /* of tiles */
};

static struct log log_mem;

static void make_leaf(uint64_t i, uint8_t *ret_hash)
{
    char text[32];
    const int n = snprintf(text, sizeof(text), "entry %llu", (unsigned long long)i);

    tlog_hash_leaf((struct str){text, (size_t)n}, ret_hash);
}

static void make_log(void)
{
    log_mem = (struct log){.leaves = calloc(LOG_MAX, HASH_LEN)};
    for (uint64_t i = 0; i < LOG_MAX; i++)
        make_leaf(i, log_mem.leaves[i]);
    for (unsigned level = 0; level < BIG_LEVELS; level++)
        log_mem.tiles[level] = calloc(BIG_TILES, sizeof(struct stored_tile));
}

static void drop_log(void)
{
    free(log_mem.leaves);
    for (unsigned level = 0; level < BIG_LEVELS; level++)
        free(log_mem.tiles[level]);
}

static const uint8_t (*leaves(void))[HASH_LEN]
{
    return (const uint8_t(*)[HASH_LEN])log_mem.leaves;
}

/* Nodes by brute force from the leaves. */
static int read_slow(void *cls, unsigned level, uint64_t index, uint8_t *ret_hash, struct err *err)
{
    const uint64_t from = index << level;
    const uint64_t to = (index + 1) << level;

    (void)cls;
    if (to > LOG_MAX)
        return err_set(err, E_RANGE, "", "node %u/%llu", level, (unsigned long long)index);
    slow_root(leaves(), from, to, ret_hash);
    return 0;
}

static const struct tlog_reader slow_reader = {.read = read_slow};

/* Stored tiles; a width other than the stored one is an error, as it would be for files by name. */
static int read_tile(void *cls, struct tlog_tile tile, uint8_t *ret_hashes, struct err *err)
{
    struct log *log = cls;

    log->reads++;
    memset(ret_hashes, 0xee, (size_t)tile.width * HASH_LEN); /* what a failed read leaves */
    if (tile.level >= BIG_LEVELS || tile.index >= BIG_TILES ||
        log->tiles[tile.level][tile.index].width != tile.width)
        return err_set(err, E_CORRUPT, "", "tile %u/%llu of %u", tile.level,
                       (unsigned long long)tile.index, tile.width);
    memcpy(ret_hashes, log->tiles[tile.level][tile.index].hashes, (size_t)tile.width * HASH_LEN);
    return 0;
}

static void store_grown(const struct tlog_grown *grown, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct stored_tile *tile = &log_mem.tiles[grown[i].tile.level][grown[i].tile.index];

        ck_assert_uint_lt(grown[i].tile.level, BIG_LEVELS);
        ck_assert_uint_lt(grown[i].tile.index, BIG_TILES);
        ck_assert_msg(tile->width < grown[i].tile.width, "a tile that did not grow");
        ck_assert_msg(memcmp(tile->hashes, grown[i].hashes, (size_t)tile->width * HASH_LEN) == 0,
                      "a wider tile contains its predecessor");
        tile->width = grown[i].tile.width;
        memcpy(tile->hashes, grown[i].hashes, (size_t)tile->width * HASH_LEN);
    }
}

/* Appends leaves up to `size` through tlog_grow and keeps the tiles. */
static void grow_to(struct tlog_edge *edge, uint64_t size, struct tlog_tiles *tiles)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(16));
    struct tlog_grown *grown = NULL;
    size_t n = 0;
    struct err err = {0};

    *tiles = (struct tlog_tiles){.read_tile = read_tile, .cls = &log_mem, .size = edge->size};
    const struct tlog_reader reader = tlog_tile_reader(tiles);

    ck_assert_msg(tlog_grow(edge, &reader, log_mem.leaves[edge->size], (size_t)(size - edge->size),
                            arena, &grown, &n, &err) == 0,
                  "%s", err.text);
    store_grown(grown, n);
    tiles->size = size;
    memset(tiles->kept, 0, sizeof(tiles->kept));
}

static void assert_root(const struct tlog_edge *edge, uint64_t size)
{
    uint8_t want[HASH_LEN], got[HASH_LEN];

    ck_assert_uint_eq(edge->size, size);
    slow_root(leaves(), 0, size, want);
    tlog_root(edge, got);
    ck_assert_mem_eq(got, want, HASH_LEN);
}

/* -- the tree -- */

/* The eight leaves that Certificate Transparency tests with, and the roots of their first n. */
static const struct {
    const char *entry, *root;
} classic[] = {
    {"",                                 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {"00",                               "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
    {"10",                               "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
    {"2021",                             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
    {"3031",                             "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
    {"40414243",                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
    {"5051525354555657",                 "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
    {"606162636465666768696a6b6c6d6e6f",
     "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"                                    },
};

START_TEST(the_classic_eight_leaves)
{
    struct tlog_edge edge = {0};
    struct err err = {0};
    uint8_t root[HASH_LEN];

    tlog_root(&edge, root);
    ck_assert_str_eq(hash_hex(root).c,
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < ARRAY_LEN(classic); i++) {
        AUTO(buf_done) struct buf entry = buf_init(64);
        uint8_t leaf[HASH_LEN];

        ck_assert(decode_hex(&entry, str_c(classic[i].entry)));
        tlog_hash_leaf(buf_str(&entry), leaf);
        ck_assert_int_eq(tlog_append(&edge, leaf, &err), 0);
        tlog_root(&edge, root);
        ck_assert_str_eq(hash_hex(root).c, classic[i].root);
    }
}

END_TEST

START_TEST(roots_of_all_small_logs)
{
    struct tlog_edge edge = {0};
    struct err err = {0};

    for (uint64_t size = 0; size < 600; size++) {
        struct tlog_edge again;

        assert_root(&edge, size);
        ck_assert_int_eq(tlog_edge_read(&slow_reader, size, &again, &err), 0);
        assert_root(&again, size);
        ck_assert_int_eq(tlog_append(&edge, log_mem.leaves[size], &err), 0);
    }
}

END_TEST

START_TEST(a_log_has_a_largest_size)
{
    struct tlog_edge edge = {.size = TLOG_SIZE_MAX - 1};
    struct err err = {0};

    ck_assert_int_eq(tlog_append(&edge, log_mem.leaves[0], &err), 0);
    ck_assert_uint_eq(edge.size, TLOG_SIZE_MAX);
    ck_assert_int_eq(tlog_append(&edge, log_mem.leaves[0], &err), -E_LIMIT);
    ck_assert_uint_eq(edge.size, TLOG_SIZE_MAX);
}

END_TEST

/* -- proofs -- */

static void assert_proof_eq(const struct tlog_proof *got, const struct tlog_proof *want)
{
    ck_assert_uint_eq(got->n, want->n);
    ck_assert_mem_eq(got->hash, want->hash, want->n * HASH_LEN);
}

static void check_inclusion(const struct tlog_reader *reader, uint64_t index, uint64_t size)
{
    struct tlog_proof want = {0};
    struct tlog_proof got;
    uint8_t root[HASH_LEN];
    struct err err = {0};

    slow_root(leaves(), 0, size, root);
    slow_path(leaves(), index, 0, size, &want);
    ck_assert_msg(tlog_inclusion(reader, index, size, &got, &err) == 0, "%s", err.text);
    assert_proof_eq(&got, &want);
    ck_assert_msg(tlog_inclusion_verify(index, size, log_mem.leaves[index], root, &got, &err) == 0,
                  "%llu of %llu: %s", (unsigned long long)index, (unsigned long long)size,
                  err.text);
    /* the same path proves nothing about another place or another leaf */
    ck_assert_int_eq(
        tlog_inclusion_verify(index, size, log_mem.leaves[index + 1], root, &got, &err), -E_VERIFY);
    if (size > 1)
        ck_assert_int_eq(tlog_inclusion_verify((index + 1) % size, size, log_mem.leaves[index],
                                               root, &got, &err),
                         -E_VERIFY);
}

static void check_consistency(const struct tlog_reader *reader, uint64_t size1, uint64_t size2)
{
    struct tlog_proof want = {0};
    struct tlog_proof got;
    uint8_t root1[HASH_LEN], root2[HASH_LEN];
    struct err err = {0};

    slow_root(leaves(), 0, size1, root1);
    slow_root(leaves(), 0, size2, root2);
    if (size1 > 0)
        slow_subproof(leaves(), size1, 0, size2, true, &want);
    ck_assert_msg(tlog_consistency(reader, size1, size2, &got, &err) == 0, "%s", err.text);
    assert_proof_eq(&got, &want);
    ck_assert_msg(tlog_consistency_verify(size1, root1, size2, root2, &got, &err) == 0,
                  "%llu to %llu: %s", (unsigned long long)size1, (unsigned long long)size2,
                  err.text);
    root1[7] ^= 1;
    ck_assert_int_eq(tlog_consistency_verify(size1, root1, size2, root2, &got, &err), -E_VERIFY);
    root1[7] ^= 1;
    if (size1 > 0) {
        root2[31] ^= 0x80;
        ck_assert_int_eq(tlog_consistency_verify(size1, root1, size2, root2, &got, &err),
                         -E_VERIFY);
    }
}

START_TEST(inclusion_in_all_small_logs)
{
    for (uint64_t size = 1; size <= 130; size++)
        for (uint64_t index = 0; index < size; index++)
            check_inclusion(&slow_reader, index, size);
}

END_TEST

START_TEST(consistency_of_all_small_logs)
{
    for (uint64_t size2 = 0; size2 <= 130; size2++)
        for (uint64_t size1 = 0; size1 <= size2; size1++)
            check_consistency(&slow_reader, size1, size2);
}

END_TEST

static const uint64_t edges[] = {1, 2, 255, 256, 257, 511, 512, 513, 767};

START_TEST(proofs_around_one_tile)
{
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        for (size_t j = 0; j < ARRAY_LEN(edges); j++) {
            if (edges[j] < edges[i])
                check_inclusion(&slow_reader, edges[j], edges[i]);
            if (edges[j] <= edges[i])
                check_consistency(&slow_reader, edges[j], edges[i]);
        }
        check_inclusion(&slow_reader, 0, edges[i]);
        check_inclusion(&slow_reader, edges[i] - 1, edges[i]);
    }
}

END_TEST

/* Tiles of three levels, grown in uneven steps; proofs of earlier sizes from the tiles of the last one. */
START_TEST(proofs_from_tiles_around_65536)
{
    static const uint64_t steps[] = {1, 255, 256, 257, 700, 20000, 65535, 65536, 65537, 65800};
    static const uint64_t indexes[] = {0, 255, 256, 32768, 65280, 65534, 65535, 65536};
    struct tlog_tiles *tiles = calloc(1, sizeof(*tiles));
    struct tlog_edge edge = {0};

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        grow_to(&edge, steps[i], tiles);
        assert_root(&edge, steps[i]);
    }
    const struct tlog_reader reader = tlog_tile_reader(tiles);

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct tlog_edge again;
        struct err err = {0};

        ck_assert_int_eq(tlog_edge_read(&reader, steps[i], &again, &err), 0);
        assert_root(&again, steps[i]);
        check_consistency(&reader, steps[i], 65800);
        for (size_t j = 0; j < ARRAY_LEN(indexes); j++)
            if (indexes[j] < steps[i])
                check_inclusion(&reader, indexes[j], steps[i]);
    }
    check_consistency(&reader, 65535, 65536);
    check_consistency(&reader, 65536, 65537);
    free(tiles);
}

END_TEST

static const struct {
    uint64_t size1, size2;
} flip_sizes[] = {
    {1,   2  },
    {3,   7  },
    {4,   7  },
    {6,   8  },
    {7,   8  },
    {64,  100},
    {63,  130},
    {1,   65 },
    {99,  99 },
    {100, 128},
    {128, 257},
    {200, 257},
    {255, 256},
    {256, 257},
};

START_TEST(every_changed_bit_of_a_consistency_proof_is_noticed)
{
    const uint64_t size1 = flip_sizes[_i].size1;
    const uint64_t size2 = flip_sizes[_i].size2;
    struct tlog_proof proof;
    uint8_t root1[HASH_LEN], root2[HASH_LEN];
    struct err err = {0};

    slow_root(leaves(), 0, size1, root1);
    slow_root(leaves(), 0, size2, root2);
    ck_assert_int_eq(tlog_consistency(&slow_reader, size1, size2, &proof, &err), 0);
    for (size_t bit = 0; bit < proof.n * HASH_LEN * 8; bit++) {
        proof.hash[bit / 256][bit / 8 % HASH_LEN] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(tlog_consistency_verify(size1, root1, size2, root2, &proof, &err),
                         -E_VERIFY);
        proof.hash[bit / 256][bit / 8 % HASH_LEN] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t n = 0; n <= TLOG_PROOF_MAX + 1; n++) {
        struct tlog_proof other = proof;

        other.n = n;
        ck_assert_int_eq(tlog_consistency_verify(size1, root1, size2, root2, &other, &err),
                         n == proof.n ? 0 : -E_VERIFY);
    }
    for (uint64_t other = 0; other <= size2 + 2; other++) {
        if (other != size1)
            ck_assert_int_eq(tlog_consistency_verify(other, root1, size2, root2, &proof, &err),
                             -E_VERIFY);
    }
}

END_TEST

START_TEST(every_changed_bit_of_an_inclusion_proof_is_noticed)
{
    const uint64_t size = flip_sizes[_i].size2;
    const uint64_t index = flip_sizes[_i].size1 - 1;
    struct tlog_proof proof;
    uint8_t root[HASH_LEN], leaf[HASH_LEN];
    struct err err = {0};

    memcpy(leaf, log_mem.leaves[index], HASH_LEN);
    slow_root(leaves(), 0, size, root);
    ck_assert_int_eq(tlog_inclusion(&slow_reader, index, size, &proof, &err), 0);
    for (size_t bit = 0; bit < proof.n * HASH_LEN * 8; bit++) {
        proof.hash[bit / 256][bit / 8 % HASH_LEN] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(tlog_inclusion_verify(index, size, leaf, root, &proof, &err), -E_VERIFY);
        proof.hash[bit / 256][bit / 8 % HASH_LEN] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < (size_t)HASH_LEN * 8; bit++) {
        leaf[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(tlog_inclusion_verify(index, size, leaf, root, &proof, &err), -E_VERIFY);
        leaf[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t n = 0; n <= TLOG_PROOF_MAX + 1; n++) {
        struct tlog_proof other = proof;

        other.n = n;
        ck_assert_int_eq(tlog_inclusion_verify(index, size, leaf, root, &other, &err),
                         n == proof.n ? 0 : -E_VERIFY);
    }
    for (uint64_t other = 0; other <= size + 2; other++)
        if (other != index)
            ck_assert_int_eq(tlog_inclusion_verify(other, size, leaf, root, &proof, &err),
                             -E_VERIFY);
}

END_TEST

START_TEST(proofs_of_what_is_not_there_are_refused)
{
    const uint64_t huge = TLOG_SIZE_MAX + 1;
    struct tlog_proof proof = {0};
    const uint8_t *any = log_mem.leaves[0];
    struct err err = {0};

    ck_assert_int_eq(tlog_inclusion(&slow_reader, 0, 0, &proof, &err), -E_RANGE);
    ck_assert_int_eq(tlog_inclusion(&slow_reader, 5, 5, &proof, &err), -E_RANGE);
    ck_assert_int_eq(tlog_inclusion(&slow_reader, 5, huge, &proof, &err), -E_RANGE);
    ck_assert_int_eq(tlog_consistency(&slow_reader, 6, 5, &proof, &err), -E_RANGE);
    ck_assert_int_eq(tlog_consistency(&slow_reader, 6, huge, &proof, &err), -E_RANGE);
    ck_assert_int_eq(tlog_inclusion(&slow_reader, 0, LOG_MAX + 1, &proof, &err), -E_RANGE);
    ck_assert_int_eq(tlog_inclusion_verify(0, 0, any, any, &proof, &err), -E_VERIFY);
    ck_assert_int_eq(tlog_inclusion_verify(0, huge, any, any, &proof, &err), -E_VERIFY);
    ck_assert_int_eq(tlog_inclusion_verify(0, 1, any, any, &proof, &err), 0);
    ck_assert_int_eq(tlog_consistency_verify(0, any, 5, any, &proof, &err), -E_VERIFY);
    ck_assert_int_eq(tlog_consistency_verify(0, any, 0, any, &proof, &err), -E_VERIFY);
    ck_assert_int_eq(tlog_consistency_verify(6, any, 5, any, &proof, &err), -E_VERIFY);
    ck_assert_int_eq(tlog_consistency_verify(5, any, huge, any, &proof, &err), -E_VERIFY);
    ck_assert_int_eq(tlog_consistency_verify(5, any, 5, log_mem.leaves[1], &proof, &err),
                     -E_VERIFY);
    ck_assert_int_eq(tlog_consistency_verify(5, any, 5, any, &proof, &err), 0);
}

END_TEST

/* -- tiles -- */

static const struct {
    uint64_t size;
    unsigned level;
    uint64_t index;
    unsigned width;
} widths[] = {
    {0,             0, 0,                       0  },
    {1,             0, 0,                       1  },
    {255,           0, 0,                       255},
    {256,           0, 0,                       256},
    {256,           0, 1,                       0  },
    {257,           0, 0,                       256},
    {257,           0, 1,                       1  },
    {255,           1, 0,                       0  },
    {256,           1, 0,                       1  },
    {511,           1, 0,                       1  },
    {512,           1, 0,                       2  },
    {65535,         1, 0,                       255},
    {65536,         1, 0,                       256},
    {65536,         1, 1,                       0  },
    {65536,         2, 0,                       1  },
    {65536,         8, 0,                       0  },
    {65536,         0, 255,                     256},
    {65536,         0, 256,                     0  },
    {70000,         0, 273,                     112},
    {TLOG_SIZE_MAX, 7, 0,                       127},
    {TLOG_SIZE_MAX, 0, TLOG_SIZE_MAX / 256,     255},
    {TLOG_SIZE_MAX, 0, TLOG_SIZE_MAX / 256 + 1, 0  },
    {TLOG_SIZE_MAX, 0, UINT64_MAX,              0  },
};

START_TEST(width_of_a_tile)
{
    ck_assert_uint_eq(tlog_tile_width(widths[_i].size, widths[_i].level, widths[_i].index),
                      widths[_i].width);
}

END_TEST

/* Grows by every step from every start in a range, one leaf at a time as reference. */
START_TEST(tiles_are_the_same_however_the_log_grows)
{
    static const uint64_t starts[] = {0, 1, 254, 255, 256, 257, 511, 512, 600};
    static const uint64_t steps[] = {0, 1, 2, 255, 256, 257, 513};
    struct tlog_tiles *tiles = calloc(1, sizeof(*tiles));

    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
            struct tlog_edge edge = {0};
            const uint64_t size = starts[i] + steps[j];

            for (unsigned level = 0; level < BIG_LEVELS; level++)
                memset(log_mem.tiles[level], 0, 8 * sizeof(struct stored_tile));
            grow_to(&edge, starts[i], tiles);
            grow_to(&edge, size, tiles);
            assert_root(&edge, size);
            for (uint64_t tile = 0; tile < 8; tile++) {
                ck_assert_uint_eq(log_mem.tiles[0][tile].width, tlog_tile_width(size, 0, tile));
                ck_assert_mem_eq(log_mem.tiles[0][tile].hashes, log_mem.leaves[256 * tile],
                                 (size_t)log_mem.tiles[0][tile].width * HASH_LEN);
            }
            ck_assert_uint_eq(log_mem.tiles[1][0].width, size / 256);
            for (uint64_t node = 0; node < size / 256; node++) {
                uint8_t want[HASH_LEN];

                slow_root(leaves(), 256 * node, 256 * (node + 1), want);
                ck_assert_mem_eq(log_mem.tiles[1][0].hashes + node * HASH_LEN, want, HASH_LEN);
            }
        }
    free(tiles);
}

END_TEST

START_TEST(growing_fails_whole)
{
    AUTO(arena_free) struct arena *small = arena_new(KIB(4));
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct tlog_tiles *tiles = calloc(1, sizeof(*tiles));
    struct tlog_edge edge = {0};
    struct tlog_edge full = {.size = TLOG_SIZE_MAX};
    struct tlog_grown *grown = NULL;
    size_t n = 77;
    struct err err = {0};

    grow_to(&edge, 300, tiles);
    const struct tlog_edge before = edge;
    const struct tlog_reader reader = tlog_tile_reader(tiles);

    ck_assert_int_eq(tlog_grow(&edge, &reader, log_mem.leaves[300], 500, small, &grown, &n, &err),
                     -E_NO_MEMORY);
    log_mem.tiles[0][1].width = 0; /* the growing tile is lost */
    ck_assert_int_eq(tlog_grow(&edge, &reader, log_mem.leaves[300], 5, arena, &grown, &n, &err),
                     -E_CORRUPT);
    ck_assert_int_eq(tlog_grow(&full, &reader, log_mem.leaves[0], 1, arena, &grown, &n, &err),
                     -E_LIMIT);
    ck_assert_mem_eq(&edge, &before, sizeof(edge));
    ck_assert_ptr_null(grown);
    ck_assert_uint_eq(n, 77);
    free(tiles);
}

END_TEST

START_TEST(a_tile_is_read_once_while_it_is_in_use)
{
    struct tlog_tiles *tiles = calloc(1, sizeof(*tiles));
    struct tlog_edge edge = {0};
    uint8_t hash[HASH_LEN], want[HASH_LEN];
    struct err err = {0};

    grow_to(&edge, 600, tiles);
    const struct tlog_reader reader = tlog_tile_reader(tiles);

    log_mem.reads = 0;
    for (unsigned level = 0; level < 8; level++)
        for (uint64_t index = 0; (index + 1) << level <= 256; index++) {
            ck_assert_int_eq(reader.read(reader.cls, level, index, hash, &err), 0);
            slow_root(leaves(), index << level, (index + 1) << level, want);
            ck_assert_mem_eq(hash, want, HASH_LEN);
        }
    ck_assert_uint_eq(log_mem.reads, 1);

    /* a failed read leaves nothing that is taken for the tile before */
    log_mem.tiles[0][1].width = 0;
    ck_assert_int_eq(reader.read(reader.cls, 0, 256, hash, &err), -E_CORRUPT);
    ck_assert_int_eq(reader.read(reader.cls, 0, 3, hash, &err), 0);
    ck_assert_mem_eq(hash, log_mem.leaves[3], HASH_LEN);
    ck_assert_uint_eq(log_mem.reads, 3);
    ck_assert_int_eq(reader.read(reader.cls, 9, 0, hash, &err), 0);
    ck_assert_int_eq(reader.read(reader.cls, 9, 1, hash, &err), -E_RANGE);
    ck_assert_int_eq(reader.read(reader.cls, 0, 600, hash, &err), -E_RANGE);
    ck_assert_int_eq(reader.read(reader.cls, 63, 0, hash, &err), -E_RANGE);
    free(tiles);
}

END_TEST

/* -- paths -- */

static const struct {
    const char *text;
    struct tlog_path path;
} paths[] = {
    {"tile/0/000",                          {false, {0, 0, 256}}                  },
    {"tile/0/000.p/1",                      {false, {0, 0, 1}}                    },
    {"tile/1/067.p/255",                    {false, {1, 67, 255}}                 },
    {"tile/7/999",                          {false, {7, 999, 256}}                },
    {"tile/0/x001/000",                     {false, {0, 1000, 256}}               },
    {"tile/3/x001/x234/067",                {false, {3, 1234067, 256}}            },
    {"tile/3/x001/x234/067.p/12",           {false, {3, 1234067, 12}}             },
    {"tile/0/x999/x000/000",                {false, {0, 999000000, 256}}          },
    {"tile/entries/000",                    {true, {0, 0, 256}}                   },
    {"tile/entries/x012/x000/345.p/99",     {true, {0, 12000345, 99}}             },
    {"tile/0/x036/x028/x797/x018/x963/967", {false, {0, TLOG_SIZE_MAX / 256, 256}}},
};

START_TEST(paths_are_written_and_read)
{
    AUTO(buf_done) struct buf text = buf_init(128);
    struct tlog_path path;

    tlog_path_format(paths[_i].path, &text);
    buf_add_char(&text, '\0');
    ck_assert_str_eq(text.p, paths[_i].text);
    ck_assert(tlog_path_parse(str_c(paths[_i].text), &path));
    ck_assert_int_eq(path.entries, paths[_i].path.entries);
    ck_assert_uint_eq(path.tile.level, paths[_i].path.tile.level);
    ck_assert_uint_eq(path.tile.index, paths[_i].path.tile.index);
    ck_assert_uint_eq(path.tile.width, paths[_i].path.tile.width);
}

END_TEST

static const char *const bad_paths[] = {
    "",
    "tile",
    "tile/",
    "tile/0",
    "tile/0/",
    "/tile/0/000",
    "tile/0/000/",
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/0/x000/000",
    "tile/0/x000/x001/000",
    "tile/0/x001",
    "tile/0/x001/",
    "tile/0/001/000",
    "tile/0/x01/000",
    "tile/0/x0001/000",
    "tile/0/X001/000",
    "tile/0/x001//000",
    "tile/0/x001/x000",
    "tile/8/000",
    "tile/9/000",
    "tile/00/000",
    "tile/10/000",
    "tile/-1/000",
    "tile/a/000",
    "tile/0/000.p/",
    "tile/0/000.p/0",
    "tile/0/000.p/01",
    "tile/0/000.p/256",
    "tile/0/000.p/1000",
    "tile/0/000.p/1/",
    "tile/0/000.p1",
    "tile/0/000p/1",
    "tile/0/000.p/-1",
    "tile/0/000.p/ 1",
    "tile/0/ 00",
    "tile/0/+00",
    "tile/entries",
    "tile/entries/",
    "tile/entries/0/000",
    "tile/entry/000",
    "tiles/0/000",
    "TILE/0/000",
    "tile/0/../000",
    "tile/0/%30%30%30",
    "tile/0/000?x",
    "tile/0/000 ",
    "tile/0/x036/x028/x797/x018/x963/968",
    "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    "tile/0/x018/x446/x744/x073/x709/x551/616",
};

START_TEST(other_paths_are_refused)
{
    struct tlog_path path;

    ck_assert_msg(!tlog_path_parse(str_c(bad_paths[_i]), &path), "'%s'", bad_paths[_i]);
}

END_TEST

/* -- bundles -- */

START_TEST(a_bundle_holds_its_entries)
{
    AUTO(buf_done) struct buf bundle = buf_init(MIB(1));
    AUTO(buf_done) struct buf large = buf_init(KIB(64));
    struct str entries[TLOG_TILE_WIDTH];
    size_t n;
    struct err err = {0};

    while (large.n < TLOG_ENTRY_MAX)
        buf_add_char(&large, 'e');
    ck_assert_int_eq(tlog_bundle_add(&bundle, STR(""), &err), 0);
    ck_assert_int_eq(tlog_bundle_add(&bundle, STR("one"), &err), 0);
    ck_assert_mem_eq(bundle.p, "\0\0\0\3one", 7);
    ck_assert_int_eq(tlog_bundle_add(&bundle, buf_str(&large), &err), 0);
    ck_assert_int_eq(tlog_bundle_decode(buf_str(&bundle), entries, &n, &err), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert(str_eq_c(entries[0], ""));
    ck_assert(str_eq_c(entries[1], "one"));
    ck_assert(str_eq(entries[2], buf_str(&large)));

    const size_t before = bundle.n;

    buf_add_char(&large, 'e');
    ck_assert_int_eq(tlog_bundle_add(&bundle, buf_str(&large), &err), -E_LIMIT);
    ck_assert_uint_eq(bundle.n, before);
}

END_TEST

START_TEST(a_bundle_has_1_to_256_entries)
{
    AUTO(buf_done) struct buf bundle = buf_init(KIB(4));
    struct str entries[TLOG_TILE_WIDTH];
    size_t n;
    struct err err = {0};

    ck_assert_int_eq(tlog_bundle_decode(STR(""), entries, &n, &err), -E_SYNTAX);
    for (size_t i = 1; i <= TLOG_TILE_WIDTH; i++) {
        ck_assert_int_eq(tlog_bundle_add(&bundle, STR("e"), &err), 0);
        ck_assert_int_eq(tlog_bundle_decode(buf_str(&bundle), entries, &n, &err), 0);
        ck_assert_uint_eq(n, i);
    }
    ck_assert_int_eq(tlog_bundle_add(&bundle, STR("e"), &err), 0);
    ck_assert_int_eq(tlog_bundle_decode(buf_str(&bundle), entries, &n, &err), -E_SYNTAX);
}

END_TEST

START_TEST(a_bundle_cut_off_is_refused)
{
    static const char bundle[] = "\0\3one\0\0\0\2ab";
    static const bool whole[sizeof(bundle)] = {[5] = true, [7] = true, [11] = true};
    struct str entries[TLOG_TILE_WIDTH];
    size_t n;
    struct err err = {0};

    for (size_t len = 0; len < sizeof(bundle); len++)
        ck_assert_msg(tlog_bundle_decode((struct str){bundle, len}, entries, &n, &err) ==
                          (whole[len] ? 0 : -E_SYNTAX),
                      "first %zu bytes", len);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tlog");
    TCase *tc = tcase_create("log");

    tcase_set_timeout(tc, 120); /* the slow tree is slow */
    tcase_add_unchecked_fixture(tc, make_log, drop_log);
    tcase_add_test(tc, the_classic_eight_leaves);
    tcase_add_test(tc, roots_of_all_small_logs);
    tcase_add_test(tc, a_log_has_a_largest_size);
    tcase_add_test(tc, inclusion_in_all_small_logs);
    tcase_add_test(tc, consistency_of_all_small_logs);
    tcase_add_test(tc, proofs_around_one_tile);
    tcase_add_test(tc, proofs_from_tiles_around_65536);
    tcase_add_loop_test(tc, every_changed_bit_of_a_consistency_proof_is_noticed, 0,
                        ARRAY_LEN(flip_sizes));
    tcase_add_loop_test(tc, every_changed_bit_of_an_inclusion_proof_is_noticed, 0,
                        ARRAY_LEN(flip_sizes));
    tcase_add_test(tc, proofs_of_what_is_not_there_are_refused);
    tcase_add_loop_test(tc, width_of_a_tile, 0, ARRAY_LEN(widths));
    tcase_add_test(tc, tiles_are_the_same_however_the_log_grows);
    tcase_add_test(tc, growing_fails_whole);
    tcase_add_test(tc, a_tile_is_read_once_while_it_is_in_use);
    tcase_add_loop_test(tc, paths_are_written_and_read, 0, ARRAY_LEN(paths));
    tcase_add_loop_test(tc, other_paths_are_refused, 0, ARRAY_LEN(bad_paths));
    tcase_add_test(tc, a_bundle_holds_its_entries);
    tcase_add_test(tc, a_bundle_has_1_to_256_entries);
    tcase_add_test(tc, a_bundle_cut_off_is_refused);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    const int bad = srunner_ntests_failed(sr);

    srunner_free(sr);
    return bad != 0;
}
