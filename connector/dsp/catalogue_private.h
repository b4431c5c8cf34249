/*
 * connector/dsp/catalogue_private.h - the snapshot's inside: made in catalogue_make.c, looked at in
 * catalogue_view.c
 */
#pragma once

#include <stdatomic.h>

#include "connector/dsp/catalogue.h"
#include "connector/dsp/codec.h"
#include "lib/base/arena.h"

/* The end of a dataset, by version: the same for all that are handed over in the same ways. */
struct tail {
    struct str formats; /* "HttpData-PULL\n…" */
    struct str texts[CODECS];
};

struct dataset {
    struct str asset_id;
    struct str head; /* JSON before the offers; of a nested catalogue all of it */
    const struct tail *tail;
    bool nested;
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
    const struct dataset *
        *guarded; /* those whose access policies ask for facts: who may see them differs */
    size_t n_guarded;
    struct tail *tails;
    size_t n_tails;
    struct str participant;      /* who offers */
    struct str services[CODECS]; /* our DataService as JSON, by version */
};

#define CATALOGUE_ARENA MIB(1024)

/* Reads all of it in one snapshot of the database. `version` is what it will be known by. */
MUST_CHECK int dsp__catalogue_make(const struct app *app, struct db *db, int64_t version,
                                   struct catalogue **ret_catalogue, struct err *err);
