/*
 * cli/register.c - naru register: application for membership, with proof of the company's key
 */
#include "cli/cli.h"
#include "cli/member.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/base/uuid.h"
#include "lib/crypto/jws.h"

#include "lib/base/banned.h"

#define PROOF_LIFE_US (5 * US_PER_MIN)

struct application {
    struct str name_ko, name_en, country, number;
    bool wait;
};
/* clang-format off */
const struct cli_option register_options[] = {
    OPTION(struct application, number,  "number",  0, "KIND:VALUE", "company number: kr_brn, lei, eori, jp_corporate, duns or bpn"),
    OPTION(struct application, name_ko, "name-ko", 0, "TEXT",       "name in Korean"),
    OPTION(struct application, name_en, "name-en", 0, "TEXT",       "name in English"),
    OPTION(struct application, country, "country", 0, "CODE",       "ISO 3166-1 code (default KR)"),
    OPTION(struct application, wait,    "wait",    0, NULL,         "wait until the operator has approved"),
    {.name = NULL},
};

/* clang-format on */

/* A JWT by the company's key for the data bank: who holds the key applies. */
static int write_proof(struct cli *cli, const struct key *key, struct buf *out, struct err *err)
{
    const struct home *home = &cli->home;
    const int64_t now_us = env_wall_us(cli->env);
    const struct str kid =
        arena_printf(cli->arena, "%.*s#%.*s", STR_ARG(home->did), STR_ARG(home->key_id));
    AUTO(buf_done) struct buf claims = buf_init(KIB(8));
    struct jw w = jw_init(&claims);

    jw_object(&w);
    jw_kstr(&w, "iss", home->did);
    jw_kstr(&w, "sub", home->did);
    jw_kstr(&w, "aud", home->broker_did);
    jw_ki64(&w, "iat", now_us / US_PER_S);
    jw_ki64(&w, "exp", (now_us + PROOF_LIFE_US) / US_PER_S);
    jw_kc(&w, "jti", uuid_format(uuid_new(cli->env)).c);
    jw_object_end(&w);
    return jws_sign(key, kid, STR("JWT"), buf_str(&claims), out, err);
}

static int write_application(struct cli *cli, const struct application *in, struct buf *out,
                             struct err *err)
{
    const struct home *home = &cli->home;
    const struct str hosted = arena_printf(cli->arena, "%.*s:participants:%.*s",
                                           STR_ARG(home->broker_did), STR_ARG(home->slug));
    AUTO(key_free) struct key *key = NULL;
    AUTO(buf_done) struct buf proof = buf_init(LIMIT_TOKEN);
    AUTO(buf_done) struct buf jwk = buf_init(KIB(4));
    struct str value = in->number;
    const struct str kind = str_cut(&value, ':');
    struct jw w = jw_init(out);

    if (!str_present(value))
        return err_tell(err, E_CONFIG, "--number", "expected KIND:VALUE, e.g. kr_brn:124-81-00998");
    if (key_load(arena_cstr(cli->arena, home->key_file), &key, err) < 0 ||
        write_proof(cli, key, &proof, err) < 0)
        return err_ret(err);
    key_write_jwk(key, &jwk);
    jw_object(&w);
    jw_key(&w, "name");
    jw_object(&w);
    jw_kstr(&w, "ko", in->name_ko);
    jw_kstr(&w, "en", in->name_en);
    jw_object_end(&w);
    jw_kstr(&w, "country", in->country.n > 0 ? in->country : STR("KR"));
    jw_key(&w, "number");
    jw_object(&w);
    jw_kstr(&w, "kind", kind);
    jw_kstr(&w, "value", value);
    jw_object_end(&w);
    jw_kstr(&w, "slug", home->slug);
    if (!str_eq(home->did, hosted))
        jw_kstr(&w, "did", home->did);
    jw_kraw(&w, "jwk", buf_str(&jwk));
    jw_kstr(&w, "connector_url", home->public_url);
    jw_kstr(&w, "protocol_url",
            arena_printf(cli->arena, "%.*s/dsp/2025-1", STR_ARG(home->public_url)));
    jw_kstr(&w, "proof", buf_str(&proof));
    jw_object_end(&w);
    return buf_failed(out) ? err_set(err, E_LIMIT, "", "application") : 0;
}

static int keep_token(struct cli *cli, const struct jval *answer, struct err *err)
{
    const struct str token = jval_str(jval_get(answer, "token"));

    if (token.n == 0)
        return err_tell(err, E_PEER_SYNTAX, "/token", "the data bank gave no token");
    return home_write(cli, cli->home.dir, "broker-token", token, HOME_REPLACE, err);
}

static int print_application(const struct cli *cli, const struct jval *answer)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct jw w = jw_init(&out);

    if (!cli->json) {
        printf("%s %.*s\n%s %.*s\n", text(cli, TEXT_PARTICIPANT),
               STR_ARG(jval_str(jval_get(answer, "participant"))), text(cli, TEXT_STATE),
               STR_ARG(jval_str(jval_get(answer, "state"))));
        printf("%s\n", cli->korean ? "운영자의 승인을 기다립니다: naru status --wait-member"
                                   : "The operator decides now: naru status --wait-member");
        return CLI_OK;
    }
    /* the token is in the home folder; it need not be in logs of scripts too */
    jw_object(&w);
    for (const struct jiter *it = jiter_first(answer); it != NULL; it = jiter_next(answer, it)) {
        if (!str_eq(jiter_key(it), STR("token"))) {
            jw_key_str(&w, jiter_key(it));
            jw_val(&w, jiter_value(it));
        }
    }
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

int cmd_register(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(64));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct application in = {0};
    struct err err = {0};

    if (!cli_options(cli, register_options, &in, 0, 0, &argc, argv))
        return CLI_USAGE;
    if (in.name_ko.n == 0 || in.name_en.n == 0)
        return cli_usage(cli, "--name-ko and --name-en are wanted");
    if (cli_home(cli, &err) < 0 || write_application(cli, &in, &body, &err) < 0 ||
        cli_json(cli, PEER_BROKER_ANONYMOUS, "POST", STR("/v1/applications"), buf_str(&body), &doc,
                 &err) < 0 ||
        keep_token(cli, jdoc_root(doc), &err) < 0)
        return cli_fail(cli, &err);
    if (in.wait && member_wait(cli, &err) < 0)
        return cli_fail(cli, &err);
    return print_application(cli, jdoc_root(doc));
}
