/*
 * tests/unit/help_contract.h - do a program's migrations run, and are its queries what their C tables say?
 */
#pragma once

#include "lib/db/migrate.h"

struct contract {
    const struct migration *migrations;
    size_t n_migrations;
    const struct db_script *scripts;
    size_t n_scripts;
    const struct query *const *queries;
    size_t n_queries;
};

/* On an empty database. Names every query that differs, then fails the test. */
void contract_check(const struct db_cfg *cfg, const struct contract *contract);
