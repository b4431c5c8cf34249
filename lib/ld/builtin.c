/*
 * Makes the built-in contexts from the rows of contexts.def: writes each as JSON, parses it, and indexes it by its IRIs.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/check.h"

#include "lib/base/banned.h"

enum row_kind {
    ROW_CONTEXT,
    ROW_ALIAS,
    ROW_REPAIRED,
    ROW_TERM,
    ROW_WORDS,
    ROW_OWN,
    ROW_LANGUAGE,
    ROW_NULL,
    ROW_SCOPE,
    ROW_NULL_SCOPE,
    ROW_INCLUDES,
    ROW_END,
    ROW_VOCAB,
};

#define V11  1u
#define PROT 2u
#define PROP 4u

struct row {
    enum row_kind kind;
    unsigned flags;
    const char *name; /* term, or IRI of a context, or prefix */
    const char *text; /* IRI, or words, or language */
    const char *type, *container;
    const char *import;
};

/* clang-format off */
#define CONTEXT(iri, flags)                  {ROW_CONTEXT, flags, iri, "", "", "", ""},
#define ALIAS(iri)                           {ROW_ALIAS, 0, iri, "", "", "", ""},
#define REPAIRED(iri, flags)                 {ROW_REPAIRED, flags, iri, "", "", "", ""},
#define TERM(name, iri, type, container)     {ROW_TERM, 0, name, iri, type, container, ""},
#define WORDS(prefix, type, container, text) {ROW_WORDS, 0, prefix, text, type, container, ""},
#define OWN(type, container, text)           {ROW_OWN, 0, "", text, type, container, ""},
#define LANGUAGE_TERM(name, language)        {ROW_LANGUAGE, 0, name, language, "", "", ""},
#define NULL_TERM(name)                      {ROW_NULL, 0, name, "", "", "", ""},
#define SCOPE(name, iri, flags, import)      {ROW_SCOPE, flags, name, iri, "", "", import},
#define FIELD(name, iri, type, container, flags) {ROW_SCOPE, flags, name, iri, type, container, ""},
#define NULL_SCOPE(name, iri, type, container) {ROW_NULL_SCOPE, 0, name, iri, type, container, ""},
#define INCLUDES(name, iri, type, context)   {ROW_INCLUDES, 0, name, iri, type, "", context},
#define VOCAB(iri)                           {ROW_VOCAB, 0, iri, "", "", "", ""},
#define END                                  {ROW_END, 0, "", "", "", "", ""},

#define ID_AND_TYPE TERM("id", "@id", "", "") TERM("type", "@type", "", "")
#define SEC "https://w3id.org/security#"
/* the members of a proof as the first credentials context has them, and as the later ones do */
#define PROOF_2018                                                             \
    TERM("sec", SEC, "", "") TERM("xsd", LD_XSD, "", "")                       \
    WORDS("sec:", "", "", "challenge domain jws nonce proofValue")             \
    WORDS("sec:", "@id", "", "verificationMethod")                             \
    TERM("created", LD_DCT "created", "xsd:dateTime", "")                      \
    TERM("expires", "sec:expiration", "xsd:dateTime", "")                      \
    FIELD("proofPurpose", "sec:proofPurpose", "@vocab", "", V11 | PROT)        \
        ID_AND_TYPE                                                            \
        TERM("sec", SEC, "", "")                                               \
        TERM("assertionMethod", "sec:assertionMethod", "@id", "@set")          \
        TERM("authentication", "sec:authenticationMethod", "@id", "@set")      \
    END
#define PROOF_2020                                                             \
    WORDS(SEC, "", "", "challenge domain nonce")                               \
    WORDS(SEC, "@id", "", "verificationMethod")                                \
    TERM("created", LD_DCT "created", LD_XSD "dateTime", "")                   \
    TERM("expires", SEC "expiration", LD_XSD "dateTime", "")                   \
    FIELD("proofPurpose", SEC "proofPurpose", "@vocab", "", PROT)              \
        ID_AND_TYPE                                                            \
        TERM("assertionMethod", SEC "assertionMethod", "@id", "@set")          \
        TERM("authentication", SEC "authenticationMethod", "@id", "@set")      \
        TERM("capabilityInvocation", SEC "capabilityInvocationMethod", "@id", "@set") \
        TERM("capabilityDelegation", SEC "capabilityDelegationMethod", "@id", "@set") \
        TERM("keyAgreement", SEC "keyAgreementMethod", "@id", "@set")          \
    END

static const struct row rows[] = {
#include "lib/ld/contexts.def"
};

/* clang-format on */

/* Ours to keep right: a row that makes no valid context is found by the first start. */
enum { CONTEXT_BYTES = 64 * 1024, WORD_BYTES = 256 };

static void kc_if(struct jw *w, const char *key, const char *text)
{
    if (text[0] != '\0')
        jw_kc(w, key, text);
}

static void write_flags(struct jw *w, const struct row *row)
{
    if ((row->flags & V11) != 0)
        jw_kraw(w, "@version", STR("1.1"));
    if ((row->flags & PROT) != 0)
        jw_kbool(w, "@protected", true);
    if ((row->flags & PROP) != 0)
        jw_kbool(w, "@propagate", true);
    kc_if(w, "@import", row->import);
}

static void write_term(struct jw *w, const struct row *row, struct str name, struct str iri)
{
    jw_key_str(w, name);
    if (row->type[0] == '\0' && row->container[0] == '\0') {
        jw_str(w, iri);
        return;
    }
    jw_object(w);
    if (str_present(iri))
        jw_kstr(w, "@id", iri);
    kc_if(w, "@type", row->type);
    kc_if(w, "@container", row->container);
    jw_object_end(w);
}

static void write_words(struct jw *w, const struct row *row)
{
    struct str words = str_c(row->text);

    while (str_present(words)) {
        struct str word = str_cut(&words, ' ');
        char iri[WORD_BYTES];
        int n = snprintf(iri, sizeof(iri), "%s%.*s", row->name, STR_ARG(word));

        CHECK(word.n > 0 && n > 0 && n < WORD_BYTES);
        write_term(w, row, word, row->kind == ROW_OWN ? STR_NONE : str_n(iri, (size_t)n));
    }
}

/* A term up to the value of its "@context". */
static void begin_scope(struct jw *w, const struct row *row)
{
    jw_key(w, row->name);
    jw_object(w);
    jw_kc(w, "@id", row->text);
    kc_if(w, "@type", row->type);
    kc_if(w, "@container", row->container);
    jw_key(w, "@context");
}

static void write_row(struct jw *w, const struct row *row)
{
    switch (row->kind) {
    case ROW_TERM: write_term(w, row, str_c(row->name), str_c(row->text)); break;
    case ROW_WORDS:
    case ROW_OWN: write_words(w, row); break;
    case ROW_LANGUAGE:
        jw_key(w, row->name);
        jw_object(w);
        jw_kc(w, "@language", row->text);
        jw_object_end(w);
        break;
    case ROW_NULL:
        jw_key(w, row->name);
        jw_null(w);
        break;
    case ROW_SCOPE:
        begin_scope(w, row);
        jw_object(w);
        write_flags(w, row);
        break;
    case ROW_NULL_SCOPE:
        begin_scope(w, row);
        jw_null(w);
        jw_object_end(w);
        break;
    case ROW_INCLUDES:
        begin_scope(w, row);
        jw_c(w, row->import);
        jw_object_end(w);
        break;
    case ROW_END:
        jw_object_end(w);
        jw_object_end(w);
        break;
    case ROW_VOCAB: jw_kc(w, "@vocab", row->name); break;
    case ROW_CONTEXT:
    case ROW_ALIAS:
    case ROW_REPAIRED: break;
    }
}

/* Writes the context whose first row is rows[*at], and leaves *at behind it. */
static void write_context(struct jw *w, size_t *at)
{
    jw_object(w);
    jw_key(w, "@context");
    jw_object(w);
    write_flags(w, &rows[*at]);
    for (++*at; *at < ARRAY_LEN(rows); ++*at) {
        enum row_kind kind = rows[*at].kind;

        if (kind == ROW_CONTEXT || kind == ROW_REPAIRED)
            break;
        write_row(w, &rows[*at]);
    }
    jw_object_end(w);
    jw_object_end(w);
}

/* One entry for each address; the document belongs to the first of them. */
static int add_context(struct ld *ld, size_t *at, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(CONTEXT_BYTES);
    size_t first = *at;
    struct jw w = jw_init(&text);
    struct jdoc *doc;

    write_context(&w, at);
    if (buf_failed(&text))
        return err_set(err, E_NO_MEMORY, "", "json-ld context '%s'", rows[first].name);
    if (jdoc_parse(buf_str(&text), NULL, &doc, err) < 0)
        return err_prefix(err, "json-ld context '%s'", rows[first].name);
    const struct jval *context = jval_get(jdoc_root(doc), "@context");

    ld->builtin[ld->n_builtin++] = (struct builtin){.iri = str_c(rows[first].name),
                                                    .doc = doc,
                                                    .context = context,
                                                    .repaired = rows[first].kind == ROW_REPAIRED};
    for (size_t i = first + 1; i < *at; i++)
        if (rows[i].kind == ROW_ALIAS)
            ld->builtin[ld->n_builtin++] =
                (struct builtin){.iri = str_c(rows[i].name), .context = context};
    return 0;
}

static const struct ctx *home_root(struct ld *ld, struct str vocab, struct err *err)
{
    static const struct ld_options none;
    struct run run = {.ld = ld, .options = &none, .arena = ld->home.arena, .err = err};
    struct ctx *root = ctx_root(&run, vocab);

    if (root != NULL)
        root->home = &ld->home;
    return root;
}

/* Every context must be valid alone. */
static int try_all(struct ld *ld, struct err *err)
{
    static const struct ld_options none;
    AUTO(arena_free) struct arena *arena = arena_new(LIMIT_LD_MEMORY);

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "json-ld contexts");
    for (size_t i = 0; i < ld->n_builtin; i++) {
        struct run run = {.ld = ld, .options = &none, .arena = arena, .err = err};
        const struct builtin *b = &ld->builtin[i];
        const struct ctx *unused;

        if (ctx_process(&run, ld->root, b->context, b->iri, CTX_STABLE, NULL, &unused) < 0)
            return err_prefix(err, "built-in context '%.*s'", STR_ARG(b->iri));
    }
    return 0;
}

int ld_open(struct ld **ret_ld, struct err *err)
{
    AUTO(ld_close) struct ld *ld = calloc(1, sizeof(*ld));
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        n += rows[i].kind == ROW_CONTEXT || rows[i].kind == ROW_ALIAS ||
             rows[i].kind == ROW_REPAIRED;
    if (ld != NULL)
        ld->builtin = calloc(n, sizeof(*ld->builtin));
    if (ld == NULL || ld->builtin == NULL)
        return err_set(err, E_NO_MEMORY, "", "json-ld contexts");
    if (home_init(&ld->home, err) < 0)
        return err_ret(err);
    for (size_t at = 0; at < ARRAY_LEN(rows);)
        if (add_context(ld, &at, err) < 0)
            return err_ret(err);
    ld->root = home_root(ld, STR_NONE, err);
    ld->edc_root = home_root(ld, STR(LD_EDC), err);
    if (ld->root == NULL || ld->edc_root == NULL)
        return err_set(err, E_NO_MEMORY, "", "json-ld contexts");
    if (try_all(ld, err) < 0)
        return err_ret(err);
    *ret_ld = MOVE(ld);
    return 0;
}

void ld_close(struct ld **ld)
{
    if (*ld == NULL)
        return;
    for (size_t i = 0; i < (*ld)->n_builtin; i++)
        jdoc_free(&(*ld)->builtin[i].doc);
    free((*ld)->builtin);
    home_done(&(*ld)->home);
    free(*ld);
    *ld = NULL;
}

struct str ld_builtin(const struct ld *ld, size_t i)
{
    for (size_t k = 0; k < ld->n_builtin; k++)
        if (!ld->builtin[k].repaired && i-- == 0)
            return ld->builtin[k].iri;
    return STR_NONE;
}

const struct builtin *ld__builtin(const struct ld *ld, struct str iri, bool repair)
{
    const struct builtin *found = NULL;

    for (size_t i = 0; i < ld->n_builtin; i++)
        if (str_eq(ld->builtin[i].iri, iri) && (found == NULL || ld->builtin[i].repaired == repair))
            found = &ld->builtin[i];
    return found;
}

const struct jval *ld_builtin_document(const struct ld *ld, struct str iri)
{
    const struct builtin *b = ld__builtin(ld, iri, false);

    /* an alias has no document of its own */
    for (size_t i = 0; b != NULL && i < ld->n_builtin; i++)
        if (ld->builtin[i].context == b->context && ld->builtin[i].doc != NULL)
            return jdoc_root(ld->builtin[i].doc);
    return NULL;
}
