/*
 * Every migration and every query of the broker against real databases.
 */
#include <check.h>

#include "help_contract.h"
#include "help_pg.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

static struct pg_server server; /* the test program's own */

static struct contract contract(void)
{
    return (struct contract){
        .migrations = sql_broker_migrations,
        .n_migrations = sql_broker_n_migrations,
        .scripts = sql_broker_scripts,
        .n_scripts = sql_broker_n_scripts,
        .queries = sql_broker_queries,
        .n_queries = sql_broker_n_queries,
    };
}

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
    Suite *s = suite_create("sql_broker");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
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
