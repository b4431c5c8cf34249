/*
 * server/settlement/settlement_private.h - shared inside settlement
 */
#pragma once

#include "server/registry/auth.h"
#include "server/settlement/ledger.h"
#include "server/settlement/settlement.h"

/*
 * Writes key and amount as decimal text. A currency of the form "KRW/6" counts 10^-6 minor units:
 * the amount is then plain digits.
 */
void settlement__amount(struct jw *w, const char *key, int64_t minor, struct str currency);

int ledger_trial_balance(struct rq *rq, struct err *err);
int ledger_accounts(struct rq *rq, struct err *err);
