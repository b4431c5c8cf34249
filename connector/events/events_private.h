/*
 * connector/events/events_private.h - what the files of the unit share
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "connector/events/events.h"
#include "lib/db/writer.h"

#define ROUTE HTTP_ROUTE_PROTO
#include "connector/events/routes.def"
#undef ROUTE

#define EVENTS_DEADLINE_US (24 * 3600 * INT64_C(1000000)) /* then a callback is given up */
#define EVENTS_ABANDONED_US                                                                        \
    (10 * INT64_C(1000000)) /* a process that lives has dispatched by then */
#define EVENTS_TYP          "naru-event+jws"
#define EVENTS_CALLBACK_MAX 32 /* static ones */

/* -- events.c ---------------------------------------------------------------------------------- */

enum event_about {
    EVENT_ASSET,
    EVENT_POLICY,
    EVENT_DEFINITION,
    EVENT_NEGOTIATION,
    EVENT_TRANSFER,
    EVENT_SECRET
};

struct event_kind {
    const char *name; /* "contract.negotiation.finalized" */
    const char *type; /* "ContractNegotiationFinalized" */
    enum event_about about;
    const char *state; /* NULL: none */
};
extern const struct event_kind events__kinds[EVENT__COUNT];
/* NULL if there is none of this name. */
const struct event_kind *events__kind(struct str name);

/* Counts the messages of ours in the outbox. */
MUST_CHECK int events__read_backlog(struct events *events, struct db *db, struct err *err);

/* -- body.c ------------------------------------------------------------------------------------ */

enum event_format { EVENT_EDC, EVENT_CLOUD };

/* An event with what its body says of the process. */
struct event_row {
    int64_t seq;
    struct str type, subject, detail;
    int64_t at_us;
    struct str role, peer_id, peer_address, protocol, asset_id, offer_id, callbacks, policy;
    struct str agreement_id, provider_id, consumer_id, agreed_policy;
    int64_t agreed_us;
    struct str endpoint, token; /* only where the body goes to a callback */
};
extern const struct object event_row_object;

/* Who speaks: DID, and for CloudEvents the URL that is the source. */
struct event_source {
    struct str participant, url;
};

/* The same for the same row, wherever it is told. */
struct uuid events__uuid(const struct event_row *row, struct str participant);
/* The body for a callback. Appends. */
void events__body(const struct event_row *row, enum event_format format,
                  const struct event_source *source, struct buf *out);
/* An element of a page: EDC's envelope with "seq" and "name". */
void events__element(const struct event_row *row, const struct event_source *source, struct jw *w);
/* Compact JWS of `body` with an empty payload (RFC 7515, appendix F). Appends. */
MUST_CHECK int events__sign(const struct app *app, struct str body, struct buf *out,
                            struct err *err);

/* -- callback.c -------------------------------------------------------------------------------- */

/* A callback address, of a process or of the configuration. */
struct event_callback {
    struct str uri;
    struct str_list events;
    bool transactional;
    struct str auth_key, auth_code_id;
    int format; /* enum event_format */
};
extern const struct object event_callback_object;

/* Reads the file of events.callbacks ("": none). Errors: E_CONFIG. */
MUST_CHECK int events__static_read(const struct app *app, struct arena *arena,
                                   struct list *ret_callbacks, struct err *err);
/* True if one of its prefixes begins the event's name, and it is to be called at all. */
bool events__matches(const struct event_callback *callback, struct str name);

/* -- dispatch.c -------------------------------------------------------------------------------- */

/* Puts what waits into the outbox, now or after the operation that is doing so. */
void events__dispatch(struct events *events);

/* -- deliver.c --------------------------------------------------------------------------------- */

/* What the outbox keeps of a message: which event, and how to authenticate. */
struct event_order {
    int64_t event;
    struct str auth_key, auth_code_id;
};
extern const struct object event_order_object;

struct target;

/* Somebody who waits for an event: a suspended request, or an answer that streams. */
struct waiter {
    struct rq *rq;
    http_handler *resumed; /* NULL: it streams */
    struct waiter *next;
};

struct events {
    struct app *app;
    struct arena *arena;   /* owned: static callbacks */
    struct list callbacks; /* struct event_callback */
    int64_t tag;           /* of this process, in rows that wait */
    int64_t last_seq; /* PostgreSQL: given in the present transaction; the writer's thread only */

    atomic_bool fresh;       /* put since events_committed last looked */
    atomic_bool due;         /* rows wait for dispatch */
    atomic_bool dispatching; /* the operation is queued */
    atomic_llong generation; /* of events committed by this process */
    atomic_llong backlog;    /* messages in the outbox */
    atomic_llong n_waiting;  /* followers */

    pthread_t thread;
    bool thread_made;
    struct db *db; /* the thread's */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct target *targets;
    struct waiter *waiters;
    int64_t woken_us; /* when the followers were last woken */
    bool news;        /* for them */
    int64_t flying;   /* requests of ours in the fetcher */
    bool closing;
};

/* Thread of the unit: starts what may leave, wakes followers. */
void *events__run(void *cls);
void events__targets_free(struct events *events);

/* -- wait.c ------------------------------------------------------------------------------------ */

/* What a follower wants to see; none: all. Texts are the request's. */
struct event_filter {
    struct str types[16];
    size_t n;
};

bool events__wants(const struct event_filter *filter, struct str name);
/* ?types= of a request. Errors: E_LIMIT. */
MUST_CHECK int events__read_types(struct rq *rq, struct event_filter *filter, struct err *err);
/* A number, "latest", or STR_NONE: 0. Errors: E_INVALID. */
MUST_CHECK int events__read_after(struct rq *rq, struct str text, int64_t *ret_after,
                                  struct err *err);

enum events_wait {
    EVENTS_WAITS,    /* the request is suspended; or rq_stream_ready comes */
    EVENTS_NEWS,     /* something has happened since `generation` was read: look again */
    EVENTS_NO_PLACE, /* stopping, or too many wait */
};
/* Waits for news; after reading in vain. `waiter` must live until it is woken or taken out. */
enum events_wait events__wait(struct events *events, struct waiter *waiter, int64_t generation);
/* Takes a stream that is over out of those who wait, if it is there. */
void events__wait_end(struct events *events, struct waiter *waiter);
/* Under the lock: lets followers look again who are due; returns when to come again, 0: never. */
int64_t events__wake_followers(struct events *events, int64_t now_us);
