/*
 * connector/receipt.h - receipts on their way from the data plane, which makes them, to the
 * exchange, which numbers and sends them
 *
 * The two units do not know each other's insides: exchange asks the data plane about addresses, the
 * data plane hands its receipts over here.
 */
#pragma once

#include "connector/app.h"
#include "lib/wire/wire.h"

/* Inside a writer's operation: see exchange_receipt_number, exchange_receipt_store. */
MUST_CHECK int receipt_number(struct db *tx, struct str agreement, size_t n, int64_t *ret_first,
                              struct err *err);
MUST_CHECK int receipt_store(struct db *tx, const struct wire_receipt *receipt, int64_t now_us,
                             struct err *err);
/* After that commit; does nothing before the exchange is open. */
void receipts_wake(const struct app *app);
