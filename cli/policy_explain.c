/*
 * cli/policy_explain.c - naru policy explain: conditions of use in words, without any program running
 */
#include "cli/policy.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

int cmd_policy_explain(struct cli *cli, int argc, char **argv)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf ko = buf_init(MIB(1));
    AUTO(buf_done) struct buf en = buf_init(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(MIB(4));
    struct err err = {0};
    struct jw w = jw_init(&out);

    if (!cli_options(cli, no_options, NULL, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (policy_read(cli, argv[0], &policy, &err) < 0)
        return cli_fail(cli, &err);
    policy_explain(policy, POLICY_KO, &ko);
    policy_explain(policy, POLICY_EN, &en);
    if (!cli->json) {
        printf("%.*s\n", STR_ARG(cli_clean(cli, buf_str(cli->korean ? &ko : &en))));
        return CLI_OK;
    }
    jw_object(&w);
    policy_texts(&w, &ko, &en);
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}
