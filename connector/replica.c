/*
 * connector/replica.c - our number, telling others, hearing them, and seeing who is gone
 */
#include "connector/replica.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp.h"
#include "connector/exchange/exchange.h"
#include "connector/takeover.h"
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define CHANNEL     "naru_replica"
#define LOOK_US     US_PER_S        /* from one look at the others to the next */
#define HEARS_US    (3 * US_PER_S)  /* so long a look holds */
#define GONE_US     (2 * US_PER_S)  /* so long somebody's lock is free before he counts as gone */
#define SETTLE_US   (10 * US_PER_S) /* after a restart of the database all connect again first */
#define NAME_MAX_   300
#define MESSAGE_MAX MIB(4) /* a row of the outbox */

struct replica {
    struct app *app;
    char name[NAME_MAX_];
    _Atomic int64_t id;       /* 0: not registered yet */
    _Atomic int64_t heard_us; /* monotonic: what was committed before is known; 0: nothing is */
    atomic_bool taken_over;
    struct writer_op poke; /* lets the writer connect again, which takes our lock */
    atomic_bool poking;
    pthread_t thread;
    bool running;
    int stop_fd; /* -1: none */
    /* of the thread, and of replica_start before it */
    struct db *db;
    struct arena *arena;
    int64_t settled_us;                   /* monotonic: nobody is judged before */
    int64_t gone_since_us[OUTBOX_OWNERS]; /* monotonic, by number; 0: he lives */
};

struct one {
    int64_t n;
};

struct numbered {
    int64_t replica_id;
};

struct held {
    bool held;
};
/* clang-format off */
static const struct field one_fields[] = {FIELD(struct one, n, "n", F_REQUIRED)};
static OBJECT(one_row, struct one, one_fields, CLOSED);
static const struct field numbered_fields[] = {FIELD(struct numbered, replica_id, "replica_id", 0)};
static OBJECT(numbered_row, struct numbered, numbered_fields, CLOSED);
static const struct field held_fields[] = {FIELD(struct held, held, "held", F_REQUIRED)};
static OBJECT(held_row, struct held, held_fields, CLOSED);
static const struct field entry_fields[] = {
    FIELD(struct replica_entry, replica_id, "replica_id", F_REQUIRED),
    FIELD(struct replica_entry, name,       "name",       F_REQUIRED),
    FIELD(struct replica_entry, started_us, "started_us", F_REQUIRED),
    FIELD(struct replica_entry, alive,      "alive",      F_REQUIRED),
};
/* clang-format on */
static OBJECT(entry_row, struct replica_entry, entry_fields, CLOSED);

int64_t replica_id(const struct replica *r)
{
    return r != NULL ? atomic_load(&r->id) : 0;
}

bool replica_hears(const struct replica *r)
{
    const int64_t heard_us = r != NULL ? atomic_load(&r->heard_us) : 0;

    return r == NULL || (heard_us > 0 && env_mono_us(r->app->env) - heard_us < HEARS_US);
}

bool replica_taken_over(const struct replica *r)
{
    return r != NULL && atomic_load(&r->taken_over);
}

int replica_list(struct db *db, struct arena *arena, struct list *ret_list, struct err *err)
{
    return db_list(db, &q_replica_list, DB_NO_ARGS, &entry_row, arena, OUTBOX_OWNERS, ret_list,
                   err);
}

/* -- our number: in the writer's thread, on each of its connections ----------------------------- */

int replica_take_turn(struct db *tx, struct err *err)
{
    return db_exec(tx, &q_replica_turn, DB_NO_ARGS, NULL, err);
}

static int hold(struct db *db, int64_t id, struct arena *arena, struct err *err)
{
    struct held held = {0};

    if (db_one(db, &q_replica_hold, DB_ARGS(DB_I64(id)), &held_row, arena, &held, err) != DB_ROW)
        return err_ret(err);
    if (!held.held) /* the server has not noticed yet that our connection before has ended */
        return err_set(err, E_DB, "", "replica %lld: its lock is not free yet", (long long)id);
    return 0;
}

struct registering {
    struct replica *replica;
    struct arena *arena;
    int64_t id;
};

static int register_us(struct db *tx, void *arg, struct err *err)
{
    struct registering *g = arg;
    const struct replica *r = g->replica;
    struct numbered free_number = {0};

    if (replica_take_turn(tx, err) < 0 || db_one(tx, &q_replica_free, DB_NO_ARGS, &numbered_row,
                                                 g->arena, &free_number, err) != DB_ROW)
        return err_ret(err);
    if (free_number.replica_id == 0)
        return err_set(err, E_BUSY, "", "there are %d replicas already", OUTBOX_OWNERS - 1);
    g->id = free_number.replica_id;
    if (hold(tx, g->id, g->arena, err) < 0)
        return err_ret(err);
    return db_exec(
        tx, &q_replica_insert,
        DB_ARGS(DB_I64(g->id), DB_TEXT(str_c(r->name)), DB_I64(env_wall_us(r->app->env))), NULL,
        err);
}

/* What we own belongs to somebody else now; a new start begins afresh. */
static int give_up(struct replica *r, struct err *err)
{
    if (!atomic_exchange(&r->taken_over, true)) {
        log_alarm(NULL, "another replica took us for dead: stopping",
                  L_I64("replica", replica_id(r)));
        kill(getpid(), SIGTERM);
    }
    return err_set(err, E_CONFLICT, "", "another replica has taken over");
}

static int connected(struct db *db, void *cls, struct err *err)
{
    struct replica *r = cls;
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    struct registering registering = {.replica = r, .arena = arena};
    struct one there = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "replica");
    if (db_exec(db, &q_replica_session, DB_NO_ARGS, NULL, err) < 0)
        return err_ret(err);
    if (replica_id(r) == 0) {
        if (db_tx(db, "replica", register_us, &registering, err) < 0)
            return err_ret(err);
        atomic_store(&r->id, registering.id);
        return 0;
    }
    if (hold(db, replica_id(r), arena, err) < 0 ||
        db_one(db, &q_replica_there, DB_ARGS(DB_I64(replica_id(r))), &one_row, arena, &there,
               err) != DB_ROW)
        return err_ret(err);
    return there.n > 0 ? 0 : give_up(r, err);
}

void replica_writer(struct replica *r, struct db_cfg *cfg)
{
    if (r == NULL)
        return;
    cfg->connected = connected;
    cfg->connected_cls = r;
}

/* -- telling ------------------------------------------------------------------------------------ */

/* "<letter> <number> <id>": who tells it, or, of a message, for whom it is. */
static const char letters[] = {
    [NEWS_CATALOGUE] = 'c', [NEWS_TRANSFER] = 't', [NEWS_AGREEMENT] = 'a',
    [NEWS_FACTS] = 'f',     [NEWS_STREAM] = 's',   [NEWS_MESSAGE] = 'm',
};

static int notify(struct db *tx, char letter, int64_t number, struct str id, struct err *err)
{
    AUTO(buf_done) struct buf payload = buf_init(LIMIT_ID + 64);

    buf_printf(&payload, "%c %lld ", letter, (long long)number);
    if (str_present(id))
        buf_add_str(&payload, id);
    if (buf_failed(&payload))
        return err_set(err, E_LIMIT, "", "news for other replicas");
    return db_exec(tx, &q_replica_tell, DB_ARGS(DB_TEXT(buf_str(&payload))), NULL, err);
}

int replica_tell(struct db *tx, const struct replica *r, enum replica_news news, struct str id,
                 struct err *err)
{
    return r != NULL ? notify(tx, letters[news], replica_id(r), id, err) : 0;
}

int replica_hand(struct db *tx, void *cls, const struct outbox_msg *msg, struct err *err)
{
    char id[24];

    (void)cls;
    (void)snprintf(id, sizeof(id), "%lld", (long long)msg->id);
    return notify(tx, letters[NEWS_MESSAGE], msg->owner, str_c(id), err);
}

/* -- hearing ------------------------------------------------------------------------------------ */

static int wake(void *cls, const void *row, struct err *err)
{
    const struct app *app = cls;

    (void)err;
    outbox_wake(app->outbox, row);
    return 0;
}

/* A message that somebody, or we, added to a stream of ours. */
struct taking {
    struct replica *replica;
    int64_t id;
    struct arena *arena;
    struct outbox_msg msg; /* id is 0 if the row is gone: it has been forgotten meanwhile */
    struct writer_op op;
};

static void taking_free(struct taking *taking)
{
    struct arena *arena = taking->arena;

    arena_free(&arena);
}

static int read_message(struct db *tx, void *arg, struct err *err)
{
    struct taking *t = arg;

    t->msg = (struct outbox_msg){0};
    return db_one(tx, &q_outbox_shared_one, DB_ARGS(DB_I64(t->id), DB_I64(replica_id(t->replica))),
                  &outbox_msg_row, t->arena, &t->msg, err) == DB_FAIL
               ? err_ret(err)
               : 0;
}

static void message_read(void *arg, const struct err *err)
{
    struct taking *t = arg;

    if (err->code != E_OK)
        log_err(NULL, "a message that another replica put waits until we connect again", err);
    else if (t->msg.id != 0)
        outbox_wake(t->replica->app->outbox, &t->msg);
    taking_free(t);
}

/*
 * The news comes with the commit, which is before our own operations of the same commit have been
 * answered and have woken what stands before it. So it is read behind them, by the writer.
 */
static void take_message(struct replica *r, struct str text)
{
    struct arena *arena = arena_new(MESSAGE_MAX);
    struct taking *t = arena != NULL ? ARENA_NEW(arena, struct taking) : NULL;
    struct err err = {0};

    if (t == NULL) {
        arena_free(&arena);
        (void)err_set(&err, E_NO_MEMORY, "", "message");
    } else {
        *t = (struct taking){.replica = r, .arena = arena};
        t->op = (struct writer_op){.name = "message of another",
                                   .fn = read_message,
                                   .arg = t,
                                   .subject = STR("read only"),
                                   .done = message_read};
        if (str_to_i64(text, &t->id) && writer_submit(r->app->writer, &t->op, &err) == 0)
            return;
        taking_free(t);
    }
    log_err(NULL, "a message that another replica put waits until we connect again", &err);
}

static void change_catalogue(struct replica *r, struct str id)
{
    (void)id;
    dsp_catalogue_changed(r->app->dsp);
}

static void forget_transfer(struct replica *r, struct str id)
{
    dataplane_forget(r->app->dataplane, id, STR_NONE);
    dataplane_push_due(r->app->dataplane); /* it may be a push of ours that goes on */
}

static void forget_agreement(struct replica *r, struct str id)
{
    dataplane_forget(r->app->dataplane, STR_NONE, id);
}

/* Whoever told it looks at the transfers; what we keep of decisions is gone. Of ourselves it is the
 * credential that we show. */
static void forget_facts(struct replica *r, struct str id)
{
    struct app *app = r->app;
    struct err err = {0};

    dataplane_forget_all(app->dataplane);
    if (str_eq(id, app->settings->participant_did) &&
        exchange_membership_load(app, r->db, &err) < 0)
        log_err(NULL, "the membership credential of another replica could not be read", &err);
}

static void drop_stream(struct replica *r, struct str id)
{
    outbox_drop_stream(r->app->outbox, id);
}

static void (*const effects[])(struct replica *r, struct str id) = {
    [NEWS_CATALOGUE] = change_catalogue, [NEWS_TRANSFER] = forget_transfer,
    [NEWS_AGREEMENT] = forget_agreement, [NEWS_FACTS] = forget_facts,
    [NEWS_STREAM] = drop_stream,         [NEWS_MESSAGE] = take_message,
};

static void heard(void *cls, struct str payload)
{
    struct replica *r = cls;
    struct str rest = payload;
    const struct str letter = str_cut(&rest, ' ');
    int64_t number;

    if (letter.n != 1 || !str_to_i64(str_cut(&rest, ' '), &number) || !str_present(rest))
        return;
    for (size_t news = 0; news < ARRAY_LEN(letters); news++) {
        const bool for_one = news == NEWS_MESSAGE;

        if (letters[news] == letter.p[0] && for_one == (number == replica_id(r)))
            effects[news](r, rest);
    }
}

/* What was told meanwhile is not known: everything may have changed. */
static int everything_changed(struct replica *r, struct err *err)
{
    const struct app *app = r->app;

    dsp_catalogue_changed(app->dsp);
    dataplane_forget_all(app->dataplane);
    dataplane_push_due(app->dataplane);
    r->settled_us = env_mono_us(app->env) + SETTLE_US;
    return db_each(r->db, &q_outbox_shared_pending, DB_ARGS(DB_I64(replica_id(r))), &outbox_msg_row,
                   wake, r->app, err);
}

/* -- who lives ---------------------------------------------------------------------------------- */

static int nothing(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

static void poked(void *arg, const struct err *err)
{
    struct replica *r = arg;

    (void)err; /* the next look tells */
    atomic_store(&r->poking, false);
}

/* The writer's connection has ended, and nothing makes it connect again. */
static void poke_writer(struct replica *r)
{
    struct err err = {0};

    if (atomic_exchange(&r->poking, true))
        return;
    r->poke = (struct writer_op){.name = "replica", .fn = nothing, .arg = r, .done = poked};
    if (writer_submit(r->app->writer, &r->poke, &err) < 0)
        atomic_store(&r->poking, false);
}

static bool is_gone(struct replica *r, const struct replica_entry *e, int64_t now_us)
{
    int64_t *since_us = &r->gone_since_us[e->replica_id];

    if (e->alive)
        *since_us = 0;
    else if (*since_us == 0)
        *since_us = now_us;
    return !e->alive && now_us >= r->settled_us && now_us - *since_us >= GONE_US;
}

static void take_over(struct replica *r, const struct replica_entry *e)
{
    struct err err = {0};

    r->gone_since_us[e->replica_id] = 0; /* if it fails, again after a while */
    if (replica_take_over(r->app, e->replica_id, e->name, &err) < 0)
        log_err(NULL, "what a replica has left could not be taken over yet", &err);
}

/* `start`: what a process before us has left is wanted at once. */
static int judge(struct replica *r, const struct list *all, int64_t now_us, bool start,
                 struct err *err)
{
    const struct replica_entry *entries = LIST_ITEMS(struct replica_entry, *all);
    int64_t alive = 0;
    bool registered = false;

    for (size_t i = 0; i < all->n; i++) {
        const struct replica_entry *e = &entries[i];

        alive += e->alive;
        if (e->replica_id < 0 || e->replica_id >= OUTBOX_OWNERS)
            continue;
        if (e->replica_id != replica_id(r)) {
            if (start ? !e->alive : is_gone(r, e, now_us))
                take_over(r, e);
            continue;
        }
        registered = true;
        if (!e->alive)
            poke_writer(r);
    }
    gauge_set(C_REPLICAS, alive);
    return registered ? 0 : give_up(r, err);
}

/* Hears all that was committed before, then looks who lives. */
static int look(struct replica *r, bool start, struct err *err)
{
    const int64_t now_us = env_mono_us(r->app->env);
    struct list all = {0};
    bool lost;

    arena_reset(r->arena);
    if (replica_list(r->db, r->arena, &all, err) < 0 ||
        db_hear(r->db, 0, heard, r, &lost, err) < 0 || (lost && everything_changed(r, err) < 0))
        return err_ret(err);
    atomic_store(&r->heard_us, now_us);
    return judge(r, &all, now_us, start, err);
}

/* -- the thread --------------------------------------------------------------------------------- */

/* Hears until the next look is due; false at the end. */
static bool hear_until(struct replica *r, int64_t end_us)
{
    struct err err = {0};
    int64_t left_us;

    while ((left_us = end_us - env_mono_us(r->app->env)) > 0) {
        struct pollfd fds[] = {
            {.fd = r->stop_fd,   .events = POLLIN},
            {.fd = db_fd(r->db), .events = POLLIN},
        };
        bool lost = false;

        (void)poll(fds, ARRAY_LEN(fds), (int)(left_us / 1000) + 1);
        if (fds[0].revents != 0)
            return false;
        if (fds[1].revents == 0)
            continue;
        /* a connection that is lost is seen by the look, which also finds what was missed */
        if (db_hear(r->db, 0, heard, r, &lost, &err) < 0 ||
            (lost && everything_changed(r, &err) < 0)) {
            struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};

            atomic_store(&r->heard_us, 0);
            return poll(&stop, 1, 100) == 0;
        }
    }
    return true;
}

static void *watch(void *arg)
{
    struct replica *r = arg;
    bool well = true;

    for (;;) {
        const int64_t now_us = env_mono_us(r->app->env);
        struct err err = {0};
        const bool seen = look(r, false, &err) == 0;

        if (!seen && well)
            log_err(NULL, "other replicas cannot be heard, nothing is cached until they are", &err);
        if (seen && !well)
            log_info(NULL, "other replicas are heard again");
        well = seen;
        if (!hear_until(r, now_us + LOOK_US))
            return NULL;
    }
}

int replica_start(struct app *app, struct err *err)
{
    struct replica *r = app->replica;
    struct db_cfg cfg = app->db;

    if (r == NULL)
        return 0;
    cfg.read_only = true;
    if (db_open(&cfg, &r->db, err) < 0 || db_listen(r->db, CHANNEL, err) < 0 ||
        everything_changed(r, err) < 0)
        return err_prefix(err, "replica");
    r->settled_us = 0;
    if (look(r, true, err) < 0)
        return err_prefix(err, "replica");
    log_info(NULL, "one replica of the connector", L_I64("replica", replica_id(r)),
             L_C("name", r->name));
    if (pthread_create(&r->thread, NULL, watch, r) != 0)
        return err_set(err, E_NO_MEMORY, "", "thread that hears other replicas");
    r->running = true;
    return 0;
}

void replica_stop(struct replica *r)
{
    if (r == NULL || !r->running)
        return;
    (void)!write(r->stop_fd, &(uint64_t){1}, sizeof(uint64_t));
    CHECK(pthread_join(r->thread, NULL) == 0);
    r->running = false;
    atomic_store(&r->heard_us, 0);
}

int replica_open(struct app *app, struct replica **ret_replica, struct err *err)
{
    AUTO(replica_close) struct replica *r = NULL;
    char host[NAME_MAX_ - 32] = "";

    if (app->db.kind != DB_PG)
        return 0;
    r = calloc(1, sizeof(*r));
    if (r == NULL || (r->arena = arena_new(MIB(1))) == NULL)
        return err_set(err, E_NO_MEMORY, "", "replica");
    r->app = app;
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->stop_fd < 0)
        return err_set(err, E_NO_MEMORY, "", "descriptor");
    (void)gethostname(host, sizeof(host) - 1); /* a name that is cut tells enough */
    (void)snprintf(r->name, sizeof(r->name), "%s/%ld", host, (long)getpid());
    *ret_replica = MOVE(r);
    return 0;
}

void replica_close(struct replica **replica)
{
    struct replica *r = MOVE(*replica);

    if (r == NULL)
        return;
    replica_stop(r);
    db_close(&r->db);
    arena_free(&r->arena);
    if (r->stop_fd >= 0)
        close(r->stop_fd);
    free(r);
}
