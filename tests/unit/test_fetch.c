/*
 * tests/unit/test_fetch.c - outbound HTTP: address filter, deadlines, caps, peers that misbehave
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/timefmt.h"
#include "lib/http/http.h"
#include "lib/log/counters.h"
#include "lib/net/fetch.h"
#include "tests/unit/raw_http.h"

#include "lib/base/banned.h"

/* -- the address filter ------------------------------------------------------------------------ */

/* clang-format off */
static const struct { const char *address; bool allowed, with_allow; } address_cases[] = {
    {"0.0.0.0",          false, false}, {"0.255.255.255",    false, false},
    {"1.0.0.0",          true,  true},  {"9.255.255.255",    true,  true},
    {"10.0.0.0",         false, true},  {"10.255.255.255",   false, true},
    {"11.0.0.0",         true,  true},  {"100.63.255.255",   true,  true},
    {"100.64.0.0",       false, false}, {"100.127.255.255",  false, false},
    {"100.128.0.0",      true,  true},  {"126.255.255.255",  true,  true},
    {"127.0.0.0",        false, false}, {"127.0.0.1",        false, true},
    {"127.0.0.2",        false, false}, {"127.255.255.255",  false, false},
    {"128.0.0.0",        true,  true},  {"169.253.255.255",  true,  true},
    {"169.254.0.0",      false, false}, {"169.254.169.254",  false, false},
    {"169.255.0.0",      true,  true},  {"172.15.255.255",   true,  true},
    {"172.16.0.0",       false, false}, {"172.31.255.255",   false, false},
    {"172.32.0.0",       true,  true},  {"192.0.0.1",        false, false},
    {"192.0.0.255",      false, false}, {"192.0.1.0",        true,  true},
    {"192.0.2.7",        false, false}, {"192.0.3.0",        true,  true},
    {"192.88.99.1",      false, false}, {"192.167.255.255",  true,  true},
    {"192.168.0.0",      false, false}, {"192.168.255.255",  false, false},
    {"192.169.0.0",      true,  true},  {"198.17.255.255",   true,  true},
    {"198.18.0.0",       false, false}, {"198.19.255.255",   false, false},
    {"198.20.0.0",       true,  true},  {"198.51.100.3",     false, false},
    {"203.0.113.3",      false, false}, {"203.0.114.0",      true,  true},
    {"223.255.255.255",  true,  true},  {"224.0.0.1",        false, false},
    {"239.255.255.255",  false, false}, {"240.0.0.1",        false, false},
    {"255.255.255.255",  false, false}, {"8.8.8.8",          true,  true},
    {"::",               false, false}, {"::1",              false, false},
    {"::2",              false, false}, {"::7f00:1",         false, false},
    {"::ffff:127.0.0.1", false, true},  {"::ffff:127.0.0.2", false, false},
    {"::ffff:10.1.2.3",  false, true},  {"::ffff:169.254.169.254", false, false},
    {"::ffff:8.8.8.8",   true,  true},  {"::ffff:0:127.0.0.1", false, false},
    {"64:ff9b::7f00:1",  false, false}, {"64:ff9b::808:808", false, false},
    {"64:ff9b:1::1",     false, false}, {"100::1",           false, false},
    {"1fff:ffff::1",     false, false}, {"2000::1",          true,  true},
    {"2001::1",          false, false}, {"2001:1ff:ffff::1", false, false},
    {"2001:200::1",      true,  true},  {"2001:db7::1",      true,  true},
    {"2001:db8::1",      false, false}, {"2001:db9::1",      true,  true},
    {"2002:7f00:1::1",   false, false}, {"2003::1",          true,  true},
    {"2606:4700:4700::1111", true, true}, {"3ffe:ffff::1",   true,  true},
    {"3fff:fff::1",      false, false}, {"3fff:1000::1",     true,  true},
    {"4000::1",          false, false}, {"5f00::1",          false, false},
    {"fbff::1",          false, false}, {"fc00::1",          false, false},
    {"fd00::1",          false, true},  {"fd00:1::1",        false, false},
    {"fe80::1",          false, false}, {"fec0::1",          false, false},
    {"ff02::1",          false, false}, {"ffff::1",          false, false},
};
/* clang-format on */

static struct fetcher *fetcher;

static void open_fetcher(const struct str *allow, size_t n_allow, unsigned per_peer)
{
    struct fetch_cfg cfg = {.env = &env_system,
                            .allow_http = true,
                            .allow = allow,
                            .n_allow = n_allow,
                            .max_per_peer = per_peer,
                            .user_agent = "naru-test"};
    struct err err = {0};

    log_setup(2, LOG_ALARM, LOG_LOGFMT, &env_system);
    ck_assert_msg(fetcher_open(&cfg, &fetcher, &err) == 0, "%s", err.text);
}

static bool allowed(const char *text)
{
    struct sockaddr_in six4 = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &six4.sin_addr) == 1)
        return fetch_address_allowed(fetcher, (struct sockaddr *)&six4);
    ck_assert_int_eq(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return fetch_address_allowed(fetcher, (struct sockaddr *)&six);
}

START_TEST(test_address_filter)
{
    static const struct str blocks[] = {
        {"127.0.0.1",  9 },
        {"10.0.0.0/8", 10},
        {"fd00::/32",  9 }
    };
    struct sockaddr other = {.sa_family = AF_UNIX};

    open_fetcher(NULL, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(address_cases); i++)
        ck_assert_msg(allowed(address_cases[i].address) == address_cases[i].allowed, "%s",
                      address_cases[i].address);
    ck_assert(!fetch_address_allowed(fetcher, &other));
    fetcher_close(&fetcher);
    open_fetcher(blocks, ARRAY_LEN(blocks), 0);
    for (size_t i = 0; i < ARRAY_LEN(address_cases); i++)
        ck_assert_msg(allowed(address_cases[i].address) == address_cases[i].with_allow,
                      "%s with allowed blocks", address_cases[i].address);
    ck_assert(!fetch_address_allowed(fetcher, &other));
    fetcher_close(&fetcher);
}

END_TEST

START_TEST(test_config_mistakes)
{
    static const char *const bad[] = {"10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/-1", "10.0.0/8",
                                      "x",           "",           "fd00::/129",  "fd00::1/8",
                                      "10.0.0.0/",   "10.0.0.0/8x"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct str block = str_c(bad[i]);
        struct fetch_cfg cfg = {.env = &env_system, .allow = &block, .n_allow = 1};
        struct err err = {0};

        ck_assert_msg(fetcher_open(&cfg, &fetcher, &err) == -(int)E_CONFIG, "'%s'", bad[i]);
        ck_assert_ptr_null(fetcher);
    }
    for (int i = 0; i < 3; i++) {
        struct fetch_cfg cfg = {.env = &env_system};
        struct err err = {0};

        cfg.ca_file = i == 0 ? "/nonexistent/ca.pem" : i == 1 ? "/etc/passwd" : NULL;
        cfg.client_key_file = i == 2 ? "/etc/passwd" : NULL;
        ck_assert_int_eq(fetcher_open(&cfg, &fetcher, &err), -(int)E_CONFIG);
    }
}

END_TEST

/* -- URLs -------------------------------------------------------------------------------------- */

struct outcome {
    pthread_mutex_t lock;
    unsigned done;
    unsigned ok;
    enum err_code code;
    int status;
};

static struct outcome outcome = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct outcome *o = cls;

    pthread_mutex_lock(&o->lock);
    o->done++;
    o->ok += response != NULL && response->status == 200;
    o->code = err->code;
    o->status = response != NULL ? response->status : 0;
    pthread_mutex_unlock(&o->lock);
}

static unsigned done_count(void)
{
    unsigned n;

    pthread_mutex_lock(&outcome.lock);
    n = outcome.done;
    pthread_mutex_unlock(&outcome.lock);
    return n;
}

static bool done_reached(void *cls)
{
    return done_count() >= *(unsigned *)cls;
}

/* Submits and waits; the code of whatever failed first. */
static enum err_code get_code(const char *url, int64_t timeout_us)
{
    struct fetch_request request = {.method = "GET",
                                    .url = str_c(url),
                                    .deadline_mono_us = env_mono_us(&env_system) + timeout_us,
                                    .done = note,
                                    .cls = &outcome};
    unsigned want = done_count() + 1;
    struct err err = {0};

    if (fetch_submit(fetcher, &request, NULL, &err) < 0)
        return err.code;
    ck_assert_msg(wait_until(done_reached, &want), "%s: no end", url);
    return outcome.code;
}

/*
 * reference/security.md fact 5: spellings of loopback, each must be refused (before or at the
 * socket).
 */
/* clang-format off */
static const char *const loopbacks[] = {
    "127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "0x7f.0x0.0x0.0x1", "2130706433",
    "017700000001", "0177.0.0.1", "0177.1", "127.000.000.001", "127.0.0.1.", "0", "0.0.0.0", "[::]",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[::ffff:0:127.0.0.1]", "localhost", "LOCALHOST", "localhost.",
    "foo.localhost", "\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.\xe2\x93\xaa.\xe2\x93\xaa.\xe2\x91\xa0",
    "127\xe3\x80\x82" "0\xe3\x80\x82" "0\xe3\x80\x82" "1", "good.example\\@127.0.0.1",
    "good.example@127.0.0.1", "127.0.0.1%00.good.example", "%31%32%37.0.0.1", "127.0.0.1#@good.example",
};
/* clang-format on */

static struct http *http;
static uint16_t port;

static void open_server(void);

START_TEST(test_loopback_spellings)
{
    char url[256];

    ck_assert_uint_eq(ARRAY_LEN(loopbacks), 33);
    open_server();
    open_fetcher(NULL, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(loopbacks); i++) {
        enum err_code code;

        snprintf(url, sizeof(url), "http://%s:%u/hello", loopbacks[i], port);
        code = get_code(url, 5 * US_PER_S);
        /* a name that nobody resolves is no answer either */
        ck_assert_msg(code == E_PEER_ADDRESS || code == E_PEER_DOWN, "%s: %s", url, err_name(code));
    }
    ck_assert_int_eq(counter_get(C_HTTP_CONNECTIONS), 0);
    ck_assert_int_eq(counter_get(C_HTTP_REQUESTS), 0);
    ck_assert_int_gt(counter_get(C_FETCH_DENIED), 10);
    fetcher_close(&fetcher);
    http_close(&http, 0);
}

END_TEST

/* Judged in advance: what the text tells, never what a name resolves to. */
START_TEST(test_judged_in_advance)
{
    static const struct str loopback[] = {STR_INIT("127.0.0.0/8")};

    /* clang-format off */
    static const struct { const char *url; bool good, with_loopback; } more[] = {
        {"https://good.example/dsp",            true,  true },
        {"https://good.example",                true,  true },
        {"https://good.example:8443/a/b/",      true,  true },
        {"https://8.8.8.8/dsp",                 true,  true },
        {"https://[2606:4700:4700::1111]/dsp",  true,  true },
        {"https://localhost.example/dsp",       true,  true },
        {"https://notlocalhost/dsp",            true,  true },
        {"https://127.0.0.1.example/dsp",       true,  true },
        {"https://localhost/dsp",               false, true },
        {"https://LOCALHOST.:1/dsp",            false, true },
        {"https://a.b.localhost/dsp",           false, true },
        {"https://2130706433/dsp",              false, true },
        {"https://[::ffff:7f00:1]/dsp",         false, true },
        {"https://[::1]/dsp",                   false, false},
        {"https://[fe80::1%25lo]/dsp",          false, false},
        {"https://169.254.169.254/",            false, false},
        {"https://10.0.0.1:8443/dsp",           false, false},
        {"https://good.example:99999/dsp",      false, false},
        {"https://user@good.example/dsp",       false, false},
        {"ftp://good.example/",                 false, false},
        {"https://",                            false, false},
        {"",                                    false, false},
    };

    /* clang-format on */
    char url[256];

    for (int open = 0; open < 2; open++) {
        open_fetcher(loopback, (size_t)open, 0);
        for (size_t i = 0; i < ARRAY_LEN(more); i++) {
            struct err err = {0};
            const bool good = fetch_url_check(fetcher, str_c(more[i].url), NULL, &err) == 0;

            ck_assert_msg(good == (open ? more[i].with_loopback : more[i].good), "%s: %s",
                          more[i].url, err.text);
            ck_assert_msg(good || (err.code == E_PEER_ADDRESS && err.detail[0] != '\0'), "%s: %s",
                          more[i].url, err.text);
        }
        for (size_t i = 0; open == 0 && i < ARRAY_LEN(loopbacks); i++) {
            struct err err = {0};

            snprintf(url, sizeof(url), "https://%s/dsp", loopbacks[i]);
            ck_assert_msg(fetch_url_check(fetcher, str_c(url), NULL, &err) == -(int)E_PEER_ADDRESS,
                          "%s", url);
        }
        fetcher_close(&fetcher);
    }
}

END_TEST

START_TEST(test_malformed_urls)
{
    static const char *const bad[] = {
        "",
        "x",
        "//127.0.0.1/",
        "file:///etc/passwd",
        "ftp://1.1.1.1/",
        "dict://1.1.1.1/",
        "gopher://1.1.1.1/",
        "http:///x",
        "http://",
        "http://a b/",
        "http://1.1.1.1/\r\nX: y",
        "http://1.1.1.1/\x01",
        "http://1.1.1.1:99999/",
        "http://[::1/",
        "http://user:pass@1.1.1.1/",
        "http://user@1.1.1.1/",
        "javascript:1",
        "http://1.1.1.1:x/",
    };
    struct fetch_request request = {.method = "GET", .done = note, .cls = &outcome};
    struct err err = {0};
    char *longest = malloc(5000);

    open_fetcher(NULL, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        request.url = str_c(bad[i]);
        err_clear(&err);
        ck_assert_msg(fetch_submit(fetcher, &request, NULL, &err) == -(int)E_PEER_ADDRESS, "'%s'",
                      bad[i]);
    }
    request.url = STR("http://1.1.1.1/\0x");
    ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), -(int)E_PEER_ADDRESS);
    memset(longest, 'a', 5000);
    memcpy(longest, "http://1.1.1.1/", 15);
    request.url = str_n(longest, 4097);
    ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), -(int)E_PEER_ADDRESS);
    free(longest);
    fetcher_close(&fetcher);
    ck_assert_uint_eq(outcome.done, 0);
}

END_TEST

START_TEST(test_malformed_headers)
{
    static const struct fetch_header bad[] = {
        {{"X", 1},     {"a\r\nY: b", 7}},
        {{"X", 1},     {"a\nb", 3}     },
        {{"X", 1},     {"a\0b", 3}     },
        {{"X: Y", 4},  {"a", 1}        },
        {{"", 0},      {"a", 1}        },
        {{"X\r\n", 3}, {"a", 1}        },
    };
    struct fetch_request request = {.method = "GET",
                                    .url = STR("http://1.1.1.1/"),
                                    .n_headers = 1,
                                    .done = note,
                                    .cls = &outcome};

    open_fetcher(NULL, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};

        request.headers = &bad[i];
        ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), -(int)E_INVALID);
    }
    fetcher_close(&fetcher);
}

END_TEST

/* -- an honest peer ---------------------------------------------------------------------------- */

static int hello(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply_header(rq, "X-Twice", STR("one"));
    rq_reply_header(rq, "X-Port", STR("two"));
    rq_reply(rq, 200, "text/plain; charset=utf-8", STR("hello"));
    return 0;
}

static int echo(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply_header(rq, "X-Method", rq->method);
    rq_reply_header(rq, "X-Type", rq_header(rq, "Content-Type"));
    rq_reply_header(rq, "X-Expect", rq_header(rq, "Expect"));
    rq_reply_header(rq, "X-Agent", rq_header(rq, "User-Agent"));
    rq_reply_header(rq, "X-Empty", str_present(rq_header(rq, "X-Void")) ? STR("there") : STR("no"));
    rq_reply(rq, 201, "application/octet-stream", rq->body);
    return 0;
}

static int sized(struct rq *rq, struct err *err)
{
    struct buf body = buf_init(MIB(64));
    int64_t n;

    if (rq_query_i64(rq, "n", 0, 0, (int64_t)MIB(32), &n, err) < 0)
        return err_ret(err);
    for (int64_t i = 0; i < n; i++)
        buf_add_char(&body, (char)('a' + i % 26));
    rq_reply_buf(rq, 200, "text/plain", &body);
    return 0;
}

static int redirect(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply_header(rq, "Location", STR("/hello"));
    rq_reply_empty(rq, 302);
    return 0;
}

/* clang-format off */
static const struct http_route routes[] = {
    HTTP_ROUTE_ROW(GET,    "/hello",    hello,    0, 0, 0)
    HTTP_ROUTE_ROW(POST,   "/echo",     echo,     0, MIB(4), 0)
    HTTP_ROUTE_ROW(PUT,    "/echo",     echo,     0, 0, 0)
    HTTP_ROUTE_ROW(DELETE, "/echo",     echo,     0, 0, 0)
    HTTP_ROUTE_ROW(GET,    "/sized",    sized,    0, 0, 0)
    HTTP_ROUTE_ROW(GET,    "/redirect", redirect, 0, 0, 0)
    {0},
};

/* clang-format on */

static void open_server(void)
{
    static const struct http_route *const tables[] = {routes};
    struct http_cfg cfg = {.env = &env_system,
                           .name = "peer",
                           .address = STR("127.0.0.1:0"),
                           .route_tables = tables,
                           .n_route_tables = 1};
    struct err err = {0};

    log_setup(2, LOG_ALARM, LOG_LOGFMT, &env_system);
    ck_assert_msg(http_open(&cfg, &http, &err) == 0, "%s", err.text);
    port = http_port(http);
}

static void open_both(void)
{
    static const struct str loopback = {"127.0.0.0/8", 11};

    open_server();
    open_fetcher(&loopback, 1, 8);
}

static void close_both(void)
{
    fetcher_close(&fetcher);
    ck_assert_ptr_null(fetcher);
    http_close(&http, 0);
}

static const char *url_of(const char *path)
{
    static char url[256];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
    return url;
}

/* clang-format off */
static const struct { const char *method, *path, *body; int status; const char *method_seen; } method_cases[] = {
    {"GET",    "/hello",  NULL,  200, NULL},
    {"HEAD",   "/hello",  NULL,  200, NULL},
    {"POST",   "/echo",   "abc", 201, "POST"},
    {"POST",   "/echo",   "",    201, "POST"},
    {"POST",   "/echo",   NULL,  201, "POST"},
    {"PUT",    "/echo",   "abc", 201, "PUT"},
    {"DELETE", "/echo",   NULL,  201, "DELETE"},
    {"DELETE", "/echo",   "x",   201, "DELETE"},
    {"GET",    "/none",   NULL,  404, NULL},
    {"PATCH",  "/echo",   "x",   405, NULL},
    {"GET",    "/redirect", NULL, 302, NULL},
    {"GET",    "/hello",  NULL,  200, NULL},
};

/* clang-format on */

static void check_answer(void *cls, const struct fetch_response *response, const struct err *err)
{
    const int i = *(const int *)cls;

    ck_assert_msg(err->code == E_OK, "case %d: %s", i, err->text);
    ck_assert_msg(response->status == method_cases[i].status, "case %d: %d", i, response->status);
    if (method_cases[i].method_seen != NULL) {
        ck_assert(str_eq_c(fetch_response_header(response->job, "x-method"),
                           method_cases[i].method_seen));
        ck_assert_uint_eq(fetch_response_header(response->job, "X-Type").n, 0);
        ck_assert_uint_eq(fetch_response_header(response->job, "X-Expect").n, 0);
        ck_assert(str_eq(fetch_response_header(response->job, "X-Agent"), STR("naru-test")));
        ck_assert(str_eq(fetch_response_header(response->job, "X-Empty"), STR("there")));
        ck_assert(
            str_eq_c(response->body, method_cases[i].body != NULL ? method_cases[i].body : ""));
    }
    if (strcmp(method_cases[i].path, "/hello") == 0) {
        ck_assert_str_eq(response->content_type, "text/plain; charset=utf-8");
        ck_assert(!str_present(fetch_response_header(response->job, "X-Absent")));
        ck_assert(
            str_eq_c(response->body, strcmp(method_cases[i].method, "HEAD") == 0 ? "" : "hello"));
    }
    note(&outcome, response, err);
}

/* One handle carries them all in turn, so nothing of a request may stay for the next. */
START_TEST(test_methods)
{
    static const struct fetch_header empty = {
        {"X-Void", 6},
        {"",       0}
    };

    for (int i = 0; i < (int)ARRAY_LEN(method_cases); i++) {
        struct fetch_request request = {.method = method_cases[i].method,
                                        .url = str_c(url_of(method_cases[i].path)),
                                        .headers = &empty,
                                        .n_headers = 1,
                                        .body = str_c(method_cases[i].body),
                                        .done = check_answer,
                                        .cls = &i};
        unsigned want = (unsigned)i + 1;
        struct err err = {0};

        ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), 0);
        ck_assert(wait_until(done_reached, &want));
    }
    /* all over one kept connection */
    ck_assert_int_eq(counter_get(C_HTTP_CONNECTIONS), 1);
}

END_TEST

START_TEST(test_response_cap)
{
    static const struct {
        const char *path;
        size_t max;
        enum err_code want;
    } cases[] = {
        {"/sized?n=1000",    1000, E_OK   },
        {"/sized?n=1001",    1000, E_LIMIT},
        {"/sized?n=1048576", 0,    E_OK   },
        {"/sized?n=1048577", 0,    E_LIMIT},
        {"/sized?n=0",       1,    E_OK   },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fetch_request request = {.method = "GET",
                                        .url = str_c(url_of(cases[i].path)),
                                        .max_response = cases[i].max,
                                        .done = note,
                                        .cls = &outcome};
        unsigned want = done_count() + 1;
        struct err err = {0};

        ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), 0);
        ck_assert(wait_until(done_reached, &want));
        ck_assert_msg(outcome.code == cases[i].want, "%s: %s", cases[i].path,
                      err_name(outcome.code));
    }
}

END_TEST

START_TEST(test_parallel)
{
    unsigned want = 200;

    for (unsigned i = 0; i < want; i++) {
        struct fetch_request request = {
            .method = "GET", .url = str_c(url_of("/sized?n=5000")), .done = note, .cls = &outcome};
        struct err err = {0};

        ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), 0);
    }
    ck_assert(wait_until(done_reached, &want));
    ck_assert_uint_eq(outcome.ok, 200);
    /* opened on demand, never more than cfg.max_per_peer */
    ck_assert_int_le(counter_get(C_HTTP_CONNECTIONS), 8);
}

END_TEST

START_TEST(test_call)
{
    struct fetch_request request = {.method = "GET", .url = str_c(url_of("/hello"))};
    struct err err = {0};
    int status = 0;
    char *body = NULL;
    size_t n = 0;

    ck_assert_int_eq(fetch_call(fetcher, &request, &status, &body, &n, &err), 0);
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(body, "hello");
    free(body);
    http_close(&http, 0);
    ck_assert_int_eq(fetch_call(fetcher, &request, &status, &body, &n, &err), -(int)E_PEER_DOWN);
    open_server();
}

END_TEST

/* -- streaming --------------------------------------------------------------------------------- */

struct taker {
    pthread_mutex_t lock;
    uint64_t n;
    unsigned heads, pauses;
    bool pause, stop, paused;
    size_t sum;
};

static enum fetch_flow taker_head(void *cls, const struct fetch_response *response)
{
    struct taker *taker = cls;

    ck_assert_int_eq(response->status, 200);
    ck_assert_uint_eq(taker->n, 0);
    taker->heads++;
    return FETCH_GO;
}

static enum fetch_flow taker_sink(void *cls, const void *p, size_t n)
{
    struct taker *taker = cls;
    enum fetch_flow flow = FETCH_GO;

    pthread_mutex_lock(&taker->lock);
    if (taker->stop && taker->n > 0) {
        flow = FETCH_STOP;
    } else if (taker->pause) {
        taker->pause = false;
        taker->paused = true;
        taker->pauses++;
        flow = FETCH_PAUSE;
    } else {
        for (size_t i = 0; i < n; i++)
            taker->sum += (size_t)((const char *)p)[i];
        taker->n += n;
        taker->pause = taker->pauses < 5;
    }
    pthread_mutex_unlock(&taker->lock);
    return flow;
}

static bool is_paused(void *cls)
{
    struct taker *taker = cls;
    bool paused;

    pthread_mutex_lock(&taker->lock);
    paused = taker->paused;
    taker->paused = false;
    pthread_mutex_unlock(&taker->lock);
    return paused;
}

static struct taker taker = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void taker_done(void *cls, const struct fetch_response *response, const struct err *err)
{
    (void)cls;
    note(&outcome, response, err);
}

START_TEST(test_pause_and_resume)
{
    struct fetch_request request = {.method = "GET",
                                    .url = str_c(url_of("/sized?n=3000000")),
                                    .head = taker_head,
                                    .sink = taker_sink,
                                    .done = taker_done,
                                    .cls = &taker};
    struct fetch *job = NULL;
    struct err err = {0};
    size_t sum = 0;
    unsigned want = 1;

    taker.pause = true;
    ck_assert_int_eq(fetch_submit(fetcher, &request, &job, &err), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert(wait_until(is_paused, &taker));
        fetch_resume(fetcher, job);
    }
    ck_assert(wait_until(done_reached, &want));
    ck_assert_uint_eq(taker.n, 3000000);
    for (size_t i = 0; i < 3000000; i++)
        sum += 'a' + i % 26;
    ck_assert_uint_eq(taker.sum, sum);
    ck_assert_uint_eq(taker.heads, 1);
    ck_assert_int_eq(outcome.code, E_OK);
}

END_TEST

START_TEST(test_sink_stops)
{
    struct fetch_request request = {.method = "GET",
                                    .url = str_c(url_of("/sized?n=3000000")),
                                    .head = taker_head,
                                    .sink = taker_sink,
                                    .done = taker_done,
                                    .cls = &taker};
    struct err err = {0};
    unsigned want = 1;

    taker.stop = true;
    taker.pauses = 5;
    ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), 0);
    ck_assert(wait_until(done_reached, &want));
    ck_assert_int_eq(outcome.code, E_PEER_REFUSED);
}

END_TEST

/* -- uploads ----------------------------------------------------------------------------------- */

/* Gives n bytes 'a'…'z' in pieces, waits now and then, breaks off at `broken`. */
struct giver {
    atomic_size_t at;
    size_t n, piece, broken;
    atomic_uint waits;
    atomic_bool waiting;
    atomic_llong sent;
    struct fetch *job;
};

static ssize_t give(void *cls, char *out, size_t max)
{
    struct giver *giver = cls;
    size_t n = giver->n - giver->at;

    if (giver->broken > 0 && giver->at >= giver->broken)
        return FETCH_BREAK;
    if (giver->waits > 0 && giver->at >= giver->n / (giver->waits + 1)) {
        giver->waits--;
        giver->waiting = true;
        return FETCH_WAIT;
    }
    n = n < giver->piece ? n : giver->piece;
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)('a' + (giver->at + i) % 26);
    giver->at += n;
    return (ssize_t)n;
}

static bool is_waiting(void *cls)
{
    return atomic_exchange(&((struct giver *)cls)->waiting, false);
}

static void check_upload(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct giver *giver = cls;
    size_t wrong = 0;

    if (err->code == E_OK && response->status == 201) {
        ck_assert_uint_eq(response->body.n, giver->n);
        for (size_t i = 0; i < giver->n; i++)
            wrong += response->body.p[i] != (char)('a' + i % 26);
        ck_assert_uint_eq(wrong, 0); /* once: each assertion writes to the runner */
    }
    if (giver->job != NULL)
        giver->sent = fetch_sent(giver->job);
    note(&outcome, response, err);
}

/* clang-format off */
static const struct { const char *method, *path; size_t n, piece, broken; unsigned waits; bool known; int status; enum err_code want; } uploads[] = {
    {"POST", "/echo",     0,       1,      0,    0, true,  201, E_OK},
    {"POST", "/echo",     0,       1,      0,    0, false, 201, E_OK},
    {"POST", "/echo",     5,       1,      0,    0, true,  201, E_OK},
    {"POST", "/echo",     5,       1,      0,    0, false, 201, E_OK},
    {"POST", "/echo",     3000000, 100000, 0,    0, true,  201, E_OK},
    {"POST", "/echo",     3000000, 100000, 0,    0, false, 201, E_OK},
    {"POST", "/echo",     3000000, 7777,   0,    5, true,  201, E_OK},
    {"POST", "/echo",     3000000, 7777,   0,    5, false, 201, E_OK},
    {"PUT",  "/echo",     1000,    400,    0,    1, true,  201, E_OK},
    {"POST", "/echo",     3000000, 100000, 2000, 0, true,  0,   E_PEER_REFUSED},
    {"POST", "/echo",     3000000, 100000, 2000, 0, false, 0,   E_PEER_REFUSED},
    {"POST", "/none",     1000,    1000,   0,    0, true,  404, E_OK},
    {"POST", "/redirect", 1000,    1000,   0,    0, false, 405, E_OK},
};

/* clang-format on */

START_TEST(test_upload)
{
    struct giver giver = {.n = uploads[_i].n,
                          .piece = uploads[_i].piece,
                          .broken = uploads[_i].broken,
                          .waits = uploads[_i].waits};
    struct fetch_request request = {.method = uploads[_i].method,
                                    .url = str_c(url_of(uploads[_i].path)),
                                    .source = give,
                                    .source_length = uploads[_i].known ? (int64_t)giver.n : -1,
                                    .max_response = MIB(4),
                                    .done = check_upload,
                                    .cls = &giver};
    struct err err = {0};
    unsigned want = 1;

    ck_assert_int_eq(fetch_submit(fetcher, &request, &giver.job, &err), 0);
    for (unsigned i = 0; i < uploads[_i].waits; i++) {
        ck_assert(wait_until(is_waiting, &giver));
        fetch_resume(fetcher, giver.job);
    }
    ck_assert(wait_until(done_reached, &want));
    ck_assert_int_eq(outcome.code, uploads[_i].want);
    ck_assert_uint_le((size_t)giver.sent, giver.at + KIB(4));
    if (uploads[_i].status == 201)
        ck_assert_uint_eq(giver.at, giver.n);
    if (uploads[_i].status == 201 && uploads[_i].known)
        ck_assert_uint_eq((size_t)giver.sent, giver.n);
}

END_TEST

/* A stranger's URL: what is allowed to us is not allowed to him, also where a connection is open. */
START_TEST(test_guest)
{
    static const struct str loopback = {"127.0.0.0/8", 11};
    struct fetch_request request = {.method = "GET", .url = str_c(url_of("/hello"))};
    struct err err = {0};
    int status = 0;
    char *body = NULL;
    size_t n;

    for (int guest = 0; guest < 2; guest++) {
        struct fetch_cfg cfg = {.env = &env_system,
                                .allow_http = true,
                                .allow = &loopback,
                                .n_allow = 1,
                                .guest_allow = &loopback,
                                .n_guest_allow = (size_t)guest};

        fetcher_close(&fetcher);
        ck_assert_int_eq(fetcher_open(&cfg, &fetcher, &err), 0);
        request.guest = false;
        ck_assert_int_eq(fetch_call(fetcher, &request, &status, &body, &n, &err), 0);
        free(MOVE(body));
        request.guest = true;
        ck_assert_int_eq(fetch_call(fetcher, &request, &status, &body, &n, &err),
                         guest == 1 ? 0 : -E_PEER_ADDRESS);
        free(MOVE(body));
        err_clear(&err);
    }
}

END_TEST

/* An upload leaves nothing for the next request of the same handle. */
START_TEST(test_upload_then_get)
{
    struct giver giver = {.n = 100, .piece = 100};
    struct fetch_request request = {.method = "POST",
                                    .url = str_c(url_of("/echo")),
                                    .source = give,
                                    .source_length = -1,
                                    .done = check_upload,
                                    .cls = &giver};
    struct err err = {0};
    unsigned want = 1;

    ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), 0);
    ck_assert(wait_until(done_reached, &want));
    for (size_t i = 0; i < ARRAY_LEN(method_cases); i++) {
        int status = 0;
        char *body = NULL;
        size_t n;

        request = (struct fetch_request){.method = method_cases[i].method,
                                         .url = str_c(url_of(method_cases[i].path))};
        if (method_cases[i].body != NULL)
            request.body = str_c(method_cases[i].body);
        ck_assert_int_eq(fetch_call(fetcher, &request, &status, &body, &n, &err), 0);
        ck_assert_int_eq(status, method_cases[i].status);
        free(body);
    }
}

END_TEST

/* -- peers that misbehave ---------------------------------------------------------------------- */

struct rogue {
    int listener;
    uint16_t port;
    const char *first; /* sent once the request came */
    const char *text;  /* then this; NULL: nothing at all */
    bool repeat;       /* for ever */
    bool hold;         /* keeps the connection open afterwards */
    atomic_uint connections, closed;
    atomic_bool let_go; /* ends `hold` for the connection that is there */
    atomic_bool stop;
    pthread_t thread;
};

static void serve_one(struct rogue *rogue, int fd)
{
    char request[4096];

    if (recv(fd, request, sizeof(request), 0) > 0 && rogue->text != NULL) {
        send(fd, rogue->first, strlen(rogue->first), MSG_NOSIGNAL);
        do {
            if (send(fd, rogue->text, strlen(rogue->text), MSG_NOSIGNAL) < 0)
                break;
        } while (rogue->repeat && !atomic_load(&rogue->stop));
    }
    while (rogue->hold && !atomic_load(&rogue->stop) && !atomic_exchange(&rogue->let_go, false) &&
           poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 50) == 0)
        ;
    close(fd);
    atomic_fetch_add(&rogue->closed, 1);
}

static void *rogue_main(void *arg)
{
    struct rogue *rogue = arg;

    while (!atomic_load(&rogue->stop)) {
        struct pollfd one = {.fd = rogue->listener, .events = POLLIN};
        int fd;

        if (poll(&one, 1, 50) != 1)
            continue;
        fd = accept(rogue->listener, NULL, NULL);
        if (fd < 0)
            continue;
        atomic_fetch_add(&rogue->connections, 1);
        serve_one(rogue, fd);
    }
    return NULL;
}

static void rogue_start(struct rogue *rogue)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t n = sizeof(own);

    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    rogue->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(rogue->listener, (struct sockaddr *)&own, sizeof(own)), 0);
    ck_assert_int_eq(listen(rogue->listener, 16), 0);
    ck_assert_int_eq(getsockname(rogue->listener, (struct sockaddr *)&own, &n), 0);
    rogue->port = ntohs(own.sin_port);
    ck_assert_int_eq(pthread_create(&rogue->thread, NULL, rogue_main, rogue), 0);
}

static void rogue_stop(struct rogue *rogue)
{
    atomic_store(&rogue->stop, true);
    pthread_join(rogue->thread, NULL);
    close(rogue->listener);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

/* clang-format off */
static const struct { const char *name, *first, *text; bool repeat, hold; enum err_code want; } rogue_cases[] = {
    {"closes without a word",   "",      NULL,                                 false, false, E_PEER_DOWN},
    {"closes behind the status", OK_HEAD, "",                                  false, false, E_PEER_DOWN},
    {"closes in the header",    OK_HEAD, "Content-Length: 5\r\nETa",           false, false, E_PEER_DOWN},
    {"never answers",           "",      NULL,                                 false, true,  E_PEER_TIMEOUT},
    {"no HTTP",                 "",      "SSH-2.0-OpenSSH\r\n",                false, false, E_PEER_DOWN},
    {"HTTP/0.9",                "",      "hello",                              false, false, E_PEER_DOWN},
    {"status is no number",     "",      "HTTP/1.1 abc OK\r\n\r\n",            false, false, E_PEER_DOWN},
    {"endless header lines",    "",      "X-Header: 0123456789012345678901234567890123456789\r\n", true, true, E_PEER_DOWN},
    {"endless good header",     OK_HEAD, "X-A: b\r\n",                 true,  true,  E_LIMIT},
    {"endless one line",        "",      "0123456789012345678901234567890123456789", true, true, E_PEER_DOWN},
    {"endless 100",             "",      "HTTP/1.1 100 Continue\r\n\r\n",      true,  true,  E_LIMIT},
    {"head, then nothing",      OK_HEAD, "Content-Length: 5\r\n\r\n",  false, true,  E_PEER_TIMEOUT},
    {"body too short",          OK_HEAD, "Content-Length: 5\r\n\r\nab", false, false, E_PEER_DOWN},
    {"announces too much",      OK_HEAD, "Content-Length: 99999999\r\n\r\n", false, true, E_LIMIT},
    {"endless body",            OK_HEAD, "\r\n0123456789012345678901234567890123456789", true, true, E_LIMIT},
    {"bad chunk",               OK_HEAD, "Transfer-Encoding: chunked\r\n\r\nzz\r\n", false, false, E_PEER_DOWN},
    {"cut chunk",               OK_HEAD, "Transfer-Encoding: chunked\r\n\r\n5\r\nab", false, false, E_PEER_DOWN},
    {"no last chunk",           OK_HEAD, "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", false, false, E_PEER_DOWN},
    {"empty chunked body",      OK_HEAD, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, true, E_OK},
    {"no length, then close",   OK_HEAD, "\r\nab",                     false, false, E_OK},
    {"100, then 200",           "",      "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Content-Length: 2\r\n\r\nab", false, true, E_OK},
};

/* clang-format on */

START_TEST(test_rogue)
{
    struct rogue rogue = {.first = rogue_cases[_i].first,
                          .text = rogue_cases[_i].text,
                          .repeat = rogue_cases[_i].repeat,
                          .hold = rogue_cases[_i].hold};
    int64_t begin_us = env_mono_us(&env_system);
    enum err_code code;

    rogue_start(&rogue);
    port = rogue.port;
    code = get_code(url_of("/"), 700000);
    ck_assert_msg(code == rogue_cases[_i].want, "%s: %s", rogue_cases[_i].name, err_name(code));
    /* the deadline is absolute: nothing lasts longer */
    ck_assert_int_lt(env_mono_us(&env_system) - begin_us, 5 * US_PER_S);
    rogue_stop(&rogue);
}

END_TEST

static bool one_closed(void *rogue)
{
    return atomic_load(&((struct rogue *)rogue)->closed) == 1;
}

static int64_t cpu_us(void)
{
    struct timespec used;

    ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return used.tv_sec * US_PER_S + used.tv_nsec / 1000;
}

/* A connection stays for the next request; that its peer closes it meanwhile costs no time, and the next request opens another. */
START_TEST(test_closed_while_idle)
{
    struct rogue quits = {.first = OK_HEAD, .text = "Content-Length: 2\r\n\r\nab", .hold = true};
    struct rogue silent = {.hold = true};
    int64_t before_us;

    rogue_start(&quits);
    rogue_start(&silent);
    port = quits.port;
    ck_assert_int_eq(get_code(url_of("/"), 5 * US_PER_S), E_OK);
    atomic_store(&quits.let_go, true);
    ck_assert(wait_until(one_closed, &quits));
    port = silent.port;
    before_us = cpu_us();
    ck_assert_int_eq(get_code(url_of("/"), US_PER_S), E_PEER_TIMEOUT);
    ck_assert_int_lt(cpu_us() - before_us, US_PER_S / 2);
    port = quits.port;
    ck_assert_int_eq(get_code(url_of("/"), 5 * US_PER_S), E_OK);
    ck_assert_uint_eq(atomic_load(&quits.connections), 2);
    rogue_stop(&quits);
    rogue_stop(&silent);
}

END_TEST

START_TEST(test_deadline_while_waiting)
{
    struct rogue rogue = {.hold = true};
    unsigned want = 20;

    rogue_start(&rogue);
    port = rogue.port;
    for (unsigned i = 0; i < want; i++) {
        struct fetch_request request = {.method = "GET",
                                        .url = str_c(url_of("/")),
                                        .deadline_mono_us = env_mono_us(&env_system) + 300000,
                                        .done = note,
                                        .cls = &outcome};
        struct err err = {0};

        ck_assert_int_eq(fetch_submit(fetcher, &request, NULL, &err), 0);
    }
    /* 8 run, 12 wait for a place: all end at their deadline */
    ck_assert(wait_until(done_reached, &want));
    ck_assert_int_eq(outcome.code, E_PEER_TIMEOUT);
    rogue_stop(&rogue);
}

END_TEST

START_TEST(test_cancel_and_close)
{
    struct rogue rogue = {.hold = true};
    struct fetch *jobs[20];
    unsigned want = 10;

    rogue_start(&rogue);
    port = rogue.port;
    for (unsigned i = 0; i < 20; i++) {
        struct fetch_request request = {
            .method = "GET", .url = str_c(url_of("/")), .done = note, .cls = &outcome};
        struct err err = {0};

        ck_assert_int_eq(fetch_submit(fetcher, &request, &jobs[i], &err), 0);
    }
    /* every second one, active or waiting, in either order */
    for (unsigned i = 0; i < 20; i += 4)
        fetch_cancel(fetcher, jobs[i]);
    for (int i = 18; i >= 0; i -= 4)
        fetch_cancel(fetcher, jobs[i]);
    ck_assert(wait_until(done_reached, &want));
    ck_assert_int_eq(outcome.code, E_SHUTDOWN);
    fetcher_close(&fetcher);
    ck_assert_uint_eq(outcome.done, 20);
    ck_assert_int_eq(outcome.code, E_SHUTDOWN);
    rogue_stop(&rogue);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fetch");
    TCase *tc = tcase_create("alone");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_address_filter);
    tcase_add_test(tc, test_config_mistakes);
    tcase_add_test(tc, test_loopback_spellings);
    tcase_add_test(tc, test_judged_in_advance);
    tcase_add_test(tc, test_malformed_urls);
    tcase_add_test(tc, test_malformed_headers);
    suite_add_tcase(s, tc);

    tc = tcase_create("with a peer");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, open_both, close_both);
    tcase_add_test(tc, test_methods);
    tcase_add_test(tc, test_response_cap);
    tcase_add_test(tc, test_parallel);
    tcase_add_test(tc, test_call);
    tcase_add_test(tc, test_pause_and_resume);
    tcase_add_test(tc, test_sink_stops);
    tcase_add_loop_test(tc, test_upload, 0, (int)ARRAY_LEN(uploads));
    tcase_add_test(tc, test_upload_then_get);
    tcase_add_test(tc, test_guest);
    tcase_add_loop_test(tc, test_rogue, 0, (int)ARRAY_LEN(rogue_cases));
    tcase_add_test(tc, test_closed_while_idle);
    tcase_add_test(tc, test_deadline_while_waiting);
    tcase_add_test(tc, test_cancel_and_close);
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
