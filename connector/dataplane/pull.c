/*
 * connector/dataplane/pull.c - GET, HEAD /naru/v1/edrs/{transfer}/data…: the company's programs
 * pull through their connector
 *
 * Path and query behind the endpoint, ranges and conditions pass to the provider; its bytes pass to
 * the client as they come. Counted is what arrived. A whole representation is checked against
 * Repr-Digest: its last byte waits for the outcome, and a wrong one breaks the answer off. If the
 * provider names an event (Naru-Event), the consumer's receipt is due from then on: a slot of the
 * journal stands for it (a row in `access` where none is free, committed before the client sees a
 * byte), and has the final numbers before the last byte leaves. A provider that does not speak Naru
 * gets none. One event is one delivery: a provider that names an event again is refused, nothing is
 * counted twice. A token that is about to expire, or that was refused, is renewed first, once per
 * request.
 */
#include "connector/dataplane/edr.h"
#include "connector/dataplane/flow.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define DEADLINE_US US_PER_DAY
#define MIN_RATE    1

static const char *const asked[] = {"Accept",
                                    "Accept-Language",
                                    "If-Match",
                                    "If-None-Match",
                                    "If-Modified-Since",
                                    "If-Unmodified-Since",
                                    "If-Range",
                                    "Range"};
static const char *const answered[] = {
    "ETag",          "Last-Modified",    "Content-Range", "Content-Language", "Content-Disposition",
    "Accept-Ranges", "Content-Encoding", "Repr-Digest",   "Naru-Event",       "Retry-After"};

struct pull {
    struct meter meter;  /* first */
    atomic_int refs;     /* the request's and the fetch's */
    struct rq *rq;       /* until pull_end */
    struct arena *arena; /* owned */
    struct endpoint endpoint;
    struct renewal_waiter waiter;
    bool head, renewed;
    bool listed; /* request's thread */
    struct flow flow;
    bool flowing;
    struct fetch *job; /* guarded by flow.lock */
    /* fetcher's thread until the request is resumed */
    bool resumed, again, metered;
    bool repeated; /* request's thread: the event was counted before */
    int status;
    int64_t length;
    struct str media_type, values[ARRAY_LEN(answered)];
    uint8_t digest[SHA256_LEN];
    struct hash *hash; /* NULL: nothing to compare with */
    struct row_counter rows;
    bool to_end;
    struct err err;
    struct writer_op op;
    /* guarded by dataplane->lock */
    struct pull *prev, *next; /* dataplane->pulls, until pull_end */
    bool cut, answering;
    int64_t began_mono_us;
};

static int send_request(struct rq *rq, struct err *err);

/* -- life -------------------------------------------------------------------------------------- */

static void pull_free(struct pull *p)
{
    struct dataplane *dp = p->meter.dp;
    struct arena *arena = p->arena;

    arena_free(&arena);
    free(p);
    dataplane__live(dp, -1);
}

static void settled(struct meter *meter)
{
    pull_free((struct pull *)meter);
}

static void pull_unref(struct pull *p)
{
    struct meter *m = &p->meter;

    if (atomic_fetch_sub(&p->refs, 1) > 1)
        return;
    if (p->flowing)
        flow_done(&p->flow);
    hash_free(&p->hash);
    if (!p->metered) {
        pull_free(p);
        return;
    }
    m->until_us = env_wall_us(m->dp->app->env);
    if (m->until_us < m->since_us) /* the provider's clock is ahead of ours */
        m->until_us = m->since_us;
    m->counts = !p->repeated;
    dataplane__settle(m);
}

static void enlist(struct pull *p)
{
    struct dataplane *dp = p->meter.dp;

    p->began_mono_us = env_mono_us(dp->app->env);
    p->listed = true;
    pthread_mutex_lock(&dp->lock);
    p->next = dp->pulls;
    if (p->next != NULL)
        p->next->prev = p;
    dp->pulls = p;
    if (!dp->watching)
        pthread_cond_signal(&dp->wake);
    pthread_mutex_unlock(&dp->lock);
}

static void delist(struct pull *p)
{
    struct dataplane *dp = p->meter.dp;

    pthread_mutex_lock(&dp->lock);
    if (p->next != NULL)
        p->next->prev = p->prev;
    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        dp->pulls = p->next;
    pthread_mutex_unlock(&dp->lock);
}

static void pull_end(void *cls, uint64_t sent, bool complete)
{
    struct pull *p = cls;

    (void)sent;
    (void)complete;
    if (p->listed)
        delist(p);
    if (p->flowing)
        flow_leave(&p->flow);
    pull_unref(p);
}

/* -- cutting ----------------------------------------------------------------------------------- */

/* Those that have been open since before an instant, each with a reference; *ret_n of them. NULL
 * without any, or without memory. */
static struct pull **list_open(struct dataplane *dp, int64_t began_before_us, size_t *ret_n)
{
    struct pull **list;
    size_t most = 0, n = 0;

    pthread_mutex_lock(&dp->lock);
    for (const struct pull *p = dp->pulls; p != NULL; p = p->next)
        most++;
    list = most > 0 ? calloc(most, sizeof(struct pull *)) : NULL;
    for (struct pull *p = dp->pulls; list != NULL && p != NULL; p = p->next) {
        if (p->began_mono_us > began_before_us || p->cut)
            continue;
        atomic_fetch_add(&p->refs, 1);
        list[n++] = p;
    }
    pthread_mutex_unlock(&dp->lock);
    *ret_n = n;
    return list;
}

/* What has no answer yet gets one that says why (reply). */
static void cancel(struct pull *p)
{
    pthread_mutex_lock(&p->flow.lock);
    if (p->job != NULL)
        fetch_cancel(p->meter.dp->app->fetcher, p->job);
    pthread_mutex_unlock(&p->flow.lock);
}

static void cut(struct dataplane *dp, struct pull *p)
{
    pthread_mutex_lock(&dp->lock);
    for (const struct pull *open = dp->pulls; open != NULL; open = open->next) {
        if (open != p) /* else its request has not ended yet */
            continue;
        p->cut = true;
        if (p->answering)
            rq_cut(p->rq);
        else if (p->flowing)
            cancel(p);
    }
    pthread_mutex_unlock(&dp->lock);
}

/* True if its transfer has stopped, or waits; a transfer that could not be read may go on. */
static bool is_over(struct db *db, const struct pull *p)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    struct endpoint e = {0};
    struct err err = {0};

    if (arena == NULL || dataplane__endpoint_get(db, p->endpoint.transfer_id, arena, &e, &err) < 0)
        return err.code == E_NOT_FOUND;
    return dataplane__endpoint_check(&e, &err) < 0;
}

void dataplane__pulls_check(struct dataplane *dp, struct db *db, int64_t began_before_us)
{
    size_t n = 0;
    struct pull **list = list_open(dp, began_before_us, &n);

    for (size_t i = 0; i < n; i++) {
        if (is_over(db, list[i])) {
            log_info(NULL, "a pull was cut: its transfer may not run any more",
                     L_STR("transfer", list[i]->endpoint.transfer_id));
            cut(dp, list[i]);
        }
        pull_unref(list[i]);
    }
    free(list);
}

/* -- what comes -------------------------------------------------------------------------------- */

static struct str value_of(const struct pull *p, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(answered); i++) {
        if (strcmp(answered[i], name) == 0)
            return p->values[i];
    }
    return STR_NONE;
}

/* RFC 9530: a dictionary; the member sha-256 is a byte sequence between colons. */
static bool read_digest(struct str header, uint8_t ret_digest[static SHA256_LEN])
{
    while (str_present(header)) {
        struct str member = str_trim(str_cut(&header, ','));
        const struct str name = str_cut(&member, '=');
        AUTO(buf_done) struct buf bytes = buf_init(64);

        if (!str_eq_nocase(name, STR("sha-256")) || member.n < 2 || member.p[0] != ':' ||
            member.p[member.n - 1] != ':')
            continue;
        if (!decode_base64(&bytes, str_n(member.p + 1, member.n - 2)) || bytes.n != SHA256_LEN)
            return false;
        memcpy(ret_digest, bytes.p, SHA256_LEN);
        return true;
    }
    return false;
}

static void begin_counting(struct pull *p)
{
    struct str range = value_of(p, "Content-Range");
    const bool partial = p->status == 206 && str_starts(range, STR("bytes "));
    int64_t from = 0, to = 0, size = 0;

    p->to_end = !partial;
    if (partial) {
        range = str_from(range, 6);
        if (str_to_i64(str_cut(&range, '-'), &from) && str_to_i64(str_cut(&range, '/'), &to) &&
            str_to_i64(range, &size))
            p->to_end = to + 1 == size;
    }
    p->rows = row_counter_init(row_form_of(p->media_type), from == 0);
    if (p->status == 200 && !p->head && value_of(p, "Content-Encoding").n == 0 &&
        read_digest(value_of(p, "Repr-Digest"), p->digest))
        p->hash = hash_begin();
}

static int meter_begin(struct db *tx, void *arg, struct err *err)
{
    return dataplane__meter_begin(tx, &((const struct pull *)arg)->meter, err);
}

static void meter_begun(void *arg, const struct err *err)
{
    struct pull *p = arg;

    p->err = *err;
    p->metered = err->code == E_OK;
    p->repeated = err->code == E_DB_CONSTRAINT; /* another pull with that event runs */
    if (p->metered)
        dataplane__meter_run(&p->meter);
    rq_resume(p->rq);
}

/* True if the provider named the event and no slot is free for it: the request goes on when its row
 * is written. */
static bool start_meter(struct pull *p)
{
    struct meter *m = &p->meter;
    const struct str event = value_of(p, WIRE_EVENT_HEADER);

    if (p->status >= 400 || !uuid_parse(event, &m->event) || uuid_version(m->event) != 7 ||
        p->endpoint.peer_pid.n == 0)
        return false;
    m->since_us = uuid_v7_ms(m->event) * 1000;
    if (dataplane__meter_slot(m)) {
        p->metered = true;
        dataplane__meter_run(m);
        return false;
    }
    p->op =
        (struct writer_op){.name = "pull_begin", .fn = meter_begin, .arg = p, .done = meter_begun};
    return writer_submit(m->dp->app->writer, &p->op, &p->err) == 0;
}

static bool may_renew(const struct pull *p)
{
    return !p->renewed && p->endpoint.refresh_token.n > 0 && p->endpoint.refresh_endpoint.n > 0;
}

static enum fetch_flow on_head(void *cls, const struct fetch_response *response)
{
    struct pull *p = cls;
    int64_t length;

    p->status = response->status;
    if ((p->status == 401 || p->status == 403) && may_renew(p)) {
        p->again = true; /* in done: the body of this answer is not for the client */
        return FETCH_GO;
    }
    p->media_type = arena_str(p->arena, str_c(response->content_type));
    for (size_t i = 0; i < ARRAY_LEN(answered); i++)
        p->values[i] = arena_str(p->arena, fetch_response_header(response->job, answered[i]));
    p->length = -1;
    if (str_to_i64(fetch_response_header(response->job, "Content-Length"), &length) && length >= 0)
        p->length = length;
    if (arena_failed(p->arena))
        (void)err_set(&p->err, E_LIMIT, "", "headers of the provider");
    begin_counting(p);
    p->resumed = true;
    if (p->err.code != E_OK || !start_meter(p))
        rq_resume(p->rq);
    return FETCH_GO;
}

static enum fetch_flow on_piece(void *cls, const void *piece, size_t n)
{
    struct pull *p = cls;

    if (p->again)
        return FETCH_GO;
    switch (flow_put(&p->flow, piece, n)) {
    case FLOW_TAKEN: break;
    case FLOW_FULL: return FETCH_PAUSE;
    case FLOW_GONE: return FETCH_STOP;
    }
    if (p->status < 400) {
        p->meter.bytes += (int64_t)n;
        row_counter_add(&p->rows, piece, n);
        atomic_store(&p->meter.seen_bytes, p->meter.bytes);
        atomic_store(&p->meter.seen_rows, row_counter_rows(&p->rows, false));
    }
    if (p->hash != NULL)
        hash_add(p->hash, piece, n);
    return FETCH_GO;
}

/* The whole representation is here: is it the one that was announced? */
static bool is_genuine(struct pull *p)
{
    uint8_t sum[SHA256_LEN];

    if (p->hash == NULL)
        return true;
    hash_end(&p->hash, sum);
    if (memcmp(sum, p->digest, SHA256_LEN) == 0)
        return true;
    log_error(NULL, "what the provider delivered has another digest than it announced",
              L_STR("transfer", p->endpoint.transfer_id),
              L_STR("announced", value_of(p, "Repr-Digest")), L_C("received", hash_hex(sum).c));
    return false;
}

static void on_done(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct pull *p = cls;
    const bool whole = err->code == E_OK;

    (void)response;
    pthread_mutex_lock(&p->flow.lock);
    p->job = NULL;
    pthread_mutex_unlock(&p->flow.lock);
    if (!p->again) {
        p->meter.rows = row_counter_rows(&p->rows, whole && p->to_end);
        dataplane__meter_seen(&p->meter, p->meter.bytes, p->meter.rows);
        flow_end(&p->flow, whole && is_genuine(p));
    }
    if (!p->resumed) {
        p->err = *err;
        rq_resume(p->rq);
    }
    pull_unref(p);
}

/* Called by the flow, under its lock. */
static void wake_fetch(void *cls)
{
    struct pull *p = cls;
    struct fetcher *fetcher = p->meter.dp->app->fetcher;

    if (p->job == NULL)
        return;
    if (p->flow.reader == NULL)
        fetch_cancel(fetcher, p->job);
    else
        fetch_resume(fetcher, p->job);
}

/* -- asking ------------------------------------------------------------------------------------ */

static void token_renewed(struct renewal_waiter *waiter)
{
    struct pull *p = (struct pull *)((char *)waiter - offsetof(struct pull, waiter));

    rq_resume(p->rq);
}

/* Back from the renewal: with the fresh token, or, if there is none, with the old one, which the
 * provider may still take. */
static int after_renewal(struct rq *rq, struct err *err)
{
    struct pull *p = rq->cls;

    if (p->waiter.err.code == E_OK)
        p->endpoint.token = p->waiter.token;
    return send_request(rq, err);
}

static void renew(struct pull *p)
{
    p->renewed = true;
    p->waiter = (struct renewal_waiter){.arena = p->arena, .done = token_renewed};
    rq_suspend(p->rq, after_renewal);
    dataplane__renew(p->meter.dp, &p->endpoint, &p->waiter);
}

static ssize_t read_flow(void *cls, char *out, size_t max)
{
    return flow_read(&((struct pull *)cls)->flow, out, max);
}

/* Nobody may be charged twice for one event, whatever its provider says of it. */
static int check_event(struct pull *p, struct err *err)
{
    const struct worker *worker = p->rq->thread;
    struct meter_known known = {0};

    if (p->metered && dataplane__meter_known(worker->db, &p->meter, &known, err) < 0)
        return err_ret(err);
    p->repeated = p->repeated || known.receipt;
    if (p->repeated)
        return err_tell(err, E_PEER_REFUSED, "Naru-Event",
                        "the provider names an event that has been counted before");
    return 0;
}

/* From here on it is cut by ending its connection; before, its answer says why. */
static int begin_answer(struct pull *p, struct err *err)
{
    struct dataplane *dp = p->meter.dp;
    const struct worker *worker = p->rq->thread;
    struct endpoint endpoint = {0};
    bool over;

    pthread_mutex_lock(&dp->lock);
    over = p->cut;
    p->answering = !over;
    pthread_mutex_unlock(&dp->lock);
    if (!over)
        return 0;
    if (dataplane__endpoint_get(worker->db, p->endpoint.transfer_id, p->arena, &endpoint, err) <
            0 ||
        dataplane__endpoint_check(&endpoint, err) < 0)
        return err_ret(err);
    return err_tell(err, E_NOT_IN_FORCE, "transfer", "the transfer was stopped meanwhile");
}

static int reply(struct rq *rq, struct err *err)
{
    struct pull *p = rq->cls;

    if (p->again) {
        p->again = false;
        p->err = (struct err){0};
        renew(p);
        return 0;
    }
    if (begin_answer(p, err) < 0)
        return err_ret(err);
    if (check_event(p, err) < 0)
        return err_ret(err);
    if (p->err.code != E_OK) {
        *err = p->err;
        return err_tell(err, err->code == E_PEER_TIMEOUT ? E_PEER_TIMEOUT : E_PEER_DOWN, "",
                        "the provider's data plane does not answer (%s)", err_slug(p->err.code));
    }
    for (size_t i = 0; i < ARRAY_LEN(answered); i++) {
        if (p->values[i].n > 0)
            rq_reply_header(rq, answered[i], p->values[i]);
    }
    if (p->status == 204 || p->status == 304)
        rq_reply_empty(rq, p->status);
    else
        rq_reply_stream(rq, p->status,
                        p->media_type.n > 0 ? arena_cstr(rq->arena, p->media_type) : NULL,
                        p->length, read_flow, NULL, p);
    return 0;
}

static int write_url(const struct pull *p, struct buf *url, struct err *err)
{
    struct str base = p->endpoint.endpoint;
    struct path path;

    if (path_read(p->rq->rest, p->arena, &path, err) < 0)
        return err_ret(err);
    if (path.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    buf_add_str(url, base);
    if (path.n > 0)
        path_write(&path, url);
    if (p->rq->query.n > 0) {
        buf_add_char(url, memchr(base.p, '?', base.n) != NULL ? '&' : '?');
        buf_add_str(url, p->rq->query);
    }
    return buf_failed(url) ? err_tell(err, E_LIMIT, "path", "the address is too long") : 0;
}

static void stream_ready(void *reader)
{
    rq_stream_ready(reader);
}

/* A fresh start, also for the second attempt: the flow of the first one has no reader any more. */
static void prepare(struct pull *p)
{
    pthread_mutex_lock(&p->meter.dp->lock); /* who cuts must not find it half made */
    if (p->flowing)
        flow_done(&p->flow);
    flow_init(&p->flow, p->rq, stream_ready, true, wake_fetch, p);
    p->flowing = true;
    pthread_mutex_unlock(&p->meter.dp->lock);
    p->resumed = false;
    p->length = -1;
}

static int send_request(struct rq *rq, struct err *err)
{
    struct pull *p = rq->cls;
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL * 2);
    struct fetch_header headers[ARRAY_LEN(asked) + 1] = {
        {STR("Authorization"), p->endpoint.token},
    };
    struct fetch_request request = {
        .method = p->head ? "HEAD" : "GET",
        .headers = headers,
        .n_headers = 1,
        .deadline_mono_us = env_mono_us(rq->env) + DEADLINE_US,
        .min_rate = MIN_RATE,
        .head = on_head,
        .sink = on_piece,
        .done = on_done,
        .cls = p,
    };

    if (write_url(p, &url, err) < 0)
        return err_ret(err);
    request.url = buf_str(&url);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        const struct str value = rq_header(rq, asked[i]);

        if (value.n > 0)
            headers[request.n_headers++] = (struct fetch_header){str_c(asked[i]), value};
    }
    prepare(p);
    atomic_fetch_add(&p->refs, 1);
    rq_suspend(rq, reply);
    pthread_mutex_lock(&p->flow.lock); /* `done` may come before the job is noted */

    const bool failed = fetch_submit(p->meter.dp->app->fetcher, &request, &p->job, &p->err) < 0;

    if (failed)
        p->job = NULL;
    pthread_mutex_unlock(&p->flow.lock);
    if (failed) {
        pull_unref(p);
        rq_resume(rq);
    }
    return 0;
}

static struct pull *pull_new(struct rq *rq, struct dataplane *dp)
{
    struct pull *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->arena = arena_new(KIB(512));
    if (p->arena == NULL) {
        free(p);
        return NULL;
    }
    atomic_init(&p->refs, 1);
    p->rq = rq;
    p->head = str_eq(rq->method, STR("HEAD"));
    p->meter = (struct meter){.dp = dp, .role = PARTY_CONSUMER, .slot = -1, .settled = settled};
    dataplane__live(dp, 1);
    return p;
}

static int load(struct pull *p, struct err *err)
{
    const struct worker *worker = p->rq->thread;
    struct endpoint *e = &p->endpoint;

    if (dataplane__endpoint_get(worker->db, rq_param(p->rq, "transfer"), p->arena, e, err) < 0)
        return err_ret(err);
    if (dataplane__endpoint_check(e, err) < 0)
        return err_ret(err);
    if (e->endpoint.n == 0)
        return err_tell(err, E_CONFLICT, "transfer", "the provider has given no endpoint");
    p->meter.agreement = e->agreement_id;
    p->meter.transfer = e->peer_pid;
    return 0;
}

int dataplane_pull(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    struct pull *p = pull_new(rq, app->dataplane);

    if (p == NULL)
        return err_set(err, E_NO_MEMORY, "", "pull");
    rq->cls = p;
    rq_on_sent(rq, pull_end, p); /* from here on the request owns the pull */
    if (load(p, err) < 0)
        return err_ret(err);
    enlist(p);
    if (p->endpoint.expires_us > 0 && may_renew(p) &&
        env_wall_us(rq->env) + RENEW_BEFORE_US > p->endpoint.expires_us) {
        renew(p);
        return 0;
    }
    return send_request(rq, err);
}
