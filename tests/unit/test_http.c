/*
 * tests/unit/test_http.c - inbound HTTP: framing, routes, bodies, answers
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/encode.h"
#include "lib/http/http.h"
#include "lib/log/counters.h"
#include "tests/unit/raw_http.h"

#include "lib/base/banned.h"

/* -- a listener with one route for each thing to see ------------------------------------------- */

struct thing {
    struct str name;
    int64_t n;
};

static const struct field thing_fields[] = {
    FIELD(struct thing, name, "name", F_REQUIRED),
    FIELD(struct thing, n, "n", 0),
};
static OBJECT(thing_object, struct thing, thing_fields, CLOSED);

static int hello(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain", STR("hi"));
    return 0;
}

static int say_id(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain",
             arena_printf(rq->arena, "id=%.*s", STR_ARG(rq_param(rq, "id"))));
    return 0;
}

static int say_part(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain",
             arena_printf(rq->arena, "%.*s+%.*s", STR_ARG(rq_param(rq, "id")),
                          STR_ARG(rq_param(rq, "part"))));
    return 0;
}

static int say_special(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain", STR("special"));
    return 0;
}

static int say_rest(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain", arena_printf(rq->arena, "rest=%.*s", STR_ARG(rq->rest)));
    return 0;
}

static int echo(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "application/octet-stream", rq->body);
    return 0;
}

static int decode(struct rq *rq, struct err *err)
{
    struct thing thing = {.n = 7};

    if (rq_decode(rq, &thing_object, &thing, err) < 0)
        return err_ret(err);
    rq_reply_object(rq, 201, &thing_object, &thing);
    return 0;
}

static int query(struct rq *rq, struct err *err)
{
    int64_t limit;
    struct str q = rq_query(rq, "q");

    if (rq_query_i64(rq, "limit", 50, 1, 100, &limit, err) < 0)
        return err_ret(err);
    rq_reply(
        rq, 200, "text/plain",
        arena_printf(rq->arena, "%s%.*s %d", str_present(q) ? "=" : "-", STR_ARG(q), (int)limit));
    return 0;
}

static int conflict(struct rq *rq, struct err *err)
{
    rq_reply_header(rq, "X-Kept", STR("yes"));
    return err_tell(err, E_CONFLICT, "/a/b", "thing 'x' exists");
}

static int fail_after_reply(struct rq *rq, struct err *err)
{
    rq_reply(rq, 200, "text/plain", STR("never seen"));
    return err_set(err, E_CORRUPT, "", "row 7 of 'secret_table' is unreadable");
}

static int busy(struct rq *rq, struct err *err)
{
    (void)rq;
    return err_set(err, E_BUSY, "", "queue is full");
}

static int silent(struct rq *rq, struct err *err)
{
    (void)rq;
    (void)err;
    return 0;
}

static int headers(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply_header(rq, "Cache-Control", STR("max-age=60"));
    rq_reply_header(rq, "ETag", STR("\"v1\""));
    rq_reply_empty(rq, 204);
    return 0;
}

static int large(struct rq *rq, struct err *err)
{
    struct buf body = buf_init(MIB(8));

    for (int i = 0; i < 300000; i++)
        buf_add_c(&body, "0123456789");
    if (buf_failed(&body))
        return err_set(err, E_NO_MEMORY, "", "body");
    rq_reply_buf(rq, 200, "text/plain", &body);
    return 0;
}

static int file(struct rq *rq, struct err *err)
{
    char path[] = "/tmp/naru-test-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(write(fd, "0123456789", 10), 10);
    (void)err;
    rq_reply_fd(rq, 206, "text/plain", fd, 3, 4);
    return 0;
}

static int count_piece(struct rq *rq, const void *p, size_t n, struct err *err)
{
    uint64_t *seen = rq->cls;

    *seen += n;
    if (memchr(p, '!', n) != NULL)
        return err_tell(err, E_INVALID, "", "no exclamation marks");
    return 0;
}

static int say_count(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain",
             arena_printf(rq->arena, "%llu", (unsigned long long)*(uint64_t *)rq->cls));
    return 0;
}

static int sink(struct rq *rq, struct err *err)
{
    if (str_eq(rq_header(rq, "X-Refuse"), STR("yes")))
        return err_set(err, E_FORBIDDEN, "", "refused before the body");
    rq->cls = ARENA_NEW(rq->arena, uint64_t);
    rq_body_sink(rq, count_piece, say_count);
    return 0;
}

static int whoami(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain", *(struct str *)rq->principal);
    return 0;
}

static int authorise(struct rq *rq, unsigned who, struct err *err)
{
    struct str token = rq_header(rq, "Authorization");
    struct str *name;

    if (who == 0)
        return 0;
    if (!str_eq(token, STR("Bearer good")))
        return err_set(err, E_UNAUTHENTICATED, "", "token is unknown");
    name = ARENA_NEW(rq->arena, struct str);
    *name = STR("reader");
    rq->principal = name;
    return 0;
}

/* clang-format off */
static const struct http_route routes[] = {
    HTTP_ROUTE_ROW(GET,  "/hello",                  hello,            0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/items/{id}",             say_id,           0, 0, 0)
    HTTP_ROUTE_ROW(PUT,  "/items/{id}",             say_id,           0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/items/special",          say_special,      0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/items/{id}/parts/{part}", say_part,        0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/static",                 say_rest,         0, 0, HTTP_PREFIX)
    HTTP_ROUTE_ROW(GET,  "/slash/",                 say_rest,         0, 0, HTTP_PREFIX)
    HTTP_ROUTE_ROW(POST, "/echo",                   echo,             0, 100, 0)
    HTTP_ROUTE_ROW(POST, "/big",                    echo,             0, MIB(4), 0)
    HTTP_ROUTE_ROW(POST, "/decode",                 decode,           0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/query",                  query,            0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/fail",                   conflict,         0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/late",                   fail_after_reply, 0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/busy",                   busy,             0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/silent",                 silent,           0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/headers",                headers,          0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/large",                  large,            0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/file",                   file,             0, 0, 0)
    HTTP_ROUTE_ROW(POST, "/sink",                   sink,             0, MIB(16), HTTP_STREAM_BODY)
    HTTP_ROUTE_ROW(GET,  "/me",                     whoami,           1, 0, 0)
    HTTP_ROUTE_ROW(POST, "/me",                     echo,             1, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/metrics",                http_metrics,     0, 0, HTTP_NO_LOG)
    {0},
};
static const struct http_route any_routes[] = {
    {.method = "*", .path = "/any", .handler = hello, .name = "any"},
    {0},
};
/* clang-format on */

static struct http *http;
static uint16_t port;

static void open_with(bool tolerate_slashes)
{
    static const struct http_route *const tables[] = {routes, any_routes};
    struct http_cfg cfg = {.env = &env_system,
                           .name = "test",
                           .address = STR("127.0.0.1:0"),
                           .tolerate_slashes = tolerate_slashes,
                           .route_tables = tables,
                           .n_route_tables = ARRAY_LEN(tables),
                           .authorise = authorise};
    struct err err = {0};

    log_setup(2, LOG_ALARM, LOG_LOGFMT, &env_system);
    ck_assert_msg(http_open(&cfg, &http, &err) == 0, "%s", err.text);
    port = http_port(http);
}

static void open_strict(void)
{
    open_with(false);
}

static void close_listener(void)
{
    http_close(&http, 1000000);
    ck_assert_ptr_null(http);
}

/* -- routes ------------------------------------------------------------------------------------ */

/* clang-format off */
static const struct { const char *method, *target; int status; const char *body; } route_cases[] = {
    {"GET",    "/hello",                   200, "hi"},
    {"GET",    "/items/7",                 200, "id=7"},
    {"GET",    "/items/a%2Fb",             200, "id=a/b"},
    {"GET",    "/items/urn:uuid:1-2",      200, "id=urn:uuid:1-2"},
    {"GET",    "/items/%ED%83%84",         200, "id=\xed\x83\x84"},
    {"GET",    "/items/a%25b",             200, "id=a%b"},
    {"GET",    "/items/a+b",               200, "id=a+b"},
    {"GET",    "/items/special",           200, "special"},
    {"GET",    "/items/speci%61l",         200, "special"},
    {"PUT",    "/items/special",           200, "id=special"},
    {"GET",    "/items/special/parts/2",   200, "special+2"},
    {"GET",    "/items/1/parts/2%2f3",     200, "1+2/3"},
    {"GET",    "/static",                  200, "rest="},
    {"GET",    "/static/a%2Fb/c",          200, "rest=/a%2Fb/c"},
    {"GET",    "/slash/x/y",               200, "rest=x/y"},
    {"GET",    "/staticx",                 404, NULL},
    {"GET",    "/items/a%00b",             400, NULL},
    {"GET",    "/items/a%ff",              400, NULL},
    {"GET",    "/items/%ea%b0",            400, NULL},
    {"GET",    "/items/a%2",               400, NULL},
    {"GET",    "/items/a%zz",              400, NULL},
    {"GET",    "/items/",                  404, NULL},
    {"GET",    "/items",                   404, NULL},
    {"GET",    "/items//parts/2",          404, NULL},
    {"GET",    "/hello/",                  404, NULL},
    {"GET",    "//hello",                  404, NULL},
    {"GET",    "/",                        404, NULL},
    {"GET",    "/Hello",                   404, NULL},
    {"GET",    "/hello/../hello",          404, NULL},
    {"DELETE", "/hello",                   405, NULL},
    {"get",    "/hello",                   405, NULL},
    {"PATCH",  "/any",                     200, "hi"},
};

/* clang-format on */

START_TEST(test_route)
{
    char request[512];
    struct raw_answer answer;

    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", route_cases[_i].method,
             route_cases[_i].target);
    answer = raw_call_c(port, request);
    ck_assert_msg(answer.status == route_cases[_i].status, "%s %s: got %d %s",
                  route_cases[_i].method, route_cases[_i].target, answer.status,
                  answer.body_n > 0 ? answer.body : "");
    if (route_cases[_i].body != NULL)
        ck_assert_str_eq(answer.body, route_cases[_i].body);
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_slashes_tolerated)
{
    static const struct {
        const char *target, *body;
    } cases[] = {
        {"/hello/",      "hi"       },
        {"//hello",      "hi"       },
        {"//items///7/", "id=7"     },
        {"/items/a%2F/", "id=a/"    },
        {"/static//a/",  "rest=//a/"},
    };

    close_listener();
    open_with(true);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char request[256];
        struct raw_answer answer;

        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].target);
        answer = raw_call_c(port, request);
        ck_assert_msg(answer.status == 200, "%s: %d", cases[i].target, answer.status);
        ck_assert_str_eq(answer.body, cases[i].body);
        raw_answer_done(&answer);
    }
}

END_TEST

START_TEST(test_method_not_allowed_lists_methods)
{
    struct raw_answer answer =
        raw_call_c(port, "DELETE /items/special HTTP/1.1\r\nHost: x\r\n\r\n");

    ck_assert_int_eq(answer.status, 405);
    ck_assert(str_eq(raw_header(&answer, "Allow"), STR("GET, HEAD, PUT")));
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_head_is_get_without_body)
{
    int fd = raw_connect(port);
    struct raw_answer answer;

    raw_send_c(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = raw_read(fd, true);
    ck_assert_int_eq(answer.status, 200);
    ck_assert(str_eq(raw_header(&answer, "Content-Length"), STR("2")));
    /* nothing of a body is in the way of the next answer */
    raw_send_c(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = raw_read(fd, false);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, "hi");
    raw_answer_done(&answer);
    close(fd);
}

END_TEST

/* -- framing ----------------------------------------------------------------------------------- */

#define BYTES(text) text, sizeof(text) - 1

/* clang-format off */
static const struct { const char *name; const char *p; size_t n; int status; bool closes; } framing_cases[] = {
    {"plain",                   BYTES("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"), 200, false},
    {"empty line before",       BYTES("\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n"), 200, false},
    {"no blank after colon",    BYTES("GET /hello HTTP/1.1\r\nHost:x\r\n\r\n"), 200, false},
    {"blanks after colon",      BYTES("GET /hello HTTP/1.1\r\nHost: \t x\r\n\r\n"), 200, false},
    {"empty value",             BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX-A:\r\nX-B: \r\n\r\n"), 200, false},
    {"two content lengths",     BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"), 400, true},
    {"unequal content lengths", BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400, true},
    {"list content length",     BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na"), 400, true},
    {"signed content length",   BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na"), 400, true},
    {"negative content length", BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na"), 400, true},
    {"hex content length",      BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na"), 400, true},
    {"huge content length",     BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\na"), 413, true},
    {"two hosts",               BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), 400, true},
    {"two hosts, other case",   BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nhOST: y\r\n\r\n"), 400, true},
    {"no host",                 BYTES("GET /hello HTTP/1.1\r\n\r\n"), 400, true},
    {"host with path",          BYTES("GET /hello HTTP/1.1\r\nHost: x/y\r\n\r\n"), 400, true},
    {"host with user",          BYTES("GET /hello HTTP/1.1\r\nHost: a@x\r\n\r\n"), 400, true},
    {"TE with CL",              BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, true},
    {"CL after TE",             BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), 400, true},
    {"TE gzip, chunked",        BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400, true},
    {"TE identity",             BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n"), 400, true},
    {"TE xchunked",             BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 400, true},
    {"TE twice",                BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, true},
    {"TE in 1.0",               BYTES("POST /echo HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, true},
    {"body on GET",             BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), 400, true},
    {"chunked GET",             BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, true},
    {"body on HEAD",            BYTES("HEAD /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), 400, true},
    {"absolute form",           BYTES("GET http://x/hello HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"asterisk form",           BYTES("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"authority form",          BYTES("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"no leading slash",        BYTES("GET hello HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"fragment",                BYTES("GET /hello#a HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"backslash",               BYTES("GET /hello\\a HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"raw utf-8 in target",     BYTES("GET /hell\xc3\xb6 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"tab in target",           BYTES("GET /hel\tlo HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"NUL in target",           BYTES("GET /hello\0x HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"two blanks before target", BYTES("GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"blank at line's end",     BYTES("GET /hello HTTP/1.1 \r\nHost: x\r\n\r\n"), 400, true},
    {"bare LF in request line", BYTES("GET /hello HTTP/1.1\nHost: x\r\n\r\n"), 400, true},
    {"bare LF in field",        BYTES("GET /hello HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n"), 400, true},
    {"bare LF in last field",   BYTES("GET /hello HTTP/1.1\r\nHost: x\n\r\n"), 400, true},
    {"bare LF at the end",      BYTES("GET /hello HTTP/1.1\r\nHost: x\r\n\n"), 400, true},
    {"bare CR in field",        BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n"), 400, true},
    {"NUL in field value",      BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n"), 400, true},
    {"NULs like CRLF in field", BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\0\0X-B: c\r\n\r\n"), 400, true},
    {"NULs like a whole field", BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\0\0X-B\0 c\r\n\r\n"), 400, true},
    {"NUL in field name",       BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX\0-A: b\r\n\r\n"), 400, true},
    {"control byte in value",   BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\x01\r\n\r\n"), 400, true},
    {"DEL in value",            BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\x7f\r\n\r\n"), 400, true},
    {"blank before colon",      BYTES("GET /hello HTTP/1.1\r\nHost : x\r\n\r\n"), 400, true},
    {"CL with blank before",    BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\na"), 400, true},
    {"folded field",            BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n"), 400, true},
    {"folded first field",      BYTES("GET /hello HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n"), 400, true},
    {"no colon",                BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n"), 400, true},
    {"empty name",              BYTES("GET /hello HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n"), 400, true},
    {"name with slash",         BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nX/A: b\r\n\r\n"), 400, true},
    {"two authorizations",      BYTES("GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"), 400, true},
    {"method with parenthesis", BYTES("G(T /hello HTTP/1.1\r\nHost: x\r\n\r\n"), 400, true},
    {"HTTP/1.0",                BYTES("GET /hello HTTP/1.0\r\n\r\n"), 200, true},
    {"HTTP/1.2",                BYTES("GET /hello HTTP/1.2\r\nHost: x\r\n\r\n"), 400, true},
    {"HTTP/0.9",                BYTES("GET /hello\r\n\r\n"), 0, true},
    {"malformed chunk",         BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n"), 400, true},
    {"chunked",                 BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"), 200, false},
    {"chunked, trailer",        BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\n\r\n"), 200, false},
};

/* clang-format on */

/*
 * A refused request is answered once and the connection ends, so that nothing in it can become a
 * second request.
 */
START_TEST(test_framing)
{
    int fd = raw_connect(port);
    struct raw_answer answer;

    raw_send(fd, framing_cases[_i].p, framing_cases[_i].n);
    answer = raw_read(fd, memcmp(framing_cases[_i].p, "HEAD", 4) == 0);
    /*
     * HTTP/0.9 and version mistakes are answered or cut by MHD itself, with a status of its choice
     */
    if (framing_cases[_i].status == 400 && answer.status == 505)
        answer.status = 400;
    ck_assert_msg(answer.status == framing_cases[_i].status ||
                      (framing_cases[_i].status == 0 && answer.status >= 400),
                  "%s: got %d %s", framing_cases[_i].name, answer.status,
                  answer.body != NULL ? answer.body : "");
    raw_answer_done(&answer);
    if (framing_cases[_i].closes) {
        ck_assert_msg(raw_closed_within(fd, 5), "%s: still open", framing_cases[_i].name);
    } else {
        raw_send_c(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        answer = raw_read(fd, false);
        ck_assert_msg(answer.status == 200, "%s: second request %d", framing_cases[_i].name,
                      answer.status);
        raw_answer_done(&answer);
    }
    close(fd);
}

END_TEST

/* clang-format off */
static const struct { const char *name; size_t target, fields, value; int status; } size_cases[] = {
    {"target at its limit",  4096, 0,  0,     404},
    {"target above",         4097, 0,  0,     414},
    {"fields at the limit",  10,   63, 1,     404}, /* and Host */
    {"fields above",         10,   64, 1,     431},
    {"token of 16 KiB",      10,   1,  16384, 404},
    {"header above memory",  10,   1,  40000, 431},
};

/* clang-format on */

START_TEST(test_header_sizes)
{
    struct buf request = buf_init(MIB(1));
    struct raw_answer answer;

    buf_add_c(&request, "GET /");
    for (size_t i = 1; i < size_cases[_i].target; i++)
        buf_add_char(&request, 'a');
    buf_add_c(&request, " HTTP/1.1\r\nHost: x\r\n");
    for (size_t i = 0; i < size_cases[_i].fields; i++) {
        buf_printf(&request, "X-%zu: ", i);
        for (size_t j = 0; j < size_cases[_i].value; j++)
            buf_add_char(&request, 'v');
        buf_add_c(&request, "\r\n");
    }
    buf_add_c(&request, "\r\n");
    answer = raw_call(port, request.p, request.n);
    ck_assert_msg(answer.status == size_cases[_i].status, "%s: got %d", size_cases[_i].name,
                  answer.status);
    raw_answer_done(&answer);
    buf_done(&request);
}

END_TEST

/* -- bodies ------------------------------------------------------------------------------------ */

static void add_body(struct buf *request, bool chunked, size_t n)
{
    if (chunked)
        buf_add_c(request, "Transfer-Encoding: chunked\r\n\r\n");
    else
        buf_printf(request, "Content-Length: %zu\r\n\r\n", n);
    for (size_t done = 0; done < n;) {
        size_t piece = n - done > 1000 ? 1000 : n - done;

        if (chunked)
            buf_printf(request, "%zx\r\n", piece);
        for (size_t i = 0; i < piece; i++)
            buf_add_char(request, (char)('a' + (done + i) % 26));
        if (chunked)
            buf_add_c(request, "\r\n");
        done += piece;
    }
    if (chunked)
        buf_add_c(request, "0\r\n\r\n");
}

/* clang-format off */
static const struct { const char *path; size_t n; bool chunked; int status; } body_cases[] = {
    {"/echo", 0,            false, 200}, {"/echo", 0,            true, 200},
    {"/echo", 100,          false, 200}, {"/echo", 100,          true, 200},
    {"/echo", 101,          false, 413}, {"/echo", 101,          true, 413},
    {"/echo", 200000,       false, 413}, {"/echo", 200000,       true, 413},
    {"/big",  MIB(4),       false, 200}, {"/big",  MIB(4),       true, 200},
    {"/big",  MIB(4) + 1,   false, 413}, {"/big",  MIB(4) + 1,   true, 413},
    {"/sink", MIB(5) + 7,   false, 200}, {"/sink", MIB(5) + 7,   true, 200},
    {"/none", 1000,         false, 404}, {"/none", 1000,         true, 404},
    {"/me",   1000,         false, 401}, {"/me",   1000,         true, 401},
};

/* clang-format on */

START_TEST(test_body_caps)
{
    struct buf request = buf_init(MIB(16));
    struct raw_answer answer;
    int fd = raw_connect(port);

    buf_printf(&request, "POST %s HTTP/1.1\r\nHost: x\r\n", body_cases[_i].path);
    add_body(&request, body_cases[_i].chunked, body_cases[_i].n);
    ck_assert(!buf_failed(&request));
    raw_send(fd, request.p, request.n);
    answer = raw_read(fd, false);
    ck_assert_msg(answer.status == body_cases[_i].status, "%s %zu: got %d", body_cases[_i].path,
                  body_cases[_i].n, answer.status);
    if (answer.status == 200 && strcmp(body_cases[_i].path, "/sink") == 0)
        ck_assert_uint_eq(strtoull(answer.body, NULL, 10), body_cases[_i].n);
    else if (answer.status == 200)
        ck_assert_uint_eq(answer.body_n, body_cases[_i].n);
    raw_answer_done(&answer);
    close(fd);
    buf_done(&request);
}

END_TEST

/* A small refused body does not cost the connection. */
START_TEST(test_refused_body_keeps_connection)
{
    int fd = raw_connect(port);

    for (int i = 0; i < 3; i++) {
        struct raw_answer answer;

        raw_send_c(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
        for (int j = 0; j < 101; j++)
            raw_send(fd, "x", 1);
        answer = raw_read(fd, false);
        ck_assert_int_eq(answer.status, 413);
        raw_answer_done(&answer);
    }
    close(fd);
}

END_TEST

START_TEST(test_expect_continue)
{
    int fd = raw_connect(port);
    char line[64] = {0};
    struct raw_answer answer;

    raw_send_c(
        fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    ck_assert_int_eq(recv(fd, line, 25, MSG_WAITALL), 25);
    ck_assert_msg(strncmp(line, "HTTP/1.1 100 Continue", 21) == 0, "%s", line);
    raw_send_c(fd, "ab");
    answer = raw_read(fd, false);
    ck_assert_str_eq(answer.body, "ab");
    raw_answer_done(&answer);
    close(fd);
    /* a body that will be refused is not asked for */
    answer = raw_call_c(
        port,
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n");
    ck_assert_int_eq(answer.status, 413);
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_sink_refuses)
{
    struct raw_answer answer =
        raw_call_c(port, "POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc!e");

    ck_assert_int_eq(answer.status, 400);
    ck_assert_ptr_nonnull(strstr(answer.body, "no exclamation marks"));
    raw_answer_done(&answer);
    answer = raw_call_c(
        port, "POST /sink HTTP/1.1\r\nHost: x\r\nX-Refuse: yes\r\nContent-Length: 5\r\n\r\nabcde");
    ck_assert_int_eq(answer.status, 403);
    raw_answer_done(&answer);
}

END_TEST

/* clang-format off */
static const struct { const char *type, *body; int status; const char *in_answer; } json_cases[] = {
    {"application/json",                "{\"name\":\"a\"}",          201, "{\"name\":\"a\",\"n\":7}"},
    {"application/ld+json; charset=utf-8", "{\"name\":\"a\",\"n\":1}", 201, "\"n\":1"},
    {"APPLICATION/JSON",                "{\"name\":\"a\"}",          201, ""},
    {NULL,                              "{\"name\":\"a\"}",          201, ""},
    {"text/plain",                      "{\"name\":\"a\"}",          415, "\"code\":\"media-type\""},
    {"application/json",                "",                          400, "body is empty"},
    {"application/json",                "{\"name\":\"a\",\"name\":\"b\"}", 400, "\"status\":400"},
    {"application/json",                "{\"name\":\"a\"",           400, ""},
    {"application/json",                "{\"n\":1}",                 400, "\"at\":\"/name\""},
    {"application/json",                "{\"name\":\"a\",\"x\":1}",  400, "\"at\":\"/x\""},
};

/* clang-format on */

START_TEST(test_json)
{
    struct buf request = buf_init(KIB(64));
    struct raw_answer answer;

    buf_add_c(&request, "POST /decode HTTP/1.1\r\nHost: x\r\n");
    if (json_cases[_i].type != NULL)
        buf_printf(&request, "Content-Type: %s\r\n", json_cases[_i].type);
    buf_printf(&request, "Content-Length: %zu\r\n\r\n%s", strlen(json_cases[_i].body),
               json_cases[_i].body);
    answer = raw_call(port, request.p, request.n);
    ck_assert_msg(answer.status == json_cases[_i].status, "case %d: %d %s", _i, answer.status,
                  answer.body);
    ck_assert_msg(strstr(answer.body, json_cases[_i].in_answer) != NULL, "case %d: %s", _i,
                  answer.body);
    raw_answer_done(&answer);
    buf_done(&request);
}

END_TEST

/* clang-format off */
static const struct { const char *query; int status; const char *body; } query_cases[] = {
    {"",                      200, "- 50"},
    {"?q=",                   200, "= 50"},
    {"?q",                    200, "= 50"},
    {"?q=a+b%2Bc%26d",        200, "=a b+c&d 50"},
    {"?x=1&q=2&q=3",          200, "=2 50"},
    {"?%71=z",                200, "=z 50"},
    {"?q=%ED%83%84%EC%86%8C", 200, "=\xed\x83\x84\xec\x86\x8c 50"},
    {"?q=100%",               200, "=100% 50"},
    {"?q=a%00b",              200, "=a%00b 50"},
    {"?q=a?b",                200, "=a?b 50"},
    {"?limit=1",              200, "- 1"},
    {"?limit=100",            200, "- 100"},
    {"?limit=0",              400, NULL},
    {"?limit=101",            400, NULL},
    {"?limit=x",              400, NULL},
    {"?limit=",               400, NULL},
    {"?limit=99999999999999999999", 400, NULL},
};

/* clang-format on */

START_TEST(test_query)
{
    char request[256];
    struct raw_answer answer;

    snprintf(request, sizeof(request), "GET /query%s HTTP/1.1\r\nHost: x\r\n\r\n",
             query_cases[_i].query);
    answer = raw_call_c(port, request);
    ck_assert_msg(answer.status == query_cases[_i].status, "%s: %d", query_cases[_i].query,
                  answer.status);
    if (query_cases[_i].body != NULL)
        ck_assert_str_eq(answer.body, query_cases[_i].body);
    else
        ck_assert_ptr_nonnull(strstr(answer.body, "\"at\":\"?limit\""));
    raw_answer_done(&answer);
}

END_TEST

/* -- answers ----------------------------------------------------------------------------------- */

START_TEST(test_default_headers)
{
    struct raw_answer answer = raw_call_c(port, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");

    ck_assert(str_eq(raw_header(&answer, "X-Content-Type-Options"), STR("nosniff")));
    ck_assert(str_eq(raw_header(&answer, "Cache-Control"), STR("no-store")));
    ck_assert_uint_eq(raw_header(&answer, "X-Request-Id").n, 36);
    ck_assert_uint_eq(raw_header(&answer, "Server").n, 0);
    ck_assert(str_eq(raw_header(&answer, "Content-Type"), STR("text/plain")));
    raw_answer_done(&answer);
    answer = raw_call_c(port, "GET /headers HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(answer.status, 204);
    ck_assert(str_eq(raw_header(&answer, "Cache-Control"), STR("max-age=60")));
    ck_assert(str_eq(raw_header(&answer, "ETag"), STR("\"v1\"")));
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_problem)
{
    struct raw_answer answer = raw_call_c(port, "GET /fail HTTP/1.1\r\nHost: x\r\n\r\n");
    struct str id = raw_header(&answer, "X-Request-Id");
    char want[512];

    snprintf(
        want, sizeof(want),
        "{\"type\":\"about:blank\",\"title\":\"conflict\",\"status\":409,\"code\":\"conflict\","
        "\"detail\":\"thing 'x' exists\",\"at\":\"/a/b\",\"request\":\"%.*s\"}",
        STR_ARG(id));
    ck_assert_int_eq(answer.status, 409);
    ck_assert(str_eq(raw_header(&answer, "Content-Type"), STR("application/problem+json")));
    ck_assert(str_eq(raw_header(&answer, "X-Kept"), STR("yes")));
    ck_assert_uint_eq(raw_header(&answer, "Retry-After").n, 0);
    ck_assert_str_eq(answer.body, want);
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_private_text_stays_inside)
{
    struct raw_answer answer = raw_call_c(port, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n");

    ck_assert_int_eq(answer.status, 500);
    ck_assert_ptr_null(strstr(answer.body, "secret_table"));
    ck_assert_ptr_null(strstr(answer.body, "never seen"));
    raw_answer_done(&answer);
    answer = raw_call_c(port, "GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(answer.status, 503);
    ck_assert(str_eq(raw_header(&answer, "Retry-After"), STR("1")));
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_handler_that_says_nothing)
{
    int64_t before = counter_get(C_EXPECT_FAILED);
    struct raw_answer answer = raw_call_c(port, "GET /silent HTTP/1.1\r\nHost: x\r\n\r\n");

    ck_assert_int_eq(answer.status, 500);
    ck_assert_int_eq(counter_get(C_EXPECT_FAILED), before + 1);
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_authorise)
{
    struct raw_answer answer = raw_call_c(port, "GET /me HTTP/1.1\r\nHost: x\r\n\r\n");

    ck_assert_int_eq(answer.status, 401);
    ck_assert(str_eq(raw_header(&answer, "WWW-Authenticate"), STR("Bearer")));
    raw_answer_done(&answer);
    answer = raw_call_c(port, "GET /me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n");
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, "reader");
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_large_and_file)
{
    struct raw_answer answer = raw_call_c(port, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");

    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(answer.body_n, 3000000);
    ck_assert(memcmp(answer.body + 2999990, "0123456789", 10) == 0);
    raw_answer_done(&answer);
    answer = raw_call_c(port, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(answer.status, 206);
    ck_assert_str_eq(answer.body, "3456");
    raw_answer_done(&answer);
}

END_TEST

START_TEST(test_keep_alive_and_pipelining)
{
    int fd = raw_connect(port);

    for (int i = 0; i < 200; i++)
        raw_send_c(fd, "GET /items/1 HTTP/1.1\r\nHost: x\r\n\r\n"
                       "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    for (int i = 0; i < 200; i++) {
        struct raw_answer answer = raw_read(fd, false);

        ck_assert_str_eq(answer.body, "id=1");
        raw_answer_done(&answer);
        answer = raw_read(fd, false);
        ck_assert_str_eq(answer.body, "abc");
        raw_answer_done(&answer);
    }
    close(fd);
}

END_TEST

START_TEST(test_metrics)
{
    struct raw_answer answer = raw_call_c(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");

    ck_assert_int_eq(answer.status, 200);
    ck_assert_ptr_nonnull(strstr(answer.body, "naru_http_requests"));
    ck_assert_ptr_nonnull(strstr(answer.body, "# EOF\n"));
    raw_answer_done(&answer);
}

END_TEST

static bool no_connections(void *cls)
{
    (void)cls;
    return counter_get(C_HTTP_CONNECTIONS) == 0;
}

/* One line for each request, at its end. */
START_TEST(test_access_log)
{
    char path[] = "/tmp/naru-test-XXXXXX";
    int fd = mkstemp(path);
    char text[4096] = {0};
    struct raw_answer answer;

    ck_assert_int_ge(fd, 0);
    unlink(path);
    log_setup(fd, LOG_INFO, LOG_LOGFMT, &env_system);
    answer = raw_call_c(port, "GET /items/a?token=geheim HTTP/1.1\r\nHost: x\r\n"
                              "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                              "\r\n\r\n");
    raw_answer_done(&answer);
    answer = raw_call_c(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_answer_done(&answer);
    close_listener(); /* now both are over */
    log_setup(2, LOG_ALARM, LOG_LOGFMT, &env_system);
    ck_assert_int_gt(pread(fd, text, sizeof(text) - 1, 0), 0);
    close(fd);
    ck_assert_ptr_nonnull(strstr(text, "method=GET path=/items/a status=200 bytes=4 us="));
    ck_assert_ptr_nonnull(strstr(text, "remote=127.0.0.1 name=say_id"));
    ck_assert_ptr_nonnull(strstr(text, "trace=0af7651916cd43dd8448eb211c80319c"));
    ck_assert_ptr_null(strstr(text, "geheim"));
    ck_assert_ptr_null(strstr(text, "http_metrics"));
    ck_assert_ptr_eq(strchr(text, '\n') + 1, text + strlen(text));
    open_with(false);
}

END_TEST

START_TEST(test_connections_per_address)
{
    static const struct http_route *const tables[] = {routes};
    struct http_cfg cfg = {.env = &env_system,
                           .name = "few",
                           .address = STR("127.0.0.1:0"),
                           .max_per_address = 3,
                           .route_tables = tables,
                           .n_route_tables = 1,
                           .authorise = authorise};
    struct http *few = NULL;
    struct err err = {0};
    int fds[4];

    ck_assert_int_eq(http_open(&cfg, &few, &err), 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++) {
            fds[i] = raw_connect(http_port(few));
            raw_send_c(fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
            if (i < 3) {
                struct raw_answer answer = raw_read(fds[i], false);

                ck_assert_int_eq(answer.status, 200);
                raw_answer_done(&answer);
            } else {
                ck_assert(raw_closed_within(fds[i], 5));
            }
        }
        for (int i = 0; i < 4; i++)
            close(fds[i]);
        ck_assert(wait_until(no_connections, NULL));
    }
    http_close(&few, 0);
}

END_TEST

/* -- parsers ----------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *header; uint64_t size; enum http_range want; uint64_t from, length; } range_cases[] = {
    {"bytes=0-0",        10, RANGE_OK,   0, 1},
    {"bytes=0-",         10, RANGE_OK,   0, 10},
    {"bytes=3-5",        10, RANGE_OK,   3, 3},
    {"bytes=3-99",       10, RANGE_OK,   3, 7},
    {"bytes=9-",         10, RANGE_OK,   9, 1},
    {"bytes=-4",         10, RANGE_OK,   6, 4},
    {"bytes=-40",        10, RANGE_OK,   0, 10},
    {"BYTES=1-2",        10, RANGE_OK,   1, 2},
    {"bytes=0-99999999999999999999999", 10, RANGE_OK, 0, 10},
    {"bytes=10-",        10, RANGE_BAD,  0, 0},
    {"bytes=99999999999999999999999-", 10, RANGE_BAD, 0, 0},
    {"bytes=-0",         10, RANGE_BAD,  0, 0},
    {"bytes=0-",         0,  RANGE_BAD,  0, 0},
    {"bytes=-5",         0,  RANGE_NONE, 0, 0},
    {"bytes=5-3",        10, RANGE_NONE, 0, 0},
    {"bytes=0-1,4-5",    10, RANGE_NONE, 0, 0},
    {"bytes=a-b",        10, RANGE_NONE, 0, 0},
    {"bytes=--1",        10, RANGE_NONE, 0, 0},
    {"bytes=",           10, RANGE_NONE, 0, 0},
    {"bytes",            10, RANGE_NONE, 0, 0},
    {"items=0-1",        10, RANGE_NONE, 0, 0},
    {NULL,               10, RANGE_NONE, 0, 0},
};
static const struct { const char *list, *tag; bool strong, weak; } etag_cases[] = {
    {"\"a\"",            "\"a\"",   true,  true},
    {"\"b\"",            "\"a\"",   false, false},
    {"\"b\", \"a\"",     "\"a\"",   true,  true},
    {"W/\"a\"",          "\"a\"",   false, true},
    {"\"a\"",            "W/\"a\"", false, true},
    {"W/\"x\",\"a,b\"",  "\"a,b\"", true,  true},
    {"*",                "\"a\"",   true,  true},
    {"a",                "\"a\"",   false, false},
    {"\"a",              "\"a\"",   false, false},
    {"",                 "\"a\"",   false, false},
    {NULL,               "\"a\"",   false, false},
};

/* clang-format on */

START_TEST(test_range)
{
    uint64_t from = 0, length = 0;
    enum http_range got =
        http_range_parse(str_c(range_cases[_i].header), range_cases[_i].size, &from, &length);

    ck_assert_msg(got == range_cases[_i].want, "%s: got %d", range_cases[_i].header, got);
    ck_assert_uint_eq(from, range_cases[_i].from);
    ck_assert_uint_eq(length, range_cases[_i].length);
}

END_TEST

START_TEST(test_etag)
{
    struct str list = str_c(etag_cases[_i].list);
    struct str tag = str_c(etag_cases[_i].tag);

    ck_assert_msg(http_etag_match(list, tag, false) == etag_cases[_i].strong, "strong '%s'",
                  etag_cases[_i].list);
    ck_assert_msg(http_etag_match(list, tag, true) == etag_cases[_i].weak, "weak '%s'",
                  etag_cases[_i].list);
}

END_TEST

/* -- configuration ----------------------------------------------------------------------------- */

START_TEST(test_address_mistakes)
{
    static const char *const bad[] = {
        "localhost:80", "127.0.0.1", ":80", "127.0.0.1:",      "127.0.0.1:x",
        "::1:80",       "[::1]:",    "",    "127.0.0.1:99999", "1.2.3.4.5:1"};
    char taken[32];

    for (size_t i = 0; i <= ARRAY_LEN(bad); i++) {
        struct http *other = NULL;
        struct err err = {0};
        struct http_cfg cfg = {.env = &env_system, .name = "other"};

        snprintf(taken, sizeof(taken), "127.0.0.1:%u", port);
        cfg.address = str_c(i < ARRAY_LEN(bad) ? bad[i] : taken);
        ck_assert_msg(http_open(&cfg, &other, &err) == -(int)E_CONFIG, "'%.*s' opened",
                      STR_ARG(cfg.address));
        ck_assert_ptr_null(other);
        ck_assert_ptr_nonnull(strstr(err.text, "'other'"));
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http");
    TCase *tc = tcase_create("listener");

    tcase_add_checked_fixture(tc, open_strict, close_listener);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_route, 0, (int)ARRAY_LEN(route_cases));
    tcase_add_test(tc, test_slashes_tolerated);
    tcase_add_test(tc, test_method_not_allowed_lists_methods);
    tcase_add_test(tc, test_head_is_get_without_body);
    tcase_add_loop_test(tc, test_framing, 0, (int)ARRAY_LEN(framing_cases));
    tcase_add_loop_test(tc, test_header_sizes, 0, (int)ARRAY_LEN(size_cases));
    tcase_add_loop_test(tc, test_body_caps, 0, (int)ARRAY_LEN(body_cases));
    tcase_add_test(tc, test_refused_body_keeps_connection);
    tcase_add_test(tc, test_expect_continue);
    tcase_add_test(tc, test_sink_refuses);
    tcase_add_loop_test(tc, test_json, 0, (int)ARRAY_LEN(json_cases));
    tcase_add_loop_test(tc, test_query, 0, (int)ARRAY_LEN(query_cases));
    tcase_add_test(tc, test_default_headers);
    tcase_add_test(tc, test_problem);
    tcase_add_test(tc, test_private_text_stays_inside);
    tcase_add_test(tc, test_handler_that_says_nothing);
    tcase_add_test(tc, test_authorise);
    tcase_add_test(tc, test_large_and_file);
    tcase_add_test(tc, test_keep_alive_and_pipelining);
    tcase_add_test(tc, test_metrics);
    tcase_add_test(tc, test_access_log);
    tcase_add_test(tc, test_connections_per_address);
    tcase_add_test(tc, test_address_mistakes);
    suite_add_tcase(s, tc);

    tc = tcase_create("parsers");
    tcase_add_loop_test(tc, test_range, 0, (int)ARRAY_LEN(range_cases));
    tcase_add_loop_test(tc, test_etag, 0, (int)ARRAY_LEN(etag_cases));
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
