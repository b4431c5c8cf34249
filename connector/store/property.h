/*
 * connector/store/property.h - rows of entity_property: what queries may ask of the JSON that
 * entities other than assets hold
 *
 * A row is a scalar: "privateProperties.<IRI>", "dataDestination.type", "callbackAddresses.uri".
 * Lists give a row per element. Deeper objects are not for queries.
 */
#pragma once

#include <stdbool.h>

#include "connector/store/condition.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/db/db.h"

#define PROPERTY_ROWS_MAX 1000 /* of one text */

/*
 * Writes rows for a JSON text: an object, plain or expanded JSON-LD, or an array of objects;
 * STR_NONE has none. `prefix` ends with a dot. Members that hold secrets ("authCode", "header:…")
 * are left out. Errors: E_LIMIT, E_DB.
 */
MUST_CHECK int property_put(struct db *tx, enum entity_kind kind, struct str id, const char *prefix,
                            struct str json, struct err *err);
/* True for members of data addresses and callbacks that may hold secrets: no rows. */
bool property_is_secret(struct str key);
/* Deletes all rows of an entity. */
MUST_CHECK int property_clear(struct db *tx, enum entity_kind kind, struct str id, struct err *err);
