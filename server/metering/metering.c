/*
 * server/metering/metering.c - routes and rows
 */
#include "server/metering/metering_private.h"
#include "server/registry/auth.h"

#include "lib/base/banned.h"

/* clang-format off */
#define ROUTE HTTP_ROUTE_ROW
const struct http_route metering_routes[] = {
#include "server/metering/routes.def"
    {0},
};
#undef ROUTE
/* clang-format on */
