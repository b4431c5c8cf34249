/*
 * lib/db: the same cases on SQLite and on PostgreSQL; then what only SQLite has. test_db_pg.c holds what only PostgreSQL has.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>

#include "item_db.h"

#include "lib/base/banned.h"

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
    bool inner_fails, outer_fails;
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
        struct script s = {"o", "i", cases[i].inner_fails, cases[i].outer_fails, 0};
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
        char want[24];
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

static const struct query q_bulk_add = {
    .name = "bulk_add",
    .text =
        {[DB_SQLITE] =
             "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < $1)"
             " INSERT INTO item (id, name, body) SELECT randomblob(16), hex(randomblob(16)), randomblob(3000) FROM s"},
    .params = count_column,
    .n_params = 1,
};
static const struct query q_bulk_read = {
    .name = "bulk_read",
    .text = {[DB_SQLITE] = "SELECT count(*) AS n FROM item WHERE length(body) = 3000"},
    .columns = count_column,
    .n_columns = 1,
};
static const struct query q_integrity = {
    .name = "integrity",
    .text = {[DB_SQLITE] = "SELECT integrity_check AS t FROM pragma_integrity_check"},
    .columns = text_column,
    .n_columns = 1,
};

static struct db *open_again(bool read_only)
{
    struct err err = {0};
    struct db_cfg cfg = cfg_of(DB_SQLITE);
    struct db *other = NULL;

    cfg.read_only = read_only;
    ck_assert_msg(db_open(&cfg, &other, &err) == 0, "%s", err.text);
    return other;
}

static int64_t bulk_of(struct db *d)
{
    struct err err = {0};
    struct number found = {0};

    ck_assert_msg(db_one(d, &q_bulk_read, DB_NO_ARGS, &number_row, arena, &found, &err) == DB_ROW,
                  "%s", err.text);
    return found.n;
}

static void check_integrity(void)
{
    struct err err = {0};
    struct text said = {0};

    ck_assert_msg(db_one(db, &q_integrity, DB_NO_ARGS, &text_row, arena, &said, &err) == DB_ROW,
                  "%s", err.text);
    ck_assert_msg(str_eq_c(said.t, "ok"), "%.*s", STR_ARG(said.t));
}

struct bulk {
    int64_t rows;
    int64_t seen_inside;
};

static int add_bulk(struct db *tx, void *arg, struct err *err)
{
    struct bulk *bulk = arg;

    if (db_exec(tx, &q_bulk_add, DB_ARGS(DB_I64(bulk->rows)), NULL, err) < 0)
        return err_ret(err);
    bulk->seen_inside = bulk_of(tx);
    return 0;
}

/* More pages than the cache holds: some go to the log before the commit, and are read back from it. */
START_TEST(test_sqlite_large_commit)
{
    enum { ROWS = 6000 };
    struct err err = {0};
    struct bulk bulk = {.rows = ROWS};
    struct db *reader;

    ck_assert(set_up(DB_SQLITE));
    reader = open_again(true);
    ck_assert_msg(db_tx(db, "bulk", add_bulk, &bulk, &err) == 0, "%s", err.text);
    ck_assert_int_eq(bulk.seen_inside, ROWS);
    ck_assert_int_eq(bulk_of(reader), ROWS);
    for (int i = 0; i < 50; i++) { /* small ones behind it: each is there at once */
        bulk.rows = 1;
        ck_assert_msg(db_tx(db, "bulk", add_bulk, &bulk, &err) == 0, "%s", err.text);
        ck_assert_int_eq(bulk_of(reader), ROWS + i + 1);
    }
    check_integrity();
    db_close(&reader);
    db_close(&db);
    db = open_again(false);
    ck_assert_int_eq(bulk_of(db), ROWS + 50);
    check_integrity();
    tear_down();
}

END_TEST

static void allow_file_bytes(rlim_t most)
{
    const struct rlimit limit = {most, RLIM_INFINITY};

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The log cannot grow: the commit fails and changes nothing, and the next one works when there is room again. */
START_TEST(test_sqlite_no_room)
{
    struct err err = {0};
    struct bulk bulk = {.rows = 10};
    struct db *reader;
    char log[sizeof(target) + 4];
    struct stat st;

    ck_assert(set_up(DB_SQLITE));
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    reader = open_again(true);
    ck_assert_msg(db_tx(db, "bulk", add_bulk, &bulk, &err) == 0, "%s", err.text);
    (void)snprintf(log, sizeof(log), "%s-wal", target);
    ck_assert_int_eq(stat(log, &st), 0);
    for (rlim_t more = 0; more < KIB(64); more += 1030) { /* in the middle of heads and of pages */
        allow_file_bytes((rlim_t)st.st_size + more);
        bulk.rows = 200;
        ck_assert_int_eq(db_tx(db, "bulk", add_bulk, &bulk, &err), -E_DB);
        ck_assert_int_eq(bulk_of(db), 10);
        ck_assert_int_eq(bulk_of(reader), 10);
        err = (struct err){0};
    }
    allow_file_bytes(RLIM_INFINITY);
    ck_assert_msg(db_tx(db, "bulk", add_bulk, &bulk, &err) == 0, "%s", err.text);
    ck_assert_int_eq(bulk_of(reader), 210);
    check_integrity();
    db_close(&reader);
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
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_target, 0, (int)ARRAY_LEN(targets));
    tcase_add_loop_test(tc, test_sqlite, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_pg, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, test_sqlite_is_durable);
    tcase_add_test(tc, test_sqlite_other_file);
    tcase_add_test(tc, test_sqlite_large_commit);
    tcase_add_test(tc, test_sqlite_no_room);
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
