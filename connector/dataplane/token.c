/*
 * connector/dataplane/token.c - pull tokens and refresh tokens: compact JWS by the company's key
 *
 * A token is ours in both directions, so its form is fixed: our kid, our typ, iss = our DID, aud =
 * the consumer, sub = the transfer. Verifying costs more than everything else of a small access, so
 * the outcome is kept by the token's hash until it expires; state is checked at each access all the
 * same.
 */
#include "connector/dataplane/dataplane_private.h"
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"

#include "lib/base/banned.h"

#define SKEW_US (5 * US_PER_S)

struct own_claims {
    struct str agreement;
    int64_t issued_us;
};
/* clang-format off */
static const struct field own_fields[] = {
    FIELD(struct own_claims, agreement, "agreement", F_REQUIRED | F_NONEMPTY),
    FIELD(struct own_claims, issued_us, "issued_us", F_REQUIRED | F_POSITIVE),
};
/* clang-format on */
static OBJECT(own_object, struct own_claims, own_fields, OPEN);

struct kept {
    uint8_t hash[SHA256_LEN];
    struct pull_token token; /* texts in `texts` */
    char *texts;             /* owned; NULL: empty */
};

struct token_cache {
    pthread_mutex_t lock;
    struct kept kept[TOKENS]; /* direct-mapped by hash */
};

int token_cache_open(struct token_cache **ret_cache, struct err *err)
{
    struct token_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return err_set(err, E_NO_MEMORY, "", "tokens");
    CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
    *ret_cache = cache;
    return 0;
}

void token_cache_close(struct token_cache **cache_address)
{
    struct token_cache *cache = MOVE(*cache_address);

    if (cache == NULL)
        return;
    for (size_t i = 0; i < TOKENS; i++)
        free(cache->kept[i].texts);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static struct kept *place(struct token_cache *cache, const uint8_t hash[static SHA256_LEN])
{
    size_t index;

    memcpy(&index, hash, sizeof(index));
    return &cache->kept[index % TOKENS];
}

static bool find(struct token_cache *cache, const uint8_t hash[static SHA256_LEN], int64_t now_us,
                 struct arena *arena, struct pull_token *ret_token)
{
    const struct kept *kept = place(cache, hash);
    bool found;

    pthread_mutex_lock(&cache->lock);
    found = kept->texts != NULL && now_us < kept->token.expires_us &&
            memcmp(kept->hash, hash, SHA256_LEN) == 0;
    if (found) {
        *ret_token = kept->token;
        ret_token->transfer = arena_str(arena, kept->token.transfer);
        ret_token->agreement = arena_str(arena, kept->token.agreement);
        ret_token->consumer = arena_str(arena, kept->token.consumer);
    }
    pthread_mutex_unlock(&cache->lock);
    return found && !arena_failed(arena);
}

static struct str copy_text(char **at, struct str s)
{
    const struct str copy = {*at, s.n};

    memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static void keep(struct token_cache *cache, const uint8_t hash[static SHA256_LEN],
                 const struct pull_token *token)
{
    struct kept *kept = place(cache, hash);
    char *texts = malloc(token->transfer.n + token->agreement.n + token->consumer.n + 1);
    char *at = texts;
    char *old;

    if (texts == NULL)
        return; /* verified again next time */
    pthread_mutex_lock(&cache->lock);
    old = kept->texts;
    memcpy(kept->hash, hash, SHA256_LEN);
    kept->texts = texts;
    kept->token = *token;
    kept->token.transfer = copy_text(&at, token->transfer);
    kept->token.agreement = copy_text(&at, token->agreement);
    kept->token.consumer = copy_text(&at, token->consumer);
    pthread_mutex_unlock(&cache->lock);
    free(old);
}

int dataplane__token_make(struct dataplane *dp, const char *typ, const struct pull_token *token,
                          struct buf *out, struct err *err)
{
    AUTO(buf_done) struct buf claims = buf_init(LIMIT_TOKEN);
    const struct uuid_text jti = uuid_format(uuid_new(dp->app->env));
    struct jw w = jw_init(&claims);

    jw_object(&w);
    jw_kstr(&w, "agreement", token->agreement);
    jw_kstr(&w, "aud", token->consumer);
    jw_ki64(&w, "exp", token->expires_us / US_PER_S);
    jw_ki64(&w, "iat", token->issued_us / US_PER_S);
    jw_kstr(&w, "iss", dp->app->settings->participant_did);
    jw_ki64(&w, "issued_us", token->issued_us);
    jw_kc(&w, "jti", jti.c);
    jw_kstr(&w, "sub", token->transfer);
    jw_object_end(&w);
    if (buf_failed(&claims))
        return err_set(err, E_LIMIT, "", "token of transfer '%.*s'", STR_ARG(token->transfer));
    return jws_sign(dp->app->key, dp->key_url, str_c(typ), buf_str(&claims), out, err);
}

static int verify(struct dataplane *dp, const char *typ, struct str compact, int64_t now_us,
                  struct arena *arena, struct pull_token *ret_token, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct own_claims own = {0};
    struct jwt_claims claims;
    struct jws jws;

    if (jws_parse(compact, arena, &jws, err) < 0)
        return err_ret(err);
    if (!str_eq_c(jws.typ, typ) || !str_eq(jws.kid, dp->key_url))
        return err_set(err, E_TOKEN, "kid", "not a '%s' of ours", typ);
    if (jws_verify(&jws, dp->app->key, err) < 0 ||
        jdoc_parse(jws.payload, &jlimits_default, &doc, err) < 0 ||
        jwt_claims_read(jdoc_root(doc), now_us, SKEW_US, 0, &claims, err) < 0 ||
        object_decode(&own_object, jdoc_root(doc), arena, &own, err) < 0)
        return err_ret(err);
    if (!str_eq(claims.iss, dp->app->settings->participant_did) || claims.sub.n == 0 ||
        claims.aud.n == 0)
        return err_set(err, E_TOKEN, "/iss", "'%.*s' is not us", STR_ARG(claims.iss));
    *ret_token = (struct pull_token){
        .transfer = arena_str(arena, claims.sub),
        .agreement = arena_str(arena, own.agreement),
        .consumer = arena_str(arena, claims.aud),
        .issued_us = own.issued_us,
        .expires_us = claims.exp_us,
    };
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "token") : 0;
}

int dataplane__token_read(struct dataplane *dp, const char *typ, struct str compact,
                          struct arena *arena, struct pull_token *ret_token, struct err *err)
{
    const int64_t now_us = env_wall_us(dp->app->env);
    const bool keeps = strcmp(typ, TYP_PULL) == 0;
    uint8_t hash[SHA256_LEN];

    if (compact.n > LIMIT_TOKEN)
        return err_tell(err, E_PULL_TOKEN, "Authorization", "the token is longer than %zu bytes",
                        LIMIT_TOKEN);
    sha256(compact.p, compact.n, hash);
    if (keeps && find(dp->tokens, hash, now_us, arena, ret_token))
        return 0;
    if (verify(dp, typ, compact, now_us, arena, ret_token, err) < 0) {
        const bool expired = strcmp(err->at, "/exp") == 0;

        if (err->code == E_NO_MEMORY)
            return err_ret(err);
        return err_tell(err, E_PULL_TOKEN, "Authorization",
                        expired ? "the token has expired" : "the token is not one of ours");
    }
    if (keeps)
        keep(dp->tokens, hash, ret_token);
    return 0;
}
