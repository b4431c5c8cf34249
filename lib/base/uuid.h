/*
 * lib/base/uuid.h - identifiers of ours: UUIDv7 (RFC 9562 §5.7)
 *
 * Text exists at the border only. Foreign identifiers are opaque text, never a struct uuid.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/env.h"
#include "lib/base/str.h"

struct uuid {
    uint8_t b[16];
};

#define UUID_TEXT_LEN 36

struct uuid_text {
    char c[UUID_TEXT_LEN + 1];
};

/*
 * A new UUIDv7 from the environment's clock and randomness; ids made by one thread in one
 * millisecond ascend.
 */
struct uuid uuid_new(const struct env *env);

/*
 * UUIDv7 with the given time and 74 bits taken from `bytes` (first 10 bytes, version and variant
 * overwritten).
 */
struct uuid uuid_v7_from(int64_t unix_ms, const uint8_t bytes[static 10]);

/* UUIDv8 (RFC 9562 §5.8) from the first 16 bytes of a hash: for ids derived from other ids. */
struct uuid uuid_v8_from(const uint8_t hash[static 16]);

/* Milliseconds since 1970 in a version 7 UUID. */
int64_t uuid_v7_ms(struct uuid id);
int uuid_version(struct uuid id);

bool uuid_eq(struct uuid a, struct uuid b);
bool uuid_is_zero(struct uuid id);

/* Lower-case 8-4-4-4-12 text, terminated. */
struct uuid_text uuid_format(struct uuid id);
/* Accepts the 36-character form in either case. */
bool uuid_parse(struct str text, struct uuid *ret_id);
