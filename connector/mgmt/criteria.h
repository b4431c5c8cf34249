/*
 * connector/mgmt/criteria.h - QuerySpec and Criterion of the EDC management API, from their expanded form
 *
 * Pure: no database. A specification names fields of mgmt_field (sql/schema/connector/0003-fields.sql),
 * whose whole numbers are kept with 10^18 added; states may be given by name or code. Unknown fields,
 * sort fields and operators are refused, as EDC does, since clients probe with them.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/codec/codec.h"
#include "lib/jdoc/jdoc.h"

#define CRITERIA_MAX      4     /* of one query */
#define CRITERIA_VALUES   1000  /* right operands of one criterion */
#define CRITERIA_ROWS_MAX 10000 /* rows of one answer; a larger limit is cut to it */

enum entity_kind {
    ENTITY_ASSET,
    ENTITY_POLICY,
    ENTITY_DEFINITION,
    ENTITY_NEGOTIATION,
    ENTITY_AGREEMENT,
    ENTITY_TRANSFER,
    ENTITY_EDR,
    ENTITY__COUNT
};

/* Numbers are known to sql/query/connector/mgmt_find.sql. */
enum criterion_op {
    OP_EQ,
    OP_NEQ,
    OP_IN,
    OP_NOT_IN,
    OP_LIKE,
    OP_ILIKE,
    OP_LT,
    OP_LTEQ,
    OP_GT,
    OP_GTEQ,
};

/* A Criterion as it was sent. */
struct criterion {
    struct str left, op;
    const struct jval *right; /* values of the expanded form; borrowed from the document */
};

/* One condition on a field of mgmt_field. */
struct condition {
    struct str field;
    enum criterion_op op;
    struct str value; /* OP_IN: values, each between two separators U+001F; OP_LIKE: SQL pattern */
};

struct query_spec {
    int64_t offset, limit;
    bool limited; /* the caller named offset or limit */
    bool descending;
    struct str sort; /* STR_NONE: in order of creation */
    size_t n;
    struct condition conditions[CRITERIA_MAX];
};

/* "asset" and "Asset": in mgmt_field and in errors. */
const char *entity_name(enum entity_kind kind);
const char *entity_type(enum entity_kind kind);
/* The field with the entity's id, and that of its creation. */
struct str entity_id_field(enum entity_kind kind);
struct str entity_sort_field(enum entity_kind kind);

/*
 * Writes expanded Criterions as a JSON array of {"operandLeft","operator","operandRight"}, as they are kept
 * in contract definitions and sent as a DSP filter. Errors: E_INVALID.
 */
MUST_CHECK int criteria_write(const struct jval *nodes, struct arena *arena, struct buf *out,
                              struct err *err);

/*
 * Reads an expanded QuerySpec; NULL gives the defaults (offset 0, limit 50, ascending). Texts are
 * copied to the arena. Errors: E_INVALID.
 */
MUST_CHECK int query_spec_read(const struct jval *node, enum entity_kind kind, struct arena *arena,
                               struct query_spec *ret_spec, struct err *err);

/* A left operand's field in mgmt_field: `id`, a full IRI, quoted segments. Errors: E_INVALID. */
MUST_CHECK int criteria_field(enum entity_kind kind, struct str left, struct arena *arena,
                              struct str *ret_field, struct err *err);

/* An SQL LIKE pattern as one of SQLite's GLOB. */
void criteria_glob(struct buf *out, struct str like);
