/*
 * policy/context.c - "@context" of a policy, and names with prefixes
 *
 * A context in a policy is where its meaning could be turned round without a trace (a term of ODRL
 * mapped to another one), so only three things are accepted: documents of the list below, prefixes,
 * and an @vocab that says what is understood anyway. A prefix that everybody knows must stand for
 * its own namespace, and a term of ours cannot be redefined. Nothing is ever fetched.
 */
#include "policy/policy.h"

#include "policy/policy_private.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct str documents[] = {
    STR_INIT("http://www.w3.org/ns/odrl.jsonld"),
    STR_INIT("https://www.w3.org/ns/odrl.jsonld"),
    STR_INIT("https://w3id.org/dspace/2025/1/context.jsonld"),
    STR_INIT("https://w3id.org/dspace/2025/1/odrl-profile.jsonld"),
    STR_INIT("https://w3id.org/dspace/2024/1/context.json"),
    STR_INIT("https://w3id.org/catenax/2025/9/policy/context.jsonld"),
    STR_INIT("https://w3id.org/catenax/2025/9/policy/odrl.jsonld"),
    STR_INIT("https://w3id.org/tractusx/policy/v1.0.0"),
    STR_INIT("https://w3id.org/tractusx/auth/v1.0.0"),
    STR_INIT("https://w3id.org/edc/connector/management/v0.0.1"),
    STR_INIT("https://w3id.org/edc/connector/management/v2"),
    STR_INIT("https://w3id.org/edc/dspace/v0.0.1"),
};

/* A prefix may appear twice if it stands for two versions of one vocabulary; the first row is what it means by itself. */
static const struct prefix known[] = {
    {STR_INIT("odrl"),      STR_INIT(ODRL)},
    {STR_INIT("edc"),       STR_INIT(EDC)},
    {STR_INIT("cx-policy"), STR_INIT(CX)},
    {STR_INIT("cx-policy"), STR_INIT(CX24)},
    {STR_INIT("cx"),        STR_INIT(CX)},
    {STR_INIT("tx"),        STR_INIT(TX)},
    {STR_INIT("naru"),      STR_INIT(NARU)},
    {STR_INIT("xsd"),       STR_INIT(XSD)},
    {STR_INIT("xs"),        STR_INIT(XSD)},
    {STR_INIT("rdf"),       STR_INIT(RDF)},
    {STR_INIT("dspace"),    STR_INIT("https://w3id.org/dspace/2025/1/")},
    {STR_INIT("dspace"),    STR_INIT("https://w3id.org/dspace/2024/1/")},
    {STR_INIT("dspace"),    STR_INIT("https://w3id.org/dspace/v0.8/")},
    {STR_INIT("dct"),       STR_INIT("http://purl.org/dc/terms/")},
    {STR_INIT("dcat"),      STR_INIT("http://www.w3.org/ns/dcat#")},
    {STR_INIT("foaf"),      STR_INIT("http://xmlns.com/foaf/0.1/")},
    {STR_INIT("dpv"),       STR_INIT("https://w3id.org/dpv#")},
};

/* clang-format on */

static bool listed(struct str iri, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(list[i], iri))
            return true;
    }
    return false;
}

/* A name that has a meaning of its own, or a URI scheme, and so cannot become a prefix. */
static bool reserved(struct str name)
{
    enum policy_operand operand;
    enum policy_action action;
    enum policy_operator op;
    static const struct str schemes[] = {STR_INIT("urn"), STR_INIT("did"), STR_INIT("http"),
                                         STR_INIT("https")};

    return listed(name, schemes, ARRAY_LEN(schemes)) || policy_operand_find(name, &operand) ||
           policy_action_find(name, &action) || policy__operator_find(name, &op) ||
           policy__term_known(name);
}

/* The same name for something else: which of the two counts would depend on the reader. */
static bool contradicts(const struct prefixes *prefixes, struct str name, struct str iri)
{
    for (size_t i = 0; i < prefixes->n; i++) {
        if (str_eq(prefixes->items[i].name, name) && !str_eq(prefixes->items[i].iri, iri))
            return true;
    }
    return false;
}

static int add_prefix(struct parse *ps, struct str name, struct str iri, const struct where *w)
{
    bool is_known = false, agrees = false;
    struct prefix *prefix = &ps->prefixes.items[ps->prefixes.n];

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!str_eq(known[i].name, name))
            continue;
        is_known = true;
        agrees = agrees || str_eq(known[i].iri, iri);
    }
    if (is_known && !agrees)
        return refuse(ps, w, E_POLICY_UNSUPPORTED, "prefix '%.*s' stands for another namespace",
                      STR_ARG(name));
    if (name.n == 0 || iri.n == 0 || memchr(name.p, ':', name.n) != NULL || reserved(name) ||
        strchr("/#:", iri.p[iri.n - 1]) == NULL)
        return refuse(ps, w, E_POLICY_UNSUPPORTED, "'%.*s' redefines a term", STR_ARG(name));
    if (contradicts(&ps->prefixes, name, iri))
        return refuse(ps, w, E_POLICY_UNSUPPORTED, "prefix '%.*s' is given twice", STR_ARG(name));
    if (ps->prefixes.n == ARRAY_LEN(ps->prefixes.items))
        return refuse(ps, w, E_LIMIT, "more than %zu prefixes", ARRAY_LEN(ps->prefixes.items));
    *prefix = (struct prefix){name, iri};
    ps->prefixes.n++;
    return 0;
}

static int read_inline(struct parse *ps, const struct jval *context, const struct where *w)
{
    for (const struct jiter *it = jiter_first(context); it != NULL; it = jiter_next(context, it)) {
        struct str key = jiter_key(it), iri = jval_str(jiter_value(it));
        const struct where here = {.up = w, .key = key};

        if (jtype_of(jiter_value(it)) != J_STR)
            return refuse(ps, &here, E_POLICY_UNSUPPORTED,
                          "a context in a policy may only hold prefixes");
        if (str_eq(key, STR("@vocab"))) {
            if (!str_eq(iri, STR(EDC)) && !str_eq(iri, STR(ODRL)))
                return refuse(ps, &here, E_POLICY_UNSUPPORTED, "vocabulary '%.*s' is not known",
                              STR_ARG(iri));
        } else if (key.n > 0 && key.p[0] == '@') {
            return refuse(ps, &here, E_POLICY_UNSUPPORTED, "'%.*s' is not allowed in a policy",
                          STR_ARG(key));
        } else if (add_prefix(ps, key, iri, &here) < 0) {
            return err_ret(ps->err);
        }
    }
    return 0;
}

int policy__context(struct parse *ps, const struct jval *context, const struct where *w)
{
    bool array = jtype_of(context) == J_ARRAY;
    size_t n = array ? jval_len(context) : 1;

    for (size_t i = 0; i < n; i++) {
        const struct jval *one = array ? jval_at(context, i) : context;
        const struct where item = {.up = w, .index = i};
        const struct where *here = array ? &item : w;

        if (jtype_of(one) == J_OBJECT) {
            if (read_inline(ps, one, here) < 0)
                return err_ret(ps->err);
        } else if (jtype_of(one) != J_STR) {
            return refuse(ps, here, E_POLICY_UNSUPPORTED, "a context cannot be %s",
                          jtype_name(jtype_of(one)));
        } else if (!listed(jval_str(one), documents, ARRAY_LEN(documents))) {
            return refuse(ps, here, E_POLICY_UNSUPPORTED, "context '%.*s' is not known",
                          STR_ARG(jval_str(one)));
        }
    }
    return 0;
}

static struct str find_prefix(const struct prefixes *prefixes, struct str name)
{
    for (size_t i = 0; prefixes != NULL && i < prefixes->n; i++) {
        if (str_eq(prefixes->items[i].name, name))
            return prefixes->items[i].iri;
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq(known[i].name, name))
            return known[i].iri;
    }
    return STR_NONE;
}

struct str policy__expand(const struct prefixes *prefixes, struct str name,
                          char full[static NAME_MAX_BYTES])
{
    struct str rest = name, prefix = str_cut(&rest, ':'), iri = STR_NONE;

    /* "http://…" has no prefix: JSON-LD 1.1 §3.1, a suffix that begins with "//" */
    if (str_present(rest) && !str_starts(rest, STR("//")))
        iri = find_prefix(prefixes, prefix);
    if (!str_present(iri))
        return name;
    if (iri.n + rest.n > NAME_MAX_BYTES)
        return STR_NONE;
    memcpy(full, iri.p, iri.n);
    memcpy(full + iri.n, rest.p, rest.n);
    return str_n(full, iri.n + rest.n);
}
