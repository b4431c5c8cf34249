/*
 * connector/events/wait.c - what followers share: where they begin, what they want to see, waiting
 *
 * The unit's thread lets all who wait look again after a commit, not more often than every 20 ms, and
 * every second, since their time may be over and another process may have written.
 */
#include "connector/events/events_private.h"
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define WAKE_PAUSE_US (US_PER_S / 50)
#define LOOK_PAUSE_US US_PER_S

/* -- what is asked for ------------------------------------------------------------------------- */

bool events__wants(const struct event_filter *filter, struct str name)
{
    for (size_t i = 0; i < filter->n; i++) {
        if (str_starts(name, filter->types[i]))
            return true;
    }
    return filter->n == 0;
}

int events__read_types(struct rq *rq, struct event_filter *filter, struct err *err)
{
    struct str rest = rq_query(rq, "types");

    while (str_present(rest) && rest.n > 0) {
        const struct str type = str_trim(str_cut(&rest, ','));

        if (filter->n == ARRAY_LEN(filter->types) || type.n > LIMIT_EVENT_NAME)
            return err_tell(err, E_LIMIT, "?types", "at most %zu prefixes of %d bytes",
                            ARRAY_LEN(filter->types), LIMIT_EVENT_NAME);
        filter->types[filter->n++] = type;
    }
    return 0;
}

struct latest {
    int64_t seq;
};
/* clang-format off */
static const struct field latest_fields[] = {FIELD(struct latest, seq, "seq", F_REQUIRED)};
/* clang-format on */
static OBJECT(latest_row, struct latest, latest_fields, OPEN);

int events__read_after(struct rq *rq, struct str text, int64_t *ret_after, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct latest latest = {0};

    *ret_after = 0;
    if (!str_present(text))
        return 0;
    if (!str_eq(text, STR("latest"))) {
        if (str_to_i64(text, ret_after) && *ret_after >= 0)
            return 0;
        return err_tell(err, E_INVALID, "?after", "expected a number from 0 on, or 'latest'");
    }
    if (db_one(worker->db, &q_event_latest, DB_NO_ARGS, &latest_row, rq->arena, &latest, err) ==
        DB_FAIL)
        return err_ret(err);
    *ret_after = latest.seq;
    return 0;
}

/* -- waiting ----------------------------------------------------------------------------------- */

enum events_wait events__wait(struct events *events, struct waiter *waiter, int64_t generation)
{
    enum events_wait result = EVENTS_WAITS;

    CHECK(pthread_mutex_lock(&events->lock) == 0);
    atomic_fetch_add(&events->n_waiting, 1); /* from here on a commit signals */
    if (events->closing || atomic_load(&events->n_waiting) > LIMIT_FOLLOWERS)
        result = EVENTS_NO_PLACE;
    else if (atomic_load(&events->generation) != generation)
        result = EVENTS_NEWS;
    if (result == EVENTS_WAITS) {
        if (waiter->resumed != NULL)
            rq_suspend(waiter->rq, waiter->resumed);
        waiter->next = events->waiters;
        events->waiters = waiter;
        CHECK(pthread_cond_signal(&events->wake) == 0);
    } else {
        atomic_fetch_sub(&events->n_waiting, 1);
    }
    CHECK(pthread_mutex_unlock(&events->lock) == 0);
    return result;
}

void events__wait_end(struct events *events, struct waiter *waiter)
{
    CHECK(pthread_mutex_lock(&events->lock) == 0);
    for (struct waiter **p = &events->waiters; *p != NULL; p = &(*p)->next) {
        if (*p == waiter) {
            *p = waiter->next;
            atomic_fetch_sub(&events->n_waiting, 1);
            break;
        }
    }
    CHECK(pthread_mutex_unlock(&events->lock) == 0);
}

static void wake_all(struct events *events)
{
    struct waiter *waiter = events->waiters;

    events->waiters = NULL;
    while (waiter != NULL) {
        struct waiter *next = waiter->next; /* a request may be over with its resumption */

        atomic_fetch_sub(&events->n_waiting, 1);
        if (waiter->resumed != NULL)
            rq_resume(waiter->rq);
        else
            rq_stream_ready(waiter->rq);
        waiter = next;
    }
}

int64_t events__wake_followers(struct events *events, int64_t now_us)
{
    const int64_t pause_us = events->news ? WAKE_PAUSE_US : LOOK_PAUSE_US;

    if (events->waiters == NULL)
        return 0;
    if (!events->closing && now_us < events->woken_us + pause_us)
        return events->woken_us + pause_us;
    events->news = false;
    events->woken_us = now_us;
    wake_all(events);
    return 0;
}
