/*
 * server/metering/metering.h - receipts in, usage out
 */
#pragma once

#include "lib/base/timefmt.h"
#include "lib/rating/match.h"
#include "server/app.h"

#define USAGE_SKEW_US (5 * US_PER_MIN)   /* how far clocks may be apart */
#define USAGE_AGE_US  (400 * US_PER_DAY) /* older events are refused at ingest and never billed */

extern const struct http_route metering_routes[];

/* One event with both meters, as the close and the usage report see it. */
struct usage_event {
    struct uuid event_id;
    struct uuid deal_id;
    int64_t since_us;
    bool has_provider, has_consumer;
    int64_t provider_calls, provider_bytes, provider_rows;
    int64_t consumer_calls, consumer_bytes, consumer_rows;
};
extern const struct object usage_event_row;
