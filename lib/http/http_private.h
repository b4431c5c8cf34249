/*
 * lib/http/http_private.h - what the files of lib/http share
 *
 * A connection (struct conn) and a request (struct slot = struct rq + struct rq_private) are taken
 * from pools of their listener and go back there; their memory stays mapped until the listener is
 * freed, so that a late rq_stream_ready() touches a recycled request at worst, which does no harm.
 *
 * Who owns a request is its state, guarded by http->lock:
 *
 *   RUNNING --rq_suspend--> SUSPENDED --rq_resume--> RESUMED --listener thread--> RUNNING
 *                              | watchdog or shutdown
 *                              v
 *                           OVERDUE --answered by a request of its own--> ORPHAN --rq_resume-->
 *                           pool
 *
 * An orphan is a request whose connection was answered without waiting for it; its memory belongs
 * to whoever was handed it until that one calls rq_resume(). Order of locks: MHD's response mutex,
 * http->lock, MHD's connection lists.
 */
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "lib/http/http.h"

#define HTTP_POOL_BYTES  KIB(32) /* header fields of one connection (a token may have LIMIT_TOKEN) */
#define HTTP_DRAIN_BYTES KIB(256) /* of a refused body, read so that the answer arrives */
#define HTTP_BLOCK_BYTES KIB(32)  /* piece of a streamed answer */
#define HTTP_BUF_KEEP    KIB(64)  /* body memory that a pooled request keeps */
#define HTTP_PARAMS      8        /* path parameters of one route */
#define HTTP_METHODS     8        /* methods of one path */
#define HTTP_MIN_RATE    1024     /* bytes per second that a peer must take or deliver */
#define HTTP_IDLE_US     (60 * INT64_C(1000000)) /* unused connection */
#define HTTP_DRAIN_US                                                                              \
    (2 * INT64_C(1000000)) /* after the grace time, for the last answers to leave */

/* -- deadlines (deadline.c) -------------------------------------------------------------------- */
enum deadline_kind {
    DL_HEADER,  /* accepted, no complete header yet */
    DL_IDLE,    /* answered, no complete next header yet */
    DL_BODY,    /* header complete, body not */
    DL_SEND,    /* answer under way: enough bytes taken? */
    DL_SUSPEND, /* handed over, not resumed */
    DL_STREAM,  /* producer has nothing: is the peer still there? */
    DL__COUNT
};

/* Member of one list; each list has one period, so it is ordered by due_us. */
struct deadline {
    struct deadline *prev, *next;
    int64_t due_us;
    enum deadline_kind kind;
    bool armed;
};

struct deadline_list {
    struct deadline *head, *tail;
};

struct conn {
    struct conn *next; /* in the pool */
    struct http *http;
    struct deadline deadline; /* header, idle, body, send */
    struct tls *tls;          /* counted; NULL: plain */
    int fd;                   /* borrowed from MHD; valid until the close notification */
    uint64_t moved;           /* bytes moved when the deadline was armed (body, send) */
    bool body_stream;         /* body has a minimum rate instead of an absolute deadline */
    bool peer_known;          /* client certificate looked at */
    bool more;                /* TLS: a body follows the head that is sent next */
    char remote[INET6_ADDRSTRLEN];
    char cert_sha256[65];
};

enum rq_state { RQ_RUNNING, RQ_SUSPENDED, RQ_RESUMED, RQ_OVERDUE, RQ_ORPHAN };

enum rq_step { STEP_FRAME, STEP_AUTHORISED, STEP_BODY, STEP_HANDLED };

struct reply_header {
    struct reply_header *next;
    const char *name;
    const char *value;
};

struct stream {
    ssize_t (*read)(void *cls, char *out, size_t max);
    void (*end)(void *cls, uint64_t sent, bool complete);
    void *cls;
    int64_t length; /* < 0: unknown */
    uint64_t sent;  /* handed to MHD */
    uint64_t last;  /* the newest piece, which may not have left */
    bool failed;    /* set by the watchdog while waiting, else by the listener thread */
    bool ready;     /* guarded by http->lock: ready was said while the reader ran */
    bool waiting;   /* guarded by http->lock: connection is suspended for the producer */
};

struct rq_private {
    struct http *http;
    struct conn *conn;
    struct MHD_Connection *con;
    struct slot *next;        /* in the pool */
    struct deadline deadline; /* suspend, stream */
    enum rq_state state;      /* guarded by http->lock */
    bool owner_done;          /* guarded by http->lock: OVERDUE, and rq_resume() has come */
    enum rq_step step;
    http_handler *resumed;
    bool waiting; /* rq_suspend() was called and the listener thread has not come back yet */
    bool head_done;

    uint64_t body_length; /* Content-Length; 0 if chunked */
    bool chunked;
    bool expect; /* client waits for 100 (Continue) */
    bool close;  /* nothing more is read from this connection */
    size_t max_body;
    uint64_t body_seen;
    size_t drained;
    struct buf body;
    int (*sink)(struct rq *rq, const void *p, size_t n, struct err *err);
    http_handler *done;

    struct str params[HTTP_PARAMS];
    unsigned n_params;
    const char *allow
        [HTTP_METHODS]; /* methods that this path knows, if the one asked for is not among them */
    unsigned n_allow;
    struct jdoc *doc;
    struct jdoc *kept_doc; /* rq_keep_doc */

    struct MHD_Response *response; /* prepared, not queued */
    struct reply_header *headers;
    int status;
    int refused_status; /* instead of the code's own: 414, 431, 405 */
    uint64_t length;    /* of the answer's body */
    bool is_fd;
    bool in_memory;        /* all of the body is at hand */
    uint64_t acked_before; /* is_fd: bytes acknowledged before the answer */
    uint64_t header_bytes; /* and what its header takes at most */
    struct stream stream;
    void (*sent_end)(void *cls, uint64_t sent, bool complete);
    void *sent_cls;

    int64_t suspended_us; /* when it was suspended for the first time */
    int64_t begin_us;     /* request line seen */
    int64_t received_us;  /* last byte received */
};

struct slot {
    struct rq rq;
    struct rq_private priv;
    struct http *http; /* never changes */
};

struct http {
    struct http_cfg cfg; /* its texts are owned, the tables borrowed */
    struct router *router;
    struct MHD_Daemon *daemon;
    int listen_fd;
    uint16_t port;
    void **threads; /* objects made by cfg.thread_new, one per listener thread */
    unsigned n_threads;
    unsigned made_threads;
    atomic_uint claimed_threads;
    pthread_key_t thread_key; /* the listener thread's index + 1 */
    bool thread_key_made;
    pthread_t watchdog;
    bool watchdog_made;
    bool synced;          /* lock and conditions exist */
    atomic_bool closing;  /* new requests are refused */
    atomic_bool aborting; /* nothing may wait any more; set with the lock held */

    pthread_mutex_t lock; /* guards what follows, the marked members of requests, all deadlines */
    pthread_cond_t wake;  /* watchdog: an earlier deadline, or stop */
    pthread_cond_t idle;  /* in_flight has become 0 */
    struct deadline_list due[DL__COUNT];
    int64_t period_us[DL__COUNT];
    int64_t wake_at_us;
    bool stop_watchdog;
    bool closed; /* only orphans keep this alive */
    unsigned in_flight;
    unsigned orphans;
    struct tls *tls;
    struct slot *free_slots;
    struct conn *free_conns;
};

/* -- deadline.c -------------------------------------------------------------------------------- */
MUST_CHECK int http__watchdog_start(struct http *http, struct err *err);
void http__watchdog_stop(struct http *http);
/* Arms or moves a deadline to `kind`'s period from now. */
void http__arm(struct http *http, struct deadline *deadline, enum deadline_kind kind);
void http__disarm(struct http *http, struct deadline *deadline);
/* The same, with http->lock held. */
void http__arm_locked(struct http *http, struct deadline *deadline, enum deadline_kind kind);
void http__disarm_locked(struct http *http, struct deadline *deadline);

/* -- connection.c ------------------------------------------------------------------------------ */
void http__connection(void *cls, struct MHD_Connection *con, void **context,
                      enum MHD_ConnectionNotificationCode code);

/*
 * Bytes that the peer acknowledged (out) or that arrived from it (in), as the kernel counts them.
 */
struct conn_bytes {
    uint64_t in, out;
    bool stalled; /* something waits to be sent or acknowledged */
    bool gone;    /* the peer has closed, at least its side */
};
struct conn_bytes http__conn_bytes(const struct conn *conn);
/* Ends the connection with a reset, so that the peer cannot take what it has for complete. */
void http__conn_reset(const struct conn *conn);
void http__conn_pool_free(struct http *http);
/* The verified client certificate of the connection, looked up once. */
struct str http__conn_certificate(struct conn *conn, struct MHD_Connection *con);

/* -- slot.c ------------------------------------------------------------------------------------ */
/* A request from the pool with its arena, or NULL without memory. Counts as in flight. */
struct rq *http__slot_take(struct http *http, struct conn *conn, struct MHD_Connection *con);
/* Ends a request in flight: cleans it and gives it back, or leaves it to its owner (orphan). */
void http__slot_end(struct rq *rq);
/*
 * A new request for the connection of an overdue one, which becomes an orphan; NULL without memory.
 */
struct rq *http__slot_replace(struct rq *overdue, struct err *ret_cause);
/* Takes back a suspension that was not handed over. */
void http__suspend_undo(struct rq *rq);
/* The owner did not come: answers without it. http->lock held. */
void http__overdue_locked(struct rq_private *priv);
/*
 * Everything that waits is woken: suspended requests become overdue, waiting streams fail.
 * http->lock held.
 */
void http__abort_locked(struct http *http);
void http__slot_pool_free(struct http *http);
/* Frees the listener if it is closed and no orphan is left. Takes http->lock held, releases it. */
void http__unlock_or_free(struct http *http);
void http__free(struct http **http);

static inline struct rq *http__rq(struct rq_private *priv)
{
    return (struct rq *)((char *)priv - offsetof(struct slot, priv));
}

/* -- request.c --------------------------------------------------------------------------------- */
void *http__uri_seen(void *cls, const char *uri, struct MHD_Connection *con);
enum MHD_Result http__access(void *cls, struct MHD_Connection *con, const char *url,
                             const char *method, const char *version, const char *data,
                             size_t *size, void **context);
void http__completed(void *cls, struct MHD_Connection *con, void **context,
                     enum MHD_RequestTerminationCode code);

/* -- framing.c --------------------------------------------------------------------------------- */
/*
 * Everything that is checked before the route is known; fills method, target, path, query, body
 * length and log context. On error priv->close is set.
 */
MUST_CHECK int http__frame(struct rq *rq, const char *method, const char *version, struct err *err);
/* RFC 9110 §5.6.2 */
bool http__is_token(struct str s);
/* RFC 9110 §5.5, without the obsolete parts */
bool http__is_field_value(struct str s);

/* -- router.c ---------------------------------------------------------------------------------- */
struct router;
struct router *http__router_new(const struct http_route *const *tables, size_t n_tables,
                                bool tolerate_slashes);
void http__router_free(struct router **router);
/*
 * Sets rq->route, rq->rest and the parameters. Errors: E_NOT_FOUND, E_METHOD (fills allow),
 * E_SYNTAX.
 */
MUST_CHECK int http__route(const struct router *router, struct rq *rq, struct err *err);

/* -- reply.c ----------------------------------------------------------------------------------- */
/* Renders an error as the answer, in the listener's form. */
void http__answer_error(struct rq *rq, const struct err *err);
/* Forgets a prepared answer. */
void http__drop_reply(struct rq *rq);
/* Hands the prepared answer to MHD. */
enum MHD_Result http__queue(struct rq *rq);
/* Sets the prepared answer; `response` is taken and may be NULL (no memory). */
void http__prepare(struct rq *rq, int status, const char *content_type,
                   struct MHD_Response *response, uint64_t length);

/* -- tls.c ------------------------------------------------------------------------------------- */
struct tls;
extern const char http__tls_priorities[];
MUST_CHECK int http__tls_load(const struct http_cfg *cfg, struct tls **ret_tls, struct err *err);
struct tls *http__tls_ref(struct tls *tls);
void http__tls_unref(struct tls **tls);
/*
 * MHD's own certificate callback: refuses every handshake that http__tls_attach() did not prepare.
 */
int http__tls_refuse(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                     const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                     gnutls_pcert_st **chain, unsigned *n_chain, gnutls_privkey_t *key);
/*
 * Gives a new session our credentials, the verification of client certificates, and our way of
 * sending; false: it must not go on.
 */
bool http__tls_attach(struct conn *conn, gnutls_session_t session);
/* SHA-256 of the peer's certificate in hex; false if it has none. */
bool http__tls_peer(gnutls_session_t session, char ret_hex[static 65]);
