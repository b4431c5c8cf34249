/*
 * lib/tlog/tlog.h - append-only Merkle log: hashes, growth, proofs, tiles, checkpoints
 *
 * RFC 6962 §2.1 hashing in the form of C2SP tlog-tiles. Pure: no storage, no clock, no threads;
 * what is stored is reached through a reader. A node (level, index) is the root of the full subtree
 * over the leaves [index << level, (index + 1) << level); it never changes. A tile (level, index,
 * width) holds `width` node hashes of level 8 × tile level, from index × 256 on, one after the
 * other; a tile narrower than 256 is the growing edge of the log and is replaced by its wider
 * successor. Sizes and indexes are below 2^63. Signed notes, which carry checkpoints: note.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define TLOG_HASH_LEN    32
#define TLOG_TILE_HEIGHT 8   /* levels of the tree in one tile */
#define TLOG_TILE_WIDTH  256 /* hashes in a full tile, entries in a full bundle */
#define TLOG_TILE_LEVELS 8   /* tile levels 0..7 hold every size below 2^63 */
#define TLOG_SIZE_MAX    (UINT64_MAX >> 1)
#define TLOG_ENTRY_MAX   65535 /* bytes of one entry; its length has two bytes in a bundle */
#define TLOG_PROOF_MAX   64

/* Leaf: SHA-256(0x00 ‖ entry). Node: SHA-256(0x01 ‖ left ‖ right). Root of no leaves: SHA-256("").
 */
void tlog_hash_leaf(struct str entry, uint8_t ret_hash[static TLOG_HASH_LEN]);
void tlog_hash_node(const uint8_t left[static TLOG_HASH_LEN],
                    const uint8_t right[static TLOG_HASH_LEN],
                    uint8_t ret_hash[static TLOG_HASH_LEN]);

/*
 * The right edge of a log: all that is needed to append and to know the root. Zeroed, it is the
 * empty log. hash[i] is valid where bit i of size is set: the subtree over 2^i leaves.
 */
struct tlog_edge {
    uint64_t size;
    uint8_t hash[63][TLOG_HASH_LEN];
};

/* Errors: E_LIMIT once the log holds TLOG_SIZE_MAX leaves. */
MUST_CHECK int tlog_append(struct tlog_edge *edge, const uint8_t leaf[static TLOG_HASH_LEN],
                           struct err *err);
void tlog_root(const struct tlog_edge *edge, uint8_t ret_root[static TLOG_HASH_LEN]);

/* Gives the hash of a full subtree; 0, or a negative code with *err set. */
struct tlog_reader {
    int (*read)(void *cls, unsigned level, uint64_t index, uint8_t ret_hash[static TLOG_HASH_LEN],
                struct err *err);
    void *cls;
};

/* The edge (and so the root) of the log at an earlier or the present size. Errors: the reader's. */
MUST_CHECK int tlog_edge_read(const struct tlog_reader *reader, uint64_t size,
                              struct tlog_edge *ret_edge, struct err *err);

struct tlog_tile {
    unsigned level;
    uint64_t index;
    unsigned width; /* 1..256 */
};

/* Width of the tile in a log of that size; 0 if the log has no such tile. */
unsigned tlog_tile_width(uint64_t size, unsigned level, uint64_t index);

struct tlog_grown {
    struct tlog_tile tile;
    const uint8_t *hashes; /* tile.width × 32 bytes, in the arena */
};

/*
 * Appends n leaf hashes (one after the other) to the edge and tells which tiles are new or wider
 * than before, level by level, ascending. What the growing tiles held before is read through the
 * reader, whose log has the edge's old size. A wider tile contains its narrower predecessor, which
 * may be deleted once the checkpoint of the new size is out.
 * Errors: those of the reader, E_LIMIT, E_NO_MEMORY; the edge is then as before.
 */
MUST_CHECK int tlog_grow(struct tlog_edge *edge, const struct tlog_reader *reader,
                         const uint8_t *leaves, size_t n, struct arena *arena,
                         struct tlog_grown **ret_grown, size_t *ret_n, struct err *err);

/*
 * A reader over stored tiles, which keeps the last tile of each level (64 KiB: on the heap or in
 * an arena). read_tile fills tile.width × 32 bytes. `size` is that of the log whose tiles are
 * stored; when it changes, zero `kept`. Errors of the reader: E_RANGE (no such node), read_tile's.
 */
struct tlog_tiles {
    int (*read_tile)(void *cls, struct tlog_tile tile, uint8_t *ret_hashes, struct err *err);
    void *cls;
    uint64_t size;

    struct {
        struct tlog_tile tile; /* width 0: nothing kept */
        uint8_t hashes[TLOG_TILE_WIDTH * TLOG_HASH_LEN];
    } kept[TLOG_TILE_LEVELS];
};
/* Borrows tiles. */
struct tlog_reader tlog_tile_reader(struct tlog_tiles *tiles);

/* Proofs, RFC 6962 §2.1.1 and §2.1.2, in the order given there. */
struct tlog_proof {
    size_t n;
    uint8_t hash[TLOG_PROOF_MAX][TLOG_HASH_LEN];
};

/*
 * The reader's log may be larger than size (size2). Errors: E_RANGE unless index < size and
 * size1 <= size2 <= TLOG_SIZE_MAX; those of the reader.
 */
MUST_CHECK int tlog_inclusion(const struct tlog_reader *reader, uint64_t index, uint64_t size,
                              struct tlog_proof *ret_proof, struct err *err);
MUST_CHECK int tlog_consistency(const struct tlog_reader *reader, uint64_t size1, uint64_t size2,
                                struct tlog_proof *ret_proof, struct err *err);
/*
 * Errors: E_VERIFY. Every log is consistent with the empty one: size1 = 0 goes with an empty proof
 * and the root of no leaves.
 */
MUST_CHECK int tlog_inclusion_verify(uint64_t index, uint64_t size,
                                     const uint8_t leaf[static TLOG_HASH_LEN],
                                     const uint8_t root[static TLOG_HASH_LEN],
                                     const struct tlog_proof *proof, struct err *err);
MUST_CHECK int tlog_consistency_verify(uint64_t size1, const uint8_t root1[static TLOG_HASH_LEN],
                                       uint64_t size2, const uint8_t root2[static TLOG_HASH_LEN],
                                       const struct tlog_proof *proof, struct err *err);

/* "tile/1/x001/067" or "tile/1/x001/067.p/12"; of entries "tile/entries/…" (level is 0 then). */
struct tlog_path {
    bool entries;
    struct tlog_tile tile;
};

void tlog_path_format(struct tlog_path path, struct buf *out);
/* Accepts exactly what tlog_path_format writes. */
bool tlog_path_parse(struct str text, struct tlog_path *ret_path);

/* Entry bundle: for each entry its length as two bytes, big-endian, and its bytes. */
/* Appends one entry. Errors: E_LIMIT (longer than TLOG_ENTRY_MAX, or the buffer is full). */
MUST_CHECK int tlog_bundle_add(struct buf *bundle, struct str entry, struct err *err);
/* Entries borrow from the bundle. Errors: E_SYNTAX (no entry, more than 256, cut off). */
MUST_CHECK int tlog_bundle_decode(struct str bundle, struct str ret_entries[static TLOG_TILE_WIDTH],
                                  size_t *ret_n, struct err *err);

/* C2SP tlog-checkpoint, the text of a note: origin, size, root as base64, then extension lines. */
struct tlog_checkpoint {
    struct str origin; /* the log's name: one line, not empty */
    uint64_t size;
    uint8_t root[TLOG_HASH_LEN];
    struct str extensions; /* whole lines with their line ends, empty if none */
};

void tlog_checkpoint_format(const struct tlog_checkpoint *checkpoint, struct buf *out);
/* Texts borrow from `text`. Errors: E_SYNTAX. */
MUST_CHECK int tlog_checkpoint_parse(struct str text, struct tlog_checkpoint *ret_checkpoint,
                                     struct err *err);
