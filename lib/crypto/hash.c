/*
 * lib/crypto/hash.c - SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104) over EVP
 *
 * A digest of known size cannot fail except for want of memory, and a caller could not go on
 * without it: so that aborts.
 */
#include "lib/crypto/hash.h"

#include <openssl/evp.h>

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/crypto/crypto_private.h"

#include "lib/base/banned.h"

struct hash {
    EVP_MD_CTX *ctx; /* owned */
};

void sha256(const void *p, size_t n, uint8_t ret_hash[static SHA256_LEN])
{
    CHECK(EVP_Digest(p, n, ret_hash, NULL, crypto__sha256(), NULL) == 1);
}

struct hash *hash_begin(void)
{
    struct hash *hash = calloc(1, sizeof(*hash));

    CHECK(hash != NULL);
    hash->ctx = EVP_MD_CTX_new();
    CHECK(hash->ctx != NULL);
    CHECK(EVP_DigestInit_ex2(hash->ctx, crypto__sha256(), NULL) == 1);
    return hash;
}

void hash_add(struct hash *hash, const void *p, size_t n)
{
    CHECK(EVP_DigestUpdate(hash->ctx, p, n) == 1);
}

void hash_end(struct hash **hash, uint8_t ret_hash[static SHA256_LEN])
{
    CHECK(EVP_DigestFinal_ex((*hash)->ctx, ret_hash, NULL) == 1);
    hash_free(hash);
}

void hash_free(struct hash **hash)
{
    if (*hash == NULL)
        return;
    EVP_MD_CTX_free((*hash)->ctx);
    free(*hash);
    *hash = NULL;
}

void hmac_sha256(struct str key, const void *p, size_t n, uint8_t ret_mac[static SHA256_LEN])
{
    size_t got = 0;

    /* an absent key is the empty key: EVP takes a NULL key for "none set yet" */
    CHECK(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.n > 0 ? key.p : "", key.n, p, n,
                    ret_mac, SHA256_LEN, &got) != NULL);
    CHECK(got == SHA256_LEN);
}

struct hash_text hash_hex(const uint8_t hash[static SHA256_LEN])
{
    static const char digits[] = "0123456789abcdef";
    struct hash_text text;

    for (size_t i = 0; i < SHA256_LEN; i++) {
        text.c[2 * i] = digits[hash[i] >> 4];
        text.c[2 * i + 1] = digits[hash[i] & 15];
    }
    text.c[2 * SHA256_LEN] = '\0';
    return text;
}
