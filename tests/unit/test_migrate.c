/*
 * lib/db/migrate.h on both engines: applied once, in order, whole or not at all; refused when the past differs.
 */
#include <check.h>
#include <pthread.h>
#include <unistd.h>

#include "help_pg.h"
#include "lib/base/check.h"
#include "lib/db/migrate.h"

#include "lib/base/banned.h"

static struct pg_server server; /* the test program's own */

#define BOTH(sql)                                                                                  \
    {                                                                                              \
        [DB_SQLITE] = (sql), [DB_PG] = (sql)                                                       \
    }

static const struct migration first[] = {
    {1, "0001-one", BOTH("CREATE TABLE one (n bigint); INSERT INTO one VALUES (1);")                      },
    {2,
     "0002-two",    {[DB_SQLITE] = "CREATE TABLE two (s bigint)", [DB_PG] = "CREATE TABLE two (p bigint)"}},
    {3, "0003-pg",  {[DB_PG] = "CREATE TABLE three (n bigint)"}                                           },
};
static const struct migration more[] = {
    {1, "0001-one",  BOTH("CREATE TABLE one (n bigint); INSERT INTO one VALUES (1);")                      },
    {2,
     "0002-two",     {[DB_SQLITE] = "CREATE TABLE two (s bigint)", [DB_PG] = "CREATE TABLE two (p bigint)"}},
    {3, "0003-pg",   {[DB_PG] = "CREATE TABLE three (n bigint)"}                                           },
    {4, "0004-four", BOTH("INSERT INTO one VALUES (4)")                                                    },
};
static const struct migration changed[] = {
    {1, "0001-one", BOTH("CREATE TABLE one (n bigint); INSERT INTO one VALUES (2);")                      },
    {2,
     "0002-two",    {[DB_SQLITE] = "CREATE TABLE two (s bigint)", [DB_PG] = "CREATE TABLE two (p bigint)"}},
    {3, "0003-pg",  {[DB_PG] = "CREATE TABLE three (n bigint)"}                                           },
};
static const struct migration fails_late[] = {
    {1, "0001-one", BOTH("CREATE TABLE one (n bigint); INSERT INTO one VALUES (1);")              },
    {2, "0002-bad",
     BOTH("INSERT INTO one VALUES (2); CREATE TABLE x (n bigint); INSERT INTO absent VALUES (1);")},
};
static const struct migration commits[] = {
    {1, "0001-one", BOTH("CREATE TABLE one (n bigint); COMMIT;")},
};

static const struct query_column number[] = {
    {"n", DBT_I64}
};
static const struct query q_sum = {
    .name = "sum",
    .text = BOTH("SELECT CAST(sum(n) AS bigint) AS n FROM one"),
    .columns = number,
    .n_columns = 1,
};
static const struct query q_two = {
    .name = "two",
    .text =
        {[DB_SQLITE] = "SELECT count(s) AS n FROM two", [DB_PG] = "SELECT count(p) AS n FROM two"},
    .columns = number,
    .n_columns = 1,
};
static const struct query q_recorded = {
    .name = "recorded",
    .text = BOTH("SELECT count(*) AS n FROM schema_migration WHERE applied_us = 77"),
    .columns = number,
    .n_columns = 1,
};
static const struct query q_x = {
    .name = "x",
    .text = BOTH("SELECT count(*) AS n FROM x"),
    .columns = number,
    .n_columns = 1,
};

struct count {
    int64_t n;
};
static const struct field count_fields[] = {FIELD(struct count, n, "n", 0)};
static OBJECT(count_row, struct count, count_fields, CLOSED);

static struct env_fake fake = {.wall_us = 77};
static struct env env;
static char folder[64], target[128];
static struct db *db;
static struct arena *arena;

static struct db_cfg cfg_of(enum db_kind kind)
{
    return (struct db_cfg){.kind = kind, .target = kind == DB_PG ? server.target : target};
}

static void each_schema_anew(enum db_kind kind)
{
    static const struct query q_drop = {
        .name = "drop",
        .text = {[DB_PG] = "DROP TABLE IF EXISTS one, two, three, x, schema_migration"}};
    struct err err = {0};

    if (kind == DB_PG)
        ck_assert_int_eq(db_exec(db, &q_drop, DB_NO_ARGS, NULL, &err), 0);
}

static bool set_up(enum db_kind kind)
{
    struct err err = {0};

    if (kind == DB_PG && server.target[0] == '\0')
        return false;
    env = env_from_fake(&fake);
    (void)snprintf(folder, sizeof(folder), "/tmp/naru-migrate-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(target, sizeof(target), "%s/m.db", folder);
    struct db_cfg cfg = cfg_of(kind);
    ck_assert_msg(db_open(&cfg, &db, &err) == 0, "%s", err.text);
    each_schema_anew(kind);
    arena = arena_new(65536);
    return true;
}

static void tear_down(void)
{
    db_close(&db);
    arena_free(&arena);
    (void)unlink(target);
    (void)rmdir(folder);
}

static int64_t value_of(const struct query *q)
{
    struct err err = {0};
    struct count out = {-1};

    return db_one(db, q, DB_NO_ARGS, &count_row, arena, &out, &err) == DB_ROW ? out.n : -1;
}

static void applied_once(void)
{
    struct err err = {0};
    int applied = -1;

    ck_assert_msg(db_migrate(db, first, 3, &env, &applied, &err) == 0, "%s", err.text);
    ck_assert_int_eq(applied, 3);
    ck_assert_int_eq(value_of(&q_sum), 1);
    ck_assert_int_eq(value_of(&q_two), 0);
    ck_assert_int_eq(value_of(&q_recorded), 3);
    ck_assert_int_eq(db_migrate(db, first, 3, &env, &applied, &err), 0);
    ck_assert_int_eq(applied, 0);
    ck_assert_msg(db_migrate(db, more, 4, &env, &applied, &err) == 0, "%s", err.text);
    ck_assert_int_eq(applied, 1);
    ck_assert_int_eq(value_of(&q_sum), 5);
}

static void other_past_is_refused(void)
{
    struct err err = {0};
    int applied = -1;

    ck_assert_int_eq(db_migrate(db, more, 4, &env, NULL, &err), 0);
    ck_assert_int_eq(db_migrate(db, first, 3, &env, &applied, &err), -E_CONFIG); /* older program */
    ck_assert_int_eq(db_migrate(db, changed, 3, &env, &applied, &err), -E_CONFIG);
    ck_assert_str_eq(err.at, "0001-one");
    ck_assert_int_eq(applied, -1);
    ck_assert_int_eq(value_of(&q_sum), 5);
}

static void failure_is_undone(void)
{
    struct err err = {0};

    ck_assert_int_eq(db_migrate(db, fails_late, 2, &env, NULL, &err), -E_CONFIG);
    ck_assert_str_eq(err.at, "0002-bad");
    ck_assert_int_eq(value_of(&q_sum), 1);
    ck_assert_int_eq(value_of(&q_recorded), 1);
    ck_assert_int_eq(value_of(&q_x), -1);
    ck_assert(db_migrate(db, commits, 1, &env, NULL, &err) < 0);
}

static void may_not_commit(void)
{
    struct err err = {0};

    ck_assert_int_eq(db_migrate(db, commits, 1, &env, NULL, &err), -E_CONFIG);
    ck_assert_str_eq(err.at, "0001-one");
    ck_assert_int_eq(value_of(&q_recorded), 0);
}

struct starter {
    enum db_kind kind;
    pthread_barrier_t *barrier;
    int rc, applied;
    struct err err;
};

static void *start_one(void *arg)
{
    struct starter *s = arg;
    AUTO(db_close) struct db *own = NULL;
    struct db_cfg cfg = cfg_of(s->kind);

    s->rc = db_open(&cfg, &own, &s->err);
    (void)pthread_barrier_wait(s->barrier);
    if (s->rc == 0)
        s->rc = db_migrate(own, more, 4, &env, &s->applied, &s->err);
    return NULL;
}

static void together(void)
{
    pthread_barrier_t barrier;
    struct starter starters[4];
    pthread_t threads[4];
    int applied = 0;

    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 4), 0);
    for (int i = 0; i < 4; i++) {
        starters[i] = (struct starter){.kind = db_kind(db), .barrier = &barrier};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, start_one, &starters[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_msg(starters[i].rc == 0, "%s", starters[i].err.text);
        applied += starters[i].applied;
    }
    ck_assert_int_eq(applied, 4);
    ck_assert_int_eq(value_of(&q_sum), 5);
}

/* clang-format off */
static const struct { const char *name; void (*fn)(void); } cases[] = {
    {"applied once", applied_once},
    {"another past is refused", other_past_is_refused},
    {"a failure is undone", failure_is_undone},
    {"may not commit", may_not_commit},
    {"together", together},
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

START_TEST(test_scripts)
{
    static const struct db_script scripts[] = {
        {"two",
         "CREATE OR REPLACE FUNCTION naru_two() RETURNS bigint LANGUAGE sql AS $$ SELECT 2::bigint $$;"      },
        {"four",
         "CREATE OR REPLACE FUNCTION naru_four() RETURNS bigint LANGUAGE sql AS $$ SELECT naru_two() * 2 $$;"},
    };
    static const struct db_script bad[] = {
        {"two",
         "CREATE OR REPLACE FUNCTION naru_two() RETURNS bigint LANGUAGE sql AS $$ SELECT 3::bigint $$;"},
        {"bad", "CREATE NONSENSE"                                                                      },
    };
    static const struct query q_four = {.name = "four",
                                        .text = {[DB_PG] = "SELECT naru_four() AS n"},
                                        .columns = number,
                                        .n_columns = 1};
    struct err err = {0};

    if (!set_up(DB_PG))
        return;
    for (int i = 0; i < 2; i++)
        ck_assert_msg(db_run_scripts(db, scripts, 2, &err) == 0, "%s", err.text);
    ck_assert_int_eq(value_of(&q_four), 4);
    ck_assert_int_eq(db_run_scripts(db, bad, 2, &err), -E_CONFIG);
    ck_assert_str_eq(err.at, "bad");
    ck_assert_int_eq(value_of(&q_four), 4);
    ck_assert_int_eq(db_run_scripts(db, NULL, 0, &err), 0);
    tear_down();
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("migrate");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_sqlite, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_pg, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, test_scripts);
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
