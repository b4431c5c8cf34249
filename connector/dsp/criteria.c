/*
 * connector/dsp/criteria.c - criteria become sets of asset ids, by the index on properties
 *
 * Equality and `in` look up each value; other operators search (connector/store/condition.h).
 */
#include "connector/dsp/criteria.h"

#include "connector/store/condition.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define EDC_NS     "https://w3id.org/edc/v0.0.1/ns/"
#define VALUES_MAX 1000
#define ASSETS_MAX 10000000

struct found {
    struct str asset_id;
};
/* clang-format off */
static const struct field found_fields[] = {FIELD(struct found, asset_id, "asset_id", F_REQUIRED)};
static OBJECT(found_row, struct found, found_fields, OPEN);

/* clang-format on */

/* {"@value": x} and {"@id": x} of expanded documents, or x. */
static const struct jval *plain(const struct jval *v)
{
    if (jtype_of(v) == J_ARRAY && jval_len(v) == 1)
        v = jval_at(v, 0);
    if (jtype_of(v) == J_OBJECT)
        return jval_get(v, jval_get(v, "@value") != NULL ? "@value" : "@id");
    return v;
}

static const struct jval *member(const struct jval *criterion, const char *name)
{
    char full[64];
    const struct jval *v = jval_get(criterion, name);

    if (v == NULL) {
        (void)snprintf(full, sizeof(full), EDC_NS "%s", name);
        v = jval_get(criterion, full);
    }
    return v;
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void tidy(struct id_set *set)
{
    size_t n = 0;

    if (set->n > 1)
        qsort(set->ids, set->n, sizeof(*set->ids), by_bytes);
    for (size_t i = 0; i < set->n; i++) {
        if (n == 0 || !str_eq(set->ids[n - 1], set->ids[i]))
            set->ids[n++] = set->ids[i];
    }
    set->n = n;
}

bool id_set_has(const struct id_set *set, struct str id)
{
    return set->all || (set->n > 0 && bsearch(&id, set->ids, set->n, sizeof(id), by_bytes) != NULL);
}

/* A scalar as asset_property holds it; STR_NONE for anything else. */
static struct str scalar(const struct jval *v, struct arena *arena)
{
    AUTO(buf_done) struct buf text = buf_init(64);

    switch (jtype_of(v)) {
    case J_STR: return arena_str(arena, jval_str(v));
    case J_INT:
    case J_REAL:
    case J_BOOL: jval_write(&text, v); return arena_str(arena, buf_str(&text));
    case J_NULL:
    case J_ARRAY:
    case J_OBJECT: return STR_NONE;
    }
    return STR_NONE;
}

/* The values on the right, at most VALUES_MAX texts. */
static int read_values(const struct jval *right, bool several, struct arena *arena,
                       struct str_list *ret_values, struct err *err)
{
    const size_t n = several ? jval_len(right) : 1;

    if ((several && jtype_of(right) != J_ARRAY) || n > VALUES_MAX)
        return err_tell(err, E_INVALID, "/operandRight", "expected an array of at most %d values",
                        VALUES_MAX);
    ret_values->items = ARENA_ARRAY(arena, struct str, n);
    ret_values->n = n;
    if (ret_values->items == NULL)
        return err_set(err, E_NO_MEMORY, "", "criteria");
    for (size_t i = 0; i < n; i++) {
        ret_values->items[i] = scalar(plain(several ? jval_at(right, i) : right), arena);
        if (!str_present(ret_values->items[i]) && !arena_failed(arena))
            return err_tell(err, E_INVALID, "/operandRight", "expected text");
    }
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "criteria") : 0;
}

static bool is_id(struct str left)
{
    return str_eq(left, STR(EDC_NS "id")) || str_eq(left, STR("id")) || str_eq(left, STR("@id"));
}

/* Assets of which the property has one of the values. */
static int by_property(struct db *db, struct str name, const struct str_list *values,
                       struct arena *arena, struct id_set *ret_set, struct err *err)
{
    struct id_set set = {0};

    for (size_t i = 0; i < values->n; i++) {
        struct list rows = {0};
        struct str *ids;

        if (db_list(db, &q_dsp_assets_by_property,
                    DB_ARGS(DB_TEXT(name), DB_TEXT(values->items[i])), &found_row, arena,
                    ASSETS_MAX, &rows, err) < 0)
            return err_ret(err);
        ids = ARENA_ARRAY(arena, struct str, set.n + rows.n);
        if (ids == NULL)
            return err_set(err, E_NO_MEMORY, "", "criteria");
        if (set.n > 0)
            memcpy(ids, set.ids, set.n * sizeof(*ids));
        for (size_t k = 0; k < rows.n; k++)
            ids[set.n + k] = LIST_ITEMS(struct found, rows)[k].asset_id;
        set.ids = ids;
        set.n += rows.n;
    }
    *ret_set = set;
    return 0;
}

/* A field that a peer may not ask about looks as one that nobody has. */
static int find_field(struct str left, bool ours, struct arena *arena, struct str *ret_field,
                      struct err *err)
{
    if (condition_field(ENTITY_ASSET, left, arena, ret_field, err) < 0)
        return err_at_prefix(err, "/operandLeft");
    return ours || !str_starts(*ret_field, STR("private:"))
               ? 0
               : err_tell(err, E_INVALID, "/operandLeft", "expected the name of a property");
}

static int by_search(struct db *db, struct str left, struct str op, const struct str_list *values,
                     struct arena *arena, struct id_set *ret_set, struct err *err)
{
    struct search search = {.limit = ASSETS_MAX, .n = 1};
    struct list rows = {0};

    if (condition_make(ENTITY_ASSET, left, op, values, arena, &search.conditions[0], err) < 0 ||
        condition_search(db, ENTITY_ASSET, &search, arena, &rows, err) < 0)
        return err_ret(err);
    ret_set->ids = rows.items;
    ret_set->n = rows.n;
    return 0;
}

static int one(struct db *db, const struct jval *criterion, bool ours, struct arena *arena,
               struct id_set *ret_set, struct err *err)
{
    const struct str left = jval_str(plain(member(criterion, "operandLeft")));
    const struct str op = jval_str(plain(member(criterion, "operator")));
    const struct jval *right = member(criterion, "operandRight");
    struct id_set set = {0};
    struct str_list values = {0};
    enum criterion_op kind;
    struct str field;

    if (left.n == 0)
        return err_tell(err, E_INVALID, "/operandLeft", "expected the name of a property");
    if (condition_operator(op, &kind, err) < 0)
        return err_at_prefix(err, "/operator");
    if (read_values(right, kind == OP_IN || kind == OP_NOT_IN, arena, &values, err) < 0)
        return err_ret(err);
    if ((kind == OP_EQ || kind == OP_IN) && is_id(left)) {
        set.ids = values.items;
        set.n = values.n;
    } else {
        if (find_field(left, ours, arena, &field, err) < 0 ||
            (kind == OP_EQ || kind == OP_IN
                 ? by_property(db, field, &values, arena, &set, err)
                 : by_search(db, left, op, &values, arena, &set, err)) < 0)
            return err_ret(err);
    }
    tidy(&set);
    *ret_set = set;
    return 0;
}

static void intersect(struct id_set *set, const struct id_set *other)
{
    size_t n = 0;

    if (set->all) {
        *set = *other;
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (id_set_has(other, set->ids[i]))
            set->ids[n++] = set->ids[i];
    }
    set->n = n;
}

static int select_all(struct db *db, const struct jval *criteria, bool ours, struct arena *arena,
                      struct id_set *ret_set, struct err *err)
{
    struct id_set set = {.all = true};

    if (criteria == NULL || jtype_of(criteria) == J_OBJECT) {
        if (criteria != NULL && one(db, criteria, ours, arena, &set, err) < 0)
            return err_ret(err);
        *ret_set = set;
        return 0;
    }
    if (jtype_of(criteria) != J_ARRAY || jval_len(criteria) > CRITERIA_MAX)
        return err_tell(err, E_INVALID, "", "expected an array of at most %d criteria",
                        CRITERIA_MAX);
    for (size_t i = 0; i < jval_len(criteria); i++) {
        struct id_set next;
        char at[24];

        if (one(db, jval_at(criteria, i), ours, arena, &next, err) < 0) {
            (void)snprintf(at, sizeof(at), "/%zu", i);
            return err_at_prefix(err, at);
        }
        intersect(&set, &next);
    }
    *ret_set = set;
    return 0;
}

int criteria_select(struct db *db, const struct jval *criteria, struct arena *arena,
                    struct id_set *ret_set, struct err *err)
{
    return select_all(db, criteria, true, arena, ret_set, err);
}

int criteria_filter(struct db *db, const struct jval *criteria, struct arena *arena,
                    struct id_set *ret_set, struct err *err)
{
    return select_all(db, criteria, false, arena, ret_set, err);
}
