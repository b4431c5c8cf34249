/*
 * server/idempotency.h - same Idempotency-Key and body: same answer, no second effect
 *
 * A POST handler that is not idempotent by its own id runs its transaction through here: looked up
 * and recorded in the same transaction as the effect. Answers are kept for 30 days.
 */
#pragma once

#include "server/app.h"

#define IDEM_TIMER "idempotency" /* key in app->timers */

/*
 * Runs `fn` in a transaction unless the request's key was answered before. fn fills *answer (JSON)
 * and *status. Without the header fn simply runs. Replies. fn may run more than once; only what it
 * did last has happened, and nothing of it if 1 is returned: the answer is an earlier one. Errors:
 * E_CONFLICT (same key, other body), those of fn.
 */
struct idem {
    int status;
    struct buf answer;
    void *cls;
};

MUST_CHECK int idem_run(struct rq *rq, const char *name,
                        int (*fn)(struct db *tx, struct rq *rq, struct idem *idem, struct err *err),
                        void *cls, struct err *err);

/* Forgets answers that are too old, a piece at a time, and sets when to go on; the timer's thread. */
void idem_forget(struct app *app);
