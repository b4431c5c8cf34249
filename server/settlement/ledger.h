/*
 * server/settlement/ledger.h - accounts and postings (schema led)
 *
 * Invariants are the database's (0005-ledger.sql); this is the only code that inserts into it.
 * Every account and posting is also a log entry. Ids of postings are chosen by the caller (derived
 * ids make reruns harmless): the same id with the same content is accepted silently, other content
 * is E_PEER_CONFLICT.
 */
#pragma once

#include "lib/base/uuid.h"
#include "server/app.h"

enum ledger_code {
    LEDGER_RECEIVABLE, /* what a consumer owes; debit side, bounded by its credit limit */
    LEDGER_PAYABLE,    /* what is owed to a provider; credit side */
    LEDGER_FEE,        /* operator's fee income */
    LEDGER_VAT,        /* VAT to pay over */
    LEDGER_ROUNDING,
    LEDGER_CLEARING, /* counter account of holds */
    LEDGER_BANK,
    LEDGER_EXCESS, /* what a consumer owes beyond its credit limit: use is owed in any case */
    LEDGER__COUNT
};

extern const char *const ledger_code_names[LEDGER__COUNT + 1];

/*
 * The account of an owner (zero uuid: operator), opened on first use. Its id is UUIDv8 of
 * SHA-256("<owner>|<code>|<currency>"). A receivable in the settlement currency has the credit
 * limit of the settings, one in another currency none at all (limit 0).
 */
MUST_CHECK int ledger_account(struct app *app, struct db *tx, struct uuid owner,
                              enum ledger_code code, struct str currency, struct uuid *ret_account,
                              struct err *err);

enum ledger_kind { LEDGER_NORMAL, LEDGER_HOLD, LEDGER_CAPTURE, LEDGER_VOID };

struct ledger_transfer {
    struct uuid transfer_id;
    enum ledger_kind kind;
    struct uuid pending_id;  /* capture, void: the hold; void repeats its amount */
    struct uuid reverses_id; /* zero: none */
    struct uuid journal_id;
    struct uuid debit_id, credit_id;
    int64_t amount_minor; /* > 0 */
    struct str currency;
    struct str code; /* "order.hold", "usage", "fee", "vat", "rounding" … */
    int64_t effective_us;
};

/*
 * Posts all or nothing, in statements of 4096 rows. body_hash is the SHA-256 of the body of the log
 * entry (transfer.posted, canonical form). Errors: E_PAYMENT (credit limit), E_DB_CONSTRAINT,
 * E_PEER_CONFLICT.
 */
MUST_CHECK int ledger_post(struct app *app, struct db *tx, const struct ledger_transfer *transfers,
                           size_t n, struct err *err);

/* UUIDv8 of SHA-256 over "a|b|c": ids of postings and documents that a rerun finds again. */
struct uuid ledger_derive(const char *a, const char *b, const char *c);

/*
 * Voids a hold (derived id: a rerun finds it done). Errors: E_NOT_FOUND, E_CONFLICT (captured
 * already).
 */
MUST_CHECK int ledger_release(struct app *app, struct db *tx, struct uuid hold_id,
                              int64_t effective_us, struct err *err);
