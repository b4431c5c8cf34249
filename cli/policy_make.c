/*
 * cli/policy_make.c - naru policy make: a policy of clause templates
 *
 * A clause is TEMPLATE or TEMPLATE:NAME=VALUE,… ; a piece between commas that does not begin with NAME=
 * is one more value of the parameter before it, or the rest of its value if it is no list. The policy goes to a file or to standard output, its words
 * to the other one of standard output and standard error.
 */
#include "cli/plan.h"
#include "cli/policy.h"
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

#define ARENA_MAX MIB(256)

struct make_args {
    struct str_list sets, plans;
    struct str profile, templates, output, currency, vat, fee;
};
/* clang-format off */
const struct cli_option policy_make_options[] = {
    OPTION(struct make_args, sets,      "set",       's', "[TEMPLATE.]NAME=VALUE[,VALUE]", "value of a parameter, of the template that has it"),
    OPTION(struct make_args, profile,   "profile",   0,   "NAME", "naru or catena-x (default: what the templates ask for)"),
    OPTION(struct make_args, plans,     "plan",      0,   "PLAN", "for an order under this plan only, in the notation of publish: adds the template paid-order"),
    OPTION(struct make_args, currency,  "currency",  0,   "CODE", "currency of the plans (default KRW)"),
    OPTION(struct make_args, vat,       "vat",       0,   "PERCENT", "value added tax of the plans (default 10)"),
    OPTION(struct make_args, fee,       "fee",       0,   "PERCENT", "share of the data bank of the plans (default 3.5)"),
    OPTION(struct make_args, templates, "templates", 0,   "DIR",  "folder with further templates (*.json)"),
    OPTION(struct make_args, output,    "output",    'o', "FILE", "where the policy goes (default: standard output, and its words to standard error)"),
    {.name = NULL},
};

/* clang-format on */

/* A clause with room for what is given for it. */
struct wanted {
    struct policy_clause clause;
    struct policy_argument
        *arguments; /* POLICY_TEMPLATE_PARAMS + 1: one too many is reported below */
};

struct making {
    struct cli *cli;
    const struct policy_templates *templates;
    struct wanted items[POLICY_CLAUSES];
    size_t n;
};

/* -- what is wanted ---------------------------------------------------------------------------- */

static int add_clause(struct making *m, struct str id, struct wanted **ret, struct err *err)
{
    struct wanted *w = &m->items[m->n];

    if (m->n == POLICY_CLAUSES)
        return err_tell(err, E_CONFIG, "", "at most %d templates", POLICY_CLAUSES);
    w->arguments = ARENA_ARRAY(m->cli->arena, struct policy_argument, POLICY_TEMPLATE_PARAMS + 1);
    if (w->arguments == NULL)
        return err_set(err, E_NO_MEMORY, "", "clause");
    w->clause = (struct policy_clause){
        .template = id, .arguments = w->arguments, .at = arena_cstr(m->cli->arena, id)};
    m->n++;
    *ret = w;
    return 0;
}

static int add_argument(struct making *m, struct wanted *w, struct str name,
                        struct policy_argument **ret, struct err *err)
{
    struct policy_argument *a = &w->arguments[w->clause.n_arguments];

    if (w->clause.n_arguments > POLICY_TEMPLATE_PARAMS)
        return err_tell(err, E_CONFIG, w->clause.at, "too many parameters");
    a->name = name;
    a->values.items = ARENA_ARRAY(m->cli->arena, struct str, POLICY_TEMPLATE_VALUES + 1);
    if (a->values.items == NULL)
        return err_set(err, E_NO_MEMORY, "", "clause");
    w->clause.n_arguments++;
    *ret = a;
    return 0;
}

static int add_value(const struct wanted *w, struct policy_argument *a, struct str value,
                     struct err *err)
{
    if (a->values.n > POLICY_TEMPLATE_VALUES)
        return err_tell(err, E_CONFIG, w->clause.at, "'%.*s': at most %d values", STR_ARG(a->name),
                        POLICY_TEMPLATE_VALUES);
    a->values.items[a->values.n++] = value;
    return 0;
}

/* What can stand before '=' of a parameter; an IRI with '=' has other characters before it. */
static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        const char c = text.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
            return false;
    }
    return text.n > 0;
}

/* The parameter in the template's document; NULL if there is none. */
static const struct jval *find_parameter(const struct making *m, const struct wanted *w,
                                         struct str name)
{
    const struct policy_template *t = policy_templates_find(m->templates, w->clause.template);
    const struct jval *parameters =
        t != NULL ? jval_get(policy_template_document(t), "parameters") : NULL;

    for (size_t i = 0; i < jval_len(parameters); i++) {
        if (str_eq(jval_str(jval_get(jval_at(parameters, i), "name")), name))
            return jval_at(parameters, i);
    }
    return NULL;
}

static bool is_list(const struct making *m, const struct wanted *w, struct str name)
{
    return str_eq(jval_str(jval_get(find_parameter(m, w, name), "type")), STR("list"));
}

static int read_clause(struct making *m, struct str given, struct err *err)
{
    struct policy_argument *a = NULL;
    struct wanted *w;

    if (add_clause(m, str_cut(&given, ':'), &w, err) < 0)
        return err_ret(err);
    while (str_present(given)) {
        struct str piece = str_cut(&given, ','), value = piece;
        const struct str name = str_cut(&value, '=');
        const bool begins = str_present(value) && is_name(name);

        if (a == NULL && !begins)
            return err_tell(err, E_CONFIG, w->clause.at, "expected TEMPLATE:NAME=VALUE, got '%.*s'",
                            STR_ARG(piece));
        if (begins && add_argument(m, w, name, &a, err) < 0)
            return err_ret(err);
        if (!begins && !is_list(m, w, a->name)) {
            /* the comma is part of the value */
            a->values.items[0].n = (size_t)(piece.p + piece.n - a->values.items[0].p);
            continue;
        }
        if (add_value(w, a, begins ? value : piece, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* The clause that --set speaks of: the one that is named, or the only one with the parameter. */
static int find_clause(struct making *m, struct str template, struct str name, struct wanted **ret,
                       struct err *err)
{
    struct wanted *found = NULL;

    for (size_t i = 0; i < m->n; i++) {
        struct wanted *w = &m->items[i];
        const bool fits = str_present(template) ? str_eq(w->clause.template, template)
                                                : find_parameter(m, w, name) != NULL;

        if (fits && found != NULL)
            return err_tell(err, E_CONFIG, "--set",
                            "'%.*s' and '%.*s' both have '%.*s': write TEMPLATE.%.*s",
                            STR_ARG(found->clause.template), STR_ARG(w->clause.template),
                            STR_ARG(name), STR_ARG(name));
        found = fits ? w : found;
    }
    if (found == NULL)
        return err_tell(err, E_CONFIG, "--set", "no template of these has a parameter '%.*s'",
                        STR_ARG(name));
    *ret = found;
    return 0;
}

static int read_set(struct making *m, struct str given, struct err *err)
{
    struct str value = given, name = str_cut(&value, '='), template = STR_NONE;
    struct policy_argument *a;
    struct wanted *w = NULL;

    if (!str_present(value))
        return err_tell(err, E_CONFIG, "--set", "expected NAME=VALUE, got '%.*s'", STR_ARG(given));
    if (memchr(name.p, '.', name.n) != NULL)
        template = str_cut(&name, '.');
    if (find_clause(m, template, name, &w, err) < 0 || add_argument(m, w, name, &a, err) < 0)
        return err_ret(err);
    if (!is_list(m, w, name))
        return add_value(w, a, value, err);
    while (str_present(value)) {
        if (add_value(w, a, str_cut(&value, ','), err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* The hash of a plan's canonical text is its name (docs/exchange.md). */
static int read_plans(struct making *m, const struct make_args *in, struct err *err)
{
    struct policy_argument *a;
    struct plan_terms terms;
    struct wanted *w;

    if (in->plans.n == 0)
        return 0;
    if (plan_terms_given(in->currency, in->vat, in->fee, &terms, err) < 0 ||
        add_clause(m, STR("paid-order"), &w, err) < 0 ||
        add_argument(m, w, STR("plans"), &a, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < in->plans.n; i++) {
        const struct plan *plan;
        uint8_t hash[SHA256_LEN];

        if (plan_given(m->cli, in->plans.items[i], &terms, &plan, err) < 0)
            return err_ret(err);
        sha256(plan_canonical(plan).p, plan_canonical(plan).n, hash);
        if (add_value(w, a, arena_printf(m->cli->arena, "urn:naru:plan:%s", hash_hex(hash).c),
                      err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int read_dialect(struct str name, enum policy_dialect *ret, struct err *err)
{
    int dialect = 0;

    while (str_present(name) && dialect < POLICY_DIALECT__COUNT &&
           !str_eq_c(name, policy_dialect_names[dialect]))
        dialect++;
    if (str_present(name) && dialect == POLICY_DIALECT__COUNT)
        return err_tell(err, E_CONFIG, "--profile", "expected naru or catena-x");
    if (str_present(name))
        *ret = (enum policy_dialect)dialect;
    return 0;
}

static int read_wishes(struct making *m, const struct make_args *in, int argc, char **argv,
                       struct err *err)
{
    for (int i = 0; i < argc; i++) {
        if (!str_is_utf8(str_c(argv[i])))
            return err_tell(err, E_CONFIG, "", "argument %d is not UTF-8", i + 1);
        if (read_clause(m, str_c(argv[i]), err) < 0)
            return err_ret(err);
    }
    if (read_plans(m, in, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < in->sets.n; i++) {
        if (read_set(m, in->sets.items[i], err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* -- answer ------------------------------------------------------------------------------------ */

static int write_policy(struct cli *cli, const struct policy_made *made, struct str file,
                        struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(4));
    struct jw w = jw_init(&text);
    FILE *out = stdout;
    size_t written;

    if (jdoc_parse(made->json, &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    w.pretty = true;
    jw_val(&w, jdoc_root(doc));
    buf_add_char(&text, '\n');
    if (file.n > 0)
        out = fopen(arena_cstr(cli->arena, file), "we");
    if (out == NULL)
        return err_tell(err, E_CONFIG, "--output", "'%.*s' cannot be written", STR_ARG(file));
    written = fwrite(text.p, 1, text.n, out);
    if ((out != stdout && fclose(out) != 0) || written != text.n)
        return err_tell(err, E_IO, "", "writing failed");
    return 0;
}

static void print_words(struct cli *cli, const struct policy_made *made, FILE *out)
{
    const enum policy_lang lang = cli->korean ? POLICY_KO : POLICY_EN;
    AUTO(buf_done) struct buf words = buf_init(MIB(4));

    buf_add_str(&words, made->clauses[lang]);
    buf_add_char(&words, '\n');
    policy_explain(made->policy, lang, &words);
    for (size_t i = 0; i < made->findings.n; i++)
        buf_printf(&words, "%s: %s [%s]\n", text(cli, TEXT_WARNING),
                   policy_lint_text(made->findings.items[i].lint, lang),
                   policy_lint_slug(made->findings.items[i].lint));
    fprintf(out, "%.*s%s\n", STR_ARG(cli_clean(cli, buf_str(&words))),
            hash_hex(policy_hash(made->policy)).c);
}

static int answer(struct cli *cli, const struct policy_made *made, struct str file)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    struct jw w = jw_init(&out);
    struct err err = {0};

    if ((file.n > 0 || !cli->json) && write_policy(cli, made, file, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        jw_object(&w);
        policy_answer_made(made, &w);
        jw_object_end(&w);
        return cli_print_buf(cli, &out);
    }
    if (file.n > 0)
        print_words(cli, made, stdout);
    else if (!cli->quiet)
        print_words(cli, made, stderr);
    return CLI_OK;
}

int cmd_policy_make(struct cli *cli, int argc, char **argv)
{
    AUTO(policy_templates_free) struct policy_templates *templates = NULL;
    AUTO(policy_made_done) struct policy_made made = {0};
    AUTO(arena_free) struct arena *arena = arena_new(ARENA_MAX);
    struct policy_clause clauses[POLICY_CLAUSES];
    struct making *m = ARENA_NEW(cli->arena, struct making);
    enum policy_dialect dialect = POLICY_DIALECT__COUNT;
    struct make_args in = {0};
    struct err err = {0};

    if (!cli_options(cli, policy_make_options, &in, 0, -1, &argc, argv))
        return CLI_USAGE;
    if (m == NULL || arena == NULL)
        return cli_fail(cli, &(struct err){.code = E_NO_MEMORY});
    if (policy_templates_read(cli, in.templates, &templates, &err) < 0)
        return cli_fail(cli, &err);
    m->cli = cli;
    m->templates = templates;
    if (read_dialect(in.profile, &dialect, &err) < 0 || read_wishes(m, &in, argc, argv, &err) < 0)
        return cli_fail(cli, &err);
    for (size_t i = 0; i < m->n; i++) {
        clauses[i] = m->items[i].clause;
        if (policy_templates_find(templates, clauses[i].template) == NULL)
            return policy_template_missing(cli, templates, clauses[i].template);
    }
    if (policy_make(templates, clauses, m->n, dialect, env_wall_us(cli->env), arena, &made, &err) <
        0) {
        /* with a place it is about what was typed */
        err.code = err.at[0] != '\0' && err.code != E_NO_MEMORY ? E_CONFIG : err.code;
        return cli_fail(cli, &err);
    }
    return answer(cli, &made, in.output);
}
