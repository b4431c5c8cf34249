/*
 * cli/duties.c - naru duties, naru duties done, naru duties waive
 */
#include "cli/cli.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct duties {
    struct str state, agreement;
};

struct done {
    struct str statement, by;
};

struct waive {
    struct str reason;
};
/* clang-format off */
const struct cli_option duties_options[] = {
    OPTION(struct duties, state,     "state",     0, "NAME", "open, overdue, done, late or waived"),
    OPTION(struct duties, agreement, "agreement", 0, "ID",   "of this agreement only"),
    {.name = NULL},
};
const struct cli_option duties_done_options[] = {
    OPTION(struct done, statement, "statement", 0, "TEXT", "what was done, for the other side; name no persons"),
    OPTION(struct done, by,        "by",        0, "WHO",  "operator (default), or system: another program has done it"),
    {.name = NULL},
};
const struct cli_option duties_waive_options[] = {
    OPTION(struct waive, reason, "reason", 0, "TEXT", "why; the other side is told"),
    {.name = NULL},
};

static const struct column duty_columns[] = {
    {TEXT_DUTY, COLUMN_LEFT}, {TEXT_STATE, COLUMN_LEFT}, {TEXT_DUE, COLUMN_LEFT}, {TEXT_WHOSE, COLUMN_LEFT},
    {TEXT_ACTION, COLUMN_LEFT}, {TEXT_AGREEMENT, COLUMN_LEFT},
};

/* clang-format on */

static bool is(const struct jval *duty, const char *member, const char *value)
{
    return str_eq_c(jval_str(jval_get(duty, member)), value);
}

/* What people have to delete: the connector has deleted what it can reach. */
static void note_copies(struct cli *cli, const struct jval *duty)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};
    const struct jval *items;
    const struct str path =
        cli_path(cli, "/naru/v1/copies", "agreement", jval_str(jval_get(duty, "agreement")));

    if (cli_json(cli, PEER_CONNECTOR, "GET", path, STR_NONE, &doc, &ignored) < 0)
        return;
    items = jval_get(jdoc_root(doc), "items");
    for (size_t i = 0; i < jval_len(items); i++) {
        const struct jval *copy = jval_at(items, i);

        if (jval_get(copy, "deleted_at") == NULL)
            cli_note(cli, cli->korean ? "지울 사본: %.*s" : "a copy to delete: %.*s",
                     STR_ARG(cli_clean(cli, jval_str(jval_get(copy, "path")))));
    }
}

/* What is to be done, and whether it follows from a duty that was violated. */
static struct str action_of(struct cli *cli, const struct jval *duty)
{
    const struct str action = cli_text(cli, jval_get(duty, "text"));

    if (jval_get(duty, "follows") == NULL)
        return action;
    return arena_printf(cli->arena, "%.*s (%s)", STR_ARG(action), text(cli, TEXT_CONSEQUENCE));
}

static void print_duties(struct cli *cli, const struct jval *items)
{
    struct table *table = table_new(cli, duty_columns, ARRAY_LEN(duty_columns));

    for (size_t i = 0; i < jval_len(items); i++) {
        const struct jval *duty = jval_at(items, i);
        const bool ours = jval_bool(jval_get(duty, "ours"));

        table_cell(table, jval_str(jval_get(duty, "id")));
        table_cell(table, is(duty, "state", "overdue") ? STR("OVERDUE")
                                                       : jval_str(jval_get(duty, "state")));
        table_cell(table, jval_str(jval_get(duty, "due_at")));
        table_cell(table, str_c(text(cli, ours ? TEXT_OURS : TEXT_THEIRS)));
        table_cell(table, action_of(cli, duty));
        table_cell(table, jval_str(jval_get(duty, "agreement")));
    }
    table_print(table, stdout);
    for (size_t i = 0; i < jval_len(items); i++) {
        const struct jval *duty = jval_at(items, i);

        if (jval_bool(jval_get(duty, "ours")) && jval_get(duty, "deleted_at") != NULL &&
            (is(duty, "state", "open") || is(duty, "state", "overdue")))
            note_copies(cli, duty);
    }
}

int cmd_duties(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct duties in = {0};
    struct err err = {0};
    struct str path;

    if (!cli_options(cli, duties_options, &in, 0, 0, &argc, argv))
        return CLI_USAGE;
    path = cli_path(cli, "/naru/v1/duties?limit=1000", "state", in.state);
    path = cli_path(cli, arena_cstr(cli->arena, path), "agreement", in.agreement);
    if (cli_json(cli, PEER_CONNECTOR, "GET", path, STR_NONE, &doc, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    print_duties(cli, jval_get(jdoc_root(doc), "items"));
    return CLI_OK;
}

/* POST /naru/v1/duties/{id}/<what>; prints the duty as it is then. */
static int say(struct cli *cli, const char *id, const char *what, struct str body)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};
    const struct str path = arena_printf(
        cli->arena, "%.*s/%s", STR_ARG(cli_path(cli, "/naru/v1/duties/", NULL, str_c(id))), what);

    if (cli_json(cli, PEER_CONNECTOR, "POST", path, body, &doc, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    printf("%s: %.*s\n", id, STR_ARG(jval_str(jval_get(jdoc_root(doc), "state"))));
    if (str_eq_c(str_c(what), "done"))
        note_copies(cli, jdoc_root(doc));
    return CLI_OK;
}

int cmd_duties_done(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    struct jw w = jw_init(&body);
    struct done in = {0};

    if (!cli_options(cli, duties_done_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (in.statement.n == 0)
        return cli_usage(cli, "--statement is wanted: it is what the other side gets");
    jw_object(&w);
    jw_kstr(&w, "statement", in.statement);
    if (in.by.n > 0)
        jw_kstr(&w, "by", in.by);
    jw_object_end(&w);
    return say(cli, argv[0], "done", buf_str(&body));
}

int cmd_duties_waive(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    struct jw w = jw_init(&body);
    struct waive in = {0};

    if (!cli_options(cli, duties_waive_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (in.reason.n == 0)
        return cli_usage(cli, "--reason is wanted: the other side is told");
    jw_object(&w);
    jw_kstr(&w, "reason", in.reason);
    jw_object_end(&w);
    return say(cli, argv[0], "waive", buf_str(&body));
}
