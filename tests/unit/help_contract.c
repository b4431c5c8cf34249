/*
 * Contract between SQL files and C, for both programs.
 */
#include "help_contract.h"

#include <check.h>

#include "lib/base/env.h"

#include "lib/base/banned.h"

/* All mistakes at once, not only the first. */
static void check_queries(struct db *db, const struct query *const *queries, size_t n)
{
    size_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        if (db_check_queries(db, &queries[i], 1, &err) == 0)
            continue;
        bad++;
        (void)fprintf(stderr, "# %s\n", err.text);
    }
    ck_assert_msg(bad == 0, "%zu of %zu queries differ from the schema", bad, n);
}

void contract_check(const struct db_cfg *cfg, const struct contract *contract)
{
    AUTO(db_close) struct db *db = NULL;
    struct err err = {0};
    int applied = 0;

    ck_assert_msg(db_open(cfg, &db, &err) == 0, "%s", err.text);
    ck_assert_msg(db_migrate(db, contract->migrations, contract->n_migrations, &env_system,
                             &applied, &err) == 0,
                  "%s: %s", err.at, err.text);
    ck_assert_int_eq(applied, (int)contract->n_migrations);
    for (int i = 0; i < 2 && cfg->kind == DB_PG; i++)
        ck_assert_msg(db_run_scripts(db, contract->scripts, contract->n_scripts, &err) == 0,
                      "%s: %s", err.at, err.text);
    check_queries(db, contract->queries, contract->n_queries);
}
