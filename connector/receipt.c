/*
 * connector/receipt.c - hands receipts over
 */
#include "connector/receipt.h"

#include "connector/exchange/exchange.h"

#include "lib/base/banned.h"

int receipt_number(struct db *tx, struct str agreement, size_t n, int64_t *ret_first,
                   struct err *err)
{
    return exchange_receipt_number(tx, agreement, n, ret_first, err);
}

int receipt_store(struct db *tx, const struct wire_receipt *receipt, int64_t now_us,
                  struct err *err)
{
    return exchange_receipt_store(tx, receipt, now_us, err);
}

void receipts_wake(const struct app *app)
{
    if (app->exchange != NULL)
        exchange_receipts_wake(app->exchange);
}
