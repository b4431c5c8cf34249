/*
 * connector/store/condition_private.h - what the two files of searching share
 */
#pragma once

#include "connector/store/condition.h"

#define CONDITION_SEPARATOR '\x1f' /* of a list of values */

/* Appends a condition's name, operator and value for a query; NULL: no condition. Returns the new
 * number of arguments. */
size_t condition__args(struct db *db, const struct condition *condition, struct arena *arena,
                       struct db_arg *args, size_t n);
/* Runs a query whose column is "id": *ret is a list of struct str. */
MUST_CHECK int condition__ids(struct db *db, const struct query *query, const struct db_arg *args,
                              size_t n, struct arena *arena, size_t most, struct list *ret,
                              struct err *err);
/* condition_search for assets (asset_search.c). */
MUST_CHECK int condition__assets(struct db *db, const struct search *search, struct arena *arena,
                                 struct list *ret_ids, struct err *err);
