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
    LEDGER__COUNT
};

extern const char *const ledger_code_names[LEDGER__COUNT + 1];

/* The account of an owner (zero uuid: operator), opened on first use. */
MUST_CHECK int ledger_account(struct app *app, struct db *tx, struct uuid owner,
                              enum ledger_code code, struct str currency, struct uuid *ret_account,
                              struct err *err);

enum ledger_kind { LEDGER_NORMAL, LEDGER_HOLD, LEDGER_CAPTURE, LEDGER_VOID };

struct ledger_transfer {
    struct uuid transfer_id;
    enum ledger_kind kind;
    struct uuid pending_id;  /* capture, void */
    struct uuid reverses_id; /* zero: none */
    struct uuid journal_id;
    struct uuid debit_id, credit_id;
    int64_t amount_minor; /* > 0 */
    struct str currency;
    struct str code; /* "order.hold", "usage", "fee", "vat", "rounding" … */
    int64_t effective_us;
};

/* Errors: E_PAYMENT (credit limit), E_DB_CONSTRAINT, E_PEER_CONFLICT. */
MUST_CHECK int ledger_post(struct app *app, struct db *tx, const struct ledger_transfer *transfers,
                           size_t n, struct err *err);
