/*
 * connector/events/stream.c - GET /naru/v1/events/stream: events as Server-Sent Events (HTML, "Server-sent events")
 *
 * ?after=<seq>|latest&types=<prefix>,…; the header Last-Event-ID, which a browser sends when it
 * connects again, wins over `after`. Each event has its sequence number as id, its name as event, and
 * as data what a page shows. A comment every 15 s keeps the connection alive. It ends when the
 * connector stops or too many wait: the client comes back with the last id.
 */
#include "connector/events/events_private.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define PIECE    50
#define BODY_MAX MIB(16)
#define BEAT_US  (15 * US_PER_S)

struct stream {
    struct waiter waiter;
    struct event_filter filter;
    struct event_source source;
    struct rq *rq;
    int64_t after;
    int64_t beat_us; /* monotonic: when the next comment is due */
    struct buf text; /* what is to leave */
    size_t sent;     /* of it */
    int64_t looked_at;
};

static int add_row(void *cls, const void *value, struct err *err)
{
    const struct event_row *row = value;
    struct stream *s = cls;
    struct jw w;

    (void)err;
    s->after = row->seq;
    s->looked_at++;
    if (!events__wants(&s->filter, row->type))
        return 0;
    buf_printf(&s->text, "id: %lld\nevent: ", (long long)row->seq);
    buf_add_str(&s->text, row->type);
    buf_add_c(&s->text, "\ndata: ");
    w = jw_init(&s->text);
    events__element(row, &s->source, &w);
    buf_add_c(&s->text, "\n\n");
    return 0;
}

/* The next events, or a comment if it is time for one. */
static int fill(struct stream *s, struct err *err)
{
    const struct worker *worker = s->rq->thread;
    const int64_t now_us = env_mono_us(s->rq->env);

    buf_done(&s->text);
    s->text = buf_init(BODY_MAX);
    s->sent = 0;
    do {
        s->looked_at = 0;
        if (db_each(worker->db, &q_event_page, DB_ARGS(DB_I64(s->after), DB_I64(PIECE)),
                    &event_row_object, add_row, s, err) < 0)
            return err_ret(err);
    } while (s->looked_at == PIECE && s->text.n == 0);
    if (s->text.n == 0 && now_us >= s->beat_us)
        buf_add_c(&s->text, ":\n\n");
    if (s->text.n > 0)
        s->beat_us = now_us + BEAT_US;
    return buf_failed(&s->text) ? err_set(err, E_NO_MEMORY, "", "stream of events") : 0;
}

static ssize_t next_piece(void *cls, char *out, size_t max)
{
    struct stream *s = cls;
    struct app *app = s->rq->app;
    struct err err = {0};
    size_t n;

    while (s->sent == s->text.n) {
        const int64_t generation = atomic_load(&app->events->generation);

        if (fill(s, &err) < 0) {
            log_err(&s->rq->log, "stream of events", &err);
            return HTTP_FAIL;
        }
        if (s->text.n > 0)
            break;
        switch (events__wait(app->events, &s->waiter, generation)) {
        case EVENTS_WAITS: return HTTP_AGAIN;
        case EVENTS_NEWS: continue;
        case EVENTS_NO_PLACE: return HTTP_END;
        }
    }
    n = s->text.n - s->sent < max ? s->text.n - s->sent : max;
    memcpy(out, s->text.p + s->sent, n);
    s->sent += n;
    return (ssize_t)n;
}

static void ended(void *cls, uint64_t sent, bool complete)
{
    struct stream *s = cls;
    struct app *app = s->rq->app;

    (void)sent;
    (void)complete;
    events__wait_end(app->events, &s->waiter);
    buf_done(&s->text);
}

int events_stream(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    struct stream *s = ARENA_NEW(rq->arena, struct stream);
    const struct str last = rq_header(rq, "Last-Event-ID");

    if (s == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    *s = (struct stream){
        .rq = rq,
        .waiter = {.rq = rq        },
        .source = { app->settings->participant_did, app->public_url},
        .text = buf_init(BODY_MAX),
    };
    if (events__read_after(rq, last.n > 0 ? last : rq_query(rq, "after"), &s->after, err) < 0 ||
        events__read_types(rq, &s->filter, err) < 0)
        return err_ret(err);
    rq_reply_header(rq, "Cache-Control", STR("no-store"));
    rq_reply_stream(rq, 200, "text/event-stream", -1, next_piece, ended, s);
    return 0;
}
