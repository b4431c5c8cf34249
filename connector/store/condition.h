/*
 * connector/store/condition.h - which entities satisfy given conditions: fields, operators, values,
 * and the search
 *
 * What the management API filters by, contract definitions select assets by, and peers filter
 * catalogues by. A condition names a field of mgmt_field (sql/schema/connector/0003-fields.sql),
 * whose whole numbers are kept with 10^18 added; states may be given by name or code. Unknown
 * fields and operators are refused, as EDC does, since clients probe with them.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/codec/codec.h"
#include "lib/db/db.h"

#define CONDITIONS_MAX       4    /* of one search */
#define CONDITION_VALUES_MAX 1000 /* right operands of one condition */

enum entity_kind {
    ENTITY_ASSET,
    ENTITY_POLICY,
    ENTITY_DEFINITION,
    ENTITY_NEGOTIATION,
    ENTITY_AGREEMENT,
    ENTITY_TRANSFER,
    ENTITY_EDR,
    ENTITY_RETIREMENT,
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

struct condition {
    struct str field;
    enum criterion_op op;
    struct str value; /* OP_IN: values, each between two separators U+001F; OP_LIKE: SQL pattern */
};

struct search {
    int64_t offset, limit;
    bool descending;
    struct str sort; /* STR_NONE: in order of creation */
    size_t n;
    struct condition conditions[CONDITIONS_MAX];
};

/* "Asset", as EDC names it; "asset", as mgmt_field and entity_property do. */
const char *entity_type(enum entity_kind kind);
const char *entity_name(enum entity_kind kind);
/* Errors of all: E_INVALID, E_LIMIT, with a public detail. */
MUST_CHECK int condition_operator(struct str name, enum criterion_op *ret_op, struct err *err);
/* A left operand's field: `id`, a full IRI, quoted segments; texts in the arena. */
MUST_CHECK int condition_field(enum entity_kind kind, struct str left, struct arena *arena,
                               struct str *ret_field, struct err *err);
MUST_CHECK int condition_make(enum entity_kind kind, struct str left, struct str op,
                              const struct str_list *right, struct arena *arena,
                              struct condition *ret_condition, struct err *err);

/* An SQL LIKE pattern as one of SQLite's GLOB. */
void condition_glob(struct buf *out, struct str like);

/* Ids of what satisfies all conditions: *ret_ids is a list of struct str. Also E_DB. */
MUST_CHECK int condition_search(struct db *db, enum entity_kind kind, const struct search *search,
                                struct arena *arena, struct list *ret_ids, struct err *err);
