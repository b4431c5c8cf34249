/*
 * connector/mgmt/criteria.c - QuerySpec and Criterion, from their expanded form
 */
#include "connector/mgmt/criteria.h"

#include "connector/mgmt/form.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

/* A Criterion as it was sent. */
struct criterion {
    struct str left, op;
    const struct jval *right; /* values of the expanded form; borrowed from the document */
};
/* clang-format off */
static const struct form_row criterion_rows[] = {
    FORM_ROW(struct criterion, left,  LD_EDC "operandLeft",  FORM_TEXT, true),
    FORM_ROW(struct criterion, op,    LD_EDC "operator",     FORM_TEXT, true),
    FORM_ROW(struct criterion, right, LD_EDC "operandRight", FORM_LIST, false),
};
FORM(criterion_form, criterion_rows);

struct raw_spec {
    struct str offset, limit, order, sort;
    const struct jval *filter;
};
static const struct form_row spec_rows[] = {
    FORM_ROW(struct raw_spec, offset, LD_EDC "offset",           FORM_TEXT, false),
    FORM_ROW(struct raw_spec, limit,  LD_EDC "limit",            FORM_TEXT, false),
    FORM_ROW(struct raw_spec, order,  LD_EDC "sortOrder",        FORM_TEXT, false),
    FORM_ROW(struct raw_spec, sort,   LD_EDC "sortField",        FORM_TEXT, false),
    FORM_ROW(struct raw_spec, filter, LD_EDC "filterExpression", FORM_LIST, false),
};
FORM(spec_form, spec_rows);

/* clang-format on */

static int read_texts(const struct jval *node, struct arena *arena, struct criterion *ret,
                      enum criterion_op *ret_op, struct err *err)
{
    *ret = (struct criterion){0};
    if (form_decode(&criterion_form, node, arena, ret, err) < 0)
        return err_ret(err);
    return condition_operator(ret->op, ret_op, err);
}

/* A scalar as it was sent, of the expanded form. */
static void write_scalar(struct jw *w, const struct jval *value)
{
    const struct jval *inner = ld_value_of(value);

    if (inner != NULL)
        jw_val(w, inner);
    else
        jw_str(w, ld_id(value));
}

static void write_right(struct jw *w, const struct jval *values, bool list)
{
    if (!list && jval_len(values) == 1) {
        write_scalar(w, jval_at(values, 0));
        return;
    }
    jw_array(w);
    for (size_t i = 0; i < jval_len(values); i++)
        write_scalar(w, jval_at(values, i));
    jw_array_end(w);
}

int criteria_write(const struct jval *nodes, struct arena *arena, struct buf *out, struct err *err)
{
    struct jw w = jw_init(out);

    jw_array(&w);
    for (size_t i = 0; i < jval_len(nodes); i++) {
        struct criterion criterion;
        enum criterion_op op;

        if (read_texts(jval_at(nodes, i), arena, &criterion, &op, err) < 0)
            return err_ret(err);
        jw_object(&w);
        jw_kstr(&w, "operandLeft", criterion.left);
        jw_kstr(&w, "operator", criterion.op);
        jw_key(&w, "operandRight");
        write_right(&w, criterion.right, op == OP_IN || op == OP_NOT_IN);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    return buf_failed(out) ? err_tell(err, E_LIMIT, "", "the criteria are too long") : 0;
}

/* -- specifications ---------------------------------------------------------------------------- */

static int read_right(const struct criterion *criterion, struct arena *arena, struct str_list *ret,
                      struct err *err)
{
    const size_t n = jval_len(criterion->right);

    if (n > CONDITION_VALUES_MAX)
        return err_tell(err, E_LIMIT, "", "more than %d right operands", CONDITION_VALUES_MAX);
    ret->items = ARENA_ARRAY(arena, struct str, n);
    ret->n = n;
    for (size_t i = 0; i < n && ret->items != NULL; i++) {
        ret->items[i] = form_scalar(jval_at(criterion->right, i), arena);
        if (!str_present(ret->items[i]))
            return err_tell(err, E_INVALID, "/" LD_EDC "operandRight", "expected a value");
    }
    return arena_failed(arena) ? err_set(err, E_LIMIT, "", "memory of the request") : 0;
}

static int read_condition(const struct jval *node, enum entity_kind kind, struct arena *arena,
                          struct condition *ret, struct err *err)
{
    struct criterion criterion;
    struct str_list right = {0};
    enum criterion_op op;

    if (read_texts(node, arena, &criterion, &op, err) < 0 ||
        read_right(&criterion, arena, &right, err) < 0)
        return err_ret(err);
    return condition_make(kind, criterion.left, criterion.op, &right, arena, ret, err);
}

static int read_number(struct str text, const char *iri, int64_t least, int64_t *ret,
                       struct err *err)
{
    char at[160];

    if (!str_present(text))
        return 0;
    if (str_to_i64(text, ret) && *ret >= least)
        return 0;
    (void)snprintf(at, sizeof(at), "/%s", iri);
    return err_tell(err, E_INVALID, at, "'%s' must be an integer of at least %lld", iri,
                    (long long)least);
}

static int read_order(const struct raw_spec *raw, enum entity_kind kind, struct arena *arena,
                      struct search *search, struct err *err)
{
    if (str_present(raw->order)) {
        search->descending = str_eq_nocase(raw->order, STR("DESC"));
        if (!search->descending && !str_eq_nocase(raw->order, STR("ASC")))
            return err_tell(err, E_INVALID, "/" LD_EDC "sortOrder", "expected ASC or DESC");
    }
    if (raw->sort.n == 0)
        return 0;
    return condition_field(kind, raw->sort, arena, &search->sort, err);
}

int query_spec_read(const struct jval *node, enum entity_kind kind, struct arena *arena,
                    struct query_spec *ret_spec, struct err *err)
{
    struct query_spec spec = {.search.limit = 50};
    struct search *search = &spec.search;
    struct raw_spec raw = {0};

    if (form_decode(&spec_form, node, arena, &raw, err) < 0 ||
        read_number(raw.offset, LD_EDC "offset", 0, &search->offset, err) < 0 ||
        read_number(raw.limit, LD_EDC "limit", 1, &search->limit, err) < 0 ||
        read_order(&raw, kind, arena, search, err) < 0)
        return err_ret(err);
    if (jval_len(raw.filter) > CONDITIONS_MAX)
        return err_tell(err, E_LIMIT, "/" LD_EDC "filterExpression", "at most %d criteria",
                        CONDITIONS_MAX);
    for (size_t i = 0; i < jval_len(raw.filter); i++) {
        if (read_condition(jval_at(raw.filter, i), kind, arena, &search->conditions[i], err) < 0)
            return form_at(err, LD_EDC "filterExpression");
        search->n++;
    }
    spec.limited = str_present(raw.limit) || str_present(raw.offset);
    if (search->limit > CRITERIA_ROWS_MAX)
        search->limit = CRITERIA_ROWS_MAX;
    *ret_spec = spec;
    return 0;
}
