/*
 * lib/tlog/proof.c - inclusion and consistency proofs
 *
 * Made by descending from the root (RFC 6962 §2.1.1, §2.1.2): the tree over [from, to) splits at
 * the largest power of two below its size, the part that does not matter gives its root. Checked by
 * ascending (RFC 9162 §2.1.3.2, §2.1.4.2), which works on the bits of indexes and shares no code
 * with the making.
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/crypto/hash.h"
#include "lib/tlog/tlog.h"

#include "lib/base/banned.h"

static unsigned floor_log2(uint64_t n)
{
    return 63U - (unsigned)__builtin_clzll(n);
}

/* Where the tree over n >= 2 leaves splits. */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << floor_log2(n - 1);
}

/*
 * Root of the tree over [from, to). `from` is a multiple of every power of two that fits into the
 * range, as all ranges of the descent are; so the range is a row of full subtrees, largest first.
 */
static int range_root(const struct tlog_reader *reader, uint64_t from, uint64_t to,
                      uint8_t ret_hash[static TLOG_HASH_LEN], struct err *err)
{
    uint8_t row[63][TLOG_HASH_LEN];
    size_t n = 0;

    CHECK(from < to);
    while (from < to) {
        const unsigned level = floor_log2(to - from);

        CHECK((from & ((UINT64_C(1) << level) - 1)) == 0);
        if (reader->read(reader->cls, level, from >> level, row[n++], err) < 0)
            return err_ret(err);
        from += UINT64_C(1) << level;
    }
    memcpy(ret_hash, row[n - 1], TLOG_HASH_LEN);
    while (--n > 0)
        tlog_hash_node(row[n - 1], ret_hash, ret_hash);
    return 0;
}

/* The sides not taken, from the root down. */
struct descent {
    size_t n;

    struct {
        uint64_t from, to;
    } side[TLOG_PROOF_MAX];
};

static void descent_add(struct descent *d, uint64_t from, uint64_t to)
{
    CHECK(d->n < TLOG_PROOF_MAX);
    d->side[d->n].from = from;
    d->side[d->n].to = to;
    d->n++;
}

/* A proof lists the sides from the leaf up. */
static int descent_proof(const struct descent *d, const struct tlog_reader *reader,
                         struct tlog_proof *ret_proof, struct err *err)
{
    struct tlog_proof proof = {.n = d->n};

    for (size_t i = 0; i < d->n; i++) {
        const size_t last = d->n - 1 - i;

        if (range_root(reader, d->side[last].from, d->side[last].to, proof.hash[i], err) < 0)
            return err_prefix(err, "proof");
    }
    *ret_proof = proof;
    return 0;
}

int tlog_inclusion(const struct tlog_reader *reader, uint64_t index, uint64_t size,
                   struct tlog_proof *ret_proof, struct err *err)
{
    struct descent d = {0};
    uint64_t from = 0;
    uint64_t to = size;

    if (index >= size || size > TLOG_SIZE_MAX)
        return err_tell(err, E_RANGE, "", "leaf %llu is not in a log of %llu leaves",
                        (unsigned long long)index, (unsigned long long)size);
    while (to - from > 1) {
        const uint64_t middle = from + split(to - from);

        if (index < middle) {
            descent_add(&d, middle, to);
            to = middle;
        } else {
            descent_add(&d, from, middle);
            from = middle;
        }
    }
    return descent_proof(&d, reader, ret_proof, err);
}

int tlog_consistency(const struct tlog_reader *reader, uint64_t size1, uint64_t size2,
                     struct tlog_proof *ret_proof, struct err *err)
{
    struct descent d = {0};
    uint64_t from = 0;
    uint64_t to = size2;

    if (size1 > size2 || size2 > TLOG_SIZE_MAX)
        return err_tell(err, E_RANGE, "", "a log of %llu leaves has no earlier size %llu",
                        (unsigned long long)size2, (unsigned long long)size1);
    if (size1 == 0) /* RFC 6962 leaves it open; nothing is to be shown */
        to = 0;
    while (to != size1) {
        const uint64_t middle = from + split(to - from);

        if (size1 <= middle) {
            descent_add(&d, middle, to);
            to = middle;
        } else {
            descent_add(&d, from, middle);
            from = middle;
        }
    }
    if (from != 0) /* the old root is not itself a node of the new tree: start from its last part */
        descent_add(&d, from, to);
    return descent_proof(&d, reader, ret_proof, err);
}

static bool hash_eq(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, TLOG_HASH_LEN) == 0;
}

/* A place in the tree while climbing: node `at` of a row whose last node is `last`. */
struct climb {
    uint64_t at, last;
};

static void climb_up(struct climb *c)
{
    c->at >>= 1;
    c->last >>= 1;
}

/* The next hash of the proof is a left neighbour. */
static bool climb_from_right(const struct climb *c)
{
    return (c->at & 1) != 0 || c->at == c->last;
}

/* An only child on the right edge has no neighbour for some rows; passes over them. */
static void climb_over_edge(struct climb *c)
{
    while ((c->at & 1) == 0 && c->at != 0)
        climb_up(c);
}

int tlog_inclusion_verify(uint64_t index, uint64_t size, const uint8_t leaf[static TLOG_HASH_LEN],
                          const uint8_t root[static TLOG_HASH_LEN], const struct tlog_proof *proof,
                          struct err *err)
{
    struct climb c = {.at = index, .last = size - 1};
    uint8_t hash[TLOG_HASH_LEN];

    if (index >= size || size > TLOG_SIZE_MAX || proof->n > TLOG_PROOF_MAX)
        return err_set(err, E_VERIFY, "", "inclusion proof: leaf %llu of %llu",
                       (unsigned long long)index, (unsigned long long)size);
    memcpy(hash, leaf, sizeof(hash));
    for (size_t i = 0; i < proof->n; i++) {
        if (c.last == 0)
            return err_set(err, E_VERIFY, "", "inclusion proof is too long");
        if (climb_from_right(&c)) {
            tlog_hash_node(proof->hash[i], hash, hash);
            climb_over_edge(&c);
        } else {
            tlog_hash_node(hash, proof->hash[i], hash);
        }
        climb_up(&c);
    }
    if (c.last != 0)
        return err_set(err, E_VERIFY, "", "inclusion proof is too short");
    if (!hash_eq(hash, root))
        return err_set(err, E_VERIFY, "", "inclusion proof does not lead to the root");
    return 0;
}

/* Climbs from the last node of the old tree, building both roots. */
static int climb_both(uint64_t size1, uint64_t size2, const uint8_t *start,
                      const uint8_t (*path)[TLOG_HASH_LEN], size_t n, uint8_t *old, uint8_t *new,
                      struct err *err)
{
    struct climb c = {.at = size1 - 1, .last = size2 - 1};

    while ((c.at & 1) != 0)
        climb_up(&c);
    memcpy(old, start, TLOG_HASH_LEN);
    memcpy(new, start, TLOG_HASH_LEN);
    for (size_t i = 0; i < n; i++) {
        if (c.last == 0)
            return err_set(err, E_VERIFY, "", "consistency proof is too long");
        if (climb_from_right(&c)) {
            tlog_hash_node(path[i], old, old);
            tlog_hash_node(path[i], new, new);
            climb_over_edge(&c);
        } else {
            tlog_hash_node(new, path[i], new);
        }
        climb_up(&c);
    }
    if (c.last != 0)
        return err_set(err, E_VERIFY, "", "consistency proof is too short");
    return 0;
}

/* Sizes for which nothing is climbed: the empty log, or twice the same log. */
static int verify_trivial(uint64_t size1, const uint8_t *root1, const uint8_t *root2,
                          const struct tlog_proof *proof, struct err *err)
{
    const struct tlog_edge empty = {0};
    uint8_t empty_root[TLOG_HASH_LEN];

    tlog_root(&empty, empty_root);
    if (proof->n != 0)
        return err_set(err, E_VERIFY, "", "consistency proof is too long");
    if (!hash_eq(root1, size1 == 0 ? empty_root : root2))
        return err_set(err, E_VERIFY, "", "roots of %llu leaves differ", (unsigned long long)size1);
    return 0;
}

int tlog_consistency_verify(uint64_t size1, const uint8_t root1[static TLOG_HASH_LEN],
                            uint64_t size2, const uint8_t root2[static TLOG_HASH_LEN],
                            const struct tlog_proof *proof, struct err *err)
{
    const bool from_root = (size1 & (size1 - 1)) == 0; /* the old root is a node of the new tree */
    const size_t skip = from_root ? 0 : 1;
    uint8_t old[TLOG_HASH_LEN];
    uint8_t new[TLOG_HASH_LEN];

    if (size1 > size2 || size2 > TLOG_SIZE_MAX || proof->n > TLOG_PROOF_MAX)
        return err_set(err, E_VERIFY, "", "consistency proof from %llu to %llu leaves",
                       (unsigned long long)size1, (unsigned long long)size2);
    if (size1 == size2 && !hash_eq(root1, root2))
        return err_set(err, E_VERIFY, "", "two roots of %llu leaves", (unsigned long long)size1);
    if (size1 == 0 || size1 == size2)
        return verify_trivial(size1, root1, root2, proof, err);
    if (proof->n < skip)
        return err_set(err, E_VERIFY, "", "consistency proof is too short");
    if (climb_both(size1, size2, from_root ? root1 : proof->hash[0], proof->hash + skip,
                   proof->n - skip, old, new, err) < 0)
        return err_ret(err);
    if (!hash_eq(old, root1))
        return err_set(err, E_VERIFY, "", "consistency proof does not lead to the old root");
    if (!hash_eq(new, root2))
        return err_set(err, E_VERIFY, "", "consistency proof does not lead to the new root");
    return 0;
}
