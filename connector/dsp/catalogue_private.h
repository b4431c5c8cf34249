/*
 * connector/dsp/catalogue_private.h - the snapshot's inside: made in catalogue_make.c, looked at in
 * catalogue_view.c
 */
#pragma once

#include <stdatomic.h>

#include "connector/dsp/catalogue.h"
#include "lib/base/arena.h"

struct dataset {
    struct str asset_id;
    struct str head, tail; /* JSON before and after the offers */
    struct catalogue_offer *offers;
    size_t n_offers;
};

struct catalogue {
    _Atomic int refs;
    struct arena *arena; /* owned, with everything below */
    int64_t version;
    struct catalogue_policy *policies; /* their compiled forms are owned */
    size_t n_policies;
    struct dataset *datasets; /* by asset id */
    size_t n_datasets;
    const struct catalogue_offer **named; /* those whose definition says their id, by id */
    size_t n_named;
    struct str service; /* our DataService as JSON */
};

#define CATALOGUE_ARENA MIB(1024)

/* Reads all of it in one snapshot of the database. `version` is what it will be known by. */
MUST_CHECK int dsp__catalogue_make(const struct app *app, struct db *db, int64_t version,
                                   struct catalogue **ret_catalogue, struct err *err);
