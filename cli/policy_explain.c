/*
 * cli/policy_explain.c - naru policy explain: conditions of use in words, without any program running
 */
#include "cli/policy.h"
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

/* The text is made from the normal form: the hash names what it is the text of. */
static int print_text(struct cli *cli, const struct policy *policy)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    policy_explain(policy, cli->korean ? POLICY_KO : POLICY_EN, &text);
    printf("%.*s\n%s\n", STR_ARG(cli_clean(cli, buf_str(&text))), hash_hex(policy_hash(policy)).c);
    return CLI_OK;
}

int cmd_policy_explain(struct cli *cli, int argc, char **argv)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    struct err err = {0};
    struct jw w = jw_init(&out);

    if (!cli_options(cli, no_options, NULL, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (policy_read(cli, argv[0], &policy, &err) < 0)
        return cli_fail(cli, &err);
    if (!cli->json)
        return print_text(cli, policy);
    jw_object(&w);
    policy_answer_explain(policy, &w);
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}
