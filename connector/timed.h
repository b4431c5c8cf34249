/*
 * connector/timed.h - instants at which something must happen: agreement ends, token and credential
 * renewal, process limits
 *
 * Keys are "<kind>/<id>"; the table of kinds in timed.c names the unit that acts. Rows of the
 * database are the truth: timed_start loads them, and an instant that fires twice finds its work
 * done.
 */
#pragma once

#include "connector/app.h"

/* Kinds: "agreement/<id>" (ends), "order-over/<agreement>", "decisions/due" (of transfers),
 * "reconsider/<peer>" (its transfers are decided again; "reconsider/": all), "membership/self" (renew),
 * "messages/seen" (forget old ones), "facts/<partner>" (what is known of it has changed; "facts/": of all),
 * "facts-look/<partner>" (find out when it will), "revocations/ask". */
void timed_set(struct app *app, const char *kind, struct str id, int64_t due_us);
/* timers_open callback. */
void timed_fire(void *app, struct str key, int64_t due_us);
/* Loads what is due from the database. */
MUST_CHECK int timed_start(struct app *app, struct err *err);
