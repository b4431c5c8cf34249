/*
 * connector/identity: tokens of our own, tokens of others, membership, caches. Documents come from a
 * web server of the test; the clocks are its own.
 */
#include <check.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connector/identity/identity_private.h"
#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/jws.h"
#include "lib/db/migrate.h"
#include "lib/wire/wire.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define WAIT_US (5 * US_PER_S)

/* -- the clocks ------------------------------------------------------------------------------------ */

static _Atomic int64_t wall_shift_us, mono_shift_us;

static int64_t shifted_wall_us(void *self)
{
    (void)self;
    return env_wall_us(&env_system) + atomic_load(&wall_shift_us);
}

static int64_t shifted_mono_us(void *self)
{
    (void)self;
    return env_mono_us(&env_system) + atomic_load(&mono_shift_us);
}

static void real_random(void *self, void *p, size_t n)
{
    (void)self;
    env_random(&env_system, p, n);
}

static const struct env test_env = {shifted_wall_us, shifted_mono_us, real_random, NULL};

/* Both clocks run ahead. */
static void pass(int64_t us)
{
    atomic_fetch_add(&wall_shift_us, us);
    atomic_fetch_add(&mono_shift_us, us);
}

/* -- parties and their documents ------------------------------------------------------------------- */

enum party {
    RIGHT,
    PEER,
    OTHER,
    BROKER,
    US,
    STRAY,
    GONE,
    PARTIES
}; /* RIGHT: who should have signed */

static const char *const party_names[PARTIES] = {"",   "peer",  "other", "broker",
                                                 "us", "stray", "gone"};
static struct key *party_keys[PARTIES];
static char dids[PARTIES][128];
static atomic_int asked[PARTIES]; /* how often a document was fetched */
static atomic_bool peer_is_away;

/* fragment: relationships of the key under this name */
static const struct {
    const char *fragment;
    unsigned relationships;
} methods[] = {
    {"key-1",  DID_AUTHENTICATION | DID_ASSERTION | DID_CAPABILITY_INVOCATION},
    {"auth",   DID_AUTHENTICATION                                            },
    {"invoke", DID_CAPABILITY_INVOCATION                                     },
    {"assert", DID_ASSERTION                                                 },
    {"bare",   0                                                             },
};

static void write_document(enum party party, struct jw *w)
{
    static const char *const lists[] = {"authentication", "assertionMethod",
                                        "capabilityInvocation"};
    AUTO(buf_done) struct buf jwk = buf_init(KIB(1));
    char id[256];

    key_write_jwk(party_keys[party], &jwk);
    jw_object(w);
    jw_kc(w, "id", dids[party == STRAY ? OTHER : party]);
    jw_key(w, "verificationMethod");
    jw_array(w);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        snprintf(id, sizeof(id), "%s#%s", dids[party], methods[i].fragment);
        jw_object(w);
        jw_kc(w, "id", id);
        jw_kraw(w, "publicKeyJwk", buf_str(&jwk));
        jw_object_end(w);
    }
    jw_array_end(w);
    for (size_t r = 0; r < ARRAY_LEN(lists); r++) {
        jw_key(w, lists[r]);
        jw_array(w);
        for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
            snprintf(id, sizeof(id), "#%s", methods[i].fragment);
            if ((methods[i].relationships & (1U << r)) != 0)
                jw_c(w, id);
        }
        jw_array_end(w);
    }
    jw_object_end(w);
}

static int serve_document(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);

    for (int i = PEER; i < GONE; i++) {
        if (!str_eq_c(rq_param(rq, "name"), party_names[i]))
            continue;
        atomic_fetch_add(&asked[i], 1);
        if (i == PEER && atomic_load(&peer_is_away)) {
            rq_reply_empty(rq, 503);
            return 0;
        }
        write_document((enum party)i, &w);
        rq_reply_json(rq, 200, buf_str(&out));
        return 0;
    }
    atomic_fetch_add(&asked[GONE], 1);
    return err_tell(err, E_NOT_FOUND, "", "no such document");
}

static const struct http_route routes[] = {
    {.method = "GET",            .path = "/{name}/did.json", .handler = serve_document, .name = "document"},
    {0},
};

/* -- the connector's parts -------------------------------------------------------------------------- */

static struct http *web;
static struct settings settings;
static struct app app;
static struct arena *arena;
static char folder[64], database[128];

/* What is due is not the identity's affair. */
static void fire(void *cls, struct str key, int64_t due_us)
{
    (void)cls;
    (void)key;
    (void)due_us;
}

static void open_parts(void)
{
    static const struct str allow[] = {STR_INIT("127.0.0.0/8")};
    const struct fetch_cfg fetch_cfg = {
        .env = &env_system, .allow_http = true, .allow = allow, .n_allow = 1, .user_agent = "test"};
    AUTO(db_close) struct db *db = NULL;
    struct err err = {0};

    snprintf(database, sizeof(database), "%s/connector.db", folder);
    app = (struct app){.env = &test_env, .settings = &settings};
    app.db = (struct db_cfg){.kind = DB_SQLITE, .target = database};
    ck_assert_int_eq(db_open(&app.db, &db, &err), 0);
    ck_assert_int_eq(
        db_migrate(db, sql_connector_migrations, sql_connector_n_migrations, &test_env, NULL, &err),
        0);
    ck_assert_int_eq(writer_open(&app.db, &test_env, &app.writer, &err), 0);
    ck_assert_int_eq(fetcher_open(&fetch_cfg, &app.fetcher, &err), 0);
    ck_assert_int_eq(timers_open(&test_env, &app, fire, &app.timers, &err), 0);
    app.key = party_keys[US];
}

static void open_web(void)
{
    static const struct http_route *const tables[] = {routes};
    const struct http_cfg cfg = {.env = &env_system,
                                 .name = "web",
                                 .address = STR("127.0.0.1:0"),
                                 .route_tables = tables,
                                 .n_route_tables = 1};
    struct err err = {0};

    ck_assert_msg(http_open(&cfg, &web, &err) == 0, "%s", err.text);
    for (int i = PEER; i < PARTIES; i++) {
        ck_assert_int_eq(key_generate(i == OTHER ? KEY_EDDSA : KEY_ES256, &party_keys[i], &err), 0);
        snprintf(dids[i], sizeof(dids[i]), "did:web:127.0.0.1%%3A%u:%s", http_port(web),
                 party_names[i]);
        atomic_store(&asked[i], 0);
    }
}

static int nothing(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

/* What was queued before has been written when this returns. */
static void flush(void)
{
    struct err err = {0};

    ck_assert_int_eq(writer_call(app.writer, "flush", nothing, NULL, &err), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void setup(void)
{
    struct err err = {0};

    log_setup(2, LOG_ALARM, LOG_LOGFMT, &env_system);
    snprintf(folder, sizeof(folder), "/tmp/naru-identity-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    atomic_store(&wall_shift_us, 0);
    atomic_store(&mono_shift_us, 0);
    atomic_store(&peer_is_away, false);
    arena = arena_new(MIB(1));
    open_web();
    settings = (struct settings){.participant_did = str_c(dids[US]),
                                 .key_id = STR("key-1"),
                                 .did_http = true,
                                 .broker_did = str_c(dids[BROKER]),
                                 .public_listen = STR("127.0.0.1:1"),
                                 .management_listen = STR("127.0.0.1:2")};
    open_parts();
    ck_assert_msg(identity_open(&app, &app.identity, &err) == 0, "%s", err.text);
}

static void teardown(void)
{
    fetcher_close(&app.fetcher);
    flush();
    identity_close(&app.identity);
    writer_close(&app.writer);
    timers_stop(app.timers);
    timers_close(&app.timers);
    http_close(&web, US_PER_S);
    for (int i = PEER; i < PARTIES; i++)
        key_free(&party_keys[i]);
    arena_free(&arena);
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* -- making tokens ---------------------------------------------------------------------------------- */

/* "peer" and so on, perhaps with a suffix from '#' on, becomes a DID; other texts stay. "peer+" is a longer DID, "peer-" a shorter one. */
static struct str did_text(const char *text)
{
    const struct str t = str_c(text);
    struct str rest = t;
    const struct str name = str_cut(&rest, '#');

    for (int i = PEER; i < PARTIES; i++) {
        const size_t n = strlen(party_names[i]);
        const struct str did = str_c(dids[i]);

        if (!str_starts(name, str_c(party_names[i])) || name.n > n + 1)
            continue;
        if (name.n == n + 1 && name.p[n] != '+' && name.p[n] != '-')
            continue;
        return arena_printf(arena, "%.*s%s%s%.*s", (int)(did.n - (name.n > n && name.p[n] == '-')),
                            did.p, name.n > n && name.p[n] == '+' ? "x" : "",
                            str_present(rest) ? "#" : "", STR_ARG(rest));
    }
    return t;
}

/* Compact form of any header and payload, signed by a key with its own algorithm. */
static struct str compact(struct str header, struct str payload, const struct key *key)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    uint8_t signature[SIGNATURE_LEN];
    struct err err = {0};

    encode_base64url(&out, header.p, header.n);
    buf_add_char(&out, '.');
    encode_base64url(&out, payload.p, payload.n);
    ck_assert_int_eq(key_sign(key, out.p, out.n, signature, &err), 0);
    buf_add_char(&out, '.');
    encode_base64url(&out, signature, sizeof(signature));
    return arena_str(arena, buf_str(&out));
}

static struct str header_of(const struct key *key, const char *kid, const char *typ)
{
    if (kid != NULL && strcmp(kid, "-") == 0)
        return arena_printf(arena, "{\"alg\":\"%s\",\"typ\":\"%s\"}", key_alg_names[key_alg(key)],
                            typ);

    const struct str k = did_text(kid);

    return arena_printf(arena, "{\"alg\":\"%s\",\"kid\":\"%.*s\",\"typ\":\"%s\"}",
                        key_alg_names[key_alg(key)], STR_ARG(k), typ);
}

/* -- credentials ------------------------------------------------------------------------------------ */

struct credential_case {
    const char *name;
    const char *iss, *sub, *kid, *typ; /* NULL: as it should be */
    enum party signer;
    int life_s, issued_s; /* 0: an hour, now */
    const char *membership;
    bool good;
};

#define MEMBERSHIP                                                                                 \
    "{\"participant\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"status\":\"active\","             \
    "\"name\":\"Steel\",\"country\":\"KR\",\"business_number_kind\":\"kr_brn\",\"roles\":[]}"
#define SUSPENDED                                                                                  \
    "{\"participant\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"status\":\"suspended\","          \
    "\"name\":\"Steel\",\"country\":\"KR\",\"business_number_kind\":\"kr_brn\",\"roles\":[]}"

static struct str credential(const struct credential_case *c)
{
    const struct key *key = party_keys[c->signer != RIGHT ? c->signer : BROKER];
    const int64_t now = env_wall_us(&test_env) / US_PER_S + c->issued_s;
    const struct str iss = did_text(c->iss != NULL ? c->iss : "broker");
    const struct str sub = did_text(c->sub != NULL ? c->sub : "peer");
    const struct str payload = arena_printf(
        arena,
        "{\"exp\":%lld,\"iat\":%lld,\"iss\":\"%.*s\",\"jti\":\"j\",\"membership\":%s,\"sub\":\"%.*s\"}",
        (long long)(now + (c->life_s != 0 ? c->life_s : 3600)), (long long)now, STR_ARG(iss),
        c->membership != NULL ? c->membership : MEMBERSHIP, STR_ARG(sub));

    return compact(header_of(key, c->kid != NULL ? c->kid : "broker#key-1",
                             c->typ != NULL ? c->typ : WIRE_TYP_MEMBERSHIP),
                   payload, key);
}

/* clang-format off */
static const struct credential_case credential_cases[] = {
    {.name = "a credential as it should be", .good = true},
    {.name = "of another member", .sub = "other"},
    {.name = "of a longer DID", .sub = "peer+"},
    {.name = "of a shorter DID", .sub = "peer-"},
    {.name = "of another issuer", .iss = "other", .kid = "other#key-1", .signer = OTHER},
    {.name = "made by the peer itself", .iss = "peer", .kid = "peer#key-1", .signer = PEER},
    {.name = "in the data bank's name, signed by the peer", .signer = PEER},
    {.name = "in the data bank's name, under the peer's key", .kid = "peer#key-1", .signer = PEER},
    {.name = "by a longer issuer", .iss = "broker+", .kid = "broker+#key-1"},
    {.name = "under a key that is not for statements", .kid = "broker#auth"},
    {.name = "under a key for statements only", .kid = "broker#assert", .good = true},
    {.name = "under a key for nothing", .kid = "broker#bare"},
    {.name = "under an unknown key", .kid = "broker#key-2"},
    {.name = "without key", .kid = "-"},
    {.name = "of typ JWT", .typ = "JWT"},
    {.name = "of typ of an order", .typ = WIRE_TYP_ORDER},
    {.name = "expired", .issued_s = -3600, .life_s = 3599},
    {.name = "from the future", .issued_s = 300},
    {.name = "that lives for 65 days", .life_s = 65 * 86400},
    {.name = "of a suspended member", .membership = SUSPENDED},
    {.name = "that says nothing", .membership = "{}"},
    {.name = "whose statement is text", .membership = "\"active\""},
    {.name = "without statement", .membership = "null"},
};

/* clang-format on */

/* -- tokens of others -------------------------------------------------------------------------------- */

struct token_case {
    const char *name;
    const char *iss, *sub, *aud,
        *jti;                 /* NULL: as it should be; "-": left out; "=…": JSON as it is */
    const char *kid, *header; /* header: all of it, as JSON with $ for the peer's DID */
    const char *payload;      /* all of it */
    enum party signer;
    int issued_s, life_s, nbf_s; /* 0: now, five minutes, none */
    const char *exp;             /* JSON as it is; "-": left out */
    bool no_iat, good;
};

static void member(struct buf *out, const char *name, const char *given, const char *right)
{
    const char *text = given != NULL ? given : right;

    if (strcmp(text, "-") == 0)
        return;
    if (text[0] == '=')
        buf_printf(out, ",\"%s\":%s", name, text + 1);
    else
        buf_printf(out, ",\"%s\":\"%.*s\"", name, STR_ARG(did_text(text)));
}

static struct str claims_of(const struct token_case *c, struct str membership)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(32));
    const int64_t iat = env_wall_us(&test_env) / US_PER_S + c->issued_s;

    buf_printf(&out, "{\"x\":0");
    if (c->exp == NULL)
        buf_printf(&out, ",\"exp\":%lld", (long long)(iat + (c->life_s != 0 ? c->life_s : 300)));
    else if (strcmp(c->exp, "-") != 0)
        buf_printf(&out, ",\"exp\":%s", c->exp);
    if (!c->no_iat)
        buf_printf(&out, ",\"iat\":%lld", (long long)iat);
    if (c->nbf_s != 0)
        buf_printf(&out, ",\"nbf\":%lld", (long long)(iat + c->nbf_s));
    member(&out, "iss", c->iss, "peer");
    member(&out, "sub", c->sub, c->iss != NULL ? c->iss : "peer");
    member(&out, "aud", c->aud, "us");
    member(&out, "jti", c->jti, "j-1");
    if (str_present(membership))
        buf_printf(&out, ",\"membership\":\"%.*s\"", STR_ARG(membership));
    buf_add_char(&out, '}');
    return arena_str(arena, buf_str(&out));
}

static struct str token_of(const struct token_case *c, struct str membership)
{
    const struct key *key = party_keys[c->signer != RIGHT ? c->signer : PEER];
    struct str header = header_of(key, c->kid != NULL ? c->kid : "peer#key-1", "JWT");

    if (c->header != NULL) {
        struct str rest = str_c(c->header);
        const struct str before = str_cut(&rest, '$');

        header = arena_printf(arena, "%.*s%s%.*s", STR_ARG(before), dids[PEER], STR_ARG(rest));
    }
    return compact(header, c->payload != NULL ? str_c(c->payload) : claims_of(c, membership), key);
}

/* Verifies, fetching what must be fetched. */
static enum identity_verdict verify(struct str token, struct str expected, struct peer *peer,
                                    struct err *err)
{
    struct str did;

    for (int i = 0;; i++) {
        AUTO(did_document_unref) struct did_document *document = NULL;
        struct err ignored = {0};
        const enum identity_verdict verdict =
            app.identity->ops->verify(app.identity, token, expected, arena, peer, &did, err);

        if (verdict != IDENTITY_FETCH)
            return verdict;
        ck_assert_int_lt(i, 3);
        IGNORE(did_resolve(app.identity->dids, did, WAIT_US, &document, &ignored),
               "the next attempt sees the failure");
    }
}

/* clang-format off */
static const struct token_case token_cases[] = {
    {.name = "as it should be", .good = true},
    {.name = "for a list of one other audience", .aud = "=[\"us\"]"},
    {.name = "for another audience", .aud = "other"},
    {.name = "for a longer audience", .aud = "us+"},
    {.name = "for a shorter audience", .aud = "us-"},
    {.name = "for the data bank", .aud = "broker"},
    {.name = "for its own issuer", .aud = "peer"},
    {.name = "for no audience", .aud = "-"},
    {.name = "for an empty audience", .aud = ""},
    {.name = "for two audiences", .aud = "=[\"us\",\"other\"]"},
    {.name = "for an audience by number", .aud = "=7"},
    {.name = "of another issuer, signed by the peer", .iss = "other", .kid = "other#key-1"},
    {.name = "of another issuer under the peer's key", .iss = "other", .kid = "peer#key-1"},
    {.name = "of no issuer", .iss = "-", .sub = "-"},
    {.name = "of an issuer by number", .iss = "=1", .sub = "=1"},
    {.name = "of an empty issuer", .iss = "", .sub = ""},
    {.name = "of an issuer of another method", .iss = "did:key:z6Mk", .kid = "did:key:z6Mk#key-1"},
    {.name = "of an issuer by address", .iss = "https://peer.test", .kid = "https://peer.test#key-1"},
    {.name = "of an issuer without document", .iss = "gone", .kid = "gone#key-1", .signer = GONE},
    {.name = "of an issuer whose document names another", .iss = "stray", .kid = "stray#key-1", .signer = STRAY},
    {.name = "whose subject is another", .sub = "other"},
    {.name = "whose subject is longer", .sub = "peer+"},
    {.name = "without subject", .sub = "-"},
    {.name = "that has expired", .issued_s = -300, .life_s = 299},
    {.name = "that never ends", .exp = "-"},
    {.name = "that ends in words", .exp = "\"soon\""},
    {.name = "that ends before 1970", .exp = "-1"},
    {.name = "that ends in the year 10000", .exp = "253402300800"},
    {.name = "that lives for six minutes", .life_s = 360, .good = true},
    {.name = "that lives a second longer", .life_s = 361},
    {.name = "without time of issue", .no_iat = true},
    {.name = "issued in half a minute", .issued_s = 30, .good = true},
    {.name = "issued in two minutes", .issued_s = 120},
    {.name = "valid in half a minute", .nbf_s = 30, .good = true},
    {.name = "valid in two minutes", .nbf_s = 120},
    {.name = "without id", .jti = "-"},
    {.name = "with an empty id", .jti = ""},
    {.name = "with a number as id", .jti = "=1"},
    {.name = "without key", .kid = "-"},
    {.name = "under a key without fragment", .kid = "peer"},
    {.name = "under an empty fragment", .kid = "peer#"},
    {.name = "under a fragment alone", .kid = "#key-1"},
    {.name = "under an unknown key", .kid = "peer#key-2"},
    {.name = "under a key of another", .kid = "other#key-1"},
    {.name = "under a key of a longer DID", .kid = "peer+#key-1"},
    {.name = "under a key of a shorter DID", .kid = "peer-#key-1"},
    {.name = "under a key for authentication", .kid = "peer#auth", .good = true},
    {.name = "under a key for invocation", .kid = "peer#invoke", .good = true},
    {.name = "under a key for statements", .kid = "peer#assert"},
    {.name = "under a key for nothing", .kid = "peer#bare"},
    {.name = "signed by another", .signer = OTHER},
    {.name = "signed by the data bank", .signer = BROKER},
    {.name = "signed by us", .signer = US},
    {.name = "with the least header", .header = "{\"alg\":\"ES256\",\"kid\":\"$#key-1\"}", .good = true},
    {.name = "with another kind of key", .header = "{\"alg\":\"EdDSA\",\"kid\":\"$#key-1\"}"},
    {.name = "with alg none", .header = "{\"alg\":\"none\",\"kid\":\"$#key-1\"}"},
    {.name = "with alg HS256", .header = "{\"alg\":\"HS256\",\"kid\":\"$#key-1\"}"},
    {.name = "with alg in lower case", .header = "{\"alg\":\"es256\",\"kid\":\"$#key-1\"}"},
    {.name = "without alg", .header = "{\"kid\":\"$#key-1\"}"},
    {.name = "with two algs", .header = "{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"$#key-1\"}"},
    {.name = "with a critical header", .header = "{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"kid\":\"$#key-1\"}"},
    {.name = "that is not encoded", .header = "{\"alg\":\"ES256\",\"b64\":false,\"kid\":\"$#key-1\"}"},
    {.name = "that leads to its key", .header = "{\"alg\":\"ES256\",\"jku\":\"https://x.test\",\"kid\":\"$#key-1\"}"},
    {.name = "that brings its key", .header = "{\"alg\":\"ES256\",\"jwk\":{},\"kid\":\"$#key-1\"}"},
    {.name = "that brings a certificate", .header = "{\"alg\":\"ES256\",\"x5c\":[],\"kid\":\"$#key-1\"}"},
    {.name = "whose header is a list", .header = "[\"$\"]"},
    {.name = "whose claims are a list", .payload = "[]"},
    {.name = "whose claims are no JSON", .payload = "claims"},
    {.name = "whose claims are null", .payload = "null"},
    {.name = "with a claim twice", .jti = "=\"a\",\"jti\":\"b\""},
};

/* clang-format on */

static void check_refused(struct str token, const char *name)
{
    struct peer peer = {0};

    for (int i = 0; i < 2; i++) { /* a refusal is not remembered as anything else */
        struct err err = {0};

        ck_assert_msg(verify(token, STR_NONE, &peer, &err) == IDENTITY_REFUSED, "a token %s", name);
        ck_assert_msg(err.code == E_TOKEN, "a token %s: %s", name, err.text);
    }
}

START_TEST(test_tokens)
{
    for (size_t i = 0; i < ARRAY_LEN(token_cases); i++) {
        const struct token_case *c = &token_cases[i];
        const struct str token = token_of(c, STR_NONE);
        struct peer peer = {0};
        struct err err = {0};

        if (!c->good) {
            check_refused(token, c->name);
            continue;
        }
        ck_assert_msg(verify(token, STR_NONE, &peer, &err) == IDENTITY_OK, "a token %s: %s",
                      c->name, err.text);
        ck_assert(str_eq_c(peer.id, dids[PEER]));
        ck_assert(!peer.member);
    }
}

END_TEST

START_TEST(test_token_altered)
{
    const struct str token = token_of(&token_cases[0], STR_NONE);
    struct peer peer = {0};
    struct err err = {0};
    char *copy = arena_alloc(arena, token.n + 2);

    /* each character of the header, the claims and the signature counts; the last ones are bits that don't */
    for (size_t i = 0; i < token.n; i += 7) {
        memcpy(copy, token.p, token.n);
        copy[i] = copy[i] == 'B' ? 'C' : 'B';
        check_refused(str_n(copy, token.n), "with one character changed");
    }
    for (size_t n = 0; n < token.n; n += 13)
        check_refused(str_n(token.p, n), "that was cut");
    memcpy(copy, token.p, token.n);
    copy[token.n] = '.';
    check_refused(str_n(copy, token.n + 1), "with a fourth part");
    copy[token.n] = '=';
    check_refused(str_n(copy, token.n + 1), "with padding");
    ck_assert_int_eq(verify(token, STR_NONE, &peer, &err), IDENTITY_OK);
}

END_TEST

START_TEST(test_memberships)
{
    for (size_t i = 0; i < ARRAY_LEN(credential_cases); i++) {
        const struct credential_case *c = &credential_cases[i];
        const struct str token = token_of(&token_cases[0], credential(c));
        struct peer peer = {0};
        struct err err = {0};

        if (!c->good) {
            check_refused(token, c->name);
            continue;
        }
        ck_assert_msg(verify(token, STR_NONE, &peer, &err) == IDENTITY_OK, "%s: %s", c->name,
                      err.text);
        ck_assert(peer.member);
        ck_assert(str_eq(peer.name, STR("Steel")) && str_eq(peer.country, STR("KR")));
        ck_assert(str_eq(peer.participant, STR("01890a5d-ac96-774b-bcce-b302099a8057")));
    }
}

END_TEST

/* -- what is remembered ------------------------------------------------------------------------------- */

static struct str good_token(struct str membership)
{
    return token_of(&token_cases[0], membership);
}

static void expect_good(struct str token, struct peer *peer)
{
    struct err err = {0};

    ck_assert_msg(verify(token, STR_NONE, peer, &err) == IDENTITY_OK, "%s", err.text);
}

START_TEST(test_seen_again)
{
    const struct str token = good_token(STR_NONE);
    struct peer first = {0}, again = {0};
    struct err err = {0};

    expect_good(token, &first);
    ck_assert_int_eq(atomic_load(&asked[PEER]), 1);
    atomic_store(&mono_shift_us, 20 * US_PER_MIN); /* the document is old, the token is not */
    expect_good(token, &again);
    ck_assert(str_eq(again.id, first.id) && again.verified_us == first.verified_us);
    ck_assert_int_eq(atomic_load(&asked[PEER]), 1);
    expect_good(good_token(STR_NONE), &again); /* same claims, another signature: verified anew */
    ck_assert_int_eq(atomic_load(&asked[PEER]), 2);

    ck_assert_int_eq(verify(token, str_c(dids[PEER]), &again, &err), IDENTITY_OK);
    ck_assert_int_eq(verify(token, str_c(dids[BROKER]), &again, &err), IDENTITY_REFUSED);
    ck_assert_int_eq(err.code, E_TOKEN);
    atomic_store(&wall_shift_us, 301 * US_PER_S);
    check_refused(token, "that was good once and has expired");
}

END_TEST

START_TEST(test_expected_issuer)
{
    const struct token_case by_broker = {.iss = "broker", .kid = "broker#key-1", .signer = BROKER};
    const struct token_case by_peer = {.jti = "fresh"};
    struct peer peer = {0};
    struct err err = {0};

    ck_assert_int_eq(verify(token_of(&by_broker, STR_NONE), str_c(dids[BROKER]), &peer, &err),
                     IDENTITY_OK);
    ck_assert_int_eq(verify(token_of(&by_peer, STR_NONE), str_c(dids[BROKER]), &peer, &err),
                     IDENTITY_REFUSED);
    ck_assert_int_eq(atomic_load(&asked[PEER]), 0); /* its document is not even asked for */
}

END_TEST

START_TEST(test_membership_ends_before_the_token)
{
    const struct credential_case brief = {.life_s = 60};
    const struct str token = good_token(credential(&brief));
    struct peer peer = {0};

    expect_good(token, &peer);
    ck_assert(peer.member);
    ck_assert_int_le(peer.valid_until_us, env_wall_us(&test_env) + 60 * US_PER_S);
    pass(61 * US_PER_S);
    check_refused(token, "whose membership has ended");
}

END_TEST

START_TEST(test_membership_without_data_bank)
{
    const struct credential_case forged = {.signer = PEER};
    struct peer peer = {0};

    settings.broker_did = STR("");
    expect_good(good_token(credential(&forged)), &peer); /* nobody could judge it: no member */
    ck_assert(!peer.member);
}

END_TEST

struct kept {
    int64_t member;
    struct str name;
};
/* clang-format off */
static const struct query_column kept_columns[] = {{"member", DBT_I64}, {"name", DBT_TEXT}};
static const struct query q_kept = {
    .name = "kept",
    .text = {[DB_SQLITE] = "SELECT member, name FROM peer"},
    .columns = kept_columns,
    .n_columns = 2,
};
static const struct field kept_fields[] = {
    FIELD(struct kept, member, "member", F_REQUIRED),
    FIELD(struct kept, name,   "name",   F_REQUIRED),
};
/* clang-format on */
static OBJECT(kept_row, struct kept, kept_fields, OPEN);

static enum db_result kept(struct kept *row)
{
    AUTO(db_close) struct db *db = NULL;
    struct err err = {0};
    enum db_result result;

    flush();
    ck_assert_int_eq(db_open(&app.db, &db, &err), 0);
    result = db_one(db, &q_kept, DB_NO_ARGS, &kept_row, arena, row, &err);
    ck_assert_msg(result != DB_FAIL, "%s", err.text);
    return result;
}

START_TEST(test_members_are_remembered)
{
    const struct credential_case right = {0};
    struct kept row = {0};
    struct peer peer = {0};

    expect_good(good_token(STR_NONE), &peer);
    ck_assert_int_eq(kept(&row), DB_NONE); /* a stranger leaves no trace */
    expect_good(good_token(credential(&right)), &peer);
    ck_assert_int_eq(kept(&row), DB_ROW);
    ck_assert(row.member == 1 && str_eq(row.name, STR("Steel")));
    pass(US_PER_S);
    expect_good(good_token(STR_NONE), &peer);
    ck_assert_int_eq(kept(&row), DB_ROW);
    ck_assert_int_eq(row.member, 0); /* it came without its credential */
}

END_TEST

#define ATTESTED                                                                                   \
    "{\"participant\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"status\":\"active\","             \
    "\"name\":\"Steel\",\"country\":\"KR\",\"attestations\":[{\"kind\":\"framework_agreement\","   \
    "\"value\":\"X:1\",\"valid_until\":\"2099-01-01T00:00:00Z\"}]}"

/* Facts need to know which credential it was, whose, and until when. */
START_TEST(test_credential_goes_along)
{
    const struct credential_case attested = {.membership = ATTESTED, .issued_s = -60};
    const struct credential_case odd = {
        .membership = "{\"participant\":\"01890a5d-ac96-774b-bcce-b302099a8057\","
                      "\"status\":\"active\",\"name\":\"Steel\",\"country\":\"KR\","
                      "\"attestations\":[{\"kind\":\"shoe_size\",\"value\":\"44\"}]}"};
    const struct str token = good_token(credential(&attested));
    const int64_t now = env_wall_us(&test_env) / US_PER_S;
    struct peer peer = {0};

    for (int i = 0; i < 2; i++) { /* the second time from what was seen */
        expect_good(token, &peer);
        ck_assert(str_eq(peer.credential_id, STR("j")));
        ck_assert(str_eq(peer.issuer, str_c(dids[BROKER])));
        ck_assert(
            str_eq(peer.attestations, STR("[{\"kind\":\"framework_agreement\",\"value\":\"X:1\","
                                          "\"valid_until\":\"2099-01-01T00:00:00Z\"}]")));
        ck_assert(peer.issued_us <= (now - 60) * US_PER_S &&
                  peer.issued_us > (now - 70) * US_PER_S);
        ck_assert_int_gt(peer.expires_us, now * US_PER_S);
    }
    check_refused(good_token(credential(&odd)), "with something that nobody understands");
    expect_good(good_token(STR_NONE), &peer);
    ck_assert(!str_present(peer.credential_id) && peer.expires_us == 0);
}

END_TEST

START_TEST(test_absent_document_is_not_asked_for_again)
{
    const struct token_case by_gone = {.iss = "gone", .kid = "gone#key-1", .signer = GONE};
    const struct str token = token_of(&by_gone, STR_NONE);

    check_refused(token, "of an issuer without document");
    ck_assert_int_eq(atomic_load(&asked[GONE]), 1);
    atomic_store(&mono_shift_us, 9 * US_PER_S);
    check_refused(token, "of an issuer without document");
    ck_assert_int_eq(atomic_load(&asked[GONE]), 1);
    atomic_store(&mono_shift_us, 11 * US_PER_S);
    check_refused(token, "of an issuer without document");
    ck_assert_int_eq(atomic_load(&asked[GONE]), 2);
}

END_TEST

START_TEST(test_host_that_is_away_refuses_nothing)
{
    const struct str token = good_token(STR_NONE);
    struct peer peer = {0};
    struct err err = {0};

    atomic_store(&peer_is_away, true);
    ck_assert_int_eq(verify(token, STR_NONE, &peer, &err), IDENTITY_REFUSED);
    ck_assert_int_eq(err.code, E_PEER_DOWN); /* the sender may come again */
    atomic_store(&peer_is_away, false);
    atomic_store(&mono_shift_us, 2 * US_PER_S);
    expect_good(token, &peer);
}

END_TEST

START_TEST(test_changed_key_is_seen_when_the_document_is_old)
{
    struct key *before = party_keys[PEER];
    struct peer peer = {0};
    struct err err = {0};
    struct str token;

    expect_good(good_token(STR_NONE), &peer);
    ck_assert_int_eq(key_generate(KEY_ES256, &party_keys[PEER], &err), 0);
    token = good_token(STR_NONE);
    check_refused(token, "of a key that is not published yet");
    atomic_store(&mono_shift_us, 10 * US_PER_MIN + US_PER_S);
    expect_good(token, &peer);
    key_free(&before);
}

END_TEST

/* -- tokens of our own --------------------------------------------------------------------------------- */

struct made {
    struct str text; /* with "Bearer " */
    struct jws jws;
    struct jwt_claims claims;
    struct str membership;
};

static struct made make(const char *audience)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_TOKEN);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct made made = {0};
    struct err err = {0};

    ck_assert_int_eq(identity_token(app.identity, str_c(audience), &out, &err), 0);
    made.text = arena_str(arena, buf_str(&out));
    ck_assert(str_starts(made.text, STR("Bearer ")));
    ck_assert_int_eq(jws_parse(str_from(made.text, 7), arena, &made.jws, &err), 0);
    ck_assert_int_eq(jws_verify(&made.jws, party_keys[US], &err), 0);
    ck_assert_int_eq(jdoc_parse(made.jws.payload, &jlimits_default, &doc, &err), 0);
    ck_assert_int_eq(jwt_claims_read(jdoc_root(doc), env_wall_us(&test_env), US_PER_S,
                                     5 * US_PER_MIN, &made.claims, &err),
                     0);
    ck_assert(str_eq_c(made.claims.iss, dids[US]) && str_eq_c(made.claims.sub, dids[US]) &&
              str_eq_c(made.claims.aud, audience) && made.claims.jti.n > 0);
    made.membership = arena_str(arena, jval_str(jval_get(jdoc_root(doc), "membership")));
    made.claims =
        (struct jwt_claims){.exp_us = made.claims.exp_us}; /* texts go with the document */
    return made;
}

START_TEST(test_own_token_is_reused_per_audience)
{
    const struct made first = make(dids[PEER]);

    ck_assert(str_eq(make(dids[PEER]).text, first.text));
    ck_assert(!str_eq(make(dids[OTHER]).text, first.text));
    ck_assert(str_eq(make(dids[PEER]).text, first.text));
    pass(239 * US_PER_S);
    ck_assert(str_eq(make(dids[PEER]).text, first.text));
    pass(2 * US_PER_S); /* a minute is left: not enough for a slow peer */
    ck_assert(!str_eq(make(dids[PEER]).text, first.text));
    ck_assert_int_gt(make(dids[PEER]).claims.exp_us, first.claims.exp_us);
}

END_TEST

START_TEST(test_own_token_is_new_each_time_if_that_is_wanted)
{
    const struct made first = make(dids[PEER]);

    settings.fresh_tokens = true;
    ck_assert(!str_eq(make(dids[PEER]).text, first.text));
    settings.fresh_tokens = false;
    ck_assert(str_eq(make(dids[PEER]).text, first.text));
}

END_TEST

START_TEST(test_own_token_for_the_data_bank_is_new_each_time)
{
    const struct made first = make(dids[BROKER]);

    ck_assert(!str_eq(make(dids[BROKER]).text, first.text));
}

END_TEST

START_TEST(test_own_token_carries_the_membership)
{
    const struct made before = make(dids[PEER]);
    const int64_t until_us = env_wall_us(&test_env) + 600 * US_PER_S;

    ck_assert(!str_present(before.membership));
    identity_set_membership(app.identity, STR("first"), until_us);
    ck_assert(str_eq(make(dids[PEER]).membership, STR("first")));
    ck_assert(!str_present(make(dids[BROKER]).membership)); /* it knows us */
    identity_set_membership(app.identity, STR("second"), until_us);
    ck_assert(str_eq(make(dids[PEER]).membership, STR("second")));
    pass(590 * US_PER_S);
    ck_assert(str_eq(make(dids[PEER]).membership, STR("second")));
    pass(11 * US_PER_S); /* the token would live on, the credential does not */
    ck_assert(!str_present(make(dids[PEER]).membership));
}

END_TEST

/* -- documents -------------------------------------------------------------------------------------------- */

START_TEST(test_documents)
{
    static const struct {
        const char *name, *kid, *typ;
        enum party signer;
        bool good;
    } cases[] = {
        {"as it should be",               "broker#key-1",  WIRE_TYP_ORDER,   BROKER, true },
        {"under a key for statements",    "broker#assert", WIRE_TYP_ORDER,   BROKER, true },
        {"of another typ",                "broker#key-1",  WIRE_TYP_DATASET, BROKER, false},
        {"under a key for other uses",    "broker#auth",   WIRE_TYP_ORDER,   BROKER, false},
        {"without key",                   "-",             WIRE_TYP_ORDER,   BROKER, false},
        {"by the peer",                   "peer#key-1",    WIRE_TYP_ORDER,   PEER,   false},
        {"by the peer in another's name", "broker#key-1",  WIRE_TYP_ORDER,   PEER,   false},
        {"by a longer name",              "broker+#key-1", WIRE_TYP_ORDER,   BROKER, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct key *key = party_keys[cases[i].signer];
        const struct str document =
            compact(header_of(key, cases[i].kid, cases[i].typ), STR("{\"order\":1}"), key);
        struct str payload = STR_NONE;
        struct err err = {0};
        const int got = identity_verify_document(app.identity, document, WIRE_TYP_ORDER,
                                                 str_c(dids[BROKER]), arena, &payload, &err);

        ck_assert_msg(got == (cases[i].good ? 0 : -E_TOKEN), "an order %s: %s", cases[i].name,
                      err.text);
        ck_assert(str_eq(payload, cases[i].good ? STR("{\"order\":1}") : STR_NONE));
    }
}

END_TEST

/* Larger than any token: a catalogue entry with a sample. */
START_TEST(test_large_document)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(buf_done) struct buf jws = buf_init(MIB(2));
    struct str payload = STR_NONE;
    struct err err = {0};

    buf_add_char(&text, '"');
    while (text.n < KIB(512))
        buf_add_char(&text, 'x');
    buf_add_char(&text, '"');
    ck_assert_int_eq(identity_sign(app.identity, WIRE_TYP_DATASET, buf_str(&text), &jws, &err), 0);
    arena_free(&arena);
    arena = arena_new(MIB(4));
    ck_assert_int_eq(identity_verify_document(app.identity, buf_str(&jws), WIRE_TYP_DATASET,
                                              str_c(dids[US]), arena, &payload, &err),
                     0);
    ck_assert(str_eq(payload, buf_str(&text)));
}

END_TEST

/* -- fixed tokens ------------------------------------------------------------------------------------------- */

static int open_static(const char *text, mode_t mode, struct err *err)
{
    static char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/tokens", folder);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
    identity_close(&app.identity);
    settings.identity_mode = 1;
    settings.static_token = str_c(path);
    return identity_open(&app, &app.identity, err);
}

START_TEST(test_static)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_TOKEN);
    struct peer peer = {0};
    struct err err = {0};

    ck_assert_msg(open_static("# ours first\nours  us\n\n their-token  peer \n", 0600, &err) == 0,
                  "%s", err.text);
    ck_assert_int_eq(identity_token(app.identity, STR("peer"), &out, &err), 0);
    ck_assert(str_eq(buf_str(&out), STR("ours")));
    expect_good(STR("their-token"), &peer);
    ck_assert(str_eq(peer.id, STR("peer")) && peer.member);
    ck_assert_int_eq(verify(STR("their-token"), STR("us"), &peer, &err), IDENTITY_REFUSED);
    check_refused(STR("their-toke"), "that is shorter");
    check_refused(STR("their-token "), "with a space");
    check_refused(STR("Their-token"), "in another case");
    check_refused(STR(""), "that is empty");
    check_refused(good_token(STR_NONE), "that is signed");
}

END_TEST

START_TEST(test_static_is_refused)
{
    static const struct {
        const char *text, *public_listen;
        mode_t mode;
    } cases[] = {
        {"ours us\n", "0.0.0.0:443",       0600},
        {"ours us\n", "192.0.2.1:443",     0600},
        {"ours us\n", "localhost.evil:80", 0600},
        {"ours us\n", "127.0.0.1:1",       0644}, /* others may read it */
        {"ours\n",    "127.0.0.1:1",       0600},
        {" \n#x\n",   "127.0.0.1:1",       0600},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};

        settings.public_listen = str_c(cases[i].public_listen);
        ck_assert_msg(open_static(cases[i].text, cases[i].mode, &err) == -E_CONFIG, "case %zu", i);
        ck_assert_ptr_null(app.identity);
    }
}

END_TEST

/* -- mock identities of other connectors ------------------------------------------------------------------ */

static int open_claimed(struct err *err)
{
    identity_close(&app.identity);
    settings.identity_mode = 1;
    settings.static_form = 1;
    return identity_open(&app, &app.identity, err);
}

START_TEST(test_claimed)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_TOKEN);
    const struct str them =
        STR("{\"region\":\"eu\",\"audience\":\"http://us/2025-1\",\"clientId\":\"them\"}");
    struct kept row = {0};
    struct peer peer = {0};
    struct err err = {0};

    settings.participant_did = STR("did:web:us");
    ck_assert_msg(open_claimed(&err) == 0, "%s", err.text);
    ck_assert_int_eq(identity_token(app.identity, STR("peer"), &out, &err), 0);
    ck_assert(str_eq(buf_str(&out), STR("{\"region\":\"eu\",\"audience\":\"peer\","
                                        "\"clientId\":\"did:web:us\"}")));
    for (int i = 0; i < 2; i++) { /* the second time from what was seen */
        expect_good(them, &peer);
        ck_assert(str_eq(peer.id, STR("them")) && peer.member);
        ck_assert_int_eq(verify(them, STR("them"), &peer, &err), IDENTITY_OK);
        ck_assert_int_eq(verify(them, STR("us"), &peer, &err), IDENTITY_REFUSED);
    }
    ck_assert_int_eq(kept(&row), DB_ROW);
    ck_assert(row.member == 1 && str_eq(row.name, STR("them")));
}

END_TEST

START_TEST(test_claimed_is_refused)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"that is empty",            ""                                       },
        {"that is no JSON",          "their-token"                            },
        {"that is no object",        "[\"them\"]"                             },
        {"that names nobody",        "{\"region\":\"eu\"}"                    },
        {"that names the empty one", "{\"clientId\":\"\"}"                    },
        {"that names a number",      "{\"clientId\":1}"                       },
        {"that names two",           "{\"clientId\":\"a\",\"clientId\":\"b\"}"},
        {"that goes on",             "{\"clientId\":\"a\"} b"                 },
        {"that is deep",             "{\"clientId\":\"a\",\"x\":[[[[[1]]]]]}" },
    };
    struct err err = {0};
    char long_id[LIMIT_ID + 32];

    ck_assert_int_eq(open_claimed(&err), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused(str_c(cases[i].text), cases[i].name);
    snprintf(long_id, sizeof(long_id), "{\"clientId\":\"%0*d\"}", LIMIT_ID + 1, 0);
    check_refused(str_c(long_id), "that names a long one");
}

END_TEST

START_TEST(test_claimed_is_for_loopback)
{
    static const struct str addresses[][2] = {
        {STR_INIT("0.0.0.0:443"), STR_INIT("127.0.0.1:2")},
        {STR_INIT("127.0.0.1:1"), STR_INIT("0.0.0.0:443")},
    };

    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct err err = {0};

        settings.public_listen = addresses[i][0];
        settings.management_listen = addresses[i][1];
        ck_assert_int_eq(open_claimed(&err), -E_CONFIG);
        ck_assert_ptr_null(app.identity);
    }
}

END_TEST

/* -- many at once ---------------------------------------------------------------------------------- */

#define TOKENS 6

struct caller {
    pthread_t thread;
    const struct str *tokens;
    int good;
};

static void *call(void *arg)
{
    struct caller *caller = arg;
    struct arena *own = arena_new(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(LIMIT_TOKEN);

    for (int i = 0; i < 200; i++) {
        struct peer peer = {0};
        struct err err = {0};
        struct str did;

        caller->good +=
            app.identity->ops->verify(app.identity, caller->tokens[i % TOKENS], STR_NONE, own,
                                      &peer, &did, &err) == IDENTITY_OK &&
            peer.member && str_eq_c(peer.id, dids[PEER]);
        buf_reset(&out);
        caller->good +=
            identity_token(app.identity, str_c(dids[i % 2 == 0 ? PEER : OTHER]), &out, &err) == 0;
        if (i % 20 == 0)
            identity_set_membership(app.identity, STR("fresh"),
                                    env_wall_us(&test_env) + 600 * US_PER_S);
        arena_reset(own);
    }
    arena_free(&own);
    return NULL;
}

START_TEST(test_many_at_once)
{
    const struct credential_case right = {0};
    const struct str membership = credential(&right);
    struct caller callers[4] = {0};
    struct str tokens[TOKENS];
    struct peer peer = {0};

    for (int i = 0; i < TOKENS; i++)
        tokens[i] = good_token(membership);
    expect_good(tokens[0], &peer); /* both documents are here now */
    for (size_t i = 0; i < ARRAY_LEN(callers); i++) {
        callers[i].tokens = tokens;
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(callers); i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].good, 400);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("identity");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_tokens);
    tcase_add_test(tc, test_token_altered);
    tcase_add_test(tc, test_memberships);
    tcase_add_test(tc, test_seen_again);
    tcase_add_test(tc, test_expected_issuer);
    tcase_add_test(tc, test_membership_ends_before_the_token);
    tcase_add_test(tc, test_membership_without_data_bank);
    tcase_add_test(tc, test_credential_goes_along);
    tcase_add_test(tc, test_members_are_remembered);
    tcase_add_test(tc, test_absent_document_is_not_asked_for_again);
    tcase_add_test(tc, test_host_that_is_away_refuses_nothing);
    tcase_add_test(tc, test_changed_key_is_seen_when_the_document_is_old);
    tcase_add_test(tc, test_own_token_is_reused_per_audience);
    tcase_add_test(tc, test_own_token_is_new_each_time_if_that_is_wanted);
    tcase_add_test(tc, test_own_token_for_the_data_bank_is_new_each_time);
    tcase_add_test(tc, test_own_token_carries_the_membership);
    tcase_add_test(tc, test_documents);
    tcase_add_test(tc, test_large_document);
    tcase_add_test(tc, test_many_at_once);
    tcase_add_test(tc, test_static);
    tcase_add_test(tc, test_static_is_refused);
    tcase_add_test(tc, test_claimed);
    tcase_add_test(tc, test_claimed_is_refused);
    tcase_add_test(tc, test_claimed_is_for_loopback);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int bad;

    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
