/*
 * lib/crypto/key.c - making, checking and using keys
 *
 * ES256 signatures are r‖s, 32 bytes each (RFC 7518 §3.4); OpenSSL speaks DER, so they are
 * converted here. One EVP_PKEY lives as long as its key and is shared between threads; each call
 * has its own EVP_MD_CTX.
 */
#include "lib/crypto/key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/crypto/crypto_private.h"

#include "lib/base/banned.h"

#define P256_GROUP    "prime256v1"
#define DER_SIGNATURE 72 /* SEQUENCE of two INTEGERs of at most 33 bytes */

const char *const key_alg_names[KEY__COUNT] = {[KEY_ES256] = "ES256", [KEY_EDDSA] = "EdDSA"};

static const char *const digest_names[KEY__COUNT] = {[KEY_ES256] = "SHA256", [KEY_EDDSA] = NULL};

/* FIPS 186-4 D.1.2.3: the order n of the base point of P-256; r and s must be in [1, n-1]. */
static const uint8_t p256_order[COORDINATE_LEN] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

/*
 * The y coordinates of the Ed25519 points of small order (little-endian, sign bit cleared). Under
 * such a key one signature fits many messages, so its owner could deny what was signed. 2^255-19
 * and what follows are non-canonical writings.
 */
/* clang-format off */
static const uint8_t small_order[][COORDINATE_LEN] = {
    {0x00},
    {0x01},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

/* clang-format on */

static void md_ctx_free(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

static void bn_free(BIGNUM **bn)
{
    BN_free(*bn);
}

static void ecdsa_sig_free(ECDSA_SIG **sig)
{
    ECDSA_SIG_free(*sig);
}

static void pkey_ctx_free(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static void param_bld_free(OSSL_PARAM_BLD **bld)
{
    OSSL_PARAM_BLD_free(*bld);
}

static void params_free(OSSL_PARAM **params)
{
    OSSL_PARAM_free(*params);
}

/* RFC 8032 §5.1.3: y < p = 2^255 - 19, so all ones above the last byte with a first byte of 0xed or
 * more is too much. */
static bool ed25519_sound(const uint8_t public_key[static COORDINATE_LEN])
{
    uint8_t y[COORDINATE_LEN];
    bool too_large = true;

    memcpy(y, public_key, sizeof(y));
    y[COORDINATE_LEN - 1] &= 0x7f;
    for (size_t i = 1; i < COORDINATE_LEN; i++)
        too_large = too_large && y[i] == (i == COORDINATE_LEN - 1 ? 0x7f : 0xff);
    if (too_large && y[0] >= 0xed)
        return false;
    for (size_t i = 0; i < sizeof(small_order) / sizeof(small_order[0]); i++)
        if (memcmp(y, small_order[i], sizeof(y)) == 0)
            return false;
    return true;
}

static bool is_p256(const EVP_PKEY *pkey)
{
    char group[32];

    return EVP_PKEY_is_a(pkey, "EC") != 0 &&
           EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
                                          NULL) == 1 &&
           strcmp(group, P256_GROUP) == 0;
}

static bool read_coordinate(const EVP_PKEY *pkey, const char *name,
                            uint8_t ret_bytes[static COORDINATE_LEN])
{
    AUTO(bn_free) BIGNUM *bn = NULL;

    return EVP_PKEY_get_bn_param(pkey, name, &bn) == 1 &&
           BN_bn2binpad(bn, ret_bytes, COORDINATE_LEN) == COORDINATE_LEN;
}

/* Checks that the point lies on the curve and, of a private key, that both parts belong together.
 */
static bool check_ec(EVP_PKEY *pkey, bool is_private)
{
    AUTO(pkey_ctx_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);

    return ctx != NULL && EVP_PKEY_public_check(ctx) == 1 &&
           (!is_private || EVP_PKEY_pairwise_check(ctx) == 1);
}

static int fill(struct key *key, struct err *err)
{
    size_t n = sizeof(key->x);

    if (EVP_PKEY_is_a(key->pkey, "ED25519") != 0) {
        key->alg = KEY_EDDSA;
        if (EVP_PKEY_get_raw_public_key(key->pkey, key->x, &n) != 1 || n != sizeof(key->x))
            return crypto__fail(err, E_CRYPTO, "ed25519 key without public part");
        if (!ed25519_sound(key->x))
            return err_set(err, E_CRYPTO, "", "ed25519 key is of small order or not canonical");
        return 0;
    }
    if (!is_p256(key->pkey))
        return crypto__fail(err, E_CRYPTO, "key is neither P-256 nor Ed25519");
    key->alg = KEY_ES256;
    if (!check_ec(key->pkey, key->is_private))
        return crypto__fail(err, E_CRYPTO, "P-256 key is not sound");
    if (!read_coordinate(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, key->x) ||
        !read_coordinate(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key->y))
        return crypto__fail(err, E_CRYPTO, "P-256 key without public part");
    return 0;
}

int key__new(EVP_PKEY *pkey, bool is_private, struct key **ret_key, struct err *err)
{
    AUTO(key_free) struct key *key = calloc(1, sizeof(*key));

    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return err_set(err, E_NO_MEMORY, "", "key");
    }
    key->pkey = pkey;
    key->is_private = is_private;
    if (fill(key, err) < 0)
        return err_ret(err);
    *ret_key = MOVE(key);
    return 0;
}

int key_generate(enum key_alg alg, struct key **ret_key, struct err *err)
{
    if (!crypto__secure_heap())
        return err_set(err, E_NO_MEMORY, "", "no secure memory for a private key");
    EVP_PKEY *pkey =
        alg == KEY_ES256 ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    if (pkey == NULL)
        return crypto__fail(err, E_CRYPTO, "no new key");
    return key__new(pkey, /* is_private= */ true, ret_key, err);
}

/* Parameters of a public P-256 key; the point is written uncompressed (SEC 1 §2.3.3). */
static OSSL_PARAM *point_params(const uint8_t x[static COORDINATE_LEN],
                                const uint8_t y[static COORDINATE_LEN])
{
    AUTO(param_bld_free) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    uint8_t point[1 + 2 * COORDINATE_LEN] = {POINT_CONVERSION_UNCOMPRESSED};

    memcpy(point + 1, x, COORDINATE_LEN);
    memcpy(point + 1 + COORDINATE_LEN, y, COORDINATE_LEN);
    if (bld == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, P256_GROUP, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) != 1)
        return NULL;
    return OSSL_PARAM_BLD_to_param(bld); /* copies */
}

int key__from_point(const uint8_t x[static COORDINATE_LEN], const uint8_t y[static COORDINATE_LEN],
                    struct key **ret_key, struct err *err)
{
    AUTO(pkey_ctx_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    AUTO(params_free) OSSL_PARAM *params = point_params(x, y);
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return crypto__fail(err, E_CRYPTO, "not a point of P-256");
    return key__new(pkey, /* is_private= */ false, ret_key, err);
}

int key_from_ed25519(const uint8_t public_key[static 32], struct key **ret_key, struct err *err)
{
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, COORDINATE_LEN);

    if (pkey == NULL)
        return crypto__fail(err, E_CRYPTO, "ed25519 public key");
    return key__new(pkey, /* is_private= */ false, ret_key, err);
}

void key_free(struct key **key)
{
    if (*key == NULL)
        return;
    EVP_PKEY_free((*key)->pkey);
    free(*key);
    *key = NULL;
}

enum key_alg key_alg(const struct key *key)
{
    return key->alg;
}

bool key_is_private(const struct key *key)
{
    return key->is_private;
}

bool key_ed25519_public(const struct key *key, uint8_t ret_public[static 32])
{
    if (key->alg != KEY_EDDSA)
        return false;
    memcpy(ret_public, key->x, COORDINATE_LEN);
    return true;
}

static bool raw_from_der(const uint8_t *der, size_t n, uint8_t ret_raw[static SIGNATURE_LEN])
{
    AUTO(ecdsa_sig_free) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);

    return sig != NULL &&
           BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret_raw, COORDINATE_LEN) == COORDINATE_LEN &&
           BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret_raw + COORDINATE_LEN, COORDINATE_LEN) ==
               COORDINATE_LEN;
}

int key_sign(const struct key *key, const void *p, size_t n,
             uint8_t ret_signature[static SIGNATURE_LEN], struct err *err)
{
    AUTO(md_ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t out[DER_SIGNATURE];
    size_t got = sizeof(out);

    if (!key->is_private)
        return err_set(err, E_CRYPTO, "", "a public key cannot sign");
    if (ctx == NULL ||
        EVP_DigestSignInit_ex(ctx, NULL, digest_names[key->alg], NULL, NULL, key->pkey, NULL) !=
            1 ||
        EVP_DigestSign(ctx, out, &got, n > 0 ? p : (const void *)"", n) != 1)
        return crypto__fail(err, E_CRYPTO, "signing");
    if (key->alg == KEY_ES256) {
        if (!raw_from_der(out, got, ret_signature))
            return crypto__fail(err, E_CRYPTO, "signature made is not DER");
        return 0;
    }
    CHECK(got == SIGNATURE_LEN);
    memcpy(ret_signature, out, SIGNATURE_LEN);
    return 0;
}

/* A scalar of a signature: not zero, below the order. A zero pair has fooled verifiers
 * (CVE-2022-21449). */
static bool scalar_in_range(const uint8_t scalar[static COORDINATE_LEN])
{
    static const uint8_t zero[COORDINATE_LEN];

    return memcmp(scalar, zero, COORDINATE_LEN) != 0 &&
           memcmp(scalar, p256_order, COORDINATE_LEN) < 0;
}

/* r‖s to DER; 0 if r or s is out of range or memory is short. */
static size_t der_from_raw(const uint8_t raw[static SIGNATURE_LEN],
                           uint8_t ret_der[static DER_SIGNATURE])
{
    AUTO(ecdsa_sig_free) ECDSA_SIG *sig = ECDSA_SIG_new();
    AUTO(bn_free) BIGNUM *r = NULL;
    AUTO(bn_free) BIGNUM *s = NULL;

    if (!scalar_in_range(raw) || !scalar_in_range(raw + COORDINATE_LEN) || sig == NULL)
        return 0;
    r = BN_bin2bn(raw, COORDINATE_LEN, NULL);
    s = BN_bin2bn(raw + COORDINATE_LEN, COORDINATE_LEN, NULL);
    if (r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1)
        return 0;
    r = s = NULL; /* sig owns them now */
    const int n = i2d_ECDSA_SIG(sig, NULL);

    if (n <= 0 || n > DER_SIGNATURE || i2d_ECDSA_SIG(sig, &ret_der) != n)
        return 0;
    return (size_t)n;
}

bool key_verify(const struct key *key, const void *p, size_t n, struct str signature)
{
    uint8_t der[DER_SIGNATURE];
    const uint8_t *sig = (const uint8_t *)signature.p;
    size_t sig_n = signature.n;

    if (signature.n != SIGNATURE_LEN)
        return false;
    if (key->alg == KEY_ES256) {
        sig_n = der_from_raw(sig, der);
        sig = der;
        if (sig_n == 0)
            return false;
    }
    AUTO(md_ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx != NULL &&
        EVP_DigestVerifyInit_ex(ctx, NULL, digest_names[key->alg], NULL, NULL, key->pkey, NULL) ==
            1 &&
        EVP_DigestVerify(ctx, sig, sig_n, n > 0 ? p : (const void *)"", n) == 1)
        return true;
    ERR_clear_error(); /* a refused signature is an answer, not a failure of the next caller */
    return false;
}
