/*
 * lib/crypto/crypto_private.h - what the files of this folder share: OpenSSL's process-wide state,
 * secure memory, files
 */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/crypto/key.h"

/* SHA-256 as fetched once; borrowed for ever. Fetching it for each hash would double the price of a
 * Merkle node. */
const EVP_MD *crypto__sha256(void);

/* Locked, zeroed memory from OpenSSL's secure heap, which is made at the first call; NULL when it
 * is used up. */
void *crypto__secure_alloc(size_t n);
/* Wipes and frees; p may be NULL. */
void crypto__secure_free(void *p, size_t n);
/* Makes the secure heap, so that OpenSSL puts private numbers there; false if the system gives no
 * memory for it. */
bool crypto__secure_heap(void);

/*
 * Sets E_CRYPTO (or another code) with `what` and OpenSSL's last reason, and empties OpenSSL's
 * error queue of this thread: what stays there would be taken by the next caller for its own
 * failure.
 */
int crypto__fail(struct err *err, enum err_code code, const char *what);

/* The content of a private file, in secure memory and terminated by NUL. */
struct private_text {
    char *p; /* owned */
    size_t n;
};

void private_text_done(struct private_text *text);

/*
 * Reads a regular file of at most 64 KiB that nobody but its owner may read.
 * Errors: E_NOT_FOUND  no such file
 *         E_CONFIG     group or others may read it, not a regular file, empty, too large, not
 * readable
 */
MUST_CHECK int crypto__read_private(const char *path, struct private_text *ret_text,
                                    struct err *err);

#define COORDINATE_LEN 32 /* both curves */

struct key {
    enum key_alg alg;
    bool is_private;
    EVP_PKEY *pkey; /* owned; parsed once, then only read */
    /* public part, big-endian for P-256, as in RFC 8032 for Ed25519 (x only) */
    uint8_t x[COORDINATE_LEN];
    uint8_t y[COORDINATE_LEN];
};

/*
 * Takes pkey (also on failure), finds out which algorithm it is for and checks that the public part
 * is sound. Errors: E_CRYPTO
 */
MUST_CHECK int key__new(EVP_PKEY *pkey, bool is_private, struct key **ret_key, struct err *err);

/* Public P-256 key from its affine coordinates; the point must lie on the curve. Errors: E_CRYPTO
 */
MUST_CHECK int key__from_point(const uint8_t x[static COORDINATE_LEN],
                               const uint8_t y[static COORDINATE_LEN], struct key **ret_key,
                               struct err *err);
