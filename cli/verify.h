/*
 * cli/verify.h - the offline verifier: recomputes everything from a mirror of the audit log,
 * trusting nobody
 *
 * A mirror, made by `naru audit pull`, is a folder with
 *   key                  verifier key of the log, from the first pull
 *   checkpoint           the newest signed note
 *   checkpoints/…        each note that was ever pulled, named by its size
 *   tile/<level>/<n>, tile/entries/<n>, narrower ones with ".p/<width>": as C2SP tlog-tiles has it
 *
 * Steps, each adding findings:
 *   1 verify_log    signatures of checkpoints, entries against tiles, tiles against each other and
 *                   the root, consistency with every earlier checkpoint
 *   2 verify_facts  entry by entry in the order of the log: form, participants, plans, orders,
 *                   agreements, batches, receipts, matching, ledger, documents
 *   3 verify_money  what must hold at the end: holds, unexplained postings, balances, payouts
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/tlog/note.h"
#include "lib/wire/entry.h"

#define FINDINGS_MAX      1000 /* kept with text; further ones are only counted */
#define VERIFY_BUNDLE_MAX MIB(17)

struct finding {
    int64_t entry;     /* log index, -1 if it is about no single entry */
    const char *check; /* "log", "checkpoint", "entry", "batch", "receipt", "ledger", … */
    struct str text;
};

struct verify {
    const char *folder;
    struct arena *arena; /* everything found and kept, freed with the run */
    struct str
        expected_key; /* what the log's key must be; STR_NONE: that of the mirror is believed */
    struct note_verifier log_key;
    uint64_t size;     /* entries under the newest checkpoint */
    struct str *lines; /* the entries, borrowed from `arena`; lines[i].p NULL: missing */
    struct finding findings[FINDINGS_MAX];
    size_t n_findings; /* all, also those not kept */
    /* figures of the report */
    int64_t receipts, receipts_missing, transfers, documents, duties;
    void (*progress)(void *cls, uint64_t done, uint64_t all); /* NULL: none */
    void *progress_cls;
};

/* Adds a finding (entry -1: none). */
void verify_find(struct verify *v, int64_t entry, const char *check, const char *format, ...)
    PRINTF_LIKE(4, 5);

/*
 * Errors: only what makes verifying impossible (no mirror, unreadable files): E_IO, E_NOT_FOUND,
 * E_INVALID (the key), E_NO_MEMORY.
 */
MUST_CHECK int verify_log(struct verify *v, struct err *err);
struct facts;
MUST_CHECK int verify_facts(struct verify *v, struct facts *ret_facts, struct err *err);
MUST_CHECK int verify_money(struct facts *facts, struct err *err);

/* Reads a whole file of the mirror into the arena. Errors: E_NOT_FOUND, E_IO, E_LIMIT. */
MUST_CHECK int verify_read(struct verify *v, const char *name, size_t max, struct str *ret_content,
                           struct err *err);
