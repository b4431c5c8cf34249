/*
 * server/settlement/settlement.h - period close, documents, payment file, trial balance
 */
#pragma once

#include "server/app.h"

extern const struct http_route settlement_routes[]; /* API listener: documents of a party */
extern const struct http_route
    settlement_operator_routes[]; /* operator listener: close, payments, ledger */
