/*
 * server/catalogue/catalogue_private.h - handlers of the unit
 */
#pragma once

#include "lib/base/check.h"
#include "server/catalogue/catalogue.h"
#include "server/registry/auth.h"

int catalogue_put(struct rq *rq, struct err *err);
int catalogue_withdraw(struct rq *rq, struct err *err);
int catalogue_search(struct rq *rq, struct err *err);
int catalogue_page(struct rq *rq, struct err *err);
int catalogue_plan_text(struct rq *rq, struct err *err);
