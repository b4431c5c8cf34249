/*
 * server/audit/audit.h - the append-only Merkle log (DESIGN §10)
 *
 * Facts append in their own transaction; one sealer per database (advisory lock) gives them their
 * index, writes bundles and tiles, signs a checkpoint. It is woken by NOTIFY naru_audit and stays
 * at most one second behind.
 */
#pragma once

#include "lib/wire/entry.h"
#include "server/app.h"

/* Inside the transaction of the fact. `body` is a JSON object with members of the kind
 * (lib/wire/entry.def). */
MUST_CHECK int audit_append(struct db *tx, enum entry_kind kind, int64_t at_us, struct str body,
                            struct err *err);

/* Many entries of one kind in one statement, in order. */
MUST_CHECK int audit_append_many(struct db *tx, enum entry_kind kind, int64_t at_us,
                                 const struct str *bodies, size_t n, struct err *err);

/*
 * Whole entries that the caller has put together in canonical form (receipts: too many to parse
 * each again).
 */
MUST_CHECK int audit_append_canonical(struct db *tx, const struct str *entries, size_t n,
                                      struct err *err);

MUST_CHECK int sealer_open(struct app *app, struct sealer **ret_sealer, struct err *err);
void sealer_close(struct sealer **sealer);
/* Microseconds that the oldest unsealed entry has waited (health). */
int64_t sealer_lag_us(const struct sealer *sealer);
