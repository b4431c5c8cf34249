/*
 * connector/exchange/exchange.h - the link to the broker (docs/exchange.md)
 *
 * Everything to the broker goes through the outbox (streams "broker/…"), so a broker that is away
 * delays nothing but itself. Without broker.url the unit does nothing and trades of free datasets
 * work.
 */
#pragma once

#include "connector/app.h"
#include "connector/store/store.h"
#include "lib/wire/wire.h"

MUST_CHECK int exchange_open(struct app *app, struct exchange **ret_exchange, struct err *err);
/* After outbox and listeners run: membership credential, leftovers, receipts not yet sent. */
MUST_CHECK int exchange_start(struct app *app, struct err *err);
void exchange_close(struct exchange **exchange);
/* Public listener: POST /exchange/v1/orders, /revocations, /membership. */
extern const struct http_route exchange_public_routes[];
/* Management listener: /naru/v1/orders, /naru/v1/usage, /naru/v1/membership. */
extern const struct http_route exchange_management_routes[];

/* True if a broker is configured. */
bool exchange_enabled(const struct app *app);

/*
 * Prepares the signed report of an agreement (before the writer's operation; signs): fills
 * *ret_msg, whose texts live in the arena; the operation puts it with outbox_put, its `done` wakes
 * it. ret_msg->id is 0 if no broker is configured.
 */
MUST_CHECK int exchange_agreement_report(struct app *app, const struct agreement *agreement,
                                         struct arena *arena, struct outbox_msg *ret_msg,
                                         struct err *err);

/*
 * Inside a writer's operation: prepares the signed statement that we have ended an agreement before
 * its time. As above; ret_msg->id is also 0 if the agreement's order is over already: then the
 * broker knows.
 */
MUST_CHECK int exchange_agreement_end(struct app *app, struct db *tx,
                                      const struct agreement *agreement, int64_t ended_us,
                                      struct str reason, struct arena *arena,
                                      struct outbox_msg *ret_msg, struct err *err);

/*
 * Prepares a message about a duty: `body` ({"statement":…} with `deletion`, else {"report":…};
 * borrowed) behind the agreement's report. As above. Only if there is a broker.
 */
MUST_CHECK int exchange_duty(struct app *app, bool deletion, struct str body, struct arena *arena,
                             struct outbox_msg *ret_msg, struct err *err);

/*
 * Inside a writer's operation: takes the next n sequence numbers of our receipts for an agreement,
 * all of which must be used in the same operation. Errors: E_NOT_FOUND.
 */
MUST_CHECK int exchange_receipt_number(struct db *tx, struct str agreement, size_t n,
                                       int64_t *ret_first, struct err *err);
/* Stores the receipt's line. */
MUST_CHECK int exchange_receipt_store(struct db *tx, const struct wire_receipt *receipt,
                                      int64_t now_us, struct err *err);
/* After that commit: lets the batcher run (collects everything unsent, signs, sends; one batch at a
 * time). Any thread. */
void exchange_receipts_wake(struct exchange *exchange);

/* Asks the broker for a fresh membership credential now; any thread. */
void exchange_membership_renew(struct exchange *exchange);

/* Shows the membership credential that is stored, or none: another replica has changed it. */
MUST_CHECK int exchange_membership_load(const struct app *app, struct db *db, struct err *err);

/* Asks the broker what it has revoked since we asked last; any thread. */
void exchange_revocations_ask(struct app *app);

/*
 * Fills a message to the broker (kind of send.c's table); url is "<broker><path>"; texts are
 * borrowed.
 */
void exchange_message(struct app *app, struct outbox_msg *msg, const char *stream, const char *kind,
                      struct str url, struct str body);
/*
 * struct outbox_cfg.send for kinds "broker.…": method, headers, signature; ends in outbox_result.
 */
void exchange_send(struct app *app, const struct outbox_msg *msg);
/* Outbox callbacks for kinds "broker.…". */
int exchange_ended(struct db *tx, struct app *app, const struct outbox_msg *msg,
                   enum outbox_result result, struct str answer, struct err *err);
void exchange_after(struct app *app, const struct outbox_msg *msg, enum outbox_result result);
