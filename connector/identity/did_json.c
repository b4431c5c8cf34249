/*
 * connector/identity/did_json.c - GET /.well-known/did.json: our DID document, for companies that
 * host their own
 *
 * Keys stand under every relationship that a peer may ask for; the DataService entry leads to the
 * version endpoint (DSP 2025-1, discovery).
 */
#include "connector/identity/identity_private.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

static const char *const relationships[] = {"authentication", "assertionMethod",
                                            "capabilityInvocation"};

static void write_services(struct jw *w, struct rq *rq)
{
    const struct app *app = rq->app;

    jw_key(w, "service");
    jw_array(w);
    jw_object(w);
    jw_kstr(w, "id", arena_printf(rq->arena, "%.*s#dsp", STR_ARG(app->settings->participant_did)));
    jw_kc(w, "type", "DataService");
    jw_kstr(w, "serviceEndpoint",
            arena_printf(rq->arena, "%.*s/.well-known/dspace-version", STR_ARG(app->public_url)));
    jw_object_end(w);
    jw_array_end(w);
}

static int identity_did(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct str did = app->settings->participant_did;
    const struct str key_url = app->identity->key_url;
    AUTO(buf_done) struct buf jwk = buf_init(KIB(1));
    AUTO(buf_done) struct buf out = buf_init(LIMIT_DID_DOCUMENT);
    struct jw w = jw_init(&out);

    key_write_jwk(app->key, &jwk);
    jw_object(&w);
    jw_key(&w, "@context");
    jw_array(&w);
    jw_c(&w, "https://www.w3.org/ns/did/v1");
    jw_array_end(&w);
    jw_kstr(&w, "id", did);
    jw_key(&w, "verificationMethod");
    jw_array(&w);
    jw_object(&w);
    jw_kstr(&w, "id", key_url);
    jw_kc(&w, "type", "JsonWebKey2020");
    jw_kstr(&w, "controller", did);
    jw_kraw(&w, "publicKeyJwk", buf_str(&jwk));
    jw_object_end(&w);
    jw_array_end(&w);
    for (size_t i = 0; i < ARRAY_LEN(relationships); i++) {
        jw_key(&w, relationships[i]);
        jw_array(&w);
        jw_str(&w, key_url);
        jw_array_end(&w);
    }
    write_services(&w, rq);
    jw_object_end(&w);
    if (buf_failed(&out) || buf_failed(&jwk) || arena_failed(rq->arena))
        return err_set(err, E_NO_MEMORY, "", "DID document");
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

const struct http_route identity_routes[] = {
    {.method = "GET",
     .path = "/.well-known/did.json",
     .handler = identity_did,
     .name = "identity_did"},
    {0},
};
