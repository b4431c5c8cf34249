/*
 * connector/dsp/criteria.c - criteria become sets of asset ids, by the index on properties
 */
#include "connector/dsp/criteria.h"

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
        const struct jval *v = plain(several ? jval_at(right, i) : right);

        if (jtype_of(v) != J_STR)
            return err_tell(err, E_INVALID, "/operandRight", "expected text");
        ret_values->items[i] = arena_str(arena, jval_str(v));
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

static int one(struct db *db, const struct jval *criterion, struct arena *arena,
               struct id_set *ret_set, struct err *err)
{
    struct str left = jval_str(plain(member(criterion, "operandLeft")));
    const struct str op = jval_str(plain(member(criterion, "operator")));
    const struct jval *right = member(criterion, "operandRight");
    const bool several = str_eq(op, STR("in"));
    struct id_set set = {0};
    struct str_list values = {0};

    if (left.n == 0)
        return err_tell(err, E_INVALID, "/operandLeft", "expected the name of a property");
    if (!several && !str_eq(op, STR("=")))
        return err_tell(err, E_INVALID, "/operator", "expected '=' or 'in'");
    if (read_values(right, several, arena, &values, err) < 0)
        return err_ret(err);
    if (is_id(left)) {
        set.ids = values.items;
        set.n = values.n;
    } else {
        if (memchr(left.p, ':', left.n) == NULL) /* a bare name is one of EDC's */
            left = arena_printf(arena, EDC_NS "%.*s", STR_ARG(left));
        if (by_property(db, left, &values, arena, &set, err) < 0)
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

int criteria_select(struct db *db, const struct jval *criteria, struct arena *arena,
                    struct id_set *ret_set, struct err *err)
{
    struct id_set set = {.all = true};

    if (criteria == NULL || jtype_of(criteria) == J_OBJECT) {
        if (criteria != NULL && one(db, criteria, arena, &set, err) < 0)
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

        if (one(db, jval_at(criteria, i), arena, &next, err) < 0) {
            (void)snprintf(at, sizeof(at), "/%zu", i);
            return err_at_prefix(err, at);
        }
        intersect(&set, &next);
    }
    *ret_set = set;
    return 0;
}
