/*
 * lib/crypto/hash.h - SHA-256
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

#define SHA256_LEN 32

void sha256(const void *p, size_t n, uint8_t ret_hash[static SHA256_LEN]);

/* Incremental; hash_begin allocates (aborts without memory), hash_end frees and sets *hash to NULL.
 */
struct hash;
struct hash *hash_begin(void);
void hash_add(struct hash *hash, const void *p, size_t n);
void hash_end(struct hash **hash, uint8_t ret_hash[static SHA256_LEN]);
/* Drops an unfinished hash; *hash may be NULL; sets it to NULL. */
void hash_free(struct hash **hash);

/* HMAC-SHA-256. */
void hmac_sha256(struct str key, const void *p, size_t n, uint8_t ret_mac[static SHA256_LEN]);

struct hash_text {
    char c[2 * SHA256_LEN + 1];
};
/* Lower-case hex, terminated. */
struct hash_text hash_hex(const uint8_t hash[static SHA256_LEN]);
