/*
 * lib/crypto/jwt.c - registered claims of a JWT (RFC 7519 §4.1)
 *
 * A NumericDate may carry a fraction (§2); it is cut to microseconds. Nothing is guessed: a claim
 * of the wrong type is refused, not taken for absent.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/jws.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define ABSENT     (-1)
#define YEAR_10000 INT64_C(253402300800) /* seconds; later times cannot be written as RFC 3339 */

static int read_text(const struct jval *payload, const char *name, const char *at,
                     struct str *ret_text, struct err *err)
{
    const struct jval *v = jval_get(payload, name);
    const struct str text = jval_str(v);

    *ret_text = STR_NONE;
    if (v == NULL)
        return 0;
    if (jtype_of(v) != J_STR || text.n == 0 || text.n > LIMIT_ID)
        return err_set(err, E_TOKEN, at, "jwt: '%s' must be a text of 1 to %d bytes", name,
                       LIMIT_ID);
    *ret_text = text;
    return 0;
}

/* A token for several audiences could be used by one of them against another, so there is one (RFC
 * 8725 §3.9). */
static int read_audience(const struct jval *payload, struct str *ret_aud, struct err *err)
{
    const struct jval *v = jval_get(payload, "aud");

    *ret_aud = STR_NONE;
    if (v == NULL)
        return 0;
    if (jtype_of(v) == J_ARRAY && jval_len(v) == 1)
        v = jval_at(v, 0);
    if (jtype_of(v) != J_STR || jval_str(v).n == 0 || jval_str(v).n > LIMIT_ID)
        return err_set(err, E_TOKEN, "/aud", "jwt: 'aud' must be one text");
    *ret_aud = jval_str(v);
    return 0;
}

static int read_time(const struct jval *payload, const char *name, const char *at, int64_t *ret_us,
                     struct err *err)
{
    const struct jval *v = jval_get(payload, name);
    int64_t seconds;

    *ret_us = ABSENT;
    if (v == NULL)
        return 0;
    if (jval_i64(v, &seconds) && seconds >= 0 && seconds < YEAR_10000) {
        *ret_us = seconds * US_PER_S;
        return 0;
    }
    if (jtype_of(v) == J_REAL && jval_real(v) >= 0 && jval_real(v) < (double)YEAR_10000) {
        *ret_us = (int64_t)(jval_real(v) * (double)US_PER_S);
        return 0;
    }
    return err_set(err, E_TOKEN, at, "jwt: '%s' must be seconds since 1970 (RFC 7519 §2)", name);
}

static int check_times(const struct jwt_claims *claims, int64_t now_us, int64_t skew_us,
                       int64_t max_life_us, struct err *err)
{
    if (claims->exp_us == ABSENT)
        return err_set(err, E_TOKEN, "/exp", "jwt: 'exp' is missing");
    if (claims->exp_us <= now_us)
        return err_set(err, E_TOKEN, "/exp", "jwt: expired");
    if (claims->nbf_us != ABSENT && claims->nbf_us - skew_us > now_us)
        return err_set(err, E_TOKEN, "/nbf", "jwt: not valid yet");
    if (claims->iat_us != ABSENT && claims->iat_us - skew_us > now_us)
        return err_set(err, E_TOKEN, "/iat", "jwt: issued in the future");
    if (max_life_us == 0)
        return 0;
    if (claims->iat_us == ABSENT)
        return err_set(err, E_TOKEN, "/iat", "jwt: 'iat' is missing, so its life is unknown");
    if (claims->exp_us - claims->iat_us > max_life_us)
        return err_set(err, E_TOKEN, "/exp", "jwt: lives longer than %lld s",
                       (long long)(max_life_us / US_PER_S));
    return 0;
}

int jwt_claims_read(const struct jval *payload, int64_t now_us, int64_t skew_us,
                    int64_t max_life_us, struct jwt_claims *ret_claims, struct err *err)
{
    struct jwt_claims claims;

    if (jtype_of(payload) != J_OBJECT)
        return err_set(err, E_TOKEN, "", "jwt: payload is not an object");
    if (read_text(payload, "iss", "/iss", &claims.iss, err) < 0 ||
        read_text(payload, "sub", "/sub", &claims.sub, err) < 0 ||
        read_text(payload, "jti", "/jti", &claims.jti, err) < 0 ||
        read_audience(payload, &claims.aud, err) < 0 ||
        read_time(payload, "iat", "/iat", &claims.iat_us, err) < 0 ||
        read_time(payload, "nbf", "/nbf", &claims.nbf_us, err) < 0 ||
        read_time(payload, "exp", "/exp", &claims.exp_us, err) < 0 ||
        check_times(&claims, now_us, skew_us, max_life_us, err) < 0)
        return err_ret(err);
    *ret_claims = claims;
    return 0;
}
