/*
 * cli/operator_init.c - naru operator init: the folder of a broker: keys, operator token, broker.conf
 */
#include "cli/cli.h"
#include "lib/base/limits.h"
#include "lib/crypto/key.h"
#include "lib/crypto/secret.h"

#include "lib/base/banned.h"

struct init {
    struct str database, did, url, name, account;
    struct str listen, operator_listen, operator_url;
    struct str cert, key, ca;
    struct str_list allow;
};
/* clang-format off */
const struct cli_option operator_init_options[] = {
    OPTION(struct init, database,        "database",        0, "URL",  "PostgreSQL: postgresql://… or host=… dbname=…"),
    OPTION(struct init, url,             "url",             0, "URL",  "base URL under which everybody reaches the data bank"),
    OPTION(struct init, did,             "did",             0, "DID",  "DID of the data bank (default: did:web of the URL's host)"),
    OPTION(struct init, name,            "name",            0, "TEXT", "name of the operator on invoices"),
    OPTION(struct init, account,         "account",         0, "IBAN", "bank account that pays providers"),
    OPTION(struct init, listen,          "listen",          0, "ADDR", "address and port of the API (default 127.0.0.1:9443)"),
    OPTION(struct init, operator_listen, "operator-listen", 0, "ADDR", "address and port for operator commands (default 127.0.0.1:9444)"),
    OPTION(struct init, operator_url,    "operator-url",    0, "URL",  "URL of the operator listener (default: host of --url and the port)"),
    OPTION(struct init, cert,            "cert",            0, "FILE", "TLS certificate chain, PEM"),
    OPTION(struct init, key,             "key",             0, "FILE", "private key of the certificate"),
    OPTION(struct init, ca,              "ca",              0, "FILE", "CA certificates for outbound connections (default: the system's)"),
    OPTION(struct init, allow,           "allow",           0, "CIDR", "address block that may be contacted although it is not public"),
    {.name = NULL},
};

/* clang-format on */

/* Host of "scheme://host:port…" with its scheme, without the port. */
static struct str origin_without_port(struct str url)
{
    const size_t start = str_starts(url, STR("https://")) ? 8 : 7;
    size_t end = start;

    if (end < url.n && url.p[end] == '[') {
        while (end < url.n && url.p[end] != ']')
            end++;
    }
    while (end < url.n && url.p[end] != ':' && url.p[end] != '/')
        end++;
    return str_n(url.p, end);
}

static struct str port_of(struct str listen)
{
    size_t colon = listen.n;

    while (colon > 0 && listen.p[colon - 1] != ':')
        colon--;
    return str_from(listen, colon);
}

/* did:web method: the port's colon is written %3A, a path's slashes are colons. */
static struct str did_of(struct cli *cli, struct str url)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_URL);
    struct str rest = str_from(url, str_starts(url, STR("https://")) ? 8 : 7);
    bool in_host = true;

    while (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    buf_add_c(&out, "did:web:");
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] == '/')
            in_host = false;
        if (rest.p[i] == ':' && in_host)
            buf_add_c(&out, "%3A");
        else
            buf_add_char(&out, rest.p[i] == '/' ? ':' : rest.p[i]);
    }
    return arena_str(cli->arena, buf_str(&out));
}

static int complete(struct cli *cli, struct init *in, struct err *err)
{
    if (in->database.n == 0)
        return err_tell(err, E_CONFIG, "--database", "expected a PostgreSQL connection");
    if (!str_starts(in->url, STR("https://")) && !str_starts(in->url, STR("http://")))
        return err_tell(err, E_CONFIG, "--url", "expected https://HOST:PORT");
    if ((in->cert.n > 0) != (in->key.n > 0))
        return err_tell(err, E_CONFIG, "--cert", "--cert and --key go together");
    if (home_path(cli, "--cert", in->cert, &in->cert, err) < 0 ||
        home_path(cli, "--key", in->key, &in->key, err) < 0 ||
        home_path(cli, "--ca", in->ca, &in->ca, err) < 0)
        return err_ret(err);
    if (in->listen.n == 0)
        in->listen = STR("127.0.0.1:9443");
    if (in->operator_listen.n == 0)
        in->operator_listen = STR("127.0.0.1:9444");
    if (in->operator_url.n == 0)
        in->operator_url =
            arena_printf(cli->arena, "%.*s:%.*s", STR_ARG(origin_without_port(in->url)),
                         STR_ARG(port_of(in->operator_listen)));
    if (in->did.n == 0)
        in->did = did_of(cli, in->url);
    return 0;
}

static int make_key(struct cli *cli, struct str dir, const char *name, enum key_alg alg,
                    struct err *err)
{
    const char *path =
        arena_cstr(cli->arena, arena_printf(cli->arena, "%.*s/%s", STR_ARG(dir), name));
    AUTO(key_free) struct key *key = NULL;

    if (key_generate(alg, &key, err) < 0)
        return err_ret(err);
    if (key_save(key, path, err) < 0)
        return err->code == E_CONFLICT
                   ? err_tell(err, E_CONFLICT, "", "'%.*s' is the folder of a broker already",
                              STR_ARG(dir))
                   : err_ret(err);
    return 0;
}

static void line(struct buf *out, const char *key, struct str value)
{
    if (value.n > 0)
        buf_printf(out, "%s = %.*s\n", key, STR_ARG(value));
}

static int write_broker_conf(struct cli *cli, const struct init *in, struct str dir,
                             struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));

    buf_add_c(&out, "# naru-broker(8); every setting: naru-broker --help\n");
    line(&out, "listen", in->listen);
    line(&out, "url", in->url);
    line(&out, "operator.listen", in->operator_listen);
    buf_add_c(&out, "operator.token = operator-token\n");
    line(&out, "operator.name", in->name);
    line(&out, "tls.certificate", in->cert);
    line(&out, "tls.key", in->key);
    line(&out, "database", in->database);
    line(&out, "did", in->did);
    buf_add_c(&out, "key = broker.pem\nlog.key = log.pem\n");
    line(&out, "fetch.ca", in->ca);
    for (size_t i = 0; i < in->allow.n; i++)
        buf_printf(&out, "%s%.*s%s", i == 0 ? "fetch.allow = " : ", ", STR_ARG(in->allow.items[i]),
                   i + 1 == in->allow.n ? "\n" : "");
    line(&out, "settlement.account", in->account);
    return home_write(cli, dir, "broker.conf", buf_str(&out), HOME_NEW, err);
}

static int write_files(struct cli *cli, const struct init *in, struct str dir, struct err *err)
{
    const struct token_text token = token_new(cli->env, "naru_");
    AUTO(buf_done) struct buf conf = buf_init(KIB(64));

    buf_add_c(&conf, "# naru(1)\n");
    line(&conf, "broker.url", in->url);
    line(&conf, "broker.did", in->did);
    buf_add_c(&conf, "broker.token = operator-token\n");
    line(&conf, "operator.url", in->operator_url);
    line(&conf, "fetch.ca", in->ca);
    if (make_key(cli, dir, "broker.pem", KEY_ES256, err) < 0 ||
        make_key(cli, dir, "log.pem", KEY_EDDSA, err) < 0 ||
        home_write(cli, dir, "operator-token", str_c(token.c), HOME_NEW, err) < 0 ||
        write_broker_conf(cli, in, dir, err) < 0)
        return err_ret(err);
    return home_write(cli, dir, "naru.conf", buf_str(&conf), HOME_NEW, err);
}

int cmd_operator_init(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct init in = {0};
    struct err err = {0};
    struct jw w = jw_init(&out);
    struct str dir;

    if (!cli_options(cli, operator_init_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (complete(cli, &in, &err) < 0 || home_make(cli, str_c(argv[0]), &dir, &err) < 0 ||
        write_files(cli, &in, dir, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        jw_object(&w);
        jw_kstr(&w, "home", dir);
        jw_kstr(&w, "did", in.did);
        jw_kstr(&w, "operator", in.operator_url);
        jw_object_end(&w);
        return cli_print_buf(cli, &out);
    }
    printf("%.*s: %s\nDID  %.*s\n\n%s\n", STR_ARG(dir), cli->korean ? "만들었습니다" : "made",
           STR_ARG(in.did), cli->korean ? "다음:" : "Next:");
    printf("  naru-broker --config %.*s/broker.conf\n", STR_ARG(dir));
    printf("  naru --home %.*s operator applications\n", STR_ARG(dir));
    return CLI_OK;
}
