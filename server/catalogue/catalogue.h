/*
 * server/catalogue/catalogue.h - datasets, plans, search
 */
#pragma once

#include "lib/rating/rating.h"
#include "lib/wire/wire.h"
#include "server/app.h"

extern const struct http_route catalogue_routes[];

struct dataset {
    struct uuid dataset_id, provider_id;
    struct str asset_id;
    int64_t version;
    struct str entry; /* canonical JSON of the signed catalogue entry */
    struct str state; /* listed, withdrawn, stopped */
    struct str visibility;
    struct str price_kind;
    int64_t published_us, changed_us;
};
extern const struct object dataset_row;

/* A dataset that `viewer` (zero: operator) may see; "not visible" and "does not exist" are both
 * E_NOT_FOUND. */
MUST_CHECK int dataset_get(struct db *db, struct uuid dataset, struct uuid viewer,
                           struct str viewer_did, struct arena *arena, struct dataset *ret_dataset,
                           struct err *err);
/* The plan by hash, parsed. */
MUST_CHECK int catalogue_plan(struct db *db, struct str hash, struct arena *arena,
                              const struct plan **ret_plan, struct err *err);

/*
 * Distinct search tokens of a text, at most 512: words for Latin and digits, character bigrams for
 * Hangul and CJK, for the index single characters too (rules at the head of tokens.c). Errors:
 * E_INVALID (not UTF-8), E_NO_MEMORY.
 */
enum search_use { SEARCH_INDEX, SEARCH_QUERY };

MUST_CHECK int search_tokens(struct str text, enum search_use use, struct arena *arena,
                             struct str_list *ret_tokens, struct err *err);

/*
 * A term of the search index that is no token (sql/schema/broker/0004-catalogue.sql): prefix and
 * value, with a long value as its SHA-256; so a key of the index has a bounded length. STR_NONE if
 * the arena is full.
 */
struct str search_term(const char *prefix, struct str value, struct arena *arena);
