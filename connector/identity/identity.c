/*
 * connector/identity/identity.c - the modes behind one door; waiting for a peer's key
 */
#include "connector/identity/identity.h"

#include "connector/identity/identity_private.h"
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/jws.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

#define DOCUMENT_WAIT_US (5 * US_PER_S)

/* by identity.mode and identity.static_form */
static const struct identity_ops *const modes[2][2] = {
    {&identity_naru_ops,   &identity_naru_ops   },
    {&identity_static_ops, &identity_claimed_ops},
};

int identity_open(struct app *app, struct identity **ret_identity, struct err *err)
{
    const struct settings *s = app->settings;
    struct identity *identity = calloc(1, sizeof(*identity));
    int n;

    if (identity == NULL)
        return err_set(err, E_NO_MEMORY, "", "identity");
    CHECK(pthread_mutex_init(&identity->lock, NULL) == 0);
    identity->app = app;
    identity->ops = modes[s->identity_mode][s->static_form];
    n = asprintf(&identity->key_url_text, "%.*s#%.*s", STR_ARG(s->participant_did),
                 STR_ARG(s->key_id));
    if (n < 0) {
        identity->key_url_text = NULL;
        identity_close(&identity);
        return err_set(err, E_NO_MEMORY, "", "identity");
    }
    identity->key_url = str_n(identity->key_url_text, (size_t)n);
    if (did_cache_open(app->env, app->fetcher, s->did_http, &identity->dids, err) < 0 ||
        (identity->ops->open != NULL && identity->ops->open(identity, err) < 0)) {
        identity_close(&identity);
        return err_ret(err);
    }
    *ret_identity = identity;
    return 0;
}

void identity_close(struct identity **identity_address)
{
    struct identity *identity = *identity_address;

    *identity_address = NULL;
    if (identity == NULL)
        return;
    did_cache_close(&identity->dids);
    for (size_t i = 0; i < identity->n_known; i++) {
        free(identity->known[i].token);
        free(identity->known[i].id);
    }
    free(identity->known);
    for (size_t i = 0; i < OWN_TOKENS; i++) {
        free(identity->own[i].audience);
        free(identity->own[i].token);
    }
    for (size_t i = 0; i < SEEN_TOKENS; i++)
        free(identity->seen[i].texts);
    free(identity->membership);
    free(identity->key_url_text);
    pthread_mutex_destroy(&identity->lock);
    free(identity);
}

int identity_token(struct identity *identity, struct str audience, struct buf *out, struct err *err)
{
    return identity->ops->token(identity, audience, out, err);
}

int identity_sign(struct identity *identity, const char *typ, struct str payload, struct buf *out,
                  struct err *err)
{
    return jws_sign(identity->app->key, identity->key_url, str_c(typ), payload, out, err);
}

static void resume(void *cls)
{
    rq_resume(cls);
}

static int authenticate(struct rq *rq, http_handler *again, struct str expected,
                        struct peer *ret_peer, struct err *err)
{
    const struct app *app = rq->app;
    struct str token = rq_header(rq, "Authorization");
    struct str did = STR_NONE;

    if (!str_present(token))
        return err_tell(err, E_UNAUTHENTICATED, "Authorization", "a token is required");
    if (token.n > LIMIT_TOKEN)
        return err_tell(err, E_TOKEN, "Authorization", "longer than %zu bytes", LIMIT_TOKEN);
    if (token.n > 7 && str_eq_nocase(str_n(token.p, 7), STR("Bearer ")))
        token = str_trim(str_from(token, 7));
    switch (app->identity->ops->verify(app->identity, token, expected, rq->arena, ret_peer, &did,
                                       err)) {
    case IDENTITY_OK: log_ctx_add(&rq->log, L_STR("peer", ret_peer->id)); return 0;
    case IDENTITY_REFUSED: return err_ret(err);
    case IDENTITY_FETCH:
        rq_suspend(rq, again);
        return did_fetch(app->identity->dids, did, resume, rq, err) < 0 ? err_ret(err) : 1;
    }
    CHECK_UNREACHABLE();
}

int identity_authenticate(struct rq *rq, http_handler *again, struct peer *ret_peer,
                          struct err *err)
{
    return authenticate(rq, again, STR_NONE, ret_peer, err);
}

int identity_authenticate_broker(struct rq *rq, http_handler *again, struct err *err)
{
    const struct app *app = rq->app;
    struct peer peer;

    if (app->settings->broker_did.n == 0)
        return err_set(err, E_NOT_FOUND, "", "no broker is configured");
    return authenticate(rq, again, app->settings->broker_did, &peer, err);
}

void identity_set_membership(struct identity *identity, struct str credential, int64_t expires_us)
{
    char *fresh = strndup(credential.p, credential.n);
    char *old;

    if (fresh == NULL)
        return; /* the old one stays until it is renewed again */
    pthread_mutex_lock(&identity->lock);
    old = identity->membership;
    identity->membership = fresh;
    identity->membership_until_us = expires_us;
    for (size_t i = 0; i < OWN_TOKENS; i++)
        identity->own[i].until_us = 0; /* tokens carry the credential: make them anew */
    pthread_mutex_unlock(&identity->lock);
    free(old);
}

void identity_drop_membership(struct identity *identity)
{
    identity_set_membership(identity, STR(""), 0);
}

int identity_keys(struct identity *identity, struct str issuer, void (*go_on)(void *cls), void *cls,
                  struct err *err)
{
    AUTO(did_document_unref) struct did_document *document = NULL;
    struct err why = {0};

    if (did_get(identity->dids, issuer, &document, &why) != DID_FETCH)
        return 0;
    return did_fetch(identity->dids, issuer, go_on, cls, err) < 0 ? err_ret(err) : 1;
}

static void nobody_waits(void *cls)
{
    (void)cls;
}

void identity_expect(struct identity *identity, struct str did)
{
    AUTO(did_document_unref) struct did_document *document = NULL;
    struct err err = {0};

    if (identity->ops == &identity_naru_ops &&
        did_get(identity->dids, did, &document, &err) == DID_FETCH &&
        did_fetch(identity->dids, did, nobody_waits, NULL, &err) < 0)
        log_debug(NULL, "keys are not looked up in advance", L_STR("did", did));
}

int identity_verify_document(struct identity *identity, struct str compact, const char *typ,
                             struct str issuer, struct arena *arena, struct str *ret_payload,
                             struct err *err)
{
    AUTO(did_document_unref) struct did_document *document = NULL;
    const struct key *key;
    struct jws jws;

    if (jws_parse_document(compact, arena, &jws, err) < 0)
        return err_ret(err);
    if (!str_eq_c(jws.typ, typ))
        return err_set(err, E_TOKEN, "typ", "'%.*s' instead of '%s'", STR_ARG(jws.typ), typ);
    if (did_resolve(identity->dids, issuer, DOCUMENT_WAIT_US, &document, err) < 0)
        return err_ret(err);
    key = did_document_key(document, jws.kid, DID_ASSERTION);
    if (key == NULL)
        return err_set(err, E_TOKEN, "kid", "'%.*s' is no signing key of '%.*s'", STR_ARG(jws.kid),
                       STR_ARG(issuer));
    if (jws_verify(&jws, key, err) < 0)
        return err_ret(err);
    *ret_payload = jws.payload;
    return 0;
}

#define CONNECTORS_MAX 16

static int list_connectors(const struct did_document *document, struct arena *arena,
                           struct str_list *ret, struct err *err)
{
    struct did_service service;

    ret->n = 0;
    ret->items = ARENA_ARRAY(arena, struct str, CONNECTORS_MAX);
    if (ret->items == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    for (size_t i = 0; str_present((service = did_document_service(document, i)).type); i++) {
        if (ret->n < CONNECTORS_MAX && (str_eq(service.type, STR("DataService")) ||
                                        str_eq(service.type, STR("CatalogService"))))
            ret->items[ret->n++] = arena_str(arena, service.endpoint);
    }
    return arena_failed(arena) ? err_set(err, E_LIMIT, "", "memory of the request") : 0;
}

int identity_connectors(struct rq *rq, struct str did, http_handler *again,
                        struct str_list *ret_endpoints, struct err *err)
{
    const struct app *app = rq->app;
    AUTO(did_document_unref) struct did_document *document = NULL;
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);
    struct err cause = {0};

    if (did_web_url(did, app->settings->did_http, &url, &cause) < 0)
        return err_tell(err, E_INVALID, "", "%s", cause.text);
    switch (did_get(app->identity->dids, did, &document, &cause)) {
    case DID_FOUND: return list_connectors(document, rq->arena, ret_endpoints, err);
    case DID_FAILED:
        return err_tell(err, cause.code == E_PEER_DOWN ? E_PEER_DOWN : E_PEER_REFUSED, "",
                        "the DID document of '%.*s' cannot be had: %s", STR_ARG(did), cause.text);
    case DID_FETCH:
        rq_suspend(rq, again);
        return did_fetch(app->identity->dids, did, resume, rq, err) < 0 ? err_ret(err) : 1;
    }
    CHECK_UNREACHABLE();
}
