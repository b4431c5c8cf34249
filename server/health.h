/*
 * server/health.h - GET /healthz (live), /readyz (ready, with reasons); operator listener: GET
 * /metrics
 */
#pragma once

#include "server/app.h"

extern const struct http_route health_routes[];
extern const struct http_route health_operator_routes[];
