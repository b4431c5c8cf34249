/*
 * Every migration and every query of the connector against real databases.
 */
#include <check.h>

#include "help_contract.h"
#include "help_pg.h"
#include "lib/base/timefmt.h"
#include "lib/base/uuid.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

static struct pg_server server; /* the test program's own */

static struct contract contract(void)
{
    return (struct contract){
        .migrations = sql_connector_migrations,
        .n_migrations = sql_connector_n_migrations,
        .scripts = sql_connector_scripts,
        .n_scripts = sql_connector_n_scripts,
        .queries = sql_connector_queries,
        .n_queries = sql_connector_n_queries,
    };
}

START_TEST(test_sqlite)
{
    struct db_cfg cfg = {.kind = DB_SQLITE, .target = ":memory:"};
    struct contract c = contract();

    contract_check(&cfg, &c);
}

END_TEST

START_TEST(test_pg)
{
    struct db_cfg cfg = {.kind = DB_PG, .target = server.target};
    struct contract c = contract();

    if (server.target[0] != '\0')
        contract_check(&cfg, &c);
}

END_TEST

/* -- old messages ------------------------------------------------------------------------------ */

#define DAY US_PER_DAY
#define NOW (1000 * DAY)

static void process_id(int64_t begun_us, char ret[static 64])
{
    static const uint8_t some[10] = {1, 2, 3};

    (void)snprintf(ret, 64, "urn:uuid:%s", uuid_format(uuid_v7_from(begun_us / 1000, some)).c);
}

static void seen(struct db *db, int64_t begun_us, const char *message, int64_t seen_us)
{
    struct err err = {0};
    char id[64];

    process_id(begun_us, id);
    ck_assert_msg(db_exec(db, &q_dsp_message_insert,
                          DB_ARGS(DB_TEXT(str_c(id)), DB_TEXT(str_c(message)), DB_I64(seen_us)),
                          NULL, &err) == 0,
                  "%s", err.text);
}

static int64_t forgotten(struct db *db, int64_t before_us, int64_t most)
{
    struct err err = {0};
    int64_t changed = -1;
    char id[64];

    process_id(before_us, id);
    ck_assert_msg(db_exec(db, &q_dsp_message_prune,
                          DB_ARGS(DB_I64(before_us), DB_TEXT(str_c(id)), DB_I64(most)), &changed,
                          &err) == 0,
                  "%s", err.text);
    return changed;
}

/* Of an old process the old messages go and the new ones stay; of a new one nothing is old. */
static void forget_messages(const struct db_cfg *cfg)
{
    struct err err = {0};
    struct db *db = NULL;

    ck_assert_msg(db_open(cfg, &db, &err) == 0, "%s", err.text);
    ck_assert_msg(db_migrate(db, sql_connector_migrations, sql_connector_n_migrations, &env_system,
                             NULL, &err) == 0,
                  "%s", err.text);
    seen(db, NOW - 20 * DAY, "old 1", NOW - 20 * DAY);
    seen(db, NOW - 20 * DAY, "old 2", NOW - 8 * DAY);
    seen(db, NOW - 20 * DAY, "new", NOW - 6 * DAY);
    seen(db, NOW - 8 * DAY, "old", NOW - 8 * DAY);
    seen(db, NOW - 6 * DAY, "new", NOW - 6 * DAY);
    ck_assert_int_eq(forgotten(db, NOW - 7 * DAY, 2), 2);
    ck_assert_int_eq(forgotten(db, NOW - 7 * DAY, 2), 1);
    ck_assert_int_eq(forgotten(db, NOW - 7 * DAY, 2), 0);
    ck_assert_int_eq(forgotten(db, NOW, 10), 2);
    db_close(&db);
}

START_TEST(test_messages_sqlite)
{
    struct db_cfg cfg = {.kind = DB_SQLITE, .target = ":memory:"};

    forget_messages(&cfg);
}

END_TEST

START_TEST(test_messages_pg)
{
    struct db_cfg cfg = {.kind = DB_PG, .target = server.target};

    if (server.target[0] != '\0')
        forget_messages(&cfg);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sql_connector");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_sqlite);
    tcase_add_test(tc, test_pg);
    tcase_add_test(tc, test_messages_sqlite);
    tcase_add_test(tc, test_messages_pg);
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
