/*
 * policy/member.c - members of a policy's JSON, in whichever of the three shapes
 *
 * The shapes (policy.h) differ in how members are named, whether a single element stands in an array, and whether names stand in
 * {"@id":…}; nothing else. So one reader serves all: it resolves each member's name, takes one or many, and unwraps. Every member
 * must be one of the table below and allowed at its place: what is not understood is an error with its place, never silence
 * (ODRL Information Model 2.2 §3.2; JSON-LD would drop unknown terms, which would widen a permission).
 */
#include "policy/policy.h"

#include "lib/base/limits.h"
#include "policy/parse_private.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct { const char *name; unsigned places; } terms[TERM__COUNT] = {
    [TERM_CONTEXT]     = {"@context",     IN_POLICY},
    [TERM_ID]          = {"@id",          IN_POLICY | IN_RULE | IN_CONSTRAINT | IN_ENTITY | IN_ACTION},
    [TERM_TYPE]        = {"@type",        IN_POLICY | IN_RULE | IN_CONSTRAINT | IN_ENTITY | IN_ACTION},
    [TERM_PROFILE]     = {"profile",      IN_POLICY},
    [TERM_CONFLICT]    = {"conflict",     IN_POLICY},
    [TERM_TIMESTAMP]   = {"timestamp",    IN_POLICY},
    [TERM_INHERIT]     = {"inheritFrom",  IN_POLICY},
    [TERM_REPLACED]    = {"isReplacedBy", IN_POLICY},
    [TERM_TARGET]      = {"target",       IN_POLICY | IN_RULE},
    [TERM_ASSIGNER]    = {"assigner",     IN_POLICY | IN_RULE},
    [TERM_ASSIGNEE]    = {"assignee",     IN_POLICY | IN_RULE},
    [TERM_PERMISSION]  = {"permission",   IN_POLICY},
    [TERM_PROHIBITION] = {"prohibition",  IN_POLICY},
    [TERM_OBLIGATION]  = {"obligation",   IN_POLICY},
    [TERM_ACTION]      = {"action",       IN_POLICY | IN_RULE},
    [TERM_CONSTRAINT]  = {"constraint",   IN_RULE},
    [TERM_DUTY]        = {"duty",         IN_PERMISSION},
    [TERM_REMEDY]      = {"remedy",       IN_PROHIBITION},
    [TERM_CONSEQUENCE] = {"consequence",  IN_OBLIGATION | IN_DUTY},
    [TERM_LEFT]        = {"leftOperand",  IN_CONSTRAINT},
    [TERM_OPERATOR]    = {"operator",     IN_CONSTRAINT},
    [TERM_RIGHT]       = {"rightOperand", IN_CONSTRAINT},
    [TERM_UNIT]        = {"unit",         IN_CONSTRAINT},
    [TERM_DATATYPE]    = {"dataType",     IN_CONSTRAINT},
    [TERM_AND]         = {"and",          IN_CONSTRAINT},
    [TERM_OR]          = {"or",           IN_CONSTRAINT},
    [TERM_XONE]        = {"xone",         IN_CONSTRAINT},
    [TERM_SEQUENCE]    = {"andSequence",  IN_CONSTRAINT},
    [TERM_SOURCE]      = {"source",       IN_ENTITY},
    [TERM_REFINEMENT]  = {"refinement",   IN_ENTITY | IN_ACTION},
    [TERM_VALUE]       = {"rdf:value",    IN_ACTION},
    [TERM_HAS_POLICY]  = {"hasPolicy",    IN_ENTITY},
    [TERM_ASSIGNER_OF] = {"assignerOf",   IN_ENTITY},
    [TERM_ASSIGNEE_OF] = {"assigneeOf",   IN_ENTITY},
};

/* clang-format on */

const char *policy__term_name(enum term term)
{
    return terms[term].name;
}

/* -- places ------------------------------------------------------------------------------------ */

static void render(struct buf *out, const struct where *w)
{
    if (w == NULL)
        return;
    render(out, w->up);
    buf_add_char(out, '/');
    if (str_present(w->key))
        jpointer_escape(out, w->key);
    else
        buf_printf(out, "%zu", w->index);
}

const char *policy__where(struct parse *ps, const struct where *w)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));

    render(&text, w);
    (void)snprintf(ps->at, sizeof(ps->at), "%.*s", STR_ARG(buf_str(&text)));
    return ps->at;
}

struct str policy__where_str(struct parse *ps, const struct where *w)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));

    render(&text, w);
    return arena_str(ps->arena, buf_str(&text));
}

/* -- members ----------------------------------------------------------------------------------- */

static enum term term_find(const struct parse *ps, struct str key)
{
    static const struct {
        const char *name;
        enum term term;
    } aliases[] = {
        {"uid",                                      TERM_ID       },
        {ODRL "uid",                                 TERM_ID       },
        {"id",                                       TERM_ID       },
        {"type",                                     TERM_TYPE     },
        {RDF "value",                                TERM_VALUE    },
        {"http://purl.org/dc/terms/isReplacedBy",    TERM_REPLACED },
        {"https://w3id.org/dspace/2025/1/timestamp", TERM_TIMESTAMP},
        {"https://w3id.org/dspace/2024/1/timestamp", TERM_TIMESTAMP},
        {"https://w3id.org/dspace/v0.8/timestamp",   TERM_TIMESTAMP}
    };

    char full[NAME_MAX_BYTES];
    struct str name = policy__expand(&ps->prefixes, key, full);
    struct str bare = str_starts(name, STR(ODRL)) ? str_from(name, sizeof(ODRL) - 1) : name;

    for (int i = 0; i < TERM__COUNT; i++) {
        if (str_eq_c(bare, terms[i].name))
            return (enum term)i;
    }
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (str_eq_c(name, aliases[i].name))
            return aliases[i].term;
    }
    return TERM__COUNT;
}

bool policy__term_known(struct str name)
{
    static const struct parse no_context;

    return term_find(&no_context, name) != TERM__COUNT;
}

int policy__members(struct parse *ps, const struct jval *v, const struct where *w, enum place place,
                    struct members *m)
{
    memset(m, 0, sizeof(*m));
    if (jtype_of(v) != J_OBJECT)
        return refuse(ps, w, E_INVALID, "expected an object, not %s", jtype_name(jtype_of(v)));
    for (const struct jiter *it = jiter_first(v); it != NULL; it = jiter_next(v, it)) {
        struct str key = jiter_key(it);
        const struct where here = {.up = w, .key = key};
        enum term term = term_find(ps, key);

        if (term == TERM__COUNT)
            return refuse(ps, &here, E_POLICY_UNSUPPORTED, "'%.*s' is not understood",
                          STR_ARG(key));
        if ((terms[term].places & place) == 0)
            return refuse(ps, &here, E_POLICY_UNSUPPORTED, "'%.*s' is not understood here",
                          STR_ARG(key));
        if (m->v[term] != NULL)
            return refuse(ps, &here, E_INVALID, "'%.*s' is given twice", STR_ARG(key));
        if (jtype_of(jiter_value(it)) == J_NULL)
            return refuse(ps, &here, E_INVALID, "'%.*s' is null", STR_ARG(key));
        m->v[term] = jiter_value(it);
        m->key[term] = key;
    }
    return 0;
}

struct where policy__member_at(const struct members *m, enum term term, const struct where *w)
{
    return (struct where){.up = w,
                          .key = m->v[term] != NULL ? m->key[term] : str_c(terms[term].name)};
}

struct items policy__items(const struct jval *v)
{
    const struct jval *list =
        jtype_of(v) == J_OBJECT && jval_len(v) == 1 ? jval_get(v, "@list") : NULL;

    if (list != NULL)
        v = list;
    if (jtype_of(v) == J_ARRAY)
        return (struct items){.v = v, .n = jval_len(v), .array = true, .list = list != NULL};
    return (struct items){.v = v, .n = v != NULL ? 1 : 0, .list = list != NULL};
}

const struct jval *policy__item(struct items *items, size_t i, const struct where *w,
                                struct where *ret_at)
{
    if (items->list) {
        items->inside = (struct where){.up = w, .key = STR("@list")};
        w = &items->inside;
    }
    *ret_at = items->array ? (struct where){.up = w, .index = i} : *w;
    return items->array ? jval_at(items->v, i) : items->v;
}

int policy__name_of(struct parse *ps, const struct jval *v, const struct where *at, bool iri,
                    struct str *ret_name)
{
    char full[NAME_MAX_BYTES];
    struct str name;

    if (jtype_of(v) == J_OBJECT && jval_get(v, "@id") != NULL && jval_len(v) == 1)
        v = jval_get(v, "@id");
    else if (jtype_of(v) == J_OBJECT && jval_get(v, "@value") != NULL &&
             jval_len(v) == (jval_get(v, "@type") != NULL ? 2U : 1U))
        v = jval_get(v, "@value");
    else if (jtype_of(v) == J_OBJECT)
        return refuse(ps, at, E_POLICY_UNSUPPORTED, "expected a name or {\"@id\": …}");
    if (jtype_of(v) != J_STR || jval_str(v).n == 0)
        return refuse(ps, at, E_INVALID, "expected a name, not %s", jtype_name(jtype_of(v)));
    name = jval_str(v);
    if (name.n > LIMIT_ID)
        return refuse(ps, at, E_LIMIT, "name is longer than %d bytes", LIMIT_ID);
    if (iri && str_present(policy__expand(&ps->prefixes, name, full)))
        name = policy__expand(&ps->prefixes, name, full);
    *ret_name = arena_str(ps->arena, name);
    return 0;
}

int policy__name(struct parse *ps, const struct members *m, enum term term, const struct where *w,
                 bool iri, struct str *ret_name)
{
    const struct where here = policy__member_at(m, term, w);
    struct items items = policy__items(m->v[term]);
    const struct jval *v;
    struct where at;

    if (m->v[term] == NULL)
        return 0;
    if (items.n != 1)
        return refuse(ps, &here, E_INVALID, "expected one value, found %zu", items.n);
    v = policy__item(&items, 0, &here, &at);
    return policy__name_of(ps, v, &at, iri, ret_name);
}

int policy__check_type(struct parse *ps, const struct members *m, const struct where *w,
                       const char *expected, const char *other)
{
    struct str type = STR_NONE;
    const struct where here = policy__member_at(m, TERM_TYPE, w);

    if (policy__name(ps, m, TERM_TYPE, w, true, &type) < 0)
        return err_ret(ps->err);
    if (str_starts(type, STR(ODRL)))
        type = str_from(type, sizeof(ODRL) - 1);
    if (str_present(type) && !str_eq_c(type, expected) && !str_eq_c(type, other))
        return refuse(ps, &here, E_POLICY_UNSUPPORTED, "type '%.*s' is not expected here",
                      STR_ARG(type));
    return 0;
}
