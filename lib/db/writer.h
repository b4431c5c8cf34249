/*
 * lib/db/writer.h - one writer per database: group commit (DESIGN §4)
 *
 * Operations are queued from any thread; the writer's thread takes all that is queued, runs it in
 * one transaction, commits once, then calls every operation's `done`. An operation that fails is
 * undone alone: the batch runs again with a savepoint around each. If the commit fails, every operation of the batch gets
 * that error (after one retry of the batch, operations one by one). No timer and no minimum batch:
 * the commit itself collects the next. A lazy operation does not wake the writer; it rides with the
 * next batch or goes after 20 ms.
 */
#pragma once

#include <stdbool.h>

#include "lib/base/env.h"
#include "lib/base/err.h"
#include "lib/db/db.h"

struct writer;

struct writer_op {
    const char *name;
    db_tx_fn *fn; /* runs SQL only, in the writer's thread, perhaps more than once */
    void *arg;    /* borrowed until done has returned */
    /*
     * What fn will ask first, by db_ask, in this order, if it runs to its end: of all operations of a batch before any of them
     * runs. NULL: nothing. Must not change *arg in a way that a second run would see.
     */
    db_tx_fn *ask;
    /*
     * The process, or other thing, whose rows fn changes; it changes nothing else that the questions of others are about. Of a batch
     * the first operation of each subject asks beforehand, up to an operation without a subject (STR_NONE: it may change anything).
     * Texts live as long as *arg.
     */
    struct str subject;
    /* After the commit (err->code == E_OK) or the refusal, in the writer's thread; must not block.
     * NULL allowed. */
    void (*done)(void *arg, const struct err *err);
    bool lazy;
    struct writer_op *next; /* the writer's */
    struct err err;         /* the writer's */
};

/* Opens a connection of its own. Errors as db_open. */
MUST_CHECK int writer_open(const struct db_cfg *cfg, const struct env *env,
                           struct writer **ret_writer, struct err *err);
/* Before anything is queued: fn runs first in every transaction (what several writers of one database
 * agree on). If it fails, so does the transaction. */
void writer_begin_with(struct writer *writer, db_tx_fn *fn, void *arg);
/* Finishes what is queued, then closes. */
void writer_close(struct writer **writer);

/* Queues op (memory of the caller's until done). Errors: E_BUSY when LIMIT_WRITER_QUEUE wait,
 * E_SHUTDOWN. */
MUST_CHECK int writer_submit(struct writer *writer, struct writer_op *op, struct err *err);
/* Queues and waits; not from the writer's own thread. For rare calls, never for the protocol's hot
 * path. */
MUST_CHECK int writer_call(struct writer *writer, const char *name, db_tx_fn *fn, void *arg,
                           struct err *err);
/* Microseconds of the oldest waiting operation (health), 0 if none. */
int64_t writer_lag_us(const struct writer *writer);
