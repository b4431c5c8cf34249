/*
 * The library's calls: prepared contexts, expansion, compaction, and views on the expanded form.
 */
#include "lib/ld/ld.h"

#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

static const struct ld_options no_options;

static void run_init(struct run *run, const struct ld *ld, const struct ld_options *options,
                     struct arena *arena, struct err *err)
{
    *run = (struct run){
        .ld = ld, .options = options, .arena = arena, .err = err, .report = options->report};
    if (options->report != NULL)
        options->report->n = options->report->total = 0;
}

/* The caller's arena, or one of this call, which *own then owns. */
static struct arena *run_arena(const struct ld_options *options, struct arena **own)
{
    if (options->arena != NULL)
        return options->arena;
    *own = arena_new(options->memory > 0 ? options->memory : LIMIT_LD_MEMORY);
    return *own;
}

/* -- prepared contexts ---------------------------------------------------------------------------------------------- */

/* The value of "@context" if the text is an object that has one. */
static const struct jval *context_of(const struct jval *json)
{
    const struct jval *inner = jtype_of(json) == J_OBJECT ? jval_get(json, "@context") : NULL;

    return inner != NULL ? inner : json;
}

int ld_context_open(const struct ld *ld, struct str json, struct str base,
                    struct ld_context **ret_context, struct err *err)
{
    AUTO(ld_context_close) struct ld_context *context = calloc(1, sizeof(*context));
    struct ld_options options = {.base = base};
    struct run run;

    if (context == NULL)
        return err_set(err, E_NO_MEMORY, "", "json-ld context");
    if (home_init(&context->home, err) < 0 || jdoc_parse(json, NULL, &context->doc, err) < 0)
        return err_ret(err);
    context->json = context_of(jdoc_root(context->doc));
    run_init(&run, ld, &options, context->home.arena, err);
    /* the base is borrowed by the context otherwise */
    options.base = str_present(base) ? arena_str(context->home.arena, base) : STR_NONE;
    struct ctx *root = ctx_root(&run, STR_NONE);

    if (root == NULL)
        return run_limit(&run, "memory");
    root->home = &context->home;
    if (ctx_process(&run, root, context->json, options.base, CTX_STABLE, NULL, &context->ctx) < 0)
        return err_ret(err);
    *ret_context = MOVE(context);
    return 0;
}

void ld_context_close(struct ld_context **context)
{
    if (*context == NULL)
        return;
    home_done(&(*context)->home);
    jdoc_free(&(*context)->doc);
    free(*context);
    *context = NULL;
}

/* -- expansion ------------------------------------------------------------------------------------------------------ */

/* EDC management v3: see ld_options.vocab. */
static bool wants_vocab(const struct jval *doc, const struct ld_options *options)
{
    const struct jval *context = jtype_of(doc) == J_OBJECT ? jval_get(doc, "@context") : NULL;

    return str_present(options->vocab) &&
           (context == NULL ||
            (jtype_of(context) == J_OBJECT && jval_get(context, "@vocab") == NULL));
}

static const struct ctx *first_context(struct run *run, const struct jval *doc)
{
    const struct ld_options *options = run->options;

    if (wants_vocab(doc, options)) {
        if (options->context != NULL) {
            struct ctx *ctx = ctx_layer(run, options->context->ctx, 0);

            if (ctx != NULL)
                ctx->vocab = options->vocab;
            return ctx;
        }
        return str_eq(options->vocab, STR(LD_EDC)) ? run->ld->edc_root
                                                   : ctx_root(run, options->vocab);
    }
    return options->context != NULL ? options->context->ctx : run->ld->root;
}

static int strict_result(struct run *run)
{
    char more[64] = "";

    if (run->n_errors == 0)
        return 0;
    if (run->n_errors > 1)
        (void)snprintf(more, sizeof(more), " (and %zu more)", run->n_errors - 1);
    return err_tell(run->err, E_INVALID, run->first.at, "json-ld: %s: '%s'%s",
                    ld_issue_name(run->first.kind), run->first.what, more);
}

static int expand(struct run *run, const struct jval *doc, struct val **ret_expanded)
{
    const struct ctx *ctx = first_context(run, doc);

    if (ctx == NULL)
        return run_limit(run, "memory");
    if (expand_document(run, ctx, doc, ret_expanded) < 0)
        return err_ret(run->err);
    return strict_result(run);
}

int ld_expand(const struct ld *ld, const struct jval *doc, const struct ld_options *options,
              struct jdoc **ret_expanded, struct err *err)
{
    const struct ld_options *o = options != NULL ? options : &no_options;
    AUTO(arena_free) struct arena *own = NULL;
    struct arena *arena = run_arena(o, &own);
    struct val *expanded;
    struct run run;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "json-ld expansion");
    run_init(&run, ld, o, arena, err);
    if (expand(&run, doc, &expanded) < 0)
        return err_ret(err);
    return val_document(&run, expanded, ret_expanded);
}

/* -- compaction ----------------------------------------------------------------------------------------------------- */

static bool is_empty_context(const struct jval *json)
{
    enum jtype type = jtype_of(json);

    return type == J_NULL || ((type == J_OBJECT || type == J_ARRAY) && jval_len(json) == 0);
}

static int compact(struct run *run, const struct jval *doc, const struct ld_context *context,
                   struct val **ret_result)
{
    struct val *expanded, *compacted;

    if (expand(run, doc, &expanded) < 0 ||
        compact_document(run, context->ctx, expanded, &compacted) < 0)
        return err_ret(run->err);
    struct val *result = val_object(run, compacted->n + 1);

    if (!run->options->no_context && !is_empty_context(context->json))
        val_set_kw(run, result, KW_CONTEXT, val_json(run, context->json));
    for (uint32_t i = 0; i < compacted->n; i++)
        val_set(run, result, compacted->member[i].key, compacted->member[i].value);
    *ret_result = result;
    return run_check(run);
}

int ld_compact(const struct ld *ld, const struct jval *doc, const struct ld_context *context,
               const struct ld_options *options, struct jdoc **ret_compacted, struct err *err)
{
    const struct ld_options *o = options != NULL ? options : &no_options;
    AUTO(arena_free) struct arena *own = NULL;
    struct arena *arena = run_arena(o, &own);
    struct val *result;
    struct run run;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "json-ld compaction");
    run_init(&run, ld, o, arena, err);
    if (compact(&run, doc, context, &result) < 0)
        return err_ret(err);
    return val_document(&run, result, ret_compacted);
}

int ld_compact_write(const struct ld *ld, const struct jval *doc, const struct ld_context *context,
                     const struct ld_options *options, struct buf *out, struct err *err)
{
    const struct ld_options *o = options != NULL ? options : &no_options;
    AUTO(arena_free) struct arena *own = NULL;
    struct arena *arena = run_arena(o, &own);
    struct val *result;
    struct run run;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "json-ld compaction");
    run_init(&run, ld, o, arena, err);
    if (compact(&run, doc, context, &result) < 0)
        return err_ret(err);
    val_write(out, result);
    return buf_failed(out) ? run_limit(&run, "text") : 0;
}

/* -- views ---------------------------------------------------------------------------------------------------------- */

const struct jval *ld_root(const struct jdoc *expanded)
{
    return jval_at(jdoc_root(expanded), 0);
}

struct str ld_id(const struct jval *node)
{
    return jval_str(jval_get(node, "@id"));
}

struct str ld_type(const struct jval *node)
{
    const struct jval *type = jval_get(node, "@type");

    return jval_str(jtype_of(type) == J_ARRAY ? jval_at(type, 0) : type);
}

bool ld_has_type(const struct jval *node, const char *iri)
{
    const struct jval *type = jval_get(node, "@type");

    if (jtype_of(type) == J_STR)
        return str_eq_c(jval_str(type), iri);
    for (size_t i = 0; i < jval_len(type); i++)
        if (str_eq_c(jval_str(jval_at(type, i)), iri))
            return true;
    return false;
}

const struct jval *ld_values(const struct jval *node, const char *iri)
{
    const struct jval *values = jval_get(node, iri);
    const struct jval *list = jval_len(values) == 1 ? jval_get(jval_at(values, 0), "@list") : NULL;

    return list != NULL ? list : values;
}

const struct jval *ld_first(const struct jval *node, const char *iri)
{
    return jval_at(ld_values(node, iri), 0);
}

const struct jval *ld_value_of(const struct jval *value)
{
    return jval_get(value, "@value");
}

const struct jval *ld_value(const struct jval *node, const char *iri)
{
    return ld_value_of(ld_first(node, iri));
}

struct str ld_text(const struct jval *node, const char *iri)
{
    const struct jval *first = ld_first(node, iri);
    const struct jval *value = ld_value_of(first);

    return value != NULL ? jval_str(value) : ld_id(first);
}
