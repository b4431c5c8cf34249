/*
 * connector/mgmt/shape.h - JSON-LD documents that differ in some texts only are compacted once
 *
 * The datasets of a catalogue mostly have one form: the same members, other names and ids. The text
 * of a document with holes in place of those strings is its shape. The first document of a shape is
 * compacted by lib/ld; for the others the strings are put into the result.
 *
 * A string may be a hole only where its content cannot change the result:
 *   1. It is a literal: expansion gives it as "@value". Nothing looks into a literal.
 *   2. It is the "@id" of a node, and expansion gives it as it is written. Then it is relative
 *   (there is no base), or
 *      absolute with a scheme that no context defines. The scheme is part of the shape, and "http…"
 *      is never a hole,
 *      since compaction compares with the IRIs of the context, which must all start so. A string
 *      that stands for a node without "@id" can be a word of the vocabulary and is never a hole.
 *      What a member holds is not guessed: the probe that makes the shape is expanded and searched
 *      for its holes; a member whose string is neither becomes part of the shape. In the compacted
 *      probe each hole must stand once, whole. Strings with escapes are part of the shape; others
 *      are checked to be UTF-8.
 *
 * Memory: at most SHAPES_MAX shapes; then, and for everything that is not understood, the caller
 * compacts the whole.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/ld/ld.h"

#define SHAPES_MAX 64

struct shapes;

struct shapes_cfg {
    const struct ld *ld;
    const struct ld_context *context; /* of the result */
    /*
     * Text around a document: what stands before and after it, and the key of the result under
     * which it is found. Borrowed.
     */
    struct str before, after;
    const char *key;
};

/* NULL without memory. */
struct shapes *shapes_new(const struct shapes_cfg *cfg);
void shapes_free(struct shapes **shapes);
/*
 * Appends the compacted form of one document (text of a JSON object). false: not possible, `out`
 * may hold a part of it.
 */
MUST_CHECK bool shapes_write(struct shapes *shapes, struct str document, struct buf *out);
/* Compacts `before` document `after`; *ret_text is new, *ret_at the value under the key. */
MUST_CHECK bool shapes_compact(const struct shapes *shapes, struct str document,
                               struct buf *ret_text, struct str *ret_at);
