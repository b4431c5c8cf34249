/*
 * cli/orders.c - naru orders, naru usage, naru end
 */
#include "cli/cli.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct orders {
    struct str state;
};

struct usage {
    struct str from, to;
};

struct end {
    struct str reason;
};
/* clang-format off */
const struct cli_option orders_options[] = {
    OPTION(struct orders, state, "state", 0, "NAME", "open, contracted, active, ended, cancelled or disputed"),
    {.name = NULL},
};
const struct cli_option usage_options[] = {
    OPTION(struct usage, from, "from", 0, "TIME", "from this time on"),
    OPTION(struct usage, to,   "to",   0, "TIME", "before this time"),
    {.name = NULL},
};
const struct cli_option end_options[] = {
    OPTION(struct end, reason, "reason", 0, "TEXT", "why; the other side is told"),
    {.name = NULL},
};

static const struct column order_columns[] = {
    {TEXT_ORDER, COLUMN_LEFT}, {TEXT_STATE, COLUMN_LEFT}, {TEXT_ROLE, COLUMN_LEFT},
    {TEXT_PURPOSE, COLUMN_LEFT}, {TEXT_AGREEMENT, COLUMN_LEFT},
};
static const struct column usage_columns[] = {
    {TEXT_TIME, COLUMN_LEFT}, {TEXT_STATE, COLUMN_LEFT}, {TEXT_CALLS, COLUMN_RIGHT},
    {TEXT_ROWS, COLUMN_RIGHT}, {TEXT_BYTES, COLUMN_RIGHT}, {TEXT_EVENT, COLUMN_LEFT},
};

/* clang-format on */

int cmd_orders(struct cli *cli, int argc, char **argv)
{
    struct table *table = table_new(cli, order_columns, ARRAY_LEN(order_columns));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct orders in = {0};
    struct err err = {0};
    const struct jval *items;

    if (!cli_options(cli, orders_options, &in, 0, 0, &argc, argv))
        return CLI_USAGE;
    if (cli_home(cli, &err) < 0 ||
        cli_json(cli, PEER_BROKER, "GET", cli_path(cli, "/v1/orders?limit=1000", "state", in.state),
                 STR_NONE, &doc, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    items = jval_get(jdoc_root(doc), "items");
    for (size_t i = 0; i < jval_len(items); i++) {
        const struct jval *order = jval_get(jval_at(items, i), "order");
        const bool ours = str_eq(jval_str(jval_get(order, "consumer")), cli->home.did);

        table_cell(table, jval_str(jval_get(order, "order")));
        table_cell(table, jval_str(jval_get(order, "state")));
        table_cell(table, ours ? STR("consumer") : STR("provider"));
        table_cell(table, jval_str(jval_get(order, "purpose")));
        table_cell(table, jval_str(jval_get(order, "agreement")));
    }
    table_print(table, stdout);
    return CLI_OK;
}

static void number_cell(struct cli *cli, struct table *table, const struct jval *value)
{
    int64_t number = 0;

    table_cell(table, jval_i64(value, &number) ? arena_printf(cli->arena, "%lld", (long long)number)
                                               : jval_str(value));
}

int cmd_usage(struct cli *cli, int argc, char **argv)
{
    struct table *table = table_new(cli, usage_columns, ARRAY_LEN(usage_columns));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct usage in = {0};
    struct err err = {0};
    const struct jval *events;
    struct str path;

    if (!cli_options(cli, usage_options, &in, 0, 1, &argc, argv))
        return CLI_USAGE;
    path = cli_path(cli, "/v1/usage", "agreement", argc > 0 ? str_c(argv[0]) : STR_NONE);
    path = cli_path(cli, arena_cstr(cli->arena, path), "from", in.from);
    path = cli_path(cli, arena_cstr(cli->arena, path), "to", in.to);
    if (cli_json(cli, PEER_BROKER, "GET", path, STR_NONE, &doc, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    events = jval_get(jdoc_root(doc), "events");
    for (size_t i = 0; i < jval_len(events); i++) {
        const struct jval *event = jval_at(events, i);

        table_cell(table, jval_str(jval_get(event, "since")));
        table_cell(table, jval_str(jval_get(event, "state")));
        number_cell(cli, table, jval_get(event, "calls"));
        number_cell(cli, table, jval_get(event, "rows"));
        number_cell(cli, table, jval_get(event, "bytes"));
        table_cell(table, jval_str(jval_get(event, "event")));
    }
    table_print(table, stdout);
    return CLI_OK;
}

int cmd_end(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct end in = {0};
    struct err err = {0};
    struct jw w = jw_init(&body);
    struct str path;

    if (!cli_options(cli, end_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (in.reason.n == 0)
        return cli_usage(cli, "--reason is wanted: the other side is told");
    jw_object(&w);
    jw_kstr(&w, "reason", in.reason);
    jw_object_end(&w);
    path = arena_printf(cli->arena, "%.*s/end",
                        STR_ARG(cli_path(cli, "/naru/v1/agreements/", NULL, str_c(argv[0]))));
    if (cli_json(cli, PEER_CONNECTOR, "POST", path, buf_str(&body), &doc, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        printf("{\"ended\":true}\n");
    else
        printf("%s\n", cli->korean ? "계약을 끝냈습니다." : "The agreement has ended.");
    return CLI_OK;
}
