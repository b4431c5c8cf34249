/*
 * lib/http/slot.c - requests: their pool, and who owns them while they are suspended
 *
 * The states are in http_private.h. MHD must never be stopped while a connection is suspended, and
 * a suspended one has no time limit of its own; both follow from http__overdue_locked(), which the
 * watchdog and the shutdown use.
 */
#include "lib/base/check.h"
#include "lib/http/http_private.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

static struct slot *slot_of(struct rq *rq)
{
    return (struct slot *)rq;
}

static void *thread_object(struct http *http)
{
    uintptr_t index = (uintptr_t)pthread_getspecific(http->thread_key);

    if (index == 0) {
        index = atomic_fetch_add(&http->claimed_threads, 1) + 1;
        CHECK(index <= http->n_threads);
        pthread_setspecific(http->thread_key, (void *)index);
    }
    return http->threads[index - 1];
}

static struct slot *new_slot(struct http *http)
{
    struct slot *slot = calloc(1, sizeof(*slot));

    if (slot == NULL || (slot->rq.arena = arena_new(http->cfg.arena_bytes)) == NULL) {
        free(slot);
        return NULL;
    }
    slot->http = http;
    slot->priv.body = buf_init(0);
    return slot;
}

static void free_slot(struct slot *slot)
{
    arena_free(&slot->rq.arena);
    buf_done(&slot->priv.body);
    free(slot);
}

struct rq *http__slot_take(struct http *http, struct conn *conn, struct MHD_Connection *con)
{
    struct slot *slot;
    struct arena *arena;
    struct buf body;

    pthread_mutex_lock(&http->lock);
    slot = http->free_slots;
    if (slot != NULL)
        http->free_slots = slot->priv.next;
    http->in_flight++;
    pthread_mutex_unlock(&http->lock);
    if (slot == NULL && (slot = new_slot(http)) == NULL) {
        pthread_mutex_lock(&http->lock);
        if (--http->in_flight == 0)
            pthread_cond_broadcast(&http->idle);
        pthread_mutex_unlock(&http->lock);
        return NULL;
    }
    arena = slot->rq.arena;
    body = slot->priv.body;
    slot->rq = (struct rq){.app = http->cfg.app,
                           .thread = thread_object(http),
                           .env = http->cfg.env,
                           .arena = arena,
                           .priv = &slot->priv};
    slot->rq.remote = arena_str(arena, str_c(conn->remote));
    /* under the lock: a late rq_stream_ready() for the slot's last user looks at it */
    pthread_mutex_lock(&http->lock);
    slot->priv = (struct rq_private){.http = http, .conn = conn, .con = con, .body = body};
    pthread_mutex_unlock(&http->lock);
    return &slot->rq;
}

/*
 * Cleans a request that nobody uses and puts it back. Without lock: the handler's `end` is called.
 */
static void recycle(struct rq *rq)
{
    struct rq_private *priv = rq->priv;
    struct http *http = priv->http;

    if (priv->sent_end != NULL)
        priv->sent_end(priv->sent_cls, 0, false);
    priv->sent_end = NULL;
    jdoc_free(&priv->doc);
    jdoc_free(&priv->kept_doc);
    if (priv->body.cap > HTTP_BUF_KEEP)
        buf_done(&priv->body);
    arena_reset(rq->arena);
    pthread_mutex_lock(&http->lock);
    priv->state = RQ_RUNNING;
    priv->next = http->free_slots;
    http->free_slots = slot_of(rq);
    pthread_mutex_unlock(&http->lock);
}

/* Leaves an overdue request to its owner. True if the owner is through with it already. */
static bool orphan(struct rq_private *priv)
{
    struct http *http = priv->http;
    bool done;

    pthread_mutex_lock(&http->lock);
    done = priv->owner_done;
    if (!done) {
        priv->state = RQ_ORPHAN;
        priv->con = NULL;
        priv->conn = NULL;
        http->orphans++;
    }
    pthread_mutex_unlock(&http->lock);
    return done;
}

void http__slot_end(struct rq *rq)
{
    struct http *http = rq->priv->http;
    bool overdue;

    pthread_mutex_lock(&http->lock);
    overdue = rq->priv->state == RQ_OVERDUE;
    http__disarm_locked(http, &rq->priv->deadline);
    pthread_mutex_unlock(&http->lock);
    if (!overdue || orphan(rq->priv))
        recycle(rq);
    pthread_mutex_lock(&http->lock);
    if (--http->in_flight == 0)
        pthread_cond_broadcast(&http->idle);
    pthread_mutex_unlock(&http->lock);
}

struct rq *http__slot_replace(struct rq *overdue, struct err *ret_cause)
{
    struct rq_private *old = overdue->priv;
    struct rq *rq = http__slot_take(old->http, old->conn, old->con);

    if (rq != NULL) {
        struct rq_private *priv = rq->priv;

        rq->id = overdue->id;
        rq->route = overdue->route;
        rq->method = arena_str(rq->arena, overdue->method);
        rq->target = arena_str(rq->arena, overdue->target);
        rq->path = arena_str(rq->arena, overdue->path);
        rq->query = arena_str(rq->arena, overdue->query);
        rq->log = (struct log_ctx){0};
        log_ctx_add(&rq->log, L_UUID("request", rq->id));
        priv->step = old->step;
        priv->head_done = old->head_done;
        priv->body_length = old->body_length;
        priv->chunked = old->chunked;
        priv->expect = old->expect;
        priv->begin_us = old->begin_us;
        priv->received_us = old->received_us;
    }
    if (old->http->aborting)
        err_set(ret_cause, E_SHUTDOWN, "", "shut down while the request waited");
    else
        err_set(ret_cause, E_BUSY, "", "nobody resumed the request within %lld us",
                (long long)old->http->cfg.suspend_timeout_us);
    http__slot_end(overdue);
    return rq;
}

void http__overdue_locked(struct rq_private *priv)
{
    priv->state = RQ_OVERDUE;
    MHD_resume_connection(priv->con);
}

/* The deadline holds for the request, however often it is suspended. */
static bool waited_enough(struct rq_private *priv)
{
    int64_t now_us = env_mono_us(priv->http->cfg.env);

    if (priv->suspended_us == 0)
        priv->suspended_us = now_us;
    return now_us - priv->suspended_us >= priv->http->cfg.suspend_timeout_us;
}

void rq_suspend(struct rq *rq, http_handler *resumed)
{
    struct rq_private *priv = rq->priv;
    struct http *http = priv->http;

    CHECK(!priv->waiting && priv->response == NULL);
    priv->resumed = resumed;
    priv->waiting = true;
    pthread_mutex_lock(&http->lock);
    CHECK(priv->state == RQ_RUNNING);
    priv->state = RQ_SUSPENDED;
    MHD_suspend_connection(priv->con);
    if (http->aborting || waited_enough(priv))
        http__overdue_locked(priv);
    else
        http__arm_locked(http, &priv->deadline, DL_SUSPEND);
    pthread_mutex_unlock(&http->lock);
}

void http__suspend_undo(struct rq *rq)
{
    struct rq_private *priv = rq->priv;
    struct http *http = priv->http;

    pthread_mutex_lock(&http->lock);
    /* RESUMED and OVERDUE: MHD resumes it already */
    if (priv->state == RQ_SUSPENDED) {
        http__disarm_locked(http, &priv->deadline);
        MHD_resume_connection(priv->con);
    }
    priv->state = RQ_RUNNING;
    pthread_mutex_unlock(&http->lock);
    priv->waiting = false;
}

void rq_resume(struct rq *rq)
{
    struct rq_private *priv = rq->priv;
    struct http *http = priv->http;

    pthread_mutex_lock(&http->lock);
    switch (priv->state) {
    case RQ_SUSPENDED:
        http__disarm_locked(http, &priv->deadline);
        priv->state = RQ_RESUMED;
        MHD_resume_connection(priv->con);
        pthread_mutex_unlock(&http->lock);
        return;
    case RQ_OVERDUE:
        CHECK(!priv->owner_done);
        priv->owner_done = true;
        pthread_mutex_unlock(&http->lock);
        return;
    case RQ_ORPHAN:
        pthread_mutex_unlock(&http->lock);
        recycle(rq);
        pthread_mutex_lock(&http->lock);
        http->orphans--;
        http__unlock_or_free(http);
        return;
    case RQ_RUNNING:
    case RQ_RESUMED: break;
    }
    CHECK_UNREACHABLE();
}

void http__abort_locked(struct http *http)
{
    struct deadline *deadline;

    http->aborting = true;
    while ((deadline = http->due[DL_SUSPEND].head) != NULL) {
        http__disarm_locked(http, deadline);
        http__overdue_locked((void *)((char *)deadline - offsetof(struct rq_private, deadline)));
    }
    while ((deadline = http->due[DL_STREAM].head) != NULL) {
        struct rq_private *priv =
            (void *)((char *)deadline - offsetof(struct rq_private, deadline));

        http__disarm_locked(http, deadline);
        priv->stream.waiting = false;
        MHD_resume_connection(priv->con);
    }
}

void http__slot_pool_free(struct http *http)
{
    while (http->free_slots != NULL) {
        struct slot *slot = http->free_slots;

        http->free_slots = slot->priv.next;
        free_slot(slot);
    }
}

void http__unlock_or_free(struct http *http)
{
    bool last = http->closed && http->orphans == 0;

    pthread_mutex_unlock(&http->lock);
    if (last)
        http__free(&http);
}
