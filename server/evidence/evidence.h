/*
 * server/evidence/evidence.h - what auditors and members read of the log: checkpoint, tiles,
 * proofs, exports
 */
#pragma once

#include "server/app.h"

extern const struct http_route evidence_routes[];
