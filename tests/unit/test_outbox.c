/*
 * lib/sm/outbox.h on SQLite: order per stream, repetition, refusal, deadline, restart, and death between send and result.
 *
 * The test is the program: `send` hands the message to a list, and the test answers when it likes.
 */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/db/db_private.h"
#include "lib/sm/outbox.h"

#include "lib/base/banned.h"

#define WAIT_US (20 * US_PER_S)
#define SQL(sql)                                                                                   \
    {                                                                                              \
        [DB_SQLITE] = (sql)                                                                        \
    }

static const struct query_column msg_columns[] = {
    {"id",          DBT_I64 },
    {"stream",      DBT_TEXT},
    {"kind",        DBT_TEXT},
    {"url",         DBT_TEXT},
    {"audience",    DBT_TEXT},
    {"body",        DBT_TEXT},
    {"deadline_us", DBT_I64 },
    {"attempts",    DBT_I64 },
    {"due_us",      DBT_I64 },
};
static const struct query_column repeat_params[] = {
    {"id",       DBT_I64},
    {"attempts", DBT_I64},
    {"due_us",   DBT_I64}
};
static const struct query_column id_column[] = {
    {"id", DBT_I64}
};
static const struct query_column n_column[] = {
    {"n", DBT_I64}
};
static const struct query q_insert = {
    .name = "insert",
    .params = msg_columns,
    .n_params = 9,
    .text = SQL(
        "INSERT INTO outbox (id, stream, kind, url, audience, body, deadline_us, attempts, due_us)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
};
static const struct query q_delete = {
    .name = "delete",
    .text = SQL("DELETE FROM outbox WHERE id = $1"),
    .params = id_column,
    .n_params = 1,
};
static const struct query q_repeat = {
    .name = "repeat",
    .params = repeat_params,
    .n_params = 3,
    .text = SQL("UPDATE outbox SET attempts = $2, due_us = $3 WHERE id = $1"),
};
static const struct query q_pending = {
    .name = "pending",
    .columns = msg_columns,
    .n_columns = 9,
    .text = SQL(
        "SELECT id, stream, kind, url, audience, body, deadline_us, attempts, due_us FROM outbox ORDER BY id"),
};
static const struct query q_count = {
    .name = "count",
    .text = SQL("SELECT count(*) AS n FROM outbox"),
    .columns = n_column,
    .n_columns = 1,
};
static const struct query q_attempts = {
    .name = "attempts",
    .text = SQL("SELECT sum(attempts) AS n FROM outbox"),
    .columns = n_column,
    .n_columns = 1,
};
static const struct query q_drop = {
    .name = "drop",
    .text = SQL("DELETE FROM outbox WHERE stream = 's'"),
};

/* a table that several processes share */
static const struct query_column shared_columns[] = {
    {"id",          DBT_I64 },
    {"stream",      DBT_TEXT},
    {"kind",        DBT_TEXT},
    {"url",         DBT_TEXT},
    {"audience",    DBT_TEXT},
    {"body",        DBT_TEXT},
    {"deadline_us", DBT_I64 },
    {"attempts",    DBT_I64 },
    {"due_us",      DBT_I64 },
    {"owner",       DBT_I64 },
};
static const struct query_column place_columns[] = {
    {"id",     DBT_I64 },
    {"owner",  DBT_I64 },
    {"behind", DBT_BOOL}
};
static const struct query_column repeat_owner_params[] = {
    {"id",       DBT_I64},
    {"attempts", DBT_I64},
    {"due_us",   DBT_I64},
    {"owner",    DBT_I64}
};
static const struct query_column owner_param[] = {
    {"owner", DBT_I64}
};
static const struct query q_shared_insert = {
    .name = "shared insert",
    .params = shared_columns,
    .n_params = 10,
    .columns = place_columns,
    .n_columns = 3,
    .text = SQL(
        "INSERT INTO outbox SELECT CASE WHEN o.id >= $1 THEN (o.id / 1024 + 1) * 1024 + $10 ELSE $1 END,"
        " $2, $3, $4, $5, $6, $7, $8, $9, coalesce(o.owner, $10) FROM (SELECT 1) LEFT JOIN"
        " (SELECT id, owner FROM outbox WHERE stream = $2 ORDER BY id DESC LIMIT 1) AS o ON 1"
        " RETURNING id, owner, EXISTS (SELECT 1 FROM outbox AS b WHERE b.stream = outbox.stream"
        " AND b.id < outbox.id) AS behind"),
};
static const struct query q_shared_delete = {
    .name = "shared delete",
    .text = SQL("DELETE FROM outbox WHERE id = $1 AND owner = $2"),
    .params = place_columns,
    .n_params = 2,
};
static const struct query q_shared_repeat = {
    .name = "shared repeat",
    .params = repeat_owner_params,
    .n_params = 4,
    .text = SQL("UPDATE outbox SET attempts = $2, due_us = $3 WHERE id = $1 AND owner = $4"),
};
static const struct query q_shared_pending = {
    .name = "shared pending",
    .params = owner_param,
    .n_params = 1,
    .columns = shared_columns,
    .n_columns = 10,
    .text = SQL("SELECT id, stream, kind, url, audience, body, deadline_us, attempts, due_us, owner"
                " FROM outbox WHERE owner = $1 ORDER BY id"),
};
static const struct query q_give_away = {
    .name = "give away",
    .text = SQL("UPDATE outbox SET owner = 7"),
};

struct count {
    int64_t n;
};
static const struct field count_fields[] = {FIELD(struct count, n, "n", 0)};
static OBJECT(count_row, struct count, count_fields, CLOSED);

/* -- the program ---------------------------------------------------------------------------------------------------- */

#define MOST 4096

struct sent {
    const struct outbox_msg *msg;
    int64_t id, attempts, at_us;
    char stream[16];
};

struct end {
    int64_t id;
    enum outbox_result result;
    enum err_code code; /* on entry */
    char answer[32];
    bool has_answer;
};

static struct program {
    pthread_mutex_t lock; /* guards what follows */
    struct sent sent[MOST];
    int n_sent;
    struct end ends[MOST];
    int n_ends, n_after;
    int end_failures; /* so many calls of `ended` fail first */
    bool follow;      /* `ended` puts a further message */
    struct outbox_msg further;
    bool drop_in_after;
    enum outbox_result instant; /* with is_instant: answered within send */
    bool is_instant;
    int n_handed;
    int64_t handed_id, handed_to;
} app = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char folder[64], target[128];
static struct db_cfg cfg;
static struct db *db;
static struct writer *writer;
static struct outbox *outbox;
static struct arena *arena;

static void lock(void)
{
    (void)pthread_mutex_lock(&app.lock);
}

static void unlock(void)
{
    (void)pthread_mutex_unlock(&app.lock);
}

static void on_send(void *cls, const struct outbox_msg *msg)
{
    ck_assert_ptr_eq(cls, &app);
    lock();
    CHECK(app.n_sent < MOST);
    struct sent *s = &app.sent[app.n_sent++];
    *s = (struct sent){
        .msg = msg, .id = msg->id, .attempts = msg->attempts, .at_us = env_mono_us(&env_system)};
    (void)snprintf(s->stream, sizeof(s->stream), "%.*s", STR_ARG(msg->stream));
    bool instant = app.is_instant;
    unlock();
    if (instant)
        outbox_result(outbox, msg, app.instant, STR("at once"));
}

static int on_ended(struct db *tx, void *cls, const struct outbox_msg *msg,
                    enum outbox_result result, struct str answer, struct err *err)
{
    (void)cls;
    lock();
    struct end *e = &app.ends[app.n_ends];
    *e = (struct end){
        .id = msg->id, .result = result, .code = err->code, .has_answer = str_present(answer)};
    (void)snprintf(e->answer, sizeof(e->answer), "%.*s", STR_ARG(answer));
    bool fails = app.end_failures > 0;
    app.end_failures -= fails;
    app.n_ends += !fails;
    bool follow = app.follow;
    unlock();
    if (fails)
        return err_set(err, E_DB, "", "not now");
    return follow ? outbox_put(outbox, tx, &app.further, err) : 0;
}

static void on_after(void *cls, const struct outbox_msg *msg, enum outbox_result result)
{
    (void)cls;
    (void)result;
    lock();
    bool follow = app.follow, drop = app.drop_in_after;
    app.follow = false;
    unlock();
    if (follow)
        outbox_wake(outbox, &app.further);
    if (drop)
        outbox_drop_stream(outbox, msg->stream);
    lock();
    app.n_after++;
    unlock();
}

/* -- one database per test -------------------------------------------------------------------------------------------- */

static int make_table(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return tx->ops->script(
        tx, "table",
        "CREATE TABLE outbox (id bigint PRIMARY KEY, stream text, kind text, url text, audience text,"
        " body text, deadline_us bigint, attempts bigint, due_us bigint, owner bigint DEFAULT 0)",
        err);
}

static int on_hand(struct db *tx, void *cls, const struct outbox_msg *msg, struct err *err)
{
    (void)tx;
    (void)err;
    ck_assert_ptr_eq(cls, &app);
    lock();
    app.n_handed++;
    app.handed_id = msg->id;
    app.handed_to = msg->owner;
    unlock();
    return 0;
}

/* As one of several that share the table; 0: alone. */
static void open_outbox_as(int64_t owner)
{
    struct err err = {0};
    struct outbox_cfg o = {
        .env = &env_system,
        .writer = writer,
        .db = cfg,
        .app = &app,
        .send = on_send,
        .ended = on_ended,
        .after = on_after,
        .owner = owner,
        .hand = on_hand,
        .queries = {&q_insert, &q_delete, &q_repeat, &q_pending},
    };

    if (owner > 0)
        o.queries = (struct outbox_queries){&q_shared_insert, &q_shared_delete, &q_shared_repeat,
                                            &q_shared_pending};
    ck_assert_msg(outbox_open(&o, &outbox, &err) == 0, "%s", err.text);
}

static void open_outbox(void)
{
    open_outbox_as(0);
}

static void start_outbox(void)
{
    struct err err = {0};

    ck_assert_int_eq(outbox_start(outbox, &err), 0);
}

static void set_up(void)
{
    struct err err = {0};

    (void)snprintf(folder, sizeof(folder), "/tmp/naru-outbox-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(target, sizeof(target), "%s/o.db", folder);
    cfg = (struct db_cfg){.kind = DB_SQLITE, .target = target};
    ck_assert_msg(db_open(&cfg, &db, &err) == 0, "%s", err.text);
    ck_assert_int_eq(db_tx(db, "table", make_table, NULL, &err), 0);
    ck_assert_int_eq(writer_open(&cfg, &env_system, &writer, &err), 0);
    arena = arena_new(65536);
    open_outbox();
}

static void tear_down(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[160];

    outbox_close(&outbox, 0);
    writer_close(&writer);
    db_close(&db);
    arena_free(&arena);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", target, suffixes[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static int64_t number_of(const struct query *q)
{
    struct err err = {0};
    struct count out = {0};

    ck_assert_msg(db_one(db, q, DB_NO_ARGS, &count_row, arena, &out, &err) == DB_ROW, "%s",
                  err.text);
    return out.n;
}

static struct outbox_msg message(const char *stream, int64_t deadline_in_us)
{
    int64_t now_us = env_wall_us(&env_system);

    return (struct outbox_msg){.id = outbox_next_id(outbox),
                               .stream = str_c(stream),
                               .kind = STR("note"),
                               .url = STR("http://peer/x"),
                               .audience = STR("peer"),
                               .body = STR("{}"),
                               .deadline_us = now_us + deadline_in_us,
                               .due_us = now_us};
}

static int put_one(struct db *tx, void *arg, struct err *err)
{
    return outbox_put(outbox, tx, arg, err);
}

static void put(struct outbox_msg *msg)
{
    struct err err = {0};

    ck_assert_msg(writer_call(writer, "put", put_one, msg, &err) == 0, "%s", err.text);
}

static int64_t post(const char *stream)
{
    struct outbox_msg msg = message(stream, US_PER_H);

    put(&msg);
    outbox_wake(outbox, &msg);
    return msg.id;
}

/* Waits until *what is at least n. */
static void wait_for(const int *what, int n, const char *name)
{
    int64_t end_us = env_mono_us(&env_system) + WAIT_US;

    for (;;) {
        lock();
        int now = *what;
        unlock();
        if (now >= n)
            return;
        ck_assert_msg(env_mono_us(&env_system) < end_us, "%s: %d of %d", name, now, n);
        (void)usleep(200);
    }
}

static struct sent wait_sent(int n)
{
    wait_for(&app.n_sent, n, "sent");
    lock();
    struct sent s = app.sent[n - 1];
    unlock();
    return s;
}

static void answer(struct sent s, enum outbox_result result)
{
    outbox_result(outbox, s.msg, result, STR("yes"));
}

static int n_sent(void)
{
    lock();
    int n = app.n_sent;
    unlock();
    return n;
}

/* -- cases ---------------------------------------------------------------------------------------------------------------- */

START_TEST(test_nothing_before_start)
{
    set_up();
    int64_t id = post("s");
    ck_assert_int_eq(outbox_pending(outbox), 1);
    ck_assert_int_eq(n_sent(), 0);
    start_outbox();
    struct sent s = wait_sent(1);
    ck_assert_int_eq(s.id, id);
    ck_assert_str_eq(s.stream, "s");
    ck_assert(str_eq_c(s.msg->url, "http://peer/x") && str_eq_c(s.msg->audience, "peer"));
    ck_assert(str_eq_c(s.msg->body, "{}") && str_eq_c(s.msg->kind, "note"));
    answer(s, OUTBOX_SENT);
    wait_for(&app.n_after, 1, "after");
    ck_assert_int_eq(app.ends[0].id, id);
    ck_assert_int_eq(app.ends[0].result, OUTBOX_SENT);
    ck_assert_int_eq(app.ends[0].code, E_OK);
    ck_assert_str_eq(app.ends[0].answer, "yes");
    ck_assert_int_eq(number_of(&q_count), 0);
    tear_down();
}

END_TEST

START_TEST(test_order_per_stream)
{
    int64_t a[3], b;

    set_up();
    start_outbox();
    for (int i = 0; i < 3; i++)
        a[i] = post("a");
    b = post("b");
    ck_assert(a[0] < a[1] && a[1] < a[2] && a[2] < b);
    struct sent first = wait_sent(2); /* one of each stream, and no more */
    struct sent other = app.sent[0];
    if (first.id != a[0]) {
        struct sent x = first;
        first = other;
        other = x;
    }
    ck_assert_int_eq(first.id, a[0]);
    ck_assert_int_eq(other.id, b);
    answer(other, OUTBOX_SENT);
    wait_for(&app.n_after, 1, "after");
    ck_assert_int_eq(n_sent(), 2); /* stream a still waits for its answer */
    answer(first, OUTBOX_SENT);
    first = wait_sent(3);
    ck_assert_int_eq(first.id, a[1]);
    answer(first, OUTBOX_SENT);
    first = wait_sent(4);
    ck_assert_int_eq(first.id, a[2]);
    answer(first, OUTBOX_SENT);
    wait_for(&app.n_after, 4, "after");
    ck_assert_int_eq(number_of(&q_count), 0);
    ck_assert_int_eq(outbox_pending(outbox), 0);
    tear_down();
}

END_TEST

/* What was woken later but has the lower id goes first. */
START_TEST(test_order_is_by_id)
{
    set_up();
    struct outbox_msg first = message("s", US_PER_H), second = message("s", US_PER_H);
    put(&first);
    put(&second);
    outbox_wake(outbox, &second);
    outbox_wake(outbox, &first);
    start_outbox();
    struct sent s = wait_sent(1);
    ck_assert_int_eq(s.id, first.id);
    answer(s, OUTBOX_SENT);
    ck_assert_int_eq(wait_sent(2).id, second.id);
    tear_down();
}

END_TEST

START_TEST(test_repeated_with_back_off)
{
    set_up();
    start_outbox();
    int64_t id = post("s");
    struct sent before = wait_sent(1);
    for (int i = 1; i <= 4; i++) {
        answer(before, i % 2 != 0 ? OUTBOX_AGAIN : OUTBOX_NOT_YET);
        struct sent now = wait_sent(i + 1);
        int64_t least_us = (10000 << (i - 1)) * 3 / 4;
        ck_assert_int_eq(now.id, id);
        ck_assert_int_eq(now.attempts, i);
        ck_assert_msg(now.at_us - before.at_us >= least_us, "attempt %d after %" PRId64 " us", i,
                      now.at_us - before.at_us);
        before = now;
    }
    int64_t end_us = env_mono_us(&env_system) + WAIT_US;
    while (number_of(&q_attempts) < 4 && env_mono_us(&env_system) < end_us)
        (void)usleep(500);
    ck_assert_int_eq(number_of(&q_attempts), 4);
    ck_assert_int_eq(app.n_ends, 0);
    answer(before, OUTBOX_SENT);
    wait_for(&app.n_after, 1, "after");
    ck_assert_int_eq(number_of(&q_count), 0);
    tear_down();
}

END_TEST

START_TEST(test_refused_holds_the_stream)
{
    set_up();
    start_outbox();
    int64_t first = post("s"), second = post("s");
    lock();
    app.end_failures = 2; /* the refusal cannot be recorded at once */
    unlock();
    answer(wait_sent(1), OUTBOX_REFUSED);
    struct sent s = wait_sent(2);
    ck_assert_int_eq(s.id, second);
    ck_assert_int_eq(app.n_after, 1);
    ck_assert_int_eq(app.n_ends, 1);
    ck_assert_int_eq(app.ends[0].id, first);
    ck_assert_int_eq(app.ends[0].result, OUTBOX_REFUSED);
    ck_assert_int_eq(number_of(&q_count), 1);
    tear_down();
}

END_TEST

START_TEST(test_refused_drops_the_stream)
{
    struct err err = {0};

    set_up();
    app.drop_in_after = true;
    start_outbox();
    (void)post("s");
    (void)post("s");
    answer(wait_sent(1), OUTBOX_REFUSED);
    wait_for(&app.n_after, 1, "after");
    ck_assert_int_eq(db_exec(db, &q_drop, DB_NO_ARGS, NULL, &err), 0);
    int64_t other = post("t");
    ck_assert_int_eq(wait_sent(2).id, other);
    ck_assert_int_eq(outbox_pending(outbox), 1);
    tear_down();
}

END_TEST

START_TEST(test_dropped_in_flight_is_not_repeated)
{
    set_up();
    start_outbox();
    (void)post("s");
    struct sent s = wait_sent(1);
    outbox_drop_stream(outbox, STR("s"));
    outbox_drop_stream(outbox, STR("never there"));
    answer(s, OUTBOX_AGAIN);
    ck_assert_int_eq(outbox_pending(outbox), 0);
    int64_t other = post("s");
    ck_assert_int_eq(wait_sent(2).id, other);
    tear_down();
}

END_TEST

START_TEST(test_deadline)
{
    set_up();
    start_outbox();
    struct outbox_msg late = message("s", -1);
    put(&late);
    outbox_wake(outbox, &late);
    wait_for(&app.n_after, 1, "after");
    ck_assert_int_eq(n_sent(), 0);
    ck_assert_int_eq(app.ends[0].result, OUTBOX_REFUSED);
    ck_assert_int_eq(app.ends[0].code, E_PEER_TIMEOUT);
    ck_assert(!app.ends[0].has_answer);
    ck_assert_int_eq(number_of(&q_count), 0);
    /* the deadline comes while the message is being repeated: no later than that it is given up */
    struct outbox_msg soon = message("s", 100000);
    put(&soon);
    app.is_instant = true;
    app.instant = OUTBOX_AGAIN;
    outbox_wake(outbox, &soon);
    wait_for(&app.n_after, 2, "after");
    ck_assert_int_gt(n_sent(), 1);
    ck_assert_int_eq(app.ends[1].code, E_PEER_TIMEOUT);
    ck_assert_int_eq(number_of(&q_count), 0);
    ck_assert_int_eq(outbox_pending(outbox), 0);
    tear_down();
}

END_TEST

START_TEST(test_end_is_recorded_again_but_not_sent)
{
    set_up();
    start_outbox();
    (void)post("s");
    lock();
    app.end_failures = 3;
    unlock();
    answer(wait_sent(1), OUTBOX_SENT);
    wait_for(&app.n_after, 1, "after");
    ck_assert_int_eq(n_sent(), 1);
    ck_assert_int_eq(app.n_ends, 1);
    ck_assert_int_eq(number_of(&q_count), 0);
    tear_down();
}

END_TEST

START_TEST(test_end_puts_the_next)
{
    set_up();
    start_outbox();
    int64_t first = post("s");
    app.further = message("s", US_PER_H);
    lock();
    app.follow = true;
    unlock();
    answer(wait_sent(1), OUTBOX_SENT);
    struct sent s = wait_sent(2);
    ck_assert_int_ne(s.id, first);
    ck_assert_int_eq(s.id, app.further.id);
    answer(s, OUTBOX_SENT);
    wait_for(&app.n_after, 2, "after");
    ck_assert_int_eq(number_of(&q_count), 0);
    tear_down();
}

END_TEST

START_TEST(test_restart_sends_what_is_left)
{
    struct outbox_msg msgs[3];

    set_up();
    for (int i = 0; i < 3; i++) {
        msgs[i] = message("s", US_PER_H);
        msgs[i].attempts = i;
        put(&msgs[i]); /* committed, then the program died before outbox_wake */
    }
    outbox_close(&outbox, 0);
    ck_assert_ptr_null(outbox);
    open_outbox();
    ck_assert_int_eq(outbox_pending(outbox), 3);
    ck_assert_int_gt(outbox_next_id(outbox), msgs[2].id);
    start_outbox();
    for (int i = 0; i < 3; i++) {
        struct sent s = wait_sent(i + 1);
        ck_assert_int_eq(s.id, msgs[i].id);
        ck_assert_int_eq(s.attempts, i);
        answer(s, OUTBOX_SENT);
    }
    wait_for(&app.n_after, 3, "after");
    ck_assert_int_eq(number_of(&q_count), 0);
    tear_down();
}

END_TEST

START_TEST(test_end_between_send_and_result)
{
    set_up();
    start_outbox();
    int64_t id = post("s");
    (void)post("s");
    struct sent s = wait_sent(1);
    outbox_close(&outbox, 1000); /* the grace passes */
    open_outbox();
    start_outbox();
    struct sent again = wait_sent(2);
    ck_assert_int_eq(again.id, id);
    outbox_result(NULL, s.msg, OUTBOX_SENT,
                  STR("too late")); /* the first one's answer: taken and forgotten */
    ck_assert_int_eq(app.n_ends, 0);
    answer(again, OUTBOX_SENT);
    wait_for(&app.n_after, 1, "after");
    ck_assert_int_eq(number_of(&q_count), 1);
    tear_down();
}

END_TEST

static void *answer_later(void *arg)
{
    struct sent *s = arg;

    (void)usleep(20000);
    outbox_result(NULL, s->msg, OUTBOX_SENT, STR("in time"));
    return NULL;
}

START_TEST(test_close_waits_for_results)
{
    pthread_t thread;

    set_up();
    start_outbox();
    (void)post("s");
    struct sent s = wait_sent(1);
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_later, &s), 0);
    outbox_close(&outbox, WAIT_US);
    ck_assert_int_eq(app.n_after, 1);
    ck_assert_int_eq(number_of(&q_count), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    struct outbox_msg none = {.stream = STR("s")};
    outbox_wake(outbox, &none); /* closed: harmless */
    ck_assert_int_eq(outbox_pending(outbox), 0);
    tear_down();
}

END_TEST

START_TEST(test_answered_within_send)
{
    set_up();
    app.is_instant = true;
    app.instant = OUTBOX_SENT;
    start_outbox();
    for (int i = 0; i < 20; i++)
        (void)post(i % 2 != 0 ? "a" : "b");
    wait_for(&app.n_after, 20, "after");
    ck_assert_int_eq(number_of(&q_count), 0);
    tear_down();
}

END_TEST

START_TEST(test_ids_ascend)
{
    int64_t last = 0;

    set_up();
    for (int i = 0; i < 1000; i++) {
        int64_t id = outbox_next_id(outbox);
        ck_assert_int_gt(id, last);
        last = id;
    }
    tear_down();
}

END_TEST

/* -- a table that is shared ---------------------------------------------------------------------------------------------- */

static void set_up_as(int64_t owner)
{
    set_up();
    outbox_close(&outbox, 0);
    open_outbox_as(owner);
    start_outbox();
}

static void give_away(void)
{
    struct err err = {0};

    ck_assert_msg(db_exec(db, &q_give_away, DB_NO_ARGS, NULL, &err) == 0, "%s", err.text);
}

static void wait_none_pending(void)
{
    const int64_t end_us = env_mono_us(&env_system) + WAIT_US;

    while (outbox_pending(outbox) > 0) {
        ck_assert(env_mono_us(&env_system) < end_us);
        (void)usleep(500);
    }
}

/* What stands behind another message is told to its sender, even by himself. */
START_TEST(test_shared_own_messages)
{
    set_up_as(3);
    struct outbox_msg first = message("s", US_PER_H), second = message("s", US_PER_H);

    put(&first);
    put(&second);
    ck_assert_int_eq(first.id % OUTBOX_OWNERS, 3);
    ck_assert(!first.handed && second.handed);
    ck_assert_int_eq(app.n_handed, 1);
    ck_assert_int_eq(app.handed_id, second.id);
    ck_assert_int_eq(app.handed_to, 3);
    outbox_wake(outbox, &second);
    ck_assert_int_eq(outbox_pending(outbox), 0);
    second.handed = false; /* read from its row */
    outbox_wake(outbox, &first);
    outbox_wake(outbox, &second);
    for (int i = 1; i <= 2; i++) {
        struct sent s = wait_sent(i);
        ck_assert_int_eq(s.id, i == 1 ? first.id : second.id);
        answer(s, OUTBOX_SENT);
    }
    wait_for(&app.n_after, 2, "after");
    ck_assert_int_eq(number_of(&q_count), 0);
    tear_down();
}

END_TEST

/* Whoever has what waits of a stream gets what is added to it, behind that, whatever the clocks say. */
START_TEST(test_shared_stream_of_another)
{
    set_up_as(3);
    struct outbox_msg theirs = message("s", US_PER_H), ours, other;

    theirs.id += INT64_C(1) << 40; /* a clock that is ahead */
    put(&theirs);
    give_away();
    ours = message("s", US_PER_H);
    put(&ours);
    outbox_wake(outbox, &ours);
    ck_assert_int_eq(ours.owner, 7);
    ck_assert_int_gt(ours.id, theirs.id);
    ck_assert_int_eq(app.n_handed, 1);
    ck_assert_int_eq(app.handed_id, ours.id);
    ck_assert_int_eq(app.handed_to, 7);
    other = message("t", US_PER_H);
    ck_assert_int_gt(other.id, ours.id);
    put(&other);
    outbox_wake(outbox, &other);
    ck_assert_int_eq(wait_sent(1).id, other.id);
    ck_assert_int_eq(outbox_pending(outbox), 1);
    tear_down();
}

END_TEST

START_TEST(test_shared_row_of_another_ends_without_effect)
{
    set_up_as(3);
    (void)post("s");
    struct sent s = wait_sent(1);
    give_away();
    answer(s, OUTBOX_REFUSED);
    wait_none_pending();
    int64_t next = post("t");
    s = wait_sent(2);
    ck_assert_int_eq(s.id, next);
    answer(s, OUTBOX_SENT);
    wait_for(&app.n_after, 1, "after");
    ck_assert_int_eq(app.n_ends, 1);
    ck_assert_int_eq(app.ends[0].id, next);
    ck_assert_int_eq(number_of(&q_count), 1); /* theirs */
    tear_down();
}

END_TEST

START_TEST(test_shared_row_of_another_is_not_repeated)
{
    set_up_as(3);
    app.is_instant = true;
    app.instant = OUTBOX_AGAIN;
    (void)post("s");
    (void)wait_sent(2);
    give_away();
    wait_none_pending();
    ck_assert_int_eq(app.n_ends, 0);
    ck_assert_int_eq(number_of(&q_count), 1);
    tear_down();
}

END_TEST

START_TEST(test_shared_woken_twice)
{
    set_up_as(3);
    struct outbox_msg msg = message("s", US_PER_H);
    put(&msg);
    outbox_wake(outbox, &msg);
    outbox_wake(outbox, &msg);
    struct sent s = wait_sent(1);
    outbox_wake(outbox, &msg); /* while it is in flight */
    ck_assert_int_eq(outbox_pending(outbox), 1);
    answer(s, OUTBOX_SENT);
    wait_for(&app.n_after, 1, "after");
    wait_none_pending();
    ck_assert_int_eq(n_sent(), 1);
    tear_down();
}

END_TEST

START_TEST(test_shared_start_takes_its_own)
{
    set_up_as(3);
    struct outbox_msg theirs = message("a", US_PER_H), ours = message("b", US_PER_H);
    put(&theirs);
    give_away();
    put(&ours);
    outbox_close(&outbox, 0);
    open_outbox_as(3);
    ck_assert_int_eq(outbox_pending(outbox), 1);
    start_outbox();
    ck_assert_int_eq(wait_sent(1).id, ours.id);
    tear_down();
}

END_TEST

/* -- many at once --------------------------------------------------------------------------------------------------------- */

#define N_THREADS 4
#define N_EACH    150

static atomic_int stop;

static void *post_many(void *arg)
{
    int t = *(const int *)arg;

    for (int i = 0; i < N_EACH; i++) {
        char stream[16];
        (void)snprintf(stream, sizeof(stream), "t%d-%d", t, i % 5);
        (void)post(stream);
    }
    return NULL;
}

/* Answers in turn, some of them first with a wish to have them again. */
static void *answer_all(void *arg)
{
    int done = 0;

    (void)arg;
    while (atomic_load(&stop) == 0) {
        if (n_sent() <= done) {
            (void)usleep(100);
            continue;
        }
        lock();
        struct sent s = app.sent[done];
        unlock();
        answer(s, done % 3 == 0 && s.attempts < 2 ? OUTBOX_AGAIN : OUTBOX_SENT);
        done++;
    }
    return NULL;
}

START_TEST(test_many)
{
    pthread_t threads[N_THREADS], answerer;
    int numbers[N_THREADS];

    set_up();
    start_outbox();
    ck_assert_int_eq(pthread_create(&answerer, NULL, answer_all, NULL), 0);
    for (int i = 0; i < N_THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, &numbers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    wait_for(&app.n_after, N_THREADS * N_EACH, "after");
    atomic_store(&stop, 1);
    ck_assert_int_eq(pthread_join(answerer, NULL), 0);
    ck_assert_int_eq(app.n_ends, N_THREADS * N_EACH);
    ck_assert_int_eq(number_of(&q_count), 0);
    ck_assert_int_eq(outbox_pending(outbox), 0);
    for (int i = 0; i < app.n_sent;
         i++) /* never an earlier message of a stream after a later one */
        for (int j = i + 1; j < app.n_sent; j++)
            ck_assert_msg(strcmp(app.sent[i].stream, app.sent[j].stream) != 0 ||
                              app.sent[i].id <= app.sent[j].id,
                          "stream %s", app.sent[i].stream);
    tear_down();
}

END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        test_nothing_before_start,
        test_order_per_stream,
        test_order_is_by_id,
        test_repeated_with_back_off,
        test_refused_holds_the_stream,
        test_refused_drops_the_stream,
        test_dropped_in_flight_is_not_repeated,
        test_deadline,
        test_end_is_recorded_again_but_not_sent,
        test_end_puts_the_next,
        test_restart_sends_what_is_left,
        test_end_between_send_and_result,
        test_close_waits_for_results,
        test_answered_within_send,
        test_ids_ascend,
        test_many,
    };
    Suite *s = suite_create("outbox");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    tcase_add_test(tc, test_shared_own_messages);
    tcase_add_test(tc, test_shared_stream_of_another);
    tcase_add_test(tc, test_shared_row_of_another_ends_without_effect);
    tcase_add_test(tc, test_shared_row_of_another_is_not_repeated);
    tcase_add_test(tc, test_shared_woken_twice);
    tcase_add_test(tc, test_shared_start_takes_its_own);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
