/*
 * lib/did: names of the method web, what a document says of its keys, a host that goes away. The cache
 * is tested with its user too (test_identity.c).
 */
#include <check.h>

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/did/did.h"
#include "lib/http/http.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define DID "did:web:steel.test:kr"

/* -- names --------------------------------------------------------------------------------------- */

static const struct {
    const char *did, *url; /* url NULL: refused */
} names[] = {
    {"did:web:steel.test",              "https://steel.test/.well-known/did.json"     },
    {"did:web:steel.test%3A8443",       "https://steel.test:8443/.well-known/did.json"},
    {"did:web:steel.test%3a8443",       "https://steel.test:8443/.well-known/did.json"},
    {"did:web:steel.test:kr",           "https://steel.test/kr/did.json"              },
    {"did:web:localhost%3A9443:a:b",    "https://localhost:9443/a/b/did.json"         },
    {"did:web:127.0.0.1%3A80",          "https://127.0.0.1:80/.well-known/did.json"   },
    {"did:web:steel.test:a%20b",        "https://steel.test/a%2520b/did.json"         },
    {"did:web:steel.test:a/b",          "https://steel.test/a%2Fb/did.json"           },
    {"did:web:steel.test:a?b#c",        "https://steel.test/a%3Fb%23c/did.json"       },
    {"did:web:steel.test:\xed\x83\x84", "https://steel.test/%ED%83%84/did.json"       },
    {"did:web:Steel.Test",              "https://Steel.Test/.well-known/did.json"     },
    {"",                                NULL                                          },
    {"did:web:",                        NULL                                          },
    {"did:web",                         NULL                                          },
    {"did:key:z6MkhaXg",                NULL                                          },
    {"DID:web:steel.test",              NULL                                          },
    {"did:WEB:steel.test",              NULL                                          },
    {" did:web:steel.test",             NULL                                          },
    {"did:web::a",                      NULL                                          },
    {"did:web:steel.test:",             NULL                                          },
    {"did:web:steel.test::a",           NULL                                          },
    {"did:web:steel.test:.",            NULL                                          },
    {"did:web:steel.test:..:a",         NULL                                          },
    {"did:web:steel.test/path",         NULL                                          },
    {"did:web:steel.test%2Fpath",       NULL                                          },
    {"did:web:user%40steel.test",       NULL                                          },
    {"did:web:user@steel.test",         NULL                                          },
    {"did:web:steel.test%3",            NULL                                          },
    {"did:web:steel.test%zz",           NULL                                          },
    {"did:web:steel.test%00",           NULL                                          },
    {"did:web:steel.test%0d%0aHost",    NULL                                          },
    {"did:web:steel.test?x",            NULL                                          },
    {"did:web:steel.test#key-1",        NULL                                          },
    {"did:web:[%3A%3A1]",               NULL                                          },
    {"did:web:st\xc3\xa9"
     "el.test",                    NULL                                          },
};

START_TEST(test_name)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);
    struct err err = {0};
    const int got = did_web_url(str_c(names[_i].did), false, &url, &err);

    ck_assert_msg((got == 0) == (names[_i].url != NULL), "'%s': %s", names[_i].did, err.text);
    if (names[_i].url != NULL)
        ck_assert_msg(str_eq_c(buf_str(&url), names[_i].url), "'%s': '%.*s'", names[_i].did,
                      STR_ARG(buf_str(&url)));
    else
        ck_assert_int_eq(err.code, E_TOKEN);
}

END_TEST

START_TEST(test_plain_http_where_asked)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);
    struct err err = {0};

    ck_assert_int_eq(did_web_url(STR("did:web:localhost%3A80:a"), true, &url, &err), 0);
    ck_assert(str_eq(buf_str(&url), STR("http://localhost:80/a/did.json")));
}

END_TEST

START_TEST(test_longest_name)
{
    AUTO(buf_done) struct buf did = buf_init(2 * LIMIT_ID);
    AUTO(buf_done) struct buf url = buf_init(2 * LIMIT_URL);
    struct err err = {0};

    buf_add_c(&did, "did:web:steel.test:");
    while (did.n < LIMIT_ID)
        buf_add_char(&did, 'x');
    ck_assert_int_eq(did_web_url(buf_str(&did), false, &url, &err), 0);
    buf_add_char(&did, 'x');
    ck_assert_int_eq(did_web_url(buf_str(&did), false, &url, &err), -E_TOKEN);
}

END_TEST

/* -- documents ----------------------------------------------------------------------------------- */

static struct key *keys[2];
static struct buf jwks[2]; /* their public parts */

static void setup(void)
{
    struct err err = {0};

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(key_generate(i == 0 ? KEY_ES256 : KEY_EDDSA, &keys[i], &err), 0);
        jwks[i] = buf_init(KIB(1));
        key_write_jwk(keys[i], &jwks[i]);
    }
}

static void teardown(void)
{
    for (int i = 0; i < 2; i++) {
        key_free(&keys[i]);
        buf_done(&jwks[i]);
    }
}

/* `text` with $0 and $1 replaced by the public keys and $D by the DID. */
static void fill(const char *text, struct buf *out)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c != '$') {
            buf_add_char(out, *c);
        } else if (*++c == 'D') {
            buf_add_c(out, DID);
        } else {
            buf_add_str(out, buf_str(&jwks[*c - '0']));
        }
    }
}

#define METHOD(id, jwk) "{\"id\":\"" id "\",\"publicKeyJwk\":" jwk "}"
#define ALL             (DID_AUTHENTICATION | DID_ASSERTION | DID_CAPABILITY_INVOCATION)

/* clang-format off */
static const struct {
    const char *name, *document, *kid; /* kid NULL: none given */
    unsigned wanted;
    int key; /* which one is found; -1: none, -2: the document is refused */
} documents[] = {
    {"a key by its whole name", "{\"id\":\"$D\",\"verificationMethod\":[" METHOD("$D#a", "$0") "],\"authentication\":[\"$D#a\"]}", DID "#a", DID_AUTHENTICATION, 0},
    {"a key by its fragment", "{\"id\":\"$D\",\"verificationMethod\":[" METHOD("#a", "$0") "],\"authentication\":[\"#a\"]}", DID "#a", DID_AUTHENTICATION, 0},
    {"a key given where it is used", "{\"id\":\"$D\",\"authentication\":[" METHOD("$D#a", "$0") "]}", DID "#a", DID_AUTHENTICATION, 0},
    {"for that use only", "{\"id\":\"$D\",\"authentication\":[" METHOD("$D#a", "$0") "]}", DID "#a", DID_ASSERTION, -1},
    {"one of several uses is enough", "{\"id\":\"$D\",\"assertionMethod\":[" METHOD("$D#a", "$0") "]}", DID "#a", ALL, 0},
    {"the second of two keys", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "," METHOD("#b", "$1") "]}", DID "#b", DID_AUTHENTICATION, 1},
    {"no name, one key", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "]}", NULL, DID_AUTHENTICATION, 0},
    {"no name, two keys", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "," METHOD("#b", "$1") "]}", NULL, DID_AUTHENTICATION, -1},
    {"a key that is listed under nothing", "{\"id\":\"$D\",\"verificationMethod\":[" METHOD("#a", "$0") "]}", DID "#a", ALL, -1},
    {"a key that is listed under another use", "{\"id\":\"$D\",\"verificationMethod\":[" METHOD("#a", "$0") "],\"assertionMethod\":[\"#a\"]}", DID "#a", DID_AUTHENTICATION | DID_CAPABILITY_INVOCATION, -1},
    {"a key under an unknown use", "{\"id\":\"$D\",\"keyAgreement\":[" METHOD("#a", "$0") "]}", DID "#a", ALL, -1},
    {"a key of somebody else", "{\"id\":\"$D\",\"authentication\":[" METHOD("did:web:other.test#a", "$0") "]}", "did:web:other.test#a", ALL, -1},
    {"a longer DID in the key's name", "{\"id\":\"$D\",\"authentication\":[" METHOD("$Dx#a", "$0") "]}", DID "x#a", ALL, -1},
    {"a name with another DID", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "]}", "did:web:other.test#a", ALL, -1},
    {"a name without fragment", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "]}", DID, ALL, -1},
    {"a name with an empty fragment", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "]}", DID "#", ALL, -1},
    {"only a fragment as name", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "]}", "#a", ALL, -1},
    {"a fragment of another case", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "]}", DID "#A", ALL, -1},
    {"an unknown fragment", "{\"id\":\"$D\",\"authentication\":[" METHOD("#a", "$0") "]}", DID "#b", ALL, -1},
    {"a kind of key that we don't use", "{\"id\":\"$D\",\"authentication\":[{\"id\":\"#a\",\"publicKeyJwk\":{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}}," METHOD("#b", "$1") "]}", DID "#b", ALL, 1},
    {"a method without key", "{\"id\":\"$D\",\"authentication\":[{\"id\":\"#a\"}]}", DID "#a", ALL, -1},
    {"methods that are no list", "{\"id\":\"$D\",\"verificationMethod\":{\"id\":\"#a\"},\"authentication\":\"#a\"}", DID "#a", ALL, -1},
    {"no keys", "{\"id\":\"$D\"}", DID "#a", ALL, -1},
    {"of another DID", "{\"id\":\"did:web:other.test\"}", NULL, ALL, -2},
    {"of a longer DID", "{\"id\":\"$Dx\"}", NULL, ALL, -2},
    {"without id", "{\"authentication\":[" METHOD("#a", "$0") "]}", NULL, ALL, -2},
    {"with an id that is no text", "{\"id\":[\"$D\"]}", NULL, ALL, -2},
    {"that is no object", "[]", NULL, ALL, -2},
    {"that is no JSON", "<html>", NULL, ALL, -2},
    {"with a member twice", "{\"id\":\"$D\",\"id\":\"$D\"}", NULL, ALL, -2},
    {"that is empty", "", NULL, ALL, -2},
};

/* clang-format on */

START_TEST(test_document)
{
    AUTO(did_document_unref) struct did_document *document = NULL;
    AUTO(buf_done) struct buf text = buf_init(KIB(8));
    const char *name = documents[_i].name;
    struct err err = {0};
    int got;

    fill(documents[_i].document, &text);
    got = did_document_parse(STR(DID), buf_str(&text), &document, &err);
    if (documents[_i].key == -2) {
        ck_assert_msg(got == -E_TOKEN && document == NULL, "a document %s", name);
        return;
    }
    ck_assert_msg(got == 0, "%s: %s", name, err.text);

    const struct key *key =
        did_document_key(document, str_c(documents[_i].kid), documents[_i].wanted);

    if (documents[_i].key == -1) {
        ck_assert_msg(key == NULL, "%s", name);
        return;
    }
    ck_assert_msg(key != NULL, "%s", name);
    ck_assert_str_eq(key_thumbprint(key).c, key_thumbprint(keys[documents[_i].key]).c);
    ck_assert(did_document_has_key(document, keys[documents[_i].key]));
}

END_TEST

START_TEST(test_has_key)
{
    AUTO(did_document_unref) struct did_document *document = NULL;
    AUTO(buf_done) struct buf text = buf_init(KIB(8));
    struct err err = {0};

    fill("{\"id\":\"$D\",\"verificationMethod\":[" METHOD(
             "#a", "$0") "],\"authentication\":[" METHOD("#b", "$1") "]}",
         &text);
    ck_assert_int_eq(did_document_parse(STR(DID), buf_str(&text), &document, &err), 0);
    ck_assert(!did_document_has_key(document, keys[0])); /* listed, but for no use */
    ck_assert(did_document_has_key(document, keys[1]));
}

END_TEST

START_TEST(test_services)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    struct did_document *document = NULL;
    struct did_service service;
    struct err err = {0};

    buf_add_c(&text,
              "{\"id\":\"" DID "\",\"service\":[{\"type\":\"DataService\",\"serviceEndpoint\":"
              "\"https://a.example\"},{\"type\":[\"CatalogService\",\"Other\"],\"serviceEndpoint\":"
              "\"https://b.example\"},{\"type\":\"Other\",\"serviceEndpoint\":{\"uri\":\"x\"}},7,"
              "{\"serviceEndpoint\":\"https://c.example\"}");
    for (int i = 0; i < 40; i++)
        buf_printf(&text, ",{\"type\":\"DataService\",\"serviceEndpoint\":\"https://%d.example\"}",
                   i);
    buf_add_c(&text, "]}");
    ck_assert_int_eq(did_document_parse(STR(DID), buf_str(&text), &document, &err), 0);
    service = did_document_service(document, 0);
    ck_assert(str_eq_c(service.type, "DataService") &&
              str_eq_c(service.endpoint, "https://a.example"));
    service = did_document_service(document, 1);
    ck_assert(str_eq_c(service.type, "CatalogService"));
    service = did_document_service(document, 2); /* those without usable texts are left out */
    ck_assert(str_eq_c(service.endpoint, "https://0.example"));
    ck_assert(str_present(did_document_service(document, 15).type));
    ck_assert(!str_present(did_document_service(document, 16).type));
    did_document_unref(&document);
}

END_TEST

START_TEST(test_most_keys)
{
    for (int n = 16; n <= 17; n++) {
        AUTO(did_document_unref) struct did_document *document = NULL;
        AUTO(buf_done) struct buf text = buf_init(KIB(16));
        struct err err = {0};

        buf_add_c(&text, "{\"id\":\"" DID "\",\"authentication\":[");
        for (int i = 0; i < n; i++) {
            buf_printf(&text, "%s{\"id\":\"#k%d\",\"publicKeyJwk\":", i > 0 ? "," : "", i);
            buf_add_str(&text, buf_str(&jwks[0]));
            buf_add_char(&text, '}');
        }
        buf_add_c(&text, "]}");
        ck_assert_int_eq(did_document_parse(STR(DID), buf_str(&text), &document, &err),
                         n == 16 ? 0 : -E_TOKEN);
    }
}

END_TEST

/* -- a host that goes away ------------------------------------------------------------------------ */

static struct {
    int status; /* 0: nobody listens */
    struct buf body;
} host;

static int serve_document(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, host.status, "application/json", buf_str(&host.body));
    return 0;
}

static const struct http_route host_routes[] = {
    {.method = "GET",            .path = "/.well-known/did.json", .handler = serve_document, .name = "did"},
    {0},
};
static const struct http_route *const host_tables[] = {host_routes};

static struct http *open_host(uint16_t port)
{
    AUTO(buf_done) struct buf address = buf_init(64);
    struct http *http = NULL;
    struct err err = {0};

    buf_printf(&address, "127.0.0.1:%u", (unsigned)port);

    const struct http_cfg cfg = {.env = &env_system,
                                 .address = buf_str(&address),
                                 .route_tables = host_tables,
                                 .n_route_tables = 1};

    ck_assert_msg(http_open(&cfg, &http, &err) == 0, "%s", err.text);
    return http;
}

/* after so many minutes the host answers with this status (0: is away): is the document to be had? */
/* clang-format off */
static const struct { const char *name; int64_t minutes; int status; enum err_code want; } moments[] = {
    {"fresh",                       0,       200, E_OK},
    {"away, but still good",        9,       0,   E_OK},
    {"away, its time is over",      11,      0,   E_OK},
    {"away for nearly a day",       23 * 60, 0,   E_OK},
    {"away for more than a day",    25 * 60, 0,   E_PEER_DOWN},
    {"back",                        25 * 60 + 1, 200, E_OK},
    {"broken",                      25 * 60 + 30, 503, E_OK},
    {"does not know it any more",   25 * 60 + 60, 404, E_TOKEN},
    {"away: nothing to fall back on", 25 * 60 + 90, 0, E_PEER_DOWN},
};

/* clang-format on */
START_TEST(test_host_goes_away)
{
    static const struct str loopback = {"127.0.0.0/8", 11};
    const int64_t begin_us = env_mono_us(&env_system);
    struct env_fake fake = {.mono_us = begin_us};
    const struct env env = env_from_fake(&fake);
    const struct fetch_cfg fetch_cfg = {
        .env = &env_system, .allow_http = true, .allow = &loopback, .n_allow = 1};
    AUTO(buf_done) struct buf did = buf_init(64);
    struct fetcher *fetcher = NULL;
    struct did_cache *cache = NULL;
    struct http *http = open_host(0);
    const uint16_t port = http_port(http);
    struct err err = {0};

    buf_printf(&did, "did:web:127.0.0.1%%3A%u", (unsigned)port);
    host.body = buf_init(KIB(4));
    buf_printf(&host.body, "{\"id\":\"%.*s\"}", STR_ARG(buf_str(&did)));
    ck_assert_int_eq(fetcher_open(&fetch_cfg, &fetcher, &err), 0);
    ck_assert_int_eq(did_cache_open(&env, fetcher, true, &cache, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
        AUTO(did_document_unref) struct did_document *document = NULL;

        fake.mono_us = begin_us + moments[i].minutes * US_PER_MIN;
        host.status = moments[i].status;
        http_close(&http, 0);
        if (host.status != 0)
            http = open_host(port);
        err_clear(&err);
        ck_assert_msg(did_resolve(cache, buf_str(&did), 5 * US_PER_S, &document, &err) ==
                          -(int)moments[i].want,
                      "%s: %s", moments[i].name, err.text);
    }
    http_close(&http, 0);
    fetcher_close(&fetcher);
    did_cache_close(&cache);
    buf_done(&host.body);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("did");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test_name, 0, ARRAY_LEN(names));
    tcase_add_test(tc, test_plain_http_where_asked);
    tcase_add_test(tc, test_longest_name);
    tcase_add_loop_test(tc, test_document, 0, ARRAY_LEN(documents));
    tcase_add_test(tc, test_has_key);
    tcase_add_test(tc, test_services);
    tcase_add_test(tc, test_most_keys);
    tcase_add_test(tc, test_host_goes_away);
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
