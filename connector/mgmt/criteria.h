/*
 * connector/mgmt/criteria.h - QuerySpec and Criterion of the EDC management API, from their
 * expanded form
 */
#pragma once

#include "connector/store/condition.h"
#include "lib/jdoc/jdoc.h"

#define CRITERIA_ROWS_MAX 10000 /* rows of one answer; a larger limit is cut to it */

struct query_spec {
    struct search search;
    bool limited; /* the caller named offset or limit */
};

/*
 * Writes expanded Criterions as a JSON array of {"operandLeft","operator","operandRight"}, as they
 * are kept in contract definitions and sent as a DSP filter. Errors: E_INVALID.
 */
MUST_CHECK int criteria_write(const struct jval *nodes, struct arena *arena, struct buf *out,
                              struct err *err);

/*
 * Reads an expanded QuerySpec; NULL gives the defaults (offset 0, limit 50, ascending). Texts are
 * copied to the arena. Errors: E_INVALID.
 */
MUST_CHECK int query_spec_read(const struct jval *node, enum entity_kind kind, struct arena *arena,
                               struct query_spec *ret_spec, struct err *err);
