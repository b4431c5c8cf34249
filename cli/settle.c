/*
 * cli/settle.c - operator: close a period, payment file, trial balance
 */
#include "cli/cli.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define WAIT_AT_MOST_US (60 * US_PER_S)

struct close_args {
    struct str from, to;
};

struct payments_args {
    struct str output;
};
/* clang-format off */
const struct cli_option operator_close_options[] = {
    OPTION(struct close_args, from, "from", 0, "TIME", "start of a period that is no month"),
    OPTION(struct close_args, to,   "to",   0, "TIME", "its end (not included)"),
    {.name = NULL},
};
const struct cli_option operator_payments_options[] = {
    OPTION(struct payments_args, output, "output", 'o', "FILE", "where to (default: standard output)"),
    {.name = NULL},
};

static const struct column document_columns[] = {
    {TEXT_KIND, COLUMN_LEFT}, {TEXT_NUMBER, COLUMN_LEFT}, {TEXT_TOTAL, COLUMN_RIGHT},
    {TEXT_DID, COLUMN_LEFT}, {TEXT_DOCUMENT, COLUMN_LEFT},
};
static const struct column balance_columns[] = {
    {TEXT_ACCOUNT, COLUMN_LEFT}, {TEXT_DEBIT, COLUMN_RIGHT}, {TEXT_CREDIT, COLUMN_RIGHT}, {TEXT_BALANCE, COLUMN_RIGHT},
};

/* clang-format on */

/* A period can be closed when it is over; one that ends in a moment is waited for. */
static int wait_end(struct cli *cli, struct str to, struct err *err)
{
    int64_t to_us = 0, left_us;

    if (!time_parse(to, &to_us))
        return err_tell(err, E_CONFIG, "--to", "expected a time such as 2027-02-01T00:00:00+09:00");
    left_us = to_us - env_wall_us(cli->env);
    if (left_us > 0 && left_us <= WAIT_AT_MOST_US)
        cli_pause((int)(left_us / 1000) + 5);
    return 0;
}

static void print_documents(struct cli *cli, const struct jval *documents)
{
    struct table *table = table_new(cli, document_columns, ARRAY_LEN(document_columns));

    for (size_t i = 0; i < jval_len(documents); i++) {
        const struct jval *d = jval_at(documents, i);
        const struct str total = jval_str(jval_get(d, "total"));

        table_cell(table, jval_str(jval_get(d, "kind")));
        table_cell(table, jval_str(jval_get(d, "number")));
        table_cell(table,
                   arena_printf(cli->arena, "%.*s %.*s",
                                STR_ARG(total.n > 0 ? total : jval_str(jval_get(d, "payout"))),
                                STR_ARG(jval_str(jval_get(d, "currency")))));
        table_cell(table, jval_str(jval_get(d, "did")));
        table_cell(table, jval_str(jval_get(d, "document")));
    }
    table_print(table, stdout);
}

int cmd_operator_close(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(4));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct close_args in = {0};
    struct err err = {0};
    struct jw w = jw_init(&body);
    struct str path;

    if (!cli_options(cli, operator_close_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if ((in.from.n > 0) != (in.to.n > 0))
        return cli_usage(cli, "--from and --to go together");
    if (in.to.n > 0) {
        if (wait_end(cli, in.to, &err) < 0)
            return cli_fail(cli, &err);
        jw_object(&w);
        jw_kstr(&w, "from", in.from);
        jw_kstr(&w, "to", in.to);
        jw_object_end(&w);
    }
    path = arena_printf(cli->arena, "%.*s/close",
                        STR_ARG(cli_path(cli, "/v1/periods/", NULL, str_c(argv[0]))));
    if (cli_json(cli, PEER_OPERATOR, "POST", path, in.to.n > 0 ? buf_str(&body) : STR_NONE, &doc,
                 &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    print_documents(cli, jval_get(jdoc_root(doc), "documents"));
    return CLI_OK;
}

int cmd_operator_payments(struct cli *cli, int argc, char **argv)
{
    AUTO(cli_answer_done) struct cli_answer answer = {0};
    struct cli_request request = {
        .peer = PEER_OPERATOR, .method = "GET", .accept = "application/xml"};
    struct payments_args in = {0};
    struct err err = {0};
    FILE *out = stdout;
    size_t written;

    if (!cli_options(cli, operator_payments_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    request.path = arena_printf(cli->arena, "%.*s/payments",
                                STR_ARG(cli_path(cli, "/v1/periods/", NULL, str_c(argv[0]))));
    if (cli_call(cli, &request, &answer, &err) < 0)
        return cli_fail(cli, &err);
    if (in.output.n > 0)
        out = fopen(arena_cstr(cli->arena, in.output), "we");
    if (out == NULL)
        return cli_usage(cli, "'%.*s' cannot be written", STR_ARG(in.output));
    written = fwrite(answer.body, 1, answer.n, out);
    if ((out != stdout && fclose(out) != 0) || written != answer.n) {
        IGNORE(err_tell(&err, E_IO, "", "writing failed"), "reported at once");
        return cli_fail(cli, &err);
    }
    return CLI_OK;
}

int cmd_operator_trial_balance(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};
    const struct jval *currencies;

    if (!cli_options(cli, no_options, NULL, 0, 0, &argc, argv))
        return CLI_USAGE;
    if (cli_json(cli, PEER_OPERATOR, "GET", STR("/v1/ledger/trial-balance"), STR_NONE, &doc, &err) <
        0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    currencies = jval_get(jdoc_root(doc), "currencies");
    for (size_t i = 0; i < jval_len(currencies); i++) {
        struct table *table = table_new(cli, balance_columns, ARRAY_LEN(balance_columns));
        const struct jval *currency = jval_at(currencies, i);
        const struct jval *accounts = jval_get(currency, "accounts");

        for (size_t j = 0; j < jval_len(accounts); j++) {
            const struct jval *account = jval_at(accounts, j);

            table_cell(table, jval_str(jval_get(account, "code")));
            table_cell(table, jval_str(jval_get(account, "debits")));
            table_cell(table, jval_str(jval_get(account, "credits")));
            table_cell(table, jval_str(jval_get(account, "balance")));
        }
        table_cell(table, jval_str(jval_get(currency, "currency")));
        table_cell(table, jval_str(jval_get(currency, "debits")));
        table_cell(table, jval_str(jval_get(currency, "credits")));
        table_cell(table, jval_bool(jval_get(currency, "balanced")) ? STR("=") : STR("!="));
        table_print(table, stdout);
    }
    return CLI_OK;
}
