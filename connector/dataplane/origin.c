/*
 * connector/dataplane/origin.c - driver `HttpData`: an HTTP origin of the provider's, streamed
 *
 *   {"type":"HttpData","baseUrl":…,"path"?,"queryParams"?,"proxyPath"?,"proxyQueryParams"?,
 *    "header:<Name>"?,"authKey"?,"authCode"?,"secretName"?}
 *
 * The request to the origin is built anew: of the consumer's only the canonical path and the query
 * (where the address allows them) and the headers in `asked` pass; of the origin's answer only
 * those in `answered`. Its bytes go through a flow: a slow consumer pauses the fetch. The secret is
 * sent to this address' own host only, which the provider wrote next to its name.
 */
#include "connector/dataplane/dataplane_private.h"
#include "connector/dataplane/flow.h"
#include "lib/base/limits.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define HEADERS_MAX 32
#define DEADLINE_US US_PER_DAY
#define MIN_RATE    1 /* byte a second; a pause of ours does not count */

static const char *const asked[] = {"Accept",
                                    "Accept-Language",
                                    "If-Match",
                                    "If-None-Match",
                                    "If-Modified-Since",
                                    "If-Unmodified-Since",
                                    "If-Range",
                                    "Range"};
static const char *const answered[] = {
    "ETag",          "Last-Modified",    "Content-Range", "Content-Language", "Content-Disposition",
    "Accept-Ranges", "Content-Encoding", "Repr-Digest"};

/* Statuses of the origin with a meaning for the consumer; any other is the provider's own
 * trouble. */
static const struct {
    int status;
    enum err_code means;
} refusals[] = {
    {404, E_NOT_FOUND          },
    {410, E_NOT_FOUND          },
    {412, E_PRECONDITION       },
    {416, E_RANGE_UNSATISFIABLE},
    {429, E_OVER_QUOTA         },
};

struct origin {
    struct flow flow;
    bool flowing;      /* flow is initialised */
    struct fetch *job; /* guarded by flow.lock; NULL: none, or over */
    bool resumed;      /* fetcher's thread: the request has been told */
    int status;
    int64_t length; /* -1: unknown */
    uint64_t from, size;
    bool partial;
    struct str media_type;
    struct str values[ARRAY_LEN(answered)];
    struct err err;
};

struct secret_row_value {
    struct str value;
};
/* clang-format off */
static const struct field secret_fields[] = {FIELD(struct secret_row_value, value, "value", F_REQUIRED)};
/* clang-format on */
static OBJECT(secret_row, struct secret_row_value, secret_fields, OPEN);

/* -- the address ------------------------------------------------------------------------------- */

static int check(struct app *app, const struct jval *address, struct err *err)
{
    const struct str method = dataplane__member(address, "method");

    const struct str url = dataplane__member(address, "baseUrl");

    if (dataplane__check_url(app, url, "/baseUrl", err) < 0)
        return err_ret(err);
    if (memchr(url.p, '?', url.n) != NULL)
        return err_tell(err, E_INVALID, "/baseUrl",
                        "expected a URL without query and fragment (use queryParams)");
    if (method.n > 0 && !str_eq(method, STR("GET")))
        return err_tell(err, E_INVALID, "/method", "only GET is served");
    if (!dataplane__is_url_text(dataplane__member(address, "path")) ||
        !dataplane__is_url_text(dataplane__member(address, "queryParams")))
        return err_tell(err, E_INVALID, "/path", "expected percent-encoded text");
    for (const struct jiter *it = jiter_first(address); it != NULL; it = jiter_next(address, it)) {
        const struct str key = jiter_key(it);

        if (str_starts(key, STR("oauth2:")))
            return err_tell(err, E_INVALID, "", "'%.*s': OAuth 2 towards the origin is not served",
                            STR_ARG(key));
        if (str_starts(key, STR("header:")) &&
            dataplane__check_header(str_from(key, 7), jval_str(jiter_value(it)), err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* -- the request ------------------------------------------------------------------------------- */

static int begin(struct access *a, struct err *err)
{
    const struct jval *address = jdoc_root(a->view->address);
    struct origin *o = ARENA_NEW(a->arena, struct origin);

    if (o == NULL)
        return err_set(err, E_NO_MEMORY, "", "origin");
    if (a->path.n > 0 && !dataplane__flag(address, "proxyPath"))
        return err_tell(err, E_NOT_FOUND, "path", "this dataset takes no path");
    if (str_present(a->query) && dataplane__flag(address, "proxyQueryParams") &&
        !dataplane__is_url_text(a->query))
        return err_tell(err, E_INVALID, "?", "the query has a byte that must be encoded");
    o->length = -1;
    a->source = o;
    return dataplane__take(a, -1, err);
}

static void add_query(struct buf *url, bool *more, struct str query)
{
    if (query.n == 0)
        return;
    buf_add_char(url, *more ? '&' : '?');
    buf_add_str(url, query);
    *more = true;
}

static void write_url(const struct access *a, struct buf *url)
{
    const struct jval *address = jdoc_root(a->view->address);
    struct str base = dataplane__member(address, "baseUrl");
    const struct str path = dataplane__member(address, "path");
    bool more = false;

    if ((path.n > 0 || a->path.n > 0) && base.p[base.n - 1] == '/')
        base.n--;
    buf_add_str(url, base);
    if (path.n > 0 && path.p[0] != '/')
        buf_add_char(url, '/');
    buf_add_str(url, path);
    if (dataplane__flag(address, "proxyPath") && a->path.n > 0)
        path_write(&a->path, url);
    add_query(url, &more, dataplane__member(address, "queryParams"));
    if (dataplane__flag(address, "proxyQueryParams"))
        add_query(url, &more, a->query);
}

static int read_secret(struct access *a, struct str name, struct str *ret_value, struct err *err)
{
    struct secret_row_value secret = {0};

    switch (db_one(a->outlet->db(a), &q_data_secret, DB_ARGS(DB_TEXT(name)), &secret_row, a->arena,
                   &secret, err)) {
    case DB_ROW: *ret_value = secret.value; return 0;
    case DB_NONE:
        return err_set(err, E_CONFIG, "/secretName", "there is no secret '%.*s'", STR_ARG(name));
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

struct headers {
    struct fetch_header items[HEADERS_MAX];
    size_t n;
};

static void add_header(struct headers *h, struct str name, struct str value)
{
    if (value.n > 0 && h->n < HEADERS_MAX)
        h->items[h->n++] = (struct fetch_header){name, value};
}

static int make_headers(struct access *a, struct headers *h, struct err *err)
{
    const struct jval *address = jdoc_root(a->view->address);
    const struct str key = dataplane__member(address, "authKey");
    const struct str secret_name = dataplane__member(address, "secretName");
    struct str secret = dataplane__member(address, "authCode");

    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        add_header(h, str_c(asked[i]), a->outlet->asked(a, asked[i]));
    for (const struct jiter *it = jiter_first(address); it != NULL; it = jiter_next(address, it)) {
        if (str_starts(jiter_key(it), STR("header:")))
            add_header(h, str_from(jiter_key(it), 7), jval_str(jiter_value(it)));
    }
    if (secret_name.n > 0 && read_secret(a, secret_name, &secret, err) < 0)
        return err_ret(err);
    add_header(h, key.n > 0 ? key : STR("Authorization"), secret);
    return 0;
}

/* -- the fetcher's thread ---------------------------------------------------------------------- */

static void read_content_range(struct origin *o, struct str range)
{
    int64_t first, size;
    struct str rest = range;

    if (!str_starts(rest, STR("bytes ")))
        return;
    rest = str_from(rest, 6);
    if (!str_to_i64(str_cut(&rest, '-'), &first) || first < 0)
        return;
    (void)str_cut(&rest, '/');
    o->partial = true;
    o->from = (uint64_t)first;
    o->size = str_to_i64(rest, &size) && size > 0 ? (uint64_t)size : 0;
}

static enum fetch_flow on_head(void *cls, const struct fetch_response *response)
{
    struct access *a = cls;
    struct origin *o = a->source;
    int64_t length;

    o->status = response->status;
    o->media_type = arena_str(a->arena, str_c(response->content_type));
    if (str_to_i64(fetch_response_header(response->job, "Content-Length"), &length) && length >= 0)
        o->length = length;
    for (size_t i = 0; i < ARRAY_LEN(answered); i++)
        o->values[i] = arena_str(a->arena, fetch_response_header(response->job, answered[i]));
    if (o->status == 206)
        read_content_range(o, fetch_response_header(response->job, "Content-Range"));
    if (arena_failed(a->arena))
        (void)err_set(&o->err, E_LIMIT, "", "headers of the origin");
    o->resumed = true;
    a->outlet->resume(a);
    return FETCH_GO;
}

static enum fetch_flow on_piece(void *cls, const void *p, size_t n)
{
    struct origin *o = ((struct access *)cls)->source;

    switch (flow_put(&o->flow, p, n)) {
    case FLOW_TAKEN: return FETCH_GO;
    case FLOW_FULL: return FETCH_PAUSE;
    case FLOW_GONE: return FETCH_STOP;
    }
    CHECK_UNREACHABLE();
}

static void on_done(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct access *a = cls;
    struct origin *o = a->source;

    (void)response;
    pthread_mutex_lock(&o->flow.lock);
    o->job = NULL;
    pthread_mutex_unlock(&o->flow.lock);
    flow_end(&o->flow, err->code == E_OK);
    if (!o->resumed) {
        o->err = *err;
        a->outlet->resume(a);
    }
    access_unref(a);
}

/* Called by the flow, under its lock. */
static void wake_fetch(void *cls)
{
    struct access *a = cls;
    struct origin *o = a->source;

    if (o->job == NULL)
        return;
    if (o->flow.reader == NULL)
        fetch_cancel(a->meter.dp->app->fetcher, o->job);
    else
        fetch_resume(a->meter.dp->app->fetcher, o->job);
}

/* -- the answer -------------------------------------------------------------------------------- */

static int refuse(const struct origin *o, struct err *err)
{
    if (o->err.code != E_OK) {
        const bool late = o->err.code == E_PEER_TIMEOUT;

        *err = o->err;
        return err_tell(err, late ? E_PEER_TIMEOUT : E_PEER_DOWN, "",
                        "the provider's data source does not answer (%s)", err_slug(o->err.code));
    }
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (refusals[i].status == o->status)
            return err_tell(err, refusals[i].means, "", "the provider's data source answered %d",
                            o->status);
    }
    return err_tell(err, E_PEER_REFUSED, "", "the provider's data source answered %d", o->status);
}

static ssize_t read_flow(void *cls, char *out, size_t max)
{
    struct origin *o = ((struct access *)cls)->source;

    return flow_read(&o->flow, out, max);
}

static int reply(struct access *a, struct err *err)
{
    struct origin *o = a->source;

    if (o->err.code != E_OK || (o->status != 304 && (o->status < 200 || o->status > 299)))
        return refuse(o, err);
    if (o->status != 304 && o->status != 204 &&
        dataplane__check_rows(a, row_form_of(o->media_type), err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < ARRAY_LEN(answered); i++) {
        if (o->values[i].n > 0)
            a->outlet->header(a, answered[i], o->values[i]);
    }
    a->rows = row_counter_init(row_form_of(o->media_type), o->from == 0);
    a->rows_before = a->rows;
    a->to_end =
        !o->partial || (o->length >= 0 && o->size > 0 && o->from + (uint64_t)o->length == o->size);
    if (o->status == 304 || o->status == 204)
        dataplane__reply_empty(a, o->status, STR_NONE);
    else
        dataplane__reply_stream(a, o->status, o->media_type, o->length, read_flow);
    return 0;
}

static int answer(struct access *a, struct err *err)
{
    struct origin *o = a->source;
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL * 2);
    struct headers headers = {.n = 0};
    struct fetch_request request = {
        .method = a->head ? "HEAD" : "GET",
        .headers = headers.items,
        .deadline_mono_us = env_mono_us(a->meter.dp->app->env) + DEADLINE_US,
        .min_rate = MIN_RATE,
        .head = on_head,
        .sink = on_piece,
        .done = on_done,
        .cls = a,
    };

    write_url(a, &url);
    if (buf_failed(&url))
        return err_tell(err, E_LIMIT, "path", "the address is too long");
    if (make_headers(a, &headers, err) < 0)
        return err_ret(err);
    request.url = buf_str(&url);
    request.n_headers = headers.n;
    flow_init(&o->flow, a, a->outlet->ready, false, wake_fetch, a);
    o->flowing = true;
    access_ref(a);
    a->outlet->suspend(a, reply);
    pthread_mutex_lock(&o->flow.lock); /* `done` may come before the job is noted */
    if (fetch_submit(a->meter.dp->app->fetcher, &request, &o->job, &o->err) < 0) {
        o->job = NULL;
        pthread_mutex_unlock(&o->flow.lock);
        a->outlet->resume(a);
        access_unref(a);
        return 0;
    }
    pthread_mutex_unlock(&o->flow.lock);
    return 0;
}

static void end(struct access *a)
{
    struct origin *o = a->source;

    if (o != NULL && o->flowing)
        flow_leave(&o->flow);
}

static void release(struct access *a)
{
    struct origin *o = a->source;

    if (o != NULL && o->flowing)
        flow_done(&o->flow);
}

const struct source_ops source_http = {
    .type = "HttpData",
    .check = check,
    .begin = begin,
    .answer = answer,
    .end = end,
    .release = release,
};
