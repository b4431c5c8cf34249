/*
 * connector/dataplane/access.c - GET, HEAD /data/…: one access of a consumer, from its token to its
 * receipt
 *
 * The order of checks: token -> transfer and agreement are those of the token and in force ->
 * policy -> source. Then the writer takes the access number; there the state is checked once more,
 * and a policy that counts uses is decided, so that neither a stale view nor parallel accesses can
 * slip through. The answer names the event; when its last byte has left (or the connection has
 * broken) the meter is settled.
 */
#include "connector/dataplane/dataplane_private.h"
#include "lib/base/limits.h"
#include "lib/log/counters.h"

#include "lib/base/banned.h"

#define ACCESS_ARENA KIB(256)

void access_ref(struct access *a)
{
    atomic_fetch_add(&a->refs, 1);
}

static void access_free(struct access *a)
{
    struct dataplane *dp = a->meter.dp;
    struct arena *arena = a->arena;

    view_unref(&a->view);
    arena_free(&arena);
    free(a);
    dataplane__live(dp, -1);
}

static void settled(struct meter *meter)
{
    access_free((struct access *)meter);
}

/* The last owner settles: then nobody changes the meter any more. */
void access_unref(struct access *a)
{
    if (atomic_fetch_sub(&a->refs, 1) > 1)
        return;
    if (a->view->ops->release != NULL)
        a->view->ops->release(a);
    arena_free(&a->arena); /* in the thread that has filled it, if it can be */
    if (a->taken)
        dataplane__settle(&a->meter);
    else
        access_free(a);
}

struct access *access_new(struct dataplane *dp, struct view *view)
{
    struct access *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return NULL;
    a->arena = arena_new(ACCESS_ARENA);
    if (a->arena == NULL) {
        free(a);
        return NULL;
    }
    atomic_init(&a->refs, 1);
    atomic_init(&a->cut, false);
    a->view = view_ref(view);
    a->transfer_id = view->transfer_id;
    a->began_mono_us = env_mono_us(dp->app->env);
    a->meter = (struct meter){
        .dp = dp,
        .role = PARTY_PROVIDER,
        .agreement = view->agreement.agreement_id,
        .transfer = view->transfer_id,
        .slot = -1,
        .settled = settled,
    };
    dataplane__live(dp, 1);
    return a;
}

static void enlist(struct access *a)
{
    struct dataplane *dp = a->meter.dp;

    pthread_mutex_lock(&dp->lock);
    a->next = dp->open;
    if (a->next != NULL)
        a->next->prev = a;
    dp->open = a;
    if (!dp->watching)
        pthread_cond_signal(&dp->wake);
    pthread_mutex_unlock(&dp->lock);
}

static void delist(struct access *a)
{
    struct dataplane *dp = a->meter.dp;

    pthread_mutex_lock(&dp->lock);
    if (a->prev != NULL)
        a->prev->next = a->next;
    else if (dp->open == a)
        dp->open = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
    a->prev = a->next = NULL;
    pthread_mutex_unlock(&dp->lock);
}

void access_end(struct access *a, int64_t sent, bool complete)
{
    struct meter *m = &a->meter;

    delist(a);
    if (a->view->ops->end != NULL)
        a->view->ops->end(a);
    m->until_us = env_wall_us(m->dp->app->env);
    if (m->until_us < m->since_us)
        m->until_us = m->since_us;
    m->counts = a->replied;
    if (a->replied && !a->head) {
        m->bytes = sent;
        m->given = a->handed > m->bytes ? a->handed - m->bytes : 0;
        m->rows_used = row_counter_rows(&a->rows, true);
        m->rows = row_counter_rows(complete ? &a->rows : &a->rows_before, complete && a->to_end);
    }
    access_unref(a);
}

/* -- the answer -------------------------------------------------------------------------------- */

/* It is as good as gone: a kill right after the last byte must not find an older number. */
static void note(struct access *a)
{
    const bool whole = a->to_end && a->handed == a->length;

    dataplane__meter_seen(&a->meter, a->handed, row_counter_rows(&a->rows, whole));
}

int dataplane__check_rows(const struct access *a, enum row_form form, struct err *err)
{
    if (form != ROWS_NONE || a->row_limit == INT64_MAX || a->head)
        return 0;
    return err_tell(err, E_POLICY, "policy",
                    "the policy limits rows, and data of this media type has none to count");
}

static int64_t rows_with(const struct access *a, const char *p, size_t n)
{
    struct row_counter rows = a->rows;

    row_counter_add(&rows, p, n);
    return row_counter_rows(&rows, true);
}

/* So many of the next bytes as the rows that are left allow. */
static size_t within_rows(struct access *a, const char *p, size_t n)
{
    size_t low = 0, high = n;

    if (a->row_limit == INT64_MAX || rows_with(a, p, n) <= a->row_limit)
        return n;
    a->over = true;
    while (low < high) {
        const size_t middle = low + (high - low + 1) / 2;

        if (rows_with(a, p, middle) <= a->row_limit)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

ssize_t access_read(void *cls, char *out, size_t max)
{
    struct access *a = cls;
    ssize_t n;

    if (atomic_load(&a->cut) || a->over)
        return HTTP_FAIL;
    if (a->limit == a->handed) { /* the policy's volume is used up: that must have been all */
        n = a->read(a, out, 1);
        return n > 0 ? HTTP_FAIL : n;
    }
    if (a->limit - a->handed < (int64_t)max)
        max = (size_t)(a->limit - a->handed);
    n = a->read(a, out, max);
    if (n <= 0)
        return n;
    n = (ssize_t)within_rows(a, out, (size_t)n);
    if (n == 0)
        return HTTP_FAIL;
    a->handed += n;
    a->rows_before = a->rows;
    row_counter_add(&a->rows, out, (size_t)n);
    note(a);
    return n;
}

void dataplane__reply_stream(struct access *a, int status, struct str media_type, int64_t length,
                             ssize_t (*read)(void *cls, char *out, size_t max))
{
    a->read = read;
    a->length = length;
    a->replied = true;
    a->outlet->stream(a, status, media_type, length);
}

void dataplane__reply_fd(struct access *a, int status, struct str media_type, int fd, uint64_t from,
                         uint64_t length)
{
    a->replied = true;
    a->length = (int64_t)length;
    a->outlet->fd(a, status, media_type, fd, from, length);
}

void dataplane__reply_buf(struct access *a, int status, struct str media_type, struct buf *body)
{
    a->replied = true;
    a->length = (int64_t)body->n;
    a->outlet->buf(a, status, media_type, body);
}

void dataplane__reply_empty(struct access *a, int status, struct str media_type)
{
    a->replied = true;
    a->outlet->empty(a, status, media_type);
}

/* -- the way of a pull ------------------------------------------------------------------------- */

/* The only way in which a request lets its access go. */
static void pull_end(void *cls, uint64_t sent, bool complete)
{
    struct access *a = cls;

    if (a->replied)
        COUNT(C_PULLS);
    access_end(a, (int64_t)sent, complete);
}

static struct str asked(const struct access *a, const char *name)
{
    return rq_header(a->rq, name);
}

static struct db *reader(const struct access *a)
{
    return ((const struct worker *)a->rq->thread)->db;
}

static int next_step(struct rq *rq, struct err *err)
{
    struct access *a = rq->cls;

    return a->next_step(a, err);
}

static void suspend(struct access *a, access_step *next)
{
    a->next_step = next;
    rq_suspend(a->rq, next_step);
}

static void resume(struct access *a)
{
    rq_resume(a->rq);
}

static void put_header(struct access *a, const char *name, struct str value)
{
    rq_reply_header(a->rq, name, value);
}

static const char *type_text(struct access *a, struct str media_type)
{
    return media_type.n > 0 ? arena_cstr(a->rq->arena, media_type) : NULL;
}

static void put_stream(struct access *a, int status, struct str media_type, int64_t length)
{
    rq_reply_stream(a->rq, status, type_text(a, media_type), length, access_read, NULL, a);
}

static void put_fd(struct access *a, int status, struct str media_type, int fd, uint64_t from,
                   uint64_t length)
{
    rq_reply_fd(a->rq, status, type_text(a, media_type), fd, from, length);
    atomic_store(&a->sends_file, true);
}

static void put_buf(struct access *a, int status, struct str media_type, struct buf *body)
{
    row_counter_add(&a->rows, body->p, body->n);
    a->handed = (int64_t)body->n;
    note(a);
    rq_reply_buf(a->rq, status, type_text(a, media_type), body);
}

static void put_empty(struct access *a, int status, struct str media_type)
{
    rq_reply(a->rq, status, type_text(a, media_type), STR(""));
}

static void stream_ready(void *access)
{
    rq_stream_ready(((struct access *)access)->rq);
}

static void break_off(struct access *a)
{
    rq_cut(a->rq);
}

static const struct outlet down = {
    .asked = asked,
    .db = reader,
    .suspend = suspend,
    .resume = resume,
    .header = put_header,
    .stream = put_stream,
    .fd = put_fd,
    .buf = put_buf,
    .empty = put_empty,
    .ready = stream_ready,
    .cut = break_off,
};

/* -- the number -------------------------------------------------------------------------------- */

static int answer(struct access *a, struct err *err)
{
    const struct uuid_text event = uuid_format(a->meter.event);

    if (a->err.code != E_OK) {
        *err = a->err;
        return err_ret(err);
    }
    a->outlet->header(a, WIRE_EVENT_HEADER, str_c(event.c));
    enlist(a);
    dataplane__meter_run(&a->meter);
    return a->view->ops->answer(a, err);
}

int dataplane__take(struct access *a, int64_t bytes, struct err *err)
{
    struct meter *m = &a->meter;

    a->unknown = bytes < 0 && !a->head;
    a->limit = a->row_limit = INT64_MAX;
    m->reserved = a->head || bytes < 0 ? 0 : bytes;
    m->since_us = env_wall_us(m->dp->app->env);
    if (dataplane__number_at_hand(a))
        return answer(a, err);
    a->outlet->suspend(a, answer);
    dataplane__number(a);
    return 0;
}

/* -- the request ------------------------------------------------------------------------------- */

static int read_token(struct rq *rq, struct dataplane *dp, struct pull_token *ret_token,
                      struct err *err)
{
    struct str token = rq_header(rq, "Authorization");

    if (token.n == 0)
        return err_tell(err, E_UNAUTHENTICATED, "Authorization", "a pull token is required");
    if (token.n > 7 && str_eq_nocase(str_n(token.p, 7), STR("Bearer ")))
        token = str_trim(str_from(token, 7));
    return dataplane__token_read(dp, TYP_PULL, token, rq->arena, ret_token, err);
}

int access_check(const struct view *view, struct err *err)
{
    if (view->refusal.code != E_OK) {
        *err = view->refusal;
        return err_ret(err);
    }
    if (view->ops == NULL)
        return err_tell(err, E_NOT_FOUND, "", "the dataset is no longer provided");
    return 0;
}

/* The token was made for this very agreement and consumer. */
static int check_binding(const struct view *view, const struct pull_token *token, struct err *err)
{
    if (!str_eq(view->agreement.agreement_id, token->agreement) ||
        !str_eq(view->agreement.consumer_id, token->consumer))
        return err_tell(err, E_PULL_TOKEN, "Authorization", "the token is for another agreement");
    return access_check(view, err);
}

int dataplane_get(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    struct dataplane *dp = app->dataplane;
    AUTO(view_unref) struct view *view = NULL;
    struct pull_token token;
    struct access *a;

    if (read_token(rq, dp, &token, err) < 0 ||
        dataplane__view_get(dp, worker->db, token.transfer, &view, err) < 0)
        return err_ret(err);
    log_ctx_add(&rq->log, L_STR("transfer", arena_str(rq->arena, view->transfer_id)));
    if (check_binding(view, &token, err) < 0)
        return err_ret(err);
    a = access_new(dp, view);
    if (a == NULL)
        return err_set(err, E_NO_MEMORY, "", "access");
    a->outlet = &down;
    a->rq = rq;
    a->query = rq->query;
    a->head = str_eq(rq->method, STR("HEAD"));
    rq->cls = a;
    rq_on_sent(rq, pull_end, a); /* from here on the request owns the access */
    if (path_read(rq->rest, a->arena, &a->path, err) < 0)
        return err_ret(err);
    return view->ops->begin(a, err);
}
