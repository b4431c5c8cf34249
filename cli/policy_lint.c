/*
 * cli/policy_lint.c - naru policy lint: what the author of a policy should look at again
 */
#include "cli/policy.h"
#include "lib/base/limits.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

#define ARENA_MAX MIB(256)

static const char *const weights[][POLICY_LANG__COUNT] = {
    [POLICY_LINT_WARNING] = {"주의", "warning"},
    [POLICY_LINT_ERROR] = {"오류", "error"  },
};

static void print_finding(const struct cli *cli, const struct policy_finding *finding)
{
    const enum policy_lang lang = cli->korean ? POLICY_KO : POLICY_EN;

    printf("%s%s%.*s: %s [%s]\n", weights[policy_lint_weight(finding->lint)][lang],
           finding->at.n > 0 ? " " : "", STR_ARG(finding->at),
           policy_lint_text(finding->lint, lang), policy_lint_slug(finding->lint));
}

static int print(struct cli *cli, const struct policy *policy, const struct policy_findings *found)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    struct jw w = jw_init(&out);

    if (!cli->json) {
        for (size_t i = 0; i < found->n; i++)
            print_finding(cli, &found->items[i]);
        return CLI_OK;
    }
    jw_object(&w);
    policy_answer_findings(policy, found, &w);
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

int cmd_policy_lint(struct cli *cli, int argc, char **argv)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(ARENA_MAX);
    struct policy_findings found;
    struct err err = {0};
    int code;

    if (!cli_options(cli, no_options, NULL, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (arena == NULL)
        return cli_fail(cli, &(struct err){.code = E_NO_MEMORY});
    if (policy_read(cli, argv[0], &policy, &err) < 0 ||
        policy_lint(policy, env_wall_us(cli->env), arena, &found, &err) < 0)
        return cli_fail(cli, &err);
    code = print(cli, policy, &found);
    for (size_t i = 0; code == CLI_OK && i < found.n; i++) {
        if (policy_lint_weight(found.items[i].lint) == POLICY_LINT_ERROR)
            code = CLI_REFUSED;
    }
    return code;
}
