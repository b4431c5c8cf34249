/*
 * cli/policy_diff.c - naru policy diff: what is different between two policies, and which is stricter
 */
#include "cli/policy.h"
#include "lib/base/limits.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

#define ARENA_MAX MIB(256)

struct diff_args {
    bool strict;
};
/* clang-format off */
const struct cli_option policy_diff_options[] = {
    OPTION(struct diff_args, strict, "strict", 0, NULL, "exit code 5 unless the second is at least as strict as the first"),
    {.name = NULL},
};

/* clang-format on */

struct compared {
    const struct policy *first, *second;
    struct policy_comparison comparison;
};

static int print(struct cli *cli, const struct compared *c)
{
    const enum policy_lang lang = cli->korean ? POLICY_KO : POLICY_EN;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    struct jw w = jw_init(&out);

    if (!cli->json) {
        policy_explain_difference(c->first, c->second, lang, &text);
        policy_explain_comparison(c->first, c->second, &c->comparison, lang, &text);
        printf("%.*s", STR_ARG(cli_clean(cli, buf_str(&text))));
        return CLI_OK;
    }
    jw_object(&w);
    policy_answer_comparison(c->first, c->second, &c->comparison, &w);
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

int cmd_policy_diff(struct cli *cli, int argc, char **argv)
{
    AUTO(policy_unref) struct policy *first = NULL;
    AUTO(policy_unref) struct policy *second = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(ARENA_MAX);
    struct diff_args in = {0};
    struct compared c = {0};
    struct err err = {0};
    int code;

    if (!cli_options(cli, policy_diff_options, &in, 2, 2, &argc, argv))
        return CLI_USAGE;
    if (arena == NULL)
        return cli_fail(cli, &(struct err){.code = E_NO_MEMORY});
    if (policy_read(cli, argv[0], &first, &err) < 0 || policy_read(cli, argv[1], &second, &err) < 0)
        return cli_fail(cli, &err);
    c.first = first;
    c.second = second;
    if (policy_compare(first, second, env_wall_us(cli->env), arena, &c.comparison, &err) < 0)
        return cli_fail(cli, &err);
    code = print(cli, &c);
    return code == CLI_OK && in.strict && policy_at_least_as_strict(&c.comparison, 1) != POLICY_YES
               ? CLI_POLICY
               : code;
}
