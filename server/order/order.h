/*
 * server/order/order.h - orders: states, signed documents, delivery to both connectors
 *
 * open -> contracted (first agreement report) -> active (second, equal) -> ended (with the
 * agreement); open -> cancelled (buyer, or its time is over); contracted -> disputed (reports
 * differ, or the second has not come in its time: that one still activates it); contracted or
 * disputed -> cancelled (operator). A hold stays until the order is cancelled or billed. Each change
 * is a new version of the signed document, a log entry and two outbox rows, in one transaction
 * (order_advance).
 */
#pragma once

#include "lib/wire/wire.h"
#include "server/app.h"
#include "server/registry/registry.h"

extern const struct http_route order_routes[];          /* quotes, orders, agreements */
extern const struct http_route order_operator_routes[]; /* operator listener */

struct purchase {
    struct uuid order_id, dataset_id;
    int64_t dataset_version;
    struct uuid provider_id, consumer_id;
    struct str plan_hash, purpose, state;
    int64_t version;
    struct str document; /* newest signed document (compact JWS) */
    struct uuid hold_id; /* zero: none */
    int64_t hold_minor;
    struct str agreement_id;
    struct uuid deal_id; /* zero: not bound */
    int64_t made_us, valid_until_us, active_us, ended_us;
    struct str reason; /* why the operator cancelled it; STR_NONE: it has not */
    struct str asset_id;
};
extern const struct object purchase_row;

/*
 * An agreement is a thing between two parties: its id, a text of the provider's choice that anybody
 * may repeat, means nothing without them. Reports, orders, receipts and what is billed are kept
 * under the deal: UUIDv8 of the SHA-256 of provider, consumer (DIDs) and agreement, each as
 * "<bytes>:<text>,".
 */
struct uuid order_deal(struct str provider, struct str consumer, struct str agreement);

#define ORDER_SKEW_US (5 * US_PER_MIN) /* how far clocks may be apart */

/* The deliveries of up to two changes; wake them after the commit. */
struct order_delivery {
    struct outbox_msg msg[4];
    unsigned n;
};

/*
 * Inside a transaction that has locked the order (purchase_lock): next version in state `state`,
 * with agreement, deal, active_us and ended_us as they stand in *purchase. Updates *purchase, writes
 * log entry and outbox rows, which are added to *ret_delivery; texts live in the arena.
 */
MUST_CHECK int order_advance(struct app *app, struct db *tx, struct purchase *purchase,
                             enum order_state state, struct arena *arena,
                             struct order_delivery *ret_delivery, struct err *err);
void order_deliver(struct app *app, const struct order_delivery *delivery);

/* Outbox callbacks: POST to connectors as the data bank, for orders and for what other units put
 * there. */
void order_send(void *app, const struct outbox_msg *msg);
int order_ended(struct db *tx, void *app, const struct outbox_msg *msg, enum outbox_result result,
                struct str answer, struct err *err);

/* Open orders whose time is over are cancelled, contracted ones disputed, active ones whose agreement has ended end:
 * due timer with an order's id, and the load at start. */
void order_expire(void *app, struct str key, int64_t due_us);
MUST_CHECK int order_start(struct app *app, struct err *err);
