/*
 * connector/dataplane/journal.h - accesses under way, in a file that is mapped into memory
 *
 * An access must leave a trace before its first byte does. A row in the database costs a commit that
 * the answer has to wait for; a slot of the journal costs a store. It outlives a killed process,
 * since the pages belong to the kernel, and it is on disk after journal_sync(). What it says becomes
 * a receipt in the database, and with that commit the slot is free. Slots that are found in use at
 * start were cut off.
 *
 * One process uses a journal at a time. A slot belongs to who took it; the functions may be called by
 * any thread, for one slot by one thread at a time.
 */
#pragma once

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/base/uuid.h"

#define JOURNAL_SLOTS 4096
#define JOURNAL_TEXT  444 /* bytes that agreement and transfer may have together */

struct journal;

struct journal_entry {
    int role; /* enum party_role */
    struct uuid event;
    struct str agreement, transfer;
    int64_t since_us;
    int64_t bytes, rows, seen_us; /* as of the newest journal_seen(); at first 0, 0, since_us */
};

/* Opens or makes the file, with all of its space. Errors: E_IO, E_BUSY (another process has it),
 * E_CORRUPT (not a journal). */
MUST_CHECK int journal_open(const char *path, struct journal **ret_journal, struct err *err);
void journal_close(struct journal **journal);

/* A slot (>= 0) that holds the entry from now on, or -1: none is free, or the texts are too long. */
int journal_take(struct journal *journal, const struct journal_entry *entry);
/* How far the access has come. */
void journal_seen(struct journal *journal, int slot, int64_t bytes, int64_t rows, int64_t seen_us);
void journal_free(struct journal *journal, int slot);
/* Writes to disk what has changed. */
void journal_sync(struct journal *journal);

/* At start: is any slot in use? */
bool journal_any_left(const struct journal *journal);
/* At start: the entry of a slot that is in use; texts are borrowed from the journal. False: the slot
 * is free, or was torn by a loss of power and is free now. */
bool journal_left(struct journal *journal, int slot, struct journal_entry *ret_entry);
