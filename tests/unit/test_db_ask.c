/*
 * Questions asked beforehand (lib/db/db.h, db_ask) and by the writer for its operations: the same answers as without, each taken once.
 */
#include <pthread.h>

#include "item_db.h"
#include "lib/db/writer.h"

#include "lib/base/banned.h"

static const char *const names[] = {"apple", "pear", "plum"};

static bool set_up_items(enum db_kind kind)
{
    struct err err = {0};
    struct number out = {0};

    if (!set_up(kind))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        ck_assert_msg(add_item(db, (uint8_t)i, names[i], 10, &err) == 0, "%s", err.text);
    /* only what was prepared before is asked ahead */
    ck_assert(db_one(db, &q_add_returning, DB_ARGS(DB_TEXT(STR("nobody")), DB_I64(1)), &amount_row,
                     arena, &out, &err) == DB_NONE);
    ck_assert(db_exec(db, &q_amount_set, DB_ARGS(DB_TEXT(STR("nobody")), DB_I64(1)), NULL, &err) ==
              0);
    ck_assert_int_eq(amount_of("apple"), 10);
    return true;
}

static int ask_add(struct db *tx, const char *name, int64_t by, struct err *err)
{
    return db_ask(tx, &q_add_returning, DB_ARGS(DB_TEXT(str_c(name)), DB_I64(by)), err);
}

/* The new amount; -1: failed. */
static int64_t add(struct db *tx, const char *name, int64_t by, struct err *err)
{
    struct number out = {-1};

    return db_one(tx, &q_add_returning, DB_ARGS(DB_TEXT(str_c(name)), DB_I64(by)), &amount_row,
                  arena, &out, err) == DB_ROW
               ? out.n
               : -1;
}

/* -- one transaction --------------------------------------------------------------------------------------------------- */

static int in_order(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    ck_assert(ask_add(tx, "apple", 1, err) == 0 && ask_add(tx, "pear", 2, err) == 0);
    ck_assert(db_ask(tx, &q_amount_set, DB_ARGS(DB_TEXT(STR("plum")), DB_I64(7)), err) == 0);
    ck_assert_int_eq(add(tx, "apple", 1, err), 11);
    ck_assert_int_eq(add(tx, "plum", 1, err), 8); /* was not asked; what was asked has happened */
    ck_assert_int_eq(add(tx, "pear", 2, err), 12);

    int64_t changed = -1;
    ck_assert(db_exec(tx, &q_amount_set, DB_ARGS(DB_TEXT(STR("plum")), DB_I64(7)), &changed, err) ==
              0);
    ck_assert_int_eq(changed, 1);
    return 0;
}

static int not_taken(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    ck_assert(ask_add(tx, "apple", 1, err) == 0);
    return 0;
}

static int other_arguments(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    ck_assert(ask_add(tx, "apple", 1, err) == 0);
    ck_assert_int_eq(add(tx, "apple", 2, err), 13);
    return 0;
}

static int nested(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return add(tx, "apple", 1, err) == 12 ? 0 : -1;
}

static int outside_only(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    ck_assert(ask_add(tx, "apple", 1, err) == 0);
    ck_assert_msg(db_tx(tx, "nested", nested, NULL, err) == 0, "%s", err->text);
    return 0;
}

static int too_small(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    ck_assert(ask_add(tx, "apple", 1, err) == 0 && ask_add(tx, "pear", -100, err) == 0);
    return add(tx, "apple", 1, err) < 0 ? err_ret(err) : 0;
}

static int two_of_them(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    ck_assert(ask_add(tx, "apple", 1, err) == 0);
    ck_assert_int_eq(add(tx, "apple", 1, err), 11);
    ck_assert_int_eq(add(tx, "apple", 1, err), 12); /* an answer is good for one */
    return 0;
}

/* clang-format off */
static const struct { db_tx_fn *fn; enum err_code code; const char *at; int64_t apple; } transactions[] = {
    {in_order,        E_OK,            "",                     11},
    {two_of_them,     E_OK,            "",                     12},
    {not_taken,       E_INTERNAL,      "add_returning",        10},
    {other_arguments, E_INTERNAL,      "add_returning",        10},
    {outside_only,    E_INTERNAL,      "add_returning",        10},
    {too_small,       E_DB_CONSTRAINT, "item_amount_positive", 10},
};

/* clang-format on */

START_TEST(test_transaction)
{
    struct err err = {0};
    int rc;

    if (!set_up_items(DB_PG))
        return;
    db->ahead = true;
    rc = db_tx(db, "test", transactions[_i].fn, NULL, &err);
    db->ahead = false;
    ck_assert_msg((rc == 0) == (transactions[_i].code == E_OK), "%s", err.text);
    ck_assert_msg(err.code == transactions[_i].code, "%s", err.text);
    ck_assert_str_eq(err.at, transactions[_i].at);
    ck_assert_int_eq(amount_of("apple"), transactions[_i].apple);
    /* the connection is as good as before, and nothing of it is left */
    ck_assert_int_eq(add(db, "apple", 1, &err), transactions[_i].apple + 1);
    tear_down();
}

END_TEST

/* -- the writer ---------------------------------------------------------------------------------------------------------- */

struct job {
    struct writer_op op;
    const char *name;
    int64_t amount;          /* after its run; -1: it failed */
    bool leave;              /* asks, but does not come for the answer */
    bool refuse;             /* fails after its change */
    int64_t asked;           /* how often */
    pthread_barrier_t *hold; /* its run lets others queue up behind it: waits for the test twice */
};

static int job_ask(struct db *tx, void *arg, struct err *err)
{
    struct job *job = arg;

    job->asked++;
    return ask_add(tx, job->name, 1, err);
}

static int job_run(struct db *tx, void *arg, struct err *err)
{
    struct job *job = arg;

    if (job->hold != NULL) {
        IGNORE(pthread_barrier_wait(job->hold), "runs");
        IGNORE(pthread_barrier_wait(job->hold), "all are queued");
        return 0;
    }
    if (job->leave)
        return 0;
    job->amount = add(tx, job->name, 1, err);
    if (job->amount < 0)
        return err_ret(err);
    return job->refuse ? err_set(err, E_CONFLICT, "", "refused") : 0;
}

static void job_done(void *arg, const struct err *err)
{
    struct job *job = arg;

    if (err->code != E_OK)
        job->amount = -1;
}

struct batch_case {
    const char *what;

    struct {
        const char *subject, *name;
        bool leave, refuse;
        int64_t amount, asked;
    } jobs[4];
};

/* clang-format off */
static const struct batch_case batches[] = {
    {"each about its own", {{"a", "apple", false, false, 11, 1}, {"b", "pear", false, false, 11, 1}, {"c", "plum", false, false, 11, 1}}},
    {"the second of a subject sees what the first has done",
     {{"a", "apple", false, false, 11, 1}, {"b", "pear", false, false, 11, 1}, {"a", "apple", false, false, 12, 0}, {"c", "plum", false, false, 11, 1}}},
    {"behind an operation that may change anything nobody asks beforehand",
     {{"b", "pear", false, false, 11, 1}, {NULL, "apple", false, false, 11, 0}, {"a", "apple", false, false, 12, 0}}},
    {"an answer that is not taken costs a second run",
     {{"a", "apple", true, false, 0, 1}, {"b", "pear", false, false, 11, 1}, {"c", "plum", false, false, 11, 1}}},
    {"one that fails is undone alone, with what it asked",
     {{"a", "apple", false, true, -1, 1}, {"b", "pear", false, false, 11, 1}, {"c", "plum", false, false, 11, 1}}},
};

/* clang-format on */

static void check_batch(enum db_kind kind, const struct batch_case *c)
{
    pthread_barrier_t gate;
    struct job jobs[ARRAY_LEN(c->jobs)] = {0}, first = {.hold = &gate}, warm = {.name = "nobody"};
    struct db_cfg cfg = cfg_of(kind);
    struct writer *writer;
    struct err err = {0};
    int64_t left = 30;

    ck_assert_msg(writer_open(&cfg, &env_system, &writer, &err) == 0, "%s", err.text);
    IGNORE(writer_call(writer, "warm", job_run, &warm, &err), "no such item; it is prepared now");
    CHECK(pthread_barrier_init(&gate, NULL, 2) == 0);
    first.op =
        (struct writer_op){.name = "first", .fn = job_run, .arg = &first, .subject = STR("first")};
    ck_assert_int_eq(writer_submit(writer, &first.op, &err), 0);
    IGNORE(pthread_barrier_wait(&gate), "it runs");
    for (size_t i = 0; i < ARRAY_LEN(jobs) && c->jobs[i].name != NULL; i++) {
        jobs[i] = (struct job){
            .name = c->jobs[i].name, .leave = c->jobs[i].leave, .refuse = c->jobs[i].refuse};
        jobs[i].op = (struct writer_op){
            .name = jobs[i].name,
            .fn = job_run,
            .arg = &jobs[i],
            .ask = job_ask,
            .subject = c->jobs[i].subject != NULL ? str_c(c->jobs[i].subject) : STR_NONE,
            .done = job_done};
        ck_assert_int_eq(writer_submit(writer, &jobs[i].op, &err), 0);
    }
    IGNORE(pthread_barrier_wait(&gate), "it goes on");
    writer_close(&writer);
    for (size_t i = 0; i < ARRAY_LEN(jobs) && c->jobs[i].name != NULL; i++) {
        ck_assert_msg(jobs[i].amount == c->jobs[i].amount, "%s: job %zu: %lld", c->what, i,
                      (long long)jobs[i].amount);
        ck_assert_msg(kind != DB_PG || jobs[i].asked == c->jobs[i].asked, "%s: job %zu asked %lld",
                      c->what, i, (long long)jobs[i].asked);
        left += jobs[i].amount > 0;
    }
    ck_assert_msg(amount_of("apple") + amount_of("pear") + amount_of("plum") == left,
                  "%s: each change once", c->what);
}

START_TEST(test_batch)
{
    for (enum db_kind kind = DB_SQLITE; kind <= DB_PG; kind++) {
        if (!set_up_items(kind))
            continue;
        check_batch(kind, &batches[_i]);
        tear_down();
    }
}

END_TEST

int main(void)
{
    Suite *suite = suite_create("db_ask");
    TCase *tc = tcase_create("all");

    pg_server_start(&server);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_transaction, 0, (int)ARRAY_LEN(transactions));
    tcase_add_loop_test(tc, test_batch, 0, (int)ARRAY_LEN(batches));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pg_server_stop(&server);
    return failed == 0 ? 0 : 1;
}
