/*
 * server/settlement/settlement_private.h - shared inside settlement
 */
#pragma once

#include "lib/rating/rating.h"
#include "server/metering/metering.h"
#include "server/registry/auth.h"
#include "server/registry/registry.h"
#include "server/settlement/ledger.h"
#include "server/settlement/settlement.h"

#define ZONE_MIN 540 /* accounting zone, minutes east of UTC: Korea */

/* One closed, or closing, period. */
struct period {
    struct uuid period_id;
    struct str name;
    int64_t from_us, to_us, closed_us;
};
extern const struct object period_row;

/* An order in a close: what stands in the database, then what was worked out. */
struct billing {
    struct uuid order_id, dataset_id, provider_id, consumer_id;
    int64_t dataset_version;
    struct str asset_id, title_ko, title_en;
    struct str plan_hash, plan_text, agreement_id;
    struct uuid deal_id;
    int64_t active_us, active_end_us; /* active_end_us 0: no end */
    struct uuid hold_id;              /* zero: none, or resolved already */
    int64_t hold_minor;
    bool billed_before;

    const struct plan *plan;
    int64_t events, missing_provider, missing_consumer;
    struct match_counts used;
    const struct rating *rating;
    struct str section; /* canonical JSON of its part of a document */
    struct uuid invoice_id, statement_id;
};

#define UNBILLED_MAX 1000

/* An order that a close leaves out (rule 4). */
struct unbilled {
    struct uuid order_id;
    char reason[sizeof(((struct err *)0)->text)];
};

/* One close: memory lives as long as its transaction. */
struct close {
    struct app *app;
    struct arena *arena;
    int64_t now_us;
    struct period period;
    bool was_closed;          /* nothing was done, the period was closed before */
    struct billing *orders;   /* ascending by order_id */
    struct billing **by_deal; /* until the orders are rated */
    size_t n;
    struct unbilled *unbilled; /* room for UNBILLED_MAX; outlives the arena's contents */
    size_t n_unbilled;
    bool
        again; /* an order was found to be unbillable: the events must be gone through without it */
};

/*
 * The steps of a close, in this order, inside its transaction (rules: settlement.c).
 * bill      rules 2, 3 and 4: loads the orders, matches and records their events, rates them
 * documents rules 5, 6 and 8: invoices, statements, payouts
 * post      rule 7: the ledger
 */
MUST_CHECK int close__bill(struct close *close, struct db *tx, struct err *err);
MUST_CHECK int close__documents(struct close *close, struct db *tx, struct err *err);
MUST_CHECK int close__post(struct close *close, struct db *tx, struct err *err);

/*
 * Writes key and amount as decimal text. A currency of the form "KRW/6" counts 10^-6 minor units:
 * the amount is then plain digits.
 */
void settlement__amount(struct jw *w, const char *key, int64_t minor, struct str currency);

/* Writes the member "documents": all documents of a period without their bodies. */
MUST_CHECK int documents__write(struct db *db, struct str period, struct jw *w, struct err *err);

/* The page that people read, Korean and English side by side; every text is escaped. */
void document__html(const struct jval *body, const struct jval *parties, struct buf *out);

#define ROUTE HTTP_ROUTE_PROTO
#include "server/settlement/operator_routes.def"
#undef ROUTE
