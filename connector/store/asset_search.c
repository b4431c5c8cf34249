/*
 * connector/store/asset_search.c - chooses how to find assets, of which there may be very many
 *
 * Every way checks all conditions; they differ in where they start and in what order they go, so
 * that a page is found without looking at all assets wherever an index allows it:
 *
 *   few rows satisfy one condition                           from these, sorted afterwards
 *   one value of a property, in order of creation            along the index of values
 *   in order of ids, of creation                             along the table
 *   in order of a property                                   along the index of values, then those without
 */
#include "connector/store/condition_private.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"
#include "lib/ld/ld.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define FEW      1000
#define LAST     "\xf4\x8f\xbf\xbf" /* the last code point: above all that begins so */
#define ASSET_ID LD_EDC "id"

struct way {
    struct db *db;
    const struct search *search;
    struct arena *arena;
};

/* In both directions. */
struct both {
    const struct query *up, *down;
};
static const struct both scan = {&q_asset_scan, &q_asset_scan_desc};
static const struct both scan_id = {&q_asset_scan_id, &q_asset_scan_id_desc};
static const struct both with = {&q_asset_with, &q_asset_with_desc};
static const struct both sorted = {&q_asset_sorted, &q_asset_sorted_desc};

struct counted {
    int64_t n;
};
/* clang-format off */
static const struct field counted_fields[] = {FIELD(struct counted, n, "n", F_REQUIRED)};
/* clang-format on */
static OBJECT(counted_row, struct counted, counted_fields, OPEN);

/* Appends the four conditions to the arguments. */
static size_t add_conditions(const struct way *way, struct db_arg *args, size_t n)
{
    for (size_t i = 0; i < CONDITIONS_MAX; i++) {
        const struct condition *c = &way->search->conditions[i];

        n = condition__args(way->db, i < way->search->n ? c : NULL, way->arena, args, n);
    }
    return n;
}

#define ARGS_MAX (8 + 3 * CONDITIONS_MAX)

static int list(const struct way *way, const struct query *query, const struct db_arg *args,
                size_t n, struct list *ret, struct err *err)
{
    return condition__ids(way->db, query, args, n, way->arena, (size_t)way->search->limit, ret,
                          err);
}

static int in_order(const struct way *way, const struct both *both, struct db_arg *args, size_t n,
                    struct list *ret, struct err *err)
{
    n = add_conditions(way, args, n);
    args[n++] = DB_I64(way->search->offset);
    args[n++] = DB_I64(way->search->limit);
    return list(way, way->search->descending ? both->down : both->up, args, n, ret, err);
}

/* From few rows: `args` holds where to start. */
static int from_few(const struct way *way, const struct query *query, struct db_arg *args, size_t n,
                    struct list *ret, struct err *err)
{
    const struct search *s = way->search;

    n = add_conditions(way, args, n);
    args[n++] = DB_TEXT(str_present(s->sort) ? s->sort : STR("createdAt"));
    args[n++] = DB_I64(s->descending ? 1 : 0);
    args[n++] = DB_I64(s->offset);
    args[n++] = DB_I64(s->limit);
    return list(way, query, args, n, ret, err);
}

/* -- where to start ---------------------------------------------------------------------------- */

/* What a LIKE pattern begins with; empty if it begins with a wildcard. */
static struct str like_prefix(struct str pattern, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(256));

    for (size_t i = 0; i < pattern.n && pattern.p[i] != '%' && pattern.p[i] != '_'; i++) {
        if (pattern.p[i] == '\\' && i + 1 < pattern.n)
            i++;
        buf_add_char(&out, pattern.p[i]);
    }
    return arena_str(arena, buf_str(&out));
}

/* The values among which a condition's rows are; false if they can be anywhere. */
static bool bounds(const struct condition *c, struct arena *arena, struct str *low,
                   struct str *high)
{
    *low = STR("");
    *high = STR(LAST);
    if (str_eq(c->field, STR("createdAt")))
        return false; /* no index by that value */
    switch (c->op) {
    case OP_EQ: *low = *high = c->value; return true;
    case OP_LT:
    case OP_LTEQ: *high = c->value; return true;
    case OP_GT:
    case OP_GTEQ: *low = c->value; return true;
    case OP_LIKE:
        *low = like_prefix(c->value, arena);
        *high = arena_printf(arena, "%.*s" LAST, STR_ARG(*low));
        return low->n > 0;
    case OP_NEQ:
    case OP_IN:
    case OP_NOT_IN:
    case OP_ILIKE: return false;
    }
    return false;
}

static int is_few(const struct way *way, const struct condition *c, struct str low, struct str high,
                  bool *ret_few, struct err *err)
{
    struct counted counted = {0};
    const bool id = str_eq(c->field, STR(ASSET_ID));
    const struct db_arg args[] = {DB_TEXT(c->field), DB_TEXT(low), DB_TEXT(high), DB_I64(FEW)};

    if (db_one(way->db, id ? &q_asset_probe_id : &q_asset_probe, args + id, ARRAY_LEN(args) - id,
               &counted_row, way->arena, &counted, err) == DB_FAIL)
        return err_ret(err);
    *ret_few = counted.n < FEW;
    return 0;
}

/* A pattern that can match anywhere: nothing tells where, so every value is looked at. */
static int try_pattern(const struct way *way, const struct condition *c, bool *ret_found,
                       struct list *ret, struct err *err)
{
    struct counted counted = {0};
    struct db_arg args[ARGS_MAX];
    const size_t n = condition__args(way->db, c, way->arena, args, 0);

    if (db_one(way->db, &q_asset_probe_match, args, n, &counted_row, way->arena, &counted, err) ==
        DB_FAIL)
        return err_ret(err);
    *ret_found = counted.n < FEW;
    return *ret_found ? from_few(way, &q_asset_matching, args, n, ret, err) : 0;
}

/* A list of values as JSON. */
static struct str json_list(struct str values, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    struct jw w = jw_init(&out);

    jw_array(&w);
    while (values.n > 0) {
        values = str_from(values, 1);
        jw_str(&w, str_cut(&values, CONDITION_SEPARATOR));
    }
    jw_array_end(&w);
    return arena_str(arena, buf_str(&out));
}

/* Starts from a condition that few rows satisfy; *ret_found tells whether there was one. */
static int try_few(const struct way *way, bool *ret_found, struct list *ret, struct err *err)
{
    struct db_arg args[ARGS_MAX];

    *ret_found = true;
    for (size_t i = 0; i < way->search->n; i++) {
        const struct condition *c = &way->search->conditions[i];
        struct str low, high;
        bool few = false;

        if (c->op == OP_IN && !str_eq(c->field, STR("createdAt"))) {
            args[0] = DB_TEXT(c->field);
            args[1] = DB_TEXT(json_list(c->value, way->arena));
            return from_few(way, &q_asset_among, args, 2, ret, err);
        }
        if (!bounds(c, way->arena, &low, &high))
            continue;
        if (is_few(way, c, low, high, &few, err) < 0)
            return err_ret(err);
        if (few) {
            args[0] = DB_TEXT(c->field);
            args[1] = DB_TEXT(low);
            args[2] = DB_TEXT(high);
            return from_few(way, &q_asset_between, args, 3, ret, err);
        }
    }
    *ret_found = false;
    for (size_t i = 0; i < way->search->n && !*ret_found; i++) {
        const struct condition *c = &way->search->conditions[i];
        struct str low, high;

        if ((c->op == OP_LIKE || c->op == OP_ILIKE) && !str_eq(c->field, STR("createdAt")) &&
            !bounds(c, way->arena, &low, &high) && try_pattern(way, c, ret_found, ret, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* -- in order of a property -------------------------------------------------------------------- */

static int count_sorted(const struct way *way, int64_t *ret_n, struct err *err)
{
    struct counted counted = {0};
    struct db_arg args[ARGS_MAX] = {DB_TEXT(way->search->sort)};

    if (db_one(way->db, &q_asset_sorted_count, args, add_conditions(way, args, 1), &counted_row,
               way->arena, &counted, err) == DB_FAIL)
        return err_ret(err);
    *ret_n = counted.n;
    return 0;
}

static int join(struct list *first, const struct list *second, struct arena *arena, struct err *err)
{
    struct str *ids = ARENA_ARRAY(arena, struct str, first->n + second->n);

    if (ids == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    if (first->n > 0)
        memcpy(ids, first->items, first->n * sizeof(*ids));
    if (second->n > 0)
        memcpy(ids + first->n, second->items, second->n * sizeof(*ids));
    first->items = ids;
    first->n += second->n;
    return 0;
}

/* Those without the property follow, in order of creation. */
static int by_property(const struct way *way, struct list *ret, struct err *err)
{
    const struct search *s = way->search;
    struct db_arg args[ARGS_MAX] = {DB_TEXT(s->sort)};
    struct list rest = {0};
    int64_t before = 0;
    size_t n;

    if (in_order(way, &sorted, args, 1, ret, err) < 0)
        return err_ret(err);
    if ((int64_t)ret->n == s->limit)
        return 0;
    if (ret->n == 0 && s->offset > 0 && count_sorted(way, &before, err) < 0)
        return err_ret(err);
    n = add_conditions(way, args, 1);
    args[n++] = DB_I64(ret->n == 0 && s->offset > before ? s->offset - before : 0);
    args[n++] = DB_I64(s->limit - (int64_t)ret->n);
    if (list(way, &q_asset_unsorted, args, n, &rest, err) < 0)
        return err_ret(err);
    return join(ret, &rest, way->arena, err);
}

/* ---------------------------------------------------------------------------------------------- */

static const struct condition *equal_property(const struct search *search)
{
    for (size_t i = 0; i < search->n; i++) {
        const struct condition *c = &search->conditions[i];

        if (c->op == OP_EQ && !str_eq(c->field, STR(ASSET_ID)) &&
            !str_eq(c->field, STR("createdAt")))
            return c;
    }
    return NULL;
}

int condition__assets(struct db *db, const struct search *search, struct arena *arena,
                      struct list *ret_ids, struct err *err)
{
    const struct way way = {.db = db, .search = search, .arena = arena};
    const struct condition *equal;
    struct db_arg args[ARGS_MAX];
    bool found = false;

    if (try_few(&way, &found, ret_ids, err) < 0)
        return err_ret(err);
    if (found)
        return 0;
    if (str_eq(search->sort, STR(ASSET_ID)))
        return in_order(&way, &scan_id, args, 0, ret_ids, err);
    if (str_present(search->sort) && !str_eq(search->sort, STR("createdAt")))
        return by_property(&way, ret_ids, err);
    equal = equal_property(search);
    if (equal == NULL)
        return in_order(&way, &scan, args, 0, ret_ids, err);
    args[0] = DB_TEXT(equal->field);
    args[1] = DB_TEXT(equal->value);
    return in_order(&way, &with, args, 2, ret_ids, err);
}
