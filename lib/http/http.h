/*
 * lib/http/http.h - inbound HTTP: listeners, routes, requests, answers
 *
 * libmicrohttpd and its callback shape are visible in this folder only. A handler is a plain
 * function, called when the body is complete (unless the route streams), authorised, with an arena.
 * It answers with one of the rq_reply functions and returns 0, or returns an error, which the
 * listener renders (problem document by RFC 9457 unless the listener has its own form).
 *
 * Checked before any handler: more than one Content-Length or Host, Transfer-Encoding together with
 * Content-Length, body on GET/HEAD, absolute-form target, NUL/control bytes, request target over
 * LIMIT_URL, more than LIMIT_HEADERS fields, body above the route's cap (also without
 * Content-Length), absolute deadlines for header and body. Path parameters are cut from the raw
 * target and percent-decoded once; %00 is refused, %2F stays inside its parameter. Literal segments
 * win over parameters; `//` and one trailing slash are tolerated where the listener says so.
 * Unknown path 404, known path with other method 405 with Allow.
 *
 * Threads: handlers run in the listener's threads. Each thread has a per-thread object made by
 * cfg.thread_new (database connection); rq->thread points to it. A handler that must wait calls
 * rq_suspend(), hands over, and returns 0; whoever finishes calls rq_resume() once, after which the
 * `resumed` function runs in a listener thread and answers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/env.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/codec/codec.h"
#include "lib/log/log.h"

struct rq;
typedef int http_handler(struct rq *rq, struct err *err);

enum http_route_flags {
    HTTP_STREAM_BODY = 1, /* handler runs before the body; it must call rq_body_sink() */
    HTTP_NO_LOG = 2,      /* not in the access log (health, metrics) */
    HTTP_PREFIX = 4,      /* path is a prefix; the raw rest is rq->rest */
    HTTP_APP_FLAG = 256,  /* this bit is the unit's that owns the route */
};

struct http_route {
    const char *method; /* "GET", …; "*" any */
    const char *path;   /* "/v3/assets/{id}"; `{name}` is one segment */
    http_handler *handler;
    unsigned who;    /* handed to cfg.authorise; 0 is public */
    size_t max_body; /* 0: no body allowed beyond 0 bytes for GET, LIMIT_JSON_BYTES otherwise */
    unsigned flags;
    const char *name; /* operation id: access log, OpenAPI check, tests */
};

/* A row of a routes.def: ROUTE(GET, "/v3/assets/{id}", mgmt_asset_get, W_READER, 0, 0) */
#define HTTP_ROUTE_ROW(m, p, h, w, b, f)                                                           \
    {.method = #m,                                                                                 \
     .path = (p),                                                                                  \
     .handler = (h),                                                                               \
     .who = (w),                                                                                   \
     .max_body = (b),                                                                              \
     .flags = (f),                                                                                 \
     .name = #h},
#define HTTP_ROUTE_PROTO(m, p, h, w, b, f) int h(struct rq *rq, struct err *err);

enum http_client_cert { CLIENT_CERT_NONE, CLIENT_CERT_OPTIONAL, CLIENT_CERT_REQUIRED };

struct http_cfg {
    const struct env *env;
    const char *name;      /* "public", "management": for logs */
    struct str address;    /* "127.0.0.1:8443", "[::1]:0"; port 0 picks one */
    const char *cert_file; /* PEM chain; NULL: plain HTTP */
    const char *key_file;
    const char *client_ca_file; /* for client certificates */
    enum http_client_cert client_cert;
    unsigned threads;           /* 0: 2 */
    unsigned max_connections;   /* 0: LIMIT_CONNECTIONS */
    unsigned max_per_address;   /* 0: unlimited */
    int64_t header_timeout_us;  /* absolute, from accept or from the first byte of the next request;
                                   0: 10 s */
    int64_t body_timeout_us;    /* absolute; 0: 30 s */
    int64_t suspend_timeout_us; /* answered 503 if nobody resumes; 0: 60 s */
    size_t arena_bytes;         /* 0: LIMIT_REQUEST_ARENA */
    bool tolerate_slashes;      /* `//` and a trailing `/` */
    const struct http_route *const
        *route_tables; /* several tables, each ended by a row with method NULL */
    size_t n_route_tables;
    void *app; /* rq->app */
    /* Decides whether a request may reach its handler; sets rq->principal. NULL: only who == 0
     * passes. */
    int (*authorise)(struct rq *rq, unsigned who, struct err *err);
    /* Renders an error that a handler returned or that was found before; NULL: RFC 9457. */
    void (*render_error)(struct rq *rq, const struct err *err);
    void *(*thread_new)(void *app, struct err *err); /* per-thread object; NULL: none */
    void (*thread_free)(void *app, void *thread);
};

struct http;

/* Starts listening. Errors: E_CONFIG (address in use, unreadable certificate: says which and what
 * to do). */
MUST_CHECK int http_open(const struct http_cfg *cfg, struct http **ret_http, struct err *err);
/* True if a listening address ("127.0.0.1:8443", "[::1]:0", "localhost:80") is on loopback. */
bool http_is_loopback(struct str address);
/* The port in use (for port 0). */
uint16_t http_port(const struct http *http);
/*
 * Reads certificate, key and client CA again, the first two from these files (NULL: those of
 * http_open); keeps the old ones on error. TLS is not switched on or off. One thread at a time.
 */
MUST_CHECK int http_reload(struct http *http, const char *cert_file, const char *key_file,
                           struct err *err);
/* Stops accepting, waits for requests in flight until the deadline, resumes what is suspended with
 * E_SHUTDOWN, frees. */
void http_close(struct http **http, int64_t grace_us);

/* One request. Public members are read-only for handlers, except principal and log. */
struct rq {
    void *app;
    void *thread;
    void *principal; /* set by authorise; arena memory */
    const struct env *env;
    struct arena *arena;
    const struct http_route *route;
    struct str method;
    struct str target; /* raw request target */
    struct str path;   /* raw path */
    struct str query;  /* raw query without '?', STR_NONE if none */
    struct str rest;   /* HTTP_PREFIX: raw remainder of the path */
    struct str body;
    struct str remote;             /* peer address without port */
    struct str client_cert_sha256; /* hex, of a verified client certificate; STR_NONE if none */
    struct uuid id;                /* request id, also sent as X-Request-Id */
    struct log_ctx log;
    void *cls; /* free for the handler, kept over suspension */
    struct rq_private *priv;
};

/* Request header's value, STR_NONE if absent. Repeated single-value headers were refused before.
 * Only in listener threads: not while the request is suspended. */
struct str rq_header(const struct rq *rq, const char *name);
/* Decoded path parameter {name}; a CHECK if the route has none of that name. */
struct str rq_param(const struct rq *rq, const char *name);
/* Decoded query parameter (form decoding: '+' is a space), STR_NONE if absent; the first if
 * repeated. */
struct str rq_query(const struct rq *rq, const char *name);
/* Integer query parameter with default and bounds. Errors: E_INVALID with at = "?name". */
MUST_CHECK int rq_query_i64(const struct rq *rq, const char *name, int64_t dflt, int64_t min,
                            int64_t max, int64_t *ret_value, struct err *err);
/* Parses the body as JSON (document lives as long as the request). Empty body: E_SYNTAX. Content
 * types application/json,
 * *+json and none are accepted, others are E_MEDIA_TYPE. */
MUST_CHECK int rq_json(struct rq *rq, const struct jlimits *limits, const struct jval **ret_root,
                       struct err *err);
/* rq_json + object_decode. */
MUST_CHECK int rq_decode(struct rq *rq, const struct object *object, void *out, struct err *err);

/*
 * Adds an answer header; name and value are copied; CR/LF make it fail silently as EXPECT; an empty
 * value is not sent. Before the reply. Headers set before an error is returned go out with the
 * error's answer.
 */
void rq_reply_header(struct rq *rq, const char *name, struct str value);
/* Answers; the body is copied. content_type NULL: none. */
void rq_reply(struct rq *rq, int status, const char *content_type, struct str body);
void rq_reply_json(struct rq *rq, int status, struct str json); /* application/json */
void rq_reply_object(struct rq *rq, int status, const struct object *object, const void *value);
void rq_reply_empty(struct rq *rq, int status);
/* Takes over the bytes of a buf without copying (buf is empty afterwards). */
void rq_reply_buf(struct rq *rq, int status, const char *content_type, struct buf *body);
/* Sends a part of a file; takes fd (closed at the end, also on failure). */
void rq_reply_fd(struct rq *rq, int status, const char *content_type, int fd, uint64_t offset,
                 uint64_t length);
/*
 * Streams an answer. `read` fills up to max bytes and returns the count, HTTP_END, HTTP_FAIL
 * (connection is reset, so that the receiver cannot take it for complete) or HTTP_AGAIN (nothing
 * yet: call rq_stream_ready() later, from any thread). length < 0: unknown (chunked). `end` is
 * called exactly once when the stream is over, with the number of body bytes handed to the
 * transport and whether it was complete; from any thread. If it was not complete, the last piece is
 * not counted: it may not have left. rq_stream_ready() may come too late or too often, but not
 * after http_close().
 */
#define HTTP_END   (-1)
#define HTTP_FAIL  (-2)
#define HTTP_AGAIN (-3)
void rq_reply_stream(struct rq *rq, int status, const char *content_type, int64_t length,
                     ssize_t (*read)(void *cls, char *out, size_t max),
                     void (*end)(void *cls, uint64_t sent, bool complete), void *cls);
void rq_stream_ready(struct rq *rq);
/*
 * For other replies: called once when the answer has been sent or given up, with body bytes sent;
 * from any thread. Before the reply or the suspension.
 */
void rq_on_sent(struct rq *rq, void (*end)(void *cls, uint64_t sent, bool complete), void *cls);

/* Body bytes of rq_reply_fd that have left so far; 0 for other answers. Any thread, as rq_cut. */
uint64_t rq_sent(struct rq *rq);
/*
 * Breaks an answer under way, so that the receiver cannot take it for complete. Any thread, from
 * the reply until `end` (of rq_reply_stream or rq_on_sent) has returned.
 */
void rq_cut(struct rq *rq);

/* HTTP_STREAM_BODY: pieces go to `sink` (return 0, or an error that ends the request); `done` then
 * answers. */
void rq_body_sink(struct rq *rq,
                  int (*sink)(struct rq *rq, const void *p, size_t n, struct err *err),
                  http_handler *done);

/*
 * Suspends; `resumed` runs later in a listener thread and answers or returns an error. Call before
 * handing over. If the hand-over fails, just return the error. If nobody resumes in time (counted
 * from the request's first suspension) or the listener closes, the client is answered without the
 * owner: then `resumed` does not run, and the request's memory stays until rq_resume() is called.
 * What must be freed in every case goes to rq_on_sent(). cfg.authorise may suspend too: `resumed`
 * then returns 0 to let the request pass.
 */
void rq_suspend(struct rq *rq, http_handler *resumed);
/* Ends the suspension; any thread; do not touch rq afterwards. */
void rq_resume(struct rq *rq);

/* The RFC 9457 form, also usable by listeners with own forms. Adds "code" (slug), "at", "request".
 */
void http_problem(struct rq *rq, const struct err *err);

/* Ready-made handlers: GET /metrics (OpenMetrics) of the whole process, for route tables. */
int http_metrics(struct rq *rq, struct err *err);

/* Parsed Range header for a resource of `size` bytes: RFC 9110 §14, a single range only (several:
 * whole answer). */
enum http_range { RANGE_NONE, RANGE_OK, RANGE_BAD };
enum http_range http_range_parse(struct str header, uint64_t size, uint64_t *ret_from,
                                 uint64_t *ret_length);
/* True if an If-None-Match / If-Match list contains the (quoted) tag; weak comparison if `weak`. */
bool http_etag_match(struct str header, struct str etag, bool weak);

/* True if the client takes a gzip-coded answer (RFC 9110 §12.5.3). */
bool http_accepts_gzip(const struct rq *rq);
/* Appends `in` in gzip form, fast rather than small. The answer then carries Content-Encoding and
 * Vary. Errors: E_NO_MEMORY, E_LIMIT (out is full). */
MUST_CHECK int http_gzip(struct str in, struct buf *out, struct err *err);
