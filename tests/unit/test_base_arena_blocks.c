/*
 * tests/unit/test_base_arena_blocks.c - the arena of production, tested as the other one
 *
 * Sanitizer builds replace blocks by one malloc for each allocation, so the blocks would never be tested with them.
 */
#undef NARU_ARENA_MALLOC
#include <check.h>
#include <stdint.h>

#include "lib/base/arena.c"
#include "tests/unit/test_base_arena.c"

#include "lib/base/banned.h"
