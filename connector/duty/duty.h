/*
 * connector/duty/duty.h - duties of agreements as tracked work (docs/policy.md "Duties")
 *
 * A row per duty, ours or the other side's, made in the transaction in which an agreement becomes
 * final (duty_agreed) and brought forward when it ends (duty_agreement_ended); a duty that turns out to
 * be violated brings rows for its consequences. At its instant the
 * connector does what it can do itself (delete, inform, pay, report usage); the rest an operator
 * confirms. What is done, waived or overdue is said in a signed document (lib/wire: wire_duty,
 * wire_deletion) that goes to the other connector and to the data bank.
 *
 * States: open -> done | overdue | waived, overdue -> late (done after its date) | waived. Nobody
 * shortens what he owes by a date of his own: what the other side says counts from when it comes.
 *
 * Instants are rows (duty.next_us); one timer stands for the earliest. An instant that fires twice,
 * or in two replicas, finds its work done. Above store, dataplane, exchange and events; below dsp.
 */
#pragma once

#include "connector/app.h"
#include "connector/store/store.h"

/* False if an agreement with these rules certainly obliges to nothing: then duty_agreed is not needed. */
bool duty_may_arise(struct str policy);
/*
 * Inside the operation that makes a negotiation final: rows for the duties of its agreement. Does
 * nothing if they are there. *ret_wake: call duty_wake after the commit. Errors: E_DB, E_NO_MEMORY.
 */
MUST_CHECK int duty_agreed(struct app *app, struct db *tx, struct str negotiation_id,
                           int64_t now_us, bool *ret_wake, struct err *err);
/* Inside the operation that voids an agreement which was not final on both sides. */
MUST_CHECK int duty_voided(struct db *tx, struct str negotiation_id, struct err *err);
/*
 * Inside the operation that ends an agreement: what is due with the end of use is due now, and what
 * we owe is done now rather than at its date. As above.
 */
MUST_CHECK int duty_agreement_ended(struct app *app, struct db *tx, struct str agreement_id,
                                    int64_t now_us, bool *ret_wake, struct err *err);
/* After such a commit: looks what is due. Any thread. */
void duty_wake(struct app *app);
/* A due instant (timed.c, kind "duty"; id "orders": the data bank has told of an order). The timers'
 * thread. */
void duty_look(struct app *app, struct str id);

/* Counts for the status page: all that wait, those overdue, those of them that are ours. */
struct duty_counts {
    int64_t open, overdue, ours_overdue;
};

MUST_CHECK int duty_count(struct db *db, struct arena *arena, struct duty_counts *ret_counts,
                          struct err *err);

/* Outbox messages of kinds "duty.…", to other connectors (connector/send.h). */
void duty_send(struct app *app, const struct outbox_msg *msg);
int duty_ended(struct db *tx, struct app *app, const struct outbox_msg *msg,
               enum outbox_result result, struct str answer, struct err *err);
void duty_after(struct app *app, const struct outbox_msg *msg, enum outbox_result result);

/* Public listener: POST /exchange/v1/duties. */
extern const struct http_route duty_public_routes[];
/* Management listener: /naru/v1/duties, /naru/v1/copies. */
extern const struct http_route duty_management_routes[];
