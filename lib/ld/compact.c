/*
 * §6.1 Compaction.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

/* The object that is being compacted. */
struct compacting {
    const struct ctx *ctx;
    const struct ctx *type_ctx; /* before type-scoped contexts */
    struct str name;            /* active property, STR_NONE: none */
    unsigned container;         /* of the active property */
    struct val *element;
    struct val *result;
};

static int compact_any(struct run *run, const struct ctx *ctx, struct str name, struct val *element,
                       struct val **ret);

static unsigned container_of(const struct ctx *ctx, struct str name)
{
    const struct term *term = str_present(name) ? ctx_find(ctx, name) : NULL;

    return term != NULL ? term->container : 0;
}

static int alias(struct run *run, const struct ctx *ctx, enum kw kw, struct str *ret)
{
    return iri_compact(run, ctx, kw_str(kw), NULL, COMPACT_VOCAB, ret);
}

static int compact_array(struct run *run, const struct ctx *ctx, struct str name,
                         struct val *element, struct val **ret)
{
    struct val *result = val_new(run, J_ARRAY);
    enum kw kw = kw_of(name);

    for (uint32_t i = 0; i < element->n; i++) {
        struct val *item;

        if (compact_any(run, ctx, name, element->item[i], &item) < 0)
            return err_ret(run->err);
        val_push(run, result, item);
    }
    if (run_check(run) < 0)
        return err_ret(run->err);
    bool single = result->n == 1 && !run->options->keep_arrays && kw != KW_GRAPH && kw != KW_SET &&
                  (container_of(ctx, name) & (C_LIST | C_SET)) == 0;

    *ret = single ? result->item[0] : result;
    return 0;
}

/* -- maps (step 12.8.9) --------------------------------------------------------------------------------------------- */

/* The object under this key, made if there is none. */
static struct val *map_in(struct run *run, struct val *object, struct str key)
{
    struct val *map = val_get(object, key);

    if (!val_is_object(map)) {
        map = val_new(run, J_OBJECT);
        val_set(run, object, key, map);
    }
    return map;
}

/* Takes the first text under `key` out of the item; the rest stays. STR_NONE: there is none. */
static struct str take_first(struct run *run, struct val *item, struct str key)
{
    struct val *values = val_get(item, key);
    struct val *first = val_is_array(values) && values->n > 0 ? values->item[0] : values;

    if (!val_is_str(first))
        return STR_NONE;
    if (!val_is_array(values) || values->n == 1) {
        val_remove(run, item, key);
    } else if (values->n == 2) {
        val_set(run, item, key, values->item[1]);
    } else {
        struct val *rest = val_new(run, J_ARRAY);

        for (uint32_t i = 1; i < values->n; i++)
            val_push(run, rest, values->item[i]);
        val_set(run, item, key, rest);
    }
    return first->s;
}

struct mapped {
    struct str property; /* compacted */
    const struct term *term;
    struct val *expanded;
    struct val *item; /* compacted */
    struct str key;
};

static int key_by_index(struct run *run, const struct ctx *ctx, struct mapped *m)
{
    struct str key;

    if (!str_present(m->term->index)) {
        const struct val *index = val_kw(m->expanded, KW_INDEX);

        m->key = val_is_str(index) ? index->s : STR_NONE;
        return 0;
    }
    if (!val_is_object(m->item))
        return 0;
    m->key = take_first(run, m->item, m->term->index);
    if (str_present(m->key))
        return 0;
    if (iri_compact(run, ctx, iri_expand(run, ctx, m->term->index, IRI_VOCAB).s, NULL,
                    COMPACT_VOCAB, &key) < 0)
        return err_ret(run->err);
    m->key = take_first(run, m->item, key);
    return 0;
}

static int key_by_type(struct run *run, const struct ctx *ctx, struct mapped *m)
{
    struct str key;

    if (alias(run, ctx, KW_TYPE, &key) < 0)
        return err_ret(run->err);
    if (!val_is_object(m->item))
        return 0;
    m->key = take_first(run, m->item, key);
    /* nothing but a reference is left */
    if (m->item->n == 1 && iri_expand(run, ctx, m->item->member[0].key, IRI_VOCAB).kw == KW_ID) {
        struct val *reference = val_new(run, J_OBJECT);

        val_set_kw(run, reference, KW_ID, val_kw(m->expanded, KW_ID));
        return compact_any(run, ctx, m->property, reference, &m->item);
    }
    return 0;
}

static int compact_into_map(struct run *run, const struct ctx *ctx, struct mapped *m,
                            struct val *target, bool as_array)
{
    unsigned c = m->term->container;
    int failed = 0;

    if ((c & C_LANGUAGE) != 0) {
        const struct val *language = val_kw(m->expanded, KW_LANGUAGE);

        m->key = val_is_str(language) ? language->s : STR_NONE;
        if (val_is_value(m->expanded))
            m->item = val_kw(m->expanded, KW_VALUE);
    } else if ((c & C_INDEX) != 0) {
        failed = key_by_index(run, ctx, m);
    } else if ((c & C_ID) != 0) {
        struct str key;

        failed = alias(run, ctx, KW_ID, &key);
        if (failed == 0 && val_is_object(m->item)) {
            const struct val *id = val_get(m->item, key);

            m->key = val_is_str(id) ? id->s : STR_NONE;
            val_remove(run, m->item, key);
        }
    } else {
        failed = key_by_type(run, ctx, m);
    }
    if (failed < 0 || (!str_present(m->key) && alias(run, ctx, KW_NONE, &m->key) < 0))
        return err_ret(run->err);
    val_add(run, map_in(run, target, m->property), m->key, m->item, as_array);
    return run_check(run);
}

/* -- lists and graphs (steps 12.8.7 and 12.8.8) --------------------------------------------------------------------- */

static int compact_list(struct run *run, const struct ctx *ctx, struct mapped *m,
                        struct val *target, bool as_array)
{
    struct val *index = val_kw(m->expanded, KW_INDEX);
    struct val *wrapped = val_new(run, J_OBJECT);
    struct str key;

    m->item = val_as_array(run, m->item);
    if (m->term != NULL && (m->term->container & C_LIST) != 0) {
        val_set(run, target, m->property, m->item);
        return run_check(run);
    }
    if (alias(run, ctx, KW_LIST, &key) < 0)
        return err_ret(run->err);
    val_set(run, wrapped, key, m->item);
    if (index != NULL) {
        if (alias(run, ctx, KW_INDEX, &key) < 0)
            return err_ret(run->err);
        val_set(run, wrapped, key, index);
    }
    val_add(run, target, m->property, wrapped, as_array);
    return run_check(run);
}

/* A graph that stands under its id or index. */
static int graph_into_map(struct run *run, const struct ctx *ctx, struct mapped *m,
                          struct val *target, enum kw by, bool as_array)
{
    const struct val *v = val_kw(m->expanded, by);

    if (!val_is_str(v)) {
        if (alias(run, ctx, KW_NONE, &m->key) < 0)
            return err_ret(run->err);
    } else if (by == KW_ID) {
        if (iri_compact(run, ctx, v->s, NULL, 0, &m->key) < 0)
            return err_ret(run->err);
    } else {
        m->key = v->s;
    }
    val_add(run, map_in(run, target, m->property), m->key, m->item, as_array);
    return run_check(run);
}

static int compact_graph(struct run *run, const struct ctx *ctx, struct mapped *m,
                         struct val *target, bool as_array)
{
    unsigned c = m->term != NULL ? m->term->container : 0;
    bool simple = val_is_simple_graph(m->expanded);
    struct val *id = val_kw(m->expanded, KW_ID), *index = val_kw(m->expanded, KW_INDEX);
    struct val *wrapped = val_new(run, J_OBJECT);
    struct str key, iri;

    if ((c & C_GRAPH) != 0 && (c & C_ID) != 0)
        return graph_into_map(run, ctx, m, target, KW_ID, as_array);
    if ((c & C_GRAPH) != 0 && (c & C_INDEX) != 0 && simple)
        return graph_into_map(run, ctx, m, target, KW_INDEX, as_array);
    if ((c & C_GRAPH) != 0 && simple) {
        if (val_is_array(m->item) && m->item->n > 1) {
            if (alias(run, ctx, KW_INCLUDED, &key) < 0)
                return err_ret(run->err);
            val_set(run, wrapped, key, m->item);
            m->item = wrapped;
        }
        val_add(run, target, m->property, m->item, as_array);
        return run_check(run);
    }
    if (alias(run, ctx, KW_GRAPH, &key) < 0)
        return err_ret(run->err);
    val_set(run, wrapped, key, m->item);
    if (val_is_str(id)) {
        if (alias(run, ctx, KW_ID, &key) < 0 || iri_compact(run, ctx, id->s, NULL, 0, &iri) < 0)
            return err_ret(run->err);
        val_set(run, wrapped, key, val_string(run, iri));
    }
    if (index != NULL) {
        if (alias(run, ctx, KW_INDEX, &key) < 0)
            return err_ret(run->err);
        val_set(run, wrapped, key, index);
    }
    val_add(run, target, m->property, wrapped, as_array);
    return run_check(run);
}

/* -- members -------------------------------------------------------------------------------------------------------- */

/* Where a term with "@nest" puts its values (steps 12.7.2 and 12.8.2). */
static int nest_of(struct run *run, struct compacting *x, const struct term *term,
                   struct val **ret_target)
{
    *ret_target = x->result;
    if (term == NULL || !str_present(term->nest))
        return 0;
    if (iri_expand(run, x->ctx, term->nest, IRI_VOCAB).kw != KW_NEST)
        return run_fail(run, "invalid @nest value", "'%.*s'", STR_ARG(term->nest));
    *ret_target = map_in(run, x->result, term->nest);
    return run_check(run);
}

static bool always_array(const struct run *run, struct str property)
{
    const char *const *p = run->options->arrays_of;

    for (; p != NULL && *p != NULL; p++)
        if (str_eq_c(property, *p))
            return true;
    return false;
}

static int compact_item(struct run *run, struct compacting *x, struct str property,
                        struct val *expanded, bool forced)
{
    unsigned reverse = kw_of(x->name) == KW_REVERSE ? COMPACT_REVERSE : 0;
    struct mapped m = {.expanded = expanded};
    struct val *target, *inner = expanded;

    if (iri_compact(run, x->ctx, property, expanded, COMPACT_VOCAB | reverse, &m.property) < 0)
        return err_ret(run->err);
    m.term = ctx_find(x->ctx, m.property);
    if (nest_of(run, x, m.term, &target) < 0)
        return err_ret(run->err);
    unsigned c = m.term != NULL ? m.term->container : 0;
    enum kw kw = kw_of(m.property);
    bool as_array =
        (c & C_SET) != 0 || kw == KW_GRAPH || kw == KW_LIST || forced || run->options->keep_arrays;

    if (val_is_list(expanded))
        inner = val_kw(expanded, KW_LIST);
    else if (val_is_graph(expanded))
        inner = val_kw(expanded, KW_GRAPH);
    if (compact_any(run, x->ctx, m.property, inner, &m.item) < 0)
        return err_ret(run->err);
    if (val_is_list(expanded))
        return compact_list(run, x->ctx, &m, target, as_array);
    if (val_is_graph(expanded))
        return compact_graph(run, x->ctx, &m, target, as_array);
    if ((c & (C_LANGUAGE | C_INDEX | C_ID | C_TYPE)) != 0 && (c & C_GRAPH) == 0)
        return compact_into_map(run, x->ctx, &m, target, as_array);
    val_add(run, target, m.property, m.item, as_array);
    return run_check(run);
}

/* Step 12.7: nothing is there, and that is kept. */
static int compact_empty(struct run *run, struct compacting *x, struct str property,
                         struct val *values)
{
    unsigned reverse = kw_of(x->name) == KW_REVERSE ? COMPACT_REVERSE : 0;
    struct str name;
    struct val *target;

    if (iri_compact(run, x->ctx, property, values, COMPACT_VOCAB | reverse, &name) < 0 ||
        nest_of(run, x, ctx_find(x->ctx, name), &target) < 0)
        return err_ret(run->err);
    val_add(run, target, name, values, true);
    return run_check(run);
}

static int compact_property(struct run *run, struct compacting *x, const struct member *m)
{
    bool forced = always_array(run, m->key);

    if (!val_is_array(m->value))
        return compact_item(run, x, m->key, m->value, forced);
    if (m->value->n == 0)
        return compact_empty(run, x, m->key, m->value);
    for (uint32_t i = 0; i < m->value->n; i++)
        if (compact_item(run, x, m->key, m->value->item[i], forced) < 0)
            return err_ret(run->err);
    return 0;
}

/* Step 12.2. */
static int compact_type(struct run *run, struct compacting *x, struct val *value)
{
    struct val *types = val_as_array(run, value);
    struct val *compact = val_new(run, J_ARRAY);
    struct str key, iri;

    if (alias(run, x->ctx, KW_TYPE, &key) < 0)
        return err_ret(run->err);
    for (uint32_t i = 0; types != NULL && i < types->n; i++) {
        if (!val_is_str(types->item[i]))
            continue;
        if (iri_compact(run, x->type_ctx, types->item[i]->s, NULL, COMPACT_VOCAB, &iri) < 0)
            return err_ret(run->err);
        val_push(run, compact, val_string(run, iri));
    }
    bool as_array = (container_of(x->ctx, key) & C_SET) != 0 || run->options->keep_arrays;

    val_add(run, x->result, key, compact, as_array);
    return run_check(run);
}

/* Step 12.3: terms that are reverse themselves leave the reverse map. */
static int compact_reverse(struct run *run, struct compacting *x, struct val *value)
{
    struct val *map, *rest = val_new(run, J_OBJECT);
    struct str key;

    if (compact_any(run, x->ctx, kw_str(KW_REVERSE), value, &map) < 0)
        return err_ret(run->err);
    for (uint32_t i = 0; val_is_object(map) && i < map->n; i++) {
        const struct term *term = ctx_find(x->ctx, map->member[i].key);
        bool own = term != NULL && term->reverse;
        bool as_array = own && ((term->container & C_SET) != 0 || run->options->keep_arrays);

        if (own)
            val_add(run, x->result, map->member[i].key, map->member[i].value, as_array);
        else
            val_set(run, rest, map->member[i].key, map->member[i].value);
    }
    if (rest == NULL || rest->n == 0)
        return run_check(run);
    if (alias(run, x->ctx, KW_REVERSE, &key) < 0)
        return err_ret(run->err);
    val_set(run, x->result, key, rest);
    return run_check(run);
}

static int compact_id(struct run *run, struct compacting *x, struct val *value)
{
    struct str key, iri;

    if (alias(run, x->ctx, KW_ID, &key) < 0)
        return err_ret(run->err);
    if (val_is_str(value)) {
        if (iri_compact(run, x->ctx, value->s, NULL, 0, &iri) < 0)
            return err_ret(run->err);
        value = val_string(run, iri);
    }
    val_set(run, x->result, key, value);
    return run_check(run);
}

static int compact_member(struct run *run, struct compacting *x, const struct member *m)
{
    enum kw kw = kw_of(m->key);
    struct str key;

    switch (kw) {
    case KW_ID: return compact_id(run, x, m->value);
    case KW_TYPE: return compact_type(run, x, m->value);
    case KW_REVERSE: return compact_reverse(run, x, m->value);
    case KW_INDEX:
        if ((x->container & C_INDEX) != 0)
            return 0;
        break;
    case KW_DIRECTION:
    case KW_LANGUAGE:
    case KW_VALUE: break;
    default: return compact_property(run, x, m);
    }
    if (alias(run, x->ctx, kw, &key) < 0)
        return err_ret(run->err);
    val_set(run, x->result, key, m->value);
    return run_check(run);
}

/* -- objects -------------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Step 11. */
static int scope_types(struct run *run, struct compacting *x)
{
    struct val *types = val_as_array(run, val_kw(x->element, KW_TYPE));
    const struct ctx *ctx = x->ctx;

    if (types == NULL || types->n == 0)
        return run_check(run);
    struct str *name = ARENA_ARRAY(run->arena, struct str, types->n);
    size_t n = 0;

    if (name == NULL)
        return run_check(run);
    for (uint32_t i = 0; i < types->n; i++)
        if (val_is_str(types->item[i]) &&
            iri_compact(run, ctx, types->item[i]->s, NULL, COMPACT_VOCAB, &name[n++]) < 0)
            return err_ret(run->err);
    qsort(name, n, sizeof(*name), by_text);
    for (size_t i = 0; i < n; i++) {
        const struct term *term = ctx_find(x->type_ctx, name[i]);

        if (term != NULL && term->context != NULL &&
            ctx_scoped(run, x->ctx, term, CTX_NO_PROPAGATE, &x->ctx) < 0)
            return err_ret(run->err);
    }
    return 0;
}

static int compact_object(struct run *run, const struct ctx *ctx, struct str name,
                          struct val *element, struct val **ret)
{
    struct compacting x = {.type_ctx = ctx, .name = name, .element = element};
    const struct term *term = str_present(name) ? ctx_find(ctx, name) : NULL;

    if (ctx->previous != NULL && !val_is_value(element) &&
        !(element->n == 1 && val_kw(element, KW_ID) != NULL))
        ctx = ctx->previous;
    if (term != NULL && term->context != NULL) {
        const struct term *own;

        if (ctx_scoped(run, ctx, term, CTX_OVERRIDE, &ctx) < 0)
            return err_ret(run->err);
        own = ctx_find(ctx, name);
        term = own != NULL ? own : term;
    }
    if (val_is_value(element) || val_kw(element, KW_ID) != NULL) {
        struct val *value;

        if (compact__value(run, ctx, term, element, &value) < 0)
            return err_ret(run->err);
        if (!val_is_object(value) || (term != NULL && term->type_kw == KW_JSON)) {
            *ret = value;
            return 0;
        }
    }
    x.ctx = ctx;
    x.container = term != NULL ? term->container : 0;
    if (val_is_list(element) && (x.container & C_LIST) != 0)
        return compact_any(run, ctx, name, val_kw(element, KW_LIST), ret);
    x.result = val_object(run, element->n);
    if (scope_types(run, &x) < 0)
        return err_ret(run->err);
    for (uint32_t i = 0; i < element->n; i++)
        if (compact_member(run, &x, &element->member[i]) < 0)
            return err_ret(run->err);
    *ret = x.result;
    return run_check(run);
}

static int compact_any(struct run *run, const struct ctx *ctx, struct str name, struct val *element,
                       struct val **ret)
{
    int failed = 0;

    if (++run->depth > LIMIT_LD_DEPTH * 2)
        return run_limit(run, "nesting");
    *ret = element;
    if (val_is_array(element))
        failed = compact_array(run, ctx, name, element, ret);
    else if (val_is_object(element))
        failed = compact_object(run, ctx, name, element, ret);
    run->depth--;
    return failed;
}

int compact_document(struct run *run, const struct ctx *ctx, struct val *expanded,
                     struct val **ret_compacted)
{
    struct val *compacted;
    struct str graph;

    if (compact_any(run, ctx, STR_NONE, expanded, &compacted) < 0)
        return err_ret(run->err);
    if (!val_is_array(compacted)) {
        *ret_compacted = compacted;
        return 0;
    }
    *ret_compacted = val_new(run, J_OBJECT);
    if (compacted->n > 0) {
        if (alias(run, ctx, KW_GRAPH, &graph) < 0)
            return err_ret(run->err);
        val_set(run, *ret_compacted, graph, compacted);
    }
    return run_check(run);
}
