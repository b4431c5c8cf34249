/*
 * connector/dataplane/push.c - an access whose data goes up: one request to the destination that the
 * consumer has named (transfer type HttpData-PUSH)
 *
 * One thread begins pushes and takes the steps of their accesses; the bytes move in the fetcher's.
 * What is due stands in the database: transfers of ours as provider that are STARTED. The thread
 * looks there when it is told to (dataplane_push_due), when a push has ended, and when one is to be
 * tried again, so a push that a crash cut off begins again at the next start.
 *
 * An attempt is an access as any other: same checks, number, receipt, same end when its right ends.
 * A destination that has taken it (2xx, all bytes) is noted before the peer is told (push_delivered),
 * so that nothing that comes in between (a suspension, a crash) sends the data twice. Each attempt has
 * its own event; the key in Idempotency-Key is the same for all attempts of a push.
 */
#include <errno.h>
#include <unistd.h>

#include "connector/dataplane/destination.h"
#include "lib/base/limits.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define PUSHES_AT_ONCE 64
#define PUSHES_OF_ONE  8                /* of them to one consumer */
#define PUSHES_KEPT    4096             /* with those that wait for their next attempt */
#define PAGE           64               /* rows of one look */
#define PATIENCE_US    (5 * US_PER_MIN) /* without a byte that moves */
#define LOOK_AGAIN_US  (5 * US_PER_S)   /* when the database did not answer */
#define RETRY_FIRST_US (US_PER_S / 2)
#define RETRY_MOST_US  US_PER_MIN
#define DEADLINE_US    US_PER_DAY
#define ANSWER_MAX     KIB(64) /* of the destination; nobody reads it */
#define HEADERS_MAX    (DESTINATION_HEADERS + 16)

enum phase {
    PUSH_WAITS, /* for its next attempt */
    PUSH_RUNS,  /* or the end of its transfer is being recorded */
};

struct push {
    struct push *next;     /* pusher->pushes */
    struct push *next_due; /* pusher->due */
    struct pusher *pusher;
    struct arena *arena; /* owned, with the texts */
    struct str id, consumer, destination;
    enum phase phase;
    bool seen;      /* by the look under way */
    bool sent;      /* the destination has it */
    bool delivered; /* and that is on record */
    unsigned tries;
    int64_t first_us, next_us;
    void (*step)(struct push *push); /* what the thread does next */
    /* one attempt */
    struct access *access; /* until access_end */
    struct jdoc *address;  /* owned */
    struct destination to;
    struct fetch_header headers[HEADERS_MAX];
    size_t n_headers;
    struct fetch *job; /* guarded by pusher->lock */
    int status;        /* of the destination; 0: none yet */
    size_t answered;
    bool whole, broken, cut, stalled;
    struct buf body; /* owned; source of dataplane__reply_buf */
    int fd;          /* owned, or -1; source of dataplane__reply_fd */
    uint64_t at, left;
    int64_t moved, moved_us; /* guarded by pusher->lock */
    struct err err;
    struct writer_op op;
};

struct pusher {
    struct dataplane *dp;
    dataplane_end_fn *end;
    struct db *db; /* the thread's; NULL: not open yet */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows, and what is marked above */
    pthread_cond_t wake;
    struct push *due, **due_tail;
    bool look, closing, stop;
    /* thread only */
    struct push *pushes;
    size_t n_pushes, n_running;
    int64_t look_at_us; /* INT64_MAX: not by itself */
};

struct due_row {
    struct str transfer_id, consumer_id, destination;
    bool delivered;
};
/* clang-format off */
static const struct field due_fields[] = {
    FIELD(struct due_row, transfer_id, "transfer_id", F_REQUIRED),
    FIELD(struct due_row, consumer_id, "consumer_id", F_REQUIRED),
    FIELD(struct due_row, destination, "destination", 0),
    FIELD(struct due_row, delivered,   "delivered",   F_REQUIRED),
};
/* clang-format on */
static OBJECT(due_object, struct due_row, due_fields, OPEN);

static int64_t now_us(const struct pusher *pusher)
{
    return env_mono_us(pusher->dp->app->env);
}

/* Has the thread take a step; any thread. */
static void due(struct push *p, void (*step)(struct push *push))
{
    struct pusher *pusher = p->pusher;

    pthread_mutex_lock(&pusher->lock);
    p->step = step;
    p->next_due = NULL;
    *pusher->due_tail = p;
    pusher->due_tail = &p->next_due;
    pthread_cond_signal(&pusher->wake);
    pthread_mutex_unlock(&pusher->lock);
}

static bool is_closing(struct pusher *pusher)
{
    bool closing;

    pthread_mutex_lock(&pusher->lock);
    closing = pusher->closing;
    pthread_mutex_unlock(&pusher->lock);
    return closing;
}

/* -- the list ---------------------------------------------------------------------------------- */

static struct push *push_new(struct pusher *pusher, const struct due_row *row)
{
    struct arena *arena = arena_new(KIB(256));
    struct push *p = arena != NULL ? ARENA_NEW(arena, struct push) : NULL;

    if (p == NULL) {
        arena_free(&arena);
        return NULL;
    }
    *p = (struct push){
        .pusher = pusher,
        .arena = arena,
        .id = arena_str(arena, row->transfer_id),
        .consumer = arena_str(arena, row->consumer_id),
        .destination = arena_str(arena, row->destination),
        .first_us = now_us(pusher),
        .fd = -1,
    };
    if (arena_failed(arena)) {
        arena_free(&arena);
        return NULL;
    }
    p->next = pusher->pushes;
    pusher->pushes = p;
    pusher->n_pushes++;
    return p;
}

static void clear_attempt(struct push *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    buf_done(&p->body);
    jdoc_free(&p->address);
    p->n_headers = 0;
    p->status = 0;
    p->answered = 0;
    p->whole = p->broken = p->cut = p->stalled = false;
    p->err = (struct err){0};
}

static void push_free(struct push **push)
{
    struct push *p = MOVE(*push);
    struct arena *arena = p->arena;

    clear_attempt(p);
    arena_free(&arena);
}

static void forget(struct push *p)
{
    struct pusher *pusher = p->pusher;

    for (struct push **at = &pusher->pushes; *at != NULL; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    pusher->n_pushes--;
    push_free(&p);
}

/* It runs no longer; there is a place for another one. */
static void rest(struct push *p)
{
    struct pusher *pusher = p->pusher;

    p->phase = PUSH_WAITS;
    clear_attempt(p);
    pusher->n_running--;
    dataplane_push_due(pusher->dp);
    dataplane__live(pusher->dp, -1);
}

static void rest_and_forget(struct push *p)
{
    rest(p);
    forget(p);
}

static void try_later(struct push *p, int64_t wait_us)
{
    p->next_us = now_us(p->pusher) + wait_us;
    rest(p);
}

/* -- how it ends ------------------------------------------------------------------------------- */

static void told(struct push *p)
{
    const enum err_code code = p->err.code;

    /* the transfer's state has changed meanwhile: what it is now decides what follows */
    if (code == E_OK || code == E_CONFLICT || code == E_NOT_FOUND)
        rest_and_forget(p);
    else
        try_later(p, LOOK_AGAIN_US);
}

static void end_recorded(void *cls, struct str id, const struct err *err)
{
    struct push *p = cls;

    (void)id;
    if (err->code != E_OK && err->code != E_CONFLICT)
        log_err(NULL, "the end of a push could not be recorded yet", err);
    p->err = *err;
    due(p, told);
}

static void end_transfer(struct push *p, bool complete, struct str reason)
{
    struct pusher *pusher = p->pusher;
    struct err err = {0};

    if (pusher->end(pusher->dp->app, p->id, complete, reason, end_recorded, p, &err) < 0) {
        log_err(NULL, "the end of a push could not be recorded yet", &err);
        try_later(p, LOOK_AGAIN_US);
    }
}

static int mark(struct db *tx, void *arg, struct err *err)
{
    const struct push *p = arg;

    return db_exec(tx, &q_push_mark,
                   DB_ARGS(DB_TEXT(p->id), DB_I64(env_wall_us(p->pusher->dp->app->env))), NULL,
                   err);
}

static void is_marked(struct push *p)
{
    p->delivered = p->err.code == E_OK;
    if (p->delivered)
        end_transfer(p, true, STR_NONE);
    else
        try_later(p, LOOK_AGAIN_US);
}

static void marked(void *arg, const struct err *err)
{
    struct push *p = arg;

    if (err->code != E_OK)
        log_err(NULL, "a push that was delivered could not be recorded yet", err);
    p->err = *err;
    due(p, is_marked);
}

static void record(struct push *p)
{
    struct err err = {0};

    p->op = (struct writer_op){.name = "push_mark", .fn = mark, .arg = p, .done = marked};
    if (writer_submit(p->pusher->dp->app->writer, &p->op, &err) < 0)
        marked(p, &err);
}

/* Errors after which another attempt may do better. */
static bool may_pass(enum err_code code)
{
    static const enum err_code codes[] = {E_PEER_DOWN, E_PEER_TIMEOUT, E_PEER_REFUSED,
                                          E_BUSY,      E_SHUTDOWN,     E_OVER_QUOTA,
                                          E_NO_MEMORY, E_DB,           E_IO};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (code == codes[i])
            return true;
    }
    return false;
}

static bool status_may_pass(int status)
{
    return status >= 500 || status == 408 || status == 425 || status == 429 ||
           (status >= 200 && status < 300); /* before it had all */
}

static struct str reason_of(const struct push *p, struct buf *out)
{
    if (p->status != 0 && (p->status < 200 || p->status >= 300))
        buf_printf(out, "the destination answered %d", p->status);
    else if (p->broken)
        buf_add_c(out, "the provider's data source broke off");
    else if (p->stalled)
        buf_add_c(out, "the destination takes too long");
    else if (p->status != 0)
        buf_add_c(out, "the destination answered before it had all of the data");
    else if (p->err.detail[0] != '\0')
        buf_add_c(out, p->err.detail);
    else if (p->err.code == E_PEER_ADDRESS)
        buf_add_c(out, "the destination's address is not allowed");
    else
        buf_printf(out, "the destination does not take the data (%s)", err_slug(p->err.code));
    return buf_str(out);
}

static int64_t retry_wait(const struct push *p)
{
    const unsigned doubled = p->tries < 8 ? p->tries - 1 : 7;
    const int64_t wait_us = RETRY_FIRST_US << doubled;

    return wait_us < RETRY_MOST_US ? wait_us : RETRY_MOST_US;
}

/* An attempt that has not delivered. */
static void attempt_failed(struct push *p)
{
    struct pusher *pusher = p->pusher;
    AUTO(buf_done) struct buf text = buf_init(KIB(2));
    const bool may = p->status != 0 && !p->broken ? status_may_pass(p->status)
                                                  : p->broken || may_pass(p->err.code);
    const int64_t limit_us = pusher->dp->app->settings->negotiation_limit_us;
    struct str reason;

    if (is_closing(pusher) || p->cut || p->err.code == E_NOT_IN_FORCE) {
        try_later(p, RETRY_FIRST_US); /* if the transfer is STARTED then */
        return;
    }
    reason = reason_of(p, &text);
    log_warning(NULL, "a push has not been delivered", L_STR("transfer", p->id),
                L_STR("why", reason), L_C("code", err_slug(p->err.code)), L_I64("try", p->tries));
    if (may && now_us(pusher) - p->first_us < limit_us)
        try_later(p, retry_wait(p));
    else
        end_transfer(p, false, arena_str(p->arena, reason));
}

/* Before its answer began. */
static void give_up(struct push *p, const struct err *err)
{
    p->err = *err;
    if (p->access != NULL) {
        p->access->replied = false;
        p->cut = atomic_load(&p->access->cut);
        access_end(MOVE(p->access), 0, false);
    }
    attempt_failed(p);
}

/* -- the outlet -------------------------------------------------------------------------------- */

static struct str asked(const struct access *a, const char *name)
{
    (void)a;
    (void)name;
    return STR_NONE;
}

static struct db *reader(const struct access *a)
{
    return a->push->pusher->db;
}

static void suspend(struct access *a, access_step *next)
{
    a->next_step = next;
}

static void take_step(struct push *p)
{
    struct err err = {0};

    if (atomic_load(&p->access->cut) || is_closing(p->pusher))
        IGNORE(err_set(&err, E_SHUTDOWN, "", "it may not go on"), "handed on");
    else if (p->access->next_step(p->access, &err) == 0)
        return;
    give_up(p, &err);
}

static void resume(struct access *a)
{
    due(a->push, take_step);
}

/* What of the source's answer goes with the data. */
static void put_header(struct access *a, const char *name, struct str value)
{
    static const char *const passed[] = {"Content-Language", "Content-Disposition",
                                         "Content-Encoding", "Last-Modified",
                                         WIRE_DIGEST_HEADER, WIRE_EVENT_HEADER};
    struct push *p = a->push;

    for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
        if (strcmp(name, passed[i]) == 0 && p->n_headers < HEADERS_MAX)
            p->headers[p->n_headers++] =
                (struct fetch_header){str_c(passed[i]), arena_str(a->arena, value)};
    }
}

static ssize_t upload_read(void *cls, char *out, size_t max)
{
    struct push *p = cls;
    struct access *a = p->access;
    const ssize_t n = access_read(a, out, max);

    p->whole = n == HTTP_END || a->handed == a->length;
    if (n > 0)
        return n;
    if (n == HTTP_AGAIN)
        return FETCH_WAIT;
    if (n == HTTP_END && (a->length < 0 || a->handed == a->length))
        return FETCH_END;
    p->whole = false;
    p->broken = !atomic_load(&a->cut);
    return FETCH_BREAK;
}

static enum fetch_flow on_head(void *cls, const struct fetch_response *response)
{
    struct push *p = cls;

    p->status = response->status;
    return FETCH_GO;
}

static enum fetch_flow on_piece(void *cls, const void *piece, size_t n)
{
    struct push *p = cls;

    (void)piece;
    p->answered += n;
    return p->answered > ANSWER_MAX ? FETCH_STOP : FETCH_GO;
}

/* Fetcher's thread. The mark goes to the writer before the receipt does. */
static void on_done(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct push *p = cls;
    struct pusher *pusher = p->pusher;
    struct access *a;
    int64_t sent;

    (void)response;
    pthread_mutex_lock(&pusher->lock);
    a = MOVE(p->access);
    sent = a->handed;
    if (fetch_sent(p->job) < sent)
        sent = fetch_sent(p->job);
    p->job = NULL;
    pthread_mutex_unlock(&pusher->lock);
    p->sent = p->whole && p->status >= 200 && p->status < 300;
    p->cut = atomic_load(&a->cut);
    a->replied = p->sent || sent > 0;
    if (!p->sent) {
        p->err = *err;
        access_end(a, sent, false);
        due(p, attempt_failed);
        return;
    }
    COUNT(C_PUSHES);
    log_info(NULL, "pushed", L_STR("transfer", p->id), L_I64("bytes", a->handed));
    sent = a->handed;
    record(p);
    access_end(a, sent, true);
}

static void failed_step(struct push *p)
{
    const struct err err = p->err;

    give_up(p, &err);
}

static int submit(struct push *p, struct access *a, struct str media_type, struct err *err)
{
    struct pusher *pusher = p->pusher;
    const struct fetch_request request = {
        .method = p->to.method,
        .url = p->to.url,
        .guest = true,
        .headers = p->headers,
        .n_headers = p->n_headers + (media_type.n > 0),
        .source = upload_read,
        .source_length = a->length,
        .deadline_mono_us = now_us(pusher) + DEADLINE_US,
        .head = on_head,
        .sink = on_piece,
        .done = on_done,
        .cls = p,
    };
    int rc;

    if (media_type.n > 0)
        p->headers[p->n_headers] = (struct fetch_header){STR("Content-Type"), media_type};
    p->whole = a->length == 0;         /* then nobody asks for it */
    pthread_mutex_lock(&pusher->lock); /* `done` may come before the job is noted */
    rc = fetch_submit(pusher->dp->app->fetcher, &request, &p->job, err);
    if (rc < 0)
        p->job = NULL;
    else if (atomic_load(&a->cut) || pusher->closing)
        fetch_cancel(pusher->dp->app->fetcher, p->job);
    p->moved = 0;
    p->moved_us = now_us(pusher);
    pthread_mutex_unlock(&pusher->lock);
    return rc < 0 ? err_ret(err) : 0;
}

static void put_stream(struct access *a, int status, struct str media_type, int64_t length)
{
    struct push *p = a->push;

    (void)status;
    (void)length; /* it is the access's */
    if (arena_failed(a->arena))
        IGNORE(err_set(&p->err, E_NO_MEMORY, "", "headers of a push"), "the next step's");
    if (p->err.code != E_OK || submit(p, a, media_type, &p->err) < 0)
        due(p, failed_step);
}

static ssize_t read_file(void *cls, char *out, size_t max)
{
    struct push *p = ((struct access *)cls)->push;
    ssize_t n;

    if (p->left == 0)
        return HTTP_END;
    if (max > p->left)
        max = (size_t)p->left;
    do
        n = pread(p->fd, out, max, (off_t)p->at);
    while (n < 0 && errno == EINTR);
    if (n <= 0) /* it has become shorter */
        return HTTP_FAIL;
    p->at += (uint64_t)n;
    p->left -= (uint64_t)n;
    return n;
}

static void put_fd(struct access *a, int status, struct str media_type, int fd, uint64_t from,
                   uint64_t length)
{
    struct push *p = a->push;

    p->fd = fd;
    p->at = from;
    p->left = length;
    a->read = read_file;
    put_stream(a, status, media_type, (int64_t)length);
}

static ssize_t read_body(void *cls, char *out, size_t max)
{
    struct push *p = ((struct access *)cls)->push;
    const size_t left = p->body.n - (size_t)p->at;

    if (left == 0)
        return HTTP_END;
    if (max > left)
        max = left;
    memcpy(out, p->body.p + p->at, max);
    p->at += max;
    return (ssize_t)max;
}

static void put_buf(struct access *a, int status, struct str media_type, struct buf *body)
{
    struct push *p = a->push;

    p->body = *body;
    *body = buf_init(body->max);
    p->at = 0;
    a->read = read_body;
    put_stream(a, status, media_type, a->length);
}

static void put_empty(struct access *a, int status, struct str media_type)
{
    struct buf none = buf_init(1);

    a->length = 0;
    put_buf(a, status, media_type, &none);
}

static void stream_ready(void *access)
{
    struct push *p = ((struct access *)access)->push;

    pthread_mutex_lock(&p->pusher->lock);
    if (p->job != NULL)
        fetch_resume(p->pusher->dp->app->fetcher, p->job);
    pthread_mutex_unlock(&p->pusher->lock);
}

static void cancel(struct push *p)
{
    if (p->job != NULL)
        fetch_cancel(p->pusher->dp->app->fetcher, p->job);
}

/* access->cut is set: what has no job yet ends with its next step. */
static void break_off(struct access *a)
{
    struct push *p = a->push;

    pthread_mutex_lock(&p->pusher->lock);
    cancel(p);
    pthread_mutex_unlock(&p->pusher->lock);
}

static const struct outlet up = {
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

/* -- an attempt -------------------------------------------------------------------------------- */

static int open_access(struct push *p, struct err *err)
{
    struct dataplane *dp = p->pusher->dp;
    AUTO(view_unref) struct view *view = NULL;
    struct access *a;

    if (dataplane__view_get(dp, p->pusher->db, p->id, &view, err) < 0 ||
        access_check(view, err) < 0)
        return err_ret(err);
    a = access_new(dp, view);
    if (a == NULL)
        return err_set(err, E_NO_MEMORY, "", "access");
    a->outlet = &up;
    a->push = p;
    p->access = a;
    if (jdoc_parse(p->destination, &jlimits_default, &p->address, err) < 0 ||
        destination_open(dp->app, jdoc_root(p->address), a->arena, &p->to, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < p->to.n_headers; i++)
        p->headers[p->n_headers++] = p->to.headers[i];
    p->headers[p->n_headers++] = (struct fetch_header){
        STR(PUSH_KEY_HEADER), arena_printf(a->arena, "\"%.*s\"", STR_ARG(p->id))};
    return 0;
}

static void begin(struct push *p)
{
    struct err err = {0};

    p->phase = PUSH_RUNS;
    p->pusher->n_running++;
    dataplane__live(p->pusher->dp, 1);
    p->tries++;
    if (p->delivered)
        end_transfer(p, true, STR_NONE);
    else if (p->sent)
        record(p);
    else if (open_access(p, &err) < 0 || p->access->view->ops->begin(p->access, &err) < 0)
        give_up(p, &err);
}

/* -- looking ----------------------------------------------------------------------------------- */

static struct push *find(const struct pusher *pusher, struct str id)
{
    for (struct push *p = pusher->pushes; p != NULL; p = p->next) {
        if (str_eq(p->id, id))
            return p;
    }
    return NULL;
}

static bool has_room(const struct pusher *pusher, struct str consumer)
{
    size_t same = 0;

    for (const struct push *p = pusher->pushes; p != NULL; p = p->next)
        same += p->phase == PUSH_RUNS && str_eq(p->consumer, consumer);
    return same < PUSHES_OF_ONE;
}

/* A transfer that is due: begins, unless it runs, waits or has no place yet. */
static void look_at(struct pusher *pusher, const struct due_row *row)
{
    struct push *p = find(pusher, row->transfer_id);

    if (p == NULL && (pusher->n_pushes >= PUSHES_KEPT || !has_room(pusher, row->consumer_id) ||
                      (p = push_new(pusher, row)) == NULL))
        return;
    p->seen = true;
    p->delivered = p->delivered || row->delivered;
    if (p->phase == PUSH_WAITS && p->next_us <= now_us(pusher) && has_room(pusher, p->consumer))
        begin(p);
}

/* Pages of what is due until there is no place. True: all was seen. */
static bool look_through(struct pusher *pusher, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(32));
    struct str after = STR("");
    struct list rows = {.n = PAGE};

    if (arena == NULL) {
        (void)err_set(err, E_NO_MEMORY, "", "pushes");
        return false;
    }
    while (rows.n == PAGE && pusher->n_running < PUSHES_AT_ONCE) {
        if (db_list(pusher->db, &q_push_due, DB_ARGS(DB_TEXT(after), DB_I64(PAGE)), &due_object,
                    arena, PAGE, &rows, err) < 0)
            return false;
        for (size_t i = 0; i < rows.n && pusher->n_running < PUSHES_AT_ONCE; i++) {
            const struct due_row *row = &LIST_ITEMS(struct due_row, rows)[i];

            after = row->transfer_id;
            look_at(pusher, row);
        }
    }
    return rows.n < PAGE && pusher->n_running < PUSHES_AT_ONCE;
}

/* What waits although its transfer is no longer STARTED is not needed. */
static void drop_unseen(struct pusher *pusher)
{
    for (struct push *p = pusher->pushes, *next; p != NULL; p = next) {
        next = p->next;
        if (!p->seen && p->phase == PUSH_WAITS)
            forget(p);
    }
}

static int open_reader(struct pusher *pusher, struct err *err)
{
    struct db_cfg cfg = pusher->dp->app->db;

    cfg.read_only = true;
    return pusher->db != NULL ? 0 : db_open(&cfg, &pusher->db, err);
}

static void look(struct pusher *pusher)
{
    struct err err = {0};

    pusher->look_at_us = INT64_MAX;
    for (struct push *p = pusher->pushes; p != NULL; p = p->next)
        p->seen = false;
    if (open_reader(pusher, &err) == 0 && look_through(pusher, &err))
        drop_unseen(pusher);
    if (err.code != E_OK) {
        log_err(NULL, "pushes that are due could not be read", &err);
        db_close(&pusher->db);
        pusher->look_at_us = now_us(pusher) + LOOK_AGAIN_US;
        return;
    }
    if (pusher->n_running >= PUSHES_AT_ONCE)
        return;
    for (const struct push *p = pusher->pushes; p != NULL; p = p->next) {
        if (p->phase == PUSH_WAITS && p->next_us > now_us(pusher) &&
            p->next_us < pusher->look_at_us)
            pusher->look_at_us = p->next_us;
    }
}

/* Breaks off what takes too long, or, if we are to end, all; when to look again. Lock held. */
static int64_t check_movement(struct pusher *pusher)
{
    const int64_t now = now_us(pusher);
    int64_t next_us = INT64_MAX;

    for (struct push *p = pusher->pushes; p != NULL; p = p->next) {
        int64_t moved;

        if (p->job == NULL)
            continue;
        moved = atomic_load(&p->access->meter.seen_bytes);
        if (moved != p->moved)
            p->moved_us = now;
        p->moved = moved;
        p->stalled = p->stalled || now - p->moved_us > PATIENCE_US;
        if (p->stalled || pusher->closing)
            cancel(p);
        else if (p->moved_us + PATIENCE_US < next_us)
            next_us = p->moved_us + PATIENCE_US;
    }
    return next_us;
}

/* -- the thread -------------------------------------------------------------------------------- */

/* Lock held, given up while it waits. */
static void wait_until(struct pusher *pusher, int64_t until_us)
{
    struct timespec until = {
        .tv_sec = (time_t)(until_us / US_PER_S),
        .tv_nsec = (long)(until_us % US_PER_S * 1000),
    };

    if (until_us == INT64_MAX)
        CHECK(pthread_cond_wait(&pusher->wake, &pusher->lock) == 0);
    else
        pthread_cond_timedwait(&pusher->wake, &pusher->lock, &until);
}

static struct push *next_due(struct pusher *pusher)
{
    struct push *p = pusher->due;

    if (p == NULL)
        return NULL;
    pusher->due = p->next_due;
    if (pusher->due == NULL)
        pusher->due_tail = &pusher->due;
    return p;
}

static void *run(void *cls)
{
    struct pusher *pusher = cls;

    pthread_mutex_lock(&pusher->lock);
    while (!pusher->stop) {
        struct push *p = next_due(pusher);

        if (p != NULL) {
            pthread_mutex_unlock(&pusher->lock);
            p->step(p);
            pthread_mutex_lock(&pusher->lock);
        } else if (!pusher->closing && (pusher->look || now_us(pusher) >= pusher->look_at_us)) {
            pusher->look = false;
            pthread_mutex_unlock(&pusher->lock);
            look(pusher);
            pthread_mutex_lock(&pusher->lock);
        } else {
            const int64_t moved_us = check_movement(pusher);

            wait_until(pusher, pusher->closing                 ? INT64_MAX
                               : moved_us < pusher->look_at_us ? moved_us
                                                               : pusher->look_at_us);
        }
    }
    pthread_mutex_unlock(&pusher->lock);
    return NULL;
}

void dataplane_push_due(struct dataplane *dp)
{
    struct pusher *pusher = dp != NULL ? dp->pusher : NULL;

    if (pusher == NULL)
        return;
    pthread_mutex_lock(&pusher->lock);
    pusher->look = true;
    pthread_cond_signal(&pusher->wake);
    pthread_mutex_unlock(&pusher->lock);
}

int dataplane_start(struct app *app, dataplane_end_fn *end, struct err *err)
{
    struct pusher *pusher = calloc(1, sizeof(*pusher));
    pthread_condattr_t monotonic;

    if (pusher == NULL)
        return err_set(err, E_NO_MEMORY, "", "pushes");
    pusher->dp = app->dataplane;
    pusher->end = end;
    pusher->look = true;
    pusher->look_at_us = INT64_MAX;
    pusher->due_tail = &pusher->due;
    CHECK(pthread_mutex_init(&pusher->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&pusher->wake, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&pusher->thread, NULL, run, pusher) != 0) {
        pthread_cond_destroy(&pusher->wake);
        pthread_mutex_destroy(&pusher->lock);
        free(pusher);
        return err_set(err, E_NO_MEMORY, "", "thread of the pushes");
    }
    app->dataplane->pusher = pusher;
    return 0;
}

void dataplane__pusher_finish(struct pusher *pusher)
{
    if (pusher == NULL)
        return;
    pthread_mutex_lock(&pusher->lock);
    pusher->closing = true;
    pthread_cond_signal(&pusher->wake);
    pthread_mutex_unlock(&pusher->lock);
}

void dataplane__pusher_close(struct pusher **pusher_address)
{
    struct pusher *pusher = MOVE(*pusher_address);

    if (pusher == NULL)
        return;
    pthread_mutex_lock(&pusher->lock);
    pusher->stop = true;
    pthread_cond_signal(&pusher->wake);
    pthread_mutex_unlock(&pusher->lock);
    pthread_join(pusher->thread, NULL);
    while (pusher->pushes != NULL)
        forget(pusher->pushes);
    db_close(&pusher->db);
    pthread_cond_destroy(&pusher->wake);
    pthread_mutex_destroy(&pusher->lock);
    free(pusher);
}
