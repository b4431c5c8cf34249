/*
 * §6.3 IRI Compaction, and §6.2 Value Compaction.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

static void want(struct wanted *w, unsigned container)
{
    if (w->n_containers < ARRAY_LEN(w->container))
        w->container[w->n_containers++] = container;
}

/* The container, then the same as a set. */
static void want_both(struct wanted *w, unsigned container)
{
    want(w, container);
    want(w, container | C_SET);
}

static enum direction direction_of(const struct val *value)
{
    const struct val *direction = val_kw(value, KW_DIRECTION);

    if (!val_is_str(direction))
        return DIR_NONE;
    return str_eq(direction->s, STR("rtl")) ? DIR_RTL : DIR_LTR;
}

static struct str text_of(const struct val *v)
{
    return val_is_str(v) ? v->s : STR_NONE;
}

/* Step 4.1. */
static struct str default_language(struct run *run, const struct ctx *ctx)
{
    if (!str_present(ctx->language) && ctx->direction == DIR_NONE)
        return kw_str(KW_NONE);
    return inverse_language(run, ctx->language, ctx->direction);
}

/* What all items of a list have in common (step 4.7). */
static struct str list_wants(struct run *run, const struct ctx *ctx, const struct val *value,
                             struct wanted *w)
{
    const struct val *list = val_kw(value, KW_LIST);
    struct str type = STR_NONE, language = STR_NONE, none = kw_str(KW_NONE);

    if (val_kw(value, KW_INDEX) == NULL)
        want(w, C_LIST);
    if (val_is_array(list) && list->n == 0)
        language = default_language(run, ctx);
    for (uint32_t i = 0; val_is_array(list) && i < list->n; i++) {
        const struct val *item = list->item[i];
        struct str item_type = none, item_language = none;

        if (val_is_value(item)) {
            struct str tag = text_of(val_kw(item, KW_LANGUAGE));
            struct str its = text_of(val_kw(item, KW_TYPE));

            if (str_present(its))
                item_type = its;
            else
                item_language = inverse_language(run, tag, direction_of(item));
        } else {
            item_type = kw_str(KW_ID);
        }
        if (!str_present(language))
            language = item_language;
        else if (!str_eq(language, item_language) && val_is_value(item))
            language = none;
        if (!str_present(type))
            type = item_type;
        else if (!str_eq(type, item_type))
            type = none;
        if (str_eq(type, none) && str_eq(language, none))
            break;
    }
    w->by = str_present(type) && !str_eq(type, none) ? BY_TYPE : BY_LANGUAGE;
    if (w->by == BY_TYPE)
        return type;
    return str_present(language) ? language : none;
}

/* Step 4.8. */
static struct str graph_wants(const struct val *value, struct wanted *w)
{
    bool index = val_kw(value, KW_INDEX) != NULL;
    bool id = val_kw(value, KW_ID) != NULL;

    if (index)
        want_both(w, C_GRAPH | C_INDEX);
    if (id)
        want_both(w, C_GRAPH | C_ID);
    want_both(w, C_GRAPH);
    want(w, C_SET);
    if (!index)
        want_both(w, C_GRAPH | C_INDEX);
    if (!id)
        want_both(w, C_GRAPH | C_ID);
    want_both(w, C_INDEX);
    w->by = BY_TYPE;
    return kw_str(KW_ID);
}

/* Step 4.9. */
static struct str item_wants(struct run *run, const struct val *value, struct wanted *w)
{
    struct str wants = STR_NONE;

    if (val_is_value(value)) {
        struct str language = text_of(val_kw(value, KW_LANGUAGE));
        enum direction direction = direction_of(value);
        struct str type = text_of(val_kw(value, KW_TYPE));
        bool index = val_kw(value, KW_INDEX) != NULL;

        if ((direction != DIR_NONE || str_present(language)) && !index) {
            wants = inverse_language(run, language, direction);
            want_both(w, C_LANGUAGE);
        } else if (str_present(type)) {
            wants = type;
            w->by = BY_TYPE;
        }
    } else {
        w->by = BY_TYPE;
        wants = kw_str(KW_ID);
        want_both(w, C_ID);
        want_both(w, C_TYPE);
    }
    want(w, C_SET);
    return wants;
}

static void prefer(struct wanted *w, struct str value)
{
    if (w->n_values < ARRAY_LEN(w->value))
        w->value[w->n_values++] = value;
}

/* Steps 4.15 and 4.16: a reference is taken by vocabulary if a term stands for just that. */
static int prefer_reference(struct run *run, const struct ctx *ctx, const struct val *id,
                            struct wanted *w)
{
    struct str compact;

    if (iri_compact(run, ctx, id->s, NULL, COMPACT_VOCAB, &compact) < 0)
        return err_ret(run->err);
    const struct term *term = ctx_find(ctx, compact);
    bool exact = term != NULL && str_eq(term->iri, id->s);

    prefer(w, kw_str(exact ? KW_VOCAB : KW_ID));
    prefer(w, kw_str(exact ? KW_ID : KW_VOCAB));
    prefer(w, kw_str(KW_NONE));
    return 0;
}

/* Step 4: what kind of term would fit the value. */
static int choose_term(struct run *run, const struct ctx *ctx, const struct inverse *inverse,
                       struct str iri, const struct val *value, unsigned how, struct str *ret_term)
{
    struct wanted w = {.by = BY_LANGUAGE};
    struct str wants = STR_NONE;
    bool map = val_is_object(value);
    const struct val *id = val_kw(value, KW_ID);

    if (map && val_kw(value, KW_INDEX) != NULL && !val_is_graph(value))
        want_both(&w, C_INDEX);
    if ((how & COMPACT_REVERSE) != 0) {
        w.by = BY_TYPE;
        wants = kw_str(KW_REVERSE);
        want(&w, C_SET);
    } else if (val_is_list(value)) {
        wants = list_wants(run, ctx, value, &w);
    } else if (val_is_graph(value)) {
        wants = graph_wants(value, &w);
    } else {
        wants = item_wants(run, value, &w);
    }
    want(&w, 0);
    if (!map || val_kw(value, KW_INDEX) == NULL)
        want_both(&w, C_INDEX);
    if (val_is_value(value) && value->n == 1)
        want_both(&w, C_LANGUAGE);
    if (!str_present(wants))
        wants = STR("@null");
    bool reverse = str_eq(wants, kw_str(KW_REVERSE));

    if (reverse)
        prefer(&w, kw_str(KW_REVERSE));
    if ((reverse || str_eq(wants, kw_str(KW_ID))) && val_is_str(id)) {
        if (prefer_reference(run, ctx, id, &w) < 0)
            return err_ret(run->err);
    } else {
        const struct val *list = val_kw(value, KW_LIST);

        prefer(&w, wants);
        prefer(&w, kw_str(KW_NONE));
        if (val_is_array(list) && list->n == 0)
            w.by = BY_ANY;
    }
    prefer(&w, STR("@any"));
    for (size_t i = 0, n = w.n_values; i < n; i++) {
        const char *mark = memchr(w.value[i].p, '_', w.value[i].n);

        if (mark != NULL) {
            prefer(&w, str_from(w.value[i], (size_t)(mark - w.value[i].p)));
            break;
        }
    }
    *ret_term = inverse_select(inverse, iri, &w);
    return run_check(run);
}

static struct str join(struct run *run, struct str prefix, struct str tail)
{
    char *p = arena_alloc(run->arena, prefix.n + 1 + tail.n);

    if (p == NULL)
        return STR_NONE;
    memcpy(p, prefix.p, prefix.n);
    p[prefix.n] = ':';
    memcpy(p + prefix.n + 1, tail.p, tail.n);
    return str_n(p, prefix.n + 1 + tail.n);
}

/* Step 7: the shortest prefix:suffix. */
static struct str with_prefix(struct run *run, const struct ctx *ctx, const struct inverse *inverse,
                              struct str iri, bool has_value)
{
    struct str best = STR_NONE;
    const struct term *t;

    for (size_t i = 0; (t = inverse_prefix(inverse, i)) != NULL; i++) {
        if (t->iri.n >= iri.n || !str_starts(iri, t->iri))
            continue;
        struct str tail = str_from(iri, t->iri.n);
        struct str candidate = join(run, t->name, tail);
        const struct term *taken = ctx_find(ctx, candidate);

        if (!str_present(candidate) || (taken != NULL && (has_value || !str_eq(taken->iri, iri))))
            continue;
        if (!str_present(best) || candidate.n < best.n ||
            (candidate.n == best.n && str_cmp(candidate, best) < 0))
            best = candidate;
    }
    return best;
}

/* Step 9: "x:y" that would be read as prefix and suffix. */
static bool confused(const struct inverse *inverse, struct str iri)
{
    const char *colon = iri.n > 0 ? memchr(iri.p, ':', iri.n) : NULL;
    const struct term *t;

    if (colon == NULL || str_starts(str_from(iri, (size_t)(colon - iri.p) + 1), STR("//")))
        return false;
    struct str scheme = str_n(iri.p, (size_t)(colon - iri.p));

    for (size_t i = 0; (t = inverse_prefix(inverse, i)) != NULL; i++)
        if (str_eq(t->name, scheme))
            return true;
    return false;
}

/* -- results that do not depend on a value, remembered for one run --------------------------------------------------- */

struct memo {
    const struct ctx *ctx;
    struct str iri, compact;
    bool has_value;
};

enum { MEMOS = 128 };

/* The place of this question; NULL without memory, which costs time only. */
static struct memo *memo_of(struct run *run, const struct ctx *ctx, struct str iri, bool has_value)
{
    uint64_t h = ((uint64_t)(uintptr_t)ctx >> 4) * UINT64_C(0x9E3779B97F4A7C15);

    if (run->memo == NULL)
        run->memo = ARENA_ARRAY(run->arena, struct memo, MEMOS);
    return run->memo != NULL ? &run->memo[(key_hash(iri) ^ (h >> 40) ^ has_value) % MEMOS] : NULL;
}

static bool memo_fits(const struct memo *memo, const struct ctx *ctx, struct str iri,
                      bool has_value)
{
    return memo != NULL && memo->ctx == ctx && memo->has_value == has_value &&
           str_eq(memo->iri, iri);
}

/* Steps 5 to 9 with vocabulary; STR_NONE: the IRI stays. */
static int by_vocabulary(struct run *run, const struct ctx *ctx, const struct inverse *inverse,
                         struct str iri, bool has_value, struct str *ret_compact)
{
    if (str_present(ctx->vocab) && iri.n > ctx->vocab.n && str_starts(iri, ctx->vocab)) {
        struct str tail = str_from(iri, ctx->vocab.n);

        if (ctx_find(ctx, tail) == NULL) {
            *ret_compact = tail;
            return 0;
        }
    }
    *ret_compact = with_prefix(run, ctx, inverse, iri, has_value);
    if (!str_present(*ret_compact) && !iri_blank(iri) && confused(inverse, iri))
        return run_fail(run, "IRI confused with prefix", "'%.*s'", STR_ARG(iri));
    return run_check(run);
}

static int compact_vocab(struct run *run, const struct ctx *ctx, struct str iri,
                         const struct val *value, unsigned how, struct str *ret_compact)
{
    const struct inverse *inverse = ctx_inverse(run, ctx);
    bool chosen = false;

    if (inverse == NULL)
        return run_limit(run, "memory");
    bool has = inverse_has(inverse, iri);
    struct memo *memo = has && value != NULL ? NULL : memo_of(run, ctx, iri, value != NULL);

    if (memo_fits(memo, ctx, iri, value != NULL)) {
        *ret_compact = memo->compact;
        return 0;
    }
    *ret_compact = STR_NONE;
    if (has && choose_term(run, ctx, inverse, iri, value, how, ret_compact) < 0)
        return err_ret(run->err);
    chosen = str_present(*ret_compact);
    if (!chosen && by_vocabulary(run, ctx, inverse, iri, value != NULL, ret_compact) < 0)
        return err_ret(run->err);
    if (!str_present(*ret_compact))
        *ret_compact = iri;
    if (memo != NULL)
        *memo = (struct memo){ctx, iri, *ret_compact, value != NULL};
    return 0;
}

int iri_compact(struct run *run, const struct ctx *ctx, struct str iri, const struct val *value,
                unsigned how, struct str *ret_compact)
{
    const struct inverse *inverse;
    struct str base = ctx_base(run, ctx);

    if ((how & COMPACT_VOCAB) != 0)
        return compact_vocab(run, ctx, iri, value, how, ret_compact);
    if ((inverse = ctx_inverse(run, ctx)) == NULL)
        return run_limit(run, "memory");
    *ret_compact = with_prefix(run, ctx, inverse, iri, value != NULL);
    if (str_present(*ret_compact) || run_check(run) < 0)
        return arena_failed(run->arena) ? err_ret(run->err) : 0;
    if (!iri_blank(iri) && confused(inverse, iri))
        return run_fail(run, "IRI confused with prefix", "'%.*s'", STR_ARG(iri));
    *ret_compact = iri;
    if (!run->options->keep_absolute && str_present(base))
        *ret_compact = iri_relative(run->arena, base, iri);
    return run_check(run);
}

/* -- §6.2 ----------------------------------------------------------------------------------------------------------- */

/* The members with the names that the context has for the keywords. */
static int rename_keywords(struct run *run, const struct ctx *ctx, const struct val *value,
                           struct val **ret)
{
    struct val *result = val_object(run, value->n);

    for (uint32_t i = 0; i < value->n; i++) {
        const struct member *m = &value->member[i];
        struct str key, iri;
        struct val *v = m->value;

        if (iri_compact(run, ctx, m->key, NULL, COMPACT_VOCAB, &key) < 0)
            return err_ret(run->err);
        if (kw_of(m->key) == KW_TYPE && val_is_str(v)) {
            if (iri_compact(run, ctx, v->s, NULL, COMPACT_VOCAB, &iri) < 0)
                return err_ret(run->err);
            v = val_string(run, iri);
        }
        if (kw_of(m->key) == KW_ID && val_is_str(v)) {
            if (iri_compact(run, ctx, v->s, NULL, 0, &iri) < 0)
                return err_ret(run->err);
            v = val_string(run, iri);
        }
        val_set(run, result, key, v);
    }
    *ret = result;
    return run_check(run);
}

static bool same_language(const struct ctx *ctx, const struct term *term, const struct val *value)
{
    struct str language = term->has_language ? term->language : ctx->language;
    enum direction direction = term->has_direction ? term->direction : ctx->direction;

    return str_eq_nocase(language, text_of(val_kw(value, KW_LANGUAGE))) &&
           direction == direction_of(value);
}

int compact__value(struct run *run, const struct ctx *ctx, const struct term *term,
                   struct val *value, struct val **ret)
{
    static const struct term none = {
        .name = {NULL, 0}
    };
    const struct term *t = term != NULL ? term : &none;
    struct val *id = val_kw(value, KW_ID), *type = val_kw(value, KW_TYPE);
    struct val *index = val_kw(value, KW_INDEX), *plain = val_kw(value, KW_VALUE);
    bool index_goes = index == NULL || (t->container & C_INDEX) != 0;

    if (id != NULL && value->n == 1 + (uint32_t)(index != NULL)) {
        struct str iri;

        if (val_is_str(id) && (t->type_kw == KW_ID || t->type_kw == KW_VOCAB)) {
            unsigned how = t->type_kw == KW_VOCAB ? COMPACT_VOCAB : 0;

            if (iri_compact(run, ctx, id->s, NULL, how, &iri) < 0)
                return err_ret(run->err);
            *ret = val_string(run, iri);
            return run_check(run);
        }
    } else if (plain != NULL && val_is_str(type) && str_present(t->type) &&
               str_eq(t->type, type->s)) {
        *ret = plain;
        return 0;
    } else if (plain != NULL && t->type_kw != KW_NONE && type == NULL && index_goes &&
               (!val_is_str(plain) || same_language(ctx, t, value))) {
        *ret = plain;
        return 0;
    }
    return rename_keywords(run, ctx, value, ret);
}
