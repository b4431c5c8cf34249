/*
 * §5.1 Expansion: arrays, objects and their members. Keywords are in expand_keyword.c, maps of values by language, index,
 * id or type in expand_map.c.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

enum { ENTRIES_ON_STACK = 24 };

static bool is_top(const struct prop *prop)
{
    return !str_present(prop->name) || prop->kw == KW_GRAPH;
}

/* Keeps the array of several items whose property is a list together. */
static int expand_array(struct run *run, const struct ctx *ctx, const struct prop *prop,
                        const struct jval *element, bool from_map, struct val **ret)
{
    bool list = prop->term != NULL && (prop->term->container & C_LIST) != 0;
    struct val *result = val_new(run, J_ARRAY);
    struct path here = {.up = run->path};
    int failed = 0;

    run->path = &here;
    for (size_t i = 0; i < jval_len(element) && failed == 0; i++) {
        struct val *item;

        here.index = i;
        failed = expand__any(run, ctx, prop, jval_at(element, i), from_map, &item);
        if (failed == 0 && list && val_is_array(item)) {
            struct val *wrapped = val_new(run, J_OBJECT);

            val_set_kw(run, wrapped, KW_LIST, item);
            item = wrapped;
        }
        if (failed == 0)
            val_push_all(run, result, item);
    }
    run->path = here.up;
    *ret = result;
    return failed < 0 ? failed : run_check(run);
}

static int expand_scalar(struct run *run, const struct ctx *ctx, const struct prop *prop,
                         const struct jval *element, struct val **ret)
{
    const struct term *term = prop->term;

    if (is_top(prop)) {
        run_issue(run, LD_DROPPED_VALUE, STR_NONE, jval_str(element));
        return 0;
    }
    if (term != NULL && term->context != NULL) {
        if (ctx_scoped(run, ctx, term, CTX_OVERRIDE, &ctx) < 0)
            return err_ret(run->err);
        term = ctx_find(ctx, prop->name);
    }
    *ret = expand__value(run, ctx, term, element);
    return run_check(run);
}

/* -- entries -------------------------------------------------------------------------------------------------------- */

struct entries {
    struct entry *at;
    size_t n;
    struct entry small[ENTRIES_ON_STACK];
};

static int entries_read(struct run *run, const struct jval *element, struct entries *entries)
{
    size_t n = jval_len(element);

    entries->n = 0;
    entries->at = n <= ENTRIES_ON_STACK ? entries->small : ARENA_ARRAY(run->arena, struct entry, n);
    if (entries->at == NULL)
        return run_check(run);
    for (const struct jiter *it = jiter_first(element); it != NULL; it = jiter_next(element, it))
        entries->at[entries->n++] = (struct entry){.key = jiter_key(it), .value = jiter_value(it)};
    return 0;
}

static void entries_expand(struct run *run, const struct ctx *ctx, struct entries *entries)
{
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *e = &entries->at[i];

        e->iri = iri_expand_key(run, ctx, e->key, &e->term);
    }
}

static const struct entry *entries_kw(const struct entries *entries, enum kw kw)
{
    for (size_t i = 0; i < entries->n; i++)
        if (entries->at[i].iri.kw == kw)
            return &entries->at[i];
    return NULL;
}

static const struct jval *context_member(const struct entries *entries)
{
    for (size_t i = 0; i < entries->n; i++)
        if (str_eq(entries->at[i].key, kw_str(KW_CONTEXT)))
            return entries->at[i].value;
    return NULL;
}

/* Step 7: a context that does not propagate ends here, unless this is a value or a mere reference. */
static const struct ctx *revert(struct run *run, const struct ctx *ctx, struct entries *entries)
{
    if (ctx->previous == NULL)
        return ctx;
    entries_expand(run, ctx, entries);
    if (entries_kw(entries, KW_VALUE) != NULL ||
        (entries->n == 1 && entries->at[0].iri.kw == KW_ID))
        return ctx;
    return ctx->previous;
}

/* -- type-scoped contexts (step 11) --------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return str_cmp((*(const struct entry *const *)a)->key, (*(const struct entry *const *)b)->key);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int apply_types(struct run *run, const struct ctx *type_ctx, const struct jval *value,
                       const struct ctx **ctx)
{
    bool array = jtype_of(value) == J_ARRAY;
    size_t n = array ? jval_len(value) : 1;
    struct str one[1];
    struct str *type = n <= 1 ? one : ARENA_ARRAY(run->arena, struct str, n);

    if (type == NULL)
        return run_check(run);
    for (size_t i = 0; i < n; i++)
        type[i] = jval_str(array ? jval_at(value, i) : value);
    if (n > 1)
        qsort(type, n, sizeof(*type), by_text);
    for (size_t i = 0; i < n; i++) {
        const struct term *term = ctx_find(type_ctx, type[i]);

        if (term != NULL && term->context != NULL &&
            ctx_scoped(run, *ctx, term, CTX_NO_PROPAGATE, ctx) < 0)
            return err_ret(run->err);
    }
    return 0;
}

/* Applies the contexts of all types; *ret_json: the last of the first type entry is @json (step 12). */
static int scope_types(struct run *run, const struct entries *entries, const struct ctx **ctx,
                       bool *ret_json)
{
    const struct ctx *type_ctx = *ctx;
    const struct entry *few[8];
    const struct entry **with = few;
    size_t n = 0;

    *ret_json = false;
    for (size_t i = 0; i < entries->n; i++)
        n += entries->at[i].iri.kw == KW_TYPE;
    if (n == 0)
        return 0;
    if (n > ARRAY_LEN(few))
        with = ARENA_ARRAY(run->arena, const struct entry *, n);
    if (with == NULL)
        return run_check(run);
    n = 0;
    for (size_t i = 0; i < entries->n; i++)
        if (entries->at[i].iri.kw == KW_TYPE)
            with[n++] = &entries->at[i];
    if (n > 1)
        qsort(with, n, sizeof(*with), by_key);
    for (size_t i = 0; i < n; i++)
        if (apply_types(run, type_ctx, with[i]->value, ctx) < 0)
            return err_ret(run->err);
    const struct jval *type = with[0]->value;

    if (jtype_of(type) == J_ARRAY)
        type = jval_at(type, jval_len(type) - 1);
    *ret_json =
        jtype_of(type) == J_STR && iri_expand(run, *ctx, jval_str(type), IRI_VOCAB).kw == KW_JSON;
    return 0;
}

/* -- members (step 13) ---------------------------------------------------------------------------------------------- */

static bool absolute(struct str iri)
{
    return memchr(iri.p, ':', iri.n) != NULL;
}

/* Step 13.13: turned round, so values and lists cannot stand there. */
static int add_reverse(struct run *run, struct val *result, struct str iri, struct val *value)
{
    struct val *reverse = val_kw(result, KW_REVERSE);
    struct val *items = val_as_array(run, value);

    if (reverse == NULL) {
        reverse = val_new(run, J_OBJECT);
        val_set_kw(run, result, KW_REVERSE, reverse);
    }
    for (uint32_t i = 0; items != NULL && i < items->n; i++) {
        if (val_is_value(items->item[i]) || val_is_list(items->item[i]))
            return run_fail(run, "invalid reverse property value", "of '%.*s'", STR_ARG(iri));
        val_add(run, reverse, iri, items->item[i], true);
    }
    return run_check(run);
}

/* Steps 13.5 to 13.9. */
static int expand_by_container(struct run *run, const struct ctx *ctx, const struct entry *e,
                               struct val **ret)
{
    unsigned container = e->term != NULL ? e->term->container : 0;
    bool map = jtype_of(e->value) == J_OBJECT;

    if (e->term != NULL && e->term->type_kw == KW_JSON) {
        *ret = ld__value_object(run, val_json(run, e->value));
        val_set_kw(run, *ret, KW_TYPE, val_string(run, kw_str(KW_JSON)));
        return run_check(run);
    }
    if (map && (container & C_LANGUAGE) != 0)
        return expand__language_map(run, ctx, e, ret);
    if (map && (container & (C_INDEX | C_TYPE | C_ID)) != 0)
        return expand__map(run, ctx, e, ret);
    struct prop prop = {.name = e->key, .term = e->term};

    return expand__any(run, ctx, &prop, e->value, false, ret);
}

/* Step 13.12. */
static struct val *as_graphs(struct run *run, struct val *value)
{
    struct val *graphs = val_new(run, J_ARRAY);

    value = val_as_array(run, value);
    for (uint32_t i = 0; value != NULL && i < value->n; i++) {
        struct val *graph = val_new(run, J_OBJECT);

        val_set_kw(run, graph, KW_GRAPH, val_as_array(run, value->item[i]));
        val_push(run, graphs, graph);
    }
    return graphs;
}

static int expand_property(struct run *run, struct expanding *x, const struct entry *e)
{
    unsigned container = e->term != NULL ? e->term->container : 0;
    struct val *value = NULL;

    if (expand_by_container(run, x->ctx, e, &value) < 0)
        return err_ret(run->err);
    if (value == NULL)
        return 0;
    if ((container & C_LIST) != 0 && !val_is_list(value)) {
        struct val *list = val_new(run, J_OBJECT);

        val_set_kw(run, list, KW_LIST, val_as_array(run, value));
        value = list;
    }
    if ((container & C_GRAPH) != 0 && (container & (C_ID | C_INDEX)) == 0)
        value = as_graphs(run, value);
    if (e->term != NULL && e->term->reverse)
        return add_reverse(run, x->result, e->iri.s, value);
    val_add(run, x->result, e->iri.s, value, true);
    return run_check(run);
}

static int expand_nest(struct run *run, struct expanding *x, const struct entry *nest);

/* One member that is not @context and not dropped. */
static int expand_entry(struct run *run, struct expanding *x, const struct entry *e)
{
    struct path here = {.up = run->path, .key = e->key};
    int failed;

    run->path = &here;
    if (e->iri.kw != KW_NO)
        failed = expand__keyword(run, x, e);
    else
        failed = expand_property(run, x, e);
    run->path = here.up;
    return failed;
}

static void report_key(struct run *run, const struct entry *e)
{
    bool like = kw_like(e->key);

    run_issue(run, like ? LD_KEYWORD_LIKE : LD_UNDEFINED_TERM, e->key, e->key);
}

static int expand_entries(struct run *run, struct expanding *x, const struct entries *entries)
{
    bool nests = false;

    for (size_t i = 0; i < entries->n; i++) {
        const struct entry *e = &entries->at[i];

        if (e->iri.kw == KW_CONTEXT)
            continue;
        if (e->iri.kw == KW_NEST) {
            nests = true;
            continue;
        }
        if (e->iri.kw == KW_NO && (!str_present(e->iri.s) || !absolute(e->iri.s))) {
            /* a term that its context maps to null is left out on purpose */
            if (e->term == NULL || str_present(e->iri.s))
                report_key(run, e);
            continue;
        }
        if (e->iri.kw == KW_NO)
            ld__report_prefix(run, x->ctx, e->key, e->iri.s, e->key);
        if (expand_entry(run, x, e) < 0)
            return err_ret(run->err);
    }
    for (size_t i = 0; nests && i < entries->n; i++)
        if (entries->at[i].iri.kw == KW_NEST && expand_nest(run, x, &entries->at[i]) < 0)
            return err_ret(run->err);
    return 0;
}

static int expand_nested(struct run *run, struct expanding *x, const struct jval *value)
{
    struct entries entries;

    if (jtype_of(value) != J_OBJECT)
        return run_fail(run, "invalid @nest value", "not an object");
    if (++run->depth > LIMIT_LD_DEPTH)
        return run_limit(run, "nesting");
    if (entries_read(run, value, &entries) < 0)
        return err_ret(run->err);
    entries_expand(run, x->ctx, &entries);
    if (entries_kw(&entries, KW_VALUE) != NULL)
        return run_fail(run, "invalid @nest value", "has '@value'");
    int failed = expand_entries(run, x, &entries);

    run->depth--;
    return failed;
}

/* Step 14. */
static int expand_nest(struct run *run, struct expanding *x, const struct entry *nest)
{
    const struct ctx *outer = x->ctx;
    struct path here = {.up = run->path, .key = nest->key};
    bool array = jtype_of(nest->value) == J_ARRAY;
    int failed = 0;

    if (nest->term != NULL && nest->term->context != NULL &&
        ctx_scoped(run, outer, nest->term, CTX_OVERRIDE, &x->ctx) < 0)
        return err_ret(run->err);
    run->path = &here;
    for (size_t i = 0; failed == 0 && i < (array ? jval_len(nest->value) : 1); i++)
        failed = expand_nested(run, x, array ? jval_at(nest->value, i) : nest->value);
    run->path = here.up;
    x->ctx = outer;
    return failed;
}

/* -- objects -------------------------------------------------------------------------------------------------------- */

/* Step 15. 1: nothing is left. */
static int finish_value(struct run *run, const struct expanding *x)
{
    const struct val *value = val_kw(x->result, KW_VALUE);
    const struct val *type = val_kw(x->result, KW_TYPE);
    bool language = val_kw(x->result, KW_LANGUAGE) != NULL;
    bool direction = val_kw(x->result, KW_DIRECTION) != NULL;

    for (uint32_t i = 0; i < x->result->n; i++) {
        enum kw kw = kw_of(x->result->member[i].key);

        if (kw != KW_DIRECTION && kw != KW_INDEX && kw != KW_LANGUAGE && kw != KW_TYPE &&
            kw != KW_VALUE)
            return run_fail(run, "invalid value object", "'%.*s' beside '@value'",
                            STR_ARG(x->result->member[i].key));
    }
    if (type != NULL && (language || direction))
        return run_fail(run, "invalid value object", "'@type' beside language or direction");
    if (val_is_str(type) && kw_of(type->s) == KW_JSON)
        return 0;
    if (value->type == J_NULL || (val_is_array(value) && value->n == 0)) {
        run_issue(run, LD_DROPPED_VALUE, STR("@value"), STR("null"));
        return 1;
    }
    if (language && !val_is_str(value))
        return run_fail(run, "invalid language-tagged value", "not a string");
    if (type != NULL && (!val_is_str(type) || !iri_valid(type->s)))
        return run_fail(run, "invalid typed value", "'@type' is not an IRI");
    return 0;
}

/* Steps 15 to 19. */
static int finish(struct run *run, const struct expanding *x, size_t members, struct val **ret)
{
    struct val *result = x->result;
    struct val *type = val_kw(result, KW_TYPE);
    struct val *set = val_kw(result, KW_SET);

    if (val_is_value(result)) {
        int ended = finish_value(run, x);

        if (ended != 0)
            return ended < 0 ? ended : 0;
    } else {
        if (type != NULL && !val_is_array(type))
            val_set_kw(run, result, KW_TYPE, val_as_array(run, type));
        if (set != NULL || val_is_list(result)) {
            if (result->n > 2 || (result->n == 2 && val_kw(result, KW_INDEX) == NULL))
                return run_fail(run, "invalid set or list object", "has other members");
            if (set != NULL) {
                *ret = set;
                return 0;
            }
        }
    }
    if (result->n == 1 && val_kw(result, KW_LANGUAGE) != NULL) {
        run_issue(run, LD_DROPPED_VALUE, STR_NONE, STR("@language"));
        return 0;
    }
    if (result->n == 0 && (members > 0 || is_top(x->prop)))
        run_issue(run, LD_EMPTY_NODE, STR_NONE, STR("{}"));
    if (is_top(x->prop) && (result->n == 0 || val_is_value(result) || val_is_list(result) ||
                            (result->n == 1 && val_kw(result, KW_ID) != NULL))) {
        if (result->n > 0)
            run_issue(run, LD_DROPPED_VALUE, STR_NONE, STR("{}"));
        return 0;
    }
    *ret = result;
    return run_check(run);
}

/* Step 9. */
static int enter_context(struct run *run, const struct jval *local, const struct ctx **ctx)
{
    struct path here = {.up = run->path, .key = kw_str(KW_CONTEXT)};

    run->path = &here;
    int failed = ctx_process(run, *ctx, local, run->options->base, 0, NULL, ctx);

    run->path = here.up;
    return failed;
}

/* Steps 7 to 11: the context in which the members are read. */
static int enter(struct run *run, const struct ctx **ctx, const struct prop *prop,
                 const struct jval *element, bool from_map, struct entries *entries)
{
    const struct term *term = prop->term;

    if (entries_read(run, element, entries) < 0)
        return err_ret(run->err);
    const struct jval *local = context_member(entries);

    if (!from_map)
        *ctx = revert(run, *ctx, entries);
    if (term != NULL && term->context != NULL && ctx_scoped(run, *ctx, term, CTX_OVERRIDE, ctx) < 0)
        return err_ret(run->err);
    if (local != NULL && enter_context(run, local, ctx) < 0)
        return err_ret(run->err);
    entries_expand(run, *ctx, entries);
    return 0;
}

static int expand_object(struct run *run, const struct ctx *ctx, const struct prop *prop,
                         const struct jval *element, bool from_map, struct val **ret)
{
    struct entries entries;
    struct expanding x = {.prop = prop, .result = val_object(run, jval_len(element))};

    if (x.result == NULL)
        return run_check(run);
    if (enter(run, &ctx, prop, element, from_map, &entries) < 0)
        return err_ret(run->err);
    x.type_ctx = x.ctx = ctx;
    if (scope_types(run, &entries, &x.ctx, &x.json) < 0)
        return err_ret(run->err);
    if (x.ctx != x.type_ctx)
        entries_expand(run, x.ctx, &entries);
    if (expand_entries(run, &x, &entries) < 0)
        return err_ret(run->err);
    return finish(run, &x, entries.n, ret);
}

int expand__any(struct run *run, const struct ctx *ctx, const struct prop *prop,
                const struct jval *element, bool from_map, struct val **ret)
{
    int failed = 0;

    *ret = NULL;
    if (++run->depth > LIMIT_LD_DEPTH)
        return run_limit(run, "nesting");
    switch (jtype_of(element)) {
    case J_NULL: run_issue(run, LD_DROPPED_VALUE, STR_NONE, STR("null")); break;
    case J_ARRAY: failed = expand_array(run, ctx, prop, element, from_map, ret); break;
    case J_OBJECT: failed = expand_object(run, ctx, prop, element, from_map, ret); break;
    case J_BOOL:
    case J_INT:
    case J_REAL:
    case J_STR: failed = expand_scalar(run, ctx, prop, element, ret); break;
    }
    run->depth--;
    return failed;
}

int expand_document(struct run *run, const struct ctx *ctx, const struct jval *doc,
                    struct val **ret_expanded)
{
    static const struct prop none = {
        .name = {NULL, 0}
    };
    struct val *expanded;

    if (expand__any(run, ctx, &none, doc, false, &expanded) < 0)
        return err_ret(run->err);
    if (val_is_object(expanded) && expanded->n == 1 && val_is_graph(expanded))
        expanded = val_kw(expanded, KW_GRAPH);
    *ret_expanded = expanded != NULL ? val_as_array(run, expanded) : val_new(run, J_ARRAY);
    return run_check(run);
}
