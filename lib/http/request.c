/*
 * lib/http/request.c - the life of one request between MHD's callbacks
 *
 * MHD calls http__access() with the header complete, then with pieces of the body, then once more
 * with nothing. An answer queued at the first call makes MHD 0.9.75 close the connection, so
 * answers wait for the last call; only where the body is too large to be read and dropped (or
 * cannot be delimited) the answer goes out at once. A resumed request comes back through the same
 * call in which it was suspended.
 */
#include "lib/base/check.h"
#include "lib/http/http_private.h"
#include "lib/log/counters.h"

#include "lib/base/banned.h"

enum outcome { PASSED, ANSWERED, WAITING };

void *http__uri_seen(void *cls, const char *uri, struct MHD_Connection *con)
{
    struct http *http = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(con, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct conn *conn = info != NULL ? info->socket_context : NULL;
    struct rq *rq = conn != NULL ? http__slot_take(http, conn, con) : NULL;

    if (rq == NULL)
        return NULL;
    rq->id = uuid_new(rq->env);
    log_ctx_add(&rq->log, L_UUID("request", rq->id));
    rq->priv->begin_us = env_mono_us(rq->env);
    /* MHD cuts the query in place after this call */
    rq->target = arena_str(rq->arena, str_c(uri));
    return rq;
}

/* Runs a function of the program and settles what came of it. */
static enum outcome run(struct rq *rq, http_handler *fn)
{
    struct rq_private *priv = rq->priv;
    struct err err = {0};

    if (fn(rq, &err) < 0) {
        http__answer_error(rq, &err);
        if (!priv->waiting)
            return ANSWERED;
        http__suspend_undo(rq); /* the hand-over failed; MHD calls again */
        return WAITING;
    }
    if (priv->waiting)
        return WAITING;
    return priv->response != NULL ? ANSWERED : PASSED;
}

static int authorise(struct rq *rq, struct err *err)
{
    const struct http_cfg *cfg = &rq->priv->http->cfg;

    if (cfg->authorise != NULL)
        return cfg->authorise(rq, rq->route->who, err);
    if (rq->route->who != 0)
        return err_set(err, E_UNAUTHENTICATED, "", "listener '%s' authorises nobody", cfg->name);
    return 0;
}

static bool has_body(const struct rq_private *priv)
{
    return priv->chunked || priv->body_length > 0;
}

/* Everything before the route's own checks. */
static int frame(struct rq *rq, const char *method, const char *version, struct err *err)
{
    struct rq_private *priv = rq->priv;

    if (!str_present(rq->target)) {
        priv->close = true;
        return err_tell(err, E_SYNTAX, "", "request line is malformed (RFC 9112 §3)");
    }
    if (http__frame(rq, method, version, err) < 0)
        return err_ret(err);
    if (priv->http->closing) {
        priv->close = true;
        return err_set(err, E_SHUTDOWN, "", "listener '%s' is closing", priv->http->cfg.name);
    }
    if (http__route(priv->http->router, rq, err) < 0)
        return err_ret(err);
    priv->max_body = rq->route->max_body > 0 ? rq->route->max_body : LIMIT_JSON_BYTES;
    rq->client_cert_sha256 = arena_str(rq->arena, http__conn_certificate(priv->conn, priv->con));
    return 0;
}

static int check_length(const struct rq *rq, uint64_t n, struct err *err)
{
    if (n <= rq->priv->max_body)
        return 0;
    COUNT(C_HTTP_REFUSED);
    return err_tell(err, E_LIMIT, "", "body exceeds %zu bytes", rq->priv->max_body);
}

/*
 * What follows the header: authorisation and, for streamed bodies, the handler. Repeats from where
 * it was suspended.
 */
static enum outcome head(struct rq *rq, const char *method, const char *version)
{
    struct rq_private *priv = rq->priv;
    struct err err = {0};
    enum outcome outcome;

    if (priv->step == STEP_FRAME) {
        if (frame(rq, method, version, &err) < 0) {
            COUNT(C_HTTP_REFUSED);
            http__answer_error(rq, &err);
            return ANSWERED;
        }
        priv->step = STEP_AUTHORISED;
        if ((outcome = run(rq, authorise)) != PASSED)
            return outcome;
    }
    if (priv->step == STEP_AUTHORISED) {
        if (check_length(rq, priv->body_length, &err) < 0) {
            http__answer_error(rq, &err);
            return ANSWERED;
        }
        priv->body.max = priv->max_body;
        buf_reset(&priv->body);
        priv->step = STEP_BODY;
        if ((rq->route->flags & HTTP_STREAM_BODY) == 0)
            return PASSED;
        if ((outcome = run(rq, rq->route->handler)) != PASSED)
            return outcome;
    }
    if ((rq->route->flags & HTTP_STREAM_BODY) != 0 && !EXPECT(priv->sink != NULL)) {
        err_set(&err, E_INTERNAL, "", "route '%s' neither answered nor set a sink",
                rq->route->path);
        http__answer_error(rq, &err);
        return ANSWERED;
    }
    return PASSED;
}

/* The body is complete: the handler, or the end of a streamed body. */
static enum outcome handle(struct rq *rq)
{
    struct rq_private *priv = rq->priv;
    struct err err = {0};
    enum outcome outcome;

    if (priv->step == STEP_BODY) {
        priv->step = STEP_HANDLED;
        rq->body = buf_str(&priv->body);
        outcome = run(rq, priv->sink != NULL ? priv->done : rq->route->handler);
        if (outcome != PASSED)
            return outcome;
    }
    EXPECT(priv->response != NULL);
    err_set(&err, E_INTERNAL, "", "route '%s' did not answer", rq->route->path);
    http__answer_error(rq, &err);
    return ANSWERED;
}

/* A piece of the body. False: the connection must be closed. */
static bool body_piece(struct rq *rq, const char *data, size_t n)
{
    struct rq_private *priv = rq->priv;
    struct err err = {0};

    if (priv->response != NULL) {
        priv->drained += n;
        return priv->drained <= HTTP_DRAIN_BYTES;
    }
    priv->body_seen += n;
    if (priv->sink != NULL) {
        if (check_length(rq, priv->body_seen, &err) < 0 || priv->sink(rq, data, n, &err) < 0)
            http__answer_error(rq, &err);
        return true;
    }
    if (check_length(rq, priv->body_seen, &err) < 0) {
        http__answer_error(rq, &err);
        return true;
    }
    buf_add(&priv->body, data, n);
    if (buf_failed(&priv->body)) {
        err_set(&err, E_NO_MEMORY, "", "body of %zu bytes", priv->body.n + n);
        http__answer_error(rq, &err);
    }
    return true;
}

/*
 * A refused body that is small is read and dropped: an answer before it could be lost with the
 * connection. Not so if the framing is in doubt, or if the client has not sent it yet.
 */
static bool may_drain(const struct rq_private *priv)
{
    return !priv->close &&
           (!has_body(priv) || (!priv->expect && priv->body_length <= HTTP_DRAIN_BYTES));
}

/* The call with the complete header, once or, after a suspension, more often. */
static enum MHD_Result first_call(struct rq *rq, enum outcome outcome, const char *method,
                                  const char *version)
{
    struct rq_private *priv = rq->priv;
    struct http *http = priv->http;

    if (outcome == PASSED)
        outcome = head(rq, method, version);
    if (outcome == WAITING)
        return MHD_YES;
    priv->head_done = true;
    if (outcome == ANSWERED && !may_drain(priv))
        return http__queue(rq);
    if (has_body(priv)) {
        priv->conn->body_stream = priv->sink != NULL;
        http__arm(http, &priv->conn->deadline, DL_BODY);
    } else {
        http__disarm(http, &priv->conn->deadline);
    }
    return MHD_YES;
}

static enum MHD_Result last_call(struct rq *rq, enum outcome outcome)
{
    struct rq_private *priv = rq->priv;

    if (priv->received_us == 0) {
        priv->received_us = env_mono_us(rq->env);
        if (has_body(priv))
            http__disarm(priv->http, &priv->conn->deadline);
    }
    if (outcome == PASSED)
        outcome = handle(rq);
    return outcome == WAITING ? MHD_YES : http__queue(rq);
}

/* Back from a suspension: runs `resumed`, or answers for an owner that did not come. */
static enum outcome come_back(struct rq **rq, void **context)
{
    struct rq_private *priv = (*rq)->priv;
    struct err err = {0};
    bool overdue;

    pthread_mutex_lock(&priv->http->lock);
    overdue = priv->state == RQ_OVERDUE;
    if (!overdue)
        priv->state = RQ_RUNNING;
    pthread_mutex_unlock(&priv->http->lock);
    priv->waiting = false;
    if (!overdue)
        return run(*rq, priv->resumed);
    *rq = http__slot_replace(*rq, &err);
    *context = *rq;
    if (*rq == NULL)
        return WAITING;
    http__answer_error(*rq, &err);
    return ANSWERED;
}

enum MHD_Result http__access(void *cls, struct MHD_Connection *con, const char *url,
                             const char *method, const char *version, const char *data,
                             size_t *size, void **context)
{
    struct rq *rq = *context;
    enum outcome outcome;

    (void)cls;
    (void)con;
    (void)url;
    if (rq == NULL)
        return MHD_NO;
    if (*size > 0) {
        bool go_on = body_piece(rq, data, *size);

        *size = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    outcome = rq->priv->response != NULL ? ANSWERED : PASSED;
    if (rq->priv->waiting)
        outcome = come_back(&rq, context);
    if (rq == NULL)
        return MHD_NO;
    if (!rq->priv->head_done)
        return first_call(rq, outcome, method, version);
    return last_call(rq, outcome);
}

uint64_t rq_sent(struct rq *rq)
{
    const struct rq_private *priv = rq->priv;
    uint64_t out = 0;

    pthread_mutex_lock(&priv->http->lock);
    if (priv->is_fd && priv->conn != NULL)
        out = http__conn_bytes(priv->conn).out;
    if (out <= priv->acked_before + priv->header_bytes)
        out = 0;
    else
        out -= priv->acked_before + priv->header_bytes;
    pthread_mutex_unlock(&priv->http->lock);
    return out < priv->length ? out : priv->length;
}

/*
 * Body bytes that left, as far as they are known not to be lost on our side; the exact length if
 * all left.
 */
static uint64_t sent_bytes(const struct rq_private *priv, bool complete)
{
    uint64_t acked, seen;

    if (complete || priv->status == 0)
        return complete ? priv->length : 0;
    if (priv->stream.read != NULL)
        return priv->stream.sent - priv->stream.last;
    if (!priv->is_fd)
        return 0;
    /* a reset clears the kernel's count: what the watchdog saw before it stands */
    pthread_mutex_lock(&priv->http->lock);
    seen = priv->conn->moved;
    pthread_mutex_unlock(&priv->http->lock);
    acked = http__conn_bytes(priv->conn).out;
    if (acked < seen)
        acked = seen;
    if (acked <= priv->acked_before + priv->header_bytes)
        return 0;
    acked -= priv->acked_before + priv->header_bytes;
    return acked < priv->length ? acked : priv->length;
}

static void access_log(const struct rq *rq, uint64_t bytes)
{
    const struct rq_private *priv = rq->priv;
    struct str path = rq->path;

    if (priv->status == 0 || (rq->route != NULL && (rq->route->flags & HTTP_NO_LOG) != 0))
        return;
    if (path.n > 200)
        path.n = 200;
    log_info(&rq->log, "request", L_C("listener", priv->http->cfg.name),
             L_STR("method", rq->method), L_STR("path", path), L_I64("status", priv->status),
             L_I64("bytes", (int64_t)bytes), L_I64("us", env_mono_us(rq->env) - priv->begin_us),
             L_STR("remote", rq->remote), L_C("name", rq->route != NULL ? rq->route->name : NULL));
}

void http__completed(void *cls, struct MHD_Connection *con, void **context,
                     enum MHD_RequestTerminationCode code)
{
    struct http *http = cls;
    struct rq *rq = *context;
    struct rq_private *priv;
    struct conn *conn;
    uint64_t bytes;
    bool complete;

    (void)con;
    *context = NULL;
    if (rq == NULL)
        return;
    priv = rq->priv;
    conn = priv->conn;
    /* `response` is still there if the connection went away before the answer was queued */
    http__drop_reply(rq);
    complete = code == MHD_REQUEST_TERMINATED_COMPLETED_OK && !priv->stream.failed;
    bytes = sent_bytes(priv, complete);
    count_add(C_HTTP_SENT_BYTES, (int64_t)bytes);
    access_log(rq, bytes);
    if (priv->stream.end != NULL)
        priv->stream.end(priv->stream.cls, bytes, complete);
    if (priv->sent_end != NULL && priv->status != 0) {
        priv->sent_end(priv->sent_cls, bytes, complete);
        priv->sent_end = NULL;
    }
    http__slot_end(rq);
    http__arm(http, &conn->deadline, DL_IDLE);
}
