/*
 * cli/statement.c - naru statement: invoices and statements of our company, to read or to keep
 */
#include "cli/cli.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct statement {
    struct str kind, period, html;
};
/* clang-format off */
const struct cli_option statement_options[] = {
    OPTION(struct statement, kind,   "kind",   0, "KIND",   "invoice (what we pay) or statement (what we are paid)"),
    OPTION(struct statement, period, "period", 0, "PERIOD", "name of the period, e.g. 2027-01"),
    OPTION(struct statement, html,   "html",   0, "FILE",   "write the newest document as a page"),
    {.name = NULL},
};

static const struct column line_columns[] = {
    {TEXT_ITEM, COLUMN_LEFT}, {TEXT_QUANTITY, COLUMN_RIGHT}, {TEXT_AMOUNT, COLUMN_RIGHT}, {TEXT_DETAIL, COLUMN_LEFT},
};

struct sum { const char *member, *en, *ko; };
static const struct sum sums[] = {
    {"subtotal", "subtotal",    "공급가액"},
    {"vat",      "VAT",         "부가세"},
    {"total",    "total",       "합계"},
    {"fee",      "fee",         "수수료"},
    {"fee_vat",  "VAT of fee",  "수수료 부가세"},
    {"payout",   "payout",      "지급액"},
};

/* clang-format on */

static struct str number_text(struct cli *cli, const struct jval *value)
{
    int64_t number = 0;

    if (jval_i64(value, &number))
        return arena_printf(cli->arena, "%lld", (long long)number);
    return jval_str(value);
}

static void add_order(struct cli *cli, struct table *table, const struct jval *order)
{
    const struct jval *lines = jval_get(jval_get(order, "rating"), "lines");

    table_cell(table, cli_text(cli, jval_get(order, "title")));
    table_cell(table, STR(""));
    table_cell(table, STR(""));
    table_cell(table, jval_str(jval_get(order, "agreement")));
    for (size_t i = 0; i < jval_len(lines); i++) {
        const struct jval *line = jval_at(lines, i);
        const struct str meter = jval_str(jval_get(line, "meter"));

        table_cell(table,
                   arena_printf(cli->arena, "  %.*s",
                                STR_ARG(meter.n > 0 ? meter : jval_str(jval_get(line, "type")))));
        table_cell(table, meter.n > 0 ? number_text(cli, jval_get(line, "quantity")) : STR("1"));
        table_cell(table, number_text(cli, jval_get(line, "amount")));
        table_cell(table, jval_str(jval_get(line, "rule")));
    }
}

static void print_document(struct cli *cli, const struct jval *doc)
{
    struct table *table = table_new(cli, line_columns, ARRAY_LEN(line_columns));
    const struct jval *orders = jval_get(doc, "orders");
    const struct jval *parties = jval_get(doc, "parties");
    const struct jval *customer = jval_get(parties, "customer");
    const struct jval *us = customer != NULL ? customer : jval_get(parties, "supplier");

    printf("%s%.*s %.*s%s\n", cli->colour ? "\033[1m" : "",
           STR_ARG(jval_str(jval_get(doc, "kind"))), STR_ARG(jval_str(jval_get(doc, "number"))),
           cli->colour ? "\033[0m" : "");
    printf("%.*s (%.*s)  %.*s – %.*s\n", STR_ARG(cli_text(cli, jval_get(us, "name"))),
           STR_ARG(jval_str(jval_get(us, "number"))),
           STR_ARG(jval_str(jval_get(jval_get(doc, "period"), "from"))),
           STR_ARG(jval_str(jval_get(jval_get(doc, "period"), "to"))));
    for (size_t i = 0; i < jval_len(orders); i++)
        add_order(cli, table, jval_at(orders, i));
    table_print(table, stdout);
    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        const struct str amount = number_text(cli, jval_get(doc, sums[i].member));

        if (amount.n > 0)
            printf("%s  %.*s %.*s\n", cli->korean ? sums[i].ko : sums[i].en, STR_ARG(amount),
                   STR_ARG(jval_str(jval_get(doc, "currency"))));
    }
}

static int write_page(struct cli *cli, struct str path, struct str file, struct err *err)
{
    const struct cli_request request = {
        .peer = PEER_BROKER, .method = "GET", .path = path, .accept = "text/html"};
    AUTO(cli_answer_done) struct cli_answer answer = {0};
    const char *name = arena_cstr(cli->arena, file);
    FILE *out;
    size_t written;

    if (cli_call(cli, &request, &answer, err) < 0)
        return err_ret(err);
    out = name != NULL ? fopen(name, "we") : NULL;
    if (out == NULL)
        return err_tell(err, E_CONFIG, "--html", "'%.*s' cannot be written", STR_ARG(file));
    written = fwrite(answer.body, 1, answer.n, out);
    if (fclose(out) != 0 || written != answer.n)
        return err_tell(err, E_IO, "", "writing '%.*s' failed", STR_ARG(file));
    return 0;
}

/* Every document of the list, in full; with --json as {"items":[…]}. */
static int each_document(struct cli *cli, const struct statement *in, const struct jval *items,
                         struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(64));
    struct jw w = jw_init(&out);

    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < jval_len(items); i++) {
        const struct str path = cli_path(cli, "/v1/documents/", NULL,
                                         jval_str(jval_get(jval_at(items, i), "document")));
        AUTO(jdoc_free) struct jdoc *doc = NULL;

        if (cli_json(cli, PEER_BROKER, "GET", path, STR_NONE, &doc, err) < 0)
            return err_ret(err);
        if (in->html.n > 0 && i + 1 == jval_len(items) && write_page(cli, path, in->html, err) < 0)
            return err_ret(err);
        if (cli->json) {
            jw_val(&w, jdoc_root(doc));
            continue;
        }
        if (i > 0)
            printf("\n");
        print_document(cli, jdoc_root(doc));
    }
    jw_array_end(&w);
    jw_object_end(&w);
    if (cli->json && cli_print_buf(cli, &out) != CLI_OK)
        return err_tell(err, E_IO, "", "writing the answer failed");
    return 0;
}

int cmd_statement(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct statement in = {0};
    struct err err = {0};
    const struct jval *items;
    struct str path;

    if (!cli_options(cli, statement_options, &in, 0, 0, &argc, argv))
        return CLI_USAGE;
    path = cli_path(cli, "/v1/documents", "kind", in.kind);
    path = cli_path(cli, arena_cstr(cli->arena, path), "period", in.period);
    if (cli_json(cli, PEER_BROKER, "GET", path, STR_NONE, &doc, &err) < 0)
        return cli_fail(cli, &err);
    items = jval_get(jdoc_root(doc), "items");
    if (each_document(cli, &in, items, &err) < 0)
        return cli_fail(cli, &err);
    if (jval_len(items) == 0)
        cli_note(cli, "%s", cli->korean ? "문서가 없습니다." : "There are no documents.");
    return CLI_OK;
}
