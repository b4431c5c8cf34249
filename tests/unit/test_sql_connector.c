/*
 * Every migration and every query of the connector against real databases.
 */
#include <check.h>

#include "help_contract.h"
#include "help_pg.h"
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

static Suite *suite(void)
{
    Suite *s = suite_create("sql_connector");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_sqlite);
    tcase_add_test(tc, test_pg);
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
