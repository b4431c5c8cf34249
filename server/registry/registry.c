/*
 * server/registry/registry.c - participants as rows, their keys and documents, the broker's own
 * signature
 */
#include "server/registry/registry.h"

#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define TOKEN_LIFE_US (5 * US_PER_MIN)

/* clang-format off */
static const struct field participant_fields[] = {
    FIELD(struct participant, participant_id, "participant_id", F_REQUIRED),
    FIELD(struct participant, did,            "did",            F_REQUIRED),
    FIELD(struct participant, slug,           "slug",           F_REQUIRED),
    FIELD(struct participant, name_ko,        "name_ko",        F_REQUIRED),
    FIELD(struct participant, name_en,        "name_en",        F_REQUIRED),
    FIELD(struct participant, country,        "country",        F_REQUIRED),
    FIELD(struct participant, number_kind,    "number_kind",    F_REQUIRED),
    FIELD(struct participant, number,         "number",         F_REQUIRED),
    FIELD(struct participant, connector_url,  "connector_url",  F_REQUIRED),
    FIELD(struct participant, protocol_url,   "protocol_url",   F_REQUIRED),
    FIELD(struct participant, public_jwk,     "public_jwk",     F_REQUIRED),
    FIELD(struct participant, hosted_did,     "hosted_did",     F_REQUIRED),
    FIELD(struct participant, state,          "state",          F_REQUIRED),
    FIELD(struct participant, reason,         "reason",         0),
    FIELD(struct participant, applied_us,     "applied_at",     F_REQUIRED | F_TIME),
    FIELD(struct participant, decided_us,     "decided_at",     F_TIME),
};
OBJECT(participant_row, struct participant, participant_fields, OPEN);

#define ROUTE HTTP_ROUTE_ROW
const struct http_route registry_routes[] = {
#include "server/registry/routes.def"
    {0},
};
const struct http_route registry_operator_routes[] = {
#include "server/registry/operator_routes.def"
    {0},
};
#undef ROUTE

/* clang-format on */

int registry_open(struct app *app, struct registry **ret_registry, struct err *err)
{
    struct registry *registry = calloc(1, sizeof(*registry));
    char path[4096];
    const struct str file = app->settings->operator_token_file;

    if (registry == NULL)
        return err_set(err, E_NO_MEMORY, "", "registry");
    registry->app = app;
    if (file.n >= sizeof(path)) {
        registry_close(&registry);
        return err_set(err, E_CONFIG, "operator.token", "path is too long");
    }
    memcpy(path, file.p, file.n);
    path[file.n] = '\0';
    if (secret_load(path, &registry->operator_token, err) < 0 ||
        did_cache_open(app->env, app->fetcher, app->settings->did_http, &registry->dids, err) < 0) {
        registry_close(&registry);
        return err_ret(err);
    }
    if (secret_reveal(registry->operator_token).n < 20) {
        registry_close(&registry);
        return err_set(err, E_CONFIG, "operator.token", "expected at least 20 characters");
    }
    *ret_registry = registry;
    return 0;
}

void registry_close(struct registry **registry_address)
{
    struct registry *registry = *registry_address;

    *registry_address = NULL;
    if (registry == NULL)
        return;
    did_cache_close(&registry->dids);
    secret_free(&registry->operator_token);
    free(registry);
}

static int one_participant(enum db_result result, struct err *err)
{
    switch (result) {
    case DB_ROW: return 0;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such participant");
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

int participant_get(struct db *db, struct uuid id, struct arena *arena,
                    struct participant *ret_participant, struct err *err)
{
    return one_participant(db_one(db, &q_participant_by_id, DB_ARGS(DB_UUID(id)), &participant_row,
                                  arena, ret_participant, err),
                           err);
}

int participant_by_did(struct db *db, struct str did, struct arena *arena,
                       struct participant *ret_participant, struct err *err)
{
    return one_participant(db_one(db, &q_participant_by_did, DB_ARGS(DB_TEXT(did)),
                                  &participant_row, arena, ret_participant, err),
                           err);
}

int participant_jwk(const struct participant *participant, struct key **ret_key, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (jdoc_parse(participant->public_jwk, &jlimits_default, &doc, err) < 0 ||
        key_from_jwk(jdoc_root(doc), ret_key, err) < 0)
        return err_set(err, E_CORRUPT, "reg.participant.public_jwk", "stored key of '%.*s'",
                       STR_ARG(participant->did));
    return 0;
}

int participant_verify(const struct participant *who, struct str compact, const char *typ,
                       struct arena *arena, struct str *ret_payload, struct err *err)
{
    AUTO(key_free) struct key *key = NULL;
    struct jws jws;

    if (jws_parse_document(compact, arena, &jws, err) < 0)
        return err_ret(err);
    if (!str_eq_c(jws.typ, typ))
        return err_tell(err, E_TOKEN, "typ", "expected '%s'", typ);
    if (jws.kid.n <= who->did.n || !str_starts(jws.kid, who->did) || jws.kid.p[who->did.n] != '#')
        return err_tell(err, E_TOKEN, "kid", "expected a key of '%.*s'", STR_ARG(who->did));
    if (participant_jwk(who, &key, err) < 0 || jws_verify(&jws, key, err) < 0)
        return err_ret(err);
    *ret_payload = jws.payload;
    return 0;
}

static struct str broker_key_url(const struct app *app, char *room, size_t size)
{
    const int n = snprintf(room, size, "%.*s#%.*s", STR_ARG(app->settings->did),
                           STR_ARG(app->settings->key_id));

    return str_n(room, n > 0 && (size_t)n < size ? (size_t)n : 0);
}

int broker_sign(const struct app *app, const char *typ, struct str payload, struct buf *out,
                struct err *err)
{
    char room[LIMIT_ID];

    return jws_sign(app->key, broker_key_url(app, room, sizeof(room)), str_c(typ), payload, out,
                    err);
}

int broker_token(const struct app *app, struct str audience, struct buf *out, struct err *err)
{
    AUTO(buf_done) struct buf claims = buf_init(LIMIT_TOKEN);
    const struct uuid_text jti = uuid_format(uuid_new(app->env));
    const int64_t now_us = env_wall_us(app->env);
    struct jw w = jw_init(&claims);

    jw_object(&w);
    jw_kstr(&w, "iss", app->settings->did);
    jw_kstr(&w, "sub", app->settings->did);
    jw_kstr(&w, "aud", audience);
    jw_ki64(&w, "iat", now_us / US_PER_S);
    jw_ki64(&w, "exp", (now_us + TOKEN_LIFE_US) / US_PER_S);
    jw_kc(&w, "jti", jti.c);
    jw_object_end(&w);
    if (buf_failed(&claims))
        return err_set(err, E_LIMIT, "", "token is too long");
    buf_add_c(out, "Bearer ");
    return broker_sign(app, "JWT", buf_str(&claims), out, err);
}

int registry__step(struct rq *rq, struct db *tx, struct uuid participant, const char *step,
                   const char *result, const char *detail, struct err *err)
{
    return db_exec(tx, &q_check_step_put,
                   DB_ARGS(DB_UUID(participant), DB_TEXT(str_c(step)), DB_TEXT(str_c(result)),
                           DB_TEXT(str_c(detail)), DB_TIME(env_wall_us(rq->env))),
                   NULL, err);
}

int registry__new_token(struct rq *rq, struct db *tx, struct uuid participant, struct str role,
                        struct str label, int64_t expires_us, struct token_text *ret_token,
                        struct err *err)
{
    const struct token_text token = token_new(rq->env, "naru_");
    uint8_t hash[SHA256_LEN];

    sha256(token.c, strlen(token.c), hash);
    if (db_exec(tx, &q_access_token_insert,
                DB_ARGS(DB_BYTES(str_n(hash, sizeof(hash))),
                        uuid_is_zero(participant) ? DB_NULL(DBT_UUID) : DB_UUID(participant),
                        DB_TEXT(role), DB_TEXT(label), DB_TIME(env_wall_us(rq->env)),
                        expires_us == 0 ? DB_NULL(DBT_TIME) : DB_TIME(expires_us)),
                NULL, err) < 0)
        return err_ret(err);
    *ret_token = token;
    return 0;
}

static void write_time(struct jw *w, const char *key, int64_t us)
{
    if (us != 0)
        jw_kc(w, key, time_format(us).c);
}

void registry__write(const struct participant *p, bool own, struct jw *w)
{
    jw_object(w);
    jw_kc(w, "participant", uuid_format(p->participant_id).c);
    jw_kstr(w, "did", p->did);
    jw_kstr(w, "slug", p->slug);
    jw_key(w, "name");
    jw_object(w);
    jw_kstr(w, "ko", p->name_ko);
    jw_kstr(w, "en", p->name_en);
    jw_object_end(w);
    jw_kstr(w, "country", p->country);
    jw_kstr(w, "connector_url", p->connector_url);
    jw_kstr(w, "protocol_url", p->protocol_url);
    jw_kstr(w, "state", p->state);
    if (own) {
        jw_key(w, "number");
        jw_object(w);
        jw_kstr(w, "kind", p->number_kind);
        jw_kstr(w, "value", p->number);
        jw_object_end(w);
        jw_kraw(w, "jwk", p->public_jwk);
        if (str_present(p->reason))
            jw_kstr(w, "reason", p->reason);
        write_time(w, "applied_at", p->applied_us);
        write_time(w, "decided_at", p->decided_us);
    }
}
