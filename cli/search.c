/*
 * cli/search.c - naru search, naru show: what the data bank offers
 */
#include "cli/cli.h"
#include "cli/plan.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct search {
    struct str domain, price, media_type, provider, limit, after;
};
/* clang-format off */
const struct cli_option search_options[] = {
    OPTION(struct search, domain,     "domain",     0, "NAME", "carbon, process or supply-chain"),
    OPTION(struct search, price,      "price",      0, "KIND", "free, one_off, subscription or metered"),
    OPTION(struct search, media_type, "media-type", 0, "TYPE", "media type"),
    OPTION(struct search, provider,   "provider",   0, "ID",   "participant id of the provider"),
    OPTION(struct search, limit,      "limit",      0, "N",    "results of one page (default 20)"),
    OPTION(struct search, after,      "after",      0, "TOKEN", "the next page: 'next' of the page before"),
    {.name = NULL},
};

static const struct column search_columns[] = {
    {TEXT_TITLE,    COLUMN_LEFT}, {TEXT_DOMAIN,   COLUMN_LEFT}, {TEXT_PRICE,  COLUMN_LEFT},
    {TEXT_PROVIDER, COLUMN_LEFT}, {TEXT_DATASET,  COLUMN_LEFT},
};

/* clang-format on */

static struct str search_path(struct cli *cli, const struct search *in, int argc, char **argv)
{
    AUTO(buf_done) struct buf query = buf_init(LIMIT_URL);
    const char *const names[] = {"q",        "domain", "price", "media_type",
                                 "provider", "limit",  "after"};
    struct str values[] = {STR_NONE,     in->domain, in->price, in->media_type,
                           in->provider, in->limit,  in->after};
    struct str path = STR("/v1/datasets");

    for (int i = 0; i < argc; i++)
        buf_printf(&query, "%s%s", i > 0 ? " " : "", argv[i]);
    values[0] = buf_str(&query);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        path = cli_path(cli, arena_cstr(cli->arena, path), names[i], values[i]);
    return path;
}

static void print_found(struct cli *cli, const struct jval *root)
{
    struct table *table = table_new(cli, search_columns, ARRAY_LEN(search_columns));
    const struct jval *items = jval_get(root, "items");
    int64_t total = 0;

    for (size_t i = 0; i < jval_len(items); i++) {
        const struct jval *item = jval_at(items, i);

        table_cell(table, cli_text(cli, jval_get(item, "title")));
        table_cell(table, jval_str(jval_get(item, "domain")));
        table_cell(table, jval_str(jval_get(item, "price")));
        table_cell(table, cli_text(cli, jval_get(item, "provider")));
        table_cell(table, jval_str(jval_get(item, "dataset")));
    }
    table_print(table, stdout);
    if (jval_i64(jval_get(root, "total"), &total))
        cli_note(cli, cli->korean ? "모두 %lld건" : "%lld in all", (long long)total);
    if (jval_get(root, "next") != NULL)
        cli_note(cli, "--after %.*s", STR_ARG(jval_str(jval_get(root, "next"))));
}

int cmd_search(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct search in = {0};
    struct err err = {0};

    if (!cli_options(cli, search_options, &in, 0, -1, &argc, argv))
        return CLI_USAGE;
    for (int i = 0; i < argc; i++) {
        if (!str_is_utf8(str_c(argv[i])))
            return cli_usage(cli, "the words to search for are not UTF-8");
    }
    if (cli_json(cli, PEER_BROKER, "GET", search_path(cli, &in, argc, argv), STR_NONE, &doc, &err) <
        0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    print_found(cli, jdoc_root(doc));
    return CLI_OK;
}

/* -- one dataset ------------------------------------------------------------------------------- */

static void put(struct cli *cli, enum text_id title, struct str value)
{
    if (value.n > 0)
        printf("%s  %.*s\n", text(cli, title), STR_ARG(cli_clean(cli, value)));
}

static void print_plans(struct cli *cli, const struct jval *plans)
{
    for (size_t i = 0; i < jval_len(plans); i++) {
        const struct jval *item = jval_at(plans, i);
        AUTO(buf_done) struct buf words = buf_init(KIB(16));
        const struct plan *plan;
        struct err err = {0};

        if (plan_decode(jval_get(item, "plan"), cli->arena, &plan, &err) == 0)
            plan_words(plan, cli->korean, &words);
        printf("%s %zu  %.*s\n        %.*s\n", text(cli, TEXT_PLAN), i + 1,
               STR_ARG(buf_str(&words)), STR_ARG(jval_str(jval_get(item, "hash"))));
    }
}

static void print_page(struct cli *cli, const struct jval *root)
{
    const struct jval *entry = jval_get(root, "entry");
    const struct str sample = jval_str(jval_get(entry, "sample"));
    int64_t bytes = 0;

    printf("%s%.*s%s\n", cli->colour ? "\033[1m" : "",
           STR_ARG(cli_clean(cli, cli_text(cli, jval_get(entry, "title")))),
           cli->colour ? "\033[0m" : "");
    put(cli, TEXT_DETAIL, cli_text(cli, jval_get(entry, "description")));
    put(cli, TEXT_DATASET, jval_str(jval_get(root, "dataset")));
    put(cli, TEXT_PROVIDER, cli_text(cli, jval_get(root, "provider")));
    put(cli, TEXT_DID, jval_str(jval_get(jval_get(root, "provider"), "did")));
    put(cli, TEXT_DOMAIN, jval_str(jval_get(entry, "domain")));
    put(cli, TEXT_MEDIA_TYPE, jval_str(jval_get(entry, "media_type")));
    if (jval_i64(jval_get(entry, "bytes"), &bytes) && bytes > 0)
        printf("%s  %lld\n", text(cli, TEXT_BYTES), (long long)bytes);
    print_plans(cli, jval_get(root, "plans"));
    printf("\n%.*s\n", STR_ARG(cli_clean(cli, cli_text(cli, jval_get(root, "policy_text")))));
    if (sample.n > 0)
        printf("\n%.*s\n", STR_ARG(cli_clean(cli, sample)));
}

int cmd_show(struct cli *cli, int argc, char **argv)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};

    if (!cli_options(cli, no_options, NULL, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (cli_json(cli, PEER_BROKER, "GET", cli_path(cli, "/v1/datasets/", NULL, str_c(argv[0])),
                 STR_NONE, &doc, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    print_page(cli, jdoc_root(doc));
    return CLI_OK;
}
