/*
 * §4.2 Create Term Definition. It and IRI expansion (iri_expand.c) call each other, because a definition may use terms of
 * its own context that are not defined yet.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

enum { UNKNOWN = 0, STARTED, DONE };

/* The state of a term within one local context (the "defined" map of the algorithm). */
struct defined {
    struct str name;
    int state;
};

static struct defined *defined_of(struct local *local, struct str name)
{
    uint32_t i = key_hash(name) & local->defined_mask;

    while (str_present(local->defined[i].name) && !str_eq(local->defined[i].name, name))
        i = (i + 1) & local->defined_mask;
    local->defined[i].name = name;
    return &local->defined[i];
}

int term__need(struct run *run, struct ctx *ctx, struct local *local, struct str name)
{
    if (local_get(local, name) == NULL || defined_of(local, name)->state == DONE)
        return 0;
    return term_create(run, ctx, local, name);
}

/* Room for every term of the context, and for "@vocab" and the like that are asked for as terms. */
int local_init(struct run *run, struct local *local)
{
    size_t n = jval_len(local->own) + jval_len(local->imported);
    uint32_t size = 16;

    while (size < 2 * n + 8)
        size *= 2;
    local->defined = ARENA_ARRAY(run->arena, struct defined, size);
    local->defined_mask = size - 1;
    return run_check(run);
}

const struct jval *local_get(const struct local *local, struct str key)
{
    const struct jval *v = jval_get_str(local->own, key);

    return v != NULL || local->imported == NULL ? v : jval_get_str(local->imported, key);
}

/* -- §4.2 ----------------------------------------------------------------------------------------------------------- */

/* The entries of an expanded term definition. */
struct entries {
    const struct jval *of[KW__COUNT];
    bool other; /* one that does not belong there */
};

static const bool entry_allowed[KW__COUNT] = {
    [KW_ID] = true,        [KW_REVERSE] = true,   [KW_CONTAINER] = true, [KW_CONTEXT] = true,
    [KW_DIRECTION] = true, [KW_INDEX] = true,     [KW_LANGUAGE] = true,  [KW_NEST] = true,
    [KW_PREFIX] = true,    [KW_PROTECTED] = true, [KW_TYPE] = true,
};

static struct entries entries_of(const struct jval *value)
{
    struct entries e = {0};

    for (const struct jiter *it = jiter_first(value); it != NULL; it = jiter_next(value, it)) {
        enum kw kw = kw_of(jiter_key(it));

        if (entry_allowed[kw])
            e.of[kw] = jiter_value(it);
        else
            e.other = true;
    }
    return e;
}

static bool is_str(const struct jval *v)
{
    return v != NULL && jtype_of(v) == J_STR;
}

/* Steps 4 and 5: may this name be defined so? 1: ignore it. */
static int check_name(struct run *run, struct str name, const struct jval *value)
{
    enum kw kw = kw_of(name);

    if (name.n == 0)
        return run_fail(run, "invalid term definition", "a term is empty");
    if (kw == KW_TYPE) {
        const struct jval *container = jval_get(value, "@container");
        size_t known = (size_t)(container != NULL) + (jval_get(value, "@protected") != NULL);
        bool set =
            container == NULL || str_eq(jval_str(container), STR("@set")) ||
            (jval_len(container) == 1 && str_eq(jval_str(jval_at(container, 0)), STR("@set")));

        if (jtype_of(value) == J_OBJECT && known > 0 && jval_len(value) == known && set)
            return 0;
    }
    if (kw != KW_NO)
        return run_fail(run, "keyword redefinition", "'%.*s'", STR_ARG(name));
    if (kw_like(name)) {
        run_issue(run, LD_KEYWORD_LIKE, name, name);
        return 1;
    }
    return 0;
}

/* Step 12. */
static int set_type(struct run *run, struct ctx *ctx, struct local *local, const struct jval *v,
                    struct term *term)
{
    struct iri iri;

    if (v == NULL)
        return 0;
    if (!is_str(v))
        return run_fail(run, "invalid type mapping", "of '%.*s'", STR_ARG(term->name));
    if (iri_expand_local(run, ctx, jval_str(v), IRI_VOCAB, local, &iri) < 0)
        return err_ret(run->err);
    bool known = iri.kw == KW_ID || iri.kw == KW_JSON || iri.kw == KW_NONE || iri.kw == KW_VOCAB;

    if (!known && (iri.kw != KW_NO || !iri_absolute(iri.s)))
        return run_fail(run, "invalid type mapping", "of '%.*s'", STR_ARG(term->name));
    term->type = iri.s;
    term->type_kw = iri.kw;
    return 0;
}

static unsigned container_bit(const struct jval *v)
{
    static const unsigned bits[KW__COUNT] = {
        [KW_LIST] = C_LIST, [KW_SET] = C_SET,   [KW_INDEX] = C_INDEX, [KW_LANGUAGE] = C_LANGUAGE,
        [KW_ID] = C_ID,     [KW_TYPE] = C_TYPE, [KW_GRAPH] = C_GRAPH,
    };

    return is_str(v) ? bits[kw_of(jval_str(v))] : 0;
}

/* Step 19: one of them, @graph with @id or @index, all but @list with @set. */
static bool container_allowed(unsigned c)
{
    unsigned without_set = c & ~(unsigned)C_SET;
    bool one = (without_set & (without_set - 1)) == 0;

    if ((c & C_LIST) != 0)
        return c == C_LIST;
    return one || without_set == (C_GRAPH | C_ID) || without_set == (C_GRAPH | C_INDEX);
}

static int set_container(struct run *run, const struct jval *v, struct term *term)
{
    unsigned c = 0;

    if (v == NULL)
        return 0;
    if (jtype_of(v) == J_ARRAY) {
        for (size_t i = 0; i < jval_len(v); i++) {
            unsigned bit = container_bit(jval_at(v, i));

            if (bit == 0)
                return run_fail(run, "invalid container mapping", "of '%.*s'", STR_ARG(term->name));
            c |= bit;
        }
    } else {
        c = container_bit(v);
    }
    if (c == 0 || !container_allowed(c))
        return run_fail(run, "invalid container mapping", "of '%.*s'", STR_ARG(term->name));
    term->container = c;
    if ((c & C_TYPE) != 0) {
        if (!str_present(term->type)) {
            term->type = kw_str(KW_ID);
            term->type_kw = KW_ID;
        } else if (term->type_kw != KW_ID && term->type_kw != KW_VOCAB) {
            return run_fail(run, "invalid type mapping", "of '%.*s'", STR_ARG(term->name));
        }
    }
    return 0;
}

/* Step 13, up to the container. 1: the definition is to be ignored. */
static int set_reverse(struct run *run, struct ctx *ctx, struct local *local,
                       const struct entries *e, struct term *term)
{
    const struct jval *container = e->of[KW_CONTAINER];
    struct iri iri;

    if (e->of[KW_ID] != NULL || e->of[KW_NEST] != NULL)
        return run_fail(run, "invalid reverse property", "'%.*s'", STR_ARG(term->name));
    if (!is_str(e->of[KW_REVERSE]))
        return run_fail(run, "invalid IRI mapping", "of '%.*s'", STR_ARG(term->name));
    if (kw_like(jval_str(e->of[KW_REVERSE])))
        return 1;
    if (iri_expand_local(run, ctx, jval_str(e->of[KW_REVERSE]), IRI_VOCAB, local, &iri) < 0)
        return err_ret(run->err);
    if (iri.kw != KW_NO || (!iri_absolute(iri.s) && !iri_blank(iri.s)))
        return run_fail(run, "invalid IRI mapping", "of '%.*s'", STR_ARG(term->name));
    term->iri = iri.s;
    term->reverse = true;
    if (container != NULL && jtype_of(container) != J_NULL) {
        unsigned c = container_bit(container);

        if (c != C_SET && c != C_INDEX)
            return run_fail(run, "invalid reverse property", "'%.*s'", STR_ARG(term->name));
        term->container = c;
    }
    return 0;
}

static bool ends_in_delimiter(struct str s)
{
    return s.n > 0 && memchr(":/?#[]@", s.p[s.n - 1], 7) != NULL;
}

/* Step 14.2: an "@id" that is not the term itself. 1: the definition is to be ignored. */
static int set_id(struct run *run, struct ctx *ctx, struct local *local, const struct jval *id,
                  bool simple, struct term *term)
{
    struct str name = term->name;
    size_t colon = iri__colon(name);
    bool slash = memchr(name.p, '/', name.n) != NULL;
    struct iri iri;

    if (jtype_of(id) == J_NULL)
        return 0;
    if (!is_str(id))
        return run_fail(run, "invalid IRI mapping", "of '%.*s'", STR_ARG(name));
    if (kw_of(jval_str(id)) == KW_NO && kw_like(jval_str(id))) {
        run_issue(run, LD_KEYWORD_LIKE, name, jval_str(id));
        return 1;
    }
    if (iri_expand_local(run, ctx, jval_str(id), IRI_VOCAB, local, &iri) < 0)
        return err_ret(run->err);
    if (iri.kw == KW_NO && !iri_absolute(iri.s) && !iri_blank(iri.s))
        return run_fail(run, "invalid IRI mapping", "of '%.*s'", STR_ARG(name));
    if (iri.kw == KW_CONTEXT)
        return run_fail(run, "invalid keyword alias", "'%.*s'", STR_ARG(name));
    term->iri = iri.s;
    term->kw = iri.kw;
    if ((colon > 0 && colon + 1 < name.n) || slash) {
        struct iri own;

        defined_of(local, name)->state = DONE;
        if (iri_expand_local(run, ctx, name, IRI_VOCAB, local, &own) < 0)
            return err_ret(run->err);
        if (!str_eq(own.s, iri.s))
            return run_fail(run, "invalid IRI mapping", "'%.*s' is an IRI of its own",
                            STR_ARG(name));
    }
    if (memchr(name.p, ':', name.n) == NULL && !slash && simple)
        term->prefix = ends_in_delimiter(iri.s) || iri_blank(iri.s);
    return 0;
}

/* Steps 15 to 18: the name itself tells the IRI. */
static int set_own_iri(struct run *run, struct ctx *ctx, struct local *local, struct term *term)
{
    struct str name = term->name;
    size_t colon = iri__colon(name);

    if (colon > 0) {
        struct str prefix = str_n(name.p, colon);
        const struct term *p;

        if (!iri__complete(name, colon) && term__need(run, ctx, local, prefix) < 0)
            return err_ret(run->err);
        p = iri__complete(name, colon) ? NULL : ctx_find(ctx, prefix);
        term->iri = p != NULL && str_present(p->iri)
                        ? iri__concat(run, p->iri, str_from(name, colon + 1))
                        : name;
    } else if (memchr(name.p, '/', name.n) != NULL) {
        term->iri = iri_expand(run, ctx, name, IRI_VOCAB | IRI_DOCUMENT).s;
        if (!iri_absolute(term->iri))
            return run_fail(run, "invalid IRI mapping", "of '%.*s'", STR_ARG(name));
    } else if (kw_of(name) == KW_TYPE) {
        term->iri = name;
        term->kw = KW_TYPE;
    } else if (str_present(ctx->vocab)) {
        term->iri = iri__concat(run, ctx->vocab, name);
    } else {
        return run_fail(run, "invalid IRI mapping", "'%.*s' has no '@id' and there is no '@vocab'",
                        STR_ARG(name));
    }
    return 0;
}

/* Step 20. */
static int set_index(struct run *run, struct ctx *ctx, struct local *local, const struct jval *v,
                     struct term *term)
{
    struct iri iri;

    if (v == NULL)
        return 0;
    if ((term->container & C_INDEX) == 0 || !is_str(v))
        return run_fail(run, "invalid term definition", "'@index' of '%.*s'", STR_ARG(term->name));
    if (iri_expand_local(run, ctx, jval_str(v), IRI_VOCAB, local, &iri) < 0)
        return err_ret(run->err);
    if (iri.kw != KW_NO || !iri_absolute(iri.s))
        return run_fail(run, "invalid term definition", "'@index' of '%.*s'", STR_ARG(term->name));
    term->index = jval_str(v);
    return 0;
}

/* Step 21: a scoped context is kept as it is, after it has been seen to be valid. */
static int set_context(struct run *run, struct ctx *ctx, const struct local *local,
                       const struct jval *v, struct term *term)
{
    const struct ctx *unused;

    if (v == NULL)
        return 0;
    unsigned flags = CTX_OVERRIDE | CTX_NO_VALIDATE | (local->flags & CTX_STABLE);

    if (ctx_process(run, ctx, v, local->base_url, flags, local->remotes, &unused) < 0) {
        if (run->err->code != E_INVALID)
            return err_ret(run->err);
        return run_fail(run, "invalid scoped context", "of '%.*s'", STR_ARG(term->name));
    }
    term->context = v;
    term->base_url = local->base_url;
    return 0;
}

static bool direction_of(const struct jval *v, enum direction *ret)
{
    if (jtype_of(v) == J_NULL)
        *ret = DIR_NONE;
    else if (str_eq(jval_str(v), STR("ltr")))
        *ret = DIR_LTR;
    else if (str_eq(jval_str(v), STR("rtl")))
        *ret = DIR_RTL;
    else
        return false;
    return true;
}

int ctx_direction(struct run *run, const struct jval *v, enum direction *ret_direction)
{
    if (!direction_of(v, ret_direction))
        return run_fail(run, "invalid base direction", "neither 'ltr' nor 'rtl'");
    return 0;
}

/* Steps 22 to 25. */
static int set_rest(struct run *run, const struct entries *e, struct term *term)
{
    const struct jval *language = e->of[KW_LANGUAGE], *nest = e->of[KW_NEST];
    const struct jval *prefix = e->of[KW_PREFIX];

    if (language != NULL && e->of[KW_TYPE] == NULL) {
        if (jtype_of(language) != J_NULL && !is_str(language))
            return run_fail(run, "invalid language mapping", "of '%.*s'", STR_ARG(term->name));
        term->has_language = true;
        term->language = jval_str(language);
    }
    if (e->of[KW_DIRECTION] != NULL && e->of[KW_TYPE] == NULL) {
        term->has_direction = true;
        if (ctx_direction(run, e->of[KW_DIRECTION], &term->direction) < 0)
            return err_ret(run->err);
    }
    if (nest != NULL) {
        enum kw kw = kw_of(jval_str(nest));

        if (!is_str(nest) || (kw != KW_NO && kw != KW_NEST))
            return run_fail(run, "invalid @nest value", "of '%.*s'", STR_ARG(term->name));
        term->nest = jval_str(nest);
    }
    if (prefix != NULL) {
        if (memchr(term->name.p, ':', term->name.n) != NULL ||
            memchr(term->name.p, '/', term->name.n) != NULL)
            return run_fail(run, "invalid term definition", "'@prefix' of '%.*s'",
                            STR_ARG(term->name));
        if (jtype_of(prefix) != J_BOOL)
            return run_fail(run, "invalid @prefix value", "of '%.*s'", STR_ARG(term->name));
        term->prefix = jval_bool(prefix);
        if (term->prefix && term->kw != KW_NO)
            return run_fail(run, "invalid term definition", "'%.*s' is a keyword",
                            STR_ARG(term->name));
    }
    if (e->other)
        return run_fail(run, "invalid term definition", "'%.*s' has an unknown entry",
                        STR_ARG(term->name));
    return 0;
}

static bool same_str(struct str a, struct str b)
{
    return str_present(a) == str_present(b) && str_eq(a, b);
}

/* All but the protection. */
static bool same_definition(const struct term *a, const struct term *b)
{
    bool same_context = a->context == NULL || b->context == NULL ? a->context == b->context
                                                                 : jval_eq(a->context, b->context);

    return same_context && same_str(a->iri, b->iri) && same_str(a->type, b->type) &&
           a->has_language == b->has_language && same_str(a->language, b->language) &&
           a->has_direction == b->has_direction && a->direction == b->direction &&
           same_str(a->index, b->index) && same_str(a->nest, b->nest) &&
           a->container == b->container && a->prefix == b->prefix && a->reverse == b->reverse;
}

/* Steps 27 and 28. */
static int finish(struct run *run, struct ctx *ctx, struct local *local,
                  const struct term *previous, struct term *term)
{
    if (previous != NULL && previous->protected && (local->flags & CTX_OVERRIDE) == 0) {
        if (!same_definition(previous, term))
            return run_fail(run, "protected term redefinition", "'%.*s'", STR_ARG(term->name));
        term->protected = true;
    }
    if (previous != NULL && term->document && !same_definition(previous, term))
        run_issue(run, LD_REDEFINED_TERM, term->name, term->name);
    if (run_check(run) < 0)
        return err_ret(run->err);
    ctx_put(run, ctx, term);
    defined_of(local, term->name)->state = DONE;
    return 0;
}

/* Steps 11 to 26 for an expanded definition (e is empty for the others). 1: ignore the term. */
static int fill(struct run *run, struct ctx *ctx, struct local *local, const struct jval *value,
                struct term *term)
{
    bool simple = is_str(value);
    struct entries e = {0};
    int ret = 0;

    if (jtype_of(value) == J_OBJECT)
        e = entries_of(value);
    else if (!simple && jtype_of(value) != J_NULL)
        return run_fail(run, "invalid term definition", "'%.*s'", STR_ARG(term->name));
    const struct jval *id = jtype_of(value) == J_OBJECT ? e.of[KW_ID] : value;

    if (e.of[KW_PROTECTED] != NULL) {
        if (jtype_of(e.of[KW_PROTECTED]) != J_BOOL)
            return run_fail(run, "invalid @protected value", "of '%.*s'", STR_ARG(term->name));
        term->protected = jval_bool(e.of[KW_PROTECTED]);
    }
    if (set_type(run, ctx, local, e.of[KW_TYPE], term) < 0)
        return err_ret(run->err);
    if (e.of[KW_REVERSE] != NULL) {
        ret = set_reverse(run, ctx, local, &e, term);
        return ret != 0 ? ret : set_index(run, ctx, local, e.of[KW_INDEX], term);
    }
    if (id != NULL && !(is_str(id) && str_eq(jval_str(id), term->name)))
        ret = set_id(run, ctx, local, id, simple, term);
    else
        ret = set_own_iri(run, ctx, local, term);
    if (ret != 0)
        return ret;
    if (set_container(run, e.of[KW_CONTAINER], term) < 0 ||
        set_index(run, ctx, local, e.of[KW_INDEX], term) < 0 ||
        set_context(run, ctx, local, e.of[KW_CONTEXT], term) < 0)
        return err_ret(run->err);
    return set_rest(run, &e, term);
}

int term_create(struct run *run, struct ctx *ctx, struct local *local, struct str name)
{
    struct defined *state = defined_of(local, name);
    const struct jval *value = local_get(local, name);
    int ret;

    if (state->state == DONE)
        return 0;
    if (state->state == STARTED)
        return run_fail(run, "cyclic IRI mapping", "'%.*s'", STR_ARG(name));
    state->state = STARTED;
    ret = check_name(run, name, value);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    struct term *term = ARENA_NEW(run->arena, struct term);
    struct term *hidden = ARENA_NEW(run->arena, struct term);
    const struct term *previous = ctx_find(ctx, name);

    if (term == NULL || hidden == NULL)
        return run_check(run);
    *term = (struct term){.name = name,
                          .hash = key_hash(name),
                          .protected = local->protected,
                          .stable = (local->flags & CTX_STABLE) != 0};
    term->document = !term->stable;
    if (previous != NULL) { /* step 6: gone while the new one is made */
        *hidden = (struct term){.name = name, .hash = term->hash, .absent = true};
        ctx_put(run, ctx, hidden);
    }
    if (++run->depth > LIMIT_LD_DEPTH * 4)
        return run_limit(run, "nesting of term definitions");
    ret = fill(run, ctx, local, value, term);
    run->depth--;
    if (ret < 0)
        return ret;
    if (ret > 0) { /* ignored; that must not be a way to get rid of a protected term */
        if (previous != NULL && previous->protected)
            ctx_put(run, ctx, previous);
        return 0;
    }
    return finish(run, ctx, local, previous, term);
}
