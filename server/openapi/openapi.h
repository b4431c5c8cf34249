/*
 * server/openapi/openapi.h - GET /v1/openapi.json: the description of the API (openapi.json,
 * compiled in)
 */
#pragma once

#include "lib/http/http.h"

extern const struct http_route openapi_routes[];
