/*
 * The statements of a connection (a hash table by the query's address), and the decoding of rows: columns to members by
 * name, worked out once per statement and row type.
 */
#include <assert.h>

#include "lib/base/check.h"
#include "lib/db/db_private.h"

#include "lib/base/banned.h"

#define TYPE_BIT(t) (1u << (t))

static const char *const type_names[] = {
    [DBT_TEXT] = "text",         [DBT_I64] = "i64",           [DBT_BOOL] = "bool",
    [DBT_UUID] = "uuid",         [DBT_TIME] = "time",         [DBT_BYTES] = "bytes",
    [DBT_JSON] = "json",         [DBT_TEXT_ARRAY] = "text[]", [DBT_I64_ARRAY] = "i64[]",
    [DBT_UUID_ARRAY] = "uuid[]", [DBT_TIME_ARRAY] = "time[]", [DBT_BYTES_ARRAY] = "bytes[]",
};

/* Which column types a member takes (lib/codec/codec.h). */
static const unsigned accepted[] = {
    [FT_STR] = TYPE_BIT(DBT_TEXT) | TYPE_BIT(DBT_JSON) | TYPE_BIT(DBT_BYTES),
    [FT_I64] = TYPE_BIT(DBT_I64) | TYPE_BIT(DBT_TIME),
    [FT_BOOL] = TYPE_BIT(DBT_BOOL),
    [FT_UUID] = TYPE_BIT(DBT_UUID),
    [FT_BYTES] = TYPE_BIT(DBT_BYTES),
    [FT_ENUM] = TYPE_BIT(DBT_TEXT) | TYPE_BIT(DBT_I64),
    [FT_RAW] = TYPE_BIT(DBT_TEXT) | TYPE_BIT(DBT_JSON),
};

static_assert(ARRAY_LEN(type_names) == DBT_BYTES_ARRAY + 1, "one name per type");
static_assert(ARRAY_LEN(accepted) == FT_RAW + 1, "one row per kind of member");

const char *db__type_name(enum db_type type)
{
    return type_names[type];
}

static size_t slot_of(const struct db *db, const struct query *q)
{
    /* addresses of constants: the low bits are alignment, the multiplication spreads the rest (Fibonacci hashing) */
    uint64_t h = ((uint64_t)(uintptr_t)q >> 4) * UINT64_C(0x9E3779B97F4A7C15);
    size_t i = (size_t)(h >> 32) & (db->n_slots - 1);

    while (db->stmts[i] != NULL && db->stmts[i]->q != q)
        i = (i + 1) & (db->n_slots - 1);
    return i;
}

static bool grow(struct db *db)
{
    size_t n_old = db->n_slots;
    struct db_stmt **old = db->stmts, **slots = calloc(n_old != 0 ? 2 * n_old : 64, sizeof(*slots));

    if (slots == NULL)
        return false;
    db->stmts = slots;
    db->n_slots = n_old != 0 ? 2 * n_old : 64;
    for (size_t i = 0; i < n_old; i++)
        if (old[i] != NULL)
            db->stmts[slot_of(db, old[i]->q)] = old[i];
    free(old);
    return true;
}

int db__stmt(struct db *db, const struct query *q, struct db_stmt **ret_stmt, struct err *err)
{
    if (q->text[db->kind] == NULL)
        return err_set(err, E_INTERNAL, q->name, "the query has no text for this engine");
    if (2 * (db->n_stmts + 1) > db->n_slots && !grow(db))
        return err_set(err, E_NO_MEMORY, q->name, "statement table");
    struct db_stmt **slot = &db->stmts[slot_of(db, q)];
    if (*slot == NULL) {
        if ((*slot = calloc(1, sizeof(**slot))) == NULL)
            return err_set(err, E_NO_MEMORY, q->name, "statement");
        (*slot)->q = q;
        (*slot)->number = (unsigned)++db->n_stmts;
    }
    *ret_stmt = *slot;
    return 0;
}

void db__stmts_done(struct db *db)
{
    for (size_t i = 0; i < db->n_slots; i++) {
        struct db_stmt *stmt = db->stmts[i];
        if (stmt == NULL)
            continue;
        db->ops->forget(stmt);
        free(stmt->fields);
        free(stmt->bind);
        free(stmt);
    }
    free(db->stmts);
    db->stmts = NULL;
    db->n_slots = db->n_stmts = 0;
}

int db__map_fields(struct db_stmt *stmt, const struct object *row, struct err *err)
{
    const struct query *q = stmt->q;

    if (stmt->row == row)
        return 0;
    const struct field **fields = calloc(q->n_columns + 1, sizeof(*fields));
    if (fields == NULL)
        return err_set(err, E_NO_MEMORY, q->name, "%u columns", q->n_columns);
    for (unsigned i = 0; i < q->n_columns; i++) {
        const struct field *f = object_field(row, str_c(q->columns[i].name));
        if (f != NULL && (accepted[f->type] & TYPE_BIT(q->columns[i].type)) == 0) {
            free(fields);
            return err_set(err, E_INTERNAL, q->name, "column '%s' is %s, which '%s' cannot take",
                           q->columns[i].name, db__type_name(q->columns[i].type), row->name);
        }
        fields[i] = f;
    }
    free(stmt->fields);
    stmt->fields = fields;
    stmt->row = row;
    return 0;
}

static bool store_enum(const struct field *f, const struct db_arg *v, int *out)
{
    for (int i = 0; f->names[i] != NULL; i++)
        if (v->type == DBT_I64 ? v->u.i64 == i : str_eq_c(v->u.text, f->names[i])) {
            *out = i;
            return true;
        }
    return false;
}

/* False if the arena is full or the value is none of an enum's. */
static bool store(const struct field *f, const struct db_arg *v, struct arena *arena, char *p)
{
    struct str copy;

    switch (f->type) {
    case FT_I64: memcpy(p, &v->u.i64, sizeof(v->u.i64)); return true;
    case FT_BOOL: *(bool *)p = v->u.i64 != 0; return true;
    case FT_UUID: memcpy(p, &v->u.uuid, sizeof(v->u.uuid)); return true;
    case FT_ENUM: return store_enum(f, v, (int *)(void *)p);
    case FT_STR:
    case FT_RAW:
        copy = arena_str(arena, v->u.text);
        memcpy(p, &copy, sizeof(copy));
        return str_present(copy);
    case FT_BYTES:
        copy = arena_str(arena, v->u.text);
        *(struct bytes *)(void *)p = (struct bytes){(const uint8_t *)copy.p, copy.n};
        return str_present(copy);
    case FT_STR_LIST:
    case FT_JVAL:
    case FT_SUB:
    case FT_LIST: break;
    }
    CHECK_UNREACHABLE();
}

int db__decode_row(struct db *db, struct db_stmt *stmt, struct arena *arena, void *out,
                   struct err *err)
{
    for (unsigned i = 0; i < stmt->q->n_columns; i++) {
        const struct field *f = stmt->fields[i];
        struct db_arg v = {.type = stmt->q->columns[i].type};
        if (f == NULL)
            continue;
        if (db->ops->value(db, stmt, i, &v, err) < 0)
            return err_ret(err);
        if (v.null || store(f, &v, arena, (char *)out + f->offset))
            continue;
        if (f->type == FT_ENUM)
            return err_set(err, E_CORRUPT, stmt->q->name, "column '%s' holds no value of its list",
                           f->name);
        return err_set(err, E_NO_MEMORY, stmt->q->name, "column '%s' does not fit the arena",
                       f->name);
    }
    return 0;
}
