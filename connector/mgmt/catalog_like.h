/*
 * connector/mgmt/catalog_like.h - compacts a catalogue of many datasets of few forms (shape.h)
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/ld/ld.h"

struct catalog_page {
    size_t offset, limit; /* of datasets */
};

struct catalog_form {
    const struct ld_context *context; /* of the result */
    const char *key;                  /* of the datasets in that context */
};

/*
 * Appends the same JSON value as ld_compact would give for the catalogue with that page of its
 * datasets. false: not such a catalogue, or not a good one; nothing is appended.
 */
MUST_CHECK bool catalog_like_write(const struct ld *ld, const struct catalog_form *form,
                                   struct str catalogue, struct catalog_page page, struct buf *out);
