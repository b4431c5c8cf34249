/*
 * tests/unit/test_http_tls.c - TLS of listeners: versions, client certificates, reload
 *
 * Certificates are made here with the openssl command; without it the tests are skipped.
 */
#include <check.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/timefmt.h"
#include "lib/http/http.h"
#include "lib/log/counters.h"
#include "lib/net/fetch.h"
#include "tests/unit/raw_http.h"

#include "lib/base/banned.h"

extern char **environ;

static char folder[] = "/tmp/naru-tls-XXXXXX";

/* -- certificates -------------------------------------------------------------------------------- */

/* Runs the openssl command in the folder; output goes to `output` (a file there) or nowhere. */
static int openssl(const char *output, const char *const *arguments)
{
    char *argv[40] = {(char *)(uintptr_t) "openssl"};
    posix_spawn_file_actions_t actions;
    int status = -1;
    pid_t child;

    for (size_t i = 0; arguments[i] != NULL && i < ARRAY_LEN(argv) - 2; i++)
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, output != NULL ? output : "/dev/null",
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&child, "openssl", &actions, NULL, argv, environ) == 0)
        waitpid(child, &status, 0);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

#define OPENSSL(...) openssl(NULL, (const char *const[]){__VA_ARGS__, NULL})

static const char config[] =
    "[ca]\ndefault_ca=a\n"
    "[a]\nnew_certs_dir=.\ndatabase=db.txt\nserial=serial\ndefault_md=sha256\npolicy=p\n"
    "unique_subject=no\ndefault_days=30\n"
    "[p]\ncommonName=supplied\n"
    "[req]\ndistinguished_name=d\nprompt=no\n[d]\n"
    "[root]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n"
    "[server]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n"
    "[client]\nbasicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n"
    "[plain]\nbasicConstraints=CA:FALSE\n"
    "[wrong]\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
    "[leafca]\nbasicConstraints=critical,CA:TRUE\nextendedKeyUsage=clientAuth\n";

static void write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void append_file(const char *to, const char *from)
{
    char bytes[16384];
    int out = open(to, O_WRONLY | O_APPEND | O_CLOEXEC);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(in, bytes, sizeof(bytes));

    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

/* A root with its key: <name>.pem, <name>.key */
static void make_root(const char *name)
{
    char key[32], certificate[32], subject[40];

    snprintf(key, sizeof(key), "%s.key", name);
    snprintf(certificate, sizeof(certificate), "%s.pem", name);
    snprintf(subject, sizeof(subject), "/CN=%s", name);
    ck_assert_int_eq(OPENSSL("req", "-x509", "-config", "c.cnf", "-newkey", "ec", "-pkeyopt",
                             "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-extensions",
                             "root", "-days", "30", "-keyout", key, "-out", certificate),
                     0);
}

/* A certificate <name>.pem with <name>.key, issued by `issuer`. */
static void issue(const char *name, const char *issuer, const char *extensions, const char *from,
                  const char *to, const char *algorithm)
{
    char key[32], certificate[32], subject[40], ca[32], ca_key[32];

    snprintf(key, sizeof(key), "%s.key", name);
    snprintf(certificate, sizeof(certificate), "%s.pem", name);
    snprintf(subject, sizeof(subject), "/CN=%s", name);
    snprintf(ca, sizeof(ca), "%s.pem", issuer);
    snprintf(ca_key, sizeof(ca_key), "%s.key", issuer);
    if (strcmp(algorithm, "rsa") == 0)
        ck_assert_int_eq(OPENSSL("req", "-new", "-config", "c.cnf", "-newkey", "rsa:3072", "-nodes",
                                 "-subj", subject, "-keyout", key, "-out", "r.csr"),
                         0);
    else
        ck_assert_int_eq(OPENSSL("req", "-new", "-config", "c.cnf", "-newkey", "ec", "-pkeyopt",
                                 "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout",
                                 key, "-out", "r.csr"),
                         0);
    ck_assert_int_eq(OPENSSL("ca", "-batch", "-config", "c.cnf", "-notext", "-in", "r.csr", "-out",
                             certificate, "-cert", ca, "-keyfile", ca_key, "-extensions",
                             extensions, "-startdate", from, "-enddate", to),
                     0);
}

#define PAST   "20200101000000Z"
#define FUTURE "20990101000000Z"

static void make_certificates(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    write_file("c.cnf", config);
    write_file("db.txt", "");
    write_file("serial", "1000\n");
    make_root("root");
    make_root("other");
    issue("server", "root", "server", PAST, FUTURE, "ec");
    issue("rsa", "root", "server", PAST, FUTURE, "rsa");
    issue("next", "other", "server", PAST, FUTURE, "ec");
    issue("good", "root", "client", PAST, FUTURE, "ec");
    issue("plain", "root", "plain", PAST, FUTURE, "ec");
    issue("expired", "root", "client", PAST, "20200102000000Z", "ec");
    issue("early", "root", "client", "20980101000000Z", FUTURE, "ec");
    issue("purpose", "root", "wrong", PAST, FUTURE, "ec");
    issue("leafca", "root", "leafca", PAST, FUTURE, "ec");
    issue("stranger", "other", "client", PAST, FUTURE, "ec");
    issue("sub", "root", "root", PAST, FUTURE, "ec");
    issue("below", "sub", "client", PAST, FUTURE, "ec");
    append_file("below.pem", "sub.pem");
    issue("notca", "good", "client", PAST, FUTURE, "ec");
    append_file("notca.pem", "good.pem");
}

static void remove_certificates(void)
{
    char command[64];
    char *argv[] = {(char *)(uintptr_t) "rm", (char *)(uintptr_t) "-rf", command, NULL};
    pid_t child;

    snprintf(command, sizeof(command), "%s", folder);
    if (posix_spawnp(&child, "rm", NULL, NULL, argv, environ) == 0)
        waitpid(child, NULL, 0);
}

/* -- a listener and a client --------------------------------------------------------------------- */

static int say_peer(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain",
             str_present(rq->client_cert_sha256) ? rq->client_cert_sha256 : STR("nobody"));
    return 0;
}

static int echo(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain", rq->body);
    return 0;
}

static atomic_ullong file_sent;
static atomic_uint file_ends;

static void note_file(void *cls, uint64_t sent, bool complete)
{
    (void)cls;
    ck_assert(complete);
    atomic_store(&file_sent, sent);
    atomic_fetch_add(&file_ends, 1);
}

static bool file_ended(void *cls)
{
    (void)cls;
    return atomic_load(&file_ends) > 0;
}

static int file(struct rq *rq, struct err *err)
{
    int fd = open("server.pem", O_RDONLY | O_CLOEXEC);

    (void)err;
    rq_on_sent(rq, note_file, NULL);
    rq_reply_fd(rq, 200, "text/plain", fd, 11, 16);
    return 0;
}

/* clang-format off */
static const struct http_route routes[] = {
    HTTP_ROUTE_ROW(GET,  "/peer", say_peer, 0, 0, 0)
    HTTP_ROUTE_ROW(POST, "/echo", echo,     0, MIB(8), 0)
    HTTP_ROUTE_ROW(GET,  "/file", file,     0, 0, 0)
    {0},
};
/* clang-format on */

static struct http *http;
static uint16_t port;

static void open_listener(const char *name, enum http_client_cert client_cert)
{
    static const struct http_route *const tables[] = {routes};
    char certificate[32], key[32];
    struct http_cfg cfg = {.env = &env_system,
                           .name = "tls",
                           .address = STR("127.0.0.1:0"),
                           .cert_file = certificate,
                           .key_file = key,
                           .client_ca_file = client_cert != CLIENT_CERT_NONE ? "root.pem" : NULL,
                           .client_cert = client_cert,
                           .header_timeout_us = US_PER_S,
                           .route_tables = tables,
                           .n_route_tables = 1};
    struct err err = {0};

    log_setup(2, LOG_ALARM, LOG_LOGFMT, &env_system);
    snprintf(certificate, sizeof(certificate), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    ck_assert_msg(http_open(&cfg, &http, &err) == 0, "%s", err.text);
    port = http_port(http);
}

/* Calls with a client certificate (or none) and returns the code of the outcome; *ret_body is to be freed. */
static enum err_code call(const char *ca, const char *client, const char *path, char **ret_body)
{
    static const struct str loopback = {"127.0.0.0/8", 11};
    struct fetch_cfg cfg = {.env = &env_system, .ca_file = ca, .allow = &loopback, .n_allow = 1};
    char certificate[32], key[32], url[128];
    struct fetch_request request = {.method = "GET"};
    AUTO(fetcher_close) struct fetcher *fetcher = NULL;
    struct err err = {0};
    char *body = NULL;
    int status;
    size_t n;

    if (client != NULL) {
        snprintf(certificate, sizeof(certificate), "%s.pem", client);
        snprintf(key, sizeof(key), "%s.key", client);
        cfg.client_cert_file = certificate;
        cfg.client_key_file = key;
    }
    snprintf(url, sizeof(url), "https://127.0.0.1:%u%s", port, path);
    request.url = str_c(url);
    ck_assert_msg(fetcher_open(&cfg, &fetcher, &err) == 0, "%s", err.text);
    if (fetch_call(fetcher, &request, &status, &body, &n, &err) < 0)
        return err.code;
    ck_assert_int_eq(status, 200);
    if (ret_body != NULL)
        *ret_body = body;
    else
        free(body);
    return E_OK;
}

/* -- tests --------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *client; enum http_client_cert mode; bool passes; } client_cases[] = {
    {NULL,       CLIENT_CERT_NONE,     true},
    {"good",     CLIENT_CERT_NONE,     true},
    {NULL,       CLIENT_CERT_OPTIONAL, true},
    {"good",     CLIENT_CERT_OPTIONAL, true},
    {"stranger", CLIENT_CERT_OPTIONAL, false},
    {"expired",  CLIENT_CERT_OPTIONAL, false},
    {NULL,       CLIENT_CERT_REQUIRED, false},
    {"good",     CLIENT_CERT_REQUIRED, true},
    {"plain",    CLIENT_CERT_REQUIRED, true},
    {"below",    CLIENT_CERT_REQUIRED, true},
    {"expired",  CLIENT_CERT_REQUIRED, false},
    {"early",    CLIENT_CERT_REQUIRED, false},
    {"purpose",  CLIENT_CERT_REQUIRED, false},
    {"leafca",   CLIENT_CERT_REQUIRED, false},
    {"stranger", CLIENT_CERT_REQUIRED, false},
    {"other",    CLIENT_CERT_REQUIRED, false}, /* self-signed */
    {"notca",    CLIENT_CERT_REQUIRED, false}, /* issued by an end entity */
    {"root",     CLIENT_CERT_REQUIRED, false}, /* the CA itself */
};

/* clang-format on */

START_TEST(test_client_certificate)
{
    enum err_code code;
    char *body = NULL;

    open_listener("server", client_cases[_i].mode);
    code = call("root.pem", client_cases[_i].client, "/peer", &body);
    ck_assert_msg((code == E_OK) == client_cases[_i].passes, "%s, mode %d: %s",
                  client_cases[_i].client != NULL ? client_cases[_i].client : "none",
                  client_cases[_i].mode, err_name(code));
    /* refused in the handshake: no request was ever seen */
    ck_assert_int_eq(counter_get(C_HTTP_REQUESTS), client_cases[_i].passes ? 1 : 0);
    if (code == E_OK &&
        (client_cases[_i].client == NULL || client_cases[_i].mode == CLIENT_CERT_NONE))
        ck_assert_str_eq(body, "nobody");
    else if (code == E_OK)
        ck_assert_uint_eq(strlen(body), 64);
    free(body);
    http_close(&http, 0);
}

END_TEST

START_TEST(test_fingerprint)
{
    const char *const arguments[] = {"x509",    "-in",          "good.pem", "-noout",
                                     "-sha256", "-fingerprint", NULL};
    char text[256] = {0};
    char hex[65] = {0};
    char *body = NULL;
    size_t n = 0;
    int fd;

    ck_assert_int_eq(openssl("print.txt", arguments), 0);
    fd = open("print.txt", O_RDONLY | O_CLOEXEC);
    ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
    close(fd);
    for (const char *c = strchr(text, '=') + 1; *c != '\0' && n < 64; c++)
        if (*c != ':' && *c != '\n')
            hex[n++] = *c >= 'A' && *c <= 'F' ? (char)(*c | 0x20) : *c;
    open_listener("server", CLIENT_CERT_REQUIRED);
    ck_assert_int_eq(call("root.pem", "good", "/peer", &body), E_OK);
    ck_assert_str_eq(body, hex);
    free(body);
    http_close(&http, 0);
}

END_TEST

static bool handshake(const char *const *more)
{
    const char *arguments[20] = {"s_client", "-brief", "-connect"};
    char where[32];
    size_t n = 3;

    snprintf(where, sizeof(where), "127.0.0.1:%u", port);
    arguments[n++] = where;
    while (*more != NULL)
        arguments[n++] = *more++;
    return openssl(NULL, arguments) == 0;
}

#define HANDSHAKE(...) handshake((const char *const[]){__VA_ARGS__, NULL})

START_TEST(test_versions_and_ciphers)
{
    open_listener("rsa", CLIENT_CERT_NONE);
    ck_assert(HANDSHAKE("-tls1_3"));
    ck_assert(HANDSHAKE("-tls1_2"));
    ck_assert(HANDSHAKE("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"));
    ck_assert(HANDSHAKE("-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"));
    /* the cipher lists say level 0, so that our side is the one that refuses */
    ck_assert(!HANDSHAKE("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"));
    ck_assert(!HANDSHAKE("-tls1", "-cipher", "ALL:@SECLEVEL=0"));
    ck_assert(!HANDSHAKE("-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"));
    ck_assert(!HANDSHAKE("-tls1_2", "-cipher", "AES256-SHA256:@SECLEVEL=0"));
    ck_assert(!HANDSHAKE("-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0"));
    ck_assert(!HANDSHAKE("-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA:@SECLEVEL=0"));
    ck_assert(!HANDSHAKE("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"));
    ck_assert(!HANDSHAKE("-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0"));
    http_close(&http, 0);
}

END_TEST

START_TEST(test_server_name_is_checked)
{
    open_listener("server", CLIENT_CERT_NONE);
    ck_assert_int_eq(call("root.pem", NULL, "/peer", NULL), E_OK);
    ck_assert_int_eq(call("other.pem", NULL, "/peer", NULL), E_PEER_DOWN);
    http_close(&http, 0);
    /* a client's certificate is no server's */
    open_listener("good", CLIENT_CERT_NONE);
    ck_assert_int_eq(call("root.pem", NULL, "/peer", NULL), E_PEER_DOWN);
    http_close(&http, 0);
}

END_TEST

START_TEST(test_reload)
{
    struct err err = {0};

    write_file("live.pem", "");
    write_file("live.key", "");
    append_file("live.pem", "server.pem");
    append_file("live.key", "server.key");
    open_listener("live", CLIENT_CERT_NONE);
    ck_assert_int_eq(call("root.pem", NULL, "/peer", NULL), E_OK);
    /* new files change nothing before the reload */
    ck_assert_int_eq(rename("next.pem", "live.pem"), 0);
    ck_assert_int_eq(call("root.pem", NULL, "/peer", NULL), E_OK);
    /* certificate and key that do not match: the old ones stay */
    ck_assert_int_eq(http_reload(http, NULL, NULL, &err), -(int)E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.text, "live.pem"));
    ck_assert_int_eq(call("root.pem", NULL, "/peer", NULL), E_OK);
    ck_assert_int_eq(rename("next.key", "live.key"), 0);
    err_clear(&err);
    ck_assert_msg(http_reload(http, NULL, NULL, &err) == 0, "%s", err.text);
    ck_assert_int_eq(call("root.pem", NULL, "/peer", NULL), E_PEER_DOWN);
    ck_assert_int_eq(call("other.pem", NULL, "/peer", NULL), E_OK);
    http_close(&http, 0);
}

END_TEST

START_TEST(test_bodies_over_tls)
{
    static const struct str loopback = {"127.0.0.0/8", 11};
    struct fetch_cfg cfg = {
        .env = &env_system, .ca_file = "root.pem", .allow = &loopback, .n_allow = 1};
    struct fetch_request request = {.method = "POST", .max_response = MIB(8)};
    AUTO(fetcher_close) struct fetcher *fetcher = NULL;
    struct err err = {0};
    char url[64];
    char *sent = malloc(MIB(6));
    char *body = NULL;
    int status;
    size_t n;

    open_listener("server", CLIENT_CERT_NONE);
    for (size_t i = 0; i < MIB(6); i++)
        sent[i] = (char)(i * 7 % 251);
    ck_assert_int_eq(fetcher_open(&cfg, &fetcher, &err), 0);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/echo", port);
    request.url = str_c(url);
    request.body = str_n(sent, MIB(6));
    ck_assert_msg(fetch_call(fetcher, &request, &status, &body, &n, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(n, MIB(6));
    ck_assert_int_eq(memcmp(body, sent, n), 0);
    free(body);
    free(sent);
    ck_assert_int_eq(call("root.pem", NULL, "/file", &body), E_OK);
    ck_assert_str_eq(body, "CERTIFICATE-----");
    free(body);
    ck_assert(wait_until(file_ended, NULL));
    ck_assert_uint_eq(atomic_load(&file_sent), 16);
    fetcher_close(&fetcher);
    http_close(&http, 0);
}

END_TEST

START_TEST(test_no_handshake)
{
    int fd;

    open_listener("server", CLIENT_CERT_NONE);
    fd = raw_connect(port);
    ck_assert(raw_closed_within(fd, 5));
    close(fd);
    fd = raw_connect(port);
    raw_send_c(fd, "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert(raw_closed_within(fd, 5));
    close(fd);
    ck_assert_int_eq(counter_get(C_HTTP_REQUESTS), 0);
    http_close(&http, 0);
}

END_TEST

/* clang-format off */
static const struct { const char *name, *certificate, *key, *ca; enum http_client_cert mode; } bad_configs[] = {
    {"no such certificate",     "absent.pem", "server.key", NULL,         CLIENT_CERT_NONE},
    {"no such key",             "server.pem", "absent.key", NULL,         CLIENT_CERT_NONE},
    {"key not named",           "server.pem", NULL,         NULL,         CLIENT_CERT_NONE},
    {"another's key",           "server.pem", "rsa.key",    NULL,         CLIENT_CERT_NONE},
    {"no certificate",          "server.key", "server.key", NULL,         CLIENT_CERT_NONE},
    {"required without a CA",   "server.pem", "server.key", NULL,         CLIENT_CERT_REQUIRED},
    {"optional without a CA",   "server.pem", "server.key", NULL,         CLIENT_CERT_OPTIONAL},
    {"no such CA",              "server.pem", "server.key", "absent.pem", CLIENT_CERT_REQUIRED},
    {"CA file without any",     "server.pem", "server.key", "server.key", CLIENT_CERT_REQUIRED},
    {"required without TLS",    NULL,         NULL,         "root.pem",   CLIENT_CERT_REQUIRED},
};

/* clang-format on */

START_TEST(test_refuses_to_start)
{
    struct http_cfg cfg = {.env = &env_system,
                           .name = "tls",
                           .address = STR("127.0.0.1:0"),
                           .cert_file = bad_configs[_i].certificate,
                           .key_file = bad_configs[_i].key,
                           .client_ca_file = bad_configs[_i].ca,
                           .client_cert = bad_configs[_i].mode};
    struct err err = {0};

    ck_assert_msg(http_open(&cfg, &http, &err) == -(int)E_CONFIG, "%s: started",
                  bad_configs[_i].name);
    ck_assert_ptr_null(http);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http tls");
    TCase *tc = tcase_create("tls");

    tcase_set_timeout(tc, 60);
    tcase_add_unchecked_fixture(tc, make_certificates, remove_certificates);
    tcase_add_loop_test(tc, test_client_certificate, 0, (int)ARRAY_LEN(client_cases));
    tcase_add_test(tc, test_fingerprint);
    tcase_add_test(tc, test_versions_and_ciphers);
    tcase_add_test(tc, test_server_name_is_checked);
    tcase_add_test(tc, test_bodies_over_tls);
    tcase_add_test(tc, test_no_handshake);
    tcase_add_loop_test(tc, test_refuses_to_start, 0, (int)ARRAY_LEN(bad_configs));
    tcase_add_test(tc, test_reload);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr;
    int bad;

    if (OPENSSL("version") != 0) {
        fprintf(stderr, "skipped: the openssl command is not installed\n");
        return 0;
    }
    sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
