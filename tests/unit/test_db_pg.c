/*
 * lib/db on PostgreSQL: arrays, ignored errors, deadlocks, notifications, roles, and a server that goes away.
 */
#include <pthread.h>

#include "item_db.h"

#include "lib/base/banned.h"

static const struct query_column array_params[] = {
    {"texts",   DBT_TEXT_ARRAY },
    {"numbers", DBT_I64_ARRAY  },
    {"ids",     DBT_UUID_ARRAY },
    {"times",   DBT_TIME_ARRAY },
    {"bytes",   DBT_BYTES_ARRAY},
};
static const struct query q_arrays = {
    .name = "arrays",
    .text =
        {[DB_PG] =
             "INSERT INTO item (name, amount_minor, id, made_at, body) "
             "SELECT coalesce(t, 'absent'), n, i, m, b FROM unnest($1, $2, $3, $4, $5) AS u (t, n, i, m, b)"},
    .params = array_params,
    .n_params = 5,
};

START_TEST(test_pg_arrays)
{
    struct err err = {0};
    struct item item = {0};
    int64_t changed = 0;
    const struct str texts[] = {STR("one"), STR_NONE}, bytes[] = {STR(""), STR("\xff")};
    const int64_t numbers[] = {1, INT64_MAX}, times[] = {0, 1700000000000001};
    const struct uuid ids[] = {id_of(1), id_of(2)};

    if (!set_up(DB_PG))
        return;
    for (size_t n = 0; n <= 2; n += 2) {
        ck_assert_msg(
            db_exec(db, &q_arrays,
                    DB_ARGS(DB_ARRAY(DBT_TEXT_ARRAY, texts, n), DB_ARRAY(DBT_I64_ARRAY, numbers, n),
                            DB_ARRAY(DBT_UUID_ARRAY, ids, n), DB_ARRAY(DBT_TIME_ARRAY, times, n),
                            DB_ARRAY(DBT_BYTES_ARRAY, bytes, n)),
                    &changed, &err) == 0,
            "%s", err.text);
        ck_assert_int_eq(changed, (int64_t)n);
    }
    ck_assert(db_one(db, &q_item_by_id, DB_ARGS(DB_UUID(id_of(2))), &item_row, arena, &item,
                     &err) == DB_ROW);
    ck_assert(str_eq_c(item.name, "absent"));
    ck_assert_int_eq(item.amount_minor, INT64_MAX);
    ck_assert_int_eq(item.made_us, 1700000000000001);
    ck_assert_uint_eq(item.body.n, 1);
    ck_assert_int_eq(db_each(db, &q_arrays, DB_NO_ARGS, &item_row, NULL, NULL, &err), -E_INTERNAL);
    tear_down();
}

END_TEST

/* A text that is none is the mistake of whoever sent it; the query is no public matter. */
START_TEST(test_pg_no_text)
{
    struct err err = {0};
    int64_t changed;

    if (!set_up(DB_PG))
        return;
    ck_assert_int_eq(
        db_exec(db, &q_amount_set, DB_ARGS(DB_TEXT(STR("a\xff")), DB_I64(1)), &changed, &err),
        -E_INVALID);
    ck_assert_str_eq(err.at, "");
    ck_assert_str_eq(err.detail, "a text has bytes that are no UTF-8");
    tear_down();
}

END_TEST

static int ignores_error(struct db *tx, void *arg, struct err *err)
{
    struct err ignored = {0};

    (void)arg;
    if (add_item(tx, 1, "same", 1, err) < 0)
        return err_ret(err);
    ck_assert_int_eq(add_item(tx, 2, "same", 1, &ignored), -E_DB_CONSTRAINT);
    return 0;
}

/* An error that the body ignores has ended PostgreSQL's transaction: nothing may look as if it had been done. */
START_TEST(test_pg_ignored_error)
{
    struct err err = {0};

    if (!set_up(DB_PG))
        return;
    ck_assert(db_tx(db, "ignores", ignores_error, NULL, &err) < 0);
    ck_assert_int_eq(count_items(db), 0);
    tear_down();
}

END_TEST

struct side {
    struct db *own;
    const char *first, *second;
    pthread_barrier_t *barrier;
    int calls, rc;
    struct err err;
};

static int lock_both(struct db *tx, void *arg, struct err *err)
{
    struct side *side = arg;

    if (db_exec(tx, &q_amount_set, DB_ARGS(DB_TEXT(str_c(side->first)), DB_I64(++side->calls)),
                NULL, err) < 0)
        return err_ret(err);
    if (side->calls == 1)
        (void)pthread_barrier_wait(side->barrier); /* now each holds what the other wants */
    return db_exec(tx, &q_amount_set, DB_ARGS(DB_TEXT(str_c(side->second)), DB_I64(side->calls)),
                   NULL, err);
}

static void *run_side(void *arg)
{
    struct side *side = arg;

    side->rc = db_tx(side->own, "lock both", lock_both, side, &side->err);
    return NULL;
}

START_TEST(test_pg_deadlock_is_repeated)
{
    struct err err = {0};
    AUTO(db_close) struct db *other = NULL;
    pthread_barrier_t barrier;
    pthread_t thread;

    if (!set_up(DB_PG))
        return;
    struct db_cfg cfg = cfg_of(DB_PG);
    ck_assert_int_eq(db_open(&cfg, &other, &err), 0);
    ck_assert_int_eq(add_item(db, 1, "a", 0, &err), 0);
    ck_assert_int_eq(add_item(db, 2, "b", 0, &err), 0);
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    struct side here = {.own = db, .first = "a", .second = "b", .barrier = &barrier};
    struct side there = {.own = other, .first = "b", .second = "a", .barrier = &barrier};
    ck_assert_int_eq(pthread_create(&thread, NULL, run_side, &there), 0);
    (void)run_side(&here);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_msg(here.rc == 0 && there.rc == 0, "%s / %s", here.err.text, there.err.text);
    /* one side at least went twice; on a busy machine they may meet more often than once */
    ck_assert_int_ge(here.calls + there.calls, 3);
    db_close(&other);
    tear_down();
}

END_TEST

static const struct query q_notify = {.name = "notify", .text = {[DB_PG] = "NOTIFY outbox"}};

START_TEST(test_pg_notifications)
{
    struct err err = {0};
    AUTO(db_close) struct db *other = NULL;
    bool woken = true;

    if (!set_up(DB_PG))
        return;
    struct db_cfg cfg = cfg_of(DB_PG);
    ck_assert_int_eq(db_open(&cfg, &other, &err), 0);
    ck_assert_msg(db_listen(db, "outbox", &err) == 0, "%s", err.text);
    ck_assert(db_fd(db) >= 0);
    ck_assert_int_eq(db_wait(db, 1000, &woken, &err), 0);
    ck_assert(!woken);
    ck_assert_int_eq(db_exec(other, &q_notify, DB_NO_ARGS, NULL, &err), 0);
    ck_assert_int_eq(db_wait(db, 10 * US_PER_S, &woken, &err), 0);
    ck_assert(woken);
    ck_assert_int_eq(count_items(db), 0);
    db_close(&other);
    tear_down();
}

END_TEST

static const struct query_column just_pid[] = {
    {"n", DBT_I64}
};
static const struct query q_own_pid = {
    .name = "own_pid",
    .text = {[DB_PG] = "SELECT pg_backend_pid() AS n"},
    .columns = just_pid,
    .n_columns = 1,
};
static const struct query q_end_session = {
    .name = "end_session",
    .text = {[DB_PG] = "SELECT count(*) AS n FROM pg_terminate_backend($1::int, 5000)"},
    .params = just_pid,
    .n_params = 1,
    .columns = count_column,
    .n_columns = 1,
};

static int ended_in_the_middle(struct db *tx, void *arg, struct err *err)
{
    struct number pid = {0};

    if (add_item(tx, 1, "lost", 1, err) < 0)
        return err_ret(err);
    if (db_one(tx, &q_own_pid, DB_NO_ARGS, &number_row, arena, &pid, err) != DB_ROW)
        return err_ret(err);
    ck_assert_int_eq(db_exec(arg, &q_end_session, DB_ARGS(DB_I64(pid.n)), NULL, err), 0);
    return add_item(tx, 2, "lost too", 1, err);
}

START_TEST(test_pg_reconnects)
{
    struct err err = {0};
    AUTO(db_close) struct db *other = NULL;
    struct number pid = {0};

    if (!set_up(DB_PG))
        return;
    struct db_cfg cfg = cfg_of(DB_PG);
    ck_assert_int_eq(db_open(&cfg, &other, &err), 0);
    /* while idle: nobody notices */
    ck_assert(db_one(db, &q_own_pid, DB_NO_ARGS, &number_row, arena, &pid, &err) == DB_ROW);
    ck_assert_int_eq(db_exec(other, &q_end_session, DB_ARGS(DB_I64(pid.n)), NULL, &err), 0);
    ck_assert_msg(add_item(db, 3, "kept", 1, &err) == 0, "%s", err.text);
    /* inside a transaction: it fails, nothing of it stays, the next one works */
    ck_assert_int_eq(db_tx(db, "ended", ended_in_the_middle, other, &err), -E_DB);
    err_clear(&err);
    ck_assert_msg(count_items(db) == 1, "%s", err.text);
    ck_assert_uint_eq(db->depth, 0);
    db_close(&other);
    tear_down();
}

END_TEST

START_TEST(test_pg_server_away)
{
    struct err err = {0};
    AUTO(db_close) struct db *new_one = NULL;

    if (!set_up(DB_PG))
        return;
    struct db_cfg cfg = cfg_of(DB_PG);
    ck_assert_int_eq(add_item(db, 1, "kept", 1, &err), 0);
    pg_server_kill(&server);
    int64_t end_us = env_mono_us(&env_system) + 20 * US_PER_S;
    while (db_tx(db, "undo", run_script, (void *)(uintptr_t) "DELETE FROM item WHERE name = 'x'",
                 &err) == 0)
        ck_assert(env_mono_us(&env_system) < end_us);
    ck_assert_int_eq(err.code, E_DB);
    ck_assert_int_eq(db_open(&cfg, &new_one, &err), -E_DB);
    ck_assert_int_eq(add_item(db, 2, "x", 1, &err), -E_DB);
    pg_server_restart(&server);
    while (add_item(db, 3, "again", 1, &err) < 0 &&
           env_mono_us(&env_system) < end_us + 20 * US_PER_S)
        ck_assert_int_eq(err.code, E_DB);
    ck_assert(amount_of("again") == 1 && amount_of("kept") == 1);
    tear_down();
    pg_server_stop(&server); /* this process restarted it: the parent does not know the new one */
}

END_TEST

START_TEST(test_pg_role)
{
    struct err err = {0};
    AUTO(db_close) struct db *other = NULL;

    if (!set_up(DB_PG))
        return;
    struct db_cfg cfg = cfg_of(DB_PG);
    ck_assert_int_eq(
        db_tx(
            db, "role", run_script,
            (void
                 *)(uintptr_t) "DO $$BEGIN IF to_regrole('naru_test') IS NULL THEN CREATE ROLE naru_test; END IF; END$$;"
                               "GRANT SELECT ON item TO naru_test;",
            &err),
        0);
    cfg.role = "naru_test";
    ck_assert_msg(db_open(&cfg, &other, &err) == 0, "%s", err.text);
    ck_assert_int_eq(count_items(other), 0);
    ck_assert(add_item(other, 1, "a", 1, &err) < 0);
    db_close(&other);
    cfg.role = "nobody; DROP TABLE item";
    ck_assert_int_eq(db_open(&cfg, &other, &err), -E_CONFIG);
    ck_assert_str_eq(err.at, cfg.role);
    ck_assert_int_eq(count_items(db), 0);
    tear_down();
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("db_pg");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_pg_arrays);
    tcase_add_test(tc, test_pg_no_text);
    tcase_add_test(tc, test_pg_ignored_error);
    tcase_add_test(tc, test_pg_deadlock_is_repeated);
    tcase_add_test(tc, test_pg_notifications);
    tcase_add_test(tc, test_pg_reconnects);
    tcase_add_test(tc, test_pg_role);
    tcase_add_test(tc, test_pg_server_away); /* last: takes the server away */
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
