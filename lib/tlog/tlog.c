/*
 * lib/tlog/tlog.c - hashes of the tree, and its growing edge
 *
 * RFC 6962 §2.1. The prefixes 0x00 and 0x01 keep a leaf from being taken for a node. A tree of n
 * leaves is, from left to right, one full subtree for each bit set in n, largest first; the root
 * folds them from the right. That row of subtree roots is the edge.
 */
#include "lib/tlog/tlog.h"

#include <assert.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/crypto/hash.h"
#include "lib/tlog/tlog_private.h"

#include "lib/base/banned.h"

#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01
#define LEAF_SMALL  2048

static_assert(TLOG_HASH_LEN == SHA256_LEN, "the log hashes with SHA-256");

void tlog_hash_leaf(struct str entry, uint8_t ret_hash[static TLOG_HASH_LEN])
{
    uint8_t small[LEAF_SMALL]; /* one call for most entries: an incremental hash costs memory */
    struct hash *hash;

    small[0] = LEAF_PREFIX;
    if (entry.n < sizeof(small)) {
        memcpy(small + 1, entry.n > 0 ? entry.p : "", entry.n);
        sha256(small, entry.n + 1, ret_hash);
        return;
    }
    hash = hash_begin();
    hash_add(hash, small, 1);
    hash_add(hash, entry.p, entry.n);
    hash_end(&hash, ret_hash);
}

void tlog_hash_node(const uint8_t left[static TLOG_HASH_LEN],
                    const uint8_t right[static TLOG_HASH_LEN],
                    uint8_t ret_hash[static TLOG_HASH_LEN])
{
    uint8_t node[1 + 2 * TLOG_HASH_LEN];

    node[0] = NODE_PREFIX;
    memcpy(node + 1, left, TLOG_HASH_LEN);
    memcpy(node + 1 + TLOG_HASH_LEN, right, TLOG_HASH_LEN);
    sha256(node, sizeof(node), ret_hash);
}

void tlog__hash_full(const uint8_t *hashes, unsigned count, uint8_t ret_root[static TLOG_HASH_LEN])
{
    uint8_t row[TLOG_TILE_WIDTH / 2][TLOG_HASH_LEN];

    CHECK(count > 0 && count <= TLOG_TILE_WIDTH && (count & (count - 1)) == 0);
    if (count == 1) {
        memmove(ret_root, hashes, TLOG_HASH_LEN);
        return;
    }
    for (unsigned i = 0; i < count / 2; i++)
        tlog_hash_node(hashes + (size_t)2 * i * TLOG_HASH_LEN,
                       hashes + ((size_t)2 * i + 1) * TLOG_HASH_LEN, row[i]);
    for (unsigned n = count / 4; n > 0; n /= 2)
        for (unsigned i = 0; i < n; i++)
            tlog_hash_node(row[2 * i], row[2 * i + 1], row[i]);
    memcpy(ret_root, row[0], TLOG_HASH_LEN);
}

int tlog_append(struct tlog_edge *edge, const uint8_t leaf[static TLOG_HASH_LEN], struct err *err)
{
    uint8_t hash[TLOG_HASH_LEN];
    unsigned level = 0;

    if (edge->size >= TLOG_SIZE_MAX)
        return err_set(err, E_LIMIT, "", "log: no more than 2^63 - 1 leaves");
    memcpy(hash, leaf, sizeof(hash));
    for (; (edge->size >> level & 1) != 0; level++)
        tlog_hash_node(edge->hash[level], hash, hash);
    memcpy(edge->hash[level], hash, sizeof(hash));
    edge->size++;
    return 0;
}

void tlog_root(const struct tlog_edge *edge, uint8_t ret_root[static TLOG_HASH_LEN])
{
    bool first = true;

    if (edge->size == 0) {
        sha256("", 0, ret_root);
        return;
    }
    for (unsigned level = 0; edge->size >> level != 0; level++) {
        if ((edge->size >> level & 1) == 0)
            continue;
        if (first)
            memcpy(ret_root, edge->hash[level], TLOG_HASH_LEN);
        else
            tlog_hash_node(edge->hash[level], ret_root, ret_root);
        first = false;
    }
}

int tlog_edge_read(const struct tlog_reader *reader, uint64_t size, struct tlog_edge *ret_edge,
                   struct err *err)
{
    struct tlog_edge edge = {.size = size};

    if (size > TLOG_SIZE_MAX)
        return err_set(err, E_RANGE, "", "log: no more than 2^63 - 1 leaves");
    for (unsigned level = 0; size >> level != 0; level++)
        /* the subtree of this bit ends where the bits below begin, so it is the last but (bit) one
         */
        if ((size >> level & 1) != 0 &&
            reader->read(reader->cls, level, (size >> level) - 1, edge.hash[level], err) < 0)
            return err_ret(err);
    *ret_edge = edge;
    return 0;
}
