/*
 * Outbox: queues per stream in memory, one thread that starts what is due, the end of each message recorded by the writer.
 *
 * An item is in one of four places: waiting in its stream's queue (the first of a free stream is also in the heap), flying
 * (between send and result), ending (its end is with the writer, or in the heap for another try), or dropped (held by an operation
 * of the writer only). A stream is free for its next message as soon as one is acknowledged: the acknowledgement's row may follow
 * later (runtime-spike.md, rule 9), since after a crash the message merely goes out again. After a refusal it stays closed until
 * that is recorded, because the program may then drop the stream.
 */
#include "lib/sm/outbox.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/log/counters.h"
#include "lib/sm/sm_private.h"

#include "lib/base/banned.h"

#define BACK_OFF_US     INT64_C(10000)
#define AGAIN_MOST_US   US_PER_MIN
#define NOT_YET_MOST_US US_PER_S
#define TAG_BITS        10 /* low bits of an id: differ between replicas that share a table */

struct stream;

struct item {
    struct outbox_msg msg; /* first: outbox_result finds the item by it */
    struct due due;
    struct outbox *outbox;
    struct stream *stream; /* while waiting, flying, or holding its stream closed */
    struct item *next;     /* in the stream's queue, ids ascending */
    unsigned refs;         /* one for its place, one per operation at the writer */
    bool ending, dropped, late;
    bool repeat_queued;
    bool gone; /* set by an operation of the writer: the row is no longer there, or not ours */
    int64_t end_tries;
    enum outbox_result result;
    char *answer; /* owned */
    size_t answer_n;
    struct writer_op end_op, repeat_op;
    int64_t repeat_attempts, repeat_due_us; /* what repeat_op writes */
    char text[];                            /* of the message */
};

struct stream {
    struct str key; /* points to text */
    struct item *queue;
    struct item *current; /* flying, or refused and not recorded yet: nothing else starts */
    char text[];
};

struct outbox {
    struct outbox_cfg cfg;
    pthread_t thread;
    pthread_mutex_t
        lock;            /* guards what follows up to `orphaned`; no other lock is taken under it */
    pthread_cond_t wake; /* for the thread */
    pthread_cond_t idle; /* for outbox_close */
    struct heap heap;
    struct strmap streams; /* owns streams and the items in their queues */
    int64_t n_flying, n_ops;
    bool started, closing;
    bool orphaned; /* closed with messages in flight: the last result frees the rest */
    _Atomic int64_t last_id;
    _Atomic int64_t pending;
    int64_t tag;
};

/* What became of a row in a shared table. */
struct placed {
    int64_t id, owner;
    bool behind;
};

/* clang-format off */
static const struct field msg_fields[] = {
    FIELD(struct outbox_msg, id, "id", F_REQUIRED),
    FIELD(struct outbox_msg, stream, "stream", F_REQUIRED),
    FIELD(struct outbox_msg, kind, "kind", F_REQUIRED),
    FIELD(struct outbox_msg, url, "url", F_REQUIRED),
    FIELD(struct outbox_msg, audience, "audience", 0),
    FIELD(struct outbox_msg, body, "body", 0),
    FIELD(struct outbox_msg, deadline_us, "deadline_us", F_TIME),
    FIELD(struct outbox_msg, attempts, "attempts", 0),
    FIELD(struct outbox_msg, due_us, "due_us", F_TIME),
    FIELD(struct outbox_msg, owner, "owner", 0),
};
static const struct field placed_fields[] = {
    FIELD(struct placed, id, "id", F_REQUIRED),
    FIELD(struct placed, owner, "owner", F_REQUIRED),
    FIELD(struct placed, behind, "behind", F_REQUIRED),
};
/* clang-format on */
OBJECT(outbox_msg_row, struct outbox_msg, msg_fields, CLOSED);
static OBJECT(placed_row, struct placed, placed_fields, CLOSED);

_Static_assert(OUTBOX_OWNERS == 1 << TAG_BITS, "the owner is the low bits of an id");

static void lock(struct outbox *o)
{
    CHECK(pthread_mutex_lock(&o->lock) == 0);
}

static void unlock(struct outbox *o)
{
    CHECK(pthread_mutex_unlock(&o->lock) == 0);
}

static bool is_shared(const struct outbox *o)
{
    return o->cfg.owner > 0;
}

/* -- items and streams; the lock is held ------------------------------------------------------------------------------ */

static struct item *item_of(struct due *due)
{
    return (struct item *)((char *)due - offsetof(struct item, due));
}

static void put_text(char **p, struct str *s)
{
    if (!str_present(*s))
        return;
    if (s->n > 0)
        memcpy(*p, s->p, s->n);
    *s = str_n(*p, s->n);
    *p += s->n + 1; /* callocated: terminated */
}

static struct item *item_new(struct outbox *o, const struct outbox_msg *msg)
{
    size_t n = msg->stream.n + msg->kind.n + msg->url.n + msg->audience.n + msg->body.n + 5;
    struct item *item = calloc(1, sizeof(*item) + n);

    if (item == NULL)
        return NULL;
    char *p = item->text;
    item->msg = *msg;
    put_text(&p, &item->msg.stream);
    put_text(&p, &item->msg.kind);
    put_text(&p, &item->msg.url);
    put_text(&p, &item->msg.audience);
    put_text(&p, &item->msg.body);
    item->outbox = o;
    item->refs = 1;
    return item;
}

static void item_unref(struct item *item)
{
    if (--item->refs > 0)
        return;
    free(item->answer);
    free(item);
}

/* The message is done with, whatever became of it. */
static void forget(struct outbox *o, struct item *item)
{
    gauge_set(C_OUTBOX_PENDING, atomic_fetch_sub(&o->pending, 1) - 1);
    item->dropped = true;
    item->stream = NULL;
    item_unref(item);
}

static struct stream *stream_of(struct outbox *o, struct str key)
{
    struct stream *s = strmap_find(&o->streams, key);

    if (s != NULL)
        return s;
    if ((s = calloc(1, sizeof(*s) + key.n + 1)) == NULL)
        return NULL;
    if (key.n > 0)
        memcpy(s->text, key.p, key.n);
    s->key = str_n(s->text, key.n);
    if (strmap_add(&o->streams, s->key, s))
        return s;
    free(s);
    return NULL;
}

/* Into the heap; without memory the message waits for the next start, which loads its row. */
static void wait_until(struct outbox *o, struct item *item, int64_t at_us)
{
    item->due.at_us = at_us;
    if (EXPECT(sm__heap_put(&o->heap, &item->due)) && sm__heap_first(&o->heap) == &item->due)
        CHECK(pthread_cond_signal(&o->wake) == 0);
}

/* After every change of a stream: its first message waits for its instant, or the stream is no more. */
static void arrange(struct outbox *o, struct stream *s)
{
    if (s->current != NULL)
        return;
    if (s->queue == NULL) {
        strmap_remove(&o->streams, s->key);
        free(s);
        return;
    }
    const struct outbox_msg *msg = &s->queue->msg;
    if (s->queue->due.place == 0)
        wait_until(o, s->queue, msg->due_us < msg->deadline_us ? msg->due_us : msg->deadline_us);
}

/* Into the queue of its stream by id; false if it is there. */
static bool enqueue(struct outbox *o, struct stream *s, struct item *item)
{
    struct item **p = &s->queue;

    if (s->current != NULL && s->current->msg.id == item->msg.id)
        return false;
    while (*p != NULL && (*p)->msg.id < item->msg.id)
        p = &(*p)->next;
    if (*p != NULL && (*p)->msg.id == item->msg.id)
        return false;
    if (s->queue != NULL && p == &s->queue && s->queue->due.place != 0)
        sm__heap_remove(&o->heap, &s->queue->due);
    item->next = *p;
    item->stream = s;
    *p = item;
    arrange(o, s);
    return true;
}

/* Takes over the item; false if it was not added. */
static bool add(struct outbox *o, struct item *item)
{
    struct stream *s = stream_of(o, item->msg.stream);

    if (s == NULL || !enqueue(o, s, item)) {
        item_unref(item);
        return s != NULL;
    }
    gauge_set(C_OUTBOX_PENDING, atomic_fetch_add(&o->pending, 1) + 1);
    return true;
}

static void op_ended(struct outbox *o, struct item *item)
{
    item_unref(item);
    if (--o->n_ops == 0 && o->closing)
        CHECK(pthread_cond_signal(&o->idle) == 0);
}

/* base·2^n, at most `most`, ± 25 %, so that what failed together does not come back together. */
static int64_t back_off(struct outbox *o, int64_t n, int64_t most_us)
{
    int64_t us = n >= 0 && n < 20 ? BACK_OFF_US << n : most_us;
    uint32_t r;

    if (us > most_us)
        us = most_us;
    env_random(o->cfg.env, &r, sizeof(r));
    return us - us / 4 + us / 2 * (int64_t)(r >> 16) / 65535;
}

/* -- the end of a message: in the writer ------------------------------------------------------------------------------- */

/* Deletes the row; in a shared table *ret_gone tells that it was not there any more. */
static int delete_row(struct db *db, const struct item *item, bool *ret_gone, struct err *err)
{
    const struct outbox_cfg *cfg = &item->outbox->cfg;
    int64_t changed = 0;

    *ret_gone = false;
    if (!is_shared(item->outbox))
        return db_exec(db, cfg->queries.delete, DB_ARGS(DB_I64(item->msg.id)), NULL, err);
    if (db_exec(db, cfg->queries.delete, DB_ARGS(DB_I64(item->msg.id), DB_I64(cfg->owner)),
                &changed, err) < 0)
        return err_ret(err);
    *ret_gone = changed == 0;
    return 0;
}

static struct str answer_of(const struct item *item)
{
    return item->answer != NULL ? str_n(item->answer, item->answer_n) : STR_NONE;
}

/* As record_end asks it, in its order. */
static int ask_end(struct db *db, void *arg, struct err *err)
{
    struct item *item = arg;
    const struct outbox_cfg *cfg = &item->outbox->cfg;

    if (!is_shared(item->outbox))
        return 0;
    item->msg.ended_us = env_wall_us(cfg->env);
    if (db_ask(db, cfg->queries.delete, DB_ARGS(DB_I64(item->msg.id), DB_I64(cfg->owner)), err) < 0)
        return err_ret(err);
    return cfg->ask != NULL ? cfg->ask(db, cfg->app, &item->msg, answer_of(item), err) : 0;
}

static int record_end(struct db *db, void *arg, struct err *err)
{
    struct item *item = arg;
    struct outbox *o = item->outbox;

    if (item->msg.ended_us == 0)
        item->msg.ended_us = env_wall_us(o->cfg.env);
    if (is_shared(o) && delete_row(db, item, &item->gone, err) < 0)
        return err_ret(err);
    if (item->gone)
        return 0;
    if (item->late)
        IGNORE(err_set(err, E_PEER_TIMEOUT, "", "not delivered before its deadline"),
               "tells `ended` why (lib/sm/outbox.h)");
    if (o->cfg.ended(db, o->cfg.app, &item->msg, item->result, answer_of(item), err) < 0)
        return err->code != E_OK ? err_ret(err) : -(int)E_INTERNAL;
    err_clear(err);
    return is_shared(o) ? 0 : delete_row(db, item, &item->gone, err);
}

static void end_recorded(void *arg, const struct err *err)
{
    struct item *item = arg;
    struct outbox *o = item->outbox;

    if (err->code == E_OK && o->cfg.after != NULL && !item->gone)
        o->cfg.after(o->cfg.app, &item->msg, item->result);
    lock(o);
    if (err->code == E_OK) {
        struct stream *s = item->stream;
        if (s != NULL) {
            s->current = NULL;
            arrange(o, s);
        }
        forget(o, item);
    } else {
        wait_until(o, item,
                   env_wall_us(o->cfg.env) + back_off(o, item->end_tries++, AGAIN_MOST_US));
    }
    op_ended(o, item);
    unlock(o);
}

/* Not under the lock. */
static void submit_end(struct item *item)
{
    struct outbox *o = item->outbox;
    struct err err = {0};

    item->end_op = (struct writer_op){
        .name = "outbox end", .fn = record_end, .arg = item, .done = end_recorded, .lazy = true};
    if (item->result == OUTBOX_SENT && o->cfg.ends_alone != NULL && o->cfg.ends_alone(&item->msg)) {
        item->end_op.subject = item->msg.stream;
        item->end_op.ask = ask_end;
    }
    lock(o);
    item->refs++;
    o->n_ops++;
    unlock(o);
    if (writer_submit(o->cfg.writer, &item->end_op, &err) == 0)
        return;
    lock(o); /* too much to do, or shutting down: later, or after the next start */
    wait_until(o, item, env_wall_us(o->cfg.env) + back_off(o, item->end_tries++, AGAIN_MOST_US));
    op_ended(o, item);
    unlock(o);
}

/* -- a repetition: noted in the writer ------------------------------------------------------------------------------------ */

static int record_repeat(struct db *db, void *arg, struct err *err)
{
    struct item *item = arg;
    const struct outbox_cfg *cfg = &item->outbox->cfg;
    const struct db_arg args[] = {DB_I64(item->msg.id), DB_I64(item->repeat_attempts),
                                  DB_TIME(item->repeat_due_us), DB_I64(cfg->owner)};
    const bool shared = is_shared(item->outbox);
    int64_t changed = 0;

    if (db_exec(db, cfg->queries.repeat, args, ARRAY_LEN(args) - !shared, &changed, err) < 0)
        return err_ret(err);
    item->gone = shared && changed == 0;
    return 0;
}

/* The row is gone: in flight it is not repeated, waiting it does not leave. */
static void leave_alone(struct outbox *o, struct item *item)
{
    struct stream *s = item->stream;
    struct item **p;

    if (s == NULL || item->ending)
        return;
    if (s->current == item) {
        item->dropped = true;
        return;
    }
    for (p = &s->queue; *p != NULL && *p != item;)
        p = &(*p)->next;
    if (*p == NULL)
        return;
    *p = item->next;
    if (item->due.place != 0)
        sm__heap_remove(&o->heap, &item->due);
    forget(o, item);
    arrange(o, s);
}

static void repeat_recorded(void *arg, const struct err *err)
{
    struct item *item = arg;
    struct outbox *o = item->outbox;

    lock(o);
    item->repeat_queued = false;
    if (err->code == E_OK && item->gone) /* without an answer the next start merely tries earlier */
        leave_alone(o, item);
    op_ended(o, item);
    unlock(o);
}

/* Not under the lock; the caller has set repeat_queued and taken the reference. */
static void submit_repeat(struct item *item)
{
    struct err err = {0};

    item->repeat_op = (struct writer_op){.name = "outbox repeat",
                                         .fn = record_repeat,
                                         .arg = item,
                                         .done = repeat_recorded,
                                         .lazy = true};
    if (writer_submit(item->outbox->cfg.writer, &item->repeat_op, &err) < 0)
        repeat_recorded(item, &err);
}

/* -- the thread --------------------------------------------------------------------------------------------------------------- */

/* The next item that is due, out of the heap; NULL when closing. */
static struct item *take_due(struct outbox *o)
{
    while (!o->closing) {
        struct due *first = o->started ? sm__heap_first(&o->heap) : NULL;
        if (first == NULL) {
            CHECK(pthread_cond_wait(&o->wake, &o->lock) == 0);
            continue;
        }
        int64_t wait_us = first->at_us - env_wall_us(o->cfg.env);
        if (wait_us <= 0) {
            sm__heap_remove(&o->heap, first);
            return item_of(first);
        }
        sm__cond_wait(&o->wake, &o->lock, wait_us);
    }
    return NULL;
}

/* Takes the first of a stream's queue out of it; the stream is closed for others. */
static void start_item(struct outbox *o, struct item *item)
{
    item->stream->queue = item->next;
    item->next = NULL;
    item->stream->current = item;
    if (env_wall_us(o->cfg.env) >= item->msg.deadline_us) {
        item->ending = item->late = true;
        item->result = OUTBOX_REFUSED;
        COUNT(C_OUTBOX_REFUSED);
    } else {
        o->n_flying++;
    }
}

static void *run_outbox(void *arg)
{
    struct outbox *o = arg;
    struct item *item;

    lock(o);
    while ((item = take_due(o)) != NULL) {
        if (!item->ending)
            start_item(o, item);
        bool ending = item->ending;
        unlock(o);
        if (ending)
            submit_end(item);
        else
            o->cfg.send(o->cfg.app, &item->msg);
        lock(o);
    }
    unlock(o);
    return NULL;
}

/* -- opening and closing --------------------------------------------------------------------------------------------------------- */

/* Ids given from now on are above this one. */
static void raise_last_id(struct outbox *o, int64_t id)
{
    int64_t last = atomic_load(&o->last_id);

    while (last < id && !atomic_compare_exchange_weak(&o->last_id, &last, id))
        continue;
}

static int load_one(void *cls, const void *value, struct err *err)
{
    const struct outbox_msg *msg = value;
    struct outbox *o = cls;
    struct item *item = item_new(o, msg);

    lock(o);
    bool added = item != NULL && add(o, item);
    unlock(o);
    if (!added)
        return err_set(err, E_NO_MEMORY, "", "messages left over");
    raise_last_id(o, msg->id);
    return 0;
}

static int load(struct outbox *o, struct err *err)
{
    AUTO(db_close) struct db *db = NULL;
    struct db_cfg cfg = o->cfg.db;
    const struct db_arg owner = DB_I64(o->cfg.owner);

    cfg.read_only = true;
    if (db_open(&cfg, &db, err) < 0)
        return err_ret(err);
    return db_each(db, o->cfg.queries.pending, &owner, is_shared(o), &outbox_msg_row, load_one, o,
                   err);
}

static void free_streams(struct outbox *o)
{
    size_t pos = 0;
    struct stream *s;
    struct due *due;

    while ((due = sm__heap_first(&o->heap)) != NULL) {
        struct item *item = item_of(due);
        sm__heap_remove(&o->heap, due);
        if (!item->ending)
            continue; /* owned by its stream */
        if (item->stream != NULL)
            item->stream->current = NULL;
        forget(o, item);
    }
    while ((s = strmap_next(&o->streams, &pos)) != NULL) {
        while (s->queue != NULL) {
            struct item *item = s->queue;
            s->queue = item->next;
            forget(o, item);
        }
        if (s->current != NULL)
            s->current->stream = NULL;
        free(s);
    }
    strmap_done(&o->streams);
    sm__heap_done(&o->heap);
}

static void outbox_free(struct outbox *o)
{
    free_streams(o);
    (void)pthread_cond_destroy(&o->wake);
    (void)pthread_cond_destroy(&o->idle);
    (void)pthread_mutex_destroy(&o->lock);
    free(o);
}

int outbox_open(const struct outbox_cfg *cfg, struct outbox **ret_outbox, struct err *err)
{
    struct outbox *o = calloc(1, sizeof(*o));
    uint16_t r;

    if (o == NULL)
        return err_set(err, E_NO_MEMORY, "", "outbox");
    o->cfg = *cfg;
    env_random(cfg->env, &r, sizeof(r));
    CHECK(cfg->owner >= 0 && cfg->owner < OUTBOX_OWNERS);
    o->tag = is_shared(o) ? cfg->owner : r & (OUTBOX_OWNERS - 1);
    CHECK(pthread_mutex_init(&o->lock, NULL) == 0);
    sm__cond_init(&o->wake);
    sm__cond_init(&o->idle);
    if (load(o, err) < 0) {
        outbox_free(o);
        return err_prefix(err, "outbox");
    }
    int rc = pthread_create(&o->thread, NULL, run_outbox, o);
    if (rc != 0) {
        outbox_free(o);
        return err_set(err, E_NO_MEMORY, "", "outbox thread: error %d", rc);
    }
    *ret_outbox = o;
    return 0;
}

int outbox_start(struct outbox *outbox, struct err *err)
{
    (void)err;
    lock(outbox);
    outbox->started = true;
    CHECK(pthread_cond_signal(&outbox->wake) == 0);
    unlock(outbox);
    return 0;
}

void outbox_close(struct outbox **outbox, int64_t grace_us)
{
    struct outbox *o = *outbox;

    if (o == NULL)
        return;
    *outbox = NULL;
    lock(o);
    o->closing = true;
    CHECK(pthread_cond_signal(&o->wake) == 0);
    unlock(o);
    CHECK(pthread_join(o->thread, NULL) == 0);
    lock(o);
    int64_t end_us = env_mono_us(&env_system) + grace_us;
    for (int64_t left_us; o->n_flying > 0 && (left_us = end_us - env_mono_us(&env_system)) > 0;)
        sm__cond_wait(&o->idle, &o->lock, left_us);
    while (o->n_ops > 0) /* the writer answers every one of them */
        CHECK(pthread_cond_wait(&o->idle, &o->lock) == 0);
    bool orphaned = o->n_flying > 0;
    o->orphaned = orphaned;
    if (orphaned)
        free_streams(o);
    unlock(o);
    if (!orphaned)
        outbox_free(o);
}

/* -- for everybody ------------------------------------------------------------------------------------------------------------------- */

int64_t outbox_next_id(struct outbox *outbox)
{
    int64_t last = atomic_load(&outbox->last_id), id;

    do {
        int64_t us = env_wall_us(outbox->cfg.env);
        if (us <= last >> TAG_BITS)
            us = (last >> TAG_BITS) + 1;
        id = us << TAG_BITS | outbox->tag;
    } while (!atomic_compare_exchange_weak(&outbox->last_id, &last, id));
    return id;
}

/* The database finds its owner, and an id above those that clocks of others have made. */
static int place(struct outbox *o, struct db *tx, struct outbox_msg *msg, const struct db_arg *args,
                 size_t n, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(4096);
    struct placed placed = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "message");
    if (db_one(tx, o->cfg.queries.insert, args, n, &placed_row, arena, &placed, err) != DB_ROW)
        return err_ret(err);
    msg->id = placed.id;
    msg->owner = placed.owner;
    msg->handed = placed.behind;
    raise_last_id(o, placed.id);
    return placed.behind ? o->cfg.hand(tx, o->cfg.app, msg, err) : 0;
}

/* For the query `insert`; in a table of one process without the last. */
#define INSERT_ARGS(msg, owner)                                                                    \
    DB_I64((msg)->id), DB_TEXT((msg)->stream), DB_TEXT((msg)->kind), DB_TEXT((msg)->url),          \
        DB_TEXT((msg)->audience), DB_TEXT((msg)->body), DB_TIME((msg)->deadline_us),               \
        DB_I64((msg)->attempts), DB_TIME((msg)->due_us), DB_I64(owner)

int outbox_ask(struct outbox *outbox, struct db *tx, const struct outbox_msg *msg, struct err *err)
{
    if (!is_shared(outbox))
        return 0;
    return db_ask(tx, outbox->cfg.queries.insert, DB_ARGS(INSERT_ARGS(msg, outbox->cfg.owner)),
                  err);
}

int outbox_put(struct outbox *outbox, struct db *tx, struct outbox_msg *msg, struct err *err)
{
    const struct db_arg args[] = {INSERT_ARGS(msg, outbox->cfg.owner)};

    if (is_shared(outbox))
        return place(outbox, tx, msg, args, ARRAY_LEN(args), err);
    return db_exec(tx, outbox->cfg.queries.insert, args, ARRAY_LEN(args) - 1, NULL, err);
}

void outbox_wake(struct outbox *outbox, const struct outbox_msg *msg)
{
    struct item *item;

    if (outbox == NULL) /* closed meanwhile: the row waits for the next start */
        return;
    if (msg->handed || (is_shared(outbox) && msg->owner != outbox->cfg.owner))
        return;
    item = item_new(outbox, msg);
    lock(outbox);
    if (EXPECT(item != NULL) && !outbox->closing)
        EXPECT(add(outbox, item));
    else if (item != NULL)
        item_unref(item);
    unlock(outbox);
}

/* A result after the end: nothing is recorded any more, the row is sent again by the next start. */
static void drop_orphan(struct outbox *o, struct item *item)
{
    forget(o, item);
    bool last = --o->n_flying == 0;
    unlock(o);
    if (last)
        outbox_free(o);
}

/* Back into the queue; true if the new attempt is to be noted. */
static bool repeat(struct outbox *o, struct item *item, enum outbox_result result)
{
    struct stream *s = item->stream;
    int64_t most_us = result == OUTBOX_NOT_YET ? NOT_YET_MOST_US : AGAIN_MOST_US;

    s->current = NULL;
    if (item->dropped || o->closing) {
        forget(o, item);
        arrange(o, s);
        return false;
    }
    item->msg.due_us = env_wall_us(o->cfg.env) + back_off(o, item->msg.attempts++, most_us);
    COUNT(C_OUTBOX_REPEATED);
    CHECK(enqueue(o, s, item));
    if (item->repeat_queued)
        return false;
    item->repeat_queued = true;
    item->repeat_attempts = item->msg.attempts;
    item->repeat_due_us = item->msg.due_us;
    item->refs++;
    o->n_ops++;
    return true;
}

void outbox_result(struct outbox *outbox, const struct outbox_msg *msg, enum outbox_result result,
                   struct str answer)
{
    struct item *item = (struct item *)(uintptr_t)msg;
    struct outbox *o = item->outbox; /* the caller's pointer is NULL after outbox_close */
    bool noted = false;

    (void)outbox;
    lock(o);
    CHECK(!item->ending);
    if (o->orphaned) {
        drop_orphan(o, item);
        return;
    }
    if (result == OUTBOX_SENT || result == OUTBOX_REFUSED) {
        item->ending = true;
        item->result = result;
        if (str_present(answer) && (item->answer = malloc(answer.n + 1)) != NULL) {
            memcpy(item->answer, answer.p, answer.n);
            item->answer_n = answer.n;
        }
        COUNT(result == OUTBOX_SENT ? C_OUTBOX_SENT : C_OUTBOX_REFUSED);
        if (result == OUTBOX_SENT) {
            item->stream->current = NULL;
            arrange(o, item->stream);
            item->stream = NULL;
        }
    } else {
        noted = repeat(o, item, result);
    }
    bool ends = result == OUTBOX_SENT || result == OUTBOX_REFUSED;
    if (ends) { /* keeps outbox_close waiting until the end is recorded */
        o->n_ops++;
        item->refs++;
    }
    if (--o->n_flying == 0 && o->closing)
        CHECK(pthread_cond_signal(&o->idle) == 0);
    unlock(o);
    if (noted)
        submit_repeat(item);
    if (ends) {
        submit_end(item);
        lock(o);
        op_ended(o, item);
        unlock(o);
    }
}

void outbox_drop_stream(struct outbox *outbox, struct str stream)
{
    if (outbox == NULL)
        return;
    lock(outbox);
    struct stream *s = strmap_find(&outbox->streams, stream);
    while (s != NULL && s->queue != NULL) {
        struct item *item = s->queue;
        s->queue = item->next;
        if (item->due.place != 0)
            sm__heap_remove(&outbox->heap, &item->due);
        forget(outbox, item);
    }
    if (s != NULL && s->current != NULL)
        s->current->dropped = true; /* in flight: its answer still counts, a repetition does not */
    if (s != NULL)
        arrange(outbox, s);
    unlock(outbox);
}

int64_t outbox_pending(const struct outbox *outbox)
{
    return outbox != NULL ? atomic_load(&outbox->pending) : 0;
}
