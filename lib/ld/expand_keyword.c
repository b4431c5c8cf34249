/*
 * §5.1 step 13.4, members whose key is a keyword, and §5.3 Value Expansion.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

static bool is_str(const struct jval *v)
{
    return v != NULL && jtype_of(v) == J_STR;
}

static bool has_prefix_colon(struct str s)
{
    return s.n > 1 && memchr(s.p + 1, ':', s.n - 1) != NULL;
}

/* What looks like prefix:suffix and was not replaced, although the prefix is a term, or one that everybody uses. */
void ld__report_prefix(struct run *run, const struct ctx *ctx, struct str written, struct str iri,
                       struct str key)
{
    static const struct str usual[] = {
        {"odrl",      4},
        {"edc",       3},
        {"dcat",      4},
        {"dct",       3},
        {"dspace",    6},
        {"xsd",       3},
        {"rdf",       3},
        {"rdfs",      4},
        {"tx",        2},
        {"cx",        2},
        {"cx-policy", 9},
        {"cred",      4},
        {"dcp",       3},
        {"schema",    6},
    };
    const char *colon;

    if (written.p != iri.p || written.n != iri.n || !has_prefix_colon(written))
        return;
    colon = memchr(written.p + 1, ':', written.n - 1);
    struct str prefix = str_n(written.p, (size_t)(colon - written.p));
    bool known = ctx_find(ctx, prefix) != NULL;

    if (str_starts(str_from(written, prefix.n + 1), STR("//")))
        return;
    for (size_t i = 0; i < ARRAY_LEN(usual) && !known; i++)
        known = str_eq(prefix, usual[i]);
    if (known)
        run_issue(run, LD_UNKNOWN_PREFIX, key, written);
}

struct str expand__iri(struct run *run, const struct ctx *ctx, struct str value, unsigned how)
{
    struct iri iri = iri_expand(run, ctx, value, how);

    if (iri.kw != KW_NO || iri_blank(value))
        return iri.s;
    if (!str_present(iri.s))
        run_issue(run, LD_KEYWORD_LIKE, STR_NONE, value);
    else if (!iri_absolute(iri.s))
        run_issue(run, (how & IRI_VOCAB) != 0 ? LD_RELATIVE_TERM : LD_RELATIVE_ID, STR_NONE, value);
    else if ((how & IRI_VOCAB) != 0)
        ld__report_prefix(run, ctx, value, iri.s, STR_NONE);
    return iri.s;
}

struct val *direction_val(struct run *run, enum direction direction)
{
    return val_string(run, direction == DIR_LTR ? STR("ltr") : STR("rtl"));
}

struct val *ld__value_object(struct run *run, struct val *value)
{
    struct val *object = val_object(run, 2);

    val_set_kw(run, object, KW_VALUE, value);
    return object;
}

static const struct term no_term = {
    .name = {NULL, 0}
};

struct val *expand__text(struct run *run, const struct ctx *ctx, const struct term *term,
                         struct str text)
{
    const struct term *t = term != NULL ? term : &no_term;

    if (t->type_kw == KW_ID || t->type_kw == KW_VOCAB) {
        unsigned how = t->type_kw == KW_ID ? IRI_DOCUMENT : IRI_VOCAB | IRI_DOCUMENT;
        struct str iri = expand__iri(run, ctx, text, how);
        struct val *node = val_object(run, 1);

        val_set_kw(run, node, KW_ID,
                   str_present(iri) ? val_string(run, iri) : val_new(run, J_NULL));
        return node;
    }
    struct val *result = ld__value_object(run, val_string(run, text));
    struct str language = t->has_language ? t->language : ctx->language;
    enum direction direction = t->has_direction ? t->direction : ctx->direction;

    if (str_present(t->type) && t->type_kw == KW_NO) {
        val_set_kw(run, result, KW_TYPE, val_string(run, t->type));
        return result;
    }
    if (str_present(language) && !str_present(t->type))
        val_set_kw(run, result, KW_LANGUAGE, val_string(run, language));
    if (direction != DIR_NONE && !str_present(t->type))
        val_set_kw(run, result, KW_DIRECTION, direction_val(run, direction));
    return result;
}

struct val *expand__value(struct run *run, const struct ctx *ctx, const struct term *term,
                          const struct jval *value)
{
    if (is_str(value))
        return expand__text(run, ctx, term, jval_str(value));
    struct val *result = ld__value_object(run, val_scalar(run, value));

    if (term != NULL && str_present(term->type) && term->type_kw == KW_NO)
        val_set_kw(run, result, KW_TYPE, val_string(run, term->type));
    return result;
}

/* -- keywords ------------------------------------------------------------------------------------------------------- */

static int kw_id(struct run *run, struct expanding *x, const struct entry *e, struct val **ret)
{
    if (!is_str(e->value))
        return run_fail(run, "invalid @id value", "not a string");
    struct str iri = expand__iri(run, x->ctx, jval_str(e->value), IRI_DOCUMENT);

    *ret = str_present(iri) ? val_string(run, iri) : val_new(run, J_NULL);
    return 0;
}

static int kw_type(struct run *run, struct expanding *x, const struct entry *e, struct val **ret)
{
    struct val *before = val_kw(x->result, KW_TYPE);
    bool array = jtype_of(e->value) == J_ARRAY;
    struct val *types = val_new(run, J_ARRAY);

    if (before != NULL)
        val_push_all(run, types, before);
    for (size_t i = 0; i < (array ? jval_len(e->value) : 1); i++) {
        const struct jval *v = array ? jval_at(e->value, i) : e->value;

        if (!is_str(v))
            return run_fail(run, "invalid type value", "not a string");
        struct str iri = expand__iri(run, x->type_ctx, jval_str(v), IRI_VOCAB | IRI_DOCUMENT);

        if (str_present(iri))
            val_push(run, types, val_string(run, iri));
    }
    if (run_check(run) < 0)
        return err_ret(run->err);
    *ret = array || before != NULL ? types : types->n > 0 ? types->item[0] : NULL;
    return 0;
}

static int expand_under(struct run *run, const struct ctx *ctx, const struct prop *prop,
                        const struct entry *e, struct val **ret)
{
    if (expand__any(run, ctx, prop, e->value, false, ret) < 0)
        return err_ret(run->err);
    *ret = *ret != NULL ? val_as_array(run, *ret) : val_new(run, J_ARRAY);
    return run_check(run);
}

static int kw_graph(struct run *run, struct expanding *x, const struct entry *e, struct val **ret)
{
    struct prop graph = {.name = kw_str(KW_GRAPH), .kw = KW_GRAPH};

    return expand_under(run, x->ctx, &graph, e, ret);
}

static bool is_node(const struct val *v)
{
    return val_is_object(v) && !val_is_value(v) && !val_is_list(v) && val_kw(v, KW_SET) == NULL;
}

static int kw_included(struct run *run, struct expanding *x, const struct entry *e,
                       struct val **ret)
{
    struct val *before = val_kw(x->result, KW_INCLUDED);
    struct prop none = {
        .name = {NULL, 0}
    };
    struct val *items;

    if (expand_under(run, x->ctx, &none, e, &items) < 0)
        return err_ret(run->err);
    if (items->n == 0)
        return run_fail(run, "invalid @included value", "not a node object");
    for (uint32_t i = 0; i < items->n; i++)
        if (!is_node(items->item[i]))
            return run_fail(run, "invalid @included value", "not a node object");
    if (before != NULL) {
        struct val *all = val_new(run, J_ARRAY);

        val_push_all(run, all, before);
        val_push_all(run, all, items);
        items = all;
    }
    *ret = items;
    return 0;
}

static int kw_value(struct run *run, struct expanding *x, const struct entry *e, struct val **ret)
{
    enum jtype type = jtype_of(e->value);

    if (x->json) {
        *ret = val_json(run, e->value);
        return 0;
    }
    if (type == J_ARRAY || type == J_OBJECT)
        return run_fail(run, "invalid value object value", "neither scalar nor null");
    *ret = val_scalar(run, e->value);
    return 0;
}

static int kw_text(struct run *run, struct expanding *x, const struct entry *e, struct val **ret)
{
    static const char *const codes[KW__COUNT] = {
        [KW_LANGUAGE] = "invalid language-tagged string",
        [KW_INDEX] = "invalid @index value",
        [KW_DIRECTION] = "invalid base direction",
    };
    bool good = is_str(e->value);

    (void)x;
    if (e->iri.kw == KW_DIRECTION)
        good = good &&
               (str_eq(jval_str(e->value), STR("ltr")) || str_eq(jval_str(e->value), STR("rtl")));
    if (!good)
        return run_fail(run, codes[e->iri.kw], "not a string that may stand there");
    *ret = val_string(run, jval_str(e->value));
    return 0;
}

static int kw_list(struct run *run, struct expanding *x, const struct entry *e, struct val **ret)
{
    if (!str_present(x->prop->name) || x->prop->kw == KW_GRAPH) {
        run_issue(run, LD_DROPPED_VALUE, STR_NONE, STR("@list"));
        return 0;
    }
    return expand_under(run, x->ctx, x->prop, e, ret);
}

static int kw_set(struct run *run, struct expanding *x, const struct entry *e, struct val **ret)
{
    return expand__any(run, x->ctx, x->prop, e->value, false, ret);
}

/* Reverse members of the reverse map are forward ones; the others are added to the node's reverse map. */
static int kw_reverse(struct run *run, struct expanding *x, const struct entry *e, struct val **ret)
{
    struct prop reverse = {.name = kw_str(KW_REVERSE), .kw = KW_REVERSE};
    struct val *map = val_kw(x->result, KW_REVERSE);
    struct val *expanded;

    (void)ret;
    if (jtype_of(e->value) != J_OBJECT)
        return run_fail(run, "invalid @reverse value", "not an object");
    if (expand__any(run, x->ctx, &reverse, e->value, false, &expanded) < 0)
        return err_ret(run->err);
    for (uint32_t i = 0; val_is_object(expanded) && i < expanded->n; i++) {
        struct member *m = &expanded->member[i];
        bool twice = kw_of(m->key) == KW_REVERSE;

        for (uint32_t k = 0; twice && k < m->value->n; k++)
            val_add(run, x->result, m->value->member[k].key, m->value->member[k].value, true);
        if (twice)
            continue;
        if (map == NULL) {
            map = val_new(run, J_OBJECT);
            val_set_kw(run, x->result, KW_REVERSE, map);
        }
        struct val *items = val_as_array(run, m->value);

        for (uint32_t k = 0; items != NULL && k < items->n; k++) {
            if (val_is_value(items->item[k]) || val_is_list(items->item[k]))
                return run_fail(run, "invalid reverse property value", "of '%.*s'",
                                STR_ARG(m->key));
            val_add(run, map, m->key, items->item[k], true);
        }
    }
    return run_check(run);
}

typedef int kw_fn(struct run *run, struct expanding *x, const struct entry *e, struct val **ret);

int expand__keyword(struct run *run, struct expanding *x, const struct entry *e)
{
    static kw_fn *const by_kw[KW__COUNT] = {
        [KW_ID] = kw_id,       [KW_TYPE] = kw_type,         [KW_GRAPH] = kw_graph,
        [KW_VALUE] = kw_value, [KW_INCLUDED] = kw_included, [KW_LANGUAGE] = kw_text,
        [KW_INDEX] = kw_text,  [KW_DIRECTION] = kw_text,    [KW_LIST] = kw_list,
        [KW_SET] = kw_set,     [KW_REVERSE] = kw_reverse,
    };
    enum kw kw = e->iri.kw;
    struct val *value = NULL;

    if (x->prop->kw == KW_REVERSE)
        return run_fail(run, "invalid reverse property map", "'%.*s'", STR_ARG(e->key));
    if (by_kw[kw] == NULL) {
        run_issue(run, LD_UNDEFINED_TERM, STR_NONE, e->key);
        return 0;
    }
    if (kw != KW_INCLUDED && kw != KW_TYPE && val_kw(x->result, kw) != NULL)
        return run_fail(run, "colliding keywords", "'%.*s'", STR_ARG(kw_str(kw)));
    if (by_kw[kw](run, x, e, &value) < 0)
        return err_ret(run->err);
    if (value != NULL)
        val_set_kw(run, x->result, kw, value);
    return run_check(run);
}
