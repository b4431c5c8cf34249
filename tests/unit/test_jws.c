/*
 * tests/unit/test_jws.c - compact JWS and claims: vectors of the standards, hostile tokens, times
 */
#include <check.h>

#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

static struct arena *arena;

static void make_arena(void)
{
    arena = arena_new(MIB(4));
    ck_assert_ptr_nonnull(arena);
}

static void drop_arena(void)
{
    arena_free(&arena);
}

static struct key *public_key(const char *jwk)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct key *key = NULL;
    struct err err = {0};

    ck_assert_int_eq(jdoc_parse(str_c(jwk), &jlimits_default, &doc, &err), 0);
    ck_assert_msg(key_from_jwk(jdoc_root(doc), &key, &err) == 0, "%s", err.text);
    return key;
}

static struct key *new_key(enum key_alg alg)
{
    struct key *key = NULL;
    struct err err = {0};

    ck_assert_int_eq(key_generate(alg, &key, &err), 0);
    return key;
}

static int parse_and_verify(struct str compact, const struct key *key, struct jws *ret_jws,
                            struct err *err)
{
    const int rc = jws_parse(compact, arena, ret_jws, err);

    return rc < 0 ? rc : jws_verify(ret_jws, key, err);
}

/* -- RFC 7515 appendix A.3, RFC 8037 appendix A.4 -- */

#define A3_KEY                                                                                     \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define A3_HEADER "eyJhbGciOiJFUzI1NiJ9"
#define A3_PAYLOAD                                                                                 \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define A3_SIG                                                                                     \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define A4_KEY                                                                                     \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define A4_TOKEN                                                                                   \
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."                                    \
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static const struct {
    const char *jwk, *token, *payload;
    enum key_alg alg;
} vectors[] = {
    {A3_KEY, A3_HEADER "." A3_PAYLOAD "." A3_SIG,
     "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}", KEY_ES256},
    {A4_KEY, A4_TOKEN,                            "Example of Ed25519 signing",            KEY_EDDSA},
};

START_TEST(the_standards_examples_are_valid)
{
    AUTO(key_free) struct key *key = public_key(vectors[_i].jwk);
    AUTO(key_free) struct key *other = public_key(vectors[1 - _i].jwk);
    struct jws jws;
    struct err err = {0};

    ck_assert_msg(parse_and_verify(str_c(vectors[_i].token), key, &jws, &err) == 0, "%s", err.text);
    ck_assert_int_eq((int)jws.alg, (int)vectors[_i].alg);
    ck_assert(str_eq_c(jws.payload, vectors[_i].payload));
    ck_assert(!str_present(jws.kid) && !str_present(jws.typ));
    ck_assert_uint_eq(jws.signature.n, SIGNATURE_LEN);
    ck_assert_int_eq(jws_verify(&jws, other, &err), -E_TOKEN);
}

END_TEST

START_TEST(what_is_signed_is_read_again)
{
    AUTO(key_free) struct key *key = new_key((enum key_alg)_i);
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jws jws;
    struct err err = {0};

    buf_add_c(&out, "Bearer ");
    ck_assert_int_eq(jws_sign(key, STR("did:web:a#k\"1"), STR("JWT"), STR("{\"a\":1}"), &out, &err),
                     0);
    ck_assert_msg(parse_and_verify(str_from(buf_str(&out), 7), key, &jws, &err) == 0, "%s",
                  err.text);
    ck_assert(str_eq_c(jws.kid, "did:web:a#k\"1"));
    ck_assert(str_eq_c(jws.typ, "JWT"));
    ck_assert(str_eq_c(jws.payload, "{\"a\":1}"));
}

END_TEST

START_TEST(signing_fails_whole)
{
    AUTO(key_free) struct key *key = new_key(KEY_EDDSA);
    AUTO(key_free) struct key *public_part = public_key(A4_KEY);
    AUTO(buf_done) struct buf out = buf_init(KIB(1));
    AUTO(buf_done) struct buf small = buf_init(100);
    struct err err = {0};

    buf_add_c(&out, "before");
    ck_assert_int_eq(jws_sign(key, STR_NONE, STR_NONE, STR(""), &out, &err), -E_INVALID);
    ck_assert_int_eq(jws_sign(public_part, STR_NONE, STR_NONE, STR("p"), &out, &err), -E_CRYPTO);
    ck_assert(str_eq_c(buf_str(&out), "before"));
    ck_assert_int_eq(jws_sign(key, STR_NONE, STR_NONE, STR("payload"), &small, &err), -E_LIMIT);
}

END_TEST

START_TEST(every_changed_bit_of_a_token_is_noticed)
{
    AUTO(key_free) struct key *key = new_key((enum key_alg)_i);
    AUTO(buf_done) struct buf out = buf_init(KIB(1));
    struct jws jws;
    struct err err = {0};

    ck_assert_int_eq(jws_sign(key, STR("k"), STR_NONE, STR("{\"a\":1}"), &out, &err), 0);
    for (size_t bit = 0; bit < 8 * out.n; bit++) {
        out.p[bit / 8] = (char)(out.p[bit / 8] ^ 1 << bit % 8);
        err_clear(&err);
        ck_assert_msg(parse_and_verify(buf_str(&out), key, &jws, &err) == -E_TOKEN, "bit %zu: %.*s",
                      bit, STR_ARG(buf_str(&out)));
        out.p[bit / 8] = (char)(out.p[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t n = 0; n < out.n; n++)
        ck_assert_int_eq(parse_and_verify((struct str){out.p, n}, key, &jws, &err), -E_TOKEN);
    ck_assert_int_eq(parse_and_verify(buf_str(&out), key, &jws, &err), 0);
}

END_TEST

/* -- hostile headers: each is signed well with the right key, or by the trick that it tries -- */

enum trick {
    SIGNED,     /* signature valid over header and payload */
    EMPTY_SIG,  /* nothing after the second dot */
    MAC_OF_X,   /* HMAC keyed with the public x coordinate as text */
    MAC_OF_JWK, /* HMAC keyed with the public JWK as text */
    ZERO_SIG,   /* r = s = 0 */
};

static const struct {
    enum trick trick;
    const char *header; /* JSON, ES256 key */
} hostile_headers[] = {
  /* alg: none, and spellings of it */
    {EMPTY_SIG,  "{\"alg\":\"none\"}"                                       },
    {SIGNED,     "{\"alg\":\"none\"}"                                       },
    {ZERO_SIG,   "{\"alg\":\"none\"}"                                       },
    {EMPTY_SIG,  "{\"alg\":\"None\"}"                                       },
    {EMPTY_SIG,  "{\"alg\":\"NONE\"}"                                       },
    {EMPTY_SIG,  "{\"alg\":\"nOnE\"}"                                       },
    {EMPTY_SIG,  "{\"alg\":\"none\\u0020\"}"                                },
    {EMPTY_SIG,  "{\"alg\":\"\"}"                                           },
    {SIGNED,     "{\"alg\":\"\"}"                                           },
    {EMPTY_SIG,  "{\"alg\":null}"                                           },
    {EMPTY_SIG,  "{}"                                                       },
    {SIGNED,     "{}"                                                       },
    {EMPTY_SIG,  "{\"alg\":\"ES256\"}"                                      },
    {ZERO_SIG,   "{\"alg\":\"ES256\"}"                                      },
    {ZERO_SIG,   "{\"alg\":\"EdDSA\"}"                                      },
 /* a MAC keyed with what everybody knows */
    {MAC_OF_X,   "{\"alg\":\"HS256\"}"                                      },
    {MAC_OF_JWK, "{\"alg\":\"HS256\"}"                                      },
    {SIGNED,     "{\"alg\":\"HS256\"}"                                      },
    {SIGNED,     "{\"alg\":\"HS384\"}"                                      },
    {SIGNED,     "{\"alg\":\"HS512\"}"                                      },
    {MAC_OF_X,   "{\"alg\":\"hs256\"}"                                      },
    {MAC_OF_JWK, "{\"alg\":\"ES256\"}"                                      },
 /* other algorithms, case and type of the name */
    {SIGNED,     "{\"alg\":\"RS256\"}"                                      },
    {SIGNED,     "{\"alg\":\"PS256\"}"                                      },
    {SIGNED,     "{\"alg\":\"ES384\"}"                                      },
    {SIGNED,     "{\"alg\":\"ES512\"}"                                      },
    {SIGNED,     "{\"alg\":\"ES256K\"}"                                     },
    {SIGNED,     "{\"alg\":\"EdDSA\"}"                                      },
    {SIGNED,     "{\"alg\":\"es256\"}"                                      },
    {SIGNED,     "{\"alg\":\"Es256\"}"                                      },
    {SIGNED,     "{\"alg\":\"ES256 \"}"                                     },
    {SIGNED,     "{\"alg\":\" ES256\"}"                                     },
    {SIGNED,     "{\"alg\":\"ES25\"}"                                       },
    {SIGNED,     "{\"alg\":\"ES256\\u0000\"}"                               },
    {SIGNED,     "{\"alg\":[\"ES256\"]}"                                    },
    {SIGNED,     "{\"alg\":{\"ES256\":true}}"                               },
    {SIGNED,     "{\"alg\":256}"                                            },
    {SIGNED,     "{\"alg\":true}"                                           },
    {SIGNED,     "{\"ALG\":\"ES256\"}"                                      },
    {SIGNED,     "{\"alg\":\"ES256\",\"alg\":\"ES256\"}"                    },
    {SIGNED,     "{\"alg\":\"none\",\"alg\":\"ES256\"}"                     },
    {SIGNED,     "{\"alg\":\"ES256\",\"\\u0061lg\":\"none\"}"               },
    {SIGNED,     "{\"header\":{\"alg\":\"ES256\"}}"                         },
 /* headers that bring a key, or change the reading */
    {SIGNED,     "{\"alg\":\"ES256\",\"jku\":\"https://evil.example/keys\"}"},
    {SIGNED,     "{\"alg\":\"ES256\",\"jku\":null}"                         },
    {SIGNED,     "{\"alg\":\"ES256\",\"jku\":\"\"}"                         },
    {SIGNED,     "{\"alg\":\"ES256\",\"x5u\":\"http://169.254.169.254/\"}"  },
    {SIGNED,     "{\"alg\":\"ES256\",\"x5c\":[\"MIIB\"]}"                   },
    {SIGNED,     "{\"alg\":\"ES256\",\"x5c\":[]}"                           },
    {SIGNED,     "{\"alg\":\"ES256\",\"jwk\":" A3_KEY "}"                   },
    {SIGNED,     "{\"alg\":\"ES256\",\"jwk\":{}}"                           },
    {SIGNED,     "{\"alg\":\"ES256\",\"\\u006awk\":{}}"                     },
    {SIGNED,     "{\"alg\":\"ES256\",\"crit\":[\"exp\"]}"                   },
    {SIGNED,     "{\"alg\":\"ES256\",\"crit\":[]}"                          },
    {SIGNED,     "{\"alg\":\"ES256\",\"crit\":\"exp\"}"                     },
    {SIGNED,     "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}"     },
    {SIGNED,     "{\"alg\":\"ES256\",\"b64\":false}"                        },
    {SIGNED,     "{\"alg\":\"ES256\",\"b64\":true}"                         },
    {SIGNED,     "{\"alg\":\"ES256\",\"zip\":\"DEF\"}"                      },
    {SIGNED,     "{\"alg\":\"ES256\",\"enc\":\"A128GCM\"}"                  },
 /* kid and typ of another type */
    {SIGNED,     "{\"alg\":\"ES256\",\"kid\":7}"                            },
    {SIGNED,     "{\"alg\":\"ES256\",\"kid\":null}"                         },
    {SIGNED,     "{\"alg\":\"ES256\",\"kid\":\"\"}"                         },
    {SIGNED,     "{\"alg\":\"ES256\",\"kid\":[\"k\"]}"                      },
    {SIGNED,     "{\"alg\":\"ES256\",\"kid\":\"a\\u0000b\"}"                },
    {SIGNED,     "{\"alg\":\"ES256\",\"typ\":{}}"                           },
    {SIGNED,     "{\"alg\":\"ES256\",\"typ\":\"\"}"                         },
 /* not an object, not JSON, too deep */
    {SIGNED,     "[\"ES256\"]"                                              },
    {SIGNED,     "\"ES256\""                                                },
    {SIGNED,     "null"                                                     },
    {SIGNED,     "{\"alg\":\"ES256\"} "
             "{}"                                               },
    {SIGNED,     "{\"alg\":\"ES256\",}"                                     },
    {SIGNED,     "{'alg':'ES256'}"                                          },
    {SIGNED,     "{\"alg\":\"ES256\""                                       },
    {SIGNED,     "{\"alg\":\"ES256\",\"a\":[[[[[[[[[[]]]]]]]]]]}"           },
    {SIGNED,     "{\"alg\":\"ES256\",\"a\":\"\xff\"}"                       },
    {SIGNED,     "\xef\xbb\xbf{\"alg\":\"ES256\"}"                          },
};

#define PAYLOAD_TEXT "{\"iss\":\"did:web:a\"}"

/* The signature that belongs to a trick; 0 to 64 bytes. */
static size_t make_signature(enum trick trick, const struct key *key, struct str input,
                             uint8_t ret_signature[static SIGNATURE_LEN])
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf jwk = buf_init(KIB(1));
    struct err err = {0};

    key_write_jwk(key, &jwk);
    ck_assert_int_eq(jdoc_parse(buf_str(&jwk), &jlimits_default, &doc, &err), 0);
    memset(ret_signature, 0, SIGNATURE_LEN);
    switch (trick) {
    case SIGNED:
        ck_assert_int_eq(key_sign(key, input.p, input.n, ret_signature, &err), 0);
        return SIGNATURE_LEN;
    case EMPTY_SIG: return 0;
    case MAC_OF_X:
        hmac_sha256(jval_str(jval_get(jdoc_root(doc), "x")), input.p, input.n, ret_signature);
        return SHA256_LEN;
    case MAC_OF_JWK: hmac_sha256(buf_str(&jwk), input.p, input.n, ret_signature); return SHA256_LEN;
    case ZERO_SIG: return SIGNATURE_LEN;
    }
    ck_abort();
}

static void make_token(enum trick trick, const struct key *key, struct str header,
                       struct str payload, struct buf *out)
{
    uint8_t signature[SIGNATURE_LEN];

    encode_base64url(out, header.p, header.n);
    buf_add_char(out, '.');
    encode_base64url(out, payload.p, payload.n);
    const size_t n = make_signature(trick, key, buf_str(out), signature);

    buf_add_char(out, '.');
    encode_base64url(out, signature, n);
    ck_assert(!buf_failed(out));
}

START_TEST(a_hostile_header_is_refused)
{
    AUTO(key_free) struct key *key = new_key(KEY_ES256);
    AUTO(buf_done) struct buf token = buf_init(KIB(4));
    struct jws jws;
    struct err err = {0};

    make_token(hostile_headers[_i].trick, key, str_c(hostile_headers[_i].header), STR(PAYLOAD_TEXT),
               &token);
    ck_assert_msg(parse_and_verify(buf_str(&token), key, &jws, &err) == -E_TOKEN, "%s",
                  hostile_headers[_i].header);
    ck_assert_int_eq(err.code, E_TOKEN);
    ck_assert_str_eq(err.detail, ""); /* a stranger does not learn which rule it was */
}

END_TEST

/* The maker of those tokens makes valid ones too: else the refusals above would prove nothing. */
static const char *const harmless_headers[] = {
    "{\"alg\":\"ES256\"}",
    " { \"alg\" : \"ES256\" } ",
    "{\"alg\":\"ES256\",\"kid\":\"k\",\"typ\":\"at+jwt\",\"cty\":\"json\"}",
    "{\"\\u0061lg\":\"ES\\u0032\\u0035\\u0036\"}",
    "{\"alg\":\"ES256\",\"x5t\":\"abc\",\"private\":{\"a\":[1]}}",
};

START_TEST(a_harmless_header_is_accepted)
{
    AUTO(key_free) struct key *key = new_key(KEY_ES256);
    AUTO(buf_done) struct buf token = buf_init(KIB(4));
    struct jws jws;
    struct err err = {0};

    make_token(SIGNED, key, str_c(harmless_headers[_i]), STR(PAYLOAD_TEXT), &token);
    ck_assert_msg(parse_and_verify(buf_str(&token), key, &jws, &err) == 0, "%s: %s",
                  harmless_headers[_i], err.text);
}

END_TEST

/* -- hostile forms -- */

static const char *const hostile_forms[] = {
    "",
    ".",
    "..",
    "...",
    "....",
    "a",
    "a.b",
    "a.b.c",
    A3_HEADER,
    A3_HEADER "." A3_PAYLOAD,
    A3_HEADER "." A3_PAYLOAD ".",
    A3_HEADER "." A3_PAYLOAD "." A3_SIG ".",
    A3_HEADER "." A3_PAYLOAD "." A3_SIG "." A3_SIG,
    "." A3_HEADER "." A3_PAYLOAD "." A3_SIG,
    "." A3_PAYLOAD "." A3_SIG,
    A3_HEADER ".." A3_SIG,
    A3_HEADER "." A3_PAYLOAD "." A3_SIG "A",
    A3_HEADER "." A3_PAYLOAD "." A3_SIG "==",
    A3_HEADER "." A3_PAYLOAD "." A3_SIG "\n",
    A3_HEADER "." A3_PAYLOAD "." A3_SIG " ",
    " " A3_HEADER "." A3_PAYLOAD "." A3_SIG,
    A3_HEADER ". " A3_PAYLOAD "." A3_SIG,
    A3_HEADER "=." A3_PAYLOAD "." A3_SIG,
    A3_HEADER "." A3_PAYLOAD "=." A3_SIG,
    A3_HEADER "\n." A3_PAYLOAD "." A3_SIG,
    /* the alphabet of base64 in place of base64url */
    A3_HEADER
    "." A3_PAYLOAD
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6+Xx+F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3+Kg6NU1Q",
    /* unused bits of the last character set: the same bytes written in another way */
    A3_HEADER
    "." A3_PAYLOAD
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1R",
    A3_HEADER
    "." A3_PAYLOAD
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1\xc3\xa9",
    /* another payload, another header, halves of the signature exchanged */
    A3_HEADER ".eyJpc3MiOiJqb2UifQ." A3_SIG,
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9." A3_PAYLOAD "." A3_SIG,
    A3_HEADER
    "." A3_PAYLOAD
    ".xQoH04w8cOXY8S2vCEpUgKZlkMXyk1Cajz9_ioOjVNUO0SFTeWNsSDwvfxVYB9QCo7IoAzr5fH4XgZrDFp6mZQ",
    /* DER, which is 70 to 72 bytes */
    A3_HEADER
    "." A3_PAYLOAD
    ".MEUCIA7RIVN5Y2xIPC9_FVgH1AKjsigDOvl8fheBmsMWnqZlAiEAxQoH04w8cOXY8S2vCEpUgKZlkMXyk1Cajz9_ioOjVNU",
    /* JWS JSON serialisation, JWE compact form, an EDR of another kind */
    "{\"payload\":\"" A3_PAYLOAD "\",\"protected\":\"" A3_HEADER "\",\"signature\":\"" A3_SIG "\"}",
    "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOa.48V1.5eym.XFBo",
    "Bearer " A3_HEADER "." A3_PAYLOAD "." A3_SIG,
    "null",
    "%2E%2E",
};

START_TEST(a_hostile_form_is_refused)
{
    AUTO(key_free) struct key *key = public_key(A3_KEY);
    struct jws jws;
    struct err err = {0};

    ck_assert_msg(parse_and_verify(str_c(hostile_forms[_i]), key, &jws, &err) == -E_TOKEN, "'%s'",
                  hostile_forms[_i]);
}

END_TEST

START_TEST(an_absent_token_is_refused)
{
    struct jws jws;
    struct err err = {0};

    ck_assert_int_eq(jws_parse(STR_NONE, arena, &jws, &err), -E_TOKEN);
    ck_assert_int_eq(jws_parse(STR("a\0b.c.d"), arena, &jws, &err), -E_TOKEN);
}

END_TEST

/* Pads the payload until the token has n bytes. Base64url grows by 4, 3, 3 characters: not every length exists. */
START_TEST(a_token_has_a_largest_size)
{
    AUTO(key_free) struct key *key = new_key(KEY_EDDSA);
    AUTO(buf_done) struct buf token = buf_init(KIB(32));
    AUTO(buf_done) struct buf payload = buf_init(KIB(32));
    struct jws jws;
    struct err err = {0};
    size_t last_good = 0;

    for (size_t n = 12170; n < 12230; n++) {
        buf_reset(&token);
        while (payload.n < n)
            buf_add_char(&payload, 'x');
        ck_assert_int_eq(jws_sign(key, STR_NONE, STR_NONE, buf_str(&payload), &token, &err), 0);
        const bool fits = token.n <= LIMIT_TOKEN;

        ck_assert_int_eq(parse_and_verify(buf_str(&token), key, &jws, &err), fits ? 0 : -E_TOKEN);
        last_good = fits ? n : last_good;
        arena_reset(arena);
    }
    ck_assert_uint_gt(last_good, 12170);
    ck_assert_uint_lt(last_good, 12229);
}

END_TEST

START_TEST(a_kid_has_a_largest_size)
{
    AUTO(key_free) struct key *key = new_key(KEY_EDDSA);
    AUTO(buf_done) struct buf token = buf_init(KIB(32));
    AUTO(buf_done) struct buf kid = buf_init(KIB(32));
    struct jws jws;
    struct err err = {0};

    while (kid.n < LIMIT_ID)
        buf_add_char(&kid, 'k');
    ck_assert_int_eq(jws_sign(key, buf_str(&kid), STR_NONE, STR("p"), &token, &err), 0);
    ck_assert_int_eq(parse_and_verify(buf_str(&token), key, &jws, &err), 0);
    ck_assert(str_eq(jws.kid, buf_str(&kid)));
    buf_add_char(&kid, 'k');
    buf_reset(&token);
    ck_assert_int_eq(jws_sign(key, buf_str(&kid), STR_NONE, STR("p"), &token, &err), 0);
    ck_assert_int_eq(parse_and_verify(buf_str(&token), key, &jws, &err), -E_TOKEN);
}

END_TEST

/* -- claims -- */

#define NOW_S  1800000000
#define NOW_US (NOW_S * US_PER_S)

static int read_claims(const char *json, struct jdoc **ret_doc, struct jwt_claims *ret_claims,
                       struct err *err)
{
    ck_assert_msg(jdoc_parse(str_c(json), &jlimits_default, ret_doc, err) == 0, "%s", json);
    return jwt_claims_read(jdoc_root(*ret_doc), NOW_US, 60 * US_PER_S, 300 * US_PER_S, ret_claims,
                           err);
}

START_TEST(claims_are_read)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jwt_claims claims;
    struct err err = {0};
    const int rc = read_claims("{\"iss\":\"did:web:a\",\"sub\":\"did:web:b\",\"jti\":\"1\","
                               "\"aud\":\"did:web:c\",\"iat\":1799999990.5,\"nbf\":1800000060,"
                               "\"exp\":1800000290}",
                               &doc, &claims, &err);

    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert(str_eq_c(claims.iss, "did:web:a"));
    ck_assert(str_eq_c(claims.sub, "did:web:b"));
    ck_assert(str_eq_c(claims.jti, "1"));
    ck_assert(str_eq_c(claims.aud, "did:web:c"));
    ck_assert_int_eq(claims.iat_us, NOW_US - 9500000);
    ck_assert_int_eq(claims.nbf_us, NOW_US + 60 * US_PER_S);
    ck_assert_int_eq(claims.exp_us, NOW_US + 290 * US_PER_S);
}

END_TEST

START_TEST(absent_claims_are_absent)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jwt_claims claims;
    struct err err = {0};

    ck_assert_int_eq(jdoc_parse(STR("{\"exp\":1800000001}"), &jlimits_default, &doc, &err), 0);
    ck_assert_int_eq(
        jwt_claims_read(jdoc_root(doc), NOW_US, 0, /* max_life_us= */ 0, &claims, &err), 0);
    ck_assert(!str_present(claims.iss) && !str_present(claims.sub) && !str_present(claims.jti) &&
              !str_present(claims.aud));
    ck_assert_int_eq(claims.iat_us, -1);
    ck_assert_int_eq(claims.nbf_us, -1);
}

END_TEST

/* Life at most 300 s, skew 60 s, now 1800000000; "" as place: accepted. */
#define LIVE "\"iat\":1800000000,\"exp\":1800000300"

static const struct {
    const char *json, *at;
    bool good;
} claim_cases[] = {
    {"{" LIVE "}",                                       "",     true },
    {"{\"iat\":1800000060,\"exp\":1800000360}",          "",     true },
    {"{\"iat\":1800000061,\"exp\":1800000361}",          "/iat", false},
    {"{\"iat\":1800000000,\"exp\":1800000301}",          "/exp", false},
    {"{\"iat\":1799999701,\"exp\":1800000001}",          "",     true },
    {"{\"iat\":1799999700,\"exp\":1800000000}",          "/exp", false},
    {"{\"iat\":1799999700,\"exp\":1799999999}",          "/exp", false},
    {"{\"iat\":1800000000}",                             "/exp", false},
    {"{\"exp\":1800000010}",                             "/iat", false},
    {"{" LIVE ",\"nbf\":1800000060}",                    "",     true },
    {"{" LIVE ",\"nbf\":1800000061}",                    "/nbf", false},
    {"{" LIVE ",\"nbf\":1800000060.5}",                  "/nbf", false},
    {"{\"iat\":1800000000,\"exp\":\"1800000300\"}",      "/exp", false},
    {"{\"iat\":1800000000,\"exp\":null}",                "/exp", false},
    {"{\"iat\":1800000000,\"exp\":true}",                "/exp", false},
    {"{\"iat\":1800000000,\"exp\":-1}",                  "/exp", false},
    {"{\"iat\":1800000000,\"exp\":9223372036854775807}", "/exp", false},
    {"{\"iat\":1800000000,\"exp\":253402300800}",        "/exp", false},
    {"{\"iat\":1800000000,\"exp\":1e300}",               "/exp", false},
    {"{\"iat\":-1,\"exp\":1800000300}",                  "/iat", false},
    {"{\"iat\":-1.5,\"exp\":1800000300}",                "/iat", false},
    {"{\"iat\":\"now\",\"exp\":1800000300}",             "/iat", false},
    {"{\"iat\":0,\"exp\":1800000300}",                   "/exp", false},
    {"{" LIVE ",\"nbf\":\"\"}",                          "/nbf", false},
    {"{" LIVE ",\"aud\":\"a\"}",                         "",     true },
    {"{" LIVE ",\"aud\":[\"a\"]}",                       "",     true },
    {"{" LIVE ",\"aud\":[]}",                            "/aud", false},
    {"{" LIVE ",\"aud\":[\"a\",\"b\"]}",                 "/aud", false},
    {"{" LIVE ",\"aud\":[\"a\",\"a\"]}",                 "/aud", false},
    {"{" LIVE ",\"aud\":[[\"a\"]]}",                     "/aud", false},
    {"{" LIVE ",\"aud\":{\"a\":1}}",                     "/aud", false},
    {"{" LIVE ",\"aud\":\"\"}",                          "/aud", false},
    {"{" LIVE ",\"aud\":[null]}",                        "/aud", false},
    {"{" LIVE ",\"aud\":null}",                          "/aud", false},
    {"{" LIVE ",\"aud\":7}",                             "/aud", false},
    {"{" LIVE ",\"iss\":[\"a\"]}",                       "/iss", false},
    {"{" LIVE ",\"iss\":\"\"}",                          "/iss", false},
    {"{" LIVE ",\"sub\":7}",                             "/sub", false},
    {"{" LIVE ",\"sub\":null}",                          "/sub", false},
    {"{" LIVE ",\"jti\":7}",                             "/jti", false},
    {"{" LIVE ",\"jti\":\"\"}",                          "/jti", false},
    {"[1800000300]",                                     "",     false},
    {"\"x\"",                                            "",     false},
    {"null",                                             "",     false},
};

START_TEST(claims_are_checked)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jwt_claims claims;
    struct err err = {0};
    const int rc = read_claims(claim_cases[_i].json, &doc, &claims, &err);

    ck_assert_msg(rc == (claim_cases[_i].good ? 0 : -E_TOKEN), "%s: %s", claim_cases[_i].json,
                  err.text);
    ck_assert_msg(strcmp(err.at, claim_cases[_i].at) == 0, "%s: at '%s'", claim_cases[_i].json,
                  err.at);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("jws");
    TCase *tc = tcase_create("tokens");

    tcase_add_checked_fixture(tc, make_arena, drop_arena);
    tcase_add_loop_test(tc, the_standards_examples_are_valid, 0, ARRAY_LEN(vectors));
    tcase_add_loop_test(tc, what_is_signed_is_read_again, 0, KEY__COUNT);
    tcase_add_test(tc, signing_fails_whole);
    tcase_add_loop_test(tc, every_changed_bit_of_a_token_is_noticed, 0, KEY__COUNT);
    tcase_add_loop_test(tc, a_hostile_header_is_refused, 0, ARRAY_LEN(hostile_headers));
    tcase_add_loop_test(tc, a_harmless_header_is_accepted, 0, ARRAY_LEN(harmless_headers));
    tcase_add_loop_test(tc, a_hostile_form_is_refused, 0, ARRAY_LEN(hostile_forms));
    tcase_add_test(tc, an_absent_token_is_refused);
    tcase_add_test(tc, a_token_has_a_largest_size);
    tcase_add_test(tc, a_kid_has_a_largest_size);
    tcase_add_test(tc, claims_are_read);
    tcase_add_test(tc, absent_claims_are_absent);
    tcase_add_loop_test(tc, claims_are_checked, 0, ARRAY_LEN(claim_cases));
    suite_add_tcase(s, tc);
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
