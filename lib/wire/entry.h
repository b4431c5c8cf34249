/*
 * lib/wire/entry.h - entries of the audit log: kinds, members, text form (docs/exchange.md §4)
 *
 * An entry is the canonical JSON line {"at":…,"body":{…},"kind":"…"}; the Merkle leaf is over
 * exactly these bytes.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/jdoc/jdoc.h"
#include "lib/wire/wire.h"

#define ENTRY_FLAT_MAX 20 /* members of a flat body */

enum entry_kind {

#define ENTRY(id, name, members) ENTRY_##id,
#include "lib/wire/entry.def"
#undef ENTRY
    ENTRY__COUNT
};

const char *entry_kind_name(enum entry_kind kind);
bool entry_kind_parse(struct str name, enum entry_kind *ret_kind);
/* Is this a member of such a kind's body? */
bool entry_kind_has(enum entry_kind kind, struct str member);

/*
 * Writes the canonical line for a body given as JSON object text. Members must be exactly a subset
 * of the kind's list; an unlisted one is a CHECK in the caller's code. Errors: E_SYNTAX if body is
 * not an object.
 */
MUST_CHECK int entry_write(enum entry_kind kind, int64_t at_us, struct str body, struct buf *out,
                           struct err *err);

struct entry_flat;

struct entry {
    enum entry_kind kind;
    int64_t at_us;
    const struct jval *body;       /* borrowed from the document */
    const struct entry_flat *flat; /* of the caller's making; NULL: there is a body */
};

/* Reads an entry; refuses non-canonical bytes, unknown kinds and unlisted members. Errors:
 * E_VERIFY. */
MUST_CHECK int entry_read(struct str line, struct jdoc **ret_doc, struct entry *ret_entry,
                          struct err *err);

/* An entry whose body is flat: texts and numbers, and in its kind a receipt. */
struct entry_member {
    struct str key, text;
    int64_t number;
    bool is_text;
};

struct entry_flat {
    enum entry_kind kind;
    int64_t at_us;
    struct entry_member members[ENTRY_FLAT_MAX];
    size_t n;
    struct str receipt_line; /* STR_NONE: none */
    struct wire_receipt receipt;
};

/*
 * Reads an entry without a parser; everything borrows from the line. False if it is not such an
 * entry, or an unusual one: entry_read then decides.
 */
bool entry_scan(struct str line, struct entry_flat *ret_entry);
/* NULL if there is no such member. */
const struct entry_member *entry_flat_get(const struct entry_flat *entry, const char *key);
