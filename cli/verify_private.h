/*
 * cli/verify_private.h - what steps 2 and 3 know of the log: one struct per kind of thing, kept in
 * maps by id
 *
 * Entries are looked at once, in the order of the log. A checkpoint covers whole transactions, so at
 * its end nothing may be half done. Only what two transactions did at the same time is uncertain: a
 * period close may not have seen what was committed while it ran, although it stands before the
 * close in the log. Where that matters, what was logged within VERIFY_OVERLAP_US is given the
 * benefit of the doubt.
 */
#pragma once

#include "cli/verify.h"
#include "lib/base/strmap.h"
#include "lib/base/timefmt.h"
#include "lib/codec/codec.h"
#include "lib/crypto/key.h"
#include "lib/rating/rating.h"
#include "lib/wire/wire.h"

#define VERIFY_OVERLAP_US (2 * US_PER_MIN)

struct known_participant {
    struct str participant, did;
    struct str state;  /* as last decided; STR_NONE: applied */
    int64_t suspended; /* entry of the last suspension, and its time */
    int64_t suspended_us;
    struct key *key; /* owned: freed with the facts */
};

/* A membership credential, or something that was checked about a company. */
struct known_word {
    struct str id, participant;
    int64_t expires_us;
    bool over; /* revoked, or withdrawn */
};

struct known_plan {
    struct str hash;
    const struct plan *plan; /* NULL: it could not be read */
};

struct known_dataset {
    struct str dataset, provider;
};

struct known_order {
    struct str order, state, plan_hash, provider, consumer, currency;
    struct known_agreement *agreement; /* NULL: none yet */
    const struct plan *plan;           /* NULL: unknown */
    int64_t version, hold_minor, active_us, ended_us;
    int64_t entry, changed_us;     /* first entry, time of the last one */
    struct str first_period;       /* the period that billed it first; STR_NONE: none yet */
    struct known_transfer *hold;   /* NULL: none seen */
    struct known_billing *billing; /* newest */
    int64_t open_events;           /* what the close that is looked at left open, and could bill */
    struct match_counts open;
    bool open_too_many;
};

/* What one side has reported about an agreement. */
struct known_report {
    bool present;
    struct str participant, hash;
    int64_t agreed_us, ends_us;
};

/* Numbers of one side about one agreement: gaps are receipts that have not come. */
struct known_sequence {
    int64_t highest, count, logged_us;
    int64_t next;         /* every number up to it has come */
    struct strmap beyond; /* numbers after it that have come, as text */
};

/* A deal: the id of an agreement together with its two parties. Others may use the same id. */
struct known_agreement {
    struct str key; /* provider "\n" consumer (DIDs) "\n" agreement */
    struct str agreement;
    struct known_order *order; /* NULL: none is bound to it */
    struct known_report reports[PARTY__COUNT];
    struct known_sequence sequences[PARTY__COUNT];
    bool ended[PARTY__COUNT];      /* before its time, by whom */
    int64_t end_us, end_logged_us; /* what counts of that, 0: nothing */
};

struct known_batch {
    struct str batch, hash, reporter;
    int64_t entry, lines, seen;
    struct str *texts; /* by line */
};

/* One event of one agreement, as both sides have reported it. */
struct known_event {
    struct uuid event;
    struct known_agreement *agreement;
    bool reported[PARTY__COUNT], billed;
    struct match_counts counts[PARTY__COUNT];
    int64_t logged_us[PARTY__COUNT];
    struct known_event *next;      /* the same event under another agreement */
    struct known_event *next_open; /* among those not billed yet */
};

struct known_account {
    struct str account, owner, code, currency; /* owner STR_NONE: operator */
    int64_t limit_minor;                       /* -1: none */
    int64_t debits, credits, debits_held, credits_held;
    int64_t released, released_us; /* by voids, and when they took effect */
};

struct known_transfer {
    struct str transfer, code, currency, journal, kind;
    struct known_account *debit, *credit;
    int64_t amount_minor, effective_us, entry;
    struct known_transfer *pending;  /* of a capture or void: its hold */
    struct known_transfer *resolved; /* of a hold: by what */
    bool reversed, explained;
};

struct known_period {
    struct str period, name;
    int64_t from_us, to_us;
    int64_t entry; /* the first that names it */
    bool dated, closed;
    int64_t latest_ms; /* newest event that it bills */
    int64_t n_invoices, n_statements;
};

/* Events of one order that one period bills. */
struct known_use {
    struct str key; /* period "\n" order */
    struct known_period *period;
    int64_t events, entry;
    struct match_counts counts;
    bool documented;
};

struct known_document {
    struct str document, period;
    bool invoice;
    int64_t entry, payout_minor;
    bool paid;
};

/* One order in the documents of one period. */
struct known_billing {
    struct str key; /* period "\n" order */
    struct known_period *period;
    struct known_order *order;
    struct known_document *invoice, *statement;
    const struct rating *rating; /* NULL: it could not be repeated */
    int64_t entry;
};

struct facts {
    struct verify *v;
    struct strmap participants, credentials, attestations;
    struct strmap plans, datasets, offers, orders, agreements;
    struct strmap reported; /* agreement "\n" reporter: its deal */
    struct strmap batches, events;
    struct strmap accounts, transfers, journals;
    struct strmap periods, uses, documents, parts, billings;
    struct known_agreement *last_agreement;  /* of a receipt: most neighbours are about the same, */
    const struct known_batch *last_reported; /* and from the same reporter */
    struct known_batch *last_batch;
    struct known_use *last_use;
    struct known_event *open_events;
    const struct known_period *last_period; /* closed */
    int64_t last_revocation;                /* its number */
    struct buf scratch;                     /* key of the last verify__pair */
};

/* Frees the maps and keys. */
void verify__facts_done(struct facts *facts);

/* -- helpers (verify_facts.c) -------------------------------------------------------------------- */

/* Members of an entry's body: borrowed from the entry, STR_NONE or 0 if absent. */
struct str verify__text(const struct entry *entry, const char *member);
int64_t verify__number(const struct entry *entry, const char *member);
int64_t verify__time(const struct entry *entry, const char *member);
bool verify__has(const struct entry *entry, const char *member);
/* Copies into the arena. */
struct str verify__keep(struct facts *facts, struct str text);
/* "a\nb", valid until the next call. */
struct str verify__pair(struct facts *facts, struct str a, struct str b);
/* A new zeroed value under a key that is in the arena; NULL without memory. */
void *verify__add(struct facts *facts, struct strmap *map, struct str key, size_t size);
/* UUIDv8 of SHA-256("a|b|c"), as text in the arena: how the data bank names what it derives. */
struct str verify__derive(struct facts *facts, struct str a, struct str b, struct str c);
/* Id of an account; owner STR_NONE: the operator. */
struct str verify__account_id(struct facts *facts, struct str owner, struct str code,
                              struct str currency);
/* What this reporter has reported under this id; NULL if nothing. */
struct known_agreement *verify__reported(struct facts *facts, struct str agreement,
                                         struct str reporter);
/* Until when an order is active, 0 if no end is known; *ret_unsure if that became known only now. */
int64_t verify__active_end(const struct known_order *order, int64_t at_us, bool *ret_unsure);

/* -- checks by kind of entry ---------------------------------------------------------------------- */

typedef void verify__check(struct facts *facts, int64_t at, const struct entry *entry);

verify__check verify__batch_accepted, verify__receipt_accepted, verify__receipt_refused,
    verify__event_billed, verify__account_opened, verify__transfer_posted, verify__document_issued,
    verify__payout_ordered, verify__period_closed;

/* -- at the end ----------------------------------------------------------------------------------- */

void verify__batches_end(struct facts *facts);
void verify__ledger_end(struct facts *facts);
void verify__documents_end(struct facts *facts);

/* -- between the files ---------------------------------------------------------------------------- */

/* The period with this id, made if it is new. NULL without memory. */
struct known_period *verify__period(struct facts *facts, int64_t at, struct str id);
/* Sums up, per order, the events that the close of this period could have billed and has not. */
void verify__open_events(struct facts *facts, const struct entry *entry,
                         const struct known_period *period);
/* The postings of everything that this period bills (rule 7 of the close). */
void verify__postings(struct facts *facts, const struct known_period *period);
/* Numbers of this sequence that had not come. */
int64_t verify__missing(const struct known_order *order, enum party_role role, int64_t at_us,
                        bool *ret_unsure);
