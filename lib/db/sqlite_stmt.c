/*
 * SQLite engine: statements. "$1" is a named parameter here, so numbers are looked up once at preparation. Storage: uuid as
 * 16-byte BLOB, bool as 0 or 1, time as integer µs, json as text.
 */
#include "lib/base/check.h"
#include "lib/db/sqlite_private.h"

#include "lib/base/banned.h"

static sqlite3_stmt *handle_of(const struct db_stmt *stmt)
{
    return stmt->engine;
}

static int map_params(struct db_stmt *stmt, sqlite3_stmt *h, struct err *err)
{
    const struct query *q = stmt->q;
    int used = 0;

    if (q->n_params > DB_MAX_PARAMS)
        return err_set(err, E_INTERNAL, q->name, "%u parameters", q->n_params);
    free(stmt->bind);
    if ((stmt->bind = calloc(q->n_params + 1, sizeof(*stmt->bind))) == NULL)
        return err_set(err, E_NO_MEMORY, q->name, "%u parameters", q->n_params);
    for (unsigned i = 0; i < q->n_params; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "$%u", i + 1);
        stmt->bind[i] = sqlite3_bind_parameter_index(h, name);
        used += stmt->bind[i] != 0;
    }
    if (used != sqlite3_bind_parameter_count(h))
        return err_set(err, E_INTERNAL, q->name, "%d parameters in the text, %u declared",
                       sqlite3_bind_parameter_count(h), q->n_params);
    return 0;
}

int sqlite__prepare(struct db *db, struct db_stmt *stmt, struct err *err)
{
    struct db_sqlite *s = sqlite_of(db);
    const struct query *q = stmt->q;
    sqlite3_stmt *h;

    if (stmt->engine != NULL)
        return 0;
    if (sqlite3_prepare_v3(s->handle, q->text[DB_SQLITE], -1, SQLITE_PREPARE_PERSISTENT, &h,
                           NULL) != SQLITE_OK)
        return sqlite__error(s, q->name, err);
    if (h == NULL)
        return err_set(err, E_INTERNAL, q->name, "the statement is empty");
    if (q->n_columns != 0 && sqlite3_column_count(h) != (int)q->n_columns)
        (void)err_set(err, E_INTERNAL, q->name, "%d columns, %u declared", sqlite3_column_count(h),
                      q->n_columns);
    else if (map_params(stmt, h, err) == 0) {
        stmt->engine = h;
        return 0;
    }
    (void)sqlite3_finalize(h);
    return err_ret(err);
}

void sqlite__forget(struct db_stmt *stmt)
{
    (void)sqlite3_finalize(handle_of(stmt));
    stmt->engine = NULL;
}

/* Texts are borrowed by SQLite until finish: the caller's arguments live as long. */
static int bind_one(sqlite3_stmt *h, int i, const struct db_arg *arg)
{
    if (arg->null)
        return sqlite3_bind_null(h, i);
    switch (arg->type) {
    case DBT_TEXT:
    case DBT_JSON:
        return sqlite3_bind_text64(h, i, arg->u.text.p, arg->u.text.n, SQLITE_STATIC, SQLITE_UTF8);
    case DBT_BYTES: return sqlite3_bind_blob64(h, i, arg->u.text.p, arg->u.text.n, SQLITE_STATIC);
    case DBT_I64:
    case DBT_TIME: return sqlite3_bind_int64(h, i, arg->u.i64);
    case DBT_BOOL: return sqlite3_bind_int64(h, i, arg->u.i64 != 0);
    case DBT_UUID:
        return sqlite3_bind_blob(h, i, arg->u.uuid.b, sizeof(arg->u.uuid.b), SQLITE_STATIC);
    case DBT_TEXT_ARRAY:
    case DBT_I64_ARRAY:
    case DBT_UUID_ARRAY:
    case DBT_TIME_ARRAY:
    case DBT_BYTES_ARRAY: return SQLITE_MISMATCH;
    }
    CHECK_UNREACHABLE();
}

int sqlite__start(struct db *db, struct db_stmt *stmt, const struct db_arg *args, bool stream,
                  struct err *err)
{
    struct db_sqlite *s = sqlite_of(db);
    sqlite3_stmt *h = handle_of(stmt);

    (void)stream; /* SQLite always delivers row by row */
    if (sqlite__check_open(s, err) < 0)
        return err_ret(err);
    if (db->snapshot && sqlite3_stmt_readonly(h) == 0)
        return err_set(err, E_INTERNAL, stmt->q->name, "the statement writes inside a snapshot");
    for (unsigned i = 0; i < stmt->q->n_params; i++) {
        if (stmt->bind[i] != 0 && bind_one(h, stmt->bind[i], &args[i]) != SQLITE_OK) {
            (void)sqlite3_clear_bindings(h);
            return err_set(err, E_INTERNAL, stmt->q->name, "argument $%u cannot be bound", i + 1);
        }
    }
    sqlite__start_deadline(s);
    return 0;
}

enum db_result sqlite__next(struct db *db, struct db_stmt *stmt, struct err *err)
{
    struct db_sqlite *s = sqlite_of(db);
    sqlite3_stmt *h = handle_of(stmt);

    switch (sqlite3_step(h)) {
    case SQLITE_ROW: return DB_ROW;
    case SQLITE_DONE:
        db->changed = sqlite3_stmt_readonly(h) != 0 ? 0 : sqlite3_changes64(s->handle);
        return DB_NONE;
    default: (void)sqlite__error(s, stmt->q->name, err); return DB_FAIL;
    }
}

void sqlite__finish(struct db *db, struct db_stmt *stmt)
{
    (void)db;
    (void)sqlite3_reset(handle_of(stmt)); /* repeats the error of step, which is known */
    (void)sqlite3_clear_bindings(handle_of(stmt));
}

static const void *never_null(const void *p)
{
    return p != NULL ? p : "";
}

int sqlite__value(struct db *db, struct db_stmt *stmt, unsigned column, struct db_arg *ret_value,
                  struct err *err)
{
    sqlite3_stmt *h = handle_of(stmt);
    int i = (int)column, type = sqlite3_column_type(h, i);
    bool ok = false;

    (void)db;
    ret_value->null = type == SQLITE_NULL;
    if (ret_value->null)
        return 0;
    switch (ret_value->type) {
    case DBT_JSON: /* a declared type "json" has numeric affinity: a bare number comes back as one */
    case DBT_TEXT:
        ok = type == SQLITE_TEXT || (ret_value->type == DBT_JSON && type != SQLITE_BLOB);
        if (ok) {
            const void *p = never_null(sqlite3_column_text(h, i));
            ret_value->u.text = str_n(p, (size_t)sqlite3_column_bytes(h, i));
        }
        break;
    case DBT_BYTES:
        ok = type == SQLITE_BLOB;
        if (ok) {
            const void *p = never_null(sqlite3_column_blob(h, i));
            ret_value->u.text = str_n(p, (size_t)sqlite3_column_bytes(h, i));
        }
        break;
    case DBT_I64:
    case DBT_TIME:
    case DBT_BOOL:
        ok = type == SQLITE_INTEGER;
        ret_value->u.i64 = sqlite3_column_int64(h, i);
        break;
    case DBT_UUID:
        ok = type == SQLITE_BLOB && sqlite3_column_bytes(h, i) == (int)sizeof(ret_value->u.uuid.b);
        if (ok)
            memcpy(ret_value->u.uuid.b, sqlite3_column_blob(h, i), sizeof(ret_value->u.uuid.b));
        break;
    case DBT_TEXT_ARRAY:
    case DBT_I64_ARRAY:
    case DBT_UUID_ARRAY:
    case DBT_TIME_ARRAY:
    case DBT_BYTES_ARRAY: break;
    }
    if (!ok)
        return err_set(err, E_CORRUPT, stmt->q->name, "column '%s' is not %s (stored as type %d)",
                       stmt->q->columns[column].name, db__type_name(ret_value->type), type);
    return 0;
}

/* Declared types of a schema that may carry a type of ours; SQLite itself enforces none of them. */
/* clang-format off */
static const char *const declared[][5] = {
    [DBT_TEXT]  = {"text"},
    [DBT_I64]   = {"bigint", "integer", "int", "smallint"},
    [DBT_BOOL]  = {"boolean", "bool", "integer", "bigint"},
    [DBT_UUID]  = {"uuid", "blob", "bytea"},
    [DBT_TIME]  = {"bigint", "integer", "timestamptz"},
    [DBT_BYTES] = {"bytea", "blob"},
    [DBT_JSON]  = {"json", "jsonb", "text"},
};

/* clang-format on */

static bool type_fits(enum db_type type, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(declared[0]) && declared[type][i] != NULL; i++)
        if (str_eq_nocase(str_c(declared[type][i]), str_c(name)))
            return true;
    return false;
}

int sqlite__check(struct db *db, struct db_stmt *stmt, struct err *err)
{
    const struct query *q = stmt->q;
    sqlite3_stmt *h = handle_of(stmt);

    (void)db;
    for (unsigned i = 0; i < q->n_params; i++)
        if (q->params[i].type > DBT_JSON || stmt->bind[i] == 0)
            return err_set(err, E_INTERNAL, q->name, "parameter $%u '%s' is %s", i + 1,
                           q->params[i].name, stmt->bind[i] == 0 ? "not used" : "an array");
    for (unsigned i = 0; i < q->n_columns; i++) {
        const char *name = sqlite3_column_name(h, (int)i),
                   *type = sqlite3_column_decltype(h, (int)i);
        if (!str_eq_c(str_c(name), q->columns[i].name))
            return err_set(err, E_INTERNAL, q->name, "column %u is '%s', declared '%s'", i + 1,
                           name, q->columns[i].name);
        if (q->columns[i].type > DBT_JSON || (type != NULL && !type_fits(q->columns[i].type, type)))
            return err_set(err, E_INTERNAL, q->name, "column '%s' is %s in the schema, declared %s",
                           name, type != NULL ? type : "-", db__type_name(q->columns[i].type));
    }
    return 0;
}
