/*
 * server/order/order.h - orders: states, signed documents, delivery to both connectors
 */
#pragma once

#include "lib/wire/wire.h"
#include "server/app.h"
#include "server/registry/registry.h"

extern const struct http_route order_routes[]; /* quotes, orders, agreements */

struct purchase {
    struct uuid order_id, dataset_id;
    int64_t dataset_version;
    struct uuid provider_id, consumer_id;
    struct str plan_hash, purpose, state;
    int64_t version;
    struct str document; /* newest signed document */
    struct uuid hold_id;
    int64_t hold_minor;
    struct str agreement_id;
    int64_t made_us, valid_until_us, active_us, ended_us;
};
extern const struct object purchase_row;

MUST_CHECK int order_by_agreement(struct db *db, struct str agreement_id, struct arena *arena,
                                  struct purchase *ret_purchase, struct err *err);

/* Outbox callbacks (kinds "order"). */
void order_send(void *app, const struct outbox_msg *msg);
int order_ended(struct db *tx, void *app, const struct outbox_msg *msg, enum outbox_result result,
                struct str answer, struct err *err);
