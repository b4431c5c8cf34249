/*
 * cli/operator.c - what the operator of the data bank decides: applications, suspensions, orders, tokens
 */
#include "cli/cli.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct list_args {
    struct str state;
};

struct decision {
    struct str reason;
};

struct token_args {
    struct str role, label, expires;
    bool revoke;
};
/* clang-format off */
const struct cli_option operator_applications_options[] = {
    OPTION(struct list_args, state, "state", 0, "NAME", "applied (default), active, refused, suspended or all"),
    {.name = NULL},
};
const struct cli_option operator_decision_options[] = {
    OPTION(struct decision, reason, "reason", 0, "TEXT", "why; stands in the broker's log"),
    {.name = NULL},
};
const struct cli_option operator_cancel_options[] = {
    OPTION(struct decision, reason, "reason", 0, "TEXT", "why; both sides see it (needed)"),
    {.name = NULL},
};
const struct cli_option operator_token_options[] = {
    OPTION(struct token_args, role,    "role",    0, "NAME", "auditor or operator"),
    OPTION(struct token_args, label,   "label",   0, "TEXT", "name of the token, to revoke it by"),
    OPTION(struct token_args, expires, "expires", 0, "TIME", "end of its validity"),
    OPTION(struct token_args, revoke,  "revoke",  0, NULL,   "revoke the token with this label"),
    {.name = NULL},
};

static const struct column participant_columns[] = {
    {TEXT_NAME, COLUMN_LEFT}, {TEXT_STATE, COLUMN_LEFT}, {TEXT_NUMBER, COLUMN_LEFT},
    {TEXT_DID, COLUMN_LEFT}, {TEXT_PARTICIPANT, COLUMN_LEFT},
};

/* clang-format on */

int cmd_operator_applications(struct cli *cli, int argc, char **argv)
{
    struct table *table = table_new(cli, participant_columns, ARRAY_LEN(participant_columns));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct list_args in = {.state = STR("applied")};
    struct err err = {0};
    const struct jval *items;

    if (!cli_options(cli, operator_applications_options, &in, 0, 0, &argc, argv))
        return CLI_USAGE;
    if (str_eq(in.state, STR("all")))
        in.state = STR("");
    if (cli_json(cli, PEER_OPERATOR, "GET",
                 cli_path(cli, "/v1/participants?limit=1000", "state", in.state), STR_NONE, &doc,
                 &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    items = jval_get(jdoc_root(doc), "items");
    for (size_t i = 0; i < jval_len(items); i++) {
        const struct jval *p = jval_at(items, i);

        table_cell(table, cli_text(cli, jval_get(p, "name")));
        table_cell(table, jval_str(jval_get(p, "state")));
        table_cell(table, jval_str(jval_get(jval_get(p, "number"), "value")));
        table_cell(table, jval_str(jval_get(p, "did")));
        table_cell(table, jval_str(jval_get(p, "participant")));
    }
    table_print(table, stdout);
    return CLI_OK;
}

/* POST {"reason"?} to `under`<id>/<verb>; the answer is printed as JSON if that is asked for. */
static int post_decision(struct cli *cli, const char *under, const char *id, const char *verb,
                         struct str reason, struct jdoc **ret_doc)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    struct jw w = jw_init(&body);
    struct err err = {0};
    struct str path;

    jw_object(&w);
    if (reason.n > 0)
        jw_kstr(&w, "reason", reason);
    jw_object_end(&w);
    path =
        arena_printf(cli->arena, "%.*s/%s", STR_ARG(cli_path(cli, under, NULL, str_c(id))), verb);
    if (cli_json(cli, PEER_OPERATOR, "POST", path, buf_str(&body), ret_doc, &err) < 0)
        return cli_fail(cli, &err);
    return cli->json ? cli_print_json(cli, jdoc_root(*ret_doc)) : CLI_OK;
}

static int decide(struct cli *cli, const char *verb, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct decision in = {0};
    int done;

    if (!cli_options(cli, operator_decision_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    done = post_decision(cli, "/v1/participants/", argv[0], verb, in.reason, &doc);
    if (done == CLI_OK && !cli->json)
        printf("%.*s: %.*s\n", STR_ARG(cli_text(cli, jval_get(jdoc_root(doc), "name"))),
               STR_ARG(jval_str(jval_get(jdoc_root(doc), "state"))));
    return done;
}

int cmd_operator_approve(struct cli *cli, int argc, char **argv)
{
    return decide(cli, "approve", argc, argv);
}

int cmd_operator_refuse(struct cli *cli, int argc, char **argv)
{
    return decide(cli, "refuse", argc, argv);
}

int cmd_operator_suspend(struct cli *cli, int argc, char **argv)
{
    return decide(cli, "suspend", argc, argv);
}

int cmd_operator_cancel(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct decision in = {0};
    int done;

    if (!cli_options(cli, operator_cancel_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (in.reason.n == 0)
        return cli_usage(cli, "--reason is wanted");
    done = post_decision(cli, "/v1/orders/", argv[0], "cancel", in.reason, &doc);
    if (done == CLI_OK && !cli->json)
        printf("%s: %.*s\n", argv[0],
               STR_ARG(jval_str(jval_get(jval_get(jdoc_root(doc), "order"), "state"))));
    return done;
}

int cmd_operator_token(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct token_args in = {0};
    struct err err = {0};
    struct jw w = jw_init(&body);
    int done;

    if (!cli_options(cli, operator_token_options, &in, 0, 0, &argc, argv))
        return CLI_USAGE;
    if (in.label.n == 0 || (in.role.n == 0 && !in.revoke))
        return cli_usage(cli, "--label and --role are wanted");
    jw_object(&w);
    jw_kstr(&w, "role", in.role);
    jw_kstr(&w, "label", in.label);
    if (in.expires.n > 0)
        jw_kstr(&w, "expires_at", in.expires);
    jw_object_end(&w);
    if (in.revoke)
        done = cli_json(cli, PEER_OPERATOR, "DELETE", cli_path(cli, "/v1/tokens/", NULL, in.label),
                        STR_NONE, &doc, &err);
    else
        done = cli_json(cli, PEER_OPERATOR, "POST", STR("/v1/tokens"), buf_str(&body), &doc, &err);
    if (done < 0)
        return cli_fail(cli, &err);
    if (cli->json && in.revoke)
        printf("{\"revoked\":true}\n");
    else if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    else if (!in.revoke)
        printf("%.*s\n", STR_ARG(jval_str(jval_get(jdoc_root(doc), "token"))));
    return CLI_OK;
}
