/*
 * cli/publish.c - naru publish: one call to our connector, then wait until the data bank lists it
 */
#include <limits.h>

#include "cli/cli.h"
#include "cli/plan.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define LIST_US  (60 * US_PER_S)
#define PAUSE_MS 50

struct publish {
    struct str asset, title_ko, title_en, description_ko, description_en;
    struct str domain, media_type, semantic_id, database, format;
    struct str sample, schema, quality, policy;
    struct str_list keywords, plans, purposes, countries, visible_to;
    struct str currency, vat, fee, until, visibility;
    bool members_only, no_wait;
};
/* clang-format off */
const struct cli_option publish_options[] = {
    OPTION(struct publish, title_ko,       "title-ko",       0, "TEXT",  "title in Korean"),
    OPTION(struct publish, title_en,       "title-en",       0, "TEXT",  "title in English"),
    OPTION(struct publish, description_ko, "description-ko", 0, "TEXT",  "description in Korean"),
    OPTION(struct publish, description_en, "description-en", 0, "TEXT",  "description in English"),
    OPTION(struct publish, domain,         "domain",         0, "NAME",  "carbon, process or supply-chain"),
    OPTION(struct publish, media_type,     "media-type",     0, "TYPE",  "media type (default: by the file's name)"),
    OPTION(struct publish, keywords,       "keyword",        0, "WORD",  "keyword"),
    OPTION(struct publish, semantic_id,    "semantic-id",    0, "IRI",   "what the data mean"),
    OPTION(struct publish, plans,          "plan",           0, "PLAN",  "price: free, one-off:50000, subscription:300000/month, per-row:0.5, per-byte:…, per-call:…, joined by '+', or @plan.json"),
    OPTION(struct publish, currency,       "currency",       0, "CODE",  "currency of the prices (default KRW)"),
    OPTION(struct publish, vat,            "vat",            0, "PERCENT", "value added tax (default 10)"),
    OPTION(struct publish, fee,            "fee",            0, "PERCENT", "share of the data bank (default 3.5)"),
    OPTION(struct publish, purposes,       "purpose",        0, "IRI",   "permitted purpose of use"),
    OPTION(struct publish, countries,      "country",        0, "CODE",  "permitted country"),
    OPTION(struct publish, until,          "until",          0, "TIME",  "end of use, RFC 3339"),
    OPTION(struct publish, members_only,   "members-only",   0, NULL,    "for members of the data bank only"),
    OPTION(struct publish, policy,         "policy",         0, "FILE",  "ODRL policy instead of purposes, countries, end and members-only; with a price it must ask for an order"),
    OPTION(struct publish, visibility,     "visibility",     0, "NAME",  "open, group, bilateral or on_request"),
    OPTION(struct publish, visible_to,     "visible-to",     0, "DID",   "who sees a dataset that is not open"),
    OPTION(struct publish, sample,         "sample",         0, "FILE",  "text that everybody may look at, at most 8 KiB"),
    OPTION(struct publish, schema,         "schema",         0, "FILE",  "columns, JSON [{name,type,unit,text}]"),
    OPTION(struct publish, quality,        "quality",        0, "FILE",  "quality card, JSON {rows,from,to,note}"),
    OPTION(struct publish, database,       "database",       0, "URL",   "database of an SQL:QUERY"),
    OPTION(struct publish, format,         "format",         0, "NAME",  "csv or ndjson, of an SQL:QUERY (default csv)"),
    OPTION(struct publish, asset,          "asset",          0, "ID",    "id in our connector (default: a new one); again: the next version"),
    OPTION(struct publish, no_wait,        "no-wait",        0, NULL,    "do not wait until the data bank lists it"),
    {.name = NULL},
};

static const char *const media_types[][2] = {
    {".csv", "text/csv"}, {".json", "application/json"}, {".ndjson", "application/x-ndjson"},
    {".xml", "application/xml"}, {".txt", "text/plain"}, {".parquet", "application/vnd.apache.parquet"},
    {".zip", "application/zip"}, {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
};

/* clang-format on */

static struct str media_type_of(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++) {
        if (str_ends(name, str_c(media_types[i][0])))
            return str_c(media_types[i][1]);
    }
    return STR("application/octet-stream");
}

static void optional(struct jw *w, const char *key, struct str value)
{
    if (value.n > 0)
        jw_kstr(w, key, value);
}

static void strings(struct jw *w, const char *key, const struct str_list *list)
{
    if (list->n == 0)
        return;
    jw_key(w, key);
    jw_array(w);
    for (size_t i = 0; i < list->n; i++)
        jw_str(w, list->items[i]);
    jw_array_end(w);
}

static void languages(struct jw *w, const char *key, struct str ko, struct str en)
{
    if (ko.n == 0 && en.n == 0)
        return;
    jw_key(w, key);
    jw_object(w);
    optional(w, "ko", ko);
    optional(w, "en", en);
    jw_object_end(w);
}

/* A file's path, an http(s) origin or SQL:QUERY as data address. */
static int write_source(struct cli *cli, struct publish *in, struct str what, struct jw *w,
                        struct err *err)
{
    struct str path;

    jw_key(w, "source");
    jw_object(w);
    if (str_starts(what, STR("https://")) || str_starts(what, STR("http://"))) {
        jw_kc(w, "type", "HttpData");
        jw_kstr(w, "baseUrl", what);
    } else if (str_starts(what, STR("SQL:"))) {
        const struct str format = in->format.n > 0 ? in->format : STR("csv");

        if (in->database.n == 0)
            return err_tell(err, E_CONFIG, "--database", "an SQL query wants a database");
        jw_kc(w, "type", "SqlQuery");
        jw_kstr(w, "database", in->database);
        jw_kstr(w, "query", str_from(what, 4));
        jw_kstr(w, "format", format);
        if (in->media_type.n == 0)
            in->media_type =
                str_eq(format, STR("csv")) ? STR("text/csv") : STR("application/x-ndjson");
    } else {
        if (home_path(cli, "", what, &path, err) < 0)
            return err_ret(err);
        jw_kc(w, "type", "File");
        jw_kstr(w, "path", path);
        if (in->media_type.n == 0)
            in->media_type = media_type_of(path);
    }
    jw_object_end(w);
    return 0;
}

static int write_plans(struct cli *cli, const struct publish *in, struct jw *w, struct err *err)
{
    struct plan_terms terms;

    if (plan_terms_given(in->currency, in->vat, in->fee, &terms, err) < 0)
        return err_ret(err);
    if (in->plans.n == 0)
        return err_tell(err, E_CONFIG, "--plan", "a price is wanted, e.g. --plan free");
    jw_key(w, "plans");
    jw_array(w);
    for (size_t i = 0; i < in->plans.n; i++) {
        const struct plan *plan;

        if (plan_given(cli, in->plans.items[i], &terms, &plan, err) < 0)
            return err_ret(err);
        jw_raw(w, plan_canonical(plan));
    }
    jw_array_end(w);
    return 0;
}

/* A member whose value stands in a JSON file. */
static int write_file(struct cli *cli, const char *option, const char *key, struct str file,
                      struct jw *w, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct str content;

    if (file.n == 0)
        return 0;
    if (cli_read_file(cli, file, LIMIT_JSON_BYTES, &content, err) < 0)
        return err_ret(err);
    if (jdoc_parse(content, &jlimits_default, &doc, err) < 0)
        return err_tell(err, E_CONFIG, option, "'%.*s' is not JSON: %s", STR_ARG(file), err->text);
    jw_kval(w, key, jdoc_root(doc));
    return 0;
}

static int write_terms(struct cli *cli, const struct publish *in, struct jw *w, struct err *err)
{
    int64_t until_us = 0;

    if (in->until.n > 0 && !time_parse(in->until, &until_us))
        return err_tell(err, E_CONFIG, "--until", "expected a time such as 2027-01-31T00:00:00Z");
    if (in->policy.n > 0)
        return write_file(cli, "--policy", "policy", in->policy, w, err);
    jw_key(w, "terms");
    jw_object(w);
    strings(w, "purposes", &in->purposes);
    strings(w, "countries", &in->countries);
    if (until_us != 0)
        jw_kc(w, "until", time_format(until_us).c);
    if (in->members_only)
        jw_kbool(w, "members_only", true);
    jw_object_end(w);
    return 0;
}

static int write_body(struct cli *cli, struct publish *in, struct str what, struct buf *out,
                      struct err *err)
{
    struct str sample = STR_NONE;
    struct jw w = jw_init(out);

    if (in->sample.n > 0 && cli_read_file(cli, in->sample, KIB(8), &sample, err) < 0)
        return err_ret(err);
    jw_object(&w);
    optional(&w, "asset", in->asset);
    languages(&w, "title", in->title_ko, in->title_en);
    languages(&w, "description", in->description_ko, in->description_en);
    optional(&w, "domain", in->domain);
    if (write_source(cli, in, what, &w, err) < 0)
        return err_ret(err);
    optional(&w, "media_type", in->media_type);
    optional(&w, "semantic_id", in->semantic_id);
    optional(&w, "sample", sample);
    strings(&w, "keywords", &in->keywords);
    if (write_file(cli, "--schema", "schema", in->schema, &w, err) < 0 ||
        write_file(cli, "--quality", "quality", in->quality, &w, err) < 0 ||
        write_terms(cli, in, &w, err) < 0 || write_plans(cli, in, &w, err) < 0)
        return err_ret(err);
    optional(&w, "visibility", in->visibility);
    strings(&w, "visible_to", &in->visible_to);
    jw_object_end(&w);
    return buf_failed(out) ? err_tell(err, E_LIMIT, "", "the description is too large") : 0;
}

/* Waits until the data bank has taken this version. */
static int wait_listed(struct cli *cli, struct str asset, int64_t version, struct str *ret_dataset,
                       struct err *err)
{
    const struct str path = cli_path(cli, "/naru/v1/datasets/", NULL, asset);
    const int64_t deadline_us = env_mono_us(cli->env) + LIST_US;

    for (; cli_in_time(cli, deadline_us); cli_pause(PAUSE_MS)) {
        AUTO(jdoc_free) struct jdoc *doc = NULL;
        const struct jval *root;
        struct str state;
        int64_t seen = 0;

        if (cli_json(cli, PEER_CONNECTOR, "GET", path, STR_NONE, &doc, err) < 0)
            return err_ret(err);
        root = jdoc_root(doc);
        state = jval_str(jval_get(root, "state"));
        if (!jval_i64(jval_get(root, "version"), &seen) || seen < version)
            continue;
        if (str_eq(state, STR("refused")))
            return err_tell(err, E_PEER_REFUSED, "",
                            "the data bank refused the dataset; the connector's log says why");
        if (str_eq(state, STR("listed"))) {
            *ret_dataset = arena_str(cli->arena, jval_str(jval_get(root, "dataset")));
            return 0;
        }
    }
    return err_tell(err, E_PEER_TIMEOUT, "",
                    "published, but the data bank has not answered; it will be listed later");
}

static int print_published(struct cli *cli, const struct jval *answer, struct str dataset,
                           bool listed)
{
    const struct jval *plans = jval_get(answer, "plans");
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct jw w = jw_init(&out);

    if (!cli->json) {
        printf("%s %.*s\n", text(cli, TEXT_DATASET),
               STR_ARG(dataset.n > 0 ? dataset : jval_str(jval_get(answer, "asset"))));
        for (size_t i = 0; i < jval_len(plans); i++)
            printf("%s %zu  %.*s\n", text(cli, TEXT_PLAN), i + 1,
                   STR_ARG(jval_str(jval_at(plans, i))));
        return CLI_OK;
    }
    jw_object(&w);
    jw_kstr(&w, "dataset", dataset);
    jw_kval(&w, "asset", jval_get(answer, "asset"));
    jw_kval(&w, "version", jval_get(answer, "version"));
    jw_kc(&w, "state", listed ? "listed" : "sent");
    if (jval_get(answer, "digest") != NULL)
        jw_kval(&w, "digest", jval_get(answer, "digest"));
    jw_kval(&w, "plans", plans);
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

int cmd_publish(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf body = buf_init(LIMIT_JSON_BYTES);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct publish in = {0};
    struct err err = {0};
    struct str dataset = STR_NONE;
    int64_t version = 1;
    bool wait;

    if (!cli_options(cli, publish_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (cli_home(cli, &err) < 0 || write_body(cli, &in, str_c(argv[0]), &body, &err) < 0 ||
        cli_json(cli, PEER_CONNECTOR, "POST", STR("/naru/v1/datasets"), buf_str(&body), &doc,
                 &err) < 0)
        return cli_fail(cli, &err);
    wait = !in.no_wait && str_eq(jval_str(jval_get(jdoc_root(doc), "state")), STR("sent"));
    (void)jval_i64(jval_get(jdoc_root(doc), "version"), &version);
    if (wait &&
        wait_listed(cli, jval_str(jval_get(jdoc_root(doc), "asset")), version, &dataset, &err) < 0)
        return cli_fail(cli, &err);
    return print_published(cli, jdoc_root(doc), dataset, wait);
}
