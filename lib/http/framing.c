/*
 * lib/http/framing.c - is this one well-formed request, and where does it end?
 *
 * libmicrohttpd 0.9.75 accepts bare LF, NUL bytes, folded lines, several spaces in the request
 * line, repeated Host and Content-Length, and Transfer-Encoding beside Content-Length: what another
 * server in front reads differently can carry a second request (RFC 9112 §11.2). Its parser works
 * in place and only writes NUL over separators, and all texts that it hands out point into the
 * received bytes. So the header block can be read once more: the texts must follow each other with
 * exactly the separators of RFC 9112 §2.1, and end where MHD says that the header ends. (Another
 * version of MHD may lay them out otherwise; then every request is refused, and the unit test says
 * so.) What cannot be seen any more: empty lines before the request line, and the framing of chunks
 * (bare LF and extensions are accepted by MHD).
 */
#include <strings.h>

#include "lib/http/http_private.h"

#include "lib/base/banned.h"

#define METHOD_BYTES 32

/* RFC 9110 §5.3: fields that must not be repeated because their reader takes one value */
static const char *const single_fields[] = {
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Content-Type",
    "Authorization",
    "X-Api-Key",
    "Expect",
    "Range",
    "Idempotency-Key",
    "Content-Encoding",
};

struct scan {
    struct rq *rq;
    struct err *err;
    const char *at; /* where the next field must begin */
    unsigned n;
    unsigned seen; /* bits by index in single_fields */
    struct str length, coding;
};

bool http__is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return s.n > 0;
}

bool http__is_field_value(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static int refuse(struct rq *rq, int status, struct err *err, const char *what)
{
    rq->priv->close = true;
    rq->priv->refused_status = status;
    return err_tell(err, status == 400 ? E_SYNTAX : E_LIMIT, "", "%s", what);
}

/*
 * Where the first field begins, if method, target and version have one space between them and CRLF
 * behind; else NULL.
 */
static const char *behind_request_line(const struct rq *rq, const char *method, const char *version)
{
    const char *target = method + strlen(method) + 1;

    if (version != target + rq->target.n + 1 || version[-1] != '\0')
        return NULL;
    version += strlen(version);
    return version[0] == '\0' && version[1] == '\0' ? version + 2 : NULL;
}

/* The field's bytes are: name, NUL for the colon, blanks, value, two NULs for CRLF. */
static bool step_over(struct scan *scan, struct str name, struct str value)
{
    const char *at = scan->at;

    if (name.p != at || at[name.n] != '\0')
        return false;
    for (at += name.n + 1; *at == ' ' || *at == '\t'; at++)
        ;
    if (value.p != at || at[value.n] != '\0' || at[value.n + 1] != '\0')
        return false;
    scan->at = at + value.n + 2;
    return true;
}

/* The empty line, then the end of the header as MHD counts it. */
static bool ends_header(const struct rq *rq, const char *method, const char *at)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(rq->priv->con, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info != NULL && at[0] == '\0' && at[1] == '\0' && method + info->header_size == at + 2;
}

static int single_field(struct scan *scan, struct str name, struct str value)
{
    for (unsigned i = 0; i < ARRAY_LEN(single_fields); i++) {
        if (!str_eq_nocase(name, str_c(single_fields[i])))
            continue;
        if ((scan->seen & (1U << i)) != 0)
            return err_tell(scan->err, E_SYNTAX, single_fields[i], "header '%s' is repeated",
                            single_fields[i]);
        scan->seen |= 1U << i;
    }
    if (str_eq_nocase(name, STR("Content-Length")))
        scan->length = value;
    else if (str_eq_nocase(name, STR("Transfer-Encoding")))
        scan->coding = value;
    else if (str_eq_nocase(name, STR("Expect")))
        scan->rq->priv->expect = true;
    return 0;
}

static enum MHD_Result scan_field(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_n,
                                  const char *value, size_t value_n)
{
    struct scan *scan = cls;
    struct str name = str_n(key, key_n);
    struct str content = str_trim(str_n(value != NULL ? value : "", value_n));
    int failed = 0;

    (void)kind;
    if (++scan->n > LIMIT_HEADERS)
        failed = refuse(scan->rq, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, scan->err,
                        "too many header fields");
    else if (!http__is_token(name))
        failed =
            refuse(scan->rq, 400, scan->err, "header field name is not a token (RFC 9110 §5.1)");
    else if (!http__is_field_value(content))
        failed = refuse(scan->rq, 400, scan->err, "field has control bytes (RFC 9110 §5.5)");
    else
        failed = single_field(scan, name, content);
    if (failed == 0 && !step_over(scan, str_n(key, key_n), str_n(value, value_n)))
        failed =
            refuse(scan->rq, 400, scan->err,
                   "header lines must end in CRLF, unfolded and without NUL (RFC 9112 §2.2, §5)");
    return failed < 0 ? MHD_NO : MHD_YES;
}

static int check_request_line(struct rq *rq, const char *version, struct err *err)
{
    struct str target = rq->target;

    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return refuse(rq, 400, err, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    if (rq->method.n > METHOD_BYTES || !http__is_token(rq->method))
        return refuse(rq, 400, err, "method is not a token (RFC 9110 §9.1)");
    if (target.n > LIMIT_URL)
        return refuse(rq, MHD_HTTP_URI_TOO_LONG, err, "request target is too long");
    if (target.n == 0 || target.p[0] != '/')
        return refuse(rq, 400, err, "request target must be in origin form (RFC 9112 §3.2.1)");
    for (size_t i = 0; i < target.n; i++) {
        unsigned char c = (unsigned char)target.p[i];

        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
            return refuse(rq, 400, err,
                          "request target has a byte that must be escaped (RFC 3986 §2)");
    }
    return 0;
}

/* Where the body ends: RFC 9112 §6.3 without its tolerances. */
static int check_body(struct rq *rq, const char *version, const struct scan *scan, struct err *err)
{
    struct rq_private *priv = rq->priv;
    bool bodiless = str_eq(rq->method, STR("GET")) || str_eq(rq->method, STR("HEAD"));
    int64_t length = 0;

    if (str_present(scan->coding) && str_present(scan->length))
        return refuse(rq, 400, err, "Transfer-Encoding with Content-Length (RFC 9112 §6.3)");
    if (str_present(scan->coding) && strcmp(version, "HTTP/1.0") == 0)
        return refuse(rq, 400, err, "Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1)");
    if (str_present(scan->coding) && !str_eq_nocase(scan->coding, STR("chunked")))
        return refuse(rq, 400, err, "only the transfer coding 'chunked' is understood");
    if (str_present(scan->length)) {
        for (size_t i = 0; i < scan->length.n; i++)
            if (scan->length.p[i] < '0' || scan->length.p[i] > '9')
                return refuse(rq, 400, err, "Content-Length is not a number (RFC 9110 §8.6)");
        if (!str_to_i64(scan->length, &length))
            return refuse(rq, 400, err, "Content-Length is not a number (RFC 9110 §8.6)");
    }
    priv->chunked = str_present(scan->coding);
    priv->body_length = (uint64_t)length;
    if (bodiless && (priv->chunked || length > 0))
        return refuse(rq, 400, err, "GET and HEAD have no body here");
    return 0;
}

/* A host name or address with an optional port: no user, path or blank can hide in it. */
static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];

        if (c <= 0x20 || c >= 0x7f || strchr("/@\\?#,\"<>", c) != NULL)
            return false;
    }
    return host.n <= 255 + 6;
}

static bool is_hex_lower(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

/* W3C Trace Context §3.2: 00-<trace id>-<parent id>-<flags>; anything else is ignored. */
static void take_trace(struct rq *rq)
{
    struct str trace = rq_header(rq, "traceparent");
    struct str id;

    if (trace.n != 55 || !str_starts(trace, STR("00-")) || trace.p[35] != '-' || trace.p[52] != '-')
        return;
    id = str_n(trace.p + 3, 32);
    if (is_hex_lower(id) && is_hex_lower(str_n(trace.p + 36, 16)) &&
        !str_eq(id, STR("00000000000000000000000000000000")))
        log_ctx_add(&rq->log, L_STR("trace", arena_str(rq->arena, id)));
}

int http__frame(struct rq *rq, const char *method, const char *version, struct err *err)
{
    struct scan scan = {.rq = rq, .err = err};
    struct str path = rq->target;

    /* a copy: MHD's text does not outlive an answer that was given without us */
    rq->method = arena_str(rq->arena, str_c(method));
    if (!str_present(rq->method))
        return err_set(err, E_NO_MEMORY, "", "request line");
    if (check_request_line(rq, version, err) < 0)
        return err_ret(err);
    scan.at = behind_request_line(rq, method, version);
    if (scan.at == NULL)
        return refuse(rq, 400, err, "request line is malformed (RFC 9112 §3)");
    MHD_get_connection_values_n(rq->priv->con, MHD_HEADER_KIND, scan_field, &scan);
    if (err->code != E_OK) {
        rq->priv->close = true;
        return err_ret(err);
    }
    if (!ends_header(rq, method, scan.at))
        return refuse(rq, 400, err, "header lines must end in CRLF (RFC 9112 §2.2)");
    if (check_body(rq, version, &scan, err) < 0)
        return err_ret(err);
    if (!is_host(rq_header(rq, "Host")))
        return refuse(rq, 400, err, "Host is malformed (RFC 9112 §3.2)");
    rq->path = str_cut(&path, '?');
    rq->query = path;
    take_trace(rq);
    return 0;
}
