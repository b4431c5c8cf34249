/*
 * connector/market/market.h - the market in plain JSON, on the management listener: publish in one
 * call, list, withdraw, end an agreement
 *
 * What EDC's API needs several calls for; it stands on top of data plane, exchange and protocol.
 */
#pragma once

#include "connector/app.h"

extern const struct http_route market_routes[];
