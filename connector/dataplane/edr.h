/*
 * connector/dataplane/edr.h - consumer: endpoints that providers gave us, and their renewal
 */
#pragma once

#include "connector/dataplane/dataplane_private.h"
#include "lib/base/timefmt.h"

#define RENEW_BEFORE_US (15 * US_PER_S) /* before a token expires */

/* A transfer as consumer with its endpoint. */
struct endpoint {
    struct str transfer_id;
    int64_t state;
    struct str peer_id, peer_pid, agreement_id, asset_id;
    struct str endpoint, token, refresh_endpoint, refresh_token; /* STR_NONE: none yet */
    struct str held; /* why the policy lets the transfer wait; STR_NONE: it does not */
    int64_t expires_us, received_us;
};

/* May data pass now? Errors: E_CONFLICT, E_POLICY. */
MUST_CHECK int dataplane__endpoint_check(const struct endpoint *endpoint, struct err *err);
/* Errors: E_NOT_FOUND. Texts live in the arena. */
MUST_CHECK int dataplane__endpoint_get(struct db *db, struct str transfer_id, struct arena *arena,
                                       struct endpoint *ret_endpoint, struct err *err);

/* Somebody who waits for a fresh token. */
struct renewal_waiter {
    struct renewal_waiter *next;
    struct arena *arena; /* the fresh token is put there */
    struct str token;
    struct err err;
    void (*done)(
        struct renewal_waiter *waiter); /* fetcher's or writer's thread, or the caller's own */
};

/* Asks the provider for a fresh token and keeps it; all who ask for one transfer meanwhile wait
 * for the same answer. */
void dataplane__renew(struct dataplane *dp, const struct endpoint *endpoint,
                      struct renewal_waiter *waiter);
