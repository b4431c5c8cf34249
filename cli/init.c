/*
 * cli/init.c - naru init: the home folder of a company: key, API key, connector.conf, naru.conf
 *
 * Nothing that exists is overwritten. The data bank's DID is learned from its own document.
 */
#include "cli/cli.h"
#include "lib/base/limits.h"
#include "lib/crypto/key.h"
#include "lib/crypto/secret.h"

#include "lib/base/banned.h"

struct init {
    struct str slug, did;
    struct str broker, broker_did;
    struct str public_listen, public_url, management_listen, management_url;
    struct str cert, key, ca;
    struct str database;
    struct str_list allow, data_roots;
};
/* clang-format off */
const struct cli_option init_options[] = {
    OPTION(struct init, slug,              "slug",              0, "NAME",  "short name in the data bank: a-z, 0-9, hyphen"),
    OPTION(struct init, did,               "did",               0, "DID",   "own did:web (default: hosted by the data bank under the short name)"),
    OPTION(struct init, broker,            "broker",            0, "URL",   "base URL of the data bank; without: trade without one (--did wanted)"),
    OPTION(struct init, broker_did,        "broker-did",        0, "DID",   "DID of the data bank (default: asked from it)"),
    OPTION(struct init, public_listen,     "public-listen",     0, "ADDR",  "address and port for other connectors (default 127.0.0.1:8443)"),
    OPTION(struct init, public_url,        "public-url",        0, "URL",   "URL under which others reach it (default https://localhost and the port)"),
    OPTION(struct init, management_listen, "management-listen", 0, "ADDR",  "address and port of the management API (default 127.0.0.1:8444)"),
    OPTION(struct init, management_url,    "management-url",    0, "URL",   "URL of the management API (default https://localhost and the port)"),
    OPTION(struct init, cert,              "cert",              0, "FILE",  "TLS certificate chain, PEM"),
    OPTION(struct init, key,               "key",               0, "FILE",  "private key of the certificate"),
    OPTION(struct init, ca,                "ca",                0, "FILE",  "CA certificates for outbound connections (default: the system's)"),
    OPTION(struct init, database,          "database",          0, "URL",   "postgresql://… (default: SQLite in the home folder)"),
    OPTION(struct init, data_roots,        "data-root",         0, "DIR",   "folder whose files may be published"),
    OPTION(struct init, allow,             "allow",             0, "CIDR",  "address block that may be contacted although it is not public"),
    {.name = NULL},
};

/* clang-format on */

/* "https://localhost:PORT" of "ADDR:PORT". */
static struct str url_of(struct cli *cli, struct str listen, bool tls)
{
    size_t colon = listen.n;

    while (colon > 0 && listen.p[colon - 1] != ':')
        colon--;
    return arena_printf(cli->arena, "%s://localhost:%.*s", tls ? "https" : "http",
                        STR_ARG(str_from(listen, colon)));
}

static struct str or_default(struct str given, struct str fallback)
{
    return given.n > 0 ? given : fallback;
}

static void line(struct buf *out, const char *key, struct str value)
{
    if (value.n > 0)
        buf_printf(out, "%s = %.*s\n", key, STR_ARG(value));
}

static void list_line(struct buf *out, const char *key, const struct str_list *list)
{
    if (list->n == 0)
        return;
    buf_printf(out, "%s = ", key);
    for (size_t i = 0; i < list->n; i++)
        buf_printf(out, "%s%.*s", i > 0 ? ", " : "", STR_ARG(list->items[i]));
    buf_add_char(out, '\n');
}

static int ask_broker_did(struct cli *cli, struct init *in, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (in->broker.n == 0 || in->broker_did.n > 0)
        return 0;
    cli->home = (struct home){.loaded = true, .broker_url = in->broker, .ca_file = in->ca};
    if (cli_json(cli, PEER_BROKER_ANONYMOUS, "GET", STR("/.well-known/did.json"), STR_NONE, &doc,
                 err) < 0)
        return err_ret(err);
    in->broker_did = arena_str(cli->arena, jval_str(jval_get(jdoc_root(doc), "id")));
    if (in->broker_did.n == 0)
        return err_tell(err, E_PEER_SYNTAX, "", "the data bank's DID document has no id");
    return 0;
}

static int complete(struct cli *cli, struct init *in, struct err *err)
{
    if (in->broker.n > 0 && in->slug.n == 0)
        return err_tell(err, E_CONFIG, "--slug", "expected a short name of the company");
    if (in->broker.n == 0 && in->did.n == 0)
        return err_tell(err, E_CONFIG, "--did", "without --broker a DID is wanted");
    if ((in->cert.n > 0) != (in->key.n > 0))
        return err_tell(err, E_CONFIG, "--cert", "--cert and --key go together");
    if (home_path(cli, "--cert", in->cert, &in->cert, err) < 0 ||
        home_path(cli, "--key", in->key, &in->key, err) < 0 ||
        home_path(cli, "--ca", in->ca, &in->ca, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < in->data_roots.n; i++) {
        if (home_path(cli, "--data-root", in->data_roots.items[i], &in->data_roots.items[i], err) <
            0)
            return err_ret(err);
    }
    in->public_listen = or_default(in->public_listen, STR("127.0.0.1:8443"));
    in->management_listen = or_default(in->management_listen, STR("127.0.0.1:8444"));
    in->public_url = or_default(in->public_url, url_of(cli, in->public_listen, in->cert.n > 0));
    in->management_url =
        or_default(in->management_url, url_of(cli, in->management_listen, in->cert.n > 0));
    if (ask_broker_did(cli, in, err) < 0)
        return err_ret(err);
    in->did = or_default(in->did, arena_printf(cli->arena, "%.*s:participants:%.*s",
                                               STR_ARG(in->broker_did), STR_ARG(in->slug)));
    return 0;
}

static int write_connector_conf(struct cli *cli, const struct init *in, struct str dir,
                                struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));

    buf_add_c(&out, "# naru-connector(8); every setting: naru-connector --help\n");
    line(&out, "participant.did", in->did);
    buf_add_c(&out, "identity.key = company.pem\n");
    line(&out, "public.listen", in->public_listen);
    line(&out, "public.url", in->public_url);
    line(&out, "public.certificate", in->cert);
    line(&out, "public.key", in->key);
    line(&out, "management.listen", in->management_listen);
    line(&out, "management.certificate", in->cert);
    line(&out, "management.key", in->key);
    buf_add_c(&out, "management.api_key = api-key\n");
    line(&out, "database",
         or_default(in->database,
                    arena_printf(cli->arena, "sqlite:%.*s/connector.db", STR_ARG(dir))));
    buf_add_c(&out, "data.dir = data\n");
    list_line(&out, "data.roots", &in->data_roots);
    line(&out, "fetch.ca", in->ca);
    list_line(&out, "fetch.allow", &in->allow);
    line(&out, "broker.url", in->broker);
    line(&out, "broker.did", in->broker_did);
    return home_write(cli, dir, "connector.conf", buf_str(&out), HOME_NEW, err);
}

static int write_home_conf(struct cli *cli, const struct init *in, struct str dir, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));

    buf_add_c(&out, "# naru(1)\n");
    line(&out, "participant.did", in->did);
    line(&out, "participant.slug", in->slug);
    line(&out, "public.url", in->public_url);
    line(&out, "connector.url", in->management_url);
    line(&out, "broker.url", in->broker);
    line(&out, "broker.did", in->broker_did);
    line(&out, "fetch.ca", in->ca);
    return home_write(cli, dir, "naru.conf", buf_str(&out), HOME_NEW, err);
}

static int write_keys(struct cli *cli, struct str dir, struct err *err)
{
    const char *path =
        arena_cstr(cli->arena, arena_printf(cli->arena, "%.*s/company.pem", STR_ARG(dir)));
    struct token_text api_key = token_new(cli->env, "naru_key_");
    AUTO(key_free) struct key *key = NULL;

    if (key_generate(KEY_ES256, &key, err) < 0)
        return err_ret(err);
    if (key_save(key, path, err) < 0)
        return err->code == E_CONFLICT
                   ? err_tell(err, E_CONFLICT, "",
                              "'%.*s' is in use already; choose another with --home", STR_ARG(dir))
                   : err_ret(err);
    return home_write(cli, dir, "api-key", str_c(api_key.c), HOME_NEW, err);
}

static int report(struct cli *cli, const struct init *in, struct str dir)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);

    if (cli->json) {
        jw_object(&w);
        jw_kstr(&w, "home", dir);
        jw_kstr(&w, "did", in->did);
        jw_kstr(&w, "connector", in->management_url);
        jw_kstr(&w, "broker_did", in->broker_did);
        jw_object_end(&w);
        return cli_print_buf(cli, &out);
    }
    printf("%.*s: %s\n", STR_ARG(dir), cli->korean ? "만들었습니다" : "made");
    printf("DID  %.*s\n\n%s\n", STR_ARG(in->did), cli->korean ? "다음:" : "Next:");
    printf("  naru-connector --config %.*s/connector.conf\n", STR_ARG(dir));
    if (in->broker.n > 0)
        printf("  naru --home %.*s register --name-ko … --name-en … --number kr_brn:…\n",
               STR_ARG(dir));
    return CLI_OK;
}

int cmd_init(struct cli *cli, int argc, char **argv)
{
    struct init in = {0};
    struct err err = {0};
    struct str dir, data;

    if (!cli_options(cli, init_options, &in, 0, 0, &argc, argv))
        return CLI_USAGE;
    if (complete(cli, &in, &err) < 0 || home_make(cli, cli->home_dir, &dir, &err) < 0 ||
        home_make(cli, arena_printf(cli->arena, "%.*s/data", STR_ARG(dir)), &data, &err) < 0 ||
        write_keys(cli, dir, &err) < 0 || write_connector_conf(cli, &in, dir, &err) < 0 ||
        write_home_conf(cli, &in, dir, &err) < 0)
        return cli_fail(cli, &err);
    return report(cli, &in, dir);
}
