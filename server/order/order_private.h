/*
 * server/order/order_private.h - shared inside the unit
 */
#pragma once

#include "lib/base/check.h"
#include "lib/rating/rating.h"
#include "server/order/order.h"
#include "server/registry/auth.h"

/* Writes {"order":{document's payload},"document":"<JWS>",…} of a stored order. */
MUST_CHECK int order__write(const struct purchase *purchase, struct arena *arena, struct jw *w,
                            struct err *err);
/* Signs version `purchase->version` in its state; *ret_document is arena memory. */
MUST_CHECK int order__sign(struct app *app, const struct purchase *purchase,
                           const struct plan *plan, const struct participant *provider,
                           const struct participant *consumer, struct arena *arena,
                           struct str *ret_document, struct err *err);
MUST_CHECK int order__log(struct app *app, struct db *tx, const struct purchase *purchase,
                          const struct plan *plan, struct err *err);
/* Puts the document for both connectors into the outbox. */
MUST_CHECK int order__put(struct app *app, struct db *tx, const struct purchase *purchase,
                          const struct participant *provider, const struct participant *consumer,
                          struct arena *arena, struct order_delivery *ret_delivery,
                          struct err *err);
MUST_CHECK int order__lock(struct db *tx, struct uuid id, struct arena *arena,
                           struct purchase *ret_purchase, struct err *err);
/* Cancels an open order: releases its hold, advances it. */
MUST_CHECK int order__cancel(struct app *app, struct db *tx, struct purchase *purchase,
                             struct arena *arena, struct order_delivery *ret_delivery,
                             struct err *err);

/* What one side reported of an agreement. */
struct report {
    struct uuid deal_id, order_id; /* order zero: none */
    int role;
    struct str agreement_hash;
    int64_t agreed_us, ends_us; /* 0: no end */
};

/* That one side has ended an agreement, and the instant that counts. */
struct agreement_end {
    int role;
    int64_t ended_us, effective_us;
};

/* Deal, reporter and role of a report or an end; what is said of one deal waits for each other. */
MUST_CHECK int order__deal_lock(struct db *tx, struct uuid deal, struct err *err);
/* What this participant has reported under the id of an agreement, in whatever role. */
MUST_CHECK int order__own_report(struct db *tx, struct str agreement, struct uuid participant,
                                 struct arena *arena, struct report *ret_report, bool *ret_found,
                                 struct err *err);
/* struct agreement_end, in the order in which they came: the first one counts. */
MUST_CHECK int order__ends(struct db *tx, struct uuid deal, struct arena *arena,
                           struct list *ret_ends, struct err *err);
/*
 * Ends an active order whose agreement was ended early: at that instant, or the provider's reported
 * end if that is earlier; not before the order became active.
 */
MUST_CHECK int order__end(struct app *app, struct db *tx, struct purchase *purchase,
                          int64_t effective_us, struct arena *arena,
                          struct order_delivery *ret_delivery, struct err *err);

MUST_CHECK int order__report(struct db *tx, struct uuid deal, enum party_role role,
                             struct arena *arena, struct report *ret_report, bool *ret_found,
                             struct err *err);

int order_quote(struct rq *rq, struct err *err);
int order_add(struct rq *rq, struct err *err);
int order_list(struct rq *rq, struct err *err);
int order_get(struct rq *rq, struct err *err);
int order_cancel(struct rq *rq, struct err *err);
int order_agreement(struct rq *rq, struct err *err);
int order_agreement_end(struct rq *rq, struct err *err);
int order_deletion(struct rq *rq, struct err *err);
int order_duty(struct rq *rq, struct err *err);
int order_duties(struct rq *rq, struct err *err);
