/*
 * lib/db/writer.h on both engines: every operation ends once, a failing one is undone alone, batches share a commit.
 */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "help_pg.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/db/db_private.h"
#include "lib/db/writer.h"
#include "lib/log/counters.h"

#include "lib/base/banned.h"

#define BOTH(sql)                                                                                  \
    {                                                                                              \
        [DB_SQLITE] = (sql), [DB_PG] = (sql)                                                       \
    }
#define WAIT_US (20 * US_PER_S)

static struct pg_server server; /* the test program's own */

static const struct query_column n_column[] = {
    {"n", DBT_I64}
};
static const struct query q_add = {
    .name = "add",
    .text = BOTH("INSERT INTO number (n) VALUES ($1)"),
    .params = n_column,
    .n_params = 1,
};
static const struct query q_count = {
    .name = "count",
    .text = BOTH("SELECT count(*) AS n FROM number"),
    .columns = n_column,
    .n_columns = 1,
};
static const struct query q_orphan = {
    .name = "orphan",
    .text = BOTH("INSERT INTO child (n) VALUES ($1)"),
    .params = n_column,
    .n_params = 1,
};
static const struct query q_pid = {
    .name = "pid",
    .text = {[DB_PG] = "SELECT CAST(pg_backend_pid() AS bigint) AS n"},
    .columns = n_column,
    .n_columns = 1,
};
static const struct query q_end = {
    .name = "end",
    .text = {[DB_PG] = "SELECT count(*) AS n FROM pg_terminate_backend($1::int, 5000)"},
    .params = n_column,
    .n_params = 1,
    .columns = n_column,
    .n_columns = 1,
};

struct count {
    int64_t n;
};
static const struct field count_fields[] = {FIELD(struct count, n, "n", 0)};
static OBJECT(count_row, struct count, count_fields, CLOSED);

static char folder[64], target[128];
static struct db *db; /* the test's own connection */
static struct writer *writer;
static struct arena *arena;
static atomic_int n_done;

static int make_tables(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return tx->ops->script(
        tx, "tables",
        "DROP TABLE IF EXISTS child; DROP TABLE IF EXISTS number;"
        "CREATE TABLE number (n bigint PRIMARY KEY CONSTRAINT number_natural CHECK (n >= 0));"
        "CREATE TABLE child (n bigint REFERENCES number DEFERRABLE INITIALLY DEFERRED);",
        err);
}

static bool set_up(enum db_kind kind)
{
    struct err err = {0};

    if (kind == DB_PG && server.target[0] == '\0')
        return false;
    (void)snprintf(folder, sizeof(folder), "/tmp/naru-writer-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(target, sizeof(target), "%s/w.db", folder);
    struct db_cfg cfg = {.kind = kind, .target = kind == DB_PG ? server.target : target};
    ck_assert_msg(db_open(&cfg, &db, &err) == 0, "%s", err.text);
    ck_assert_msg(db_tx(db, "tables", make_tables, NULL, &err) == 0, "%s", err.text);
    ck_assert_msg(writer_open(&cfg, &env_system, &writer, &err) == 0, "%s", err.text);
    arena = arena_new(65536);
    atomic_store(&n_done, 0);
    return true;
}

static void tear_down(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[160];

    writer_close(&writer);
    ck_assert_ptr_null(writer);
    db_close(&db);
    arena_free(&arena);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", target, suffixes[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static int64_t count_rows(void)
{
    struct err err = {0};
    struct count out = {-1};

    ck_assert_msg(db_one(db, &q_count, DB_NO_ARGS, &count_row, arena, &out, &err) == DB_ROW, "%s",
                  err.text);
    return out.n;
}

struct job {
    struct writer_op op;
    int64_t n;
    bool refuse;        /* after its write */
    bool orphan;        /* fails at the commit */
    enum err_code code; /* result */
    atomic_int done, runs;
    const char *at;
    char at_text[160];
};

static int run_job(struct db *tx, void *arg, struct err *err)
{
    struct job *job = arg;

    atomic_fetch_add(&job->runs, 1);
    if (db_exec(tx, job->orphan ? &q_orphan : &q_add, DB_ARGS(DB_I64(job->n)), NULL, err) < 0)
        return err_ret(err);
    return job->refuse ? err_set(err, E_CONFLICT, "", "refused on purpose") : 0;
}

static void job_done(void *arg, const struct err *err)
{
    struct job *job = arg;

    job->code = err->code;
    (void)snprintf(job->at_text, sizeof(job->at_text), "%s", err->at);
    atomic_fetch_add(&job->done, 1);
    atomic_fetch_add(&n_done, 1);
}

static void prepare(struct job *job, int64_t n)
{
    *job = (struct job){.n = n};
    job->op = (struct writer_op){.name = "job", .fn = run_job, .arg = job, .done = job_done};
}

static void submit(struct job *job)
{
    struct err err = {0};

    ck_assert_msg(writer_submit(writer, &job->op, &err) == 0, "%s", err.text);
}

static void wait_done(int n)
{
    int64_t end_us = env_mono_us(&env_system) + WAIT_US;

    while (atomic_load(&n_done) < n) {
        ck_assert_msg(env_mono_us(&env_system) < end_us, "%d of %d done", atomic_load(&n_done), n);
        (void)usleep(200);
    }
}

/* -- gate: holds the writer inside an operation ---------------------------------------------------------------------- */

struct gate {
    struct writer_op op;
    atomic_bool inside, open;
};

static int hold(struct db *tx, void *arg, struct err *err)
{
    struct gate *gate = arg;

    (void)tx;
    (void)err;
    atomic_store(&gate->inside, true);
    while (!atomic_load(&gate->open))
        (void)usleep(100);
    return 0;
}

static void close_gate(struct gate *gate)
{
    struct err err = {0};

    *gate = (struct gate){
        .op = {.name = "gate", .fn = hold, .arg = gate}
    };
    ck_assert_int_eq(writer_submit(writer, &gate->op, &err), 0);
    while (!atomic_load(&gate->inside))
        (void)usleep(100);
}

/* -- cases --------------------------------------------------------------------------------------------------------------- */

#define N_THREADS 8
#define N_EACH    1000

static struct job many[N_THREADS * N_EACH];

static void *submit_many(void *arg)
{
    struct job *jobs = arg;

    for (int i = 0; i < N_EACH; i++)
        submit(&jobs[i]);
    return NULL;
}

static void many_threads(void)
{
    pthread_t threads[N_THREADS];
    int64_t refused = 0, commits = counter_get(C_DB_COMMITS);

    for (int i = 0; i < N_THREADS * N_EACH; i++) {
        prepare(&many[i], i);
        many[i].refuse = i % 7 == 0;
        many[i].op.lazy = i % 5 == 0;
        refused += many[i].refuse;
    }
    for (int t = 0; t < N_THREADS; t++)
        ck_assert_int_eq(
            pthread_create(&threads[t], NULL, submit_many, &many[(ptrdiff_t)t * N_EACH]), 0);
    for (int t = 0; t < N_THREADS; t++)
        ck_assert_int_eq(pthread_join(threads[t], NULL), 0);
    wait_done(N_THREADS * N_EACH);
    for (int i = 0; i < N_THREADS * N_EACH; i++) {
        ck_assert_msg(atomic_load(&many[i].done) == 1, "job %d done %d times", i,
                      atomic_load(&many[i].done));
        ck_assert_int_eq(many[i].code, many[i].refuse ? E_CONFLICT : E_OK);
    }
    ck_assert_int_eq(count_rows(), N_THREADS * N_EACH - refused);
    ck_assert_int_lt(counter_get(C_DB_COMMITS) - commits, N_THREADS * N_EACH / 4);
    ck_assert_int_eq(counter_get(C_DB_QUEUE), 0);
    ck_assert_int_eq(writer_lag_us(writer), 0);
}

/* The first time the batch runs without savepoints up to the failure, or on PostgreSQL up to where it is heard of; then it
 * is known better. */
static void fail_two(bool known)
{
    const int64_t base = known ? 10 : 0;

    const struct {
        int64_t n;
        enum err_code code;
        int runs;
    } wanted[] = {
        {base + 1, E_OK,            known ? 1 : 2},
        {-1,       E_DB_CONSTRAINT, known ? 1 : 2},
        {base + 1, E_DB_CONSTRAINT, 1            },
        {base + 2, E_OK,            1            },
        {base + 3, E_OK,            1            }
    };
    struct job jobs[ARRAY_LEN(wanted)];
    const int64_t rows = count_rows();
    struct gate gate;
    int64_t commits;

    close_gate(&gate);
    commits = counter_get(C_DB_COMMITS);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        prepare(&jobs[i], wanted[i].n);
        submit(&jobs[i]);
    }
    ck_assert_int_gt(writer_lag_us(writer), 0);
    atomic_store(&gate.open, true);
    wait_done(ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        ck_assert_int_eq(jobs[i].code, wanted[i].code);
        ck_assert_int_ge(atomic_load(&jobs[i].runs), wanted[i].runs);
        ck_assert_int_le(atomic_load(&jobs[i].runs),
                         db_kind(db) == DB_PG && !known ? 2 : wanted[i].runs);
    }
    ck_assert_str_eq(jobs[1].at_text, "number_natural");
    ck_assert_int_eq(count_rows() - rows, 3);
    ck_assert_int_eq(counter_get(C_DB_COMMITS) - commits, 2); /* the gate's and ours */
}

static void failures_are_undone_alone(void)
{
    fail_two(false);
    atomic_store(&n_done, 0);
    fail_two(true);
}

static void failing_commit(void)
{
    struct job jobs[4];
    struct gate gate;

    close_gate(&gate);
    for (int i = 0; i < 4; i++) {
        prepare(&jobs[i], i == 2 ? 99 : i);
        jobs[i].orphan = i == 2;
        submit(&jobs[i]);
    }
    atomic_store(&gate.open, true);
    wait_done(4);
    for (int i = 0; i < 4; i++) {
        ck_assert_msg(jobs[i].code == (i == 2 ? E_DB_CONSTRAINT : E_OK), "job %d", i);
        ck_assert_int_eq(atomic_load(&jobs[i].runs), 3); /* together, together again, alone */
        ck_assert_int_eq(atomic_load(&jobs[i].done), 1);
    }
    ck_assert_int_eq(count_rows(), 3);
}

static void lazy_ones_ride(void)
{
    struct job jobs[3];
    int64_t commits = counter_get(C_DB_COMMITS);

    for (int i = 0; i < 3; i++) {
        prepare(&jobs[i], i);
        jobs[i].op.lazy = i < 2;
    }
    submit(&jobs[0]);
    submit(&jobs[2]);
    wait_done(2);
    ck_assert_int_eq(counter_get(C_DB_COMMITS) - commits, 1);
    submit(&jobs[1]); /* nobody comes: it goes by itself */
    wait_done(3);
    ck_assert_int_eq(counter_get(C_DB_COMMITS) - commits, 2);
    ck_assert_int_eq(count_rows(), 3);
}

static void queue_is_bounded(void)
{
    struct gate gate;
    struct err err = {0};
    static struct job jobs[LIMIT_WRITER_QUEUE + 1];

    close_gate(&gate);
    for (int i = 0; i < LIMIT_WRITER_QUEUE; i++) {
        prepare(&jobs[i], i);
        submit(&jobs[i]);
    }
    prepare(&jobs[LIMIT_WRITER_QUEUE], LIMIT_WRITER_QUEUE);
    ck_assert_int_eq(writer_submit(writer, &jobs[LIMIT_WRITER_QUEUE].op, &err), -E_BUSY);
    ck_assert_int_eq(err_http(err.code), 503);
    atomic_store(&gate.open, true);
    wait_done(LIMIT_WRITER_QUEUE);
    ck_assert_int_eq(count_rows(), LIMIT_WRITER_QUEUE);
    ck_assert_int_eq(atomic_load(&jobs[LIMIT_WRITER_QUEUE].done), 0);
}

static int close_now(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    return err_set(err, E_PEER_STATE, "/state", "not now");
}

static void calls(void)
{
    struct err err = {0};
    struct job job;

    prepare(&job, 5);
    ck_assert_int_eq(writer_call(writer, "call", run_job, &job, &err), 0);
    ck_assert_int_eq(count_rows(), 1);
    ck_assert_int_eq(writer_call(writer, "call", close_now, NULL, &err), -E_PEER_STATE);
    ck_assert_str_eq(err.at, "/state");
    ck_assert_str_eq(err.text, "call: not now");
}

static void closing_finishes_the_queue(void)
{
    static struct job jobs[500];
    struct gate gate;

    close_gate(&gate);
    for (int i = 0; i < 500; i++) {
        prepare(&jobs[i], i);
        jobs[i].op.lazy = true;
        submit(&jobs[i]);
    }
    atomic_store(&gate.open, true);
    writer_close(&writer);
    ck_assert_int_eq(atomic_load(&n_done), 500);
    ck_assert_int_eq(count_rows(), 500);
}

struct again {
    struct writer_op op;
    atomic_int code;
    atomic_int rounds;
};

static int nothing(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

static void submit_again(void *arg, const struct err *before)
{
    struct again *again = arg;
    struct err err = {0};

    (void)before;
    atomic_fetch_add(&again->rounds, 1);
    if (writer_submit(writer, &again->op, &err) < 0)
        atomic_store(&again->code, (int)err.code);
}

static void nothing_after_the_end(void)
{
    struct again again = {
        .op = {.name = "again", .fn = nothing, .arg = &again, .done = submit_again}
    };
    struct err err = {0};
    struct writer *same = writer;

    ck_assert_int_eq(writer_submit(same, &again.op, &err), 0);
    while (atomic_load(&again.rounds) < 3)
        (void)usleep(100);
    writer_close(&same);
    writer = NULL;
    ck_assert_int_eq(atomic_load(&again.code), E_SHUTDOWN);
}

/* clang-format off */
static const struct { const char *name; void (*fn)(void); } cases[] = {
    {"many threads", many_threads},
    {"failures are undone alone", failures_are_undone_alone},
    {"failing commit", failing_commit},
    {"lazy ones ride", lazy_ones_ride},
    {"queue is bounded", queue_is_bounded},
    {"calls", calls},
    {"closing finishes the queue", closing_finishes_the_queue},
    {"nothing after the end", nothing_after_the_end},
};

/* clang-format on */

START_TEST(test_sqlite)
{
    ck_assert(set_up(DB_SQLITE));
    cases[_i].fn();
    tear_down();
}

END_TEST

START_TEST(test_pg)
{
    if (!set_up(DB_PG))
        return;
    cases[_i].fn();
    tear_down();
}

END_TEST

/* -- what is answered has been kept: the program is killed while it writes ------------------------------------------------ */

static int report_fd;

static void report_done(void *arg, const struct err *err)
{
    const struct job *job = arg;

    if (err->code == E_OK && write(report_fd, &job->n, sizeof(job->n)) != sizeof(job->n))
        _exit(1);
    atomic_fetch_add(&n_done, 1);
}

/* Writes until it is killed; tells the number of each operation that was answered. */
static void write_for_ever(const struct db_cfg *cfg, int fd)
{
    static struct job jobs[64];
    struct err err = {0};
    int64_t n = 0;

    report_fd = fd;
    if (writer_open(cfg, &env_system, &writer, &err) < 0)
        _exit(1);
    for (;;) {
        atomic_store(&n_done, 0);
        for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
            prepare(&jobs[i], n++);
            jobs[i].op.done = report_done;
            if (writer_submit(writer, &jobs[i].op, &err) < 0)
                _exit(1);
        }
        while (atomic_load(&n_done) < (int)ARRAY_LEN(jobs))
            (void)usleep(50);
    }
}

static void killed_while_writing(void)
{
    struct db_cfg cfg = {.kind = db_kind(db),
                         .target = db_kind(db) == DB_PG ? server.target : target};
    int fds[2];
    int64_t n, answered = 0;

    writer_close(&writer);
    db_close(&db);
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        write_for_ever(&cfg, fds[1]);
    (void)close(fds[1]);
    while (answered < 1000 && read(fds[0], &n, sizeof(n)) == sizeof(n))
        answered++;
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    while (read(fds[0], &n, sizeof(n)) == sizeof(n))
        answered++;
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    (void)close(fds[0]);
    ck_assert_int_ge(answered, 1000);
    struct err err = {0};
    ck_assert_msg(db_open(&cfg, &db, &err) == 0, "%s", err.text);
    /* numbers ascend, so as many rows as answers means that each answered one is there */
    ck_assert_int_ge(count_rows(), answered);
}

START_TEST(test_killed)
{
    if (!set_up(_i == 0 ? DB_SQLITE : DB_PG))
        return;
    killed_while_writing();
    tear_down();
}

END_TEST

/* -- SQLite only ----------------------------------------------------------------------------------------------------------- */

static const struct query_column blob_column[] = {
    {"body", DBT_BYTES}
};
static const struct query q_big = {
    .name = "big",
    .text = {[DB_SQLITE] = "CREATE TABLE IF NOT EXISTS big (body blob)"},
};
static const struct query q_big_add = {
    .name = "big_add",
    .text = {[DB_SQLITE] = "INSERT INTO big (body) VALUES ($1)"},
    .params = blob_column,
    .n_params = 1,
};

static int limit_size(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return tx->ops->script(tx, "limit", "PRAGMA max_page_count = 64", err);
}

static int add_big(struct db *tx, void *arg, struct err *err)
{
    struct job *job = arg;
    static const char zeros[1 << 20];

    atomic_fetch_add(&job->runs, 1);
    return db_exec(tx, &q_big_add, DB_ARGS(DB_BYTES(str_n(zeros, sizeof(zeros)))), NULL, err);
}

START_TEST(test_sqlite_disk_full)
{
    struct err err = {0};
    struct job jobs[3];
    struct gate gate;

    ck_assert(set_up(DB_SQLITE));
    ck_assert_int_eq(db_exec(db, &q_big, DB_NO_ARGS, NULL, &err), 0);
    ck_assert_int_eq(writer_call(writer, "limit", limit_size, NULL, &err), 0);
    close_gate(&gate);
    for (int i = 0; i < 3; i++) {
        prepare(&jobs[i], i);
        if (i == 1)
            jobs[i].op.fn = add_big;
        submit(&jobs[i]);
    }
    atomic_store(&gate.open, true);
    wait_done(3);
    ck_assert_int_eq(jobs[0].code, E_OK);
    ck_assert_int_eq(jobs[1].code, E_DB);
    ck_assert_int_eq(jobs[2].code, E_OK);
    ck_assert_int_eq(count_rows(), 2);
    tear_down();
}

END_TEST

/* -- PostgreSQL only ----------------------------------------------------------------------------------------------------- */

struct suicide {
    int runs;
};

/* The first run ends the session in which it runs. */
static int end_session(struct db *tx, void *arg, struct err *err)
{
    struct suicide *s = arg;
    struct count pid = {0};

    if (s->runs++ > 0)
        return 0;
    if (db_one(tx, &q_pid, DB_NO_ARGS, &count_row, arena, &pid, err) != DB_ROW)
        return err_ret(err);
    return db_exec(db, &q_end, DB_ARGS(DB_I64(pid.n)), NULL, err);
}

START_TEST(test_pg_lost_connection)
{
    struct err err = {0};
    struct suicide s = {0};
    struct job jobs[2];
    struct gate gate;
    struct writer_op op = {.name = "suicide", .fn = end_session, .arg = &s};

    if (!set_up(DB_PG))
        return;
    close_gate(&gate);
    prepare(&jobs[0], 0);
    prepare(&jobs[1], 1);
    submit(&jobs[0]);
    ck_assert_int_eq(writer_submit(writer, &op, &err), 0);
    submit(&jobs[1]);
    atomic_store(&gate.open, true);
    wait_done(2);
    ck_assert_int_eq(
        s.runs, 2); /* the batch was lost before its commit, so it ran again on a new connection */
    ck_assert_int_eq(jobs[0].code, E_OK);
    ck_assert_int_eq(jobs[1].code, E_OK);
    ck_assert_int_eq(count_rows(), 2);
    tear_down();
}

END_TEST

static int make_deadly(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return tx->ops->script(
        tx, "deadly",
        "CREATE OR REPLACE FUNCTION naru_die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.n = 13 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$;"
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON number DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION naru_die();",
        err);
}

/* Nobody knows whether a commit during which the connection broke has happened: it must not be tried again. */
START_TEST(test_pg_lost_during_commit)
{
    struct err err = {0};
    struct job jobs[3];
    struct gate gate;

    if (!set_up(DB_PG))
        return;
    ck_assert_msg(db_tx(db, "deadly", make_deadly, NULL, &err) == 0, "%s", err.text);
    close_gate(&gate);
    for (int i = 0; i < 2; i++) {
        prepare(&jobs[i], 12 + i);
        submit(&jobs[i]);
    }
    atomic_store(&gate.open, true);
    wait_done(2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(jobs[i].code, E_DB);
        ck_assert_int_eq(atomic_load(&jobs[i].runs), 1);
    }
    ck_assert_int_eq(count_rows(), 0);
    prepare(&jobs[2], 14); /* and the next one finds a new connection */
    submit(&jobs[2]);
    wait_done(3);
    ck_assert_int_eq(jobs[2].code, E_OK);
    ck_assert_int_eq(count_rows(), 1);
    tear_down();
}

END_TEST

START_TEST(test_open_fails)
{
    struct err err = {0};
    struct writer *none = NULL;
    struct db_cfg cfg = {.kind = DB_SQLITE, .target = "/nonexistent/x.db"};

    ck_assert_int_eq(writer_open(&cfg, &env_system, &none, &err), -E_DB);
    ck_assert_ptr_null(none);
    writer_close(&none);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("writer");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_sqlite, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_pg, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_killed, 0, 2);
    tcase_add_test(tc, test_sqlite_disk_full);
    tcase_add_test(tc, test_pg_lost_connection);
    tcase_add_test(tc, test_pg_lost_during_commit);
    tcase_add_test(tc, test_open_fails);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    pg_server_start(&server);
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    pg_server_stop(&server);
    return bad != 0;
}
