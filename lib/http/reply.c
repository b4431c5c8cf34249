/*
 * lib/http/reply.c - answers: prepared by handlers, completed with our headers, handed to MHD
 *
 * A handler only prepares its answer; it is queued when the handler has returned 0, and forgotten
 * if it returned an error. Headers of ours are defaults: a handler that sets Cache-Control or
 * X-Content-Type-Options wins.
 */
#include <strings.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/http/http_private.h"
#include "lib/jdoc/jdoc.h"
#include "lib/log/counters.h"

#include "lib/base/banned.h"

#define COPY_IN_ARENA                                                                              \
    KIB(64) /* larger bodies are copied to the heap, which does not count against the arena */

static bool has_header(const struct rq_private *priv, const char *name)
{
    for (const struct reply_header *h = priv->headers; h != NULL; h = h->next)
        if (strcasecmp(h->name, name) == 0)
            return true;
    return false;
}

void rq_reply_header(struct rq *rq, const char *name, struct str value)
{
    struct reply_header *header;

    if (!EXPECT(http__is_token(str_c(name)) && http__is_field_value(value)) || value.n == 0)
        return; /* MHD sends no empty field */
    header = ARENA_NEW(rq->arena, struct reply_header);
    if (header == NULL)
        return;
    header->name = arena_cstr(rq->arena, str_c(name));
    header->value = arena_cstr(rq->arena, value);
    if (header->name == NULL || header->value == NULL)
        return;
    header->next = rq->priv->headers;
    rq->priv->headers = header;
}

void http__drop_reply(struct rq *rq)
{
    struct rq_private *priv = rq->priv;
    struct stream stream = priv->stream;

    if (priv->response == NULL)
        return;
    MHD_destroy_response(priv->response);
    priv->response = NULL;
    priv->status = 0;
    priv->stream = (struct stream){0};
    if (stream.end != NULL)
        stream.end(stream.cls, 0, false);
}

void http__prepare(struct rq *rq, int status, const char *content_type,
                   struct MHD_Response *response, uint64_t length)
{
    struct rq_private *priv = rq->priv;

    if (!EXPECT(priv->response == NULL))
        http__drop_reply(rq);
    priv->response = response;
    priv->status = status;
    priv->length = length;
    priv->is_fd = false;
    priv->in_memory = false;
    if (content_type != NULL)
        rq_reply_header(rq, "Content-Type", str_c(content_type));
}

static struct MHD_Response *from_bytes(const void *p, size_t n, enum MHD_ResponseMemoryMode mode)
{
    /* MHD's interface is not const, with these modes it only reads */
    return MHD_create_response_from_buffer(n, (void *)(uintptr_t)p, mode);
}

void rq_reply(struct rq *rq, int status, const char *content_type, struct str body)
{
    struct str copy = body.n <= COPY_IN_ARENA ? arena_str(rq->arena, body) : STR_NONE;

    if (body.n == 0)
        copy = STR("");
    http__prepare(rq, status, content_type,
                  str_present(copy) ? from_bytes(copy.p, copy.n, MHD_RESPMEM_PERSISTENT)
                                    : from_bytes(body.p, body.n, MHD_RESPMEM_MUST_COPY),
                  body.n);
    rq->priv->in_memory = true;
}

void rq_reply_json(struct rq *rq, int status, struct str json)
{
    rq_reply(rq, status, "application/json", json);
}

void rq_reply_empty(struct rq *rq, int status)
{
    rq_reply(rq, status, NULL, STR(""));
}

void rq_reply_buf(struct rq *rq, int status, const char *content_type, struct buf *body)
{
    size_t n = 0;
    char *p = buf_take(body, &n);
    struct MHD_Response *response = NULL;

    if (p != NULL && (response = from_bytes(p, n, MHD_RESPMEM_MUST_FREE)) == NULL)
        free(p);
    http__prepare(rq, status, content_type, response, n);
    rq->priv->in_memory = true;
}

void rq_reply_object(struct rq *rq, int status, const struct object *object, const void *value)
{
    AUTO(buf_done) struct buf body = buf_init(LIMIT_CATALOG_BYTES);
    struct jw w = jw_init(&body);

    object_encode(object, value, &w);
    rq_reply_buf(rq, status, "application/json", &body);
}

void rq_on_sent(struct rq *rq, void (*end)(void *cls, uint64_t sent, bool complete), void *cls)
{
    rq->priv->sent_end = end;
    rq->priv->sent_cls = cls;
}

static void put_header(struct rq_private *priv, const char *name, const char *value)
{
    EXPECT(MHD_add_response_header(priv->response, name, value) == MHD_YES);
    priv->header_bytes += strlen(name) + strlen(value) + 4;
}

static void put_headers(struct rq *rq)
{
    struct rq_private *priv = rq->priv;
    struct uuid_text id = uuid_format(rq->id);

    priv->header_bytes = 256; /* status line and what MHD adds: Date, Connection, Content-Length */
    for (const struct reply_header *h = priv->headers; h != NULL; h = h->next)
        put_header(priv, h->name, h->value);
    if (!has_header(priv, "X-Content-Type-Options"))
        put_header(priv, "X-Content-Type-Options", "nosniff");
    if (!has_header(priv, "Cache-Control"))
        put_header(priv, "Cache-Control", "no-store");
    put_header(priv, "X-Request-Id", id.c);
    if (priv->close)
        put_header(priv, "Connection", "close");
}

enum MHD_Result http__queue(struct rq *rq)
{
    struct rq_private *priv = rq->priv;
    struct MHD_Response *response = priv->response;
    enum MHD_Result result;

    put_headers(rq);
    if (str_eq(rq->method, STR("HEAD")) || priv->status == 204 || priv->status == 304)
        priv->length = 0;
    if (priv->is_fd)
        priv->acked_before = http__conn_bytes(priv->conn).out;
    COUNT(C_HTTP_REQUESTS);
    if (priv->status >= 500)
        COUNT(C_HTTP_ERRORS);
    if (priv->received_us > 0)
        histogram_add(H_HTTP_US, env_mono_us(rq->env) - priv->received_us);
    priv->conn->moved = 0;
    http__arm(priv->http, &priv->conn->deadline, DL_SEND);
    priv->conn->more = priv->in_memory && priv->length > 0;
    priv->response = NULL;
    result = MHD_queue_response(priv->con, (unsigned)priv->status, response);
    MHD_destroy_response(response);
    return result;
}

/* What every error carries, whatever form the listener gives it. */
static void error_headers(struct rq *rq, const struct err *err)
{
    struct rq_private *priv = rq->priv;
    struct buf allow = buf_init(256);

    if (err_retry(err->code) == LATER && !has_header(priv, "Retry-After"))
        rq_reply_header(rq, "Retry-After", STR("1"));
    if (err_http(err->code) == 401 && !has_header(priv, "WWW-Authenticate"))
        rq_reply_header(rq, "WWW-Authenticate", STR("Bearer"));
    if (err->code == E_METHOD && priv->n_allow > 0) {
        for (unsigned i = 0; i < priv->n_allow; i++)
            buf_printf(&allow, "%s%s", i > 0 ? ", " : "", priv->allow[i]);
        rq_reply_header(rq, "Allow", buf_str(&allow));
    }
    buf_done(&allow);
}

void http__answer_error(struct rq *rq, const struct err *err)
{
    struct rq_private *priv = rq->priv;

    /*
     * headers set before an error is returned go out with it; those of an answer that is given up
     * do not
     */
    if (priv->response != NULL) {
        http__drop_reply(rq);
        priv->headers = NULL;
    }
    error_headers(rq, err);
    log_err(&rq->log, "request failed", err);
    if (priv->http->cfg.render_error != NULL)
        priv->http->cfg.render_error(rq, err);
    else
        http_problem(rq, err);
    /*
     * without memory for a text there is still a status; the static text cannot fail but for MHD's
     * own structure
     */
    if (priv->response == NULL)
        http__prepare(rq, err_http(err->code), NULL, from_bytes("", 0, MHD_RESPMEM_PERSISTENT), 0);
}
