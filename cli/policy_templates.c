/*
 * cli/policy_templates.c - naru policy templates: the clauses that there are, or one of them with its parameters
 */
#include "cli/policy.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct templates_args {
    struct str templates;
};
/* clang-format off */
const struct cli_option policy_templates_options[] = {
    OPTION(struct templates_args, templates, "templates", 0, "DIR", "folder with further templates (*.json)"),
    {.name = NULL},
};
static const struct column list_columns[] = {
    {TEXT_TEMPLATE, COLUMN_LEFT}, {TEXT_TITLE, COLUMN_LEFT}, {TEXT_PARAMETERS, COLUMN_LEFT},
};
static const struct column parameter_columns[] = {
    {TEXT_PARAMETER, COLUMN_LEFT}, {TEXT_MEDIA_TYPE, COLUMN_LEFT}, {TEXT_DEFAULT, COLUMN_LEFT}, {TEXT_MEANING, COLUMN_LEFT},
};

/* clang-format on */

/* A scalar as text, or the elements of an array joined by commas. */
static void add_value(struct buf *out, const struct jval *value)
{
    int64_t number;

    if (jval_i64(value, &number))
        buf_add_i64(out, number);
    else
        buf_add_str(out, jval_str(value));
    for (size_t i = 0; i < jval_len(value); i++) {
        buf_add_c(out, i > 0 ? "," : "");
        add_value(out, jval_at(value, i));
    }
}

/* "purposes=… delete_within=30": what must be given has no value. */
static struct str parameters_line(struct cli *cli, const struct jval *parameters)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));

    for (size_t i = 0; i < jval_len(parameters); i++) {
        const struct jval *p = jval_at(parameters, i);

        buf_printf(&out, "%s%.*s", i > 0 ? " " : "", STR_ARG(jval_str(jval_get(p, "name"))));
        if (jval_get(p, "default") != NULL) {
            buf_add_char(&out, '=');
            add_value(&out, jval_get(p, "default"));
        }
    }
    return arena_str(cli->arena, buf_str(&out));
}

static void print_list(struct cli *cli, const struct policy_templates *templates)
{
    struct table *table = table_new(cli, list_columns, ARRAY_LEN(list_columns));
    const enum policy_lang lang = cli->korean ? POLICY_KO : POLICY_EN;

    for (size_t i = 0; i < policy_templates_count(templates); i++) {
        const struct policy_template *t = policy_templates_at(templates, i);

        table_cell(table, policy_template_id(t));
        table_cell(table, policy_template_title(t, lang));
        table_cell(table,
                   parameters_line(cli, jval_get(policy_template_document(t), "parameters")));
    }
    table_print(table, stdout);
}

/* "list of enum: a, b; 1 to 20" */
static struct str type_line(struct cli *cli, const struct jval *p)
{
    const struct jval *choices = jval_get(p, "choices");
    AUTO(buf_done) struct buf out = buf_init(KIB(16));

    buf_add_str(&out, jval_str(jval_get(p, "type")));
    if (jval_get(p, "of") != NULL)
        buf_printf(&out, "/%.*s", STR_ARG(jval_str(jval_get(p, "of"))));
    for (size_t i = 0; i < jval_len(choices); i++)
        buf_printf(&out, "%s%.*s", i > 0 ? "|" : " ",
                   STR_ARG(jval_str(jval_get(jval_at(choices, i), "value"))));
    if (jval_get(p, "min") != NULL || jval_get(p, "max") != NULL) {
        buf_add_char(&out, ' ');
        add_value(&out, jval_get(p, "min"));
        buf_add_c(&out, "…");
        add_value(&out, jval_get(p, "max"));
    }
    return arena_str(cli->arena, buf_str(&out));
}

static struct str default_line(struct cli *cli, const struct jval *p)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));

    if (jval_get(p, "default") != NULL)
        add_value(&out, jval_get(p, "default"));
    else
        buf_add_c(&out,
                  text(cli, jval_bool(jval_get(p, "optional")) ? TEXT_OPTIONAL : TEXT_NEEDED));
    return arena_str(cli->arena, buf_str(&out));
}

static void print_parameters(struct cli *cli, const struct jval *parameters)
{
    struct table *table = table_new(cli, parameter_columns, ARRAY_LEN(parameter_columns));

    for (size_t i = 0; i < jval_len(parameters); i++) {
        const struct jval *p = jval_at(parameters, i);

        table_cell(table, jval_str(jval_get(p, "name")));
        table_cell(table, type_line(cli, p));
        table_cell(table, default_line(cli, p));
        table_cell(table, cli_text(cli, jval_get(p, "title")));
    }
    if (jval_len(parameters) > 0) {
        printf("\n");
        table_print(table, stdout);
    }
}

static int print_one(struct cli *cli, const struct policy_template *template)
{
    const struct jval *doc = policy_template_document(template);
    const struct jval *clause = jval_get(doc, "clause");

    if (cli->json)
        return cli_print_json(cli, doc);
    printf("%.*s – %.*s\n%.*s\n\n", STR_ARG(cli_clean(cli, policy_template_id(template))),
           STR_ARG(cli_clean(cli, cli_text(cli, jval_get(doc, "title")))),
           STR_ARG(cli_clean(cli, cli_text(cli, jval_get(doc, "description")))));
    for (size_t i = 0; i < jval_len(clause); i++)
        printf("  %.*s\n", STR_ARG(cli_clean(cli, cli_text(cli, jval_at(clause, i)))));
    print_parameters(cli, jval_get(doc, "parameters"));
    return CLI_OK;
}

static int print_all_json(const struct cli *cli, const struct policy_templates *templates)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    struct jw w = jw_init(&out);

    jw_array(&w);
    for (size_t i = 0; i < policy_templates_count(templates); i++)
        jw_val(&w, policy_template_document(policy_templates_at(templates, i)));
    jw_array_end(&w);
    return cli_print_buf(cli, &out);
}

int cmd_policy_templates(struct cli *cli, int argc, char **argv)
{
    AUTO(policy_templates_free) struct policy_templates *templates = NULL;
    const struct policy_template *one;
    struct templates_args in = {0};
    struct err err = {0};

    if (!cli_options(cli, policy_templates_options, &in, 0, 1, &argc, argv))
        return CLI_USAGE;
    if (policy_templates_read(cli, in.templates, &templates, &err) < 0)
        return cli_fail(cli, &err);
    if (argc == 1) {
        one = policy_templates_find(templates, str_c(argv[0]));
        if (one == NULL)
            return policy_template_missing(cli, templates, str_c(argv[0]));
        return print_one(cli, one);
    }
    if (cli->json)
        return print_all_json(cli, templates);
    print_list(cli, templates);
    return CLI_OK;
}
