/*
 * server/metering/metering.c - routes and rows
 */
#include "server/metering/metering_private.h"
#include "server/registry/auth.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct field usage_event_fields[] = {
    FIELD(struct usage_event, event_id,       "event_id",       F_REQUIRED),
    FIELD(struct usage_event, deal_id,        "deal_id",        F_REQUIRED),
    FIELD(struct usage_event, since_us,       "since_at",       F_REQUIRED | F_TIME),
    FIELD(struct usage_event, has_provider,   "has_provider",   F_REQUIRED),
    FIELD(struct usage_event, has_consumer,   "has_consumer",   F_REQUIRED),
    FIELD(struct usage_event, provider_calls, "provider_calls", 0),
    FIELD(struct usage_event, provider_bytes, "provider_bytes", 0),
    FIELD(struct usage_event, provider_rows,  "provider_rows",  0),
    FIELD(struct usage_event, consumer_calls, "consumer_calls", 0),
    FIELD(struct usage_event, consumer_bytes, "consumer_bytes", 0),
    FIELD(struct usage_event, consumer_rows,  "consumer_rows",  0),
};
OBJECT(usage_event_row, struct usage_event, usage_event_fields, OPEN);

#define ROUTE HTTP_ROUTE_ROW
const struct http_route metering_routes[] = {
#include "server/metering/routes.def"
    {0},
};
#undef ROUTE
/* clang-format on */
