/*
 * lib/http/deadline.c - absolute deadlines of connections and requests, and the thread that
 * enforces them
 *
 * libmicrohttpd only has an inactivity timer, which a peer that drips bytes never meets, and none
 * at all for suspended requests. Here every phase has one list whose members all wait for the same
 * period: arming appends, so each list is ordered and only the heads are looked at. The watchdog
 * sleeps until the earliest head; it acts on a connection by shutting its socket down or by
 * resuming it, the rest is done by the listener thread that owns it.
 */
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/http/http_private.h"

#include "lib/base/banned.h"

#define NEVER_US INT64_MAX

static struct conn *conn_of(struct deadline *deadline)
{
    return (struct conn *)((char *)deadline - offsetof(struct conn, deadline));
}

static struct rq_private *request_of(struct deadline *deadline)
{
    return (struct rq_private *)((char *)deadline - offsetof(struct rq_private, deadline));
}

void http__disarm_locked(struct http *http, struct deadline *deadline)
{
    struct deadline_list *list = &http->due[deadline->kind];

    if (!deadline->armed)
        return;
    if (deadline->prev != NULL)
        deadline->prev->next = deadline->next;
    else
        list->head = deadline->next;
    if (deadline->next != NULL)
        deadline->next->prev = deadline->prev;
    else
        list->tail = deadline->prev;
    deadline->armed = false;
}

void http__arm_locked(struct http *http, struct deadline *deadline, enum deadline_kind kind)
{
    struct deadline_list *list = &http->due[kind];

    http__disarm_locked(http, deadline);
    deadline->kind = kind;
    deadline->due_us = env_mono_us(http->cfg.env) + http->period_us[kind];
    deadline->prev = list->tail;
    deadline->next = NULL;
    if (list->tail != NULL)
        list->tail->next = deadline;
    else
        list->head = deadline;
    list->tail = deadline;
    deadline->armed = true;
    if (deadline->due_us < http->wake_at_us)
        pthread_cond_signal(&http->wake);
}

void http__arm(struct http *http, struct deadline *deadline, enum deadline_kind kind)
{
    pthread_mutex_lock(&http->lock);
    http__arm_locked(http, deadline, kind);
    pthread_mutex_unlock(&http->lock);
}

void http__disarm(struct http *http, struct deadline *deadline)
{
    pthread_mutex_lock(&http->lock);
    http__disarm_locked(http, deadline);
    pthread_mutex_unlock(&http->lock);
}

/* A body or an answer that moves fast enough, or an answer that waits for us, goes on. */
static bool moves(const struct http *http, struct conn *conn, enum deadline_kind kind)
{
    struct conn_bytes now = http__conn_bytes(conn);
    uint64_t bytes = kind == DL_SEND ? now.out : now.in;
    uint64_t wanted = (uint64_t)(http->period_us[kind] / US_PER_S) * HTTP_MIN_RATE;
    bool enough = bytes - conn->moved >= (wanted > 0 ? wanted : 1);

    conn->moved = bytes;
    return enough || (kind == DL_SEND && !now.stalled);
}

static void expire(struct http *http, struct deadline *deadline)
{
    enum deadline_kind kind = deadline->kind;

    http__disarm_locked(http, deadline);
    switch (kind) {
    case DL_HEADER:
    case DL_IDLE: shutdown(conn_of(deadline)->fd, SHUT_RDWR); return;
    case DL_BODY:
        if (conn_of(deadline)->body_stream && moves(http, conn_of(deadline), kind))
            http__arm_locked(http, deadline, kind);
        else
            shutdown(conn_of(deadline)->fd, SHUT_RDWR);
        return;
    case DL_SEND:
        if (moves(http, conn_of(deadline), kind))
            http__arm_locked(http, deadline, kind);
        else
            http__conn_reset(conn_of(deadline));
        return;
    case DL_SUSPEND: http__overdue_locked(request_of(deadline)); return;
    case DL_STREAM:
        /* MHD does not watch the socket of a suspended connection */
        if (!http__conn_bytes(request_of(deadline)->conn).gone) {
            http__arm_locked(http, deadline, kind);
            return;
        }
        request_of(deadline)->stream.failed = true;
        request_of(deadline)->stream.waiting = false;
        MHD_resume_connection(request_of(deadline)->con);
        return;
    case DL__COUNT: break;
    }
    CHECK_UNREACHABLE();
}

/* Expires what is due and returns when to look again. */
static int64_t expire_due(struct http *http)
{
    int64_t now_us = env_mono_us(http->cfg.env);
    int64_t next_us = NEVER_US;

    for (unsigned kind = 0; kind < DL__COUNT; kind++) {
        struct deadline *head;

        while ((head = http->due[kind].head) != NULL && head->due_us <= now_us)
            expire(http, head);
        if (head != NULL && head->due_us < next_us)
            next_us = head->due_us;
    }
    return next_us;
}

static void *watchdog_main(void *arg)
{
    struct http *http = arg;

    pthread_mutex_lock(&http->lock);
    while (!http->stop_watchdog) {
        struct timespec until;
        int64_t wait_us;

        http->wake_at_us = expire_due(http);
        if (http->wake_at_us == NEVER_US) {
            pthread_cond_wait(&http->wake, &http->lock);
            continue;
        }
        /* the environment's clock decides, CLOCK_MONOTONIC only measures the pause */
        wait_us = http->wake_at_us - env_mono_us(http->cfg.env);
        if (wait_us < 1000)
            wait_us = 1000;
        clock_gettime(CLOCK_MONOTONIC, &until);
        wait_us += (int64_t)until.tv_nsec / 1000;
        until.tv_sec += (time_t)(wait_us / US_PER_S);
        until.tv_nsec = (long)(wait_us % US_PER_S) * 1000;
        pthread_cond_timedwait(&http->wake, &http->lock, &until);
    }
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

int http__watchdog_start(struct http *http, struct err *err)
{
    int failure;

    http->wake_at_us = NEVER_US;
    failure = pthread_create(&http->watchdog, NULL, watchdog_main, http);
    if (failure != 0)
        return err_set(err, E_NO_MEMORY, "", "cannot start the watchdog of '%s': %s",
                       http->cfg.name, strerror(failure));
    http->watchdog_made = true;
    return 0;
}

void http__watchdog_stop(struct http *http)
{
    if (!http->watchdog_made)
        return;
    pthread_mutex_lock(&http->lock);
    http->stop_watchdog = true;
    pthread_cond_signal(&http->wake);
    pthread_mutex_unlock(&http->lock);
    pthread_join(http->watchdog, NULL);
    http->watchdog_made = false;
}
