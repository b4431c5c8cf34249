/*
 * connector/events/follow.c - GET /naru/v1/events: events from a sequence number on, waiting if there are none
 *
 * ?after=<seq>|latest&limit=&types=<prefix>,…&wait=<seconds>. "next" is where to go on: the number of
 * the last event that was looked at, shown or not. No tokens are shown here: an EDR is asked for by
 * its transfer.
 */
#include "connector/events/events_private.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define PIECE         100
#define LOOKED_AT_MAX 5000   /* events of one request, shown or not */
#define BODY_SOFT     MIB(4) /* a page ends there */
#define BODY_MAX      MIB(16)
#define WAIT_MAX_S    50 /* below the listener's limit of a suspension */

struct follow {
    struct waiter waiter;
    struct event_filter filter;
    struct event_source source;
    int64_t after, limit;
    int64_t until_us; /* monotonic */
    /* the page */
    struct buf body;
    struct jw w;
    int64_t next, n, looked_at;
    bool more;
};

/* -- reading ----------------------------------------------------------------------------------- */

static int add_row(void *cls, const void *value, struct err *err)
{
    const struct event_row *row = value;
    struct follow *f = cls;

    (void)err;
    if (f->n == f->limit || f->body.n > BODY_SOFT) {
        f->more = true;
        return 0;
    }
    f->next = row->seq;
    f->looked_at++;
    if (events__wants(&f->filter, row->type)) {
        events__element(row, &f->source, &f->w);
        f->n++;
    }
    return 0;
}

static int read_page(struct rq *rq, struct follow *f, struct err *err)
{
    const struct worker *worker = rq->thread;
    int64_t before;

    buf_done(&f->body);
    f->body = buf_init(BODY_MAX);
    f->w = jw_init(&f->body);
    f->n = f->looked_at = 0;
    f->more = false;
    f->next = f->after;
    jw_object(&f->w);
    jw_key(&f->w, "events");
    jw_array(&f->w);
    do {
        before = f->looked_at;
        if (db_each(worker->db, &q_event_page, DB_ARGS(DB_I64(f->next), DB_I64(PIECE)),
                    &event_row_object, add_row, f, err) < 0)
            return err_ret(err);
    } while (!f->more && f->looked_at == before + PIECE && f->looked_at < LOOKED_AT_MAX);
    f->more = f->more || f->looked_at == before + PIECE;
    return 0;
}

static int reply(struct rq *rq, struct follow *f, struct err *err)
{
    jw_array_end(&f->w);
    jw_ki64(&f->w, "next", f->next);
    jw_kbool(&f->w, "more", f->more);
    jw_object_end(&f->w);
    if (buf_failed(&f->body))
        return err_set(err, E_NO_MEMORY, "", "events");
    rq_reply_buf(rq, 200, "application/json", &f->body);
    return 0;
}

/* -- waiting ----------------------------------------------------------------------------------- */

static int look(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    struct follow *f = rq->cls;

    for (;;) {
        const int64_t generation = atomic_load(&app->events->generation);

        if (read_page(rq, f, err) < 0)
            return err_ret(err);
        if (f->n > 0 || f->more || env_mono_us(rq->env) >= f->until_us)
            return reply(rq, f, err);
        f->after = f->next;
        f->waiter = (struct waiter){.rq = rq, .resumed = look};
        switch (events__wait(app->events, &f->waiter, generation)) {
        case EVENTS_WAITS: return 0;
        case EVENTS_NEWS: continue;
        case EVENTS_NO_PLACE: return reply(rq, f, err);
        }
    }
}

/* -- the request ------------------------------------------------------------------------------- */

static void ended(void *cls, uint64_t sent_bytes, bool complete)
{
    struct follow *f = cls;

    (void)sent_bytes;
    (void)complete;
    buf_done(&f->body);
}

int events_follow(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    struct follow *f = ARENA_NEW(rq->arena, struct follow);
    int64_t wait_s;

    if (f == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    *f = (struct follow){
        .source = {app->settings->participant_did, app->public_url}
    };
    rq->cls = f;
    if (events__read_after(rq, rq_query(rq, "after"), &f->after, err) < 0 ||
        rq_query_i64(rq, "limit", PIECE, 1, LIMIT_PAGE, &f->limit, err) < 0 ||
        rq_query_i64(rq, "wait", 0, 0, WAIT_MAX_S, &wait_s, err) < 0 ||
        events__read_types(rq, &f->filter, err) < 0)
        return err_ret(err);
    f->until_us = env_mono_us(rq->env) + wait_s * US_PER_S;
    rq_on_sent(rq, ended, f);
    return look(rq, err);
}
