/*
 * tests/unit/test_crypto.c - hashes, keys and their files, JWKs, secrets
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/encode.h"
#include "lib/base/env.h"
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"
#include "lib/crypto/secret.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

/* -- hashes: FIPS 180-4 examples, RFC 4231 -- */

static const struct {
    const char *text, *hex;
} hashes[] = {
    {"",                                                         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc",                                                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"                                                            },
};

START_TEST(hash_of_known_texts)
{
    const struct str text = str_c(hashes[_i].text);
    uint8_t hash[SHA256_LEN];
    struct hash *h = hash_begin();

    sha256(text.p, text.n, hash);
    ck_assert_str_eq(hash_hex(hash).c, hashes[_i].hex);
    for (size_t i = 0; i < text.n; i++)
        hash_add(h, text.p + i, 1);
    hash_end(&h, hash);
    ck_assert_ptr_null(h);
    ck_assert_str_eq(hash_hex(hash).c, hashes[_i].hex);
}

END_TEST

static void repeat(char c, size_t n, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i < n; i++)
        buf_add_char(out, c);
}

static const struct {
    char key_byte;
    size_t key_n;
    const char *key, *text, *hex;
} macs[] = {
    {0x0b,   20,  NULL,   "Hi There",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"                                                                               },
    {0,      0,   "Jefe", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"                                                                               },
 /* a key longer than a block is hashed first */
    {'\xaa', 131, NULL,   "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"                                                                               },
    {0,      0,   "",     "",                                                       "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

START_TEST(mac_of_known_texts)
{
    AUTO(buf_done) struct buf key = buf_init(256);
    const struct str text = str_c(macs[_i].text);
    uint8_t mac[SHA256_LEN];

    repeat(macs[_i].key_byte, macs[_i].key_n, &key);
    hmac_sha256(macs[_i].key != NULL ? str_c(macs[_i].key) : buf_str(&key), text.p, text.n, mac);
    ck_assert_str_eq(hash_hex(mac).c, macs[_i].hex);
}

END_TEST

START_TEST(an_unfinished_hash_is_dropped)
{
    struct hash *h = hash_begin();

    hash_add(h, "x", 1);
    hash_free(&h);
    ck_assert_ptr_null(h);
    hash_free(&h);
}

END_TEST

/* -- files -- */

static char folder[64];

static void make_folder(void)
{
    memcpy(folder, "/tmp/naru-crypto-XXXXXX", sizeof("/tmp/naru-crypto-XXXXXX"));
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

struct file_name {
    char c[128];
};

static struct file_name in_folder(const char *name)
{
    struct file_name path;

    snprintf(path.c, sizeof(path.c), "%s/%s", folder, name);
    return path;
}

static void remove_folder(void)
{
    static const char *const names[] = {"key", "other", "link"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(in_folder(names[i]).c);
    ck_assert_msg(rmdir(folder) == 0, "'%s' is not empty: a temporary file was left", folder);
}

static struct file_name write_file(const char *name, struct str text, mode_t mode)
{
    const struct file_name path = in_folder(name);
    const int fd = open(path.c, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text.p, text.n), (ssize_t)text.n);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

/* PEM text of a PKCS#8 structure in hex. */
static struct file_name write_pem(const char *label, const char *der_hex)
{
    AUTO(buf_done) struct buf der = buf_init(KIB(1));
    AUTO(buf_done) struct buf pem = buf_init(KIB(2));

    ck_assert(decode_hex(&der, str_c(der_hex)));
    buf_printf(&pem, "-----BEGIN %s-----\n", label);
    for (size_t i = 0; i < der.n; i += 48) {
        encode_base64(&pem, der.p + i, der.n - i < 48 ? der.n - i : 48);
        buf_add_char(&pem, '\n');
    }
    buf_printf(&pem, "-----END %s-----\n", label);
    return write_file("key", buf_str(&pem), 0600);
}

static void assert_hex(const void *p, size_t n, const char *hex)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(1));

    encode_hex(&text, p, n);
    buf_add_char(&text, '\0');
    ck_assert_str_eq(text.p, hex);
}

/* RFC 8410 §7 gives the shape; the seeds and signatures are those of RFC 8032 §7.1. */
#define PKCS8_ED25519 "302e020100300506032b657004220420"

static const struct {
    const char *seed, *public_key, *message, *signature;
} ed25519[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c387b2eaeb4302aeeb00d291612bb0c00"},
};

START_TEST(ed25519_signs_as_the_standard_does)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(buf_done) struct buf message = buf_init(64);
    char der[128];
    uint8_t public_key[32];
    uint8_t signature[SIGNATURE_LEN];
    struct err err = {0};

    snprintf(der, sizeof(der), PKCS8_ED25519 "%s", ed25519[_i].seed);
    ck_assert(decode_hex(&message, str_c(ed25519[_i].message)));
    const struct file_name path = write_pem("PRIVATE KEY", der);

    ck_assert_msg(key_load(path.c, &key, &err) == 0, "%s", err.text);
    ck_assert(key_is_private(key) && key_alg(key) == KEY_EDDSA);
    ck_assert(key_ed25519_public(key, public_key));
    assert_hex(public_key, sizeof(public_key), ed25519[_i].public_key);
    ck_assert_int_eq(key_sign(key, message.p, message.n, signature, &err), 0);
    assert_hex(signature, sizeof(signature), ed25519[_i].signature);
}

END_TEST

START_TEST(signature_is_good_for_this_key_and_text_only)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(key_free) struct key *other = NULL;
    uint8_t sig[SIGNATURE_LEN];
    struct err err = {0};
    const struct str signature = {(const char *)sig, sizeof(sig)};

    ck_assert_int_eq(key_generate((enum key_alg)_i, &key, &err), 0);
    ck_assert_int_eq(key_generate((enum key_alg)_i, &other, &err), 0);
    ck_assert_int_eq(key_sign(key, "message", 7, sig, &err), 0);
    ck_assert(key_verify(key, "message", 7, signature));
    ck_assert(!key_verify(other, "message", 7, signature));
    ck_assert(!key_verify(key, "messagf", 7, signature));
    ck_assert(!key_verify(key, "message", 6, signature));
    for (size_t n = 0; n < SIGNATURE_LEN; n++)
        ck_assert(!key_verify(key, "message", 7, (struct str){signature.p, n}));
    for (size_t bit = 0; bit < 8 * sizeof(sig); bit++) {
        sig[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_msg(!key_verify(key, "message", 7, signature), "bit %zu", bit);
        sig[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    ck_assert(key_verify(key, "message", 7, signature));
}

END_TEST

START_TEST(keys_of_one_kind_are_not_used_for_the_other)
{
    AUTO(key_free) struct key *es = NULL;
    AUTO(key_free) struct key *ed = NULL;
    uint8_t sig[SIGNATURE_LEN], public_key[32];
    struct err err = {0};

    ck_assert_int_eq(key_generate(KEY_ES256, &es, &err), 0);
    ck_assert_int_eq(key_generate(KEY_EDDSA, &ed, &err), 0);
    ck_assert_int_eq(key_sign(es, "m", 1, sig, &err), 0);
    ck_assert(!key_verify(ed, "m", 1, (struct str){(const char *)sig, sizeof(sig)}));
    ck_assert_int_eq(key_sign(ed, "m", 1, sig, &err), 0);
    ck_assert(!key_verify(es, "m", 1, (struct str){(const char *)sig, sizeof(sig)}));
    ck_assert(!key_ed25519_public(es, public_key));
}

END_TEST

/* n of P-256, and n - 1 */
#define ORDER      "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define ORDER_LESS "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"
#define ZERO       "0000000000000000000000000000000000000000000000000000000000000000"
#define ONE        "0000000000000000000000000000000000000000000000000000000000000001"
#define ALL_ONES   "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
static const char *const bad_pairs[] = {
    ZERO ZERO,    ZERO ONE,     ONE ZERO,          ORDER ORDER,           ORDER ONE, ONE ORDER,
    ALL_ONES ONE, ONE ALL_ONES, ALL_ONES ALL_ONES, ORDER_LESS ORDER_LESS, ONE ONE,   ZERO ORDER,
};

START_TEST(es256_refuses_scalars_out_of_range)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(buf_done) struct buf sig = buf_init(SIGNATURE_LEN);
    struct err err = {0};

    ck_assert_int_eq(key_generate(KEY_ES256, &key, &err), 0);
    ck_assert(decode_hex(&sig, str_c(bad_pairs[_i])));
    ck_assert(!key_verify(key, "m", 1, buf_str(&sig)));
    ck_assert(!key_verify(key, "", 0, buf_str(&sig)));
}

END_TEST

/* A signature s has a twin n - s; both fit, as RFC 7518 does not choose. DER in place of raw does not. */
START_TEST(es256_refuses_der)
{
    AUTO(key_free) struct key *key = NULL;
    uint8_t raw[SIGNATURE_LEN];
    uint8_t der[72] = {0x30, 0, 0x02};
    size_t n = 3;
    struct err err = {0};

    ck_assert_int_eq(key_generate(KEY_ES256, &key, &err), 0);
    ck_assert_int_eq(key_sign(key, "m", 1, raw, &err), 0);
    for (size_t half = 0; half < 2; half++) {
        const bool pad = raw[32 * half] >= 0x80;

        if (half == 1)
            der[n++] = 0x02;
        der[n++] = pad ? 33 : 32;
        if (pad)
            der[n++] = 0;
        memcpy(der + n, raw + 32 * half, 32);
        n += 32;
    }
    der[1] = (uint8_t)(n - 2);
    ck_assert(!key_verify(key, "m", 1, (struct str){(const char *)der, n}));
    ck_assert(!key_verify(key, "m", 1, (struct str){(const char *)der, SIGNATURE_LEN}));
}

END_TEST

START_TEST(a_saved_key_is_the_same_when_loaded)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(key_free) struct key *again = NULL;
    const struct file_name path = in_folder("key");
    uint8_t sig[SIGNATURE_LEN];
    struct stat st;
    struct err err = {0};

    ck_assert_int_eq(key_generate((enum key_alg)_i, &key, &err), 0);
    ck_assert_msg(key_save(key, path.c, &err) == 0, "%s", err.text);
    ck_assert_int_eq(stat(path.c, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(st.st_nlink, 1);
    ck_assert_msg(key_load(path.c, &again, &err) == 0, "%s", err.text);
    ck_assert_int_eq(key_alg(again), _i);
    ck_assert_str_eq(key_thumbprint(key).c, key_thumbprint(again).c);
    ck_assert_int_eq(key_sign(again, "m", 1, sig, &err), 0);
    ck_assert(key_verify(key, "m", 1, (struct str){(const char *)sig, sizeof(sig)}));
}

END_TEST

START_TEST(saving_never_replaces_a_file)
{
    AUTO(key_free) struct key *key = NULL;
    const struct file_name path = write_file("key", STR("precious"), 0600);
    struct stat st;
    struct err err = {0};

    ck_assert_int_eq(key_generate(KEY_ES256, &key, &err), 0);
    ck_assert_int_eq(key_save(key, path.c, &err), -E_CONFLICT);
    ck_assert_int_eq(stat(path.c, &st), 0);
    ck_assert_int_eq(st.st_size, 8);
    ck_assert_int_eq(key_save(key, "/nonexistent/key", &err), -E_CONFIG);
}

END_TEST

START_TEST(a_public_key_is_neither_saved_nor_signs)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(key_free) struct key *other = NULL;
    uint8_t public_key[32], sig[SIGNATURE_LEN];
    struct err err = {0};

    ck_assert_int_eq(key_generate(KEY_EDDSA, &other, &err), 0);
    ck_assert(key_ed25519_public(other, public_key));
    ck_assert_int_eq(key_from_ed25519(public_key, &key, &err), 0);
    ck_assert(!key_is_private(key));
    ck_assert_int_eq(key_save(key, in_folder("key").c, &err), -E_CRYPTO);
    ck_assert_int_eq(access(in_folder("key").c, F_OK), -1);
    ck_assert_int_eq(key_sign(key, "m", 1, sig, &err), -E_CRYPTO);
}

END_TEST

static const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666, 0777};

START_TEST(a_private_file_that_others_may_use_is_refused)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(secret_free) struct secret *secret = NULL;
    const struct file_name path = write_file("key", STR("s3cret"), open_modes[_i]);
    struct err err = {0};

    ck_assert_int_eq(key_load(path.c, &key, &err), -E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.text, "chmod 600"));
    err_clear(&err);
    ck_assert_int_eq(secret_load(path.c, &secret, &err), -E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.text, "chmod 600"));
    ck_assert_ptr_null(strstr(err.text, "s3cret"));
    ck_assert_ptr_null(key);
    ck_assert_ptr_null(secret);
}

END_TEST

/* A link does not hide what it leads to. */
START_TEST(a_link_to_an_open_file_is_refused)
{
    AUTO(secret_free) struct secret *secret = NULL;
    const struct file_name path = write_file("other", STR("s3cret"), 0644);
    struct err err = {0};

    ck_assert_int_eq(symlink(path.c, in_folder("link").c), 0);
    ck_assert_int_eq(secret_load(in_folder("link").c, &secret, &err), -E_CONFIG);
}

END_TEST

START_TEST(what_is_no_private_file_is_refused)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(buf_done) struct buf large = buf_init(KIB(65));
    struct err err = {0};

    ck_assert_int_eq(key_load(in_folder("key").c, &key, &err), -E_NOT_FOUND);
    ck_assert_int_eq(key_load(folder, &key, &err), -E_CONFIG);
    ck_assert_int_eq(key_load("/dev/null", &key, &err), -E_CONFIG);
    ck_assert_int_eq(key_load(write_file("key", STR(""), 0600).c, &key, &err), -E_CONFIG);
    repeat('\n', KIB(64) + 1, &large);
    ck_assert_int_eq(key_load(write_file("key", buf_str(&large), 0600).c, &key, &err), -E_CONFIG);
    large.n--;
    ck_assert_int_eq(key_load(write_file("key", buf_str(&large), 0600).c, &key, &err), -E_CRYPTO);
    ck_assert_int_eq(mkfifo(in_folder("other").c, 0600), 0);
    ck_assert_int_eq(key_load(in_folder("other").c, &key, &err), -E_CONFIG);
}

END_TEST

#define P256_PKCS8_HEAD "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"

static const struct {
    const char *what, *label, *der;
} bad_keys[] = {
    {"public key",                 "PUBLIC KEY",
     "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"   },
    {"another label",              "EC PRIVATE KEY",        PKCS8_ED25519 ZERO                    },
    {"encrypted label",            "ENCRYPTED PRIVATE KEY", PKCS8_ED25519 ZERO                    },
    {"nothing within",             "PRIVATE KEY",           ""                                    },
    {"cut off",                    "PRIVATE KEY",           PKCS8_ED25519 "9d61b19deffd5a60"      },
    {"bytes behind",               "PRIVATE KEY",           PKCS8_ED25519 ZERO "00"               },
    {"X25519",                     "PRIVATE KEY",           "302e020100300506032b656e04220420" ONE},
    {"Ed448 id with short key",    "PRIVATE KEY",           "302e020100300506032b657104220420" ONE},
    {"P-256 with a foreign point", "PRIVATE KEY",
     P256_PKCS8_HEAD "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
                     "a14403420004"
                     "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                     "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"           },
    {"P-256 with zero",            "PRIVATE KEY",
     P256_PKCS8_HEAD ZERO "a14403420004"
                          "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                          "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"      },
};

START_TEST(other_key_files_are_refused)
{
    AUTO(key_free) struct key *key = NULL;
    struct err err = {0};
    const struct file_name path = write_pem(bad_keys[_i].label, bad_keys[_i].der);

    ck_assert_msg(key_load(path.c, &key, &err) == -E_CRYPTO, "%s: %s", bad_keys[_i].what,
                  err_name(err.code));
    ck_assert_ptr_null(key);
}

END_TEST

/* -- JWK: RFC 8037 appendix A, RFC 7515 appendix A.3 -- */

#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED_1 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\""
#define EC_1 "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\""

static int read_jwk(const char *text, struct key **ret_key, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    ck_assert_msg(jdoc_parse(str_c(text), &jlimits_default, &doc, err) == 0, "%s", text);
    return key_from_jwk(jdoc_root(doc), ret_key, err);
}

static const struct {
    const char *jwk, *written, *thumbprint;
} jwks[] = {
    {ED_1 "}",                                                                                     "{\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" ED_X "\"}",
     "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
    {EC_1 "}",
     "{\"alg\":\"ES256\",\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
     NULL                                         },
    {EC_1 ",\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"k\",\"key_ops\":[\"verify\"],\"x5c\":[]}",
     "{\"alg\":\"ES256\",\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
     NULL                                         },
};

START_TEST(a_jwk_is_read_and_written)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(buf_done) struct buf text = buf_init(KIB(1));
    AUTO(buf_done) struct buf required = buf_init(KIB(1));
    uint8_t hash[SHA256_LEN];
    struct err err = {0};

    ck_assert_msg(read_jwk(jwks[_i].jwk, &key, &err) == 0, "%s", err.text);
    ck_assert(!key_is_private(key));
    key_write_jwk(key, &text);
    ck_assert(str_eq_c(buf_str(&text), jwks[_i].written));
    if (jwks[_i].thumbprint != NULL)
        ck_assert_str_eq(key_thumbprint(key).c, jwks[_i].thumbprint);

    /* RFC 7638 §3: the hash of the required members, which is the written form without alg */
    const struct str rest = str_from(buf_str(&text), strlen("{\"alg\":\"ES256\","));

    buf_add_char(&required, '{');
    buf_add_str(&required, rest);
    sha256(required.p, required.n, hash);
    buf_reset(&required);
    encode_base64url(&required, hash, sizeof(hash));
    ck_assert(str_eq_c(buf_str(&required), key_thumbprint(key).c));
}

END_TEST

#define ED_KEY(x)    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" x "\"}"
#define EC_KEY(x, y) "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" x "\",\"y\":\"" y "\"}"
#define B64_ZERO     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct {
    const char *jwk, *at;
} bad_jwks[] = {
    {"[]",                                                                        ""        },
    {"\"k\"",                                                                     ""        },
    {"{}",                                                                        "/crv"    },
    {"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",                           "/crv"    },
    {"{\"kty\":\"oct\",\"k\":\"AQAB\"}",                                          "/crv"    },
    {"{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",  "/crv"    },
    {"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",  "/crv"    },
    {"{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}",                   "/crv"    },
    {"{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "/crv"    },
    {"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_X "\"}",                   "/crv"    },
    {"{\"kty\":1,\"crv\":\"P-256\"}",                                             "/crv"    },
    {EC_1 ",\"d\":\"AQ\"}",                                                       ""        },
    {ED_1 ",\"d\":\"AQ\"}",                                                       ""        },
    {ED_1 ",\"d\":null}",                                                         ""        },
    {ED_1 ",\"k\":\"AQ\"}",                                                       ""        },
    {EC_1 ",\"p\":\"AQ\"}",                                                       ""        },
    {EC_1 ",\"use\":\"enc\"}",                                                    "/use"    },
    {EC_1 ",\"use\":null}",                                                       "/use"    },
    {EC_1 ",\"alg\":\"EdDSA\"}",                                                  "/alg"    },
    {EC_1 ",\"alg\":\"HS256\"}",                                                  "/alg"    },
    {EC_1 ",\"alg\":\"none\"}",                                                   "/alg"    },
    {EC_1 ",\"alg\":\"es256\"}",                                                  "/alg"    },
    {ED_1 ",\"alg\":\"ES256\"}",                                                  "/alg"    },
    {EC_1 ",\"key_ops\":[\"encrypt\"]}",                                          "/key_ops"},
    {EC_1 ",\"key_ops\":[]}",                                                     "/key_ops"},
    {EC_1 ",\"key_ops\":\"verify\"}",                                             "/key_ops"},
    {ED_KEY(""),                                                                  "/x"      },
    {ED_KEY("AQAB"),                                                              "/x"      },
    {ED_KEY(ED_X "="),                                                            "/x"      },
    {ED_KEY(ED_X "A"),                                                            "/x"      },
    {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}",                                     "/x"      },
    {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":7}",                             "/x"      },
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}",                     "/y"      },
    {EC_KEY(EC_X,                                                                 "AQAB"),    "/y"},
    {EC_KEY(EC_X,                                                                           EC_X),                                                                           "/x"}, /* not on the curve */
    {EC_KEY(B64_ZERO,                                                                       B64_ZERO),       "/x"}, /* not on the curve */
  /* unused bits set: '1' in place of '0' at the end */
    {EC_KEY(EC_X,"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"),"/y"},
 /* Ed25519 points of small order, and y >= p */
    {ED_KEY(B64_ZERO),                                                                 "/x"                                 },
    {ED_KEY("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),                                                                           "/x"                                                                     },
    {ED_KEY("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA"),                                                                           "/x"},
    {ED_KEY("7P_______________________________________38"),                                                                           "/x"},
    {ED_KEY("7f_______________________________________38"),                                                                           "/x"                                 },
    {ED_KEY("7v_______________________________________38"),                                                                           "/x"                                                                     },
    {ED_KEY("__________________________________________8"),                                                                           "/x"},
    {ED_KEY("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU"),                                                                           "/x"},
    {ED_KEY("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o"),                                                                           "/x"                                 },
    {ED_KEY("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU"),                                                                           "/x"                                                                     },
};

START_TEST(a_bad_jwk_is_refused)
{
    AUTO(key_free) struct key *key = NULL;
    struct err err = {0};

    ck_assert_msg(read_jwk(bad_jwks[_i].jwk, &key, &err) == -E_INVALID, "%s", bad_jwks[_i].jwk);
    ck_assert_ptr_null(key);
    ck_assert_str_eq(err.at, bad_jwks[_i].at);
    ck_assert_str_ne(err.detail, "");
}

END_TEST

/* -- secrets -- */

START_TEST(a_secret_is_revealed_and_compared)
{
    AUTO(secret_free) struct secret *secret = secret_new(STR("open sesame"));
    AUTO(secret_free) struct secret *empty = secret_new(STR_NONE);

    ck_assert_ptr_nonnull(secret);
    ck_assert(str_eq_c(secret_reveal(secret), "open sesame"));
    ck_assert(secret_eq(secret, STR("open sesame")));
    ck_assert(!secret_eq(secret, STR("open sesamf")));
    ck_assert(!secret_eq(secret, STR("open sesame ")));
    ck_assert(!secret_eq(secret, STR("")));
    ck_assert(!secret_eq(secret, STR_NONE));
    ck_assert(secret_eq(empty, STR("")));
    ck_assert(!secret_eq(empty, STR("x")));
}

END_TEST

START_TEST(a_secret_file_ends_before_its_line_end)
{
    AUTO(secret_free) struct secret *secret = NULL;
    const struct file_name path = write_file("key", STR(" two words \r\n\n\t"), 0400);
    struct err err = {0};

    ck_assert_msg(secret_load(path.c, &secret, &err) == 0, "%s", err.text);
    ck_assert(str_eq_c(secret_reveal(secret), " two words"));
}

END_TEST

START_TEST(a_secret_file_without_secret_is_refused)
{
    AUTO(secret_free) struct secret *secret = NULL;
    struct err err = {0};

    ck_assert_int_eq(secret_load(in_folder("key").c, &secret, &err), -E_NOT_FOUND);
    ck_assert_int_eq(secret_load(write_file("key", STR(" \n"), 0600).c, &secret, &err), -E_CONFIG);
    ck_assert_ptr_null(secret);
}

END_TEST

START_TEST(tokens_have_prefix_and_32_random_bytes)
{
    struct env_fake fake = {.seed = 7};
    const struct env env = env_from_fake(&fake);
    AUTO(buf_done) struct buf bytes = buf_init(64);
    const struct token_text one = token_new(&env, "naru_");
    const struct token_text two = token_new(&env, "naru_");

    ck_assert_uint_eq(strlen(one.c), 5 + 43);
    ck_assert_int_eq(strncmp(one.c, "naru_", 5), 0);
    ck_assert_str_ne(one.c, two.c);
    ck_assert(decode_base64url(&bytes, str_c(one.c + 5)));
    ck_assert_uint_eq(bytes.n, 32);
    ck_assert_uint_eq(strlen(token_new(&env_system, "").c), 43);
}

END_TEST

/* -- one key, several threads -- */

static void *sign_and_verify(void *cls)
{
    const struct key *key = cls;
    uint8_t sig[SIGNATURE_LEN];
    struct err err = {0};
    size_t good = 0;

    for (int i = 0; i < 50; i++) {
        AUTO(secret_free) struct secret *secret = secret_new(STR("x"));

        good += secret != NULL && key_sign(key, &i, sizeof(i), sig, &err) == 0 &&
                key_verify(key, &i, sizeof(i), (struct str){(const char *)sig, sizeof(sig)});
    }
    return good == 50 ? cls : NULL;
}

START_TEST(a_key_is_used_by_several_threads)
{
    AUTO(key_free) struct key *key = NULL;
    pthread_t threads[4];
    struct err err = {0};

    ck_assert_int_eq(key_generate((enum key_alg)_i, &key, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_and_verify, key), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *result = NULL;

        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_eq(result, key);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("crypto");
    TCase *pure = tcase_create("hashes, keys and secrets");
    TCase *files = tcase_create("files");

    tcase_add_loop_test(pure, hash_of_known_texts, 0, ARRAY_LEN(hashes));
    tcase_add_loop_test(pure, mac_of_known_texts, 0, ARRAY_LEN(macs));
    tcase_add_test(pure, an_unfinished_hash_is_dropped);
    tcase_add_loop_test(pure, signature_is_good_for_this_key_and_text_only, 0, KEY__COUNT);
    tcase_add_test(pure, keys_of_one_kind_are_not_used_for_the_other);
    tcase_add_loop_test(pure, es256_refuses_scalars_out_of_range, 0, ARRAY_LEN(bad_pairs));
    tcase_add_test(pure, es256_refuses_der);
    tcase_add_loop_test(pure, a_jwk_is_read_and_written, 0, ARRAY_LEN(jwks));
    tcase_add_loop_test(pure, a_bad_jwk_is_refused, 0, ARRAY_LEN(bad_jwks));
    tcase_add_test(pure, a_secret_is_revealed_and_compared);
    tcase_add_test(pure, tokens_have_prefix_and_32_random_bytes);
    tcase_add_loop_test(pure, a_key_is_used_by_several_threads, 0, KEY__COUNT);
    suite_add_tcase(s, pure);

    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_loop_test(files, ed25519_signs_as_the_standard_does, 0, ARRAY_LEN(ed25519));
    tcase_add_loop_test(files, a_saved_key_is_the_same_when_loaded, 0, KEY__COUNT);
    tcase_add_test(files, saving_never_replaces_a_file);
    tcase_add_test(files, a_public_key_is_neither_saved_nor_signs);
    tcase_add_loop_test(files, a_private_file_that_others_may_use_is_refused, 0,
                        ARRAY_LEN(open_modes));
    tcase_add_test(files, a_link_to_an_open_file_is_refused);
    tcase_add_test(files, what_is_no_private_file_is_refused);
    tcase_add_loop_test(files, other_key_files_are_refused, 0, ARRAY_LEN(bad_keys));
    tcase_add_test(files, a_secret_file_ends_before_its_line_end);
    tcase_add_test(files, a_secret_file_without_secret_is_refused);
    suite_add_tcase(s, files);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    const int bad = srunner_ntests_failed(sr);

    srunner_free(sr);
    return bad != 0;
}
