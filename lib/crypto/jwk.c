/*
 * lib/crypto/jwk.c - public keys as JWK (RFC 7517; EC: RFC 7518 §6.2, OKP: RFC 8037 §2) and their
 * thumbprint (RFC 7638)
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/crypto/crypto_private.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define COORDINATE_CHARS 43 /* base64url of 32 bytes */
#define JWK_BYTES        256

static const struct {
    const char *kty, *crv;
    bool has_y;
} forms[KEY__COUNT] = {
    [KEY_ES256] = {"EC",  "P-256",   true },
    [KEY_EDDSA] = {"OKP", "Ed25519", false},
};

/* RFC 7518 §6.2.2, §6.3.2, §6.4: who sends one of these has lost the private key, or sends another
 * kind of key. */
static const char *const private_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"};

static bool member_is(const struct jval *jwk, const char *name, const char *want)
{
    const struct jval *v = jval_get(jwk, name);

    return jtype_of(v) == J_STR && str_eq_c(jval_str(v), want);
}

static int find_form(const struct jval *jwk, enum key_alg *ret_alg, struct err *err)
{
    for (enum key_alg alg = 0; alg < KEY__COUNT; alg++)
        if (member_is(jwk, "kty", forms[alg].kty) && member_is(jwk, "crv", forms[alg].crv)) {
            *ret_alg = alg;
            return 0;
        }
    return err_tell(err, E_INVALID, "/crv",
                    "jwk: expected kty EC with crv P-256 or kty OKP with "
                    "crv Ed25519");
}

/* RFC 7517 §4.3: key_ops, where present, must allow what we are going to do. */
static bool ops_allow_verify(const struct jval *ops)
{
    if (ops == NULL)
        return true;
    for (size_t i = 0; i < jval_len(ops); i++)
        if (str_eq_c(jval_str(jval_at(ops, i)), "verify"))
            return true;
    return false;
}

static int check_members(const struct jval *jwk, enum key_alg alg, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(private_members); i++)
        if (jval_get(jwk, private_members[i]) != NULL)
            return err_tell(err, E_INVALID, "", "jwk: member '%s' belongs to a private key",
                            private_members[i]);
    if (jval_get(jwk, "use") != NULL && !member_is(jwk, "use", "sig"))
        return err_tell(err, E_INVALID, "/use", "jwk: expected 'sig'");
    if (jval_get(jwk, "alg") != NULL && !member_is(jwk, "alg", key_alg_names[alg]))
        return err_tell(err, E_INVALID, "/alg", "jwk: expected '%s'", key_alg_names[alg]);
    if (!ops_allow_verify(jval_get(jwk, "key_ops")))
        return err_tell(err, E_INVALID, "/key_ops", "jwk: expected 'verify' among them");
    return 0;
}

static int read_coordinate(const struct jval *jwk, const char *name, const char *at,
                           uint8_t ret_bytes[static COORDINATE_LEN], struct err *err)
{
    AUTO(buf_done) struct buf bytes = buf_init(COORDINATE_LEN);
    const struct str text = jval_str(jval_get(jwk, name));

    /* RFC 7518 §6.2.1.2: the full size of a coordinate, leading zeros included */
    if (text.n != COORDINATE_CHARS || !decode_base64url(&bytes, text) || bytes.n != COORDINATE_LEN)
        return err_tell(err, E_INVALID, at, "jwk: expected 32 bytes as base64url");
    memcpy(ret_bytes, bytes.p, COORDINATE_LEN);
    return 0;
}

int key_from_jwk(const struct jval *jwk, struct key **ret_key, struct err *err)
{
    uint8_t x[COORDINATE_LEN];
    uint8_t y[COORDINATE_LEN];
    struct err cause = {0};
    enum key_alg alg = KEY__COUNT;
    int rc;

    if (jtype_of(jwk) != J_OBJECT)
        return err_tell(err, E_INVALID, "", "jwk: expected an object");
    if (find_form(jwk, &alg, err) < 0 || check_members(jwk, alg, err) < 0 ||
        read_coordinate(jwk, "x", "/x", x, err) < 0)
        return err_ret(err);
    if (forms[alg].has_y && read_coordinate(jwk, "y", "/y", y, err) < 0)
        return err_ret(err);
    rc = alg == KEY_ES256 ? key__from_point(x, y, ret_key, &cause)
                          : key_from_ed25519(x, ret_key, &cause);
    if (rc < 0 && cause.code == E_CRYPTO)
        return err_tell(err, E_INVALID, "/x", "jwk: not a sound public key");
    if (rc < 0)
        return err_set(err, cause.code, "", "jwk: %s", cause.text);
    return 0;
}

static void add_member(struct buf *out, const char *name,
                       const uint8_t bytes[static COORDINATE_LEN])
{
    buf_printf(out, ",\"%s\":\"", name);
    encode_base64url(out, bytes, COORDINATE_LEN);
    buf_add_char(out, '"');
}

/* Members in the order of RFC 8785, which for the required ones is that of RFC 7638 §3.2. */
static void write_members(const struct key *key, bool with_alg, struct buf *out)
{
    buf_add_char(out, '{');
    if (with_alg)
        buf_printf(out, "\"alg\":\"%s\",", key_alg_names[key->alg]);
    buf_printf(out, "\"crv\":\"%s\",\"kty\":\"%s\"", forms[key->alg].crv, forms[key->alg].kty);
    add_member(out, "x", key->x);
    if (forms[key->alg].has_y)
        add_member(out, "y", key->y);
    buf_add_char(out, '}');
}

void key_write_jwk(const struct key *key, struct buf *out)
{
    write_members(key, /* with_alg= */ true, out);
}

struct key_thumbprint key_thumbprint(const struct key *key)
{
    AUTO(buf_done) struct buf text = buf_init(JWK_BYTES);
    uint8_t hash[SHA256_LEN];
    struct key_thumbprint thumbprint = {{0}};

    write_members(key, /* with_alg= */ false, &text);
    CHECK(!buf_failed(&text));
    sha256(text.p, text.n, hash);
    buf_reset(&text);
    encode_base64url(&text, hash, sizeof(hash));
    CHECK(!buf_failed(&text) && text.n == sizeof(thumbprint.c) - 1);
    memcpy(thumbprint.c, text.p, text.n);
    return thumbprint;
}
