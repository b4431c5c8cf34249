/*
 * connector/market/market_private.h - handlers of the unit
 */
#pragma once

#include "connector/exchange/exchange.h"
#include "connector/market/market.h"
#include "lib/base/check.h"

int market_publish(struct rq *rq, struct err *err);
int market_datasets(struct rq *rq, struct err *err);
int market_dataset(struct rq *rq, struct err *err);
int market_withdraw(struct rq *rq, struct err *err);
int market_agreement_end(struct rq *rq, struct err *err);
