/*
 * lib/crypto/key.h - signing keys: P-256 (ES256) and Ed25519 (EdDSA)
 *
 * The record fixes the algorithm; nothing that a peer sends chooses it. Private keys live in
 * OpenSSL's secure memory, are never written except by key_save (mode 0600, new file only), and no
 * function gives their bytes away. A key is immutable and may be used by several threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct jval;
struct key;

enum key_alg { KEY_ES256, KEY_EDDSA, KEY__COUNT };

extern const char *const key_alg_names[KEY__COUNT]; /* "ES256", "EdDSA" */

/* New key pair. Errors: E_CRYPTO. */
MUST_CHECK int key_generate(enum key_alg alg, struct key **ret_key, struct err *err);

/*
 * PKCS#8 PEM file with a private key. Errors: E_NOT_FOUND (no such file), E_CONFIG (others may read
 * it, not a file of at most 64 KiB), E_CRYPTO (not PKCS#8, encrypted, another algorithm).
 */
MUST_CHECK int key_load(const char *path, struct key **ret_key, struct err *err);
/* Writes a private key as PKCS#8 PEM, mode 0600; E_CONFLICT if the file exists. */
MUST_CHECK int key_save(const struct key *key, const char *path, struct err *err);

/* Public key from a JWK (RFC 7517; kty EC/P-256 or OKP/Ed25519; private members, use≠sig and other
 * alg refused). E_INVALID. */
MUST_CHECK int key_from_jwk(const struct jval *jwk, struct key **ret_key, struct err *err);
/* Raw Ed25519 public key (32 bytes): for signed notes. */
MUST_CHECK int key_from_ed25519(const uint8_t public_key[static 32], struct key **ret_key,
                                struct err *err);

void key_free(struct key **key);
enum key_alg key_alg(const struct key *key);
bool key_is_private(const struct key *key);

/* The public part as JWK with kty, crv, x(, y), alg in canonical order. */
void key_write_jwk(const struct key *key, struct buf *out);

/* RFC 7638 thumbprint, base64url (43 characters, terminated). */
struct key_thumbprint {
    char c[44];
};
struct key_thumbprint key_thumbprint(const struct key *key);
/* Raw 32-byte Ed25519 public key; false for other algorithms. */
bool key_ed25519_public(const struct key *key, uint8_t ret_public[static 32]);

/* Raw signature of 64 bytes (ES256: r‖s, RFC 7518 §3.4; EdDSA: RFC 8032). */
#define SIGNATURE_LEN 64
MUST_CHECK int key_sign(const struct key *key, const void *p, size_t n,
                        uint8_t ret_signature[static SIGNATURE_LEN], struct err *err);
/* True only for a valid signature of exactly 64 bytes. */
bool key_verify(const struct key *key, const void *p, size_t n, struct str signature);
