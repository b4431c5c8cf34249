/*
 * cli/call.c - calls to connector and broker, refusals as errors
 *
 * The address filter of lib/net guards programs against addresses that strangers name. Here the user
 * names them, so every address is allowed; plain http is not, except to this machine, because keys
 * would travel readable.
 */
#include "cli/cli.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/secret.h"

#include "lib/base/banned.h"

#define ANSWER_BYTES MIB(64)
#define CALL_US      (60 * US_PER_S)

static const struct jlimits answer_limits = {
    .bytes = ANSWER_BYTES,
    .depth = 64,
    .nodes = 2000000,
};

void cli_answer_done(struct cli_answer *answer)
{
    free(answer->body);
    *answer = (struct cli_answer){0};
}

int cli_fetcher(struct cli *cli, struct fetcher **ret_fetcher, struct err *err)
{
    static const struct str everything[] = {STR_INIT("0.0.0.0/0"), STR_INIT("::/0")};
    const struct fetch_cfg cfg = {
        .env = cli->env,
        .ca_file = cli->home.ca_file.n > 0 ? arena_cstr(cli->arena, cli->home.ca_file) : NULL,
        .allow_http = true,
        .allow = everything,
        .n_allow = ARRAY_LEN(everything),
        .user_agent = "naru/" NARU_VERSION,
    };

    if (cli->fetcher == NULL && fetcher_open(&cfg, &cli->fetcher, err) < 0)
        return err_ret(err);
    *ret_fetcher = cli->fetcher;
    return 0;
}

struct peer {
    const char *setting;
    size_t url, secret;          /* members of struct home */
    const char *header, *prefix; /* NULL: no credential */
};

/* clang-format off */
#define HOME(member) offsetof(struct home, member)
static const struct peer peers[] = {
    [PEER_CONNECTOR]        = {"connector.url", HOME(connector_url), HOME(api_key_file),        "X-Api-Key",     ""},
    [PEER_BROKER]           = {"broker.url",    HOME(broker_url),    HOME(broker_token_file),   "Authorization", "Bearer "},
    [PEER_BROKER_ANONYMOUS] = {"broker.url",    HOME(broker_url),    0,                         NULL,            NULL},
    [PEER_OPERATOR]         = {"operator.url",  HOME(operator_url),  HOME(operator_token_file), "Authorization", "Bearer "},
};

/* clang-format on */

static struct str member(const struct home *home, size_t offset)
{
    return *(const struct str *)(const void *)((const char *)home + offset);
}

/* This machine by name or address, followed by the end, a port or a path. */
static bool is_local(struct str url)
{
    static const struct str hosts[] = {STR_INIT("http://localhost"), STR_INIT("http://127.0.0.1"),
                                       STR_INIT("http://[::1]")};

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        if (str_starts(url, hosts[i]) &&
            (url.n == hosts[i].n || url.p[hosts[i].n] == ':' || url.p[hosts[i].n] == '/'))
            return true;
    }
    return false;
}

static int add_secret(struct cli *cli, const struct peer *peer, struct cli_target *target,
                      struct err *err)
{
    const struct str file = member(&cli->home, peer->secret);
    AUTO(secret_free) struct secret *secret = NULL;
    struct str value;

    if (secret_load(arena_cstr(cli->arena, file), &secret, err) < 0)
        return err_tell(err, err->code == E_NOT_FOUND ? E_UNAUTHENTICATED : E_CONFIG, "",
                        "no key in '%.*s'%s", STR_ARG(file),
                        err->code == E_NOT_FOUND
                            ? "; 'naru register' gets the data bank's token"
                            : ": it must be readable by you only and not empty");
    value = arena_printf(cli->arena, "%s%.*s", peer->prefix, STR_ARG(secret_reveal(secret)));
    target->headers[target->n_headers++] = (struct fetch_header){str_c(peer->header), value};
    return 0;
}

int cli_target(struct cli *cli, enum cli_peer to, struct str path, struct cli_target *ret_target,
               struct err *err)
{
    struct cli_target target = {.url = path};

    if (to != PEER_URL) {
        const struct peer *peer = &peers[to];

        if (cli_home(cli, err) < 0)
            return err_ret(err);
        if (member(&cli->home, peer->url).n == 0)
            return err_tell(err, E_CONFIG, "", "no '%s' in naru.conf of '%.*s'", peer->setting,
                            STR_ARG(cli->home.dir));
        target.url = arena_printf(cli->arena, "%.*s%.*s", STR_ARG(member(&cli->home, peer->url)),
                                  STR_ARG(path));
        if (peer->header != NULL && add_secret(cli, peer, &target, err) < 0)
            return err_ret(err);
    }
    if (str_starts(target.url, STR("http://")) && !is_local(target.url))
        return err_tell(err, E_PEER_ADDRESS, "", "'%.*s' is not https", STR_ARG(target.url));
    if (arena_failed(cli->arena))
        return err_set(err, E_NO_MEMORY, "", "address");
    *ret_target = target;
    return 0;
}

/* -- refusals ---------------------------------------------------------------------------------- */

static enum err_code code_of_slug(struct str slug)
{
    for (int code = 1; code < E__COUNT; code++) {
        if (str_eq_c(slug, err_slug((enum err_code)code)))
            return (enum err_code)code;
    }
    return E_OK;
}

static enum err_code code_of_status(int status)
{
    static const enum err_code preferred[] = {
        E_INVALID, E_UNAUTHENTICATED, E_PAYMENT,   E_FORBIDDEN, E_NOT_FOUND,    E_CONFLICT,
        E_LIMIT,   E_OVER_QUOTA,      E_PEER_DOWN, E_BUSY,      E_PEER_TIMEOUT, E_INTERNAL,
    };

    for (size_t i = 0; i < ARRAY_LEN(preferred); i++) {
        if (err_http(preferred[i]) == status)
            return preferred[i];
    }
    return status >= 500 ? E_INTERNAL : E_PEER_REFUSED;
}

int cli_problem(struct cli *cli, int status, struct str body, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *problem = NULL;
    struct str detail, request;
    struct err ignored = {0};
    enum err_code code;

    if (jdoc_parse(body, &answer_limits, &doc, &ignored) == 0)
        problem = jdoc_root(doc);
    if (jtype_of(problem) == J_ARRAY) /* EDC: [{"message","type","path","invalidValue"}] */
        problem = jval_at(problem, 0);
    detail = jval_str(jval_get(problem, "detail"));
    if (detail.n == 0)
        detail = jval_str(jval_get(problem, "message"));
    if (detail.n == 0)
        detail = jval_str(jval_get(problem, "title"));
    request = jval_str(jval_get(problem, "request"));
    if (request.n < sizeof(cli->request)) {
        memcpy(cli->request, request.n > 0 ? request.p : "", request.n);
        cli->request[request.n] = '\0';
    }
    code = code_of_slug(jval_str(jval_get(problem, "code")));
    if (code == E_OK)
        code = code_of_status(status);
    if (detail.n == 0)
        return err_tell(err, code, "", "HTTP status %d", status);
    return err_tell(err, code, arena_cstr(cli->arena, jval_str(jval_get(problem, "at"))), "%.*s",
                    STR_ARG(detail));
}

/* -- calls ------------------------------------------------------------------------------------- */

int cli_call(struct cli *cli, const struct cli_request *request, struct cli_answer *ret_answer,
             struct err *err)
{
    AUTO(cli_answer_done) struct cli_answer answer = {0};
    struct cli_target target;
    struct fetcher *fetcher;
    struct fetch_request fetch;

    if (cli_target(cli, request->peer, request->path, &target, err) < 0 ||
        cli_fetcher(cli, &fetcher, err) < 0)
        return err_ret(err);
    target.headers[target.n_headers++] = (struct fetch_header){
        STR("Accept"), str_c(request->accept != NULL ? request->accept : "application/json")};
    if (str_present(request->body))
        target.headers[target.n_headers++] =
            (struct fetch_header){STR("Content-Type"), STR("application/json")};
    fetch = (struct fetch_request){
        .method = request->method,
        .url = target.url,
        .headers = target.headers,
        .n_headers = target.n_headers,
        .body = request->body,
        .max_response = request->max != 0 ? request->max : ANSWER_BYTES,
        .deadline_mono_us = env_mono_us(cli->env) + CALL_US,
    };
    if (fetch_call(fetcher, &fetch, &answer.status, &answer.body, &answer.n, err) < 0)
        return err_prefix(err, "%s %.*s", request->method, STR_ARG(target.url));
    if (answer.status >= 400)
        return cli_problem(cli, answer.status, str_n(answer.body, answer.n), err);
    *ret_answer = answer;
    answer = (struct cli_answer){0};
    return 0;
}

int cli_json(struct cli *cli, enum cli_peer peer, const char *method, struct str path,
             struct str body, struct jdoc **ret_doc, struct err *err)
{
    const struct cli_request request = {.peer = peer, .method = method, .path = path, .body = body};
    AUTO(cli_answer_done) struct cli_answer answer = {0};

    if (cli_call(cli, &request, &answer, err) < 0)
        return err_ret(err);
    if (answer.n == 0) {
        *ret_doc = NULL;
        return 0;
    }
    if (jdoc_parse(str_n(answer.body, answer.n), &answer_limits, ret_doc, err) < 0)
        return err_prefix(err, "answer of %s %.*s", method, STR_ARG(path));
    return 0;
}

struct str cli_path(struct cli *cli, const char *base, const char *name, struct str value)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_URL);

    buf_add_c(&out, base);
    if (value.n > 0) {
        if (name != NULL)
            buf_printf(&out, "%c%s=", strchr(base, '?') != NULL ? '&' : '?', name);
        encode_percent(&out, value);
    }
    return buf_failed(&out) ? STR("") : arena_str(cli->arena, buf_str(&out));
}

void cli_pause(int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&time, NULL);
}

bool cli_in_time(const struct cli *cli, int64_t deadline_us)
{
    return env_mono_us(cli->env) < deadline_us;
}
