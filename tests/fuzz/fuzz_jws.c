/*
 * tests/fuzz/fuzz_jws.c - any bytes: as a token, as the payload of one, as a JWK
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/crypto/jws.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void as_token(struct str text)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    struct jws jws;
    struct err err = {0};

    CHECK(arena != NULL);
    if (jws_parse(text, arena, &jws, &err) < 0) {
        CHECK(err.code == E_TOKEN && err.detail[0] == '\0');
        return;
    }
    CHECK(jws.signature.n == SIGNATURE_LEN && jws.payload.n > 0);
    CHECK(jws.signing_input.p == text.p && jws.signing_input.n < text.n);
}

static void as_claims(const struct jval *value)
{
    struct jwt_claims claims;
    struct err err = {0};

    if (jwt_claims_read(value, INT64_C(1800000000000000), 0, 0, &claims, &err) < 0)
        CHECK(err.code == E_TOKEN);
    else
        CHECK(claims.exp_us > INT64_C(1800000000000000) && claims.iat_us >= -1);
}

/* A key that is read is written in a form that is read again as the same key. */
static void as_jwk(const struct jval *value)
{
    AUTO(key_free) struct key *key = NULL;
    AUTO(key_free) struct key *again = NULL;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(KIB(1));
    struct err err = {0};

    if (key_from_jwk(value, &key, &err) < 0) {
        CHECK(err.code == E_INVALID);
        return;
    }
    key_write_jwk(key, &text);
    CHECK(jdoc_parse(buf_str(&text), NULL, &doc, &err) == 0);
    CHECK(key_from_jwk(jdoc_root(doc), &again, &err) == 0);
    CHECK(memcmp(key_thumbprint(key).c, key_thumbprint(again).c, 44) == 0);
    CHECK(!key_verify(key, text.p, text.n, str_n(text.p, SIGNATURE_LEN)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct str text = str_n(data, n);
    struct err err = {0};

    as_token(text);
    if (jdoc_parse(text, NULL, &doc, &err) == 0) {
        as_claims(jdoc_root(doc));
        as_jwk(jdoc_root(doc));
    }
    return 0;
}
