/*
 * server/evidence/evidence_private.h - handlers of the unit
 */
#pragma once

#include "lib/base/check.h"
#include "lib/tlog/note.h"
#include "lib/tlog/tlog.h"
#include "server/audit/audit.h"
#include "server/evidence/evidence.h"
#include "server/registry/auth.h"

struct audit_tile_row {
    int64_t width;
    struct bytes data;
};
extern const struct object audit_tile_row_object;

struct audit_entry_row {
    int64_t log_index;
    struct str kind;
    int64_t at_us;
    struct str entry;
};
extern const struct object audit_entry_row_object;

struct audit_checkpoint_row {
    int64_t tree_size;
    struct str note;
};

/* The newest checkpoint; E_NOT_FOUND while nothing is sealed. */
MUST_CHECK int audit__newest(struct db *db, struct arena *arena,
                             struct audit_checkpoint_row *ret_row, struct err *err);

int audit_get_checkpoint(struct rq *rq, struct err *err);
int audit_get_key(struct rq *rq, struct err *err);
int audit_get_tile(struct rq *rq, struct err *err);
int audit_get_inclusion(struct rq *rq, struct err *err);
int audit_get_consistency(struct rq *rq, struct err *err);
int audit_get_export(struct rq *rq, struct err *err);
int audit_get_manifest(struct rq *rq, struct err *err);
