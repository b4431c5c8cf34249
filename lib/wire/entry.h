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

enum entry_kind {

#define ENTRY(id, name, members) ENTRY_##id,
#include "lib/wire/entry.def"
#undef ENTRY
    ENTRY__COUNT
};

const char *entry_kind_name(enum entry_kind kind);
bool entry_kind_parse(struct str name, enum entry_kind *ret_kind);

/*
 * Writes the canonical line for a body given as JSON object text. Members must be exactly a subset
 * of the kind's list; an unlisted one is a CHECK in the caller's code. Errors: E_SYNTAX if body is
 * not an object.
 */
MUST_CHECK int entry_write(enum entry_kind kind, int64_t at_us, struct str body, struct buf *out,
                           struct err *err);

struct entry {
    enum entry_kind kind;
    int64_t at_us;
    const struct jval *body; /* borrowed from the document */
};

/* Reads an entry; refuses non-canonical bytes, unknown kinds and unlisted members. Errors:
 * E_VERIFY. */
MUST_CHECK int entry_read(struct str line, struct jdoc **ret_doc, struct entry *ret_entry,
                          struct err *err);
