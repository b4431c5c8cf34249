/*
 * connector/exchange/exchange_private.h - shared inside the unit
 */
#pragma once

#include <pthread.h>

#include "connector/exchange/exchange.h"
#include "lib/base/check.h"

/*
 * Agreement reports and receipts leave in one order: the broker refuses receipts of an agreement
 * that it does not know yet.
 */
#define BROKER_RECORD      "broker/record"

#define BROKER_DEADLINE_US (30 * US_PER_DAY) /* a broker may be away for long; receipts wait */

struct exchange {
    struct app *app;
    pthread_mutex_t lock;       /* guards what follows */
    bool batch_in_flight;       /* one batch of receipts at a time */
    bool batch_again;           /* receipts came while one was in flight */
    int64_t membership_wait_us; /* back-off of the next attempt */
    bool asking;                /* for revocations: one question at a time */
    int64_t ask_wait_us;        /* back-off of the next question */
};

/* Batches of receipts that have not been answered. */
MUST_CHECK int exchange__batches(struct db *db, struct arena *arena, int64_t *ret_n,
                                 struct err *err);
/* Called when a batch has ended (in flight no longer); starts the next if there is work. */
void exchange__batch_over(struct exchange *exchange);
/* Writer's transaction: records per-line answers of a batch, or that it was refused as a whole. */
MUST_CHECK int exchange__batch_answered(struct db *tx, const struct outbox_msg *msg, bool accepted,
                                        struct str answer, struct err *err);
MUST_CHECK int exchange__published(struct db *tx, const struct outbox_msg *msg, bool accepted,
                                   struct str answer, struct err *err);

/* Takes {"credential","expires_at"} as our membership credential: stores it, shows it, sets its
 * renewal. Any thread. */
MUST_CHECK int exchange__take_credential(struct app *app, struct str body, struct err *err);
/* Notes credential.max_age and asks for the first time. */
MUST_CHECK int exchange__revocations_start(struct app *app, struct err *err);

int exchange_order(struct rq *rq, struct err *err);
int exchange_revocation(struct rq *rq, struct err *err);
int exchange_membership_pushed(struct rq *rq, struct err *err);
int exchange_orders(struct rq *rq, struct err *err);
int exchange_usage(struct rq *rq, struct err *err);
int exchange_membership(struct rq *rq, struct err *err);
int exchange_membership_ask(struct rq *rq, struct err *err);
