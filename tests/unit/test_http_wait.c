/*
 * tests/unit/test_http_wait.c - requests that wait: suspension, streams, deadlines, shutdown
 */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/timefmt.h"
#include "lib/http/http.h"
#include "lib/log/counters.h"
#include "tests/unit/raw_http.h"

#include "lib/base/banned.h"

/* -- a worker to which requests are handed over -------------------------------------------------- */

#define QUEUE 512

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct rq *queue[QUEUE];
    unsigned n;
    bool hold; /* keeps what it has */
    bool stop;
};

static struct worker worker = {.lock = PTHREAD_MUTEX_INITIALIZER,
                               .filled = PTHREAD_COND_INITIALIZER};

static atomic_bool worker_is_slow;

struct op {
    int answer;
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;

    pthread_mutex_lock(&w->lock);
    while (!w->stop || w->n > 0) {
        struct rq *rq;

        if (w->n == 0 || w->hold) {
            pthread_cond_wait(&w->filled, &w->lock);
            continue;
        }
        rq = w->queue[--w->n];
        pthread_mutex_unlock(&w->lock);
        if (atomic_load(&worker_is_slow)) /* the time that the work takes */
            poll(NULL, 0, (int)(uuid_new(&env_system).b[15] % 3));
        ((struct op *)rq->cls)->answer = 42;
        rq_resume(rq);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void worker_set(bool hold, bool stop)
{
    pthread_mutex_lock(&worker.lock);
    worker.hold = hold;
    worker.stop = stop;
    pthread_cond_signal(&worker.filled);
    pthread_mutex_unlock(&worker.lock);
}

static bool worker_has(void *cls)
{
    unsigned n;

    pthread_mutex_lock(&worker.lock);
    n = worker.n;
    pthread_mutex_unlock(&worker.lock);
    return n >= *(unsigned *)cls;
}

static int hand_over(struct rq *rq, struct err *err)
{
    bool full;

    pthread_mutex_lock(&worker.lock);
    full = worker.n == QUEUE;
    if (!full)
        worker.queue[worker.n++] = rq;
    pthread_cond_signal(&worker.filled);
    pthread_mutex_unlock(&worker.lock);
    return full ? err_set(err, E_BUSY, "", "queue is full") : 0;
}

/* -- handlers ------------------------------------------------------------------------------------ */

static atomic_uint ends, ends_complete;
static atomic_ullong end_bytes;

static void note_end(void *cls, uint64_t sent, bool complete)
{
    (void)cls;
    atomic_fetch_add(&end_bytes, sent);
    if (complete)
        atomic_fetch_add(&ends_complete, 1);
    atomic_fetch_add(&ends, 1);
}

static bool ends_reached(void *cls)
{
    return atomic_load(&ends) >= *(unsigned *)cls;
}

static int say_answer(struct rq *rq, struct err *err)
{
    const struct op *op = rq->cls;

    if (op->answer != 42)
        return err_set(err, E_INTERNAL, "", "no answer");
    rq_reply(rq, 200, "text/plain", arena_printf(rq->arena, "%d", op->answer));
    return 0;
}

static int later(struct rq *rq, struct err *err)
{
    rq->cls = ARENA_NEW(rq->arena, struct op);
    rq_on_sent(rq, note_end, NULL);
    rq_suspend(rq, say_answer);
    return hand_over(rq, err);
}

static int refuse_handover(struct rq *rq, struct err *err)
{
    rq_suspend(rq, say_answer);
    return err_set(err, E_BUSY, "", "queue is full");
}

/* Resumes itself and returns an error all the same: one answer. */
static int resume_and_refuse(struct rq *rq, struct err *err)
{
    rq_suspend(rq, say_answer);
    rq_resume(rq);
    return err_set(err, E_FORBIDDEN, "", "no");
}

/* Suspends itself again and again: the deadline ends it. */
static int for_ever(struct rq *rq, struct err *err)
{
    (void)err;
    rq_suspend(rq, for_ever);
    rq_resume(rq);
    return 0;
}

static int say_no(struct rq *rq, struct err *err)
{
    (void)rq;
    return err_tell(err, E_PEER_STATE, "", "not now");
}

static int later_no(struct rq *rq, struct err *err)
{
    rq->cls = ARENA_NEW(rq->arena, struct op);
    rq_suspend(rq, say_no);
    return hand_over(rq, err);
}

/* Three suspensions in a row. */
static int once_more(struct rq *rq, struct err *err)
{
    rq_suspend(rq, say_answer);
    return hand_over(rq, err);
}

static int twice_more(struct rq *rq, struct err *err)
{
    rq_suspend(rq, once_more);
    return hand_over(rq, err);
}

static int thrice(struct rq *rq, struct err *err)
{
    rq->cls = ARENA_NEW(rq->arena, struct op);
    rq_suspend(rq, twice_more);
    return hand_over(rq, err);
}

static int hello(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain", STR("hi"));
    return 0;
}

static int echo(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply(rq, 200, "text/plain", rq->body);
    return 0;
}

static int pass(struct rq *rq, struct err *err)
{
    (void)rq;
    (void)err;
    return 0;
}

/* who 1: asks the worker first; who 2: asks and is refused */
static int authorise(struct rq *rq, unsigned who, struct err *err)
{
    if (who == 0)
        return 0;
    rq->cls = ARENA_NEW(rq->arena, struct op);
    rq_suspend(rq, who == 1 ? pass : say_no);
    return hand_over(rq, err);
}

/* -- a stream: a thread writes numbers, the reader says "again" whenever it is ahead --------------- */

struct feed {
    struct rq *rq;
    pthread_t thread;
    pthread_mutex_t lock;
    uint64_t written, read, total;
    int last; /* HTTP_END or HTTP_FAIL after total */
    atomic_bool over;
    bool silent; /* says nothing after the first piece */
};

static ssize_t feed_read(void *cls, char *out, size_t max)
{
    struct feed *feed = cls;
    size_t n;

    pthread_mutex_lock(&feed->lock);
    n = (size_t)(feed->written - feed->read);
    if (n > max)
        n = max;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)('a' + (feed->read + i) % 26);
    feed->read += n;
    pthread_mutex_unlock(&feed->lock);
    if (n > 0)
        return (ssize_t)n;
    return feed->read == feed->total ? feed->last : HTTP_AGAIN;
}

static void feed_end(void *cls, uint64_t sent, bool complete)
{
    struct feed *feed = cls;

    atomic_store(&feed->over, true);
    note_end(cls, sent, complete);
}

static void *feed_main(void *arg)
{
    struct feed *feed = arg;

    while (!atomic_load(&feed->over) && !(feed->silent && feed->written > 0)) {
        bool more;

        pthread_mutex_lock(&feed->lock);
        more = feed->written < feed->total;
        if (more)
            feed->written +=
                feed->total - feed->written > 1000 ? 1000 : feed->total - feed->written;
        pthread_mutex_unlock(&feed->lock);
        rq_stream_ready(feed->rq);
        if (!more)
            break;
    }
    return NULL;
}

static struct feed feed;

static int stream(struct rq *rq, struct err *err)
{
    int64_t total, fail_at_end, sized, silent;

    if (rq_query_i64(rq, "n", 100000, 0, INT64_MAX, &total, err) < 0 ||
        rq_query_i64(rq, "fail", 0, 0, 1, &fail_at_end, err) < 0 ||
        rq_query_i64(rq, "silent", 0, 0, 1, &silent, err) < 0 ||
        rq_query_i64(rq, "length", -1, -1, INT64_MAX, &sized, err) < 0)
        return err_ret(err);
    feed = (struct feed){.rq = rq,
                         .total = (uint64_t)total,
                         .last = fail_at_end ? HTTP_FAIL : HTTP_END,
                         .silent = silent != 0};
    pthread_mutex_init(&feed.lock, NULL);
    rq_reply_stream(rq, 200, "text/plain", sized, feed_read, feed_end, &feed);
    ck_assert_int_eq(pthread_create(&feed.thread, NULL, feed_main, &feed), 0);
    return 0;
}

/* A stream that is given up before it begins. */
static int stream_then_error(struct rq *rq, struct err *err)
{
    rq_reply_stream(rq, 200, "text/plain", -1, feed_read, note_end, NULL);
    return err_set(err, E_FORBIDDEN, "", "after all");
}

static int big(struct rq *rq, struct err *err)
{
    struct buf body = buf_init(MIB(64));
    char *room = buf_room(&body, MIB(48));

    (void)err;
    memset(room, 'x', MIB(48));
    buf_grown(&body, MIB(48));
    rq_on_sent(rq, note_end, NULL);
    rq_reply_buf(rq, 200, "text/plain", &body);
    return 0;
}

static int big_file(struct rq *rq, struct err *err)
{
    char path[] = "/tmp/naru-test-XXXXXX";
    int fd = mkstemp(path);

    (void)err;
    unlink(path);
    ck_assert_int_eq(ftruncate(fd, (off_t)MIB(48)), 0);
    rq_on_sent(rq, note_end, NULL);
    rq_reply_fd(rq, 200, "text/plain", fd, 0, MIB(48));
    return 0;
}

static int take_piece(struct rq *rq, const void *p, size_t n, struct err *err)
{
    (void)rq;
    (void)p;
    (void)n;
    (void)err;
    return 0;
}

static int sink(struct rq *rq, struct err *err)
{
    (void)err;
    rq_body_sink(rq, take_piece, hello);
    return 0;
}

/* -- the listener -------------------------------------------------------------------------------- */

/* clang-format off */
static const struct http_route routes[] = {
    HTTP_ROUTE_ROW(GET,  "/hello",   hello,             0, 0, 0)
    HTTP_ROUTE_ROW(POST, "/echo",    echo,              0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/later",   later,             0, 0, 0)
    HTTP_ROUTE_ROW(POST, "/later",   later,             0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/refuse",  refuse_handover,   0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/self",    resume_and_refuse, 0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/for-ever", for_ever,         0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/no",      later_no,          0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/thrice",  thrice,            0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/asked",   hello,             1, 0, 0)
    HTTP_ROUTE_ROW(POST, "/asked",   echo,              1, 0, 0)
    HTTP_ROUTE_ROW(POST, "/asked/sink", sink,           1, 0, HTTP_STREAM_BODY)
    HTTP_ROUTE_ROW(POST, "/denied",  echo,              2, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/stream",  stream,            0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/given-up", stream_then_error, 0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/big",     big,               0, 0, 0)
    HTTP_ROUTE_ROW(GET,  "/file",    big_file,          0, 0, 0)
    HTTP_ROUTE_ROW(POST, "/sink",    sink,              0, MIB(64), HTTP_STREAM_BODY)
    {0},
};
/* clang-format on */

static struct http *http;
static uint16_t port;
static unsigned threads_made, threads_freed;

static void *thread_new(void *app, struct err *err)
{
    (void)app;
    (void)err;
    threads_made++;
    return &threads_made;
}

static void thread_free(void *app, void *thread)
{
    (void)app;
    ck_assert_ptr_eq(thread, &threads_made);
    threads_freed++;
}

static void open_listener(int64_t header_us, int64_t body_us, int64_t suspend_us, unsigned threads)
{
    static const struct http_route *const tables[] = {routes};
    struct http_cfg cfg = {.env = &env_system,
                           .name = "test",
                           .address = STR("127.0.0.1:0"),
                           .threads = threads,
                           .header_timeout_us = header_us,
                           .body_timeout_us = body_us,
                           .suspend_timeout_us = suspend_us,
                           .route_tables = tables,
                           .n_route_tables = 1,
                           .authorise = authorise,
                           .thread_new = thread_new,
                           .thread_free = thread_free};
    struct err err = {0};

    log_setup(2, LOG_ALARM, LOG_LOGFMT, &env_system);
    ck_assert_msg(http_open(&cfg, &http, &err) == 0, "%s", err.text);
    port = http_port(http);
}

static void start(void)
{
    open_listener(0, 0, 0, 2);
    ck_assert_int_eq(pthread_create(&worker.thread, NULL, worker_main, &worker), 0);
}

static void stop(void)
{
    worker_set(false, true);
    pthread_join(worker.thread, NULL);
    http_close(&http, 5 * US_PER_S);
    ck_assert_uint_eq(threads_made, threads_freed);
}

static void reopen(int64_t header_us, int64_t body_us, int64_t suspend_us, unsigned threads)
{
    http_close(&http, 0);
    open_listener(header_us, body_us, suspend_us, threads);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void expect(const char *request, int status, const char *body)
{
    struct raw_answer answer = raw_call_c(port, request);

    ck_assert_msg(answer.status == status, "%.30s: got %d %s", request, answer.status,
                  answer.body != NULL ? answer.body : "");
    if (body != NULL)
        ck_assert_str_eq(answer.body, body);
    raw_answer_done(&answer);
}

/* -- suspension ---------------------------------------------------------------------------------- */

START_TEST(test_suspend_and_resume)
{
    expect(GET("/later"), 200, "42");
    expect("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 200, "42");
    expect(GET("/thrice"), 200, "42");
    expect(GET("/no"), 400, NULL);
    expect(GET("/refuse"), 503, NULL);
    expect(GET("/self"), 403, NULL);
}

END_TEST

START_TEST(test_authorise_may_suspend)
{
    expect(GET("/asked"), 200, "hi");
    expect("POST /asked HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 200, "abc");
    expect("POST /asked/sink HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 200, "hi");
    expect("POST /denied HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 400, NULL);
}

END_TEST

static void suspend_many(void)
{
    int fds[300];
    unsigned want = 300;

    worker_set(true, false);
    for (unsigned i = 0; i < want; i++) {
        fds[i] = raw_connect(port);
        raw_send_c(fds[i], GET("/later"));
    }
    ck_assert(wait_until(worker_has, &want));
    /* others are served meanwhile */
    expect(GET("/hello"), 200, "hi");
    worker_set(false, false);
    for (unsigned i = 0; i < want; i++) {
        struct raw_answer answer = raw_read(fds[i], false);

        ck_assert_str_eq(answer.body, "42");
        raw_answer_done(&answer);
        /* and the connection goes on */
        raw_send_c(fds[i], GET("/later"));
    }
    for (unsigned i = 0; i < want; i++) {
        struct raw_answer answer = raw_read(fds[i], false);

        ck_assert_int_eq(answer.status, 200);
        raw_answer_done(&answer);
        close(fds[i]);
    }
    want = 600;
    ck_assert(wait_until(ends_reached, &want));
    ck_assert_uint_eq(atomic_load(&ends_complete), 600);
    ck_assert_uint_eq(atomic_load(&end_bytes), 1200);
}

START_TEST(test_many_suspended)
{
    suspend_many();
}

END_TEST

START_TEST(test_one_thread)
{
    reopen(0, 0, 0, 1);
    suspend_many();
}

END_TEST

/* Nobody resumes in time: the client is answered, the owner's memory stays until it comes. */
START_TEST(test_suspended_too_long)
{
    unsigned want = 1;
    int fd;
    struct raw_answer answer;

    reopen(0, 0, 200000, 2);
    worker_set(true, false);
    fd = raw_connect(port);
    raw_send_c(fd, GET("/later"));
    answer = raw_read(fd, false);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_ptr_nonnull(strstr(answer.body, "\"code\":\"busy\""));
    raw_answer_done(&answer);
    ck_assert_uint_eq(atomic_load(&ends), 0);
    /* the connection is usable, and the owner's late answer goes nowhere */
    raw_send_c(fd, GET("/hello"));
    answer = raw_read(fd, false);
    ck_assert_str_eq(answer.body, "hi");
    raw_answer_done(&answer);
    worker_set(false, false);
    ck_assert(wait_until(ends_reached, &want));
    ck_assert_uint_eq(atomic_load(&ends_complete), 0);
    expect(GET("/later"), 200, "42");
    close(fd);
    expect(GET("/for-ever"), 503, NULL);
}

END_TEST

START_TEST(test_suspended_at_shutdown)
{
    int fds[50];
    unsigned want = 50;

    worker_set(true, false);
    for (unsigned i = 0; i < want; i++) {
        fds[i] = raw_connect(port);
        raw_send_c(fds[i], GET("/later"));
    }
    ck_assert(wait_until(worker_has, &want));
    http_close(&http, 0);
    for (unsigned i = 0; i < want; i++) {
        struct raw_answer answer = raw_read(fds[i], false);

        ck_assert_int_eq(answer.status, 503);
        ck_assert_ptr_nonnull(strstr(answer.body, "\"code\":\"shutdown\""));
        raw_answer_done(&answer);
        ck_assert(raw_closed_within(fds[i], 5));
        close(fds[i]);
    }
    ck_assert_uint_eq(atomic_load(&ends), 0);
    /* the owner comes after the listener is gone */
    worker_set(false, false);
    ck_assert(wait_until(ends_reached, &want));
}

END_TEST

START_TEST(test_grace_lets_requests_finish)
{
    int fd = raw_connect(port);
    int idle = raw_connect(port);
    unsigned want = 1;
    struct raw_answer answer;

    worker_set(true, false);
    raw_send_c(fd, GET("/later"));
    ck_assert(wait_until(worker_has, &want));
    worker_set(false, false); /* the answer races with the close; both ways it must be complete */
    http_close(&http, 5 * US_PER_S);
    answer = raw_read(fd, false);
    ck_assert_int_eq(answer.status, 200);
    raw_answer_done(&answer);
    ck_assert(raw_closed_within(idle, 5));
    close(fd);
    close(idle);
}

END_TEST

struct racer {
    pthread_t thread;
    unsigned ok, busy;
};

static void *racer_main(void *arg)
{
    struct racer *racer = arg;
    int fd = raw_connect(port);

    for (int i = 0; i < 150; i++) {
        struct raw_answer answer;

        raw_send_c(fd, GET("/later"));
        answer = raw_read(fd, false);
        racer->ok += answer.status == 200;
        racer->busy += answer.status == 503;
        raw_answer_done(&answer);
        if (answer.status == 0 || (i % 50) == 49) {
            close(fd);
            fd = raw_connect(port);
        }
    }
    close(fd);
    return NULL;
}

/* Owner and watchdog meet at every possible moment: each request has one answer and one end. */
START_TEST(test_owner_races_with_watchdog)
{
    struct racer racers[6] = {0};
    unsigned want = 6 * 150;
    unsigned ok = 0, busy = 0;

    reopen(0, 0, 1200, 2);
    atomic_store(&worker_is_slow, true);
    for (size_t i = 0; i < ARRAY_LEN(racers); i++)
        ck_assert_int_eq(pthread_create(&racers[i].thread, NULL, racer_main, &racers[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
        pthread_join(racers[i].thread, NULL);
        ok += racers[i].ok;
        busy += racers[i].busy;
    }
    ck_assert_uint_eq(ok + busy, want);
    ck_assert(wait_until(ends_reached, &want));
    /* (a machine that is fast or slow enough may see only one kind; both are right) */
    ck_assert_uint_eq(atomic_load(&ends_complete), ok);
}

END_TEST

START_TEST(test_client_leaves_while_suspended)
{
    unsigned want = 1;
    int fd = raw_connect(port);

    worker_set(true, false);
    raw_send_c(fd, GET("/later"));
    ck_assert(wait_until(worker_has, &want));
    close(fd);
    worker_set(false, false);
    ck_assert(wait_until(ends_reached, &want));
    expect(GET("/later"), 200, "42");
}

END_TEST

/* -- streams ------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *query; size_t n; bool complete; } stream_cases[] = {
    {"n=0",                     0,       true},
    {"n=1",                     1,       true},
    {"n=1000000",               1000000, true},
    {"n=1000000&length=1000000", 1000000, true},
    {"n=5000&fail=1",           0,       false},
    {"n=5000&length=6000",      0,       false}, /* ends before its length */
};

/* clang-format on */

START_TEST(test_stream)
{
    char request[128];
    struct raw_answer answer;
    unsigned want = 1;

    snprintf(request, sizeof(request), "GET /stream?%s HTTP/1.1\r\nHost: x\r\n\r\n",
             stream_cases[_i].query);
    answer = raw_call_c(port, request);
    ck_assert_msg(answer.complete == stream_cases[_i].complete, "%s", stream_cases[_i].query);
    ck_assert(wait_until(ends_reached, &want));
    pthread_join(feed.thread, NULL);
    ck_assert_uint_eq(atomic_load(&ends_complete), stream_cases[_i].complete);
    if (stream_cases[_i].complete) {
        ck_assert_uint_eq(answer.body_n, stream_cases[_i].n);
        ck_assert_uint_eq(atomic_load(&end_bytes), stream_cases[_i].n);
        for (size_t i = 0; i < answer.body_n; i++)
            if (answer.body[i] != (char)('a' + i % 26))
                ck_abort_msg("byte %zu is wrong", i);
    }
    raw_answer_done(&answer);
}

END_TEST

/* Without length or chunks the end of the connection is the end of the body: a failure must reset it. */
START_TEST(test_failed_stream_resets_http_1_0)
{
    struct raw_answer answer = raw_call_c(port, "GET /stream?n=5000&fail=1 HTTP/1.0\r\n\r\n");
    unsigned want = 1;

    ck_assert(answer.reset);
    ck_assert(!answer.complete);
    raw_answer_done(&answer);
    ck_assert(wait_until(ends_reached, &want));
    pthread_join(feed.thread, NULL);
    atomic_store(&ends, 0);
    answer = raw_call_c(port, "GET /stream?n=5000 HTTP/1.0\r\n\r\n");
    ck_assert(answer.complete);
    ck_assert_uint_eq(answer.body_n, 5000);
    raw_answer_done(&answer);
    ck_assert(wait_until(ends_reached, &want));
    pthread_join(feed.thread, NULL);
}

END_TEST

START_TEST(test_stream_for_head_and_given_up)
{
    unsigned want = 1;

    expect("HEAD /stream?n=5000 HTTP/1.1\r\nHost: x\r\n\r\n", 200, NULL);
    ck_assert(wait_until(ends_reached, &want));
    pthread_join(feed.thread, NULL);
    ck_assert_uint_eq(atomic_load(&end_bytes), 0);
    expect(GET("/given-up"), 403, NULL);
    ck_assert_uint_eq(atomic_load(&ends), 2);
}

END_TEST

START_TEST(test_silent_stream_at_shutdown)
{
    int fd = raw_connect(port);
    char some[64];

    raw_send_c(fd, GET("/stream?n=5000&silent=1"));
    ck_assert_int_gt(recv(fd, some, 20, MSG_WAITALL), 0);
    http_close(&http, 100000);
    ck_assert_uint_eq(atomic_load(&ends), 1);
    ck_assert_uint_eq(atomic_load(&ends_complete), 0);
    ck_assert(raw_closed_within(fd, 5));
    pthread_join(feed.thread, NULL);
    close(fd);
}

END_TEST

START_TEST(test_client_leaves_silent_stream)
{
    int fd;
    unsigned want = 1;
    char some[64];

    reopen(0, 0, 200000, 2);
    fd = raw_connect(port);
    raw_send_c(fd, GET("/stream?n=5000&silent=1"));
    ck_assert_int_gt(recv(fd, some, 20, MSG_WAITALL), 0);
    close(fd);
    /* the listener looks after it although the producer says nothing */
    ck_assert(wait_until(ends_reached, &want));
    pthread_join(feed.thread, NULL);
}

END_TEST

/* -- deadlines ----------------------------------------------------------------------------------- */

/* Sends one byte of `text` each 20 ms until the other side has had enough; milliseconds it took. */
static int64_t drip(const char *head, const char *text)
{
    int64_t begin_us = env_mono_us(&env_system);
    int fd = raw_connect(port);

    raw_send_c(fd, head);
    for (size_t i = 0; i < 500; i++) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        char byte;

        if (poll(&one, 1, 20) == 1 && recv(fd, &byte, 1, 0) <= 0)
            break;
        if (send(fd, &text[i % strlen(text)], 1, MSG_NOSIGNAL) < 0)
            break;
    }
    close(fd);
    return (env_mono_us(&env_system) - begin_us) / 1000;
}

START_TEST(test_slow_header_and_body)
{
    int fd;

    reopen(300000, 300000, 0, 2);
    ck_assert_int_lt(drip("GET /hello HTTP/1.1\r\n", "X-A: b\r\n"), 3000);
    ck_assert_int_lt(drip("", "\r\n"), 3000);
    ck_assert_int_lt(drip("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", "a"),
                     3000);
    ck_assert_int_lt(
        drip("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"),
        3000);
    /* also a connection that says nothing at all */
    fd = raw_connect(port);
    ck_assert(raw_closed_within(fd, 5));
    close(fd);
    expect(GET("/hello"), 200, "hi");
}

END_TEST

/* A streamed body has no end of time, only a pace: 20 ms a byte is too slow, a steady one is not. */
START_TEST(test_pace_of_streamed_body)
{
    int fd;
    struct raw_answer answer;
    int64_t begin_us;

    reopen(0, 1000000, 0, 2);
    ck_assert_int_lt(drip("POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", "a"),
                     6000);
    fd = raw_connect(port);
    begin_us = env_mono_us(&env_system);
    raw_send_c(fd, "POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 25000\r\n\r\n");
    for (int i = 0; i < 25; i++) {
        char piece[1000];

        memset(piece, 'x', sizeof(piece));
        raw_send(fd, piece, sizeof(piece));
        poll(NULL, 0, 100); /* the pace itself is what is tested */
    }
    answer = raw_read(fd, false);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_int_gt(env_mono_us(&env_system) - begin_us, 2 * US_PER_S);
    raw_answer_done(&answer);
    close(fd);
}

END_TEST

/* A client that takes nothing is cut off, and what it did not take is not counted as sent. */
START_TEST(test_slow_reader)
{
    static const char *const requests[] = {GET("/big"), GET("/file")};

    reopen(0, 1000000, 0, 2);
    for (unsigned i = 0; i < ARRAY_LEN(requests); i++) {
        int fd = raw_connect(port);
        unsigned want = i + 1;

        raw_send_c(fd, requests[i]);
        ck_assert(wait_until(ends_reached, &want));
        ck_assert_uint_eq(atomic_load(&ends_complete), 0);
        ck_assert_uint_lt(atomic_load(&end_bytes), MIB(40));
        close(fd);
    }
    /* of a file it is known what the client's kernel acknowledged */
    ck_assert_uint_gt(atomic_load(&end_bytes), 0);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http waits");
    TCase *tc = tcase_create("waits");

    tcase_add_checked_fixture(tc, start, stop);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_suspend_and_resume);
    tcase_add_test(tc, test_authorise_may_suspend);
    tcase_add_test(tc, test_many_suspended);
    tcase_add_test(tc, test_one_thread);
    tcase_add_test(tc, test_suspended_too_long);
    tcase_add_test(tc, test_suspended_at_shutdown);
    tcase_add_test(tc, test_grace_lets_requests_finish);
    tcase_add_test(tc, test_owner_races_with_watchdog);
    tcase_add_test(tc, test_client_leaves_while_suspended);
    tcase_add_loop_test(tc, test_stream, 0, (int)ARRAY_LEN(stream_cases));
    tcase_add_test(tc, test_failed_stream_resets_http_1_0);
    tcase_add_test(tc, test_stream_for_head_and_given_up);
    tcase_add_test(tc, test_silent_stream_at_shutdown);
    tcase_add_test(tc, test_client_leaves_silent_stream);
    tcase_add_test(tc, test_slow_header_and_body);
    tcase_add_test(tc, test_pace_of_streamed_body);
    tcase_add_test(tc, test_slow_reader);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int bad;

    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
