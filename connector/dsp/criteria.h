/*
 * connector/dsp/criteria.h - which assets a list of criteria means
 *
 * Selectors of contract definitions and filters of catalogue requests: {"operandLeft","operator",
 * "operandRight"}, all of which must hold. The id and scalar properties of an asset, all
 * operators of EDC. Only selectors, which are ours, may name private properties.
 */
#pragma once

#include "connector/store/store.h"
#include "lib/base/arena.h"

struct id_set {
    bool all;
    struct str *ids; /* ascending by bytes, each once; arena memory */
    size_t n;
};

#define CRITERIA_MAX 16

/* Errors: E_INVALID (not understood, at = pointer into `criteria`), E_DB. */
MUST_CHECK int criteria_select(struct db *db, const struct jval *criteria, struct arena *arena,
                               struct id_set *ret_set, struct err *err);
/* The same for what a peer sent. */
MUST_CHECK int criteria_filter(struct db *db, const struct jval *criteria, struct arena *arena,
                               struct id_set *ret_set, struct err *err);
bool id_set_has(const struct id_set *set, struct str id);
