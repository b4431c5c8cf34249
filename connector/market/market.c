/*
 * connector/market/market.c - routes
 */
#include "connector/market/market_private.h"

#include "lib/base/banned.h"

/* clang-format off */
#define ROUTE HTTP_ROUTE_ROW
const struct http_route market_routes[] = {
#include "connector/market/routes.def"
    {0},
};
#undef ROUTE
/* clang-format on */
