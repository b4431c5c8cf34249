/*
 * cli/operator_attest.c - naru operator attest, naru operator withdraw: what the data bank has
 * checked about a company
 */
#include "cli/cli.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct attest_args {
    struct str number, framework, until;
};
/* clang-format off */
const struct cli_option operator_attest_options[] = {
    OPTION(struct attest_args, number,    "bpn",       0, "NUMBER", "its business partner number (BPNL…)"),
    OPTION(struct attest_args, framework, "framework", 0, "NAME",   "a framework agreement that it has signed, as policies name it"),
    OPTION(struct attest_args, until,     "until",     0, "TIME",   "end of what was checked (default: until it is withdrawn)"),
    {.name = NULL},
};
const struct cli_option operator_withdraw_options[] = {
    OPTION(struct attest_args, number,    "bpn",       0, "NUMBER", "the business partner number that no longer holds"),
    OPTION(struct attest_args, framework, "framework", 0, "NAME",   "the framework agreement that no longer holds"),
    {.name = NULL},
};

/* clang-format on */

/* POST {"kind","value","valid_until"?} to a participant's attestations. */
static int post(struct cli *cli, const char *participant, const char *verb,
                const struct attest_args *in)
{
    const bool number = in->number.n > 0;
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw w = jw_init(&body);
    struct err err = {0};
    struct str path;

    if (number == (in->framework.n > 0))
        return cli_usage(cli, "either --bpn or --framework is wanted");
    jw_object(&w);
    jw_kc(&w, "kind", number ? "business_partner_number" : "framework_agreement");
    jw_kstr(&w, "value", number ? in->number : in->framework);
    if (in->until.n > 0)
        jw_kstr(&w, "valid_until", in->until);
    jw_object_end(&w);
    path =
        arena_printf(cli->arena, "%.*s/attestations%s",
                     STR_ARG(cli_path(cli, "/v1/participants/", NULL, str_c(participant))), verb);
    if (cli_json(cli, PEER_OPERATOR, "POST", path, buf_str(&body), &doc, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return cli_print_json(cli, jdoc_root(doc));
    printf("%s: %.*s\n", participant, STR_ARG(jval_str(jval_get(jdoc_root(doc), "value"))));
    return CLI_OK;
}

int cmd_operator_attest(struct cli *cli, int argc, char **argv)
{
    struct attest_args in = {0};

    if (!cli_options(cli, operator_attest_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    return post(cli, argv[0], "", &in);
}

int cmd_operator_withdraw(struct cli *cli, int argc, char **argv)
{
    struct attest_args in = {0};

    if (!cli_options(cli, operator_withdraw_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    return post(cli, argv[0], "/withdraw", &in);
}
