/*
 * lib/sm/outbox.h - messages that leave after the commit that caused them, at least once, in order
 * per stream
 *
 * A message is a row, written in the transaction that changes state (outbox_put), and leaves when
 * that has committed (outbox_wake, from the operation's `done`). One message per stream (a
 * negotiation, a transfer, the broker link) is in flight at a time, in the order of ids; streams
 * are independent. The program sends (it owns HTTP) and reports with outbox_result;
 * acknowledgements are written lazily with the program's own state change in the same transaction.
 * At start, rows left over are loaded again. Repeats after 10, 20, 40 ms … 60 s with jitter, until
 * the deadline; then, or when refused, the program decides. The table and its queries are the
 * program's (struct outbox_queries); columns as in struct outbox_msg.
 *
 * Several processes may share a table (cfg.owner > 0), each with a number of its own. A row belongs
 * to one of them, which alone sends it: to whom the rows of its stream belong that still wait, else
 * to who puts it. Of a row that stands behind others its sender is told with the commit (cfg.hand),
 * also by himself: he reads it and calls outbox_wake, as for what one that has died has left. So a
 * stream keeps its order, whoever adds to it. A row that is gone or belongs to somebody else by then
 * is forgotten: its stream has ended elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/env.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/db/db.h"
#include "lib/db/writer.h"

struct outbox;

struct outbox_msg {
    int64_t
        id; /* ascending; from outbox_next_id() before the transaction; outbox_put may raise it */
    struct str stream; /* order key */
    struct str kind;   /* the program's message name */
    struct str url;
    struct str audience; /* participant id of the receiver, for the token */
    struct str body;     /* JSON text */
    int64_t deadline_us; /* wall clock; after it the message is given up */
    int64_t attempts;
    int64_t due_us;   /* wall clock of the next attempt */
    int64_t owner;    /* who sends it, set by outbox_put; 0 in a table of one process */
    int64_t ended_us; /* set for `ask` and `ended`: when the end is recorded, wall clock */
    bool handed;      /* set by outbox_put: its sender is told of it, outbox_wake does nothing */
};
extern const struct object outbox_msg_row;

enum outbox_result {
    OUTBOX_SENT,    /* acknowledged */
    OUTBOX_NOT_YET, /* the peer is not ready (409, 404 of a new process, 408, 425, 429): repeat soon
                     */
    OUTBOX_AGAIN,   /* no answer or 5xx: repeat with back-off */
    OUTBOX_REFUSED, /* any other answer: final */
};

#define OUTBOX_OWNERS 1024 /* bound of cfg.owner */

/* insert: all columns in struct order but the last two; delete: id; repeat: id, attempts, due_us;
 * pending: rows in id order. In a shared table each has the owner as a further, last parameter,
 * delete and repeat change what belongs to it only, and insert gives back the id (above all others
 * of its stream, and equal to the given one modulo OUTBOX_OWNERS), the owner, and whether the row
 * stands behind others. */
struct outbox_queries {
    const struct query *insert, *delete, *repeat, *pending;
};

struct outbox_cfg {
    const struct env *env;
    struct writer *writer; /* borrowed */
    struct db_cfg db;      /* for reading what is left over at start */
    struct outbox_queries queries;
    int64_t owner; /* our number in a shared table, below OUTBOX_OWNERS; 0: it is ours alone */
    void *app;
    /* Shared table, inside outbox_put: tells msg->owner the row's id when it has committed. */
    int (*hand)(struct db *tx, void *app, const struct outbox_msg *msg, struct err *err);
    /* Starts sending; must end in outbox_result(outbox, msg, …), from any thread, also
     * synchronously. msg is borrowed until then. */
    void (*send)(void *app, const struct outbox_msg *msg);
    /*
     * Runs in the writer's transaction that records the end of a message: SENT and REFUSED.
     * `answer` is what the program gave to outbox_result (copied). After the deadline: REFUSED
     * without an answer (STR_NONE), and *err holds E_PEER_TIMEOUT on entry. A failure is tried
     * again with back-off, without sending again. May put further messages, which `after` gives to
     * outbox_wake.
     */
    int (*ended)(struct db *tx, void *app, const struct outbox_msg *msg, enum outbox_result result,
                 struct str answer, struct err *err);
    /* `ended` of this message, when it was SENT, changes nothing but rows of its stream (writer.h, subject). NULL: of none. */
    bool (*ends_alone)(const struct outbox_msg *msg);
    /* For such a message: what `ended` will ask first (db_ask). NULL: nothing. */
    int (*ask)(struct db *tx, void *app, const struct outbox_msg *msg, struct str answer,
               struct err *err);
    /* After that commit; NULL allowed. */
    void (*after)(void *app, const struct outbox_msg *msg, enum outbox_result result);
};

MUST_CHECK int outbox_open(const struct outbox_cfg *cfg, struct outbox **ret_outbox,
                           struct err *err);
/* Starts sending what is left over; before it nothing leaves. */
MUST_CHECK int outbox_start(struct outbox *outbox, struct err *err);
/*
 * Stops starting new sends, waits for those in flight until the grace has passed, and for what the
 * writer records of them (close the writer afterwards). A result that comes later is taken and
 * forgotten: the message goes out again after the next start.
 */
void outbox_close(struct outbox **outbox, int64_t grace_us);

int64_t outbox_next_id(struct outbox *outbox);
/* Inside a transaction. */
MUST_CHECK int outbox_put(struct outbox *outbox, struct db *tx, struct outbox_msg *msg,
                          struct err *err);
/* What outbox_put will ask in the same operation (db_ask). */
MUST_CHECK int outbox_ask(struct outbox *outbox, struct db *tx, const struct outbox_msg *msg,
                          struct err *err);
/* After the commit: copies msg and sends it when its stream's turn comes; nothing if it waits already
 * or belongs to somebody else. */
void outbox_wake(struct outbox *outbox, const struct outbox_msg *msg);
void outbox_result(struct outbox *outbox, const struct outbox_msg *msg, enum outbox_result result,
                   struct str answer);
/* Forgets all waiting messages of a stream that has ended (their rows are deleted by the caller's
 * transaction). */
void outbox_drop_stream(struct outbox *outbox, struct str stream);
int64_t outbox_pending(const struct outbox *outbox);
