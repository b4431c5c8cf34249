/*
 * connector/dsp/catalogue.h - what we offer: one immutable snapshot, made anew after a change
 *
 * A snapshot holds every asset that a contract definition selects, as JSON text, with its offers;
 * it is counted and may be used by any thread. No request scans the database. An offer's id is
 * base64url(definition):base64url(asset):prefix of the policy's hash, so that a changed policy
 * makes the old offer unknown. A definition may say what its ids look like instead: its private
 * property CATALOGUE_OFFER_ID is the id with "{asset}" in the asset's place. Such an id outlives a
 * change of the policy; what is agreed are the rules in force all the same.
 */
#pragma once

#include "connector/app.h"
#include "connector/dsp/codec.h"
#include "connector/dsp/criteria.h"
#include "connector/identity/identity.h"
#include "policy/policy.h"

#define CATALOGUE_OFFER_ID "urn:naru:offer-id"

struct catalogue_cache;
struct catalogue;

/* A policy; definitions with equal texts share one. */
struct catalogue_policy {
    struct policy *policy;
    struct str rules; /* in the protocol's form, as members without braces */
    bool by_asset;    /* seeing an offer under it may depend on the asset */
    size_t index;
};

struct catalogue_offer {
    struct str offer_id, asset_id;
    bool named; /* the definition says its id */
    const struct catalogue_policy *access, *contract;
    struct str json; /* as the catalogue shows it */
};

MUST_CHECK int catalogue_cache_open(struct app *app, struct catalogue_cache **ret_cache,
                                    struct err *err);
void catalogue_cache_close(struct catalogue_cache **cache);
/* The next catalogue_get reads the database again; any thread. */
void catalogue_changed(struct catalogue_cache *cache);

/* The current snapshot, counted; reads the database if something has changed. */
MUST_CHECK int catalogue_get(struct catalogue_cache *cache, struct db *db,
                             struct catalogue **ret_catalogue, struct err *err);
void catalogue_unref(struct catalogue **catalogue);

/* NULL if we do not (or no longer) make such an offer. Borrowed from the snapshot. */
const struct catalogue_offer *catalogue_offer(const struct catalogue *catalogue,
                                              struct str offer_id);

/* All offers of one asset that is a dataset; *ret_n is 0 if there are none. Borrowed from the snapshot. */
const struct catalogue_offer *catalogue_offers_of(const struct catalogue *catalogue,
                                                  struct str asset_id, size_t *ret_n);

/*
 * What one peer may see; decides each access policy at most once where the asset does not matter.
 */
struct catalogue_view;
MUST_CHECK int catalogue_view_new(const struct catalogue *catalogue, struct db *db,
                                  const struct peer *peer, int64_t now_us, struct arena *arena,
                                  struct catalogue_view **ret_view, struct err *err);
MUST_CHECK int catalogue_visible(struct catalogue_view *view, const struct catalogue_offer *offer,
                                 bool *ret_visible, struct err *err);

/* An offer that this peer may see, borrowed from the snapshot; NULL: there is none, or it may not see it,
 * which takes the same time. */
MUST_CHECK int catalogue_offer_for(struct catalogue_view *view, struct str offer_id,
                                   const struct catalogue_offer **ret_offer, struct err *err);

/*
 * Appends one dataset as JSON in the words of 2025-1, with the service of the version; *ret_found
 * is false if there is none that the peer may see, which takes as long in either case. An asset that is a catalogue is no dataset.
 */
MUST_CHECK int catalogue_write_dataset(struct catalogue_view *view, const struct codec *codec,
                                       struct str asset_id, struct buf *out, bool *ret_found,
                                       struct err *err);

struct catalogue_page {
    const struct codec *codec;
    const struct id_set *filter;
    struct str after;       /* asset id; STR_NONE: from the beginning */
    struct str before;      /* asset id: the page that ends there; STR_NONE: `after` counts */
    size_t offset, limit;   /* entries; offset: of a first page */
    struct buf *datasets;   /* appended to, in the words of the version, with commas between */
    struct buf *nested;     /* the same: entries that are catalogues themselves */
    bool more, earlier;     /* set: pages follow `last`, precede `first` */
    struct str first, last; /* set: borrowed from the snapshot; STR_NONE: the page is empty */
};

MUST_CHECK int catalogue_write_page(struct catalogue_view *view, struct catalogue_page *page,
                                    struct err *err);
/* Our DataService as JSON, in the words of 2025-1. */
struct str catalogue_service(const struct catalogue *catalogue, const struct codec *codec);

/* Our participant id, who assigns in our offers. */
struct str catalogue_participant(const struct catalogue *catalogue);

/* Appends a page in gzip form; the last result is kept under the hash of the page. */
MUST_CHECK int catalogue_pack(struct catalogue_cache *cache, struct str page, struct buf *out,
                              struct err *err);
