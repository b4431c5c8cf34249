/*
 * Front of the database layer: opening, and the four ways to run a named query. What an engine must do is struct db_ops.
 */
#include "lib/db/db.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/db/db_private.h"

#include "lib/base/banned.h"

#define LIST_BYTES MIB(64)
#define SMALL_ROW  512 /* bytes that are taken from the stack */

int db_target_parse(const char *text, struct db_cfg *cfg, struct err *err)
{
    struct str s = str_c(text);

    if (str_starts(s, STR("sqlite:")) && s.n > 7) {
        cfg->kind = DB_SQLITE;
        cfg->target = text + 7;
        return 0;
    }
    if (str_starts(s, STR("postgresql://")) || str_starts(s, STR("postgres://")) ||
        (s.n > 0 && !str_starts(s, STR("sqlite:")) && memchr(s.p, '=', s.n) != NULL)) {
        cfg->kind = DB_PG;
        cfg->target = text;
        return 0;
    }
    return err_set(err, E_CONFIG, "", "database '%.*s' is neither sqlite:PATH nor a PostgreSQL URI",
                   STR_ARG(str_cut(&s, '@')));
}

int db_open(const struct db_cfg *cfg, struct db **ret_db, struct err *err)
{
    switch (cfg->kind) {
    case DB_SQLITE: return db__sqlite_open(cfg, ret_db, err);
    case DB_PG: return db__pg_open(cfg, ret_db, err);
    case DB__COUNT: break;
    }
    return err_set(err, E_CONFIG, "", "unknown kind of database");
}

void db_close(struct db **db)
{
    if (*db == NULL)
        return;
    db__stmts_done(*db);
    (*db)->ops->close(*db);
    *db = NULL;
}

enum db_kind db_kind(const struct db *db)
{
    return db->kind;
}

int db_fd(const struct db *db)
{
    return db->ops->fd(db);
}

int db_listen(struct db *db, const char *channel, struct err *err)
{
    if (db->depth > 0 || db->busy)
        return err_set(err, E_INTERNAL, channel, "listen inside a transaction");
    return db->ops->listen(db, channel, err);
}

static void ignore(void *cls, struct str payload)
{
    (void)cls;
    (void)payload;
}

int db_wait(struct db *db, int64_t timeout_us, bool *ret_woken, struct err *err)
{
    bool lost;

    if (db->depth > 0 || db->busy)
        return err_set(err, E_INTERNAL, "", "wait inside a transaction");
    return db->ops->hear(db, timeout_us, ignore, NULL, ret_woken, &lost, err);
}

int db_hear(struct db *db, int64_t timeout_us, void (*each)(void *cls, struct str payload),
            void *cls, bool *ret_lost, struct err *err)
{
    bool woken;

    if (db->depth > 0 || db->busy)
        return err_set(err, E_INTERNAL, "", "wait inside a transaction");
    return db->ops->hear(db, timeout_us, each, cls, &woken, ret_lost, err);
}

/* Texts of either kind and 64-bit numbers of either kind may stand for each other; the declaration decides the form. */
static enum db_type family(enum db_type type)
{
    switch (type) {
    case DBT_JSON: return DBT_TEXT;
    case DBT_TIME: return DBT_I64;
    case DBT_TIME_ARRAY: return DBT_I64_ARRAY;
    case DBT_TEXT:
    case DBT_I64:
    case DBT_BOOL:
    case DBT_UUID:
    case DBT_BYTES:
    case DBT_TEXT_ARRAY:
    case DBT_I64_ARRAY:
    case DBT_UUID_ARRAY:
    case DBT_BYTES_ARRAY: return type;
    }
    CHECK_UNREACHABLE();
}

static int check_args(const struct query *q, const struct db_arg *args, size_t n, struct err *err)
{
    if (n != q->n_params || n > DB_MAX_PARAMS)
        return err_set(err, E_INTERNAL, q->name, "%zu arguments for %u parameters", n, q->n_params);
    for (size_t i = 0; i < n; i++)
        if (family(args[i].type) != family(q->params[i].type))
            return err_set(err, E_INTERNAL, q->name, "argument $%zu '%s' is %s, declared %s", i + 1,
                           q->params[i].name, db__type_name(args[i].type),
                           db__type_name(q->params[i].type));
    return 0;
}

static int make_ready(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
                      struct db_stmt **ret_stmt, struct err *err)
{
    if (db->busy)
        return err_set(err, E_INTERNAL, q->name, "another statement of this connection is running");
    if (check_args(q, args, n, err) < 0)
        return err_ret(err);
    if (db->depth == 0) {
        db->conflict = false;
        if (db->ops->ready(db, err) < 0)
            return err_ret(err);
    }
    if (db__stmt(db, q, ret_stmt, err) < 0)
        return err_ret(err);
    return db->ops->prepare(db, *ret_stmt, err);
}

/* Checks, prepares and starts; *ret_stmt must be finished after success. */
static int start(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
                 const struct object *row, bool stream, struct db_stmt **ret_stmt, struct err *err)
{
    struct db_stmt *stmt;

    if (make_ready(db, q, args, n, &stmt, err) < 0)
        return err_ret(err);
    if (row != NULL && db__map_fields(stmt, row, err) < 0)
        return err_ret(err);
    if (db->ops->start(db, stmt, args, stream, err) < 0)
        return err_ret(err);
    *ret_stmt = stmt;
    return 0;
}

/* *ret_sent false: it was not, and must be run like any other. */
static int send_ahead(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
                      bool *ret_sent, struct err *err)
{
    struct db_stmt *stmt;

    *ret_sent = false;
    if (!db->ahead || db->depth != 1 || db->ops->ahead == NULL)
        return 0;
    if (make_ready(db, q, args, n, &stmt, err) < 0)
        return err_ret(err);
    return db->ops->ahead(db, stmt, args, ret_sent, err);
}

int db_ask(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
           struct err *err)
{
    struct db_stmt *stmt;

    if (!db->ahead || db->depth != 1 || db->ops->ask == NULL)
        return 0;
    if (make_ready(db, q, args, n, &stmt, err) < 0)
        return err_ret(err);
    return db->ops->ask(db, stmt, args, err);
}

int db_exec(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
            int64_t *ret_changed, struct err *err)
{
    struct db_stmt *stmt;
    enum db_result r;
    bool sent;

    if (ret_changed == NULL) {
        if (send_ahead(db, q, args, n, &sent, err) < 0)
            return err_ret(err);
        if (sent)
            return 0;
    }
    if (start(db, q, args, n, NULL, /* stream= */ false, &stmt, err) < 0)
        return err_ret(err);
    do
        r = db->ops->next(db, stmt, err);
    while (r == DB_ROW);
    db->ops->finish(db, stmt);
    if (r == DB_FAIL)
        return err_ret(err);
    if (ret_changed != NULL)
        *ret_changed = db->changed;
    return 0;
}

static enum db_result one_row(struct db *db, struct db_stmt *stmt, struct arena *arena, void *out,
                              struct err *err)
{
    enum db_result r = db->ops->next(db, stmt, err);

    if (r != DB_ROW)
        return r;
    if (db__decode_row(db, stmt, arena, out, err) < 0)
        return DB_FAIL;
    r = db->ops->next(db, stmt, err);
    if (r == DB_ROW) {
        (void)err_set(err, E_INTERNAL, stmt->q->name, "more than one row");
        return DB_FAIL;
    }
    return r == DB_NONE ? DB_ROW : DB_FAIL;
}

enum db_result db_one(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
                      const struct object *row, struct arena *arena, void *out, struct err *err)
{
    struct db_stmt *stmt;
    enum db_result r;

    /* decoded into a copy, so that *out is as before after an error */
    char small[SMALL_ROW];
    void *copy = row->size <= sizeof(small) ? small : malloc(row->size);
    if (copy == NULL) {
        (void)err_set(err, E_NO_MEMORY, q->name, "row of %zu bytes", row->size);
        return DB_FAIL;
    }
    memcpy(copy, out, row->size);
    if (start(db, q, args, n, row, /* stream= */ false, &stmt, err) < 0) {
        if (copy != small)
            free(copy);
        return DB_FAIL;
    }
    r = one_row(db, stmt, arena, copy, err);
    db->ops->finish(db, stmt);
    if (r == DB_ROW)
        memcpy(out, copy, row->size);
    if (copy != small)
        free(copy);
    return r;
}

static int collect(struct db *db, struct db_stmt *stmt, struct arena *arena, size_t max,
                   struct buf *rows, size_t *ret_n, struct err *err)
{
    size_t size = stmt->row->size;

    for (*ret_n = 0; *ret_n < max; ++*ret_n) {
        enum db_result r = db->ops->next(db, stmt, err);
        if (r == DB_FAIL)
            return err_ret(err);
        if (r == DB_NONE)
            break;
        char *p = buf_room(rows, size);
        if (p == NULL)
            return err_set(err, E_LIMIT, stmt->q->name, "more than %zu bytes of rows", LIST_BYTES);
        memset(p, 0, size);
        if (db__decode_row(db, stmt, arena, p, err) < 0)
            return err_ret(err);
        buf_grown(rows, size);
    }
    return 0;
}

int db_list(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
            const struct object *row, struct arena *arena, size_t max, struct list *ret_list,
            struct err *err)
{
    AUTO(buf_done) struct buf rows = buf_init(LIST_BYTES);
    struct list list = {0};
    struct db_stmt *stmt;

    if (start(db, q, args, n, row, /* stream= */ false, &stmt, err) < 0)
        return err_ret(err);
    int rc = collect(db, stmt, arena, max != 0 ? max : LIMIT_PAGE, &rows, &list.n, err);
    db->ops->finish(db, stmt);
    if (rc < 0)
        return err_ret(err);
    if (list.n > 0) {
        list.items = arena_alloc(arena, rows.n);
        if (list.items == NULL)
            return err_set(err, E_NO_MEMORY, q->name, "%zu rows do not fit the arena", list.n);
        memcpy(list.items, rows.p, rows.n);
    }
    *ret_list = list;
    return 0;
}

static int each_row(struct db *db, struct db_stmt *stmt, struct arena *arena, void *value,
                    int (*each)(void *cls, const void *value, struct err *err), void *cls,
                    struct err *err)
{
    enum db_result r;

    while ((r = db->ops->next(db, stmt, err)) == DB_ROW) {
        arena_reset(arena);
        memset(value, 0, stmt->row->size);
        if (db__decode_row(db, stmt, arena, value, err) < 0)
            return err_ret(err);
        int rc = each(cls, value, err);
        if (rc < 0)
            return rc;
    }
    return r == DB_NONE ? 0 : err_ret(err);
}

int db_each(struct db *db, const struct query *q, const struct db_arg *args, size_t n,
            const struct object *row, int (*each)(void *cls, const void *value, struct err *err),
            void *cls, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(LIMIT_REQUEST_ARENA);
    struct db_stmt *stmt;
    void *value = malloc(row->size);

    if (arena == NULL || value == NULL) {
        free(value);
        return err_set(err, E_NO_MEMORY, q->name, "row of %zu bytes", row->size);
    }
    if (start(db, q, args, n, row, /* stream= */ true, &stmt, err) < 0) {
        free(value);
        return err_ret(err);
    }
    db->busy = true;
    int rc = each_row(db, stmt, arena, value, each, cls, err);
    db->busy = false;
    db->ops->finish(db, stmt);
    free(value);
    return rc;
}

int db_check_queries(struct db *db, const struct query *const *queries, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct db_stmt *stmt;
        if (queries[i]->text[db->kind] == NULL)
            continue;
        if (db->depth == 0 && db->ops->ready(db, err) < 0)
            return err_ret(err);
        if (db__stmt(db, queries[i], &stmt, err) < 0 || db->ops->prepare(db, stmt, err) < 0 ||
            db->ops->check(db, stmt, err) < 0)
            return err_prefix(err, "query '%s'", queries[i]->name);
    }
    return 0;
}
