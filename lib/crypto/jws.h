/*
 * lib/crypto/jws.h - compact JWS (RFC 7515) and JWT (RFC 7519) with rules of reference "JWS and
 * token rules for C"
 *
 * Reading is two steps: jws_parse checks form and header (alg ES256 or EdDSA; jku, x5u, x5c, jwk,
 * crit and b64 refused; typ free), so that the caller can find the key by kid; jws_verify then
 * checks the signature with that key, whose record must agree with alg.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/key.h"

struct jws {
    struct str kid; /* STR_NONE if absent */
    struct str typ; /* STR_NONE if absent */
    enum key_alg alg;
    struct str payload; /* decoded bytes */
    struct str signing_input;
    struct str signature; /* decoded, 64 bytes */
};

/* Signs payload; header {"alg","kid","typ"} (kid and typ left out if STR_NONE). Appends the compact
 * form. */
MUST_CHECK int jws_sign(const struct key *key, struct str kid, struct str typ, struct str payload,
                        struct buf *out, struct err *err);

/* Errors: E_TOKEN. Texts live in the arena or borrow from `compact`. */
MUST_CHECK int jws_parse(struct str compact, struct arena *arena, struct jws *ret_jws,
                         struct err *err);
/* As jws_parse, for documents that come in a body: up to LIMIT_DOCUMENT instead of LIMIT_TOKEN. */
MUST_CHECK int jws_parse_document(struct str compact, struct arena *arena, struct jws *ret_jws,
                                  struct err *err);
/* Errors: E_TOKEN. */
MUST_CHECK int jws_verify(const struct jws *jws, const struct key *key, struct err *err);

/* Registered claims of a JWT; times in µs, -1 if absent. */
struct jwt_claims {
    struct str iss, sub, jti;
    struct str aud; /* the single audience (a string, or an array of one) */
    int64_t iat_us, nbf_us, exp_us;
};
/*
 * Reads the claims from a parsed payload and checks times: exp present and after now, nbf and iat
 * not after now + skew, exp - iat <= max_life_us (0: unchecked). Errors: E_TOKEN naming the claim
 * in `at` ("/exp").
 */
struct jval;
MUST_CHECK int jwt_claims_read(const struct jval *payload, int64_t now_us, int64_t skew_us,
                               int64_t max_life_us, struct jwt_claims *ret_claims, struct err *err);
