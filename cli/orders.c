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

static const struct column agreement_columns[] = {
    {TEXT_AGREEMENT, COLUMN_LEFT}, {TEXT_ROLE, COLUMN_LEFT}, {TEXT_CALLS, COLUMN_RIGHT},
    {TEXT_ROWS, COLUMN_RIGHT}, {TEXT_BYTES, COLUMN_RIGHT},
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

static struct str number_text(struct cli *cli, const struct jval *value)
{
    int64_t number = 0;

    return jval_i64(value, &number) ? arena_printf(cli->arena, "%lld", (long long)number)
                                    : jval_str(value);
}

static const char *const counts[] = {"calls", "rows", "bytes"};

/* What counts for the bill stands in the event itself, beside what each side reported. */
static void write_events(const struct jval *events, struct jw *w)
{
    jw_array(w);
    for (size_t i = 0; i < jval_len(events); i++) {
        const struct jval *event = jval_at(events, i);

        jw_object(w);
        for (const struct jiter *it = jiter_first(event); it; it = jiter_next(event, it)) {
            jw_key_str(w, jiter_key(it));
            jw_val(w, jiter_value(it));
        }
        for (size_t j = 0; j < ARRAY_LEN(counts); j++)
            jw_kval(w, counts[j], jval_get(jval_get(event, "billable"), counts[j]));
        jw_object_end(w);
    }
    jw_array_end(w);
}

static int print_usage_json(const struct cli *cli, const struct jval *root)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(64));
    struct jw w = jw_init(&out);

    jw_object(&w);
    for (const struct jiter *it = jiter_first(root); it != NULL; it = jiter_next(root, it)) {
        jw_key_str(&w, jiter_key(it));
        if (str_eq(jiter_key(it), STR("events")))
            write_events(jiter_value(it), &w);
        else
            jw_val(&w, jiter_value(it));
    }
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

static void print_events(struct cli *cli, const struct jval *root)
{
    struct table *table = table_new(cli, usage_columns, ARRAY_LEN(usage_columns));
    const struct jval *events = jval_get(root, "events");
    const struct jval *missing = jval_get(root, "missing");

    for (size_t i = 0; i < jval_len(events); i++) {
        const struct jval *event = jval_at(events, i);

        table_cell(table, jval_str(jval_get(event, "since")));
        table_cell(table, jval_str(jval_get(event, "state")));
        for (size_t j = 0; j < ARRAY_LEN(counts); j++)
            table_cell(table, number_text(cli, jval_get(jval_get(event, "billable"), counts[j])));
        table_cell(table, jval_str(jval_get(event, "event")));
    }
    table_print(table, stdout);
    for (size_t i = 0; i < jval_len(missing); i++) {
        const struct jval *gap = jval_at(missing, i);

        cli_note(cli,
                 cli->korean ? "%.*s 보고 %.*s–%.*s이 없습니다" : "no report of %.*s, %.*s to %.*s",
                 STR_ARG(jval_str(jval_get(gap, "role"))),
                 STR_ARG(number_text(cli, jval_get(gap, "from"))),
                 STR_ARG(number_text(cli, jval_get(gap, "to"))));
    }
}

static void print_agreements(struct cli *cli, const struct jval *items)
{
    static const char *const members[] = {"provider_events", "provider_rows", "provider_bytes",
                                          "consumer_events", "consumer_rows", "consumer_bytes"};
    struct table *table = table_new(cli, agreement_columns, ARRAY_LEN(agreement_columns));

    for (size_t i = 0; i < jval_len(items); i++) {
        for (size_t side = 0; side < 2; side++) {
            table_cell(table, jval_str(jval_get(jval_at(items, i), "agreement")));
            table_cell(table, side == 0 ? STR("provider") : STR("consumer"));
            for (size_t j = 0; j < 3; j++)
                table_cell(table,
                           number_text(cli, jval_get(jval_at(items, i), members[3 * side + j])));
        }
    }
    table_print(table, stdout);
}

int cmd_usage(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct usage in = {0};
    struct err err = {0};
    struct str path;

    if (!cli_options(cli, usage_options, &in, 0, 1, &argc, argv))
        return CLI_USAGE;
    path = cli_path(cli, "/v1/usage", "agreement", argc > 0 ? str_c(argv[0]) : STR_NONE);
    path = cli_path(cli, arena_cstr(cli->arena, path), "from", in.from);
    path = cli_path(cli, arena_cstr(cli->arena, path), "to", in.to);
    if (cli_json(cli, PEER_BROKER, "GET", path, STR_NONE, &doc, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return print_usage_json(cli, jdoc_root(doc));
    if (argc > 0)
        print_events(cli, jdoc_root(doc));
    else
        print_agreements(cli, jval_get(jdoc_root(doc), "items"));
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
