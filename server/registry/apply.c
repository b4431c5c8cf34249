/*
 * server/registry/apply.c - POST /v1/applications (docs/exchange.md §3)
 *
 * Checks before anything is stored: business number (check digit), names and addresses, possession
 * of the key (a JWT signed with it), no clash with another participant. What must be looked up
 * elsewhere (a self-hosted DID, the connector) is a step that approval runs.
 */
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "lib/wire/numbers.h"
#include "server/audit/audit.h"
#include "server/registry/registry_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define NAME_MAX_BYTES     256
#define UNDECIDED_PER_HOUR 20 /* from one network address */
#define PROOF_LIFE_US      (6 * US_PER_MIN)

struct name {
    struct str ko, en;
};

struct number {
    struct str kind, value;
};

struct application {
    struct name *name;
    struct str country;
    struct number *number;
    struct str slug, did;
    const struct jval *jwk;
    struct str connector_url, protocol_url, proof;
};
/* clang-format off */
static const struct field name_fields[] = {
    FIELD(struct name, ko, "ko", F_REQUIRED | F_NONEMPTY),
    FIELD(struct name, en, "en", F_REQUIRED | F_NONEMPTY),
};
static OBJECT(name_object, struct name, name_fields, CLOSED);
static const struct field number_fields[] = {
    FIELD(struct number, kind,  "kind",  F_REQUIRED),
    FIELD(struct number, value, "value", F_REQUIRED),
};
static OBJECT(number_object, struct number, number_fields, CLOSED);
static const struct field application_fields[] = {
    FIELD_SUB(struct application, name,       "name",          F_REQUIRED, &name_object),
    FIELD(struct application, country,        "country",       F_REQUIRED),
    FIELD_SUB(struct application, number,     "number",        F_REQUIRED, &number_object),
    FIELD(struct application, slug,           "slug",          F_REQUIRED),
    FIELD(struct application, did,            "did",           0),
    FIELD(struct application, jwk,            "jwk",           F_REQUIRED),
    FIELD(struct application, connector_url,  "connector_url", F_REQUIRED | F_NONEMPTY),
    FIELD(struct application, protocol_url,   "protocol_url",  F_REQUIRED | F_NONEMPTY),
    FIELD(struct application, proof,          "proof",         F_REQUIRED),
};
static OBJECT(application_object, struct application, application_fields, CLOSED);

struct clash { struct str field; };
static const struct field clash_fields[] = {FIELD(struct clash, field, "field", F_REQUIRED)};
static OBJECT(clash_row, struct clash, clash_fields, OPEN);
struct count { int64_t n; };
static const struct field count_fields[] = {FIELD(struct count, n, "n", F_REQUIRED)};
static OBJECT(count_row, struct count, count_fields, OPEN);

/* clang-format on */

struct apply {
    struct rq *rq;
    struct participant participant;
    struct token_text token;
};

static bool slug_ok(struct str slug)
{
    if (slug.n < 2 || slug.n > 40)
        return false;
    for (size_t i = 0; i < slug.n; i++) {
        const char c = slug.p[i];
        const bool inner = i > 0 && i + 1 < slug.n && slug.p[i - 1] != '-';

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && inner)))
            return false;
    }
    return true;
}

static bool url_ok(const struct app *app, struct str url)
{
    return url.n <= 1024 && (str_starts(url, STR("https://")) ||
                             (app->settings->allow_http && str_starts(url, STR("http://"))));
}

static int check_form(const struct app *app, const struct application *a, struct err *err)
{
    if (a->name->ko.n > NAME_MAX_BYTES || a->name->en.n > NAME_MAX_BYTES)
        return err_tell(err, E_LIMIT, "/name", "at most %d bytes", NAME_MAX_BYTES);
    if (a->country.n != 2 || a->country.p[0] < 'A' || a->country.p[0] > 'Z' ||
        a->country.p[1] < 'A' || a->country.p[1] > 'Z')
        return err_tell(err, E_INVALID, "/country", "expected an ISO 3166-1 code such as 'KR'");
    if (!slug_ok(a->slug))
        return err_tell(err, E_INVALID, "/slug",
                        "expected 2 to 40 lower-case letters, digits and single hyphens");
    if (!url_ok(app, a->connector_url))
        return err_tell(err, E_INVALID, "/connector_url", "expected an https URL");
    if (!url_ok(app, a->protocol_url))
        return err_tell(err, E_INVALID, "/protocol_url", "expected an https URL");
    return 0;
}

static int check_number(const struct application *a, struct arena *arena, struct participant *p,
                        struct err *err)
{
    struct company_number_text text;
    enum company_number kind;

    if (!company_number_kind(a->number->kind, &kind))
        return err_tell(err, E_INVALID, "/number/kind", "expected one of %s",
                        "kr_brn, lei, eori, jp_corporate, duns, bpn");
    if (company_number_check(kind, a->number->value, &text, err) < 0)
        return err_at_prefix(err, "/number/value");
    p->number_kind = str_c(company_number_names[kind]);
    p->number = arena_str(arena, str_c(text.c));
    return 0;
}

/*
 * Possession of the key: a JWT by it, iss = the DID applied for, aud = ours, not older than a few
 * minutes.
 */
static int check_proof(struct rq *rq, const struct application *a, struct participant *p,
                       struct err *err)
{
    const struct app *app = rq->app;
    AUTO(buf_done) struct buf jwk = buf_init(KIB(4));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(key_free) struct key *key = NULL;
    struct jwt_claims claims;
    struct jws jws;

    if (key_from_jwk(a->jwk, &key, err) < 0)
        return err_at_prefix(err, "/jwk");
    if (jws_parse(a->proof, rq->arena, &jws, err) < 0 || jws_verify(&jws, key, err) < 0 ||
        jdoc_parse(jws.payload, &jlimits_default, &doc, err) < 0 ||
        jwt_claims_read(jdoc_root(doc), env_wall_us(rq->env), US_PER_MIN, PROOF_LIFE_US, &claims,
                        err) < 0)
        return err_tell(err, E_INVALID, "/proof",
                        "expected a JWT signed by the key of /jwk, at most 5 minutes old");
    if (!str_eq(claims.iss, p->did) || !str_eq(claims.aud, app->settings->did))
        return err_tell(err, E_INVALID, "/proof", "expected iss '%.*s' and aud '%.*s'",
                        STR_ARG(p->did), STR_ARG(app->settings->did));
    key_write_jwk(key, &jwk);
    p->public_jwk = arena_str(rq->arena, buf_str(&jwk));
    return buf_failed(&jwk) ? err_set(err, E_NO_MEMORY, "", "key") : 0;
}

static int read_application(struct rq *rq, struct participant *p, struct err *err)
{
    const struct app *app = rq->app;
    struct application a = {0};

    if (rq_decode(rq, &application_object, &a, err) < 0 || check_form(app, &a, err) < 0 ||
        check_number(&a, rq->arena, p, err) < 0)
        return err_ret(err);
    p->hosted_did = a.did.n == 0;
    p->did = p->hosted_did ? arena_printf(rq->arena, "%.*s:participants:%.*s",
                                          STR_ARG(app->settings->did), STR_ARG(a.slug))
                           : a.did;
    if (!p->hosted_did) {
        AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);

        if (did_web_url(p->did, false, &url, err) < 0)
            return err_tell(err, E_INVALID, "/did", "expected a did:web");
    }
    if (check_proof(rq, &a, p, err) < 0)
        return err_ret(err);
    p->participant_id = uuid_new(rq->env);
    p->slug = a.slug;
    p->name_ko = a.name->ko;
    p->name_en = a.name->en;
    p->country = a.country;
    p->connector_url = a.connector_url;
    p->protocol_url = a.protocol_url;
    p->state = STR("applied");
    p->applied_us = env_wall_us(rq->env);
    return arena_failed(rq->arena) ? err_set(err, E_NO_MEMORY, "", "application") : 0;
}

static int refuse_clash(struct db *tx, struct rq *rq, const struct participant *p, struct err *err)
{
    struct clash clash = {0};
    struct count count = {0};

    if (db_one(tx, &q_application_count,
               DB_ARGS(DB_TIME(p->applied_us - US_PER_H), DB_TEXT(rq->remote)), &count_row,
               rq->arena, &count, err) != DB_ROW)
        return err->code == E_OK ? err_set(err, E_INTERNAL, "", "application count") : err_ret(err);
    if (count.n >= UNDECIDED_PER_HOUR)
        return err_tell(err, E_OVER_QUOTA, "",
                        "too many applications wait for a decision; try later");
    switch (db_one(
        tx, &q_participant_clash,
        DB_ARGS(DB_TEXT(p->did), DB_TEXT(p->slug), DB_TEXT(p->number_kind), DB_TEXT(p->number)),
        &clash_row, rq->arena, &clash, err)) {
    case DB_ROW:
        return err_tell(err, E_CONFLICT, arena_cstr(rq->arena, clash.field),
                        "a participant with this value exists");
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

static int log_application(struct db *tx, const struct participant *p, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    AUTO(buf_done) struct buf salted = buf_init(KIB(1));
    const struct uuid_text id = uuid_format(p->participant_id);
    uint8_t hash[SHA256_LEN];
    struct jw w = jw_init(&body);

    /*
     * the number stays out of the log; its hash, salted with the participant's id, can be shown to
     * match
     */
    buf_printf(&salted, "%s\n%.*s\n%.*s", id.c, STR_ARG(p->number_kind), STR_ARG(p->number));
    sha256(salted.p, salted.n, hash);
    jw_object(&w);
    jw_kc(&w, "participant", id.c);
    jw_kstr(&w, "did", p->did);
    jw_kraw(&w, "jwk", p->public_jwk);
    jw_kc(&w, "number_hash", hash_hex(hash).c);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_PARTICIPANT_APPLIED, p->applied_us, buf_str(&body), err);
}

static int store_application(struct db *tx, void *arg, struct err *err)
{
    struct apply *apply = arg;
    struct rq *rq = apply->rq;
    const struct participant *p = &apply->participant;

    if (refuse_clash(tx, rq, p, err) < 0)
        return err_ret(err);
    if (db_exec(tx, &q_participant_insert,
                DB_ARGS(DB_UUID(p->participant_id), DB_TEXT(p->did), DB_TEXT(p->slug),
                        DB_TEXT(p->name_ko), DB_TEXT(p->name_en), DB_TEXT(p->country),
                        DB_TEXT(p->number_kind), DB_TEXT(p->number), DB_TEXT(p->connector_url),
                        DB_TEXT(p->protocol_url), DB_TEXT(p->public_jwk), DB_BOOL(p->hosted_did),
                        DB_TIME(p->applied_us), DB_TEXT(rq->remote)),
                NULL, err) < 0)
        return err->code == E_DB_CONSTRAINT
                   ? err_tell(err, E_CONFLICT, "",
                              "a participant with this DID, slug or number exists")
                   : err_ret(err);
    if (registry__step(rq, tx, p->participant_id, "number", "passed", "check digit", err) < 0 ||
        registry__step(rq, tx, p->participant_id, "key", "passed", "proof of possession", err) <
            0 ||
        registry__step(rq, tx, p->participant_id, "did", p->hosted_did ? "passed" : "pending",
                       p->hosted_did ? "hosted here" : "looked up at approval", err) < 0 ||
        registry__step(rq, tx, p->participant_id, "connector", "pending", "looked up at approval",
                       err) < 0)
        return err_ret(err);
    if (registry__new_token(rq, tx, p->participant_id, STR("admin"), STR("first"), 0, &apply->token,
                            err) < 0)
        return err_ret(err);
    return log_application(tx, p, err);
}

int registry_apply(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct apply apply = {.rq = rq};
    struct jw w = jw_init(&out);

    if (read_application(rq, &apply.participant, err) < 0 ||
        db_tx(worker->db, "application", store_application, &apply, err) < 0)
        return err_ret(err);
    registry__write(&apply.participant, true, &w);
    jw_kc(&w, "token", apply.token.c);
    jw_object_end(&w);
    rq_reply_json(rq, 201, buf_str(&out));
    return 0;
}
