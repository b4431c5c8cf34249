/*
 * tests/unit/item_db.h - fixture of test_db.c and test_db_pg.c: one table of items, its queries and its row, and a fresh database
 * per test
 */
#pragma once

#include <check.h>
#include <sys/stat.h>
#include <unistd.h>

#include "help_pg.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/db/db.h"
#include "lib/db/db_private.h"

#include "lib/base/banned.h"

#define BOTH(sql)                                                                                  \
    {                                                                                              \
        [DB_SQLITE] = (sql), [DB_PG] = (sql)                                                       \
    }

static struct pg_server server; /* the test program's own */

/* -- queries ----------------------------------------------------------------------------------------------------- */

static const struct query_column item_columns[] = {
    {"id",           DBT_UUID },
    {"name",         DBT_TEXT },
    {"amount_minor", DBT_I64  },
    {"active",       DBT_BOOL },
    {"made_at",      DBT_TIME },
    {"body",         DBT_BYTES},
    {"document",     DBT_JSON },
    {"kind",         DBT_TEXT },
};
static const struct query q_item_add = {
    .name = "item_add",
    .text = BOTH("INSERT INTO item (id, name, amount_minor, active, made_at, body, document, kind) "
                 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"),
    .params = item_columns,
    .n_params = 8,
};
static const struct query_column by_id[] = {
    {"id", DBT_UUID}
};
static const struct query q_item_by_id = {
    .name = "item_by_id",
    .text = BOTH(
        "SELECT id, name, amount_minor, active, made_at, body, document, kind FROM item WHERE id = $1"),
    .params = by_id,
    .n_params = 1,
    .columns = item_columns,
    .n_columns = 8,
};
static const struct query q_item_all = {
    .name = "item_all",
    .text = BOTH(
        "SELECT id, name, amount_minor, active, made_at, body, document, kind FROM item ORDER BY name"),
    .columns = item_columns,
    .n_columns = 8,
};
static const struct query_column name_amount[] = {
    {"name",         DBT_TEXT},
    {"amount_minor", DBT_I64 }
};
/* parameters out of order: $2 first */
static const struct query q_amount_set = {
    .name = "amount_set",
    .text = BOTH("UPDATE item SET amount_minor = $2 WHERE name = $1"),
    .params = name_amount,
    .n_params = 2,
};
static const struct query_column just_name[] = {
    {"name", DBT_TEXT}
};
static const struct query_column just_amount[] = {
    {"amount_minor", DBT_I64}
};
static const struct query q_amount_of = {
    .name = "amount_of",
    .text = BOTH("SELECT amount_minor FROM item WHERE name = $1"),
    .params = just_name,
    .n_params = 1,
    .columns = just_amount,
    .n_columns = 1,
};
static const struct query q_add_returning = {
    .name = "add_returning",
    .text = BOTH(
        "UPDATE item SET amount_minor = amount_minor + $2 WHERE name = $1 RETURNING amount_minor"),
    .params = name_amount,
    .n_params = 2,
    .columns = just_amount,
    .n_columns = 1,
};
static const struct query_column count_column[] = {
    {"n", DBT_I64}
};
static const struct query q_count = {
    .name = "count",
    .text = BOTH("SELECT count(*) AS n FROM item"),
    .columns = count_column,
    .n_columns = 1,
};
static const struct query q_broken_sql = {
    .name = "broken_sql",
    .text = BOTH("SELECT nothing FROM nowhere"),
    .columns = count_column,
    .n_columns = 1,
};
static const struct query q_wrong_columns = {
    .name = "wrong_columns",
    .text = BOTH("SELECT name, amount_minor FROM item"),
    .columns = just_name,
    .n_columns = 1,
};
static const struct query_column name_as_number[] = {
    {"name", DBT_I64}
};
static const struct query q_wrong_type = {
    .name = "wrong_type",
    .text = BOTH("SELECT name FROM item"),
    .columns = name_as_number,
    .n_columns = 1,
};
static const struct query q_part_add = {
    .name = "part_add",
    .text = BOTH("INSERT INTO part (item_id) VALUES ($1)"),
    .params = by_id,
    .n_params = 1,
};
static const struct query q_slow = {
    .name = "slow",
    .text =
        {[DB_SQLITE] =
             "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT count(*) AS n FROM s",
               [DB_PG] = "SELECT count(*) AS n FROM pg_sleep(30)"},
    .columns = count_column,
    .n_columns = 1,
};
static const struct query q_series = {
    .name = "series",
    .text =
        {[DB_SQLITE] =
             "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5000) SELECT n AS n FROM s",
               [DB_PG] = "SELECT n FROM generate_series(1, 5000::bigint) AS n"},
    .columns = count_column,
    .n_columns = 1,
};

static const char *const schema[DB__COUNT] = {
    [DB_SQLITE] =
        "CREATE TABLE item (id uuid PRIMARY KEY, name text NOT NULL UNIQUE, amount_minor bigint,"
        " active boolean, made_at timestamptz, body bytea, document json, kind text,"
        " CONSTRAINT item_amount_positive CHECK (amount_minor >= 0));"
        "CREATE TABLE part (item_id uuid NOT NULL REFERENCES item);",
    [DB_PG] =
        "DROP TABLE IF EXISTS part; DROP TABLE IF EXISTS item;"
        "CREATE TABLE item (id uuid PRIMARY KEY, name text NOT NULL UNIQUE, amount_minor bigint,"
        " active boolean, made_at timestamptz, body bytea, document jsonb, kind text,"
        " CONSTRAINT item_amount_positive CHECK (amount_minor >= 0));"
        "CREATE TABLE part (item_id uuid NOT NULL REFERENCES item);",
};

static const char *const kinds[] = {"raw", "made", "sold", NULL};

struct item {
    struct uuid id;
    struct str name;
    int64_t amount_minor;
    bool active;
    int64_t made_us;
    struct bytes body;
    struct str document;
    int kind;
    int64_t untouched;
};
/* clang-format off */
static const struct field item_fields[] = {
    FIELD(struct item, id, "id", F_REQUIRED),
    FIELD(struct item, name, "name", F_REQUIRED),
    FIELD(struct item, amount_minor, "amount_minor", 0),
    FIELD(struct item, active, "active", 0),
    FIELD(struct item, made_us, "made_at", F_TIME),
    FIELD(struct item, body, "body", 0),
    FIELD_RAW(struct item, document, "document", 0),
    FIELD_ENUM(struct item, kind, "kind", 0, kinds),
    FIELD(struct item, untouched, "untouched", 0),
};
/* clang-format on */
static OBJECT(item_row, struct item, item_fields, CLOSED);

struct number {
    int64_t n;
};
static const struct field number_fields[] = {FIELD(struct number, n, "n", 0)};
static OBJECT(number_row, struct number, number_fields, CLOSED);
static const struct field amount_fields[] = {FIELD(struct number, n, "amount_minor", 0)};
static OBJECT(amount_row, struct number, amount_fields, CLOSED);

/* -- one database per test ----------------------------------------------------------------------------------------- */

static struct db *db;
static struct arena *arena;
static char folder[64];
static char target[256];

static inline struct db_cfg cfg_of(enum db_kind kind)
{
    if (kind == DB_PG)
        return (struct db_cfg){.kind = DB_PG, .target = server.target};
    return (struct db_cfg){.kind = DB_SQLITE, .target = target};
}

static inline int run_script(struct db *tx, void *arg, struct err *err)
{
    return tx->ops->script(tx, "schema", arg, err);
}

/* False: this engine is not there (said by the starter). */
static inline bool set_up(enum db_kind kind)
{
    struct err err = {0};
    struct db_cfg cfg;

    if (kind == DB_PG && server.target[0] == '\0')
        return false;
    (void)snprintf(folder, sizeof(folder), "/tmp/naru-db-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(target, sizeof(target), "%s/test.db", folder);
    cfg = cfg_of(kind);
    ck_assert_msg(db_open(&cfg, &db, &err) == 0, "%s", err.text);
    ck_assert_int_eq(db_kind(db), kind);
    ck_assert_msg(db_tx(db, "schema", run_script, (void *)(uintptr_t)schema[kind], &err) == 0, "%s",
                  err.text);
    arena = arena_new(MIB(4));
    return true;
}

static inline void tear_down(void)
{
    static const char *const names[] = {"test.db", "test.db-wal", "test.db-shm", "other.db"};
    char path[128];

    db_close(&db);
    arena_free(&arena);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static inline struct uuid id_of(uint8_t n)
{
    return (struct uuid){
        {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, n}
    };
}

static inline int add_item(struct db *d, uint8_t n, const char *name, int64_t amount,
                           struct err *err)
{
    return db_exec(d, &q_item_add,
                   DB_ARGS(DB_UUID(id_of(n)), DB_TEXT(str_c(name)), DB_I64(amount), DB_BOOL(true),
                           DB_TIME(1700000000123456), DB_BYTES(str_n("\0\xff\x01", 3)),
                           DB_JSON(STR("{\"a\": 1}")), DB_TEXT(STR("sold"))),
                   NULL, err);
}

static inline int64_t count_items(struct db *d)
{
    struct err err = {0};
    struct number out = {0};

    ck_assert_msg(db_one(d, &q_count, DB_NO_ARGS, &number_row, arena, &out, &err) == DB_ROW, "%s",
                  err.text);
    return out.n;
}

static inline int64_t amount_of(const char *name)
{
    struct err err = {0};
    struct number out = {-1};

    ck_assert(db_one(db, &q_amount_of, DB_ARGS(DB_TEXT(str_c(name))), &amount_row, arena, &out,
                     &err) != DB_FAIL);
    return out.n;
}
