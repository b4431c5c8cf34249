/*
 * lib/db/migrate.h - numbered, forward-only schema files, applied once
 *
 * tools/sqlgen compiles sql/schema/<program>/NNNN-topic.sql in (a file may be split by lines "--
 * engine: sqlite", "-- engine: pg",
 * "-- engine: all"). Each runs in a transaction under an advisory lock (PostgreSQL) or the write
 * lock (SQLite) and is recorded with number, name, SHA-256 and time in schema_migration. A recorded
 * file whose hash differs, or a database newer than the program, is refused.
 */
#pragma once

#include "lib/base/env.h"
#include "lib/db/db.h"

struct migration {
    int number;
    const char *name;
    const char *text[DB__COUNT];
};

/* Applies what is missing; *ret_applied (may be NULL) counts. Errors: E_CONFIG (hash differs, newer
 * schema), E_DB. */
MUST_CHECK int db_migrate(struct db *db, const struct migration *migrations, size_t n,
                          const struct env *env, int *ret_applied, struct err *err);

/* A script that may run again: CREATE OR REPLACE FUNCTION … of sql/proc/<program>/ (PostgreSQL). */
struct db_script {
    const char *name;
    const char *text;
};

/* Runs every script, all in one transaction under the lock of db_migrate; after it. Errors:
 * E_CONFIG (SQL error), E_DB. */
MUST_CHECK int db_run_scripts(struct db *db, const struct db_script *scripts, size_t n,
                              struct err *err);
