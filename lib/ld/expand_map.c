/*
 * §5.1 steps 13.7 and 13.8: values that stand in a map by language, index, id or type.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

static int add_language(struct run *run, const struct ctx *ctx, const struct entry *e,
                        struct str language, const struct jval *text, struct val *result)
{
    enum direction direction = e->term->has_direction ? e->term->direction : ctx->direction;

    if (jtype_of(text) == J_NULL) {
        run_issue(run, LD_DROPPED_VALUE, language, STR("null"));
        return 0;
    }
    if (jtype_of(text) != J_STR)
        return run_fail(run, "invalid language map value", "not a string");
    struct val *value = ld__value_object(run, val_string(run, jval_str(text)));

    if (iri_expand(run, ctx, language, IRI_VOCAB).kw != KW_NONE)
        val_set_kw(run, value, KW_LANGUAGE, val_string(run, language));
    if (direction != DIR_NONE)
        val_set_kw(run, value, KW_DIRECTION, direction_val(run, direction));
    val_push(run, result, value);
    return run_check(run);
}

int expand__language_map(struct run *run, const struct ctx *ctx, const struct entry *e,
                         struct val **ret)
{
    struct val *result = val_new(run, J_ARRAY);

    for (const struct jiter *it = jiter_first(e->value); it != NULL;
         it = jiter_next(e->value, it)) {
        const struct jval *v = jiter_value(it);
        bool array = jtype_of(v) == J_ARRAY;

        for (size_t i = 0; i < (array ? jval_len(v) : 1); i++)
            if (add_language(run, ctx, e, jiter_key(it), array ? jval_at(v, i) : v, result) < 0)
                return err_ret(run->err);
    }
    *ret = result;
    return run_check(run);
}

/* What one key of the map means. */
struct place {
    struct str key;
    struct iri iri; /* expanded by vocabulary */
};

/* Step 13.8.3.7.2: the key is the value of a property. */
static int add_index_property(struct run *run, const struct ctx *ctx, const struct entry *e,
                              struct str key, struct val *item)
{
    struct str property = iri_expand(run, ctx, e->term->index, IRI_VOCAB).s;
    struct val *values = val_new(run, J_ARRAY);
    struct val *before = val_get(item, property);

    val_push(run, values, expand__text(run, ctx, ctx_find(ctx, e->term->index), key));
    if (before != NULL)
        val_push_all(run, values, before);
    val_set(run, item, property, values);
    if (val_is_value(item) && item->n > 1)
        return run_fail(run, "invalid value object", "'%.*s' beside '@value'", STR_ARG(property));
    return run_check(run);
}

static int mark_item(struct run *run, const struct ctx *ctx, const struct entry *e,
                     const struct place *place, struct val *item)
{
    unsigned c = e->term->container;

    if (place->iri.kw == KW_NONE || !val_is_object(item))
        return 0;
    if ((c & C_INDEX) != 0 && str_present(e->term->index))
        return add_index_property(run, ctx, e, place->key, item);
    if ((c & C_INDEX) != 0) {
        if (val_kw(item, KW_INDEX) == NULL)
            val_set_kw(run, item, KW_INDEX, val_string(run, place->key));
    } else if ((c & C_ID) != 0) {
        if (val_kw(item, KW_ID) == NULL) {
            struct str id = expand__iri(run, ctx, place->key, IRI_DOCUMENT);

            if (str_present(id))
                val_set_kw(run, item, KW_ID, val_string(run, id));
        }
    } else {
        struct val *types = val_new(run, J_ARRAY);
        struct val *before = val_kw(item, KW_TYPE);

        val_push(run, types, val_string(run, place->iri.s));
        if (before != NULL)
            val_push_all(run, types, before);
        val_set_kw(run, item, KW_TYPE, types);
    }
    return run_check(run);
}

/* Steps 13.8.3.1 to 13.8.3.3. */
static int map_context(struct run *run, const struct ctx *ctx, const struct entry *e,
                       struct str key, const struct ctx **ret_ctx)
{
    unsigned c = e->term->container;

    *ret_ctx = ctx;
    if ((c & (C_ID | C_TYPE)) != 0 && ctx->previous != NULL)
        *ret_ctx = ctx->previous;
    if ((c & C_TYPE) != 0) {
        const struct term *term = ctx_find(*ret_ctx, key);

        if (term != NULL && term->context != NULL)
            return ctx_scoped(run, *ret_ctx, term, 0, ret_ctx);
    }
    return 0;
}

static int expand_place(struct run *run, const struct ctx *ctx, const struct entry *e,
                        const struct place *place, const struct jval *value, struct val *result)
{
    struct prop prop = {.name = e->key};
    const struct ctx *inner;
    struct val *items;

    if (map_context(run, ctx, e, place->key, &inner) < 0)
        return err_ret(run->err);
    prop.term = ctx_find(inner, e->key);
    if (expand__any(run, inner, &prop, value, true, &items) < 0)
        return err_ret(run->err);
    items = val_as_array(run, items);
    for (uint32_t i = 0; items != NULL && i < items->n; i++) {
        struct val *item = items->item[i];

        if ((e->term->container & C_GRAPH) != 0 && !val_is_graph(item)) {
            struct val *graph = val_new(run, J_OBJECT);

            val_set_kw(run, graph, KW_GRAPH, val_as_array(run, item));
            item = graph;
        }
        if (mark_item(run, ctx, e, place, item) < 0)
            return err_ret(run->err);
        val_push(run, result, item);
    }
    return run_check(run);
}

int expand__map(struct run *run, const struct ctx *ctx, const struct entry *e, struct val **ret)
{
    struct val *result = val_new(run, J_ARRAY);

    for (const struct jiter *it = jiter_first(e->value); it != NULL;
         it = jiter_next(e->value, it)) {
        struct str key = jiter_key(it);
        struct place place = {key, iri_expand(run, ctx, key, IRI_VOCAB)};
        struct path here = {.up = run->path, .key = key};

        run->path = &here;
        int failed = expand_place(run, ctx, e, &place, jiter_value(it), result);

        run->path = here.up;
        if (failed < 0)
            return failed;
    }
    *ret = result;
    return run_check(run);
}
