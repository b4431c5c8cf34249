/*
 * connector/dataplane/destination.h - the request that a push makes of its destination
 */
#pragma once

#include "connector/dataplane/dataplane_private.h"
#include "lib/net/fetch.h"

#define PUSH_KEY_HEADER     "Idempotency-Key" /* the same for each attempt of a push */
#define DESTINATION_HEADERS 16

struct destination {
    struct str url;
    const char *method;
    struct fetch_header headers[DESTINATION_HEADERS];
    size_t n_headers;
};

/* Reads a destination as it is stored; texts live in the arena and in `flat`. Errors: E_INVALID,
 * E_LIMIT, with `at` below a DSP DataAddress. */
MUST_CHECK int destination_open(const struct app *app, const struct jval *flat, struct arena *arena,
                                struct destination *ret_destination, struct err *err);
