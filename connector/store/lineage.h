/*
 * connector/store/lineage.h - policy definitions that inherit from other policy definitions
 *
 * "inheritFrom" of a definition's policy names other definitions of this connector (ODRL Information
 * Model 2.2 §2.9); nothing is ever fetched. Its row holds what it means, rules of its ancestors
 * included, so that whoever reads it (catalogue, negotiation, access) need not know of them; what its
 * author wrote stands beside, and is shown. The rows of heirs are written anew in the transaction in
 * which an ancestor changes.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/db/db.h"
#include "lib/jdoc/jdoc.h"
#include "policy/policy.h"

#define LINEAGE_HEIRS_MAX 1000 /* definitions that inherit from one */

/*
 * Compiles `doc`, the policy of definition `id` (STR_NONE: it has none yet), with its parents.
 * Errors: those of policy_compile_with, E_DB.
 */
MUST_CHECK int lineage_compile(struct db *db, struct str id, const struct jval *doc,
                               struct policy **ret_policy, struct err *err);

/*
 * After the row of definition `id` was written with `own`, the text as its author wrote it: puts what
 * it means, remembers its ancestors, and brings its heirs up to date. Errors: E_INVALID and
 * E_POLICY_UNSUPPORTED if it or an heir would not be understood any more (a cycle, say), E_LIMIT if
 * it has more than LINEAGE_HEIRS_MAX heirs, E_DB.
 */
MUST_CHECK int lineage_put(struct db *tx, struct str id, struct str own, struct err *err);

/* How many definitions inherit from this one. */
MUST_CHECK int lineage_count_heirs(struct db *db, struct str id, int64_t *ret_n, struct err *err);
/* The definition was deleted: it has no ancestors any more. */
MUST_CHECK int lineage_clear(struct db *tx, struct str id, struct err *err);
