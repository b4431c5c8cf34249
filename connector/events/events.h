/*
 * connector/events/events.h - what has happened, told to those who asked
 *
 * An event is a row written in the transaction of its fact (events_put). After the commit
 * (events_committed) the rows that somebody waits for become outbox messages, one per callback
 * address (dispatch.c), which leave from a thread of this unit (deliver.c): a receiver that does not
 * answer delays nobody else. Bodies are written when they leave, so no token is kept with an event.
 * Followers read the rows from a sequence number on, and may wait (follow.c). Shapes: docs/events.md.
 * Below dsp and mgmt, above store and identity.
 */
#pragma once

#include "connector/app.h"
#include "connector/store/store.h"
#include "lib/codec/codec.h"
#include "lib/db/db.h"
#include "lib/http/http.h"
#include "lib/sm/outbox.h"

struct events;

enum event_id {

#define EVENT(id, name, type, about, state) id,
#include "connector/events/events.def"
#undef EVENT
    EVENT__COUNT
};

/* Reads events.callbacks and starts the thread that delivers. Errors: E_CONFIG, E_NO_MEMORY, E_DB. */
MUST_CHECK int events_open(struct app *app, struct events **ret_events, struct err *err);
/* Once the outbox sends: puts what a crash has left undispatched, and prunes from time to time. */
MUST_CHECK int events_start(struct app *app, struct err *err);
/* Answers those who wait and gives back what has not left; before the listeners and the outbox close. */
void events_finish(struct events *events);
void events_close(struct events **events);

/* PostgreSQL: for the writer's transactions, when it is their turn; their events get their numbers. */
MUST_CHECK int events_turn(struct events *events, struct db *tx, struct err *err);
/*
 * Inside a transaction: notes that something has happened to `subject`. `detail` is the reason of an
 * end or a suspension, else STR_NONE; `listened`: the process has callback addresses of its own.
 */
MUST_CHECK int events_put(struct app *app, struct db *tx, enum event_id id, struct str subject,
                          struct str detail, bool listened, int64_t now_us, struct err *err);
/* After a commit that may have put events; the writer's thread. Costs nothing if nobody listens. */
void events_committed(struct app *app);

/* Inside the transaction that deletes a negotiation: its events keep saying what it was. */
MUST_CHECK int events_negotiation_gone(struct db *tx, struct str id, int64_t now_us,
                                       struct err *err);

/*
 * Whether a callback address of a request can be used, as far as that can be known: local:// (taken,
 * never called), https, or http where fetch.http allows it; not an address that the filter refuses.
 * auth_key is a header name. Errors (public): E_INVALID, E_LIMIT, with at = the member's name.
 */
MUST_CHECK int events_callback_check(const struct app *app, struct str uri,
                                     const struct str_list *events, struct str auth_key,
                                     struct str auth_code_id, struct err *err);

/* Puts into the outbox what is left of a process that has died, and sets when to look again; any
 * thread. */
void events_take_over(struct app *app);
/* Forgets events older than events.keep, a piece at a time, and sets when to go on; any thread. */
void events_prune(struct app *app);

/* Outbox messages of kinds "event.…" (connector/send.h). */
void events_send(struct app *app, const struct outbox_msg *msg);
void events_after(struct app *app, const struct outbox_msg *msg, enum outbox_result result);

/* Management listener: /naru/v1/events. */
extern const struct http_route events_routes[];
