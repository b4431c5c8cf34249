/*
 * Schema files, applied once each in number order. What has been applied is read first without a lock; only what is missing is
 * done under it, and looked at again there, since another replica may have been faster.
 */
#include "lib/db/migrate.h"

#include <inttypes.h>

#include "lib/crypto/hash.h"
#include "lib/db/db_private.h"

#include "lib/base/banned.h"

#define MAX_MIGRATIONS 10000

/* SQLite's BEGIN IMMEDIATE is the lock itself. A large migration may take longer than a statement of the program. */
static const char *const lock_text[DB__COUNT] = {
    [DB_PG] = "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(7308895064421)",
};
static const char table_text[] = "CREATE TABLE IF NOT EXISTS schema_migration ("
                                 "number bigint PRIMARY KEY, name text NOT NULL, "
                                 "sha256 text NOT NULL, applied_us bigint NOT NULL)";

static const struct query_column table_columns[] = {
    {"n", DBT_I64}
};
static const struct query q_table_exists = {
    .name = "table_exists",
    .text = {[DB_SQLITE] = "SELECT count(*) AS n FROM sqlite_schema "
                           "WHERE type = 'table' AND name = 'schema_migration'", [DB_PG] =
                 "SELECT count(*) AS n FROM pg_class WHERE oid = to_regclass('schema_migration')"},
    .columns = table_columns,
    .n_columns = ARRAY_LEN(table_columns),
};

static const struct query_column applied_columns[] = {
    {"number", DBT_I64 },
    {"sha256", DBT_TEXT}
};
#define APPLIED_TEXT "SELECT number, sha256 FROM schema_migration ORDER BY number"
static const struct query q_applied = {
    .name = "migrations_applied",
    .text = {[DB_SQLITE] = APPLIED_TEXT, [DB_PG] = APPLIED_TEXT},
    .columns = applied_columns,
    .n_columns = ARRAY_LEN(applied_columns),
};

static const struct query_column record_params[] = {
    {"number",     DBT_I64 },
    {"name",       DBT_TEXT},
    {"sha256",     DBT_TEXT},
    {"applied_us", DBT_I64 },
};
#define RECORD_TEXT                                                                                \
    "INSERT INTO schema_migration (number, name, sha256, applied_us) VALUES ($1, $2, $3, $4)"
static const struct query q_record = {
    .name = "migration_record",
    .text = {[DB_SQLITE] = RECORD_TEXT, [DB_PG] = RECORD_TEXT},
    .params = record_params,
    .n_params = ARRAY_LEN(record_params),
};

struct count {
    int64_t n;
};
static const struct field count_fields[] = {FIELD(struct count, n, "n", F_REQUIRED)};
static OBJECT(count_row, struct count, count_fields, CLOSED);

struct applied {
    int64_t number;
    struct str sha256;
};
/* clang-format off */
static const struct field applied_fields[] = {
    FIELD(struct applied, number, "number", F_REQUIRED),
    FIELD(struct applied, sha256, "sha256", F_REQUIRED),
};
/* clang-format on */
static OBJECT(applied_row, struct applied, applied_fields, CLOSED);

struct job {
    const struct migration *migrations;
    size_t n;
    const struct env *env;
    struct arena *arena;
    int n_applied;
};

static const char *text_of(const struct migration *m, enum db_kind kind)
{
    return m->text[kind] != NULL ? m->text[kind] : "";
}

static struct hash_text hash_of(const struct migration *m, enum db_kind kind)
{
    uint8_t hash[SHA256_LEN];
    const char *text = text_of(m, kind);

    sha256(text, strlen(text), hash);
    return hash_hex(hash);
}

static const struct migration *find(const struct job *job, int64_t number)
{
    for (size_t i = 0; i < job->n; i++)
        if (job->migrations[i].number == number)
            return &job->migrations[i];
    return NULL;
}

static bool is_applied(const struct list *applied, int number)
{
    const struct applied *items = LIST_ITEMS(struct applied, *applied);

    for (size_t i = 0; i < applied->n; i++)
        if (items[i].number == number)
            return true;
    return false;
}

/* What is recorded; an error if it is not what this program knows. */
static int read_applied(struct db *db, const struct job *job, struct list *ret_list,
                        struct err *err)
{
    struct count table = {0};
    struct list list = {0};

    arena_reset(job->arena);
    if (db_one(db, &q_table_exists, DB_NO_ARGS, &count_row, job->arena, &table, err) != DB_ROW)
        return err_ret(err);
    if (table.n > 0 && db_list(db, &q_applied, DB_NO_ARGS, &applied_row, job->arena, MAX_MIGRATIONS,
                               &list, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < list.n; i++) {
        const struct applied *a = &LIST_ITEMS(struct applied, list)[i];
        const struct migration *m = find(job, a->number);
        if (m == NULL)
            return err_set(err, E_CONFIG, "",
                           "database has migration %" PRId64 ": it is newer than this program",
                           a->number);
        if (!str_eq_c(a->sha256, hash_of(m, db_kind(db)).c))
            return err_set(err, E_CONFIG, m->name, "migration '%s' was applied with another text",
                           m->name);
    }
    *ret_list = list;
    return 0;
}

static int take_lock(struct db *db, struct err *err)
{
    const char *text = lock_text[db_kind(db)];

    return text != NULL ? db->ops->script(db, "migration lock", text, err) : 0;
}

/* A file that does not run is a mistake of the program's text, not of the caller's arguments. */
static int run_file(struct db *db, const char *name, const char *text, struct err *err)
{
    if (text[0] == '\0' || db->ops->script(db, name, text, err) == 0)
        return 0;
    if (err->code == E_INTERNAL)
        err->code = E_CONFIG;
    return err_prefix(err, "'%s'", name);
}

static int apply_one(struct db *db, const struct job *job, const struct migration *m,
                     struct err *err)
{
    if (run_file(db, m->name, text_of(m, db_kind(db)), err) < 0)
        return err_ret(err);
    return db_exec(db, &q_record,
                   DB_ARGS(DB_I64(m->number), DB_TEXT(str_c(m->name)),
                           DB_TEXT(str_c(hash_of(m, db_kind(db)).c)),
                           DB_I64(env_wall_us(job->env))),
                   NULL, err);
}

/* The next migration that is missing, in a transaction of its own; none: n_applied stays. */
static int apply_next(struct db *db, void *arg, struct err *err)
{
    struct job *job = arg;
    struct list applied;

    if (take_lock(db, err) < 0 || run_file(db, "schema_migration", table_text, err) < 0 ||
        read_applied(db, job, &applied, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < job->n; i++) {
        if (is_applied(&applied, job->migrations[i].number))
            continue;
        if (apply_one(db, job, &job->migrations[i], err) < 0)
            return err_ret(err);
        job->n_applied++;
        return 0;
    }
    return 0;
}

int db_migrate(struct db *db, const struct migration *migrations, size_t n, const struct env *env,
               int *ret_applied, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(4 << 20);
    struct job job = {.migrations = migrations, .n = n, .env = env, .arena = arena};
    struct list applied = {0};
    int before;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "migrations");
    if (read_applied(db, &job, &applied, err) < 0)
        return err_ret(err);
    bool missing = applied.n < n;
    do {
        before = job.n_applied;
        if (missing && db_tx(db, "migrate", apply_next, &job, err) < 0)
            return err_ret(err);
    } while (job.n_applied > before);
    if (ret_applied != NULL)
        *ret_applied = job.n_applied;
    return 0;
}

struct scripts {
    const struct db_script *items;
    size_t n;
};

static int run_scripts(struct db *db, void *arg, struct err *err)
{
    const struct scripts *scripts = arg;

    if (take_lock(db, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < scripts->n; i++)
        if (run_file(db, scripts->items[i].name, scripts->items[i].text, err) < 0)
            return err_ret(err);
    return 0;
}

int db_run_scripts(struct db *db, const struct db_script *scripts, size_t n, struct err *err)
{
    struct scripts arg = {scripts, n};

    return n > 0 ? db_tx(db, "scripts", run_scripts, &arg, err) : 0;
}
