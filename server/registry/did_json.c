/*
 * server/registry/did_json.c - DID documents: ours, and those of companies without a web server
 */
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

static const char *const relationships[] = {"authentication", "assertionMethod",
                                            "capabilityInvocation"};

struct method {
    struct str url; /* "<did>#<fragment>" */
    struct str jwk;
    bool speaks; /* listed under every relationship */
};

/* One document with the given keys and at most one service. */
static int reply_document(struct rq *rq, struct str did, const struct method *methods, size_t n,
                          struct str service, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_DID_DOCUMENT);
    struct jw w = jw_init(&out);

    jw_object(&w);
    jw_key(&w, "@context");
    jw_array(&w);
    jw_c(&w, "https://www.w3.org/ns/did/v1");
    jw_array_end(&w);
    jw_kstr(&w, "id", did);
    jw_key(&w, "verificationMethod");
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_kstr(&w, "id", methods[i].url);
        jw_kc(&w, "type", "JsonWebKey2020");
        jw_kstr(&w, "controller", did);
        jw_kraw(&w, "publicKeyJwk", methods[i].jwk);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    for (size_t r = 0; r < ARRAY_LEN(relationships); r++) {
        jw_key(&w, relationships[r]);
        jw_array(&w);
        for (size_t i = 0; i < n; i++) {
            if (methods[i].speaks)
                jw_str(&w, methods[i].url);
        }
        jw_array_end(&w);
    }
    if (service.n > 0) {
        jw_key(&w, "service");
        jw_array(&w);
        jw_object(&w);
        jw_kstr(&w, "id", arena_printf(rq->arena, "%.*s#dsp", STR_ARG(did)));
        jw_kc(&w, "type", "DataService");
        jw_kstr(&w, "serviceEndpoint",
                arena_printf(rq->arena, "%.*s/.well-known/dspace-version", STR_ARG(service)));
        jw_object_end(&w);
        jw_array_end(&w);
    }
    jw_object_end(&w);
    if (buf_failed(&out) || arena_failed(rq->arena))
        return err_set(err, E_NO_MEMORY, "", "DID document");
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

int registry_did_broker(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct settings *s = app->settings;
    AUTO(buf_done) struct buf jwk = buf_init(KIB(1));
    AUTO(buf_done) struct buf log_jwk = buf_init(KIB(1));

    key_write_jwk(app->key, &jwk);
    key_write_jwk(app->log_key, &log_jwk);

    /* the key of the log signs checkpoints, nothing else: no relationship lets it speak for us */
    const struct method methods[] = {
        {arena_printf(rq->arena, "%.*s#%.*s", STR_ARG(s->did),      STR_ARG(s->key_id)),         buf_str(&jwk),
         true},
        {arena_printf(rq->arena,                      "%.*s#log",            STR_ARG(s->did)), buf_str(&log_jwk), false},
    };

    return reply_document(rq, s->did, methods, ARRAY_LEN(methods), STR_NONE, err);
}

int registry_did_hosted(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct participant p = {0};

    switch (db_one(worker->db, &q_participant_by_slug, DB_ARGS(DB_TEXT(rq_param(rq, "slug"))),
                   &participant_row, rq->arena, &p, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such participant");
    case DB_FAIL: return err_ret(err);
    }
    if (!p.hosted_did || !str_eq(p.state, STR("active")))
        return err_tell(err, E_NOT_FOUND, "", "no such participant");

    const struct method method = {arena_printf(rq->arena, "%.*s#key-1", STR_ARG(p.did)),
                                  p.public_jwk, true};

    return reply_document(rq, p.did, &method, 1, p.connector_url, err);
}
