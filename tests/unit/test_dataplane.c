/*
 * Data plane: canonical paths, opening below a folder, data addresses, counting of rows, pull
 * tokens.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connector/dataplane/destination.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/crypto/jws.h"

#include "lib/base/banned.h"

/* -- canonical paths --------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *raw, *canonical; } paths[] = {
    /* what passes, and how it is written anew */
    {"", ""}, {"/", "/"}, {"/a", "/a"}, {"/a/b", "/a/b"}, {"/a/b/", "/a/b/"}, {"/a.csv", "/a.csv"},
    {"/a-b_c~d", "/a-b_c~d"}, {"/%61", "/a"}, {"/a%20b", "/a%20b"}, {"/a+b", "/a%2Bb"}, {"/a%2bb", "/a%2Bb"},
    {"/%EB%91%90", "/%EB%91%90"}, {"/%eb%91%90.txt", "/%EB%91%90.txt"}, {"/a:b", "/a%3Ab"}, {"/a;b=c", "/a%3Bb%3Dc"},
    {"/a,b", "/a%2Cb"}, {"/a@b", "/a%40b"}, {"/a&b", "/a%26b"}, {"/a'b", "/a%27b"}, {"/(a)", "/%28a%29"}, {"/a!", "/a%21"},
    {"/$a", "/%24a"}, {"/*", "/%2A"}, {"/a%3Fb", "/a%3Fb"}, {"/a%23b", "/a%23b"}, {"/a..", "/a.."}, {"/a..b", "/a..b"},
    {"/a.b.c", "/a.b.c"}, {"/%f0%9f%98%80", "/%F0%9F%98%80"}, {"/%C3%A9", "/%C3%A9"}, {"/%C2%A0", "/%C2%A0"},
    {"/a%22", "/a%22"}, {"/%3Ca%3E", "/%3Ca%3E"}, {"/a%7Cb", "/a%7Cb"}, {"/a%5Eb", "/a%5Eb"}, {"/a%60b", "/a%60b"},
    /* leaving the folder */
    {"/..", NULL}, {"/../", NULL}, {"/../a", NULL}, {"/a/..", NULL}, {"/a/../b", NULL}, {"/a/../../b", NULL}, {"/.", NULL},
    {"/./a", NULL}, {"/a/.", NULL}, {"/a/./b", NULL}, {"/%2e", NULL}, {"/%2E", NULL}, {"/%2e%2e", NULL}, {"/%2E%2E/a", NULL},
    {"/.%2e", NULL}, {"/%2e.", NULL}, {"/a/%2e%2e/b", NULL}, {"/a/.%2E/b", NULL}, {"/...", NULL}, {"/....//a", NULL},
    {"/..;/a", NULL}, {"/..%3b/a", NULL}, {"/..%20/a", NULL}, {"/..%09/a", NULL}, {"/..\\a", NULL}, {"/..%5c", NULL},
    {"/..%5Ca", NULL}, {"/..%2f", NULL}, {"/..%2Fa", NULL}, {"/a%2f..%2fb", NULL}, {"/a/..%2f..%2fb", NULL}, {"/..%c0%af", NULL},
    {"/..%c1%9c", NULL}, {"/%c0%ae%c0%ae/a", NULL}, {"/%e0%80%ae", NULL}, {"/..%u2215a", NULL}, {"/%%32%65", NULL},
    /* hidden */
    {"/.git", NULL}, {"/.git/config", NULL}, {"/a/.ssh/id", NULL}, {"/%2egit", NULL}, {"/.a", NULL},
    /* separators inside a segment */
    {"/a%2fb", NULL}, {"/a%2Fb", NULL}, {"/%2f", NULL}, {"/%2Fetc", NULL}, {"/a%5cb", NULL}, {"/a%5Cb", NULL}, {"/a\\b", NULL},
    {"/\\", NULL}, {"/a%5c%2e%2e", NULL},
    /* encoded twice */
    {"/%252e%252e", NULL}, {"/%252f", NULL}, {"/a%25b", NULL}, {"/%25", NULL}, {"/%25%32%65", NULL}, {"/%2525", NULL}, {"/100%25", NULL},
    /* malformed escapes */
    {"/%", NULL}, {"/%2", NULL}, {"/%zz", NULL}, {"/%2g", NULL}, {"/a%", NULL}, {"/a%4", NULL}, {"/% 2e", NULL}, {"/%-1", NULL},
    {"/%u002e", NULL}, {"/%+2e", NULL}, {"/%0x2e", NULL},
    /* NUL and control characters */
    {"/%00", NULL}, {"/a%00", NULL}, {"/a%00.csv", NULL}, {"/a.csv%00.txt", NULL}, {"/%0a", NULL}, {"/a%0Ab", NULL}, {"/a%0d", NULL},
    {"/a%0D%0AX: y", NULL}, {"/a%09b", NULL}, {"/%01", NULL}, {"/%1f", NULL}, {"/%7f", NULL}, {"/a\tb", NULL}, {"/a\nb", NULL},
    {"/%c2%80", NULL}, {"/%C2%9F", NULL}, {"/%c2%85", NULL},
    /* not UTF-8, or not encoded */
    {"/%ff", NULL}, {"/%80", NULL}, {"/%c2", NULL}, {"/%c0%80", NULL}, {"/%ed%a0%80", NULL}, {"/%f4%90%80%80", NULL}, {"/%fe%ff", NULL},
    {"/\xeb\x91\x90", NULL}, {"/a\xff", NULL},
    /* empty segments, and no slash to begin with */
    {"//", NULL}, {"//a", NULL}, {"/a//b", NULL}, {"/a//", NULL}, {"///", NULL}, {"a", NULL}, {"..", NULL}, {"%2fa", NULL}, {"?", NULL},
};

/* clang-format on */

START_TEST(test_path)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    AUTO(buf_done) struct buf out = buf_init(KIB(4));
    struct err err = {0};
    struct path path;
    const int result = path_read(str_c(paths[_i].raw), arena, &path, &err);

    if (paths[_i].canonical == NULL) {
        ck_assert_msg(result == -E_INVALID, "'%s' passes", paths[_i].raw);
        ck_assert_str_eq(err.at, "path");
        ck_assert_str_ne(err.detail, "");
        return;
    }
    ck_assert_msg(result == 0, "'%s': %s", paths[_i].raw, err.text);
    path_write(&path, &out);
    ck_assert_msg(str_eq_c(buf_str(&out), paths[_i].canonical), "'%s' became '%.*s'", paths[_i].raw,
                  STR_ARG(buf_str(&out)));

    /* the canonical form is canonical */
    AUTO(buf_done) struct buf again = buf_init(KIB(4));

    ck_assert_int_eq(path_read(buf_str(&out), arena, &path, &err), 0);
    path_write(&path, &again);
    ck_assert(str_eq(buf_str(&out), buf_str(&again)));
}

END_TEST

START_TEST(test_path_limits)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    AUTO(buf_done) struct buf raw = buf_init(KIB(4));
    struct err err = {0};
    struct path path;

    for (int i = 0; i < PATH_SEGMENTS; i++)
        buf_add_c(&raw, "/a");
    ck_assert_int_eq(path_read(buf_str(&raw), arena, &path, &err), 0);
    ck_assert_uint_eq(path.n, PATH_SEGMENTS);
    buf_add_c(&raw, "/a");
    ck_assert_int_eq(path_read(buf_str(&raw), arena, &path, &err), -E_LIMIT);
    buf_reset(&raw);
    buf_add_char(&raw, '/');
    for (int i = 0; i < PATH_SEGMENT; i++)
        buf_add_char(&raw, 'a');
    ck_assert_int_eq(path_read(buf_str(&raw), arena, &path, &err), 0);
    buf_add_char(&raw, 'a');
    ck_assert_int_eq(path_read(buf_str(&raw), arena, &path, &err), -E_LIMIT);
}

END_TEST

/* -- opening ----------------------------------------------------------------------------------- */

static char folder[64]; /* of the test program */

static void make_file(const char *name, const char *text)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void in_folder(int (*make)(const char *path, mode_t mode), const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    ck_assert_int_eq(make(path, 0700), 0);
}

static void link_to(const char *target, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    ck_assert_int_eq(symlink(target, path), 0);
}

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/naru-dataplane-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    in_folder(mkdir, "data");
    in_folder(mkdir, "data/sub");
    in_folder(mkdir, "outside");
    in_folder(mkfifo, "data/pipe");
    make_file("data/file.csv", "a,b\n1,2\n");
    make_file("data/sub/inner.csv", "a\n");
    make_file("outside/secret", "secret");
    make_file("data/key.pem", "key");
    link_to("../outside/secret", "data/link");
    link_to("../outside", "data/way");
    link_to("/etc/passwd", "data/absolute");
    link_to("file.csv", "data/alias");
    link_to("loop", "data/loop");
}

static void remove_folder(void)
{
    static const char *const names[] = {"data/absolute", "data/alias",
                                        "data/file.csv", "data/key.pem",
                                        "data/link",     "data/loop",
                                        "data/pipe",     "data/sub/inner.csv",
                                        "data/way",      "outside/secret",
                                        "data/sub",      "data",
                                        "outside",       "."};
    char path[256];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (remove(path) < 0)
            (void)rmdir(folder);
    }
}

/* A connector with one folder of data, and its key in it. */
struct rig {
    struct settings settings;
    struct app app;
    struct str roots[1];
    char data[96], key[96];
};

static void rig_init(struct rig *rig)
{
    snprintf(rig->data, sizeof(rig->data), "%s/data", folder);
    snprintf(rig->key, sizeof(rig->key), "%s/data/key.pem", folder);
    rig->roots[0] = str_c(rig->data);
    rig->settings = (struct settings){
        .participant_did = STR("did:web:us"),
        .key_id = STR("key-1"),
        .key_file = str_c(rig->key),
        .data_dir = str_c(rig->data),
        .source_roots = {rig->roots, 1},
    };
    rig->app = (struct app){
        .env = &env_system,
        .settings = &rig->settings,
        .db = {.kind = DB_SQLITE, .target = ":memory:"},
    };
}

/* clang-format off */
static const struct { const char *path; enum err_code code; } opens[] = {
    {"file.csv",                    E_OK},
    {"./file.csv",                  E_OK},
    {"sub//inner.csv",              E_OK},
    {"@/data/file.csv",             E_OK}, /* @ is the folder of the test */
    {"@/data/./sub/inner.csv",      E_OK},
    {"@/data",                      E_NOT_FOUND}, /* a folder is no file */
    {"sub",                         E_NOT_FOUND},
    {"none.csv",                    E_NOT_FOUND},
    {"file.csv/x",                  E_NOT_FOUND},
    {"link",                        E_NOT_FOUND},
    {"way/secret",                  E_NOT_FOUND},
    {"absolute",                    E_NOT_FOUND},
    {"alias",                       E_NOT_FOUND},
    {"loop",                        E_NOT_FOUND},
    {"pipe",                        E_NOT_FOUND},
    {"key.pem",                     E_NOT_FOUND}, /* the connector's own */
    {"..",                          E_INVALID},
    {"../outside/secret",           E_INVALID},
    {"sub/../../outside/secret",    E_INVALID},
    {"@/data/../outside/secret",    E_INVALID},
    {"@/outside/secret",            E_INVALID},
    {"@/data2/file.csv",            E_INVALID},
    {"@/dat",                       E_INVALID},
    {"@",                           E_INVALID},
    {"/etc/passwd",                 E_INVALID},
    {"/",                           E_INVALID},
    {"//etc/passwd",                E_INVALID},
};

/* clang-format on */

START_TEST(test_open)
{
    struct rig rig;
    char path[256];
    const bool absolute = opens[_i].path[0] == '@';
    struct err err = {0};
    int fd;

    rig_init(&rig);
    snprintf(path, sizeof(path), "%s%s", absolute ? folder : "", opens[_i].path + absolute);
    fd = dataplane_open_file(&rig.app, str_c(path), &err);
    if (fd >= 0)
        close(fd);
    ck_assert_msg(err.code == opens[_i].code && (fd >= 0) == (err.code == E_OK), "'%s': %s %s",
                  opens[_i].path, err_name(err.code), err.text);
}

END_TEST

/* -- data addresses ---------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *address, *at; } addresses[] = { /* at NULL: good */
    {"{\"type\":\"File\",\"path\":\"file.csv\"}", NULL},
    {"{\"type\":\"File\",\"path\":\"sub\"}", NULL},
    {"{\"type\":\"File\",\"path\":\"file.csv\",\"contentType\":\"text/plain\"}", NULL},
    {"{\"type\":\"File\"}", "/path"},
    {"{\"type\":\"File\",\"path\":\"\"}", "/path"},
    {"{\"type\":\"File\",\"path\":7}", "/path"},
    {"{\"type\":\"File\",\"path\":\"none\"}", "/path"},
    {"{\"type\":\"File\",\"path\":\"../outside\"}", "/path"},
    {"{\"type\":\"File\",\"path\":\"/etc/passwd\"}", "/path"},
    {"{\"type\":\"File\",\"path\":\"pipe\"}", "/path"},
    {"{\"type\":\"File\",\"path\":\"key.pem\"}", "/path"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/api\"}", NULL},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test:8443/\",\"proxyPath\":\"true\",\"header:X-A\":\"b\"}", NULL},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test\",\"method\":\"GET\",\"queryParams\":\"a=b\"}", NULL},
    {"{\"type\":\"HttpData\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"http://origin.test/\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"ftp://origin.test/\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"file:///etc/passwd\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://user:pw@origin.test/\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/?a=b\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/#a\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/ a\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/\\r\\nX: y\"}", "/baseUrl"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/\",\"method\":\"DELETE\"}", "/method"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/\",\"path\":\"a b\"}", "/path"},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/\",\"header:Host\":\"b\"}", ""},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/\",\"header:X\":\"a\\r\\nY: b\"}", ""},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/\",\"header:\":\"a\"}", ""},
    {"{\"type\":\"HttpData\",\"baseUrl\":\"https://origin.test/\",\"oauth2:tokenUrl\":\"https://x\"}", ""},
    {"{\"type\":\"SqlQuery\",\"database\":\"sqlite:file.csv\",\"query\":\"SELECT 1\"}", NULL},
    {"{\"type\":\"SqlQuery\",\"database\":\"postgresql://db/plant\",\"query\":\"SELECT 1\",\"format\":\"ndjson\"}", NULL},
    {"{\"type\":\"SqlQuery\",\"secretName\":\"plant\",\"query\":\"SELECT 1\"}", NULL},
    {"{\"type\":\"SqlQuery\",\"query\":\"SELECT 1\"}", "/database"},
    {"{\"type\":\"SqlQuery\",\"database\":\"sqlite:file.csv\",\"secretName\":\"a\",\"query\":\"SELECT 1\"}", "/database"},
    {"{\"type\":\"SqlQuery\",\"database\":\"mysql://a\",\"query\":\"SELECT 1\"}", "/database"},
    {"{\"type\":\"SqlQuery\",\"database\":\"sqlite:/etc/passwd\",\"query\":\"SELECT 1\"}", "/path"},
    {"{\"type\":\"SqlQuery\",\"database\":\"sqlite:../outside/secret\",\"query\":\"SELECT 1\"}", "/path"},
    {"{\"type\":\"SqlQuery\",\"database\":\"sqlite:file.csv\"}", "/query"},
    {"{\"type\":\"SqlQuery\",\"database\":\"sqlite:file.csv\",\"query\":\"SELECT 1\",\"format\":\"xml\"}", "/format"},
    {"{\"type\":\"AmazonS3\"}", "/type"},
    {"{\"type\":7}", "/type"},
    {"{}", "/type"},
    {"[]", ""},
    {"7", ""},
};

/* clang-format on */

START_TEST(test_address)
{
    struct rig rig;
    struct err err = {0};
    int result;

    rig_init(&rig);
    result =
        dataplane_check_address(&rig.app, str_c(addresses[_i].address), STR("HttpData-PULL"), &err);
    if (addresses[_i].at == NULL) {
        ck_assert_msg(result == 0, "%s: %s", addresses[_i].address, err.text);
        ck_assert_uint_eq(dataplane_formats(&rig.app, str_c(addresses[_i].address)).n,
                          strstr(addresses[_i].address, "\"sub\"") != NULL ? 1 : 2);
        return;
    }
    ck_assert_msg(result < 0, "%s passes", addresses[_i].address);
    ck_assert_msg(strcmp(err.at, addresses[_i].at) == 0, "%s: at '%s'", addresses[_i].address,
                  err.at);
    ck_assert_str_ne(err.detail, "");
}

END_TEST

START_TEST(test_formats)
{
    struct rig rig;
    struct err err = {0};

    rig_init(&rig);
    ck_assert_uint_eq(dataplane_formats(&rig.app, STR("{\"type\":\"AmazonS3\"}")).n, 0);
    ck_assert_uint_eq(dataplane_formats(&rig.app, STR("no json")).n, 0);
    ck_assert_int_eq(dataplane_check_address(&rig.app,
                                             STR("{\"type\":\"File\",\"path\":\"file.csv\"}"),
                                             STR("AmazonS3-PUSH"), &err),
                     -E_INVALID);
}

END_TEST

/* -- destinations of pushes -------------------------------------------------------------------- */

#define EDC "https://w3id.org/edc/v0.0.1/ns/"
#define PROPERTY(name, value)                                                                      \
    "{\"@type\":\"EndpointProperty\",\"name\":\"" name "\",\"value\":\"" value "\"}"
#define HTTP_DATA(list)                                                                            \
    "{\"@type\":\"DataAddress\",\"endpointType\":\"HttpData\",\"endpointProperties\":[" list "]}"
#define AT(url, list)                                                                                     \
    "{\"@type\":\"DataAddress\",\"endpointType\":\"https://w3id.org/idsa/v4.1/HTTP\",\"endpoint\":\"" url \
    "\",\"endpointProperties\":[" list "]}"
#define BASE PROPERTY(EDC "baseUrl", "https://sink.test/in")

/* clang-format off */
/* DSP's form; the request that is made of it (method, URL, headers), or NULL and where the mistake is. */
static const struct { const char *address, *request, *at; } destinations[] = {
    {HTTP_DATA(BASE), "POST https://sink.test/in", NULL},
    {HTTP_DATA(PROPERTY("baseUrl", "https://sink.test/")), "POST https://sink.test/", NULL},
    {HTTP_DATA(PROPERTY("edc:baseUrl", "https://sink.test:8443")), "POST https://sink.test:8443", NULL},
    {HTTP_DATA(BASE "," PROPERTY(EDC "type", "HttpData") "," PROPERTY(EDC "unknown", "x")), "POST https://sink.test/in", NULL},
    {HTTP_DATA(BASE "," PROPERTY(EDC "path", "a/b")), "POST https://sink.test/in/a/b", NULL},
    {HTTP_DATA(BASE "," PROPERTY(EDC "path", "/a") "," PROPERTY(EDC "queryParams", "b=c")), "POST https://sink.test/in/a?b=c", NULL},
    {HTTP_DATA(PROPERTY(EDC "baseUrl", "https://sink.test/?a=b") "," PROPERTY(EDC "queryParams", "c=d")), "POST https://sink.test/?a=b&c=d", NULL},
    {HTTP_DATA(BASE "," PROPERTY(EDC "method", "PUT")), "PUT https://sink.test/in", NULL},
    {HTTP_DATA(BASE "," PROPERTY(EDC "authKey", "X-Key") "," PROPERTY(EDC "authCode", "c")), "POST https://sink.test/in X-Key=c", NULL},
    {HTTP_DATA(BASE "," PROPERTY(EDC "authCode", "c")), "POST https://sink.test/in Authorization=c", NULL},
    {HTTP_DATA(BASE "," PROPERTY(EDC "header:X-A", "b")), "POST https://sink.test/in X-A=b", NULL},
    {HTTP_DATA(BASE "," PROPERTY(EDC "baseUrl", "https://other.test/")), "POST https://sink.test/in", NULL},
    {AT("https://sink.test/in?a=b", PROPERTY("x", "y")), "POST https://sink.test/in?a=b", NULL},
    {AT("https://sink.test/in", PROPERTY("authorization", "t")), "POST https://sink.test/in Authorization=t", NULL},
    {AT("https://sink.test/in", PROPERTY("authorization", "t") "," PROPERTY("authType", "bearer")), "POST https://sink.test/in Authorization=Bearer t", NULL},
    {AT("https://sink.test/in", PROPERTY("authorization", "Bearer t") "," PROPERTY("authType", "Bearer")), "POST https://sink.test/in Authorization=Bearer t", NULL},
    {AT("https://sink.test/in", PROPERTY("endpoint", "https://other.test/")), "POST https://sink.test/in", NULL},
    {"{\"@type\":\"DataAddress\",\"endpointType\":\"https://w3id.org/idsa/v4.1/HTTP\",\"endpoint\":\"https://sink.test/\"}", "POST https://sink.test/", NULL},
    {"{\"@type\":\"DataAddress\",\"endpointType\":\"AmazonS3\"}", NULL, "/dataAddress/endpointType"},
    {"{\"@type\":\"DataAddress\",\"endpointType\":\"HttpProxy\"}", NULL, "/dataAddress/endpointType"},
    {"{\"@type\":\"DataAddress\",\"endpointType\":\"HttpData\"}", NULL, "/dataAddress/endpoint"},
    {AT("", PROPERTY("x", "y")), NULL, "/dataAddress/endpoint"},
    {AT("http://sink.test/", PROPERTY("x", "y")), NULL, "/dataAddress/endpoint"},
    {AT("file:///etc/passwd", PROPERTY("x", "y")), NULL, "/dataAddress/endpoint"},
    {AT("https://u:p@sink.test/", PROPERTY("x", "y")), NULL, "/dataAddress/endpoint"},
    {AT("https://u@sink.test?x", PROPERTY("x", "y")), NULL, "/dataAddress/endpoint"},
    {AT("https://sink.test/#x", PROPERTY("x", "y")), NULL, "/dataAddress/endpoint"},
    {AT("https://sink.test/ x", PROPERTY("x", "y")), NULL, "/dataAddress/endpoint"},
    {AT("https://?x", PROPERTY("x", "y")), NULL, "/dataAddress/endpoint"},
    {AT("https://sink.test/?a", PROPERTY("path", "b")), NULL, "/dataAddress/endpoint"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "path", "a#b")), NULL, "/dataAddress/endpointProperties"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "queryParams", "a b")), NULL, "/dataAddress/endpointProperties"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "method", "GET")), NULL, "/dataAddress/endpointProperties"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "secretName", "a")), NULL, "/dataAddress"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "oauth2:tokenUrl", "https://x")), NULL, "/dataAddress"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "header:Host", "a")), NULL, "/dataAddress/endpointProperties"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "header:content-type", "a")), NULL, "/dataAddress/endpointProperties"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "header:Idempotency-Key", "a")), NULL, "/dataAddress/endpointProperties"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "header:", "a")), NULL, "/dataAddress/endpointProperties"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "header:X", "a\\r\\nY: b")), NULL, "/dataAddress/endpointProperties"},
    {HTTP_DATA(BASE "," PROPERTY(EDC "authKey", "a: b\\r\\nc") "," PROPERTY(EDC "authCode", "d")), NULL, "/dataAddress/endpointProperties"},
};

/* clang-format on */

static void describe(const struct destination *d, struct buf *out)
{
    buf_printf(out, "%s %.*s", d->method, STR_ARG(d->url));
    for (size_t i = 0; i < d->n_headers; i++)
        buf_printf(out, " %.*s=%.*s", STR_ARG(d->headers[i].name), STR_ARG(d->headers[i].value));
}

static void check_request(struct rig *rig, struct str flat, const char *want)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    AUTO(buf_done) struct buf got = buf_init(KIB(8));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct destination d;
    struct err err = {0};

    ck_assert_msg(jdoc_parse(flat, NULL, &doc, &err) == 0, "%.*s", STR_ARG(flat));
    ck_assert_msg(destination_open(&rig->app, jdoc_root(doc), arena, &d, &err) == 0, "%s",
                  err.text);
    describe(&d, &got);
    ck_assert_msg(str_eq_c(buf_str(&got), want), "%.*s", STR_ARG(buf_str(&got)));
}

/* What a provider reads of a message; and what a consumer writes of that is read as the same. */
START_TEST(test_destination)
{
    struct rig rig;
    AUTO(jdoc_free) struct jdoc *doc = NULL, *again = NULL;
    AUTO(buf_done) struct buf flat = buf_init(KIB(64));
    AUTO(buf_done) struct buf message = buf_init(KIB(64));
    AUTO(buf_done) struct buf flat_again = buf_init(KIB(64));
    struct err err = {0};
    int rc;

    rig_init(&rig);
    ck_assert_int_eq(jdoc_parse(str_c(destinations[_i].address), NULL, &doc, &err), 0);
    rc = dataplane_destination_read(&rig.app, jdoc_root(doc), &flat, &err);
    if (destinations[_i].request == NULL) {
        ck_assert_msg(rc < 0, "%s passes", destinations[_i].address);
        ck_assert_msg(strcmp(err.at, destinations[_i].at) == 0, "%s: at '%s'",
                      destinations[_i].address, err.at);
        ck_assert_str_ne(err.detail, "");
        return;
    }
    ck_assert_msg(rc == 0, "%s: %s", destinations[_i].address, err.text);
    check_request(&rig, buf_str(&flat), destinations[_i].request);
    ck_assert_int_eq(dataplane_destination_write(buf_str(&flat), &message, &err), 0);
    ck_assert_int_eq(jdoc_parse(buf_str(&message), NULL, &again, &err), 0);
    ck_assert_int_eq(dataplane_destination_read(&rig.app, jdoc_root(again), &flat_again, &err), 0);
    check_request(&rig, buf_str(&flat_again), destinations[_i].request);
}

END_TEST

START_TEST(test_destination_edges)
{
    struct rig rig;
    AUTO(buf_done) struct buf out = buf_init(KIB(4));
    AUTO(buf_done) struct buf small = buf_init(40);
    const struct str flat = STR("{\"type\":\"HttpData\",\"baseUrl\":\"https://sink.test/in\"}");
    struct err err = {0};

    rig_init(&rig);
    ck_assert_int_eq(dataplane_destination_read(&rig.app, NULL, &out, &err), -E_INVALID);
    ck_assert_str_eq(err.at, "/dataAddress");
    err_clear(&err);
    ck_assert_int_eq(dataplane_destination_write(STR("{\"baseUrl\":\"x\"}"), &out, &err),
                     -E_INVALID);
    ck_assert_str_eq(err.at, "/type");
    err_clear(&err);
    ck_assert_int_eq(dataplane_destination_write(flat, &small, &err), -E_LIMIT);
    err_clear(&err);
    buf_reset(&out);
    ck_assert_int_eq(dataplane_destination_write(flat, &out, &err), 0);
    ck_assert(str_eq_c(buf_str(&out),
                       "{\"@type\":\"DataAddress\",\"endpointType\":\"HttpData\",\"endpoint\":"
                       "\"https://sink.test/in\",\"endpointProperties\":[" PROPERTY(
                           EDC "baseUrl", "https://sink.test/in") "]}"));
    ck_assert(dataplane_is_push(STR("HttpData-PUSH")) && dataplane_is_push(STR("AmazonS3-PUSH")));
    ck_assert(!dataplane_is_push(STR("HttpData-PULL")) && !dataplane_is_push(STR("PUSH")));
}

END_TEST

/* -- rows -------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *type, *text; bool from_start, to_end; int64_t rows; } rows[] = {
    {"text/csv",                 "",                       true,  true,  0},
    {"text/csv",                 "a,b\n",                  true,  true,  0},
    {"text/csv",                 "a,b\n1,2\n",             true,  true,  1},
    {"text/csv; charset=utf-8",  "a,b\n1,2\n3,4",          true,  true,  2},
    {"Text/CSV",                 "a,b\r\n1,2\r\n",         true,  true,  1},
    {"text/csv",                 "a\n1\n2",                true,  false, 1},
    {"text/csv",                 "1\n2\n",                 false, false, 2},
    {"text/csv",                 "1\n2",                   false, true,  2},
    {"text/csv",                 "a\n\"x\ny\"\n2\n",       true,  true,  2},
    {"text/csv",                 "a\n\"x\"\"\ny\"\n2\n",   true,  true,  2},
    {"text/csv",                 "a\n5\"\n6\n",            true,  true,  2}, /* a quote inside a plain field opens nothing */
    {"text/csv",                 "a\n,\"\n\",\n",          true,  true,  1},
    {"application/x-ndjson",     "{}\n{}\n",               true,  true,  2},
    {"application/x-ndjson",     "{}\n{}",                 true,  true,  2},
    {"application/x-ndjson",     "{}\n{}",                 true,  false, 1},
    {"application/jsonl",        "\n",                     true,  true,  1},
    {"application/json",         "[\n1,\n2\n]\n",          true,  true,  0},
    {"",                         "a\nb\n",                 true,  true,  0},
};

/* clang-format on */

START_TEST(test_rows)
{
    const size_t n = strlen(rows[_i].text);

    /* however the bytes are cut into pieces */
    for (size_t piece = 1; piece <= n + 1; piece++) {
        struct row_counter counter =
            row_counter_init(row_form_of(str_c(rows[_i].type)), rows[_i].from_start);

        for (size_t at = 0; at < n; at += piece)
            row_counter_add(&counter, rows[_i].text + at, piece < n - at ? piece : n - at);
        ck_assert_msg(row_counter_rows(&counter, rows[_i].to_end) == rows[_i].rows,
                      "%d '%s' in pieces of %zu: %d", _i, rows[_i].text, piece,
                      (int)row_counter_rows(&counter, rows[_i].to_end));
    }
}

END_TEST

START_TEST(test_rows_of_ranges)
{
    static const char text[] = "time,value\n1,2\n3,4\n5,6\n7,8";
    const size_t n = sizeof(text) - 1;

    for (size_t cut = 0; cut < n; cut++) {
        struct row_counter first = row_counter_init(ROWS_CSV, true);
        struct row_counter second = row_counter_init(ROWS_CSV, cut == 0);

        row_counter_add(&first, text, cut);
        row_counter_add(&second, text + cut, n - cut);
        ck_assert_int_eq(
            row_counter_rows(&first, false) + row_counter_rows(&second, true),
            /* a first part that ends within the header leaves the header's line feed to the
             * second */
            cut > 0 && cut < 11 ? 5 : 4);
    }
}

END_TEST

/* -- pull tokens ------------------------------------------------------------------------------- */

struct tokens {
    struct rig rig;
    struct dataplane dp;
    struct key *other;
    struct env_fake fake;
    struct env env;
    struct arena *arena;
};

static void tokens_open(struct tokens *t)
{
    struct err err = {0};

    memset(t, 0, sizeof(*t));
    rig_init(&t->rig);
    t->fake = (struct env_fake){.wall_us = INT64_C(1767225600000000), .mono_us = 1, .seed = 7};
    t->env = env_from_fake(&t->fake);
    t->rig.app.env = &t->env;
    t->arena = arena_new(MIB(4));
    ck_assert_int_eq(key_generate(KEY_ES256, &t->rig.app.key, &err), 0);
    ck_assert_int_eq(key_generate(KEY_ES256, &t->other, &err), 0);
    t->dp = (struct dataplane){.app = &t->rig.app, .key_url = STR("did:web:us#key-1")};
    ck_assert_int_eq(token_cache_open(&t->dp.tokens, &err), 0);
}

static void tokens_close(struct tokens *t)
{
    token_cache_close(&t->dp.tokens);
    key_free(&t->rig.app.key);
    key_free(&t->other);
    arena_free(&t->arena);
}

static struct pull_token good_token(const struct tokens *t)
{
    return (struct pull_token){
        .transfer = STR("tp-1"),
        .agreement = STR("ag-1"),
        .consumer = STR("did:web:them"),
        .issued_us = t->fake.wall_us,
        .expires_us = t->fake.wall_us + 300 * US_PER_S,
    };
}

static struct str make(struct tokens *t, const char *typ, const struct pull_token *token)
{
    struct buf out = buf_init(KIB(16));
    struct err err = {0};
    struct str text;

    ck_assert_int_eq(dataplane__token_make(&t->dp, typ, token, &out, &err), 0);
    text = arena_str(t->arena, buf_str(&out));
    buf_done(&out);
    return text;
}

START_TEST(test_token)
{
    struct tokens t;
    struct pull_token token, read;
    struct err err = {0};
    struct str text;

    tokens_open(&t);
    token = good_token(&t);
    text = make(&t, TYP_PULL, &token);
    for (int i = 0; i < 3; i++) { /* the second time from the cache */
        ck_assert_msg(dataplane__token_read(&t.dp, TYP_PULL, text, t.arena, &read, &err) == 0, "%s",
                      err.text);
        ck_assert(str_eq(read.transfer, token.transfer) &&
                  str_eq(read.agreement, token.agreement) && str_eq(read.consumer, token.consumer));
        ck_assert_int_eq(read.issued_us, token.issued_us);
        ck_assert_int_eq(read.expires_us, token.expires_us);
    }
    t.fake.wall_us += 300 * US_PER_S - 1;
    ck_assert_int_eq(dataplane__token_read(&t.dp, TYP_PULL, text, t.arena, &read, &err), 0);
    t.fake.wall_us += 1; /* the cache does not outlive it */
    ck_assert_int_eq(dataplane__token_read(&t.dp, TYP_PULL, text, t.arena, &read, &err),
                     -E_PULL_TOKEN);
    ck_assert_str_eq(err.detail, "the token has expired");
    tokens_close(&t);
}

END_TEST

/* Every byte of a token counts. */
START_TEST(test_token_altered)
{
    struct tokens t;
    struct pull_token token, read;
    struct str text;
    char copy[4096];

    tokens_open(&t);
    token = good_token(&t);
    text = make(&t, TYP_PULL, &token);
    ck_assert_uint_lt(text.n, sizeof(copy));
    for (size_t i = 0; i < text.n; i++) {
        struct err err = {0};

        memcpy(copy, text.p, text.n);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        if (copy[i] == text.p[i])
            continue;
        ck_assert_msg(dataplane__token_read(&t.dp, TYP_PULL, str_n(copy, text.n), t.arena, &read,
                                            &err) == -E_PULL_TOKEN,
                      "byte %zu may be altered", i);
        memcpy(copy, text.p, i);
        ck_assert_int_eq(
            dataplane__token_read(&t.dp, TYP_PULL, str_n(copy, i), t.arena, &read, &err),
            -E_PULL_TOKEN);
    }
    tokens_close(&t);
}

END_TEST

/* clang-format off */
#define CLAIMS "\"agreement\":\"ag-1\",\"aud\":\"did:web:them\",\"issued_us\":1767225600000000,\"jti\":\"j\",\"sub\":\"tp-1\""
#define TIMES  ",\"exp\":1767225900,\"iat\":1767225600"
static const struct { const char *name, *typ, *kid, *payload; bool other_key, good; } tokens[] = {
    {"as it should be",     TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\"," CLAIMS TIMES "}", false, true},
    {"another key",         TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\"," CLAIMS TIMES "}", true,  false},
    {"a refresh token",     TYP_REFRESH, "did:web:us#key-1",    "{\"iss\":\"did:web:us\"," CLAIMS TIMES "}", false, false},
    {"another typ",         "JWT",       "did:web:us#key-1",    "{\"iss\":\"did:web:us\"," CLAIMS TIMES "}", false, false},
    {"another kid",         TYP_PULL,    "did:web:us#key-2",    "{\"iss\":\"did:web:us\"," CLAIMS TIMES "}", false, false},
    {"somebody's kid",      TYP_PULL,    "did:web:them#key-1",  "{\"iss\":\"did:web:us\"," CLAIMS TIMES "}", false, false},
    {"another issuer",      TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:them\"," CLAIMS TIMES "}", false, false},
    {"no issuer",           TYP_PULL,    "did:web:us#key-1",    "{" CLAIMS TIMES "}", false, false},
    {"no end",              TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\"," CLAIMS ",\"iat\":1767225600}", false, false},
    {"has ended",           TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\"," CLAIMS ",\"exp\":1767225600,\"iat\":1767225500}", false, false},
    {"from the future",     TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\"," CLAIMS ",\"exp\":1767226900,\"iat\":1767226600}", false, false},
    {"end is text",         TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\"," CLAIMS ",\"exp\":\"1767225900\"}", false, false},
    {"no transfer",         TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\",\"agreement\":\"a\",\"aud\":\"b\",\"issued_us\":1" TIMES "}", false, false},
    {"no consumer",         TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\",\"agreement\":\"a\",\"sub\":\"b\",\"issued_us\":1" TIMES "}", false, false},
    {"no agreement",        TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\",\"aud\":\"a\",\"sub\":\"b\",\"issued_us\":1" TIMES "}", false, false},
    {"agreement is null",   TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\",\"agreement\":null,\"aud\":\"a\",\"sub\":\"b\",\"issued_us\":1" TIMES "}", false, false},
    {"two consumers",       TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\",\"agreement\":\"a\",\"aud\":[\"a\",\"b\"],\"sub\":\"b\",\"issued_us\":1" TIMES "}", false, false},
    {"no issued_us",        TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\",\"agreement\":\"a\",\"aud\":\"a\",\"sub\":\"b\"" TIMES "}", false, false},
    {"a claim twice",       TYP_PULL,    "did:web:us#key-1",    "{\"iss\":\"did:web:us\",\"iss\":\"did:web:us\"," CLAIMS TIMES "}", false, false},
    {"payload is no JSON",  TYP_PULL,    "did:web:us#key-1",    "hello", false, false},
    {"payload is an array", TYP_PULL,    "did:web:us#key-1",    "[]", false, false},
};

/* clang-format on */

START_TEST(test_token_table)
{
    struct tokens t;
    AUTO(buf_done) struct buf text = buf_init(KIB(16));
    struct pull_token read;
    struct err err = {0};
    int result;

    tokens_open(&t);
    ck_assert_int_eq(jws_sign(tokens[_i].other_key ? t.other : t.rig.app.key, str_c(tokens[_i].kid),
                              str_c(tokens[_i].typ), str_c(tokens[_i].payload), &text, &err),
                     0);
    result = dataplane__token_read(&t.dp, TYP_PULL, buf_str(&text), t.arena, &read, &err);
    ck_assert_msg((result == 0) == tokens[_i].good, "%s: %s", tokens[_i].name, err.text);
    ck_assert_msg(result == 0 || err.code == E_PULL_TOKEN, "%s: %s", tokens[_i].name,
                  err_name(err.code));
    tokens_close(&t);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dataplane");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_unchecked_fixture(tc, make_folder, remove_folder);
    tcase_add_loop_test(tc, test_path, 0, (int)ARRAY_LEN(paths));
    tcase_add_test(tc, test_path_limits);
    tcase_add_loop_test(tc, test_open, 0, (int)ARRAY_LEN(opens));
    tcase_add_loop_test(tc, test_address, 0, (int)ARRAY_LEN(addresses));
    tcase_add_test(tc, test_formats);
    tcase_add_loop_test(tc, test_destination, 0, (int)ARRAY_LEN(destinations));
    tcase_add_test(tc, test_destination_edges);
    tcase_add_loop_test(tc, test_rows, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, test_rows_of_ranges);
    tcase_add_test(tc, test_token);
    tcase_add_test(tc, test_token_altered);
    tcase_add_loop_test(tc, test_token_table, 0, (int)ARRAY_LEN(tokens));
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
