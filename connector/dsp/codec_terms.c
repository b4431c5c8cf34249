/*
 * connector/dsp/codec_terms.c - the words of DSP 2024-1, and documents from one version's words
 * into the other's
 *
 * 2024-1 is compact JSON-LD with prefixes (its common/schema/context.json); peers differ in what
 * they write for the same thing. Taken are: the context as text, in an array, or as an object that
 * names the prefixes; a member by prefix, by full IRI, or bare; text as a string, as {"@id": …} or
 * {"@value": …}; a list of one without its brackets. Written is what the schemas of 2024-1 want.
 * A member that is not in the table keeps its value, and its name in full, so that it means the
 * same under the other context.
 */
#include <assert.h>
#include <stdio.h>

#include "connector/dsp/codec.h"
#include "connector/dsp/codec_private.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jbuild.h"

#include "lib/base/banned.h"

#define EXTRA_MAX     16 /* prefixes of a context object */
#define EDC_NAMESPACE "https://w3id.org/edc/v0.0.1/ns/"

enum prefix { P_DSPACE, P_ODRL, P_DCAT, P_DCT, P__COUNT };

/* clang-format off */
static const struct {
    struct str name, iri;
} prefixes[] = {
    [P_DSPACE] = {STR_INIT("dspace:"), STR_INIT(DSPACE_2024)},
    [P_ODRL]   = {STR_INIT("odrl:"),   STR_INIT("http://www.w3.org/ns/odrl/2/")},
    [P_DCAT]   = {STR_INIT("dcat:"),   STR_INIT("http://www.w3.org/ns/dcat#")},
    [P_DCT]    = {STR_INIT("dct:"),    STR_INIT("http://purl.org/dc/terms/")},
};
static_assert(ARRAY_LEN(prefixes) == P__COUNT, "one row per prefix");

enum kind {
    K_TEXT,    /* a string */
    K_NAME,    /* a string: a name of the prefix of the row, written with it, here without */
    K_WORD,    /* the same, but only "use" loses its prefix: the profile of 2025-1 knows no other */
    K_NODE,    /* an object */
    K_NODES,   /* an array of objects */
    K_TEXTS,   /* an array of anything, which stays as it is */
    K_REASONS, /* the same, with a language */
    K_REFS,    /* an array of {"@id": …}, here a string or an array of them */
    K_FIRST,   /* an array of one object, here the object */
    K_ONE,     /* an object, here an array of them; several stay an array */
    K_AS_IS,
};

/* The first row of a member is how it is written; others are only taken. */
static const struct term {
    struct str ours;
    enum prefix prefix;
    struct str theirs;
    enum kind kind;
    enum prefix of; /* K_NAME, K_WORD */
} terms[] = {
#define TERM(name, prefix, kind) {STR_INIT(name), prefix, STR_INIT(name), kind, P_DSPACE}
#define NAME(name, prefix, of)   {STR_INIT(name), prefix, STR_INIT(name), K_NAME, of}
    TERM("providerPid",         P_DSPACE, K_TEXT),
    TERM("consumerPid",         P_DSPACE, K_TEXT),
    TERM("callbackAddress",     P_DSPACE, K_TEXT),
    TERM("agreementId",         P_DSPACE, K_TEXT),
    TERM("participantId",       P_DSPACE, K_TEXT),
    TERM("timestamp",           P_DSPACE, K_TEXT),
    TERM("dataset",             P_DCAT,   K_NODES),
    TERM("dataset",             P_DSPACE, K_TEXT),
    TERM("code",                P_DSPACE, K_TEXT),
    TERM("reason",              P_DSPACE, K_REASONS),
    TERM("filter",              P_DSPACE, K_TEXTS),
    NAME("state",               P_DSPACE, P_DSPACE),
    NAME("eventType",           P_DSPACE, P_DSPACE),
    TERM("offer",               P_DSPACE, K_NODE),
    TERM("agreement",           P_DSPACE, K_NODE),
    TERM("dataAddress",         P_DSPACE, K_NODE),
    TERM("endpointType",        P_DSPACE, K_TEXT),
    TERM("endpoint",            P_DSPACE, K_TEXT),
    TERM("endpointProperties",  P_DSPACE, K_NODES),
    TERM("name",                P_DSPACE, K_TEXT),
    TERM("value",               P_DSPACE, K_TEXT),
    TERM("catalog",             P_DCAT,   K_NODES),
    TERM("catalog",             P_DSPACE, K_NODES),
    TERM("service",             P_DCAT,   K_NODES),
    TERM("distribution",        P_DCAT,   K_NODES),
    TERM("accessService",       P_DCAT,   K_FIRST),
    TERM("endpointURL",         P_DCAT,   K_TEXT),
    {STR_INIT("endpointURL"),   P_DCAT,   STR_INIT("endpointUrl"), K_TEXT, P_DSPACE},
    TERM("endpointDescription", P_DCAT,   K_TEXT),
    TERM("servesDataset",       P_DCAT,   K_NODES),
    TERM("format",              P_DCT,    K_TEXT),
    TERM("hasPolicy",           P_ODRL,   K_NODES),
    TERM("target",              P_ODRL,   K_TEXT),
    TERM("assigner",            P_ODRL,   K_TEXT),
    TERM("assignee",            P_ODRL,   K_TEXT),
    TERM("profile",             P_ODRL,   K_REFS),
    TERM("permission",          P_ODRL,   K_NODES),
    TERM("prohibition",         P_ODRL,   K_NODES),
    TERM("obligation",          P_ODRL,   K_NODES),
    TERM("duty",                P_ODRL,   K_ONE),
    TERM("constraint",          P_ODRL,   K_NODES),
    TERM("and",                 P_ODRL,   K_NODES),
    TERM("or",                  P_ODRL,   K_NODES),
    TERM("xone",                P_ODRL,   K_NODES),
    TERM("andSequence",         P_ODRL,   K_NODES),
    {STR_INIT("action"),        P_ODRL,   STR_INIT("action"),      K_WORD, P_ODRL},
    {STR_INIT("leftOperand"),   P_ODRL,   STR_INIT("leftOperand"), K_WORD, P_ODRL},
    NAME("operator",            P_ODRL,   P_ODRL),
    TERM("rightOperand",        P_ODRL,   K_AS_IS),
    TERM("unit",                P_ODRL,   K_AS_IS),
#undef TERM
#undef NAME
};

/* Classes that are not dspace's. */
static const struct {
    struct str name;
    enum prefix prefix;
} classes[] = {
    {STR_INIT("Offer"),             P_ODRL}, {STR_INIT("Agreement"),    P_ODRL}, {STR_INIT("Set"),         P_ODRL},
    {STR_INIT("Permission"),        P_ODRL}, {STR_INIT("Prohibition"),  P_ODRL}, {STR_INIT("Duty"),        P_ODRL},
    {STR_INIT("Constraint"),        P_ODRL}, {STR_INIT("LogicalConstraint"), P_ODRL}, {STR_INIT("Rule"),   P_ODRL},
    {STR_INIT("Catalog"),           P_DCAT}, {STR_INIT("Dataset"),      P_DCAT}, {STR_INIT("Distribution"), P_DCAT},
    {STR_INIT("DataService"),       P_DCAT},
};

/* clang-format on */

/* -- their words -> ours ----------------------------------------------------------------------- */

struct reading {
    struct jbuild *out;

    struct {
        struct str name, iri; /* "cx-policy", borrowed from the document */
    } extra[EXTRA_MAX];

    size_t n_extra;
    struct str vocab;
    bool edc; /* EDC's namespace is among the contexts: what stock EDC sends */
};

/* A name as its namespace and the rest; the namespace is STR_NONE where it has none that we know. */
struct name {
    struct str iri, local;
};

static struct name name_of(const struct reading *r, struct str text)
{
    struct str rest = text;
    struct str prefix = str_cut(&rest, ':');

    for (size_t i = 0; i < P__COUNT; i++) {
        if (str_starts(text, prefixes[i].iri))
            return (struct name){prefixes[i].iri, str_from(text, prefixes[i].iri.n)};
    }
    if (!str_present(rest))
        return (struct name){STR_NONE, text};
    for (size_t i = 0; i < r->n_extra; i++) {
        if (str_eq(prefix, r->extra[i].name))
            return (struct name){r->extra[i].iri, rest};
    }
    for (size_t i = 0; i < P__COUNT; i++) {
        if (str_eq(prefix, str_n(prefixes[i].name.p, prefixes[i].name.n - 1)))
            return (struct name){prefixes[i].iri, rest};
    }
    return (struct name){STR_NONE, text};
}

/* Bare names are ours, unless the document says whose they are. */
static const struct term *find_theirs(const struct reading *r, const struct name *name)
{
    if (!str_present(name->iri) && str_present(r->vocab))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        if (str_eq(name->local, terms[i].theirs) &&
            (!str_present(name->iri) || str_eq(name->iri, prefixes[terms[i].prefix].iri)))
            return &terms[i];
    }
    return NULL;
}

/* A string, also as a node or a typed value, also alone in an array. */
static struct str text_of(const struct jval *v)
{
    if (jtype_of(v) == J_ARRAY && jval_len(v) == 1)
        v = jval_at(v, 0);
    if (jtype_of(v) == J_OBJECT)
        v = jval_get(v, jval_get(v, "@id") != NULL ? "@id" : "@value");
    return jval_str(v);
}

/* first and then text as one; `v` itself if that is longer than any name. */
static void build_joined(struct reading *r, struct str first, struct str text, const struct jval *v)
{
    char full[LIMIT_ID + 1];

    if (first.n + text.n >= sizeof(full)) {
        jbuild_val(r->out, v);
        return;
    }
    (void)snprintf(full, sizeof(full), "%.*s%.*s", STR_ARG(first), STR_ARG(text));
    jbuild_str(r->out, str_c(full));
}

static void build_name(struct reading *r, const struct term *term, const struct jval *v)
{
    const struct str text = text_of(v);
    const struct name name = name_of(r, text);
    const bool other = str_present(name.iri) && !str_eq(name.iri, prefixes[term->of].iri);

    if (!str_present(text))
        jbuild_val(r->out, v);
    else if (other)
        build_joined(r, name.iri, name.local, v);
    else if (term->kind == K_WORD && !str_eq(name.local, STR("use")) &&
             memchr(name.local.p, ':', name.local.n) == NULL)
        build_joined(r, prefixes[term->of].name, name.local, v);
    else
        jbuild_str(r->out, name.local);
}

static void build_text(struct reading *r, const struct jval *v)
{
    const struct str text = text_of(v);

    if (str_present(text))
        jbuild_str(r->out, text);
    else
        jbuild_val(r->out, v); /* the decoder says what it expected */
}

static void build_node(struct reading *r, const struct jval *node);

static void build_nodes(struct reading *r, const struct jval *v)
{
    if (jtype_of(v) == J_OBJECT && jval_get(v, "@list") != NULL)
        v = jval_get(v, "@list");
    jbuild_array(r->out);
    if (jtype_of(v) != J_ARRAY)
        build_node(r, v);
    for (size_t i = 0; i < jval_len(v) && jtype_of(v) == J_ARRAY; i++)
        build_node(r, jval_at(v, i));
    jbuild_end(r->out);
}

static void build_list(struct reading *r, const struct jval *v)
{
    if (jtype_of(v) == J_ARRAY) {
        jbuild_val(r->out, v);
        return;
    }
    jbuild_array(r->out);
    jbuild_val(r->out, v);
    jbuild_end(r->out);
}

static void build_refs(struct reading *r, const struct jval *v)
{
    if (jtype_of(v) != J_ARRAY || jval_len(v) == 1) {
        build_text(r, v);
        return;
    }
    jbuild_array(r->out);
    for (size_t i = 0; i < jval_len(v); i++)
        build_text(r, jval_at(v, i));
    jbuild_end(r->out);
}

static void build_value(struct reading *r, const struct term *term, const struct jval *v)
{
    switch (term->kind) {
    case K_TEXT: build_text(r, v); break;
    case K_WORD:
    case K_NAME: build_name(r, term, v); break;
    case K_NODE: build_node(r, v); break;
    case K_ONE:
    case K_NODES: build_nodes(r, v); break;
    case K_REASONS:
    case K_TEXTS: build_list(r, v); break;
    case K_REFS: build_refs(r, v); break;
    case K_FIRST: build_node(r, jtype_of(v) == J_ARRAY ? jval_at(v, 0) : v); break;
    case K_AS_IS: jbuild_val(r->out, v); break;
    }
}

/* "dspace:ContractRequestMessage" -> "ContractRequestMessage", of whatever prefix. */
static void build_class(struct reading *r, const struct jval *v)
{
    const struct name name = name_of(r, text_of(v));

    if (str_present(name.local))
        jbuild_str(r->out, name.local);
    else
        jbuild_val(r->out, v);
}

/* A member that is not the protocol's: its name in full. */
static void build_other(struct reading *r, struct str key, const struct name *name,
                        const struct jval *v)
{
    const struct str space = str_present(name->iri) ? name->iri : r->vocab;
    const bool plain =
        !str_present(name->iri) && (key.p[0] == '@' || memchr(key.p, ':', key.n) != NULL);
    char full[LIMIT_ID + 1];

    if (!plain && str_present(space) && space.n + name->local.n < sizeof(full)) {
        (void)snprintf(full, sizeof(full), "%.*s%.*s", STR_ARG(space), STR_ARG(name->local));
        key = str_c(full);
    }
    jbuild_key(r->out, key);
    jbuild_val(r->out, v);
}

/* What stands for "none" in compacted JSON-LD, where the schemas of 2025-1 want nothing. */
static bool says_nothing(const struct term *term, const struct jval *v)
{
    return jtype_of(v) == J_ARRAY && jval_len(v) == 0 &&
           (term->kind == K_NODES || term->kind == K_ONE || term->kind == K_REFS ||
            term->kind == K_FIRST);
}

static void build_member(struct reading *r, struct str key, const struct jval *v)
{
    const struct name name = name_of(r, key);
    const struct term *term = find_theirs(r, &name);

    if (str_eq(key, STR("@type"))) {
        jbuild_key(r->out, key);
        build_class(r, v);
    } else if (term == NULL) {
        build_other(r, key, &name, v);
    } else if (!says_nothing(term, v)) {
        jbuild_key(r->out, term->ours);
        build_value(r, term, v);
    }
}

static void build_node(struct reading *r, const struct jval *node)
{
    if (jtype_of(node) != J_OBJECT) {
        jbuild_val(r->out, node);
        return;
    }
    jbuild_object(r->out);
    for (const struct jiter *it = jiter_first(node); it != NULL; it = jiter_next(node, it)) {
        if (jiter_key(it).n > 0 && !str_eq(jiter_key(it), STR("@context")))
            build_member(r, jiter_key(it), jiter_value(it));
    }
    jbuild_end(r->out);
}

/* One context: true if it is, or names, that of this version. */
static bool read_context(struct reading *r, const struct jval *context)
{
    bool found = false;

    for (const struct jiter *it = jiter_first(context); it != NULL; it = jiter_next(context, it)) {
        const struct str name = jiter_key(it), iri = jval_str(jiter_value(it));

        r->edc = r->edc || str_eq(iri, STR(EDC_NAMESPACE));
        if (str_eq(name, STR("@vocab")))
            r->vocab = iri;
        else if (str_present(iri) && r->n_extra < EXTRA_MAX) {
            r->extra[r->n_extra].name = name;
            r->extra[r->n_extra++].iri = iri;
        }
        found = found || str_eq(iri, prefixes[P_DSPACE].iri);
    }
    return found || str_eq_c(jval_str(context), DSP_CONTEXT_2024);
}

static bool read_contexts(struct reading *r, const struct jval *contexts)
{
    bool found = jtype_of(contexts) != J_ARRAY && read_context(r, contexts);

    for (size_t i = 0; i < jval_len(contexts) && jtype_of(contexts) == J_ARRAY; i++)
        found = read_context(r, jval_at(contexts, i)) || found;
    return found;
}

int codec_read(const struct codec *codec, const struct jval *root, struct jdoc **ret_doc,
               struct err *err)
{
    AUTO(jbuild_free) struct jbuild *build = NULL;
    struct reading r = {0};

    *ret_doc = NULL;
    if (!codec->translated)
        return 0;
    if (jtype_of(root) != J_OBJECT)
        return err_tell(err, E_PEER_SYNTAX, "", "expected an object");
    if (!read_contexts(&r, jval_get(root, "@context")))
        return err_tell(err, E_PEER_SYNTAX, "/@context", "expected '%.*s'",
                        STR_ARG(codec->context));
    r.out = build = jbuild_new();
    if (build == NULL)
        return err_set(err, E_NO_MEMORY, "", "message");
    jbuild_object(build);
    jbuild_key(build, STR("@context"));
    jbuild_array(build);
    jbuild_str(build, STR(DSP_CONTEXT));
    if (r.edc)
        jbuild_str(build, STR(EDC_CONTEXT)); /* as it says so in 2025-1 */
    jbuild_end(build);
    for (const struct jiter *it = jiter_first(root); it != NULL; it = jiter_next(root, it)) {
        if (jiter_key(it).n > 0 && !str_eq(jiter_key(it), STR("@context")))
            build_member(&r, jiter_key(it), jiter_value(it));
    }
    jbuild_end(build);
    return jbuild_take(&build, ret_doc, err);
}

/* -- our words -> theirs ----------------------------------------------------------------------- */

struct writing {
    const struct codec *codec;
    struct str assigner;
    struct jw w;
};

/* Also as policy/ writes what the profile of 2025-1 leaves out: "odrl:duty". */
static const struct term *find_ours(struct str key, const struct jval *v)
{
    if (str_starts(key, prefixes[P_ODRL].name))
        key = str_from(key, prefixes[P_ODRL].name.n);
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        /* "dataset" is a list in a catalogue, an id in a request */
        if (str_eq(key, terms[i].ours) && (terms[i].kind != K_NODES || jtype_of(v) != J_STR))
            return &terms[i];
    }
    return NULL;
}

static void write_prefixed(struct writing *o, enum prefix prefix, struct str name)
{
    AUTO(buf_done) struct buf text = buf_init(2 * LIMIT_ID);

    if (str_starts(name, prefixes[prefix].iri))
        name = str_from(name, prefixes[prefix].iri.n);
    else if (memchr(name.p, ':', name.n) != NULL) {
        jw_str(&o->w, name);
        return;
    }
    buf_add_str(&text, prefixes[prefix].name);
    buf_add_str(&text, name);
    jw_str(&o->w, buf_str(&text));
}

static void write_class(struct writing *o, struct str name)
{
    enum prefix prefix = P_DSPACE;

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (str_eq(name, classes[i].name))
            prefix = classes[i].prefix;
    }
    write_prefixed(o, prefix, name);
}

static void write_node(struct writing *o, const struct jval *node);

static void write_nodes(struct writing *o, const struct jval *v)
{
    jw_array(&o->w);
    for (size_t i = 0; i < jval_len(v); i++)
        write_node(o, jval_at(v, i));
    jw_array_end(&o->w);
}

static void write_reasons(struct writing *o, const struct jval *v)
{
    jw_array(&o->w);
    for (size_t i = 0; i < jval_len(v); i++) {
        if (jtype_of(jval_at(v, i)) != J_STR) {
            jw_val(&o->w, jval_at(v, i));
            continue;
        }
        jw_object(&o->w);
        jw_kval(&o->w, "@value", jval_at(v, i));
        jw_kc(&o->w, "@language", "en");
        jw_object_end(&o->w);
    }
    jw_array_end(&o->w);
}

static void write_refs(struct writing *o, const struct jval *v)
{
    const bool several = jtype_of(v) == J_ARRAY;

    jw_array(&o->w);
    for (size_t i = 0; i < (several ? jval_len(v) : 1); i++) {
        jw_object(&o->w);
        jw_kstr(&o->w, "@id", text_of(several ? jval_at(v, i) : v));
        jw_object_end(&o->w);
    }
    jw_array_end(&o->w);
}

static void write_value(struct writing *o, const struct term *term, const struct jval *v)
{
    switch (term->kind) {
    case K_WORD:
    case K_NAME:
        if (jtype_of(v) == J_STR)
            write_prefixed(o, term->of, jval_str(v));
        else
            jw_val(&o->w, v);
        break;
    case K_NODE: write_node(o, v); break;
    case K_ONE:
    case K_NODES:
        if (jtype_of(v) != J_ARRAY)
            write_node(o, v);
        else if (term->kind == K_ONE && jval_len(v) == 1)
            write_node(o, jval_at(v, 0));
        else
            write_nodes(o, v);
        break;
    case K_REASONS: write_reasons(o, v); break;
    case K_REFS: write_refs(o, v); break;
    case K_FIRST:
        jw_array(&o->w);
        write_node(o, v);
        jw_array_end(&o->w);
        break;
    case K_TEXT:
    case K_TEXTS:
    case K_AS_IS: jw_val(&o->w, v); break;
    }
}

static void write_member(struct writing *o, struct str key, const struct jval *v)
{
    const struct term *term = find_ours(key, v);
    char name[64];

    if (str_eq(key, STR("@context"))) {
        jw_key(&o->w, "@context");
        jw_str(&o->w, o->codec->context);
    } else if (str_eq(key, STR("@type")) && jtype_of(v) == J_STR) {
        jw_key(&o->w, "@type");
        write_class(o, jval_str(v));
    } else if (term != NULL) {
        (void)snprintf(name, sizeof(name), "%s%s", prefixes[term->prefix].name.p, term->theirs.p);
        jw_key(&o->w, name);
        write_value(o, term, v);
    } else {
        jw_key_str(&o->w, key);
        jw_val(&o->w, v);
    }
}

static void write_node(struct writing *o, const struct jval *node)
{
    if (jtype_of(node) != J_OBJECT) {
        jw_val(&o->w, node);
        return;
    }
    jw_object(&o->w);
    for (const struct jiter *it = jiter_first(node); it != NULL; it = jiter_next(node, it))
        write_member(o, jiter_key(it), jiter_value(it));
    /* negotiation/contract-schema.json of 2024-1: an offer names who makes it */
    if (str_eq(jval_str(jval_get(node, "@type")), STR("Offer")) &&
        jval_get(node, "assigner") == NULL && str_present(o->assigner))
        jw_kstr(&o->w, "odrl:assigner", o->assigner);
    jw_object_end(&o->w);
}

int codec_write(const struct codec *codec, struct str text, struct str assigner, struct buf *out,
                struct err *err)
{
    static const struct jlimits limits = {LIMIT_CATALOG_BYTES, LIMIT_JSON_DEPTH, LIMIT_JSON_NODES};
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct writing o = {.codec = codec, .assigner = assigner, .w = jw_init(out)};

    if (!codec->translated) {
        buf_add_str(out, text);
    } else {
        if (jdoc_parse(text, &limits, &doc, err) < 0)
            return err_ret(err);
        write_node(&o, jdoc_root(doc));
    }
    return buf_failed(out) ? err_set(err, E_LIMIT, "", "message") : 0;
}
