/*
 * connector/identity/naru.c - identity of the data bank: JWT by the company's key, membership
 * credential inside (docs/exchange.md §1, §2)
 *
 * Verification, in this order: 1 form and header (lib/crypto/jws); 2 iss = sub, the DID part of kid
 * = iss, byte for byte; 3 aud is our DID; 4 times; 5 key from the DID document of iss, listed under
 * capabilityInvocation or authentication (older documents list only the latter); 6 signature;
 * 7 membership: signed by the broker, sub = iss, status active, not expired. Without membership a
 *   peer is known but no member. Whether the credential was revoked since is asked of the database
 *   with each decision (connector/facts): so no cache can outlive a revocation.
 */
#include "connector/identity/identity_private.h"
#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "lib/wire/wire.h"

#include "lib/base/banned.h"

#define TOKEN_LIFE_US  (5 * US_PER_MIN)
#define TOKEN_SPARE_US US_PER_MIN
#define SKEW_US        US_PER_MIN
#define MEMBERSHIP_MAX (64 * US_PER_DAY)

/* -- our own tokens ---------------------------------------------------------------------------- */

static bool find_own(struct identity *identity, struct str audience, int64_t now_us,
                     struct buf *out)
{
    struct own_token *own = &identity->own[str_hash(audience) % OWN_TOKENS];
    bool found = false;

    pthread_mutex_lock(&identity->lock);
    if (own->audience != NULL && now_us < own->until_us && str_eq_c(audience, own->audience)) {
        buf_add_c(out, own->token);
        found = true;
    }
    pthread_mutex_unlock(&identity->lock);
    return found;
}

static void keep_own(struct identity *identity, struct str audience, struct str token,
                     int64_t until_us)
{
    struct own_token *own = &identity->own[str_hash(audience) % OWN_TOKENS];
    struct own_token fresh = {strndup(audience.p, audience.n), strndup(token.p, token.n), until_us};
    struct own_token old = fresh;

    if (fresh.audience != NULL && fresh.token != NULL) {
        pthread_mutex_lock(&identity->lock);
        old = *own;
        *own = fresh;
        pthread_mutex_unlock(&identity->lock);
    }
    free(old.audience);
    free(old.token);
}

/* Claims of a fresh token; returns when it should no longer be used. */
static int64_t write_claims(struct identity *identity, struct str audience, int64_t now_us,
                            struct buf *out)
{
    const struct str did = identity->app->settings->participant_did;
    const struct uuid_text jti = uuid_format(uuid_new(identity->app->env));
    int64_t until_us = now_us + TOKEN_LIFE_US - TOKEN_SPARE_US;
    struct jw w = jw_init(out);

    jw_object(&w);
    jw_kstr(&w, "iss", did);
    jw_kstr(&w, "sub", did);
    jw_kstr(&w, "aud", audience);
    jw_ki64(&w, "iat", now_us / US_PER_S);
    jw_ki64(&w, "exp", (now_us + TOKEN_LIFE_US) / US_PER_S);
    jw_kc(&w, "jti", jti.c);
    pthread_mutex_lock(&identity->lock);
    if (identity->membership != NULL && now_us < identity->membership_until_us &&
        !str_eq(audience, identity->app->settings->broker_did)) {
        jw_kc(&w, "membership", identity->membership);
        if (identity->membership_until_us < until_us)
            until_us = identity->membership_until_us;
    }
    pthread_mutex_unlock(&identity->lock);
    jw_object_end(&w);
    return until_us;
}

static int naru_token(struct identity *identity, struct str audience, struct buf *out,
                      struct err *err)
{
    AUTO(buf_done) struct buf claims = buf_init(LIMIT_TOKEN);
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    const struct settings *settings = identity->app->settings;
    const bool reusable = !settings->fresh_tokens && !str_eq(audience, settings->broker_did);
    const int64_t now_us = env_wall_us(identity->app->env);
    int64_t until_us;

    /* the broker takes each token once (docs/exchange.md §1) */
    if (reusable && find_own(identity, audience, now_us, out))
        return 0;
    buf_add_c(&token, "Bearer ");
    until_us = write_claims(identity, audience, now_us, &claims);
    if (jws_sign(identity->app->key, identity->key_url, STR("JWT"), buf_str(&claims), &token, err) <
        0)
        return err_ret(err);
    if (buf_failed(&claims) || buf_failed(&token))
        return err_set(err, E_LIMIT, "", "token is too long");
    if (reusable)
        keep_own(identity, audience, buf_str(&token), until_us);
    buf_add_str(out, buf_str(&token));
    return 0;
}

/* -- tokens of others -------------------------------------------------------------------------- */

/* Key of an issuer by kid. FETCH when its document is not here yet. */
static enum identity_verdict verify_by(struct identity *identity, const struct jws *jws,
                                       struct str issuer, unsigned relationships,
                                       struct str *ret_did, struct err *err)
{
    AUTO(did_document_unref) struct did_document *document = NULL;
    const struct key *key;

    switch (did_get(identity->dids, issuer, &document, err)) {
    case DID_FETCH: *ret_did = issuer; return IDENTITY_FETCH;
    case DID_FAILED: return IDENTITY_REFUSED;
    case DID_FOUND: break;
    }
    key = did_document_key(document, jws->kid, relationships);
    if (key == NULL) {
        (void)err_set(err, E_TOKEN, "kid", "'%.*s' is no key of '%.*s' for this use",
                      STR_ARG(jws->kid), STR_ARG(issuer));
        return IDENTITY_REFUSED;
    }
    return jws_verify(jws, key, err) < 0 ? IDENTITY_REFUSED : IDENTITY_OK;
}

/* What a verified credential says, into *peer. */
static int take_membership(const struct wire_membership *m, const struct jwt_claims *claims,
                           struct arena *arena, struct peer *peer, struct err *err)
{
    AUTO(buf_done) struct buf attestations = buf_init(LIMIT_TOKEN);
    struct jw w = jw_init(&attestations);

    jw_array(&w);
    for (size_t i = 0; i < m->attestations.n; i++)
        object_encode(&wire_attestation_object,
                      &LIST_ITEMS(struct wire_attestation, m->attestations)[i], &w);
    jw_array_end(&w);
    peer->member = true;
    peer->name = arena_str(arena, m->name);
    peer->country = arena_str(arena, m->country);
    peer->participant = arena_str(arena, str_c(uuid_format(m->participant).c));
    peer->credential_id = arena_str(arena, claims->jti);
    peer->issuer = arena_str(arena, claims->iss);
    peer->attestations = arena_str(arena, buf_str(&attestations));
    peer->issued_us = claims->iat_us;
    peer->expires_us = claims->exp_us;
    if (claims->exp_us < peer->valid_until_us)
        peer->valid_until_us = claims->exp_us;
    return buf_failed(&attestations) || arena_failed(arena)
               ? err_set(err, E_NO_MEMORY, "", "membership")
               : 0;
}

static enum identity_verdict verify_membership(struct identity *identity, struct str credential,
                                               int64_t now_us, struct arena *arena,
                                               struct peer *peer, struct str *ret_did,
                                               struct err *err)
{
    const struct str broker = identity->app->settings->broker_did;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct wire_membership membership = {0};
    struct jwt_claims claims;
    enum identity_verdict verdict;
    struct jws jws;

    if (jws_parse(credential, arena, &jws, err) < 0)
        return IDENTITY_REFUSED;
    if (!str_eq_c(jws.typ, WIRE_TYP_MEMBERSHIP)) {
        (void)err_set(err, E_TOKEN, "/membership", "typ is '%.*s'", STR_ARG(jws.typ));
        return IDENTITY_REFUSED;
    }
    if (jdoc_parse(jws.payload, &jlimits_default, &doc, err) < 0 ||
        jwt_claims_read(jdoc_root(doc), now_us, SKEW_US, MEMBERSHIP_MAX, &claims, err) < 0 ||
        object_decode(&wire_membership_object, jval_get(jdoc_root(doc), "membership"), arena,
                      &membership, err) < 0) {
        err->code = E_TOKEN;
        return IDENTITY_REFUSED;
    }
    if (!str_eq(claims.iss, broker) || !str_eq(claims.sub, peer->id) || claims.jti.n == 0 ||
        !str_eq(membership.status, STR("active"))) {
        (void)err_set(err, E_TOKEN, "/membership", "not an active membership of '%.*s'",
                      STR_ARG(peer->id));
        return IDENTITY_REFUSED;
    }
    verdict = verify_by(identity, &jws, broker, DID_ASSERTION, ret_did, err);
    if (verdict != IDENTITY_OK)
        return verdict;
    return take_membership(&membership, &claims, arena, peer, err) < 0 ? IDENTITY_REFUSED
                                                                       : IDENTITY_OK;
}

static int check_claims(struct identity *identity, const struct jws *jws,
                        const struct jwt_claims *claims, struct str expected, struct err *err)
{
    if (claims->iss.n == 0 || !str_eq(claims->iss, claims->sub))
        return err_set(err, E_TOKEN, "/sub", "'sub' is not 'iss'");
    if (str_present(expected) && !str_eq(claims->iss, expected))
        return err_set(err, E_TOKEN, "/iss", "'%.*s' may not call this", STR_ARG(claims->iss));
    if (!str_eq(claims->aud, identity->app->settings->participant_did))
        return err_set(err, E_TOKEN, "/aud", "'%.*s' is not us", STR_ARG(claims->aud));
    if (claims->jti.n == 0)
        return err_set(err, E_TOKEN, "/jti", "'jti' is missing");
    if (jws->kid.n <= claims->iss.n || !str_starts(jws->kid, claims->iss) ||
        jws->kid.p[claims->iss.n] != '#')
        return err_set(err, E_TOKEN, "kid", "'%.*s' is no key of 'iss'", STR_ARG(jws->kid));
    return 0;
}

static enum identity_verdict verify_fresh(struct identity *identity, struct str token,
                                          struct str expected, int64_t now_us, struct arena *arena,
                                          struct peer *ret_peer, struct str *ret_did,
                                          struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    enum identity_verdict verdict;
    struct jwt_claims claims;
    struct str membership;
    struct jws jws;

    if (jws_parse(token, arena, &jws, err) < 0 ||
        jdoc_parse(jws.payload, &jlimits_default, &doc, err) < 0 ||
        jwt_claims_read(jdoc_root(doc), now_us, SKEW_US, TOKEN_LIFE_US + SKEW_US, &claims, err) <
            0 ||
        check_claims(identity, &jws, &claims, expected, err) < 0) {
        err->code = E_TOKEN;
        return IDENTITY_REFUSED;
    }
    *ret_peer = (struct peer){
        .id = arena_str(arena, claims.iss),
        .verified_us = now_us,
        .valid_until_us = claims.exp_us,
    };
    verdict = verify_by(identity, &jws, ret_peer->id,
                        DID_CAPABILITY_INVOCATION | DID_AUTHENTICATION, ret_did, err);
    membership = jval_str(jval_get(jdoc_root(doc), "membership"));
    if (verdict == IDENTITY_OK && str_present(membership) &&
        identity->app->settings->broker_did.n > 0)
        verdict = verify_membership(identity, membership, now_us, arena, ret_peer, ret_did, err);
    return verdict;
}

static enum identity_verdict naru_verify(struct identity *identity, struct str token,
                                         struct str expected, struct arena *arena,
                                         struct peer *ret_peer, struct str *ret_did,
                                         struct err *err)
{
    const int64_t now_us = env_wall_us(identity->app->env);
    enum identity_verdict verdict;
    uint8_t hash[32];

    sha256(token.p, token.n, hash);
    if (identity__seen_find(identity, hash, now_us, arena, ret_peer)) {
        if (!str_present(expected) || str_eq(ret_peer->id, expected))
            return IDENTITY_OK;
        (void)err_set(err, E_TOKEN, "/iss", "'%.*s' may not call this", STR_ARG(ret_peer->id));
        return IDENTITY_REFUSED;
    }
    verdict = verify_fresh(identity, token, expected, now_us, arena, ret_peer, ret_did, err);
    if (verdict == IDENTITY_OK) {
        identity__seen_keep(identity, hash, ret_peer);
        identity__remember(identity, ret_peer);
    }
    return verdict;
}

const struct identity_ops identity_naru_ops = {
    .token = naru_token,
    .verify = naru_verify,
};
