/*
 * lib/tlog/tlog_private.h - shared inside lib/tlog
 */
#pragma once

#include "lib/tlog/tlog.h"

/* Root of a full subtree over count hashes; count is a power of two, at most TLOG_TILE_WIDTH. */
void tlog__hash_full(const uint8_t *hashes, unsigned count, uint8_t ret_root[static TLOG_HASH_LEN]);
