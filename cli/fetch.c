/*
 * cli/fetch.c - naru fetch: the data of an agreement into a file
 *
 * Our connector pulls (GET /naru/v1/edrs/{transfer}/data), so that receipts are written. Bytes go to
 * FILE.part; a part that is there is continued with Range; FILE appears only when its SHA-256 equals
 * the digest that the provider (Repr-Digest, RFC 9530) or the catalogue names.
 */
#include <limits.h>

#include "cli/cli.h"
#include "cli/download.h"
#include "cli/management.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct fetch_args {
    struct str output;
    bool again;
};
/* clang-format off */
const struct cli_option fetch_options[] = {
    OPTION(struct fetch_args, output, "output", 'o', "FILE", "where to (default: the agreement's id); FILE.part while it grows"),
    OPTION(struct fetch_args, again,  "again",  0,   NULL,   "start anew, even if FILE.part is there"),
    {.name = NULL},
};

/* clang-format on */

struct source {
    struct str agreement, endpoint, provider;
    struct str dataset; /* STR_NONE: not from an order of the data bank */
    struct str transfer;
    bool fresh; /* the transfer was started by this command */
};

static int find_agreement(struct cli *cli, struct str id, struct source *source, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *order = NULL;
    struct err ignored = {0};

    source->agreement = id;
    if (management_order(cli, id, &order, &ignored) == 0) {
        const struct str agreement = jval_str(jval_get(jdoc_root(order), "agreement"));

        source->dataset = arena_str(cli->arena, jval_str(jval_get(jdoc_root(order), "dataset")));
        if (agreement.n > 0)
            source->agreement = arena_str(cli->arena, agreement);
    }
    if (cli_json(cli, PEER_CONNECTOR, "GET",
                 arena_printf(
                     cli->arena, "%.*s/negotiation",
                     STR_ARG(cli_path(cli, "/v3/contractagreements/", NULL, source->agreement))),
                 STR_NONE, &doc, err) < 0)
        return err->code == E_NOT_FOUND
                   ? err_tell(err, E_NOT_FOUND, "", "our connector has no agreement '%.*s'",
                              STR_ARG(id))
                   : err_ret(err);
    source->endpoint =
        arena_str(cli->arena, jval_str(jval_get(jdoc_root(doc), "counterPartyAddress")));
    source->provider = arena_str(cli->arena, jval_str(jval_get(jdoc_root(doc), "counterPartyId")));
    return 0;
}

/* A transfer of ours that runs; *ret_id stays absent if there is none. */
static int find_transfer(struct cli *cli, const struct source *source, struct str *ret_id,
                         struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_key(&w, "@context");
    jw_object(&w);
    jw_kc(&w, "@vocab", "https://w3id.org/edc/v0.0.1/ns/");
    jw_object_end(&w);
    jw_kc(&w, "@type", "QuerySpec");
    jw_ki64(&w, "limit", 100);
    jw_kc(&w, "sortField", "createdAt");
    jw_kc(&w, "sortOrder", "DESC");
    jw_key(&w, "filterExpression");
    jw_array(&w);
    jw_object(&w);
    jw_kc(&w, "operandLeft", "contractId");
    jw_kc(&w, "operator", "=");
    jw_kstr(&w, "operandRight", source->agreement);
    jw_object_end(&w);
    jw_array_end(&w);
    jw_object_end(&w);
    if (cli_json(cli, PEER_CONNECTOR, "POST", STR("/v3/transferprocesses/request"), buf_str(&body),
                 &doc, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < jval_len(jdoc_root(doc)); i++) {
        const struct jval *t = jval_at(jdoc_root(doc), i);

        if (str_eq(jval_str(jval_get(t, "type")), STR("CONSUMER")) &&
            str_eq(jval_str(jval_get(t, "state")), STR("STARTED"))) {
            *ret_id = arena_str(cli->arena, jval_str(jval_get(t, "@id")));
            return 0;
        }
    }
    return 0;
}

static int start_transfer(struct cli *cli, struct source *source, struct err *err)
{
    static const char *const settled[] = {"STARTED", "COMPLETED", "TERMINATED", "SUSPENDED", NULL};
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *state = NULL;
    struct jw w = jw_init(&body);
    struct str detail;

    management_begin(&w, "TransferRequest", source->endpoint);
    jw_kstr(&w, "contractId", source->agreement);
    jw_kc(&w, "transferType", "HttpData-PULL");
    jw_object_end(&w);
    if (cli_json(cli, PEER_CONNECTOR, "POST", STR("/v3/transferprocesses"), buf_str(&body), &doc,
                 err) < 0)
        return err_ret(err);
    source->transfer = arena_str(cli->arena, jval_str(jval_get(jdoc_root(doc), "@id")));
    source->fresh = true;
    if (management_wait(cli, "/v3/transferprocesses/", source->transfer, settled, &state, err) < 0)
        return err_ret(err);
    if (str_eq(jval_str(jval_get(jdoc_root(state), "state")), STR("STARTED")))
        return 0;
    detail = jval_str(jval_get(jdoc_root(state), "errorDetail"));
    return err_tell(err, E_POLICY, "", "%.*s",
                    STR_ARG(detail.n > 0 ? detail : STR("the provider ended the transfer")));
}

/* "sha256:<hex>" of the catalogue; the dataset may be gone from it, so nothing is an error. */
static struct str catalogue_digest(struct cli *cli, const struct source *source)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};

    if (source->dataset.n == 0 ||
        cli_json(cli, PEER_BROKER, "GET", cli_path(cli, "/v1/datasets/", NULL, source->dataset),
                 STR_NONE, &doc, &ignored) < 0)
        return STR("");
    return arena_str(cli->arena, jval_str(jval_get(jval_get(jdoc_root(doc), "entry"), "digest")));
}

static int pull(struct cli *cli, const struct source *source, struct str file, bool again,
                struct download_result *ret, struct err *err)
{
    const struct download download = {
        .path = arena_printf(cli->arena, "%.*s/data",
                             STR_ARG(cli_path(cli, "/naru/v1/edrs/", NULL, source->transfer))),
        .file = file,
        .again = again,
    };

    return download_run(cli, &download, ret, err);
}

static int fetch_data(struct cli *cli, struct source *source, struct str file, bool again,
                      struct download_result *ret, struct err *err)
{
    if (find_transfer(cli, source, &source->transfer, err) < 0 ||
        (source->transfer.n == 0 && start_transfer(cli, source, err) < 0))
        return err_ret(err);
    if (pull(cli, source, file, again, ret, err) == 0)
        return 0;
    /* the other side has forgotten or ended what we believe to run */
    if (source->fresh || (err->code != E_NOT_FOUND && err->code != E_CONFLICT))
        return err_ret(err);
    err_clear(err);
    if (start_transfer(cli, source, err) < 0)
        return err_ret(err);
    return pull(cli, source, file, again, ret, err);
}

/* Where a copy is, so that it is deleted when that is owed. The data are here, whatever becomes of
 * the note. */
static void note_copy(struct cli *cli, const struct source *source, struct str file,
                      const struct download_result *result)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const char *path = arena_cstr(cli->arena, file);
    char absolute[PATH_MAX];
    struct jw w = jw_init(&body);
    struct err err = {0};

    if (path == NULL || realpath(path, absolute) == NULL)
        return;
    jw_object(&w);
    jw_kstr(&w, "agreement", source->agreement);
    jw_kc(&w, "path", absolute);
    jw_kstr(&w, "digest", arena_printf(cli->arena, "sha256:%s", result->digest.c));
    jw_ki64(&w, "bytes", result->bytes);
    jw_object_end(&w);
    if (cli_json(cli, PEER_CONNECTOR, "POST", STR("/naru/v1/copies"), buf_str(&body), &doc, &err) <
        0)
        cli_note(cli,
                 cli->korean ? "사본의 위치를 커넥터에 남기지 못했습니다: %s"
                             : "our connector did not note where the copy is: %s",
                 err.text);
}

static int print_fetched(const struct cli *cli, const struct source *source, struct str file,
                         const struct download_result *result)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);

    if (!cli->json) {
        printf("%.*s  %lld %s  sha256:%s%s\n", STR_ARG(file), (long long)result->bytes,
               cli->korean ? "바이트" : "bytes", result->digest.c,
               result->verified ? (cli->korean ? " (확인됨)" : " (verified)") : "");
        return CLI_OK;
    }
    jw_object(&w);
    jw_kstr(&w, "agreement", source->agreement);
    jw_kstr(&w, "transfer", source->transfer);
    jw_kstr(&w, "file", file);
    jw_ki64(&w, "bytes", result->bytes);
    jw_kstr(&w, "digest", arena_printf(cli->arena, "sha256:%s", result->digest.c));
    jw_kbool(&w, "verified", result->verified);
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

int cmd_fetch(struct cli *cli, int argc, char **argv)
{
    struct download_result result = {0};
    struct source source = {0};
    struct fetch_args in = {0};
    struct err err = {0};
    struct str file;

    if (!cli_options(cli, fetch_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (find_agreement(cli, str_c(argv[0]), &source, &err) < 0)
        return cli_fail(cli, &err);
    file = in.output.n > 0 ? in.output : source.agreement;
    if (fetch_data(cli, &source, file, in.again, &result, &err) < 0)
        return cli_fail(cli, &err);
    if (!result.verified && download_check(&result, catalogue_digest(cli, &source), &err) < 0)
        return cli_fail(cli, &err);
    if (download_keep(cli, file, &err) < 0)
        return cli_fail(cli, &err);
    note_copy(cli, &source, file, &result);
    return print_fetched(cli, &source, file, &result);
}
