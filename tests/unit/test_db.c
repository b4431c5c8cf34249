/*
 * lib/db: the same cases on SQLite and on PostgreSQL; what only one engine has follows below them.
 */
#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/wait.h>
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

static struct db_cfg cfg_of(enum db_kind kind)
{
    if (kind == DB_PG)
        return (struct db_cfg){.kind = DB_PG, .target = server.target};
    return (struct db_cfg){.kind = DB_SQLITE, .target = target};
}

static int run_script(struct db *tx, void *arg, struct err *err)
{
    return tx->ops->script(tx, "schema", arg, err);
}

/* False: this engine is not there (said by the starter). */
static bool set_up(enum db_kind kind)
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

static void tear_down(void)
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

static struct uuid id_of(uint8_t n)
{
    return (struct uuid){
        {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, n}
    };
}

static int add_item(struct db *d, uint8_t n, const char *name, int64_t amount, struct err *err)
{
    return db_exec(d, &q_item_add,
                   DB_ARGS(DB_UUID(id_of(n)), DB_TEXT(str_c(name)), DB_I64(amount), DB_BOOL(true),
                           DB_TIME(1700000000123456), DB_BYTES(str_n("\0\xff\x01", 3)),
                           DB_JSON(STR("{\"a\": 1}")), DB_TEXT(STR("sold"))),
                   NULL, err);
}

static int64_t count_items(struct db *d)
{
    struct err err = {0};
    struct number out = {0};

    ck_assert_msg(db_one(d, &q_count, DB_NO_ARGS, &number_row, arena, &out, &err) == DB_ROW, "%s",
                  err.text);
    return out.n;
}

static int64_t amount_of(const char *name)
{
    struct err err = {0};
    struct number out = {-1};

    ck_assert(db_one(db, &q_amount_of, DB_ARGS(DB_TEXT(str_c(name))), &amount_row, arena, &out,
                     &err) != DB_FAIL);
    return out.n;
}

/* -- cases of both engines: each gets a fresh database ----------------------------------------------------------------- */

static void round_trip(void)
{
    struct err err = {0};
    struct item item = {.untouched = 42};

    ck_assert_msg(add_item(db, 1, "첫째", INT64_MAX, &err) == 0, "%s", err.text);
    ck_assert_msg(db_one(db, &q_item_by_id, DB_ARGS(DB_UUID(id_of(1))), &item_row, arena, &item,
                         &err) == DB_ROW,
                  "%s", err.text);
    ck_assert(uuid_eq(item.id, id_of(1)));
    ck_assert(str_eq_c(item.name, "첫째"));
    ck_assert_int_eq(item.amount_minor, INT64_MAX);
    ck_assert(item.active);
    ck_assert_int_eq(item.made_us, 1700000000123456);
    ck_assert_uint_eq(item.body.n, 3);
    ck_assert_int_eq(memcmp(item.body.p, "\0\xff\x01", 3), 0);
    ck_assert(str_eq_c(item.document, "{\"a\": 1}"));
    ck_assert_int_eq(item.kind, 2);
    ck_assert_int_eq(item.untouched, 42);
}

static void nulls_leave_members(void)
{
    struct err err = {0};
    struct item item = {.amount_minor = 7, .made_us = 8, .kind = 1, .document = STR("x")};

    ck_assert_msg(db_exec(db, &q_item_add,
                          DB_ARGS(DB_UUID(id_of(2)), DB_TEXT(STR("")), DB_NULL(DBT_I64),
                                  DB_NULL(DBT_BOOL), DB_NULL(DBT_TIME), DB_BYTES(STR_NONE),
                                  DB_JSON(STR_NONE), DB_TEXT(STR_NONE)),
                          NULL, &err) == 0,
                  "%s", err.text);
    ck_assert(db_one(db, &q_item_by_id, DB_ARGS(DB_UUID(id_of(2))), &item_row, arena, &item,
                     &err) == DB_ROW);
    ck_assert(str_present(item.name) && item.name.n == 0);
    ck_assert_int_eq(item.amount_minor, 7);
    ck_assert_int_eq(item.made_us, 8);
    ck_assert_int_eq(item.kind, 1);
    ck_assert(str_eq_c(item.document, "x"));
}

static void no_row_and_changes(void)
{
    struct err err = {0};
    struct item item = {0};
    int64_t changed = -1;

    ck_assert(db_one(db, &q_item_by_id, DB_ARGS(DB_UUID(id_of(9))), &item_row, arena, &item,
                     &err) == DB_NONE);
    ck_assert_int_eq(add_item(db, 1, "a", 1, &err), 0);
    ck_assert_int_eq(add_item(db, 2, "b", 1, &err), 0);
    ck_assert_int_eq(
        db_exec(db, &q_amount_set, DB_ARGS(DB_TEXT(STR("b")), DB_I64(5)), &changed, &err), 0);
    ck_assert_int_eq(changed, 1);
    ck_assert_int_eq(amount_of("b"), 5);
    ck_assert_int_eq(amount_of("a"), 1);
    ck_assert_int_eq(
        db_exec(db, &q_amount_set, DB_ARGS(DB_TEXT(STR("c")), DB_I64(5)), &changed, &err), 0);
    ck_assert_int_eq(changed, 0);
    ck_assert_int_eq(db_exec(db, &q_count, DB_NO_ARGS, &changed, &err), 0);
    ck_assert_int_eq(changed, 0);
    struct number out = {0};
    ck_assert(db_one(db, &q_add_returning, DB_ARGS(DB_TEXT(STR("b")), DB_I64(2)), &amount_row,
                     arena, &out, &err) == DB_ROW);
    ck_assert_int_eq(out.n, 7);
    ck_assert_int_eq(amount_of("b"), 7);
}

static void more_than_one_row(void)
{
    struct err err = {0};
    struct item item = {.untouched = 3};

    ck_assert_int_eq(add_item(db, 1, "a", 1, &err), 0);
    ck_assert_int_eq(add_item(db, 2, "b", 1, &err), 0);
    ck_assert(db_one(db, &q_item_all, DB_NO_ARGS, &item_row, arena, &item, &err) == DB_FAIL);
    ck_assert_int_eq(err.code, E_INTERNAL);
    ck_assert_str_eq(err.at, "item_all");
    ck_assert(!str_present(item.name) && item.untouched == 3);
    ck_assert_int_eq(count_items(db), 2);
}

static void lists(void)
{
    struct err err = {0};
    struct list list = {0};

    ck_assert_int_eq(db_list(db, &q_item_all, DB_NO_ARGS, &item_row, arena, 0, &list, &err), 0);
    ck_assert_uint_eq(list.n, 0);
    for (uint8_t i = 0; i < 5; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "n%u", i);
        ck_assert_int_eq(add_item(db, i, name, i, &err), 0);
    }
    ck_assert_int_eq(db_list(db, &q_item_all, DB_NO_ARGS, &item_row, arena, 3, &list, &err), 0);
    ck_assert_uint_eq(list.n, 3);
    ck_assert_int_eq(db_list(db, &q_item_all, DB_NO_ARGS, &item_row, arena, 0, &list, &err), 0);
    ck_assert_uint_eq(list.n, 5);
    const struct item *items = LIST_ITEMS(struct item, list);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(items[i].amount_minor, i);
        ck_assert_int_eq(items[i].name.p[1], '0' + i);
    }
    ck_assert_int_eq(db_list(db, &q_series, DB_NO_ARGS, &number_row, arena, 0, &list, &err), 0);
    ck_assert_uint_eq(list.n, LIMIT_PAGE);
}

static void list_beyond_arena(void)
{
    struct err err = {0};
    struct list list = {0};
    AUTO(arena_free) struct arena *small = arena_new(1024);

    ck_assert(db_list(db, &q_series, DB_NO_ARGS, &number_row, small, 0, &list, &err) < 0);
    ck_assert_int_eq(err.code, E_NO_MEMORY);
    ck_assert_uint_eq(list.n, 0);
    ck_assert_int_eq(count_items(db), 0);
}

struct walk {
    int64_t sum, n, stop_after;
    bool nested;
};

static int add_number(void *cls, const void *value, struct err *err)
{
    struct walk *walk = cls;
    const struct number *number = value;
    struct number out = {0};

    walk->sum += number->n;
    if (++walk->n == walk->stop_after)
        return err_set(err, E_CONFLICT, "", "enough");
    if (walk->nested && db_one(db, &q_count, DB_NO_ARGS, &number_row, arena, &out, err) == DB_FAIL)
        return err_ret(err);
    return 0;
}

static void each(void)
{
    struct err err = {0};
    struct walk walk = {0};

    ck_assert_msg(db_each(db, &q_series, DB_NO_ARGS, &number_row, add_number, &walk, &err) == 0,
                  "%s", err.text);
    ck_assert_int_eq(walk.n, 5000);
    ck_assert_int_eq(walk.sum, 5000 * 5001 / 2);
    walk = (struct walk){.stop_after = 10};
    ck_assert_int_eq(db_each(db, &q_series, DB_NO_ARGS, &number_row, add_number, &walk, &err),
                     -E_CONFLICT);
    ck_assert_int_eq(walk.n, 10);
    err_clear(&err);
    walk = (struct walk){.nested = true};
    ck_assert(db_each(db, &q_series, DB_NO_ARGS, &number_row, add_number, &walk, &err) < 0);
    ck_assert_int_eq(err.code, E_INTERNAL);
    ck_assert_int_eq(walk.n, 1);
    err_clear(&err);
    ck_assert_int_eq(add_item(db, 1, "still works", 1, &err), 0);
}

static void constraints(void)
{
    struct err err = {0};

    ck_assert_int_eq(add_item(db, 1, "a", 1, &err), 0);
    ck_assert_int_eq(add_item(db, 2, "b", -1, &err), -E_DB_CONSTRAINT);
    ck_assert_str_eq(err.at, "item_amount_positive");
    ck_assert_int_eq(err_http(err.code), 409);
    ck_assert_int_eq(add_item(db, 2, "a", 1, &err), -E_DB_CONSTRAINT);
    ck_assert_str_eq(err.at, db_kind(db) == DB_PG ? "item_name_key" : "item.name");
    ck_assert_int_eq(db_exec(db, &q_part_add, DB_ARGS(DB_NULL(DBT_UUID)), NULL, &err),
                     -E_DB_CONSTRAINT);
    ck_assert_str_eq(err.at, "part.item_id");
    ck_assert_int_eq(db_exec(db, &q_part_add, DB_ARGS(DB_UUID(id_of(7))), NULL, &err),
                     -E_DB_CONSTRAINT);
    ck_assert_str_eq(err.at, db_kind(db) == DB_PG ? "part_item_id_fkey" : "");
    ck_assert_int_eq(count_items(db), 1);
}

static void mistakes_of_ours(void)
{
    struct err err = {0};
    struct number out = {-1};

    ck_assert_int_eq(db_exec(db, &q_amount_set, DB_ARGS(DB_TEXT(STR("a"))), NULL, &err),
                     -E_INTERNAL);
    ck_assert_str_eq(err.at, "amount_set");
    ck_assert_int_eq(db_exec(db, &q_amount_set, DB_ARGS(DB_I64(1), DB_I64(1)), NULL, &err),
                     -E_INTERNAL);
    ck_assert_int_eq(db_exec(db, &q_broken_sql, DB_NO_ARGS, NULL, &err), -E_INTERNAL);
    ck_assert_str_eq(err.at, "broken_sql");
    ck_assert_int_eq(db_exec(db, &q_wrong_columns, DB_NO_ARGS, NULL, &err), -E_INTERNAL);
    ck_assert(db_one(db, &q_item_all, DB_NO_ARGS, &amount_row, arena, &out, &err) == DB_NONE);
    const struct query *const right[] = {&q_item_add, &q_item_by_id,    &q_amount_set,
                                         &q_count,    &q_add_returning, &q_slow};
    err_clear(&err);
    ck_assert_msg(db_check_queries(db, right, ARRAY_LEN(right), &err) == 0, "%s", err.text);
    const struct query *const wrong[] = {&q_broken_sql, &q_wrong_columns, &q_wrong_type};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        ck_assert_msg(db_check_queries(db, &wrong[i], 1, &err) == -E_INTERNAL, "%s",
                      wrong[i]->name);
        ck_assert_str_eq(err.at, wrong[i]->name);
    }
    ck_assert_int_eq(count_items(db), 0);
}

/* -- transactions ------------------------------------------------------------------------------------------------------ */

struct script {
    const char *outer, *inner;
    bool inner_fails, outer_fails, ignore_constraint;
    int calls;
};

static int inner_body(struct db *tx, void *arg, struct err *err)
{
    const struct script *s = arg;

    if (add_item(tx, 2, s->inner, 1, err) < 0)
        return err_ret(err);
    return s->inner_fails ? err_set(err, E_CONFLICT, "", "inner refuses") : 0;
}

static int outer_body(struct db *tx, void *arg, struct err *err)
{
    struct script *s = arg;
    struct err inner = {0};

    s->calls++;
    if (add_item(tx, 1, s->outer, 1, err) < 0)
        return err_ret(err);
    if (s->ignore_constraint && add_item(tx, 3, s->outer, 1, &inner) == 0)
        return err_set(err, E_INTERNAL, "", "the constraint did not fire");
    int rc = db_tx(tx, "inner", inner_body, s, &inner);
    if ((rc < 0) != s->inner_fails)
        return err_set(err, E_INTERNAL, "", "inner gave %d: %s", rc, inner.text);
    return s->outer_fails ? err_set(err, E_CONFLICT, "", "outer refuses") : 0;
}

static void transactions(void)
{
    static const struct {
        bool inner_fails, outer_fails;
        int64_t items;
    } cases[] = {
        {false, false, 2},
        {true,  false, 1},
        {false, true,  0},
        {true,  true,  0}
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct script s = {"o", "i", cases[i].inner_fails, cases[i].outer_fails, false, 0};
        int rc = db_tx(db, "outer", outer_body, &s, &err);
        ck_assert_msg(rc == (cases[i].outer_fails ? -E_CONFLICT : 0), "case %zu: %d %s", i, rc,
                      err.text);
        ck_assert_int_eq(s.calls, 1);
        ck_assert_msg(count_items(db) == cases[i].items, "case %zu", i);
        ck_assert_uint_eq(db->depth, 0);
        if (cases[i].outer_fails)
            ck_assert_msg(strncmp(err.text, "outer: outer refuses", 20) == 0, "%s", err.text);
        err_clear(&err);
        ck_assert_int_eq(
            db_tx(db, "schema", run_script, (void *)(uintptr_t) "DELETE FROM item", &err), 0);
    }
}

static int empty_body(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

static int silent_failure(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return -1;
}

static int reads_twice(struct db *tx, void *arg, struct err *err)
{
    struct db *other = arg;
    int64_t before = count_items(tx);

    if (add_item(other, 5, "meanwhile", 1, err) < 0)
        return err_ret(err);
    ck_assert_int_eq(count_items(other), before + 1);
    return count_items(tx) == before ? 0 : err_set(err, E_INTERNAL, "", "not one snapshot");
}

static int writes(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return add_item(tx, 1, "x", 1, err);
}

static int nested_writes(struct db *tx, void *arg, struct err *err)
{
    return db_tx(tx, "nested", writes, arg, err);
}

static void odd_transactions(void)
{
    struct err err = {0};
    AUTO(db_close) struct db *other = NULL;
    struct db_cfg cfg = cfg_of(db_kind(db));

    ck_assert_int_eq(db_tx(db, "empty", empty_body, NULL, &err), 0);
    ck_assert_int_eq(db_snapshot(db, "empty", empty_body, NULL, &err), 0);
    ck_assert_int_eq(db_tx(db, "silent", silent_failure, NULL, &err), -E_INTERNAL);
    err_clear(&err);
    ck_assert_int_eq(db_open(&cfg, &other, &err), 0);
    ck_assert_msg(db_snapshot(db, "reads", reads_twice, other, &err) == 0, "%s", err.text);
    ck_assert_int_eq(db_snapshot(db, "writes", writes, NULL, &err), -E_INTERNAL);
    ck_assert_int_eq(db_snapshot(db, "writes", nested_writes, NULL, &err), -E_INTERNAL);
    ck_assert_int_eq(count_items(db), 1);
}

static void reader_is_read_only(void)
{
    struct err err = {0};
    AUTO(db_close) struct db *reader = NULL;
    struct db_cfg cfg = cfg_of(db_kind(db));

    cfg.read_only = true;
    ck_assert_int_eq(add_item(db, 1, "a", 1, &err), 0);
    ck_assert_msg(db_open(&cfg, &reader, &err) == 0, "%s", err.text);
    ck_assert_int_eq(count_items(reader), 1);
    ck_assert(add_item(reader, 2, "b", 1, &err) < 0);
    ck_assert(db_tx(reader, "writes", writes, NULL, &err) < 0);
    ck_assert_int_eq(count_items(db), 1);
}

static void time_out(void)
{
    struct err err = {0};
    AUTO(db_close) struct db *reader = NULL;
    struct db_cfg cfg = cfg_of(db_kind(db));
    struct number out = {0};

    cfg.read_only = true;
    cfg.timeout_us = US_PER_S / 5;
    ck_assert_msg(db_open(&cfg, &reader, &err) == 0, "%s", err.text);
    ck_assert(db_one(reader, &q_slow, DB_NO_ARGS, &number_row, arena, &out, &err) == DB_FAIL);
    ck_assert_int_eq(err.code, E_DB);
    ck_assert_str_eq(err.at, "slow");
    ck_assert_int_eq(count_items(reader), 0);
}

/* -- operator's cursor --------------------------------------------------------------------------------------------------- */

static void cursors(void)
{
    static const char *const refused[] = {
        "DELETE FROM item",
        "SELECT 1; DELETE FROM item",
        "SELEC 1",
        "",
        "INSERT INTO item (name) VALUES ('x') RETURNING name",
    };
    struct err err = {0};
    AUTO(db_close) struct db *reader = NULL;
    AUTO(db_cursor_close) struct db_cursor *cursor = NULL;
    struct db_cfg cfg = cfg_of(db_kind(db));
    int64_t rows = 0;

    ck_assert_int_eq(add_item(db, 1, "a", 5, &err), 0);
    ck_assert_int_eq(db_cursor_open(db, "SELECT 1", &cursor, &err), -E_INTERNAL);
    cfg.read_only = true;
    ck_assert_int_eq(db_open(&cfg, &reader, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        ck_assert_msg(db_cursor_open(reader, refused[i], &cursor, &err) == -E_CONFIG, "%s: %s",
                      refused[i], err.text);
        ck_assert_ptr_null(cursor);
    }
    err_clear(&err);
    ck_assert_msg(
        db_cursor_open(reader,
                       "SELECT name, amount_minor, NULL AS missing, body, 1.5 AS f FROM item;",
                       &cursor, &err) == 0,
        "%s", err.text);
    ck_assert_uint_eq(db_cursor_columns(cursor), 5);
    ck_assert(str_eq_c(db_cursor_name(cursor, 1), "amount_minor"));
    ck_assert(db_cursor_next(cursor, &err) == DB_ROW);
    ck_assert(str_eq_c(db_cursor_value(cursor, 0), "a") && !db_cursor_is_number(cursor, 0));
    ck_assert(str_eq_c(db_cursor_value(cursor, 1), "5") && db_cursor_is_number(cursor, 1));
    ck_assert(!str_present(db_cursor_value(cursor, 2)));
    ck_assert(str_eq_c(db_cursor_value(cursor, 3), "\\x00ff01"));
    ck_assert(str_eq_c(db_cursor_value(cursor, 4), "1.5") && db_cursor_is_number(cursor, 4));
    ck_assert(db_cursor_next(cursor, &err) == DB_NONE);
    db_cursor_close(&cursor);
    ck_assert_int_eq(db_cursor_open(reader, q_series.text[db_kind(db)], &cursor, &err), 0);
    while (db_cursor_next(cursor, &err) == DB_ROW) {
        char want[16];
        (void)snprintf(want, sizeof(want), "%" PRId64, ++rows);
        ck_assert(str_eq_c(db_cursor_value(cursor, 0), want));
    }
    ck_assert_int_eq(err.code, E_OK);
    ck_assert_int_eq(rows, 5000);
    db_cursor_close(&cursor);
    ck_assert_int_eq(count_items(reader), 1);
}

/* clang-format off */
static const struct { const char *name; void (*fn)(void); } cases[] = {
    {"round trip", round_trip},
    {"nulls leave members", nulls_leave_members},
    {"no row and changes", no_row_and_changes},
    {"more than one row", more_than_one_row},
    {"lists", lists},
    {"list beyond arena", list_beyond_arena},
    {"each", each},
    {"constraints", constraints},
    {"mistakes of ours", mistakes_of_ours},
    {"transactions", transactions},
    {"odd transactions", odd_transactions},
    {"reader is read-only", reader_is_read_only},
    {"time-out", time_out},
    {"cursors", cursors},
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

/* -- PostgreSQL only ------------------------------------------------------------------------------------------------- */

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

/* An error that the body ignores has ended PostgreSQL's transaction: nothing may look as if it had been done. */
START_TEST(test_pg_ignored_error)
{
    struct err err = {0};
    struct script s = {.outer = "o", .inner = "i", .ignore_constraint = true};

    if (!set_up(DB_PG))
        return;
    ck_assert(db_tx(db, "outer", outer_body, &s, &err) < 0);
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
    ck_assert_int_eq(here.calls + there.calls, 3);
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

/* -- SQLite only --------------------------------------------------------------------------------------------------- */

static const struct query_column text_column[] = {
    {"t", DBT_TEXT}
};
static const struct query q_journal = {
    .name = "journal",
    .text = {[DB_SQLITE] = "SELECT journal_mode AS t FROM pragma_journal_mode"},
    .columns = text_column,
    .n_columns = 1,
};
static const struct query q_synchronous = {
    .name = "synchronous",
    .text = {[DB_SQLITE] = "SELECT synchronous AS n FROM pragma_synchronous"},
    .columns = count_column,
    .n_columns = 1,
};

struct text {
    struct str t;
};
static const struct field text_fields[] = {FIELD(struct text, t, "t", 0)};
static OBJECT(text_row, struct text, text_fields, CLOSED);

START_TEST(test_sqlite_is_durable)
{
    struct err err = {0};
    struct text mode = {0};
    struct number sync = {0};

    ck_assert(set_up(DB_SQLITE));
    ck_assert(db_one(db, &q_journal, DB_NO_ARGS, &text_row, arena, &mode, &err) == DB_ROW);
    ck_assert(str_eq_c(mode.t, "wal"));
    ck_assert(db_one(db, &q_synchronous, DB_NO_ARGS, &number_row, arena, &sync, &err) == DB_ROW);
    ck_assert_int_eq(sync.n, 2); /* FULL */
    bool woken;
    ck_assert_int_eq(db_listen(db, "x", &err), -E_INTERNAL);
    ck_assert_int_eq(db_wait(db, 0, &woken, &err), -E_INTERNAL);
    ck_assert_int_eq(db_fd(db), -1);
    tear_down();
}

END_TEST

START_TEST(test_sqlite_other_file)
{
    struct err err = {0};
    struct db *other = NULL;
    char path[128];

    ck_assert(set_up(DB_SQLITE));
    (void)snprintf(path, sizeof(path), "%s/other.db", folder);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_eq(write(fd, "this is no database, it is a letter", 35), 35);
    (void)close(fd);
    struct db_cfg cfg = {.kind = DB_SQLITE, .target = path};
    ck_assert_int_eq(db_open(&cfg, &other, &err), -E_CONFIG);
    cfg.target = "/nonexistent/folder/x.db";
    ck_assert_int_eq(db_open(&cfg, &other, &err), -E_DB);
    ck_assert_ptr_null(other);
    tear_down();
}

END_TEST

/* clang-format off */
static const struct { const char *text; int rc; enum db_kind kind; const char *target; } targets[] = {
    {"sqlite:/var/lib/naru/x.db", 0, DB_SQLITE, "/var/lib/naru/x.db"},
    {"sqlite::memory:", 0, DB_SQLITE, ":memory:"},
    {"sqlite:a=b", 0, DB_SQLITE, "a=b"},
    {"postgresql://h/d", 0, DB_PG, "postgresql://h/d"},
    {"postgres://h/d", 0, DB_PG, "postgres://h/d"},
    {"host=/tmp dbname=x", 0, DB_PG, "host=/tmp dbname=x"},
    {"sqlite:", -E_CONFIG, 0, NULL},
    {"mysql://h/d", -E_CONFIG, 0, NULL},
    {"", -E_CONFIG, 0, NULL},
};

/* clang-format on */

START_TEST(test_target)
{
    struct err err = {0};
    struct db_cfg cfg = {0};

    ck_assert_msg(db_target_parse(targets[_i].text, &cfg, &err) == targets[_i].rc, "%s",
                  targets[_i].text);
    if (targets[_i].rc == 0) {
        ck_assert_int_eq(cfg.kind, targets[_i].kind);
        ck_assert_str_eq(cfg.target, targets[_i].target);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("db");
    TCase *tc = tcase_create("both");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_target, 0, (int)ARRAY_LEN(targets));
    tcase_add_loop_test(tc, test_sqlite, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_pg, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, test_pg_arrays);
    tcase_add_test(tc, test_pg_ignored_error);
    tcase_add_test(tc, test_pg_deadlock_is_repeated);
    tcase_add_test(tc, test_pg_notifications);
    tcase_add_test(tc, test_pg_reconnects);
    tcase_add_test(tc, test_pg_role);
    tcase_add_test(tc, test_sqlite_is_durable);
    tcase_add_test(tc, test_sqlite_other_file);
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
